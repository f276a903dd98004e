/* rrule - which rules are understood, which times they name, and which are refused. */
#include "common/rrule.h"

#include <time.h>

#include "tests/unit/due.h"

#define RULE(start, rule) "rrule start=" start " " rule

static void examples_of_the_rfc_come_out_as_it_says(void **state)
{
    (void)state;
    DUE(RULE("1997-09-02T09:00:00", "FREQ=DAILY;COUNT=3"), "1997-01-01T00:00:00Z", "1997-09-02T09:00:00Z", "1997-09-03T09:00:00Z",
        "1997-09-04T09:00:00Z", "never");
    DUE(RULE("1997-09-02T09:00:00", "FREQ=DAILY;UNTIL=19970903T090000"), "1997-01-01T00:00:00Z", "1997-09-02T09:00:00Z",
        "1997-09-03T09:00:00Z", "never");
    DUE(RULE("1997-09-02T09:00:00", "FREQ=WEEKLY;INTERVAL=2;WKST=SU;BYDAY=TU,TH"), "1997-09-02T09:00:00Z", "1997-09-04T09:00:00Z",
        "1997-09-16T09:00:00Z", "1997-09-18T09:00:00Z");
    DUE(RULE("1997-08-05T09:00:00", "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO"), "1997-01-01T00:00:00Z",
        "1997-08-05T09:00:00Z", "1997-08-10T09:00:00Z", "1997-08-19T09:00:00Z", "1997-08-24T09:00:00Z", "never");
    DUE(RULE("1997-08-05T09:00:00", "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU"), "1997-01-01T00:00:00Z",
        "1997-08-05T09:00:00Z", "1997-08-17T09:00:00Z", "1997-08-19T09:00:00Z", "1997-08-31T09:00:00Z", "never");
    DUE(RULE("1997-09-05T09:00:00", "FREQ=MONTHLY;BYDAY=1FR"), "1997-01-01T00:00:00Z", "1997-09-05T09:00:00Z",
        "1997-10-03T09:00:00Z");
    DUE(RULE("1997-09-22T09:00:00", "FREQ=MONTHLY;BYDAY=-2MO"), "1997-01-01T00:00:00Z", "1997-09-22T09:00:00Z",
        "1997-10-20T09:00:00Z", "1997-11-17T09:00:00Z");
    DUE(RULE("1997-09-28T09:00:00", "FREQ=MONTHLY;BYMONTHDAY=-3"), "1997-01-01T00:00:00Z", "1997-09-28T09:00:00Z",
        "1997-10-29T09:00:00Z", "1997-11-28T09:00:00Z");
    DUE(RULE("1997-09-02T09:00:00", "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13"), "1997-01-01T00:00:00Z", "1998-02-13T09:00:00Z",
        "1998-03-13T09:00:00Z", "1998-11-13T09:00:00Z");
    DUE(RULE("1997-09-04T09:00:00", "FREQ=MONTHLY;COUNT=3;BYDAY=TU,WE,TH;BYSETPOS=3"), "1997-01-01T00:00:00Z",
        "1997-09-04T09:00:00Z", "1997-10-07T09:00:00Z", "1997-11-06T09:00:00Z", "never");
    DUE(RULE("1997-01-01T09:00:00", "FREQ=YEARLY;INTERVAL=3;COUNT=10;BYYEARDAY=1,100,200"), "1997-01-01T09:00:00Z",
        "1997-04-10T09:00:00Z", "1997-07-19T09:00:00Z", "2000-01-01T09:00:00Z", "2000-04-09T09:00:00Z");
    DUE(RULE("1997-05-19T09:00:00", "FREQ=YEARLY;BYDAY=20MO"), "1997-01-01T00:00:00Z", "1997-05-19T09:00:00Z",
        "1998-05-18T09:00:00Z", "1999-05-17T09:00:00Z");
    DUE(RULE("1997-05-12T09:00:00", "FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO"), "1997-01-01T00:00:00Z", "1997-05-12T09:00:00Z",
        "1998-05-11T09:00:00Z", "1999-05-17T09:00:00Z");
    DUE(RULE("1996-11-05T09:00:00", "FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8"),
        "1996-01-01T00:00:00Z", "1996-11-05T09:00:00Z", "2000-11-07T09:00:00Z", "2004-11-02T09:00:00Z");
    DUE(RULE("1997-09-02T09:00:00", "FREQ=HOURLY;INTERVAL=3;UNTIL=19970902T170000Z"), "1997-01-01T00:00:00Z",
        "1997-09-02T09:00:00Z", "1997-09-02T12:00:00Z", "1997-09-02T15:00:00Z", "never");
    DUE(RULE("1997-09-02T09:00:00", "FREQ=DAILY;BYHOUR=9,16;BYMINUTE=0,20"), "1997-09-02T09:00:00Z", "1997-09-02T09:20:00Z",
        "1997-09-02T16:00:00Z", "1997-09-02T16:20:00Z", "1997-09-03T09:00:00Z");
}

