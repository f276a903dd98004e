/* What a handler says while it runs, and what comes of it: with a real worker, real handlers, and `rota ctl`. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/pool.h"
#include "tests/support/rota.h"

/* A worker with one handler for the type "t". */
static struct process *start(struct pool *pool, const char *command)
{
    return pool_worker(pool, "--on", pool_text(pool, "t=%s", command), NULL);
}

static const struct job *run(struct pool *pool, const char *id)
{
    pool_push(pool, "acme", id, "t", "");
    WAIT_UNTIL(pool_job(pool, "acme", id)->state.attempt_count >= 1);
    return pool_job(pool, "acme", id);
}

static void what_it_says_counts_at_its_end(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);
    start(pool, "cat >/dev/null; case $ROTA_JOB_ID in "
                "retry) echo '{\"op\":\"retry\",\"after_ms\":7200000,\"reason\":\"429\"}' >&3; exit 75;; "
                "fail) echo '{\"op\":\"fail\",\"class\":\"Bad\",\"message\":\"no address\"}' >&3; exit 65;; "
                "result) echo out; echo '{\"op\":\"result\",\"data\":{\"rows\":3}}' >&3;; "
                "noise) head -c 300000 /dev/urandom >&3; echo '{' >&3; echo hello >&3; echo fine;; esac");

    const struct job *job = run(pool, "retry");
    assert_string_equal(job->place, "scheduled");
    assert_true(job->state.order > job_last_attempt(job)->ended_ms + 7190000);
    assert_string_equal(job_last_attempt(job)->report.error, "429");
    job = run(pool, "fail");
    assert_string_equal(job->place, "dead");
    assert_string_equal(job_last_attempt(job)->report.error, "Bad: no address");
    run(pool, "result");
    assert_string_equal(pool_result(pool, "acme", "result"), "{\"rows\":3}");
    assert_string_equal(run(pool, "noise")->place, "done");
    assert_string_equal(pool_result(pool, "acme", "noise"), "fine\n");
}

static void further_jobs_come_with_its_end_or_the_attempt_fails(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);
    start(pool, "case $ROTA_JOB_ID in good) echo '{\"op\":\"enqueue\",\"type\":\"t\",\"id\":\"child\",\"payload\":\"x\"}' >&3;; "
                "bad) echo '{\"op\":\"enqueue\",\"type\":\"a/b\"}' >&3;; child) cat;; esac");

    assert_string_equal(run(pool, "good")->place, "done");
    WAIT_UNTIL(strcmp(pool_job(pool, "acme", "child")->place, "done") == 0);
    assert_string_equal(pool_result(pool, "acme", "child"), "x");
    const struct job *job = run(pool, "bad");
    assert_string_equal(job->place, "scheduled");
    assert_non_null(strstr(job_last_attempt(job)->report.error, "its further jobs were refused: "));
}

/* The checkpoint of a worker that was killed without a word. */
static void a_checkpoint_outlives_the_worker(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);
    const char *command = "if [ \"$ROTA_CHECKPOINT\" ]; then echo \"$ROTA_CHECKPOINT\"; exit; fi; "
                          "echo '{\"op\":\"progress\",\"pct\":40,\"msg\":\"half\"}' >&3; "
                          "echo '{\"op\":\"checkpoint\",\"data\":\"page 7\"}' >&3; sleep 600";
    struct process *worker = start(pool, command);
    pool_push(pool, "acme", "job1", "t", "");
    WAIT_UNTIL(pool_job(pool, "acme", "job1")->state.notes.checkpoint != NULL);
    assert_int_equal(pool_job(pool, "acme", "job1")->state.notes.progress, 40);

    process_kill(worker);
    start(pool, command);

    WAIT_UNTIL(strcmp(pool_job(pool, "acme", "job1")->place, "done") == 0);
    assert_string_equal(pool_result(pool, "acme", "job1"), "page 7\n");
}

/* `rota ctl` writes the lines; `rota job logs` shows what went to stderr, attempt by attempt. */
static void the_command_line_writes_lines_and_shows_logs(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);
    start(pool, pool_text(pool,
                          "r=%s/rota; echo \"attempt $ROTA_ATTEMPT\" >&2; if [ $ROTA_ATTEMPT = 1 ]; then "
                          "$r ctl checkpoint \"it's page 7\" && $r ctl retry 1ms wait && exit 75; fi; "
                          "$r ctl progress 99 nearly && $r ctl enqueue t hello --id other --queue elsewhere && "
                          "printf '%%s' \"$ROTA_CHECKPOINT\" | $r ctl result -",
                          PROGRAMS_PATH));

    run(pool, "job1");
    WAIT_UNTIL(strcmp(pool_job(pool, "acme", "job1")->place, "done") == 0);
    assert_string_equal(pool_result(pool, "acme", "job1"), "it's page 7");
    assert_string_equal(pool_job(pool, "acme", "other")->place, "ready");
    struct ran ran = ROTA_MUST(pool, 0, "job", "logs", "acme/job1");
    assert_string_equal(ran.out, "attempt 1\nattempt 2\n");
    assert_has(ran.err, "-- delivery 1, attempt 1, worker ");
    assert_has(ran.err, "exit 75");
    ran = ROTA_MUST(pool, 0, "job", "logs", "acme/job1", "--attempt", "2", "-q");
    assert_string_equal(ran.out, "attempt 2\n");
    ran = ROTA_MUST(pool, 69, "ctl", "heartbeat");
    assert_has(ran.err, "ROTA_CONTROL_FD is not set");
}

/* One that cannot be started stops the type at once; its job uses no attempt. */
static void a_handler_that_cannot_be_started_is_left_alone(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);
    struct process *worker =
        pool_worker(pool, "--config", write_text(pool, "broken.yaml", "handlers:\n  t: [/no/such/program]\n"), NULL);

    const struct job *job = run(pool, "job1");
    assert_int_equal(job->state.attempt, 0);
    assert_string_equal(job_last_attempt(job)->outcome, "released");
    WAIT_UNTIL(strstr(process_log(worker), "handler is broken, taking no jobs of its type") != NULL);
    pool_push(pool, "globex", "job2", "t", "");
    WAIT_UNTIL(strstr(ROTA_MUST(pool, 0, "worker", "list", "--json").out, "\"broken\": \"t 1") ||
               strstr(ROTA_MUST(pool, 0, "worker", "list", "--json").out, "\"broken\":\"t 1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        POOL_TEST(what_it_says_counts_at_its_end),
        POOL_TEST(further_jobs_come_with_its_end_or_the_attempt_fails),
        POOL_TEST(the_command_line_writes_lines_and_shows_logs),
        POOL_TEST(a_handler_that_cannot_be_started_is_left_alone),
        POOL_TEST(a_checkpoint_outlives_the_worker),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
