#include "common/config_value.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "common/units.h"

#define STRING_BYTES_MAX 4096

static const struct config_source by_default = {"default", "default"};

static int check_length(const struct config_setting *definition, size_t bytes, const char *what, struct error *err)
{
    size_t bytes_max = definition->high > 0 ? (size_t)definition->high : STRING_BYTES_MAX;

    if (bytes > bytes_max)
        return error_set(err, ERR_INVALID, "%s: has %zu bytes, the limit is %zu", what, bytes, bytes_max);
    return 0;
}

static int parse_bool(int64_t *ret, const char *text, const char *what, struct error *err)
{
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on", "0", "1"};

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(text, words[i]) == 0) {
            *ret = i % 2;
            return 0;
        }
    }
    return error_set(err, ERR_INVALID, "%s: \"%.80s\" is neither true nor false", what, text);
}

static int parse_text(int64_t *ret, const struct config_setting *definition, const char *text, const char *what,
                      struct error *err)
{
    switch (definition->kind) {
    case CONFIG_INTEGER: return units_integer(ret, text, what, definition->low, definition->high, err);
    case CONFIG_DURATION: return units_duration_ms(ret, text, what, definition->low, definition->high, err);
    case CONFIG_BYTES: return units_bytes(ret, text, what, definition->low, definition->high, err);
    case CONFIG_BOOL: return parse_bool(ret, text, what, err);
    case CONFIG_STRING:
    case CONFIG_LIST: break;
    }
    return check_length(definition, strlen(text), what, err);
}

/* The value is the comma-separated entries of `text` from now on. */
static int set_list(struct config_value *value, const char *text, const struct config_source *source, struct error *err)
{
    const char *at = text;
    int rc;

    config_value_begin_list(value, source);
    for (;;) {
        const char *first = at + strspn(at, " "), *end = at + strcspn(at, ","), *last = end;
        while (last > first && last[-1] == ' ')
            last--;
        if (first == last)
            return error_set(err, ERR_INVALID, "%s: \"%.80s\" has an empty entry", source->what, text);
        rc = config_value_add(value, first, (size_t)(last - first), source, err);
        if (rc < 0 || !*end)
            return rc;
        at = end + 1;
    }
}

void config_value_init(struct config_value *value, const struct config_setting *definition)
{
    const char *fallback = definition->fallback;
    struct error err;
    int rc = 0;

    *value = (struct config_value){.definition = definition};
    if (fallback && *fallback)
        rc = config_value_set_word(value, fallback, &by_default, &err);
    else {
        value->text = memory_string("");
        value->origin = memory_string(by_default.origin);
    }
    assert(rc == 0);
    (void)rc;
}

void config_value_clear(struct config_value *value)
{
    for (size_t i = 0; i < value->item_count; i++)
        free(value->items[i]);
    free(value->items);
    free(value->text);
    free(value->origin);
    *value = (struct config_value){.definition = value->definition};
}

bool config_value_is_default(const struct config_value *value)
{
    return strcmp(value->origin, by_default.origin) == 0;
}

int config_value_set(struct config_value *value, const char *text, const struct config_source *source, struct error *err)
{
    int64_t number = 0;
    int rc = parse_text(&number, value->definition, text, source->what, err);

    if (rc < 0)
        return rc;
    config_value_clear(value);
    value->text = memory_string(text);
    value->number = number;
    value->origin = memory_string(source->origin);
    return 0;
}

int config_value_set_word(struct config_value *value, const char *text, const struct config_source *source, struct error *err)
{
    return value->definition->kind == CONFIG_LIST ? set_list(value, text, source, err)
                                                  : config_value_set(value, text, source, err);
}

void config_value_begin_list(struct config_value *value, const struct config_source *source)
{
    config_value_clear(value);
    value->origin = memory_string(source->origin);
}

int config_value_add(struct config_value *value, const char *text, size_t bytes, const struct config_source *source,
                     struct error *err)
{
    int rc = check_length(value->definition, bytes, source->what, err);

    if (rc < 0)
        return rc;
    value->items = memory_resize(value->items, (value->item_count + 1) * sizeof *value->items);
    value->items[value->item_count++] = memory_copy(text, bytes);
    return 0;
}
