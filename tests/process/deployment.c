/* deployment - the inbox, and what happens to Redis while the pool works: functions flushed, data flushed, settings weakened. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/pool.h"

#define QUICK_LEAD "--session-timeout", "1s", "--session-beat", "300ms"

static const char *add_entry(struct pool *pool, const char *org, const char *payload)
{
    return pool_text(pool, "%s", pool_string(pool, "XADD rota:inbox * org %s type t payload %s", org, payload));
}

static long long inbox_length(struct pool *pool)
{
    return pool_number(pool, "XLEN rota:inbox");
}

/* ---- the inbox ---- */

static void an_entry_becomes_one_job_under_its_own_id(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, "--lanes", pool_text(pool, "%u", pool->lanes), NULL);
    pool_worker(pool, "--on", "t=cat", NULL);
    const char *ids[30];

    int64_t added_mono_ms = clock_mono_ms();
    ids[0] = add_entry(pool, "org0", "payload 0");
    pool_wait_place(pool, "org0", ids[0], "done");
    assert_true(awake_ms_since(added_mono_ms) < 500);
    for (int i = 1; i < 30; i++)
        ids[i] = add_entry(pool, pool_text(pool, "org%d", i % 3), pool_text(pool, "payload %d", i));

    for (int i = 0; i < 30; i++) {
        const char *org = pool_text(pool, "org%d", i % 3);
        pool_wait_place(pool, org, ids[i], "done");
        assert_string_equal(pool_result(pool, org, ids[i]), pool_text(pool, "payload %d", i));
        assert_int_equal(pool_job(pool, org, ids[i])->state.deliveries, 1);
    }
    WAIT_UNTIL(inbox_length(pool) == 0);
    assert_int_equal(pool_number(pool, "EXISTS rota:rejected"), 0);
}

static void what_is_no_job_is_rejected_with_the_reason(void **state)
{
    static const struct {
        const char *fields, *reason;
    } cases[] = {
        {"type t payload x", "field org is missing"},
        {"org acme payload x", "field type is missing"},
        {"org Acme type t", "organization \"Acme\" must"},
        {"org acme:x type t", "organization \"acme:x\" must"},
        {"org acme type t/u", "type \"t/u\" must"},
        {"org acme type t colour blue", "unknown field \"colour\""},
        {"org acme org acme type t", "field org is there twice"},
        {"org acme type t delay_ms soon", "delay_ms"},
        {"org acme type t priority 101", "priority"},
        {"org acme type t expires_ms 1", "expired"},
        {"org acme type t v 2", "version 2 is not known"},
        {"org full type t", "queue_full"},
    };
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);
    assert_string_equal(pool_call(pool, 0, "org_set", "full max_queued 1")->str, "ok");
    pool_push(pool, "full", "only", "t", "");

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *command = NULL;
        if (asprintf(&command, "XADD rota:inbox * %s", cases[i].fields) < 0)
            abort();
        const char *id = pool_text(pool, "%s", pool_string(pool, command));
        free(command);
        WAIT_UNTIL(pool_number(pool, "XLEN rota:rejected") == (long long)i + 1);
        const redisReply *last = pool_redis(pool, "XREVRANGE rota:rejected + - COUNT 1")->element[0]->element[1];
        assert_string_equal(last->element[1]->str, id);
        if (!strstr(last->element[5]->str, cases[i].reason))
            fail_msg("%s was rejected for \"%s\"", cases[i].fields, last->element[5]->str);
    }
    WAIT_UNTIL(inbox_length(pool) == 0);
    const char *good = add_entry(pool, "acme", "x");
    pool_wait_place(pool, "acme", good, "ready");
    assert_int_equal(pool_count(pool, "acme", "ready:default"), 1);
}

#define ENTRIES 3000

/* Schedulers die in the middle of moving, again and again, two at a time. */
static void entries_are_moved_once_whoever_dies(void **state)
{
    struct pool *pool = *state;
    struct process *schedulers[2] = {pool_scheduler(pool, QUICK_LEAD, NULL),
                                     pool_start(pool, "rota-scheduler", QUICK_LEAD, NULL)};
    unsigned added = 0, kills = 0, cut_short = 0;
    long long moved = 0;

    srandom(7);
    while (kills < 8) {
        WAIT_UNTIL(process_said(schedulers[0], " msg=leading") || process_said(schedulers[1], " msg=leading"));
        unsigned leader = process_said(schedulers[0], " msg=leading") ? 0 : 1;
        for (unsigned i = 0; i < ENTRIES / 8; i++, added++)
            redisAppendCommand(pool->redis, "XADD rota:inbox * org org%d type t payload %d", added % 5, added);
        for (unsigned i = 0; i < ENTRIES / 8; i++) {
            void *reply;
            assert_int_equal(redisGetReply(pool->redis, &reply), REDIS_OK);
            freeReplyObject(reply);
            if (i == ENTRIES / 8 * (kills + 1) / 10)
                process_kill(schedulers[leader]);
        }
        cut_short += inbox_length(pool) > 0;
        schedulers[leader] = pool_start(pool, "rota-scheduler", QUICK_LEAD, NULL);
        kills++;
    }
    WAIT_UNTIL(inbox_length(pool) == 0);

    for (unsigned org = 0; org < 5; org++)
        moved += pool_count(pool, pool_text(pool, "org%u", org), "ready:default");
    assert_int_equal(moved, added);
    assert_int_equal(pool_number(pool, "EXISTS rota:rejected"), 0);
    print_message("  %u entries, %u kills, %u of them in the middle\n", added, kills, cut_short);
    assert_true(cut_short >= 4);
}

