/* producer.h - puts jobs in: batches of plain jobs of type "noop", organization after organization. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bench/pipeline.h"
#include "common/buffer.h"
#include "common/call.h"

#define BATCH_MAX         128
#define RECORDS_BYTES_MAX (1024 * 1024) /* of one call */

struct producer {
    struct pipeline pipeline;
    unsigned orgs, batch, under_way_max;
    size_t payload_bytes;
    /* Private. */
    unsigned next_org;
    uint32_t nonce;
    char *payload;
    struct call call;
    struct buffer record;
};

/* `batch` (1..128) jobs a call, organizations 0..orgs-1 in turn, at most `under_way_max` calls unanswered. */
void producer_open(struct producer *producer, const struct server *server, unsigned orgs, unsigned batch, unsigned under_way_max,
                   size_t payload_bytes);
void producer_close(struct producer *producer);

/* Sends the next batch, and first waits for replies as far as there are too many outstanding. */
void producer_send(struct producer *producer);

/* Sends `count` jobs (or a few more, to the end of a batch) and waits for all replies. */
void producer_fill(struct producer *producer, unsigned count);
