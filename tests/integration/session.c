/* open, beat, close - a session and what it holds. Sessions that died: recover.c. */
#include <stdio.h>
#include <string.h>

#include "tests/support/lane.h"

static void a_session_opens_once(void **state)
{
    struct fixture *f = *state;

    assert_reply(lane_call(f, "open", "w1 worker 6000 2000"), "ok");
    assert_reply(lane_call(f, "open", "w1 worker 6000 2000"), "exists");

    assert_int_equal(lane_score(f, "sessions", "w1"), CLOCK_START_MS + 6000);
    assert_string_equal(lane_field(f, "session:w1", "kind"), "worker");
    assert_string_equal(lane_field(f, "session:w1", "timeout_ms"), "6000");
    assert_string_equal(lane_field(f, "session:w1", "beat_ms"), "2000");
    assert_string_equal(lane_field(f, "session:w1", "beat"), "1");
    assert_string_equal(lane_redis(f, "GET %s", lane_key(f, "beat:w1"))->str, "1");
    assert_in_range(lane_redis(f, "PTTL %s", lane_key(f, "beat:w1"))->integer, 1, 6000);
}

static void opening_again_changes_nothing(void **state)
{
    struct fixture *f = *state;
    lane_call(f, "open", "w1 worker 6000 2000");
    clock_advance_ms(f, 100);
    const char *before = lane_digest(f);

    assert_reply(lane_call(f, "open", "w1 worker 9000 1000"), "exists");

    assert_string_equal(lane_digest(f), before);
}

static void a_session_that_ended_cannot_be_opened_while_it_holds_jobs(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 6000);
    lane_enqueue_many(f, "acme", "job", 2, NULL);
    lane_claim(f, &(struct lane_claim){.session = "w1", .want = 2});

    assert_int_equal(lane_call(f, "close", "w1 1")->integer, 1);
    assert_reply(lane_call(f, "open", "w1 worker 6000 2000"), "ended");
    assert_int_equal(lane_call(f, "close", "w1 1")->integer, 0);
    assert_reply(lane_call(f, "open", "w1 worker 6000 2000"), "ok");
}

static void sessions_outside_the_grammar_are_refused(void **state)
{
    struct fixture *f = *state;
    static const char *const bad[] = {"W1 worker 6000 2000",
                                      "w/1 worker 6000 2000",
                                      "w1 boss 6000 2000",
                                      "w1 worker 999 100",
                                      "w1 worker 3600001 1000",
                                      "w1 worker 6000 2001",
                                      "w1 worker 6000 0",
                                      "w1 worker 6000 x",
                                      "w1 worker 6000",
                                      "w1 worker",
                                      "w1",
                                      "w1234567890123456789012345678901234567890123456789012345678901234 worker 6000 2000"};
    const char *before = lane_digest(f);

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_error(lane_call(f, "open", bad[i]), "INVALID");
    assert_error(lane_call(f, "open", "%s worker 6000 2000", ""), "INVALID");

    assert_string_equal(lane_digest(f), before);
    assert_reply(lane_call(f, "open", "w123456789012345678901234567890123456789012345678901234567890123 worker 1000 333"), "ok");
}

static void a_beat_moves_the_deadline(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 6000);
    clock_advance_ms(f, 2000);

    const redisReply *reply = lane_call(f, "beat", "w1");

    assert_reply(reply_element(reply, 0), "ok");
    assert_int_equal(reply_number(reply_element(reply, 1)), CLOCK_START_MS + 2000);
    assert_int_equal(reply_number(reply_element(reply, 2)), 0);
    assert_int_equal(reply_element(reply, 3)->elements, 0);
    assert_int_equal(lane_score(f, "sessions", "w1"), CLOCK_START_MS + 8000);
    assert_string_equal(lane_field(f, "session:w1", "beat"), "2");
}

static void a_beat_after_a_clock_step_back_heals_the_deadline(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 6000);
    clock_advance_ms(f, -3600000);

    lane_call(f, "beat", "w1");

    assert_int_equal(lane_score(f, "sessions", "w1"), CLOCK_START_MS - 3600000 + 6000);
}

static void a_beat_of_a_closed_session_is_lost(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 6000);
    lane_call(f, "close", "w1 64");
    const char *before = lane_digest(f);

    assert_reply(reply_element(lane_call(f, "beat", "w1"), 0), "lost");
    assert_reply(reply_element(lane_call(f, "beat", "never"), 0), "lost");

    assert_string_equal(lane_digest(f), before);
}

