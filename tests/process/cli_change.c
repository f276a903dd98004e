/* `rota job` and `rota dead` - changing jobs: cancelled, tried again, moved, deleted, redriven; what cannot be changed, and how
 * each is told. */
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/memory.h"
#include "tests/process/cli_work.h"

/* ---- cancel, retry, run-now, reschedule, delete ---- */

static void GA_18_jobs_are_cancelled_whatever_they_do(void **state)
{
    struct pool *pool = *state;
    struct ran ran;

    pool_push(pool, "acme", "ready", "t", "");
    push_later(pool, "later");
    ran = ROTA_MUST(pool, 0, "job", "cancel", "acme/ready", "acme/later");
    assert_string_equal(ran.out, "");
    assert_has(ran.err, "cancelled job acme/ready. Undo: rota job retry acme/ready\n");
    assert_string_equal(pool_place(pool, "acme", "later"), "cancelled");

    start_work(pool);
    pool_push(pool, "acme", "slow", "slow", "");
    pool_wait_place(pool, "acme", "slow", "running");
    ran = ROTA_MUST(pool, 0, "job", "cancel", "acme/slow", "-o", "ndjson");
    assert_string_equal(ran.out, "{\"job\":\"acme/slow\",\"answer\":\"cancelling\"}\n");
    pool_wait_place(pool, "acme", "slow", "cancelled");

    ran = ROTA_MUST(pool, 1, "job", "cancel", "acme/slow", "acme/none");
    assert_has(ran.err, "rota: job acme/slow has ended already");
    assert_has(ran.err, "rota: there is no job acme/none");
    ROTA_MUST(pool, EX_NOINPUT, "job", "cancel", "acme/none");
}

static void GA_18_jobs_are_tried_again_where_that_makes_sense(void **state)
{
    struct pool *pool = *state;
    struct process *worker = start_work(pool);

    end_as(pool, "dead", "bad", "dead");
    end_as(pool, "done", "ok", "done");
    push_later(pool, "later");
    process_kill(worker);
    pool_push(pool, "acme", "ready", "t", "");

    assert_has(ROTA_MUST(pool, 0, "job", "retry", "acme/dead").err,
               "job acme/dead is ready again (was dead). Undo: rota job cancel");
    assert_string_equal(pool_place(pool, "acme", "dead"), "ready");
    assert_has(ROTA_MUST(pool, 0, "job", "retry", "acme/later").err,
               "job acme/later is ready (was due 2035-01-01T00:00:00.000Z)");
    assert_has(ROTA_MUST(pool, 1, "job", "retry", "acme/done").err, "is done: push it again");
    assert_has(ROTA_MUST(pool, 1, "job", "retry", "acme/ready").err, "is ready already");
    ROTA_MUST(pool, 0, "job", "cancel", "acme/ready");
    ROTA_MUST(pool, 0, "job", "retry", "acme/ready");
    assert_string_equal(pool_place(pool, "acme", "ready"), "ready");
    ROTA_MUST(pool, EX_NOINPUT, "job", "retry", "acme/none");
}

static void due_times_are_moved(void **state)
{
    struct pool *pool = *state;
    struct ran ran;

    push_later(pool, "j1");
    ran = ROTA_MUST(pool, 0, "job", "reschedule", "acme/j1", "--at", "2036-01-01T00:00:00Z");
    assert_has(ran.err, "job acme/j1 is due 2036-01-01T00:00:00.000Z (was due 2035-01-01T00:00:00.000Z). "
                        "Undo: rota job reschedule acme/j1 --at 2035-01-01T00:00:00.000Z\n");
    ROTA_MUST(pool, 0, "job", "run-now", "acme/j1");
    assert_string_equal(pool_place(pool, "acme", "j1"), "ready");
    ROTA_MUST(pool, 0, "job", "reschedule", "acme/j1", "--in", "2h");
    assert_string_equal(pool_place(pool, "acme", "j1"), "scheduled");
    ROTA_MUST(pool, EX_USAGE, "job", "reschedule", "acme/j1");
    ROTA_MUST(pool, EX_USAGE, "job", "reschedule", "acme/j1", "--in", "2h", "--at", "2036-01-01T00:00:00Z");
    ROTA_MUST(pool, EX_USAGE, "job", "reschedule", "acme/j1", "--at", "tomorrow");
    ROTA_MUST(pool, 0, "job", "cancel", "acme/j1");
    assert_has(ROTA_MUST(pool, 1, "job", "run-now", "acme/j1").err, "has ended");
    ROTA_MUST(pool, EX_NOINPUT, "job", "run-now", "acme/none");
}

