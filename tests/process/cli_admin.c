/* `rota` for operators: queues, workers, audit. */
#include <signal.h>
#include <string.h>
#include <sysexits.h>

#include "tests/support/rota.h"

/* ---- queues ---- */

static void GA_18_queues_are_listed_and_paused(void **state)
{
    struct pool *pool = *state;
    struct ran ran;
    json_t *list;

    ROTA_MUST(pool, 0, "push", "acme", "t", "--queue", "mail");
    ROTA_MUST(pool, 0, "push", "globex", "t");
    ran = ROTA_MUST(pool, 0, "queue", "pause", "mail");
    assert_has(ran.err, "paused queue mail (was running)");
    assert_has(ran.err, "Undo: rota queue resume mail\n");
    ran = ROTA_MUST(pool, 0, "queue", "list", "--json");
    list = ran_json(&ran);
    assert_int_equal(json_array_size(list), 2);
    assert_string_equal(json_text(json_find(list, "queue", "mail"), "state"), "paused");
    assert_has(json_text(json_find(list, "queue", "mail"), "paused_by"), "@");
    assert_int_equal(json_number(json_find(list, "queue", "mail"), "active_orgs"), 1);
    assert_string_equal(json_text(json_find(list, "queue", "default"), "state"), "running");
    json_decref(list);
    assert_has(ROTA_MUST(pool, 0, "queue", "resume", "mail").err, "resumed queue mail (was paused)");
    assert_has(ROTA_MUST(pool, EX_NOINPUT, "queue", "pause", "nothing").err, "there is no queue nothing");
    ROTA_MUST(pool, EX_USAGE, "queue", "pause", "Mail");
}

static void everything_is_paused_in_all_lanes(void **state)
{
    struct pool *pool = *state;
    struct ran ran = ROTA_MUST(pool, 0, "pause");

    assert_has(ran.err, "paused everything (was running)");
    assert_has(ran.err, "Undo: rota resume\n");
    for (uint32_t lane = 0; lane < ROTA_LANES; lane++)
        assert_int_equal(pool_number(pool, "HEXISTS rota:{%u}:clock paused", lane), 1);
    ran = ROTA_MUST(pool, 0, "queue", "list");
    assert_has(ran.out, "all paused");
    assert_has(ran.err, "everything is paused by ");
    assert_has(ROTA_MUST(pool, 0, "resume").err, "resumed everything (was paused)");
    for (uint32_t lane = 0; lane < ROTA_LANES; lane++)
        assert_int_equal(pool_number(pool, "HEXISTS rota:{%u}:clock paused", lane), 0);
}

/* ---- workers ---- */

static void workers_are_listed_with_what_they_do(void **state)
{
    struct pool *pool = *state;
    struct process *worker;
    const char *session;
    struct ran ran;
    json_t *list, *object;

    pool_scheduler(pool, NULL);
    worker = pool_worker(pool, "--on", "slow=sleep 60", "--slots", "3", NULL);
    session = pool_session(pool, worker, 0);
    pool_push(pool, "acme", "j1", "slow", "");
    pool_wait_place(pool, "acme", "j1", "running");
    ran = ROTA_MUST(pool, 0, "worker", "list", "--json");
    list = ran_json(&ran);
    object = json_find(list, "worker", session);
    assert_int_equal(json_array_size(list), 2);
    assert_string_equal(json_text(object, "state"), "running");
    assert_string_equal(json_text(object, "types"), "slow");
    assert_int_equal(json_number(object, "slots"), 3);
    assert_int_equal(json_number(object, "running"), 1);
    assert_int_equal(json_number(object, "pid"), process_pid(worker));
    json_decref(list);
    ran = ROTA_MUST(pool, 0, "worker", "show", session, "--json");
    object = ran_json(&ran);
    assert_string_equal(json_string_value(json_array_get(json_object_get(object, "jobs"), 0)), "acme/j1");
    json_decref(object);
    ran = ROTA_MUST(pool, 0, "worker", "show", session);
    assert_has(ran.out, "acme/j1\n");
    ROTA_MUST(pool, EX_NOINPUT, "worker", "show", "nobody");
    ROTA_MUST(pool, EX_USAGE, "worker", "show", "no/body");
}

