/* claim - what it takes and hands out. Its bounds: claim_bounds.c. Who is next: fairness.c. Who may not be: limits.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/lane.h"

#define GRACE_MS 15000
#define REST_MS  5000

static void the_oldest_job_is_claimed_first(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 6000);
    lane_enqueue(f, "acme", "b", NULL);
    lane_enqueue(f, "acme", "a", NULL);
    clock_advance_ms(f, 1);
    lane_enqueue(f, "acme", "0", NULL);
    lane_enqueue(f, "acme", "urgent", &(struct lane_record){.priority = 1});

    assert_string_equal(lane_claim_one(f, "w1").id, "urgent");
    assert_string_equal(lane_claim_one(f, "w1").id, "a");
    assert_string_equal(lane_claim_one(f, "w1").id, "b");
    assert_string_equal(lane_claim_one(f, "w1").id, "0");
}

static void a_claimed_job_is_running_and_held(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 6000);
    lane_enqueue(f, "acme", "job1", &(struct lane_record){.queue = "mail", .priority = 3});
    clock_advance_ms(f, 250);

    struct lane_claimed got = lane_claim(f, &(struct lane_claim){.session = "w1", .queues = "mail", .types = "test:1000"});

    assert_int_equal(got.now_ms, CLOCK_START_MS + 250);
    assert_int_equal(got.active, 0);
    assert_int_equal(got.next_ms, 0);
    assert_int_equal(got.jobs, 1);
    assert_string_equal(got.job[0].name, "acme/job1");
    assert_string_equal(lane_place(f, "acme", "job1"), "running");
    assert_int_equal(lane_score(f, "org:acme:running", "job1"), CLOCK_START_MS + 250 + 1000 + GRACE_MS);
    assert_non_null(lane_field(f, "held:w1", "acme/job1"));
    struct lane_state told = lane_state_decode(f, got.job[0].state), stored = lane_state(f, "acme", "job1");
    assert_int_equal(told.order, CLOCK_START_MS - 3 * 60000);
    assert_int_equal(told.attempt, 0);
    assert_int_equal(told.deliveries, 1);
    assert_int_equal(told.crashes, 0);
    assert_string_equal(told.session, "w1");
    assert_int_equal(told.started_ms, CLOCK_START_MS + 250);
    assert_string_equal(stored.session, "w1");
    assert_int_equal(stored.deliveries, 1);
}

static void a_job_is_claimed_by_one_session_only(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 6000);
    lane_open(f, "w2", 6000);
    lane_enqueue(f, "acme", "job1", NULL);
    lane_claim_one(f, "w1");

    assert_int_equal(lane_claim(f, &(struct lane_claim){.session = "w2"}).jobs, 0);
}

static void the_time_out_is_the_jobs_own_or_that_of_its_type(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 6000);
    lane_enqueue(f, "acme", "own", &(struct lane_record){.timeout_ms = 100, .type = "mail"});
    lane_enqueue(f, "acme", "type", &(struct lane_record){.type = "mail"});
    lane_enqueue(f, "acme", "any", &(struct lane_record){.type = "else"});

    for (int i = 0; i < 3; i++)
        assert_int_equal(lane_claim(f, &(struct lane_claim){.session = "w1", .types = "mail:2000 *:3000"}).jobs, 1);

    assert_int_equal(lane_score(f, "org:acme:running", "own"), CLOCK_START_MS + 100 + GRACE_MS);
    assert_int_equal(lane_score(f, "org:acme:running", "type"), CLOCK_START_MS + 2000 + GRACE_MS);
    assert_int_equal(lane_score(f, "org:acme:running", "any"), CLOCK_START_MS + 3000 + GRACE_MS);
}

static void jobs_of_one_visit_share_nothing_in_which_they_differ(void **state)
{
    struct fixture *f = *state;
    static const struct lane_record specs[] = {
        {.timeout_ms = 100}, {0}, {.key = "k"}, {.type = "mail"}, {.timeout_ms = 200}, {.type = "mail", .priority = -1},
        {.type = "mail"},    {0},
    };
    static const int timeouts_ms[] = {100, 3000, 3000, 2000, 200, 2000, 2000, 3000};
    lane_open(f, "w1", 6000);
    for (size_t i = 0; i < 8; i++)
        lane_enqueue(f, "acme", fixture_text(f, "job%zu", i), &specs[i]);
    lane_redis(f, "HSET %s est:default 0.0625", lane_key(f, "org:acme"));
    struct lane_lease first = lane_claim(f, &(struct lane_claim){.session = "w1", .types = "mail:2000 *:3000"}).job[0];
    lane_end(f, &first, "release"); /* so that one of them has a state */
    clock_advance_ms(f, 10);

    assert_int_equal(lane_claim(f, &(struct lane_claim){.session = "w1", .want = 8, .types = "mail:2000 *:3000"}).jobs, 8);

    for (size_t i = 0; i < 8; i++) {
        const char *id = fixture_text(f, "job%zu", i);
        assert_int_equal(lane_score(f, "org:acme:running", id), CLOCK_START_MS + 10 + timeouts_ms[i] + GRACE_MS);
        assert_int_equal(lane_state(f, "acme", id).deliveries, i == 0 ? 2 : 1);
        assert_int_equal(lane_state(f, "acme", id).order, CLOCK_START_MS + (i == 5 ? 60000 : 0));
    }
}

