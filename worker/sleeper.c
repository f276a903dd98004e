#include "worker/sleeper.h"

#include <ev.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/keys.h"
#include "common/memory.h"
#include "common/random.h"

#define ANSWER_GRACE_MS 3000 /* beyond the block's own time-out */
#define CALL_TIMEOUT_MS 3000

struct sleeper {
    struct sleeper_options options;
    struct call call;
    bool sleeps, quiet;
    bool rouse;        /* this quiet sleep is to be ended */
    int64_t client_id; /* of the connection that sleeps quietly; 0: not known yet */
    ev_timer again;    /* after a failure */
};

static void wake(struct sleeper *sleeper, int64_t lane, const char *key)
{
    sleeper->sleeps = false;
    sleeper->options.on_wake(lane, key, sleeper->quiet, sleeper->options.ctx);
}

static void on_pause_over(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct sleeper *sleeper = timer->data;

    (void)loop, (void)events;
    wake(sleeper, -1, NULL);
}

static void on_popped(const struct reply *reply, const struct error *err, void *ctx)
{
    struct sleeper *sleeper = ctx;
    const char *key = reply_string(reply_at(reply, 0));
    unsigned lane;

    if (err) { /* still asleep: as if time were over, a little later */
        ev_timer_set(&sleeper->again, 0.2 + (double)random_below(300) / 1000, 0);
        ev_timer_start(sleeper->options.loop, &sleeper->again);
    } else if (reply_count(reply) == 3 && sscanf(key, "rota:{%u}:", &lane) == 1) {
        wake(sleeper, lane, key);
    } else {
        wake(sleeper, -1, NULL);
    }
}

struct sleeper *sleeper_new(const struct sleeper_options *options)
{
    struct sleeper *sleeper = memory_new(sizeof *sleeper);

    sleeper->options = *options;
    ev_init(&sleeper->again, on_pause_over);
    sleeper->again.data = sleeper;
    return sleeper;
}

void sleeper_free(struct sleeper *sleeper)
{
    if (!sleeper)
        return;
    ev_timer_stop(sleeper->options.loop, &sleeper->again);
    call_clear(&sleeper->call);
    free(sleeper);
}

/* ---- ending a quiet sleep: CLIENT UNBLOCK on the other connection ---- */

static void on_roused(const struct reply *reply, const struct error *err, void *ctx)
{
    (void)reply, (void)err, (void)ctx; /* if it does not work the sleep ends by itself */
}

static void rouse(struct sleeper *sleeper)
{
    sleeper->rouse = true;
    if (sleeper->client_id == 0)
        return;
    call_command(&sleeper->call, "CLIENT");
    call_add_string(&sleeper->call, "UNBLOCK");
    call_add_int(&sleeper->call, sleeper->client_id);
    redis_send(sleeper->options.other_redis, &sleeper->call, CALL_TIMEOUT_MS, on_roused, NULL);
}

static void on_client_id(const struct reply *reply, const struct error *err, void *ctx)
{
    struct sleeper *sleeper = ctx;

    sleeper->client_id = err ? 0 : reply_int(reply);
    if (sleeper->rouse)
        rouse(sleeper);
}

static void ask_client_id(struct sleeper *sleeper)
{
    sleeper->client_id = 0;
    call_command(&sleeper->call, "CLIENT");
    call_add_string(&sleeper->call, "ID");
    redis_send(sleeper->options.redis, &sleeper->call, CALL_TIMEOUT_MS, on_client_id, sleeper);
}

void sleeper_sleep(struct sleeper *sleeper, bool quiet)
{
    uint32_t lanes = sleeper->options.lanes, first = (uint32_t)random_below(lanes); /* keys are tried from left to right */
    int64_t block_ms = SLEEP_MS_MIN + (int64_t)random_below(SLEEP_MS_MAX - SLEEP_MS_MIN);
    char key[KEY_BYTES_MAX];

    if (sleeper->sleeps) {
        if (sleeper->quiet && !quiet && !sleeper->rouse)
            rouse(sleeper);
        return;
    }
    sleeper->sleeps = true;
    sleeper->quiet = quiet;
    sleeper->rouse = false;
    if (quiet)
        ask_client_id(sleeper);
    call_command(&sleeper->call, "BZPOPMIN");
    for (uint32_t i = 0; i < lanes; i++)
        for (size_t q = 0; q < sleeper->options.queue_count; q++)
            call_add_string(&sleeper->call, key_wake(key, (first + i) % lanes, sleeper->options.queues[q], quiet));
    call_add_format(&sleeper->call, "%lld.%03lld", (long long)block_ms / 1000, (long long)block_ms % 1000);
    redis_send(sleeper->options.redis, &sleeper->call, block_ms + ANSWER_GRACE_MS, on_popped, sleeper);
}
