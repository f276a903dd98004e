/* `rota` for operators: organizations, queues, workers, audit, setup; and what all commands share: misuse, errors, exit codes,
 * signals. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/library.h"
#include "tests/support/rota.h"

static void assert_org_state(struct pool *pool, const char *org, const char *expected)
{
    struct ran ran = ROTA_MUST(pool, 0, "org", "list", "--json");
    json_t *list = ran_json(&ran);

    assert_string_equal(json_text(json_find(list, "org", org), "state"), expected);
    json_decref(list);
}

/* ---- organizations ---- */

static void organizations_of_all_lanes_are_listed(void **state)
{
    struct pool *pool = *state;
    struct ran ran;
    json_t *list, *org;

    for (int i = 0; i < 9; i++)
        pool_push(pool, pool_text(pool, "org%d", i), "j1", "t", "");
    pool_push(pool, "org3", "j2", "t", "");
    ROTA_MUST(pool, 0, "push", "org3", "t", "--in", "1h", "--id", "j3");
    ran = ROTA_MUST(pool, 0, "org", "list", "--json");
    list = ran_json(&ran);
    org = json_find(list, "org", "org3");

    assert_int_equal(json_array_size(list), 9);
    assert_string_equal(json_text(json_array_get(list, 0), "org"), "org0");
    assert_int_equal(json_number(org, "ready"), 2);
    assert_int_equal(json_number(org, "scheduled"), 1);
    assert_int_equal(json_number(org, "running"), 0);
    assert_int_equal(json_number(org, "weight"), 100);
    assert_true(json_number(org, "oldest_wait_ms") >= 0 && json_number(org, "oldest_wait_ms") < 60000);
    json_decref(list);
    ran = ROTA_MUST(pool, EX_NOINPUT, "org", "list", "org3", "nobody");
    assert_int_equal(count_text(ran.out, "\n"), 2);
    assert_has(ran.err, "there is no organization nobody");
}

/* A priority is a place in the queue; it does not make a job older. */
static void the_oldest_wait_is_a_time_not_an_order(void **state)
{
    struct pool *pool = *state;
    struct ran ran;
    json_t *org;

    ROTA_MUST(pool, 0, "push", "acme", "t", "--priority", "100");
    ran = ROTA_MUST(pool, 0, "org", "show", "acme", "--json");
    org = ran_json(&ran);

    assert_true(json_number(org, "oldest_wait_ms") < 60000);
    json_decref(org);
}

static void the_state_of_an_organization_says_why(void **state)
{
    struct pool *pool = *state;

    ROTA_MUST(pool, 0, "org", "set", "acme", "--weight", "100");
    assert_org_state(pool, "acme", "idle");
    pool_scheduler(pool, NULL);
    pool_worker(pool, "--on", "slow=sleep 60", NULL);
    ROTA_MUST(pool, 0, "org", "set", "acme", "--max-running", "1");
    pool_push(pool, "acme", "j1", "slow", "");
    pool_wait_place(pool, "acme", "j1", "running");
    assert_org_state(pool, "acme", "active");
    pool_push(pool, "acme", "j2", "slow", "");
    assert_org_state(pool, "acme", "capped");
    ROTA_MUST(pool, 0, "org", "set", "globex", "--rate", "4/h");
    pool_push(pool, "globex", "j1", "slow", "");
    pool_wait_place(pool, "globex", "j1", "running");
    pool_push(pool, "globex", "j2", "slow", "");
    assert_org_state(pool, "globex", "parked");
    ROTA_MUST(pool, 0, "org", "pause", "globex");
    assert_org_state(pool, "globex", "paused");
}

static void settings_are_changed_and_told(void **state)
{
    struct pool *pool = *state;
    struct ran ran =
        ROTA_MUST(pool, 0, "org", "set", "acme", "--weight", "200", "--max-running", "5", "--rate", "600/m", "--burst", "20",
                  "--max-queued", "1000", "--max-payload", "64KiB", "--max-crashes", "4", "--keep-done", "2h", "--keep-done-max",
                  "7", "--keep-dead", "3d", "--keep-dead-max", "8", "--keep-unique", "30m");
    json_t *org, *settings;

    assert_has(ran.err, "org acme: weight is 200 (was 100, the default)\n");
    assert_has(ran.err, "org acme: max-running is 5 (was none, the default)\n");
    assert_has(ran.err, "Undo: rota org set acme --weight default --max-running default --rate default");
    ran = ROTA_MUST(pool, 0, "org", "set", "acme", "--weight", "300", "--keep-done", "default", "--json");
    org = ran_json(&ran);
    settings = json_object_get(org, "settings");
    assert_int_equal(json_number(settings, "weight"), 300);
    assert_int_equal(json_number(settings, "rate"), 10);
    assert_int_equal(json_number(settings, "max_payload_bytes"), 65536);
    assert_int_equal(json_number(settings, "keep_dead_ms"), 259200000);
    assert_int_equal(json_number(settings, "keep_unique_ms"), 1800000);
    assert_true(json_is_null(json_object_get(settings, "keep_done_ms")));
    json_decref(org);
    ran = ROTA_MUST(pool, 0, "org", "show", "acme");
    assert_has(ran.out, "weight             300\n");
    assert_has(ran.out, "keep-done          1h (default)\n");
    assert_has(ran.out, "rate               10/s\n");
    ran = ROTA_MUST(pool, 0, "org", "set", "acme", "--weight", "400");
    assert_has(ran.err, "Undo: rota org set acme --weight 300\n");
}

