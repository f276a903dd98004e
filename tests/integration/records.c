/* enqueue - records of many kinds that are bad: each is refused, and nothing is changed by any of it. */
#include <string.h>

#include "tests/integration/offered.h"

#define NONCE       "\xce\x00\x00\x00\x07"
#define BYTES(text) ((struct bytes){(text), sizeof(text) - 1})

static void records_of_another_shape_are_refused(void **state)
{
    struct fixture *f = *state;
    const struct bytes bad[] = {
        BYTES(""),
        BYTES("x"),
        BYTES("\x93\xa1t" NONCE "\xc0"),             /* no payload */
        BYTES("\x95\xa1t" NONCE "\xc0\xa0\xa0"),     /* five parts */
        BYTES("\x84\xa1t" NONCE "\xc0\xa0"),         /* a map */
        BYTES("\xdc\x00\x04\xa1t" NONCE "\xc0\xa0"), /* array16 */
        BYTES("\x94\xa0" NONCE "\xc0\xa0"),          /* empty type */
        BYTES("\x94\xa2t\x00" NONCE "\xc0\xa0"),     /* zero byte in the type */
        BYTES("\x94\xa2t/" NONCE "\xc0\xa0"),
        BYTES("\x94\xa2t " NONCE "\xc0\xa0"),
        BYTES("\x94\xa2t\n" NONCE "\xc0\xa0"),
        BYTES("\x94\x05" NONCE "\xc0\xa0"),               /* type is a number */
        BYTES("\x94\xc0" NONCE "\xc0\xa0"),               /* type is nil */
        BYTES("\x94\xa1t\x07\xc0\xa0"),                   /* nonce in one byte */
        BYTES("\x94\xa1t\xcf\0\0\0\0\0\0\0\x07\xc0\xa0"), /* nonce in nine */
        BYTES("\x94\xa1t\xd2\0\0\0\x07\xc0\xa0"),         /* nonce signed */
        BYTES("\x94\xa1t\xc0\xc0\xa0"),                   /* nonce nil */
        BYTES("\x94\xa1t" NONCE "\xc2\xa0"),              /* options false */
        BYTES("\x94\xa1t" NONCE "\x90\xa0"),              /* options an array */
        BYTES("\x94\xa1t" NONCE "\xa1o\xa0"),             /* options a string */
        BYTES("\x94\xa1t" NONCE "\x05\xa0"),              /* options a number */
        BYTES("\x94\xa1t" NONCE "\xc0\xc0"),              /* payload nil */
        BYTES("\x94\xa1t" NONCE "\xc0\x80"),              /* payload a map */
        BYTES("\x94\xa1t" NONCE "\xc0\x01"),              /* payload a number */
        BYTES("\x94\xa1t" NONCE "\xc0\xa1pp"),            /* a byte after the payload */
        BYTES("\x94\xa1t" NONCE "\xc0\xd9\x01pp"),
        BYTES("\x94\xa1t" NONCE "\xc0\xa2p"), /* payload cut short */
        BYTES("\x94\xa1t" NONCE "\xc0\xd9\x02p"),
        BYTES("\x94\xa1t" NONCE "\xc0\xdb\xff\xff\xff\xffp"), /* payload of 4 GiB, it says */
    };

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        refused(f, "acme", "job1", bad[i]);
}

static void a_record_cut_anywhere_is_refused(void **state)
{
    struct fixture *f = *state;
    char payload[300];
    memset(payload, 'p', sizeof payload);
    const struct lane_record specs[] = {
        {.payload = payload, .payload_bytes = 3},
        {.payload = payload, .payload_bytes = 40},
        {.payload = payload, .payload_bytes = 300},
        {.payload = payload, .payload_bytes = 3, .queue = "mail", .priority = 3, .key = "k", .due_ms = CLOCK_START_MS},
        {.type = "a.type.of.more.than.thirty.one.bytes", .payload = payload, .payload_bytes = 40, .timeout_ms = 70000},
    };

    for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++) {
        struct bytes whole = lane_record(f, &specs[i]);
        for (size_t length = 0; length < whole.length; length += length > 60 ? 23 : 1)
            refused(f, "acme", "job1", (struct bytes){whole.data, length});
        accepted(f, "acme", fixture_text(f, "good%zu", i), whole);
    }
}

