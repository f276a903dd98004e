/* spawn.h - how a child process tells its parent why it could not exec: an errno through a pipe that exec closes. */
#pragma once

/* In the child, after a call that failed: sends errno and exits with 127. Async-signal-safe. `report_fd`: the writing end, with
 * FD_CLOEXEC. */
_Noreturn void spawn_fail(int report_fd);

/* In the parent, whose own copy of the writing end is closed: waits for the exec. 0 if it succeeded, else the child's errno. */
int spawn_errno(int report_fd);
