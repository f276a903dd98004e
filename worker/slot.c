#include "worker/slot.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/job.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/random.h"
#include "worker/breaker.h"
#include "worker/child.h"
#include "worker/environment.h"
#include "worker/judge.h"
#include "worker/keeper.h"
#include "worker/pool.h"
#include "worker/room.h"
#include "worker/run.h"
#include "worker/told.h"

#define PAUSES_MAX 16 /* of limits by one run: each is a call to Redis, and written down there */

struct slot {
    struct slots *slots;
    unsigned number;
    struct lane *lane;       /* NULL: free */
    unsigned *group;         /* where it is counted while it is not */
    struct handler *handler; /* that it was started with; held */
    char name[JOB_NAME_BYTES_MAX + 1], type[TYPE_BYTES_MAX + 1];
    int attempt, max_attempts;
    char limit[LIMIT_BYTES_MAX + 1]; /* that its job names; "" */
    unsigned pauses;                 /* of limits, so far */
    struct told told;
    bool tries;    /* whether its handler works again */
    bool disowned; /* it is not ours any more: nobody wants to hear how it ends */
    struct child *child;
};

struct slots {
    struct ev_loop *loop;
    const struct handlers *handlers;
    void (*on_free)(void *ctx);
    void *ctx;
    struct slot *items;
    struct keepers *keepers; /* one for each slot, and behind them those of handlers that live on */
    struct pools *pools;
    unsigned count, taken;
    struct slots_counts counts;
    struct breakers breakers;
    bool draining;
};

/* It is free when its job was told of and its keeper has cleaned up. */
static void release(struct slot *slot)
{
    slot->lane = NULL;
    slot->slots->taken--;
    --*slot->group;
    room_end(slot->handler);
    handler_release(slot->handler);
    slot->slots->on_free(slot->slots->ctx);
}

static void on_keeper_free(unsigned number, void *ctx)
{
    struct slots *slots = ctx;
    struct slot *slot;

    if (number >= slots->count) {
        pools_keeper_free(slots->pools);
        return;
    }
    slot = &slots->items[number];
    if (slot->lane && !slot->child)
        release(slot);
}

static void on_pool_end(const struct pool_end *end, void *ctx)
{
    const struct slots *slots = ctx;

    (void)end;
    slots->on_free(slots->ctx);
}

struct slots *slots_new(struct ev_loop *loop, unsigned count, const struct handlers *handlers, const char *scratch,
                        const char *cgroup, void (*on_free)(void *ctx), void *ctx, struct error *err)
{
    struct slots *slots = memory_new(sizeof *slots);

    *slots = (struct slots){.loop = loop, .handlers = handlers, .on_free = on_free, .ctx = ctx, .count = count};
    slots->items = memory_new(sizeof *slots->items * count);
    for (unsigned i = 0; i < count; i++)
        slots->items[i] = (struct slot){.slots = slots, .number = i};
    slots->keepers = keepers_new(loop, 3 * count, scratch, cgroup, on_keeper_free, slots, err);
    if (!slots->keepers) {
        slots_free(slots);
        return NULL;
    }
    slots->pools = pools_new(&(struct pools_options){.loop = loop,
                                                     .keepers = slots->keepers,
                                                     .first = count,
                                                     .count = 2 * count,
                                                     .handlers = handlers,
                                                     .on_end = on_pool_end,
                                                     .ctx = slots});
    return slots;
}

void slots_free(struct slots *slots)
{
    if (!slots)
        return;
    for (unsigned i = 0; i < slots->count; i++) {
        child_free(slots->items[i].child);
        if (slots->items[i].lane) {
            told_clear(&slots->items[i].told);
            handler_release(slots->items[i].handler);
        }
    }
    pools_free(slots->pools);
    keepers_free(slots->keepers);
    breakers_clear(&slots->breakers);
    free(slots->items);
    free(slots);
}

unsigned slots_taken(const struct slots *slots)
{
    return slots->taken;
}

static void report(struct lane *lane, const char *name, const char *verdict, const struct report *report)
{
    struct buffer bytes = {0};

    if (report)
        report_encode(&bytes, report);
    lane_report(lane, &(struct lane_end){.name = name, .verdict = verdict, .report = bytes.data, .report_bytes = bytes.length});
    buffer_clear(&bytes);
}

