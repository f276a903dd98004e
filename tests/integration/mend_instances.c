/* mend_instances - rounds of the leader over what organizations have of a schedule of every organization: what is right stays and
 * is not reported, whatever the definition that they share goes through; what nobody would come for is put right. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/integration/mend.h"
#include "tests/integration/templates.h"

/* Both walks of a round mend nothing, and nothing has changed behind them. */
static void assert_left_alone(struct fixture *f)
{
    const char *digest = lane_digest(f);

    assert_string_equal(audit(f, NULL), "");
    assert_string_equal(relist(f, ""), "");
    assert_string_equal(lane_digest(f), digest);
}

static void make_instances(struct fixture *f, unsigned count)
{
    make_orgs(f, count);
    template_set(f, "report", &(struct definition){0});
    walk_to_the_end(f, "report");
}

static const char *arm(struct fixture *f, const char *org, int64_t seen_ms, int64_t next_ms)
{
    return reply_text(reply_element(lane_call(f, "schedule_arm", "leader %s report %s %lld %lld 0", org, shown(f, org, "rev"),
                                              (long long)seen_ms, (long long)next_ms),
                                    0));
}

static const char *health(struct fixture *f, const char *org, const char *unhealthy)
{
    return reply_text(reply_element(lane_call(f, "schedule_health", "%s report %s %s", org, shown(f, org, "rev"), unhealthy), 0));
}

/* Fresh, ticked, paused, off, with times of its own, and one that waits to be looked at. */
static void what_is_right_stays(void **state)
{
    struct fixture *f = *state;
    size_t listed;
    make_instances(f, 6);
    for (unsigned n = 1; n < 6; n++)
        template_tick(f, org(f, n), "report", "1", 0, minute(1));
    clock_advance_ms(f, 1000);
    lane_call(f, "schedule_pause", "tester %s report", org(f, 2));
    lane_call(f, "schedule_own", "tester %s report 1 0 0 off 1", org(f, 3));
    lane_call(f, "schedule_own", "tester %s report 1 %lld 0 recurrence x", org(f, 4), (long long)minute(7));
    lane_redis(f, "ZADD %s %s %s/report", lane_key(f, "schedules"), now_text(f), org(f, 5)); /* as a walk marks it */

    assert_left_alone(f);
    audit(f, &listed);
    assert_int_equal(listed, 5); /* those with a hash are told */
    clock_advance_ms(f, MINUTE_MS);
    assert_string_equal(template_tick(f, org(f, 1), "report", "1", minute(1), minute(2)), "ticked");
    assert_left_alone(f);
}

/* A change for all is no damage of each: neither before the walk has come, nor while they are to be looked at. */
static void a_change_for_all_is_no_damage(void **state)
{
    struct fixture *f = *state;
    make_instances(f, 2);
    template_tick(f, org(f, 0), "report", "1", 0, minute(1));
    clock_advance_ms(f, 1000);
    template_set(f, "report", &(struct definition){.recurrence = "every 5000 0"});

    assert_left_alone(f);
    assert_string_equal(arm(f, org(f, 0), minute(1), CLOCK_START_MS + 5000), "stale");
    walk_to_the_end(f, "report");
    assert_left_alone(f);
    assert_string_equal(arm(f, org(f, 0), minute(1), CLOCK_START_MS + 5000), "stale");
    lane_call(f, "template_change", "tester report pause");
    walk_to_the_end(f, "report");
    assert_left_alone(f);
    lane_call(f, "template_change", "tester report resume");
    assert_left_alone(f);
    walk_to_the_end(f, "report");
    lane_call(f, "template_change", "tester report remove");
    assert_left_alone(f);
    walk_to_the_end(f, "report");
    assert_left_alone(f);
    assert_int_equal(lane_redis(f, "ZCARD %s", lane_key(f, "schedules"))->integer, 0);
}

