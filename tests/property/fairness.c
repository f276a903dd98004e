/* fairness.c - runs the scenarios of fairness.h, each on an empty database with one lane, or with eight. */
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

#define LANES 8

#define SCENARIO(function) cmocka_unit_test_setup_teardown(function, reset, check)

/* With an argument, as in "s7*": only the scenarios of that name. */
int main(int argc, char **argv)
{
    struct fixture *one = fixture_new(1, NULL), *eight = fixture_new(LANES, NULL);
    struct CMUnitTest in_lanes[] = {
        SCENARIO(s21_organizations_of_all_lanes_share_the_workers),
        SCENARIO(s22_a_huge_backlog_in_one_lane_does_not_delay_single_jobs_in_others),
        SCENARIO(s23_a_lane_that_had_no_work_has_no_credit),
    };
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
        tests[i].initial_state = one;
    for (size_t i = 0; i < sizeof in_lanes / sizeof in_lanes[0]; i++)
        in_lanes[i].initial_state = eight;
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    int failed = cmocka_run_group_tests_name("fairness", tests, NULL, NULL);
    failed += cmocka_run_group_tests_name("fairness in lanes", in_lanes, NULL, NULL);
    fixture_free(one);
    fixture_free(eight);
    return failed;
}
