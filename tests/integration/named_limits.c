/* Limits beyond the organization: what has no room waits, in nobody's way, and comes back when there is room; whatever ends a
 * lease leaves the limit. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/lane.h"

static void enqueue(struct fixture *f, const char *org, const char *id, const char *limit)
{
    assert_string_equal(lane_enqueue(f, org, id, &(struct lane_record){.limit = limit}), "new");
}

static struct lane_claimed claim(struct fixture *f, unsigned want)
{
    return lane_claim(f, &(struct lane_claim){.session = "w1", .want = want});
}

/* Two jobs under a concurrency of one: the first runs, the other waits. */
static struct lane_lease run_one_of_two(struct fixture *f)
{
    lane_limit(f, "mail", "1", "", "");
    lane_open(f, "w1", 60000);
    enqueue(f, "acme", "first", "mail");
    enqueue(f, "acme", "second", "mail");
    struct lane_claimed got = claim(f, 8);

    assert_int_equal(got.jobs, 1);
    assert_string_equal(lane_place(f, "acme", "first"), "running");
    assert_string_equal(lane_place(f, "acme", "second"), "waiting");
    return got.job[0];
}

/* ---- concurrency ---- */

static void no_more_run_than_the_limit_allows_and_an_end_lets_the_next_go(void **state)
{
    struct fixture *f = *state;
    struct lane_lease first = run_one_of_two(f);

    assert_int_equal(claim(f, 8).jobs, 0);
    struct lane_claimed got =
        lane_finish(f, &(struct lane_claim){.session = "w1", .want = 8}, &(struct lane_end){.lease = &first}, 1);

    assert_int_equal(got.jobs, 1);
    assert_string_equal(got.job[0].id, "second");
    assert_false(lane_has(f, "limited:mail", "acme/first"));
    assert_true(lane_has(f, "limited:mail", "acme/second"));
}

static void a_job_that_waits_is_in_nobodys_way(void **state)
{
    struct fixture *f = *state;
    lane_limit(f, "mail", "1", "", "");
    lane_open(f, "w1", 60000);
    for (int i = 0; i < 100; i++)
        enqueue(f, "acme", fixture_text(f, "mail%02d", i), "mail");
    enqueue(f, "acme", "other", NULL);
    enqueue(f, lane_org(f, 1), "other", NULL);

    unsigned plain = 0;
    for (int calls = 0; plain < 2 && calls < 6; calls++) {
        struct lane_claimed got = claim(f, 8);
        for (size_t i = 0; i < got.jobs; i++)
            plain += strcmp(got.job[i].id, "other") == 0;
    }

    assert_int_equal(plain, 2);
    assert_int_equal(lane_count(f, "limited:mail"), 1);
}

static void whatever_ends_a_lease_leaves_the_limit(void **state)
{
    static const char *const verdicts[] = {"done",      "discard",   "dead",        "release",
                                           "release 5", "retry 5 3", "timeout 5 3", "crash 5 3"};
    struct fixture *f = *state;
    lane_limit(f, "mail", "1", "", "");
    lane_open(f, "w1", 60000);

    for (size_t i = 0; i < sizeof verdicts / sizeof verdicts[0]; i++) {
        enqueue(f, "acme", fixture_text(f, "job%zu", i), "mail");
        struct lane_lease lease = lane_claim_one(f, "w1");
        assert_int_equal(lane_count(f, "limited:mail"), 1);
        assert_string_equal(lane_end(f, &lease, verdicts[i]), "ok");
        assert_int_equal(lane_count(f, "limited:mail"), 0);
        lane_call(f, "cancel", "me acme %s", lease.id);
    }
}