static void nothing_is_deleted_without_a_yes(void **state)
{
    struct pool *pool = *state;
    struct ran ran;

    pool_push(pool, "acme", "j1", "t", "");
    pool_push(pool, "acme", "j2", "t", "");
    ran = ROTA_MUST(pool, EX_USAGE, "job", "delete", "acme/j1", "acme/j2");
    assert_has(ran.err, "rota: delete 2 jobs, which cannot be undone: say --yes");
    assert_string_equal(pool_place(pool, "acme", "j1"), "ready");
    ran = ROTA_MUST(pool, EX_NOINPUT, "job", "delete", "acme/j1", "acme/j2", "acme/j3", "--yes");
    assert_has(ran.err, "deleted job acme/j1");
    assert_has(ran.err, "there is no job acme/j3");
    assert_string_equal(pool_place(pool, "acme", "j1"), "");
}

/* Runs `rota job delete` on a terminal, where somebody types `answer`. The exit status. */
static int delete_on_terminal(struct pool *pool, const char *name, const char *answer)
{
    char *program = memory_format("%s/rota", PROGRAMS_PATH), *url = memory_format("ROTA_REDIS_URL=%s", pool->url), shown[512];
    int terminal, status;
    pid_t pid = forkpty(&terminal, NULL, NULL, NULL);

    assert_true(pid >= 0);
    if (pid == 0) {
        putenv(url);
        execl(program, "rota", "job", "delete", name, (char *)NULL);
        _exit(127);
    }
    assert_int_equal(write(terminal, answer, strlen(answer)), strlen(answer));
    while (read(terminal, shown, sizeof shown) > 0)
        ;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    close(terminal);
    free(program);
    free(url);
    return WEXITSTATUS(status);
}

static void on_a_terminal_one_is_asked(void **state)
{
    struct pool *pool = *state;

    pool_push(pool, "acme", "j1", "t", "");
    assert_int_equal(delete_on_terminal(pool, "acme/j1", "no\n"), 1);
    assert_string_equal(pool_place(pool, "acme", "j1"), "ready");
    assert_int_equal(delete_on_terminal(pool, "acme/j1", "yes\n"), 0);
    assert_string_equal(pool_place(pool, "acme", "j1"), "");
}

static void a_dry_run_changes_nothing(void **state)
{
    struct pool *pool = *state;
    static const char *const verbs[] = {"cancel", "run-now", "delete"};
    const char *before;
    struct ran ran;

    pool_push(pool, "acme", "ready", "t", "");
    push_later(pool, "later");
    ROTA_MUST(pool, 0, "push", "acme", "t", "--id", "off");
    ROTA_MUST(pool, 0, "job", "cancel", "acme/off");
    before = pool_digest(pool, "acme");

    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        ran = ROTA_MUST(pool, 0, "job", verbs[i], "--dry-run", "acme/ready", "acme/later");
        assert_has(ran.err, pool_text(pool, "would %s job acme/later (it is scheduled)", verbs[i]));
    }
    ran = ROTA_MUST(pool, 0, "job", "reschedule", "-n", "--in", "2h", "acme/later", "--json");
    assert_has(ran.out, "\"answer\":\"would_reschedule\"");
    assert_has(ROTA_MUST(pool, EXIT_FAILURE, "job", "cancel", "-n", "acme/off").err,
               "would not cancel job acme/off: it is cancelled");
    ROTA_MUST(pool, 0, "job", "retry", "-n", "acme/off");
    assert_has(ROTA_MUST(pool, 0, "org", "delete", "-n", "acme").err, "would delete org acme with its 3 jobs, 0 of them running");
    ROTA_MUST(pool, EX_NOINPUT, "job", "cancel", "-n", "acme/none");
    assert_string_equal(pool_digest(pool, "acme"), before);
}

static void a_bad_name_among_several_changes_nothing(void **state)
{
    struct pool *pool = *state;

    pool_push(pool, "acme", "j1", "t", "");
    ROTA_MUST(pool, EX_USAGE, "job", "cancel", "acme/j1", "acme j2");
    assert_string_equal(pool_place(pool, "acme", "j1"), "ready");
}

/* ---- dead letters ---- */

