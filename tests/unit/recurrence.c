/* recurrence - due times where clocks change, in the zones that do it in their own way; intervals, moments, and the canonical
 * text. */
#include "common/recurrence.h"

#include "common/civil.h"
#include "common/zone.h"
#include "tests/unit/due.h"

/* GA-15 */
static void GA_15_fixed_times_in_the_gap_are_due_once_right_after_it(void **state)
{
    (void)state;
    DUE("cron tz=Europe/Zurich 30 2 * * *", "2026-03-28T02:00:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z");
    DUE("cron tz=America/New_York 30 2 * * *", "2026-03-08T00:00:00Z", "2026-03-08T07:00:00Z", "2026-03-09T06:30:00Z");
    DUE("cron tz=Australia/Lord_Howe 15 2 * * *", "2026-10-03T00:00:00Z", "2026-10-03T15:30:00Z", "2026-10-04T15:15:00Z");
    DUE("cron tz=Europe/Dublin 30 1 * * *", "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z");
    DUE("cron tz=Africa/Casablanca 30 2 * * *", "2023-04-22T12:00:00Z", "2023-04-23T02:00:00Z", "2023-04-24T01:30:00Z");
    DUE("cron tz=America/St_Johns 30 0 * * *", "2010-03-13T12:00:00Z", "2010-03-14T03:31:00Z", "2010-03-15T03:00:00Z");
    DUE("cron tz=Asia/Tehran 0 0 * * *", "2022-03-20T22:00:00Z", "2022-03-21T20:30:00Z", "2022-03-22T19:30:00Z");
    DUE("cron tz=Pacific/Chatham 0 3 * * *", "2026-09-26T00:00:00Z", "2026-09-26T14:00:00Z", "2026-09-27T13:15:00Z");
    DUE("cron tz=Africa/Cairo 0 0 * * *", "2023-04-27T00:00:00Z", "2023-04-27T22:00:00Z", "2023-04-28T21:00:00Z");
    DUE("cron tz=America/Santiago 30 0 * * *", "2022-09-11T00:00:00Z", "2022-09-11T04:00:00Z", "2022-09-12T03:30:00Z");
    DUE("rrule tz=Europe/Zurich start=2026-03-01T02:30:00 FREQ=WEEKLY;BYDAY=SU", "2026-03-22T12:00:00Z", "2026-03-29T01:00:00Z",
        "2026-04-05T00:30:00Z");
    DUE("at tz=Europe/Zurich 2026-03-29T02:30:00", "2026-03-28T00:00:00Z", "2026-03-29T01:00:00Z", "never");
}

static void several_times_in_the_gap_are_due_together(void **state)
{
    (void)state;
    DUE("cron tz=Europe/Zurich 0,20,40 2,3 * * *", "2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z", "2026-03-29T01:20:00Z",
        "2026-03-29T01:40:00Z", "2026-03-30T00:00:00Z");
    DUE("cron tz=Europe/Zurich * 15,30 2 * * *", "2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:15:00Z");
    DUE("cron tz=Europe/Zurich 0 */2 * * *", "2026-03-28T23:00:00Z", "2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z");
}

static void the_day_that_samoa_left_out_is_due_at_its_end(void **state)
{
    (void)state;
    DUE("cron tz=Pacific/Apia 0 9 * * *", "2011-12-29T12:00:00Z", "2011-12-29T19:00:00Z", "2011-12-30T10:00:00Z",
        "2011-12-30T19:00:00Z");
    DUE("cron tz=Pacific/Apia 0 12 30 * *", "2011-12-01T12:00:00Z", "2011-12-30T10:00:00Z", "2012-01-29T22:00:00Z");
    DUE("cron tz=Pacific/Apia 0 * * * *", "2011-12-30T08:30:00Z", "2011-12-30T09:00:00Z", "2011-12-30T10:00:00Z",
        "2011-12-30T11:00:00Z");
}

