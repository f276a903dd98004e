/* `rota event` and `rota audit log`, over several lanes. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "tests/support/rota.h"

/* The members `name` of a list in JSON lines, with spaces between. */
static const char *members(struct pool *pool, const char *lines, const char *name)
{
    const char *text = "";

    while (*lines) {
        size_t length = strcspn(lines, "\n");
        json_t *object = json_loadb(lines, length, 0, NULL), *value = json_object_get(object, name);
        assert_non_null(object);
        if (json_is_integer(value))
            text = pool_text(pool, "%s%s%lld", text, text[0] ? " " : "", (long long)json_integer_value(value));
        else
            text = pool_text(pool, "%s%s%s", text, text[0] ? " " : "", json_is_string(value) ? json_string_value(value) : "-");
        json_decref(object);
        lines += length + (lines[length] == '\n');
    }
    return text;
}

/* Six changes of organizations in all lanes, one after the other. */
static void make_changes(struct pool *pool)
{
    for (int i = 0; i < 6; i++) {
        ROTA_MUST(pool, 0, "org", "set", pool_text(pool, "org%d", i), "--weight", pool_text(pool, "%d", i + 1));
        pause_ms(2);
    }
}

static void the_newest_of_all_lanes_comes_first(void **state)
{
    struct pool *pool = *state;

    make_changes(pool);
    assert_string_equal(members(pool, ROTA_MUST(pool, 0, "audit", "log", "-o", "ndjson").out, "org"),
                        "org5 org4 org3 org2 org1 org0");
    assert_string_equal(members(pool, ROTA_MUST(pool, 0, "event", "list", "-o", "ndjson").out, "org"),
                        "org5 org4 org3 org2 org1 org0");
    assert_string_equal(members(pool, ROTA_MUST(pool, 0, "audit", "log", "--org", "org3", "-o", "ndjson").out, "after"),
                        "weight=4");
    assert_has(members(pool, ROTA_MUST(pool, 0, "audit", "log", "--org", "org3", "-o", "ndjson").out, "who"), "(rota ");
    assert_string_equal(ROTA_MUST(pool, 0, "audit", "log", "--org", "none", "-o", "ndjson").out, "");
    ROTA_MUST(pool, EX_USAGE, "audit", "log", "--org", "No");
    assert_has(ROTA_MUST(pool, 0, "audit", "log").out, "weight=6");
}

static void a_cursor_goes_on_where_the_list_ended(void **state)
{
    struct pool *pool = *state;
    const char *cursor, *orgs = "";
    struct ran ran;

    make_changes(pool);
    ran = ROTA_MUST(pool, 0, "audit", "log", "--limit", "4", "-o", "ndjson");
    for (;;) {
        orgs = pool_text(pool, "%s %s", orgs, members(pool, ran.out, "org"));
        cursor = strstr(ran.err, "\"cursor\":\"");
        if (!cursor)
            break;
        cursor = pool_text(pool, "%.*s", (int)strcspn(cursor + 10, "\""), cursor + 10);
        ran = ROTA_MUST(pool, 0, "audit", "log", "--limit", "1", "--cursor", cursor, "-o", "ndjson");
    }
    assert_string_equal(orgs, " org5 org4 org3 org2 org1 org0");
    ROTA_MUST(pool, EX_USAGE, "audit", "log", "--cursor", "x");
}

/* Lanes that noted something in the same millisecond. */
static void equal_ids_of_two_lanes_are_both_listed(void **state)
{
    struct pool *pool = *state;
    struct ran ran;

    for (int lane = 0; lane < 3; lane++)
        pool_redis(pool, "XADD rota:{%d}:events 1795164663276-0 kind k%d org %s subject %s detail %s", lane, lane, "", "", "");
    ran = ROTA_MUST(pool, 0, "event", "list", "-o", "ndjson", "--limit", "1");
    assert_string_equal(members(pool, ran.out, "kind"), "k0");
    assert_has(ran.err, "1795164663276-0@0");
    ran = ROTA_MUST(pool, 0, "event", "list", "-o", "ndjson", "--cursor", "1795164663276-0@0");
    assert_string_equal(members(pool, ran.out, "kind"), "k1 k2");
}

static void since_leaves_out_what_is_older(void **state)
{
    struct pool *pool = *state;

    pool_redis(pool, "XADD rota:{0}:audit 1000-0 who ann what pause org %s subject default before running after paused", "");
    make_changes(pool);
    assert_int_equal(count_text(ROTA_MUST(pool, 0, "audit", "log", "-o", "ndjson", "--since", "1h").out, "\n"), 6);
    assert_int_equal(count_text(ROTA_MUST(pool, 0, "audit", "log", "-o", "ndjson").out, "\n"), 7);
}