static void dead_letters_are_listed_with_their_reason(void **state)
{
    struct pool *pool = *state;
    struct ran ran;

    start_work(pool);
    end_as(pool, "j1", "bad", "dead");
    end_as(pool, "j2", "ok", "done");
    ran = ROTA_MUST(pool, 0, "dead", "list");
    assert_int_equal(count_text(ran.out, "\n"), 2);
    assert_has(ran.out, "acme/j1  bad");
    assert_has(ran.out, "handler");
    assert_has(ran.out, "exit 100: no luck");
}

/* Dead jobs j0 j1 j2 of acme, g0 of globex, and no worker. */
static void make_dead(struct pool *pool)
{
    struct process *worker = start_work(pool);

    end_as(pool, "j0", "bad", "dead");
    end_as(pool, "j1", "bad", "dead");
    end_as(pool, "j2", "bad", "dead");
    end_as(pool, "done", "ok", "done");
    pool_push(pool, "globex", "g0", "bad", "");
    pool_wait_place(pool, "globex", "g0", "dead");
    process_kill(worker);
}

static void dead_letters_are_redriven(void **state)
{
    struct pool *pool = *state;
    struct ran ran;

    make_dead(pool);
    ran = ROTA_MUST(pool, 0, "dead", "redrive", "acme/j0");
    assert_has(ran.err, "redriven 1 dead job");
    assert_string_equal(pool_place(pool, "acme", "j0"), "ready");
    assert_has(ROTA_MUST(pool, 1, "dead", "redrive", "acme/done").err, "job acme/done is not dead: it is done");
    assert_has(ROTA_MUST(pool, EX_USAGE, "dead", "redrive", "acme").err, "redrive 2 dead jobs: say --yes");
    assert_has(ROTA_MUST(pool, EX_USAGE, "dead", "redrive").err, "--all-orgs");
    ROTA_MUST(pool, 0, "dead", "redrive", "acme", "--type", "other", "--yes");
    assert_string_equal(pool_place(pool, "acme", "j1"), "dead");
    ran = ROTA_MUST(pool, 0, "dead", "redrive", "--all-orgs", "--yes", "-o", "ndjson");
    assert_string_equal(ran.out, "{\"redriven\":3,\"not_dead\":0,\"left\":0}\n");
    assert_string_equal(pool_place(pool, "acme", "j2"), "ready");
    assert_string_equal(pool_place(pool, "globex", "g0"), "ready");
}

static void dead_letters_are_purged(void **state)
{
    struct pool *pool = *state;
    struct ran ran;

    make_dead(pool);
    ran = ROTA_MUST(pool, 0, "dead", "purge", "acme", "--dry-run");
    assert_has(ran.err, "would delete 3 dead jobs");
    assert_has(ran.out, "acme/j0\n");
    ROTA_MUST(pool, EX_USAGE, "dead", "purge", "acme");
    ROTA_MUST(pool, EX_USAGE, "dead", "purge", "acme/j0");
    assert_has(ROTA_MUST(pool, 1, "dead", "purge", "acme/done", "--yes").err, "is not dead");
    assert_string_equal(pool_place(pool, "acme", "done"), "done");
    assert_has(ROTA_MUST(pool, 0, "dead", "purge", "acme", "--yes").err, "deleted 3 dead jobs: this cannot be undone");
    assert_string_equal(pool_place(pool, "acme", "j0"), "");
    assert_string_equal(pool_place(pool, "acme", "done"), "done");
    assert_string_equal(pool_place(pool, "globex", "g0"), "dead");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROTA_TEST_LANES(GA_18_jobs_are_cancelled_whatever_they_do),
        ROTA_TEST_LANES(GA_18_jobs_are_tried_again_where_that_makes_sense),
        ROTA_TEST_LANES(due_times_are_moved),
        ROTA_TEST_LANES(nothing_is_deleted_without_a_yes),
        ROTA_TEST_LANES(on_a_terminal_one_is_asked),
        ROTA_TEST_LANES(a_dry_run_changes_nothing),
        ROTA_TEST_LANES(a_bad_name_among_several_changes_nothing),
        ROTA_TEST_LANES(dead_letters_are_listed_with_their_reason),
        ROTA_TEST_LANES(dead_letters_are_redriven),
        ROTA_TEST_LANES(dead_letters_are_purged),
    };
    return cmocka_run_group_tests_name("cli_change", tests, NULL, NULL);
}
