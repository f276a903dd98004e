/* scratch.h - a directory for one run of a handler: its $TMPDIR and, if nothing else is said, its working directory. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/* Makes the directory, for `uid` and `gid` alone ((uid_t)-1: ours). Whatever is there under this name is removed first. Returns 0
 * or an errno. */
int scratch_make(const char *path, uid_t uid, gid_t gid);

/* Removes it, if it is empty or gone. True if it is not there any more. */
bool scratch_remove_empty(const char *path);

/* Removes it with all that is in it, however deep and however many; follows no symbolic link; needs two descriptors. May take
 * long. Nothing may work in it any more. Returns 0 or an errno. */
int scratch_remove(const char *path);
