/* What is kept of jobs that have ended - records, attempts, idempotency keys - and for how long. */
#include <stdio.h>
#include <string.h>

#include "tests/support/lane.h"

#define HOUR_MS 3600000LL
#define DAY_MS  (24 * HOUR_MS)

/* Enqueues a job, runs it at once and ends it so. */
static void run(struct fixture *f, const char *id, const struct lane_record *record, const char *verdict)
{
    assert_string_equal(lane_enqueue(f, "acme", id, record), "new");
    struct lane_lease lease = lane_claim_one(f, "w1");
    assert_string_equal(lease.id, id);
    assert_string_equal(lane_end(f, &lease, verdict), "ok");
}

static void trim(struct fixture *f)
{
    lane_call(f, "trim", "500");
}

static bool is_known(struct fixture *f, const char *id)
{
    return lane_field(f, "org:acme:jobs", id) || lane_field(f, "org:acme:state", id) || *lane_place(f, "acme", id);
}

static void done_jobs_are_kept_for_an_hour(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    run(f, "job1", NULL, "done");
    assert_int_equal(lane_score(f, "expiring", "acme"), CLOCK_START_MS + HOUR_MS);

    clock_advance_ms(f, HOUR_MS - 1);
    trim(f);
    assert_true(is_known(f, "job1"));
    clock_advance_ms(f, 1);
    trim(f);
    assert_false(is_known(f, "job1"));
    assert_false(lane_has(f, "expiring", "acme"));
}

static void dead_jobs_are_kept_for_30_days(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    run(f, "job1", NULL, "dead");

    clock_advance_ms(f, 30 * DAY_MS - 1);
    trim(f);
    assert_true(is_known(f, "job1"));
    clock_advance_ms(f, 1);
    trim(f);
    assert_false(is_known(f, "job1"));
}

static void GA_18_retention_is_the_organizations_setting(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    lane_call(f, "org_set", "tester acme keep_done_ms 1000 keep_dead_ms 2000");
    run(f, "done", NULL, "done");
    run(f, "dead", NULL, "dead");

    clock_advance_ms(f, 1000);
    trim(f);
    assert_false(is_known(f, "done"));
    assert_true(is_known(f, "dead"));
    clock_advance_ms(f, 1000);
    trim(f);
    assert_false(is_known(f, "dead"));
}

static void a_setting_that_is_shortened_counts_for_what_is_there(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    run(f, "job1", NULL, "done");

    lane_call(f, "org_set", "tester acme keep_done_ms 1000");

    assert_int_equal(lane_score(f, "expiring", "acme"), CLOCK_START_MS + 1000);
}

static void without_retention_a_done_job_is_forgotten_at_once(void **state)
{
    struct fixture *f = *state;
    static const char *const settings[] = {"keep_done_ms", "keep_done_max"};

    lane_open(f, "w1", 60000);
    for (int i = 0; i < 2; i++) {
        lane_call(f, "org_set", "tester acme %s 0", settings[i]);
        run(f, "job1", NULL, "done");
        assert_false(is_known(f, "job1"));
        run(f, "job1", NULL, "discard");
        assert_false(is_known(f, "job1"));
        run(f, fixture_text(f, "dead%d", i), NULL, "dead");
        assert_true(is_known(f, fixture_text(f, "dead%d", i)));
        lane_call(f, "org_set", "tester acme %s %s", settings[i], "");
    }
}

static void without_retention_a_cancelled_job_is_forgotten_too(void **state)
{
    struct fixture *f = *state;
    lane_call(f, "org_set", "tester acme keep_done_max 0");
    lane_enqueue(f, "acme", "job1", NULL);

    assert_reply(lane_call(f, "cancel", "tester acme job1"), "cancelled");

    assert_false(is_known(f, "job1"));
}

static void the_oldest_done_jobs_make_room(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    lane_call(f, "org_set", "tester acme keep_done_max 3 keep_dead_max 2");
    for (int i = 0; i < 5; i++) {
        run(f, fixture_text(f, "done%d", i), NULL, "done");
        run(f, fixture_text(f, "dead%d", i), NULL, "dead");
        clock_advance_ms(f, 1);
    }

    assert_int_equal(lane_count(f, "org:acme:done"), 3);
    assert_int_equal(lane_count(f, "org:acme:dead"), 2);
    assert_false(is_known(f, "done1"));
    assert_true(is_known(f, "done2"));
    assert_false(is_known(f, "dead2"));
    assert_true(is_known(f, "dead3"));
}

static void the_last_hundred_attempts_are_kept(void **state)
{
    struct fixture *f = *state;
    f->check_each = false;
    lane_open(f, "w1", 60000);
    lane_enqueue(f, "acme", "job1", NULL);

    for (int i = 0; i < 105; i++) {
        struct lane_lease lease = lane_claim_one(f, "w1");
        assert_string_equal(lane_end(f, &lease, "retry 0 1000"), "ok");
        lane_call(f, "promote", "1");
    }

    struct lane_state s = lane_state(f, "acme", "job1");
    assert_int_equal(s.attempt, 105);
    assert_int_equal(s.attempts, 100);
    assert_int_equal(s.tried[0].number, 6);
    assert_int_equal(s.tried[99].number, 105);
}

