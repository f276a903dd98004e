/* schedule - recurrences: one job for each due time, whoever ticks and how often, and what becomes of them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/lane.h"

#define MINUTE_MS 60000

/* A definition; zeroes are defaults. */
struct definition {
    const char *rev;     /* "" */
    int64_t next_ms;     /* a minute from the start of the clock; -1: none */
    const char *overlap; /* allow */
    int64_t spread_ms, offset_ms;
    const char *recurrence;           /* every minute */
    const struct lane_record *record; /* type test */
};

static int64_t minute(int n)
{
    return CLOCK_START_MS + n * (int64_t)MINUTE_MS;
}

static const redisReply *set_any(struct fixture *f, const char *org, const char *name, const struct definition *d)
{
    struct bytes record = lane_record(f, d->record);
    struct args args = {0};

    args_text(&args, "tester");
    args_text(&args, "%s", org);
    args_text(&args, "%s", name);
    args_text(&args, "%s", d->rev ? d->rev : "");
    args_text(&args, "%s", d->next_ms < 0 ? "" : fixture_text(f, "%lld", (long long)(d->next_ms ? d->next_ms : minute(1))));
    args_text(&args, "%lld", (long long)d->offset_ms);
    const char *const fields[] = {"recurrence", d->recurrence ? d->recurrence : "every start=1970-01-01T00:00:00.000Z 60s",
                                  "missed",     "once",
                                  "window_ms",  "86400000",
                                  "overlap",    d->overlap ? d->overlap : "allow",
                                  "spread_ms",  fixture_text(f, "%lld", (long long)d->spread_ms),
                                  "from_ms",    "0",
                                  "until_ms",   "0",
                                  "record"};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        args_text(&args, "%s", fields[i]);
    args_add(&args, record.data, record.length);
    return lane_call_args(f, "schedule_set", &args);
}

static void set(struct fixture *f, const char *org, const char *name, const struct definition *d)
{
    const redisReply *reply = set_any(f, org, name, d ? d : &(struct definition){0});

    if (reply->type != REDIS_REPLY_ARRAY)
        fail_msg("schedule_set: %s", reply->str);
}

/* One tick of a schedule of the first definition: due time `due`, the next one after it, jobs for these due times (0 ends). */
static const char *tick_at(struct fixture *f, const char *org, const char *name, int64_t due_ms, int64_t next_ms, int64_t missed,
                           const int64_t *jobs)
{
    struct bytes record = lane_record(f, NULL);
    struct args args = {0};
    size_t count = 0;

    while (jobs[count])
        count++;
    args_text(&args, "%s", org);
    args_text(&args, "%s", name);
    args_text(&args, "1");
    args_text(&args, "%lld", (long long)due_ms);
    args_text(&args, "%lld", (long long)(count > 0 ? jobs[count - 1] : due_ms));
    args_text(&args, "%s", next_ms ? fixture_text(f, "%lld", (long long)next_ms) : "");
    args_text(&args, "%lld", (long long)missed);
    args_text(&args, "%zu", count);
    for (size_t i = 0; i < count; i++) {
        args_text(&args, "%lld", (long long)jobs[i]);
        args_add(&args, record.data, record.length);
    }
    const redisReply *reply = lane_call_args(f, "tick", &args);
    if (reply->type == REDIS_REPLY_ERROR)
        return reply->str;
    return reply_text(reply_element(reply, 0));
}

static const char *tick(struct fixture *f, int due)
{
    return tick_at(f, "acme", "report", minute(due), minute(due + 1), 0, (int64_t[]){minute(due), 0});
}

static const char *job_of(struct fixture *f, int due)
{
    return fixture_text(f, "report@%lld", (long long)minute(due));
}

static const char *field(struct fixture *f, const char *name)
{
    const redisReply *reply = lane_redis(f, "HGET %s %s", lane_key(f, "org:acme:schedule:report"), name);

    return reply->type == REDIS_REPLY_NIL ? "" : reply_text(reply);
}

/* ---- one job for each due time ---- */

