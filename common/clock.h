/* clock.h - the local clocks. Leases, due times and deadlines are decided on the clock of Redis, never on these. */
#pragma once

#include <stdint.h>

/* Milliseconds and microseconds of CLOCK_MONOTONIC: for time-outs and measuring on this machine. */
int64_t clock_mono_ms(void);
int64_t clock_mono_us(void);

/* Milliseconds since the epoch: for ids and log lines. */
int64_t clock_wall_ms(void);
