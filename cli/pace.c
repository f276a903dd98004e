#include "cli/pace.h"

#include <stdio.h>
#include <string.h>

#include "common/units.h"

#define COUNT_MAX 1000000

int pace_parse(struct pace *ret, const char *text, struct error *err)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"s", 1000}, {"m", 60000}, {"h", 3600000}};
    const char *slash = strchr(text, '/');
    char number[16];
    int64_t count;

    *ret = (struct pace){0};
    if (!text[0])
        return 0;
    snprintf(number, sizeof number, "%.*s", slash ? (int)(slash - text) : 0, text);
    for (size_t i = 0; slash && i < sizeof units / sizeof *units; i++) {
        if (strcmp(slash + 1, units[i].unit) != 0)
            continue;
        if (units_integer(&count, number, "rate", 1, COUNT_MAX, err) < 0)
            return err->code;
        *ret = (struct pace){count, units[i].ms};
        return 0;
    }
    return error_set(err, ERR_INVALID, "rate \"%.40s\" must be a number and a time, as in 10/s, 90/m or 1000/h", text);
}

int64_t pace_allows(const struct pace *pace, int64_t elapsed_ms)
{
    return pace->count ? 1 + elapsed_ms * pace->count / pace->ms : INT64_MAX;
}

int64_t pace_begin_ms(const struct pace *pace, int64_t index)
{
    return pace->count ? (index * pace->ms + pace->count - 1) / pace->count : 0;
}
