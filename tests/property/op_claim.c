/* op_claim.c - a worker claims: whatever it is given, it may have; and it is given what it may have. */
#include "tests/property/claiming.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define WANT_MAX     32
#define HELD_MAX     24 /* what a session of the test holds at most */
#define VISITS_EXTRA 16 /* a claim visits at most want + 16 organizations, */
#define RESTS_MAX    64 /* and sets at most 64 jobs aside */
#define STRANGER     "nobody0session"

/* ---- arguments of a claim ---- */

static void draw_types(struct world *w, int64_t timeout_ms[MODEL_TYPES], int limits[MODEL_TYPES])
{
    bool same = draw_percent(w, 30);

    for (int i = 0; i < MODEL_TYPES; i++) {
        if (same && i > 0)
            timeout_ms[i] = timeout_ms[i - 1];
        else if (draw_percent(w, i == 2 ? 60 : 90))
            timeout_ms[i] = draw_between(w, 1000, 60000);
        limits[i] = same && i > 0 ? limits[i - 1] : draw_percent(w, 15) ? (int)draw_between(w, 1, MODEL_LIMITS - 1) : 0;
    }
    if (timeout_ms[0] + timeout_ms[1] + timeout_ms[2] == 0)
        timeout_ms[0] = 1000;
}

struct model_claim draw_claim(struct world *w, struct model_session *session)
{
    struct model_claim claim = {.session = session, .quiet = draw_percent(w, 15)};
    int room = session ? HELD_MAX - model_count_held(w->model, session) : HELD_MAX;

    draw_token(w, claim.token);
    claim.want = (int)(draw_percent(w, 25) ? draw(w, WANT_MAX + 1) : draw(w, 6));
    if (claim.want > room)
        claim.want = room > 0 ? room : 0;
    claim.queues[draw(w, MODEL_QUEUES)] = true;
    for (int i = 0; i < MODEL_QUEUES; i++)
        claim.queues[i] |= draw_percent(w, 70);
    draw_types(w, claim.timeout_ms, claim.limits);
    return claim;
}

static void add_queues(struct world *w, struct args *args, const struct model_claim *claim)
{
    int start = (int)draw(w, MODEL_QUEUES);

    args_text(args, "%d", claim->queues[0] + claim->queues[1] + claim->queues[2]);
    for (int i = 0; i < MODEL_QUEUES; i++) {
        int queue = (start + i) % MODEL_QUEUES;
        if (!claim->queues[queue])
            continue;
        args_text(args, "%s", model_queue_names[queue]);
        args_text(args, "%" PRIu64, draw_percent(w, 90) ? 0 : draw(w, 100000));
        note(w, " %s", model_queue_names[queue]);
    }
}

static void add_timeout(struct world *w, struct args *args, const struct model_claim *claim, int type)
{
    int limit = claim->limits[type];
    char room[16] = "";

    if (claim->has_room[type])
        snprintf(room, sizeof room, "/%d", claim->room[type]);
    args_text(args, "%" PRId64 "%s%s%s", claim->timeout_ms[type], room, limit ? " " : "", limit ? model_limit_names[limit] : "");
    note(w, "%s", room);
    if (limit)
        note(w, "(%s)", model_limit_names[limit]);
}

/* The types by name; or, where that says the same, '*' for all of them, or for all but the first. */
static void add_types(struct world *w, struct args *args, const struct model_claim *claim)
{
    const int64_t *ms = claim->timeout_ms;
    bool any = ms[1] == ms[2] && ms[1] > 0 && claim->limits[1] == claim->limits[2] && !model_claim_has_rooms(claim);
    int named = any ? (ms[0] != ms[1] || claim->limits[0] != claim->limits[1]) : MODEL_TYPES;

    if (any && ms[0] == 0)
        any = false, named = MODEL_TYPES;
    args_text(args, "%d", any ? named + 1 : (ms[0] > 0) + (ms[1] > 0) + (ms[2] > 0));
    for (int i = 0; i < named; i++) {
        if (ms[i] == 0)
            continue;
        args_text(args, "%s", model_type_names[i]);
        note(w, " %s", model_type_names[i]);
        add_timeout(w, args, claim, i);
    }
    if (any) {
        args_text(args, "*");
        add_timeout(w, args, claim, 1);
    }
}

void add_claim(struct world *w, struct args *args, const struct model_claim *claim)
{
    args_text(args, "%s", claim->session ? claim->session->id : STRANGER);
    args_add(args, claim->token, TOKEN_BYTES);
    args_text(args, "%d", claim->want);
    args_text(args, "%d", claim->quiet);
    note(w, " %s wants %d%s", claim->session ? claim->session->id : STRANGER, claim->want, claim->quiet ? " quiet" : "");
    add_queues(w, args, claim);
    add_types(w, args, claim);
}