static void jobs_of_one_order_keep_their_own_priority(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 6000);
    lane_enqueue(f, "acme", "b-plain", NULL);
    clock_advance_ms(f, 60000);
    lane_enqueue(f, "acme", "a-prior", &(struct lane_record){.priority = 1});
    lane_redis(f, "HSET %s est:default 0.0625", lane_key(f, "org:acme"));

    lane_claim(f, &(struct lane_claim){.session = "w1", .want = 2});

    assert_int_equal(lane_state(f, "acme", "a-prior").order, lane_state(f, "acme", "b-plain").order);
    assert_int_equal(lane_state(f, "acme", "a-prior").priority, 1);
    assert_int_equal(lane_state(f, "acme", "b-plain").priority, 0);
}

static void GA_12_a_job_of_an_unknown_type_rests_and_takes_its_old_place_again(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 6000);
    lane_enqueue(f, "acme", "strange", &(struct lane_record){.type = "strange", .queue = "mail", .priority = 1});
    clock_advance_ms(f, 10);

    assert_int_equal(lane_claim(f, &(struct lane_claim){.session = "w1", .types = "test:1000", .queues = "mail"}).jobs, 0);

    assert_string_equal(lane_place(f, "acme", "strange"), "scheduled");
    assert_int_equal(lane_score(f, "org:acme:scheduled", "strange"), CLOCK_START_MS + 10 + REST_MS);
    struct lane_state s = lane_state(f, "acme", "strange");
    assert_int_equal(s.attempt + s.deliveries + s.crashes, 0);
    assert_int_equal(s.attempts, 0);
    clock_advance_ms(f, REST_MS);
    lane_call(f, "promote", "10");
    assert_int_equal(lane_score(f, "org:acme:ready:mail", "strange"), CLOCK_START_MS - 60000);
}

static void jobs_of_unknown_types_do_not_hide_known_ones(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 6000);
    lane_enqueue_many(f, "acme", "strange", 40, &(struct lane_record){.type = "strange"});
    lane_enqueue(f, "acme", "zz", NULL);

    struct lane_claimed got = {0};
    for (int calls = 0; calls < 3 && got.jobs == 0; calls++)
        got = lane_claim(f, &(struct lane_claim){.session = "w1", .types = "test:1000"});

    assert_int_equal(got.jobs, 1);
    assert_string_equal(got.job[0].id, "zz");
}

static void a_job_whose_time_has_passed_is_cancelled_instead(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 6000);
    lane_enqueue(f, "acme", "late", &(struct lane_record){.expires_ms = CLOCK_START_MS + 100, .key = "k"});
    lane_enqueue(f, "acme", "never", NULL);
    clock_advance_ms(f, 100);

    assert_string_equal(lane_claim_one(f, "w1").id, "never");

    assert_string_equal(lane_place(f, "acme", "late"), "cancelled");
    assert_string_equal(lane_state(f, "acme", "late").reason, "expired");
    assert_int_equal(lane_state(f, "acme", "late").deliveries, 0);
    assert_int_equal(lane_score(f, "org:acme:unique_until", "k"), CLOCK_START_MS + 100 + 86400000);
}

