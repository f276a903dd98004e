/* `rota schedule list|show|run|pause|resume|remove`. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/change.h"
#include "cli/connection.h"
#include "cli/paging.h"
#include "cli/schedule_view.h"
#include "cli/template.h"
#include "common/memory.h"
#include "common/recurrence.h"
#include "common/schedule_json.h"
#include "common/units.h"

#define PAGE    100
#define COLUMNS 3 /* of an answer: org, name, fields */

/* ---- list, show ---- */

static const struct column list_columns[] = {
    {"SCHEDULE", "schedule", COLUMN_TEXT},    {"STATE", "state", COLUMN_TEXT},       {"TYPE", "type", COLUMN_TEXT},
    {"RECURRENCE", "recurrence", COLUMN_CUT}, {"NEXT", "next_ms", COLUMN_SINCE},     {"LAST DUE", "last_due_ms", COLUMN_SINCE},
    {"OUTCOME", "last_outcome", COLUMN_TEXT}, {"JOBS", "jobs", COLUMN_NUMBER},       {"FAILED", "failed", COLUMN_NUMBER},
    {"MISSED", "missed", COLUMN_NUMBER},      {"SKIPPED", "skipped", COLUMN_NUMBER}, {0},
};

static const struct column show_columns[] = {
    {"schedule", "schedule", COLUMN_TEXT},
    {"state", "state", COLUMN_TEXT},
    {"every org, but for", "own", COLUMN_TEXT},
    {"recurrence", "recurrence", COLUMN_TEXT},
    {"next due", "next_ms", COLUMN_TIME},
    {"waits for the job before", "pending_ms", COLUMN_TIME},
    {"type", "type", COLUMN_TEXT},
    {"queue", "queue", COLUMN_TEXT},
    {"missed", "on_missed", COLUMN_TEXT},
    {"window", "window_ms", COLUMN_FOR},
    {"overlap", "on_overlap", COLUMN_TEXT},
    {"spread", "spread_ms", COLUMN_FOR},
    {"its offset", "offset_ms", COLUMN_FOR},
    {"from", "from_ms", COLUMN_TIME},
    {"until", "until_ms", COLUMN_TIME},
    {"paused", "paused_ms", COLUMN_TIME},
    {"paused by", "paused_by", COLUMN_TEXT},
    {"last due", "last_due_ms", COLUMN_TIME},
    {"last job", "last_job", COLUMN_TEXT},
    {"late by", "late_ms", COLUMN_FOR},
    {"last outcome", "last_outcome", COLUMN_TEXT},
    {"last ended", "last_ended_ms", COLUMN_TIME},
    {"last done", "last_done_ms", COLUMN_TIME},
    {"jobs", "jobs", COLUMN_TEXT},
    {"jobs done", "done", COLUMN_TEXT},
    {"jobs failed", "failed", COLUMN_TEXT},
    {"of these in a row", "failed_since_done", COLUMN_TEXT},
    {"due times missed", "missed", COLUMN_TEXT},
    {"due times skipped", "skipped", COLUMN_TEXT},
    {"due times refused", "refused", COLUMN_TEXT},
    {"refused because", "refused_why", COLUMN_TEXT},
    {"unhealthy since", "unhealthy_ms", COLUMN_TIME},
    {"mended", "mended_ms", COLUMN_TIME},
    {"because of", "mended", COLUMN_TEXT},
    {"changed", "changed_ms", COLUMN_TIME},
    {0},
};

/* A list in the making. */
struct page {
    struct cli *cli;
    struct list *list;
    char cursor[64]; /* of the next page; "": there is none */
    bool unhealthy;  /* only these */
    int64_t shown;
};

static void show_one(struct page *page, const char *org, const char *name, const struct reply *fields, int64_t now_ms)
{
    struct schedule schedule;
    struct error err;
    json_t *object;

    if (schedule_decode(&schedule, name, fields, NULL, &err) < 0) {
        cli_complain(page->cli, EX_DATAERR, "schedule %s/%s cannot be read: %s", org, name, err.message);
        return;
    }
    object = schedule_to_json(org, &schedule, now_ms);
    schedule_clear(&schedule);
    if (page->unhealthy && strcmp(json_string_value(json_object_get(object, "state")), "unhealthy") != 0) {
        json_decref(object);
        return;
    }
    list_add(page->list, object);
    page->shown++;
}

