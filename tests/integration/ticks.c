/* ticks - one job for each due time of a schedule, whoever ticks and how often, and what stands in the way. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/schedules.h"

/* ---- one job for each due time ---- */

static void a_due_time_gives_one_job_with_its_name(void **state)
{
    struct fixture *f = *state;
    schedule_set(f, "acme", "report", NULL);
    clock_advance_ms(f, MINUTE_MS + 20);

    assert_string_equal(schedule_tick(f, 1), "ticked");

    assert_string_equal(lane_place(f, "acme", schedule_job(f, 1)), "ready:default");
    assert_string_equal(schedule_field(f, "next_ms"), fixture_text(f, "%lld", (long long)minute(2)));
    assert_string_equal(schedule_field(f, "last_job"), schedule_job(f, 1));
    assert_string_equal(schedule_field(f, "late_ms"), "20");
    assert_string_equal(schedule_field(f, "runs"), "1");
}

static void PB_3_a_second_tick_of_a_due_time_changes_nothing(void **state)
{
    struct fixture *f = *state;
    schedule_set(f, "acme", "report", NULL);
    clock_advance_ms(f, MINUTE_MS);
    schedule_tick(f, 1);
    const char *digest = lane_digest(f);

    assert_string_equal(schedule_tick(f, 1), "stale");

    assert_string_equal(lane_digest(f), digest);
}

static void GA_14_nothing_ticks_before_its_time(void **state)
{
    struct fixture *f = *state;
    schedule_set(f, "acme", "report", &(struct definition){.spread_ms = 5000, .offset_ms = 3000});
    clock_advance_ms(f, MINUTE_MS + 2999);
    const char *digest = lane_digest(f);
    assert_string_equal(schedule_tick(f, 1), "early");
    assert_string_equal(lane_digest(f), digest);

    clock_advance_ms(f, 1);
    assert_string_equal(schedule_tick(f, 1), "ticked");
    assert_string_equal(schedule_field(f, "late_ms"), "0");
}

static void a_tick_of_an_older_definition_is_stale(void **state)
{
    struct fixture *f = *state;
    schedule_set(f, "acme", "report", NULL);
    schedule_set(f, "acme", "report", &(struct definition){.recurrence = "every 120000 0"});
    clock_advance_ms(f, MINUTE_MS);

    assert_string_equal(schedule_tick(f, 1), "stale");
    assert_string_equal(lane_place(f, "acme", schedule_job(f, 1)), "");
}

static void several_due_times_are_caught_up_in_one_call(void **state)
{
    struct fixture *f = *state;
    schedule_set(f, "acme", "report", NULL);
    clock_advance_ms(f, 5 * MINUTE_MS);

    assert_string_equal(
        schedule_tick_at(f, "acme", "report", minute(1), minute(6), 2, (int64_t[]){minute(3), minute(4), minute(5), 0}),
        "ticked");

    assert_string_equal(lane_place(f, "acme", schedule_job(f, 1)), "");
    for (int due = 3; due <= 5; due++)
        assert_string_equal(lane_place(f, "acme", schedule_job(f, due)), "ready:default");
    assert_string_equal(schedule_field(f, "missed_count"), "2");
    assert_string_equal(schedule_field(f, "runs"), "3");
    const redisReply *events = lane_redis(f, "XREVRANGE %s + - COUNT 1", lane_key(f, "events"));
    assert_non_null(strstr(reply_text(reply_element(reply_element(reply_element(events, 0), 1), 7)), "2 due times missed"));
}

static void a_due_time_whose_job_is_there_is_served(void **state)
{
    struct fixture *f = *state;
    schedule_set(f, "acme", "report", NULL);
    lane_enqueue(f, "acme", schedule_job(f, 1), &(struct lane_record){.type = "other", .nonce = 7});
    clock_advance_ms(f, MINUTE_MS);

    assert_string_equal(schedule_tick(f, 1), "ticked");

    assert_string_equal(schedule_field(f, "runs"), "");
    assert_string_equal(schedule_field(f, "next_ms"), fixture_text(f, "%lld", (long long)minute(2)));
}

/* As after new data for its zone: what was stored is none any more, and the one in its place has passed, or is to come. */
static void a_due_time_that_is_none_any_more_is_replaced(void **state)
{
    struct fixture *f = *state;
    schedule_set(f, "acme", "report", NULL);
    clock_advance_ms(f, MINUTE_MS);

    const redisReply *reply =
        lane_call(f, "tick", "acme report 1 %lld %s %lld %s 0 0", (long long)minute(1), "", (long long)minute(0) + 5, "");

    assert_string_equal(reply_text(reply_element(reply, 0)), "rearmed");
    assert_string_equal(lane_place(f, "acme", schedule_job(f, 1)), "");
    assert_string_equal(schedule_field(f, "last_ms"), "");
    assert_string_equal(schedule_tick_at(f, "acme", "report", minute(0) + 5, minute(2), 0, (int64_t[]){minute(0) + 5, 0}),
                        "ticked");
    assert_error(lane_call(f, "tick", "acme report 1 %lld %s %lld %s 1 0", (long long)minute(2), "", (long long)minute(3), ""),
                 "INVALID missed");
}

