/* promote, trim, inbox - the scheduler's regular work. What retention keeps: ends.c. */
#include <stdio.h>
#include <string.h>

#include "tests/support/lane.h"

#define DAY_MS 86400000LL

/* ---- promote ---- */

static void assert_promoted(const redisReply *reply, long long moved, long long next_ms)
{
    assert_int_equal(reply_number(reply_element(reply, 0)), moved);
    assert_int_equal(reply_number(reply_element(reply, 1)), next_ms);
}

static void due_jobs_become_ready_at_their_time(void **state)
{
    struct fixture *f = *state;
    lane_enqueue(f, "acme", "job1", &(struct lane_record){.delay_ms = 1000, .queue = "mail", .priority = 3});
    lane_enqueue(f, "acme", "job2", &(struct lane_record){.delay_ms = 2000});

    assert_promoted(lane_call(f, "promote", "10"), 0, CLOCK_START_MS + 1000);
    clock_advance_ms(f, 1000);
    const redisReply *reply = lane_call(f, "promote", "10");

    assert_promoted(reply, 1, CLOCK_START_MS + 2000);
    assert_int_equal(reply_number(reply_element(reply, 2)), CLOCK_START_MS + 1000);
    assert_int_equal(lane_score(f, "org:acme:ready:mail", "job1"), CLOCK_START_MS + 1000 - 3 * 60000);
    assert_string_equal(lane_place(f, "acme", "job2"), "scheduled");
    assert_string_equal(lane_field(f, "clock", "entries:mail"), "1");
    clock_advance_ms(f, 1000);
    assert_promoted(lane_call(f, "promote", "10"), 1, 0);
    assert_false(lane_has(f, "due", "acme"));
}

static void jobs_are_promoted_in_the_order_of_their_due_times(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    lane_enqueue(f, "acme", "third", &(struct lane_record){.delay_ms = 3000});
    lane_enqueue(f, "acme", "first", &(struct lane_record){.delay_ms = 1000});
    lane_enqueue(f, "acme", "second", &(struct lane_record){.delay_ms = 2000});
    clock_advance_ms(f, 10000);

    for (int i = 0; i < 3; i++)
        assert_promoted(lane_call(f, "promote", "1"), 1, i < 2 ? CLOCK_START_MS + 10000 : 0);

    assert_string_equal(lane_claim_one(f, "w1").id, "first");
    assert_string_equal(lane_claim_one(f, "w1").id, "second");
    assert_string_equal(lane_claim_one(f, "w1").id, "third");
}

static void promote_moves_no_more_than_its_limit(void **state)
{
    struct fixture *f = *state;
    lane_enqueue_many(f, "acme", "job", 100, &(struct lane_record){.delay_ms = 1});
    clock_advance_ms(f, 1);

    assert_promoted(lane_call(f, "promote", "64"), 64, CLOCK_START_MS + 1);
    assert_promoted(lane_call(f, "promote", "64"), 36, 0);
    assert_promoted(lane_call(f, "promote", "64"), 0, 0);
}

static void a_thousand_due_jobs_do_not_delay_another_organizations_one(void **state)
{
    struct fixture *f = *state;
    const char *many = lane_org(f, 0), *one = lane_org(f, 1);
    f->check_each = false;
    lane_enqueue_many(f, many, "job", 1000, &(struct lane_record){.delay_ms = 1});
    lane_enqueue(f, one, "job", &(struct lane_record){.delay_ms = 500});
    clock_advance_ms(f, 600);

    lane_call(f, "promote", "16"); /* both are due: half for each */

    assert_string_equal(lane_place(f, one, "job"), "ready:default");
    assert_int_equal(lane_count(f, fixture_text(f, "org:%s:ready:default", many)), 8);
}

static void organizations_take_turns_when_more_are_due_than_fit(void **state)
{
    struct fixture *f = *state;
    for (unsigned n = 0; n < 12; n++)
        lane_enqueue_many(f, lane_org(f, n), "job", 20, &(struct lane_record){.delay_ms = 1 + n});
    clock_advance_ms(f, 100);

    lane_call(f, "promote", "8");
    clock_advance_ms(f, 1);
    lane_call(f, "promote", "8");

    for (unsigned n = 0; n < 12; n++)
        assert_in_range(lane_count(f, fixture_text(f, "org:%s:ready:default", lane_org(f, n))), 1, 2);
}

static void jobs_of_a_paused_organization_are_promoted_but_not_served(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    lane_enqueue(f, "acme", "job1", &(struct lane_record){.delay_ms = 1});
    lane_call(f, "org_set", "tester acme paused 1");
    clock_advance_ms(f, 1);

    assert_promoted(lane_call(f, "promote", "10"), 1, 0);

    assert_string_equal(lane_place(f, "acme", "job1"), "ready:default");
    assert_int_equal(lane_claim(f, &(struct lane_claim){.session = "w1"}).jobs, 0);
}

