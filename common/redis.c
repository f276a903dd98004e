#include "common/redis.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include <ev.h>

#include "common/clock.h"
#include "common/memory.h"
#include "common/random.h"
#include "common/redis_error.h"
#include "common/redis_link.h"
#include "common/redis_requests.h"
#include "common/redis_tls.h"
#include "common/redis_url.h"

#define CONNECT_TIMEOUT_MS 5000
#define BACKOFF_MS_MIN     50
#define BACKOFF_MS_MAX     2000
#define LATE_MS            50 /* a timer this late means that the program was held up: the reply may lie in the socket */

enum state {
    STATE_WAITING,    /* for retry_timer */
    STATE_CONNECTING, /* for the link to be ready */
    STATE_UP,
    STATE_DRAINING, /* no new calls; when all are answered the link is closed */
    STATE_STOPPED,  /* `once`, and the first attempt failed */
};

enum news { NEWS_NONE, NEWS_UP, NEWS_DOWN };

struct redis {
    struct ev_loop *loop;
    struct redis_options options;
    struct redis_url url;
    struct redis_link *link;
    enum state state;
    struct requests requests;
    ev_timer retry_timer, deadline_timer;
    int64_t deadline_mono_ms; /* what deadline_timer is set to */
    ev_timer news_timer;      /* tells what happened in a turn of its own: callbacks never run inside a call to this module */
    enum news news;
    struct error down; /* why the connection is not up */
    unsigned attempts; /* failed ones in a row, for the back-off */
    int64_t up_since_mono_ms;
    bool in_callback;
};

/* ---- failed calls and news: told in a turn of their own ---- */

static void arm(struct redis *redis, ev_timer *timer, int64_t delay_ms)
{
    ev_timer_stop(redis->loop, timer);
    ev_timer_set(timer, (double)delay_ms / 1000., 0.);
    ev_timer_start(redis->loop, timer);
}

static void fail(struct redis *redis, struct request *request, enum error_code code, const char *why)
{
    requests_fail(&redis->requests, request, code, why);
    if (!ev_is_active(&redis->news_timer))
        arm(redis, &redis->news_timer, 0);
}

static void tell_failed(struct redis *redis)
{
    redis->in_callback = true;
    requests_tell_failed(&redis->requests);
    redis->in_callback = false;
}

/* Full jitter: uniform in [0, min(max, min * 2^attempts)]. Source: "Exponential Backoff And Jitter", AWS Architecture Blog,
 * 2015. */
static int64_t backoff_ms(unsigned attempts)
{
    uint64_t ceiling = BACKOFF_MS_MAX;

    if (attempts < 16 && (BACKOFF_MS_MIN << attempts) < BACKOFF_MS_MAX)
        ceiling = (uint64_t)BACKOFF_MS_MIN << attempts;
    return (int64_t)random_below(ceiling + 1);
}

/* The callbacks of the user come last: `redis` may be gone after them. */
static void on_news(struct ev_loop *loop, ev_timer *watcher, int events)
{
    struct redis *redis = watcher->data;
    enum news news = redis->news;
    struct error down = redis->down;

    (void)loop;
    (void)events;
    redis->news = NEWS_NONE;
    tell_failed(redis);
    if (news == NEWS_UP && redis->state == STATE_CONNECTING) {
        redis->state = STATE_UP;
        redis->up_since_mono_ms = clock_mono_ms();
        if (redis->options.on_up)
            redis->options.on_up(redis->options.ctx);
    } else if (news == NEWS_DOWN) {
        if (redis->state == STATE_WAITING)
            arm(redis, &redis->retry_timer, backoff_ms(redis->attempts - 1));
        if (redis->options.on_down)
            redis->options.on_down(&down, redis->options.ctx);
    }
}

/* ---- connecting and losing ---- */

/* Ends the connection, or the attempt to make one. */
static void lose(struct redis *redis, const struct error *err)
{
    uint64_t written_bytes = redis_link_written_bytes(redis->link);
    bool was_up = redis->state == STATE_UP || redis->state == STATE_DRAINING;

    if (err != &redis->down)
        error_set(&redis->down, err->code, "%s: %s", redis->url.address, err->message);
    redis_link_free(redis->link);
    redis->link = NULL;
    ev_timer_stop(redis->loop, &redis->deadline_timer);
    requests_fail_all(&redis->requests, written_bytes, redis->down.message);
    if (was_up && clock_mono_ms() - redis->up_since_mono_ms >= BACKOFF_MS_MAX)
        redis->attempts = 0;
    redis->attempts++;
    redis->state = redis->options.once && redis->up_since_mono_ms == 0 ? STATE_STOPPED : STATE_WAITING; /* it was never up */
    redis->news = NEWS_DOWN;
    arm(redis, &redis->news_timer, 0);
}

