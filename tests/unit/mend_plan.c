/* mend_plan - what the leader thinks of a schedule as it goes round. */
#include "scheduler/mend_plan.h"

#include "tests/unit/due.h"

#define MINUTE_MS 60000LL
#define START_MS  1800000000000LL /* a whole minute, and a whole hour */

static struct mend_plan plan_of(const char *text, struct schedule schedule, int64_t after_ms)
{
    struct recurrence *recurrence = text ? recurrence_of(text) : NULL;
    struct mend_plan plan;

    snprintf(schedule.name, sizeof schedule.name, "report");
    mend_plan_make(&plan, "acme", &schedule, recurrence, START_MS + after_ms);
    recurrence_free(recurrence);
    return plan;
}

static void one_that_is_right_is_left_alone(void **state)
{
    (void)state;
    assert_false(plan_of("every 60s", (struct schedule){.since_ms = START_MS, .next_ms = START_MS + MINUTE_MS}, 5).arm);
    assert_false(plan_of("every 60s", (struct schedule){.last_ms = START_MS, .next_ms = START_MS + MINUTE_MS}, 5).arm);
    /* It has come, and nobody has served it yet; or five of them have. */
    assert_false(plan_of("every 60s", (struct schedule){.since_ms = START_MS, .next_ms = START_MS + MINUTE_MS}, MINUTE_MS).arm);
    assert_false(
        plan_of("every 60s", (struct schedule){.since_ms = START_MS, .next_ms = START_MS + MINUTE_MS}, 6 * MINUTE_MS).arm);
}

static void one_without_a_next_due_time_gets_it(void **state)
{
    struct mend_plan plan = plan_of("every 60s", (struct schedule){.last_ms = START_MS}, 5);
    (void)state;
    assert_true(plan.arm);
    assert_int_equal(plan.next_ms, START_MS + MINUTE_MS);

    plan = plan_of("every 60s", (struct schedule){.last_ms = START_MS}, 3 * MINUTE_MS + 5); /* what it missed is caught up */
    assert_int_equal(plan.next_ms, START_MS + MINUTE_MS);

    plan = plan_of("every 60s", (struct schedule){.rev = 1}, 5); /* nobody knows since when */
    assert_int_equal(plan.next_ms, START_MS + MINUTE_MS);
    assert_int_equal(plan_of("cron tz=UTC 30 8 * * *", (struct schedule){.last_ms = START_MS}, 5).next_ms,
                     START_MS + 30 * MINUTE_MS);
}

static void one_that_has_ended_stays_so(void **state)
{
    (void)state;
    assert_false(plan_of("at tz=UTC 2020-01-01T00:00:00.000Z", (struct schedule){.since_ms = START_MS}, 5).arm);
    assert_false(plan_of("every 60s", (struct schedule){.last_ms = START_MS, .until_ms = START_MS + 5}, 9).arm);
    assert_false(plan_of("every 60s", (struct schedule){.last_ms = START_MS, .paused = true}, 9).arm);
}

static void one_that_leaves_due_times_out_is_put_right(void **state)
{
    struct schedule schedule = {.last_ms = START_MS, .next_ms = START_MS + 2 * MINUTE_MS};
    (void)state;
    assert_int_equal(plan_of("every 60s", schedule, 5).next_ms, START_MS + MINUTE_MS);

    schedule.next_ms = START_MS + 1000 * MINUTE_MS + 7; /* none at all, and far away */
    assert_int_equal(plan_of("every 60s", schedule, 5).next_ms, START_MS + MINUTE_MS);

    schedule.next_ms = START_MS + MINUTE_MS + 7; /* as one that new data of its zone have moved */
    assert_false(plan_of("every 60s", schedule, 5).arm);

    schedule = (struct schedule){.since_ms = START_MS, .next_ms = START_MS + MINUTE_MS}; /* the only one is earlier */
    assert_true(plan_of("at tz=UTC 2027-01-15T08:00:01.000Z", schedule, 5).arm);
}

/* The clock was ahead and was set back: what ran does not run again. */
static void due_times_that_have_passed_do_not_come_back(void **state)
{
    struct schedule schedule = {.last_ms = START_MS + 100 * MINUTE_MS, .next_ms = START_MS + 101 * MINUTE_MS};
    (void)state;
    assert_false(plan_of("every 60s", schedule, 5).arm);
}

static void an_offset_that_is_not_its_own_is_put_right(void **state)
{
    struct schedule schedule = {.last_ms = START_MS, .next_ms = START_MS + MINUTE_MS, .spread_ms = 1000000, .offset_ms = 5};
    struct mend_plan plan = plan_of("every 60s", schedule, 5);
    (void)state;
    assert_true(plan.arm);
    assert_int_equal(plan.next_ms, schedule.next_ms);
    assert_int_equal(plan.offset_ms, schedule_offset_ms("acme", "report", 1000000));
    schedule.of_all = true; /* the spread of all has changed: that holds from the next due time on */
    assert_false(plan_of("every 60s", schedule, 5).arm);
}

static void two_periods_without_a_job_that_was_done_are_unhealthy(void **state)
{
    struct schedule schedule = {
        .last_done_ms = START_MS, .last_ms = START_MS + 2 * MINUTE_MS, .next_ms = START_MS + 3 * MINUTE_MS};
    (void)state;
    assert_false(plan_of("every 60s", schedule, 3 * MINUTE_MS - 1).unhealthy);
    assert_true(plan_of("every 60s", schedule, 3 * MINUTE_MS).unhealthy);
    assert_true(plan_of(NULL, schedule, 5).unhealthy);
    schedule.paused = true;
    assert_false(plan_of("every 60s", schedule, 3 * MINUTE_MS).unhealthy);
}

/* It moves to one of every organization: while that is in charge it has no jobs, and nothing is wrong with that. */
static void in_the_others_turn_it_is_not_unhealthy(void **state)
{
    struct schedule schedule = {
        .last_done_ms = START_MS, .last_ms = START_MS + 9 * MINUTE_MS, .next_ms = START_MS + 10 * MINUTE_MS, .moves_to = "each"};
    (void)state;
    snprintf(schedule.turns, sizeof schedule.turns, "-0");
    assert_true(plan_of("every 60s", schedule, 9 * MINUTE_MS).unhealthy);
    snprintf(schedule.turns, sizeof schedule.turns, "-0 +%lld", START_MS + MINUTE_MS);
    assert_false(plan_of("every 60s", schedule, 9 * MINUTE_MS).unhealthy);
    snprintf(schedule.turns, sizeof schedule.turns, "+%lld -%lld", START_MS + MINUTE_MS, START_MS + 7 * MINUTE_MS);
    assert_false(plan_of("every 60s", schedule, 9 * MINUTE_MS - 1).unhealthy); /* two of its own: 7 and 8 */
    assert_true(plan_of("every 60s", schedule, 9 * MINUTE_MS).unhealthy);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_is_right_is_left_alone),
        cmocka_unit_test(one_without_a_next_due_time_gets_it),
        cmocka_unit_test(one_that_has_ended_stays_so),
        cmocka_unit_test(one_that_leaves_due_times_out_is_put_right),
        cmocka_unit_test(due_times_that_have_passed_do_not_come_back),
        cmocka_unit_test(an_offset_that_is_not_its_own_is_put_right),
        cmocka_unit_test(in_the_others_turn_it_is_not_unhealthy),
        cmocka_unit_test(two_periods_without_a_job_that_was_done_are_unhealthy),
    };
    return UNIT_RUN(tests);
}
