/* control.h - one thing that a running handler says of itself: a line of JSON, or a frame of a long-lived handler. Pure.
 *
 *     {"op":"progress","pct":40,"msg":"2 of 5 files"}
 *     {"op":"extend","ms":60000}
 *     {"op":"checkpoint","data":"page 7"}                       "" forgets it
 *     {"op":"retry","after_ms":30000,"reason":"429"}            after_ms, reason or neither; "limit":true pauses its limits so
 * long
 *     {"op":"fail","class":"ValidationError","message":"..."}   one of the two or both
 *     {"op":"result","data":{"rows":3}}
 *     {"op":"heartbeat"}
 *     {"op":"enqueue","type":"mail","payload":"..."}            and payload_b64 id queue limit
 *                                                               priority delay_ms key headers max_attempts timeout_ms
 *
 * Where data or payload is no text, its JSON is meant. An op that is not known is passed over, so that newer handlers run under
 * older workers; a member that is not known is, too, but not in an enqueue. Whatever else is wrong is refused. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/job.h"

#define CONTROL_LINE_BYTES_MAX  65536
#define CONTROL_DEPTH_MAX       32 /* lists and maps inside each other */
#define CONTROL_CLASS_BYTES_MAX 64
#define CONTROL_TEXT_BYTES_MAX  768 /* of a reason or message; longer ones are cut */
#define CONTROL_DELAY_MS_MAX    (24LL * 3600 * 1000)
#define CONTROL_EXTEND_MS_MAX   (7LL * 24 * 3600 * 1000)

struct json_t;

enum control_op {
    CONTROL_UNKNOWN,
    CONTROL_PROGRESS,
    CONTROL_EXTEND,
    CONTROL_CHECKPOINT,
    CONTROL_RETRY,
    CONTROL_FAIL,
    CONTROL_RESULT,
    CONTROL_HEARTBEAT,
    CONTROL_ENQUEUE,
};

/* Strings are ours until control_clear. */
struct control {
    enum control_op op;
    int percent;                             /* progress */
    char class[CONTROL_CLASS_BYTES_MAX + 1]; /* fail; "" for none */
    char text[CONTROL_TEXT_BYTES_MAX + 1];   /* progress, retry, fail: what it says in words; "" for nothing */
    int64_t ms;                              /* extend, retry (-1: it names none) */
    bool pauses_limits;                      /* retry: the limits that the job runs under let nothing start for `ms` */
    char *data;                              /* checkpoint, result; the payload of an enqueue */
    size_t data_bytes;
    char id[JOB_ID_BYTES_MAX + 1]; /* enqueue; "" for none */
    struct job_record record;      /* enqueue: all but the nonce; its payload is `data` */
};

/* A line as a JSON object (jansson's, to be given back with json_decref), within the bounds above. NULL and `err` (ERR_INVALID,
 * ERR_LIMIT) if it is none: also if a member occurs twice. */
struct json_t *control_load(const char *line, size_t bytes, struct error *err);

/* What the object says. */
int control_read(struct control *ret, const struct json_t *object, struct error *err) MUST_CHECK;

/* Both in one. On failure `ret->op` is the op of the line, if that much could be read, or seems to be. */
int control_parse(struct control *ret, const char *line, size_t bytes, struct error *err) MUST_CHECK;

void control_clear(struct control *control);
