/* contract - what rota.yaml lets an operator decide about a handler, and what the handler may ask for: time, signs of life,
 * exit statuses, the end of a flood, and the breaker. With a real worker and real commands. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/pool.h"
#include "tests/support/rota.h"

#define KEPT_BYTES_MAX (64 * 1024 + 64) /* of an attempt's log: head, tail, and the line between them */

/* A scheduler, and a worker with these handlers. */
static struct process *start(struct pool *pool, const char *handlers)
{
    pool_scheduler(pool, NULL);
    return pool_worker(pool, "--config", write_text(pool, "rota.yaml", pool_text(pool, "handlers:\n%s", handlers)), NULL);
}

/* The last attempt of a job of `type`, which ends somewhere. */
static const struct attempt *run(struct pool *pool, const char *org, const char *id, const char *type, const char *payload)
{
    pool_push(pool, org, id, type, payload);
    WAIT_UNTIL_MS(60000, pool_job(pool, org, id)->state.attempt_count == 1);
    return &pool_job(pool, org, id)->state.attempts[0];
}

/* ---- time ---- */

static void a_job_that_asks_for_more_time_outlives_its_time_out(void **state)
{
    struct pool *pool = *state;
    start(pool,
          "  asks: {command: \"echo '{\\\"op\\\":\\\"extend\\\",\\\"ms\\\":20000}' >&3; sleep 2.5; echo all\", timeout: 2s, "
          "max_timeout: 1m}\n"
          "  mute: {command: sleep 60, timeout: 2s, max_timeout: 1m}\n"
          "  less: {command: \"echo '{\\\"op\\\":\\\"extend\\\",\\\"ms\\\":1}' >&3; sleep 0.5; echo all\", timeout: 20s}\n");

    pool_push(pool, "acme", "mute", "mute", "");
    assert_string_equal(run(pool, "acme", "asks", "asks", "")->outcome, "done");
    assert_string_equal(pool_result(pool, "acme", "asks"), "all\n");
    assert_string_equal(run(pool, "acme", "less", "less", "")->outcome, "done"); /* it never becomes shorter */
    WAIT_UNTIL(pool_job(pool, "acme", "mute")->state.attempt_count == 1);
    assert_string_equal(pool_job(pool, "acme", "mute")->state.attempts[0].outcome, "timed_out");
}

static void nobody_gets_more_than_max_timeout(void **state)
{
    struct pool *pool = *state;
    const struct attempt *attempt;
    start(pool, "  greedy: {command: \"while :; do echo '{\\\"op\\\":\\\"extend\\\",\\\"ms\\\":600000}' >&3; sleep 0.1; done\", "
                "timeout: 1s, max_timeout: 2500ms}\n");
    int64_t started_mono_ms = clock_mono_ms();

    attempt = run(pool, "acme", "greedy", "greedy", "");

    assert_string_equal(attempt->outcome, "timed_out");
    assert_has(attempt->report.error, "timed out after ");
    assert_true(clock_mono_ms() - started_mono_ms >= 2500);
    assert_true(awake_ms_since(started_mono_ms) <= 4500);
}

static void a_handler_that_falls_silent_is_ended_and_one_that_beats_lives(void **state)
{
    struct pool *pool = *state;
    const struct attempt *attempt;
    start(pool, "  beats: {command: \"for i in 1 2 3 4 5 6 7; do echo '{\\\"op\\\":\\\"heartbeat\\\"}' >&3; sleep 0.2; "
                "echo '{\\\"op\\\":\\\"progress\\\",\\\"pct\\\":50}' >&3; sleep 0.2; done; echo alive\", heartbeat_timeout: 2s}\n"
                "  silent: {command: exec sleep 60, heartbeat_timeout: 500ms}\n"
                "  falls: {command: \"echo '{\\\"op\\\":\\\"heartbeat\\\"}' >&3; exec sleep 60\", heartbeat_timeout: 500ms}\n");
    int64_t started_mono_ms = clock_mono_ms();

    pool_push(pool, "acme", "beats", "beats", "");
    attempt = run(pool, "acme", "silent", "silent", "");
    assert_string_equal(attempt->outcome, "timed_out");
    assert_has(attempt->report.error, "timed out after ");
    assert_string_equal(run(pool, "acme", "falls", "falls", "")->outcome, "timed_out");
    assert_true(awake_ms_since(started_mono_ms) <= 5000);

    WAIT_UNTIL(pool_job(pool, "acme", "beats")->state.attempt_count == 1);
    assert_string_equal(pool_job(pool, "acme", "beats")->state.attempts[0].outcome, "done");
    assert_string_equal(pool_result(pool, "acme", "beats"), "alive\n");
}

