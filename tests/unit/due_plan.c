/* due_plan - which due times get a job when a schedule is served late, and which do not; and schedules as they stand in Redis. */
#include "scheduler/due_plan.h"

#include "common/call.h"
#include "common/recurrence.h"
#include "common/reply.h"
#include "tests/unit/unit.h"

#define SECOND_MS 1000LL
#define DAY_MS    (24 * 3600 * SECOND_MS)
#define START_MS  1800000000000LL /* a whole minute */

static struct recurrence *recurrence_of(const char *text)
{
    struct error err;
    struct recurrence *recurrence = recurrence_parse(text, &err);

    if (!recurrence)
        fail_msg("%s", err.message);
    return recurrence;
}

/* Of `text`, due since START_MS, at START_MS + after_ms. */
static struct due_plan plan_of(const char *text, struct schedule schedule, int64_t after_ms)
{
    struct recurrence *recurrence = recurrence_of(text);
    struct due_plan plan;

    schedule.next_ms = START_MS;
    if (schedule.last_ms == 0)
        schedule.since_ms = START_MS - 1;
    due_plan_make(&plan, &schedule, recurrence, START_MS + after_ms);
    recurrence_free(recurrence);
    return plan;
}

static const char every_minute[] = "every 60s";

static void a_due_time_in_time_gets_its_job(void **state)
{
    (void)state;
    for (unsigned missed = MISSED_SKIP; missed <= MISSED_ALL; missed++) {
        struct due_plan plan = plan_of(every_minute, (struct schedule){.missed = missed, .window_ms = 60 * SECOND_MS}, 20);

        assert_int_equal(plan.job_count, 1);
        assert_int_equal(plan.jobs_ms[0], START_MS);
        assert_int_equal(plan.missed, 0);
        assert_int_equal(plan.next_ms, START_MS + 60 * SECOND_MS);
    }
}

