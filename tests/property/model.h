/* model.h - what one lane should hold: a naive model of the life cycle of jobs.
 *
 * Plain arrays and linear search, written from the contracts (what the functions say of themselves), never from their code. It
 * knows where each job is, with which counts and whose lease; it does not know the fair order. Operations on the model return
 * what the function must answer, or change what the function must have changed. Nothing here talks to Redis.
 *
 * Where several outcomes are allowed (which of the due jobs a bounded promote moves, which lease a bounded close ends first), the
 * caller looks at what happened, asks the model whether that was allowed, and tells it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/id.h"

#define MODEL_ORGS_MAX     6
#define MODEL_QUEUES       3
#define MODEL_TYPES        3
#define MODEL_JOBS_MAX     128
#define MODEL_SESSIONS_MAX 48
#define MODEL_KEYS_MAX     256
#define MODEL_ANSWERS_MAX  64
#define MODEL_SEEN_MAX     32
#define MODEL_LIMITS       3           /* that can be defined */
#define MODEL_LIMIT_NAMES  5           /* that a job can name: none, two for all organizations, two keys of the third */
#define MODEL_SEEN_MS      86400000    /* how long a moved inbox entry is remembered */
#define MODEL_GRACE_MS     15000       /* between a time-out and the hard deadline */
#define MODEL_CHANGES      16          /* that are remembered with a job */
#define MODEL_FOLLOWS_MS   (1LL << 47) /* score of what waits for another job */
#define MODEL_ID_BYTES_MAX 24
#define MODEL_KEY_BYTES    80 /* so that its lease is larger than what Redis keeps in a list pack */

extern const char *const model_queue_names[MODEL_QUEUES];
extern const char *const model_type_names[MODEL_TYPES];

/* "", "mail", "smtp", "user:1", "user:2" */
extern const char *const model_limit_names[MODEL_LIMIT_NAMES];

enum place {
    PLACE_NONE,
    PLACE_READY,
    PLACE_WAITING,
    PLACE_SCHEDULED,
    PLACE_RUNNING,
    PLACE_DONE,
    PLACE_DEAD,
    PLACE_CANCELLED,
    PLACES
};

/* "none", "ready", ... */
const char *place_name(enum place place);

struct model_org {
    char name[NAME_BYTES_MAX + 1];
    bool registered;
    /* settings; 0 stands for "none" in max_running and rate */
    int64_t weight, max_running, burst, max_queued, max_payload_bytes;
    int64_t keep_done_ms, keep_done_max, keep_dead_ms, keep_dead_max, keep_unique_ms, max_crashes, keep_logs_ms;
    double rate;
    bool paused, private_inbox, deleting;
    int64_t deleted_ms; /* when it was last deleted, while that is remembered; 0: not */
    /* the token bucket: when it is full again, at the latest and at the earliest. What lies further ahead than an empty bucket
     * takes to fill comes from a clock that was set back, and may be forgotten at any time. */
    double full_us, full_soonest_us;
};

struct model_session {
    char id[SESSION_BYTES + 1];
    bool used, open, is_scheduler;
    bool listed; /* in the index of sessions: open, or ended with leases left */
    int64_t timeout_ms, deadline_ms, beat;
    /* its last claim or finish: what a repetition with the same token is answered */
    bool called;
    unsigned char token[TOKEN_BYTES];
    int answer_count;
    const char *answered[MODEL_ANSWERS_MAX];
    /* what was asked of it last; 0: nothing */
    int64_t order, dump;
    const char *verb;
};

/* What a producer asks for. */
struct wish {
    int queue, type, limit, priority, max_attempts;   /* limit: an index of the names; max_attempts 0: not said */
    int64_t due_ms, delay_ms, expires_ms, timeout_ms; /* 0: none */
    char key[MODEL_KEY_BYTES + 1];                    /* "": none */
    char coalesce[8];                                 /* coalescing key; "": none */
    bool earliest;
    uint32_t nonce;
    uint32_t payload_seed, payload_bytes; /* stand for the payload */
};

/* A change that was merged into a job. */
struct model_change {
    char id[MODEL_ID_BYTES_MAX + 1];
    uint32_t nonce;
};

struct model_job {
    enum place place; /* PLACE_NONE: this slot of the array is free */
    struct model_org *org;
    char id[MODEL_ID_BYTES_MAX + 1];
    struct wish wish;
    int64_t score; /* in its place */
    int64_t order; /* in ready, once it is there again */
    int attempt, deliveries, crashes, logged;
    int rests; /* in a row, because nobody knew its type */
    const char *reason;
    int waits_for;       /* while it waits: the limit's name */
    int redriven;        /* deliveries when it was last redriven */
    int progress;        /* percent + 1; 0: none */
    char checkpoint[16]; /* "": none */
    int64_t log_s;       /* second of its newest log; 0: it has none */
    /* of one with a coalescing key */
    bool owns;                          /* the key stands for it */
    char after[MODEL_ID_BYTES_MAX + 1]; /* the one that it waits for; "": none */
    bool let_go;                        /* it has waited until this claim */
    int64_t since_ms;                   /* when it was enqueued, for its order */
    struct model_change changes[MODEL_CHANGES];
    int change_count;
    /* while it is running */
    bool under[MODEL_LIMIT_NAMES];
    struct model_session *session;
    unsigned char token[TOKEN_BYTES];
    int64_t started_ms;
    bool cancelling;
};

