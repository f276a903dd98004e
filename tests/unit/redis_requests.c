/* redis_requests - calls that have not ended: each ends once, in order, and as what it is. */
#include "common/redis_requests.h"

#include "tests/unit/unit.h"

#define CALLS 4

static struct requests requests;
static char told[64]; /* a letter for each callback: 'r' reply, 'u' unknown, 'a' unavailable, with the number of the call */

static void on_end(const struct reply *reply, const struct error *err, void *ctx)
{
    size_t length = strlen(told);

    (void)reply;
    snprintf(told + length, sizeof told - length, "%c%d", !err ? 'r' : err->code == ERR_UNKNOWN ? 'u' : 'a', *(const int *)ctx);
}

static const int numbers[CALLS] = {0, 1, 2, 3};

/* Call `number`, sent at 0 ms, whose last byte is byte 10 * (number + 1). */
static struct request *add(int number, int64_t timeout_ms)
{
    struct request *request = request_new(on_end, (void *)(uintptr_t)&numbers[number], timeout_ms, 0);

    requests_add(&requests, request, 10 * (uint64_t)(number + 1));
    return request;
}

static int set_up(void **state)
{
    (void)state;
    requests_init(&requests);
    told[0] = '\0';
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    requests_fail_all(&requests, 0, "the test is over");
    requests_tell_failed(&requests);
    return 0;
}

static void answers_come_in_order(void **state)
{
    struct request *first = add(0, 100), *second = add(1, 100);

    (void)state;
    requests_answer(&requests, first, NULL, NULL);
    requests_answer(&requests, second, NULL, NULL);
    assert_string_equal(told, "r0r1");
    assert_int_equal(requests.pending_count, 0);
}

static void what_was_written_to_its_last_byte_is_unknown_the_rest_unavailable(void **state)
{
    (void)state;
    for (int i = 0; i < CALLS; i++)
        add(i, 100);

    requests_fail_all(&requests, 29, "cut"); /* two whole calls, and all but one byte of the third */
    assert_string_equal(told, "");
    requests_tell_failed(&requests);

    assert_string_equal(told, "u0u1a2a3");
    requests_tell_failed(&requests);
    assert_string_equal(told, "u0u1a2a3");
}

static void on_end_fail_another(const struct reply *reply, const struct error *err, void *ctx)
{
    on_end(reply, err, ctx);
    requests_fail(&requests, request_new(on_end, (void *)(uintptr_t)&numbers[3], 100, 0), ERR_UNAVAILABLE, "down");
}

static void calls_that_fail_while_others_are_told_wait_for_the_next_time(void **state)
{
    (void)state;
    requests_fail(&requests, request_new(on_end_fail_another, (void *)(uintptr_t)&numbers[1], 100, 0), ERR_UNAVAILABLE, "down");

    requests_tell_failed(&requests);
    assert_string_equal(told, "a1");
    requests_tell_failed(&requests);
    assert_string_equal(told, "a1a3");
}

static void the_most_urgent_call_is_the_one_whose_time_is_up_first(void **state)
{
    (void)state;
    assert_null(requests_most_urgent(&requests));
    add(0, 300);
    struct request *hasty = add(1, 100);
    add(2, 200);

    assert_ptr_equal(requests_most_urgent(&requests), hasty);
}

static void a_time_out_is_given_anew_once(void **state)
{
    (void)state;
    add(0, 300);
    struct request *hasty = add(1, 100);

    assert_true(requests_forgive(&requests, 250));
    assert_int_equal(hasty->deadline_mono_ms, 350);
    assert_int_equal(requests_most_urgent(&requests)->deadline_mono_ms, 300); /* not over its time: as it was */
    assert_true(requests_forgive(&requests, 400));
    assert_int_equal(hasty->deadline_mono_ms, 350);
    assert_false(requests_forgive(&requests, 1000));
}

#define REQUESTS_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        REQUESTS_TEST(answers_come_in_order),
        REQUESTS_TEST(what_was_written_to_its_last_byte_is_unknown_the_rest_unavailable),
        REQUESTS_TEST(calls_that_fail_while_others_are_told_wait_for_the_next_time),
        REQUESTS_TEST(the_most_urgent_call_is_the_one_whose_time_is_up_first),
        REQUESTS_TEST(a_time_out_is_given_anew_once),
    };

    return UNIT_RUN(tests);
}
