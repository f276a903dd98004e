/* rota-scheduler - schedules, delayed jobs, recovery, the inbox, retention, audit. Any number may run; one leads. */
#include <ev.h>
#include <stdio.h>
#include <sysexits.h>

#include "common/file.h"
#include "common/program.h"
#include "common/secrets.h"
#include "common/session.h"
#include "common/settings.h"
#include "scheduler/scheduler.h"

static const char usage[] =
    "Usage: rota-scheduler [--redis URL] [--schedules FILE]\n\n"
    "Moves delayed jobs and the inbox, recovers the jobs of dead workers, keeps retention. Start two or three: one leads.\n"
    "TERM or INT stops it. TTIN: dump to the log; HUP: read the settings and the file of schedules again; USR1: open the log "
    "file again.";

/* What main and the callbacks of its loop have in common. */
struct scheduler_program {
    struct program program;
    int argc; /* for reading the settings again */
    char **argv;
    const struct config *config; /* as it was at the start */
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

    struct config *now = settings_read_again(settings_scheduler, settings_scheduler_elsewhere, self->argc, self->argv);

    if (now)
        settings_take_over(settings_scheduler, self->config, now);
    config_free(now);
    scheduler_reload(self->scheduler);
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
        .schedules = config_string(config, "scheduler.schedules"),
        .reconcile_every_ms = config_integer(config, "scheduler.reconcile-every"),
        .on_stopped = program_stopped,
        .ctx = &self->program,
    };
    int rc = 0;

    if (session_check(options.timeout_ms, options.beat_ms, err) < 0 || settings_deployment(config, &options.deployment, err) < 0)
        return err->code;
    options.deployment.lanes = (uint32_t)config_integer(config, "scheduler.lanes");
    self->config = config;
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
    struct scheduler_program self = {.argc = argc, .argv = secrets_hide(argc, argv)};
    struct error err;
    int status;
    struct config *config;

    file_open_standard();
    config = settings_begin(settings_scheduler, settings_scheduler_elsewhere, "rota-scheduler", usage, argc, self.argv, &status);
    if (!config)
        return status;
    if (run(&self, config, &err) < 0) {
        fprintf(stderr, "rota-scheduler: %s\n", err.message);
        self.program.status = EX_CONFIG;
    }
    config_free(config);
    return self.program.status;
}
