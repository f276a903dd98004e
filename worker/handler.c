#include "worker/handler.h"

#include <stdlib.h>
#include <string.h>

#include "common/id.h"
#include "common/memory.h"

static const struct handler *find_exact(const struct handlers *handlers, const char *type)
{
    for (size_t i = 0; i < handlers->count; i++)
        if (strcmp(handlers->items[i].type, type) == 0)
            return &handlers->items[i];
    return NULL;
}

static char **copy_arguments(const char *const *argv)
{
    size_t count = 0;
    char **copy;

    while (argv[count])
        count++;
    copy = memory_new(sizeof *copy * (count + 1));
    for (size_t i = 0; i < count; i++)
        copy[i] = memory_string(argv[i]);
    return copy;
}

int handlers_add(struct handlers *handlers, const char *type, const char *const *argv, int64_t timeout_ms, int max_attempts,
                 struct error *err)
{
    struct handler *handler;

    if (strcmp(type, "*") != 0 && type_check(type, err) < 0)
        return err->code;
    if (find_exact(handlers, type))
        return error_set(err, ERR_INVALID, "type %s has two handlers", type);
    if (handlers->count == HANDLERS_MAX)
        return error_set(err, ERR_LIMIT, "handler of %s would be number %zu, the limit is %d", type, handlers->count + 1,
                         HANDLERS_MAX);
    if (argv && !argv[0])
        return error_set(err, ERR_INVALID, "the handler of %s has no command", type);
    handlers->items = memory_resize(handlers->items, sizeof *handlers->items * (handlers->count + 1));
    handler = &handlers->items[handlers->count++];
    *handler = (struct handler){
        .type = memory_string(type),
        .argv = argv ? copy_arguments(argv) : NULL,
        .timeout_ms = timeout_ms ? timeout_ms : HANDLER_TIMEOUT_MS,
        .max_attempts = max_attempts ? max_attempts : HANDLER_ATTEMPTS,
    };
    return 0;
}

int handlers_add_shell(struct handlers *handlers, const char *text, struct error *err)
{
    const char *equals = strchr(text, '=');
    char *type;
    int rc;

    if (!equals || equals[1] == '\0')
        return error_set(err, ERR_INVALID, "handler \"%.80s\" must be TYPE=COMMAND, as in wc='wc -w'", text);
    type = memory_copy(text, (size_t)(equals - text));
    if (strcmp(equals + 1, "@noop") == 0)
        rc = handlers_add(handlers, type, NULL, 0, 0, err);
    else
        rc = handlers_add(handlers, type, (const char *const[]){"/bin/sh", "-c", equals + 1, NULL}, 0, 0, err);
    free(type);
    return rc;
}

const struct handler *handlers_find(const struct handlers *handlers, const char *type)
{
    const struct handler *found = find_exact(handlers, type);

    return found ? found : find_exact(handlers, "*");
}

void handlers_clear(struct handlers *handlers)
{
    for (size_t i = 0; i < handlers->count; i++) {
        struct handler *handler = &handlers->items[i];
        for (char **argument = handler->argv; argument && *argument; argument++)
            free(*argument);
        free(handler->argv);
        free(handler->type);
    }
    free(handlers->items);
    *handlers = (struct handlers){0};
}