static void cut(struct redis *redis, const char *why)
{
    struct error err;

    error_set(&err, ERR_UNAVAILABLE, "%s", why);
    lose(redis, &err);
}

/* No new calls; those on their way get their answers first. */
static void drain(struct redis *redis, const char *why)
{
    redis->state = STATE_DRAINING;
    error_set(&redis->down, ERR_UNAVAILABLE, "%s: %s", redis->url.address, why);
}

static void on_ready(void *ctx)
{
    struct redis *redis = ctx;

    redis->news = NEWS_UP;
    arm(redis, &redis->news_timer, 0);
}

static void on_lost(const struct error *err, void *ctx)
{
    lose(ctx, err);
}

static void on_replied(const struct reply *reply, const char *error, void *tag, void *ctx)
{
    struct redis *redis = ctx;
    struct error err;

    if (error) {
        redis_error_set(&err, error);
        if (redis_error_is_readonly(error) && redis->state == STATE_UP)
            drain(redis, "the server is a read-only replica");
    }
    redis->in_callback = true;
    requests_answer(&redis->requests, tag, reply, error ? &err : NULL);
    redis->in_callback = false;
    if (redis->state == STATE_DRAINING && redis->requests.pending_count == 0)
        lose(redis, &redis->down);
}

static const struct redis_link_events link_events = {.ready = on_ready, .replied = on_replied, .lost = on_lost};

static void on_retry(struct ev_loop *loop, ev_timer *watcher, int events)
{
    struct redis *redis = watcher->data;
    const struct redis_link_options options = {
        .url = &redis->url,
        .client_name = redis->options.client_name,
        .password_file = redis->options.password_file,
        .connect_timeout_ms = redis->options.connect_timeout_ms,
        .events = &link_events,
        .ctx = redis,
    };

    (void)events;
    redis->state = STATE_CONNECTING;
    redis->link = redis_link_new(loop, &options);
    redis_link_start(redis->link);
}

/* ---- time-outs ---- */

/* Sees to it that on_deadline runs at `deadline_mono_ms` at the latest. */
static void watch_deadline(struct redis *redis, int64_t deadline_mono_ms, int64_t now_mono_ms)
{
    if (ev_is_active(&redis->deadline_timer) && redis->deadline_mono_ms <= deadline_mono_ms)
        return;
    redis->deadline_mono_ms = deadline_mono_ms;
    arm(redis, &redis->deadline_timer, deadline_mono_ms > now_mono_ms ? deadline_mono_ms - now_mono_ms : 0);
}

static void on_deadline(struct ev_loop *loop, ev_timer *watcher, int events)
{
    struct redis *redis = watcher->data;
    const struct request *urgent = requests_most_urgent(&redis->requests);
    int64_t now_mono_ms = clock_mono_ms();
    char why[64];

    (void)loop;
    (void)events;
    if (!urgent)
        return;
    if (now_mono_ms - urgent->deadline_mono_ms > LATE_MS && requests_forgive(&redis->requests, now_mono_ms))
        urgent = requests_most_urgent(&redis->requests);
    if (urgent->deadline_mono_ms > now_mono_ms) {
        watch_deadline(redis, urgent->deadline_mono_ms, now_mono_ms);
        return;
    }
    snprintf(why, sizeof why, "no reply for %lld ms", (long long)urgent->timeout_ms);
    cut(redis, why);
}

/* ---- for everybody ---- */

static void init_timer(struct redis *redis, ev_timer *timer, void (*cb)(struct ev_loop *, ev_timer *, int))
{
    ev_init(timer, cb);
    timer->data = redis;
}

struct redis *redis_new(struct ev_loop *loop, const struct redis_options *options, struct error *err)
{
    struct redis_url url;
    struct redis *redis;

    if (redis_url_parse(&url, options->url, err) < 0)
        return NULL;
    if (url.tls && !redis_tls_is_built()) {
        error_set(err, ERR_INVALID, "%s: this build has no TLS (hiredis_ssl); use redis:// through a tunnel", url.address);
        redis_url_clear(&url);
        return NULL;
    }
    redis = memory_new(sizeof *redis);
    redis->loop = loop;
    redis->url = url;
    redis->options = *options;
    redis->options.url = NULL; /* `url` holds it, parsed */
    redis->options.client_name = memory_string(options->client_name);
    redis->options.password_file = memory_string(options->password_file);
    if (redis->options.connect_timeout_ms == 0)
        redis->options.connect_timeout_ms = CONNECT_TIMEOUT_MS;
    requests_init(&redis->requests);
    error_set(&redis->down, ERR_UNAVAILABLE, "%s: not connected yet", url.address);
    init_timer(redis, &redis->news_timer, on_news);
    init_timer(redis, &redis->retry_timer, on_retry);
    init_timer(redis, &redis->deadline_timer, on_deadline);
    ev_set_priority(&redis->deadline_timer, EV_MINPRI); /* after the replies that came in the same turn */
    arm(redis, &redis->retry_timer, 0);
    return redis;
}