static void strings_of_every_header_are_understood(void **state)
{
    struct fixture *f = *state;
    char *large = calloc(1, 70000);
    static const char *const types[] = {"\xa1t", "\xd9\x01t", "\xda\x00\x01t", "\xdb\x00\x00\x00\x01t", "\xc4\x01t"};
    static const size_t type_bytes[] = {2, 3, 4, 6, 3};

    for (size_t i = 0; i < 5; i++) {
        struct args args = {0};
        char record[64];
        size_t length = 0;
        record[length++] = '\x94';
        memcpy(record + length, types[i], type_bytes[i]);
        length += type_bytes[i];
        memcpy(record + length, NONCE "\xc0\xc4\x02pp", 10);
        length += 10;
        args_text(&args, "acme");
        args_text(&args, "type%zu", i);
        args_add(&args, record, length);
        assert_reply(reply_element(lane_call_args(f, "enqueue", &args), 0), "new");
    }
    accepted(f, "acme", "str16", lane_record(f, &(struct lane_record){.payload = large, .payload_bytes = 1000}));
    accepted(f, "acme", "str32", lane_record(f, &(struct lane_record){.payload = large, .payload_bytes = 70000}));
    accepted(f, "acme", "none", lane_record(f, &(struct lane_record){.payload = large, .payload_bytes = 0}));
    accepted(f, "acme", "fixstr", lane_record(f, &(struct lane_record){.payload = large, .payload_bytes = 31}));
    accepted(f, "acme", "bin16", BYTES("\x94\xa1t" NONCE "\xc0\xc5\x00\x02pp"));
    accepted(f, "acme", "bin32", BYTES("\x94\xa1t" NONCE "\xc0\xc6\x00\x00\x00\x02pp"));
    accepted(f, "acme", "empty-options", BYTES("\x94\xa1t" NONCE "\x80\xa1p"));
    accepted(f, "acme", "map16", BYTES("\x94\xa1t" NONCE "\xde\x00\x01\xa8priority\x05\xa1p"));
    free(large);
    lane_open(f, "w1", 6000);
    struct lane_claimed got = {0};
    while ((got = lane_claim(f, &(struct lane_claim){.session = "w1", .want = 32, .types = "t:1000 test:1000"})).jobs > 0)
        for (size_t i = 0; i < got.jobs; i++)
            assert_string_equal(lane_end(f, &got.job[i], "done"), "ok");
    assert_int_equal(lane_count(f, "org:acme:done"), 13);
}

static void types_have_up_to_64_bytes(void **state)
{
    struct fixture *f = *state;
    char type[66];
    memset(type, 'T', sizeof type);
    type[64] = '\0';

    accepted(f, "acme", "job1", lane_record(f, &(struct lane_record){.type = type}));
    type[64] = 'T';
    type[65] = '\0';
    refused(f, "acme", "job2", lane_record(f, &(struct lane_record){.type = type}));
}

static void options_out_of_range_are_refused(void **state)
{
    struct fixture *f = *state;
    static const struct lane_record bad[] = {
        {.priority = 101},
        {.priority = -101},
        {.due_ms = -1},
        {.due_ms = (1LL << 46) + 1},
        {.delay_ms = -1},
        {.delay_ms = (1LL << 42) + 1},
        {.expires_ms = -5},
        {.expires_ms = (1LL << 46) + 1},
        {.timeout_ms = -1},
        {.timeout_ms = (1LL << 36) + 1},
        {.max_attempts = -1},
        {.max_attempts = 1001},
        {.queue = ""},
        {.queue = "Mail"},
        {.queue = "-mail"},
        {.queue = "mail bulk"},
        {.queue = "mail:quiet"},
        {.queue = "q123456789012345678901234567890123456789012345678901234567890123"},
        {.key = ""},
    };

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        refused(f, "acme", "job1", lane_record(f, &bad[i]));
}

