#include "bench/pipeline.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>

#include "bench/ground.h"
#include "common/call.h"
#include "common/memory.h"
#include "tests/support/server.h"

#define ARGUMENTS_MAX 512

void pipeline_open(struct pipeline *pipeline, const struct server *server)
{
    *pipeline = (struct pipeline){.redis = server_connect(server)};
}

void pipeline_close(struct pipeline *pipeline)
{
    pipeline_settle(pipeline, 0);
    redisFree(pipeline->redis);
}

void pipeline_send(struct pipeline *pipeline, const struct call *call)
{
    const char *arguments[ARGUMENTS_MAX];
    size_t lengths[ARGUMENTS_MAX];
    int written = 0;

    if (call->count > ARGUMENTS_MAX)
        give_up("a call has %d arguments, the limit is %d", call->count, ARGUMENTS_MAX);
    for (int i = 0; i < call->count; i++)
        arguments[i] = call_argument(call, i, &lengths[i]);
    redisAppendCommandArgv(pipeline->redis, call->count, arguments, lengths);
    pipeline->under_way++;
    while (!written)
        if (redisBufferWrite(pipeline->redis, &written) != REDIS_OK)
            give_up("redis-server is gone: %s", pipeline->redis->errstr);
}

redisReply *pipeline_read(struct pipeline *pipeline)
{
    redisReply *reply = NULL;

    if (redisGetReply(pipeline->redis, (void **)&reply) != REDIS_OK)
        give_up("redis-server is gone: %s", pipeline->redis->errstr);
    if (reply->type == REDIS_REPLY_ERROR)
        give_up("%s", reply->str);
    pipeline->under_way--;
    return reply;
}

void pipeline_settle(struct pipeline *pipeline, unsigned left)
{
    while (pipeline->under_way > left)
        freeReplyObject(pipeline_read(pipeline));
}
