/* judge.h - what is reported of an attempt that has ended: its verdict, its error, its result. Pure.
 *
 * It brings together how the process ended, what the handler had told of itself, and what the operator says about both. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/handler.h"
#include "common/job.h"
#include "worker/child.h"
#include "worker/told.h"
#include "worker/verdict.h"

#define JUDGE_BROKEN_MS       5000 /* until a job of a broken handler is tried again */
#define JUDGE_DELIVERIES_MORE 10   /* a job may be handed out so often beyond its attempts */

/* All is borrowed for the call. */
struct judge_facts {
    const struct child_result *ended;
    const struct told *told;
    const struct handler *handler;
    int attempt, max_attempts; /* counted from 1 */
    bool draining;             /* the worker was told to stop */
    uint64_t random;           /* for the back-off: its lowest 16 bits */
};

struct judged {
    enum verdict verdict;
    bool broken;                          /* the handler is */
    char words[64], words_if_refused[64]; /* for `finish`; should Redis refuse its further jobs */
    char error[JOB_ERROR_BYTES_MAX];      /* "" for a success */
    const char *result;                   /* of one that is done; borrowed from the facts */
    size_t result_bytes;
};

void judge(struct judged *ret, const struct judge_facts *facts);
