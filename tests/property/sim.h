/* sim.h - a fleet of workers in virtual time, around the real functions: what an hour of a thousand organizations looks like, in
 * a few seconds. A job that runs is an entry in a queue of events; nothing sleeps, and every run with a seed is the same.
 *
 * Workers do what real ones do: the ends of a moment and the claim for the slots they free go in one call; an idle worker is
 * woken by new work and when a rate limit has a token again; the slots kept for quiet organizations claim those only; each beats
 * every 2 s. Where there are several lanes a worker's slots are for all of them, and it chooses as real ones do (sim_lanes.h). */
#pragma once

#include "tests/support/lane.h"

#define SIM_WORKERS_MAX 16
#define SIM_SLOTS_MAX   64
#define SEC             1000000LL /* all times are in microseconds, from the beginning of the run */
#define MS              1000LL

struct sim;
typedef void sim_event(struct sim *s, void *ctx);

struct sim_org {
    char name[32];
    int64_t run_us;     /* how long its jobs run, */
    unsigned jitter;    /* up to so many percent more or less */
    int64_t tenth_us;   /* and how long one in ten; 0: as the others */
    unsigned refill;    /* keeps at least so many jobs waiting; 0: waits for what is pushed */
    int64_t expires_ms; /* of each job, after it is pushed; 0: never */
    const char *limit;  /* that its jobs name; NULL: none */
    sim_event *on_end;  /* after each of its jobs has ended; may be NULL; ctx is the organization */
    /* since sim_measure() */
    int64_t started, worked_us;
    int64_t *waits_us; /* of the started ones, from push (or due time) to start */
    /* of the whole run */
    int64_t pushed, served, first_started_us;
    size_t waits_room;
};

struct sim_worker {
    char session[16];
    unsigned slots, quiet_slots; /* `slots` for any organization, and these beside them */
    unsigned busy, quiet_busy;
    int64_t wakes_us;        /* when it looks again by itself; 0: not */
    struct sim_lanes *lanes; /* where there are several */
};

struct sim {
    struct fixture *f;
    uint64_t random;
    int64_t now_us, measured_us;
    struct sim_org *orgs;
    unsigned org_count, org_room, served_orgs;
    int64_t most_before_all; /* services that one organization had when the last one had its first */
    struct sim_worker workers[SIM_WORKERS_MAX];
    unsigned worker_count, next_worker;
    struct sim_job *heap; /* events, earliest first */
    size_t heap_count, heap_room;
    uint64_t sequence;
    /* since sim_measure() */
    int64_t jobs, calls, empty_calls, redis_calls, redis_calls_most;
};

/* Begins a run on a reset fixture. Organizations are in the lanes that their names are for. */
void sim_begin(struct sim *s, struct fixture *f);
void sim_end(struct sim *s);

/* Organizations are found again by their index, in the order in which they were added; pointers to them do not last. */
unsigned sim_add_org(struct sim *s, int64_t run_us, unsigned refill);
void sim_set(struct sim *s, unsigned org, const char *settings); /* org_set: "weight 50 max_running 1" */
void sim_add_workers(struct sim *s, unsigned workers, unsigned slots, unsigned quiet_slots);

/* New jobs, now or at a later time; those that sleep are woken. */
void sim_push(struct sim *s, unsigned org, unsigned jobs);
void sim_schedule(struct sim *s, unsigned org, unsigned jobs, int64_t due_us);

/* Has `event` happen at a time, or each `period_us` from then on. */
void sim_at(struct sim *s, int64_t at_us, sim_event *event, void *ctx);
void sim_each(struct sim *s, int64_t at_us, int64_t period_us, sim_event *event, void *ctx);

/* Lets time pass until `until_us`. */
void sim_run(struct sim *s, int64_t until_us);

/* Begins to measure: what came before does not count. */
void sim_measure(struct sim *s);

/* Idle workers look for work. */
void sim_wake(struct sim *s);

/* Worker time since sim_measure(), with what the running jobs have had so far. */
int64_t sim_worked_us(const struct sim *s, unsigned org);

/* Jain's index of the worker time of organizations first..last, divided by their weights (NULL: all alike). */
double sim_jain(const struct sim *s, unsigned first, unsigned last, const double *weights);

/* The wait that `percent` of the organization's started jobs did not exceed. */
int64_t sim_wait_us(const struct sim *s, unsigned org, double percent);

uint64_t sim_draw(struct sim *s, uint64_t limit);
