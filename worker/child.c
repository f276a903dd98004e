#include "worker/child.h"

#include <errno.h>
#include <ev.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/buffer.h"
#include "common/clock.h"
#include "common/memory.h"
#include "worker/deadline.h"
#include "worker/lines.h"
#include "worker/outlets.h"
#include "worker/pool.h"
#include "worker/user.h"

struct child {
    struct ev_loop *loop;
    struct keeper *keeper;   /* NULL: it runs nothing of ours (any more) */
    struct pool_job *pooled; /* the same of a handler that lives on */
    child_cb *cb;
    void *ctx;
    ev_timer timer; /* the time-out, then KILL after TERM; also tells a failed start, and an end that was held back */
    struct outlets outlets;
    struct buffer result;
    struct lines lines; /* of its control channel */
    struct log_text log;
    struct deadline deadline;
    char *command, *error; /* error: why it could not be started, or of its keeper */
    size_t result_max, result_dropped;
    int64_t output_max, output_bytes, memory_max, kill_after_ms;
    void (*on_line)(const char *line, size_t bytes, void *ctx);
    void (*on_begin)(const char *frame, size_t bytes, void *ctx);
    int64_t started_us, run_us; /* started_us: 0 while it waits for a process; run_us: once it has ended */
    int64_t user_us, system_us, rss_max_bytes;
    struct ending ending;
    bool terminated; /* TERM was sent */
    bool killed;     /* KILL was sent */
    bool ended;
};

static void keep_result(struct child *child, const char *bytes, size_t length)
{
    size_t room = child->result_max - child->result.length, kept = length < room ? length : room;

    buffer_add(&child->result, bytes, kept);
    child->result_dropped += length - kept;
}

static bool is_running(const struct child *child)
{
    return child->keeper || child->pooled;
}

static void arm_timer(struct child *child, int64_t after_ms)
{
    ev_timer_stop(child->loop, &child->timer);
    ev_now_update(child->loop);
    ev_timer_set(&child->timer, (double)after_ms / 1000, 0);
    ev_timer_start(child->loop, &child->timer);
}

/* Of its time; not after it was told to end. */
static void arm_deadline(struct child *child)
{
    if (is_running(child) && !child->terminated)
        arm_timer(child, deadline_left_ms(&child->deadline, clock_mono_ms()));
}

static int64_t ran_us(const struct child *child)
{
    return child->started_us > 0 ? clock_mono_us() - child->started_us : 0;
}

/* Its time begins. */
static void begin(struct child *child)
{
    child->started_us = clock_mono_us();
    deadline_begin(&child->deadline, child->started_us / 1000);
    arm_deadline(child);
}

/* It says something. */
static void take_line(struct child *child, const char *line, size_t bytes)
{
    if (child->on_line)
        child->on_line(line, bytes, child->ctx);
    if (child->deadline.heartbeat_ms > 0)
        arm_deadline(child);
}

static void on_control_line(const char *line, size_t bytes, void *ctx)
{
    take_line(ctx, line, bytes);
}

static void check_output(struct child *child);

static void on_outlet(enum outlet which, const char *bytes, size_t length, void *ctx)
{
    struct child *child = ctx;

    child->output_bytes += (int64_t)length;
    switch (which) {
    case OUTLET_RESULT: keep_result(child, bytes, length); break;
    case OUTLET_LOG: log_text_add(&child->log, bytes, length); break;
    default: lines_add(&child->lines, bytes, length); break;
    }
    check_output(child);
}

void child_free(struct child *child)
{
    if (!child)
        return;
    if (child->pooled)
        pool_forget(child->pooled);
    ev_timer_stop(child->loop, &child->timer);
    outlets_close(&child->outlets);
    buffer_clear(&child->result);
    lines_clear(&child->lines);
    log_text_clear(&child->log);
    free(child->command);
    free(child->error);
    free(child);
}

/* Tells how it ended, and is no more. */
static void tell(struct child *child)
{
    size_t log_bytes;
    int64_t omitted_bytes;
    char *log, *error;

    log_text_end(&child->log);
    log = log_text_give(&child->log, &log_bytes, &omitted_bytes);
    error = child->error ? memory_string(child->error) : log_text_error(&child->log);
    child->cb(
        &(struct child_result){
            .ending = child->ending,
            .run_us = child->ended ? child->run_us : ran_us(child),
            .user_us = child->user_us,
            .system_us = child->system_us,
            .rss_max_bytes = child->rss_max_bytes,
            .result = child->result.data ? child->result.data : "",
            .result_bytes = child->result.length,
            .result_dropped_bytes = child->result_dropped,
            .output_bytes_max = child->output_max,
            .control_dropped_lines = child->lines.dropped,
            .log = log,
            .log_bytes = log_bytes,
            .log_written_bytes = child->log.bytes,
            .log_omitted_bytes = omitted_bytes,
            .error = error,
        },
        child->ctx);
    free(log);
    free(error);
    child_free(child);
}

/* ---- its end ---- */

/* Ended by a signal that may have been meant for all of us. */
static bool was_told_to_end(const struct child *child)
{
    return !child->terminated && (child->ending.signal == SIGTERM || child->ending.signal == SIGINT);
}

