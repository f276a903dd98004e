/* redis.h - a connection to Redis that lives on: hiredis' async API on libev, with what it leaves to its users.
 *
 * Connects at once and again after each loss, with full-jitter back-off; authenticates, selects and names itself each time. Every
 * call has a time-out of ours; what it tells is honest: ERR_UNAVAILABLE and ERR_FULL mean that nothing was applied, ERR_UNKNOWN
 * that the call was sent and no reply came. Output is bounded. Single-threaded, in the loop it was given. RESP2.
 *
 * Programs ignore SIGPIPE. Host names are resolved off the loop (resolve.h); what is known about hiredis is in redis_link.h. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/call.h"
#include "common/error.h"
#include "common/reply.h"

struct ev_loop;
struct redis;

#define REDIS_OUTPUT_BYTES_MAX (64 * 1024 * 1024) /* queued and not yet written; calls beyond it get ERR_UNAVAILABLE */

struct redis_options {
    const char *url; /* redis://[user[:password]@]host[:port][/db], unix:///path[?db=N]; see redis_url.h. rediss:// where TLS is
                      * built in. Copied */
    const char *client_name;    /* CLIENT SETNAME; copied; NULL for none */
    const char *password_file;  /* read at each connect, wins over the password in the url; copied; NULL for none */
    int64_t connect_timeout_ms; /* from the name of the host to the last answer of the greeting; 0: 5000 */
    bool once;                  /* give up after the first failed connect: for the command line */
    /* Told in a turn of the loop of their own, never from inside a function of this header. `up` after AUTH, SELECT, SETNAME and
     * PING were answered (a server that is loading is not up); `down` once per loss, after the callbacks of the calls that it
     * took, and for each failed attempt to connect, with the reason: ERR_DENIED for a wrong password, ERR_PROTOCOL if this is no
     * Redis, ERR_UNAVAILABLE. Either may be NULL, and may call redis_free. */
    void (*on_up)(void *ctx);
    void (*on_down)(const struct error *err, void *ctx);
    void *ctx;
};

/* Runs exactly once per call, never before redis_send has returned. `reply` is NULL if `err` is not, and the other way round; an
 * error reply of the server arrives as `err`, classified (error.h), its text in the message. */
typedef void redis_cb(const struct reply *reply, const struct error *err, void *ctx);

/* Begins to connect. Borrows `loop`. NULL and `err` (ERR_INVALID) for a bad url. */
struct redis *redis_new(struct ev_loop *loop, const struct redis_options *options, struct error *err);

/* Closes; pending callbacks run first, with ERR_UNKNOWN or ERR_UNAVAILABLE (they must not send again for ever); on_down does not.
 * NULL is fine. Not to be called from a redis_cb. */
void redis_free(struct redis *redis);

bool redis_is_up(const struct redis *redis);

/* Sends `call` (its arguments are copied). While the connection is down: ERR_UNAVAILABLE (with `once`, after it gave up: the
 * reason).
 *
 * After `timeout_ms` (> 0) without a reply the connection is cut, since replies come in order: this call and all after it get
 * ERR_UNKNOWN, or ERR_UNAVAILABLE where their last byte was not written yet. If it was this program that was held up, the calls
 * on their way get a second time-out.
 *
 * A READONLY reply means that a failover has moved the primary: no further calls are taken, and a new connection is made once the
 * pending ones are answered. */
void redis_send(struct redis *redis, const struct call *call, int64_t timeout_ms, redis_cb *cb, void *ctx);

/* The three that follow run the loop themselves, for the command line and for start-up. ev_break does not end them. Not to be
 * called from a redis_cb. */

/* The same as redis_send, but waits until the connection is up, as redis_wait_up does, and then until the callback has run. */
void redis_send_wait(struct redis *redis, const struct call *call, int64_t timeout_ms, redis_cb *cb, void *ctx);

/* Runs the loop until the connection is up, at most `timeout_ms`; not even that long if waiting will not help, as with a wrong
 * password. On failure `err` says what keeps it down. */
int redis_wait_up(struct redis *redis, int64_t timeout_ms, struct error *err) MUST_CHECK;

/* Runs the loop until a callback has set *done. Every call has a time-out, so that it ends. */
void redis_run_until(struct redis *redis, const bool *done);

/* Calls sent and not yet answered. */
unsigned redis_pending(const struct redis *redis);

/* Cuts the connection and connects again: for a caller that has reason to distrust it. */
void redis_reconnect(struct redis *redis);

/* "unix:///run/redis.sock" or "redis://host:6379/0", without user and password: for messages. */
const char *redis_address(const struct redis *redis);

/* True if the connection stays on this machine: a unix socket, 127.0.0.0/8, ::1 or localhost. */
bool redis_is_local(const struct redis *redis);

bool redis_is_encrypted(const struct redis *redis);

/* The user we log in as: "default" if the url names none. */
const char *redis_user(const struct redis *redis);
