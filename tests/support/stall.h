/* stall.h - how long this machine stood still: a thread that sleeps for 10 ms, writes a byte to the disk, again and again, and
 * notes when it was woken much too late, or when the disk hung.
 *
 * A bound that Rota promises ("recovered within 7 s") is asserted on time without such stalls, which no program can help. What
 * counts is chosen so that a busy machine has next to none: with the fault suite running and both cores of a small machine taken
 * by others, wake-ups were late by 3 ms (p99) and 18 ms at most, and a sync took 2 ms (p99) and 17 ms at most. A slow disk (tens
 * of ms for each sync) is no stall either: programs and Redis go on. */
#pragma once

#include <stdint.h>

/* Starts noting; once per program is enough. */
void stall_start(void);

/* Milliseconds of stall between two moments of CLOCK_MONOTONIC. */
int64_t stall_ms(int64_t from_mono_ms, int64_t to_mono_ms);

/* Milliseconds since `from_mono_ms`, without stalls. */
int64_t awake_ms_since(int64_t from_mono_ms);

/* At the end of a suite: says which share of the time was stalls. An idle machine has 0 to 4 %, one of 2 cores under a load of 18
 * has 15 to 25 %. Above a half the run is invalid: each bound is more than doubled then, and proves nothing any more. Returns
 * `failed`, or one more for an invalid run: the exit status. */
int stall_verdict(int failed);
