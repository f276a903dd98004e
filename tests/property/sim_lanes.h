/* sim_lanes.h - the lanes of a simulated worker: it chooses among them with the worker's own code (worker/outlook.c), which here
 * knows a lane by its number alone. Not for quiet slots and rates: what comes back by itself is not waited for. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct sim_lanes;

struct sim_lanes *sim_lanes_new(uint32_t lanes);
void sim_lanes_free(struct sim_lanes *lanes);

/* There may be work in this lane. */
void sim_lanes_wake(struct sim_lanes *lanes, uint32_t lane);

/* The lane to claim in next, and the floor that goes with the claim; -1: none may have work. The claim is to be made, and told.
 */
int64_t sim_lanes_choose(struct sim_lanes *lanes, int64_t *ret_floor);
void sim_lanes_claimed(struct sim_lanes *lanes, uint32_t lane, int64_t v, int64_t active, unsigned taken);
