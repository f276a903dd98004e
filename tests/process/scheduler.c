/* scheduler - who leads, and what the leader does in time: promotion, recovery of what its predecessor left, retention. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "tests/support/numbers.h"
#include "tests/support/recurring.h"
#include "tests/support/wrong_clock.h"

static bool leads(struct process *scheduler)
{
    return process_said(scheduler, " msg=leading") != NULL;
}

/* Two schedulers, of which the first leads and the second has seen that. */
static void start_two(struct pool *pool, struct process *ret[2])
{
    ret[0] = pool_scheduler(pool, NULL);
    ret[1] = pool_start(pool, "rota-scheduler", NULL);
    process_wait_for(ret[1], "msg=\"session open\"");
}

/* The session in the lane, where it counts, and in the key for people. */
static void assert_leader(struct pool *pool, struct process *scheduler)
{
    const char *session = pool_scheduler_session(pool, scheduler);

    assert_string_equal(pool_string(pool, "HGET rota:{0}:clock leader"), session);
    WAIT_UNTIL(strncmp(pool_string(pool, "GET rota:leader"), session, strlen(session)) == 0);
}

/* ---- the lead ---- */

static void of_two_schedulers_one_leads(void **state)
{
    struct pool *pool = *state;
    struct process *two[2];
    start_two(pool, two);

    WAIT_UNTIL(pool_number(pool, "HGET rota:{0}:session:%s beat", pool_scheduler_session(pool, two[1])) >= 3);

    assert_leader(pool, two[0]);
    assert_false(leads(two[1]));
}

static void a_killed_leader_is_followed_within_five_seconds(void **state)
{
    struct pool *pool = *state;
    struct process *two[2];
    start_two(pool, two);

    int64_t killed_mono_ms = clock_mono_ms();
    process_kill(two[0]);
    process_wait_for(two[1], " msg=leading");

    int64_t took_ms = awake_ms_since(killed_mono_ms);
    print_message("  taken over after %lld ms\n", (long long)took_ms);
    assert_true(took_ms <= 5000);
    assert_leader(pool, two[1]);
    WAIT_UNTIL(pool_number(pool, "ZCARD rota:{0}:sessions") == 1);
    assert_int_equal(pool_number(pool, "HGET rota:{0}:clock epoch"), 2);
}

static void PB_10_a_leader_that_stops_is_followed_at_once(void **state)
{
    struct pool *pool = *state;
    struct process *two[2];
    start_two(pool, two);

    int64_t stopped_mono_ms = clock_mono_ms();
    process_signal(two[0], SIGTERM);
    process_wait_for(two[1], " msg=leading");

    assert_true(awake_ms_since(stopped_mono_ms) < 700);
    assert_int_equal(process_wait(two[0], PROCESS_MS_MAX), 0);
    assert_leader(pool, two[1]);
}

static void a_leader_that_was_asleep_stands_down(void **state)
{
    struct pool *pool = *state;
    struct process *two[2];
    start_two(pool, two);

    process_signal(two[0], SIGSTOP);
    process_wait_for(two[1], " msg=leading");
    process_signal(two[0], SIGCONT);
    process_wait_for(two[0], "msg=\"standing down");
    WAIT_UNTIL(count_text(process_log(two[0]), "msg=\"session open\"") == 2);

    assert_leader(pool, two[1]);
    assert_int_equal(count_text(process_log(two[0]), " msg=leading"), 1);
    process_kill(two[1]); /* and it is as good as any other afterwards */
    WAIT_UNTIL(count_text(process_log(two[0]), " msg=leading") == 2);
    assert_leader(pool, two[0]);
}

static void a_stop_does_not_wait_for_redis(void **state)
{
    struct pool *pool = *state;
    struct process *scheduler = pool_scheduler(pool, NULL);
    server_kill(pool->server);
    process_wait_for(scheduler, "msg=\"connection lost");

    int64_t stopped_mono_ms = clock_mono_ms();
    process_signal(scheduler, SIGTERM);

    assert_int_equal(process_wait(scheduler, PROCESS_MS_MAX), 0);
    assert_true(awake_ms_since(stopped_mono_ms) < 3500);
}

/* ---- delayed jobs ---- */

static int64_t lateness_ms(struct pool *pool, const char *org, const char *id, int64_t due_ms)
{
    const struct job *job = pool_job(pool, org, id);

    assert_int_equal(job->state.attempt_count, 1);
    assert_true(job->state.attempts[0].started_ms >= due_ms); /* never early */
    return job->state.attempts[0].started_ms - due_ms;
}