/* ---- what happens to Redis ---- */

static void a_flush_of_the_functions_is_healed(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);
    struct process *worker = pool_worker(pool, "--on", "t=sleep 0.5", NULL);
    pool_push(pool, "acme", "running", "t", "");
    pool_wait_place(pool, "acme", "running", "running");

    pool_redis(pool, "FUNCTION FLUSH");
    WAIT_UNTIL(pool_redis(pool, "FUNCTION LIST")->elements == 1);

    pool_wait_place(pool, "acme", "running", "done");
    assert_int_equal(pool_job(pool, "acme", "running")->state.deliveries, 1);
    pool_push(pool, "acme", "next", "t", "");
    pool_wait_place(pool, "acme", "next", "done");
    assert_null(process_said(worker, "session lost"));
}

static void a_flush_of_everything_is_healed(void **state)
{
    struct pool *pool = *state;
    process_kill(pool_scheduler(pool, "--lanes", "8", "--session-timeout", "1s", "--session-beat", "300ms", NULL));
    pool_scheduler(pool, NULL); /* which has learnt the number of lanes */
    struct process *worker = pool_worker(pool, "--on", "hold=exec sleep 600", "--on", "t=true", NULL);
    pool_push(pool, "acme", "gone", "hold", "");
    WAIT_UNTIL(pool_handlers(pool) == 1);

    pool_redis(pool, "FLUSHALL");
    WAIT_UNTIL(count_text(process_log(worker), "msg=\"session open\"") == 16);

    WAIT_UNTIL(pool_handlers(pool) == 0); /* nobody owns what it does */
    WAIT_UNTIL(pool_number(pool, "EXISTS rota:{0}:clock rota:{7}:clock rota:meta rota:README") == 4);
    for (int i = 0; i < 8; i++) {
        pool_push(pool, pool_text(pool, "org%d", i), "job", "t", "");
        pool_wait_place(pool, pool_text(pool, "org%d", i), "job", "done");
    }
    pool_wait_place(pool, "org0", add_entry(pool, "org0", ""), "done");
}

static const char *offer(struct pool *pool, const char *id)
{
    return pool_offer(pool, "acme", id, &(struct job_record){.type = "t", .payload = "", .has_payload = true});
}

static void a_server_weakened_at_run_time_takes_no_new_jobs(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);
    pool_worker(pool, "--on", "t=sleep 0.5", NULL);
    assert_string_equal(offer(pool, "before"), "new");
    pool_wait_place(pool, "acme", "before", "running");

    pool_redis(pool, "CONFIG SET appendfsync everysec");
    pool_redis(pool, "CLIENT KILL TYPE normal SKIPME yes"); /* it is checked every 30 s, and after each reconnect */
    WAIT_UNTIL_MS(30000, strcmp(offer(pool, pool_text(pool, "probe%lld", (long long)clock_mono_us())), "intake_paused") == 0);
    const char *entry = add_entry(pool, "acme", "");
    pool_wait_place(pool, "acme", "before", "done"); /* completions pass */
    assert_string_equal(offer(pool, "refused"), "intake_paused");
    assert_string_equal(pool_place(pool, "acme", entry), "");
    assert_int_equal(inbox_length(pool), 1);

    pool_redis(pool, "CONFIG SET appendfsync always");
    int64_t mended_mono_ms = clock_mono_ms();
    pool_wait_place(pool, "acme", entry, "done");
    assert_true(awake_ms_since(mended_mono_ms) < 5000);
    assert_string_equal(offer(pool, "after"), "new");
    assert_int_equal(pool_number(pool, "HEXISTS rota:{0}:clock intake"), 0);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_entry_becomes_one_job_under_its_own_id, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(an_entry_becomes_one_job_under_its_own_id, pool_setup_lanes, pool_teardown),
        cmocka_unit_test_setup_teardown(what_is_no_job_is_rejected_with_the_reason, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(entries_are_moved_once_whoever_dies, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(a_flush_of_the_functions_is_healed, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(a_flush_of_everything_is_healed, pool_setup_lanes, pool_teardown),
        cmocka_unit_test_setup_teardown(a_server_weakened_at_run_time_takes_no_new_jobs, pool_setup, pool_teardown),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return stall_verdict(cmocka_run_group_tests_name("deployment", tests, NULL, NULL));
}
