#include "common/flags.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "common/nearest.h"

#define HELP_COLUMN 30

/* What every program has. */
const struct config_setting config_builtin[] = {
    {.key = "config",
     .kind = CONFIG_STRING,
     .argument = "FILE",
     .help = "read settings from FILE, else from ./rota.yaml if it is there"},
    {.key = "help", .kind = CONFIG_BOOL, .letter = 'h', .help = "print this help"},
    {.key = "version", .kind = CONFIG_BOOL, .help = "print the version"},
    {0},
};

/* argv being read. */
struct reader {
    struct flags *flags;
    const struct config_setting *settings;
    char **argv;
    int argc, at; /* argv[at] is the flag being read, or its value */
};

const char *flag_name(const struct config_setting *setting, char ret_name[FLAG_NAME_BYTES])
{
    size_t length = strlen(setting->key);

    assert(length < FLAG_NAME_BYTES);
    for (size_t i = 0; i <= length; i++)
        ret_name[i] = setting->key[i] == '.' || setting->key[i] == '_' ? '-' : setting->key[i];
    return ret_name;
}

static bool is_named(const struct config_setting *setting, const char *name)
{
    char own[FLAG_NAME_BYTES];

    return strcmp(flag_name(setting, own), name) == 0 || (setting->flag && strcmp(setting->flag, name) == 0);
}

static const struct config_setting *find_long(const struct config_setting *settings, const char *name)
{
    for (; settings->key; settings++)
        if (is_named(settings, name))
            return settings;
    return NULL;
}

static const struct config_setting *find_letter(const struct config_setting *settings, char letter)
{
    for (; settings->key; settings++)
        if (settings->letter == letter)
            return settings;
    return NULL;
}

const struct config_setting *flag_find(const struct config_setting *settings, const char *typed)
{
    const struct config_setting *tables[] = {settings, config_builtin}, *found = NULL;

    for (int i = 0; i < 2 && !found; i++)
        found = typed[1] == '-'                        ? find_long(tables[i], typed + 2)
                : typed[1] != '\0' && typed[2] == '\0' ? find_letter(tables[i], typed[1])
                                                       : NULL;
    return found;
}

/* The nearest known flag to `name`, which begins with "--". */
static int refuse_unknown(const struct config_setting *settings, const char *name, struct error *err)
{
    const struct config_setting *tables[] = {settings, config_builtin};
    struct nearest nearest = {.word = name};
    char own[FLAG_NAME_BYTES], dashed[FLAG_NAME_BYTES + 2], hint[NEAREST_HINT_BYTES];

    for (int i = 0; i < 2; i++) {
        for (const struct config_setting *setting = tables[i]; setting->key; setting++) {
            snprintf(dashed, sizeof dashed, "--%s", flag_name(setting, own));
            nearest_offer(&nearest, dashed);
            snprintf(dashed, sizeof dashed, "--%s", setting->flag ? setting->flag : own);
            nearest_offer(&nearest, dashed);
        }
    }
    return error_set(err, ERR_INVALID, "unknown flag \"%.80s\"%s", name, nearest_hint(&nearest, hint));
}

/* Takes `name`. */
static void add_given(struct flags *flags, const struct config_setting *setting, char *name, const char *text)
{
    flags->given = memory_resize(flags->given, (flags->given_count + 1) * sizeof *flags->given);
    flags->given[flags->given_count++] = (struct flag){setting, name, text};
}

/* Takes `name`. */
static void add_flag(struct flags *flags, const struct config_setting *setting, char *name, const char *text)
{
    if (setting == &config_builtin[0])
        flags->config = text;
    else if (setting == &config_builtin[1])
        flags->help = true;
    else if (setting == &config_builtin[2])
        flags->version = true;
    else {
        add_given(flags, setting, name, text);
        return;
    }
    free(name);
}

static void add_argument(struct flags *flags, const char *argument)
{
    flags->arguments = memory_resize(flags->arguments, (flags->argument_count + 1) * sizeof *flags->arguments);
    flags->arguments[flags->argument_count++] = argument;
}

/* The value of a flag that has none attached: the next of argv, whatever it looks like. */
static const char *take_value(struct reader *reader, const struct config_setting *setting, const char *name, struct error *err)
{
    if (reader->at + 1 >= reader->argc) {
        error_set(err, ERR_INVALID, "flag %s: needs a value (%s)", name, setting->argument ? setting->argument : "VALUE");
        return NULL;
    }
    return reader->argv[++reader->at];
}

