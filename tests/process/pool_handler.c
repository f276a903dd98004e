/* pool_handler - handlers that live on: their jobs, their ends, their replacement; and the examples of docs/HANDLERS.md. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/memory.h"
#include "tests/support/pool.h"

/* Does what the payload says. $1: how many jobs it takes at once. */
static const char script[] =
    "field() { printf '%s\\n' \"$line\" | sed -n 's/.*[{,]\"'\"$1\"'\":\"\\([^\"]*\\)\"[,}].*/\\1/p'; }\n"
    "end() { echo '{\"op\":\"done\",\"id\":\"'\"$(field id)\"'\",\"verdict\":'\"$1\"'}' >&3; }\n"
    "echo '{\"op\":\"hello\",\"contract\":1,\"max_inflight\":'$1'}' >&3\n"
    "while IFS= read -r line; do\n"
    "  printf '%s\\n' \"$line\" >> $HOME/frames\n"
    "  case $line in '{\"op\":\"job\"'*) ;; *) continue ;; esac\n"
    "  case $(field payload) in\n"
    "  pid) end '\"ok\",\"result\":'$$ ;;\n"
    "  hang) (setsid sleep 600 &) ;;\n"
    "  exit) echo bye >&2; exit 3 ;;\n"
    "  segv) kill -SEGV $$ ;;\n"
    "  leave) end '\"ok\"'; exit 0 ;;\n"
    "  retry) echo why >&2; end '\"retry\",\"after_ms\":60000' ;;\n"
    "  dead) end '\"dead\",\"error\":\"no use\"' ;;\n"
    "  discard) end '\"discard\"' ;;\n"
    "  nonsense) echo nonsense >&3; echo '{\"op\":1}' >&3; end '\"maybe\"'; end '\"ok\",\"result\":\"fine\"' ;;\n"
    "  flood) end '\"ok\"'; (exec yes >&2) & ;;\n"
    "  clean) then='sleep 0.3; echo clean > $HOME/clean'; end '\"ok\"' ;;\n"
    "  trap) trap 'echo term > $HOME/term; exit' TERM; then='while :; do sleep 0.05; done'; end '\"ok\"' ;;\n"
    "  stay) trap '' TERM; then='while :; do sleep 0.05; done'; end '\"ok\"' ;;\n"
    "  *) end '\"ok\",\"result\":\"'\"$(field payload_path)$(field payload_b64)\"'\"' ;;\n"
    "  esac\n"
    "done <&3\n"
    "eval \"$then\"\n";

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    if (!file)
        abort();
    fputs(text, file);
    fclose(file);
}

/* A worker with a handler of type t that runs the script; `inflight` jobs at once, and `more` in its configuration. */
static struct process *start_worker(struct pool *pool, int inflight, const char *more)
{
    const char *path = pool_path(pool, "rota.yaml"), *code = pool_path(pool, "script");

    write_file(code, script);
    write_file(path, pool_text(pool, "handlers:\n  t: {mode: pool, command: [/bin/sh, %s, \"%d\"], kill_after: 200ms%s}\n", code,
                               inflight, more));
    pool_scheduler(pool, NULL);
    return pool_worker(pool, "--slots", "4", "--config", path, NULL);
}

static const struct job *wait_ended(struct pool *pool, const char *org, const char *id)
{
    WAIT_UNTIL(pool_job(pool, org, id)->state.attempt_count >= 1);
    return pool_job(pool, org, id);
}

/* The number of the process that runs a job of `org`. */
static int ask_pid(struct pool *pool, const char *org)
{
    static int number;
    const char *id = pool_text(pool, "pid%d", number++);

    pool_push(pool, org, id, "t", "pid");
    pool_wait_place(pool, org, id, "done");
    return atoi(pool_result(pool, org, id));
}

static const struct job *run_job(struct pool *pool, const char *payload)
{
    pool_push(pool, "acme", payload, "t", payload);
    return wait_ended(pool, "acme", payload);
}

