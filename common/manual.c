#include "common/manual.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/flags.h"
#include "common/memory.h"

/* The pages change with the program, whose version they name; mdoc wants a day. */
#define MANUAL_DATE "November 20, 2026"

#define EXAMPLE_INDENT 4

/* One character; at the start of a line a request would begin with a dot or a quote. */
static void print_char(FILE *file, char c, bool starts_line)
{
    if (starts_line && (c == '.' || c == '\''))
        fputs("\\&", file);
    if (c == '\\')
        fputs("\\e", file);
    else if (c == '-')
        fputs("\\-", file);
    else
        fputc(c, file);
}

/* Text in one line. In the arguments of a macro quotes hold spaces together, and punctuation alone has a meaning. */
static void print_line(FILE *file, const char *text, bool argument)
{
    if (argument)
        fputc('"', file);
    for (const char *at = text; *at; at++) {
        if (argument && *at == '"')
            fputs("\\(dq", file);
        else
            print_char(file, *at == '\n' ? ' ' : *at, at == text);
    }
    fputs(argument ? "\"\n" : "\n", file);
}

void manual_begin(void *file, const char *name, int section, const char *about)
{
    char *title = memory_string(name);

    for (char *at = title; *at; at++)
        *at = (char)toupper((unsigned char)*at);
    fprintf(file, ".Dd %s\n.Dt %s %d\n.Os Rota %s\n.Sh NAME\n.Nm %s\n.Nd ", MANUAL_DATE, title, section, ROTA_VERSION, name);
    print_line(file, about, false);
    free(title);
}

void manual_section(void *file, const char *title)
{
    fprintf(file, ".Sh %s\n", title);
}

void manual_part(void *file, const char *title)
{
    fputs(".Ss ", file);
    print_line(file, title, true);
}

/* An example, which stands in a line of its own behind four spaces. Returns its last character. */
static const char *print_example(FILE *file, const char *at)
{
    size_t length = strcspn(at, "\n");
    char *line = memory_copy(at + EXAMPLE_INDENT, length - EXAMPLE_INDENT);

    fputs(".Dl ", file);
    print_line(file, line, true);
    free(line);
    return at + length - (at[length] == '\0');
}

/* A sentence to a line, as mdoc likes it. */
void manual_text(void *file, const char *text)
{
    bool starts_line = true;

    for (const char *at = text; *at; at++) {
        if ((at == text || at[-1] == '\n') && strncmp(at, "    ", EXAMPLE_INDENT) == 0 && at[EXAMPLE_INDENT] != '\n') {
            fputs(starts_line ? "" : "\n", file);
            at = print_example(file, at);
            starts_line = true;
        } else if (at[0] == '\n' && at[1] == '\n') {
            fputs(starts_line ? ".Pp\n" : "\n.Pp\n", file);
            at += strspn(at, "\n") - 1;
            starts_line = true;
        } else if ((*at == '\n' || *at == ' ') && (starts_line || (at > text && at[-1] == '.'))) {
            fputs(starts_line ? "" : "\n", file);
            starts_line = true;
        } else {
            print_char(file, *at == '\n' ? ' ' : *at, starts_line);
            starts_line = false;
        }
    }
    fputs(starts_line ? "" : "\n", file);
}

void manual_line(void *file, const char *text)
{
    print_line(file, text, false);
}

void manual_list_begin(void *file)
{
    fputs(".Bl -tag -width Ds\n", file);
}

void manual_item(void *file, const char *name, const char *text)
{
    fputs(".It Sy ", file);
    print_line(file, name, true);
    manual_text(file, text);
}

void manual_list_end(void *file)
{
    fputs(".El\n", file);
}

static void print_setting(FILE *file, const struct config_setting *setting)
{
    char name[FLAG_NAME_BYTES], flag[2 * FLAG_NAME_BYTES + 64], letter[] = "-x, ";
    char *text;

    letter[1] = setting->letter;
    snprintf(flag, sizeof flag, "%s--%s%s%.50s", setting->letter ? letter : "",
             setting->flag ? setting->flag : flag_name(setting, name), setting->kind == CONFIG_BOOL ? "" : " ",
             setting->kind == CONFIG_BOOL ? "" : (setting->argument ? setting->argument : "VALUE"));
    text = memory_format("%s%s%s%s", setting->help ? setting->help : "",
                         setting->fallback && setting->fallback[0] ? " (default " : "",
                         setting->fallback ? setting->fallback : "", setting->fallback && setting->fallback[0] ? ")" : "");
    manual_item(file, flag, text);
    free(text);
}

void manual_settings(void *file, const struct config_setting *settings)
{
    manual_list_begin(file);
    for (const struct config_setting *setting = settings; setting->key; setting++)
        print_setting(file, setting);
    manual_list_end(file);
}

void manual_print_program(void *file, const char *program, const char *usage, const struct config_setting *settings)
{
    const char *about = strstr(usage, "\n\n"), *words = strncmp(usage, "Usage: ", 7) == 0 ? usage + 7 : usage;
    char *first = memory_copy(words, strcspn(words, "\n")), *summary = memory_string(about ? about + 2 : program);

    summary[strcspn(summary, ".\n")] = '\0';
    summary[0] = (char)tolower((unsigned char)summary[0]);
    manual_begin(file, program, 8, summary);
    manual_section(file, "SYNOPSIS");
    manual_line(file, first);
    manual_section(file, "DESCRIPTION");
    manual_text(file, about ? about + 2 : "");
    manual_section(file, "OPTIONS");
    manual_text(file, "Each is a flag, a variable (\"ROTA_\" and the name in capitals), and a key of the configuration file.");
    manual_settings(file, settings);
    manual_settings(file, config_builtin);
    manual_section(file, "EXIT STATUS");
    manual_text(file,
                "0 after a stop; 64 for misuse, 69 where Redis cannot be reached, 78 for settings or a server that is refused.");
    manual_section(file, "SEE ALSO");
    fputs(".Xr rota 1\n", file);
    free(first);
    free(summary);
}