/* An idempotency key stands for a job until `until_ms`, which is set (not 0) once the job has ended. */
struct model_key {
    struct model_org *org; /* NULL: free */
    char name[MODEL_KEY_BYTES + 1];
    char owner[MODEL_ID_BYTES_MAX + 1];
    int type;
    uint32_t payload_seed, payload_bytes;
    int64_t until_ms;
};

/* An entry of the inbox that was moved to its organization. */
struct model_seen {
    char name[JOB_NAME_BYTES_MAX + 1]; /* org/id; "": free */
    int64_t at_ms;
};

/* A limit as it was defined. */
struct model_definition {
    bool defined;
    int64_t concurrency; /* 0: none */
    double rate;         /* tokens in a second; 0: none */
    int64_t burst;
    int64_t slots, tokens; /* the lane's part; -1: all of it */
    int64_t paused_ms;     /* until then */
};

/* What has been started under a limit: of all organizations together, or of one of them under a key. As in struct model_org. */
struct model_bucket {
    double full_us, full_soonest_us;
    int64_t paused_ms;
};

struct model {
    struct model_org orgs[MODEL_ORGS_MAX];
    int org_count;
    struct model_job jobs[MODEL_JOBS_MAX];
    struct model_session sessions[MODEL_SESSIONS_MAX];
    struct model_key keys[MODEL_KEYS_MAX];
    struct model_seen seen[MODEL_SEEN_MAX];
    struct model_definition limits[MODEL_LIMITS];
    struct model_bucket buckets[MODEL_LIMIT_NAMES][MODEL_ORGS_MAX]; /* of all organizations: the first */
    bool paused, intake_stopped, queue_paused[MODEL_QUEUES];
};

/* Empties the model and names its organizations, which do not exist yet. */
void model_init(struct model *model);
struct model_org *model_add_org(struct model *model, const char *name);

/* An organization that is gone: defaults, no jobs, no keys. */
void model_forget_org(struct model *model, struct model_org *org);
void model_default_settings(struct model_org *org);

/* Lookups; NULL if there is none. */
struct model_job *model_find(struct model *model, const struct model_org *org, const char *id);
struct model_org *model_find_org(struct model *model, const char *name);
struct model_session *model_find_session(struct model *model, const char *id);
struct model_key *model_find_key(struct model *model, const struct model_org *org, const char *name);
struct model_seen *model_find_seen(struct model *model, const char *name); /* "" finds a free one */

/* How many jobs of `org` (NULL: of all) are in `place`; of `queue` only, if it is not negative. */
int model_count(const struct model *model, const struct model_org *org, enum place place, int queue);
int model_count_all(const struct model *model);
int model_count_held(const struct model *model, const struct model_session *session);

/* True if `a` comes before `b` in the set that both are in. */
bool model_before(const struct model_job *a, const struct model_job *b);

/* The job that has a coalescing key, and (`follower`) the one that waits for that; NULL if there is none. */
struct model_job *model_find_coalesced(struct model *model, const struct model_org *org, const char *key, bool follower);

/* The job is over, or gone: what waited for that has its coalescing key now, and goes where its time says. */
void model_end_coalesced(struct model *model, int64_t now_ms, struct model_job *job);

/* True if both wishes are the same record. */
bool wish_is(const struct wish *a, const struct wish *b);

/* ---- producers and operators ---- */

/* Takes a job in, or not; writes what enqueue answers. */
void model_enqueue(struct model *model, int64_t now_ms, struct model_org *org, const char *id, const struct wish *wish,
                   char ret_answer[96]);

/* These return the word that the function answers; `job` may be NULL. */
const char *model_cancel(struct model *model, int64_t now_ms, struct model_job *job);
const char *model_reschedule(struct model_job *job, int64_t now_ms, int64_t due_ms);
const char *model_redrive(struct model *model, struct model_job *job, int64_t now_ms);
const char *model_delete(struct model *model, struct model_job *job, int64_t now_ms);

/* ---- leases ---- */

enum verdict {
    VERDICT_DONE,
    VERDICT_DISCARD,
    VERDICT_DEAD,
    VERDICT_RELEASE,
    VERDICT_RETRY,
    VERDICT_TIMEOUT,
    VERDICT_CRASH,
    VERDICT_LOST,
    VERDICTS
};

/* What a job tells while it runs, or with its end: percent + 1 (0: nothing), a checkpoint (NULL: nothing, "": forget it). */
void model_note(struct model_job *job, int progress, const char *checkpoint);

/* Further jobs of an organization: all of them, or none. NULL if they were taken in, or the answer that refuses them. */
const char *model_enqueue_own(struct model *model, int64_t now_ms, struct model_org *org, const char *const *ids,
                              const struct wish *wishes, int count);

