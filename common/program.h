/* program.h - the frame of a program that runs until it is told to stop: its loop, its signals, its exit status, and its words to
 * a service manager (notify.h).
 *
 * TERM, INT  stop; each further one again    TTIN  dump
 * TSTP       quiet                           HUP   reload
 * CONT       resume                          USR1  the log file is opened again (log.h), here
 *
 * All of them have handlers from program_begin on, so that they do the same to process 1 of a container, which the kernel keeps
 * from all that it does not handle. */
#pragma once

#include <ev.h>

#include "common/error.h"

struct notify;

#define PROGRAM_SIGNALS 7

/* What the program does, in the loop. NULL: the signal is ignored, and the log says so. */
struct program_hooks {
    void (*stop)(void *ctx);
    void (*quiet)(void *ctx);
    void (*resume)(void *ctx);
    void (*dump)(void *ctx);
    /* Reads the settings again. What is wrong with them is logged; the old ones then stay. */
    void (*reload)(void *ctx);
};

struct program {
    struct ev_loop *loop;
    int status; /* to exit with */
    struct program_hooks hooks;
    void *ctx;
    ev_signal signals[PROGRAM_SIGNALS];
    struct notify *notify;
};

/* Makes the loop, watches the signals in it, ignores SIGPIPE. */
void program_begin(struct program *program, const struct program_hooks *hooks, void *ctx);

/* What runs in the loop has stopped, or refused to start (`err`): logs it, ends the loop. `program` is a struct program: this is
 * an on_stopped. */
void program_stopped(const struct error *err, void *program);

/* Ends what program_begin has begun. */
void program_end(struct program *program);
