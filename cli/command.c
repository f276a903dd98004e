#include "cli/command.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/flags.h"
#include "common/memory.h"
#include "common/nearest.h"

#define HELP_COLUMN 44
#define NOUNS_MAX   64
#define NOUN_BYTES  32

/* clang-format off */
const struct command *const command_tables[] = {
    dev_commands,
    setup_commands,
    push_commands,
    job_commands,
    explain_commands,
    logs_commands,
    job_change_commands,
    edit_commands,
    export_commands,
    org_commands,
    org_change_commands,
    org_delete_commands,
    acl_print_commands,
    usage_commands,
    queue_commands,
    limit_commands,
    schedule_commands,
    schedule_set_commands,
    migrate_commands,
    schedule_next_commands,
    schedule_backup_commands,
    dead_commands,
    dead_group_commands,
    worker_commands,
    ctl_commands,
    audit_commands,
    event_commands,
    doctor_commands,
    config_commands,
    handler_commands,
    stats_commands,
    completion_commands,
    man_commands,
    version_commands,
    NULL,
};
/* clang-format on */

/* Sections of the file that other programs read. */
static const char *const others[] = {"capsules", "handlers", "scheduler", "session", "worker"};
#define OTHERS (sizeof others / sizeof *others)

/* ---- looking up ---- */

static bool is_noun(const char *name, const char *noun)
{
    size_t length = strlen(noun);

    return strncmp(name, noun, length) == 0 && name[length] == ' ';
}

bool command_is_hidden(const struct command *command)
{
    return strncmp(command->name, "__", 2) == 0;
}

bool command_is_of(const struct command *command, const char *noun)
{
    return is_noun(command->name, noun) || strcmp(command->name, noun) == 0;
}

const struct command *command_find(const char *name)
{
    for (const struct command *const *table = command_tables; *table; table++)
        for (const struct command *command = *table; command->name; command++)
            if (strcmp(command->name, name) == 0)
                return command;
    return NULL;
}

static bool noun_exists(const char *noun)
{
    for (const struct command *const *table = command_tables; *table; table++)
        for (const struct command *command = *table; command->name; command++)
            if (is_noun(command->name, noun))
                return true;
    return false;
}

static bool has_word(char *const *words, size_t count, const char *word)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(words[i], word) == 0)
            return true;
    return false;
}

const char *const *command_nouns(void)
{
    static char words[NOUNS_MAX][NOUN_BYTES];
    static char *list[NOUNS_MAX + 1];
    size_t count = 0;

    if (list[0])
        return (const char *const *)list;
    for (const struct command *const *table = command_tables; *table; table++)
        for (const struct command *command = *table; command->name; command++) {
            snprintf(words[count], NOUN_BYTES, "%.*s", (int)strcspn(command->name, " "), command->name);
            if (command_is_hidden(command) || has_word(list, count, words[count]))
                continue;
            assert(count < NOUNS_MAX - 1);
            list[count] = words[count];
            count++;
        }
    return (const char *const *)list;
}

/* Offers each command, or, for a single word, also each noun. */
static int refuse_unknown(const char *typed, struct error *err)
{
    struct nearest nearest = {.word = typed};
    char hint[NEAREST_HINT_BYTES];

    for (const struct command *const *table = command_tables; *table; table++)
        for (const struct command *command = *table; command->name; command++)
            if (!command_is_hidden(command))
                nearest_offer(&nearest, command->name);
    for (const char *const *noun = command_nouns(); *noun && !strchr(typed, ' '); noun++)
        nearest_offer(&nearest, *noun);
    return error_set(err, ERR_INVALID, "unknown command \"%.80s\"%s", typed, nearest_hint(&nearest, hint));
}

/* ---- what was typed ---- */

static const struct config_setting leading[] = {
    SETTINGS_CLI,
    {.key = "config", .kind = CONFIG_STRING},
    {0},
};
#define LEADING (sizeof leading / sizeof *leading - 2)

const struct config_setting *command_own_settings(const struct command *command)
{
    return command->settings + LEADING;
}

static bool is_setting(const struct config_setting *setting, const char *flag, size_t length)
{
    char name[FLAG_NAME_BYTES];

    flag_name(setting, name);
    return (strlen(name) == length && strncmp(name, flag, length) == 0) ||
           (setting->flag && strlen(setting->flag) == length && strncmp(setting->flag, flag, length) == 0);
}

/* True if the value of the flag `word` is the word after it. Only flags that every command has are known here. */
static bool takes_next(const char *word)
{
    for (const struct config_setting *setting = leading; setting->key; setting++) {
        if (setting->kind == CONFIG_BOOL)
            continue;
        if (word[1] == '-' && is_setting(setting, word + 2, strlen(word + 2)))
            return true;
        if (word[1] != '-' && setting->letter && word[1] == setting->letter && word[2] == '\0')
            return true;
    }
    return false;
}

