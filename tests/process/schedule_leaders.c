/* schedule_leaders - due times while schedulers, workers and Redis come and go: none is lost, none comes twice. The names say
 * which case of docs/ACCEPTANCE.md each test shows. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/recurring.h"

#define SECOND_MS 1000LL
#define QUICK     "--session-timeout", "1s", "--session-beat", "300ms"
#define EACH      "--every", "1s", "--missed", "all", "--overlap", "allow"

static const char *leader(struct pool *pool)
{
    return pool_string(pool, "HGET rota:{0}:clock leader");
}

static struct process *follower(struct pool *pool)
{
    struct process *process = pool_start(pool, "rota-scheduler", QUICK, NULL);

    process_wait_for(process, "msg=\"session open\"");
    return process;
}

static void wait_until(struct pool *pool, int64_t at_ms)
{
    WAIT_UNTIL(pool_now_ms(pool) >= at_ms);
}

static const char *at(struct pool *pool, int64_t at_ms)
{
    return pool_text(pool, "%lld", (long long)at_ms);
}

/* Until `more` further due times have passed. */
static void let_tick(struct pool *pool, const char *name, int more)
{
    int64_t runs = recurring_field(pool, name, "runs");

    WAIT_UNTIL(recurring_field(pool, name, "runs") >= runs + more);
}

/* With the time-outs that everybody has: 4 s, and one to find it out. */
static void PB_2_a_due_time_right_after_its_leader_was_killed_is_served(void **state)
{
    struct pool *pool = *state;
    struct process *victim = pool_scheduler(pool, NULL), *next = pool_start(pool, "rota-scheduler", NULL);
    process_wait_for(next, "msg=\"session open\"");
    int64_t due_ms = pool_now_ms(pool) + 1500, begun_mono_ms = clock_mono_ms();
    RECURRING(pool, "acme/once", "--at", at(pool, due_ms));

    wait_until(pool, due_ms - SECOND_MS);
    process_kill(victim);
    WAIT_UNTIL(*recurring_place(pool, "acme/once", due_ms));

    int64_t late_ms = recurring_field(pool, "acme/once", "late_ms");
    print_message("  %lld ms late\n", (long long)late_ms);
    assert_true(late_ms <= 4000 + stall_ms(begun_mono_ms, clock_mono_ms()));
    assert_int_equal(recurring_field(pool, "acme/once", "runs"), 1);
}

static void PB_3_a_leader_that_wakes_up_late_does_nothing_a_second_time(void **state)
{
    struct pool *pool = *state;
    struct process *leads = pool_scheduler(pool, QUICK, NULL), *follows = follower(pool);
    pool_worker(pool, "--slots", "4", "--on", pool_logging(pool, "t", ":"), NULL);
    int64_t first_ms = RECURRING(pool, "acme/tick", EACH);

    for (int i = 0; i < 3; i++) {
        const char *session = pool_text(pool, "%s", leader(pool));
        unsigned stood_down = count_text(process_log(leads), "msg=\"standing down");
        process_signal(leads, SIGSTOP);
        WAIT_UNTIL(strcmp(leader(pool), session) != 0);
        let_tick(pool, "acme/tick", 1);
        process_signal(leads, SIGCONT); /* it has due times in hand that the other one has served */
        WAIT_UNTIL(count_text(process_log(leads), "msg=\"standing down") > stood_down);
        struct process *other = leads;
        leads = follows;
        follows = other;
    }

    unsigned count = recurring_check_each_once(pool, "acme/tick", first_ms);
    WAIT_UNTIL(pool_count(pool, "acme", "done") == count);
    assert_int_equal(pool_logged(pool, "acme/tick@"), count);
}

static void PB_6_who_loses_the_lead_ten_times_and_has_it_again_ticks_once(void **state)
{
    struct pool *pool = *state;
    struct process *scheduler = pool_scheduler(pool, QUICK, NULL);
    int64_t first_ms = RECURRING(pool, "acme/tick", EACH);

    for (unsigned i = 1; i <= 10; i++) {
        const char *session = pool_text(pool, "%s", leader(pool));
        pool_redis(pool, "FCALL rota_1_close 2 rota:{0} rota:{0}:clock %s 64", session);
        WAIT_UNTIL(count_text(process_log(scheduler), " msg=leading") == 1 + i);
        assert_string_not_equal(leader(pool), session);
    }
    let_tick(pool, "acme/tick", 2);

    recurring_check_each_once(pool, "acme/tick", first_ms);
    assert_int_equal(pool_number(pool, "ZCARD rota:{0}:schedules"), 1);
}

static void PB_9_from_one_scheduler_to_eight_and_back(void **state)
{
    struct pool *pool = *state;
    struct process *all[8] = {pool_scheduler(pool, QUICK, NULL)};
    int64_t first_ms = RECURRING(pool, "acme/tick", EACH);

    for (int i = 1; i < 8; i++)
        all[i] = follower(pool);
    let_tick(pool, "acme/tick", 2);
    for (int i = 0; i < 7; i++) { /* the leader is the first to go */
        process_signal(all[i], i % 2 ? SIGKILL : SIGTERM);
        process_wait(all[i], PROCESS_MS_MAX);
        let_tick(pool, "acme/tick", i % 3 == 0);
    }
    process_wait_for(all[7], " msg=leading");
    let_tick(pool, "acme/tick", 2);

    assert_true(recurring_check_each_once(pool, "acme/tick", first_ms) >= 7);
}

