/* `rota job` - looking at jobs: lists, one of them, its end and its result. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "tests/process/cli_work.h"

/* ---- list and show ---- */

static void jobs_are_listed_by_state(void **state)
{
    struct pool *pool = *state;
    struct ran ran;

    pool_push(pool, "acme", "a1", "t", "");
    push_later(pool, "a2");
    pool_push(pool, "globex", "g1", "u", "");
    ROTA_MUST(pool, 0, "push", "acme", "v", "--id", "a3", "--queue", "mail");

    ran = ROTA_MUST(pool, 0, "job", "list");
    assert_int_equal(count_text(ran.out, "\n"), 5);
    assert_has(ran.out, "JOB ");
    assert_has(ran.out, "acme/a1 ");
    assert_has(ran.out, "globex/g1 ");
    ran = ROTA_MUST(pool, 0, "job", "list", "acme", "--state", "scheduled", "-o", "ndjson");
    assert_int_equal(count_text(ran.out, "\n"), 1);
    assert_has(ran.out, "\"job\":\"acme/a2\"");
    ran = ROTA_MUST(pool, 0, "job", "ls", "acme", "--queue", "mail", "-o", "ndjson");
    assert_int_equal(count_text(ran.out, "\n"), 1);
    assert_has(ran.out, "\"job\":\"acme/a3\"");
    ran = ROTA_MUST(pool, 0, "job", "list", "--type", "u", "-o", "ndjson");
    assert_int_equal(count_text(ran.out, "\n"), 1);
    assert_has(ran.out, "\"job\":\"globex/g1\"");
    ROTA_MUST(pool, EX_NOINPUT, "job", "list", "nobody");
    assert_has(ROTA_MUST(pool, EX_USAGE, "job", "list", "--state", "sleeping").err, "state \"sleeping\"");
}

static void jobs_of_one_queue_are_listed_in_any_state(void **state)
{
    struct pool *pool = *state;
    struct ran ran;

    push_later(pool, "later");
    ROTA_MUST(pool, 0, "push", "acme", "t", "--id", "ready", "--queue", "mail");
    ROTA_MUST(pool, 0, "push", "acme", "t", "--id", "mail-later", "--queue", "mail", "--in", "1h");
    ROTA_MUST(pool, 0, "push", "globex", "t", "--queue", "sms");

    ran = ROTA_MUST(pool, 0, "job", "list", "acme", "--queue", "mail", "--state", "scheduled", "-o", "ndjson");
    assert_int_equal(count_text(ran.out, "\n"), 1);
    assert_has(ran.out, "\"job\":\"acme/mail-later\"");
    ran = ROTA_MUST(pool, 0, "job", "list", "--queue", "mail", "-o", "ndjson");
    assert_int_equal(count_text(ran.out, "\n"), 2);
    ran = ROTA_MUST(pool, 0, "job", "list", "acme", "--queue", "default", "-o", "ndjson");
    assert_int_equal(count_text(ran.out, "\n"), 1);
    assert_has(ran.out, "\"job\":\"acme/later\"");
    assert_string_equal(ROTA_MUST(pool, 0, "job", "list", "acme", "--queue", "sms", "-o", "ndjson").out, "");
    assert_has(ROTA_MUST(pool, EX_NOINPUT, "job", "list", "--queue", "mial").err, "there is no queue mial");
    ROTA_MUST(pool, EX_USAGE, "job", "list", "--queue", "Mail");
}

static void long_lists_come_in_pages(void **state)
{
    struct pool *pool = *state;
    struct ran ran;
    json_t *jobs;

    pool_push_many(pool, "acme", "j", 1203, "t", "");
    ran = ROTA_MUST(pool, 0, "job", "list", "acme");
    assert_int_equal(count_text(ran.out, "\n"), 51);
    assert_has(ran.err, "50 of ");
    ran = ROTA_MUST(pool, 0, "job", "list", "acme", "--limit", "0", "--json");
    jobs = ran_json(&ran);
    assert_int_equal(json_array_size(jobs), 1203);
    assert_string_equal(json_text(json_array_get(jobs, 0), "id"), "j0000");
    assert_string_equal(json_text(json_array_get(jobs, 1202), "id"), "j1202");
    json_decref(jobs);
    ran = ROTA_MUST(pool, 0, "job", "list", "acme", "--limit", "1", "--newest", "-o", "ndjson");
    assert_has(ran.out, "\"job\":\"acme/j1202\"");
}

