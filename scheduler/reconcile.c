#include "scheduler/reconcile.h"

#include <ev.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/schedule.h"
#include "scheduler/mend_plan.h"
#include "scheduler/recurrences.h"

#define SCHEDULES_PER_PAGE 100
#define ORGS_PER_PAGE      25
#define PER_CALL           100 /* of schedule_arm and schedule_health */
#define COLUMNS            3   /* of schedule_audit: org, name, fields */
#define CURSOR_BYTES       64
#define STEPS_AT_ONCE      100 /* of a round; from then on it takes its time, so that it costs the same however much there is */
#define STEP_LATER_S       0.1 /* between two of the further ones */
#define FULL_BYTES         (NAME_BYTES_MAX + SCHEDULE_NAME_BYTES_MAX + 2) /* org/name */

enum phase { AUDIT, RELIST };

enum mended { GONE, INDEX, PENDING, RETRY, NEXT, MENDED_KINDS };
static const char *const mended_words[MENDED_KINDS] = {"gone", "index", "pending", "retry", "next"};

/* The schedules of one call. */
struct batch {
    struct walker *walker;
    struct call call;
    size_t count;
    bool unhealthy[PER_CALL];
    char names[PER_CALL][FULL_BYTES];
};

/* A lane's walk. */
struct walker {
    struct reconcile *reconcile;
    uint32_t lane;
    enum phase phase;
    char cursor[CURSOR_BYTES];
    char (*orgs)[NAME_BYTES_MAX + 1]; /* of this page: those whose names want calls of their own */
    size_t org_count, org_at;
    char org_cursor[CURSOR_BYTES]; /* within orgs[org_at] */
    unsigned under_way;            /* calls of this step */
    unsigned steps;                /* of this round; 0: there is none */
    bool failed;                   /* one of them: the round is given up */
    unsigned counts[MENDED_KINDS];
    char first[FULL_BYTES]; /* that was mended in this round */
    ev_timer timer;
    struct complaint calls, damaged;
};

struct reconcile {
    struct duty duty;
    int64_t every_ms;
    struct walker *walkers;
    struct batch *arm, *health; /* that are being collected */
    struct call call;
};

static void step(struct walker *walker);

/* ---- the end of a step ---- */

static unsigned mended_in_all(const struct walker *walker)
{
    unsigned all = 0;

    for (int kind = 0; kind < MENDED_KINDS; kind++)
        all += walker->counts[kind];
    return all;
}

static void count_mended(struct walker *walker, const char *what, const char *name)
{
    for (int kind = 0; kind < MENDED_KINDS; kind++)
        if (strcmp(what, mended_words[kind]) == 0)
            walker->counts[kind]++;
    if (!walker->first[0])
        snprintf(walker->first, sizeof walker->first, "%s", name);
}

static void come_again(struct walker *walker, double after_s)
{
    ev_timer_set(&walker->timer, after_s, 0);
    ev_timer_start(walker->reconcile->duty.loop, &walker->timer);
}

static void end_round(struct walker *walker)
{
    const unsigned *counts = walker->counts;

    walker->steps = 0;
    if (mended_in_all(walker) > 0)
        log_warn("schedules mended", "lane=%u gone=%u index=%u pending=%u retry=%u next=%u first=%s", walker->lane, counts[GONE],
                 counts[INDEX], counts[PENDING], counts[RETRY], counts[NEXT], walker->first);
    come_again(walker, (double)walker->reconcile->every_ms / 1000);
}

static void end_call(struct walker *walker)
{
    if (--walker->under_way > 0)
        return;
    if (walker->failed)
        end_round(walker);
    else if (++walker->steps <= STEPS_AT_ONCE)
        step(walker);
    else
        come_again(walker, STEP_LATER_S);
}

/* Counts an answer. False if it is an error, which ends the round after this step. */
static bool answered(struct walker *walker, const char *function, const struct error *err)
{
    if (err) {
        walker->failed = true;
        duty_failed(&walker->reconcile->duty, &walker->calls, function, walker->lane, err);
        return false;
    }
    duty_worked(&walker->calls, function, walker->lane);
    return true;
}

static void send(struct walker *walker, struct call *call, redis_cb *cb, void *ctx)
{
    walker->under_way++;
    redis_send(walker->reconcile->duty.redis, call, DUTY_TIMEOUT_MS, cb, ctx);
}

/* ---- what C decides: due times and health ---- */

static struct batch *batch_for(struct batch **batch, struct walker *walker)
{
    if (!*batch) {
        *batch = memory_new(sizeof **batch);
        (*batch)->walker = walker;
    }
    return *batch;
}

