/* finish - each verdict and where it sends a job. Who may end a lease: leases.c. What is kept of ended jobs: ends.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/lane.h"

/* A job "acme/job1" of priority 2 that session w1 runs since CLOCK_START_MS + 100; now is 50 ms later. */
static struct lane_lease running_job(struct fixture *f)
{
    lane_open(f, "w1", 60000);
    lane_enqueue(f, "acme", "job1", &(struct lane_record){.priority = 2});
    clock_advance_ms(f, 100);
    struct lane_lease lease = lane_claim_one(f, "w1");
    clock_advance_ms(f, 50);
    return lease;
}

#define ORDER   (CLOCK_START_MS - 2 * 60000)
#define STARTED (CLOCK_START_MS + 100)
#define ENDED   (CLOCK_START_MS + 150)

static void assert_attempt(const struct lane_state *s, size_t index, long long number, const char *outcome)
{
    assert_true(index < s->attempts);
    assert_int_equal(s->tried[index].number, number);
    assert_string_equal(s->tried[index].outcome, outcome);
    assert_string_equal(s->tried[index].worker, "w1");
}

static void done_keeps_the_job_without_its_payload(void **state)
{
    struct fixture *f = *state;
    struct lane_lease lease = running_job(f);

    assert_string_equal(lane_end(f, &lease, "done"), "ok");

    assert_string_equal(lane_place(f, "acme", "job1"), "done");
    assert_int_equal(lane_score(f, "org:acme:done", "job1"), ENDED);
    assert_null(lane_field(f, "held:w1", "acme/job1"));
    const redisReply *record = lane_redis(f, "HGET %s job1", lane_key(f, "org:acme:jobs"));
    assert_int_equal(record->len, lease.record.length - strlen("\xa7payload"));
    assert_memory_equal(record->str + 1, lease.record.data + 1, record->len - 1);
    struct lane_state s = lane_state(f, "acme", "job1");
    assert_int_equal(s.attempt, 1);
    assert_int_equal(s.attempts, 1);
    assert_attempt(&s, 0, 1, "done");
    assert_int_equal(s.tried[0].started_ms, STARTED);
    assert_int_equal(s.tried[0].ended_ms, ENDED);
}

static void a_report_is_kept_byte_for_byte(void **state)
{
    struct fixture *f = *state;
    struct lane_lease lease = running_job(f);
    char report[512];
    for (size_t i = 0; i < sizeof report; i++)
        report[i] = (char)(i % 256);

    lane_finish(f, &(struct lane_claim){.session = "w1", .want_none = true},
                &(struct lane_end){.lease = &lease, .report = {report, sizeof report}}, 1);

    struct lane_state s = lane_state(f, "acme", "job1");
    assert_int_equal(s.tried[0].report.length, sizeof report);
    assert_memory_equal(s.tried[0].report.data, report, sizeof report);
}

static void discard_ends_well_too(void **state)
{
    struct fixture *f = *state;
    struct lane_lease lease = running_job(f);

    assert_string_equal(lane_end(f, &lease, "discard"), "ok");

    assert_string_equal(lane_place(f, "acme", "job1"), "done");
    struct lane_state s = lane_state(f, "acme", "job1");
    assert_attempt(&s, 0, 1, "discarded");
}

static void dead_goes_to_the_dead_letters_at_once_with_its_payload(void **state)
{
    struct fixture *f = *state;
    struct lane_lease lease = running_job(f);

    assert_string_equal(lane_end(f, &lease, "dead"), "ok");

    assert_string_equal(lane_place(f, "acme", "job1"), "dead");
    assert_int_equal(lane_score(f, "org:acme:dead", "job1"), ENDED);
    assert_int_equal(lane_redis(f, "HSTRLEN %s job1", lane_key(f, "org:acme:jobs"))->integer, (long long)lease.record.length);
    struct lane_state s = lane_state(f, "acme", "job1");
    assert_string_equal(s.reason, "handler");
    assert_int_equal(s.attempt, 1);
    assert_attempt(&s, 0, 1, "failed");
}

