/* `rota job explain`: the reasons that can be had on a real deployment. tests/unit/cli_reasons.c has the others. */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "tests/support/rota.h"

/* The codes of all reasons, with spaces between. */
static const char *codes(struct pool *pool, const char *job)
{
    struct ran ran = ROTA_MUST(pool, 0, "job", "explain", job, "--json");
    json_t *object = ran_json(&ran), *reasons = json_object_get(object, "reasons");
    const char *text = "";

    assert_string_equal(json_text(object, "job"), job);
    for (size_t i = 0; i < json_array_size(reasons); i++)
        text = pool_text(pool, "%s%s%s", text, i ? " " : "", json_text(json_array_get(reasons, i), "code"));
    json_decref(object);
    return text;
}

#define assert_codes(job, text) assert_string_equal(codes(pool, job), text)

/* A session that beats long enough, with a card: a worker as far as one can see. */
static void add_worker(struct pool *pool, const char *session, const char *queues, const char *types, const char *slots)
{
    assert_string_equal(pool_call(pool, 0, "open", "%s worker 60000 1000", session)->str, "ok");
    pool_redis(pool, "HSET rota:worker:%s kind worker host h pid %s queues %s types %s slots %s", session, session + 1, queues,
               types, slots);
}

/* ---- waiting ---- */

static void workers_are_missing_or_do_not_fit(void **state)
{
    struct pool *pool = *state;
    struct ran ran;

    pool_push(pool, "acme", "j1", "mail", "");
    assert_codes("acme/j1", "no_worker");
    add_worker(pool, "w1", "other", "mail", "2");
    assert_codes("acme/j1", "no_worker_for_queue");
    add_worker(pool, "w2", "default", "web", "2");
    assert_codes("acme/j1", "no_worker_for_type");
    ran = ROTA_MUST(pool, 0, "job", "explain", "acme/j1");
    assert_string_equal(ran.out,
                        "acme/j1: ready, type mail, queue default\n"
                        "1. no worker knows type mail: none of the 1 of queue default\n"
                        "   -> give one a handler for it: rota-worker --on 'mail=COMMAND', or handlers.mail in its file; who "
                        "knows what: rota worker list\n");
    add_worker(pool, "w3", "default", "mail", "2");
    assert_codes("acme/j1", "next");
    pool_redis(pool, "HSET rota:worker:w3 phase quiet");
    assert_codes("acme/j1", "workers_quiet");
    pool_redis(pool, "HSET rota:worker:w3 phase running types %s broken %s", "m* mail", "m* 99999999999999 other 1");
    assert_codes("acme/j1", "next"); /* the handler of its own is not broken */
    pool_redis(pool, "HSET rota:worker:w3 broken %s", "m* 1 mail 99999999999999");
    assert_codes("acme/j1", "workers_broken");
    pool_redis(pool, "HSET rota:worker:w3 slots 1 broken %s", "mail 1"); /* it may be tried again */
    pool_redis(pool, "HSET rota:{0}:held:w3 acme/other lease");
    assert_codes("acme/j1", "workers_busy");
    pool_redis(pool, "DEL rota:{0}:held:w3");
}

static void pauses_are_told_with_their_authors(void **state)
{
    struct pool *pool = *state;

    add_worker(pool, "w1", "default", "mail", "2");
    pool_push(pool, "acme", "j1", "mail", "");
    pool_call(pool, 0, "pause", "ann * pause");
    pool_call(pool, 0, "pause", "bob default pause");
    pool_call(pool, 0, "org_set", "carl acme paused 1");
    assert_codes("acme/j1", "all_paused queue_paused org_paused");
    assert_has(ROTA_MUST(pool, 0, "job", "explain", "acme/j1").out, "everything is paused by ann since 20");
    assert_has(ROTA_MUST(pool, 0, "job", "explain", "acme/j1").out, "organization acme is paused by carl since 20");
}

