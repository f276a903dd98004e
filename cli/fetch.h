/* fetch.h - jobs as Redis tells them: one whole, or pages of a set. */
#pragma once

#include <stdbool.h>

#include "cli/cli.h"
#include "common/job.h"
#include "common/keys.h"

/* A job with the bytes that it borrows from. All zeroes is none. */
struct fetched {
    struct job job;
    char *record;
};

/* Fetches one job. ERR_NOT_FOUND if there is none. Gives: fetched_clear. */
int fetch_job(struct cli *cli, const char *org, const char *id, struct fetched *ret, struct error *err) MUST_CHECK;
void fetched_clear(struct fetched *fetched);

/* Told of each job of a page; `job` is borrowed for the call, without its payload. False ends the walk. May not call Redis. */
typedef bool fetch_visit(const struct job *job, void *ctx);

/* The key of a set of an organization's jobs. */
const char *fetch_key(const struct cli *cli, const char *org, const char *set, char ret_key[KEY_BYTES_MAX]);

/* How many members of the sorted set `key` stand before what comes behind `member` with `score`, in its order or from the newest
 * on; also where that is not there any more. */
int fetch_rank_behind(struct cli *cli, const char *key, int64_t score, const char *member, bool newest, int64_t *ret_from,
                      struct error *err) MUST_CHECK;

#define FETCH_FILTER_BYTES_MAX 256

/* Only jobs that have all of this. "" and NULL, 0: any. */
struct fetch_filter {
    const char *type;
    const char *error, *payload; /* texts that are in the report of an attempt, in the payload */
    int64_t since_ms;            /* ended, or if it has not ended was enqueued, then or later */
};

/* A walk through one set ("ready:<queue>", "scheduled", ...) in its order, or from its newest on, in pages. Redis looks for what
 * matches; only that is visited. */
struct fetch_walk {
    const char *org, *set;
    int64_t from; /* jobs that are passed over; afterwards: where to go on */
    bool newest;
    const struct fetch_filter *filter; /* NULL for none */
    int64_t look_max;                  /* end after so many were looked at; 0: never */
    fetch_visit *visit;
    void *ctx;
    /* What came of it. */
    bool ended;         /* by the visitor: there may be more */
    bool empty;         /* by the end of the set */
    int64_t looked;     /* in whole pages, of which */
    int64_t last_score; /* this was the last job */
    char last_id[JOB_ID_BYTES_MAX + 1];
};

int fetch_walk(struct cli *cli, struct fetch_walk *walk, struct error *err) MUST_CHECK;

/* Visits the jobs of one set ("ready:<queue>", "scheduled", ...) in its order, or from its newest on, in pages, from the one that
 * has `from` jobs before it. *ret_ended: the visitor ended it, there may be more. */
int fetch_set(struct cli *cli, const char *org, const char *set, int64_t from, bool newest, fetch_visit *visit, void *ctx,
              bool *ret_ended, struct error *err) MUST_CHECK;