static void a_worker_that_is_gone_is_still_known(void **state)
{
    struct pool *pool = *state;
    struct process *stopped, *killed;
    const char *stopped_session, *killed_session;

    pool_scheduler(pool, NULL);
    stopped = pool_worker(pool, "--on", "t=cat", NULL);
    killed = pool_worker(pool, "--on", "t=cat", "--session-timeout", "1s", "--session-beat", "300ms", NULL);
    stopped_session = pool_session(pool, stopped, 0);
    killed_session = pool_session(pool, killed, 0);
    process_signal(stopped, SIGTERM);
    process_wait(stopped, PROCESS_MS_MAX);
    process_kill(killed);
    WAIT_UNTIL(strcmp(pool_string(pool, "HGET rota:worker:%s why", killed_session), "lost") == 0);

    assert_has(ROTA_MUST(pool, 0, "worker", "show", stopped_session).out, "state              stopped\n");
    assert_has(ROTA_MUST(pool, 0, "worker", "show", killed_session).out, "state              lost\n");
}

static void a_worker_is_shown_by_the_beginning_of_its_id(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);
    const char *session = pool_session(pool, pool_worker(pool, "--on", "t=@noop", NULL), 0);
    const char *line = pool_text(pool, "worker             %s\n", session);
    for (int i = 1; i <= 2; i++) { /* two that have ended */
        pool_redis(pool, "HSET rota:worker:twin%d kind worker why stopped", i);
        pool_redis(pool, "ZADD rota:workers %d twin%d", i, i);
    }

    assert_has(ROTA_MUST(pool, 0, "worker", "show", pool_text(pool, "%.10s", session)).out, line);
    assert_has(ROTA_MUST(pool, 0, "worker", "show", "twin2").out, "worker             twin2\n");
    assert_has(ROTA_MUST(pool, EX_USAGE, "worker", "show", "twin").err,
               "\"twin\" is the beginning of more than one worker: twin1, twin2");
    pool_redis(pool, "HSET rota:worker:twin kind worker why stopped");
    pool_redis(pool, "ZADD rota:workers 3 twin");
    assert_has(ROTA_MUST(pool, 0, "worker", "show", "twin").out, "worker             twin\n"); /* an exact one wins */
    pool_redis(pool, "DEL rota:worker:twin1");
    pool_redis(pool, "ZREM rota:workers twin1");
    assert_has(ROTA_MUST(pool, EX_NOINPUT, "worker", "show", "twin1").err,
               "there is no worker twin1: either there never was, or it ended more than 30 days ago");
    pool_redis(pool, "DEL rota:worker:twin rota:worker:twin2");
    pool_redis(pool, "ZREM rota:workers twin twin2");
}

/* What lives longer than a card is kept is still known, also where its card was lost. */
static void a_card_lives_as_long_as_its_process(void **state)
{
    struct pool *pool = *state;
    const char *leader, *session;
    struct process *worker;

    pool_scheduler(pool, NULL);
    worker = pool_worker(pool, "--on", "t=cat", "--slots", "3", NULL);
    session = pool_session(pool, worker, 0);
    leader = pool_text(pool, "%s", pool_string(pool, "HGET rota:{0}:clock leader"));
    pool_redis(pool, "EXPIRE rota:worker:%s 100", leader);
    WAIT_UNTIL(pool_number(pool, "TTL rota:worker:%s", leader) > 29LL * 24 * 3600);
    pool_redis(pool, "DEL rota:worker:%s rota:worker:%s", session, leader);
    WAIT_UNTIL(pool_number(pool, "TTL rota:worker:%s", leader) > 29LL * 24 * 3600);
    WAIT_UNTIL(pool_number(pool, "TTL rota:worker:%s", session) > 29LL * 24 * 3600);

    assert_has(ROTA_MUST(pool, 0, "worker", "show", session, "--json").out, "\"types\": \"t\"");
    assert_int_equal(pool_number(pool, "HGET rota:worker:%s slots", session), 3);
    assert_int_equal(pool_number(pool, "HGET rota:worker:%s pid", session), process_pid(worker));
    assert_string_equal(pool_string(pool, "HGET rota:worker:%s kind", leader), "scheduler");
}