static void a_lost_closed_overdue_or_cancelled_lease_leaves_the_limit_too(void **state)
{
    struct fixture *f = *state;
    struct lane_lease first = run_one_of_two(f);

    clock_advance_ms(f, 60001);
    assert_reply(reply_element(lane_call(f, "recover", "w1 %s 10", lane_field(f, "session:w1", "beat")), 0), "ok");
    assert_int_equal(lane_count(f, "limited:mail"), 0);
    (void)first;

    lane_open(f, "w2", 3600000);
    struct lane_lease lease = lane_claim_one(f, "w2");
    assert_int_equal(lane_count(f, "limited:mail"), 1);
    clock_advance_ms(f, 80000);
    lane_call(f, "beat", "w2");
    assert_int_equal(lane_count(f, "limited:mail"), 0);

    lease = lane_claim_one(f, "w2");
    assert_reply(lane_call(f, "cancel", "me acme %s", lease.id), "cancelling");
    assert_string_equal(lane_end(f, &lease, "release"), "ok");
    assert_int_equal(lane_count(f, "limited:mail"), 0);

    clock_advance_ms(f, 10000);
    lane_call(f, "promote", "10");
    lane_claim_one(f, "w2");
    assert_int_equal(lane_count(f, "limited:mail"), 1);
    lane_call(f, "close", "w2 10");
    assert_int_equal(lane_count(f, "limited:mail"), 0);
}

static void an_end_of_any_organization_lets_another_ones_job_go(void **state)
{
    struct fixture *f = *state;
    struct lane_lease first = run_one_of_two(f);
    lane_call(f, "cancel", "me acme second");
    enqueue(f, lane_org(f, 1), "theirs", "mail");
    claim(f, 4);
    assert_string_equal(lane_place(f, lane_org(f, 1), "theirs"), "waiting");

    lane_end(f, &first, "done");

    assert_string_equal(lane_place(f, lane_org(f, 1), "theirs"), "ready:default");
}

/* ---- rate ---- */

static void a_rate_gives_its_burst_and_then_one_at_a_time(void **state)
{
    struct fixture *f = *state;
    lane_limit(f, "mail", "", "5/s", "3");
    lane_open(f, "w1", 60000);
    for (int i = 0; i < 9; i++)
        enqueue(f, "acme", fixture_text(f, "job%d", i), "mail");

    struct lane_claimed got = claim(f, 8);
    for (int calls = 0; got.jobs + (size_t)lane_count(f, "org:acme:waiting") < 9 && calls < 9; calls++)
        got.jobs += claim(f, 8).jobs;
    assert_int_equal(got.jobs, 3);
    assert_int_equal(claim(f, 8).next_ms, CLOCK_START_MS + 200);
    clock_advance_ms(f, 199);
    assert_int_equal(claim(f, 8).jobs, 0);
    clock_advance_ms(f, 1);
    assert_int_equal(claim(f, 8).jobs, 1);
    assert_int_equal(claim(f, 8).jobs, 0);
    clock_advance_ms(f, 60000);
    unsigned rest = 0;
    for (int calls = 0; calls < 5; calls++)
        rest += (unsigned)claim(f, 8).jobs;
    assert_int_equal(rest, 3);
}

static void a_fast_rate_is_reached_by_claims_that_follow_each_other(void **state)
{
    struct fixture *f = *state;
    lane_limit(f, "mail", "", "1000/s", "2");
    lane_open(f, "w1", 60000);
    f->check_each = false;
    lane_enqueue_many(f, "acme", "job", 300, &(struct lane_record){.limit = "mail"});
    for (int i = 0; lane_count(f, "org:acme:ready:default") > 0 && i < 50; i++)
        claim(f, 8);
    long long before = lane_count(f, "limited:mail");

    for (int i = 0; i < 100; i++) {
        clock_advance_ms(f, 1);
        claim(f, 8);
    }

    assert_in_range(lane_count(f, "limited:mail") - before, 95, 102);
}

static void a_clock_set_back_blocks_no_limit(void **state)
{
    struct fixture *f = *state;
    lane_limit(f, "mail", "", "1/m", "1");
    lane_open(f, "w1", 60000);
    enqueue(f, "acme", "a", "mail");
    enqueue(f, "acme", "b", "mail");
    assert_int_equal(claim(f, 8).jobs, 1);
    clock_set_us(f, CLOCK_START_US - 86400000000LL);

    assert_int_equal(claim(f, 8).jobs, 1);
}

/* ---- two limits, keys, types ---- */

