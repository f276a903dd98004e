/* op_session.c - sessions begin, beat, end and die. */
#include "tests/property/operations.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define OPEN_MAX         5
#define OVERDUE_MAX      16 /* jobs that one beat takes from a living worker */
#define OVERDUE_DELAY_MS 5000
#define ATTEMPTS         25
#define GIVE_BACK_MAX    64

void session_beats(struct world *w, struct model_session *session)
{
    session->beat++;
    session->deadline_ms = now_ms(w) + session->timeout_ms;
    session->listed = true;
}

/* ---- open ---- */

static int count_open(const struct world *w)
{
    int count = 0;

    for (int i = 0; i < MODEL_SESSIONS_MAX; i++)
        count += w->model->sessions[i].used && w->model->sessions[i].open;
    return count;
}

static struct model_session *unused_session(struct world *w)
{
    for (int i = 0; i < MODEL_SESSIONS_MAX; i++) {
        if (!w->model->sessions[i].used)
            return &w->model->sessions[i];
    }
    return NULL;
}

void op_open(struct world *w)
{
    struct model_session *session = count_open(w) >= OPEN_MAX || draw_percent(w, 20) ? draw_session(w, false) : NULL;
    int64_t timeout_ms = draw_between(w, 1000, 20000);
    struct args args = {0};
    const char *should = "ok";

    if (session)
        should = session->open ? "exists" : session->listed ? "ended" : "ok";
    else
        session = unused_session(w);
    if (!session) {
        op_beat(w);
        return;
    }
    if (!session->used) {
        *session = (struct model_session){0};
        snprintf(session->id, sizeof session->id, "s%" PRIu32, draw_percent(w, 90) ? ++w->drawn : 1); /* some ids come again */
        if (model_find_session(w->model, session->id)) {
            op_beat(w);
            return;
        }
    }
    bool is_scheduler = draw_percent(w, 30);
    note(w, "open %s", session->id);
    args_text(&args, "%s", session->id);
    args_text(&args, "%s", is_scheduler ? "scheduler" : "worker");
    args_text(&args, "%" PRId64, timeout_ms);
    args_text(&args, "%" PRId64, draw_between(w, 1, timeout_ms / 3));
    expect_text(w, ask(w, "open", &args), should, "open");
    if (strcmp(should, "ok") == 0) {
        session->used = session->open = true;
        session->is_scheduler = is_scheduler;
        session->timeout_ms = timeout_ms;
        session->beat = session->order = session->dump = 0;
        session_beats(w, session);
    }
}

/* ---- beat ---- */

static int count_overdue(const struct world *w, const struct model_session *session)
{
    int count = 0;

    for (int i = 0; i < MODEL_JOBS_MAX; i++) {
        const struct model_job *job = &w->model->jobs[i];
        count += job->place == PLACE_RUNNING && job->session == session && job->score <= now_ms(w);
    }
    return count;
}

static bool is_held(struct world *w, const struct model_session *session, const struct model_job *job)
{
    char name[NAME_BYTES_MAX + 1 + MODEL_ID_BYTES_MAX + 1];

    snprintf(name, sizeof name, "%s/%s", job->org->name, job->id);
    return is_in_hash(w, name, "held:%s", session->id);
}

static void end_overdue(struct world *w, const struct model_session *session)
{
    int overdue = count_overdue(w, session), ended = 0;

    for (int i = 0; i < MODEL_JOBS_MAX && overdue > 0; i++) {
        struct model_job *job = &w->model->jobs[i];
        if (job->place != PLACE_RUNNING || job->session != session || job->score > now_ms(w))
            continue;
        if (overdue > OVERDUE_MAX && is_held(w, session, job))
            continue;
        ended++;
        note(w, " %s/%s overdue", job->org->name, job->id);
        model_end(w->model, now_ms(w), job, VERDICT_TIMEOUT, OVERDUE_DELAY_MS,
                  job->wish.max_attempts ? job->wish.max_attempts : ATTEMPTS);
    }
    expect_number(w, ended, overdue < OVERDUE_MAX ? overdue : OVERDUE_MAX, "number of overdue jobs taken away");
}

static void check_cancelled(struct world *w, const struct model_session *session, const redisReply *names)
{
    size_t cancelled = 0;

    for (int i = 0; i < MODEL_JOBS_MAX; i++) {
        const struct model_job *job = &w->model->jobs[i];
        char name[NAME_BYTES_MAX + 1 + MODEL_ID_BYTES_MAX + 1];
        bool told = false;
        if (job->place != PLACE_RUNNING || job->session != session || !(job->cancelling || job->org->deleting))
            continue;
        cancelled++;
        snprintf(name, sizeof name, "%s/%s", job->org->name, job->id);
        for (size_t n = 0; n < names->elements; n++)
            told |= strcmp(names->element[n]->str, name) == 0;
        if (!told)
            complain(w, "%s was cancelled, and its worker is not told", name);
    }
    expect_number(w, (int64_t)names->elements, (int64_t)cancelled, "number of cancelled jobs that are told");
}

/* The beat brings what was asked for last, whoever has heard it already. */
static void check_orders(struct world *w, const struct model_session *session, const redisReply *reply)
{
    char order[64] = "", dump[64] = "";

    if (session->order)
        snprintf(order, sizeof order, "%" PRId64 " %s ann", session->order, session->verb);
    if (session->dump)
        snprintf(dump, sizeof dump, "%" PRId64 " ann", session->dump);
    expect_text(w, reply_element(reply, 4), order, "the order that the beat brings");
    expect_text(w, reply_element(reply, 5), dump, "the dump that the beat asks for");
}

