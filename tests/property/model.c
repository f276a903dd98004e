#include "tests/property/model.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define LOGGED_MAX 100 /* attempts that are kept with a job */

const char *const model_queue_names[MODEL_QUEUES] = {"default", "mail", "slow"};
const char *const model_type_names[MODEL_TYPES] = {"mail.send", "report", "rare-type"};

const char *const model_limit_names[MODEL_LIMIT_NAMES] = {"", "mail", "smtp", "user:1", "user:2"};

const char *place_name(enum place place)
{
    static const char *const names[PLACES] = {"none", "ready", "waiting", "scheduled", "running", "done", "dead", "cancelled"};

    return names[place];
}

/* ---- organizations ---- */

void model_default_settings(struct model_org *org)
{
    org->weight = 100;
    org->max_running = 0;
    org->burst = 1;
    org->max_queued = 10000000;
    org->max_payload_bytes = 1000000;
    org->keep_done_ms = 3600000;
    org->keep_done_max = 10000;
    org->keep_dead_ms = 30LL * 86400000;
    org->keep_dead_max = 10000;
    org->keep_unique_ms = 86400000;
    org->max_crashes = 3;
    org->keep_logs_ms = 86400000;
    org->rate = 0;
    org->paused = org->private_inbox = org->deleting = false;
}

void model_init(struct model *model)
{
    *model = (struct model){0};
}

struct model_org *model_add_org(struct model *model, const char *name)
{
    assert(model->org_count < MODEL_ORGS_MAX);
    struct model_org *org = &model->orgs[model->org_count++];

    snprintf(org->name, sizeof org->name, "%s", name);
    model_default_settings(org);
    return org;
}

void model_forget_org(struct model *model, struct model_org *org)
{
    for (int i = 0; i < MODEL_JOBS_MAX; i++) {
        if (model->jobs[i].org == org)
            model->jobs[i] = (struct model_job){0};
    }
    for (int i = 0; i < MODEL_KEYS_MAX; i++) {
        if (model->keys[i].org == org)
            model->keys[i] = (struct model_key){0};
    }
    model_default_settings(org);
    org->registered = false;
    org->full_us = org->full_soonest_us = 0;
}

/* ---- records ---- */

static bool same_work(int type, uint32_t seed, uint32_t bytes, const struct wish *wish)
{
    return type == wish->type && seed == wish->payload_seed && bytes == wish->payload_bytes;
}

bool wish_is(const struct wish *a, const struct wish *b)
{
    return same_work(a->type, a->payload_seed, a->payload_bytes, b) && a->queue == b->queue && a->limit == b->limit &&
           a->priority == b->priority && a->max_attempts == b->max_attempts && a->due_ms == b->due_ms &&
           a->delay_ms == b->delay_ms && a->expires_ms == b->expires_ms && a->timeout_ms == b->timeout_ms &&
           a->nonce == b->nonce && strcmp(a->key, b->key) == 0 && strcmp(a->coalesce, b->coalesce) == 0 &&
           a->earliest == b->earliest;
}

/* ---- idempotency keys ---- */

/* The key of `job`, if it stands for it. */
static struct model_key *key_of(struct model *model, const struct model_job *job)
{
    struct model_key *key = job->wish.key[0] ? model_find_key(model, job->org, job->wish.key) : NULL;

    return key && strcmp(key->owner, job->id) == 0 ? key : NULL;
}

static void new_key(struct model *model, const struct model_job *job)
{
    for (int i = 0; i < MODEL_KEYS_MAX; i++) {
        struct model_key *key = &model->keys[i];
        if (key->org)
            continue;
        key->org = job->org;
        memcpy(key->name, job->wish.key, sizeof key->name);
        memcpy(key->owner, job->id, sizeof key->owner);
        key->type = job->wish.type;
        key->payload_seed = job->wish.payload_seed;
        key->payload_bytes = job->wish.payload_bytes;
        key->until_ms = 0;
        return;
    }
    assert(false); /* more keys than the model has room for */
}

/* ---- places ---- */

static void leave_worker(struct model_job *job)
{
    job->session = NULL;
    job->started_ms = 0;
    job->cancelling = false;
    job->waits_for = 0;
    memset(job->under, 0, sizeof job->under);
}

