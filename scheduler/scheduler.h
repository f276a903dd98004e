/* scheduler.h - the scheduler: any number may run, one leads and does the duties (duty.h), the others stand by.
 *
 * The lead is bound to the session of whoever holds it (lua/upkeep.lua, `lead`): it ends with a close at once, and with a death
 * when another scheduler recovers the dead session. Nothing is decided by who leads: every duty is checked in Lua. The leader
 * also sets the deployment up, checks the server every check_every_ms, and stops the intake of new jobs while it is weaker than
 * declared.
 */
#pragma once

#include <stdint.h>

#include "common/deployment.h"
#include "common/error.h"

struct ev_loop;
struct notify;
struct scheduler;

struct scheduler_options {
    const char *redis_url, *password_file;
    int64_t timeout_ms, beat_ms;          /* of the session */
    struct deployment_options deployment; /* the session's times, set_up and may_read_config are added */
    int64_t check_every_ms;               /* > 0: between two checks of the deployment */
    const char *schedules;                /* the file of those that are to be (desired.h); "" for none */
    int64_t reconcile_every_ms;           /* > 0: between two rounds over all schedules */
    struct notify *notify;                /* who is told how it goes; borrowed */
    /* The scheduler has stopped, or refused to start (`err`). */
    void (*on_stopped)(const struct error *err, void *ctx);
    void *ctx;
};

/* Starts a scheduler. NULL and `err` for bad options, and for a bad file of schedules. */
struct scheduler *scheduler_new(struct ev_loop *loop, const struct scheduler_options *options, struct error *err);
void scheduler_free(struct scheduler *scheduler);

/* Gives up the lead and the session, then calls on_stopped. */
void scheduler_stop(struct scheduler *scheduler);

/* Reads the file of schedules again. The old ones stay if there is something wrong with it: that is logged. */
void scheduler_reload(struct scheduler *scheduler);

/* Writes to the log what it does at this moment: who leads, and which duties it has. */
void scheduler_dump(const struct scheduler *scheduler);
