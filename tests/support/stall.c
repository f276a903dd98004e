#include "tests/support/stall.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/clock.h"

#define TICK_MS    10
#define STALL_MS   30 /* a shorter turn is none */
#define STALLS_MAX 65536

static struct {
    int64_t from_ms, to_ms;
} stalls[STALLS_MAX];

static atomic_size_t count;

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

static void *watch(void *arg)
{
    int64_t before_ms = clock_mono_ms(), now_ms;
    int fd = open_file();

    (void)arg;
    for (;;) {
        poll(NULL, 0, TICK_MS);
        if (pwrite(fd, "x", 1, 0) == 1)
            fdatasync(fd);
        now_ms = clock_mono_ms();
        if (now_ms - before_ms >= STALL_MS && count < STALLS_MAX) {
            stalls[count].from_ms = before_ms + TICK_MS;
            stalls[count].to_ms = now_ms;
            count++;
        }
        before_ms = now_ms;
    }
    return NULL;
}

void stall_start(void)
{
    static pthread_t thread;
    sigset_t all, before;

    if (thread)
        return;
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

int64_t awake_ms_since(int64_t from_mono_ms)
{
    int64_t now_ms = clock_mono_ms();

    return now_ms - from_mono_ms - stall_ms(from_mono_ms, now_ms);
}
