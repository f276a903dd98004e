/* op_audit.c - the audit finds nothing where nothing is wrong; where a test has damaged something, it finds that, and mends it.
 */
#include "tests/property/operations.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define DAMAGES_MAX 4

/* ---- walking ---- */

/* The whole walk of audit; returns how often `org` (NULL: any) was reported, and notes what. */
static int audit_indexes(struct world *w, const struct model_org *org, bool mend)
{
    char cursor[32] = "0";
    int found = 0;

    do {
        struct args args = {0};
        args_text(&args, "tester");
        args_text(&args, "%s", cursor);
        args_text(&args, "%d", 10);
        args_text(&args, "%d", mend);
        const redisReply *reply = ask(w, "audit", &args), *wrong = reply_element(reply, 2);
        snprintf(cursor, sizeof cursor, "%s", reply_text(reply_element(reply, 0)));
        for (size_t i = 0; i + 1 < wrong->elements; i += 2) {
            note(w, " [%s %s]", wrong->element[i]->str, wrong->element[i + 1]->str);
            found += !org || strcmp(wrong->element[i + 1]->str, org->name) == 0;
        }
    } while (strcmp(cursor, "0") != 0);
    return found;
}

/* The whole walk of audit_jobs through one organization; returns what was said of job `id` (NULL: of any), "" if nothing was. */
static const char *audit_jobs(struct world *w, const struct model_org *org, const char *id, bool mend)
{
    char cursor[32] = "0";
    const char *said = "";

    do {
        struct args args = {0};
        args_text(&args, "tester");
        args_text(&args, "%s", org->name);
        args_text(&args, "%s", cursor);
        args_text(&args, "%d", 20);
        args_text(&args, "%d", mend);
        const redisReply *reply = ask(w, "audit_jobs", &args), *wrong = reply_element(reply, 2);
        snprintf(cursor, sizeof cursor, "%s", reply_text(reply_element(reply, 0)));
        for (size_t i = 0; i + 1 < wrong->elements; i += 2) {
            note(w, " [%s %s]", wrong->element[i]->str, wrong->element[i + 1]->str);
            if (!id || strcmp(wrong->element[i + 1]->str, id) == 0)
                said = wrong->element[i]->str;
        }
    } while (strcmp(cursor, "0") != 0);
    return said;
}

static void expect_clean(struct world *w)
{
    if (audit_indexes(w, NULL, false) > 0)
        complain(w, "the audit finds something in sound indexes");
    for (int i = 0; i < w->model->org_count; i++) {
        if (*audit_jobs(w, &w->model->orgs[i], NULL, false))
            complain(w, "the audit finds something among sound jobs");
    }
}

/* An audit at a time that was before may find what is to come: those who had their part of the promotions wait until then. */
static void go_to_latest(struct world *w)
{
    if (w->now_us < w->latest_us)
        set_clock(w, w->latest_us);
}

void op_audit(struct world *w)
{
    note(w, "audit");
    go_to_latest(w);
    expect_clean(w);
}

/* ---- damaged indexes ---- */

static bool in_index(struct world *w, const char *index, const char *queue, const struct model_org *org)
{
    return queue ? is_in_set(w, org->name, "%s:%s", index, queue) : is_in_set(w, org->name, "%s", index);
}

/* One of the queues that the organization has used, or NULL. */
static const char *draw_used_queue(struct world *w, const struct model_org *org)
{
    const char *used = lane_field(w->f, fixture_text(w->f, "org:%s", org->name), "queues"),
               *queue = model_queue_names[draw(w, MODEL_QUEUES)];

    return used && strstr(used, queue) ? queue : NULL;
}

/* Takes the organization out of an index where it stands, or puts it where it does not belong. */
static void damage_index(struct world *w, const struct model_org *org)
{
    static const char *const of_queue[] = {"active", "quiet", "parked"}, *const of_lane[] = {"due", "expiring"};
    const char *queue = draw_percent(w, 75) ? draw_used_queue(w, org) : NULL;
    const char *index = queue ? of_queue[draw(w, 3)] : of_lane[draw(w, 2)];
    const char *key = queue ? lane_key(w->f, "%s:%s", index, queue) : lane_key(w->f, "%s", index);

    if (in_index(w, index, queue, org)) {
        note(w, " -%s", key);
        lane_redis(w->f, "ZREM %s %s", key, org->name);
    } else if (strcmp(index, "expiring") != 0) { /* to stand there needlessly is harmless, and is not reported */
        int64_t score =
            strcmp(index, "parked") == 0 || !queue ? now_ms(w) + draw_between(w, 100000, 200000) : (int64_t)draw(w, 1000);
        note(w, " +%s at %" PRId64, key, score);
        lane_redis(w->f, "ZADD %s %lld %s", key, (long long)score, org->name);
    }
}

