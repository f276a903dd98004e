/* claim - who may not be served: caps, rate limits, pauses of an organization, a queue or all. */
#include <stdio.h>
#include <string.h>

#include "tests/support/lane.h"

static long long claim_all(struct fixture *f, const char *queues)
{
    return (long long)lane_claim(f, &(struct lane_claim){.session = "w1", .want = 32, .queues = queues}).jobs;
}

static double parked_until(struct fixture *f, const char *org)
{
    return lane_score(f, "parked:default", org);
}

/* ---- Caps ---- */

static void a_cap_is_never_exceeded(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    lane_call(f, "org_set", "tester acme max_running 3");
    lane_enqueue_many(f, "acme", "job", 10, NULL);
    lane_redis(f, "HSET %s est:default 0.0625", lane_key(f, "org:acme"));

    lane_claim_one(f, "w1");
    assert_int_equal(claim_all(f, "default"), 2);
    assert_int_equal(claim_all(f, "default"), 0);

    assert_int_equal(lane_count(f, "org:acme:running"), 3);
    assert_false(lane_has(f, "active:default", "acme"));
}

static void an_organization_at_its_cap_comes_back_with_the_next_end(void **state)
{
    struct fixture *f = *state;
    static const char *const verdicts[] = {"done", "dead", "release", "retry 1000 5", "crash 1000 5", "discard"};
    lane_open(f, "w1", 60000);
    lane_call(f, "org_set", "tester acme max_running 1");
    lane_enqueue_many(f, "acme", "job", 20, NULL);

    for (size_t i = 0; i < sizeof verdicts / sizeof verdicts[0]; i++) {
        struct lane_lease lease = lane_claim_one(f, "w1");
        assert_false(lane_has(f, "active:default", "acme"));
        lane_end(f, &lease, verdicts[i]);
        assert_true(lane_has(f, "active:default", "acme"));
    }
}

static void a_cap_counts_over_all_queues(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    lane_call(f, "org_set", "tester acme max_running 2");
    lane_enqueue_many(f, "acme", "job", 5, NULL);
    lane_enqueue_many(f, "acme", "mail", 5, &(struct lane_record){.queue = "mail"});

    struct lane_claimed got = lane_claim(f, &(struct lane_claim){.session = "w1", .want = 2});

    assert_int_equal(got.jobs, 2);
    assert_false(lane_has(f, "active:mail", "acme"));
    assert_int_equal(claim_all(f, "mail default"), 0);
    lane_end(f, &got.job[0], "done");
    assert_true(lane_has(f, "active:mail", "acme"));
    assert_int_equal(claim_all(f, "mail default"), 1);
}

static void a_cap_of_one_organization_does_not_hold_up_others(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    lane_call(f, "org_set", "tester %s max_running 1", lane_org(f, 0));
    lane_enqueue_many(f, lane_org(f, 0), "job", 20, NULL);
    lane_enqueue_many(f, lane_org(f, 1), "job", 20, NULL);

    assert_int_equal(claim_all(f, "default"), 21);
}

static void a_raised_cap_counts_at_once_and_a_lowered_one_kills_nothing(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    lane_call(f, "org_set", "tester acme max_running 1");
    lane_enqueue_many(f, "acme", "job", 10, NULL);
    claim_all(f, "default");

    lane_call(f, "org_set", "tester acme max_running 4");
    assert_int_equal(claim_all(f, "default"), 3);
    f->unchecked |= UNCHECKED_CAPS;
    lane_call(f, "org_set", "tester acme max_running 2");
    assert_int_equal(lane_count(f, "org:acme:running"), 4);
    assert_int_equal(claim_all(f, "default"), 0);
    lane_call(f, "org_set", "tester acme max_running %s", "");
    assert_int_equal(claim_all(f, "default"), 6);
}

static void a_lowered_cap_holds_until_enough_have_ended(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    lane_enqueue_many(f, "acme", "job", 10, NULL);
    struct lane_claimed got = lane_claim(f, &(struct lane_claim){.session = "w1", .want = 4});
    f->unchecked |= UNCHECKED_CAPS;
    lane_call(f, "org_set", "tester acme max_running 2");

    lane_end(f, &got.job[0], "done");
    lane_end(f, &got.job[1], "done");
    assert_false(lane_has(f, "active:default", "acme"));
    lane_end(f, &got.job[2], "done");
    assert_true(lane_has(f, "active:default", "acme"));
}

/* ---- Rate limits ---- */

