/* op_upkeep.c - time passes, and the scheduler does what is due. */
#include "tests/property/operations.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LINES_LATER_MS 100 /* promote looks no sooner again at those who wait for limits */

/* ---- clock ---- */

/* A moment at which something may happen: a job is due, over its deadline, expired or forgotten, or a session is taken for dead.
 */
static int64_t draw_moment_ms(struct world *w)
{
    const struct model_job *job = draw_job(w, ~0U);
    const struct model_session *session = draw_percent(w, 20) ? draw_session(w, true) : NULL;

    if (session)
        return session->deadline_ms;
    if (!job)
        return 0;
    if (job->place == PLACE_READY || job->place == PLACE_WAITING)
        return job->wish.expires_ms;
    if (job->place == PLACE_SCHEDULED || job->place == PLACE_RUNNING)
        return job->score;
    return draw_percent(w, 50) ? model_first_over_ms(w->model, job->org) : job->score + job->org->keep_done_ms;
}

/* Just that moment, or the millisecond before it; if it is not far away. */
static bool go_to_moment(struct world *w)
{
    int64_t at_ms = draw_moment_ms(w) - draw_percent(w, 50);

    if (at_ms < now_ms(w) - 1000 || at_ms > now_ms(w) + 3600000)
        return false;
    note(w, "clock to %" PRId64, at_ms);
    set_clock(w, at_ms * 1000 + (int64_t)draw(w, 1000));
    return true;
}

void op_clock(struct world *w)
{
    uint64_t kind = draw(w, 100);
    int64_t us;

    if (draw_percent(w, 15) && go_to_moment(w))
        return;
    if (kind < 50)
        us = draw_between(w, 0, 50000);
    else if (kind < 80)
        us = draw_between(w, 50000, 3000000);
    else if (kind < 92)
        us = draw_between(w, 3000000, 30000000);
    else if (kind < 95)
        us = draw_between(w, 600000000, 7200000000);
    else if (kind < 96)
        us = 90000000000; /* 25 h: idempotency keys */
    else
        us = -draw_between(w, 1, 3000000);
    note(w, "clock %+.3f s", (double)us / 1e6);
    set_clock(w, w->now_us + us);
}

/* ---- promote ---- */

static bool is_due(const struct world *w, const struct model_job *job)
{
    return job->place == PLACE_SCHEDULED && job->score <= now_ms(w);
}

/* Due jobs of `org` (NULL: of all). */
static int count_due(const struct world *w, const struct model_org *org)
{
    int count = 0;

    for (int i = 0; i < MODEL_JOBS_MAX; i++)
        count += (!org || w->model->jobs[i].org == org) && is_due(w, &w->model->jobs[i]);
    return count;
}

/* Finds out which jobs of `org` were moved, which must be its first ones, and enough of them. Returns how many. */
static int find_promoted(struct world *w, struct model_org *org, int at_least)
{
    const struct model_job *last = NULL, *left = NULL;
    int moved = 0;

    for (int i = 0; i < MODEL_JOBS_MAX; i++) {
        struct model_job *job = &w->model->jobs[i];
        if (job->org != org || !is_due(w, job))
            continue;
        if (is_in_set(w, job->id, "org:%s:scheduled", org->name)) {
            left = !left || model_before(job, left) ? job : left;
        } else {
            last = !last || model_before(last, job) ? job : last;
            moved++;
        }
    }
    if (last && left && model_before(left, last))
        complain(w, "%s/%s was promoted before %s, which was due earlier", org->name, last->id, left->id);
    if (moved < at_least)
        complain(w, "%d due jobs of %s were promoted, it should be %d", moved, org->name, at_least);
    for (int i = 0; i < MODEL_JOBS_MAX && moved > 0; i++) {
        struct model_job *job = &w->model->jobs[i];
        if (job->org == org && is_due(w, job) && (!left || model_before(job, left)))
            model_to_ready(job);
    }
    return moved;
}

