/* trace - which trace contexts are passed on. */
#include "worker/trace.h"

#include "tests/unit/unit.h"

static void a_parent_is_what_the_recommendation_says(void **state)
{
    static const char *const good[] = {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                                       "00-00000000000000000000000000000001-0000000000000001-00",
                                       "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-00"};
    static const char *const bad[] = {"",
                                      "00",
                                      "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
                                      "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
                                      "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
                                      "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
                                      "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
                                      "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                                      "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\n",
                                      "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                                      "0g-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"};

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++)
        if (i < 2 && !trace_parent_is_valid(good[i]))
            fail_msg("%s is refused", good[i]);
    for (size_t i = 0; i < COUNT(bad); i++)
        if (trace_parent_is_valid(bad[i]))
            fail_msg("%s is taken", bad[i]);
}

static void a_later_version_may_go_on(void **state)
{
    (void)state;
    assert_true(trace_parent_is_valid("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-00af"));
    assert_false(trace_parent_is_valid("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0100"));
}

static void a_state_is_a_list_of_keys_and_values(void **state)
{
    static const char *const good[] = {"rojo=00f067aa0ba902b7", "a=1,b=2", "a=1, b=2 ,, c=x y", "0tenant@sys=va lue!", "a_-*/=~"};
    static const char *const bad[] = {"", "a", "=1", "A=1", "a=", "a=1=2", "a=\x01", "a=\xc3\xa4", ",", "_a=1", "a b=1", "a=1,b"};
    char many[600] = "", longest[600];

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++)
        if (!trace_state_is_valid(good[i]))
            fail_msg("%s is refused", good[i]);
    for (size_t i = 0; i < COUNT(bad); i++)
        if (trace_state_is_valid(bad[i]))
            fail_msg("%s is taken", bad[i]);
    for (int i = 0; i < 32; i++)
        snprintf(many + strlen(many), sizeof many - strlen(many), "a=1,");
    assert_true(trace_state_is_valid(many));
    snprintf(many + strlen(many), sizeof many - strlen(many), "a=1");
    assert_false(trace_state_is_valid(many));
    memset(longest, 'x', sizeof longest);
    memcpy(longest, "a=", 2);
    longest[258] = '\0';
    assert_true(trace_state_is_valid(longest));
    longest[258] = 'x';
    longest[259] = '\0';
    assert_false(trace_state_is_valid(longest));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_parent_is_what_the_recommendation_says),
        cmocka_unit_test(a_later_version_may_go_on),
        cmocka_unit_test(a_state_is_a_list_of_keys_and_values),
    };
    return UNIT_RUN(tests);
}
