#include "tests/support/wrong_clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/memory.h"

#define FILE_BYTES 4096

struct wrong_clock {
    int64_t *shift_ms;
    char *path;
};

struct wrong_clock *wrong_clock_new(int64_t shift_ms)
{
    struct wrong_clock *clock = memory_new(sizeof *clock);
    const char *root = getenv("TMPDIR");
    int fd;

    clock->path = memory_format("%s/rota-test-clock-XXXXXX", root ? root : "/tmp");
    fd = mkstemp(clock->path);
    assert_true(fd >= 0 && ftruncate(fd, FILE_BYTES) == 0);
    clock->shift_ms = mmap(NULL, FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_true(clock->shift_ms != MAP_FAILED);
    close(fd);
    *clock->shift_ms = shift_ms;
    return clock;
}

void wrong_clock_free(struct wrong_clock *clock)
{
    if (!clock)
        return;
    unlink(clock->path);
    munmap(clock->shift_ms, FILE_BYTES);
    free(clock->path);
    free(clock);
}

void wrong_clock_step(struct wrong_clock *clock, int64_t by_ms)
{
    *clock->shift_ms += by_ms;
}

int64_t wrong_clock_shift_ms(const struct wrong_clock *clock)
{
    return *clock->shift_ms;
}

/* AddressSanitizer wants to be the first library of a program, and is not: the shim, which has nothing to do with it, is. */
void wrong_clock_begin(const struct wrong_clock *clock)
{
    setenv("LD_PRELOAD", CLOCK_SHIM_PATH, 1);
    setenv("ROTA_CLOCK_FILE", clock->path, 1);
    setenv("ASAN_OPTIONS", "verify_asan_link_order=0", 1);
}

void wrong_clock_end(void)
{
    unsetenv("LD_PRELOAD");
    unsetenv("ROTA_CLOCK_FILE");
    unsetenv("ASAN_OPTIONS");
}
