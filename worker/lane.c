#include "worker/lane.h"

#include <assert.h>
#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/complaint.h"
#include "common/keys.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/who.h"
#include "common/random.h"
#include "common/session.h"
#include "worker/end.h"
#include "worker/leases.h"
#include "worker/room.h"
#include "worker/telling.h"

#define REPEAT_AFTER_S     0.2
#define LIMIT_PAUSE_MS_MAX (60 * 60 * 1000)

static const char refused_word[] = "children:"; /* and why, for a lease */

struct lane {
    struct lane_options options;
    struct leases leases;
    struct session *session;
    struct ends ends; /* the first `sent` of them are in the call under way */
    size_t sent;
    size_t suspects;                   /* so many of the first were in a call that was refused: each goes alone */
    struct call call;                  /* the claim or finish under way, to be repeated until it is answered */
    bool under_way, waiting;           /* waiting: it failed, and is sent again by `repeat` or lane_resume */
    bool told;                         /* its failure was logged */
    struct complaint refused, dropped; /* claims · reports that nobody takes */
    unsigned char token[TOKEN_BYTES];
    void *taker; /* of the claim under way */
    struct room rooms[HANDLERS_MAX];
    size_t room_count;
    unsigned claiming;
    bool comparing; /* a look-up of `held` is under way */
    ev_timer repeat;
    struct call lookup; /* of `held` */
    struct telling *telling;
};

static void on_answer(const struct reply *reply, const struct error *err, void *ctx);

/* ---- leases and ended jobs ---- */

/* The job of a lease is not ours any more. */
static void stop_lease(struct lane *lane, struct lease *lease)
{
    char name[JOB_NAME_BYTES_MAX + 1];
    struct note note = telling_end(lane->telling, lease_name(lease));

    note_clear(&note);
    snprintf(name, sizeof name, "%s", lease_name(lease));
    leases_drop(&lane->leases, lease);
    lane->options.on_stop(lane, name, false, lane->options.ctx);
}

void lane_report(struct lane *lane, const struct lane_end *from)
{
    struct lease *lease = leases_find(&lane->leases, from->name);
    struct note note;

    if (!lease)
        return;
    note = telling_end(lane->telling, from->name);
    end_make(ends_new(&lane->ends), from, lease_token(lease), &note);
    leases_drop(&lane->leases, lease);
}

static void drop_ends(struct lane *lane, size_t count)
{
    ends_drop(&lane->ends, count);
    lane->suspects -= lane->suspects < count ? lane->suspects : count;
}

/* ---- claim and finish ---- */

static void send_call(struct lane *lane)
{
    lane->waiting = false;
    redis_send(lane->options.redis, &lane->call, lane->options.timeout_ms, on_answer, lane);
}

/* Its type, and "TIMEOUT_MS/ROOM LIMIT": the room only where it is bounded, the limit only where there is one. */
static void add_handler(struct lane *lane, struct handler *handler)
{
    unsigned most = lane->options.most ? lane->options.most(handler, lane->options.ctx) : LANE_CLAIM_MAX;
    char room[16] = "";

    if (handler->concurrency > 0 && lane->claiming > 0) {
        lane->rooms[lane->room_count] = room_promise(handler, lane->claiming < most ? lane->claiming : most);
        snprintf(room, sizeof room, "/%u", lane->rooms[lane->room_count++].granted);
    } else if (most < LANE_CLAIM_MAX) {
        snprintf(room, sizeof room, "/%u", most);
    }
    call_add_string(&lane->call, handler->type);
    call_add_format(&lane->call, "%lld%s%s%s", (long long)handler->timeout_ms, room, handler->limit ? " " : "",
                    handler->limit ? handler->limit : "");
}

/* What the last claim was promised and has not used is free again. */
static void settle_rooms(struct lane *lane)
{
    for (size_t i = 0; i < lane->room_count; i++)
        room_settle(&lane->rooms[i]);
    lane->room_count = 0;
}

static void add_claim(struct lane *lane, const struct lane_claim *claim)
{
    const struct handlers *handlers = lane->options.handlers;

    call_add_string(&lane->call, session_id(lane->session));
    call_add(&lane->call, lane->token, TOKEN_BYTES);
    call_add_int(&lane->call, lane->claiming);
    call_add_string(&lane->call, claim->quiet ? "1" : "0");
    call_add_int(&lane->call, (int64_t)claim->queue_count);
    for (size_t i = 0; i < claim->queue_count; i++) {
        call_add_string(&lane->call, claim->queues[i]);
        call_add_int(&lane->call, claim->floor);
    }
    call_add_int(&lane->call, (int64_t)handlers->count);
    for (size_t i = 0; i < handlers->count; i++) {
        add_handler(lane, handlers->items[i]);
    }
}

