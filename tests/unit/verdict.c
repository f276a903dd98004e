/* verdict - what the end of a handler means, how long its job waits, and how `finish` is told. */
#include "worker/verdict.h"

#include <signal.h>

#include "tests/unit/unit.h"

static struct ending exited(int code)
{
    return (struct ending){.exit = code, .signal = -1};
}

static struct ending killed(int signal)
{
    return (struct ending){.exit = -1, .signal = signal};
}

/* Each of the 256 against the table of the header. */
static void every_exit_code_has_its_meaning(void **state)
{
    (void)state;
    for (int code = 0; code <= 255; code++) {
        struct ending ending = exited(code);
        bool broken = code == 126 || code == 127, dead = code == 64 || code == 65 || code == 77 || code == 78 || code == 100;
        enum verdict expected = broken       ? VERDICT_RELEASE
                                : dead       ? VERDICT_DEAD
                                : code == 0  ? VERDICT_DONE
                                : code == 99 ? VERDICT_DISCARD
                                             : VERDICT_RETRY;
        if (verdict_of(&ending, NULL) != expected)
            fail_msg("exit %d: verdict %d", code, (int)verdict_of(&ending, NULL));
        assert_int_equal(verdict_is_broken_handler(&ending, NULL), broken);
    }
}

static void a_signal_that_was_not_ours_is_a_crash(void **state)
{
    (void)state;
    for (int signal = 0; signal <= 64; signal++) {
        struct ending ending = killed(signal);
        assert_int_equal(verdict_of(&ending, NULL), VERDICT_CRASH);
        assert_false(verdict_is_broken_handler(&ending, NULL));
    }
}

static void who_says_that_it_has_finished_has_finished(void **state)
{
    struct ending endings[] = {exited(0), exited(99)};

    (void)state;
    for (size_t i = 0; i < COUNT(endings); i++) {
        enum verdict expected = i == 0 ? VERDICT_DONE : VERDICT_DISCARD;
        endings[i].timed_out = true;
        assert_int_equal(verdict_of(&endings[i], NULL), expected);
        endings[i].stopped = true;
        assert_int_equal(verdict_of(&endings[i], NULL), expected);
    }
}

static void who_wrote_too_much_has_failed(void **state)
{
    struct ending ending = killed(SIGKILL);

    (void)state;
    ending.runaway = true;
    assert_int_equal(verdict_of(&ending, NULL), VERDICT_RETRY);
    ending.stopped = true;
    assert_int_equal(verdict_of(&ending, NULL), VERDICT_RELEASE);
}

static void who_ran_too_long_timed_out(void **state)
{
    struct ending endings[] = {killed(SIGTERM), killed(SIGKILL), exited(1), exited(65)};

    (void)state;
    for (size_t i = 0; i < COUNT(endings); i++) {
        endings[i].timed_out = true;
        assert_int_equal(verdict_of(&endings[i], NULL), VERDICT_TIMEOUT);
    }
}

/* Also if it ran too long at the same time: its attempt is not used. */
static void who_was_stopped_is_released(void **state)
{
    struct ending endings[] = {killed(SIGTERM), killed(SIGKILL), exited(1), exited(65)};

    (void)state;
    for (size_t i = 0; i < COUNT(endings); i++) {
        endings[i].stopped = true;
        assert_int_equal(verdict_of(&endings[i], NULL), VERDICT_RELEASE);
        endings[i].timed_out = true;
        assert_int_equal(verdict_of(&endings[i], NULL), VERDICT_RELEASE);
    }
}

static void a_signal_that_was_meant_for_the_worker_too_is_no_crash(void **state)
{
    static const struct {
        int signal;
        enum verdict verdict;
    } cases[] = {{SIGTERM, VERDICT_RELEASE}, {SIGINT, VERDICT_RELEASE}, {SIGSEGV, VERDICT_CRASH}, {SIGKILL, VERDICT_CRASH}};
    struct ending failed = exited(1);

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct ending ending = killed(cases[i].signal);
        ending.draining = true;
        assert_int_equal(verdict_of(&ending, NULL), cases[i].verdict);
    }
    failed.draining = true;
    assert_int_equal(verdict_of(&failed, NULL), VERDICT_RETRY);
}

