/* job - records, states and reports: what is written comes back, what is broken is refused with a reason. */
#include "common/job.h"

#include "common/memory.h"
#include "tests/unit/unit.h"

#define EXAMPLE_OPTIONS "\xce\x5c\x1f\x9a\x07\x81\xa3key\xa8order-42" /* docs/PROTOCOL.md, section 4.1 */
#define RECORD_OBJECTS  512

struct bytes {
    const char *data;
    size_t length;
};

#define BYTES_OF(text) {(text), sizeof(text) - 1}
#define BYTES(text)    ((struct bytes)BYTES_OF(text))

/* docs/PROTOCOL.md, section 4.2: a dead job, and the same while it ran. */
static const struct bytes dead_state =
    BYTES_OF("\x9b\xcf\x00\x00\x01\xa1\xf8\x26\xed\xec\xc0\xc0\xc0\x00\x01\x01\xc0\xc0\x91\x96"
             "\x01\xa2w1\xcf\x00\x00\x01\xa1\xf8\x26\xef\x28\xcf\x00\x00\x01\xa1\xf8\x26\xf4\x14"
             "\xa4lost\xa0\xa7"
             "crashes");
static const struct bytes running_state =
    BYTES_OF("\x9b\xcf\x00\x00\x01\xa1\xf8\x26\xed\xec\xc0\xc0\xc0\x00\x01\x00\xa2w1\xcf\x00"
             "\x00\x01\xa1\xf8\x26\xef\x28\x90\xc0");

/* Decodes a copy of exactly these bytes, so that the sanitizers see a read behind them. The payload is gone afterwards. */
static int decode_record(struct job_record *record, const void *bytes, size_t length, struct error *err)
{
    char *copy = malloc(length ? length : 1);
    int rc;

    assert_non_null(copy);
    if (length)
        memcpy(copy, bytes, length);
    *err = (struct error){0};
    rc = job_record_decode(record, copy, length, err);
    if (rc == 0)
        record->payload = NULL;
    free(copy);
    return rc;
}

static int decode_state(struct job_state *state, const void *bytes, size_t length, int priority, struct error *err)
{
    char *copy = malloc(length ? length : 1);
    int rc;

    assert_non_null(copy);
    if (length)
        memcpy(copy, bytes, length);
    *err = (struct error){0};
    rc = job_state_decode(state, copy, length, priority, err);
    free(copy);
    return rc;
}

/* Decodes a record that is good; its payload borrows from `bytes`. */
static struct job_record record_of(struct bytes bytes)
{
    struct job_record record;
    struct error err = {0};

    if (job_record_decode(&record, bytes.data, bytes.length, &err) < 0)
        fail_msg("%s", err.message);
    return record;
}

static struct job_state state_of(struct bytes bytes)
{
    struct job_state state;
    struct error err = {0};

    if (decode_state(&state, bytes.data, bytes.length, 0, &err) < 0)
        fail_msg("%s", err.message);
    return state;
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
    assert_int_equal(again.header_count, 0);
    buffer_clear(&buffer);
}

/* ---- records ---- */

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

/* ---- states ---- */

static void a_job_that_was_never_claimed_has_a_state_of_zeroes(void **state)
{
    static const struct job_state zeroes;
    struct job_state read;
    struct error err;

    (void)state;
    memset(&read, 0xff, sizeof read);
    assert_int_equal(job_state_decode(&read, NULL, 0, 5, &err), 0);
    assert_int_equal(read.order, 0);
    assert_int_equal(read.enqueued_ms, 0);
    assert_int_equal(read.attempt_count, 0);
    assert_memory_equal(&read, &zeroes, sizeof read);
    job_state_clear(&read);
}

static void the_states_of_the_protocol_page_are_read(void **state)
{
    struct job_state read = state_of(dead_state);

    (void)state;
    assert_int_equal(read.order, 1795164663276);
    assert_int_equal(read.enqueued_ms, 1795164663276);
    assert_int_equal(read.attempt, 0);
    assert_int_equal(read.deliveries, 1);
    assert_int_equal(read.crashes, 1);
    assert_string_equal(read.session, "");
    assert_int_equal(read.started_ms, 0);
    assert_string_equal(read.reason, "crashes");
    assert_int_equal(read.attempt_count, 1);
    assert_int_equal(read.attempts[0].number, 1);
    assert_string_equal(read.attempts[0].worker, "w1");
    assert_int_equal(read.attempts[0].started_ms, 1795164663592);
    assert_int_equal(read.attempts[0].ended_ms, 1795164664852);
    assert_string_equal(read.attempts[0].outcome, "lost");
    assert_int_equal(read.attempts[0].report.exit, -1);
    assert_null(read.attempts[0].report.error);
    job_state_clear(&read);
    assert_null(read.attempts);

    read = state_of(running_state);
    assert_string_equal(read.session, "w1");
    assert_int_equal(read.started_ms, 1795164663592);
    assert_int_equal(read.attempt_count, 0);
    assert_string_equal(read.reason, "");
    job_state_clear(&read);
}

