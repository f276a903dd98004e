/* recovery.h - gives the jobs of dead sessions back.
 *
 * Looks at the sessions of each lane four times a second and recovers the dead (suspect.h), in steps of 64 jobs. A follower does
 * the same for one session only: the leader's. */
#pragma once

#include "scheduler/duty.h"

struct recovery;

#define RECOVERY_LOOK_MS 250

/* `beat_ms`: of the scheduler's own session, see recovery_beaten. `on_recovered` is told of each session that was recovered. */
struct recovery *recovery_new(const struct duty *duty, int64_t beat_ms,
                              void (*on_recovered)(const char *session, int64_t jobs, void *ctx), void *ctx);
void recovery_free(struct recovery *recovery);

/* The scheduler's own beat was answered: beats get through. While they do not nobody is watched. */
void recovery_beaten(struct recovery *recovery);

/* The connection is there again: for a while others may still be without one. */
void recovery_connected(struct recovery *recovery);

/* Whom to recover: everybody (NULL; the leader), or this session alone ("" for nobody). Copied. */
void recovery_limit(struct recovery *recovery, const char *session);
