#include "common/redis_link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ev.h>
#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#include <hiredis/adapters/libev.h>
#include <hiredis/sds.h>

#include "common/file.h"
#include "common/memory.h"
#include "common/redis_error.h"
#include "common/redis_tls.h"
#include "common/resolve.h"

#define PASSWORD_BYTES_MAX 4096

struct redis_link {
    struct ev_loop *loop;
    struct redis_link_options options;
    char *password;
    ev_timer connect_timer;
    struct resolve *resolve;
    struct addresses addresses;
    unsigned next_address;
    struct error failure;  /* of the address tried last */
    redisAsyncContext *ac; /* NULL before connecting and after the end */
    struct ssl_st *tls;    /* of `ac`, or NULL */
    struct call call;      /* scratch of the greeting */
    const char **argv;     /* scratch of send_call */
    size_t *argv_bytes;
    int argv_slots;
    uint64_t queued_bytes, written_bytes; /* the latter is counted when `ac` goes */
};

/* ---- the end ---- */

/* Lets go of the context: its callbacks find no link from now on. Whoever calls this sees to it that the context is freed. */
static redisAsyncContext *detach(struct redis_link *link)
{
    redisAsyncContext *ac = link->ac;

    if (ac) {
        link->written_bytes = redis_link_written_bytes(link);
        ac->data = NULL;
        link->ac = NULL;
        link->tls = NULL;
    }
    return ac;
}

static void close_all(struct redis_link *link)
{
    redisAsyncContext *ac = detach(link);

    ev_timer_stop(link->loop, &link->connect_timer);
    resolve_free(link->resolve);
    link->resolve = NULL;
    if (ac)
        redisAsyncFree(ac);
}

/* Tells that it is over; `link` may be gone afterwards. */
static void lose(struct redis_link *link, const struct error *err)
{
    close_all(link);
    link->options.events->lost(err, link->options.ctx);
}

static void on_disconnect(const redisAsyncContext *ac, int status)
{
    struct redis_link *link = ac->data;
    struct error err;

    (void)status;
    if (!link)
        return;
    if (redis_tls_check(link->tls, &err) == 0)
        error_set(&err, ac->c.err == REDIS_ERR_PROTOCOL ? ERR_PROTOCOL : ERR_UNAVAILABLE, "connection lost: %s", ac->c.errstr);
    detach(link); /* hiredis frees it */
    lose(link, &err);
}

/* ---- calls ---- */

/* Sends `call`. False if hiredis refuses: the callback will never run. */
static bool send_call(struct redis_link *link, const struct call *call, redisCallbackFn *on_answer, void *tag)
{
    size_t before = sdslen(link->ac->c.obuf);

    if (call->count > link->argv_slots) {
        link->argv_slots = call->count * 2;
        link->argv = memory_resize(link->argv, (size_t)link->argv_slots * sizeof *link->argv);
        link->argv_bytes = memory_resize(link->argv_bytes, (size_t)link->argv_slots * sizeof *link->argv_bytes);
    }
    for (int i = 0; i < call->count; i++)
        link->argv[i] = call_argument(call, i, &link->argv_bytes[i]);
    if (redisAsyncCommandArgv(link->ac, on_answer, tag, call->count, link->argv, link->argv_bytes) != REDIS_OK)
        return false;
    link->queued_bytes += sdslen(link->ac->c.obuf) - before;
    return true;
}

static void on_reply(redisAsyncContext *ac, void *r, void *tag)
{
    struct redis_link *link = ac->data;
    const redisReply *reply = r;

    if (!link || !reply)
        return; /* the connection ended: `lost` tells it for all calls */
    if (reply->type == REDIS_REPLY_ERROR)
        link->options.events->replied(NULL, reply->str, tag, link->options.ctx);
    else
        link->options.events->replied((const struct reply *)(const void *)reply, NULL, tag, link->options.ctx);
}

/* ---- the greeting: who we are and where to, then a PING, which a server that is still loading refuses; all in one write ---- */