static void count_end(struct slots_counts *counts, enum verdict verdict)
{
    if (verdict == VERDICT_DONE || verdict == VERDICT_DISCARD)
        counts->done++;
    else if (verdict == VERDICT_RELEASE)
        counts->released++;
    else
        counts->failed++;
}

/* ---- handlers that are broken ---- */

static void note_health(struct slot *slot, const struct child_result *result, const struct judged *judged)
{
    const struct ending *ending = &result->ending;
    struct breaker *breaker = breakers_get(&slot->slots->breakers, slot->handler->type);
    enum breaker_news news = ending->start_errno > 0 ? BREAKER_EXEC
                             : judged->broken        ? BREAKER_EXIT
                             : ending->stopped       ? BREAKER_NOTHING
                                                     : BREAKER_FINE;
    char org[NAME_BYTES_MAX + 1];

    snprintf(org, sizeof org, "%.*s", (int)strcspn(slot->name, "/"), slot->name);
    switch (breaker_note(breaker, news, org, slot->tries, clock_mono_ms())) {
    case BREAKER_OPENED:
        log_error("handler is broken, taking no jobs of its type", "type=%s for_ms=%lld job=%s err=%s", slot->handler->type,
                  (long long)breaker->pause_ms, slot->name, judged->error);
        break;
    case BREAKER_CLOSED: log_info("handler works again", "type=%s", slot->handler->type); break;
    case BREAKER_SAME: break;
    }
}

unsigned slots_most(const struct slots *slots, const struct handler *handler)
{
    const struct breaker *breaker = breakers_find(&slots->breakers, handler->type);

    if (!breaker || breaker->pause_ms == 0)
        return UINT_MAX;
    return breaker_lets_claim(breaker, clock_mono_ms());
}

void slots_trust(struct slots *slots)
{
    breakers_clear(&slots->breakers);
}

void slots_broken(const struct slots *slots, struct buffer *out)
{
    breakers_format(&slots->breakers, out, clock_mono_ms(), clock_wall_ms());
}

/* ---- what a handler tells while it runs ---- */

/* It may run so long from now on. */
static void extend(struct slot *slot, int64_t ms)
{
    if (child_extend(slot->child, ms))
        lane_tell(slot->lane, slot->name, &(struct lane_note){.timeout_ms = child_timeout_ms(slot->child)});
}

/* The service behind its limits has asked to be left alone. */
static void pause_limits(struct slot *slot, const struct control *control)
{
    char org[NAME_BYTES_MAX + 1], id[JOB_ID_BYTES_MAX + 1];
    struct error err;

    if (!control->pauses_limits || control->ms <= 0 || slot->pauses >= PAUSES_MAX ||
        job_name_split(slot->name, org, id, &err) < 0)
        return;
    slot->pauses++;
    if (slot->limit[0])
        lane_pause_limit(slot->lane, slot->limit, org, control->ms);
    if (slot->handler->limit)
        lane_pause_limit(slot->lane, slot->handler->limit, org, control->ms);
}

static void pass_on(struct slot *slot, const struct control *control)
{
    switch (control->op) {
    case CONTROL_PROGRESS:
        lane_tell(slot->lane, slot->name, &(struct lane_note){.progress = control->text, .percent = control->percent});
        break;
    case CONTROL_CHECKPOINT:
        lane_tell(slot->lane, slot->name,
                  &(struct lane_note){.checkpoint = control->data, .checkpoint_bytes = control->data_bytes});
        break;
    case CONTROL_EXTEND: extend(slot, control->ms); break;
    case CONTROL_RETRY: pause_limits(slot, control); break;
    default: break;
    }
}

static void on_line(const char *line, size_t bytes, void *ctx)
{
    struct slot *slot = ctx;
    struct control control;
    struct error err;
    bool refused;

    if (slot->disowned)
        return;
    if (slot->told.nonsense >= TOLD_NONSENSE_MAX) { /* it speaks another language: a flood of that must not hold up others */
        slot->told.nonsense++;
        return;
    }
    refused = control_parse(&control, line, bytes, &err) < 0;
    told_note(&slot->told, &control, refused ? &err : NULL);
    if (refused && slot->told.nonsense == 1)
        log_warn("a control line makes no sense, and is passed over", "job=%s err=%s", slot->name, err.message);
    if (!refused)
        pass_on(slot, &control);
    control_clear(&control);
}

