/* child.h - one run of a handler as a child process.
 *
 * The payload is its standard input (a sealed memfd: it may be read late, partly or not at all), its standard output is the
 * result, its standard error the log, of which the last lines are kept for the error message. It runs in a process group of its
 * own, dies with the worker (PR_SET_PDEATHSIG; what it has started: guard.h), holds no descriptor of ours, and gets an
 * environment built from nothing. The end is seen through a pidfd, so that a recycled pid is never killed. When the child itself
 * has ended its group is killed: nothing is left behind.
 *
 * One that dies of a TERM or INT which we did not send is told of a moment later: the same signal may be on its way to us, as
 * when a service manager stops all processes of a unit at once.
 *
 * What outlasts its time-out, on the monotonic clock, gets TERM and then KILL. What not even that ends (a process that hangs in
 * the kernel) is given up: its job is told to be over, and somebody else may have it. */
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/error.h"
#include "worker/verdict.h"

struct ev_loop;
struct child;

#define CHILD_KILL_AFTER_MS    10000 /* between TERM and KILL */
#define CHILD_GIVE_UP_AFTER_MS 5000  /* after KILL */
#define CHILD_HOLD_MS          50    /* between a death by TERM or INT that was not ours and the callback */

struct child_options {
    char *const *argv;        /* NULL-terminated; borrowed until child_start has returned */
    char *const *environment; /* "NAME=value", NULL-terminated; borrowed until child_start has returned */
    const char *payload;
    size_t payload_bytes;
    int64_t timeout_ms;
    size_t result_bytes_max; /* more is read and thrown away */
    _Atomic pid_t *group;    /* where its process group is written while it lives; NULL for nowhere */
};

struct child_result {
    struct ending ending;
    int64_t run_us;     /* wall time of the run, monotonic */
    const char *result; /* borrowed until the callback returns */
    size_t result_bytes;
    size_t result_dropped_bytes;
    const char *error; /* tail of its standard error, or why it could not be started; "" for nothing */
};

/* Runs exactly once, never before child_start has returned; the child must not be used after it. */
typedef void child_cb(const struct child_result *result, void *ctx);

/* Starts a child. A failure to start it is told by the callback (ending.start_errno). */
struct child *child_start(struct ev_loop *loop, const struct child_options *options, child_cb *cb, void *ctx);

/* Asks it to end: TERM to its group, KILL after CHILD_KILL_AFTER_MS. Its ending will say `stopped`, also if it has ended already
 * and was not told of yet. */
void child_stop(struct child *child);

/* KILL to its group now. Its ending will say `stopped`. */
void child_kill(struct child *child);
