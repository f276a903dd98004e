#include "scheduler/scheduler.h"

#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/card.h"
#include "common/clock.h"
#include "common/deployment_watch.h"
#include "common/id.h"
#include "common/keys.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/notify.h"
#include "common/session.h"
#include "scheduler/desired.h"
#include "scheduler/inbox.h"
#include "scheduler/limits.h"
#include "scheduler/promotion.h"
#include "scheduler/reconcile.h"
#include "scheduler/recovery.h"
#include "scheduler/recurrences.h"
#include "scheduler/ticks.h"
#include "scheduler/upkeep.h"

#define CHECK_AGAIN_S 1.0
#define STOP_AFTER_S  3.0 /* a stop does not wait longer for Redis */
#define LEAD_LANE     0   /* where the leader's session lives */
#define LISTEN_S      1

enum scheduler_phase { SCHEDULER_RUNNING, SCHEDULER_STOPPING, SCHEDULER_STOPPED };

struct scheduler {
    struct ev_loop *loop;
    struct scheduler_options options;
    enum scheduler_phase phase;
    struct redis *redis, *listen_redis, *inbox_redis, *private_redis; /* all but the first block */
    struct session *session;
    struct recovery *recovery;   /* a follower's watches the leader only */
    struct promotion *promotion; /* these while leading */
    struct ticks *ticks;
    struct inbox *inbox, *private_inboxes;
    struct upkeep *upkeep;
    struct limits *limits;
    struct recurrences *recurrences; /* of schedules, for all duties */
    struct reconcile *reconcile;
    struct desired *desired;           /* only where there is a file */
    struct desired_file *desired_file; /* while leading and while not; NULL: none was named */
    uint32_t lanes;
    bool checking, asking, listening, standing_down, intake_stopped, started;
    int64_t epoch;
    char leader[TYPE_BYTES_MAX + 1]; /* its session, as a follower knows it */
    int64_t started_ms;
    ev_timer check, stop, stand_down;
    struct deployment_watch watch;
    struct call call;
};

static int connect_all(struct scheduler *scheduler, struct error *err);
static void check(struct scheduler *scheduler);
static void ask_for_lead(struct scheduler *scheduler);

static bool leads(const struct scheduler *scheduler)
{
    return scheduler->promotion != NULL;
}

static void stopped(struct scheduler *scheduler, const struct error *err)
{
    if (scheduler->phase == SCHEDULER_STOPPED)
        return;
    scheduler->phase = SCHEDULER_STOPPED;
    scheduler->options.on_stopped(err, scheduler->options.ctx);
}

/* ---- the lead ---- */

static void on_unsettled(void *ctx)
{
    check(ctx);
}

static struct duty duty_of(struct scheduler *scheduler)
{
    return (struct duty){.loop = scheduler->loop,
                         .redis = scheduler->redis,
                         .lanes = scheduler->lanes,
                         .recurrences = scheduler->recurrences,
                         .on_unsettled = on_unsettled,
                         .ctx = scheduler};
}

static void on_ignored(const struct reply *reply, const struct error *err, void *ctx)
{
    (void)reply, (void)err, (void)ctx;
}

static const char *phase_name(const struct scheduler *scheduler)
{
    static const char *const names[] = {"running", "stopping", "stopped"};

    if (scheduler->phase != SCHEDULER_RUNNING)
        return names[scheduler->phase];
    if (!scheduler->session || !session_is_open(scheduler->session))
        return "starting";
    return leads(scheduler) ? "leading" : "standing by";
}

static void tell_status(struct scheduler *scheduler)
{
    notify_status(scheduler->options.notify, "%s, %u lanes", phase_name(scheduler), scheduler->lanes);
}

/* rota:leader is for people: who leads, with which epoch. */
static void show_lead(struct scheduler *scheduler)
{
    call_command(&scheduler->call, "SET");
    call_add_string(&scheduler->call, KEY_LEADER);
    call_add_format(&scheduler->call, "%s %lld", session_id(scheduler->session), (long long)scheduler->epoch);
    call_add_string(&scheduler->call, "PX");
    call_add_int(&scheduler->call, scheduler->options.timeout_ms);
    redis_send(scheduler->redis, &scheduler->call, DUTY_TIMEOUT_MS, on_ignored, NULL);
}

