/* environment.h - the environment of a handler: built from nothing, plus an allow-list of the worker's own (PATH HOME LANG TZ).
 */
#pragma once

#include <stdint.h>

#include "common/job.h"

/* Gives "NAME=value" strings and a NULL; environment_free frees them. `attempt` counts from 1; `slot` is unique among running
 * jobs. */
char **environment_new(const struct job *job, const char *session, unsigned slot, int attempt, int max_attempts,
                       int64_t timeout_ms);
void environment_free(char **environment);
