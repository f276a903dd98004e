#include "common/random.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

void random_bytes(void *out, size_t bytes)
{
    unsigned char *at = out;

    while (bytes > 0) {
        ssize_t got = getrandom(at, bytes, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            abort(); /* no kernel that runs this lacks getrandom: without it no token is safe */
        at += got;
        bytes -= (size_t)got;
    }
}

uint64_t random_below(uint64_t limit)
{
    uint64_t value;

    assert(limit > 0);
    random_bytes(&value, sizeof value);
    return value % limit; /* the bias is below 2^-40 for the limits of jitter */
}
