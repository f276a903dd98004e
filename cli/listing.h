/* listing.h - jobs of organizations, printed page by page. */
#pragma once

#include "cli/cli.h"
#include "cli/fetch.h"
#include "cli/paging.h"
#include "common/job.h"

#define LISTING_STATES 7

/* "running", "ready", ...: in the order in which they are listed. */
extern const char *const listing_states[LISTING_STATES];

/* Which jobs, of those that there are. */
#define SETTING_QUEUE  FLAG_TEXT("cli.job.", "queue", "QUEUE", NAME_BYTES_MAX, "jobs of one queue")
#define SETTING_TYPE   FLAG_TEXT("cli.job.", "type", "TYPE", TYPE_BYTES_MAX, "jobs of one type")
#define SETTING_NEWEST FLAG_BOOL("cli.job.", "newest", 0, "from the end of each state on")

/* What Redis looks for. Keys of their own: --payload of `job show` is another thing. */
#define SETTINGS_FIND                                                                                                       \
    FLAG_TEXT("cli.find.", "error", "TEXT", FETCH_FILTER_BYTES_MAX, "jobs with TEXT in the error or result of an attempt"), \
        FLAG_TEXT("cli.find.", "payload", "TEXT", FETCH_FILTER_BYTES_MAX, "jobs with TEXT in the payload"),                 \
        FLAG_DURATION("cli.find.", "since", NULL, 1, 3650LL * 24 * 3600 * 1000,                                             \
                      "jobs that ended, or if they have not ended were enqueued, not longer ago"),                          \
        FLAG_NUMBER("cli.find.", "look", "100000", 0, INT64_MAX, "how many jobs to look at to find some; 0: all")

struct listing_options {
    const struct column *columns;
    bool states[LISTING_STATES]; /* those to list */
    const char *queue, *type;    /* only of these; "": any */
    struct fetch_filter filter;  /* what Redis looks for, beside `type`; not with `whole` */
    int64_t look_max;            /* jobs that are looked at, where there is a filter */
    bool newest;                 /* each state from its end on */
    /* NULL: each job is an object of the list. Otherwise it is told of each job instead, with its payload; it returns whether it
     * has shown it. */
    bool (*whole)(struct cli *cli, const struct job *job);
};

/* The states that --state names, all if it names none; `except` (a list of words) are not among all. */
int listing_read_states(struct cli *cli, struct listing_options *options, const char *except, struct error *err) MUST_CHECK;

#define SETTING_STATES(text) FLAG_WORDS("cli.job.", "state", "STATE", "running ready scheduled dead cancelled done", text)

/* Reads SETTINGS_FIND into the options. After cli_connect. */
void listing_read_find(struct cli *cli, struct listing_options *options);

/* Prints the jobs of the organizations that were given as arguments, or of all, from --cursor on and at most --limit.
 * ERR_NOT_FOUND for one that does not exist. */
int listing_print(struct cli *cli, const struct listing_options *options, struct error *err) MUST_CHECK;
