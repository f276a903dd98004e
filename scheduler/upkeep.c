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
    char list_cursor[CURSOR_BYTES];   /* of the walk over organizations whose jobs are audited */
    char (*orgs)[NAME_BYTES_MAX + 1]; /* the page of that walk */
    size_t org_count, org_at;
    char job_cursor[CURSOR_BYTES]; /* within orgs[org_at] */
};

struct upkeep {
    struct duty duty;
    struct keeper *keepers;
    unsigned rounds;
    int64_t mended;
    ev_timer timer;
    struct call call;
};

static void send(struct keeper *keeper, redis_cb *cb)
{
    keeper->under_way++;
    redis_send(keeper->upkeep->duty.redis, &keeper->upkeep->call, DUTY_TIMEOUT_MS, cb, keeper);
}

/* Counts an answer. False if it is an error. */
static bool answered(struct keeper *keeper, const struct error *err)
{
    keeper->under_way--;
    if (err)
        duty_unsettled(&keeper->upkeep->duty, err);
    return err == NULL;
}

/* ---- trim ---- */

static void trim(struct keeper *keeper);

static void on_trimmed(const struct reply *reply, const struct error *err, void *ctx)
{
    struct keeper *keeper = ctx;
    int64_t next_ms = reply_int(reply_at(reply, 1)), now_ms = reply_int(reply_at(reply, 2));

    if (answered(keeper, err) && reply_int(reply_at(reply, 0)) > 0 && next_ms > 0 && next_ms <= now_ms)
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
    keeper->upkeep->mended += (int64_t)reply_count(list) / 2;
}

static void on_audited(const struct reply *reply, const struct error *err, void *ctx)
{
    struct keeper *keeper = ctx;

    if (!answered(keeper, err))
        return;
    snprintf(keeper->org_cursor, CURSOR_BYTES, "%s", reply_string(reply_at(reply, 0)));
    note_mended(keeper, "index", reply_at(reply, 2));
}

static void audit_indexes(struct keeper *keeper)
{
    call_function(&keeper->upkeep->call, "audit", keeper->lane);
    call_add_string(&keeper->upkeep->call, keeper->org_cursor);
    call_add_int(&keeper->upkeep->call, AUDIT_ORGS);
    call_add_string(&keeper->upkeep->call, "1");
    send(keeper, on_audited);
}

static void on_jobs_audited(const struct reply *reply, const struct error *err, void *ctx)
{
    struct keeper *keeper = ctx;

    if (!answered(keeper, err))
        return;
    snprintf(keeper->job_cursor, CURSOR_BYTES, "%s", reply_string(reply_at(reply, 0)));
    note_mended(keeper, keeper->orgs[keeper->org_at], reply_at(reply, 2));
    if (strcmp(keeper->job_cursor, "0") == 0)
        keeper->org_at++;
}

static void on_orgs(const struct reply *reply, const struct error *err, void *ctx)
{
    struct keeper *keeper = ctx;
    const struct reply *list = reply_at(reply, 1);

    if (!answered(keeper, err))
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
    char key[KEY_BYTES_MAX];

    if (keeper->org_at < keeper->org_count) {
        call_function(call, "audit_jobs", keeper->lane);
        call_add_string(call, keeper->orgs[keeper->org_at]);
        call_add_string(call, keeper->job_cursor);
        call_add_int(call, AUDIT_JOBS);
        call_add_string(call, "1");
        send(keeper, on_jobs_audited);
        return;
    }
    call_command(call, "ZSCAN");
    call_add_string(call, key_in_lane(key, keeper->lane, "orgs"));
    call_add_string(call, keeper->list_cursor);
    call_add_string(call, "COUNT");
    call_add_int(call, AUDIT_ORGS);
    send(keeper, on_orgs);
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
        upkeep->keepers[lane] =
            (struct keeper){.upkeep = upkeep, .lane = lane, .org_cursor = "0", .list_cursor = "0", .job_cursor = "0"};
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

int64_t upkeep_mended(const struct upkeep *upkeep)
{
    return upkeep->mended;
}
