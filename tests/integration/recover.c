/* watch and recover - which sessions may be dead, and giving back what the dead ones held. */
#include <stdio.h>
#include <string.h>

#include "tests/support/lane.h"

static const char *beat_of(struct fixture *f, const char *session)
{
    return lane_field(f, fixture_text(f, "session:%s", session), "beat");
}

/* One step of recover for w1 with the beat it has now (or '' where it has ended). */
static const redisReply *recover(struct fixture *f, int limit)
{
    const char *beat = beat_of(f, "w1");

    return lane_call(f, "recover", "w1 %s %d", beat ? beat : "", limit);
}

static void assert_recovered(const redisReply *reply, long long jobs, long long left)
{
    assert_reply(reply_element(reply, 0), "ok");
    assert_int_equal(reply_number(reply_element(reply, 1)), jobs);
    assert_int_equal(reply_number(reply_element(reply, 2)), left);
}

/* ---- watch ---- */

static void watch_lists_sessions_whose_deadline_is_near_or_past(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "past", 1000);
    lane_open(f, "near", 6000);
    lane_open(f, "later", 60000);
    clock_advance_ms(f, 1500);
    lane_call(f, "beat", "near");

    const redisReply *reply = lane_call(f, "watch", "6000 3600000 100"), *found = reply_element(reply, 1);

    assert_int_equal(reply_number(reply_element(reply, 0)), CLOCK_START_MS + 1500);
    assert_int_equal(found->elements, 10);
    assert_reply(reply_element(found, 0), "past");
    assert_int_equal(reply_number(reply_element(found, 1)), CLOCK_START_MS + 1000);
    assert_reply(reply_element(found, 2), "1");
    assert_int_equal(reply_number(reply_element(found, 3)), 1000);
    assert_int_equal(reply_number(reply_element(found, 4)), 250);
    assert_reply(reply_element(found, 5), "near");
    assert_reply(reply_element(found, 7), "2");
}

static void watch_lists_deadlines_too_far_away_after_a_step_back(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 6000);
    clock_advance_ms(f, -7200000);

    assert_int_equal(reply_element(lane_call(f, "watch", "6000 3600000 100"), 1)->elements, 5);
    lane_call(f, "beat", "w1");
    assert_int_equal(reply_element(lane_call(f, "watch", "0 3600000 100"), 1)->elements, 0);
}

static void watch_lists_each_session_once(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 6000);

    assert_int_equal(reply_element(lane_call(f, "watch", "10000 100 100"), 1)->elements, 5);
}

static void watch_shows_a_session_that_has_ended_without_a_beat(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 6000);
    lane_enqueue_many(f, "acme", "job", 2, NULL);
    lane_claim(f, &(struct lane_claim){.session = "w1", .want = 2});
    lane_call(f, "close", "w1 1");

    const redisReply *found = reply_element(lane_call(f, "watch", "10000 3600000 100"), 1);

    assert_reply(reply_element(found, 0), "w1");
    assert_reply(reply_element(found, 2), "");
    assert_int_equal(reply_number(reply_element(found, 3)), 0);
}

static void watch_lists_no_more_than_its_limit_of_each_kind(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 5; i++)
        lane_open(f, fixture_text(f, "w%d", i), 6000);

    assert_int_equal(reply_element(lane_call(f, "watch", "10000 3600000 3"), 1)->elements, 15);
}

static void watch_changes_nothing(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 6000);
    const char *before = lane_digest(f);

    lane_call(f, "watch", "10000 3600000 3");

    assert_string_equal(lane_digest(f), before);
}

/* ---- recover ---- */

static void a_session_whose_deadline_is_yet_to_come_is_left_alone(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 6000);
    clock_advance_ms(f, 5999);
    const char *before = lane_digest(f);

    assert_reply(reply_element(recover(f, 64), 0), "moved");

    assert_string_equal(lane_digest(f), before);
    clock_advance_ms(f, 1);
    assert_recovered(recover(f, 64), 0, 0);
}

static void a_session_that_has_beaten_since_is_left_alone(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 6000);
    const char *seen = beat_of(f, "w1");
    clock_advance_ms(f, 5000);
    lane_call(f, "beat", "w1");
    clock_advance_ms(f, 7000);
    const char *before = lane_digest(f);

    assert_reply(reply_element(lane_call(f, "recover", "w1 %s 64", seen), 0), "moved");
    assert_reply(reply_element(lane_call(f, "recover", "w1 %s 64", ""), 0), "moved");

    assert_string_equal(lane_digest(f), before);
}

static void a_deadline_from_before_a_step_back_does_not_protect(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 6000);
    clock_advance_ms(f, -7200000);

    assert_recovered(recover(f, 64), 0, 0);
}

static void the_jobs_of_a_dead_session_are_ready_again_in_their_order(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 6000);
    lane_enqueue(f, "acme", "job1", &(struct lane_record){.priority = 1, .queue = "mail"});
    clock_advance_ms(f, 500);
    lane_claim(f, &(struct lane_claim){.session = "w1", .queues = "mail"});
    clock_advance_ms(f, 6001);

    assert_recovered(recover(f, 64), 1, 0);

    assert_string_equal(lane_place(f, "acme", "job1"), "ready:mail");
    assert_int_equal(lane_score(f, "org:acme:ready:mail", "job1"), CLOCK_START_MS - 60000);
    struct lane_state s = lane_state(f, "acme", "job1");
    assert_int_equal(s.attempt, 0);
    assert_int_equal(s.crashes, 1);
    assert_int_equal(s.deliveries, 1);
    assert_string_equal(s.tried[0].outcome, "lost");
    assert_string_equal(s.tried[0].worker, "w1");
    assert_false(lane_has(f, "sessions", "w1"));
}

