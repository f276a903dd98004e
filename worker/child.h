/* child.h - one run of a handler as a child process.
 *
 * The payload is its standard input (a sealed memfd: it may be read late, partly or not at all), its standard output is the
 * result, its standard error the log (log_text.h), and what it writes to descriptor 3 are control lines, told of as they come. It
 * runs in a process group of its own, dies with the worker (PR_SET_PDEATHSIG; what it has started: guard.h), holds no descriptor
 * of ours, and gets an environment built from nothing. The end is seen through a pidfd, so that a recycled pid is never killed.
 * When the child itself has ended its group is killed: nothing is left behind.
 *
 * One that dies of a TERM or INT which we did not send is told of a moment later: the same signal may be on its way to us, as
 * when a service manager stops all processes of a unit at once.
 *
 * What outlasts its time-out, on the monotonic clock, gets TERM and then KILL. What not even that ends (a process that hangs in
 * the kernel) is given up: its job is told to be over, and somebody else may have it. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/error.h"
#include "worker/log_text.h"
#include "worker/verdict.h"

struct ev_loop;
struct child;

#define CHILD_KILL_AFTER_MS    10000 /* between TERM and KILL, if nothing else is said */
#define CHILD_GIVE_UP_AFTER_MS 5000  /* after KILL */
#define CHILD_HOLD_MS          50    /* between a death by TERM or INT that was not ours and the callback */
#define CHILD_LINE_BYTES_MAX   65536 /* of a control line; a longer one is dropped and counted */
#define CHILD_OUTPUT_BYTES_MAX (64LL * 1024 * 1024)

struct child_options {
    char *const *argv;        /* NULL-terminated; borrowed until child_start has returned */
    char *const *environment; /* "NAME=value", NULL-terminated; borrowed until child_start has returned */
    const char *payload;
    size_t payload_bytes;
    int64_t timeout_ms;
    int64_t kill_after_ms;    /* between TERM and KILL */
    size_t result_bytes_max;  /* more is read and thrown away */
    int64_t output_bytes_max; /* of stdout, stderr and control lines together: what writes more is killed, as `runaway` */
    /* A complete control line, without its end: whatever bytes the handler has written there. Never after the callback. NULL:
     * they are thrown away. */
    void (*on_line)(const char *line, size_t bytes, void *ctx);
    log_line_cb *on_log_line; /* a line of the log, as long as it is kept in the log's head; NULL for nobody */
    _Atomic pid_t *group;     /* where its process group is written while it lives; NULL for nowhere */
};

struct child_result {
    struct ending ending;
    int64_t run_us;     /* wall time of the run, monotonic */
    const char *result; /* borrowed until the callback returns */
    size_t result_bytes;
    size_t result_dropped_bytes;
    unsigned control_dropped_lines; /* they were too long */
    const char *log;                /* what is kept of its standard error, as text; borrowed likewise */
    size_t log_bytes;
    int64_t log_written_bytes, log_omitted_bytes;
    const char *error; /* the last lines of its standard error, or why it could not be started; "" for nothing */
};

/* Runs exactly once, never before child_start has returned; the child must not be used after it. */
typedef void child_cb(const struct child_result *result, void *ctx);

/* Starts a child. A failure to start it is told by the callback (ending.start_errno). `ctx` is for all callbacks. */
struct child *child_start(struct ev_loop *loop, const struct child_options *options, child_cb *cb, void *ctx);

/* Its process, 0 if it could not be started or has ended already. */
pid_t child_pid(const struct child *child);

/* It may run for `timeout_ms` more, from now on. Returns false, and changes nothing, if it was told to end already. */
bool child_extend(struct child *child, int64_t timeout_ms);

/* Asks it to end: TERM to its group, KILL after kill_after_ms. Its ending will say `stopped`, also if it has ended already
 * and was not told of yet. */
void child_stop(struct child *child);

/* KILL to its group now. Its ending will say `stopped`. */
void child_kill(struct child *child);
