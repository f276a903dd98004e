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

#define ERROR_BYTES_MAX 960 /* with "killed by signal 11: " before it, it fits into JOB_ERROR_BYTES_MAX */
#define READ_BYTES      65536
#define DRAIN_READS     64 /* more than a pipe holds */

/* A pipe from the child, read into a buffer. */
struct outlet {
    ev_io io;
    int fd;
};

struct child {
    struct ev_loop *loop;
    child_cb *cb;
    void *ctx;
    pid_t pid;
    int pidfd;
    ev_io exit;
    ev_timer timer; /* the time-out, then KILL after TERM; also tells a failed start, and an end that was held back */
    struct outlet out, log;
    struct buffer result, error;
    bool error_is_tail; /* its beginning is gone */
    size_t result_max, result_dropped;
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

static _Noreturn void run_handler(const struct child_options *options, int in, int out, int log, int report_fd, pid_t parent)
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
    if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(log, 2) < 0 || dup2(report_fd, 3) < 0)
        spawn_fail(report_fd);
    fcntl(3, F_SETFD, FD_CLOEXEC);
    close_range(4, ~0U, 0);
    execve(options->argv[0], options->argv, options->environment);
    spawn_fail(3);
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

static void outlet_close(struct child *child, struct outlet *outlet)
{
    if (outlet->fd < 0)
        return;
    ev_io_stop(child->loop, &outlet->io);
    close(outlet->fd);
    outlet->fd = -1;
}

static void keep_result(struct child *child, const char *bytes, size_t length)
{
    size_t room = child->result_max - child->result.length, kept = length < room ? length : room;

    buffer_add(&child->result, bytes, kept);
    child->result_dropped += length - kept;
}

static void cut_error(struct child *child)
{
    child->error_is_tail = true;
    buffer_consume(&child->error, child->error.length - ERROR_BYTES_MAX);
}

/* Keeps the tail. */
static void keep_error(struct child *child, const char *bytes, size_t length)
{
    buffer_add(&child->error, bytes, length);
    if (child->error.length > 2 * ERROR_BYTES_MAX)
        cut_error(child);
}

