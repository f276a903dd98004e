#include "scheduler/ticks.h"

#include <ev.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "common/clock.h"
#include "common/job.h"
#include "common/log.h"
#include "common/memory.h"
#include "scheduler/due_plan.h"
#include "scheduler/recurrences.h"
#include "scheduler/templates.h"

#define SCHEDULES_PER_ROUND 256
#define SCHEDULES_PER_CALL  64
#define JOBS_PER_CALL       128
#define RECORDS_BYTES_MAX   (1024 * 1024)
#define SLEEP_MS_MIN        5 /* what comes within it goes in one round */
#define SLEEP_MS_MAX        1000
#define LATER_MS            60000
#define UNKNOWN_MS          50 /* until a lane is asked again that does not know whose turn it is */
#define COLUMNS             3  /* of an answer of `due`: org, name, fields */

/* One of a call that is under way. */
struct served {
    char name[NAME_BYTES_MAX + SCHEDULE_NAME_BYTES_MAX + 2]; /* org/name */
    int64_t rev, due_ms, missed;
};

struct clerk {
    struct ticks *ticks;
    uint32_t lane;
    bool asking, again; /* again: somebody wants it once more */
    bool one_by_one;    /* a call was refused: whose fault is it? */
    bool full, moved;   /* of this round: there may be more; something has changed */
    unsigned under_way; /* calls of this round */
    int64_t sleep_ms;   /* after it */
    int64_t missed;     /* due times that had no job because nobody was there in time; and the schedule of the first of them */
    char missed_by[NAME_BYTES_MAX + SCHEDULE_NAME_BYTES_MAX + 2];
    ev_timer timer;
    struct complaint dues, calls, broken;
};

/* A call of tick: collected, then under way. */
struct batch {
    struct clerk *clerk;
    struct call call;
    struct served served[SCHEDULES_PER_CALL];
    size_t count, jobs, bytes;
};

struct ticks {
    struct duty duty;
    struct clerk *clerks;
    struct templates *templates;
    struct batch batch; /* the one that is being collected */
    struct call call;
};

static void ask(struct clerk *clerk);

static void sleep_for(struct clerk *clerk, int64_t ms)
{
    ev_timer_stop(clerk->ticks->duty.loop, &clerk->timer);
    ev_now_update(clerk->ticks->duty.loop);
    ev_timer_set(&clerk->timer, (double)(ms < SLEEP_MS_MIN ? SLEEP_MS_MIN : ms < SLEEP_MS_MAX ? ms : SLEEP_MS_MAX) / 1000, 0);
    ev_timer_start(clerk->ticks->duty.loop, &clerk->timer);
}

/* ---- the end of a round ---- */

static void end_call(struct clerk *clerk)
{
    if (--clerk->under_way > 0)
        return;
    if (clerk->missed > 0)
        log_warn("due times missed", "schedule=%s count=%" PRId64 " lane=%u", clerk->missed_by, clerk->missed, clerk->lane);
    clerk->missed = 0;
    if (clerk->again || (clerk->full && clerk->moved)) {
        ask(clerk);
        return;
    }
    sleep_for(clerk, clerk->moved ? 0 : clerk->sleep_ms); /* moved: what is caught up step by step is due again */
}

static void on_put_off(const struct reply *reply, const struct error *err, void *ctx)
{
    struct clerk *clerk = ctx;

    (void)reply;
    if (err)
        duty_failed(&clerk->ticks->duty, &clerk->calls, "tick_later", clerk->lane, err);
    end_call(clerk);
}

/* Not now; if it is gone, never again. */
static void send_later(struct clerk *clerk, const struct served *served, const char *why)
{
    struct call *call = &clerk->ticks->call;
    size_t org = strcspn(served->name, "/");

    clerk->under_way++;
    call_function(call, "tick_later", clerk->lane);
    call_add(call, served->name, org);
    call_add_string(call, served->name + org + 1);
    call_add_positive(call, served->rev); /* 0: it cannot be read at all */
    call_add_int(call, served->due_ms);
    call_add_int(call, LATER_MS);
    call_add_string(call, why);
    redis_send(clerk->ticks->duty.redis, call, DUTY_TIMEOUT_MS, on_put_off, clerk);
}

