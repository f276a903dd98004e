/* entry - an entry of the inbox as a job, or why it is none. */
#include "scheduler/entry.h"

#include "common/job.h"
#include "tests/unit/unit.h"

#define ID "1700000000000-0"

/* An entry's fields being written as Redis sends them. */
struct fields {
    struct buffer resp;
    size_t count;
};

static void add_bytes(struct fields *fields, const char *bytes, size_t length)
{
    buffer_add_format(&fields->resp, "$%zu\r\n", length);
    buffer_add(&fields->resp, bytes, length);
    buffer_add_string(&fields->resp, "\r\n");
    fields->count++;
}

static void add(struct fields *fields, const char *name, const char *value)
{
    add_bytes(fields, name, strlen(name));
    add_bytes(fields, value, strlen(value));
}

/* The fields as a reply; `fields` is empty afterwards. */
static struct reply *reply_of(struct fields *fields)
{
    struct buffer whole = {0};
    struct reply *reply;

    buffer_add_format(&whole, "*%zu\r\n", fields->count);
    buffer_add(&whole, fields->resp.data, fields->resp.length);
    reply = reply_parse(whole.data, whole.length);
    assert_non_null(reply);
    buffer_clear(&whole);
    buffer_clear(&fields->resp);
    *fields = (struct fields){0};
    return reply;
}

/* Reads fields that are good; the record borrows from `buffer`. */
static struct job_record read_well(struct fields *fields, const char *org, struct buffer *buffer)
{
    struct reply *reply = reply_of(fields);
    char read_org[NAME_BYTES_MAX + 1];
    struct job_record record;
    struct error err = {0};

    if (entry_read(ID, "", reply, read_org, buffer, &err) < 0)
        fail_msg("%s", err.message);
    assert_string_equal(read_org, org);
    assert_int_equal(job_record_decode(&record, buffer->data, buffer->length, &err), 0);
    reply_free(reply);
    return record;
}

/* Refuses fields; nothing is written. */
static void assert_fields_refused(struct fields *fields, enum error_code code, const char *why)
{
    struct reply *reply = reply_of(fields);
    char org[NAME_BYTES_MAX + 1];
    struct buffer buffer = {0};
    struct error err = {0};

    assert_int_equal(entry_read(ID, "", reply, org, &buffer, &err), code);
    assert_int_equal(err.code, code);
    if (!strstr(err.message, why))
        fail_msg("\"%s\" has no \"%s\"", err.message, why);
    assert_int_equal(buffer.length, 0);
    assert_true(org[0] == '\0' || strcmp(org, "acme") == 0); /* whose it is, if that can be told */
    buffer_clear(&buffer);
    reply_free(reply);
}

/* An entry that would be good without this field. */
static void assert_refused(const char *name, const char *value, enum error_code code, const char *why)
{
    struct fields fields = {0};

    add(&fields, "org", "acme");
    add(&fields, "type", "t");
    add(&fields, name, value);
    assert_fields_refused(&fields, code, why);
}