static void a_rate_gives_its_burst_and_then_parks(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    lane_call(f, "org_set", "tester acme rate 10 burst 3");
    lane_enqueue_many(f, "acme", "job", 10, NULL);
    lane_redis(f, "HSET %s est:default 0.0625", lane_key(f, "org:acme"));

    struct lane_claimed got = lane_claim(f, &(struct lane_claim){.session = "w1", .want = 32});

    assert_int_equal(got.jobs, 3);
    assert_int_equal(got.active, 0);
    assert_int_equal(got.next_ms, CLOCK_START_MS + 100);
    assert_int_equal(parked_until(f, "acme"), CLOCK_START_MS + 100);
    assert_false(lane_has(f, "quiet:default", "acme"));
}

static void a_parked_organization_returns_with_its_next_token(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    lane_call(f, "org_set", "tester acme rate 10");
    lane_enqueue_many(f, "acme", "job", 10, NULL);

    assert_int_equal(claim_all(f, "default"), 1);
    clock_advance_ms(f, 99);
    assert_int_equal(claim_all(f, "default"), 0);
    clock_advance_ms(f, 1);
    assert_int_equal(claim_all(f, "default"), 1);
    assert_int_equal(parked_until(f, "acme"), CLOCK_START_MS + 200);
}

static void over_a_minute_a_rate_is_exact(void **state)
{
    struct fixture *f = *state;
    long long served = 0;
    f->check_each = false;
    lane_open(f, "w1", 60000);
    lane_call(f, "org_set", "tester acme rate 7 burst 5");
    lane_enqueue_many(f, "acme", "job", 1000, NULL);

    for (int i = 0; i < 1200; i++) {
        served += claim_all(f, "default");
        clock_advance_ms(f, 50);
    }

    assert_in_range(served, 7 * 60 + 5 - 1, 7 * 60 + 5);
}

static void tokens_are_not_saved_up_beyond_the_burst(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    lane_call(f, "org_set", "tester acme rate 1 burst 2");
    lane_enqueue_many(f, "acme", "job", 10, NULL);
    clock_advance_ms(f, 3600000);

    assert_int_equal(claim_all(f, "default"), 2);
}

static void a_rate_counts_over_all_queues(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    lane_call(f, "org_set", "tester acme rate 1 burst 3");
    lane_enqueue_many(f, "acme", "job", 5, NULL);
    lane_enqueue_many(f, "acme", "mail", 5, &(struct lane_record){.queue = "mail"});
    claim_all(f, "nothing"); /* quiet ends with the first job; the others are then taken one token at a time */

    for (int i = 0; i < 3; i++)
        lane_claim_one(f, "w1");

    assert_true(lane_has(f, "parked:mail", "acme"));
    assert_true(lane_has(f, "parked:default", "acme"));
    assert_int_equal(claim_all(f, "mail default"), 0);
    clock_advance_ms(f, 1000);
    assert_int_equal(claim_all(f, "mail default"), 1);
}

static void a_job_that_did_not_start_costs_no_token(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    lane_call(f, "org_set", "tester acme rate 1");
    lane_enqueue(f, "acme", "a", &(struct lane_record){.type = "strange"});
    lane_enqueue(f, "acme", "b", &(struct lane_record){.expires_ms = CLOCK_START_MS + 1});
    lane_enqueue(f, "acme", "c", NULL);
    clock_advance_ms(f, 1);

    struct lane_claimed got = lane_claim(f, &(struct lane_claim){.session = "w1", .types = "test:1000"});

    assert_int_equal(got.jobs, 1);
    assert_string_equal(got.job[0].id, "c");
}

static void a_rate_that_is_lifted_frees_at_once(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    lane_call(f, "org_set", "tester acme rate 0.001");
    lane_enqueue_many(f, "acme", "job", 5, NULL);
    claim_all(f, "default");
    assert_true(parked_until(f, "acme") > 0);

    lane_call(f, "org_set", "tester acme rate %s", "");

    assert_int_equal(lane_count(f, "parked:default"), 0);
    assert_int_equal(claim_all(f, "default"), 4);
}

static void a_rate_set_while_jobs_wait_counts_from_then(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    lane_enqueue_many(f, "acme", "job", 5, NULL);

    lane_call(f, "org_set", "tester acme rate 2");

    assert_int_equal(claim_all(f, "default"), 1);
    assert_int_equal(parked_until(f, "acme"), CLOCK_START_MS + 500);
}

