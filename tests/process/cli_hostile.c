/* `rota` typed by somebody who means no good, or pastes the wrong thing: each is refused with its exit code and one line that
 * says why, and nothing has changed in Redis. What there is of names and numbers is in tests/unit/hostile.c. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "common/memory.h"
#include "tests/support/rota.h"

#define LONG_BYTES 65536

/* All of Redis, as one number. */
static const char digest_script[] =
    "local keys, sum = redis.call('KEYS', '*'), ''\n"
    "table.sort(keys)\n"
    "for _, key in ipairs(keys) do sum = redis.sha1hex(sum .. key .. redis.call('DUMP', key)) end\n"
    "return sum";

static const char *digest(struct pool *pool)
{
    return pool_text(pool, "%s", pool_string(pool, "EVAL %s 0", digest_script));
}

static int set_up(void **state)
{
    rota_setup(state);
    pool_push(*state, "acme", "j1", "t", "payload");
    return 0;
}

/* What was said is text in lines, and begins with who says it. */
static void assert_plain(const char *err)
{
    assert_memory_equal(err, "rota: ", 6);
    for (const char *at = err; *at; at++)
        assert_true(*at == '\n' || !iscntrl((unsigned char)*at));
    assert_int_equal(count_text(err, "\n"), 1);
    assert_true(strlen(err) < 1000);
}

static void assert_refused(struct pool *pool, int status, const char *says, const char *const *arguments)
{
    struct ran ran = rota_must(pool, status, arguments);

    assert_string_equal(ran.out, "");
    assert_plain(ran.err);
    assert_has(ran.err, says);
}
#define REFUSED(pool, status, says, ...) assert_refused(pool, status, says, (const char *const[]){__VA_ARGS__, NULL})

/* A text of 64 KB that begins so; lives as long as the pool. */
static const char *long_text(struct pool *pool, const char *begin)
{
    char *text = memory_new(LONG_BYTES + 1);
    const char *kept;

    memset(text, 'a', LONG_BYTES);
    memcpy(text, begin, strlen(begin));
    kept = pool_text(pool, "%s", text);
    free(text);
    return kept;
}

static void names_that_are_none_are_refused(void **state)
{
    static const char *const orgs[] = {"a*",  "..",   "{x}",  "",     "-",           "ACME",     "a b",       "a/b",
                                       "a:b", "a\nb", "\x01", "%s%n", "gr\xc3\xbcn", "\xff\xfe", "a\x1b[31m", "_a"};
    struct pool *pool = *state;
    const char *before = digest(pool);

    for (size_t i = 0; i < sizeof orgs / sizeof *orgs; i++)
        REFUSED(pool, EX_USAGE, "must match [a-z0-9]", "push", orgs[i], "t", "x");
    REFUSED(pool, EX_USAGE, "organization", "push", pool_text(pool, "%.64s", long_text(pool, "a")), "t");
    REFUSED(pool, EX_USAGE, "organization", "org", "set", "a*", "--weight", "5");
    REFUSED(pool, EX_USAGE, "organization", "org", "delete", "*", "--yes");
    REFUSED(pool, EX_USAGE, "organization", "dead", "purge", "a*", "--yes");
    REFUSED(pool, EX_USAGE, "organization", "job", "list", "a*");
    REFUSED(pool, EX_USAGE, "type", "push", "acme", "a b", "x");
    REFUSED(pool, EX_USAGE, "type", "push", "acme", "../t", "x");
    REFUSED(pool, EX_USAGE, "type", "push", "acme", "", "x");
    REFUSED(pool, EX_USAGE, "queue", "push", "acme", "t", "x", "--queue", "a*");
    REFUSED(pool, EX_USAGE, "queue", "queue", "pause", "{x}");
    REFUSED(pool, EX_USAGE, "queue", "queue", "pause", "*");
    REFUSED(pool, EX_USAGE, "job id", "push", "acme", "t", "x", "--id", "a@b");
    REFUSED(pool, EX_USAGE, "job", "job", "show", "acme");
    REFUSED(pool, EX_USAGE, "job", "job", "cancel", "acme/j1", "acme/*");
    REFUSED(pool, EX_USAGE, "job", "job", "delete", "--yes", "acme/j1", "../j1");
    REFUSED(pool, EX_USAGE, "worker", "worker", "show", "w*");
    assert_string_equal(digest(pool), before);
}

