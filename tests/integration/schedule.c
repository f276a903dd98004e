/* schedule - definitions of recurrences: what becomes of them when they are changed, and what they know of their jobs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/schedules.h"

static void a_paused_one_does_not_tick_and_goes_on_from_now(void **state)
{
    struct fixture *f = *state;
    schedule_set(f, "acme", "report", NULL);
    assert_reply(lane_call(f, "schedule_pause", "ann acme report"), "paused");
    assert_reply(lane_call(f, "schedule_pause", "bob acme report"), "same");
    clock_advance_ms(f, 5 * MINUTE_MS);
    assert_string_equal(schedule_tick(f, 1), "paused");
    assert_int_equal(reply_element(lane_call(f, "due", "10"), 2)->elements, 0);
    assert_string_equal(schedule_field(f, "paused_by"), "ann");

    assert_reply(lane_call(f, "schedule_resume", "ann acme report 1 %lld", (long long)minute(6)), "resumed");

    clock_advance_ms(f, MINUTE_MS);
    assert_string_equal(schedule_tick(f, 6), "ticked");
    assert_string_equal(schedule_field(f, "missed_count"), "");
}

/* ---- what became of its jobs ---- */

static void PB_8_it_knows_what_became_of_its_jobs(void **state)
{
    struct fixture *f = *state;
    schedule_set(f, "acme", "report", NULL);
    lane_open(f, "w1", 600000);
    static const char *const verdicts[] = {"done", "dead", "dead", "done", "dead"};
    for (int due = 1; due <= 5; due++) {
        clock_advance_ms(f, MINUTE_MS);
        schedule_tick(f, due);
        struct lane_lease lease = lane_claim_one(f, "w1");
        lane_end(f, &lease, verdicts[due - 1]);
    }

    assert_string_equal(schedule_field(f, "done"), "2");
    assert_string_equal(schedule_field(f, "failed"), "3");
    assert_string_equal(schedule_field(f, "failed_since_done"), "1");
    assert_string_equal(schedule_field(f, "last_outcome"), "dead");
    assert_string_equal(schedule_field(f, "last_done_ms"), fixture_text(f, "%lld", (long long)minute(4)));
}

static void outcomes_are_noted_also_where_nothing_is_kept(void **state)
{
    struct fixture *f = *state;
    schedule_set(f, "acme", "report", NULL);
    lane_call(f, "org_set", "tester acme keep_done_max 0");
    lane_open(f, "w1", 600000);
    clock_advance_ms(f, MINUTE_MS);
    schedule_tick(f, 1);
    struct lane_lease lease = lane_claim_one(f, "w1");

    lane_end(f, &lease, "done");

    assert_string_equal(schedule_field(f, "done"), "1");
}

static void a_schedule_that_is_gone_does_not_come_back_with_its_last_job(void **state)
{
    struct fixture *f = *state;
    schedule_set(f, "acme", "report", NULL);
    lane_open(f, "w1", 600000);
    clock_advance_ms(f, MINUTE_MS);
    schedule_tick(f, 1);
    struct lane_lease lease = lane_claim_one(f, "w1");
    assert_string_equal(reply_text(reply_element(lane_call(f, "schedule_remove", "tester acme report"), 1)), "");

    lane_end(f, &lease, "done");

    assert_int_equal(lane_redis(f, "EXISTS %s", lane_key(f, "org:acme:schedule:report"))->integer, 0);
}

/* ---- changes ---- */

static void a_removed_one_takes_the_job_back_that_has_not_begun(void **state)
{
    struct fixture *f = *state;
    schedule_set(f, "acme", "report", NULL);
    clock_advance_ms(f, MINUTE_MS);
    schedule_tick(f, 1);

    const redisReply *reply = lane_call(f, "schedule_remove", "tester acme report");

    assert_string_equal(reply_text(reply_element(reply, 1)), schedule_job(f, 1));
    assert_string_equal(lane_place(f, "acme", schedule_job(f, 1)), "cancelled");
    assert_string_equal(schedule_tick(f, 2), "stale");
    assert_string_equal(reply_text(reply_element(lane_call(f, "schedule_remove", "tester acme report"), 0)), "unknown");
}

static void the_same_definition_keeps_its_next_due_time(void **state)
{
    struct fixture *f = *state;
    schedule_set(f, "acme", "report", NULL);

    const redisReply *reply = schedule_set_any(f, "acme", "report", &(struct definition){.next_ms = minute(9)});

    assert_string_equal(reply_text(reply_element(reply, 0)), "same");
    assert_string_equal(schedule_field(f, "next_ms"), fixture_text(f, "%lld", (long long)minute(1)));
}

/* As when somebody changes it while a leader ticks: a due time that is served is not the next one again. */
static void one_whose_times_stay_keeps_its_next_due_time(void **state)
{
    struct fixture *f = *state;
    schedule_set(f, "acme", "report", NULL);
    clock_advance_ms(f, MINUTE_MS);
    schedule_tick(f, 1);

    const redisReply *reply =
        schedule_set_any(f, "acme", "report", &(struct definition){.next_ms = minute(1), .overlap = "skip"});

    assert_string_equal(reply_text(reply_element(reply, 0)), "changed");
    assert_string_equal(schedule_field(f, "next_ms"), fixture_text(f, "%lld", (long long)minute(2)));
}