static void release_gives_back_uncounted_in_the_old_order(void **state)
{
    struct fixture *f = *state;
    struct lane_lease lease = running_job(f);

    assert_string_equal(lane_end(f, &lease, "release"), "ok");

    assert_string_equal(lane_place(f, "acme", "job1"), "ready:default");
    assert_int_equal(lane_score(f, "org:acme:ready:default", "job1"), ORDER);
    struct lane_state s = lane_state(f, "acme", "job1");
    assert_int_equal(s.attempt, 0);
    assert_int_equal(s.crashes, 0);
    assert_int_equal(s.deliveries, 1);
    assert_attempt(&s, 0, 1, "released");
}

static void release_with_a_delay_rests_and_keeps_its_order(void **state)
{
    struct fixture *f = *state;
    struct lane_lease lease = running_job(f);

    assert_string_equal(lane_end(f, &lease, "release 700"), "ok");

    assert_string_equal(lane_place(f, "acme", "job1"), "scheduled");
    assert_int_equal(lane_score(f, "org:acme:scheduled", "job1"), ENDED + 700);
    clock_advance_ms(f, 700);
    lane_call(f, "promote", "1");
    assert_int_equal(lane_score(f, "org:acme:ready:default", "job1"), ORDER);
    assert_int_equal(lane_state(f, "acme", "job1").attempt, 0);
}

static void retry_is_scheduled_and_takes_its_place_anew(void **state)
{
    struct fixture *f = *state;
    struct lane_lease lease = running_job(f);

    assert_string_equal(lane_end(f, &lease, "retry 700 3"), "ok");

    assert_string_equal(lane_place(f, "acme", "job1"), "scheduled");
    assert_int_equal(lane_score(f, "org:acme:scheduled", "job1"), ENDED + 700);
    struct lane_state s = lane_state(f, "acme", "job1");
    assert_int_equal(s.attempt, 1);
    assert_int_equal(s.order, ENDED + 700 - 2 * 60000);
    assert_attempt(&s, 0, 1, "failed");
}

static void the_last_attempt_is_followed_by_death(void **state)
{
    struct fixture *f = *state;
    struct lane_lease lease = running_job(f);

    for (int attempt = 1; attempt < 3; attempt++) {
        assert_string_equal(lane_end(f, &lease, "retry 0 3"), "ok");
        lane_call(f, "promote", "1");
        lease = lane_claim_one(f, "w1");
    }
    assert_string_equal(lane_end(f, &lease, "retry 0 3"), "ok");

    assert_string_equal(lane_place(f, "acme", "job1"), "dead");
    struct lane_state s = lane_state(f, "acme", "job1");
    assert_string_equal(s.reason, "attempts");
    assert_int_equal(s.attempt, 3);
    assert_int_equal(s.deliveries, 3);
    assert_attempt(&s, 2, 3, "failed");
}

static void a_timeout_is_a_failed_attempt_by_another_name(void **state)
{
    struct fixture *f = *state;
    struct lane_lease lease = running_job(f);

    assert_string_equal(lane_end(f, &lease, "timeout 0 2"), "ok");
    lane_call(f, "promote", "1");
    struct lane_state s = lane_state(f, "acme", "job1");
    assert_attempt(&s, 0, 1, "timed_out");
    lease = lane_claim_one(f, "w1");
    assert_string_equal(lane_end(f, &lease, "timeout 0 2"), "ok");

    assert_string_equal(lane_place(f, "acme", "job1"), "dead");
    assert_int_equal(lane_state(f, "acme", "job1").crashes, 0);
}

