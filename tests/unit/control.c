/* control - a control line is what it says, or nonsense; whatever comes, nothing breaks. */
#include "worker/control.h"

#include <jansson.h>

#include "tests/unit/unit.h"

/* Parses a copy of exactly these bytes, so that the sanitizers see a read behind them. */
static int parse_bytes(struct control *control, const char *line, size_t bytes, struct error *err)
{
    char *copy = malloc(bytes ? bytes : 1);
    int rc;

    assert_non_null(copy);
    if (bytes)
        memcpy(copy, line, bytes);
    *err = (struct error){0};
    rc = control_parse(control, copy, bytes, err);
    free(copy);
    return rc;
}

static struct control control_of(const char *line)
{
    struct control control;
    struct error err;

    if (parse_bytes(&control, line, strlen(line), &err) < 0)
        fail_msg("%s: %s", line, err.message);
    return control;
}

static void assert_refused(const char *line, const char *why)
{
    struct control control;
    struct error err;

    if (parse_bytes(&control, line, strlen(line), &err) == 0)
        fail_msg("%s was taken", line);
    if (!strstr(err.message, why))
        fail_msg("%s: \"%s\" has no \"%s\"", line, err.message, why);
    assert_null(control.data);
    control_clear(&control);
}

static void each_op_is_read(void **state)
{
    struct control control = control_of("{\"op\":\"progress\",\"pct\":40,\"msg\":\"2 of 5 files\"}");

    (void)state;
    assert_int_equal(control.op, CONTROL_PROGRESS);
    assert_int_equal(control.percent, 40);
    assert_string_equal(control.text, "2 of 5 files");
    control = control_of("{\"op\":\"progress\",\"pct\":99.9}");
    assert_int_equal(control.percent, 99);
    assert_string_equal(control.text, "");
    control = control_of(" {\"op\" : \"extend\", \"ms\" : 60000} ");
    assert_int_equal(control.op, CONTROL_EXTEND);
    assert_int_equal(control.ms, 60000);
    control = control_of("{\"op\":\"retry\",\"after_ms\":30000,\"reason\":\"429\"}");
    assert_int_equal(control.op, CONTROL_RETRY);
    assert_int_equal(control.ms, 30000);
    assert_string_equal(control.text, "429");
    control = control_of("{\"op\":\"retry\"}");
    assert_int_equal(control.ms, -1);
    control = control_of("{\"op\":\"fail\",\"class\":\"ValidationError\",\"message\":\"no address\"}");
    assert_int_equal(control.op, CONTROL_FAIL);
    assert_string_equal(control.class, "ValidationError");
    assert_string_equal(control.text, "no address");
    control = control_of("{\"op\":\"heartbeat\"}");
    assert_int_equal(control.op, CONTROL_HEARTBEAT);
}

/* Text as it is, other JSON as JSON. */
static void data_is_text_or_json(void **state)
{
    static const char *const rows[][2] = {
        {"\"page 7\"", "page 7"},  {"\"\"", ""},    {"{\"rows\": [1, 2.5, null]}", "{\"rows\":[1,2.5,null]}"}, {"7", "7"},
        {"\"\\u00e4\"", "\u00e4"}, {"true", "true"}};

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        static const char *const ops[] = {"checkpoint", "result"};
        for (size_t op = 0; op < COUNT(ops); op++) {
            char line[128];
            snprintf(line, sizeof line, "{\"op\":\"%s\",\"data\":%s}", ops[op], rows[i][0]);
            struct control control = control_of(line);
            assert_int_equal(control.op, op == 0 ? CONTROL_CHECKPOINT : CONTROL_RESULT);
            assert_int_equal(control.data_bytes, strlen(rows[i][1]));
            assert_string_equal(control.data, rows[i][1]);
            control_clear(&control);
        }
    }
}

