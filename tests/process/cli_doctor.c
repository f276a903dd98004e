/* `rota doctor` on real deployments, well and not so well. */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "tests/support/rota.h"

static int set_up(void **state)
{
    *state = pool_new(4, NULL);
    ROTA_MUST(*state, 0, "setup", "--lanes", "4");
    return 0;
}

/* "ok", "warn" or "fail" for what was found of `check`; "" if nothing was. */
static const char *found(struct pool *pool, const struct ran *ran, const char *check)
{
    json_t *list = ran_json(ran);
    const char *status = "";

    for (size_t i = 0; i < json_array_size(list); i++)
        if (strcmp(json_text(json_array_get(list, i), "check"), check) == 0)
            status = pool_text(pool, "%s", json_text(json_array_get(list, i), "status"));
    json_decref(list);
    return status;
}

#define assert_found(ran, check, status) assert_string_equal(found(pool, &(ran), check), status)

static void a_deployment_that_works_is_well(void **state)
{
    struct pool *pool = *state;
    struct ran ran;

    pool_scheduler(pool, NULL);
    pool_worker(pool, "--on", "wc=wc -c", NULL);
    ran = ROTA_MUST(pool, 0, "doctor", "--json");
    static const char *const checks[] = {"server",       "durability", "library", "clock",    "latency",           "connections",
                                         "persistence",  "leader",     "workers", "versions", "session time-outs", "drain",
                                         "queue default"};
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++)
        assert_found(ran, checks[i], "ok");
    assert_found(ran, "maxmemory", "warn");
    ran = ROTA_MUST(pool, 0, "doctor");
    assert_has(ran.out, "ok    leader             one of 1 scheduler leads\n");
    assert_has(ran.err, " 0 fail");
}

static void work_that_nobody_serves_is_found(void **state)
{
    struct pool *pool = *state;
    struct job_record bulk = {.type = "t", .queue = "bulk", .payload = "", .has_payload = true};
    struct ran ran;

    pool_push_record(pool, "acme", "j1", &bulk);
    ran = ROTA_MUST(pool, 1, "doctor", "--json");
    assert_found(ran, "leader", "fail");
    assert_found(ran, "workers", "warn");
    assert_found(ran, "queue bulk", "fail");
    pool_scheduler(pool, NULL);
    pool_worker(pool, "--on", "sleep=exec sleep 60", "--slots", "1", "--queue", "default", "--queue", "bulk", NULL);
    pool_wait_place(pool, "acme", "j1", "scheduled"); /* it rests */
    snprintf(bulk.type, sizeof bulk.type, "sleep");
    pool_push_record(pool, "acme", "j2", &bulk);
    pool_wait_place(pool, "acme", "j2", "running");
    pool_push_record(pool, "acme", "j3", &bulk); /* has to wait, and is served */
    ran = ROTA_MUST(pool, 0, "doctor", "--json");
    assert_found(ran, "queue bulk", "ok");
    assert_found(ran, "types", "warn");
    assert_has(ran.out, "type t waits in queue bulk (acme/j1)");
    ROTA_MUST(pool, 0, "queue", "pause", "bulk");
    ROTA_MUST(pool, 0, "pause");
    ran = ROTA_MUST(pool, 0, "doctor", "--json");
    assert_found(ran, "queue bulk", "warn");
    assert_found(ran, "pause", "warn");
}

static void a_weak_server_fails(void **state)
{
    struct pool *pool = *state;
    struct ran ran;

    pool_redis(pool, "CONFIG SET appendfsync everysec");
    ran = ROTA_MUST(pool, 1, "doctor", "--json");
    assert_found(ran, "server", "fail");
    assert_has(ran.out, "appendfsync is");
    assert_found(ran, "latency", "ok");
    pool_call(pool, 2, "intake", "ann stop weak");
    ran = ROTA_MUST(pool, 1, "doctor", "--json");
    assert_found(ran, "intake", "fail");
    ROTA_MUST(pool, 1, "doctor", "--durability", "everysec"); /* nobody leads */
    pool_scheduler(pool, "--durability", "everysec", NULL);
    WAIT_UNTIL(ROTA(pool, "doctor").status == 0); /* as it is declared now */
}

static void what_cannot_be_reached_fails(void **state)
{
    struct pool *pool = *state;
    struct ran ran;

    pool_redis(pool, "FLUSHALL");
    ran = ROTA_MUST(pool, 1, "doctor", "--json");
    assert_found(ran, "connection", "fail");
    assert_has(ran.out, "run rota setup");
    pool->url = "unix:///nowhere/redis.sock";
    ran = ROTA_MUST(pool, 1, "doctor");
    assert_has(ran.out, "fail  connection         cannot reach redis at unix:///nowhere/redis.sock");
    ROTA_MUST(pool, EX_USAGE, "doctor", "--durability", "some");
    ROTA_MUST(pool, EX_USAGE, "doctor", "now");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, pool_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_deployment_that_works_is_well),
        TEST(work_that_nobody_serves_is_found),
        TEST(a_weak_server_fails),
        TEST(what_cannot_be_reached_fails),
    };
    return cmocka_run_group_tests_name("cli_doctor", tests, NULL, NULL);
}
