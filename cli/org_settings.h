/* org_settings.h - what can be set for an organization, and how people write it. Pure. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

enum org_kind { ORG_INTEGER, ORG_MS, ORG_BYTES, ORG_RATE, ORG_SWITCH };

/* One setting. The table ends with a zero entry. */
struct org_setting {
    const char *field; /* of the function org_set: "keep_done_ms" */
    const char *flag;  /* of `rota org set`, and the setting's key: "keep-done", "cli.org.keep-done" */
    enum org_kind kind;
    int64_t low, high;    /* but for a rate and a switch */
    const char *fallback; /* as lua/lib/org.lua has it; NULL: no limit */
};

extern const struct org_setting org_settings[];

#define ORG_VALUE_BYTES 32

/* Reads what was typed ("5", "2h", "64KiB", "10/s", "600/m", "on", "default") as org_set takes it: "default" is "". */
int org_setting_parse(const struct org_setting *setting, const char *text, char ret_value[ORG_VALUE_BYTES],
                      struct error *err) MUST_CHECK;

/* A value of Redis (NULL or "": the default) as it would be typed: "1h", "10/s"; "none" where there is no limit. */
const char *org_setting_format(const struct org_setting *setting, const char *value, char ret_text[ORG_VALUE_BYTES]);
