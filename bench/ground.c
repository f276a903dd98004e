#include "bench/ground.h"

#include <hiredis/hiredis.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/machine.h"
#include "common/call.h"
#include "common/library.h"
#include "common/memory.h"
#include "bench/pipeline.h"
#include "tests/support/server.h"

void give_up(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    fprintf(stderr, "bench: ");
    vfprintf(stderr, fmt, args);
    fprintf(stderr, "\n");
    va_end(args);
    exit(1);
}

static redisReply *checked(redisContext *redis, redisReply *reply)
{
    if (!reply)
        give_up("redis-server is gone: %s", redis->errstr);
    if (reply->type == REDIS_REPLY_ERROR)
        give_up("%s", reply->str);
    return reply;
}

redisReply *ground_ask(struct ground *ground, const char *fmt, ...)
{
    redisReply *reply;
    va_list args;

    va_start(args, fmt);
    reply = redisvCommand(ground->redis, fmt, args);
    va_end(args);
    return checked(ground->redis, reply);
}

int64_t ground_number(struct ground *ground, const char *fmt, ...)
{
    redisReply *reply;
    int64_t number;
    va_list args;

    va_start(args, fmt);
    reply = checked(ground->redis, redisvCommand(ground->redis, fmt, args));
    va_end(args);
    number = reply->type == REDIS_REPLY_INTEGER ? reply->integer : reply->str ? strtoll(reply->str, NULL, 10) : 0;
    freeReplyObject(reply);
    return number;
}

double ground_info(struct ground *ground, const char *section, const char *name)
{
    redisReply *reply = ground_ask(ground, "INFO %s", section);
    char *field = memory_format("\n%s:", name);
    const char *at = strstr(reply->str, field);
    double value;

    if (!at)
        give_up("INFO %s has no %s", section, name);
    value = strtod(at + strlen(field), NULL);
    free(field);
    freeReplyObject(reply);
    return value;
}

double ground_cpu_s(struct ground *ground)
{
    return ground_info(ground, "cpu", "used_cpu_user") + ground_info(ground, "cpu", "used_cpu_sys");
}

void ground_open(struct ground *ground)
{
    ground->server = server_start(NULL);
    ground->redis = server_connect(ground->server);
    machine_note_redis(ground->redis);
    freeReplyObject(ground_ask(ground, "FUNCTION LOAD %s", library_text()));
}

void ground_close(struct ground *ground)
{
    redisFree(ground->redis);
    server_stop(ground->server);
}

void ground_reset(struct ground *ground)
{
    freeReplyObject(ground_ask(ground, "FLUSHALL SYNC"));
    freeReplyObject(ground_ask(ground, "FCALL %s_setup 2 rota:{0} rota:{0}:clock 1 0", library_name()));
}

void ground_keep_nothing(struct ground *ground, unsigned orgs)
{
    char org[ORG_NAME_BYTES];

    for (unsigned i = 0; i < orgs; i++)
        freeReplyObject(ground_ask(ground, "FCALL %s_org_set 2 rota:{0} rota:{0}:clock bench %s keep_done_ms 0", library_name(),
                                   org_name(org, i)));
}

const char *org_name(char ret_name[ORG_NAME_BYTES], unsigned n)
{
    snprintf(ret_name, ORG_NAME_BYTES, "org%u", n);
    return ret_name;
}
