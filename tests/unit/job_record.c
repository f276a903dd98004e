/* job - records: what is written comes back, what is broken is refused with a reason. */
#include "tests/unit/job_bytes.h"

#include "common/memory.h"

#define EXAMPLE_OPTIONS "\xce\x5c\x1f\x9a\x07\x81\xa3key\xa8order-42" /* docs/PROTOCOL.md, section 4.1 */
#define RECORD_OBJECTS  512

/* Decodes a record that is good; its payload borrows from `bytes`. */
static struct job_record record_of(struct bytes bytes)
{
    struct job_record record;
    struct error err = {0};

    if (job_record_decode(&record, bytes.data, bytes.length, &err) < 0)
        fail_msg("%s", err.message);
    return record;
}

static void encode(struct buffer *out, const struct job_record *record)
{
    struct error err = {0};

    if (job_record_encode(out, record, &err) < 0)
        fail_msg("%s", err.message);
}

static void assert_text(const char *text, const char *expected)
{
    if (expected)
        assert_string_equal(text ? text : "(null)", expected);
    else
        assert_null(text);
}

static void assert_same(const struct job_record *a, const struct job_record *b)
{
    assert_string_equal(a->type, b->type);
    assert_string_equal(a->queue, b->queue);
    assert_int_equal(a->priority, b->priority);
    assert_int_equal(a->due_ms, b->due_ms);
    assert_int_equal(a->delay_ms, b->delay_ms);
    assert_int_equal(a->expires_ms, b->expires_ms);
    assert_int_equal(a->timeout_ms, b->timeout_ms);
    assert_int_equal(a->max_attempts, b->max_attempts);
    assert_text(a->key, b->key);
    assert_text(a->coalesce, b->coalesce);
    assert_int_equal(a->earliest, b->earliest);
    assert_int_equal(a->nonce, b->nonce);
    assert_int_equal(a->header_count, b->header_count);
    for (size_t i = 0; i < a->header_count && i < b->header_count; i++) {
        assert_string_equal(a->headers[i].name, b->headers[i].name);
        assert_string_equal(a->headers[i].value, b->headers[i].value);
    }
    assert_int_equal(a->payload_bytes, b->payload_bytes);
    if (a->payload_bytes)
        assert_memory_equal(a->payload, b->payload, a->payload_bytes);
}

/* Encodes, decodes, and finds the same. */
static void assert_comes_back(const struct job_record *record)
{
    struct buffer buffer = {0};
    struct job_record again;

    encode(&buffer, record);
    again = record_of((struct bytes){buffer.data, buffer.length});
    assert_same(&again, record);
    assert_true(again.has_payload);
    job_record_clear(&again);
    assert_null(again.key);
    assert_null(again.coalesce);
    assert_int_equal(again.header_count, 0);
    buffer_clear(&buffer);
}

static void a_record_is_written_as_the_protocol_says(void **state)
{
    const struct job_record plain = {.type = "t", .queue = "default", .payload = "p", .payload_bytes = 1, .nonce = 7};
    const struct job_record example = {
        .type = "mail", .key = (char[]){"order-42"}, .payload = "hello", .payload_bytes = 5, .nonce = 1545574919};
    struct buffer buffer = {0};

    (void)state;
    buffer_add_string(&buffer, "before");
    encode(&buffer, &plain);
    assert_int_equal(buffer.length, 6 + 11);
    assert_memory_equal(buffer.data, "before\x94\xa1t\xce\x00\x00\x00\x07\xc0\xa1p", buffer.length);
    buffer_reset(&buffer);
    encode(&buffer, &example);
    assert_int_equal(buffer.length, sizeof("\x94\xa4mail" EXAMPLE_OPTIONS "\xa5hello") - 1);
    assert_memory_equal(buffer.data, "\x94\xa4mail" EXAMPLE_OPTIONS "\xa5hello", buffer.length);
    buffer_clear(&buffer);
}

static void a_record_comes_back_with_all_its_options(void **state)
{
    struct header headers[] = {{(char[]){"trace"}, (char[]){"t1"}}, {(char[]){"empty"}, (char[]){""}}};
    const struct job_record whole = {.type = "mail.send",
                                     .queue = "bulk",
                                     .priority = -7,
                                     .due_ms = 1900000000000,
                                     .delay_ms = 5000,
                                     .expires_ms = 1900000000001,
                                     .timeout_ms = 60000,
                                     .max_attempts = 3,
                                     .key = (char[]){"order-42"},
                                     .headers = headers,
                                     .header_count = COUNT(headers),
                                     .payload = "a\0\xff\n",
                                     .payload_bytes = 4,
                                     .nonce = 0xfffffffe};

    (void)state;
    assert_comes_back(&whole);
}