static void settings_that_make_no_sense_are_refused(void **state)
{
    struct pool *pool = *state;

    assert_has(ROTA_MUST(pool, EX_USAGE, "org", "set", "acme", "--weight", "0").err, "weight");
    assert_has(ROTA_MUST(pool, EX_USAGE, "org", "set", "acme", "--keep-done", "5").err, "keep-done");
    assert_has(ROTA_MUST(pool, EX_USAGE, "org", "set", "acme").err, "nothing to set");
    assert_has(ROTA_MUST(pool, EX_USAGE, "org", "set", "acme", "--wieght", "1").err, "did you mean \"--weight\"?");
    ROTA_MUST(pool, EX_NOINPUT, "org", "show", "acme");
}

static void an_organization_is_paused_by_somebody(void **state)
{
    struct pool *pool = *state;
    struct ran ran;
    json_t *org;

    pool_push(pool, "acme", "j1", "t", "");
    ran = ROTA_MUST(pool, 0, "org", "pause", "acme");
    assert_has(ran.err, "paused org acme (was active)");
    assert_has(ran.err, "Undo: rota org resume acme\n");
    ran = ROTA_MUST(pool, 0, "org", "show", "acme", "--json");
    org = ran_json(&ran);
    assert_string_equal(json_text(org, "state"), "paused");
    assert_has(json_text(org, "paused_by"), "@");
    assert_true(json_number(org, "paused_ms") > 0);
    json_decref(org);
    ran = ROTA_MUST(pool, 0, "org", "resume", "acme");
    assert_has(ran.err, "resumed org acme (was paused by ");
    assert_org_state(pool, "acme", "active");
    ROTA_MUST(pool, EX_NOINPUT, "org", "pause", "nobody");
}

static void an_organization_is_purged_with_all_it_has(void **state)
{
    struct pool *pool = *state;
    struct ran ran;

    pool_push_many(pool, "acme", "j", 1100, "t", "");
    ran = ROTA_MUST(pool, EX_USAGE, "org", "purge", "acme");
    assert_has(ran.err, "remove organization acme with its 1100 jobs");
    assert_int_equal(pool_count(pool, "acme", "ready:default"), 1100);
    ran = ROTA_MUST(pool, 0, "org", "purge", "acme", "-y");
    assert_has(ran.err, "removed org acme with 1100 jobs: this cannot be undone");
    ROTA_MUST(pool, EX_NOINPUT, "org", "show", "acme");
    ROTA_MUST(pool, EX_NOINPUT, "org", "purge", "acme", "-y");
}

/* ---- limits beyond organizations ---- */

static void limits_are_set_listed_and_cleared(void **state)
{
    struct pool *pool = *state;
    struct ran ran;
    json_t *list;

    ran = ROTA_MUST(pool, 0, "limit", "set", "mail", "--rate", "5/s", "--burst", "3");
    assert_has(ran.err, "limit mail is --rate 5/s --burst 3");
    assert_has(ran.err, "Undo: rota limit clear mail\n");
    ran = ROTA_MUST(pool, 0, "limit", "set", "mail", "--concurrency", "2");
    assert_has(ran.err, "(was --rate 5/s --burst 3). Undo: rota limit set mail --rate 5/s --burst 3\n");
    ROTA_MUST(pool, 0, "limit", "set", "per-user", "--concurrency", "1");
    ran = ROTA_MUST(pool, 0, "limit", "list", "--json");
    list = ran_json(&ran);
    assert_int_equal(json_array_size(list), 2);
    assert_int_equal(json_number(json_find(list, "limit", "mail"), "concurrency"), 2);
    json_decref(list);
    ran = ROTA_MUST(pool, 0, "limit", "list", "--limit", "1");
    assert_has(ran.err, "--cursor mail");
    assert_has(ROTA_MUST(pool, 0, "limit", "show", "mail").out, "concurrency");
    ran = ROTA_MUST(pool, 0, "limit", "clear", "mail");
    assert_has(ran.err, "Undo: rota limit set mail --concurrency 2\n");
    ROTA_MUST(pool, EX_NOINPUT, "limit", "show", "mail");
    ROTA_MUST(pool, EX_NOINPUT, "limit", "clear", "mail");
    assert_has(ROTA_MUST(pool, 0, "audit", "log").out, "limit_clear");
}

