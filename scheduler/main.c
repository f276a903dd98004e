/* rota-scheduler - delayed jobs, recovery, the inbox, retention, audit. Any number may run; one leads. */
#include <ev.h>
#include <signal.h>
#include <stdio.h>
#include <sysexits.h>

#include "common/file.h"
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

struct program {
    struct ev_loop *loop;
    struct scheduler *scheduler;
    ev_signal term, interrupt;
    int status;
};

static void on_stopped(const struct error *err, void *ctx)
{
    struct program *program = ctx;

    if (err) {
        log_error("stopped", "err=%s", err->message);
        program->status = EX_CONFIG;
    } else {
        log_info("stopped", NULL);
    }
    ev_break(program->loop, EVBREAK_ALL);
}

static void on_signal(struct ev_loop *loop, ev_signal *watcher, int events)
{
    struct program *program = watcher->data;

    (void)loop, (void)events;
    scheduler_stop(program->scheduler);
}

static int run(struct program *program, const struct config *config, struct error *err)
{
    struct scheduler_options options = {
        .redis_url = config_string(config, "redis.url"),
        .password_file = settings_password_file(config),
        .timeout_ms = config_integer(config, "scheduler.session.timeout"),
        .beat_ms = config_integer(config, "scheduler.session.beat"),
        .on_stopped = on_stopped,
        .ctx = program,
    };

    if (session_check(options.timeout_ms, options.beat_ms, err) < 0 || settings_deployment(config, &options.deployment, err) < 0)
        return err->code;
    options.deployment.lanes = (uint32_t)config_integer(config, "scheduler.lanes");
    signal(SIGPIPE, SIG_IGN);
    program->loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
    ev_signal_init(&program->term, on_signal, SIGTERM);
    ev_signal_init(&program->interrupt, on_signal, SIGINT);
    program->term.data = program->interrupt.data = program;
    ev_signal_start(program->loop, &program->term);
    ev_signal_start(program->loop, &program->interrupt);
    program->scheduler = scheduler_new(program->loop, &options, err);
    if (program->scheduler)
        ev_run(program->loop, 0);
    scheduler_free(program->scheduler);
    ev_loop_destroy(program->loop);
    return program->scheduler ? 0 : err->code;
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