/* Something is due earlier than was known. */
static void on_woken(uint32_t lane, void *ctx)
{
    struct scheduler *scheduler = ctx;

    ticks_wake(scheduler->ticks, lane);
}

static void take_lead(struct scheduler *scheduler, int64_t epoch)
{
    struct duty duty = duty_of(scheduler);

    scheduler->epoch = epoch;
    log_info("leading", "session=%s epoch=%lld", session_id(scheduler->session), (long long)epoch);
    recovery_limit(scheduler->recovery, NULL);
    redis_reconnect(scheduler->listen_redis); /* it blocks for the lead: from now on it blocks for delayed jobs */
    scheduler->ticks = ticks_new(&duty);
    scheduler->promotion = promotion_new(&duty, scheduler->listen_redis, on_woken, scheduler);
    scheduler->inbox = inbox_new(&duty, scheduler->inbox_redis);
    scheduler->private_inboxes = inbox_new_private(&duty, scheduler->private_redis);
    scheduler->upkeep = upkeep_new(&duty);
    scheduler->limits = limits_new(&duty);
    scheduler->reconcile = reconcile_new(&duty, scheduler->options.reconcile_every_ms);
    if (scheduler->desired_file)
        scheduler->desired = desired_new(&duty, &scheduler->desired_file, scheduler->options.reconcile_every_ms);
    show_lead(scheduler);
    tell_status(scheduler);
}

static void on_lead_answer(const struct reply *reply, const struct error *err, void *ctx)
{
    struct scheduler *scheduler = ctx;

    scheduler->asking = false;
    if (err || scheduler->phase != SCHEDULER_RUNNING || !scheduler->recovery)
        return;
    if (reply_is(reply_at(reply, 0), "leader")) {
        if (!leads(scheduler))
            take_lead(scheduler, reply_int(reply_at(reply, 1)));
    } else if (reply_is(reply_at(reply, 0), "follower")) {
        snprintf(scheduler->leader, sizeof scheduler->leader, "%s", reply_string(reply_at(reply, 2)));
        recovery_limit(scheduler->recovery, scheduler->leader);
    }
}

static void ask_for_lead(struct scheduler *scheduler)
{
    if (scheduler->asking || leads(scheduler) || !scheduler->session || !session_is_open(scheduler->session))
        return;
    scheduler->asking = true;
    call_function(&scheduler->call, "lead", LEAD_LANE);
    call_add_string(&scheduler->call, session_id(scheduler->session));
    redis_send(scheduler->redis, &scheduler->call, DUTY_TIMEOUT_MS, on_lead_answer, scheduler);
}

/* A follower sleeps on wake_leader: a leader that closes its session leaves a token there. */
static void on_lead_free(const struct reply *reply, const struct error *err, void *ctx);

static void listen_for_lead(struct scheduler *scheduler)
{
    struct call call = {0};
    char key[KEY_BYTES_MAX];

    if (scheduler->listening || leads(scheduler) || !redis_is_up(scheduler->listen_redis) ||
        scheduler->phase != SCHEDULER_RUNNING)
        return;
    scheduler->listening = true;
    call_command(&call, "BZPOPMIN");
    call_add_string(&call, key_in_lane(key, LEAD_LANE, "wake_leader"));
    call_add_int(&call, LISTEN_S);
    redis_send(scheduler->listen_redis, &call, LISTEN_S * 1000 + DUTY_TIMEOUT_MS, on_lead_free, scheduler);
    call_clear(&call);
}

static void on_lead_free(const struct reply *reply, const struct error *err, void *ctx)
{
    struct scheduler *scheduler = ctx;

    scheduler->listening = false;
    if (err)
        return;
    if (reply_count(reply) == 3)
        ask_for_lead(scheduler);
    listen_for_lead(scheduler);
}

static void on_recovered(const char *session, int64_t jobs, void *ctx)
{
    struct scheduler *scheduler = ctx;

    (void)jobs;
    card_end(scheduler->redis, session, "lost");
    ask_for_lead(scheduler);
}

/* ---- the session ---- */

static void write_card(struct scheduler *scheduler)
{
    card_write(scheduler->redis, &(struct card){.session = session_id(scheduler->session),
                                                .kind = "scheduler",
                                                .queues = "",
                                                .types = "",
                                                .slots = 0,
                                                .started_ms = scheduler->started_ms,
                                                .phase = "running"});
}

