/* reload - HUP: a worker reads its handlers again, without dropping a job. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/rota.h"

#define LOAD 400

/* A configuration file with these handlers. */
static const char *set_handlers(struct pool *pool, const char *handlers)
{
    return write_text(pool, "rota.yaml", pool_text(pool, "handlers:\n%s", handlers));
}

static struct process *start_worker(struct pool *pool, const char *handlers)
{
    pool_scheduler(pool, NULL);
    return pool_worker(pool, "--slots", "4", "--config", set_handlers(pool, handlers), NULL);
}

/* Sends HUP and waits until the log has said `text` once more. */
static void reload(struct pool *pool, struct process *worker, const char *text)
{
    unsigned before = count_text(process_log(worker), text);

    (void)pool;
    process_signal(worker, SIGHUP);
    WAIT_UNTIL(count_text(process_log(worker), text) > before);
}

#define READ_AGAIN "msg=\"settings read again\""

/* Each job runs once, with one of the handlers that there were, and ends well. */
static void no_job_is_lost_while_handlers_change(void **state)
{
    struct pool *pool = *state;
    const char *log = pool_path(pool, "ran");
    struct process *worker = start_worker(pool, pool_text(pool, "  t: echo $ROTA_JOB_ID v0 >> %s\n", log));

    for (int i = 0; i < 8; i++) {
        pool_push_many(pool, "acme", pool_text(pool, "j%d-", i), LOAD / 8, "t", "");
        set_handlers(pool, pool_text(pool, "  t: {command: 'echo $ROTA_JOB_ID v%d >> %s', timeout: %ds}\n  other%d: x\n", i + 1,
                                     log, i + 10, i));
        reload(pool, worker, READ_AGAIN);
    }
    pool_push_many(pool, "acme", "last-", 4, "t", "");
    WAIT_UNTIL(pool_count(pool, "acme", "done") == LOAD + 4);

    assert_int_equal(count_text(pool_file(pool, "ran"), "\n"), LOAD + 4);
    assert_int_equal(count_text(pool_file(pool, "ran"), "last-"), 4);
    for (int i = 0; i < 4; i++) {
        assert_has(pool_file(pool, "ran"), pool_text(pool, "last-000%d v8\n", i));
        assert_int_equal(pool_job(pool, "acme", pool_text(pool, "last-000%d", i))->state.deliveries, 1);
    }
    assert_has(process_log(worker), "msg=\"handler changed\" type=t keys=command,timeout");
    assert_has(process_log(worker), "msg=\"handler added\" type=other0");
    assert_has(process_log(worker), "msg=\"handler removed\" type=other0");
    process_signal(worker, SIGTERM);
    assert_int_equal(process_wait(worker, PROCESS_MS_MAX), 0);
}

static void a_running_job_keeps_its_handler(void **state)
{
    struct pool *pool = *state;
    struct process *worker =
        start_worker(pool, pool_text(pool, "  t: 'touch %s; until [ -e %s ]; do sleep 0.02; done; echo old'\n",
                                     pool_path(pool, "begun"), pool_path(pool, "go")));

    pool_push(pool, "acme", "job1", "t", "");
    WAIT_UNTIL(access(pool_path(pool, "begun"), F_OK) == 0);
    set_handlers(pool, "  t: {command: echo new, timeout: 1ms}\n  rev: rev\n");
    reload(pool, worker, READ_AGAIN);
    pool_push(pool, "acme", "job2", "rev", "abc"); /* of a type that is new */
    pool_wait_place(pool, "acme", "job2", "done");
    assert_string_equal(pool_place(pool, "acme", "job1"), "running");
    WAIT_UNTIL(strcmp(pool_string(pool, "HGET rota:worker:%s types", pool_session(pool, worker, 0)), "t rev") == 0);
    close(creat(pool_path(pool, "go"), 0600));
    pool_wait_place(pool, "acme", "job1", "done");
    assert_string_equal(pool_result(pool, "acme", "job1"), "old\n");
}

static void a_broken_file_is_refused_whole(void **state)
{
    struct pool *pool = *state;
    struct process *worker = start_worker(pool, "  t: echo old\n");
    static const char *const broken[][2] = {
        {"handlers: {t: echo new, u: {command: u, timeut: 3s}}\n", "unknown key \\\"timeut\\\", did you mean \\\"timeout\\\"?"},
        {"handlers: {t: echo new}\nworker: {slots: none}\n", "worker.slots: \\\"none\\\" is not a whole number"},
        {"handlers: {t: echo new}\ncapsules: {A: {slots: 1}}\n", "says the same as capsules"},
        {"handlers: {t: echo new}\nlog: {level: loud}\n", "log level \\\"loud\\\""},
        {"handlers: {t: [\n", "rota.yaml:2"},
        {"handlers: {}\n", "no handlers"},
    };

    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        write_text(pool, "rota.yaml", broken[i][0]);
        reload(pool, worker, "msg=\"settings cannot be read again, the old ones stay\"");
        assert_has(process_log(worker), broken[i][1]);
    }
    pool_push(pool, "acme", "job1", "t", "");
    pool_wait_place(pool, "acme", "job1", "done");
    assert_string_equal(pool_result(pool, "acme", "job1"), "old\n");
    assert_null(strstr(process_log(worker), "handler changed"));
}

static void what_else_has_changed_is_told(void **state)
{
    struct pool *pool = *state;
    struct process *worker = start_worker(pool, "  t: echo old\n");

    write_text(pool, "rota.yaml", "handlers: {t: echo old}\nlog: {level: debug}\nworker: {drain: 3s}\n");
    reload(pool, worker, READ_AGAIN " level=debug");
    assert_has(process_log(worker), "wants a restart\" setting=worker.drain origin=");
    assert_null(strstr(process_log(worker), "handler changed"));
    assert_null(strstr(process_log(worker), "setting=log.level"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, pool_setup, pool_teardown)
    const struct CMUnitTest tests[] = {
        TEST(no_job_is_lost_while_handlers_change),
        TEST(a_running_job_keeps_its_handler),
        TEST(a_broken_file_is_refused_whole),
        TEST(what_else_has_changed_is_told),
    };
    return cmocka_run_group_tests_name("reload", tests, NULL, NULL);
}
