/* templates - a schedule of every organization: who has it, from when on, and what it costs. Of one lane: lane 0 has the say. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/integration/templates.h"

/* ---- who has it ---- */

static void organizations_that_are_there_get_it_by_a_walk(void **state)
{
    struct fixture *f = *state;
    make_orgs(f, 300);
    const char *since = now_text(f);

    assert_string_equal(reply_text(reply_element(template_set(f, "report", &(struct definition){0}), 0)), "new");
    assert_string_equal(reply_text(reply_element(lane_call(f, "due", "10"), 5)), "report");
    assert_int_equal(due_count(f), 0);
    clock_advance_ms(f, 1000);
    walk_to_the_end(f, "report");

    assert_string_equal(reply_text(reply_element(lane_call(f, "due", "10"), 5)), "");
    assert_int_equal(lane_redis(f, "ZCARD %s", lane_key(f, "schedules"))->integer, 300);
    assert_string_equal(entry(f, org(f, 7)), since); /* due times are its own from the definition on, not from the walk */
    assert_int_equal(due_count(f), 256);
}

static void AP_10_an_organization_that_comes_later_has_it_at_once(void **state)
{
    struct fixture *f = *state;
    make_orgs(f, 1);
    template_set(f, "report", &(struct definition){0});
    walk_to_the_end(f, "report");
    clock_advance_ms(f, 90000);

    lane_enqueue(f, org(f, 1), "job1", NULL);
    lane_call(f, "org_set", "tester %s weight 3", org(f, 2));
    clock_advance_ms(f, 5);
    lane_enqueue(f, org(f, 1), "job2", NULL);

    assert_string_equal(entry(f, org(f, 1)), fixture_text(f, "%lld", (long long)(CLOCK_START_MS + 90000)));
    assert_int_equal(due_count(f), 3);
    assert_string_equal(shown(f, org(f, 1), "since_ms"), fixture_text(f, "%lld", (long long)(CLOCK_START_MS + 90000)));
    assert_string_equal(shown(f, org(f, 1), "recurrence"), "every start=1970-01-01T00:00:00.000Z 60s");
    assert_int_equal(reply_element(lane_call(f, "schedule", "nobody report"), 1)->elements, 0);
}

static void one_that_comes_while_a_walk_is_under_way_is_not_missed(void **state)
{
    struct fixture *f = *state;
    make_orgs(f, 300);
    template_set(f, "report", &(struct definition){0});
    assert_string_equal(reply_text(reply_element(lane_call(f, "template_walk", "report 50"), 0)), "walking");
    clock_advance_ms(f, 1000);
    for (unsigned n = 300; n < 310; n++)
        lane_enqueue(f, org(f, n), "job1", NULL);

    walk_to_the_end(f, "report");

    assert_int_equal(lane_redis(f, "ZCARD %s", lane_key(f, "schedules"))->integer, 310);
    assert_string_equal(entry(f, org(f, 305)), now_text(f)); /* a repeat of the walk leaves it as it is */
}

static void the_first_tick_arms_it_and_the_next_gives_the_job(void **state)
{
    struct fixture *f = *state;
    make_orgs(f, 1);
    template_set(f, "report", &(struct definition){0});
    walk_to_the_end(f, "report");

    assert_string_equal(template_tick(f, org(f, 0), "report", "1", 0, minute(1)), "rearmed");
    assert_string_equal(entry(f, org(f, 0)), fixture_text(f, "%lld", (long long)minute(1)));
    assert_string_equal(template_tick(f, org(f, 0), "report", "1", minute(1), minute(2)), "early");
    clock_advance_ms(f, MINUTE_MS);
    assert_string_equal(template_tick(f, org(f, 0), "report", "1", minute(1), minute(2)), "ticked");

    assert_string_equal(template_tick(f, org(f, 0), "report", "1", minute(1), minute(2)), "stale");
    assert_string_equal(lane_place(f, org(f, 0), schedule_job(f, 1)), "ready:default");
    assert_string_equal(shown(f, org(f, 0), "runs"), "1");
}

static void an_organizations_own_schedule_of_that_name_wins(void **state)
{
    struct fixture *f = *state;
    make_orgs(f, 2);
    schedule_set(f, org(f, 0), "report", NULL);
    template_set(f, "report", &(struct definition){.recurrence = "every 5000 0"});
    walk_to_the_end(f, "report");
    assert_string_equal(shown(f, org(f, 0), "recurrence"), "every start=1970-01-01T00:00:00.000Z 60s");
    assert_string_equal(entry(f, org(f, 0)), fixture_text(f, "%lld", (long long)minute(1)));
    assert_error(schedule_set_any(f, org(f, 1), "report", &(struct definition){0}), "INVALID schedule report is one of every");
    assert_error(lane_call(f, "schedule_remove", "tester %s report", org(f, 1)), "INVALID schedule report is one of every");

    lane_call(f, "schedule_remove", "tester %s report", org(f, 0));

    assert_string_equal(entry(f, org(f, 0)), now_text(f));
    assert_string_equal(shown(f, org(f, 0), "recurrence"), "every 5000 0");
}

