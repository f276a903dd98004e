/* descendants.h - all that is below this process, found in /proc: its children, theirs, and so on.
 *
 * A process whose parent ends becomes a child of the next subreaper above it (PR_SET_CHILD_SUBREAPER), so what a subreaper's
 * children start stays below it, whatever they do. A child is signalled by its number, which nobody else can get before we wait
 * for it; whoever is further down through a pidfd, after a second look. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

/* Sends `number` to all of them: but not to the processes of group `spared_group` (0: no group), and neither to the `count`
 * children `spared` nor to what is below them. Returns how many were found, ended ones not counted. What is started meanwhile may
 * be missed: call it until nobody is left. */
unsigned descendants_signal(int number, pid_t spared_group, const pid_t *spared, size_t count);

/* Of each of the `count` other processes `parents` the child that was started first, or 0. For people to read: it may have ended
 * when this returns. */
void descendants_eldest(const pid_t *parents, pid_t *ret_children, size_t count);