static void on_open(void *ctx)
{
    struct scheduler *scheduler = ctx;

    write_card(scheduler);
    notify_ready(scheduler->options.notify);
    tell_status(scheduler);
    log_info("session open", "session=%s lanes=%u", session_id(scheduler->session), scheduler->lanes);
    ask_for_lead(scheduler);
    listen_for_lead(scheduler);
}

static void on_beat(int64_t held, const struct reply *cancelled, void *ctx)
{
    struct scheduler *scheduler = ctx;

    (void)held, (void)cancelled;
    recovery_beaten(scheduler->recovery);
    write_card(scheduler);
    if (leads(scheduler))
        show_lead(scheduler);
    ask_for_lead(scheduler);
    listen_for_lead(scheduler);
}

/* The session was lost, and the lead with it. Everything begins anew, with new connections: no call of a duty outlives it. */
static void on_lost(void *ctx)
{
    struct scheduler *scheduler = ctx;

    if (!scheduler->standing_down) {
        scheduler->standing_down = true;
        ev_timer_start(scheduler->loop, &scheduler->stand_down);
    }
}

static void end_all(struct scheduler *scheduler)
{
    redis_free(scheduler->redis);
    redis_free(scheduler->listen_redis);
    redis_free(scheduler->inbox_redis);
    redis_free(scheduler->private_redis);
    scheduler->redis = scheduler->listen_redis = scheduler->inbox_redis = scheduler->private_redis = NULL;
    session_free(scheduler->session);
    recovery_free(scheduler->recovery);
    promotion_free(scheduler->promotion);
    ticks_free(scheduler->ticks);
    inbox_free(scheduler->inbox);
    inbox_free(scheduler->private_inboxes);
    upkeep_free(scheduler->upkeep);
    limits_free(scheduler->limits);
    reconcile_free(scheduler->reconcile);
    desired_free(scheduler->desired);
    scheduler->session = NULL;
    scheduler->recovery = NULL;
    scheduler->promotion = NULL;
    scheduler->ticks = NULL;
    scheduler->inbox = scheduler->private_inboxes = NULL;
    scheduler->upkeep = NULL;
    scheduler->limits = NULL;
    scheduler->reconcile = NULL;
    scheduler->desired = NULL;
    scheduler->checking = scheduler->asking = scheduler->listening = scheduler->standing_down = false;
}

static void on_stand_down(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct scheduler *scheduler = timer->data;
    struct error err;

    (void)loop, (void)events;
    if (scheduler->phase != SCHEDULER_RUNNING)
        return;
    log_warn("standing down: the session was lost", NULL);
    end_all(scheduler);
    if (connect_all(scheduler, &err) < 0)
        stopped(scheduler, &err);
}

/* ---- the deployment ---- */

static void send_intake(struct scheduler *scheduler, const char *verb, const char *why)
{
    for (uint32_t lane = 0; lane < scheduler->lanes; lane++) {
        duty_call(&scheduler->call, "intake", lane);
        call_add_string(&scheduler->call, verb);
        call_add_format(&scheduler->call, "%.250s", why);
        redis_send(scheduler->redis, &scheduler->call, DUTY_TIMEOUT_MS, on_ignored, NULL);
    }
}

static void start(struct scheduler *scheduler, const struct deployment *found)
{
    struct duty duty;

    scheduler->started = true;
    scheduler->lanes = scheduler->options.deployment.lanes = found->lanes; /* should it have to be set up anew */
    duty = duty_of(scheduler);
    scheduler->recovery = recovery_new(&duty, scheduler->options.beat_ms, on_recovered, scheduler);
    recovery_limit(scheduler->recovery, "");
    scheduler->session = session_new(scheduler->loop, scheduler->redis,
                                     &(struct session_options){.lane = LEAD_LANE,
                                                               .kind = "scheduler",
                                                               .timeout_ms = scheduler->options.timeout_ms,
                                                               .beat_ms = scheduler->options.beat_ms,
                                                               .on_open = on_open,
                                                               .on_beat = on_beat,
                                                               .on_lost = on_lost,
                                                               .ctx = scheduler});
}

static double check_every_s(const struct scheduler *scheduler)
{
    return (double)scheduler->options.check_every_ms / 1000;
}