void model_to_ready(struct model_job *job)
{
    leave_worker(job);
    job->place = PLACE_READY;
    job->score = job->order;
}

void model_to_scheduled(struct model_job *job, int64_t due_ms, bool keep_order)
{
    leave_worker(job);
    job->place = PLACE_SCHEDULED;
    job->score = due_ms;
    if (!keep_order) {
        job->order = due_ms - job->wish.priority * 60000;
        job->rests = 0;
    }
}

void model_end_coalesced(struct model *model, int64_t now_ms, struct model_job *job)
{
    struct model_job *next = job->owns ? model_find_coalesced(model, job->org, job->wish.coalesce, true) : NULL;

    job->owns = false;
    job->after[0] = '\0';
    job->change_count = 0;
    if (!next)
        return;
    int64_t due_ms = next->order + next->wish.priority * 60000;
    next->owns = next->let_go = true;
    next->after[0] = '\0';
    if (due_ms > now_ms)
        model_to_scheduled(next, due_ms, true);
    else
        model_to_ready(next);
}

/* Forgets the oldest jobs of an ended place beyond the number that is kept. */
static void keep_within(struct model *model, struct model_org *org, enum place place)
{
    int64_t most = place == PLACE_DEAD ? org->keep_dead_max : org->keep_done_max;

    while (model_count(model, org, place, -1) > most) {
        struct model_job *oldest = NULL;
        for (int i = 0; i < MODEL_JOBS_MAX; i++) {
            struct model_job *job = &model->jobs[i];
            if (job->place == place && job->org == org && (!oldest || model_before(job, oldest)))
                oldest = job;
        }
        *oldest = (struct model_job){0};
    }
}

void model_to_end(struct model *model, int64_t now_ms, struct model_job *job, enum place place, const char *reason)
{
    struct model_key *key = key_of(model, job);

    if (key)
        key->until_ms = now_ms + job->org->keep_unique_ms;
    model_end_coalesced(model, now_ms, job);
    leave_worker(job);
    job->rests = 0;
    job->place = place;
    job->score = now_ms;
    job->reason = reason;
    if (place == PLACE_DONE) {
        job->progress = job->redriven = 0;
        job->checkpoint[0] = '\0';
    }
    if (place == PLACE_DONE && (job->org->keep_done_ms == 0 || job->org->keep_done_max == 0))
        *job = (struct model_job){0}; /* those that were kept before stay for their time */
    else
        keep_within(model, job->org, place);
}

/* ---- producers and operators ---- */

static bool answer_by_key(struct model *model, struct model_org *org, const struct wish *wish, char ret_answer[96])
{
    struct model_key *key = wish->key[0] ? model_find_key(model, org, wish->key) : NULL;

    if (!key)
        return false;
    bool same = same_work(key->type, key->payload_seed, key->payload_bytes, wish);
    snprintf(ret_answer, 96, "%s %s", same ? "coalesced" : "conflict", key->owner);
    return true;
}

static int count_waiting(const struct model *model, const struct model_org *org)
{
    return model_count(model, org, PLACE_READY, -1) + model_count(model, org, PLACE_WAITING, -1) +
           model_count(model, org, PLACE_SCHEDULED, -1);
}

static struct model_job *new_job(struct model *model, struct model_org *org, const char *id, const struct wish *wish)
{
    for (int i = 0; i < MODEL_JOBS_MAX; i++) {
        struct model_job *job = &model->jobs[i];
        if (job->place == PLACE_NONE) {
            *job = (struct model_job){.org = org, .wish = *wish};
            snprintf(job->id, sizeof job->id, "%s", id);
            return job;
        }
    }
    assert(false); /* more jobs than the model has room for */
    return NULL;
}

/* ---- coalescing keys ---- */

static int64_t due_of_wish(const struct wish *wish, int64_t now_ms)
{
    return wish->delay_ms ? now_ms + wish->delay_ms : wish->due_ms;
}

/* The one that made the job, whatever was merged into it since. */
static bool is_same_push(const struct model_job *job, const struct wish *wish)
{
    return wish->coalesce[0] && strcmp(job->wish.coalesce, wish->coalesce) == 0 && job->wish.nonce == wish->nonce;
}