static void on_page(const struct reply *reply, void *ctx)
{
    struct page *page = ctx;
    const struct reply *list = reply_at(reply, 2);

    snprintf(page->cursor, sizeof page->cursor, "%s", reply_string(reply_at(reply, 1)));
    for (size_t i = 0; i + COLUMNS <= reply_count(list); i += COLUMNS)
        show_one(page, reply_string(reply_at(list, i)), reply_string(reply_at(list, i + 1)), reply_at(list, i + 2),
                 reply_int(reply_at(reply, 0)));
}

/* The schedules of `org`, or all of a lane (""), from page->cursor on, until `most` are shown. */
static int walk(struct page *page, uint32_t lane, const char *org, int64_t most, struct error *err)
{
    struct call call = {0};
    int rc;

    do {
        int64_t left = most - page->shown;
        call_function(&call, "schedules", lane);
        call_add_string(&call, org);
        call_add_string(&call, page->cursor);
        call_add_int(&call, left < PAGE ? left : PAGE);
        rc = cli_call(page->cli, &call, on_page, page, err);
    } while (rc == 0 && page->cursor[0] && page->shown < most);
    call_clear(&call);
    return rc;
}

/* A cursor is "LANE:CURSOR" where all are listed, else the name of the next one. */
static int begin(struct page *page, const char *org, uint32_t *ret_lane, struct error *err)
{
    const char *cursor = paging_cursor(page->cli);
    unsigned lane = 0;
    int at = 0;

    if (!org[0] && cursor[0] && (sscanf(cursor, "%u:%n", &lane, &at) != 1 || at == 0 || lane >= page->cli->deployment.lanes))
        return cli_usage(page->cli, err, "cursor \"%.40s\" is not one that this list has told", cursor);
    *ret_lane = org[0] ? cli_lane(page->cli, org) : lane;
    snprintf(page->cursor, sizeof page->cursor, "%s", cursor + at);
    return 0;
}

static void tell_more(const struct page *page, const char *org, uint32_t lane)
{
    char *cursor = NULL;

    if (page->cursor[0])
        cursor = org[0] ? memory_string(page->cursor) : memory_format("%u:%s", lane, page->cursor);
    else if (!org[0] && lane + 1 < page->cli->deployment.lanes)
        cursor = memory_format("%u:", lane + 1);
    if (cursor)
        paging_more(page->cli, page->shown, -1, cursor);
    free(cursor);
}

static int schedule_list(struct cli *cli, struct error *err)
{
    const char *org = cli_argument_count(cli) > 0 ? cli_argument(cli, 0) : "";
    struct page page = {.cli = cli, .unhealthy = config_bool(cli->config, "cli.schedule.unhealthy")};
    int64_t most = paging_limit(cli);
    uint32_t lane = 0;
    int rc;

    if (schedule_is_of_all(cli))
        return template_list(cli, err);
    if ((org[0] && cli_org(cli, org, err) < 0) || cli_connect(cli, false, NULL, err) < 0 || begin(&page, org, &lane, err) < 0)
        return err->code;
    page.list = list_new(&cli->output, list_columns);
    for (;;) {
        rc = walk(&page, lane, org, most, err);
        if (rc < 0 || org[0] || page.cursor[0] || page.shown >= most || lane + 1 == cli->deployment.lanes)
            break;
        lane++;
    }
    list_end(page.list);
    if (rc == 0)
        tell_more(&page, org, lane);
    return rc;
}

static int schedule_show(struct cli *cli, struct error *err)
{
    char org[NAME_BYTES_MAX + 1], name[SCHEDULE_NAME_BYTES_MAX + 1];
    struct schedule schedule = {.rev = 0};
    struct error ignored;
    json_t *object, *definition;

    if (schedule_is_of_all(cli))
        return template_show(cli, err);
    if (schedule_argument(cli, cli_argument(cli, 0), org, name, err) < 0 || cli_connect(cli, false, NULL, err) < 0 ||
        schedule_fetch(cli, org, name, &schedule, err) < 0)
        return err->code;
    object = schedule_to_json(org, &schedule, cli_now_ms(cli));
    definition = schedule_entry_to_json(org, &schedule, true, &ignored);
    json_object_set_new(object, "definition", definition ? definition : json_null());
    output_object(&cli->output, object, show_columns);
    schedule_clear(&schedule);
    return 0;
}

