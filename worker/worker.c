#include "worker/worker.h"

#include <assert.h>
#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buffer.h"
#include "common/deployment_watch.h"
#include "common/handler_keys.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/notify.h"
#include "common/random.h"
#include "worker/capsule.h"
#include "worker/card.h"
#include "worker/dump.h"
#include "worker/lane.h"
#include "worker/room.h"
#include "worker/orders.h"
#include "worker/slot.h"

#define CHECK_AGAIN_S 1.0  /* after a check of the deployment that failed */
#define AWAY_MS_MAX   1000 /* that a stop waits for a Redis that is away when nothing else is left to wait for */

enum worker_phase { WORKER_STARTING, WORKER_RUNNING, WORKER_DRAINING, WORKER_CLOSING, WORKER_STOPPED };

struct worker {
    struct ev_loop *loop;
    struct worker_options options;
    enum worker_phase phase;
    struct redis *redis;
    struct lane **lanes;
    uint32_t lane_count;
    struct slots *slots;
    struct capsule *capsules[CAPSULES_MAX];
    size_t capsule_count, first_capsule; /* whose turn it is to claim first */
    char session[SESSION_BYTES + 1];
    struct worker_card *card;
    struct orders *orders;
    unsigned closing; /* lanes whose session is being closed */
    ev_timer check, drain;
    bool checking;
    struct deployment_watch watch;
    ev_prepare pump; /* runs once per turn of the loop if something has changed */
    bool changed, quiet;
};

static void pump(struct worker *worker);

static const char *phase_name(const struct worker *worker)
{
    static const char *const names[] = {"starting", "running", "draining", "closing", "stopped"};

    return worker->quiet && worker->phase <= WORKER_RUNNING ? "quiet" : names[worker->phase];
}

/* Gives the text. */
static char *dump(const struct worker *worker, const char *who)
{
    return dump_write(&(struct dump_subject){.phase = phase_name(worker),
                                             .slot_count = worker->options.capsules->slots,
                                             .slots = worker->slots,
                                             .lanes = worker->lanes,
                                             .lane_count = worker->lane_count,
                                             .capsules = worker->capsules,
                                             .capsule_count = worker->capsule_count,
                                             .redis = worker->redis},
                      who);
}

static bool may_claim(const struct worker *worker)
{
    return worker->phase == WORKER_RUNNING && !worker->quiet;
}

/* ---- one turn: report, claim, sleep ---- */

static void note_change(struct worker *worker)
{
    worker->changed = true;
}

static void on_prepare(struct ev_loop *loop, ev_prepare *prepare, int events)
{
    struct worker *worker = prepare->data;

    (void)loop, (void)events;
    if (worker->changed) {
        worker->changed = false;
        pump(worker);
        notify_status(worker->options.notify, "%s, %u of %u slots", phase_name(worker), slots_taken(worker->slots),
                      worker->options.capsules->slots);
    }
}

/* Those that the capsules do not take along. Which one's queues are named does not matter: nothing is claimed. */
static void report(struct worker *worker)
{
    for (uint32_t i = 0; i < worker->lane_count; i++)
        if (lane_reports(worker->lanes[i]) > 0 && lane_is_ready(worker->lanes[i]))
            capsule_report(worker->capsules[0], worker->lanes[i]);
}

/* A lane has one call under way: each time another capsule has the first go. */
static void claim(struct worker *worker)
{
    assert(worker->capsule_count > 0);
    for (size_t i = 0; i < worker->capsule_count; i++)
        capsule_claim(worker->capsules[(worker->first_capsule + i) % worker->capsule_count]);
    worker->first_capsule = (worker->first_capsule + 1) % worker->capsule_count;
}

static void open_capsules(struct worker *worker)
{
    for (size_t i = 0; i < worker->capsule_count; i++)
        capsule_open(worker->capsules[i], may_claim(worker));
}

/* Jobs that were left in their queues because their handler was at its concurrency may be claimed now. */
static void look_for_room(struct worker *worker)
{
    bool found = false;

    for (size_t i = 0; i < worker->options.handlers->count; i++)
        found = room_found(worker->options.handlers->items[i]) || found;
    if (found)
        open_capsules(worker);
}

