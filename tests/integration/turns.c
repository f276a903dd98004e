/* turns - a schedule that sees to all organizations moves to one of every organization: shadows, whose due times are whose, and
 * what is kept of both. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/integration/templates.h"

/* The organization that the one for all belongs to. */
static const char *system_org(struct fixture *f)
{
    return org(f, 100);
}

static const char *answer(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_ARRAY ? reply_text(reply_element(reply, 0)) : reply->str;
}

/* Two organizations that have a shadow of it, and the one for all; all armed for the first minute. */
static void make_shadows(struct fixture *f)
{
    make_orgs(f, 2);
    assert_string_equal(answer(template_set(f, "report", &(struct definition){.shadow = true})), "new");
    schedule_set(f, system_org(f), "all", NULL);
    assert_string_equal(answer(lane_call(f, "schedule_move", "tester %s all report", system_org(f))), "moves");
    walk_to_the_end(f, "report");
    for (unsigned n = 0; n < 2; n++)
        assert_string_equal(template_tick(f, org(f, n), "report", "1", 0, minute(1)), "rearmed");
}

/* Its revision, as a tick must name it. */
static const char *rev(struct fixture *f)
{
    return shown(f, org(f, 0), "rev");
}

/* Minute `n` comes, for the one for all and for the first organization. */
static void tick_both(struct fixture *f, int n)
{
    clock_set_us(f, minute(n) * 1000);
    assert_string_equal(schedule_tick_at(f, system_org(f), "all", minute(n), minute(n + 1), 0, (int64_t[]){minute(n), 0}),
                        "ticked");
    assert_string_equal(template_tick(f, org(f, 0), "report", rev(f), minute(n), minute(n + 1)), "ticked");
}

/* The one for all has a job for minute `n`. */
static bool all_has_job(struct fixture *f, int n)
{
    return lane_redis(f, "HEXISTS %s all@%lld", lane_key(f, "%s", fixture_text(f, "org:%s:jobs", system_org(f))),
                      (long long)minute(n))
               ->integer == 1;
}

/* What the first organization has for minute `n`: "shadow", "job" or "nothing". */
static const char *own_job(struct fixture *f, int n)
{
    const redisReply *reply =
        lane_redis(f, "HGET %s report@%lld", lane_key(f, "%s", fixture_text(f, "org:%s:jobs", org(f, 0))), (long long)minute(n));

    if (reply->type == REDIS_REPLY_NIL)
        return "nothing";
    return memmem(reply->str, reply->len, "rota-shadow", 11) ? "shadow" : "job";
}

static const char *turn(struct fixture *f, const char *sign, int64_t at_ms)
{
    return answer(lane_call(f, "template_turn", "tester report %s %lld", sign, (long long)at_ms));
}

/* ---- whose due times are whose ---- */

static void before_the_turn_both_run_and_the_new_one_is_a_shadow(void **state)
{
    struct fixture *f = *state;
    make_shadows(f);

    tick_both(f, 1);

    assert_true(all_has_job(f, 1));
    assert_string_equal(own_job(f, 1), "shadow");
    clock_advance_ms(f, MINUTE_MS); /* one that is run by hand, too */
    assert_string_equal(answer(lane_call(f, "schedule_run", "tester %s report", org(f, 0))), "new");
    assert_string_equal(own_job(f, 2), "shadow");
}

static void AP_14_each_due_time_is_served_by_exactly_one_of_them(void **state)
{
    struct fixture *f = *state;
    make_shadows(f);
    assert_string_equal(turn(f, "+", minute(2)), "turned");
    assert_string_equal(turn(f, "-", minute(4)), "turned");
    assert_string_equal(turn(f, "+", minute(6)), "turned");

    for (int n = 1; n <= 7; n++) {
        bool own = n == 2 || n == 3 || n >= 6;
        tick_both(f, n);
        if (all_has_job(f, n) == own || strcmp(own_job(f, n), own ? "job" : "shadow") != 0)
            fail_msg("minute %d: for all %s, its own %s", n, all_has_job(f, n) ? "a job" : "nothing", own_job(f, n));
    }
}

static void a_turn_that_is_to_come_can_be_taken_back(void **state)
{
    struct fixture *f = *state;
    make_shadows(f);
    turn(f, "+", minute(3));
    assert_string_equal(turn(f, "+", minute(4)), "same"); /* it is in charge by then */
    turn(f, "-", minute(2));

    assert_string_equal(value_of(reply_element(lane_call(f, "template", "report"), 1), "turns"), "-0");
    assert_string_equal(turn(f, "-", minute(2)), "same");
}

static void what_is_caught_up_over_a_turn_has_its_right_owner(void **state)
{
    struct fixture *f = *state;
    make_shadows(f);
    turn(f, "+", minute(2));
    clock_set_us(f, minute(3) * 1000);

    assert_string_equal(
        schedule_tick_at(f, system_org(f), "all", minute(1), minute(4), 0, (int64_t[]){minute(1), minute(2), minute(3), 0}),
        "ticked");

    assert_true(all_has_job(f, 1));
    assert_false(all_has_job(f, 2));
    assert_false(all_has_job(f, 3));
}