/* ---- pause, resume, run, remove ---- */

struct change {
    char org[NAME_BYTES_MAX + 1], name[SCHEDULE_NAME_BYTES_MAX + 1];
    char word[ANSWER_BYTES], job[JOB_ID_BYTES_MAX + 1]; /* what was answered */
};

/* A word, or {word, job}. */
static void on_changed(const struct reply *reply, void *ctx)
{
    struct change *change = ctx;
    const struct reply *word = reply_is_array(reply) ? reply_at(reply, 0) : reply;

    snprintf(change->word, sizeof change->word, "%s", reply_string(word));
    snprintf(change->job, sizeof change->job, "%s", reply_string(reply_at(reply, 1)));
}

/* Calls `function`; `resumed`: with its revision and next due time. */
static int call_change(struct cli *cli, const char *function, struct change *change, const struct schedule *resumed,
                       struct error *err)
{
    struct call call = {0};
    int rc;

    change_begin(&call, function, cli_lane(cli, change->org));
    call_add_string(&call, change->org);
    call_add_string(&call, change->name);
    if (resumed) {
        call_add_int(&call, resumed->rev);
        call_add_positive(&call, resumed->next_ms);
    }
    rc = cli_call(cli, &call, on_changed, change, err);
    call_clear(&call);
    if (rc == 0 && strcmp(change->word, "unknown") == 0) {
        cli_hint(cli, "rota schedule list %s", change->org);
        return cli_fail(cli, err, EX_NOINPUT, "there is no schedule %s/%s", change->org, change->name);
    }
    return rc;
}

static void tell_change(struct cli *cli, const struct change *change)
{
    char *full, *job;

    if (cli->output.format == OUTPUT_TABLE)
        return;
    full = memory_format("%s/%s", change->org, change->name);
    job = change->job[0] ? memory_format("%s/%s", change->org, change->job) : NULL;
    output_object(&cli->output,
                  json_pack("{s:s, s:s, s:o}", "schedule", full, "answer", change->word, "job", output_text_or_null(job)), NULL);
    free(full);
    free(job);
}

static int begin_change(struct cli *cli, struct change *change, struct error *err)
{
    if (schedule_argument(cli, cli_argument(cli, 0), change->org, change->name, err) < 0)
        return err->code;
    return cli_connect(cli, true, NULL, err);
}

static int schedule_pause(struct cli *cli, struct error *err)
{
    struct change change = {.word = ""};

    if (schedule_is_of_all(cli))
        return template_change(cli, "pause", err);
    if (begin_change(cli, &change, err) < 0 || call_change(cli, "schedule_pause", &change, NULL, err) < 0)
        return err->code;
    tell_change(cli, &change);
    cli_note(cli, "schedule %s/%s %s paused: its due times pass without a job. Undo: rota schedule resume %s/%s", change.org,
             change.name, strcmp(change.word, "same") == 0 ? "was" : "is", change.org, change.name);
    return 0;
}

static void tell_resumed(struct cli *cli, const struct change *change, int64_t next_ms)
{
    char time[32] = "no time any more";

    tell_change(cli, change);
    if (next_ms > 0)
        units_format_time(time, next_ms);
    if (strcmp(change->word, "same") == 0)
        cli_note(cli, "schedule %s/%s was not paused", change->org, change->name);
    else
        cli_note(cli, "resumed schedule %s/%s, due at %s. Undo: rota schedule pause %s/%s", change->org, change->name, time,
                 change->org, change->name);
}

static int schedule_resume(struct cli *cli, struct error *err)
{
    struct change change = {.word = ""};
    struct schedule schedule = {.rev = 0};
    struct recurrence *recurrence;
    int rc;

    if (schedule_is_of_all(cli))
        return template_change(cli, "resume", err);
    if (begin_change(cli, &change, err) < 0 || schedule_fetch(cli, change.org, change.name, &schedule, err) < 0)
        return err->code;
    recurrence = recurrence_parse(schedule.recurrence, err);
    rc = recurrence ? 0 : err->code;
    if (rc == 0) {
        schedule.next_ms = schedule_due_after(&schedule, recurrence, cli_now_ms(cli));
        rc = call_change(cli, "schedule_resume", &change, &schedule, err);
    }
    if (rc == 0 && strcmp(change.word, "changed") == 0)
        rc = cli_fail(cli, err, EX_TEMPFAIL, "schedule %s/%s was changed by somebody else meanwhile: it is still paused",
                      change.org, change.name);
    if (rc == 0 && strcmp(change.word, "template") == 0) {
        cli_hint(cli, "rota schedule resume --every-org %s", change.name);
        rc = cli_fail(cli, err, EX_TEMPFAIL, "schedule %s is paused for every organization", change.name);
    }
    if (rc == 0)
        tell_resumed(cli, &change, schedule.next_ms);
    recurrence_free(recurrence);
    schedule_clear(&schedule);
    return rc;
}

