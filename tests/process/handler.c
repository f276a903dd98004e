/* handler - what a handler gets, and what becomes of its job when it ends, however it ends. */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/memory.h"
#include "tests/support/pool.h"

#define CANARY "canary-7f31c0"

static void push_bytes(struct pool *pool, const char *id, const char *type, const void *payload, size_t bytes)
{
    struct job_record record = {.payload = payload, .payload_bytes = bytes, .has_payload = true};

    snprintf(record.type, sizeof record.type, "%s", type);
    pool_push_record(pool, "acme", id, &record);
}

/* Runs one job of type `type` with no payload to its end, wherever that is, and returns it. */
static const struct job *run_job(struct pool *pool, const char *type)
{
    pool_push(pool, "acme", type, type, "");
    WAIT_UNTIL(pool_job(pool, "acme", type)->state.attempt_count == 1);
    return pool_job(pool, "acme", type);
}

static const char *write_config(struct pool *pool, const char *text)
{
    const char *path = pool_path(pool, "rota.yaml");
    FILE *file = fopen(path, "w");

    if (!file)
        abort();
    fputs(text, file);
    fclose(file);
    return path;
}

/* ---- verdicts ---- */

struct verdict_case {
    const char *type, *command;
    const char *place, *outcome;
    int attempt, crashes, exit, signal;
    const char *reason, *error;
};

static void the_exit_code_is_the_verdict(void **state)
{
    static const struct verdict_case cases[] = {
        {"e0", "echo fine", "done", "done", 1, 0, 0, -1, "", NULL},
        {"e1", "echo first >&2; echo last >&2; exit 1", "scheduled", "failed", 1, 0, 1, -1, "", "exit 1: first\nlast"},
        {"e64", "exit 64", "dead", "failed", 1, 0, 64, -1, "handler", "exit 64"},
        {"e65", "exit 65", "dead", "failed", 1, 0, 65, -1, "handler", "exit 65"},
        {"e70", "exit 70", "scheduled", "failed", 1, 0, 70, -1, "", "exit 70"},
        {"e75", "exit 75", "scheduled", "failed", 1, 0, 75, -1, "", "exit 75"},
        {"e77", "exit 77", "dead", "failed", 1, 0, 77, -1, "handler", "exit 77"},
        {"e78", "exit 78", "dead", "failed", 1, 0, 78, -1, "handler", "exit 78"},
        {"e99", "echo nothing to keep; exit 99", "done", "discarded", 1, 0, 99, -1, "", NULL},
        {"e100", "exit 100", "dead", "failed", 1, 0, 100, -1, "handler", "exit 100"},
        {"e111", "exit 111", "scheduled", "failed", 1, 0, 111, -1, "", "exit 111"},
        {"e126", "exit 126", "scheduled", "released", 0, 0, 126, -1, "", "exit 126"},
        {"e127", "/no/such/program", "scheduled", "released", 0, 0, 127, -1, "", NULL},
        {"e255", "exit 255", "scheduled", "failed", 1, 0, 255, -1, "", "exit 255"},
        {"segv", "kill -SEGV $$", "scheduled", "crashed", 1, 1, -1, SIGSEGV, "", "killed by signal 11"},
        {"kill", "kill -KILL $$", "scheduled", "crashed", 1, 1, -1, SIGKILL, "", "killed by signal 9"},
        {"term", "kill -TERM $$", "scheduled", "crashed", 1, 1, -1, SIGTERM, "", "killed by signal 15"},
    };
    const size_t count = sizeof cases / sizeof *cases;
    struct pool *pool = *state;
    const char *words[2 * sizeof cases / sizeof *cases + 1] = {NULL};
    for (size_t i = 0; i < count; i++) {
        words[2 * i] = "--on";
        words[2 * i + 1] = pool_text(pool, "%s=%s", cases[i].type, cases[i].command);
    }
    pool_scheduler(pool, NULL);
    pool_worker(pool, words[0], words[1], words[2], words[3], words[4], words[5], words[6], words[7], words[8], words[9],
                words[10], words[11], words[12], words[13], words[14], words[15], words[16], words[17], words[18], words[19],
                words[20], words[21], words[22], words[23], words[24], words[25], words[26], words[27], words[28], words[29],
                words[30], words[31], words[32], words[33], NULL);

    for (size_t i = 0; i < count; i++) {
        const struct verdict_case *expected = &cases[i];
        const struct job *job = run_job(pool, expected->type);
        const struct attempt *attempt = job_last_attempt(job);
        print_message("  %s\n", expected->command);
        assert_string_equal(job->place, expected->place);
        assert_string_equal(attempt->outcome, expected->outcome);
        assert_int_equal(job->state.attempt, expected->attempt);
        assert_int_equal(job->state.crashes, expected->crashes);
        assert_int_equal(job->state.deliveries, 1);
        assert_int_equal(attempt->report.exit, expected->exit);
        assert_int_equal(attempt->report.signal, expected->signal);
        assert_string_equal(job->state.reason, expected->reason);
        if (expected->error)
            assert_string_equal(attempt->report.error, expected->error);
    }
    assert_string_equal(pool_result(pool, "acme", "e0"), "fine\n");
    assert_string_equal(pool_result(pool, "acme", "e99"), "");
}