/* ---- exit statuses ---- */

static void on_exit_says_what_an_exit_status_means(void **state)
{
    static const struct {
        const char *exit, *place, *outcome;
        int attempt;
    } cases[] = {
        {"3", "dead", "failed", 1},         {"9", "scheduled", "failed", 1}, /* not named: as ever */
        {"10", "done", "done", 1},          {"14", "done", "done", 1},       {"15", "done", "discarded", 1},
        {"65", "scheduled", "failed", 1},   {"75", "dead", "failed", 1},     {"0", "scheduled", "failed", 1},
        {"20", "scheduled", "released", 0}, {"100", "dead", "failed", 1},
    };
    struct pool *pool = *state;
    start(pool, "  t:\n"
                "    command: echo out; exit $(cat)\n"
                "    on_exit: {\"3\": dead, \"10-14\": done, \"15\": discard, \"20\": broken, \"65\": retry, \"75\": dead, "
                "\"0\": retry}\n"
                "    backoff: [1h]\n");

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *id = pool_text(pool, "exit-%s", cases[i].exit);
        const struct attempt *attempt = run(pool, "acme", id, "t", cases[i].exit);
        print_message("  exit %s\n", cases[i].exit);
        assert_string_equal(attempt->outcome, cases[i].outcome);
        assert_int_equal(attempt->report.exit, atoi(cases[i].exit));
        assert_string_equal(pool_job(pool, "acme", id)->place, cases[i].place);
        assert_int_equal(pool_job(pool, "acme", id)->state.attempt, cases[i].attempt);
    }
    assert_string_equal(pool_result(pool, "acme", "exit-14"), "out\n");
    assert_string_equal(pool_result(pool, "acme", "exit-15"), "");
}

/* ---- a flood ---- */

/* 200 MB, of which the first and the last that were read are kept, and the rest is counted. */
static void a_runaway_log_is_ended_and_its_ends_are_kept(void **state)
{
    struct pool *pool = *state;
    start(pool, "  flood: \"echo the first words >&2; trap '' TERM; yes 'more and more' | head -c 200000000 >&2\"\n"
                "  brook: {command: \"yes 'more and more' >&2\", log_hard_max: 1MiB}\n");

    assert_string_equal(run(pool, "acme", "flood", "flood", "")->report.error, "runaway-log: wrote more than 67108864 bytes");
    struct ran ran = ROTA_MUST(pool, 0, "job", "logs", "acme/flood");
    assert_in_range(ran.out_bytes, 60 * 1024, KEPT_BYTES_MAX);
    assert_int_equal(strncmp(ran.out, "the first words\nmore and more\n", 30), 0);
    const char *gap = strstr(ran.out, " bytes omitted …\n");
    assert_non_null(gap);
    assert_in_range(gap - ran.out, 16 * 1024 - 16, 16 * 1024 + 48);
    assert_has(gap, "more and more\nmore and more\n");

    json_t *logs = (ran = ROTA_MUST(pool, 0, "job", "logs", "acme/flood", "--json"), ran_json(&ran));
    json_int_t omitted = json_number(json_array_get(logs, 0), "omitted_bytes");
    assert_in_range(omitted, 67108864 - 64 * 1024 - 64, 200000000);
    json_decref(logs);
    assert_has(ROTA_MUST(pool, 0, "job", "logs", "acme/flood").err, pool_text(pool, ", %lld bytes omitted", (long long)omitted));

    assert_string_equal(run(pool, "acme", "brook", "brook", "")->report.error, "runaway-log: wrote more than 1048576 bytes");
}

/* ---- the breaker ---- */

static bool is_open(struct process *worker)
{
    return process_said(worker, "handler is broken, taking no jobs of its type") != NULL;
}

