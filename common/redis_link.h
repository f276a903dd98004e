/* redis_link.h - one connection to Redis from the name of its host to its end; redis.c opens the next one.
 *
 * The only user of hiredis' connections (reply.c reads its replies). Facts of hiredis (0.14.1, Debian 12; 1.2, Debian 13) that
 * end here: a reply is ours only inside its callback; a lost connection hands every pending callback a NULL; when
 * redisAsyncCommand fails its callback never runs; there are no time-outs; no descriptor is close-on-exec; connecting by name
 * blocks; the context must not be freed inside its connect callback, and is freed by hiredis after a failed connect; a partial
 * write moves the rest of the output. */
#pragma once

#include <stdint.h>

#include "common/call.h"
#include "common/error.h"
#include "common/redis_url.h"
#include "common/reply.h"

struct ev_loop;
struct redis_link;

/* What a link tells. None of them but `lost` runs before redis_link_start has returned. */
struct redis_link_events {
    /* Connected, and AUTH, SELECT, CLIENT SETNAME and PING are answered: calls may be sent. */
    void (*ready)(void *ctx);
    /* The reply to the call that was sent with `tag`; `error` is the text of an error reply, then `reply` is NULL. */
    void (*replied)(const struct reply *reply, const char *error, void *tag, void *ctx);
    /* Over: could not connect, was refused (ERR_DENIED, ERR_UNAVAILABLE while Redis loads, ...), or was lost. The last event. */
    void (*lost)(const struct error *err, void *ctx);
};

struct redis_link_options {
    const struct redis_url *url; /* borrowed, as all of these */
    const char *client_name;     /* NULL for none */
    const char *password_file;   /* NULL for none; wins over the password in `url` */
    int64_t connect_timeout_ms;  /* from start to ready */
    const struct redis_link_events *events;
    void *ctx;
};

/* A link that does nothing yet. Borrows `loop` and all that `options` names. Gives. */
struct redis_link *redis_link_new(struct ev_loop *loop, const struct redis_link_options *options);

/* Begins to connect. May tell `lost` at once. */
void redis_link_start(struct redis_link *link);

/* Sends after `ready`. False if it cannot be sent; then there is no reply. */
bool redis_link_send(struct redis_link *link, const struct call *call, void *tag);

/* Bytes handed to the link so far, and those of them that the kernel took; readable until redis_link_free. */
uint64_t redis_link_queued_bytes(const struct redis_link *link);
uint64_t redis_link_written_bytes(const struct redis_link *link);

/* Closes and frees, silently; also from inside any of the events. NULL is fine. */
void redis_link_free(struct redis_link *link);
