/* cli/request, cli/json_text, cli/lines - jobs from lines of JSON. */
#include <jansson.h>

#include "cli/lines.h"
#include "common/json_text.h"
#include "common/request.h"
#include "tests/unit/unit.h"

#include "tests/support/text_file.h"

static const struct request nothing = {.record.payload = ""};

static int parse(struct request *request, const char *line, struct error *err)
{
    return request_parse(request, line, strlen(line), &nothing, err);
}

static void parse_well(struct request *request, const char *line)
{
    struct error err = {0};

    if (parse(request, line, &err) < 0)
        fail_msg("%s: %s", line, err.message);
}

static void assert_refused(const char *line, const char *why)
{
    struct request request = {0};
    struct error err = {0};

    if (parse(&request, line, &err) >= 0)
        fail_msg("accepted: %s", line);
    if (!strstr(err.message, why))
        fail_msg("%s: \"%s\" has no \"%s\"", line, err.message, why);
}

static void a_line_with_everything_is_read(void **state)
{
    struct request request;

    (void)state;
    parse_well(&request,
               "{\"org\":\"acme\",\"type\":\"mail.send\",\"payload\":\"hi\",\"queue\":\"mail\",\"id\":\"a:1\",\"key\":\"k\","
               "\"delay_ms\":5000,\"expires_ms\":1900000000000,\"priority\":-7,\"max_attempts\":3,\"timeout_ms\":60000,"
               "\"headers\":{\"trace\":\"t1\",\"empty\":\"\"}}");

    assert_string_equal(request.org, "acme");
    assert_string_equal(request.id, "a:1");
    assert_string_equal(request.record.type, "mail.send");
    assert_string_equal(request.record.queue, "mail");
    assert_string_equal(request.record.key, "k");
    assert_string_equal(request.record.payload, "hi");
    assert_int_equal(request.record.payload_bytes, 2);
    assert_int_equal(request.record.delay_ms, 5000);
    assert_int_equal(request.record.expires_ms, 1900000000000);
    assert_int_equal(request.record.priority, -7);
    assert_int_equal(request.record.max_attempts, 3);
    assert_int_equal(request.record.timeout_ms, 60000);
    assert_int_equal(request.record.header_count, 2);
    assert_string_equal(request.record.headers[0].name, "trace");
    assert_string_equal(request.record.headers[1].value, "");
    request_clear(&request);
}

static void a_coalescing_key_and_earliest_are_read_and_written(void **state)
{
    struct request request;
    struct error err = {0};
    json_t *line;

    (void)state;
    parse_well(&request, "{\"org\":\"acme\",\"type\":\"t\",\"coalesce\":\"k\",\"earliest\":true}");
    assert_string_equal(request.record.coalesce, "k");
    assert_true(request.record.earliest);
    line = request_to_json(&request, &err);
    assert_string_equal(json_string_value(json_object_get(line, "coalesce")), "k");
    assert_true(json_is_true(json_object_get(line, "earliest")));
    json_decref(line);
    request_clear(&request);
    parse_well(&request, "{\"org\":\"acme\",\"type\":\"t\",\"coalesce\":\"k\",\"earliest\":false}");
    assert_false(request.record.earliest);
    request_clear(&request);
    assert_refused("{\"org\":\"acme\",\"type\":\"t\",\"coalesce\":\"k\",\"earliest\":1}", "\"earliest\" must be true or false");
    assert_refused("{\"org\":\"acme\",\"type\":\"t\",\"coalesce\":7}", "\"coalesce\" must be a string");
    assert_refused("{\"org\":\"acme\",\"type\":\"t\",\"coalesc\":\"k\"}", "did you mean \"coalesce\"");
}

/* What the payload of a line is. */
static void assert_payload(const char *member, const char *expected, size_t bytes)
{
    char *line = NULL;
    struct request request;

    assert_true(asprintf(&line, "{ \"org\" : \"acme\", %s , \"type\" : \"t\" }", member) > 0);
    parse_well(&request, line);
    assert_int_equal(request.record.payload_bytes, bytes);
    assert_memory_equal(request.record.payload, expected, bytes);
    request_clear(&request);
    free(line);
}

#define PAYLOAD_IS(member, text) assert_payload(member, text, sizeof text - 1)

