/* capsule.h - a group of slots with queues of its own: the unit that claims.
 *
 * A capsule claims only for its free slots, in the lanes that may have work for its queues, whose turn comes by weight. One slot
 * in twenty is kept for organizations that have nothing running. While it has a free slot and nothing to claim it sleeps, on a
 * connection of its own, for the wake-up tokens of its queues. What its lanes answer is told to it by the worker, which holds
 * lanes, sessions and slots together. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/capsule_plan.h"
#include "common/redis.h"
#include "worker/lane.h"
#include "worker/slot.h"

struct capsule;

#define CAPSULE_SLOTS_PER_QUIET 20 /* every 20th slot is kept for quiet organizations; none below 20 */

struct capsule_options {
    struct ev_loop *loop;
    const struct capsule_plan *plan; /* borrowed */
    struct slots *slots;             /* with room for its own; borrowed */
    struct redis *redis;             /* that of the lanes; borrowed */
    const char *redis_url, *password_file;
    const char *session; /* for the name of the connection on which it sleeps */
    int64_t timeout_ms;
    /* A lane may have work for it, which nobody knew of. */
    void (*on_change)(void *ctx);
    void *ctx;
};

/* NULL and `err` if there can be no connection to sleep on. */
struct capsule *capsule_new(const struct capsule_options *options, struct error *err);

/* To be called after the redis of its lanes was freed. NULL is fine. */
void capsule_free(struct capsule *capsule);

/* The lanes are known; borrowed. Not before this may it be asked for anything else. */
void capsule_start(struct capsule *capsule, struct lane *const *lanes, uint32_t count);

/* Whether it may claim at all; it may not at first. When it may again, every lane may have work. */
void capsule_open(struct capsule *capsule, bool open);

/* Claims in the lanes that may have work until no slot is free or no lane is left. Takes their reports along. */
void capsule_claim(struct capsule *capsule);

/* Sends the reports of a lane, which must be ready, without a claim. */
void capsule_report(const struct capsule *capsule, struct lane *lane);

/* Sleeps if it has a free slot. */
void capsule_sleep(struct capsule *capsule);

/* What a lane tells: its session is open · a job was claimed for this capsule · its claim is over · was refused. */
void capsule_expect(struct capsule *capsule, const struct lane *lane);
void capsule_run(struct capsule *capsule, struct lane *lane, const char *name, const struct reply *record,
                 const struct reply *state);
void capsule_answered(struct capsule *capsule, const struct lane *lane, const struct lane_answer *answer);
void capsule_refused(struct capsule *capsule, const struct lane *lane);

const struct capsule_plan *capsule_plan(const struct capsule *capsule);
unsigned capsule_taken(const struct capsule *capsule); /* slots that run a job */
bool capsule_can_sleep(const struct capsule *capsule); /* its connection is up */