static void a_limit_is_paused_and_resumed(void **state)
{
    struct pool *pool = *state;
    struct ran ran;

    ROTA_MUST(pool, 0, "limit", "set", "mail", "--concurrency", "2");
    ran = ROTA_MUST(pool, 0, "limit", "pause", "mail", "--for", "10m");
    assert_has(ran.err, "limit mail lets nothing start until ");
    assert_has(ran.err, "(was running). Undo: rota limit resume mail\n");
    assert_has(ROTA_MUST(pool, 0, "limit", "show", "mail").out, "paused by");
    assert_has(ROTA_MUST(pool, 0, "limit", "resume", "mail").err, "resumed limit mail (was paused)");
    ran = ROTA_MUST(pool, 0, "limit", "pause", "mail:42", "--org", "acme");
    assert_has(ran.err, "Undo: rota limit resume mail:42 --org acme\n");
    ROTA_MUST(pool, EX_NOINPUT, "limit", "pause", "nothing");
    ROTA_MUST(pool, EX_USAGE, "limit", "pause", "mail:42");
    ROTA_MUST(pool, EX_USAGE, "limit", "pause", "mail", "--org", "acme");
}

static void a_wrong_limit_is_refused(void **state)
{
    struct pool *pool = *state;

    ROTA_MUST(pool, EX_USAGE, "limit", "set", "mail");
    ROTA_MUST(pool, EX_USAGE, "limit", "set", "Mail", "--concurrency", "1");
    ROTA_MUST(pool, EX_USAGE, "limit", "set", "mail:42", "--concurrency", "1");
    ROTA_MUST(pool, EX_USAGE, "limit", "set", "mail", "--concurrency", "1", "--burst", "5");
    ROTA_MUST(pool, EX_USAGE, "push", "acme", "t", "--limit", "no/limit");
    assert_has(ROTA(pool, "limit", "set", "mail", "--rate", "5").err, "it must be 0.001..1000000 with /s, /m or /h behind it");
    assert_int_equal(pool_number(pool, "EXISTS rota:{0}:limits"), 0);
}

/* ---- queues ---- */

static void queues_are_listed_and_paused(void **state)
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

/* ---- setup, version ---- */

static void setting_up_twice_changes_nothing(void **state)
{
    struct pool *pool = *state;
    struct ran ran = ROTA_MUST(pool, 0, "setup", "--json");
    json_t *object = ran_json(&ran);

    assert_int_equal(json_number(object, "lanes"), ROTA_LANES);
    assert_string_equal(json_text(object, "durability"), "disk");
    assert_string_equal(json_text(object, "level"), "disk");
    assert_string_equal(json_text(object, "library"), library_name());
    json_decref(object);
    assert_has(ROTA_MUST(pool, EX_CONFIG, "setup", "--lanes", "5").err, "4 lanes");
    assert_has(pool_string(pool, "GET rota:README"), "a session whose beat is gone is suspect\n");
}

static void a_redis_that_is_not_set_up_says_what_to_do(void **state)
{
    struct pool *pool = *state;

    pool_redis(pool, "FLUSHALL");
    pool->unchecked = true;
    assert_has(ROTA_MUST(pool, EX_CONFIG, "job", "list").err, "`rota setup`");
    pool_redis(pool, "FUNCTION FLUSH");
    ROTA_MUST(pool, 0, "setup");
    ROTA_MUST(pool, 0, "job", "list");
}

