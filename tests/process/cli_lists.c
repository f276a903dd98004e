/* `rota`: every list comes in pages, and the pages make the list. */
#include <string.h>
#include <sysexits.h>

#include "tests/support/rota.h"

#define ARGUMENTS_EXTRA 8

/* Runs a list from `cursor` on, `limit` at most. */
static struct ran run_list(struct pool *pool, const char *const *words, const char *limit, const char *cursor)
{
    const char *arguments[ARGUMENTS_EXTRA + 8] = {0};
    size_t count = 0;

    for (; words[count]; count++)
        arguments[count] = words[count];
    assert_true(count < 8);
    arguments[count++] = "-o";
    arguments[count++] = "ndjson";
    arguments[count++] = "--limit";
    arguments[count++] = limit;
    if (cursor)
        arguments[count++] = pool_text(pool, "--cursor=%s", cursor);
    return rota_must(pool, 0, arguments);
}

/* The cursor that a list has told on stderr; NULL if that was all. */
static const char *cursor_of(struct pool *pool, const struct ran *ran, json_int_t shown)
{
    const char *more = strstr(ran->err, "{\"more\":"), *cursor;
    json_t *object = more ? json_loads(more, JSON_DISABLE_EOF_CHECK, NULL) : NULL;

    if (!object)
        return NULL;
    assert_int_equal(json_number(json_object_get(object, "more"), "shown"), shown);
    cursor = pool_text(pool, "%s", json_text(json_object_get(object, "more"), "cursor"));
    json_decref(object);
    return cursor;
}

/* The pages of a list, one behind the other, are the list; `things` of them. */
static void assert_pages(struct pool *pool, unsigned things, const char *const *words)
{
    const char *whole = run_list(pool, words, "0", NULL).out, *pages = "", *cursor = NULL;
    unsigned runs = 0;

    assert_int_equal(count_text(whole, "\n"), things);
    do {
        struct ran ran = run_list(pool, words, "3", cursor);
        pages = pool_text(pool, "%s%s", pages, ran.out);
        cursor = cursor_of(pool, &ran, 3);
        assert_true(count_text(ran.out, "\n") == (cursor ? 3 : things - 3 * runs));
        runs++;
    } while (cursor);
    assert_string_equal(pages, whole);
    assert_true(runs <= things / 3 + 1);
}
#define PAGES(pool, things, ...) assert_pages(pool, things, (const char *const[]){__VA_ARGS__, NULL})

/* Jobs of several organizations, queues and states. */
static void fill(struct pool *pool)
{
    struct job_record bulk = {.type = "t", .queue = "bulk", .payload = "", .has_payload = true};

    pool_push_many(pool, "acme", "j", 7, "t", "");
    pool_push_many(pool, "beta", "j", 4, "u", "");
    for (int i = 0; i < 5; i++)
        pool_push_record(pool, "acme", pool_text(pool, "b%d", i), &bulk);
    ROTA_MUST(pool, 0, "push", "acme", "t", "--id", "later", "--in", "1h");
    ROTA_MUST(pool, 0, "job", "cancel", "acme/j0003", "acme/b2", "beta/j0000");
}

static void the_pages_of_jobs_are_the_list(void **state)
{
    struct pool *pool = *state;

    fill(pool);
    PAGES(pool, 17, "job", "list");
    PAGES(pool, 17, "job", "list", "--newest");
    PAGES(pool, 13, "job", "list", "acme");
    PAGES(pool, 3, "job", "list", "--state", "cancelled");
    PAGES(pool, 5, "job", "list", "--queue", "bulk");
    PAGES(pool, 13, "job", "list", "--type", "t");
    PAGES(pool, 0, "dead", "list");
}

static void the_pages_of_what_was_found_are_the_list(void **state)
{
    struct pool *pool = *state;

    for (int i = 0; i < 30; i++)
        pool_push(pool, i % 2 ? "acme" : "beta", pool_text(pool, "j%02d", i), i % 3 ? "t" : "u", i % 5 ? "to ann" : "to bob");
    PAGES(pool, 20, "job", "list", "--type", "t");
    PAGES(pool, 6, "job", "list", "--payload", "bob");
    PAGES(pool, 4, "job", "list", "--payload", "bob", "--type", "t");
    PAGES(pool, 30, "job", "list", "--since", "1h");
    PAGES(pool, 0, "job", "list", "--error", "x");
}

/* The walk ends where it has looked at enough, also if nothing was found, and goes on from there. */
static void a_search_is_bounded_and_goes_on(void **state)
{
    struct pool *pool = *state;
    const char *cursor = NULL, *found = "";
    struct ran ran;
    int runs = 0;

    pool_push_many(pool, "acme", "j", 10, "t", "to ann");
    pool_push(pool, "acme", "z", "t", "to bob");
    do {
        ran = cursor ? ROTA_MUST(pool, 0, "job", "list", "--payload", "bob", "--look", "4", "-o", "ndjson", "--cursor", cursor)
                     : ROTA_MUST(pool, 0, "job", "list", "--payload", "bob", "--look", "4", "-o", "ndjson");
        found = pool_text(pool, "%s%s", found, ran.out);
        cursor = cursor_of(pool, &ran, 0);
        runs++;
    } while (cursor);
    assert_int_equal(runs, 3);
    assert_has(found, "acme/z");
    assert_int_equal(count_text(found, "\n"), 1);
    assert_has(ROTA_MUST(pool, 0, "job", "list", "--payload", "bob", "--look", "4").err, "4 jobs were looked at");
}

