/* `rota push` - one job, what is refused and how that is told, and waiting for its end. */
#include <string.h>
#include <sysexits.h>

#include "tests/support/rota.h"

/* The id in "acme/<id>\n". */
static const char *printed_id(struct pool *pool, const struct ran *ran)
{
    assert_true(strncmp(ran->out, "acme/", 5) == 0);
    return pool_text(pool, "%.*s", (int)strcspn(ran->out + 5, "\n"), ran->out + 5);
}

/* ---- one job ---- */

static void a_pushed_job_is_named_and_stands_as_it_was_said(void **state)
{
    struct pool *pool = *state;
    const struct job *job;

    struct ran ran = ROTA_MUST(pool, 0, "push", "acme", "mail.send", "hello", "--queue", "mail", "--key", "k1", "--priority",
                               "-5", "--max-attempts", "7", "--timeout", "90s", "--header", "a=1", "--header", "b=x=y");

    job = pool_job(pool, "acme", printed_id(pool, &ran));
    assert_string_equal(job->place, "ready");
    assert_string_equal(job->record.type, "mail.send");
    assert_string_equal(job->record.queue, "mail");
    assert_string_equal(job->record.key, "k1");
    assert_int_equal(job->record.priority, -5);
    assert_int_equal(job->record.max_attempts, 7);
    assert_int_equal(job->record.timeout_ms, 90000);
    assert_int_equal(job->record.payload_bytes, 5);
    assert_memory_equal(job->record.payload, "hello", 5);
    assert_int_equal(job->record.header_count, 2);
    assert_string_equal(job->record.headers[1].value, "x=y");
    assert_has(ran.err, pool_text(pool, "Undo: rota job cancel acme/%s\n", job->id));
}

static void a_payload_comes_from_stdin_or_is_empty(void **state)
{
    struct pool *pool = *state;
    struct ran fed = ROTA_FED(pool, "two\nlines\n", "push", "acme", "t", "-", "--id", "fed");
    struct ran empty = ROTA_MUST(pool, 0, "push", "acme", "t", "--id", "empty");

    assert_string_equal(fed.out, "acme/fed\n");
    assert_string_equal(empty.out, "acme/empty\n");
    assert_int_equal(pool_job(pool, "acme", "fed")->record.payload_bytes, 10);
    assert_int_equal(pool_job(pool, "acme", "empty")->record.payload_bytes, 0);
}

static void a_job_may_be_due_later_and_expire(void **state)
{
    struct pool *pool = *state;
    int64_t now_ms = clock_wall_ms(), expires_ms;

    ROTA_MUST(pool, 0, "push", "acme", "t", "--id", "in", "--in", "1h", "--expires", "2h");
    ROTA_MUST(pool, 0, "push", "acme", "t", "--id", "at", "--at", "2035-01-01T00:00:00Z", "--expires", "2036-01-01T00:00:00Z");

    assert_string_equal(pool_place(pool, "acme", "in"), "scheduled");
    assert_int_equal(pool_job(pool, "acme", "in")->record.delay_ms, 3600000);
    expires_ms = pool_job(pool, "acme", "in")->record.expires_ms;
    assert_true(expires_ms >= now_ms + 7200000 && expires_ms < now_ms + 7200000 + 60000);
    assert_int_equal(pool_job(pool, "acme", "at")->record.due_ms, 2051222400000);
    assert_int_equal(pool_job(pool, "acme", "at")->record.expires_ms, 2082758400000);
}

static void json_names_the_job_and_the_answer(void **state)
{
    struct pool *pool = *state;
    struct ran ran = ROTA_MUST(pool, 0, "push", "acme", "t", "--id", "j1", "--json");
    json_t *pushed = ran_json(&ran);

    assert_string_equal(json_text(pushed, "job"), "acme/j1");
    assert_string_equal(json_text(pushed, "org"), "acme");
    assert_string_equal(json_text(pushed, "id"), "j1");
    assert_string_equal(json_text(pushed, "answer"), "new");
    json_decref(pushed);
}