static void both_limits_must_have_room(void **state)
{
    struct fixture *f = *state;
    lane_limit(f, "mail", "1", "", "");
    lane_limit(f, "smtp", "2", "", "");
    lane_open(f, "w1", 60000);
    enqueue(f, "acme", "a", "mail");
    enqueue(f, "acme", "b", "mail");
    enqueue(f, "acme", "c", NULL);
    enqueue(f, "acme", "d", NULL);
    struct lane_claimed got = lane_claim(f, &(struct lane_claim){.session = "w1", .want = 8, .types = "test:5000@smtp"});
    while (lane_count(f, "org:acme:ready:default") > 0) {
        struct lane_claimed more = lane_claim(f, &(struct lane_claim){.session = "w1", .want = 8, .types = "test:5000@smtp"});
        for (size_t i = 0; i < more.jobs; i++)
            got.job[got.jobs++] = more.job[i];
    }

    assert_int_equal(got.jobs, 2);
    assert_string_equal(got.job[0].id, "a");
    assert_string_equal(got.job[1].id, "c");
    assert_true(lane_has(f, "org:acme:waiting:mail", "b"));
    assert_true(lane_has(f, "org:acme:waiting:smtp", "d"));
    lane_end(f, &got.job[0], "done"); /* leaves both */
    assert_int_equal(lane_count(f, "limited:smtp"), 1);
    assert_int_equal(lane_count(f, "limited:mail"), 0);
}

static void a_limit_of_a_key_is_one_for_each_key_and_organization(void **state)
{
    struct fixture *f = *state;
    lane_limit(f, "per-user", "1", "", "");
    lane_open(f, "w1", 60000);
    enqueue(f, "acme", "a", "per-user:42");
    enqueue(f, "acme", "b", "per-user:42");
    enqueue(f, "acme", "c", "per-user:43");
    enqueue(f, lane_org(f, 1), "a", "per-user:42");
    unsigned jobs = 0;
    for (int calls = 0; calls < 6; calls++)
        jobs += (unsigned)claim(f, 8).jobs;

    assert_int_equal(jobs, 3);
    assert_string_equal(lane_place(f, "acme", "b"), "waiting");
    assert_true(lane_has(f, "limited:per-user:42@acme", "acme/a"));
}

static void a_rate_of_a_key_is_forgotten_after_a_while(void **state)
{
    struct fixture *f = *state;
    lane_limit(f, "per-user", "", "1/s", "1");
    lane_open(f, "w1", 60000);
    enqueue(f, "acme", "a", "per-user:42");
    enqueue(f, "acme", "b", "per-user:42");

    assert_int_equal(claim(f, 8).jobs, 1);

    assert_string_equal(lane_place(f, "acme", "b"), "waiting");
    assert_in_range(lane_redis(f, "TTL %s", lane_key(f, "limit:per-user:42@acme"))->integer, 1, 6002);
}

static void a_limit_that_nobody_has_defined_is_none(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    for (int i = 0; i < 5; i++)
        enqueue(f, "acme", fixture_text(f, "job%d", i), "mail");

    for (int i = 0; i < 5; i++)
        lane_claim_one(f, "w1");

    assert_int_equal(lane_count(f, "limited:mail"), 0);
}

/* ---- definitions and pauses ---- */

static void a_raised_or_cleared_limit_lets_jobs_go(void **state)
{
    struct fixture *f = *state;
    run_one_of_two(f);
    enqueue(f, "acme", "third", "mail");
    claim(f, 4);

    lane_limit(f, "mail", "2", "", "");
    assert_string_equal(lane_place(f, "acme", "second"), "ready:default");
    assert_int_equal(claim(f, 4).jobs, 1);
    assert_string_equal(lane_place(f, "acme", "third"), "waiting");
    const redisReply *cleared = lane_call(f, "limit_clear", "me mail");
    assert_reply(reply_element(cleared, 0), "cleared");
    assert_reply(reply_element(cleared, 1), "2");
    assert_int_equal(claim(f, 4).jobs, 1);
    assert_int_equal(lane_count(f, "limited:mail"), 2); /* they ran under it when it was cleared */
    assert_reply(reply_element(lane_call(f, "limit_clear", "me mail"), 0), "unknown");
}