static void one_that_is_nowhere_is_looked_at_again(void **state)
{
    struct fixture *f = *state;
    make_instances(f, 2);
    const char *since = entry(f, org(f, 1));
    template_tick(f, org(f, 0), "report", "1", 0, minute(1));
    clock_advance_ms(f, 1000);
    lane_enqueue(f, org(f, 2), "job1", NULL);
    const char *came = now_text(f);
    clock_advance_ms(f, 1000);
    DAMAGE(f, "DEL %s", lane_key(f, "schedules"));
    assert_string_equal(audit(f, NULL), "");

    relist(f, "");

    assert_string_equal(entry(f, org(f, 0)), now_text(f));
    assert_string_equal(entry(f, org(f, 1)), since);
    assert_string_equal(entry(f, org(f, 2)), came); /* what was due before it came is not its own */
    assert_left_alone(f);
    assert_string_equal(template_tick(f, org(f, 1), "report", "1", 0, minute(1)), "rearmed");
}

static void one_that_would_be_looked_at_too_late_is_looked_at_now(void **state)
{
    struct fixture *f = *state;
    make_instances(f, 2);
    template_tick(f, org(f, 0), "report", "1", 0, minute(1));
    for (unsigned n = 0; n < 2; n++)
        DAMAGE(f, "ZADD %s %s %s/report", lane_key(f, "schedules"), n ? "+inf" : "99999999999999", org(f, n));

    const char *mended = audit(f, NULL);

    assert_non_null(strstr(mended, fixture_text(f, "index %s/report", org(f, 0))));
    assert_non_null(strstr(mended, fixture_text(f, "index %s/report", org(f, 1))));
    assert_string_equal(entry(f, org(f, 0)), fixture_text(f, "%lld", (long long)minute(1)));
    assert_string_equal(entry(f, org(f, 1)), now_text(f));
    assert_string_equal(shown(f, org(f, 0), "mended"), "index");
    assert_left_alone(f);
}

static void a_wrong_next_due_time_is_put_right(void **state)
{
    struct fixture *f = *state;
    make_instances(f, 1);
    template_tick(f, org(f, 0), "report", "1", 0, minute(5));

    assert_string_equal(arm(f, org(f, 0), minute(5), minute(1)), "armed");

    assert_string_equal(entry(f, org(f, 0)), fixture_text(f, "%lld", (long long)minute(1)));
    assert_string_equal(shown(f, org(f, 0), "next_ms"), fixture_text(f, "%lld", (long long)minute(1)));
    assert_string_equal(shown(f, org(f, 0), "own"), "");
    assert_int_equal(lane_redis(f, "ZCARD %s", lane_key(f, "org:%s:schedules", org(f, 0)))->integer, 0);
    assert_left_alone(f);
}

static void its_health_is_noted(void **state)
{
    struct fixture *f = *state;
    make_instances(f, 2);
    assert_string_equal(health(f, org(f, 0), "1"), "stale"); /* it has no due time yet */
    template_tick(f, org(f, 0), "report", "1", 0, minute(1));

    assert_string_equal(health(f, org(f, 0), "1"), "noted");
    assert_string_equal(shown(f, org(f, 0), "unhealthy_ms"), now_text(f));
    assert_string_equal(shown(f, org(f, 1), "unhealthy_ms"), "");
    assert_string_equal(health(f, org(f, 0), "1"), "same");
    assert_string_equal(health(f, org(f, 0), "0"), "noted");
    assert_left_alone(f);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_right_stays),
        cmocka_unit_test(a_change_for_all_is_no_damage),
        cmocka_unit_test(one_that_is_nowhere_is_looked_at_again),
        cmocka_unit_test(one_that_would_be_looked_at_too_late_is_looked_at_now),
        cmocka_unit_test(a_wrong_next_due_time_is_put_right),
        cmocka_unit_test(its_health_is_noted),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return RUN_IN_LANES("mend_instances", tests);
}
