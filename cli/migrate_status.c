#include "cli/migrate_status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/comparison.h"
#include "cli/connection.h"
#include "common/call.h"
#include "common/job.h"
#include "common/reply.h"
#include "common/turns.h"

#define PAGE 50 /* organizations of a call */

static const struct column due_columns[] = {
    {"DUE", "due_ms", COLUMN_TIME},          {"IN CHARGE", "in_charge", COLUMN_TEXT},
    {"ONE FOR ALL", "outcome", COLUMN_TEXT}, {"ORGS", "orgs", COLUMN_NUMBER},
    {"DONE", "done", COLUMN_NUMBER},         {"SAME", "same", COLUMN_NUMBER},
    {"OTHER", "different", COLUMN_NUMBER},   {"EXTRA", "extra", COLUMN_NUMBER},
    {"MISSING", "missing", COLUMN_NUMBER},   {0},
};

static const struct column difference_columns[] = {
    {"ORG", "org", COLUMN_TEXT},
    {"DUE", "due_ms", COLUMN_TIME},
    {"OF ONE FOR ALL", "together_text", COLUMN_CUT},
    {"ITS OWN", "own_text", COLUMN_CUT},
    {0},
};

struct status {
    struct cli *cli;
    struct comparison *comparison;
    json_t *differences;
    int64_t most, more; /* more: differences that are not shown */
    bool of_all;        /* what is being read: that of the one for all */
    char cursor[64];
};

static void set_text(json_t *object, const char *name, const json_t *value)
{
    char *text = value ? json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;

    json_object_set_new(object, name, output_text_or_null(text));
    free(text);
}

static void on_difference(const char *org, int64_t due_ms, const json_t *together, const json_t *own, void *ctx)
{
    struct status *status = ctx;
    json_t *object;

    if ((int64_t)json_array_size(status->differences) >= status->most) {
        status->more++;
        return;
    }
    object = json_pack("{s:s, s:I}", "org", org, "due_ms", (json_int_t)due_ms);
    set_text(object, "together_text", together);
    set_text(object, "own_text", own);
    json_array_append_new(status->differences, object);
}

/* "done" and a report, with a space between. */
static void take_result(struct status *status, const char *org, int64_t due_ms, const char *bytes, size_t length)
{
    const char *space = memchr(bytes, ' ', length);
    size_t head = space ? (size_t)(space - bytes) : length;
    struct report report;
    char outcome[16];

    snprintf(outcome, sizeof outcome, "%.*s", (int)(head < sizeof outcome ? head : sizeof outcome - 1), bytes);
    report_decode(&report, space ? space + 1 : "", space ? length - head - 1 : 0);
    if (status->of_all)
        comparison_add_together(status->comparison, due_ms, outcome, report.result, report.result_bytes);
    else
        comparison_add_own(status->comparison, org, due_ms, outcome, report.result, report.result_bytes);
    report_clear(&report);
}

static void on_results(const struct reply *reply, void *ctx)
{
    struct status *status = ctx;
    const struct reply *list = reply_at(reply, 1);

    snprintf(status->cursor, sizeof status->cursor, "%s", reply_string(reply_at(reply, 0)));
    for (size_t i = 0; i + 1 < reply_count(list); i += 2) {
        const struct reply *fields = reply_at(list, i + 1);
        for (size_t k = 0; k + 1 < reply_count(fields); k += 2) {
            size_t length;
            const char *bytes = reply_bytes(reply_at(fields, k + 1), &length);
            take_result(status, reply_string(reply_at(list, i)), strtoll(reply_string(reply_at(fields, k)), NULL, 10), bytes,
                        length);
        }
    }
}

/* What is kept of schedule `name`: of `org`, or of all organizations of the lane (""). */
static int read_results(struct status *status, uint32_t lane, const char *org, const char *name, struct error *err)
{
    struct call call = {0};
    int rc;

    status->cursor[0] = '\0';
    do {
        call_function(&call, "results", lane);
        call_add_string(&call, org);
        call_add_string(&call, name);
        call_add_string(&call, status->cursor);
        call_add_int(&call, PAGE);
        rc = cli_call(status->cli, &call, on_results, status, err);
    } while (rc == 0 && status->cursor[0]);
    call_clear(&call);
    return rc;
}