/* ---- its jobs ---- */

static void one_process_runs_many_jobs(void **state)
{
    struct pool *pool = *state;
    start_worker(pool, 1, "");
    int pid = ask_pid(pool, "acme");

    for (int i = 0; i < 20; i++)
        assert_int_equal(ask_pid(pool, i % 2 ? "acme" : "zeta"), pid);
    const char *frame = pool_file(pool, "frames");
    assert_ptr_equal(strstr(frame, "{\"op\":\"job\",\"id\":\"acme/pid0\","), frame);
    assert_non_null(strstr(frame, ",\"contract\":1,"));
    assert_non_null(strstr(frame, ",\"job_id\":\"pid0\""));
    assert_non_null(strstr(frame, ",\"org\":\"acme\""));
    assert_non_null(strstr(frame, ",\"attempt\":1,"));
    assert_non_null(strstr(frame, ",\"payload\":\"pid\"}"));
}

static void its_word_is_the_verdict(void **state)
{
    struct pool *pool = *state;
    start_worker(pool, 1, "");

    const struct job *job = run_job(pool, "retry");
    assert_string_equal(job->place, "scheduled");
    assert_string_equal(job_last_attempt(job)->outcome, "failed");
    assert_non_null(strstr(job_last_attempt(job)->report.error, "why")); /* it was written while it had this job */
    job = run_job(pool, "dead");
    assert_string_equal(job->place, "dead");
    assert_non_null(strstr(job_last_attempt(job)->report.error, "no use"));
    assert_string_equal(job_last_attempt(run_job(pool, "discard"))->outcome, "discarded");
    run_job(pool, "nonsense");
    assert_string_equal(pool_result(pool, "acme", "nonsense"), "fine");
}

static void a_payload_that_is_no_text_goes_in_base64_and_a_large_one_in_a_file(void **state)
{
    struct pool *pool = *state;
    struct job_record record = {.type = "t", .payload = "\xff\0\x01", .payload_bytes = 3, .has_payload = true};
    start_worker(pool, 1, "");

    pool_push_record(pool, "acme", "binary", &record);
    wait_ended(pool, "acme", "binary");
    assert_string_equal(pool_result(pool, "acme", "binary"), "/wAB");
    char *large = memory_new(400000);
    memset(large, 'x', 400000);
    record.payload = large;
    record.payload_bytes = 400000;
    pool_push_record(pool, "acme", "large", &record);
    wait_ended(pool, "acme", "large");
    const char *path = pool_result(pool, "acme", "large");
    assert_non_null(strstr(path, "/payload-1"));
    assert_int_equal(access(path, F_OK), -1); /* gone with its job */
    free(large);
}

/* ---- its end ---- */

static void an_end_between_jobs_is_normal_and_during_a_job_a_crash(void **state)
{
    static const char *const ends[] = {"exit", "segv"};
    static const char *const words[] = {"has ended with exit 3", "was killed by signal 11"};
    struct pool *pool = *state;
    start_worker(pool, 1, "");
    int pid = ask_pid(pool, "acme");

    assert_string_equal(run_job(pool, "leave")->place, "done");
    WAIT_UNTIL(!pid_runs(pid));
    int next = ask_pid(pool, "acme");
    assert_int_not_equal(next, pid);
    for (size_t i = 0; i < 2; i++) {
        const struct job *job = run_job(pool, ends[i]);
        assert_string_equal(job_last_attempt(job)->outcome, "crashed");
        assert_int_equal(job->state.crashes, 1);
        assert_non_null(strstr(job_last_attempt(job)->report.error, words[i]));
    }
    assert_int_not_equal(ask_pid(pool, "acme"), next);
}

