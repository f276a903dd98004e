#include "worker/cgroup.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "common/memory.h"
#include "common/random.h"

#define PREFIX        "rota-"
#define NAME_DIGITS   16
#define NAMES_MAX     8   /* that are tried */
#define WAIT_MS_MAX   512 /* the last wait, after 1, 2, 4, ... ms, for processes that were killed */
#define FILE_BYTES    65536
#define WORKER_FOLDER "worker"

/* ---- files of a group ---- */

/* Returns 0 or an errno. No allocation: it is called between clone and exec, too. */
static int write_file(const char *folder, const char *name, const char *text)
{
    char path[PATH_MAX];
    size_t bytes = strlen(folder), name_bytes = strlen(name);
    int fd, code = 0;

    if (bytes + 1 + name_bytes >= sizeof path)
        return ENAMETOOLONG;
    memcpy(path, folder, bytes);
    path[bytes] = '/';
    memcpy(path + bytes + 1, name, name_bytes + 1);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    if (write(fd, text, strlen(text)) < 0)
        code = errno;
    close(fd);
    return code;
}

static int write_number(const char *folder, const char *name, uint64_t number)
{
    char text[32];

    snprintf(text, sizeof text, "%llu", (unsigned long long)number);
    return write_file(folder, name, text);
}

/* "" if it cannot be read. Gives. */
static char *read_path(const char *path)
{
    char *text = memory_new(FILE_BYTES + 1);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t length = 0;

    for (ssize_t got = 1; fd >= 0 && got > 0 && length < FILE_BYTES; length += got > 0 ? (size_t)got : 0)
        got = read(fd, text + length, FILE_BYTES - length);
    if (fd >= 0)
        close(fd);
    text[length] = '\0';
    return text;
}

static char *read_file(const char *folder, const char *name)
{
    char *path = memory_format("%s/%s", folder, name), *text = read_path(path);

    free(path);
    return text;
}

static bool has_file(const char *folder, const char *name)
{
    char *path = memory_format("%s/%s", folder, name);
    bool is_there = access(path, F_OK) == 0;

    free(path);
    return is_there;
}

/* True if `word` is among those of `text`, which white space separates. */
static bool has_word(const char *text, const char *word)
{
    size_t length = strlen(word);

    for (const char *at = text; (at = strstr(at, word)); at += length)
        if ((at == text || isspace((unsigned char)at[-1])) && (at[length] == '\0' || isspace((unsigned char)at[length])))
            return true;
    return false;
}

/* ---- of one run ---- */

/* Groups below it, and theirs, that are empty. */
static void remove_below(const char *path)
{
    DIR *directory = opendir(path);
    struct dirent *entry;

    while (directory && (entry = readdir(directory))) {
        char *below;
        if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
            continue;
        below = memory_format("%s/%s", path, entry->d_name);
        if (rmdir(below) < 0) {
            remove_below(below);
            rmdir(below);
        }
        free(below);
    }
    if (directory)
        closedir(directory);
}

void cgroup_kill(const char *path)
{
    write_file(path, "cgroup.kill", "1");
}

/* `kills`: or only waits for its processes to end. */
static int remove_group(const char *path, bool kills)
{
    int code;

    for (int wait_ms = 1;; wait_ms *= 2) {
        if (rmdir(path) == 0 || errno == ENOENT)
            return 0;
        code = errno;
        if (code != EBUSY || wait_ms > WAIT_MS_MAX)
            return code;
        if (kills) {
            cgroup_kill(path);
            remove_below(path);
        }
        nanosleep(&(struct timespec){.tv_nsec = wait_ms * 1000000L}, NULL);
    }
}

int cgroup_remove(const char *path)
{
    return remove_group(path, true);
}

static int set_limits(const char *path, uint64_t memory_bytes, uint64_t processes)
{
    int code = memory_bytes > 0 ? write_number(path, "memory.max", memory_bytes) : 0;

    if (code == 0 && processes > 0)
        code = write_number(path, "pids.max", processes);
    if (code == 0 && memory_bytes > 0) {
        write_file(path, "memory.swap.max", "0"); /* not there on kernels without swap accounting */
        write_file(path, "memory.oom.group", "1");
    }
    return code;
}