static void an_organization_that_is_not_due_any_more_leaves_the_index(void **state)
{
    struct fixture *f = *state;
    lane_redis(f, "ZADD %s 1 ghost", lane_key(f, "due"));

    assert_promoted(lane_call(f, "promote", "10"), 0, 0);

    assert_int_equal(lane_count(f, "due"), 0);
}

static void promote_takes_1_to_256(void **state)
{
    struct fixture *f = *state;

    assert_error(lane_call(f, "promote", "0"), "INVALID limit");
    assert_error(lane_call(f, "promote", "257"), "INVALID limit");
    assert_error(lane_call(f, "promote", ""), "INVALID limit");
}

/* ---- trim ---- */

static void trim_goes_in_bounded_steps_and_says_when_to_come_back(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    lane_call(f, "org_set", "tester acme keep_done_ms 1000");
    lane_enqueue_many(f, "acme", "job", 30, NULL);
    for (size_t n = 0; n < 30; n++) {
        struct lane_lease lease = lane_claim_one(f, "w1");
        lane_end(f, &lease, "done");
    }
    assert_promoted(lane_call(f, "trim", "10"), 0, CLOCK_START_MS + 1000);
    clock_advance_ms(f, 1000);

    assert_promoted(lane_call(f, "trim", "20"), 20, CLOCK_START_MS + 1000);
    const redisReply *reply = lane_call(f, "trim", "20");
    assert_promoted(reply, 10, 0);
    assert_int_equal(reply_number(reply_element(reply, 2)), CLOCK_START_MS + 1000);
}

static void trim_visits_8_organizations_a_call(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    for (unsigned n = 0; n < 10; n++) {
        lane_enqueue(f, lane_org(f, n), "job", NULL);
        struct lane_lease lease = lane_claim_one(f, "w1");
        lane_end(f, &lease, "done");
    }
    clock_advance_ms(f, 3600000);

    assert_int_equal(reply_number(reply_element(lane_call(f, "trim", "100"), 0)), 8);
    assert_int_equal(reply_number(reply_element(lane_call(f, "trim", "100"), 0)), 2);
}

static void trim_counts_keys_and_inbox_entries_too(void **state)
{
    struct fixture *f = *state;
    struct bytes record = lane_record(f, &(struct lane_record){.key = "k"});
    lane_call(f, "inbox", "acme 1-1 %b", record.data, record.length);
    lane_call(f, "cancel", "tester acme 1-1");
    clock_advance_ms(f, DAY_MS);

    assert_int_equal(reply_number(reply_element(lane_call(f, "trim", "100"), 0)), 3);
    assert_int_equal(lane_count(f, "inbox_seen"), 0);
}

static void trim_takes_1_to_500(void **state)
{
    struct fixture *f = *state;

    assert_error(lane_call(f, "trim", "0"), "INVALID limit");
    assert_error(lane_call(f, "trim", "501"), "INVALID limit");
}

/* ---- inbox ---- */

static const char *inbox_one(struct fixture *f, const char *entry, const struct lane_record *spec)
{
    struct bytes record = lane_record(f, spec);

    return reply_text(reply_element(lane_call(f, "inbox", "acme %s %b", entry, record.data, record.length), 0));
}

static void an_inbox_entry_becomes_a_job_under_its_id(void **state)
{
    struct fixture *f = *state;

    assert_string_equal(inbox_one(f, "1700000000000-0", &(struct lane_record){.queue = "mail"}), "new");

    assert_string_equal(lane_place(f, "acme", "1700000000000-0"), "ready:mail");
    assert_int_equal(lane_score(f, "inbox_seen", "acme/1700000000000-0"), CLOCK_START_MS);
}

static void an_entry_that_was_moved_is_not_moved_again_for_a_day(void **state)
{
    struct fixture *f = *state;
    inbox_one(f, "1-0", NULL);
    lane_call(f, "delete", "tester acme 1-0");
    const char *before = lane_digest(f);

    assert_string_equal(inbox_one(f, "1-0", NULL), "moved");
    assert_string_equal(lane_digest(f), before);

    clock_advance_ms(f, DAY_MS - 1);
    lane_call(f, "trim", "10");
    assert_string_equal(inbox_one(f, "1-0", NULL), "moved");
    clock_advance_ms(f, 1);
    lane_call(f, "trim", "10");
    assert_string_equal(inbox_one(f, "1-0", NULL), "new");
}

