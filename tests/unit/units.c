/* units - numbers as people write them. */
#include "common/units.h"

#include <time.h>

#include "tests/unit/unit.h"

typedef int units_parse(int64_t *ret, const char *text, const char *what, int64_t low, int64_t high, struct error *err);

struct reading {
    const char *text;
    int64_t value;
};

static void assert_reads(units_parse *parse, const struct reading *readings, size_t count)
{
    struct error err;

    for (size_t i = 0; i < count; i++) {
        int64_t value = -1;
        if (parse(&value, readings[i].text, "flag --x", INT64_MIN, INT64_MAX, &err) < 0)
            fail_msg("%s", err.message);
        assert_int_equal(value, readings[i].value);
    }
}

static void assert_refuses(units_parse *parse, const char *text, const char *message)
{
    struct error err = {0};
    int64_t value = 42;

    if (parse(&value, text, "flag --x", 10, 100000, &err) != ERR_INVALID)
        fail_msg("\"%s\" was taken for %lld", text, (long long)value);
    assert_int_equal(value, 42); /* written only on success */
    if (message)
        assert_string_equal(err.message, message);
}

static void durations_are_read(void **state)
{
    static const struct reading readings[] = {
        {"250ms", 250},
        {"5s", 5000},
        {"1.5m", 90000},
        {"2h", 7200000},
        {"7d", 604800000},
        {"0", 0},
        {"0s", 0},
        {"0.0", 0},
        {"0.25s", 250},
        {"0005s", 5000},
        {"9223372036854775807ms", INT64_MAX},
        {"106751991167d", 106751991167 * 86400000},
    };

    (void)state;
    assert_reads(units_duration_ms, readings, COUNT(readings));
}

static void what_is_no_duration_is_refused(void **state)
{
    static const char *const bad[] = {"",     " ",   "s",     "ms",  ".",      ".5s",  "1.s",   "1..5s", "1e3s",  "-5s",
                                      "+5s",  "5 s", " 5s",   "5s ", "5S",     "5sec", "5s5s",  "0x5s",  "5\ts",  "1,5s",
                                      "5s\n", "5µs", "nan",   "inf", "1_000s", "5ms5", "--5s",  "5us",   "5m30s", "1.1234567s",
                                      "٥s",   "s5",  "5\xff", "5w",  "5y",     "0x",   "00:05", "1/2s",  "5%",    "five"};

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_refuses(units_duration_ms, bad[i], NULL);
}

static void a_refused_duration_is_told_with_what_to_write(void **state)
{
    (void)state;
    assert_refuses(units_duration_ms, "-5s", "flag --x: \"-5s\" is not a duration, as in 250ms, 5s, 1.5m, 2h, 7d");
    assert_refuses(units_duration_ms, "5", "flag --x: \"5\" needs a unit: ms, s, m, h or d");
    assert_refuses(units_duration_ms, "1.0005s", "flag --x: \"1.0005s\" is not a whole number of milliseconds");
    assert_refuses(units_duration_ms, "0", "flag --x: \"0\" is below 10ms");
    assert_refuses(units_duration_ms, "9ms", "flag --x: \"9ms\" is below 10ms");
    assert_refuses(units_duration_ms, "2m", "flag --x: \"2m\" is above 100s");
    assert_refuses(units_duration_ms, "99999999999999999999d", "flag --x: \"99999999999999999999d\" is above 100s");
    assert_refuses(units_duration_ms, "106751991168d", "flag --x: \"106751991168d\" is above 100s");
}

static void sizes_are_read(void **state)
{
    static const struct reading readings[] = {
        {"512", 512},
        {"0", 0},
        {"1B", 1},
        {"64KiB", 65536},
        {"64K", 65536},
        {"64KB", 64000},
        {"64kB", 64000},
        {"1MiB", 1 << 20},
        {"1MB", 1000000},
        {"2GiB", 2LL << 30},
        {"1.5GiB", 3LL << 29},
        {"1T", 1LL << 40},
        {"8388607TiB", 8388607LL << 40},
    };

    (void)state;
    assert_reads(units_bytes, readings, COUNT(readings));
}

static void what_is_no_size_is_refused(void **state)
{
    static const char *const bad[] = {"",     "KiB",  "-1",  "+1",   "1 KiB", "1kib",       "1k", "1Ki",
                                      "1KIB", "1PiB", "1e6", "0x10", "1.5",   "1.2345678K", "1b"};

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_refuses(units_bytes, bad[i], NULL);
    assert_refuses(units_bytes, "1K1", "flag --x: \"1K1\" is not a size, as in 512, 64KiB, 1MB, 2GiB");
    assert_refuses(units_bytes, "0.5", "flag --x: \"0.5\" is not a whole number of bytes");
    assert_refuses(units_bytes, "1MiB", "flag --x: \"1MiB\" is above 100KB");
    assert_refuses(units_bytes, "9", "flag --x: \"9\" is below 10");
    assert_refuses(units_bytes, "8388608TiB", "flag --x: \"8388608TiB\" is above 100KB");
}