static void an_expired_job_leaves_in_time_also_where_keys_are_kept_shorter_than_jobs(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 6000);
    lane_call(f, "org_set", "tester acme keep_unique_ms 1000");
    lane_enqueue(f, "acme", "late", &(struct lane_record){.expires_ms = CLOCK_START_MS + 100, .key = "k"});
    clock_advance_ms(f, 100);

    lane_claim(f, &(struct lane_claim){.session = "w1"});

    assert_int_equal(lane_score(f, "expiring", "acme"), CLOCK_START_MS + 100 + 1000);
}

static void a_claim_takes_up_to_what_it_wants_across_organizations(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 6000);
    for (unsigned n = 0; n < 4; n++)
        lane_enqueue_many(f, lane_org(f, n), "job", 5, NULL);

    struct lane_claimed got = lane_claim(f, &(struct lane_claim){.session = "w1", .want = 12});

    assert_int_equal(got.jobs, 12);
    assert_int_equal(got.active, 4);
    for (unsigned n = 0; n < 4; n++)
        assert_int_equal(lane_count(f, fixture_text(f, "org:%s:running", lane_org(f, n))), 3);
}

static void queues_are_visited_in_the_order_given(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 6000);
    lane_enqueue_many(f, "acme", "mail", 2, &(struct lane_record){.queue = "mail"});
    lane_enqueue_many(f, "acme", "bulk", 2, &(struct lane_record){.queue = "bulk"});
    lane_enqueue_many(f, "acme", "other", 2, &(struct lane_record){.queue = "other"});

    struct lane_claimed got = lane_claim(f, &(struct lane_claim){.session = "w1", .want = 3, .queues = "bulk mail"});

    assert_int_equal(got.jobs, 3);
    assert_string_equal(got.job[0].id, "bulk0000");
    assert_string_equal(got.job[1].id, "bulk0001");
    assert_string_equal(got.job[2].id, "mail0000");
    assert_int_equal(got.active, 0); /* of bulk */
    got = lane_claim(f, &(struct lane_claim){.session = "w1", .want = 3, .queues = "default"});
    assert_int_equal(got.jobs, 0);
}

static void a_claim_is_a_beat(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 6000);
    clock_advance_ms(f, 3000);

    lane_claim(f, &(struct lane_claim){.session = "w1", .want_none = true});

    assert_int_equal(lane_score(f, "sessions", "w1"), CLOCK_START_MS + 9000);
    assert_string_equal(lane_field(f, "session:w1", "beat"), "2");
    assert_string_equal(lane_redis(f, "GET %s", lane_key(f, "beat:w1"))->str, "2");
}

static void a_claim_that_wants_nothing_takes_nothing(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 6000);
    lane_enqueue(f, "acme", "job1", NULL);

    struct lane_claimed got = lane_claim(f, &(struct lane_claim){.session = "w1", .want_none = true});

    assert_int_equal(got.jobs, 0);
    assert_int_equal(got.active, 1);
}

static void a_session_that_is_not_open_is_told_lost(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 6000);
    lane_call(f, "close", "w1 64");
    lane_enqueue(f, "acme", "job1", NULL);
    const char *before = lane_digest(f);

    assert_true(lane_claim(f, &(struct lane_claim){.session = "w1"}).lost);
    assert_true(lane_claim(f, &(struct lane_claim){.session = "never"}).lost);

    assert_string_equal(lane_digest(f), before);
}

