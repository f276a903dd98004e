/* `rota org usage`, `rota stats`: figures of what is there. */
#include <math.h>
#include <string.h>
#include <sysexits.h>

#include "tests/support/rota.h"

/* Two types that end well and badly, in two organizations. */
static void work(struct pool *pool)
{
    pool_scheduler(pool, NULL);
    pool_worker(pool, "--on", "ok=cat", "--on", "bad=exit 100", NULL);
    pool_push_many(pool, "acme", "ok", 6, "ok", "payload");
    pool_push_many(pool, "acme", "bad", 2, "bad", "");
    pool_push_many(pool, "beta", "ok", 3, "ok", "payload");
    WAIT_UNTIL(pool_count(pool, "acme", "done") == 6 && pool_count(pool, "acme", "dead") == 2 &&
               pool_count(pool, "beta", "done") == 3);
}

static void attempts_are_counted_by_type_organization_and_worker(void **state)
{
    struct pool *pool = *state;
    struct ran ran;
    json_t *list, *row;

    work(pool);
    ran = ROTA_MUST(pool, 0, "stats", "--json");
    list = ran_json(&ran);
    assert_int_equal(json_array_size(list), 2);
    row = json_find(list, "name", "ok");
    assert_int_equal(json_number(row, "done"), 9);
    assert_int_equal(json_number(row, "failed"), 0);
    assert_true(json_number(row, "p50_ms") <= json_number(row, "p95_ms"));
    assert_true(json_number(row, "p95_ms") <= json_number(row, "max_ms"));
    assert_int_equal(json_number(json_find(list, "name", "bad"), "failed"), 2);
    json_decref(list);
    assert_has(ran.err, "{\"sample\":{\"attempts\":11,\"jobs\":11,\"orgs\":2,\"of_orgs\":2,\"per_state\":500,\"cut\":false}}");

    ran = ROTA_MUST(pool, 0, "stats", "--by", "org", "--json");
    list = ran_json(&ran);
    assert_int_equal(json_number(json_find(list, "name", "acme"), "done"), 6);
    json_decref(list);
    ran = ROTA_MUST(pool, 0, "stats", "--by", "worker", "beta", "--json");
    list = ran_json(&ran);
    assert_int_equal(json_array_size(list), 1);
    assert_int_equal(json_number(json_array_get(list, 0), "done"), 3);
    json_decref(list);
}

static void a_sample_says_that_it_is_one(void **state)
{
    struct pool *pool = *state;
    struct ran ran;

    work(pool);
    ran = ROTA_MUST(pool, 0, "stats", "acme", "--sample", "2");
    assert_has(ran.err,
               "from 4 attempts of 4 jobs of 1 organization: the newest of each state, as --sample says; there are more");
    ran = ROTA_MUST(pool, 0, "stats", "acme");
    assert_has(ran.err, "from 8 attempts of 8 jobs of 1 organization: all that are kept");
    ran = ROTA_MUST(pool, 0, "stats", "--limit", "1");
    assert_has(ran.err, "1 of 2 (--cursor ");
    ROTA_MUST(pool, EX_USAGE, "stats", "--by", "day");
    ROTA_MUST(pool, EX_USAGE, "stats", "a*");
}

static void usage_tells_jobs_memory_and_shares(void **state)
{
    struct pool *pool = *state;
    double percent = 0;
    struct ran ran;
    json_t *list, *org;

    ROTA_MUST(pool, 0, "org", "set", "acme", "--weight", "300", "--max-running", "5");
    work(pool);
    ROTA_MUST(pool, 0, "push", "acme", "unknown", "x", "--in", "1h");
    ran = ROTA_MUST(pool, 0, "org", "usage", "--json");
    list = ran_json(&ran);
    org = json_find(list, "org", "acme");
    assert_int_equal(json_number(org, "done"), 6);
    assert_int_equal(json_number(org, "dead"), 2);
    assert_int_equal(json_number(org, "scheduled"), 1);
    assert_int_equal(json_number(org, "max_running"), 5);
    assert_true(json_number(org, "bytes") > 500);
    assert_true(fabs(json_number_value(json_object_get(org, "weight_percent")) - 75) < 0.1);
    for (size_t i = 0; i < json_array_size(list); i++)
        percent += json_number_value(json_object_get(json_array_get(list, i), "time_percent"));
    assert_true(fabs(percent - 100) < 0.3);
    json_decref(list);

    ran = ROTA_MUST(pool, 0, "org", "usage", "--limit", "1");
    assert_has(ran.out, "acme");
    assert_has(ran.err, "1 of 2 (--cursor acme for more)");
    ROTA_MUST(pool, EX_NOINPUT, "org", "usage", "nobody");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROTA_TEST_LANES(attempts_are_counted_by_type_organization_and_worker),
        ROTA_TEST_LANES(a_sample_says_that_it_is_one),
        ROTA_TEST_LANES(usage_tells_jobs_memory_and_shares),
    };
    return cmocka_run_group_tests_name("cli_figures", tests, NULL, NULL);
}
