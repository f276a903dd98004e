/* cron.h - cron expressions: reading them, and finding the local times they name. Pure; knows no zone (recurrence.h does).
 *
 *   [second] minute hour day-of-month month day-of-week      five fields, or six with the seconds in front
 *   @hourly @daily @midnight @weekly @monthly @yearly @annually
 *
 * | field | values | besides |
 * | second, minute | 0-59 | |
 * | hour | 0-23 | |
 * | day of month | 1-31 | ? L (the last day) L-3 (three days before) LW (the last weekday) 15W (the weekday nearest to the 15th)
 * | | month | 1-12, jan-dec | | | day of week | 0-7, sun-sat; 0 and 7 are Sunday | ? 5L (the last Friday) 5#2 (the second Friday)
 * |
 *
 * A field is a list with commas. An element is `*`, a value, a range 1-5, or one of them with a step: `*` and 10-20 with /5 count
 * from the first value of the range, 10/5 from 10 to the end. Case does not matter. A nearest weekday stays in its month; a day
 * that a month does not have is left out there.
 *
 * Days are chosen as cron(8) of Debian does. A field of days that begins with `*` (or is ?) is unrestricted. If both are
 * restricted, a day is due that matches either; otherwise one that matches both. A step is a condition nevertheless: day of month
 * `*` with /2 and day of week mon is due on Mondays that are odd days.
 *
 * Refused: more than CRON_BYTES_MAX bytes, more than CRON_LIST_MAX elements in a field, ranges backwards, steps of 0 or larger
 * than the field's largest value, and what is never due, as the 30th of February. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"

#define CRON_BYTES_MAX 1024
#define CRON_LIST_MAX  100

struct cron;

/* Reads an expression. Returns NULL and sets `err` (ERR_INVALID, ERR_LIMIT), naming field, value and limit. */
struct cron *cron_new(const char *text, struct error *err);
void cron_free(struct cron *cron);

/* The expression with single spaces and in small letters; lives as long as `cron`. */
const char *cron_text(const struct cron *cron);

/* True if it is hourly or finer: its hours are all 24, or its minutes begin with `*`. Such expressions follow elapsed time where
 * clocks change, the others are fixed local times. */
bool cron_is_elapsed(const struct cron *cron);

/* The first local time (civil.h) from `from_s` on. False if there is none until the end of the year 9999. */
bool cron_next(const struct cron *cron, int64_t from_s, int64_t *ret_local_s);
