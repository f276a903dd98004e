/* schedule_json, schedule_file - schedules as lines: both ways the same, wrong ones refused with a reason, and a file that is not
 * what was written is noticed. */
#include "common/schedule_json.h"

#include "common/job.h"
#include "common/recurrence.h"
#include "common/schedule_file.h"
#include "common/schedule_own.h"
#include "tests/unit/unit.h"

static struct schedule_entry parse(const char *line)
{
    struct schedule_entry entry;
    struct error err = {0};

    if (schedule_entry_parse(&entry, line, strlen(line), &err) < 0)
        fail_msg("%s: %s", line, err.message);
    return entry;
}

static char *format(const struct schedule_entry *entry, bool state)
{
    struct buffer text = {0};
    struct error err = {0};

    if (schedule_entry_format(&text, entry->org, &entry->schedule, state, &err) < 0)
        fail_msg("%s", err.message);
    return buffer_give(&text);
}

static void a_short_line_has_the_defaults_of_the_flags(void **state)
{
    struct schedule_entry entry = parse("{\"schedule\": \"acme/report\", \"type\": \"t\", \"every\": \"1h\"}");
    struct job_record record;
    struct error err;
    (void)state;

    assert_string_equal(entry.org, "acme");
    assert_string_equal(entry.schedule.name, "report");
    assert_string_equal(entry.schedule.recurrence, "every start=1970-01-01T00:00:00.000Z 1h");
    assert_int_equal(entry.schedule.missed, MISSED_ONCE);
    assert_int_equal(entry.schedule.overlap, OVERLAP_SKIP);
    assert_int_equal(entry.schedule.window_ms, 24 * 3600 * 1000);
    assert_false(entry.schedule.paused);
    assert_int_equal(job_record_decode(&record, entry.schedule.record, entry.schedule.record_bytes, &err), 0);
    assert_string_equal(record.type, "t");
    assert_true(record.has_payload);
    assert_int_equal(record.payload_bytes, 0);
    job_record_clear(&record);
    schedule_entry_clear(&entry);
    entry = parse("{\"schedule\": \"acme/report\", \"type\": \"t\", \"every\": \"1h\", \"missed\": \"skip\"}");
    assert_int_equal(entry.schedule.window_ms, 60000);
    schedule_entry_clear(&entry);
}

