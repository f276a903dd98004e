#include "cli/fetch.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/connection.h"
#include "common/memory.h"

#define PAGE_JOBS 500 /* the most that `jobs` gives in one call */

/* ---- one job ---- */

/* A call of `job` and what came of it. */
struct lookup {
    struct fetched fetched;
    bool found;
    int rc;
    struct error err;
};

static void on_job(const struct reply *reply, void *ctx)
{
    struct lookup *lookup = ctx;
    struct job *job = &lookup->fetched.job;
    size_t record_bytes, state_bytes;
    const char *record = reply_bytes(reply_at(reply, 2), &record_bytes), *state = reply_bytes(reply_at(reply, 3), &state_bytes);

    if (reply_count(reply) < 4)
        return;
    lookup->found = true;
    snprintf(job->place, sizeof job->place, "%s", reply_string(reply_at(reply, 0)));
    job->score = reply_int(reply_at(reply, 1));
    job->cancelling = reply_int(reply_at(reply, 5)) != 0;
    lookup->fetched.record = memory_copy(record, record_bytes);
    lookup->rc = job_decode(job, lookup->fetched.record, record_bytes, state, state_bytes, &lookup->err);
}

int fetch_job(struct cli *cli, const char *org, const char *id, struct fetched *ret, struct error *err)
{
    struct lookup lookup = {.found = false};
    struct call call = {0};
    int rc;

    call_function(&call, "job", cli_lane(cli, org));
    call_add_string(&call, org);
    call_add_string(&call, id);
    rc = cli_call(cli, &call, on_job, &lookup, err);
    call_clear(&call);
    if (rc < 0)
        return rc;
    if (!lookup.found)
        return error_set(err, ERR_NOT_FOUND, "there is no job %s/%s", org, id);
    if (lookup.rc < 0) {
        *err = lookup.err;
        free(lookup.fetched.record);
        return error_wrap(err, "job %s/%s", org, id);
    }
    snprintf(lookup.fetched.job.org, sizeof lookup.fetched.job.org, "%s", org);
    snprintf(lookup.fetched.job.id, sizeof lookup.fetched.job.id, "%s", id);
    *ret = lookup.fetched; /* gives */
    return 0;
}

void fetched_clear(struct fetched *fetched)
{
    job_clear(&fetched->job);
    free(fetched->record);
    *fetched = (struct fetched){0};
}

/* ---- a place in a set ---- */

static void on_score(const struct reply *reply, void *ctx)
{
    *(int64_t *)ctx = reply_is_nil(reply) ? INT64_MIN : reply_int(reply);
}

static void begin_on(struct call *call, const char *command, const char *key)
{
    call_command(call, command);
    call_add_string(call, key);
}

const char *fetch_key(const struct cli *cli, const char *org, const char *set, char ret_key[KEY_BYTES_MAX])
{
    char part[2 * NAME_BYTES_MAX + 16];

    snprintf(part, sizeof part, "org:%s:%s", org, set);
    return key_in_lane(ret_key, cli_lane(cli, org), part);
}

int fetch_rank_behind(struct cli *cli, const char *key, int64_t score, const char *member, bool newest, int64_t *ret_from,
                      struct error *err)
{
    int64_t found = INT64_MIN, rank = INT64_MIN, before = 0;
    struct call call = {0};

    begin_on(&call, "ZSCORE", key);
    call_add_string(&call, member);
    cli_send(cli, &call, on_score, &found);
    begin_on(&call, newest ? "ZREVRANK" : "ZRANK", key);
    call_add_string(&call, member);
    cli_send(cli, &call, on_score, &rank);
    begin_on(&call, "ZCOUNT", key); /* those of the same score come again, rather than being passed over */
    call_add_format(&call, "%s%" PRId64, newest ? "(" : "", newest ? score : INT64_MIN);
    call_add_format(&call, "%s%" PRId64, newest ? "" : "(", newest ? INT64_MAX : score);
    cli_send(cli, &call, on_score, &before);
    call_clear(&call);
    if (cli_settle(cli, err) < 0)
        return err->code;
    *ret_from = found == score && rank >= 0 ? rank + 1 : before;
    return 0;
}

