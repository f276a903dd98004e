/* worker - a real worker: its slots, lanes and queues, how it stops, how it hears of a cancel. */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/memory.h"
#include "tests/support/pool.h"

/* Makes the file that handlers wait for. */
static void let_go(struct pool *pool)
{
    int fd = creat(pool_path(pool, "go"), 0600);

    assert_true(fd >= 0);
    close(fd);
}

static long long sessions(struct pool *pool)
{
    return pool_number(pool, "ZCARD rota:{0}:sessions");
}

static void push_to(struct pool *pool, const char *org, const char *id, const char *queue)
{
    struct job_record record = {.type = "t", .payload = "", .has_payload = true};

    snprintf(record.queue, sizeof record.queue, "%s", queue);
    pool_push_record(pool, org, id, &record);
}

/* ---- stopping ---- */

static void PB_10_term_lets_running_jobs_end(void **state)
{
    struct pool *pool = *state;
    struct process *scheduler = pool_scheduler(pool, NULL);
    struct process *worker = pool_worker(pool, "--slots", "2", "--on", pool_logging(pool, "t", "sleep 0.7; echo ok"), NULL);
    const char *session = pool_session(pool, worker, 0);
    pool_push_many(pool, "acme", "job", 3, "t", "");
    WAIT_UNTIL(pool_logged(pool, "acme/") == 2);

    process_signal(worker, SIGTERM);

    assert_int_equal(process_wait(worker, PROCESS_MS_MAX), 0);
    assert_int_equal(pool_count(pool, "acme", "done"), 2);
    assert_string_equal(pool_place(pool, "acme", "job0002"), "ready");
    assert_int_equal(pool_job(pool, "acme", "job0002")->state.deliveries, 0);
    assert_int_equal(sessions(pool), 1); /* the scheduler's */
    assert_string_equal(pool_string(pool, "HGET rota:worker:%s why", session), "stopped");
    process_signal(scheduler, SIGTERM);
    assert_int_equal(process_wait(scheduler, PROCESS_MS_MAX), 0);
    assert_int_equal(sessions(pool), 0);
}

static void PB_10_what_outlasts_the_drain_goes_back_to_the_next_worker_at_once(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);
    struct process *first = pool_worker(pool, "--worker-drain", "300ms", "--on", pool_logging(pool, "t", "sleep 60"), NULL);
    pool_push_many(pool, "acme", "job", 2, "t", "");
    WAIT_UNTIL(pool_logged(pool, "acme/") == 2);
    struct process *second = pool_worker(pool, "--on", pool_logging(pool, "t", "exit 0"), NULL);

    int64_t stopped_mono_ms = clock_mono_ms();
    process_signal(first, SIGTERM);
    WAIT_UNTIL(pool_logged(pool, "acme/") == 4);

    assert_true(clock_mono_ms() - stopped_mono_ms >= 200);
    assert_true(awake_ms_since(stopped_mono_ms) <= 300 + 500);
    pool_wait_place(pool, "acme", "job0000", "done");
    const struct job *job = pool_job(pool, "acme", "job0000");
    assert_int_equal(job->state.attempt_count, 2);
    assert_string_equal(job->state.attempts[0].outcome, "released");
    assert_int_equal(job->state.attempt, 1);
    assert_int_equal(job->state.crashes, 0);
    assert_int_equal(job->state.deliveries, 2);
    assert_string_equal(job->state.attempts[1].worker, pool_session(pool, second, 0));
    assert_int_equal(process_wait(first, PROCESS_MS_MAX), 0);
}

static void a_second_term_stops_at_once(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);
    struct process *worker = pool_worker(pool, "--on", pool_logging(pool, "t", "trap '' TERM; sleep 60; true"), NULL);
    pool_push_many(pool, "acme", "job", 2, "t", "");
    WAIT_UNTIL(pool_logged(pool, "acme/") == 2);

    process_signal(worker, SIGTERM);
    process_wait_for(worker, "msg=draining");
    int64_t stopped_mono_ms = clock_mono_ms();
    process_signal(worker, SIGINT);

    assert_int_equal(process_wait(worker, PROCESS_MS_MAX), 0);
    assert_true(awake_ms_since(stopped_mono_ms) < 1000);
    assert_int_equal(pool_handlers(pool), 0);
    assert_string_equal(pool_place(pool, "acme", "job0000"), "ready");
    assert_int_equal(pool_job(pool, "acme", "job0000")->state.attempt, 0);
    assert_int_equal(pool_job(pool, "acme", "job0000")->state.crashes, 0);
}

