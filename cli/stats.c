/* `rota stats`: how attempts went, from the jobs that are still kept. A sample, and it says of what. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "cli/connection.h"
#include "cli/fetch.h"
#include "cli/orgs.h"
#include "cli/paging.h"
#include "common/memory.h"

#define ATTEMPTS_MAX 500000 /* that are looked at in all */
#define ORGS_MAX     100    /* that are looked at where none is named */

/* All attempts of one organization, type or worker. */
struct row {
    UT_hash_handle hh; /* by name */
    char name[TYPE_BYTES_MAX + 1];
    int64_t done, failed, worker_ms, last_ms;
    int64_t *took_ms;
    size_t count, capacity;
};

struct stats {
    struct cli *cli;
    const char *by;
    struct row *rows;
    const char *org;  /* that is looked at */
    int64_t since_ms; /* attempts that ended before do not count */
    int64_t left;     /* jobs of the set that may still be looked at */
    int64_t jobs, attempts;
    bool cut; /* a set had more jobs than were looked at */
};

/* ---- counting ---- */

static struct row *find_or_add(struct stats *stats, const char *name)
{
    struct row *row;

    HASH_FIND_STR(stats->rows, name, row);
    if (!row) {
        row = memory_new(sizeof *row);
        snprintf(row->name, sizeof row->name, "%s", name);
        HASH_ADD_STR(stats->rows, name, row);
    }
    return row;
}

static bool went_well(const struct attempt *attempt)
{
    return strcmp(attempt->outcome, "done") == 0 || strcmp(attempt->outcome, "discarded") == 0;
}

static void count_attempt(struct stats *stats, const struct job *job, const struct attempt *attempt)
{
    const char *name = strcmp(stats->by, "org") == 0      ? job->org
                       : strcmp(stats->by, "worker") == 0 ? attempt->worker
                                                          : job->record.type;
    int64_t took_ms = attempt->ended_ms - attempt->started_ms;
    struct row *row;

    if (attempt->ended_ms < stats->since_ms || strcmp(attempt->outcome, "released") == 0 || stats->attempts >= ATTEMPTS_MAX)
        return;
    row = find_or_add(stats, name);
    stats->attempts++;
    *(went_well(attempt) ? &row->done : &row->failed) += 1;
    if (row->count == row->capacity) {
        row->capacity = row->capacity ? 2 * row->capacity : 16;
        row->took_ms = memory_resize(row->took_ms, sizeof *row->took_ms * row->capacity);
    }
    row->took_ms[row->count++] = took_ms > 0 ? took_ms : 0;
    row->worker_ms += took_ms > 0 ? took_ms : 0;
    row->last_ms = attempt->ended_ms > row->last_ms ? attempt->ended_ms : row->last_ms;
}

static bool count_job(const struct job *job, void *ctx)
{
    struct stats *stats = ctx;

    if (stats->left == 0) {
        stats->cut = true;
        return false;
    }
    stats->left--;
    stats->jobs++;
    for (size_t i = 0; i < job->state.attempt_count; i++)
        count_attempt(stats, job, &job->state.attempts[i]);
    return true;
}

static int count_org(struct stats *stats, const char *org, struct error *err)
{
    static const char *const sets[] = {"done", "dead", "scheduled"}; /* the last one for what is to be tried again */
    bool ended;
    int rc = 0;

    for (size_t i = 0; i < sizeof sets / sizeof *sets && rc == 0; i++) {
        stats->left = config_integer(stats->cli->config, "cli.stats.sample");
        rc = fetch_set(stats->cli, org, sets[i], 0, true, count_job, stats, &ended, err);
    }
    return rc;
}

/* ---- showing ---- */

static const struct column stats_columns[] = {
    {"NAME", "name", COLUMN_TEXT},     {"DONE", "done", COLUMN_NUMBER},   {"FAILED", "failed", COLUMN_NUMBER},
    {"P50", "p50_ms", COLUMN_FOR},     {"P95", "p95_ms", COLUMN_FOR},     {"MAX", "max_ms", COLUMN_FOR},
    {"TIME", "worker_ms", COLUMN_FOR}, {"LAST", "last_ms", COLUMN_SINCE}, {0},
};

static int compare_ms(const void *a, const void *b)
{
    int64_t one = *(const int64_t *)a, other = *(const int64_t *)b;

    return (one > other) - (one < other);
}

/* What takes most of the workers' time comes first. */
static int compare_rows(const struct row *a, const struct row *b)
{
    if (a->worker_ms != b->worker_ms)
        return a->worker_ms > b->worker_ms ? -1 : 1;
    return strcmp(a->name, b->name);
}

static json_t *row_to_json(const struct stats *stats, struct row *row)
{
    qsort(row->took_ms, row->count, sizeof *row->took_ms, compare_ms);
    return json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "by", stats->by, "name", row->name, "done",
                     (json_int_t)row->done, "failed", (json_int_t)row->failed, "p50_ms",
                     (json_int_t)row->took_ms[(row->count - 1) / 2], "p95_ms",
                     (json_int_t)row->took_ms[(row->count - 1) * 95 / 100], "max_ms", (json_int_t)row->took_ms[row->count - 1],
                     "worker_ms", (json_int_t)row->worker_ms, "last_ms", (json_int_t)row->last_ms);
}

