#include "cli/listing.h"

#include <stdio.h>
#include <string.h>

#include "cli/connection.h"
#include "cli/fetch.h"
#include "cli/job_json.h"
#include "cli/orgs.h"

#define COUNT_ORGS_MAX 1000 /* that are looked at only to tell how many jobs there are */

const char *const listing_states[LISTING_STATES] = {"running", "ready", "scheduled", "dead", "cancelled", "done"};

/* A listing under way. */
struct listing {
    struct cli *cli;
    const struct listing_options *options;
    struct list *list;
    int64_t left, shown; /* jobs that may still be shown; that were */
    bool more;           /* there are, or may be, others */
    struct job_cursor cursor;
    bool resumes; /* what comes before the cursor is passed over */
};

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
    list_add(listing->list, job_to_json(job, false));
    listing->left--;
    listing->shown++;
    listing->cursor.score = job->score;
    snprintf(listing->cursor.id, sizeof listing->cursor.id, "%s", job->id);
    return true;
}

/* The cursor's own set is gone on with behind it; what comes before that was shown already. */
static int list_set(struct listing *listing, const char *org, const char *set, struct error *err)
{
    struct job_cursor *cursor = &listing->cursor;
    char key[KEY_BYTES_MAX];
    int64_t from = 0;
    bool ended;

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
    return fetch_set(listing->cli, org, set, from, listing->options->newest, show_listed, listing, &ended, err);
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
    const int64_t counts[LISTING_STATES] = {org.running, org.ready, org.scheduled, org.dead, org.cancelled, org.done};

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

    if (names->count > COUNT_ORGS_MAX || listing->options->type[0] || listing->options->queue[0] ||
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
            rc = 0; /* it was purged meanwhile */
    }
    return rc;
}

int listing_print(struct cli *cli, const struct listing_options *options, struct error *err)
{
    struct listing listing = {.cli = cli, .options = options, .left = paging_limit(cli)};
    const char *cursor = paging_cursor(cli);
    struct names names = {0};
    char text[CURSOR_BYTES];
    int rc = cursor[0] ? job_cursor_parse(cli, &listing.cursor, cursor, err) : 0;

    listing.resumes = cursor[0] != '\0';
    if (rc == 0)
        rc = orgs_named(cli, 0, &names, err);
    if (rc == 0) {
        names_sort(&names);
        listing.list = list_new(&cli->output, options->columns);
        rc = list_orgs(&listing, &names, err);
        list_end(listing.list);
    }
    if (rc == 0 && listing.more)
        paging_more(cli, listing.shown, count_all(&listing, &names), job_cursor_format(&listing.cursor, text));
    names_clear(&names);
    return rc;
}
