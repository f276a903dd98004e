/* slot.h - the jobs that a worker runs at this moment, each in its slot. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/buffer.h"
#include "common/handler.h"
#include "worker/lane.h"

struct slots;

/* Makes `count` slots. `scratch`: path of the directory for the scratch directories of handlers. `on_free` is called when a job
 * has ended, was reported to its lane, and its directory is gone, or when a long-lived handler has ended; never from inside
 * slots_run. NULL and `err` if there can be no
 * scratch directories. */
struct slots *slots_new(struct ev_loop *loop, unsigned count, const struct handlers *handlers, const char *scratch,
                        const char *cgroup, void (*on_free)(void *ctx), void *ctx, struct error *err);

/* Kills what runs and waits for its end, reports nothing, frees. NULL is fine. */
void slots_free(struct slots *slots);

/* Runs a claimed job in a free slot (there must be one), or ends it at once: the built-in noop, or a record that cannot be read.
 * While it runs it counts in `group`, which must live as long. */
void slots_run(struct slots *slots, unsigned *group, struct lane *lane, const char *name, const struct reply *record,
               const struct reply *state);

/* Stops a job: with TERM if it was cancelled, at once if it is not ours any more. Unknown names are fine. */
void slots_stop(struct slots *slots, const struct lane *lane, const char *name, bool cancelled);

/* The worker was told to stop: from now on a handler that dies of TERM or INT was told so, too, and its job goes back. Those that
 * live on are drained as soon as they have no job. */
void slots_drain(struct slots *slots);

/* No job runs, and no handler lives on. */
bool slots_are_quiet(const struct slots *slots);

/* Kills all handlers; their jobs are handed back. */
void slots_kill(struct slots *slots);

unsigned slots_taken(const struct slots *slots);

/* How many of its jobs may be claimed at most: none while the handler is broken, one to try whether it works again. */
unsigned slots_most(const struct slots *slots, const struct handler *handler);

/* The operator has changed something: every handler may work now. */
void slots_trust(struct slots *slots);

/* Appends "TYPE MS" for each type whose handler is broken: until when, by the local clock, its jobs are not claimed. */
void slots_broken(const struct slots *slots, struct buffer *out);

/* A job that runs now. */
struct slot_view {
    unsigned slot;
    const char *job, *type;
    int attempt;
    pid_t pid; /* 0: there is none, as after a failed start */
    int64_t elapsed_ms, timeout_ms;
    bool disowned; /* it is not ours any more, and is being killed */
};

/* Shows each of them. */
void slots_look(const struct slots *slots, void (*look)(const struct slot_view *view, void *ctx), void *ctx);

/* Jobs since the start: those that have begun; and those that have ended done (or discarded), without success, or were handed
 * back. */
struct slots_counts {
    uint64_t begun, done, failed, released;
};

const struct slots_counts *slots_counts(const struct slots *slots);