static void GA_4_three_due_times_are_skipped_or_run_once_or_all(void **state)
{
    int64_t now_ms = 2 * 60 * SECOND_MS + 30 * SECOND_MS; /* three have come, the last one half a minute ago */
    (void)state;

    struct due_plan skip = plan_of(every_minute, (struct schedule){.missed = MISSED_SKIP, .window_ms = 10 * SECOND_MS}, now_ms);
    assert_int_equal(skip.job_count, 0);
    assert_int_equal(skip.missed, 3);

    struct due_plan once = plan_of(every_minute, (struct schedule){.missed = MISSED_ONCE, .window_ms = DAY_MS}, now_ms);
    assert_int_equal(once.job_count, 1);
    assert_int_equal(once.jobs_ms[0], START_MS + 2 * 60 * SECOND_MS);
    assert_int_equal(once.missed, 2);

    struct due_plan all = plan_of(every_minute, (struct schedule){.missed = MISSED_ALL, .window_ms = DAY_MS}, now_ms);
    assert_int_equal(all.job_count, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(all.jobs_ms[i], START_MS + i * 60 * SECOND_MS);
    assert_int_equal(all.missed, 0);

    assert_int_equal(skip.next_ms, START_MS + 3 * 60 * SECOND_MS);
    assert_int_equal(once.next_ms, skip.next_ms);
    assert_int_equal(all.next_ms, skip.next_ms);
}

static void what_is_older_than_the_window_is_missed(void **state)
{
    int64_t window_ms = 90 * SECOND_MS, now_ms = 10 * 60 * SECOND_MS;
    (void)state;

    struct due_plan all = plan_of(every_minute, (struct schedule){.missed = MISSED_ALL, .window_ms = window_ms}, now_ms);
    assert_int_equal(all.job_count, 2); /* those of 9:00 and 10:00 */
    assert_int_equal(all.jobs_ms[0], START_MS + 9 * 60 * SECOND_MS);
    assert_int_equal(all.missed, 9);
    struct due_plan once =
        plan_of("cron 0 * * * *", (struct schedule){.missed = MISSED_ONCE, .window_ms = window_ms}, 3600 * SECOND_MS - 1);
    assert_int_equal(once.job_count, 0);
    assert_int_equal(once.missed, 1);
    assert_int_equal(once.next_ms % (3600 * SECOND_MS), 0);
}

static void many_are_caught_up_in_steps(void **state)
{
    struct schedule schedule = {.missed = MISSED_ALL, .window_ms = DAY_MS, .next_ms = START_MS, .since_ms = START_MS - 1};
    struct recurrence *recurrence = recurrence_of(every_minute);
    int64_t now_ms = START_MS + 40 * 60 * SECOND_MS, expected_ms = START_MS;
    (void)state;

    for (int step = 0; schedule.next_ms <= now_ms; step++) {
        struct due_plan plan;
        due_plan_make(&plan, &schedule, recurrence, now_ms);
        assert_int_equal(plan.job_count, step < 2 ? DUE_PLAN_JOBS_MAX : 41 - 2 * DUE_PLAN_JOBS_MAX);
        for (size_t i = 0; i < plan.job_count; i++, expected_ms += 60 * SECOND_MS)
            assert_int_equal(plan.jobs_ms[i], expected_ms);
        schedule.next_ms = plan.next_ms;
        schedule.last_ms = plan.through_ms;
    }
    assert_int_equal(schedule.next_ms, expected_ms);
    recurrence_free(recurrence);
}

/* Payloads that do not go into one call together. */
static void large_ones_are_caught_up_one_by_one(void **state)
{
    (void)state;
    struct schedule schedule = {.missed = MISSED_ALL, .window_ms = DAY_MS, .record_bytes = 900000};
    assert_int_equal(plan_of(every_minute, schedule, 600 * SECOND_MS).job_count, 1);
    schedule.record_bytes = 300000;
    assert_int_equal(plan_of(every_minute, schedule, 600 * SECOND_MS).job_count, 3);
}

static void those_before_a_resumption_are_not_its_own(void **state)
{
    struct schedule schedule = {
        .missed = MISSED_ALL, .window_ms = DAY_MS, .last_ms = START_MS - DAY_MS, .since_ms = START_MS - 1};
    (void)state;

    assert_int_equal(plan_of(every_minute, schedule, 20).job_count, 1);
}

static void years_of_seconds_are_counted_up_to_a_bound(void **state)
{
    (void)state;
    struct due_plan plan =
        plan_of("every 1s", (struct schedule){.missed = MISSED_ONCE, .window_ms = DAY_MS}, 1000 * DAY_MS + 300);

    assert_int_equal(plan.job_count, 1);
    assert_int_equal(plan.jobs_ms[0], START_MS + 1000 * DAY_MS);
    assert_int_equal(plan.missed, DUE_PLAN_COUNT_MAX);
    assert_int_equal(plan.next_ms, START_MS + 1000 * DAY_MS + SECOND_MS);
}

static void bursts_with_long_pauses_are_found(void **state)
{
    struct schedule schedule = {.missed = MISSED_ONCE, .window_ms = DAY_MS};
    (void)state;

    struct due_plan plan = plan_of("cron * * 8 * * *", schedule, 3 * DAY_MS - 1); /* START_MS is at 8:00 */

    assert_int_equal(plan.job_count, 1);
    assert_int_equal(plan.jobs_ms[0], START_MS + 2 * DAY_MS + 3599 * SECOND_MS);
}

static void an_offset_puts_off_and_names_the_due_time(void **state)
{
    struct schedule schedule = {
        .missed = MISSED_ONCE, .window_ms = DAY_MS, .offset_ms = 50 * SECOND_MS, .spread_ms = 60 * SECOND_MS};
    (void)state;

    struct due_plan plan = plan_of(every_minute, schedule, 100 * SECOND_MS); /* that of the second minute is yet to come */

    assert_int_equal(plan.job_count, 1);
    assert_int_equal(plan.jobs_ms[0], START_MS);
    assert_int_equal(plan.next_ms, START_MS + 60 * SECOND_MS);
}

/* What was stored for a zone whose data has changed since: the due time in its place is neither lost nor doubled. */
static void new_zone_data_moves_the_next_due_time(void **state)
{
    int64_t hour_ms = 3600 * SECOND_MS, last_ms = START_MS - DAY_MS; /* START_MS is 9:00 in Zurich */
    struct schedule schedule = {.missed = MISSED_ONCE, .window_ms = DAY_MS, .last_ms = last_ms};
    (void)state;

    for (int hour = 8; hour <= 10; hour++) { /* what it says now: 8:00 has passed, 9:00 is right, 10:00 is to come */
        char text[64];
        snprintf(text, sizeof text, "cron tz=Europe/Zurich 0 %d * * *", hour);
        struct due_plan plan = plan_of(text, schedule, 20);
        assert_int_equal(plan.job_count, hour == 9);
        assert_int_equal(plan.through_ms, hour == 9 ? START_MS : 0);
        assert_int_equal(plan.missed, 0);
        assert_int_equal(plan.next_ms, hour == 8 ? START_MS - hour_ms : hour == 9 ? START_MS + DAY_MS : last_ms + hour_ms);
    }
}

/* As where the times of every organization's have changed: it is looked at, and nothing of it is served. */
static void one_that_is_only_looked_at_keeps_or_gets_its_next_due_time(void **state)
{
    struct recurrence *recurrence = recurrence_of(every_minute), *over = recurrence_of("at tz=UTC 2020-01-01T00:00:00.000Z");
    struct schedule schedule = {.missed = MISSED_ONCE, .window_ms = DAY_MS, .since_ms = START_MS - 30 * SECOND_MS};
    int64_t now_ms = START_MS - 20 * SECOND_MS;
    struct due_plan plan;
    (void)state;

    for (int round = 0; round < 2; round++) {
        due_plan_make(&plan, &schedule, recurrence, now_ms);
        assert_int_equal(plan.through_ms, 0);
        assert_int_equal(plan.job_count, 0);
        assert_int_equal(plan.next_ms, START_MS);
        schedule.next_ms = plan.next_ms; /* it had none before */
    }
    due_plan_make(&plan, &schedule, over, now_ms);
    assert_int_equal(plan.next_ms, 0);
    schedule.next_ms = 0;
    due_plan_make(&plan, &schedule, over, now_ms);
    assert_int_equal(plan.through_ms, 0);
    assert_int_equal(plan.next_ms, 0);
    assert_int_equal(plan.job_count, 0);
    recurrence_free(recurrence);
    recurrence_free(over);
}

static void until_ends_it(void **state)
{
    (void)state;
    for (unsigned missed = MISSED_ONCE; missed <= MISSED_ALL; missed++) {
        struct schedule schedule = {.missed = missed, .window_ms = DAY_MS, .until_ms = START_MS + 90 * SECOND_MS};
        struct due_plan plan = plan_of(every_minute, schedule, 10 * 60 * SECOND_MS);

        assert_int_equal(plan.jobs_ms[plan.job_count - 1], START_MS + 60 * SECOND_MS);
        assert_int_equal(plan.next_ms, 0);
    }
    struct due_plan once = plan_of("at 2027-01-15T08:00:00Z", (struct schedule){.missed = MISSED_ONCE, .window_ms = DAY_MS}, 5);
    assert_int_equal(once.job_count, 1);
    assert_int_equal(once.next_ms, 0);
}

/* ---- schedules ---- */

static void offsets_are_steady_and_spread(void **state)
{
    int64_t spread_ms = 60 * SECOND_MS;
    unsigned tenths[10] = {0};
    char org[32];
    (void)state;

    assert_int_equal(schedule_offset_ms("acme", "stats", 0), 0);
    assert_int_equal(schedule_offset_ms("acme", "stats", spread_ms), schedule_offset_ms("acme", "stats", spread_ms));
    for (int i = 0; i < 10000; i++) {
        snprintf(org, sizeof org, "org-%d", i);
        int64_t offset_ms = schedule_offset_ms(org, "stats", spread_ms);
        assert_in_range(offset_ms, 0, spread_ms - 1);
        tenths[offset_ms * 10 / spread_ms]++;
    }
    for (int i = 0; i < 10; i++)
        assert_in_range(tenths[i], 850, 1150);
}

/* What it is without a success for so long. */
static bool is_ill(int64_t done_ms, int64_t now_ms, bool paused)
{
    struct recurrence *recurrence = recurrence_of(every_minute);
    bool ill = schedule_is_unhealthy(&(struct schedule){.since_ms = START_MS, .last_done_ms = done_ms, .paused = paused},
                                     recurrence, now_ms);

    recurrence_free(recurrence);
    return ill;
}

static void AP_13_two_periods_without_a_job_done_are_unhealthy(void **state)
{
    int64_t minute_ms = 60 * SECOND_MS;
    (void)state;

    assert_false(is_ill(0, START_MS + 3 * minute_ms - 1, false));
    assert_true(is_ill(0, START_MS + 3 * minute_ms, false));
    assert_false(is_ill(0, START_MS + 3 * minute_ms, true));
    assert_false(is_ill(START_MS + minute_ms, START_MS + 4 * minute_ms - 1, false));
    assert_true(is_ill(START_MS + minute_ms + 5, START_MS + 4 * minute_ms, false));
}

static void what_is_no_schedule_is_refused(void **state)
{
    static const char *const replies[] = {
        "*0\r\n",
        "*2\r\n$3\r\nrev\r\n$1\r\n1\r\n",
        "*6\r\n$3\r\nrev\r\n$1\r\n1\r\n$10\r\nrecurrence\r\n$1\r\nx\r\n$6\r\nmissed\r\n$5\r\nmaybe\r\n",
    };
    struct schedule schedule;
    struct error err;
    (void)state;

    for (size_t i = 0; i < COUNT(replies); i++) {
        struct reply *reply = reply_parse(replies[i], strlen(replies[i]));
        assert_non_null(reply);
        assert_int_equal(schedule_decode(&schedule, "name", reply, NULL, &err), ERR_PROTOCOL);
        reply_free(reply);
    }
    assert_false(schedule_name_is_valid("", &err));
    assert_false(schedule_name_is_valid("a@b", &err));
    assert_false(schedule_name_is_valid("0123456789012345678901234567890123456789012345678", &err));
    assert_true(schedule_name_is_valid("012345678901234567890123456789012345678901234567", &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_due_time_in_time_gets_its_job),
        cmocka_unit_test(GA_4_three_due_times_are_skipped_or_run_once_or_all),
        cmocka_unit_test(what_is_older_than_the_window_is_missed),
        cmocka_unit_test(many_are_caught_up_in_steps),
        cmocka_unit_test(large_ones_are_caught_up_one_by_one),
        cmocka_unit_test(those_before_a_resumption_are_not_its_own),
        cmocka_unit_test(years_of_seconds_are_counted_up_to_a_bound),
        cmocka_unit_test(bursts_with_long_pauses_are_found),
        cmocka_unit_test(an_offset_puts_off_and_names_the_due_time),
        cmocka_unit_test(new_zone_data_moves_the_next_due_time),
        cmocka_unit_test(one_that_is_only_looked_at_keeps_or_gets_its_next_due_time),
        cmocka_unit_test(until_ends_it),
        cmocka_unit_test(offsets_are_steady_and_spread),
        cmocka_unit_test(AP_13_two_periods_without_a_job_done_are_unhealthy),
        cmocka_unit_test(what_is_no_schedule_is_refused),
    };

    return UNIT_RUN(tests);
}