/* What was read is written as a line that is read as the same. */
static void lines_come_out_as_they_went_in(void **state)
{
    static const char *const lines[] = {
        "{\"schedule\":\"acme/a\",\"cron\":\"30 8 * * mon-fri\",\"tz\":\"Europe/Zurich\",\"missed\":\"all\",\"window\":\"6h\","
        "\"overlap\":\"queue-one\",\"spread\":\"5m\",\"from\":\"2026-01-01T00:00:00.000Z\",\"until\":\"2027-01-01T00:00:00."
        "000Z\","
        "\"paused\":\"ann@host (rota 1)\",\"paused_ms\":1795208423447,\"type\":\"t\",\"queue\":\"mail\",\"limit\":\"smtp:x\","
        "\"priority\":-7,\"max_attempts\":3,\"timeout_ms\":5000,\"headers\":{\"b\":\"1\",\"a\":\"2\"},\"payload\":\"hello\"}",
        "{\"schedule\":\"acme/a\",\"rrule\":\"FREQ=MONTHLY;BYMONTHDAY=-1\",\"tz\":\"UTC\",\"start\":\"2026-01-30T17:00:00\","
        "\"missed\":\"skip\",\"window\":\"1m\",\"overlap\":\"cancel-running\",\"paused\":true,\"type\":\"t\",\"payload\":\"{}\"}",
        "{\"schedule\":\"acme/a\",\"at\":\"2026-11-20T08:15:00.000Z\",\"tz\":\"UTC\",\"missed\":\"once\",\"window\":\"1500ms\","
        "\"overlap\":\"allow\",\"type\":\"t\",\"payload_b64\":\"/wD/\"}",
        "{\"every_org\":\"digest\",\"cron\":\"0 6 * * "
        "*\",\"tz\":\"UTC\",\"missed\":\"once\",\"window\":\"1d\",\"overlap\":\"skip\","
        "\"spread\":\"10m\",\"shadow\":true,\"paused\":\"ann\",\"type\":\"t\",\"payload\":\"\"}",
        "{\"schedule\":\"acme/a\",\"own_of_every_org\":true,\"cron\":\"30 8 * * "
        "mon-fri\",\"tz\":\"Europe/Zurich\",\"missed\":\"all\","
        "\"window\":\"6h\",\"overlap\":\"allow\",\"spread\":\"5m\",\"from\":\"2026-01-01T00:00:00.000Z\",\"until\":\"2027-01-"
        "01T00:00:00."
        "000Z\",\"type\":\"t\",\"payload\":\"hello\",\"queue\":\"mail\",\"priority\":-7,\"timeout_ms\":5000,\"max_attempts\":3,"
        "\"limit\":\"smtp:x\",\"headers\":{\"b\":\"1\"},\"off\":true,\"paused\":\"ann\",\"paused_ms\":1795208423447}",
        "{\"schedule\":\"acme/a\",\"own_of_every_org\":true,\"spread\":null,\"from\":null,\"until\":null,\"payload_b64\":\"/wD/"
        "\",\"queue\":"
        "null,\"priority\":null,\"timeout_ms\":null,\"max_attempts\":null,\"limit\":null,\"headers\":null}",
        "{\"schedule\":\"acme/a\",\"own_of_every_org\":true,\"payload\":\"\",\"paused\":true}",
        "{\"schedule\":\"acme/a\",\"own_of_every_org\":true}",
    };
    (void)state;
    for (size_t i = 0; i < COUNT(lines); i++) {
        struct schedule_entry entry = parse(lines[i]);
        char *text = format(&entry, true);

        assert_string_equal(text, lines[i]);
        free(text);
        schedule_entry_clear(&entry);
    }
}

/* Of what an organization says itself it is known what that is, and nothing else is. */
static void what_is_its_own_is_what_the_line_names(void **state)
{
    struct schedule_entry entry =
        parse("{\"max_attempts\": 3, \"from\": null, \"tz\": \"Europe/Zurich\", \"schedule\": \"acme/a\", \"type\": \"x\", "
              "\"cron\": \"0 3 * * *\", \"own_of_every_org\": true, \"paused\": \"ann\", \"payload\": null}");
    struct job_record record;
    struct error err;
    (void)state;

    assert_string_equal(entry.schedule.own, "recurrence from_ms type payload max_attempts");
    assert_string_equal(entry.schedule.own_parts, "type payload max_attempts");
    assert_string_equal(entry.schedule.recurrence, "cron tz=Europe/Zurich 0 3 * * *");
    assert_string_equal(entry.schedule.own_paused_by, "ann");
    assert_true(schedule_own_says(&entry.schedule));
    assert_int_equal(job_record_decode(&record, entry.schedule.record, entry.schedule.record_bytes, &err), 0);
    assert_string_equal(record.type, "x");
    assert_int_equal(record.max_attempts, 3);
    assert_int_equal(record.payload_bytes, 4); /* a payload that is null is JSON */
    job_record_clear(&record);
    assert_int_equal(schedule_entry_rank(&entry), RANK_OWN);
    assert_string_equal(schedule_entry_function(&entry), "schedule_own");
    schedule_entry_clear(&entry);
    entry = parse("{\"schedule\": \"acme/a\", \"own_of_every_org\": true, \"off\": false}");
    assert_false(schedule_own_says(&entry.schedule));
    schedule_entry_clear(&entry);
}

static void a_pause_is_no_part_of_the_definition(void **state)
{
    struct schedule_entry paused = parse("{\"schedule\":\"a/b\",\"type\":\"t\",\"every\":\"1s\",\"paused\":\"ann\"}"),
                          active = parse("{\"schedule\":\"a/b\",\"type\":\"t\",\"every\":\"1s\",\"paused\":false}");
    char *left = format(&paused, false), *right = format(&active, false);
    (void)state;

    assert_true(paused.schedule.paused);
    assert_string_equal(left, right);
    free(left);
    free(right);
    schedule_entry_clear(&paused);
    schedule_entry_clear(&active);
}