static void an_entry_with_everything_is_read(void **state)
{
    struct fields fields = {0};
    struct buffer buffer = {0};
    struct job_record record;

    (void)state;
    add(&fields, "org", "acme");
    add(&fields, "type", "mail.send");
    add_bytes(&fields, "payload", 7);
    add_bytes(&fields, "a\0\xff\r\n", 5);
    add(&fields, "queue", "bulk");
    add(&fields, "key", "order-42");
    add(&fields, "priority", "-7");
    add(&fields, "delay_ms", "5000");
    add(&fields, "due_ms", "1900000000000");
    add(&fields, "expires_ms", "1900000000001");
    add(&fields, "timeout_ms", "60000");
    add(&fields, "max_attempts", "3");
    add(&fields, "header.trace", "t1");
    add(&fields, "header.empty", "");
    add(&fields, "v", "1");
    record = read_well(&fields, "acme", &buffer);

    assert_string_equal(record.type, "mail.send");
    assert_int_equal(record.payload_bytes, 5);
    assert_memory_equal(record.payload, "a\0\xff\r\n", 5);
    assert_string_equal(record.queue, "bulk");
    assert_string_equal(record.key, "order-42");
    assert_int_equal(record.priority, -7);
    assert_int_equal(record.delay_ms, 5000);
    assert_int_equal(record.due_ms, 1900000000000);
    assert_int_equal(record.expires_ms, 1900000000001);
    assert_int_equal(record.timeout_ms, 60000);
    assert_int_equal(record.max_attempts, 3);
    assert_int_equal(record.header_count, 2);
    assert_string_equal(record.headers[0].name, "trace");
    assert_string_equal(record.headers[0].value, "t1");
    assert_string_equal(record.headers[1].name, "empty");
    assert_string_equal(record.headers[1].value, "");
    job_record_clear(&record);
    buffer_clear(&buffer);
}

static void organization_and_type_are_enough(void **state)
{
    struct fields fields = {0};
    struct buffer buffer = {0};
    struct job_record record;

    (void)state;
    add(&fields, "type", "t");
    add(&fields, "org", "acme");
    record = read_well(&fields, "acme", &buffer);
    assert_string_equal(record.queue, "");
    assert_true(record.has_payload);
    assert_int_equal(record.payload_bytes, 0);
    assert_null(record.key);
    job_record_clear(&record);
    buffer_clear(&buffer);
}

/* A scheduler that dies between moving and deleting an entry moves it again: the same record, so that it is one job. */
static void the_same_entry_gives_the_same_record(void **state)
{
    const char *const ids[] = {ID, ID, "1700000000000-1"};
    struct buffer buffers[3] = {{0}};
    char org[NAME_BYTES_MAX + 1];
    struct fields fields = {0};
    struct reply *reply;
    struct error err;

    (void)state;
    add(&fields, "org", "acme");
    add(&fields, "type", "t");
    reply = reply_of(&fields);
    for (size_t i = 0; i < COUNT(ids); i++)
        assert_int_equal(entry_read(ids[i], "", reply, org, &buffers[i], &err), 0);
    assert_int_equal(buffers[0].length, buffers[1].length);
    assert_memory_equal(buffers[0].data, buffers[1].data, buffers[0].length);
    assert_int_equal(buffers[0].length, buffers[2].length);
    assert_memory_not_equal(buffers[0].data, buffers[2].data, buffers[0].length);
    for (size_t i = 0; i < COUNT(buffers); i++)
        buffer_clear(&buffers[i]);
    reply_free(reply);
}

static void the_record_is_appended(void **state)
{
    struct fields fields = {0};
    struct buffer buffer = {0};
    char org[NAME_BYTES_MAX + 1];
    struct reply *reply;
    struct error err;

    (void)state;
    add(&fields, "org", "acme");
    add(&fields, "type", "t");
    reply = reply_of(&fields);
    buffer_add_string(&buffer, "before");
    assert_int_equal(entry_read(ID, "", reply, org, &buffer, &err), 0);
    assert_memory_equal(buffer.data, "before\x94\xa1t\xce", 10);
    buffer_clear(&buffer);
    reply_free(reply);
}