static int64_t first_due_ms(const struct model *model)
{
    int64_t first_ms = 0;

    for (int i = 0; i < MODEL_JOBS_MAX; i++) {
        if (model->jobs[i].place == PLACE_SCHEDULED && !model->jobs[i].after[0] &&
            (first_ms == 0 || model->jobs[i].score < first_ms))
            first_ms = model->jobs[i].score;
    }
    return first_ms;
}

void op_promote(struct world *w)
{
    int limit = (int)(draw_percent(w, 50) ? 256 : draw_between(w, 1, 12)), moved = 0, orgs = 0;
    bool set_back = now_ms(w) < w->at->promoted_ms; /* those who had their part wait for the time at which they had it */
    struct args args = {0};

    note(w, "promote %d", limit);
    args_text(&args, "%d", limit);
    const redisReply *reply = ask(w, "promote", &args);
    for (int i = 0; i < w->model->org_count; i++)
        orgs += count_due(w, &w->model->orgs[i]) > 0;
    int part = orgs > 0 && limit / orgs > 1 ? limit / orgs : 1;
    for (int i = 0; i < w->model->org_count; i++) {
        int due = count_due(w, &w->model->orgs[i]);
        moved += find_promoted(w, &w->model->orgs[i], set_back || w->drifted ? 0 : due < part ? due : part);
    }
    expect_number(w, reply_number(reply_element(reply, 0)), moved, "number of promoted jobs");
    if (moved > limit && moved > orgs)
        complain(w, "%d jobs of %d organizations were promoted, the limit is %d", moved, orgs, limit);

    see_let_go(w);
    const char *lines = lane_field(w->f, "clock", "lines_ms");
    int64_t lines_ms = lines ? reply_number(lane_redis(w->f, "HGET %s lines_ms", lane_key(w->f, "clock"))) : 0;
    lines_ms = lines && lines_ms < now_ms(w) + LINES_LATER_MS ? now_ms(w) + LINES_LATER_MS : lines_ms;
    int64_t next_ms = reply_number(reply_element(reply, 1)), first_ms = first_due_ms(w->model);
    if (!set_back)
        w->at->promoted_ms = now_ms(w);
    int64_t latest_ms = first_ms > w->at->promoted_ms ? first_ms : w->at->promoted_ms;
    if (w->drifted || (lines && next_ms == lines_ms && (first_ms == 0 || next_ms <= latest_ms)))
        return;
    if ((first_ms == 0) != (next_ms == 0) || next_ms < first_ms || (first_ms > 0 && next_ms > latest_ms))
        complain(w, "promote says that the next job is due at %" PRId64 ", it is at %" PRId64, next_ms, first_ms);
}

/* ---- trim ---- */

/* What has expired in a line and left it; `ret_left`: and what has not. */
static int find_expired(struct world *w, int *ret_left)
{
    int gone = 0;

    for (int i = 0; i < MODEL_JOBS_MAX; i++) {
        struct model_job *job = &w->model->jobs[i];
        int64_t ends_ms = model_wait_ends_ms(job);
        if (ends_ms == 0 || ends_ms > now_ms(w))
            continue;
        if (is_in_set(w, job->id, "org:%s:waiting", job->org->name)) {
            ++*ret_left;
            continue;
        }
        gone++;
        note(w, " (%s/%s expired)", job->org->name, job->id);
        model_to_end(w->model, now_ms(w), job, PLACE_CANCELLED, "expired");
    }
    return gone;
}

/* What was over and is gone; `ret_left`: and what is not. */
static int find_forgotten_jobs(struct world *w, int *ret_left)
{
    int gone = 0;

    for (int i = 0; i < MODEL_JOBS_MAX; i++) {
        struct model_job *job = &w->model->jobs[i];
        if (job->place == PLACE_NONE || !model_job_is_over(job, now_ms(w)))
            continue;
        if (is_in_hash(w, job->id, "org:%s:jobs", job->org->name)) {
            ++*ret_left;
            continue;
        }
        gone++;
        *job = (struct model_job){0};
    }
    return gone;
}

