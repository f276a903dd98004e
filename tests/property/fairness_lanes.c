/* fairness_lanes.c - organizations of several lanes, and workers whose slots are for all of them. */
#include "tests/property/fairness.h"

#include <stdio.h>

#include "common/id.h"

#define FEWEST 2 /* organizations in a lane: "several" */

/* So many organizations; each lane has some, and not all the same number. */
static void add_orgs(struct sim *s, unsigned orgs, int64_t run_us, unsigned jitter)
{
    unsigned in_lane[LANES_MAX] = {0}, most = 0, fewest = orgs;

    for (unsigned i = 0; i < orgs; i++) {
        unsigned org = sim_add_org(s, run_us, 64);
        s->orgs[org].jitter = jitter;
        in_lane[lane_of(s->orgs[org].name, s->f->lanes)]++;
    }
    for (unsigned lane = 0; lane < s->f->lanes; lane++) {
        most = in_lane[lane] > most ? in_lane[lane] : most;
        fewest = in_lane[lane] < fewest ? in_lane[lane] : fewest;
    }
    print_message("%u organizations, %u..%u in a lane\n", orgs, fewest, most);
    assert_in_range(fewest, FEWEST, most - 1);
}

/* ---- S21 ---- */

/* A lane with three organizations gets three fourths of one with four; weights count across lanes as within them. */
void s21_organizations_of_all_lanes_share_the_workers(void **state)
{
    enum { ORGS = 48 };
    double weights[ORGS];
    struct sim s;

    sim_begin(&s, *state);
    add_orgs(&s, ORGS, 10 * MS, 20);
    for (unsigned i = 0; i < ORGS; i++) {
        weights[i] = i % 4 == 0 ? 3 : 1;
        if (i % 4 == 0)
            sim_set(&s, i, "weight 300");
    }
    sim_add_workers(&s, 4, 6, 0);
    sim_run(&s, 2 * SEC);
    sim_measure(&s);
    sim_run(&s, 22 * SEC);
    double jain = sim_jain(&s, 0, ORGS - 1, weights), busy = 0;
    for (unsigned i = 0; i < ORGS; i++)
        busy += (double)sim_worked_us(&s, i);
    busy /= 24.0 * 20 * SEC;
    print_message("S21: Jain's index over eight lanes is %.4f, slots are busy for %.3f of the time\n", jain, busy);
    assert_true(jain >= 0.98);
    assert_true(busy >= 0.99);
    sim_end(&s);
}

/* ---- S22 ---- */

static void push_one(struct sim *s, void *ctx)
{
    sim_push(s, (unsigned)(uintptr_t)ctx - 1, 1);
}

/* The backlog has all slots. A single job in another lane gets the next one that is free. */
void s22_a_huge_backlog_in_one_lane_does_not_delay_single_jobs_in_others(void **state)
{
    enum { LIGHT = 31, SLOTS = 16 };
    struct sim s;
    int64_t worst_us = 0;

    sim_begin(&s, *state);
    unsigned heavy = sim_add_org(&s, 20 * MS, 0);
    s.orgs[heavy].jitter = 20;
    for (unsigned i = 1; i <= LIGHT; i++) {
        unsigned light = sim_add_org(&s, 5 * MS, 0);
        sim_each(&s, (int64_t)i * 7 * MS, 500 * MS, push_one, (void *)(uintptr_t)(light + 1)); // NOLINT
    }
    sim_add_workers(&s, 4, SLOTS / 4, 0);
    sim_push(&s, heavy, 50000);
    sim_run(&s, SEC);
    sim_measure(&s);
    sim_run(&s, 21 * SEC);
    for (unsigned i = 1; i <= LIGHT; i++) {
        int64_t wait_us = sim_wait_us(&s, i, 99);
        assert_true(s.orgs[i].started >= 38);
        worst_us = wait_us > worst_us ? wait_us : worst_us;
    }
    print_message("S22: beside a backlog in another lane the worst p99 of a single job's wait is %.1f ms\n",
                  (double)worst_us / MS);
    assert_true(worst_us <= 20 * MS);
    assert_true(s.orgs[heavy].started > 12000);
    sim_end(&s);
}

/* ---- S23 ---- */

/* The V of a lane without work stands still, and is lifted to that of the others by the first claim afterwards. */
void s23_a_lane_that_had_no_work_has_no_credit(void **state)
{
    enum { ORGS = 32, SLOTS = 16, LANE = 3 };
    struct sim s;
    double back = 0;
    unsigned returning = 0;

    sim_begin(&s, *state);
    for (unsigned i = 0; i < ORGS; i++) {
        unsigned org = sim_add_org(&s, 10 * MS, 0);
        if (lane_of(s.orgs[org].name, s.f->lanes) != LANE)
            s.orgs[org].refill = 64;
        sim_push(&s, org, 1);
    }
    sim_add_workers(&s, 4, SLOTS / 4, 0);
    sim_run(&s, 20 * SEC);
    for (unsigned i = 0; i < ORGS; i++) {
        if (s.orgs[i].refill > 0)
            continue;
        s.orgs[i].refill = 64;
        sim_push(&s, i, 128);
        returning++;
    }
    sim_measure(&s);
    sim_run(&s, 21 * SEC);
    for (unsigned i = 0; i < ORGS; i++)
        back += lane_of(s.orgs[i].name, s.f->lanes) == LANE ? (double)sim_worked_us(&s, i) : 0;
    double share = back / ((double)SLOTS * SEC), fair = (double)returning / (double)ORGS;
    print_message("S23: %u organizations of a lane that had no work get %.3f of the first second, a fair share is %.3f\n",
                  returning, share, fair);
    assert_true(share >= 0.8 * fair && share <= 1.15 * fair);
    sim_end(&s);
}
