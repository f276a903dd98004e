/* upkeep.h - keeps the house in order: trims what retention no longer keeps, and audits indexes and jobs, in small steps.
 *
 * The audit mends what it finds and says so; on a healthy system it finds nothing. */
#pragma once

#include "scheduler/duty.h"

struct upkeep;

struct upkeep *upkeep_new(const struct duty *duty);
void upkeep_free(struct upkeep *upkeep);
