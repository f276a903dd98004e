/* consumer.h - a worker without handlers: claims jobs and finishes them with its next call, like rota-worker does. */
#pragma once

#include <stdint.h>

#include "bench/pipeline.h"
#include "common/call.h"
#include "common/id.h"

struct consumer {
    struct pipeline pipeline;
    int64_t run_us; /* what it says each job took */
    /* Private. */
    char session[SESSION_BYTES + 1];
    unsigned char token[TOKEN_BYTES], next_token[TOKEN_BYTES];
    struct redisReply *claimed; /* the jobs it has, or NULL */
    struct call call;
};

/* Opens a session. `run_us`: what it tells of each job. */
void consumer_open(struct consumer *consumer, const struct server *server, int64_t run_us);
void consumer_close(struct consumer *consumer);

/* Sends a call that finishes the jobs it has, if any, and claims up to `want` (0..32). */
void consumer_send(struct consumer *consumer, unsigned want);

/* Waits for the answer. Returns the number of jobs claimed. */
unsigned consumer_read(struct consumer *consumer);
