/* finish - who may end a lease, what a repeated call gets, and the claim in the same call. The verdicts: finish.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/lane.h"

/* A job "acme/job1" that session w1 runs. */
static struct lane_lease running_job(struct fixture *f)
{
    lane_open(f, "w1", 60000);
    lane_enqueue(f, "acme", "job1", NULL);
    return lane_claim_one(f, "w1");
}

static void an_ended_lease_is_stale(void **state)
{
    struct fixture *f = *state;
    struct lane_lease lease = running_job(f);
    lane_end(f, &lease, "done");

    assert_string_equal(lane_end(f, &lease, "dead"), "stale");

    assert_string_equal(lane_place(f, "acme", "job1"), "done");
}

static void AP_9_a_stale_token_changes_nothing(void **state)
{
    struct fixture *f = *state;
    struct lane_lease old = running_job(f);
    lane_end(f, &old, "release");
    struct lane_lease current = lane_claim_one(f, "w1");
    struct lane_state before = lane_state(f, "acme", "job1");

    assert_string_equal(lane_end(f, &old, "done"), "stale");

    assert_string_equal(lane_place(f, "acme", "job1"), "running");
    assert_int_equal(lane_state(f, "acme", "job1").deliveries, before.deliveries);
    assert_string_equal(lane_end(f, &current, "done"), "ok");
}

static void AP_9_another_sessions_lease_cannot_be_ended_even_with_its_token(void **state)
{
    struct fixture *f = *state;
    struct lane_lease lease = running_job(f);
    lane_open(f, "w2", 60000);
    struct lane_lease thief = lease;
    snprintf(thief.session, sizeof thief.session, "w2");

    assert_string_equal(lane_end(f, &thief, "done"), "stale");

    assert_string_equal(lane_place(f, "acme", "job1"), "running");
}

static void unknown_and_malformed_names_are_stale(void **state)
{
    struct fixture *f = *state;
    struct lane_lease lease = running_job(f);
    static const char *const names[] = {"acme/other", "other/job1", "", "noslash", "/", "acme/", "a/b/c"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        lease.name = names[i];
        assert_string_equal(lane_end(f, &lease, "done"), "stale");
    }
    assert_string_equal(lane_place(f, "acme", "job1"), "running");
}

static void a_lease_named_twice_in_a_call_ends_once(void **state)
{
    struct fixture *f = *state;
    struct lane_lease lease = running_job(f);

    struct lane_claimed got =
        lane_finish(f, &(struct lane_claim){.session = "w1", .want_none = true},
                    (struct lane_end[]){{.lease = &lease}, {.lease = &lease, .verdict = "dead"}, {.lease = &lease}}, 3);

    assert_string_equal(got.answer[0], "ok");
    assert_string_equal(got.answer[1], "stale");
    assert_string_equal(got.answer[2], "stale");
    assert_string_equal(lane_place(f, "acme", "job1"), "done");
    assert_int_equal(lane_state(f, "acme", "job1").attempts, 1);
}

static void a_lost_session_ends_nothing(void **state)
{
    struct fixture *f = *state;
    struct lane_lease lease = running_job(f);
    clock_advance_ms(f, 120000);
    lane_call(f, "recover", "w1 %s 64", lane_field(f, "session:w1", "beat"));
    const char *before = lane_digest(f);

    assert_string_equal(lane_end(f, &lease, "done"), "lost");

    assert_string_equal(lane_digest(f), before);
    assert_string_equal(lane_place(f, "acme", "job1"), "ready:default");
}

static void a_repeated_finish_gets_the_same_answers_and_jobs(void **state)
{
    struct fixture *f = *state;
    struct lane_lease lease = running_job(f), stranger = lease;
    struct lane_claim claim = {.session = "w1", .want = 1, .token = "0123456789abcdef"};
    stranger.name = "acme/other";
    lane_enqueue_many(f, "acme", "more", 2, NULL);
    struct lane_end ends[] = {{.lease = &stranger}, {.lease = &lease, .verdict = "release"}};
    lane_finish(f, &claim, ends, 2);
    lane_open(f, "w2", 60000);
    struct lane_lease elsewhere = lane_claim_one(f, "w2"); /* maybe job1 again: the repeat must not touch it */
    const char *held = lane_field(f, "held:w2", elsewhere.name);

    struct lane_claimed again = lane_finish(f, &claim, ends, 2);

    assert_int_equal(again.answers, 2);
    assert_string_equal(again.answer[0], "stale");
    assert_string_equal(again.answer[1], "ok");
    assert_int_equal(again.jobs, 1);
    assert_string_equal(lane_place(f, "acme", again.job[0].id), "running");
    assert_string_equal(lane_field(f, "held:w2", elsewhere.name), held);
    assert_int_equal(lane_redis(f, "HLEN %s", lane_key(f, "held:w1"))->integer, 1);
}