static int schedule_run(struct cli *cli, struct error *err)
{
    struct change change = {.word = ""};

    if (begin_change(cli, &change, err) < 0 || call_change(cli, "schedule_run", &change, NULL, err) < 0)
        return err->code;
    if (strcmp(change.word, "new") != 0)
        return cli_fail(cli, err, EX_TEMPFAIL, "no job was pushed for schedule %s/%s: %s", change.org, change.name, change.word);
    if (cli->output.format == OUTPUT_TABLE)
        printf("%s/%s\n", change.org, change.job);
    tell_change(cli, &change);
    cli_note(cli, "pushed job %s/%s; its due times stay. Undo: rota job cancel %s/%s", change.org, change.job, change.org,
             change.job);
    return 0;
}

static int schedule_remove(struct cli *cli, struct error *err)
{
    struct change change = {.word = ""};
    struct schedule schedule = {.rev = 0};
    struct buffer flags = {0};
    bool of_all;
    int rc;

    if (schedule_is_of_all(cli))
        return template_change(cli, "remove", err);
    if (begin_change(cli, &change, err) < 0 || schedule_fetch(cli, change.org, change.name, &schedule, err) < 0)
        return err->code;
    of_all = schedule.of_all;
    schedule_format_flags(&flags, &schedule, false);
    schedule_clear(&schedule);
    if (of_all) {
        buffer_clear(&flags);
        cli_hint(cli, "rota schedule set %s/%s --off", change.org, change.name);
        return cli_fail(cli, err, EX_DATAERR, "schedule %s is one of every organization", change.name);
    }
    rc = call_change(cli, "schedule_remove", &change, NULL, err);
    if (rc == 0) {
        tell_change(cli, &change);
        cli_note(cli, "removed schedule %s/%s%s%s. Undo, with its type and payload: rota schedule add %s/%s TYPE PAYLOAD%s",
                 change.org, change.name, change.job[0] ? ", cancelled its job " : "", change.job, change.org, change.name,
                 flags.data);
    }
    buffer_clear(&flags);
    return rc;
}

static const struct config_setting plain_settings[] = {SETTINGS_CLI, {0}};
static const struct config_setting any_settings[] = {SETTINGS_CLI, FLAG_EVERY_ORG, {0}};
static const struct config_setting list_settings[] = {
    SETTINGS_CLI,
    SETTINGS_PAGING("100"),
    FLAG_BOOL("cli.schedule.", "unhealthy", 0, "only those of which no job was done for more than two periods"),
    FLAG_EVERY_ORG,
    {0},
};

const struct command schedule_commands[] = {
    {"schedule list", "[ORG|--every-org]", "List schedules", list_settings, 0, 1, schedule_list,
     "State is active, paused, off (for this organization), new (the leader has not looked at it yet), ended (no due time any "
     "more) or unhealthy (for two periods and more none of its jobs was done)."},
    {"schedule show", "ORG/NAME|--every-org NAME", "What a schedule is, and what became of its due times", any_settings, 1, 1,
     schedule_show, NULL},
    {"schedule run", "ORG/NAME", "Push a job of it now, beside its due times", plain_settings, 1, 1, schedule_run,
     "Prints org/id of the job. It is pushed also where the job before is not over."},
    {"schedule pause", "ORG/NAME|--every-org NAME", "Let its due times pass without a job", any_settings, 1, 1, schedule_pause,
     NULL},
    {"schedule resume", "ORG/NAME|--every-org NAME", "Go on with its first due time from now on", any_settings, 1, 1,
     schedule_resume, NULL},
    {"schedule remove", "ORG/NAME|--every-org NAME", "Forget a schedule, and cancel its job if that has not begun", any_settings,
     1, 1, schedule_remove, NULL},
    {0},
};
