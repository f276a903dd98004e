/* `rota org delete` beside workers that run its jobs. */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "tests/support/rota.h"

static void an_organization_goes_with_all_it_has(void **state)
{
    struct pool *pool = *state;
    struct ran ran;

    pool_push_many(pool, "acme", "j", 1100, "t", "");
    ran = ROTA_MUST(pool, EX_USAGE, "org", "delete", "acme");
    assert_has(ran.err, "delete organization acme with its 1100 jobs, 0 of them running, which cannot be undone");
    assert_int_equal(pool_count(pool, "acme", "ready:default"), 1100);
    ran = ROTA_MUST(pool, 0, "org", "delete", "acme", "-y");
    assert_has(ran.err, "deleted org acme with 1100 jobs: this cannot be undone");
    ROTA_MUST(pool, EX_NOINPUT, "org", "show", "acme");
    ROTA_MUST(pool, EX_NOINPUT, "org", "delete", "acme", "-y");
    ran = ROTA_MUST(pool, 0, "audit", "log", "--org", "acme");
    assert_has(ran.out, "org_delete");
}

static void what_waits_in_a_private_inbox_is_told_of(void **state)
{
    struct pool *pool = *state;

    ROTA_MUST(pool, 0, "org", "set", "acme", "--private-inbox", "on");
    for (uint32_t lane = 0; lane < pool->lanes; lane++)
        pool_redis(pool, "XADD rota:{%u}:org:acme:inbox NOMKSTREAM * type t", lane);
    assert_has(ROTA_MUST(pool, 0, "org", "delete", "acme", "--dry-run").err,
               "would delete org acme with its 0 jobs, 0 of them running, and 1 entry of its private inbox");
}

/* One runs, a hundred wait, and a schedule makes another one each second. */
static void AP_10_what_runs_is_stopped_and_nothing_runs_later(void **state)
{
    struct pool *pool = *state;
    struct ran ran;

    pool_scheduler(pool, NULL);
    pool_worker(pool, "--on", pool_logging(pool, "slow", "sleep 60"), "--slots", "1", NULL);
    pool_push(pool, "acme", "first", "slow", "");
    pool_wait_place(pool, "acme", "first", "running");
    pool_push_many(pool, "acme", "j", 100, "slow", "");
    ROTA_MUST(pool, 0, "schedule", "add", "acme/often", "slow", "--every", "1s", "--overlap", "allow");
    WAIT_UNTIL(pool_count(pool, "acme", "ready:default") > 101);
    WAIT_UNTIL(pool_handlers(pool) > 0);

    ran = ROTA_MUST(pool, 0, "org", "delete", "acme", "--yes", "--json");
    assert_has(ran.out, "\"deleted_jobs\": 10");

    WAIT_UNTIL(pool_handlers(pool) == 0);
    ROTA_MUST(pool, 0, "schedule", "add", "other/often", "slow", "--every", "1s", "--overlap", "allow");
    WAIT_UNTIL(pool_count(pool, "other", "ready:default") > 1); /* there a worker is free, and due times have passed */
    assert_int_equal(pool_logged(pool, "acme/"), 1);
    ran = ROTA_MUST(pool, 0, "org", "list", "--json");
    assert_null(strstr(ran.out, "acme"));
    ran = ROTA_MUST(pool, 0, "schedule", "list", "--json");
    assert_null(strstr(ran.out, "acme"));
}

static void one_that_does_not_end_is_visible_and_can_be_taken_away(void **state)
{
    struct pool *pool = *state;
    struct ran ran;

    pool_scheduler(pool, NULL);
    pool_worker(pool, "--on", "stubborn=trap '' TERM; sleep 60", "--slots", "1", NULL);
    pool_push(pool, "acme", "first", "stubborn", "");
    pool_wait_place(pool, "acme", "first", "running");
    WAIT_UNTIL(pool_handlers(pool) > 0);
    pool_push(pool, "acme", "second", "stubborn", "");

    ran = ROTA_MUST(pool, EX_TEMPFAIL, "org", "delete", "acme", "--yes", "--timeout", "1s");
    assert_has(ran.err, "organization acme is not deleted yet: 1 job still runs");
    assert_has(ran.err, "rota org delete acme --yes --force");

    ran = ROTA_MUST(pool, 0, "org", "show", "acme", "--json");
    assert_has(ran.out, "\"state\": \"deleting\"");
    ran = ROTA(pool, "doctor");
    assert_has(ran.out, "organization acme is being deleted");
    ran = ROTA_MUST(pool, 0, "job", "explain", "acme/second");
    assert_has(ran.out, "organization acme is being deleted by ");
    assert_has(ran.out, "rota org delete acme");
    assert_has(ROTA_MUST(pool, 0, "job", "explain", "acme/first").out, "it was cancelled");
    ran = ROTA_MUST(pool, EX_DATAERR, "push", "acme", "stubborn");
    assert_has(ran.err, "deleting: the organization is being deleted");
    assert_has(ROTA(pool, "org", "resume", "acme").err, "organization acme is being deleted");

    ROTA_MUST(pool, 0, "org", "delete", "acme", "--yes", "--force");
    ROTA_MUST(pool, EX_NOINPUT, "org", "show", "acme");
    assert_null(strstr(ROTA(pool, "doctor").out, "acme"));
    ROTA_MUST(pool, 0, "push", "acme", "other"); /* a new one of the name */
    assert_has(ROTA_MUST(pool, 0, "org", "show", "acme", "--json").out, "\"state\": \"active\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROTA_TEST_LANES(an_organization_goes_with_all_it_has),
        ROTA_TEST_LANES(AP_10_what_runs_is_stopped_and_nothing_runs_later),
        ROTA_TEST_LANES(one_that_does_not_end_is_visible_and_can_be_taken_away),
        ROTA_TEST_LANES(what_waits_in_a_private_inbox_is_told_of),
    };
    return cmocka_run_group_tests_name("cli_org_delete", tests, NULL, NULL);
}
