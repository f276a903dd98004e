/* `rota dead`: groups of errors, and bringing them back at a pace. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "tests/support/rota.h"

/* `count` jobs <prefix>0000.. of `org` that die with the error that stands in their payload. */
static void make_dead(struct pool *pool, const char *org, const char *prefix, unsigned count, const char *type, const char *error)
{
    struct process *worker = pool_worker(pool, "--on", pool_text(pool, "%s=cat >&2; exit 65", type), "--slots", "8", NULL);

    for (unsigned i = 0; i < count; i++)
        pool_push(pool, org, pool_text(pool, "%s%04u", prefix, i), type, pool_text(pool, "%s %u", error, i));
    WAIT_UNTIL(pool_count(pool, org, "ready:default") == 0 && pool_count(pool, org, "running") == 0);
    process_kill(worker);
}

/* The value of `member` of group `index` in JSON. */
static const char *member(struct pool *pool, const json_t *groups, size_t index, const char *name)
{
    return pool_text(pool, "%s", json_text(json_array_get(groups, index), name));
}

static void errors_that_differ_in_numbers_are_one_group(void **state)
{
    struct pool *pool = *state;
    struct ran ran;
    json_t *groups;

    make_dead(pool, "acme", "a", 3, "mail", "no route to order");
    make_dead(pool, "globex", "g", 2, "mail", "no route to order");
    make_dead(pool, "acme", "w", 1, "web", "no route to order");
    make_dead(pool, "acme", "x", 1, "mail", "another");
    ran = ROTA_MUST(pool, 0, "dead", "groups", "--json");
    groups = ran_json(&ran);

    assert_int_equal(json_array_size(groups), 3);
    assert_int_equal(json_number(json_array_get(groups, 0), "jobs"), 5);
    assert_int_equal(json_number(json_array_get(groups, 0), "organizations"), 2);
    assert_string_equal(member(pool, groups, 0, "type"), "mail");
    assert_string_equal(member(pool, groups, 0, "error"), "exit 65: no route to order <n>");
    assert_has(member(pool, groups, 0, "sample"), "globex/g");
    assert_true(json_number(json_array_get(groups, 0), "first_ms") < json_number(json_array_get(groups, 0), "last_ms"));

    ran = ROTA_MUST(pool, 0, "dead", "groups", "acme", "--error", "another", "-o", "ndjson");
    assert_int_equal(count_text(ran.out, "\n"), 1);
    assert_has(ROTA_MUST(pool, 0, "dead", "groups", "--limit", "1").err, "2 more groups");
    assert_has(ROTA_MUST(pool, 0, "dead", "groups", "--look", "4").err, "4 dead jobs were looked at");
    ran = ROTA_MUST(pool, 0, "dead", "groups", "--type", "web", "-o", "ndjson");
    assert_int_equal(count_text(ran.out, "\n"), 1);

    ROTA_MUST(pool, EX_USAGE, "dead", "redrive", "--all-orgs", "--group", "x", "--yes");
    ran = ROTA_MUST(pool, 0, "dead", "redrive", "--all-orgs", "--group", member(pool, groups, 0, "group"), "--dry-run");
    assert_has(ran.err, "would redrive 5 dead jobs");
    ran = ROTA_MUST(pool, 0, "dead", "redrive", "--all-orgs", "--group", member(pool, groups, 0, "group"), "--yes");
    assert_has(ran.err, "redriven 5 dead jobs");
    assert_int_equal(pool_count(pool, "acme", "dead"), 2);
    assert_int_equal(pool_count(pool, "globex", "dead"), 0);
    ran = ROTA_MUST(pool, 0, "dead", "redrive", "acme", "--error", "another", "--yes");
    assert_has(ran.err, "redriven 1 dead job.");
    json_decref(groups);
}

/* A cursor goes on with the jobs that were not looked at. */
static void groups_are_found_in_bounded_walks(void **state)
{
    struct pool *pool = *state;
    const char *cursor = NULL;
    json_int_t jobs = 0;
    int runs = 0;

    make_dead(pool, "acme", "a", 5, "mail", "no route");
    make_dead(pool, "beta", "b", 4, "mail", "no route");
    do {
        struct ran ran = cursor ? ROTA_MUST(pool, 0, "dead", "groups", "--look", "3", "-o", "ndjson", "--cursor", cursor)
                                : ROTA_MUST(pool, 0, "dead", "groups", "--look", "3", "-o", "ndjson");
        const char *more = strstr(ran.err, "\"cursor\":\"");
        if (ran.out[0]) {
            json_t *group = ran_json(&ran);
            jobs += json_number(group, "jobs");
            json_decref(group);
        }
        cursor = more ? pool_text(pool, "%.*s", (int)strcspn(more + 10, "\""), more + 10) : NULL;
        assert_true(++runs < 10);
    } while (cursor);
    assert_int_equal(jobs, 9);
    assert_true(runs >= 3);
}

static void a_paced_redrive_takes_its_time_and_can_be_interrupted(void **state)
{
    struct pool *pool = *state;
    struct process *rota;
    int64_t begun_ms;
    long long dead;

    make_dead(pool, "acme", "a", 12, "mail", "no route");
    ROTA_MUST(pool, EX_USAGE, "dead", "redrive", "acme", "--rate", "fast", "--yes");
    begun_ms = clock_mono_ms();
    assert_has(ROTA_MUST(pool, 0, "dead", "redrive", "acme/a0000", "acme/a0001", "acme/a0002", "--rate", "10/s").err,
               "redriven 3");
    assert_true(clock_mono_ms() - begun_ms >= 200);

    rota = process_start(&(struct process_options){
        .program = "rota",
        .arguments = (const char *const[]){"dead", "redrive", "acme", "--rate", "10/s", "--yes", "--redis", pool->url, NULL},
        .log = pool_path(pool, "redrive.log")});
    WAIT_UNTIL(pool_count(pool, "acme", "dead") <= 7);
    process_signal(rota, SIGINT);
    assert_int_equal(process_wait(rota, PROCESS_MS_MAX), 128 + SIGINT);
    dead = pool_count(pool, "acme", "dead");
    assert_has(process_log(rota), pool_text(pool, "redriven %lld dead jobs", 9 - dead));
    assert_has(process_log(rota), pool_text(pool, "%lld are left as they are: the same command again goes on", dead));
    process_free(rota);
    assert_has(ROTA_MUST(pool, 0, "dead", "redrive", "acme", "--yes").err, pool_text(pool, "redriven %lld", dead));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROTA_TEST(errors_that_differ_in_numbers_are_one_group),
        ROTA_TEST(groups_are_found_in_bounded_walks),
        ROTA_TEST(a_paced_redrive_takes_its_time_and_can_be_interrupted),
    };
    return cmocka_run_group_tests_name("cli_dead", tests, NULL, NULL);
}
