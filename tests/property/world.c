#include "tests/property/world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "tests/support/numbers.h"

/* ---- the story ---- */

static char *line_of(struct world *w, int64_t step)
{
    return w->story[step % STORY_LINES];
}

void note(struct world *w, const char *fmt, ...)
{
    char *line = line_of(w, w->step);
    size_t length = strlen(line);
    va_list args;

    va_start(args, fmt);
    vsnprintf(line + length, STORY_BYTES - length, fmt, args);
    va_end(args);
}

void world_tell(const struct world *w)
{
    if (w->over || !w->f)
        return;
    fprintf(stderr, "\nstep %" PRId64 " of the run with ROTA_SEED=%" PRIu64 ", L=%u, went wrong; the last steps:\n", w->step,
            w->seed, w->f->lanes);
    for (int64_t step = w->step < STORY_LINES ? 0 : w->step - STORY_LINES + 1; step <= w->step; step++)
        fprintf(stderr, "%6" PRId64 " %s\n", step, w->story[step % STORY_LINES]);
}

void complain(struct world *w, const char *fmt, ...)
{
    char text[2048];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    world_tell(w);
    w->over = true;
    fail_msg("%s", text);
    abort();
}

void expect_text(struct world *w, const redisReply *reply, const char *text, const char *what)
{
    if (strcmp(reply_text(reply), text) != 0)
        complain(w, "%s is answered \"%s\", it should be \"%s\"", what, reply_text(reply), text);
}

void expect_number(struct world *w, int64_t is, int64_t should, const char *what)
{
    if (is != should)
        complain(w, "%s is %" PRId64 ", it should be %" PRId64, what, is, should);
}

/* ---- chance ---- */

uint64_t draw(struct world *w, uint64_t limit)
{
    return draw_number(&w->random) % limit;
}

int64_t draw_between(struct world *w, int64_t low, int64_t high)
{
    return low + (int64_t)draw(w, (uint64_t)(high - low + 1));
}

bool draw_percent(struct world *w, unsigned percent)
{
    return draw(w, 100) < percent;
}

struct model_org *draw_org(struct world *w)
{
    return &w->model->orgs[draw(w, (uint64_t)w->model->org_count)];
}

struct model_session *draw_session(struct world *w, bool open_only)
{
    struct model_session *found = NULL;
    uint64_t count = 0;

    for (int i = 0; i < MODEL_SESSIONS_MAX; i++) {
        struct model_session *session = &w->model->sessions[i];
        if (session->used && (session->open || !open_only) && draw(w, ++count) == 0)
            found = session;
    }
    return found;
}

struct model_job *draw_job(struct world *w, unsigned places)
{
    struct model_job *found = NULL;
    uint64_t count = 0;

    for (int i = 0; i < MODEL_JOBS_MAX; i++) {
        struct model_job *job = &w->model->jobs[i];
        if (job->place != PLACE_NONE && (places & (1U << job->place)) && draw(w, ++count) == 0)
            found = job;
    }
    return found;
}

void draw_token(struct world *w, unsigned char ret_token[TOKEN_BYTES])
{
    for (int i = 0; i < TOKEN_BYTES; i += 8) {
        uint64_t bytes = draw_number(&w->random);
        memcpy(ret_token + i, &bytes, 8);
    }
}

/* ---- calls ---- */

int64_t now_ms(const struct world *w)
{
    return w->now_us / 1000;
}

void set_clock(struct world *w, int64_t now_us)
{
    w->now_us = now_us;
    if (now_us > w->latest_us)
        w->latest_us = now_us;
    clock_set_us(w->f, now_us);
    for (int i = 0; i < w->place_count; i++)
        model_clock_changed(&w->places[i].model, now_us);
}

const redisReply *ask(struct world *w, const char *function, struct args *args)
{
    lane_use(w->f, w->at->lane);
    const redisReply *reply = lane_call_args(w->f, function, args);

    if (reply->type == REDIS_REPLY_ERROR)
        complain(w, "%s: %s", function, reply->str);
    return reply;
}

bool is_in_set(struct world *w, const char *member, const char *set_fmt, ...)
{
    char set[256];
    va_list args;

    va_start(args, set_fmt);
    vsnprintf(set, sizeof set, set_fmt, args);
    va_end(args);
    lane_use(w->f, w->at->lane);
    return lane_has(w->f, set, member);
}

bool is_in_hash(struct world *w, const char *field, const char *hash_fmt, ...)
{
    char hash[256];
    va_list args;

    va_start(args, hash_fmt);
    vsnprintf(hash, sizeof hash, hash_fmt, args);
    va_end(args);
    lane_use(w->f, w->at->lane);
    return lane_redis(w->f, "HEXISTS %s %s", lane_key(w->f, "%s", hash), field)->integer == 1;
}

void saved_call_clear(struct saved_call *saved)
{
    for (size_t i = 0; i < saved->args.count; i++)
        free(saved->args.values[i]);
    free(saved->args.values);
    free(saved->args.bytes);
    *saved = (struct saved_call){0};
}

/* ---- a run ---- */

/* Six organizations, whatever the number of lanes: those lanes that have some take part. */
static void settle_orgs(struct world *w)
{
    static const char *const names[MODEL_ORGS_MAX] = {"acme", "b-corp", "c0", "delta_9", "e", "0zero"};

    for (int i = 0; i < MODEL_ORGS_MAX; i++) {
        unsigned lane = lane_of(names[i], w->f->lanes);
        struct place_to_be *at = NULL;
        for (int n = 0; n < w->place_count; n++) {
            if (w->places[n].lane == lane)
                at = &w->places[n];
        }
        if (!at) {
            at = &w->places[w->place_count++];
            at->lane = lane;
            model_init(&at->model);
        }
        model_add_org(&at->model, names[i]);
    }
}

static int64_t from_environment(const char *name, int64_t otherwise)
{
    const char *text = getenv(name);

    return text ? strtoll(text, NULL, 10) : otherwise;
}

void world_begin(struct world *w, struct fixture *f, uint64_t seed, int64_t steps)
{
    *w = (struct world){.f = f};
    w->seed = (uint64_t)from_environment("ROTA_SEED", (int64_t)seed);
    w->steps = from_environment("ROTA_STEPS", steps);
    w->compare_each = from_environment("ROTA_EACH", 0) != 0;
    w->tell_each = from_environment("ROTA_TELL", 0) != 0;
    w->random = w->seed;
    f->check_each = false;         /* once a step is enough */
    f->unchecked = UNCHECKED_CAPS; /* max_running is lowered at times; the model knows who may start a job */
    settle_orgs(w);
    set_clock(w, CLOCK_START_US);
    print_message("ROTA_SEED=%" PRIu64 " L=%u: %" PRId64 " steps\n", w->seed, f->lanes, w->steps);
}

void world_end(struct world *w)
{
    for (int i = 0; i < CALLS_SAVED; i++)
        saved_call_clear(&w->saved[i]);
    w->over = true;
    set_clock(w, w->latest_us); /* the check after the test knows no clock that was set back */
}
