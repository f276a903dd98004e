#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buffer.h"
#include "common/file.h"
#include "common/id.h"
#include "common/memory.h"
#include "library_text.h"
#include "tests/support/garbage.h"
#include "tests/support/lane.h"

#define FILE_BYTES_MAX (1 << 20)

/* ---- What lives until the end of the test -------------------------------------------------------------------------------- */

struct garbage {
    struct garbage *next;
    redisReply *reply;
    char *memory;
};

void keep(struct fixture *f, redisReply *reply, char *memory)
{
    struct garbage *garbage = memory_new(sizeof *garbage);

    *garbage = (struct garbage){.next = f->garbage, .reply = reply, .memory = memory};
    f->garbage = garbage;
}

static void throw_away(struct fixture *f)
{
    struct garbage *next;

    for (struct garbage *garbage = f->garbage; garbage; garbage = next) {
        next = garbage->next;
        freeReplyObject(garbage->reply);
        free(garbage->memory);
        free(garbage);
    }
    f->garbage = NULL;
}

const char *keep_bytes(struct fixture *f, const void *bytes, size_t length)
{
    char *copy = memory_copy(bytes, length);

    keep(f, NULL, copy);
    return copy;
}

const char *keep_format(struct fixture *f, const char *fmt, va_list args)
{
    char *text = NULL;

    if (vasprintf(&text, fmt, args) < 0)
        abort();
    keep(f, NULL, text);
    return text;
}

const char *fixture_text(struct fixture *f, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    const char *text = keep_format(f, fmt, args);
    va_end(args);
    return text;
}

/* ---- The library variant ------------------------------------------------------------------------------------------------- */

static const struct {
    const char *from, *to;
} substitutions[] = {
    {"local call, byte, ", "local test_calls, test_name, test_commands = 0, nil, nil\nlocal call, byte, "},
    {"  call = redis.call\n", "  call = function(...)\n"
                              "    test_calls = test_calls + 1\n"
                              "    if not test_commands[...] then error(test_name .. ' makes an undeclared ' .. ...) end\n"
                              "    return redis.call(...)\n"
                              "  end\n"},
    {"    return callback(keys, args)\n", "    test_name, test_commands = name, commands and {}\n"
                                          "    for _, command in ipairs(commands or {}) do test_commands[command] = true end\n"
                                          "    return callback(keys, args)\n"},
    {"local KEPT_S = 60 ", "local KEPT_S = 6000 "}, /* expiry does not follow the clock of a test */
    {"  local flat = call('HRANDFIELD', held, limit, 'WITHVALUES')",
     "  local flat = call('HRANDFIELD', held, limit, 'WITHVALUES')\n"
     "  flat = redis.call('HGETALL', held)\n"
     "  while flat[2 * limit + 1] do flat[#flat] = nil end\n"},
    {"  local time = call('TIME')\n", "  local time = call('TIME')\n"
                                      "  local test_us = redis.call('GET', 'test:now_us')\n"
                                      "  if test_us then time = { 0, test_us } end\n"},
};

static const char count_function[] =
    "redis.register_function { function_name = '" LIBRARY_NAME "_test_calls', flags = { 'no-writes' },\n"
    "  callback = function()\n    local calls = test_calls\n    test_calls = 0\n    return calls\n  end }\n";