static void numbers_that_are_none_or_too_large_are_refused(void **state)
{
    static const char *const numbers[] = {"101", "-101", "1e3", "0x10", "", " 5", "5 ", "9223372036854775808", "1.5"};
    struct pool *pool = *state;
    const char *before = digest(pool);

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        REFUSED(pool, EX_USAGE, "priority", "push", "acme", "t", "x", pool_text(pool, "--priority=%s", numbers[i]));
    REFUSED(pool, EX_USAGE, "max-attempts", "push", "acme", "t", "x", "--max-attempts", "0");
    REFUSED(pool, EX_USAGE, "max-attempts", "push", "acme", "t", "x", "--max-attempts", "1001");
    REFUSED(pool, EX_USAGE, "timeout", "push", "acme", "t", "x", "--timeout", "5");
    REFUSED(pool, EX_USAGE, "in", "push", "acme", "t", "x", "--in", "-1s");
    REFUSED(pool, EX_USAGE, "at", "push", "acme", "t", "x", "--at", "2026-02-30T00:00:00Z");
    REFUSED(pool, EX_USAGE, "limit", "job", "list", "--limit", "-1");
    REFUSED(pool, EX_USAGE, "weight", "org", "set", "acme", "--weight", "10001");
    REFUSED(pool, EX_USAGE, "rate", "org", "set", "acme", "--rate", "1/0");
    assert_string_equal(digest(pool), before);
}

static void payloads_over_the_limit_are_refused(void **state)
{
    struct pool *pool = *state;
    const char *before = digest(pool);
    char *payload = memory_new(1100001);
    struct ran ran;

    memset(payload, 'x', 1100000);
    ran = ROTA_FED(pool, payload, "push", "acme", "t", "-"); /* more than a record may have */
    assert_int_equal(ran.status, EX_DATAERR);
    assert_plain(ran.err);
    payload[1000001] = '\0';
    ran = ROTA_FED(pool, payload, "push", "acme", "t", "-"); /* more than the organization may */
    assert_int_equal(ran.status, EX_DATAERR);
    assert_has(ran.err, "payload has 1000001 bytes, the limit of organization acme is 1000000");
    assert_string_equal(digest(pool), before);
    free(payload);
}

static void wrong_addresses_are_refused(void **state)
{
    static const char *const urls[] = {
        "http://127.0.0.1", "redis://",       "redis://127.0.0.1:99999", "redis://127.0.0.1:0",
        "unix://",          "127.0.0.1:6379", "redis://127.0.0.1/x",     "redis://127.0.0.1:6379/99999999999"};
    struct pool *pool = *state;
    struct ran ran;

    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        ran = ROTA(pool, "org", "list", "--redis", urls[i]);
        assert_true(ran.status == EX_USAGE || ran.status == EX_UNAVAILABLE);
        assert_plain(ran.err);
    }
    ran = ROTA_MUST(pool, EX_UNAVAILABLE, "org", "list", "--redis", "unix:///nowhere/redis.sock");
    assert_plain(ran.err);
    ran = ROTA_MUST(pool, EX_UNAVAILABLE, "org", "list", "--json", "--redis", "redis://127.0.0.1:1");
    assert_has(ran.err, "{\"error\":{\"code\":\"unavailable\",\"message\":\"cannot reach redis at ");
    assert_has(ran.err, "\"hint\":\"");
}