/* So that it is in nobody's way for a while. */
static void put_off(struct clerk *clerk, const struct served *served, const struct error *why)
{
    if (complaint_raise(&clerk->broken, "a schedule was put off", clock_mono_ms()))
        log_error("schedule put off", "schedule=%s for_ms=%d err=%s", served->name, LATER_MS, why->message);
    send_later(clerk, served, why->message);
}

static void take_word(struct clerk *clerk, const struct served *served, const char *word)
{
    clerk->moved = clerk->moved || (strcmp(word, "intake_paused") != 0 && strcmp(word, "early") != 0);
    if (strncmp(word, "refused ", 8) == 0 && strcmp(word + 8, "deleting") != 0)
        log_error("due time without a job", "schedule=%s due_ms=%" PRId64 " why=%s", served->name, served->due_ms, word + 8);
    if (served->missed == 0 || strcmp(word, "stale") == 0 || strcmp(word, "paused") == 0 || strcmp(word, "early") == 0)
        return;
    if (clerk->missed == 0)
        snprintf(clerk->missed_by, sizeof clerk->missed_by, "%s", served->name);
    clerk->missed += served->missed;
}

static void on_ticked(const struct reply *reply, const struct error *err, void *ctx)
{
    struct batch *batch = ctx;
    struct clerk *clerk = batch->clerk;

    if (!err) {
        duty_worked(&clerk->calls, "tick", clerk->lane);
        for (size_t i = 0; i < batch->count; i++)
            take_word(clerk, &batch->served[i], reply_string(reply_at(reply, i)));
    } else if (duty_is_refused(err) && batch->count == 1) {
        put_off(clerk, &batch->served[0], err);
        clerk->moved = true;
    } else if (duty_is_refused(err)) {
        clerk->one_by_one = clerk->again = true;
    } else {
        duty_failed(&clerk->ticks->duty, &clerk->calls, "tick", clerk->lane, err);
    }
    free(batch);
    end_call(clerk);
}

/* ---- a round ---- */

static void send_batch(struct clerk *clerk)
{
    struct batch *batch = &clerk->ticks->batch, *sent;

    if (batch->count == 0)
        return;
    clerk->under_way++;
    sent = memory_new(sizeof *sent);
    *sent = *batch;
    sent->call = (struct call){0};
    redis_send(clerk->ticks->duty.redis, &batch->call, DUTY_TIMEOUT_MS, on_ticked, sent);
    batch->count = batch->jobs = batch->bytes = 0;
}

/* The records of the due times' jobs, one behind the other. Leaders that serve the same one write the same. */
struct records {
    struct buffer bytes;
    size_t ends[DUE_PLAN_JOBS_MAX];
};

static int encode(struct records *ret, const struct schedule *schedule, const int64_t *jobs_ms, size_t count,
                  const char *full_name, struct error *err)
{
    struct job_record record;
    int rc = job_record_decode(&record, schedule->record, schedule->record_bytes, err);

    if (rc < 0)
        return rc;
    for (size_t i = 0; i < count && rc == 0; i++) {
        record.due_ms = jobs_ms[i];
        record.nonce = (uint32_t)crc32((uLong)record.due_ms, (const Bytef *)full_name, (uInt)strlen(full_name));
        rc = job_record_encode(&ret->bytes, &record, err);
        ret->ends[i] = ret->bytes.length;
    }
    job_record_clear(&record);
    return rc;
}

/* Where one that every organization has stands within the spread is not stored before its first tick. */
static void add_offset(struct call *call, const char *org, const struct schedule *schedule)
{
    if (schedule->of_all)
        call_add_int(call, schedule_offset_ms(org, schedule->name, schedule->spread_ms));
    else
        call_add_string(call, "");
}

