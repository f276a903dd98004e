#include "worker/slot.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/job.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/random.h"
#include "worker/child.h"
#include "worker/environment.h"
#include "worker/keeper.h"
#include "worker/room.h"

#define BROKEN_HANDLER_MS 5000 /* until a job of a broken handler is tried again */

struct slot {
    struct slots *slots;
    unsigned number;
    struct lane *lane;       /* NULL: free */
    unsigned *group;         /* where it is counted while it is not */
    struct handler *handler; /* that it was started with; held */
    char name[JOB_NAME_BYTES_MAX + 1], type[TYPE_BYTES_MAX + 1];
    int attempt, max_attempts;
    int64_t timeout_ms, started_mono_ms;
    bool disowned; /* it is not ours any more: nobody wants to hear how it ends */
    struct child *child;
};

struct slots {
    struct ev_loop *loop;
    const struct handlers *handlers;
    void (*on_free)(void *ctx);
    void *ctx;
    struct slot *items;
    struct keepers *keepers;
    unsigned count, taken;
    struct slots_counts counts;
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
    struct slot *slot = &slots->items[number];

    if (slot->lane && !slot->child)
        release(slot);
}

struct slots *slots_new(struct ev_loop *loop, unsigned count, const struct handlers *handlers, const char *scratch,
                        void (*on_free)(void *ctx), void *ctx, struct error *err)
{
    struct slots *slots = memory_new(sizeof *slots);

    *slots = (struct slots){.loop = loop, .handlers = handlers, .on_free = on_free, .ctx = ctx, .count = count};
    slots->items = memory_new(sizeof *slots->items * count);
    for (unsigned i = 0; i < count; i++)
        slots->items[i] = (struct slot){.slots = slots, .number = i};
    slots->keepers = keepers_new(loop, count, scratch, on_keeper_free, slots, err);
    if (!slots->keepers) {
        slots_free(slots);
        return NULL;
    }
    return slots;
}

void slots_free(struct slots *slots)
{
    if (!slots)
        return;
    for (unsigned i = 0; i < slots->count; i++) {
        child_free(slots->items[i].child);
        if (slots->items[i].lane)
            handler_release(slots->items[i].handler);
    }
    keepers_free(slots->keepers);
    free(slots->items);
    free(slots);
}

unsigned slots_taken(const struct slots *slots)
{
    return slots->taken;
}

static void report(struct lane *lane, const char *name, const char *verdict, int64_t run_us, const struct report *report)
{
    struct buffer bytes = {0};

    if (report)
        report_encode(&bytes, report);
    lane_report(lane,
                &(struct lane_end){
                    .name = name, .verdict = verdict, .run_us = run_us, .report = bytes.data, .report_bytes = bytes.length});
    buffer_clear(&bytes);
}

