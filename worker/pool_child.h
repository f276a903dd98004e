/* pool_child.h - the life of one process of a long-lived handler: its start, its hello, what it says, its replacement, its end.
 * Which jobs it gets is decided in pool.h.
 *
 *     start       hello             worn, not wanted     last job done
 *     ─────▶ STARTING ─────▶ READY ─────────────▶ DRAINING ─────────▶ ENDING ─────▶ NONE
 *                                  drain frame            end of stream, a second
 *                                                         later TERM, then KILL
 *
 * A child is one place, which runs one process after the other, each under the place's keeper. */
#pragma once

#include <ev.h>

#include "worker/log_text.h"
#include "worker/pool_job.h"
#include "worker/pool_wire.h"

#define POOL_GIVE_UP_AFTER_MS 5000 /* after KILL */

/* READY: it takes jobs. DRAINING: no more. ENDING: it was killed, or told to end. NONE: there is no process. */
enum pool_child_state { POOL_CHILD_NONE, POOL_CHILD_STARTING, POOL_CHILD_READY, POOL_CHILD_DRAINING, POOL_CHILD_ENDING };

/* Whose children they are. */
struct pool_owner {
    struct ev_loop *loop;
    const struct handlers *handlers;
    void (*on_room)(void *ctx); /* one may take a job */
    /* One has ended, its jobs are told. `failed`: it never said hello, though nobody told it to end. The place may be used again,
     * now or when its keeper is free; what it was is as it was until this returns. */
    void (*on_ended)(const struct pool_child *child, bool failed, const struct pool_end *end, void *ctx);
    void *ctx;
};

struct pool_child {
    /* For everybody to read. */
    enum pool_child_state state;
    struct handler *handler;      /* held; NULL with NONE */
    char org[NAME_BYTES_MAX + 1]; /* "" unless it is for one alone */
    unsigned max_inflight;        /* 0 until it has said hello */
    struct pool_jobs jobs;
    pid_t pid; /* 0 until it is known */
    int64_t started_mono_ms;
    /* Private. */
    const struct pool_owner *owner;
    struct keeper *keeper;
    struct pool_wire wire;
    int64_t begun_jobs, payload_files;
    struct order_user user;
    struct log_text log; /* of what belongs to no job, a second's worth */
    int64_t own_bytes;   /* the same, in bytes, since a job of it has ended */
    ev_timer timer;      /* hello; at the end TERM, then KILL */
    bool terminated;     /* TERM was sent */
    bool killed;         /* KILL was sent */
    bool dismissed;      /* told to end before it has said hello */
    bool has_culprit;    /* it is killed for one of its jobs */
    bool spoke_nonsense;
    char *why; /* it does not work */
};

/* A place without a process. Borrows `owner`. */
void pool_child_init(struct pool_child *child, struct keeper *keeper, const struct pool_owner *owner);

/* Forgets process and jobs; calls nobody. */
void pool_child_clear(struct pool_child *child);

/* True if a process can be started. */
bool pool_child_is_free(const struct pool_child *child);

/* Starts one that can run the job. Returns 0, or an errno, and then nothing has happened. */
int pool_child_start(struct pool_child *child, const struct pool_job *job);

/* True if it is one for jobs of this handler and organization (pool_job_org); and takes one more now. */
bool pool_child_serves(const struct pool_child *child, const struct handler *handler, const char *org);
bool pool_child_has_room(const struct pool_child *child);

/* Gives it a job that comes this moment, or one that has waited: 0, or an errno, and then the job still waits. */
void pool_child_take(struct pool_child *child, struct pool_job *job, const struct pool_request *request);
int pool_child_take_waiting(struct pool_child *child, struct pool_job *job);

/* Asks it to end a job of its own soon. */
void pool_child_cancel(struct pool_child *child, const struct pool_job *job);

/* No more jobs; it ends with the last one, at once if it has none. */
void pool_child_drain(struct pool_child *child);

/* KILL. `why` it does not work, or NULL; `culprit`: the job for which it is killed, or NULL. One that not even that ends, as it
 * hangs in the kernel, is left to its keeper after POOL_GIVE_UP_AFTER_MS. */
void pool_child_kill(struct pool_child *child, const char *why, struct pool_job *culprit);

/* To be called each second: it may print so much again, and is looked at, how old and how large it has become. */
void pool_child_sweep(struct pool_child *child);
