#include "bench/spawn.h"

#include <errno.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>

#include "bench/ground.h"
#include "common/clock.h"

double spawn_per_s(unsigned in_flight, unsigned count)
{
    static char *const argv[] = {"/bin/true", NULL}, *const environment[] = {NULL};
    int64_t start_us = clock_mono_us();

    for (unsigned started = 0, ended = 0; ended < count;) {
        if (started < count && started - ended < in_flight) {
            int code = posix_spawn(NULL, argv[0], NULL, NULL, argv, environment);
            if (code != 0)
                give_up("cannot start %s: %s", argv[0], strerror(code));
            started++;
        } else if (wait(NULL) > 0) {
            ended++;
        } else if (errno != EINTR) {
            give_up("wait: %s", strerror(errno));
        }
    }
    return count / ((double)(clock_mono_us() - start_us) / 1e6);
}