/* Its worker tells Redis at once; only then comes the back-off. The second kind leaves a child behind that holds its pipes. */
static void a_killed_handler_is_reported_within_a_second(void **state)
{
    static const char *const types[] = {"plain", "parent"};
    struct pool *pool = *state;
    int64_t slowest_ms = 0;
    pool_scheduler(pool, NULL);
    pool_worker(pool, "--on", "plain=echo $$ > $HOME/$ROTA_JOB_ID; exec sleep 600", "--on",
                "parent=echo $$ > $HOME/$ROTA_JOB_ID; sleep 600; true", NULL);

    for (int i = 0; i < 10; i++) {
        const char *id = pool_text(pool, "job%d", i);
        pid_t pid;
        pool_push(pool, "acme", id, types[i % 2], "");
        WAIT_UNTIL((pid = (pid_t)atoi(pool_file(pool, id))) > 0);
        int64_t killed_mono_ms = clock_mono_ms();
        kill(pid, SIGKILL);
        WAIT_UNTIL(pool_job(pool, "acme", id)->state.attempt_count == 1);

        int64_t took_ms = awake_ms_since(killed_mono_ms);
        slowest_ms = took_ms > slowest_ms ? took_ms : slowest_ms;
        assert_true(took_ms <= 1000);
        const struct job *job = pool_job(pool, "acme", id);
        assert_string_equal(job->place, "scheduled");
        assert_string_equal(job_last_attempt(job)->outcome, "crashed");
        assert_int_equal(job_last_attempt(job)->report.signal, SIGKILL);
    }
    print_message("  reported after at most %lld ms\n", (long long)slowest_ms);
}

static void a_missing_executable_uses_no_attempt(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);
    pool_worker(pool, "--config", write_config(pool, "handlers:\n  gone: [/no/such/program, x]\n  folder: [/tmp]\n"), NULL);

    const struct job *job = run_job(pool, "gone");
    assert_string_equal(job->place, "scheduled");
    assert_int_equal(job->state.attempt, 0);
    assert_string_equal(job_last_attempt(job)->report.error, "cannot start /no/such/program: No such file or directory");
    job = run_job(pool, "folder");
    assert_int_equal(job->state.attempt, 0);
    assert_string_equal(job_last_attempt(job)->report.error, "cannot start /tmp: Permission denied");
}

/* Traces the handler of job "hangs": its parent does not see its end before we do. It looks like a process that cannot be killed.
 */
static pid_t hold_in_the_kernel(struct pool *pool)
{
    pid_t pid;

    WAIT_UNTIL((pid = (pid_t)atoi(pool_file(pool, "hangs"))) > 0);
    assert_int_equal(ptrace(PTRACE_SEIZE, pid, NULL, NULL), 0);
    return pid;
}

