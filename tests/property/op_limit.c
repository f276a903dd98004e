/* op_limit.c - limits are defined, changed, paused and divided; and what waited for them comes back. */
#include "tests/property/operations.h"

#include <inttypes.h>
#include <stdio.h>

#define STAMP "round"

static const char *const definition_names[MODEL_LIMITS] = {"mail", "smtp", "user"};

/* Jobs that waited and do not any more have gone back to their queues: their limit must have had room. */
void see_let_go(struct world *w)
{
    for (int i = 0; i < MODEL_JOBS_MAX; i++) {
        struct model_job *job = &w->model->jobs[i];
        if (job->place != PLACE_WAITING ||
            is_in_set(w, job->id, "org:%s:waiting:%s", job->org->name, model_limit_names[job->waits_for]))
            continue;
        note(w, " (%s/%s let go)", job->org->name, job->id);
        if (model_room_most(w->model, job->waits_for, job->org, w->now_us) < 1 - 1e-3)
            complain(w, "%s/%s was let go, though %s has no room", job->org->name, job->id, model_limit_names[job->waits_for]);
        model_to_ready(job);
    }
}

/* For which limit jobs wait that the model has just set aside. */
void see_waiting(struct world *w, const struct model_claim *claim)
{
    for (int i = 0; i < MODEL_JOBS_MAX; i++) {
        struct model_job *job = &w->model->jobs[i];
        int names[2];
        if (job->place != PLACE_WAITING || job->waits_for)
            continue;
        model_limits_of(w->model, claim, job, names);
        for (int n = 0; n < 2 && !job->waits_for; n++) {
            if (names[n] && is_in_set(w, job->id, "org:%s:waiting:%s", job->org->name, model_limit_names[names[n]]))
                job->waits_for = names[n];
        }
        if (!job->waits_for)
            complain(w, "%s/%s waits, and for none of its limits", job->org->name, job->id);
        note(w, " (%s/%s waits for %s)", job->org->name, job->id, model_limit_names[job->waits_for]);
        if (model_room(w->model, job->waits_for, job->org, w->now_us) >= 1 + 1e-3)
            complain(w, "%s/%s waits for %s, which has room", job->org->name, job->id, model_limit_names[job->waits_for]);
    }
}

/* Another rate or burst: what was spent stays spent, at what it is worth now; of keys nobody knows. */
static void respend(struct world *w, int which, const struct model_definition *old)
{
    const struct model_definition *new = &w->model->limits[which];
    bool keyed = which == MODEL_LIMITS - 1;

    for (int name = 1; name < MODEL_LIMIT_NAMES; name++) {
        if (model_definition(w->model, name) != new)
            continue;
        for (int i = 0; i < MODEL_ORGS_MAX; i++) {
            struct model_bucket *bucket = &w->model->buckets[name][i];
            if (!old->defined || old->rate <= 0 || new->rate <= 0) {
                bucket->full_us = keyed ? (double)w->latest_us + 1e12 : 0;
                bucket->full_soonest_us = 0;
                continue;
            }
            if (keyed) {
                bucket->full_us = (double)w->latest_us + 1e12; /* until it is full for sure: never */
                bucket->full_soonest_us = 0;
                continue;
            }
            double *ends[2] = {&bucket->full_us, &bucket->full_soonest_us}, now_us = (double)w->now_us;
            for (int n = 0; n < 2; n++) {
                double spent = *ends[n] > now_us ? (*ends[n] - now_us) * model_rate(old, false) / 1e6 : 0;
                if (spent > (double)model_burst(new, false))
                    spent = (double)model_burst(new, false);
                *ends[n] = spent > 0 ? now_us + spent * 1e6 / model_rate(new, false) : 0;
            }
        }
    }
}

static void draw_definition(struct world *w, struct model_definition *definition)
{
    static const double rates[] = {0.5, 2, 10, 100};

    definition->concurrency = draw_percent(w, 60) ? draw_between(w, 1, 4) : 0;
    definition->rate = definition->concurrency == 0 || draw_percent(w, 40) ? rates[draw(w, 4)] : 0;
    definition->burst = definition->rate > 0 ? draw_between(w, 1, 4) : 1;
}

/* What the lane has of a bound: lane 0 begins with all of it, the others with none; of a lowered one it has as much in
 * proportion. */
static int64_t part_after(const struct world *w, bool had, int64_t part, int64_t old, int64_t new)
{
    bool first = w->at->lane == 0;

    if (!had)
        return first ? new : 0;
    if (old <= new)
        return part;
    part = part < old ? part : old;
    return first ? (part * new + old - 1) / old : part * new / old;
}

/* Parts are where there are several lanes. */
static void begin_parts(struct world *w, struct model_definition *definition, const struct model_definition *old)
{
    bool had_slots = old->defined && old->concurrency > 0, had_tokens = old->defined && old->rate > 0;

    definition->slots = definition->tokens = -1;
    if (w->f->lanes > 1 && definition->concurrency > 0)
        definition->slots = part_after(w, had_slots, old->slots, old->concurrency, definition->concurrency);
    if (w->f->lanes > 1 && definition->rate > 0)
        definition->tokens = part_after(w, had_tokens, old->tokens, old->burst, definition->burst);
}

