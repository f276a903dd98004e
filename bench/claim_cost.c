/* claim_cost.c - server time of single claims, where much is waiting.
 *
 * Server time is what Redis itself books for the call: the difference of usec of cmdstat_fcall in INFO commandstats before and
 * after it, which is exact to one microsecond and holds neither the network nor the reading of the arguments. */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/cases.h"
#include "bench/consumer.h"
#include "bench/figure.h"
#include "bench/ground.h"
#include "bench/producer.h"

#define CALLS           1000
#define MANY_ORGS       50000
#define MANY_JOBS_EACH  4
#define MANY_CLAIM      16
#define DEEP_JOBS       1000000
#define SHALLOW_JOBS    10
#define DEPTH_CLAIM     8
#define DEPTH_WARM_UP   20
#define LONG_RUN_US     5000 /* the estimate for a new organization: one job a visit */
#define SHORT_RUN_US    20   /* all jobs of a claim in one visit */
#define CALLS_UNDER_WAY 16

/* Microseconds that the server has spent in calls of functions. */
static double function_us(struct ground *ground)
{
    redisReply *reply = ground_ask(ground, "INFO commandstats");
    const char *at = strstr(reply->str, "cmdstat_fcall:");
    double us = 0;

    if (at)
        us = strtod(strstr(at, "usec=") + strlen("usec="), NULL);
    freeReplyObject(reply);
    return us;
}

/* One call; its server time, and the jobs it claimed. */
static double timed_call(struct ground *ground, struct consumer *consumer, unsigned want, unsigned *ret_jobs)
{
    double before = function_us(ground);

    consumer_send(consumer, want);
    *ret_jobs = consumer_read(consumer);
    return function_us(ground) - before;
}

/* p50, p99 and the highest of some durations, one value for each run. */
struct durations {
    struct figure p50, p99, most;
};

static void durations_add(struct durations *durations, double *us, unsigned count)
{
    figure_add(&durations->p50, quantile(us, count, 0.5));
    figure_add(&durations->p99, quantile(us, count, 0.99));
    figure_add(&durations->most, us[count - 1]);
}

static void durations_print(const struct durations *durations)
{
    figure_print(&durations->p50);
    figure_print(&durations->p99);
    figure_print(&durations->most);
}

#define DURATIONS(of, p99_target)                                                                                       \
    {                                                                                                                   \
        .p50 = {.name = of "-p50", .unit = "us", .payload_bytes = BENCH_PAYLOAD_BYTES},                                 \
        .p99 = {.name = of "-p99", .unit = "us", .payload_bytes = BENCH_PAYLOAD_BYTES, .target = p99_target}, .most = { \
            .name = of "-max",                                                                                          \
            .unit = "us",                                                                                               \
            .payload_bytes = BENCH_PAYLOAD_BYTES                                                                        \
        }                                                                                                               \
    }

/* ---- many organizations ---- */

static void fill(struct ground *ground, unsigned orgs, unsigned batch, unsigned jobs)
{
    struct producer producer;

    producer_open(&producer, ground->server, orgs, batch, CALLS_UNDER_WAY, BENCH_PAYLOAD_BYTES);
    producer_fill(&producer, jobs);
    producer_close(&producer);
}

static void claim_of_many(struct ground *ground, double *claim_us, double *finish_us)
{
    struct consumer consumer;
    unsigned jobs;

    consumer_open(&consumer, ground->server, LONG_RUN_US);
    for (unsigned i = 0; i < CALLS; i++) {
        claim_us[i] = timed_call(ground, &consumer, MANY_CLAIM, &jobs);
        if (jobs != MANY_CLAIM)
            give_up("a claim gave %u jobs of %u", jobs, MANY_CLAIM);
        finish_us[i] = timed_call(ground, &consumer, 0, &jobs);
    }
    consumer_close(&consumer);
}

void bench_claim_50k(unsigned runs)
{
    static const struct target target = {TARGET_VALUE_MAX, 300};
    struct durations claim = DURATIONS("claim-50k", target), finish = DURATIONS("claim-50k-finish", {0});
    double claim_us[CALLS], finish_us[CALLS];
    struct ground ground;

    ground_open(&ground);
    for (unsigned i = 0; i < runs; i++) {
        ground_reset(&ground);
        fill(&ground, MANY_ORGS, MANY_JOBS_EACH, MANY_ORGS * MANY_JOBS_EACH);
        claim_of_many(&ground, claim_us, finish_us);
        durations_add(&claim, claim_us, CALLS);
        durations_add(&finish, finish_us, CALLS);
    }
    ground_close(&ground);
    durations_print(&claim);
    durations_print(&finish);
}

/* ---- many jobs ---- */

static void claim_at_depth(struct ground *ground, unsigned jobs_waiting, double *us)
{
    struct consumer consumer;
    unsigned jobs, none;

    ground_reset(ground);
    ground_keep_nothing(ground, 1);
    fill(ground, 1, jobs_waiting < BATCH_MAX ? jobs_waiting : BATCH_MAX, jobs_waiting);
    consumer_open(&consumer, ground->server, SHORT_RUN_US);
    for (int i = -DEPTH_WARM_UP; i < CALLS; i++) {
        double spent_us = timed_call(ground, &consumer, DEPTH_CLAIM, &jobs);
        if (jobs != DEPTH_CLAIM)
            give_up("a claim gave %u jobs of %u", jobs, DEPTH_CLAIM);
        if (i >= 0)
            us[i] = spent_us;
        timed_call(ground, &consumer, 0, &none);
        fill(ground, 1, jobs, jobs);
    }
    consumer_close(&consumer);
}

void bench_claim_depth(unsigned runs)
{
    struct durations shallow = DURATIONS("claim-depth-10", {0}), deep = DURATIONS("claim-depth-1M", {0});
    struct ground ground;
    double us[CALLS];

    ground_open(&ground);
    for (unsigned i = 0; i < runs; i++) {
        claim_at_depth(&ground, SHALLOW_JOBS, us);
        durations_add(&shallow, us, CALLS);
        claim_at_depth(&ground, DEEP_JOBS, us);
        durations_add(&deep, us, CALLS);
    }
    ground_close(&ground);
    durations_print(&shallow);
    durations_print(&deep);
}
