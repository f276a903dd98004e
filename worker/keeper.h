/* keeper.h - the worker's side of its keepers (keeper_process.h): one for each slot, made when it is first used and again when it
 * was killed.
 *
 * The worker itself is a subreaper, too, and waits for every child it gets, also for those that it never started: it may be the
 * first process of a container. When a keeper dies its handler dies with it (PR_SET_PDEATHSIG), and what the handler had started
 * becomes the worker's: all that is below the worker and below no keeper is then killed. Only when nobody is left is the owner
 * told, so that the same job does not run twice at once. In a container that may hit what somebody else has left behind there.
 *
 * A handler that not even KILL ends can be left to its keeper, which goes on and ends after it; the slot gets a new keeper. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "common/error.h"
#include "worker/keeper_message.h"
#include "worker/order.h"

struct ev_loop;
struct keeper;
struct keepers;

/* Callbacks of one run; none runs before keeper_run has returned. After on_failed, on_ended or on_lost no other follows. */
struct keeper_client {
    void (*on_started)(pid_t pid, void *ctx); /* if the order asks for it: tell_start */
    void (*on_failed)(enum keeper_step step, int code, void *ctx);
    void (*on_ended)(const struct keeper_report *report, void *ctx);
    void (*on_lost)(int status, void *ctx); /* the keeper itself has died; `status` as of wait() */
    void *ctx;
};

/* Keepers for `count` slots; their scratch directories are in a new directory in `base`, their control groups in `cgroup` (NULL:
 * there are none); both are copied. `on_free` is told that a keeper
 * can take an order again, always after the callback of its run, from within which it may be called. NULL and `err` (ERR_IO) if
 * none can be made there. One at a time in a process: SIGCHLD is its own. */
struct keepers *keepers_new(struct ev_loop *loop, unsigned count, const char *base, const char *cgroup,
                            void (*on_free)(unsigned number, void *ctx), void *ctx, struct error *err);

/* Ends all keepers and what runs below them, and waits for that, but not for ever. Calls nobody. NULL is fine. */
void keepers_free(struct keepers *keepers);

/* The keeper of a slot; the path of its scratch directory. */
struct keeper *keepers_at(struct keepers *keepers, unsigned number);
const char *keeper_scratch(const struct keeper *keeper);

/* True if it can take an order. */
bool keeper_is_free(const struct keeper *keeper);

/* Looks once for the processes that run below all of them; and the one that it has found below one, or 0. */
void keepers_look(struct keepers *keepers);
pid_t keeper_handler_pid(const struct keeper *keeper);

/* Runs a handler; the keeper must be free. `order.scratch` and `order.cgroup` are filled in here. `fds` stay the caller's. The
 * client's struct must live until its callback. Returns 0, or an errno, and then there will be no callback; EOPNOTSUPP if it
 * wants a control group and there are none. */
int keeper_run(struct keeper *keeper, const struct order *order, const int fds[KEEPER_FDS], const struct keeper_client *client);

/* Tells it to stop (TERM) or to kill what it runs. */
void keeper_command(struct keeper *keeper, enum keeper_command command);

/* Lets go of what it runs: there will be no callback, and the slot has a new keeper. */
void keeper_leave(struct keeper *keeper);
