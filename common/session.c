#include "common/session.h"

#include <assert.h>
#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/id.h"
#include "common/log.h"
#include "common/memory.h"

#define CLOSE_STEP_LEASES 64
#define CLOSE_TIMEOUT_MS  3000

enum session_phase { SESSION_OPENING, SESSION_OPEN, SESSION_CLOSING, SESSION_CLOSED };

struct session {
    struct ev_loop *loop;
    struct redis *redis;
    struct session_options options;
    char id[TYPE_BYTES_MAX + 1];
    enum session_phase phase;
    unsigned calls; /* under way */
    bool freed;     /* free it when the last call has returned */
    ev_timer beat;
    struct call call;
    void (*closed)(void *ctx);
    void *closed_ctx;
};

static void on_opened(const struct reply *reply, const struct error *err, void *ctx);
static void on_beaten(const struct reply *reply, const struct error *err, void *ctx);
static void on_close_step(const struct reply *reply, const struct error *err, void *ctx);

int session_check(int64_t timeout_ms, int64_t beat_ms, struct error *err)
{
    if (timeout_ms < SESSION_MS_MIN || timeout_ms > SESSION_MS_MAX)
        return error_set(err, ERR_INVALID, "session time-out is %lld ms, it must be %d..%d", (long long)timeout_ms,
                         SESSION_MS_MIN, SESSION_MS_MAX);
    if (beat_ms < 1 || beat_ms * SESSION_BEATS_MIN > timeout_ms)
        return error_set(err, ERR_INVALID, "session beat is %lld ms, it must be 1..%lld: a third of the time-out at most",
                         (long long)beat_ms, (long long)(timeout_ms / SESSION_BEATS_MIN));
    return 0;
}

static void send(struct session *session, redis_cb *cb, int64_t timeout_ms)
{
    session->calls++;
    redis_send(session->redis, &session->call, timeout_ms, cb, session);
}

/* The last thing a reply does. True if the session was freed meanwhile: it must not be touched any more. */
static bool finish_call(struct session *session)
{
    session->calls--;
    if (!session->freed)
        return false;
    if (session->calls == 0) {
        call_clear(&session->call);
        free(session);
    }
    return true;
}

static void send_open(struct session *session)
{
    call_function(&session->call, "open", session->options.lane);
    call_add_string(&session->call, session->id);
    call_add_string(&session->call, session->options.kind);
    call_add_int(&session->call, session->options.timeout_ms);
    call_add_int(&session->call, session->options.beat_ms);
    send(session, on_opened, session->options.timeout_ms);
}

static void send_beat(struct session *session)
{
    call_function(&session->call, "beat", session->options.lane);
    call_add_string(&session->call, session->id);
    call_add_string(&session->call, "keep"); /* time-outs are the worker's: child.h */
    send(session, on_beaten, session->options.timeout_ms);
}

static void on_tick(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct session *session = timer->data;

    (void)loop, (void)events;
    session_resume(session);
}

void session_resume(struct session *session)
{
    if (!redis_is_up(session->redis))
        return;
    if (session->phase == SESSION_OPENING && session->calls == 0)
        send_open(session);
    else if (session->phase == SESSION_OPEN)
        send_beat(session);
}

struct session *session_new(struct ev_loop *loop, struct redis *redis, const struct session_options *options)
{
    struct session *session = memory_new(sizeof *session);
    double beat_s = (double)options->beat_ms / 1000;

    session->loop = loop;
    session->redis = redis;
    session->options = *options;
    if (options->id)
        snprintf(session->id, sizeof session->id, "%s", options->id);
    else
        session_draw(session->id);
    session->options.id = NULL;
    ev_timer_init(&session->beat, on_tick, beat_s, beat_s);
    session->beat.data = session;
    ev_timer_start(loop, &session->beat);
    session_resume(session);
    return session;
}

void session_free(struct session *session)
{
    if (!session)
        return;
    ev_timer_stop(session->loop, &session->beat);
    if (session->calls > 0) {
        session->freed = true;
        return;
    }
    call_clear(&session->call);
    free(session);
}

bool session_is_open(const struct session *session)
{
    return session->phase == SESSION_OPEN;
}

const char *session_id(const struct session *session)
{
    return session->id;
}

static void on_opened(const struct reply *reply, const struct error *err, void *ctx)
{
    struct session *session = ctx;

    if (finish_call(session) || session->phase != SESSION_OPENING)
        return;
    if (err) {
        log_warn("cannot open a session, trying again", "lane=%u err=%s", session->options.lane, err->message);
        return;
    }
    if (reply_is(reply, "ended")) { /* our own id was recovered meanwhile */
        session_draw(session->id);
        send_open(session);
        return;
    }
    session->phase = SESSION_OPEN;
    session->options.on_open(session->options.ctx);
}

void session_tell_lost(struct session *session)
{
    if (session->phase != SESSION_OPEN)
        return;
    log_warn("session lost: its jobs belong to others now", "lane=%u session=%s", session->options.lane, session->id);
    session->phase = SESSION_OPENING;
    session->options.on_lost(session->options.ctx);
    session_draw(session->id);
    if (redis_is_up(session->redis))
        send_open(session);
}

static void take_beat(struct session *session, const struct reply *reply)
{
    const char *order = reply_string(reply_at(reply, 4)), *dump = reply_string(reply_at(reply, 5));

    if (session->options.on_orders && (order[0] || dump[0]))
        session->options.on_orders(order, dump, session->options.ctx);
    session->options.on_beat(reply_int(reply_at(reply, 2)), reply_at(reply, 3), session->options.ctx);
}

static void on_beaten(const struct reply *reply, const struct error *err, void *ctx)
{
    struct session *session = ctx;

    if (finish_call(session) || session->phase != SESSION_OPEN)
        return;
    if (err)
        log_warn("beat without an answer", "lane=%u session=%s err=%s", session->options.lane, session->id, err->message);
    else if (reply_is(reply_at(reply, 0), "lost"))
        session_tell_lost(session);
    else
        take_beat(session, reply);
}

static void send_close(struct session *session)
{
    call_function(&session->call, "close", session->options.lane);
    call_add_string(&session->call, session->id);
    call_add_int(&session->call, CLOSE_STEP_LEASES);
    send(session, on_close_step, CLOSE_TIMEOUT_MS);
}

static void on_close_step(const struct reply *reply, const struct error *err, void *ctx)
{
    struct session *session = ctx;

    if (finish_call(session))
        return;
    if (err)
        log_warn("session not closed, it will be recovered", "lane=%u session=%s err=%s", session->options.lane, session->id,
                 err->message);
    else if (reply_int(reply) > 0) {
        send_close(session);
        return;
    }
    session->phase = SESSION_CLOSED;
    session->closed(session->closed_ctx);
}

void session_close(struct session *session, void (*closed)(void *ctx), void *ctx)
{
    assert(session->phase != SESSION_CLOSING && session->phase != SESSION_CLOSED);
    session->phase = SESSION_CLOSING;
    session->closed = closed;
    session->closed_ctx = ctx;
    ev_timer_stop(session->loop, &session->beat);
    send_close(session);
}
