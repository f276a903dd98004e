/* claim - who is next: start-time fair queueing, weights, the valve, V, quiet slots. What each one pays: charges.c. */
#include <stdio.h>
#include <string.h>

#include "tests/support/lane.h"

static void set_estimate(struct fixture *f, const char *org, const char *ms)
{
    lane_redis(f, "HSET %s est:default %s", lane_key(f, "org:%s", org), ms);
}

static unsigned running(struct fixture *f, const char *org)
{
    return (unsigned)lane_count(f, fixture_text(f, "org:%s:running", org));
}

static long long v(struct fixture *f)
{
    const char *text = lane_field(f, "clock", "v:default");

    return text ? strtoll(text, NULL, 10) : 0;
}

static void long_jobs_alternate_one_by_one(void **state)
{
    struct fixture *f = *state;
    const char *a = lane_org(f, 0), *b = lane_org(f, 1);
    lane_open(f, "w1", 6000);
    lane_enqueue_many(f, a, "job", 10, NULL);
    lane_enqueue_many(f, b, "job", 10, NULL);
    set_estimate(f, a, "1000");
    set_estimate(f, b, "1000");

    struct lane_claimed got = lane_claim(f, &(struct lane_claim){.session = "w1", .want = 8});

    for (size_t i = 1; i < got.jobs; i++)
        assert_string_not_equal(got.job[i].org, got.job[i - 1].org);
    assert_int_equal(running(f, a), 4);
}

static void short_jobs_move_in_batches_of_one_quantum(void **state)
{
    struct fixture *f = *state;
    const char *a = lane_org(f, 0), *b = lane_org(f, 1);
    lane_open(f, "w1", 6000);
    lane_enqueue_many(f, a, "job", 20, NULL);
    lane_enqueue_many(f, b, "job", 20, NULL);
    set_estimate(f, a, "1");
    set_estimate(f, b, "1");

    struct lane_claimed got = lane_claim(f, &(struct lane_claim){.session = "w1", .want = 20});

    for (size_t i = 0; i < got.jobs; i += 5) /* 5 ms at 1 ms each */
        for (size_t k = 1; k < 5; k++)
            assert_string_equal(got.job[i + k].org, got.job[i].org);
    assert_int_equal(running(f, a), 10);
    assert_int_equal(running(f, b), 10);
}

static void one_call_takes_no_more_than_32(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 6000);
    lane_enqueue_many(f, "acme", "job", 40, NULL);
    set_estimate(f, "acme", "0.0625");

    assert_int_equal(lane_claim(f, &(struct lane_claim){.session = "w1", .want = 32}).jobs, 32);
    assert_error(lane_call(f, "claim", "w1 0123456789abcdef 33 0 1 default 0 1 * 1000"), "INVALID want");
}

static void service_is_shared_by_worker_time_not_by_jobs(void **state)
{
    struct fixture *f = *state;
    const char *slow = lane_org(f, 0), *quick = lane_org(f, 1);
    lane_open(f, "w1", 6000);
    lane_enqueue_many(f, slow, "job", 100, NULL);
    lane_enqueue_many(f, quick, "job", 100, NULL);
    set_estimate(f, slow, "100");
    set_estimate(f, quick, "10");

    lane_claim(f, &(struct lane_claim){.session = "w1", .want = 32});
    lane_claim(f, &(struct lane_claim){.session = "w1", .want = 12});

    assert_in_range(running(f, slow), 3, 5); /* 4 * 100 ms */
    assert_int_equal(running(f, slow) + running(f, quick), 44);
}

static void service_is_shared_by_weight(void **state)
{
    struct fixture *f = *state;
    const char *heavy = lane_org(f, 0), *light = lane_org(f, 1);
    lane_open(f, "w1", 6000);
    lane_call(f, "org_set", "tester %s weight 300", heavy);
    lane_enqueue_many(f, heavy, "job", 100, NULL);
    lane_enqueue_many(f, light, "job", 100, NULL);
    set_estimate(f, heavy, "30");
    set_estimate(f, light, "30");

    for (int i = 0; i < 4; i++)
        lane_claim(f, &(struct lane_claim){.session = "w1", .want = 10});

    assert_in_range(running(f, heavy), 29, 31);
    assert_in_range(running(f, light), 9, 11);
}

