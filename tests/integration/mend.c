/* mend - schedules that have come out of order: each index and field is damaged by hand, and put right; what is right stays. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/integration/mend.h"

static const char *score(struct fixture *f)
{
    return reply_text(lane_redis(f, "ZSCORE %s acme/report", lane_key(f, "schedules")));
}

static const char *last_event(struct fixture *f)
{
    const redisReply *fields =
        reply_element(reply_element(lane_redis(f, "XREVRANGE %s + - COUNT 1", lane_key(f, "events")), 0), 1);

    return fixture_text(f, "%s %s %s", reply_text(reply_element(fields, 1)), reply_text(reply_element(fields, 3)),
                        reply_text(reply_element(fields, 5)));
}

static void what_is_right_stays(void **state)
{
    struct fixture *f = *state;
    size_t listed;
    schedule_set(f, "acme", "report", NULL);
    schedule_set(f, "acme", "later", &(struct definition){.next_ms = -1});
    schedule_set(f, lane_org(f, 1), "report", NULL);
    lane_call(f, "schedule_pause", "tester %s report", lane_org(f, 1));
    const char *digest = lane_digest(f);

    assert_string_equal(audit(f, &listed), "");
    assert_string_equal(relist(f, ""), "");

    assert_true(listed >= 1);
    assert_string_equal(lane_digest(f), digest);
}

static void one_that_is_in_no_index_is_placed_again(void **state)
{
    struct fixture *f = *state;
    schedule_set(f, "acme", "report", NULL);
    DAMAGE(f, "ZREM %s acme/report", lane_key(f, "schedules"));
    assert_string_equal(audit(f, NULL), ""); /* nobody comes by there */

    assert_string_equal(relist(f, ""), "index acme/report");

    assert_string_equal(score(f), fixture_text(f, "%lld", (long long)minute(1)));
    assert_string_equal(last_event(f), "schedule_mend acme report");
    assert_string_equal(schedule_field(f, "mended"), "index");
    assert_string_equal(relist(f, ""), "");
}

static void one_that_is_not_listed_is_listed_again(void **state)
{
    struct fixture *f = *state;
    schedule_set(f, "acme", "report", NULL);
    DAMAGE(f, "DEL %s", lane_key(f, "org:acme:schedules"));

    assert_string_equal(audit(f, NULL), "index acme/report");
    assert_string_equal(audit(f, NULL), "");
}

static void one_that_would_tick_at_another_moment_is_moved(void **state)
{
    struct fixture *f = *state;
    schedule_set(f, "acme", "report", NULL);
    DAMAGE(f, "ZADD %s 99999999999999 acme/report", lane_key(f, "schedules"));

    assert_string_equal(audit(f, NULL), "index acme/report");

    assert_string_equal(score(f), fixture_text(f, "%lld", (long long)minute(1)));
    DAMAGE(f, "ZADD %s +inf acme/report", lane_key(f, "schedules"));
    assert_string_equal(audit(f, NULL), "index acme/report");
}

static void names_of_nothing_are_taken_out(void **state)
{
    struct fixture *f = *state;
    schedule_set(f, "acme", "report", NULL);
    schedule_set(f, "acme", "other", NULL);
    DAMAGE(f, "DEL %s", lane_key(f, "org:acme:schedule:report"));
    assert_string_equal(audit(f, NULL), "gone acme/report");

    DAMAGE(f, "DEL %s", lane_key(f, "org:acme:schedule:other"));
    DAMAGE(f, "ZREM %s acme/other", lane_key(f, "schedules"));
    assert_string_equal(relist(f, ""), "gone acme/other");
}

static void one_that_waits_in_vain_may_go(void **state)
{
    struct fixture *f = *state;
    schedule_set(f, "acme", "report", &(struct definition){.overlap = "queue-one"});
    lane_open(f, "w1", 3600000);
    clock_advance_ms(f, MINUTE_MS);
    schedule_tick(f, 1);
    struct lane_lease lease = lane_claim_one(f, "w1");
    clock_advance_ms(f, MINUTE_MS);
    assert_string_equal(schedule_tick(f, 2), "queued");
    assert_string_equal(audit(f, NULL), ""); /* its job runs */
    lane_end(f, &lease, "done");
    lane_call(f, "delete", "tester acme %s", schedule_job(f, 1));
    DAMAGE(f, "HDEL %s pending_go", lane_key(f, "org:acme:schedule:report"));
    lane_redis(f, "ZADD %s %lld acme/report", lane_key(f, "schedules"), (long long)minute(3));

    assert_string_equal(audit(f, NULL), "pending acme/report");

    assert_string_equal(schedule_field(f, "pending_go"), "1");
    assert_string_equal(score(f), fixture_text(f, "%lld", (long long)minute(2)));
    lane_redis(f, "HDEL %s pending_ms", lane_key(f, "org:acme:schedule:report"));
    assert_string_equal(audit(f, NULL), "pending acme/report");
    assert_string_equal(score(f), fixture_text(f, "%lld", (long long)minute(3)));
}