/* As systemd does by default: TERM for every process of the unit, in no order. */
static void a_term_that_reaches_the_handlers_too_uses_no_attempt(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);
    struct process *worker = pool_worker(pool, "--on", pool_logging(pool, "t", "echo $$ >> $HOME/pids; exec sleep 60"), NULL);
    pool_push_many(pool, "acme", "job", 2, "t", "");
    WAIT_UNTIL(count_text(pool_file(pool, "pids"), "\n") == 2);
    const char *pids = pool_file(pool, "pids");
    pid_t first = (pid_t)atoi(pids), second = (pid_t)atoi(strchr(pids, '\n') + 1);

    int64_t first_mono_ms = clock_mono_ms();
    kill(first, SIGTERM);
    WAIT_UNTIL(kill(first, 0) < 0); /* the worker has seen its end */
    process_signal(worker, SIGTERM);
    kill(second, SIGTERM);
    if (clock_mono_ms() - first_mono_ms > 40)
        return; /* the machine stalled: too late for the first one */

    assert_int_equal(process_wait(worker, PROCESS_MS_MAX), 0);
    for (int i = 0; i < 2; i++) {
        const struct job *job = pool_job(pool, "acme", pool_text(pool, "job%04d", i));
        assert_string_equal(job->place, "ready");
        assert_string_equal(job_last_attempt(job)->outcome, "released");
        assert_int_equal(job->state.attempt, 0);
        assert_int_equal(job->state.crashes, 0);
    }
}

static void an_idle_worker_stops_even_while_redis_is_away(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);
    struct process *idle = pool_worker(pool, "--on", "t=@noop", NULL), *cut_off = pool_worker(pool, "--on", "t=@noop", NULL);

    int64_t stopped_mono_ms = clock_mono_ms();
    process_signal(idle, SIGTERM);
    assert_int_equal(process_wait(idle, PROCESS_MS_MAX), 0);
    assert_true(awake_ms_since(stopped_mono_ms) < 500);

    server_kill(pool->server);
    process_wait_for(cut_off, "msg=\"connection lost");
    stopped_mono_ms = clock_mono_ms();
    process_signal(cut_off, SIGTERM);
    assert_int_equal(process_wait(cut_off, PROCESS_MS_MAX), 0);
    assert_true(awake_ms_since(stopped_mono_ms) < 2000);
}

static void a_stop_waits_for_a_redis_that_is_away_no_longer_than_the_drain(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);
    struct process *worker = pool_worker(pool, "--session-timeout", "30s", "--worker-drain", "300ms", "--on",
                                         pool_logging(pool, "t", "until [ -e $HOME/go ]; do sleep 0.02; done"), NULL);
    pool_push(pool, "acme", "job", "t", "");
    WAIT_UNTIL(pool_logged(pool, "acme/job") == 1);
    server_kill(pool->server);
    process_wait_for(worker, "msg=\"connection lost");
    let_go(pool);
    WAIT_UNTIL(pool_handlers(pool) == 0); /* its report has nowhere to go */

    int64_t stopped_mono_ms = clock_mono_ms();
    process_signal(worker, SIGTERM);

    assert_int_equal(process_wait(worker, PROCESS_MS_MAX), 0);
    assert_true(awake_ms_since(stopped_mono_ms) < 300 + 2000);
}

/* ---- while it works ---- */

static void a_cancel_reaches_the_handler_within_a_beat(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);
    pool_worker(pool, "--session-timeout", "3s", "--session-beat", "500ms", "--on",
                pool_logging(pool, "t", "trap 'exit 1' TERM; sleep 60 & wait"), NULL);
    pool_push_many(pool, "acme", "job", 2, "t", "");
    WAIT_UNTIL(pool_logged(pool, "acme/") == 2);

    int64_t cancelled_mono_ms = clock_mono_ms();
    assert_string_equal(pool_call(pool, 0, "cancel", "tester acme job0000")->str, "cancelling");
    pool_wait_place(pool, "acme", "job0000", "cancelled");

    assert_true(awake_ms_since(cancelled_mono_ms) < 500 + 500);
    assert_string_equal(pool_job(pool, "acme", "job0000")->state.reason, "operator");
    assert_string_equal(pool_place(pool, "acme", "job0001"), "running");
}

