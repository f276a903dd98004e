/* sim_events.h - the queue of events of a run in virtual time: a binary heap (sim_events.c). */
#pragma once

#include "tests/property/sim.h"

#define PART_BYTES 64

enum kind { KIND_END, KIND_CALL, KIND_WAKE };

/* An event: a running job's end, a call of the test, a worker that looks again. */
struct sim_job {
    int64_t at_us;
    uint64_t sequence;
    enum kind kind;
    unsigned worker, org;
    /* KIND_END */
    bool quiet;
    int64_t started_us;
    char id[PART_BYTES], token[LANE_TOKEN_BYTES];
    /* KIND_CALL */
    sim_event *event;
    void *ctx;
    int64_t period_us;
};

/* Adds an event, after those of the same time. */
void add_event(struct sim *s, struct sim_job job);

/* Takes the earliest one out; there must be one. */
struct sim_job next_event(struct sim *s);
