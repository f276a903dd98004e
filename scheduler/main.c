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
    "Moves delayed jobs and the inbox, recovers the jobs of dead workers, keeps retention. Start two or three: one leads.\n"
    "TERM or INT stops it. TTIN: dump to the log; HUP: read the settings again; USR1: open the log file again.";

/* What main and the callbacks of its loop have in common. */
struct scheduler_program {
    struct program program;
    int argc; /* for reading the settings again */
    char **argv;
    struct scheduler *scheduler;
};

static void on_stop(void *ctx)
{
    struct scheduler_program *self = ctx;

    scheduler_stop(self->scheduler);
}

static void on_dump(void *ctx)
{
    struct scheduler_program *self = ctx;

    scheduler_dump(self->scheduler);
}

static void on_reload(void *ctx)
{
    struct scheduler_program *self = ctx;

    settings_reload_log(settings, known_elsewhere, self->argc, self->argv);
}

static const struct program_hooks hooks = {.stop = on_stop, .dump = on_dump, .reload = on_reload};

static int run(struct scheduler_program *self, const struct config *config, struct error *err)
{
    struct scheduler_options options = {
        .redis_url = config_string(config, "redis.url"),
        .password_file = settings_password_file(config),
        .timeout_ms = config_integer(config, "scheduler.session.timeout"),
        .check_every_ms = config_integer(config, "redis.check-every"),
        .beat_ms = config_integer(config, "scheduler.session.beat"),
        .on_stopped = program_stopped,
        .ctx = &self->program,
    };
    int rc = 0;

    if (session_check(options.timeout_ms, options.beat_ms, err) < 0 || settings_deployment(config, &options.deployment, err) < 0)
        return err->code;
    options.deployment.lanes = (uint32_t)config_integer(config, "scheduler.lanes");
    program_begin(&self->program, &hooks, self);
    options.notify = self->program.notify;
    self->scheduler = scheduler_new(self->program.loop, &options, err);
    if (self->scheduler)
        ev_run(self->program.loop, 0);
    else
        rc = err->code;
    scheduler_free(self->scheduler);
    program_end(&self->program);
    return rc;
}

int main(int argc, char **argv)
{
    struct scheduler_program self = {.argc = argc, .argv = argv};
    struct error err;
    int status;
    struct config *config;

    file_open_standard();
    config = settings_begin(settings, known_elsewhere, "rota-scheduler", usage, argc, argv, &status);
    if (!config)
        return status;
    if (run(&self, config, &err) < 0) {
        fprintf(stderr, "rota-scheduler: %s\n", err.message);
        self.program.status = EX_CONFIG;
    }
    config_free(config);
    return self.program.status;
}
