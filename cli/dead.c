/* `rota dead`: the dead letters. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/change.h"
#include "cli/connection.h"
#include "cli/fetch.h"
#include "cli/listing.h"
#include "cli/orgs.h"

#define CALL_JOBS_MAX 128 /* that one call redrives or deletes */

static const struct column dead_columns[] = {
    {"JOB", "job", COLUMN_TEXT},           {"TYPE", "type", COLUMN_TEXT},
    {"ATTEMPT", "attempt", COLUMN_NUMBER}, {"CRASHES", "crashes", COLUMN_NUMBER},
    {"REASON", "reason", COLUMN_TEXT},     {"DIED", "finished_ms", COLUMN_SINCE},
    {"ERROR", "error", COLUMN_CUT},        {0},
};

static int dead_list(struct cli *cli, struct error *err)
{
    struct listing_options options = {
        .columns = dead_columns,
        .type = config_string(cli->config, "cli.job.type"),
        .queue = "",
        .newest = config_bool(cli->config, "cli.job.newest"),
    };

    for (size_t i = 0; i < LISTING_STATES; i++)
        options.states[i] = strcmp(listing_states[i], "dead") == 0;
    if (cli_connect(cli, false, NULL, err) < 0)
        return err->code;
    listing_read_find(cli, &options);
    return listing_print(cli, &options, err);
}

/* ---- choosing ---- */

/* The jobs to change: names org/id, those of one organization together. */
struct choice {
    struct cli *cli;
    struct names jobs;
    const char *type;
    int64_t until_ms; /* those that die again meanwhile are left alone */
};

static bool choose(const struct job *job, void *ctx)
{
    struct choice *choice = ctx;
    char name[JOB_NAME_BYTES_MAX + 1];

    if (job->score > choice->until_ms || (choice->type[0] && strcmp(job->record.type, choice->type) != 0))
        return true;
    snprintf(name, sizeof name, "%s/%s", job->org, job->id);
    names_add(&choice->jobs, name);
    return true;
}

static int choose_org(struct choice *choice, const char *org, struct error *err)
{
    bool ended;

    return fetch_set(choice->cli, org, "dead", 0, false, choose, choice, &ended, err);
}

/* A job that was named must be dead: deleting would take others, too. */
static int choose_job(struct choice *choice, const char *name, struct error *err)
{
    char org[NAME_BYTES_MAX + 1], id[JOB_ID_BYTES_MAX + 1];
    struct fetched fetched;

    if (cli_job(choice->cli, name, org, id, err) < 0)
        return err->code;
    if (fetch_job(choice->cli, org, id, &fetched, err) < 0) {
        if (err->code != ERR_NOT_FOUND)
            return err->code;
        cli_complain(choice->cli, EX_NOINPUT, "%s", err->message);
        return 0;
    }
    if (strcmp(fetched.job.place, "dead") == 0)
        names_add(&choice->jobs, name);
    else
        cli_complain(choice->cli, EXIT_FAILED, "job %s is not dead: it is %s", name, fetched.job.place);
    fetched_clear(&fetched);
    return 0;
}

static int choose_all_orgs(struct choice *choice, struct error *err)
{
    struct names orgs = {0};
    int rc = orgs_find(choice->cli, &orgs, err);

    for (size_t i = 0; i < orgs.count && rc == 0; i++)
        rc = choose_org(choice, orgs.items[i], err);
    names_clear(&orgs);
    return rc;
}

/* Jobs and organizations that were given as arguments, or --all-orgs. *ret_bulk: whole organizations are among them. */
static int choose_given(struct choice *choice, bool *ret_bulk, struct error *err)
{
    struct cli *cli = choice->cli;
    bool all = config_bool(cli->config, "cli.dead.all-orgs");
    int rc = 0, count = cli_argument_count(cli);

    if (all == (count > 0))
        return cli_usage(cli, err, all ? "say either --all-orgs or names" : "say which: ORG, JOB or --all-orgs");
    for (int i = 0; i < count; i++)
        if (!strchr(cli_argument(cli, i), '/') && cli_org(cli, cli_argument(cli, i), err) < 0)
            return err->code;
    if (cli_connect(cli, false, NULL, err) < 0)
        return err->code;
    choice->until_ms = cli_now_ms(cli);
    *ret_bulk = all;
    if (all)
        return choose_all_orgs(choice, err);
    for (int i = 0; i < count && rc == 0; i++) {
        bool is_job = strchr(cli_argument(cli, i), '/') != NULL;
        *ret_bulk = *ret_bulk || !is_job;
        rc = is_job ? choose_job(choice, cli_argument(cli, i), err) : choose_org(choice, cli_argument(cli, i), err);
    }
    return rc;
}

/* ---- changing ---- */

struct tally {
    int64_t changed, others; /* those that were not dead any more, or gone */
};