void redis_free(struct redis *redis)
{
    struct error err;

    if (!redis)
        return;
    assert(!redis->in_callback);
    error_set(&err, ERR_UNAVAILABLE, "the connection was closed by us");
    if (redis->link)
        lose(redis, &err);
    redis->state = STATE_STOPPED;
    while (!STAILQ_EMPTY(&redis->requests.failed))
        tell_failed(redis);
    ev_timer_stop(redis->loop, &redis->news_timer);
    ev_timer_stop(redis->loop, &redis->retry_timer);
    ev_timer_stop(redis->loop, &redis->deadline_timer);
    redis_url_clear(&redis->url);
    free((char *)redis->options.client_name);
    free((char *)redis->options.password_file);
    free(redis);
}

bool redis_is_up(const struct redis *redis)
{
    return redis->state == STATE_UP;
}

static uint64_t unwritten_bytes(const struct redis *redis)
{
    return redis_link_queued_bytes(redis->link) - redis_link_written_bytes(redis->link);
}

void redis_send(struct redis *redis, const struct call *call, int64_t timeout_ms, redis_cb *cb, void *ctx)
{
    int64_t now_mono_ms = clock_mono_ms();
    struct request *request = request_new(cb, ctx, timeout_ms, now_mono_ms);

    assert(timeout_ms > 0 && call->count > 0);
    if (redis->state != STATE_UP) {
        fail(redis, request, redis->state == STATE_STOPPED ? redis->down.code : ERR_UNAVAILABLE, redis->down.message);
        return;
    }
    if (unwritten_bytes(redis) + call->length > REDIS_OUTPUT_BYTES_MAX || !redis_link_send(redis->link, call, request)) {
        fail(redis, request, ERR_UNAVAILABLE, "more waits to be sent to redis than it takes");
        return;
    }
    requests_add(&redis->requests, request, redis_link_queued_bytes(redis->link));
    watch_deadline(redis, request->deadline_mono_ms, now_mono_ms);
}

/* A call that somebody waits for. */
struct wait {
    redis_cb *cb;
    void *ctx;
    bool done;
};

static void on_waited(const struct reply *reply, const struct error *err, void *ctx)
{
    struct wait *wait = ctx;

    wait->done = true;
    wait->cb(reply, err, wait->ctx);
}

void redis_send_wait(struct redis *redis, const struct call *call, int64_t timeout_ms, redis_cb *cb, void *ctx)
{
    struct wait wait = {.cb = cb, .ctx = ctx};
    struct error err;

    if (redis_wait_up(redis, timeout_ms, &err) < 0) {
        cb(NULL, &err, ctx);
        return;
    }
    redis_send(redis, call, timeout_ms, on_waited, &wait);
    redis_run_until(redis, &wait.done);
}

static void on_wait_over(struct ev_loop *loop, ev_timer *watcher, int events)
{
    (void)loop;
    (void)watcher;
    (void)events; /* it only ends a turn of the loop */
}

/* True while the connection may still come up by itself: a wrong password does not get better by waiting. */
static bool may_come_up(const struct redis *redis)
{
    return redis->state != STATE_STOPPED && (redis->state != STATE_WAITING || redis->down.code == ERR_UNAVAILABLE);
}

int redis_wait_up(struct redis *redis, int64_t timeout_ms, struct error *err)
{
    int64_t end_mono_ms = clock_mono_ms() + timeout_ms;
    ev_timer over;

    assert(!redis->in_callback);
    ev_init(&over, on_wait_over);
    ev_now_update(redis->loop);
    arm(redis, &over, timeout_ms);
    while (redis->state != STATE_UP && may_come_up(redis) && clock_mono_ms() < end_mono_ms)
        ev_run(redis->loop, EVRUN_ONCE);
    ev_timer_stop(redis->loop, &over);
    if (redis->state == STATE_UP)
        return 0;
    *err = redis->down;
    return err->code;
}

void redis_run_until(struct redis *redis, const bool *done)
{
    assert(!redis->in_callback);
    while (!*done)
        ev_run(redis->loop, EVRUN_ONCE);
}

unsigned redis_pending(const struct redis *redis)
{
    return redis->requests.pending_count;
}

void redis_reconnect(struct redis *redis)
{
    if (redis->link)
        cut(redis, "a new connection was asked for");
}

const char *redis_address(const struct redis *redis)
{
    return redis->url.address;
}

bool redis_is_local(const struct redis *redis)
{
    return redis_url_is_local(&redis->url);
}

bool redis_is_encrypted(const struct redis *redis)
{
    return redis->url.tls;
}

const char *redis_user(const struct redis *redis)
{
    return redis->url.user ? redis->url.user : "default";
}