/* ---- Idempotency keys ---- */

static const struct lane_record keyed = {.key = "k"};

static void a_key_lives_on_for_a_day_after_each_kind_of_end(void **state)
{
    struct fixture *f = *state;
    static const char *const verdicts[] = {"done", "discard", "dead", "retry 0 1"};

    lane_open(f, "w1", 60000);
    for (size_t i = 0; i < sizeof verdicts / sizeof verdicts[0]; i++) {
        const char *id = fixture_text(f, "job%zu", i);
        run(f, id, &keyed, verdicts[i]);
        clock_advance_ms(f, DAY_MS - 1);
        trim(f);
        assert_string_equal(lane_enqueue(f, "acme", "again", &keyed), fixture_text(f, "coalesced %s", id));
        clock_advance_ms(f, 1);
        trim(f);
        lane_call(f, "beat", "w1");
    }
    assert_string_equal(lane_enqueue(f, "acme", "again", &keyed), "new");
}

static void the_key_of_a_forgotten_job_lives_on(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    lane_call(f, "org_set", "tester acme keep_done_ms 0");
    run(f, "job1", &keyed, "done");
    assert_false(is_known(f, "job1"));

    assert_string_equal(lane_enqueue(f, "acme", "job2", &keyed), "coalesced job1");

    clock_advance_ms(f, DAY_MS);
    trim(f);
    assert_string_equal(lane_enqueue(f, "acme", "job2", &keyed), "new");
}

static void a_key_that_is_not_kept_is_free_at_the_next_trim(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    lane_call(f, "org_set", "tester acme keep_unique_ms 0");
    run(f, "job1", &keyed, "done");

    trim(f);

    assert_string_equal(lane_enqueue(f, "acme", "job2", &keyed), "new");
}

static void a_key_does_not_end_while_its_job_tries_again(void **state)
{
    struct fixture *f = *state;
    static const char *const verdicts[] = {"retry 1000 5", "release", "release 1000", "crash 1000 5", "timeout 1000 5"};

    lane_open(f, "w1", 60000);
    lane_enqueue(f, "acme", "job1", &keyed);
    for (size_t i = 0; i < sizeof verdicts / sizeof verdicts[0]; i++) {
        struct lane_lease lease = lane_claim_one(f, "w1");
        lane_end(f, &lease, verdicts[i]);
        assert_int_equal(lane_count(f, "org:acme:unique_until"), 0);
        assert_string_equal(lane_enqueue(f, "acme", "again", &keyed), "coalesced job1");
        clock_advance_ms(f, 1000);
        lane_call(f, "promote", "1");
    }
}

static void the_key_of_a_cancelled_or_deleted_job_ends_too(void **state)
{
    struct fixture *f = *state;
    lane_enqueue(f, "acme", "job1", &(struct lane_record){.key = "k1"});
    lane_enqueue(f, "acme", "job2", &(struct lane_record){.key = "k2"});
    lane_enqueue(f, "acme", "job3", &(struct lane_record){.key = "k3", .delay_ms = 1000});

    lane_call(f, "cancel", "tester acme job1");
    lane_call(f, "delete", "tester acme job2 job3");

    for (int i = 1; i <= 3; i++)
        assert_int_equal(lane_score(f, "org:acme:unique_until", fixture_text(f, "k%d", i)), CLOCK_START_MS + DAY_MS);
}

static void the_key_of_a_redriven_job_lives_as_long_as_the_job(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    run(f, "job1", &keyed, "dead");

    lane_call(f, "redrive", "tester acme job1");

    assert_int_equal(lane_count(f, "org:acme:unique_until"), 0);
    clock_advance_ms(f, 2 * DAY_MS);
    trim(f);
    assert_string_equal(lane_enqueue(f, "acme", "job2", &keyed), "coalesced job1");
}

static void a_job_redriven_after_its_key_was_forgotten_has_none(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    run(f, "job1", &keyed, "dead");
    clock_advance_ms(f, DAY_MS);
    trim(f);

    assert_reply(reply_element(lane_call(f, "redrive", "tester acme job1"), 0), "ready");

    assert_string_equal(lane_enqueue(f, "acme", "job2", &keyed), "new");
}