static void a_lowered_limit_waits_for_those_that_run(void **state)
{
    struct fixture *f = *state;
    lane_limit(f, "mail", "2", "", "");
    lane_open(f, "w1", 60000);
    for (int i = 0; i < 4; i++)
        enqueue(f, "acme", fixture_text(f, "job%d", i), "mail");
    struct lane_lease leases[2] = {lane_claim_one(f, "w1"), lane_claim_one(f, "w1")};
    f->unchecked = UNCHECKED_CAPS;
    lane_limit(f, "mail", "1", "", "");

    lane_end(f, &leases[0], "done");
    assert_int_equal(claim(f, 4).jobs, 0);
    lane_end(f, &leases[1], "done");
    assert_int_equal(claim(f, 4).jobs, 1);
}

static void a_paused_limit_lets_nothing_start_until_it_is_over(void **state)
{
    struct fixture *f = *state;
    lane_limit(f, "mail", "5", "", "");
    lane_open(f, "w1", 60000);
    enqueue(f, "acme", "a", "mail");
    const redisReply *reply = lane_call(f, "limit_pause", "me mail %s 30000", "");
    assert_reply(reply_element(reply, 0), "ok");
    assert_int_equal(reply_number(reply_element(reply, 1)), CLOCK_START_MS + 30000);

    assert_int_equal(claim(f, 4).jobs, 0);
    reply = lane_call(f, "limit_pause", "me mail %s 10000", "");
    assert_int_equal(reply_number(reply_element(reply, 1)), CLOCK_START_MS + 30000); /* it does not become shorter */
    clock_advance_ms(f, 29999);
    assert_int_equal(claim(f, 4).jobs, 0);
    clock_advance_ms(f, 1);
    assert_int_equal(claim(f, 4).jobs, 1);
}

static void a_resumed_limit_lets_jobs_go_at_once(void **state)
{
    struct fixture *f = *state;
    lane_limit(f, "per-user", "5", "", "");
    lane_open(f, "w1", 60000);
    enqueue(f, "acme", "a", "per-user:1");
    lane_call(f, "limit_pause", "me per-user:1 acme 30000");
    assert_int_equal(claim(f, 4).jobs, 0);

    lane_call(f, "limit_pause", "me per-user:1 acme 0");

    assert_int_equal(claim(f, 4).jobs, 1);
    assert_reply(reply_element(lane_call(f, "limit_pause", "me nothing %s 30000", ""), 0), "unknown");
}

/* Of each of `keys` keys one job runs, and another one waits. */
static void wait_for_keys(struct fixture *f, const char *name, int keys)
{
    f->check_each = false;
    lane_limit(f, name, "1", "", "");
    for (int i = 0; i < keys; i++)
        for (int n = 0; n < 2; n++)
            enqueue(f, "acme", fixture_text(f, "%s%d-%d", name, i, n), fixture_text(f, "%s:%d", name, i));
    while (lane_count(f, "org:acme:ready:default") > 0) {
        claim(f, 32);
        clock_advance_ms(f, 1);
    }
}

static void what_changes_a_limit_lets_jobs_of_its_keys_go_at_once(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 3600000);
    wait_for_keys(f, "user", 3);
    wait_for_keys(f, "other", 2);
    assert_int_equal(lane_count(f, "org:acme:waiting"), 5);

    lane_call(f, "limit_set", "me user 2 %s %s", "", "");
    assert_int_equal(lane_count(f, "org:acme:waiting"), 2);
    assert_int_equal(claim(f, 8).jobs, 3);

    lane_call(f, "limit_pause", "me other %s 60000", "");
    for (int i = 2; i < 5; i++)
        enqueue(f, "acme", fixture_text(f, "paused%d", i), fixture_text(f, "other:%d", i));
    while (lane_count(f, "org:acme:ready:default") > 0)
        claim(f, 8);
    assert_int_equal(lane_count(f, "org:acme:waiting"), 5);
    lane_call(f, "limit_pause", "me other %s 0", "");
    assert_int_equal(lane_count(f, "org:acme:waiting"), 2);

    lane_call(f, "limit_clear", "me other");
    assert_int_equal(lane_count(f, "org:acme:waiting"), 0);
    assert_int_equal(lane_count(f, "lines"), 0);
}

