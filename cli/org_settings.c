#include "cli/org_settings.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/units.h"

#define DAY_MS (24LL * 3600 * 1000)

const struct org_setting org_settings[] = {
    {"weight", "weight", ORG_INTEGER, 1, 10000, "100"},
    {"max_running", "max-running", ORG_INTEGER, 1, 1000000, NULL},
    {"rate", "rate", ORG_RATE, 0, 0, NULL},
    {"burst", "burst", ORG_INTEGER, 1, 1000000, "1"},
    {"max_queued", "max-queued", ORG_INTEGER, 1, 100000000, "10000000"},
    {"max_payload_bytes", "max-payload", ORG_BYTES, 0, 1040000, "1000000"},
    {"max_crashes", "max-crashes", ORG_INTEGER, 1, 1000, "3"},
    {"log_bytes_max", "log-bytes-max", ORG_BYTES, 0, 1073741824, "16777216"},
    {"keep_logs_ms", "keep-logs", ORG_MS, 1000, 30 * DAY_MS, "86400000"},
    {"keep_done_ms", "keep-done", ORG_MS, 0, 30 * DAY_MS, "3600000"},
    {"keep_done_max", "keep-done-max", ORG_INTEGER, 0, 1000000, "10000"},
    {"keep_dead_ms", "keep-dead", ORG_MS, 1000, 365 * DAY_MS, "2592000000"},
    {"keep_dead_max", "keep-dead-max", ORG_INTEGER, 1, 1000000, "10000"},
    {"keep_unique_ms", "keep-unique", ORG_MS, 0, 30 * DAY_MS, "86400000"},
    {"private_inbox", "private-inbox", ORG_SWITCH, 0, 0, "off"},
    {0},
};

/* "10", "10/s", "600/m", "36000/h": jobs per second. The function checks the range. */
static int parse_rate(const char *text, char ret_value[ORG_VALUE_BYTES], struct error *err)
{
    char *end;
    double rate = strtod(text, &end), per_s = 1;

    if (strcmp(end, "/m") == 0)
        per_s = 60;
    else if (strcmp(end, "/h") == 0)
        per_s = 3600;
    else if (*end && strcmp(end, "/s") != 0)
        end = (char *)text;
    if (strspn(text, "0123456789.") != (size_t)(end - text)) /* strtod also takes " +0x1e3" */
        end = (char *)text;
    if (end == text || !(rate / per_s >= 0.001 && rate / per_s <= 1000000))
        return error_set(err, ERR_INVALID,
                         "rate \"%.40s\" must be jobs per second, minute or hour, as in 10/s, 600/m: 0.001/s..1000000/s", text);
    snprintf(ret_value, ORG_VALUE_BYTES, "%.10g", rate / per_s);
    return 0;
}

static int parse_switch(const char *text, const char *flag, char ret_value[ORG_VALUE_BYTES], struct error *err)
{
    if (strcmp(text, "on") != 0 && strcmp(text, "off") != 0)
        return error_set(err, ERR_INVALID, "%s \"%.40s\" must be on or off", flag, text);
    snprintf(ret_value, ORG_VALUE_BYTES, "%s", strcmp(text, "on") == 0 ? "1" : "");
    return 0;
}

int org_setting_parse(const struct org_setting *setting, const char *text, char ret_value[ORG_VALUE_BYTES], struct error *err)
{
    int64_t number = 0;
    int rc = 0;

    if (strcmp(text, "default") == 0) {
        ret_value[0] = '\0';
        return 0;
    }
    switch (setting->kind) {
    case ORG_RATE: return parse_rate(text, ret_value, err);
    case ORG_SWITCH: return parse_switch(text, setting->flag, ret_value, err);
    case ORG_INTEGER: rc = units_integer(&number, text, setting->flag, setting->low, setting->high, err); break;
    case ORG_MS: rc = units_duration_ms(&number, text, setting->flag, setting->low, setting->high, err); break;
    case ORG_BYTES: rc = units_bytes(&number, text, setting->flag, setting->low, setting->high, err); break;
    }
    if (rc == 0)
        snprintf(ret_value, ORG_VALUE_BYTES, "%" PRId64, number);
    return rc;
}

/* A duration that reads back as the same number. */
static void format_ms(char ret_text[ORG_VALUE_BYTES], int64_t ms)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"d", DAY_MS}, {"h", 3600 * 1000}, {"m", 60 * 1000}, {"s", 1000}, {"ms", 1}};
    size_t i = 0;

    while (ms % units[i].ms != 0)
        i++;
    snprintf(ret_text, ORG_VALUE_BYTES, "%" PRId64 "%s", ms / units[i].ms, ms ? units[i].unit : "");
}

const char *org_setting_format(const struct org_setting *setting, const char *value, char ret_text[ORG_VALUE_BYTES])
{
    const char *shown = value && value[0] ? value : setting->fallback;

    if (!shown)
        snprintf(ret_text, ORG_VALUE_BYTES, "none");
    else if (setting->kind == ORG_SWITCH)
        snprintf(ret_text, ORG_VALUE_BYTES, "%s", strcmp(shown, "1") == 0 ? "on" : "off");
    else if (setting->kind == ORG_MS)
        format_ms(ret_text, strtoll(shown, NULL, 10));
    else
        snprintf(ret_text, ORG_VALUE_BYTES, "%.24s%s", shown, setting->kind == ORG_RATE ? "/s" : "");
    return ret_text;
}
