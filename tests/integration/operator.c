/* pause, intake and lead - what operators and schedulers tell a lane. What a pause does to claims: limits.c. */
#include <stdio.h>
#include <string.h>

#include "tests/support/lane.h"

static void pause_refuses_what_it_does_not_know(void **state)
{
    struct fixture *f = *state;
    static const char *const bad[] = {"ops -mail pause", "ops Default pause", "ops default stop", "ops default", "ops", "",
                                      "x * Pause"};
    const char *before = lane_digest(f);

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_error(lane_call(f, "pause", bad[i]), "INVALID");
    assert_error(lane_call(f, "pause", "%s default pause", ""), "INVALID who");
    assert_error(lane_call(f, "pause", "%0129d default pause", 1), "INVALID who");

    assert_string_equal(lane_digest(f), before);
    assert_reply(lane_call(f, "pause", "%0128d default pause", 1), "running");
}

static void a_queue_that_was_used_once_can_be_paused(void **state)
{
    struct fixture *f = *state;
    lane_enqueue(f, "acme", "job1", &(struct lane_record){.queue = "mail"});

    assert_reply(lane_call(f, "pause", "ops mail pause"), "running");

    assert_string_equal(lane_field(f, "clock", "paused:mail"), fixture_text(f, "%lld ops", CLOCK_START_MS));
}

static void a_queue_can_be_paused_before_its_first_job(void **state)
{
    struct fixture *f = *state;
    assert_reply(lane_call(f, "pause", "ops mail pause"), "running");
    lane_open(f, "w1", 6000);
    lane_enqueue(f, "acme", "job1", &(struct lane_record){.queue = "mail"});

    assert_int_equal(lane_claim(f, &(struct lane_claim){.session = "w1", .queues = "mail"}).jobs, 0);
    assert_string_equal(lane_field(f, "clock", "queues"), "default mail");
}

static void pausing_a_queue_and_pausing_all_are_two_things(void **state)
{
    struct fixture *f = *state;

    assert_reply(lane_call(f, "pause", "ops default pause"), "running");
    assert_reply(lane_call(f, "pause", "ops * pause"), "running");
    assert_reply(lane_call(f, "pause", "ops * resume"), "paused");
    assert_reply(lane_call(f, "pause", "ops default resume"), "paused");
}

static void intake_tells_what_it_was_before(void **state)
{
    struct fixture *f = *state;

    assert_reply(lane_call(f, "intake", "tester stop %s", "appendfsync is no"), "open");
    assert_string_equal(lane_field(f, "clock", "intake"), "appendfsync is no");
    assert_reply(lane_call(f, "intake", "tester stop %s", "eviction"), "stopped");
    assert_string_equal(lane_field(f, "clock", "intake"), "eviction");
    assert_reply(lane_call(f, "intake", "tester resume fixed"), "stopped");
    assert_reply(lane_call(f, "intake", "tester resume fixed"), "open");
    assert_null(lane_field(f, "clock", "intake"));
}

static void intake_refuses_what_it_does_not_know(void **state)
{
    struct fixture *f = *state;
    const char *before = lane_digest(f);

    assert_error(lane_call(f, "intake", "tester halt because"), "INVALID");
    assert_error(lane_call(f, "intake", "tester stop"), "INVALID why");
    assert_error(lane_call(f, "intake", "tester stop %s", ""), "INVALID why");
    assert_error(lane_call(f, "intake", "tester stop %0257d", 1), "INVALID why");
    assert_error(lane_call(f, "intake", ""), "INVALID who");

    assert_string_equal(lane_digest(f), before);
    assert_reply(lane_call(f, "intake", "tester stop %0256d", 1), "open");
}

static void a_stopped_intake_never_stops_completions(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    lane_enqueue_many(f, "acme", "job", 2, NULL);
    lane_call(f, "intake", "tester stop because");

    struct lane_lease lease = lane_claim_one(f, "w1");
    assert_string_equal(lane_end(f, &lease, "retry 0 5"), "ok");
    assert_int_equal(reply_number(reply_element(lane_call(f, "promote", "10"), 0)), 1);
}

/* ---- lead ---- */