static void a_freed_slot_of_a_capped_organization_is_used_in_the_same_call(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    lane_call(f, "org_set", "tester acme max_running 1");
    lane_enqueue_many(f, "acme", "job", 2, NULL);
    struct lane_lease lease = lane_claim_one(f, "w1");

    struct lane_claimed got = lane_finish(f, &(struct lane_claim){.session = "w1"}, &(struct lane_end){.lease = &lease}, 1);

    assert_string_equal(got.answer[0], "ok");
    assert_int_equal(got.jobs, 1);
    assert_string_equal(got.job[0].id, "job0001");
}

static void a_finish_without_leases_is_a_claim(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    lane_enqueue(f, "acme", "job1", NULL);

    struct lane_claimed got = lane_finish(f, &(struct lane_claim){.session = "w1"}, NULL, 0);

    assert_int_equal(got.answers, 0);
    assert_int_equal(got.jobs, 1);
}

/* Two organizations, two queues, several verdicts, all mixed: batches must not bleed into each other. */
static void many_leases_of_many_kinds_end_in_one_call(void **state)
{
    struct fixture *f = *state;
    static const char *const verdicts[] = {"done", "done", "dead", "retry 1000 9", "release", "crash 2000 9", "discard"};
    static const char *const places[] = {"done", "done", "dead", "scheduled", "ready", "scheduled", "done"};
    struct lane_lease leases[64];
    struct lane_end ends[64];
    size_t count = 0;
    lane_open(f, "w1", 60000);
    for (unsigned n = 0; n < 4; n++)
        for (unsigned i = 0; i < 16; i++)
            lane_enqueue(f, lane_org(f, n), fixture_text(f, "job%u", i),
                         &(struct lane_record){.queue = i % 3 ? NULL : "mail",
                                               .key = i % 5 ? NULL : fixture_text(f, "key%u", i),
                                               .priority = i % 4 ? 0 : 1,
                                               .timeout_ms = i % 2 ? 0 : 7000});
    while (count < 64) {
        struct lane_claimed got = lane_claim(f, &(struct lane_claim){.session = "w1", .want = 32, .queues = "mail default"});
        assert_true(got.jobs > 0);
        for (size_t i = 0; i < got.jobs; i++)
            leases[count++] = got.job[i];
    }
    for (size_t i = 0; i < count; i++)
        ends[i] = (struct lane_end){.lease = &leases[i], .verdict = verdicts[i % 7], .run_us = 1000};

    struct lane_claimed got = lane_finish(f, &(struct lane_claim){.session = "w1", .want_none = true}, ends, count);

    assert_int_equal(got.answers, 64);
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(got.answer[i], "ok");
        assert_memory_equal(lane_place(f, leases[i].org, leases[i].id), places[i % 7], strlen(places[i % 7]));
    }
    assert_int_equal(lane_redis(f, "EXISTS %s", lane_key(f, "held:w1"))->integer, 0);
}

static void completions_pass_when_memory_is_full(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    lane_enqueue_many(f, "acme", "job", 5, NULL);
    struct lane_claimed got = lane_claim(f, &(struct lane_claim){.session = "w1", .want = 3});
    lane_redis(f, "CONFIG SET maxmemory 1");

    assert_string_equal(lane_end(f, &got.job[0], "done"), "ok");
    assert_string_equal(lane_end(f, &got.job[1], "retry 1000 5"), "ok");
    assert_int_equal(lane_claim(f, &(struct lane_claim){.session = "w1"}).jobs, 1);
    assert_reply(reply_element(lane_call(f, "beat", "w1"), 0), "ok");
    assert_int_equal(lane_call(f, "close", "w1 64")->integer, 0);

    assert_int_equal(lane_count(f, "org:acme:done"), 1);
    assert_int_equal(lane_count(f, "org:acme:running"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_ended_lease_is_stale),
        cmocka_unit_test(AP_9_a_stale_token_changes_nothing),
        cmocka_unit_test(AP_9_another_sessions_lease_cannot_be_ended_even_with_its_token),
        cmocka_unit_test(unknown_and_malformed_names_are_stale),
        cmocka_unit_test(a_lease_named_twice_in_a_call_ends_once),
        cmocka_unit_test(a_lost_session_ends_nothing),
        cmocka_unit_test(a_repeated_finish_gets_the_same_answers_and_jobs),
        cmocka_unit_test(a_freed_slot_of_a_capped_organization_is_used_in_the_same_call),
        cmocka_unit_test(a_finish_without_leases_is_a_claim),
        cmocka_unit_test(many_leases_of_many_kinds_end_in_one_call),
        cmocka_unit_test(completions_pass_when_memory_is_full),
    };

    return RUN_IN_LANES("leases", tests);
}