/* Ends the lease of a running job. `limit` of a release: deliveries, 0 for none. */
void model_end(struct model *model, int64_t now_ms, struct model_job *job, enum verdict verdict, int64_t delay_ms, int limit);

/* A job that was found in nobody's hands, or out of its place, goes back to its queue. */
void model_to_ready(struct model_job *job);
void model_to_scheduled(struct model_job *job, int64_t due_ms, bool keep_order);

/* Ends a waiting job, and keeps what the organization wants to keep. */
void model_to_end(struct model *model, int64_t now_ms, struct model_job *job, enum place place, const char *reason);

/* ---- retention ---- */

/* True if trim may, and sooner or later must, forget it. */
bool model_job_is_over(const struct model_job *job, int64_t now_ms);
bool model_log_is_over(const struct model_job *job, int64_t now_ms);
bool model_key_is_over(const struct model_key *key, int64_t now_ms);

/* The first moment at which trim has something to do for `org`; 0: never. */
int64_t model_first_over_ms(const struct model *model, const struct model_org *org);

/* ---- claims (model_claim.c) ---- */

struct model_claim {
    struct model_session *session;
    unsigned char token[TOKEN_BYTES];
    int want;
    bool quiet;
    bool queues[MODEL_QUEUES];
    int64_t timeout_ms[MODEL_TYPES]; /* 0: the worker does not know the type */
    bool has_room[MODEL_TYPES];      /* it has room for so many of them only; */
    int room[MODEL_TYPES];           /* then the others stay in their queues, and those behind them may come first */
    int limits[MODEL_TYPES];         /* of the handlers; 0: none */
    /* filled by model_claim_begin: what could be served when the call began */
    bool servable[MODEL_ORGS_MAX];
    int taken[MODEL_ORGS_MAX], taken_in_all, set_aside;
};

/* Begins to check a claim: call it before anything else that the same call changes is undone. */
void model_claim_begin(struct model *model, struct model_claim *claim, int64_t now_us);

/* A job was handed out: makes it running. NULL, or what rule that breaks. */
const char *model_claim_take(struct model *model, struct model_claim *claim, int64_t now_us, struct model_job *job);

/* A job that a claim does not hand out though it is next: expired, or of a type that the worker does not know. */
bool model_claim_has_rooms(const struct model_claim *claim);
bool model_claim_sets_aside(const struct model_claim *claim, const struct model_job *job, int64_t now_ms);

/* A resting job is back in its queue, because the claim names its type. Returns what is wrong with that, or NULL. */
const char *model_claim_wake(const struct model *model, const struct model_claim *claim, struct model_job *job);

/* It was set aside: moves it. NULL, or what rule that breaks. One that waits has waits_for 0: the caller looks for which limit.
 */
const char *model_claim_put_aside(struct model *model, struct model_claim *claim, int64_t now_us, struct model_job *job);

/* Whether the claim was right to stop here: NULL, or the job that should have been handed out. */
const struct model_job *model_claim_left(struct model *model, const struct model_claim *claim, int64_t now_us);

/* True if `org` may start a job now: not paused, below its cap, with a token for sure. */
bool model_org_can_start(const struct model *model, const struct model_org *org, int64_t now_us);

/* ---- limits (model_limit.c) ---- */

/* The limits that the job runs under if it is handed out by that claim: names, 0 for none. */
void model_limits_of(const struct model *model, const struct model_claim *claim, const struct model_job *job, int ret_names[2]);

/* Jobs of `org` that may start under the limit: the fewest and the most there may be; a huge number if it is not defined. */
double model_room(const struct model *model, int name, const struct model_org *org, int64_t now_us);
double model_room_most(const struct model *model, int name, const struct model_org *org, int64_t now_us);

void model_enter_limit(struct model *model, int name, struct model_job *job, int64_t now_us);

/* The definition of a limit, and what has been started under it: of all organizations; of `org` for one of a key. */
/* When the job expires, if it waits for a limit; 0: not. */
int64_t model_wait_ends_ms(const struct model_job *job);

struct model_definition *model_definition(struct model *model, int name);
struct model_bucket *model_bucket(struct model *model, int name, const struct model_org *org);

/* Tokens in a second, and burst, of this lane. */
double model_rate(const struct model_definition *definition, bool keyed);
int64_t model_burst(const struct model_definition *definition, bool keyed);
bool model_is_keyed(int name);

/* What comes from a clock that was set back may be forgotten. */
void model_limits_clock_changed(struct model *model, int64_t now_us);

/* Tokens of the rate limit; a huge number without one. */
double model_tokens(const struct model_org *org, int64_t now_us);      /* the fewest there may be */
double model_tokens_most(const struct model_org *org, int64_t now_us); /* and the most */
void model_limit_owed(struct model_org *org, int64_t now_us);          /* to a full bucket */
void model_spend_token(struct model_org *org, int64_t now_us);
void model_clock_changed(struct model *model, int64_t now_us);