/* Its text is most of what a command would fetch: its sum does. */
static void a_command_knows_the_library_by_its_sum(void **state)
{
    struct pool *pool = *state;
    long long before = pool_number(pool, "EVAL %s 0", "return tonumber(redis.call('INFO', 'stats'):match('output_bytes:(%d+)'))");
    long long bytes;

    ROTA_MUST(pool, 0, "org", "list");
    bytes = pool_number(pool, "EVAL %s 0", "return tonumber(redis.call('INFO', 'stats'):match('output_bytes:(%d+)'))") - before;
    assert_true(bytes > 0 && (size_t)bytes < strlen(library_text()) / 2);
    pool_redis(pool, "HSET rota:meta library:%s 0123456789abcdef", library_name());
    assert_has(ROTA_MUST(pool, EX_CONFIG, "org", "list").err, "has another text than this build");
    pool_redis(pool, "FUNCTION DELETE %s", library_name());
    assert_has(ROTA_MUST(pool, EX_CONFIG, "org", "list").err, "is not loaded");
    ROTA_MUST(pool, 0, "setup");
    ROTA_MUST(pool, 0, "org", "list");
}

static void the_version_needs_no_redis(void **state)
{
    struct pool *pool = *state;
    struct ran ran;
    json_t *object;

    pool->url = "unix:///nowhere";
    assert_has(ROTA_MUST(pool, 0, "version").out, "rota " ROTA_VERSION);
    assert_has(ROTA_MUST(pool, 0, "--version").out, "rota " ROTA_VERSION);
    ran = ROTA_MUST(pool, 0, "version", "--json");
    object = ran_json(&ran);
    assert_string_equal(json_text(object, "version"), ROTA_VERSION);
    assert_string_equal(json_text(object, "library_sha256"), library_sha256());
    json_decref(object);
}

/* ---- what all share ---- */

static void misuse_is_told_with_what_was_meant(void **state)
{
    struct pool *pool = *state;
    struct ran ran;

    assert_has(ROTA_MUST(pool, EX_USAGE, "psuh").err, "rota: unknown command \"psuh\", did you mean \"push\"?");
    assert_has(ROTA_MUST(pool, EX_USAGE, "job", "lst").err, "did you mean \"job list\"?");
    ran = rota_must(pool, EX_USAGE, (const char *const[]){NULL});
    assert_string_equal(ran.out, "");
    assert_has(ran.err, "rota push ORG TYPE");
    assert_has(ROTA_MUST(pool, EX_USAGE, "job").err, "rota job cancel JOB...");
    assert_has(ROTA_MUST(pool, EX_USAGE, "job", "show").err, "missing arguments, usage: rota job show JOB");
    assert_has(ROTA_MUST(pool, EX_USAGE, "pause", "acme").err, "too many arguments");
    assert_has(ROTA_MUST(pool, EX_USAGE, "job", "list", "-o", "xml").err, "must be table, json or ndjson");
    assert_has(ROTA_MUST(pool, EX_USAGE, "job", "list", "--redis", "mysql://x").err, "must begin with redis://");
    ran = ROTA_MUST(pool, EX_USAGE, "job", "list", "Acme", "--json");
    assert_has(ran.err, "{\"error\":{\"code\":\"usage\",\"message\":\"organization \\\"Acme\\\" must match");
    assert_has(ROTA_MUST(pool, 0, "job", "--help").out, "rota job show JOB");
    assert_has(ROTA_MUST(pool, 0, "job", "show", "--help").out, "--payload");
    assert_has(ROTA_MUST(pool, 0, "help").out, "rota worker list");
}

static void a_bad_configuration_is_told_apart_from_misuse(void **state)
{
    struct pool *pool = *state;
    const char *path = write_text(
        pool, "rota.yaml", "redis: {url: 'unix:///nowhere'}\ncli: {push: {queue: mail}, outptu: json}\nworker: {slots: 3}\n");

    assert_has(ROTA_MUST(pool, EX_CONFIG, "job", "list", "--config", path).err, "unknown setting \"cli.outptu\"");
    write_text(pool, "rota.yaml", "cli: {push: {queue: mail}, output: ndjson}\nworker: {slots: 3}\nhandlers: {wc: 'wc -w'}\n");
    assert_string_equal(ROTA_MUST(pool, 0, "job", "list", "--config", path).out, "");
    ROTA_MUST(pool, 0, "push", "acme", "t", "--id", "j1", "--config", path);
    assert_string_equal(pool_job(pool, "acme", "j1")->record.queue, "mail");
    pool_scheduler(pool, "--config", path, NULL); /* one file serves all programs */
    pool_worker(pool, "--config", path, NULL);
}

static void who_may_not_is_told_so(void **state)
{
    struct pool *pool = *state;

    pool_redis(pool, "ACL SETUSER limited on >secret ~* +@all -fcall");
    pool->url = pool_text(pool, "unix://limited:wrong@%s", server_socket(pool->server));
    assert_has(ROTA_MUST(pool, EX_NOPERM, "job", "list").err, "does not let us in");
    pool->url = pool_text(pool, "unix://limited:secret@%s", server_socket(pool->server));
    assert_has(ROTA_MUST(pool, EX_NOPERM, "push", "acme", "t").err, "NOPERM");
}