#define DELAYED 200

static void delayed_jobs_start_when_they_are_due(void **state)
{
    struct pool *pool = *state;
    int64_t late_ms[DELAYED], started_mono_ms = clock_mono_ms(), first_ms;
    pool_scheduler(pool, "--lanes", pool_text(pool, "%u", pool->lanes), NULL);
    pool_worker(pool, "--on", "t=@noop", NULL);

    first_ms = pool_now_ms(pool) + 500;
    for (int i = 0; i < DELAYED; i++) {
        struct job_record record = {.type = "t", .payload = "", .has_payload = true, .due_ms = first_ms + i * 10};
        pool_push_record(pool, pool_text(pool, "org%d", i % 10), pool_text(pool, "job%d", i), &record);
    }
    for (int i = 0; i < DELAYED; i++) {
        pool_wait_place(pool, pool_text(pool, "org%d", i % 10), pool_text(pool, "job%d", i), "done");
        late_ms[i] = lateness_ms(pool, pool_text(pool, "org%d", i % 10), pool_text(pool, "job%d", i), first_ms + i * 10);
    }

    sort_numbers(late_ms, DELAYED);
    int64_t stalled_ms = stall_ms(started_mono_ms, clock_mono_ms());
    print_message("  late by p50 %lld ms, p99 %lld ms, at most %lld ms; the machine stalled for %lld ms\n",
                  (long long)late_ms[DELAYED / 2], (long long)late_ms[DELAYED * 99 / 100], (long long)late_ms[DELAYED - 1],
                  (long long)stalled_ms);
    assert_true(late_ms[DELAYED * 99 / 100] <= 300 + 2 * stalled_ms);
}

static void a_job_that_is_due_earlier_wakes_the_scheduler(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, "--lanes", pool_text(pool, "%u", pool->lanes), NULL);
    pool_worker(pool, "--on", "t=@noop", NULL);
    pool_push_record(pool, "acme", "far",
                     &(struct job_record){.type = "t", .payload = "", .has_payload = true, .delay_ms = 3600000});

    for (int i = 0; i < 12; i++) { /* the scheduler looks once a second anyway: once could be luck */
        int64_t pushed_mono_ms = clock_mono_ms();
        const char *id = pool_text(pool, "job%d", i);
        pool_push_record(pool, "acme", id, &(struct job_record){.type = "t", .payload = "", .has_payload = true, .delay_ms = 70});
        pool_wait_place(pool, "acme", id, "done");
        assert_true(clock_mono_ms() - pushed_mono_ms >= 70);
        assert_true(awake_ms_since(pushed_mono_ms) < 70 + 150);
    }
    assert_string_equal(pool_place(pool, "acme", "far"), "scheduled");
}

/* Delayed jobs and due times, with a scheduler and a worker whose clocks are off. */
static void run_with_wrong_clocks(struct pool *pool, int64_t scheduler_ms, int64_t worker_ms)
{
    struct wrong_clock *clocks[] = {wrong_clock_new(scheduler_ms), wrong_clock_new(worker_ms)};
    int64_t started_mono_ms = clock_mono_ms(), first_ms;

    wrong_clock_begin(clocks[0]);
    pool_scheduler(pool, NULL);
    wrong_clock_end();
    wrong_clock_begin(clocks[1]);
    struct process *worker = pool_worker(pool, "--slots", "4", "--on", "t=sleep 0.3", NULL);
    wrong_clock_end();
    int64_t card_ms = pool_number(pool, "HGET rota:worker:%s started_ms", pool_session(pool, worker, 0));
    assert_true(llabs(card_ms - pool_now_ms(pool) - worker_ms) < 30000); /* it is wrong */

    RECURRING(pool, "acme/tick", "--every", "1s", "--overlap", "allow");
    first_ms = pool_now_ms(pool) + 500;
    for (int i = 0; i < 10; i++) {
        struct job_record record = {
            .type = "t", .payload = "", .has_payload = true, .timeout_ms = 5000, .due_ms = first_ms + i * 100};
        pool_push_record(pool, "acme", pool_text(pool, "job%d", i), &record);
    }
    for (int i = 0; i < 10; i++) {
        pool_wait_place(pool, "acme", pool_text(pool, "job%d", i), "done");
        int64_t late_ms = lateness_ms(pool, "acme", pool_text(pool, "job%d", i), first_ms + i * 100);
        assert_true(late_ms <= 1000 + stall_ms(started_mono_ms, clock_mono_ms())); /* it may wait for a slot */
    }
    WAIT_UNTIL(recurring_field(pool, "acme/tick", "done") >= 3);
    int64_t last_ms = recurring_field(pool, "acme/tick", "last_ms");
    assert_true(job_enqueued_ms(pool_job(pool, "acme", recurring_job(pool, "acme/tick", last_ms))) >= last_ms);
    assert_true(recurring_field(pool, "acme/tick", "late_ms") <= 300 + stall_ms(started_mono_ms, clock_mono_ms()));
    assert_int_equal(recurring_field(pool, "acme/tick", "missed_count"), 0);
    wrong_clock_free(clocks[0]);
    wrong_clock_free(clocks[1]);
}

