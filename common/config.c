#include "common/config.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/config_value.h"
#include "common/file.h"
#include "common/flags.h"
#include "common/memory.h"
#include "common/nearest.h"
#include "common/tree.h"

#define FILE_NAME           "rota.yaml"
#define SECRET_BYTES_MAX    65536
#define VARIABLE_NAME_BYTES (sizeof "ROTA__FILE" + CONFIG_KEY_BYTES_MAX)

struct config {
    struct config_value *values; /* in the order of the table */
    size_t count;
    struct flags flags;
    struct tree *file;
    const char *path; /* of it */
};

static bool is_under(const char *key, const char *prefix)
{
    size_t length = strlen(prefix);

    return strncmp(key, prefix, length) == 0 && (key[length] == '\0' || key[length] == '.');
}

/* Stops a program whose table breaks the rules of the header; returns the number of settings. */
static size_t check_table(const struct config_setting *settings)
{
    size_t count = 0;

    for (; settings[count].key; count++) {
        const struct config_setting *setting = &settings[count];
        assert(strlen(setting->key) <= CONFIG_KEY_BYTES_MAX);
        assert(!setting->key[strspn(setting->key, "abcdefghijklmnopqrstuvwxyz0123456789._-")]);
        for (const struct config_setting *other = settings; other < setting; other++) {
            assert(!is_under(setting->key, other->key) && !is_under(other->key, setting->key));
            assert(!setting->letter || setting->letter != other->letter);
        }
    }
    return count;
}

/* NULL if there is no setting `key`. */
static struct config_value *find_value(const struct config *config, const char *key)
{
    for (size_t i = 0; i < config->count; i++)
        if (strcmp(config->values[i].definition->key, key) == 0)
            return &config->values[i];
    return NULL;
}

/* A list, or a single text. */
static int set_list_from_file(struct config_value *value, const struct tree *node, const struct config_source *source,
                              struct error *err)
{
    int rc = 0;

    config_value_begin_list(value, source);
    if (tree_kind(node) == TREE_TEXT)
        return config_value_add(value, tree_text(node), strlen(tree_text(node)), source, err);
    for (size_t i = 0; i < tree_count(node) && rc == 0; i++) {
        const struct tree *entry = tree_at(node, i);
        if (tree_kind(entry) != TREE_TEXT)
            return error_set(err, ERR_INVALID, "%s: entry %zu must be a text", source->what, i + 1);
        rc = config_value_add(value, tree_text(entry), strlen(tree_text(entry)), source, err);
    }
    return rc;
}

static int set_from_file(struct config_value *value, const struct tree *node, struct error *err)
{
    char *what = memory_format("%s: %s", tree_place(node), value->definition->key);
    struct config_source source = {tree_place(node), what};
    bool is_list = value->definition->kind == CONFIG_LIST;
    int rc;

    if (!config_value_is_default(value)) /* session.timeout: 1s beside session: {timeout: 1s} */
        rc = error_set(err, ERR_INVALID, "%s: is already set at %s", what, value->origin);
    else if (is_list && tree_kind(node) != TREE_MAP)
        rc = set_list_from_file(value, node, &source, err);
    else if (!is_list && tree_kind(node) == TREE_TEXT)
        rc = config_value_set(value, tree_text(node), &source, err);
    else
        rc = error_set(err, ERR_INVALID, "%s: must be %s", what, is_list ? "a list" : "a single value");
    free(what);
    return rc;
}

static int refuse_unknown(const struct config *config, const struct tree *node, const char *path,
                          const char *const *known_elsewhere, struct error *err)
{
    struct nearest nearest = {.word = path};
    char hint[NEAREST_HINT_BYTES];

    for (size_t i = 0; i < config->count; i++)
        nearest_offer(&nearest, config->values[i].definition->key);
    for (; known_elsewhere && *known_elsewhere; known_elsewhere++)
        nearest_offer(&nearest, *known_elsewhere);
    return error_set(err, ERR_INVALID, "%s: unknown setting \"%.80s\"%s", tree_place(node), path, nearest_hint(&nearest, hint));
}

static bool is_elsewhere(const char *path, const char *const *known_elsewhere)
{
    for (; known_elsewhere && *known_elsewhere; known_elsewhere++)
        if (is_under(path, *known_elsewhere))
            return true;
    return false;
}

/* True if settings, ours or others', stand under `path`. */
static bool is_section(const struct config *config, const char *path, const char *const *known_elsewhere)
{
    for (size_t i = 0; i < config->count; i++)
        if (is_under(config->values[i].definition->key, path))
            return true;
    for (; known_elsewhere && *known_elsewhere; known_elsewhere++)
        if (is_under(*known_elsewhere, path))
            return true;
    return false;
}