static void on_log_line(const char *line, size_t bytes, void *ctx)
{
    const struct slot *slot = ctx;
    char *text = memory_copy(line, bytes);

    log_debug("handler", "job=%s line=%s", slot->name, text);
    free(text);
}

/* ---- the end ---- */

static void report_child(struct slot *slot, const struct child_result *result)
{
    struct lane_job jobs[TOLD_JOBS_MAX];
    struct buffer bytes = {0};
    struct judged judged;
    bool success;

    judge(&judged, &(struct judge_facts){.ended = result,
                                         .told = &slot->told,
                                         .handler = slot->handler,
                                         .attempt = slot->attempt,
                                         .max_attempts = slot->max_attempts,
                                         .draining = slot->slots->draining,
                                         .random = random_below(1 << 16)});
    success = judged.verdict == VERDICT_DONE || judged.verdict == VERDICT_DISCARD;
    count_end(&slot->slots->counts, judged.verdict);
    note_health(slot, result, &judged);
    report_encode(&bytes, &(struct report){.exit = result->ending.exit,
                                           .signal = result->ending.signal,
                                           .error = judged.error[0] ? judged.error : NULL,
                                           .result = (char *)(uintptr_t)judged.result,
                                           .result_bytes = judged.result_bytes});
    for (size_t i = 0; i < slot->told.job_count; i++)
        jobs[i] = (struct lane_job){.id = slot->told.jobs[i].id,
                                    .record = slot->told.jobs[i].record.data,
                                    .record_bytes = slot->told.jobs[i].record.length};
    lane_report(slot->lane, &(struct lane_end){.name = slot->name,
                                               .verdict = judged.words,
                                               .verdict_if_refused = judged.words_if_refused,
                                               .run_us = result->run_us,
                                               .report = bytes.data,
                                               .report_bytes = bytes.length,
                                               .log = result->log,
                                               .log_bytes = result->log_bytes,
                                               .log_omitted_bytes = result->log_omitted_bytes,
                                               .jobs = jobs,
                                               .job_count = success ? slot->told.job_count : 0});
    buffer_clear(&bytes);
    if (!success)
        log_info("job not done", "job=%s verdict=%s attempt=%d err=%s", slot->name, judged.words, slot->attempt, judged.error);
    if (slot->told.nonsense > 1 || result->control_dropped_lines > 0)
        log_warn("control lines passed over", "job=%s lines=%u too_long=%u", slot->name, slot->told.nonsense,
                 result->control_dropped_lines);
}

static void on_ended(const struct child_result *result, void *ctx)
{
    struct slot *slot = ctx;

    slot->child = NULL;
    if (!slot->disowned)
        report_child(slot, result);
    else if (slot->tries)
        breaker_note(breakers_get(&slot->slots->breakers, slot->handler->type), BREAKER_NOTHING, "", true, clock_mono_ms());
    told_clear(&slot->told);
    if (keeper_is_free(keepers_at(slot->slots->keepers, slot->number)))
        release(slot);
}

static struct slot *find_free(struct slots *slots)
{
    for (unsigned i = 0; i < slots->count; i++)
        if (!slots->items[i].lane)
            return &slots->items[i];
    return NULL;
}

static char **make_environment(const struct slot *slot, const struct job *job)
{
    return environment_new(&(struct environment_facts){.job = job,
                                                       .handler = slot->handler,
                                                       .session = lane_session(slot->lane),
                                                       .token = lane_token(slot->lane, slot->name),
                                                       .slot = slot->number,
                                                       .attempt = slot->attempt,
                                                       .max_attempts = slot->max_attempts,
                                                       .timeout_ms = run_timeout_ms(slot->handler, job)});
}

static void start(struct slots *slots, unsigned *group, struct lane *lane, const struct job *job, const char *name,
                  struct handler *handler, bool tries)
{
    struct slot *slot = find_free(slots);
    struct child_options options;
    char **environment;

    assert(slot);
    *slot = (struct slot){.slots = slots,
                          .number = slot->number,
                          .lane = lane,
                          .group = group,
                          .handler = handler_hold(handler),
                          .told = TOLD_NOTHING,
                          .tries = tries,
                          .attempt = job->state.attempt + 1,
                          .max_attempts = run_max_attempts(handler, job)};
    snprintf(slot->name, sizeof slot->name, "%s", name);
    snprintf(slot->type, sizeof slot->type, "%s", job->record.type);
    snprintf(slot->limit, sizeof slot->limit, "%s", job->record.limit);
    environment = make_environment(slot, job);
    slots->taken++;
    ++*group;
    room_begin(handler);
    slots->counts.begun++;
    options = run_options(handler, job, environment);
    options.pools = handler->mode == HANDLER_POOL ? slots->pools : NULL;
    options.handler = handler;
    options.name = name;
    options.on_line = on_line;
    options.on_log_line = on_log_line;
    slot->child = child_start(slots->loop, keepers_at(slots->keepers, slot->number), &options, on_ended, slot);
    environment_free(environment);
}

