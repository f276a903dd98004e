/* `rota push --batch` - many jobs, what of them is refused, and that none is pushed twice whatever the connection does. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/buffer.h"
#include "tests/support/proxy.h"
#include "tests/support/rota.h"

/* ---- many jobs ---- */

static void a_batch_is_pushed_in_its_order(void **state)
{
    struct pool *pool = *state;
    const char *path = write_text(pool, "jobs.ndjson",
                                  "{\"org\":\"acme\",\"type\":\"a\",\"id\":\"1\",\"payload\":\"text\"}\n"
                                  "\n"
                                  "{\"org\":\"globex\",\"type\":\"b\",\"id\":\"2\",\"payload\":{\"n\": 1.0}}\n"
                                  "{\"org\":\"acme\",\"type\":\"a\",\"id\":\"3\",\"delay_ms\":60000}\n");
    struct ran ran = ROTA_MUST(pool, 0, "push", "--batch", path);

    assert_string_equal(ran.out, "acme/1\nglobex/2\nacme/3\n");
    assert_memory_equal(pool_job(pool, "globex", "2")->record.payload, "{\"n\": 1.0}", 10);
    assert_string_equal(pool_place(pool, "acme", "3"), "scheduled");
}

static void a_batch_takes_the_rest_from_the_command_line(void **state)
{
    struct pool *pool = *state;
    struct ran ran = ROTA_FED(pool, "{\"id\":\"1\"}\n{\"id\":\"2\",\"type\":\"other\",\"queue\":\"q2\"}\n", "push", "acme", "wc",
                              "--batch", "-", "--queue", "q1", "--in", "1h", "--header", "h=1");

    assert_int_equal(ran.status, 0);
    assert_string_equal(ran.out, "acme/1\nacme/2\n");
    assert_string_equal(pool_job(pool, "acme", "1")->record.type, "wc");
    assert_string_equal(pool_job(pool, "acme", "1")->record.queue, "q1");
    assert_string_equal(pool_job(pool, "acme", "2")->record.type, "other");
    assert_string_equal(pool_job(pool, "acme", "2")->record.queue, "q2");
    assert_string_equal(pool_job(pool, "acme", "2")->record.headers[0].name, "h");
    assert_string_equal(pool_place(pool, "acme", "2"), "scheduled");
}

/* Jobs of several organizations, more than fit into a call. */
static const char *many_lines(struct pool *pool, int count)
{
    struct buffer text = {0};
    const char *path;

    for (int i = 0; i < count; i++)
        buffer_add_format(&text, "{\"org\":\"org%d\",\"type\":\"t\",\"payload\":\"%d\"}\n", i % 5, i);
    path = write_text(pool, "many.ndjson", text.data);
    buffer_clear(&text);
    return path;
}

static long long count_ready(struct pool *pool)
{
    long long ready = 0;

    for (int i = 0; i < 5; i++)
        ready += pool_count(pool, pool_text(pool, "org%d", i), "ready:default");
    return ready;
}

static void a_large_batch_arrives_whole(void **state)
{
    struct pool *pool = *state;
    struct ran ran = ROTA_MUST(pool, 0, "push", "--batch", many_lines(pool, 3000));

    assert_int_equal(count_text(ran.out, "\n"), 3000);
    assert_int_equal(count_ready(pool), 3000);
}

static void large_payloads_are_spread_over_calls(void **state)
{
    struct pool *pool = *state;
    struct buffer text = {0};
    struct ran ran;

    for (int i = 0; i < 8; i++) {
        buffer_add_format(&text, "{\"org\":\"acme\",\"type\":\"t\",\"payload\":\"");
        for (int j = 0; j < 4000; j++)
            buffer_add_string(
                &text, "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789");
        buffer_add_string(&text, "\"}\n");
    }
    ran = ROTA_MUST(pool, 0, "push", "--batch", write_text(pool, "large.ndjson", text.data));
    buffer_clear(&text);

    assert_int_equal(count_text(ran.out, "\n"), 8);
    assert_int_equal(pool_count(pool, "acme", "ready:default"), 8);
}

