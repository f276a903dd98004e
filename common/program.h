/* program.h - the frame of a program that runs until it is told to stop: its loop, its signals, its exit status. */
#pragma once

#include <ev.h>

#include "common/error.h"

struct program {
    struct ev_loop *loop;
    int status;                   /* to exit with */
    void (*on_signal)(void *ctx); /* TERM or INT has come */
    void *ctx;
    ev_signal term, interrupt;
};

/* Makes the loop, watches TERM and INT in it, ignores SIGPIPE. */
void program_begin(struct program *program, void (*on_signal)(void *ctx), void *ctx);

/* What runs in the loop has stopped, or refused to start (`err`): logs it, ends the loop. `program` is a struct program: this is
 * an on_stopped. */
void program_stopped(const struct error *err, void *program);

/* Ends what program_begin has begun. */
void program_end(struct program *program);