static void options_of_other_types_are_refused(void **state)
{
    struct fixture *f = *state;
    const struct bytes bad[] = {
        BYTES("\x94\xa1t" NONCE "\x81\xa8priority\xa1"
              "5\xa0"),                                                          /* "5" */
        BYTES("\x94\xa1t" NONCE "\x81\xa8priority\xcb\x3f\xf8\0\0\0\0\0\0\xa0"), /* 1.5 */
        BYTES("\x94\xa1t" NONCE "\x81\xa8priority\xcb\x7f\xf8\0\0\0\0\0\0\xa0"), /* NaN */
        BYTES("\x94\xa1t" NONCE "\x81\xa6"
              "due_ms\xcb\x7f\xf0\0\0\0\0\0\0\xa0"), /* infinity */
        BYTES("\x94\xa1t" NONCE "\x81\xa6"
              "due_ms\xc3\xa0"), /* true */
        BYTES("\x94\xa1t" NONCE "\x81\xa5queue\x05\xa0"),
        BYTES("\x94\xa1t" NONCE "\x81\xa5queue\x90\xa0"),
        BYTES("\x94\xa1t" NONCE "\x81\xa3key\x05\xa0"),
        BYTES("\x94\xa1t" NONCE "\x81\xa7headers\x05\xa0"),
        BYTES("\x94\xa1t" NONCE "\x81\xa7headers\x81\xa1h\xc4\x01v\xa0"), /* headers are strings, not bin */
        BYTES("\x94\xa1t" NONCE "\x81\xa7unknown\x05\xa0"),
        BYTES("\x94\xa1t" NONCE "\x81\x01\x05\xa0"),                     /* 1: 5 */
        BYTES("\x94\xa1t" NONCE "\x81\xc3\x05\xa0"),                     /* true: 5 */
        BYTES("\x94\xa1t" NONCE "\x81\xc0\x05\xa0"),                     /* nil: 5 */
        BYTES("\x94\xa1t" NONCE "\x81\x90\x05\xa0"),                     /* []: 5 */
        BYTES("\x94\xa1t" NONCE "\x81\xcb\x7f\xf8\0\0\0\0\0\0\x05\xa0"), /* NaN: 5 */
        BYTES("\x94\xa1t" NONCE "\x81\xa8priority\xc1\xa0"),             /* a byte msgpack never uses */
        BYTES("\x94\xa1t" NONCE "\xde\xff\xff\xa8priority\x05\xa0"),     /* 65535 pairs, it says */
        BYTES("\x94\xa1t" NONCE "\x81\xa8priority\x05"),                 /* ends after the options */
        BYTES("\x94\xa1t" NONCE "\x81\xa7headers\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91"),
    };

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        refused(f, "acme", "job1", bad[i]);
}

static void options_at_the_ends_of_their_ranges_are_taken(void **state)
{
    struct fixture *f = *state;
    char key[257];
    memset(key, 'k', sizeof key);
    key[256] = '\0';
    const struct lane_record good[] = {
        {.priority = 100},
        {.priority = -100},
        {.due_ms = 1LL << 46},
        {.delay_ms = 1LL << 42},
        {.expires_ms = 1LL << 46},
        {.timeout_ms = 1},
        {.timeout_ms = 1LL << 36},
        {.max_attempts = 1},
        {.max_attempts = 1000},
        {.key = key},
        {.queue = "q12345678901234567890123456789012345678901234567890123456789012"},
        {.queue = "0_-"},
    };

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        accepted(f, "acme", fixture_text(f, "job%zu", i), lane_record(f, &good[i]));
}

static void headers_are_carried_but_not_read(void **state)
{
    struct fixture *f = *state;

    accepted(f, "acme", "job1",
             BYTES("\x94\xa1t" NONCE "\x81\xa7headers\x82\xa1"
                   "a\xa1"
                   "b\xa1"
                   "c\xa0\xa1p"));
    accepted(f, "acme", "job2", BYTES("\x94\xa1t" NONCE "\x81\xa7headers\x80\xa1p"));
}

