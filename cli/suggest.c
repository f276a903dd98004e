#include "cli/suggest.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "common/flags.h"
#include "common/id.h"
#include "common/memory.h"

#define METAVAR_BYTES 64

/* What names of arguments stand for, in the table as in the flags. */
static const struct {
    const char *name;
    enum suggest_kind kind;
} metavars[] = {
    {"ORG", SUGGEST_ORGS},     {"JOB", SUGGEST_JOBS},       {"ORG/ID", SUGGEST_JOBS}, {"TYPE", SUGGEST_TYPES},
    {"QUEUE", SUGGEST_QUEUES}, {"WORKER", SUGGEST_WORKERS}, {"FILE", SUGGEST_FILES},  {"DIR", SUGGEST_FILES},
};
#define METAVARS (sizeof metavars / sizeof *metavars)

void suggestion_offer(struct suggestion *suggestion, const char *word, const char *about)
{
    if (strncmp(word, suggestion->word, strlen(suggestion->word)) == 0 && !strpbrk(word, "\n\t"))
        buffer_add_format(&suggestion->offers, "%s%s\t%s\n", suggestion->before, word, about ? about : "");
}

void suggestion_clear(struct suggestion *suggestion)
{
    buffer_clear(&suggestion->offers);
    *suggestion = (struct suggestion){0};
}

/* ---- commands ---- */

/* What a first word is about: the help of the command, or the verbs of the noun. */
static void describe_noun(const char *noun, char *ret, size_t size)
{
    const struct command *whole = command_find(noun);
    size_t length = 0;

    snprintf(ret, size, "%s", whole ? whole->help : "");
    for (const struct command *const *table = command_tables; *table && !whole; table++)
        for (const struct command *command = *table; command->name && length < size; command++)
            if (command_is_of(command, noun))
                length +=
                    (size_t)snprintf(ret + length, size - length, "%s%s", length ? ", " : "", command->name + strlen(noun) + 1);
}

static void offer_nouns(struct suggestion *suggestion)
{
    char about[160];

    for (const char *const *noun = command_nouns(); *noun; noun++) {
        describe_noun(*noun, about, sizeof about);
        suggestion_offer(suggestion, *noun, about);
    }
    suggestion_offer(suggestion, "help", "Explain a command");
}

static void offer_verbs(struct suggestion *suggestion, const char *noun)
{
    for (const struct command *const *table = command_tables; *table; table++)
        for (const struct command *command = *table; command->name; command++)
            if (command_is_of(command, noun) && strlen(command->name) > strlen(noun))
                suggestion_offer(suggestion, command->name + strlen(noun) + 1, command->help);
}

/* ---- flags ---- */

static void offer_flags_of(struct suggestion *suggestion, const struct config_setting *setting)
{
    char dashed[FLAG_NAME_BYTES + 2] = "--", letter[] = "-x";

    for (; setting->key; setting++) {
        if (setting->flag)
            snprintf(dashed + 2, sizeof dashed - 2, "%s", setting->flag);
        else
            flag_name(setting, dashed + 2);
        letter[1] = setting->letter;
        suggestion_offer(suggestion, dashed, setting->help);
        if (setting->letter && strcmp(suggestion->word, letter) == 0)
            suggestion_offer(suggestion, letter, setting->help);
    }
}

static void offer_flags(struct suggestion *suggestion, const struct command *command)
{
    offer_flags_of(suggestion, command ? command->settings : version_commands->settings);
    offer_flags_of(suggestion, config_builtin);
}

/* ---- values ---- */

/* Words of a list with any of " |" between them. */
static void offer_words(struct suggestion *suggestion, const char *words)
{
    char word[METAVAR_BYTES];

    for (const char *at = words + strspn(words, " |"); *at; at += strspn(at, " |")) {
        size_t length = strcspn(at, " |");
        snprintf(word, sizeof word, "%.*s", (int)length, at);
        suggestion_offer(suggestion, word, NULL);
        at += length;
    }
}

/* What a name such as "ORG|JOB" stands for: alternatives in small letters are words to be typed, those with a dash are flags. */
static void offer_metavar(struct suggestion *suggestion, const char *name)
{
    char word[METAVAR_BYTES];
    unsigned kinds = 0;

    for (const char *at = name; *at; at += strspn(at, "|")) {
        size_t length = strcspn(at, "|");
        snprintf(word, sizeof word, "%.*s", (int)length, at);
        for (size_t i = 0; i < METAVARS; i++)
            if (strcmp(word, metavars[i].name) == 0) {
                suggestion->kind = metavars[i].kind;
                kinds |= 1U << metavars[i].kind;
            }
        if (word[0] >= 'a' && word[0] <= 'z')
            suggestion_offer(suggestion, word, NULL);
        at += length;
    }
    if (kinds == (1U << SUGGEST_ORGS | 1U << SUGGEST_JOBS))
        suggestion->kind = SUGGEST_ORGS_OR_JOBS;
}