static void a_further_job_has_all_its_options(void **state)
{
    struct control control =
        control_of("{\"op\":\"enqueue\",\"type\":\"mail\",\"payload\":\"hello\",\"id\":\"m:1\",\"queue\":\"bulk\","
                   "\"priority\":-5,\"delay_ms\":1000,\"key\":\"order-42\",\"headers\":{\"a\":\"b\",\"c\":\"\"},"
                   "\"max_attempts\":3,\"timeout_ms\":9000}");
    const struct job_record *record = &control.record;

    (void)state;
    assert_int_equal(control.op, CONTROL_ENQUEUE);
    assert_string_equal(control.id, "m:1");
    assert_string_equal(record->type, "mail");
    assert_string_equal(record->queue, "bulk");
    assert_int_equal(record->priority, -5);
    assert_int_equal(record->delay_ms, 1000);
    assert_string_equal(record->key, "order-42");
    assert_int_equal(record->max_attempts, 3);
    assert_int_equal(record->timeout_ms, 9000);
    assert_int_equal(record->header_count, 2);
    assert_string_equal(record->headers[1].name, "c");
    assert_int_equal(record->payload_bytes, 5);
    assert_memory_equal(record->payload, "hello", 5);
    control_clear(&control);

    control = control_of("{\"op\":\"enqueue\",\"type\":\"mail\"}");
    assert_int_equal(control.record.payload_bytes, 0);
    assert_string_equal(control.id, "");
    control_clear(&control);
    control = control_of("{\"op\":\"enqueue\",\"type\":\"mail\",\"payload_b64\":\"AP8=\"}");
    assert_int_equal(control.record.payload_bytes, 2);
    assert_memory_equal(control.record.payload, "\0\xff", 2);
    control_clear(&control);
    control = control_of("{\"op\":\"enqueue\",\"type\":\"mail\",\"payload\":{\"to\":1}}");
    assert_memory_equal(control.record.payload, "{\"to\":1}", 8);
    control_clear(&control);
}

static void a_further_job_may_be_its_own_next_run(void **state)
{
    struct control control =
        control_of("{\"op\":\"enqueue\",\"type\":\"t\",\"coalesce\":\"k\",\"due_ms\":1900000000000,\"earliest\":true}");

    (void)state;
    assert_string_equal(control.record.coalesce, "k");
    assert_int_equal(control.record.due_ms, 1900000000000);
    assert_true(control.record.earliest);
    control_clear(&control);
    assert_refused("{\"op\":\"enqueue\",\"type\":\"t\",\"coalesce\":\"k\",\"key\":\"k\"}", "exclude each other");
    assert_refused("{\"op\":\"enqueue\",\"type\":\"t\",\"earliest\":true}", "earliest is for a job with a coalescing key");
    assert_refused("{\"op\":\"enqueue\",\"type\":\"t\",\"coalesce\":\"k\",\"earliest\":1}", "earliest must be true or false");
    assert_refused("{\"op\":\"enqueue\",\"type\":\"t\",\"due_ms\":1,\"delay_ms\":1}", "delay_ms and due_ms exclude each other");
    assert_refused("{\"op\":\"enqueue\",\"type\":\"t\",\"due_ms\":-1}", "due_ms must be an integer in 0..70368744177664");
}

static void what_is_not_known_is_passed_over(void **state)
{
    struct control control = control_of("{\"op\":\"sing\",\"song\":[[[]]]}");

    (void)state;
    assert_int_equal(control.op, CONTROL_UNKNOWN);
    control = control_of("{\"op\":\"progress\",\"pct\":1,\"colour\":\"red\"}");
    assert_int_equal(control.percent, 1);
}

