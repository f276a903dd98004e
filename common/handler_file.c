#include "common/handler_file.h"

#include <stdlib.h>
#include <string.h>

#include "common/config.h"
#include "common/handler_keys.h"
#include "common/memory.h"
#include "common/nearest.h"
#include "common/tree.h"
#include "common/units.h"

/* ---- lists and maps ---- */

static int set_command(const struct handler_entry *entry, const struct tree *node, struct error *err)
{
    const char *argv[HANDLER_ARGUMENTS_MAX + 1] = {0};
    size_t count = tree_count(node);

    if (tree_kind(node) != TREE_LIST) {
        handler_set_command(entry->handler, (const char *const[]){"/bin/sh", "-c", tree_text(node), NULL});
        return tree_text(node)[0] ? 0 : error_set(err, ERR_INVALID, "%s: is empty", entry->what);
    }
    if (count > HANDLER_ARGUMENTS_MAX)
        return error_set(err, ERR_LIMIT, "%s: has %zu words, the limit is %d", entry->what, count, HANDLER_ARGUMENTS_MAX);
    for (size_t i = 0; i < count; i++) {
        if (tree_kind(tree_at(node, i)) != TREE_TEXT)
            return error_set(err, ERR_INVALID, "%s: word %zu must be a text", entry->what, i + 1);
        argv[i] = tree_text(tree_at(node, i));
    }
    if (count == 0 || !argv[0][0])
        return error_set(err, ERR_INVALID, "%s: is empty", entry->what);
    handler_set_command(entry->handler, argv);
    return 0;
}

static int set_delays(const struct handler_entry *entry, const struct tree *node, struct error *err)
{
    struct handler_backoff *backoff = &entry->handler->backoff;
    size_t count = tree_count(node);

    if (count < 1 || count > HANDLER_DELAYS_MAX)
        return error_set(err, ERR_LIMIT, "%s: has %zu entries, there must be 1..%d", entry->what, count, HANDLER_DELAYS_MAX);
    for (size_t i = 0; i < count; i++)
        if (units_duration_ms(&backoff->delays_ms[i], tree_text(tree_at(node, i)), entry->what, entry->key->low, entry->key->high,
                              err) < 0)
            return err->code;
    backoff->delay_count = count;
    return 0;
}

/* "3" or "10-19". */
static int read_exits(const struct handler_entry *entry, const char *text, struct handler_exit *ret, struct error *err)
{
    const char *dash = strchr(text, '-');
    char *first = memory_copy(text, dash ? (size_t)(dash - text) : strlen(text));
    int64_t low, high;
    int rc = units_integer(&low, first, entry->what, entry->key->low, entry->key->high, err);

    high = low;
    if (rc == 0 && dash)
        rc = units_integer(&high, dash + 1, entry->what, entry->key->low, entry->key->high, err);
    if (rc == 0 && high < low)
        rc = error_set(err, ERR_INVALID, "%s: \"%.80s\" ends before it begins", entry->what, text);
    free(first);
    if (rc == 0)
        *ret = (struct handler_exit){.low = (int)low, .high = (int)high};
    return rc;
}

static int set_exits(const struct handler_entry *entry, const struct tree *node, struct error *err)
{
    struct handler *handler = entry->handler;

    if (tree_count(node) > HANDLER_EXITS_MAX)
        return error_set(err, ERR_LIMIT, "%s: has %zu entries, the limit is %d", entry->what, tree_count(node),
                         HANDLER_EXITS_MAX);
    handler->exit_count = 0;
    for (size_t i = 0; i < tree_count(node); i++) {
        const struct tree *item = tree_at(node, i);
        struct handler_exit range = {0};
        unsigned outcome = 0;
        if (read_exits(entry, tree_key(item), &range, err) < 0)
            return err->code;
        while (handler_outcomes[outcome] && strcmp(handler_outcomes[outcome], tree_text(item)) != 0)
            outcome++;
        if (!handler_outcomes[outcome])
            return error_set(err, ERR_INVALID, "%s: \"%.80s\" for %s must be done, discard, retry, dead or broken", entry->what,
                             tree_text(item), tree_key(item));
        range.outcome = (enum handler_outcome)outcome;
        for (size_t k = 0; k < handler->exit_count; k++)
            if (range.low <= handler->exits[k].high && range.high >= handler->exits[k].low)
                return error_set(err, ERR_INVALID, "%s: \"%.80s\" overlaps with another entry", entry->what, tree_key(item));
        handler->exits[handler->exit_count++] = range;
    }
    return 0;
}

static bool is_variable_name(const char *name)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";

    return *name && !(*name >= '0' && *name <= '9') && strlen(name) <= 128 && !name[strspn(name, letters)];
}

