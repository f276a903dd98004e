/* share - how lanes share the units of a limit. */
#include "scheduler/share.h"

#include "tests/unit/unit.h"

static int64_t sum_of_targets(const struct share *shares, size_t count)
{
    int64_t sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += shares[i].target;
    return sum;
}

static void a_single_unit_goes_to_where_somebody_waits(void **state)
{
    struct share shares[3] = {{.has = 1}, {0}, {.waiting = 4}};

    (void)state;
    share_divide(shares, 3, 1, 7);

    assert_int_equal(shares[0].target, 0);
    assert_int_equal(shares[2].target, 1);
}

static void what_is_in_use_stays_where_nobody_waits(void **state)
{
    struct share shares[3] = {{.has = 5, .used = 2}, {.waiting = 1}, {0}};

    (void)state;
    share_divide(shares, 3, 5, 0);

    assert_int_equal(shares[0].target, 2);
    assert_int_equal(shares[1].target, 3);
}

static void lanes_share_by_the_number_of_those_who_wait(void **state)
{
    struct share shares[2] = {{.waiting = 3}, {.waiting = 1}};

    (void)state;
    share_divide(shares, 2, 8, 0);

    assert_int_equal(shares[0].target, 6);
    assert_int_equal(shares[1].target, 2);
}

static void with_too_few_units_lanes_have_them_in_turns(void **state)
{
    int64_t had[4] = {0};

    (void)state;
    for (uint64_t turn = 0; turn < 8; turn++) {
        struct share shares[4] = {{.waiting = 1}, {.waiting = 9}, {0}, {.waiting = 1}};
        share_divide(shares, 4, 1, turn);
        assert_int_equal(sum_of_targets(shares, 4), 1);
        for (size_t i = 0; i < 4; i++)
            had[i] += shares[i].target;
    }
    assert_in_range(had[0], 2, 3);
    assert_in_range(had[1], 2, 3);
    assert_int_equal(had[2], 0);
    assert_in_range(had[3], 2, 3);
}

static void where_nobody_waits_all_stays_but_for_what_there_is_not(void **state)
{
    struct share shares[3] = {{.has = 1}, {.has = 4}, {.has = 3}};

    (void)state;
    share_divide(shares, 3, 8, 0);
    assert_int_equal(shares[1].target, 4);
    assert_int_equal(shares[2].target, 3);
    share_divide(shares, 3, 3, 0);
    assert_int_equal(sum_of_targets(shares, 3), 3);
    share_divide(shares, 3, 10, 0);
    assert_int_equal(shares[0].target, 3);
}

static void no_more_is_given_than_there_is(void **state)
{
    uint64_t random = 1;

    (void)state;
    for (int i = 0; i < 20000; i++) {
        struct share shares[8];
        for (int lane = 0; lane < 8; lane++) {
            random = random * 6364136223846793005ULL + 1442695040888963407ULL;
            shares[lane] = (struct share){
                .has = (int64_t)(random >> 60), .used = (int64_t)(random >> 50 & 15), .waiting = (int64_t)(random >> 40 & 3)};
        }
        int64_t units = (int64_t)(random >> 33 & 31);
        share_divide(shares, 8, units, random >> 20);
        assert_int_equal(sum_of_targets(shares, 8), units);
        for (int lane = 0; lane < 8; lane++)
            assert_true(shares[lane].target >= 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_single_unit_goes_to_where_somebody_waits),
        cmocka_unit_test(what_is_in_use_stays_where_nobody_waits),
        cmocka_unit_test(lanes_share_by_the_number_of_those_who_wait),
        cmocka_unit_test(with_too_few_units_lanes_have_them_in_turns),
        cmocka_unit_test(where_nobody_waits_all_stays_but_for_what_there_is_not),
        cmocka_unit_test(no_more_is_given_than_there_is),
    };

    return UNIT_RUN(tests);
}
