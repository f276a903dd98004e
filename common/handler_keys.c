#include "common/handler_keys.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/id.h"
#include "common/memory.h"
#include "common/units.h"

#define KIB         1024LL
#define GIB         (1024 * 1024 * KIB)
#define MINUTE_MS   60000LL
#define DAY_MS      (24 * 60 * MINUTE_MS)
#define COUNT_MAX   1000000000
#define PIDS_MAX    4194304 /* of the kernel */
#define BYTES_MAX   (1024 * 1024 * GIB)
#define RESULT_MAX  (127 * KIB) /* with the rest of its report 128 KiB, which the functions take */
#define TEXT_MAX    4096
#define COMMAND_MAX 4096

static const char *const mode_words[] = {"exec", "pool", NULL};
const char *const handler_outcomes[] = {"done", "discard", "retry", "dead", "broken", NULL};
static const char *const timeout_words[] = {"", "", "retry", "dead", NULL};

#define AT(field) .offset = offsetof(struct handler, field)

const struct handler_key handler_keys[] = {
    {"command", HANDLER_COMMAND, AT(argv), .high = COMMAND_MAX, .argument = "TEXT or LIST",
     .example = "[/app/thumbnail, --size, \"200\"]",
     .help = "what to run: a text for /bin/sh, or a list of words that no shell sees, whose first one is a path"},
    {"mode", HANDLER_CHOICE, AT(mode), .fallback = "exec", .words = mode_words, .argument = "MODE",
     .help = "exec: a process for each job; pool: processes that live on and are given one job after the other"},
    {"timeout", HANDLER_DURATION, AT(timeout_ms), 1, HANDLER_TIMEOUT_MS_MAX, "60s", .argument = "DURATION",
     .help = "how long a job may run; its own time-out wins"},
    {"max_timeout", HANDLER_DURATION, AT(max_timeout_ms), 1, HANDLER_TIMEOUT_MS_MAX, .argument = "DURATION", .example = "10m",
     .help = "how long it may run after it has asked for more time; the time-out, if not set"},
    {"heartbeat_timeout", HANDLER_DURATION, AT(heartbeat_ms), 100, HANDLER_TIMEOUT_MS_MAX, .argument = "DURATION",
     .example = "30s", .help = "a handler that says nothing on its control channel for so long has timed out"},
    {"kill_after", HANDLER_DURATION, AT(kill_after_ms), 0, 10 * MINUTE_MS, "10s", .argument = "DURATION",
     .help = "between TERM and KILL"},
    {"on_timeout", HANDLER_CHOICE, AT(on_timeout), .fallback = "retry", .words = timeout_words, .argument = "OUTCOME",
     .help = "what becomes of a job that timed out"},
    {"attempts", HANDLER_INTEGER, AT(max_attempts), 1, HANDLER_ATTEMPTS_MAX, "25", .argument = "N",
     .help = "how many attempts a job has; its own limit wins"},
    {"backoff", HANDLER_DELAYS, AT(backoff), 0, 30 * DAY_MS, .argument = "LIST", .example = "[10s, 1m, 10m]",
     .help = "the waits after the first attempt, the second, ...; the last one stays. Instead of the next four"},
    {"backoff.base", HANDLER_DURATION, AT(backoff.base_ms), 1, 30 * DAY_MS, "5s", .argument = "DURATION",
     .help = "the wait after the first attempt"},
    {"backoff.factor", HANDLER_DECIMAL, AT(backoff.factor_milli), 1000, 100000, "2", .argument = "NUMBER",
     .help = "each further one is so many times longer"},
    {"backoff.max", HANDLER_DURATION, AT(backoff.max_ms), 1, 30 * DAY_MS, "1h", .argument = "DURATION",
     .help = "but never longer than this"},
    {"backoff.jitter", HANDLER_DECIMAL, AT(backoff.jitter_milli), 0, 1000, "0.2", .argument = "NUMBER",
     .help = "give or take a random part of it, 0.2 is a fifth: also of a list"},
    {"on_exit", HANDLER_EXITS, AT(exits), 0, 255, .argument = "MAP", .example = "{\"3\": dead, \"10-19\": retry}",
     .help = "what an exit status means: done, discard, retry, dead or broken"},
    {"concurrency", HANDLER_INTEGER, AT(concurrency), 1, 1024, .argument = "N", .example = "4",
     .help = "so many at once in one worker process; the others wait and hold no slot"},
    {"limit", HANDLER_NAME, AT(limit), .high = NAME_BYTES_MAX, .argument = "NAME", .example = "mail-service",
     .help = "the shared limit that its jobs run under, of all workers together"},
    {"env", HANDLER_ENV, AT(variables), .high = TEXT_MAX, .argument = "LIST or MAP", .example = "{API_KEY: , REGION: eu-1}",
     .help =
         "further variables of its environment: a list of names, or a map of names and values; no value passes on the worker's"},
    {"cwd", HANDLER_FOLDER, AT(cwd), .high = TEXT_MAX, .argument = "PATH", .example = "/var/lib/app",
     .help = "its working folder; a scratch folder of its own, if not set"},
    {"user", HANDLER_TEXT, AT(user), .high = 64, .argument = "NAME", .example = "nobody",
     .help = "the user, by name or number, that it runs as; the worker must be root"},
    {"nice", HANDLER_INTEGER, AT(nice), -20, 19, "0", .argument = "N", .help = "how it gives way to others: 19 most"},
    {"rlimits.cpu", HANDLER_DURATION, AT(rlimits.cpu_ms), 1000, 365 * DAY_MS, .argument = "DURATION", .example = "10m",
     .help = "processor time of one process, in whole seconds"},
    {"rlimits.as", HANDLER_BYTES, AT(rlimits.as_bytes), 1024 * KIB, BYTES_MAX, .argument = "BYTES", .example = "2GiB",
     .help = "address space of one process"},
    {"rlimits.nofile", HANDLER_INTEGER, AT(rlimits.nofile), 8, COUNT_MAX, .argument = "N", .example = "1024",
     .help = "open files of one process"},
    {"rlimits.nproc", HANDLER_INTEGER, AT(rlimits.nproc), 1, COUNT_MAX, .argument = "N", .example = "200",
     .help = "processes of its user"},
    {"rlimits.fsize", HANDLER_BYTES, AT(rlimits.fsize_bytes), 1, BYTES_MAX, .argument = "BYTES", .example = "1GiB",
     .help = "size of a file that it writes"},
    {"cgroup.memory_max", HANDLER_BYTES, AT(cgroup.memory_max_bytes), 1024 * KIB, BYTES_MAX, .argument = "BYTES",
     .example = "512MiB", .help = "memory of a run with all that it starts; wants worker.cgroup"},
    {"cgroup.pids_max", HANDLER_INTEGER, AT(cgroup.pids_max), 1, PIDS_MAX, .argument = "N", .example = "100",
     .help = "processes and threads of a run; wants worker.cgroup"},
    {"result_max", HANDLER_BYTES, AT(result_bytes_max), 0, RESULT_MAX, "64KiB", .argument = "BYTES",
     .help = "so much of its result is kept"},
    {"log_hard_max", HANDLER_BYTES, AT(log_bytes_hard_max), 64 * KIB, 1024 * GIB, "64MiB", .argument = "BYTES",
     .help = "a handler that writes more to its log is ended"},
    {"pool.max_jobs", HANDLER_INTEGER, AT(pool.max_jobs), 1, COUNT_MAX, .argument = "N", .example = "1000",
     .help = "a pool process is replaced after so many jobs"},
    {"pool.max_age", HANDLER_DURATION, AT(pool.max_age_ms), 1000, 365 * DAY_MS, .argument = "DURATION", .example = "1h",
     .help = "and when it is so old"},
    {"pool.max_rss", HANDLER_BYTES, AT(pool.max_rss_bytes), 1024 * KIB, BYTES_MAX, .argument = "BYTES", .example = "256MiB",
     .help = "and when it is so large"},
    {"pool.per_org", HANDLER_BOOL, AT(pool.per_org), .fallback = "false", .argument = "BOOL",
     .help = "a pool process serves one organization only"},
    {0},
};