/* A state with the order, the moment of enqueuing (msgpack, may be nil) and the attempts given. */
static void put_state(struct buffer *out, struct bytes order, struct bytes enqueued, struct bytes attempts)
{
    buffer_add(out, "\x9b", 1);
    buffer_add(out, order.data, order.length);
    buffer_add(out, enqueued.data, enqueued.length);
    buffer_add(out, "\xc0\xc0\x02\x03\x01\xc0\xc0", 7);
    buffer_add(out, attempts.data, attempts.length);
    buffer_add(out, "\xa8operator", 9);
}

static void put_attempt(struct buffer *out, unsigned char number, struct bytes report)
{
    buffer_add(out, "\x96\xcc", 2);
    buffer_add(out, &number, 1);
    buffer_add(out,
               "\xa2w1\x05\x06\xa6"
               "failed\xda",
               13);
    buffer_add(out, (char[]){(char)(report.length >> 8), (char)report.length}, 2);
    buffer_add(out, report.data, report.length);
}

/* The state with one attempt that has this report. */
static struct job_state state_with_report(struct bytes report)
{
    struct buffer attempts = {0}, buffer = {0};
    struct job_state state;

    buffer_add(&attempts, "\x91", 1);
    put_attempt(&attempts, 1, report);
    put_state(&buffer, BYTES("\x05"), BYTES("\xc0"), (struct bytes){attempts.data, attempts.length});
    state = state_of((struct bytes){buffer.data, buffer.length});
    buffer_clear(&attempts);
    buffer_clear(&buffer);
    return state;
}

static void a_hundred_attempts_come_back_with_their_reports(void **state)
{
    struct buffer attempts = {0}, report = {0}, buffer = {0};
    struct job_state read;

    (void)state;
    buffer_add(&attempts, "\xdc\x00\x64", 3);
    for (int i = 0; i < JOB_ATTEMPTS_KEPT; i++) {
        char error[32];
        snprintf(error, sizeof error, "exit %d", i);
        buffer_reset(&report);
        report_encode(&report,
                      &(struct report){.exit = i, .signal = 100 - i, .error = error, .result = error, .result_bytes = 4});
        put_attempt(&attempts, (unsigned char)(i + 1), (struct bytes){report.data, report.length});
    }
    put_state(&buffer, BYTES("\x05"), BYTES("\x04"), (struct bytes){attempts.data, attempts.length});
    read = state_of((struct bytes){buffer.data, buffer.length});

    assert_int_equal(read.order, 5);
    assert_int_equal(read.enqueued_ms, 4);
    assert_int_equal(read.attempt, 2);
    assert_int_equal(read.deliveries, 3);
    assert_int_equal(read.crashes, 1);
    assert_string_equal(read.reason, "operator");
    assert_int_equal(read.attempt_count, JOB_ATTEMPTS_KEPT);
    for (int i = 0; i < JOB_ATTEMPTS_KEPT; i++) {
        const struct attempt *attempt = &read.attempts[i];
        char error[32];
        snprintf(error, sizeof error, "exit %d", i);
        assert_int_equal(attempt->number, i + 1);
        assert_string_equal(attempt->outcome, "failed");
        assert_int_equal(attempt->report.exit, i);
        assert_int_equal(attempt->report.signal, 100 - i);
        assert_string_equal(attempt->report.error, error);
        assert_int_equal(attempt->report.result_bytes, 4);
        assert_string_equal(attempt->report.result, "exit");
    }
    job_state_clear(&read);
    buffer_clear(&attempts);
    buffer_clear(&report);
    buffer_clear(&buffer);
}

