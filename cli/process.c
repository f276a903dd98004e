#include "cli/process.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/memory.h"
#include "common/spawn.h"

#define KILL_PAUSE_MS 2

/* ---- in the child: async-signal-safe calls only ---- */

static _Noreturn void run(const char *const *argv, int log_fd, int report_fd, pid_t parent)
{
    int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    sigset_t none;

    setpgid(0, 0); /* Ctrl-C in a terminal is ours to handle */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(127); /* it died before the line above */
    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (nothing < 0 || dup2(nothing, 0) < 0 || dup2(log_fd, 1) < 0 || dup2(log_fd, 2) < 0)
        spawn_fail(report_fd);
    execvp(argv[0], (char *const *)argv);
    spawn_fail(report_fd);
}

/* ---- in the parent ---- */

pid_t process_start(const char *const *argv, int *ret_log, struct error *err)
{
    int log[2] = {-1, -1}, report[2] = {-1, -1}, code = 0;
    pid_t parent = getpid(), pid = -1;

    if (pipe2(log, O_CLOEXEC) < 0 || pipe2(report, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
        code = errno;
    } else if (pid == 0) {
        run(argv, log[1], report[1], parent);
    } else {
        close(report[1]);
        report[1] = -1;
        code = spawn_errno(report[0]);
    }
    if (code && pid > 0)
        waitpid(pid, NULL, 0);
    for (int i = 0; i < 2; i++) {
        if (report[i] >= 0)
            close(report[i]);
        if (log[i] >= 0 && (code || i == 1))
            close(log[i]);
    }
    if (code)
        return error_set(err, code == ENOENT ? ERR_NOT_FOUND : ERR_IO, "cannot start %s: %s", argv[0], strerror(code));
    fcntl(log[0], F_SETFL, O_NONBLOCK);
    *ret_log = log[0];
    return pid;
}

char *process_beside(const char *program)
{
    char path[PATH_MAX], *slash, *beside;
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);

    path[length > 0 ? length : 0] = '\0';
    slash = strrchr(path, '/');
    beside = slash ? memory_format("%.*s/%s", (int)(slash - path), path, program) : memory_string(program);
    if (access(beside, X_OK) == 0)
        return beside;
    free(beside);
    return memory_string(program);
}

void process_adopt(void)
{
    prctl(PR_SET_CHILD_SUBREAPER, 1);
}

/* The parent of process `name` (a number, as in /proc); 0 if it is gone. */
static pid_t parent_of(const char *name)
{
    char path[300], text[512], *after_name;
    size_t length = 0;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%s/stat", name);
    file = fopen(path, "re");
    if (!file)
        return 0;
    length = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[length] = '\0';
    after_name = strrchr(text, ')'); /* "1234 (name) S 1 ..." */
    return after_name && strlen(after_name) > 4 ? (pid_t)strtol(after_name + 3, NULL, 10) : 0;
}

/* Kills our children. Theirs become ours as they die, and are killed the next time. */
static void kill_children(void)
{
    DIR *processes = opendir("/proc");
    struct dirent *entry;

    while (processes && (entry = readdir(processes)))
        if (isdigit((unsigned char)entry->d_name[0]) && parent_of(entry->d_name) == getpid())
            kill((pid_t)strtol(entry->d_name, NULL, 10), SIGKILL);
    if (processes)
        closedir(processes);
}

void process_kill_descendants(void)
{
    for (;;) {
        pid_t reaped = waitpid(-1, NULL, WNOHANG);
        if (reaped < 0 && errno == ECHILD)
            return;
        if (reaped > 0)
            continue;
        kill_children();
        poll(NULL, 0, KILL_PAUSE_MS);
    }
}

const char *process_end(char ret[40], int status)
{
    if (WIFSIGNALED(status))
        snprintf(ret, 40, "was killed by signal %d", WTERMSIG(status));
    else
        snprintf(ret, 40, "exited with %d", WEXITSTATUS(status));
    return ret;
}