static void a_job_with_the_same_key_stands_for_the_new_one(void **state)
{
    struct pool *pool = *state;
    struct ran again;

    ROTA_MUST(pool, 0, "push", "acme", "t", "x", "--id", "first", "--key", "k");
    again = ROTA_MUST(pool, 0, "push", "acme", "t", "x", "--key", "k");

    assert_string_equal(again.out, "acme/first\n");
    assert_has(again.err, "acme/first has the same key");
    assert_int_equal(pool_count(pool, "acme", "ready:default"), 1);
}

static void what_is_refused_is_told_with_its_reason(void **state)
{
    struct pool *pool = *state;
    struct ran ran;

    ROTA_MUST(pool, 0, "push", "acme", "t", "x", "--id", "first", "--key", "k");
    ran = ROTA_MUST(pool, EX_DATAERR, "push", "acme", "t", "y", "--key", "k");
    assert_string_equal(ran.out, "");
    assert_has(ran.err, "is not accepted: conflict: job acme/first has the same key");
    ran = ROTA_MUST(pool, EX_DATAERR, "push", "acme", "t", "--id", "first");
    assert_has(ran.err, "rota: job acme/first is not accepted: taken: another job has this id");
    ran = ROTA_MUST(pool, EX_DATAERR, "push", "acme", "t", "--expires", "2020-01-01T00:00:00Z");
    assert_has(ran.err, "expired");
    ROTA_MUST(pool, 0, "org", "set", "acme", "--max-payload", "3", "--max-queued", "1");
    ran = ROTA_MUST(pool, EX_DATAERR, "push", "acme", "t", "four");
    assert_has(ran.err, "too_large: payload has 4 bytes, the limit of organization acme is 3 (max-payload)\n");
    ran = ROTA_MUST(pool, EX_TEMPFAIL, "push", "acme", "t", "x", "--json");
    assert_has(ran.err, "{\"error\":{\"code\":\"temporary\",\"message\":\"job acme/");
    assert_has(ran.err, "queue_full: organization acme has 1 job waiting, the limit is 1 (max-queued)\"");
    assert_string_equal(ran.out, "");
}

static void a_deployment_that_takes_no_jobs_says_so(void **state)
{
    struct pool *pool = *state;
    struct ran ran;

    for (uint32_t lane = 0; lane < pool->lanes; lane++)
        pool_call(pool, lane, "intake", "tester stop test");
    ran = ROTA_MUST(pool, EX_TEMPFAIL, "push", "acme", "t");

    assert_has(ran.err, "intake_paused");
}

static void what_is_typed_wrong_is_misuse(void **state)
{
    struct pool *pool = *state;

    ROTA_MUST(pool, EX_USAGE, "push");
    ROTA_MUST(pool, EX_USAGE, "push", "acme");
    assert_has(ROTA_MUST(pool, EX_USAGE, "push", "Acme", "t").err, "organization \"Acme\" must match");
    assert_has(ROTA_MUST(pool, EX_USAGE, "push", "acme", "t t").err, "type \"t t\" must match");
    assert_has(ROTA_MUST(pool, EX_USAGE, "push", "acme", "t", "--id", "a@b").err, "job id \"a@b\"");
    assert_has(ROTA_MUST(pool, EX_USAGE, "push", "acme", "t", "--priority", "101").err, "--priority");
    assert_has(ROTA_MUST(pool, EX_USAGE, "push", "acme", "t", "--in", "5").err, "--in");
    assert_has(ROTA_MUST(pool, EX_USAGE, "push", "acme", "t", "--in", "5s", "--at", "2035-01-01T00:00:00Z").err,
               "exclude each other");
    assert_has(ROTA_MUST(pool, EX_USAGE, "push", "acme", "t", "--header", "novalue").err, "NAME=VALUE");
    assert_has(ROTA_MUST(pool, EX_USAGE, "push", "acme", "t", "--prioritty", "1").err, "did you mean \"--priority\"?");
    ROTA_MUST(pool, EX_USAGE, "push", "acme", "t", "payload", "more");
    assert_int_equal(pool_number(pool, "EXISTS rota:{%u}:org:acme", lane_of("acme", pool->lanes)), 0);
}