static void a_due_time_gives_one_job_with_its_name(void **state)
{
    struct fixture *f = *state;
    set(f, "acme", "report", NULL);
    clock_advance_ms(f, MINUTE_MS + 20);

    assert_string_equal(tick(f, 1), "ticked");

    assert_string_equal(lane_place(f, "acme", job_of(f, 1)), "ready:default");
    assert_string_equal(field(f, "next_ms"), fixture_text(f, "%lld", (long long)minute(2)));
    assert_string_equal(field(f, "last_job"), job_of(f, 1));
    assert_string_equal(field(f, "late_ms"), "20");
    assert_string_equal(field(f, "runs"), "1");
}

static void a_second_tick_of_a_due_time_changes_nothing(void **state)
{
    struct fixture *f = *state;
    set(f, "acme", "report", NULL);
    clock_advance_ms(f, MINUTE_MS);
    tick(f, 1);
    const char *digest = lane_digest(f);

    assert_string_equal(tick(f, 1), "stale");

    assert_string_equal(lane_digest(f), digest);
}

static void nothing_ticks_before_its_time(void **state)
{
    struct fixture *f = *state;
    set(f, "acme", "report", &(struct definition){.spread_ms = 5000, .offset_ms = 3000});
    clock_advance_ms(f, MINUTE_MS + 2999);
    const char *digest = lane_digest(f);
    assert_string_equal(tick(f, 1), "early");
    assert_string_equal(lane_digest(f), digest);

    clock_advance_ms(f, 1);
    assert_string_equal(tick(f, 1), "ticked");
    assert_string_equal(field(f, "late_ms"), "0");
}

static void a_tick_of_an_older_definition_is_stale(void **state)
{
    struct fixture *f = *state;
    set(f, "acme", "report", NULL);
    set(f, "acme", "report", &(struct definition){.recurrence = "every 120000 0"});
    clock_advance_ms(f, MINUTE_MS);

    assert_string_equal(tick(f, 1), "stale");
    assert_string_equal(lane_place(f, "acme", job_of(f, 1)), "");
}

static void several_due_times_are_caught_up_in_one_call(void **state)
{
    struct fixture *f = *state;
    set(f, "acme", "report", NULL);
    clock_advance_ms(f, 5 * MINUTE_MS);

    assert_string_equal(tick_at(f, "acme", "report", minute(1), minute(6), 2, (int64_t[]){minute(3), minute(4), minute(5), 0}),
                        "ticked");

    assert_string_equal(lane_place(f, "acme", job_of(f, 1)), "");
    for (int due = 3; due <= 5; due++)
        assert_string_equal(lane_place(f, "acme", job_of(f, due)), "ready:default");
    assert_string_equal(field(f, "missed_count"), "2");
    assert_string_equal(field(f, "runs"), "3");
    const redisReply *events = lane_redis(f, "XREVRANGE %s + - COUNT 1", lane_key(f, "events"));
    assert_non_null(strstr(reply_text(reply_element(reply_element(reply_element(events, 0), 1), 7)), "2 due times missed"));
}

static void a_due_time_whose_job_is_there_is_served(void **state)
{
    struct fixture *f = *state;
    set(f, "acme", "report", NULL);
    lane_enqueue(f, "acme", job_of(f, 1), &(struct lane_record){.type = "other", .nonce = 7});
    clock_advance_ms(f, MINUTE_MS);

    assert_string_equal(tick(f, 1), "ticked");

    assert_string_equal(field(f, "runs"), "");
    assert_string_equal(field(f, "next_ms"), fixture_text(f, "%lld", (long long)minute(2)));
}

/* As after new data for its zone: what was stored is none any more, and the one in its place has passed, or is to come. */
static void a_due_time_that_is_none_any_more_is_replaced(void **state)
{
    struct fixture *f = *state;
    set(f, "acme", "report", NULL);
    clock_advance_ms(f, MINUTE_MS);

    const redisReply *reply =
        lane_call(f, "tick", "acme report 1 %lld %s %lld 0 0", (long long)minute(1), "", (long long)minute(0) + 5);

    assert_string_equal(reply_text(reply_element(reply, 0)), "rearmed");
    assert_string_equal(lane_place(f, "acme", job_of(f, 1)), "");
    assert_string_equal(field(f, "last_ms"), "");
    assert_string_equal(tick_at(f, "acme", "report", minute(0) + 5, minute(2), 0, (int64_t[]){minute(0) + 5, 0}), "ticked");
    assert_error(lane_call(f, "tick", "acme report 1 %lld %s %lld 1 0", (long long)minute(2), "", (long long)minute(3)),
                 "INVALID missed");
}

