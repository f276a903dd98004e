/* What a handler says while it runs, and what comes of it: with a real worker, real handlers, and `rota ctl`. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/pool.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_it_says_counts_at_its_end, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(further_jobs_come_with_its_end_or_the_attempt_fails, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(a_checkpoint_outlives_the_worker, pool_setup, pool_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