static void no_job_is_left_lying_in_any_lane(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, "--lanes", "8", NULL);
    pool_worker(pool, "--slots", "3", "--on", pool_logging(pool, "t", "true"), NULL);

    for (unsigned org = 0; org < 16; org++)
        pool_push_many(pool, pool_text(pool, "org%u", org), "job", 5, "t", "");

    for (unsigned org = 0; org < 16; org++)
        WAIT_UNTIL(pool_count(pool, pool_text(pool, "org%u", org), "done") == 5);
    assert_int_equal(pool_logged(pool, "/job"), 80);
    /* And when all is quiet, one job more is picked up at once, wherever it is. */
    for (unsigned org = 0; org < 16; org++) {
        int64_t pushed_mono_ms = clock_mono_ms();
        pool_push(pool, pool_text(pool, "org%u", org), "late", "t", "");
        WAIT_UNTIL(pool_logged(pool, pool_text(pool, "org%u/late", org)) == 1);
        assert_true(awake_ms_since(pushed_mono_ms) < 500);
    }
}

/* How many of the first 40 jobs were of queue `fast`, with `weight` for it and 1 for `slow`, and work enough in both. */
static unsigned fast_of_40(struct pool *pool, const char *weight)
{
    unsigned fast = 0;

    pool_scheduler(pool, "--lanes", pool_text(pool, "%u", pool->lanes), NULL);
    for (unsigned org = 0; org < 8; org++)
        for (int i = 0; i < 10; i++) {
            push_to(pool, pool_text(pool, "org%u", org), pool_text(pool, "f%d", i), "fast");
            push_to(pool, pool_text(pool, "org%u", org), pool_text(pool, "s%d", i), "slow");
        }
    pool_worker(pool, "--slots", "1", "--queue", weight, "--queue", "slow=1", "--on", pool_logging(pool, "t", "true"), NULL);
    WAIT_UNTIL(pool_logged(pool, "org") == 160);
    const char *line = pool_file(pool, "ran");
    for (int i = 0; i < 40; i++) {
        fast += strchr(line, '/')[1] == 'f';
        line = strchr(line, '\n') + 1;
    }
    return fast;
}

static void queues_are_served_by_weight(void **state)
{
    assert_in_range(fast_of_40(*state, "fast=3"), 28, 32);
}

static void queues_of_one_weight_take_turns(void **state)
{
    assert_in_range(fast_of_40(*state, "fast=1"), 16, 24);
}

static void a_worker_takes_nothing_from_queues_it_does_not_know(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);
    pool_worker(pool, "--queue", "mail", "--on", "t=@noop", NULL);

    push_to(pool, "acme", "other", "web");
    push_to(pool, "acme", "mine", "mail");

    pool_wait_place(pool, "acme", "mine", "done");
    assert_string_equal(pool_place(pool, "acme", "other"), "ready");
}

static void every_twentieth_slot_is_kept_for_quiet_organizations(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);
    pool_push_many(pool, "busy", "job", 40, "t", "");
    struct process *worker = pool_worker(pool, "--slots", "20", "--on", pool_logging(pool, "t", "exec sleep 600"), NULL);
    WAIT_UNTIL(pool_logged(pool, "busy/") == 19);

    int64_t pushed_mono_ms = clock_mono_ms();
    pool_push(pool, "calm", "job", "t", "");
    WAIT_UNTIL(pool_logged(pool, "calm/job") == 1);

    assert_true(awake_ms_since(pushed_mono_ms) < 500);
    assert_int_equal(pool_logged(pool, "busy/"), 19);
    process_kill(worker);
}

static void a_slot_that_becomes_free_hears_of_new_work(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);
    pool_worker(pool, "--slots", "20", "--on", pool_logging(pool, "hold", "exec sleep 600"), "--on",
                pool_logging(pool, "t", "true"), NULL);
    pool_push_many(pool, "busy", "job", 18, "hold", "");
    WAIT_UNTIL(pool_logged(pool, "busy/") == 18);
    for (int i = 0; i < 10; i++) {
        /* Takes the last slot that is not kept for quiet organizations, and frees it; then there is work for it. */
        pool_push(pool, "busy", pool_text(pool, "short%d", i), "t", "");
        pool_wait_place(pool, "busy", pool_text(pool, "short%d", i), "done");

        int64_t pushed_mono_ms = clock_mono_ms();
        pool_push(pool, "busy", pool_text(pool, "next%d", i), "t", "");
        WAIT_UNTIL(pool_logged(pool, pool_text(pool, "busy/next%d", i)) == 1);
        assert_true(awake_ms_since(pushed_mono_ms) < 500);
    }
}

/* The worker sleeps on all tokens; then a rate-limited job, which needs none, takes the last slot that is not kept for quiet
 * organizations. The next token is not for this worker. */
