#include "cli/listing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/connection.h"
#include "cli/fetch.h"
#include "cli/job_json.h"
#include "cli/orgs.h"
#include "common/memory.h"

#define BATCH_JOBS     100  /* found before they are fetched whole */
#define COUNT_ORGS_MAX 1000 /* that are looked at only to tell how many jobs there are */

const char *const listing_states[LISTING_STATES] = {"running", "ready", "waiting", "scheduled", "dead", "cancelled", "done"};

/* Jobs that were found, to be fetched whole. */
struct batch {
    char ids[BATCH_JOBS][JOB_ID_BYTES_MAX + 1];
    int64_t scores[BATCH_JOBS];
    size_t count;
};

/* A listing under way. */
struct listing {
    struct cli *cli;
    const struct listing_options *options;
    struct list *list;
    int64_t left, shown; /* jobs that may still be shown; that were */
    bool more;           /* there are, or may be, others */
    struct job_cursor cursor;
    bool resumes;       /* what comes before the cursor is passed over */
    struct batch batch; /* for options->whole */
    int64_t visited;    /* of the set */
    int64_t looked;     /* jobs that Redis has looked at */
    struct fetch_filter filter;
    bool filters;
};

int listing_read_states(struct cli *cli, struct listing_options *options, const char *except, struct error *err)
{
    size_t count = config_list_count(cli->config, "cli.job.state");

    for (size_t i = 0; i < LISTING_STATES; i++)
        options->states[i] = count == 0 && !strstr(except, listing_states[i]);
    for (size_t i = 0; i < count; i++) {
        const char *state = config_list_at(cli->config, "cli.job.state", i);
        size_t at = 0;
        while (at < LISTING_STATES && strcmp(listing_states[at], state) != 0)
            at++;
        if (at == LISTING_STATES)
            return cli_usage(cli, err, "state \"%.40s\" must be running, ready, waiting, scheduled, dead, cancelled or done",
                             state);
        options->states[at] = true;
    }
    return 0;
}

/* Only while they are ready, the jobs of a queue are a set of their own. One that is unreadable is anybody's. */
static bool is_of_queue(const struct job *job, const char *queue)
{
    return !job->record.type[0] || strcmp(job->record.queue[0] ? job->record.queue : "default", queue) == 0;
}

static bool is_wanted(const struct job *job, const struct listing_options *options)
{
    if (options->type[0] && strcmp(job->record.type, options->type) != 0)
        return false;
    return !options->queue[0] || is_of_queue(job, options->queue);
}

static void count_shown(struct listing *listing, int64_t score, const char *id)
{
    listing->shown++;
    listing->cursor.score = score;
    snprintf(listing->cursor.id, sizeof listing->cursor.id, "%s", id);
}

/* For people a job that waits for another one says so, where there is no time to tell. */
static json_t *row_of(const struct listing *listing, const struct job *job)
{
    json_t *row = job_to_json(job, false);

    if (listing->cli->output.format == OUTPUT_TABLE && job->state.notes.after[0])
        json_object_set_new(row, "state", json_sprintf("%s, after %s", job->place, job->state.notes.after));
    return row;
}

static bool show_listed(const struct job *job, void *ctx)
{
    struct listing *listing = ctx;

    if (ferror(stdout)) /* nobody reads any more */
        return false;
    listing->more = listing->left == 0;
    if (listing->more)
        return false;
    if (!is_wanted(job, listing->options))
        return true;
    list_add(listing->list, row_of(listing, job));
    listing->left--;
    count_shown(listing, job->score, job->id);
    return true;
}

/* ---- whole jobs ---- */

/* What show_listed does, but for a later look. */
static bool gather(const struct job *job, void *ctx)
{
    struct listing *listing = ctx;
    struct batch *batch = &listing->batch;

    listing->more = listing->left == 0;
    if (listing->more || batch->count == BATCH_JOBS)
        return false;
    listing->visited++;
    if (!is_wanted(job, listing->options))
        return true;
    snprintf(batch->ids[batch->count], sizeof batch->ids[0], "%s", job->id);
    batch->scores[batch->count++] = job->score;
    listing->left--;
    return true;
}

