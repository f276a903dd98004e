/* environment.h - the environment of a handler: built from nothing, plus an allow-list of the worker's own (PATH HOME LANG TZ)
 * and what the operator has put into its handler's `env`. docs/HANDLERS.md names all variables.
 *
 * Nothing of how the worker reaches Redis is in it, unless the operator wrote it there. */
#pragma once

#include <stdint.h>

#include "common/handler.h"
#include "common/job.h"

/* All is borrowed for the call. */
struct environment_facts {
    const struct job *job;
    const struct handler *handler;
    const char *session;
    const unsigned char *token; /* TOKEN_BYTES: of the lease; NULL where there is none */
    unsigned slot;              /* unique among running jobs */
    int attempt, max_attempts;  /* counted from 1 */
    int64_t timeout_ms;
};

/* Gives "NAME=value" strings and a NULL; environment_free frees them. */
char **environment_new(const struct environment_facts *facts);
void environment_free(char **environment);

/* Gives the same. */
char **environment_copy(char *const *environment);

/* Those variables that say nothing of one job, for a process that runs many. Gives an array (free) of borrowed strings. */
char **environment_of_all(char *const *environment);

/* The run begins `ms` later than it was thought: so does its deadline. */
void environment_put_off(char **environment, int64_t ms);
