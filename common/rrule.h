/* rrule.h - recurrence rules of iCalendar (RFC 5545, section 3.3.10): reading them, and finding the local times they name. Pure.
 *
 *   FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1      with a start, 2026-01-30T17:00:00: the last working day of each month
 *
 * FREQ is YEARLY, MONTHLY, WEEKLY, DAILY or HOURLY; INTERVAL 1..1000; COUNT 1..10000 or UNTIL, not both; WKST; and the parts
 * BYMONTH, BYWEEKNO, BYYEARDAY, BYMONTHDAY, BYDAY, BYHOUR, BYMINUTE, BYSECOND, BYSETPOS where the RFC has them. "RRULE:" may
 * stand in front. Each part at most once, in any order and case. What a rule does not say comes from its start, as the RFC has
 * it; the start itself is a due time only if it matches. COUNT counts what the rule names, in local time. UNTIL is a local time,
 * or with Z one of UTC, or a date: then that whole day is within.
 *
 * Refused: more than RRULE_BYTES_MAX bytes or RRULE_LIST_MAX elements in a list, FREQ=MINUTELY and SECONDLY (cron and every do
 * that), what is never due within 400 years of its start. A search looks at 400 years at most, day by day: a few milliseconds at
 * worst. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"

#define RRULE_BYTES_MAX    1024
#define RRULE_LIST_MAX     100
#define RRULE_INTERVAL_MAX 1000
#define RRULE_COUNT_MAX    10000

struct rrule;
struct zone;

/* Reads a rule that starts at the local time `start_s` (civil.h) of `zone` (borrowed for the call). Returns NULL and sets `err`
 * (ERR_INVALID, ERR_LIMIT), naming part, value and limit. */
struct rrule *rrule_new(const char *text, int64_t start_s, const struct zone *zone, struct error *err);
void rrule_free(struct rrule *rule);

/* The rule in capitals, without "RRULE:"; lives as long as `rule`. */
const char *rrule_text(const struct rrule *rule);

/* True for FREQ=HOURLY: these follow elapsed time where clocks change, the others are fixed local times. */
bool rrule_is_elapsed(const struct rrule *rule);

/* What an UNTIL in UTC says, INT64_MAX without one: nothing after it is due. Whoever turns local times into UTC has to look. */
int64_t rrule_until_utc_s(const struct rrule *rule);

/* The first local time from `from_s` on. False if there is none. Not for HOURLY. */
bool rrule_next(const struct rrule *rule, int64_t from_s, int64_t *ret_local_s);

/* HOURLY: the first moment (UTC) from `from_s` on. An hour is 3600 seconds since the hour of the start, whatever the clock says;
 * the parts that choose months, days and hours look at the clock at its beginning. */
bool rrule_next_elapsed(const struct rrule *rule, const struct zone *zone, int64_t from_s, int64_t *ret_utc_s);
