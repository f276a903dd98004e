/* `rota limit`: limits beyond the organization, as all lanes together know them. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/change.h"
#include "cli/connection.h"
#include "cli/paging.h"
#include "common/memory.h"
#include "common/units.h"

#define PAGE         100 /* limits in one answer */
#define ROW          13  /* words about one limit */
#define TEXT_BYTES   32
#define PAUSE_MS_MAX (30LL * 24 * 3600 * 1000)

/* ---- what the lanes say ---- */

/* A limit, in all lanes together. */
struct limit {
    char name[NAME_BYTES_MAX + 1];
    char concurrency[TEXT_BYTES], rate[TEXT_BYTES], burst[TEXT_BYTES]; /* "" for none */
    int64_t running, orgs, jobs;                                       /* orgs: that wait for it, with so many jobs */
    int64_t next_ms, paused_ms;                                        /* 0: none */
    char paused_by[161];
};

struct limits {
    struct limit *items;
    size_t count;
    char last[NAME_BYTES_MAX + 1]; /* of the answer that is being read */
    size_t rows;
};

static struct limit *find_limit(const struct limits *limits, const char *name)
{
    for (size_t i = 0; i < limits->count; i++)
        if (strcmp(limits->items[i].name, name) == 0)
            return &limits->items[i];
    return NULL;
}

static struct limit *add_limit(struct limits *limits, const char *name)
{
    limits->items = memory_resize(limits->items, sizeof *limits->items * (limits->count + 1));
    limits->items[limits->count] = (struct limit){0};
    snprintf(limits->items[limits->count].name, sizeof limits->items[0].name, "%s", name);
    return &limits->items[limits->count++];
}

static void copy(char ret[TEXT_BYTES], const struct reply *text)
{
    snprintf(ret, TEXT_BYTES, "%s", reply_string(text));
}

static void read_row(struct limit *limit, const struct reply *list, size_t at)
{
    int64_t next_ms = reply_int(reply_at(list, at + 9)), paused_ms = reply_int(reply_at(list, at + 10));

    copy(limit->concurrency, reply_at(list, at + 1));
    copy(limit->rate, reply_at(list, at + 2));
    copy(limit->burst, reply_at(list, at + 3));
    limit->running += reply_int(reply_at(list, at + 6));
    limit->orgs += reply_int(reply_at(list, at + 7));
    limit->jobs += reply_int(reply_at(list, at + 8));
    if (next_ms && (!limit->next_ms || next_ms < limit->next_ms))
        limit->next_ms = next_ms;
    if (paused_ms > limit->paused_ms) {
        limit->paused_ms = paused_ms;
        snprintf(limit->paused_by, sizeof limit->paused_by, "%s", reply_string(reply_at(list, at + 11)));
    }
}

static void on_limits(const struct reply *reply, void *ctx)
{
    struct limits *limits = ctx;
    const struct reply *list = reply_at(reply, 1);

    limits->rows = reply_count(list) / ROW;
    for (size_t at = 0; at + ROW <= reply_count(list); at += ROW) {
        const char *name = reply_string(reply_at(list, at));
        struct limit *limit = find_limit(limits, name);
        read_row(limit ? limit : add_limit(limits, name), list, at);
        snprintf(limits->last, sizeof limits->last, "%s", name);
    }
}

/* At most `most` of the limits of one lane, from `first` on ("" for the beginning). */
static int ask_limits(struct cli *cli, struct limits *limits, uint32_t lane, const char *first, int most, struct error *err)
{
    struct call call = {0};
    int rc;

    limits->rows = 0;
    call_function(&call, "limits", lane);
    call_add_string(&call, first);
    call_add_int(&call, most);
    rc = cli_call(cli, &call, on_limits, limits, err);
    call_clear(&call);
    return rc;
}

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct limit *)a)->name, ((const struct limit *)b)->name);
}