static void check_again(struct scheduler *scheduler, double after_s)
{
    ev_timer_stop(scheduler->loop, &scheduler->check);
    ev_timer_set(&scheduler->check, after_s, check_every_s(scheduler));
    ev_timer_start(scheduler->loop, &scheduler->check);
}

static void on_checked(const struct deployment *found, const struct error *err, void *ctx)
{
    struct scheduler *scheduler = ctx;

    scheduler->checking = false;
    if (scheduler->phase != SCHEDULER_RUNNING)
        return;
    if (err && !scheduler->started &&
        (err->code == ERR_INVALID || err->code == ERR_DENIED || err->code == ERR_LIBRARY || err->code == ERR_SETUP)) {
        stopped(scheduler, err);
        return;
    }
    if (err) {
        deployment_watch_failed(&scheduler->watch, "the deployment is not as it should be", err);
        if (err->code == ERR_INVALID && scheduler->started) {
            if (!scheduler->intake_stopped)
                log_error("intake of new jobs stopped: the server is weaker than declared", "err=%s", err->message);
            scheduler->intake_stopped = true;
            send_intake(scheduler, "stop", err->message);
        }
        check_again(scheduler, CHECK_AGAIN_S);
        return;
    }
    deployment_watch_passed(&scheduler->watch, found);
    if (!scheduler->session)
        start(scheduler, found);
    else if (found->lanes != scheduler->lanes)
        log_error("the number of lanes has changed: restart", "was=%u is=%u", scheduler->lanes, found->lanes);
    if (scheduler->intake_stopped)
        log_info("intake of new jobs resumed", NULL);
    scheduler->intake_stopped = false;
    send_intake(scheduler, "resume", "the server is as declared");
}

static void check(struct scheduler *scheduler)
{
    if (scheduler->checking || !scheduler->redis || !redis_is_up(scheduler->redis))
        return;
    scheduler->checking = true;
    deployment_check(scheduler->redis, &scheduler->options.deployment, on_checked, scheduler);
}

static void on_check_time(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)events;
    check(timer->data);
}

/* ---- connections ---- */

static void on_up(void *ctx)
{
    struct scheduler *scheduler = ctx;

    log_info("connected", "redis=%s", redis_address(scheduler->redis));
    if (scheduler->session) {
        recovery_connected(scheduler->recovery);
        session_resume(scheduler->session);
        if (scheduler->ticks)
            ticks_resume(scheduler->ticks);
    }
    check(scheduler);
}

static void on_down(const struct error *err, void *ctx)
{
    (void)ctx;
    log_warn("connection lost, connecting again", "err=%s", err->message);
}

static void on_listen_up(void *ctx)
{
    struct scheduler *scheduler = ctx;

    if (leads(scheduler))
        promotion_resume(scheduler->promotion);
    else if (scheduler->session)
        listen_for_lead(scheduler);
}

static struct redis *connect_one(struct scheduler *scheduler, const char *name, void (*up)(void *ctx), struct error *err)
{
    return redis_new(scheduler->loop,
                     &(struct redis_options){.url = scheduler->options.redis_url,
                                             .password_file = scheduler->options.password_file,
                                             .client_name = name,
                                             .on_up = up,
                                             .on_down = up == on_up ? on_down : NULL,
                                             .ctx = scheduler},
                     err);
}

static int connect_all(struct scheduler *scheduler, struct error *err)
{
    scheduler->redis = connect_one(scheduler, "rota-scheduler", on_up, err);
    if (scheduler->redis)
        scheduler->listen_redis = connect_one(scheduler, "rota-scheduler:listen", on_listen_up, err);
    if (scheduler->listen_redis)
        scheduler->inbox_redis = connect_one(scheduler, "rota-scheduler:inbox", NULL, err);
    if (scheduler->inbox_redis)
        scheduler->private_redis = connect_one(scheduler, "rota-scheduler:private", NULL, err);
    return scheduler->private_redis ? 0 : err->code;
}

struct scheduler *scheduler_new(struct ev_loop *loop, const struct scheduler_options *options, struct error *err)
{
    struct scheduler *scheduler = memory_new(sizeof *scheduler);