/* The clock was ahead when it was put off. */
static void one_that_is_put_off_for_ever_comes_back(void **state)
{
    struct fixture *f = *state;
    schedule_set(f, "acme", "report", NULL);
    lane_call(f, "tick_later", "acme report 1 %lld 3600000 why", (long long)minute(1));
    assert_string_equal(audit(f, NULL), "");
    DAMAGE(f, "HSET %s retry_ms %lld", lane_key(f, "org:acme:schedule:report"), (long long)CLOCK_START_MS + 3600001);

    assert_string_equal(audit(f, NULL), "retry acme/report");

    assert_string_equal(schedule_field(f, "retry_ms"), "");
    assert_string_equal(score(f), fixture_text(f, "%lld", (long long)minute(1)));
}

static void a_damaged_one_is_in_nobodys_way(void **state)
{
    struct fixture *f = *state;
    size_t listed;
    schedule_set(f, "acme", "report", NULL);
    schedule_set(f, "acme", "other", NULL);
    DAMAGE(f, "DEL %s", lane_key(f, "org:acme:schedule:report"));
    lane_redis(f, "SET %s text", lane_key(f, "org:acme:schedule:report"));
    lane_redis(f, "ZADD %s 5 acme/other", lane_key(f, "schedules"));

    assert_string_equal(audit(f, &listed), "index acme/other");

    assert_int_equal(listed, 2);
    lane_redis(f, "DEL %s", lane_key(f, "org:acme:schedule:report"));
    assert_string_equal(audit(f, NULL), "gone acme/report");
}

static const char *arm(struct fixture *f, const char *name, const char *rev, const char *seen, int64_t next_ms)
{
    return reply_text(
        reply_element(lane_call(f, "schedule_arm", "leader acme %s %s %s %lld 0", name, rev, seen, (long long)next_ms), 0));
}

static void one_without_a_next_due_time_is_armed(void **state)
{
    struct fixture *f = *state;
    schedule_set(f, "acme", "report", NULL);
    DAMAGE(f, "HDEL %s next_ms", lane_key(f, "org:acme:schedule:report"));
    assert_string_equal(audit(f, NULL), "index acme/report"); /* it ticks no more, and says so */
    assert_string_equal(score(f), "inf");

    assert_string_equal(arm(f, "report", "1", "", minute(1)), "armed");

    assert_string_equal(schedule_field(f, "next_ms"), fixture_text(f, "%lld", (long long)minute(1)));
    assert_string_equal(score(f), fixture_text(f, "%lld", (long long)minute(1)));
    assert_string_equal(schedule_field(f, "mended"), "next");
    clock_advance_ms(f, MINUTE_MS);
    assert_string_equal(schedule_tick(f, 1), "ticked");
}

static void whoever_saw_something_else_mends_nothing(void **state)
{
    struct fixture *f = *state;
    schedule_set(f, "acme", "report", NULL);
    const char *seen = fixture_text(f, "%lld", (long long)minute(1)), *digest = lane_digest(f);

    assert_string_equal(arm(f, "report", "2", seen, minute(5)), "stale");
    assert_string_equal(arm(f, "report", "1", "", minute(5)), "stale");
    assert_string_equal(arm(f, "nothing", "1", "", minute(5)), "stale");
    assert_string_equal(lane_digest(f), digest);
    lane_call(f, "schedule_pause", "tester acme report");
    digest = lane_digest(f);
    assert_string_equal(arm(f, "report", "1", seen, minute(5)), "stale");
    assert_string_equal(lane_digest(f), digest);
}

/* All names of an index that is gone, a hundred in a call at most, also of an organization with more than that. */
static void a_lost_index_is_built_in_bounded_steps(void **state)
{
    struct fixture *f = *state;
    f->check_each = false;
    for (int i = 0; i < 250; i++)
        schedule_set(f, "acme", fixture_text(f, "s%03d", i), NULL);
    for (int i = 0; i < 150; i++)
        schedule_set(f, lane_org(f, i < 75 ? 1 : 2), fixture_text(f, "s%03d", i), NULL);
    const char *digest = lane_digest(f);
    DAMAGE(f, "DEL %s", lane_key(f, "schedules"));

    const redisReply *reply = lane_call(f, "schedule_relist", "leader %s 0 100", "");
    assert_int_equal(reply_element(reply, 1)->elements, 1); /* acme wants calls of its own */
    assert_int_equal(reply_element(reply, 2)->elements, 2 * 100);
    assert_string_equal(reply_text(reply_element(reply, 0)), "0");
    relist(f, "");
    assert_int_equal(lane_redis(f, "ZCARD %s", lane_key(f, "schedules"))->integer, 150);
    relist(f, "acme");

    assert_int_equal(lane_redis(f, "ZCARD %s", lane_key(f, "schedules"))->integer, 400);
    assert_string_not_equal(lane_digest(f), digest); /* they remember that they were mended */
}

