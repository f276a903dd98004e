#include "worker/dump.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/buffer.h"
#include "common/log.h"

#define LINE_BYTES_MAX 1024

struct dump {
    struct buffer text;
    bool full;
};

static void add_line(struct dump *dump, const char *what, const char *fields, ...) __attribute__((format(printf, 3, 4)));

/* One line, to the log and to the text. */
static void add_line(struct dump *dump, const char *what, const char *fields, ...)
{
    char values[LINE_BYTES_MAX], message[32];
    va_list args, again;

    va_start(args, fields);
    va_copy(again, args);
    snprintf(message, sizeof message, "dump: %s", what);
    log_line_list(LOG_LEVEL_INFO, message, fields, args);
    vsnprintf(values, sizeof values, fields, again);
    va_end(again);
    va_end(args);
    if (!dump->full && dump->text.length + strlen(what) + strlen(values) + 64 > DUMP_BYTES_MAX) {
        buffer_add_string(&dump->text, "the rest is in the log of the worker\n");
        dump->full = true;
    }
    if (!dump->full)
        buffer_add_format(&dump->text, "%s %s\n", what, values);
}

static void add_slot(const struct slot_view *view, void *ctx)
{
    char org[NAME_BYTES_MAX + 1];

    snprintf(org, sizeof org, "%.*s", (int)strcspn(view->job, "/"), view->job);
    add_line(ctx, "slot", "number=%u job=%s org=%s type=%s attempt=%d pid=%d elapsed_ms=%lld timeout_ms=%lld ours=%d", view->slot,
             view->job, org, view->type, view->attempt, (int)view->pid, (long long)view->elapsed_ms, (long long)view->timeout_ms,
             !view->disowned);
}

/* The handlers that are broken, and until when. */
static void add_broken(struct dump *dump, const struct slots *slots)
{
    struct buffer types = {0};

    slots_broken(slots, &types);
    if (types.length > 0)
        add_line(dump, "broken", "types=%s", types.data);
    buffer_clear(&types);
}

static void add_lane(struct dump *dump, const struct lane *lane)
{
    add_line(dump, "lane", "number=%u session=%s open=%d held=%zu reports=%zu claiming=%u", lane_number(lane), lane_session(lane),
             lane_is_open(lane), lane_held(lane), lane_reports(lane), lane_claiming(lane, NULL));
}

static void add_capsule(struct dump *dump, const struct capsule *capsule)
{
    const struct capsule_plan *plan = capsule_plan(capsule);

    add_line(dump, "capsule", "name=%s slots=%u running=%u sleeper_up=%d", plan->name, plan->slots, capsule_taken(capsule),
             capsule_can_sleep(capsule));
    for (size_t i = 0; i < plan->queue_count; i++)
        add_line(dump, "queue", "capsule=%s name=%s weight=%u", plan->name, plan->queues[i].name, plan->queues[i].weight);
}

char *dump_write(const struct dump_subject *subject, const char *asked_by)
{
    const struct slots_counts *counts = slots_counts(subject->slots);
    struct dump dump = {0};

    add_line(&dump, "worker", "phase=%s asked_by=%s slots=%u running=%u begun=%llu done=%llu failed=%llu released=%llu",
             subject->phase, asked_by, subject->slot_count, slots_taken(subject->slots), (unsigned long long)counts->begun,
             (unsigned long long)counts->done, (unsigned long long)counts->failed, (unsigned long long)counts->released);
    add_line(&dump, "redis", "address=%s up=%d waiting=%u", redis_address(subject->redis), redis_is_up(subject->redis),
             redis_pending(subject->redis));
    add_broken(&dump, subject->slots);
    for (size_t i = 0; i < subject->capsule_count; i++)
        add_capsule(&dump, subject->capsules[i]);
    for (uint32_t i = 0; i < subject->lane_count; i++)
        add_lane(&dump, subject->lanes[i]);
    slots_look(subject->slots, add_slot, &dump);
    return buffer_give(&dump.text);
}