static void the_last_due_time_ends_it(void **state)
{
    struct fixture *f = *state;
    set(f, "acme", "report", NULL);
    clock_advance_ms(f, MINUTE_MS);

    assert_string_equal(tick_at(f, "acme", "report", minute(1), 0, 0, (int64_t[]){minute(1), 0}), "ticked");

    assert_string_equal(field(f, "next_ms"), "");
    assert_string_equal(reply_text(lane_redis(f, "ZSCORE %s acme/report", lane_key(f, "schedules"))), "inf");
}

/* ---- what stands in the way ---- */

static void a_run_that_is_not_over_holds_the_next_one_back(void **state)
{
    struct fixture *f = *state;
    set(f, "acme", "report", &(struct definition){.overlap = "skip"});
    lane_open(f, "w1", 600000);
    clock_advance_ms(f, MINUTE_MS);
    tick(f, 1);
    clock_advance_ms(f, MINUTE_MS);
    assert_string_equal(tick(f, 2), "skipped");
    struct lane_lease lease = lane_claim_one(f, "w1");
    clock_advance_ms(f, MINUTE_MS);
    assert_string_equal(tick(f, 3), "skipped");
    assert_string_equal(lane_place(f, "acme", job_of(f, 3)), "");
    lane_end(f, &lease, "done");
    clock_advance_ms(f, MINUTE_MS);

    assert_string_equal(tick(f, 4), "ticked");

    assert_string_equal(lane_place(f, "acme", job_of(f, 4)), "ready:default");
    assert_string_equal(field(f, "skipped_count"), "2");
}

static void a_retry_is_not_over(void **state)
{
    struct fixture *f = *state;
    set(f, "acme", "report", &(struct definition){.overlap = "skip"});
    lane_open(f, "w1", 600000);
    clock_advance_ms(f, MINUTE_MS);
    tick(f, 1);
    struct lane_lease lease = lane_claim_one(f, "w1");
    lane_end(f, &lease, "retry 600000 5");
    clock_advance_ms(f, MINUTE_MS);

    assert_string_equal(tick(f, 2), "skipped");
}

static const char *tick_pending(struct fixture *f, int due)
{
    struct bytes record = lane_record(f, NULL);

    return reply_text(lane_call(f, "tick_pending", "acme report 1 %lld %b", (long long)minute(due), record.data, record.length));
}

static void the_newest_of_those_that_wait_runs_when_the_one_before_is_over(void **state)
{
    struct fixture *f = *state;
    set(f, "acme", "report", &(struct definition){.overlap = "queue-one"});
    lane_open(f, "w1", 3600000);
    clock_advance_ms(f, MINUTE_MS);
    tick(f, 1);
    struct lane_lease lease = lane_claim_one(f, "w1");
    for (int due = 2; due <= 3; due++) {
        clock_advance_ms(f, MINUTE_MS);
        assert_string_equal(tick(f, due), "queued");
    }
    assert_string_equal(field(f, "skipped_count"), "1");
    lane_end(f, &lease, "retry 60000 5");
    assert_string_equal(tick_pending(f, 3), "stale"); /* the one before is not over */
    assert_int_equal(reply_element(lane_call(f, "due", "10"), 2)->elements, 0);
    clock_advance_ms(f, 60000);
    lane_call(f, "promote", "10");
    lease = lane_claim_one(f, "w1");

    lane_end(f, &lease, "dead");

    assert_int_equal(reply_element(lane_call(f, "due", "10"), 2)->elements, 3);
    assert_string_equal(tick_pending(f, 2), "stale");
    assert_string_equal(tick_pending(f, 3), "ticked");
    assert_string_equal(tick_pending(f, 3), "stale");
    assert_string_equal(lane_place(f, "acme", job_of(f, 3)), "ready:default");
    assert_string_equal(lane_place(f, "acme", job_of(f, 2)), "");
    assert_string_equal(field(f, "runs"), "2");
}

