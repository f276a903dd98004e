/* fairness.h - the scenarios of fair scheduling, in virtual time on the real functions. Numbers S1.. are those under which they
 * were designed. */
#pragma once

#include "tests/property/sim.h"

/* who gets how much (fairness_shares.c) */
void s3_equal_organizations_get_equal_shares(void **state);
void s4_shares_follow_weights(void **state);
void s4_a_new_weight_counts_at_once(void **state);
void s5_shares_are_of_worker_time_not_of_jobs(void **state);
void s5_a_job_pays_while_it_runs(void **state);
void s5_jobs_of_many_lengths_pay_for_each(void **state);
void s9_newcomers_cannot_starve_a_backlog(void **state);
void s10_debt_is_kept_while_an_organization_is_drained(void **state);
void s11_who_was_blocked_has_no_credit(void **state);

/* who waits how long, and what it costs (fairness_waits.c) */
void s1_a_huge_backlog_does_not_delay_a_single_job(void **state);
void s2_reserved_slots_keep_waits_short_behind_long_jobs(void **state);
void s3_short_jobs_move_in_batches(void **state);
void s6_a_crowd_at_its_caps_costs_nothing(void **state);
void s7_a_crowd_at_its_rates_is_served_on_time(void **state);
void s8_a_bomb_of_timers_does_not_delay_a_single_one(void **state);
void s18_an_expired_backlog_delays_nobody(void **state);
void s19_who_waits_for_one_limit_shares_it(void **state);
void s20_a_limited_flood_slows_nobody(void **state);

/* over several lanes (fairness_lanes.c) */
void s21_organizations_of_all_lanes_share_the_workers(void **state);
void s22_a_huge_backlog_in_one_lane_does_not_delay_single_jobs_in_others(void **state);
void s23_a_lane_that_had_no_work_has_no_credit(void **state);