static void GA_13_what_runs_too_long_is_stopped(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);
    pool_worker(pool, "--config",
                write_config(pool, "handlers:\n"
                                   "  obeys: {command: \"trap 'echo bye >&2; exit 3' TERM; sleep 60 & wait\", timeout: 300ms}\n"
                                   "  deaf: {command: \"trap '' TERM; while :; do sleep 0.05; done\", timeout: 300ms}\n"
                                   "  floods: {command: \"yes | head -c 60000000; sleep 60\", timeout: 300ms}\n"
                                   "  hangs: {command: \"echo $$ > $HOME/hangs; exec sleep 600\", timeout: 1s}\n"),
                "--slots", "5", NULL);
    int64_t started_mono_ms = clock_mono_ms();
    pool_push(pool, "acme", "deaf", "deaf", "");
    pool_push(pool, "acme", "hangs", "hangs", "");
    pid_t undead = hold_in_the_kernel(pool);

    const struct job *job = run_job(pool, "obeys");
    assert_string_equal(job_last_attempt(job)->outcome, "timed_out");
    assert_int_equal(job->state.attempt, 1);
    assert_int_equal(job->state.crashes, 0);
    assert_int_equal(job_last_attempt(job)->report.exit, 3);
    job = run_job(pool, "floods");
    assert_string_equal(job_last_attempt(job)->outcome, "timed_out");
    assert_string_equal(pool_place(pool, "acme", "deaf"), "running");

    WAIT_UNTIL(pool_job(pool, "acme", "deaf")->state.attempt == 1);
    job = pool_job(pool, "acme", "deaf");
    assert_string_equal(job_last_attempt(job)->outcome, "timed_out");
    assert_int_equal(job_last_attempt(job)->report.signal, SIGKILL);
    assert_true(clock_mono_ms() - started_mono_ms >= 10300);
    assert_true(awake_ms_since(started_mono_ms) <= 11300);

    WAIT_UNTIL(pool_job(pool, "acme", "hangs")->state.attempt == 1);
    assert_string_equal(job_last_attempt(pool_job(pool, "acme", "hangs"))->outcome, "timed_out");
    assert_true(clock_mono_ms() - started_mono_ms >= 16000);
    assert_true(awake_ms_since(started_mono_ms) <= 17000);
    waitpid(undead, NULL, __WALL);
    assert_false(pid_runs(undead));
}

/* What has finished is done, although it was told to stop before: by its time-out, or by a cancel. */
static void what_finishes_after_a_term_is_done(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);
    pool_worker(pool, "--session-timeout", "3s", "--session-beat", "300ms", "--config",
                write_config(pool, "handlers:\n"
                                   "  late: {command: \"trap 'echo all; exit 0' TERM; sleep 60 & wait\", timeout: 300ms}\n"
                                   "  unmoved: \"trap 'echo all; exit 0' TERM; echo > $HOME/unmoved; sleep 60 & wait\"\n"),
                NULL);

    const struct job *job = run_job(pool, "late");
    assert_string_equal(job->place, "done");
    assert_string_equal(job_last_attempt(job)->outcome, "done");
    assert_null(job_last_attempt(job)->report.error);
    assert_string_equal(pool_result(pool, "acme", "late"), "all\n");

    pool_push(pool, "acme", "unmoved", "unmoved", "");
    WAIT_UNTIL(pool_file(pool, "unmoved")[0]);
    assert_string_equal(pool_call(pool, 0, "cancel", "tester acme unmoved")->str, "cancelling");
    WAIT_UNTIL(pool_job(pool, "acme", "unmoved")->state.attempt_count == 1);
    assert_string_equal(pool_place(pool, "acme", "unmoved"), "done");
    assert_string_equal(pool_result(pool, "acme", "unmoved"), "all\n");
}

/* ---- what it gets ---- */

static void the_payload_is_its_standard_input(void **state)
{
    struct pool *pool = *state;
    const size_t large = 1000000;
    char *bytes = memory_new(large), all[256];
    const char *path = pool_path(pool, "payload");
    for (size_t i = 0; i < large; i++)
        bytes[i] = (char)(i * 2654435761u >> 13);
    for (int i = 0; i < 256; i++)
        all[i] = (char)i;
    pool_scheduler(pool, NULL);
    pool_worker(pool, "--on", pool_text(pool, "copy=tee %s | wc -c", path), "--on", "deaf=echo not read", NULL);

    push_bytes(pool, "empty", "copy", "", 0);
    pool_wait_place(pool, "acme", "empty", "done");
    assert_string_equal(pool_result(pool, "acme", "empty"), "0\n");

    push_bytes(pool, "binary", "copy", all, sizeof all);
    pool_wait_place(pool, "acme", "binary", "done");
    assert_string_equal(pool_result(pool, "acme", "binary"), "256\n");
    assert_memory_equal(pool_file(pool, "payload"), all, sizeof all);

    push_bytes(pool, "large", "copy", bytes, large);
    pool_wait_place(pool, "acme", "large", "done");
    assert_string_equal(pool_result(pool, "acme", "large"), "1000000\n");
    assert_memory_equal(pool_file(pool, "payload"), bytes, large);

    push_bytes(pool, "unread", "deaf", bytes, large);
    pool_wait_place(pool, "acme", "unread", "done");
    assert_string_equal(pool_result(pool, "acme", "unread"), "not read\n");
    free(bytes);
}

