/* op_finish.c - a worker ends leases, its own and others', and repeats calls whose reply it did not get. */
#include "tests/property/claiming.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define ENDS_MAX     10
#define CHILDREN_MAX 3

/* The same call again: the same answers, and the jobs that are still held from it. */
void op_repeat(struct world *w)
{
    struct saved_call *saved = &w->saved[draw(w, CALLS_SAVED)];
    struct args args = {0};

    if (saved->at != w->at) {
        op_claim(w);
        return;
    }
    struct model_session *session = model_find_session(w->model, saved->session);
    bool last = session && session->open && session->called && memcmp(session->token, saved->args.values[1], TOKEN_BYTES) == 0;
    if (session && session->open && !last) {
        op_claim(w); /* only its last call can be repeated */
        return;
    }
    note(w, "repeat %s of %s", saved->function, saved->session);
    for (size_t i = 0; i < saved->args.count; i++)
        args_add(&args, saved->args.values[i], saved->args.bytes[i]);
    const redisReply *reply = ask(w, saved->function, &args);
    if (is_lost(w, session, reply) || !session)
        return;

    check_answers(w, reply_element(reply, 5), session->answered, session->answer_count);
    const redisReply *jobs = reply_element(reply, 6);
    size_t held = 0;
    for (int i = 0; i < MODEL_JOBS_MAX; i++) {
        const struct model_job *job = &w->model->jobs[i];
        held += job->place == PLACE_RUNNING && job->session == session && memcmp(job->token, session->token, TOKEN_BYTES) == 0;
    }
    expect_number(w, (int64_t)jobs->elements, (int64_t)held * 3, "number of words about jobs");
    for (size_t i = 0; i + 2 < jobs->elements; i += 3) {
        struct model_job *job = find_named(w, reply_text(jobs->element[i]));
        if (!job || job->session != session || memcmp(job->token, session->token, TOKEN_BYTES) != 0)
            complain(w, "%s was not claimed by that call", jobs->element[i]->str);
        check_record(w, job, jobs->element[i + 1]);
    }
    session_beats(w, session);
}

/* ---- finish ---- */

struct end {
    char name[NAME_BYTES_MAX + 1 + JOB_ID_BYTES_MAX + 1];
    unsigned char token[TOKEN_BYTES];
    enum verdict verdict;
    int64_t delay_ms;
    int limit;
    /* what it leaves besides */
    int progress; /* percent + 1 */
    const char *checkpoint;
    int log_bytes, child_count;
    char child_ids[CHILDREN_MAX][MODEL_ID_BYTES_MAX + 1];
    struct wish children[CHILDREN_MAX];
};

static void draw_verdict(struct world *w, struct end *end)
{
    static const enum verdict words[] = {VERDICT_DONE,    VERDICT_DONE,  VERDICT_DONE,    VERDICT_DISCARD, VERDICT_DEAD,
                                         VERDICT_RELEASE, VERDICT_RETRY, VERDICT_TIMEOUT, VERDICT_CRASH};

    end->verdict = words[draw(w, sizeof words / sizeof words[0])];
    end->delay_ms = draw_percent(w, 40) ? 0 : draw_between(w, 1, 8000);
    end->limit = (int)draw_between(w, 0, 4);
    if (end->verdict == VERDICT_RELEASE && (end->limit == 0 || draw_percent(w, 50)))
        end->limit = 0;
}

static void name_end(struct end *end, const struct model_job *job)
{
    snprintf(end->name, sizeof end->name, "%s/%s", job->org->name, job->id);
    memcpy(end->token, job->token, TOKEN_BYTES);
}

/* A lease that is not the session's: of another session, with a wrong token, over, or never there. */
static void draw_foreign_end(struct world *w, const struct model_session *session, struct end *end)
{
    const struct model_job *job = draw_job(w, draw_percent(w, 75) ? 1U << PLACE_RUNNING : ~0U);

    snprintf(end->name, sizeof end->name, "acme/nobody");
    if (job)
        name_end(end, job);
    if (!job || job->session == session || draw_percent(w, 30))
        draw_token(w, end->token);
    draw_verdict(w, end);
}

