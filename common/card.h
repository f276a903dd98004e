/* card.h - what is kept of a process when it is gone: `rota:worker:<session>` (hash, 30 days) and its line in `rota:workers`.
 *
 * Only for people and for `rota worker`; nothing is decided by it. Written with plain commands, without waiting for answers. */
#pragma once

#include <stdint.h>

#include "common/redis.h"

#define CARD_KEEP_S        (30 * 24 * 3600)
#define CARD_DUMP_KEEP_S   600
#define CARD_WHO_BYTES_MAX 128

struct card {
    const char *session, *kind, *queues, *types; /* queues and types: space-separated */
    const char *capsules;                        /* "NAME:SLOTS:QUEUE=WEIGHT,...", space-separated; NULL for none */
    int slots;
    int64_t started_ms;
    const char
        *broken; /* "TYPE MS ...": types whose handler is broken, and until when they are not claimed; NULL or "" for none */
    const char *phase; /* "running", "quiet", "draining" */
    /* The last that was asked of it, "quiet", "resume", "stop" or "dump", by whom and when; NULL for nothing yet. */
    const char *asked, *asked_by;
    int64_t asked_ms;
    int64_t order; /* the number of the last order that was carried out; 0 */
};

/* Writes the card of a session that has begun, and again every few seconds while it lives: then it has 30 days again, and one
 * that was lost is back. */
void card_write(struct redis *redis, const struct card *card);

/* What was asked for as dump number `number`: kept for CARD_DUMP_KEEP_S in `rota:worker:<session>:dump`, the number and a space
 * in front. */
void card_write_dump(struct redis *redis, const char *session, int64_t number, const char *text);

/* Notes that it has ended and why: "stopped", "lost". */
void card_end(struct redis *redis, const char *session, const char *why);