static void a_turn_must_be_known_everywhere_before_it_comes(void **state)
{
    struct fixture *f = *state;
    make_shadows(f);

    assert_true(strstr(turn(f, "+", clock_ms(f) + 4999), "INVALID at_ms") != NULL);
    assert_string_equal(turn(f, "+", clock_ms(f) + 5000), "turned");
    assert_true(strstr(turn(f, "x", minute(2)), "INVALID a turn is \"x\"") != NULL);
    template_set(f, "other", &(struct definition){0});
    assert_string_equal(answer(lane_call(f, "template_turn", "tester other + %lld", (long long)minute(2))), "alone");
    assert_string_equal(answer(lane_call(f, "template_turn", "tester none + %lld", (long long)minute(2))), "unknown");
    assert_string_equal(answer(lane_call(f, "schedule_move", "tester %s all other", system_org(f))), "alone");
    assert_string_equal(answer(lane_call(f, "schedule_move", "tester %s all none", system_org(f))), "alone");
    assert_string_equal(answer(lane_call(f, "schedule_move", "tester %s none report", system_org(f))), "unknown");
    assert_true(strstr(answer(lane_call(f, "schedule_move", "tester %s report report", org(f, 0))), "INVALID schedule report") !=
                NULL);
}

static void it_ends_when_nothing_before_the_turn_can_be_served_any_more(void **state)
{
    struct fixture *f = *state;
    int64_t end_ms = minute(2) + 86400000; /* its window */
    make_shadows(f);
    assert_string_equal(answer(lane_call(f, "template_turn", "tester report end %s", "")), "alone");
    turn(f, "+", minute(2));

    clock_set_us(f, (end_ms - 1) * 1000);
    assert_string_equal(answer(lane_call(f, "template_turn", "tester report end %s", "")), "early");
    clock_set_us(f, end_ms * 1000);
    assert_string_equal(answer(lane_call(f, "template_turn", "tester report end %s", "")), "ended");

    assert_string_equal(value_of(reply_element(lane_call(f, "template", "report"), 1), "turns"), "");
    assert_string_equal(schedule_tick_at(f, system_org(f), "all", minute(1), minute(1500), 0, (int64_t[]){minute(3), 0}),
                        "ticked");
    assert_false(all_has_job(f, 3)); /* it has moved, and does not come back */
}

/* ---- what is kept ---- */

/* The one that is listed `n`th: what is kept of minute `due`. */
static const char *kept(struct fixture *f, const char *org_name, const char *name, size_t n, int due)
{
    const redisReply *list = reply_element(lane_call(f, "results", "%s %s %s 100", org_name, name, ""), 1);

    return 2 * n + 1 < list->elements ? value_of(list->element[2 * n + 1], fixture_text(f, "%lld", (long long)minute(due))) : "";
}

/* Runs what minute `n` has given to both: one ends well with `report`, the other is dead. */
static void run_both(struct fixture *f, const struct bytes *report)
{
    struct lane_claimed got = lane_claim(f, &(struct lane_claim){.session = "w1", .want = 2});

    assert_int_equal(got.jobs, 2);
    for (size_t i = 0; i < 2; i++) {
        bool own = strcmp(got.job[i].org, org(f, 0)) == 0;
        struct lane_end end = {.lease = &got.job[i], .verdict = own ? "done" : "dead"};
        if (own)
            end.report = *report;
        lane_finish(f, &(struct lane_claim){.session = "w1", .want_none = true}, &end, 1);
    }
}

static void what_becomes_of_due_times_is_kept_to_be_compared(void **state)
{
    struct fixture *f = *state;
    char large[9000];
    memset(large, 'x', sizeof large);
    make_shadows(f);
    lane_open(f, "w1", 3600000);
    tick_both(f, 1);
    run_both(f, &(struct bytes){"report", 6});
    tick_both(f, 2);
    run_both(f, &(struct bytes){large, sizeof large});

    assert_string_equal(kept(f, "", "report", 0, 1), "done report");
    assert_string_equal(kept(f, "", "report", 0, 2), "done ");
    assert_string_equal(kept(f, system_org(f), "all", 0, 1), "dead ");
}

static void the_newest_eight_are_kept(void **state)
{
    struct fixture *f = *state;
    make_shadows(f);
    lane_call(f, "org_set", "tester %s keep_done_max 0", org(f, 0)); /* also where nothing of the job is */
    lane_open(f, "w1", 3600000);
    for (int n = 1; n <= 10; n++) {
        tick_both(f, n);
        run_both(f, &(struct bytes){"report", 6});
    }

    assert_string_equal(kept(f, "", "report", 0, 2), "");
    for (int n = 3; n <= 10; n++)
        assert_string_equal(kept(f, "", "report", 0, n), "done report");
    lane_call(f, "schedule_remove", "tester %s all", system_org(f));
    assert_string_equal(kept(f, system_org(f), "all", 0, 10), "");
}

/* Where they look whether it is healthy. */
static void rounds_that_mend_know_whose_turn_it_is(void **state)
{
    struct fixture *f = *state;
    const char *turns = "";
    make_shadows(f);

    const redisReply *list = reply_element(lane_call(f, "schedule_audit", "leader 0 100"), 2);
    for (size_t i = 0; i < list->elements; i += 3)
        if (strcmp(reply_text(reply_element(list, i + 1)), "all") == 0)
            turns = value_of(reply_element(list, i + 2), "turns");

    assert_string_equal(turns, "-0");
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(rounds_that_mend_know_whose_turn_it_is),
        cmocka_unit_test(before_the_turn_both_run_and_the_new_one_is_a_shadow),
        cmocka_unit_test(AP_14_each_due_time_is_served_by_exactly_one_of_them),
        cmocka_unit_test(a_turn_that_is_to_come_can_be_taken_back),
        cmocka_unit_test(what_is_caught_up_over_a_turn_has_its_right_owner),
        cmocka_unit_test(a_turn_must_be_known_everywhere_before_it_comes),
        cmocka_unit_test(it_ends_when_nothing_before_the_turn_can_be_served_any_more),
        cmocka_unit_test(what_becomes_of_due_times_is_kept_to_be_compared),
        cmocka_unit_test(the_newest_eight_are_kept),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return RUN_IN_LANES("turns", tests);
}