static bool known_change(struct model *model, struct model_org *org, const char *id, const struct wish *wish, char ret_answer[96])
{
    for (int follower = 0; follower < 2 && wish->coalesce[0]; follower++) {
        const struct model_job *job = model_find_coalesced(model, org, wish->coalesce, follower);
        for (int i = 0; job && i < job->change_count; i++) {
            if (strcmp(job->changes[i].id, id) == 0 && job->changes[i].nonce == wish->nonce) {
                snprintf(ret_answer, 96, "merged %s", job->id);
                return true;
            }
        }
    }
    return false;
}

static void remember_change(struct model_job *job, const char *id, uint32_t nonce)
{
    if (job->change_count == MODEL_CHANGES)
        memmove(job->changes, job->changes + 1, sizeof job->changes - sizeof job->changes[0]);
    else
        job->change_count++;
    struct model_change *change = &job->changes[job->change_count - 1];
    snprintf(change->id, sizeof change->id, "%s", id);
    change->nonce = nonce;
}

/* When a job is due that was never claimed; 0: its time has come. */
static int64_t due_of_job(const struct model_job *job)
{
    if (job->after[0])
        return job->order + job->wish.priority * 60000;
    return job->place == PLACE_SCHEDULED && job->rests == 0 ? job->score : 0;
}

/* Nothing that its place depends on is another. */
static bool keeps_place(const struct model_job *job, const struct wish *wish)
{
    return due_of_job(job) == 0 && job->wish.type == wish->type && job->wish.queue == wish->queue &&
           job->wish.limit == wish->limit && job->wish.priority == wish->priority && !job->wish.expires_ms && !wish->expires_ms;
}

/* The change takes the place of what the job was to do that has not begun. False: there is no such job. */
static bool merge(struct model *model, int64_t now_ms, struct model_org *org, const char *id, const struct wish *wish,
                  char ret_answer[96])
{
    struct model_job *job = wish->coalesce[0] ? model_find_coalesced(model, org, wish->coalesce, true) : NULL;

    if (!job && wish->coalesce[0])
        job = model_find_coalesced(model, org, wish->coalesce, false);
    if (!job || job->place == PLACE_RUNNING || job->deliveries > 0)
        return false;
    int64_t due_ms = due_of_wish(wish, now_ms);
    uint32_t nonce = job->wish.nonce;
    if (wish->earliest && due_of_job(job) < due_ms)
        due_ms = due_of_job(job);
    bool stays = due_ms <= now_ms && keeps_place(job, wish);
    job->wish = *wish;
    job->wish.nonce = nonce;
    remember_change(job, id, wish->nonce);
    snprintf(ret_answer, 96, "merged %s", job->id);
    org->registered = true;
    if (stays && !job->after[0])
        return true;
    job->order = (due_ms > now_ms ? due_ms : job->since_ms) - wish->priority * 60000;
    job->rests = 0;
    if (job->after[0])
        return true;
    if (due_ms > now_ms)
        model_to_scheduled(job, due_ms, true);
    else
        model_to_ready(job);
    return true;
}

void model_enqueue(struct model *model, int64_t now_ms, struct model_org *org, const char *id, const struct wish *wish,
                   char ret_answer[96])
{
    struct model_job *known = model_find(model, org, id);
    const char *answer = NULL;

    if (org->deleting)
        answer = "deleting";
    else if (known)
        answer = wish_is(&known->wish, wish) || is_same_push(known, wish) ? "exists" : "taken";
    else if (known_change(model, org, id, wish, ret_answer))
        return;
    else if (wish->payload_bytes > org->max_payload_bytes)
        answer = "too_large";
    else if (model->intake_stopped)
        answer = "intake_paused";
    else if (wish->expires_ms && wish->expires_ms <= now_ms)
        answer = "expired";
    else if (answer_by_key(model, org, wish, ret_answer) || merge(model, now_ms, org, id, wish, ret_answer))
        return;
    else if (count_waiting(model, org) >= org->max_queued)
        answer = "queue_full";
    snprintf(ret_answer, 96, "%s", answer ? answer : "new");
    if (answer)
        return;

    struct model_job *first = wish->coalesce[0] ? model_find_coalesced(model, org, wish->coalesce, false) : NULL;
    struct model_job *job = new_job(model, org, id, wish);
    int64_t due_ms = due_of_wish(wish, now_ms);
    org->registered = true;
    job->since_ms = now_ms;
    job->owns = wish->coalesce[0] && !first;
    job->order = (due_ms > now_ms ? due_ms : now_ms) - wish->priority * 60000;
    if (first) {
        snprintf(job->after, sizeof job->after, "%s", first->id);
        snprintf(ret_answer, 96, "follows %s", first->id);
        model_to_scheduled(job, MODEL_FOLLOWS_MS, true);
    } else if (due_ms > now_ms) {
        model_to_scheduled(job, due_ms, true);
    } else {
        model_to_ready(job);
    }
    if (wish->key[0])
        new_key(model, job);
}

