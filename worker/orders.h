/* orders.h - what operators ask of a worker from elsewhere (`rota worker quiet`, ...).
 *
 * Each beat brings the last order of its session until there is another one, so that a lost reply loses nothing. Orders have
 * numbers that rise within a session; here each is carried out once. */
#pragma once

#include <stdint.h>

struct orders;

struct orders_options {
    uint32_t lanes;
    /* An order: "quiet", "resume", "stop" or "dump", its number, and who gave it. What no worker knows is not told. */
    void (*on_order)(const char *verb, int64_t number, const char *who, void *ctx);
    void *ctx;
};

struct orders *orders_new(const struct orders_options *options);
void orders_free(struct orders *orders); /* NULL is fine */

/* What a beat of `session` in `lane` has brought: "NUMBER VERB WHO" and "NUMBER WHO", or "". */
void orders_take(struct orders *orders, uint32_t lane, const char *session, const char *order, const char *dump);
