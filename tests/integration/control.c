/* cancel, reschedule, redrive, delete - each of them for a job in each state. */
#include <stdio.h>
#include <string.h>

#include "tests/support/lane.h"

#define DAY_MS 86400000LL

/* One job in each place; their ids are the places. Made at CLOCK_START_MS by session w1. */
static const char *const places[] = {"ready", "scheduled", "running", "done", "dead", "cancelled"};
#define PLACES (sizeof places / sizeof places[0])

static void make_one_of_each(struct fixture *f)
{
    lane_open(f, "w1", 60000);
    for (size_t i = 2; i < PLACES - 1; i++) {
        lane_enqueue(f, "acme", places[i], &(struct lane_record){.priority = 1});
        struct lane_lease lease = lane_claim_one(f, "w1");
        if (i > 2)
            lane_end(f, &lease, places[i]);
    }
    lane_enqueue(f, "acme", "cancelled", NULL);
    lane_call(f, "cancel", "tester acme cancelled");
    lane_enqueue(f, "acme", "ready", &(struct lane_record){.priority = 1});
    lane_enqueue(f, "acme", "scheduled", &(struct lane_record){.delay_ms = 5000, .queue = "mail", .priority = 1});
}

/* Calls `function` for `id` and expects `answer`, and that nothing else than the answer came of it. */
static void changes_nothing(struct fixture *f, const char *function, const char *arguments, const char *answer)
{
    const char *before = lane_digest(f);
    const redisReply *reply = lane_call(f, function, arguments);

    assert_reply(reply->type == REDIS_REPLY_ARRAY ? reply_element(reply, 0) : reply, answer);
    assert_string_equal(lane_digest(f), before);
}

/* ---- cancel ---- */

static void waiting_jobs_are_cancelled_at_once(void **state)
{
    struct fixture *f = *state;
    make_one_of_each(f);
    clock_advance_ms(f, 10);

    assert_reply(lane_call(f, "cancel", "tester acme ready"), "cancelled");
    assert_reply(lane_call(f, "cancel", "tester acme scheduled"), "cancelled");

    for (size_t i = 0; i < 2; i++) {
        assert_string_equal(lane_place(f, "acme", places[i]), "cancelled");
        assert_string_equal(lane_state(f, "acme", places[i]).reason, "operator");
        assert_int_equal(lane_score(f, "org:acme:cancelled", places[i]), CLOCK_START_MS + 10);
    }
    assert_false(lane_has(f, "active:default", "acme"));
    assert_false(lane_has(f, "due", "acme"));
}

static void a_running_job_is_marked_and_goes_on(void **state)
{
    struct fixture *f = *state;
    make_one_of_each(f);

    assert_reply(lane_call(f, "cancel", "tester acme running"), "cancelling");

    assert_string_equal(lane_place(f, "acme", "running"), "running");
    changes_nothing(f, "cancel", "tester acme running", "cancelling");
}

static void a_job_that_has_ended_is_not_cancelled(void **state)
{
    struct fixture *f = *state;
    make_one_of_each(f);

    changes_nothing(f, "cancel", "tester acme done", "ended");
    changes_nothing(f, "cancel", "tester acme dead", "ended");
    changes_nothing(f, "cancel", "tester acme cancelled", "ended");
    changes_nothing(f, "cancel", "tester acme nothing", "gone");
    changes_nothing(f, "cancel", "tester nobody nothing", "gone");
}

static void a_cancelled_keyed_job_is_trimmed_at_the_earlier_moment(void **state)
{
    struct fixture *f = *state;
    lane_call(f, "org_set", "tester acme keep_unique_ms 1000");
    lane_enqueue(f, "acme", "job1", &(struct lane_record){.key = "k"});

    lane_call(f, "cancel", "tester acme job1");

    assert_int_equal(lane_score(f, "expiring", "acme"), CLOCK_START_MS + 1000);
}

/* ---- reschedule ---- */

static void a_waiting_job_can_be_moved_to_another_time(void **state)
{
    struct fixture *f = *state;
    make_one_of_each(f);

    assert_reply(lane_call(f, "reschedule", "tester acme ready %lld", CLOCK_START_MS + 7000), "scheduled");
    assert_reply(lane_call(f, "reschedule", "tester acme scheduled %lld", CLOCK_START_MS + 3000), "scheduled");

    assert_string_equal(lane_place(f, "acme", "ready"), "scheduled");
    assert_int_equal(lane_score(f, "org:acme:scheduled", "ready"), CLOCK_START_MS + 7000);
    assert_int_equal(lane_state(f, "acme", "ready").order, CLOCK_START_MS + 7000 - 60000);
    assert_int_equal(lane_state(f, "acme", "ready").enqueued_ms, CLOCK_START_MS);
    assert_int_equal(lane_score(f, "org:acme:scheduled", "scheduled"), CLOCK_START_MS + 3000);
    assert_int_equal(lane_score(f, "due", "acme"), CLOCK_START_MS + 3000);
    assert_false(lane_has(f, "active:default", "acme"));
}