static int add_variable(const struct handler_entry *entry, const char *name, const char *value, struct error *err)
{
    struct handler *handler = entry->handler;

    if (!is_variable_name(name))
        return error_set(err, ERR_INVALID, "%s: \"%.80s\" is not the name of a variable", entry->what, name);
    if (strncmp(name, "ROTA_", 5) == 0)
        return error_set(err, ERR_INVALID, "%s: \"%.80s\": variables of ROTA_ are not passed on", entry->what, name);
    if (value && strlen(value) > (size_t)entry->key->high)
        return error_set(err, ERR_LIMIT, "%s: %.80s has %zu bytes, the limit is %lld", entry->what, name, strlen(value),
                         (long long)entry->key->high);
    for (size_t i = 0; i < handler->variable_count; i++)
        if (strcmp(handler->variables[i].name, name) == 0)
            return error_set(err, ERR_INVALID, "%s: \"%.80s\" is there twice", entry->what, name);
    handler->variables[handler->variable_count++] =
        (struct handler_variable){.name = memory_string(name), .value = memory_string(value)};
    return 0;
}

static int set_variables(const struct handler_entry *entry, const struct tree *node, struct error *err)
{
    size_t count = tree_count(node);

    if (count > HANDLER_VARIABLES_MAX)
        return error_set(err, ERR_LIMIT, "%s: has %zu entries, the limit is %d", entry->what, count, HANDLER_VARIABLES_MAX);
    entry->handler->variables = memory_new(count * sizeof *entry->handler->variables);
    for (size_t i = 0; i < count; i++) {
        const struct tree *item = tree_at(node, i);
        bool in_map = tree_kind(node) == TREE_MAP;
        if (tree_kind(item) != TREE_TEXT && !(in_map && tree_kind(item) == TREE_NOTHING))
            return error_set(err, ERR_INVALID, "%s: entry %zu must be a single value", entry->what, i + 1);
        if (add_variable(entry, in_map ? tree_key(item) : tree_text(item),
                         in_map && tree_kind(item) == TREE_TEXT ? tree_text(item) : NULL, err) < 0)
            return err->code;
    }
    return 0;
}

static int refuse_shape(const struct handler_entry *entry, const char *shape, struct error *err)
{
    return error_set(err, ERR_INVALID, "%s: must be %s", entry->what, shape);
}

static int set_value(const struct handler_entry *entry, const struct tree *node, struct error *err)
{
    enum tree_kind shape = tree_kind(node);

    switch (entry->key->kind) {
    case HANDLER_COMMAND: return shape == TREE_MAP ? refuse_shape(entry, "a text or a list", err) : set_command(entry, node, err);
    case HANDLER_DELAYS: return shape != TREE_LIST ? refuse_shape(entry, "a list or a map", err) : set_delays(entry, node, err);
    case HANDLER_EXITS: return shape != TREE_MAP ? refuse_shape(entry, "a map", err) : set_exits(entry, node, err);
    case HANDLER_ENV: return shape == TREE_TEXT ? refuse_shape(entry, "a list or a map", err) : set_variables(entry, node, err);
    default:
        return shape != TREE_TEXT ? refuse_shape(entry, "a single value", err) : handler_entry_set(entry, tree_text(node), err);
    }
}

/* ---- a handler ---- */

/* True if keys begin with `path` and a dot. */
static bool is_section(const char *path)
{
    for (const struct handler_key *key = handler_keys; key->name; key++)
        if (strncmp(key->name, path, strlen(path)) == 0 && key->name[strlen(path)] == '.')
            return true;
    return false;
}

static int refuse_unknown(const struct handler *handler, const struct tree *node, const char *path, struct error *err)
{
    struct nearest nearest = {.word = path};
    char hint[NEAREST_HINT_BYTES];

    for (const struct handler_key *key = handler_keys; key->name; key++)
        nearest_offer(&nearest, key->name);
    return error_set(err, ERR_INVALID, "%s: handler %s: unknown key \"%.80s\"%s", tree_place(node), handler->type, path,
                     nearest_hint(&nearest, hint));
}

/* Notes that the entry's key is set. Refuses it if it is already, as backoff.base beside backoff: {base: ...}. */
static int note_seen(const struct handler_entry *entry, uint64_t *seen, struct error *err)
{
    uint64_t bit = 1ULL << (entry->key - handler_keys);

    if (*seen & bit)
        return error_set(err, ERR_INVALID, "%s: is already set", entry->what);
    *seen |= bit;
    return 0;
}