static bool waits(const struct model_job *job)
{
    return job->place == PLACE_READY || job->place == PLACE_WAITING || job->place == PLACE_SCHEDULED;
}

const char *model_cancel(struct model *model, int64_t now_ms, struct model_job *job)
{
    if (!job)
        return "gone";
    if (job->place == PLACE_RUNNING) {
        job->cancelling = true;
        return "cancelling";
    }
    if (!waits(job))
        return "ended";
    model_to_end(model, now_ms, job, PLACE_CANCELLED, "operator");
    return "cancelled";
}

const char *model_reschedule(struct model_job *job, int64_t now_ms, int64_t due_ms)
{
    if (!job)
        return "gone";
    if (job->place == PLACE_RUNNING)
        return "running";
    if (!waits(job))
        return "ended";
    if (job->after[0]) {
        job->order = (due_ms > now_ms ? due_ms : now_ms) - job->wish.priority * 60000;
        return "follows";
    }
    if (due_ms > now_ms) {
        model_to_scheduled(job, due_ms, false);
        return "scheduled";
    }
    job->order = now_ms - job->wish.priority * 60000;
    model_to_ready(job);
    return "ready";
}

const char *model_redrive(struct model *model, struct model_job *job, int64_t now_ms)
{
    if (!job)
        return "gone";
    if (job->place != PLACE_DEAD && job->place != PLACE_CANCELLED)
        return "not_dead";
    struct model_key *key = key_of(model, job);
    if (key)
        key->until_ms = 0;
    job->owns = job->wish.coalesce[0] && !job->org->deleting && !model_find_coalesced(model, job->org, job->wish.coalesce, false);
    job->attempt = job->crashes = 0;
    job->redriven = job->deliveries;
    job->reason = NULL;
    job->order = now_ms - job->wish.priority * 60000;
    model_to_ready(job);
    return "ready";
}

const char *model_delete(struct model *model, struct model_job *job, int64_t now_ms)
{
    if (!job)
        return "gone";
    if (job->place == PLACE_RUNNING)
        return "running";
    struct model_key *key = waits(job) ? key_of(model, job) : NULL;
    if (key)
        key->until_ms = now_ms + job->org->keep_unique_ms;
    model_end_coalesced(model, now_ms, job);
    *job = (struct model_job){0};
    return "deleted";
}

const char *model_enqueue_own(struct model *model, int64_t now_ms, struct model_org *org, const char *const *ids,
                              const struct wish *wishes, int count)
{
    static const char *const refusals[] = {"taken", "conflict", "too_large", "expired", "deleting"};
    static struct model before;
    const bool stopped = model->intake_stopped;
    const int64_t max_queued = org->max_queued;
    const char *refused = NULL;

    before = *model;
    model->intake_stopped = false;
    org->max_queued = MODEL_JOBS_MAX;
    for (int i = 0; i < count && !refused; i++) {
        char answer[96];
        model_enqueue(model, now_ms, org, ids[i], &wishes[i], answer);
        for (size_t n = 0; n < sizeof refusals / sizeof refusals[0]; n++)
            if (strncmp(answer, refusals[n], strlen(refusals[n])) == 0)
                refused = refusals[n];
    }
    if (refused)
        *model = before;
    model->intake_stopped = stopped;
    org->max_queued = max_queued;
    return refused;
}

