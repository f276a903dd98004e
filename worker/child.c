#include "worker/child.h"

#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/buffer.h"
#include "common/clock.h"
#include "common/memory.h"
#include "common/spawn.h"

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
    child_cb *cb;
    void *ctx;
    pid_t pid;
    int pidfd;
    ev_io exit;
    ev_timer timer; /* the time-out, then KILL after TERM; also tells a failed start, and an end that was held back */
    struct outlet outlets[OUTLETS];
    struct buffer result, line;
    bool line_is_dropped; /* the one under way is too long */
    unsigned dropped_lines;
    struct log_text log;
    char *error; /* why it could not be started */
    size_t result_max, result_dropped;
    int64_t output_max, output_bytes, kill_after_ms;
    void (*on_line)(const char *line, size_t bytes, void *ctx);
    int64_t started_us, run_us; /* run_us: once it has ended */
    struct ending ending;
    bool terminated; /* TERM was sent */
    bool killed;     /* KILL was sent */
    bool ended;      /* and buried */
    _Atomic pid_t *group;
};

/* ---- in the child: async-signal-safe calls only ---- */

static void reset_signals(void)
{
    sigset_t none;

    sigemptyset(&none);
    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static _Noreturn void run_handler(const struct child_options *options, int in, const int out[OUTLETS], int report_fd,
                                  pid_t parent)
{
    reset_signals();
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(127); /* the worker died before PDEATHSIG was set */
    if (options->group)
        *options->group = getpid();
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    umask(077);
    if (dup2(in, 0) < 0 || dup2(out[OUTLET_RESULT], 1) < 0 || dup2(out[OUTLET_LOG], 2) < 0 || dup2(out[OUTLET_CONTROL], 3) < 0 ||
        dup2(report_fd, 4) < 0)
        spawn_fail(report_fd);
    fcntl(4, F_SETFD, FD_CLOEXEC);
    close_range(5, ~0U, 0);
    execve(options->argv[0], options->argv, options->environment);
    spawn_fail(4);
}

/* ---- in the worker ---- */

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

static void end_line(struct child *child)
{
    if (child->line_is_dropped)
        child->dropped_lines++;
    else if (child->on_line && child->cb)
        child->on_line(child->line.data ? child->line.data : "", child->line.length, child->ctx);
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

static void free_child(struct child *child)
{
    ev_timer_stop(child->loop, &child->timer);
    ev_io_stop(child->loop, &child->exit);
    for (int i = 0; i < OUTLETS; i++)
        outlet_close(&child->outlets[i]);
    if (child->pidfd >= 0)
        close(child->pidfd);
    buffer_clear(&child->result);
    buffer_clear(&child->line);
    log_text_clear(&child->log);
    free(child->error);
    free(child);
}

/* Tells how it ended; the callback runs once. */
static void tell(struct child *child)
{
    child_cb *cb = child->cb;
    size_t log_bytes;
    int64_t omitted_bytes;
    char *log, *error;

    log_text_end(&child->log);
    log = log_text_give(&child->log, &log_bytes, &omitted_bytes);
    error = child->error ? memory_string(child->error) : log_text_error(&child->log);
    child->cb = NULL;
    cb(
        &(struct child_result){
            .ending = child->ending,
            .run_us = child->ended ? child->run_us : clock_mono_us() - child->started_us,
            .result = child->result.data ? child->result.data : "",
            .result_bytes = child->result.length,
            .result_dropped_bytes = child->result_dropped,
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
}

/* The guard has nothing to kill any more. */
static void leave_group(struct child *child)
{
    if (child->group)
        *child->group = 0;
}

static void arm_timer(struct child *child, int64_t after_ms)
{
    ev_timer_stop(child->loop, &child->timer);
    ev_now_update(child->loop);
    ev_timer_set(&child->timer, (double)after_ms / 1000, 0);
    ev_timer_start(child->loop, &child->timer);
}

/* Ended by a signal that may have been meant for all of us. */
static bool was_told_to_end(const struct child *child)
{
    return !child->terminated && (child->ending.signal == SIGTERM || child->ending.signal == SIGINT);
}

static void on_exit_seen(struct ev_loop *loop, ev_io *io, int events)
{
    struct child *child = io->data;
    siginfo_t info = {0};

    (void)events;
    /* Its group dies before it is reaped: until then the group's number cannot be anybody else's. */
    if (waitid(P_PIDFD, (id_t)child->pidfd, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0)
        return;
    kill(-child->pid, SIGKILL);
    if (child->cb)
        leave_group(child);
    waitid(P_PIDFD, (id_t)child->pidfd, &info, WEXITED | WNOHANG);
    for (int i = 0; i < OUTLETS; i++)
        outlet_drain(&child->outlets[i]);
    if (info.si_code == CLD_EXITED)
        child->ending.exit = info.si_status;
    else
        child->ending.signal = info.si_status;
    child->run_us = clock_mono_us() - child->started_us;
    child->ended = true;
    child->pid = 0;
    if (child->cb && was_told_to_end(child)) {
        ev_io_stop(loop, io);
        arm_timer(child, CHILD_HOLD_MS);
        return;
    }
    if (child->cb)
        tell(child);
    free_child(child);
}

static void kill_group(struct child *child)
{
    child->terminated = child->killed = true;
    kill(-child->pid, SIGKILL);
    arm_timer(child, CHILD_GIVE_UP_AFTER_MS);
}

static void check_output(struct child *child)
{
    if (child->output_bytes <= child->output_max || child->killed || child->pid <= 0)
        return;
    child->ending.runaway = !child->ending.stopped && !child->ending.timed_out;
    kill_group(child);
}

/* It hangs in the kernel. Its job is over all the same; whenever it ends it is buried. */
static void give_up(struct child *child)
{
    for (int i = 0; i < OUTLETS; i++)
        outlet_close(&child->outlets[i]);
    leave_group(child);
    tell(child);
}

static void terminate(struct child *child)
{
    if (child->terminated || child->pid <= 0)
        return;
    child->terminated = true;
    kill(-child->pid, SIGTERM);
    arm_timer(child, child->kill_after_ms);
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct child *child = timer->data;

    (void)loop, (void)events;
    if (child->ending.start_errno > 0 || child->ended) {
        tell(child);
        free_child(child);
    } else if (child->killed) {
        give_up(child);
    } else if (child->terminated) {
        kill_group(child);
    } else {
        child->ending.timed_out = !child->ending.stopped;
        terminate(child);
    }
}

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

/* Forks and execs. Returns 0, or an errno. */
static int spawn(struct child *child, const struct child_options *options)
{
    int in = -1, reading[OUTLETS] = {-1, -1, -1}, writing[OUTLETS] = {-1, -1, -1}, report[2] = {-1, -1}, code = 0;
    pid_t parent = getpid();

    in = payload_file(options->payload, options->payload_bytes);
    if (in < 0 || open_pipes(reading, writing) < 0 || pipe2(report, O_CLOEXEC) < 0 || (child->pid = fork()) < 0) {
        code = errno;
        goto out;
    }
    if (child->pid == 0)
        run_handler(options, in, writing, report[1], parent);
    setpgid(child->pid, child->pid); /* in both: whoever comes first */
    close(report[1]);
    report[1] = -1;
    code = spawn_errno(report[0]);
    child->pidfd = pidfd_open(child->pid, 0);
    if (child->pidfd < 0 && code == 0) {
        code = errno;
        kill(-child->pid, SIGKILL);
    }
    if (code > 0) {
        leave_group(child);
        waitpid(child->pid, NULL, 0);
        child->pid = 0;
        goto out;
    }
    for (int i = 0; i < OUTLETS; i++) {
        watch_outlet(&child->outlets[i], reading[i]);
        reading[i] = -1;
    }
out:
    close_all(reading, OUTLETS);
    close_all(writing, OUTLETS);
    close_all(report, 2);
    if (in >= 0)
        close(in);
    return code;
}

struct child *child_start(struct ev_loop *loop, const struct child_options *options, child_cb *cb, void *ctx)
{
    static void (*const takers[OUTLETS])(struct child *, const char *, size_t) = {keep_result, keep_log, split_lines};
    struct child *child = memory_new(sizeof *child);

    *child = (struct child){.loop = loop,
                            .cb = cb,
                            .ctx = ctx,
                            .pidfd = -1,
                            .result_max = options->result_bytes_max,
                            .output_max = options->output_bytes_max,
                            .kill_after_ms = options->kill_after_ms,
                            .on_line = options->on_line,
                            .log = {.on_line = options->on_log_line, .ctx = ctx},
                            .group = options->group,
                            .started_us = clock_mono_us(),
                            .ending = {.exit = -1, .signal = -1}};
    for (int i = 0; i < OUTLETS; i++)
        child->outlets[i] = (struct outlet){.child = child, .fd = -1, .take = takers[i]};
    ev_init(&child->timer, on_timer);
    ev_init(&child->exit, on_exit_seen);
    child->timer.data = child->exit.data = child;
    child->ending.start_errno = spawn(child, options);
    if (child->ending.start_errno > 0) {
        child->error = memory_format("cannot start %s: %s", options->argv[0], strerror(child->ending.start_errno));
        arm_timer(child, 0);
        return child;
    }
    ev_io_set(&child->exit, child->pidfd, EV_READ);
    ev_io_start(loop, &child->exit);
    arm_timer(child, options->timeout_ms);
    return child;
}

bool child_extend(struct child *child, int64_t timeout_ms)
{
    if (child->terminated || child->ended || child->pid <= 0)
        return false;
    arm_timer(child, timeout_ms);
    return true;
}

pid_t child_pid(const struct child *child)
{
    return child->pid > 0 ? child->pid : 0;
}

void child_stop(struct child *child)
{
    child->ending.stopped = true;
    terminate(child);
}

void child_kill(struct child *child)
{
    child->ending.stopped = true;
    if (child->pid > 0 && !child->killed)
        kill_group(child);
}
