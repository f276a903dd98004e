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
#define SHARE_MAX   0.5
#define INVALID_MIN 3000 /* ms; less in all is one bad moment of a short suite */

static struct {
    int64_t from_ms, to_ms;
    bool disk;
} stalls[STALLS_MAX];

static atomic_size_t count;
static int64_t started_ms;

/* What the watcher waits for: since when it is late, or waits for the disk. */
static atomic_llong waits_since_ms;
static atomic_bool waits_for_disk;

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

static bool is_stall(int64_t from_ms, int64_t to_ms, bool disk)
{
    return to_ms - from_ms >= (disk ? SYNC_MS : LATE_MS);
}

static void note(int64_t from_ms, int64_t to_ms, bool disk)
{
    if (!is_stall(from_ms, to_ms, disk) || count == STALLS_MAX)
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
        int64_t due_ms = clock_mono_ms() + TICK_MS, woken_ms;
        waits_since_ms = due_ms;
        waits_for_disk = false;
        poll(NULL, 0, TICK_MS);
        woken_ms = clock_mono_ms();
        note(due_ms, woken_ms, false);
        waits_since_ms = woken_ms;
        waits_for_disk = true;
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

/* Length of what two periods have in common. */
static int64_t overlap_ms(int64_t from_ms, int64_t to_ms, int64_t other_from_ms, int64_t other_to_ms)
{
    int64_t begin_ms = from_ms > other_from_ms ? from_ms : other_from_ms;
    int64_t end_ms = to_ms < other_to_ms ? to_ms : other_to_ms;

    return end_ms > begin_ms ? end_ms - begin_ms : 0;
}

/* The stall that lasts and is none of the first `noted`: a test that wakes up before the watcher does must know of it. */
static int64_t present_ms(size_t noted, int64_t from_mono_ms, int64_t to_mono_ms)
{
    bool disk = waits_for_disk;
    int64_t since_ms = waits_since_ms, now_ms = clock_mono_ms();

    if (!is_stall(since_ms, now_ms, disk) || (noted > 0 && stalls[noted - 1].from_ms == since_ms))
        return 0;
    return overlap_ms(since_ms, now_ms, from_mono_ms, to_mono_ms);
}

int64_t stall_ms(int64_t from_mono_ms, int64_t to_mono_ms)
{
    size_t noted;
    int64_t sum_ms;

    do { /* until none was noted meanwhile */
        noted = count;
        sum_ms = present_ms(noted, from_mono_ms, to_mono_ms);
        for (size_t i = 0; i < noted; i++)
            sum_ms += overlap_ms(stalls[i].from_ms, stalls[i].to_ms, from_mono_ms, to_mono_ms);
    } while (noted != count);
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