static int show_batch(struct listing *listing, const char *org, struct error *err)
{
    struct batch *batch = &listing->batch;

    for (size_t i = 0; i < batch->count && !ferror(stdout); i++) {
        struct fetched fetched;
        int rc = fetch_job(listing->cli, org, batch->ids[i], &fetched, err);
        if (rc < 0 && rc != ERR_NOT_FOUND)
            return rc;
        if (rc == 0 && !listing->options->whole(listing->cli, &fetched.job))
            listing->left++;
        else if (rc == 0)
            count_shown(listing, batch->scores[i], batch->ids[i]);
        if (rc == 0)
            fetched_clear(&fetched);
    }
    return 0;
}

static int list_whole(struct listing *listing, const char *org, const char *set, int64_t from, struct error *err)
{
    bool ended;
    int rc;

    do {
        listing->batch.count = 0;
        listing->visited = 0;
        rc = fetch_set(listing->cli, org, set, from, listing->options->newest, gather, listing, &ended, err);
        if (rc == 0)
            rc = show_batch(listing, org, err);
        from += listing->visited;
    } while (rc == 0 && ended && !listing->more && !ferror(stdout));
    return rc;
}

/* ---- sets ---- */

/* Where a search has looked at as many jobs as it may, the cursor is that of the last one of them, shown or not. */
static int search_set(struct listing *listing, const char *org, const char *set, int64_t from, struct error *err)
{
    struct fetch_walk walk = {.org = org,
                              .set = set,
                              .from = from,
                              .newest = listing->options->newest,
                              .filter = listing->filters ? &listing->filter : NULL,
                              .look_max = listing->filters ? listing->options->look_max - listing->looked : 0,
                              .visit = show_listed,
                              .ctx = listing};
    int rc = fetch_walk(listing->cli, &walk, err);

    listing->looked += walk.looked;
    if (rc == 0 && !walk.ended && !walk.empty) {
        listing->more = true;
        listing->cursor.score = walk.last_score;
        snprintf(listing->cursor.id, sizeof listing->cursor.id, "%s", walk.last_id);
    }
    return rc;
}

/* The cursor's own set is gone on with behind it; what comes before that was shown already. */
static int list_set(struct listing *listing, const char *org, const char *set, struct error *err)
{
    struct job_cursor *cursor = &listing->cursor;
    char key[KEY_BYTES_MAX];
    int64_t from = 0;

    if (listing->resumes) {
        if (strcmp(set, cursor->set) != 0)
            return 0;
        listing->resumes = false;
        if (fetch_rank_behind(listing->cli, fetch_key(listing->cli, org, set, key), cursor->score, cursor->id,
                              listing->options->newest, &from, err) < 0)
            return err->code;
    }
    if (listing->left > 0) { /* else the cursor is that of the last job that was shown */
        snprintf(cursor->org, sizeof cursor->org, "%s", org);
        snprintf(cursor->set, sizeof cursor->set, "%s", set);
    }
    if (listing->options->whole)
        return list_whole(listing, org, set, from, err);
    return search_set(listing, org, set, from, err);
}

static int list_ready(struct listing *listing, const struct org_view *org, struct error *err)
{
    const char *wanted = listing->options->queue;
    char set[NAME_BYTES_MAX + 8];
    int rc = 0;

    for (size_t i = 0; i < org->queue_count && rc == 0 && !listing->more; i++) {
        if (wanted[0] && strcmp(org->queues[i].name, wanted) != 0)
            continue;
        snprintf(set, sizeof set, "ready:%s", org->queues[i].name);
        if (org->queues[i].ready > 0 || listing->resumes)
            rc = list_set(listing, org->name, set, err);
    }
    return rc;
}

static int list_org(struct listing *listing, const char *name, struct error *err)
{
    struct org_view org = {0};
    int rc = orgs_look_at(listing->cli, name, &org, err);
    const int64_t counts[LISTING_STATES] = {org.running, org.ready,     org.waiting, org.scheduled,
                                            org.dead,    org.cancelled, org.done};

    if (rc < 0)
        return rc;
    for (size_t i = 0; i < LISTING_STATES && rc == 0 && !listing->more; i++) {
        if (!listing->options->states[i] || (counts[i] == 0 && !listing->resumes))
            continue;
        rc = strcmp(listing_states[i], "ready") == 0 ? list_ready(listing, &org, err)
                                                     : list_set(listing, name, listing_states[i], err);
    }
    listing->resumes = false; /* its set is gone */
    org_view_clear(&org);
    return rc;
}