static void a_crash_counts_as_attempt_and_as_crash(void **state)
{
    struct fixture *f = *state;
    struct lane_lease lease = running_job(f);

    assert_string_equal(lane_end(f, &lease, "crash 0 25"), "ok");

    struct lane_state s = lane_state(f, "acme", "job1");
    assert_int_equal(s.attempt, 1);
    assert_int_equal(s.crashes, 1);
    assert_attempt(&s, 0, 1, "crashed");
    for (int crash = 2; crash <= 3; crash++) {
        lane_call(f, "promote", "1");
        lease = lane_claim_one(f, "w1");
        assert_string_equal(lane_end(f, &lease, "crash 0 25"), "ok");
    }
    assert_string_equal(lane_place(f, "acme", "job1"), "dead");
    assert_string_equal(lane_state(f, "acme", "job1").reason, "crashes");
}

static void crashes_allowed_are_the_organizations_setting(void **state)
{
    struct fixture *f = *state;
    struct lane_lease lease = running_job(f);
    lane_call(f, "org_set", "tester acme max_crashes 1");

    lane_end(f, &lease, "crash 0 25");

    assert_string_equal(lane_place(f, "acme", "job1"), "dead");
}

static void crashes_also_use_up_attempts(void **state)
{
    struct fixture *f = *state;
    struct lane_lease lease = running_job(f);

    lane_end(f, &lease, "crash 0 1");

    assert_string_equal(lane_state(f, "acme", "job1").reason, "attempts");
}

static void a_cancelled_job_is_cancelled_however_it_ends_except_by_success(void **state)
{
    struct fixture *f = *state;
    static const char *const verdicts[][2] = {
        {"retry 1000 5", "cancelled"}, {"timeout 1000 5", "cancelled"}, {"crash 1000 5", "cancelled"}, {"dead", "cancelled"},
        {"release", "cancelled"},      {"release 5000", "cancelled"},   {"retry 0 1", "cancelled"},    {"done", "done"},
        {"discard", "done"},
    };

    lane_open(f, "w1", 60000);
    for (size_t i = 0; i < sizeof verdicts / sizeof verdicts[0]; i++) {
        const char *id = fixture_text(f, "job%zu", i);
        lane_enqueue(f, "acme", id, NULL);
        struct lane_lease lease = lane_claim_one(f, "w1");
        assert_reply(lane_call(f, "cancel", "tester acme %s", id), "cancelling");

        assert_string_equal(lane_end(f, &lease, verdicts[i][0]), "ok");

        assert_string_equal(lane_place(f, "acme", id), verdicts[i][1]);
        if (!strcmp(verdicts[i][1], "cancelled"))
            assert_string_equal(lane_state(f, "acme", id).reason, "operator");
    }
}

static void words_that_are_no_verdict_are_refused(void **state)
{
    struct fixture *f = *state;
    static const char *const bad[] = {"",
                                      "Done",
                                      "done 5",
                                      "dead 1",
                                      "discard 1",
                                      "release -1",
                                      "retry",
                                      "retry 5",
                                      "retry 5 1001",
                                      "retry -5 5",
                                      "retry 5 5 5",
                                      "retry a b",
                                      "lost",
                                      "crash",
                                      "timeout 5",
                                      "retry 4398046511105 5",
                                      "release 1.5",
                                      "retry  5 5",
                                      "retry10 5",
                                      "release007",
                                      "release 5 1011",
                                      "release 5 5 5",
                                      "done ",
                                      " done",
                                      "retry 5 00000000000000000000000000000000005"};
    struct lane_lease lease = running_job(f);
    const char *before = lane_digest(f);

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        redisReply *reply = lane_call(f, "finish", "w1 0123456789abcdef 0 0 1 default 0 1 * 1000 acme/job1 %b %s 0 %s",
                                      lease.token, (size_t)LANE_TOKEN_BYTES, bad[i], "");
        if (reply->type != REDIS_REPLY_ERROR)
            fail_msg("\"%s\" was accepted", bad[i]);
        assert_error(reply, "INVALID");
    }
    assert_string_equal(lane_digest(f), before);
}

