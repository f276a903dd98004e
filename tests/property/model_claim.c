/* model_claim.c - what a claim may hand out: the part of the model that judges instead of predicting. */
#include "tests/property/model.h"

#include <string.h>

#define NO_LIMIT  1e18
#define TOLERANCE 1e-3 /* tokens: what rounding to microseconds may be worth */

static double tokens(const struct model_org *org, double full_us, int64_t now_us)
{
    double ahead_us = full_us - (double)now_us;

    if (org->rate <= 0)
        return NO_LIMIT;
    return (double)org->burst - (ahead_us > 0 ? ahead_us * org->rate / 1e6 : 0);
}

double model_tokens(const struct model_org *org, int64_t now_us)
{
    return tokens(org, org->full_us, now_us);
}

double model_tokens_most(const struct model_org *org, int64_t now_us)
{
    return tokens(org, org->full_soonest_us, now_us);
}

static double lower(double a, double b)
{
    return a < b ? a : b;
}

static double higher(double a, double b)
{
    return a > b ? a : b;
}

void model_limit_owed(struct model_org *org, int64_t now_us)
{
    double most_us = (double)now_us + (double)org->burst * 1e6 / org->rate;

    if (org->rate > 0) {
        org->full_us = lower(org->full_us, most_us);
        org->full_soonest_us = lower(org->full_soonest_us, most_us);
    }
}

void model_spend_token(struct model_org *org, int64_t now_us)
{
    if (org->rate > 0) {
        org->full_us = higher(org->full_us, (double)now_us) + 1e6 / org->rate;
        org->full_soonest_us = higher(org->full_soonest_us, (double)now_us) + 1e6 / org->rate;
    }
}

void model_clock_changed(struct model *model, int64_t now_us)
{
    for (int i = 0; i < model->org_count; i++) {
        struct model_org *org = &model->orgs[i];
        if (org->rate > 0 && model_tokens_most(org, now_us) < -1 + TOLERANCE)
            org->full_soonest_us = 0;
    }
    model_limits_clock_changed(model, now_us);
}

static bool below_cap(const struct model *model, const struct model_org *org)
{
    return org->max_running == 0 || model_count(model, org, PLACE_RUNNING, -1) < org->max_running;
}

bool model_org_can_start(const struct model *model, const struct model_org *org, int64_t now_us)
{
    return !model->paused && !org->paused && below_cap(model, org) && model_tokens(org, now_us) >= 1 + TOLERANCE;
}

void model_claim_begin(struct model *model, struct model_claim *claim, int64_t now_us)
{
    for (int i = 0; i < model->org_count; i++) {
        const struct model_org *org = &model->orgs[i];
        bool is_quiet = model_count(model, org, PLACE_RUNNING, -1) == 0;
        claim->servable[i] = !model->paused && !org->paused && below_cap(model, org) &&
                             model_tokens_most(org, now_us) >= 1 - TOLERANCE && (is_quiet || !claim->quiet);
        claim->taken[i] = 0;
    }
    for (int i = 0; i < MODEL_JOBS_MAX; i++)
        model->jobs[i].let_go = false;
    claim->taken_in_all = claim->set_aside = 0;
}

bool model_claim_sets_aside(const struct model_claim *claim, const struct model_job *job, int64_t now_ms)
{
    return claim->timeout_ms[job->wish.type] == 0 || (job->wish.expires_ms && job->wish.expires_ms <= now_ms);
}

/* The job's limits: the first that may have no room, 0 if all have. `ret_full`: one certainly has none. */
static int full_limit(const struct model *model, const struct model_claim *claim, const struct model_job *job, int64_t now_us,
                      bool *ret_full)
{
    int names[2], found = 0;

    *ret_full = false;
    model_limits_of(model, claim, job, names);
    for (int i = 0; i < 2; i++) {
        if (names[i] == 0)
            continue;
        *ret_full |= model_room_most(model, names[i], job->org, now_us) < 1 - TOLERANCE;
        if (found == 0 && model_room(model, names[i], job->org, now_us) < 1 + TOLERANCE)
            found = names[i];
    }
    return found;
}

/* The rules that hold for taking and for setting aside alike. */
static const char *check_turn(struct model *model, const struct model_claim *claim, const struct model_job *job)
{
    if (job->place != PLACE_READY)
        return "the job is not ready";
    if (model->paused || model->queue_paused[job->wish.queue])
        return "its queue is paused";
    if (!claim->queues[job->wish.queue])
        return "its queue was not asked for";
    if (!claim->servable[job->org - model->orgs])
        return claim->quiet ? "its organization is paused, limited or not quiet" : "its organization is paused or limited";
    return NULL;
}

/* How long a job of an unknown type rests the first, second, ... time: 5 s, then twice as long each time, 60 s at most. */
static int64_t rest_ms(int rests)
{
    return rests > 4 ? 60000 : 5000LL << (rests - 1);
}

const char *model_claim_wake(const struct model *model, const struct model_claim *claim, struct model_job *job)
{
    if (job->rests == 0)
        return "it does not rest";
    if (claim->timeout_ms[job->wish.type] == 0)
        return "the worker does not know its type";
    if (!claim->queues[job->wish.queue] || model->paused || model->queue_paused[job->wish.queue])
        return "its queue was not asked for, or is paused";
    job->rests = 0;
    model_to_ready(job);
    return NULL;
}