static void what_a_rule_does_not_say_comes_from_its_start(void **state)
{
    (void)state;
    DUE(RULE("2026-01-31T08:15:30", "FREQ=MONTHLY"), "2026-01-01T00:00:00Z", "2026-01-31T08:15:30Z", "2026-03-31T08:15:30Z");
    DUE(RULE("2024-02-29T12:00:00", "rrule:freq=yearly"), "2024-02-29T12:00:00Z", "2028-02-29T12:00:00Z");
    DUE(RULE("2026-01-14T12:00:00", "FREQ=YEARLY;BYMONTH=1,6"), "2026-01-14T12:00:00Z", "2026-06-14T12:00:00Z",
        "2027-01-14T12:00:00Z");
    DUE(RULE("2026-01-14T12:00:00", "FREQ=WEEKLY"), "2026-01-14T12:00:00Z", "2026-01-21T12:00:00Z");
    DUE(RULE("2026-01-14T12:00:00", "FREQ=YEARLY;BYWEEKNO=1"), "2026-01-14T12:00:00Z", "2027-01-06T12:00:00Z"); /* Wednesdays */
    DUE(RULE("20260114T120000", "FREQ=MONTHLY;BYMONTHDAY=-1"), "2026-01-14T12:00:00Z", "2026-01-31T12:00:00Z",
        "2026-02-28T12:00:00Z", "2026-03-31T12:00:00Z");
    /* the start is due only if it matches */
    DUE(RULE("2026-01-14T12:00:00", "FREQ=WEEKLY;BYDAY=FR"), "2026-01-01T00:00:00Z", "2026-01-16T12:00:00Z");
    DUE(RULE("2026-01-14T12:00:00", "FREQ=DAILY;UNTIL=20260115"), "2026-01-14T12:00:00Z", "2026-01-15T12:00:00Z", "never");
}

static void hours_are_chosen_by_the_clock_at_their_beginning(void **state)
{
    (void)state;
    DUE(RULE("2026-01-14T12:30:00", "FREQ=HOURLY;BYHOUR=9,10;BYDAY=MO"), "2026-01-14T12:30:00Z", "2026-01-19T09:30:00Z",
        "2026-01-19T10:30:00Z", "2026-01-26T09:30:00Z");
    DUE(RULE("2026-01-14T12:30:00", "FREQ=HOURLY;INTERVAL=12;BYMINUTE=0,45;COUNT=3"), "2026-01-01T00:00:00Z",
        "2026-01-14T12:45:00Z", "2026-01-15T00:00:00Z", "2026-01-15T00:45:00Z", "never");
}

