/* concurrency - so many jobs of a handler at once in one worker: the others wait in their queue, hold no slot and are in nobody's
 * way; and handlers of all types that begin alike. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/rota.h"

static struct process *start_worker(struct pool *pool, const char *handlers)
{
    return pool_worker(pool, "--slots", "6", "--config",
                       write_text(pool, "rota.yaml", pool_text(pool, "handlers:\n%s", handlers)), NULL);
}

static const char *waiting(struct pool *pool)
{
    return pool_text(pool, "echo $ROTA_JOB_ID >> %s; until [ -e %s ]; do sleep 0.02; done", pool_path(pool, "begun"),
                     pool_path(pool, "go"));
}

static unsigned begun(struct pool *pool)
{
    return count_text(pool_file(pool, "begun"), "\n");
}

static void GA_8_those_beyond_it_hold_no_slot_and_block_nobody(void **state)
{
    struct pool *pool = *state;

    pool_scheduler(pool, NULL);
    start_worker(pool, pool_text(pool, "  slow: {command: '%s', concurrency: 2}\n  fast: exit 0\n", waiting(pool)));
    pool_push_many(pool, "acme", "slow", 500, "slow", "");
    WAIT_UNTIL(begun(pool) == 2);
    pool_push_many(pool, "acme", "fast", 20, "fast", ""); /* behind 498 that have to wait */
    pool_push_many(pool, "tiny", "fast", 20, "fast", "");
    WAIT_UNTIL(pool_count(pool, "acme", "done") == 20 && pool_count(pool, "tiny", "done") == 20);
    assert_int_equal(begun(pool), 2);
    assert_int_equal(pool_count(pool, "acme", "ready:default"), 498);
    assert_int_equal(pool_count(pool, "acme", "scheduled"), 0);
    start_worker(pool, pool_text(pool, "  slow: {command: '%s', concurrency: 3}\n", waiting(pool))); /* it is per worker */
    WAIT_UNTIL(begun(pool) == 5);
    pause_ms(50);
    assert_int_equal(begun(pool), 5);
}

/* Never more than it says, in the order of the queue, and as fast as it goes. */
static void they_follow_each_other_at_once(void **state)
{
    struct pool *pool = *state;
    const char *ran = pool_path(pool, "ran");
    int64_t start_mono_ms = clock_mono_ms();
    int running = 0;

    pool_scheduler(pool, NULL);
    start_worker(pool,
                 pool_text(pool, "  one: {command: 'echo + $ROTA_JOB_ID >> %s; echo - >> %s', concurrency: 1}\n", ran, ran));
    pool_push_many(pool, "acme", "j", 100, "one", "");
    WAIT_UNTIL(pool_count(pool, "acme", "done") == 100);
    assert_true(awake_ms_since(start_mono_ms) < 10000); /* a rest would be 5 s for each */
    for (const char *at = pool_file(pool, "ran"); at && *at; at = strchr(at, '\n') + 1) {
        running += *at == '+' ? 1 : -1;
        assert_in_range(running, 0, 1);
    }
}

static void a_handler_may_be_for_all_types_that_begin_alike(void **state)
{
    struct pool *pool = *state;

    pool_scheduler(pool, NULL);
    start_worker(pool, "  report.*: {command: echo report, concurrency: 1}\n"
                       "  report.month.*: {command: echo month}\n"
                       "  report.day: {command: echo day}\n");
    pool_push(pool, "acme", "job1", "report.year", "");
    pool_push(pool, "acme", "job2", "report.month.may", "");
    pool_push(pool, "acme", "job3", "report.day", "");
    pool_push(pool, "acme", "job4", "repor", "");
    pool_push(pool, "acme", "job5", "report.week", "");
    pool_wait_place(pool, "acme", "job1", "done");
    pool_wait_place(pool, "acme", "job2", "done");
    pool_wait_place(pool, "acme", "job3", "done");
    pool_wait_place(pool, "acme", "job5", "done");
    assert_string_equal(pool_result(pool, "acme", "job1"), "report\n");
    assert_string_equal(pool_result(pool, "acme", "job2"), "month\n");
    assert_string_equal(pool_result(pool, "acme", "job3"), "day\n");
    assert_string_equal(pool_result(pool, "acme", "job5"), "report\n");
    assert_string_not_equal(pool_place(pool, "acme", "job4"), "done");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, pool_setup, pool_teardown)
    const struct CMUnitTest tests[] = {
        TEST(GA_8_those_beyond_it_hold_no_slot_and_block_nobody),
        TEST(they_follow_each_other_at_once),
        TEST(a_handler_may_be_for_all_types_that_begin_alike),
    };
    return cmocka_run_group_tests_name("concurrency", tests, NULL, NULL);
}