static void one_that_runs_is_cancelled_for_the_next(void **state)
{
    struct fixture *f = *state;
    set(f, "acme", "report", &(struct definition){.overlap = "cancel-running"});
    lane_open(f, "w1", 3600000);
    clock_advance_ms(f, MINUTE_MS);
    tick(f, 1);
    clock_advance_ms(f, MINUTE_MS);
    assert_string_equal(tick(f, 2), "ticked"); /* the first one had not begun */
    assert_string_equal(lane_place(f, "acme", job_of(f, 1)), "cancelled");
    struct lane_lease lease = lane_claim_one(f, "w1");
    clock_advance_ms(f, MINUTE_MS);
    assert_string_equal(tick(f, 3), "queued");
    assert_string_equal(lane_place(f, "acme", job_of(f, 2)), "running");

    lane_end(f, &lease, "release 0");

    assert_string_equal(lane_place(f, "acme", job_of(f, 2)), "cancelled");
    assert_string_equal(tick_pending(f, 3), "ticked");
    assert_string_equal(lane_place(f, "acme", job_of(f, 3)), "ready:default");
}

/* Its job was deleted by hand: a newer one takes its place. */
static void one_that_waits_in_vain_gives_way(void **state)
{
    struct fixture *f = *state;
    set(f, "acme", "report", &(struct definition){.overlap = "queue-one"});
    lane_open(f, "w1", 3600000);
    clock_advance_ms(f, MINUTE_MS);
    tick(f, 1);
    struct lane_lease lease = lane_claim_one(f, "w1");
    clock_advance_ms(f, MINUTE_MS);
    tick(f, 2);
    lane_end(f, &lease, "done");
    clock_advance_ms(f, MINUTE_MS);

    assert_string_equal(tick(f, 3), "ticked");

    assert_string_equal(tick_pending(f, 2), "stale");
    assert_string_equal(field(f, "pending_ms"), "");
    assert_string_equal(field(f, "skipped_count"), "1");
}

static void a_paused_one_does_not_tick_and_goes_on_from_now(void **state)
{
    struct fixture *f = *state;
    set(f, "acme", "report", NULL);
    assert_reply(lane_call(f, "schedule_pause", "ann acme report"), "paused");
    assert_reply(lane_call(f, "schedule_pause", "bob acme report"), "same");
    clock_advance_ms(f, 5 * MINUTE_MS);
    assert_string_equal(tick(f, 1), "paused");
    assert_int_equal(reply_element(lane_call(f, "due", "10"), 2)->elements, 0);
    assert_string_equal(field(f, "paused_by"), "ann");

    assert_reply(lane_call(f, "schedule_resume", "ann acme report 1 %lld", (long long)minute(6)), "resumed");

    clock_advance_ms(f, MINUTE_MS);
    assert_string_equal(tick(f, 6), "ticked");
    assert_string_equal(field(f, "missed_count"), "");
}

static void a_stopped_intake_holds_due_times(void **state)
{
    struct fixture *f = *state;
    set(f, "acme", "report", NULL);
    clock_advance_ms(f, MINUTE_MS);
    lane_call(f, "intake", "tester stop weak");
    assert_string_equal(tick(f, 1), "paused");

    lane_call(f, "intake", "tester resume ok");

    assert_string_equal(tick(f, 1), "ticked");
}

static void a_job_that_cannot_be_taken_in_does_not_stop_the_schedule(void **state)
{
    struct fixture *f = *state;
    set(f, "acme", "report", NULL);
    set(f, "acme", "other", NULL);
    clock_advance_ms(f, MINUTE_MS);
    lane_call(f, "org_set", "tester acme max_payload_bytes 3");

    assert_string_equal(tick(f, 1), "refused too_large");

    assert_string_equal(field(f, "refused"), "too_large");
    assert_string_equal(field(f, "next_ms"), fixture_text(f, "%lld", (long long)minute(2)));
}

/* ---- what is due ---- */