static void *field_of(const struct handler *handler, const struct handler_key *key)
{
    return (char *)(uintptr_t)handler + key->offset;
}

/* ---- values ---- */

static int set_choice(const struct handler_entry *entry, const char *text, struct error *err)
{
    unsigned value = 0;

    for (const char *const *word = entry->key->words; *word; word++, value++) {
        if (**word && strcmp(*word, text) == 0) {
            memcpy(field_of(entry->handler, entry->key), &value, sizeof value); /* enums of ours are unsigned */
            return 0;
        }
    }
    struct buffer words = {0};
    handler_format_range(&words, entry->key);
    error_set(err, ERR_INVALID, "%s: \"%.80s\" must be %s", entry->what, text, words.data);
    buffer_clear(&words);
    return err->code;
}

static int set_bool(const struct handler_entry *entry, const char *text, struct error *err)
{
    bool truth = strcmp(text, "true") == 0 || strcmp(text, "yes") == 0;

    if (!truth && strcmp(text, "false") != 0 && strcmp(text, "no") != 0)
        return error_set(err, ERR_INVALID, "%s: \"%.80s\" is neither true nor false", entry->what, text);
    *(bool *)field_of(entry->handler, entry->key) = truth;
    return 0;
}

static int set_text(const struct handler_entry *entry, const char *text, struct error *err)
{
    char **field = field_of(entry->handler, entry->key);

    if (!*text)
        return error_set(err, ERR_INVALID, "%s: is empty", entry->what);
    if (strlen(text) > (size_t)entry->key->high)
        return error_set(err, ERR_INVALID, "%s: has %zu bytes, the limit is %lld", entry->what, strlen(text),
                         (long long)entry->key->high);
    if (entry->key->kind == HANDLER_NAME && !name_is_valid(text, strlen(text)))
        return error_set(err, ERR_INVALID, "%s: \"%.80s\" must match [a-z0-9][a-z0-9_-]{0,62}", entry->what, text);
    if (entry->key->kind == HANDLER_FOLDER && *text != '/')
        return error_set(err, ERR_INVALID, "%s: \"%.80s\" must be an absolute path", entry->what, text);
    free(*field);
    *field = memory_string(text);
    return 0;
}

