#include "common/units.h"

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define FRACTION_DIGITS_MAX 6 /* keeps fraction * factor below 2^63 for every factor here */

struct unit {
    const char *name;
    int64_t factor;
};

/* Limits are told in the largest unit that divides them; of equal ones in the first. */
static const struct unit plain_units[] = {{"", 1}, {0}};
static const struct unit milli_units[] = {{"", 1000}, {0}};
static const struct unit duration_units[] = {{"ms", 1},          {"s", 1000},         {"m", 60 * 1000},
                                             {"h", 3600 * 1000}, {"d", 86400 * 1000}, {0}};
static const struct unit byte_units[] = {
    {"", 1},
    {"B", 1},
    {"KB", 1000},
    {"kB", 1000},
    {"KiB", 1 << 10},
    {"K", 1 << 10},
    {"MB", 1000 * 1000},
    {"MiB", 1 << 20},
    {"M", 1 << 20},
    {"GB", 1000000000},
    {"GiB", 1 << 30},
    {"G", 1 << 30},
    {"TB", 1000000000000},
    {"TiB", 1LL << 40},
    {"T", 1LL << 40},
    {0},
};

/* What was asked, for the answer and for the error. */
struct question {
    const char *text, *what;
    int64_t low, high;
    const struct unit *units;
};

/* Digits, perhaps a point and digits: whole + fraction / scale. */
struct number {
    int64_t whole, fraction, scale;
    bool too_large;
    const char *end;
};

enum outcome { PARSED, MALFORMED, UNIT_MISSING, NOT_WHOLE, TOO_LARGE };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool read_number(struct number *ret, const char *text)
{
    const char *at = text;
    int digits = 0;

    *ret = (struct number){.scale = 1};
    for (; is_digit(*at); at++)
        if (__builtin_mul_overflow(ret->whole, 10, &ret->whole) || __builtin_add_overflow(ret->whole, *at - '0', &ret->whole))
            ret->too_large = true;
    if (at == text)
        return false;
    if (*at == '.') {
        for (at++; is_digit(*at); at++, digits++) {
            if (digits == FRACTION_DIGITS_MAX)
                return false;
            ret->fraction = ret->fraction * 10 + (*at - '0');
            ret->scale *= 10;
        }
        if (!digits)
            return false;
    }
    ret->end = at;
    return true;
}

static const struct unit *find_unit(const struct unit *units, const char *name)
{
    for (; units->name; units++)
        if (strcmp(units->name, name) == 0)
            return units;
    return NULL;
}

/* `text` in `units`; "0" needs none. */
static enum outcome parse_scaled(int64_t *ret, const char *text, const struct unit *units)
{
    const struct unit *unit;
    struct number number;
    int64_t value;

    if (!read_number(&number, text))
        return MALFORMED;
    unit = find_unit(units, number.end);
    if (!unit && *number.end)
        return MALFORMED;
    if (!unit && (number.too_large || number.whole || number.fraction))
        return UNIT_MISSING;
    if (!unit)
        unit = units;
    if (number.fraction * unit->factor % number.scale)
        return NOT_WHOLE;
    if (number.too_large || __builtin_mul_overflow(number.whole, unit->factor, &value) ||
        __builtin_add_overflow(value, number.fraction * unit->factor / number.scale, &value))
        return TOO_LARGE;
    *ret = value;
    return PARSED;
}

/* `value` as its reader would have to write it. */
static const char *format_exact(char ret[32], int64_t value, const struct unit *units)
{
    const struct unit *best = units;

    for (const struct unit *unit = units; unit->name; unit++)
        if (value % unit->factor == 0 && unit->factor > best->factor)
            best = unit;
    snprintf(ret, 32, "%lld%s", (long long)(value / best->factor), value ? best->name : "");
    return ret;
}

static int refuse_above(const struct question *question, struct error *err)
{
    char limit[32];

    return error_set(err, ERR_INVALID, "%s: \"%.80s\" is above %s", question->what, question->text,
                     format_exact(limit, question->high, question->units));
}

static int refuse_below(const struct question *question, struct error *err)
{
    char limit[32];

    return error_set(err, ERR_INVALID, "%s: \"%.80s\" is below %s", question->what, question->text,
                     format_exact(limit, question->low, question->units));
}

static int check_range(int64_t *ret, int64_t value, const struct question *question, struct error *err)
{
    assert(question->low <= question->high);
    if (value > question->high)
        return refuse_above(question, err);
    if (value < question->low)
        return refuse_below(question, err);
    *ret = value;
    return 0;
}