/* All limits, by name. */
static int read_limits(struct cli *cli, struct limits *limits, struct error *err)
{
    char after[NAME_BYTES_MAX + 2];

    for (uint32_t lane = 0; lane < cli->deployment.lanes; lane++) {
        after[0] = '\0';
        do {
            if (ask_limits(cli, limits, lane, after, PAGE, err) < 0)
                return err->code;
            snprintf(after, sizeof after, "%s-", limits->last); /* the first name that may come behind it */
        } while (limits->rows == PAGE);
    }
    if (limits->count > 1)
        qsort(limits->items, limits->count, sizeof *limits->items, compare);
    return 0;
}

/* One limit, of which all lanes are asked. */
static int read_one(struct cli *cli, const char *name, struct limit *ret, struct error *err)
{
    struct limits limits = {0};
    const struct limit *found;
    int rc = 0;

    for (uint32_t lane = 0; lane < cli->deployment.lanes && rc == 0; lane++)
        rc = ask_limits(cli, &limits, lane, name, 1, err);
    found = rc == 0 ? find_limit(&limits, name) : NULL;
    if (found)
        *ret = *found;
    free(limits.items);
    if (rc == 0 && !found)
        return cli_fail(cli, err, EX_NOINPUT, "there is no limit %s", name);
    return rc;
}

/* ---- list, show ---- */

static const struct column list_columns[] = {
    {"LIMIT", "limit", COLUMN_TEXT},
    {"CONCURRENCY", "concurrency", COLUMN_NUMBER},
    {"RATE", "rate", COLUMN_TEXT},
    {"BURST", "burst", COLUMN_NUMBER},
    {"RUNNING", "running", COLUMN_NUMBER},
    {"WAITING", "waiting", COLUMN_NUMBER},
    {"ORGS", "waiting_orgs", COLUMN_NUMBER},
    {"NEXT", "next_ms", COLUMN_SINCE},
    {"PAUSED", "paused_until_ms", COLUMN_SINCE},
    {"PAUSED BY", "paused_by", COLUMN_TEXT},
    {0},
};

static const struct column show_columns[] = {
    {"limit", "limit", COLUMN_TEXT},
    {"concurrency", "concurrency", COLUMN_TEXT},
    {"rate", "rate", COLUMN_TEXT},
    {"burst", "burst", COLUMN_TEXT},
    {"running", "running", COLUMN_TEXT},
    {"waiting jobs", "waiting", COLUMN_TEXT},
    {"waiting orgs", "waiting_orgs", COLUMN_TEXT},
    {"next may start", "next_ms", COLUMN_TIME},
    {"paused until", "paused_until_ms", COLUMN_TIME},
    {"paused by", "paused_by", COLUMN_TEXT},
    {0},
};

static json_t *number_or_null(const char *text)
{
    return text[0] ? json_integer(strtoll(text, NULL, 10)) : json_null();
}

static json_t *moment_or_null(int64_t ms)
{
    return ms ? json_integer(ms) : json_null();
}

static json_t *limit_to_json(const struct limit *limit)
{
    json_t *object = json_object();

    json_object_set_new(object, "limit", json_string(limit->name));
    json_object_set_new(object, "concurrency", number_or_null(limit->concurrency));
    json_object_set_new(object, "rate", output_text_or_null(limit->rate));
    json_object_set_new(object, "burst", number_or_null(limit->burst));
    json_object_set_new(object, "running", json_integer(limit->running));
    json_object_set_new(object, "waiting", json_integer(limit->jobs));
    json_object_set_new(object, "waiting_orgs", json_integer(limit->orgs));
    json_object_set_new(object, "next_ms", moment_or_null(limit->next_ms));
    json_object_set_new(object, "paused_until_ms", moment_or_null(limit->paused_ms));
    json_object_set_new(object, "paused_by", output_text_or_null(limit->paused_by));
    return object;
}

