/* handler_keys.h - the keys of a handler in the configuration file: one table, from which they are read (handler_file.h), shown,
 * exampled and documented.
 *
 * A key is written as in "timeout", or as a path in "backoff.base" for `backoff: {base: 5s}`. Each has one kind,
 * one range and one default. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buffer.h"
#include "common/error.h"
#include "common/handler.h"

enum handler_kind {
    HANDLER_COMMAND,  /* a text for the shell, or a list of words */
    HANDLER_CHOICE,   /* one of `words` */
    HANDLER_DURATION, /* as in units.h; stored as ms */
    HANDLER_BYTES,
    HANDLER_INTEGER,
    HANDLER_DECIMAL, /* "1.5"; stored as thousandths */
    HANDLER_BOOL,
    HANDLER_TEXT,
    HANDLER_NAME,   /* a text of the grammar [a-z0-9][a-z0-9_-]{0,62} */
    HANDLER_FOLDER, /* an absolute path */
    HANDLER_DELAYS, /* a list of durations */
    HANDLER_EXITS,  /* a map "3" or "10-19" -> outcome */
    HANDLER_ENV,    /* a list of variables to pass on, or a map NAME: value */
};

struct handler_key {
    const char *name;
    enum handler_kind kind;
    size_t offset; /* of its field in struct handler */
    int64_t low, high;
    const char *fallback;     /* in the words of a user; NULL: not set */
    const char *const *words; /* of a HANDLER_CHOICE, NULL-terminated, in the order of its enum */
    const char *argument;     /* what stands for a value: "DURATION" */
    const char *example;      /* a good value where the fallback is none */
    const char *help;
};

/* Ends with a zero entry. */
extern const struct handler_key handler_keys[];

/* The key of this name, or NULL. */
const struct handler_key *handler_key_find(const char *name);

/* Every field but type and command as the table has it. */
void handler_set_defaults(struct handler *handler);

/* The words of enum handler_outcome, NULL-terminated. */
extern const char *const handler_outcomes[];

/* A key that is being set, and how messages about it begin: "rota.yaml:3: handler wc: timeout". */
struct handler_entry {
    struct handler *handler;
    const struct handler_key *key;
    const char *what;
};

/* Sets one that is a single value: not a command, delays, exits or variables. */
int handler_entry_set(const struct handler_entry *entry, const char *text, struct error *err) MUST_CHECK;

/* Appends the value as it may stand in the file; nothing if it is not set. Of variables with a fixed value only the names, unless
 * `reveal`: they may be secrets. */
void handler_format(struct buffer *out, const struct handler *handler, const struct handler_key *key, bool reveal);

/* True if both have the same value. */
bool handler_same_value(const struct handler *a, const struct handler *b, const struct handler_key *key);

/* True if the value is another one than the default. */
bool handler_is_set(const struct handler *handler, const struct handler_key *key);

/* Appends the range, "1ms..7d"; or the words, "exec or pool"; nothing where there is none. */
void handler_format_range(struct buffer *out, const struct handler_key *key);