static bool any_open_lane(const struct worker *worker)
{
    for (uint32_t i = 0; i < worker->lane_count; i++)
        if (lane_is_open(worker->lanes[i]))
            return true;
    return false;
}

/* True if Redis need not be told anything about us: no job runs, waits for its report, or may have been claimed. */
static bool holds_nothing(const struct worker *worker)
{
    if (slots_taken(worker->slots) > 0)
        return false;
    for (uint32_t i = 0; i < worker->lane_count; i++)
        if (lane_reports(worker->lanes[i]) > 0 || lane_claiming(worker->lanes[i], NULL) > 0)
            return false;
    return true;
}

static void close_when_drained(struct worker *worker);
static void give_up(struct worker *worker);

static void pump(struct worker *worker)
{
    if (worker->lane_count == 0 || worker->phase >= WORKER_CLOSING)
        return;
    if (!redis_is_up(worker->redis)) {
        if (worker->phase == WORKER_DRAINING && holds_nothing(worker) && slots_are_quiet(worker->slots))
            give_up(worker);
        return;
    }
    look_for_room(worker);
    if (may_claim(worker))
        claim(worker); /* takes the reports of the lanes it claims in along */
    report(worker);
    if (worker->phase == WORKER_DRAINING)
        close_when_drained(worker);
    for (size_t i = 0; i < worker->capsule_count && any_open_lane(worker); i++)
        capsule_sleep(worker->capsules[i]);
}

/* ---- what the lanes tell ---- */

static void on_lane_open(struct lane *lane, void *ctx)
{
    struct worker *worker = ctx;

    worker_card_write(worker->card, lane);
    notify_ready(worker->options.notify);
    log_info("session open", "lane=%u session=%s slots=%u", lane_number(lane), lane_session(lane),
             worker->options.capsules->slots);
    for (size_t i = 0; i < worker->capsule_count; i++)
        capsule_expect(worker->capsules[i], lane);
    note_change(worker);
}

static void on_job(struct lane *lane, void *taker, const char *name, const struct reply *record, const struct reply *state,
                   void *ctx)
{
    (void)ctx;
    capsule_run(taker, lane, name, record, state);
}

static void on_answer(struct lane *lane, void *taker, const struct lane_answer *answer, void *ctx)
{
    if (answer)
        capsule_answered(taker, lane, answer);
    note_change(ctx);
}

static void on_lane_refused(struct lane *lane, void *taker, void *ctx)
{
    capsule_refused(taker, lane);
    note_change(ctx);
}

static void on_stop(struct lane *lane, const char *name, bool cancelled, void *ctx)
{
    struct worker *worker = ctx;

    slots_stop(worker->slots, lane, name, cancelled);
}

static void on_lane_orders(struct lane *lane, const char *order, const char *dump, void *ctx)
{
    struct worker *worker = ctx;

    orders_take(worker->orders, lane_number(lane), lane_session(lane), order, dump);
}

static void on_order(const char *verb, int64_t number, const char *who, void *ctx)
{
    struct worker *worker = ctx;

    if (strcmp(verb, "dump") == 0) {
        char *text = dump(worker, who);
        worker_card_dump(worker->card, number, text);
        free(text);
        return;
    }
    if (strcmp(verb, "quiet") == 0)
        worker_quiet(worker, who);
    else if (strcmp(verb, "resume") == 0)
        worker_resume(worker, who);
    else
        worker_drain(worker, who);
    worker_card_obey(worker->card, number);
}

static void on_lane_lost(struct lane *lane, void *ctx)
{
    (void)lane;
    note_change(ctx);
}

/* A slot is free, or a lane may have work. */
static void on_news(void *ctx)
{
    note_change(ctx);
}

static unsigned most_of_handler(const struct handler *handler, void *ctx)
{
    const struct worker *worker = ctx;

    return slots_most(worker->slots, handler);
}

/* ---- start ---- */