static void add_tick(struct clerk *clerk, const char *org, const struct schedule *schedule, const struct served *served,
                     const struct due_plan *plan, const struct records *records)
{
    struct batch *batch = &clerk->ticks->batch;

    if (batch->count == SCHEDULES_PER_CALL || batch->jobs + plan->job_count > JOBS_PER_CALL ||
        batch->bytes + records->bytes.length > RECORDS_BYTES_MAX || clerk->one_by_one)
        send_batch(clerk);
    if (batch->count == 0) {
        batch->clerk = clerk;
        call_function(&batch->call, "tick", clerk->lane);
    }
    call_add_string(&batch->call, org);
    call_add_string(&batch->call, schedule->name);
    call_add_int(&batch->call, schedule->rev);
    call_add_int(&batch->call, plan->go ? schedule->pending_ms : schedule->next_ms);
    call_add_positive(&batch->call, plan->through_ms);
    if (plan->go)
        call_add_string(&batch->call, "go");
    else
        call_add_positive(&batch->call, plan->next_ms);
    add_offset(&batch->call, org, schedule);
    call_add_int(&batch->call, plan->missed);
    call_add_int(&batch->call, (int64_t)plan->job_count);
    for (size_t i = 0, from = 0; i < plan->job_count; from = records->ends[i++]) {
        call_add_int(&batch->call, plan->jobs_ms[i]);
        call_add(&batch->call, records->bytes.data + from, records->ends[i] - from);
    }
    batch->jobs += plan->job_count;
    batch->bytes += records->bytes.length;
    batch->served[batch->count] = *served;
    batch->served[batch->count++].missed = plan->missed;
}

static int make_plan(struct ticks *ticks, struct due_plan *ret, const struct schedule *schedule, int64_t now_ms,
                     struct error *err)
{
    const struct recurrence *recurrence;

    if (schedule->pending_go) {
        due_plan_go(ret, schedule);
        return 0;
    }
    recurrence = recurrences_get(ticks->duty.recurrences, schedule->recurrence, clock_mono_ms(), err);
    if (!recurrence)
        return err->code;
    due_plan_make(ret, schedule, recurrence, now_ms);
    return 0;
}

/* Fails if nobody can say what is to be done. */
static int try_to_serve(struct clerk *clerk, const char *org, const struct schedule *schedule, const struct served *served,
                        int64_t now_ms, struct error *err)
{
    struct records records = {.bytes = {0}};
    struct due_plan plan = {.job_count = 0};
    int rc;

    if (make_plan(clerk->ticks, &plan, schedule, now_ms, err) < 0)
        return err->code;
    rc = encode(&records, schedule, plan.jobs_ms, plan.job_count, served->name, err);
    if (rc == 0)
        add_tick(clerk, org, schedule, served, &plan, &records);
    buffer_clear(&records.bytes);
    return rc;
}

/* One that is due. Without fields it is gone, with the one that every organization had. Where the lane does not know (yet) what
 * turns there are, one that takes turns waits. */
static void serve(struct clerk *clerk, const char *org, const char *name, const struct reply *fields, const struct reply *records,
                  int64_t now_ms, bool knows_turns)
{
    struct served served = {.rev = 0};
    struct schedule schedule = {0};
    struct error err;

    snprintf(served.name, sizeof served.name, "%s/%s", org, name);
    if (reply_count(fields) == 0) {
        send_later(clerk, &served, "it is gone");
    } else if (schedule_decode(&schedule, name, fields, records, &err) == 0) {
        served.rev = schedule.rev;
        served.due_ms = schedule.next_ms;
        if (schedule.turns[0] && !knows_turns)
            clerk->sleep_ms = UNKNOWN_MS; /* whose due time it is may have been said in the first lane already */
        else if (try_to_serve(clerk, org, &schedule, &served, now_ms, &err) < 0)
            put_off(clerk, &served, &err);
    } else {
        put_off(clerk, &served, &err);
    }
    schedule_clear(&schedule);
}