static void a_recovered_session_is_over(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 6000);
    lane_enqueue_many(f, "acme", "job", 3, NULL);
    struct lane_claimed got = lane_claim(f, &(struct lane_claim){.session = "w1", .want = 3});
    clock_advance_ms(f, 7000);
    assert_recovered(recover(f, 1), 1, 2); /* the first step of three */
    const char *before = lane_digest(f);

    assert_reply(reply_element(lane_call(f, "beat", "w1"), 0), "lost");
    assert_true(lane_claim(f, &(struct lane_claim){.session = "w1"}).lost);
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(lane_end(f, &got.job[i], "done"), "lost");
    assert_reply(lane_call(f, "open", "w1 worker 6000 2000"), "ended");

    assert_string_equal(lane_digest(f), before);
    assert_recovered(recover(f, 1), 1, 1);
    assert_recovered(recover(f, 1), 1, 0);
    assert_recovered(recover(f, 1), 0, 0);
}

static void a_job_whose_workers_keep_dying_goes_to_the_dead_letters(void **state)
{
    struct fixture *f = *state;
    lane_enqueue(f, "acme", "poison", &(struct lane_record){.key = "k"});

    for (int death = 1; death <= 3; death++) {
        assert_string_equal(lane_place(f, "acme", "poison"), "ready:default");
        lane_open(f, "w1", 6000);
        lane_claim_one(f, "w1");
        clock_advance_ms(f, 7000);
        assert_recovered(recover(f, 64), 1, 0);
    }

    assert_string_equal(lane_place(f, "acme", "poison"), "dead");
    struct lane_state s = lane_state(f, "acme", "poison");
    assert_string_equal(s.reason, "crashes");
    assert_int_equal(s.crashes, 3);
    assert_int_equal(s.attempt, 0);
    assert_int_equal(s.attempts, 3);
}

static void a_cancelled_job_of_a_dead_session_is_cancelled(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 6000);
    lane_enqueue(f, "acme", "job1", NULL);
    lane_claim_one(f, "w1");
    lane_call(f, "cancel", "tester acme job1");
    clock_advance_ms(f, 7000);

    recover(f, 64);

    assert_string_equal(lane_place(f, "acme", "job1"), "cancelled");
}

static void jobs_of_many_organizations_return_and_their_time_is_paid(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 6000);
    for (unsigned n = 0; n < 5; n++) {
        lane_call(f, "org_set", "tester %s max_running 2", lane_org(f, n));
        lane_enqueue_many(f, lane_org(f, n), "job", 4, NULL);
    }
    assert_int_equal(lane_claim(f, &(struct lane_claim){.session = "w1", .want = 32}).jobs, 10);
    clock_advance_ms(f, 7000);

    assert_recovered(recover(f, 64), 10, 0);

    for (unsigned n = 0; n < 5; n++) {
        assert_int_equal(lane_count(f, fixture_text(f, "org:%s:ready:default", lane_org(f, n))), 4);
        assert_true(lane_score(f, "active:default", lane_org(f, n)) >= 2 * 7000 * 16); /* 7 s each, for two jobs */
    }
}

static void a_session_that_never_was_is_recovered_without_effect(void **state)
{
    struct fixture *f = *state;
    const char *before = lane_digest(f);

    assert_recovered(lane_call(f, "recover", "never 1 64"), 0, 0);
    assert_recovered(lane_call(f, "recover", "never %s 64", ""), 0, 0);

    assert_string_equal(lane_digest(f), before);
}

static void the_expiry_of_the_beat_key_alone_ends_nothing(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 6000);
    lane_enqueue(f, "acme", "job1", NULL);
    struct lane_lease lease = lane_claim_one(f, "w1");

    lane_redis(f, "DEL %s", lane_key(f, "beat:w1"));

    assert_reply(reply_element(recover(f, 64), 0), "moved");
    assert_string_equal(lane_end(f, &lease, "done"), "ok");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(watch_lists_sessions_whose_deadline_is_near_or_past),
        cmocka_unit_test(watch_lists_deadlines_too_far_away_after_a_step_back),
        cmocka_unit_test(watch_lists_each_session_once),
        cmocka_unit_test(watch_shows_a_session_that_has_ended_without_a_beat),
        cmocka_unit_test(watch_lists_no_more_than_its_limit_of_each_kind),
        cmocka_unit_test(watch_changes_nothing),
        cmocka_unit_test(a_session_whose_deadline_is_yet_to_come_is_left_alone),
        cmocka_unit_test(a_session_that_has_beaten_since_is_left_alone),
        cmocka_unit_test(a_deadline_from_before_a_step_back_does_not_protect),
        cmocka_unit_test(the_jobs_of_a_dead_session_are_ready_again_in_their_order),
        cmocka_unit_test(a_recovered_session_is_over),
        cmocka_unit_test(a_job_whose_workers_keep_dying_goes_to_the_dead_letters),
        cmocka_unit_test(a_cancelled_job_of_a_dead_session_is_cancelled),
        cmocka_unit_test(jobs_of_many_organizations_return_and_their_time_is_paid),
        cmocka_unit_test(a_session_that_never_was_is_recovered_without_effect),
        cmocka_unit_test(the_expiry_of_the_beat_key_alone_ends_nothing),
    };

    return RUN_IN_LANES("recover", tests);
}