static void end(struct child *child)
{
    child->keeper = NULL;
    child->pooled = NULL;
    child->ended = true;
    child->run_us = ran_us(child);
    outlets_drain(&child->outlets);
    if (was_told_to_end(child))
        arm_timer(child, CHILD_HOLD_MS);
    else
        tell(child);
}

static void on_ended(const struct keeper_report *report, void *ctx)
{
    struct child *child = ctx;

    if (WIFEXITED(report->status))
        child->ending.exit = WEXITSTATUS(report->status);
    else
        child->ending.signal = WTERMSIG(report->status);
    child->ending.out_of_memory_bytes = report->out_of_memory ? child->memory_max : 0;
    child->user_us = report->user_us;
    child->system_us = report->system_us;
    child->rss_max_bytes = report->rss_max_bytes;
    end(child);
}

/* Its keeper was killed, and it with it. */
static void on_lost(int status, void *ctx)
{
    struct child *child = ctx;
    int number = WIFSIGNALED(status) ? WTERMSIG(status) : SIGKILL;

    child->ending.signal = SIGKILL;
    child->error = memory_format("the keeper of its slot was ended by signal %d", number);
    end(child);
}

static void on_failed(enum keeper_step step, int code, void *ctx)
{
    static const char *const steps[] = {[STEP_EXEC] = "",
                                        [STEP_FORK] = "new process: ",
                                        [STEP_ORDER] = "order: ",
                                        [STEP_SCRATCH] = "scratch directory: ",
                                        [STEP_CGROUP] = "control group: ",
                                        [STEP_LIMITS] = "rlimits: ",
                                        [STEP_USER] = "user: ",
                                        [STEP_CWD] = "working directory: ",
                                        [STEP_FDS] = "descriptors: "};
    struct child *child = ctx;

    child->keeper = NULL;
    child->ending.start_errno = code;
    child->error = memory_format("cannot start %s: %s%s", child->command, steps[step], strerror(code));
    tell(child);
}

/* ---- a job of a handler that lives on ---- */

static void on_pool_begin(const char *frame, size_t bytes, void *ctx)
{
    struct child *child = ctx;

    begin(child);
    if (child->on_begin)
        child->on_begin(frame, bytes, child->ctx);
}

static void on_pool_line(const char *line, size_t bytes, void *ctx)
{
    struct child *child = ctx;

    child->output_bytes += (int64_t)bytes;
    take_line(child, line, bytes);
    check_output(child);
}

static void on_pool_output(const char *bytes, size_t length, void *ctx)
{
    struct child *child = ctx;

    child->output_bytes += (int64_t)length;
    log_text_add(&child->log, bytes, length);
    check_output(child);
}

static void on_pool_done(const struct pool_frame *frame, void *ctx)
{
    static const int exits[] = {[POOL_OK] = 0, [POOL_RETRY] = 75, [POOL_DEAD] = 65, [POOL_DISCARD] = 99};
    struct child *child = ctx;
    char line[64];

    if (frame->verdict == POOL_RETRY && frame->after_ms >= 0 && child->on_line) {
        int bytes = snprintf(line, sizeof line, "{\"op\":\"retry\",\"after_ms\":%lld}", (long long)frame->after_ms);
        child->on_line(line, (size_t)bytes, child->ctx);
    }
    if (frame->result)
        keep_result(child, frame->result, frame->result_bytes);
    if (frame->error)
        log_text_add(&child->log, frame->error, strlen(frame->error));
    child->ending.exit = exits[frame->verdict];
    end(child);
}

static void on_pool_lost(enum pool_loss loss, int code, const char *why, void *ctx)
{
    struct child *child = ctx;

    child->error = loss == POOL_BROKEN ? memory_format("cannot start %s: %s", child->command, why) : memory_string(why);
    child->ending.start_errno = loss == POOL_BROKEN ? code : 0;
    child->ending.stopped = child->ending.stopped || (loss == POOL_RELEASED && !child->ending.timed_out);
    if (loss == POOL_CRASHED && code > 0)
        child->ending.signal = code; /* TERM and INT may have been meant for all of us */
    else
        child->ending.crashed = loss == POOL_CRASHED;
    end(child);
}

/* ---- telling it to end ---- */

static void kill_all(struct child *child)
{
    child->terminated = child->killed = true;
    arm_timer(child, CHILD_GIVE_UP_AFTER_MS);
    if (child->pooled)
        pool_kill(child->pooled);
    else
        keeper_command(child->keeper, KEEPER_KILL);
}

static void check_output(struct child *child)
{
    if (child->output_bytes <= child->output_max || child->killed || !is_running(child))
        return;
    child->ending.runaway = !child->ending.stopped && !child->ending.timed_out;
    kill_all(child);
}

/* It hangs in the kernel. Its job is over all the same; its keeper stays with it. */
static void give_up(struct child *child)
{
    if (child->keeper)
        keeper_leave(child->keeper);
    tell(child); /* forgets a job of a handler that lives on */
}

