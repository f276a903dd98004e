/* `rota org usage`: what organizations take: places, memory, workers. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/connection.h"
#include "cli/fetch.h"
#include "cli/orgs.h"
#include "cli/paging.h"
#include "common/keys.h"

#define MEMORY_SAMPLES 5   /* fields of a hash that Redis weighs */
#define WINDOW_JOBS    200 /* of the newest done ones, whose run time is counted */

/* One organization. */
struct usage {
    struct cli *cli;
    int64_t bytes;
    int64_t took_ms, since_ms; /* of the newest done jobs: their run time, and when the first of them began */
    double slots;              /* that it had busy since then, on average */
};

/* ---- memory ---- */

static void on_bytes(const struct reply *reply, void *ctx)
{
    *(int64_t *)ctx += reply_int(reply);
}

static void ask_bytes(struct usage *usage, const char *org, const char *part)
{
    struct call call = {0};
    char key[KEY_BYTES_MAX];

    call_command(&call, "MEMORY");
    call_add_string(&call, "USAGE");
    call_add_string(&call, fetch_key(usage->cli, org, part, key));
    call_add_string(&call, "SAMPLES");
    call_add_int(&call, MEMORY_SAMPLES);
    cli_send(usage->cli, &call, on_bytes, &usage->bytes);
    call_clear(&call);
}

static int read_bytes(struct usage *usage, const struct org_view *org, struct error *err)
{
    static const char *const parts[] = {"jobs",      "state",  "scheduled",    "running", "done",     "dead",
                                        "cancelled", "unique", "unique_until", "logs",    "log_order"};
    char set[NAME_BYTES_MAX + 8];

    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        ask_bytes(usage, org->name, parts[i]);
    for (size_t i = 0; i < org->queue_count; i++) {
        snprintf(set, sizeof set, "ready:%s", org->queues[i].name);
        ask_bytes(usage, org->name, set);
    }
    return cli_settle(usage->cli, err);
}

/* ---- worker time ---- */

struct window {
    struct usage *usage;
    int jobs;
};

static bool add_job(const struct job *job, void *ctx)
{
    struct window *window = ctx;
    struct usage *usage = window->usage;

    for (size_t i = 0; i < job->state.attempt_count; i++) {
        const struct attempt *attempt = &job->state.attempts[i];
        usage->took_ms += attempt->ended_ms - attempt->started_ms;
        if (usage->since_ms == 0 || attempt->started_ms < usage->since_ms)
            usage->since_ms = attempt->started_ms;
    }
    return ++window->jobs < WINDOW_JOBS;
}

static int read_time(struct usage *usage, const struct org_view *org, struct error *err)
{
    struct window window = {.usage = usage};
    int64_t now_ms = cli_now_ms(usage->cli);
    bool ended;
    int rc = org->done == 0 ? 0 : fetch_set(usage->cli, org->name, "done", 0, true, add_job, &window, &ended, err);

    if (usage->since_ms && usage->since_ms < now_ms)
        usage->slots = (double)usage->took_ms / (double)(now_ms - usage->since_ms);
    return rc;
}

/* ---- showing ---- */

static const struct column usage_columns[] = {
    {"ORG", "org", COLUMN_TEXT},
    {"STATE", "state", COLUMN_TEXT},
    {"READY", "ready", COLUMN_NUMBER},
    {"RUNNING", "running", COLUMN_NUMBER},
    {"CAP", "max_running", COLUMN_NUMBER},
    {"RATE/S", "rate", COLUMN_NUMBER},
    {"SCHEDULED", "scheduled", COLUMN_NUMBER},
    {"DEAD", "dead", COLUMN_NUMBER},
    {"DONE", "done", COLUMN_NUMBER},
    {"BYTES", "bytes", COLUMN_NUMBER},
    {"LOG BYTES", "log_bytes", COLUMN_NUMBER},
    {"SLOTS", "mean_slots", COLUMN_NUMBER},
    {"% TIME", "time_percent", COLUMN_NUMBER},
    {"% WEIGHT", "weight_percent", COLUMN_NUMBER},
    {"OLDEST WAIT", "oldest_wait_ms", COLUMN_FOR},
    {0},
};

/* What is known of the organizations of a page. */
struct page {
    struct cli *cli;
    json_t *objects;
    double slots, weight; /* of all */
};

static int weigh(struct org_view *org, void *ctx, struct error *err)
{
    struct page *page = ctx;
    struct usage usage = {.cli = page->cli};
    const char *logs = org_view_field(org, "log_bytes");
    json_t *object, *settings;

    if (!org->exists) {
        cli_complain(page->cli, EX_NOINPUT, "there is no organization %s", org->name);
        return 0;
    }
    if (read_bytes(&usage, org, err) < 0 || read_time(&usage, org, err) < 0)
        return err->code;
    object = org_view_to_json(org, cli_now_ms(page->cli));
    settings = json_object_get(object, "settings");
    json_object_set(object, "max_running", json_object_get(settings, "max_running"));
    json_object_set(object, "rate", json_object_get(settings, "rate"));
    json_object_set_new(object, "bytes", json_integer(usage.bytes));
    json_object_set_new(object, "log_bytes", json_integer(logs ? strtoll(logs, NULL, 10) : 0));
    json_object_set_new(object, "mean_slots", json_real((double)(int64_t)(usage.slots * 1000 + 0.5) / 1000));
    json_object_set_new(object, "window_ms", usage.since_ms ? json_integer(cli_now_ms(page->cli) - usage.since_ms) : json_null());
    page->slots += usage.slots;
    page->weight += json_number_value(json_object_get(object, "weight"));
    json_array_append_new(page->objects, object);
    return 0;
}

/* A part in a hundred, with one digit. */
static json_t *percent(double part, double whole)
{
    return whole > 0 ? json_real((double)(int64_t)(part / whole * 1000 + 0.5) / 10) : json_null();
}

static void show(struct page *page)
{
    struct list *list = list_new(&page->cli->output, usage_columns);

    for (size_t i = 0; i < json_array_size(page->objects); i++) {
        json_t *object = json_incref(json_array_get(page->objects, i));
        json_object_set_new(object, "time_percent",
                            percent(json_number_value(json_object_get(object, "mean_slots")), page->slots));
        json_object_set_new(object, "weight_percent",
                            percent(json_number_value(json_object_get(object, "weight")), page->weight));
        list_add(list, object);
    }
    list_end(list);
    cli_note(page->cli,
             "time: that of the newest %d done jobs of each, beside the others of this page; bytes: from %d samples of a key",
             WINDOW_JOBS, MEMORY_SAMPLES);
}

static int org_usage(struct cli *cli, struct error *err)
{
    struct page page = {.cli = cli};
    struct names all = {0}, names;
    int rc = orgs_page(cli, &all, &names, err);

    if (rc == 0) {
        page.objects = json_array();
        rc = orgs_look(cli, &names, true, weigh, &page, err);
    }
    if (rc == 0) {
        show(&page);
        orgs_page_end(cli, &all, &names);
    }
    json_decref(page.objects);
    names_clear(&all);
    return rc;
}

static const struct config_setting usage_settings[] = {SETTINGS_CLI, SETTINGS_PAGING("50"), {0}};

const struct command usage_commands[] = {
    {"org usage", "[ORG]...", "Tell what organizations take: jobs, memory, and the time of workers beside their weight",
     usage_settings, 0, -1, org_usage,
     "SLOTS is how many jobs ran at once on average, since the first of the newest 200 done jobs was begun. Who has less time "
     "than\n"
     "weight either had not enough to do, or is held by its cap or rate. Per queue: rota org show, and --json here."},
    {0},
};