static void a_beat_tells_how_many_leases_are_held(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 6000);
    lane_enqueue_many(f, "acme", "job", 5, NULL);
    lane_claim(f, &(struct lane_claim){.session = "w1", .want = 3});

    assert_int_equal(reply_number(reply_element(lane_call(f, "beat", "w1"), 2)), 3);
}

static void a_beat_tells_which_jobs_were_cancelled(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 6000);
    lane_enqueue_many(f, "acme", "job", 3, NULL);
    lane_claim(f, &(struct lane_claim){.session = "w1", .want = 3});
    lane_call(f, "cancel", "tester acme job0001");

    const redisReply *first = reply_element(lane_call(f, "beat", "w1"), 3);
    const redisReply *second = reply_element(lane_call(f, "beat", "w1"), 3);

    assert_int_equal(first->elements, 1);
    assert_reply(reply_element(first, 0), "acme/job0001");
    assert_reply(reply_element(second, 0), "acme/job0001"); /* until it has ended */
}

static void one_beat_tells_of_64_cancelled_jobs_at_most(void **state)
{
    struct fixture *f = *state;
    f->check_each = false;
    lane_open(f, "w1", 6000);
    lane_enqueue_many(f, "acme", "job", 70, NULL);
    for (int i = 0; i < 3; i++)
        lane_claim(f, &(struct lane_claim){.session = "w1", .want = 32});
    for (int i = 0; i < 70; i++)
        assert_reply(lane_call(f, "cancel", "tester acme job%04d", i), "cancelling");

    assert_int_equal(reply_element(lane_call(f, "beat", "w1"), 3)->elements, 64);
}

static void a_job_over_its_hard_deadline_is_taken_from_a_living_worker(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 6000);
    lane_enqueue(f, "acme", "job1", NULL);
    struct lane_lease lease = lane_claim(f, &(struct lane_claim){.session = "w1", .types = "*:1000"}).job[0];
    clock_advance_ms(f, 1000 + 15000 - 1);
    assert_int_equal(reply_number(reply_element(lane_call(f, "beat", "w1"), 2)), 1);
    clock_advance_ms(f, 1);

    const redisReply *reply = lane_call(f, "beat", "w1");

    assert_reply(reply_element(reply, 0), "ok");
    assert_int_equal(reply_number(reply_element(reply, 2)), 0);
    assert_string_equal(lane_place(f, "acme", "job1"), "scheduled");
    assert_int_equal(lane_score(f, "org:acme:scheduled", "job1"), clock_ms(f) + 5000);
    struct lane_state s = lane_state(f, "acme", "job1");
    assert_int_equal(s.attempt, 1);
    assert_string_equal(s.tried[0].outcome, "timed_out");
    assert_string_equal(lane_end(f, &lease, "done"), "stale");
}

static void an_overdue_job_that_was_cancelled_is_cancelled(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 6000);
    lane_enqueue(f, "acme", "job1", &(struct lane_record){.key = "k", .timeout_ms = 1});
    lane_claim_one(f, "w1");
    lane_call(f, "cancel", "tester acme job1");
    clock_advance_ms(f, 20000);

    lane_call(f, "beat", "w1");

    assert_string_equal(lane_place(f, "acme", "job1"), "cancelled");
}

static void one_beat_takes_16_overdue_jobs_at_most(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 6000);
    lane_enqueue_many(f, "acme", "job", 20, NULL);
    lane_claim(f, &(struct lane_claim){.session = "w1", .want = 32, .types = "*:1"});
    clock_advance_ms(f, 60000);

    assert_int_equal(reply_number(reply_element(lane_call(f, "beat", "w1"), 2)), 4);
    assert_int_equal(reply_number(reply_element(lane_call(f, "beat", "w1"), 2)), 0);
    assert_int_equal(lane_count(f, "org:acme:scheduled"), 20);
}

static void a_beat_charges_and_takes_in_one_call(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 6000);
    lane_call(f, "org_set", "tester acme max_running 4");
    for (int i = 0; i < 6; i++)
        lane_enqueue(f, "acme", fixture_text(f, "job%d", i),
                     &(struct lane_record){.timeout_ms = i % 2 ? 1 : 3600000, .queue = i < 3 ? "mail" : NULL});
    lane_claim(f, &(struct lane_claim){.session = "w1", .want = 32, .queues = "mail default"});
    clock_advance_ms(f, 60000);

    assert_int_equal(reply_number(reply_element(lane_call(f, "beat", "w1"), 2)), 2);

    assert_int_equal(lane_count(f, "org:acme:running"), 2);
}

