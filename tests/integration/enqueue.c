/* enqueue - each of its answers, and where an accepted job goes. Bad records: records.c; names and limits of a batch: batches.c.
 */
#include <stdio.h>
#include <string.h>

#include "tests/support/lane.h"

static void a_new_job_is_ready_in_its_queue(void **state)
{
    struct fixture *f = *state;

    assert_string_equal(lane_enqueue(f, "acme", "job1", NULL), "new");
    assert_string_equal(lane_enqueue(f, "acme", "job2", &(struct lane_record){.queue = "mail"}), "new");

    assert_string_equal(lane_place(f, "acme", "job1"), "ready:default");
    assert_string_equal(lane_place(f, "acme", "job2"), "ready:mail");
    assert_string_equal(lane_field(f, "org:acme", "queues"), "default mail");
    assert_string_equal(lane_field(f, "clock", "queues"), "default mail");
    assert_true(lane_has(f, "orgs", "acme"));
}

static void a_ready_job_has_no_state_before_its_first_claim(void **state)
{
    struct fixture *f = *state;

    lane_enqueue(f, "acme", "job1", &(struct lane_record){.priority = 5, .timeout_ms = 1000});

    assert_false(lane_state(f, "acme", "job1").exists);
}

static void the_record_is_stored_byte_for_byte(void **state)
{
    struct fixture *f = *state;
    char payload[1024];
    for (size_t i = 0; i < sizeof payload; i++)
        payload[i] = (char)(i % 256); /* all byte values, zero included */
    struct lane_record spec = {.payload = payload, .payload_bytes = sizeof payload};
    struct bytes record = lane_record(f, &spec);

    lane_enqueue(f, "acme", "job1", &spec);
    lane_open(f, "w1", 6000);
    struct lane_lease lease = lane_claim_one(f, "w1");

    assert_int_equal(lease.record.length, record.length);
    assert_memory_equal(lease.record.data, record.data, record.length);
    assert_memory_equal(lease.record.data + record.length - sizeof payload, payload, sizeof payload);
}

static void the_same_record_again_exists(void **state)
{
    struct fixture *f = *state;
    lane_enqueue(f, "acme", "job1", &(struct lane_record){.nonce = 7});
    const char *before = lane_digest(f);

    assert_string_equal(lane_enqueue(f, "acme", "job1", &(struct lane_record){.nonce = 7}), "exists");

    assert_string_equal(lane_digest(f), before);
}

static void a_finished_job_still_exists_for_a_retry(void **state)
{
    struct fixture *f = *state;
    struct lane_record spec = {.nonce = 7, .timeout_ms = 1000, .payload = "0123456789", .payload_bytes = 10};
    lane_enqueue(f, "acme", "job1", &spec);
    lane_enqueue(f, "acme", "job2", &(struct lane_record){.nonce = 7});
    lane_open(f, "w1", 6000);
    for (int i = 0; i < 2; i++) {
        struct lane_lease lease = lane_claim_one(f, "w1");
        assert_string_equal(lane_end(f, &lease, "done"), "ok");
    }

    assert_string_equal(lane_enqueue(f, "acme", "job1", &spec), "exists");
    assert_string_equal(lane_enqueue(f, "acme", "job2", &(struct lane_record){.nonce = 7}), "exists");
    assert_string_equal(lane_enqueue(f, "acme", "job2", &(struct lane_record){.nonce = 8}), "taken");
}

static void another_record_under_the_same_id_is_taken(void **state)
{
    struct fixture *f = *state;
    lane_enqueue(f, "acme", "job1", &(struct lane_record){.nonce = 7});
    const char *before = lane_digest(f);

    assert_string_equal(lane_enqueue(f, "acme", "job1", &(struct lane_record){.nonce = 8}), "taken");
    assert_string_equal(lane_enqueue(f, "acme", "job1", &(struct lane_record){.nonce = 7, .type = "other"}), "taken");

    assert_string_equal(lane_digest(f), before);
}

