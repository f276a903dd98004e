/* outlets.h - the descriptors of a handler that runs for one job: its payload as a file, and the pipes that come out of it. */
#pragma once

#include <ev.h>
#include <stddef.h>

#include "worker/keeper_message.h"

enum outlet { OUTLET_RESULT, OUTLET_LOG, OUTLET_CONTROL, OUTLETS }; /* its standard output, standard error, descriptor 3 */

struct outlets {
    struct ev_loop *loop;
    void (*take)(enum outlet which, const char *bytes, size_t length, void *ctx); /* this has come */
    void *ctx;
    /* Private. */
    struct outlet_pipe {
        struct outlets *all;
        ev_io io;
        int fd;
    } pipes[OUTLETS];
};

/* None is open; `take` may be called from outlets_open on, but not from within. The struct must not move. */
void outlets_init(struct outlets *outlets, struct ev_loop *loop,
                  void (*take)(enum outlet which, const char *bytes, size_t length, void *ctx), void *ctx);

/* Opens them. `ret_fds`: what the handler gets, to be closed by the caller. The payload, its standard input, is a file that
 * cannot change any more, at its beginning. Returns 0 or an errno, and then nothing is open. */
int outlets_open(struct outlets *outlets, const char *payload, size_t payload_bytes, int ret_fds[KEEPER_FDS]);

/* Takes what is still there when the handler has ended, and closes them. Who holds a pipe open is not waited for. */
void outlets_drain(struct outlets *outlets);

/* Closed already: fine. */
void outlets_close(struct outlets *outlets);