static void a_payload_of_json_is_passed_on_as_it_stands(void **state)
{
    (void)state;
    PAYLOAD_IS("\"payload\": {\"n\": 1.10, \"big\": 123456789012345678901234567890, \"x\": [1,  2]}",
               "{\"n\": 1.10, \"big\": 123456789012345678901234567890, \"x\": [1,  2]}");
    PAYLOAD_IS("\"payload\": [ \"],}\" , \"\\\\\" ]", "[ \"],}\" , \"\\\\\" ]");
    PAYLOAD_IS("\"payload\":true", "true");
    PAYLOAD_IS("\"payload\": null", "null");
    PAYLOAD_IS("\"payload\":-1.5e3", "-1.5e3");
    PAYLOAD_IS("\"headers\": {\"payload\": \"no\"}, \"payload\": 1", "1");
}

static void a_payload_of_text_or_bytes_is_decoded(void **state)
{
    (void)state;
    PAYLOAD_IS("\"payload\": \"a\\u0000\\n\\u00e9\"", "a\0\n\xc3\xa9");
    PAYLOAD_IS("\"payload\": \"\"", "");
    PAYLOAD_IS("\"payload_b64\": \"AP8B\"", "\x00\xff\x01");
    PAYLOAD_IS("\"priority\": 1", "");
}

static void what_a_line_does_not_say_comes_from_the_defaults(void **state)
{
    struct request defaults = {.org = "acme",
                               .record = {.type = "wc", .queue = "bulk", .payload = "", .delay_ms = 7, .priority = 3}};
    const char *line = "{\"payload\":\"x\",\"due_ms\":1900000000000,\"headers\":{\"b\":\"2\"}}";
    struct request request;
    struct error err;

    (void)state;
    assert_int_equal(request_add_header(&defaults.record, "a", 1, "1", &err), 0);
    assert_int_equal(request_parse(&request, line, strlen(line), &defaults, &err), 0);

    assert_string_equal(request.org, "acme");
    assert_string_equal(request.record.type, "wc");
    assert_string_equal(request.record.queue, "bulk");
    assert_int_equal(request.record.priority, 3);
    assert_int_equal(request.record.delay_ms, 0);
    assert_int_equal(request.record.due_ms, 1900000000000);
    assert_int_equal(request.record.header_count, 1);
    assert_string_equal(request.record.headers[0].name, "b");
    request_clear(&request);
    request_clear(&defaults);
}

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    assert_refused("", "");
    assert_refused("{", "");
    assert_refused("[]", "object");
    assert_refused("{\"type\":\"t\"}", "\"org\" is missing");
    assert_refused("{\"org\":\"acme\"}", "\"type\" is missing");
    assert_refused("{\"org\":\"Acme\",\"type\":\"t\"}", "organization \"Acme\"");
    assert_refused("{\"org\":\"acme\",\"type\":\"t t\"}", "type \"t t\"");
    assert_refused("{\"org\":\"acme\",\"type\":\"t\",\"queue\":\"-\"}", "queue \"-\"");
    assert_refused("{\"org\":\"acme\",\"type\":\"t\",\"id\":\"a@b\"}", "\"id\" \"a@b\"");
    assert_refused("{\"org\":1,\"type\":\"t\"}", "\"org\" must be a string");
    assert_refused("{\"org\":\"acme\",\"org\":\"globex\",\"type\":\"t\"}", "duplicate");
    assert_refused("{\"org\":\"acme\",\"type\":\"t\",\"prioritty\":1}", "did you mean \"priority\"");
    assert_refused("{\"org\":\"acme\",\"type\":\"t\",\"priority\":101}", "-100..100");
    assert_refused("{\"org\":\"acme\",\"type\":\"t\",\"priority\":1.5}", "whole number");
    assert_refused("{\"org\":\"acme\",\"type\":\"t\",\"max_attempts\":\"3\"}", "whole number");
    assert_refused("{\"org\":\"acme\",\"type\":\"t\",\"due_ms\":1e99}", "\"due_ms\"");
    assert_refused("{\"org\":\"acme\",\"type\":\"t\",\"due_ms\":1,\"delay_ms\":1}", "exclude each other");
    assert_refused("{\"org\":\"acme\",\"type\":\"t\",\"payload\":\"\",\"payload_b64\":\"\"}", "\"payload_b64\"");
    assert_refused("{\"org\":\"acme\",\"type\":\"t\",\"payload_b64\":\"!\"}", "\"payload_b64\"");
    assert_refused("{\"org\":\"acme\",\"type\":\"t\",\"headers\":[]}", "\"headers\"");
    assert_refused("{\"org\":\"acme\",\"type\":\"t\",\"headers\":{\"a\":1}}", "\"a\" must be a string");
    assert_refused("{\"org\":\"acme\",\"type\":\"t\",\"key\":\"a\\u0000b\"}", "NUL");
    assert_refused("{\"org\":\"acme\",\"type\":\"t\",\"payload\":\"\xff\"}", "");
}