static void on_answers(const struct reply *reply, void *ctx)
{
    struct tally *tally = ctx;

    for (size_t i = 0; i < reply_count(reply); i++) {
        bool changed = reply_is(reply_at(reply, i), "ready") || reply_is(reply_at(reply, i), "deleted");
        tally->changed += changed;
        tally->others += !changed;
    }
}

/* Calls `function` for jobs[from..], as many as are of one organization and fit into a call; how many these are. */
static size_t change_some(struct choice *choice, const char *function, size_t from, struct tally *tally)
{
    const char *first = choice->jobs.items[from];
    size_t org_bytes = strcspn(first, "/") + 1, count = 0;
    char org[NAME_BYTES_MAX + 1];
    struct call call = {0};

    snprintf(org, sizeof org, "%.*s", (int)org_bytes - 1, first);
    change_begin(&call, function, cli_lane(choice->cli, org));
    call_add_string(&call, org);
    while (from + count < choice->jobs.count && count < CALL_JOBS_MAX &&
           strncmp(choice->jobs.items[from + count], first, org_bytes) == 0)
        call_add_string(&call, choice->jobs.items[from + count++] + org_bytes);
    cli_send(choice->cli, &call, on_answers, tally);
    call_clear(&call);
    return count;
}

static int change_chosen(struct choice *choice, const char *function, const char *done, struct error *err)
{
    struct cli *cli = choice->cli;
    struct tally tally = {0};

    for (size_t from = 0; from < choice->jobs.count;)
        from += change_some(choice, function, from, &tally);
    if (cli_settle(cli, err) < 0)
        return err->code;
    if (cli->output.format != OUTPUT_TABLE)
        output_object(&cli->output,
                      json_pack("{s:I, s:I}", done, (json_int_t)tally.changed, "not_dead", (json_int_t)tally.others), NULL);
    cli_note(cli, "%s %lld dead job%s%s", done, (long long)tally.changed, tally.changed == 1 ? "" : "s",
             strcmp(function, "delete") == 0 ? ": this cannot be undone" : ". Undo one: rota job cancel JOB");
    if (tally.others > 0)
        cli_note(cli, "%lld were not dead any more", (long long)tally.others);
    return 0;
}

/* What was chosen, and nothing else. */
static void tell_chosen(const struct choice *choice, const char *verb)
{
    struct changes *changes = changes_new(choice->cli);
    char answer[ANSWER_BYTES];

    snprintf(answer, sizeof answer, "would_%s", verb);
    for (size_t i = 0; i < choice->jobs.count; i++) {
        changes_add(changes, choice->jobs.items[i], answer);
        if (choice->cli->output.format == OUTPUT_TABLE)
            puts(choice->jobs.items[i]);
    }
    changes_end(changes);
    cli_note(choice->cli, "would %s %zu dead job%s", verb, choice->jobs.count, choice->jobs.count == 1 ? "" : "s");
}

static int change_dead(struct cli *cli, const char *function, const char *verb, const char *done, struct error *err)
{
    struct choice choice = {.cli = cli, .type = config_string(cli->config, "cli.job.type")};
    bool bulk = false, deletes = strcmp(function, "delete") == 0;
    int rc = choose_given(&choice, &bulk, err);

    if (rc == 0 && config_bool(cli->config, "cli.dry-run")) {
        tell_chosen(&choice, verb);
        names_clear(&choice.jobs);
        return 0;
    }
    if (rc == 0 && choice.jobs.count > 0 && (bulk || deletes) &&
        !cli_confirm(cli, err, "%s %zu dead job%s%s", verb, choice.jobs.count, choice.jobs.count == 1 ? "" : "s",
                     deletes ? ", which cannot be undone" : ""))
        rc = err->code;
    if (rc == 0)
        rc = change_chosen(&choice, function, done, err);
    names_clear(&choice.jobs);
    return rc;
}

static int dead_redrive(struct cli *cli, struct error *err)
{
    return change_dead(cli, "redrive", "redrive", "redriven", err);
}

static int dead_purge(struct cli *cli, struct error *err)
{
    return change_dead(cli, "delete", "delete", "deleted", err);
}

static const struct config_setting list_settings[] = {SETTINGS_CLI, SETTINGS_LISTING, SETTINGS_FIND, {0}};
static const struct config_setting change_settings[] = {
    SETTINGS_CLI,
    SETTING_YES,
    SETTING_DRY_RUN,
    FLAG_TEXT("cli.job.", "type", "TYPE", TYPE_BYTES_MAX, "of organizations: jobs of one type"),
    FLAG_BOOL("cli.dead.", "all-orgs", 0, "of all organizations"),
    {0},
};

const struct command dead_commands[] = {
    {"dead list", "[ORG]...", "List dead jobs, the oldest first", list_settings, 0, -1, dead_list, NULL},
    {"dead redrive", "ORG|JOB...|--all-orgs", "Make dead jobs ready again", change_settings, 0, -1, dead_redrive, NULL},
    {"dead purge", "ORG|JOB...|--all-orgs", "Delete dead jobs", change_settings, 0, -1, dead_purge, NULL},
    {0},
};
