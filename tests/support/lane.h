/* lane.h - the Lua functions on a private server, for tests: a fixture, calls in one line, and their answers as C values.
 *
 *     static void a_claimed_job_is_running(void **state)
 *     {
 *         struct fixture *f = *state;
 *         lane_enqueue(f, "acme", "job1", &(struct lane_record){.type = "mail"});
 *         lane_open(f, "w1", 6000);
 *
 *         struct lane_claimed got = lane_claim(f, &(struct lane_claim){.session = "w1"});
 *
 *         assert_int_equal(got.jobs, 1);
 *         assert_string_equal(lane_place(f, "acme", "job1"), "running");
 *     }
 *
 * The fixture loads a variant of the function library, made from the same text by replacing a few lines:
 *   - the server's time comes from the key `test:now_us` where that exists: tests set and advance it, and nothing sleeps;
 *   - what Redis draws at random (which leases are given back first) are the first ones: a seed replays a run;
 *   - every redis.call is counted, see lane_calls(), and must be among those that the function declares.
 * Expiry of keys (beat:<session>) is Redis' own and does not follow that clock.
 *
 * Everything these functions give (replies, strings, records) belongs to the fixture and lives until the end of the test. Helpers
 * fail the test (cmocka) when an answer is not what they are made for; lane_call() alone takes any answer, errors included. */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <hiredis/hiredis.h>

#include "tests/support/server.h"

#define CLOCK_START_US   1800000000000000LL /* where the clock of every test begins: 2027-01-15 08:00:00 UTC */
#define CLOCK_START_MS   (CLOCK_START_US / 1000)
#define LANES_MAX        64
#define LANE_JOBS_MAX    32
#define LANE_ENDS_MAX    64
#define LANE_TOKEN_BYTES 16

/* What lane_check() does not look at, because a test has made it untrue on purpose. */
enum { UNCHECKED_CAPS = 1 << 0, UNCHECKED_WAKE = 1 << 1, UNCHECKED_V = 1 << 2, UNCHECKED_ALL = 1 << 3 };

struct fixture {
    struct server *server;
    redisContext *redis; /* of the fixture; a test may send plain commands through it */
    unsigned lanes;      /* of the deployment: 1 or 8 in run_in_lanes() */
    unsigned lane;       /* that calls go to and helpers read; lane_use() */
    unsigned unchecked;  /* UNCHECKED_...: cleared before each test */
    bool check_each; /* after every lane_call() lane_check(), or an unchanged digest if it is an error; true before each test */
    /* Private. */
    void *garbage;
    char *seen_v[LANES_MAX];
    char invariants[41];
    uint64_t tokens;
};

/* ---- Fixture ------------------------------------------------------------------------------------------------------------- */

/* Starts a server with `arguments` (server.h) and loads the library variant. Gives. */
struct fixture *fixture_new(unsigned lanes, const char *const *arguments);
void fixture_free(struct fixture *f);

/* Empties the database, sets the clock to CLOCK_START_US, sets up all lanes, makes acme's lane the current one. */
void fixture_reset(struct fixture *f);

/* Throws away what was given so far in this test: for a test of very many steps. */
void fixture_sweep(struct fixture *f);

/* Connects again, after the server was restarted. */
void fixture_reconnect(struct fixture *f);

/* The content of a small file of ours; the test program ends if it cannot be read. The caller frees it. */
char *fixture_read(const char *path);

/* Runs `tests` in a group "<name> L=1" and again "<name> L=8", each test on a reset fixture, which it finds in *state. After each
 * test lane_check() runs for all lanes. Returns what main() returns. */
int run_in_lanes(const char *name, const struct CMUnitTest *tests, size_t count);
#define RUN_IN_LANES(name, tests) run_in_lanes(name, tests, sizeof(tests) / sizeof(tests)[0])

/* Checks all lanes with invariants.lua, and fails the test with the list of what is wrong. */
void lane_check(struct fixture *f);