static void due_names_what_has_come_and_when_the_next_will(void **state)
{
    struct fixture *f = *state;
    const char *other = lane_org(f, 1);
    set(f, "acme", "report", NULL);
    set(f, "acme", "later", &(struct definition){.next_ms = minute(3)});
    set(f, other, "report", &(struct definition){.next_ms = minute(1) + 500});
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
        set(f, orgs[i], "report", NULL);
        args_text(&args, "%s", orgs[i]);
        const char *const values[] = {"report", i == 1 ? "9" : "1"};
        for (int j = 0; j < 2; j++)
            args_text(&args, "%s", values[j]);
        const int64_t numbers[] = {minute(1), minute(1), minute(2), 0, 1, minute(1)};
        for (int j = 0; j < 6; j++)
            args_text(&args, "%lld", (long long)numbers[j]);
        args_add(&args, record.data, record.length);
    }
    clock_advance_ms(f, MINUTE_MS);

    const redisReply *reply = lane_call_args(f, "tick", &args);

    assert_string_equal(reply_text(reply_element(reply, 0)), "ticked");
    assert_string_equal(reply_text(reply_element(reply, 1)), "stale");
    assert_string_equal(reply_text(reply_element(reply, 2)), "ticked");
    assert_string_equal(lane_place(f, orgs[2], job_of(f, 1)), "ready:default");
}

/* ---- what became of its jobs ---- */

static void it_knows_what_became_of_its_jobs(void **state)
{
    struct fixture *f = *state;
    set(f, "acme", "report", NULL);
    lane_open(f, "w1", 600000);
    static const char *const verdicts[] = {"done", "dead", "dead", "done", "dead"};
    for (int due = 1; due <= 5; due++) {
        clock_advance_ms(f, MINUTE_MS);
        tick(f, due);
        struct lane_lease lease = lane_claim_one(f, "w1");
        lane_end(f, &lease, verdicts[due - 1]);
    }

    assert_string_equal(field(f, "done"), "2");
    assert_string_equal(field(f, "failed"), "3");
    assert_string_equal(field(f, "failed_since_done"), "1");
    assert_string_equal(field(f, "last_outcome"), "dead");
    assert_string_equal(field(f, "last_done_ms"), fixture_text(f, "%lld", (long long)minute(4)));
}

static void outcomes_are_noted_also_where_nothing_is_kept(void **state)
{
    struct fixture *f = *state;
    set(f, "acme", "report", NULL);
    lane_call(f, "org_set", "tester acme keep_done_max 0");
    lane_open(f, "w1", 600000);
    clock_advance_ms(f, MINUTE_MS);
    tick(f, 1);
    struct lane_lease lease = lane_claim_one(f, "w1");

    lane_end(f, &lease, "done");

    assert_string_equal(field(f, "done"), "1");
}

static void a_schedule_that_is_gone_does_not_come_back_with_its_last_job(void **state)
{
    struct fixture *f = *state;
    set(f, "acme", "report", NULL);
    lane_open(f, "w1", 600000);
    clock_advance_ms(f, MINUTE_MS);
    tick(f, 1);
    struct lane_lease lease = lane_claim_one(f, "w1");
    assert_string_equal(reply_text(reply_element(lane_call(f, "schedule_remove", "tester acme report"), 1)), "");

    lane_end(f, &lease, "done");

    assert_int_equal(lane_redis(f, "EXISTS %s", lane_key(f, "org:acme:schedule:report"))->integer, 0);
}

/* ---- changes ---- */

static void a_removed_one_takes_the_job_back_that_has_not_begun(void **state)
{
    struct fixture *f = *state;
    set(f, "acme", "report", NULL);
    clock_advance_ms(f, MINUTE_MS);
    tick(f, 1);

    const redisReply *reply = lane_call(f, "schedule_remove", "tester acme report");

    assert_string_equal(reply_text(reply_element(reply, 1)), job_of(f, 1));
    assert_string_equal(lane_place(f, "acme", job_of(f, 1)), "cancelled");
    assert_string_equal(tick(f, 2), "stale");
    assert_string_equal(reply_text(reply_element(lane_call(f, "schedule_remove", "tester acme report"), 0)), "unknown");
}

