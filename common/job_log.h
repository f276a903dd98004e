/* job_log.h - the kept logs of a job's attempts, as they stand in Redis (docs/PROTOCOL.md, section 4.6). Pure. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/job.h"

struct job_log {
    int delivery;          /* which one it was, counted from 1 */
    int64_t ended_ms;      /* when that ended */
    int64_t omitted_bytes; /* written, and not in the text */
    char *text;            /* NUL after it */
    size_t text_bytes;
};

/* All zeroes is none. */
struct job_logs {
    struct job_log *items; /* oldest first */
    size_t count;
};

/* Decodes the field of a job. Gives: job_logs_clear. */
int job_logs_decode(struct job_logs *ret, const void *bytes, size_t length, struct error *err) MUST_CHECK;
void job_logs_clear(struct job_logs *logs);

/* The attempt that a log is of: each delivery that has ended is one. NULL if it is not kept any more. */
const struct attempt *job_log_attempt(const struct job *job, const struct job_log *log);