/* Each at its lowest and at its highest, alone. */
static void every_option_comes_back_at_its_limits(void **state)
{
    char longest[65] = {0}, name[64] = {0}, *key = calloc(1, 257);
    struct job_record records[] = {
        {.type = "t"},
        {.type = "t", .priority = -100},
        {.type = "t", .priority = 100},
        {.type = "t", .due_ms = 1},
        {.type = "t", .due_ms = 1LL << 46},
        {.type = "t", .delay_ms = 1},
        {.type = "t", .delay_ms = 1LL << 42},
        {.type = "t", .expires_ms = 1},
        {.type = "t", .expires_ms = 1LL << 46},
        {.type = "t", .timeout_ms = 1},
        {.type = "t", .timeout_ms = 1LL << 36},
        {.type = "t", .max_attempts = 1},
        {.type = "t", .max_attempts = 1000},
        {.type = "t", .nonce = UINT32_MAX},
        {.type = "t", .key = (char[]){"k"}},
        {.type = "t", .key = key},
        {.type = "t", .coalesce = (char[]){"k"}},
        {.type = "t", .coalesce = key, .earliest = true},
        {.type = "t"},
        {.type = ""},
    };

    (void)state;
    memset(longest, 'T', sizeof longest - 1);
    memset(name, 'q', sizeof name - 1);
    memset(key, 'k', 256);
    memcpy(records[COUNT(records) - 1].type, longest, sizeof longest);
    memcpy(records[COUNT(records) - 2].queue, name, sizeof name);
    for (size_t i = 0; i < COUNT(records); i++)
        assert_comes_back(&records[i]);
    free(key);
}

/* Headers of `bytes` in all. */
static void set_headers(struct job_record *record, size_t count, size_t bytes)
{
    record->headers = memory_new(sizeof *record->headers * count);
    record->header_count = count;
    for (size_t i = 0; i < count; i++) {
        size_t value_bytes = i == 0 ? bytes - 2 * count : 0;
        record->headers[i] = (struct header){.name = memory_format("%02zu", i), .value = memory_new(value_bytes + 1)};
        memset(record->headers[i].value, 'v', value_bytes);
    }
}

static void assert_record_refused(const struct job_record *record, enum error_code code, const char *why)
{
    struct buffer buffer = {0};
    struct error err = {0};

    assert_int_equal(job_record_encode(&buffer, record, &err), code);
    assert_int_equal(err.code, code);
    if (!strstr(err.message, why))
        fail_msg("\"%s\" has no \"%s\"", err.message, why);
    assert_int_equal(buffer.length, 0);
    buffer_clear(&buffer);
}

static void what_the_functions_would_refuse_is_not_written(void **state)
{
    char *key = calloc(1, 258);
    const struct {
        struct job_record record;
        enum error_code code;
        const char *why;
    } cases[] = {
        {{.type = ""}, ERR_INVALID, "type \"\""},
        {{.type = "a b"}, ERR_INVALID, "type \"a b\""},
        {{.type = "t", .queue = "Mail"}, ERR_INVALID, "queue \"Mail\""},
        {{.type = "t", .priority = -101}, ERR_INVALID, "priority is -101, it must be -100..100"},
        {{.type = "t", .priority = 101}, ERR_INVALID, "priority is 101"},
        {{.type = "t", .due_ms = -1}, ERR_INVALID, "due time (ms) is -1"},
        {{.type = "t", .due_ms = (1LL << 46) + 1}, ERR_INVALID, "due time"},
        {{.type = "t", .delay_ms = -1}, ERR_INVALID, "delay (ms) is -1"},
        {{.type = "t", .delay_ms = (1LL << 42) + 1}, ERR_INVALID, "delay"},
        {{.type = "t", .expires_ms = -1}, ERR_INVALID, "expiry (ms) is -1"},
        {{.type = "t", .expires_ms = (1LL << 46) + 1}, ERR_INVALID, "expiry"},
        {{.type = "t", .timeout_ms = -1}, ERR_INVALID, "time-out (ms) is -1"},
        {{.type = "t", .timeout_ms = (1LL << 36) + 1}, ERR_INVALID, "time-out"},
        {{.type = "t", .max_attempts = -1}, ERR_INVALID, "max_attempts is -1"},
        {{.type = "t", .max_attempts = 1001}, ERR_INVALID, "it must be 0..1000"},
        {{.type = "t", .key = (char[]){""}}, ERR_LIMIT, "key has 0 bytes, it must have 1..256"},
        {{.type = "t", .key = key}, ERR_LIMIT, "key has 257 bytes"},
        {{.type = "t", .coalesce = (char[]){""}}, ERR_LIMIT, "coalescing key has 0 bytes, it must have 1..256"},
        {{.type = "t", .coalesce = key}, ERR_LIMIT, "coalescing key has 257 bytes"},
        {{.type = "t", .coalesce = (char[]){"k"}, .key = (char[]){"k"}}, ERR_INVALID, "exclude each other"},
        {{.type = "t", .earliest = true}, ERR_INVALID, "earliest is for a job with a coalescing key"},
    };

    (void)state;
    memset(key, 'k', 257);
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_record_refused(&cases[i].record, cases[i].code, cases[i].why);
    free(key);
}