static void so_it_does_with_very_many_keys_in_steps(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 3600000);
    wait_for_keys(f, "user", 700);
    wait_for_keys(f, "other", 700);
    lane_redis(f, "DEL %s", lane_key(f, "wake_due"));

    lane_call(f, "limit_clear", "me user");
    assert_in_range(lane_calls(f), 10, 30 + 8 * 10 + 16 * 32);
    assert_int_equal(lane_count(f, "wake_due"), 1); /* the scheduler goes on */
    for (int i = 0; i < 100; i++) {
        const redisReply *reply = lane_call(f, "promote", "10");
        if (lane_count(f, "org:acme:waiting") > 700)
            assert_in_range(reply_number(reply_element(reply, 1)), clock_ms(f), clock_ms(f) + 100);
    }

    assert_int_equal(lane_count(f, "org:acme:waiting"), 700);
    assert_int_equal(lane_count(f, "lines"), 700);
}

/* ---- waiting jobs and their organizations ---- */

static void a_waiting_job_is_cancelled_deleted_and_rescheduled_like_a_ready_one(void **state)
{
    struct fixture *f = *state;
    struct lane_lease first = run_one_of_two(f);
    enqueue(f, "acme", "third", "mail");
    enqueue(f, "acme", "fourth", "mail");
    claim(f, 8);

    assert_reply(lane_call(f, "cancel", "me acme second"), "cancelled");
    assert_reply(reply_element(lane_call(f, "delete", "me acme third"), 0), "deleted");
    assert_reply(lane_call(f, "reschedule", "me acme fourth %lld", CLOCK_START_MS + 5000), "scheduled");
    assert_int_equal(lane_count(f, "line:mail"), 0);
    lane_end(f, &first, "done");
    clock_advance_ms(f, 5000);
    lane_call(f, "promote", "10");
    assert_string_equal(lane_claim_one(f, "w1").id, "fourth");
}

static void a_job_that_expires_while_it_waits_ends_then(void **state)
{
    struct fixture *f = *state;
    struct lane_lease first = run_one_of_two(f);
    int64_t until_ms = clock_ms(f) + 5000;
    struct lane_record record = {.limit = "mail", .expires_ms = until_ms, .key = "once"};
    lane_enqueue(f, "acme", "short", &record);
    record.key = NULL;
    lane_enqueue(f, lane_org(f, 1), "alone", &record);
    record.expires_ms += 60000;
    lane_enqueue(f, "acme", "long", &record);
    claim(f, 8);
    assert_int_equal(lane_count(f, "org:acme:waiting"), 3);

    clock_advance_ms(f, 4999);
    const redisReply *reply = lane_call(f, "trim", "500");
    assert_int_equal(reply_number(reply_element(reply, 0)), 0);
    assert_int_equal(reply_number(reply_element(reply, 1)), until_ms);
    clock_advance_ms(f, 1);
    assert_int_equal(reply_number(reply_element(lane_call(f, "trim", "500"), 0)), 2);

    assert_string_equal(lane_place(f, "acme", "short"), "cancelled");
    assert_string_equal(lane_state(f, "acme", "short").reason, "expired");
    assert_true(lane_has(f, "org:acme:unique_until", "once"));
    assert_string_equal(lane_place(f, lane_org(f, 1), "alone"), "cancelled");
    assert_false(lane_has(f, "line:mail", lane_org(f, 1)));
    assert_true(lane_has(f, "line:mail", "acme"));
    lane_call(f, "cancel", "me acme long");
    assert_int_equal(lane_count(f, "org:acme:waiting_until"), 0);
    lane_end(f, &first, "done");
    assert_string_equal(claim(f, 1).job[0].id, "second");
}

static void a_waiting_job_counts_as_queued_and_goes_with_its_organization(void **state)
{
    struct fixture *f = *state;
    run_one_of_two(f);
    lane_call(f, "org_set", "me acme max_queued 1");

    assert_string_equal(lane_enqueue(f, "acme", "more", NULL), "queue_full");
    lane_delete_org(f, "acme", 500);
    assert_int_equal(lane_count(f, "line:mail"), 0);
    assert_int_equal(lane_count(f, "limited:mail"), 0);
}

