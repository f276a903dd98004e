/* client.h - one connection of common/redis.h under test, in a loop of its own, and what became of each call. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ev.h>

#include "common/clock.h"
#include "common/redis.h"

#define CLIENT_MS_MAX 10000 /* that a test waits for a condition */

/* A call and its end. All zeroes: not sent yet. */
struct outcome {
    unsigned runs;        /* of the callback: 1 in the end */
    bool inside;          /* redis_send has not returned */
    enum error_code code; /* 0: a reply */
    char message[512];
    char text[256]; /* of a reply that is a string */
    int64_t number; /* of one that is an integer */
};

struct client {
    struct ev_loop *loop;
    struct redis *redis;
    unsigned ups, downs;
    struct error down;                       /* of the last on_down */
    void (*after_up)(struct client *client); /* called by on_up and on_down, may be NULL */
    void (*after_down)(struct client *client);
    ev_timer tick; /* keeps client_turn short */
};

/* A client with a loop and no connection yet. */
struct client *client_new(void);

/* Connects. `options` as for redis_new, where url NULL stands for `url`; NULL for all defaults. */
void client_connect(struct client *client, const char *url, const struct redis_options *options);

/* The same, and waits until it is up. */
void client_connect_up(struct client *client, const char *url);

void client_free(struct client *client);

/* One turn of the loop, at most some ms. */
void client_turn(struct client *client);

/* As many turns as go into `ms`. */
void client_turn_for_ms(struct client *client, int64_t ms);

/* Turns the loop until `condition` is true, and fails the test if it never is. */
#define CLIENT_UNTIL(client, condition)                                     \
    do {                                                                    \
        int64_t end_ms = clock_mono_ms() + CLIENT_MS_MAX;                   \
        while (!(condition)) {                                              \
            if (clock_mono_ms() > end_ms)                                   \
                fail_msg("waited %d ms for %s", CLIENT_MS_MAX, #condition); \
            client_turn(client);                                            \
        }                                                                   \
    } while (0)

/* Sends the words up to NULL. The outcome must live until its end. */
void client_send(struct client *client, struct outcome *outcome, int64_t timeout_ms, ...) __attribute__((sentinel));

/* Sends one argument of `bytes` bytes: ECHO. */
void client_send_large(struct client *client, struct outcome *outcome, int64_t timeout_ms, size_t bytes);

/* Sends, and waits for the end. */
struct outcome client_call(struct client *client, ...) __attribute__((sentinel));

/* The callback behind these, for calls that a test sends itself; `ctx` is an outcome. */
void client_on_reply(const struct reply *reply, const struct error *err, void *ctx);
