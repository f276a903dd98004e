/* slot.h - the jobs that a worker runs at this moment, each in its slot. */
#pragma once

#include <stdbool.h>

#include "common/handler.h"
#include "worker/lane.h"

struct slots;

/* Makes `count` slots. `on_free` is called when a job has ended and was reported to its lane; never from inside slots_run. */
struct slots *slots_new(struct ev_loop *loop, unsigned count, const struct handlers *handlers, void (*on_free)(void *ctx),
                        void *ctx);

/* Kills what runs, reports nothing, frees. NULL is fine. */
void slots_free(struct slots *slots);

/* Runs a claimed job in a free slot (there must be one), or ends it at once: the built-in noop, or a record that cannot be read.
 */
void slots_run(struct slots *slots, struct lane *lane, const char *name, const struct reply *record, const struct reply *state);

/* Stops a job: with TERM if it was cancelled, at once if it is not ours any more. Unknown names are fine. */
void slots_stop(struct slots *slots, const struct lane *lane, const char *name, bool cancelled);

/* The worker was told to stop: from now on a handler that dies of TERM or INT was told so, too, and its job goes back. */
void slots_drain(struct slots *slots);

/* Kills all handlers; their jobs are handed back. */
void slots_kill(struct slots *slots);

unsigned slots_taken(const struct slots *slots);
