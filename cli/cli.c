#include "cli/cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/text.h"
#include "common/units.h"

#define MESSAGE_BYTES 1024
#define HINT_BYTES    160

int cli_fail(struct cli *cli, struct error *err, int status, const char *fmt, ...)
{
    char message[sizeof err->message];
    va_list args;

    va_start(args, fmt);
    vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    cli->failure_status = status;
    return error_set(err, ERR_INVALID, "%s", message);
}

int cli_misused(struct cli *cli, struct error *err)
{
    cli->failure_status = EX_USAGE;
    return err->code;
}

int cli_usage(struct cli *cli, struct error *err, const char *fmt, ...)
{
    char message[sizeof err->message];
    va_list args;

    va_start(args, fmt);
    vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    return cli_fail(cli, err, EX_USAGE, "%s", message);
}

/* The word for an exit status in the JSON of an error. */
static const char *status_name(int status)
{
    switch (status) {
    case EXIT_FAILED: return "failed";
    case EX_USAGE: return "usage";
    case EX_DATAERR: return "data";
    case EX_NOINPUT: return "not_found";
    case EX_UNAVAILABLE: return "unavailable";
    case EX_CANTCREAT: return "cannot_create";
    case EX_IOERR: return "io";
    case EX_TEMPFAIL: return "temporary";
    case EX_NOPERM: return "denied";
    case EX_CONFIG: return "config";
    default: return "internal";
    }
}

/* What to try where nobody has said it; NULL for nothing. */
static const char *hint_of(const struct command *command, int status, char ret[HINT_BYTES])
{
    const char *name = command ? command->name : "";
    int noun_bytes = (int)strcspn(name, " ");

    switch (status) {
    case EX_USAGE: snprintf(ret, HINT_BYTES, "rota %s%s--help", name, command ? " " : ""); return ret;
    case EX_NOINPUT:
        snprintf(ret, HINT_BYTES, "rota %.*s list", noun_bytes, name);
        return command_find(ret + strlen("rota ")) ? ret : NULL;
    case EX_UNAVAILABLE: return "rota doctor; or --redis URL (ROTA_REDIS_URL), if it is elsewhere";
    case EX_NOPERM: return "a user with the rights of docs/PROTOCOL.md, section 14";
    case EX_CONFIG: return "rota setup, which checks the server and says what to change";
    case EX_TEMPFAIL: return "the same again, later";
    default: return NULL;
    }
}

void cli_print_error(enum output_format format, const struct command *command, int status, const char *message, const char *hint)
{
    struct buffer plain = {0};
    char own[HINT_BYTES];
    char last;

    text_add_plain(&plain, message, strlen(message));
    buffer_add_string(&plain, "");
    hint = hint ? hint : hint_of(command, status, own);
    hint = hint && hint[0] ? hint : NULL;
    last = plain.length ? plain.data[plain.length - 1] : '.';
    if (format == OUTPUT_TABLE) {
        fprintf(stderr, "rota: %s%s%s%s\n", plain.data, !hint || last == '?' || last == '.' ? "" : ".", hint ? " Try: " : "",
                hint ? hint : "");
    } else {
        json_t *error =
            json_pack("{s:{s:s, s:s, s:s?}}", "error", "code", status_name(status), "message", plain.data, "hint", hint);
        json_dumpf(error, stderr, JSON_COMPACT);
        fputc('\n', stderr);
        json_decref(error);
    }
    buffer_clear(&plain);
}

void cli_hint(struct cli *cli, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vsnprintf(cli->hint, sizeof cli->hint, fmt, args);
    va_end(args);
}

void cli_complain(struct cli *cli, int status, const char *fmt, ...)
{
    char message[MESSAGE_BYTES];
    va_list args;

    va_start(args, fmt);
    vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    fflush(stdout);
    cli_print_error(cli->output.format, cli->command, status, message, cli->hint);
    cli->hint[0] = '\0';
    if (cli->status == 0)
        cli->status = status;
}

void cli_note(const struct cli *cli, const char *fmt, ...)
{
    char message[MESSAGE_BYTES];
    struct buffer plain = {0};
    va_list args;

    if (cli->output.format != OUTPUT_TABLE || config_bool(cli->config, "cli.quiet"))
        return;
    va_start(args, fmt);
    vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    text_add_plain(&plain, message, strlen(message));
    fflush(stdout);
    fprintf(stderr, "%s\n", plain.data ? plain.data : "");
    buffer_clear(&plain);
}

bool cli_confirm(struct cli *cli, struct error *err, const char *fmt, ...)
{
    char question[MESSAGE_BYTES], answer[16] = "";
    va_list args;

    if (config_bool(cli->config, "cli.yes"))
        return true;
    va_start(args, fmt);
    vsnprintf(question, sizeof question, fmt, args);
    va_end(args);
    if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO)) {
        cli_usage(cli, err, "%s: say --yes, since nobody can be asked here", question);
        return false;
    }
    fprintf(stderr, "%s? Type yes: ", question);
    if (fgets(answer, sizeof answer, stdin) && strcmp(answer, "yes\n") == 0)
        return true;
    cli_fail(cli, err, EXIT_FAILED, "nothing was changed");
    return false;
}

int cli_argument_count(const struct cli *cli)
{
    return config_argument_count(cli->config);
}

const char *cli_argument(const struct cli *cli, int index)
{
    return config_argument(cli->config, index);
}

int cli_org(struct cli *cli, const char *text, struct error *err)
{
    return name_check(text, "organization", err) < 0 ? cli_misused(cli, err) : 0;
}

int cli_job(struct cli *cli, const char *text, char ret_org[NAME_BYTES_MAX + 1], char ret_id[JOB_ID_BYTES_MAX + 1],
            struct error *err)
{
    return job_name_split(text, ret_org, ret_id, err) < 0 ? cli_misused(cli, err) : 0;
}

int cli_moment(struct cli *cli, const char *text, const char *what, int64_t from_ms, int64_t *ret_ms, struct error *err)
{
    int64_t duration_ms;

    if (from_ms > 0 && units_duration_ms(&duration_ms, text, what, 0, 1LL << 42, err) == 0) {
        *ret_ms = from_ms + duration_ms;
        return 0;
    }
    return units_time_ms(ret_ms, text, what, err) < 0 ? cli_misused(cli, err) : 0;
}