/* The entries of `map`, whose keys follow `prefix`. */
static int read_map(struct config *config, const struct tree *map, const char *prefix, const char *const *known_elsewhere,
                    struct error *err)
{
    int rc = 0;

    for (size_t i = 0; i < tree_count(map) && rc == 0; i++) {
        const struct tree *node = tree_at(map, i);
        char *path = memory_format("%s%s%s", prefix, *prefix ? "." : "", tree_key(node));
        struct config_value *value = find_value(config, path);
        if (is_elsewhere(path, known_elsewhere) || (tree_kind(node) == TREE_NOTHING && is_section(config, path, known_elsewhere)))
            rc = 0;
        else if (value)
            rc = set_from_file(value, node, err);
        else if (tree_kind(node) == TREE_MAP)
            rc = read_map(config, node, path, known_elsewhere, err);
        else
            rc = refuse_unknown(config, node, path, known_elsewhere, err);
        free(path);
    }
    return rc;
}

/* A variable that is set to nothing is not set. */
static const char *variable_text(const char *name)
{
    const char *text = getenv(name);

    return text && *text ? text : NULL;
}

static int read_file(struct config *config, const char *const *known_elsewhere, struct error *err)
{
    const char *named = config->flags.config ? config->flags.config : variable_text("ROTA_CONFIG");
    const char *path = named ? named : FILE_NAME;
    size_t bytes = 0;
    char *text = file_read(path, CONFIG_FILE_BYTES_MAX, &bytes, err);

    if (!text)
        return !named && err->code == ERR_NOT_FOUND ? 0 : error_wrap(err, "configuration file");
    config->path = path;
    config->file = tree_parse(text, bytes, path, err);
    free(text);
    if (!config->file)
        return err->code;
    if (tree_kind(config->file) == TREE_TEXT || tree_kind(config->file) == TREE_LIST)
        return error_set(err, ERR_INVALID, "%s: must be a map of settings", tree_place(config->file));
    return read_map(config, config->file, "", known_elsewhere, err);
}

/* The text of the file that variable `name` names, without the newline at its end. Gives. NULL on failure. */
static char *read_secret(const char *name, const char *path, struct error *err)
{
    size_t bytes = 0;
    char *text = file_read(path, SECRET_BYTES_MAX, &bytes, err);

    if (!text) {
        error_wrap(err, "variable %s", name);
        return NULL;
    }
    if (strlen(text) != bytes) {
        error_set(err, ERR_INVALID, "variable %s: %s: holds a NUL", name, path);
        free(text);
        return NULL;
    }
    if (bytes && text[bytes - 1] == '\n')
        text[--bytes] = '\0';
    if (bytes && text[bytes - 1] == '\r')
        text[--bytes] = '\0';
    return text;
}

static int set_from_variable(struct config_value *value, const char *name, const char *text, struct error *err)
{
    char *what = memory_format("variable %s", name);
    struct config_source source = {what, what};
    int rc = config_value_set_word(value, text, &source, err);

    free(what);
    return rc;
}

/* Variable `name`, or the file that `name`_FILE names. */
static int read_variable(struct config_value *value, const char *name, bool *ret_found, struct error *err)
{
    char *file_name = memory_format("%s_FILE", name), *secret = NULL;
    const char *text = variable_text(name), *path = variable_text(file_name);
    int rc = 0;

    if (text && path)
        rc = error_set(err, ERR_INVALID, "variables %s and %s are both set", name, file_name);
    else if (path) {
        secret = read_secret(file_name, path, err);
        rc = secret ? set_from_variable(value, file_name, secret, err) : err->code;
    } else if (text)
        rc = set_from_variable(value, name, text, err);
    *ret_found = text || path;
    free(secret);
    free(file_name);
    return rc;
}

static void variable_name(const struct config_setting *setting, char ret_name[VARIABLE_NAME_BYTES])
{
    char *at = stpcpy(ret_name, "ROTA_");

    for (const char *key = setting->key; *key; key++)
        *at++ = *key == '.' || *key == '-' ? '_' : *key >= 'a' && *key <= 'z' ? (char)(*key - 'a' + 'A') : *key;
    *at = '\0';
}

