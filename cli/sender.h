/* sender.h - many jobs on their way to Redis: in calls of up to 128 jobs of one organization and less than 1 MiB, several under
 * way at once, and each job accepted exactly once whatever happens to the connection.
 *
 * A call that got no answer is repeated with the same records, which the function answers with "exists" where they were accepted
 * before. An id that was drawn and is taken is drawn again. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "cli/cli.h"
#include "common/request.h"

struct sender;

/* What became of one request. Strings are borrowed for the call. */
struct sent {
    size_t number; /* of the request, as sender_add was told */
    const char *org, *id;
    const char *answer; /* as lua/enqueue.lua has it: "new", "exists", "coalesced", "queue_full", ...; "failed" if Redis has not
                         * taken it for certain; "unknown" if it was sent and nobody knows what became of it */
    const char *owner;  /* of "coalesced" and "conflict": the id of the job with the same key; else "" */
    size_t payload_bytes;
    const struct error *err; /* of "failed" and "unknown"; else NULL */
};

/* Told in the order of the requests. May not call the sender, but cli_call. */
typedef void sender_cb(const struct sent *sent, void *ctx);

/* A sender for a connected `cli` (borrowed), that repeats calls for `retry_ms` while Redis is away. Gives. */
struct sender *sender_new(struct cli *cli, int64_t retry_ms, sender_cb *cb, void *ctx);

/* Takes note of a request (copied), and sends what makes a full call. `number` is whatever the caller knows it by. May wait for
 * answers. ERR_INVALID or ERR_LIMIT for a request that no call could carry: then nothing is told of it. */
int sender_add(struct sender *sender, const struct request *request, size_t number, struct error *err) MUST_CHECK;

/* The same refusals, without sending. */
int sender_check(const struct request *request, struct error *err) MUST_CHECK;

/* Sends the rest and waits until everything was told. */
void sender_finish(struct sender *sender);

/* Frees a sender that is finished. NULL is fine. */
void sender_free(struct sender *sender);
