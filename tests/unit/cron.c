/* cron - which expressions are understood, which days and times they name, and which are refused. */
#include "common/cron.h"

#include "common/civil.h"
#include "tests/unit/due.h"

static const char *const new_year = "2025-12-31T23:59:59Z";

static void PB_13_fields_are_lists_of_values_ranges_and_steps(void **state)
{
    (void)state;
    DUE("cron 5,35 6-8/2 * * *", new_year, "2026-01-01T06:05:00Z", "2026-01-01T06:35:00Z", "2026-01-01T08:05:00Z");
    DUE("cron 50/4 0 * * *", new_year, "2026-01-01T00:50:00Z", "2026-01-01T00:54:00Z", "2026-01-01T00:58:00Z",
        "2026-01-02T00:50:00Z");
    DUE("cron */25 * * * *", new_year, "2026-01-01T00:00:00Z", "2026-01-01T00:25:00Z", "2026-01-01T00:50:00Z",
        "2026-01-01T01:00:00Z");
    DUE("cron 10,40 0 0 * * *", new_year, "2026-01-01T00:00:10Z", "2026-01-01T00:00:40Z", "2026-01-02T00:00:10Z");
    DUE("cron  0\t12  1 FEB,aug-SEP/1  * ", new_year, "2026-02-01T12:00:00Z", "2026-08-01T12:00:00Z", "2026-09-01T12:00:00Z");
    DUE("cron 0 0 * * mon-wed/2", new_year, "2026-01-05T00:00:00Z", "2026-01-07T00:00:00Z", "2026-01-12T00:00:00Z");
    DUE("cron 0 0 * * 7", new_year, "2026-01-04T00:00:00Z", "2026-01-11T00:00:00Z");
    DUE("cron 0 0 * * 0", new_year, "2026-01-04T00:00:00Z", "2026-01-11T00:00:00Z");
    DUE("cron 0 0 * * sat-sun", new_year, "2026-01-03T00:00:00Z", "2026-01-04T00:00:00Z", "2026-01-10T00:00:00Z");
}

static void nicknames_stand_for_expressions(void **state)
{
    (void)state;
    DUE("cron @hourly", new_year, "2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z");
    DUE("cron @daily", new_year, "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z");
    DUE("cron @midnight", new_year, "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z");
    DUE("cron @weekly", new_year, "2026-01-04T00:00:00Z", "2026-01-11T00:00:00Z");
    DUE("cron @MONTHLY", new_year, "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z");
    DUE("cron @yearly", new_year, "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z");
    DUE("cron @annually", new_year, "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z");
}

static void days_are_counted_from_the_end_too(void **state)
{
    (void)state;
    DUE("cron 0 0 L * *", new_year, "2026-01-31T00:00:00Z", "2026-02-28T00:00:00Z", "2026-03-31T00:00:00Z",
        "2026-04-30T00:00:00Z");
    DUE("cron 0 0 L 2 ?", new_year, "2026-02-28T00:00:00Z", "2027-02-28T00:00:00Z", "2028-02-29T00:00:00Z");
    DUE("cron 0 0 L-3 2 *", new_year, "2026-02-25T00:00:00Z", "2027-02-25T00:00:00Z", "2028-02-26T00:00:00Z");
    DUE("cron 0 0 1,L * *", new_year, "2026-01-01T00:00:00Z", "2026-01-31T00:00:00Z", "2026-02-01T00:00:00Z");
    DUE("cron 0 0 ? * 5L", new_year, "2026-01-30T00:00:00Z", "2026-02-27T00:00:00Z");
    DUE("cron 0 0 * * friL", new_year, "2026-01-30T00:00:00Z", "2026-02-27T00:00:00Z");
    DUE("cron 0 0 * * 5#2", new_year, "2026-01-09T00:00:00Z", "2026-02-13T00:00:00Z");
    DUE("cron 0 0 * * mon#5", new_year, "2026-03-30T00:00:00Z", "2026-06-29T00:00:00Z");
    DUE("cron 0 0 29 2 *", new_year, "2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z");
    DUE("cron 0 0 31 * *", "2026-01-31T00:00:00Z", "2026-03-31T00:00:00Z", "2026-05-31T00:00:00Z", "2026-07-31T00:00:00Z");
    DUE("cron 0 0 29 2 *", "2096-03-01T00:00:00Z", "2104-02-29T00:00:00Z");
}

static void nearest_weekdays_stay_in_their_month(void **state)
{
    (void)state;
    DUE("cron 0 0 15W * *", new_year, "2026-01-15T00:00:00Z", "2026-02-16T00:00:00Z");   /* February 15 is a Sunday */
    DUE("cron 0 0 1W 8,11 *", new_year, "2026-08-03T00:00:00Z", "2026-11-02T00:00:00Z"); /* a Saturday, a Sunday */
    DUE("cron 0 0 31W 1,5 *", new_year, "2026-01-30T00:00:00Z", "2026-05-29T00:00:00Z"); /* a Saturday, a Sunday */
    DUE("cron 0 0 LW 2,5 *", new_year, "2026-02-27T00:00:00Z", "2026-05-29T00:00:00Z");
    DUE("cron 0 0 31W 2,3 *", new_year, "2026-03-31T00:00:00Z"); /* February has none */
}

static void two_restricted_fields_of_days_match_either(void **state)
{
    (void)state;
    DUE("cron 0 0 13 * fri", new_year, "2026-01-02T00:00:00Z", "2026-01-09T00:00:00Z", "2026-01-13T00:00:00Z",
        "2026-01-16T00:00:00Z");
    DUE("cron 0 0 13 * *", new_year, "2026-01-13T00:00:00Z", "2026-02-13T00:00:00Z");
    /* as Debian's cron: what begins with a star is unrestricted, and a condition nevertheless */
    DUE("cron 0 0 */2 * mon", new_year, "2026-01-05T00:00:00Z", "2026-01-19T00:00:00Z", "2026-02-09T00:00:00Z");
    DUE("cron 0 0 13 * */5", new_year, "2026-02-13T00:00:00Z", "2026-03-13T00:00:00Z", "2026-09-13T00:00:00Z");
    DUE("cron 0 0 13 * 0-6", new_year, "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z");
}