static int read_all(struct status *status, const char *org, const struct schedule *global, const struct schedule *each,
                    struct error *err)
{
    int rc;

    status->of_all = true;
    rc = read_results(status, cli_lane(status->cli, org), org, global->name, err);
    status->of_all = false;
    for (uint32_t lane = 0; rc == 0 && lane < status->cli->deployment.lanes; lane++)
        rc = read_results(status, lane, "", each->name, err);
    return rc;
}

static json_t *due_to_json(const struct comparison_due *due, const struct schedule *each)
{
    return json_pack("{s:I, s:s, s:o, s:b, s:I, s:I, s:I, s:I, s:I, s:I}", "due_ms", (json_int_t)due->due_ms, "in_charge",
                     turns_own(each->turns, due->due_ms) ? "each" : "all", "outcome", output_text_or_null(due->outcome),
                     "comparable", due->is_object, "orgs", (json_int_t)due->orgs, "done", (json_int_t)due->done, "same",
                     (json_int_t)due->same, "different", (json_int_t)due->different, "extra", (json_int_t)due->extra, "missing",
                     (json_int_t)due->missing);
}

/* Runs that were recorded, and how many of them ended well. */
struct rate {
    int64_t runs, done;
};

static json_t *rate_to_json(const struct rate *rate)
{
    return json_pack("{s:I, s:I, s:o}", "runs", (json_int_t)rate->runs, "done", (json_int_t)rate->done, "success_rate",
                     rate->runs > 0 ? json_real((double)rate->done / (double)rate->runs) : json_null());
}

static void show_table(const struct status *status, const json_t *dues, const struct rate *all, const struct rate *each)
{
    struct list *list = list_new(&status->cli->output, due_columns);

    for (size_t i = 0; i < json_array_size(dues); i++)
        list_add(list, json_incref(json_array_get(dues, i)));
    list_end(list);
    if (json_array_size(status->differences) > 0) {
        printf("\n");
        list = list_new(&status->cli->output, difference_columns);
        for (size_t i = 0; i < json_array_size(status->differences); i++)
            list_add(list, json_incref(json_array_get(status->differences, i)));
        list_end(list);
    }
    if (status->more > 0)
        cli_note(status->cli, "%lld more differ: --differences", (long long)status->more);
    cli_note(status->cli,
             "of these due times the one for all ended well %lld of %lld times, those of one organization %lld of %lld",
             (long long)all->done, (long long)all->runs, (long long)each->done, (long long)each->runs);
}

static void show(struct status *status, const char *org, const struct schedule *global, const struct schedule *each)
{
    struct rate all = {0}, own = {0};
    json_t *list = json_array();
    size_t count;
    const struct comparison_due *dues = comparison_end(status->comparison, &count);

    for (size_t i = 0; i < count; i++) {
        all.runs += dues[i].outcome[0] != '\0';
        all.done += strcmp(dues[i].outcome, "done") == 0;
        own.runs += dues[i].orgs;
        own.done += dues[i].done;
        json_array_append_new(list, due_to_json(&dues[i], each));
    }
    if (status->cli->output.format == OUTPUT_TABLE) {
        show_table(status, list, &all, &own);
        json_decref(list);
    } else {
        json_t *name = json_sprintf("%s/%s", org, global->name);
        output_object(&status->cli->output,
                      json_pack("{s:o, s:s, s:s, s:o, s:O, s:I, s:o, s:o}", "schedule", name, "every_org", each->name, "turns",
                                each->turns, "due_times", list, "differences", status->differences, "differences_more",
                                (json_int_t)status->more, "all", rate_to_json(&all), "each", rate_to_json(&own)),
                      NULL);
    }
}

int migrate_status(struct cli *cli, const char *org, const struct schedule *global, const struct schedule *each,
                   struct error *err)
{
    struct status status = {
        .cli = cli, .differences = json_array(), .most = config_integer(cli->config, "cli.migrate.differences")};
    int rc;

    status.comparison = comparison_new(on_difference, &status);
    rc = read_all(&status, org, global, each, err);
    if (rc == 0)
        show(&status, org, global, each);
    comparison_free(status.comparison);
    json_decref(status.differences);
    return rc;
}