/* Some of the session's leases in random order, often with one verdict, with foreign ones and repetitions among them. */
static int draw_ends(struct world *w, const struct model_session *session, struct end ends[ENDS_MAX])
{
    struct end common = {0};
    bool alike = draw_percent(w, 50);
    int count = 0, most = (int)draw_between(w, 1, ENDS_MAX);

    draw_verdict(w, &common);
    for (int i = 0, start = (int)draw(w, MODEL_JOBS_MAX); i < MODEL_JOBS_MAX && count < most; i++) {
        const struct model_job *job = &w->model->jobs[(i + start) % MODEL_JOBS_MAX];
        if (job->place != PLACE_RUNNING || job->session != session || draw_percent(w, 30))
            continue;
        ends[count] = common;
        if (!alike)
            draw_verdict(w, &ends[count]);
        name_end(&ends[count++], job);
        if (count < most && draw_percent(w, 8))
            draw_foreign_end(w, session, &ends[count++]);
        if (count < most && draw_percent(w, 4)) {
            ends[count] = ends[draw(w, (uint64_t)count)];
            count++;
        }
    }
    if (count < most && draw_percent(w, 20))
        draw_foreign_end(w, session, &ends[count++]);
    return count;
}

static void add_end(struct world *w, struct args *args, const struct end *end)
{
    static const char *const words[VERDICTS] = {"done", "discard", "dead", "release", "retry", "timeout", "crash", ""};
    static const char report[] = "\x81\xa4"
                                 "exit\x01";

    args_text(args, "%s", end->name);
    args_add(args, end->token, TOKEN_BYTES);
    if (end->verdict >= VERDICT_RETRY)
        args_text(args, "%s %" PRId64 " %d", words[end->verdict], end->delay_ms, end->limit);
    else if (end->verdict == VERDICT_RELEASE && end->limit > 0)
        args_text(args, "release %" PRId64 " %d", end->delay_ms, end->limit);
    else if (end->verdict == VERDICT_RELEASE && end->delay_ms > 0)
        args_text(args, "%s %" PRId64, words[end->verdict], end->delay_ms);
    else
        args_text(args, "%s", words[end->verdict]);
    note(w, " %s:%s", end->name, args->values[args->count - 1]);
    args_text(args, "%" PRIu64, draw_percent(w, 90) ? draw(w, 1000) : draw(w, 20000000));
    args_add(args, report, draw_percent(w, 50) ? sizeof report - 1 : 0);
}

/* What some of the leases leave besides. */
static void draw_extras(struct world *w, struct end *ends, int count)
{
    int ahead = 0;

    for (int i = 0; i < count; i++) {
        struct end *end = &ends[i];
        const struct model_job *job = find_named(w, end->name);
        end->checkpoint = NULL;
        if (draw_percent(w, 60))
            continue;
        end->progress = (int)draw(w, 102);
        end->checkpoint = draw_checkpoint(w);
        end->log_bytes = draw_percent(w, 60) ? (int)draw_between(w, 1, draw_percent(w, 3) ? 70000 : 200) : 0;
        while (job && (end->verdict == VERDICT_DONE || end->verdict == VERDICT_DISCARD) && end->child_count < CHILDREN_MAX &&
               draw_percent(w, 40) &&
               draw_further_job(w, job->org, end->child_ids[end->child_count], &end->children[end->child_count], ahead)) {
            end->child_count++;
            ahead++;
        }
    }
}