static void a_member_is_found_by_its_own_name_only(void **state)
{
    const char *text = "{\"a\":{\"payload\":1},\"b\\\"payload\":2, \"payload\" : \"x\" }", *found;
    size_t length;

    (void)state;
    found = json_text_member(text, strlen(text), "payload", &length);
    assert_non_null(found);
    assert_int_equal(length, 3);
    assert_memory_equal(found, "\"x\"", 3);
    assert_null(json_text_member(text, strlen(text), "c", &length));
    assert_null(json_text_member("{}", 2, "c", &length));
}

/* ---- files ---- */

static char *new_file(const char *text)
{
    char *path = strdup("/tmp/rota-test-lines-XXXXXX");
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    close(fd);
    write_text_file(path, text);
    return path;
}

static char *new_file_of(const void *bytes, size_t length)
{
    char *path = new_file("");
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, length), length);
    close(fd);
    return path;
}

static void remove_file(char *path)
{
    unlink(path);
    free(path);
}

/* A line with these members; "%s" in them stands for `path`. */
static char *line_with(const char *members, const char *path)
{
    const char *place = strstr(members, "%s");
    char *line = NULL;

    assert_non_null(place);
    assert_true(asprintf(&line, "{\"org\":\"acme\",\"type\":\"t\",%.*s%s%s}", (int)(place - members), members, path, place + 2) >
                0);
    return line;
}

static void assert_file_refused(const char *members, const char *path, enum error_code code, const char *why)
{
    char *line = line_with(members, path);
    struct request request = {.id = "untouched"};
    struct error err = {0};

    assert_int_equal(parse(&request, line, &err), code);
    assert_int_equal(err.code, code);
    if (!strstr(err.message, why))
        fail_msg("%s: \"%s\" has no \"%s\"", line, err.message, why);
    assert_string_equal(request.id, "untouched");
    free(line);
}

static void a_payload_may_be_the_bytes_of_a_file(void **state)
{
    static const char bytes[] = "{\"n\": 1}\0\xff\r\n";
    char *path = new_file_of(bytes, sizeof bytes), *empty = new_file(""), *line = line_with("\"payload_file\":\"%s\"", path);
    struct request request;

    (void)state;
    parse_well(&request, line);
    assert_true(request.record.has_payload);
    assert_int_equal(request.record.payload_bytes, sizeof bytes);
    assert_memory_equal(request.record.payload, bytes, sizeof bytes);
    assert_ptr_equal(request.record.payload, request.payload);
    request_clear(&request);
    free(line);

    line = line_with("\"payload_file\":\"%s\"", empty);
    parse_well(&request, line);
    assert_true(request.record.has_payload);
    assert_int_equal(request.record.payload_bytes, 0);
    request_clear(&request);
    free(line);
    remove_file(path);
    remove_file(empty);
}

static void a_file_that_cannot_be_read_is_named(void **state)
{
    (void)state;
    assert_file_refused("\"payload_file\":\"%s\"", "/nonexistent/p", ERR_NOT_FOUND,
                        "\"payload_file\": /nonexistent/p: No such file");
    assert_file_refused("\"payload_file\":\"%s\"", "", ERR_NOT_FOUND, "\"payload_file\": : No such file");
    assert_file_refused("\"payload_file\":\"%s\"", "/tmp", ERR_IO, "\"payload_file\": /tmp: Is a directory");
}

static void a_path_that_is_none_is_told_once(void **state)
{
    char *path = calloc(1, 4098);
    struct request request = {0};
    struct error err = {0};

    (void)state;
    assert_int_equal(parse(&request, "{\"org\":\"acme\",\"type\":\"t\",\"payload_file\":1}", &err), ERR_INVALID);
    assert_string_equal(err.message, "\"payload_file\" must be a string");
    assert_int_equal(parse(&request, "{\"org\":\"acme\",\"type\":\"t\",\"payload_file\":\"/tmp\\u0000\"}", &err), ERR_INVALID);
    assert_string_equal(err.message, "\"payload_file\" holds a NUL");
    memset(path, 'p', 4097);
    assert_file_refused("\"payload_file\":\"%s\"", path, ERR_INVALID, "\"payload_file\" has 4097 bytes, the limit is 4096");
    free(path);
}