static void PB_11_a_due_time_without_redis_is_served_once_when_it_is_back_within_the_window(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, QUICK, NULL);
    follower(pool);
    pool_worker(pool, "--on", pool_logging(pool, "t", ":"), NULL);
    int64_t due_ms = pool_now_ms(pool) + 3000;
    RECURRING(pool, "acme/late", "--at", at(pool, due_ms), "--missed", "once", "--window", "1h");
    RECURRING(pool, "acme/strict", "--at", at(pool, due_ms), "--missed", "skip", "--window", "1s");

    wait_until(pool, due_ms - 1500);
    server_kill(pool->server);
    WAIT_UNTIL(clock_wall_ms() > due_ms + 1200);
    assert_int_equal(pool_logged(pool, "acme/"), 0); /* nobody ran it on his own */
    server_restart(pool->server);
    pool_reconnect(pool);
    WAIT_UNTIL(pool_count(pool, "acme", "done") == 1 && recurring_field(pool, "acme/strict", "missed_count") == 1);

    assert_string_equal(recurring_place(pool, "acme/late", due_ms), "done");
    assert_int_equal(pool_logged(pool, "acme/late@"), 1);
    assert_int_equal(pool_logged(pool, "acme/strict@"), 0);
}

static void PB_12_what_is_due_once_outlives_restarts_of_all_and_runs_again_after_a_crash(void **state)
{
    struct pool *pool = *state;
    struct process *scheduler = pool_scheduler(pool, QUICK, NULL);
    int64_t due_ms = pool_now_ms(pool) + 4000, begun_mono_ms = clock_mono_ms();
    RECURRING(pool, "acme/once", "--at", at(pool, due_ms));
    process_kill(scheduler);
    server_kill(pool->server);
    server_restart(pool->server);
    pool_reconnect(pool);
    pool_scheduler(pool, QUICK, NULL);
    struct process *worker = pool_worker(pool, QUICK, "--on", pool_logging(pool, "t", "sleep 600"), NULL);

    WAIT_UNTIL(pool_logged(pool, "acme/once@") == 1);
    process_kill(worker);
    pool_worker(pool, QUICK, "--on", pool_logging(pool, "t", ":"), NULL);
    WAIT_UNTIL(strcmp(recurring_place(pool, "acme/once", due_ms), "done") == 0);

    assert_int_equal(pool_logged(pool, "acme/once@"), 2);
    assert_in_range(recurring_field(pool, "acme/once", "late_ms"), 0, 1000 + stall_ms(begun_mono_ms, clock_mono_ms()));
    assert_string_equal(pool_job(pool, "acme", recurring_job(pool, "acme/once", due_ms))->state.attempts[0].outcome, "lost");
}

/* Whenever they were started: what counts is the period. */
static void AP_6_restarts_give_no_organization_a_second_run_in_a_period(void **state)
{
    static const char *const names[] = {"acme/report", "globex/report", "initech/report"};
    struct pool *pool = *state;
    struct process *scheduler = pool_scheduler(pool, QUICK, NULL), *worker = NULL;
    int64_t first_ms[3];
    for (int i = 0; i < 3; i++)
        first_ms[i] = RECURRING(pool, names[i], "--every", "4s", "--missed", "all", "--overlap", "allow");

    for (int i = 0; i < 10; i++) {
        worker = pool_worker(pool, QUICK, "--on", "t=sleep 0.2", NULL);
        process_signal(worker, i % 2 ? SIGTERM : SIGKILL);
        process_signal(scheduler, i == 5 ? SIGKILL : SIGTERM);
        process_wait(worker, PROCESS_MS_MAX);
        process_wait(scheduler, PROCESS_MS_MAX);
        scheduler = pool_scheduler(pool, QUICK, NULL);
    }
    pool_worker(pool, QUICK, "--slots", "4", "--on", "t=sleep 0.2", NULL);
    WAIT_UNTIL(pool_now_ms(pool) > first_ms[0] + 4000);

    for (int i = 0; i < 3; i++) {
        ROTA_MUST(pool, 0, "schedule", "pause", names[i]);
        int64_t last_ms = recurring_field(pool, names[i], "last_ms"), periods = (last_ms - first_ms[i]) / 4000 + 1;
        WAIT_UNTIL(recurring_field(pool, names[i], "done") == periods);
        assert_int_equal(recurring_field(pool, names[i], "runs"), periods);
        for (int64_t due_ms = first_ms[i]; due_ms <= last_ms; due_ms += 4000)
            assert_string_equal(recurring_place(pool, names[i], due_ms), "done");
    }
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        POOL_TEST(PB_2_a_due_time_right_after_its_leader_was_killed_is_served),
        POOL_TEST(PB_3_a_leader_that_wakes_up_late_does_nothing_a_second_time),
        POOL_TEST(PB_6_who_loses_the_lead_ten_times_and_has_it_again_ticks_once),
        POOL_TEST(PB_9_from_one_scheduler_to_eight_and_back),
        POOL_TEST(PB_11_a_due_time_without_redis_is_served_once_when_it_is_back_within_the_window),
        POOL_TEST(PB_12_what_is_due_once_outlives_restarts_of_all_and_runs_again_after_a_crash),
        POOL_TEST(AP_6_restarts_give_no_organization_a_second_run_in_a_period),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return stall_verdict(cmocka_run_group_tests_name("schedule_leaders", tests, NULL, NULL));
}