static void they_are_listed_among_those_of_the_organization(void **state)
{
    struct fixture *f = *state;
    make_orgs(f, 1);
    schedule_set(f, org(f, 0), "a", NULL);
    schedule_set(f, org(f, 0), "z", NULL);
    schedule_set(f, org(f, 0), "m", NULL);
    template_set(f, "m", &(struct definition){0});
    template_set(f, "report", &(struct definition){0});
    const char *cursor = "", *seen = "";

    do {
        const redisReply *reply = lane_call(f, "schedules", "%s %s 2", org(f, 0), cursor);
        for (size_t i = 0; i < reply_element(reply, 2)->elements; i += 3)
            seen = fixture_text(f, "%s%s ", seen, reply_text(reply_element(reply_element(reply, 2), i + 1)));
        cursor = reply_text(reply_element(reply, 1));
    } while (cursor[0]);

    assert_string_equal(seen, "a m report z ");
    walk_to_the_end(f, "m");
    walk_to_the_end(f, "report");
}

static void a_deleted_organization_has_none(void **state)
{
    struct fixture *f = *state;
    make_orgs(f, 2);
    template_set(f, "report", &(struct definition){0});
    walk_to_the_end(f, "report");
    template_tick(f, org(f, 0), "report", "1", 0, minute(1));

    lane_call(f, "org_delete", "tester %s begin", org(f, 0));
    assert_error(lane_call(f, "schedule_own", "tester %s report 1 0 0 off 1", org(f, 0)), "INVALID");
    lane_call(f, "org_delete", "tester %s step 100", org(f, 0));

    assert_string_equal(entry(f, org(f, 0)), "");
    assert_string_equal(template_tick(f, org(f, 0), "report", "1", minute(1), minute(2)), "stale");
    assert_int_equal(lane_redis(f, "EXISTS %s", lane_key(f, "org:acme:schedule:report"))->integer, 0);
}

/* ---- what it costs ---- */

/* What is looked up for all of them is looked up once in a call, and sent once. */
static void AP_12_what_they_share_is_looked_up_once_per_tick(void **state)
{
    struct fixture *f = *state;
    struct lane_record large = {.payload = fixture_text(f, "%0100000d", 1), .payload_bytes = 100000};
    long long calls[2];
    make_orgs(f, 200);
    template_set(f, "report", &(struct definition){.record = &large});
    walk_to_the_end(f, "report");

    for (int i = 0; i < 2; i++) {
        lane_call(f, "due", i ? "100" : "50");
        calls[i] = lane_calls(f);
    }
    const redisReply *reply = lane_call(f, "due", "200");

    assert_int_equal(calls[1] - calls[0], 50 * 2);                /* for each: its hash, and its place */
    assert_int_equal(reply_element(reply, 2)->elements, 200 * 3); /* all of 1 MiB would be 10 of them, if each had the record */
    assert_int_equal(reply_element(reply, 3)->elements, 2);
    assert_string_equal(value_of(reply_element(reply_element(reply, 2), 2), "record"), "");
    for (int round = 0; round < 2; round++) {
        struct args args = {0};
        for (unsigned n = 0; n < (round ? 60U : 30U); n++) {
            args_text(&args, "%s", org(f, n + 30U * (unsigned)round));
            const char *const words[] = {"report", "1", "0", "", fixture_text(f, "%lld", (long long)minute(1)), "0", "0", "0"};
            for (int i = 0; i < 8; i++)
                args_text(&args, "%s", words[i]);
        }
        lane_call_args(f, "tick", &args);
        calls[round] = lane_calls(f);
    }
    assert_true(calls[1] - calls[0] <= 30 * 7);
    assert_true(calls[0] <= 30 * 7 + 4);
}

/* The leader asks what is due, and that is all. */
static void what_is_not_due_costs_nothing(void **state)
{
    struct fixture *f = *state;
    make_orgs(f, 2);
    lane_call(f, "due", "256");
    long long before = lane_calls(f);
    template_set(f, "report", &(struct definition){0});
    walk_to_the_end(f, "report");
    for (unsigned n = 0; n < 2; n++)
        template_tick(f, org(f, n), "report", "1", 0, minute(1));

    lane_call(f, "due", "256");

    assert_int_equal(lane_calls(f), before);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(organizations_that_are_there_get_it_by_a_walk),
        cmocka_unit_test(AP_10_an_organization_that_comes_later_has_it_at_once),
        cmocka_unit_test(one_that_comes_while_a_walk_is_under_way_is_not_missed),
        cmocka_unit_test(the_first_tick_arms_it_and_the_next_gives_the_job),
        cmocka_unit_test(an_organizations_own_schedule_of_that_name_wins),
        cmocka_unit_test(they_are_listed_among_those_of_the_organization),
        cmocka_unit_test(a_deleted_organization_has_none),
        cmocka_unit_test(AP_12_what_they_share_is_looked_up_once_per_tick),
        cmocka_unit_test(what_is_not_due_costs_nothing),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return RUN_IN_LANES("templates", tests);
}