/* The process ends with it; what else it had goes back, and counts no attempt. */
static void a_time_out_costs_the_others_no_attempt(void **state)
{
    struct pool *pool = *state;
    struct job_record record = {.type = "t", .payload = "hang", .payload_bytes = 4, .has_payload = true, .timeout_ms = 1500};
    start_worker(pool, 2, "");
    ask_pid(pool, "acme");

    pool_push(pool, "acme", "other", "t", "hang"); /* it has a minute */
    WAIT_UNTIL(strstr(pool_file(pool, "frames"), "acme/other"));
    pool_push_record(pool, "acme", "slow", &record);
    const struct job *job = wait_ended(pool, "acme", "slow");

    assert_string_equal(job_last_attempt(job)->outcome, "timed_out");
    assert_non_null(strstr(pool_file(pool, "frames"), "{\"op\":\"cancel\",\"id\":\"acme/slow\"}\n"));
    WAIT_UNTIL(pool_job(pool, "acme", "other")->state.deliveries == 2); /* and it runs again */
    job = pool_job(pool, "acme", "other");
    assert_int_equal(job->state.attempt, 0);
    assert_int_equal(job->state.crashes, 0);
}

static void who_does_not_say_hello_is_broken(void **state)
{
    struct pool *pool = *state;
    const char *path = pool_path(pool, "rota.yaml");
    write_file(path, "handlers:\n  t: {mode: pool, command: [/bin/sh, -c, 'echo sorry; exit 7']}\n"
                     "  gone: {mode: pool, command: [/no/such/program]}\n");
    pool_scheduler(pool, NULL);
    pool_worker(pool, "--config", path, NULL);

    const struct job *job = run_job(pool, "x");
    assert_int_equal(job->state.attempt, 0);
    assert_non_null(strstr(job_last_attempt(job)->report.error, "has ended with exit 7"));
    pool_push(pool, "acme", "gone", "gone", "");
    job = wait_ended(pool, "acme", "gone");
    assert_int_equal(job->state.attempt, 0);
    assert_non_null(strstr(job_last_attempt(job)->report.error, "No such file or directory"));
}

/* Waiting for it is not running: whatever the time-out, it costs nobody an attempt. */
static void who_hangs_before_hello_is_broken(void **state)
{
    struct pool *pool = *state;
    const char *path = pool_path(pool, "rota.yaml"), *code = pool_path(pool, "script");
    write_file(code, script);
    write_file(path, "handlers:\n  t: {mode: pool, command: [/bin/sh, -c, 'exec sleep 600'], timeout: 300ms, attempts: 1}\n");
    pool_scheduler(pool, NULL);
    struct process *worker = pool_worker(pool, "--slots", "4", "--config", path, NULL);
    pool_push(pool, "acme", "a", "t", "pid");
    pool_push(pool, "acme", "b", "t", "pid");
    pool_push(pool, "zeta", "c", "t", "pid");

    process_wait_for(worker, "handler is broken, taking no jobs of its type");
    assert_non_null(strstr(process_said(worker, "handler is broken"), "it did not say hello"));
    wait_ended(pool, "acme", "a");
    wait_ended(pool, "acme", "b");
    const struct job *job = wait_ended(pool, "zeta", "c");
    assert_string_equal(job_last_attempt(job)->outcome, "released");
    assert_int_equal(job->state.attempt, 0);
    assert_int_equal(job->state.crashes, 0);
    process_signal(worker, SIGTTIN);
    assert_non_null(strstr(process_wait_for(worker, "dump: broken"), "types=\"t "));

    write_file(path, pool_text(pool, "handlers:\n  t: {mode: pool, command: [/bin/sh, %s, \"1\"]}\n", code));
    process_signal(worker, SIGHUP);
    pool_wait_place(pool, "acme", "a", "done");
    pool_wait_place(pool, "acme", "b", "done");
    pool_wait_place(pool, "zeta", "c", "done");
    assert_int_equal(pool_job(pool, "zeta", "c")->state.deliveries, 2);
}

