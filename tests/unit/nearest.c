/* nearest - "did you mean ...?" */
#include "common/nearest.h"

#include "tests/unit/unit.h"

/* The hint for `word` among some names, "" for none. */
static const char *hint_for(const char *word)
{
    static const char *const names[] = {"session.timeout", "session.beat", "slots", "redis.url", "on"};
    static char hint[NEAREST_HINT_BYTES];
    struct nearest nearest = {.word = word};

    for (size_t i = 0; i < COUNT(names); i++)
        nearest_offer(&nearest, names[i]);
    return nearest_hint(&nearest, hint);
}

static void a_slip_of_the_finger_is_recognized(void **state)
{
    static const char *const slips[] = {"sesion.timeout", "session.timeouts", "session.tiemout", "session_timeout",
                                        "Session.timeout"};

    (void)state;
    for (size_t i = 0; i < COUNT(slips); i++)
        assert_string_equal(hint_for(slips[i]), ", did you mean \"session.timeout\"?");
    assert_string_equal(hint_for("slot"), ", did you mean \"slots\"?");
    assert_string_equal(hint_for("sltos"), ", did you mean \"slots\"?");
}

static void what_resembles_nothing_gets_no_hint(void **state)
{
    char longest[500];

    (void)state;
    memset(longest, 's', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    assert_string_equal(hint_for(""), "");
    assert_string_equal(hint_for("queue"), "");
    assert_string_equal(hint_for("of"), "");
    assert_string_equal(hint_for(longest), "");
}

static void a_name_that_is_too_long_is_not_offered(void **state)
{
    char longest[NEAREST_BYTES_MAX + 2], hint[NEAREST_HINT_BYTES];
    struct nearest nearest = {.word = longest};

    (void)state;
    memset(longest, 's', sizeof longest);
    longest[NEAREST_BYTES_MAX] = '\0';
    nearest_offer(&nearest, longest);
    assert_int_equal(strlen(nearest_hint(&nearest, hint)), NEAREST_BYTES_MAX + strlen(", did you mean \"\"?"));

    nearest = (struct nearest){.word = "s"};
    longest[NEAREST_BYTES_MAX] = 's';
    longest[NEAREST_BYTES_MAX + 1] = '\0';
    nearest_offer(&nearest, longest);
    assert_string_equal(nearest_hint(&nearest, hint), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slip_of_the_finger_is_recognized),
        cmocka_unit_test(what_resembles_nothing_gets_no_hint),
        cmocka_unit_test(a_name_that_is_too_long_is_not_offered),
    };
    return UNIT_RUN(tests);
}
