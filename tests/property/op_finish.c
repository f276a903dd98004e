/* op_finish.c - a worker ends leases, its own and others', and repeats calls whose reply it did not get. */
#include "tests/property/claiming.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define ENDS_MAX 10

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

    check_answers(w, reply_element(reply, 5), session->answered_ok, session->answer_count);
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
};

static void draw_verdict(struct world *w, struct end *end)
{
    static const enum verdict words[] = {VERDICT_DONE,    VERDICT_DONE,  VERDICT_DONE,    VERDICT_DISCARD, VERDICT_DEAD,
                                         VERDICT_RELEASE, VERDICT_RETRY, VERDICT_TIMEOUT, VERDICT_CRASH};

    end->verdict = words[draw(w, sizeof words / sizeof words[0])];
    end->delay_ms = draw_percent(w, 40) ? 0 : draw_between(w, 1, 8000);
    end->limit = (int)draw_between(w, 1, 4);
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
    else if (end->verdict == VERDICT_RELEASE && end->delay_ms > 0)
        args_text(args, "%s %" PRId64, words[end->verdict], end->delay_ms);
    else
        args_text(args, "%s", words[end->verdict]);
    note(w, " %s:%s", end->name, args->values[args->count - 1]);
    args_text(args, "%" PRIu64, draw_percent(w, 90) ? draw(w, 1000) : draw(w, 20000000));
    args_add(args, report, draw_percent(w, 50) ? sizeof report - 1 : 0);
}

static void end_in_model(struct world *w, const struct model_session *session, const struct end *ends, int count,
                         bool ok[ENDS_MAX])
{
    for (int i = 0; i < count; i++) {
        struct model_job *job = find_named(w, ends[i].name);
        ok[i] =
            job && job->place == PLACE_RUNNING && job->session == session && memcmp(job->token, ends[i].token, TOKEN_BYTES) == 0;
        note(w, ok[i] ? " ok" : " stale");
        if (ok[i])
            model_end(w->model, now_ms(w), job, ends[i].verdict, ends[i].delay_ms, ends[i].limit);
    }
}

void op_finish(struct world *w)
{
    struct model_session *session = draw_session(w, draw_percent(w, 95));
    struct model_claim claim = draw_claim(w, session);
    struct end ends[ENDS_MAX];
    bool ok[ENDS_MAX];
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
    save_call(w, session, "finish", &args);
    const redisReply *reply = ask(w, "finish", &args);
    note(w, ":");
    if (is_lost(w, session, reply))
        return;
    end_in_model(w, session, ends, count, ok);
    check_answers(w, reply_element(reply, 5), ok, count);
    check_claimed(w, &claim, reply_element(reply, 6));
    remember_answers(session, claim.token, ok, count);
    session_beats(w, session);
}
