/* handler.h - which command runs jobs of which type. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

#define HANDLERS_MAX          64
#define HANDLER_TIMEOUT_MS    60000
#define HANDLER_ATTEMPTS      25
#define HANDLER_ARGUMENTS_MAX 64

struct handler {
    char *type;         /* or "*": any type that has no handler of its own */
    char **argv;        /* NULL-terminated; NULL for the built-in noop, which is done at once */
    int64_t timeout_ms; /* a job's own time-out wins */
    int max_attempts;   /* a job's own limit wins */
};

/* All zeroes is an empty table. */
struct handlers {
    struct handler *items;
    size_t count;
};

/* Adds a handler that the shell runs: "TYPE=COMMAND", as in "wc=wc -w". "TYPE=@noop" is the built-in noop. */
int handlers_add_shell(struct handlers *handlers, const char *text, struct error *err) MUST_CHECK;

/* Adds a handler with its own arguments (copied; `argv` is NULL-terminated). Limits of 0 stand for the defaults. */
int handlers_add(struct handlers *handlers, const char *type, const char *const *argv, int64_t timeout_ms, int max_attempts,
                 struct error *err) MUST_CHECK;

/* The handler of `type`, the one of "*", or NULL. */
const struct handler *handlers_find(const struct handlers *handlers, const char *type);

void handlers_clear(struct handlers *handlers);