/* A step of templates.h is over. */
static void on_step(uint32_t lane, bool more, void *ctx)
{
    struct ticks *ticks = ctx;
    struct clerk *clerk = &ticks->clerks[lane];

    clerk->again = clerk->again || more;
    end_call(clerk);
}

static void on_due(const struct reply *reply, const struct error *err, void *ctx)
{
    struct clerk *clerk = ctx;
    int64_t now_ms = reply_int(reply_at(reply, 0)), later_ms = reply_int(reply_at(reply, 1));
    const struct reply *list = reply_at(reply, 2);

    clerk->asking = false;
    if (err) {
        duty_failed(&clerk->ticks->duty, &clerk->dues, "due", clerk->lane, err);
        sleep_for(clerk, SLEEP_MS_MAX);
        return;
    }
    duty_worked(&clerk->dues, "due", clerk->lane);
    clerk->again = clerk->moved = false;
    clerk->full = reply_count(list) / COLUMNS == SCHEDULES_PER_ROUND;
    clerk->sleep_ms = later_ms > now_ms ? later_ms - now_ms : SLEEP_MS_MAX;
    clerk->under_way = 1; /* this one */
    for (size_t i = 0; i + COLUMNS <= reply_count(list); i += COLUMNS)
        serve(clerk, reply_string(reply_at(list, i)), reply_string(reply_at(list, i + 1)), reply_at(list, i + 2),
              reply_at(reply, 3), now_ms,
              templates_are_known(clerk->ticks->templates, clerk->lane, reply_int(reply_at(reply, 4))));
    send_batch(clerk);
    if (templates_tend(clerk->ticks->templates, clerk->lane, reply_int(reply_at(reply, 4)), reply_string(reply_at(reply, 5)),
                       clerk->full))
        clerk->under_way++;
    clerk->one_by_one = false;
    end_call(clerk);
}

static void ask(struct clerk *clerk)
{
    struct call *call = &clerk->ticks->call;

    if (clerk->asking || clerk->under_way > 0) {
        clerk->again = true;
        return;
    }
    clerk->asking = true;
    ev_timer_stop(clerk->ticks->duty.loop, &clerk->timer);
    call_function(call, "due", clerk->lane);
    call_add_int(call, SCHEDULES_PER_ROUND);
    redis_send(clerk->ticks->duty.redis, call, DUTY_TIMEOUT_MS, on_due, clerk);
}

static void on_time(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)events;
    ask(timer->data);
}

/* ---- begin and end ---- */

struct ticks *ticks_new(const struct duty *duty)
{
    struct ticks *ticks = memory_new(sizeof *ticks);

    ticks->duty = *duty;
    ticks->templates = templates_new(duty, on_step, ticks);
    ticks->clerks = memory_new(sizeof *ticks->clerks * duty->lanes);
    for (uint32_t lane = 0; lane < duty->lanes; lane++) {
        struct clerk *clerk = &ticks->clerks[lane];
        *clerk = (struct clerk){.ticks = ticks, .lane = lane};
        ev_init(&clerk->timer, on_time);
        clerk->timer.data = clerk;
        ask(clerk);
    }
    return ticks;
}

void ticks_free(struct ticks *ticks)
{
    if (!ticks)
        return;
    for (uint32_t lane = 0; lane < ticks->duty.lanes; lane++)
        ev_timer_stop(ticks->duty.loop, &ticks->clerks[lane].timer);
    free(ticks->clerks);
    templates_free(ticks->templates);
    call_clear(&ticks->batch.call);
    call_clear(&ticks->call);
    free(ticks);
}

void ticks_resume(struct ticks *ticks)
{
    templates_resume(ticks->templates);
}

void ticks_wake(struct ticks *ticks, uint32_t lane)
{
    ask(&ticks->clerks[lane]);
}