void lane_send(struct lane *lane, const struct lane_claim *claim)
{
    assert(lane_is_ready(lane));
    lane->sent = lane->suspects > 0 ? 1 : ends_that_fit(lane->ends.items, lane->ends.count);
    lane->claiming = lane->suspects > 0 ? 0 : claim->want;
    lane->taker = claim->taker;
    if (lane->sent == 0 && lane->claiming == 0)
        return;
    lane->under_way = true;
    random_bytes(lane->token, TOKEN_BYTES);
    call_function(&lane->call, lane->sent ? "finish" : "claim", lane->options.number);
    add_claim(lane, claim);
    ends_add(&lane->call, lane->ends.items, lane->sent);
    send_call(lane);
}

/* The call is over, whatever came of it. */
static void end_call(struct lane *lane)
{
    lane->under_way = lane->waiting = lane->told = false;
    lane->claiming = 0;
    lane->sent = 0;
    ev_timer_stop(lane->options.loop, &lane->repeat);
}

/* Says which reports came too late. Those whose further jobs were refused wait again, with the verdict for that case. */
static void take_words(struct lane *lane, const struct reply *answers)
{
    for (size_t i = 0; i < lane->sent && i < reply_count(answers); i++) {
        struct end *end = &lane->ends.items[i];
        const char *word = reply_string(reply_at(answers, i));
        if (strcmp(word, "stale") == 0)
            log_warn("report refused: the job is not ours any more", "job=%s verdict=%s", end->name, end->verdict);
        if (strncmp(word, refused_word, strlen(refused_word)) == 0 && end_refuse_jobs(end, word + strlen(refused_word))) {
            log_warn("further jobs refused", "job=%s why=%s", end->name, word + strlen(refused_word));
            struct end again = *end;
            *end = (struct end){0};
            *ends_new(&lane->ends) = again; /* this may move the list */
        }
    }
}

static void take_answer(struct lane *lane, const struct reply *reply)
{
    const struct reply *jobs = reply_at(reply, 6);
    int64_t now_ms = reply_int(reply_at(reply, 1)), next_ms = reply_int(reply_at(reply, 4));
    struct lane_answer answer = {.v = reply_int(reply_at(reply, 2)),
                                 .active = reply_int(reply_at(reply, 3)),
                                 .next_ms = next_ms == 0       ? -1
                                            : next_ms > now_ms ? next_ms - now_ms
                                                               : 0,
                                 .taken = (unsigned)(reply_count(jobs) / 3)};
    size_t sent = lane->sent;
    unsigned wanted = lane->claiming;
    void *taker = lane->taker;

    take_words(lane, reply_at(reply, 5));
    end_call(lane);
    drop_ends(lane, sent);
    if (wanted > 0 && complaint_end(&lane->refused))
        log_info("claims are answered again", "lane=%u", lane->options.number);
    for (size_t i = 0; i + 2 < reply_count(jobs); i += 3) {
        const char *name = reply_string(reply_at(jobs, i));
        leases_add(&lane->leases, name, lane->token);
        lane->options.on_job(lane, taker, name, reply_at(jobs, i + 1), reply_at(jobs, i + 2), lane->options.ctx);
    }
    settle_rooms(lane);
    lane->options.on_answer(lane, taker, wanted > 0 ? &answer : NULL, lane->options.ctx);
}

/* The first report is refused without any other beside it. Is it for its further jobs, it goes on without them; else it is
 * dropped. Its lease is found again by comparing with `held`. */
static void drop_guilty(struct lane *lane, const struct error *err)
{
    if (end_refuse_jobs(&lane->ends.items[0], err->message))
        return;
    if (complaint_raise(&lane->dropped, err->message, clock_mono_ms()))
        log_error("report refused and dropped", "job=%s verdict=%s err=%s", lane->ends.items[0].name, lane->ends.items[0].verdict,
                  err->message);
    drop_ends(lane, 1);
}

/* The call has changed nothing. If it was not a single report: whose fault is it? The reports go again, one by one and without a
 * claim, and then the claim without reports. */
