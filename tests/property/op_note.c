/* op_note.c - a worker tells what its running jobs say about themselves. */
#include "tests/property/claiming.h"

#include <inttypes.h>
#include <string.h>

#define NOTES_MAX 10

/* What is told of one job. */
struct told {
    struct model_job *job;
    unsigned char token[TOKEN_BYTES];
    bool owned;
    int progress;
    const char *checkpoint;
    int64_t timeout_ms; /* 0: nothing */
};

const char *draw_checkpoint(struct world *w)
{
    static const char *const checkpoints[] = {"", "one", "step-2", NULL, NULL};

    return checkpoints[draw(w, sizeof checkpoints / sizeof checkpoints[0])];
}

void add_note(struct world *w, struct args *args, int progress, const char *checkpoint)
{
    if (progress)
        args_text(args, "%d%s", progress - 1, draw_percent(w, 50) ? " of the way" : "");
    else
        args_add(args, "", 0);
    args_text(args, "%s%s", checkpoint ? "=" : "", checkpoint ? checkpoint : "");
}

static struct told draw_told(struct world *w, const struct model_session *session, struct model_job *job)
{
    struct told told = {.job = job, .progress = (int)draw(w, 102), .checkpoint = draw_checkpoint(w)};

    memcpy(told.token, job->token, sizeof told.token);
    if (draw_percent(w, 10))
        draw_token(w, told.token);
    told.owned = session->open && job->session == session && memcmp(told.token, job->token, sizeof told.token) == 0;
    told.timeout_ms = draw_percent(w, 50) ? 0 : draw_between(w, 1, 200000);
    return told;
}

static void add_told(struct world *w, struct args *args, const struct told *told)
{
    args_text(args, "%s/%s", told->job->org->name, told->job->id);
    args_add(args, told->token, sizeof told->token);
    add_note(w, args, told->progress, told->checkpoint);
    if (told->timeout_ms)
        args_text(args, "%" PRId64, told->timeout_ms);
    else
        args_add(args, "", 0);
}

static void tell_model(const struct told *told)
{
    struct model_job *job = told->job;
    int64_t deadline_ms = job->started_ms + told->timeout_ms + MODEL_GRACE_MS;

    model_note(job, told->progress, told->checkpoint);
    if (told->timeout_ms && deadline_ms > job->score)
        job->score = deadline_ms;
}

/* Some running jobs; a few of them are not the session's. */
void op_note(struct world *w)
{
    struct model_session *session = draw_session(w, draw_percent(w, 95));
    struct told told[NOTES_MAX];
    struct args args = {0};
    int count = 0;

    for (int i = 0, start = (int)draw(w, MODEL_JOBS_MAX); session && i < MODEL_JOBS_MAX && count < NOTES_MAX; i++) {
        struct model_job *job = &w->model->jobs[(i + start) % MODEL_JOBS_MAX];
        if (job->place == PLACE_RUNNING && draw_percent(w, 70))
            told[count++] = draw_told(w, session, job);
    }
    if (count == 0) {
        op_claim(w);
        return;
    }
    note(w, "note %s", session->id);
    args_text(&args, "%s", session->id);
    for (int i = 0; i < count; i++)
        add_told(w, &args, &told[i]);
    const redisReply *reply = ask(w, "note", &args);
    if (!session->open) {
        expect_text(w, reply_element(reply, 0), "lost", "the call");
        return;
    }
    expect_number(w, (int64_t)reply->elements, count, "number of answers");
    for (int i = 0; i < count; i++) {
        const char *word = told[i].owned ? "ok" : "stale";
        expect_text(w, reply->element[i], word, "a note");
        note(w, " %s:%s", told[i].job->id, word);
        if (told[i].owned)
            tell_model(&told[i]);
    }
}
