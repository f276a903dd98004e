/* cgroup.h - control groups: where one is delegated to the worker, each run of a handler that has limits of its memory or its
 * processes (cgroup.*) has a group of its own below it. Linux, version 2.
 *
 *     <delegated>/                    worker.cgroup: the kernel gives its controllers on only while no process is in it
 *         rota-0123456789abcdef/      of one worker; locked (flock) as long as that lives
 *             worker/                 the worker and its keepers, if the worker was started in <delegated>
 *             3/                      a run in slot 3, made and removed by the keeper of that slot
 *
 * What dead workers have left there, as after a kill -9 of worker and keepers at once, is removed when the next one starts.
 * Nothing here asks what kind of file system it is: a group can limit what it has the files for. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"
#include "common/handler.h"

/* ---- the worker's ---- */

/* All zeroes: there is none. */
struct cgroup {
    char *path; /* rota-... */
    int lock_fd;
    bool has_memory, has_processes; /* what can be limited below it */
};

/* Makes the worker's own group below the delegated one: `where` is an absolute path, or "auto" for the group that this process
 * is in. Tries whether a process can be put into a group there. ERR_IO, and what may be done about it, if not. Call it before
 * the process has threads or children: those would stay where they are. */
int cgroup_open(struct cgroup *ret_cgroup, const char *where, struct error *err) MUST_CHECK;

/* Kills what is in groups of runs, goes back to where we came from, and removes all that it has made. */
void cgroup_close(struct cgroup *cgroup);

/* Refuses handlers that want a limit which cannot be set below `cgroup`. */
int cgroup_check(const struct cgroup *cgroup, const struct handlers *handlers, struct error *err) MUST_CHECK;

/* ---- of one run ---- */

/* Makes a group with these limits, 0 for none. What is there under this name is killed and removed first. Memory is all that its
 * processes use, files in memory included; there is no swap; and who has too much is killed with his whole group. Returns 0 or an
 * errno: ENOENT if a limit cannot be set there. */
int cgroup_make(const char *path, uint64_t memory_bytes, uint64_t processes);

/* Puts the process that calls it into the group. For use between clone and exec: nothing but system calls. Returns 0 or an
 * errno. */
int cgroup_enter(const char *path);

/* KILL to all that is in the group, at one moment, whoever forks how fast. Does nothing before Linux 5.14. */
void cgroup_kill(const char *path);

/* True if processes of the group were killed because it had reached its own limit of memory. */
bool cgroup_is_out_of_memory(const char *path);

/* Kills what is in it, removes it, and the groups that the handler has made in it. May take a second. Returns 0 or an errno. */
int cgroup_remove(const char *path);
