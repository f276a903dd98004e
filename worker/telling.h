/* telling.h - passes on what running jobs of a lane tell of themselves, in calls of `note`.
 *
 * Progress goes out twice a second at most, with the newest of each job; a checkpoint or a request for more time within 50 ms,
 * and takes what waits along. A call without an answer is followed by another one: all that is said is absolute. What was not
 * acknowledged when the job ends is handed back, for its report. */
#pragma once

#include <stdint.h>

#include "common/redis.h"
#include "common/session.h"
#include "worker/note.h"

struct telling;

struct telling *telling_new(struct ev_loop *loop, struct redis *redis, uint32_t lane, int64_t timeout_ms,
                            struct session *session);

/* To be called after its redis was freed, which ends the call under way. NULL is fine. */
void telling_free(struct telling *telling);

/* A job, which the lane owns by this token, tells something. */
void telling_add(struct telling *telling, const char *name, const unsigned char *token, const struct lane_note *note);

/* The job has ended: what waits, or was sent and not acknowledged. Gives (note_clear). */
struct note telling_end(struct telling *telling, const char *name);

/* The session is over: nobody wants to hear it. */
void telling_forget(struct telling *telling);

/* The connection is up again. */
void telling_resume(struct telling *telling);
