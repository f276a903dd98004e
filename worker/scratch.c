#include "worker/scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAMES_MAX 1000000 /* that are tried for a directory that is moved up */

bool scratch_remove_empty(const char *path)
{
    return rmdir(path) == 0 || errno == ENOENT;
}

/* Opens a directory that is no symbolic link, also one that its maker has closed to himself. */
static int open_directory(int parent, const char *name)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), path_fd;
    char path[64];

    if (fd >= 0 && faccessat(fd, ".", W_OK | X_OK, AT_EACCESS) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    path_fd = openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (path_fd < 0)
        return -1;
    snprintf(path, sizeof path, "/proc/self/fd/%d", path_fd);
    chmod(path, 0700);
    fd = openat(path_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    close(path_fd);
    return fd;
}

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Moves a directory up, so that no path and no recursion is ever deep. A name that is taken by something refuses, except by an
 * empty directory, which is thereby removed. */
static int move_up(int from, const char *name, int top)
{
    static unsigned next;

    for (int tries = 0; tries < NAMES_MAX; tries++) {
        char moved[32];
        snprintf(moved, sizeof moved, ".rota-%u", next++);
        if (renameat(from, name, top, moved) == 0)
            return 0;
        if (errno != EEXIST && errno != ENOTEMPTY && errno != ENOTDIR)
            return -1;
    }
    return -1;
}

static int clear(int fd, int top);

static int remove_entry(int parent, const char *name, int top)
{
    int fd, rc;

    if (unlinkat(parent, name, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR && errno != EPERM)
        return -1;
    if (unlinkat(parent, name, AT_REMOVEDIR) == 0)
        return 0;
    fd = open_directory(parent, name);
    if (fd < 0)
        return -1;
    if (parent != top) { /* it is below a directory of the top: not deeper than that */
        close(fd);
        return move_up(parent, name, top);
    }
    rc = clear(fd, top);
    return rc < 0 ? rc : unlinkat(parent, name, AT_REMOVEDIR);
}

/* Removes what is in the directory, or moves it up to `top`. Takes `fd`, but not that of the top. */
static int clear(int fd, int top)
{
    int listed = fd == top ? dup(fd) : fd, rc = 0;
    DIR *directory = listed >= 0 ? fdopendir(listed) : NULL;
    struct dirent *entry;

    if (!directory) {
        if (listed >= 0)
            close(listed);
        return -1;
    }
    rewinddir(directory);
    while (rc == 0 && (entry = readdir(directory)))
        if (!is_dots(entry->d_name))
            rc = remove_entry(fd, entry->d_name, top);
    if (rc < 0) {
        int code = errno;
        closedir(directory);
        errno = code;
        return rc;
    }
    closedir(directory);
    return 0;
}

int scratch_remove(const char *path)
{
    int top, rc = 0;

    while (!scratch_remove_empty(path)) {
        if (errno == ENOTDIR)
            return unlink(path) == 0 ? 0 : errno;
        if (errno != ENOTEMPTY && errno != EEXIST)
            return errno;
        top = open_directory(AT_FDCWD, path);
        if (top < 0)
            return errno;
        rc = clear(top, top);
        if (rc < 0)
            rc = errno;
        close(top);
        if (rc > 0)
            return rc;
    }
    return 0;
}

int scratch_make(const char *path, uid_t uid, gid_t gid)
{
    if (mkdir(path, 0700) < 0) {
        int code = errno == EEXIST ? scratch_remove(path) : errno;
        if (code > 0)
            return code;
        if (mkdir(path, 0700) < 0)
            return errno;
    }
    if (uid != (uid_t)-1 && lchown(path, uid, gid) < 0) {
        int code = errno;
        rmdir(path);
        return code;
    }
    return 0;
}
