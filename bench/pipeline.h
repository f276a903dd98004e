/* pipeline.h - a connection with several calls under way at once; the replies come in order. An error reply ends the program. */
#pragma once

struct call;
struct redisContext;
struct redisReply;
struct server;

struct pipeline {
    struct redisContext *redis;
    unsigned under_way;
};

void pipeline_open(struct pipeline *pipeline, const struct server *server);
void pipeline_close(struct pipeline *pipeline);

/* Writes the call out. */
void pipeline_send(struct pipeline *pipeline, const struct call *call);

/* Waits for the oldest reply that is outstanding. Gives: freeReplyObject(). */
struct redisReply *pipeline_read(struct pipeline *pipeline);

/* Waits for replies, and throws them away, until at most `left` are outstanding. */
void pipeline_settle(struct pipeline *pipeline, unsigned left);
