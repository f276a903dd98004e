/* run.h - how a handler and a job become a run: the part of the options of a child that follows from them alone. What a worker
 * runs and what `rota handler test` tries out is the same. Pure. */
#pragma once

#include "common/handler.h"
#include "common/job.h"
#include "worker/child.h"

/* Callbacks are the caller's to add. All is borrowed. */
struct child_options run_options(const struct handler *handler, const struct job *job, char *const *environment);

/* How long it may run, and how many attempts it has: the job's own word wins. */
int64_t run_timeout_ms(const struct handler *handler, const struct job *job);
int run_max_attempts(const struct handler *handler, const struct job *job);
