#include "worker/keeper_process.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "worker/cgroup.h"
#include "worker/descendants.h"
#include "worker/keeper_message.h"
#include "worker/launch.h"
#include "worker/order.h"
#include "worker/scratch.h"

#define KILL_AGAIN_MS_MAX 50 /* between two looks for what is left */

/* One run of a handler. */
struct run {
    pid_t pid; /* 0 when it was waited for */
    int status;
    struct rusage usage;
};

struct keeper {
    bool orphaned;                    /* the connection is over: the worker is gone, or .. */
    bool left;                        /* .. it has another keeper for our slot */
    char scratch[4096], cgroup[4096]; /* cgroup: "" if its run has none */
    struct run run;
};

bool keeper_is_asked(char **argv)
{
    return argv[0] && strcmp(argv[0], KEEPER_NAME) == 0;
}

static void on_child(int number)
{
    (void)number; /* it is enough that it interrupts ppoll */
}

/* What a handler is to inherit from us. */
static void prepare(void)
{
    sigset_t all;

    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL);
    signal(SIGCHLD, on_child); /* exec makes it the default again */
    prctl(PR_SET_NAME, KEEPER_NAME);
#ifndef __SANITIZE_ADDRESS__
    prctl(PR_SET_DUMPABLE, 0);
#endif
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    prctl(PR_SET_PDEATHSIG, SIGCONT); /* a handler may have stopped us */
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    umask(077);
    setsid();
}

static void report(struct keeper *keeper, const struct keeper_report *report)
{
    if (send(KEEPER_SOCKET_FD, report, sizeof *report, MSG_NOSIGNAL) < 0)
        keeper->orphaned = true;
}

/* Sleeps until a child has ended, the worker says something, or the time is over. True if the worker did. */
static bool sleep_ms(const struct keeper *keeper, int64_t ms)
{
    struct pollfd socket = {.fd = keeper->orphaned ? -1 : KEEPER_SOCKET_FD, .events = POLLIN};
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    sigset_t mask;

    sigfillset(&mask);
    sigdelset(&mask, SIGCHLD);
    return ppoll(&socket, 1, ms < 0 ? NULL : &time, &mask) > 0;
}

/* Waits for whoever has ended. What the handler leaves in its group is killed before its number may be somebody else's. False if
 * there is no child any more. */
static bool reap(struct run *run)
{
    siginfo_t info = {0};

    while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0) {
        if (info.si_pid == 0)
            return true;
        if (info.si_pid == run->pid) {
            kill(-run->pid, SIGKILL);
            wait4(run->pid, &run->status, 0, &run->usage);
            run->pid = 0;
        } else {
            waitpid(info.si_pid, NULL, 0);
        }
        info.si_pid = 0;
    }
    return false;
}

static void stop(const struct run *run)
{
    kill(-run->pid, SIGTERM);
    descendants_signal(SIGTERM, run->pid, NULL, 0);
}

static void kill_all(const struct keeper *keeper)
{
    if (keeper->cgroup[0])
        cgroup_kill(keeper->cgroup);
    if (keeper->run.pid > 0)
        kill(-keeper->run.pid, SIGKILL);
    descendants_signal(SIGKILL, 0, NULL, 0);
}

static bool is_leave(const void *message, ssize_t bytes)
{
    const enum keeper_command leave = KEEPER_LEAVE;

    return bytes == (ssize_t)sizeof leave && memcmp(message, &leave, sizeof leave) == 0;
}

static void obey(struct keeper *keeper)
{
    enum keeper_command command;
    ssize_t got = recv(KEEPER_SOCKET_FD, &command, sizeof command, MSG_DONTWAIT);

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0)
        keeper->orphaned = true;
    if (is_leave(&command, got))
        keeper->left = true; /* the end follows */
    else if (got <= 0 || command == KEEPER_KILL)
        kill_all(keeper);
    else
        stop(&keeper->run);
}

/* Until nobody is left. Who forks on all the while is met again and again; within the limit of its processes it loses. */
static void bury_the_rest(struct keeper *keeper)
{
    if (keeper->cgroup[0])
        cgroup_kill(keeper->cgroup);
    for (int wait_ms = 1; reap(&keeper->run); wait_ms = wait_ms < KILL_AGAIN_MS_MAX ? 2 * wait_ms : KILL_AGAIN_MS_MAX) {
        static const struct keeper nobody = {.orphaned = true};
        if (descendants_signal(SIGKILL, 0, NULL, 0) > 0)
            wait_ms = 1;
        sleep_ms(&nobody, wait_ms);
    }
}

/* True if it had too much memory. */
static bool end_group(const struct keeper *keeper)
{
    bool out_of_memory = keeper->cgroup[0] && cgroup_is_out_of_memory(keeper->cgroup);

    if (keeper->cgroup[0])
        cgroup_remove(keeper->cgroup); /* what stays is in the way of the next run, which says so */
    return out_of_memory;
}

static int64_t us(const struct timeval *time)
{
    return (int64_t)time->tv_sec * 1000000 + time->tv_usec;
}