/* The payload is its text as it stands. */
static void a_payload_that_is_json_is_not_changed(void **state)
{
    struct schedule_entry entry = parse("{\"schedule\":\"a/b\",\"type\":\"t\",\"every\":\"1s\",\"payload\": [1.50,  2e3] }");
    char *text = format(&entry, false);
    (void)state;

    assert_non_null(strstr(text, "\"payload\":\"[1.50,  2e3]\""));
    free(text);
    schedule_entry_clear(&entry);
}

static void wrong_lines_are_refused_with_a_reason(void **state)
{
    static const struct {
        const char *more, *words; /* instead of a recurrence; what the error has */
    } wrong[] = {
        {"", "one of \"cron\", \"every\", \"rrule\" and \"at\", not 0"},
        {"\"every\": \"1s\", \"cron\": \"* * * * *\"", "not 2"},
        {"\"every\": \"10ms\"", "1s"},
        {"\"every\": 5", "\"every\" must be a string"},
        {"\"cron\": \"61 * * * *\"", "61"},
        {"\"cron\": \"* * * * *\", \"tz\": \"Europe/Atlantis\"", "Atlantis"},
        {"\"rrule\": \"FREQ=DAILY\"", "\"start\" is missing"},
        {"\"every\": \"1s\", \"missed\": \"twice\"", "\"missed\" is \"twice\", it must be one of skip once all"},
        {"\"every\": \"1s\", \"window\": \"1ms\"", "1s"},
        {"\"every\": \"1s\", \"window\": \"5\"", "unit"},
        {"\"every\": \"1s\", \"spread\": \"99d\"", "31d"},
        {"\"every\": \"1s\", \"from\": \"tomorrow\"", "tomorrow"},
        {"\"every\": \"1s\", \"from\": \"2027-01-01T00:00:00Z\", \"until\": \"2026-01-01T00:00:00Z\"", "before"},
        {"\"every\": \"1s\", \"paused_ms\": 5", "goes with \"paused\""},
        {"\"every\": \"1s\", \"paused\": 1", "\"paused\" must be"},
        {"\"every\": \"1s\", \"paused\": \"a\\nb\"", "control"},
        {"\"every\": \"1s\", \"id\": \"x\"", "belongs to one job"},
        {"\"every\": \"1s\", \"payload_file\": \"/etc/passwd\"", "unknown member \"payload_file\""},
        {"\"every\": \"1s\", \"overlapp\": \"skip\"", "did you mean \"overlap\"?"},
        {"\"every\": \"1s\", \"priority\": 101", "-100..100"},
        {"\"every\": \"1s\", \"queue\": \"No\"", "queue"},
        {"\"every\": \"1s\", \"every\": \"2s\"", "duplicate"},
        {"\"every\": \"1s\", \"every_org\": \"b\"", "\"schedule\" and \"every_org\" exclude each other"},
        {"\"every\": \"1s\", \"shadow\": true", "\"shadow\" goes with \"every_org\""},
        {"\"every\": \"1s\", \"off\": true", "\"off\" goes with \"own_of_every_org\""},
        {"\"every\": \"1s\", \"priority\": null", "\"priority\" must be"},
        {"\"every\": \"1s\", \"own_of_every_org\": 1", "\"own_of_every_org\" must be true or false"},
        {"\"own_of_every_org\": false", "not 0"},
        {"\"own_of_every_org\": true, \"off\": \"yes\"", "\"off\" must be true or false"},
        {"\"own_of_every_org\": true, \"shadow\": true", "\"shadow\" goes with \"every_org\""},
        {"\"own_of_every_org\": true, \"every_org\": \"b\"", "exclude each other"},
        {"\"own_of_every_org\": true, \"tz\": \"UTC\"", "\"tz\" and \"start\" go with one of"},
        {"\"own_of_every_org\": true, \"every\": \"1s\", \"cron\": \"* * * * *\"", "not 2"},
        {"\"own_of_every_org\": true, \"every\": null", "\"every\" must be a string"},
        {"\"own_of_every_org\": true, \"missed\": null", "\"missed\" must be a string"},
        {"\"own_of_every_org\": true, \"overlap\": \"no\"", "must be one of"},
        {"\"own_of_every_org\": true, \"payload_b64\": null", "\"payload_b64\" must be a string"},
        {"\"own_of_every_org\": true, \"max_attempts\": 1001", "1000"},
        {"\"own_of_every_org\": true, \"paused_ms\": 5", "goes with \"paused\""},
        {"\"own_of_every_org\": true, \"id\": null", "belongs to one job"},
        {"\"own_of_every_org\": true, \"of\": true", "did you mean \"off\"?"},
    };
    char line[400];
    (void)state;

    for (size_t i = 0; i < COUNT(wrong); i++) {
        struct schedule_entry entry;
        struct error err = {0};
        snprintf(line, sizeof line, "{\"schedule\": \"acme/a\", \"type\": \"t\"%s%s}", wrong[i].more[0] ? ", " : "",
                 wrong[i].more);
        if (schedule_entry_parse(&entry, line, strlen(line), &err) == 0)
            fail_msg("%s is taken", line);
        if (!strstr(err.message, wrong[i].words))
            fail_msg("%s: %s", line, err.message);
    }
}

