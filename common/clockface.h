/* clockface.h - sets of times of day, as cron expressions and rules have them: any of these hours with any of these minutes and
 * any of these seconds. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Bit n is the number n. None may be empty. */
struct clockface {
    uint64_t hours, minutes, seconds;
};

#define CLOCKFACE_HOURS_ALL ((1ULL << 24) - 1)

/* The first time of day (0..86399 s) from `from_s` (0..86400) on. False if there is none any more. */
bool clockface_next(const struct clockface *face, int64_t from_s, int64_t *ret_s);

/* How many there are in a day, and number `index` of them, from 0. */
int64_t clockface_count(const struct clockface *face);
int64_t clockface_at(const struct clockface *face, int64_t index);