static void watch(struct keeper *keeper)
{
    struct run *run = &keeper->run;
    bool is_free, out_of_memory;

    while (reap(run), run->pid > 0)
        if (sleep_ms(keeper, -1))
            obey(keeper);
    bury_the_rest(keeper);
    out_of_memory = end_group(keeper);
    is_free = scratch_remove_empty(keeper->scratch);
    report(keeper, &(struct keeper_report){.word = KEEPER_ENDED,
                                           .free = is_free,
                                           .status = run->status,
                                           .user_us = us(&run->usage.ru_utime),
                                           .system_us = us(&run->usage.ru_stime),
                                           .rss_max_bytes = (int64_t)run->usage.ru_maxrss * 1024,
                                           .out_of_memory = out_of_memory});
    if (!is_free)
        report(keeper,
               &(struct keeper_report){.word = KEEPER_FREE, .free = true, .scratch_errno = scratch_remove(keeper->scratch)});
}

static void fail(struct keeper *keeper, enum keeper_step step, int code)
{
    report(keeper, &(struct keeper_report){.word = KEEPER_FAILED, .free = true, .step = step, .code = code});
}

static void start(struct keeper *keeper, char *message, size_t bytes, const int fds[KEEPER_FDS])
{
    static struct order_received received;
    const struct order *order = &received.order;
    struct launch_failure failure;
    int code;

    keeper->run = (struct run){0};
    if (order_decode(&received, message, bytes) < 0 || strlen(order->scratch) >= sizeof keeper->scratch ||
        (order->cgroup && strlen(order->cgroup) >= sizeof keeper->cgroup)) {
        fail(keeper, STEP_ORDER, EBADMSG);
        return;
    }
    snprintf(keeper->scratch, sizeof keeper->scratch, "%s", order->scratch);
    code = scratch_make(order->scratch, order->user.given ? order->user.uid : (uid_t)-1, order->user.gid);
    if (code > 0) {
        fail(keeper, STEP_SCRATCH, code);
        return;
    }
    snprintf(keeper->cgroup, sizeof keeper->cgroup, "%s", order->cgroup ? order->cgroup : "");
    code = order->cgroup ? cgroup_make(order->cgroup, order->limits.group_memory_bytes, order->limits.group_processes) : 0;
    if (code > 0) {
        scratch_remove_empty(order->scratch);
        fail(keeper, STEP_CGROUP, code);
        return;
    }
    keeper->run.pid = launch(order, fds, &failure);
    if (keeper->run.pid < 0) {
        keeper->run.pid = 0;
        end_group(keeper);
        scratch_remove_empty(order->scratch);
        fail(keeper, failure.step, failure.code);
    } else if (order->tell_start) {
        report(keeper, &(struct keeper_report){.word = KEEPER_STARTED, .pid = keeper->run.pid});
    }
}

static void close_all(const int fds[KEEPER_FDS])
{
    for (int i = 0; i < KEEPER_FDS; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

/* Waits for an order and runs it. */
static void serve(struct keeper *keeper)
{
    static char message[ORDER_BYTES_MAX + sizeof(void *)];
    union {
        char bytes[CMSG_SPACE(sizeof(int) * KEEPER_FDS)];
        struct cmsghdr aligned;
    } control;
    struct iovec part = {message, sizeof message};
    struct msghdr head = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t got = recvmsg(KEEPER_SOCKET_FD, &head, MSG_CMSG_CLOEXEC);
    const struct cmsghdr *attached = got > 0 ? CMSG_FIRSTHDR(&head) : NULL;
    int fds[KEEPER_FDS] = {-1, -1, -1, -1};

    if (got < 0 && errno == EINTR)
        return;
    keeper->orphaned = got <= 0;
    if (!attached) { /* the end; or a command to a handler that has ended meanwhile */
        keeper->left = keeper->left || is_leave(message, got);
        return;
    }
    memcpy(fds, CMSG_DATA(attached), attached->cmsg_len - CMSG_LEN(0));
    start(keeper, message, (size_t)got, fds);
    close_all(fds);
    if (keeper->run.pid > 0)
        watch(keeper);
}

/* Reads what was not listened to before the connection was over. */
static bool was_left(const struct keeper *keeper)
{
    enum keeper_command command;
    bool left = keeper->left;
    ssize_t got;

    while ((got = recv(KEEPER_SOCKET_FD, &command, sizeof command, MSG_DONTWAIT)) > 0 || (got < 0 && errno == ECONNRESET))
        left = left || is_leave(&command, got);
    return left;
}

/* What holds those of all slots goes with the last of us. */
static void remove_parent(char *path)
{
    char *slash = strrchr(path, '/');

    if (!slash || slash == path)
        return;
    *slash = '\0';
    rmdir(path);
}

int keeper_process(void)
{
    struct keeper keeper = {0};

    prepare();
    while (!keeper.orphaned)
        serve(&keeper);
    scratch_remove(keeper.scratch);
    if (!was_left(&keeper)) { /* a worker that lives needs them */
        remove_parent(keeper.scratch);
        remove_parent(keeper.cgroup);
    }
    _exit(0);
}