int cgroup_make(const char *path, uint64_t memory_bytes, uint64_t processes)
{
    int code = mkdir(path, 0755) < 0 ? errno : 0;

    if (code == EEXIST && (code = cgroup_remove(path)) == 0)
        code = mkdir(path, 0755) < 0 ? errno : 0;
    if (code > 0)
        return code;
    code = set_limits(path, memory_bytes, processes);
    if (code > 0)
        rmdir(path);
    return code;
}

int cgroup_enter(const char *path)
{
    return write_file(path, "cgroup.procs", "0"); /* who writes it */
}

/* The number behind a word at the beginning of a line, 0 if it is not there. */
static long long number_of(const char *text, const char *word)
{
    size_t length = strlen(word);

    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, word, length) == 0 && line[length] == ' ')
            return strtoll(line + length, NULL, 10);
    }
    return 0;
}

/* `oom_kill` alone may also be the doing of a group above, or of the whole machine. */
bool cgroup_is_out_of_memory(const char *path)
{
    char *events = read_file(path, "memory.events");
    bool is_out = number_of(events, "oom") > 0 && number_of(events, "oom_kill") > 0;

    free(events);
    return is_out;
}

/* ---- where ---- */

/* The path of a group in the file system, if the mount of this line of mountinfo shows it. Gives, or NULL. */
static char *path_in_mount(const char *line, const char *group)
{
    char root[PATH_MAX], point[PATH_MAX];
    const char *kind = strstr(line, " - ");
    size_t length;

    if (!kind || strncmp(kind, " - cgroup2 ", 11) != 0 || sscanf(line, "%*s %*s %*s %4095s %4095s", root, point) != 2)
        return NULL;
    length = strcmp(root, "/") == 0 ? 0 : strlen(root);
    if (strncmp(group, root, length) != 0 || (group[length] != '/' && group[length] != '\0'))
        return NULL;
    return memory_format("%s%s", point, strcmp(group + length, "/") == 0 ? "" : group + length);
}

/* The group that we are in. Gives; NULL and `err` if that cannot be told. */
static char *own_group(struct error *err)
{
    char *groups = read_path("/proc/self/cgroup"), *mounts = read_path("/proc/self/mountinfo"), *path = NULL, *group, *line,
         *rest;

    for (group = strtok_r(groups, "\n", &rest); group && strncmp(group, "0::/", 4) != 0; group = strtok_r(NULL, "\n", &rest))
        ;
    group = group ? group + 3 : NULL;
    for (line = strtok_r(mounts, "\n", &rest); group && !path && line; line = strtok_r(NULL, "\n", &rest))
        path = path_in_mount(line, group);
    if (!group)
        error_set(err, ERR_IO, "auto: there are no control groups of version 2 here");
    else if (!path)
        error_set(err, ERR_IO, "auto: the control group %.200s, which this process is in, is not mounted here", group);
    free(groups);
    free(mounts);
    return path;
}

/* ---- what dead workers have left ---- */

static bool is_ours(const char *name)
{
    size_t prefix = strlen(PREFIX);

    return strncmp(name, PREFIX, prefix) == 0 && strlen(name) == prefix + NAME_DIGITS &&
           strspn(name + prefix, "0123456789abcdef") == NAME_DIGITS;
}

/* Removes all that is in the group of a worker, and itself. Of one that is dead the keepers may be at it, too: they are left to
 * it. */
static int remove_worker(const char *path, bool is_dead)
{
    DIR *directory = opendir(path);
    struct dirent *entry;

    while (directory && (entry = readdir(directory))) {
        bool is_worker = strcmp(entry->d_name, WORKER_FOLDER) == 0;
        char *below;
        if (entry->d_type != DT_DIR || entry->d_name[0] == '.' || (is_worker && !is_dead))
            continue;
        below = memory_format("%s/%s", path, entry->d_name);
        remove_group(below, !is_worker);
        free(below);
    }
    if (directory)
        closedir(directory);
    return rmdir(path) < 0 ? errno : 0;
}

