/* pool.h - handlers that live on: processes that run one job after the other, or several at once, over frames (pool_frame.h).
 *
 * Children are started as jobs need them, each under a keeper of its own, and take jobs of their handler; with `per_org` only of
 * one organization. One that has done max_jobs, is max_age old or has grown to max_rss gets no more jobs, a drain frame, and the
 * end of the stream when its last one has ended; a second later TERM. So does one whose handler was changed by a reload, an idle
 * one whose place is needed, and each when the worker stops (pools_drain). Between jobs it may end whenever it likes. When one
 * fails before its hello and no other one of its handler works, all jobs that wait for them are lost as POOL_BROKEN.
 *
 * What it writes to stdout and stderr belongs to its job if it takes one at a time and has one, else to the worker's log. Of the
 * latter it may write as much as one attempt may, from the end of one job to that of the next: then it is killed, and its jobs
 * are lost as POOL_RELEASED, as nobody knows which of them it was.
 *
 * child.h is in front of this: whoever runs jobs does not see a difference. */
#pragma once

#include "common/handler.h"
#include "worker/keeper.h"
#include "worker/pool_frame.h"

struct pools;
struct pool_job;

#define POOL_HELLO_MS_MAX 10000 /* until the first frame */

/* Why it has ended otherwise than by its own word. */
enum pool_loss {
    POOL_CRASHED,  /* its child has ended, or was killed for it */
    POOL_RELEASED, /* its child was killed because of another one's job, or of nobody's */
    POOL_BROKEN,   /* it never ran: no child could be started, or it did not say hello */
};

/* Callbacks of one job, none before pool_start has returned. on_done or on_lost is the last one. */
struct pool_client {
    void (*on_begin)(const char *frame, size_t bytes, void *ctx); /* it has waited, and is given to a child: in this frame */
    void (*on_line)(const char *line, size_t bytes, void *ctx);   /* a control line */
    void (*on_output)(const char *bytes, size_t length, void *ctx);
    void (*on_done)(const struct pool_frame *frame, void *ctx);
    void (*on_lost)(enum pool_loss loss, int code, const char *why, void *ctx); /* code: an errno, or 0 */
    void *ctx;
};

/* How a process has ended: in words, and what it has used if that is known. Borrowed for the call. */
struct pool_end {
    const char *how;
    const struct keeper_report *report; /* NULL: not known */
};

struct pools_options {
    struct ev_loop *loop;
    struct keepers *keepers; /* it uses number `first` .. first + count - 1, and has so many places */
    unsigned first, count;
    const struct handlers *handlers;
    /* A process has ended, and its jobs were told. */
    void (*on_end)(const struct pool_end *end, void *ctx);
    void *ctx;
};

struct pools *pools_new(const struct pools_options *options);

/* Forgets all children and jobs; calls nobody. The keepers end them. NULL is fine. */
void pools_free(struct pools *pools);

/* From now on no process waits for a job: those that have none are drained now, the others when their last one has ended. A job
 * that comes all the same is run. */
void pools_drain(struct pools *pools);

/* Kills the processes that have no job; those that have some are killed by pool_kill. */
void pools_kill(struct pools *pools);

/* How many processes have not ended. */
unsigned pools_living(const struct pools *pools);

/* A keeper of ours is free again. */
void pools_keeper_free(struct pools *pools);

struct pool_request {
    struct handler *handler;  /* held while a child of it lives */
    const char *name;         /* of the job, "org/id" */
    char *const *environment; /* the job's; its child gets those variables that are not of one job */
    const char *payload;
    size_t payload_bytes;
    const struct order *order; /* how a child is started; without environment */
};

/* Gives the job to a child, or lets it wait for one. All is copied. While it waits it does not run: its time has not begun. It
 * does not wait for ever: children that are busy end their jobs in time, and one that starts has POOL_HELLO_MS_MAX. */
struct pool_job *pool_start(struct pools *pools, const struct pool_request *request, const struct pool_client *client);

/* True until on_begin. */
bool pool_waits(const struct pool_job *job);

/* Asks the child to end it soon. */
void pool_cancel(struct pool_job *job);

/* Kills its child; or takes it out of those that wait. on_lost follows. */
void pool_kill(struct pool_job *job);

/* Nobody wants to hear of it any more: no callback. Its child is killed. */
void pool_forget(struct pool_job *job);

/* The process of its child, 0 if it has none yet. */
pid_t pool_pid(const struct pool_job *job);
