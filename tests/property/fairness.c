/* fairness.c - runs the scenarios of fairness.h, each on an empty database with one lane. */
#include "tests/property/fairness.h"

static int reset(void **state)
{
    fixture_reset(*state);
    return 0;
}

static int check(void **state)
{
    lane_check(*state);
    return 0;
}

#define SCENARIO(function) cmocka_unit_test_setup_teardown(function, reset, check)

/* With an argument, as in "s7*": only the scenarios of that name. */
int main(int argc, char **argv)
{
    struct fixture *f = fixture_new(1, NULL);
    struct CMUnitTest tests[] = {
        SCENARIO(s1_a_huge_backlog_does_not_delay_a_single_job),
        SCENARIO(s2_reserved_slots_keep_waits_short_behind_long_jobs),
        SCENARIO(s3_equal_organizations_get_equal_shares),
        SCENARIO(s3_short_jobs_move_in_batches),
        SCENARIO(s4_shares_follow_weights),
        SCENARIO(s4_a_new_weight_counts_at_once),
        SCENARIO(s5_shares_are_of_worker_time_not_of_jobs),
        SCENARIO(s5_a_job_pays_while_it_runs),
        SCENARIO(s5_jobs_of_many_lengths_pay_for_each),
        SCENARIO(s6_a_crowd_at_its_caps_costs_nothing),
        SCENARIO(s7_a_crowd_at_its_rates_is_served_on_time),
        SCENARIO(s8_a_bomb_of_timers_does_not_delay_a_single_one),
        SCENARIO(s9_newcomers_cannot_starve_a_backlog),
        SCENARIO(s10_debt_is_kept_while_an_organization_is_drained),
        SCENARIO(s11_who_was_blocked_has_no_credit),
        SCENARIO(s18_an_expired_backlog_delays_nobody),
        SCENARIO(s19_who_waits_for_one_limit_shares_it),
        SCENARIO(s20_a_limited_flood_slows_nobody),
    };

    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++)
        tests[i].initial_state = f;
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    int failed = cmocka_run_group_tests_name("fairness", tests, NULL, NULL);
    fixture_free(f);
    return failed;
}