static void nonsense_is_refused_with_a_reason(void **state)
{
    (void)state;
    assert_refused("", "not JSON");
    assert_refused("hello", "not JSON");
    assert_refused("[]", "not a JSON object");
    assert_refused("{}", "op is missing");
    assert_refused("{\"op\":7}", "op is missing");
    assert_refused("{\"op\":\"heartbeat\"} x", "not JSON");
    assert_refused("{\"op\":\"heartbeat\",\"op\":\"heartbeat\"}", "not JSON");
    assert_refused("{\"op\":\"progress\"}", "pct must be");
    assert_refused("{\"op\":\"progress\",\"pct\":101}", "pct must be a number in 0..100");
    assert_refused("{\"op\":\"progress\",\"pct\":-1}", "pct must be");
    assert_refused("{\"op\":\"progress\",\"pct\":\"40\"}", "pct must be");
    assert_refused("{\"op\":\"progress\",\"pct\":1,\"msg\":7}", "msg must be a string");
    assert_refused("{\"op\":\"extend\"}", "ms is missing");
    assert_refused("{\"op\":\"extend\",\"ms\":0}", "ms must be an integer in 1..604800000");
    assert_refused("{\"op\":\"extend\",\"ms\":604800001}", "ms must be an integer");
    assert_refused("{\"op\":\"extend\",\"ms\":1.5}", "ms must be an integer");
    assert_refused("{\"op\":\"extend\",\"ms\":99999999999999999999}", "not JSON");
    assert_refused("{\"op\":\"retry\",\"after_ms\":-1}", "after_ms must be an integer in 0..86400000");
    assert_refused("{\"op\":\"retry\",\"after_ms\":86400001}", "after_ms must be");
    assert_refused("{\"op\":\"fail\"}", "neither class nor message");
    assert_refused("{\"op\":\"checkpoint\"}", "data is missing");
    assert_refused("{\"op\":\"result\"}", "data is missing");
    assert_refused("{\"op\":\"checkpoint\",\"data\":\"a\\u0000b\"}", "not JSON"); /* no NUL fits into a variable */
    assert_refused("{\"op\":\"checkpoint\",\"data\":\"\xff\"}", "not JSON");
    assert_refused("{\"op\":\"enqueue\"}", "type \"\" must match");
    assert_refused("{\"op\":\"enqueue\",\"type\":\"a/b\"}", "must match");
    assert_refused("{\"op\":\"enqueue\",\"type\":\"t\",\"org\":\"other\"}", "enqueue has no \"org\"");
    assert_refused("{\"op\":\"enqueue\",\"type\":\"t\",\"payload\":1,\"payload_b64\":\"\"}", "both there");
    assert_refused("{\"op\":\"enqueue\",\"type\":\"t\",\"payload_b64\":\"A\"}", "payload_b64: base64");
    assert_refused("{\"op\":\"enqueue\",\"type\":\"t\",\"id\":\"a@b\"}", "id \"a@b\" must match");
    assert_refused("{\"op\":\"enqueue\",\"type\":\"t\",\"id\":\"\"}", "id \"\" must match");
    assert_refused("{\"op\":\"enqueue\",\"type\":\"t\",\"queue\":\"A\"}", "queue");
    assert_refused("{\"op\":\"enqueue\",\"type\":\"t\",\"priority\":101}", "priority must be");
    assert_refused("{\"op\":\"enqueue\",\"type\":\"t\",\"headers\":{\"a\":1}}", "header a must be a string");
    assert_refused("{\"op\":\"enqueue\",\"type\":\"t\",\"headers\":[]}", "headers must be");
}

/* A job that would be lost must not pass for noise. */
static void a_broken_enqueue_is_known_as_one(void **state)
{
    static const char *const lines[] = {"{\"op\":\"enqueue\",\"type\":\"t\",", "{\"op\":\"enqueue\",\"type\":\"a/b\"}"};
    struct control control;
    struct error err;

    (void)state;
    for (size_t i = 0; i < COUNT(lines); i++) {
        assert_true(parse_bytes(&control, lines[i], strlen(lines[i]), &err) < 0);
        assert_int_equal(control.op, CONTROL_ENQUEUE);
    }
    assert_true(parse_bytes(&control, "{\"op\":\"extend\"}", 15, &err) < 0);
    assert_int_equal(control.op, CONTROL_EXTEND);
}

/* A line `{"op":OP,MEMBER:"xxx..."}` with so many x. */
static char *line_with(const char *op, const char *member, size_t bytes)
{
    char *text = malloc(bytes + 1), *line = malloc(bytes + 100);

    memset(text, 'x', bytes);
    text[bytes] = '\0';
    snprintf(line, bytes + 100, "{\"op\":\"%s\",\"pct\":1,\"%s\":\"%s\"}", op, member, text);
    free(text);
    return line;
}