static void the_last_due_time_ends_it(void **state)
{
    struct fixture *f = *state;
    schedule_set(f, "acme", "report", NULL);
    clock_advance_ms(f, MINUTE_MS);

    assert_string_equal(schedule_tick_at(f, "acme", "report", minute(1), 0, 0, (int64_t[]){minute(1), 0}), "ticked");

    assert_string_equal(schedule_field(f, "next_ms"), "");
    assert_string_equal(reply_text(lane_redis(f, "ZSCORE %s acme/report", lane_key(f, "schedules"))), "inf");
}

/* ---- what stands in the way ---- */

static void a_run_that_is_not_over_holds_the_next_one_back(void **state)
{
    struct fixture *f = *state;
    schedule_set(f, "acme", "report", &(struct definition){.overlap = "skip"});
    lane_open(f, "w1", 600000);
    clock_advance_ms(f, MINUTE_MS);
    schedule_tick(f, 1);
    clock_advance_ms(f, MINUTE_MS);
    assert_string_equal(schedule_tick(f, 2), "skipped");
    struct lane_lease lease = lane_claim_one(f, "w1");
    clock_advance_ms(f, MINUTE_MS);
    assert_string_equal(schedule_tick(f, 3), "skipped");
    assert_string_equal(lane_place(f, "acme", schedule_job(f, 3)), "");
    lane_end(f, &lease, "done");
    clock_advance_ms(f, MINUTE_MS);

    assert_string_equal(schedule_tick(f, 4), "ticked");

    assert_string_equal(lane_place(f, "acme", schedule_job(f, 4)), "ready:default");
    assert_string_equal(schedule_field(f, "skipped_count"), "2");
}

static void a_retry_is_not_over(void **state)
{
    struct fixture *f = *state;
    schedule_set(f, "acme", "report", &(struct definition){.overlap = "skip"});
    lane_open(f, "w1", 600000);
    clock_advance_ms(f, MINUTE_MS);
    schedule_tick(f, 1);
    struct lane_lease lease = lane_claim_one(f, "w1");
    lane_end(f, &lease, "retry 600000 5");
    clock_advance_ms(f, MINUTE_MS);

    assert_string_equal(schedule_tick(f, 2), "skipped");
}

static const char *go(struct fixture *f, int due)
{
    struct bytes record = lane_record(f, NULL);
    long long due_ms = minute(due);

    return reply_text(reply_element(
        lane_call(f, "tick", "acme report 1 %lld %lld go %s 0 1 %lld %b", due_ms, due_ms, "", due_ms, record.data, record.length),
        0));
}

static void the_newest_of_those_that_wait_runs_when_the_one_before_is_over(void **state)
{
    struct fixture *f = *state;
    schedule_set(f, "acme", "report", &(struct definition){.overlap = "queue-one"});
    lane_open(f, "w1", 3600000);
    clock_advance_ms(f, MINUTE_MS);
    schedule_tick(f, 1);
    struct lane_lease lease = lane_claim_one(f, "w1");
    for (int due = 2; due <= 3; due++) {
        clock_advance_ms(f, MINUTE_MS);
        assert_string_equal(schedule_tick(f, due), "queued");
    }
    assert_string_equal(schedule_field(f, "skipped_count"), "1");
    lane_end(f, &lease, "retry 60000 5");
    assert_string_equal(go(f, 3), "stale"); /* the one before is not over */
    assert_int_equal(reply_element(lane_call(f, "due", "10"), 2)->elements, 0);
    clock_advance_ms(f, 60000);
    lane_call(f, "promote", "10");
    lease = lane_claim_one(f, "w1");

    lane_end(f, &lease, "dead");

    assert_int_equal(reply_element(lane_call(f, "due", "10"), 2)->elements, 3);
    assert_string_equal(go(f, 2), "stale");
    assert_string_equal(go(f, 3), "ticked");
    assert_string_equal(go(f, 3), "stale");
    assert_string_equal(lane_place(f, "acme", schedule_job(f, 3)), "ready:default");
    assert_string_equal(lane_place(f, "acme", schedule_job(f, 2)), "");
    assert_string_equal(schedule_field(f, "runs"), "2");
}