static void organizations_in_a_line_take_turns(void **state)
{
    struct fixture *f = *state;
    unsigned started[3] = {0};
    lane_limit(f, "mail", "1", "", "");
    lane_open(f, "w1", 600000);
    f->check_each = false;
    for (unsigned n = 0; n < 3; n++)
        lane_enqueue_many(f, lane_org(f, n), "job", n == 0 ? 200 : 20, &(struct lane_record){.limit = "mail"});
    struct lane_lease lease = lane_claim_one(f, "w1");

    for (int i = 0; i < 45; i++) {
        struct lane_claimed got = lane_finish(f, &(struct lane_claim){.session = "w1", .want = 4},
                                              &(struct lane_end){.lease = &lease, .run_us = 5000}, 1);
        for (int calls = 0; got.jobs == 0 && calls < 20; calls++)
            got = claim(f, 4);
        assert_int_equal(got.jobs, 1);
        lease = got.job[0];
        for (unsigned n = 0; n < 3; n++)
            started[n] += strcmp(lease.org, lane_org(f, n)) == 0;
        clock_advance_ms(f, 5);
    }

    for (unsigned n = 0; n < 3; n++)
        assert_in_range(started[n], 13, 17);
}

static void who_is_held_up_does_not_hold_up_the_line(void **state)
{
    struct fixture *f = *state;
    struct lane_lease first = run_one_of_two(f);
    enqueue(f, lane_org(f, 1), "theirs", "mail");
    claim(f, 4);
    lane_call(f, "org_set", "me acme paused 1");

    lane_end(f, &first, "done");

    assert_string_equal(lane_place(f, "acme", "second"), "waiting");
    assert_string_equal(lane_place(f, lane_org(f, 1), "theirs"), "ready:default");
}

static void where_nobody_takes_a_job_that_was_let_go_another_one_is(void **state)
{
    struct fixture *f = *state;
    lane_limit(f, "mail", "1", "", "");
    lane_open(f, "w1", 60000);
    lane_enqueue(f, "acme", "first", &(struct lane_record){.limit = "mail"});
    lane_enqueue(f, "acme", "unserved", &(struct lane_record){.limit = "mail", .queue = "nobody"});
    enqueue(f, lane_org(f, 1), "theirs", "mail");
    struct lane_claimed got = lane_claim(f, &(struct lane_claim){.session = "w1", .want = 1});
    lane_claim(f, &(struct lane_claim){.session = "w1", .want = 4, .queues = "nobody default"});
    assert_string_equal(lane_place(f, lane_org(f, 1), "theirs"), "waiting");
    lane_end(f, &got.job[0], "done");
    claim(f, 4);

    clock_advance_ms(f, 1000);
    lane_call(f, "promote", "10");

    assert_string_equal(lane_claim_one(f, "w1").id, strcmp(got.job[0].org, "acme") == 0 ? "theirs" : "first");
}

/* ---- parts of lanes ---- */

static void a_part_is_what_this_lane_may_use(void **state)
{
    struct fixture *f = *state;
    lane_call(f, "limit_set", "me mail 8 6/s 6");
    lane_open(f, "w1", 60000);
    for (int i = 0; i < 8; i++)
        enqueue(f, "acme", fixture_text(f, "job%d", i), "mail");
    lane_call(f, "limit_look", "round1 %s 10", "");
    assert_reply(reply_element(lane_call(f, "limit_part", "round0 mail 2 2 0"), 0), "stale");
    const redisReply *reply = lane_call(f, "limit_part", "round1 mail 5 2 2000");
    assert_reply(reply_element(reply, 0), "ok");

    unsigned jobs = 0;
    for (int calls = 0; calls < 10; calls++)
        jobs += (unsigned)claim(f, 8).jobs;
    assert_int_equal(jobs, 2);
    clock_advance_ms(f, 1000); /* a third of the rate */
    for (int calls = 0; calls < 10; calls++)
        jobs += (unsigned)claim(f, 8).jobs;
    assert_int_equal(jobs, 4);
    reply = lane_call(f, "limit_part", "round1 mail 0 0 0");
    assert_int_equal(reply_number(reply_element(reply, 1)), 4); /* still in use */
    clock_advance_ms(f, 60000);
    assert_int_equal(claim(f, 8).jobs, 0);
    f->unchecked = UNCHECKED_CAPS;
}

