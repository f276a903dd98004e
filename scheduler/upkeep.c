#include "scheduler/upkeep.h"

#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/card.h"
#include "common/clock.h"
#include "common/id.h"
#include "common/keys.h"
#include "common/log.h"
#include "common/memory.h"

#define TRIM_ITEMS     500
#define AUDIT_ORGS     100
#define AUDIT_JOBS     100
#define ROUND_S        1.0
#define WORKERS_ROUNDS 600 /* rounds between two trims of rota:workers */
#define CURSOR_BYTES   24

struct keeper {
    struct upkeep *upkeep;
    uint32_t lane;
    unsigned under_way;
    char org_cursor[CURSOR_BYTES];    /* of the walk over indexes */
    int org_limit;                    /* of its pages: smaller where one of the organizations is damaged */
    char list_cursor[CURSOR_BYTES];   /* of the walk over organizations whose jobs are audited */
    char (*orgs)[NAME_BYTES_MAX + 1]; /* the page of that walk */
    size_t org_count, org_at;
    char job_cursor[CURSOR_BYTES]; /* within orgs[org_at] */
    struct complaint trims, audits, skips, job_audits, lists;
};

struct upkeep {
    struct duty duty;
    struct keeper *keepers;
    unsigned rounds;
    ev_timer timer;
    struct call call;
};

static void send(struct keeper *keeper, redis_cb *cb)
{
    keeper->under_way++;
    redis_send(keeper->upkeep->duty.redis, &keeper->upkeep->call, DUTY_TIMEOUT_MS, cb, keeper);
}

/* Counts an answer. False if it is an error. */
static bool answered(struct keeper *keeper, struct complaint *complaint, const char *name, const struct error *err)
{
    keeper->under_way--;
    if (err)
        duty_failed(&keeper->upkeep->duty, complaint, name, keeper->lane, err);
    return err == NULL;
}

/* ---- trim ---- */

static void trim(struct keeper *keeper);

static void on_trimmed(const struct reply *reply, const struct error *err, void *ctx)
{
    struct keeper *keeper = ctx;
    int64_t next_ms = reply_int(reply_at(reply, 1)), now_ms = reply_int(reply_at(reply, 2));

    if (!answered(keeper, &keeper->trims, "trim", err))
        return;
    duty_worked(&keeper->trims, "trim", keeper->lane);
    if (reply_int(reply_at(reply, 0)) > 0 && next_ms > 0 && next_ms <= now_ms)
        trim(keeper);
}

static void trim(struct keeper *keeper)
{
    call_function(&keeper->upkeep->call, "trim", keeper->lane);
    call_add_int(&keeper->upkeep->call, TRIM_ITEMS);
    send(keeper, on_trimmed);
}

/* ---- audit ---- */

static void note_mended(struct keeper *keeper, const char *org, const struct reply *list)
{
    for (size_t i = 0; i + 1 < reply_count(list); i += 2)
        log_warn("audit: mended", "lane=%u what=%s name=%s/%s", keeper->lane, reply_string(reply_at(list, i)), org,
                 reply_string(reply_at(list, i + 1)));
}

static void audit_indexes(struct keeper *keeper);

static void scan_orgs(struct keeper *keeper, const char *cursor, int count, redis_cb *cb)
{
    struct call *call = &keeper->upkeep->call;
    char key[KEY_BYTES_MAX];

    call_command(call, "ZSCAN");
    call_add_string(call, key_in_lane(key, keeper->lane, "orgs"));
    call_add_string(call, cursor);
    call_add_string(call, "COUNT");
    call_add_int(call, count);
    send(keeper, cb);
}

/* The walk goes on behind the organizations of this page, one of which is damaged. */
static void on_skipped(const struct reply *reply, const struct error *err, void *ctx)
{
    struct keeper *keeper = ctx;
    const struct reply *list = reply_at(reply, 1);

    if (!answered(keeper, &keeper->lists, "list organizations", err))
        return;
    snprintf(keeper->org_cursor, CURSOR_BYTES, "%s", reply_string(reply_at(reply, 0)));
    if (complaint_raise(&keeper->skips, reply_string(reply_at(list, 0)), clock_mono_ms()))
        log_error("audit: indexes not looked at, one of the organizations is damaged", "lane=%u orgs=%zu first=%s", keeper->lane,
                  reply_count(list) / 2, reply_string(reply_at(list, 0)));
}

/* With a damaged organization the page fails as a whole: smaller ones close in on it, and the smallest is stepped over. */
static void on_audited(const struct reply *reply, const struct error *err, void *ctx)
{
    struct keeper *keeper = ctx;

    if (!answered(keeper, &keeper->audits, "audit", err)) {
        if (duty_is_refused(err) && keeper->org_limit == 1) {
            scan_orgs(keeper, keeper->org_cursor, 1, on_skipped);
        } else if (duty_is_refused(err)) {
            keeper->org_limit = keeper->org_limit / 4 > 0 ? keeper->org_limit / 4 : 1;
            audit_indexes(keeper);
        }
        return;
    }
    keeper->org_limit = keeper->org_limit * 2 < AUDIT_ORGS ? keeper->org_limit * 2 : AUDIT_ORGS;
    snprintf(keeper->org_cursor, CURSOR_BYTES, "%s", reply_string(reply_at(reply, 0)));
    note_mended(keeper, "index", reply_at(reply, 2));
}

