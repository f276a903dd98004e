/* `rota config`: the settings of all programs, as the file, the environment and the defaults have them. Never asks Redis. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "common/buffer.h"
#include "common/capsule_plan.h"
#include "common/handler_file.h"
#include "common/handler_keys.h"
#include "common/memory.h"
#include "common/redis_url.h"
#include "common/session.h"
#include "common/tree.h"

/* ---- everything that the file may say ---- */

/* What stands there, read by all programs at once. */
struct whole {
    struct config_setting *settings; /* of all tables, each key once */
    struct config *config;
    struct capsule_plans capsules;
    struct handlers handlers;
};

static void whole_clear(struct whole *whole)
{
    handlers_clear(&whole->handlers);
    config_free(whole->config);
    free(whole->settings);
}

/* Adds what is new of `table`. Their flags are not typed here, so that letters may clash. */
static size_t add_table(struct config_setting **all, size_t count, const struct config_setting *table)
{
    for (; table->key; table++) {
        bool known = false;
        for (size_t i = 0; i < count; i++)
            known = known || strcmp((*all)[i].key, table->key) == 0;
        if (known)
            continue;
        *all = memory_resize(*all, sizeof **all * (count + 2));
        (*all)[count] = *table;
        (*all)[count++].letter = 0;
    }
    return count;
}

static struct config_setting *all_settings(void)
{
    struct config_setting *all = NULL;
    size_t count = add_table(&all, 0, settings_worker);

    count = add_table(&all, count, settings_scheduler);
    for (const struct command *const *table = command_tables; *table; table++)
        for (const struct command *command = *table; command->name; command++)
            count = add_table(&all, count, command->settings);
    assert(all);
    all[count] = (struct config_setting){0};
    return all;
}

/* What no table tells: the programs would refuse it at their start. */
static int check_meaning(struct whole *whole, struct error *err)
{
    const struct config *config = whole->config;
    struct deployment_options deployment;
    struct redis_url url;

    if (settings_log(config, "rota", err) < 0 || settings_deployment(config, &deployment, err) < 0)
        return err->code;
    if (redis_url_parse(&url, config_string(config, "redis.url"), err) < 0)
        return error_wrap(err, "redis.url (%s)", config_origin(config, "redis.url"));
    redis_url_clear(&url);
    if (session_check(config_integer(config, "session.timeout"), config_integer(config, "session.beat"), err) < 0)
        return error_wrap(err, "session");
    if (session_check(config_integer(config, "scheduler.session.timeout"), config_integer(config, "scheduler.session.beat"),
                      err) < 0)
        return error_wrap(err, "scheduler.session");
    if (capsule_plans_read(&whole->capsules, config, err) < 0)
        return err->code;
    return handlers_read_config(&whole->handlers, config, err);
}

/* False, and nothing is held, if something is wrong with it. */
static bool read_whole(struct cli *cli, struct whole *whole, struct error *err)
{
    static const char *const sections[] = {"capsules", "handlers", NULL};
    const char *file = config_file(cli->config);
    char *argv[] = {(char[]){"rota"}, (char[]){"--config"}, (char *)(uintptr_t)file, NULL};

    *whole = (struct whole){.settings = all_settings()};
    whole->config = config_new(whole->settings, sections, file ? 3 : 1, argv, err);
    if (whole->config && check_meaning(whole, err) == 0)
        return true;
    whole_clear(whole);
    cli->failure_status = EX_CONFIG;
    cli_hint(cli, "rota config example");
    return false;
}

static int check_command(struct cli *cli, struct error *err)
{
    struct whole whole;
    const char *file;
    size_t given = 0;

    if (!read_whole(cli, &whole, err))
        return err->code;
    file = config_file(whole.config);
    for (const struct config_setting *setting = whole.settings; setting->key; setting++)
        given += strcmp(config_origin(whole.config, setting->key), "default") != 0;
    if (cli->output.format == OUTPUT_TABLE)
        printf("%s: understood. %zu settings are given, %zu handlers; %zu capsule%s with %u slots\n",
               file ? file : "no configuration file", given, whole.handlers.count, whole.capsules.count,
               whole.capsules.count == 1 ? "" : "s", whole.capsules.slots);
    else
        output_object(&cli->output,
                      json_pack("{s:o, s:I, s:I, s:I, s:I}", "file", output_text_or_null(file), "settings", (json_int_t)given,
                                "handlers", (json_int_t)whole.handlers.count, "capsules", (json_int_t)whole.capsules.count,
                                "slots", (json_int_t)whole.capsules.slots),
                      NULL);
    whole_clear(&whole);
    return 0;
}