/* The index of the first word of argv[at..] that is no flag; `argc` if there is none. */
static int next_word(int argc, char **argv, int at)
{
    while (at < argc && argv[at][0] == '-') {
        if (strcmp(argv[at], "--") == 0)
            return argc;
        at += takes_next(argv[at]) ? 2 : 1;
    }
    return at < argc ? at : argc;
}

static void take_word(struct invocation *invocation, int index)
{
    memmove(invocation->argv + index, invocation->argv + index + 1,
            sizeof *invocation->argv * (size_t)(invocation->argc - index));
    invocation->argc--;
}

/* The second word of a command of two. Where the first one is a command as well ("audit", "audit log") another word is its
 * argument. */
static int read_verb(struct invocation *invocation, int at, struct error *err)
{
    int index = next_word(invocation->argc, invocation->argv, at);
    const struct command *command;
    char name[160];

    if (index == invocation->argc)
        return 0;
    snprintf(name, sizeof name, "%.60s %.60s", invocation->noun,
             strcmp(invocation->argv[index], "ls") == 0 ? "list" : invocation->argv[index]);
    command = command_find(name);
    if (!command)
        return invocation->command ? 0 : refuse_unknown(name, err);
    invocation->command = command;
    take_word(invocation, index);
    return 0;
}

static int read_words(struct invocation *invocation, struct error *err)
{
    int index = next_word(invocation->argc, invocation->argv, 1);

    if (index < invocation->argc && strcmp(invocation->argv[index], "help") == 0) {
        invocation->help = true;
        take_word(invocation, index);
        index = next_word(invocation->argc, invocation->argv, 1);
    }
    if (index == invocation->argc)
        return 0;
    invocation->noun = invocation->argv[index];
    invocation->command = command_find(invocation->noun);
    if (!invocation->command && !noun_exists(invocation->noun))
        return refuse_unknown(invocation->noun, err);
    take_word(invocation, index);
    return noun_exists(invocation->noun) ? read_verb(invocation, index, err) : 0;
}

int invocation_read(struct invocation *ret, int argc, char **argv, struct error *err)
{
    struct invocation invocation = {.argc = argc, .argv = memory_new(sizeof *argv * (size_t)(argc + 1))};
    int rc;

    memcpy(invocation.argv, argv, sizeof *argv * (size_t)(argc + 1));
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        invocation.help = invocation.help || strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0;
    rc = read_words(&invocation, err);
    if (rc < 0) {
        free(invocation.argv);
        return rc;
    }
    *ret = invocation; /* gives */
    return 0;
}

/* ---- settings of others ---- */

static bool has_key(const struct config_setting *settings, const char *key)
{
    for (; settings->key; settings++)
        if (strcmp(settings->key, key) == 0)
            return true;
    return false;
}

const char **command_known_elsewhere(const struct command *command)
{
    size_t count = OTHERS;
    const char **keys = memory_new(sizeof *keys * (count + 1));

    memcpy(keys, others, sizeof others);
    for (const struct command *const *table = command_tables; *table; table++)
        for (const struct command *other = *table; other->name; other++)
            for (const struct config_setting *setting = other->settings; setting->key; setting++) {
                if (has_key(command->settings, setting->key))
                    continue;
                keys = memory_resize(keys, sizeof *keys * (count + 2));
                keys[count++] = setting->key;
            }
    keys[count] = NULL;
    return keys;
}

/* ---- help ---- */

static void print_line(const struct command *command, FILE *file)
{
    int width = fprintf(file, "  rota %s %s", command->name, command->arguments);

    if (width >= HELP_COLUMN) {
        fprintf(file, "\n");
        width = 0;
    }
    fprintf(file, "%*s%s\n", HELP_COLUMN - width, "", command->help);
}

void command_print_help(const struct command *command, FILE *file)
{
    fprintf(file, "Usage: rota %s %s\n\n%s.\n", command->name, command->arguments, command->help);
    if (command->details)
        fprintf(file, "\n%s\n", command->details);
    fprintf(file, "\nOptions:\n");
    config_print_help(command->settings, file);
}

void command_print_noun(const char *noun, FILE *file)
{
    if (noun)
        fprintf(file, "Usage: rota %s COMMAND\n\n", noun);
    else
        fprintf(file, "Usage: rota COMMAND [ARGUMENTS] [OPTIONS]\n\n"
                      "Jobs of many organizations on Redis. A job is named org/id.\n\n");
    for (const struct command *const *table = command_tables; *table; table++)
        for (const struct command *command = *table; command->name; command++)
            if (!command_is_hidden(command) && (!noun || is_noun(command->name, noun)))
                print_line(command, file);
    fprintf(file, "\nMore: rota COMMAND --help\n");
}