static void what_a_lowered_part_had_of_tokens_is_handed_back(void **state)
{
    struct fixture *f = *state;
    lane_call(f, "limit_set", "me mail %s 1/h 4", "");
    lane_call(f, "limit_look", "r %s 10", "");
    lane_call(f, "limit_part", "r mail %s 4 4000", "");

    const redisReply *reply = lane_call(f, "limit_part", "r mail %s 1 0", "");

    assert_int_equal(reply_number(reply_element(reply, 2)), 3000);
    reply = lane_call(f, "limit_part", "r mail %s 4 2000", "");
    assert_int_equal(reply_number(reply_element(reply, 2)), 0);
    const redisReply *row = reply_element(lane_call(f, "limits", "%s 1", ""), 1);
    assert_int_equal(reply_number(reply_element(row, 12)), 3000);
}

/* Sums of a field of a limit in all lanes. */
static long long sum_of_parts(struct fixture *f, const char *field)
{
    long long sum = 0;

    for (unsigned lane = 0; lane < f->lanes; lane++) {
        lane_use(f, lane);
        const char *part = lane_field(f, "limit:mail", field);
        sum += part ? strtoll(part, NULL, 10) : 0;
    }
    return sum;
}

static void set_in_all_lanes(struct fixture *f, const char *concurrency, const char *rate, const char *burst)
{
    for (unsigned lane = 0; lane < f->lanes; lane++) {
        lane_use(f, lane);
        lane_call(f, "limit_set", "me mail %s %s %s", concurrency, rate, burst);
    }
}

static const redisReply *divide(struct fixture *f, unsigned lane, bool look, const char *slots, const char *tokens)
{
    lane_use(f, lane);
    if (look)
        lane_call(f, "limit_look", "round %s 10", "");
    return lane_call(f, "limit_part", "round mail %s %s 1000000", slots, tokens);
}

static void a_limit_that_is_lowered_holds_at_once_in_all_lanes_together(void **state)
{
    struct fixture *f = *state;
    static const int lower[] = {30, 17, 11, 7, 3, 2, 1};
    if (f->lanes == 1)
        return;
    set_in_all_lanes(f, "40", "40/s", "40");
    for (unsigned lane = 0; lane < f->lanes; lane++)
        divide(f, lane, true, fixture_text(f, "%u", lane + 1), fixture_text(f, "%u", f->lanes - lane));
    assert_int_equal(sum_of_parts(f, "slots"), 36);

    for (size_t i = 0; i < sizeof lower / sizeof lower[0]; i++) {
        const char *most = fixture_text(f, "%d", lower[i]);
        set_in_all_lanes(f, most, "40/s", most);
        assert_in_range(sum_of_parts(f, "slots"), 1, lower[i]);
        assert_in_range(sum_of_parts(f, "tokens"), 1, lower[i]);
    }
    set_in_all_lanes(f, "40", "40/s", "40"); /* what is more is for the leader to divide */
    assert_int_equal(sum_of_parts(f, "slots"), 1);
}

static void a_part_of_a_division_from_before_a_change_does_not_count(void **state)
{
    struct fixture *f = *state;
    if (f->lanes == 1)
        return;
    set_in_all_lanes(f, "8", "", "");
    for (unsigned lane = 0; lane < f->lanes; lane++)
        divide(f, lane, true, lane ? "0" : "8", "");

    set_in_all_lanes(f, "4", "", "");
    assert_reply(reply_element(divide(f, 1, false, "8", ""), 0), "stale");
    divide(f, 1, true, "0", "");
    lane_call(f, "limit_clear", "me mail");
    set_in_all_lanes(f, "2", "", "");
    assert_reply(reply_element(divide(f, 1, false, "8", ""), 0), "stale");
    assert_in_range(sum_of_parts(f, "slots"), 1, 4);
    divide(f, 1, true, "0", "");
    lane_call(f, "limit_set", "me mail 2 %s %s", "", ""); /* as it was */
    assert_reply(reply_element(divide(f, 1, false, "0", ""), 0), "ok");
}

/* ---- refusals ---- */