/* ---- waiting ---- */

static void a_push_may_wait_for_the_result(void **state)
{
    struct pool *pool = *state;
    struct ran ran;

    pool_scheduler(pool, NULL);
    pool_worker(pool, "--on", "wc=wc -c", "--on", "bad=echo no >&2; exit 100", "--on", "slow=sleep 60", NULL);

    ran = ROTA_MUST(pool, 0, "push", "acme", "wc", "four", "--wait");
    assert_string_equal(ran.out, "4\n");
    assert_has(ran.err, "acme/");
    ran = ROTA_MUST(pool, 1, "push", "acme", "bad", "--wait");
    assert_string_equal(ran.out, "");
    assert_has(ran.err, "is dead (handler): exit 100: no");
    ran = ROTA_MUST(pool, EX_TEMPFAIL, "push", "acme", "slow", "--wait", "--wait-timeout", "50ms");
    assert_has(ran.err, "has not ended");
    ran = ROTA_FED(pool, "{\"type\":\"wc\",\"payload\":\"a\"}\n{\"type\":\"bad\"}\n", "push", "acme", "--batch", "-", "--wait",
                   "--json");
    assert_int_equal(ran.status, 1);
    assert_has(ran.out, "\"state\":\"done\"");
    assert_has(ran.out, "\"state\":\"dead\"");
}

/* It was accepted, and it may well be done: nobody can tell, and nobody says that it never was. */
static void a_job_that_nothing_is_kept_of_is_told_as_gone(void **state)
{
    struct pool *pool = *state;
    struct ran ran;

    ROTA_MUST(pool, 0, "org", "set", "acme", "--keep-done", "0");
    pool_scheduler(pool, NULL);
    pool_worker(pool, "--on", "t=cat", "--on", "bad=exit 100", NULL);

    ran = ROTA_MUST(pool, EX_NOINPUT, "push", "acme", "t", "--id", "j1", "--wait");
    assert_has(ran.err,
               "rota: job acme/j1 was there and is gone: it is done and its organization keeps nothing of that (keep-done), "
               "or it was deleted\n");
    ran = ROTA_FED(pool, "{\"type\":\"t\",\"id\":\"j2\"}\n{\"type\":\"t\",\"id\":\"j3\"}\n", "push", "acme", "--batch", "-",
                   "--wait");
    assert_int_equal(ran.status, EX_NOINPUT);
    assert_has(ran.err, "job acme/j2 was there and is gone");
    assert_has(ran.err, "job acme/j3 was there and is gone");
    ran = ROTA_FED(pool, "{\"type\":\"t\",\"id\":\"j4\"}\n{\"type\":\"bad\",\"id\":\"j5\"}\n", "push", "acme", "--batch", "-",
                   "--wait");
    assert_int_equal(ran.status, 1);
    assert_has(ran.out, "acme/j5  dead");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROTA_TEST_LANES(a_pushed_job_is_named_and_stands_as_it_was_said),
        ROTA_TEST_LANES(a_payload_comes_from_stdin_or_is_empty),
        ROTA_TEST_LANES(a_job_may_be_due_later_and_expire),
        ROTA_TEST_LANES(json_names_the_job_and_the_answer),
        ROTA_TEST_LANES(a_job_with_the_same_key_stands_for_the_new_one),
        ROTA_TEST_LANES(what_is_refused_is_told_with_its_reason),
        ROTA_TEST_LANES(a_deployment_that_takes_no_jobs_says_so),
        ROTA_TEST_LANES(what_is_typed_wrong_is_misuse),
        ROTA_TEST_LANES(a_push_may_wait_for_the_result),
        ROTA_TEST_LANES(a_job_that_nothing_is_kept_of_is_told_as_gone),
    };
    return cmocka_run_group_tests_name("cli_push", tests, NULL, NULL);
}