/* It takes a second to say hello; the time-out is shorter. */
static void its_time_begins_when_a_process_has_it(void **state)
{
    struct pool *pool = *state;
    const char *path = pool_path(pool, "rota.yaml"), *code = pool_path(pool, "script");
    struct job_record record = {.type = "t", .payload = "pid", .payload_bytes = 3, .has_payload = true, .timeout_ms = 900};
    write_file(code, script);
    write_file(path, pool_text(pool, "handlers:\n  t: {mode: pool, command: [/bin/sh, -c, 'sleep 1; . %s', sh, \"1\"]}\n", code));
    pool_scheduler(pool, NULL);
    pool_worker(pool, "--config", path, NULL);

    pool_push_record(pool, "acme", "a", &record);
    pool_wait_place(pool, "acme", "a", "done");

    const struct job *job = pool_job(pool, "acme", "a");
    const char *deadline = strstr(pool_file(pool, "frames"), "\"deadline_ms\":");
    assert_non_null(deadline);
    assert_true(strtoll(deadline + 14, NULL, 10) >= job->state.started_ms + 1900);
}

/* ---- its replacement ---- */

static void it_is_replaced_after_so_many_jobs(void **state)
{
    struct pool *pool = *state;
    start_worker(pool, 1, ", pool: {max_jobs: 3}");
    int pids[6];

    for (int i = 0; i < 6; i++)
        pids[i] = ask_pid(pool, "acme");
    assert_int_equal(pids[0], pids[2]);
    assert_int_not_equal(pids[2], pids[3]);
    assert_int_equal(pids[3], pids[5]);
    WAIT_UNTIL(!pid_runs(pids[0]));
    assert_non_null(strstr(pool_file(pool, "frames"), "{\"op\":\"drain\"}"));
}

static void it_is_replaced_when_it_is_old_or_large(void **state)
{
    static const char *const settings[] = {", pool: {max_age: 1s}", ", pool: {max_rss: 1MiB}"};
    struct pool *pool = *state;
    const char *path = pool_path(pool, "rota.yaml");
    struct process *worker = start_worker(pool, 1, settings[0]);
    int pid = ask_pid(pool, "acme");

    WAIT_UNTIL(!pid_runs(pid));
    write_file(path, pool_text(pool, "handlers:\n  t: {mode: pool, command: [/bin/sh, %s, \"1\"]%s}\n", pool_path(pool, "script"),
                               settings[1]));
    process_signal(worker, SIGHUP); /* and so is one whose handler was changed */
    pid = ask_pid(pool, "acme");
    WAIT_UNTIL(!pid_runs(pid));
}

static void it_may_belong_to_one_organization(void **state)
{
    struct pool *pool = *state;
    start_worker(pool, 1, ", pool: {per_org: true}");
    int acme = ask_pid(pool, "acme"), zeta = ask_pid(pool, "zeta");

    assert_int_not_equal(acme, zeta);
    assert_int_equal(ask_pid(pool, "acme"), acme);
    assert_int_equal(ask_pid(pool, "zeta"), zeta);
}

static void nothing_of_it_survives_its_worker(void **state)
{
    struct pool *pool = *state;
    struct process *worker = start_worker(pool, 1, "");
    pool_push(pool, "acme", "hang", "t", "hang");
    WAIT_UNTIL(pool_handlers(pool) >= 2);

    process_kill(worker);

    WAIT_UNTIL_MS(1000, pool_handlers(pool) == 0);
}

/* What is idle ends in its own way: at the end of the stream, or a second later by TERM; what is deaf is killed. */
static void a_stop_lets_idle_ones_clean_up(void **state)
{
    struct pool *pool = *state;
    struct process *worker = start_worker(pool, 1, ", pool: {per_org: true}");
    pool_push(pool, "acme", "a", "t", "clean");
    pool_push(pool, "zeta", "z", "t", "trap");
    pool_push(pool, "yota", "y", "t", "stay");
    pool_wait_place(pool, "acme", "a", "done");
    pool_wait_place(pool, "zeta", "z", "done");
    pool_wait_place(pool, "yota", "y", "done");
    assert_int_equal(access(pool_path(pool, "clean"), F_OK), -1);

    process_signal(worker, SIGTERM);

    assert_int_equal(process_wait(worker, PROCESS_MS_MAX), 0);
    assert_string_equal(pool_file(pool, "clean"), "clean\n");
    assert_string_equal(pool_file(pool, "term"), "term\n");
    assert_non_null(strstr(pool_file(pool, "frames"), "{\"op\":\"drain\"}"));
}