static void set_limit(struct world *w, int which)
{
    struct model_definition *definition = &w->model->limits[which], old = *definition;
    struct args args = {0};

    draw_definition(w, definition);
    definition->defined = true;
    begin_parts(w, definition, &old);
    note(w, "limit_set %s %" PRId64 " %g/s %" PRId64, definition_names[which], definition->concurrency, definition->rate,
         definition->burst);
    args_text(&args, "tester");
    args_text(&args, "%s", definition_names[which]);
    if (definition->concurrency)
        args_text(&args, "%" PRId64, definition->concurrency);
    else
        args_add(&args, "", 0);
    if (definition->rate > 0)
        args_text(&args, "%g/s", definition->rate);
    else
        args_add(&args, "", 0);
    if (definition->rate > 0)
        args_text(&args, "%" PRId64, definition->burst);
    else
        args_add(&args, "", 0);
    expect_text(w, reply_element(ask(w, "limit_set", &args), 0), old.defined ? "changed" : "new", "limit_set");
    respend(w, which, &old);
}

static void clear_limit(struct world *w, int which)
{
    struct model_definition *definition = &w->model->limits[which], old = *definition;
    struct args args = {0};

    note(w, "limit_clear %s", definition_names[which]);
    args_text(&args, "tester");
    args_text(&args, "%s", definition_names[which]);
    *definition = (struct model_definition){0};
    expect_text(w, reply_element(ask(w, "limit_clear", &args), 0), old.defined ? "cleared" : "unknown", "limit_clear");
    respend(w, which, &old);
}

static void pause_limit(struct world *w)
{
    int name = (int)draw_between(w, 1, MODEL_LIMIT_NAMES); /* one more: all keys */
    bool all = name == MODEL_LIMIT_NAMES, keyed = !all && model_is_keyed(name);
    const struct model_org *org = draw_org(w);
    struct model_definition *definition = all ? &w->model->limits[MODEL_LIMITS - 1] : model_definition(w->model, name);
    int64_t *paused_ms = keyed ? &model_bucket(w->model, name, org)->paused_ms : &definition->paused_ms;
    int64_t ms = draw_percent(w, 50) ? 0 : draw_between(w, 1, 5000);
    struct args args = {0};

    note(w, "limit_pause %s %s %" PRId64, all ? "user" : model_limit_names[name], keyed ? org->name : "", ms);
    args_text(&args, "tester");
    args_text(&args, "%s", all ? "user" : model_limit_names[name]);
    args_text(&args, "%s", keyed ? org->name : "");
    args_text(&args, "%" PRId64, ms);
    const redisReply *reply = ask(w, "limit_pause", &args);
    expect_text(w, reply_element(reply, 0), definition->defined ? "ok" : "unknown", "limit_pause");
    if (!definition->defined)
        return;
    if (*paused_ms < now_ms(w) + ms || ms == 0)
        *paused_ms = ms ? now_ms(w) + ms : 0;
    expect_number(w, reply_number(reply_element(reply, 1)), *paused_ms, "end of the pause");
}

/* A part of a limit that the lane had, and now has. */
static void divide_limit(struct world *w, int which)
{
    struct model_definition *definition = &w->model->limits[which], old = *definition;
    struct model_bucket *bucket = &w->model->buckets[which + 1][0];
    int64_t level = draw_between(w, 0, 2000);
    struct args look = {0}, args = {0};

    if (!definition->defined || which == MODEL_LIMITS - 1 || w->f->lanes == 1) {
        set_limit(w, which);
        return;
    }
    args_text(&look, STAMP), args_text(&look, "%s", ""), args_text(&look, "%d", 10);
    ask(w, "limit_look", &look);
    if (definition->concurrency)
        definition->slots = draw_between(w, 0, 5);
    if (definition->rate > 0)
        definition->tokens = draw_between(w, 0, 5);
    note(w, "limit_part %s %" PRId64 " %" PRId64 " %" PRId64, definition_names[which], definition->slots, definition->tokens,
         level);
    args_text(&args, STAMP);
    args_text(&args, "%s", definition_names[which]);
    args_text(&args, "%" PRId64, definition->slots < 0 ? 0 : definition->slots);
    args_text(&args, "%" PRId64, definition->tokens < 0 ? 0 : definition->tokens);
    args_text(&args, "%" PRId64, level);
    expect_text(w, reply_element(ask(w, "limit_part", &args), 0), "ok", "limit_part");
    if (definition->rate <= 0 || model_burst(definition, false) == 0)
        return;
    double *ends[2] = {&bucket->full_us, &bucket->full_soonest_us}, now_us = (double)w->now_us;
    for (int i = 0; i < 2; i++) {
        double had = (double)model_burst(&old, false);
        if (had > 0 && *ends[i] > now_us)
            had -= (*ends[i] - now_us) * model_rate(&old, false) / 1e6;
        double has = (had > 0 ? had : 0) + (double)level / 1000, burst = (double)model_burst(definition, false);
        *ends[i] = now_us + (has < burst ? burst - has : 0) * 1e6 / model_rate(definition, false);
    }
}

void op_limit(struct world *w)
{
    int which = (int)draw(w, MODEL_LIMITS);
    uint64_t kind = draw(w, 10);

    if (kind < 4)
        set_limit(w, which);
    else if (kind < 5)
        clear_limit(w, which);
    else if (kind < 8)
        pause_limit(w);
    else
        divide_limit(w, which);
    see_let_go(w);
}