static void GA_14_a_scheduler_whose_clock_is_ahead_makes_nothing_early(void **state)
{
    run_with_wrong_clocks(*state, 300000, -300000);
}

static void GA_14_a_scheduler_whose_clock_is_behind_makes_nothing_late(void **state)
{
    run_with_wrong_clocks(*state, -300000, 300000);
}

static void a_retry_runs_after_its_delay(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);
    pool_worker(pool, "--on", "t=test $ROTA_ATTEMPT = 2", NULL);

    pool_push(pool, "acme", "job", "t", "");
    pool_wait_place(pool, "acme", "job", "done");

    const struct job *job = pool_job(pool, "acme", "job");
    assert_int_equal(job->state.attempt, 2);
    int64_t delay_ms = job->state.attempts[1].started_ms - job->state.attempts[0].ended_ms;
    assert_in_range(delay_ms, 4000, 6000 + 500); /* 5 s, more or less a fifth */
}

/* ---- housekeeping ---- */

static void retention_is_kept(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);
    pool_worker(pool, "--on", "t=@noop", NULL);
    assert_string_equal(pool_call(pool, 0, "org_set", "tester acme keep_done_ms 500")->str, "ok");
    assert_string_equal(pool_call(pool, 0, "org_set", "tester brief keep_done_ms 0")->str, "ok");

    pool_push_many(pool, "acme", "job", 50, "t", "");
    pool_push_many(pool, "brief", "job", 50, "t", "");
    pool_push_many(pool, "other", "job", 50, "t", "");
    WAIT_UNTIL(pool_count(pool, "other", "done") == 50);

    WAIT_UNTIL(pool_number(pool, "EXISTS rota:{0}:org:acme:jobs rota:{0}:org:acme:state rota:{0}:org:acme:done") == 0);
    assert_int_equal(pool_number(pool, "EXISTS rota:{0}:org:brief:jobs rota:{0}:org:brief:state rota:{0}:org:brief:done"), 0);
    assert_int_equal(pool_count(pool, "other", "done"), 50);
}

static void drift_of_an_index_is_mended(void **state)
{
    struct pool *pool = *state;
    struct process *scheduler = pool_scheduler(pool, NULL);
    pool_push_many(pool, "acme", "job", 3, "t", "");
    pool_redis(pool, "ZREM rota:{0}:active:default acme"); /* nobody would serve it any more */

    process_wait_for(scheduler, "msg=\"audit: mended\"");

    pool_check(pool);
    pool_worker(pool, "--on", "t=@noop", NULL);
    WAIT_UNTIL(pool_count(pool, "acme", "done") == 3);
}

/* ---- damage ---- */

/* Calls that ended with WRONGTYPE since CONFIG RESETSTAT. */
static int errors(struct pool *pool)
{
    const char *stat = strstr(pool_string(pool, "INFO errorstats"), "errorstat_WRONGTYPE:count=");

    return stat ? atoi(stat + strlen("errorstat_WRONGTYPE:count=")) : 0;
}

static void a_duty_that_fails_is_told_of_once_and_when_it_works_again(void **state)
{
    static const char *const damages[][2] = {{"due", "promote"}, {"expiring", "trim"}, {"orgs", "audit"}};
    struct pool *pool = *state;
    struct process *scheduler = pool_scheduler(pool, NULL);

    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        const char *said = pool_text(pool, "duty=%s lane=0 err=", damages[i][1]);
        pool_redis(pool, "SET rota:{0}:%s damaged", damages[i][0]);
        process_wait_for(scheduler, said);
        pool_redis(pool, "CONFIG RESETSTAT");
        WAIT_UNTIL(errors(pool) >= 3); /* it was tried again */
        assert_int_equal(count_text(process_log(scheduler), said), 1);
        pool_redis(pool, "DEL rota:{0}:%s", damages[i][0]);
    }
    process_wait_for(scheduler, "msg=\"a duty is done again\" duty=promote");
    process_wait_for(scheduler, "msg=\"a duty is done again\" duty=trim");
}