/* An organization that nobody knows stands first in an index: a claim must get past it, and remove it. */
static void haunt(struct world *w)
{
    struct model_session *session = draw_session(w, true);
    bool quiet = draw_percent(w, 50);

    if (!session || w->model->paused || w->model->queue_paused[0])
        return;
    note(w, " ghost in %s; ", quiet ? "quiet" : "active");
    lane_redis(w->f, "ZADD %s 0 ghost", lane_key(w->f, "%s:default", quiet ? "quiet" : "active"));
    claim_from_default(w, session, quiet);
    if (is_in_set(w, "ghost", "%s:default", quiet ? "quiet" : "active"))
        claim_from_default(w, session, quiet); /* the first pick may have been the valve's */
    if (is_in_set(w, "ghost", "%s:default", quiet ? "quiet" : "active"))
        complain(w, "a claim does not remove an organization that does not exist");
}

/* Who stood in an index wrongly may have come to stand there rightly, without waking anybody. */
static void wake_workers(struct world *w)
{
    struct args args = {0};

    if (w->model->paused)
        return;
    args_text(&args, "tester");
    args_text(&args, "*");
    args_text(&args, "resume");
    ask(w, "pause", &args);
}

void op_drift_of_indexes(struct world *w)
{
    struct model_org *org = draw_org(w);

    if (!org->registered) {
        op_audit(w);
        return;
    }
    note(w, "drift of %s:", org->name);
    go_to_latest(w);
    lane_use(w->f, w->at->lane);
    if (draw_percent(w, 30))
        haunt(w);
    for (uint64_t i = draw(w, DAMAGES_MAX); i < DAMAGES_MAX; i++)
        damage_index(w, org);
    w->drifted = w->retagged = true;
    if (draw_percent(w, 50) && draw_session(w, true)) {
        note(w, "; ");
        claim_from_default(w, draw_session(w, true), false); /* whatever the indexes say, it must not break a rule */
    }
    if (draw_percent(w, 50)) {
        note(w, "; ");
        op_promote(w);
    }
    note(w, "; audit:");
    audit_indexes(w, org, true);
    wake_workers(w);
    w->drifted = false;
    expect_clean(w);
}

/* ---- damaged jobs ---- */

static const char *set_of(struct world *w, const struct model_job *job, enum place place)
{
    if (place == PLACE_READY)
        return lane_key(w->f, "org:%s:ready:%s", job->org->name, model_queue_names[job->wish.queue]);
    return lane_key(w->f, "org:%s:%s", job->org->name, place_name(place));
}

/* The job is in no set: it goes back to where its record, its state and its lease say that it belongs; a scheduled one to its
 * queue. */
static void lose_place(struct world *w, struct model_job *job)
{
    bool has_state = is_in_hash(w, job->id, "org:%s:state", job->org->name);

    lane_redis(w->f, "ZREM %s %s", set_of(w, job, job->place), job->id);
    if (strcmp(audit_jobs(w, job->org, job->id, true), "nowhere") != 0)
        complain(w, "the audit does not find a job that is nowhere");
    if (job->place == PLACE_READY && !has_state) {
        job->order = now_ms(w);
        job->since_ms = job->order + job->wish.priority * 60000;
    }
    if (job->after[0])
        return;
    if (job->place == PLACE_READY || job->place == PLACE_WAITING || job->place == PLACE_SCHEDULED)
        model_to_ready(job);
    else if (job->place != PLACE_RUNNING)
        job->score = now_ms(w);
}

/* The job is in a second set as well, where it does not stay. */
static void double_place(struct world *w, struct model_job *job)
{
    enum place second = job->place == PLACE_SCHEDULED || draw_percent(w, 50) ? PLACE_READY : PLACE_SCHEDULED;

    if (job->place == PLACE_READY)
        return;
    lane_redis(w->f, "ZADD %s %lld %s", set_of(w, job, second), (long long)now_ms(w), job->id);
    if (strcmp(audit_jobs(w, job->org, job->id, true), "twice") != 0)
        complain(w, "the audit does not find a job that is in two places");
}

