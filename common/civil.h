/* civil.h - the calendar: days as numbers, and local times without a zone. Pure.
 *
 * A day is the number of days since 1970-01-01. A local time is seconds since 1970-01-01T00:00:00 of the same clock on the wall,
 * that is, as if it were UTC; zone.h says when it is. The calendar is the Gregorian one, which repeats after 400 years. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define CIVIL_DAY_S        86400
#define CIVIL_CYCLE_YEARS  400
#define CIVIL_CYCLE_DAYS   146097LL /* also a whole number of weeks */
#define CIVIL_YEAR_MAX     9999
#define CIVIL_DAY_MAX      2932896LL                             /* 9999-12-31 */
#define CIVIL_S_MAX        (CIVIL_DAY_MAX * CIVIL_DAY_S + 86399) /* 9999-12-31T23:59:59 */
#define CIVIL_FORMAT_BYTES 32

struct date {
    int year, month, day; /* month 1..12, day 1..31 */
};

int64_t civil_day(int year, int month, int day);
struct date civil_date(int64_t day);

/* 0 is Sunday. */
int civil_weekday(int64_t day);
int civil_month_days(int year, int month);
int civil_year_days(int year);

/* Rounded down, also for negative numbers; `divisor` > 0. */
int64_t civil_floor(int64_t number, int64_t divisor);

/* "2026-11-20T08:15:00", "2026-11-20T08:15", "20261120T081500": a local time of 1970..9999. False if it is none. */
bool civil_parse(int64_t *ret_local_s, const char *text);

/* "2026-11-20T08:15:00"; returned. */
const char *civil_format(char ret[CIVIL_FORMAT_BYTES], int64_t local_s);