static void a_due_time_of_0_or_past_means_now(void **state)
{
    struct fixture *f = *state;
    make_one_of_each(f);
    clock_advance_ms(f, 10);

    assert_reply(lane_call(f, "reschedule", "tester acme scheduled 0"), "ready");
    assert_reply(lane_call(f, "reschedule", "tester acme ready %lld", CLOCK_START_MS + 10), "ready");

    assert_string_equal(lane_place(f, "acme", "scheduled"), "ready:mail");
    assert_int_equal(lane_score(f, "org:acme:ready:mail", "scheduled"), CLOCK_START_MS + 10 - 60000);
    assert_int_equal(lane_state(f, "acme", "scheduled").enqueued_ms, CLOCK_START_MS);
    assert_int_equal(lane_score(f, "org:acme:ready:default", "ready"), CLOCK_START_MS + 10 - 60000);
    assert_true(lane_has(f, "active:mail", "acme"));
    assert_false(lane_has(f, "due", "acme"));
}

static void a_retry_can_be_run_now(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    lane_enqueue(f, "acme", "job1", NULL);
    struct lane_lease lease = lane_claim_one(f, "w1");
    lane_end(f, &lease, "retry 600000 5");

    assert_reply(lane_call(f, "reschedule", "tester acme job1 0"), "ready");

    assert_string_equal(lane_claim_one(f, "w1").id, "job1");
    assert_int_equal(lane_state(f, "acme", "job1").attempt, 1);
}

static void running_and_ended_jobs_are_not_rescheduled(void **state)
{
    struct fixture *f = *state;
    make_one_of_each(f);

    changes_nothing(f, "reschedule", "tester acme running 0", "running");
    changes_nothing(f, "reschedule", "tester acme done 0", "ended");
    changes_nothing(f, "reschedule", "tester acme dead 0", "ended");
    changes_nothing(f, "reschedule", "tester acme cancelled 0", "ended");
    changes_nothing(f, "reschedule", "tester acme nothing 0", "gone");
}

/* ---- redrive ---- */

static void dead_and_cancelled_jobs_run_again_with_their_history(void **state)
{
    struct fixture *f = *state;
    make_one_of_each(f);
    clock_advance_ms(f, 10);

    const redisReply *reply = lane_call(f, "redrive", "tester acme dead cancelled");

    assert_reply(reply_element(reply, 0), "ready");
    assert_reply(reply_element(reply, 1), "ready");
    struct lane_state s = lane_state(f, "acme", "dead");
    assert_string_equal(lane_place(f, "acme", "dead"), "ready:default");
    assert_int_equal(lane_score(f, "org:acme:ready:default", "dead"), CLOCK_START_MS + 10 - 60000);
    assert_int_equal(s.attempt + s.crashes, 0);
    assert_int_equal(s.attempts, 1);
    assert_int_equal(s.deliveries, 1);
    assert_null(s.reason);
    assert_int_equal(s.enqueued_ms, CLOCK_START_MS);
    assert_string_equal(lane_place(f, "acme", "cancelled"), "ready:default");
}

static void a_redriven_job_has_all_its_attempts_again(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    lane_enqueue(f, "acme", "job1", &(struct lane_record){.queue = "mail", .priority = -1});
    struct lane_lease lease = lane_claim(f, &(struct lane_claim){.session = "w1", .queues = "mail"}).job[0];
    lane_end(f, &lease, "retry 0 1");
    lane_call(f, "redrive", "tester acme job1");
    assert_string_equal(lane_place(f, "acme", "job1"), "ready:mail");

    lease = lane_claim(f, &(struct lane_claim){.session = "w1", .queues = "mail"}).job[0];
    lane_end(f, &lease, "retry 0 2");

    assert_string_equal(lane_place(f, "acme", "job1"), "scheduled");
}

static void jobs_that_are_not_dead_are_not_redriven(void **state)
{
    struct fixture *f = *state;
    make_one_of_each(f);

    changes_nothing(f, "redrive", "tester acme ready", "not_dead");
    changes_nothing(f, "redrive", "tester acme scheduled", "not_dead");
    changes_nothing(f, "redrive", "tester acme running", "not_dead");
    changes_nothing(f, "redrive", "tester acme done", "not_dead");
    changes_nothing(f, "redrive", "tester acme nothing", "gone");
}

static void a_job_named_twice_is_redriven_once(void **state)
{
    struct fixture *f = *state;
    make_one_of_each(f);

    const redisReply *reply = lane_call(f, "redrive", "tester acme dead dead");

    assert_reply(reply_element(reply, 0), "ready");
    assert_reply(reply_element(reply, 1), "not_dead");
}

static void a_redrive_of_many_respects_the_cap(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    lane_enqueue_many(f, "acme", "job", 5, NULL);
    for (int i = 0; i < 5; i++) {
        struct lane_lease lease = lane_claim_one(f, "w1");
        lane_end(f, &lease, "dead");
    }
    lane_call(f, "org_set", "tester acme max_running 2");

    lane_call(f, "redrive", "tester acme job0000 job0001 job0002 job0003 job0004");

    assert_int_equal(lane_claim(f, &(struct lane_claim){.session = "w1", .want = 32}).jobs, 2);
}

