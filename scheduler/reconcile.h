/* reconcile.h - walks all schedules, round after round in bounded steps, and puts right what is out of order: functions
 * schedule_audit, schedule_relist, schedule_arm and schedule_health (lua/mend.lua), which refuse whoever was overtaken.
 *
 * Each round looks at each schedule: is it listed, does it tick when it is to, is its next due time the one that follows from its
 * recurrence, does it wait in vain, has it become unhealthy. What was mended is an event, and one line of the log for each lane
 * and round. */
#pragma once

#include "scheduler/duty.h"

struct reconcile;

/* Begins with a round at once; the next one begins `every_ms` after a round has ended. */
struct reconcile *reconcile_new(const struct duty *duty, int64_t every_ms);
void reconcile_free(struct reconcile *reconcile);