static void the_payload_of_one_organization_stops_the_type_for_nobody(void **state)
{
    struct pool *pool = *state;
    struct process *worker = start(pool, "  t: \"exit $(cat)\"\n");

    for (int i = 0; i < 5; i++)
        assert_string_equal(run(pool, "acme", pool_text(pool, "bad%d", i), "t", "127")->outcome, "released");

    assert_string_equal(run(pool, "globex", "good", "t", "0")->outcome, "done");
    assert_false(is_open(worker));
}

/* The handler is broken while there is no file "works"; then each run says so in "tries" and waits for the file "go". */
#define BREAKS                                                                                                                \
    "  t: \"[ -e $HOME/works ] || exit 127; echo $ROTA_JOB_ID >> $HOME/tries; until [ -e $HOME/go ]; do sleep 0.02; done\"\n" \
    "  other: \"true\"\n"

/* Three jobs of two organizations end as broken. */
static void break_it(struct pool *pool, struct process *worker)
{
    run(pool, "acme", "first", "t", "");
    run(pool, "acme", "second", "t", "");
    assert_false(is_open(worker));
    run(pool, "globex", "third", "t", "");
    WAIT_UNTIL(is_open(worker));
    assert_has(process_log(worker), "type=t for_ms=5000 job=globex/third");
}

static void three_in_a_row_open_the_breaker_and_one_job_that_ends_well_closes_it(void **state)
{
    struct pool *pool = *state;
    struct process *worker = start(pool, BREAKS);
    int64_t opened_mono_ms = clock_mono_ms();
    break_it(pool, worker);
    write_text(pool, "works", "");
    for (int i = 0; i < 4; i++)
        pool_push(pool, i % 2 ? "globex" : "initech", pool_text(pool, "later%d", i), "t", "");
    assert_string_equal(run(pool, "initech", "o1", "other", "")->outcome, "done"); /* the type is stopped, not the worker */
    assert_string_equal(pool_file(pool, "tries"), "");

    WAIT_UNTIL(pool_file(pool, "tries")[0]);
    assert_true(clock_mono_ms() - opened_mono_ms >= 5000);
    for (int i = 0; i < 5; i++) /* the worker has claimed again and again, and has three free slots */
        run(pool, "initech", pool_text(pool, "other%d", i), "other", "");
    assert_int_equal(count_text(pool_file(pool, "tries"), "\n"), 1);
    assert_null(process_said(worker, "handler works again"));

    write_text(pool, "go", "");
    process_wait_for(worker, "handler works again");
    WAIT_UNTIL(pool_count(pool, "initech", "done") == 2 + 6 && pool_count(pool, "globex", "done") == 2 + 1 &&
               pool_count(pool, "acme", "done") == 2);
    assert_int_equal(pool_job(pool, "acme", "first")->state.attempt, 1); /* that it was broken has used none */
}

static void a_try_that_fails_opens_it_for_longer_and_hup_tries_at_once(void **state)
{
    struct pool *pool = *state;
    struct process *worker = start(pool, BREAKS);
    break_it(pool, worker);

    process_wait_for(worker, "type=t for_ms=10000 ");
    assert_has(ROTA_MUST(pool, 0, "worker", "list", "--json").out, "\"broken\"");
    write_text(pool, "works", "");
    write_text(pool, "go", "");
    int64_t told_mono_ms = clock_mono_ms();
    process_signal(worker, SIGHUP);
    pool_push(pool, "initech", "now", "t", "");
    pool_wait_place(pool, "initech", "now", "done");
    assert_true(awake_ms_since(told_mono_ms) <= 5000);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        POOL_TEST(a_job_that_asks_for_more_time_outlives_its_time_out),
        POOL_TEST(nobody_gets_more_than_max_timeout),
        POOL_TEST(a_handler_that_falls_silent_is_ended_and_one_that_beats_lives),
        POOL_TEST(on_exit_says_what_an_exit_status_means),
        POOL_TEST(a_runaway_log_is_ended_and_its_ends_are_kept),
        POOL_TEST(the_payload_of_one_organization_stops_the_type_for_nobody),
        POOL_TEST(three_in_a_row_open_the_breaker_and_one_job_that_ends_well_closes_it),
        POOL_TEST(a_try_that_fails_opens_it_for_longer_and_hup_tries_at_once),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return stall_verdict(cmocka_run_group_tests_name("contract", tests, NULL, NULL));
}