/* ---- delete ---- */

static void jobs_that_do_not_run_can_be_deleted(void **state)
{
    struct fixture *f = *state;
    make_one_of_each(f);

    const redisReply *reply = lane_call(f, "delete", "tester acme ready scheduled done dead cancelled nothing");

    for (size_t i = 0; i < 5; i++)
        assert_reply(reply_element(reply, i), "deleted");
    assert_reply(reply_element(reply, 5), "gone");
    assert_int_equal(lane_redis(f, "HLEN %s", lane_key(f, "org:acme:jobs"))->integer, 1); /* the running one */
    assert_int_equal(lane_redis(f, "HLEN %s", lane_key(f, "org:acme:state"))->integer, 1);
    assert_false(lane_has(f, "active:default", "acme"));
    assert_false(lane_has(f, "due", "acme"));
    assert_false(lane_has(f, "expiring", "acme"));
}

static void a_running_job_is_not_deleted(void **state)
{
    struct fixture *f = *state;
    make_one_of_each(f);
    lane_call(f, "trim", "1"); /* so that expiring is what delete writes */

    changes_nothing(f, "delete", "tester acme running", "running");
    changes_nothing(f, "delete", "tester acme nothing", "gone");
}

static void the_id_of_a_deleted_job_is_free(void **state)
{
    struct fixture *f = *state;
    make_one_of_each(f);
    lane_call(f, "delete", "tester acme done");

    assert_string_equal(lane_enqueue(f, "acme", "done", &(struct lane_record){.nonce = 9}), "new");
}

static void several_jobs_are_answered_one_by_one(void **state)
{
    struct fixture *f = *state;
    make_one_of_each(f);

    const redisReply *redriven = lane_call(f, "redrive", "tester acme done dead nothing cancelled");
    const redisReply *deleted = lane_call(f, "delete", "tester acme running nothing done");

    assert_reply(reply_element(redriven, 0), "not_dead");
    assert_reply(reply_element(redriven, 1), "ready");
    assert_reply(reply_element(redriven, 2), "gone");
    assert_reply(reply_element(redriven, 3), "ready");
    assert_reply(reply_element(deleted, 0), "running");
    assert_reply(reply_element(deleted, 1), "gone");
    assert_reply(reply_element(deleted, 2), "deleted");
}

static void one_bad_id_refuses_the_whole_call(void **state)
{
    struct fixture *f = *state;
    make_one_of_each(f);
    const char *before = lane_digest(f);

    assert_error(lane_call(f, "redrive", "tester acme dead bad/id"), "INVALID");
    assert_error(lane_call(f, "delete", "tester acme dead bad/id"), "INVALID");

    assert_string_equal(lane_digest(f), before);
}

static void the_key_of_a_deleted_ended_job_keeps_its_time(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    lane_enqueue(f, "acme", "job1", &(struct lane_record){.key = "k"});
    struct lane_lease lease = lane_claim_one(f, "w1");
    lane_end(f, &lease, "dead");
    clock_advance_ms(f, 1000);

    lane_call(f, "delete", "tester acme job1");

    assert_int_equal(lane_score(f, "org:acme:unique_until", "k"), CLOCK_START_MS + DAY_MS);
    assert_string_equal(lane_enqueue(f, "acme", "job2", &(struct lane_record){.key = "k"}), "coalesced job1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waiting_jobs_are_cancelled_at_once),
        cmocka_unit_test(a_running_job_is_marked_and_goes_on),
        cmocka_unit_test(a_job_that_has_ended_is_not_cancelled),
        cmocka_unit_test(a_cancelled_keyed_job_is_trimmed_at_the_earlier_moment),
        cmocka_unit_test(a_waiting_job_can_be_moved_to_another_time),
        cmocka_unit_test(a_due_time_of_0_or_past_means_now),
        cmocka_unit_test(a_retry_can_be_run_now),
        cmocka_unit_test(running_and_ended_jobs_are_not_rescheduled),
        cmocka_unit_test(dead_and_cancelled_jobs_run_again_with_their_history),
        cmocka_unit_test(a_redriven_job_has_all_its_attempts_again),
        cmocka_unit_test(jobs_that_are_not_dead_are_not_redriven),
        cmocka_unit_test(a_job_named_twice_is_redriven_once),
        cmocka_unit_test(a_redrive_of_many_respects_the_cap),
        cmocka_unit_test(jobs_that_do_not_run_can_be_deleted),
        cmocka_unit_test(a_running_job_is_not_deleted),
        cmocka_unit_test(the_id_of_a_deleted_job_is_free),
        cmocka_unit_test(several_jobs_are_answered_one_by_one),
        cmocka_unit_test(one_bad_id_refuses_the_whole_call),
        cmocka_unit_test(the_key_of_a_deleted_ended_job_keeps_its_time),
    };

    return RUN_IN_LANES("control", tests);
}
