#include "bench/raw.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/ground.h"
#include "bench/pipeline.h"
#include "common/buffer.h"
#include "common/clock.h"
#include "tests/support/server.h"

#define CONNECTIONS    20
#define CALLS_EACH     64 /* under way on a connection */
#define LIVES_PER_CALL 50
#define CALLS          20480
#define BODY_BYTES     100
#define DIGITS         12 /* of a body: its beginning, drawn anew each time */

static const char script[] = "local list, leases = KEYS[1], KEYS[2]\n"
                             "redis.call('LPUSH', list, unpack(ARGV))\n"
                             "local bodies, flat = redis.call('RPOP', list, #ARGV), {}\n"
                             "for i = 1, #bodies do\n"
                             "  flat[2 * i - 1] = i\n"
                             "  flat[2 * i] = bodies[i]\n"
                             "end\n"
                             "redis.call('ZADD', leases, unpack(flat))\n"
                             "redis.call('ZREM', leases, unpack(bodies))\n"
                             "return #bodies\n";

/* CALLS_EACH calls as they go over the wire, and where their bodies are. */
struct burst {
    struct buffer bytes;
    size_t bodies[CALLS_EACH * LIVES_PER_CALL];
    size_t count;
};

static void add_call(struct burst *burst, const char *sha)
{
    char body[BODY_BYTES + 1];

    memset(body, 'x', BODY_BYTES);
    body[BODY_BYTES] = '\0';
    buffer_add_format(&burst->bytes, "*%d\r\n$7\r\nEVALSHA\r\n$%zu\r\n%s\r\n$1\r\n2\r\n$7\r\n{raw}:l\r\n$7\r\n{raw}:z\r\n",
                      5 + LIVES_PER_CALL, strlen(sha), sha);
    for (int i = 0; i < LIVES_PER_CALL; i++) {
        buffer_add_format(&burst->bytes, "$%d\r\n", BODY_BYTES);
        burst->bodies[burst->count++] = burst->bytes.length;
        buffer_add_format(&burst->bytes, "%s\r\n", body);
    }
}

/* Draws each body's number, below a million and with zeroes in front. */
static void draw_bodies(struct burst *burst)
{
    static uint32_t seed = 1;

    for (size_t i = 0; i < burst->count; i++) {
        char *at = burst->bytes.data + burst->bodies[i];
        uint32_t number;
        seed = seed * 1664525 + 1013904223;
        number = (seed >> 8) % 1000000;
        for (int digit = DIGITS - 1; digit >= 0; digit--, number /= 10)
            at[digit] = (char)('0' + number % 10);
    }
}

static void send_burst(struct pipeline *pipeline, struct burst *burst)
{
    int written = 0;

    draw_bodies(burst);
    redisAppendFormattedCommand(pipeline->redis, burst->bytes.data, burst->bytes.length);
    while (!written)
        if (redisBufferWrite(pipeline->redis, &written) != REDIS_OK)
            give_up("redis-server is gone: %s", pipeline->redis->errstr);
    pipeline->under_way += CALLS_EACH;
}

static void run_calls(struct ground *ground, struct burst *burst)
{
    struct pipeline pipelines[CONNECTIONS];

    for (int i = 0; i < CONNECTIONS; i++)
        pipeline_open(&pipelines[i], ground->server);
    for (int sent = 0; sent < CALLS; sent += CALLS_EACH) {
        struct pipeline *pipeline = &pipelines[sent / CALLS_EACH % CONNECTIONS];
        pipeline_settle(pipeline, 0);
        send_burst(pipeline, burst);
    }
    for (int i = 0; i < CONNECTIONS; i++)
        pipeline_close(&pipelines[i]);
}

void raw_measure(struct ground *ground, double *ret_per_s, double *ret_per_cpu_s)
{
    redisReply *sha = ground_ask(ground, "SCRIPT LOAD %s", script);
    struct burst *burst = calloc(1, sizeof *burst);
    double cpu_s = ground_cpu_s(ground);
    int64_t start_us;

    for (int i = 0; i < CALLS_EACH; i++)
        add_call(burst, sha->str);
    start_us = clock_mono_us();
    run_calls(ground, burst);
    *ret_per_s = (double)CALLS * LIVES_PER_CALL * 1e6 / (double)(clock_mono_us() - start_us);
    *ret_per_cpu_s = (double)CALLS * LIVES_PER_CALL / (ground_cpu_s(ground) - cpu_s);
    freeReplyObject(ground_ask(ground, "DEL {raw}:l {raw}:z"));
    freeReplyObject(sha);
    buffer_clear(&burst->bytes);
    free(burst);
}