static void a_refused_entry_is_refused_again(void **state)
{
    struct fixture *f = *state;
    lane_call(f, "org_set", "tester acme max_queued 1 max_payload_bytes 10");
    lane_enqueue(f, "acme", "taken", &(struct lane_record){.nonce = 5, .key = "k"});

    assert_string_equal(inbox_one(f, "1-0", NULL), "queue_full");
    assert_string_equal(inbox_one(f, "1-1", &(struct lane_record){.payload = "12345678901", .payload_bytes = 11}), "too_large");
    assert_string_equal(inbox_one(f, "1-2", &(struct lane_record){.expires_ms = 1}), "expired");
    assert_string_equal(inbox_one(f, "1-3", &(struct lane_record){.key = "k"}), "coalesced taken");
    assert_string_equal(inbox_one(f, "1-4", &(struct lane_record){.key = "k", .type = "x"}), "conflict taken");
    assert_string_equal(inbox_one(f, "taken", NULL), "taken");

    assert_string_equal(inbox_one(f, "1-0", NULL), "queue_full"); /* so that who lost the answer can tell of it */
    assert_string_equal(inbox_one(f, "1-4", &(struct lane_record){.key = "k", .type = "x"}), "conflict taken");
    assert_string_equal(inbox_one(f, "1-3", NULL), "moved");
}

static void an_entry_that_found_the_intake_stopped_is_tried_again(void **state)
{
    struct fixture *f = *state;
    lane_call(f, "intake", "tester stop because");

    assert_string_equal(inbox_one(f, "1-0", NULL), "intake_paused");
    assert_int_equal(lane_count(f, "inbox_seen"), 0);
    lane_call(f, "intake", "tester resume because");
    assert_string_equal(inbox_one(f, "1-0", NULL), "new");
}

static void entries_old_and_new_are_answered_in_their_order(void **state)
{
    struct fixture *f = *state;
    struct bytes record = lane_record(f, NULL), other = lane_record(f, &(struct lane_record){.nonce = 2});
    inbox_one(f, "1-1", NULL);

    const redisReply *reply =
        lane_call(f, "inbox", "acme 1-0 %b 1-1 %b 1-2 %b 1-2 %b 1-2 %b", record.data, record.length, record.data, record.length,
                  record.data, record.length, record.data, record.length, other.data, other.length);

    static const char *const answers[] = {"new", "moved", "new", "exists", "taken"};
    for (size_t i = 0; i < 5; i++)
        assert_reply(reply_element(reply, i), answers[i]);
}

static void a_bad_entry_refuses_the_batch_and_changes_nothing(void **state)
{
    struct fixture *f = *state;
    struct bytes record = lane_record(f, NULL);
    const char *before = lane_digest(f);

    assert_error(lane_call(f, "inbox", "acme 1-0 %b 1-1 rubbish", record.data, record.length), "INVALID");
    assert_error(lane_call(f, "inbox", "acme 1-0 %b bad/id %b", record.data, record.length, record.data, record.length),
                 "INVALID");
    assert_error(lane_call(f, "inbox", "Acme 1-0 %b", record.data, record.length), "INVALID");
    assert_error(lane_call(f, "inbox", "acme 1-0"), "INVALID");

    assert_string_equal(lane_digest(f), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(due_jobs_become_ready_at_their_time),
        cmocka_unit_test(jobs_are_promoted_in_the_order_of_their_due_times),
        cmocka_unit_test(promote_moves_no_more_than_its_limit),
        cmocka_unit_test(a_thousand_due_jobs_do_not_delay_another_organizations_one),
        cmocka_unit_test(organizations_take_turns_when_more_are_due_than_fit),
        cmocka_unit_test(jobs_of_a_paused_organization_are_promoted_but_not_served),
        cmocka_unit_test(an_organization_that_is_not_due_any_more_leaves_the_index),
        cmocka_unit_test(promote_takes_1_to_256),
        cmocka_unit_test(trim_goes_in_bounded_steps_and_says_when_to_come_back),
        cmocka_unit_test(trim_visits_8_organizations_a_call),
        cmocka_unit_test(trim_counts_keys_and_inbox_entries_too),
        cmocka_unit_test(trim_takes_1_to_500),
        cmocka_unit_test(an_inbox_entry_becomes_a_job_under_its_id),
        cmocka_unit_test(an_entry_that_was_moved_is_not_moved_again_for_a_day),
        cmocka_unit_test(a_refused_entry_is_refused_again),
        cmocka_unit_test(an_entry_that_found_the_intake_stopped_is_tried_again),
        cmocka_unit_test(entries_old_and_new_are_answered_in_their_order),
        cmocka_unit_test(a_bad_entry_refuses_the_batch_and_changes_nothing),
    };

    return RUN_IN_LANES("upkeep", tests);
}
