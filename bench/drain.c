/* drain.c - jobs per second of real workers: from the moment a full queue is resumed until its last job is done. */
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
#include "bench/raw.h"
#include "bench/spawn.h"
#include "common/clock.h"
#include "common/library.h"
#include "common/memory.h"
#include "tests/support/server.h"

#define NOOP_JOBS       128000
#define EXEC_JOBS       4096
#define EXEC_SLOTS      16
#define EXEC_SLOTS_TEXT "16"
#define WORKERS_MAX     2
#define CALLS_UNDER_WAY 16
#define POLL_NS         1000000

static void set_paused(struct ground *ground, const char *verb)
{
    freeReplyObject(ground_ask(ground, "FCALL %s_pause 2 rota:{0} rota:{0}:clock bench * %s", library_name(), verb));
}

static bool is_done(struct ground *ground, const redisReply *sessions)
{
    if (ground_number(ground, "ZCARD rota:{0}:active:default") > 0)
        return false;
    for (size_t i = 0; i < sessions->elements; i++)
        if (ground_number(ground, "HLEN rota:{0}:held:%s", sessions->element[i]->str) > 0)
            return false;
    return true;
}

/* Seconds that `workers` workers with these arguments need for `jobs` jobs. */
static double drain_s(struct ground *ground, unsigned workers, const char *const *arguments, unsigned jobs)
{
    pid_t pids[WORKERS_MAX];
    struct producer producer;
    redisReply *sessions;
    int64_t start_us;
    double s;

    ground_reset(ground);
    process_run(ground, "rota", (const char *const[]){"setup", NULL});
    set_paused(ground, "pause");
    for (unsigned i = 0; i < workers; i++)
        pids[i] = process_start(ground, "rota-worker", arguments);
    process_wait_sessions(ground, (int)workers);
    sessions = ground_ask(ground, "ZRANGE rota:{0}:sessions 0 -1");
    producer_open(&producer, ground->server, BENCH_ORGS, BATCH_MAX, CALLS_UNDER_WAY, BENCH_PAYLOAD_BYTES);
    producer_fill(&producer, jobs);
    producer_close(&producer);

    start_us = clock_mono_us();
    set_paused(ground, "resume");
    while (!is_done(ground, sessions))
        nanosleep(&(struct timespec){.tv_nsec = POLL_NS}, NULL);
    s = (double)(clock_mono_us() - start_us) / 1e6;

    freeReplyObject(sessions);
    for (unsigned i = 0; i < workers; i++)
        process_stop(pids[i]);
    return s;
}

static void measure_noop(struct ground *ground, struct figure *figure, unsigned workers)
{
    const char *const arguments[] = {"--slots", "64", "--on", "noop=@noop", NULL};
    double raw_per_s, raw_per_cpu_s, cpu_s, s;

    ground_reset(ground);
    raw_measure(ground, &raw_per_s, &raw_per_cpu_s);
    cpu_s = ground_cpu_s(ground);
    s = drain_s(ground, workers, arguments, NOOP_JOBS);
    cpu_s = ground_cpu_s(ground) - cpu_s;
    figure_add_ratio(figure, NOOP_JOBS / s, NOOP_JOBS / s / raw_per_s, NOOP_JOBS / cpu_s / raw_per_cpu_s);
}

void bench_drain(unsigned runs)
{
    struct figure one = {.name = "drain-1-worker", .unit = "jobs/s", .payload_bytes = BENCH_PAYLOAD_BYTES};
    struct figure two = {.name = "drain-2-workers", .unit = "jobs/s", .payload_bytes = BENCH_PAYLOAD_BYTES};
    struct ground ground;

    ground_open(&ground);
    for (unsigned i = 0; i < runs; i++) {
        measure_noop(&ground, &one, 1);
        measure_noop(&ground, &two, 2);
    }
    ground_close(&ground);
    figure_print(&one);
    figure_print(&two);
}

/* ---- commands ---- */

static char *write_configuration(struct ground *ground, const char *handler)
{
    char *path = memory_format("%s/rota.yaml", server_directory(ground->server));
    FILE *file = fopen(path, "we");

    if (!file)
        give_up("%s cannot be written", path);
    fprintf(file, "handlers:\n  noop: %s\n", handler);
    fclose(file);
    return path;
}

/* Beside a bare loop with as many commands at once, taken just before. */
void bench_exec(unsigned runs)
{
    struct figure figure = {.name = "exec",
                            .unit = "jobs/s",
                            .payload_bytes = BENCH_PAYLOAD_BYTES,
                            .raw = "spawn",
                            .target = {TARGET_RATIO_MIN, 0.6}};
    struct figure spawn = {.name = "spawn", .unit = "runs/s"};
    struct ground ground;
    char *configuration;

    ground_open(&ground);
    configuration = write_configuration(&ground, "[/bin/true]");
    for (unsigned i = 0; i < runs; i++) {
        const char *const arguments[] = {"--slots", EXEC_SLOTS_TEXT, "--config", configuration, NULL};
        double raw_per_s = spawn_per_s(EXEC_SLOTS, EXEC_JOBS), per_s = EXEC_JOBS / drain_s(&ground, 1, arguments, EXEC_JOBS);
        figure_add(&spawn, raw_per_s);
        figure_add_ratio(&figure, per_s, per_s / raw_per_s, 0);
    }
    free(configuration);
    ground_close(&ground);
    figure_print(&spawn);
    figure_print(&figure);
}

/* ---- a handler that lives on ---- */

/* The C example, with as many jobs at once as there are slots. */
void bench_pool(unsigned runs)
{
    struct figure figure = {
        .name = "pool", .unit = "jobs/s", .payload_bytes = BENCH_PAYLOAD_BYTES, .target = {TARGET_VALUE_MIN, 20000}};
    struct ground ground;
    char *path = process_path("example_words"), *handler = memory_format("{mode: pool, command: [%s]}", path), *configuration;

    ground_open(&ground);
    configuration = write_configuration(&ground, handler);
    for (unsigned i = 0; i < runs; i++) {
        const char *const arguments[] = {"--slots", EXEC_SLOTS_TEXT, "--config", configuration, NULL};
        double raw_per_s, raw_per_cpu_s, cpu_s, s;
        ground_reset(&ground);
        raw_measure(&ground, &raw_per_s, &raw_per_cpu_s);
        cpu_s = ground_cpu_s(&ground);
        s = drain_s(&ground, 1, arguments, NOOP_JOBS);
        cpu_s = ground_cpu_s(&ground) - cpu_s;
        figure_add_ratio(&figure, NOOP_JOBS / s, NOOP_JOBS / s / raw_per_s, NOOP_JOBS / cpu_s / raw_per_cpu_s);
    }
    free(path);
    free(handler);
    free(configuration);
    ground_close(&ground);
    figure_print(&figure);
}