static void a_job_does_not_end_a_key_that_another_one_has_now(void **state)
{
    struct fixture *f = *state;
    static const char *const verdicts[] = {"done", "dead", "discard", "cancel", "delete"};
    f->check_each = false;

    for (size_t i = 0; i < sizeof verdicts / sizeof verdicts[0]; i++) {
        fixture_reset(f);
        lane_open(f, "w1", 60000);
        run(f, "job1", &keyed, "dead");
        clock_advance_ms(f, DAY_MS);
        trim(f);
        lane_enqueue(f, "acme", "job2", &(struct lane_record){.key = "k", .delay_ms = 10 * DAY_MS});
        lane_call(f, "redrive", "tester acme job1");

        if (i < 3) {
            struct lane_lease lease = lane_claim_one(f, "w1");
            assert_string_equal(lane_end(f, &lease, verdicts[i]), "ok");
        } else {
            lane_call(f, verdicts[i], "acme job1");
        }

        assert_int_equal(lane_count(f, "org:acme:unique_until"), 0);
        clock_advance_ms(f, 2 * DAY_MS);
        trim(f);
        assert_string_equal(lane_enqueue(f, "acme", "job3", &keyed), "coalesced job2");
    }
}

static void a_key_ends_with_its_job_although_its_former_job_ends_in_the_same_call(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    run(f, "job1", &keyed, "dead");
    clock_advance_ms(f, DAY_MS);
    trim(f);
    lane_enqueue(f, "acme", "job2", &keyed);
    clock_advance_ms(f, 1); /* so that job1 is the last */
    lane_call(f, "redrive", "tester acme job1");
    lane_call(f, "org_set", "tester acme max_crashes 1");

    for (int jobs = 0; jobs < 2; jobs++)
        lane_claim_one(f, "w1");
    clock_advance_ms(f, 100000);
    assert_reply(reply_element(lane_call(f, "recover", "w1 %s 64", lane_field(f, "session:w1", "beat")), 0), "ok");

    assert_int_equal(lane_count(f, "org:acme:dead"), 2);
    assert_int_equal(lane_count(f, "org:acme:unique_until"), 1);
}

static void a_retry_does_not_change_when_a_job_was_enqueued(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    lane_enqueue(f, "acme", "job1", &(struct lane_record){.priority = 2});
    clock_advance_ms(f, 5000);

    struct lane_lease lease = lane_claim_one(f, "w1");
    lane_end(f, &lease, "retry 1000 5");

    assert_int_equal(lane_state(f, "acme", "job1").enqueued_ms, CLOCK_START_MS);
}

static void jobs_of_one_moment_are_all_kept_and_all_trimmed(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    lane_call(f, "org_set", "tester acme keep_done_ms 1000");
    lane_enqueue_many(f, "acme", "job", 64, NULL);
    for (int i = 0; i < 2; i++) {
        struct lane_claimed got = lane_claim(f, &(struct lane_claim){.session = "w1", .want = 32});
        struct lane_end ends[32];
        for (size_t n = 0; n < 32; n++)
            ends[n] = (struct lane_end){.lease = &got.job[n]};
        lane_finish(f, &(struct lane_claim){.session = "w1", .want_none = true}, ends, 32);
    }
    assert_int_equal(lane_count(f, "org:acme:done"), 64);
    clock_advance_ms(f, 1000);

    trim(f);

    assert_int_equal(lane_redis(f, "HLEN %s", lane_key(f, "org:acme:jobs"))->integer, 0);
    assert_int_equal(lane_redis(f, "HLEN %s", lane_key(f, "org:acme:state"))->integer, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(done_jobs_are_kept_for_an_hour),
        cmocka_unit_test(dead_jobs_are_kept_for_30_days),
        cmocka_unit_test(GA_18_retention_is_the_organizations_setting),
        cmocka_unit_test(a_setting_that_is_shortened_counts_for_what_is_there),
        cmocka_unit_test(without_retention_a_done_job_is_forgotten_at_once),
        cmocka_unit_test(without_retention_a_cancelled_job_is_forgotten_too),
        cmocka_unit_test(the_oldest_done_jobs_make_room),
        cmocka_unit_test(the_last_hundred_attempts_are_kept),
        cmocka_unit_test(a_key_lives_on_for_a_day_after_each_kind_of_end),
        cmocka_unit_test(the_key_of_a_forgotten_job_lives_on),
        cmocka_unit_test(a_key_that_is_not_kept_is_free_at_the_next_trim),
        cmocka_unit_test(a_key_does_not_end_while_its_job_tries_again),
        cmocka_unit_test(the_key_of_a_cancelled_or_deleted_job_ends_too),
        cmocka_unit_test(the_key_of_a_redriven_job_lives_as_long_as_the_job),
        cmocka_unit_test(a_job_redriven_after_its_key_was_forgotten_has_none),
        cmocka_unit_test(a_job_does_not_end_a_key_that_another_one_has_now),
        cmocka_unit_test(a_key_ends_with_its_job_although_its_former_job_ends_in_the_same_call),
        cmocka_unit_test(jobs_of_one_moment_are_all_kept_and_all_trimmed),
        cmocka_unit_test(a_retry_does_not_change_when_a_job_was_enqueued),
    };

    return RUN_IN_LANES("ends", tests);
}