static void a_weak_server_takes_no_jobs_but_can_be_looked_at(void **state)
{
    struct pool *pool = *state;

    pool_push(pool, "acme", "j1", "t", "");
    pool_redis(pool, "CONFIG SET maxmemory-policy allkeys-lru");
    assert_has(ROTA_MUST(pool, EX_CONFIG, "push", "acme", "t").err, "allkeys-lru");
    assert_has(ROTA_MUST(pool, 0, "job", "list").err, "warning: ");
    ROTA_MUST(pool, 0, "job", "cancel", "acme/j1");
    pool_redis(pool, "CONFIG SET maxmemory-policy noeviction");
}

static void quiet_says_nothing_but_errors(void **state)
{
    struct pool *pool = *state;

    pool_push(pool, "acme", "j1", "t", "");
    assert_string_equal(ROTA_MUST(pool, 0, "job", "cancel", "acme/j1", "-q").err, "");
    assert_has(ROTA_MUST(pool, 1, "job", "cancel", "acme/j1", "-q").err, "has ended already");
}

static void a_signal_ends_a_wait(void **state)
{
    struct pool *pool = *state;
    const int numbers[] = {SIGINT, SIGTERM};

    pool_push(pool, "acme", "j1", "t", "");
    for (int i = 0; i < 2; i++) {
        const char *environment[] = {pool_text(pool, "ROTA_REDIS_URL=%s", pool->url), NULL};
        struct process *wait =
            process_start(&(struct process_options){.program = "rota",
                                                    .arguments = (const char *const[]){"job", "wait", "acme/j1", NULL},
                                                    .environment = environment,
                                                    .log = pool_path(pool, "wait.log")});
        WAIT_UNTIL(strstr(pool_string(pool, "CLIENT LIST"), "name=rota "));
        process_signal(wait, numbers[i]);
        assert_int_equal(process_wait(wait, PROCESS_MS_MAX), 128 + numbers[i]);
        process_free(wait);
        WAIT_UNTIL(!strstr(pool_string(pool, "CLIENT LIST"), "name=rota "));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROTA_TEST_LANES(organizations_of_all_lanes_are_listed),
        ROTA_TEST_LANES(the_oldest_wait_is_a_time_not_an_order),
        ROTA_TEST_LANES(the_state_of_an_organization_says_why),
        ROTA_TEST_LANES(settings_are_changed_and_told),
        ROTA_TEST_LANES(settings_that_make_no_sense_are_refused),
        ROTA_TEST_LANES(an_organization_is_paused_by_somebody),
        ROTA_TEST_LANES(an_organization_is_purged_with_all_it_has),
        ROTA_TEST_LANES(limits_are_set_listed_and_cleared),
        ROTA_TEST_LANES(a_limit_is_paused_and_resumed),
        ROTA_TEST_LANES(a_wrong_limit_is_refused),
        ROTA_TEST_LANES(queues_are_listed_and_paused),
        ROTA_TEST_LANES(everything_is_paused_in_all_lanes),
        ROTA_TEST_LANES(workers_are_listed_with_what_they_do),
        ROTA_TEST_LANES(a_worker_that_is_gone_is_still_known),
        ROTA_TEST_LANES(a_worker_is_shown_by_the_beginning_of_its_id),
        ROTA_TEST_LANES(a_card_lives_as_long_as_its_process),
        ROTA_TEST_LANES(an_audit_finds_and_mends),
        ROTA_TEST_LANES(an_audit_names_what_is_damaged_and_goes_on),
        ROTA_TEST_LANES(setting_up_twice_changes_nothing),
        ROTA_TEST_LANES(a_redis_that_is_not_set_up_says_what_to_do),
        ROTA_TEST_LANES(a_command_knows_the_library_by_its_sum),
        ROTA_TEST_LANES(the_version_needs_no_redis),
        ROTA_TEST_LANES(misuse_is_told_with_what_was_meant),
        ROTA_TEST_LANES(a_bad_configuration_is_told_apart_from_misuse),
        ROTA_TEST_LANES(who_may_not_is_told_so),
        ROTA_TEST_LANES(a_weak_server_takes_no_jobs_but_can_be_looked_at),
        ROTA_TEST_LANES(quiet_says_nothing_but_errors),
        ROTA_TEST_LANES(a_signal_ends_a_wait),
    };
    return cmocka_run_group_tests_name("cli_admin", tests, NULL, NULL);
}
