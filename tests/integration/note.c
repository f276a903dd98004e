/* note - what running jobs tell about themselves, by `note` and with the end of a lease; and the end of being handed back. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/lane.h"

#define CLAIM "w1 %b 0 0 1 default 0 1 * 60000"

/* A job "acme/job1" that session w1 runs. */
static struct lane_lease running_job(struct fixture *f)
{
    lane_open(f, "w1", 60000);
    lane_enqueue(f, "acme", "job1", NULL);
    return lane_claim_one(f, "w1");
}

/* One note of the job; the word that is answered. */
static const char *tell(struct fixture *f, const struct lane_lease *lease, const char *progress, const char *checkpoint,
                        const char *timeout_ms)
{
    const redisReply *reply = lane_call(f, "note", "w1 %s %b %b %b %s", lease->name, lease->token, (size_t)LANE_TOKEN_BYTES,
                                        progress, strlen(progress), checkpoint, strlen(checkpoint), timeout_ms);

    return reply_text(reply_element(reply, 0));
}

/* Ends the lease, which leaves a note; the word that is answered. */
static const char *end_with_note(struct fixture *f, const struct lane_lease *lease, const char *verdict, const char *progress,
                                 const char *checkpoint)
{
    const char *token = fixture_text(f, "token%011llu", (unsigned long long)++f->tokens);
    const redisReply *reply = lane_call(f, "finish", CLAIM " %s %b %b 0 %s + 1 note %b %b", token, (size_t)LANE_TOKEN_BYTES,
                                        lease->name, lease->token, (size_t)LANE_TOKEN_BYTES, verdict, strlen(verdict), "",
                                        progress, strlen(progress), checkpoint, strlen(checkpoint));

    return reply_text(reply_element(reply_element(reply, 5), 0));
}

static void progress_is_kept_with_the_time_it_was_told(void **state)
{
    struct fixture *f = *state;
    struct lane_lease lease = running_job(f);
    clock_advance_ms(f, 700);

    assert_string_equal(tell(f, &lease, "40 2 of 5 files", "", ""), "ok");

    struct lane_state s = lane_state(f, "acme", "job1");
    assert_int_equal(s.progress, 40);
    assert_string_equal(s.progress_text, "2 of 5 files");
    assert_int_equal(s.progress_ms, CLOCK_START_MS + 700);
    assert_null(s.checkpoint);
}

static void the_next_attempt_finds_the_checkpoint_and_no_progress(void **state)
{
    struct fixture *f = *state;
    struct lane_lease lease = running_job(f);
    tell(f, &lease, "40", "=page 7", "");
    lane_end(f, &lease, "retry 0 5");
    lane_call(f, "promote", "10");

    struct lane_lease again = lane_claim_one(f, "w1");

    struct lane_state s = lane_state_decode(f, again.state);
    assert_string_equal(s.checkpoint, "page 7");
    assert_null(s.progress_text);
}

static void a_checkpoint_that_comes_with_the_end_is_kept(void **state)
{
    struct fixture *f = *state;
    struct lane_lease lease = running_job(f);

    assert_string_equal(end_with_note(f, &lease, "retry 0 5", "99 nearly", "=page 8"), "ok");

    struct lane_state s = lane_state(f, "acme", "job1");
    assert_string_equal(s.checkpoint, "page 8");
    assert_int_equal(s.progress, 99);
}

static void an_empty_checkpoint_is_forgotten(void **state)
{
    struct fixture *f = *state;
    struct lane_lease lease = running_job(f);
    tell(f, &lease, "", "=page 7", "");
    tell(f, &lease, "5", "", "");
    assert_string_equal(lane_state(f, "acme", "job1").checkpoint, "page 7");

    tell(f, &lease, "", "=", "");

    assert_null(lane_state(f, "acme", "job1").checkpoint);
}

static void a_done_job_has_no_notes(void **state)
{
    struct fixture *f = *state;
    struct lane_lease lease = running_job(f);
    tell(f, &lease, "40", "=page 7", "");

    end_with_note(f, &lease, "done", "100", "=page 8");

    assert_null(lane_state(f, "acme", "job1").checkpoint);
    assert_null(lane_state(f, "acme", "job1").progress_text);
}

static void a_killed_workers_job_keeps_its_checkpoint(void **state)
{
    struct fixture *f = *state;
    struct lane_lease lease = running_job(f);
    tell(f, &lease, "", "=page 7", "");
    clock_advance_ms(f, 100000);

    lane_call(f, "recover", "w1 %s 64", lane_field(f, "session:w1", "beat"));

    assert_string_equal(lane_place(f, "acme", "job1"), "ready:default");
    assert_string_equal(lane_state(f, "acme", "job1").checkpoint, "page 7");
}

