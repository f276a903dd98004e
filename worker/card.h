/* card.h - the cards of a worker (common/card.h): one for each of its sessions, however many lanes the session lives in.
 *
 * Written when a session opens and every few seconds from then on, with what the worker is at that moment. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/capsule_plan.h"
#include "common/handler.h"
#include "common/redis.h"
#include "worker/lane.h"
#include "worker/slot.h"

struct worker_card;

struct worker_card_options {
    struct ev_loop *loop;
    struct redis *redis;
    const struct capsule_plans *capsules; /* whose slots and queues it names; borrowed */
    const struct handlers *handlers;      /* whose types it names; borrowed */
    const struct slots *slots;            /* who know which of them are broken; borrowed */
};

/* The worker starts now, by the local clock, and is "running". */
struct worker_card *worker_card_new(const struct worker_card_options *options);

/* To be called after its redis was freed, or before. NULL is fine. */
void worker_card_free(struct worker_card *card);

/* The lanes whose sessions have cards, from now on; borrowed. */
void worker_card_follow(struct worker_card *card, struct lane *const *lanes, uint32_t count);

/* What the worker does from now on ("running", "quiet", "draining"), and what was asked of it by whom; written at once. Copies.
 */
void worker_card_tell(struct worker_card *card, const char *phase, const char *asked, const char *asked_by);

/* The last order that was carried out has this number; written at once. */
void worker_card_obey(struct worker_card *card, int64_t order);

/* A dump that was asked for as number `number`. */
void worker_card_dump(struct worker_card *card, int64_t number, const char *text);

/* The lane has opened a session. */
void worker_card_write(struct worker_card *card, const struct lane *lane);

/* What it says has changed: writes all. */
void worker_card_refresh(struct worker_card *card);

/* All sessions end, in good order. */
void worker_card_end(struct worker_card *card);
