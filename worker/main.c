/* rota-worker - takes jobs of many organizations and runs their handlers. */
#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/file.h"
#include "common/handler_file.h"
#include "common/id.h"
#include "common/memory.h"
#include "common/program.h"
#include "common/session.h"
#include "common/settings.h"
#include "common/units.h"
#include "worker/lane.h"
#include "worker/worker.h"

static const char usage[] =
    "Usage: rota-worker [--redis URL] [--on TYPE=COMMAND]... [--slots N]\n\n"
    "Takes jobs of many organizations and runs their handlers. TERM or INT drains, a second one stops at once.\n"
    "TSTP: claim no more jobs; CONT: go on; TTIN: dump to the log; HUP: read the settings again; USR1: open the log file again.";

/* What main and the callbacks of its loop have in common. */
struct worker_program {
    struct program program;
    int argc; /* for reading the settings again */
    char **argv;
    struct worker *worker;
    bool draining;
    char names[LANE_QUEUES_MAX][NAME_BYTES_MAX + 1];
    struct worker_queue queues[LANE_QUEUES_MAX];
    size_t queue_count;
};

/* ---- handlers ---- */

static int read_handlers(struct handlers *handlers, const struct config *config, struct error *err)
{
    for (size_t i = 0; i < config_list_count(config, "worker.on"); i++)
        if (handlers_add_shell(handlers, config_list_at(config, "worker.on", i), err) < 0)
            return err->code;
    return handlers_read(handlers, config_section(config, "handlers"), err);
}

/* ---- queues ---- */

static int read_queues(struct worker_program *self, const struct config *config, struct error *err)
{
    size_t count = config_list_count(config, "worker.queues");

    if (count > LANE_QUEUES_MAX)
        return error_set(err, ERR_LIMIT, "%zu queues, the limit is %d", count, LANE_QUEUES_MAX);
    for (size_t i = 0; i < count; i++) {
        const char *text = config_list_at(config, "worker.queues", i), *equals = strchr(text, '=');
        char *name = memory_copy(text, equals ? (size_t)(equals - text) : strlen(text));
        int64_t weight;
        if (name_check(name, "queue", err) < 0 ||
            units_integer(&weight, equals ? equals + 1 : "1", "weight of a queue", 1, WORKER_QUEUE_WEIGHT_MAX, err) < 0) {
            free(name);
            return err->code;
        }
        snprintf(self->names[i], sizeof self->names[i], "%s", name);
        self->queues[i] = (struct worker_queue){.name = self->names[i], .weight = (unsigned)weight};
        free(name);
    }
    self->queue_count = count;
    return 0;
}

/* ---- signals ---- */

static void on_stop(void *ctx)
{
    struct worker_program *self = ctx;

    if (self->draining)
        worker_stop_now(self->worker, "a second signal");
    else
        worker_drain(self->worker, "a signal");
    self->draining = true;
}

static void on_quiet(void *ctx)
{
    struct worker_program *self = ctx;

    worker_quiet(self->worker, "signal TSTP");
}

static void on_resume(void *ctx)
{
    struct worker_program *self = ctx;

    worker_resume(self->worker, "signal CONT");
}

static void on_dump(void *ctx)
{
    struct worker_program *self = ctx;

    worker_dump(self->worker, "signal TTIN");
}

static void on_reload(void *ctx)
{
    struct worker_program *self = ctx;

    settings_reload_log(settings_worker, settings_worker_elsewhere, self->argc, self->argv);
}

static const struct program_hooks hooks = {
    .stop = on_stop, .quiet = on_quiet, .resume = on_resume, .dump = on_dump, .reload = on_reload};

static int run(struct worker_program *self, const struct config *config, const struct handlers *handlers, struct error *err)
{
    struct worker_options options = {
        .redis_url = config_string(config, "redis.url"),
        .password_file = settings_password_file(config),
        .slots = (unsigned)config_integer(config, "worker.slots"),
        .queues = self->queues,
        .queue_count = self->queue_count,
        .handlers = handlers,
        .timeout_ms = config_integer(config, "session.timeout"),
        .check_every_ms = config_integer(config, "redis.check-every"),
        .beat_ms = config_integer(config, "session.beat"),
        .drain_ms = config_integer(config, "worker.drain"),
        .on_stopped = program_stopped,
        .ctx = &self->program,
    };
    int rc = 0;

    if (session_check(options.timeout_ms, options.beat_ms, err) < 0 || settings_deployment(config, &options.deployment, err) < 0)
        return err->code;
    program_begin(&self->program, &hooks, self);
    options.notify = self->program.notify;
    self->worker = worker_new(self->program.loop, &options, err);
    if (self->worker)
        ev_run(self->program.loop, 0);
    else
        rc = err->code;
    worker_free(self->worker);
    program_end(&self->program);
    return rc;
}

int main(int argc, char **argv)
{
    struct worker_program self = {.argc = argc, .argv = argv};
    struct handlers handlers = {0};
    struct error err;
    int status;
    struct config *config;

    file_open_standard();
    config = settings_begin(settings_worker, settings_worker_elsewhere, "rota-worker", usage, argc, argv, &status);
    if (!config)
        return status;
    if (read_handlers(&handlers, config, &err) < 0 || read_queues(&self, config, &err) < 0 ||
        run(&self, config, &handlers, &err) < 0) {
        fprintf(stderr, "rota-worker: %s\n", err.message);
        self.program.status = EX_CONFIG;
    }
    handlers_clear(&handlers);
    config_free(config);
    return self.program.status;
}
