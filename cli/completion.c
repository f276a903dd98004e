/* `rota completion`, and `rota __complete`, which the scripts of the shells ask. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "cli/connection.h"
#include "cli/orgs.h"
#include "cli/suggest.h"
#include "common/clock.h"
#include "common/flags.h"
#include "common/keys.h"
#include "common/memory.h"
#include "common/tree.h"
#include "completion_bash.h"
#include "completion_fish.h"
#include "completion_zsh.h"

#define BUDGET_MS    200 /* that Redis may take in all */
#define OFFERS_MAX   200
#define SCAN_COUNT   500
#define WORKERS_LOOK 50 /* whose types are offered */

static int completion_command(struct cli *cli, struct error *err)
{
    const char *shell = cli_argument(cli, 0);

    if (strcmp(shell, "bash") == 0)
        fputs(completion_bash, stdout);
    else if (strcmp(shell, "zsh") == 0)
        fputs(completion_zsh, stdout);
    else if (strcmp(shell, "fish") == 0)
        fputs(completion_fish, stdout);
    else
        return cli_usage(cli, err, "shell \"%.40s\" must be bash, zsh or fish", shell);
    return 0;
}

/* ---- asking Redis ---- */

/* What is offered of what Redis knows. */
struct asking {
    struct cli *cli;
    struct suggestion *suggestion;
    const char *skip; /* stands before the part that Redis has: "acme/" */
    int64_t end_mono_ms;
    unsigned offers;
    char cursor[32];
    bool open; /* organizations, of which a job is to follow */
};

static bool may_go_on(const struct asking *asking)
{
    return asking->offers < OFFERS_MAX && clock_mono_ms() < asking->end_mono_ms;
}

static void offer(struct asking *asking, const char *name, const char *about)
{
    char word[JOB_NAME_BYTES_MAX + 2];

    snprintf(word, sizeof word, "%s%s%s", asking->skip, name, asking->open ? "/" : "");
    suggestion_offer(asking->suggestion, word, about);
    asking->offers++;
}

static void on_members(const struct reply *reply, void *ctx)
{
    struct asking *asking = ctx;
    const struct reply *flat = reply_at(reply, 1);

    snprintf(asking->cursor, sizeof asking->cursor, "%s", reply_string(reply_at(reply, 0)));
    for (size_t i = 0; i + 1 < reply_count(flat); i += 2)
        offer(asking, reply_string(reply_at(flat, i)), NULL);
}

/* The members of a sorted set that begin with `typed`, as far as there is time. */
static void offer_set(struct asking *asking, uint32_t lane, const char *set, const char *typed)
{
    struct call call = {0};
    char key[KEY_BYTES_MAX];
    struct error ignored;
    int rc = 0;

    if (strpbrk(typed, "*?[]\\"))
        return;
    snprintf(asking->cursor, sizeof asking->cursor, "0");
    do {
        call_command(&call, "ZSCAN");
        call_add_string(&call, key_in_lane(key, lane, set));
        call_add_string(&call, asking->cursor);
        call_add_string(&call, "MATCH");
        call_add_format(&call, "%s*", typed);
        call_add_string(&call, "COUNT");
        call_add_int(&call, SCAN_COUNT);
        rc = cli_call(asking->cli, &call, on_members, asking, &ignored);
    } while (rc == 0 && strcmp(asking->cursor, "0") != 0 && may_go_on(asking));
    call_clear(&call);
}

static void offer_orgs(struct asking *asking)
{
    for (uint32_t lane = 0; lane < asking->cli->deployment.lanes && may_go_on(asking); lane++)
        offer_set(asking, lane, "orgs", asking->suggestion->word);
}

/* Jobs of the organization whose name was typed up to the slash. */
static void offer_jobs_of(struct asking *asking, const char *org, const char *typed)
{
    static const char *const places[] = {"running", "scheduled", "dead", "cancelled", "done"};
    uint32_t lane = cli_lane(asking->cli, org);
    char set[NAME_BYTES_MAX * 2 + 16];
    struct org_view view = {0};
    struct error ignored;

    if (orgs_look_at(asking->cli, org, &view, &ignored) < 0)
        return;
    for (size_t i = 0; i < view.queue_count && may_go_on(asking); i++) {
        snprintf(set, sizeof set, "org:%s:ready:%s", org, view.queues[i].name);
        offer_set(asking, lane, set, typed);
    }
    for (size_t i = 0; i < sizeof places / sizeof *places && may_go_on(asking); i++) {
        snprintf(set, sizeof set, "org:%s:%s", org, places[i]);
        offer_set(asking, lane, set, typed);
    }
    org_view_clear(&view);
}

