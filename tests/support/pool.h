/* pool.h - a whole deployment under test: a private Redis with AOF always, and real schedulers and workers on it.
 *
 *     static void a_job_is_done(void **state)
 *     {
 *         struct pool *pool = *state;
 *         pool_scheduler(pool, NULL);
 *         pool_worker(pool, "--on", "wc=wc -c", NULL);
 *
 *         pool_push(pool, "acme", "job1", "wc", "four");
 *
 *         pool_wait_place(pool, "acme", "job1", "done");
 *         assert_string_equal(pool_result(pool, "acme", "job1"), "4\n");
 *     }
 *
 * Everything given here belongs to the pool and lives until its end (replies: until 64 further ones). What goes wrong fails the
 * test. Programs and handlers have HOME set to the pool's directory, by which their processes are known. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <hiredis/hiredis.h>

#include "common/job.h"
#include "tests/support/process.h"
#include "tests/support/stall.h"

#define POOL_PROCESSES_MAX 512

struct pool {
    struct server *server;
    redisContext *redis;
    uint32_t lanes;
    const char *url;                /* what programs connect to; a test may set another one */
    const char *directory;          /* for files of the test */
    const char *const *environment; /* of programs started from now on; NULL for none */
    struct process *processes[POOL_PROCESSES_MAX];
    unsigned process_count;
    bool unchecked; /* no invariants at the end: a test has damaged something on purpose */
    /* Private. */
    void *garbage;
    redisReply *replies[64];
    unsigned reply_count;
    struct job job;
};

/* A server with AOF always, and `arguments` for it (server.h) or NULL. Nothing is set up. Gives. */
struct pool *pool_new(uint32_t lanes, const char *const *arguments);

/* Kills all processes, frees. Fails if a program was found broken (sanitizer, assertion), if a process of the pool is left 1 s
 * later, or if the invariants do not hold. */
void pool_free(struct pool *pool);

/* The same for cmocka: a pool of one lane, or of eight; and a test that has one. */
int pool_setup(void **state);
int pool_setup_lanes(void **state);
int pool_teardown(void **state);
#define POOL_TEST(name)       cmocka_unit_test_setup_teardown(name, pool_setup, pool_teardown)
#define POOL_TEST_LANES(name) cmocka_unit_test_setup_teardown(name, pool_setup_lanes, pool_teardown)

/* Starts a program with --redis and what follows up to NULL. */
struct process *pool_start(struct pool *pool, const char *program, ...) __attribute__((sentinel));

/* A scheduler that leads; and a worker with open sessions in all lanes. */
struct process *pool_scheduler(struct pool *pool, ...) __attribute__((sentinel));
struct process *pool_worker(struct pool *pool, ...) __attribute__((sentinel));

/* The id of the session that a worker opened last in `lane`, and a scheduler, as its log tells; "" if there is none yet. */
const char *pool_session(struct pool *pool, struct process *worker, uint32_t lane);
const char *pool_scheduler_session(struct pool *pool, struct process *scheduler);

/* For --on: a handler that writes the line "<worker's session> <org>/<job>" into a file, then runs `command`; and how often that
 * file has `text`. */
const char *pool_logging(struct pool *pool, const char *type, const char *command);
unsigned pool_logged(struct pool *pool, const char *text);

/* Connects again after the server was restarted. */
void pool_reconnect(struct pool *pool);

/* ---- Redis ---- */

/* A string that lives as long as the pool; a path in its directory; the text of that file. */
const char *pool_text(struct pool *pool, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
const char *pool_path(struct pool *pool, const char *name);
const char *pool_file(struct pool *pool, const char *name);

/* Any command in hiredis' format; an error reply or a lost connection fails the test. */
redisReply *pool_redis(struct pool *pool, const char *fmt, ...);

/* The string of `SET`-like commands' reply, "" for nil; an integer as a number. */
const char *pool_string(struct pool *pool, const char *fmt, ...);
long long pool_number(struct pool *pool, const char *fmt, ...);

/* Redis' clock. */
int64_t pool_now_ms(struct pool *pool);

/* FCALL of a function in `lane`; gives error replies too, and NULL for a lost connection. */
redisReply *pool_call(struct pool *pool, uint32_t lane, const char *function, const char *fmt, ...);

/* DEBUG DIGEST-VALUE of keys is what a session may change: all of the jobs of `org` as text, for comparing. */
const char *pool_digest(struct pool *pool, const char *org);

/* invariants.lua on all lanes; fails with what is wrong. */
void pool_check(struct pool *pool);

/* ---- Jobs ---- */

/* Enqueues; must be new. pool_offer gives the answer instead, and an error reply as it is. */
void pool_push(struct pool *pool, const char *org, const char *id, const char *type, const char *payload);
void pool_push_record(struct pool *pool, const char *org, const char *id, const struct job_record *record);
const char *pool_offer(struct pool *pool, const char *org, const char *id, const struct job_record *record);

/* Enqueues jobs <prefix>0000.. */
void pool_push_many(struct pool *pool, const char *org, const char *prefix, unsigned count, const char *type,
                    const char *payload);

/* A job as it stands; place "" if it is gone. Until the next call. */
const struct job *pool_job(struct pool *pool, const char *org, const char *id);
const char *pool_place(struct pool *pool, const char *org, const char *id);
const char *pool_result(struct pool *pool, const char *org, const char *id);

/* Number of jobs of `org` in a set: "done", "ready:default", ... */
long long pool_count(struct pool *pool, const char *org, const char *set);

/* Waits until a job is there. */
void pool_wait_place(struct pool *pool, const char *org, const char *id, const char *place);

/* Leases of a session, in all lanes. */
long long pool_held(struct pool *pool, const char *session);

/* Handlers that run now. */
unsigned pool_handlers(struct pool *pool);
