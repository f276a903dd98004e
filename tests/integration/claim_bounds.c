/* claim - what bounds one call, and what cannot stop it: sizes, jobs set aside, visits, entries that lead nowhere. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/lane.h"

static void one_call_sets_aside_a_bounded_number_of_jobs(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 6000);
    lane_enqueue_many(f, "acme", "strange", 200, &(struct lane_record){.type = "strange"});
    lane_redis(f, "HSET %s est:default 0.0625", lane_key(f, "org:acme"));

    lane_claim(f, &(struct lane_claim){.session = "w1", .want = 32, .types = "test:1000"});

    assert_in_range(lane_count(f, "org:acme:scheduled"), 64, 64 + 32);
}

static void a_claim_carries_at_most_1_mib(void **state)
{
    struct fixture *f = *state;
    char *payload = calloc(1, 500000);
    lane_open(f, "w1", 6000);
    for (unsigned n = 0; n < 3; n++)
        lane_enqueue(f, lane_org(f, n), "job1", &(struct lane_record){.payload = payload, .payload_bytes = 500000});
    free(payload);

    struct lane_claimed got = lane_claim(f, &(struct lane_claim){.session = "w1", .want = 32});
    struct lane_claimed rest = lane_claim(f, &(struct lane_claim){.session = "w1", .want = 32});

    assert_int_equal(got.jobs, 2);
    assert_int_equal(got.active, 1);
    assert_int_equal(rest.jobs, 1);
}

static void one_job_of_the_largest_size_can_be_claimed(void **state)
{
    struct fixture *f = *state;
    char *payload = calloc(1, 1040000);
    lane_open(f, "w1", 6000);
    lane_call(f, "org_set", "tester acme max_payload_bytes 1040000");
    lane_enqueue(f, "acme", "job1", &(struct lane_record){.payload = payload, .payload_bytes = 1040000, .timeout_ms = 1000});
    lane_enqueue(f, "acme", "job2", &(struct lane_record){.payload = payload, .payload_bytes = 1040000, .timeout_ms = 1000});
    free(payload);

    assert_int_equal(lane_claim(f, &(struct lane_claim){.session = "w1", .want = 2}).jobs, 1);
    assert_int_equal(lane_claim(f, &(struct lane_claim){.session = "w1", .want = 2}).jobs, 1);
}

static void an_organization_with_large_records_gives_one_job_a_visit(void **state)
{
    struct fixture *f = *state;
    char *payload = calloc(1, 40000);
    lane_open(f, "w1", 6000);
    lane_enqueue_many(f, "acme", "job", 3, &(struct lane_record){.payload = payload, .payload_bytes = 40000});
    lane_redis(f, "HSET %s est:default 1", lane_key(f, "org:acme")); /* five fit into a quantum */
    free(payload);
    lane_enqueue_many(f, lane_org(f, 1), "job", 3, NULL);

    struct lane_claimed got = lane_claim(f, &(struct lane_claim){.session = "w1", .want = 2});

    assert_string_not_equal(got.job[0].org, got.job[1].org);
}

static void an_entry_without_a_job_leaves_and_stops_nothing(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 6000);
    lane_enqueue(f, "acme", "lost", NULL);
    lane_enqueue(f, "acme", "other", NULL);
    lane_redis(f, "HDEL %s lost", lane_key(f, "org:acme:jobs"));

    assert_string_equal(lane_claim_one(f, "w1").id, "other");

    assert_string_equal(lane_place(f, "acme", "lost"), "");
}

static void an_index_entry_of_an_unknown_organization_stops_nothing(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 6000);
    lane_enqueue(f, "acme", "job1", NULL);
    lane_redis(f, "ZADD %s -1 ghost", lane_key(f, "active:default"));
    lane_redis(f, "ZADD %s -1 ghost", lane_key(f, "quiet:default"));

    assert_string_equal(lane_claim_one(f, "w1").id, "job1");

    assert_int_equal(lane_count(f, "active:default"), 0);
    assert_int_equal(lane_count(f, "quiet:default"), 0);
}

static void one_call_makes_a_bounded_number_of_visits(void **state)
{
    struct fixture *f = *state;
    f->check_each = false;
    lane_open(f, "w1", 6000);
    lane_enqueue(f, "acme", "job1", NULL);
    for (int i = 0; i < 60; i++)
        lane_redis(f, "ZADD %s -1 ghost%d", lane_key(f, "active:default"), i);

    assert_int_equal(lane_claim(f, &(struct lane_claim){.session = "w1"}).jobs, 0);
    assert_int_equal(lane_count(f, "active:default"), 61 - (1 + 16));

    for (int i = 0; i < 3; i++)
        lane_claim(f, &(struct lane_claim){.session = "w1"});
    assert_string_equal(lane_place(f, "acme", "job1"), "running");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_call_sets_aside_a_bounded_number_of_jobs),
        cmocka_unit_test(a_claim_carries_at_most_1_mib),
        cmocka_unit_test(one_job_of_the_largest_size_can_be_claimed),
        cmocka_unit_test(an_organization_with_large_records_gives_one_job_a_visit),
        cmocka_unit_test(an_entry_without_a_job_leaves_and_stops_nothing),
        cmocka_unit_test(an_index_entry_of_an_unknown_organization_stops_nothing),
        cmocka_unit_test(one_call_makes_a_bounded_number_of_visits),
    };

    return RUN_IN_LANES("claim_bounds", tests);
}
