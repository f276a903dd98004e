/* Change-driven jobs with real workers: however fast changes come, never two at once, and the last one is seen. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/pool.h"
#include "tests/support/rota.h"

#define PUSHES_A_S 100
#define LOAD_MS    3000

/* A handler that notes what it was given in `seen`, and in `twice` if another one runs. A directory is the lock. */
#define ALONE                                                                                  \
    "cd \"$HOME\"; mkdir alone 2>/dev/null || echo \"$ROTA_JOB_ID\" >>twice; payload=$(cat); " \
    "echo \"$payload $ROTA_JOB_ID\" >>begun; "
#define OVER "rmdir alone; echo \"$payload $ROTA_JOB_ID\" >>seen"

static const char *change(struct pool *pool, unsigned number)
{
    const char *payload = pool_text(pool, "%u", number);

    return pool_offer(pool, "acme", pool_text(pool, "c%u", number),
                      &(struct job_record){.type = "t",
                                           .coalesce = (char[]){"k"},
                                           .payload = payload,
                                           .payload_bytes = strlen(payload),
                                           .has_payload = true,
                                           .nonce = number + 1});
}

static bool is_file(struct pool *pool, const char *name)
{
    char *text = file_text(pool_path(pool, name));
    bool is = text != NULL && text[0];

    free(text);
    return is;
}

static unsigned lines_of(struct pool *pool, const char *name)
{
    return is_file(pool, name) ? count_text(pool_file(pool, name), "\n") : 0;
}

/* The last line of a file, without its end. */
static const char *last_line(struct pool *pool, const char *name)
{
    const char *text = is_file(pool, name) ? pool_file(pool, name) : "", *line = text;

    for (const char *at = text; *at; at++)
        if (at[0] == '\n' && at[1])
            line = at + 1;
    return pool_text(pool, "%.*s", (int)strcspn(line, "\n"), line);
}

/* Jobs that run, and that wait, of one moment: two digits, or more. */
static const char *under_way(struct pool *pool)
{
    return pool_string(pool,
                       "EVAL %s 4 rota:{0}:org:acme:running rota:{0}:org:acme:ready:default rota:{0}:org:acme:scheduled "
                       "rota:{0}:org:acme:waiting",
                       "local n = {} for i, k in ipairs(KEYS) do n[i] = redis.call('ZCARD', k) end "
                       "return n[1] .. (n[2] + n[3] + n[4])");
}

/* At most one of each. */
static void assert_at_most_one(struct pool *pool)
{
    const char *now = under_way(pool);

    assert_int_equal(strlen(now), 2);
    assert_in_range(now[0], '0', '1');
    assert_in_range(now[1], '0', '1');
}

static void wait_over(struct pool *pool)
{
    WAIT_UNTIL(strcmp(under_way(pool), "00") == 0);
    assert_int_equal(pool_number(pool, "EXISTS rota:{0}:org:acme:coalesce"), 0);
    assert_false(is_file(pool, "twice"));
}

/* Holds handlers until `go` is there. */
#define UNTIL_GO "while ! [ -e go ]; do sleep 0.01; done; "

static void go(struct pool *pool)
{
    write_text(pool, "go", "");
}

/* ---- GA-1 ---- */

static void GA_1_a_hundred_changes_make_one_job(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);
    pool_worker(pool, "--slots", "4", "--on", "t=" ALONE OVER, NULL);
    ROTA_MUST(pool, 0, "pause");

    for (unsigned i = 0; i < 100; i++)
        assert_string_equal(change(pool, i), i ? "merged c0" : "new");
    assert_string_equal(under_way(pool), "01");
    ROTA_MUST(pool, 0, "resume");
    wait_over(pool);

    assert_int_equal(lines_of(pool, "seen"), 1);
    assert_string_equal(last_line(pool, "seen"), "99 c0");
}

static void GA_1_under_load_there_is_one_running_and_one_pending_at_most(void **state)
{
    struct pool *pool = *state;
    unsigned pushed = 0;
    pool_scheduler(pool, NULL);
    for (int i = 0; i < 2; i++)
        pool_worker(pool, "--slots", "4", "--on", "t=" ALONE "sleep 0.03; " OVER, NULL);

    for (int64_t end_mono_ms = clock_mono_ms() + LOAD_MS, next_mono_ms = clock_mono_ms(); clock_mono_ms() < end_mono_ms;) {
        const char *answer = change(pool, pushed++);
        if (strcmp(answer, "new") != 0 && strncmp(answer, "merged ", 7) != 0 && strncmp(answer, "follows ", 8) != 0)
            fail_msg("change %u is answered %s", pushed - 1, answer);
        assert_at_most_one(pool);
        next_mono_ms += 1000 / PUSHES_A_S;
        while (clock_mono_ms() < next_mono_ms)
            pause_ms(1);
    }
    wait_over(pool);

    unsigned runs = lines_of(pool, "seen");
    assert_in_range(runs, 3, pushed / 2);
    assert_int_equal(strtoul(last_line(pool, "seen"), NULL, 10), pushed - 1);
    print_message("%u changes in %d ms: %u runs\n", pushed, LOAD_MS, runs);
}