static void a_file_with_a_bad_line_pushes_nothing(void **state)
{
    struct pool *pool = *state;
    const char *path = write_text(pool, "bad.ndjson", "{\"org\":\"acme\",\"type\":\"t\"}\n{\"org\":\"acme\",\"typ\":\"t\"}\n");
    struct ran ran = ROTA_MUST(pool, EX_DATAERR, "push", "--batch", path);

    assert_string_equal(ran.out, "");
    assert_has(ran.err, "bad.ndjson:2: unknown member \"typ\", did you mean \"type\"?");
    assert_int_equal(pool_count(pool, "acme", "ready:default"), 0);
    ROTA_MUST(pool, EX_NOINPUT, "push", "--batch", pool_path(pool, "nothing-here"));
    ROTA_MUST(pool, EX_USAGE, "push", "--batch", path, "--id", "x");
    ROTA_MUST(pool, EX_USAGE, "push", "acme", "t", "payload", "--batch", path);
}

static void a_pipe_with_a_bad_line_pushes_what_is_before_it(void **state)
{
    struct pool *pool = *state;
    struct ran ran = ROTA_FED(pool, "{\"org\":\"acme\",\"type\":\"t\",\"id\":\"1\"}\nnonsense\n", "push", "--batch", "-");

    assert_int_equal(ran.status, EX_DATAERR);
    assert_string_equal(ran.out, "acme/1\n");
    assert_has(ran.err, "stdin:2");
    assert_string_equal(pool_place(pool, "acme", "1"), "ready");
}

static void refused_lines_are_told_and_the_others_pushed(void **state)
{
    struct pool *pool = *state;
    const char *lines = "{\"org\":\"acme\",\"type\":\"t\",\"id\":\"1\"}\n"
                        "{\"org\":\"acme\",\"type\":\"t\",\"id\":\"1\"}\n"
                        "{\"org\":\"acme\",\"type\":\"t\",\"id\":\"2\"}\n";
    struct ran ran = ROTA_FED(pool, lines, "push", "--batch", "-", "-o", "ndjson");

    assert_int_equal(ran.status, EX_DATAERR);
    assert_int_equal(count_text(ran.out, "\n"), 3);
    assert_has(ran.out, "{\"job\":\"acme/1\",\"org\":\"acme\",\"id\":\"1\",\"answer\":\"new\",\"line\":1}\n");
    assert_has(ran.out, "{\"job\":null,\"org\":\"acme\",\"id\":\"1\",\"answer\":\"taken\",\"reason\":\"taken: another job has "
                        "this id\",\"line\":2}");
    assert_has(ran.err, "stdin:2: job acme/1 is not accepted");
    assert_string_equal(pool_place(pool, "acme", "2"), "ready");
}

/* Its limits are asked for once, while other calls are under way. */
static void many_refusals_name_the_limit(void **state)
{
    struct pool *pool = *state;
    struct ran ran;

    for (int i = 0; i < 5; i++)
        ROTA_MUST(pool, 0, "org", "set", pool_text(pool, "org%d", i), "--max-queued", "100");
    pool_redis(pool, "CONFIG RESETSTAT");
    ran = ROTA_MUST(pool, EX_TEMPFAIL, "push", "--batch", many_lines(pool, 3000));

    assert_int_equal(count_text(ran.out, "\n"), 500);
    assert_int_equal(count_text(ran.err, " has 100 jobs waiting, the limit is 100 (max-queued)\n"), 2500);
    assert_has(pool_string(pool, "INFO commandstats"), "cmdstat_fcall:calls=30,"); /* 25 times enqueue, 5 times org */
}