static void headers_end_at_their_limits(void **state)
{
    struct job_record record = {.type = "t", .payload = ""};

    (void)state;
    set_headers(&record, 32, 4096);
    assert_comes_back(&record);
    job_record_clear(&record);
    record = (struct job_record){.type = "t", .payload = ""};
    set_headers(&record, 32, 4097);
    assert_record_refused(&record, ERR_LIMIT, "headers have 4097 bytes, the limit is 4096");
    job_record_clear(&record);
    record = (struct job_record){.type = "t", .payload = ""};
    set_headers(&record, 33, 100);
    assert_record_refused(&record, ERR_LIMIT, "33 headers, the limit is 32");
    job_record_clear(&record);
}

static void the_largest_record_is_within_the_limit_of_records(void **state)
{
    struct job_record record = {.type = "t", .queue = "q", .key = memory_new(257), .nonce = 1};
    size_t bytes = JOB_RECORD_BYTES_MAX - JOB_OPTIONS_BYTES_MAX;
    char *payload = calloc(1, bytes + 1);
    struct buffer buffer = {0};

    (void)state;
    memset(record.type, 'T', sizeof record.type - 1);
    memset(record.queue, 'q', sizeof record.queue - 1);
    memset(record.key, 'k', 256);
    set_headers(&record, 32, 4096);
    record.payload = payload;
    record.payload_bytes = bytes;
    assert_comes_back(&record);
    encode(&buffer, &record);
    assert_in_range(buffer.length, bytes, JOB_RECORD_BYTES_MAX);
    record.payload_bytes++;
    assert_record_refused(&record, ERR_LIMIT, "payload has 1040385 bytes, the limit is 1040384");
    buffer_clear(&buffer);
    job_record_clear(&record);
    free(payload);
}

static void a_record_of_a_done_job_has_no_payload(void **state)
{
    struct job_record record = record_of(BYTES("\x93\xa4mail" EXAMPLE_OPTIONS));

    (void)state;
    assert_false(record.has_payload);
    assert_int_equal(record.payload_bytes, 0);
    assert_string_equal(record.payload, "");
    assert_string_equal(record.type, "mail");
    assert_string_equal(record.key, "order-42");
    assert_int_equal(record.nonce, 1545574919);
    job_record_clear(&record);
}

static void a_payload_is_borrowed_from_the_bytes(void **state)
{
    static const char bytes[] = "\x94\xa1t\x07\xc0\xc4\x02pq";
    struct job_record record = record_of(BYTES(bytes));

    (void)state;
    assert_ptr_equal(record.payload, bytes + 7);
    assert_int_equal(record.payload_bytes, 2);
    job_record_clear(&record);
}

static void assert_no_record(struct bytes bytes, const char *why)
{
    struct job_record record = {.nonce = 99};
    struct error err;

    assert_int_equal(decode_record(&record, bytes.data, bytes.length, &err), ERR_PROTOCOL);
    assert_int_equal(err.code, ERR_PROTOCOL);
    if (!strstr(err.message, why))
        fail_msg("\"%s\" has no \"%s\"", err.message, why);
    assert_int_equal(record.nonce, 99); /* not touched */
}