enum greeting { GREETING_AUTH, GREETING_SELECT, GREETING_NAME, GREETING_PING };

static const char *const greeting_names[] = {"log in", "select the database", "set the name", "ping"};

/* True if this error does not matter: the name is only for people, and a user may lack the right to PING. */
static bool is_harmless(enum greeting greeting, const struct error *err)
{
    return greeting == GREETING_NAME || (greeting == GREETING_PING && strncmp(err->message, "NOPERM", strlen("NOPERM")) == 0);
}

static void on_greeting(redisAsyncContext *ac, void *r, void *tag)
{
    struct redis_link *link = ac->data;
    enum greeting greeting = (enum greeting)(uintptr_t)tag;
    const redisReply *reply = r;
    struct error err;

    if (!link || !reply)
        return;
    if (reply->type == REDIS_REPLY_ERROR && (redis_error_set(&err, reply->str), !is_harmless(greeting, &err))) {
        error_wrap(&err, "%s", greeting_names[greeting]);
        lose(link, &err);
        return;
    }
    if (greeting == GREETING_PING) {
        ev_timer_stop(link->loop, &link->connect_timer);
        link->options.events->ready(link->options.ctx);
    }
}

static void greet(struct redis_link *link, enum greeting greeting)
{
    send_call(link, &link->call, on_greeting, (void *)(uintptr_t)greeting);
}

static void greet_all(struct redis_link *link)
{
    const struct redis_link_options *options = &link->options;
    struct call *call = &link->call;

    if (options->url->user || link->password) {
        call_command(call, "AUTH");
        if (options->url->user)
            call_add_string(call, options->url->user);
        call_add_string(call, link->password ? link->password : "");
        greet(link, GREETING_AUTH);
        explicit_bzero(call->bytes, call->length);
    }
    if (options->url->database > 0) {
        call_command(call, "SELECT");
        call_add_int(call, options->url->database);
        greet(link, GREETING_SELECT);
    }
    if (options->client_name) {
        call_command(call, "CLIENT");
        call_add_string(call, "SETNAME");
        call_add_string(call, options->client_name);
        greet(link, GREETING_NAME);
    }
    call_command(call, "PING");
    greet(link, GREETING_PING);
}

/* ---- connecting ---- */

static void connect_next(struct redis_link *link);

static void on_connect(const redisAsyncContext *ac, int status)
{
    struct redis_link *link = ac->data;

    if (!link)
        return;
    if (status == REDIS_OK) {
        greet_all(link);
        return;
    }
    error_set(&link->failure, ERR_UNAVAILABLE, "connect: %s", ac->c.errstr);
    detach(link); /* hiredis frees it */
    connect_next(link);
}

