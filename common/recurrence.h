/* recurrence.h - when something is due, again and again: one face for cron expressions, intervals, rules and single moments.
 *
 * Pure: no clock, no Redis. What is due follows from the recurrence and the data of its time zone alone.
 *
 * Where clocks change, as Vixie's cron has it:
 * - Fixed local times (the others below) that the clock jumps over are due once, at the first moment after the gap; several of
 * them are due there once, together. Those that come twice are due once, the first time.
 * - Hourly and finer recurrences follow elapsed time: they neither pause nor repeat. These are
 *   cron expressions whose hours are all 24 or whose minutes begin with `*`: due whenever the clock on the wall shows one of
 * their times, each real hour, or every 15 real minutes; times that the clock jumps over are not made up for; rules with
 * FREQ=HOURLY: every INTERVAL real hours since their start; and all intervals.
 *
 * Due times lie within 1970..9999, those of cron, rules and moments on whole seconds but for a moment with a fraction. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/buffer.h"
#include "common/error.h"

#define RECURRENCE_BYTES_MAX    1280 /* of the canonical text */
#define RECURRENCE_EVERY_MS_MIN 1000
#define RECURRENCE_EVERY_MS_MAX (366LL * 86400 * 1000)
#define RECURRENCE_MS_MAX       253402300799999 /* 9999-12-31T23:59:59.999Z */

enum recurrence_kind { RECURRENCE_CRON, RECURRENCE_EVERY, RECURRENCE_RRULE, RECURRENCE_AT };

/* What people say. */
struct recurrence_spec {
    enum recurrence_kind kind;
    /* CRON: cron.h. EVERY: a duration of 1s..366d, as in "90s". RRULE: rrule.h. AT: a moment of RFC 3339, epoch ms (13 digits),
     * or a local time as in "2026-11-20T08:15:00". */
    const char *text;
    const char *zone; /* IANA name; NULL or "": UTC. Not for EVERY */
    /* RRULE: the local time at which it starts, as in "2026-11-20T08:15:00"; needed. EVERY: a moment of RFC 3339 or epoch ms of
     * 1970..9999 that is due, from which others are counted both ways; NULL: 1970-01-01T00:00:00Z. NULL for the others. */
    const char *start;
};

struct recurrence;
struct zone;

/* Reads a recurrence. Returns NULL and sets `err` (ERR_INVALID, ERR_LIMIT), naming what is wrong, the value and the limit; also
 * if it is never due. */
struct recurrence *recurrence_new(const struct recurrence_spec *spec, struct error *err);
void recurrence_free(struct recurrence *recurrence);

/* One line that says all of it, for storage and for the same again: at most RECURRENCE_BYTES_MAX bytes.
 *   cron tz=Europe/Zurich 0 9 * * mon-fri
 *   every start=1970-01-01T00:00:00.000Z 90s
 *   rrule tz=Europe/Zurich start=2026-01-30T17:00:00 FREQ=MONTHLY;BYMONTHDAY=-1
 *   at tz=UTC 2026-11-20T08:15:00.000Z
 * Parsing what was formatted and formatting it again changes nothing. `tz=` and `start=` may be left out as in a spec. */
void recurrence_format(struct buffer *out, const struct recurrence *recurrence);
struct recurrence *recurrence_parse(const char *text, struct error *err);

/* The parts of a canonical text, as flags and members of JSON name them: {"cron", "0 9 * * mon-fri"}, {"tz", "Europe/Zurich"}.
 * The kind comes first, then what it has of tz and start. Borrowed. Returns how many. */
#define RECURRENCE_PARTS_MAX 3
struct recurrence_part {
    const char *name, *value;
    size_t name_bytes, value_bytes;
};
size_t recurrence_split(struct recurrence_part ret[RECURRENCE_PARTS_MAX], const char *canonical);

enum recurrence_kind recurrence_kind(const struct recurrence *recurrence);

/* Its zone, that of UTC for EVERY; lives as long as `recurrence`. */
const struct zone *recurrence_zone(const struct recurrence *recurrence);

/* The first due time after (never at) `after_ms`. False if there is none any more. A few microseconds; rules that are due once in
 * many years up to a few hundred. */
bool recurrence_next(const struct recurrence *recurrence, int64_t after_ms, int64_t *ret_ms);

/* Why a due time is where it is. */
enum recurrence_note {
    RECURRENCE_PLAIN,
    RECURRENCE_MOVED,  /* the clock jumped over its local time, or several of them */
    RECURRENCE_MERGED, /* the same, and a local time that is due at this moment anyway */
    RECURRENCE_FIRST,  /* its local time comes twice; not due the second time */
    RECURRENCE_AGAIN,  /* its local time comes twice, this is the second one; elapsed time goes on */
};

/* What has happened at the due time `due_ms` of the recurrence. With MOVED and MERGED, `ret_local_s` is the first local time that
 * was jumped over, else that of the due time. */
enum recurrence_note recurrence_explain(const struct recurrence *recurrence, int64_t due_ms, int64_t *ret_local_s);