static void a_long_backlog_does_not_delay_a_newcomer(void **state)
{
    struct fixture *f = *state;
    const char *a = lane_org(f, 0), *b = lane_org(f, 1);
    f->check_each = false;
    lane_open(f, "w1", 6000);
    lane_enqueue_many(f, a, "job", 3000, NULL);
    for (int i = 0; i < 5; i++)
        lane_claim(f, &(struct lane_claim){.session = "w1", .want = 32});

    lane_enqueue(f, b, "only", NULL);

    struct lane_claimed got = lane_claim(f, &(struct lane_claim){.session = "w1", .want = 2});
    assert_true(!strcmp(got.job[0].org, b) || !strcmp(got.job[1].org, b));
}

/* Newcomers start at V, in front of everybody who was served. `first` empty claims move the pick counter. */
static unsigned served_during_a_flood(struct fixture *f, int first)
{
    fixture_reset(f);
    const char *old = lane_org(f, 0);
    f->check_each = false;
    lane_open(f, "w1", 60000);
    for (int i = 0; i < first; i++)
        lane_claim(f, &(struct lane_claim){.session = "w1"});
    lane_enqueue_many(f, old, "job", 100, NULL);
    set_estimate(f, old, "60000");
    lane_claim_one(f, "w1");
    for (unsigned n = 1; n <= 160; n++) {
        lane_enqueue(f, lane_org(f, n), "new", NULL);
        lane_claim_one(f, "w1");
    }
    return running(f, old) - 1;
}

static void a_flood_of_newcomers_cannot_starve_who_was_served(void **state)
{
    struct fixture *f = *state;

    for (int first = 0; first < 4; first++)
        assert_in_range(served_during_a_flood(f, first), 8, 24); /* every 16th pick of 160 */
}

static void names_do_not_decide_ties(void **state)
{
    struct fixture *f = *state;
    const char *low = lane_org(f, 0), *high = lane_org(f, 1);
    assert_true(strcmp(low, high) < 0);
    lane_open(f, "w1", 60000);
    lane_claim(f, &(struct lane_claim){.session = "w1", .floor = "1000"}); /* V = 1000: at 0 there is nothing before it */

    lane_enqueue(f, high, "job", NULL); /* in the same moment, at the same V */
    lane_enqueue(f, low, "job", NULL);

    assert_string_equal(lane_claim_one(f, "w1").org, high);
    assert_string_equal(lane_claim_one(f, "w1").org, low);
}

static void a_floor_lifts_v_and_never_lowers_it(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);

    assert_int_equal(lane_claim(f, &(struct lane_claim){.session = "w1", .floor = "5000"}).v, 5000);
    assert_int_equal(lane_claim(f, &(struct lane_claim){.session = "w1", .floor = "4000"}).v, 5000);
    assert_int_equal(lane_claim(f, &(struct lane_claim){.session = "w1", .floor = "0"}).v, 5000);
}

static void a_floor_that_is_no_whole_number_is_refused(void **state)
{
    struct fixture *f = *state;
    static const char *const bad[] = {"inf", "nan", "1e300", "-1", "1.5", "x", "9007199254740994"};
    lane_open(f, "w1", 60000);
    const char *before = lane_digest(f);

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_error(lane_call(f, "claim", "w1 0123456789abcdef 1 0 1 default %s 1 * 1000", bad[i]), "INVALID");

    assert_string_equal(lane_digest(f), before);
}

static void a_quiet_claim_serves_only_who_has_nothing_running(void **state)
{
    struct fixture *f = *state;
    const char *busy = lane_org(f, 0), *calm = lane_org(f, 1);
    lane_open(f, "w1", 60000);
    lane_enqueue_many(f, busy, "job", 5, NULL);
    lane_claim_one(f, "w1");
    set_estimate(f, calm, "0.0625");
    lane_redis(f, "ZADD %s 0 %s", lane_key(f, "orgs"), calm);
    lane_enqueue_many(f, calm, "job", 5, NULL);
    long long before = v(f);

    struct lane_claimed got = lane_claim(f, &(struct lane_claim){.session = "w1", .want = 8, .quiet = true});

    assert_int_equal(got.jobs, 1); /* one, and then it is not quiet any more */
    assert_string_equal(got.job[0].org, calm);
    assert_int_equal(got.v, before);
    assert_int_equal(lane_count(f, "quiet:default"), 0);
}