/* The 17th queue is refused by the function, and the whole call with it; the jobs beside it are not. */
static void one_job_that_a_call_chokes_on_does_not_take_others_along(void **state)
{
    struct pool *pool = *state;
    struct buffer lines = {0};
    struct ran ran;

    for (int i = 0; i < 17; i++)
        buffer_add_format(&lines, "{\"org\":\"acme\",\"type\":\"t\",\"id\":\"%d\",\"queue\":\"q%d\"}\n", i, i);
    ran = ROTA_FED(pool, lines.data, "push", "--batch", "-");
    buffer_clear(&lines);

    assert_int_equal(ran.status, EX_DATAERR);
    assert_int_equal(count_text(ran.out, "\n"), 16);
    assert_int_equal(count_text(ran.err, "is not accepted"), 1);
    assert_has(ran.err, "the limit is 16");
}

/* ---- a connection that breaks ---- */

/* A wire between `rota` and the server, that is cut after so many bytes. */
static struct ran push_over_wire(struct pool *pool, const char *path, enum proxy_way way, size_t cut_bytes)
{
    const char *server_url = pool->url, *wire_path = pool_path(pool, "wire");
    struct proxy *proxy = proxy_start(wire_path, server_url + strlen("unix://"), "rota");
    struct ran ran;

    proxy_cut_after(proxy, way, cut_bytes);
    pool->url = pool_text(pool, "unix://%s", wire_path);
    ran = ROTA(pool, "push", "--batch", path);
    pool->url = server_url;
    assert_true(proxy_was_cut(proxy));
    proxy_free(proxy);
    unlink(wire_path);
    return ran;
}

/* Bytes of replies, about, until the first job is pushed: what the check of the server reads. */
static size_t look_bytes(struct pool *pool)
{
    return strlen(pool_string(pool, "INFO")) + 5000;
}

/* Cut at one place after the other, in both directions: every job is there exactly once, or, where not even the first look at the
 * server has come through, none is. */
static void no_job_is_pushed_twice_or_lost(void **state)
{
    struct pool *pool = *state;
    const size_t look = look_bytes(pool);
    const size_t requests[] = {1000, 20000, 60000, 80000}, replies[] = {1000, look + 3000, look + 7000, look + 12000};
    const char *path = many_lines(pool, 2000);
    int pushed = 0;

    for (size_t i = 0; i < 8; i++) {
        long long before = count_ready(pool);
        struct ran ran = push_over_wire(pool, path, i < 4 ? PROXY_REQUESTS : PROXY_REPLIES, i < 4 ? requests[i] : replies[i - 4]);

        assert_true(ran.status == 0 || ran.status == EX_UNAVAILABLE);
        assert_int_equal(count_text(ran.out, "\n"), ran.status == 0 ? 2000 : 0);
        assert_int_equal(count_ready(pool) - before, ran.status == 0 ? 2000 : 0);
        pushed += ran.status == 0;
    }
    assert_true(pushed >= 6);
}

static void write_line(int lines, const char *text)
{
    assert_int_equal(write(lines, text, strlen(text)), strlen(text));
}

/* A `rota push --batch -` over a wire, that has pushed acme/j0 and waits for more lines; `*ret_lines` is where to write them. */
static struct process *start_push(struct pool *pool, struct proxy **ret_wire, int *ret_lines, const char *retry,
                                  const char *output)
{
    const char *wire = pool_path(pool, "wire"), *lines = pool_path(pool, "lines");
    struct process *push;

    unlink(lines);
    assert_int_equal(mkfifo(lines, 0600), 0);
    *ret_lines = open(lines, O_RDWR | O_CLOEXEC);
    assert_true(*ret_lines >= 0);
    *ret_wire = proxy_start(wire, pool->url + strlen("unix://"), "rota");
    push = process_start(&(struct process_options){
        .program = "rota",
        .arguments = (const char *const[]){"push", "--batch", "-", "--retry", retry, "-o", output, NULL},
        .environment = (const char *const[]){pool_text(pool, "ROTA_REDIS_URL=unix://%s", wire), NULL},
        .input = lines,
        .log = pool_path(pool, "push.log")});
    write_line(*ret_lines, "{\"org\":\"acme\",\"type\":\"t\",\"id\":\"j0\"}\n");
    process_wait_for(push, "acme/j0");
    return push;
}

