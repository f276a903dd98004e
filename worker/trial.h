/* trial.h - one run of a handler without Redis: for `rota handler test`.
 *
 * Everything is as in a worker: environment, process, limits, control lines, log, verdict. What the worker would have told Redis
 * is printed. A handler that lives on is started for one job, whose frame is printed, and drained after it. */
#pragma once

#include <stdbool.h>

#include "common/error.h"
#include "common/handler.h"

/* Runs the handler of `type` on what standard input holds (at most a job's size), prints what happens to standard output, and
 * waits for its end. Its scratch directory is made in `scratch`. *ret_done: the job would be done, however a handler that lives
 * on ends after it. */
int trial_run(const struct handlers *handlers, const char *type, const char *scratch, const char *cgroup, bool *ret_done,
              struct error *err) MUST_CHECK;
