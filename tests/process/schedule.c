/* schedule - recurrences in a whole deployment: one job for each due time, whoever leads and whatever was down. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/schedule.h"
#include "tests/support/recurring.h"

#define SECOND_MS 1000LL

static const char *full(struct pool *pool, const char *name)
{
    return pool_text(pool, "acme/%s", name);
}

static int64_t field(struct pool *pool, const char *name, const char *member)
{
    return recurring_field(pool, full(pool, name), member);
}

static const char *job_of(struct pool *pool, const char *name, int64_t due_ms)
{
    return recurring_job(pool, full(pool, name), due_ms);
}

/* Due times from..to, a second apart, that have a job. */
static unsigned served(struct pool *pool, const char *name, int64_t from_ms, int64_t to_ms)
{
    return recurring_served(pool, full(pool, name), from_ms, to_ms);
}

/* When a schedule is due next, at first. */
static int64_t add(struct pool *pool, const char *name, const char *const *flags)
{
    return recurring_add(pool, full(pool, name), flags);
}
#define ADD(pool, name, ...) add(pool, name, (const char *const[]){__VA_ARGS__, NULL})

static void each_due_time_has_one_job(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);
    pool_worker(pool, "--on", "t=echo $ROTA_SCHEDULE $ROTA_DUE_AT", NULL);

    int64_t first_ms = ADD(pool, "tick", "--every", "1s");
    WAIT_UNTIL(field(pool, "tick", "done") >= 3);
    ROTA_MUST(pool, 0, "schedule", "pause", "acme/tick");

    assert_int_equal(first_ms % SECOND_MS, 0);
    int64_t last_ms = field(pool, "tick", "last_ms");
    assert_int_equal(served(pool, "tick", first_ms, last_ms), (last_ms - first_ms) / SECOND_MS + 1);
    assert_int_equal(field(pool, "tick", "runs"), (last_ms - first_ms) / SECOND_MS + 1);
    pool_wait_place(pool, "acme", job_of(pool, "tick", last_ms), "done");
    assert_non_null(strstr(pool_result(pool, "acme", job_of(pool, "tick", first_ms)), "tick 20"));
}

static void a_schedule_that_is_set_earlier_is_not_overslept(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);
    ADD(pool, "later", "--every", "1h");

    int64_t begun_mono_ms = clock_mono_ms(), at_ms = pool_now_ms(pool) + 400,
            due_ms = ADD(pool, "soon", "--at", pool_text(pool, "%lld", (long long)at_ms));

    assert_int_equal(due_ms, at_ms);
    WAIT_UNTIL(pool_job(pool, "acme", job_of(pool, "soon", due_ms))->place[0] != '\0');
    assert_true(field(pool, "soon", "late_ms") < 300 + stall_ms(begun_mono_ms, clock_mono_ms()));
    assert_non_null(strstr(ROTA_MUST(pool, 0, "schedule", "show", "acme/soon").out, "ended"));
}

static void no_due_time_is_lost_or_doubled_when_leaders_die(void **state)
{
    struct pool *pool = *state;
    struct process *leader = pool_scheduler(pool, NULL), *next;
    int64_t first_ms = ADD(pool, "tick", "--every", "1s", "--missed", "all", "--overlap", "allow");

    for (int round = 0; round < 2; round++) {
        next = pool_start(pool, "rota-scheduler", NULL);
        process_wait_for(next, "msg=\"session open\"");
        process_signal(leader, round == 0 ? SIGKILL : SIGSTOP);
        process_wait_for(next, " msg=leading");
        if (round == 1)
            process_signal(leader, SIGCONT); /* it believes for a moment that it leads */
        leader = next;
        int64_t now_ms = pool_now_ms(pool);
        WAIT_UNTIL(field(pool, "tick", "last_ms") >= now_ms);
    }

    ROTA_MUST(pool, 0, "schedule", "pause", "acme/tick");
    int64_t last_ms = field(pool, "tick", "last_ms"), due_times = (last_ms - first_ms) / SECOND_MS + 1;
    print_message("  %lld due times, the latest job came %lld ms late\n", (long long)due_times,
                  (long long)field(pool, "tick", "late_ms"));
    assert_int_equal(served(pool, "tick", first_ms, last_ms), due_times);
    assert_int_equal(pool_count(pool, "acme", "ready:default"), due_times);
    assert_int_equal(field(pool, "tick", "missed_count"), 0);
}