static void open_scheduler(struct fixture *f, const char *session)
{
    assert_reply(lane_call(f, "open", "%s scheduler 6000 2000", session), "ok");
}

static void the_first_scheduler_that_asks_leads(void **state)
{
    struct fixture *f = *state;
    open_scheduler(f, "s1");
    open_scheduler(f, "s2");

    const redisReply *first = lane_call(f, "lead", "s1"), *second = lane_call(f, "lead", "s2"),
                     *again = lane_call(f, "lead", "s1");

    assert_reply(reply_element(first, 0), "leader");
    assert_int_equal(reply_number(reply_element(first, 1)), 1);
    assert_reply(reply_element(second, 0), "follower");
    assert_int_equal(reply_number(reply_element(second, 1)), 1);
    assert_reply(reply_element(second, 2), "s1");
    assert_reply(reply_element(again, 0), "leader");
    assert_int_equal(reply_number(reply_element(again, 1)), 1);
}

static void asking_again_changes_nothing(void **state)
{
    struct fixture *f = *state;
    open_scheduler(f, "s1");
    open_scheduler(f, "s2");
    lane_call(f, "lead", "s1");
    const char *before = lane_digest(f);

    lane_call(f, "lead", "s1");
    lane_call(f, "lead", "s2");

    assert_string_equal(lane_digest(f), before);
}

static void the_lead_is_free_when_its_session_closes(void **state)
{
    struct fixture *f = *state;
    open_scheduler(f, "s1");
    open_scheduler(f, "s2");
    lane_call(f, "lead", "s1");
    lane_call(f, "close", "s1 64");

    const redisReply *reply = lane_call(f, "lead", "s2");

    assert_reply(reply_element(reply, 0), "leader");
    assert_int_equal(reply_number(reply_element(reply, 1)), 2);
    assert_reply(reply_element(lane_call(f, "lead", "s1"), 0), "lost");
}

static void the_lead_is_free_when_its_session_is_recovered(void **state)
{
    struct fixture *f = *state;
    open_scheduler(f, "s1");
    lane_call(f, "lead", "s1");
    clock_advance_ms(f, 6001);
    open_scheduler(f, "s2");
    lane_call(f, "recover", "s1 1 64");

    assert_reply(reply_element(lane_call(f, "lead", "s2"), 0), "leader");
    assert_int_equal(lane_count(f, "wake_leader"), 1);
}

static void a_leader_that_vanished_without_a_trace_is_replaced(void **state)
{
    struct fixture *f = *state;
    open_scheduler(f, "s1");
    open_scheduler(f, "s2");
    lane_redis(f, "HSET %s leader ghost epoch 7", lane_key(f, "clock"));

    const redisReply *reply = lane_call(f, "lead", "s2");

    assert_reply(reply_element(reply, 0), "leader");
    assert_int_equal(reply_number(reply_element(reply, 1)), 8);
}

static void a_worker_cannot_lead(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 6000);
    const char *before = lane_digest(f);

    assert_error(lane_call(f, "lead", "w1"), "INVALID only a scheduler");
    assert_reply(reply_element(lane_call(f, "lead", "nobody"), 0), "lost");
    assert_error(lane_call(f, "lead", "%s", ""), "INVALID session");

    assert_string_equal(lane_digest(f), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pause_refuses_what_it_does_not_know),
        cmocka_unit_test(a_queue_that_was_used_once_can_be_paused),
        cmocka_unit_test(a_queue_can_be_paused_before_its_first_job),
        cmocka_unit_test(pausing_a_queue_and_pausing_all_are_two_things),
        cmocka_unit_test(intake_tells_what_it_was_before),
        cmocka_unit_test(intake_refuses_what_it_does_not_know),
        cmocka_unit_test(a_stopped_intake_never_stops_completions),
        cmocka_unit_test(the_first_scheduler_that_asks_leads),
        cmocka_unit_test(asking_again_changes_nothing),
        cmocka_unit_test(the_lead_is_free_when_its_session_closes),
        cmocka_unit_test(the_lead_is_free_when_its_session_is_recovered),
        cmocka_unit_test(a_leader_that_vanished_without_a_trace_is_replaced),
        cmocka_unit_test(a_worker_cannot_lead),
    };

    return RUN_IN_LANES("operator", tests);
}