const char *model_claim_put_aside(struct model *model, struct model_claim *claim, int64_t now_us, struct model_job *job)
{
    const char *broken = check_turn(model, claim, job);
    int64_t now_ms = now_us / 1000;
    bool full;

    if (broken)
        return broken;
    claim->set_aside++;
    if (job->wish.expires_ms && job->wish.expires_ms <= now_ms)
        model_to_end(model, now_ms, job, PLACE_CANCELLED, "expired");
    else if (claim->timeout_ms[job->wish.type] == 0)
        model_to_scheduled(job, now_ms + rest_ms(++job->rests), true);
    else if (full_limit(model, claim, job, now_us, &full))
        job->place = PLACE_WAITING, job->score = job->order, job->waits_for = 0;
    else
        return "it could have been handed out";
    return NULL;
}

static bool is_out_of_room(const struct model_claim *claim, const struct model_job *job)
{
    return claim->has_room[job->wish.type] && claim->room[job->wish.type] == 0;
}

bool model_claim_has_rooms(const struct model_claim *claim)
{
    for (int i = 0; i < MODEL_TYPES; i++)
        if (claim->has_room[i])
            return true;
    return false;
}

/* Those before `job` in its queue must have been set aside on the way to it. */
static const char *pass_those_before(struct model *model, struct model_claim *claim, int64_t now_us, const struct model_job *job)
{
    bool full;

    for (int i = 0; i < MODEL_JOBS_MAX; i++) {
        struct model_job *other = &model->jobs[i];
        if (model_claim_has_rooms(claim)) /* it looks here and there */
            break;
        if (other->let_go) /* until one was seen to have expired: perhaps after this one was looked at */
            continue;
        if (other->place != PLACE_READY || other->org != job->org || other->wish.queue != job->wish.queue ||
            !model_before(other, job))
            continue;
        if (!model_claim_sets_aside(claim, other, now_us / 1000) && !full_limit(model, claim, other, now_us, &full))
            return "another job of its queue comes first";
        const char *broken = model_claim_put_aside(model, claim, now_us, other);
        if (broken)
            return broken;
    }
    return NULL;
}

const char *model_claim_take(struct model *model, struct model_claim *claim, int64_t now_us, struct model_job *job)
{
    int64_t now_ms = now_us / 1000;
    struct model_job *before = job->after[0] ? model_find_coalesced(model, job->org, job->wish.coalesce, false) : NULL;
    const char *broken = before ? model_claim_put_aside(model, claim, now_us, before) : NULL; /* it was next, and has expired */
    int names[2];
    bool full;

    if (!broken)
        broken = check_turn(model, claim, job);
    if (!broken && model_claim_sets_aside(claim, job, now_ms))
        broken = "it has expired, or the worker does not know its type";
    if (!broken && is_out_of_room(claim, job))
        broken = "the worker has no room for more of its type";
    if (!broken && !below_cap(model, job->org))
        broken = "its organization is at its cap";
    if (!broken && model_tokens_most(job->org, now_us) < 1 - TOLERANCE)
        broken = "its organization is above its rate";
    if (!broken && claim->quiet && claim->taken[job->org - model->orgs] > 0)
        broken = "its organization is not quiet any more";
    if (!broken)
        broken = pass_those_before(model, claim, now_us, job);
    full_limit(model, claim, job, now_us, &full);
    if (!broken && full)
        broken = "a limit of it has no room";
    if (broken)
        return broken;

    claim->taken[job->org - model->orgs]++;
    claim->taken_in_all++;
    claim->room[job->wish.type]--;
    model_spend_token(job->org, now_us);
    job->place = PLACE_RUNNING;
    job->score = now_ms + (job->wish.timeout_ms ? job->wish.timeout_ms : claim->timeout_ms[job->wish.type]) + MODEL_GRACE_MS;
    job->deliveries++;
    job->rests = 0;
    job->progress = 0;
    job->session = claim->session;
    memcpy(job->token, claim->token, sizeof job->token);
    job->started_ms = now_ms;
    job->cancelling = false;
    model_limits_of(model, claim, job, names);
    for (int i = 0; i < 2; i++) {
        if (names[i])
            model_enter_limit(model, names[i], job, now_us);
    }
    return NULL;
}

const struct model_job *model_claim_left(struct model *model, const struct model_claim *claim, int64_t now_us)
{
    bool full;

    if (claim->taken_in_all >= claim->want || model_claim_has_rooms(claim))
        return NULL;
    for (int i = 0; i < MODEL_JOBS_MAX; i++) {
        const struct model_job *job = &model->jobs[i];
        if (job->place != PLACE_READY || !claim->queues[job->wish.queue] || model->queue_paused[job->wish.queue])
            continue;
        if (job->let_go) /* perhaps to a queue that was looked at before */
            continue;
        if (!model_org_can_start(model, job->org, now_us) || full_limit(model, claim, job, now_us, &full))
            continue;
        if (!claim->quiet || model_count(model, job->org, PLACE_RUNNING, -1) == 0)
            return job;
    }
    return NULL;
}
