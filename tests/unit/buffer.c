/* buffer - bytes that grow. */
#include "common/buffer.h"

#include "tests/unit/unit.h"

static void an_untouched_buffer_holds_nothing(void **state)
{
    struct buffer buffer = {0};

    (void)state;
    assert_null(buffer.data);
    buffer_reset(&buffer);
    buffer_consume(&buffer, 10);
    buffer_clear(&buffer);
    assert_int_equal(buffer.length, 0);
}

static void what_is_added_stands_in_order_with_a_nul_behind(void **state)
{
    struct buffer buffer = {0};

    (void)state;
    buffer_add_string(&buffer, "jobs");
    buffer_add(&buffer, "\0\n", 2);
    buffer_add_format(&buffer, "%s=%d", "n", 42);
    buffer_add_string(&buffer, "");

    assert_int_equal(buffer.length, 10);
    assert_memory_equal(buffer.data, "jobs\0\nn=42", 11);
    buffer_clear(&buffer);
}

static void adding_nothing_makes_an_empty_string(void **state)
{
    struct buffer buffer = {0};

    (void)state;
    buffer_add(&buffer, NULL, 0);

    assert_int_equal(buffer.length, 0);
    assert_string_equal(buffer.data, "");
    buffer_clear(&buffer);
}

static void a_long_format_fits(void **state)
{
    struct buffer buffer = {0};

    (void)state;
    for (int width = 1; width < 3000; width += 7) {
        buffer_reset(&buffer);
        buffer_add_format(&buffer, "%*d", width, 7);
        assert_int_equal(buffer.length, width);
        assert_int_equal(buffer.data[width - 1], '7');
        assert_int_equal(buffer.data[width], '\0');
    }
    buffer_clear(&buffer);
}

static void giving_leaves_an_empty_buffer_behind(void **state)
{
    struct buffer buffer = {0};
    char *given, *nothing;

    (void)state;
    buffer_add_string(&buffer, "mail");
    given = buffer_give(&buffer);
    nothing = buffer_give(&buffer);

    assert_string_equal(given, "mail");
    assert_string_equal(nothing, "");
    assert_null(buffer.data);
    free(given);
    free(nothing);
}

static void reset_keeps_the_memory_and_clear_does_not(void **state)
{
    struct buffer buffer = {0};

    (void)state;
    buffer_add_string(&buffer, "mail");
    buffer_reset(&buffer);
    assert_true(buffer.capacity > 0);
    assert_string_equal(buffer.data, "");

    buffer_clear(&buffer);
    assert_int_equal(buffer.capacity, 0);
    buffer_add_string(&buffer, "again");
    assert_string_equal(buffer.data, "again");
    buffer_clear(&buffer);
}

/* Against the plainest model: an array that is large enough. */
static void any_mixture_of_adding_and_consuming_is_a_queue_of_bytes(void **state)
{
    static char model[1 << 20];
    size_t first = 0, last = 0;
    struct buffer buffer = {0};

    (void)state;
    srandom(1);
    for (int step = 0; step < 20000; step++) {
        char chunk[200];
        size_t bytes = (size_t)random() % sizeof chunk;
        if (random() % 2 && last + bytes < sizeof model) {
            for (size_t i = 0; i < bytes; i++)
                chunk[i] = (char)random();
            memcpy(model + last, chunk, bytes);
            last += bytes;
            buffer_add(&buffer, chunk, bytes);
        } else {
            first = first + bytes < last ? first + bytes : last;
            buffer_consume(&buffer, bytes);
        }
        assert_int_equal(buffer.length, last - first);
        if (buffer.data) {
            assert_memory_equal(buffer.data, model + first, last - first);
            assert_int_equal(buffer.data[buffer.length], '\0');
        }
    }
    buffer_clear(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_untouched_buffer_holds_nothing),
        cmocka_unit_test(what_is_added_stands_in_order_with_a_nul_behind),
        cmocka_unit_test(adding_nothing_makes_an_empty_string),
        cmocka_unit_test(a_long_format_fits),
        cmocka_unit_test(giving_leaves_an_empty_buffer_behind),
        cmocka_unit_test(reset_keeps_the_memory_and_clear_does_not),
        cmocka_unit_test(any_mixture_of_adding_and_consuming_is_a_queue_of_bytes),
    };
    return UNIT_RUN(tests);
}