static int set_number(const struct handler_entry *entry, const char *text, struct error *err)
{
    const struct handler_key *key = entry->key;
    int64_t *field = field_of(entry->handler, key);

    switch (key->kind) {
    case HANDLER_DURATION: return units_duration_ms(field, text, entry->what, key->low, key->high, err);
    case HANDLER_BYTES: return units_bytes(field, text, entry->what, key->low, key->high, err);
    case HANDLER_DECIMAL: return units_milli(field, text, entry->what, key->low, key->high, err);
    default: return units_integer(field, text, entry->what, key->low, key->high, err);
    }
}

int handler_entry_set(const struct handler_entry *entry, const char *text, struct error *err)
{
    switch (entry->key->kind) {
    case HANDLER_CHOICE: return set_choice(entry, text, err);
    case HANDLER_BOOL: return set_bool(entry, text, err);
    case HANDLER_TEXT:
    case HANDLER_NAME:
    case HANDLER_FOLDER: return set_text(entry, text, err);
    default: return set_number(entry, text, err);
    }
}

const struct handler_key *handler_key_find(const char *name)
{
    for (const struct handler_key *key = handler_keys; key->name; key++)
        if (strcmp(key->name, name) == 0)
            return key;
    return NULL;
}

void handler_set_defaults(struct handler *handler)
{
    struct error err;

    for (const struct handler_key *key = handler_keys; key->name; key++) {
        struct handler_entry entry = {handler, key, key->name};
        int rc = key->fallback ? handler_entry_set(&entry, key->fallback, &err) : 0;
        assert(rc == 0);
        (void)rc;
    }
    handler->max_timeout_ms = handler->timeout_ms;
}

/* ---- showing ---- */

/* A text as YAML and JSON both read it. */
static void add_quoted(struct buffer *out, const char *text)
{
    buffer_add_string(out, "\"");
    for (const unsigned char *at = (const unsigned char *)text; *at; at++) {
        if (*at == '"' || *at == '\\')
            buffer_add_format(out, "\\%c", *at);
        else if (*at < ' ' || *at == 0x7f)
            buffer_add_format(out, "\\u%04x", *at);
        else
            buffer_add(out, at, 1);
    }
    buffer_add_string(out, "\"");
}

static void format_command(struct buffer *out, const struct handler *handler)
{
    char **argv = handler->argv;

    if (!argv) {
        buffer_add_string(out, "@noop");
        return;
    }
    if (strcmp(argv[0], "/bin/sh") == 0 && argv[1] && strcmp(argv[1], "-c") == 0 && argv[2] && !argv[3]) {
        add_quoted(out, argv[2]);
        return;
    }
    for (size_t i = 0; argv[i]; i++) {
        buffer_add_string(out, i ? ", " : "[");
        add_quoted(out, argv[i]);
    }
    buffer_add_string(out, "]");
}

static void format_delays(struct buffer *out, const struct handler_backoff *backoff)
{
    char text[32];

    for (size_t i = 0; i < backoff->delay_count; i++)
        buffer_add_format(out, "%s%s", i ? ", " : "[", units_exact_duration(text, backoff->delays_ms[i]));
    if (backoff->delay_count)
        buffer_add_string(out, "]");
}

static void format_exits(struct buffer *out, const struct handler *handler)
{
    for (size_t i = 0; i < handler->exit_count; i++) {
        const struct handler_exit *range = &handler->exits[i];
        buffer_add_format(out, "%s\"%d", i ? ", " : "{", range->low);
        if (range->high > range->low)
            buffer_add_format(out, "-%d", range->high);
        buffer_add_format(out, "\": %s", handler_outcomes[range->outcome]);
    }
    if (handler->exit_count)
        buffer_add_string(out, "}");
}

