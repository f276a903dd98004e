/* ticks.h - serves the due times of schedules.
 *
 * Asks each lane what is due (function due), computes what is to be done (due_plan.h) and does it (function tick), which refuses
 * whoever was overtaken: any number of schedulers may do this at once. Sleeps until the next due time, and at most a second; a
 * schedule that is set earlier wakes it (ticks_wake). A schedule whose due times cannot be computed is put off for a minute, and
 * logged. */
#pragma once

#include "scheduler/duty.h"

struct ticks;

struct ticks *ticks_new(const struct duty *duty);
void ticks_free(struct ticks *ticks);

/* Something may be due earlier than this lane was told. */
void ticks_wake(struct ticks *ticks, uint32_t lane);

/* There is a connection again. */
void ticks_resume(struct ticks *ticks);
