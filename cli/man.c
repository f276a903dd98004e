/* `rota man`: the manual, shown by man on a terminal. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/manual.h"
#include "cli/process.h"
#include "common/memory.h"
#include "common/nearest.h"
#include "rota-handler.h"
#include "rota-keys.h"

/* Pages that other programs of ours make of their own tables. */
static const char *const programs[] = {"rota-scheduler", "rota-worker"};
#define PROGRAMS (sizeof programs / sizeof *programs)

/* Pages that are made of docs/. */
static const struct {
    const char *name, *text;
} documents[] = {{"rota-handler", rota_handler}, {"rota-keys", rota_keys}};
#define DOCUMENTS (sizeof documents / sizeof *documents)

/* Copies what the program beside us prints with --help=man. */
static int print_program(const char *program, FILE *file, struct error *err)
{
    char *path = process_beside(program), *command = memory_format("'%s' --help=man", path), bytes[4096];
    FILE *pipe = strchr(path, '\'') ? NULL : popen(command, "re");
    size_t got, all = 0;

    while (pipe && (got = fread(bytes, 1, sizeof bytes, pipe)) > 0)
        all += fwrite(bytes, 1, got, file);
    free(path);
    free(command);
    if (!pipe || pclose(pipe) != 0 || all == 0)
        return error_set(err, ERR_NOT_FOUND, "%s cannot be run", program);
    return 0;
}

static int refuse_unknown(struct cli *cli, const char *page, struct error *err)
{
    struct nearest nearest = {.word = page};
    char hint[NEAREST_HINT_BYTES], name[NEAREST_BYTES_MAX];

    nearest_offer(&nearest, "rota");
    for (const char *const *noun = command_nouns(); *noun; noun++) {
        snprintf(name, sizeof name, "rota-%s", *noun);
        nearest_offer(&nearest, strncmp(page, "rota-", 5) == 0 ? name : *noun);
    }
    for (size_t i = 0; i < PROGRAMS; i++)
        nearest_offer(&nearest, programs[i]);
    for (size_t i = 0; i < DOCUMENTS; i++)
        nearest_offer(&nearest, documents[i].name);
    cli_hint(cli, "rota man, which names them all");
    return cli_fail(cli, err, EX_NOINPUT, "there is no page \"%.60s\"%s", page, nearest_hint(&nearest, hint));
}

/* "job", "rota-job". "rota-worker" is the program, "worker" the commands; so with "rota-handler", the page. */
static int print_page(struct cli *cli, const char *page, FILE *file, struct error *err)
{
    char name[80];

    for (size_t i = 0; i < PROGRAMS; i++)
        if (strcmp(page, programs[i]) == 0)
            return print_program(page, file, err);
    for (size_t i = 0; i < DOCUMENTS; i++)
        if (strcmp(page, documents[i].name) == 0)
            return fputs(documents[i].text, file) < 0 ? error_set(err, ERR_IO, "%s cannot be written", page) : 0;
    snprintf(name, sizeof name, "%s%.60s", strncmp(page, "rota", 4) == 0 ? "" : "rota-", page);
    return manual_print(name, file) ? 0 : refuse_unknown(cli, page, err);
}

/* ---- showing ---- */

/* Becomes man, or what there is instead of it, with the page on stdin. Returns only where there is neither. */
static void show(const char *page, size_t bytes)
{
    int fd = memfd_create("page", 0);

    if (fd < 0 || write(fd, page, bytes) != (ssize_t)bytes || lseek(fd, 0, SEEK_SET) != 0 || dup2(fd, STDIN_FILENO) < 0)
        return;
    execlp("man", "man", "-l", "-", (char *)NULL);
    execlp("mandoc", "mandoc", "-a", (char *)NULL);
}

/* ---- writing all ---- */

static int write_page(struct cli *cli, const char *directory, const char *page, int section, struct error *err)
{
    char *folder = memory_format("%s/man%d", directory, section), *path = memory_format("%s/%s.%d", folder, page, section);
    FILE *file = mkdir(folder, 0777) == 0 || errno == EEXIST ? fopen(path, "we") : NULL;
    int rc = file ? 0 : cli_fail(cli, err, EX_CANTCREAT, "%s: %s", path, strerror(errno));

    if (file && section == 1)
        manual_print(page, file);
    else if (file)
        rc = print_page(cli, page, file, err);
    if (file && fclose(file) != 0 && rc == 0)
        rc = cli_fail(cli, err, EX_IOERR, "%s: %s", path, strerror(errno));
    free(folder);
    free(path);
    return rc;
}

static int write_pages(struct cli *cli, const char *directory, struct error *err)
{
    int rc = write_page(cli, directory, "rota", 1, err);
    char page[80];

    for (const char *const *noun = command_nouns(); *noun && rc == 0; noun++) {
        snprintf(page, sizeof page, "rota-%s", *noun);
        rc = write_page(cli, directory, page, 1, err);
    }
    for (size_t i = 0; i < PROGRAMS && rc == 0; i++)
        rc = write_page(cli, directory, programs[i], 8, err);
    for (size_t i = 0; i < DOCUMENTS && rc == 0; i++)
        rc = write_page(cli, directory, documents[i].name, 7, err);
    return rc;
}

static int man_command(struct cli *cli, struct error *err)
{
    const char *page = cli_argument_count(cli) ? cli_argument(cli, 0) : "rota";
    const char *directory = config_string(cli->config, "cli.man.to");
    size_t bytes = 0;
    char *text = NULL;
    FILE *file;
    int rc;

    if (directory[0])
        return write_pages(cli, directory, err);
    if (config_bool(cli->config, "cli.man.markdown")) {
        manual_print_markdown(stdout);
        return 0;
    }
    file = open_memstream(&text, &bytes);
    if (!file)
        return cli_fail(cli, err, EX_OSERR, "cannot make a page: %s", strerror(errno));
    rc = print_page(cli, page, file, err);
    fclose(file);
    if (rc == 0 && isatty(STDOUT_FILENO) && !config_bool(cli->config, "cli.man.source"))
        show(text, bytes);
    if (rc == 0)
        fwrite(text, 1, bytes, stdout);
    free(text);
    return rc;
}

static const struct config_setting man_settings[] = {
    SETTINGS_CLI,
    FLAG_BOOL("cli.man.", "source", 0, "the source, in mdoc(7), also on a terminal"),
    FLAG_BOOL("cli.man.", "markdown", 0, "the reference of all commands as markdown"),
    FLAG_TEXT("cli.man.", "to", "DIR", 4096, "write all pages there, into man1, man7 and man8"),
    {0},
};

const struct command man_commands[] = {
    {"man", "[PAGE]", "Show a page of the manual", man_settings, 0, 1, man_command,
     "Pages: rota, rota-<first word of a command> (or just that word), rota-worker, rota-scheduler, rota-handler, rota-keys."},
    {0},
};
