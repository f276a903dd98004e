/* capsule - the slots of a worker in groups with queues of their own. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/rota.h"

static const char two[] = "capsules:\n"
                          "  bulk: {slots: 2, queues: [bulk]}\n"
                          "  quick: {slots: 1, queues: {mail: 3, default: 1}}\n";

static struct process *start_worker(struct pool *pool, const char *capsules, const char *command)
{
    pool_scheduler(pool, "--lanes", pool_text(pool, "%u", pool->lanes), NULL);
    return pool_worker(pool, "--config", write_text(pool, "rota.yaml", capsules), "--on", pool_logging(pool, "t", command), NULL);
}

static void push_to(struct pool *pool, const char *org, const char *id, const char *queue)
{
    struct job_record record = {.type = "t", .payload = "", .has_payload = true};

    snprintf(record.queue, sizeof record.queue, "%s", queue);
    pool_push_record(pool, org, id, &record);
}

static void push_many_to(struct pool *pool, const char *org, const char *prefix, unsigned count, const char *queue)
{
    for (unsigned i = 0; i < count; i++)
        push_to(pool, org, pool_text(pool, "%s%u", prefix, i), queue);
}

/* Makes the file that handlers wait for. */
static void let_go(struct pool *pool)
{
    int fd = creat(pool_path(pool, "go"), 0600);

    assert_true(fd >= 0);
    close(fd);
}

/* Jobs of `bulk` wait for the file, the others do not. */
static const char *waiting_command(struct pool *pool)
{
    return pool_text(pool, "[ $ROTA_QUEUE != bulk ] || until [ -e %s ]; do sleep 0.02; done", pool_path(pool, "go"));
}

static void what_fills_one_leaves_the_others_free(void **state)
{
    struct pool *pool = *state;
    struct process *worker = start_worker(pool, two, waiting_command(pool));

    push_many_to(pool, "acme", "b", 5, "bulk");
    WAIT_UNTIL(pool_logged(pool, "acme/b") == 2);
    push_many_to(pool, "acme", "m", 20, "mail");
    push_many_to(pool, "tiny", "d", 20, "default");
    WAIT_UNTIL(pool_count(pool, "acme", "done") == 20 && pool_count(pool, "tiny", "done") == 20);
    assert_int_equal(pool_logged(pool, "acme/b"), 2); /* and the slot of `quick`, free now, is not for them */
    assert_int_equal(pool_count(pool, "acme", "running"), 2);

    let_go(pool);
    WAIT_UNTIL(pool_count(pool, "acme", "done") == 25);
    process_signal(worker, SIGTERM);
    assert_int_equal(process_wait(worker, PROCESS_MS_MAX), 0);
}

/* The same in eight lanes, where claims of both are under way at the same time; nothing is lost or done twice. */
static void all_work_is_done_in_many_lanes(void **state)
{
    struct pool *pool = *state;

    start_worker(pool, two, "exit 0");
    for (int i = 0; i < 16; i++) {
        push_many_to(pool, pool_text(pool, "org%d", i), "b", 5, "bulk");
        push_many_to(pool, pool_text(pool, "org%d", i), "m", 5, i % 2 ? "mail" : "default");
    }
    for (int i = 0; i < 16; i++)
        WAIT_UNTIL(pool_count(pool, pool_text(pool, "org%d", i), "done") == 10);
    assert_int_equal(pool_logged(pool, "org"), 160);
}

static void two_may_share_a_queue(void **state)
{
    struct pool *pool = *state;

    start_worker(pool, "capsules:\n  one: {slots: 1, queues: [bulk]}\n  other: {slots: 2, queues: [bulk]}\n",
                 waiting_command(pool));
    push_many_to(pool, "acme", "b", 5, "bulk");
    WAIT_UNTIL(pool_logged(pool, "acme/b") == 3);
    let_go(pool);
    WAIT_UNTIL(pool_count(pool, "acme", "done") == 5);
}

/* 20 slots: one is for organizations that have nothing running; the other capsule, of 2, keeps none. */
static void each_keeps_slots_for_quiet_organizations(void **state)
{
    struct pool *pool = *state;

    start_worker(pool, "capsules:\n  bulk: {slots: 20, queues: [bulk]}\n  quick: {slots: 2, queues: [default]}\n",
                 pool_text(pool, "until [ -e %s ]; do sleep 0.05; done", pool_path(pool, "go")));
    push_many_to(pool, "greedy", "d", 5, "default");
    push_many_to(pool, "greedy", "b", 30, "bulk");
    WAIT_UNTIL(pool_logged(pool, "greedy/b") == 19 && pool_logged(pool, "greedy/d") == 2);
    push_to(pool, "tiny", "b0", "bulk");
    WAIT_UNTIL(pool_logged(pool, "tiny/b0") == 1);
    assert_int_equal(pool_logged(pool, "greedy/b"), 19);
    let_go(pool);
    WAIT_UNTIL(pool_count(pool, "greedy", "done") == 35);
}

static void they_are_shown(void **state)
{
    struct pool *pool = *state;
    struct process *worker = start_worker(pool, two, "exit 0");
    const char *session = pool_session(pool, worker, 0), *shown = "bulk:2:bulk=1 quick:1:mail=3,default=1";

    WAIT_UNTIL(pool_string(pool, "HGET rota:worker:%s capsules", session)[0]);
    assert_has(ROTA_MUST(pool, 0, "worker", "list").out, shown);
    assert_has(ROTA_MUST(pool, 0, "worker", "show", session).out, shown);
    assert_string_equal(pool_string(pool, "HGET rota:worker:%s queues", session), "bulk mail default");
    assert_string_equal(pool_string(pool, "HGET rota:worker:%s slots", session), "3");
}

static void wrong_ones_are_refused(void **state)
{
    struct pool *pool = *state;
    const char *file = write_text(pool, "rota.yaml", "capsules:\n  quick:\n    slot: 3\n");
    struct process *worker = pool_start(pool, "rota-worker", "--config", file, "--on", "t=x", NULL);

    assert_int_equal(process_wait(worker, PROCESS_MS_MAX), 78);
    assert_has(process_log(worker), "rota.yaml:3: capsule quick: unknown key \"slot\", did you mean \"slots\"?");
    write_text(pool, "rota.yaml", two);
    worker = pool_start(pool, "rota-worker", "--config", file, "--on", "t=x", "--slots", "4", NULL);
    assert_int_equal(process_wait(worker, PROCESS_MS_MAX), 78);
    assert_has(process_log(worker), "worker.slots (flag --slots) says the same as capsules");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, pool_setup, pool_teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_fills_one_leaves_the_others_free),
        cmocka_unit_test_setup_teardown(all_work_is_done_in_many_lanes, pool_setup_lanes, pool_teardown),
        TEST(two_may_share_a_queue),
        TEST(each_keeps_slots_for_quiet_organizations),
        TEST(they_are_shown),
        TEST(wrong_ones_are_refused),
    };
    return cmocka_run_group_tests_name("capsule", tests, NULL, NULL);
}
