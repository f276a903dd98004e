/* schedule_runs - jobs of schedules of many organizations on real workers: in nobody's way, with their own data, one at a time,
 * first if they are urgent, and visible. The names say which case of docs/ACCEPTANCE.md each test shows. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buffer.h"
#include "tests/support/recurring.h"

#define SECOND_MS 1000LL

static const char *in_ms(struct pool *pool, int64_t ms)
{
    int64_t at_ms = pool_now_ms(pool) + ms;

    return pool_text(pool, "%lld", (long long)at_ms);
}

/* A schedule of each organization, due once soon. */
static void due_soon(struct pool *pool, const char *const *orgs, const char *name, const char *attempts)
{
    const char *at = in_ms(pool, SECOND_MS);

    for (; *orgs; orgs++)
        RECURRING(pool, pool_text(pool, "%s/%s", *orgs, name), *orgs, "--at", at, "--max-attempts", attempts);
}

/* ---- organizations ---- */

static void AP_2_each_organization_reports_its_own_numbers(void **state)
{
    static const char *const orgs[] = {"acme", "globex", NULL};
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);
    write_text(pool, "count.acme", "3");
    write_text(pool, "count.globex", "5");
    pool_worker(pool, "--on", "t=read -r who; echo $who $(cat $HOME/count.$ROTA_ORG)", NULL);

    due_soon(pool, orgs, "stats", "1");
    WAIT_UNTIL(pool_count(pool, "acme", "done") + pool_count(pool, "globex", "done") == 2);

    int sum = 0;
    for (int i = 0; orgs[i]; i++) {
        const char *name = pool_text(pool, "%s/stats", orgs[i]);
        const char *result = pool_result(pool, orgs[i], recurring_job(pool, name, recurring_field(pool, name, "last_ms")));
        assert_int_equal(strncmp(result, orgs[i], strlen(orgs[i])), 0); /* its payload */
        sum += atoi(result + strlen(orgs[i]));
    }
    assert_int_equal(sum, 3 + 5);
}

static void AP_3_an_organization_that_always_fails_stops_no_other(void **state)
{
    static const char *const orgs[] = {"acme", "bad", "globex", "initech", NULL};
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);
    pool_worker(pool, "--on", "t=test $ROTA_ORG != bad", NULL);

    due_soon(pool, orgs, "report", "2");
    for (int i = 0; orgs[i]; i++)
        if (strcmp(orgs[i], "bad") != 0)
            WAIT_UNTIL(recurring_field(pool, pool_text(pool, "%s/report", orgs[i]), "done") == 1);
    const char *id = recurring_job(pool, "bad/report", recurring_field(pool, "bad/report", "last_ms"));
    pool_wait_place(pool, "bad", id, "scheduled"); /* it is tried again */
    assert_int_equal(recurring_field(pool, "bad/report", "failed"), 0);
    pool_wait_place(pool, "bad", id, "dead");

    assert_int_equal(pool_job(pool, "bad", id)->state.attempt_count, 2);
    assert_int_equal(recurring_field(pool, "bad/report", "failed"), 1);
    assert_has(ROTA_MUST(pool, 0, "dead", "list").out, id);
}

static void AP_4_an_organization_that_takes_long_costs_others_one_slot(void **state)
{
    static const char *const orgs[] = {"slow", "a", "b", "c", "d", "e", "f", "g", "h", NULL};
    struct pool *pool = *state;
    unsigned done = 0;
    pool_scheduler(pool, NULL);
    pool_worker(pool, "--slots", "2", "--on", "t=test $ROTA_ORG != slow || exec sleep 600", NULL);

    due_soon(pool, orgs, "report", "1");
    WAIT_UNTIL(pool_count(pool, "slow", "running") == 1);
    for (int i = 1; orgs[i]; i++) {
        WAIT_UNTIL(pool_count(pool, orgs[i], "done") == 1);
        done++;
    }

    assert_int_equal(done, 8);
    assert_int_equal(pool_count(pool, "slow", "running"), 1);
}