static void others_come_first(void **state)
{
    struct pool *pool = *state;

    add_worker(pool, "w1", "default", "mail", "2");
    pool_push(pool, "acme", "j1", "mail", "");
    pool_push(pool, "acme", "j2", "mail", "");
    pool_push(pool, "globex", "j1", "mail", "");
    assert_codes("acme/j2", "behind");
    assert_has(ROTA_MUST(pool, 0, "job", "explain", "acme/j2").out, "1 job of organization acme is before it");
    pool_redis(pool, "ZADD rota:{0}:active:default 1 acme 2 globex");
    pool_redis(pool, "ZADD rota:{0}:quiet:default 1 acme 2 globex");
    assert_codes("globex/j1", "turn");
}

static void an_organization_is_at_its_cap_or_without_a_token(void **state)
{
    struct pool *pool = *state;

    pool_call(pool, 0, "org_set", "ann acme max_running 1");
    pool_call(pool, 0, "org_set", "ann slow rate 0.001");
    pool_worker(pool, "--on", "sleep=exec sleep 60", "--slots", "9", NULL);
    pool_push(pool, "acme", "j1", "sleep", "");
    pool_wait_place(pool, "acme", "j1", "running");
    pool_push(pool, "acme", "j2", "sleep", "");
    assert_codes("acme/j2", "at_cap");
    assert_codes("acme/j1", "running");
    pool_push(pool, "slow", "j1", "sleep", "");
    pool_wait_place(pool, "slow", "j1", "running");
    pool_push(pool, "slow", "j2", "sleep", "");
    assert_codes("slow/j2", "rate");
    ROTA_MUST(pool, 0, "job", "cancel", "acme/j1");
    pool_wait_place(pool, "acme", "j1", "cancelled");
    assert_codes("acme/j1", "cancelled");
}

static void a_redis_that_refuses_writes_comes_first(void **state)
{
    struct pool *pool = *state;

    pool_push(pool, "acme", "j1", "mail", "");
    pool_redis(pool, "CONFIG SET min-replicas-to-write 1");
    assert_codes("acme/j1", "redis_refuses_writes no_worker");
    pool_redis(pool, "CONFIG SET min-replicas-to-write 0");
}

/* ---- scheduled ---- */

static void a_scheduled_job_says_for_what_it_waits(void **state)
{
    struct pool *pool = *state;

    pool_worker(pool, "--on", "fail=exit 1", NULL);
    ROTA_MUST(pool, 0, "push", "acme", "fail", "--id", "later", "--in", "1h");
    assert_codes("acme/later", "delayed no_leader");
    pool_push(pool, "acme", "j1", "fail", "");
    pool_wait_place(pool, "acme", "j1", "scheduled");
    assert_codes("acme/j1", "backoff no_leader");
    pool_push(pool, "acme", "j2", "unknown", "");
    pool_wait_place(pool, "acme", "j2", "scheduled");
    assert_codes("acme/j2", "resting no_leader no_worker_for_type");
    pool_scheduler(pool, NULL);
    assert_codes("acme/later", "delayed");
}

/* ---- running, ended, not a job ---- */

static void a_job_of_a_worker_that_is_gone_is_about_to_be_recovered(void **state)
{
    struct pool *pool = *state;
    struct process *worker =
        pool_worker(pool, "--on", "sleep=exec sleep 60", "--session-timeout", "1s", "--session-beat", "300ms", NULL);

    pool_push(pool, "acme", "j1", "sleep", "");
    pool_wait_place(pool, "acme", "j1", "running");
    process_kill(worker);
    pool_push(pool, "acme", "j2", "sleep", "");
    WAIT_UNTIL(strcmp(codes(pool, "acme/j1"), "worker_lost no_leader running") == 0);
    assert_codes("acme/j2", "no_worker"); /* its card is still there */
}

static void an_ended_job_says_so(void **state)
{
    struct pool *pool = *state;

    pool_worker(pool, "--on", "wc=wc -c", "--on", "bad=echo no such customer >&2; exit 65", NULL);
    pool_push(pool, "acme", "j1", "wc", "four");
    pool_push(pool, "acme", "j2", "bad", "");
    pool_wait_place(pool, "acme", "j1", "done");
    pool_wait_place(pool, "acme", "j2", "dead");
    assert_codes("acme/j1", "done");
    assert_codes("acme/j2", "dead");
    assert_has(ROTA_MUST(pool, 0, "job", "explain", "acme/j2").out, "no such customer");
}

