#include "bench/machine.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char redis_version[64] = "?";

const char *machine_cpu(void)
{
    static char model[128];
    char line[256];
    FILE *file;

    if (model[0])
        return model;
    snprintf(model, sizeof model, "unknown");
    file = fopen("/proc/cpuinfo", "re");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "model name : %127[^\n\"\\]", model) == 1)
            break;
    if (file)
        fclose(file);
    return model;
}

int machine_cores(void)
{
    return (int)sysconf(_SC_NPROCESSORS_ONLN);
}

const char *machine_redis(void)
{
    return redis_version;
}

void machine_note_redis(struct redisContext *redis)
{
    redisReply *reply = redisCommand(redis, "INFO server");
    const char *at = reply && reply->str ? strstr(reply->str, "redis_version:") : NULL;

    if (at)
        sscanf(at, "redis_version:%63[^\r\n]", redis_version);
    freeReplyObject(reply);
}
