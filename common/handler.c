#include "common/handler.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/handler_keys.h"
#include "common/id.h"
#include "common/memory.h"

static void free_command(struct handler *handler)
{
    for (char **argument = handler->argv; argument && *argument; argument++)
        free(*argument);
    free(handler->argv);
    handler->argv = NULL;
}

int handler_type_check(const char *type, struct error *err)
{
    size_t length = strlen(type);

    if (strcmp(type, "*") == 0 || (length > 1 && type[length - 1] == '*' && type_is_valid(type, length - 1)))
        return 0;
    return type_check(type, err);
}

static void release_use(struct handler_use *use)
{
    if (--use->holders == 0)
        free(use);
}

struct handler *handler_new(const char *type, struct error *err)
{
    struct handler *handler;

    if (handler_type_check(type, err) < 0)
        return NULL;
    handler = memory_new(sizeof *handler);
    handler->use = memory_new(sizeof *handler->use);
    handler->use->holders = 1;
    handler->type = memory_string(type);
    handler->holders = 1;
    handler_set_defaults(handler);
    return handler;
}

struct handler *handler_hold(struct handler *handler)
{
    handler->holders++;
    return handler;
}

void handler_release(struct handler *handler)
{
    if (!handler)
        return;
    assert(handler->holders > 0);
    if (--handler->holders > 0)
        return;
    free_command(handler);
    for (size_t i = 0; i < handler->variable_count; i++) {
        free(handler->variables[i].name);
        free(handler->variables[i].value);
    }
    free(handler->variables);
    free(handler->limit);
    free(handler->cwd);
    free(handler->user);
    free(handler->type);
    release_use(handler->use);
    free(handler);
}

void handler_set_command(struct handler *handler, const char *const *argv)
{
    size_t count = 0;

    free_command(handler);
    if (!argv)
        return;
    while (argv[count])
        count++;
    handler->argv = memory_new(sizeof *handler->argv * (count + 1));
    for (size_t i = 0; i < count; i++)
        handler->argv[i] = memory_string(argv[i]);
}

static struct handler *find_exact(const struct handlers *handlers, const char *type)
{
    for (size_t i = 0; i < handlers->count; i++)
        if (strcmp(handlers->items[i]->type, type) == 0)
            return handlers->items[i];
    return NULL;
}

int handlers_add(struct handlers *handlers, struct handler *handler, struct error *err)
{
    int rc = 0;

    if (find_exact(handlers, handler->type))
        rc = error_set(err, ERR_INVALID, "type %s has two handlers", handler->type);
    else if (handlers->count == HANDLERS_MAX)
        rc = error_set(err, ERR_LIMIT, "handler of %s would be number %zu, the limit is %d", handler->type, handlers->count + 1,
                       HANDLERS_MAX);
    if (rc < 0) {
        handler_release(handler);
        return rc;
    }
    handlers->items = memory_resize(handlers->items, sizeof *handlers->items * (handlers->count + 1));
    handlers->items[handlers->count++] = handler;
    return 0;
}

int handlers_add_shell(struct handlers *handlers, const char *text, struct error *err)
{
    const char *equals = strchr(text, '=');
    struct handler *handler;
    char *type;

    if (!equals || equals[1] == '\0')
        return error_set(err, ERR_INVALID, "handler \"%.80s\" must be TYPE=COMMAND, as in wc='wc -w'", text);
    type = memory_copy(text, (size_t)(equals - text));
    handler = handler_new(type, err);
    free(type);
    if (!handler)
        return err->code;
    if (strcmp(equals + 1, "@noop") != 0)
        handler_set_command(handler, (const char *const[]){"/bin/sh", "-c", equals + 1, NULL});
    return handlers_add(handlers, handler, err);
}

/* How many letters of `type` the name says: all, those before its '*', or none of them (0), if it stands for others. */
static size_t match(const char *name, const char *type)
{
    size_t length = strlen(name);

    if (strcmp(name, type) == 0)
        return length + 1;
    return name[length - 1] == '*' && strncmp(name, type, length - 1) == 0 ? length : 0;
}

struct handler *handlers_find(const struct handlers *handlers, const char *type)
{
    struct handler *best = NULL;
    size_t most = 0;

    for (size_t i = 0; i < handlers->count; i++) {
        size_t said = match(handlers->items[i]->type, type);
        if (said > most) {
            most = said;
            best = handlers->items[i];
        }
    }
    return best;
}

/* What `handler` of the fresh table was before; tells of it. Gives the one to keep. */
static struct handler *
settle(const struct handlers *handlers, struct handler *handler,
       void (*told)(enum handler_change change, const struct handler *old, const struct handler *now, void *ctx), void *ctx)
{
    struct handler *old = find_exact(handlers, handler->type);

    if (old && handler_equals(old, handler)) {
        handler_release(handler);
        return handler_hold(old);
    }
    if (old) {
        release_use(handler->use);
        handler->use = old->use;
        handler->use->holders++;
    }
    if (told)
        told(old ? HANDLER_CHANGED : HANDLER_ADDED, old, handler, ctx);
    return handler;
}

void handlers_replace(struct handlers *handlers, struct handlers *fresh,
                      void (*told)(enum handler_change change, const struct handler *old, const struct handler *now, void *ctx),
                      void *ctx)
{
    struct handlers before = *handlers;

    for (size_t i = 0; i < fresh->count; i++)
        fresh->items[i] = settle(&before, fresh->items[i], told, ctx);
    handlers->items = fresh->items;
    handlers->count = fresh->count;
    for (size_t i = 0; i < before.count; i++) {
        struct handler *old = before.items[i], *now = find_exact(handlers, old->type);
        if (!now && told)
            told(HANDLER_REMOVED, old, NULL, ctx);
        if (now != old && handlers->on_retired)
            handlers->on_retired(old, handlers->ctx);
    }
    handlers_clear(&before);
    *fresh = (struct handlers){0};
}

void handlers_clear(struct handlers *handlers)
{
    for (size_t i = 0; i < handlers->count; i++)
        handler_release(handlers->items[i]);
    free(handlers->items);
    *handlers = (struct handlers){0};
}
