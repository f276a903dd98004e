/* session.h - one run of a process, in one lane: opened, kept alive by beats, and lost or closed.
 *
 * Beats go out every beat_ms, whatever else the process does, and again at once after each reconnect. A beat that gets no answer
 * is simply followed by the next one. When Redis says that the session is over, on_lost is called and a new session, with a new
 * id, is opened in its place. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/redis.h"

struct session;

#define SESSION_MS_MIN    1000
#define SESSION_MS_MAX    (60 * 60 * 1000)
#define SESSION_BEATS_MIN 3 /* that must fit into the time-out */

struct session_options {
    uint32_t lane;
    const char *kind;            /* "worker" or "scheduler"; borrowed */
    const char *id;              /* of the first session, or NULL to draw one; copied */
    int64_t timeout_ms, beat_ms; /* see session_check */
    /* It is open: jobs may be claimed with session_id(). Also called for each session that follows a lost one. */
    void (*on_open)(void *ctx);
    /* A beat was answered: `held` leases are held after it; `cancelled` is an array of names (org/id) of jobs to stop. */
    void (*on_beat)(int64_t held, const struct reply *cancelled, void *ctx);
    /* A beat has brought what an operator has asked for last (function `order` in docs/PROTOCOL.md), again and again: texts, ""
     * for nothing, not both. Borrowed. NULL for none. */
    void (*on_orders)(const char *order, const char *dump, void *ctx);
    /* The session is over: what it held belongs to others. A new one is being opened. */
    void (*on_lost)(void *ctx);
    void *ctx;
};

/* Checks time-out and beat: SESSION_MS_MIN..SESSION_MS_MAX and at least SESSION_BEATS_MIN beats in it. */
int session_check(int64_t timeout_ms, int64_t beat_ms, struct error *err) MUST_CHECK;

/* Begins to open a session. Borrows `redis` and `loop`. */
struct session *session_new(struct ev_loop *loop, struct redis *redis, const struct session_options *options);

/* Stops beating, without a word to Redis. NULL is fine. */
void session_free(struct session *session);

/* The owner's on_up: opens or beats at once. */
void session_resume(struct session *session);

bool session_is_open(const struct session *session);
const char *session_id(const struct session *session);

/* A claim or finish was answered 'lost': the same as a beat that is. */
void session_tell_lost(struct session *session);

/* Closes: hands back what is held, in steps, then calls `closed` (also if Redis is away: the session will be recovered). No other
 * callback runs after this call. */
void session_close(struct session *session, void (*closed)(void *ctx), void *ctx);