static void closing_hands_the_jobs_back_uncounted(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 6000);
    lane_enqueue(f, "acme", "job1", &(struct lane_record){.priority = 1});
    clock_advance_ms(f, 10);
    struct lane_lease lease = lane_claim_one(f, "w1");

    assert_int_equal(lane_call(f, "close", "w1 64")->integer, 0);

    assert_string_equal(lane_place(f, "acme", "job1"), "ready:default");
    assert_int_equal(lane_score(f, "org:acme:ready:default", "job1"), CLOCK_START_MS - 60000);
    struct lane_state s = lane_state(f, "acme", "job1");
    assert_int_equal(s.attempt, 0);
    assert_int_equal(s.crashes, 0);
    assert_string_equal(s.tried[0].outcome, "released");
    assert_string_equal(lane_end(f, &lease, "done"), "lost");
    assert_int_equal(
        lane_redis(f, "EXISTS %s %s %s", lane_key(f, "session:w1"), lane_key(f, "beat:w1"), lane_key(f, "held:w1"))->integer, 0);
}

static void closing_goes_in_bounded_steps(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 6000);
    lane_enqueue_many(f, "acme", "job", 10, NULL);
    lane_claim(f, &(struct lane_claim){.session = "w1", .want = 10});

    assert_int_equal(lane_call(f, "close", "w1 4")->integer, 6);
    assert_int_equal(lane_call(f, "close", "w1 4")->integer, 2);
    assert_int_equal(lane_call(f, "close", "w1 4")->integer, 0);
    assert_int_equal(lane_call(f, "close", "w1 4")->integer, 0);
    assert_int_equal(lane_count(f, "org:acme:ready:default"), 10);
}

/* Keys of 60 bytes make `held` a hash table instead of a list, and single deletions leave it sparse: a scan that begins at its
 * start may then find nothing in one step. */
static void closing_makes_progress_at_each_step(void **state)
{
    struct fixture *f = *state;
    long long left = 200;
    f->check_each = false;
    lane_open(f, "w1", 6000);
    for (int i = 0; i < 200; i++)
        lane_enqueue(f, "acme", fixture_text(f, "job%d", i), &(struct lane_record){.key = fixture_text(f, "%060d", i)});
    for (int i = 0; i < 7; i++)
        lane_claim(f, &(struct lane_claim){.session = "w1", .want = 32});
    assert_string_equal(lane_redis(f, "OBJECT ENCODING %s", lane_key(f, "held:w1"))->str, "hashtable");

    while (left > 0) {
        long long now = lane_call(f, "close", "w1 1")->integer;
        assert_int_equal(now, left - 1);
        left = now;
    }
    assert_int_equal(lane_count(f, "org:acme:ready:default"), 200);
}

static void closing_an_unknown_session_changes_nothing(void **state)
{
    struct fixture *f = *state;
    const char *before = lane_digest(f);

    assert_int_equal(lane_call(f, "close", "w1 64")->integer, 0);

    assert_string_equal(lane_digest(f), before);
}

static void a_cancelled_job_of_a_closed_session_is_cancelled(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 6000);
    lane_enqueue(f, "acme", "job1", NULL);
    lane_claim_one(f, "w1");
    lane_call(f, "cancel", "tester acme job1");

    lane_call(f, "close", "w1 64");

    assert_string_equal(lane_place(f, "acme", "job1"), "cancelled");
}

/* ---- orders ---- */

static int64_t order(struct fixture *f, const char *session, const char *verb)
{
    const redisReply *reply = lane_call(f, "order", "ann@host %s %s", session, verb);

    assert_reply(reply_element(reply, 0), "ok");
    assert_int_equal(reply_number(reply_element(reply, 2)), 6000);
    return reply_number(reply_element(reply, 1));
}

static void assert_brings(struct fixture *f, const char *order_text, const char *dump_text)
{
    const redisReply *reply = lane_call(f, "beat", "w1");

    assert_reply(reply_element(reply, 4), order_text);
    assert_reply(reply_element(reply, 5), dump_text);
}

