/* listing.h - jobs of organizations, printed page by page. */
#pragma once

#include "cli/cli.h"
#include "cli/paging.h"
#include "common/job.h"

#define LISTING_STATES 6

/* "running", "ready", ...: in the order in which they are listed. */
extern const char *const listing_states[LISTING_STATES];

#define SETTINGS_LISTING                                                                              \
    FLAG_TEXT("cli.job.", "type", "TYPE", TYPE_BYTES_MAX, "jobs of one type"), SETTINGS_PAGING("50"), \
        FLAG_BOOL("cli.job.", "newest", 0, "from the end of each state on")

struct listing_options {
    const struct column *columns;
    bool states[LISTING_STATES]; /* those to list */
    const char *queue, *type;    /* only of these; "": any */
    bool newest;                 /* each state from its end on */
    /* NULL: each job is an object of the list. Otherwise it is told of each job instead, with its payload; it returns whether it
     * has shown it. */
    bool (*whole)(struct cli *cli, const struct job *job);
};

/* The states that --state names, all if it names none; `except` (a list of words) are not among all. */
int listing_read_states(struct cli *cli, struct listing_options *options, const char *except, struct error *err) MUST_CHECK;

#define SETTING_STATES(text) FLAG_WORDS("cli.job.", "state", "STATE", "running ready scheduled dead cancelled done", text)

/* Prints the jobs of the organizations that were given as arguments, or of all, from --cursor on and at most --limit.
 * ERR_NOT_FOUND for one that does not exist. */
int listing_print(struct cli *cli, const struct listing_options *options, struct error *err) MUST_CHECK;
