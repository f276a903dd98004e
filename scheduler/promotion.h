/* promotion.h - makes delayed jobs ready when they are due.
 *
 * Sleeps in each lane until the next job is due, and at most a second; an enqueue of an earlier one leaves a token in wake_due,
 * which is popped on a connection of its own. */
#pragma once

#include "scheduler/duty.h"

struct promotion;

#define PROMOTION_SLEEP_MS_MAX 1000

/* `listener` is a connection for blocking; borrowed, used for nothing else while the duty lives. `on_woken` (NULL: nobody) hears
 * of the tokens, too: what is due earlier may be something else. */
struct promotion *promotion_new(const struct duty *duty, struct redis *listener, void (*on_woken)(uint32_t lane, void *ctx),
                                void *ctx);
void promotion_free(struct promotion *promotion);

/* The listener's on_up: listens at once. */
void promotion_resume(struct promotion *promotion);
