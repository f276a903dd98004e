/* job_bytes.h - what the tests of common/job.h share: bytes as they stand in Redis, and the decoders on copies of them. */
#pragma once

#include "common/job.h"
#include "tests/unit/unit.h"

struct bytes {
    const char *data;
    size_t length;
};

#define BYTES_OF(text) {(text), sizeof(text) - 1}
#define BYTES(text)    ((struct bytes)BYTES_OF(text))

/* docs/PROTOCOL.md, section 4.2: a dead job, and the same while it ran. */
static const struct bytes dead_state __attribute__((unused)) =
    BYTES_OF("\x9c\xcf\x00\x00\x01\xa1\xf8\x26\xed\xec\xc0\xc0\xc0\x00\x01\x01\xc0\xc0\x91\x96"
             "\x01\xa2w1\xcf\x00\x00\x01\xa1\xf8\x26\xef\x28\xcf\x00\x00\x01\xa1\xf8\x26\xf4\x14"
             "\xa4lost\xa0\xa7"
             "crashes\xc0");
static const struct bytes running_state __attribute__((unused)) =
    BYTES_OF("\x9c\xcf\x00\x00\x01\xa1\xf8\x26\xed\xec\xc0\xc0\xc0\x00\x01\x00\xa2w1\xcf\x00"
             "\x00\x01\xa1\xf8\x26\xef\x28\x90\xc0\xc0");

/* Decodes a copy of exactly these bytes, so that the sanitizers see a read behind them. The payload is gone afterwards. */
static inline int decode_record(struct job_record *record, const void *bytes, size_t length, struct error *err)
{
    char *copy = malloc(length ? length : 1);
    int rc;

    assert_non_null(copy);
    if (length)
        memcpy(copy, bytes, length);
    *err = (struct error){0};
    rc = job_record_decode(record, copy, length, err);
    if (rc == 0)
        record->payload = NULL;
    free(copy);
    return rc;
}

static inline int decode_state(struct job_state *state, const void *bytes, size_t length, int priority, struct error *err)
{
    char *copy = malloc(length ? length : 1);
    int rc;

    assert_non_null(copy);
    if (length)
        memcpy(copy, bytes, length);
    *err = (struct error){0};
    rc = job_state_decode(state, copy, length, priority, err);
    free(copy);
    return rc;
}

static inline struct job_state state_of(struct bytes bytes)
{
    struct job_state state;
    struct error err = {0};

    if (decode_state(&state, bytes.data, bytes.length, 0, &err) < 0)
        fail_msg("%s", err.message);
    return state;
}

/* ---- states made by hand ---- */

static inline void put_state(struct buffer *out, struct bytes order, struct bytes enqueued, struct bytes attempts)
{
    buffer_add(out, "\x9c", 1);
    buffer_add(out, order.data, order.length);
    buffer_add(out, enqueued.data, enqueued.length);
    buffer_add(out, "\xc0\xc0\x02\x03\x01\xc0\xc0", 7);
    buffer_add(out, attempts.data, attempts.length);
    buffer_add(out, "\xa8operator\xc0", 10);
}

static inline void put_attempt(struct buffer *out, unsigned char number, struct bytes report)
{
    buffer_add(out, "\x96\xcc", 2);
    buffer_add(out, &number, 1);
    buffer_add(out,
               "\xa2w1\x05\x06\xa6"
               "failed\xda",
               13);
    buffer_add(out, (char[]){(char)(report.length >> 8), (char)report.length}, 2);
    buffer_add(out, report.data, report.length);
}

/* The state with one attempt that has this report. */
static inline struct job_state state_with_report(struct bytes report)
{
    struct buffer attempts = {0}, buffer = {0};
    struct job_state state;

    buffer_add(&attempts, "\x91", 1);
    put_attempt(&attempts, 1, report);
    put_state(&buffer, BYTES("\x05"), BYTES("\xc0"), (struct bytes){attempts.data, attempts.length});
    state = state_of((struct bytes){buffer.data, buffer.length});
    buffer_clear(&attempts);
    buffer_clear(&buffer);
    return state;
}
