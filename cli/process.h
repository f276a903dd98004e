/* process.h - child processes that do not outlive us, whatever ends us. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "common/error.h"

/* Starts argv[0] (looked up in PATH if it has no slash) in a process group of its own, with nothing on stdin, and a pipe as
 * stdout and stderr whose other end is given in *ret_log (close-on-exec, not blocking). The kernel kills it when the thread that
 * called this ends. ERR_NOT_FOUND if there is no such program, ERR_IO for all else. Returns the process id. */
pid_t process_start(const char *const *argv, int *ret_log, struct error *err);

/* The path of `program` beside the executable that runs now; if it is not there, its bare name, for PATH. Gives. */
char *process_beside(const char *program);

/* Makes this process the parent of all its descendants whose own parents have died, so that none gets lost. */
void process_adopt(void);

/* Kills all descendants of this process, which has called process_adopt, and returns when none is left. */
void process_kill_descendants(void);

/* "exited with 78", "was killed by signal 9"; `status` as of waitpid. `ret` is returned. */
const char *process_end(char ret[40], int status);