static void a_repeated_claim_gives_the_same_jobs_again(void **state)
{
    struct fixture *f = *state;
    struct lane_claim claim = {.session = "w1", .want = 5, .token = "0123456789abcdef"};
    lane_open(f, "w1", 6000);
    for (unsigned n = 0; n < 3; n++)
        lane_enqueue_many(f, lane_org(f, n), "job", 4, NULL);
    struct lane_claimed first = lane_claim(f, &claim);
    long long v = first.v;

    struct lane_claimed again = lane_claim(f, &claim);

    assert_int_equal(again.jobs, 5);
    assert_int_equal(again.v, v);
    for (size_t i = 0; i < first.jobs; i++) {
        size_t k = 0;
        while (k < again.jobs && strcmp(again.job[k].name, first.job[i].name) != 0)
            k++;
        assert_true(k < again.jobs);
        assert_memory_equal(again.job[k].record.data, first.job[i].record.data, first.job[i].record.length);
        assert_memory_equal(again.job[k].state.data, first.job[i].state.data, first.job[i].state.length);
    }
    assert_int_equal(lane_redis(f, "HLEN %s", lane_key(f, "held:w1"))->integer, 5);
}

static void a_repeated_claim_is_a_beat_too(void **state)
{
    struct fixture *f = *state;
    struct lane_claim claim = {.session = "w1", .token = "0123456789abcdef"};
    lane_open(f, "w1", 6000);
    lane_claim(f, &claim);
    clock_advance_ms(f, 1000);

    lane_claim(f, &claim);

    assert_int_equal(lane_score(f, "sessions", "w1"), CLOCK_START_MS + 7000);
    assert_string_equal(lane_field(f, "session:w1", "beat"), "3");
}

static void a_repeated_claim_of_nothing_gives_nothing_although_there_is_work_now(void **state)
{
    struct fixture *f = *state;
    struct lane_claim claim = {.session = "w1", .token = "0123456789abcdef"};
    lane_open(f, "w1", 6000);
    lane_claim(f, &claim);
    lane_enqueue(f, "acme", "job1", NULL);

    struct lane_claimed again = lane_claim(f, &claim);

    assert_int_equal(again.jobs, 0);
    assert_int_equal(again.active, 1); /* which says: ask again */
}

static void a_token_may_hold_any_bytes(void **state)
{
    struct fixture *f = *state;
    static const char token[] = "\0\xff\r\n%s \x80\0'\"*{}\x01\x7f";
    struct lane_claim claim = {.session = "w1", .token = token};
    lane_open(f, "w1", 6000);
    lane_enqueue(f, "acme", "job1", NULL);

    struct lane_claimed got = lane_claim(f, &claim), again = lane_claim(f, &claim);

    assert_int_equal(got.jobs, 1);
    assert_int_equal(again.jobs, 1);
    assert_string_equal(lane_end(f, &got.job[0], "done"), "ok");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_oldest_job_is_claimed_first),
        cmocka_unit_test(a_claimed_job_is_running_and_held),
        cmocka_unit_test(a_job_is_claimed_by_one_session_only),
        cmocka_unit_test(the_time_out_is_the_jobs_own_or_that_of_its_type),
        cmocka_unit_test(jobs_of_one_visit_share_nothing_in_which_they_differ),
        cmocka_unit_test(jobs_of_one_order_keep_their_own_priority),
        cmocka_unit_test(GA_12_a_job_of_an_unknown_type_rests_and_takes_its_old_place_again),
        cmocka_unit_test(jobs_of_unknown_types_do_not_hide_known_ones),
        cmocka_unit_test(a_job_whose_time_has_passed_is_cancelled_instead),
        cmocka_unit_test(an_expired_job_leaves_in_time_also_where_keys_are_kept_shorter_than_jobs),
        cmocka_unit_test(a_claim_takes_up_to_what_it_wants_across_organizations),
        cmocka_unit_test(queues_are_visited_in_the_order_given),
        cmocka_unit_test(a_claim_is_a_beat),
        cmocka_unit_test(a_claim_that_wants_nothing_takes_nothing),
        cmocka_unit_test(a_session_that_is_not_open_is_told_lost),
        cmocka_unit_test(a_repeated_claim_gives_the_same_jobs_again),
        cmocka_unit_test(a_repeated_claim_is_a_beat_too),
        cmocka_unit_test(a_repeated_claim_of_nothing_gives_nothing_although_there_is_work_now),
        cmocka_unit_test(a_token_may_hold_any_bytes),
    };

    return RUN_IN_LANES("claim", tests);
}