static void one_id_twice_in_a_batch_is_one_job(void **state)
{
    struct fixture *f = *state;
    struct bytes first = lane_record(f, &(struct lane_record){.nonce = 7}),
                 second = lane_record(f, &(struct lane_record){.nonce = 8});

    const redisReply *reply = lane_call(f, "enqueue", "acme job1 %b job1 %b job1 %b", first.data, first.length, first.data,
                                        first.length, second.data, second.length);

    assert_reply(reply_element(reply, 0), "new");
    assert_reply(reply_element(reply, 1), "exists");
    assert_reply(reply_element(reply, 2), "taken");
    assert_int_equal(lane_count(f, "org:acme:ready:default"), 1);
}

static void the_same_id_in_another_organization_is_another_job(void **state)
{
    struct fixture *f = *state;

    assert_string_equal(lane_enqueue(f, lane_org(f, 0), "job1", NULL), "new");
    assert_string_equal(lane_enqueue(f, lane_org(f, 1), "job1", NULL), "new");
}

static void a_second_job_with_the_same_key_is_coalesced(void **state)
{
    struct fixture *f = *state;
    lane_enqueue(f, "acme", "job1", &(struct lane_record){.key = "order 17", .nonce = 1});
    const char *before = lane_digest(f);

    assert_string_equal(lane_enqueue(f, "acme", "job2", &(struct lane_record){.key = "order 17", .nonce = 2}), "coalesced job1");
    assert_string_equal(lane_enqueue(f, "acme", "job3", &(struct lane_record){.key = "order 17", .delay_ms = 5000}),
                        "coalesced job1");

    assert_string_equal(lane_digest(f), before);
}

static void a_key_with_another_payload_or_type_conflicts(void **state)
{
    struct fixture *f = *state;
    lane_enqueue(f, "acme", "job1", &(struct lane_record){.key = "k"});
    const char *before = lane_digest(f);

    assert_string_equal(
        lane_enqueue(f, "acme", "job2", &(struct lane_record){.key = "k", .payload = "other", .payload_bytes = 5}),
        "conflict job1");
    assert_string_equal(lane_enqueue(f, "acme", "job3", &(struct lane_record){.key = "k", .type = "other"}), "conflict job1");

    assert_string_equal(lane_digest(f), before);
}

static void a_key_counts_within_a_batch(void **state)
{
    struct fixture *f = *state;
    struct bytes same = lane_record(f, &(struct lane_record){.key = "k"}),
                 other = lane_record(f, &(struct lane_record){.key = "k", .type = "x"});

    const redisReply *reply = lane_call(f, "enqueue", "acme job1 %b job2 %b job3 %b", same.data, same.length, same.data,
                                        same.length, other.data, other.length);

    assert_reply(reply_element(reply, 0), "new");
    assert_reply(reply_element(reply, 1), "coalesced job1");
    assert_reply(reply_element(reply, 2), "conflict job1");
}

static void a_key_is_of_one_organization(void **state)
{
    struct fixture *f = *state;

    assert_string_equal(lane_enqueue(f, lane_org(f, 0), "job1", &(struct lane_record){.key = "k"}), "new");
    assert_string_equal(lane_enqueue(f, lane_org(f, 1), "job2", &(struct lane_record){.key = "k"}), "new");
}

static void a_full_queue_refuses_what_does_not_fit(void **state)
{
    struct fixture *f = *state;
    lane_call(f, "org_set", "tester acme max_queued 3");
    lane_enqueue(f, "acme", "ready", NULL);
    lane_enqueue(f, "acme", "later", &(struct lane_record){.delay_ms = 1000, .queue = "mail"});
    struct bytes record = lane_record(f, NULL);

    const redisReply *reply = lane_call(f, "enqueue", "acme job1 %b job2 %b ready %b", record.data, record.length, record.data,
                                        record.length, record.data, record.length);

    assert_reply(reply_element(reply, 0), "new");
    assert_reply(reply_element(reply, 1), "queue_full");
    assert_reply(reply_element(reply, 2), "exists");
}

static void running_jobs_do_not_fill_a_queue(void **state)
{
    struct fixture *f = *state;
    lane_call(f, "org_set", "tester acme max_queued 1");
    lane_enqueue(f, "acme", "job1", NULL);
    assert_string_equal(lane_enqueue(f, "acme", "job2", NULL), "queue_full");
    lane_open(f, "w1", 6000);
    lane_claim_one(f, "w1");

    assert_string_equal(lane_enqueue(f, "acme", "job2", NULL), "new");
}