static void audit_indexes(struct keeper *keeper)
{
    duty_call(&keeper->upkeep->call, "audit", keeper->lane);
    call_add_string(&keeper->upkeep->call, keeper->org_cursor);
    call_add_int(&keeper->upkeep->call, keeper->org_limit);
    call_add_string(&keeper->upkeep->call, "1");
    send(keeper, on_audited);
}

static void next_org(struct keeper *keeper)
{
    snprintf(keeper->job_cursor, CURSOR_BYTES, "0");
    keeper->org_at++;
}

static void on_jobs_audited(const struct reply *reply, const struct error *err, void *ctx)
{
    struct keeper *keeper = ctx;
    const char *org = keeper->orgs[keeper->org_at];
    struct error named;

    if (err) {
        error_set(&named, err->code, "organization %s: %s", org, err->message);
        answered(keeper, &keeper->job_audits, "audit_jobs", &named);
        if (duty_is_refused(err))
            next_org(keeper);
        return;
    }
    answered(keeper, &keeper->job_audits, "audit_jobs", NULL);
    snprintf(keeper->job_cursor, CURSOR_BYTES, "%s", reply_string(reply_at(reply, 0)));
    note_mended(keeper, org, reply_at(reply, 2));
    if (strcmp(keeper->job_cursor, "0") == 0)
        next_org(keeper);
}

static void on_orgs(const struct reply *reply, const struct error *err, void *ctx)
{
    struct keeper *keeper = ctx;
    const struct reply *list = reply_at(reply, 1);

    if (!answered(keeper, &keeper->lists, "list organizations", err))
        return;
    snprintf(keeper->list_cursor, CURSOR_BYTES, "%s", reply_string(reply_at(reply, 0)));
    free(keeper->orgs);
    keeper->orgs = memory_new(sizeof *keeper->orgs * (reply_count(list) / 2 + 1));
    keeper->org_count = keeper->org_at = 0;
    for (size_t i = 0; i + 1 < reply_count(list); i += 2)
        snprintf(keeper->orgs[keeper->org_count++], NAME_BYTES_MAX + 1, "%s", reply_string(reply_at(list, i)));
}

static void audit_jobs(struct keeper *keeper)
{
    struct call *call = &keeper->upkeep->call;

    if (keeper->org_at < keeper->org_count) {
        duty_call(call, "audit_jobs", keeper->lane);
        call_add_string(call, keeper->orgs[keeper->org_at]);
        call_add_string(call, keeper->job_cursor);
        call_add_int(call, AUDIT_JOBS);
        call_add_string(call, "1");
        send(keeper, on_jobs_audited);
        return;
    }
    scan_orgs(keeper, keeper->list_cursor, AUDIT_ORGS, on_orgs);
}

/* ---- rounds ---- */

static void on_ignored(const struct reply *reply, const struct error *err, void *ctx)
{
    (void)reply, (void)err, (void)ctx;
}

static void trim_workers(struct upkeep *upkeep)
{
    call_command(&upkeep->call, "ZREMRANGEBYSCORE");
    call_add_string(&upkeep->call, KEY_WORKERS);
    call_add_string(&upkeep->call, "-inf");
    call_add_int(&upkeep->call, clock_wall_ms() - CARD_KEEP_S * 1000LL);
    redis_send(upkeep->duty.redis, &upkeep->call, DUTY_TIMEOUT_MS, on_ignored, NULL);
}

static void on_round(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct upkeep *upkeep = timer->data;

    (void)loop, (void)events;
    if (!redis_is_up(upkeep->duty.redis))
        return;
    if (upkeep->rounds++ % WORKERS_ROUNDS == 0)
        trim_workers(upkeep);
    for (uint32_t lane = 0; lane < upkeep->duty.lanes; lane++) {
        if (upkeep->keepers[lane].under_way > 0)
            continue;
        trim(&upkeep->keepers[lane]);
        audit_indexes(&upkeep->keepers[lane]);
        audit_jobs(&upkeep->keepers[lane]);
    }
}

struct upkeep *upkeep_new(const struct duty *duty)
{
    struct upkeep *upkeep = memory_new(sizeof *upkeep);

    upkeep->duty = *duty;
    upkeep->keepers = memory_new(sizeof *upkeep->keepers * duty->lanes);
    for (uint32_t lane = 0; lane < duty->lanes; lane++)
        upkeep->keepers[lane] = (struct keeper){
            .upkeep = upkeep, .lane = lane, .org_cursor = "0", .org_limit = AUDIT_ORGS, .list_cursor = "0", .job_cursor = "0"};
    ev_timer_init(&upkeep->timer, on_round, ROUND_S, ROUND_S);
    upkeep->timer.data = upkeep;
    ev_timer_start(duty->loop, &upkeep->timer);
    return upkeep;
}

void upkeep_free(struct upkeep *upkeep)
{
    if (!upkeep)
        return;
    ev_timer_stop(upkeep->duty.loop, &upkeep->timer);
    for (uint32_t lane = 0; lane < upkeep->duty.lanes; lane++)
        free(upkeep->keepers[lane].orgs);
    free(upkeep->keepers);
    call_clear(&upkeep->call);
    free(upkeep);
}
