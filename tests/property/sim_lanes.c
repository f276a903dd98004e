#include "tests/property/sim_lanes.h"

#include <ev.h>
#include <stdlib.h>

#include "common/memory.h"
#include "worker/lane.h"
#include "worker/outlook.h"

/* In the place of worker/lane.c: a session that is always open, and whose calls are answered at once. */
struct lane {
    uint32_t number;
};

struct sim_lanes {
    struct ev_loop *loop; /* which never runs */
    struct outlook *outlook;
    struct lane *lanes;
};

uint32_t lane_number(const struct lane *lane)
{
    return lane->number;
}

bool lane_is_ready(const struct lane *lane)
{
    (void)lane;
    return true;
}

struct sim_lanes *sim_lanes_new(uint32_t lanes)
{
    struct sim_lanes *sim = memory_new(sizeof *sim);

    sim->loop = ev_loop_new(0);
    sim->outlook = outlook_new(sim->loop, lanes, NULL, NULL);
    sim->lanes = memory_new(sizeof *sim->lanes * lanes);
    for (uint32_t i = 0; i < lanes; i++) {
        sim->lanes[i].number = i;
        outlook_add(sim->outlook, &sim->lanes[i]);
        outlook_expect(sim->outlook, &sim->lanes[i]);
    }
    return sim;
}

void sim_lanes_free(struct sim_lanes *lanes)
{
    if (!lanes)
        return;
    outlook_free(lanes->outlook);
    ev_loop_destroy(lanes->loop);
    free(lanes->lanes);
    free(lanes);
}

void sim_lanes_wake(struct sim_lanes *lanes, uint32_t lane)
{
    outlook_wake(lanes->outlook, lane);
}

int64_t sim_lanes_choose(struct sim_lanes *lanes, int64_t *ret_floor)
{
    const struct lane *lane = outlook_choose(lanes->outlook, false, ret_floor);

    if (!lane)
        return -1;
    outlook_sent(lanes->outlook, lane);
    return lane->number;
}

void sim_lanes_claimed(struct sim_lanes *lanes, uint32_t lane, int64_t v, int64_t active, unsigned taken)
{
    const struct lane_answer answer = {.v = v, .active = active, .next_ms = -1, .taken = taken};

    outlook_answered(lanes->outlook, &lanes->lanes[lane], &answer, false);
}
