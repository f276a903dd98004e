/* config_value.h - one setting with its value, and how text becomes a value: the part of config.h that knows kinds and limits. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/config.h"

struct config_value {
    const struct config_setting *definition;
    char *text;     /* as it was written; NULL of a CONFIG_LIST */
    int64_t number; /* integers, ms, bytes; 0 or 1 of a CONFIG_BOOL */
    char **items;   /* of a CONFIG_LIST */
    size_t item_count;
    char *origin; /* for config_origin */
};

/* Who says a value: for config_origin, and to begin an error with. Copied. */
struct config_source {
    const char *origin, *what;
};

/* Begins with the default. `definition` is borrowed. A default that breaks its own limits is a mistake of ours (assert). */
void config_value_init(struct config_value *value, const struct config_setting *definition);
void config_value_clear(struct config_value *value);

/* True until something else than the default was set. */
bool config_value_is_default(const struct config_value *value);

/* Each replaces the value; after a failure (ERR_INVALID) it may be either. One text, of any kind but a CONFIG_LIST; or of any
 * kind, with a list separated by commas, as in variables and defaults. */
int config_value_set(struct config_value *value, const char *text, const struct config_source *source,
                     struct error *err) MUST_CHECK;
int config_value_set_word(struct config_value *value, const char *text, const struct config_source *source,
                          struct error *err) MUST_CHECK;

/* Replaces a list by an empty one; adds an entry. */
void config_value_begin_list(struct config_value *value, const struct config_source *source);
int config_value_add(struct config_value *value, const char *text, size_t bytes, const struct config_source *source,
                     struct error *err) MUST_CHECK;
