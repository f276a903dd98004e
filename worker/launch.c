#include "worker/launch.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "worker/cgroup.h"

#define STACK_BYTES (64 * 1024)

/* As posix_spawn does it: child and parent share memory, and the parent waits, until exec; only the stack is another one. What
 * the child writes here is there for the parent. */
struct attempt {
    const struct order *order;
    const int *fds;
    pid_t parent;
    struct launch_failure failure;
};

static int limit(int resource, uint64_t value)
{
    struct rlimit limits = {value, value}, now;

    if (value == 0 || getrlimit(resource, &now) < 0)
        return 0;
    if (limits.rlim_cur > now.rlim_max && geteuid() != 0) /* what is lower already stays */
        limits.rlim_cur = limits.rlim_max = now.rlim_max;
    return setrlimit(resource, &limits);
}

/* Seconds of processor time: XCPU, which can be caught, and a second later KILL. */
static int limit_cpu(uint64_t s)
{
    struct rlimit limits = {s, s + 1};

    return s == 0 ? 0 : setrlimit(RLIMIT_CPU, &limits);
}

static int set_limits(const struct order *order)
{
    const struct order_limits *limits = &order->limits;

    if (limit_cpu(limits->cpu_s) < 0 || limit(RLIMIT_AS, limits->memory_bytes) < 0 || limit(RLIMIT_NOFILE, limits->files) < 0 ||
        limit(RLIMIT_NPROC, limits->processes) < 0 || limit(RLIMIT_FSIZE, limits->file_bytes) < 0)
        return -1;
    if (order->nice == 0)
        return 0;
    errno = 0;
    return nice(order->nice) < 0 && errno != 0 ? -1 : 0;
}

/* System calls as they are: those of the C library would tell the other threads of a process whose memory is not ours. */
static int set_user(const struct order_user *user)
{
    if (!user->given)
        return 0;
    if (syscall(SYS_setgroups, user->group_count, user->groups) < 0 ||
        syscall(SYS_setresgid, user->gid, user->gid, user->gid) < 0)
        return -1;
    return (int)syscall(SYS_setresuid, user->uid, user->uid, user->uid);
}

static int set_fds(const int fds[KEEPER_FDS])
{
    for (int i = 0; i < KEEPER_FDS; i++)
        if (dup2(fds[i], i) < 0)
            return -1;
    return close_range(KEEPER_FDS, ~0U, 0);
}

static int fail(struct attempt *attempt, enum keeper_step step)
{
    attempt->failure.step = step;
    attempt->failure.code = errno;
    return 127;
}

static int run_handler(void *ctx)
{
    struct attempt *attempt = ctx;
    const struct order *order = attempt->order;
    sigset_t none;

    setsid();
    if (order->cgroup && (errno = cgroup_enter(order->cgroup)) > 0)
        return fail(attempt, STEP_CGROUP);
    if (set_limits(order) < 0)
        return fail(attempt, STEP_LIMITS);
    if (set_user(&order->user) < 0)
        return fail(attempt, STEP_USER);
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a change of user forgets it */
    if (getppid() != attempt->parent)
        return 127; /* the parent died before */
    if (chdir(order->cwd ? order->cwd : order->scratch) < 0)
        return fail(attempt, STEP_CWD);
    if (set_fds(attempt->fds) < 0)
        return fail(attempt, STEP_FDS);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execve(order->argv[0], order->argv, order->environment);
    return fail(attempt, STEP_EXEC);
}

pid_t launch(const struct order *order, const int fds[KEEPER_FDS], struct launch_failure *ret_failure)
{
    static _Alignas(16) char stack[STACK_BYTES];
    struct attempt attempt = {.order = order, .fds = fds, .parent = getpid()};
    pid_t pid = clone(run_handler, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, &attempt);

    if (pid < 0) {
        *ret_failure = (struct launch_failure){STEP_FORK, errno};
        return -1;
    }
    if (attempt.failure.code > 0) {
        ret_failure->step = attempt.failure.step;
        ret_failure->code = attempt.failure.code;
        waitpid(pid, NULL, 0);
        return -1;
    }
    return pid;
}