static int64_t higher(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

void op_order(struct world *w)
{
    static const char *const verbs[] = {"quiet", "resume", "stop", "dump"};
    struct model_session *session = draw_session(w, draw_percent(w, 90));
    const char *verb = verbs[draw(w, 4)];
    struct args args = {0};

    note(w, "order %s %s", session ? session->id : "nobody0session", verb);
    args_text(&args, "%s", "ann");
    args_text(&args, "%s", session ? session->id : "nobody0session");
    args_text(&args, "%s", verb);
    const redisReply *reply = ask(w, "order", &args);
    if (!session || !session->open) {
        expect_text(w, reply_element(reply, 0), "gone", "order");
        return;
    }
    if (session->is_scheduler) {
        expect_text(w, reply_element(reply, 0), "scheduler", "order");
        return;
    }
    int64_t number = higher(now_ms(w), higher(session->order, session->dump) + 1);
    expect_text(w, reply_element(reply, 0), "ok", "order");
    expect_number(w, reply_number(reply_element(reply, 1)), number, "number of the order");
    if (strcmp(verb, "dump") == 0) {
        session->dump = number;
    } else {
        session->order = number;
        session->verb = verb;
    }
}

void op_beat(struct world *w)
{
    struct model_session *session = draw_session(w, draw_percent(w, 90));
    bool keep = draw_percent(w, 25); /* takes nothing away: the worker does not trust the clock */
    struct args args = {0};

    note(w, "beat%s %s", keep ? " keep" : "", session ? session->id : "nobody0session");
    args_text(&args, "%s", session ? session->id : "nobody0session");
    if (keep)
        args_text(&args, "keep");
    const redisReply *reply = ask(w, "beat", &args);
    if (!session || !session->open) {
        expect_text(w, reply_element(reply, 0), "lost", "beat");
        return;
    }
    expect_text(w, reply_element(reply, 0), "ok", "beat");
    if (!keep)
        end_overdue(w, session);
    see_let_go(w);
    expect_number(w, reply_number(reply_element(reply, 2)), model_count_held(w->model, session), "number of leases held");
    check_cancelled(w, session, reply_element(reply, 3));
    check_orders(w, session, reply);
    session_beats(w, session);
}

/* ---- close and recover ---- */

/* The session is over and some of what it held was given back; which part, only Redis knows. Returns how much was, and how much
 * is left. */
static int given_back(struct world *w, struct model_session *session, enum verdict verdict, int limit, int *ret_left)
{
    int held = model_count_held(w->model, session), ended = 0;

    session->open = session->called = false;
    for (int i = 0; i < MODEL_JOBS_MAX; i++) {
        struct model_job *job = &w->model->jobs[i];
        if (job->place != PLACE_RUNNING || job->session != session || is_held(w, session, job))
            continue;
        ended++;
        note(w, " %s/%s", job->org->name, job->id);
        model_end(w->model, now_ms(w), job, verdict, 0, 0);
    }
    if (ended > limit || (held > 0 && ended == 0))
        complain(w, "%d of %d leases were given back in one step, the limit is %d", ended, held, limit);
    see_let_go(w);
    *ret_left = held - ended;
    if (*ret_left == 0)
        *session = (struct model_session){0};
    return ended;
}

static int draw_limit(struct world *w)
{
    return draw_percent(w, 50) ? GIVE_BACK_MAX : (int)draw_between(w, 1, 4);
}

void op_close(struct world *w)
{
    struct model_session *session = draw_session(w, draw_percent(w, 50));
    int limit = draw_limit(w), left;
    struct args args = {0};

    if (!session) {
        op_open(w);
        return;
    }
    note(w, "close %s by %d:", session->id, limit);
    args_text(&args, "%s", session->id);
    args_text(&args, "%d", limit);
    const redisReply *reply = ask(w, "close", &args);
    given_back(w, session, VERDICT_RELEASE, limit, &left);
    expect_number(w, reply_number(reply), left, "number of leases left");
}

void op_recover(struct world *w)
{
    struct model_session *session = draw_session(w, false);
    int limit = draw_limit(w), left;
    struct args args = {0};

    if (!session) {
        op_open(w);
        return;
    }
    int64_t beat = session->open ? session->beat - draw_percent(w, 15) : 0;
    bool pending = session->deadline_ms > now_ms(w) && session->deadline_ms <= now_ms(w) + session->timeout_ms;
    bool moved = session->open && (pending || beat != session->beat);
    note(w, "recover %s at beat %" PRId64 " by %d:", session->id, beat, limit);
    args_text(&args, "%s", session->id);
    if (session->open)
        args_text(&args, "%" PRId64, beat);
    else
        args_text(&args, "%s", "");
    args_text(&args, "%d", limit);
    const redisReply *reply = ask(w, "recover", &args);
    expect_text(w, reply_element(reply, 0), moved ? "moved" : "ok", "recover");
    if (moved)
        return;
    int ended = given_back(w, session, VERDICT_LOST, limit, &left);
    expect_number(w, reply_number(reply_element(reply, 1)), ended, "number of jobs given back");
    expect_number(w, reply_number(reply_element(reply, 2)), left, "number of leases left");
}

void forget_empty_sessions(struct world *w)
{
    for (int i = 0; i < MODEL_SESSIONS_MAX; i++) {
        struct model_session *session = &w->model->sessions[i];
        struct args args = {0};
        if (!session->used || session->open || model_count_held(w->model, session) > 0)
            continue;
        note(w, " (forget %s)", session->id);
        args_text(&args, "%s", session->id);
        args_text(&args, "%s", "");
        args_text(&args, "%d", GIVE_BACK_MAX);
        expect_number(w, reply_number(reply_element(ask(w, "recover", &args), 2)), 0, "number of leases left");
        *session = (struct model_session){0};
    }
}