static void what_is_no_record_is_refused(void **state)
{
    static const char whole[] = "\x94\xa4mail" EXAMPLE_OPTIONS "\xa5hello";

    (void)state;
    for (size_t cut = 0; cut < sizeof whole - 1; cut++)
        assert_no_record((struct bytes){whole, cut}, "job record is not well-formed msgpack at byte");
    assert_no_record(BYTES("\x94\xa1t\x07\xc0\xa0\xc0"), "job record has 1 bytes after its msgpack object");
    assert_no_record(BYTES("\xc0"), "not an array of type");
    assert_no_record(BYTES("\xa4mail"), "not an array of type");
    assert_no_record(BYTES("\x90"), "not an array of type");
    assert_no_record(BYTES("\x92\xa1t\x07"), "not an array of type");
    assert_no_record(BYTES("\x95\xa1t\x07\xc0\xa0\xa0"), "not an array of type");
    assert_no_record(BYTES("\x84\xa1t\x07\xc0\xa0\xa0\xa0\xa0\xa0"), "not an array of type");
    assert_no_record(BYTES("\x94\xa1t\x07\xdf\xff\xff\xff\xff\xa0"), "not well-formed");
    assert_no_record(BYTES("\x94\xa1t\x07\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\xc0\xa0"),
                     "nested deeper than 16");
}

/* Its options have as many nils in a list as make `objects` in all. */
static int decode_of_objects(size_t objects)
{
    struct buffer buffer = {0};
    struct job_record record = {0};
    struct error err;
    size_t nils = objects - 7;
    int rc;

    buffer_add(&buffer, "\x94\xa1t\x07\x81\xa1x\xdc", 8);
    buffer_add(&buffer, (char[]){(char)(nils >> 8), (char)nils}, 2);
    for (size_t i = 0; i < nils; i++)
        buffer_add(&buffer, "\xc0", 1);
    buffer_add(&buffer, "\xa0", 1);
    rc = decode_record(&record, buffer.data, buffer.length, &err);
    if (rc < 0)
        assert_string_equal(err.message, "job record has more than 512 msgpack objects");
    job_record_clear(&record);
    buffer_clear(&buffer);
    return rc;
}

static void a_record_has_so_many_objects_at_most(void **state)
{
    (void)state;
    assert_int_equal(decode_of_objects(RECORD_OBJECTS), 0);
    assert_int_equal(decode_of_objects(RECORD_OBJECTS + 1), ERR_PROTOCOL);
}

static void what_has_another_type_reads_as_nothing(void **state)
{
    struct job_record record = record_of(BYTES("\x94\x05\xa1n\x89\xa5queue\x01\xa8priority\xa1x\xa6"
                                               "due_ms\xc0\xa8"
                                               "delay_ms\x90\xaa"
                                               "expires_ms\x80\xaatimeout_ms\xc3\xacmax_attempts\xa1"
                                               "3\xa3key\x01\xa7headers\x90\x80"));
    const struct job_record nothing = {.payload = ""};

    (void)state;
    assert_same(&record, &nothing);
    job_record_clear(&record);
    record = record_of(BYTES("\x94\xa1t\x07\xa5queue\xc0"));
    assert_string_equal(record.type, "t");
    assert_string_equal(record.queue, "");
    job_record_clear(&record);
}

/* The lengths of type and queue that remain of `bytes` each. */
static void assert_cut(size_t bytes, size_t type_bytes, size_t queue_bytes)
{
    struct buffer buffer = {0};
    struct job_record record;

    buffer_add_format(&buffer, "\x94\xd9%c%0*d\x07\x81\xa5queue\xd9%c%0*d\xa0", (int)bytes, (int)bytes, 0, (int)bytes, (int)bytes,
                      0);
    record = record_of((struct bytes){buffer.data, buffer.length});
    assert_int_equal(strlen(record.type), type_bytes);
    assert_int_equal(strlen(record.queue), queue_bytes);
    job_record_clear(&record);
    buffer_clear(&buffer);
}

static void names_that_are_too_long_are_cut(void **state)
{
    (void)state;
    assert_cut(63, 63, 63);
    assert_cut(64, 64, 63);
    assert_cut(65, 64, 63);
    assert_cut(200, 64, 63);
}

static void strings_may_be_bin_and_numbers_floats(void **state)
{
    struct job_record record = record_of(BYTES("\x94\xc4\x01t\xcb\x40\x1c\x00\x00\x00\x00\x00\x00\x84\xc4\x03key\xc4\x02k1\xa8"
                                               "priority\xca\xc0\x40\x00\x00\xa6"
                                               "due_ms\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00\xa8"
                                               "delay_ms\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00\xa1p"));

    (void)state;
    assert_string_equal(record.type, "t");
    assert_int_equal(record.nonce, 7);
    assert_string_equal(record.key, "k1");
    assert_int_equal(record.priority, -3);
    assert_int_equal(record.due_ms, 0);   /* infinite */
    assert_int_equal(record.delay_ms, 0); /* not a number */
    job_record_clear(&record);
}

