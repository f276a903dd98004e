/* deadline - how long a run may take, asks for more, and may be silent. */
#include "worker/deadline.h"

#include "tests/unit/unit.h"

static void it_ends_after_its_time_out(void **state)
{
    struct deadline deadline = {.timeout_ms = 1000, .timeout_ms_max = 1000};

    (void)state;
    deadline_begin(&deadline, 5000);
    assert_int_equal(deadline_left_ms(&deadline, 5000), 1000);
    assert_int_equal(deadline_left_ms(&deadline, 5900), 100);
    assert_int_equal(deadline_left_ms(&deadline, 9000), 0);
}

static void it_is_put_off_from_now_on_but_not_for_ever(void **state)
{
    struct deadline deadline = {.timeout_ms = 1000, .timeout_ms_max = 3000};

    (void)state;
    deadline_begin(&deadline, 5000);
    assert_true(deadline_put_off(&deadline, 1000, 5500));
    assert_int_equal(deadline.timeout_ms, 1500);
    assert_int_equal(deadline_left_ms(&deadline, 5500), 1000);
    assert_true(deadline_put_off(&deadline, 60000, 6000));
    assert_int_equal(deadline_left_ms(&deadline, 6000), 2000);
    assert_false(deadline_put_off(&deadline, 60000, 6500));
}

static void it_never_becomes_nearer(void **state)
{
    struct deadline deadline = {.timeout_ms = 1000, .timeout_ms_max = 3000};

    (void)state;
    deadline_begin(&deadline, 5000);
    assert_false(deadline_put_off(&deadline, 10, 5100));
    assert_int_equal(deadline_left_ms(&deadline, 5100), 900);
    deadline = (struct deadline){.timeout_ms = 9000, .timeout_ms_max = 3000}; /* a job may name more than its handler's most */
    deadline_begin(&deadline, 5000);
    assert_false(deadline_put_off(&deadline, 60000, 5100));
    assert_int_equal(deadline_left_ms(&deadline, 5100), 8900);
}

static void with_a_heartbeat_it_may_not_be_silent_for_longer(void **state)
{
    struct deadline deadline = {.timeout_ms = 1000, .timeout_ms_max = 1000, .heartbeat_ms = 300};

    (void)state;
    deadline_begin(&deadline, 5000);
    assert_int_equal(deadline_left_ms(&deadline, 5000), 300);
    assert_int_equal(deadline_left_ms(&deadline, 5650), 300);
    assert_int_equal(deadline_left_ms(&deadline, 5900), 100);
}

static void it_cannot_be_put_off_before_it_has_begun(void **state)
{
    struct deadline deadline = {.timeout_ms = 1000, .timeout_ms_max = 3000};

    (void)state;
    assert_false(deadline_put_off(&deadline, 2000, 5000));
    assert_int_equal(deadline.timeout_ms, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_ends_after_its_time_out),
        cmocka_unit_test(it_is_put_off_from_now_on_but_not_for_ever),
        cmocka_unit_test(it_never_becomes_nearer),
        cmocka_unit_test(with_a_heartbeat_it_may_not_be_silent_for_longer),
        cmocka_unit_test(it_cannot_be_put_off_before_it_has_begun),
    };

    return UNIT_RUN(tests);
}