static void show(struct stats *stats)
{
    struct list *list = list_new(&stats->cli->output, stats_columns);
    const char *cursor = paging_cursor(stats->cli), *last = "";
    int64_t limit = paging_limit(stats->cli), shown = 0;
    bool begun = cursor[0] == '\0', more = false;
    struct row *row, *next;

    HASH_SRT(hh, stats->rows, compare_rows);
    HASH_ITER(hh, stats->rows, row, next)
    {
        more = more || (begun && shown == limit);
        if (begun && shown < limit) {
            list_add(list, row_to_json(stats, row));
            last = row->name;
            shown++;
        }
        begun = begun || strcmp(row->name, cursor) == 0;
    }
    list_end(list);
    if (more)
        paging_more(stats->cli, shown, (int64_t)HASH_COUNT(stats->rows), last);
}

/* In JSON, too, one must know that it is a sample. */
static void tell_sample(const struct stats *stats, size_t looked, size_t orgs)
{
    int64_t sample = config_integer(stats->cli->config, "cli.stats.sample");
    json_t *object;

    if (stats->cli->output.format == OUTPUT_TABLE) {
        cli_note(stats->cli, "from %" PRId64 " attempts of %" PRId64 " jobs of %zu organization%s%s%s", stats->attempts,
                 stats->jobs, looked, looked == 1 ? "" : "s",
                 stats->cut ? ": the newest of each state, as --sample says; there are more" : ": all that are kept",
                 looked < orgs ? ". Others were not looked at: name them" : "");
    } else if (!config_bool(stats->cli->config, "cli.quiet")) {
        object = json_pack("{s:{s:I, s:I, s:i, s:i, s:I, s:b}}", "sample", "attempts", (json_int_t)stats->attempts, "jobs",
                           (json_int_t)stats->jobs, "orgs", (int)looked, "of_orgs", (int)orgs, "per_state", (json_int_t)sample,
                           "cut", stats->cut);
        fflush(stdout);
        json_dumpf(object, stderr, JSON_COMPACT);
        fputc('\n', stderr);
        json_decref(object);
    }
}

static void free_rows(struct stats *stats)
{
    struct row *row = stats->rows, *next;

    HASH_CLEAR(hh, stats->rows); /* the table; what was in it is still one behind the other */
    for (; row; row = next) {
        next = row->hh.next;
        free(row->took_ms);
        free(row);
    }
}

/* ---- the command ---- */

static int check_by(struct cli *cli, const char *by, struct error *err)
{
    if (strcmp(by, "org") == 0 || strcmp(by, "type") == 0 || strcmp(by, "worker") == 0)
        return 0;
    return cli_usage(cli, err, "--by \"%.40s\" must be org, type or worker", by);
}

static int stats_command(struct cli *cli, struct error *err)
{
    struct stats stats = {.cli = cli, .by = config_string(cli->config, "cli.stats.by")};
    int64_t window_ms = config_integer(cli->config, "cli.stats.since");
    struct names names = {0};
    size_t looked = 0;
    int rc = check_by(cli, stats.by, err);

    if (rc == 0)
        rc = cli_connect(cli, false, NULL, err);
    if (rc == 0)
        rc = orgs_named(cli, 0, &names, err);
    stats.since_ms = rc == 0 && window_ms ? cli_now_ms(cli) - window_ms : 0;
    for (; looked < names.count && rc == 0 && (looked < ORGS_MAX || cli_argument_count(cli) > 0); looked++)
        rc = count_org(&stats, names.items[looked], err);
    if (rc == 0) {
        show(&stats);
        tell_sample(&stats, looked, names.count);
    }
    free_rows(&stats);
    names_clear(&names);
    return rc;
}

static const struct config_setting stats_settings[] = {
    SETTINGS_CLI,
    {.key = "cli.stats.by",
     .kind = CONFIG_STRING,
     .fallback = "type",
     .high = 16,
     .flag = "by",
     .argument = "WHAT",
     .help = "org, type or worker",
     .words = "org type worker"},
    FLAG_DURATION("cli.stats.", "since", NULL, 0, 1LL << 42, "only attempts that ended so short a time ago"),
    FLAG_NUMBER("cli.stats.", "sample", "500", 1, 10000, "jobs of each organization and state that are looked at, the newest"),
    SETTINGS_PAGING("50"),
    {0},
};

const struct command stats_commands[] = {
    {"stats", "[ORG]...", "Tell how attempts went and how long they took, by type, organization or worker", stats_settings, 0, -1,
     stats_command,
     "From the done, dead and waiting jobs that are kept (keep-done, keep-dead): the newest of each organization, 100 "
     "organizations at\n"
     "most where none is named. What is listed first has taken most of the workers' time. p50 and p95: half of the attempts, and "
     "95 "
     "of\n"
     "100, took no longer."},
    {0},
};
