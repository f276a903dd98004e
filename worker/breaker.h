/* breaker.h - a handler that is broken is not tried again and again. Pure: who calls brings the clock.
 *
 * One that cannot even be started (exec fails) opens its breaker at once. An exit status that says "broken" (126, 127) may come
 * from within a healthy script, and then from a job's payload; it opens the breaker only after three jobs in a row, of more than
 * one organization. So no organization alone can stop the type for the others.
 *
 * While it is open the worker does not claim jobs of that type: for 5 s, then twice as long each time, up to 5 min. Then one job
 * tries it. A try that does not end as broken closes the breaker; one that was stopped from outside has told nothing. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/buffer.h"
#include "common/id.h"

#define BREAKER_PAUSE_MS_MIN 5000
#define BREAKER_PAUSE_MS_MAX (5 * 60 * 1000)
#define BREAKER_IN_A_ROW     3

/* All zeroes is closed. */
struct breaker {
    unsigned broken_in_a_row;
    char org[NAME_BYTES_MAX + 1]; /* of the first of them */
    bool of_many_orgs;
    int64_t pause_ms;      /* 0: closed */
    int64_t open_until_ms; /* from then on one job may try */
    bool trying;
};

/* How a job of the handler has ended. */
enum breaker_news { BREAKER_FINE, BREAKER_NOTHING, BREAKER_EXIT, BREAKER_EXEC };

/* What the news has changed. */
enum breaker_change { BREAKER_SAME, BREAKER_OPENED, BREAKER_CLOSED };

/* True if jobs of the handler may be claimed at `now_ms` (a monotonic clock). */
bool breaker_lets_claim(const struct breaker *breaker, int64_t now_ms);

/* A job was claimed: may it start? `ret_try`: it is the one that tries, which breaker_note has to be told. */
bool breaker_lets_start(struct breaker *breaker, int64_t now_ms, bool *ret_try);

/* It has ended. `org`: its organization; `try`: it was the one that tried. */
enum breaker_change breaker_note(struct breaker *breaker, enum breaker_news news, const char *org, bool try, int64_t now_ms);

/* The breakers of a worker, by the type that their handlers have in the configuration. All zeroes has none. */
struct breakers {
    struct breaker_of_type {
        char type[TYPE_BYTES_MAX + 1];
        struct breaker breaker;
    } *items;
    size_t count;
};

/* That of a type, made if need be; borrowed until the next call. And without making it: NULL if there is none. */
struct breaker *breakers_get(struct breakers *breakers, const char *type);
const struct breaker *breakers_find(const struct breakers *breakers, const char *type);

/* Appends "TYPE MS" for each open one, with spaces between: open until MS by the wall clock. */
void breakers_format(const struct breakers *breakers, struct buffer *out, int64_t now_mono_ms, int64_t now_ms);
void breakers_clear(struct breakers *breakers);