/* ---- what a claim answers ---- */

struct model_job *find_named(struct world *w, const char *name)
{
    char org_name[NAME_BYTES_MAX + 1] = "";
    const char *slash = strchr(name, '/');

    if (!slash || slash - name > NAME_BYTES_MAX)
        complain(w, "\"%s\" is no name of a job", name);
    memcpy(org_name, name, (size_t)(slash - name));
    struct model_org *org = model_find_org(w->model, org_name);
    return org ? model_find(w->model, org, slash + 1) : NULL;
}

void check_record(struct world *w, const struct model_job *job, const redisReply *record)
{
    struct bytes should = wish_record(w, &job->wish);

    if (record->len != should.length || memcmp(record->str, should.data, should.length) != 0)
        complain(w, "%s/%s is handed out with another record than it came in with", job->org->name, job->id);
}

/* Jobs at the head of their queue that the claim set aside after the last one it handed out. */
static void find_set_aside(struct world *w, struct model_claim *claim, struct model_org *org, int queue)
{
    bool rooms = model_claim_has_rooms(claim); /* then they may be anywhere */

    for (;;) {
        struct model_job *head = NULL;
        for (int i = 0; i < MODEL_JOBS_MAX; i++) {
            struct model_job *job = &w->model->jobs[i];
            bool is_of_it = job->place == PLACE_READY && job->org == org && job->wish.queue == queue;
            if (is_of_it && (!head || model_before(job, head)) &&
                !(rooms && is_in_set(w, job->id, "org:%s:ready:%s", org->name, model_queue_names[queue])))
                head = job;
        }
        if (!head || is_in_set(w, head->id, "org:%s:ready:%s", org->name, model_queue_names[queue]))
            return;
        note(w, " (%s/%s aside)", org->name, head->id);
        const char *broken = model_claim_put_aside(w->model, claim, w->now_us, head);
        if (broken)
            complain(w, "a job of %s was set aside, but %s", org->name, broken);
    }
}

/* Jobs that the claim has woken before it took any: those that have left `scheduled`. */
static void find_woken(struct world *w, const struct model_claim *claim)
{
    int woken = 0;

    for (int i = 0; i < MODEL_JOBS_MAX; i++) {
        struct model_job *job = &w->model->jobs[i];
        if (job->place != PLACE_SCHEDULED || job->rests == 0 || is_in_set(w, job->id, "org:%s:scheduled", job->org->name))
            continue;
        note(w, " (%s/%s woken)", job->org->name, job->id);
        const char *broken = model_claim_wake(w->model, claim, job);
        if (broken || ++woken > claim->want)
            complain(w, "%s/%s was woken, but %s", job->org->name, job->id, broken ? broken : "fewer were wanted");
    }
}

/* Visits that may be in vain: after the clock was set back, an organization may stand in the index without the token it had. */
static int count_wasted(const struct world *w, const struct model_claim *claim)
{
    int wasted = 0;

    if (w->now_us >= w->latest_us)
        return 0;
    for (int i = 0; i < w->model->org_count; i++)
        wasted += w->model->orgs[i].rate > 0 ? claim->queues[0] + claim->queues[1] + claim->queues[2] : 0;
    return wasted;
}

static void tell_index(struct world *w, const char *name, const char *queue)
{
    const redisReply *reply = lane_redis(w->f, "ZRANGE %s 0 -1 WITHSCORES", lane_key(w->f, "%s:%s", name, queue));

    for (size_t i = 0; i + 1 < reply->elements; i += 2)
        note(w, " %s %s=%s", name, reply->element[i]->str, reply->element[i + 1]->str);
}

/* Where the organization stands, for whoever wants to know why it was passed over. */
static void tell_indexes(struct world *w, const struct model_org *org, const char *queue)
{
    const redisReply *fields = lane_redis(w->f, "HGETALL %s", lane_key(w->f, "org:%s", org->name));

    tell_index(w, "active", queue);
    tell_index(w, "parked", queue);
    for (size_t i = 0; i + 1 < fields->elements; i += 2)
        note(w, " %s=%s", fields->element[i]->str, fields->element[i + 1]->str);
    note(w, " now=%lld.", (long long)w->now_us);
}

static void check_enough(struct world *w, const struct model_claim *claim)
{
    const struct model_job *left = model_claim_left(w->model, claim, w->now_us);
    int looks = claim->queues[0] + claim->queues[1] + claim->queues[2]; /* that found nobody left, one in each queue */
    int visits = claim->taken_in_all + claim->set_aside + looks + count_wasted(w, claim);

    if (left && !w->drifted && visits < claim->want + VISITS_EXTRA && claim->set_aside < RESTS_MAX) {
        tell_indexes(w, left->org, model_queue_names[left->wish.queue]);
        complain(w, "%d of %d jobs were handed out and %d set aside, though %s/%s of queue %s could have been handed out",
                 claim->taken_in_all, claim->want, claim->set_aside, left->org->name, left->id,
                 model_queue_names[left->wish.queue]);
    }
}