static void format_variables(struct buffer *out, const struct handler *handler, bool reveal)
{
    for (size_t i = 0; i < handler->variable_count; i++) {
        const struct handler_variable *variable = &handler->variables[i];
        buffer_add_format(out, "%s%s: ", i ? ", " : "{", variable->name);
        if (variable->value && reveal)
            add_quoted(out, variable->value);
        else if (variable->value)
            buffer_add_string(out, "\"***\"");
    }
    if (handler->variable_count)
        buffer_add_string(out, "}");
}

static void format_milli(struct buffer *out, int64_t milli)
{
    char text[32];
    int length = snprintf(text, sizeof text, "%lld.%03lld", (long long)milli / 1000, (long long)milli % 1000);

    while (text[length - 1] == '0')
        text[--length] = '\0';
    if (text[length - 1] == '.')
        text[--length] = '\0';
    buffer_add_string(out, text);
}

static void format_number(struct buffer *out, const struct handler_key *key, int64_t value)
{
    char text[32];

    if (!key->fallback && value == 0)
        return; /* not set */
    switch (key->kind) {
    case HANDLER_DURATION: buffer_add_string(out, units_exact_duration(text, value)); break;
    case HANDLER_BYTES: buffer_add_string(out, units_exact_bytes(text, value)); break;
    case HANDLER_DECIMAL: format_milli(out, value); break;
    default: buffer_add_format(out, "%lld", (long long)value);
    }
}

void handler_format(struct buffer *out, const struct handler *handler, const struct handler_key *key, bool reveal)
{
    const void *field = field_of(handler, key);
    unsigned choice;

    switch (key->kind) {
    case HANDLER_COMMAND: format_command(out, handler); return;
    case HANDLER_CHOICE:
        memcpy(&choice, field, sizeof choice);
        buffer_add_string(out, key->words[choice]);
        return;
    case HANDLER_BOOL: buffer_add_string(out, *(const bool *)field ? "true" : "false"); return;
    case HANDLER_TEXT:
    case HANDLER_NAME:
    case HANDLER_FOLDER:
        if (*(char *const *)field)
            add_quoted(out, *(char *const *)field);
        return;
    case HANDLER_DELAYS: format_delays(out, field); return;
    case HANDLER_EXITS: format_exits(out, handler); return;
    case HANDLER_ENV: format_variables(out, handler, reveal); return;
    case HANDLER_DURATION:
    case HANDLER_BYTES:
    case HANDLER_INTEGER:
    case HANDLER_DECIMAL: format_number(out, key, *(const int64_t *)field);
    }
}

bool handler_same_value(const struct handler *a, const struct handler *b, const struct handler_key *key)
{
    struct buffer left = {0}, right = {0};
    bool same;

    handler_format(&left, a, key, true);
    handler_format(&right, b, key, true);
    same = left.length == right.length && (left.length == 0 || memcmp(left.data, right.data, left.length) == 0);
    buffer_clear(&left);
    buffer_clear(&right);
    return same;
}

bool handler_wants_group(const struct handler *handler)
{
    return handler->cgroup.memory_max_bytes > 0 || handler->cgroup.pids_max > 0;
}

bool handler_equals(const struct handler *a, const struct handler *b)
{
    for (const struct handler_key *key = handler_keys; key->name; key++)
        if (!handler_same_value(a, b, key))
            return false;
    return strcmp(a->type, b->type) == 0;
}

bool handler_is_set(const struct handler *handler, const struct handler_key *key)
{
    struct error err;
    struct handler *plain = handler_new("*", &err);
    bool same;

    if (handler->max_timeout_ms == handler->timeout_ms)
        plain->max_timeout_ms = handler->timeout_ms;
    same = handler_same_value(handler, plain, key);
    handler_release(plain);
    return !same;
}

void handler_format_range(struct buffer *out, const struct handler_key *key)
{
    size_t begin = out->length;

    if (key->kind == HANDLER_CHOICE) {
        for (const char *const *word = key->words; *word; word++)
            if (**word)
                buffer_add_format(out, "%s%s", out->length == begin ? "" : " or ", *word);
    } else if (key->kind == HANDLER_DURATION || key->kind == HANDLER_DELAYS) {
        char low[32], high[32];
        buffer_add_format(out, "%s..%s", units_exact_duration(low, key->low), units_exact_duration(high, key->high));
    } else if (key->kind == HANDLER_BYTES) {
        char low[32], high[32];
        buffer_add_format(out, "%s..%s", units_exact_bytes(low, key->low), units_exact_bytes(high, key->high));
    } else if (key->kind == HANDLER_INTEGER) {
        buffer_add_format(out, "%lld..%lld", (long long)key->low, (long long)key->high);
    } else if (key->kind == HANDLER_DECIMAL) {
        format_milli(out, key->low);
        buffer_add_string(out, "..");
        format_milli(out, key->high);
    }
}
