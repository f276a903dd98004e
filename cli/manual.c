#include "cli/manual.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "common/flags.h"
#include "common/manual.h"
#include "common/memory.h"

/* interface.md has more of them; these are the ones that `rota` ends with. */
static const struct {
    const char *status, *meaning;
} statuses[] = {
    {"0", "Done; with wait: the job ended well."},
    {"1", "The job did not end well; something is wrong, or was not changed."},
    {"64", "Misuse: an unknown command or flag, a name outside its grammar, nobody there to be asked."},
    {"65", "Bad data: a payload that is too large, a line that is no job."},
    {"66", "There is no such organization, job, queue, worker or file."},
    {"69", "Redis cannot be reached, or takes no writes."},
    {"70", "A fault of Rota."},
    {"73, 74", "A file cannot be made, read or written."},
    {"75", "Not now: it has not ended in time, or may be accepted later."},
    {"77", "Redis does not let us in, or not do that."},
    {"78", "The configuration, or the server, is not as it must be."},
};

static const char environment[] =
    "Every setting is also a variable: ROTA_REDIS_URL (or REDIS_URL), ROTA_LOG_LEVEL; NAME_FILE reads a secret from a file. "
    "A flag counts more than a variable, a variable more than the file, which is ./rota.yaml or the one of --config or "
    "ROTA_CONFIG.";

/* The settings that all commands have, as a table of their own. Gives. */
static struct config_setting *common_settings(void)
{
    size_t count = (size_t)(command_own_settings(version_commands) - version_commands->settings);
    struct config_setting *settings = memory_new(sizeof *settings * (count + 1));

    memcpy(settings, version_commands->settings, sizeof *settings * count);
    return settings;
}

/* ---- pages ---- */

/* "rota job list [ORG]..." Gives. */
static char *usage(const struct command *command)
{
    return memory_format("rota %s%s%s", command->name, command->arguments[0] ? " " : "", command->arguments);
}

typedef void visit_command(const struct command *command, FILE *file);

/* All of a noun, or all there are. */
static void for_commands(const char *noun, visit_command *visit, FILE *file)
{
    for (const struct command *const *table = command_tables; *table; table++)
        for (const struct command *command = *table; command->name; command++)
            if (!command_is_hidden(command) && (!noun || command_is_of(command, noun)))
                visit(command, file);
}

static void print_synopsis(const struct command *command, FILE *file)
{
    char *text = usage(command);

    manual_line(file, text);
    free(text);
}

static void print_sentence(FILE *file, const char *help)
{
    char *sentence = memory_format("%s.", help);

    manual_text(file, sentence);
    free(sentence);
}

static void print_command(const struct command *command, FILE *file)
{
    char *text = usage(command);

    manual_part(file, text);
    free(text);
    print_sentence(file, command->help);
    if (command->details) {
        fputs(".Pp\n", file);
        manual_text(file, command->details);
    }
    if (command_own_settings(command)->key)
        manual_settings(file, command_own_settings(command));
}

static void print_summary(const struct command *command, FILE *file)
{
    char *text = usage(command), *help = memory_format("%s.", command->help);

    manual_item(file, text, help);
    free(text);
    free(help);
}

static void print_common(FILE *file)
{
    struct config_setting *common = common_settings();

    manual_section(file, "OPTIONS OF ALL COMMANDS");
    manual_settings(file, common);
    manual_settings(file, config_builtin);
    free(common);
}

