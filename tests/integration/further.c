/* further - jobs that a job enqueues with its end: all of them with it, or none and it goes on. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/lane.h"

#define CLAIM "w1 %b 0 0 1 default 0 1 * 60000"

static struct lane_lease running_job(struct fixture *f)
{
    lane_open(f, "w1", 60000);
    lane_enqueue(f, "acme", "parent", NULL);
    return lane_claim_one(f, "w1");
}

/* Ends the lease with two further jobs, under `token`; the answer. */
static redisReply *end_with(struct fixture *f, const struct lane_lease *lease, const char *token, const char *verdict,
                            const struct lane_record *first, const struct lane_record *second)
{
    struct bytes a = lane_record(f, first), b = lane_record(f, second);

    return lane_call(f, "finish", CLAIM " %s %b %s 0 %s + 1 jobs 2 child1 %b child2 %b", token, (size_t)LANE_TOKEN_BYTES,
                     lease->name, lease->token, (size_t)LANE_TOKEN_BYTES, verdict, "", a.data, a.length, b.data, b.length);
}

static const char *word_of(const redisReply *reply)
{
    return reply_text(reply_element(reply_element(reply, 5), 0));
}

static void they_come_with_the_end_and_only_once(void **state)
{
    struct fixture *f = *state;
    struct lane_lease lease = running_job(f);
    static const char token[] = "0123456789abcdef";
    struct lane_record first = {.nonce = 7}, second = {.nonce = 8, .queue = "mail", .delay_ms = 5000};

    assert_string_equal(word_of(end_with(f, &lease, token, "done", &first, &second)), "ok");
    assert_string_equal(lane_place(f, "acme", "parent"), "done");
    assert_string_equal(lane_place(f, "acme", "child1"), "ready:default");
    assert_string_equal(lane_place(f, "acme", "child2"), "scheduled");

    struct lane_lease child = lane_claim_one(f, "w1"); /* the next call: the first one can still be repeated by none */
    lane_end(f, &child, "discard");
    assert_string_equal(word_of(end_with(f, &lease, "fedcba9876543210", "done", &first, &second)), "stale");
    assert_int_equal(lane_redis(f, "HLEN %s", lane_key(f, "org:acme:jobs"))->integer, 3);
}

static void those_of_an_owner_of_yesterday_are_refused_with_him(void **state)
{
    struct fixture *f = *state;
    struct lane_lease old = running_job(f);
    lane_end(f, &old, "release");
    struct lane_lease now = lane_claim_one(f, "w1"); /* the same job, in the same session, under another token */
    struct lane_record first = {.nonce = 7}, second = {.nonce = 8};

    assert_string_equal(word_of(end_with(f, &old, "0123456789abcdef", "done", &first, &second)), "stale");

    assert_string_equal(lane_place(f, "acme", "child1"), "");
    assert_string_equal(lane_place(f, "acme", "child2"), "");
    assert_string_equal(lane_place(f, "acme", "parent"), "running");
    assert_string_equal(now.name, old.name);
}

static void a_repeated_call_enqueues_nothing_twice(void **state)
{
    struct fixture *f = *state;
    struct lane_lease lease = running_job(f);
    static const char token[] = "0123456789abcdef";
    struct lane_record first = {.nonce = 7}, second = {.nonce = 8};
    end_with(f, &lease, token, "done", &first, &second);
    lane_call(f, "delete", "tester acme child1 child2"); /* nothing but the call's token tells that they were there */

    assert_string_equal(word_of(end_with(f, &lease, token, "done", &first, &second)), "ok");

    assert_string_equal(lane_place(f, "acme", "child1"), "");
}