static void take_refusal(struct lane *lane, const struct error *err)
{
    unsigned wanted = lane->claiming;
    size_t sent = lane->sent;
    void *taker = lane->taker;

    end_call(lane);
    settle_rooms(lane);
    if (sent == 1 && wanted == 0)
        drop_guilty(lane, err);
    else if (sent > 0)
        lane->suspects = sent;
    else if (complaint_raise(&lane->refused, err->message, clock_mono_ms()))
        log_error("claim refused, claiming again in a while", "lane=%u err=%s", lane->options.number, err->message);
    if (wanted > 0)
        lane->options.on_refused(lane, taker, lane->options.ctx);
    else
        lane->options.on_answer(lane, taker, NULL, lane->options.ctx);
}

static void on_answer(const struct reply *reply, const struct error *err, void *ctx)
{
    struct lane *lane = ctx;

    if (!lane->under_way)
        return; /* of a session that is over */
    if (err && (err->code == ERR_INVALID || err->code == ERR_PROTOCOL)) {
        take_refusal(lane, err);
    } else if (err) {
        if (!lane->told)
            log_warn("no answer, repeating the call until there is one", "lane=%u err=%s", lane->options.number, err->message);
        lane->told = lane->waiting = true;
        ev_timer_again(lane->options.loop, &lane->repeat);
    } else if (reply_is(reply_at(reply, 0), "lost")) {
        session_tell_lost(lane->session);
    } else {
        take_answer(lane, reply);
    }
}

static void on_repeat(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct lane *lane = timer->data;

    (void)events;
    ev_timer_stop(loop, timer);
    lane_resume(lane);
}

void lane_resume(struct lane *lane)
{
    if (!redis_is_up(lane->options.redis))
        return;
    session_resume(lane->session);
    if (lane->waiting)
        send_call(lane);
    telling_resume(lane->telling);
}

void lane_tell(struct lane *lane, const char *name, const struct lane_note *note)
{
    const struct lease *lease = leases_find(&lane->leases, name);

    if (lease)
        telling_add(lane->telling, name, lease_token(lease), note);
}

const unsigned char *lane_token(const struct lane *lane, const char *name)
{
    const struct lease *lease = leases_find(&lane->leases, name);

    return lease ? lease_token(lease) : NULL;
}

/* ---- comparing with what Redis says we hold ---- */

/* A lease that nobody here knows: its claim was answered, but not to us. Handed back. */
static void release_unknown(struct lane *lane, const char *name, const struct reply *value)
{
    size_t length;
    const char *bytes = reply_bytes(value, &length);

    if (length < 2 + TOKEN_BYTES) /* array of 7, str of 16, token: docs/PROTOCOL.md */
        return;
    if (!complaint_is_raised(&lane->dropped))
        log_warn("handing back a job that was claimed without our knowledge", "job=%s", name);
    leases_add(&lane->leases, name, (const unsigned char *)bytes + 2);
    lane_report(lane, &(struct lane_end){.name = name, .verdict = "release"});
    if (complaint_is_raised(&lane->dropped)) /* its report may be the one that was dropped, and refused again */
        lane->suspects = lane->ends.count;
}

/* Makes ours what Redis says we hold. */
static void settle_leases(struct lane *lane, const struct reply *reply)
{
    struct lease *lease;

    leases_unsee(&lane->leases);
    for (size_t i = 0; i + 1 < reply_count(reply); i += 2) {
        const char *name = reply_string(reply_at(reply, i));
        lease = leases_find(&lane->leases, name);
        if (lease)
            lease_see(lease);
        else if (!ends_have(&lane->ends, name))
            release_unknown(lane, name, reply_at(reply, i + 1));
    }
    while ((lease = leases_unseen(&lane->leases)))
        stop_lease(lane, lease);
}

static void on_held(const struct reply *reply, const struct error *err, void *ctx)
{
    struct lane *lane = ctx;

    lane->comparing = false;
    if (!err && !lane->under_way && session_is_open(lane->session)) /* else things have moved on: the next beat compares again */
        settle_leases(lane, reply);
    lane->options.on_answer(lane, NULL, NULL, lane->options.ctx); /* it is ready again: reports may have gathered meanwhile */
}

static void compare_held(struct lane *lane)
{
    char part[TYPE_BYTES_MAX + 8], key[KEY_BYTES_MAX];

    if (lane->comparing)
        return;
    lane->comparing = true;
    snprintf(part, sizeof part, "held:%s", session_id(lane->session));
    call_command(&lane->lookup, "HGETALL");
    call_add_string(&lane->lookup, key_in_lane(key, lane->options.number, part));
    redis_send(lane->options.redis, &lane->lookup, lane->options.timeout_ms, on_held, lane);
}