static void wrong_names_are_refused(void **state)
{
    static const char *const wrong[] = {"[]",
                                        "",
                                        "{",
                                        "{\"type\": \"t\", \"every\": \"1s\"}",
                                        "{\"schedule\": \"acme/a\", \"every\": \"1s\"}",
                                        "{\"every_org\": \"acme/a\", \"type\": \"t\", \"every\": \"1s\"}",
                                        "{\"every_org\": \"a\", \"shadow\": 1, \"type\": \"t\", \"every\": \"1s\"}",
                                        "{\"schedule\": \"acme\", \"type\": \"t\", \"every\": \"1s\"}",
                                        "{\"schedule\": \"acme/\", \"type\": \"t\", \"every\": \"1s\"}",
                                        "{\"schedule\": \"Acme/a\", \"type\": \"t\", \"every\": \"1s\"}",
                                        "{\"schedule\": \"acme/a b\", \"type\": \"t\", \"every\": \"1s\"}",
                                        "{\"schedule\": \"acme/a\\u0000\", \"type\": \"t\", \"every\": \"1s\"}",
                                        "{\"schedule\": \"acme/a\", \"type\": \"a b\", \"every\": \"1s\"}"};
    (void)state;

    for (size_t i = 0; i < COUNT(wrong); i++) {
        struct schedule_entry entry;
        struct error err = {0};
        if (schedule_entry_parse(&entry, wrong[i], strlen(wrong[i]), &err) == 0)
            fail_msg("%s is taken", wrong[i]);
        assert_true(err.message[0] != '\0');
    }
}

/* ---- files ---- */

/* Reads `text` line by line. Returns the number of schedules, or a negative code. */
static int read_file(const char *text, bool strict, struct error *err)
{
    struct schedule_file *file = schedule_file_new();
    struct schedule_entry entry;
    int rc = 0, count = 0;

    while (*text && rc >= 0) {
        size_t bytes = strcspn(text, "\n");
        rc = schedule_file_read(file, text, bytes, &entry, err);
        if (rc == 1) {
            schedule_entry_clear(&entry);
            count++;
        }
        text += bytes + (text[bytes] == '\n');
    }
    if (rc >= 0)
        rc = schedule_file_end(file, strict, err);
    schedule_file_free(file);
    return rc < 0 ? rc : count;
}

#define LINE(name) "{\"schedule\":\"acme/" name "\",\"type\":\"t\",\"every\":\"1s\"}\n"

#define OWN_OF(name) "{\"schedule\":\"acme/" name "\",\"own_of_every_org\":true,\"off\":true}\n"
#define OF_ALL(name) "{\"every_org\":\"" name "\",\"type\":\"t\",\"every\":\"1s\"}\n"

