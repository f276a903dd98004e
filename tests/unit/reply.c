/* reply - what Redis answered, read without checks. */
#include "common/reply.h"

#include "tests/unit/unit.h"

static struct reply *parse(const char *resp)
{
    struct reply *reply = reply_parse(resp, strlen(resp));

    assert_non_null(reply);
    return reply;
}

static void elements_of_an_array_are_read_one_by_one(void **state)
{
    struct reply *reply = parse("*4\r\n$5\r\nhello\r\n:42\r\n*1\r\n+OK\r\n$-1\r\n");

    (void)state;
    assert_true(reply_is_array(reply));
    assert_int_equal(reply_count(reply), 4);
    assert_string_equal(reply_string(reply_at(reply, 0)), "hello");
    assert_int_equal(reply_int(reply_at(reply, 1)), 42);
    assert_string_equal(reply_string(reply_at(reply_at(reply, 2), 0)), "OK");
    assert_true(reply_is_nil(reply_at(reply, 3)));
    reply_free(reply);
}

static void what_is_not_there_reads_as_nothing(void **state)
{
    struct reply *array = parse("*1\r\n:7\r\n"), *number = parse(":7\r\n");
    size_t length = 99;

    (void)state;
    assert_null(reply_at(array, 1));
    assert_null(reply_at(number, 0));
    assert_null(reply_at(NULL, 0));
    assert_true(reply_is_nil(NULL));
    assert_false(reply_is_array(NULL));
    assert_int_equal(reply_count(NULL), 0);
    assert_int_equal(reply_count(number), 0);
    assert_int_equal(reply_int(NULL), 0);
    assert_int_equal(reply_int(array), 0);
    assert_string_equal(reply_bytes(NULL, &length), "");
    assert_int_equal(length, 0);
    assert_string_equal(reply_string(number), "");
    assert_false(reply_is(NULL, ""));
    reply_free(array);
    reply_free(number);
}

static void an_empty_string_is_not_nil(void **state)
{
    struct reply *empty = parse("$0\r\n\r\n"), *nil = parse("*-1\r\n");

    (void)state;
    assert_false(reply_is_nil(empty));
    assert_true(reply_is(empty, ""));
    assert_true(reply_is_nil(nil));
    assert_false(reply_is(nil, ""));
    reply_free(empty);
    reply_free(nil);
}

static void integers_are_also_read_from_strings(void **state)
{
    static const struct {
        const char *resp;
        int64_t number;
    } cases[] = {
        {":-5\r\n", -5},
        {"$16\r\n1754321234567890\r\n", 1754321234567890},
        {"$2\r\n-5\r\n", -5},
        {"+12\r\n", 12},
        {"$19\r\n9223372036854775807\r\n", INT64_MAX},
        {"$19\r\n9223372036854775808\r\n", 0}, /* too large */
        {"$3\r\n1.5\r\n", 0},
        {"$2\r\n 5\r\n", 0},
        {"$2\r\n5x\r\n", 0},
        {"$1\r\n-\r\n", 0},
        {"$0\r\n\r\n", 0},
        {"$3\r\n+12\r\n", 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct reply *reply = parse(cases[i].resp);
        assert_int_equal(reply_int(reply), cases[i].number);
        reply_free(reply);
    }
}

static void strings_keep_every_byte(void **state)
{
    static const char resp[] = "$5\r\na\0b\r\n\r\n";
    struct reply *reply = reply_parse(resp, sizeof resp - 1);
    size_t length;

    (void)state;
    assert_memory_equal(reply_bytes(reply, &length), "a\0b\r\n", 6);
    assert_int_equal(length, 5);
    assert_false(reply_is(reply, "a"));
    reply_free(reply);
}

static void a_word_is_compared_as_a_whole(void **state)
{
    struct reply *reply = parse("+lost\r\n");

    (void)state;
    assert_true(reply_is(reply, "lost"));
    assert_false(reply_is(reply, "los"));
    assert_false(reply_is(reply, "lost "));
    reply_free(reply);
}

static void what_is_no_reply_is_not_parsed(void **state)
{
    (void)state;
    assert_null(reply_parse("", 0));
    assert_null(reply_parse("$5\r\nhel", 8));
    assert_null(reply_parse("GET / HTTP/1.1\r\n", 16));
    reply_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements_of_an_array_are_read_one_by_one),
        cmocka_unit_test(what_is_not_there_reads_as_nothing),
        cmocka_unit_test(an_empty_string_is_not_nil),
        cmocka_unit_test(integers_are_also_read_from_strings),
        cmocka_unit_test(strings_keep_every_byte),
        cmocka_unit_test(a_word_is_compared_as_a_whole),
        cmocka_unit_test(what_is_no_reply_is_not_parsed),
    };

    return UNIT_RUN(tests);
}