/* Reads what is there. Returns its bytes, 0 if there is nothing now, -1 when the other end is closed. */
static ssize_t outlet_read(struct child *child, struct outlet *outlet)
{
    char bytes[READ_BYTES];
    ssize_t got = read(outlet->fd, bytes, sizeof bytes);

    if (got < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    if (got == 0)
        return -1;
    if (outlet == &child->out)
        keep_result(child, bytes, (size_t)got);
    else
        keep_error(child, bytes, (size_t)got);
    return got;
}

static void on_output(struct ev_loop *loop, ev_io *io, int events)
{
    struct child *child = io->data;
    struct outlet *outlet = io == &child->out.io ? &child->out : &child->log;

    (void)loop, (void)events;
    if (outlet_read(child, outlet) < 0)
        outlet_close(child, outlet);
}

/* What is still in the pipe when the child has ended. A grandchild that holds the pipe open is not waited for. */
static void outlet_drain(struct child *child, struct outlet *outlet)
{
    for (int reads = 0; outlet->fd >= 0 && reads < DRAIN_READS && outlet_read(child, outlet) > 0; reads++)
        ;
    outlet_close(child, outlet);
}

static void free_child(struct child *child)
{
    ev_timer_stop(child->loop, &child->timer);
    ev_io_stop(child->loop, &child->exit);
    outlet_close(child, &child->out);
    outlet_close(child, &child->log);
    if (child->pidfd >= 0)
        close(child->pidfd);
    buffer_clear(&child->result);
    buffer_clear(&child->error);
    free(child);
}

/* Makes a text of what was written to stderr: its tail, that begins with a whole character, without space at its end. */
static const char *finish_error(struct child *child)
{
    struct buffer *error = &child->error;
    size_t partial = 0; /* the rest of a UTF-8 character */

    if (error->length > ERROR_BYTES_MAX)
        cut_error(child);
    while (child->error_is_tail && partial < 3 && partial < error->length && (error->data[partial] & 0xc0) == 0x80)
        partial++;
    buffer_consume(error, partial);
    while (error->length > 0 && (error->data[error->length - 1] == '\n' || error->data[error->length - 1] == ' '))
        error->data[--error->length] = '\0';
    return error->data ? error->data : "";
}

/* Tells how it ended; the callback runs once. */
static void tell(struct child *child)
{
    const char *error = finish_error(child);

    child->cb(
        &(struct child_result){
            .ending = child->ending,
            .run_us = child->ended ? child->run_us : clock_mono_us() - child->started_us,
            .result = child->result.data ? child->result.data : "",
            .result_bytes = child->result.length,
            .result_dropped_bytes = child->result_dropped,
            .error = error,
        },
        child->ctx);
    child->cb = NULL;
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
    outlet_drain(child, &child->out);
    outlet_drain(child, &child->log);
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

/* It hangs in the kernel. Its job is over all the same; whenever it ends it is buried. */
static void give_up(struct child *child)
{
    outlet_close(child, &child->out);
    outlet_close(child, &child->log);
    leave_group(child);
    tell(child);
}

static void terminate(struct child *child)
{
    if (child->terminated || child->pid <= 0)
        return;
    child->terminated = true;
    kill(-child->pid, SIGTERM);
    arm_timer(child, CHILD_KILL_AFTER_MS);
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

static void watch_outlet(struct child *child, struct outlet *outlet, int fd)
{
    outlet->fd = fd;
    fcntl(fd, F_SETFL, O_NONBLOCK);
    ev_io_init(&outlet->io, on_output, fd, EV_READ);
    outlet->io.data = child;
    ev_io_start(child->loop, &outlet->io);
}

/* Forks and execs. Returns 0, or an errno. */
static int spawn(struct child *child, const struct child_options *options)
{
    int in = -1, out[2] = {-1, -1}, log[2] = {-1, -1}, report[2] = {-1, -1}, code = 0;
    pid_t parent = getpid();

    in = payload_file(options->payload, options->payload_bytes);
    if (in < 0 || pipe2(out, O_CLOEXEC) < 0 || pipe2(log, O_CLOEXEC) < 0 || pipe2(report, O_CLOEXEC) < 0 ||
        (child->pid = fork()) < 0) {
        code = errno;
        goto out;
    }
    if (child->pid == 0)
        run_handler(options, in, out[1], log[1], report[1], parent);
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
    watch_outlet(child, &child->out, out[0]);
    watch_outlet(child, &child->log, log[0]);
    out[0] = log[0] = -1;
out:
    for (size_t i = 0; i < 2; i++) {
        if (out[i] >= 0)
            close(out[i]);
        if (log[i] >= 0)
            close(log[i]);
        if (report[i] >= 0)
            close(report[i]);
    }
    if (in >= 0)
        close(in);
    return code;
}

struct child *child_start(struct ev_loop *loop, const struct child_options *options, child_cb *cb, void *ctx)
{
    struct child *child = memory_new(sizeof *child);

    *child = (struct child){.loop = loop,
                            .cb = cb,
                            .ctx = ctx,
                            .pidfd = -1,
                            .result_max = options->result_bytes_max,
                            .group = options->group,
                            .started_us = clock_mono_us(),
                            .ending = {.exit = -1, .signal = -1}};
    child->out.fd = child->log.fd = -1;
    ev_init(&child->timer, on_timer);
    ev_init(&child->exit, on_exit_seen);
    child->timer.data = child->exit.data = child;
    child->ending.start_errno = spawn(child, options);
    if (child->ending.start_errno > 0) {
        buffer_add_format(&child->error, "cannot start %s: %s", options->argv[0], strerror(child->ending.start_errno));
        arm_timer(child, 0);
        return child;
    }
    ev_io_set(&child->exit, child->pidfd, EV_READ);
    ev_io_start(loop, &child->exit);
    arm_timer(child, options->timeout_ms);
    return child;
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
