/* sleeper.h - waiting for work without polling: BZPOPMIN on the wake-up tokens of all lanes, on a connection of its own.
 *
 * A token wakes exactly one sleeper. After at most two seconds it comes back without one: the safety net for a token that a
 * worker took and died with. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/redis.h"

struct sleeper;

#define SLEEP_MS_MIN 1000
#define SLEEP_MS_MAX 2000

struct sleeper_options {
    struct ev_loop *loop;
    struct redis *redis;       /* blocks: nothing else may be sent on it */
    struct redis *other_redis; /* does not block: ends a sleep early */
    uint32_t lanes;
    const char *const *queues; /* borrowed */
    size_t queue_count;
    /* There is work in `lane` (a token was there), or -1: time is over. It sleeps no more. `key` is the token's, for passing it
     * on; `quiet`: it was left for organizations that have nothing running. */
    void (*on_wake)(int64_t lane, const char *key, bool quiet, void *ctx);
    void *ctx;
};

struct sleeper *sleeper_new(const struct sleeper_options *options);

/* To be called after its redis was freed. NULL is fine. */
void sleeper_free(struct sleeper *sleeper);

/* Sleeps, unless it does already; `quiet`: only for work of organizations that have nothing running. A quiet sleep is ended if
 * now any work will do. */
void sleeper_sleep(struct sleeper *sleeper, bool quiet);
