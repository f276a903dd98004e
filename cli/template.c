#include "cli/template.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/change.h"
#include "cli/connection.h"
#include "cli/schedule_view.h"
#include "common/memory.h"
#include "common/recurrence.h"

#define FIRST_LANE    0
#define TEMPLATES_MAX 64

int template_argument(struct cli *cli, const char *text, char ret_name[SCHEDULE_NAME_BYTES_MAX + 1], struct error *err)
{
    if (strchr(text, '/'))
        return cli_usage(cli, err, "with --every-org \"%.80s\" must be the name alone, without an organization", text);
    if (!schedule_name_is_valid(text, err))
        return cli_misused(cli, err);
    snprintf(ret_name, SCHEDULE_NAME_BYTES_MAX + 1, "%s", text);
    return 0;
}

static int none_found(struct cli *cli, const char *name, struct error *err)
{
    cli_hint(cli, "rota schedule list --every-org");
    return error_set(err, ERR_NOT_FOUND, "there is no schedule %s of every organization", name);
}

struct fetch {
    const char *name;
    struct schedule *ret;
    bool found;
    int rc;
    struct error *err;
};

static void on_template(const struct reply *reply, void *ctx)
{
    struct fetch *fetch = ctx;

    fetch->found = reply_count(reply_at(reply, 1)) > 0;
    fetch->rc = fetch->found ? schedule_decode(fetch->ret, fetch->name, reply_at(reply, 1), NULL, fetch->err) : 0;
}

int template_fetch(struct cli *cli, const char *name, struct schedule *ret, struct error *err)
{
    struct fetch fetch = {.name = name, .ret = ret, .err = err};
    struct call call = {0};
    int rc;

    call_function(&call, "template", FIRST_LANE);
    call_add_string(&call, name);
    rc = cli_call(cli, &call, on_template, &fetch, err);
    call_clear(&call);
    if (rc < 0)
        return rc;
    return fetch.found ? fetch.rc : none_found(cli, name, err);
}

/* ---- the other lanes ---- */

/* The calls that tell one lane: each answer makes the next one. */
struct spread {
    uint32_t lane;
    struct call next;
    char name[SCHEDULE_NAME_BYTES_MAX + 1]; /* of one that is older there; "": none */
    bool copied;
};

static void on_listed(const struct reply *reply, void *ctx)
{
    struct spread *spread = ctx;

    call_function(&spread->next, "template_sync", spread->lane);
    template_add_revs(reply, &spread->next);
}

static void on_compared(const struct reply *reply, void *ctx)
{
    struct spread *spread = ctx;

    snprintf(spread->name, sizeof spread->name, "%s", reply_string(reply));
}

static void on_fetched(const struct reply *reply, void *ctx)
{
    struct spread *spread = ctx;
    const struct reply *list = reply_at(reply, 1);

    if (reply_count(list) == 0) {
        spread->name[0] = '\0'; /* it is gone meanwhile: look again */
        spread->copied = true;
        return;
    }
    call_function(&spread->next, "template_copy", spread->lane);
    call_add_string(&spread->next, spread->name);
    for (size_t i = 0; i < reply_count(list); i++) {
        size_t bytes;
        const char *value = reply_bytes(reply_at(list, i), &bytes);
        call_add(&spread->next, value, bytes);
    }
}

static void on_copied(const struct reply *reply, void *ctx)
{
    struct spread *spread = ctx;

    spread->copied = !reply_is(reply, "removing"); /* an earlier one of that name: the leader copies it after that */
}

/* One that is older in a lane, if there is one. */
static int spread_one(struct cli *cli, struct spread *spread, struct error *err)
{
    struct call call = {0};
    int rc;

    spread->copied = false;
    call_function(&call, "templates", FIRST_LANE);
    rc = cli_call(cli, &call, on_listed, spread, err);
    if (rc == 0)
        rc = cli_call(cli, &spread->next, on_compared, spread, err);
    if (rc == 0 && spread->name[0]) {
        call_function(&call, "template", FIRST_LANE);
        call_add_string(&call, spread->name);
        rc = cli_call(cli, &call, on_fetched, spread, err);
        if (rc == 0 && spread->name[0])
            rc = cli_call(cli, &spread->next, on_copied, spread, err);
    }
    call_clear(&call);
    return rc;
}

