/* What organizations pay: worker time, charged at the claim, settled at the end; debts, refunds and estimates. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/lane.h"

#define UNITS_PER_MS 16 /* of tags and V, at weight 100 */
#define DITHER_UNITS 64

static void set_estimate(struct fixture *f, const char *org, const char *ms)
{
    lane_redis(f, "HSET %s est:default %s", lane_key(f, "org:%s", org), ms);
}

static double tag(struct fixture *f, const char *org)
{
    return lane_score(f, "active:default", org);
}

static long long v(struct fixture *f)
{
    const char *text = lane_field(f, "clock", "v:default");

    return text ? strtoll(text, NULL, 10) : 0;
}

static void a_claim_charges_the_estimate(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 6000);
    lane_call(f, "org_set", "tester acme weight 50");
    lane_enqueue_many(f, "acme", "job", 5, NULL);
    set_estimate(f, "acme", "1000");
    double before = tag(f, "acme");

    lane_claim_one(f, "w1");

    assert_int_equal(tag(f, "acme"), before + 1000 * UNITS_PER_MS * 2); /* half the weight, twice the price */
}

static void a_new_organization_is_charged_5_ms_a_job(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 6000);
    lane_enqueue_many(f, "acme", "job", 5, NULL);
    double before = tag(f, "acme");

    lane_claim_one(f, "w1");

    assert_int_equal(tag(f, "acme"), before + 5 * UNITS_PER_MS);
}

static void the_end_of_a_lease_settles_what_was_really_used(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    lane_enqueue_many(f, "acme", "job", 5, NULL);
    double before = tag(f, "acme");
    struct lane_lease lease = lane_claim_one(f, "w1");
    clock_advance_ms(f, 2000);

    lane_end_after(f, &lease, "done", 1500 * 1000);

    assert_int_equal(tag(f, "acme"), before + 1500 * UNITS_PER_MS);
}

static void a_worker_cannot_report_more_time_than_has_passed(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    lane_enqueue_many(f, "acme", "job", 5, NULL);
    double before = tag(f, "acme");
    struct lane_lease lease = lane_claim_one(f, "w1");
    clock_advance_ms(f, 99);

    lane_end_after(f, &lease, "done", 3600 * 1000000LL);

    assert_int_equal(tag(f, "acme"), before + 100 * UNITS_PER_MS);
}

static void a_refund_does_not_go_below_v(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    lane_enqueue_many(f, "acme", "job", 5, NULL);
    set_estimate(f, "acme", "1000");
    struct lane_lease lease = lane_claim_one(f, "w1");
    lane_claim(f, &(struct lane_claim){.session = "w1", .quiet = true, .floor = "15000"}); /* finds nobody, lifts V */

    lane_end_after(f, &lease, "done", 1000);

    assert_int_equal(v(f), 15000);
    assert_int_equal(tag(f, "acme"), 15001); /* next to V, where the valve tells it from a newcomer */
}

static void the_estimate_follows_what_jobs_take(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    lane_enqueue_many(f, "acme", "job", 5, NULL);
    set_estimate(f, "acme", "100");
    struct lane_lease lease = lane_claim_one(f, "w1");
    clock_advance_ms(f, 1000);

    lane_end_after(f, &lease, "done", 200 * 1000);

    assert_string_equal(lane_field(f, "org:acme", "est:default"), "110.0000"); /* a tenth of the way */
}

static void jobs_that_were_handed_back_teach_nothing(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    lane_enqueue_many(f, "acme", "job", 5, NULL);
    set_estimate(f, "acme", "100");
    struct lane_lease lease = lane_claim_one(f, "w1");
    clock_advance_ms(f, 1000);

    lane_end_after(f, &lease, "release", 500 * 1000);

    assert_string_equal(lane_field(f, "org:acme", "est:default"), "100");
}

static void an_organization_that_drained_keeps_its_debt(void **state)
{
    struct fixture *f = *state;
    const char *a = lane_org(f, 0), *b = lane_org(f, 1);
    lane_open(f, "w1", 60000);
    set_estimate(f, a, "1000");
    lane_redis(f, "ZADD %s 0 %s", lane_key(f, "orgs"), a);
    lane_enqueue(f, a, "job1", NULL);
    double before = tag(f, a);
    lane_claim_one(f, "w1"); /* it is empty now */
    lane_enqueue_many(f, b, "job", 5, NULL);

    lane_enqueue(f, a, "job2", NULL);

    assert_int_equal(tag(f, a), before + 1000 * UNITS_PER_MS);
    assert_string_equal(lane_claim_one(f, "w1").org, b);
}

