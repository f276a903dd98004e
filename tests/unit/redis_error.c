/* redis_error - what an error reply of Redis means for the caller. */
#include "common/redis_error.h"

#include "tests/unit/unit.h"

static void errors_are_sorted_by_what_the_caller_can_do(void **state)
{
    static const struct {
        const char *text;
        enum error_code code;
        const char *message;
    } cases[] = {
        {"LOADING Redis is loading the dataset in memory", ERR_UNAVAILABLE, NULL},
        {"BUSY Redis is busy running a script.", ERR_UNAVAILABLE, NULL},
        {"BUSYGROUP Consumer Group name already exists", ERR_PROTOCOL, NULL},
        {"MASTERDOWN Link with MASTER is down", ERR_UNAVAILABLE, NULL},
        {"TRYAGAIN Multiple keys request during rehashing of slot", ERR_UNAVAILABLE, NULL},
        {"CLUSTERDOWN Hash slot not served", ERR_UNAVAILABLE, NULL},
        {"READONLY You can't write against a read only replica.", ERR_UNAVAILABLE, NULL},
        {"ERR max number of clients reached", ERR_UNAVAILABLE, NULL},
        {"OOM command not allowed when used memory > 'maxmemory'.", ERR_FULL, NULL},
        {"MISCONF Errors writing to the AOF file: No space left on device", ERR_FULL, NULL},
        {"NOREPLICAS Not enough good replicas to write.", ERR_FULL, NULL},
        {"NOAUTH Authentication required.", ERR_DENIED, NULL},
        {"NOPERM this user has no permissions to run the 'get' command", ERR_DENIED, NULL},
        {"WRONGPASS invalid username-password pair or user is disabled.", ERR_DENIED, NULL},
        {"ERR AUTH <password> called without any password configured for the default user.", ERR_DENIED, NULL},
        {"ERR The user executing the script can't run this command or subcommand", ERR_DENIED, NULL},
        {"DENIED Redis is running in protected mode", ERR_DENIED, NULL},
        {"ERR Function not found", ERR_LIBRARY, NULL},
        {"NOTREADY lane rota:{0} is not set up: run `rota setup`", ERR_SETUP, "lane rota:{0} is not set up: run `rota setup`"},
        {"SCHEMA lane rota:{0} has schema 2, this library knows 1", ERR_SETUP,
         "lane rota:{0} has schema 2, this library knows 1"},
        {"INVALID want is \"x\"", ERR_INVALID, "want is \"x\""},
        {"INVALIDOBJ x", ERR_PROTOCOL, NULL},
        {"WRONGTYPE Operation against a key holding the wrong kind of value", ERR_PROTOCOL, NULL},
        {"ERR unknown command 'FOO', with args beginning with: ", ERR_PROTOCOL, NULL},
        {"", ERR_PROTOCOL, NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct error err;

        if (redis_error_set(&err, cases[i].text) != (int)cases[i].code)
            fail_msg("%s: %d, not %d", cases[i].text, err.code, cases[i].code);
        assert_int_equal(err.code, cases[i].code);
        assert_string_equal(err.message, cases[i].message ? cases[i].message : cases[i].text);
    }
}

static void where_in_a_function_it_happened_is_taken_off(void **state)
{
    static const char *const cases[][2] = {
        {"INVALID want is \"x\" script: rota_1_claim, on @user_function:12.", "want is \"x\""},
        {"OOM command not allowed script: rota_1_claim, on @user_function:1.", "OOM command not allowed"},
        {"INVALID my script: is odd", "my script: is odd"},
        {"INVALID my script: is odd script: rota_1_claim, on @user_function:12.", "my script: is odd"},
        {"WRONGTYPE Operation script: 8a3, on @user_script:7.", "WRONGTYPE Operation"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct error err;

        redis_error_set(&err, cases[i][0]);
        assert_string_equal(err.message, cases[i][1]);
    }
}

static void a_replica_is_told_from_other_refusals(void **state)
{
    (void)state;
    assert_true(redis_error_is_readonly("READONLY You can't write against a read only replica."));
    assert_false(redis_error_is_readonly("READONLYX y"));
    assert_false(redis_error_is_readonly("LOADING Redis is loading"));
}

static void a_long_text_is_cut(void **state)
{
    char text[2000] = "OOM ";
    struct error err;

    (void)state;
    memset(text + 4, 'x', sizeof text - 5);
    assert_int_equal(redis_error_set(&err, text), ERR_FULL);
    assert_int_equal(strlen(err.message), sizeof err.message - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_are_sorted_by_what_the_caller_can_do),
        cmocka_unit_test(where_in_a_function_it_happened_is_taken_off),
        cmocka_unit_test(a_replica_is_told_from_other_refusals),
        cmocka_unit_test(a_long_text_is_cut),
    };

    return UNIT_RUN(tests);
}