/* The same as text, one violation to a line, "" if all is well; of the current lane; does not fail. */
const char *lane_violations(struct fixture *f);

/* DEBUG DIGEST: equal digests mean equal databases. */
const char *lane_digest(struct fixture *f);

/* ---- Clock and names ----------------------------------------------------------------------------------------------------- */

int64_t clock_us(struct fixture *f);
int64_t clock_ms(struct fixture *f);
void clock_set_us(struct fixture *f, int64_t us);
void clock_advance_ms(struct fixture *f, int64_t ms);

/* The lane that the following calls go to. */
void lane_use(struct fixture *f, unsigned lane);

/* The name of the `n`th organization of the current lane: "acme" (0), and names made up so that they belong there. */
const char *lane_org(struct fixture *f, unsigned n);

/* A key of the current lane, `fmt` being printf's: lane_key(f, "active:%s", "default") is "rota:{0}:active:default". */
const char *lane_key(struct fixture *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* A string that lives as long as the test. */
const char *fixture_text(struct fixture *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ---- Calls --------------------------------------------------------------------------------------------------------------- */

/* FCALL of `function` ("enqueue") in the current lane. `fmt` is hiredis' format of the arguments: spaces part them, %s %d %lld
 * and %b (bytes, size_t) insert, also empty ones. */
redisReply *lane_call(struct fixture *f, const char *function, const char *fmt, ...);

/* The same with arguments collected one by one. All zeroes is an empty list; lane_call_args() empties it. */
struct args {
    size_t count, capacity;
    char **values;
    size_t *bytes;
};
void args_add(struct args *args, const void *value, size_t bytes);
void args_text(struct args *args, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
redisReply *lane_call_args(struct fixture *f, const char *function, struct args *args);

/* The full name of a function, for calls by hand: "rota_1_enqueue". */
const char *lane_function(struct fixture *f, const char *function);

/* Any command, in hiredis' format; an error fails the test. */
redisReply *lane_redis(struct fixture *f, const char *fmt, ...);

/* Number of redis.calls of the last lane_call(). */
long long lane_calls(struct fixture *f);

/* Of replies. The text of a string or status; element `i` of an array. Both fail the test if there is no such thing. */
const char *reply_text(const redisReply *reply);
const redisReply *reply_element(const redisReply *reply, size_t i);
long long reply_number(const redisReply *reply);                   /* integer, or string that holds a number */
void assert_reply(const redisReply *reply, const char *text);      /* is this string */
void assert_error(const redisReply *reply, const char *beginning); /* is an error that begins so: "INVALID" */

/* ---- Jobs in ------------------------------------------------------------------------------------------------------------- */

/* A record in the making; everything left out is absent from it. */
struct lane_record {
    const char *type; /* NULL: "test" */
    uint32_t nonce;
    const char *queue;
    int priority;
    int64_t due_ms, delay_ms, expires_ms, timeout_ms;
    int max_attempts;
    const char *key, *limit, *coalesce;
    bool earliest;
    const void *payload; /* NULL: "payload" */
    size_t payload_bytes;
};

struct bytes {
    const char *data;
    size_t length;
};

/* The record as msgpack. NULL: {0}. */
struct bytes lane_record(struct fixture *f, const struct lane_record *record);

/* Enqueues one job; the answer ("new", "exists", "coalesced ID", ...). */
const char *lane_enqueue(struct fixture *f, const char *org, const char *id, const struct lane_record *record);

/* Enqueues plain jobs <prefix>0000 .. in batches; all must be new. */
void lane_enqueue_many(struct fixture *f, const char *org, const char *prefix, unsigned count, const struct lane_record *record);

/* ---- Sessions and leases ------------------------------------------------------------------------------------------------- */

/* Opens a worker session with this time-out and a beat of a quarter of it; must be answered 'ok'. */
void lane_open(struct fixture *f, const char *session, int64_t timeout_ms);

/* One claim; zeroes are defaults. */
struct lane_claim {
    const char *session;
    unsigned want;  /* 0: 1; see also want_none */
    bool want_none; /* want 0 */
    bool quiet;
    const char *queues; /* "default"; "mail default" are two */
    const char *types;  /* "*:60000"; "mail:5000 web:100@smtp" are two with their time-outs, one with a limit */
    const char *floor;  /* of all queues; "0" */
    const char *token;  /* LANE_TOKEN_BYTES bytes; NULL: a new one */
};

/* A job that was claimed: all that is needed to end its lease. */
struct lane_lease {
    const char *name, *org, *id; /* "acme/job1", "acme", "job1" */
    struct bytes record, state;
    char session[65], token[LANE_TOKEN_BYTES];
};

struct lane_claimed {
    bool lost; /* the session is over; nothing else is filled in */
    long long now_ms, v, active, next_ms;
    size_t answers, jobs;
    const char *answer[LANE_ENDS_MAX];
    struct lane_lease job[LANE_JOBS_MAX];
};

struct lane_claimed lane_claim(struct fixture *f, const struct lane_claim *claim);

/* Claims one job, which must be there, with an open session. */
struct lane_lease lane_claim_one(struct fixture *f, const char *session);

/* How a lease ends. */
struct lane_end {
    const struct lane_lease *lease;
    const char *verdict; /* NULL: "done" */
    int64_t run_us;
    struct bytes report;
};

/* One finish of `count` leases, claiming as `claim` says afterwards. */
struct lane_claimed lane_finish(struct fixture *f, const struct lane_claim *claim, const struct lane_end *ends, size_t count);

/* Ends one lease by its own session and claims nothing; the answer ('ok', 'stale'; 'lost' if the session is over). */
const char *lane_end(struct fixture *f, const struct lane_lease *lease, const char *verdict);

/* The same after the handler ran for `run_us`. */
const char *lane_end_after(struct fixture *f, const struct lane_lease *lease, const char *verdict, int64_t run_us);

/* ---- Limits -------------------------------------------------------------------------------------------------------------- */

/* Defines a limit, all of which is this lane's. "" for what it has not. */
void lane_limit(struct fixture *f, const char *name, const char *concurrency, const char *rate, const char *burst);

/* ---- Organizations ------------------------------------------------------------------------------------------------------- */

/* Deletes an organization, which may have gone, with what runs of it, in steps of `limit`. How many steps it took. */
int lane_delete_org(struct fixture *f, const char *org, int limit);

/* ---- What is there ------------------------------------------------------------------------------------------------------- */

/* Where a job is, read from the sets themselves: "ready:<queue>", "scheduled", "running", "done", "dead", "cancelled"; several
 * with a space between them if it is in several; "" if in none. */
const char *lane_place(struct fixture *f, const char *org, const char *id);

/* Score of `member` in a sorted set of the current lane ("active:default", "org:acme:running"); -1 if it is not there. */
double lane_score(struct fixture *f, const char *set, const char *member);
bool lane_has(struct fixture *f, const char *set, const char *member);
long long lane_count(struct fixture *f, const char *set);

/* Field of a hash of the current lane; NULL if it is not there. */
const char *lane_field(struct fixture *f, const char *hash, const char *field);

struct lane_attempt {
    long long number, started_ms, ended_ms;
    const char *worker, *outcome;
    struct bytes report;
};

/* A job's state as stored (lua/lib/state.lua); nils are NULL and -1. */
struct lane_state {
    bool exists;
    double order;
    long long enqueued_ms, priority, attempt, deliveries, crashes, started_ms;
    const char *queue, *session, *reason;
    const char *checkpoint, *progress_text; /* of the notes; NULL: none */
    long long progress, progress_ms;
    size_t attempts;
    const struct lane_attempt *tried;
};

struct lane_state lane_state(struct fixture *f, const char *org, const char *id);
struct lane_state lane_state_decode(struct fixture *f, struct bytes state);