/* The second signal does not wait. */
static void a_stop_at_once_kills_them(void **state)
{
    struct pool *pool = *state;
    const char *path = pool_path(pool, "rota.yaml"), *code = pool_path(pool, "script");
    write_file(code, script);
    write_file(path, pool_text(pool, "handlers:\n  t: {mode: pool, command: [/bin/sh, %s, \"1\"], kill_after: 60s}\n", code));
    pool_scheduler(pool, NULL);
    struct process *worker = pool_worker(pool, "--config", path, NULL);
    pool_push(pool, "acme", "a", "t", "stay");
    pool_wait_place(pool, "acme", "a", "done");

    process_signal(worker, SIGTERM);
    WAIT_UNTIL(strstr(pool_file(pool, "frames"), "{\"op\":\"drain\"}"));
    assert_true(process_runs(worker));
    process_signal(worker, SIGTERM);

    assert_int_equal(process_wait(worker, PROCESS_MS_MAX), 0);
}

/* Each has a process of its own for its organization, and ends only by KILL, in a minute: two new ones need two places. */
static void those_that_wait_for_a_place_do_not_wait_for_each_other(void **state)
{
    static const char *const orgs[] = {"a", "b", "c", "d"};
    struct pool *pool = *state;
    const char *path = pool_path(pool, "rota.yaml"), *code = pool_path(pool, "script");
    write_file(code, script);
    write_file(path, pool_text(pool,
                               "handlers:\n  t: {mode: pool, command: [/bin/sh, %s, \"1\"], kill_after: 60s, "
                               "pool: {per_org: true}}\n",
                               code));
    pool_scheduler(pool, NULL);
    pool_worker(pool, "--slots", "2", "--config", path, NULL);
    for (int i = 0; i < 4; i++) {
        pool_push(pool, orgs[i], "x", "t", "stay");
        pool_wait_place(pool, orgs[i], "x", "done");
    }

    pool_push(pool, "e", "x", "t", "pid");
    pool_push(pool, "f", "x", "t", "pid");

    const char *first;
    WAIT_UNTIL((first = strstr(pool_file(pool, "frames"), "\"drain\"")) && strstr(first + 1, "\"drain\""));
}

/* ---- what it prints ---- */

/* It belongs to no job, and yet it has an end. The other job goes back and uses no attempt. */
static void what_it_prints_has_a_ceiling_beside_its_jobs_too(void **state)
{
    struct pool *pool = *state;
    struct process *worker = start_worker(pool, 2, ", log_hard_max: 1MiB");
    int pid = ask_pid(pool, "acme");
    pool_push(pool, "acme", "other", "t", "hang");
    WAIT_UNTIL(strstr(pool_file(pool, "frames"), "acme/other"));

    pool_push(pool, "zeta", "flood", "t", "flood");

    WAIT_UNTIL(!pid_runs(pid));
    process_wait_for(worker, "a long-lived handler writes too much, and is killed");
    const struct job *job = wait_ended(pool, "acme", "other");
    assert_int_equal(job->state.attempt, 0);
    assert_int_equal(job->state.crashes, 0);
    const char *error = job->state.attempts[0].report.error;
    assert_non_null(strstr(error, "its long-lived handler was killed by signal 9: runaway-log: wrote more than 1048576 bytes"));
    assert_null(strstr(error, "exit -1"));
}