/* --flag, --flag=value, --flag value, --no-flag. */
static int read_long(struct reader *reader, struct error *err)
{
    const char *typed = reader->argv[reader->at], *equals = strchr(typed, '='), *text = equals ? equals + 1 : NULL;
    char *name = memory_copy(typed, equals ? (size_t)(equals - typed) : strlen(typed));
    const struct config_setting *setting = find_long(reader->settings, name + 2);
    int rc = 0;

    if (!setting)
        setting = find_long(config_builtin, name + 2);
    if (!setting && !text && strncmp(name, "--no-", 5) == 0) {
        setting = find_long(reader->settings, name + 5);
        if (setting && setting->kind == CONFIG_BOOL)
            text = "false";
        else
            setting = NULL;
    }
    if (!setting)
        rc = refuse_unknown(reader->settings, name, err);
    else if (!text && setting->kind == CONFIG_BOOL)
        text = "true";
    else if (!text && !(text = take_value(reader, setting, name, err)))
        rc = ERR_INVALID;
    if (rc == 0)
        add_flag(reader->flags, setting, name, text);
    else
        free(name);
    return rc;
}

/* -f, -fvalue, -f value; letters of booleans may stand together. */
static int read_letters(struct reader *reader, struct error *err)
{
    for (const char *letter = reader->argv[reader->at] + 1; *letter; letter++) {
        const struct config_setting *setting = find_letter(reader->settings, *letter);
        const char typed[] = {'-', *letter, '\0'}, *text = "true";
        if (!setting)
            setting = find_letter(config_builtin, *letter);
        if (!setting)
            return error_set(err, ERR_INVALID, "unknown flag \"%s\"", typed);
        if (setting->kind != CONFIG_BOOL)
            text = letter[1] ? letter + 1 : take_value(reader, setting, typed, err);
        if (!text)
            return ERR_INVALID;
        add_flag(reader->flags, setting, memory_string(typed), text);
        if (setting->kind != CONFIG_BOOL)
            break; /* the rest was the value */
    }
    return 0;
}

int flags_read(struct flags *flags, const struct config_setting *settings, int argc, char **argv, struct error *err)
{
    struct reader reader = {flags, settings, argv, argc, 1};
    struct error later = {0};
    bool ended = false;
    int rc = 0;

    for (; reader.at < argc; reader.at++) {
        const char *word = argv[reader.at];
        struct error *told = rc == 0 ? err : &later; /* the first error is told, but --help may still follow */
        int bad = 0;
        if (ended || word[0] != '-' || word[1] == '\0')
            add_argument(flags, word);
        else if (strcmp(word, "--") == 0)
            ended = true;
        else
            bad = word[1] == '-' ? read_long(&reader, told) : read_letters(&reader, told);
        rc = rc == 0 ? bad : rc;
    }
    return flags->help || flags->version ? 0 : rc;
}

void flags_clear(struct flags *flags)
{
    for (size_t i = 0; i < flags->given_count; i++)
        free(flags->given[i].name);
    free(flags->given);
    free(flags->arguments);
    *flags = (struct flags){0};
}

static void print_setting(FILE *file, const struct config_setting *setting)
{
    char name[FLAG_NAME_BYTES], letter[] = {'-', setting->letter, ',', ' ', '\0'};
    bool takes_value = setting->kind != CONFIG_BOOL;
    int width =
        fprintf(file, "  %s--%s%s%s", setting->letter ? letter : "    ", setting->flag ? setting->flag : flag_name(setting, name),
                takes_value ? " " : "", takes_value ? (setting->argument ? setting->argument : "VALUE") : "");

    if (width >= HELP_COLUMN) {
        fprintf(file, "\n");
        width = 0;
    }
    fprintf(file, "%*s%s", HELP_COLUMN - width, "", setting->help ? setting->help : "");
    if (setting->fallback && setting->fallback[0])
        fprintf(file, " (default %s)", setting->fallback);
    fprintf(file, "\n");
}

void config_print_help(const struct config_setting *settings, void *file)
{
    for (const struct config_setting *setting = settings; setting->key; setting++)
        print_setting(file, setting);
    for (const struct config_setting *setting = config_builtin; setting->key; setting++)
        print_setting(file, setting);
}