static void add_extras(struct world *w, struct args *args, const struct end *ends, int count)
{
    static char log[70000];

    memset(log, 'x', sizeof log);
    args_text(args, "+");
    for (int i = 0; i < count; i++) {
        const struct end *end = &ends[i];
        if (end->progress || end->checkpoint) {
            args_text(args, "%d", i + 1);
            args_text(args, "note");
            add_note(w, args, end->progress, end->checkpoint);
        }
        if (end->log_bytes) {
            args_text(args, "%d", i + 1);
            args_text(args, "log");
            args_text(args, "7");
            args_add(args, log, (size_t)end->log_bytes);
        }
        if (end->child_count) {
            args_text(args, "%d", i + 1);
            args_text(args, "jobs");
            args_text(args, "%d", end->child_count);
        }
        for (int n = 0; n < end->child_count; n++) {
            struct bytes record = wish_record(w, &end->children[n]);
            note(w, " %s+%s", end->name, end->child_ids[n]);
            args_text(args, "%s", end->child_ids[n]);
            args_add(args, record.data, record.length);
        }
    }
}

/* Its further jobs, before the lease ends: the word for the lease. */
static const char *enqueue_children(struct world *w, const struct model_job *job, const struct end *end)
{
    static const char *const words[] = {"children:taken", "children:conflict", "children:too_large", "children:expired",
                                        "children:deleting"};
    const char *ids[CHILDREN_MAX];

    for (int n = 0; n < end->child_count; n++)
        ids[n] = end->child_ids[n];
    const char *refused = model_enqueue_own(w->model, now_ms(w), job->org, ids, end->children, end->child_count);
    for (size_t i = 0; refused && i < sizeof words / sizeof words[0]; i++)
        if (strcmp(words[i] + strlen("children:"), refused) == 0)
            return words[i];
    return "ok";
}

static void end_one(struct world *w, struct model_job *job, const struct end *end)
{
    const struct model_org *org = job->org;
    bool kept =
        (end->verdict != VERDICT_DONE && end->verdict != VERDICT_DISCARD) || (org->keep_done_ms > 0 && org->keep_done_max > 0);

    model_note(job, end->progress, end->checkpoint);
    if (end->log_bytes && kept)
        job->log_s = now_ms(w) / 1000;
    model_end(w->model, now_ms(w), job, end->verdict, end->delay_ms, end->limit);
}

/* All further jobs come in before the first lease ends. */
static void end_in_model(struct world *w, const struct model_session *session, const struct end *ends, int count,
                         const char *words[ENDS_MAX])
{
    for (int i = 0; i < count; i++) {
        const struct model_job *job = find_named(w, ends[i].name);
        bool owned =
            job && job->place == PLACE_RUNNING && job->session == session && memcmp(job->token, ends[i].token, TOKEN_BYTES) == 0;
        for (int n = 0; n < i; n++)
            owned = owned && !(strcmp(words[n], "ok") == 0 && strcmp(ends[n].name, ends[i].name) == 0);
        words[i] = owned ? enqueue_children(w, job, &ends[i]) : "stale";
        note(w, " %s", words[i]);
    }
    for (int i = 0; i < count; i++)
        if (strcmp(words[i], "ok") == 0)
            end_one(w, find_named(w, ends[i].name), &ends[i]);
}

void op_finish(struct world *w)
{
    struct model_session *session = draw_session(w, draw_percent(w, 95));
    struct model_claim claim = draw_claim(w, session);
    struct end ends[ENDS_MAX] = {0};
    const char *words[ENDS_MAX];
    struct args args = {0};

    if (!session) {
        op_claim(w);
        return;
    }
    int count = draw_ends(w, session, ends);
    note(w, "finish");
    if (draw_percent(w, 50))
        claim.want = 0;
    add_claim(w, &args, &claim);
    for (int i = 0; i < count; i++)
        add_end(w, &args, &ends[i]);
    if (draw_percent(w, 50)) {
        draw_extras(w, ends, count);
        add_extras(w, &args, ends, count);
    }
    save_call(w, session, "finish", &args);
    const redisReply *reply = ask(w, "finish", &args);
    note(w, ":");
    if (is_lost(w, session, reply))
        return;
    end_in_model(w, session, ends, count, words);
    check_answers(w, reply_element(reply, 5), words, count);
    check_claimed(w, &claim, reply_element(reply, 6));
    remember_answers(session, claim.token, words, count);
    session_beats(w, session);
}
