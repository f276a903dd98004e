/* turns - of which due times a schedule of every organization is in charge, and of which the one that moves to it. */
#include "common/turns.h"

#include "tests/unit/unit.h"

static void without_words_all_are_those_of_every_organization(void **state)
{
    bool own;
    (void)state;

    assert_true(turns_own("", 0));
    assert_int_equal(turns_last("", true, 77), 77);
    assert_int_equal(turns_last("", false, 77), -1);
    assert_int_equal(turns_end("", &own), 0);
    assert_true(own);
}

static void each_due_time_is_of_exactly_one(void **state)
{
    (void)state;
    for (int64_t ms = 0; ms <= 3000; ms++) {
        assert_int_equal(turns_own("-0 +1000 -2000", ms), ms >= 1000 && ms < 2000);
        assert_int_equal(turns_last("-0 +1000 -2000", false, ms) == ms, ms < 1000 || ms >= 2000);
    }
}

static void the_last_one_of_a_side_is_before_the_others_turn(void **state)
{
    bool own;
    (void)state;

    assert_int_equal(turns_last("-0", true, 5000), -1);
    assert_int_equal(turns_last("-0", false, 5000), 5000);
    assert_int_equal(turns_last("-0 +1000", true, 999), -1);
    assert_int_equal(turns_last("-0 +1000", true, 1000), 1000);
    assert_int_equal(turns_last("-0 +1000", false, 5000), 999);
    assert_int_equal(turns_last("-0 +1000 -2000", true, 5000), 1999);
    assert_int_equal(turns_last("-1000", true, 999), 999);
    assert_int_equal(turns_end("-0 +1000 -2000", &own), 2000);
    assert_false(own);
}

static void what_are_no_turns_is_refused(void **state)
{
    static const char *const wrong[] = {
        "x",
        "+",
        "-",
        "+1 ",
        " +1",
        "+1  -2",
        "+1 +2",
        "+2 -1",
        "+1 -1",
        "-01",
        "+70368744177665",
        "+1,-2",
        "1",
        "+99999999999999999999999999",
        "+1 -2 +3 -4 +5 -6 +7 -8 +9 -10 +11 -12 +13 -14 +15 -16 +17",
    };
    struct error err;
    (void)state;

    for (size_t i = 0; i < COUNT(wrong); i++)
        if (turns_are_valid(wrong[i], &err))
            fail_msg("\"%s\" was taken for turns", wrong[i]);
    assert_true(turns_are_valid("", &err));
    assert_true(turns_are_valid("-0 +70368744177664", &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_words_all_are_those_of_every_organization),
        cmocka_unit_test(each_due_time_is_of_exactly_one),
        cmocka_unit_test(the_last_one_of_a_side_is_before_the_others_turn),
        cmocka_unit_test(what_are_no_turns_is_refused),
    };

    return UNIT_RUN(tests);
}
