/* flags.h - argv taken apart by a table of settings; the part of config.h that knows how flags look. Values are not looked at. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/config.h"

#define FLAG_NAME_BYTES (CONFIG_KEY_BYTES_MAX + 1)

/* One flag that was given. */
struct flag {
    const struct config_setting *setting;
    char *name;       /* as it was typed, without the value: "--slots", "-s" */
    const char *text; /* its value; "true" or "false" for a CONFIG_BOOL. Borrowed from argv */
};

/* All zeroes is empty. */
struct flags {
    struct flag *given; /* in the order of argv */
    size_t given_count;
    const char **arguments; /* what is no flag; borrowed from argv */
    size_t argument_count;
    const char *config; /* of --config, or NULL */
    bool help, version;
};

/* Takes argv[1..] apart into `flags` (empty before); after a failure, too, it must be cleared. Refuses unknown flags and those
 * that lack or do not take a value; but succeeds whatever else is wrong if --help or --version is among them. */
int flags_read(struct flags *flags, const struct config_setting *settings, int argc, char **argv, struct error *err) MUST_CHECK;
void flags_clear(struct flags *flags);

/* The setting of a flag as it was typed, without a value: "--slots", "-s"; also of config_builtin. NULL if there is none. */
const struct config_setting *flag_find(const struct config_setting *settings, const char *typed);

/* The long name of a setting, "session-timeout"; returns `ret_name`. */
const char *flag_name(const struct config_setting *setting, char ret_name[FLAG_NAME_BYTES]);