static void a_token_that_only_another_worker_can_use_is_passed_on(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);
    assert_string_equal(pool_call(pool, 0, "org_set", "tester slow rate 1 burst 1")->str, "ok");
    pool_worker(pool, "--slots", "20", "--on", pool_logging(pool, "hold", "exec sleep 600"), "--on",
                pool_logging(pool, "t", "sleep 0.5"), NULL);
    pool_push_many(pool, "busy", "job", 18, "hold", "");
    WAIT_UNTIL(pool_logged(pool, "busy/") == 18);
    pool_push_many(pool, "slow", "job", 5, "t", "");

    for (unsigned i = 1; i < 5; i++) {
        WAIT_UNTIL(pool_logged(pool, "slow/") == i + 1);
        int64_t pushed_mono_ms = clock_mono_ms();
        pool_push(pool, "busy", pool_text(pool, "next%u", i), "t", "");
        pause_ms(50); /* that nothing happens shows after a while only */
        long long tokens = pool_number(pool, "ZCARD rota:{0}:wake:default");
        if (clock_mono_ms() - pushed_mono_ms < 250) /* the slow job still runs */
            assert_int_equal(tokens, 1);
        pool_wait_place(pool, "busy", pool_text(pool, "next%u", i), "done");
    }
}

static unsigned open_descriptors(struct process *process)
{
    char *path = memory_format("/proc/%d/fd", (int)process_pid(process));
    DIR *directory = opendir(path);
    unsigned count = 0;

    if (!directory)
        abort();
    while (readdir(directory))
        count++;
    closedir(directory);
    free(path);
    return count;
}

static void nothing_piles_up_in_a_worker(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);
    struct process *worker =
        pool_worker(pool, "--slots", "8", "--on", "t=true", "--on", "bad=exit 1", "--on", "nap=sleep 0.5", NULL);
    pool_push_many(pool, "acme", "first", 8, "nap", "x");
    WAIT_UNTIL(pool_count(pool, "acme", "running") == 8); /* each slot has its keeper */
    WAIT_UNTIL(pool_count(pool, "acme", "done") == 8);
    unsigned before = open_descriptors(worker);

    pool_push_many(pool, "acme", "good", 300, "t", "x");
    pool_push_many(pool, "acme", "bad", 100, "bad", "x");
    WAIT_UNTIL(pool_count(pool, "acme", "done") == 308 && pool_count(pool, "acme", "scheduled") == 100);

    WAIT_UNTIL(open_descriptors(worker) == before);
}

/* ---- when Redis refuses ---- */

static long long function_calls(struct pool *pool)
{
    const char *stats = strstr(pool_string(pool, "INFO commandstats"), "cmdstat_fcall:calls=");

    return stats ? atoll(stats + strlen("cmdstat_fcall:calls=")) : 0;
}

static void a_refused_claim_waits_before_it_is_tried_again(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);
    struct process *worker = pool_worker(pool, "--on", "t=@noop", NULL);
    pool_redis(pool, "SET rota:{0}:active:default damaged");

    pool_redis(pool, "CONFIG RESETSTAT");
    int64_t damaged_mono_ms = clock_mono_ms();
    while (clock_mono_ms() - damaged_mono_ms < 2000) { /* work is announced all the time, as enqueue would */
        pool_redis(pool, "ZADD rota:{0}:wake:default 0 0");
        pause_ms(20);
    }

    process_wait_for(worker, "msg=\"claim refused");
    assert_true(function_calls(pool) < 60); /* the scheduler's looks, some beats, four or five claims */
    assert_int_equal(count_text(process_log(worker), "msg=\"claim refused"), 1);
    pool_redis(pool, "DEL rota:{0}:active:default");
    pool_push(pool, "acme", "job1", "t", "");
    pool_wait_place(pool, "acme", "job1", "done");
    process_wait_for(worker, "msg=\"claims are answered again\"");
}