/* The head start of a priority is taken back. */
static void a_state_that_does_not_say_when_it_was_enqueued_follows_from_its_order(void **state)
{
    struct buffer buffer = {0};
    struct job_state read;
    struct error err;

    (void)state;
    put_state(&buffer, BYTES("\xce\x00\x0f\x42\x40"), BYTES("\xc0"), BYTES("\x90"));
    assert_int_equal(decode_state(&read, buffer.data, buffer.length, 2, &err), 0);
    assert_int_equal(read.order, 1000000);
    assert_int_equal(read.enqueued_ms, 1120000);
    job_state_clear(&read);
    assert_int_equal(decode_state(&read, buffer.data, buffer.length, -3, &err), 0);
    assert_int_equal(read.enqueued_ms, 820000);
    job_state_clear(&read);
    buffer_clear(&buffer);
}

/* In a broken state any number may stand. */
static void moments_that_cannot_be_are_cut(void **state)
{
    struct job job = {.place = "done", .score = INT64_MAX, .record = {.priority = INT32_MAX}};
    struct buffer buffer = {0};
    struct job_state read;
    struct error err;

    (void)state;
    put_state(&buffer, BYTES("\xcf\xff\xff\xff\xff\xff\xff\xff\xff"), BYTES("\xc0"), BYTES("\x90"));
    assert_int_equal(decode_state(&read, buffer.data, buffer.length, 1, &err), 0);
    assert_int_equal(read.order, INT64_MAX);
    assert_int_equal(read.enqueued_ms, INT64_MAX);
    job_state_clear(&read);
    buffer_clear(&buffer);
    put_state(&buffer, BYTES("\xd3\x80\x00\x00\x00\x00\x00\x00\x00"), BYTES("\xc0"), BYTES("\x90"));
    assert_int_equal(decode_state(&read, buffer.data, buffer.length, -1, &err), 0);
    assert_int_equal(read.enqueued_ms, INT64_MIN);
    job_state_clear(&read);
    buffer_clear(&buffer);
    assert_int_equal(job_enqueued_ms(&job), INT64_MAX);
    assert_int_equal(job_due_ms(&job), INT64_MAX);
    job.state.order = INT64_MIN;
    job.record.priority = INT32_MIN;
    assert_int_equal(job_due_ms(&job), INT64_MIN);
}

static void assert_no_state(struct bytes bytes, const char *why)
{
    static const struct job_state zeroes;
    struct job_state read;
    struct error err;

    memset(&read, 0xff, sizeof read);
    assert_int_equal(decode_state(&read, bytes.data, bytes.length, 0, &err), ERR_PROTOCOL);
    assert_int_equal(err.code, ERR_PROTOCOL);
    if (!strstr(err.message, why))
        fail_msg("\"%s\" has no \"%s\"", err.message, why);
    assert_memory_equal(&read, &zeroes, sizeof read);
    job_state_clear(&read);
}

static void what_is_no_state_is_refused(void **state)
{
    (void)state;
    for (size_t cut = 1; cut < dead_state.length; cut++)
        assert_no_state((struct bytes){dead_state.data, cut}, "job state is not well-formed msgpack at byte");
    assert_no_state(BYTES("\xc0"), "job state is not an array of 11");
    assert_no_state(BYTES("\xa0"), "job state is not an array of 11");
    assert_no_state(BYTES("\x9a\x01\xc0\xc0\xc0\x00\x00\x00\xc0\xc0\x90"), "job state is not an array of 11");
    assert_no_state(BYTES("\x9c\x01\xc0\xc0\xc0\x00\x00\x00\xc0\xc0\x90\xc0\xc0"), "job state is not an array of 11");
    assert_no_state(BYTES("\x9b\x01\xc0\xc0\xc0\x00\x00\x00\xc0\xc0\x90\xc0\xc0"), "job state has 1 bytes after");
    assert_no_state(BYTES("\x9b\x01\xc0\xc0\xc0\x00\x00\x00\xc0\xc0\xdd\xff\xff\xff\xff\xc0"), "not well-formed");
}

/* Attempts as a list of `count` nils: passed over, but objects. */
static int decode_of_attempts(size_t count)
{
    struct buffer attempts = {0}, buffer = {0};
    struct job_state read;
    struct error err;
    int rc;

    buffer_add(&attempts, "\xdc", 1);
    buffer_add(&attempts, (char[]){(char)(count >> 8), (char)count}, 2);
    for (size_t i = 0; i < count; i++)
        buffer_add(&attempts, "\xc0", 1);
    put_state(&buffer, BYTES("\x05"), BYTES("\xc0"), (struct bytes){attempts.data, attempts.length});
    rc = decode_state(&read, buffer.data, buffer.length, 0, &err);
    assert_int_equal(read.attempt_count, 0);
    if (rc < 0)
        assert_string_equal(err.message, "job state has more than 816 msgpack objects");
    job_state_clear(&read);
    buffer_clear(&attempts);
    buffer_clear(&buffer);
    return rc;
}

