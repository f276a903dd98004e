/* process.h - programs of ours as processes of a test: started, watched, signalled, waited for.
 *
 * What a program prints goes to a file. It is killed by the kernel when the thread that started it dies; process_free() kills
 * what still runs. What goes wrong here fails the test with the end of that file. Single-threaded. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/clock.h"
#include "tests/support/server.h"

struct process;

#define PROCESS_MS_MAX 15000 /* that a test waits for a condition */

struct process_options {
    const char *program;            /* of build/<preset>/bin ("rota-worker"), or a path */
    const char *const *arguments;   /* without the program's name, NULL-terminated; NULL for none */
    const char *const *environment; /* "NAME=value" added to ours, NULL-terminated; NULL for none */
    const char *log;                /* path of the file; emptied first */
    const char *input;              /* path of a file for standard input; NULL: /dev/null */
    bool closed;                    /* it begins with descriptors 0, 1 and 2 closed; nothing is logged then */
};

/* Starts a program. Copies `options`. Gives. */
struct process *process_start(const struct process_options *options);

/* Kills it if it runs, and frees. NULL is fine. */
void process_free(struct process *process);

pid_t process_pid(const struct process *process);
void process_signal(const struct process *process, int number);

/* True while it has not ended; a zombie has. */
bool process_runs(struct process *process);

/* kill -9, and returns when it is gone. Fine if it is already. */
void process_kill(struct process *process);

/* Waits for its end. The exit status, or 128 + the signal's number. */
int process_wait(struct process *process, int64_t within_ms);

/* What it has printed so far. Borrowed until the next call. */
const char *process_log(struct process *process);

/* The place behind the first `text` in what it has printed, NULL if it is not there yet; and waits until it is there. */
const char *process_said(struct process *process, const char *text);
const char *process_wait_for(struct process *process, const char *text);

/* A whole file as text; "" if it is not there. Gives. */
char *file_text(const char *path);

/* Number of times that `text` is in `from`. */
unsigned count_text(const char *from, const char *text);

/* True if a process of this number is there and no zombie. */
bool pid_runs(pid_t pid);

/* Number of processes, zombies aside, that have both "NAME=value" texts in their environment; each gets signal `number` (0:
 * none). */
unsigned signal_processes(const char *variable, const char *other, int number);

void pause_ms(int64_t ms);

/* Waits until `condition` holds, and fails the test if it does not within `within_ms`. */
#define WAIT_UNTIL_MS(within_ms, condition)                              \
    do {                                                                 \
        int64_t end_mono_ms = clock_mono_ms() + (within_ms);             \
        while (!(condition)) {                                           \
            if (clock_mono_ms() > end_mono_ms)                           \
                process_fail(__FILE__, __LINE__, within_ms, #condition); \
            pause_ms(3);                                                 \
        }                                                                \
    } while (0)
#define WAIT_UNTIL(condition) WAIT_UNTIL_MS(PROCESS_MS_MAX, condition)

/* Fails the test, and prints what the processes of this test have said last. */
_Noreturn void process_fail(const char *file, int line, int64_t waited_ms, const char *condition);