static void AP_11_done_is_said_when_the_work_ends(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);
    pool_worker(pool, "--on", pool_logging(pool, "t", "until test -e $HOME/go; do sleep 0.02; done"), NULL);
    RECURRING(pool, "acme/report", "--at", in_ms(pool, SECOND_MS));

    WAIT_UNTIL(pool_logged(pool, "acme/report@") == 1);
    pause_ms(300); /* it could have been called done by now */
    assert_int_equal(recurring_field(pool, "acme/report", "done"), 0);
    assert_int_equal(pool_count(pool, "acme", "running"), 1);
    write_text(pool, "go", "");

    WAIT_UNTIL(recurring_field(pool, "acme/report", "done") == 1);
    assert_true(recurring_field(pool, "acme/report", "last_done_ms") >= recurring_field(pool, "acme/report", "last_ms") + 300);
}

/* ---- one at a time, and in time ---- */

static void GA_8_one_schedule_never_runs_on_two_workers_at_once(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);
    const char *handler = "t=mkdir $HOME/busy || echo twice >> $HOME/twice; sleep 1.3; rmdir $HOME/busy";
    for (int i = 0; i < 2; i++)
        pool_worker(pool, "--slots", "2", "--on", handler, NULL);

    RECURRING(pool, "acme/rotation", "--every", "1s", "--overlap", "queue-one");
    WAIT_UNTIL(recurring_field(pool, "acme/rotation", "done") >= 3);

    assert_string_equal(pool_file(pool, "twice"), "");
}

#define BACKLOG 10000

static void GA_9_an_urgent_due_time_does_not_wait_behind_ten_thousand_jobs(void **state)
{
    struct pool *pool = *state;
    struct buffer lines = {0};
    int64_t begun_mono_ms = clock_mono_ms();
    pool_scheduler(pool, NULL);
    for (int i = 0; i < BACKLOG; i++)
        buffer_add_format(&lines, "{\"id\": \"event%d\"}\n", i);
    ROTA_MUST(pool, 0, "push", "--batch", write_text(pool, "events", lines.data), "acme", "event");
    buffer_clear(&lines);
    pool_worker(pool, "--slots", "4", "--on", "event=sleep 0.05", "--on", "t=:", NULL);
    WAIT_UNTIL(pool_count(pool, "acme", "done") > 0);

    int64_t due_ms = pool_now_ms(pool) + SECOND_MS;
    RECURRING(pool, "acme/handoff", "--at", pool_text(pool, "%lld", (long long)due_ms), "--priority", "100");
    WAIT_UNTIL(recurring_field(pool, "acme/handoff", "done") == 1);

    int64_t late_ms = pool_job(pool, "acme", recurring_job(pool, "acme/handoff", due_ms))->state.attempts[0].started_ms - due_ms;
    print_message("  started %lld ms after its time\n", (long long)late_ms);
    assert_true(late_ms <= SECOND_MS + stall_ms(begun_mono_ms, clock_mono_ms()));
    long long done = pool_count(pool, "acme", "done"), left = pool_count(pool, "acme", "ready:default");
    assert_true(left > BACKLOG / 2);
    WAIT_UNTIL(pool_count(pool, "acme", "done") > done + 20); /* and those are served, too */
}

/* A job whose wake-up token is gone before anybody sees it: until it was done. */
static int64_t run_unheard(struct pool *pool, const char *id, int64_t delay_ms)
{
    struct job_record record = {.type = "t", .payload = "", .has_payload = true, .delay_ms = delay_ms};
    struct buffer bytes = {0};
    struct error err;
    int64_t pushed_mono_ms = clock_mono_ms();

    assert_int_equal(job_record_encode(&bytes, &record, &err), 0);
    pool_redis(pool, "MULTI");
    pool_call(pool, 0, "enqueue", "acme %s %b", id, bytes.data, bytes.length);
    pool_redis(pool, "DEL rota:{0}:wake:default rota:{0}:wake:default:quiet rota:{0}:wake_due");
    assert_int_equal(pool_redis(pool, "EXEC")->elements, 2);
    buffer_clear(&bytes);
    pool_wait_place(pool, "acme", id, "done");
    return awake_ms_since(pushed_mono_ms);
}

