/* config - a configuration file with handlers, or after a first byte '-' flags separated by NUL, are read or refused, and a
 * refusal says why.
 */
#include "common/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/handler_file.h"
#include "common/handler_keys.h"
#include "common/tree.h"

#define ARGUMENTS_MAX 32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static const struct config_setting settings[] = {
    {.key = "redis.url", .kind = CONFIG_STRING, .high = 64, .flag = "redis"},
    {.key = "slots", .kind = CONFIG_INTEGER, .fallback = "8", .low = 1, .high = 1000, .letter = 's'},
    {.key = "session.timeout", .kind = CONFIG_DURATION, .fallback = "6s", .low = 1000, .high = 3600000},
    {.key = "body-max", .kind = CONFIG_BYTES, .fallback = "1MiB", .low = 1, .high = 1 << 30},
    {.key = "queues", .kind = CONFIG_LIST, .fallback = "default", .high = 63, .letter = 'q'},
    {.key = "verbose", .kind = CONFIG_BOOL, .letter = 'v'},
    {0},
};
static const char *const elsewhere[] = {"handlers", NULL};

static void require(bool truth)
{
    if (!truth)
        abort();
}

/* What is read of handlers keeps the table's promises, and can be shown. */
static void check_handlers(const struct tree *section)
{
    struct handlers handlers = {0};
    struct buffer out = {0};
    struct error err = {0};
    int rc = handlers_read(&handlers, section, &err);

    require(rc == 0 || (err.code < 0 && err.message[0] && strlen(err.message) < sizeof err.message));
    require(handlers.count <= HANDLERS_MAX);
    for (size_t i = 0; i < handlers.count; i++) {
        const struct handler *handler = handlers.items[i];
        require(handler->argv && handler->argv[0] && handler->timeout_ms >= 1 && handler->max_timeout_ms >= handler->timeout_ms);
        require(handler->max_attempts >= 1 && handler->max_attempts <= HANDLER_ATTEMPTS_MAX);
        require(handler->exit_count <= HANDLER_EXITS_MAX && handler->variable_count <= HANDLER_VARIABLES_MAX);
        for (const struct handler_key *key = handler_keys; key->name; key++)
            handler_format(&out, handler, key, true);
        require(handler_equals(handler, handler));
    }
    buffer_clear(&out);
    handlers_clear(&handlers);
}

/* Asks everything of what was read. */
static void check(struct config *config, const struct error *err)
{
    const struct tree *handlers;

    if (!config) {
        require(err->code < 0 && err->message[0] && strlen(err->message) < sizeof err->message);
        return;
    }
    require(config_integer(config, "slots") >= 1 && config_integer(config, "slots") <= 1000);
    require(config_integer(config, "session.timeout") >= 1000 && config_integer(config, "session.timeout") <= 3600000);
    require(strlen(config_string(config, "redis.url")) <= 64);
    for (size_t i = 0; i < config_list_count(config, "queues"); i++)
        require(strlen(config_list_at(config, "queues", i)) <= 63);
    for (int i = 0; i < config_argument_count(config); i++)
        require(config_argument(config, i) != NULL);
    handlers = config_section(config, "handlers");
    for (size_t i = 0; i < tree_count(handlers); i++)
        require(tree_find(handlers, tree_key(tree_at(handlers, i))) == tree_at(handlers, i) || tree_kind(handlers) == TREE_LIST);
    check_handlers(handlers);
    config_free(config);
}

static void read_file(const uint8_t *data, size_t bytes)
{
    char path[64];
    char *argv[] = {(char[]){"fuzz"}, (char[]){"--config"}, path};
    int fd = memfd_create("config", MFD_CLOEXEC);
    struct error err = {0};

    require(fd >= 0 && write(fd, data, bytes) == (ssize_t)bytes);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    check(config_new(settings, elsewhere, 3, argv, &err), &err);
    close(fd);
}

static void read_flags(const uint8_t *data, size_t bytes)
{
    char *copy = malloc(bytes + 1), *argv[ARGUMENTS_MAX] = {(char[]){"fuzz"}, (char[]){"--config=/dev/null"}};
    struct error err = {0};
    int argc = 2;

    memcpy(copy, data, bytes);
    copy[bytes] = '\0';
    for (size_t at = 0; at <= bytes && argc < ARGUMENTS_MAX; at += strlen(copy + at) + 1)
        if (strncmp(copy + at, "--config", 8) != 0) /* which would read any file */
            argv[argc++] = copy + at;
    check(config_new(settings, elsewhere, argc, argv, &err), &err);
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (bytes && data[0] == '-')
        read_flags(data + 1, bytes - 1);
    else
        read_file(data, bytes);
    return 0;
}