    scheduler->loop = loop;
    scheduler->options = *options;
    scheduler->recurrences = recurrences_new();
    scheduler->options.deployment.role = ACL_SCHEDULER;
    scheduler->options.deployment.timeout_ms = options->timeout_ms;
    scheduler->options.deployment.beat_ms = options->beat_ms;
    scheduler->options.deployment.set_up = scheduler->options.deployment.may_read_config = true;
    scheduler->started_ms = clock_wall_ms();
    ev_timer_init(&scheduler->check, on_check_time, check_every_s(scheduler), check_every_s(scheduler));
    ev_timer_init(&scheduler->stand_down, on_stand_down, 0, 0);
    ev_init(&scheduler->stop, NULL);
    scheduler->check.data = scheduler->stand_down.data = scheduler->stop.data = scheduler;
    if (options->schedules[0])
        scheduler->desired_file = desired_file_read(options->schedules, err);
    if ((options->schedules[0] && !scheduler->desired_file) || connect_all(scheduler, err) < 0) {
        scheduler_free(scheduler);
        return NULL;
    }
    ev_timer_start(loop, &scheduler->check);
    return scheduler;
}

void scheduler_free(struct scheduler *scheduler)
{
    if (!scheduler)
        return;
    scheduler->phase = SCHEDULER_STOPPED;
    ev_timer_stop(scheduler->loop, &scheduler->check);
    ev_timer_stop(scheduler->loop, &scheduler->stand_down);
    ev_timer_stop(scheduler->loop, &scheduler->stop);
    end_all(scheduler);
    desired_file_free(scheduler->desired_file);
    recurrences_free(scheduler->recurrences);
    call_clear(&scheduler->call);
    free(scheduler);
}

static void on_closed(void *ctx)
{
    stopped(ctx, NULL);
}

static void on_stop_time(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)events;
    stopped(timer->data, NULL);
}

void scheduler_stop(struct scheduler *scheduler)
{
    if (scheduler->phase != SCHEDULER_RUNNING)
        return;
    scheduler->phase = SCHEDULER_STOPPING;
    notify_stopping(scheduler->options.notify);
    if (!scheduler->session) {
        stopped(scheduler, NULL);
        return;
    }
    ev_timer_init(&scheduler->stop, on_stop_time, STOP_AFTER_S, 0);
    ev_timer_start(scheduler->loop, &scheduler->stop);
    card_end(scheduler->redis, session_id(scheduler->session), "stopped");
    session_close(scheduler->session, on_closed, scheduler);
}

void scheduler_reload(struct scheduler *scheduler)
{
    struct desired_file *file;
    struct error err;

    if (!scheduler->desired_file)
        return;
    file = desired_file_read(scheduler->options.schedules, &err);
    if (!file) {
        log_error("the file of schedules cannot be read again, the old schedules stay", "err=%s", err.message);
        return;
    }
    desired_file_free(scheduler->desired_file);
    scheduler->desired_file = file;
    log_info("file of schedules read again", "file=%s schedules=%zu", scheduler->options.schedules, desired_file_count(file));
    if (scheduler->desired)
        desired_changed(scheduler->desired);
}

void scheduler_dump(const struct scheduler *scheduler)
{
    log_info("dump: scheduler", "phase=%s session=%s leader=%s epoch=%lld lanes=%u intake_stopped=%d", phase_name(scheduler),
             scheduler->session ? session_id(scheduler->session) : "",
             leads(scheduler) ? session_id(scheduler->session) : scheduler->leader, (long long)scheduler->epoch, scheduler->lanes,
             scheduler->intake_stopped);
    log_info("dump: duties", "recovery=%s promotion=%d ticks=%d inbox=%d upkeep=%d limits=%d reconcile=%d desired=%zu",
             !scheduler->recovery ? "none"
             : leads(scheduler)   ? "all sessions"
                                  : "the leader",
             scheduler->promotion != NULL, scheduler->ticks != NULL, scheduler->inbox != NULL, scheduler->upkeep != NULL,
             scheduler->limits != NULL, scheduler->reconcile != NULL,
             scheduler->desired_file ? desired_file_count(scheduler->desired_file) : 0);
    if (scheduler->redis)
        log_info("dump: redis", "address=%s up=%d waiting=%u listen_up=%d inbox_up=%d", redis_address(scheduler->redis),
                 redis_is_up(scheduler->redis), redis_pending(scheduler->redis), redis_is_up(scheduler->listen_redis),
                 redis_is_up(scheduler->inbox_redis));
}
