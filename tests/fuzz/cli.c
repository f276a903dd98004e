/* cli - words separated by NUL are a command line: completed, read as a command with its flags, and its arguments as names; or
 * refused with a reason. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/org_settings.h"
#include "cli/paging.h"
#include "cli/suggest.h"

#define WORDS_MAX 24

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void require(bool truth)
{
    if (!truth)
        abort();
}

static void require_reason(const struct error *err)
{
    require(err->code < 0 && err->message[0] && strlen(err->message) < sizeof err->message);
}

/* Offers are whole lines that begin with what was typed. */
static void complete(int count, char **words)
{
    struct suggestion suggestion;

    suggest(&suggestion, count, words);
    require(suggestion.offers.length == 0 || suggestion.offers.data[suggestion.offers.length - 1] == '\n');
    require(strlen(suggestion.before) < sizeof suggestion.before);
    suggestion_clear(&suggestion);
}

/* What is a name is one that may become part of a key. */
static void read_argument(struct cli *cli, const char *text)
{
    char org[NAME_BYTES_MAX + 1], id[JOB_ID_BYTES_MAX + 1], value[ORG_VALUE_BYTES];
    struct job_cursor cursor;
    struct error err = {0};
    char again[CURSOR_BYTES];

    if (cli_job(cli, text, org, id, &err) == 0)
        require(!strpbrk(text, "*?{}[] \n\t") && name_is_valid(org, strlen(org)));
    else
        require_reason(&err);
    if (cli_org(cli, text, &err) == 0)
        require(!strpbrk(text, "*?{}[]:/. \n\t") && strlen(text) <= NAME_BYTES_MAX);
    if (job_cursor_parse(cli, &cursor, text, &err) == 0)
        require(job_cursor_parse(cli, &cursor, job_cursor_format(&cursor, again), &err) == 0);
    for (const struct org_setting *setting = org_settings; setting->field; setting++)
        if (org_setting_parse(setting, text, value, &err) == 0)
            require(strlen(value) < sizeof value);
}

static void read_command(int argc, char **argv)
{
    struct invocation invocation;
    struct error err = {0};
    const char **elsewhere;
    struct cli cli = {0};

    if (invocation_read(&invocation, argc, argv, &err) < 0) {
        require_reason(&err);
        return;
    }
    if (invocation.command) {
        cli.command = invocation.command;
        elsewhere = command_known_elsewhere(invocation.command);
        cli.config = config_new(invocation.command->settings, elsewhere, invocation.argc, invocation.argv, &err);
        if (!cli.config)
            require_reason(&err);
        for (int i = 0; cli.config && i < cli_argument_count(&cli); i++)
            read_argument(&cli, cli_argument(&cli, i));
        config_free(cli.config);
        free(elsewhere);
    }
    free(invocation.argv);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    char *copy = malloc(bytes + 1), *argv[WORDS_MAX + 2] = {(char[]){"rota"}};
    int argc = 1;

    memcpy(copy, data, bytes);
    copy[bytes] = '\0';
    for (size_t at = 0; at <= bytes && argc <= WORDS_MAX; at += strlen(copy + at) + 1)
        if (strncmp(copy + at, "--config", 8) != 0) /* which would read any file */
            argv[argc++] = copy + at;
    if (argc > 1)
        complete(argc - 1, argv + 1);
    read_command(argc, argv);
    free(copy);
    return 0;
}
