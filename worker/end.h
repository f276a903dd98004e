/* end.h - an ended job whose report waits to be sent, or to be answered: all that the function `finish` is told of it. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/call.h"
#include "common/id.h"
#include "worker/lane.h"
#include "worker/note.h"

#define ENDS_OF_CALL_MAX 64 /* leases that one call may end */

struct end {
    char name[JOB_NAME_BYTES_MAX + 1];
    unsigned char token[TOKEN_BYTES];
    char verdict[64], verdict_if_refused[64];
    int64_t run_us, log_omitted_bytes;
    char *report, *log;
    size_t report_bytes, log_bytes;
    struct lane_job *jobs; /* ours, with what they point to */
    size_t job_count, jobs_bytes;
    struct note note; /* what was not acknowledged while it ran */
};

/* Those of a lane, in order. All zeroes has none. */
struct ends {
    struct end *items;
    size_t count, slots;
};

/* A place behind the last one; this may move the list. */
struct end *ends_new(struct ends *ends);

/* Drops the first `count`. */
void ends_drop(struct ends *ends, size_t count);
bool ends_have(const struct ends *ends, const char *name);
void ends_clear(struct ends *ends);

/* Copies; takes `note`, which says nothing afterwards. */
void end_make(struct end *ret, const struct lane_end *from, const unsigned char *token, struct note *note);
void end_clear(struct end *end);

/* Redis has refused its further jobs, and the lease goes on: from now on it ends with `verdict_if_refused` and an error that says
 * why. False, and nothing is changed, if it has none. */
bool end_refuse_jobs(struct end *end, const char *why);

/* How many of the first `count` fit into one call: at least one. */
size_t ends_that_fit(const struct end *ends, size_t count);

/* Adds the arguments that tell of them. */
void ends_add(struct call *call, const struct end *ends, size_t count);
