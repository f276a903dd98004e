/* push ORG TYPE KEY < PAYLOAD - one job; prints its id. No answer? The same again, with the same key. */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    static char payload[1000001]; /* one more than an organization may usually have: that is refused, not cut */
    redisContext *redis = redisConnect(getenv("REDIS_HOST"), atoi(getenv("REDIS_PORT")));
    size_t bytes = fread(payload, 1, sizeof payload, stdin);
    redisReply *reply = argc != 4 || !redis || redis->err
                            ? NULL
                            : redisCommand(redis, "XADD rota:inbox NOMKSTREAM * org %s type %s key %s payload %b", argv[1],
                                           argv[2], argv[3], payload, bytes);
    int is_taken = reply && reply->type == REDIS_REPLY_STRING; /* nil: no rota:inbox in this Redis */

    fprintf(is_taken ? stdout : stderr, "%s\n", is_taken ? reply->str : reply && reply->str ? reply->str : "not taken");
    freeReplyObject(reply);
    redisFree(redis);
    return !is_taken;
}
