/* command.h - the table of commands: what can be typed, what --help says about it, and which function runs. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "common/config.h"
#include "common/settings.h"

struct cli;

/* Flags of commands, for their tables of settings: --<name>, with the key <section><name>, as in FLAG_TEXT("cli.push.", "queue",
 * ...). The keys of all commands stand under "cli" in the file. */
#define FLAG_BOOL(section, name, short_name, text) \
    {.key = section name, .kind = CONFIG_BOOL, .letter = short_name, .flag = name, .help = text}
#define FLAG_TEXT(section, name, value, bytes_max, text) \
    {.key = section name, .kind = CONFIG_STRING, .high = bytes_max, .flag = name, .argument = value, .help = text}
#define FLAG_LIST(section, name, value, bytes_max, text) \
    {.key = section name, .kind = CONFIG_LIST, .high = bytes_max, .flag = name, .argument = value, .help = text}
#define FLAG_WORDS(section, name, value, values, text) /* a list of some of `values` */ \
    {.key = section name, .kind = CONFIG_LIST, .high = 16, .flag = name, .argument = value, .help = text, .words = values}
#define FLAG_NUMBER(section, name, otherwise, least, most, text) \
    {.key = section name,                                        \
     .kind = CONFIG_INTEGER,                                     \
     .fallback = otherwise,                                      \
     .low = least,                                               \
     .high = most,                                               \
     .flag = name,                                               \
     .argument = "N",                                            \
     .help = text}
#define FLAG_DURATION(section, name, otherwise, least_ms, most_ms, text) \
    {.key = section name,                                                \
     .kind = CONFIG_DURATION,                                            \
     .fallback = otherwise,                                              \
     .low = least_ms,                                                    \
     .high = most_ms,                                                    \
     .flag = name,                                                       \
     .argument = "DURATION",                                             \
     .help = text}

/* What every command's table of settings begins with. */
#define SETTINGS_CLI                                                                                                \
    {.key = "cli.output",                                                                                           \
     .kind = CONFIG_STRING,                                                                                         \
     .fallback = "table",                                                                                           \
     .high = 16,                                                                                                    \
     .letter = 'o',                                                                                                 \
     .flag = "output",                                                                                              \
     .argument = "FORMAT",                                                                                          \
     .help = "table, json or ndjson",                                                                               \
     .words = "table json ndjson"},                                                                                 \
        FLAG_BOOL("cli.", "json", 0, "the same as -o json"), FLAG_BOOL("cli.", "quiet", 'q', "no notes on stderr"), \
        FLAG_BOOL("cli.", "no-headers", 0, "tables without the first line"),                                        \
        {.key = "cli.time",                                                                                         \
         .kind = CONFIG_STRING,                                                                                     \
         .fallback = "relative",                                                                                    \
         .high = 16,                                                                                                \
         .flag = "time",                                                                                            \
         .argument = "HOW",                                                                                         \
         .help = "moments in tables: relative, iso or ms",                                                          \
         .words = "relative iso ms"},                                                                               \
        SETTINGS_COMMON

/* For commands that ask before they destroy. */
#define SETTING_YES FLAG_BOOL("cli.", "yes", 'y', "do not ask")

/* For commands that may change much. */
#define SETTING_DRY_RUN FLAG_BOOL("cli.", "dry-run", 'n', "only say what would be changed")

/* One command. A table of them ends with a zero entry. */
struct command {
    const char *name;                      /* one word or two: "push", "job list" */
    const char *arguments;                 /* "ORG TYPE [PAYLOAD|-]" */
    const char *help;                      /* one line */
    const struct config_setting *settings; /* begins with SETTINGS_CLI, ends with a zero entry */
    int arguments_min, arguments_max;      /* -1: any number */
    /* Returns an exit status, or a negative error code with `err` filled (cli.h). */
    int (*run)(struct cli *cli, struct error *err);
    const char *details; /* more help, or NULL */
};

/* The tables, one for each noun. */
/* clang-format off */
extern const struct command
    dev_commands[],
    setup_commands[],
    push_commands[],
    job_commands[],
    explain_commands[],
    logs_commands[],
    job_change_commands[],
    edit_commands[],
    export_commands[],
    org_commands[],
    org_change_commands[],
    org_delete_commands[],
    acl_print_commands[],
    usage_commands[],
    stats_commands[],
    queue_commands[],
    limit_commands[],
    schedule_commands[],
    schedule_set_commands[],
    migrate_commands[],
    schedule_next_commands[],
    schedule_backup_commands[],
    dead_commands[],
    dead_group_commands[],
    worker_commands[],
    ctl_commands[],
    audit_commands[],
    event_commands[],
    doctor_commands[],
    config_commands[],
    handler_commands[],
    completion_commands[],
    man_commands[],
    version_commands[];
/* clang-format on */

/* All tables, ending with NULL. Commands whose names begin with "__" are for programs, and shown to nobody. */
extern const struct command *const command_tables[];
bool command_is_hidden(const struct command *command);

/* The settings of a command behind those that all have. */
const struct config_setting *command_own_settings(const struct command *command);

/* The first words of all commands ("job", "push"), each once, in the order of the tables, ending with NULL. */
const char *const *command_nouns(void);

/* True if this is the first word of the command's name. */
bool command_is_of(const struct command *command, const char *noun);

/* What was typed. */
struct invocation {
    const struct command *command; /* NULL: help was asked for, or `noun` alone was given */
    const char *noun;              /* first word; NULL if there is none */
    bool help;
    int argc;    /* the rest: the program's name, then flags and arguments of the command */
    char **argv; /* owned (the list, not the words) */
};

/* Finds the command among the words of argv; flags that every command has may stand before and between them. ERR_INVALID, with
 * the nearest known command, for one that is unknown. */
int invocation_read(struct invocation *ret, int argc, char **argv, struct error *err) MUST_CHECK;

/* The command of this name ("job list"); NULL if there is none. */
const struct command *command_find(const char *name);

/* The keys of the configuration file that belong to others than `command`: for config_new. Gives the list, not the words. */
const char **command_known_elsewhere(const struct command *command);

/* Help: of one command; of a noun, or of everything (NULL). */
void command_print_help(const struct command *command, FILE *file);
void command_print_noun(const char *noun, FILE *file);
