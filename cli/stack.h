/* stack.h - a whole Rota on this machine, for `rota dev`: a private redis-server (or one that is there), a scheduler and two
 * workers; started one after the other, watched, and taken down in the other order. */
#pragma once

#include <stdint.h>

#include "cli/cli.h"

#define STACK_WORKERS 2

struct stack_options {
    const char *directory; /* of the private Redis; made if it is not there */
    const char *redis_url; /* of one that is there; NULL for a private one */
    int64_t slots;         /* of each worker; 0: as its capsules say */
    const char *const *on; /* TYPE=COMMAND ..., NULL-terminated; may be empty */
};

/* Runs the stack in this process, which has no other children and whose libev default loop is not in use; returns when all of it
 * has ended: after a signal (INT, TERM, HUP; the second one stops jobs at once), or because something died or could not be
 * started, or, then at once and without draining, when the other end of the pipe `lifeline` is closed. The exit status, or an
 * error. */
int stack_run(struct cli *cli, const struct stack_options *options, int lifeline, struct error *err);