static void each_beat_brings_the_last_order(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 6000);
    assert_brings(f, "", "");

    int64_t first = order(f, "w1", "quiet");

    assert_int_equal(first, CLOCK_START_MS);
    const char *quiet = fixture_text(f, "%lld quiet ann@host", (long long)first);
    assert_brings(f, quiet, "");
    assert_brings(f, quiet, ""); /* the reply may have been lost */
    int64_t second = order(f, "w1", "stop");
    assert_int_equal(second, first + 1); /* in the same ms */
    assert_brings(f, fixture_text(f, "%lld stop ann@host", (long long)second), "");
}

static void a_dump_is_asked_for_beside_the_last_order(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 6000);
    int64_t quiet = order(f, "w1", "quiet"), dump = order(f, "w1", "dump"), again;

    assert_true(dump > quiet);
    assert_brings(f, fixture_text(f, "%lld quiet ann@host", (long long)quiet), fixture_text(f, "%lld ann@host", (long long)dump));
    clock_set_us(f, CLOCK_START_US - 5000000); /* numbers rise, whatever the clock does */
    again = order(f, "w1", "resume");
    assert_int_equal(again, dump + 1);
    assert_brings(f, fixture_text(f, "%lld resume ann@host", (long long)again),
                  fixture_text(f, "%lld ann@host", (long long)dump));
}

static void an_order_ends_with_the_session(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 6000);
    order(f, "w1", "quiet");
    assert_int_equal(lane_call(f, "close", "w1 1")->integer, 0);

    assert_reply(reply_element(lane_call(f, "order", "ann@host w1 quiet"), 0), "gone");
    lane_open(f, "w1", 6000);
    assert_brings(f, "", "");
}

static void only_workers_take_orders(void **state)
{
    struct fixture *f = *state;
    assert_reply(lane_call(f, "open", "s1 scheduler 6000 2000"), "ok");
    const char *before = lane_digest(f);

    assert_reply(reply_element(lane_call(f, "order", "ann@host s1 quiet"), 0), "scheduler");
    assert_reply(reply_element(lane_call(f, "order", "ann@host nobody quiet"), 0), "gone");

    assert_string_equal(lane_digest(f), before);
}

static void an_order_is_noted_with_who_gave_it(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 6000);
    order(f, "w1", "quiet");
    order(f, "w1", "resume");

    const redisReply *entry = reply_element(reply_element(lane_redis(f, "XREVRANGE %s + - COUNT 1", lane_key(f, "audit")), 0), 1);
    static const char *const should[] = {"who",     "ann@host", "what",   "resume", "org",   "",
                                         "subject", "w1",       "before", "quiet",  "after", "resume"};
    for (size_t i = 0; i < sizeof should / sizeof *should; i++)
        assert_reply(reply_element(entry, i), should[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_opens_once),
        cmocka_unit_test(opening_again_changes_nothing),
        cmocka_unit_test(a_session_that_ended_cannot_be_opened_while_it_holds_jobs),
        cmocka_unit_test(sessions_outside_the_grammar_are_refused),
        cmocka_unit_test(a_beat_moves_the_deadline),
        cmocka_unit_test(a_beat_after_a_clock_step_back_heals_the_deadline),
        cmocka_unit_test(a_beat_of_a_closed_session_is_lost),
        cmocka_unit_test(a_beat_tells_how_many_leases_are_held),
        cmocka_unit_test(a_beat_tells_which_jobs_were_cancelled),
        cmocka_unit_test(one_beat_tells_of_64_cancelled_jobs_at_most),
        cmocka_unit_test(a_job_over_its_hard_deadline_is_taken_from_a_living_worker),
        cmocka_unit_test(an_overdue_job_that_was_cancelled_is_cancelled),
        cmocka_unit_test(one_beat_takes_16_overdue_jobs_at_most),
        cmocka_unit_test(a_beat_charges_and_takes_in_one_call),
        cmocka_unit_test(closing_hands_the_jobs_back_uncounted),
        cmocka_unit_test(closing_goes_in_bounded_steps),
        cmocka_unit_test(closing_makes_progress_at_each_step),
        cmocka_unit_test(closing_an_unknown_session_changes_nothing),
        cmocka_unit_test(a_cancelled_job_of_a_closed_session_is_cancelled),
        cmocka_unit_test(each_beat_brings_the_last_order),
        cmocka_unit_test(a_dump_is_asked_for_beside_the_last_order),
        cmocka_unit_test(an_order_ends_with_the_session),
        cmocka_unit_test(only_workers_take_orders),
        cmocka_unit_test(an_order_is_noted_with_who_gave_it),
    };

    return RUN_IN_LANES("session", tests);
}