static void the_same_definition_keeps_its_next_due_time(void **state)
{
    struct fixture *f = *state;
    set(f, "acme", "report", NULL);

    const redisReply *reply = set_any(f, "acme", "report", &(struct definition){.next_ms = minute(9)});

    assert_string_equal(reply_text(reply_element(reply, 0)), "same");
    assert_string_equal(field(f, "next_ms"), fixture_text(f, "%lld", (long long)minute(1)));
}

/* As when somebody changes it while a leader ticks: a due time that is served is not the next one again. */
static void one_whose_times_stay_keeps_its_next_due_time(void **state)
{
    struct fixture *f = *state;
    set(f, "acme", "report", NULL);
    clock_advance_ms(f, MINUTE_MS);
    tick(f, 1);

    const redisReply *reply = set_any(f, "acme", "report", &(struct definition){.next_ms = minute(1), .overlap = "skip"});

    assert_string_equal(reply_text(reply_element(reply, 0)), "changed");
    assert_string_equal(field(f, "next_ms"), fixture_text(f, "%lld", (long long)minute(2)));
}

/* What waits for a job that somebody deletes goes on; and one that goes on may be put off. */
static void one_that_waits_for_a_deleted_job_is_let_go(void **state)
{
    struct fixture *f = *state;
    set(f, "acme", "report", &(struct definition){.overlap = "queue-one"});
    clock_advance_ms(f, MINUTE_MS);
    tick(f, 1);
    clock_advance_ms(f, MINUTE_MS);
    assert_string_equal(tick(f, 2), "queued");

    lane_call(f, "delete", "tester acme %s", job_of(f, 1));

    assert_string_equal(field(f, "pending_go"), "1");
    lane_call(f, "tick_later", "acme report 1 %lld 5000 why", (long long)minute(3));
    assert_int_equal(reply_element(lane_call(f, "due", "10"), 2)->elements, 0);
    clock_advance_ms(f, 5000);
    assert_int_equal(reply_element(lane_call(f, "due", "10"), 2)->elements, 3);
    assert_string_equal(tick_pending(f, 2), "ticked");
}

static void a_definition_takes_the_place_of_the_one_it_names(void **state)
{
    struct fixture *f = *state;
    assert_string_equal(reply_text(reply_element(set_any(f, "acme", "report", &(struct definition){.rev = "1"}), 0)), "unknown");
    set(f, "acme", "report", &(struct definition){.rev = "0"});
    const struct definition other = {.rev = "0", .recurrence = "every 5000 0"},
                            right = {.rev = "1", .recurrence = "every 5000 0"};

    assert_string_equal(reply_text(reply_element(set_any(f, "acme", "report", &other), 0)), "exists");
    assert_string_equal(field(f, "recurrence"), "every start=1970-01-01T00:00:00.000Z 60s");
    assert_string_equal(reply_text(reply_element(set_any(f, "acme", "report", &right), 0)), "changed");
    assert_string_equal(field(f, "rev"), "2");
}

static void a_run_by_hand_is_a_job_beside_the_due_times(void **state)
{
    struct fixture *f = *state;
    set(f, "acme", "report", NULL);

    const redisReply *reply = lane_call(f, "schedule_run", "tester acme report");

    assert_string_equal(reply_text(reply_element(reply, 0)), "new");
    assert_string_equal(reply_text(reply_element(reply, 1)), job_of(f, 0));
    assert_string_equal(lane_place(f, "acme", job_of(f, 0)), "ready:default");
    assert_string_equal(field(f, "next_ms"), fixture_text(f, "%lld", (long long)minute(1)));
}

static void a_purged_organization_has_no_schedules(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 5; i++)
        set(f, "acme", fixture_text(f, "s%d", i), NULL);

    while (lane_call(f, "purge", "tester acme 2")->integer == 1)
        ;

    assert_int_equal(lane_redis(f, "ZCARD %s", lane_key(f, "schedules"))->integer, 0);
}