/* What is kept of how it went. `error` has room for JOB_ERROR_BYTES_MAX; empty for a success. */
static void describe(char *error, const struct child_result *result)
{
    const struct ending *ending = &result->ending;
    const char *colon = result->error[0] ? ": " : "";

    error[0] = '\0';
    if (ending->exit == 0 || ending->exit == 99)
        return;
    if (ending->start_errno > 0)
        snprintf(error, JOB_ERROR_BYTES_MAX, "%s", result->error);
    else if (ending->timed_out)
        snprintf(error, JOB_ERROR_BYTES_MAX, "timed out after %lld ms%s%s", (long long)(result->run_us / 1000), colon,
                 result->error);
    else if (ending->runaway)
        snprintf(error, JOB_ERROR_BYTES_MAX, "wrote more than %lld bytes%s%s", (long long)result->output_bytes_max, colon,
                 result->error);
    else if (ending->signal >= 0)
        snprintf(error, JOB_ERROR_BYTES_MAX, "killed by signal %d%s%s", ending->signal, colon, result->error);
    else
        snprintf(error, JOB_ERROR_BYTES_MAX, "exit %d%s%s", ending->exit, colon, result->error);
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

static void report_child(struct slot *slot, const struct child_result *result)
{
    struct ending ending = result->ending;
    enum verdict verdict;
    bool broken = verdict_is_broken_handler(&result->ending);
    char error[JOB_ERROR_BYTES_MAX], text[64];
    int64_t delay_ms;

    ending.draining = slot->slots->draining;
    verdict = verdict_of(&ending);
    count_end(&slot->slots->counts, verdict);
    delay_ms =
        verdict == VERDICT_RELEASE ? (broken ? BROKEN_HANDLER_MS : 0) : verdict_backoff_ms(slot->attempt, random_below(1 << 16));
    describe(error, result);
    verdict_format(text, verdict, delay_ms, slot->max_attempts);
    report(slot->lane, slot->name, text, result->run_us,
           &(struct report){
               .exit = result->ending.exit,
               .signal = result->ending.signal,
               .error = error[0] ? error : NULL,
               .result = verdict == VERDICT_DONE ? (char *)result->result : NULL,
               .result_bytes = result->result_bytes,
           });
    if (verdict != VERDICT_DONE && verdict != VERDICT_DISCARD)
        log_info("job not done", "job=%s verdict=%s attempt=%d err=%s", slot->name, text, slot->attempt, error);
}

static void on_ended(const struct child_result *result, void *ctx)
{
    struct slot *slot = ctx;

    slot->child = NULL;
    if (!slot->disowned)
        report_child(slot, result);
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

static struct order_limits limits_of(const struct handler *handler)
{
    return (struct order_limits){.cpu_s = (uint64_t)(handler->rlimits.cpu_ms + 999) / 1000,
                                 .memory_bytes = (uint64_t)handler->rlimits.as_bytes,
                                 .files = (uint64_t)handler->rlimits.nofile,
                                 .processes = (uint64_t)handler->rlimits.nproc,
                                 .file_bytes = (uint64_t)handler->rlimits.fsize_bytes};
}

static void start(struct slots *slots, unsigned *group, struct lane *lane, const struct job *job, const char *name,
                  struct handler *handler)
{
    struct slot *slot = find_free(slots);
    int64_t timeout_ms = job->record.timeout_ms ? job->record.timeout_ms : handler->timeout_ms;
    char **environment;

    assert(slot);
    *slot = (struct slot){.slots = slots,
                          .number = slot->number,
                          .lane = lane,
                          .group = group,
                          .handler = handler_hold(handler),
                          .timeout_ms = timeout_ms,
                          .started_mono_ms = clock_mono_ms(),
                          .attempt = job->state.attempt + 1,
                          .max_attempts = job->record.max_attempts ? job->record.max_attempts : (int)handler->max_attempts};
    snprintf(slot->name, sizeof slot->name, "%s", name);
    snprintf(slot->type, sizeof slot->type, "%s", job->record.type);
    environment = environment_new(job, lane_session(lane), slot->number, slot->attempt, slot->max_attempts, timeout_ms);
    slots->taken++;
    ++*group;
    room_begin(handler);
    slots->counts.begun++;
    slot->child = child_start(slots->loop, keepers_at(slots->keepers, slot->number),
                              &(struct child_options){
                                  .argv = handler->argv,
                                  .environment = environment,
                                  .payload = job->record.payload,
                                  .payload_bytes = job->record.payload_bytes,
                                  .timeout_ms = timeout_ms,
                                  .kill_after_ms = handler->kill_after_ms,
                                  .output_bytes_max = handler->log_bytes_hard_max,
                                  .result_bytes_max = JOB_RESULT_BYTES_MAX,
                                  .cwd = handler->cwd,
                                  .user = handler->user,
                                  .nice = (int)handler->nice,
                                  .limits = limits_of(handler),
                              },
                              on_ended, slot);
    environment_free(environment);
}

/* The built-in that does nothing. */
static void run_noop(struct slots *slots, struct lane *lane, const char *name)
{
    slots->counts.begun++;
    count_end(&slots->counts, VERDICT_DONE);
    report(lane, name, "done", 0, NULL);
}

/* A record that nobody can read must not come back again and again. */
static void quarantine(struct lane *lane, const char *name, const char *why)
{
    log_error("job cannot be read, dead letter", "job=%s err=%s", name, why);
    report(lane, name, "dead", 0, &(struct report){.exit = -1, .signal = -1, .error = (char *)why});
}

void slots_run(struct slots *slots, unsigned *group, struct lane *lane, const char *name, const struct reply *record,
               const struct reply *state)
{
    size_t record_bytes, state_bytes;
    const char *record_at = reply_bytes(record, &record_bytes), *state_at = reply_bytes(state, &state_bytes);
    struct handler *handler;
    struct job job = {.place = "running"};
    struct error err;

    if (job_name_split(name, job.org, job.id, &err) < 0 ||
        job_decode(&job, record_at, record_bytes, state_at, state_bytes, &err) < 0) {
        quarantine(lane, name, err.message);
        return;
    }
    handler = handlers_find(slots->handlers, job.record.type);
    if (!handler)
        report(lane, name, "release", 0, NULL);
    else if (!handler->argv)
        run_noop(slots, lane, name);
    else
        start(slots, group, lane, &job, name, handler);
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
}

void slots_kill(struct slots *slots)
{
    for (unsigned i = 0; i < slots->count; i++)
        if (slots->items[i].child)
            child_kill(slots->items[i].child);
}

void slots_look(const struct slots *slots, void (*look)(const struct slot_view *view, void *ctx), void *ctx)
{
    int64_t now_mono_ms = clock_mono_ms();

    for (unsigned i = 0; i < slots->count; i++) {
        const struct slot *slot = &slots->items[i];
        if (slot->child)
            look(&(struct slot_view){.slot = slot->number,
                                     .job = slot->name,
                                     .type = slot->type,
                                     .attempt = slot->attempt,
                                     .pid = child_pid(slot->child),
                                     .elapsed_ms = now_mono_ms - slot->started_mono_ms,
                                     .timeout_ms = slot->timeout_ms,
                                     .disowned = slot->disowned},
                 ctx);
    }
}

const struct slots_counts *slots_counts(const struct slots *slots)
{
    return &slots->counts;
}