static void numbers_that_are_too_large_are_cut(void **state)
{
    struct job_record record = record_of(BYTES("\x94\xa1t\x07\x83\xa8priority\xd3\x80\x00\x00\x00\x00\x00\x00\x00\xac"
                                               "max_attempts\xce\x80\x00\x00\x00\xa6"
                                               "due_ms\xcf\xff\xff\xff\xff\xff\xff\xff\xff\xa1p"));

    (void)state;
    assert_int_equal(record.priority, INT32_MIN);
    assert_int_equal(record.max_attempts, INT32_MAX);
    assert_int_equal(record.due_ms, INT64_MAX);
    job_record_clear(&record);
}

static void headers_of_other_types_are_passed_over(void **state)
{
    struct job_record record = record_of(BYTES("\x94\xa1t\x07\x81\xa7headers\x84\xa1"
                                               "a\x01\x02\xa1"
                                               "b\xa1"
                                               "c\xa1"
                                               "d\xc4\x00\xa1"
                                               "e\xa0"));

    (void)state;
    assert_int_equal(record.header_count, 2);
    assert_string_equal(record.headers[0].name, "c");
    assert_string_equal(record.headers[0].value, "d");
    assert_string_equal(record.headers[1].name, "");
    assert_string_equal(record.headers[1].value, "e");
    job_record_clear(&record);
}

/* Decoders of other languages keep one of two; here none is lost and nothing leaks. */
static void options_that_are_there_twice_are_read_once(void **state)
{
    struct job_record record = record_of(BYTES("\x94\xa1t\x07\x84\xa3key\xa1"
                                               "a\xa3key\xa1"
                                               "b\xa7headers\x81\xa1"
                                               "c\xa1"
                                               "d\xa7"
                                               "headers\x81\xa1"
                                               "e\xa1"
                                               "f\xa0"));

    (void)state;
    assert_string_equal(record.key, "a");
    assert_int_equal(record.header_count, 1);
    assert_string_equal(record.headers[0].name, "c");
    job_record_clear(&record);
}

/* ---- broken anywhere ---- */

/* Every byte is replaced by every other: the decoder says yes, or no with a reason; the sanitizers watch. */
static void a_byte_of_a_record_that_was_changed_does_no_harm(void **state)
{
    static const struct bytes record = BYTES_OF("\x94\xa1t\xce\x00\x00\x00\x07\x82\xa3key\xa1k\xa7headers\x81\xa1n\xa1v\xa1p");
    char bytes[128];

    (void)state;
    for (size_t at = 0; at < record.length; at++)
        for (int value = 0; value <= 0xff; value++) {
            struct job_record read = {0};
            struct error err;
            memcpy(bytes, record.data, record.length);
            bytes[at] = (char)value;
            assert_true(decode_record(&read, bytes, record.length, &err) == 0 || (err.code == ERR_PROTOCOL && err.message[0]));
            job_record_clear(&read);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_is_written_as_the_protocol_says),
        cmocka_unit_test(a_record_comes_back_with_all_its_options),
        cmocka_unit_test(every_option_comes_back_at_its_limits),
        cmocka_unit_test(what_the_functions_would_refuse_is_not_written),
        cmocka_unit_test(headers_end_at_their_limits),
        cmocka_unit_test(the_largest_record_is_within_the_limit_of_records),
        cmocka_unit_test(a_record_of_a_done_job_has_no_payload),
        cmocka_unit_test(a_payload_is_borrowed_from_the_bytes),
        cmocka_unit_test(what_is_no_record_is_refused),
        cmocka_unit_test(a_record_has_so_many_objects_at_most),
        cmocka_unit_test(what_has_another_type_reads_as_nothing),
        cmocka_unit_test(names_that_are_too_long_are_cut),
        cmocka_unit_test(strings_may_be_bin_and_numbers_floats),
        cmocka_unit_test(numbers_that_are_too_large_are_cut),
        cmocka_unit_test(headers_of_other_types_are_passed_over),
        cmocka_unit_test(options_that_are_there_twice_are_read_once),
        cmocka_unit_test(a_byte_of_a_record_that_was_changed_does_no_harm),
    };

    return UNIT_RUN(tests);
}