static void add_name(struct batch *batch, const char *org, const struct schedule *schedule)
{
    call_add_string(&batch->call, org);
    call_add_string(&batch->call, schedule->name);
    call_add_int(&batch->call, schedule->rev);
    snprintf(batch->names[batch->count], FULL_BYTES, "%s/%s", org, schedule->name);
}

static void free_batch(struct batch *batch)
{
    if (batch)
        call_clear(&batch->call);
    free(batch);
}

static void on_armed(const struct reply *reply, const struct error *err, void *ctx)
{
    struct batch *batch = ctx;
    struct walker *walker = batch->walker;

    if (answered(walker, "schedule_arm", err))
        for (size_t i = 0; i < batch->count; i++)
            if (reply_is(reply_at(reply, i), "armed"))
                count_mended(walker, "next", batch->names[i]);
    free_batch(batch);
    end_call(walker);
}

static void on_health(const struct reply *reply, const struct error *err, void *ctx)
{
    struct batch *batch = ctx;
    struct walker *walker = batch->walker;
    const char *first[2] = {NULL, NULL};
    unsigned noted[2] = {0, 0};

    if (answered(walker, "schedule_health", err))
        for (size_t i = 0; i < batch->count; i++)
            if (reply_is(reply_at(reply, i), "noted") && noted[batch->unhealthy[i]]++ == 0)
                first[batch->unhealthy[i]] = batch->names[i];
    if (noted[true] > 0)
        log_warn("schedules have become unhealthy: no job of them was done for more than two periods", "count=%u first=%s",
                 noted[true], first[true]);
    if (noted[false] > 0)
        log_info("schedules are healthy again", "count=%u first=%s", noted[false], first[false]);
    free_batch(batch);
    end_call(walker);
}

static void send_batch(struct walker *walker, struct batch **batch, redis_cb *cb)
{
    struct batch *sent = *batch;

    *batch = NULL;
    if (sent)
        send(walker, &sent->call, cb, sent);
}

static void add_arm(struct walker *walker, const char *org, const struct schedule *schedule, const struct mend_plan *plan)
{
    struct batch *batch = batch_for(&walker->reconcile->arm, walker);

    if (batch->count == 0)
        duty_call(&batch->call, "schedule_arm", walker->lane);
    add_name(batch, org, schedule);
    call_add_positive(&batch->call, schedule->next_ms);
    call_add_int(&batch->call, plan->next_ms);
    call_add_int(&batch->call, plan->offset_ms);
    if (++batch->count == PER_CALL)
        send_batch(walker, &walker->reconcile->arm, on_armed);
}

static void add_health(struct walker *walker, const char *org, const struct schedule *schedule, bool unhealthy)
{
    struct batch *batch = batch_for(&walker->reconcile->health, walker);

    if (batch->count == 0)
        call_function(&batch->call, "schedule_health", walker->lane);
    add_name(batch, org, schedule);
    call_add_string(&batch->call, unhealthy ? "1" : "0");
    batch->unhealthy[batch->count] = unhealthy;
    if (++batch->count == PER_CALL)
        send_batch(walker, &walker->reconcile->health, on_health);
}

static void look_at(struct walker *walker, const char *org, const char *name, const struct reply *fields, int64_t now_ms)
{
    struct schedule schedule;
    struct mend_plan plan;
    struct error err;

    if (schedule_decode(&schedule, name, fields, NULL, &err) < 0) {
        if (complaint_raise(&walker->damaged, "a schedule is damaged", clock_mono_ms()))
            log_error("a schedule is damaged, nobody can mend it: set it again", "schedule=%s/%s err=%s", org, name, err.message);
        return;
    }
    mend_plan_make(&plan, org, &schedule,
                   recurrences_get(walker->reconcile->duty.recurrences, schedule.recurrence, clock_mono_ms(), &err), now_ms);
    if (plan.arm)
        add_arm(walker, org, &schedule, &plan);
    if (plan.unhealthy != (schedule.unhealthy_ms > 0))
        add_health(walker, org, &schedule, plan.unhealthy);
    schedule_clear(&schedule);
}

/* ---- the walk ---- */

static void take_mended(struct walker *walker, const struct reply *list)
{
    for (size_t i = 0; i + 1 < reply_count(list); i += 2)
        count_mended(walker, reply_string(reply_at(list, i)), reply_string(reply_at(list, i + 1)));
}

static void on_audited(const struct reply *reply, const struct error *err, void *ctx)
{
    struct walker *walker = ctx;
    const struct reply *list = reply_at(reply, 2);

    if (answered(walker, "schedule_audit", err)) {
        snprintf(walker->cursor, CURSOR_BYTES, "%s", reply_string(reply_at(reply, 0)));
        take_mended(walker, reply_at(reply, 3));
        for (size_t i = 0; i + COLUMNS <= reply_count(list); i += COLUMNS)
            look_at(walker, reply_string(reply_at(list, i)), reply_string(reply_at(list, i + 1)), reply_at(list, i + 2),
                    reply_int(reply_at(reply, 1)));
        send_batch(walker, &walker->reconcile->arm, on_armed);
        send_batch(walker, &walker->reconcile->health, on_health);
        if (strcmp(walker->cursor, "0") == 0) {
            walker->phase = RELIST;
            walker->cursor[0] = '\0';
        }
    }
    end_call(walker);
}