static void sweep(const char *base)
{
    DIR *directory = opendir(base);
    struct dirent *entry;

    while (directory && (entry = readdir(directory))) {
        char *path;
        int fd, code;
        if (!is_ours(entry->d_name))
            continue;
        path = memory_format("%s/%s", base, entry->d_name);
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0) {
            code = remove_worker(path, true);
            if (code == 0)
                log_info("the control group of a dead worker is removed", "path=%s", path);
            else
                log_warn("the control group of a dead worker stays", "path=%s err=%s", path, strerror(code));
        }
        if (fd >= 0)
            close(fd);
        free(path);
    }
    if (directory)
        closedir(directory);
}

/* ---- the worker's ---- */

/* Another worker may take it for a dead one's before it is locked: then there is another try, under another name. */
static bool make_locked(struct cgroup *cgroup)
{
    struct stat held, named;

    cgroup->lock_fd = open(cgroup->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (cgroup->lock_fd < 0)
        return false;
    if (flock(cgroup->lock_fd, LOCK_EX | LOCK_NB) == 0 && fstat(cgroup->lock_fd, &held) == 0 && stat(cgroup->path, &named) == 0 &&
        held.st_ino == named.st_ino)
        return true;
    close(cgroup->lock_fd);
    return false;
}

static int make_own(struct cgroup *cgroup, const char *base, struct error *err)
{
    for (int tries = 0; tries < NAMES_MAX; tries++) {
        cgroup->path = memory_format("%s/" PREFIX "%0*llx", base, NAME_DIGITS, (unsigned long long)random_below(UINT64_MAX));
        if (mkdir(cgroup->path, 0755) == 0 && make_locked(cgroup))
            return 0;
        free(cgroup->path);
        cgroup->path = NULL;
        if (errno == EACCES || errno == EPERM || errno == EROFS || errno == ENOENT)
            break;
    }
    error_set(err, ERR_IO, "%.200s: no group can be made in it: %s: it must be delegated to the worker", base, strerror(errno));
    return ERR_IO; /* as it is, for clang-analyzer */
}

/* No process may be in a group whose controllers are given on. Of others than us we know nothing. */
static int move_to_leaf(const struct cgroup *cgroup, const char *base, struct error *err)
{
    char pid[16], *processes = read_file(base, "cgroup.procs"), *leaf;
    bool is_in = (snprintf(pid, sizeof pid, "%d", (int)getpid()), has_word(processes, pid));
    int code;

    free(processes);
    if (!is_in)
        return 0;
    leaf = memory_format("%s/" WORKER_FOLDER, cgroup->path);
    code = cgroup_make(leaf, 0, 0);
    if (code == 0)
        code = cgroup_enter(leaf);
    free(leaf);
    return code == 0 ? 0 : error_set(err, ERR_IO, "%.200s: this process cannot leave it: %s", base, strerror(code));
}

static const char *const controllers[] = {"memory", "pids"};

/* Gives on those controllers that are there. Version 1 has no such file. */
static int give_on(const char *path, struct error *err)
{
    char *there = read_file(path, "cgroup.controllers");
    int code = 0;

    for (size_t i = 0; i < sizeof controllers / sizeof *controllers && code == 0; i++) {
        char word[16];
        snprintf(word, sizeof word, "+%s", controllers[i]);
        if (has_word(there, controllers[i]))
            code = write_file(path, "cgroup.subtree_control", word);
    }
    free(there);
    if (code == EBUSY)
        return error_set(err, ERR_IO, "%.200s: there are other processes in it: its controllers cannot be given on", path);
    return code == 0
               ? 0
               : error_set(err, ERR_IO, "%.200s: its controllers cannot be given on: %s: it must be delegated to the worker",
                           path, strerror(code));
}

/* Whether a process that we start can be put into a group there, and what can be limited. */
static int try_out(struct cgroup *cgroup, struct error *err)
{
    char *path = memory_format("%s/try", cgroup->path);
    int code = cgroup_make(path, 0, 0), status = 0;
    pid_t pid = code == 0 ? fork() : 0;

    if (code == 0 && pid == 0)
        _exit(cgroup_enter(path));
    if (code == 0 && (pid < 0 || waitpid(pid, &status, 0) < 0))
        code = errno;
    if (code == 0 && status != 0)
        code = WIFEXITED(status) ? WEXITSTATUS(status) : EIO;
    cgroup->has_memory = has_file(path, "memory.max");
    cgroup->has_processes = has_file(path, "pids.max");
    cgroup_remove(path);
    free(path);
    return code == 0
               ? 0
               : error_set(err, ERR_IO, "%.200s: no process can be put into a group below it: %s", cgroup->path, strerror(code));
}

int cgroup_open(struct cgroup *ret_cgroup, const char *where, struct error *err)
{
    struct cgroup cgroup = {0};
    char *base = strcmp(where, "auto") == 0 ? own_group(err) : memory_string(where);

    if (!base)
        return err->code;
    if (!has_file(base, "cgroup.procs"))
        error_set(err, ERR_IO, "%.200s is no control group", base);
    else if (make_own(&cgroup, base, err) == 0 && (sweep(base), move_to_leaf(&cgroup, base, err)) == 0 &&
             give_on(base, err) == 0 && give_on(cgroup.path, err) == 0 && try_out(&cgroup, err) == 0) {
        *ret_cgroup = cgroup;
        free(base);
        return 0;
    }
    cgroup_close(&cgroup);
    free(base);
    return err->code;
}

static void take_back(const char *path)
{
    for (size_t i = 0; i < sizeof controllers / sizeof *controllers; i++) {
        char word[16];
        snprintf(word, sizeof word, "-%s", controllers[i]);
        write_file(path, "cgroup.subtree_control", word);
    }
}

/* Goes back to where we came from: else nobody could be put there any more, not even the next worker. Other workers below it
 * forbid that. */
static void leave_leaf(const struct cgroup *cgroup)
{
    char *leaf = memory_format("%s/" WORKER_FOLDER, cgroup->path),
         *base = memory_copy(cgroup->path, (size_t)(strrchr(cgroup->path, '/') - cgroup->path));

    if (access(leaf, F_OK) == 0) {
        take_back(cgroup->path);
        take_back(base);
        if (cgroup_enter(base) == 0 && rmdir(leaf) == 0)
            rmdir(cgroup->path);
    }
    free(leaf);
    free(base);
}

void cgroup_close(struct cgroup *cgroup)
{
    if (!cgroup->path)
        return;
    remove_worker(cgroup->path, false);
    leave_leaf(cgroup);
    close(cgroup->lock_fd);
    free(cgroup->path);
    *cgroup = (struct cgroup){0};
}

static int check_handler(const struct cgroup *cgroup, const struct handler *handler, struct error *err)
{
    bool lacks_memory = handler->cgroup.memory_max_bytes > 0 && !cgroup->has_memory,
         lacks_processes = handler->cgroup.pids_max > 0 && !cgroup->has_processes;

    if (!lacks_memory && !lacks_processes)
        return 0;
    if (!cgroup->path)
        return error_set(err, ERR_INVALID, "handler %s: cgroup: this worker was started without worker.cgroup", handler->type);
    return error_set(err, ERR_INVALID, "handler %s: cgroup.%s cannot be set: %.200s is not given the controller %s",
                     handler->type, lacks_memory ? "memory_max" : "pids_max", cgroup->path, lacks_memory ? "memory" : "pids");
}

int cgroup_check(const struct cgroup *cgroup, const struct handlers *handlers, struct error *err)
{
    for (size_t i = 0; i < handlers->count; i++)
        if (check_handler(cgroup, handlers->items[i], err) < 0)
            return err->code;
    return 0;
}