int units_duration_ms(int64_t *ret_ms, const char *text, const char *what, int64_t low_ms, int64_t high_ms, struct error *err)
{
    struct question question = {text, what, low_ms, high_ms, duration_units};
    int64_t value = 0;

    switch (parse_scaled(&value, text, duration_units)) {
    case PARSED: break;
    case TOO_LARGE: return refuse_above(&question, err);
    case UNIT_MISSING: return error_set(err, ERR_INVALID, "%s: \"%.80s\" needs a unit: ms, s, m, h or d", what, text);
    case NOT_WHOLE: return error_set(err, ERR_INVALID, "%s: \"%.80s\" is not a whole number of milliseconds", what, text);
    case MALFORMED:
        return error_set(err, ERR_INVALID, "%s: \"%.80s\" is not a duration, as in 250ms, 5s, 1.5m, 2h, 7d", what, text);
    }
    return check_range(ret_ms, value, &question, err);
}

int units_bytes(int64_t *ret_bytes, const char *text, const char *what, int64_t low, int64_t high, struct error *err)
{
    struct question question = {text, what, low, high, byte_units};
    int64_t value = 0;

    switch (parse_scaled(&value, text, byte_units)) {
    case PARSED: break;
    case TOO_LARGE: return refuse_above(&question, err);
    case NOT_WHOLE: return error_set(err, ERR_INVALID, "%s: \"%.80s\" is not a whole number of bytes", what, text);
    case UNIT_MISSING: /* cannot be: a size needs no unit */
    case MALFORMED: return error_set(err, ERR_INVALID, "%s: \"%.80s\" is not a size, as in 512, 64KiB, 1MB, 2GiB", what, text);
    }
    return check_range(ret_bytes, value, &question, err);
}

int units_integer(int64_t *ret, const char *text, const char *what, int64_t low, int64_t high, struct error *err)
{
    struct question question = {text, what, low, high, plain_units};
    bool negative = text[0] == '-';
    const char *at = text + negative;
    int64_t value = 0;

    if (!is_digit(*at) || at[strspn(at, "0123456789")])
        return error_set(err, ERR_INVALID, "%s: \"%.80s\" is not a whole number", what, text);
    for (; *at; at++) { /* downwards, since INT64_MIN has no positive twin */
        if (__builtin_mul_overflow(value, 10, &value) || __builtin_sub_overflow(value, *at - '0', &value))
            return negative ? refuse_below(&question, err) : refuse_above(&question, err);
    }
    if (!negative && value == INT64_MIN)
        return refuse_above(&question, err);
    return check_range(ret, negative ? value : -value, &question, err);
}

int units_milli(int64_t *ret_milli, const char *text, const char *what, int64_t low_milli, int64_t high_milli, struct error *err)
{
    struct question question = {text, what, low_milli, high_milli, milli_units};
    int64_t value = 0;

    switch (parse_scaled(&value, text, milli_units)) {
    case PARSED: break;
    case TOO_LARGE: return refuse_above(&question, err);
    case NOT_WHOLE: return error_set(err, ERR_INVALID, "%s: \"%.80s\" has more than three digits after the point", what, text);
    case UNIT_MISSING: /* cannot be: it has none */
    case MALFORMED: return error_set(err, ERR_INVALID, "%s: \"%.80s\" is not a number, as in 2, 1.5, 0.25", what, text);
    }
    return check_range(ret_milli, value, &question, err);
}

/* Exactly `count` digits, then `after` ('\0': whatever). */
static bool take_digits(const char **at, int count, char after, int *ret)
{
    int value = 0;

    for (int i = 0; i < count; i++, (*at)++) {
        if (!is_digit(**at))
            return false;
        value = value * 10 + (**at - '0');
    }
    if (after && *(*at)++ != after)
        return false;
    *ret = value;
    return true;
}

/* ".5", ".123456": at most 9 digits, of which the first three count. */
static bool take_fraction(const char **at, int *ret_ms)
{
    int digits = 0, worth = 100;

    *ret_ms = 0;
    if (**at != '.')
        return true;
    for ((*at)++; is_digit(**at); (*at)++, digits++, worth /= 10)
        *ret_ms += (**at - '0') * worth;
    return digits >= 1 && digits <= 9;
}

