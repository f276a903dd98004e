/* config.h - the settings of a program, from one table: command-line flag > environment > YAML file > default.
 *
 * One table per program names every setting once: its key in the file (redis.url), from which the flag (--redis-url) and the
 * variable (ROTA_REDIS_URL) follow, its kind, range, default and help text. Unknown flags, unknown keys of the file and bad
 * values are refused with the place (file:line, variable, flag), the value, the range, and the nearest known name; bad values
 * also of a source that another one overrules.
 *
 * Flags are GNU style, anywhere among the arguments: --flag value, --flag=value, -f value, -fvalue, -xyf value; of a boolean also
 * just --flag, or --no-flag. "--" ends them, "-" is an argument, of several the last one counts. Every program also has the flags
 * --config, --help (-h) and --version.
 *
 * A variable set to nothing is not set. NAME_FILE instead of NAME reads the value from that file (secrets), less one newline at
 * its end; both at once are refused.
 *
 * In the file, maps within maps stand for dotted keys (`session: {timeout: 6s}` for session.timeout). A value left empty, ~ and
 * null are not given.
 *
 * Durations and sizes are written as in units.h; booleans are true, yes, on, 1, false, no, off, 0. Of a list a flag adds one
 * entry each time; a variable and a default separate entries by commas (spaces around do not count); the file has a list or a
 * single text. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

struct tree;

enum config_kind { CONFIG_STRING, CONFIG_INTEGER, CONFIG_DURATION, CONFIG_BYTES, CONFIG_BOOL, CONFIG_LIST };

/* One line of a table. */
struct config_setting {
    const char *key; /* "session.timeout": [a-z0-9._-], none a prefix of another; --session-timeout, ROTA_SESSION_TIMEOUT */
    enum config_kind kind;
    const char *fallback; /* the default in the words of a user ("6s"); NULL: "", 0, false or no entries, whatever the range */
    int64_t low, high;    /* of integers, ms, bytes; the most bytes of a string or of one entry is `high` (0: 4096) */
    char letter;          /* short flag, or 0 */
    const char *flag;     /* another name for the flag ("redis"), or NULL */
    const char *variable; /* a second variable to fall back to (REDIS_URL), or NULL */
    const char *argument; /* name of the argument in the help text: "URL"; NULL for a CONFIG_BOOL */
    const char *help;
    const char *words; /* the values that it takes, where these are words: "table json ndjson"; for completion. NULL: any */
};

#define CONFIG_FILE_BYTES_MAX (1024 * 1024)
#define CONFIG_KEY_BYTES_MAX  64

struct config;

/* Reads flags from argv[1..], environment and file. The file is the one named by --config or ROTA_CONFIG (which must exist), else
 * ./rota.yaml if that exists. Keys of the file that belong to others (`known_elsewhere`, NULL-terminated list of keys,
 * "handlers"; each stands for itself and all that is under it; may be NULL) are passed over. `settings` ends with a zero key; it
 * and `argv` are borrowed. Gives. NULL on failure. --help and --version are answered by the caller: see config_wants_help. */
struct config *config_new(const struct config_setting *settings, const char *const *known_elsewhere, int argc, char **argv,
                          struct error *err);
void config_free(struct config *config);

/* True if --help (-h) was among the flags; then nothing else was checked, and all settings have their defaults. The same for
 * --version. */
bool config_wants_help(const struct config *config);
bool config_wants_version(const struct config *config);

/* The value of a setting; `key` must be in the table and of that kind. Borrowed from `config`. */
const char *config_string(const struct config *config, const char *key); /* of any kind but CONFIG_LIST, as it was written */
int64_t config_integer(const struct config *config, const char *key);    /* integers, ms, bytes */
bool config_bool(const struct config *config, const char *key);
size_t config_list_count(const struct config *config, const char *key);
const char *config_list_at(const struct config *config, const char *key, size_t index);

/* Where the value came from: "flag --slots" (as it was typed), "variable ROTA_SLOTS", "rota.yaml:3", "default". */
const char *config_origin(const struct config *config, const char *key);

/* True if the setting has the same value in both, whatever its origin. */
bool config_same(const struct config *a, const struct config *b, const char *key);

/* The path of the file that was read, as it was named; NULL for none. Borrowed. */
const char *config_file(const struct config *config);

/* What the file says under a top-level key that is not a setting ("handlers"), for whoever knows what it means; see tree.h.
 * Borrowed; NULL, which reads as nothing, if it is not there. */
const struct tree *config_section(const struct config *config, const char *name);

/* What is left of argv: the positional arguments. */
int config_argument_count(const struct config *config);
const char *config_argument(const struct config *config, int index);

/* The settings that every program has beside its table: --config, --help, --version. Ends with a zero entry. */
extern const struct config_setting config_builtin[];

/* The options as help text, one or two lines each, on `file` (a FILE *). */
void config_print_help(const struct config_setting *settings, void *file);
