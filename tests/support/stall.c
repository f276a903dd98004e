#include "tests/support/stall.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/clock.h"

#define TICK_MS     10
#define LATE_MS     20  /* a wake-up that is less late is none */
#define SYNC_MS     100 /* a disk that is merely slow is none, one that hangs is: Redis waits for it as we do, with AOF always */
#define STALLS_MAX  65536
#define SHARE_MAX   0.2
#define INVALID_MIN 3000 /* ms; less in all is one bad moment of a short suite */

static struct {
    int64_t from_ms, to_ms;
    bool disk;
} stalls[STALLS_MAX];

static atomic_size_t count;
static int64_t started_ms;

/* A file without a name, where Redis has its own in these tests. */
static int open_file(void)
{
    const char *directory = getenv("TMPDIR");
    int fd = open(directory ? directory : "/tmp", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);

    if (fd < 0) {
        perror("stall clock");
        abort();
    }
    return fd;
}

static void note(int64_t from_ms, int64_t to_ms, bool disk)
{
    if (to_ms - from_ms < (disk ? SYNC_MS : LATE_MS) || count == STALLS_MAX)
        return;
    stalls[count].from_ms = from_ms;
    stalls[count].to_ms = to_ms;
    stalls[count].disk = disk;
    count++;
}

static void *watch(void *arg)
{
    int fd = open_file();

    (void)arg;
    for (;;) {
        int64_t before_ms = clock_mono_ms(), woken_ms;
        poll(NULL, 0, TICK_MS);
        woken_ms = clock_mono_ms();
        note(before_ms + TICK_MS, woken_ms, false);
        if (pwrite(fd, "x", 1, 0) == 1)
            fdatasync(fd);
        note(woken_ms, clock_mono_ms(), true);
    }
    return NULL;
}

void stall_start(void)
{
    static pthread_t thread;
    sigset_t all, before;

    if (thread)
        return;
    started_ms = clock_mono_ms();
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&thread, NULL, watch, NULL)) {
        perror("stall clock");
        abort();
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

int64_t stall_ms(int64_t from_mono_ms, int64_t to_mono_ms)
{
    int64_t sum_ms = 0;

    for (size_t i = 0; i < count; i++) {
        int64_t from_ms = stalls[i].from_ms > from_mono_ms ? stalls[i].from_ms : from_mono_ms;
        int64_t to_ms = stalls[i].to_ms < to_mono_ms ? stalls[i].to_ms : to_mono_ms;
        sum_ms += to_ms > from_ms ? to_ms - from_ms : 0;
    }
    return sum_ms;
}

int stall_verdict(int failed)
{
    int64_t ran_ms = clock_mono_ms() - started_ms, late_ms = 0, disk_ms = 0, all_ms;
    double share;

    if (!started_ms)
        return failed;
    for (size_t i = 0; i < count; i++)
        *(stalls[i].disk ? &disk_ms : &late_ms) += stalls[i].to_ms - stalls[i].from_ms;
    all_ms = late_ms + disk_ms;
    share = (double)all_ms / (double)(ran_ms ? ran_ms : 1);
    fprintf(stderr, "this machine stood still for %lld of %lld ms (%.1f %%): late %lld ms, waiting for the disk %lld ms\n",
            (long long)all_ms, (long long)ran_ms, share * 100, (long long)late_ms, (long long)disk_ms);
    if (share <= SHARE_MAX || all_ms < INVALID_MIN)
        return failed;
    fprintf(stderr, "INVALID: that is above %.0f %%, and bounds without stalls mean nothing then\n", SHARE_MAX * 100);
    return failed + 1;
}

int64_t awake_ms_since(int64_t from_mono_ms)
{
    int64_t now_ms = clock_mono_ms();

    return now_ms - from_mono_ms - stall_ms(from_mono_ms, now_ms);
}
