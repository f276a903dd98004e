/* claim - types that the worker has no room for: their jobs stay where they are, and what is behind them is found. */
#include <stdio.h>
#include <string.h>

#include "tests/support/lane.h"

static struct lane_claimed claim(struct fixture *f, unsigned want, const char *types)
{
    return lane_claim(f, &(struct lane_claim){.session = "w1", .want = want, .types = types});
}

static void no_more_than_the_room_is_taken(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 6000);
    lane_enqueue_many(f, "acme", "slow", 10, &(struct lane_record){.type = "slow"});

    assert_int_equal(claim(f, 8, "slow:1000/3").jobs, 3);
    assert_int_equal(claim(f, 8, "slow:1000/0").jobs, 0);
    assert_int_equal(claim(f, 1, "slow:1000/0").jobs, 0);

    assert_int_equal(lane_count(f, "org:acme:ready:default"), 7);
    assert_int_equal(lane_count(f, "org:acme:scheduled"), 0);
    assert_string_equal(claim(f, 1, "slow:1000/1").job[0].id, "slow0003");
}

static void those_behind_are_taken(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 6000);
    lane_enqueue_many(f, "acme", "slow", 4, &(struct lane_record){.type = "slow"});
    lane_enqueue_many(f, "acme", "fast", 3, NULL);

    struct lane_claimed got = claim(f, 1, "slow:1000/0 test:1000");
    assert_int_equal(got.jobs, 1);
    assert_string_equal(got.job[0].id, "fast0000");
    got = claim(f, 8, "slow:1000/1 test:1000");
    assert_int_equal(got.jobs, 3);
    assert_string_equal(lane_place(f, "acme", "slow0000"), "running");
    assert_string_equal(lane_place(f, "acme", "slow0001"), "ready:default");
}

/* The last ones at once; one in the middle of many sooner or later. */
static void however_many_are_in_front(void **state)
{
    struct fixture *f = *state;
    bool found = false;
    lane_open(f, "w1", 6000);
    lane_enqueue_many(f, "acme", "slow", 400, &(struct lane_record){.type = "slow"});
    clock_advance_ms(f, 1);
    lane_enqueue(f, "acme", "middle", NULL);
    clock_advance_ms(f, 1);
    lane_enqueue_many(f, "acme", "tail", 400, &(struct lane_record){.type = "slow"});
    clock_advance_ms(f, 1);
    lane_enqueue(f, "acme", "last", NULL);

    assert_string_equal(claim(f, 1, "slow:1000/0 test:1000").job[0].id, "last");
    for (int i = 0; i < 100 && !found; i++)
        found = claim(f, 1, "slow:1000/0 test:1000").jobs == 1;
    assert_true(found);
    assert_string_equal(lane_place(f, "acme", "middle"), "running");
    assert_int_equal(lane_count(f, "org:acme:ready:default"), 800);
}

static void other_organizations_are_served(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 6000);
    lane_enqueue_many(f, "acme", "slow", 50, &(struct lane_record){.type = "slow"});
    for (unsigned n = 1; n < 6; n++)
        lane_enqueue(f, lane_org(f, n), "job1", NULL);

    assert_int_equal(claim(f, 8, "slow:1000/0 test:1000").jobs, 5);
}

static void the_unknown_rest_and_the_expired_end_all_the_same(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 6000);
    lane_enqueue(f, "acme", "slow1", &(struct lane_record){.type = "slow"});
    lane_enqueue(f, "acme", "late", &(struct lane_record){.type = "slow", .expires_ms = clock_ms(f) + 1000});
    lane_enqueue(f, "acme", "strange", &(struct lane_record){.type = "strange"});
    lane_enqueue(f, "acme", "job1", NULL);
    clock_advance_ms(f, 2000);

    assert_string_equal(claim(f, 4, "slow:1000/0 test:1000").job[0].id, "job1");
    assert_string_equal(lane_place(f, "acme", "late"), "cancelled");
    assert_string_equal(lane_place(f, "acme", "strange"), "scheduled");
    assert_string_equal(lane_place(f, "acme", "slow1"), "ready:default");
}

static void a_name_may_stand_for_all_that_begin_so(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 6000);
    lane_enqueue(f, "acme", "a", &(struct lane_record){.type = "report.day"});
    lane_enqueue(f, "acme", "b", &(struct lane_record){.type = "report.month.may"});
    lane_enqueue(f, "acme", "c", &(struct lane_record){.type = "report.month.june"});
    lane_enqueue(f, "acme", "d", &(struct lane_record){.type = "report"});

    struct lane_claimed got = claim(f, 4, "report.*:1000 report.month.*:2000/1");

    assert_int_equal(got.jobs, 2);
    assert_string_equal(lane_place(f, "acme", "a"), "running");
    assert_string_equal(lane_place(f, "acme", "b"), "running");
    assert_string_equal(lane_place(f, "acme", "c"), "ready:default");
    assert_string_equal(lane_place(f, "acme", "d"), "scheduled");
    assert_true(lane_score(f, "org:acme:running", "b") == lane_score(f, "org:acme:running", "a") + 1000);
}

static void one_room_serves_all_that_are_not_named(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 6000);
    lane_enqueue(f, "acme", "a", &(struct lane_record){.type = "x"});
    lane_enqueue(f, "acme", "b", &(struct lane_record){.type = "y"});
    lane_enqueue(f, "acme", "c", NULL);

    assert_int_equal(claim(f, 4, "*:1000/1 test:1000").jobs, 2);
    assert_string_equal(lane_place(f, "acme", "b"), "ready:default");
}

static void nonsense_is_refused(void **state)
{
    struct fixture *f = *state;
    static const char *const wrong[] = {"1000/", "1000/x", "1000/-1", "1000/1025", "/3", "1000/3/4"};
    lane_open(f, "w1", 6000);

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_error(lane_call(f, "claim", "w1 0123456789abcdef 1 0 1 default 0 1 slow %s", wrong[i]), "INVALID");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_more_than_the_room_is_taken),
        cmocka_unit_test(those_behind_are_taken),
        cmocka_unit_test(however_many_are_in_front),
        cmocka_unit_test(other_organizations_are_served),
        cmocka_unit_test(the_unknown_rest_and_the_expired_end_all_the_same),
        cmocka_unit_test(a_name_may_stand_for_all_that_begin_so),
        cmocka_unit_test(one_room_serves_all_that_are_not_named),
        cmocka_unit_test(nonsense_is_refused),
    };

    return RUN_IN_LANES("room", tests);
}