static void an_organization_is_quiet_again_after_its_last_job(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    lane_enqueue_many(f, "acme", "job", 3, NULL);
    struct lane_claimed got = lane_claim(f, &(struct lane_claim){.session = "w1", .want = 2});
    assert_int_equal(lane_count(f, "quiet:default"), 0);

    lane_end(f, &got.job[0], "done");
    assert_int_equal(lane_count(f, "quiet:default"), 0);
    lane_end(f, &got.job[1], "done");
    assert_int_equal(lane_count(f, "quiet:default"), 1);
}

static void being_quiet_concerns_all_queues_of_an_organization(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    lane_enqueue_many(f, "acme", "job", 2, NULL);
    lane_enqueue_many(f, "acme", "mail", 2, &(struct lane_record){.queue = "mail"});
    assert_int_equal(lane_count(f, "quiet:mail"), 1);

    struct lane_lease lease = lane_claim_one(f, "w1");
    assert_int_equal(lane_count(f, "quiet:mail"), 0);
    assert_int_equal(lane_claim(f, &(struct lane_claim){.session = "w1", .queues = "mail", .quiet = true}).jobs, 0);
    lane_end(f, &lease, "done");
    assert_int_equal(lane_count(f, "quiet:mail"), 1);
}

static void queues_have_tags_and_v_of_their_own(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    lane_enqueue_many(f, "acme", "job", 3, NULL);
    lane_enqueue_many(f, "acme", "mail", 3, &(struct lane_record){.queue = "mail"});
    double before = lane_score(f, "active:mail", "acme");

    lane_claim(f, &(struct lane_claim){.session = "w1", .floor = "777"});

    assert_int_equal(lane_score(f, "active:mail", "acme"), before);
    assert_string_equal(lane_field(f, "clock", "v:mail"), "0");
    assert_int_equal(v(f), 777);
}

/* A visit that only sets jobs aside is paid for with one quantum, and looks at several of them. */
static void jobs_set_aside_take_no_turns_from_others(void **state)
{
    struct fixture *f = *state;
    const char *a = lane_org(f, 0), *b = lane_org(f, 1);
    lane_open(f, "w1", 60000);
    lane_enqueue_many(f, a, "job", 4, NULL);
    lane_enqueue_many(f, b, "strange", 3000, &(struct lane_record){.type = "strange"});
    set_estimate(f, a, "300");
    set_estimate(f, b, "300");

    for (unsigned services = 0, empty = 0; services < 4; services++, empty = 0) {
        struct lane_claimed got = {0};
        while (got.jobs == 0) {
            got = lane_claim(f, &(struct lane_claim){.session = "w1", .types = "test:60000"});
            if (got.jobs == 0)
                assert_true(lane_count(f, "wake:default") > 0); /* somebody comes again, and soon */
            assert_true(++empty <= 20);                         /* 60 quanta in 300 ms, four in a call */
        }
        clock_advance_ms(f, 300);
        lane_end_after(f, &got.job[0], "done", 300000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(long_jobs_alternate_one_by_one),
        cmocka_unit_test(short_jobs_move_in_batches_of_one_quantum),
        cmocka_unit_test(one_call_takes_no_more_than_32),
        cmocka_unit_test(service_is_shared_by_worker_time_not_by_jobs),
        cmocka_unit_test(service_is_shared_by_weight),
        cmocka_unit_test(a_long_backlog_does_not_delay_a_newcomer),
        cmocka_unit_test(a_flood_of_newcomers_cannot_starve_who_was_served),
        cmocka_unit_test(names_do_not_decide_ties),
        cmocka_unit_test(a_floor_lifts_v_and_never_lowers_it),
        cmocka_unit_test(a_floor_that_is_no_whole_number_is_refused),
        cmocka_unit_test(a_quiet_claim_serves_only_who_has_nothing_running),
        cmocka_unit_test(an_organization_is_quiet_again_after_its_last_job),
        cmocka_unit_test(being_quiet_concerns_all_queues_of_an_organization),
        cmocka_unit_test(queues_have_tags_and_v_of_their_own),
        cmocka_unit_test(jobs_set_aside_take_no_turns_from_others),
    };

    return RUN_IN_LANES("fairness", tests);
}
