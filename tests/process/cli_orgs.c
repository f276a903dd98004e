/* `rota org` and `rota limit` - organizations: listed, set, paused; and limits beyond them. */
#include <sysexits.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROTA_TEST_LANES(organizations_of_all_lanes_are_listed),
        ROTA_TEST_LANES(the_oldest_wait_is_a_time_not_an_order),
        ROTA_TEST_LANES(the_state_of_an_organization_says_why),
        ROTA_TEST_LANES(settings_are_changed_and_told),
        ROTA_TEST_LANES(settings_that_make_no_sense_are_refused),
        ROTA_TEST_LANES(an_organization_is_paused_by_somebody),
        ROTA_TEST_LANES(limits_are_set_listed_and_cleared),
        ROTA_TEST_LANES(a_limit_is_paused_and_resumed),
        ROTA_TEST_LANES(a_wrong_limit_is_refused),
    };
    return cmocka_run_group_tests_name("cli_orgs", tests, NULL, NULL);
}