/* ---- show ---- */

static void show(struct list *list, const char *key, const char *value, const char *origin)
{
    list_add(list, json_pack("{s:s, s:s, s:s}", "key", key, "value", value, "origin", origin));
}

/* The value as text; passwords are left out. Gives. */
static char *value_of(const struct config *config, const struct config_setting *setting)
{
    struct buffer joined = {0};

    if (strcmp(setting->key, "redis.url") == 0)
        return redis_url_without_password(config_string(config, setting->key));
    if (setting->kind == CONFIG_BOOL)
        return memory_string(config_bool(config, setting->key) ? "true" : "false");
    if (setting->kind != CONFIG_LIST)
        return memory_string(config_string(config, setting->key));
    for (size_t i = 0; i < config_list_count(config, setting->key); i++)
        buffer_add_format(&joined, "%s%s", i ? ", " : "", config_list_at(config, setting->key, i));
    return buffer_give(&joined);
}

/* Flags of single commands stand under cli, too; they are of interest only where somebody has set them. */
static bool is_flag_of_one_command(const struct config_setting *setting)
{
    return strncmp(setting->key, "cli.", 4) == 0 && strchr(setting->key + 4, '.');
}

static void show_settings(struct cli *cli, const struct whole *whole, struct list *list)
{
    for (const struct config_setting *setting = whole->settings; setting->key; setting++) {
        const struct config *config = whole->config;
        bool of_one = is_flag_of_one_command(setting);
        for (const struct config_setting *common = cli->command->settings; common->key && !of_one;
             common++) /* a flag typed here wins */
            if (strcmp(common->key, setting->key) == 0 && strncmp(config_origin(cli->config, common->key), "flag ", 5) == 0)
                config = cli->config;
        if (of_one && strcmp(config_origin(config, setting->key), "default") == 0)
            continue;
        char *value = value_of(config, setting);
        show(list, setting->key, value, config_origin(config, setting->key));
        free(value);
    }
}

static void show_capsules(const struct whole *whole, struct list *list)
{
    const struct tree *section = config_section(whole->config, "capsules");

    for (size_t i = 0; i < whole->capsules.count; i++) {
        const struct capsule_plan *plan = &whole->capsules.items[i];
        const struct tree *node = tree_find(section, plan->name);
        struct buffer queues = {0};
        char *key = memory_format("capsules.%s.slots", plan->name), *slots = memory_format("%u", plan->slots);
        show(list, key, slots, node ? tree_place(node) : config_origin(whole->config, "worker.slots"));
        free(key);
        free(slots);
        key = memory_format("capsules.%s.queues", plan->name);
        for (size_t q = 0; q < plan->queue_count; q++)
            buffer_add_format(&queues, "%s%s=%u", q ? ", " : "", plan->queues[q].name, plan->queues[q].weight);
        show(list, key, queues.data, node ? tree_place(node) : config_origin(whole->config, "worker.queues"));
        buffer_clear(&queues);
        free(key);
    }
}

/* Where `key` of a handler stands: "rota.yaml:3", or NULL. `node`: its entry, a map or just the command. */
static const char *place_of(const struct tree *node, const char *key)
{
    const char *dot = strchr(key, '.');
    const struct tree *found = tree_find(node, key);
    char *section;

    if (tree_kind(node) != TREE_MAP)
        return node && strcmp(key, "command") == 0 ? tree_place(node) : NULL;
    if (!found && dot) {
        section = memory_copy(key, (size_t)(dot - key));
        found = tree_find(tree_find(node, section), dot + 1);
        free(section);
    }
    return tree_kind(found) != TREE_NOTHING ? tree_place(found) : NULL;
}

static void show_handlers(const struct whole *whole, struct list *list)
{
    const struct tree *section = config_section(whole->config, "handlers");

    for (size_t i = 0; i < whole->handlers.count; i++) {
        const struct handler *handler = whole->handlers.items[i];
        const struct tree *node = tree_find(section, handler->type);
        for (const struct handler_key *key = handler_keys; key->name; key++) {
            const char *place = place_of(node, key->name);
            struct buffer value = {0};
            char *name = memory_format("handlers.%s.%s", handler->type, key->name);
            if (!place)
                place = !node && key == handler_keys ? config_origin(whole->config, "worker.on") : "default";
            handler_format(&value, handler, key, false);
            if (value.length)
                show(list, name, value.data, place);
            buffer_clear(&value);
            free(name);
        }
    }
}