static void start_lanes(struct worker *worker, uint32_t lanes)
{
    worker->lane_count = lanes;
    worker->lanes = memory_new(sizeof(struct lane *) * lanes);
    for (uint32_t i = 0; i < lanes; i++) {
        worker->lanes[i] = lane_new(&(struct lane_options){
            .loop = worker->loop,
            .redis = worker->redis,
            .number = i,
            .lanes = lanes,
            .session = worker->session,
            .timeout_ms = worker->options.timeout_ms,
            .beat_ms = worker->options.beat_ms,
            .handlers = worker->options.handlers,
            .most = most_of_handler,
            .on_open = on_lane_open,
            .on_job = on_job,
            .on_answer = on_answer,
            .on_refused = on_lane_refused,
            .on_stop = on_stop,
            .on_orders = on_lane_orders,
            .on_lost = on_lane_lost,
            .ctx = worker,
        });
    }
    worker_card_follow(worker->card, worker->lanes, lanes);
    worker->orders = orders_new(&(struct orders_options){.lanes = lanes, .on_order = on_order, .ctx = worker});
    for (size_t i = 0; i < worker->capsule_count; i++)
        capsule_start(worker->capsules[i], worker->lanes, lanes);
    open_capsules(worker);
}

static void stopped(struct worker *worker, const struct error *err)
{
    if (worker->phase == WORKER_STOPPED)
        return;
    worker->phase = WORKER_STOPPED;
    worker->options.on_stopped(err, worker->options.ctx);
}

static double check_every_s(const struct worker *worker)
{
    return (double)worker->options.check_every_ms / 1000;
}

static void on_checked(const struct deployment *found, const struct error *err, void *ctx)
{
    struct worker *worker = ctx;

    worker->checking = false;
    if (worker->phase == WORKER_STOPPED)
        return;
    if (err && worker->phase == WORKER_STARTING && (err->code == ERR_INVALID || err->code == ERR_DENIED)) {
        stopped(worker, err); /* a server like this is not worked with */
        return;
    }
    if (err) {
        deployment_watch_failed(&worker->watch,
                                worker->lane_count ? "the deployment is not as it should be" : "waiting for the deployment", err);
        ev_timer_stop(worker->loop, &worker->check);
        ev_timer_set(&worker->check, CHECK_AGAIN_S, check_every_s(worker));
        ev_timer_start(worker->loop, &worker->check);
        return;
    }
    deployment_watch_passed(&worker->watch, found);
    if (worker->lane_count == 0) {
        worker->phase = worker->phase == WORKER_STARTING ? WORKER_RUNNING : worker->phase;
        start_lanes(worker, found->lanes);
    } else if (found->lanes != worker->lane_count) {
        log_error("the number of lanes has changed: restart", "was=%u is=%u", worker->lane_count, found->lanes);
    }
    note_change(worker);
}

static void check(struct worker *worker)
{
    if (worker->checking || !redis_is_up(worker->redis))
        return;
    worker->checking = true;
    deployment_check(worker->redis, &worker->options.deployment, on_checked, worker);
}

static void on_check_time(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)events;
    check(timer->data);
}

static void on_up(void *ctx)
{
    struct worker *worker = ctx;

    log_info("connected", "redis=%s", redis_address(worker->redis));
    for (uint32_t i = 0; i < worker->lane_count; i++)
        lane_resume(worker->lanes[i]); /* beats before anything is claimed */
    check(worker);
    note_change(worker);
}

static void on_down(const struct error *err, void *ctx)
{
    log_warn("connection lost, connecting again; handlers go on", "err=%s", err->message);
    note_change(ctx);
}

static int check_handlers(const struct handlers *handlers, struct error *err)
{
    return handlers->count > 0 ? 0 : error_set(err, ERR_INVALID, "no handlers: name at least one, as in --on wc='wc -w'");
}