/* "Z", "+01:00", and then the end. */
static bool take_offset(const char **at, int *ret_s)
{
    char sign = *(*at)++;
    int hours, minutes;

    *ret_s = 0;
    if (sign == 'Z')
        return !**at;
    if ((sign != '+' && sign != '-') || !take_digits(at, 2, ':', &hours) || !take_digits(at, 2, '\0', &minutes))
        return false;
    *ret_s = (hours * 3600 + minutes * 60) * (sign == '-' ? -1 : 1);
    return hours <= 23 && minutes <= 59 && !**at;
}

/* The subset of RFC 3339 of the header. A day that does not exist, and a leap second, are refused. */
static bool parse_moment(int64_t *ret_ms, const char *text)
{
    struct tm tm = {0}, normal;
    int year, month, ms, offset_s;
    const char *at = text;

    if (!take_digits(&at, 4, '-', &year) || !take_digits(&at, 2, '-', &month) || !take_digits(&at, 2, 'T', &tm.tm_mday) ||
        !take_digits(&at, 2, ':', &tm.tm_hour) || !take_digits(&at, 2, ':', &tm.tm_min) ||
        !take_digits(&at, 2, '\0', &tm.tm_sec) || !take_fraction(&at, &ms) || !take_offset(&at, &offset_s))
        return false;
    tm.tm_year = year - 1900;
    tm.tm_mon = month - 1;
    normal = tm;
    *ret_ms = ((int64_t)timegm(&normal) - offset_s) * 1000 + ms;
    return normal.tm_mon == tm.tm_mon && normal.tm_mday == tm.tm_mday && normal.tm_hour == tm.tm_hour &&
           normal.tm_min == tm.tm_min && normal.tm_sec == tm.tm_sec;
}

int units_time_ms(int64_t *ret_ms, const char *text, const char *what, struct error *err)
{
    struct number number;
    int64_t ms;

    if (strlen(text) == 13 && read_number(&number, text) && number.end == text + 13 && number.scale == 1)
        ms = number.whole;
    else if (!parse_moment(&ms, text))
        return error_set(err, ERR_INVALID,
                         "%s: \"%.80s\" is not a moment, as in 2026-11-20T08:15:00Z, or epoch milliseconds (13 digits)", what,
                         text);
    if (ms < 0)
        return error_set(err, ERR_INVALID, "%s: \"%.80s\" is before 1970", what, text);
    *ret_ms = ms;
    return 0;
}

const char *units_format_time(char ret[32], int64_t ms)
{
    int64_t rest_ms = ms % 1000;
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm = {0};
    size_t length;

    if (rest_ms < 0) {
        rest_ms += 1000;
        seconds--;
    }
    gmtime_r(&seconds, &tm);
    length = strftime(ret, 32, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(ret + length, 32 - length, ".%03dZ", (int)rest_ms);
    return ret;
}

/* "3m20s", or "3m" where nothing is left over. */
static void format_pair(char ret[32], const char *sign, uint64_t number, const char *unit, uint64_t rest, const char *rest_unit)
{
    if (rest)
        snprintf(ret, 32, "%s%llu%s%llu%s", sign, (unsigned long long)number, unit, (unsigned long long)rest, rest_unit);
    else
        snprintf(ret, 32, "%s%llu%s", sign, (unsigned long long)number, unit);
}

const char *units_format_duration(char ret[32], int64_t ms)
{
    uint64_t left = ms < 0 ? 0 - (uint64_t)ms : (uint64_t)ms, seconds = left / 1000;
    const char *sign = ms < 0 ? "-" : "";

    if (left < 1000)
        format_pair(ret, sign, left, "ms", 0, "");
    else if (seconds < 10 && left % 1000 >= 100)
        snprintf(ret, 32, "%s%llu.%llus", sign, (unsigned long long)seconds, (unsigned long long)(left % 1000 / 100));
    else if (seconds < 60)
        format_pair(ret, sign, seconds, "s", 0, "");
    else if (seconds < 3600)
        format_pair(ret, sign, seconds / 60, "m", seconds % 60, "s");
    else if (seconds < 86400)
        format_pair(ret, sign, seconds / 3600, "h", seconds % 3600 / 60, "m");
    else
        format_pair(ret, sign, seconds / 86400, "d", seconds % 86400 / 3600, "h");
    return ret;
}

const char *units_exact_duration(char ret[32], int64_t ms)
{
    return format_exact(ret, ms, duration_units);
}

const char *units_exact_bytes(char ret[32], int64_t bytes)
{
    return format_exact(ret, bytes, byte_units);
}