static void terminate(struct child *child)
{
    if (child->terminated || !is_running(child))
        return;
    child->terminated = true;
    arm_timer(child, child->kill_after_ms);
    if (child->pooled)
        pool_cancel(child->pooled);
    else
        keeper_command(child->keeper, KEEPER_STOP);
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct child *child = timer->data;

    (void)loop, (void)events;
    if (!is_running(child)) {
        tell(child);
    } else if (child->killed) {
        give_up(child);
    } else if (child->terminated) {
        kill_all(child);
    } else {
        child->ending.timed_out = !child->ending.stopped;
        terminate(child);
    }
}

/* ---- its start ---- */

/* Hands it to its keeper. Returns 0, or an errno. */
static int start(struct child *child, struct keeper *keeper, const struct child_options *options, const struct order_user *user)
{
    const struct keeper_client client = {.on_failed = on_failed, .on_ended = on_ended, .on_lost = on_lost, .ctx = child};
    int fds[KEEPER_FDS], code = outlets_open(&child->outlets, options->payload, options->payload_bytes, fds);

    if (code > 0)
        return code;
    code = keeper_run(keeper,
                      &(struct order){.argv = options->argv,
                                      .environment = options->environment,
                                      .cwd = options->cwd,
                                      .user = *user,
                                      .limits = options->limits,
                                      .nice = options->nice},
                      fds, &client);
    for (int i = 0; i < KEEPER_FDS; i++)
        close(fds[i]);
    if (code == 0)
        child->keeper = keeper;
    else
        outlets_close(&child->outlets);
    return code;
}

static void start_pooled(struct child *child, const struct child_options *options, const struct order_user *user)
{
    static const struct pool_client callbacks = {.on_begin = on_pool_begin,
                                                 .on_line = on_pool_line,
                                                 .on_output = on_pool_output,
                                                 .on_done = on_pool_done,
                                                 .on_lost = on_pool_lost};
    struct pool_client client = callbacks;

    client.ctx = child;
    child->pooled = pool_start(
        options->pools,
        &(struct pool_request){
            .handler = options->handler,
            .name = options->name,
            .environment = options->environment,
            .payload = options->payload,
            .payload_bytes = options->payload_bytes,
            .order = &(struct order){.cwd = options->cwd, .user = *user, .limits = options->limits, .nice = options->nice}},
        &client);
}

struct child *child_start(struct ev_loop *loop, struct keeper *keeper, const struct child_options *options, child_cb *cb,
                          void *ctx)
{
    struct child *child = memory_new(sizeof *child);
    struct order_user user;
    struct error err;

    *child = (struct child){.loop = loop,
                            .cb = cb,
                            .ctx = ctx,
                            .command = memory_string(options->argv[0]),
                            .result_max = options->result_bytes_max,
                            .output_max = options->output_bytes_max,
                            .memory_max = (int64_t)options->limits.group_memory_bytes,
                            .kill_after_ms = options->kill_after_ms,
                            .on_line = options->on_line,
                            .deadline = {.timeout_ms = options->timeout_ms,
                                         .timeout_ms_max = options->timeout_ms_max,
                                         .heartbeat_ms = options->heartbeat_ms},
                            .log = {.on_line = options->on_log_line, .ctx = ctx},
                            .on_begin = options->on_begin,
                            .lines = {.bytes_max = CHILD_LINE_BYTES_MAX, .on_line = on_control_line, .ctx = child},
                            .ending = {.exit = -1, .signal = -1}};
    outlets_init(&child->outlets, loop, on_outlet, child);
    ev_init(&child->timer, on_timer);
    child->timer.data = child;
    if (user_find(&user, options->user, &err) < 0) {
        child->ending.start_errno = EPERM;
        child->error = memory_format("cannot start %s: %s", options->argv[0], err.message);
    } else if (options->pools) {
        start_pooled(child, options, &user);
    } else if ((child->ending.start_errno = start(child, keeper, options, &user)) > 0) {
        child->error = memory_format("cannot start %s: %s", options->argv[0], strerror(child->ending.start_errno));
    }
    if (child->ending.start_errno > 0)
        arm_timer(child, 0);
    else if (!child->pooled || !pool_waits(child->pooled))
        begin(child);
    return child;
}

bool child_extend(struct child *child, int64_t ms)
{
    if (child->terminated || !is_running(child) || !deadline_put_off(&child->deadline, ms, clock_mono_ms()))
        return false;
    arm_deadline(child);
    return true;
}

int64_t child_elapsed_ms(const struct child *child)
{
    return ran_us(child) / 1000;
}

int64_t child_timeout_ms(const struct child *child)
{
    return child->deadline.timeout_ms;
}

pid_t child_pid(const struct child *child)
{
    if (child->pooled)
        return pool_pid(child->pooled);
    return child->keeper ? keeper_handler_pid(child->keeper) : 0;
}

void child_stop(struct child *child)
{
    child->ending.stopped = true;
    terminate(child);
}

void child_kill(struct child *child)
{
    child->ending.stopped = true;
    if (is_running(child) && !child->killed)
        kill_all(child);
}
