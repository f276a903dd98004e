#include "tests/support/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/queue.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/buffer.h"
#include "common/memory.h"

#define ARGUMENTS_MAX 64
#define SHOWN_BYTES   20000 /* of each log when a test fails */
#define READ_BYTES    65536

extern char **environ;

struct process {
    char *name, *log_path, *log;
    pid_t pid;
    bool ended;
    int status; /* as waitpid(2) gives it */
    LIST_ENTRY(process) entry;
};

static LIST_HEAD(process_list, process) processes = LIST_HEAD_INITIALIZER(processes);

void pause_ms(int64_t ms)
{
    poll(NULL, 0, (int)ms);
}

/* ---- files ---- */

char *file_text(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct buffer text = {0};
    char bytes[READ_BYTES];
    ssize_t got;

    while (fd >= 0 && (got = read(fd, bytes, sizeof bytes)) > 0)
        buffer_add(&text, bytes, (size_t)got);
    if (fd >= 0)
        close(fd);
    buffer_add(&text, "", 0);
    return text.data ? buffer_give(&text) : memory_string("");
}

unsigned count_text(const char *from, const char *text)
{
    unsigned count = 0;

    while ((from = strstr(from, text))) {
        count++;
        from += strlen(text);
    }
    return count;
}

/* ---- starting ---- */

static _Noreturn void run_program(char *const *arguments, char *const *environment, const struct process_options *options,
                                  pid_t parent)
{
    int in = open(options->input ? options->input : "/dev/null", O_RDONLY);
    int out = open(options->log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1); /* the parent died before the line above */
    if (in < 0 || out < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
        _exit(126);
    if (options->closed)
        close_range(0, 2, 0);
    close_range(3, ~0U, 0);
    signal(SIGPIPE, SIG_DFL); /* as it is for a program that somebody starts */
    execve(arguments[0], arguments, environment);
    _exit(127);
}

static bool sets_same(const char *variable, const char *const *others)
{
    for (; others && *others; others++)
        if (strncmp(variable, *others, strcspn(variable, "=") + 1) == 0)
            return true;
    return false;
}

/* `added`, and what else is in `environ`. */
static char **join_environment(const char *const *added)
{
    size_t count = 0;
    char **joined;

    for (char **variable = environ; *variable; variable++)
        count++;
    for (const char *const *variable = added; variable && *variable; variable++)
        count++;
    joined = memory_new((count + 1) * sizeof *joined);
    count = 0;
    for (const char *const *variable = added; variable && *variable; variable++)
        joined[count++] = (char *)(uintptr_t)*variable;
    for (char **variable = environ; *variable; variable++)
        if (!sets_same(*variable, added))
            joined[count++] = *variable;
    return joined;
}

struct process *process_start(const struct process_options *options)
{
    struct process *process = memory_new(sizeof *process);
    char *path =
        strchr(options->program, '/') ? memory_string(options->program) : memory_format("%s/%s", PROGRAMS_PATH, options->program);
    char *arguments[ARGUMENTS_MAX + 2] = {path}, **environment = join_environment(options->environment);
    pid_t parent = getpid();

    for (size_t i = 0; options->arguments && options->arguments[i]; i++) {
        assert_true(i < ARGUMENTS_MAX);
        arguments[i + 1] = (char *)(uintptr_t)options->arguments[i];
    }
    process->name = memory_string(options->program);
    process->log_path = memory_string(options->log);
    process->pid = fork();
    assert_true(process->pid >= 0);
    if (process->pid == 0)
        run_program(arguments, environment, options, parent);
    LIST_INSERT_HEAD(&processes, process, entry);
    free(environment);
    free(path);
    return process;
}

void process_free(struct process *process)
{
    if (!process)
        return;
    process_kill(process);
    LIST_REMOVE(process, entry);
    free(process->name);
    free(process->log_path);
    free(process->log);
    free(process);
}

/* ---- watching ---- */

pid_t process_pid(const struct process *process)
{
    return process->pid;
}

void process_signal(const struct process *process, int number)
{
    if (!process->ended)
        kill(process->pid, number);
}

bool process_runs(struct process *process)
{
    if (!process->ended && waitpid(process->pid, &process->status, WNOHANG) == process->pid)
        process->ended = true;
    return !process->ended;
}

void process_kill(struct process *process)
{
    if (process->ended)
        return;
    kill(process->pid, SIGKILL);
    waitpid(process->pid, &process->status, 0);
    process->ended = true;
}

int process_wait(struct process *process, int64_t within_ms)
{
    WAIT_UNTIL_MS(within_ms, !process_runs(process));
    return WIFEXITED(process->status) ? WEXITSTATUS(process->status) : 128 + WTERMSIG(process->status);
}

const char *process_log(struct process *process)
{
    free(process->log);
    process->log = file_text(process->log_path);
    return process->log;
}

const char *process_said(struct process *process, const char *text)
{
    const char *at = strstr(process_log(process), text);

    return at ? at + strlen(text) : NULL;
}

const char *process_wait_for(struct process *process, const char *text)
{
    const char *at = NULL;

    WAIT_UNTIL((at = process_said(process, text)) || !process_runs(process));
    if (!at)
        fail_msg("%s has ended without saying \"%s\":\n%s", process->name, text, process_log(process));
    return at;
}

_Noreturn void process_fail(const char *file, int line, int64_t waited_ms, const char *condition)
{
    struct process *process;

    LIST_FOREACH(process, &processes, entry)
    {
        const char *log = process_log(process);
        size_t length = strlen(log);
        fprintf(stderr, "---- %s, pid %d%s\n%s\n", process->name, (int)process->pid, process_runs(process) ? "" : ", ended",
                log + (length > SHOWN_BYTES ? length - SHOWN_BYTES : 0));
    }
    print_error("%s:%d: waited %lld ms for %s\n", file, line, (long long)waited_ms, condition);
    fail();
    abort();
}

/* ---- other processes ---- */

bool pid_runs(pid_t pid)
{
    char *path = memory_format("/proc/%d/stat", (int)pid), *text = file_text(path);
    const char *state = strrchr(text, ')'); /* "12 (name) S ..." */
    bool runs = state && state[1] == ' ' && state[2] != 'Z' && state[2] != 'X';

    free(path);
    free(text);
    return runs;
}

/* True if the environment of process `pid` has both variables. */
static bool has_environment(const char *pid, const char *variable, const char *other)
{
    char *path = memory_format("/proc/%s/environ", pid), bytes[READ_BYTES];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd >= 0 ? read(fd, bytes, sizeof bytes) : -1; /* nothing from a zombie */

    free(path);
    if (fd >= 0)
        close(fd);
    return got > 0 && memmem(bytes, (size_t)got, variable, strlen(variable) + 1) &&
           memmem(bytes, (size_t)got, other, strlen(other) + 1);
}

unsigned signal_processes(const char *variable, const char *other, int number)
{
    DIR *directory = opendir("/proc");
    struct dirent *entry;
    unsigned count = 0;

    while (directory && (entry = readdir(directory)))
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' && has_environment(entry->d_name, variable, other)) {
            count++;
            if (number)
                kill((pid_t)atoi(entry->d_name), number);
        }
    if (directory)
        closedir(directory);
    return count;
}