static void numbers_are_read_up_to_their_limits(void **state)
{
    static const struct {
        const char *name, *lowest, *highest, *too_low, *too_high;
    } cases[] = {
        {"delay_ms", "0", "4398046511104", "-1", "4398046511105"},
        {"due_ms", "0", "70368744177664", "-1", "70368744177665"},
        {"expires_ms", "1", "70368744177664", "0", "70368744177665"},
        {"timeout_ms", "1", "68719476736", "0", "68719476737"},
        {"priority", "-100", "100", "-101", "101"},
        {"max_attempts", "1", "1000", "0", "1001"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        for (int highest = 0; highest <= 1; highest++) {
            struct fields fields = {0};
            struct buffer buffer = {0};
            struct job_record record;
            add(&fields, "org", "acme");
            add(&fields, "type", "t");
            add(&fields, cases[i].name, highest ? cases[i].highest : cases[i].lowest);
            record = read_well(&fields, "acme", &buffer);
            job_record_clear(&record);
            buffer_clear(&buffer);
        }
        assert_refused(cases[i].name, cases[i].too_low, ERR_INVALID, cases[i].name);
        assert_refused(cases[i].name, cases[i].too_high, ERR_INVALID, cases[i].name);
        assert_refused(cases[i].name, "", ERR_INVALID, cases[i].name);
        assert_refused(cases[i].name, "soon", ERR_INVALID, cases[i].name);
        assert_refused(cases[i].name, "1.5", ERR_INVALID, cases[i].name);
        assert_refused(cases[i].name, "99999999999999999999", ERR_INVALID, cases[i].name);
    }
}

static void what_is_wrong_is_named(void **state)
{
    struct fields fields = {0};

    (void)state;
    assert_fields_refused(&fields, ERR_INVALID, "field org is missing");
    add(&fields, "org", "acme");
    assert_fields_refused(&fields, ERR_INVALID, "field type is missing");
    add(&fields, "type", "t");
    assert_fields_refused(&fields, ERR_INVALID, "field org is missing");
    add(&fields, "type", "t");
    add(&fields, "org", "Acme");
    assert_fields_refused(&fields, ERR_INVALID, "organization \"Acme\"");
    add(&fields, "type", "t t");
    add(&fields, "org", "acme");
    assert_fields_refused(&fields, ERR_INVALID, "type \"t t\"");
    assert_refused("queue", "", ERR_INVALID, "queue \"\"");
    assert_refused("queue", "-q", ERR_INVALID, "queue \"-q\"");
    assert_refused("key", "", ERR_LIMIT, "key has 0 bytes");
    assert_refused("prioritty", "1", ERR_INVALID, "unknown field \"prioritty\"");
    assert_refused("header.", "x", ERR_INVALID, "unknown field \"header.\"");
    assert_refused("", "x", ERR_INVALID, "unknown field \"\"");
    assert_refused("v", "2", ERR_INVALID, "version 2 is not known");
    assert_refused("org", "globex", ERR_INVALID, "field org is there twice");
    assert_refused("type", "t", ERR_INVALID, "field type is there twice");
}

/* Not cut to what would be allowed. */
static void names_that_are_too_long_are_refused(void **state)
{
    char word[66] = {0};
    struct fields fields = {0};
    struct buffer buffer = {0};
    struct job_record record;

    (void)state;
    memset(word, 'w', 64);
    assert_refused("queue", word, ERR_INVALID, "queue");
    add(&fields, "type", "t");
    add(&fields, "org", word);
    assert_fields_refused(&fields, ERR_INVALID, "organization");
    memset(word, 'w', 65);
    add(&fields, "org", "acme");
    add(&fields, "type", word);
    assert_fields_refused(&fields, ERR_INVALID, "type");
    word[63] = '\0';
    add(&fields, "org", word);
    add(&fields, "queue", word);
    word[63] = 'w';
    word[64] = '\0';
    add(&fields, "type", word);
    word[63] = '\0';
    record = read_well(&fields, word, &buffer);
    assert_string_equal(record.queue, word);
    assert_int_equal(strlen(record.type), 64);
    job_record_clear(&record);
    buffer_clear(&buffer);
}

static void a_nul_is_allowed_in_the_payload_only(void **state)
{
    static const char *const names[] = {"org", "type", "queue", "key", "priority", "header.x", "v"};
    struct fields fields = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        add(&fields, names[i], "");
        fields.resp.length -= strlen("$0\r\n\r\n");
        fields.count--;
        add_bytes(&fields, "1\0z", 3);
        assert_fields_refused(&fields, ERR_INVALID, "has a NUL byte");
    }
    add_bytes(&fields, "payload\0x", 9);
    add_bytes(&fields, "p", 1);
    assert_fields_refused(&fields, ERR_INVALID, "field payload has a NUL byte");
}

