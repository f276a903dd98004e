/* mend_plan.h - what the leader thinks of one schedule as it goes round: is its next due time the right one, and is it healthy?
 * Pure. */
#pragma once

#include "common/schedule.h"

struct mend_plan {
    bool arm; /* next_ms and offset_ms are to be these */
    int64_t next_ms, offset_ms;
    bool unhealthy;
};

/* `recurrence` is that of the schedule, NULL if it cannot be read (any more): then its times stay. A next due time that has
 * passed is left to whoever serves it (due_plan.h); so is one that new data for its zone have moved. A paused schedule is left
 * alone. One of every organization gets another offset with its next due time, as its spread is changed for all at once. */
void mend_plan_make(struct mend_plan *ret, const char *org, const struct schedule *schedule, const struct recurrence *recurrence,
                    int64_t now_ms);
