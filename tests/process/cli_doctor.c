/* `rota doctor` on real deployments, well and not so well. */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "tests/support/rota.h"

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

/* Has the deployment examined: `rota doctor` exits with `status`, and finds each of the checks that follow to be what stands
 * behind it. */
static struct ran examine(struct pool *pool, int status, const char *const *checks)
{
    struct ran ran = ROTA_MUST(pool, status, "doctor", "--json");

    for (; *checks; checks += 2)
        assert_string_equal(found(pool, &ran, checks[0]), checks[1]);
    return ran;
}
#define EXAMINE(pool, status, ...) examine(pool, status, (const char *const[]){__VA_ARGS__, NULL})

static void a_deployment_that_works_is_well(void **state)
{
    struct pool *pool = *state;
    struct ran ran;

    pool_scheduler(pool, NULL);
    pool_worker(pool, "--on", "wc=wc -c", NULL);
    EXAMINE(pool, 0, "server", "ok", "durability", "ok", "library", "ok", "clock", "ok", "latency", "ok", "connections", "ok",
            "persistence", "ok", "leader", "ok", "workers", "ok", "versions", "ok", "session time-outs", "ok", "drain", "ok",
            "queue default", "ok", "maxmemory", "warn");
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
    EXAMINE(pool, 1, "leader", "fail", "workers", "warn", "queue bulk", "fail");
    pool_scheduler(pool, NULL);
    pool_worker(pool, "--on", "sleep=exec sleep 60", "--slots", "1", "--queue", "default", "--queue", "bulk", NULL);
    pool_wait_place(pool, "acme", "j1", "scheduled"); /* it rests */
    snprintf(bulk.type, sizeof bulk.type, "sleep");
    pool_push_record(pool, "acme", "j2", &bulk);
    pool_wait_place(pool, "acme", "j2", "running");
    pool_push_record(pool, "acme", "j3", &bulk); /* has to wait, and is served */
    ran = EXAMINE(pool, 0, "queue bulk", "ok", "types", "warn");
    assert_has(ran.out, "type t waits in queue bulk (acme/j1)");
    ROTA_MUST(pool, 0, "queue", "pause", "bulk");
    ROTA_MUST(pool, 0, "pause");
    EXAMINE(pool, 0, "queue bulk", "warn", "pause", "warn");
}

static void schedules_that_are_unhealthy_or_were_mended_are_named(void **state)
{
    struct pool *pool = *state;
    struct ran ran; /* exit status 1: nobody leads, and changes it back */

    ROTA_MUST(pool, 0, "schedule", "add", "acme/a", "t", "--every", "1h");
    ran = EXAMINE(pool, 1, "schedules", "ok");
    assert_has(ran.out, "of 1 schedules none is unhealthy");
    pool_call(pool, lane_of("acme", ROTA_LANES), "schedule_health", "acme a 1 1");
    ran = EXAMINE(pool, 1, "schedules", "warn");
    assert_has(ran.out, "1 unhealthy, as acme/a");
    assert_has(ran.out, "rota schedule show acme/a");
}

static void a_weak_server_fails(void **state)
{
    struct pool *pool = *state;
    struct ran ran;

    pool_redis(pool, "CONFIG SET appendfsync everysec");
    ran = EXAMINE(pool, 1, "server", "fail", "latency", "ok");
    assert_has(ran.out, "appendfsync is");
    pool_call(pool, 2, "intake", "ann stop weak");
    EXAMINE(pool, 1, "intake", "fail");
    ROTA_MUST(pool, 1, "doctor", "--durability", "everysec"); /* nobody leads */
    pool_scheduler(pool, "--durability", "everysec", NULL);
    WAIT_UNTIL(ROTA(pool, "doctor").status == 0); /* as it is declared now */
}

static void what_cannot_be_reached_fails(void **state)
{
    struct pool *pool = *state;
    struct ran ran;

    pool_redis(pool, "FLUSHALL");
    ran = EXAMINE(pool, 1, "connection", "fail");
    assert_has(ran.out, "run rota setup");
    pool->url = "unix:///nowhere/redis.sock";
    ran = ROTA_MUST(pool, 1, "doctor");
    assert_has(ran.out, "fail  connection         cannot reach redis at unix:///nowhere/redis.sock");
    ROTA_MUST(pool, EX_USAGE, "doctor", "--durability", "some");
    ROTA_MUST(pool, EX_USAGE, "doctor", "now");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROTA_TEST_LANES(a_deployment_that_works_is_well),
        ROTA_TEST_LANES(work_that_nobody_serves_is_found),
        ROTA_TEST_LANES(schedules_that_are_unhealthy_or_were_mended_are_named),
        ROTA_TEST_LANES(a_weak_server_fails),
        ROTA_TEST_LANES(what_cannot_be_reached_fails),
    };
    return cmocka_run_group_tests_name("cli_doctor", tests, NULL, NULL);
}
