#include "worker/descendants.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "common/memory.h"

enum place { PLACE_UNKNOWN, PLACE_BELOW, PLACE_ELSEWHERE };

struct entry {
    pid_t pid, parent, group;
    unsigned long long started;
    char state;
    enum place place;
};

struct table {
    struct entry *entries; /* by falling pid */
    size_t count, capacity;
};

/* Reads /proc/PID/stat. False if the process is gone. */
static bool read_entry(struct entry *entry, pid_t pid)
{
    char path[32], text[1024];
    const char *at;
    ssize_t got;
    int fd;

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    got = read(fd, text, sizeof text - 1);
    close(fd);
    if (got <= 0)
        return false;
    text[got] = '\0';
    at = strrchr(text, ')'); /* the name may hold anything */
    *entry = (struct entry){.pid = pid};
    return at && sscanf(at + 1, " %c %d %d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu", &entry->state,
                        &entry->parent, &entry->group, &entry->started) == 4;
}

static bool has_ended(const struct entry *entry)
{
    return entry->state == 'Z' || entry->state == 'X';
}

static bool is_among(pid_t pid, const pid_t *pids, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (pids[i] == pid)
            return true;
    return false;
}

static int by_falling_pid(const void *a, const void *b)
{
    pid_t x = ((const struct entry *)a)->pid, y = ((const struct entry *)b)->pid;

    return (x < y) - (x > y);
}

static void list_pids(struct table *table)
{
    DIR *directory = opendir("/proc");
    struct dirent *found;

    while (directory && (found = readdir(directory))) {
        if (!isdigit((unsigned char)found->d_name[0]))
            continue;
        if (table->count == table->capacity) {
            table->capacity = table->capacity ? 2 * table->capacity : 256;
            table->entries = memory_resize(table->entries, sizeof *table->entries * table->capacity);
        }
        table->entries[table->count++] = (struct entry){.pid = (pid_t)strtol(found->d_name, NULL, 10)};
    }
    if (directory)
        closedir(directory);
    if (table->count > 0)
        qsort(table->entries, table->count, sizeof *table->entries, by_falling_pid);
}

static struct entry *find(const struct table *table, pid_t pid)
{
    struct entry key = {.pid = pid};

    return table->count > 0 ? bsearch(&key, table->entries, table->count, sizeof key, by_falling_pid) : NULL;
}

/* Whether it is below us, by its ancestors; what is learnt of them on the way is noted. */
static enum place place_of(const struct table *table, struct entry *entry, pid_t self, const pid_t *spared, size_t count)
{
    enum place place = PLACE_UNKNOWN;
    struct entry *at;
    size_t steps = 0; /* the table was not read at one moment: it might hold a ring */

    for (at = entry; place == PLACE_UNKNOWN && steps <= table->count; steps++) {
        if (is_among(at->pid, spared, count))
            place = PLACE_ELSEWHERE;
        else if (at->parent == self)
            place = PLACE_BELOW;
        else if (at->place != PLACE_UNKNOWN)
            place = at->place;
        else if (at->parent <= 1 || !(at = find(table, at->parent)) || at->state == 0)
            place = PLACE_ELSEWHERE;
    }
    for (at = entry; steps > 0 && at && at->place == PLACE_UNKNOWN; steps--) {
        at->place = place;
        at = find(table, at->parent);
    }
    return place;
}

/* Somebody else may wait for it, and its number be given away: so it is held by a pidfd, and looked at again. */
static void signal_by_pidfd(const struct entry *entry, int number)
{
    struct entry again;
    int pidfd = pidfd_open(entry->pid, 0);

    if (pidfd < 0)
        return;
    if (read_entry(&again, entry->pid) && again.started == entry->started)
        pidfd_send_signal(pidfd, number, NULL, 0);
    close(pidfd);
}

unsigned descendants_signal(int number, pid_t spared_group, const pid_t *spared, size_t count)
{
    struct table table = {0};
    pid_t self = getpid();
    unsigned found = 0;

    list_pids(&table);
    /* The newest first, and at once: one that forks and ends all the time is met where it is now. */
    for (size_t i = 0; i < table.count; i++) {
        struct entry *entry = &table.entries[i];
        if (!read_entry(entry, entry->pid)) {
            entry->state = 0;
            continue;
        }
        if (entry->parent != self || has_ended(entry) || is_among(entry->pid, spared, count))
            continue;
        found++;
        if (spared_group == 0 || entry->group != spared_group)
            kill(entry->pid, number);
    }
    for (size_t i = 0; i < table.count; i++) {
        struct entry *entry = &table.entries[i];
        if (entry->state == 0 || has_ended(entry) || entry->parent == self ||
            place_of(&table, entry, self, spared, count) != PLACE_BELOW)
            continue;
        found++;
        if (spared_group == 0 || entry->group != spared_group)
            signal_by_pidfd(entry, number);
    }
    free(table.entries);
    return found;
}

void descendants_eldest(const pid_t *parents, pid_t *ret_children, size_t count)
{
    struct table table = {0};
    struct entry *eldest = memory_new(sizeof *eldest * count);

    list_pids(&table);
    for (size_t i = 0; i < table.count; i++) {
        struct entry entry;
        if (!read_entry(&entry, table.entries[i].pid) || has_ended(&entry))
            continue;
        for (size_t j = 0; j < count; j++)
            if (entry.parent == parents[j] && (eldest[j].pid == 0 || entry.started <= eldest[j].started))
                eldest[j] = entry;
    }
    for (size_t j = 0; j < count; j++)
        ret_children[j] = eldest[j].pid;
    free(eldest);
    free(table.entries);
}