static void a_refused_report_takes_no_other_one_with_it(void **state)
{
    struct pool *pool = *state;
    pool->unchecked = true;
    pool_scheduler(pool, NULL);
    struct process *worker = pool_worker(pool, "--slots", "8", "--session-timeout", "6s", "--session-beat", "500ms", "--on",
                                         pool_logging(pool, "t", "until [ -e $HOME/go ]; do sleep 0.02; done"), NULL);
    pool_push_many(pool, "good", "job", 7, "t", "");
    pool_push(pool, "bad", "job", "t", "");
    WAIT_UNTIL(pool_logged(pool, "/job") == 8);
    pool_redis(pool, "SET rota:{0}:org:bad:done damaged");

    process_signal(worker, SIGSTOP); /* so that all the reports go in one call */
    let_go(pool);
    WAIT_UNTIL(pool_handlers(pool) == 0);
    process_signal(worker, SIGCONT);

    WAIT_UNTIL(pool_count(pool, "good", "done") == 7);
    for (int i = 0; i < 7; i++)
        assert_int_equal(pool_job(pool, "good", pool_text(pool, "job%04d", i))->state.deliveries, 1);
    long long beat = pool_number(pool, "HGET rota:{0}:session:%s beat", pool_session(pool, worker, 0));
    WAIT_UNTIL(pool_number(pool, "HGET rota:{0}:session:%s beat", pool_session(pool, worker, 0)) > beat + 5);
    assert_in_range(count_text(process_log(worker), "job=bad/job"), 0, 3);
    pool_push(pool, "good", "next", "t", "");
    pool_wait_place(pool, "good", "next", "done");
}

/* ---- starting ---- */

static void a_worker_waits_for_the_deployment_and_needs_no_scheduler_afterwards(void **state)
{
    struct pool *pool = *state;
    struct process *worker = pool_start(pool, "rota-worker", "--on", "t=@noop", NULL);
    process_wait_for(worker, "msg=\"waiting for the deployment\"");

    struct process *scheduler = pool_scheduler(pool, NULL);
    process_wait_for(worker, "msg=\"session open\"");
    process_kill(scheduler);

    pool_push(pool, "acme", "job1", "t", "");
    pool_wait_place(pool, "acme", "job1", "done");
}

static void what_cannot_work_is_refused_at_start(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);

    struct process *worker = pool_start(pool, "rota-worker", NULL);
    assert_int_equal(process_wait(worker, PROCESS_MS_MAX), EX_CONFIG);
    assert_non_null(process_said(worker, "no handlers"));
    worker = pool_start(pool, "rota-worker", "--on", "t=@noop", "--session-timeout", "2s", "--session-beat", "1s", NULL);
    assert_int_equal(process_wait(worker, PROCESS_MS_MAX), EX_CONFIG);
    assert_non_null(process_said(worker, "session beat is 1000 ms, it must be 1..666"));
    pool_redis(pool, "CONFIG SET maxmemory-policy allkeys-lru");
    worker = pool_start(pool, "rota-worker", "--on", "t=@noop", NULL);
    assert_int_equal(process_wait(worker, PROCESS_MS_MAX), EX_CONFIG);
    assert_non_null(process_said(worker, "set \\\"maxmemory-policy noeviction\\\""));
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(PB_10_term_lets_running_jobs_end, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(PB_10_what_outlasts_the_drain_goes_back_to_the_next_worker_at_once, pool_setup,
                                        pool_teardown),
        cmocka_unit_test_setup_teardown(a_second_term_stops_at_once, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(a_term_that_reaches_the_handlers_too_uses_no_attempt, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(an_idle_worker_stops_even_while_redis_is_away, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(a_stop_waits_for_a_redis_that_is_away_no_longer_than_the_drain, pool_setup,
                                        pool_teardown),
        cmocka_unit_test_setup_teardown(a_cancel_reaches_the_handler_within_a_beat, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(no_job_is_left_lying_in_any_lane, pool_setup_lanes, pool_teardown),
        cmocka_unit_test_setup_teardown(queues_are_served_by_weight, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(queues_are_served_by_weight, pool_setup_lanes, pool_teardown),
        cmocka_unit_test_setup_teardown(queues_of_one_weight_take_turns, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(queues_of_one_weight_take_turns, pool_setup_lanes, pool_teardown),
        cmocka_unit_test_setup_teardown(a_worker_takes_nothing_from_queues_it_does_not_know, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(every_twentieth_slot_is_kept_for_quiet_organizations, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(a_slot_that_becomes_free_hears_of_new_work, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(a_token_that_only_another_worker_can_use_is_passed_on, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(nothing_piles_up_in_a_worker, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(a_refused_claim_waits_before_it_is_tried_again, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(a_refused_report_takes_no_other_one_with_it, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(a_worker_waits_for_the_deployment_and_needs_no_scheduler_afterwards, pool_setup,
                                        pool_teardown),
        cmocka_unit_test_setup_teardown(what_cannot_work_is_refused_at_start, pool_setup, pool_teardown),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return stall_verdict(cmocka_run_group_tests_name("worker", tests, NULL, NULL));
}