static void headers_are_strings_by_name(void **state)
{
    struct fixture *f = *state;
    char many[300] = "\x94\xa1t" NONCE "\x81\xa7headers\xde";
    size_t start = 3 + 5 + 1 + 8 + 1;

    for (int count = 33; count >= 32; count--) {
        size_t end = start + 2;
        many[start] = 0;
        many[start + 1] = (char)count;
        for (int i = 0; i < count; i++, end += 3)
            memcpy(many + end, (char[]){'\xa1', (char)('0' + i), '\xa0'}, 3);
        memcpy(many + end, "\xa1p", 2);
        if (count > 32)
            refused(f, "acme", "many", (struct bytes){many, end + 2});
        else
            accepted(f, "acme", "many", (struct bytes){many, end + 2});
    }

    refused(f, "acme", "job1",
            BYTES("\x94\xa1t" NONCE "\x81\xa7headers\x81\xa1"
                  "a\xc3\xa1p"));
    refused(f, "acme", "job1",
            BYTES("\x94\xa1t" NONCE "\x81\xa7headers\x81\xa1"
                  "a\x90\xa1p"));
    refused(f, "acme", "job1",
            BYTES("\x94\xa1t" NONCE "\x81\xa7headers\x91\xa1"
                  "a\xa1p"));
    refused(f, "acme", "job1",
            BYTES("\x94\xa1t" NONCE "\x81\xa7headers\x81\x01\xa1"
                  "a\xa1p"));
}

/* Options are unpacked as far as they may be long, not as far as they say: otherwise a record could hold up Redis for seconds. */
static void options_that_are_a_bomb_are_refused_soon(void **state)
{
    struct fixture *f = *state;
    static char record[1000000] = "\x94\xa1t" NONCE "\x81\xa7headers\xdd\x00\x10\x00\x00";
    size_t start = 3 + 5 + 1 + 8 + 5;

    memset(record + start, 0x90, sizeof record - start); /* empty lists */
    assert_error(lane_call(f, "enqueue", "acme job1 %b", record, sizeof record),
                 "INVALID options that are not msgpack, or have more than 8192 bytes");
}

/* Both ways in refuse it, soon, and have changed nothing. */
static void refused_everywhere(struct fixture *f, const char *bytes, size_t length)
{
    const char *before = lane_digest(f);

    assert_error(lane_call(f, "enqueue", "acme job1 %b", bytes, length), "INVALID");
    assert_error(lane_call(f, "inbox", "acme 1-0 %b", bytes, length), "INVALID");
    assert_string_equal(lane_digest(f), before);
}

#define BEGIN         "\x94\xa1t" NONCE
#define REFUSED(text) refused_everywhere(f, text, sizeof(text) - 1)

static void lengths_that_are_lies_are_refused(void **state)
{
    struct fixture *f = *state;

    REFUSED(BEGIN "\xdf\xff\xff\xff\xff\xa1p"); /* a map of 2^32 - 1 */
    REFUSED(BEGIN "\xde\xff\xff\xa1p");         /* of 2^16 - 1 */
    REFUSED(BEGIN "\x8f\xa3key\xa1k\xa1p");     /* of 15, one is there */
    REFUSED(BEGIN "\x81\xa7headers\xdf\x7f\xff\xff\xff\xa1"
                  "a\xa1"
                  "b\xa1p");
    REFUSED(BEGIN "\x81\xa3key\xdb\xff\xff\xff\xff\xa1p");     /* a key of 4 GiB */
    REFUSED(BEGIN "\x81\xdb\xff\xff\xff\xff\xa1k\xa1p");       /* a name of 4 GiB */
    REFUSED(BEGIN "\x81\xa3key\xdd\xff\xff\xff\xff\xa1p");     /* a list of 2^32 - 1 */
    REFUSED(BEGIN "\x81\xa3key\xc9\xff\xff\xff\xff\x01\xa1p"); /* an extension */
    REFUSED(BEGIN "\x81\xa3key\xc1\xa1p");                     /* what msgpack never uses */
    REFUSED("\x94\xdb\xff\xff\xff\xff" NONCE "\xc0\xa0");      /* a type of 4 GiB */
    REFUSED("\xdd\x00\x00\x00\x04\xa1t" NONCE "\xc0\xa0");
    REFUSED(BEGIN "\xc0\xc6\xff\xff\xff\xff"
                  "p");
}

