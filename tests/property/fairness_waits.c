/* fairness_waits.c - who waits how long, and what that costs. */
#include "tests/property/fairness.h"

#include <stdio.h>

#define assert_at_most(value, limit)                                                 \
    do {                                                                             \
        double is = (double)(value);                                                 \
        if (is > (double)(limit))                                                    \
            fail_msg(#value " is %g, it should be at most %g", is, (double)(limit)); \
    } while (0)

static double ms(int64_t us)
{
    return (double)us / MS;
}

/* One job more of the organization that `ctx` is the index of, plus one. */
static void push_one(struct sim *s, void *ctx)
{
    sim_push(s, (unsigned)(uintptr_t)ctx - 1, 1);
}

/* An organization that has one job every `period_us`. */
static unsigned add_light_org(struct sim *s, int64_t run_us, int64_t period_us)
{
    unsigned light = sim_add_org(s, run_us, 0);

    sim_each(s, s->now_us + period_us, period_us, push_one, (void *)(uintptr_t)(light + 1)); // NOLINT
    return light;
}

/* ---- S1 ---- */

/* p99 of the light organization's waits, beside an organization with `backlog` jobs. */
static int64_t wait_beside(struct fixture *f, unsigned backlog)
{
    struct sim s;

    fixture_reset(f);
    sim_begin(&s, f);
    unsigned heavy = sim_add_org(&s, 5 * MS, 0);
    s.orgs[heavy].jitter = 20;
    sim_push(&s, heavy, backlog);
    unsigned light = add_light_org(&s, 5 * MS, 100 * MS);
    sim_add_workers(&s, 4, 4, 0);
    sim_run(&s, SEC);
    sim_measure(&s);
    sim_run(&s, 11 * SEC);
    int64_t wait_us = sim_wait_us(&s, light, 99);
    assert_true(s.orgs[light].started >= 99);
    assert_true(backlog == 0 || s.orgs[heavy].started > 30000);
    sim_end(&s);
    return wait_us;
}

void s1_a_huge_backlog_does_not_delay_a_single_job(void **state)
{
    const int64_t e_us = 5 * MS;
    int64_t alone_us = wait_beside(*state, 0), beside_us = wait_beside(*state, 100000);
    double ratio = (double)(beside_us + e_us) / (double)(alone_us + e_us);

    print_message("S1: p99 of the light organization %.3f ms alone, %.3f ms beside 100000 jobs; ratio %.2f\n", ms(alone_us),
                  ms(beside_us), ratio);
    assert_at_most(beside_us, 10 * MS);
    assert_at_most(ratio, 1.5);
}

/* ---- S2 ---- */

static int64_t wait_behind_long_jobs(struct fixture *f, unsigned quiet_slots)
{
    struct sim s;

    fixture_reset(f);
    sim_begin(&s, f);
    unsigned heavy = sim_add_org(&s, 60 * SEC, 64);
    s.orgs[heavy].jitter = 20;
    unsigned light = add_light_org(&s, 100 * MS, 5 * SEC);
    sim_add_workers(&s, 1, 20 - quiet_slots, quiet_slots);
    sim_run(&s, 600 * SEC);
    sim_measure(&s);
    sim_run(&s, 6 * 3600 * SEC);
    int64_t wait_us = sim_wait_us(&s, light, 99);
    sim_end(&s);
    return wait_us;
}

void s2_reserved_slots_keep_waits_short_behind_long_jobs(void **state)
{
    int64_t with_us = wait_behind_long_jobs(*state, 1), without_us = wait_behind_long_jobs(*state, 0);

    print_message("S2: p99 of the light organization %.0f ms with one slot of 20 reserved, %.0f ms without\n", ms(with_us),
                  ms(without_us));
    assert_at_most(with_us, 500 * MS);
    assert_at_most(2 * SEC, without_us); /* else the reserved slot would prove nothing */
}

/* ---- S3 ---- */

/* The estimate is learned: then a visit takes as many short jobs as fit into a quantum of worker time. */
void s3_short_jobs_move_in_batches(void **state)
{
    struct sim s;

    sim_begin(&s, *state);
    sim_add_org(&s, MS / 5, 256);
    sim_add_workers(&s, 1, 32, 0);
    sim_run(&s, 20 * MS);
    sim_measure(&s);
    sim_run(&s, 100 * MS);
    double calls = (double)s.redis_calls / (double)s.jobs;
    print_message("S3: a job of 0.2 ms takes %.2f redis.calls from claim to end\n", calls);
    assert_at_most(calls, 5);
    sim_end(&s);
}

/* ---- S6 ---- */

struct cost {
    int64_t wait_us;
    double calls; /* redis.calls for each job, of finish and claim together */
    double claims;
};

/* `crowd` organizations with a cap of 1 and more work than they may do, beside one without a cap that is not always busy. */
static struct cost cost_of_crowd(struct fixture *f, unsigned crowd)
{
    struct sim s;

    fixture_reset(f);
    sim_begin(&s, f);
    unsigned light = add_light_org(&s, 5 * MS, 20 * MS);
    for (unsigned i = 0; i < crowd; i++) {
        unsigned org = sim_add_org(&s, 200 * MS, 0);
        s.orgs[org].jitter = 20;
        sim_set(&s, org, "max_running 1");
        sim_push(&s, org, 50);
    }
    sim_add_workers(&s, 16, 64, 0);
    sim_run(&s, SEC);
    sim_measure(&s);
    sim_run(&s, 3 * SEC);
    struct cost cost = {sim_wait_us(&s, light, 99), (double)s.redis_calls / (double)s.jobs, (double)s.calls / (double)s.jobs};
    sim_end(&s);
    return cost;
}

void s6_a_crowd_at_its_caps_costs_nothing(void **state)
{
    struct cost few = cost_of_crowd(*state, 10), many = cost_of_crowd(*state, 1000);

    print_message("S6: 10 capped organizations: %.1f redis.calls and %.2f calls a job, p99 of the free one %.3f ms; 1000: %.1f, "
                  "%.2f, %.3f ms\n",
                  few.calls, few.claims, ms(few.wait_us), many.calls, many.claims, ms(many.wait_us));
    assert_at_most(many.claims, 12);
    assert_at_most(many.calls, 1.3 * few.calls);
    assert_at_most(many.wait_us, few.wait_us + 2 * MS);
}

/* ---- S7 ---- */

/* `crowd` organizations at one job a second each, whose seconds begin at different times, beside a light one. */
static struct cost cost_of_rates(struct fixture *f, unsigned crowd, int64_t *ret_late_us)
{
    struct sim s;

    fixture_reset(f);
    sim_begin(&s, f);
    unsigned light = add_light_org(&s, 1 * MS, 20 * MS);
    sim_add_workers(&s, 1, 16, 0);
    for (unsigned i = 0; i < crowd; i++) {
        unsigned org = sim_add_org(&s, 1 * MS, 0);
        sim_set(&s, org, "rate 1");
        sim_push(&s, org, 20);
        sim_run(&s, SEC * (i + 1) / crowd);
    }
    sim_measure(&s);
    *ret_late_us = 0;
    sim_run(&s, 6 * SEC);
    struct cost cost = {sim_wait_us(&s, light, 99), (double)s.redis_calls / (double)s.jobs, (double)s.calls / (double)s.jobs};
    for (unsigned i = 1; i <= crowd; i++) { /* a job each second: how late was the last one? */
        const struct sim_org *org = &s.orgs[i];
        int64_t late_us = org->started > 0 ? org->waits_us[org->started - 1] - (org->served - 1) * SEC : INT64_MAX;
        *ret_late_us = late_us > *ret_late_us ? late_us : *ret_late_us;
        assert_in_range(org->served, 6, 7);
    }
    sim_end(&s);
    return cost;
}

void s7_a_crowd_at_its_rates_is_served_on_time(void **state)
{
    int64_t none_late_us, late_us;
    struct cost none = cost_of_rates(*state, 1, &none_late_us), many = cost_of_rates(*state, 1000, &late_us);

    print_message("S7: 1000 organizations at 1/s: %.1f redis.calls and %.2f calls a job, the latest %.3f ms late, p99 of the "
                  "free one %.3f ms (%.3f ms alone)\n",
                  many.calls, many.claims, ms(late_us), ms(many.wait_us), ms(none.wait_us));
    assert_at_most(late_us, 20 * MS);
    assert_at_most(many.wait_us, none.wait_us + 2 * MS);
}

/* ---- S8 ---- */

static void promote(struct sim *s, void *ctx)
{
    (void)ctx;
    lane_call(s->f, "promote", "256");
    sim_wake(s);
}

/* One bomb of 100000 timers, and ten of 2000: more organizations than one promote looks at. */
void s8_a_bomb_of_timers_does_not_delay_a_single_one(void **state)
{
    const int64_t due_us = 10 * SEC;
    struct sim s;

    sim_begin(&s, *state);
    for (unsigned bomb = 0; bomb <= 10; bomb++) {
        sim_add_org(&s, 5 * MS, 0);
        s.orgs[bomb].jitter = 20;
        sim_schedule(&s, bomb, bomb == 0 ? 100000 : 2000, due_us - (bomb > 0));
    }
    unsigned single = sim_add_org(&s, 5 * MS, 0);
    sim_schedule(&s, single, 1, due_us);
    sim_add_workers(&s, 4, 4, 0);
    sim_each(&s, due_us, 1 * MS, promote, NULL);
    sim_run(&s, due_us + 100 * MS);
    print_message("S8: the single job starts %.3f ms after its time\n", ms(s.orgs[single].first_started_us - due_us));
    assert_int_equal(s.orgs[single].served, 1);
    assert_at_most(s.orgs[single].first_started_us - due_us, 10 * MS);
    sim_end(&s);
}

/* ---- S18 ---- */

void s18_an_expired_backlog_delays_nobody(void **state)
{
    enum { BACKLOG = 20000 };
    struct sim s;

    sim_begin(&s, *state);
    unsigned stale = sim_add_org(&s, 5 * MS, 0), busy = sim_add_org(&s, 5 * MS, 64);
    s.orgs[busy].jitter = 20;
    s.orgs[stale].expires_ms = 1000;
    sim_push(&s, stale, BACKLOG);
    sim_run(&s, 2 * SEC);
    unsigned light = add_light_org(&s, 5 * MS, 20 * MS);
    sim_add_workers(&s, 4, 4, 0);
    sim_measure(&s);
    sim_run(&s, 7 * SEC);
    const char *left = fixture_text(*state, "org:%s:ready:default", s.orgs[stale].name);
    long long gone = BACKLOG - lane_count(*state, left);
    double others = (double)s.jobs * 5 * MS / (16.0 * 5 * SEC);
    print_message("S18: p99 of the light organization %.3f ms, %lld expired jobs are gone, %.3f of the workers' time was used, "
                  "at most %lld redis.calls in a call\n",
                  ms(sim_wait_us(&s, light, 99)), gone, others, (long long)s.redis_calls_most);
    assert_int_equal(s.orgs[stale].served, 0);
    assert_at_most(sim_wait_us(&s, light, 99), 10 * MS);
    assert_true(gone > BACKLOG / 2);
    assert_true(others > 0.95);
    sim_end(&s);
}

/* ---- S19, S20: limits beyond the organization ---- */

void s19_who_waits_for_one_limit_shares_it(void **state)
{
    enum { ORGS = 5 };
    struct sim s;

    sim_begin(&s, *state);
    lane_call(*state, "limit_set", "me mail 2 %s %s", "", "");
    for (unsigned i = 0; i < ORGS; i++) {
        unsigned org = sim_add_org(&s, 5 * MS, 0);
        s.orgs[org].limit = "mail";
        s.orgs[org].jitter = 20;
        sim_push(&s, org, i == 0 ? 5000 : 500);
    }
    sim_add_workers(&s, 4, 4, 0);
    sim_run(&s, SEC / 2);
    sim_measure(&s);
    sim_run(&s, 5 * SEC);
    double jain = sim_jain(&s, 0, ORGS - 1, NULL), used = (double)s.jobs * 5 * MS / (2.0 * 4.5 * SEC);
    print_message("S19: Jain's index of %d organizations under one limit of 2 is %.4f, %.3f of the limit was used, at most %lld "
                  "redis.calls in a call\n",
                  ORGS, jain, used, (long long)s.redis_calls_most);
    assert_true(jain > 0.98);
    assert_true(used > 0.95);
    sim_end(&s);
}

/* One job more that is not limited, of the organization that has the flood. */
static void push_unlimited(struct sim *s, void *ctx)
{
    unsigned org = (unsigned)(uintptr_t)ctx - 1;
    const char *limit = s->orgs[org].limit;

    s->orgs[org].limit = NULL;
    sim_push(s, org, 1);
    s->orgs[org].limit = limit;
}

void s20_a_limited_flood_slows_nobody(void **state)
{
    enum { FLOOD = 8000 };
    struct sim s;

    sim_begin(&s, *state);
    lane_call(*state, "limit_set", "me mail %s 1/s %s", "", "");
    unsigned flood = sim_add_org(&s, 5 * MS, 0), busy = sim_add_org(&s, 5 * MS, 64);
    s.orgs[busy].jitter = 20;
    s.orgs[flood].limit = "mail";
    sim_push(&s, flood, FLOOD);
    sim_add_workers(&s, 4, 4, 0);
    unsigned light = add_light_org(&s, 5 * MS, 20 * MS);
    sim_run(&s, SEC);
    double at_first = (double)s.jobs * 5 * MS / (16.0 * SEC);
    int64_t first_us = sim_wait_us(&s, light, 99);
    sim_each(&s, s.now_us + MS, 20 * MS, push_unlimited, (void *)(uintptr_t)(flood + 1)); // NOLINT
    sim_measure(&s);
    sim_run(&s, 3 * SEC);
    double others = (double)s.jobs * 5 * MS / (16.0 * 2 * SEC);
    print_message(
        "S20: beside %d limited jobs p99 of another organization is %.3f ms while they are set aside and %.3f ms then, that of "
        "unlimited jobs of the same one %.3f ms; %.3f and %.3f of the workers' time was used\n",
        FLOOD, ms(first_us), ms(sim_wait_us(&s, light, 99)), ms(sim_wait_us(&s, flood, 95)), at_first, others);
    assert_at_most(first_us, 10 * MS);
    assert_at_most(sim_wait_us(&s, light, 99), 10 * MS);
    assert_at_most(sim_wait_us(&s, flood, 95), 10 * MS);
    assert_true(others > 0.95 && at_first > 0.9);
    sim_end(&s);
}
