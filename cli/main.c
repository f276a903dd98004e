/* rota - the command line: pushes jobs, looks at them, operates the deployment, and runs a private one for trying out. */
#include <errno.h>
#include <ev.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "common/file.h"
#include "common/memory.h"
#include "common/redis.h"
#include "common/secrets.h"

/* The format of errors that are found before the settings are read. */
static enum output_format guess_format(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        const char *next = i + 1 < argc ? argv[i + 1] : "";
        bool is_output = strcmp(argv[i], "-o") == 0 || strcmp(argv[i], "--output") == 0;
        if (strcmp(argv[i], "--json") == 0 || strcmp(argv[i], "-ojson") == 0 || strcmp(argv[i], "--output=json") == 0 ||
            strcmp(argv[i], "-ondjson") == 0 || strcmp(argv[i], "--output=ndjson") == 0 ||
            (is_output && (strcmp(next, "json") == 0 || strcmp(next, "ndjson") == 0)))
            return OUTPUT_JSON;
    }
    return OUTPUT_TABLE;
}

/* Ends as the signal would have it; where its default is ignored (process 1 of a container), with the status a shell would give.
 */
static void on_signal(int number)
{
    signal(number, SIG_DFL);
    raise(number);
    _exit(128 + number);
}

static void watch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_NODEFER};

    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

static int read_settings(struct cli *cli, const struct invocation *invocation, struct error *err)
{
    const char **elsewhere = command_known_elsewhere(cli->command);
    int count, min = cli->command->arguments_min, max = cli->command->arguments_max;

    cli->config = config_new(cli->command->settings, elsewhere, invocation->argc, invocation->argv, err);
    free(elsewhere);
    if (!cli->config) {
        cli->failure_status = settings_exit_code(err);
        return err->code;
    }
    if (config_bool(cli->config, "cli.json"))
        cli->output.format = OUTPUT_JSON;
    else if (output_format_parse(&cli->output.format, config_string(cli->config, "cli.output"), err) < 0)
        return cli_misused(cli, err);
    cli->output.no_headers = config_bool(cli->config, "cli.no-headers");
    if (output_time_parse(&cli->output.time, config_string(cli->config, "cli.time"), err) < 0)
        return cli_misused(cli, err);
    if (settings_log(cli->config, "rota", err) < 0) {
        cli->failure_status = strstr(err->message, "(flag ") ? EX_USAGE : EX_CONFIG;
        return err->code;
    }
    count = cli_argument_count(cli);
    if (count < min || (max >= 0 && count > max))
        return cli_usage(cli, err, "%s arguments, usage: rota %s %s", count < min ? "missing" : "too many", cli->command->name,
                         cli->command->arguments);
    return 0;
}

/* What could not be written is an error; a reader that has seen enough is none that needs words. */
static int finish_output(int status)
{
    struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};

    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    if (errno == EPIPE || (poll(&out, 1, 0) > 0 && (out.revents & POLLERR)))
        return status ? status : 128 + SIGPIPE;
    fprintf(stderr, "rota: cannot write to stdout%s%s\n", errno ? ": " : "", errno ? strerror(errno) : "");
    return status ? status : EX_IOERR;
}

static int run(const struct invocation *invocation, enum output_format format)
{
    struct cli cli = {.command = invocation->command, .output.format = format};
    struct error err;
    int status = read_settings(&cli, invocation, &err);

    if (status == 0) {
        cli.loop = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
        status = cli.command->run(&cli, &err);
    }
    if (status < 0) {
        status = cli.failure_status ? cli.failure_status : error_exit_code(err.code);
        fflush(stdout);
        cli_print_error(cli.output.format, cli.command, status, err.message, cli.hint[0] ? cli.hint : NULL);
    }
    redis_free(cli.redis);
    if (cli.loop)
        ev_loop_destroy(cli.loop);
    config_free(cli.config);
    return finish_output(status ? status : cli.status);
}

int main(int argc, char **argv)
{
    enum output_format format;
    struct invocation invocation;
    struct error err;
    int status = 0;

    argv = secrets_hide(argc, argv);
    file_open_standard();
    format = guess_format(argc, argv);
    watch_signals();
    if (argc == 2 && strcmp(argv[1], "--version") == 0)
        return run(&(struct invocation){.command = version_commands, .argc = 1, .argv = argv}, format);
    if (invocation_read(&invocation, argc, argv, &err) < 0) {
        cli_print_error(format, NULL, EX_USAGE, err.message, NULL);
        return EX_USAGE;
    }
    if (invocation.command && invocation.help) {
        command_print_help(invocation.command, stdout);
    } else if (invocation.command) {
        status = run(&invocation, format);
    } else {
        command_print_noun(invocation.noun, invocation.help ? stdout : stderr);
        status = invocation.help ? 0 : EX_USAGE;
    }
    free(invocation.argv);
    return invocation.command && !invocation.help ? status : finish_output(status);
}