static int make_capsules(struct worker *worker, struct error *err)
{
    for (size_t i = 0; i < worker->options.capsules->count; i++) {
        struct capsule *capsule = capsule_new(&(struct capsule_options){.loop = worker->loop,
                                                                        .plan = &worker->options.capsules->items[i],
                                                                        .slots = worker->slots,
                                                                        .redis = worker->redis,
                                                                        .redis_url = worker->options.redis_url,
                                                                        .password_file = worker->options.password_file,
                                                                        .session = worker->session,
                                                                        .timeout_ms = worker->options.timeout_ms,
                                                                        .on_change = on_news,
                                                                        .ctx = worker},
                                              err);
        if (!capsule)
            return err->code;
        worker->capsules[worker->capsule_count++] = capsule;
    }
    return 0;
}

struct worker *worker_new(struct ev_loop *loop, const struct worker_options *options, struct error *err)
{
    struct worker *worker;
    char name[64];

    if (check_handlers(options->handlers, err) < 0)
        return NULL;
    worker = memory_new(sizeof *worker);
    worker->loop = loop;
    worker->options = *options;
    worker->options.deployment.role = ACL_WORKER;
    worker->options.deployment.timeout_ms = options->timeout_ms;
    worker->options.deployment.beat_ms = options->beat_ms;
    session_draw(worker->session);
    worker->slots =
        slots_new(loop, options->capsules->slots, options->handlers, options->scratch, options->cgroup, on_news, worker, err);
    if (!worker->slots) {
        worker_free(worker);
        return NULL;
    }
    snprintf(name, sizeof name, "rota-worker:%s", worker->session);
    worker->redis = redis_new(loop,
                              &(struct redis_options){.url = options->redis_url,
                                                      .password_file = options->password_file,
                                                      .client_name = name,
                                                      .on_up = on_up,
                                                      .on_down = on_down,
                                                      .ctx = worker},
                              err);
    if (!worker->redis || make_capsules(worker, err) < 0) {
        worker_free(worker);
        return NULL;
    }
    worker->card = worker_card_new(&(struct worker_card_options){.loop = loop,
                                                                 .redis = worker->redis,
                                                                 .capsules = options->capsules,
                                                                 .handlers = options->handlers,
                                                                 .slots = worker->slots});
    ev_timer_init(&worker->check, on_check_time, check_every_s(worker), check_every_s(worker));
    ev_prepare_init(&worker->pump, on_prepare);
    worker->check.data = worker->pump.data = worker->drain.data = worker;
    ev_timer_start(loop, &worker->check);
    ev_prepare_start(loop, &worker->pump);
    return worker;
}

void worker_free(struct worker *worker)
{
    if (!worker)
        return;
    worker->phase = WORKER_STOPPED;
    ev_timer_stop(worker->loop, &worker->check);
    ev_timer_stop(worker->loop, &worker->drain);
    ev_prepare_stop(worker->loop, &worker->pump);
    redis_free(worker->redis);
    for (size_t i = 0; i < worker->capsule_count; i++)
        capsule_free(worker->capsules[i]);
    for (uint32_t i = 0; i < worker->lane_count; i++)
        lane_free(worker->lanes[i]);
    free(worker->lanes);
    slots_free(worker->slots);
    orders_free(worker->orders);
    worker_card_free(worker->card);
    free(worker);
}

/* ---- stop ---- */

static void on_closed(void *ctx)
{
    struct worker *worker = ctx;

    if (--worker->closing == 0)
        stopped(worker, NULL);
}

static void close_when_drained(struct worker *worker)
{
    if (!slots_are_quiet(worker->slots))
        return;
    for (uint32_t i = 0; i < worker->lane_count; i++)
        if (lane_reports(worker->lanes[i]) > 0 || (lane_is_open(worker->lanes[i]) && !lane_is_ready(worker->lanes[i])))
            return;
    worker->phase = WORKER_CLOSING;
    ev_timer_stop(worker->loop, &worker->drain);
    worker->closing = worker->lane_count;
    worker_card_end(worker->card);
    for (uint32_t i = 0; i < worker->lane_count; i++)
        lane_close(worker->lanes[i], on_closed, worker);
}

/* Redis is away. The sessions will be recovered. */
static void give_up(struct worker *worker)
{
    log_warn("stopping without a word to redis: what is not reported will be recovered", NULL);
    stopped(worker, NULL);
}