static void nothing_is_taken_in_while_intake_is_stopped(void **state)
{
    struct fixture *f = *state;
    lane_enqueue(f, "acme", "job1", NULL);
    lane_call(f, "intake", "tester stop %s", "appendfsync is no");
    const char *before = lane_digest(f);

    assert_string_equal(lane_enqueue(f, "acme", "job2", NULL), "intake_paused");
    assert_string_equal(lane_enqueue(f, "acme", "job1", NULL), "exists");
    assert_string_equal(lane_digest(f), before);

    lane_call(f, "intake", "tester resume because");
    assert_string_equal(lane_enqueue(f, "acme", "job2", NULL), "new");
}

static void a_payload_above_the_organizations_limit_is_too_large(void **state)
{
    struct fixture *f = *state;
    lane_call(f, "org_set", "tester acme max_payload_bytes 7");
    struct bytes record = lane_record(f, &(struct lane_record){.payload = "12345678", .payload_bytes = 8});

    const redisReply *reply = lane_call(f, "enqueue", "acme job1 %b", record.data, record.length);

    assert_reply(reply_element(reply, 0), "too_large");
    assert_string_equal(lane_enqueue(f, "acme", "job2", &(struct lane_record){.payload = "1234567", .payload_bytes = 7}), "new");
}

static void a_job_whose_time_has_passed_is_expired(void **state)
{
    struct fixture *f = *state;
    const char *before = lane_digest(f);

    assert_string_equal(lane_enqueue(f, "acme", "job1", &(struct lane_record){.expires_ms = CLOCK_START_MS}), "expired");
    assert_string_equal(lane_digest(f), before);
    assert_string_equal(lane_enqueue(f, "acme", "job2", &(struct lane_record){.expires_ms = CLOCK_START_MS + 1}), "new");
}

static void a_batch_is_answered_pair_by_pair(void **state)
{
    struct fixture *f = *state;
    lane_enqueue(f, "acme", "old", &(struct lane_record){.nonce = 1});
    struct bytes plain = lane_record(f, NULL), expired = lane_record(f, &(struct lane_record){.expires_ms = 1});

    const redisReply *reply = lane_call(f, "enqueue", "acme a %b old %b b %b c %b", plain.data, plain.length, plain.data,
                                        plain.length, expired.data, expired.length, plain.data, plain.length);

    assert_int_equal(reply->elements, 4);
    assert_reply(reply_element(reply, 0), "new");
    assert_reply(reply_element(reply, 1), "taken");
    assert_reply(reply_element(reply, 2), "expired");
    assert_reply(reply_element(reply, 3), "new");
    assert_string_equal(lane_place(f, "acme", "a"), "ready:default");
    assert_string_equal(lane_place(f, "acme", "b"), "");
}

static void a_job_with_a_delay_is_scheduled(void **state)
{
    struct fixture *f = *state;

    lane_enqueue(f, "acme", "job1", &(struct lane_record){.delay_ms = 5000, .queue = "mail", .priority = 2});

    assert_string_equal(lane_place(f, "acme", "job1"), "scheduled");
    assert_int_equal(lane_score(f, "org:acme:scheduled", "job1"), CLOCK_START_MS + 5000);
    assert_int_equal(lane_score(f, "due", "acme"), CLOCK_START_MS + 5000);
    struct lane_state s = lane_state(f, "acme", "job1");
    assert_int_equal(s.order, CLOCK_START_MS + 5000 - 2 * 60000);
    assert_int_equal(s.enqueued_ms, CLOCK_START_MS);
    assert_string_equal(s.queue, "mail");
    assert_int_equal(s.priority, 2);
    assert_int_equal(lane_count(f, "active:mail"), 0);
}

static void a_job_with_a_due_time_is_scheduled_until_then(void **state)
{
    struct fixture *f = *state;

    lane_enqueue(f, "acme", "future", &(struct lane_record){.due_ms = CLOCK_START_MS + 1});
    lane_enqueue(f, "acme", "now", &(struct lane_record){.due_ms = CLOCK_START_MS});
    lane_enqueue(f, "acme", "past", &(struct lane_record){.due_ms = 1});

    assert_string_equal(lane_place(f, "acme", "future"), "scheduled");
    assert_string_equal(lane_place(f, "acme", "now"), "ready:default");
    assert_string_equal(lane_place(f, "acme", "past"), "ready:default");
    assert_int_equal(lane_score(f, "org:acme:ready:default", "past"), CLOCK_START_MS);
}