static int show_command(struct cli *cli, struct error *err)
{
    static const struct column with_origin[] = {
        {"SETTING", "key", COLUMN_TEXT}, {"VALUE", "value", COLUMN_BYTES}, {"ORIGIN", "origin", COLUMN_TEXT}, {0}};
    static const struct column columns[] = {{"SETTING", "key", COLUMN_TEXT}, {"VALUE", "value", COLUMN_BYTES}, {0}};
    struct whole whole;
    struct list *list;

    if (!read_whole(cli, &whole, err))
        return err->code;
    list = list_new(&cli->output, config_bool(cli->config, "cli.config.origin") ? with_origin : columns);
    show_settings(cli, &whole, list);
    show_capsules(&whole, list);
    show_handlers(&whole, list);
    list_end(list);
    whole_clear(&whole);
    return 0;
}

/* ---- example ---- */

static void print_setting(const struct config_setting *setting)
{
    const char *rest = strchr(setting->key, '.') + 1;
    bool has_default = setting->fallback && setting->fallback[0];

    printf("  # %s\n", setting->help);
    if (setting->kind == CONFIG_BOOL)
        printf("  %s: %s\n", rest, has_default ? setting->fallback : "false");
    else if (setting->kind == CONFIG_LIST && has_default)
        printf("  %s: [%s]\n", rest, setting->fallback);
    else
        printf("  %s:%s%s\n", rest, has_default ? " " : "", has_default ? setting->fallback : "");
}

/* The first part of a key: as long as it stays the same the settings are of one section. */
static bool is_same_section(const char *one, const char *other)
{
    size_t length = strcspn(one, ".");

    return strncmp(one, other, length + 1) == 0;
}

static void print_capsules(void)
{
    printf("\n# Slots with queues of their own, instead of worker.slots and worker.queues\n#capsules:\n  #critical:\n");
    for (const struct capsule_key *key = capsule_keys; key->name; key++)
        printf("    # %s: %s\n    #%s: %s\n", key->range, key->help, key->name, key->example);
    printf("  #single:\n    #slots: 1\n    #queues: [reports]\n");
}

static void print_handlers(void)
{
    printf("\n# What runs the jobs of a type; * is for those that have no handler of their own\nhandlers:\n"
           "  word-count: wc -w\n  thumbnail:\n");
    for (const struct handler_key *key = handler_keys; key->name; key++) {
        struct buffer range = {0};
        bool active = key->fallback || key->kind == HANDLER_COMMAND;
        handler_format_range(&range, key);
        printf("    # %s%s%s\n", range.length ? range.data : "", range.length ? ": " : "", key->help);
        printf("    %s%s: %s\n", active ? "" : "#", key->name, key->fallback ? key->fallback : key->example);
        buffer_clear(&range);
    }
}

static int example_command(struct cli *cli, struct error *err)
{
    struct config_setting *all = all_settings();
    const char *before = "";

    (void)cli, (void)err;
    printf("# rota.yaml: what the programs of Rota are told, with the defaults.\n"
           "# A flag wins over a variable (ROTA_REDIS_URL for redis.url), a variable over this file.\n"
           "# A value left empty is not given. Remove the mark from #name: to give it.\n");
    for (const struct config_setting *setting = all; setting->key; setting++) {
        if (strncmp(setting->key, "cli.", 4) == 0)
            continue;
        if (!is_same_section(setting->key, before))
            printf("\n%.*s:\n", (int)strcspn(setting->key, "."), setting->key);
        before = setting->key;
        print_setting(setting);
    }
    printf("\n# How the command line answers; flags of its commands may stand here, too, as in push.queue\ncli:\n");
    for (const struct config_setting *setting = all; setting->key; setting++)
        if (strncmp(setting->key, "cli.", 4) == 0 && !is_flag_of_one_command(setting))
            print_setting(setting);
    print_capsules();
    print_handlers();
    free(all);
    return 0;
}

static const struct config_setting plain_settings[] = {SETTINGS_CLI, {0}};
static const struct config_setting show_settings_table[] = {
    SETTINGS_CLI, FLAG_BOOL("cli.config.", "origin", 0, "also where each value comes from"), {0}};

const struct command config_commands[] = {
    {"config check", "", "Check the configuration file, without asking Redis", plain_settings, 0, 0, check_command, NULL},
    {"config show", "", "Show all settings of all programs", show_settings_table, 0, 0, show_command,
     "Passwords in the URL and values of env are left out."},
    {"config example", "", "Print a configuration file with everything that may stand in it", plain_settings, 0, 0,
     example_command, NULL},
    {0},
};