static void a_debt_is_kept_however_the_last_job_leaves(void **state)
{
    struct fixture *f = *state;
    static const char *const leaves[][2] = {{"cancel", "tester acme job2"},
                                            {"delete", "tester acme job2"},
                                            {"reschedule", "tester acme job2 1900000000000"},
                                            {"org_set", "tester acme paused 1"}};

    for (size_t i = 0; i < sizeof leaves / sizeof leaves[0]; i++) {
        fixture_reset(f);
        lane_open(f, "w1", 60000);
        lane_enqueue(f, "acme", "job1", NULL);
        lane_enqueue(f, "acme", "job2", NULL);
        set_estimate(f, "acme", "1000");
        double before = tag(f, "acme");
        lane_claim_one(f, "w1");

        lane_call(f, leaves[i][0], leaves[i][1]);

        assert_string_equal(lane_field(f, "org:acme", "vt:default"), fixture_text(f, "%.0f", before + 1000 * UNITS_PER_MS));
    }
}

static void an_organization_that_was_idle_has_no_credit(void **state)
{
    struct fixture *f = *state;
    const char *a = lane_org(f, 0), *b = lane_org(f, 1);
    f->check_each = false;
    lane_open(f, "w1", 60000);
    lane_enqueue_many(f, b, "job", 100, NULL);
    set_estimate(f, b, "1000");
    for (int i = 0; i < 10; i++)
        lane_claim(f, &(struct lane_claim){.session = "w1", .want = 5});
    long long now = v(f);

    lane_enqueue(f, a, "job1", NULL);

    assert_true(now > 0);
    assert_in_range(tag(f, a), now - DITHER_UNITS + 1, now);
}

static void v_and_tags_of_2_to_the_50_stay_exact(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    long long high = 1LL << 50;
    lane_claim(f, &(struct lane_claim){.session = "w1", .floor = fixture_text(f, "%lld", high)});
    lane_enqueue_many(f, "acme", "job", 3, NULL);
    assert_in_range((long long)tag(f, "acme"), high - DITHER_UNITS + 1, high);
    long long first = high; /* what its first job is charged on top of */

    struct lane_claimed got = lane_claim(f, &(struct lane_claim){.session = "w1"});

    assert_int_equal(got.v, first);
    assert_string_equal(lane_field(f, "clock", "v:default"), fixture_text(f, "%lld", first));
    assert_true((long long)tag(f, "acme") == first + 5 * UNITS_PER_MS);
    struct lane_claimed rest =
        lane_claim(f, &(struct lane_claim){.session = "w1", .want = 2}); /* drains: the tag goes to the hash */
    assert_int_equal(rest.jobs, 2);
    assert_string_equal(lane_field(f, "org:acme", "vt:default"), fixture_text(f, "%lld", first + 15 * UNITS_PER_MS));
    clock_advance_ms(f, 5);
    lane_end_after(f, &got.job[0], "done", 6000); /* owes 1 ms more */
    assert_string_equal(lane_field(f, "org:acme", "vt:default"), fixture_text(f, "%lld", first + 16 * UNITS_PER_MS));
    lane_enqueue(f, "acme", "again", NULL);
    assert_true((long long)tag(f, "acme") == first + 16 * UNITS_PER_MS);
    lane_call(f, "org_set", "tester acme weight 200");
    assert_true((long long)tag(f, "acme") == first + 10 * UNITS_PER_MS + 48); /* V is at first + 10 ms; half of the rest */
}

static void a_job_that_runs_on_pays_at_each_beat(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    lane_enqueue_many(f, "acme", "job", 3, NULL);
    double before = tag(f, "acme");
    struct lane_lease lease = lane_claim_one(f, "w1");
    clock_advance_ms(f, 1000);
    lane_call(f, "beat", "w1"); /* not yet a step more than the 5 ms that were charged */
    assert_int_equal(tag(f, "acme"), before + 5 * UNITS_PER_MS);

    clock_advance_ms(f, 1000);
    lane_call(f, "beat", "w1");
    assert_int_equal(tag(f, "acme"), before + 2000 * UNITS_PER_MS);
    clock_advance_ms(f, 3000);
    lane_end_after(f, &lease, "done", 5000 * 1000);
    assert_int_equal(tag(f, "acme"), before + 5000 * UNITS_PER_MS);
}