static int read_environment(struct config *config, struct error *err)
{
    int rc = 0;

    for (size_t i = 0; i < config->count && rc == 0; i++) {
        struct config_value *value = &config->values[i];
        char name[VARIABLE_NAME_BYTES];
        bool found;
        variable_name(value->definition, name);
        rc = read_variable(value, name, &found, err);
        if (rc == 0 && !found && value->definition->variable)
            rc = read_variable(value, value->definition->variable, &found, err);
    }
    return rc;
}

/* Flag `index`; the first one of a list replaces what the environment or the file said. */
static int set_from_flag(struct config *config, size_t index, struct config_value *value, struct error *err)
{
    const struct flag *flag = &config->flags.given[index];
    char *what = memory_format("flag %s", flag->name);
    struct config_source source = {what, what};
    bool first = true;
    int rc;

    for (size_t i = 0; i < index; i++)
        first = first && config->flags.given[i].setting != flag->setting;
    if (value->definition->kind == CONFIG_LIST) {
        if (first)
            config_value_begin_list(value, &source);
        rc = config_value_add(value, flag->text, strlen(flag->text), &source, err);
    } else
        rc = config_value_set(value, flag->text, &source, err);
    free(what);
    return rc;
}

struct config *config_new(const struct config_setting *settings, const char *const *known_elsewhere, int argc, char **argv,
                          struct error *err)
{
    struct config *config = memory_new(sizeof *config);
    int rc;

    config->count = check_table(settings);
    config->values = memory_new(config->count * sizeof *config->values);
    for (size_t i = 0; i < config->count; i++)
        config_value_init(&config->values[i], &settings[i]);
    rc = flags_read(&config->flags, settings, argc, argv, err);
    if (config->flags.help || config->flags.version)
        return config;
    if (rc == 0)
        rc = read_file(config, known_elsewhere, err);
    if (rc == 0)
        rc = read_environment(config, err);
    for (size_t i = 0; i < config->flags.given_count && rc == 0; i++)
        rc = set_from_flag(config, i, &config->values[config->flags.given[i].setting - settings], err);
    if (rc == 0)
        return config;
    config_free(config);
    return NULL;
}

void config_free(struct config *config)
{
    if (!config)
        return;
    for (size_t i = 0; i < config->count; i++)
        config_value_clear(&config->values[i]);
    free(config->values);
    flags_clear(&config->flags);
    tree_free(config->file);
    free(config);
}

bool config_wants_help(const struct config *config)
{
    return config->flags.help;
}

bool config_wants_version(const struct config *config)
{
    return config->flags.version;
}

/* A setting that is in the table. */
static const struct config_value *known_value(const struct config *config, const char *key)
{
    const struct config_value *value = find_value(config, key);

    assert(value);
    return value;
}

const char *config_string(const struct config *config, const char *key)
{
    const struct config_value *value = known_value(config, key);

    assert(value->definition->kind != CONFIG_LIST);
    return value->text;
}

int64_t config_integer(const struct config *config, const char *key)
{
    const struct config_value *value = known_value(config, key);
    enum config_kind kind = value->definition->kind;

    assert(kind == CONFIG_INTEGER || kind == CONFIG_DURATION || kind == CONFIG_BYTES);
    return value->number;
}

bool config_bool(const struct config *config, const char *key)
{
    const struct config_value *value = known_value(config, key);

    assert(value->definition->kind == CONFIG_BOOL);
    return value->number;
}

size_t config_list_count(const struct config *config, const char *key)
{
    const struct config_value *value = known_value(config, key);

    assert(value->definition->kind == CONFIG_LIST);
    return value->item_count;
}

const char *config_list_at(const struct config *config, const char *key, size_t index)
{
    const struct config_value *value = known_value(config, key);

    assert(value->definition->kind == CONFIG_LIST && index < value->item_count);
    return value->items[index];
}

const char *config_origin(const struct config *config, const char *key)
{
    return known_value(config, key)->origin;
}

bool config_same(const struct config *a, const struct config *b, const char *key)
{
    const struct config_value *left = known_value(a, key), *right = known_value(b, key);

    if (left->item_count != right->item_count || (left->text && strcmp(left->text, right->text) != 0))
        return false;
    for (size_t i = 0; i < left->item_count; i++)
        if (strcmp(left->items[i], right->items[i]) != 0)
            return false;
    return true;
}

const char *config_file(const struct config *config)
{
    return config->path;
}

const struct tree *config_section(const struct config *config, const char *name)
{
    return tree_find(config->file, name);
}

int config_argument_count(const struct config *config)
{
    return (int)config->flags.argument_count;
}

const char *config_argument(const struct config *config, int index)
{
    assert(index >= 0 && index < config_argument_count(config));
    return config->flags.arguments[index];
}