static int limit_list(struct cli *cli, struct error *err)
{
    const char *cursor = paging_cursor(cli);
    int64_t most = paging_limit(cli), shown = 0;
    struct limits limits = {0};
    struct list *list;
    size_t i = 0;
    int rc = cursor[0] && name_check(cursor, "cursor", err) < 0 ? cli_misused(cli, err) : 0;

    if (rc == 0)
        rc = cli_connect(cli, false, NULL, err);
    if (rc == 0)
        rc = read_limits(cli, &limits, err);
    if (rc == 0) {
        list = list_new(&cli->output, list_columns);
        for (; i < limits.count && shown < most; i++) {
            if (strcmp(limits.items[i].name, cursor) <= 0)
                continue;
            list_add(list, limit_to_json(&limits.items[i]));
            shown++;
        }
        list_end(list);
        if (i < limits.count && i > 0)
            paging_more(cli, shown, (int64_t)limits.count, limits.items[i - 1].name);
    }
    free(limits.items);
    return rc;
}

static int read_name(struct cli *cli, const char *name, bool keyed, struct error *err)
{
    if ((keyed ? limit_check(name, err) : name_check(name, "limit", err)) < 0)
        return cli_misused(cli, err);
    return 0;
}

static int limit_show(struct cli *cli, struct error *err)
{
    const char *name = cli_argument(cli, 0);
    struct limit limit = {0};

    if (read_name(cli, name, false, err) < 0 || cli_connect(cli, false, NULL, err) < 0 || read_one(cli, name, &limit, err) < 0)
        return err->code;
    output_object(&cli->output, limit_to_json(&limit), show_columns);
    return 0;
}

/* ---- set, clear ---- */

/* What a definition was. */
struct definition {
    char word[TEXT_BYTES]; /* of the answer */
    char concurrency[TEXT_BYTES], rate[TEXT_BYTES], burst[TEXT_BYTES];
};

static void on_definition(const struct reply *reply, void *ctx)
{
    struct definition *was = ctx;

    copy(was->word, reply_at(reply, 0));
    copy(was->concurrency, reply_at(reply, 1));
    copy(was->rate, reply_at(reply, 2));
    copy(was->burst, reply_at(reply, 3));
}

/* " --concurrency 5 --rate 5/s --burst 5". */
static void format_flags(const struct definition *definition, char *ret, size_t size)
{
    int at = definition->concurrency[0] ? snprintf(ret, size, " --concurrency %s", definition->concurrency) : 0;

    ret[at] = '\0';
    if (definition->rate[0])
        snprintf(ret + at, size - (size_t)at, " --rate %s --burst %s", definition->rate, definition->burst);
}

/* Calls `function` in all lanes, from the first on, which has all of a new limit. `ret_was` is the answer of the first. */
static int change_all(struct cli *cli, const char *function, const char *name, const struct definition *new,
                      struct definition *ret_was, struct error *err)
{
    struct definition was;
    struct call call = {0};
    int rc = 0;

    for (uint32_t lane = 0; lane < cli->deployment.lanes && rc == 0; lane++) {
        change_begin(&call, function, lane);
        call_add_string(&call, name);
        if (new) {
            call_add_string(&call, new->concurrency);
            call_add_string(&call, new->rate);
            call_add_string(&call, new->burst);
        }
        rc = cli_call(cli, &call, on_definition, lane == 0 ? ret_was : &was, err);
    }
    call_clear(&call);
    return rc;
}

static void tell_change(struct cli *cli, const char *name, const struct definition *was, const char *flags)
{
    if (cli->output.format == OUTPUT_TABLE)
        return;
    output_object(&cli->output, json_pack("{s:s, s:s, s:s}", "limit", name, "answer", was->word, "is", flags[0] ? flags + 1 : ""),
                  NULL);
}