static void an_empty_list_is_a_list(void **state)
{
    struct pool *pool = *state;

    assert_string_equal(ROTA_MUST(pool, 0, "job", "list", "--json").out, "[]\n");
    assert_string_equal(ROTA_MUST(pool, 0, "job", "list", "-o", "ndjson").out, "");
}

static void a_job_is_shown_with_its_attempts(void **state)
{
    struct pool *pool = *state;
    struct process *worker = start_work(pool);
    const char *session = pool_session(pool, worker, lane_of("acme", 2));
    struct ran ran;
    json_t *job, *attempt;

    end_as(pool, "j1", "bad", "dead");
    ran = ROTA_MUST(pool, 0, "job", "show", "acme/j1", "--json", "--payload");
    job = ran_json(&ran);
    attempt = json_array_get(json_object_get(job, "attempts"), 0);
    assert_string_equal(json_text(job, "state"), "dead");
    assert_string_equal(json_text(job, "reason"), "handler");
    assert_string_equal(json_text(job, "error"), "exit 100: no luck");
    assert_string_equal(json_text(job, "worker"), session);
    assert_string_equal(json_text(job, "payload"), "payload");
    assert_int_equal(json_number(attempt, "exit"), 100);
    assert_string_equal(json_text(attempt, "outcome"), "failed");
    assert_string_equal(json_text(attempt, "worker"), session);
    assert_true(json_number(job, "finished_ms") >= json_number(job, "started_ms"));
    json_decref(job);

    ran = ROTA_MUST(pool, 0, "job", "show", "acme/j1");
    assert_has(ran.out, "state              dead\n");
    assert_has(ran.out, "error              exit 100: no luck\n");
    assert_has(ran.out, "ATTEMPT  WORKER");
    assert_has(ROTA_MUST(pool, EX_NOINPUT, "job", "show", "acme/j2").err, "rota: there is no job acme/j2");
    assert_has(ROTA_MUST(pool, EX_USAGE, "job", "show", "acme").err, "must be named org/id");
}

/* The tail of a long error begins with a whole character, however much was cut off. */
static void a_long_error_stays_text(void **state)
{
    struct pool *pool = *state;
    const char *lengths[] = {"500", "1000"}; /* cut at the end, and on the way */

    pool_scheduler(pool, NULL);
    pool_worker(pool, "--on", "500=printf '\\303\\251%.0s' $(seq 500) >&2; printf . >&2; exit 100", "--on",
                "1000=printf '\\303\\251%.0s' $(seq 1000) >&2; printf . >&2; exit 100", NULL);
    for (int i = 0; i < 2; i++) {
        struct ran ran;
        json_t *job;
        end_as(pool, lengths[i], lengths[i], "dead");
        ran = ROTA_MUST(pool, 0, "job", "show", pool_text(pool, "acme/%s", lengths[i]), "--json");
        job = ran_json(&ran);
        assert_has(json_text(job, "error"), "exit 100: \303\251\303\251");
        assert_int_equal(strlen(json_text(job, "error")), strlen("exit 100: ") + 959);
        json_decref(job);
    }
}

static void bytes_that_are_no_text_are_shown_escaped(void **state)
{
    struct pool *pool = *state;

    pool_scheduler(pool, NULL);
    pool_worker(pool, "--on", "bad=printf 'no \\377 luck' >&2; exit 100", "--on", "bin=printf '\\377\\000x'", NULL);
    end_as(pool, "j1", "bad", "dead");
    end_as(pool, "j2", "bin", "done");

    assert_has(ROTA_MUST(pool, 0, "job", "list").out, "exit 100: no \\xff luck\n");
    assert_has(ROTA_MUST(pool, 0, "dead", "list").out, "exit 100: no \\xff luck\n");
    assert_has(ROTA_MUST(pool, 1, "job", "wait", "acme/j1", "acme/j2").out, "exit 100: no \\xff luck\n");
    assert_has(ROTA_MUST(pool, 1, "job", "wait", "acme/j1", "acme/j2").out, "\\xff\\u0000x");
    assert_int_equal(count_text(ROTA_MUST(pool, 0, "job", "show", "acme/j1").out, "exit 100: no \\xff luck\n"), 2);
}