static void texts_have_limits(void **state)
{
    char *line = line_with("progress", "msg", 300);
    struct control control = control_of(line);

    (void)state;
    assert_int_equal(strlen(control.text), JOB_PROGRESS_BYTES_MAX);
    free(line);
    line = line_with("fail", "message", 2000);
    control = control_of(line);
    assert_int_equal(strlen(control.text), CONTROL_TEXT_BYTES_MAX);
    free(line);
    line = line_with("checkpoint", "data", JOB_CHECKPOINT_BYTES_MAX);
    control = control_of(line);
    assert_int_equal(control.data_bytes, JOB_CHECKPOINT_BYTES_MAX);
    control_clear(&control);
    free(line);
    line = line_with("checkpoint", "data", JOB_CHECKPOINT_BYTES_MAX + 1);
    assert_refused(line, "the checkpoint has 16385 bytes, the limit is 16384");
    free(line);
    line = line_with("result", "data", CONTROL_LINE_BYTES_MAX);
    assert_refused(line, "the limit is 65536");
    free(line);
    /* cut behind a whole character */
    control =
        control_of("{\"op\":\"fail\",\"class\":\"0123456789012345678901234567890123456789012345678901234567890123\u00e4\"}");
    assert_int_equal(strlen(control.class), 64);
    control = control_of("{\"op\":\"fail\",\"class\":\"012345678901234567890123456789012345678901234567890123456789012\u00e4\"}");
    assert_int_equal(strlen(control.class), 63);
}

static void a_line_nests_so_deep_at_most(void **state)
{
    char line[400], *at = line;

    (void)state;
    at += sprintf(at, "{\"op\":\"result\",\"data\":");
    for (int i = 0; i < CONTROL_DEPTH_MAX - 1; i++)
        *at++ = '[';
    at += sprintf(at, "%s", "\"[[[[\\\"[\"");
    for (int i = 0; i < CONTROL_DEPTH_MAX - 1; i++)
        *at++ = ']';
    snprintf(at, 2, "}");
    struct control control = control_of(line);
    control_clear(&control);
    memmove(line + 23, line + 22, strlen(line) - 21);
    line[22] = '[';
    assert_refused(line, "nested more than 32 deep");
}

static void a_byte_that_was_changed_does_no_harm(void **state)
{
    static const char line[] =
        "{\"op\":\"enqueue\",\"type\":\"t\",\"headers\":{\"a\":\"b\"},\"payload\":[1,{\"x\":null}],\"key\":\"\\u00e4\"}";
    char bytes[sizeof line];

    (void)state;
    for (size_t at = 0; at < sizeof line - 1; at++)
        for (int value = 0; value <= 0xff; value++) {
            struct control control;
            struct error err;
            memcpy(bytes, line, sizeof line);
            bytes[at] = (char)value;
            assert_true(parse_bytes(&control, bytes, sizeof line - 1, &err) == 0 || err.message[0]);
            control_clear(&control);
        }
    for (size_t cut = 0; cut < sizeof line - 1; cut++) {
        struct control control;
        struct error err;
        assert_true(parse_bytes(&control, line, cut, &err) < 0);
    }
}

static void a_retry_may_pause_its_limits(void **state)
{
    struct control control;
    struct error err;
    const char *pauses = "{\"op\":\"retry\",\"after_ms\":30000,\"limit\":true}";
    const char *no_time = "{\"op\":\"retry\",\"limit\":true}", *no_bool = "{\"op\":\"retry\",\"after_ms\":1,\"limit\":\"mail\"}";

    (void)state;
    assert_int_equal(control_parse(&control, pauses, strlen(pauses), &err), 0);
    assert_true(control.pauses_limits);
    assert_int_equal(control.ms, 30000);
    control_clear(&control);
    assert_true(control_parse(&control, no_time, strlen(no_time), &err) < 0);
    control_clear(&control);
    assert_true(control_parse(&control, no_bool, strlen(no_bool), &err) < 0);
    control_clear(&control);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_retry_may_pause_its_limits),
        cmocka_unit_test(each_op_is_read),
        cmocka_unit_test(data_is_text_or_json),
        cmocka_unit_test(a_further_job_has_all_its_options),
        cmocka_unit_test(a_further_job_may_be_its_own_next_run),
        cmocka_unit_test(what_is_not_known_is_passed_over),
        cmocka_unit_test(nonsense_is_refused_with_a_reason),
        cmocka_unit_test(a_broken_enqueue_is_known_as_one),
        cmocka_unit_test(texts_have_limits),
        cmocka_unit_test(a_line_nests_so_deep_at_most),
        cmocka_unit_test(a_byte_that_was_changed_does_no_harm),
    };
    return UNIT_RUN(tests);
}