/* What the socket needs before the first byte. A fork between its creation and this cannot happen: one thread forks, this one. */
static int prepare_socket(struct redis_link *link, redisAsyncContext *ac, struct error *err)
{
    const struct redis_url *url = link->options.url;
    int on = 1, idle_s = 15, interval_s = 5, count = 3;

    fcntl(ac->c.fd, F_SETFD, FD_CLOEXEC);
    if (!url->host)
        return 0;
    setsockopt(ac->c.fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(ac->c.fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
    setsockopt(ac->c.fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
    setsockopt(ac->c.fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
    return url->tls ? redis_tls_start(&ac->c, url->host, &link->tls, err) : 0;
}

static int connect_to(struct redis_link *link, const char *address, struct error *err)
{
    const struct redis_url *url = link->options.url;
    redisAsyncContext *ac = url->host ? redisAsyncConnect(address, atoi(url->port)) : redisAsyncConnectUnix(address);
    int rc = 0;

    if (!ac)
        return error_set(err, ERR_IO, "connect: out of memory");
    if (ac->err)
        rc = error_set(err, ERR_UNAVAILABLE, "connect: %s", ac->errstr);
    if (rc == 0)
        rc = prepare_socket(link, ac, err);
    if (rc < 0) {
        redisAsyncFree(ac);
        return rc;
    }
    link->ac = ac;
    ac->data = link;
    redisLibevAttach(link->loop, ac); /* before the connect callback is set: that one arms the watcher */
    redisAsyncSetConnectCallback(ac, on_connect);
    redisAsyncSetDisconnectCallback(ac, on_disconnect);
    return 0;
}

/* Tries the addresses that are left; the last failure counts. */
static void connect_next(struct redis_link *link)
{
    while (link->next_address < link->addresses.count)
        if (connect_to(link, link->addresses.text[link->next_address++], &link->failure) == 0)
            return;
    lose(link, &link->failure);
}

static void on_resolved(const struct addresses *addresses, const struct error *err, void *ctx)
{
    struct redis_link *link = ctx;

    if (err) {
        lose(link, err);
        return;
    }
    link->addresses = *addresses;
    connect_next(link);
}

static void on_connect_timeout(struct ev_loop *loop, ev_timer *watcher, int events)
{
    struct redis_link *link = watcher->data;
    struct error err;

    (void)loop;
    (void)events;
    error_set(&err, ERR_UNAVAILABLE, "connect: no answer for %lld ms", (long long)link->options.connect_timeout_ms);
    lose(link, &err);
}

/* Gives the password of the file if one is named, else of the URL, else NULL. */
static int read_password(char **ret_password, const struct redis_link_options *options, struct error *err)
{
    size_t length;
    char *text;

    if (!options->password_file) {
        *ret_password = memory_string(options->url->password);
        return 0;
    }
    text = file_read(options->password_file, PASSWORD_BYTES_MAX, &length, err);
    if (!text)
        return error_wrap(err, "password");
    while (length > 0 && (text[length - 1] == '\n' || text[length - 1] == '\r'))
        text[--length] = '\0';
    *ret_password = text; /* gives */
    return 0;
}

/* ---- for redis.c ---- */

struct redis_link *redis_link_new(struct ev_loop *loop, const struct redis_link_options *options)
{
    struct redis_link *link = memory_new(sizeof *link);

    link->loop = loop;
    link->options = *options;
    ev_timer_init(&link->connect_timer, on_connect_timeout, (double)options->connect_timeout_ms / 1000., 0.);
    link->connect_timer.data = link;
    return link;
}

void redis_link_start(struct redis_link *link)
{
    const struct redis_url *url = link->options.url;
    const char *address = url->host ? url->host : url->path;
    unsigned char numeric[sizeof(struct in6_addr)];
    struct error err;

    ev_timer_start(link->loop, &link->connect_timer);
    if (read_password(&link->password, &link->options, &err) < 0) {
        lose(link, &err);
        return;
    }
    if (!url->host || inet_pton(AF_INET, address, numeric) == 1 || inet_pton(AF_INET6, address, numeric) == 1) {
        link->addresses.count = 1;
        snprintf(link->addresses.text[0], sizeof link->addresses.text[0], "%s", address);
        connect_next(link);
        return;
    }
    link->resolve = resolve_new(link->loop, url->host, on_resolved, link, &err);
    if (!link->resolve)
        lose(link, &err);
}

bool redis_link_send(struct redis_link *link, const struct call *call, void *tag)
{
    return link->ac && send_call(link, call, on_reply, tag);
}

uint64_t redis_link_queued_bytes(const struct redis_link *link)
{
    return link->queued_bytes;
}

uint64_t redis_link_written_bytes(const struct redis_link *link)
{
    return link->ac ? link->queued_bytes - sdslen(link->ac->c.obuf) : link->written_bytes;
}

void redis_link_free(struct redis_link *link)
{
    if (!link)
        return;
    close_all(link);
    if (link->password)
        explicit_bzero(link->password, strlen(link->password));
    free(link->password);
    call_clear(&link->call);
    free(link->argv);
    free(link->argv_bytes);
    free(link);
}