static bool is_allowed(const char *line)
{
    static const char *const names[] = {"PATH=", "HOME=", "LANG=", "TZ=", "TMPDIR=", "ROTA_"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strncmp(line, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

static void its_environment_is_built_from_nothing(void **state)
{
    static const char *const ours[] = {"REDIS_URL=redis://:" CANARY "@127.0.0.1:1/0", "ROTA_LOG_LEVEL=debug",
                                       "AWS_SECRET_ACCESS_KEY=" CANARY, "LANG=C", NULL};
    struct pool *pool = *state;
    pool->environment = ours;
    pool_scheduler(pool, NULL);
    struct process *worker = pool_worker(pool, "--config", write_config(pool, "handlers:\n  env: [/usr/bin/env]\n"), NULL);

    run_job(pool, "env");

    char *text = memory_string(pool_result(pool, "acme", "env"));
    assert_null(strstr(text, CANARY));
    assert_null(strstr(text, server_socket(pool->server)));
    assert_null(strstr(text, "ROTA_LOG_LEVEL"));
    assert_non_null(strstr(text, "LANG=C\n"));
    assert_non_null(strstr(text, "ROTA_JOB_ID=env\n"));
    assert_non_null(strstr(text, "ROTA_ORG=acme\n"));
    assert_non_null(strstr(text, "ROTA_TYPE=env\n"));
    assert_non_null(strstr(text, "ROTA_QUEUE=default\n"));
    assert_non_null(strstr(text, "ROTA_ATTEMPT=1\nROTA_MAX_ATTEMPTS=25\n"));
    assert_non_null(strstr(text, "ROTA_DELIVERY=1\nROTA_IDEMPOTENCY_KEY=env\n"));
    assert_non_null(strstr(text, "ROTA_TIMEOUT_MS=60000\n"));
    assert_non_null(strstr(text, pool_text(pool, "ROTA_WORKER_ID=%s\n", pool_session(pool, worker, 0))));
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
        if (!is_allowed(line))
            fail_msg("a handler must not see %s", line);
    free(text);
}

static void it_has_four_descriptors_and_default_signals(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);
    pool_worker(pool, "--config",
                write_config(pool, "handlers:\n"
                                   "  descriptors: [/bin/ls, /proc/self/fd]\n"
                                   "  signals: [/bin/grep, -E, \"^Sig(Blk|Ign)\", /proc/self/status]\n"),
                "--on", "group=cut -d' ' -f1,5 /proc/$$/stat; echo $$", NULL);
    unsigned pid, group, again;

    run_job(pool, "descriptors");
    assert_string_equal(pool_result(pool, "acme", "descriptors"), "0\n1\n2\n3\n4\n"); /* 4 is the folder that ls reads */
    run_job(pool, "signals");
    assert_string_equal(pool_result(pool, "acme", "signals"), "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
    run_job(pool, "group");
    assert_int_equal(sscanf(pool_result(pool, "acme", "group"), "%u %u %u", &pid, &group, &again), 3);
    assert_int_equal(pid, group);
}

/* ---- what it does with its output ---- */

static void closing_stdout_early_does_no_harm(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);
    pool_worker(pool, "--on", "mute=exec >&- 2>&-; sleep 0.2; exit 0", NULL);

    assert_string_equal(run_job(pool, "mute")->place, "done");
    assert_string_equal(pool_result(pool, "acme", "mute"), "");
}

static long peak_kib(const struct process *process)
{
    char *path = memory_format("/proc/%d/status", (int)process_pid(process)), *text = file_text(path);
    long kib = 0;

    sscanf(strstr(text, "VmHWM:"), "VmHWM: %ld", &kib);
    free(path);
    free(text);
    return kib;
}

/* The worker does not grow by more than 1 MiB for each slot. Under a sanitizer memory that was freed is kept aside. */
static void a_flood_of_output_is_bounded(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);
    struct process *worker = pool_worker(
        pool, "--slots", "2", "--on", "calm=echo", "--on", "out=head -c 60000000 /dev/zero | tr '\\0' x", "--on",
        "err=head -c 60000000 /dev/zero | tr '\\0' y >&2; echo end >&2; exit 1", "--on", "lines=seq 7000000 >&2; exit 1", NULL);

    run_job(pool, "calm");
    long before_kib = peak_kib(worker);
    run_job(pool, "out");
    assert_int_equal(job_last_attempt(pool_job(pool, "acme", "out"))->report.result_bytes, JOB_RESULT_BYTES_MAX);
    run_job(pool, "err");
    const char *error = job_last_attempt(pool_job(pool, "acme", "err"))->report.error;
    assert_in_range(strlen(error), 900, JOB_ERROR_BYTES_MAX);
    assert_string_equal(error + strlen(error) - 4, "yend");
    run_job(pool, "lines");
    error = job_last_attempt(pool_job(pool, "acme", "lines"))->report.error;
    assert_string_equal(error + strlen(error) - 15, "6999999\n7000000");
    long grown_kib = peak_kib(worker) - before_kib;
    print_message("  grown by %ld KiB\n", grown_kib);
#ifdef __SANITIZE_ADDRESS__
    assert_in_range(grown_kib, 0, 300000);
#else
    assert_in_range(grown_kib, 0, 2 * 1024);
#endif
}

static void who_writes_without_end_is_ended(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);
    pool_worker(pool, "--on", "out=head -c 200000000 /dev/zero", "--on", "err=trap '' TERM; yes >&2 & yes; true", "--on",
                "control=yes >&3", NULL);
    static const char *const types[] = {"out", "err", "control"};

    for (size_t i = 0; i < 3; i++) {
        const struct job *job = run_job(pool, types[i]);
        assert_string_equal(job->place, "scheduled");
        assert_int_equal(job->state.attempt, 1);
        assert_int_equal(job->state.crashes, 0);
        assert_non_null(strstr(job_last_attempt(job)->report.error, "wrote more than 67108864 bytes"));
        WAIT_UNTIL(pool_handlers(pool) == 0);
    }
}