int template_spread(struct cli *cli, struct error *err)
{
    struct spread spread = {.lane = FIRST_LANE + 1};
    int rc = 0;

    for (; rc == 0 && spread.lane < cli->deployment.lanes; spread.lane++)
        do
            rc = spread_one(cli, &spread, err);
        while (rc == 0 && spread.copied);
    call_clear(&spread.next);
    return rc;
}

/* ---- list, show ---- */

static const struct column list_columns[] = {
    {"SCHEDULE", "schedule", COLUMN_TEXT},
    {"STATE", "state", COLUMN_TEXT},
    {"TYPE", "type", COLUMN_TEXT},
    {"RECURRENCE", "recurrence", COLUMN_CUT},
    {"NEXT", "next_ms", COLUMN_SINCE},
    {"ORGS", "orgs", COLUMN_NUMBER},
    {"LOOKED AT", "orgs_looked_at", COLUMN_NUMBER},
    {0},
};

static const struct column show_columns[] = {
    {"schedule", "schedule", COLUMN_TEXT},
    {"state", "state", COLUMN_TEXT},
    {"organizations", "orgs", COLUMN_TEXT},
    {"of these looked at", "orgs_looked_at", COLUMN_TEXT},
    {"recurrence", "recurrence", COLUMN_TEXT},
    {"next due", "next_ms", COLUMN_TIME},
    {"type", "type", COLUMN_TEXT},
    {"queue", "queue", COLUMN_TEXT},
    {"missed", "on_missed", COLUMN_TEXT},
    {"window", "window_ms", COLUMN_FOR},
    {"overlap", "on_overlap", COLUMN_TEXT},
    {"spread", "spread_ms", COLUMN_FOR},
    {"from", "from_ms", COLUMN_TIME},
    {"until", "until_ms", COLUMN_TIME},
    {"paused", "paused_ms", COLUMN_TIME},
    {"paused by", "paused_by", COLUMN_TEXT},
    {"changed", "changed_ms", COLUMN_TIME},
    {0},
};

/* Those of lane 0, and how far all lanes are. */
struct templates {
    struct cli *cli;
    struct schedule schedules[TEMPLATES_MAX];
    int64_t looked_at[TEMPLATES_MAX], orgs;
    size_t count;
    bool is_first_lane;
};

static struct schedule *find(struct templates *templates, const char *name)
{
    for (size_t i = 0; i < templates->count; i++)
        if (strcmp(templates->schedules[i].name, name) == 0)
            return &templates->schedules[i];
    return NULL;
}

static void take_one(struct templates *templates, const char *name, const struct reply *fields, int64_t orgs)
{
    struct schedule read, *known = find(templates, name);
    struct error err;

    if (schedule_decode(&read, name, fields, NULL, &err) < 0) {
        cli_complain(templates->cli, EX_DATAERR, "schedule %s of every organization cannot be read: %s", name, err.message);
        return;
    }
    if (!known && templates->is_first_lane && templates->count < TEMPLATES_MAX)
        templates->schedules[templates->count++] = (struct schedule){.name = ""};
    if (!known && templates->is_first_lane)
        known = &templates->schedules[templates->count - 1];
    if (known)
        templates->looked_at[known - templates->schedules] += read.walking ? read.walked : orgs;
    if (known && templates->is_first_lane)
        *known = read;
    else
        schedule_clear(&read);
}

static void on_templates(const struct reply *reply, void *ctx)
{
    struct templates *templates = ctx;
    const struct reply *list = reply_at(reply, 3);
    int64_t orgs = reply_int(reply_at(reply, 2));

    templates->orgs += orgs;
    for (size_t i = 0; i + 1 < reply_count(list); i += 2)
        take_one(templates, reply_string(reply_at(list, i)), reply_at(list, i + 1), orgs);
}

static int read_all(struct templates *templates, struct error *err)
{
    struct call call = {0};
    int rc = 0;

    for (uint32_t lane = FIRST_LANE; rc == 0 && lane < templates->cli->deployment.lanes; lane++) {
        templates->is_first_lane = lane == FIRST_LANE;
        call_function(&call, "templates", lane);
        rc = cli_call(templates->cli, &call, on_templates, templates, err);
    }
    call_clear(&call);
    return rc;
}

static void clear(struct templates *templates)
{
    for (size_t i = 0; i < templates->count; i++)
        schedule_clear(&templates->schedules[i]);
}