/* Three due times, while nobody was there. */
static void PB_4_what_was_missed_runs_as_the_policy_says(void **state)
{
    static const char *const names[] = {"skip", "once", "all"};
    struct pool *pool = *state;
    struct process *scheduler = pool_scheduler(pool, NULL);
    process_signal(scheduler, SIGTERM);
    process_wait(scheduler, PROCESS_MS_MAX);
    int64_t next_ms = (pool_now_ms(pool) / SECOND_MS + 2) * SECOND_MS, until_ms = next_ms + 2 * SECOND_MS;
    for (int i = 0; i < 3; i++) {
        const char *from = pool_text(pool, "%lld", (long long)next_ms), *until = pool_text(pool, "%lld", (long long)until_ms);
        assert_int_equal(ADD(pool, names[i], "--every", "1s", "--missed", names[i], "--window", i == 0 ? "1s" : "1h", "--from",
                             from, "--until", until, "--overlap", "allow"),
                         next_ms);
    }
    WAIT_UNTIL(pool_now_ms(pool) > until_ms + 1200);

    pool_scheduler(pool, NULL);

    for (int i = 0; i < 3; i++)
        WAIT_UNTIL(strcmp(pool_string(pool, "ZSCORE rota:{0}:schedules acme/%s", names[i]), "inf") == 0);
    assert_int_equal(served(pool, "skip", next_ms, until_ms), 0);
    assert_int_equal(field(pool, "skip", "missed_count"), 3);
    assert_int_equal(served(pool, "once", next_ms, until_ms), 1);
    assert_int_equal(served(pool, "once", until_ms, until_ms), 1);
    assert_int_equal(field(pool, "once", "missed_count"), 2);
    assert_int_equal(served(pool, "all", next_ms, until_ms), 3);
    assert_int_equal(field(pool, "all", "missed_count"), 0);
    struct ran events = ROTA_MUST(pool, 0, "event", "list", "--json");
    assert_non_null(strstr(events.out, "2 due times missed"));
    assert_non_null(strstr(events.out, "ms late"));
}

static void PB_5_a_run_that_takes_long_is_not_overtaken(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);
    pool_worker(pool, "--slots", "4", "--on", "t=sleep 600", NULL);

    ADD(pool, "long", "--every", "1s");
    WAIT_UNTIL(field(pool, "long", "skipped_count") >= 2);

    assert_int_equal(field(pool, "long", "runs"), 1);
    assert_int_equal(pool_count(pool, "acme", "running"), 1);
}

static void PB_5_the_next_run_waits_or_takes_the_place(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);
    /* A cancelled one hears of it with a beat: it would be done before, were it short. */
    pool_worker(pool, "--slots", "4", "--on", "t=[ $ROTA_SCHEDULE = hasty ] && exec sleep 600; sleep 2.5", NULL);

    ADD(pool, "patient", "--every", "1s", "--overlap", "queue-one");
    ADD(pool, "hasty", "--every", "2s", "--overlap", "cancel-running");
    WAIT_UNTIL(field(pool, "patient", "done") >= 2 && pool_count(pool, "acme", "cancelled") >= 1 &&
               field(pool, "hasty", "runs") >= 2);

    assert_int_equal(field(pool, "hasty", "done"), 0);
    assert_true(field(pool, "patient", "skipped_count") >= 1);
    assert_true(pool_count(pool, "acme", "running") <= 2);
}

/* One that cannot be computed any more, as after its zone has left the system: it is put off, others go on. */
static void GA_6_a_broken_schedule_is_in_nobodys_way(void **state)
{
    struct pool *pool = *state;
    struct process *scheduler = pool_scheduler(pool, NULL);
    ADD(pool, "broken", "--cron", "* * * * * *", "--tz", "Europe/Zurich");
    pool_redis(pool, "HSET rota:{0}:org:acme:schedule:broken recurrence %s", "cron tz=Europe/Atlantis * * * * * *");

    ADD(pool, "fine", "--every", "1s", "--overlap", "allow");
    process_wait_for(scheduler, "msg=\"schedule put off\"");
    WAIT_UNTIL(field(pool, "fine", "runs") >= 2);

    assert_non_null(strstr(process_log(scheduler), "Atlantis"));
    struct ran shown = ROTA_MUST(pool, 0, "schedule", "show", "acme/broken");
    assert_non_null(strstr(shown.out, "Atlantis"));
    assert_non_null(strstr(shown.out, "unhealthy"));
    ROTA_MUST(pool, 0, "schedule", "set", "acme/broken", "--every", "1s");
    WAIT_UNTIL(field(pool, "broken", "runs") >= 1);
}