static void what_is_in_a_private_inbox_is_found_there(struct pool *pool)
{
    ROTA_MUST(pool, 0, "org", "set", "hooli", "--private-inbox", "on");
    pool_call(pool, 0, "intake", "ann stop weak");
    const char *entry = pool_text(pool, "%s", pool_string(pool, "XADD rota:{0}:org:hooli:inbox * type mail payload x"));
    const char *name = pool_text(pool, "hooli/p:%s", entry);

    assert_codes(name, "intake_stopped inbox");
    ROTA_MUST(pool, EX_NOINPUT, "job", "explain", pool_text(pool, "globex/p:%s", entry));
    pool_call(pool, 0, "intake", "ann resume strong");
    entry = pool_text(pool, "%s", pool_string(pool, "XADD rota:{0}:org:hooli:inbox * payload x"));
    WAIT_UNTIL(pool_number(pool, "XLEN rota:{0}:org:hooli:rejected") == 1);
    assert_codes(pool_text(pool, "hooli/p:%s", entry), "rejected");
}

static void what_is_no_job_yet_is_found_in_the_inbox(void **state)
{
    struct pool *pool = *state;
    const char *entry = pool_string(pool, "XADD rota:inbox * org acme type mail payload x");
    const char *name = pool_text(pool, "acme/%s", entry);

    assert_codes(name, "no_leader inbox");
    ROTA_MUST(pool, EX_NOINPUT, "job", "explain", pool_text(pool, "globex/%s", entry));
    pool_call(pool, 0, "intake", "ann stop weak");
    assert_codes(name, "intake_stopped no_leader inbox");
    pool_call(pool, 0, "intake", "ann resume strong");
    pool_scheduler(pool, NULL);
    pool_wait_place(pool, "acme", entry, "ready");
    ROTA_MUST(pool, 0, "job", "delete", name, "--yes");
    assert_codes(name, "forgotten");

    entry = pool_string(pool, "XADD rota:inbox * org acme payload x");
    WAIT_UNTIL(pool_number(pool, "XLEN rota:rejected") == 1);
    assert_codes(pool_text(pool, "acme/%s", entry), "rejected");
    assert_has(ROTA_MUST(pool, 0, "job", "explain", pool_text(pool, "acme/%s", entry)).out, "field type is missing");

    assert_has(ROTA_MUST(pool, EX_NOINPUT, "job", "explain", "acme/nothing").err, "there is no job acme/nothing");
    what_is_in_a_private_inbox_is_found_there(pool);
    ROTA_MUST(pool, EX_USAGE, "job", "explain", "acme");
}

static void a_redis_that_does_not_answer_is_the_reason(void **state)
{
    struct pool *pool = *state;

    pool->url = "unix:///nowhere/redis.sock";
    assert_has(ROTA_MUST(pool, EX_UNAVAILABLE, "job", "explain", "acme/j1").err, "cannot reach redis");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROTA_TEST(workers_are_missing_or_do_not_fit),
        ROTA_TEST(pauses_are_told_with_their_authors),
        ROTA_TEST(others_come_first),
        ROTA_TEST(an_organization_is_at_its_cap_or_without_a_token),
        ROTA_TEST(a_redis_that_refuses_writes_comes_first),
        ROTA_TEST(a_scheduled_job_says_for_what_it_waits),
        ROTA_TEST(a_job_of_a_worker_that_is_gone_is_about_to_be_recovered),
        ROTA_TEST(an_ended_job_says_so),
        ROTA_TEST(what_is_no_job_yet_is_found_in_the_inbox),
        ROTA_TEST(a_redis_that_does_not_answer_is_the_reason),
    };
    return cmocka_run_group_tests_name("cli_explain", tests, NULL, NULL);
}
