/* guard.h - a small process that lives as long as the worker and a moment longer: when the worker dies without a word (kill -9),
 * it kills the process groups of its handlers. PR_SET_PDEATHSIG alone would kill the handlers, but not what they have started.
 * What has left its handler's process group is not found: the guard is no ancestor of handlers, so it cannot be their subreaper.
 */
#pragma once

#include <stdatomic.h>
#include <sys/types.h>

#include "common/error.h"

struct guard;

/* Starts a guard for `places` process groups. NULL and `err` (ERR_IO) if that fails. */
struct guard *guard_start(unsigned places, struct error *err);

/* Ends it without a kill; the worker has seen to its handlers. NULL is fine. */
void guard_stop(struct guard *guard);

/* Where the number of a process group is written (0 for none): by the child itself, so that no moment is left between fork and
 * note. */
_Atomic pid_t *guard_place(struct guard *guard, unsigned place);