static void what_is_no_limit_is_refused(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = {"", "Mail", "-mail", "mail:", "mail:a/b", "mail:a:b", "mail@acme"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_error(lane_call(f, "limit_set", "me %s 1 %s %s", names[i], "", ""), "INVALID");
        struct bytes record = lane_record(f, &(struct lane_record){.limit = *names[i] ? names[i] : ":"});
        assert_error(lane_call(f, "enqueue", "acme job %b", record.data, record.length), "INVALID");
    }
    assert_error(lane_call(f, "limit_set", "me mail:42 1 %s %s", "", ""), "INVALID");
    assert_error(lane_call(f, "limit_set", "me mail 0 %s %s", "", ""), "INVALID");
    assert_error(lane_call(f, "limit_set", "me mail %s %s %s", "", "", ""), "INVALID");
    assert_error(lane_call(f, "limit_set", "me mail %s 5 %s", "", ""), "INVALID");
    assert_error(lane_call(f, "limit_set", "me mail %s 5/d %s", "", ""), "INVALID");
    assert_error(lane_call(f, "limit_set", "me mail %s 0/s %s", "", ""), "INVALID");
    assert_error(lane_call(f, "limit_set", "me mail 1 %s 5", ""), "INVALID");
    assert_error(lane_call(f, "limit_pause", "me mail acme 5"), "INVALID");
    assert_error(lane_call(f, "limit_pause", "me mail:4 %s 5", ""), "INVALID");
    assert_error(lane_call(f, "limit_pause", "me mail %s -1", ""), "INVALID");
    assert_error(lane_call(f, "limit_look", "%s %s 1", "", ""), "INVALID");
    assert_error(lane_call(f, "limits", "%s 101", ""), "INVALID");
    lane_open(f, "w1", 60000);
    assert_error(lane_call(f, "claim", "w1 0123456789abcdef 1 0 1 default 0 1 * %s", "1000 No"), "INVALID");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_more_run_than_the_limit_allows_and_an_end_lets_the_next_go),
        cmocka_unit_test(a_job_that_waits_is_in_nobodys_way),
        cmocka_unit_test(whatever_ends_a_lease_leaves_the_limit),
        cmocka_unit_test(a_lost_closed_overdue_or_cancelled_lease_leaves_the_limit_too),
        cmocka_unit_test(an_end_of_any_organization_lets_another_ones_job_go),
        cmocka_unit_test(a_rate_gives_its_burst_and_then_one_at_a_time),
        cmocka_unit_test(a_fast_rate_is_reached_by_claims_that_follow_each_other),
        cmocka_unit_test(a_clock_set_back_blocks_no_limit),
        cmocka_unit_test(both_limits_must_have_room),
        cmocka_unit_test(a_limit_of_a_key_is_one_for_each_key_and_organization),
        cmocka_unit_test(a_rate_of_a_key_is_forgotten_after_a_while),
        cmocka_unit_test(a_limit_that_nobody_has_defined_is_none),
        cmocka_unit_test(a_raised_or_cleared_limit_lets_jobs_go),
        cmocka_unit_test(a_lowered_limit_waits_for_those_that_run),
        cmocka_unit_test(a_paused_limit_lets_nothing_start_until_it_is_over),
        cmocka_unit_test(a_resumed_limit_lets_jobs_go_at_once),
        cmocka_unit_test(what_changes_a_limit_lets_jobs_of_its_keys_go_at_once),
        cmocka_unit_test(so_it_does_with_very_many_keys_in_steps),
        cmocka_unit_test(a_waiting_job_is_cancelled_deleted_and_rescheduled_like_a_ready_one),
        cmocka_unit_test(a_job_that_expires_while_it_waits_ends_then),
        cmocka_unit_test(a_waiting_job_counts_as_queued_and_goes_with_its_organization),
        cmocka_unit_test(organizations_in_a_line_take_turns),
        cmocka_unit_test(who_is_held_up_does_not_hold_up_the_line),
        cmocka_unit_test(where_nobody_takes_a_job_that_was_let_go_another_one_is),
        cmocka_unit_test(a_part_is_what_this_lane_may_use),
        cmocka_unit_test(what_a_lowered_part_had_of_tokens_is_handed_back),
        cmocka_unit_test(a_limit_that_is_lowered_holds_at_once_in_all_lanes_together),
        cmocka_unit_test(a_part_of_a_division_from_before_a_change_does_not_count),
        cmocka_unit_test(what_is_no_limit_is_refused),
    };

    return RUN_IN_LANES("named limits", tests);
}