/* ---- GA-2 ---- */

static void GA_2_a_change_while_it_runs_makes_exactly_one_follow_up(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);
    pool_worker(pool, "--slots", "4", "--on", "t=" ALONE UNTIL_GO OVER, NULL);

    assert_string_equal(change(pool, 0), "new");
    WAIT_UNTIL(lines_of(pool, "begun") == 1);
    assert_string_equal(change(pool, 1), "follows c0");
    for (unsigned i = 2; i < 20; i++)
        assert_string_equal(change(pool, i), "merged c1");
    struct ran shown = ROTA_MUST(pool, 0, "job", "explain", "acme/c1");
    assert_has(shown.out, "it waits until job acme/c0 is over");
    shown = ROTA_MUST(pool, 0, "job", "show", "acme/c1");
    assert_has(shown.out, "acme/c0");
    shown = ROTA_MUST(pool, 0, "job", "list", "acme", "--state", "scheduled");
    assert_has(shown.out, "scheduled, after c0");
    assert_string_equal(under_way(pool), "11");
    go(pool);
    wait_over(pool);

    assert_string_equal(pool_file(pool, "seen"), "0 c0\n19 c1\n");
}

/* The first attempt fails after the change, the second one does not: only then the follow-up begins. */
static void GA_2_a_follow_up_waits_until_the_last_retry(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);
    pool_worker(pool, "--slots", "4", "--on",
                "t=" ALONE UNTIL_GO OVER "; [ \"$ROTA_ATTEMPT$payload\" != 10 ] || "
                "{ echo '{\"op\":\"retry\",\"after_ms\":300}' >&3; exit 75; }",
                NULL);

    change(pool, 0);
    WAIT_UNTIL(lines_of(pool, "begun") == 1);
    assert_string_equal(change(pool, 1), "follows c0");
    go(pool);
    wait_over(pool);

    assert_string_equal(pool_file(pool, "seen"), "0 c0\n0 c0\n1 c1\n");
}

static void a_killed_worker_loses_neither_the_run_nor_the_follow_up(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);
    struct process *worker = pool_worker(pool, "--on", "t=" ALONE UNTIL_GO OVER, NULL);

    change(pool, 0);
    WAIT_UNTIL(lines_of(pool, "begun") == 1);
    assert_string_equal(change(pool, 1), "follows c0");
    process_kill(worker);
    WAIT_UNTIL(pool_handlers(pool) == 0); /* its keepers see to that */
    ROTA_MUST(pool, 0, "job", "show", "acme/c1");
    remove(pool_path(pool, "alone"));
    pool_worker(pool, "--slots", "4", "--on", "t=" ALONE UNTIL_GO OVER, NULL);
    WAIT_UNTIL(lines_of(pool, "begun") == 2);
    assert_string_equal(under_way(pool), "11");
    assert_string_equal(change(pool, 2), "merged c1");
    go(pool);
    wait_over(pool);

    assert_string_equal(pool_file(pool, "seen"), "0 c0\n2 c1\n");
}

/* ---- GA-3 ---- */

static void GA_3_every_run_arms_exactly_one_next_job(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);
    pool_worker(pool, "--slots", "4", "--on",
                "t=" ALONE OVER "; " PROGRAMS_PATH "/rota ctl enqueue t tick --coalesce k --in 50ms", NULL);

    change(pool, 0);
    WAIT_UNTIL(lines_of(pool, "seen") >= 10);
    for (int i = 0; i < 50; i++) {
        assert_at_most_one(pool);
        pause_ms(4);
    }
    assert_false(is_file(pool, "twice"));
    ROTA_MUST(pool, 0, "push", "acme", "t", "second", "--id", "second"); /* the same run twice */
    pool_wait_place(pool, "acme", "second", "done");
    remove(pool_path(pool, "twice")); /* this one has no key: it may have met another */
    unsigned seen = lines_of(pool, "seen");
    WAIT_UNTIL(lines_of(pool, "seen") >= seen + 5);
    for (int i = 0; i < 50; i++) {
        assert_at_most_one(pool);
        pause_ms(4);
    }
    ROTA_MUST(pool, 0, "pause");
    WAIT_UNTIL(strcmp(under_way(pool), "01") == 0);
}

