/* lane.h - a worker's dealings with one lane: its session, its claims, and the reports of jobs that ended.
 *
 * At most one claim or finish is under way; while it is, ended jobs gather and go with the next one. A call that got no answer is
 * repeated, word for word, until it is answered: the functions then change nothing twice. One that is refused has changed
 * nothing: its reports go again one by one, and what is refused alone is dropped. The lane knows the leases it has handed out;
 * when Redis counts others (a beat tells), it hands back those it does not know and stops the jobs that are not its own. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/id.h"
#include "common/job.h"
#include "common/redis.h"
#include "common/handler.h"

struct lane;

#define LANE_CLAIM_MAX  32
#define LANE_QUEUES_MAX 16

/* What a claim has found: V, and organizations left in active, of its first queue; ms until a rate-limited one comes back, in any
 * of them (-1: none); jobs that came. */
struct lane_answer {
    int64_t v, active, next_ms;
    unsigned taken;
};

struct lane_options {
    struct ev_loop *loop;
    struct redis *redis;
    uint32_t number, lanes; /* lanes: of the deployment */
    const char *session;    /* id of the first session; copied */
    int64_t timeout_ms, beat_ms;
    const struct handlers *handlers; /* the types to claim; borrowed */
    /* How many jobs of this handler a claim may bring at most; the others stay in their queues. NULL: any number. */
    unsigned (*most)(const struct handler *handler, void *ctx);
    /* The session is open. */
    void (*on_open)(struct lane *lane, void *ctx);
    /* `taker` is that of the claim. A job was claimed: name (org/id), record, state. Borrowed for the call. */
    void (*on_job)(struct lane *lane, void *taker, const char *name, const struct reply *record, const struct reply *state,
                   void *ctx);
    /* The call is over; what it claimed was handed over. `answer` is NULL if it did not claim. */
    void (*on_answer)(struct lane *lane, void *taker, const struct lane_answer *answer, void *ctx);
    /* A call that was to claim is over, and was refused: claim again, but not at once. */
    void (*on_refused)(struct lane *lane, void *taker, void *ctx);
    /* A job must stop: an operator cancelled it (then it is still to be reported), or it is not ours any more. */
    void (*on_stop)(struct lane *lane, const char *name, bool cancelled, void *ctx);
    /* What an operator has asked for, with each beat (common/session.h). */
    void (*on_orders)(struct lane *lane, const char *order, const char *dump, void *ctx);
    /* The session is over; on_stop was called for each of its jobs. */
    void (*on_lost)(struct lane *lane, void *ctx);
    void *ctx;
};

struct lane_claim {
    void *taker;               /* for whom; not NULL if any are wanted */
    unsigned want;             /* 0..LANE_CLAIM_MAX */
    bool quiet;                /* only for organizations with nothing running */
    const char *const *queues; /* in the order to visit */
    size_t queue_count;        /* 1..LANE_QUEUES_MAX */
    int64_t floor;             /* lowest V among the lanes that have work; 0 */
};

/* A further job that an ended one enqueues. */
struct lane_job {
    const char *id, *record;
    size_t record_bytes;
};

/* An ended job. All is borrowed for the call. */
struct lane_end {
    const char *name;
    const char *verdict; /* as verdict_format writes it */
    int64_t run_us;
    const char *report;
    size_t report_bytes;
    const char *log; /* what it wrote to stderr, and how many bytes of that are not in it */
    size_t log_bytes;
    int64_t log_omitted_bytes;
    const struct lane_job *jobs; /* with a verdict that says done or discard only */
    size_t job_count;
    const char *verdict_if_refused; /* of the job itself, should Redis refuse its further jobs */
};

/* What a running job tells of itself; absent parts say nothing new. Borrowed for the call. */
struct lane_note {
    const char *progress; /* NULL: nothing */
    int percent;
    const char *checkpoint; /* NULL: nothing; "" forgets it */
    size_t checkpoint_bytes;
    int64_t timeout_ms; /* its time-out, counted from its start; 0: nothing */
};

struct lane *lane_new(const struct lane_options *options);
/* To be called after its redis was freed, which ends the calls under way. */
void lane_free(struct lane *lane);

/* The connection is up again: beats, and repeats what was not answered. */
void lane_resume(struct lane *lane);

/* Takes note of an ended job, for the next call. Nothing happens if it is not ours any more. */
void lane_report(struct lane *lane, const struct lane_end *end);

/* Passes on what a running job tells, soon: progress twice a second at most, the rest within a moment. What was not acknowledged
 * when the job ends goes with its report, so that no checkpoint is lost. Nothing happens if the job is not ours any more. */
void lane_tell(struct lane *lane, const char *name, const struct lane_note *note);

/* Nothing is to start under a limit for `ms`, an hour at most: in all lanes; under that of a key, in this one, for `org`. It is
 * sent at once, and not again if it is lost: the next handler that is told to wait says so, too. */
void lane_pause_limit(struct lane *lane, const char *limit, const char *org, int64_t ms);

/* The token of a job's lease, TOKEN_BYTES; NULL if it is not ours. Borrowed until something else is called. */
const unsigned char *lane_token(const struct lane *lane, const char *name);

/* Sends reports and claims in one call; the lane must be ready. With nothing to report and want 0 it does nothing. */
void lane_send(struct lane *lane, const struct lane_claim *claim);

/* Open, and no call under way. */
bool lane_is_ready(const struct lane *lane);
bool lane_is_open(const struct lane *lane);
size_t lane_reports(const struct lane *lane); /* ended jobs not yet acknowledged */

/* Jobs asked for by the call under way, if it is one of `taker`; NULL: of anybody. */
unsigned lane_claiming(const struct lane *lane, const void *taker);
size_t lane_held(const struct lane *lane); /* jobs that are ours and have not ended */

const char *lane_session(const struct lane *lane);
uint32_t lane_number(const struct lane *lane);

/* Closes the session, handing back what is held. */
void lane_close(struct lane *lane, void (*closed)(void *ctx), void *ctx);