static void take_orgs(struct walker *walker, const struct reply *list)
{
    free(walker->orgs);
    walker->orgs = memory_new(sizeof *walker->orgs * (reply_count(list) + 1));
    walker->org_count = reply_count(list);
    walker->org_at = 0;
    walker->org_cursor[0] = '\0';
    for (size_t i = 0; i < walker->org_count; i++)
        snprintf(walker->orgs[i], sizeof *walker->orgs, "%s", reply_string(reply_at(list, i)));
}

static void on_relisted(const struct reply *reply, const struct error *err, void *ctx)
{
    struct walker *walker = ctx;

    if (answered(walker, "schedule_relist", err)) {
        snprintf(walker->cursor, CURSOR_BYTES, "%s", reply_string(reply_at(reply, 0)));
        take_orgs(walker, reply_at(reply, 1));
        take_mended(walker, reply_at(reply, 2));
        if (!walker->cursor[0])
            walker->phase = AUDIT; /* the last page of organizations */
    }
    end_call(walker);
}

static void on_relisted_org(const struct reply *reply, const struct error *err, void *ctx)
{
    struct walker *walker = ctx;

    if (answered(walker, "schedule_relist", err)) {
        snprintf(walker->org_cursor, CURSOR_BYTES, "%s", reply_string(reply_at(reply, 0)));
        take_mended(walker, reply_at(reply, 2));
        if (!walker->org_cursor[0])
            walker->org_at++;
    }
    end_call(walker);
}

static void relist(struct walker *walker, const char *org, const char *cursor, int limit, redis_cb *cb)
{
    struct call *call = &walker->reconcile->call;

    duty_call(call, "schedule_relist", walker->lane);
    call_add_string(call, org);
    call_add_string(call, cursor);
    call_add_int(call, limit);
    send(walker, call, cb, walker);
}

/* The next step of the round, which is over where an AUDIT would begin anew. */
static void step(struct walker *walker)
{
    struct call *call = &walker->reconcile->call;

    if (walker->org_at < walker->org_count) {
        relist(walker, walker->orgs[walker->org_at], walker->org_cursor, SCHEDULES_PER_PAGE, on_relisted_org);
    } else if (walker->phase == RELIST) {
        relist(walker, "", walker->cursor, ORGS_PER_PAGE, on_relisted);
    } else if (!walker->cursor[0]) {
        end_round(walker);
    } else {
        duty_call(call, "schedule_audit", walker->lane);
        call_add_string(call, walker->cursor);
        call_add_int(call, SCHEDULES_PER_PAGE);
        send(walker, call, on_audited, walker);
    }
}

static void begin_round(struct walker *walker)
{
    walker->phase = AUDIT;
    snprintf(walker->cursor, CURSOR_BYTES, "0");
    walker->org_count = walker->org_at = 0;
    walker->failed = false;
    walker->steps = 1;
    memset(walker->counts, 0, sizeof walker->counts);
    walker->first[0] = '\0';
    step(walker);
}

static void on_time(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct walker *walker = timer->data;

    (void)loop, (void)events;
    if (walker->steps > 0)
        step(walker);
    else
        begin_round(walker);
}

/* ---- begin and end ---- */

struct reconcile *reconcile_new(const struct duty *duty, int64_t every_ms)
{
    struct reconcile *reconcile = memory_new(sizeof *reconcile);

    reconcile->duty = *duty;
    reconcile->every_ms = every_ms;
    reconcile->walkers = memory_new(sizeof *reconcile->walkers * duty->lanes);
    for (uint32_t lane = 0; lane < duty->lanes; lane++) {
        struct walker *walker = &reconcile->walkers[lane];
        *walker = (struct walker){.reconcile = reconcile, .lane = lane};
        ev_init(&walker->timer, on_time);
        walker->timer.data = walker;
        begin_round(walker);
    }
    return reconcile;
}

void reconcile_free(struct reconcile *reconcile)
{
    if (!reconcile)
        return;
    for (uint32_t lane = 0; lane < reconcile->duty.lanes; lane++) {
        ev_timer_stop(reconcile->duty.loop, &reconcile->walkers[lane].timer);
        free(reconcile->walkers[lane].orgs);
    }
    free(reconcile->walkers);
    free_batch(reconcile->arm);
    free_batch(reconcile->health);
    call_clear(&reconcile->call);
    free(reconcile);
}