/* What an entry needs, and so many headers. */
static void add_many(struct fields *fields, size_t headers)
{
    char name[32];

    add(fields, "org", "acme");
    add(fields, "type", "t");
    for (size_t i = 0; i < headers; i++) {
        snprintf(name, sizeof name, "header.%02zu", i);
        add(fields, name, "");
    }
}

static void the_number_of_headers_and_fields_is_limited(void **state)
{
    struct fields fields = {0};
    struct buffer buffer = {0};
    struct job_record record;

    (void)state;
    add_many(&fields, 32);
    record = read_well(&fields, "acme", &buffer);
    assert_int_equal(record.header_count, 32);
    job_record_clear(&record);
    buffer_clear(&buffer);
    add_many(&fields, 33);
    assert_fields_refused(&fields, ERR_LIMIT, "33 headers, the limit is 32");
    add_many(&fields, 46);
    assert_fields_refused(&fields, ERR_LIMIT, "46 headers");
    add_many(&fields, 47);
    assert_fields_refused(&fields, ERR_LIMIT, "49 fields, the limit is 48");
}

static void a_payload_that_is_too_large_is_refused(void **state)
{
    size_t bytes = JOB_RECORD_BYTES_MAX - JOB_OPTIONS_BYTES_MAX;
    char *payload = calloc(1, bytes + 1);
    struct fields fields = {0};
    struct buffer buffer = {0};
    struct job_record record;

    (void)state;
    for (size_t more = 0; more <= 1; more++) {
        add(&fields, "org", "acme");
        add(&fields, "type", "t");
        add_bytes(&fields, "payload", 7);
        add_bytes(&fields, payload, bytes + more);
        if (more)
            assert_fields_refused(&fields, ERR_LIMIT, "payload has 1040385 bytes");
        else {
            record = read_well(&fields, "acme", &buffer);
            assert_int_equal(record.payload_bytes, bytes);
            job_record_clear(&record);
        }
    }
    buffer_clear(&buffer);
    free(payload);
}

/* XREAD gives nil for an entry that was deleted meanwhile. */
static void what_is_no_list_of_fields_is_refused(void **state)
{
    static const char *const replies[] = {"*-1\r\n", "*0\r\n", "$3\r\norg\r\n", "*1\r\n$3\r\norg\r\n",
                                          "*4\r\n$3\r\norg\r\n*0\r\n$4\r\ntype\r\n:5\r\n"};
    char org[NAME_BYTES_MAX + 1];
    struct buffer buffer = {0};
    struct error err;

    (void)state;
    for (size_t i = 0; i < COUNT(replies); i++) {
        struct reply *reply = reply_parse(replies[i], strlen(replies[i]));
        assert_non_null(reply);
        assert_int_equal(entry_read(ID, "", reply, org, &buffer, &err), ERR_INVALID);
        assert_int_equal(buffer.length, 0);
        reply_free(reply);
    }
    assert_int_equal(entry_read(ID, "", NULL, org, &buffer, &err), ERR_INVALID);
    buffer_clear(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_entry_with_everything_is_read),
        cmocka_unit_test(organization_and_type_are_enough),
        cmocka_unit_test(the_same_entry_gives_the_same_record),
        cmocka_unit_test(the_record_is_appended),
        cmocka_unit_test(numbers_are_read_up_to_their_limits),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(names_that_are_too_long_are_refused),
        cmocka_unit_test(a_nul_is_allowed_in_the_payload_only),
        cmocka_unit_test(the_number_of_headers_and_fields_is_limited),
        cmocka_unit_test(a_payload_that_is_too_large_is_refused),
        cmocka_unit_test(what_is_no_list_of_fields_is_refused),
    };
    return UNIT_RUN(tests);
}
