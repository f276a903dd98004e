/* pool_frame.h - the lines that a worker and a long-lived handler send each other over descriptor 3: JSON objects, one a line.
 * Pure.
 *
 *     handler                                        worker
 *     {"op":"hello","contract":1,"max_inflight":4} ──▶
 *                                                  ◀── {"op":"job","id":"acme/17", facts, "payload":"..."}
 *     {"op":"progress","id":"acme/17","pct":40}    ──▶         and the other control lines (docs/HANDLERS.md)
 *                                                  ◀── {"op":"cancel","id":"acme/17"}   soon, please
 *     {"op":"done","id":"acme/17","verdict":"ok"}  ──▶         ok, retry, dead or discard; after_ms, result, error
 *                                                  ◀── {"op":"drain"}                   no more jobs
 *
 * The facts are the ROTA_ variables of the environment, named in lower case without ROTA_, numbers as numbers. The payload is in
 * `payload` if it is text, else in `payload_b64`; of more than POOL_PAYLOAD_BYTES_MAX in a file that `payload_path` names. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buffer.h"
#include "common/error.h"
#include "common/id.h"

#define POOL_INFLIGHT_MAX      64
#define POOL_PAYLOAD_BYTES_MAX (256 * 1024)
#define POOL_FRAME_BYTES_MAX   (512 * 1024) /* of one from a handler */

/* Appends the frame of job `name` ("org/id"). `path`: of the file that has the payload, or NULL. */
void pool_frame_job(struct buffer *out, const char *name, char *const *environment, const char *payload, size_t payload_bytes,
                    const char *path);
void pool_frame_cancel(struct buffer *out, const char *name);
void pool_frame_drain(struct buffer *out);

enum pool_frame_kind { POOL_FRAME_HELLO, POOL_FRAME_DONE, POOL_FRAME_CONTROL };

enum pool_verdict { POOL_OK, POOL_RETRY, POOL_DEAD, POOL_DISCARD };

struct pool_frame {
    enum pool_frame_kind kind;
    unsigned max_inflight;             /* hello */
    char name[JOB_NAME_BYTES_MAX + 1]; /* of the job; done and control */
    enum pool_verdict verdict;         /* done, from here on */
    int64_t after_ms;                  /* retry; -1: not said */
    char *result;                      /* NULL for none; a text as it is, else its JSON */
    size_t result_bytes;
    char *error; /* NULL for none */
    char *line;  /* control: the line as a handler that runs for one job would have written it: without `id` */
};

/* Reads a line from a handler. ERR_INVALID, ERR_LIMIT. */
int pool_frame_read(struct pool_frame *ret_frame, const char *line, size_t bytes, struct error *err) MUST_CHECK;
void pool_frame_clear(struct pool_frame *frame);
