/* verdict.h - what the end of a handler means for its job. Pure.
 *
 * Exit codes follow thirty years of mail delivery (sysexits(3), qmail): 0 done; 75, 111 try again later; 65, 100, 64, 77, 78 dead
 * letter now; 99 finished, nothing to keep; 126, 127 the handler is broken, not the job; anything else: try again with back-off.
 * What the operator says of an exit status (on_exit) comes before that. A status that means done or discarded counts also after a
 * TERM of ours: the work is finished. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/handler.h"

enum verdict {
    VERDICT_DONE,
    VERDICT_DISCARD,
    VERDICT_RETRY,   /* uses an attempt */
    VERDICT_TIMEOUT, /* the same, by our time-out */
    VERDICT_CRASH,   /* the same, by a signal that was not ours; counts a crash */
    VERDICT_DEAD,    /* dead letter now */
    VERDICT_RELEASE, /* back to its queue: our shutdown, or a broken handler; uses no attempt */
};

/* How a handler ended. */
struct ending {
    int exit;                    /* its exit code, or -1 */
    int signal;                  /* the signal that killed it, or -1 */
    int start_errno;             /* > 0: it could not be started at all */
    int64_t out_of_memory_bytes; /* > 0: it was killed because its control group had reached this limit */
    bool timed_out;              /* told to end by us: it ran too long */
    bool crashed;                /* a handler that lives on ended while it ran this */
    bool runaway;                /* killed by us: it wrote too much */
    bool stopped;                /* told to end by us: shutdown, lost session or cancel */
    bool draining;               /* the worker was told to stop: a TERM or INT was meant for both */
};

/* `handler` may be NULL: it says nothing. */
enum verdict verdict_of(const struct ending *ending, const struct handler *handler);

/* True if the handler, not the job, is at fault: it could not be started, or its exit status says so. */
bool verdict_is_broken_handler(const struct ending *ending, const struct handler *handler);

/* True if it asks to be run again later by its exit status: 75, 111, or one that on_exit calls `retry`. Then a delay that it has
 * named counts. */
bool verdict_asks_for_retry(const struct ending *ending, const struct handler *handler);

/* Back-off before the next attempt, after `attempt` (1, 2, ...) of them. `random` makes it testable: any number; its lowest 16
 * bits are used. */
int64_t verdict_backoff_ms(const struct handler_backoff *backoff, int attempt, uint64_t random);

/* The argument of `finish`: "done", "retry 5000 25", ... `limit`: how many attempts there are (0: no other one is wanted), or for
 * a release, how many deliveries. */
void verdict_format(char ret_text[64], enum verdict verdict, int64_t delay_ms, int limit);