static void a_handler_that_cannot_be_started_is_broken(void **state)
{
    struct ending ending = {.exit = -1, .signal = -1, .start_errno = 2};

    (void)state;
    assert_true(verdict_is_broken_handler(&ending, NULL));
    assert_int_equal(verdict_of(&ending, NULL), VERDICT_RELEASE);
}

/* ---- what the operator says ---- */

static void the_operators_word_on_an_exit_status_comes_first(void **state)
{
    static const struct handler handler = {.exits = {{3, 3, HANDLER_DEAD},
                                                     {10, 19, HANDLER_RETRY},
                                                     {0, 0, HANDLER_RETRY},
                                                     {65, 65, HANDLER_DONE},
                                                     {66, 66, HANDLER_DISCARD},
                                                     {200, 255, HANDLER_BROKEN},
                                                     {127, 127, HANDLER_RETRY}},
                                           .exit_count = 7};
    static const struct {
        int exit;
        enum verdict verdict;
        bool broken, asks;
    } rows[] = {{3, VERDICT_DEAD, false, false},     {9, VERDICT_RETRY, false, false},    {10, VERDICT_RETRY, false, true},
                {19, VERDICT_RETRY, false, true},    {20, VERDICT_RETRY, false, false},   {0, VERDICT_RETRY, false, true},
                {65, VERDICT_DONE, false, false},    {66, VERDICT_DISCARD, false, false}, {200, VERDICT_RELEASE, true, false},
                {255, VERDICT_RELEASE, true, false}, {127, VERDICT_RETRY, false, true},   {126, VERDICT_RELEASE, true, false},
                {75, VERDICT_RETRY, false, true},    {100, VERDICT_DEAD, false, false}};

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct ending ending = exited(rows[i].exit);
        if (verdict_of(&ending, &handler) != rows[i].verdict)
            fail_msg("exit %d: verdict %d", rows[i].exit, (int)verdict_of(&ending, &handler));
        assert_int_equal(verdict_is_broken_handler(&ending, &handler), rows[i].broken);
        assert_int_equal(verdict_asks_for_retry(&ending, &handler), rows[i].asks);
        ending.stopped = true;
        assert_int_equal(verdict_of(&ending, &handler), rows[i].verdict == VERDICT_DONE || rows[i].verdict == VERDICT_DISCARD
                                                            ? rows[i].verdict
                                                            : VERDICT_RELEASE);
    }
}

/* ---- back-off ---- */

static const struct handler_backoff usual = {.base_ms = 5000, .max_ms = 3600000, .factor_milli = 2000, .jitter_milli = 200};

/* 5 s, doubled up to an hour, less a fifth to more a fifth. */
static void back_off_doubles_up_to_an_hour(void **state)
{
    static const struct {
        int attempt;
        int64_t low_ms, high_ms;
    } cases[] = {
        {1, 4000, 6000},         {2, 8000, 12000},         {3, 16000, 24000},
        {10, 2048000, 3072000},  {11, 2880000, 4320000}, /* 5 s * 2^10 is more than an hour */
        {12, 2880000, 4320000},  {1000, 2880000, 4320000}, {INT32_MAX, 2880000, 4320000},
        {0, 4000, 6000}, /* as the first */
        {INT32_MIN, 4000, 6000},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(verdict_backoff_ms(&usual, cases[i].attempt, 0), cases[i].low_ms);
        assert_int_equal(verdict_backoff_ms(&usual, cases[i].attempt, 0xffff), cases[i].high_ms);
        assert_int_equal(verdict_backoff_ms(&usual, cases[i].attempt, UINT64_MAX), cases[i].high_ms);
        assert_int_equal(verdict_backoff_ms(&usual, cases[i].attempt, UINT64_MAX << 16), cases[i].low_ms);
    }
}