static void schedules_are_listed_by_name_page_by_page(void **state)
{
    struct fixture *f = *state;
    const char *other = lane_org(f, 1);
    static const char *const names[] = {"cc", "aa", "dd", "bb", "ee"};
    for (int i = 0; i < 5; i++)
        set(f, "acme", names[i], NULL);
    set(f, other, "zz", NULL);
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

    assert_error(set_any(f, "acme", "a/b", &(struct definition){0}), "INVALID schedule \"a/b\"");
    assert_error(set_any(f, "acme", fixture_text(f, "%049d", 0), &(struct definition){0}), "INVALID schedule");
    assert_error(set_any(f, "acme", "a", &(struct definition){.overlap = "maybe"}), "INVALID overlap is \"maybe\"");
    assert_error(set_any(f, "acme", "a", &(struct definition){.spread_ms = 5, .offset_ms = 6}), "INVALID offset_ms is \"6\"");
    assert_error(set_any(f, "acme", "a", &(struct definition){.recurrence = fixture_text(f, "%01281d", 0)}),
                 "INVALID a recurrence");
    assert_error(set_any(f, "acme", "a", &(struct definition){.record = &(struct lane_record){.due_ms = 5}}),
                 "INVALID option due_ms");
    assert_error(set_any(f, "acme", "a", &(struct definition){.record = &(struct lane_record){.key = "k"}}),
                 "INVALID option key");
    assert_error(lane_call(f, "schedule_set", "tester acme a  1 0 missed once"), "INVALID field recurrence is missing");
    assert_string_equal(lane_digest(f), digest);
}

static void a_tick_that_makes_no_sense_is_refused(void **state)
{
    struct fixture *f = *state;
    set(f, "acme", "report", NULL);
    clock_advance_ms(f, 9 * MINUTE_MS);
    const char *digest = lane_digest(f);
    const int64_t before[] = {minute(0), 0}, twice[] = {minute(1), minute(1), 0}, beyond[] = {minute(2), 0};

    assert_non_null(strstr(tick_at(f, "acme", "report", minute(1), minute(1), 0, (int64_t[]){0}), "next_ms is"));
    assert_non_null(strstr(tick_at(f, "acme", "report", minute(1), minute(2), 0, before), "through_ms"));
    assert_non_null(strstr(tick_at(f, "acme", "report", minute(1), minute(2), 0, twice), "due_ms of a job"));
    assert_non_null(strstr(tick_at(f, "acme", "report", minute(1), minute(2), 0, beyond), "next_ms"));
    assert_string_equal(lane_digest(f), digest);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_due_time_gives_one_job_with_its_name),
        cmocka_unit_test(a_second_tick_of_a_due_time_changes_nothing),
        cmocka_unit_test(nothing_ticks_before_its_time),
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
        cmocka_unit_test(a_paused_one_does_not_tick_and_goes_on_from_now),
        cmocka_unit_test(a_stopped_intake_holds_due_times),
        cmocka_unit_test(a_job_that_cannot_be_taken_in_does_not_stop_the_schedule),
        cmocka_unit_test(due_names_what_has_come_and_when_the_next_will),
        cmocka_unit_test(one_call_serves_several_organizations),
        cmocka_unit_test(it_knows_what_became_of_its_jobs),
        cmocka_unit_test(outcomes_are_noted_also_where_nothing_is_kept),
        cmocka_unit_test(a_schedule_that_is_gone_does_not_come_back_with_its_last_job),
        cmocka_unit_test(a_removed_one_takes_the_job_back_that_has_not_begun),
        cmocka_unit_test(the_same_definition_keeps_its_next_due_time),
        cmocka_unit_test(one_whose_times_stay_keeps_its_next_due_time),
        cmocka_unit_test(one_that_waits_for_a_deleted_job_is_let_go),
        cmocka_unit_test(a_definition_takes_the_place_of_the_one_it_names),
        cmocka_unit_test(a_run_by_hand_is_a_job_beside_the_due_times),
        cmocka_unit_test(a_purged_organization_has_no_schedules),
        cmocka_unit_test(schedules_are_listed_by_name_page_by_page),
        cmocka_unit_test(what_is_out_of_range_is_refused_before_anything_is_written),
        cmocka_unit_test(a_tick_that_makes_no_sense_is_refused),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return RUN_IN_LANES("schedule", tests);
}
