/* keeper_process.h - a keeper: a small process between the worker and the handlers of one slot.
 *
 * It is the subreaper of what it starts, so that nothing leaves it: whatever forks twice and takes a session of its own becomes
 * its child. When a handler's own process has ended, all that is left below is killed and waited for, and then the worker is
 * told. It lives as long as the worker: its end, even by kill -9, is the end of the socket, and of all that runs below.
 *
 * It holds nothing but its socket (descriptor 3), and knows no secret: it is the worker's program, begun anew with an empty
 * memory. Other processes of its user cannot look into it (PR_SET_DUMPABLE). */
#pragma once

#include <stdbool.h>

/* True if this program was started to be a keeper. To be asked first of all in main. */
bool keeper_is_asked(char **argv);

/* Is a keeper until the worker ends; the exit code. */
int keeper_process(void);
