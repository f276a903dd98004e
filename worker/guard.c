#include "worker/guard.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/memory.h"

struct guard {
    pid_t pid;
    _Atomic pid_t *groups; /* shared memory */
    unsigned places;
};

static _Noreturn void keep_watch(const struct guard *guard, pid_t worker)
{
    sigset_t all;

    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL); /* what ends the worker is not to end us first */
    setsid();
    prctl(PR_SET_NAME, "rota-guard");
    close_range(0, ~0U, 0);
    prctl(PR_SET_PDEATHSIG, SIGUSR1);
    while (getppid() == worker)
        sigtimedwait(&all, NULL, &(struct timespec){.tv_sec = 1});
    for (unsigned i = 0; i < guard->places; i++)
        if (guard->groups[i] > 0)
            kill(-guard->groups[i], SIGKILL);
    _exit(0);
}

struct guard *guard_start(unsigned places, struct error *err)
{
    void *shared = mmap(NULL, places * sizeof(_Atomic pid_t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct guard *guard;
    pid_t worker = getpid();

    if (shared == MAP_FAILED) {
        error_set(err, ERR_IO, "guard of the handlers: %s", strerror(errno));
        return NULL;
    }
    guard = memory_new(sizeof *guard);
    *guard = (struct guard){.groups = shared, .places = places};
    guard->pid = fork();
    if (guard->pid == 0)
        keep_watch(guard, worker);
    if (guard->pid < 0) {
        error_set(err, ERR_IO, "guard of the handlers: %s", strerror(errno));
        guard_stop(guard);
        return NULL;
    }
    return guard;
}

void guard_stop(struct guard *guard)
{
    if (!guard)
        return;
    if (guard->pid > 0) {
        kill(guard->pid, SIGKILL);
        waitpid(guard->pid, NULL, 0);
    }
    munmap((void *)guard->groups, guard->places * sizeof *guard->groups);
    free(guard);
}

_Atomic pid_t *guard_place(struct guard *guard, unsigned place)
{
    return &guard->groups[place];
}