static void changes_say_what_they_did_and_how_to_undo_it(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);

    struct ran added = ROTA_MUST(pool, 0, "schedule", "add", "acme/report", "t", "hello", "--cron", "30 8 * * mon-fri", "--tz",
                                 "Europe/Zurich", "--spread", "5m", "--priority", "7");
    assert_non_null(strstr(added.err, "Undo: rota schedule remove acme/report"));
    ROTA_MUST(pool, EX_CANTCREAT, "schedule", "add", "acme/report", "t", "--every", "1h");
    struct ran same = ROTA_MUST(pool, 0, "schedule", "set", "acme/report");
    assert_non_null(strstr(same.err, "is as it was"));
    int64_t next_ms = field(pool, "report", "next_ms");
    struct ran changed = ROTA_MUST(pool, 0, "schedule", "set", "acme/report", "other", "--overlap", "allow");
    assert_non_null(strstr(changed.err,
                           "Undo, but for the job: rota schedule set acme/report --cron '30 8 * * mon-fri' --tz Europe/Zurich "
                           "--missed once --overlap skip --window 1d --spread 5m"));
    assert_int_equal(field(pool, "report", "next_ms"), next_ms);
    struct ran run = ROTA_MUST(pool, 0, "schedule", "run", "acme/report");
    assert_non_null(strstr(run.out, "acme/report@"));
    ROTA_MUST(pool, 0, "schedule", "pause", "acme/report");
    assert_non_null(strstr(ROTA_MUST(pool, 0, "schedule", "list", "acme").out, "paused"));
    ROTA_MUST(pool, 0, "schedule", "resume", "acme/report");
    struct ran removed = ROTA_MUST(pool, 0, "schedule", "remove", "acme/report");
    assert_non_null(strstr(removed.err, "removed schedule acme/report. Undo"));
    ROTA_MUST(pool, EX_NOINPUT, "schedule", "show", "acme/report");
    struct ran log = ROTA_MUST(pool, 0, "audit", "log");
    assert_non_null(strstr(log.out, "schedule_set"));
    assert_non_null(strstr(log.out, "schedule_remove"));
}

static void PB_13_what_makes_no_sense_is_refused_before_anything_is_written(void **state)
{
    static const struct {
        const char *flag, *value, *words;
        int status;
    } wrong[] = {
        {"--cron", "* * 31 2 *", "never due", EX_USAGE},
        {"--cron", "61 * * * *", "61", EX_USAGE},
        {"--cron", "", "0 fields", EX_USAGE},
        {"--every", "10ms", "1s", EX_USAGE},
        {"--at", "2020-01-01T00:00:00Z", "no due time", EX_DATAERR},
        {"--rrule", "FREQ=SECONDLY", "SECONDLY", EX_USAGE},
        {"--missed", "twice", "twice", EX_USAGE},
        {"--window", "1ms", "1s", EX_USAGE},
        {"--tz", "Europe/Zurich", "--tz", EX_USAGE},
        {"--overlap", "maybe", "maybe", EX_USAGE},
    };
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);
    ROTA_MUST(pool, 0, "org", "set", "acme", "--weight", "100");
    const char *before = pool_text(pool, "%lld", pool_number(pool, "DBSIZE"));

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct ran ran = ROTA_MUST(pool, wrong[i].status, "schedule", "add", "acme/s", "t", wrong[i].flag, wrong[i].value);
        if (!strstr(ran.err, wrong[i].words))
            fail_msg("%s %s: %s", wrong[i].flag, wrong[i].value, ran.err);
    }
    ROTA_MUST(pool, EX_USAGE, "schedule", "add", "acme", "t", "--every", "1s");
    ROTA_MUST(pool, EX_USAGE, "schedule", "add", "acme/a b", "t", "--every", "1s");
    ROTA_MUST(pool, EX_USAGE, "schedule", "add", "acme/s", "t", "--every", "1s", "--cron", "* * * * *");
    ROTA_MUST(pool, EX_NOINPUT, "schedule", "set", "acme/s", "--every", "1s");
    assert_string_equal(pool_text(pool, "%lld", pool_number(pool, "DBSIZE")), before);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_due_time_has_one_job, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(a_schedule_that_is_set_earlier_is_not_overslept, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(no_due_time_is_lost_or_doubled_when_leaders_die, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(PB_4_what_was_missed_runs_as_the_policy_says, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(PB_5_a_run_that_takes_long_is_not_overtaken, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(PB_5_the_next_run_waits_or_takes_the_place, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(GA_6_a_broken_schedule_is_in_nobodys_way, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(changes_say_what_they_did_and_how_to_undo_it, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(PB_13_what_makes_no_sense_is_refused_before_anything_is_written, pool_setup,
                                        pool_teardown),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return stall_verdict(cmocka_run_group_tests_name("schedule", tests, NULL, NULL));
}