static void GA_17_work_that_nobody_was_told_of_is_found(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);
    pool_worker(pool, "--on", "t=@noop", NULL);

    for (int i = 0; i < 3; i++) /* a worker sleeps for 1 to 2 s, a scheduler for 1 s */
        assert_true(run_unheard(pool, pool_text(pool, "ready%d", i), 0) <= 2000 + 300);
    for (int i = 0; i < 3; i++)
        assert_true(run_unheard(pool, pool_text(pool, "delayed%d", i), 100) <= 100 + 1000 + 300);
}

static void PB_7_a_schedule_that_takes_long_delays_no_other(void **state)
{
    struct pool *pool = *state;
    int64_t begun_mono_ms = clock_mono_ms();
    pool_scheduler(pool, NULL);
    pool_worker(pool, "--slots", "2", "--on", "t=test $ROTA_SCHEDULE = b || exec sleep 600", NULL);

    RECURRING(pool, "acme/a", "--every", "1s");
    WAIT_UNTIL(pool_count(pool, "acme", "running") == 1);
    RECURRING(pool, "acme/b", "--every", "1s");
    WAIT_UNTIL(recurring_field(pool, "acme/b", "done") >= 3);

    assert_int_equal(recurring_field(pool, "acme/a", "done"), 0);
    assert_int_equal(recurring_field(pool, "acme/b", "skipped_count"), 0);
    assert_true(recurring_field(pool, "acme/b", "late_ms") <= 300 + stall_ms(begun_mono_ms, clock_mono_ms()));
}

/* Their workers know the same type by different commands. */
static void PB_15_two_versions_of_an_application_share_their_due_times(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);
    pool_start(pool, "rota-scheduler", NULL);
    pool_worker(pool, "--on", pool_logging(pool, "t", "echo version 1"), NULL);
    pool_worker(pool, "--on", pool_logging(pool, "t", "echo version 2"), NULL);

    int64_t first_ms = RECURRING(pool, "acme/tick", "--every", "1s", "--missed", "all", "--overlap", "allow");
    WAIT_UNTIL(recurring_field(pool, "acme/tick", "runs") >= 3);

    unsigned count = recurring_check_each_once(pool, "acme/tick", first_ms);
    WAIT_UNTIL(recurring_field(pool, "acme/tick", "done") == count);
    assert_int_equal(pool_logged(pool, "acme/tick@"), count);
}

/* ---- what one sees, and what it costs ---- */

static void PB_14_a_schedule_shows_its_last_and_next_run_and_how_that_went(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);
    struct process *worker = pool_worker(pool, "--on", "t=sleep 0.1", NULL);
    RECURRING(pool, "acme/report", "--every", "1s");
    WAIT_UNTIL(recurring_field(pool, "acme/report", "done") >= 1);
    ROTA_MUST(pool, 0, "schedule", "pause", "acme/report");
    WAIT_UNTIL(pool_count(pool, "acme", "running") + pool_count(pool, "acme", "ready:default") == 0);

    struct ran ran = ROTA_MUST(pool, 0, "schedule", "show", "acme/report", "--json");
    json_t *shown = ran_json(&ran);
    assert_true(json_number(shown, "next_ms") > json_number(shown, "last_due_ms"));
    assert_string_equal(json_text(shown, "last_outcome"), "done");
    const struct job *job = pool_job(pool, "acme", json_text(shown, "last_job"));
    json_decref(shown);

    assert_string_equal(job->state.attempts[0].worker, pool_session(pool, worker, 0));
    assert_true(job->state.attempts[0].ended_ms >= job->state.attempts[0].started_ms + 100);
}

static long long commands(struct pool *pool)
{
    long long sum = 0;

    for (const char *at = pool_string(pool, "INFO commandstats"); (at = strstr(at, ":calls=")); at++)
        sum += atoll(at + strlen(":calls="));
    return sum;
}