static int read_definition(struct cli *cli, struct definition *new, struct error *err)
{
    int64_t concurrency = config_integer(cli->config, "cli.limits.concurrency"),
            burst = config_integer(cli->config, "cli.limits.burst");
    const char *rate = config_string(cli->config, "cli.limits.rate");

    if (!concurrency && !rate[0])
        return cli_usage(cli, err, "say what the limit allows: --concurrency N, --rate 5/s, or both");
    if (burst && !rate[0])
        return cli_usage(cli, err, "--burst goes with --rate");
    if (concurrency)
        snprintf(new->concurrency, sizeof new->concurrency, "%" PRId64, concurrency);
    if (strlen(rate) >= sizeof new->rate)
        return cli_usage(cli, err, "rate \"%.40s\" must be like 5/s, 1.5/m or 1/h", rate);
    snprintf(new->rate, sizeof new->rate, "%s", rate);
    if (rate[0])
        snprintf(new->burst, sizeof new->burst, "%" PRId64, burst ? burst : 1);
    return 0;
}

static int limit_set(struct cli *cli, struct error *err)
{
    const char *name = cli_argument(cli, 0);
    struct definition was = {0}, new = {0};
    char is[128], before[128];

    if (read_name(cli, name, false, err) < 0 || read_definition(cli, &new, err) < 0 || cli_connect(cli, false, NULL, err) < 0 ||
        change_all(cli, "limit_set", name, &new, &was, err) < 0)
        return err->code;
    format_flags(&new, is, sizeof is);
    format_flags(&was, before, sizeof before);
    tell_change(cli, name, &was, is);
    if (strcmp(was.word, "new") == 0)
        cli_note(cli, "limit %s is%s: jobs and handlers that name it run under it from now on. Undo: rota limit clear %s", name,
                 is, name);
    else
        cli_note(cli, "limit %s is%s (was%s). Undo: rota limit set %s%s", name, is, before, name, before);
    return 0;
}

static int limit_clear(struct cli *cli, struct error *err)
{
    const char *name = cli_argument(cli, 0);
    struct definition was = {0};
    char before[128];

    if (read_name(cli, name, false, err) < 0 || cli_connect(cli, false, NULL, err) < 0 ||
        change_all(cli, "limit_clear", name, NULL, &was, err) < 0)
        return err->code;
    if (strcmp(was.word, "unknown") == 0)
        return cli_fail(cli, err, EX_NOINPUT, "there is no limit %s", name);
    format_flags(&was, before, sizeof before);
    tell_change(cli, name, &was, "");
    cli_note(cli, "cleared limit %s: what names it runs without one, and what waited for it goes on. Undo: rota limit set %s%s",
             name, name, before);
    return 0;
}

/* ---- pause, resume ---- */

/* A pause as the first lane has answered of it. */
struct pause {
    char word[TEXT_BYTES];
    int64_t until_ms, was_ms;
};

static void on_pause(const struct reply *reply, void *ctx)
{
    struct pause *pause = ctx;

    copy(pause->word, reply_at(reply, 0));
    pause->until_ms = reply_int(reply_at(reply, 1));
    pause->was_ms = reply_int(reply_at(reply, 2));
}

/* Tells all lanes, or of a key's limit the lane of its organization. */
static int pause_in_lanes(struct cli *cli, const char *name, const char *org, int64_t ms, struct pause *ret, struct error *err)
{
    uint32_t first = org[0] ? cli_lane(cli, org) : 0, last = org[0] ? first : cli->deployment.lanes - 1;
    struct pause other;
    struct call call = {0};
    int rc = 0;

    for (uint32_t lane = first; lane <= last && rc == 0; lane++) {
        change_begin(&call, "limit_pause", lane);
        call_add_string(&call, name);
        call_add_string(&call, org);
        call_add_int(&call, ms);
        rc = cli_call(cli, &call, on_pause, lane == first ? ret : &other, err);
    }
    call_clear(&call);
    if (rc == 0 && strcmp(ret->word, "unknown") == 0)
        return cli_fail(cli, err, EX_NOINPUT, "there is no limit %.*s", (int)strcspn(name, ":"), name);
    return rc;
}

