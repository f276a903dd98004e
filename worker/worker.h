/* worker.h - the worker: takes jobs of many organizations into its slots, runs their handlers, reports how they ended.
 *
 * Its capsules claim; it holds together what they share: the lanes with their sessions, the slots, the connection, the end. Ended
 * jobs and the next claim travel in one call. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/capsule_plan.h"
#include "common/deployment.h"
#include "common/error.h"
#include "common/handler.h"

struct ev_loop;
struct notify;
struct worker;

struct worker_options {
    const char *redis_url, *password_file;
    const struct capsule_plans *capsules; /* borrowed */
    struct handlers *handlers;            /* borrowed; changed by worker_set_handlers alone */
    int64_t timeout_ms, beat_ms;          /* of the session */
    const char *scratch;                  /* where the scratch directories of handlers are; an absolute path */
    const char *cgroup;                   /* where their control groups are (cgroup.h); NULL: there are none */
    int64_t drain_ms;                     /* how long a drain waits for running jobs */
    struct deployment_options deployment; /* the session's times are added */
    int64_t check_every_ms;               /* > 0: between two checks of the deployment */
    struct notify *notify;                /* who is told how it goes; borrowed */
    /* The worker has stopped: drained, or refused to start (`err`). */
    void (*on_stopped)(const struct error *err, void *ctx);
    void *ctx;
};

/* Starts a worker: connects, checks the deployment, opens sessions, claims. NULL and `err` for bad options. */
struct worker *worker_new(struct ev_loop *loop, const struct worker_options *options, struct error *err);
void worker_free(struct worker *worker);

/* In what follows `who` asked for it: "signal TERM", "ann@host". It is logged, and stands on the worker's card. */

/* Takes no more jobs; goes on running, reporting and beating. And takes jobs again. */
void worker_quiet(struct worker *worker, const char *who);
void worker_resume(struct worker *worker, const char *who);

/* Takes no more jobs, waits up to drain_ms for those that run, hands back the rest, closes its sessions, calls on_stopped. */
void worker_drain(struct worker *worker, const char *who);

/* The same without waiting: kills what runs. */
void worker_stop_now(struct worker *worker, const char *who);

/* Works with the handlers of `fresh` from now on, which is empty then; jobs that run end with those that they have. The log gets
 * what is different. Refuses an empty table. */
int worker_set_handlers(struct worker *worker, struct handlers *fresh, struct error *err) MUST_CHECK;

/* Tells what it does at this moment (dump.h). */
void worker_dump(struct worker *worker, const char *who);
