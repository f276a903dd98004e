/* request.h - a job that somebody wants pushed: from flags, or from a line of JSON. Reads no file but the one that a line's
 * payload_file names. */
#pragma once

#include <stddef.h>

#include "common/job.h"

struct json_t;

#define REQUEST_LINE_BYTES_MAX (4 * 1024 * 1024) /* a payload of 1 MiB may be all escapes */

/* All zeroes is an empty request; `record.payload` is `payload` where that is set. */
struct request {
    char org[NAME_BYTES_MAX + 1];
    char id[JOB_ID_BYTES_MAX + 1]; /* "": one is drawn */
    struct job_record record;
    char *payload; /* owned */
};

/* Reads one line: {"org", "type", "payload": string, or any other JSON value: its text as it stands, or "payload_b64", or
 * "payload_file": a path, "queue", "id", "key", "delay_ms" or "due_ms", "expires_ms", "priority", "max_attempts", "timeout_ms",
 * "limit", "headers": {name: text}}. What the line does not say is taken from `defaults` (copied; no payload, id or key).
 * ERR_INVALID names the member. Gives: request_clear. */
int request_parse(struct request *ret, const char *line, size_t bytes, const struct request *defaults,
                  struct error *err) MUST_CHECK;

/* The line that request_parse reads as this request again, as an object; `due_ms` and `delay_ms` 0 are left out, and a payload
 * that is no UTF-8 is in payload_b64. NULL if a name, a value or a key of it is no UTF-8, which JSON cannot say. Gives. */
struct json_t *request_to_json(const struct request *request, struct error *err);

/* Reads one member of the line, over what the request says already; one that no line has is refused. The reader of a line that
 * has others besides begins with the others. */
int request_read_member(struct request *request, const char *line, size_t bytes, const char *name, struct json_t *value,
                        struct error *err) MUST_CHECK;

/* Adds the members of a record to an object, as request_to_json has them. */
int request_add_record(struct json_t *object, const struct job_record *record, struct error *err) MUST_CHECK;

/* Adds a header to a record; copies. ERR_INVALID for a name that is empty or there already. */
int request_add_header(struct job_record *record, const char *name, size_t name_bytes, const char *value,
                       struct error *err) MUST_CHECK;

void request_clear(struct request *request);