static int set_paused(struct cli *cli, int64_t ms, struct error *err)
{
    const char *name = cli_argument(cli, 0), *org = config_string(cli->config, "cli.limits.org");
    char until[32], of_org[NAME_BYTES_MAX + 8] = "";
    struct pause pause = {0};

    if (read_name(cli, name, true, err) < 0 || (org[0] && cli_org(cli, org, err) < 0))
        return err->code;
    if ((strchr(name, ':') != NULL) != (org[0] != '\0'))
        return cli_usage(cli, err,
                         org[0] ? "--org goes with the limit of a key: NAME:KEY"
                                : "the limit of a key is one organization's: --org ORG");
    if (cli_connect(cli, false, NULL, err) < 0 || pause_in_lanes(cli, name, org, ms, &pause, err) < 0)
        return err->code;
    if (org[0])
        snprintf(of_org, sizeof of_org, " --org %s", org);
    if (cli->output.format != OUTPUT_TABLE)
        output_object(&cli->output,
                      json_pack("{s:s, s:s, s:o, s:o}", "limit", name, "state", pause.until_ms ? "paused" : "running",
                                "paused_until_ms", moment_or_null(pause.until_ms), "was_paused_until_ms",
                                moment_or_null(pause.was_ms)),
                      NULL);
    if (pause.until_ms)
        cli_note(cli, "limit %s lets nothing start until %s (was %s). Undo: rota limit resume %s%s", name,
                 units_format_time(until, pause.until_ms), pause.was_ms ? "paused" : "running", name, of_org);
    else
        cli_note(cli, "resumed limit %s (was %s). Undo: rota limit pause %s%s", name, pause.was_ms ? "paused" : "running", name,
                 of_org);
    return 0;
}

static int limit_pause(struct cli *cli, struct error *err)
{
    return set_paused(cli, config_integer(cli->config, "cli.limits.for"), err);
}

static int limit_resume(struct cli *cli, struct error *err)
{
    return set_paused(cli, 0, err);
}

static const struct config_setting plain_settings[] = {SETTINGS_CLI, {0}};
static const struct config_setting list_settings[] = {SETTINGS_CLI, SETTINGS_PAGING("100"), {0}};
static const struct config_setting set_settings[] = {
    SETTINGS_CLI,
    FLAG_NUMBER("cli.limits.", "concurrency", NULL, 1, 1000000, "how many may run at once"),
    FLAG_TEXT("cli.limits.", "rate", "N/s|m|h", 64, "how many may start in a second, minute or hour"),
    FLAG_NUMBER("cli.limits.", "burst", NULL, 1, 1000000, "how many of these may start at once after a rest; 1 otherwise"),
    {0},
};
#define SETTING_ORG FLAG_TEXT("cli.limits.", "org", "ORG", 256, "whose limit, of NAME:KEY")
static const struct config_setting resume_settings[] = {SETTINGS_CLI, SETTING_ORG, {0}};
static const struct config_setting pause_settings[] = {
    SETTINGS_CLI,
    SETTING_ORG,
    FLAG_DURATION("cli.limits.", "for", "1h", 1, PAUSE_MS_MAX, "for so long, at most 30 days; a longer pause stays"),
    {0},
};

const struct command limit_commands[] = {
    {"limit list", "", "List the limits beyond organizations", list_settings, 0, 0, limit_list, NULL},
    {"limit show", "NAME", "What a limit allows, what runs under it and what waits", plain_settings, 1, 1, limit_show, NULL},
    {"limit set", "NAME [--concurrency N] [--rate 5/s [--burst N]]", "Define or change a limit", set_settings, 1, 1, limit_set,
     "Jobs run under it that name it (rota push --limit NAME) or whose handler does (limit: NAME), of all organizations\n"
     "together. A job that names NAME:KEY runs under a limit of its organization's own, one for each KEY, with the same\n"
     "definition. What has no room waits, and is in nobody's way."},
    {"limit clear", "NAME", "Forget a limit: what names it runs without one", plain_settings, 1, 1, limit_clear, NULL},
    {"limit pause", "NAME|NAME:KEY --org ORG", "Start nothing under a limit for a while", pause_settings, 1, 1, limit_pause,
     NULL},
    {"limit resume", "NAME|NAME:KEY --org ORG", "Go on with a limit", resume_settings, 1, 1, limit_resume, NULL},
    {0},
};
