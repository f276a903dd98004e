/* cli_schedule - `rota schedule next`: what it shows, and what it refuses. docs/SCHEDULES.md is run by process.schedules. */
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/memory.h"
#include "tests/support/rota.h"

#define NEXT(pool, ...)           ROTA_MUST(pool, 0, "schedule", "next", "--redis", "redis://127.0.0.1:1", __VA_ARGS__)
#define REFUSED(pool, words, ...) assert_has(ROTA_MUST(pool, EX_USAGE, "schedule", "next", __VA_ARGS__).err, words)
#define SPRING                    "2026-03-28T12:00:00Z"

/* With the address of a Redis that is not there: none is asked. */
static void due_times_are_shown_in_the_zone_and_in_utc(void **state)
{
    struct pool *pool = *state;
    struct ran ran = NEXT(pool, "--cron", "30 2 * * *", "--tz", "Europe/Zurich", "--from", SPRING, "--limit", "2", "--json");
    json_t *list = ran_json(&ran), *first = json_array_get(list, 0), *second = json_array_get(list, 1);

    assert_int_equal(json_array_size(list), 2);
    assert_string_equal(json_text(first, "local"), "2026-03-29T03:00:00+02:00");
    assert_string_equal(json_text(first, "utc"), "2026-03-29T01:00:00.000Z");
    assert_string_equal(json_text(first, "zone"), "Europe/Zurich");
    assert_string_equal(json_text(first, "offset"), "+02:00");
    assert_int_equal(json_number(first, "due_ms"), 1774746000000);
    assert_string_equal(json_text(first, "policy"), "moved");
    assert_has(json_text(first, "note"), "2026-03-29T02:30:00");
    assert_string_equal(json_text(second, "local"), "2026-03-30T02:30:00+02:00");
    assert_true(json_is_null(json_object_get(second, "policy")));
    json_decref(list);
}

static void only_what_is_due_between_from_and_until_is_shown(void **state)
{
    struct pool *pool = *state;
    struct ran ran = NEXT(pool, "--every", "1h", "--from", "2026-01-01T00:00:00Z", "--until", "2026-01-01T02:00:00Z");

    assert_int_equal(count_text(ran.out, "2026-01-01T0"), 6); /* local and UTC of 0, 1 and 2 o'clock */
    assert_has(ran.err, "not due any more until then");
    assert_int_equal(count_text(NEXT(pool, "--every", "1h").out, "\n"), 6);
    assert_int_equal(count_text(NEXT(pool, "--every", "1h", "--limit", "100", "--no-headers").out, "\n"), 100);
    ran = NEXT(pool, "--at", "2026-01-01T00:00:00", "--from", "2026-01-01T00:00:01Z", "--json");
    assert_string_equal(ran.out, "[]\n");
}

static void a_rule_without_a_start_begins_at_from(void **state)
{
    struct pool *pool = *state;
    struct ran ran = NEXT(pool, "--rrule", "FREQ=WEEKLY", "--tz", "Asia/Kolkata", "--from", "2026-01-01T00:00:59Z");

    assert_has(ran.out, "2026-01-08T05:30:00+05:30");
}

static void what_is_no_recurrence_is_refused(void **state)
{
    struct pool *pool = *state;
    char *flood = memory_new(65537);

    memset(flood, '*', 65536);
    REFUSED(pool, "--tz and --start go with", "--tz", "UTC");
    REFUSED(pool, "exclude each other", "--cron", "@daily", "--every", "1h");
    REFUSED(pool, "has 0 fields", "--cron", "");
    REFUSED(pool, "is never due", "--cron", "* * 31 2 *");
    REFUSED(pool, "is never due", "--rrule", "FREQ=HOURLY;BYMONTH=2;BYMONTHDAY=30");
    REFUSED(pool, "too fine", "--rrule", "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30");
    REFUSED(pool, "minute \"*/0\" has a step", "--cron", "*/0 * * * *");
    REFUSED(pool, "range backwards", "--cron", "9-5 * * * *");
    REFUSED(pool, "more than 1024 bytes", "--cron", flood);
    REFUSED(pool, "more than 1024 bytes", "--rrule", flood);
    REFUSED(pool, "did you mean \"Europe/Zurich\"?", "--cron", "@daily", "--tz", "Europe/Zurch");
    REFUSED(pool, "is above 366d", "--every", "367d");
    REFUSED(pool, "an interval has no time zone", "--every", "1h", "--tz", "Europe/Zurich");
    REFUSED(pool, "is not a moment", "--at", "10000-01-01T00:00:00");
    REFUSED(pool, "cron takes no start", "--cron", "@daily", "--start", "2026-01-01T00:00:00");
    REFUSED(pool, "is not a moment", "--cron", "@daily", "--from", "10000-01-01T00:00:00Z");
    free(flood);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROTA_TEST(due_times_are_shown_in_the_zone_and_in_utc),
        ROTA_TEST(only_what_is_due_between_from_and_until_is_shown),
        ROTA_TEST(a_rule_without_a_start_begins_at_from),
        ROTA_TEST(what_is_no_recurrence_is_refused),
    };

    return cmocka_run_group_tests_name("cli_schedule", tests, NULL, NULL);
}
