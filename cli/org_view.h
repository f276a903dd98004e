/* org_view.h - an organization as the function `org` tells it, and as `rota` shows it. Pure. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/id.h"
#include "common/reply.h"

#define ORG_QUEUES_MAX 16

/* Its part of one queue. */
struct org_queue {
    char name[NAME_BYTES_MAX + 1];
    int64_t ready;     /* jobs */
    bool active;       /* it can be served now */
    int64_t parked_ms; /* its rate limit has no token until then; 0: it is not parked */
};

struct org_view {
    char name[NAME_BYTES_MAX + 1];
    bool exists;
    json_t *fields; /* name -> text, all of its hash */
    struct org_queue queues[ORG_QUEUES_MAX];
    size_t queue_count;
    int64_t ready, waiting, running, scheduled, dead, done, cancelled;
    int64_t inbox;         /* entries in its private inbox; -1: it has none */
    int64_t next_due_ms;   /* of its earliest scheduled job; 0: none */
    int64_t wait_since_ms; /* since when its next job of any queue could run; 0: none, or not asked for */
};

/* Reads the reply. Gives: org_view_clear. */
void org_view_read(struct org_view *ret, const char *name, const struct reply *reply);
void org_view_clear(struct org_view *org);

/* A field of its hash; NULL if it is not set. Borrowed. */
const char *org_view_field(const struct org_view *org, const char *name);

/* "paused", "idle" (nothing waits, nothing runs), "capped" (at max_running, and more waits), "parked" (waits for its rate limit),
 * "limited" (all that waits waits for limits), or "active". */
const char *org_view_state(const struct org_view *org);

/* org state ready waiting running scheduled dead done cancelled oldest_wait_ms weight next_due_ms paused_by paused_ms
 * private_inbox_entries, settings{field: number or null (default)}, queues[{queue ready active parked_until_ms}]. Gives. */
json_t *org_view_to_json(const struct org_view *org, int64_t now_ms);
