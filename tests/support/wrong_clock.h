/* wrong_clock.h - a wall clock that is wrong, for a program under test: a redis-server, a scheduler, a worker. It is off by as
 * much as the test says at that moment; monotonic clocks stay as they are.
 *
 *     struct wrong_clock *clock = wrong_clock_new(-500);
 *     wrong_clock_begin(clock);
 *     struct process *scheduler = pool_start(pool, "rota-scheduler", NULL);
 *     wrong_clock_end();
 *     ...
 *     wrong_clock_step(clock, 3600000);
 *
 * Programs have it through clock_shim.c and LD_PRELOAD. */
#pragma once

#include <stdint.h>

struct wrong_clock;

/* A clock that shows `shift_ms` more than the true one. Gives; what has it must have ended, or have begun, when it is freed. */
struct wrong_clock *wrong_clock_new(int64_t shift_ms);
void wrong_clock_free(struct wrong_clock *clock);

/* Sets it forward, or back; and how much more it shows now. */
void wrong_clock_step(struct wrong_clock *clock, int64_t by_ms);
int64_t wrong_clock_shift_ms(const struct wrong_clock *clock);

/* What is started in between has this clock. */
void wrong_clock_begin(const struct wrong_clock *clock);
void wrong_clock_end(void);