static void whole_numbers_are_read(void **state)
{
    static const struct reading readings[] = {
        {"0", 0},
        {"-0", 0},
        {"7", 7},
        {"007", 7},
        {"-100", -100},
        {"9223372036854775807", INT64_MAX},
        {"-9223372036854775808", INT64_MIN},
    };

    (void)state;
    assert_reads(units_integer, readings, COUNT(readings));
}

static void what_is_no_whole_number_is_refused(void **state)
{
    static const char *const bad[] = {"", "-", "+1", "1.0", "1e3", " 1", "1 ", "0x1f", "--1", "1-", "ten", "1\n", "১"};

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_refuses(units_integer, bad[i], NULL);
    assert_refuses(units_integer, "1k", "flag --x: \"1k\" is not a whole number");
    assert_refuses(units_integer, "9", "flag --x: \"9\" is below 10");
    assert_refuses(units_integer, "100001", "flag --x: \"100001\" is above 100000");
    assert_refuses(units_integer, "9223372036854775808", "flag --x: \"9223372036854775808\" is above 100000");
    assert_refuses(units_integer, "-9223372036854775809", "flag --x: \"-9223372036854775809\" is below 10");
    assert_refuses(units_integer, "99999999999999999999", "flag --x: \"99999999999999999999\" is above 100000");
}

static void a_value_may_be_each_of_its_limits(void **state)
{
    struct error err;
    int64_t value;

    (void)state;
    assert_int_equal(units_integer(&value, "10", "x", 10, 20, &err), 0);
    assert_int_equal(units_integer(&value, "20", "x", 10, 20, &err), 0);
    assert_int_equal(units_duration_ms(&value, "10ms", "x", 10, 20, &err), 0);
    assert_int_equal(units_duration_ms(&value, "20ms", "x", 10, 20, &err), 0);
    assert_int_equal(units_bytes(&value, "10", "x", 10, 20, &err), 0);
    assert_int_equal(units_bytes(&value, "20", "x", 10, 20, &err), 0);
}

static int64_t random_int64(void)
{
    uint64_t value = (uint64_t)random() << 42 ^ (uint64_t)random() << 21 ^ (uint64_t)random();

    return (int64_t)(value >> random() % 64); /* every magnitude */
}

static void every_number_comes_back_as_it_was_written(void **state)
{
    static const struct reading units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
    struct error err;
    char text[64];

    (void)state;
    srandom(4);
    for (int i = 0; i < 100000; i++) {
        const struct reading *unit = &units[(size_t)random() % COUNT(units)];
        int64_t number = random_int64(), count = (number & INT64_MAX) / unit->value, value;
        snprintf(text, sizeof text, "%lld", (long long)number);
        assert_int_equal(units_integer(&value, text, "x", INT64_MIN, INT64_MAX, &err), 0);
        assert_int_equal(value, number);
        snprintf(text, sizeof text, "%lld%s", (long long)count, unit->text);
        assert_int_equal(units_duration_ms(&value, text, "x", 0, INT64_MAX, &err), 0);
        assert_int_equal(value, count * unit->value);
    }
}

static void moments_are_read(void **state)
{
    static const struct reading readings[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"2026-11-20T08:15:00Z", 1795162500000},
        {"2026-11-20T08:15:58.123Z", 1795162558123},
        {"2026-11-20T08:15:58.1Z", 1795162558100},
        {"2026-11-20T08:15:58.123999999Z", 1795162558123},
        {"2026-11-20T09:15:00+01:00", 1795162500000},
        {"2026-11-20T02:45:00-05:30", 1795162500000},
        {"2026-11-20T08:15:00-00:00", 1795162500000},
        {"1970-01-01T01:00:00+01:00", 0},
        {"2024-02-29T00:00:00Z", 1709164800000},
        {"2000-02-29T12:00:00Z", 951825600000},
        {"9999-12-31T23:59:59.999Z", 253402300799999},
        {"1795162558123", 1795162558123},
        {"0000000000001", 1},
    };
    struct error err;

    (void)state;
    for (size_t i = 0; i < COUNT(readings); i++) {
        int64_t ms = -1;
        if (units_time_ms(&ms, readings[i].text, "due", &err) < 0)
            fail_msg("%s", err.message);
        assert_int_equal(ms, readings[i].value);
    }
}