static void print_end(FILE *file)
{
    manual_section(file, "ENVIRONMENT");
    manual_text(file, environment);
    manual_section(file, "EXIT STATUS");
    manual_list_begin(file);
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
        manual_item(file, statuses[i].status, statuses[i].meaning);
    manual_list_end(file);
    manual_section(file, "SEE ALSO");
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void print_pages(FILE *file)
{
    const char *const *nouns = command_nouns();
    const char *sorted[64];
    size_t count = 0;

    for (; count < sizeof sorted / sizeof *sorted && nouns[count]; count++)
        sorted[count] = nouns[count];
    qsort(sorted, count, sizeof *sorted, compare);
    for (size_t i = 0; i < count; i++)
        fprintf(file, ".Xr rota\\-%s 1 ,\n", sorted[i]);
    fputs(".Xr rota\\-handler 7 ,\n.Xr rota\\-keys 7 ,\n.Xr rota\\-scheduler 8 ,\n.Xr rota\\-worker 8\n", file);
}

static void print_main(FILE *file)
{
    manual_begin(file, "rota", 1, "jobs of many organizations on Redis");
    manual_section(file, "SYNOPSIS");
    manual_line(file, "rota COMMAND [ARGUMENTS] [OPTIONS]");
    manual_section(file, "DESCRIPTION");
    manual_text(file, "Pushes jobs, looks at them, and operates the deployment. A job is named org/id. Data goes to stdout, all "
                      "else to stderr; with --json both are JSON.");
    manual_list_begin(file);
    for_commands(NULL, print_summary, file);
    manual_list_end(file);
    print_common(file);
    print_end(file);
    print_pages(file);
}

/* "list, show, wait of rota job", or what the one command does. */
static void describe(const char *noun, char *ret, size_t size)
{
    size_t length = 0;

    for (const struct command *const *table = command_tables; *table; table++)
        for (const struct command *command = *table; command->name && length < size; command++)
            if (command_is_of(command, noun))
                length += (size_t)snprintf(ret + length, size - length, "%s%s", length ? ", " : "",
                                           strchr(command->name, ' ') ? strchr(command->name, ' ') + 1 : command->help);
    ret[0] = (char)tolower((unsigned char)ret[0]);
}

static void print_noun(const char *noun, FILE *file)
{
    char *name = memory_format("rota-%s", noun), about[512] = "";

    describe(noun, about, sizeof about);
    manual_begin(file, name, 1, about);
    manual_section(file, "SYNOPSIS");
    fputs(".Bd -unfilled\n", file);
    for_commands(noun, print_synopsis, file);
    fputs(".Ed\n", file);
    manual_section(file, "DESCRIPTION");
    for_commands(noun, print_command, file);
    print_common(file);
    print_end(file);
    fputs(".Xr rota 1\n", file);
    free(name);
}

bool manual_print(const char *page, FILE *file)
{
    if (strcmp(page, "rota") == 0) {
        print_main(file);
        return true;
    }
    for (const char *const *noun = command_nouns(); *noun && strncmp(page, "rota-", 5) == 0; noun++)
        if (strcmp(page + 5, *noun) == 0) {
            print_noun(*noun, file);
            return true;
        }
    return false;
}

/* ---- markdown ---- */

/* In a table a bar would end the cell. */
static void print_cell(FILE *file, const char *text)
{
    for (; *text; text++)
        fprintf(file, *text == '|' ? "\\%c" : "%c", *text == '\n' ? ' ' : *text);
}

static void print_markdown_settings(const struct config_setting *setting, FILE *file)
{
    char name[FLAG_NAME_BYTES], letter[] = "-x, ";

    fputs("| option | |\n|---|---|\n", file);
    for (; setting->key; setting++) {
        letter[1] = setting->letter;
        fprintf(file, "| `%s--%s%s", setting->letter ? letter : "", setting->flag ? setting->flag : flag_name(setting, name),
                setting->kind == CONFIG_BOOL ? "" : " ");
        print_cell(file, setting->kind == CONFIG_BOOL ? "" : setting->argument ? setting->argument : "VALUE");
        fputs("` | ", file);
        print_cell(file, setting->help ? setting->help : "");
        if (setting->fallback && setting->fallback[0])
            fprintf(file, " (default %s)", setting->fallback);
        fputs(" |\n", file);
    }
    fputs("\n", file);
}

static void print_markdown(const struct command *command, FILE *file)
{
    char *text = usage(command);

    fprintf(file, "#### `%s`\n\n%s.\n\n", text, command->help);
    if (command->details)
        fprintf(file, "%s\n\n", command->details);
    if (command_own_settings(command)->key)
        print_markdown_settings(command_own_settings(command), file);
    free(text);
}

void manual_print_markdown(FILE *file)
{
    struct config_setting *common = common_settings();

    for (const char *const *noun = command_nouns(); *noun; noun++) {
        fprintf(file, "### rota %s\n\n", *noun);
        for_commands(*noun, print_markdown, file);
    }
    fputs("### Options of all commands\n\n", file);
    print_markdown_settings(common, file);
    fprintf(file, "%s\n\n### Exit status\n\n| status | |\n|---|---|\n", environment);
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
        fprintf(file, "| %s | %s |\n", statuses[i].status, statuses[i].meaning);
    free(common);
}