static void a_state_has_so_many_objects_at_most(void **state)
{
    (void)state;
    assert_int_equal(decode_of_attempts(816 - 12), 0);
    assert_int_equal(decode_of_attempts(816 - 11), ERR_PROTOCOL);
}

static void attempts_of_another_shape_are_passed_over(void **state)
{
    struct buffer buffer = {0};
    struct job_state read;

    (void)state;
    put_state(&buffer, BYTES("\x05"), BYTES("\xc0"),
              BYTES("\x95\xc0\x95\x01\x02\x03\x04\x05\x96\x07\xa2w2\x01\x02\xa4"
                    "done\xa0\x97\x01\x02\x03\x04\x05\xa0\x07"
                    "\x86\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c"));
    read = state_of((struct bytes){buffer.data, buffer.length});
    assert_int_equal(read.attempt_count, 1);
    assert_int_equal(read.attempts[0].number, 7);
    assert_string_equal(read.attempts[0].worker, "w2");
    job_state_clear(&read);
    buffer_clear(&buffer);

    put_state(&buffer, BYTES("\x05"), BYTES("\xc0"), BYTES("\xa1x"));
    read = state_of((struct bytes){buffer.data, buffer.length});
    assert_int_equal(read.attempt_count, 0);
    assert_null(read.attempts);
    job_state_clear(&read);
    buffer_clear(&buffer);
}

/* ---- reports ---- */

static struct job_state state_after(const struct report *report)
{
    struct buffer buffer = {0};
    struct job_state state;

    report_encode(&buffer, report);
    state = state_with_report((struct bytes){buffer.data, buffer.length});
    assert_int_equal(state.attempt_count, 1);
    buffer_clear(&buffer);
    return state;
}

static void an_empty_report_is_no_bytes(void **state)
{
    struct buffer buffer = {0};

    (void)state;
    report_encode(&buffer, &(struct report){.exit = -1, .signal = -1});
    assert_int_equal(buffer.length, 0);
    buffer_clear(&buffer);
}

static void a_report_comes_back_with_what_was_in_it(void **state)
{
    struct job_state exited = state_after(&(struct report){.exit = 0, .signal = -1}),
                     killed = state_after(&(struct report){.exit = -1, .signal = 9, .error = (char[]){"killed"}}),
                     done = state_after(&(struct report){.exit = 0, .signal = -1, .result = (char[]){"a\0b"}, .result_bytes = 3}),
                     silent = state_after(&(struct report){.exit = -1, .signal = -1, .result = (char[]){""}}),
                     zeroes = state_after(&(struct report){.exit = 0, .signal = 0}),
                     nothing = state_after(&(struct report){.exit = -1, .signal = -1});

    (void)state;
    assert_int_equal(exited.attempts[0].report.exit, 0);
    assert_int_equal(exited.attempts[0].report.signal, -1);
    assert_null(exited.attempts[0].report.error);
    assert_null(exited.attempts[0].report.result);
    assert_int_equal(killed.attempts[0].report.exit, -1);
    assert_int_equal(killed.attempts[0].report.signal, 9);
    assert_string_equal(killed.attempts[0].report.error, "killed");
    assert_int_equal(done.attempts[0].report.result_bytes, 3);
    assert_memory_equal(done.attempts[0].report.result, "a\0b", 4);
    assert_int_equal(silent.attempts[0].report.result_bytes, 0);
    assert_string_equal(silent.attempts[0].report.result, "");
    assert_int_equal(zeroes.attempts[0].report.exit, 0);
    assert_int_equal(zeroes.attempts[0].report.signal, 0);
    assert_int_equal(nothing.attempts[0].report.exit, -1);
    assert_int_equal(nothing.attempts[0].report.signal, -1);
    job_state_clear(&exited);
    job_state_clear(&killed);
    job_state_clear(&done);
    job_state_clear(&silent);
    job_state_clear(&zeroes);
    job_state_clear(&nothing);
}

