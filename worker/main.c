/* rota-worker - takes jobs of many organizations and runs their handlers. */
#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/file.h"
#include "common/handler_file.h"
#include "common/log.h"
#include "common/program.h"
#include "common/secrets.h"
#include "common/session.h"
#include "common/settings.h"
#include "worker/cgroup.h"
#include "worker/keeper_process.h"
#include "worker/trial.h"
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
    const struct config *config; /* as it was at the start */
    struct worker *worker;
    bool draining;
    struct capsule_plans capsules;
    struct cgroup cgroup;
};

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

/* All of it is understood, or nothing is taken over. */
static int take_over(struct worker_program *self, const struct config *now, struct error *err)
{
    struct capsule_plans capsules;
    struct handlers fresh = {0};
    int rc = capsule_plans_read(&capsules, now, err);

    if (rc == 0)
        rc = handlers_read_config(&fresh, now, err);
    if (rc == 0)
        rc = cgroup_check(&self->cgroup, &fresh, err);
    if (rc == 0)
        rc = worker_set_handlers(self->worker, &fresh, err);
    handlers_clear(&fresh);
    if (rc == 0 && !capsule_plans_same(&capsules, &self->capsules))
        log_warn("the capsules have changed: that wants a restart", NULL);
    return rc;
}

static void on_reload(void *ctx)
{
    struct worker_program *self = ctx;
    struct config *now = settings_read_again(settings_worker, settings_worker_elsewhere, self->argc, self->argv);
    struct error err;

    if (now && take_over(self, now, &err) == 0)
        settings_take_over(settings_worker, self->config, now);
    else if (now)
        log_error("settings cannot be read again, the old ones stay", "err=%s", err.message);
    config_free(now);
}

static const struct program_hooks hooks = {
    .stop = on_stop, .quiet = on_quiet, .resume = on_resume, .dump = on_dump, .reload = on_reload};

static const char *scratch_base(const struct config *config)
{
    const char *set = config_string(config, "worker.scratch"), *usual = getenv("TMPDIR");

    return set && set[0] ? set : usual && usual[0] ? usual : "/tmp";
}

/* `type`: the only one that is to run, or NULL. Who tries out a handler without such limits needs no group, and may have none. */
static int open_cgroup(struct worker_program *self, const struct config *config, const struct handlers *handlers,
                       const char *type, struct error *err)
{
    const char *where = config_string(config, "worker.cgroup");
    const struct handler *handler = type ? handlers_find(handlers, type) : NULL;

    if (type && (!handler || !handler_wants_group(handler)))
        return 0;
    if (where[0] && cgroup_open(&self->cgroup, where, err) < 0)
        return error_wrap(err, "worker.cgroup (%s)", config_origin(config, "worker.cgroup"));
    return cgroup_check(&self->cgroup, handlers, err);
}

static int run(struct worker_program *self, const struct config *config, struct handlers *handlers, struct error *err)
{
    struct worker_options options = {
        .redis_url = config_string(config, "redis.url"),
        .password_file = settings_password_file(config),
        .capsules = &self->capsules,
        .handlers = handlers,
        .timeout_ms = config_integer(config, "session.timeout"),
        .check_every_ms = config_integer(config, "redis.check-every"),
        .beat_ms = config_integer(config, "session.beat"),
        .drain_ms = config_integer(config, "worker.drain"),
        .scratch = scratch_base(config),
        .cgroup = self->cgroup.path,
        .on_stopped = program_stopped,
        .ctx = &self->program,
    };
    int rc = 0;

    if (session_check(options.timeout_ms, options.beat_ms, err) < 0 || settings_deployment(config, &options.deployment, err) < 0)
        return err->code;
    self->config = config;
    if (self->cgroup.path)
        log_info("control groups for handlers", "path=%s memory=%s processes=%s", self->cgroup.path,
                 self->cgroup.has_memory ? "yes" : "no", self->cgroup.has_processes ? "yes" : "no");
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

/* `rota-worker --try TYPE`, which `rota handler test` runs: no Redis, one run, exit 0 if the job would be done, else 1. */
static int try_out(const char *type, const struct config *config, const struct handlers *handlers, const char *cgroup)
{
    struct error err;
    bool done;

    if (trial_run(handlers, type, scratch_base(config), cgroup, &done, &err) == 0)
        return done ? 0 : 1;
    fprintf(stderr, "rota-worker: %s\n", err.message);
    return err.code == ERR_LIMIT ? EX_DATAERR : EX_CONFIG;
}

int main(int argc, char **argv)
{
    const char *type = NULL;
    struct worker_program self = {.argc = argc};
    struct handlers handlers = {0};
    struct error err;
    int status, rc;
    struct config *config;

    if (keeper_is_asked(argv))
        return keeper_process();
    file_open_standard();
    self.argv = secrets_hide(argc, argv);
    if (argc > 2 && strcmp(self.argv[1], "--try") == 0) { /* no flag like others: it would have no meaning in the file */
        type = self.argv[2];
        self.argv += 2;
        self.argc -= 2;
    }
    config = settings_begin(settings_worker, settings_worker_elsewhere, "rota-worker", usage, self.argc, self.argv, &status);
    if (!config)
        return status;
    rc = handlers_read_config(&handlers, config, &err);
    if (rc == 0)
        rc = open_cgroup(&self, config, &handlers, type, &err);
    if (rc == 0 && type)
        self.program.status = try_out(type, config, &handlers, self.cgroup.path);
    else if (rc < 0 || capsule_plans_read(&self.capsules, config, &err) < 0 || run(&self, config, &handlers, &err) < 0) {
        fprintf(stderr, "rota-worker: %s\n", err.message);
        self.program.status = EX_CONFIG;
    }
    cgroup_close(&self.cgroup);
    handlers_clear(&handlers);
    config_free(config);
    return self.program.status;
}