static void one_that_runs_is_cancelled_for_the_next(void **state)
{
    struct fixture *f = *state;
    schedule_set(f, "acme", "report", &(struct definition){.overlap = "cancel-running"});
    lane_open(f, "w1", 3600000);
    clock_advance_ms(f, MINUTE_MS);
    schedule_tick(f, 1);
    clock_advance_ms(f, MINUTE_MS);
    assert_string_equal(schedule_tick(f, 2), "ticked"); /* the first one had not begun */
    assert_string_equal(lane_place(f, "acme", schedule_job(f, 1)), "cancelled");
    struct lane_lease lease = lane_claim_one(f, "w1");
    clock_advance_ms(f, MINUTE_MS);
    assert_string_equal(schedule_tick(f, 3), "queued");
    assert_string_equal(lane_place(f, "acme", schedule_job(f, 2)), "running");

    lane_end(f, &lease, "release 0");

    assert_string_equal(lane_place(f, "acme", schedule_job(f, 2)), "cancelled");
    assert_string_equal(go(f, 3), "ticked");
    assert_string_equal(lane_place(f, "acme", schedule_job(f, 3)), "ready:default");
}

/* Its job was deleted by hand: a newer one takes its place. */
static void one_that_waits_in_vain_gives_way(void **state)
{
    struct fixture *f = *state;
    schedule_set(f, "acme", "report", &(struct definition){.overlap = "queue-one"});
    lane_open(f, "w1", 3600000);
    clock_advance_ms(f, MINUTE_MS);
    schedule_tick(f, 1);
    struct lane_lease lease = lane_claim_one(f, "w1");
    clock_advance_ms(f, MINUTE_MS);
    schedule_tick(f, 2);
    lane_end(f, &lease, "done");
    clock_advance_ms(f, MINUTE_MS);

    assert_string_equal(schedule_tick(f, 3), "ticked");

    assert_string_equal(go(f, 2), "stale");
    assert_string_equal(schedule_field(f, "pending_ms"), "");
    assert_string_equal(schedule_field(f, "skipped_count"), "1");
}

static void a_stopped_intake_holds_due_times(void **state)
{
    struct fixture *f = *state;
    schedule_set(f, "acme", "report", NULL);
    clock_advance_ms(f, MINUTE_MS);
    lane_call(f, "intake", "tester stop weak");
    assert_string_equal(schedule_tick(f, 1), "intake_paused");

    lane_call(f, "intake", "tester resume ok");

    assert_string_equal(schedule_tick(f, 1), "ticked");
}

static void a_job_that_cannot_be_taken_in_does_not_stop_the_schedule(void **state)
{
    struct fixture *f = *state;
    schedule_set(f, "acme", "report", NULL);
    schedule_set(f, "acme", "other", NULL);
    clock_advance_ms(f, MINUTE_MS);
    lane_call(f, "org_set", "tester acme max_payload_bytes 3");

    assert_string_equal(schedule_tick(f, 1), "refused too_large");

    assert_string_equal(schedule_field(f, "refused"), "too_large");
    assert_string_equal(schedule_field(f, "next_ms"), fixture_text(f, "%lld", (long long)minute(2)));
}

/* ---- what is due ---- */

static void due_names_what_has_come_and_when_the_next_will(void **state)
{
    struct fixture *f = *state;
    const char *other = lane_org(f, 1);
    schedule_set(f, "acme", "report", NULL);
    schedule_set(f, "acme", "later", &(struct definition){.next_ms = minute(3)});
    schedule_set(f, other, "report", &(struct definition){.next_ms = minute(1) + 500});
    clock_advance_ms(f, MINUTE_MS + 500);

    const redisReply *reply = lane_call(f, "due", "10");

    assert_int_equal(reply_number(reply_element(reply, 0)), clock_ms(f));
    assert_int_equal(reply_number(reply_element(reply, 1)), minute(3));
    const redisReply *list = reply_element(reply, 2);
    assert_int_equal(list->elements, 6);
    assert_string_equal(reply_text(reply_element(list, 0)), "acme");
    assert_string_equal(reply_text(reply_element(list, 1)), "report");
    assert_string_equal(reply_text(reply_element(list, 3)), other);
}