static const char *health(struct fixture *f, const char *rev, const char *unhealthy)
{
    return reply_text(reply_element(lane_call(f, "schedule_health", "acme report %s %s", rev, unhealthy), 0));
}

static void a_change_of_health_is_noted_once(void **state)
{
    struct fixture *f = *state;
    schedule_set(f, "acme", "report", NULL);
    assert_string_equal(health(f, "1", "0"), "same");

    assert_string_equal(health(f, "1", "1"), "noted");
    assert_string_equal(schedule_field(f, "unhealthy_ms"), fixture_text(f, "%lld", (long long)CLOCK_START_MS));
    assert_string_equal(last_event(f), "schedule_unhealthy acme acme/report");
    clock_advance_ms(f, 5);
    const char *digest = lane_digest(f);
    assert_string_equal(health(f, "1", "1"), "same");
    assert_string_equal(health(f, "2", "0"), "stale");
    assert_string_equal(lane_digest(f), digest);

    assert_string_equal(health(f, "1", "0"), "noted");
    assert_string_equal(schedule_field(f, "unhealthy_ms"), "");
    assert_string_equal(last_event(f), "schedule_healthy acme acme/report");
}

static void wrong_arguments_change_nothing(void **state)
{
    struct fixture *f = *state;
    schedule_set(f, "acme", "report", NULL);
    const char *digest = lane_digest(f);

    assert_error(lane_call(f, "schedule_audit", "leader x 100"), "INVALID cursor");
    assert_error(lane_call(f, "schedule_audit", "leader 0 101"), "INVALID limit");
    assert_error(lane_call(f, "schedule_relist", "leader acme a/b 100"), "INVALID schedule");
    assert_error(lane_call(f, "schedule_arm", "leader"), "INVALID a call has 1..100 schedules");
    assert_error(lane_call(f, "schedule_arm", "leader acme report 1 0 -1 0"), "INVALID next_ms");
    assert_error(lane_call(f, "schedule_health", "acme report 1"), "INVALID a call has 1..100 schedules");
    assert_error(lane_call(f, "schedule_health", "acme report 1 2"), "INVALID unhealthy");
    assert_string_equal(lane_digest(f), digest);
}

/* A backup: one that was paused comes back so, from its first moment on. */
static void one_may_begin_paused(void **state)
{
    struct fixture *f = *state;
    struct bytes record = lane_record(f, NULL);
    const redisReply *reply = lane_call(f, "schedule_set",
                                        "leader acme report %s %lld 0 recurrence x missed once window_ms 1000 overlap skip "
                                        "spread_ms 0 from_ms 0 until_ms 0 record %b paused_by ann paused_ms 5",
                                        "", (long long)minute(1), record.data, record.length);

    assert_string_equal(reply_text(reply_element(reply, 0)), "new");
    assert_string_equal(schedule_field(f, "paused_by"), "ann");
    assert_string_equal(schedule_field(f, "paused_ms"), "5");
    assert_string_equal(score(f), "inf");
    lane_call(f, "schedule_resume", "tester acme report 1 %lld", (long long)minute(1));
    reply = lane_call(f, "schedule_set",
                      "leader acme report %s %lld 0 recurrence y missed once window_ms 1000 overlap skip spread_ms 0 "
                      "from_ms 0 until_ms 0 record %b paused_by ann paused_ms 5",
                      "", (long long)minute(1), record.data, record.length);
    assert_string_equal(reply_text(reply_element(reply, 0)), "changed");
    assert_string_equal(schedule_field(f, "paused"), ""); /* people have resumed it */
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_right_stays),
        cmocka_unit_test(one_that_is_in_no_index_is_placed_again),
        cmocka_unit_test(one_that_is_not_listed_is_listed_again),
        cmocka_unit_test(one_that_would_tick_at_another_moment_is_moved),
        cmocka_unit_test(names_of_nothing_are_taken_out),
        cmocka_unit_test(one_that_waits_in_vain_may_go),
        cmocka_unit_test(one_that_is_put_off_for_ever_comes_back),
        cmocka_unit_test(a_damaged_one_is_in_nobodys_way),
        cmocka_unit_test(one_without_a_next_due_time_is_armed),
        cmocka_unit_test(whoever_saw_something_else_mends_nothing),
        cmocka_unit_test(a_lost_index_is_built_in_bounded_steps),
        cmocka_unit_test(a_change_of_health_is_noted_once),
        cmocka_unit_test(wrong_arguments_change_nothing),
        cmocka_unit_test(one_may_begin_paused),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return RUN_IN_LANES("mend", tests);
}