static void on_beat(int64_t held, const struct reply *cancelled, void *ctx)
{
    struct lane *lane = ctx;

    for (size_t i = 0; i < reply_count(cancelled); i++)
        lane->options.on_stop(lane, reply_string(reply_at(cancelled, i)), true, lane->options.ctx);
    if (lane->under_way)
        return;
    if (held != (int64_t)(leases_count(&lane->leases) + lane->ends.count))
        compare_held(lane);
    else if (complaint_end(&lane->dropped))
        log_info("all leases are accounted for again", "lane=%u", lane->options.number);
}

static void on_orders(const char *order, const char *dump, void *ctx)
{
    struct lane *lane = ctx;

    lane->options.on_orders(lane, order, dump, lane->options.ctx);
}

/* ---- the session ---- */

static void on_open(void *ctx)
{
    struct lane *lane = ctx;

    lane->options.on_open(lane, lane->options.ctx);
}

static void on_lost(void *ctx)
{
    struct lane *lane = ctx;

    end_call(lane);
    settle_rooms(lane);
    drop_ends(lane, lane->ends.count);
    telling_forget(lane->telling);
    while (leases_any(&lane->leases))
        stop_lease(lane, leases_any(&lane->leases));
    lane->options.on_lost(lane, lane->options.ctx);
}

static void on_limit_paused(const struct reply *reply, const struct error *err, void *ctx)
{
    (void)reply, (void)ctx;
    if (err)
        log_warn("a limit was not paused", "err=%s", err->message);
}

void lane_pause_limit(struct lane *lane, const char *limit, const char *org, int64_t ms)
{
    bool keyed = strchr(limit, ':') != NULL;
    uint32_t number = lane->options.number, first = keyed ? number : 0, last = keyed ? number : lane->options.lanes - 1;
    struct call call = {0};
    char who[WHO_BYTES];

    for (uint32_t i = first; i <= last; i++) {
        call_function(&call, "limit_pause", i);
        call_add_string(&call, who_am_i(who, "rota-worker"));
        call_add_string(&call, limit);
        call_add_string(&call, keyed ? org : "");
        call_add_int(&call, ms < LIMIT_PAUSE_MS_MAX ? ms : LIMIT_PAUSE_MS_MAX);
        call_add_string(&call, "1"); /* a handler asks for it */
        redis_send(lane->options.redis, &call, lane->options.timeout_ms, on_limit_paused, NULL);
    }
    call_clear(&call);
}

struct lane *lane_new(const struct lane_options *options)
{
    struct lane *lane = memory_new(sizeof *lane);

    lane->options = *options;
    ev_timer_init(&lane->repeat, on_repeat, 0, REPEAT_AFTER_S);
    lane->repeat.data = lane;
    lane->session = session_new(options->loop, options->redis,
                                &(struct session_options){
                                    .lane = options->number,
                                    .kind = "worker",
                                    .id = options->session,
                                    .timeout_ms = options->timeout_ms,
                                    .beat_ms = options->beat_ms,
                                    .on_open = on_open,
                                    .on_beat = on_beat,
                                    .on_orders = on_orders,
                                    .on_lost = on_lost,
                                    .ctx = lane,
                                });
    lane->telling = telling_new(options->loop, options->redis, options->number, options->timeout_ms, lane->session);
    lane->options.session = NULL;
    return lane;
}

void lane_free(struct lane *lane)
{
    if (!lane)
        return;
    ev_timer_stop(lane->options.loop, &lane->repeat);
    telling_free(lane->telling);
    session_free(lane->session);
    settle_rooms(lane);
    ends_clear(&lane->ends);
    leases_clear(&lane->leases);
    call_clear(&lane->call);
    call_clear(&lane->lookup);
    free(lane);
}

bool lane_is_open(const struct lane *lane)
{
    return session_is_open(lane->session);
}

bool lane_is_ready(const struct lane *lane)
{
    return session_is_open(lane->session) && !lane->under_way && !lane->comparing;
}

size_t lane_reports(const struct lane *lane)
{
    return lane->ends.count;
}

size_t lane_held(const struct lane *lane)
{
    return leases_count(&lane->leases);
}

unsigned lane_claiming(const struct lane *lane, const void *taker)
{
    return !taker || lane->taker == taker ? lane->claiming : 0;
}

const char *lane_session(const struct lane *lane)
{
    return session_id(lane->session);
}

uint32_t lane_number(const struct lane *lane)
{
    return lane->options.number;
}

void lane_close(struct lane *lane, void (*closed)(void *ctx), void *ctx)
{
    end_call(lane);
    session_close(lane->session, closed, ctx);
}