static void offer_value(struct suggestion *suggestion, const struct config_setting *setting)
{
    if (setting->words)
        offer_words(suggestion, setting->words);
    else if (setting->kind == CONFIG_BOOL)
        offer_words(suggestion, "true false");
    else if (setting->argument)
        offer_metavar(suggestion, setting->argument);
}

/* The value behind "--flag=". */
static void offer_attached(struct suggestion *suggestion, const struct command *command)
{
    const char *equals = strchr(suggestion->word, '=');
    const struct config_setting *setting;
    char *typed;

    if (!equals || (size_t)(equals + 1 - suggestion->word) >= sizeof suggestion->before)
        return;
    typed = memory_copy(suggestion->word, (size_t)(equals - suggestion->word));
    setting = flag_find(command ? command->settings : version_commands->settings, typed);
    snprintf(suggestion->before, sizeof suggestion->before, "%s=", typed);
    suggestion->word = equals + 1;
    if (setting)
        offer_value(suggestion, setting);
    free(typed);
}

/* ---- arguments ---- */

/* The name of argument `index` in "ORG TYPE [PAYLOAD|-]"; of several forms the first one counts, and what has "..." goes on. */
static void argument_name(const char *arguments, int index, char ret[METAVAR_BYTES])
{
    const char *form_end = strstr(arguments, " | "), *at = arguments;
    size_t out = 0;

    ret[0] = '\0';
    for (int i = 0; *at && at != form_end; i++) {
        const char *end = at + strcspn(at, " ");
        const char *dots = strstr(at, "...");
        bool repeats = dots && dots < end;
        if (i == index || repeats) {
            for (; at < end && out < METAVAR_BYTES - 1; at++)
                if (!strchr("[].", *at))
                    ret[out++] = *at;
            ret[out] = '\0';
            return;
        }
        at = end + (*end == ' ' && end != form_end);
    }
}

/* The words of the command behind its name. */
static void offer_in_command(struct suggestion *suggestion, const struct invocation *typed)
{
    const struct config_setting *expects = NULL;
    bool ended = false;
    int arguments = 0;
    char name[METAVAR_BYTES];

    for (int i = 1; i < typed->argc; i++) {
        const char *word = typed->argv[i];
        if (expects) {
            expects = NULL;
        } else if (ended || word[0] != '-' || word[1] == '\0') {
            if (arguments++ == 0 && name_is_valid(word, strlen(word)))
                suggestion->org = word;
        } else if (strcmp(word, "--") == 0) {
            ended = true;
        } else {
            expects = strchr(word, '=') ? NULL : flag_find(typed->command->settings, word);
            expects = expects && expects->kind != CONFIG_BOOL ? expects : NULL;
        }
    }
    argument_name(typed->command->arguments, arguments, name);
    if (expects)
        offer_value(suggestion, expects);
    else if (!ended && suggestion->word[0] == '-' && strchr(suggestion->word, '='))
        offer_attached(suggestion, typed->command);
    else if (!ended && suggestion->word[0] == '-')
        offer_flags(suggestion, typed->command);
    else
        offer_metavar(suggestion, name);
    if (arguments == 0 && !expects && strcmp(typed->command->name, typed->noun) == 0) /* it may be a noun as well */
        offer_verbs(suggestion, typed->noun);
}

void suggest(struct suggestion *ret, int count, char **words)
{
    char **argv = memory_new(sizeof *argv * ((size_t)count + 1));
    const struct config_setting *flag = NULL;
    struct invocation typed;
    struct error ignored;

    *ret = (struct suggestion){.word = words[count - 1]};
    argv[0] = (char[]){"rota"};
    memcpy(argv + 1, words, sizeof *argv * (size_t)(count - 1));
    argv[count] = NULL;
    if (count > 1 && words[count - 2][0] == '-' && !strchr(words[count - 2], '='))
        flag = flag_find(version_commands->settings, words[count - 2]);
    if (invocation_read(&typed, count, argv, &ignored) == 0) {
        if (typed.command)
            offer_in_command(ret, &typed);
        else if (flag && flag->kind != CONFIG_BOOL)
            offer_value(ret, flag);
        else if (ret->word[0] == '-' && strchr(ret->word, '='))
            offer_attached(ret, NULL);
        else if (ret->word[0] == '-')
            offer_flags(ret, NULL);
        else if (typed.noun)
            offer_verbs(ret, typed.noun);
        else
            offer_nouns(ret);
        free(typed.argv);
    }
    free(argv);
}