static void PB_13_what_is_wrong_is_named_with_value_and_limit(void **state)
{
    (void)state;
    assert_refused("cron 60 * * * *", "minute \"60\" is not within 0..59");
    assert_refused("cron * 24 * * *", "hour \"24\" is not within 0..23");
    assert_refused("cron * * 0 * *", "day of month \"0\" is not within 1..31");
    assert_refused("cron * * 32W * *", "day of month \"32w\" is not within 1..31");
    assert_refused("cron * * * 13 *", "month \"13\" is not within 1..12 or jan..dec");
    assert_refused("cron * * * * 8", "day of week \"8\" is not within 0..7 or sun..sat");
    assert_refused("cron 99999999999999999999 * * * *", "is not within 0..59");
    assert_refused("cron 61 * * * * *", "second \"61\" is not within 0..59");
    assert_refused("cron 10-5 * * * *", "minute \"10-5\" is a range backwards");
    assert_refused("cron 0 0 * * fri-mon", "day of week \"fri-mon\" is a range backwards");
    assert_refused("cron */0 * * * *", "minute \"*/0\" has a step that is not within 1..59");
    assert_refused("cron */60 * * * *", "minute \"*/60\" has a step that is not within 1..59");
    assert_refused("cron */ * * * *", "minute \"*/\" has no number behind its slash");
    assert_refused("cron 1,,2 * * * *", "minute \"\" is empty");
    assert_refused("cron 1, * * * *", "is empty");
    assert_refused("cron -1 * * * *", "minute \"-1\" is not understood");
    assert_refused("cron 5x * * * *", "minute \"5x\" is not understood");
    assert_refused("cron ? * * * *", "minute \"?\" is not understood");
    assert_refused("cron L * * * *", "minute \"l\" is not understood");
    assert_refused("cron 0 0 L-31 * *", "L-1..L-30");
    assert_refused("cron 0 0 * * L", "the last Friday is 5L");
    assert_refused("cron 0 0 * * 5#6", "must have 1..5 behind its #");
    assert_refused("cron 0 0 * foo *", "month \"foo\" is not understood");
    assert_refused("cron 0 0 * *", "has 4 fields: it must have 5, or 6");
    assert_refused("cron 0 0 0 * * * 2026", "more than 6 fields");
    assert_refused("cron ", "has 0 fields");
    assert_refused("cron @fortnightly", "must be @hourly, @daily");
    assert_refused("cron * * 31 2 *", "is never due");
    assert_refused("cron 0 0 30 2 *", "is never due");
    assert_refused("cron 0 0 31 4,6,9,11 *", "is never due");
    assert_refused("cron 0 0 L-30 2 *", "is never due");
    assert_refused("cron start=2026-01-01T00:00:00Z 0 0 * * *", "takes no start");
}

static void floods_are_refused_at_once(void **state)
{
    struct buffer text = {0};

    (void)state;
    buffer_add_string(&text, "cron 0");
    for (int i = 1; i <= CRON_LIST_MAX; i++)
        buffer_add_string(&text, ",0");
    buffer_add_string(&text, " * * * *");
    assert_refused(text.data, "minute has more than 100 elements");
    buffer_reset(&text);
    buffer_add_string(&text, "cron ");
    while (text.length < 1 << 16)
        buffer_add_string(&text, "*,");
    assert_refused(text.data, "cron expression has more than 1024 bytes");
    buffer_clear(&text);
}

static void hourly_and_finer_ones_are_told_from_fixed_times(void **state)
{
    static const struct {
        const char *text;
        bool is_elapsed;
    } cases[] = {
        {"*/15 * * * *", true}, {"0 * * * *", true},   {"0 0-23 * * *", true},  {"*/5 9-17 * * *", true}, {"@hourly", true},
        {"0 */2 * * *", false}, {"30 2 * * *", false}, {"* 30 2 * * *", false}, {"0-59 2 * * *", false},  {"@daily", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct error err;
        struct cron *cron = cron_new(cases[i].text, &err);
        assert_non_null(cron);
        assert_int_equal(cron_is_elapsed(cron), cases[i].is_elapsed);
        cron_free(cron);
    }
}

static void local_times_go_up_to_the_year_9999(void **state)
{
    (void)state;
    DUE("cron 59 23 31 12 *", "9998-12-31T23:59:00Z", "9999-12-31T23:59:00Z", "never");
    DUE("cron 0 0 1 1 *", "9999-01-01T00:00:00Z", "never");
    DUE("cron 0 0 1 1 *", "1970-01-01T00:00:00Z", "1971-01-01T00:00:00Z");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(PB_13_fields_are_lists_of_values_ranges_and_steps),
        cmocka_unit_test(nicknames_stand_for_expressions),
        cmocka_unit_test(days_are_counted_from_the_end_too),
        cmocka_unit_test(nearest_weekdays_stay_in_their_month),
        cmocka_unit_test(two_restricted_fields_of_days_match_either),
        cmocka_unit_test(PB_13_what_is_wrong_is_named_with_value_and_limit),
        cmocka_unit_test(floods_are_refused_at_once),
        cmocka_unit_test(hourly_and_finer_ones_are_told_from_fixed_times),
        cmocka_unit_test(local_times_go_up_to_the_year_9999),
    };

    return UNIT_RUN(tests);
}