static void a_delay_wins_over_a_due_time(void **state)
{
    struct fixture *f = *state;

    lane_enqueue(f, "acme", "job1", &(struct lane_record){.delay_ms = 5000, .due_ms = CLOCK_START_MS + 1});

    assert_int_equal(lane_score(f, "org:acme:scheduled", "job1"), CLOCK_START_MS + 5000);
}

static void only_an_earlier_due_time_wakes_the_scheduler(void **state)
{
    struct fixture *f = *state;

    lane_enqueue(f, "acme", "job1", &(struct lane_record){.delay_ms = 5000});
    assert_int_equal(lane_count(f, "wake_due"), 1);
    lane_redis(f, "DEL %s", lane_key(f, "wake_due"));
    lane_enqueue(f, lane_org(f, 1), "job2", &(struct lane_record){.delay_ms = 6000});
    assert_int_equal(lane_count(f, "wake_due"), 0);
    lane_enqueue(f, lane_org(f, 1), "job3", &(struct lane_record){.delay_ms = 4000});
    assert_int_equal(lane_count(f, "wake_due"), 1);
}

static void priority_is_a_head_start_of_a_minute_a_point(void **state)
{
    struct fixture *f = *state;

    lane_enqueue(f, "acme", "low", &(struct lane_record){.priority = -100});
    lane_enqueue(f, "acme", "high", &(struct lane_record){.priority = 100});
    clock_advance_ms(f, 1);
    lane_enqueue(f, "acme", "plain", NULL);

    assert_int_equal(lane_score(f, "org:acme:ready:default", "low"), CLOCK_START_MS + 6000000);
    assert_int_equal(lane_score(f, "org:acme:ready:default", "high"), CLOCK_START_MS - 6000000);
    assert_int_equal(lane_score(f, "org:acme:ready:default", "plain"), CLOCK_START_MS + 1);
}

static void a_batch_keeps_its_order_by_id(void **state)
{
    struct fixture *f = *state;
    lane_enqueue_many(f, "acme", "job", 200, NULL);
    lane_open(f, "w1", 6000);

    struct lane_claimed got = lane_claim(f, &(struct lane_claim){.session = "w1", .want = 32});

    for (size_t i = 0; i < got.jobs; i++)
        assert_string_equal(got.job[i].id, fixture_text(f, "job%04zu", i));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_job_is_ready_in_its_queue),
        cmocka_unit_test(a_ready_job_has_no_state_before_its_first_claim),
        cmocka_unit_test(the_record_is_stored_byte_for_byte),
        cmocka_unit_test(the_same_record_again_exists),
        cmocka_unit_test(a_finished_job_still_exists_for_a_retry),
        cmocka_unit_test(another_record_under_the_same_id_is_taken),
        cmocka_unit_test(one_id_twice_in_a_batch_is_one_job),
        cmocka_unit_test(the_same_id_in_another_organization_is_another_job),
        cmocka_unit_test(a_second_job_with_the_same_key_is_coalesced),
        cmocka_unit_test(a_key_with_another_payload_or_type_conflicts),
        cmocka_unit_test(a_key_counts_within_a_batch),
        cmocka_unit_test(a_key_is_of_one_organization),
        cmocka_unit_test(a_full_queue_refuses_what_does_not_fit),
        cmocka_unit_test(running_jobs_do_not_fill_a_queue),
        cmocka_unit_test(nothing_is_taken_in_while_intake_is_stopped),
        cmocka_unit_test(a_payload_above_the_organizations_limit_is_too_large),
        cmocka_unit_test(a_job_whose_time_has_passed_is_expired),
        cmocka_unit_test(a_batch_is_answered_pair_by_pair),
        cmocka_unit_test(a_job_with_a_delay_is_scheduled),
        cmocka_unit_test(a_job_with_a_due_time_is_scheduled_until_then),
        cmocka_unit_test(a_delay_wins_over_a_due_time),
        cmocka_unit_test(only_an_earlier_due_time_wakes_the_scheduler),
        cmocka_unit_test(priority_is_a_head_start_of_a_minute_a_point),
        cmocka_unit_test(a_batch_keeps_its_order_by_id),
    };

    return RUN_IN_LANES("enqueue", tests);
}
