/* schedule_own.h - `rota schedule set` of what one organization has of a schedule of every organization. */
#pragma once

#include "cli/cli.h"

struct definition;

#define SETTINGS_OWN                                                                                   \
    FLAG_BOOL("cli.schedule.", "off", 0,                                                               \
              "of what one organization has of a schedule of every organization: its due times pass"), \
        FLAG_BOOL("cli.schedule.", "on", 0, "they do not pass any more"),                              \
        FLAG_TEXT("cli.schedule.", "default", "NAME[,NAME...]", 256,                                   \
                  "what `rota schedule show` calls its own, and is to be that of every organization again; or all")

/* True if one of these flags was given. */
bool schedule_own_is_asked(const struct cli *cli);

/* Makes the organization's own what was given; `definition->old` is what it has now, and was read. */
int schedule_own_set(struct cli *cli, struct definition *definition, struct error *err) MUST_CHECK;
