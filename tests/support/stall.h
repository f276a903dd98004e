/* stall.h - how long this machine stood still: a thread that sleeps for 10 ms, writes a byte to the disk, again and again, and
 * notes when that took much longer.
 *
 * A bound that Rota promises ("recovered within 7 s") is asserted on time without such stalls, which no program can help. */
#pragma once

#include <stdint.h>

/* Starts noting; once per program is enough. */
void stall_start(void);

/* Milliseconds of stall between two moments of CLOCK_MONOTONIC. */
int64_t stall_ms(int64_t from_mono_ms, int64_t to_mono_ms);

/* Milliseconds since `from_mono_ms`, without stalls. */
int64_t awake_ms_since(int64_t from_mono_ms);