/* Whatever is wrong with one of them. */
static void all_of_them_or_none(void **state)
{
    struct fixture *f = *state;
    struct lane_lease lease = running_job(f);
    static char large[2000];
    memset(large, 'x', sizeof large);
    lane_call(f, "org_set", "tester acme max_payload_bytes 1000");
    lane_enqueue(f, "acme", "owner", &(struct lane_record){.key = "k", .payload = "one", .payload_bytes = 3});
    static const struct {
        struct lane_record second;
        const char *word;
    } rows[] = {
        {{.nonce = 8, .payload = large, .payload_bytes = sizeof large}, "children:too_large"},
        {{.nonce = 8, .key = "k", .payload = "two", .payload_bytes = 3}, "children:conflict"},
        {{.nonce = 8, .expires_ms = 1}, "children:expired"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *token = fixture_text(f, "%016zu", i);
        assert_string_equal(word_of(end_with(f, &lease, token, "done", &(struct lane_record){.nonce = 7}, &rows[i].second)),
                            rows[i].word);
        assert_string_equal(lane_place(f, "acme", "parent"), "running");
        assert_string_equal(lane_place(f, "acme", "child1"), "");
        assert_string_equal(word_of(end_with(f, &lease, token, "done", &(struct lane_record){.nonce = 7}, &rows[i].second)),
                            rows[i].word); /* the same call again */
    }
    lane_enqueue(f, "acme", "child2", &(struct lane_record){.nonce = 99});
    assert_string_equal(word_of(end_with(f, &lease, "0123456789abcdef", "done", &(struct lane_record){.nonce = 7},
                                         &(struct lane_record){.nonce = 8})),
                        "children:taken");
    assert_string_equal(lane_end(f, &lease, "retry 0 5"), "ok");
}

static void too_many_queues_are_refused(void **state)
{
    struct fixture *f = *state;
    struct lane_lease lease = running_job(f);
    for (int i = 1; i < 16; i++)
        lane_enqueue(f, "acme", fixture_text(f, "job%d", i), &(struct lane_record){.queue = fixture_text(f, "q%d", i)});

    assert_string_equal(word_of(end_with(f, &lease, "0123456789abcdef", "done", &(struct lane_record){.nonce = 7},
                                         &(struct lane_record){.nonce = 8, .queue = "q16"})),
                        "children:queues");
    assert_string_equal(lane_place(f, "acme", "parent"), "running");
    assert_string_equal(word_of(end_with(f, &lease, "1123456789abcdef", "done", &(struct lane_record){.nonce = 7},
                                         &(struct lane_record){.nonce = 8, .queue = "q15"})),
                        "ok");
}

static void neither_a_full_queue_nor_a_stopped_intake_holds_them_back(void **state)
{
    struct fixture *f = *state;
    struct lane_lease lease = running_job(f);
    lane_call(f, "org_set", "tester acme max_queued 1");
    lane_enqueue(f, "acme", "last", NULL);
    lane_call(f, "intake", "tester stop because");

    assert_string_equal(word_of(end_with(f, &lease, "0123456789abcdef", "discard", &(struct lane_record){.nonce = 7},
                                         &(struct lane_record){.nonce = 8})),
                        "ok");

    assert_string_equal(lane_place(f, "acme", "child2"), "ready:default");
}

static void a_job_that_is_not_done_has_none(void **state)
{
    struct fixture *f = *state;
    struct lane_lease lease = running_job(f);
    const char *before = lane_digest(f);

    assert_error(
        end_with(f, &lease, "0123456789abcdef", "dead", &(struct lane_record){.nonce = 7}, &(struct lane_record){.nonce = 8}),
        "INVALID \"jobs\" of lease 1 is not");
    assert_string_equal(lane_digest(f), before);
}

static void a_call_takes_128_of_them(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    lane_redis(f, "HSET %s est:default 0.0625", lane_key(f, "org:acme"));
    lane_enqueue_many(f, "acme", "job", 3, NULL);
    struct lane_claimed got = lane_claim(f, &(struct lane_claim){.session = "w1", .want = 3});
    assert_int_equal(got.jobs, 3);

    for (size_t leases = 3; leases >= 2; leases--) {
        struct args args = {0};
        static const char *const claim[] = {"w1", "0123456789abcdef", "0", "0", "1", "default", "0", "1", "*", "1000"};
        for (size_t i = 0; i < sizeof claim / sizeof claim[0]; i++)
            args_text(&args, "%s", claim[i]);
        for (size_t i = 0; i < leases; i++) {
            args_text(&args, "%s", got.job[i].name);
            args_add(&args, got.job[i].token, LANE_TOKEN_BYTES);
            args_text(&args, "done");
            args_text(&args, "0");
            args_text(&args, "r");
        }
        args_text(&args, "+");
        for (size_t i = 0; i < leases; i++) {
            args_text(&args, "%zu", i + 1);
            args_text(&args, "jobs");
            args_text(&args, "%d", i < 2 ? 64 : 1);
            for (unsigned n = 0; n < (i < 2 ? 64 : 1); n++) {
                struct bytes record = lane_record(f, &(struct lane_record){.nonce = n + 1});
                args_text(&args, "child%zu-%u", i, n);
                args_add(&args, record.data, record.length);
            }
        }
        const redisReply *reply = lane_call_args(f, "finish", &args);
        if (leases == 3)
            assert_error(reply, "INVALID a call takes at most 128 further jobs");
        else
            assert_string_equal(word_of(reply), "ok");
    }
    assert_int_equal(lane_count(f, "org:acme:ready:default"), 128);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_come_with_the_end_and_only_once),
        cmocka_unit_test(those_of_an_owner_of_yesterday_are_refused_with_him),
        cmocka_unit_test(a_repeated_call_enqueues_nothing_twice),
        cmocka_unit_test(all_of_them_or_none),
        cmocka_unit_test(too_many_queues_are_refused),
        cmocka_unit_test(neither_a_full_queue_nor_a_stopped_intake_holds_them_back),
        cmocka_unit_test(a_job_that_is_not_done_has_none),
        cmocka_unit_test(a_call_takes_128_of_them),
    };

    return RUN_IN_LANES("further", tests);
}