static void offer_jobs(struct asking *asking)
{
    const char *slash = strchr(asking->suggestion->word, '/');
    char org[NAME_BYTES_MAX + 1], before[NAME_BYTES_MAX + 2];

    if (!slash) {
        asking->open = true;
        offer_orgs(asking);
    } else if (name_is_valid(asking->suggestion->word, (size_t)(slash - asking->suggestion->word))) {
        snprintf(org, sizeof org, "%.*s", (int)(slash - asking->suggestion->word), asking->suggestion->word);
        snprintf(before, sizeof before, "%s/", org);
        asking->skip = before;
        offer_jobs_of(asking, org, slash + 1);
        asking->skip = "";
    }
}

/* ---- queues, workers, types ---- */

/* Words with spaces between, each once. */
static void collect_words(struct names *names, const char *text)
{
    char word[NAME_BYTES_MAX + TYPE_BYTES_MAX];

    for (const char *at = text + strspn(text, " "); *at; at += strspn(at, " ")) {
        snprintf(word, sizeof word, "%.*s", (int)strcspn(at, " "), at);
        names_add(names, word);
        at += strcspn(at, " ");
    }
}

static void on_words(const struct reply *reply, void *ctx)
{
    collect_words(ctx, reply_string(reply));
}

static void on_names(const struct reply *reply, void *ctx)
{
    for (size_t i = 0; i < reply_count(reply); i++)
        names_add(ctx, reply_string(reply_at(reply, i)));
}

static void read_field(struct cli *cli, const char *key, const char *field, struct names *names)
{
    struct call call = {0};

    call_command(&call, "HGET");
    call_add_string(&call, key);
    call_add_string(&call, field);
    cli_send(cli, &call, on_words, names);
    call_clear(&call);
}

static int read_queues(struct cli *cli, struct names *queues, struct error *err)
{
    char key[KEY_BYTES_MAX];

    for (uint32_t lane = 0; lane < cli->deployment.lanes; lane++)
        read_field(cli, key_in_lane(key, lane, "clock"), "queues", queues);
    return cli_settle(cli, err);
}

static int read_workers(struct cli *cli, struct names *workers, struct error *err)
{
    struct call call = {0};
    int rc;

    call_command(&call, "ZREVRANGE");
    call_add_string(&call, KEY_WORKERS);
    call_add_int(&call, 0);
    call_add_int(&call, WORKERS_LOOK - 1);
    rc = cli_call(cli, &call, on_names, workers, err);
    call_clear(&call);
    return rc;
}

/* The types that workers know; those of the configuration file are there already. */
static int read_types(struct cli *cli, struct names *types, struct error *err)
{
    struct names workers = {0};
    char key[KEY_BYTES_MAX];
    int rc = read_workers(cli, &workers, err);

    for (size_t i = 0; i < workers.count && rc == 0; i++)
        read_field(cli, key_worker(key, workers.items[i]), "types", types);
    names_clear(&workers);
    return rc == 0 ? cli_settle(cli, err) : rc;
}

static void offer_names(struct asking *asking, struct names *names)
{
    names_sort(names);
    for (size_t i = 0; i < names->count && may_go_on(asking); i++)
        if (!strchr(names->items[i], '*'))
            offer(asking, names->items[i], NULL);
}

static void ask(struct asking *asking)
{
    struct names names = {0};
    struct error ignored;

    switch (asking->suggestion->kind) {
    case SUGGEST_NOTHING:
    case SUGGEST_FILES: return;
    case SUGGEST_ORGS: offer_orgs(asking); return;
    case SUGGEST_JOBS: offer_jobs(asking); return;
    case SUGGEST_ORGS_OR_JOBS:
        if (!strchr(asking->suggestion->word, '/'))
            offer_orgs(asking);
        offer_jobs(asking);
        return;
    case SUGGEST_TYPES:
        if (read_types(asking->cli, &names, &ignored) == 0)
            offer_names(asking, &names);
        break;
    case SUGGEST_QUEUES:
        if (read_queues(asking->cli, &names, &ignored) == 0)
            offer_names(asking, &names);
        break;
    case SUGGEST_WORKERS:
        if (read_workers(asking->cli, &names, &ignored) == 0)
            offer_names(asking, &names);
        break;
    }
    names_clear(&names);
}

/* ---- the command ---- */

