/* verdict - what the end of a handler means: every exit code, and who had sent a signal before. */
#include "worker/verdict.h"

#include <signal.h>

#include "tests/unit/unit.h"

#define EXITED(code) (struct ending){.exit = (code), .signal = -1}
#define KILLED(number)                 \
    (struct ending)                    \
    {                                  \
        .exit = -1, .signal = (number) \
    }

static enum verdict verdict(struct ending ending)
{
    return verdict_of(&ending);
}

static enum verdict stopped(struct ending ending)
{
    ending.stopped = true;
    return verdict_of(&ending);
}

static enum verdict timed_out(struct ending ending)
{
    ending.timed_out = true;
    return verdict_of(&ending);
}

static enum verdict draining(struct ending ending)
{
    ending.draining = true;
    return verdict_of(&ending);
}

static void the_exit_code_decides(void **state)
{
    static const int dead[] = {64, 65, 77, 78, 100}, retry[] = {1, 2, 66, 75, 76, 98, 111, 125, 128, 143, 255};

    (void)state;
    assert_int_equal(verdict(EXITED(0)), VERDICT_DONE);
    assert_int_equal(verdict(EXITED(99)), VERDICT_DISCARD);
    assert_int_equal(verdict(EXITED(126)), VERDICT_RELEASE);
    assert_int_equal(verdict(EXITED(127)), VERDICT_RELEASE);
    for (size_t i = 0; i < COUNT(dead); i++)
        assert_int_equal(verdict(EXITED(dead[i])), VERDICT_DEAD);
    for (size_t i = 0; i < COUNT(retry); i++)
        assert_int_equal(verdict(EXITED(retry[i])), VERDICT_RETRY);
    assert_int_equal(verdict((struct ending){.exit = -1, .signal = -1, .start_errno = 2}), VERDICT_RELEASE);
}

static void who_says_that_it_has_finished_has_finished(void **state)
{
    (void)state;
    assert_int_equal(stopped(EXITED(0)), VERDICT_DONE);
    assert_int_equal(stopped(EXITED(99)), VERDICT_DISCARD);
    assert_int_equal(timed_out(EXITED(0)), VERDICT_DONE);
    assert_int_equal(timed_out(EXITED(99)), VERDICT_DISCARD);
}

static void who_was_told_to_end_and_has_not_finished_is_not_to_blame(void **state)
{
    (void)state;
    assert_int_equal(stopped(EXITED(1)), VERDICT_RELEASE);
    assert_int_equal(stopped(EXITED(65)), VERDICT_RELEASE);
    assert_int_equal(stopped(KILLED(SIGKILL)), VERDICT_RELEASE);
    assert_int_equal(timed_out(EXITED(1)), VERDICT_TIMEOUT);
    assert_int_equal(timed_out(EXITED(65)), VERDICT_TIMEOUT);
    assert_int_equal(timed_out(KILLED(SIGTERM)), VERDICT_TIMEOUT);
}

static void a_signal_of_somebody_else_is_a_crash_unless_the_worker_was_told_to_end_too(void **state)
{
    (void)state;
    assert_int_equal(verdict(KILLED(SIGTERM)), VERDICT_CRASH);
    assert_int_equal(verdict(KILLED(SIGINT)), VERDICT_CRASH);
    assert_int_equal(verdict(KILLED(SIGSEGV)), VERDICT_CRASH);
    assert_int_equal(draining(KILLED(SIGTERM)), VERDICT_RELEASE);
    assert_int_equal(draining(KILLED(SIGINT)), VERDICT_RELEASE);
    assert_int_equal(draining(KILLED(SIGSEGV)), VERDICT_CRASH);
    assert_int_equal(draining(KILLED(SIGKILL)), VERDICT_CRASH);
    assert_int_equal(draining(EXITED(1)), VERDICT_RETRY);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_exit_code_decides),
        cmocka_unit_test(who_says_that_it_has_finished_has_finished),
        cmocka_unit_test(who_was_told_to_end_and_has_not_finished_is_not_to_blame),
        cmocka_unit_test(a_signal_of_somebody_else_is_a_crash_unless_the_worker_was_told_to_end_too),
    };

    return UNIT_RUN(tests);
}
