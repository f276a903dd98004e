/* pickup.c - how soon an idle worker has a new job.
 *
 * One job at a time: a real rota-worker sleeps, a real rota-scheduler runs, a job is enqueued. Measured on our monotonic clock
 * from just before the enqueue is written to the moment at which the server's keyspace notification of the worker's claim (hset
 * of held:<session>) was read. So the figure holds the whole enqueue call as well and can only be too high. What the method
 * itself adds is measured in the same way, with a plain HSET of ours in place of enqueue, worker and claim: pickup-method. */
#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/cases.h"
#include "bench/figure.h"
#include "bench/ground.h"
#include "bench/process.h"
#include "bench/producer.h"
#include "common/clock.h"
#include "common/random.h"
#include "tests/support/server.h"

#define JOBS         600
#define WARM_UP_JOBS 50
#define METHOD_JOBS  200
#define PAUSE_MS_MIN 2 /* the worker has gone to sleep again */
#define PAUSE_MS_MAX 12

/* Sees what happens to held:<session>. */
static redisContext *watch_held(struct ground *ground)
{
    redisContext *watcher = server_connect(ground->server);

    freeReplyObject(ground_ask(ground, "CONFIG SET notify-keyspace-events Khg"));
    freeReplyObject(redisCommand(watcher, "PSUBSCRIBE __keyspace@0__:rota:{0}:held:*"));
    return watcher;
}

static void wait_for(redisContext *watcher, const char *event)
{
    redisReply *reply = NULL;
    bool seen = false;

    while (!seen) {
        if (redisGetReply(watcher, (void **)&reply) != REDIS_OK)
            give_up("redis-server is gone: %s", watcher->errstr);
        seen = reply->elements == 4 && strcmp(reply->element[3]->str, event) == 0;
        freeReplyObject(reply);
    }
}

static void pause_a_little(void)
{
    int64_t us = PAUSE_MS_MIN * 1000 + (int64_t)random_below((PAUSE_MS_MAX - PAUSE_MS_MIN) * 1000);

    nanosleep(&(struct timespec){.tv_nsec = us * 1000}, NULL);
}

static double pickup_us(struct producer *producer, redisContext *watcher)
{
    int64_t start_us, end_us;

    pause_a_little();
    start_us = clock_mono_us();
    producer_send(producer);
    wait_for(watcher, "hset");
    end_us = clock_mono_us();
    pipeline_settle(&producer->pipeline, 0);
    wait_for(watcher, "hdel"); /* it is done */
    return (double)(end_us - start_us);
}

static double method_us(struct pipeline *pipeline, redisContext *watcher)
{
    struct call call = {0};
    int64_t start_us, end_us;

    pause_a_little();
    start_us = clock_mono_us();
    call_command(&call, "HSET");
    call_add_string(&call, "rota:{0}:held:bench");
    call_add_string(&call, "field");
    call_add_string(&call, "value");
    pipeline_send(pipeline, &call);
    wait_for(watcher, "hset");
    end_us = clock_mono_us();
    pipeline_settle(pipeline, 0);
    call_clear(&call);
    return (double)(end_us - start_us);
}

void bench_pickup(unsigned runs)
{
    struct figure p50 = {.name = "pickup-p50", .unit = "us", .payload_bytes = BENCH_PAYLOAD_BYTES};
    struct figure p99 = {
        .name = "pickup-p99", .unit = "us", .payload_bytes = BENCH_PAYLOAD_BYTES, .target = {TARGET_VALUE_MAX, 1000}};
    struct figure most = {.name = "pickup-max", .unit = "us", .payload_bytes = BENCH_PAYLOAD_BYTES};
    struct figure method = {.name = "pickup-method-p50", .unit = "us"};
    struct producer producer;
    struct ground ground;
    redisContext *watcher;
    double us[JOBS];
    pid_t scheduler, worker;

    ground_open(&ground);
    ground_reset(&ground);
    scheduler = process_start(&ground, "rota-scheduler", NULL);
    worker = process_start(&ground, "rota-worker", (const char *const[]){"--on", "noop=@noop", NULL});
    process_wait_sessions(&ground, 2);
    watcher = watch_held(&ground);
    producer_open(&producer, ground.server, BENCH_ORGS, 1, 1, BENCH_PAYLOAD_BYTES);
    for (int i = 0; i < WARM_UP_JOBS; i++)
        pickup_us(&producer, watcher);
    for (unsigned i = 0; i < runs; i++) {
        for (int job = 0; job < METHOD_JOBS; job++)
            us[job] = method_us(&producer.pipeline, watcher);
        figure_add(&method, quantile(us, METHOD_JOBS, 0.5));
        for (int job = 0; job < JOBS; job++)
            us[job] = pickup_us(&producer, watcher);
        figure_add(&p50, quantile(us, JOBS, 0.5));
        figure_add(&p99, quantile(us, JOBS, 0.99));
        figure_add(&most, us[JOBS - 1]);
    }
    redisFree(watcher);
    producer_close(&producer);
    process_stop(worker);
    process_stop(scheduler);
    ground_close(&ground);
    figure_print(&p50);
    figure_print(&p99);
    figure_print(&most);
    figure_print(&method);
}