static void the_hard_deadline_is_only_put_off(void **state)
{
    struct fixture *f = *state;
    struct lane_lease lease = running_job(f);
    assert_int_equal(lane_score(f, "org:acme:running", "job1"), CLOCK_START_MS + 75000);
    clock_advance_ms(f, 1000);

    tell(f, &lease, "", "", "90000");
    assert_int_equal(lane_score(f, "org:acme:running", "job1"), CLOCK_START_MS + 105000);
    tell(f, &lease, "", "", "90000");
    tell(f, &lease, "", "", "1");
    assert_int_equal(lane_score(f, "org:acme:running", "job1"), CLOCK_START_MS + 105000);

    clock_advance_ms(f, 80000); /* beyond the first deadline, before the new one */
    assert_int_equal(reply_number(reply_element(lane_call(f, "beat", "w1"), 2)), 1);
    clock_advance_ms(f, 24000);
    assert_int_equal(reply_number(reply_element(lane_call(f, "beat", "w1"), 2)), 0);
}

static void only_the_owner_is_believed(void **state)
{
    struct fixture *f = *state;
    struct lane_lease lease = running_job(f), wrong = lease, strange = lease;
    const char *before = lane_digest(f);
    memcpy(wrong.token, "0123456789abcdef", LANE_TOKEN_BYTES);
    strange.name = "acme/nobody";

    assert_string_equal(tell(f, &wrong, "40", "=x", "90000"), "stale");
    assert_string_equal(tell(f, &strange, "40", "=x", "90000"), "stale");
    assert_string_equal(lane_digest(f), before);
    assert_string_equal(end_with_note(f, &wrong, "retry 0 5", "40", "=x"), "stale");
    assert_null(lane_state(f, "acme", "job1").checkpoint);
    lane_call(f, "close", "w1 64");
    assert_string_equal(tell(f, &lease, "40", "=x", ""), "lost");
    assert_null(lane_state(f, "acme", "job1").checkpoint);
}

static void what_is_too_long_is_refused(void **state)
{
    struct fixture *f = *state;
    struct lane_lease lease = running_job(f);
    char *long_text = calloc(1, 16386);
    memset(long_text, 'x', 16385);
    long_text[0] = '=';

    assert_string_equal(tell(f, &lease, "", long_text, ""), "ok");
    assert_int_equal(strlen(lane_state(f, "acme", "job1").checkpoint), 16384);
    const char *before = lane_digest(f);
    assert_error(lane_call(f, "note", "w1 acme/job1 %b %s %bx %s", lease.token, (size_t)LANE_TOKEN_BYTES, "", long_text,
                           (size_t)16385, ""),
                 "INVALID a checkpoint must be");
    long_text[257] = '\0';
    assert_error(lane_call(f, "note", "w1 acme/job1 %b %b %s %s", lease.token, (size_t)LANE_TOKEN_BYTES,
                           fixture_text(f, "5 %s", long_text), (size_t)259, "", ""),
                 "INVALID progress is");
    assert_string_equal(lane_digest(f), before);
    free(long_text);
}

/* ---- handed back for ever ---- */

static void who_is_handed_back_too_often_is_dead(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    lane_enqueue(f, "acme", "job1", NULL);
    for (int round = 0; round < 2; round++) {
        for (int delivery = 1; delivery <= 3; delivery++) {
            assert_string_equal(lane_place(f, "acme", "job1"), "ready:default");
            struct lane_lease lease = lane_claim_one(f, "w1");
            assert_string_equal(lane_end(f, &lease, "release 0 3"), "ok");
        }
        struct lane_state s = lane_state(f, "acme", "job1");
        assert_string_equal(lane_place(f, "acme", "job1"), "dead");
        assert_string_equal(s.reason, "deliveries");
        assert_int_equal(s.attempt, 0);
        assert_int_equal(s.deliveries, 3 * (round + 1));
        lane_call(f, "redrive", "tester acme job1"); /* from here on they are counted anew, and go on growing */
    }
}

static void a_handler_may_want_no_other_attempt_after_a_time_out(void **state)
{
    struct fixture *f = *state;
    struct lane_lease lease = running_job(f);

    lane_end(f, &lease, "timeout 0 0");

    struct lane_state s = lane_state(f, "acme", "job1");
    assert_string_equal(lane_place(f, "acme", "job1"), "dead");
    assert_string_equal(s.reason, "handler");
    assert_string_equal(s.tried[0].outcome, "timed_out");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(progress_is_kept_with_the_time_it_was_told),
        cmocka_unit_test(the_next_attempt_finds_the_checkpoint_and_no_progress),
        cmocka_unit_test(a_checkpoint_that_comes_with_the_end_is_kept),
        cmocka_unit_test(an_empty_checkpoint_is_forgotten),
        cmocka_unit_test(a_done_job_has_no_notes),
        cmocka_unit_test(a_killed_workers_job_keeps_its_checkpoint),
        cmocka_unit_test(the_hard_deadline_is_only_put_off),
        cmocka_unit_test(only_the_owner_is_believed),
        cmocka_unit_test(what_is_too_long_is_refused),
        cmocka_unit_test(who_is_handed_back_too_often_is_dead),
        cmocka_unit_test(a_handler_may_want_no_other_attempt_after_a_time_out),
    };

    return RUN_IN_LANES("note", tests);
}
