#include "common/civil.h"

#include <stddef.h>
#include <stdio.h>

int64_t civil_floor(int64_t number, int64_t divisor)
{
    return number / divisor - (number % divisor < 0);
}

static bool is_leap(int year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* Years are counted from March here, so that the day that comes and goes is the last one. */
int64_t civil_day(int year, int month, int day)
{
    int64_t shifted = month > 2 ? year : year - 1;
    int64_t cycle = civil_floor(shifted, CIVIL_CYCLE_YEARS), in_cycle = shifted - cycle * CIVIL_CYCLE_YEARS;
    int64_t in_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

    return cycle * CIVIL_CYCLE_DAYS + in_cycle * 365 + in_cycle / 4 - in_cycle / 100 + in_year - 719468; /* 0000-03-01 */
}

struct date civil_date(int64_t day)
{
    int64_t since = day + 719468, cycle = civil_floor(since, CIVIL_CYCLE_DAYS), in_cycle = since - cycle * CIVIL_CYCLE_DAYS;
    int64_t year = (in_cycle - in_cycle / 1460 + in_cycle / 36524 - in_cycle / 146096) / 365;
    int64_t in_year = in_cycle - (365 * year + year / 4 - year / 100), month = (5 * in_year + 2) / 153;
    struct date date;

    date.day = (int)(in_year - (153 * month + 2) / 5 + 1);
    date.month = (int)(month < 10 ? month + 3 : month - 9);
    date.year = (int)(year + cycle * CIVIL_CYCLE_YEARS + (date.month <= 2));
    return date;
}

int civil_weekday(int64_t day)
{
    return (int)(day + 4 - civil_floor(day + 4, 7) * 7); /* 1970-01-01 was a Thursday */
}

int civil_month_days(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return days[month - 1] + (month == 2 && is_leap(year));
}

int civil_year_days(int year)
{
    return 365 + is_leap(year);
}

/* Exactly `count` digits. */
static bool take_number(const char **at, int count, int *ret)
{
    int value = 0;

    for (int i = 0; i < count; i++, (*at)++) {
        if (**at < '0' || **at > '9')
            return false;
        value = value * 10 + (**at - '0');
    }
    *ret = value;
    return true;
}

/* The separator of the long form; the short one has none. */
static bool take_separator(const char **at, char separator, bool is_long)
{
    if (!is_long)
        return true;
    return *(*at)++ == separator;
}

bool civil_parse(int64_t *ret_local_s, const char *text)
{
    int year, month, day, hour, minute, second = 0;
    const char *at = text;
    bool is_long;

    if (!take_number(&at, 4, &year))
        return false;
    is_long = *at == '-';
    if (!take_separator(&at, '-', is_long) || !take_number(&at, 2, &month) || !take_separator(&at, '-', is_long) ||
        !take_number(&at, 2, &day) || !take_separator(&at, 'T', true) || !take_number(&at, 2, &hour) ||
        !take_separator(&at, ':', is_long) || !take_number(&at, 2, &minute))
        return false;
    if ((*at || !is_long) && (!take_separator(&at, ':', is_long) || !take_number(&at, 2, &second) || *at))
        return false;
    if (year < 1970 || month < 1 || month > 12 || day < 1 || day > civil_month_days(year, month) || hour > 23 || minute > 59 ||
        second > 59)
        return false;
    *ret_local_s = civil_day(year, month, day) * CIVIL_DAY_S + hour * 3600 + minute * 60 + second;
    return true;
}

const char *civil_format(char ret[CIVIL_FORMAT_BYTES], int64_t local_s)
{
    int64_t day = civil_floor(local_s, CIVIL_DAY_S);
    int in_day = (int)(local_s - day * CIVIL_DAY_S);
    struct date date = civil_date(day);

    snprintf(ret, CIVIL_FORMAT_BYTES, "%04d-%02d-%02dT%02d:%02d:%02d", date.year, date.month, date.day, in_day / 3600,
             in_day / 60 % 60, in_day % 60);
    return ret;
}
