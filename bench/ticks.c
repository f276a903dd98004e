/* ticks.c - how late the jobs of schedules are, by the server's clock: many that are due in the same millisecond, and many that
 * are spread over a minute. A real rota-scheduler leads; nobody runs the jobs. */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "bench/cases.h"
#include "bench/figure.h"
#include "bench/ground.h"
#include "bench/pipeline.h"
#include "bench/process.h"
#include "common/buffer.h"
#include "common/call.h"
#include "common/clock.h"
#include "common/job.h"
#include "common/memory.h"
#include "common/schedule.h"
#include "common/units.h"
#include "tests/support/server.h"

#define AT_ONCE         10000
#define SPREAD_ORGS     100000
#define SPREAD_MS       60000
#define SET_UP_MS       5000 /* time for defining them */
#define CALLS_UNDER_WAY 64
#define MINUTE_MS       60000
#define POLL_NS         20000000

/* Sends a call for each of `count` organizations. */
static void send_each(struct ground *ground, unsigned count, void (*make)(struct call *call, const char *org, const void *ctx),
                      const void *ctx)
{
    struct pipeline pipeline;
    struct call call = {0};
    char org[ORG_NAME_BYTES];

    pipeline_open(&pipeline, ground->server);
    for (unsigned i = 0; i < count; i++) {
        make(&call, org_name(org, i), ctx);
        pipeline_send(&pipeline, &call);
        pipeline_settle(&pipeline, CALLS_UNDER_WAY - 1);
    }
    pipeline_settle(&pipeline, 0);
    pipeline_close(&pipeline);
    call_clear(&call);
}

static void make_schedule(struct call *call, const char *org, const void *ctx)
{
    const struct schedule *schedule = ctx;
    int64_t offset_ms = schedule_offset_ms(org, schedule->name, schedule->spread_ms);

    call_function(call, "schedule_set", 0);
    call_add_string(call, "bench");
    call_add_string(call, org);
    call_add_string(call, schedule->name);
    call_add_string(call, "");
    call_add_int(call, schedule->next_ms);
    call_add_int(call, offset_ms);
    schedule_add_definition(schedule, call);
}

/* One schedule "tick" for each of `orgs` organizations. */
static void make_schedules(struct ground *ground, unsigned orgs, const char *recurrence, int64_t next_ms, int64_t spread_ms)
{
    struct job_record record = {.type = "noop", .payload = "", .has_payload = true};
    struct schedule schedule = {.name = "tick", .window_ms = SCHEDULE_WINDOW_MS_MAX, .next_ms = next_ms, .spread_ms = spread_ms};
    struct buffer bytes = {0};
    struct error err;

    if (job_record_encode(&bytes, &record, &err) < 0)
        give_up("%s", err.message);
    schedule.missed = MISSED_ONCE;
    schedule.recurrence = memory_string(recurrence);
    schedule.record_bytes = bytes.length;
    schedule.record = buffer_give(&bytes);
    send_each(ground, orgs, make_schedule, &schedule);
    schedule_clear(&schedule);
}

static int64_t now_ms(struct ground *ground)
{
    redisReply *reply = ground_ask(ground, "TIME");
    int64_t ms = strtoll(reply->element[0]->str, NULL, 10) * 1000 + strtoll(reply->element[1]->str, NULL, 10) / 1000;

    freeReplyObject(reply);
    return ms;
}

/* When all ticks up to then are over. */
static void wait_until(struct ground *ground, int64_t until_ms)
{
    while (now_ms(ground) < until_ms || ground_number(ground, "ZCOUNT rota:{0}:schedules -inf %lld", (long long)until_ms) > 0)
        nanosleep(&(struct timespec){.tv_nsec = POLL_NS}, NULL);
}

/* How late the last job of each was, ms. Gives. */
static double *read_lateness(struct ground *ground, unsigned orgs)
{
    double *late_ms = memory_new(sizeof *late_ms * orgs);
    char org[ORG_NAME_BYTES];

    for (unsigned i = 0; i < orgs; i++)
        late_ms[i] = (double)ground_number(ground, "HGET rota:{0}:org:%s:schedule:tick late_ms", org_name(org, i));
    return late_ms;
}

static pid_t begin(struct ground *ground)
{
    pid_t scheduler;

    ground_reset(ground);
    scheduler = process_start(ground, "rota-scheduler", (const char *const[]){"--durability", "memory", NULL});
    process_wait_sessions(ground, 1);
    return scheduler;
}

static void measure_at_once(struct ground *ground, struct figure *last)
{
    pid_t scheduler = begin(ground);
    int64_t due_ms = now_ms(ground) + SET_UP_MS;
    char time[32], *recurrence = memory_format("at tz=UTC %s", units_format_time(time, due_ms));
    double *late_ms;

    make_schedules(ground, AT_ONCE, recurrence, due_ms, 0);
    if (now_ms(ground) >= due_ms)
        give_up("it took too long to define %d schedules", AT_ONCE);
    wait_until(ground, due_ms);
    late_ms = read_lateness(ground, AT_ONCE);
    figure_add(last, quantile(late_ms, AT_ONCE, 1));
    free(late_ms);
    free(recurrence);
    process_stop(scheduler);
}

void bench_ticks(unsigned runs)
{
    struct figure last = {.name = "ticks-at-once-last", .unit = "ms", .target = {TARGET_VALUE_MAX, 1000}};
    struct ground ground;

    ground_open(&ground);
    for (unsigned i = 0; i < runs; i++)
        measure_at_once(&ground, &last);
    ground_close(&ground);
    figure_print(&last);
}

/* One set-up; each run is a minute. */
void bench_ticks_spread(unsigned runs)
{
    struct figure p50 = {.name = "ticks-spread-p50", .unit = "ms"};
    struct figure p99 = {.name = "ticks-spread-p99", .unit = "ms", .target = {TARGET_VALUE_MAX, 50}};
    struct figure core = {.name = "ticks-spread-core", .unit = "% of a core", .target = {TARGET_VALUE_MAX, 25}};
    struct ground ground;
    int64_t from_ms;
    pid_t scheduler;

    ground_open(&ground);
    scheduler = begin(&ground);
    from_ms = (now_ms(&ground) / MINUTE_MS + 2) * MINUTE_MS;
    make_schedules(&ground, SPREAD_ORGS, "every start=1970-01-01T00:00:00.000Z 60s", from_ms, SPREAD_MS);
    wait_until(&ground, from_ms);
    for (unsigned i = 0; i < runs; i++) {
        double cpu_s = ground_cpu_s(&ground), *late_ms;
        int64_t began_mono_us = clock_mono_us();
        wait_until(&ground, from_ms + (i + 1) * (int64_t)SPREAD_MS - 1000);
        figure_add(&core, 100 * (ground_cpu_s(&ground) - cpu_s) / ((double)(clock_mono_us() - began_mono_us) / 1e6));
        late_ms = read_lateness(&ground, SPREAD_ORGS);
        figure_add(&p99, quantile(late_ms, SPREAD_ORGS, 0.99));
        figure_add(&p50, quantile(late_ms, SPREAD_ORGS, 0.5));
        free(late_ms);
    }
    process_stop(scheduler);
    ground_close(&ground);
    figure_print(&p50);
    figure_print(&p99);
    figure_print(&core);
}