/* Whoever wrote it: the attempt is told all the same. */
static void a_report_that_cannot_be_read_is_no_report(void **state)
{
    static const struct bytes broken[] = {
        BYTES_OF("\xc1"),
        BYTES_OF("\x81"),
        BYTES_OF("\x81\xa4"
                 "exit\x05\xc0"),
        BYTES_OF("\x92\xa4"
                 "exit\x05"),
        BYTES_OF("\xdf\xff\xff\xff\xff"),
        BYTES_OF("\xdc\x00\x10\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"),
        BYTES_OF("\xa4"
                 "exit"),
    };

    (void)state;
    for (size_t i = 0; i < COUNT(broken); i++) {
        struct job_state read = state_with_report(broken[i]);
        assert_int_equal(read.attempt_count, 1);
        assert_string_equal(read.attempts[0].outcome, "failed");
        assert_int_equal(read.attempts[0].report.exit, -1);
        assert_int_equal(read.attempts[0].report.signal, -1);
        assert_null(read.attempts[0].report.error);
        assert_null(read.attempts[0].report.result);
        job_state_clear(&read);
    }
}

/* The exit code of a report of so many objects, most of them nils in a list that is not known. */
static int exit_of_objects(size_t objects)
{
    struct buffer report = {0};
    struct job_state read;
    int code;

    buffer_add(&report,
               "\x82\xa4"
               "exit\x05\xa1x\xdc\x00",
               11);
    buffer_add(&report, (char[]){(char)(objects - 5)}, 1);
    for (size_t i = 5; i < objects; i++)
        buffer_add(&report, "\xc0", 1);
    read = state_with_report((struct bytes){report.data, report.length});
    code = read.attempts[0].report.exit;
    job_state_clear(&read);
    buffer_clear(&report);
    return code;
}

static void a_report_has_so_many_objects_at_most(void **state)
{
    (void)state;
    assert_int_equal(exit_of_objects(16), 5);
    assert_int_equal(exit_of_objects(17), -1);
}

/* 0 would say that all went well. */
static void an_exit_code_that_is_no_number_is_none(void **state)
{
    static const struct bytes others[] = {
        BYTES_OF("\x82\xa4"
                 "exit\xc0\xa6signal\xc0"),
        BYTES_OF("\x82\xa4"
                 "exit\xa1"
                 "1\xa6signal\x90"),
        BYTES_OF("\x82\xa4"
                 "exit\xc3\xa6signal\xc2"),
        BYTES_OF("\x82\xa4"
                 "exit\xf7\xa6signal\xd2\x80\x00\x00\x00"),
    };

    (void)state;
    for (size_t i = 0; i < COUNT(others); i++) {
        struct job_state read = state_with_report(others[i]);
        assert_int_equal(read.attempts[0].report.exit, -1);
        assert_int_equal(read.attempts[0].report.signal, -1);
        job_state_clear(&read);
    }
}

static void what_a_report_says_twice_is_read_once(void **state)
{
    struct job_state read = state_with_report(BYTES("\x84\xa5"
                                                    "error\xa1"
                                                    "a\xa5"
                                                    "error\xa1"
                                                    "b\xa6"
                                                    "result\xa1"
                                                    "c\xa6"
                                                    "result\xa2"
                                                    "dd"));

    (void)state;
    assert_string_equal(read.attempts[0].report.error, "a");
    assert_string_equal(read.attempts[0].report.result, "c");
    assert_int_equal(read.attempts[0].report.result_bytes, 1);
    job_state_clear(&read);
}

/* ---- broken anywhere ---- */

/* Every byte is replaced by every other: the decoders say yes, or no with a reason; the sanitizers watch. */
static void a_byte_that_was_changed_does_no_harm(void **state)
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
    for (size_t at = 0; at < dead_state.length; at++)
        for (int value = 0; value <= 0xff; value++) {
            struct job_state read;
            struct error err;
            memcpy(bytes, dead_state.data, dead_state.length);
            bytes[at] = (char)value;
            assert_true(decode_state(&read, bytes, dead_state.length, 100, &err) == 0 ||
                        (err.code == ERR_PROTOCOL && err.message[0]));
            job_state_clear(&read);
        }
}

/* ---- whole jobs ---- */

static void a_job_is_decoded_from_its_record_and_state(void **state)
{
    const struct bytes record = BYTES("\x94\xa1t\x07\x81\xa8priority\x0a\xa1p");
    struct job job = {.org = "acme", .id = "1", .place = "dead", .score = 42, .cancelling = true};
    struct error err;

    (void)state;
    assert_int_equal(job_decode(&job, record.data, record.length, dead_state.data, dead_state.length, &err), 0);
    assert_string_equal(job.org, "acme");
    assert_string_equal(job.place, "dead");
    assert_int_equal(job.score, 42);
    assert_true(job.cancelling);
    assert_int_equal(job.record.priority, 10);
    assert_int_equal(job.state.enqueued_ms, 1795164663276 + 10 * JOB_PRIORITY_MS);
    job_clear(&job);
    assert_null(job.state.attempts);
}

