/* supervisor.h - a few named child processes in an event loop: their log lines forwarded, their deaths told. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "common/error.h"

struct ev_loop;
struct supervisor;
struct member;

/* Told once for each member that has died; `status` as of waitpid. */
typedef void supervisor_cb(struct member *member, int status, void *ctx);

/* Borrows `loop`, which must be libev's default loop: only that one reaps children. */
struct supervisor *supervisor_new(struct ev_loop *loop, supervisor_cb *died, void *ctx);

/* Forgets all members, which may still run. NULL is fine. */
void supervisor_free(struct supervisor *supervisor);

/* Starts a member. `name` (borrowed) stands before each line that it writes, on our stderr. NULL on failure. Borrowed from the
 * supervisor. */
struct member *supervisor_start(struct supervisor *supervisor, const char *name, const char *const *argv, struct error *err);

const char *member_name(const struct member *member);
pid_t member_pid(const struct member *member);
bool member_is_running(const struct member *member);

/* Sends a signal, if it runs. */
void member_signal(struct member *member, int number);