/* Of jobs that are still there. */
static int find_forgotten_logs(struct world *w, int *ret_left)
{
    int gone = 0;

    for (int i = 0; i < MODEL_JOBS_MAX; i++) {
        struct model_job *job = &w->model->jobs[i];
        if (!model_log_is_over(job, now_ms(w)))
            continue;
        if (is_in_hash(w, job->id, "org:%s:logs", job->org->name)) {
            ++*ret_left;
            continue;
        }
        gone++;
        job->log_s = 0;
    }
    return gone;
}

static int find_forgotten_keys(struct world *w, int *ret_left)
{
    int gone = 0;

    for (int i = 0; i < MODEL_KEYS_MAX; i++) {
        struct model_key *key = &w->model->keys[i];
        if (!model_key_is_over(key, now_ms(w)))
            continue;
        if (is_in_hash(w, key->name, "org:%s:unique", key->org->name)) {
            ++*ret_left;
            continue;
        }
        gone++;
        *key = (struct model_key){0};
    }
    return gone;
}

static int find_forgotten_entries(struct world *w, int *ret_left)
{
    int gone = 0;

    for (int i = 0; i < MODEL_SEEN_MAX; i++) {
        struct model_seen *seen = &w->model->seen[i];
        if (!seen->name[0] || seen->at_ms + MODEL_SEEN_MS > now_ms(w))
            continue;
        if (is_in_set(w, seen->name, "inbox_seen")) {
            ++*ret_left;
            continue;
        }
        gone++;
        *seen = (struct model_seen){0};
    }
    for (int i = 0; i < w->model->org_count; i++) {
        struct model_org *org = &w->model->orgs[i];
        if (org->deleted_ms == 0 || org->deleted_ms + MODEL_SEEN_MS > now_ms(w))
            continue;
        char entry[NAME_BYTES_MAX + 2];
        snprintf(entry, sizeof entry, "%s/", org->name);
        if (is_in_set(w, entry, "inbox_seen")) {
            ++*ret_left;
            continue;
        }
        gone++;
        org->deleted_ms = 0;
    }
    return gone;
}

/* One call; returns how much it forgot. */
static int trim_once(struct world *w, int limit)
{
    struct args args = {0};
    int left = 0, waiting = 0;

    args_text(&args, "%d", limit);
    const redisReply *reply = ask(w, "trim", &args);
    int expired = find_expired(w, &waiting), gone = expired + find_forgotten_jobs(w, &left);
    gone += find_forgotten_logs(w, &left) + find_forgotten_keys(w, &left) + find_forgotten_entries(w, &left);
    note(w, " %d", gone);
    expect_number(w, reply_number(reply_element(reply, 0)), gone,
                  "number of jobs ended, and jobs, logs, keys and entries forgotten");
    if (waiting > 0 && expired == 0)
        complain(w, "trim has ended none of %d jobs that have expired in a line", waiting);
    if (left > 0 && gone < limit)
        complain(w, "trim has left %d things that are over", left);
    for (int i = 0; i < w->model->org_count; i++) {
        int64_t next_ms = reply_number(reply_element(reply, 1)), first_ms = model_first_over_ms(w->model, &w->model->orgs[i]);
        if (first_ms > 0 && (next_ms == 0 || next_ms > first_ms))
            complain(w, "trim has something to do at %" PRId64 " for %s, it says at %" PRId64, first_ms, w->model->orgs[i].name,
                     next_ms);
    }
    return gone;
}

void op_trim(struct world *w)
{
    int limit = (int)(draw_percent(w, 50) ? 500 : draw_between(w, 1, 6));

    note(w, "trim %d:", limit);
    if (draw_percent(w, 50)) {
        trim_once(w, limit);
        return;
    }
    while (trim_once(w, limit) > 0)
        continue;
}

/* ---- deletion of an organization ---- */