static void on_give_up(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)events;
    give_up(timer->data);
}

static void on_drain_over(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct worker *worker = timer->data;

    (void)loop, (void)events;
    worker_stop_now(worker, "the end of the drain");
}

static void arm_drain(struct worker *worker, int64_t after_ms, void (*cb)(struct ev_loop *, ev_timer *, int))
{
    ev_timer_stop(worker->loop, &worker->drain);
    ev_timer_init(&worker->drain, cb, (double)after_ms / 1000, 0);
    ev_timer_start(worker->loop, &worker->drain);
}

void worker_drain(struct worker *worker, const char *who)
{
    if (worker->phase >= WORKER_DRAINING)
        return;
    log_info("draining", "asked_by=%s running=%u wait_ms=%lld", who, slots_taken(worker->slots),
             (long long)worker->options.drain_ms);
    notify_stopping(worker->options.notify);
    worker->phase = WORKER_DRAINING;
    worker_card_tell(worker->card, phase_name(worker), "stop", who);
    open_capsules(worker);
    slots_drain(worker->slots);
    if (worker->lane_count == 0) {
        stopped(worker, NULL);
        return;
    }
    arm_drain(worker, worker->options.drain_ms, on_drain_over);
    note_change(worker);
}

void worker_stop_now(struct worker *worker, const char *who)
{
    if (worker->phase >= WORKER_CLOSING)
        return;
    worker_drain(worker, who);
    if (worker->phase != WORKER_DRAINING)
        return;
    log_info("handing back what still runs", "asked_by=%s running=%u", who, slots_taken(worker->slots));
    slots_kill(worker->slots);
    arm_drain(worker, redis_is_up(worker->redis) ? worker->options.timeout_ms : AWAY_MS_MAX, on_give_up);
    note_change(worker);
}

/* ---- other wishes ---- */

void worker_quiet(struct worker *worker, const char *who)
{
    if (worker->phase > WORKER_RUNNING || worker->quiet)
        return;
    log_info("quiet: no more jobs are claimed", "asked_by=%s running=%u", who, slots_taken(worker->slots));
    worker->quiet = true;
    open_capsules(worker);
    worker_card_tell(worker->card, phase_name(worker), "quiet", who);
    note_change(worker);
}

void worker_resume(struct worker *worker, const char *who)
{
    if (worker->phase > WORKER_RUNNING || !worker->quiet)
        return;
    log_info("claiming jobs again", "asked_by=%s", who);
    worker->quiet = false;
    open_capsules(worker);
    worker_card_tell(worker->card, phase_name(worker), "resume", who);
    note_change(worker);
}

/* ---- other handlers ---- */

/* The keys in which two differ, "timeout,attempts". */
static void list_differences(struct buffer *out, const struct handler *old, const struct handler *now)
{
    for (const struct handler_key *key = handler_keys; key->name; key++)
        if (!handler_same_value(old, now, key))
            buffer_add_format(out, "%s%s", out->length ? "," : "", key->name);
}

static void on_handler_change(enum handler_change change, const struct handler *old, const struct handler *now, void *ctx)
{
    struct buffer keys = {0};

    (void)ctx;
    switch (change) {
    case HANDLER_ADDED: log_info("handler added", "type=%s", now->type); break;
    case HANDLER_REMOVED: log_info("handler removed", "type=%s", old->type); break;
    case HANDLER_CHANGED:
        list_differences(&keys, old, now);
        log_info("handler changed", "type=%s keys=%s", now->type, keys.data);
        break;
    }
    buffer_clear(&keys);
}

int worker_set_handlers(struct worker *worker, struct handlers *fresh, struct error *err)
{
    if (check_handlers(fresh, err) < 0)
        return err->code;
    handlers_replace(worker->options.handlers, fresh, on_handler_change, worker);
    slots_trust(worker->slots);
    worker_card_refresh(worker->card);
    open_capsules(worker); /* there may be work of types that are new */
    note_change(worker);
    return 0;
}

void worker_dump(struct worker *worker, const char *who)
{
    free(dump(worker, who));
}