static void a_new_rate_rescales_what_was_spent_ahead(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    lane_call(f, "org_set", "tester acme rate 1");
    lane_enqueue_many(f, "acme", "job", 5, NULL);
    claim_all(f, "default");

    lane_call(f, "org_set", "tester acme rate 10");
    assert_int_equal(parked_until(f, "acme"), CLOCK_START_MS + 100);
    lane_call(f, "org_set", "tester acme rate 0.5");
    assert_int_equal(parked_until(f, "acme"), CLOCK_START_MS + 2000);
    lane_call(f, "org_set", "tester acme weight 7");
    assert_int_equal(parked_until(f, "acme"), CLOCK_START_MS + 2000);
}

static void a_clock_set_back_blocks_no_rate(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    lane_call(f, "org_set", "tester acme rate 1 burst 3");
    lane_enqueue_many(f, "acme", "job", 10, NULL);
    assert_int_equal(claim_all(f, "default"), 3);
    f->unchecked |= UNCHECKED_ALL;

    clock_advance_ms(f, -3600 * 1000);
    lane_call(f, "audit", "tester 0 10 1");
    clock_advance_ms(f, 1000);

    assert_true(claim_all(f, "default") > 0);
    f->unchecked = 0;
}

static void a_lowered_burst_is_not_paid_for_with_a_wait(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    lane_call(f, "org_set", "tester acme rate 1 burst 10");
    lane_enqueue_many(f, "acme", "job", 20, NULL);
    assert_int_equal(claim_all(f, "default"), 10);

    lane_call(f, "org_set", "tester acme burst 2");

    assert_int_equal(parked_until(f, "acme"), CLOCK_START_MS + 1000);
    clock_advance_ms(f, 1000);
    assert_int_equal(claim_all(f, "default"), 1);
}

static void a_claim_tells_of_the_next_token_in_any_of_its_queues(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    lane_call(f, "org_set", "tester acme rate 5");
    for (int i = 0; i < 3; i++)
        lane_enqueue(f, "acme", fixture_text(f, "job%d", i), &(struct lane_record){.queue = "mail"});

    struct lane_claimed got = lane_claim(f, &(struct lane_claim){.session = "w1", .want = 3, .queues = "default mail"});

    assert_int_equal(got.jobs, 1);
    assert_int_equal(got.next_ms, CLOCK_START_MS + 200);
}

static void many_parked_organizations_return_within_bounds(void **state)
{
    struct fixture *f = *state;
    f->check_each = false;
    lane_open(f, "w1", 60000);
    for (unsigned n = 0; n < 40; n++) {
        lane_call(f, "org_set", "tester %s rate 1", lane_org(f, n));
        lane_enqueue_many(f, lane_org(f, n), "job", 2, NULL);
    }
    assert_int_equal(claim_all(f, "default") + claim_all(f, "default"), 40);
    clock_advance_ms(f, 1000);

    assert_int_equal(claim_all(f, "default"), 32);
    assert_int_equal(claim_all(f, "default"), 8);
}

static void at_its_cap_an_organization_waits_for_no_token(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    lane_call(f, "org_set", "tester acme rate 1 max_running 1");
    lane_enqueue_many(f, "acme", "job", 5, NULL);

    struct lane_lease lease = lane_claim_one(f, "w1");
    assert_int_equal(lane_count(f, "parked:default"), 0);
    lane_end(f, &lease, "done");
    assert_int_equal(parked_until(f, "acme"), CLOCK_START_MS + 1000);
}

/* ---- Pauses ---- */

static void a_paused_organization_takes_jobs_and_runs_none(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    lane_enqueue(f, "acme", "before", NULL);
    lane_call(f, "org_set", "ops acme paused 1");

    assert_string_equal(lane_enqueue(f, "acme", "after", NULL), "new");
    assert_int_equal(claim_all(f, "default"), 0);
    assert_false(lane_has(f, "active:default", "acme"));
    assert_string_equal(lane_field(f, "org:acme", "paused_by"), "ops");
    assert_string_equal(lane_field(f, "org:acme", "paused_ms"), fixture_text(f, "%lld", CLOCK_START_MS));

    lane_call(f, "org_set", "tester acme paused %s", "");
    assert_int_equal(claim_all(f, "default"), 2);
    assert_null(lane_field(f, "org:acme", "paused_by"));
    assert_null(lane_field(f, "org:acme", "paused_ms"));
}

