/* kill -9 of Redis with AOF always: what was answered is there afterwards, functions included, and work goes on. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/random.h"
#include "tests/support/lane.h"

static const char *const durable[] = {"--appendonly", "yes", "--appendfsync", "always", NULL};

static int start(void **state)
{
    *state = fixture_new(1, durable);
    fixture_reset(*state);
    return 0;
}

static int stop(void **state)
{
    struct fixture *f = *state;

    lane_check(f);
    fixture_free(f);
    return 0;
}

static void crash(struct fixture *f)
{
    server_kill(f->server);
    server_restart(f->server);
    fixture_reconnect(f);
}

static void everything_is_there_after_a_crash(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    lane_enqueue_many(f, "acme", "job", 100, NULL);
    lane_enqueue(f, "acme", "later", &(struct lane_record){.delay_ms = 1000, .key = "k"});
    struct lane_claimed got = lane_claim(f, &(struct lane_claim){.session = "w1", .want = 5});
    lane_end(f, &got.job[0], "done");
    lane_end(f, &got.job[1], "dead");
    lane_redis(f, "DEL %s", lane_key(f, "beat:w1")); /* expires by the server's own clock */
    const char *before = lane_digest(f);

    crash(f);

    assert_string_equal(lane_digest(f), before);
    assert_string_equal(lane_end(f, &got.job[2], "done"), "ok");
    assert_string_equal(lane_end(f, &got.job[1], "done"), "stale");
    assert_string_equal(lane_enqueue(f, "acme", "again", &(struct lane_record){.key = "k"}), "coalesced later");
    assert_int_equal(lane_claim(f, &(struct lane_claim){.session = "w1", .want = 32}).jobs, 32);
}

static void a_claim_whose_reply_was_lost_in_a_crash_is_answered_again(void **state)
{
    struct fixture *f = *state;
    struct lane_claim claim = {.session = "w1", .want = 8, .token = "0123456789abcdef"};
    lane_open(f, "w1", 60000);
    lane_enqueue_many(f, "acme", "job", 20, NULL);
    struct lane_claimed got = lane_claim(f, &claim);

    crash(f);

    assert_int_equal(lane_claim(f, &claim).jobs, got.jobs);
    assert_int_equal(lane_count(f, "org:acme:running"), (long long)got.jobs);
}

/* The kill comes at a random moment in a stream of calls: each call is done whole or not at all. */
static void a_crash_between_any_two_bytes_leaves_whole_calls(void **state)
{
    struct fixture *f = *state;
    struct bytes record = lane_record(f, &(struct lane_record){.priority = 1, .queue = "mail", .key = NULL});

    lane_open(f, "w1", 60000);
    for (int round = 0; round < 10; round++) {
        redisContext *other = server_connect(f->server);
        for (int i = 0; i < 200; i++)
            redisAppendCommand(other, "FCALL %s 2 rota:{0} rota:{0}:clock acme %s-%d %b", lane_function(f, "enqueue"),
                               fixture_text(f, "job%d", round), i, record.data, record.length);
        int written = 0;
        while (!written)
            redisBufferWrite(other, &written);
        redisReply *reply = NULL;
        int answered = 0;
        for (uint64_t wait = random_below(150); wait > 0 && redisGetReply(other, (void **)&reply) == REDIS_OK; wait--) {
            answered += !strcmp(reply->element[0]->str, "new");
            freeReplyObject(reply);
        }

        crash(f);

        redisFree(other);
        const redisReply *ready = lane_redis(f, "ZCARD %s", lane_key(f, "org:acme:ready:mail"));
        assert_true(ready->integer >= answered);
        lane_check(f);
        lane_delete_org(f, "acme", 500);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(everything_is_there_after_a_crash, start, stop),
        cmocka_unit_test_setup_teardown(a_claim_whose_reply_was_lost_in_a_crash_is_answered_again, start, stop),
        cmocka_unit_test_setup_teardown(a_crash_between_any_two_bytes_leaves_whole_calls, start, stop),
    };

    return cmocka_run_group_tests_name("restart", tests, NULL, NULL);
}
