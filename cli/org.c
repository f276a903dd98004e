/* `rota org list`, `rota org show`. */
#include <stdio.h>
#include <string.h>

#include "cli/connection.h"
#include "cli/org_settings.h"
#include "cli/orgs.h"
#include "cli/paging.h"

static const struct column org_columns[] = {
    {"ORG", "org", COLUMN_TEXT},           {"STATE", "state", COLUMN_TEXT},
    {"READY", "ready", COLUMN_NUMBER},     {"WAITING", "waiting", COLUMN_NUMBER},
    {"RUNNING", "running", COLUMN_NUMBER}, {"SCHEDULED", "scheduled", COLUMN_NUMBER},
    {"DEAD", "dead", COLUMN_NUMBER},       {"OLDEST WAIT", "oldest_wait_ms", COLUMN_FOR},
    {"WEIGHT", "weight", COLUMN_NUMBER},   {0},
};

/* A listing under way. */
struct listing {
    struct cli *cli;
    struct list *list;
};

static int show_listed(struct org_view *org, void *ctx, struct error *err)
{
    struct listing *listing = ctx;

    (void)err;
    if (org->exists)
        list_add(listing->list, org_view_to_json(org, cli_now_ms(listing->cli)));
    else
        cli_complain(listing->cli, EX_NOINPUT, "there is no organization %s", org->name);
    return 0;
}

static int org_list(struct cli *cli, struct error *err)
{
    struct listing listing = {.cli = cli};
    struct names all = {0}, names;
    int rc = orgs_page(cli, &all, &names, err);

    if (rc == 0) {
        listing.list = list_new(&cli->output, org_columns);
        rc = orgs_look(cli, &names, true, show_listed, &listing, err);
        list_end(listing.list);
    }
    if (rc == 0)
        orgs_page_end(cli, &all, &names);
    names_clear(&all);
    return rc;
}

/* ---- show ---- */

static const struct column show_columns[] = {
    {"org", "org", COLUMN_TEXT},
    {"state", "state", COLUMN_TEXT},
    {"paused by", "paused_by", COLUMN_TEXT},
    {"paused since", "paused_ms", COLUMN_TIME},
    {"ready", "ready", COLUMN_TEXT},
    {"waiting for limits", "waiting", COLUMN_TEXT},
    {"running", "running", COLUMN_TEXT},
    {"scheduled", "scheduled", COLUMN_TEXT},
    {"next due", "next_due_ms", COLUMN_TIME},
    {"dead", "dead", COLUMN_TEXT},
    {"done", "done", COLUMN_TEXT},
    {"cancelled", "cancelled", COLUMN_TEXT},
    {"oldest wait", "oldest_wait_ms", COLUMN_FOR},
    {"in its inbox", "private_inbox_entries", COLUMN_TEXT},
    {0},
};

static const struct column queue_columns[] = {
    {"QUEUE", "queue", COLUMN_TEXT},
    {"READY", "ready", COLUMN_NUMBER},
    {"CAN BE SERVED", "active", COLUMN_TEXT},
    {"RATE-LIMITED", "parked_until_ms", COLUMN_SINCE},
    {0},
};

static void print_settings(const struct org_view *org)
{
    char text[ORG_VALUE_BYTES];

    printf("\n");
    for (const struct org_setting *setting = org_settings; setting->field; setting++) {
        const char *value = org_view_field(org, setting->field);
        printf("%-18s %s%s\n", setting->flag, org_setting_format(setting, value, text), value ? "" : " (default)");
    }
}

static void print_queues(struct cli *cli, json_t *queues)
{
    struct list *list;

    if (json_array_size(queues) == 0)
        return;
    printf("\n");
    list = list_new(&cli->output, queue_columns);
    for (size_t i = 0; i < json_array_size(queues); i++)
        list_add(list, json_incref(json_array_get(queues, i)));
    list_end(list);
}

static int org_show(struct cli *cli, struct error *err)
{
    struct org_view org;
    json_t *object;

    if (cli_org(cli, cli_argument(cli, 0), err) < 0 || cli_connect(cli, false, NULL, err) < 0 ||
        orgs_look_at(cli, cli_argument(cli, 0), &org, err) < 0)
        return err->code;
    object = org_view_to_json(&org, cli_now_ms(cli));
    output_object(&cli->output, json_incref(object), show_columns);
    if (cli->output.format == OUTPUT_TABLE) {
        print_settings(&org);
        print_queues(cli, json_object_get(object, "queues"));
    }
    json_decref(object);
    org_view_clear(&org);
    return 0;
}

static const struct config_setting plain_settings[] = {SETTINGS_CLI, {0}};
static const struct config_setting list_settings[] = {SETTINGS_CLI, SETTINGS_PAGING("100"), {0}};

const struct command org_commands[] = {
    {"org list", "[ORG]...", "List organizations: what waits, what runs, since when", list_settings, 0, -1, org_list,
     "States: active; idle (nothing waits or runs); capped (at max-running); parked (waits for its rate limit); paused; deleting "
     "(rota org delete has not ended)."},
    {"org show", "ORG", "Show an organization with its settings and queues", plain_settings, 1, 1, org_show, NULL},
    {0},
};
