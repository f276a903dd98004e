/* cli/pace - so many a second. */
#include "cli/pace.h"

#include "tests/unit/unit.h"

static void assert_refused(const char *text)
{
    struct pace pace;
    struct error err;

    assert_int_equal(pace_parse(&pace, text, &err), ERR_INVALID);
    assert_non_null(strstr(err.message, "rate"));
}

static void a_rate_is_a_number_and_a_time(void **state)
{
    struct pace pace;
    struct error err;

    (void)state;
    assert_int_equal(pace_parse(&pace, "10/s", &err), 0);
    assert_int_equal(pace_allows(&pace, 0), 1);
    assert_int_equal(pace_allows(&pace, 99), 1);
    assert_int_equal(pace_allows(&pace, 100), 2);
    assert_int_equal(pace_allows(&pace, 10000), 101);
    assert_int_equal(pace_begin_ms(&pace, 0), 0);
    assert_int_equal(pace_begin_ms(&pace, 7), 700);
    assert_int_equal(pace_parse(&pace, "90/m", &err), 0);
    assert_int_equal(pace_allows(&pace, 60000), 91);
    assert_int_equal(pace_parse(&pace, "1/h", &err), 0);
    assert_int_equal(pace_begin_ms(&pace, 2), 7200000);
    for (int64_t i = 0; i < 1000; i++)
        assert_true(pace_allows(&pace, pace_begin_ms(&pace, i)) > i);
}

static void without_one_it_goes_as_fast_as_it_can(void **state)
{
    struct pace pace;
    struct error err;

    (void)state;
    assert_int_equal(pace_parse(&pace, "", &err), 0);
    assert_true(pace_allows(&pace, 0) > 1000000000);
    assert_int_equal(pace_begin_ms(&pace, 5), 0);
}

static void other_texts_are_refused(void **state)
{
    (void)state;
    assert_refused("10");
    assert_refused("/s");
    assert_refused("0/s");
    assert_refused("-1/s");
    assert_refused("1.5/s");
    assert_refused("10/d");
    assert_refused("10/ss");
    assert_refused("1000001/s");
    assert_refused("99999999999999999999/s");
    assert_refused("fast");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rate_is_a_number_and_a_time),
        cmocka_unit_test(without_one_it_goes_as_fast_as_it_can),
        cmocka_unit_test(other_texts_are_refused),
    };

    return UNIT_RUN(tests);
}
