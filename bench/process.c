#include "bench/process.h"

#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench/ground.h"
#include "common/clock.h"
#include "common/memory.h"
#include "tests/support/server.h"

#define START_MS_MAX 10000
#define POLL_NS      2000000

/* The folder of this executable. */
static const char *own_folder(void)
{
    static char path[4096];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);

    if (length < 0)
        give_up("/proc/self/exe cannot be read");
    path[length] = '\0';
    return dirname(path);
}

char *process_path(const char *program)
{
    return memory_format("%s/%s", own_folder(), program);
}

static void become(const char *path, const char *log, const char *const *argv)
{
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (fd >= 0) {
        dup2(fd, STDOUT_FILENO);
        dup2(fd, STDERR_FILENO);
    }
    execv(path, (char *const *)argv);
    perror(path);
    _exit(127);
}

pid_t process_start(const struct ground *ground, const char *program, const char *const *arguments)
{
    char *url = memory_format("unix://%s", server_socket(ground->server));
    char *path = memory_format("%s/%s", own_folder(), program);
    char *log = memory_format("%s/%s.log", server_directory(ground->server), program);
    const char *argv[PROCESS_ARGUMENTS_MAX + 6] = {program, "--redis", url, "--durability", "memory"};
    pid_t pid;

    for (int i = 0; arguments && arguments[i] && i < PROCESS_ARGUMENTS_MAX; i++)
        argv[5 + i] = arguments[i];
    pid = fork();
    if (pid < 0)
        give_up("%s cannot be started", path);
    if (pid == 0)
        become(path, log, argv);
    free(url);
    free(path);
    free(log);
    return pid;
}

void process_run(const struct ground *ground, const char *program, const char *const *arguments)
{
    int status = 0;

    waitpid(process_start(ground, program, arguments), &status, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        give_up("%s failed: see %s/%s.log", program, server_directory(ground->server), program);
}

void process_stop(pid_t pid)
{
    kill(pid, SIGTERM);
    waitpid(pid, NULL, 0);
}

void process_wait_sessions(struct ground *ground, int count)
{
    int64_t deadline_ms = clock_mono_ms() + START_MS_MAX;

    while (ground_number(ground, "ZCARD rota:{0}:sessions") < count) {
        if (clock_mono_ms() > deadline_ms)
            give_up("the programs did not open their sessions: see %s/*.log", server_directory(ground->server));
        nanosleep(&(struct timespec){.tv_nsec = POLL_NS}, NULL);
    }
}