static void print_offers(struct suggestion *suggestion)
{
    if (suggestion->offers.length)
        fwrite(suggestion->offers.data, 1, suggestion->offers.length, stdout);
    fflush(stdout);
    buffer_reset(&suggestion->offers);
}

/* Whatever Redis does, nobody waits for longer than this at a keyboard. */
static void on_alarm(int number)
{
    (void)number;
    _exit(0);
}

static void limit_time(void)
{
    struct itimerval budget = {.it_value = {.tv_usec = BUDGET_MS * 1000}};

    signal(SIGALRM, on_alarm);
    setitimer(ITIMER_REAL, &budget, NULL);
}

/* The settings of the way to Redis that were typed on the line that is completed: --redis, --config. NULL: as they are. */
static struct config *typed_config(struct cli *cli)
{
    const struct config_setting *table = cli->command->settings;
    const char **elsewhere = command_known_elsewhere(cli->command);
    int count = cli_argument_count(cli), argc = 1;
    char **argv = memory_new(sizeof *argv * ((size_t)count + 2));
    struct config *config;
    struct error ignored;

    argv[0] = (char[]){"rota"};
    for (int i = 0; i < count - 1; i++) {
        char *word = (char *)cli_argument(cli, i);
        char *name = memory_copy(word, strcspn(word, "="));
        const struct config_setting *setting = word[0] == '-' && word[1] ? flag_find(table, name) : NULL;
        if (setting && setting->kind != CONFIG_BOOL &&
            (strncmp(setting->key, "redis.", 6) == 0 || strcmp(setting->key, "config") == 0)) {
            argv[argc++] = word;
            if (!strchr(word, '=') && i + 1 < count - 1)
                argv[argc++] = (char *)cli_argument(cli, ++i);
        }
        free(name);
    }
    config = argc > 1 ? config_new(table, elsewhere, argc, argv, &ignored) : NULL;
    free(argv);
    free(elsewhere);
    return config;
}

static void offer_types_of_file(struct asking *asking)
{
    const struct tree *handlers = config_section(asking->cli->config, "handlers");

    for (size_t i = 0; i < tree_count(handlers) && asking->suggestion->kind == SUGGEST_TYPES; i++)
        if (!strchr(tree_key(tree_at(handlers, i)), '*'))
            offer(asking, tree_key(tree_at(handlers, i)), NULL);
}

static void ask_redis(struct cli *cli, struct suggestion *suggestion)
{
    struct asking asking = {.cli = cli, .suggestion = suggestion, .skip = "", .end_mono_ms = clock_mono_ms() + BUDGET_MS};
    struct config *typed = typed_config(cli), *own = cli->config;
    struct error ignored;

    cli->config = typed ? typed : own;
    offer_types_of_file(&asking);
    print_offers(suggestion);
    limit_time();
    if (cli_connect_to_look(cli, BUDGET_MS, &ignored) == 0)
        ask(&asking);
    print_offers(suggestion);
    cli->config = own;
    config_free(typed);
}

static int complete_command(struct cli *cli, struct error *err)
{
    int count = cli_argument_count(cli);
    char **words = memory_new(sizeof *words * (size_t)(count + 1));
    struct suggestion suggestion;

    (void)err;
    for (int i = 0; i < count; i++)
        words[i] = (char *)cli_argument(cli, i);
    if (count == 0)
        words[count++] = (char[]){""};
    suggest(&suggestion, count, words);
    print_offers(&suggestion);
    if (suggestion.kind == SUGGEST_FILES)
        puts(":files");
    else if (suggestion.kind != SUGGEST_NOTHING)
        ask_redis(cli, &suggestion);
    suggestion_clear(&suggestion);
    free(words);
    return 0;
}

static const struct config_setting plain_settings[] = {SETTINGS_CLI, {0}};

const struct command completion_commands[] = {
    {"completion", "bash|zsh|fish", "Print a script that completes the words of rota in a shell", plain_settings, 1, 1,
     completion_command,
     "cmake --install puts the scripts where the shells look for them. Otherwise, in ~/.bashrc: source <(rota completion bash);\n"
     "in ~/.zshrc: source <(rota completion zsh); for fish: rota completion fish > ~/.config/fish/completions/rota.fish.\n"
     "Organizations, jobs, types, queues and workers are asked of Redis, which has 200 ms for it."},
    {"__complete", "-- WORD...", "Print what could stand there", plain_settings, 0, -1, complete_command, NULL},
    {0},
};
