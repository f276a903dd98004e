/* every_org.c - a schedule of every organization: how long it takes until each of them has its next due time, what that takes in
 * Redis' memory, and what it costs from then on while nothing is due. A real rota-scheduler leads. */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

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

#define CALLS_UNDER_WAY 64
#define IDLE_S          10
#define POLL_NS         50000000

static void make_orgs(struct ground *ground, unsigned count)
{
    struct pipeline pipeline;
    struct call call = {0};
    char org[ORG_NAME_BYTES];

    pipeline_open(&pipeline, ground->server);
    for (unsigned i = 0; i < count; i++) {
        call_function(&call, "org_set", 0);
        call_add_string(&call, "bench");
        call_add_string(&call, org_name(org, i));
        call_add_string(&call, "weight");
        call_add_string(&call, "100");
        pipeline_send(&pipeline, &call);
        pipeline_settle(&pipeline, CALLS_UNDER_WAY - 1);
    }
    pipeline_settle(&pipeline, 0);
    pipeline_close(&pipeline);
    call_clear(&call);
}

/* One that is due once a day, twelve hours from now. */
static void make_template(struct ground *ground)
{
    struct job_record record = {.type = "noop", .payload = "", .has_payload = true};
    struct schedule schedule = {.name = "daily", .missed = MISSED_ONCE, .window_ms = SCHEDULE_WINDOW_MS_MAX};
    int64_t half_a_day = 12LL * 3600;
    struct pipeline pipeline;
    struct buffer bytes = {0};
    struct call call = {0};
    struct error err;

    if (job_record_encode(&bytes, &record, &err) < 0)
        give_up("%s", err.message);
    schedule.recurrence = memory_format("cron tz=UTC 0 %d * * *", (int)((time(NULL) + half_a_day) / 3600 % 24));
    schedule.record_bytes = bytes.length;
    schedule.record = buffer_give(&bytes);
    call_function(&call, "template_set", 0);
    call_add_string(&call, "bench");
    call_add_string(&call, schedule.name);
    call_add_string(&call, "");
    schedule_add_definition(&schedule, &call);
    pipeline_open(&pipeline, ground->server);
    pipeline_send(&pipeline, &call);
    pipeline_settle(&pipeline, 0);
    pipeline_close(&pipeline);
    call_clear(&call);
    schedule_clear(&schedule);
}

/* Until each has a next due time, which is not yet. */
static void wait_until_armed(struct ground *ground, unsigned count)
{
    while (ground_number(ground, "HEXISTS rota:{0}:template:daily cursor") == 1 ||
           ground_number(ground, "ZCOUNT rota:{0}:schedules %lld +inf", (long long)clock_wall_ms() + 1000) < count)
        nanosleep(&(struct timespec){.tv_nsec = POLL_NS}, NULL);
}

/* Processor seconds of a process. */
static double process_cpu_s(pid_t pid)
{
    char *path = memory_format("/proc/%d/stat", (int)pid);
    unsigned long user = 0, system = 0;
    FILE *file = fopen(path, "r");

    if (!file || fscanf(file, "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
        give_up("cannot read %s", path);
    fclose(file);
    free(path);
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

/* What scheduler and server do while nothing is due. */
static void measure_idle(struct ground *ground, pid_t scheduler, struct figure *core, struct figure *commands)
{
    double cpu_s = process_cpu_s(scheduler), sent = ground_info(ground, "stats", "total_commands_processed");
    int64_t began_mono_us = clock_mono_us();
    double elapsed_s;

    sleep(IDLE_S);
    elapsed_s = (double)(clock_mono_us() - began_mono_us) / 1e6;
    figure_add(core, 100 * (process_cpu_s(scheduler) - cpu_s) / elapsed_s);
    figure_add(commands, (ground_info(ground, "stats", "total_commands_processed") - sent) / elapsed_s);
}

static void measure(struct ground *ground, unsigned orgs, struct figure figures[6])
{
    double bytes;
    int64_t began_mono_us;
    pid_t scheduler;

    ground_reset(ground);
    make_orgs(ground, orgs);
    scheduler = process_start(ground, "rota-scheduler", (const char *const[]){"--durability", "memory", NULL});
    process_wait_sessions(ground, 1);
    measure_idle(ground, scheduler, &figures[0], &figures[1]);
    bytes = ground_info(ground, "memory", "used_memory");
    began_mono_us = clock_mono_us();
    make_template(ground);
    wait_until_armed(ground, orgs);
    figure_add(&figures[2], (double)(clock_mono_us() - began_mono_us) / 1e6);
    figure_add(&figures[3], (ground_info(ground, "memory", "used_memory") - bytes) / orgs);
    measure_idle(ground, scheduler, &figures[4], &figures[5]);
    process_stop(scheduler);
}

static void run(unsigned runs, unsigned orgs)
{
    struct figure figures[] = {
        {.name = "every-org-none-core", .unit = "% of a core"},
        {.name = "every-org-none-commands", .unit = "commands/s"},
        {.name = "every-org-armed", .unit = "s"},
        {.name = "every-org-memory", .unit = "bytes"},
        {.name = "every-org-idle-core", .unit = "% of a core", .target = {TARGET_VALUE_MAX, 1}},
        {.name = "every-org-idle-commands", .unit = "commands/s"},
    };
    struct ground ground;

    ground_open(&ground);
    for (unsigned i = 0; i < runs; i++)
        measure(&ground, orgs, figures);
    ground_close(&ground);
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++)
        figure_print(&figures[i]);
}

void bench_every_org(unsigned runs)
{
    run(runs, 100000);
}

void bench_every_org_million(unsigned runs)
{
    (void)runs;
    run(1, 1000000);
}
