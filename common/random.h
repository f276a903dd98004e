/* random.h - random bytes of the kernel, and a seedable generator for what need not be secret. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Fills `bytes` bytes from getrandom(2): tokens, sessions. */
void random_bytes(void *out, size_t bytes);

/* A uniform number in [0, limit), limit > 0: jitter. */
uint64_t random_below(uint64_t limit);