/* ---- wait and result ---- */

static void results_come_out_as_they_are(void **state)
{
    struct pool *pool = *state;
    struct ran ran;
    json_t *job;

    start_work(pool);
    end_as(pool, "j1", "bin", "done");
    ran = ROTA_MUST(pool, 0, "job", "result", "acme/j1");
    assert_int_equal(ran.out_bytes, 3);
    ran = ROTA_MUST(pool, 0, "job", "result", "acme/j1", "--json");
    job = ran_json(&ran);
    assert_string_equal(json_text(job, "result_b64"), "/wB4");
    assert_true(json_is_null(json_object_get(job, "result")));
    json_decref(job);
    end_as(pool, "j2", "ok", "done");
    assert_string_equal(ROTA_MUST(pool, 0, "job", "result", "acme/j2").out, "payload");
}

static void who_waits_learns_how_it_ended(void **state)
{
    struct pool *pool = *state;
    struct ran ran;

    start_work(pool);
    pool_push(pool, "acme", "ok", "ok", "four");
    pool_push(pool, "acme", "bad", "bad", "");
    pool_push(pool, "acme", "slow", "slow", "");
    assert_string_equal(ROTA_MUST(pool, 0, "job", "wait", "acme/ok").out, "four");
    assert_has(ROTA_MUST(pool, 1, "job", "wait", "acme/bad").err, "job acme/bad is dead (handler): exit 100: no luck");
    assert_has(ROTA_MUST(pool, EX_TEMPFAIL, "job", "wait", "acme/slow", "--wait-timeout", "30ms").err, "it is running");
    ran = ROTA_MUST(pool, 1, "job", "wait", "acme/ok", "acme/bad", "acme/slow", "--wait-timeout", "100ms", "-o", "ndjson");
    assert_int_equal(count_text(ran.out, "\n"), 3);
    assert_has(ROTA_MUST(pool, EX_TEMPFAIL, "job", "result", "acme/slow").err, "has not ended");
    ROTA_MUST(pool, 1, "job", "result", "acme/bad");
    ROTA_MUST(pool, EX_NOINPUT, "job", "wait", "acme/none");
    ran = ROTA_MUST(pool, EX_NOINPUT, "job", "wait", "acme/none", "acme/ok");
    assert_has(ran.err, "there is no job acme/none");
    assert_has(ran.out, "acme/ok  done");
    ROTA_MUST(pool, EX_NOINPUT, "job", "result", "acme/none");
}

static void waiting_survives_a_restart_of_redis(void **state)
{
    struct pool *pool = *state;
    const char *environment[] = {pool_text(pool, "ROTA_REDIS_URL=%s", pool->url), NULL};
    struct process *wait;

    pool_push(pool, "acme", "j1", "ok", "four");
    wait = process_start(&(struct process_options){.program = "rota",
                                                   .arguments = (const char *const[]){"job", "wait", "acme/j1", NULL},
                                                   .environment = environment,
                                                   .log = pool_path(pool, "wait.log")});
    WAIT_UNTIL(strstr(pool_string(pool, "CLIENT LIST"), "cmd=fcall")); /* it is past its first look at the server */
    server_kill(pool->server);
    server_restart(pool->server);
    pool_reconnect(pool);
    start_work(pool);

    assert_int_equal(process_wait(wait, PROCESS_MS_MAX), 0);
    assert_string_equal(process_log(wait), "four");
    process_free(wait);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROTA_TEST_LANES(jobs_are_listed_by_state),
        ROTA_TEST_LANES(jobs_of_one_queue_are_listed_in_any_state),
        ROTA_TEST_LANES(long_lists_come_in_pages),
        ROTA_TEST_LANES(an_empty_list_is_a_list),
        ROTA_TEST_LANES(a_job_is_shown_with_its_attempts),
        ROTA_TEST_LANES(a_long_error_stays_text),
        ROTA_TEST_LANES(bytes_that_are_no_text_are_shown_escaped),
        ROTA_TEST_LANES(results_come_out_as_they_are),
        ROTA_TEST_LANES(who_waits_learns_how_it_ended),
        ROTA_TEST_LANES(waiting_survives_a_restart_of_redis),
    };
    return cmocka_run_group_tests_name("cli_jobs", tests, NULL, NULL);
}
