#include "common/reply.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <hiredis/hiredis.h>

/* A `struct reply` is never defined: it is a redisReply seen from outside. NULL reads as nil. Only the types of RESP2 occur. */
static const redisReply *of(const struct reply *reply)
{
    return (const redisReply *)(const void *)reply;
}

static bool has_bytes(const redisReply *r)
{
    return r && (r->type == REDIS_REPLY_STRING || r->type == REDIS_REPLY_STATUS || r->type == REDIS_REPLY_ERROR);
}

bool reply_is_nil(const struct reply *reply)
{
    return !reply || of(reply)->type == REDIS_REPLY_NIL;
}

bool reply_is_array(const struct reply *reply)
{
    return reply && of(reply)->type == REDIS_REPLY_ARRAY;
}

size_t reply_count(const struct reply *reply)
{
    return reply_is_array(reply) ? of(reply)->elements : 0;
}

const struct reply *reply_at(const struct reply *reply, size_t index)
{
    if (index >= reply_count(reply))
        return NULL;
    return (const struct reply *)(const void *)of(reply)->element[index];
}

int64_t reply_int(const struct reply *reply)
{
    const redisReply *r = of(reply);
    long long number;
    char *end;

    if (r && r->type == REDIS_REPLY_INTEGER)
        return r->integer;
    if (!has_bytes(r) || r->len == 0 || !strchr("-0123456789", r->str[0]))
        return 0;
    errno = 0;
    number = strtoll(r->str, &end, 10);
    return errno == 0 && end == r->str + r->len ? number : 0;
}

const char *reply_bytes(const struct reply *reply, size_t *ret_length)
{
    const redisReply *r = of(reply);

    *ret_length = has_bytes(r) ? (size_t)r->len : 0;
    return has_bytes(r) ? r->str : "";
}

const char *reply_string(const struct reply *reply)
{
    size_t length;

    return reply_bytes(reply, &length);
}

bool reply_is(const struct reply *reply, const char *word)
{
    size_t length;
    const char *bytes = reply_bytes(reply, &length);

    return has_bytes(of(reply)) && length == strlen(word) && memcmp(bytes, word, length) == 0;
}

struct reply *reply_parse(const char *bytes, size_t length)
{
    redisReader *reader = redisReaderCreate();
    void *parsed = NULL;

    if (!reader || redisReaderFeed(reader, bytes, length) != REDIS_OK || redisReaderGetReply(reader, &parsed) != REDIS_OK)
        parsed = NULL;
    redisReaderFree(reader);
    return parsed;
}

void reply_free(struct reply *reply)
{
    if (reply)
        freeReplyObject(reply);
}