static void jobs_of_a_paused_organization_end_as_usual_and_stay_away(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    lane_enqueue_many(f, "acme", "job", 3, NULL);
    struct lane_claimed got = lane_claim(f, &(struct lane_claim){.session = "w1", .want = 2});
    lane_call(f, "org_set", "tester acme paused 1");

    assert_string_equal(lane_end(f, &got.job[0], "done"), "ok");
    assert_string_equal(lane_end(f, &got.job[1], "release"), "ok");

    assert_int_equal(claim_all(f, "default"), 0);
}

static void a_paused_queue_is_not_claimed_from(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    lane_enqueue(f, "acme", "mail1", &(struct lane_record){.queue = "mail"});
    lane_enqueue(f, "acme", "job1", NULL);

    assert_reply(lane_call(f, "pause", "ops mail pause"), "running");
    assert_int_equal(claim_all(f, "mail"), 0);
    assert_int_equal(claim_all(f, "mail default"), 1);
    assert_reply(lane_call(f, "pause", "ops mail pause"), "paused");
    assert_reply(lane_call(f, "pause", "ops mail resume"), "paused");
    assert_reply(lane_call(f, "pause", "ops mail resume"), "running");
    assert_int_equal(claim_all(f, "mail"), 1);
}

static void a_paused_lane_gives_nothing_and_takes_everything(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    lane_enqueue_many(f, "acme", "job", 2, NULL);
    struct lane_lease lease = lane_claim_one(f, "w1");

    assert_reply(lane_call(f, "pause", "%s * pause", "ops, because"), "running");

    assert_int_equal(claim_all(f, "default"), 0);
    assert_string_equal(lane_enqueue(f, "acme", "more", NULL), "new");
    assert_string_equal(lane_end(f, &lease, "done"), "ok");
    assert_string_equal(lane_field(f, "clock", "paused"), fixture_text(f, "%lld ops, because", CLOCK_START_MS));
    assert_reply(lane_call(f, "pause", "ops * resume"), "paused");
    assert_int_equal(claim_all(f, "default"), 2);
}

static void who_paused_first_is_remembered(void **state)
{
    struct fixture *f = *state;
    lane_call(f, "pause", "first * pause");
    clock_advance_ms(f, 1000);

    assert_reply(lane_call(f, "pause", "second * pause"), "paused");

    assert_string_equal(lane_field(f, "clock", "paused"), fixture_text(f, "%lld first", CLOCK_START_MS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cap_is_never_exceeded),
        cmocka_unit_test(an_organization_at_its_cap_comes_back_with_the_next_end),
        cmocka_unit_test(a_cap_counts_over_all_queues),
        cmocka_unit_test(a_cap_of_one_organization_does_not_hold_up_others),
        cmocka_unit_test(a_raised_cap_counts_at_once_and_a_lowered_one_kills_nothing),
        cmocka_unit_test(a_lowered_cap_holds_until_enough_have_ended),
        cmocka_unit_test(a_rate_gives_its_burst_and_then_parks),
        cmocka_unit_test(a_parked_organization_returns_with_its_next_token),
        cmocka_unit_test(over_a_minute_a_rate_is_exact),
        cmocka_unit_test(tokens_are_not_saved_up_beyond_the_burst),
        cmocka_unit_test(a_rate_counts_over_all_queues),
        cmocka_unit_test(a_job_that_did_not_start_costs_no_token),
        cmocka_unit_test(a_rate_that_is_lifted_frees_at_once),
        cmocka_unit_test(a_rate_set_while_jobs_wait_counts_from_then),
        cmocka_unit_test(a_new_rate_rescales_what_was_spent_ahead),
        cmocka_unit_test(many_parked_organizations_return_within_bounds),
        cmocka_unit_test(at_its_cap_an_organization_waits_for_no_token),
        cmocka_unit_test(a_paused_organization_takes_jobs_and_runs_none),
        cmocka_unit_test(jobs_of_a_paused_organization_end_as_usual_and_stay_away),
        cmocka_unit_test(a_paused_queue_is_not_claimed_from),
        cmocka_unit_test(a_paused_lane_gives_nothing_and_takes_everything),
        cmocka_unit_test(who_paused_first_is_remembered),
        cmocka_unit_test(a_clock_set_back_blocks_no_rate),
        cmocka_unit_test(a_lowered_burst_is_not_paid_for_with_a_wait),
        cmocka_unit_test(a_claim_tells_of_the_next_token_in_any_of_its_queues),
    };

    return RUN_IN_LANES("limits", tests);
}
