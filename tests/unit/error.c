/* error - how a failure is told. */
#include "common/error.h"

#include "tests/unit/unit.h"

static void a_check_is_one_statement(void **state)
{
    struct error err;

    (void)state;
    assert_int_equal(error_set(&err, ERR_LIMIT, "body has %d bytes, the limit is %d", 12, 10), ERR_LIMIT);

    assert_int_equal(err.code, ERR_LIMIT);
    assert_string_equal(err.message, "body has 12 bytes, the limit is 10");
}

static void context_comes_in_front_and_the_code_stays(void **state)
{
    struct error err;

    (void)state;
    error_set(&err, ERR_TIMEOUT, "no reply for %d ms", 5000);

    assert_int_equal(error_wrap(&err, "redis %s", "10.0.0.5:6379"), ERR_TIMEOUT);
    assert_int_equal(error_wrap(&err, "claim"), ERR_TIMEOUT);

    assert_string_equal(err.message, "claim: redis 10.0.0.5:6379: no reply for 5000 ms");
}

static void a_message_may_be_part_of_its_own_successor(void **state)
{
    struct error err;

    (void)state;
    error_set(&err, ERR_IO, "disk full");
    error_wrap(&err, "%s", err.message);

    assert_string_equal(err.message, "disk full: disk full");
}

static void a_long_message_is_cut_and_ends_with_nul(void **state)
{
    struct error err;
    char text[2000];

    (void)state;
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    error_set(&err, ERR_IO, "%s", text);
    assert_int_equal(strlen(err.message), sizeof err.message - 1);

    error_wrap(&err, "%s", text);
    assert_int_equal(strlen(err.message), sizeof err.message - 1);

    error_set(&err, ERR_IO, "short");
    error_wrap(&err, "%s", text);
    assert_true(strlen(err.message) < sizeof err.message);
    assert_non_null(strstr(err.message, ": short")); /* however long the context: what went wrong stays */
}

static void every_code_has_an_exit_status_of_sysexits(void **state)
{
    (void)state;
    for (int code = ERR_NOT_FOUND; code <= ERR_INVALID; code++) {
        int status = error_exit_code((enum error_code)code);
        assert_in_range(status, 64, 78);
    }
    assert_int_equal(error_exit_code(ERR_UNAVAILABLE), 69);
    assert_int_equal(error_exit_code(ERR_TIMEOUT), 75);
    assert_int_equal(error_exit_code(ERR_DENIED), 77);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_check_is_one_statement),
        cmocka_unit_test(context_comes_in_front_and_the_code_stays),
        cmocka_unit_test(a_message_may_be_part_of_its_own_successor),
        cmocka_unit_test(a_long_message_is_cut_and_ends_with_nul),
        cmocka_unit_test(every_code_has_an_exit_status_of_sysexits),
    };
    return UNIT_RUN(tests);
}
