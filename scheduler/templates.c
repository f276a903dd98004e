#include "scheduler/templates.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "common/schedule.h"

#define FIRST_LANE    0   /* has the say */
#define ORGS_PER_STEP 192 /* fewer than a round of ticks serves: what comes due meanwhile waits for one round at most */
#define COLUMNS       2   /* of an answer of `templates`: name, fields */

/* What is under way for a lane. */
struct tender {
    struct templates *templates;
    uint32_t lane;
    char name[SCHEDULE_NAME_BYTES_MAX + 1];  /* that is copied */
    char begun[SCHEDULE_NAME_BYTES_MAX + 1]; /* of which a walk was begun on this connection; "": of none */
    struct complaint walks, copies;
};

struct templates {
    struct duty duty;
    templates_cb *on_step;
    void *ctx;
    struct tender *tenders;
    int64_t change; /* the last one in the first lane, as far as is known; -1: nothing yet */
    struct call call;
};

static void send(struct tender *tender, redis_cb *cb)
{
    redis_send(tender->templates->duty.redis, &tender->templates->call, DUTY_TIMEOUT_MS, cb, tender);
}

static void end_step(struct tender *tender, bool more)
{
    tender->templates->on_step(tender->lane, more, tender->templates->ctx);
}

/* True if the call has worked; otherwise the step is over. */
static bool answered(struct tender *tender, struct complaint *complaint, const char *function, const struct error *err)
{
    if (err) {
        duty_failed(&tender->templates->duty, complaint, function, tender->lane, err);
        end_step(tender, false);
    } else {
        duty_worked(complaint, function, tender->lane);
    }
    return !err;
}

/* ---- a walk ---- */

static void on_walked(const struct reply *reply, const struct error *err, void *ctx)
{
    struct tender *tender = ctx;

    (void)reply;
    if (answered(tender, &tender->walks, "template_walk", err))
        end_step(tender, true);
}

static void walk(struct tender *tender, const char *name)
{
    struct call *call = &tender->templates->call;

    call_function(call, "template_walk", tender->lane);
    call_add_string(call, name);
    call_add_int(call, ORGS_PER_STEP);
    call_add_string(call, strcmp(name, tender->begun) == 0 ? "" : "again");
    snprintf(tender->begun, sizeof tender->begun, "%s", name);
    send(tender, on_walked);
}

/* ---- a lane that is behind: compare, fetch one, copy it ---- */

static void on_copied(const struct reply *reply, const struct error *err, void *ctx)
{
    struct tender *tender = ctx;

    if (!answered(tender, &tender->copies, "template_copy", err))
        return;
    if (reply_is(reply, "removing"))
        walk(tender, tender->name); /* that removes an earlier one comes first */
    else
        end_step(tender, true);
}

static void on_fetched(const struct reply *reply, const struct error *err, void *ctx)
{
    struct tender *tender = ctx;
    struct call *call = &tender->templates->call;
    const struct reply *fields = reply_at(reply, 1);

    if (!answered(tender, &tender->copies, "template", err))
        return;
    if (reply_count(fields) == 0) {
        end_step(tender, true); /* it is gone meanwhile */
        return;
    }
    call_function(call, "template_copy", tender->lane);
    call_add_string(call, tender->name);
    for (size_t i = 0; i < reply_count(fields); i++) {
        size_t bytes;
        const char *value = reply_bytes(reply_at(fields, i), &bytes);
        call_add(call, value, bytes);
    }
    send(tender, on_copied);
}

static void on_compared(const struct reply *reply, const struct error *err, void *ctx)
{
    struct tender *tender = ctx;
    struct call *call = &tender->templates->call;

    if (!answered(tender, &tender->copies, "template_sync", err))
        return;
    snprintf(tender->name, sizeof tender->name, "%s", reply_string(reply));
    if (!tender->name[0]) {
        end_step(tender, true);
        return;
    }
    call_function(call, "template", FIRST_LANE);
    call_add_string(call, tender->name);
    send(tender, on_fetched);
}

static void on_listed(const struct reply *reply, const struct error *err, void *ctx)
{
    struct tender *tender = ctx;
    struct call *call = &tender->templates->call;

    if (!answered(tender, &tender->copies, "templates", err))
        return;
    call_function(call, "template_sync", tender->lane);
    template_add_revs(reply, call);
    send(tender, on_compared);
}

static void catch_up(struct tender *tender)
{
    call_function(&tender->templates->call, "templates", FIRST_LANE);
    send(tender, on_listed);
}

/* ---- begin and end ---- */

struct templates *templates_new(const struct duty *duty, templates_cb *on_step, void *ctx)
{
    struct templates *templates = memory_new(sizeof *templates);

    *templates = (struct templates){.duty = *duty, .on_step = on_step, .ctx = ctx, .change = -1};
    templates->tenders = memory_new(sizeof *templates->tenders * duty->lanes);
    for (uint32_t lane = 0; lane < duty->lanes; lane++)
        templates->tenders[lane] = (struct tender){.templates = templates, .lane = lane};
    return templates;
}

void templates_free(struct templates *templates)
{
    if (!templates)
        return;
    free(templates->tenders);
    call_clear(&templates->call);
    free(templates);
}

void templates_resume(struct templates *templates)
{
    for (uint32_t lane = 0; lane < templates->duty.lanes; lane++)
        templates->tenders[lane].begun[0] = '\0';
}

bool templates_are_known(const struct templates *templates, uint32_t lane, int64_t change)
{
    return lane == FIRST_LANE || (templates->change >= 0 && change >= templates->change);
}

bool templates_tend(struct templates *templates, uint32_t lane, int64_t change, const char *name, bool busy)
{
    struct tender *tender = &templates->tenders[lane];

    if (lane == FIRST_LANE)
        templates->change = change;
    if (change < templates->change)
        catch_up(tender);
    else if (name[0] && !busy)
        walk(tender, name);
    else
        return false;
    return true;
}