static _Noreturn void complain_of_org(struct world *w, const struct model_org *org, const char *name, const char *broken)
{
    if (!org)
        complain(w, "%s was handed out, but %s", name, broken);
    complain(w, "%s was handed out, but %s (paused %d, running %d of %" PRId64 ", %.6g tokens)", name, broken, org->paused,
             model_count(w->model, org, PLACE_RUNNING, -1), org->max_running, model_tokens(org, w->now_us));
}

void check_claimed(struct world *w, struct model_claim *claim, const redisReply *jobs)
{
    if (jobs->elements > (size_t)claim->want * 3)
        complain(w, "%zu jobs were handed out", jobs->elements / 3);
    see_let_go(w);
    find_woken(w, claim);
    model_claim_begin(w->model, claim, w->now_us);
    for (size_t i = 0; i + 2 < jobs->elements; i += 3) {
        const char *name = reply_text(jobs->element[i]);
        struct model_job *job = find_named(w, name);
        note(w, " %s", name);
        const char *broken = job ? model_claim_take(w->model, claim, w->now_us, job) : "there is no such job";
        if (broken)
            complain_of_org(w, job ? job->org : NULL, name, broken);
        check_record(w, job, jobs->element[i + 1]);
    }
    if (claim->want > 0) {
        for (int i = 0; i < w->model->org_count; i++) {
            for (int queue = 0; queue < MODEL_QUEUES; queue++)
                find_set_aside(w, claim, &w->model->orgs[i], queue);
        }
    }
    see_waiting(w, claim);
    check_enough(w, claim);
}

/* ---- calls that may be repeated ---- */

void save_call(struct world *w, const struct model_session *session, const char *function, const struct args *args)
{
    struct saved_call *saved = &w->saved[w->next_saved++ % CALLS_SAVED];

    saved_call_clear(saved);
    saved->at = w->at;
    saved->function = function;
    snprintf(saved->session, sizeof saved->session, "%s", session->id);
    for (size_t i = 0; i < args->count; i++)
        args_add(&saved->args, args->values[i], args->bytes[i]);
}

/* True if the session is over, and was told so. */
bool is_lost(struct world *w, const struct model_session *session, const redisReply *reply)
{
    bool open = session && session->open;

    expect_text(w, reply_element(reply, 0), open ? "ok" : "lost", "the call");
    if (!open)
        note(w, " lost");
    return !open;
}

void remember_answers(struct model_session *session, const unsigned char token[TOKEN_BYTES], const char *const *words, int count)
{
    session->called = true;
    memcpy(session->token, token, TOKEN_BYTES);
    session->answer_count = count;
    for (int i = 0; i < count; i++)
        session->answered[i] = words[i];
}

void check_answers(struct world *w, const redisReply *answers, const char *const *words, int count)
{
    expect_number(w, (int64_t)answers->elements, count, "number of answers");
    for (int i = 0; i < count; i++)
        expect_text(w, answers->element[i], words[i], "the end of a lease");
}

/* Makes the claim and checks it. `claim->session` may be NULL: somebody unknown. */
static void make_claim(struct world *w, struct model_claim *claim)
{
    struct model_session *session = claim->session;
    struct args args = {0};

    note(w, "claim");
    add_claim(w, &args, claim);
    if (session)
        save_call(w, session, "claim", &args);
    const redisReply *reply = ask(w, "claim", &args);
    note(w, ":");
    if (is_lost(w, session, reply))
        return;
    check_answers(w, reply_element(reply, 5), NULL, 0);
    check_claimed(w, claim, reply_element(reply, 6));
    remember_answers(session, claim->token, NULL, 0);
    session_beats(w, session);
}

void op_claim(struct world *w)
{
    struct model_session *session = draw_percent(w, 97) ? draw_session(w, draw_percent(w, 95)) : NULL;

    if (!session && draw_percent(w, 90)) {
        op_open(w);
        return;
    }
    struct model_claim claim = draw_claim(w, session);
    make_claim(w, &claim);
}

void claim_from_default(struct world *w, struct model_session *session, bool quiet)
{
    struct model_claim claim = {
        .session = session, .quiet = quiet, .want = 1, .queues = {true}, .timeout_ms = {9000, 9000, 9000}};

    draw_token(w, claim.token);
    make_claim(w, &claim);
}