static void a_definition_takes_the_place_of_the_one_it_names(void **state)
{
    struct fixture *f = *state;
    assert_string_equal(reply_text(reply_element(schedule_set_any(f, "acme", "report", &(struct definition){.rev = "1"}), 0)),
                        "unknown");
    schedule_set(f, "acme", "report", &(struct definition){.rev = "0"});
    const struct definition other = {.rev = "0", .recurrence = "every 5000 0"},
                            right = {.rev = "1", .recurrence = "every 5000 0"};

    assert_string_equal(reply_text(reply_element(schedule_set_any(f, "acme", "report", &other), 0)), "exists");
    assert_string_equal(schedule_field(f, "recurrence"), "every start=1970-01-01T00:00:00.000Z 60s");
    assert_string_equal(reply_text(reply_element(schedule_set_any(f, "acme", "report", &right), 0)), "changed");
    assert_string_equal(schedule_field(f, "rev"), "2");
}

static void a_run_by_hand_is_a_job_beside_the_due_times(void **state)
{
    struct fixture *f = *state;
    schedule_set(f, "acme", "report", NULL);

    const redisReply *reply = lane_call(f, "schedule_run", "tester acme report");

    assert_string_equal(reply_text(reply_element(reply, 0)), "new");
    assert_string_equal(reply_text(reply_element(reply, 1)), schedule_job(f, 0));
    assert_string_equal(lane_place(f, "acme", schedule_job(f, 0)), "ready:default");
    assert_string_equal(schedule_field(f, "next_ms"), fixture_text(f, "%lld", (long long)minute(1)));
}

static void a_deleted_organization_has_no_schedules(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 5; i++)
        schedule_set(f, "acme", fixture_text(f, "s%d", i), NULL);

    lane_delete_org(f, "acme", 2);

    assert_int_equal(lane_redis(f, "ZCARD %s", lane_key(f, "schedules"))->integer, 0);
}

static void schedules_are_listed_by_name_page_by_page(void **state)
{
    struct fixture *f = *state;
    const char *other = lane_org(f, 1);
    static const char *const names[] = {"cc", "aa", "dd", "bb", "ee"};
    for (int i = 0; i < 5; i++)
        schedule_set(f, "acme", names[i], NULL);
    schedule_set(f, other, "zz", NULL);
    const char *cursor = "", *seen = "";
    int pages = 0;

    do {
        const redisReply *reply = lane_call(f, "schedules", "acme %s 2", cursor);
        const redisReply *list = reply_element(reply, 2);
        for (size_t i = 0; i + 2 < list->elements + 0; i += 3)
            seen = fixture_text(f, "%s%s ", seen, reply_text(reply_element(list, i + 1)));
        cursor = reply_text(reply_element(reply, 1));
        pages++;
    } while (cursor[0]);

    assert_string_equal(seen, "aa bb cc dd ee ");
    assert_int_equal(pages, 3);
    assert_int_equal(reply_element(lane_call(f, "schedules", "%s %s 100", "", ""), 2)->elements, 18);
}

/* ---- refusals ---- */

static void what_is_out_of_range_is_refused_before_anything_is_written(void **state)
{
    struct fixture *f = *state;
    const char *digest = lane_digest(f);

    assert_error(schedule_set_any(f, "acme", "a/b", &(struct definition){0}), "INVALID schedule \"a/b\"");
    assert_error(schedule_set_any(f, "acme", fixture_text(f, "%049d", 0), &(struct definition){0}), "INVALID schedule");
    assert_error(schedule_set_any(f, "acme", "a", &(struct definition){.overlap = "maybe"}), "INVALID overlap is \"maybe\"");
    assert_error(schedule_set_any(f, "acme", "a", &(struct definition){.spread_ms = 5, .offset_ms = 6}),
                 "INVALID offset_ms is \"6\"");
    assert_error(schedule_set_any(f, "acme", "a", &(struct definition){.recurrence = fixture_text(f, "%01281d", 0)}),
                 "INVALID a recurrence");
    assert_error(schedule_set_any(f, "acme", "a", &(struct definition){.record = &(struct lane_record){.due_ms = 5}}),
                 "INVALID option due_ms");
    assert_error(schedule_set_any(f, "acme", "a", &(struct definition){.record = &(struct lane_record){.key = "k"}}),
                 "INVALID option key");
    assert_error(lane_call(f, "schedule_set", "tester acme a  1 0 missed once"), "INVALID field recurrence is missing");
    assert_string_equal(lane_digest(f), digest);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_paused_one_does_not_tick_and_goes_on_from_now),
        cmocka_unit_test(PB_8_it_knows_what_became_of_its_jobs),
        cmocka_unit_test(outcomes_are_noted_also_where_nothing_is_kept),
        cmocka_unit_test(a_schedule_that_is_gone_does_not_come_back_with_its_last_job),
        cmocka_unit_test(a_removed_one_takes_the_job_back_that_has_not_begun),
        cmocka_unit_test(the_same_definition_keeps_its_next_due_time),
        cmocka_unit_test(one_whose_times_stay_keeps_its_next_due_time),
        cmocka_unit_test(a_definition_takes_the_place_of_the_one_it_names),
        cmocka_unit_test(a_run_by_hand_is_a_job_beside_the_due_times),
        cmocka_unit_test(a_deleted_organization_has_no_schedules),
        cmocka_unit_test(schedules_are_listed_by_name_page_by_page),
        cmocka_unit_test(what_is_out_of_range_is_refused_before_anything_is_written),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return RUN_IN_LANES("schedule", tests);
}
