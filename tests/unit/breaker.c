/* breaker - when a handler counts as broken, and when it is tried again. */
#include "worker/breaker.h"

#include "tests/unit/unit.h"

/* Starts and ends a job. */
static enum breaker_change run(struct breaker *breaker, enum breaker_news news, const char *org, int64_t now_ms)
{
    bool try;

    assert_true(breaker_lets_start(breaker, now_ms, &try));
    return breaker_note(breaker, news, org, try, now_ms);
}

static void a_handler_that_cannot_be_started_opens_it_at_once(void **state)
{
    struct breaker breaker = {0};

    (void)state;
    assert_true(breaker_lets_claim(&breaker, 1000));
    assert_int_equal(run(&breaker, BREAKER_EXEC, "acme", 1000), BREAKER_OPENED);
    assert_false(breaker_lets_claim(&breaker, 5999));
    assert_true(breaker_lets_claim(&breaker, 6000));
}

static void exit_codes_open_it_after_three_in_a_row_of_more_than_one_organization(void **state)
{
    struct breaker breaker = {0};

    (void)state;
    assert_int_equal(run(&breaker, BREAKER_EXIT, "acme", 0), BREAKER_SAME);
    assert_int_equal(run(&breaker, BREAKER_EXIT, "globex", 0), BREAKER_SAME);
    assert_int_equal(run(&breaker, BREAKER_EXIT, "acme", 0), BREAKER_OPENED);
}

static void one_organization_alone_never_opens_it(void **state)
{
    struct breaker breaker = {0};

    (void)state;
    for (int i = 0; i < 1000; i++)
        assert_int_equal(run(&breaker, BREAKER_EXIT, "acme", i), BREAKER_SAME);
    assert_true(breaker_lets_claim(&breaker, 1000));
    assert_int_equal(run(&breaker, BREAKER_EXIT, "globex", 1000), BREAKER_OPENED); /* not the payload of one, then */
}

static void a_job_that_ends_otherwise_begins_the_row_anew(void **state)
{
    struct breaker breaker = {0};

    (void)state;
    run(&breaker, BREAKER_EXIT, "acme", 0);
    run(&breaker, BREAKER_EXIT, "globex", 0);
    run(&breaker, BREAKER_NOTHING, "acme", 0); /* stopped from outside */
    assert_int_equal(run(&breaker, BREAKER_FINE, "acme", 0), BREAKER_SAME);
    assert_int_equal(run(&breaker, BREAKER_EXIT, "acme", 0), BREAKER_SAME);
    assert_int_equal(run(&breaker, BREAKER_EXIT, "acme", 0), BREAKER_SAME);
    assert_int_equal(run(&breaker, BREAKER_EXIT, "initech", 0), BREAKER_OPENED);
}

static void one_job_tries_and_closes_it(void **state)
{
    struct breaker breaker = {0};
    bool try, other;

    (void)state;
    run(&breaker, BREAKER_EXEC, "acme", 0);
    assert_true(breaker_lets_start(&breaker, 5000, &try));
    assert_true(try);
    assert_false(breaker_lets_claim(&breaker, 5000)); /* while one tries */
    assert_false(breaker_lets_start(&breaker, 5000, &other));
    assert_false(other);
    assert_int_equal(breaker_note(&breaker, BREAKER_FINE, "acme", false, 5500), BREAKER_SAME); /* began before it opened */
    assert_int_equal(breaker_note(&breaker, BREAKER_FINE, "acme", try, 6000), BREAKER_CLOSED);
    assert_true(breaker_lets_claim(&breaker, 6000));
    assert_int_equal(run(&breaker, BREAKER_EXIT, "acme", 6000), BREAKER_SAME); /* counted from the beginning */
}

static void the_pauses_double_up_to_five_minutes(void **state)
{
    static const int64_t pauses_ms[] = {5000, 10000, 20000, 40000, 80000, 160000, 300000, 300000};
    struct breaker breaker = {0};
    int64_t now_ms = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(pauses_ms); i++) {
        assert_int_equal(run(&breaker, i % 2 ? BREAKER_EXIT : BREAKER_EXEC, "acme", now_ms), BREAKER_OPENED);
        assert_false(breaker_lets_claim(&breaker, now_ms + pauses_ms[i] - 1));
        now_ms += pauses_ms[i];
        assert_true(breaker_lets_claim(&breaker, now_ms));
    }
}

static void a_try_that_was_stopped_has_told_nothing(void **state)
{
    struct breaker breaker = {0};
    bool try;

    (void)state;
    run(&breaker, BREAKER_EXEC, "acme", 0);
    assert_true(breaker_lets_start(&breaker, 5000, &try));
    assert_int_equal(breaker_note(&breaker, BREAKER_NOTHING, "acme", try, 5100), BREAKER_SAME);
    assert_true(breaker_lets_start(&breaker, 5100, &try));
    assert_true(try);
}

static void the_breakers_of_a_worker_are_known_by_type(void **state)
{
    struct breakers breakers = {0};
    struct buffer text = {0};

    (void)state;
    assert_null(breakers_find(&breakers, "mail"));
    run(breakers_get(&breakers, "mail"), BREAKER_EXEC, "acme", 1000);
    run(breakers_get(&breakers, "wc"), BREAKER_FINE, "acme", 1000);
    run(breakers_get(&breakers, "*"), BREAKER_EXEC, "acme", 2000);
    assert_false(breaker_lets_claim(breakers_find(&breakers, "mail"), 2000));
    assert_true(breaker_lets_claim(breakers_find(&breakers, "wc"), 2000));
    breakers_format(&breakers, &text, 2000, 1800000000000);
    assert_string_equal(text.data, "mail 1800000004000 * 1800000005000");
    buffer_clear(&text);
    breakers_clear(&breakers);
    assert_null(breakers_find(&breakers, "mail"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_handler_that_cannot_be_started_opens_it_at_once),
        cmocka_unit_test(exit_codes_open_it_after_three_in_a_row_of_more_than_one_organization),
        cmocka_unit_test(one_organization_alone_never_opens_it),
        cmocka_unit_test(a_job_that_ends_otherwise_begins_the_row_anew),
        cmocka_unit_test(one_job_tries_and_closes_it),
        cmocka_unit_test(the_pauses_double_up_to_five_minutes),
        cmocka_unit_test(a_try_that_was_stopped_has_told_nothing),
        cmocka_unit_test(the_breakers_of_a_worker_are_known_by_type),
    };
    return UNIT_RUN(tests);
}