/* ---- the command line, and the inbox ---- */

static void the_command_line_tells_what_became_of_a_change(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);

    ROTA_MUST(pool, 0, "push", "acme", "t", "one", "--id", "first", "--coalesce", "k", "--in", "1h");
    struct ran ran = ROTA_MUST(pool, 0, "push", "acme", "t", "two", "--coalesce", "k", "--earliest", "--in", "2h");
    assert_string_equal(ran.out, "acme/first\n");
    assert_has(ran.err, "job acme/first has not begun: it does what was pushed now");
    ran = ROTA_MUST(pool, 0, "push", "acme", "t", "three", "--coalesce", "k", "--json");
    json_t *pushed = ran_json(&ran);
    assert_string_equal(json_text(pushed, "job"), "acme/first");
    assert_string_equal(json_text(pushed, "answer"), "merged");
    json_decref(pushed);
    ran = ROTA_MUST(pool, 64, "push", "acme", "t", "--coalesce", "k", "--key", "k");
    assert_has(ran.err, "--key and --coalesce exclude each other");
    ran = ROTA_MUST(pool, 64, "push", "acme", "t", "--earliest");
    assert_has(ran.err, "--earliest is for a job with --coalesce");

    pool_worker(pool, "--on", "t=" ALONE UNTIL_GO OVER, NULL);
    WAIT_UNTIL(lines_of(pool, "begun") == 1);
    ran = ROTA_MUST(pool, 0, "push", "acme", "t", "four", "--id", "next", "--coalesce", "k");
    assert_string_equal(ran.out, "acme/next\n");
    assert_has(ran.err, "job acme/next waits until acme/first is over, which has begun");
    ran = ROTA_MUST(pool, 0, "job", "run-now", "acme/next");
    assert_has(ran.err, "job acme/next waits until the job before it is over");
    ran = ROTA_MUST(pool, 0, "job", "show", "acme/next", "--json");
    json_t *shown = ran_json(&ran);
    assert_string_equal(json_text(shown, "coalesce"), "k");
    assert_string_equal(json_text(shown, "after"), "acme/first");
    json_decref(shown);
    go(pool);
    wait_over(pool);
    assert_string_equal(pool_file(pool, "seen"), "three first\nfour next\n");
}

static void entries_of_the_inbox_coalesce(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);
    pool_worker(pool, "--on", "t=" ALONE OVER, NULL);
    ROTA_MUST(pool, 0, "pause");

    for (int i = 0; i < 30; i++)
        pool_redis(pool, "XADD rota:inbox NOMKSTREAM * org acme type t payload %d coalesce k earliest 1", i);
    pool_redis(pool, "XADD rota:inbox NOMKSTREAM * org acme type t payload x coalesce k key k");
    pool_redis(pool, "XADD rota:inbox NOMKSTREAM * org acme type t payload x earliest 1");
    pool_redis(pool, "XADD rota:inbox NOMKSTREAM * org acme type t payload x coalesce k earliest yes");
    WAIT_UNTIL(pool_number(pool, "XLEN rota:inbox") == 0);
    assert_int_equal(pool_number(pool, "XLEN rota:rejected"), 3);
    assert_string_equal(under_way(pool), "01");
    ROTA_MUST(pool, 0, "resume");
    wait_over(pool);

    assert_int_equal(lines_of(pool, "seen"), 1);
    assert_int_equal(strtoul(last_line(pool, "seen"), NULL, 10), 29);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        POOL_TEST(GA_1_a_hundred_changes_make_one_job),
        POOL_TEST(GA_1_under_load_there_is_one_running_and_one_pending_at_most),
        POOL_TEST(GA_2_a_change_while_it_runs_makes_exactly_one_follow_up),
        POOL_TEST(GA_2_a_follow_up_waits_until_the_last_retry),
        POOL_TEST(a_killed_worker_loses_neither_the_run_nor_the_follow_up),
        POOL_TEST(GA_3_every_run_arms_exactly_one_next_job),
        POOL_TEST(the_command_line_tells_what_became_of_a_change),
        POOL_TEST(entries_of_the_inbox_coalesce),
    };

    return cmocka_run_group_tests_name("coalesce", tests, NULL, NULL);
}
