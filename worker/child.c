#include "worker/child.h"

#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/buffer.h"
#include "common/clock.h"
#include "common/memory.h"
#include "worker/deadline.h"
#include "worker/pool.h"
#include "worker/user.h"

#define READ_BYTES  65536
#define DRAIN_READS 64 /* more than a pipe holds */

struct child;

/* A pipe from the child, and who takes what comes out of it. */
struct outlet {
    struct child *child;
    ev_io io;
    int fd;
    void (*take)(struct child *child, const char *bytes, size_t length);
};

enum { OUTLET_RESULT, OUTLET_LOG, OUTLET_CONTROL, OUTLETS };

struct child {
    struct ev_loop *loop;
    struct keeper *keeper;   /* NULL: it runs nothing of ours (any more) */
    struct pool_job *pooled; /* the same of a handler that lives on */
    child_cb *cb;
    void *ctx;
    ev_timer timer; /* the time-out, then KILL after TERM; also tells a failed start, and an end that was held back */
    struct outlet outlets[OUTLETS];
    struct buffer result, line;
    bool line_is_dropped; /* the one under way is too long */
    unsigned dropped_lines;
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

/* The payload as a file that cannot change any more, at its beginning. */
static int payload_file(const char *payload, size_t bytes)
{
    int fd = memfd_create("payload", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0)
        return -1;
    for (size_t done = 0; done < bytes;) {
        ssize_t wrote = write(fd, payload + done, bytes - done);
        if (wrote < 0 && errno != EINTR) {
            close(fd);
            return -1;
        }
        done += wrote > 0 ? (size_t)wrote : 0;
    }
    lseek(fd, 0, SEEK_SET);
    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
    return fd;
}

static void outlet_close(struct outlet *outlet)
{
    if (outlet->fd < 0)
        return;
    ev_io_stop(outlet->child->loop, &outlet->io);
    close(outlet->fd);
    outlet->fd = -1;
}

static void keep_result(struct child *child, const char *bytes, size_t length)
{
    size_t room = child->result_max - child->result.length, kept = length < room ? length : room;

    buffer_add(&child->result, bytes, kept);
    child->result_dropped += length - kept;
}

static void keep_log(struct child *child, const char *bytes, size_t length)
{
    log_text_add(&child->log, bytes, length);
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

static void end_line(struct child *child)
{
    if (child->line_is_dropped)
        child->dropped_lines++;
    else
        take_line(child, child->line.data ? child->line.data : "", child->line.length);
    child->line_is_dropped = false;
    buffer_reset(&child->line);
}

/* Control lines. What comes without an end of line at last is none. */
static void split_lines(struct child *child, const char *bytes, size_t length)
{
    while (length > 0) {
        const char *end = memchr(bytes, '\n', length);
        size_t part = end ? (size_t)(end - bytes) : length;
        if (child->line.length + part > CHILD_LINE_BYTES_MAX)
            child->line_is_dropped = true;
        if (child->line_is_dropped)
            buffer_reset(&child->line);
        else
            buffer_add(&child->line, bytes, part);
        if (end)
            end_line(child);
        part += end != NULL;
        bytes += part;
        length -= part;
    }
}

static void check_output(struct child *child);

/* Reads what is there. Returns its bytes, 0 if there is nothing now, -1 when the other end is closed. */
static ssize_t outlet_read(struct outlet *outlet)
{
    struct child *child = outlet->child;
    char bytes[READ_BYTES];
    ssize_t got = read(outlet->fd, bytes, sizeof bytes);

    if (got < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    if (got == 0)
        return -1;
    child->output_bytes += got;
    outlet->take(child, bytes, (size_t)got);
    check_output(child);
    return got;
}

static void on_output(struct ev_loop *loop, ev_io *io, int events)
{
    (void)loop, (void)events;
    if (outlet_read(io->data) < 0)
        outlet_close(io->data);
}

/* What is still in the pipe when the child has ended. A grandchild that holds the pipe open is not waited for. */
static void outlet_drain(struct outlet *outlet)
{
    for (int reads = 0; outlet->fd >= 0 && reads < DRAIN_READS && outlet_read(outlet) > 0; reads++)
        ;
    outlet_close(outlet);
}

void child_free(struct child *child)
{
    if (!child)
        return;
    if (child->pooled)
        pool_forget(child->pooled);
    ev_timer_stop(child->loop, &child->timer);
    for (int i = 0; i < OUTLETS; i++)
        outlet_close(&child->outlets[i]);
    buffer_clear(&child->result);
    buffer_clear(&child->line);
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
            .control_dropped_lines = child->dropped_lines,
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
    for (int i = 0; i < OUTLETS; i++)
        outlet_drain(&child->outlets[i]);
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
    keep_log(child, bytes, length);
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

static void watch_outlet(struct outlet *outlet, int fd)
{
    outlet->fd = fd;
    fcntl(fd, F_SETFL, O_NONBLOCK);
    ev_io_init(&outlet->io, on_output, fd, EV_READ);
    outlet->io.data = outlet;
    ev_io_start(outlet->child->loop, &outlet->io);
}

static int open_pipes(int reading[OUTLETS], int writing[OUTLETS])
{
    for (int i = 0; i < OUTLETS; i++) {
        int ends[2];
        if (pipe2(ends, O_CLOEXEC) < 0)
            return -1;
        reading[i] = ends[0];
        writing[i] = ends[1];
    }
    return 0;
}

static void close_all(const int *fds, int count)
{
    for (int i = 0; i < count; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

/* Hands it to its keeper. Returns 0, or an errno. */
static int start(struct child *child, struct keeper *keeper, const struct child_options *options, const struct order_user *user)
{
    const struct keeper_client client = {.on_failed = on_failed, .on_ended = on_ended, .on_lost = on_lost, .ctx = child};
    int in = -1, reading[OUTLETS] = {-1, -1, -1}, writing[OUTLETS] = {-1, -1, -1}, code = 0;

    in = payload_file(options->payload, options->payload_bytes);
    if (in < 0 || open_pipes(reading, writing) < 0)
        code = errno;
    if (code == 0)
        code = keeper_run(keeper,
                          &(struct order){.argv = options->argv,
                                          .environment = options->environment,
                                          .cwd = options->cwd,
                                          .user = *user,
                                          .limits = options->limits,
                                          .nice = options->nice},
                          (const int[KEEPER_FDS]){in, writing[OUTLET_RESULT], writing[OUTLET_LOG], writing[OUTLET_CONTROL]},
                          &client);
    if (code == 0) {
        child->keeper = keeper;
        for (int i = 0; i < OUTLETS; i++) {
            watch_outlet(&child->outlets[i], reading[i]);
            reading[i] = -1;
        }
    }
    close_all(reading, OUTLETS);
    close_all(writing, OUTLETS);
    if (in >= 0)
        close(in);
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
    static void (*const takers[OUTLETS])(struct child *, const char *, size_t) = {keep_result, keep_log, split_lines};
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
                            .ending = {.exit = -1, .signal = -1}};
    for (int i = 0; i < OUTLETS; i++)
        child->outlets[i] = (struct outlet){.child = child, .fd = -1, .take = takers[i]};
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