static void what_is_wrong_is_named_with_value_and_limit(void **state)
{
    (void)state;
#define REFUSED(rule, words) assert_refused(RULE("2026-01-01T00:00:00", rule), words)
    REFUSED("BYDAY=MO", "has no FREQ");
    REFUSED("FREQ=SECONDLY", "FREQ=SECONDLY is too fine for a rule");
    REFUSED("FREQ=MINUTELY;BYDAY=MO", "FREQ=MINUTELY is too fine for a rule");
    REFUSED("FREQ=FORTNIGHTLY", "FREQ \"FORTNIGHTLY\" must be YEARLY");
    REFUSED("FREQ=DAILY;FREQ=DAILY", "has FREQ twice");
    REFUSED("FREQ=DAILY;COUNT=2;UNTIL=20300101T000000", "both COUNT and UNTIL");
    REFUSED("FREQ=DAILY;COUNT=0", "COUNT \"0\" must be within 1..10000");
    REFUSED("FREQ=DAILY;INTERVAL=1001", "INTERVAL \"1001\" must be within 1..1000");
    REFUSED("FREQ=DAILY;INTERVAL=-1", "INTERVAL \"-1\" must be within 1..1000");
    REFUSED("FREQ=DAILY;UNTIL=20301301T000000", "UNTIL \"20301301T000000\" must be a time");
    REFUSED("FREQ=DAILY;BYHOUR=24", "BYHOUR \"24\" must be within 0..23");
    REFUSED("FREQ=DAILY;BYMINUTE=-1", "BYMINUTE \"-1\" must be within 0..59");
    REFUSED("FREQ=DAILY;BYSECOND=60", "BYSECOND \"60\" must be within 0..59");
    REFUSED("FREQ=DAILY;BYMONTH=1,,2", "BYMONTH \"\" must be within 1..12");
    REFUSED("FREQ=MONTHLY;BYMONTHDAY=0", "BYMONTHDAY \"0\" must be within 1..31 or their negatives");
    REFUSED("FREQ=MONTHLY;BYDAY=54MO", "BYDAY \"54MO\" must be within 1..53");
    REFUSED("FREQ=MONTHLY;BYDAY=XX", "BYDAY \"XX\"");
    REFUSED("FREQ=DAILY;BYDAY=1MO", "BYDAY \"1MO\" has a number");
    REFUSED("FREQ=YEARLY;BYWEEKNO=2;BYDAY=1MO", "BYDAY \"1MO\" has a number");
    REFUSED("FREQ=MONTHLY;BYWEEKNO=2", "BYWEEKNO does not go with FREQ=MONTHLY");
    REFUSED("FREQ=WEEKLY;BYMONTHDAY=2", "BYMONTHDAY does not go with FREQ=WEEKLY");
    REFUSED("FREQ=DAILY;BYSETPOS=2", "BYSETPOS needs another part");
    REFUSED("FREQ=DAILY;WKST=XX", "WKST \"XX\"");
    REFUSED("FREQ=DAILY;BYDAI=MO", "unknown part \"BYDAI\", did you mean \"BYDAY\"?");
    REFUSED("FREQ=DAILY;RSCALE=HEBREW", "unknown part \"RSCALE\"");
    REFUSED("FREQ=DAILY;", "without \"=\"");
    REFUSED("FREQ=DAILY;UNTIL=20250101T000000", "is never due");
    assert_refused("rrule FREQ=DAILY", "a rule needs a start");
    assert_refused("rrule start=2026-01-01 FREQ=DAILY", "start \"2026-01-01\" must be a local time");
    assert_refused("rrule start=10000-01-01T00:00:00 FREQ=DAILY", "must be a local time of 1970..9999");
}

static void impossible_rules_are_refused_in_bounded_time(void **state)
{
    static const char *const rules[] = {
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=MONTHLY;BYMONTH=4;BYMONTHDAY=31",
        "FREQ=DAILY;BYMONTHDAY=31;BYMONTH=4",
        "FREQ=WEEKLY;INTERVAL=1000;BYMONTH=1;BYDAY=MO;BYSETPOS=2",
        "FREQ=DAILY;INTERVAL=7;BYDAY=MO",
        "FREQ=HOURLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=HOURLY;INTERVAL=24;BYHOUR=5",
        "FREQ=YEARLY;BYYEARDAY=1;BYMONTH=2",
        "FREQ=YEARLY;BYWEEKNO=53;BYMONTH=6;BYDAY=MO",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rules); i++) {
        char text[160];
        clock_t begin = clock();
        snprintf(text, sizeof text, "rrule start=2026-01-01T00:00:00 %s", rules[i]);
        assert_refused(text, "is never due within 400 years");
        assert_true((clock() - begin) * 1000 / CLOCKS_PER_SEC < 2000); /* measured: 1..20 ms; under sanitizers more */
    }
}

static void floods_are_refused_at_once(void **state)
{
    struct buffer text = {0};

    (void)state;
    buffer_add_string(&text, "rrule start=2026-01-01T00:00:00 FREQ=YEARLY;BYYEARDAY=1");
    for (int i = 1; i <= RRULE_LIST_MAX; i++)
        buffer_add_string(&text, ",2");
    assert_refused(text.data, "BYYEARDAY has more than 100 elements");
    while (text.length < 1 << 16)
        buffer_add_string(&text, ",2");
    assert_refused(text.data, "rule has more than 1024 bytes");
    buffer_clear(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(examples_of_the_rfc_come_out_as_it_says),
        cmocka_unit_test(what_a_rule_does_not_say_comes_from_its_start),
        cmocka_unit_test(hours_are_chosen_by_the_clock_at_their_beginning),
        cmocka_unit_test(what_is_wrong_is_named_with_value_and_limit),
        cmocka_unit_test(impossible_rules_are_refused_in_bounded_time),
        cmocka_unit_test(floods_are_refused_at_once),
    };

    return UNIT_RUN(tests);
}
