#include "bench/consumer.h"

#include <hiredis/hiredis.h>
#include <string.h>

#include "bench/ground.h"
#include "common/random.h"

#define TIMEOUT_MS 60000
#define BEAT_MS    20000
#define ANSWERS    5 /* where the reply of claim and finish has its answers, and its jobs */
#define JOBS       6

void consumer_open(struct consumer *consumer, const struct server *server, int64_t run_us)
{
    *consumer = (struct consumer){.run_us = run_us};
    pipeline_open(&consumer->pipeline, server);
    session_draw(consumer->session);
    call_function(&consumer->call, "open", 0);
    call_add_string(&consumer->call, consumer->session);
    call_add_string(&consumer->call, "worker");
    call_add_int(&consumer->call, TIMEOUT_MS);
    call_add_int(&consumer->call, BEAT_MS);
    pipeline_send(&consumer->pipeline, &consumer->call);
    pipeline_settle(&consumer->pipeline, 0);
}

void consumer_close(struct consumer *consumer)
{
    pipeline_close(&consumer->pipeline);
    freeReplyObject(consumer->claimed);
    call_clear(&consumer->call);
}

static unsigned jobs_of(const redisReply *reply)
{
    return reply ? (unsigned)(reply->element[JOBS]->elements / 3) : 0;
}

static void add_ends(struct consumer *consumer)
{
    const redisReply *jobs = consumer->claimed->element[JOBS];

    for (size_t i = 0; i < jobs->elements; i += 3) {
        call_add(&consumer->call, jobs->element[i]->str, jobs->element[i]->len);
        call_add(&consumer->call, consumer->token, TOKEN_BYTES);
        call_add_string(&consumer->call, "done");
        call_add_int(&consumer->call, consumer->run_us);
        call_add_string(&consumer->call, "");
    }
}

void consumer_send(struct consumer *consumer, unsigned want)
{
    struct call *call = &consumer->call;
    unsigned held = jobs_of(consumer->claimed);

    random_bytes(consumer->next_token, TOKEN_BYTES);
    call_function(call, held ? "finish" : "claim", 0);
    call_add_string(call, consumer->session);
    call_add(call, consumer->next_token, TOKEN_BYTES);
    call_add_int(call, want);
    call_add_string(call, "0"); /* not only quiet organizations */
    call_add_string(call, "1");
    call_add_string(call, "default");
    call_add_string(call, "0");
    call_add_string(call, "1");
    call_add_string(call, "noop");
    call_add_int(call, TIMEOUT_MS);
    if (held)
        add_ends(consumer);
    pipeline_send(&consumer->pipeline, call);
}

static void check_answers(const redisReply *reply)
{
    const redisReply *answers = reply->element[ANSWERS];

    for (size_t i = 0; i < answers->elements; i++)
        if (strcmp(answers->element[i]->str, "ok") != 0)
            give_up("finish answers %s", answers->element[i]->str);
}

unsigned consumer_read(struct consumer *consumer)
{
    redisReply *reply = pipeline_read(&consumer->pipeline);

    if (reply->elements <= JOBS)
        give_up("the session is lost");
    check_answers(reply);
    freeReplyObject(consumer->claimed);
    consumer->claimed = reply;
    memcpy(consumer->token, consumer->next_token, TOKEN_BYTES);
    return jobs_of(reply);
}