/* ---- what it leaves behind ---- */

static void a_grandchild_that_holds_the_pipe_is_not_waited_for(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);
    pool_worker(pool, "--on", "leaves=sleep 600 & echo ok", "--on", "escapes=setsid sleep 3 & echo ok", NULL);
    int64_t started_mono_ms = clock_mono_ms();

    run_job(pool, "leaves");
    assert_string_equal(pool_result(pool, "acme", "leaves"), "ok\n");
    WAIT_UNTIL_MS(1000, pool_handlers(pool) == 0);
    run_job(pool, "escapes");
    assert_string_equal(pool_result(pool, "acme", "escapes"), "ok\n");
    assert_in_range(awake_ms_since(started_mono_ms), 0, 2000);
    WAIT_UNTIL(pool_handlers(pool) == 0);
}

static unsigned scratch_folders(struct pool *pool)
{
    DIR *directory = opendir(pool->directory);
    const struct dirent *entry;
    unsigned count = 0;

    if (!directory)
        abort();
    while ((entry = readdir(directory)))
        count += strncmp(entry->d_name, "rota-", 5) == 0 && !strchr(entry->d_name, '.');
    closedir(directory);
    return count;
}

static void nothing_of_a_handler_survives_its_worker(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);
    struct process *worker = pool_worker(
        pool, "--on", "tree=(sleep 600; true) & (trap '' TERM HUP; sleep 600; true) & sleep 600; true", "--on",
        "away=touch file; setsid sh -c \"trap '' TERM HUP; (setsid sleep 600 &) ; sleep 600; true\" & sleep 600; true",
        "--worker-scratch", pool->directory, NULL);
    for (int i = 0; i < 4; i++)
        pool_push(pool, "acme", pool_text(pool, "job%d", i), i % 2 ? "tree" : "away", "");
    WAIT_UNTIL(pool_handlers(pool) == 2 * 6 + 2 * 5);
    assert_int_equal(scratch_folders(pool), 1);

    process_kill(worker);

    WAIT_UNTIL_MS(1000, pool_handlers(pool) == 0);
    WAIT_UNTIL(scratch_folders(pool) == 0);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        POOL_TEST(the_exit_code_is_the_verdict),
        POOL_TEST(a_killed_handler_is_reported_within_a_second),
        POOL_TEST(a_missing_executable_uses_no_attempt),
        POOL_TEST(GA_13_what_runs_too_long_is_stopped),
        POOL_TEST(what_finishes_after_a_term_is_done),
        POOL_TEST(the_payload_is_its_standard_input),
        POOL_TEST(its_environment_is_built_from_nothing),
        POOL_TEST(it_has_four_descriptors_and_default_signals),
        POOL_TEST(closing_stdout_early_does_no_harm),
        POOL_TEST(a_flood_of_output_is_bounded),
        POOL_TEST(who_writes_without_end_is_ended),
        POOL_TEST(a_grandchild_that_holds_the_pipe_is_not_waited_for),
        POOL_TEST(nothing_of_a_handler_survives_its_worker),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return stall_verdict(cmocka_run_group_tests_name("handler", tests, NULL, NULL));
}
