/* call - one Redis command on its way out. */
#include "common/call.h"

#include "common/library.h"
#include "tests/unit/unit.h"

static void assert_argument(const struct call *call, int index, const char *expected)
{
    size_t length;
    const char *bytes = call_argument(call, index, &length);

    assert_int_equal(length, strlen(expected));
    assert_memory_equal(bytes, expected, length);
}

static void a_command_is_a_list_of_its_arguments(void **state)
{
    struct call call = {0};

    (void)state;
    call_command(&call, "SET");
    call_add_string(&call, "key");
    call_add_int(&call, INT64_MIN);
    call_add_format(&call, "%s-%d", "a", 7);

    assert_int_equal(call.count, 4);
    assert_argument(&call, 0, "SET");
    assert_argument(&call, 1, "key");
    assert_argument(&call, 2, "-9223372036854775808");
    assert_argument(&call, 3, "a-7");
    call_clear(&call);
}

static void arguments_may_be_empty_or_hold_any_byte(void **state)
{
    struct call call = {0};
    size_t length;

    (void)state;
    call_command(&call, "ECHO");
    call_add(&call, NULL, 0);
    call_add(&call, "\0\r\n\xff", 4);
    call_add_string(&call, "");

    assert_int_equal(call.count, 4);
    assert_argument(&call, 1, "");
    assert_memory_equal(call_argument(&call, 2, &length), "\0\r\n\xff", 4);
    assert_int_equal(length, 4);
    assert_argument(&call, 3, "");
    call_clear(&call);
}

static void a_function_is_called_with_the_two_keys_of_its_lane(void **state)
{
    struct call call = {0};
    char function[64];

    (void)state;
    snprintf(function, sizeof function, "%s_enqueue", library_name());
    call_function(&call, "enqueue", 63);
    call_add_string(&call, "acme");

    assert_int_equal(call.count, 6);
    assert_argument(&call, 0, "FCALL");
    assert_argument(&call, 1, function);
    assert_argument(&call, 2, "2");
    assert_argument(&call, 3, "rota:{63}");
    assert_argument(&call, 4, "rota:{63}:clock");
    assert_argument(&call, 5, "acme");
    call_clear(&call);
}

static void a_call_can_be_begun_again(void **state)
{
    struct call call = {0};

    (void)state;
    call_command(&call, "GET");
    call_add_string(&call, "a long key that is gone afterwards");
    call_command(&call, "PING");

    assert_int_equal(call.count, 1);
    assert_argument(&call, 0, "PING");
    call_clear(&call);
    assert_null(call.bytes);
    call_command(&call, "PING");
    assert_argument(&call, 0, "PING");
    call_clear(&call);
}

static void many_and_large_arguments_fit(void **state)
{
    struct call call = {0};
    char *large = malloc(1000000);
    size_t length;

    (void)state;
    memset(large, 'x', 1000000);
    call_command(&call, "RPUSH");
    for (int i = 1; i < 5000; i++)
        call_add_int(&call, i);
    call_add(&call, large, 1000000);

    assert_int_equal(call.count, 5001);
    assert_argument(&call, 4999, "4999");
    assert_memory_equal(call_argument(&call, 5000, &length), large, 1000000);
    call_clear(&call);
    free(large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_is_a_list_of_its_arguments),
        cmocka_unit_test(arguments_may_be_empty_or_hold_any_byte),
        cmocka_unit_test(a_function_is_called_with_the_two_keys_of_its_lane),
        cmocka_unit_test(a_call_can_be_begun_again),
        cmocka_unit_test(many_and_large_arguments_fit),
    };

    return UNIT_RUN(tests);
}
