/* throughput.c - jobs per second through the functions, the server being the bottleneck; each run beside one of R. */
#include <stdbool.h>
#include <stdio.h>

#include "bench/cases.h"
#include "bench/consumer.h"
#include "bench/figure.h"
#include "bench/ground.h"
#include "bench/producer.h"
#include "bench/raw.h"
#include "common/clock.h"

#define ENQUEUE_JOBS        384000
#define ENQUEUE_SINGLE_JOBS 150000
#define LIFE_JOBS           256000
#define LIFE_WARM_UP_JOBS   25600
#define CONSUMERS           6
#define CLAIM               32
#define BACKLOG             (BENCH_ORGS * BATCH_MAX) /* jobs that wait while lives are measured */
#define CALLS_UNDER_WAY     16
#define SINGLES_UNDER_WAY   256
#define NOOP_RUN_US         20

/* A stopwatch of wall and processor time. */
struct watch {
    int64_t start_us;
    double start_cpu_s;
};

static struct watch watch_start(struct ground *ground)
{
    return (struct watch){.start_cpu_s = ground_cpu_s(ground), .start_us = clock_mono_us()};
}

/* Jobs per second of both. */
struct speed {
    double per_s, per_cpu_s;
};

static struct speed watch_stop(const struct watch *watch, struct ground *ground, unsigned jobs)
{
    double s = (double)(clock_mono_us() - watch->start_us) / 1e6;

    return (struct speed){.per_s = jobs / s, .per_cpu_s = jobs / (ground_cpu_s(ground) - watch->start_cpu_s)};
}

static void measure(struct figure *figure, unsigned runs, bool keep_nothing, struct speed (*run)(struct ground *ground))
{
    struct ground ground;

    ground_open(&ground);
    for (unsigned i = 0; i < runs; i++) {
        struct speed raw, speed;
        ground_reset(&ground);
        raw_measure(&ground, &raw.per_s, &raw.per_cpu_s);
        if (keep_nothing)
            ground_keep_nothing(&ground, BENCH_ORGS);
        speed = run(&ground);
        figure_add_ratio(figure, speed.per_s, speed.per_s / raw.per_s, speed.per_cpu_s / raw.per_cpu_s);
    }
    ground_close(&ground);
    figure_print(figure);
}

/* ---- enqueue ---- */

static struct speed fill(struct ground *ground, unsigned batch, unsigned under_way, unsigned jobs)
{
    struct producer producer;
    struct watch watch;
    struct speed speed;

    producer_open(&producer, ground->server, BENCH_ORGS, batch, under_way, BENCH_PAYLOAD_BYTES);
    watch = watch_start(ground);
    producer_fill(&producer, jobs);
    speed = watch_stop(&watch, ground, jobs);
    producer_close(&producer);
    return speed;
}

static struct speed run_enqueue(struct ground *ground)
{
    return fill(ground, BATCH_MAX, CALLS_UNDER_WAY, ENQUEUE_JOBS);
}

static struct speed run_enqueue_single(struct ground *ground)
{
    return fill(ground, 1, SINGLES_UNDER_WAY, ENQUEUE_SINGLE_JOBS);
}

void bench_enqueue(unsigned runs)
{
    struct figure figure = {
        .name = "enqueue", .unit = "jobs/s", .payload_bytes = BENCH_PAYLOAD_BYTES, .target = {TARGET_RATIO_MIN, 0.25}};

    measure(&figure, runs, false, run_enqueue);
}

void bench_enqueue_single(unsigned runs)
{
    struct figure figure = {.name = "enqueue-single", .unit = "jobs/s", .payload_bytes = BENCH_PAYLOAD_BYTES};

    measure(&figure, runs, false, run_enqueue_single);
}

/* ---- life ---- */

struct flow {
    struct producer producer;
    struct consumer consumers[CONSUMERS];
    unsigned waiting; /* jobs enqueued and not claimed */
};

static void flow_open(struct flow *flow, struct ground *ground)
{
    *flow = (struct flow){0};
    producer_open(&flow->producer, ground->server, BENCH_ORGS, BATCH_MAX, CALLS_UNDER_WAY, BENCH_PAYLOAD_BYTES);
    producer_fill(&flow->producer, BACKLOG);
    flow->waiting = BACKLOG;
    for (unsigned i = 0; i < CONSUMERS; i++) {
        consumer_open(&flow->consumers[i], ground->server, NOOP_RUN_US);
        consumer_send(&flow->consumers[i], CLAIM);
    }
}

static void flow_close(struct flow *flow)
{
    for (unsigned i = 0; i < CONSUMERS; i++)
        consumer_close(&flow->consumers[i]);
    producer_close(&flow->producer);
}

/* Lets `jobs` jobs live: what the consumers claim, the producer makes good, so that all parts of a life go on at the same time.
 */
static void flow_run(struct flow *flow, unsigned jobs)
{
    unsigned lived = 0;

    for (unsigned turn = 0; lived < jobs; turn++) {
        struct consumer *consumer = &flow->consumers[turn % CONSUMERS];
        unsigned claimed = consumer_read(consumer);
        consumer_send(consumer, CLAIM);
        lived += claimed;
        flow->waiting -= claimed;
        for (; flow->waiting < BACKLOG; flow->waiting += BATCH_MAX)
            producer_send(&flow->producer);
    }
}

static struct speed run_life(struct ground *ground)
{
    struct flow flow;
    struct watch watch;
    struct speed speed;

    flow_open(&flow, ground);
    flow_run(&flow, LIFE_WARM_UP_JOBS); /* until the durations of the organizations' jobs are known */
    watch = watch_start(ground);
    flow_run(&flow, LIFE_JOBS);
    speed = watch_stop(&watch, ground, LIFE_JOBS);
    flow_close(&flow);
    return speed;
}

void bench_life(unsigned runs)
{
    struct figure figure = {
        .name = "life", .unit = "jobs/s", .payload_bytes = BENCH_PAYLOAD_BYTES, .target = {TARGET_RATIO_MIN, 0.11}};

    measure(&figure, runs, true, run_life);
}

void bench_life_default(unsigned runs)
{
    struct figure figure = {.name = "life-default", .unit = "jobs/s", .payload_bytes = BENCH_PAYLOAD_BYTES};

    measure(&figure, runs, false, run_life);
}