/* More than one page of each lane. */
static void long_lists_are_read_in_pages(void **state)
{
    struct pool *pool = *state;

    for (int i = 0; i < 450; i++)
        pool_redis(pool, "XADD rota:{%d}:events %d-0 kind k org acme subject s detail d", i % 2, 1000 + i);
    struct ran ran = ROTA_MUST(pool, 0, "event", "list", "-o", "ndjson", "--limit", "0");
    assert_int_equal(count_text(ran.out, "\n"), 450);
    assert_has(ran.out, "\"1449-0\"");
    assert_has(ran.out, "\"1000-0\"");
}

static struct process *start_tail(struct pool *pool, const char *name, const char *const *arguments)
{
    return process_start(&(struct process_options){.program = "rota", .arguments = arguments, .log = pool_path(pool, name)});
}

static void a_tail_follows_all_lanes_until_interrupted(void **state)
{
    struct pool *pool = *state;
    struct process *tail;

    make_changes(pool);
    tail = start_tail(pool, "tail.log", (const char *const[]){"event", "tail", "--redis", pool->url, NULL});
    WAIT_UNTIL(strstr(pool_string(pool, "CLIENT LIST"), "cmd=xread"));
    ROTA_MUST(pool, 0, "org", "pause", "org1");
    process_wait_for(tail, "org_set  org1");
    ROTA_MUST(pool, 0, "org", "pause", "org4");
    process_wait_for(tail, "org_set  org4");
    assert_int_equal(count_text(process_log(tail), "\n"), 2);
    process_signal(tail, SIGINT);
    assert_int_equal(process_wait(tail, PROCESS_MS_MAX), 128 + SIGINT);
    process_free(tail);
}

static void a_tail_begins_where_it_is_told(void **state)
{
    struct pool *pool = *state;
    const char *id;
    struct ran ran;

    make_changes(pool);
    ran = ROTA_MUST(pool, 0, "event", "tail", "--from", "0", "--limit", "6", "--json");
    assert_string_equal(members(pool, ran.out, "org"), "org0 org1 org2 org3 org4 org5");
    id = strrchr(members(pool, ran.out, "id"), ' ');
    ROTA_MUST(pool, 0, "org", "pause", "org2");
    ran = ROTA_MUST(pool, 0, "event", "tail", "--from", id + 1, "--limit", "1", "--json");
    assert_string_equal(members(pool, ran.out, "org"), "org2");
    ran = ROTA_MUST(pool, 0, "event", "tail", "--from", "0", "--org", "org2", "--limit", "2", "--json");
    assert_string_equal(members(pool, ran.out, "org"), "org2 org2");
    ROTA_MUST(pool, EX_USAGE, "event", "tail", "--from", "yesterday");
}

static void what_happens_to_workers_and_jobs_is_told(void **state)
{
    struct pool *pool = *state;
    struct process *worker = pool_worker(pool, "--on", "bad=exit 65", NULL);

    pool_push(pool, "acme", "j1", "bad", "");
    pool_wait_place(pool, "acme", "j1", "dead");
    assert_has(ROTA_MUST(pool, 0, "event", "list", "--org", "acme").out, "handler");
    process_signal(worker, SIGTERM);
    process_wait(worker, PROCESS_MS_MAX);
    struct ran ran = ROTA_MUST(pool, 0, "event", "list", "-o", "ndjson");
    assert_int_equal(count_text(ran.out, "session_closed"), 4);
    assert_int_equal(count_text(ran.out, "session_opened"), 4);
    assert_int_equal(count_text(ran.out, "\"dead\""), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROTA_TEST_LANES(the_newest_of_all_lanes_comes_first),    ROTA_TEST_LANES(a_cursor_goes_on_where_the_list_ended),
        ROTA_TEST_LANES(equal_ids_of_two_lanes_are_both_listed), ROTA_TEST_LANES(since_leaves_out_what_is_older),
        ROTA_TEST_LANES(long_lists_are_read_in_pages),           ROTA_TEST_LANES(a_tail_follows_all_lanes_until_interrupted),
        ROTA_TEST_LANES(a_tail_begins_where_it_is_told),         ROTA_TEST_LANES(what_happens_to_workers_and_jobs_is_told),
    };
    return cmocka_run_group_tests_name("cli_events", tests, NULL, NULL);
}