static void a_job_of_which_one_half_is_broken_is_refused(void **state)
{
    const struct bytes record = BYTES("\x94\xa1t\x07\x81\xa3key\xa1k\xa1p");
    struct job job = {.place = "ready"};
    struct error err;

    (void)state;
    assert_int_equal(job_decode(&job, record.data, record.length, "\xc1", 1, &err), ERR_PROTOCOL);
    assert_non_null(strstr(err.message, "job state"));
    assert_null(job.record.key);
    assert_int_equal(job_decode(&job, "\xc1", 1, dead_state.data, dead_state.length, &err), ERR_PROTOCOL);
    assert_non_null(strstr(err.message, "job record"));
    assert_null(job.state.attempts);
    job_clear(&job);
}

static void a_job_tells_when_it_was_enqueued_due_and_finished(void **state)
{
    const struct {
        const char *place;
        int64_t score, order, enqueued_ms, expected_enqueued_ms, due_ms, finished_ms;
    } cases[] = {
        {"ready", 1000, 0, 0, 121000, 121000, 0},         /* never claimed: its score is its order */
        {"ready", 1000, 1000, 90000, 90000, 121000, 0},   /* released */
        {"running", 5000, 1000, 90000, 90000, 121000, 0}, /* the score is a deadline */
        {"scheduled", 7000, 0, 6000, 6000, 7000, 0},      {"done", 9000, 1000, 90000, 90000, 121000, 9000},
        {"dead", 9000, 1000, 90000, 90000, 121000, 9000}, {"cancelled", 9000, 0, 0, 129000, 129000, 9000},
        {"lost", 0, 1000, 90000, 90000, 121000, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct job job = {.score = cases[i].score,
                          .record = {.priority = 2},
                          .state = {.order = cases[i].order, .enqueued_ms = cases[i].enqueued_ms}};
        snprintf(job.place, sizeof job.place, "%s", cases[i].place);
        assert_int_equal(job_enqueued_ms(&job), cases[i].expected_enqueued_ms);
        assert_int_equal(job_due_ms(&job), cases[i].due_ms);
        assert_int_equal(job_finished_ms(&job), cases[i].finished_ms);
    }
}

static void the_last_attempt_is_the_newest(void **state)
{
    struct attempt attempts[2] = {{.number = 1}, {.number = 2}};
    struct job job = {.state = {.attempts = attempts}};

    (void)state;
    assert_null(job_last_attempt(&job));
    job.state.attempt_count = 2;
    assert_int_equal(job_last_attempt(&job)->number, 2);
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
        cmocka_unit_test(a_job_that_was_never_claimed_has_a_state_of_zeroes),
        cmocka_unit_test(the_states_of_the_protocol_page_are_read),
        cmocka_unit_test(a_hundred_attempts_come_back_with_their_reports),
        cmocka_unit_test(a_state_that_does_not_say_when_it_was_enqueued_follows_from_its_order),
        cmocka_unit_test(moments_that_cannot_be_are_cut),
        cmocka_unit_test(what_is_no_state_is_refused),
        cmocka_unit_test(a_state_has_so_many_objects_at_most),
        cmocka_unit_test(attempts_of_another_shape_are_passed_over),
        cmocka_unit_test(an_empty_report_is_no_bytes),
        cmocka_unit_test(a_report_comes_back_with_what_was_in_it),
        cmocka_unit_test(a_report_that_cannot_be_read_is_no_report),
        cmocka_unit_test(a_report_has_so_many_objects_at_most),
        cmocka_unit_test(an_exit_code_that_is_no_number_is_none),
        cmocka_unit_test(what_a_report_says_twice_is_read_once),
        cmocka_unit_test(a_byte_that_was_changed_does_no_harm),
        cmocka_unit_test(a_job_is_decoded_from_its_record_and_state),
        cmocka_unit_test(a_job_of_which_one_half_is_broken_is_refused),
        cmocka_unit_test(a_job_tells_when_it_was_enqueued_due_and_finished),
        cmocka_unit_test(the_last_attempt_is_the_newest),
    };
    return UNIT_RUN(tests);
}
