#include "cli/listing.h"

#include <stdio.h>
#include <string.h>

#include "cli/connection.h"
#include "cli/fetch.h"
#include "cli/job_json.h"
#include "cli/orgs.h"

const char *const listing_states[LISTING_STATES] = {"running", "ready", "scheduled", "dead", "cancelled", "done"};

/* A listing under way. */
struct listing {
    struct cli *cli;
    const struct listing_options *options;
    struct list *list;
    int64_t left; /* jobs that may still be shown; -1: any number */
};

/* Only while they are ready, the jobs of a queue are a set of their own. One that is unreadable is anybody's. */
static bool is_of_queue(const struct job *job, const char *queue)
{
    return !job->record.type[0] || strcmp(job->record.queue[0] ? job->record.queue : "default", queue) == 0;
}

static bool show_listed(const struct job *job, void *ctx)
{
    struct listing *listing = ctx;

    if (listing->options->type[0] && strcmp(job->record.type, listing->options->type) != 0)
        return true;
    if (listing->options->queue[0] && !is_of_queue(job, listing->options->queue))
        return true;
    if (listing->left == 0 || ferror(stdout)) /* nobody reads any more */
        return false;
    list_add(listing->list, job_to_json(job, false));
    listing->left -= listing->left > 0;
    return true;
}

static int list_set(struct listing *listing, const char *org, const char *set, struct error *err)
{
    bool ended;

    return fetch_set(listing->cli, org, set, 0, listing->options->newest, show_listed, listing, &ended, err);
}

static int list_ready(struct listing *listing, const struct org_view *org, struct error *err)
{
    const char *wanted = listing->options->queue;
    char set[NAME_BYTES_MAX + 8];
    int rc = 0;

    for (size_t i = 0; i < org->queue_count && rc == 0; i++) {
        if (org->queues[i].ready == 0 || (wanted[0] && strcmp(org->queues[i].name, wanted) != 0))
            continue;
        snprintf(set, sizeof set, "ready:%s", org->queues[i].name);
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
    for (size_t i = 0; i < LISTING_STATES && rc == 0 && listing->left != 0; i++) {
        if (!listing->options->states[i] || counts[i] == 0)
            continue;
        rc = strcmp(listing_states[i], "ready") == 0 ? list_ready(listing, &org, err)
                                                     : list_set(listing, name, listing_states[i], err);
    }
    org_view_clear(&org);
    return rc;
}

int listing_print(struct cli *cli, const struct listing_options *options, struct error *err)
{
    struct listing listing = {.cli = cli, .options = options, .left = options->limit ? options->limit : -1};
    struct names names = {0};
    int rc = orgs_named(cli, 0, &names, err);

    if (rc == 0) {
        listing.list = list_new(&cli->output, options->columns);
        for (size_t i = 0; i < names.count && rc == 0 && listing.left != 0 && !ferror(stdout); i++) {
            rc = list_org(&listing, names.items[i], err);
            if (rc == ERR_NOT_FOUND && cli_argument_count(cli) == 0)
                rc = 0; /* it was purged meanwhile */
        }
        list_end(listing.list);
    }
    if (rc == 0 && listing.left == 0)
        cli_note(cli, "the first %lld are shown: --limit 0 shows all", (long long)options->limit);
    names_clear(&names);
    return rc;
}
