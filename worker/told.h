/* told.h - what a running handler has told on its control channel, as far as it counts at the end of its attempt. Pure.
 *
 * Progress, checkpoint and more time are passed on at once and not kept here. Lines that make no sense are counted, and the first
 * is worth a word in the log; one that would have enqueued a job fails the attempt, so that no job is lost in silence. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "worker/control.h"

#define TOLD_JOBS_MAX       64           /* further jobs of one job */
#define TOLD_NONSENSE_MAX   1000         /* lines; what comes after so many is not looked at any more */
#define TOLD_JOBS_BYTES_MAX (512 * 1024) /* of their records together */

struct told_job {
    char id[JOB_ID_BYTES_MAX + 1]; /* its own, or drawn */
    struct buffer record;
};

/* All zeroes is one that has told nothing, but for retry_after_ms. */
struct told {
    int64_t retry_after_ms;                                             /* -1: nothing said */
    char failure[CONTROL_CLASS_BYTES_MAX + CONTROL_TEXT_BYTES_MAX + 3]; /* "class: message", or the reason of a retry; "" */
    char *result;                                                       /* NULL: none */
    size_t result_bytes;
    struct told_job *jobs;
    size_t job_count, job_bytes;
    unsigned nonsense;     /* lines */
    char refused_job[512]; /* why a further job was refused; "" if none was */
};

#define TOLD_NOTHING ((struct told){.retry_after_ms = -1})

/* Takes note. `refused` is the error of a line that makes no sense, else NULL. Takes what it needs from `control`. */
void told_note(struct told *told, struct control *control, const struct error *refused);

void told_clear(struct told *told);
