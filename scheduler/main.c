/* rota-scheduler - delayed jobs, recovery, the inbox, retention, audit. Any number may run; one leads. */
#include <ev.h>
#include <stdio.h>
#include <sysexits.h>

#include "common/file.h"
#include "common/program.h"
#include "common/session.h"
#include "common/settings.h"
#include "scheduler/scheduler.h"

static const struct config_setting settings[] = {
    SETTINGS_COMMON,
    {.key = "scheduler.session.timeout",
     .kind = CONFIG_DURATION,
     .fallback = "4s",
     .low = SESSION_MS_MIN,
     .high = SESSION_MS_MAX,
     .flag = "session-timeout",
     .argument = "DURATION",
     .help = "without a beat for so long another scheduler takes over"},
    {.key = "scheduler.session.beat",
     .kind = CONFIG_DURATION,
     .fallback = "1s",
     .low = 1,
     .high = SESSION_MS_MAX / SESSION_BEATS_MIN,
     .flag = "session-beat",
     .argument = "DURATION",
     .help = "between two beats; a third of the time-out at most"},
    {.key = "scheduler.lanes",
     .kind = CONFIG_INTEGER,
     .fallback = "0",
     .low = 0,
     .high = DEPLOYMENT_LANES_MAX,
     .flag = "lanes",
     .argument = "N",
     .help = "lanes of the deployment; 0: as many as it has, 1 if it is set up for the first time"},
    {0},
};

static const char *const known_elsewhere[] = {"cli", "handlers", "worker", "session", NULL};

static const char usage[] =
    "Usage: rota-scheduler [--redis URL]\n\n"
    "Moves delayed jobs and the inbox, recovers the jobs of dead workers, keeps retention. Start two or three: one leads.";

static void on_signal(void *ctx)
{
    struct scheduler **scheduler = ctx;

    scheduler_stop(*scheduler);
}

static int run(struct program *program, const struct config *config, struct error *err)
{
    struct scheduler_options options = {
        .redis_url = config_string(config, "redis.url"),
        .password_file = settings_password_file(config),
        .timeout_ms = config_integer(config, "scheduler.session.timeout"),
        .check_every_ms = config_integer(config, "redis.check-every"),
        .beat_ms = config_integer(config, "scheduler.session.beat"),
        .on_stopped = program_stopped,
        .ctx = program,
    };
    struct scheduler *scheduler;
    int rc = 0;

    if (session_check(options.timeout_ms, options.beat_ms, err) < 0 || settings_deployment(config, &options.deployment, err) < 0)
        return err->code;
    options.deployment.lanes = (uint32_t)config_integer(config, "scheduler.lanes");
    program_begin(program, on_signal, &scheduler);
    scheduler = scheduler_new(program->loop, &options, err);
    if (scheduler)
        ev_run(program->loop, 0);
    else
        rc = err->code;
    scheduler_free(scheduler);
    program_end(program);
    return rc;
}

int main(int argc, char **argv)
{
    struct program program = {0};
    struct error err;
    int status;
    struct config *config;

    file_open_standard();
    config = settings_begin(settings, known_elsewhere, "rota-scheduler", usage, argc, argv, &status);
    if (!config)
        return status;
    if (run(&program, config, &err) < 0) {
        fprintf(stderr, "rota-scheduler: %s\n", err.message);
        program.status = EX_CONFIG;
    }
    config_free(config);
    return program.status;
}