/* Lists in lists, maps in maps: as deep as 8 KiB allow, and deeper. */
static void depth_is_refused(void **state)
{
    static const struct {
        const char *opening;
        size_t bytes;
    } nests[] = {{"\x91", 1}, {"\x81\xa1k", 3}, {"\x81\x81", 2}, {"\xdd\x00\x00\x00\x01", 5}};
    static char record[100000];
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof nests / sizeof *nests; i++)
        for (size_t depth = 10; depth <= 16000; depth *= 4) {
            size_t length = sizeof BEGIN "\x81\xa7headers" - 1;
            memcpy(record, BEGIN "\x81\xa7headers", length);
            for (size_t n = 0; n < depth && length + 8 < sizeof record; n++, length += nests[i].bytes)
                memcpy(record + length, nests[i].opening, nests[i].bytes);
            memcpy(record + length, "\xc0\xa1p", 3);
            refused_everywhere(f, record, length + 3);
        }
}

/* Of two options of one name the last one counts, for the check and for all that follows: what is stored is what was checked. */
static void an_option_that_is_there_twice_is_checked_as_it_counts(void **state)
{
    struct fixture *f = *state;

    REFUSED(BEGIN "\x82\xa8priority\x05\xa8priority\xcd\x10\x00\xa1p"); /* 5, then 4096 */
    REFUSED(BEGIN "\x82\xa5queue\xa1q\xa5queue\xa1Q\xa1p");
    accepted(f, "acme", "job1", BYTES(BEGIN "\x82\xa5queue\xa1q\xa5queue\xa1r\xa1p"));
    assert_string_equal(lane_place(f, "acme", "job1"), "ready:r");
    lane_open(f, "w1", 6000);

    struct lane_claimed got = lane_claim(f, &(struct lane_claim){.session = "w1", .queues = "r", .types = "t:1000"});

    assert_int_equal(got.jobs, 1);
    assert_string_equal(lane_end(f, &got.job[0], "done"), "ok");
}

static void options_have_at_most_8_kib(void **state)
{
    struct fixture *f = *state;
    char record[9000] = "\x94\xa1t" NONCE "\x81\xa7headers\x81\xa1h\xda";
    size_t start = 3 + 5 + 1 + 8 + 1 + 2 + 1, value = 8192 - (1 + 8 + 1 + 2 + 3);

    for (size_t more = 0; more < 2; more++) {
        record[start] = (char)((value + more) >> 8);
        record[start + 1] = (char)((value + more) & 255);
        memset(record + start + 2, 'v', value + more);
        memcpy(record + start + 2 + value + more, "\xa1p", 2);
        struct bytes bytes = {record, start + 2 + value + more + 2};
        if (more == 0)
            accepted(f, "acme", "job1", bytes);
        else
            refused(f, "acme", "job2", bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_of_another_shape_are_refused),
        cmocka_unit_test(a_record_cut_anywhere_is_refused),
        cmocka_unit_test(strings_of_every_header_are_understood),
        cmocka_unit_test(types_have_up_to_64_bytes),
        cmocka_unit_test(options_out_of_range_are_refused),
        cmocka_unit_test(options_of_other_types_are_refused),
        cmocka_unit_test(options_at_the_ends_of_their_ranges_are_taken),
        cmocka_unit_test(headers_are_carried_but_not_read),
        cmocka_unit_test(headers_are_strings_by_name),
        cmocka_unit_test(options_that_are_a_bomb_are_refused_soon),
        cmocka_unit_test(lengths_that_are_lies_are_refused),
        cmocka_unit_test(depth_is_refused),
        cmocka_unit_test(an_option_that_is_there_twice_is_checked_as_it_counts),
        cmocka_unit_test(options_have_at_most_8_kib),
    };

    return RUN_IN_LANES("records", tests);
}
