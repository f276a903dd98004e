/* fairness_shares.c - who gets how much of the workers' time. */
#include "tests/property/fairness.h"

#include <stdio.h>

#define assert_between(value, low, high)                                                          \
    do {                                                                                          \
        double is = (double)(value);                                                              \
        if (is < (double)(low) || is > (double)(high))                                            \
            fail_msg(#value " is %g, it should be in %g..%g", is, (double)(low), (double)(high)); \
    } while (0)

/* ---- S3 ---- */

/* 1000 organizations with 20 jobs of `run_us` each: Jain's index half way, and no organization before the others. */
static void check_equal(struct fixture *f, int64_t run_us, int64_t served_most)
{
    enum { ORGS = 1000, JOBS = 20, SLOTS = 32 };
    struct sim s;

    sim_begin(&s, f);
    for (int i = 0; i < ORGS; i++) {
        sim_add_org(&s, run_us, 0);
        sim_push(&s, (unsigned)i, JOBS);
    }
    sim_add_workers(&s, 2, SLOTS / 2, 0);
    sim_run(&s, ORGS * JOBS * run_us / SLOTS / 2);
    double jain = sim_jain(&s, 0, ORGS - 1, NULL);
    print_message("S3: %d organizations, %g ms jobs: Jain %.4f, most services before everybody was served: %lld\n", ORGS,
                  (double)run_us / MS, jain, (long long)s.most_before_all);
    assert_between(s.most_before_all, 1, served_most);
    assert_between(jain, 0.99, 1);
    sim_end(&s);
}

void s3_equal_organizations_get_equal_shares(void **state)
{
    check_equal(*state, 5 * MS, 2);
    fixture_reset(*state);
    check_equal(*state, 1 * MS, 6); /* short jobs move in batches of a quantum, which is 5 ms */
}

/* ---- S4 ---- */

void s4_shares_follow_weights(void **state)
{
    static const int weights[] = {1, 2, 5, 10, 100};
    enum { KINDS = 5, OF_EACH = 5, ORGS = KINDS * OF_EACH, TOTAL = OF_EACH * (1 + 2 + 5 + 10 + 100) };
    struct sim s;

    sim_begin(&s, *state);
    for (unsigned i = 0; i < ORGS; i++) {
        sim_add_org(&s, 5 * MS, 64);
        sim_set(&s, i, fixture_text(*state, "weight %d", weights[i % KINDS]));
    }
    sim_add_workers(&s, 1, 16, 0);
    sim_run(&s, SEC / 2);
    sim_measure(&s);
    int64_t begin_us = s.now_us, length_us = 18 * SEC;
    sim_run(&s, begin_us + length_us);
    for (unsigned i = 0; i < ORGS; i++) {
        double fair_us = 16.0 * (double)length_us * weights[i % KINDS] / (double)TOTAL,
               share = (double)sim_worked_us(&s, i) / fair_us;
        if (i < KINDS)
            print_message("S4: weight %d has %.3f of its fair share, %lld services\n", weights[i % KINDS], share,
                          (long long)s.orgs[i].started);
        if (s.orgs[i].started >= 100)
            assert_between(share, 0.95, 1.05);
        else
            assert_between(s.orgs[i].started, fair_us / (5 * MS) - 3, fair_us / (5 * MS) + 3); /* too few for a percentage */
    }
    sim_end(&s);
}

/* What it owes at the old weight, seconds of the other one's time, is worth less at the new one. */
void s4_a_new_weight_counts_at_once(void **state)
{
    struct sim s;

    sim_begin(&s, *state);
    unsigned poor = sim_add_org(&s, 50 * MS, 64);
    sim_add_org(&s, 50 * MS, 64);
    sim_set(&s, poor, "weight 1");
    sim_add_workers(&s, 1, 1, 0);
    sim_run(&s, 12 * SEC);
    sim_set(&s, poor, "weight 100");
    sim_measure(&s);
    sim_run(&s, s.now_us + 2 * SEC);
    double share = (double)sim_worked_us(&s, poor) / (2 * SEC);
    print_message("S4: in the two seconds after its weight was made equal it has %.3f\n", share);
    assert_between(share, 0.4, 0.6);
    sim_end(&s);
}

/* ---- S5 ---- */

void s5_shares_are_of_worker_time_not_of_jobs(void **state)
{
    enum { SLOTS = 50 };
    const int64_t length_us = 20 * 60 * SEC;
    struct sim s;

    sim_begin(&s, *state);
    unsigned noisy = sim_add_org(&s, 34 * SEC, 64), victim = sim_add_org(&s, 1 * SEC, 64);
    sim_add_workers(&s, 1, SLOTS, 0);
    sim_run(&s, 5 * 60 * SEC);
    sim_measure(&s);
    sim_run(&s, s.now_us + length_us);
    double all_us = (double)length_us * (double)SLOTS, share = (double)sim_worked_us(&s, noisy) / all_us;
    print_message("S5: jobs of 34 s have %.3f of the workers' time, jobs of 1 s %.3f; jobs started: %lld and %lld\n", share,
                  (double)sim_worked_us(&s, victim) / all_us, (long long)s.orgs[noisy].started,
                  (long long)s.orgs[victim].started);
    assert_between(share, 0.47, 0.53);
    sim_end(&s);
}

/* A newcomer whose jobs turn out to take minutes: nobody could know it, but they pay while they run, so that it does not get
 * every slot that becomes free. Over ten seeds its share is 0.55 to 0.73; it would be 0.89 to 0.92 if jobs did not pay before
 * they end. */
void s5_a_job_pays_while_it_runs(void **state)
{
    enum { SLOTS = 20 };
    struct sim s;

    sim_begin(&s, *state);
    unsigned known = sim_add_org(&s, 10 * SEC, 64);
    s.orgs[known].jitter = 50;
    sim_add_workers(&s, 1, SLOTS, 0);
    sim_run(&s, 60 * SEC);
    unsigned surprise = sim_add_org(&s, 300 * SEC, 64);
    sim_measure(&s);
    sim_run(&s, s.now_us + 60 * SEC);
    double share = (double)sim_worked_us(&s, surprise) / (60.0 * SEC * (double)SLOTS);
    print_message("S5: new jobs of 300 s have %.3f of their first minute\n", share);
    assert_between(share, 0.35, 0.8);
    sim_end(&s);
}

/* One in ten takes much longer than the estimate: beats charge it, and its end settles what they did not. */
void s5_jobs_of_many_lengths_pay_for_each(void **state)
{
    enum { SLOTS = 20 };
    const int64_t length_us = 20 * 60 * SEC;
    struct sim s;

    sim_begin(&s, *state);
    unsigned mixed = sim_add_org(&s, 1 * SEC, 64);
    s.orgs[mixed].tenth_us = 20 * SEC;
    sim_add_org(&s, 1 * SEC, 64);
    sim_add_workers(&s, 1, SLOTS, 0);
    sim_run(&s, 60 * SEC);
    sim_measure(&s);
    sim_run(&s, s.now_us + length_us);
    double share = (double)sim_worked_us(&s, mixed) / ((double)length_us * (double)SLOTS);
    print_message("S5: jobs of 1 s, one in ten of 20 s, have %.3f beside jobs of 1 s\n", share);
    assert_between(share, 0.44, 0.56); /* what was charged too much comes back only down to V */
    sim_end(&s);
}

/* ---- S9 ---- */

struct flood {
    unsigned serves, newcomers; /* so many new organizations after so many services */
    unsigned served;
};

static struct flood flood;

static void bring_newcomers(struct sim *s, void *ctx)
{
    (void)ctx;
    if (++flood.served % flood.serves != 0)
        return;
    for (unsigned i = 0; i < flood.newcomers; i++) {
        unsigned org = sim_add_org(s, 5 * MS, 0);
        s->orgs[org].on_end = bring_newcomers;
        sim_push(s, org, 1);
    }
}

/* The backlogged organization's part of the services while `newcomers` new organizations come after each `serves` services. */
static double share_in_flood(struct fixture *f, int64_t run_us, unsigned serves, unsigned newcomers)
{
    enum { SERVICES = 800 };
    struct sim s;

    fixture_reset(f);
    sim_begin(&s, f);
    flood = (struct flood){.serves = serves, .newcomers = newcomers};
    unsigned backlogged = sim_add_org(&s, run_us, 64);
    s.orgs[backlogged].on_end = bring_newcomers;
    sim_add_workers(&s, 1, 1, 0);
    while (s.jobs < SERVICES)
        sim_run(&s, s.now_us + 5 * MS);
    double share = (double)s.orgs[backlogged].started / (double)s.jobs;
    sim_end(&s);
    return share;
}

/* Whatever the rhythm in which they come, and however long the jobs of the backlog are. */
void s9_newcomers_cannot_starve_a_backlog(void **state)
{
    static const struct flood floods[] = {{5, 8, 0}, {1, 1, 0}, {1, 7, 0}};
    static const int64_t runs_us[] = {5 * MS, 1 * MS};

    for (size_t i = 0; i < sizeof floods / sizeof floods[0]; i++) {
        for (size_t n = 0; n < sizeof runs_us / sizeof runs_us[0]; n++) {
            double share = share_in_flood(*state, runs_us[n], floods[i].serves, floods[i].newcomers);
            print_message("S9: %u newcomers after each %u services leave %.4f of them to a backlog of %g ms jobs\n",
                          floods[i].newcomers, floods[i].serves, share, (double)runs_us[n] / MS);
            assert_between(share, 0.06, 1); /* 1/16, less the edges of the run */
        }
    }
}

/* ---- S10 ---- */

static void come_back(struct sim *s, void *ctx)
{
    sim_push(s, (unsigned)((struct sim_org *)ctx - s->orgs), 1);
}

/* Organizations that have one job at a time, and the next one as soon as it has ended, are as busy as one with a backlog. */
void s10_debt_is_kept_while_an_organization_is_drained(void **state)
{
    enum { RETURNING = 5, SERVICES = 3000 };
    struct sim s;

    sim_begin(&s, *state);
    unsigned backlogged = sim_add_org(&s, 5 * MS, 64);
    for (unsigned i = 1; i <= RETURNING; i++) {
        sim_add_org(&s, 5 * MS, 0);
        s.orgs[i].on_end = come_back;
        sim_push(&s, i, 1);
    }
    sim_add_workers(&s, 1, 1, 0);
    sim_run(&s, SERVICES * 5 * MS);
    for (unsigned i = backlogged; i <= RETURNING; i++) {
        double share = (double)s.orgs[i].started / (double)s.jobs;
        if (i < 2)
            print_message("S10: the %s organization has %.3f of the services\n", i == backlogged ? "backlogged" : "returning",
                          share);
        assert_between(share, 0.9 / (RETURNING + 1), 1.1 / (RETURNING + 1));
    }
    sim_end(&s);
}

/* ---- S11 ---- */

void s11_who_was_blocked_has_no_credit(void **state)
{
    enum { OTHERS = 10, SLOTS = 4 };
    struct sim s;

    sim_begin(&s, *state);
    unsigned blocked = sim_add_org(&s, 10 * MS, 64);
    sim_set(&s, blocked, "rate 0.001");
    for (int i = 0; i < OTHERS; i++)
        sim_add_org(&s, 10 * MS, 64);
    sim_add_workers(&s, 1, SLOTS, 0);
    sim_run(&s, 60 * SEC);
    assert_between(s.orgs[blocked].served, 0, 1);
    sim_set(&s, blocked, fixture_text(*state, "rate %s", "1000000"));
    sim_measure(&s);
    sim_run(&s, s.now_us + SEC);
    double share = (double)sim_worked_us(&s, blocked) / (SLOTS * SEC);
    print_message("S11: after a minute of blocking the first second gives %.3f, a fair share is %.3f\n", share,
                  1.0 / (OTHERS + 1));
    assert_between(share, 0.8 / (OTHERS + 1), 1.1 / (OTHERS + 1));
    sim_end(&s);
}
