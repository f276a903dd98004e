/* child.h - one run of a handler: what goes in, what comes out, and in time to its end.
 *
 * The payload is its standard input (a sealed memfd: it may be read late, partly or not at all), its standard output is the
 * result, its standard error the log (log_text.h), and what it writes to descriptor 3 are control lines, told of as they come.
 * Its process is started, watched and killed by the keeper of its slot (keeper.h), together with all that it has started: when
 * its end is told, nothing of it is left.
 *
 * One that dies of a TERM or INT which we did not send is told of a moment later: the same signal may be on its way to us, as
 * when a service manager stops all processes of a unit at once.
 *
 * Or it is one job of a handler that lives on, over frames (pool.h). Its verdict is told as the exit status that means the same
 * (ok 0, retry 75, dead 65, discard 99); TERM is a cancel frame, KILL ends the process.
 *
 * The time of such a job begins when a process is given it: what it waits for one does not count.
 *
 * What outlasts its time-out, on the monotonic clock, gets TERM and then KILL. What not even that ends (a process that hangs in
 * the kernel) is given up: its job is told to be over, and somebody else may have it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "worker/keeper.h"
#include "worker/log_text.h"
#include "worker/verdict.h"

struct ev_loop;
struct child;
struct handler;
struct pools;

#define CHILD_GIVE_UP_AFTER_MS 5000  /* after KILL */
#define CHILD_HOLD_MS          50    /* between a death by TERM or INT that was not ours and the callback */
#define CHILD_LINE_BYTES_MAX   65536 /* of a control line; a longer one is dropped and counted */

struct child_options {
    char *const *argv;        /* NULL-terminated; borrowed until child_start has returned */
    char *const *environment; /* "NAME=value", NULL-terminated; borrowed until child_start has returned; $TMPDIR is added */
    const char *cwd;          /* NULL: its scratch directory */
    const char *user;         /* name or number; NULL: as the worker */
    struct order_limits limits;
    int nice;
    struct pools *pools;     /* NULL: a process for this run alone. Else one that lives on runs it: pool.h */
    struct handler *handler; /* with pools; held as long as it is needed */
    const char *name;        /* with pools: of the job, "org/id" */
    const char *payload;
    size_t payload_bytes;
    int64_t timeout_ms, timeout_ms_max; /* deadline.h; every control line is a word */
    int64_t heartbeat_ms;
    int64_t kill_after_ms;    /* between TERM and KILL */
    size_t result_bytes_max;  /* more is read and thrown away */
    int64_t output_bytes_max; /* of stdout, stderr and control lines together: what writes more is killed, as `runaway` */
    /* A complete control line, without its end: whatever bytes the handler has written there. Never after the callback. NULL:
     * they are thrown away. */
    void (*on_line)(const char *line, size_t bytes, void *ctx);
    /* It has waited for a process that lives on, and begins now, with this frame. NULL for nobody. */
    void (*on_begin)(const char *frame, size_t bytes, void *ctx);
    log_line_cb *on_log_line; /* a line of the log, as long as it is kept in the log's head; NULL for nobody */
};

struct child_result {
    struct ending ending;
    int64_t run_us;                            /* wall time of the run, monotonic; 0 if it has not begun */
    int64_t user_us, system_us, rss_max_bytes; /* of its own process and of those it has waited for; 0 if that is not known */
    const char *result;                        /* borrowed until the callback returns */
    size_t result_bytes;
    size_t result_dropped_bytes;
    int64_t output_bytes_max;       /* of the options */
    unsigned control_dropped_lines; /* they were too long */
    const char *log;                /* what is kept of its standard error, as text; borrowed likewise */
    size_t log_bytes;
    int64_t log_written_bytes, log_omitted_bytes;
    const char *error; /* the last lines of its standard error, or why it could not be started; "" for nothing */
};

/* Runs exactly once, never before child_start has returned; the child must not be used after it. */
typedef void child_cb(const struct child_result *result, void *ctx);

/* Starts a child under a keeper that is free. A failure to start it is told by the callback (ending.start_errno). `ctx` is for
 * all callbacks. When the callback runs the keeper may still be busy with the scratch directory: keeper_is_free. */
struct child *child_start(struct ev_loop *loop, struct keeper *keeper, const struct child_options *options, child_cb *cb,
                          void *ctx);

/* Its process, if keepers_look has found it or it lives on; else 0. */
pid_t child_pid(const struct child *child);

/* It may run for `ms` from now on (deadline_put_off). Returns false if nothing has changed, as when it was told to end already.
 */
bool child_extend(struct child *child, int64_t ms);

/* How long it runs already, 0 if it waits for a process; and its time-out at this moment. */
int64_t child_elapsed_ms(const struct child *child);
int64_t child_timeout_ms(const struct child *child);

/* Asks it to end: TERM to all its processes, KILL after kill_after_ms. Its ending will say `stopped`, also if it has ended
 * already and was not told of yet. */
void child_stop(struct child *child);

/* KILL to all its processes now. Its ending will say `stopped`. */
void child_kill(struct child *child);

/* Forgets it: the callback will not run. What it runs is killed when its keeper ends. NULL is fine. */
void child_free(struct child *child);