/* It runs under a limit that was cleared since: only its lease knows. */
static bool is_under_undefined(const struct world *w, const struct model_job *job)
{
    bool found = false;

    for (int name = 1; name < MODEL_LIMIT_NAMES; name++)
        found |= job->under[name] && !model_definition(w->model, name)->defined;
    return found;
}

/* It is running and nobody holds it: it is given back like that of a worker that died. */
static void lose_lease(struct world *w, struct model_job *job)
{
    if (job->place != PLACE_RUNNING || is_under_undefined(w, job))
        return;
    lane_redis(w->f, "HDEL %s %s/%s", lane_key(w->f, "held:%s", job->session->id), job->org->name, job->id);
    if (strcmp(audit_jobs(w, job->org, job->id, true), "unheld") != 0)
        complain(w, "the audit does not find a running job that nobody holds");
    job->cancelling = false; /* that was written in the lease */
    model_end(w->model, now_ms(w), job, VERDICT_LOST, 0, 0);
    forget_empty_sessions(w);
}

/* Its session is not in the index of sessions: it comes back there, to be looked at at once. */
static void lose_session(struct world *w, struct model_job *job)
{
    if (job->place != PLACE_RUNNING)
        return;
    lane_redis(w->f, "ZREM %s %s", lane_key(w->f, "sessions"), job->session->id);
    if (strcmp(audit_jobs(w, job->org, NULL, true), "orphan") != 0) /* told of one of its jobs */
        complain(w, "the audit does not find a job whose session is unknown");
    job->session->deadline_ms = now_ms(w);
}

static const char *full_name(struct world *w, const struct model_job *job, int name)
{
    return model_is_keyed(name) ? fixture_text(w->f, "%s@%s", model_limit_names[name], job->org->name) : model_limit_names[name];
}

/* It waits for a limit, and its organization is not in the line: all that wait there go back to their queue. */
static void lose_line(struct world *w, struct model_job *lost)
{
    int name = lost->waits_for;

    if (lost->place != PLACE_WAITING)
        return;
    lane_redis(w->f, "ZREM %s %s", lane_key(w->f, "line:%s", full_name(w, lost, name)), lost->org->name);
    if (strcmp(audit_jobs(w, lost->org, lost->id, true), "line") != 0)
        complain(w, "the audit does not find a job that stands in no line");
    for (int i = 0; i < MODEL_JOBS_MAX; i++) {
        struct model_job *job = &w->model->jobs[i];
        if (job->place == PLACE_WAITING && job->org == lost->org && job->waits_for == name)
            model_to_ready(job);
    }
}

/* It runs under limits that do not count it. */
static void lose_limits(struct world *w, struct model_job *job)
{
    bool under = false;

    for (int name = 1; name < MODEL_LIMIT_NAMES && job->place == PLACE_RUNNING; name++) {
        if (job->under[name])
            lane_redis(w->f, "ZREM %s %s/%s", lane_key(w->f, "limited:%s", full_name(w, job, name)), job->org->name, job->id);
        under |= job->under[name];
    }
    if (under && strcmp(audit_jobs(w, job->org, job->id, true), "limit") != 0)
        complain(w, "the audit does not find a job that its limits do not count");
}

void op_drift_of_jobs(struct world *w)
{
    static void (*const damages[])(struct world *, struct model_job *) = {lose_place,   double_place, lose_lease,
                                                                          lose_session, lose_line,    lose_limits};
    struct model_job *job = draw_job(w, draw_percent(w, 50) ? 1U << PLACE_RUNNING : ~0U);
    uint64_t damage = draw(w, sizeof damages / sizeof damages[0]);

    if (!job) {
        op_audit(w);
        return;
    }
    note(w, "drift %d of %s/%s, which is %s:", (int)damage, job->org->name, job->id, place_name(job->place));
    go_to_latest(w);
    lane_use(w->f, w->at->lane);
    damages[damage](w, job);
    see_let_go(w);
    note(w, "; audit:");
    audit_indexes(w, NULL, true);
    expect_clean(w);
}
