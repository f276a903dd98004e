/* suspect.h - which sessions are dead: the failure detector, without I/O or clock of its own.
 *
 * A session is dead when its deadline has passed on Redis' clock AND its beat number did not move for a time-out (less one beat)
 * of this process' monotonic clock, watched without a gap. So neither a stepped clock nor a frozen Redis kills the living: after
 * a freeze the watching begins anew, and the first beats to arrive clear their sessions; so it does after a time in which the
 * server took no writes, in which nobody could beat. A deadline that lies further ahead than the session's own time-out means
 * that the clock was stepped back; it counts as passed. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/id.h"

#define SUSPECT_GAP_MS 1000 /* between two looks; a longer gap starts the watching anew */
#define SUSPECT_GRACE_MS \
    2000 /* then it begins so much later: others may still be connecting (BACKOFF_MS_MAX of common/redis.c) */

struct suspects; /* of one lane */

/* One line of the function `watch`. */
struct sighting {
    const char *session;
    int64_t deadline_ms; /* on Redis' clock */
    const char *beat;    /* the beat's number; "" if the session has ended already: what it held is still to be given back */
    int64_t timeout_ms, beat_ms;
};

struct suspects *suspects_new(void);
void suspects_free(struct suspects *suspects);

/* Begins a look at monotonic `mono_ms`, with Redis' clock at `now_ms`. What was watched before `from_mono_ms` does not count: the
 * caller knows that the living could not beat. True if there was a gap. */
bool suspects_begin(struct suspects *suspects, int64_t mono_ms, int64_t now_ms, int64_t from_mono_ms);

/* Takes one sighting of this look. True if the session is dead: the caller recovers it, naming the beat. */
bool suspects_see(struct suspects *suspects, const struct sighting *sighting);

/* Ends the look: who was not seen in it is well. */
void suspects_end(struct suspects *suspects);

/* The widest window (time-out less one beat) and the longest time-out among the sessions ever seen; 0 before the first. */
int64_t suspects_window_ms(const struct suspects *suspects);
int64_t suspects_timeout_ms(const struct suspects *suspects);