static int64_t next_due(const struct schedule *schedule, int64_t now_ms)
{
    struct error err;
    struct recurrence *recurrence = recurrence_parse(schedule->recurrence, &err);
    int64_t next_ms = recurrence ? schedule_due_after(schedule, recurrence, now_ms) : 0;

    recurrence_free(recurrence);
    return next_ms;
}

static json_t *to_json(struct templates *templates, size_t i)
{
    struct schedule *schedule = &templates->schedules[i];
    int64_t looked_at = templates->looked_at[i];
    json_t *object;

    schedule->next_ms = schedule->paused || schedule->removed ? 0 : next_due(schedule, cli_now_ms(templates->cli));
    object = schedule_definition_to_json(schedule->name, schedule,
                                         schedule->removed        ? "removed"
                                         : schedule->paused       ? "paused"
                                         : schedule->next_ms == 0 ? "ended"
                                                                  : "active");
    json_object_set_new(object, "orgs", json_integer(templates->orgs));
    json_object_set_new(object, "orgs_looked_at", json_integer(looked_at < templates->orgs ? looked_at : templates->orgs));
    return object;
}

int template_list(struct cli *cli, struct error *err)
{
    struct templates templates = {.cli = cli};
    struct list *list;
    int rc;

    if (cli_argument_count(cli) > 0)
        return cli_usage(cli, err, "with --every-org there is no organization to name");
    if (cli_connect(cli, false, NULL, err) < 0)
        return err->code;
    rc = read_all(&templates, err);
    list = list_new(&cli->output, list_columns);
    for (size_t i = 0; rc == 0 && i < templates.count; i++)
        list_add(list, to_json(&templates, i));
    list_end(list);
    clear(&templates);
    return rc;
}

int template_show(struct cli *cli, struct error *err)
{
    struct templates templates = {.cli = cli};
    char name[SCHEDULE_NAME_BYTES_MAX + 1];
    const struct schedule *found;
    int rc;

    if (template_argument(cli, cli_argument(cli, 0), name, err) < 0 || cli_connect(cli, false, NULL, err) < 0)
        return err->code;
    rc = read_all(&templates, err);
    found = find(&templates, name);
    if (rc == 0 && found)
        output_object(&cli->output, to_json(&templates, (size_t)(found - templates.schedules)), show_columns);
    else if (rc == 0)
        rc = none_found(cli, name, err);
    clear(&templates);
    return rc;
}

/* ---- pause, resume, remove ---- */

static void tell(struct cli *cli, const char *name, const char *answer, const char *flags)
{
    if (cli->output.format != OUTPUT_TABLE)
        output_object(&cli->output, json_pack("{s:s, s:s}", "schedule", name, "answer", answer), NULL);
    if (strcmp(answer, "same") == 0)
        cli_note(cli, "schedule %s of every organization is as it was", name);
    else if (strcmp(answer, "paused") == 0)
        cli_note(cli, "schedule %s is paused for every organization. Undo: rota schedule resume --every-org %s", name, name);
    else if (strcmp(answer, "resumed") == 0)
        cli_note(cli, "schedule %s goes on for every organization. Undo: rota schedule pause --every-org %s", name, name);
    else
        cli_note(
            cli,
            "schedule %s of every organization is being removed. Undo, with its type and payload: rota schedule add --every-org "
            "%s TYPE PAYLOAD%s",
            name, name, flags);
}

int template_change(struct cli *cli, const char *change, struct error *err)
{
    char name[SCHEDULE_NAME_BYTES_MAX + 1], answer[ANSWER_BYTES];
    struct schedule schedule = {.rev = 0};
    struct buffer flags = {0};
    struct call call = {0};
    int rc;

    if (template_argument(cli, cli_argument(cli, 0), name, err) < 0 || cli_connect(cli, true, NULL, err) < 0 ||
        template_fetch(cli, name, &schedule, err) < 0)
        return err->code;
    schedule_format_flags(&flags, &schedule, false);
    schedule_clear(&schedule);
    change_begin(&call, "template_change", FIRST_LANE);
    call_add_string(&call, name);
    call_add_string(&call, change);
    rc = change_call(cli, &call, answer, err);
    call_clear(&call);
    if (rc == 0 && strcmp(answer, "unknown") == 0)
        rc = none_found(cli, name, err);
    if (rc == 0)
        rc = template_spread(cli, err);
    if (rc == 0)
        tell(cli, name, answer, flags.data);
    buffer_clear(&flags);
    return rc;
}