/* ---- leases ---- */

void model_note(struct model_job *job, int progress, const char *checkpoint)
{
    if (progress)
        job->progress = progress;
    if (checkpoint)
        snprintf(job->checkpoint, sizeof job->checkpoint, "%s", checkpoint);
}

void model_end(struct model *model, int64_t now_ms, struct model_job *job, enum verdict verdict, int64_t delay_ms, int limit)
{
    bool crashed = verdict == VERDICT_CRASH || verdict == VERDICT_LOST;
    bool uses_attempt = verdict != VERDICT_RELEASE && verdict != VERDICT_LOST;

    if (job->org->deleting) {
        *job = (struct model_job){0};
        return;
    }
    job->attempt += uses_attempt;
    job->crashes += crashed;
    job->logged += job->logged < LOGGED_MAX;
    if (verdict == VERDICT_DONE || verdict == VERDICT_DISCARD)
        model_to_end(model, now_ms, job, PLACE_DONE, NULL);
    else if (job->cancelling)
        model_to_end(model, now_ms, job, PLACE_CANCELLED, "operator");
    else if (verdict == VERDICT_DEAD || (uses_attempt && limit == 0))
        model_to_end(model, now_ms, job, PLACE_DEAD, "handler");
    else if (crashed && job->crashes >= job->org->max_crashes)
        model_to_end(model, now_ms, job, PLACE_DEAD, "crashes");
    else if (uses_attempt && job->attempt >= limit)
        model_to_end(model, now_ms, job, PLACE_DEAD, "attempts");
    else if (!uses_attempt && limit > 0 && job->deliveries - job->redriven >= limit)
        model_to_end(model, now_ms, job, PLACE_DEAD, "deliveries");
    else if (!uses_attempt && delay_ms == 0)
        model_to_ready(job);
    else
        model_to_scheduled(job, now_ms + delay_ms, verdict == VERDICT_RELEASE);
}

/* ---- retention ---- */

static int64_t over_at_ms(const struct model_job *job)
{
    if (job->place == PLACE_DONE || job->place == PLACE_CANCELLED)
        return job->score + job->org->keep_done_ms;
    return job->place == PLACE_DEAD ? job->score + job->org->keep_dead_ms : 0;
}

bool model_job_is_over(const struct model_job *job, int64_t now_ms)
{
    return over_at_ms(job) != 0 && over_at_ms(job) <= now_ms;
}

static int64_t log_over_at_ms(const struct model_job *job)
{
    return job->log_s ? (job->log_s + 1) * 1000 + job->org->keep_logs_ms : 0;
}

bool model_log_is_over(const struct model_job *job, int64_t now_ms)
{
    return job->place != PLACE_NONE && job->log_s != 0 && log_over_at_ms(job) <= now_ms;
}

bool model_key_is_over(const struct model_key *key, int64_t now_ms)
{
    return key->org && key->until_ms != 0 && key->until_ms <= now_ms;
}

int64_t model_first_over_ms(const struct model *model, const struct model_org *org)
{
    int64_t first_ms = 0;

    for (int i = 0; i < MODEL_JOBS_MAX; i++) {
        int64_t at_ms = model->jobs[i].org == org ? over_at_ms(&model->jobs[i]) : 0;
        if (at_ms && (!first_ms || at_ms < first_ms))
            first_ms = at_ms;
        at_ms = model->jobs[i].org == org ? model_wait_ends_ms(&model->jobs[i]) : 0;
        if (at_ms && (!first_ms || at_ms < first_ms))
            first_ms = at_ms;
        at_ms = model->jobs[i].org == org ? log_over_at_ms(&model->jobs[i]) : 0;
        if (at_ms && (!first_ms || at_ms < first_ms))
            first_ms = at_ms;
    }
    for (int i = 0; i < MODEL_KEYS_MAX; i++) {
        int64_t at_ms = model->keys[i].org == org ? model->keys[i].until_ms : 0;
        if (at_ms && (!first_ms || at_ms < first_ms))
            first_ms = at_ms;
    }
    return first_ms;
}