static void a_back_off_may_be_a_list(void **state)
{
    static const struct handler_backoff list = {.delays_ms = {10000, 60000, 600000}, .delay_count = 3, .jitter_milli = 0};
    static const struct handler_backoff slow = {.base_ms = 1000, .max_ms = 5000, .factor_milli = 1500, .jitter_milli = 1000};

    (void)state;
    assert_int_equal(verdict_backoff_ms(&list, 1, 0), 10000);
    assert_int_equal(verdict_backoff_ms(&list, 2, 0xffff), 60000);
    assert_int_equal(verdict_backoff_ms(&list, 3, 0), 600000);
    assert_int_equal(verdict_backoff_ms(&list, 1000, 0), 600000);
    assert_int_equal(verdict_backoff_ms(&slow, 1, 0), 0);
    assert_int_equal(verdict_backoff_ms(&slow, 1, 0xffff), 2000);
    assert_int_equal(verdict_backoff_ms(&slow, 3, 0xffff), 4500);
    assert_int_equal(verdict_backoff_ms(&slow, 9, 0xffff), 10000);
}

static void back_off_grows_with_the_random_number_within_its_range(void **state)
{
    int64_t before_ms = 0;

    (void)state;
    for (uint64_t random = 0; random <= 0xffff; random++) {
        int64_t delay_ms = verdict_backoff_ms(&usual, 11, random);
        assert_in_range(delay_ms, 2880000, 4320000);
        assert_true(delay_ms > before_ms);
        before_ms = delay_ms;
    }
}

/* ---- the words ---- */

static void assert_words(enum verdict verdict, int64_t delay_ms, int max_attempts, const char *expected)
{
    char text[64];

    memset(text, 'x', sizeof text);
    verdict_format(text, verdict, delay_ms, max_attempts);
    assert_string_equal(text, expected);
}

static void each_verdict_has_its_words(void **state)
{
    (void)state;
    assert_words(VERDICT_DONE, 5000, 25, "done");
    assert_words(VERDICT_DISCARD, 5000, 25, "discard");
    assert_words(VERDICT_DEAD, 5000, 25, "dead");
    assert_words(VERDICT_RETRY, 5000, 25, "retry 5000 25");
    assert_words(VERDICT_TIMEOUT, 0, 1, "timeout 0 1");
    assert_words(VERDICT_CRASH, 4320000, 1000, "crash 4320000 1000");
    assert_words(VERDICT_RELEASE, 0, 25, "release 0 25");
    assert_words(VERDICT_RELEASE, 1, 25, "release 1 25");
    assert_words(VERDICT_RETRY, INT64_MAX, INT32_MAX, "retry 9223372036854775807 2147483647");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_exit_code_has_its_meaning),
        cmocka_unit_test(a_signal_that_was_not_ours_is_a_crash),
        cmocka_unit_test(who_says_that_it_has_finished_has_finished),
        cmocka_unit_test(who_wrote_too_much_has_failed),
        cmocka_unit_test(who_ran_too_long_timed_out),
        cmocka_unit_test(who_was_stopped_is_released),
        cmocka_unit_test(a_signal_that_was_meant_for_the_worker_too_is_no_crash),
        cmocka_unit_test(a_handler_that_cannot_be_started_is_broken),
        cmocka_unit_test(back_off_doubles_up_to_an_hour),
        cmocka_unit_test(the_operators_word_on_an_exit_status_comes_first),
        cmocka_unit_test(a_back_off_may_be_a_list),
        cmocka_unit_test(back_off_grows_with_the_random_number_within_its_range),
        cmocka_unit_test(each_verdict_has_its_words),
    };
    return UNIT_RUN(tests);
}