/* ---- audit ---- */

static void an_audit_finds_and_mends(void **state)
{
    struct pool *pool = *state;
    struct ran ran;
    uint32_t lane = lane_of("acme", ROTA_LANES);

    pool_push(pool, "acme", "j1", "t", "");
    pool_push(pool, "globex", "j1", "t", "");
    ran = ROTA_MUST(pool, 0, "audit");
    assert_has(ran.err, "2 organizations and 2 jobs looked at, 0 wrong\n");
    pool_redis(pool, "ZREM rota:{%u}:active:default acme", lane);
    pool_redis(pool, "ZREM rota:{%u}:org:acme:ready:default j1", lane);
    ran = ROTA_MUST(pool, 1, "audit", "-o", "ndjson");
    assert_has(ran.out, "\"what\":\"nowhere\",\"org\":\"acme\"");
    assert_has(ran.out, "\"job\":\"acme/j1\"");
    ROTA_MUST(pool, 0, "audit", "--org", "globex");
    ROTA_MUST(pool, 1, "audit", "--org", "acme");
    ran = ROTA_MUST(pool, 0, "audit", "--mend");
    assert_has(ran.err, "mended");
    ROTA_MUST(pool, 0, "audit");
    assert_string_equal(pool_place(pool, "acme", "j1"), "ready");
}

static void an_audit_names_what_is_damaged_and_goes_on(void **state)
{
    struct pool *pool = *state;
    struct ran ran;
    uint32_t lane = lane_of("org3", ROTA_LANES);

    for (int i = 0; i < 9; i++)
        pool_push(pool, pool_text(pool, "org%d", i), "j1", "t", "");
    assert_has(ROTA_MUST(pool, EX_NOINPUT, "audit", "--org", "nosuch").err, "there is no organization nosuch");
    pool->unchecked = true;
    pool_redis(pool, "DEL rota:{%u}:org:org3:jobs", lane); /* damage that the jobs show */
    pool_redis(pool, "SET rota:{%u}:org:org3:jobs x", lane);
    ran = ROTA_MUST(pool, 1, "audit");
    assert_has(ran.err, "rota: organization org3 cannot be audited: WRONGTYPE ");
    assert_int_equal(count_text(ran.err, "cannot be audited"), 1);
    assert_has(ran.err, "9 organizations and 8 jobs looked at");
    pool_redis(pool, "DEL rota:{%u}:org:org3:jobs", lane);
    pool_redis(pool, "DEL rota:{%u}:org:org3:ready:default", lane); /* and one that the indexes show */
    pool_redis(pool, "SET rota:{%u}:org:org3:ready:default x", lane);
    ran = ROTA_MUST(pool, 1, "audit", "--json");
    assert_has(ran.err, pool_text(pool, "the indexes of lane %u cannot be audited: WRONGTYPE ", lane));
    assert_has(ran.err, "organization org3 cannot be audited: WRONGTYPE ");
    assert_int_equal(count_text(ran.err, "cannot be audited"), 2);
    ROTA_MUST(pool, 1, "audit", "--org", "org3");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROTA_TEST_LANES(GA_18_queues_are_listed_and_paused),
        ROTA_TEST_LANES(everything_is_paused_in_all_lanes),
        ROTA_TEST_LANES(workers_are_listed_with_what_they_do),
        ROTA_TEST_LANES(a_worker_that_is_gone_is_still_known),
        ROTA_TEST_LANES(a_worker_is_shown_by_the_beginning_of_its_id),
        ROTA_TEST_LANES(a_card_lives_as_long_as_its_process),
        ROTA_TEST_LANES(an_audit_finds_and_mends),
        ROTA_TEST_LANES(an_audit_names_what_is_damaged_and_goes_on),
    };
    return cmocka_run_group_tests_name("cli_admin", tests, NULL, NULL);
}
