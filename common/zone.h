/* zone.h - IANA time zones: from UTC to the clock on the wall, and back.
 *
 * The data is that of the system (package tzdata), read through GLib's GTimeZone; nothing of GLib is seen outside zone.c. What
 * was read is kept while a zone of that name is in use: a long-running program takes up new data when the last one is freed.
 * Times are whole seconds; local ones as in civil.h. What the rules of a zone say of its last known year goes on up to 9999.
 *
 * Known gap: GLib reads the one zone whose winter time is the "daylight saving" one, Europe/Dublin, wrongly after 2037. */
#pragma once

#include <stdint.h>

#include "common/error.h"

#define ZONE_NAME_BYTES_MAX 63

struct zone;

/* The zone of an IANA name such as "Europe/Zurich" or "UTC": up to three words of [A-Za-z0-9_+-], each beginning with a letter,
 * with slashes between. Returns NULL and sets `err` (ERR_INVALID), with the nearest known name, if there is none. */
struct zone *zone_new(const char *name, struct error *err);
void zone_free(struct zone *zone);
const char *zone_name(const struct zone *zone);

/* Seconds east of UTC at a moment. */
int64_t zone_offset_s(const struct zone *zone, int64_t utc_s);

/* The first moment after `utc_s`, and not after `limit_s`, at which another rule begins to hold; INT64_MAX if there is none. */
int64_t zone_change_after(const struct zone *zone, int64_t utc_s, int64_t limit_s);

/* How often a local time comes. */
enum zone_fit {
    ZONE_ONCE,
    ZONE_GAP,   /* never: the clock jumps over it */
    ZONE_TWICE, /* the clock is set back, and passes it again */
};

struct zone_moment {
    enum zone_fit fit;
    int64_t first_s, last_s; /* UTC; one and the same but for ZONE_TWICE. ZONE_GAP: the first moment after the gap */
};

/* When it is `local_s`. Never goes back: a later local time has no earlier `first_s`. */
struct zone_moment zone_resolve(const struct zone *zone, int64_t local_s);