/* The built-in that does nothing. */
static void run_noop(struct slots *slots, struct lane *lane, const char *name)
{
    slots->counts.begun++;
    count_end(&slots->counts, VERDICT_DONE);
    report(lane, name, "done", NULL);
}

/* A record that nobody can read must not come back again and again. */
static void quarantine(struct lane *lane, const char *name, const char *why)
{
    log_error("job cannot be read, dead letter", "job=%s err=%s", name, why);
    report(lane, name, "dead", &(struct report){.exit = -1, .signal = -1, .error = (char *)why});
}

/* Its handler is broken, and another job tries it already. */
static void hand_back(struct lane *lane, const struct job *job, const char *name, const struct handler *handler)
{
    char words[64];

    verdict_format(words, VERDICT_RELEASE, JUDGE_BROKEN_MS, run_max_attempts(handler, job) + JUDGE_DELIVERIES_MORE);
    report(lane, name, words, NULL);
}

void slots_run(struct slots *slots, unsigned *group, struct lane *lane, const char *name, const struct reply *record,
               const struct reply *state)
{
    size_t record_bytes, state_bytes;
    const char *record_at = reply_bytes(record, &record_bytes), *state_at = reply_bytes(state, &state_bytes);
    struct handler *handler;
    struct job job = {.place = "running"};
    struct error err;
    bool tries;

    if (job_name_split(name, job.org, job.id, &err) < 0 ||
        job_decode(&job, record_at, record_bytes, state_at, state_bytes, &err) < 0) {
        quarantine(lane, name, err.message);
        return;
    }
    handler = handlers_find(slots->handlers, job.record.type);
    if (!handler)
        report(lane, name, "release", NULL);
    else if (!handler->argv)
        run_noop(slots, lane, name);
    else if (breaker_lets_start(breakers_get(&slots->breakers, handler->type), clock_mono_ms(), &tries))
        start(slots, group, lane, &job, name, handler, tries);
    else
        hand_back(lane, &job, name, handler);
    job_clear(&job);
}

void slots_stop(struct slots *slots, const struct lane *lane, const char *name, bool cancelled)
{
    for (unsigned i = 0; i < slots->count; i++) {
        struct slot *slot = &slots->items[i];
        if (slot->lane != lane || !slot->child || slot->disowned || strcmp(slot->name, name) != 0)
            continue;
        log_info("stopping a job", "job=%s why=%s", name, cancelled ? "cancelled" : "not ours any more");
        slot->disowned = !cancelled;
        if (cancelled)
            child_stop(slot->child);
        else
            child_kill(slot->child);
        return;
    }
}

void slots_drain(struct slots *slots)
{
    slots->draining = true;
    pools_drain(slots->pools);
}

void slots_kill(struct slots *slots)
{
    for (unsigned i = 0; i < slots->count; i++)
        if (slots->items[i].child)
            child_kill(slots->items[i].child);
    pools_kill(slots->pools);
}

bool slots_are_quiet(const struct slots *slots)
{
    return slots->taken == 0 && pools_living(slots->pools) == 0;
}

void slots_look(const struct slots *slots, void (*look)(const struct slot_view *view, void *ctx), void *ctx)
{
    keepers_look(slots->keepers);
    for (unsigned i = 0; i < slots->count; i++) {
        const struct slot *slot = &slots->items[i];
        if (slot->child)
            look(&(struct slot_view){.slot = slot->number,
                                     .job = slot->name,
                                     .type = slot->type,
                                     .attempt = slot->attempt,
                                     .pid = child_pid(slot->child),
                                     .elapsed_ms = child_elapsed_ms(slot->child),
                                     .timeout_ms = child_timeout_ms(slot->child),
                                     .disowned = slot->disowned},
                 ctx);
    }
}

const struct slots_counts *slots_counts(const struct slots *slots)
{
    return &slots->counts;
}