static void a_report_has_128_kib_for_a_result_and_4_kib_otherwise(void **state)
{
    struct fixture *f = *state;
    struct lane_lease lease = running_job(f);
    char *report = calloc(1, 131073);
    const char *arguments = "w1 %b 0 0 1 default 0 1 * 1000 acme/job1 %b %b 0 %b";
    static const struct {
        const char *verdict;
        size_t bytes_max;
    } rows[] = {{"retry 0 9", 4096}, {"release", 4096}, {"dead", 4096}, {"done", 131072}};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *token = fixture_text(f, "%016zu", i);
        size_t verdict_bytes = strlen(rows[i].verdict);
        assert_error(lane_call(f, "finish", arguments, token, (size_t)LANE_TOKEN_BYTES, lease.token, (size_t)LANE_TOKEN_BYTES,
                               rows[i].verdict, verdict_bytes, report, rows[i].bytes_max + 1),
                     "INVALID a report of");
        const redisReply *reply = lane_call(f, "finish", arguments, token, (size_t)LANE_TOKEN_BYTES, lease.token,
                                            (size_t)LANE_TOKEN_BYTES, rows[i].verdict, verdict_bytes, report, rows[i].bytes_max);
        assert_reply(reply_element(reply_element(reply, 5), 0), "ok");
        lane_call(f, "redrive", "tester acme job1");
        lane_call(f, "promote", "1");
        if (i + 1 < sizeof rows / sizeof rows[0])
            lease = lane_claim_one(f, "w1");
    }
    free(report);
}

/* What a claim reads and answers is bounded, also where jobs have been tried often with long errors. */
static void a_claim_counts_what_jobs_remember(void **state)
{
    struct fixture *f = *state;
    char *report = calloc(1, 4096);
    lane_open(f, "w1", 60000);
    lane_enqueue_many(f, "acme", "job", 4, NULL);
    f->check_each = false;
    for (int attempt = 0; attempt < 100; attempt++) {
        struct lane_claimed got = {0};
        struct lane_end ends[4];
        for (size_t jobs = 0; jobs < 4; jobs += got.jobs) {
            got = lane_claim(f, &(struct lane_claim){.session = "w1", .want = 4});
            assert_in_range(got.jobs, 1, attempt < 66 ? 4 : 3); /* 4 KiB for each attempt of each job: 1 MiB at 64 */
            for (size_t i = 0; i < got.jobs; i++)
                ends[i] = (struct lane_end){.lease = &got.job[i], .verdict = "retry 0 1000", .report = {report, 4096}};
            lane_finish(f, &(struct lane_claim){.session = "w1", .want_none = true}, ends, got.jobs);
        }
        lane_call(f, "promote", "4");
        fixture_sweep(f);
    }
    free(report);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(done_keeps_the_job_without_its_payload),
        cmocka_unit_test(a_report_is_kept_byte_for_byte),
        cmocka_unit_test(discard_ends_well_too),
        cmocka_unit_test(dead_goes_to_the_dead_letters_at_once_with_its_payload),
        cmocka_unit_test(release_gives_back_uncounted_in_the_old_order),
        cmocka_unit_test(release_with_a_delay_rests_and_keeps_its_order),
        cmocka_unit_test(retry_is_scheduled_and_takes_its_place_anew),
        cmocka_unit_test(the_last_attempt_is_followed_by_death),
        cmocka_unit_test(a_timeout_is_a_failed_attempt_by_another_name),
        cmocka_unit_test(a_crash_counts_as_attempt_and_as_crash),
        cmocka_unit_test(crashes_allowed_are_the_organizations_setting),
        cmocka_unit_test(crashes_also_use_up_attempts),
        cmocka_unit_test(a_cancelled_job_is_cancelled_however_it_ends_except_by_success),
        cmocka_unit_test(words_that_are_no_verdict_are_refused),
        cmocka_unit_test(a_report_has_128_kib_for_a_result_and_4_kib_otherwise),
        cmocka_unit_test(a_claim_counts_what_jobs_remember),
    };

    return RUN_IN_LANES("finish", tests);
}