/* What a step has removed: jobs that waited for limits and, if it takes them, running ones. The last one removes all. */
static int find_deleted(struct world *w, const struct model_org *org, bool last, bool takes)
{
    int gone = 0;

    for (int i = 0; i < MODEL_JOBS_MAX; i++) {
        struct model_job *job = &w->model->jobs[i];
        if (job->place == PLACE_NONE || job->org != org || is_in_hash(w, job->id, "org:%s:jobs", org->name))
            continue;
        bool counts = job->place == PLACE_WAITING || (takes && job->place == PLACE_RUNNING);
        if (!counts && (!last || job->place == PLACE_RUNNING))
            complain(w, "a step of the deletion removes %s/%s, which is %s", org->name, job->id, place_name(job->place));
        *job = (struct model_job){0};
        gone += counts;
    }
    return gone;
}

static void forget_keys(struct world *w, const struct model_org *org)
{
    for (int i = 0; i < MODEL_KEYS_MAX; i++)
        if (w->model->keys[i].org == org)
            w->model->keys[i] = (struct model_key){0};
    for (int i = 0; i < MODEL_JOBS_MAX; i++)
        w->model->jobs[i].owns = w->model->jobs[i].owns && w->model->jobs[i].org != org;
}

static const redisReply *ask_delete(struct world *w, const struct model_org *org, const char *what, int limit)
{
    struct args args = {0};

    args_text(&args, "tester");
    args_text(&args, "%s", org->name);
    args_text(&args, "%s", what);
    args_text(&args, "%d", limit);
    return ask(w, "org_delete", &args);
}

static void begin_deletion(struct world *w, struct model_org *org)
{
    const redisReply *reply = ask_delete(w, org, "begin", 1);
    bool is_there = org->registered;

    expect_text(w, reply_element(reply, 0), is_there ? "deleting" : "gone", "org_delete begin");
    expect_number(w, reply_number(reply_element(reply, 1)), model_count(w->model, org, PLACE_RUNNING, -1), "running");
    if (!is_there)
        return;
    org->deleting = org->paused = true;
    org->private_inbox = false;
    forget_keys(w, org);
}

/* One step; the word it must answer follows from what is there. */
static void step_deletion(struct world *w, struct model_org *org, bool takes, int limit)
{
    int waiting = model_count(w->model, org, PLACE_WAITING, -1), running = model_count(w->model, org, PLACE_RUNNING, -1);
    int counts = waiting + (takes ? running : 0), left = takes && counts < limit ? 0 : running;
    bool last = org->deleting && counts < limit && left == 0;
    const redisReply *reply = ask_delete(w, org, takes ? "take" : "step", limit);

    if (takes && counts >= limit && limit > waiting)
        left = running - (limit - waiting);
    expect_text(w, reply_element(reply, 0),
                !org->deleting    ? "gone"
                : counts >= limit ? "more"
                : last            ? "deleted"
                                  : "running",
                "org_delete");
    if (!org->deleting)
        return;
    expect_number(w, reply_number(reply_element(reply, 1)), left, "running");
    expect_number(w, find_deleted(w, org, last, takes), counts < limit ? counts : limit, "number of jobs that a step removes");
    see_let_go(w);
    if (last) {
        org->deleted_ms = now_ms(w);
        model_forget_org(w->model, org);
    }
}

/* Begins to delete an organization, or goes on, and mostly to the end. */
void op_org_delete(struct world *w)
{
    struct model_org *org = draw_org(w);
    int limit = (int)(draw_percent(w, 50) ? 500 : draw_between(w, 1, 8));
    int steps = (int)(draw_percent(w, 40) ? MODEL_JOBS_MAX : draw_between(w, 0, 2));
    bool takes = draw_percent(w, 60);

    note(w, "org_delete %s%s by %d, %d steps", org->name, takes ? ", take" : "", limit, steps);
    if (!org->deleting || draw_percent(w, 20))
        begin_deletion(w, org);
    for (bool was = org->deleting; steps > 0 && (org->deleting || !was); steps--) {
        if (!takes && model_count(w->model, org, PLACE_WAITING, -1) == 0 && model_count(w->model, org, PLACE_RUNNING, -1) > 0)
            steps = 1; /* the others would say the same */
        step_deletion(w, org, takes, limit);
        if (!was)
            break;
    }
    forget_empty_sessions(w);
}