static void one_beat_charges_what_runs_on_and_what_it_takes(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    lane_enqueue_many(f, "acme", "a-short", 1, &(struct lane_record){.timeout_ms = 1});
    lane_enqueue_many(f, "acme", "b-long", 4, &(struct lane_record){.timeout_ms = 3600000});
    double before = tag(f, "acme");
    lane_claim(f, &(struct lane_claim){.session = "w1", .want = 2});
    clock_advance_ms(f, 30000);

    lane_call(f, "beat", "w1");

    assert_string_equal(lane_place(f, "acme", "a-short0000"), "scheduled");
    assert_int_equal(tag(f, "acme"), before + (30001 + 30000) * UNITS_PER_MS);
}

static void who_has_drained_pays_too(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    lane_enqueue(f, "acme", "job1", NULL);
    lane_claim_one(f, "w1"); /* its tag is in its hash now */
    clock_advance_ms(f, 2000);

    lane_call(f, "beat", "w1");
    assert_string_equal(lane_field(f, "org:acme", "vt:default"), fixture_text(f, "%d", 2000 * UNITS_PER_MS));
    lane_call(f, "cancel", "tester acme job1");
    clock_advance_ms(f, 1000);
    lane_call(f, "close", "w1 64");
    assert_string_equal(lane_field(f, "org:acme", "vt:default"), fixture_text(f, "%d", 3001 * UNITS_PER_MS));
}

static void the_time_of_a_lost_job_is_paid(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 6000);
    lane_enqueue(f, "acme", "job1", NULL);
    lane_claim_one(f, "w1");
    lane_call(f, "cancel", "tester acme job1");
    clock_advance_ms(f, 7000);

    lane_call(f, "recover", "w1 %s 64", lane_field(f, "session:w1", "beat"));

    assert_string_equal(lane_field(f, "org:acme", "vt:default"), fixture_text(f, "%d", 7001 * UNITS_PER_MS));
}

/* Nobody beat for eight hours, so nobody knows how long the job ran. */
static void a_lost_job_pays_for_no_outage(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 6000);
    lane_enqueue(f, "acme", "job1", NULL);
    lane_claim_one(f, "w1");
    clock_advance_ms(f, 2000);
    lane_call(f, "beat", "w1");
    clock_advance_ms(f, 8 * 3600 * 1000);

    lane_call(f, "recover", "w1 %s 64", lane_field(f, "session:w1", "beat"));

    long long paid_ms = (long long)lane_score(f, "active:default", "acme") / UNITS_PER_MS;
    assert_in_range(paid_ms, 60000, 62010);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_claim_charges_the_estimate),
        cmocka_unit_test(a_new_organization_is_charged_5_ms_a_job),
        cmocka_unit_test(the_end_of_a_lease_settles_what_was_really_used),
        cmocka_unit_test(a_worker_cannot_report_more_time_than_has_passed),
        cmocka_unit_test(a_refund_does_not_go_below_v),
        cmocka_unit_test(the_estimate_follows_what_jobs_take),
        cmocka_unit_test(jobs_that_were_handed_back_teach_nothing),
        cmocka_unit_test(an_organization_that_drained_keeps_its_debt),
        cmocka_unit_test(a_debt_is_kept_however_the_last_job_leaves),
        cmocka_unit_test(an_organization_that_was_idle_has_no_credit),
        cmocka_unit_test(v_and_tags_of_2_to_the_50_stay_exact),
        cmocka_unit_test(a_job_that_runs_on_pays_at_each_beat),
        cmocka_unit_test(who_has_drained_pays_too),
        cmocka_unit_test(the_time_of_a_lost_job_is_paid),
        cmocka_unit_test(one_beat_charges_what_runs_on_and_what_it_takes),
        cmocka_unit_test(a_lost_job_pays_for_no_outage),
    };

    return RUN_IN_LANES("charges", tests);
}