static void flags_of_64_kilobytes_are_refused(void **state)
{
    struct pool *pool = *state;
    const char *before = digest(pool);

    REFUSED(pool, EX_USAGE, "unknown flag", "job", "list", long_text(pool, "--"));
    REFUSED(pool, EX_USAGE, "unknown command", long_text(pool, "a"));
    REFUSED(pool, EX_USAGE, "job", "job", "show", long_text(pool, "acme/"));
    REFUSED(pool, EX_USAGE, "key", "push", "acme", "t", "x", "--key", long_text(pool, "k"));
    REFUSED(pool, EX_USAGE, "header", "push", "acme", "t", "x", "--header", long_text(pool, "a="));
    REFUSED(pool, EX_USAGE, "redis", "org", "list", "--redis", long_text(pool, "redis://"));
    REFUSED(pool, EX_USAGE, "cursor", "job", "list", "--cursor", long_text(pool, "acme/dead@1@"));
    assert_string_equal(digest(pool), before);
}

/* Whatever the command is: what it does not know it refuses at once, says what is near, and in JSON as an object. */
static void every_command_refuses_what_it_does_not_know(void **state)
{
    struct pool *pool = *state;
    const char *help = ROTA_MUST(pool, 0, "--help").out, *before = digest(pool);
    unsigned commands = 0;

    for (const char *at = strstr(help, "\n  rota "); at; at = strstr(at + 1, "\n  rota ")) {
        char noun[32] = "", verb[32] = "";
        struct ran ran;
        if (sscanf(at, " rota %31s %31s", noun, verb) < 1)
            continue;
        if (verb[0] < 'a' || verb[0] > 'z' || strchr(verb, '|')) /* its first argument, or the help */
            verb[0] = '\0';
        ran = ROTA(pool, noun, verb[0] ? verb : "--json", "--json", "--jsn");
        assert_int_equal(ran.status, EX_USAGE);
        assert_has(ran.err, "{\"error\":{\"code\":\"usage\",\"message\":\"");
        assert_has(ran.err, "did you mean \\\"--json\\\"?");
        assert_has(ran.err, "\"hint\":\"rota ");
        commands++;
    }
    assert_true(commands > 30);
    assert_string_equal(digest(pool), before);
}

/* A file of one good and one bad line: not even the good one is taken. */
static void one_bad_line_refuses_the_file(void **state)
{
    static const char *const lines[] = {"{\"org\":\"a\\u0000b\",\"type\":\"t\"}",
                                        "{\"org\":\"a*\",\"type\":\"t\"}",
                                        "{\"org\":\"acme\",\"type\":\"t\",\"id\":\"a\\u0000\"}",
                                        "{\"org\":\"acme\",\"type\":\"..\\u202e\"}",
                                        "{\"org\":\"acme\",\"type\":\"t\"",
                                        "[]",
                                        "{\"org\":\"acme\",\"type\":\"t\",\"priority\":101}",
                                        "{\"org\":\"acme\",\"type\":\"t\",\"due_ms\":1e400}",
                                        "{\"org\":\"acme\",\"type\":\"t\",\"nonsense\":1}",
                                        "{\"org\":\"acme\",\"org\":\"beta\",\"type\":\"t\"}",
                                        "\xff\xfe\x01"};
    struct pool *pool = *state;
    const char *before = digest(pool), *path;

    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        path = write_text(pool, "batch", pool_text(pool, "{\"org\":\"acme\",\"type\":\"t\"}\n%s\n", lines[i]));
        REFUSED(pool, EX_DATAERR, "batch:2: ", "push", "--batch", path);
    }
    path = write_text(pool, "batch", pool_text(pool, "%.*s", 60000, long_text(pool, "{\"org\":[[[[[[[[")));
    REFUSED(pool, EX_DATAERR, "batch:1: ", "push", "--batch", path);
    assert_string_equal(digest(pool), before);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, pool_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(names_that_are_none_are_refused),
        TEST(numbers_that_are_none_or_too_large_are_refused),
        TEST(payloads_over_the_limit_are_refused),
        TEST(wrong_addresses_are_refused),
        TEST(every_command_refuses_what_it_does_not_know),
        TEST(flags_of_64_kilobytes_are_refused),
        TEST(one_bad_line_refuses_the_file),
    };
    return cmocka_run_group_tests_name("cli_hostile", tests, NULL, NULL);
}
