/* `rota dev`. The process that was started only waits and passes signals on; everything runs below a second one. When the first
 * is killed, the second sees its lifeline end and kills all that is below it, also the children of handlers, which nobody else
 * would. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/stack.h"
#include "common/handler.h"
#include "common/memory.h"
#include "common/tree.h"

/* What runs where nothing else was asked for. */
static const char *const demo_handlers[] = {"echo=cat", "wc=wc -w", "sleep=sleep 3", "sha256=sha256sum", NULL};

static const int passed_on[] = {SIGINT, SIGTERM, SIGHUP};

/* The second process. */
static _Noreturn void run_below(struct cli *cli, const struct stack_options *options, int lifeline)
{
    struct error err;
    int status;

    setpgid(0, 0); /* Ctrl-C reaches the first one only */
    status = stack_run(cli, options, lifeline, &err);
    if (status < 0) {
        status = cli->failure_status ? cli->failure_status : error_exit_code(err.code);
        cli_print_error(cli->output.format, cli->command, status, err.message, NULL);
    }
    fflush(NULL);
    _exit(status);
}

/* Waits for the second process, passing signals on. Its exit status. */
static int wait_above(pid_t pid, const sigset_t *signals)
{
    int number, status = 0;

    for (;;) {
        if (sigwait(signals, &number) != 0)
            continue;
        if (number != SIGCHLD)
            kill(pid, SIGTERM);
        else if (waitpid(pid, &status, WNOHANG) == pid)
            return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
}

static int run(struct cli *cli, const struct stack_options *options, struct error *err)
{
    sigset_t signals, before;
    int lifeline[2];
    pid_t pid;

    if (pipe2(lifeline, O_CLOEXEC) < 0)
        return error_set(err, ERR_IO, "no pipe: %s", strerror(errno));
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    for (size_t i = 0; i < sizeof passed_on / sizeof *passed_on; i++)
        sigaddset(&signals, passed_on[i]);
    fflush(stdout);
    sigprocmask(SIG_BLOCK, &signals, &before); /* those that come before sigwait must not get lost */
    pid = fork();
    if (pid == 0) {
        sigprocmask(SIG_SETMASK, &before, NULL);
        close(lifeline[1]);
        run_below(cli, options, lifeline[0]);
    }
    close(lifeline[0]);
    if (pid < 0)
        return error_set(err, ERR_IO, "cannot fork: %s", strerror(errno));
    return wait_above(pid, &signals);
}

/* The handlers to start workers with: those that were named, those of the file, or a few to play with. Gives the list. */
static const char **choose_handlers(const struct cli *cli)
{
    size_t count = config_list_count(cli->config, "cli.dev.on");
    const char **on = memory_new(sizeof *on * (count + 8));

    for (size_t i = 0; i < count; i++)
        on[i] = config_list_at(cli->config, "cli.dev.on", i);
    if (count == 0 && !config_section(cli->config, "handlers"))
        memcpy(on, demo_handlers, sizeof demo_handlers);
    return on;
}

static size_t type_length(const char *handler)
{
    return strcspn(handler, "=");
}

/* One of the handlers, before anything is started: workers would refuse it, too, but then a Redis runs already. */
static int check_handler(struct cli *cli, const char *const *on, size_t index, struct error *err)
{
    const char *handler = on[index];
    size_t length = type_length(handler);
    char type[TYPE_BYTES_MAX + 2];
    const struct tree *other;

    if (!handler[length] || !handler[length + 1])
        return cli_usage(cli, err, "handler \"%.80s\" must be TYPE=COMMAND, as in wc='wc -w'", handler);
    snprintf(type, sizeof type, "%.*s", (int)length, handler);
    if (handler_type_check(type, err) < 0)
        return cli_misused(cli, err);
    for (size_t i = 0; i < index; i++)
        if (type_length(on[i]) == length && memcmp(on[i], type, length) == 0)
            return cli_usage(cli, err, "type %s has two handlers", type);
    other = tree_find(config_section(cli->config, "handlers"), type);
    if (other)
        return cli_usage(cli, err, "type %s has two handlers: --on, and %s", type, tree_place(other));
    return 0;
}

static int dev_command(struct cli *cli, struct error *err)
{
    bool private_redis = strncmp(config_origin(cli->config, "redis.url"), "flag ", 5) != 0;
    struct stack_options options = {
        .directory = config_string(cli->config, "cli.dev.dir"),
        .redis_url = private_redis ? NULL : config_string(cli->config, "redis.url"),
        .slots = config_section(cli->config, "capsules") ? 0 : config_integer(cli->config, "cli.dev.slots"),
    };
    const char **on = choose_handlers(cli);
    int rc = 0;

    for (size_t i = 0; on[i] && rc == 0; i++)
        rc = check_handler(cli, on, i, err);
    options.on = on;
    if (rc == 0)
        rc = run(cli, &options, err);
    free(on);
    return rc;
}

static const struct config_setting dev_settings[] = {
    SETTINGS_CLI,
    {.key = "cli.dev.dir",
     .kind = CONFIG_STRING,
     .fallback = "./rota-dev",
     .high = 4000,
     .flag = "dir",
     .argument = "DIR",
     .help = "where the private Redis keeps its data"},
    FLAG_NUMBER("cli.dev.", "slots", "4", 1, 1024, "jobs that each of the two workers may run at once"),
    FLAG_LIST("cli.dev.", "on", "TYPE=COMMAND", 4096, "run jobs of a type with a shell command; may be repeated"),
    {0},
};

const struct command dev_commands[] = {
    {"dev", "", "Run a whole Rota here, to try it out: Redis, a scheduler and two workers", dev_settings, 0, 0, dev_command,
     "The private Redis is as durable as the real one should be: AOF always. --redis uses one that runs already (only the flag "
     "counts,\n"
     "not the variable). Without --on and without handlers in the configuration file there are a few to play with. Ctrl-C lets "
     "running\n"
     "jobs end and stops everything; once more stops them at once."},
    {0},
};