/* ---- pages ---- */

/* One job of a page; false if the visitor has seen enough. */
static bool visit_job(struct fetch_walk *walk, const struct reply *jobs, size_t at)
{
    struct job job = {.score = reply_int(reply_at(jobs, at + 1))};
    size_t record_bytes, state_bytes;
    const char *record = reply_bytes(reply_at(jobs, at + 2), &record_bytes);
    const char *state = reply_bytes(reply_at(jobs, at + 3), &state_bytes);
    struct error ignored;
    bool more;

    snprintf(job.org, sizeof job.org, "%s", walk->org);
    snprintf(job.id, sizeof job.id, "%s", reply_string(reply_at(jobs, at)));
    snprintf(job.place, sizeof job.place, "%s", strncmp(walk->set, "ready:", 6) == 0 ? "ready" : walk->set);
    if (job_decode(&job, record, record_bytes, state, state_bytes, &ignored) < 0)
        snprintf(job.place, sizeof job.place, "unreadable"); /* a foreign record: what is known of it is shown */
    more = walk->visit(&job, walk->ctx);
    job_clear(&job);
    return more;
}

/* The walk has ended where a page has looked at nothing. */
static void on_page(const struct reply *reply, void *ctx)
{
    struct fetch_walk *walk = ctx;
    const struct reply *jobs = reply_at(reply, 3);
    int64_t looked = reply_int(reply_at(reply, 0));

    walk->empty = looked == 0;
    for (size_t at = 0; at + 3 < reply_count(jobs) && !walk->ended; at += 4)
        walk->ended = !visit_job(walk, jobs, at);
    if (walk->ended || walk->empty)
        return;
    walk->from += looked;
    walk->looked += looked;
    snprintf(walk->last_id, sizeof walk->last_id, "%s", reply_string(reply_at(reply, 1)));
    walk->last_score = reply_int(reply_at(reply, 2));
}

static void add_filter(struct call *call, const struct fetch_filter *filter)
{
    const char *const texts[][2] = {{"type", filter->type}, {"error", filter->error}, {"payload", filter->payload}};

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (texts[i][1] && texts[i][1][0]) {
            call_add_string(call, texts[i][0]);
            call_add_string(call, texts[i][1]);
        }
    if (filter->since_ms > 0) {
        call_add_string(call, "since_ms");
        call_add_int(call, filter->since_ms);
    }
}

static int64_t page_of(const struct fetch_walk *walk)
{
    int64_t left = walk->look_max ? walk->look_max - walk->looked : PAGE_JOBS;

    return left < PAGE_JOBS ? left : PAGE_JOBS;
}

int fetch_walk(struct cli *cli, struct fetch_walk *walk, struct error *err)
{
    struct call call = {0};
    int rc = 0;

    do {
        call_function(&call, "jobs", cli_lane(cli, walk->org));
        call_add_string(&call, walk->org);
        call_add_string(&call, walk->set);
        call_add_int(&call, walk->from);
        call_add_int(&call, page_of(walk));
        call_add_string(&call, walk->newest ? "1" : "0");
        if (walk->filter)
            add_filter(&call, walk->filter);
        rc = cli_call(cli, &call, on_page, walk, err);
    } while (rc == 0 && !walk->ended && !walk->empty && (!walk->look_max || walk->looked < walk->look_max));
    call_clear(&call);
    return rc;
}

int fetch_set(struct cli *cli, const char *org, const char *set, int64_t from, bool newest, fetch_visit *visit, void *ctx,
              bool *ret_ended, struct error *err)
{
    struct fetch_walk walk = {.org = org, .set = set, .from = from, .newest = newest, .visit = visit, .ctx = ctx};
    int rc = fetch_walk(cli, &walk, err);

    *ret_ended = walk.ended;
    return rc;
}
