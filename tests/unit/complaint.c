/* complaint - what is logged of a failure that lasts. */
#include "common/complaint.h"

#include "tests/unit/unit.h"

static void a_failure_is_told_when_it_begins_and_when_it_changes(void **state)
{
    struct complaint complaint = {0};

    (void)state;
    assert_true(complaint_raise(&complaint, "wrong type", 1000));
    assert_false(complaint_raise(&complaint, "wrong type", 1001));
    assert_true(complaint_raise(&complaint, "no space", 1002));
    assert_false(complaint_raise(&complaint, "no space", 1003));
}

static void one_that_lasts_is_told_once_a_minute(void **state)
{
    struct complaint complaint = {0};
    unsigned told = 0;

    (void)state;
    for (int64_t mono_ms = 0; mono_ms < 5LL * COMPLAINT_AGAIN_MS; mono_ms += 100)
        told += complaint_raise(&complaint, "wrong type", mono_ms);
    assert_int_equal(told, 5);
}

static void its_end_is_told_once(void **state)
{
    struct complaint complaint = {0};

    (void)state;
    assert_false(complaint_end(&complaint));
    complaint_raise(&complaint, "wrong type", 0);
    assert_true(complaint_end(&complaint));
    assert_false(complaint_end(&complaint));
    assert_true(complaint_raise(&complaint, "wrong type", 1)); /* it is back */
}

static void messages_of_any_length_are_told_apart_by_their_beginning(void **state)
{
    struct complaint complaint = {0};
    char message[600];

    (void)state;
    memset(message, 'x', sizeof message);
    message[sizeof message - 1] = '\0';
    assert_true(complaint_raise(&complaint, message, 0));
    assert_false(complaint_raise(&complaint, message, 1));
    assert_true(complaint_raise(&complaint, "", 2));
    assert_true(complaint_end(&complaint));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failure_is_told_when_it_begins_and_when_it_changes),
        cmocka_unit_test(one_that_lasts_is_told_once_a_minute),
        cmocka_unit_test(its_end_is_told_once),
        cmocka_unit_test(messages_of_any_length_are_told_apart_by_their_beginning),
    };

    return UNIT_RUN(tests);
}