static void a_file_that_is_too_large_is_refused(void **state)
{
    char *bytes = calloc(1, JOB_RECORD_BYTES_MAX + 1), *largest = new_file_of(bytes, JOB_RECORD_BYTES_MAX),
         *larger = new_file_of(bytes, JOB_RECORD_BYTES_MAX + 1), *line = line_with("\"payload_file\":\"%s\"", largest);
    struct request request;

    (void)state;
    parse_well(&request, line);
    assert_int_equal(request.record.payload_bytes, JOB_RECORD_BYTES_MAX);
    request_clear(&request);
    assert_file_refused("\"payload_file\":\"%s\"", larger, ERR_LIMIT, "has more than 1048576 bytes");
    assert_file_refused("\"payload_file\":\"%s\"", "/dev/zero", ERR_LIMIT, "has more than 1048576 bytes");
    free(line);
    free(bytes);
    remove_file(largest);
    remove_file(larger);
}

static void a_line_has_one_payload(void **state)
{
    static const char why[] = "there is more than one of \"payload\", \"payload_b64\" and \"payload_file\"";
    char *path = new_file("text"), *empty = new_file("");

    (void)state;
    assert_file_refused("\"payload\":\"x\",\"payload_file\":\"%s\"", path, ERR_INVALID, why);
    assert_file_refused("\"payload_file\":\"%s\",\"payload\":\"x\"", path, ERR_INVALID, why);
    assert_file_refused("\"payload_file\":\"%s\",\"payload\":{\"n\":1}", path, ERR_INVALID, why);
    assert_file_refused("\"payload_b64\":\"eA==\",\"payload_file\":\"%s\"", path, ERR_INVALID, why);
    assert_file_refused("\"payload_file\":\"%s\",\"payload_b64\":\"\"", empty, ERR_INVALID, why);
    assert_file_refused("\"payload_file\":\"%s\",\"payload_file\":\"x\"", path, ERR_INVALID, "duplicate");
    remove_file(path);
    remove_file(empty);
}

/* ---- lines ---- */

static void lines_come_in_order_and_again(void **state)
{
    char *path = new_file("one\n\nthree\nfour");
    struct error err;
    struct lines *lines = lines_open(path, 100, &err);
    static const char *const expected[] = {"one", "", "three", "four"};
    size_t bytes;
    int rc;

    (void)state;
    assert_non_null(lines);
    assert_true(lines_is_file(lines));
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < COUNT(expected); i++) {
            const char *line = lines_next(lines, &bytes, NULL, NULL, &rc, &err);
            assert_int_equal(bytes, strlen(expected[i]));
            assert_memory_equal(line, expected[i], bytes);
            assert_int_equal(lines_number(lines), i + 1);
        }
        assert_null(lines_next(lines, &bytes, NULL, NULL, &rc, &err));
        assert_int_equal(rc, 0);
        assert_int_equal(lines_rewind(lines, &err), 0);
    }
    lines_close(lines);
    unlink(path);
    free(path);
}

static void a_line_that_is_too_long_is_refused(void **state)
{
    char *path = new_file("12345\n123456\n");
    struct error err;
    struct lines *lines = lines_open(path, 5, &err);
    size_t bytes;
    int rc;

    (void)state;
    assert_non_null(lines_next(lines, &bytes, NULL, NULL, &rc, &err));
    assert_null(lines_next(lines, &bytes, NULL, NULL, &rc, &err));
    assert_int_equal(rc, ERR_LIMIT);
    assert_non_null(strstr(err.message, ":2:"));
    lines_close(lines);
    unlink(path);
    free(path);
}

static void a_file_that_is_not_there_is_told_apart(void **state)
{
    struct error err;

    (void)state;
    assert_null(lines_open("/nonexistent/jobs", 5, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_with_everything_is_read),
        cmocka_unit_test(a_coalescing_key_and_earliest_are_read_and_written),
        cmocka_unit_test(a_payload_of_json_is_passed_on_as_it_stands),
        cmocka_unit_test(a_payload_of_text_or_bytes_is_decoded),
        cmocka_unit_test(what_a_line_does_not_say_comes_from_the_defaults),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(a_member_is_found_by_its_own_name_only),
        cmocka_unit_test(a_payload_may_be_the_bytes_of_a_file),
        cmocka_unit_test(a_file_that_cannot_be_read_is_named),
        cmocka_unit_test(a_path_that_is_none_is_told_once),
        cmocka_unit_test(a_file_that_is_too_large_is_refused),
        cmocka_unit_test(a_line_has_one_payload),
        cmocka_unit_test(lines_come_in_order_and_again),
        cmocka_unit_test(a_line_that_is_too_long_is_refused),
        cmocka_unit_test(a_file_that_is_not_there_is_told_apart),
    };
    return UNIT_RUN(tests);
}