/* Commands a second, those within functions too, when nothing is due. */
static double idle_rate(struct pool *pool)
{
    int64_t begun_mono_ms = clock_mono_ms();
    long long before = commands(pool);

    pause_ms(4000); /* the measure */
    return (double)(commands(pool) - before) * 1000 / (double)(clock_mono_ms() - begun_mono_ms);
}

static void add_idle(struct pool *pool, unsigned from, unsigned to)
{
    int64_t due_ms = pool_now_ms(pool) + 86400000;

    for (unsigned i = from; i < to; i++)
        recurring_add_once(pool, pool_text(pool, "org%u", i % 10), pool_text(pool, "idle%u", i), due_ms);
}

/* Of the same organizations: the audit walks over these, up to a hundred a second. */
static void GA_19_idle_schedules_cost_nothing(void **state)
{
    struct pool *pool = *state;
    pool_redis(pool, "CONFIG SET appendfsync everysec"); /* ten thousand definitions in a row */
    pool_scheduler(pool, "--durability", "everysec", NULL);
    pool_worker(pool, "--durability", "everysec", "--on", "t=@noop", NULL);

    add_idle(pool, 0, 10);
    double few = idle_rate(pool);
    add_idle(pool, 10, 10000);
    double many = idle_rate(pool);

    print_message("  commands a second: %.0f with 10 schedules, %.0f with 10,000\n", few, many);
    assert_true(many <= few * 1.2 + 10);
}

/* 999 others are due at the same moment. */
static void GA_6_a_schedule_that_cannot_be_read_is_in_nobodys_way(void **state)
{
    struct pool *pool = *state;
    struct process *scheduler = pool_scheduler(pool, NULL);
    pool_worker(pool, "--slots", "8", "--on", "t=@noop", NULL);
    int64_t due_ms = pool_now_ms(pool) + 8000;
    for (unsigned i = 0; i < 1000; i++)
        recurring_add_once(pool, pool_text(pool, "org%u", i), "rotation", due_ms);
    pool_redis(pool, "HSET rota:{0}:org:org500:schedule:rotation recurrence %s", "cron tz=Europe/Atlantis * * * * *");
    assert_true(pool_now_ms(pool) < due_ms);

    for (unsigned i = 0; i < 1000; i++)
        if (i != 500)
            WAIT_UNTIL(recurring_field(pool, pool_text(pool, "org%u/rotation", i), "done") == 1);

    process_wait_for(scheduler, "msg=\"schedule put off\"");
    assert_string_equal(recurring_place(pool, "org500/rotation", due_ms), "");
    assert_true(recurring_field(pool, "org500/rotation", "retry_ms") >
                due_ms + 50000); /* it is asked again then, not all the time */
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        POOL_TEST(AP_2_each_organization_reports_its_own_numbers),
        POOL_TEST(AP_3_an_organization_that_always_fails_stops_no_other),
        POOL_TEST(AP_4_an_organization_that_takes_long_costs_others_one_slot),
        POOL_TEST(AP_11_done_is_said_when_the_work_ends),
        POOL_TEST(GA_8_one_schedule_never_runs_on_two_workers_at_once),
        POOL_TEST(GA_9_an_urgent_due_time_does_not_wait_behind_ten_thousand_jobs),
        POOL_TEST(GA_17_work_that_nobody_was_told_of_is_found),
        POOL_TEST(PB_7_a_schedule_that_takes_long_delays_no_other),
        POOL_TEST(PB_15_two_versions_of_an_application_share_their_due_times),
        POOL_TEST(PB_14_a_schedule_shows_its_last_and_next_run_and_how_that_went),
        POOL_TEST(GA_19_idle_schedules_cost_nothing),
        POOL_TEST(GA_6_a_schedule_that_cannot_be_read_is_in_nobodys_way),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return stall_verdict(cmocka_run_group_tests_name("schedule_runs", tests, NULL, NULL));
}
