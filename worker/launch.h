/* launch.h - starts a handler from a small process: the only place that knows what a handler's process is like. */
#pragma once

#include <sys/types.h>

#include "worker/keeper_message.h"
#include "worker/order.h"

struct launch_failure {
    enum keeper_step step;
    int code; /* errno */
};

/* Starts the handler of `order` in a session of its own, with `fds` as its descriptors 0..3 and no others, with all signals
 * unblocked; it dies with this process. What it has from us as we are: umask, dispositions of signals, no_new_privs, core dumps.
 * Returns its pid when exec has succeeded, or -1. All signals must be blocked, and no handler of ours may matter to it. */
pid_t launch(const struct order *order, const int fds[KEEPER_FDS], struct launch_failure *ret_failure);