/* The reply is lost, and there is no time to ask again: the job is there, and nobody has said that it is not. */
static void an_unknown_outcome_is_not_told_as_a_failure(void **state)
{
    struct pool *pool = *state;
    struct proxy *wire;
    int lines;
    struct process *push = start_push(pool, &wire, &lines, "0", "ndjson");

    proxy_cut_after(wire, PROXY_REPLIES, 1);
    write_line(lines, "{\"org\":\"acme\",\"type\":\"t\",\"id\":\"j1\"}\n");
    process_wait_for(push, "acme/j1");
    close(lines);

    assert_int_equal(process_wait(push, PROCESS_MS_MAX), EX_TEMPFAIL);
    assert_has(process_log(push), "{\"job\":\"acme/j1\",\"org\":\"acme\",\"id\":\"j1\",\"answer\":\"unknown\",\"reason\":\"it is "
                                  "not known whether it was accepted: ");
    assert_has(process_log(push),
               "{\"error\":{\"code\":\"temporary\",\"message\":\"stdin:2: it is not known whether job acme/j1 was "
               "accepted: ");
    assert_string_equal(pool_place(pool, "acme", "j1"), "ready");
    process_free(push);
    proxy_free(wire);
}

/* The call was sent, and then Redis is away until the time is up: that the last try has certainly failed says nothing. */
static void a_failed_repetition_does_not_make_it_certain(void **state)
{
    struct pool *pool = *state;
    struct proxy *wire;
    int lines;
    struct process *push = start_push(pool, &wire, &lines, "300ms", "table");

    proxy_hold(wire, true);
    write_line(lines, "{\"org\":\"acme\",\"type\":\"t\",\"id\":\"j1\"}\n");
    WAIT_UNTIL(proxy_held_bytes(wire) > 0);
    proxy_free(wire);
    unlink(pool_path(pool, "wire"));
    process_wait_for(push, "acme/j1");
    close(lines);

    assert_int_equal(process_wait(push, PROCESS_MS_MAX), EX_TEMPFAIL);
    assert_has(process_log(push), "rota: stdin:2: it is not known whether job acme/j1 was accepted: ");
    assert_has(process_log(push), ". Look: rota job show acme/j1\n");
    process_free(push);
}

static void a_redis_that_is_not_there_is_named(void **state)
{
    struct pool *pool = *state;
    struct ran ran;

    pool->url = pool_text(pool, "unix://%s/nowhere", pool->directory);
    ran = ROTA_MUST(pool, EX_UNAVAILABLE, "push", "acme", "t");

    assert_has(ran.err, "rota: cannot reach redis at unix:///");
    assert_has(ran.err, "/nowhere: ");
    assert_has(ran.err, "Is it running? Try: ");
    assert_int_equal(count_text(ran.err, "\n"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROTA_TEST_LANES(a_batch_is_pushed_in_its_order),
        ROTA_TEST_LANES(a_batch_takes_the_rest_from_the_command_line),
        ROTA_TEST_LANES(a_large_batch_arrives_whole),
        ROTA_TEST_LANES(large_payloads_are_spread_over_calls),
        ROTA_TEST_LANES(a_file_with_a_bad_line_pushes_nothing),
        ROTA_TEST_LANES(a_pipe_with_a_bad_line_pushes_what_is_before_it),
        ROTA_TEST_LANES(refused_lines_are_told_and_the_others_pushed),
        ROTA_TEST_LANES(many_refusals_name_the_limit),
        ROTA_TEST_LANES(one_job_that_a_call_chokes_on_does_not_take_others_along),
        ROTA_TEST_LANES(no_job_is_pushed_twice_or_lost),
        ROTA_TEST_LANES(an_unknown_outcome_is_not_told_as_a_failure),
        ROTA_TEST_LANES(a_failed_repetition_does_not_make_it_certain),
        ROTA_TEST_LANES(a_redis_that_is_not_there_is_named),
    };
    return cmocka_run_group_tests_name("cli_batch", tests, NULL, NULL);
}