static char *with_end(const char *text, int schedules)
{
    struct schedule_file *file = schedule_file_new();
    struct buffer whole = {0};

    buffer_add_string(&whole, text);
    for (int i = 0; i < schedules; i++) {
        size_t bytes = strcspn(text, "\n") + 1;
        schedule_file_written(file, text, bytes);
        text += bytes;
    }
    schedule_file_add_end(file, &whole);
    schedule_file_free(file);
    return buffer_give(&whole);
}

static void a_file_that_people_write_needs_no_end(void **state)
{
    static const char text[] = "# ours\n\n" LINE("a") "   \r\n" LINE("b") "  # the last";
    struct error err = {0};
    (void)state;

    assert_int_equal(read_file(text, false, &err), 2);
    assert_true(read_file(text, true, &err) < 0);
    assert_non_null(strstr(err.message, "missing"));
}

static void what_is_not_as_it_was_written_is_noticed(void **state)
{
    char *whole = with_end(LINE("a") LINE("b"), 2), *end, *other;
    struct error err = {0};
    (void)state;

    assert_int_equal(read_file(whole, true, &err), 2);
    other = with_end(LINE("a") LINE("b"), 1); /* one was added, or the number is of another file */
    assert_true(read_file(other, false, &err) < 0);
    assert_non_null(strstr(err.message, "the file has 2 schedules, its last line says 1"));
    free(other);
    whole[strcspn(whole, "t")] = 'u'; /* "schedule" is spelled another way: refused */
    assert_true(read_file(whole, false, &err) < 0);
    free(whole);
    whole = with_end(LINE("a") LINE("b"), 2);
    *strstr(whole, "1s") = '2';
    assert_true(read_file(whole, false, &err) < 0);
    assert_non_null(strstr(err.message, "the file was changed"));
    free(whole);
    whole = with_end(LINE("a") LINE("b"), 2);
    end = strstr(whole, "{\"end\"");
    *end = '\0'; /* cut off */
    assert_int_equal(read_file(whole, false, &err), 2);
    assert_true(read_file(whole, true, &err) < 0);
    free(whole);
}

static void nothing_follows_the_end_and_nothing_is_there_twice(void **state)
{
    char *whole = with_end(LINE("a"), 1), more[1024];
    struct error err = {0};
    (void)state;

    snprintf(more, sizeof more, "%s\n" LINE("b"), whole);
    assert_true(read_file(more, false, &err) < 0);
    assert_non_null(strstr(err.message, "behind the line that ends"));
    assert_true(read_file(LINE("a") "\n" LINE("a"), false, &err) < 0);
    assert_non_null(strstr(err.message, "acme/a is there twice, first in line 1"));
    assert_int_equal(read_file(LINE("a") OF_ALL("a"), false, &err), 2);
    assert_int_equal(read_file(OWN_OF("a") OF_ALL("a"), false, &err), 2);
    assert_true(read_file(LINE("a") OWN_OF("a"), false, &err) < 0); /* one or the other */
    assert_non_null(strstr(err.message, "acme/a is there twice, first in line 1"));
    assert_true(read_file(OF_ALL("a") OF_ALL("a"), false, &err) < 0);
    assert_non_null(strstr(err.message, "a of every organization is there twice"));
    assert_true(read_file("{\"end\":true,\"schedules\":0}\n", false, &err) < 0);
    assert_true(read_file("{\"end\":true,\"schedules\":0,\"sha256\":5}\n", false, &err) < 0);
    assert_true(read_file("{\"end\":true,", false, &err) < 0);
    free(whole);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_short_line_has_the_defaults_of_the_flags),
        cmocka_unit_test(lines_come_out_as_they_went_in),
        cmocka_unit_test(what_is_its_own_is_what_the_line_names),
        cmocka_unit_test(a_pause_is_no_part_of_the_definition),
        cmocka_unit_test(a_payload_that_is_json_is_not_changed),
        cmocka_unit_test(wrong_lines_are_refused_with_a_reason),
        cmocka_unit_test(wrong_names_are_refused),
        cmocka_unit_test(a_file_that_people_write_needs_no_end),
        cmocka_unit_test(what_is_not_as_it_was_written_is_noticed),
        cmocka_unit_test(nothing_follows_the_end_and_nothing_is_there_twice),
    };
    return UNIT_RUN(tests);
}