static void what_is_no_moment_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "now",
        "2026-11-20",
        "2026-11-20T08:15Z",
        "2026-11-20T08:15:00",
        "2026-11-20 08:15:00Z",
        "2026-11-20t08:15:00Z",
        "2026-11-20T08:15:00z",
        "2026-11-20T08:15:00.Z",
        "2026-11-20T08:15:00.1234567890Z",
        "2026-11-20T08:15:00+0100",
        "2026-11-20T08:15:00+01",
        "2026-11-20T08:15:00+24:00",
        "2026-11-20T08:15:00+01:60",
        "2026-11-20T08:15:00Z ",
        " 2026-11-20T08:15:00Z",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-02-29T00:00:00Z",
        "2100-02-29T00:00:00Z",
        "2026-04-31T00:00:00Z",
        "2026-01-00T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:60:00Z",
        "2026-12-31T23:59:60Z",
        "26-11-20T08:15:00Z",
        "+2026-11-20T08:15:00Z",
        "-026-11-20T08:15:00Z",
        "1795162558",
        "179516255812",
        "17951625581234",
        "1795162558.12",
        "-795162558123",
        "179516255812x",
        "2026-11-20T08:15:00ZZ",
        "2026-1-20T08:15:00Z",
        "2026-11-20T+8:15:00Z",
    };
    struct error err;

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        int64_t ms = 42;
        if (units_time_ms(&ms, bad[i], "due", &err) != ERR_INVALID)
            fail_msg("\"%s\" was taken for %lld", bad[i], (long long)ms);
        assert_int_equal(ms, 42);
    }
}

static void a_moment_before_1970_is_refused(void **state)
{
    static const char *const bad[] = {"1969-12-31T23:59:59.999Z", "1970-01-01T00:00:00+00:01", "0000-01-01T00:00:00Z"};
    struct error err;
    int64_t ms;

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_int_equal(units_time_ms(&ms, bad[i], "due", &err), ERR_INVALID);
    assert_string_equal(err.message, "due: \"0000-01-01T00:00:00Z\" is before 1970");
}

static void every_moment_comes_back_as_it_was_written(void **state)
{
    char text[32];
    struct error err;

    (void)state;
    srandom(5);
    for (int i = 0; i < 100000; i++) {
        int64_t given = (random_int64() & INT64_MAX) % 253402300800000, ms = -1;
        assert_int_equal(units_time_ms(&ms, units_format_time(text, given), "x", &err), 0);
        assert_int_equal(ms, given);
    }
}

static void any_number_of_milliseconds_can_be_written_as_a_time(void **state)
{
    char text[32];

    (void)state;
    assert_string_equal(units_format_time(text, 1795162558123), "2026-11-20T08:15:58.123Z");
    assert_string_equal(units_format_time(text, -1), "1969-12-31T23:59:59.999Z");
    assert_string_equal(units_format_time(text, INT64_MAX), "292278994-08-17T07:12:55.807Z");
    assert_in_range(strlen(units_format_time(text, INT64_MIN)), 20, 31);
}

static void durations_are_written_short(void **state)
{
    static const struct reading readings[] = {
        {"0ms", 0},       {"350ms", 350},      {"999ms", 999},
        {"1s", 1000},     {"1s", 1099},        {"1.5s", 1500},
        {"9.9s", 9999},   {"12s", 12345},      {"59s", 59999},
        {"1m", 60000},    {"3m20s", 200000},   {"59m59s", 3599999},
        {"1h", 3600000},  {"5h10m", 18600000}, {"23h59m", 86399999},
        {"1d", 86400000}, {"2d4h", 187200000}, {"106751991167d7h", INT64_MAX},
        {"-350ms", -350}, {"-1d", -86400000},  {"-106751991167d7h", INT64_MIN},
    };
    char text[32];

    (void)state;
    for (size_t i = 0; i < COUNT(readings); i++)
        assert_string_equal(units_format_duration(text, readings[i].value), readings[i].text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_are_read),
        cmocka_unit_test(what_is_no_duration_is_refused),
        cmocka_unit_test(a_refused_duration_is_told_with_what_to_write),
        cmocka_unit_test(sizes_are_read),
        cmocka_unit_test(what_is_no_size_is_refused),
        cmocka_unit_test(whole_numbers_are_read),
        cmocka_unit_test(what_is_no_whole_number_is_refused),
        cmocka_unit_test(a_value_may_be_each_of_its_limits),
        cmocka_unit_test(every_number_comes_back_as_it_was_written),
        cmocka_unit_test(moments_are_read),
        cmocka_unit_test(what_is_no_moment_is_refused),
        cmocka_unit_test(a_moment_before_1970_is_refused),
        cmocka_unit_test(every_moment_comes_back_as_it_was_written),
        cmocka_unit_test(any_number_of_milliseconds_can_be_written_as_a_time),
        cmocka_unit_test(durations_are_written_short),
    };
    return UNIT_RUN(tests);
}