/* GA-15 */
static void GA_15_fixed_times_that_come_twice_are_due_the_first_time(void **state)
{
    (void)state;
    DUE("cron tz=Europe/Zurich 30 2 * * *", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z");
    DUE("cron tz=Europe/Zurich 0 2,3 * * *", "2026-10-24T12:00:00Z", "2026-10-25T00:00:00Z", "2026-10-25T02:00:00Z");
    DUE("cron tz=Europe/Zurich 0 */2 * * *", "2026-10-24T22:00:00Z", "2026-10-25T00:00:00Z", "2026-10-25T03:00:00Z");
    DUE("cron tz=Europe/Zurich 30 2 * * *", "2026-10-25T01:10:00Z", "2026-10-26T01:30:00Z"); /* asked in the second hour */
    DUE("cron tz=America/New_York 30 1 * * *", "2026-11-01T00:00:00Z", "2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z");
    DUE("cron tz=Australia/Lord_Howe 45 1 * * *", "2026-04-04T00:00:00Z", "2026-04-04T14:45:00Z", "2026-04-05T15:15:00Z");
    DUE("cron tz=Europe/Dublin 30 1 * * *", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z");
    DUE("cron tz=Africa/Casablanca 30 2 * * *", "2023-03-18T12:00:00Z", "2023-03-19T01:30:00Z", "2023-03-20T02:30:00Z");
    DUE("cron tz=America/St_Johns 0 0 * * *", "2010-11-06T12:00:00Z", "2010-11-07T02:30:00Z", "2010-11-08T03:30:00Z");
    DUE("cron tz=Pacific/Chatham 0 3 * * *", "2026-04-04T00:00:00Z", "2026-04-04T13:15:00Z", "2026-04-05T14:15:00Z");
    DUE("cron tz=Africa/Cairo 30 23 * * *", "2023-10-26T00:00:00Z", "2023-10-26T20:30:00Z", "2023-10-27T21:30:00Z");
    DUE("cron tz=America/Santiago 15 23 * * *", "2023-04-01T12:00:00Z", "2023-04-02T02:15:00Z", "2023-04-03T03:15:00Z");
    DUE("rrule tz=America/New_York start=2026-10-31T01:30:00 FREQ=DAILY", "2026-10-31T12:00:00Z", "2026-11-01T05:30:00Z",
        "2026-11-02T06:30:00Z");
    DUE("at tz=Europe/Zurich 2026-10-25T02:30:00", "2026-10-24T00:00:00Z", "2026-10-25T00:30:00Z", "never");
}

/* `count` due times from `after` on, each `step_ms` after the one before. */
static void assert_steady(const char *text, const char *after, int count, int64_t step_ms)
{
    struct recurrence *recurrence = recurrence_of(text);
    int64_t last_ms = moment_of(after), ms;

    assert_true(recurrence_next(recurrence, last_ms, &last_ms));
    for (int i = 0; i < count; i++, last_ms = ms) {
        assert_true(recurrence_next(recurrence, last_ms, &ms));
        if (ms - last_ms != step_ms)
            fail_msg("%s: %lld ms after %lld", text, (long long)(ms - last_ms), (long long)last_ms);
    }
    recurrence_free(recurrence);
}

/* GA-15 */
static void GA_15_hourly_and_finer_ones_follow_elapsed_time_all_year(void **state)
{
    static const char *const zones[] = {"Europe/Zurich",    "America/New_York", "America/St_Johns", "Pacific/Chatham",
                                        "Africa/Cairo",     "America/Santiago", "Asia/Kolkata",     "Europe/Dublin",
                                        "Pacific/Auckland", "Asia/Tehran",      "Africa/Casablanca"};
    char text[160];

    (void)state;
    for (size_t i = 0; i < COUNT(zones); i++) {
        snprintf(text, sizeof text, "cron tz=%s */15 * * * *", zones[i]);
        assert_steady(text, "2026-01-01T00:00:00Z", 4 * 24 * 366, 15 * 60000);
        snprintf(text, sizeof text, "cron tz=%s 0 * * * *", zones[i]);
        assert_steady(text, "2026-01-01T00:00:00Z", 24 * 366, 60 * 60000);
        snprintf(text, sizeof text, "rrule tz=%s start=2026-01-01T07:10:00 FREQ=HOURLY;INTERVAL=5", zones[i]);
        assert_steady(text, "2026-01-01T00:00:00Z", 5 * 366, 5 * 3600000);
    }
    assert_steady("cron tz=Australia/Lord_Howe */15 * * * *", "2026-01-01T00:00:00Z", 4 * 24 * 366, 15 * 60000);
    assert_steady("cron tz=Australia/Lord_Howe */10 * * * * *", "2026-04-04T12:00:00Z", 3000, 10000);
    assert_steady("rrule tz=Australia/Lord_Howe start=2026-01-01T07:10:00 FREQ=HOURLY", "2026-01-01T00:00:00Z", 24 * 366,
                  3600000);
    /* half an hour of change leaves an hour and a half between full hours */
    DUE("cron tz=Australia/Lord_Howe 0 * * * *", "2026-10-03T14:00:00Z", "2026-10-03T14:30:00Z", "2026-10-03T16:00:00Z",
        "2026-10-03T17:00:00Z");
    /* some hours only: within them time elapses, too; what is jumped over is not made up for */
    DUE("cron tz=Europe/Zurich */30 2 * * *", "2026-10-24T12:00:00Z", "2026-10-25T00:00:00Z", "2026-10-25T00:30:00Z",
        "2026-10-25T01:00:00Z", "2026-10-25T01:30:00Z", "2026-10-26T01:00:00Z");
    DUE("cron tz=Europe/Zurich */30 2 * * *", "2026-03-28T12:00:00Z", "2026-03-30T00:00:00Z");
}

static void GA_15_months_end_where_they_end(void **state)
{
    (void)state;
    DUE("cron tz=Europe/Zurich 0 0 L * *", "2026-01-31T12:00:00Z", "2026-02-27T23:00:00Z", "2026-03-30T22:00:00Z",
        "2026-04-29T22:00:00Z");
    DUE("rrule tz=America/New_York start=2026-01-31T17:00:00 FREQ=MONTHLY;BYMONTHDAY=-1", "2026-02-01T12:00:00Z",
        "2026-02-28T22:00:00Z", "2026-03-31T21:00:00Z");
    DUE("cron tz=Asia/Kolkata 30 5 1 * *", "2026-01-01T12:00:00Z", "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z");
}

static void intervals_count_from_their_start_both_ways(void **state)
{
    (void)state;
    DUE("every 90s", "2026-01-01T00:00:00Z", "2026-01-01T00:01:30Z", "2026-01-01T00:03:00Z");
    DUE("every start=2026-01-01T00:00:10Z 1h", "2025-12-31T22:30:00Z", "2025-12-31T23:00:10Z", "2026-01-01T00:00:10Z");
    DUE("every 1.5s", "1970-01-01T00:00:00Z", "1970-01-01T00:00:01.500Z", "1970-01-01T00:00:03Z");
    assert_refused("every 999ms", "interval: \"999ms\" is below 1s");
    assert_refused("every 367d", "interval: \"367d\" is above 366d");
    assert_refused("every 0", "interval: \"0\" is below 1s");
    assert_refused("every soon", "interval: \"soon\" is not a duration");
    assert_refused("every tz=Europe/Zurich 90s", "an interval has no time zone");
    assert_refused("every start=never 90s", "start: \"never\" is not a moment");
}

static void a_moment_is_due_once(void **state)
{
    (void)state;
    DUE("at 2026-11-20T08:15:00.250+01:00", "2026-01-01T00:00:00Z", "2026-11-20T07:15:00.250Z", "never");
    DUE("at 1774659600000", "2026-01-01T00:00:00Z", "2026-03-28T01:00:00Z", "never");
    DUE("at tz=Asia/Kolkata 2026-11-20T08:15", "2026-01-01T00:00:00Z", "2026-11-20T02:45:00Z", "never");
    DUE("at 2026-11-20T08:15:00", "2026-11-20T08:15:00Z", "never"); /* after, not at */
    assert_refused("at tomorrow", "moment: \"tomorrow\" is not a moment");
    assert_refused("at 10000-01-01T00:00:00", "is not a moment");
    assert_refused("at 9999-12-31T23:59:59-01:00", "must be within 1970..9999");
    assert_refused("at tz=Asia/Tokyo 1970-01-01T00:00:00", "must be within 1970..9999");
}

static void unknown_zones_are_refused_by_name(void **state)
{
    (void)state;
    assert_refused("cron tz=Europe/Zrich 0 0 * * *",
                   "time zone \"Europe/Zrich\" is not known here, did you mean \"Europe/Zurich\"?");
    assert_refused("cron tz=Mars/Olympus 0 0 * * *", "time zone \"Mars/Olympus\" is not known here");
    assert_refused("cron tz=Europe 0 0 * * *", "is not known here");        /* a folder */
    assert_refused("cron tz=Z 0 0 * * *", "is not known here");             /* GLib would take it */
    assert_refused("cron tz=ABC5 0 0 * * *", "is not known here");          /* as well */
    assert_refused("cron tz=../../etc/passwd 0 0 * * *", "must be a name"); /* paths never leave the folder */
    assert_refused("cron tz=/etc/localtime 0 0 * * *", "must be a name");
    assert_refused("cron tz=Europe//Zurich 0 0 * * *", "must be a name");
    assert_refused("cron tz=Europe/Zurich/ 0 0 * * *", "must be a name");
    assert_refused("cron tz=+01:00 0 0 * * *", "must be a name");
    assert_refused("whenever", "must begin with cron, every, rrule or at");
}

static void texts_are_written_so_that_they_are_read_the_same(void **state)
{
    static const char *const cases[][2] = {
        {"cron  0  9 * * MON-FRI", "cron tz=UTC 0 9 * * mon-fri"},
        {"cron tz=Europe/Zurich @Daily", "cron tz=Europe/Zurich @daily"},
        {"every 3600s", "every start=1970-01-01T00:00:00.000Z 1h"},
        {"every start=2026-01-01T01:00:00+01:00 90s", "every start=2026-01-01T00:00:00.000Z 90s"},
        {"rrule start=20260130T170000 RRULE:freq=daily", "rrule tz=UTC start=2026-01-30T17:00:00 FREQ=DAILY"},
        {"at tz=Europe/Zurich 2026-11-20T08:15", "at tz=Europe/Zurich 2026-11-20T08:15:00"},
        {"at 2026-11-20T08:15:00+01:00", "at tz=UTC 2026-11-20T07:15:00.000Z"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        for (int form = 0; form < 2; form++) {
            struct recurrence *recurrence = recurrence_of(cases[i][form]);
            struct buffer text = {0};
            recurrence_format(&text, recurrence);
            assert_string_equal(text.data, cases[i][1]);
            buffer_clear(&text);
            recurrence_free(recurrence);
        }
}

static void assert_explained(const char *text, const char *due, enum recurrence_note note, const char *local)
{
    struct recurrence *recurrence = recurrence_of(text);
    char found[CIVIL_FORMAT_BYTES];
    int64_t local_s = 0;

    assert_int_equal(recurrence_explain(recurrence, moment_of(due), &local_s), note);
    assert_string_equal(civil_format(found, local_s), local);
    recurrence_free(recurrence);
}

static void what_the_policy_did_is_told(void **state)
{
    (void)state;
    assert_explained("cron tz=Europe/Zurich 30 2 * * *", "2026-03-29T01:00:00Z", RECURRENCE_MOVED, "2026-03-29T02:30:00");
    assert_explained("cron tz=Europe/Zurich 0 2,3 * * *", "2026-03-29T01:00:00Z", RECURRENCE_MERGED, "2026-03-29T02:00:00");
    assert_explained("cron tz=Europe/Zurich 0 3 * * *", "2026-03-29T01:00:00Z", RECURRENCE_PLAIN, "2026-03-29T03:00:00");
    assert_explained("cron tz=Europe/Zurich 30 2 * * *", "2026-10-25T00:30:00Z", RECURRENCE_FIRST, "2026-10-25T02:30:00");
    assert_explained("cron tz=Europe/Zurich 0 * * * *", "2026-10-25T00:00:00Z", RECURRENCE_PLAIN, "2026-10-25T02:00:00");
    assert_explained("cron tz=Europe/Zurich 0 * * * *", "2026-10-25T01:00:00Z", RECURRENCE_AGAIN, "2026-10-25T02:00:00");
    assert_explained("at tz=Europe/Zurich 2026-03-29T02:30:00", "2026-03-29T01:00:00Z", RECURRENCE_MOVED, "2026-03-29T02:30:00");
    assert_explained("at tz=Europe/Zurich 2026-03-29T01:00:00Z", "2026-03-29T01:00:00Z", RECURRENCE_PLAIN, "2026-03-29T03:00:00");
    assert_explained("every 1h", "2026-10-25T01:00:00Z", RECURRENCE_PLAIN, "2026-10-25T01:00:00");
}

static void rules_of_zones_go_on_after_the_years_that_are_known(void **state)
{
    (void)state;
    DUE("cron tz=America/New_York 0 12 1 7 *", "9997-12-01T00:00:00Z", "9998-07-01T16:00:00Z", "9999-07-01T16:00:00Z", "never");
    DUE("cron tz=America/New_York 0 12 1 1,7 *", "2599-12-01T00:00:00Z", "2600-01-01T17:00:00Z", "2600-07-01T16:00:00Z");
    DUE("cron tz=America/New_York 0 * 1 7 *", "2998-12-01T00:00:00Z", "2999-07-01T04:00:00Z", "2999-07-01T05:00:00Z");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(GA_15_fixed_times_in_the_gap_are_due_once_right_after_it),
        cmocka_unit_test(several_times_in_the_gap_are_due_together),
        cmocka_unit_test(the_day_that_samoa_left_out_is_due_at_its_end),
        cmocka_unit_test(GA_15_fixed_times_that_come_twice_are_due_the_first_time),
        cmocka_unit_test(GA_15_hourly_and_finer_ones_follow_elapsed_time_all_year),
        cmocka_unit_test(GA_15_months_end_where_they_end),
        cmocka_unit_test(intervals_count_from_their_start_both_ways),
        cmocka_unit_test(a_moment_is_due_once),
        cmocka_unit_test(unknown_zones_are_refused_by_name),
        cmocka_unit_test(texts_are_written_so_that_they_are_read_the_same),
        cmocka_unit_test(what_the_policy_did_is_told),
        cmocka_unit_test(rules_of_zones_go_on_after_the_years_that_are_known),
    };

    return UNIT_RUN(tests);
}