static void one_call_serves_several_organizations(void **state)
{
    struct fixture *f = *state;
    struct bytes record = lane_record(f, NULL);
    const char *orgs[] = {"acme", lane_org(f, 1), lane_org(f, 2)};
    struct args args = {0};
    for (int i = 0; i < 3; i++) {
        schedule_set(f, orgs[i], "report", NULL);
        args_text(&args, "%s", orgs[i]);
        const char *const values[] = {"report", i == 1 ? "9" : "1"};
        for (int j = 0; j < 2; j++)
            args_text(&args, "%s", values[j]);
        const int64_t numbers[] = {minute(1), minute(1), minute(2), -1, 0, 1, minute(1)};
        for (int j = 0; j < 7; j++)
            args_text(&args, "%s", numbers[j] < 0 ? "" : fixture_text(f, "%lld", (long long)numbers[j]));
        args_add(&args, record.data, record.length);
    }
    clock_advance_ms(f, MINUTE_MS);

    const redisReply *reply = lane_call_args(f, "tick", &args);

    assert_string_equal(reply_text(reply_element(reply, 0)), "ticked");
    assert_string_equal(reply_text(reply_element(reply, 1)), "stale");
    assert_string_equal(reply_text(reply_element(reply, 2)), "ticked");
    assert_string_equal(lane_place(f, orgs[2], schedule_job(f, 1)), "ready:default");
}

/* ---- changes ---- */

/* What waits for a job that somebody deletes goes on; and one that goes on may be put off. */
static void one_that_waits_for_a_deleted_job_is_let_go(void **state)
{
    struct fixture *f = *state;
    schedule_set(f, "acme", "report", &(struct definition){.overlap = "queue-one"});
    clock_advance_ms(f, MINUTE_MS);
    schedule_tick(f, 1);
    clock_advance_ms(f, MINUTE_MS);
    assert_string_equal(schedule_tick(f, 2), "queued");

    lane_call(f, "delete", "tester acme %s", schedule_job(f, 1));

    assert_string_equal(schedule_field(f, "pending_go"), "1");
    lane_call(f, "tick_later", "acme report 1 %lld 5000 why", (long long)minute(3));
    assert_int_equal(reply_element(lane_call(f, "due", "10"), 2)->elements, 0);
    clock_advance_ms(f, 5000);
    assert_int_equal(reply_element(lane_call(f, "due", "10"), 2)->elements, 3);
    assert_string_equal(go(f, 2), "ticked");
}

/* ---- refusals ---- */

static void a_tick_that_makes_no_sense_is_refused(void **state)
{
    struct fixture *f = *state;
    schedule_set(f, "acme", "report", NULL);
    clock_advance_ms(f, 9 * MINUTE_MS);
    const char *digest = lane_digest(f);
    const int64_t before[] = {minute(0), 0}, twice[] = {minute(1), minute(1), 0}, beyond[] = {minute(2), 0};

    assert_non_null(strstr(schedule_tick_at(f, "acme", "report", minute(1), minute(1), 0, (int64_t[]){0}), "next_ms is"));
    assert_non_null(strstr(schedule_tick_at(f, "acme", "report", minute(1), minute(2), 0, before), "through_ms"));
    assert_non_null(strstr(schedule_tick_at(f, "acme", "report", minute(1), minute(2), 0, twice), "due_ms of a job"));
    assert_non_null(strstr(schedule_tick_at(f, "acme", "report", minute(1), minute(2), 0, beyond), "next_ms"));
    assert_string_equal(lane_digest(f), digest);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_due_time_gives_one_job_with_its_name),
        cmocka_unit_test(PB_3_a_second_tick_of_a_due_time_changes_nothing),
        cmocka_unit_test(GA_14_nothing_ticks_before_its_time),
        cmocka_unit_test(a_tick_of_an_older_definition_is_stale),
        cmocka_unit_test(several_due_times_are_caught_up_in_one_call),
        cmocka_unit_test(a_due_time_whose_job_is_there_is_served),
        cmocka_unit_test(a_due_time_that_is_none_any_more_is_replaced),
        cmocka_unit_test(the_last_due_time_ends_it),
        cmocka_unit_test(a_run_that_is_not_over_holds_the_next_one_back),
        cmocka_unit_test(a_retry_is_not_over),
        cmocka_unit_test(the_newest_of_those_that_wait_runs_when_the_one_before_is_over),
        cmocka_unit_test(one_that_runs_is_cancelled_for_the_next),
        cmocka_unit_test(one_that_waits_in_vain_gives_way),
        cmocka_unit_test(a_stopped_intake_holds_due_times),
        cmocka_unit_test(a_job_that_cannot_be_taken_in_does_not_stop_the_schedule),
        cmocka_unit_test(due_names_what_has_come_and_when_the_next_will),
        cmocka_unit_test(one_call_serves_several_organizations),
        cmocka_unit_test(one_that_waits_for_a_deleted_job_is_let_go),
        cmocka_unit_test(a_tick_that_makes_no_sense_is_refused),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return RUN_IN_LANES("ticks", tests);
}
