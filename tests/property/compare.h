/* compare.h - whether the lanes hold what their models say. */
#pragma once

#include "tests/property/world.h"

/* Loads the script; once per run. */
void compare_begin(struct world *w);

/* The lane of this step: its invariants and how many jobs are where. With `everything`: each job with its place, order, counts
 * and owner, each idempotency key and each session. */
void compare(struct world *w, bool everything);

/* The same for all lanes. */
void compare_all(struct world *w);