static void a_page_tells_how_many_there_are(void **state)
{
    struct pool *pool = *state;
    struct ran ran;

    fill(pool);
    ran = ROTA_MUST(pool, 0, "job", "list", "--limit", "3");
    assert_has(ran.err, "3 of 17 (--cursor acme/ready:default@");
    ran = ROTA_MUST(pool, 0, "job", "list", "--limit", "17");
    assert_string_equal(ran.err, "");
    ran = ROTA_MUST(pool, 0, "job", "list", "--type", "u", "--limit", "1");
    assert_has(ran.err, "1 (--cursor beta/ready:default@"); /* only looking at every job would tell of how many */
    ran = ROTA_MUST(pool, 0, "org", "list", "--limit", "1");
    assert_has(ran.err, "1 of 2 (--cursor acme for more)");
    assert_string_equal(ROTA_MUST(pool, 0, "job", "list", "--limit", "3", "--quiet", "--json").err, "");
}

static void a_list_goes_on_where_the_job_has_gone(void **state)
{
    struct pool *pool = *state;
    struct ran ran;
    const char *cursor;

    for (int i = 0; i < 6; i++)
        ROTA_MUST(pool, 0, "push", "acme", "t", "--in", pool_text(pool, "%dh", i + 1), "--id", pool_text(pool, "j%d", i));
    ran = run_list(pool, (const char *const[]){"job", "list", "acme", NULL}, "3", NULL);
    cursor = cursor_of(pool, &ran, 3);
    ROTA_MUST(pool, 0, "job", "delete", "--yes", "acme/j0", "acme/j2");

    ran = run_list(pool, (const char *const[]){"job", "list", "acme", NULL}, "3", cursor);
    assert_has(ran.out, "acme/j3");
    assert_has(ran.out, "acme/j5");
    assert_int_equal(count_text(ran.out, "\n"), 3);
}

static void the_pages_of_organizations_and_queues_are_the_list(void **state)
{
    struct pool *pool = *state;

    for (int i = 0; i < 8; i++) {
        ROTA_MUST(pool, 0, "org", "set", pool_text(pool, "org%d", i), "--weight", "7");
        ROTA_MUST(pool, 0, "push", "acme", "t", "--queue", pool_text(pool, "queue%d", i));
    }
    ROTA_MUST(pool, 0, "org", "delete", "acme", "--yes");
    PAGES(pool, 8, "org", "list");
    PAGES(pool, 9, "queue", "list"); /* of all lanes: default is in each of them */
}

static void the_pages_of_workers_are_the_list(void **state)
{
    struct pool *pool = *state;

    for (int i = 0; i < 8; i++)
        pool_redis(pool, "ZADD rota:workers %d w%d", 5000 + i / 2, i);
    PAGES(pool, 8, "worker", "list", "--all");
}

static void a_table_is_told_how_to_look(void **state)
{
    struct pool *pool = *state;
    struct ran ran;

    ROTA_MUST(pool, 0, "push", "acme", "t", "--id", "j1", "--at", "2035-01-01T00:00:00Z");
    ran = ROTA_MUST(pool, 0, "job", "list", "--no-headers");
    assert_int_equal(count_text(ran.out, "\n"), 1);
    assert_int_equal(count_text(ran.out, "STATE"), 0);
    assert_has(ROTA_MUST(pool, 0, "job", "list", "--time", "iso").out, "2035-01-01T00:00:00.000Z");
    assert_has(ROTA_MUST(pool, 0, "job", "list", "--time", "ms").out, "2051222400000");
    assert_has(ROTA_MUST(pool, 0, "job", "show", "acme/j1", "--time", "ms").out, "due                2051222400000\n");
    ROTA_MUST(pool, EX_USAGE, "job", "list", "--time", "roman");
}

static void a_cursor_of_something_else_is_refused(void **state)
{
    struct pool *pool = *state;
    static const char *const wrong[] = {"x",
                                        "acme",
                                        "acme/dead",
                                        "acme/dead@1",
                                        "acme/dead@x@y",
                                        "a*/dead@1@y",
                                        "acme/nowhere@1@y",
                                        "acme/ready:@1@y",
                                        "acme/dead@99999999999999999999@y",
                                        "../dead@1@y",
                                        "acme/dead@1@"};

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_has(ROTA_MUST(pool, EX_USAGE, "job", "list", "--cursor", wrong[i]).err, "cursor");
    assert_has(ROTA_MUST(pool, EX_USAGE, "org", "list", "--cursor", "a*").err, "organization");
    assert_has(ROTA_MUST(pool, EX_USAGE, "queue", "list", "--cursor", "a*").err, "cursor");
    assert_has(ROTA_MUST(pool, EX_USAGE, "worker", "list", "--cursor", "w1").err, "cursor");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROTA_TEST_LANES(the_pages_of_jobs_are_the_list),
        ROTA_TEST_LANES(a_page_tells_how_many_there_are),
        ROTA_TEST_LANES(the_pages_of_what_was_found_are_the_list),
        ROTA_TEST_LANES(a_search_is_bounded_and_goes_on),
        ROTA_TEST_LANES(a_list_goes_on_where_the_job_has_gone),
        ROTA_TEST_LANES(the_pages_of_organizations_and_queues_are_the_list),
        ROTA_TEST_LANES(the_pages_of_workers_are_the_list),
        ROTA_TEST_LANES(a_table_is_told_how_to_look),
        ROTA_TEST_LANES(a_cursor_of_something_else_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
