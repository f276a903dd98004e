/* rota-worker - takes jobs of many organizations and runs their handlers. */
#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/file.h"
#include "common/id.h"
#include "common/memory.h"
#include "common/program.h"
#include "common/session.h"
#include "common/settings.h"
#include "common/tree.h"
#include "common/units.h"
#include "worker/lane.h"
#include "worker/worker.h"

static const struct config_setting settings[] = {
    SETTINGS_COMMON,
    SETTINGS_SESSION("6s", "2s"),
    {.key = "worker.slots",
     .kind = CONFIG_INTEGER,
     .fallback = "4",
     .low = 1,
     .high = WORKER_SLOTS_MAX,
     .letter = 'c',
     .flag = "slots",
     .argument = "N",
     .help = "jobs that may run at once"},
    {.key = "worker.queues",
     .kind = CONFIG_LIST,
     .fallback = "default",
     .high = 80,
     .flag = "queue",
     .argument = "NAME[=WEIGHT]",
     .help = "a queue to take jobs from, with its weight in turns (1..10); may be repeated"},
    {.key = "worker.on",
     .kind = CONFIG_LIST,
     .high = 4096,
     .flag = "on",
     .argument = "TYPE=COMMAND",
     .help = "run jobs of a type (or *) with a shell command; payload on stdin, result on stdout; may be repeated"},
    {.key = "worker.drain",
     .kind = CONFIG_DURATION,
     .fallback = "25s",
     .low = 0,
     .high = 24 * 60 * 60 * 1000,
     .argument = "DURATION",
     .help = "how long a stop waits for running jobs"},
    {0},
};

static const char *const known_elsewhere[] = {"cli", "handlers", "scheduler", NULL};

static const char usage[] =
    "Usage: rota-worker [--redis URL] [--on TYPE=COMMAND]... [--slots N]\n\n"
    "Takes jobs of many organizations and runs their handlers. TERM or INT drains, a second one stops at once.";

#define TIMEOUT_MS_MAX (7LL * 24 * 3600 * 1000)

/* What main and the callbacks of its loop have in common. */
struct worker_program {
    struct program program;
    struct worker *worker;
    bool draining;
    char names[LANE_QUEUES_MAX][NAME_BYTES_MAX + 1];
    struct worker_queue queues[LANE_QUEUES_MAX];
    size_t queue_count;
};

/* ---- handlers ---- */

/* One entry of the file's `handlers`: a command as text for the shell or as a list, or a map with command, timeout and attempts.
 */
static int add_handler(struct handlers *handlers, const struct tree *node, struct error *err)
{
    static const char *const keys[] = {"command", "timeout", "attempts", NULL};
    const struct tree *command = tree_kind(node) == TREE_MAP ? tree_find(node, "command") : node;
    const char *argv[HANDLER_ARGUMENTS_MAX + 1] = {0};
    int64_t timeout_ms = 0, attempts = 0;
    size_t count = tree_count(command);

    if (tree_kind(node) == TREE_MAP) {
        const struct tree *timeout = tree_find(node, "timeout"), *limit = tree_find(node, "attempts");
        if (tree_check_keys(node, keys, "handler", err) < 0 ||
            (timeout && units_duration_ms(&timeout_ms, tree_text(timeout), "timeout", 1, TIMEOUT_MS_MAX, err) < 0) ||
            (limit && units_integer(&attempts, tree_text(limit), "attempts", 1, 1000, err) < 0))
            return err->code;
    }
    if (count > HANDLER_ARGUMENTS_MAX)
        return error_set(err, ERR_LIMIT, "command has %zu words, the limit is %d", count, HANDLER_ARGUMENTS_MAX);
    if (tree_kind(command) == TREE_LIST) {
        for (size_t i = 0; i < count; i++)
            argv[i] = tree_text(tree_at(command, i));
    } else {
        argv[0] = "/bin/sh";
        argv[1] = "-c";
        argv[2] = tree_text(command);
    }
    if (tree_kind(command) != TREE_LIST && (!argv[2] || !argv[2][0]))
        return error_set(err, ERR_INVALID, "there is no command");
    return handlers_add(handlers, tree_key(node), argv, timeout_ms, (int)attempts, err);
}

static int read_handlers(struct handlers *handlers, const struct config *config, struct error *err)
{
    const struct tree *section = config_section(config, "handlers");

    for (size_t i = 0; i < config_list_count(config, "worker.on"); i++)
        if (handlers_add_shell(handlers, config_list_at(config, "worker.on", i), err) < 0)
            return err->code;
    for (size_t i = 0; i < tree_count(section); i++)
        if (add_handler(handlers, tree_at(section, i), err) < 0)
            return error_wrap(err, "%s: handler of %s", tree_place(tree_at(section, i)), tree_key(tree_at(section, i)));
    return 0;
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

static void on_signal(void *ctx)
{
    struct worker_program *self = ctx;

    if (self->draining)
        worker_stop_now(self->worker);
    else
        worker_drain(self->worker);
    self->draining = true;
}

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
    program_begin(&self->program, on_signal, self);
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
    struct worker_program self = {0};
    struct handlers handlers = {0};
    struct error err;
    int status;
    struct config *config;

    file_open_standard();
    config = settings_begin(settings, known_elsewhere, "rota-worker", usage, argc, argv, &status);
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