/* The text with `from`, which must occur exactly once, replaced. Frees `text`; gives. */
static char *replace_once(char *text, const char *from, const char *to)
{
    const char *at = strstr(text, from);

    if (!at || strstr(at + 1, from)) {
        fprintf(stderr, "test library: \"%s\" must occur exactly once in the library\n", from);
        abort();
    }
    char *changed = memory_format("%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    free(text);
    return changed;
}

static char *library_variant(void)
{
    char *text = memory_format("%s%s", library_text_bytes, count_function);

    for (size_t i = 0; i < sizeof substitutions / sizeof substitutions[0]; i++)
        text = replace_once(text, substitutions[i].from, substitutions[i].to);
    return text;
}

/* ---- Fixture ------------------------------------------------------------------------------------------------------------- */

static void load_library(struct fixture *f)
{
    char *text = library_variant();
    redisReply *reply = redisCommand(f->redis, "FUNCTION LOAD REPLACE %s", text);

    if (!reply || reply->type == REDIS_REPLY_ERROR) {
        fprintf(stderr, "test library: %s\n", reply ? reply->str : f->redis->errstr);
        abort();
    }
    freeReplyObject(reply);
    free(text);
}

char *fixture_read(const char *path)
{
    struct error err = {0};
    char *text = file_read(path, FILE_BYTES_MAX, NULL, &err);

    if (!text) {
        fprintf(stderr, "%s\n", err.message);
        abort();
    }
    return text;
}

static void load_invariants(struct fixture *f)
{
    char *text = fixture_read(INVARIANTS_PATH);
    redisReply *reply = redisCommand(f->redis, "SCRIPT LOAD %s", text);

    if (!reply || reply->type != REDIS_REPLY_STRING) {
        fprintf(stderr, "invariants.lua: %s\n", reply ? reply->str : f->redis->errstr);
        abort();
    }
    snprintf(f->invariants, sizeof f->invariants, "%s", reply->str);
    freeReplyObject(reply);
    free(text);
}

struct fixture *fixture_new(unsigned lanes, const char *const *arguments)
{
    struct fixture *f = memory_new(sizeof *f);

    f->server = server_start(arguments);
    f->redis = server_connect(f->server);
    f->lanes = lanes;
    load_library(f);
    load_invariants(f);
    return f;
}

static void forget_v(struct fixture *f)
{
    for (unsigned lane = 0; lane < LANES_MAX; lane++) {
        free(f->seen_v[lane]);
        f->seen_v[lane] = NULL;
    }
}

void fixture_free(struct fixture *f)
{
    if (!f)
        return;
    throw_away(f);
    forget_v(f);
    redisFree(f->redis);
    server_stop(f->server);
    free(f);
}

void fixture_reset(struct fixture *f)
{
    throw_away(f);
    forget_v(f);
    f->unchecked = 0;
    f->check_each = true;
    f->tokens = 0;
    lane_redis(f, "FLUSHALL");
    lane_redis(f, "CONFIG SET maxmemory 0");
    clock_set_us(f, CLOCK_START_US);
    for (f->lane = 0; f->lane < f->lanes; f->lane++)
        assert_reply(lane_call(f, "setup", "%u %u", f->lanes, f->lane), "new");
    f->lane = lane_of("acme", f->lanes);
}

void fixture_sweep(struct fixture *f)
{
    throw_away(f);
}

void fixture_reconnect(struct fixture *f)
{
    redisFree(f->redis);
    f->redis = server_connect(f->server);
    load_invariants(f);
}

static int reset_before_test(void **state)
{
    fixture_reset(*state);
    return 0;
}

static int check_after_test(void **state)
{
    struct fixture *f = *state;

    lane_check(f);
    return 0;
}

int run_in_lanes(const char *name, const struct CMUnitTest *tests, size_t count)
{
    static const unsigned lanes[] = {1, 8};
    int failed = 0;

    for (size_t i = 0; i < sizeof lanes / sizeof lanes[0]; i++) {
        struct fixture *f = fixture_new(lanes[i], NULL);
        struct CMUnitTest *own = memory_new(count * sizeof *own);
        char *group = memory_format("%s L=%u", name, lanes[i]);

        for (size_t n = 0; n < count; n++)
            own[n] = (struct CMUnitTest){tests[n].name, tests[n].test_func, reset_before_test, check_after_test, f};
        print_message("%s\n", group);
        failed += _cmocka_run_group_tests(group, own, count, NULL, NULL);
        free(group);
        free(own);
        fixture_free(f);
    }
    return failed;
}

/* ---- Checks -------------------------------------------------------------------------------------------------------------- */

/* Runs invariants.lua on the current lane: remembers V, returns the violations as lines. */
static char *find_violations(struct fixture *f)
{
    char **seen = &f->seen_v[f->lane];
    struct buffer call = {0}, lines = {0}, next = {0};
    const char *now = lane_redis(f, "GET test:now_us")->str;

    buffer_add_format(&call, "EVALSHA %s 1 rota:{%u} %s %%s%s", f->invariants, f->lane, now ? now : "%s",
                      *seen && !(f->unchecked & UNCHECKED_V) ? *seen : "");
    char *words =
        memory_format("%s%s", f->unchecked & UNCHECKED_CAPS ? "" : "caps ", f->unchecked & UNCHECKED_WAKE ? "" : "wake");
    const redisReply *found = now ? lane_redis(f, call.data, words) : lane_redis(f, call.data, "", words);
    const redisReply *violations = reply_element(found, 0), *v = reply_element(found, 1);

    for (size_t i = 0; i < violations->elements; i++)
        buffer_add_format(&lines, "%s\n", violations->element[i]->str);
    for (size_t i = 0; i < v->elements; i++)
        buffer_add_format(&next, " %s", v->element[i]->str);
    free(*seen);
    *seen = buffer_give(&next);
    free(words);
    buffer_clear(&call);
    return buffer_give(&lines);
}

const char *lane_violations(struct fixture *f)
{
    char *lines = find_violations(f);

    keep(f, NULL, lines);
    return lines;
}

void lane_check(struct fixture *f)
{
    unsigned current = f->lane;

    if (f->unchecked & UNCHECKED_ALL)
        return;
    for (f->lane = 0; f->lane < f->lanes; f->lane++) {
        const char *lines = lane_violations(f);
        if (*lines)
            fail_msg("lane %u:\n%s", f->lane, lines);
    }
    f->lane = current;
}

const char *lane_digest(struct fixture *f)
{
    return lane_redis(f, "DEBUG DIGEST")->str;
}

/* ---- Clock and names ----------------------------------------------------------------------------------------------------- */

int64_t clock_us(struct fixture *f)
{
    return reply_number(lane_redis(f, "GET test:now_us"));
}

int64_t clock_ms(struct fixture *f)
{
    return clock_us(f) / 1000;
}

void clock_set_us(struct fixture *f, int64_t us)
{
    lane_redis(f, "SET test:now_us %lld", (long long)us);
}

void clock_advance_ms(struct fixture *f, int64_t ms)
{
    lane_redis(f, "INCRBY test:now_us %lld", (long long)ms * 1000);
}

const char *lane_function(struct fixture *f, const char *function)
{
    return fixture_text(f, LIBRARY_NAME "_%s", function);
}

void lane_use(struct fixture *f, unsigned lane)
{
    f->lane = lane;
}

const char *lane_org(struct fixture *f, unsigned n)
{
    char name[32] = "acme";

    for (unsigned found = lane_of(name, f->lanes) == f->lane ? 0 : (unsigned)-1, number = 1; found != n; number++) {
        snprintf(name, sizeof name, "org%u", number);
        if (lane_of(name, f->lanes) == f->lane)
            found++;
    }
    return keep_bytes(f, name, strlen(name));
}

const char *lane_key(struct fixture *f, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    const char *part = keep_format(f, fmt, args);
    va_end(args);
    return fixture_text(f, "rota:{%u}:%s", f->lane, part);
}
