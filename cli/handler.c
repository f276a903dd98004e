/* `rota handler`: what the operator has said about commands, checked and tried out. Never asks Redis. */
#include <errno.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/process.h"
#include "common/handler_file.h"
#include "common/handler_keys.h"
#include "common/memory.h"

/* ---- check ---- */

/* Appends what is wrong, after what was found before. */
static void add_problem(struct buffer *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void add_problem(struct buffer *out, const char *fmt, ...)
{
    char text[512];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    buffer_add_format(out, "%s%s", out->length ? "; " : "", text);
}

/* The shell finds its words by itself; what no shell sees is a path. */
static void check_program(struct buffer *out, const struct handler *handler)
{
    const char *program = handler->argv[0];
    struct stat status;

    if (!strchr(program, '/'))
        add_problem(out, "command %.200s has no slash: it is not searched for", program);
    else if (stat(program, &status) < 0)
        add_problem(out, "command %.200s: %s", program, strerror(errno));
    else if (!S_ISREG(status.st_mode))
        add_problem(out, "command %.200s is no file", program);
    else if (access(program, X_OK) < 0)
        add_problem(out, "command %.200s may not be run: %s", program, strerror(errno));
}

static void check_user(struct buffer *out, const char *user)
{
    bool is_number = user[strspn(user, "0123456789")] == '\0';

    if (!is_number && !getpwnam(user))
        add_problem(out, "there is no user %.64s", user);
    if (geteuid() != 0)
        add_problem(out, "user %.64s: only root may run commands as others", user);
}

static void check_folder(struct buffer *out, const char *path)
{
    struct stat status;

    if (stat(path, &status) < 0)
        add_problem(out, "cwd %.200s: %s", path, strerror(errno));
    else if (!S_ISDIR(status.st_mode))
        add_problem(out, "cwd %.200s is no folder", path);
}

/* A limit above our own hard one cannot be set without being root. */
static void check_limit(struct buffer *out, const char *name, int resource, int64_t value)
{
    struct rlimit limit;

    if (value > 0 && geteuid() != 0 && getrlimit((__rlimit_resource_t)resource, &limit) == 0 && limit.rlim_max != RLIM_INFINITY &&
        (rlim_t)value > limit.rlim_max)
        add_problem(out, "rlimits.%s of %lld is above the hard limit of %lld", name, (long long)value, (long long)limit.rlim_max);
}

/* `auto` is that of the worker, not ours. */
static void check_group(struct buffer *out, const char *where)
{
    char *processes = memory_format("%s/cgroup.procs", where);

    if (strcmp(where, "auto") != 0 && access(processes, W_OK) < 0)
        add_problem(out, "worker.cgroup %.200s: %s", where, errno == ENOENT ? "is no control group" : strerror(errno));
    free(processes);
}

static void check_handler(struct buffer *out, const struct handler *handler, const char *cgroup)
{
    if (handler->argv)
        check_program(out, handler);
    if (handler->user)
        check_user(out, handler->user);
    if (handler->cwd)
        check_folder(out, handler->cwd);
    if (handler->nice < 0 && geteuid() != 0)
        add_problem(out, "nice %lld: only root may go before others", (long long)handler->nice);
    if (handler_wants_group(handler))
        check_group(out, cgroup);
    check_limit(out, "nofile", RLIMIT_NOFILE, handler->rlimits.nofile);
    check_limit(out, "nproc", RLIMIT_NPROC, handler->rlimits.nproc);
    check_limit(out, "as", RLIMIT_AS, handler->rlimits.as_bytes);
    check_limit(out, "fsize", RLIMIT_FSIZE, handler->rlimits.fsize_bytes);
}

/* The settings of a worker, as its file, variables and `--on` say. Gives. */
static struct config *worker_config(const struct cli *cli, struct error *err)
{
    char **argv = memory_new(sizeof *argv * (config_list_count(cli->config, "cli.handler.on") * 2 + 4));
    const char *file = config_file(cli->config);
    struct config *config;
    int argc = 0;

    argv[argc++] = (char *)(uintptr_t)"rota";
    if (file) {
        argv[argc++] = (char *)(uintptr_t)"--config";
        argv[argc++] = (char *)(uintptr_t)file;
    }
    for (size_t i = 0; i < config_list_count(cli->config, "cli.handler.on"); i++) {
        argv[argc++] = (char *)(uintptr_t)"--on";
        argv[argc++] = (char *)(uintptr_t)config_list_at(cli->config, "cli.handler.on", i);
    }
    config = config_new(settings_worker, settings_worker_elsewhere, argc, argv, err);
    free(argv);
    return config;
}

static void list_handlers(struct cli *cli, const struct handlers *handlers, const char *cgroup, size_t *ret_bad)
{
    static const struct column columns[] = {{"HANDLER", "type", COLUMN_TEXT},
                                            {"MODE", "mode", COLUMN_TEXT},
                                            {"COMMAND", "command", COLUMN_CUT},
                                            {"PROBLEM", "problem", COLUMN_BYTES},
                                            {0}};
    struct list *list = list_new(&cli->output, columns);

    for (size_t i = 0; i < handlers->count; i++) {
        const struct handler *handler = handlers->items[i];
        struct buffer problem = {0}, command = {0}, mode = {0};
        check_handler(&problem, handler, cgroup);
        handler_format(&command, handler, handler_key_find("command"), false);
        handler_format(&mode, handler, handler_key_find("mode"), false);
        *ret_bad += problem.length > 0;
        list_add(list, json_pack("{s:s, s:s, s:s, s:o}", "type", handler->type, "mode", mode.data, "command", command.data,
                                 "problem", output_text_or_null(problem.data)));
        buffer_clear(&problem);
        buffer_clear(&command);
        buffer_clear(&mode);
    }
    list_end(list);
}

static int check_command(struct cli *cli, struct error *err)
{
    struct config *config = worker_config(cli, err);
    struct handlers handlers = {0};
    size_t bad = 0;
    int rc = config ? handlers_read_config(&handlers, config, err) : err->code;

    if (rc == 0 && handlers.count == 0)
        rc = error_set(err, ERR_INVALID, "there are no handlers: name them in the file, or as in --on wc='wc -w'");
    if (rc == 0)
        list_handlers(cli, &handlers, config_string(config, "worker.cgroup"), &bad);
    if (bad > 0)
        rc = error_set(err, ERR_INVALID, "%zu of %zu handlers cannot work here", bad, handlers.count);
    handlers_clear(&handlers);
    config_free(config);
    if (rc < 0) {
        cli->failure_status = EX_CONFIG;
        cli_hint(cli, "rota config check");
    }
    return rc;
}

/* ---- test ---- */

/* The worker has the code that runs handlers: this becomes one that runs one. */
static int test_command(struct cli *cli, struct error *err)
{
    size_t on = config_list_count(cli->config, "cli.handler.on");
    const char **argv = memory_new(sizeof *argv * (on * 2 + 6)), *file = config_file(cli->config);
    char *program = process_beside("rota-worker");
    int argc = 0;

    argv[argc++] = program;
    argv[argc++] = "--try";
    argv[argc++] = cli_argument(cli, 0);
    if (file) {
        argv[argc++] = "--config";
        argv[argc++] = file;
    }
    for (size_t i = 0; i < on; i++) {
        argv[argc++] = "--on";
        argv[argc++] = config_list_at(cli->config, "cli.handler.on", i);
    }
    fflush(stdout);
    execvp(program, (char *const *)(uintptr_t)argv);
    cli_fail(cli, err, EX_UNAVAILABLE, "cannot run %s: %s", program, strerror(errno));
    free(program);
    free(argv);
    return err->code;
}

static const struct config_setting handler_settings[] = {
    SETTINGS_CLI,
    FLAG_LIST("cli.handler.", "on", "TYPE=COMMAND", 4096, "a handler besides those of the file; may be repeated"),
    {0}};

const struct command handler_commands[] = {
    {"handler check", "", "Check that the commands of all handlers can be run here", handler_settings, 0, 0, check_command,
     "One line for each handler. The exit status is 78 if any has a problem."},
    {"handler test", "TYPE", "Run the handler of a type once, without Redis, on what standard input holds", handler_settings, 1,
     1, test_command,
     "Prints environment, control lines as they come, log, result, verdict and times. The exit status is 0 if the job would be\n"
     "done, else 1. A handler that lives on is given the one job in a frame, which is printed, too, and is drained after it."},
    {0},
};
