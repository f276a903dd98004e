/* duty.h - the standing orders of a scheduler: what it does again and again in each lane while it leads.
 *
 * Each duty is idempotent and checked in Lua, so that two leaders do no harm; leading only saves work. A duty begins with
 * <duty>_new, which starts it, and ends with <duty>_free, to be called after its redis was freed or when no call is under way:
 * duties stop at once and forget their calls. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/complaint.h"
#include "common/redis.h"

struct ev_loop;
struct recurrences;

#define DUTY_TIMEOUT_MS 5000 /* of each call */

/* What every duty stands on. */
struct duty {
    struct ev_loop *loop;
    struct redis *redis;
    uint32_t lanes;
    struct recurrences *recurrences; /* one for all: whoever keeps a zone keeps its old data for all others, too */
    /* Redis said that the library or the set-up of a lane is gone: the scheduler mends it. */
    void (*on_unsettled)(void *ctx);
    void *ctx;
};

/* A call of a duty failed. Tells the scheduler if `err` says that the deployment must be set up again, and logs (complaint.h)
 * what nobody else does: a lost connection is the scheduler's to log. `name` says which duty it is. */
void duty_failed(const struct duty *duty, struct complaint *complaint, const char *name, uint32_t lane, const struct error *err);

/* It works (again). */
void duty_worked(struct complaint *complaint, const char *name, uint32_t lane);

/* True if the call itself was refused, as with a damaged key: it is no use to repeat it as it is. */
bool duty_is_refused(const struct error *err);

/* Begins a call of a function that also people call, and that wants to know who does. */
void duty_call(struct call *call, const char *function, uint32_t lane);