/* The entries of `map`, whose keys follow `prefix`. `seen`: a bit for each key that is set. */
static int read_map(struct handler *handler, const struct tree *map, const char *prefix, uint64_t *seen, struct error *err)
{
    int rc = 0;

    for (size_t i = 0; i < tree_count(map) && rc == 0; i++) {
        const struct tree *node = tree_at(map, i);
        char *path = memory_format("%s%s%s", prefix, *prefix ? "." : "", tree_key(node));
        char *what = memory_format("%s: handler %s: %s", tree_place(node), handler->type, path);
        const struct handler_key *key = handler_key_find(path);
        struct handler_entry entry = {handler, key, what};
        bool section = *prefix == '\0' && is_section(path);
        if (section && tree_kind(node) == TREE_MAP)
            rc = read_map(handler, node, path, seen, err);
        else if (!key && section && tree_kind(node) != TREE_NOTHING)
            rc = refuse_shape(&entry, "a map", err);
        else if (!key && !section)
            rc = refuse_unknown(handler, node, path, err);
        else if (key && tree_kind(node) != TREE_NOTHING)
            rc = note_seen(&entry, seen, err) < 0 ? err->code : set_value(&entry, node, err);
        free(what);
        free(path);
    }
    return rc;
}

/* What one key alone does not tell. */
static int check_whole(struct handler *handler, const struct tree *node, struct error *err)
{
    const char *place = tree_place(node);
    bool has_max = tree_kind(tree_find(node, "max_timeout")) != TREE_NOTHING;

    if (!handler->argv)
        return error_set(err, ERR_INVALID, "%s: handler %s: there is no command", place, handler->type);
    if (has_max && handler->max_timeout_ms < handler->timeout_ms)
        return error_set(err, ERR_INVALID, "%s: handler %s: max_timeout of %lld ms is below the timeout of %lld ms", place,
                         handler->type, (long long)handler->max_timeout_ms, (long long)handler->timeout_ms);
    if (!has_max)
        handler->max_timeout_ms = handler->timeout_ms;
    if (handler->backoff.max_ms < handler->backoff.base_ms)
        return error_set(err, ERR_INVALID, "%s: handler %s: backoff.max of %lld ms is below backoff.base of %lld ms", place,
                         handler->type, (long long)handler->backoff.max_ms, (long long)handler->backoff.base_ms);
    return 0;
}

/* An entry of the section: a map of keys, or just the command. */
static int read_handler(struct handler *handler, const struct tree *node, struct error *err)
{
    char *what = memory_format("%s: handler %s: command", tree_place(node), handler->type);
    struct handler_entry entry = {handler, handler_keys, what};
    uint64_t seen = 0;
    int rc;

    if (tree_kind(node) == TREE_MAP)
        rc = read_map(handler, node, "", &seen, err);
    else
        rc = tree_kind(node) == TREE_NOTHING ? 0 : set_command(&entry, node, err);
    free(what);
    return rc < 0 ? rc : check_whole(handler, node, err);
}

int handlers_read(struct handlers *handlers, const struct tree *section, struct error *err)
{
    if (tree_kind(section) == TREE_TEXT || tree_kind(section) == TREE_LIST)
        return error_set(err, ERR_INVALID, "%s: handlers must be a map of types", tree_place(section));
    for (size_t i = 0; i < tree_count(section); i++) {
        const struct tree *node = tree_at(section, i);
        struct handler *handler = handler_new(tree_key(node), err);
        if (!handler)
            return error_wrap(err, "%s: handlers", tree_place(node));
        if (read_handler(handler, node, err) < 0) {
            handler_release(handler);
            return err->code;
        }
        if (handlers_add(handlers, handler, err) < 0)
            return error_wrap(err, "%s", tree_place(node));
    }
    return 0;
}

/* A limit that nothing could set is no limit. */
static int check_groups(const struct handlers *handlers, const struct config *config, struct error *err)
{
    const char *where = config_string(config, "worker.cgroup");

    if (where[0] && where[0] != '/' && strcmp(where, "auto") != 0)
        return error_set(err, ERR_INVALID, "worker.cgroup (%s): \"%.80s\" is neither an absolute path nor auto",
                         config_origin(config, "worker.cgroup"), where);
    for (size_t i = 0; i < handlers->count && !where[0]; i++) {
        const struct handler *handler = handlers->items[i];
        if (handler_wants_group(handler))
            return error_set(err, ERR_INVALID, "%s: handler %s: cgroup: wants a control group, and worker.cgroup names none",
                             tree_place(tree_find(config_section(config, "handlers"), handler->type)), handler->type);
    }
    return 0;
}

int handlers_read_config(struct handlers *handlers, const struct config *config, struct error *err)
{
    for (size_t i = 0; i < config_list_count(config, "worker.on"); i++)
        if (handlers_add_shell(handlers, config_list_at(config, "worker.on", i), err) < 0)
            return error_wrap(err, "worker.on (%s)", config_origin(config, "worker.on"));
    if (handlers_read(handlers, config_section(config, "handlers"), err) < 0)
        return err->code;
    return check_groups(handlers, config, err);
}