/* ---- how many there are ---- */

struct counting {
    const struct listing_options *options;
    int64_t jobs;
};

static int count_org(struct org_view *org, void *ctx, struct error *err)
{
    const int64_t counts[LISTING_STATES] = {org->running, org->ready, org->scheduled, org->dead, org->cancelled, org->done};
    struct counting *counting = ctx;

    (void)err;
    for (size_t i = 0; i < LISTING_STATES; i++)
        counting->jobs += counting->options->states[i] ? counts[i] : 0;
    return 0;
}

/* -1 where only looking at every job, or at very many organizations, would tell. */
static int64_t count_all(struct listing *listing, const struct names *names)
{
    struct counting counting = {.options = listing->options};
    struct error ignored;

    if (names->count > COUNT_ORGS_MAX || listing->filters || listing->options->type[0] || listing->options->queue[0] ||
        orgs_look(listing->cli, names, false, count_org, &counting, &ignored) < 0)
        return -1;
    return counting.jobs;
}

/* ---- the list ---- */

static int list_orgs(struct listing *listing, const struct names *names, struct error *err)
{
    int rc = 0;

    for (size_t i = 0; i < names->count && rc == 0 && !listing->more && !ferror(stdout); i++) {
        int order = listing->resumes ? strcmp(names->items[i], listing->cursor.org) : 0;
        if (order < 0)
            continue;
        listing->resumes = listing->resumes && order == 0;
        rc = list_org(listing, names->items[i], err);
        if (rc == ERR_NOT_FOUND && cli_argument_count(listing->cli) == 0)
            rc = 0; /* it was deleted meanwhile */
    }
    return rc;
}

void listing_read_find(struct cli *cli, struct listing_options *options)
{
    int64_t since_ms = config_integer(cli->config, "cli.find.since"), now_ms = cli_now_ms(cli);
    int64_t look = config_integer(cli->config, "cli.find.look");

    options->filter.error = config_string(cli->config, "cli.find.error");
    options->filter.payload = config_string(cli->config, "cli.find.payload");
    options->filter.since_ms = since_ms > 0 && since_ms < now_ms ? now_ms - since_ms : 0;
    options->look_max = look ? look : INT64_MAX;
}

static bool has_filter(const struct fetch_filter *filter)
{
    return filter->type[0] || (filter->error && filter->error[0]) || (filter->payload && filter->payload[0]) ||
           filter->since_ms > 0;
}

int listing_print(struct cli *cli, const struct listing_options *options, struct error *err)
{
    struct listing listing = {.cli = cli, .options = options, .left = paging_limit(cli)};
    const char *cursor = paging_cursor(cli);
    struct names names = {0};
    char text[CURSOR_BYTES];
    int rc = cursor[0] ? job_cursor_parse(cli, &listing.cursor, cursor, err) : 0;

    listing.resumes = cursor[0] != '\0';
    listing.filter = options->filter;
    listing.filter.type = options->type;
    listing.filters = !options->whole && has_filter(&listing.filter);
    if (rc == 0)
        rc = orgs_named(cli, 0, &names, err);
    if (rc == 0) {
        names_sort(&names);
        listing.list = options->whole ? NULL : list_new(&cli->output, options->columns);
        rc = list_orgs(&listing, &names, err);
        if (listing.list)
            list_end(listing.list);
    }
    if (rc < 0 && options->whole && listing.shown > 0) /* what was shown need not be shown again */
        cli_hint(cli, "--cursor %s, to go on", job_cursor_format(&listing.cursor, text));
    if (rc == 0 && listing.filters && options->look_max - listing.looked <= 0)
        cli_note(cli, "%lld jobs were looked at: --look N looks at more", (long long)listing.looked);
    if (rc == 0 && listing.more)
        paging_more(cli, listing.shown, count_all(&listing, &names), job_cursor_format(&listing.cursor, text));
    names_clear(&names);
    return rc;
}