static void what_it_prints_between_jobs_has_the_same_ceiling(void **state)
{
    struct pool *pool = *state;
    struct process *worker = start_worker(pool, 1, ", log_hard_max: 1MiB");
    int pid = ask_pid(pool, "acme");

    assert_string_equal(run_job(pool, "flood")->place, "done");

    WAIT_UNTIL(!pid_runs(pid));
    process_wait_for(worker, "a long-lived handler writes too much, and is killed");
    assert_int_not_equal(ask_pid(pool, "acme"), pid);
}

/* ---- the examples ---- */

static void the_examples_do_their_jobs(void **state)
{
    static const char *const commands[] = {"/usr/bin/env, python3, " EXAMPLES_PATH "/words.py",
                                           "/usr/bin/env, perl, " EXAMPLES_PATH "/words.pl",
                                           "/bin/sh, " EXAMPLES_PATH "/words.sh", PROGRAMS_PATH "/example_words"};
    static const char *const checks[] = {"python3 -c 'import json'", "perl -MJSON::PP -MMIME::Base64 -e 1", "true", "true"};
    struct pool *pool = *state;
    const char *path = pool_path(pool, "rota.yaml");
    char *text = memory_string("handlers:\n");

    for (int i = 0; i < 4; i++) {
        char *more = memory_format("%s  t%d: {mode: pool, command: [%s]}\n", text, i, commands[i]);
        free(text);
        text = more;
    }
    write_file(path, text);
    free(text);
    pool_scheduler(pool, NULL);
    pool_worker(pool, "--config", path, NULL);
    for (int i = 0; i < 4; i++) {
        if (system(pool_text(pool, "%s >/dev/null 2>&1", checks[i])) != 0) {
            print_message("  SKIPPED, not installed: %s\n", checks[i]);
            continue;
        }
        print_message("  %s\n", commands[i]);
        for (int j = 0; j < 3; j++) {
            const char *id = pool_text(pool, "job%d-%d", i, j), *type = pool_text(pool, "t%d", i);
            pool_push(pool, "acme", id, type, j == 0 ? "" : j == 1 ? "one" : "one two  three");
            pool_wait_place(pool, "acme", id, "done");
            char *words = memory_format("{\"words\":%d}", j == 0 ? 0 : 2 * j - 1);
            assert_string_equal(pool_result(pool, "acme", id), words);
            free(words);
        }
    }
}

/* docs/HANDLERS.md shows the one that is run here. */
static void the_docs_show_the_example(void **state)
{
    char *docs = file_text(DOCS_PATH "/HANDLERS.md"), *code = file_text(EXAMPLES_PATH "/words.py");

    (void)state;
    assert_true(code[0] != '\0');
    assert_non_null(strstr(docs, code));
    free(docs);
    free(code);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_process_runs_many_jobs, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(its_word_is_the_verdict, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(a_payload_that_is_no_text_goes_in_base64_and_a_large_one_in_a_file, pool_setup,
                                        pool_teardown),
        cmocka_unit_test_setup_teardown(an_end_between_jobs_is_normal_and_during_a_job_a_crash, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(a_time_out_costs_the_others_no_attempt, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(who_does_not_say_hello_is_broken, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(who_hangs_before_hello_is_broken, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(its_time_begins_when_a_process_has_it, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(it_is_replaced_after_so_many_jobs, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(it_is_replaced_when_it_is_old_or_large, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(it_may_belong_to_one_organization, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(nothing_of_it_survives_its_worker, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(a_stop_lets_idle_ones_clean_up, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(a_stop_at_once_kills_them, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(those_that_wait_for_a_place_do_not_wait_for_each_other, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(what_it_prints_has_a_ceiling_beside_its_jobs_too, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(what_it_prints_between_jobs_has_the_same_ceiling, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(the_examples_do_their_jobs, pool_setup, pool_teardown),
        cmocka_unit_test(the_docs_show_the_example),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return stall_verdict(cmocka_run_group_tests_name("pool_handler", tests, NULL, NULL));
}