static void the_audit_of_jobs_steps_over_a_damaged_organization(void **state)
{
    struct pool *pool = *state;
    pool->unchecked = true;
    struct process *scheduler = pool_scheduler(pool, NULL);
    pool_push_many(pool, "bad", "job", 2, "t", "");
    pool_push_many(pool, "good", "job", 2, "t", ""); /* behind it in the walk */

    pool_redis(pool, "DEL rota:{0}:org:bad:jobs");
    pool_redis(pool, "SET rota:{0}:org:bad:jobs damaged");
    process_wait_for(scheduler, "bad");
    pool_redis(pool, "ZREM rota:{0}:org:good:ready:default job0001"); /* it is lost */

    pool_wait_place(pool, "good", "job0001", "ready");
}

static void the_audit_of_indexes_steps_over_a_damaged_organization(void **state)
{
    struct pool *pool = *state;
    pool->unchecked = true;
    pool_scheduler(pool, NULL);
    for (unsigned i = 0; i < 200; i++)
        pool_push(pool, pool_text(pool, "org%u", i), "job", "t", "");

    pool_redis(pool, "SET rota:{0}:org:org77:running damaged");
    pool_redis(pool, "DEL rota:{0}:active:default"); /* nobody would be served any more */

    WAIT_UNTIL_MS(60000, pool_number(pool, "ZCARD rota:{0}:active:default") >= 190);
}

static void a_weak_server_is_refused_at_start(void **state)
{
    struct pool *pool = *state;
    pool_redis(pool, "CONFIG SET appendfsync everysec");

    struct process *scheduler = pool_start(pool, "rota-scheduler", NULL);
    assert_int_equal(process_wait(scheduler, PROCESS_MS_MAX), EX_CONFIG);
    assert_non_null(process_said(scheduler, "set \\\"appendfsync always\\\""));
    assert_int_equal(pool_number(pool, "EXISTS rota:meta rota:{0}:clock"), 0);

    pool_scheduler(pool, "--durability", "everysec", NULL);
    assert_string_equal(pool_string(pool, "HGET rota:meta level"), "everysec");
}

static void the_number_of_lanes_stays(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, "--lanes", "8", NULL);

    struct process *other = pool_start(pool, "rota-scheduler", "--lanes", "4", NULL);
    assert_int_equal(process_wait(other, PROCESS_MS_MAX), EX_CONFIG);
    assert_non_null(process_said(other, "this deployment has 8 lanes, not 4"));
    other = pool_start(pool, "rota-scheduler", NULL);
    assert_int_equal(atoi(process_wait_for(other, "lanes=")), 8);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(of_two_schedulers_one_leads, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(a_killed_leader_is_followed_within_five_seconds, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(PB_10_a_leader_that_stops_is_followed_at_once, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(a_leader_that_was_asleep_stands_down, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(a_stop_does_not_wait_for_redis, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(delayed_jobs_start_when_they_are_due, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(delayed_jobs_start_when_they_are_due, pool_setup_lanes, pool_teardown),
        cmocka_unit_test_setup_teardown(a_job_that_is_due_earlier_wakes_the_scheduler, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(a_job_that_is_due_earlier_wakes_the_scheduler, pool_setup_lanes, pool_teardown),
        cmocka_unit_test_setup_teardown(GA_14_a_scheduler_whose_clock_is_ahead_makes_nothing_early, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(GA_14_a_scheduler_whose_clock_is_behind_makes_nothing_late, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(a_retry_runs_after_its_delay, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(retention_is_kept, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(drift_of_an_index_is_mended, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(a_duty_that_fails_is_told_of_once_and_when_it_works_again, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(the_audit_of_jobs_steps_over_a_damaged_organization, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(the_audit_of_indexes_steps_over_a_damaged_organization, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(a_weak_server_is_refused_at_start, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(the_number_of_lanes_stays, pool_setup_lanes, pool_teardown),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return stall_verdict(cmocka_run_group_tests_name("scheduler", tests, NULL, NULL));
}
