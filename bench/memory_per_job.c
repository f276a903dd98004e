/* memory_per_job.c - what a queued job costs in the server's memory. */
#include <stdio.h>

#include "bench/cases.h"
#include "bench/figure.h"
#include "bench/ground.h"
#include "bench/producer.h"

#define SMALL_ORGS      25
#define LARGE_ORGS      4 /* where payloads are so large that nothing else counts */
#define LARGE_BYTES     10000
#define CALLS_UNDER_WAY 4

/* Jobs of each organization. A hash table of Redis has as many slots as the next power of two, so that its fill decides what an
 * entry costs: each run has another fill of 4096 slots. */
static const unsigned fills[] = {17 * BATCH_MAX, 20 * BATCH_MAX, 23 * BATCH_MAX, 26 * BATCH_MAX, 29 * BATCH_MAX};

/* Bytes of data, without the buffers of connections. */
static double data_bytes(struct ground *ground)
{
    return ground_info(ground, "memory", "used_memory") - ground_info(ground, "memory", "mem_clients_normal");
}

static double bytes_per_job(struct ground *ground, size_t payload_bytes, unsigned jobs_per_org)
{
    unsigned orgs = payload_bytes < LARGE_BYTES ? SMALL_ORGS : LARGE_ORGS;
    struct producer producer;
    double before;

    ground_reset(ground);
    before = data_bytes(ground);
    producer_open(&producer, ground->server, orgs, BATCH_MAX, CALLS_UNDER_WAY, payload_bytes);
    if (payload_bytes > RECORDS_BYTES_MAX / BATCH_MAX)
        producer.batch = (unsigned)(RECORDS_BYTES_MAX / 2 / payload_bytes);
    producer_fill(&producer, orgs * jobs_per_org);
    producer_close(&producer);
    return (data_bytes(ground) - before) / (orgs * jobs_per_org);
}

static void measure(struct ground *ground, const char *name, size_t payload_bytes, struct target target)
{
    struct figure figure = {.name = name, .unit = "bytes", .payload_bytes = payload_bytes, .target = target};

    for (size_t i = 0; i < sizeof fills / sizeof fills[0]; i++)
        figure_add(&figure, bytes_per_job(ground, payload_bytes, fills[i]));
    figure_print(&figure);
}

void bench_memory(unsigned runs)
{
    struct ground ground;

    (void)runs;
    ground_open(&ground);
    measure(&ground, "memory-64B", 64, (struct target){0});
    measure(&ground, "memory-100B", 100, (struct target){TARGET_VALUE_MAX, 330});
    measure(&ground, "memory-1KB", 1024, (struct target){0});
    measure(&ground, "memory-16KB", 16384, (struct target){0});
    ground_close(&ground);
}
