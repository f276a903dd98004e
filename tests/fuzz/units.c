/* units - a text is read as a number within the limits, or refused with a reason; what was read can be written and read again. */
#include "common/units.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

typedef int units_parse(int64_t *ret, const char *text, const char *what, int64_t low, int64_t high, struct error *err);

static void require(bool truth)
{
    if (!truth)
        abort();
}

static void check(units_parse *parse, const char *text, const char *unit)
{
    struct error err = {0};
    int64_t value = 0, again = 0;
    char written[64];

    if (parse(&value, text, "x", INT64_MIN, INT64_MAX, &err) < 0) {
        require(err.code == ERR_INVALID && err.message[0]);
        return;
    }
    snprintf(written, sizeof written, "%lld%s", (long long)value, unit);
    require(parse(&again, written, "x", value, value, &err) == 0 && again == value);
    require(parse(&again, text, "x", 10, 20, &err) == (value >= 10 && value <= 20 ? 0 : ERR_INVALID));
}

static void check_time(const char *text)
{
    struct error err = {0};
    int64_t ms = -1, again = -1;
    char written[32];

    if (units_time_ms(&ms, text, "x", &err) < 0)
        require(err.code == ERR_INVALID && err.message[0]);
    else {
        require(ms >= 0);
        if (ms < 253402300800000) /* an offset may reach into the year 10000 */
            require(units_time_ms(&again, units_format_time(written, ms), "x", &err) == 0 && again == ms);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    char *text = malloc(bytes + 1), duration[32];
    int64_t number = 0;

    memcpy(text, data, bytes);
    text[bytes] = '\0';
    memcpy(&number, data, bytes < sizeof number ? bytes : sizeof number);
    check(units_duration_ms, text, "ms");
    check(units_bytes, text, "");
    check(units_integer, text, "");
    check_time(text);
    require(strlen(units_format_duration(duration, number)) < sizeof duration);
    require(strlen(units_format_time(duration, number)) < sizeof duration);
    free(text);
    return 0;
}
