/* pool_wire.h - the descriptors between the worker and one long-lived handler: a socket for frames, a pipe for what it prints. */
#pragma once

#include <ev.h>
#include <stdbool.h>

#include "common/buffer.h"
#include "worker/keeper_message.h"

struct pool_wire {
    struct ev_loop *loop;
    void (*on_frame)(const char *line, size_t bytes, void *ctx);
    void (*on_output)(const char *bytes, size_t length, void *ctx);
    void (*on_broken)(const char *why, void *ctx); /* the socket was closed, or there is no end of line; once */
    void *ctx;
    /* Private. */
    int fd, output_fd;
    ev_io reader, writer, output;
    ev_prepare flush; /* what one turn of the loop has to say goes out at once */
    struct buffer in, out;
};

/* Opens it; the callbacks and `loop` are filled in. `ret_fds`: what the handler gets, to be closed by the caller. Returns 0 or an
 * errno. The struct must not move until pool_wire_close. */
int pool_wire_open(struct pool_wire *wire, int ret_fds[KEEPER_FDS]);

/* A frame was added to the buffer that this gives. */
struct buffer *pool_wire_out(struct pool_wire *wire);

/* Sends what waits, and then the end of the stream: nothing more will come. */
void pool_wire_end(struct pool_wire *wire);

/* Reads what is there, before it is closed or something is concluded from its silence. */
void pool_wire_drain_output(struct pool_wire *wire);
void pool_wire_drain_frames(struct pool_wire *wire);

/* All zeroes, or closed already: fine. */
void pool_wire_close(struct pool_wire *wire);
