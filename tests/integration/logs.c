/* logs - what handlers wrote to stderr: bounded for an attempt, for a job and for an organization, gone with the job or in time.
 */
#include <msgpack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/lane.h"

#define CLAIM "w1 %b 0 0 1 default 0 1 * 60000"

static struct lane_lease running_job(struct fixture *f, const char *id)
{
    lane_enqueue(f, "acme", id, NULL);
    return lane_claim_one(f, "w1");
}

/* Ends the lease with a log of `bytes` bytes; the reply. */
static redisReply *end_with(struct fixture *f, const struct lane_lease *lease, const char *verdict, char letter, size_t bytes)
{
    const char *token = fixture_text(f, "token%011llu", (unsigned long long)++f->tokens);
    char *text = malloc(bytes + 1);
    memset(text, letter, bytes + 1);
    redisReply *reply = lane_call(f, "finish", CLAIM " %s %b %b 0 %s + 1 log 17 %b", token, (size_t)LANE_TOKEN_BYTES, lease->name,
                                  lease->token, (size_t)LANE_TOKEN_BYTES, verdict, strlen(verdict), "", text, bytes);
    free(text);
    return reply;
}

static void run(struct fixture *f, const char *id, const char *verdict, char letter, size_t bytes)
{
    struct lane_lease lease = running_job(f, id);

    assert_string_equal(reply_text(reply_element(reply_element(end_with(f, &lease, verdict, letter, bytes), 5), 0)), "ok");
}

static bool has_logs(struct fixture *f, const char *id)
{
    return lane_redis(f, "HEXISTS %s %s", lane_key(f, "org:acme:logs"), id)->integer == 1;
}

static long long log_bytes(struct fixture *f)
{
    const char *bytes = lane_field(f, "org:acme", "log_bytes");

    return bytes ? strtoll(bytes, NULL, 10) : 0;
}

/* The logs of a job as "delivery:first letter of its text:bytes" with spaces between. */
static const char *logs_of(struct fixture *f, const char *id)
{
    const redisReply *reply = lane_redis(f, "HGET %s %s", lane_key(f, "org:acme:logs"), id);
    const char *found = "";
    msgpack_unpacked unpacked;
    size_t at = 0;

    msgpack_unpacked_init(&unpacked);
    while (msgpack_unpack_next(&unpacked, reply->str, reply->len, &at) == MSGPACK_UNPACK_SUCCESS) {
        const msgpack_object *parts = unpacked.data.via.array.ptr;
        assert_int_equal(unpacked.data.via.array.size, 4);
        assert_int_equal(parts[2].via.u64, 17);
        found = fixture_text(f, "%s%s%d:%c:%u", found, *found ? " " : "", (int)parts[0].via.u64, parts[3].via.str.ptr[0],
                             parts[3].via.str.size);
    }
    msgpack_unpacked_destroy(&unpacked);
    assert_int_equal(at, reply->len);
    return found;
}

static void logs_are_kept_attempt_by_attempt(void **state)
{
    struct fixture *f = *state;
    static const char *const verdicts[] = {"retry 0 9", "release", "crash 0 9", "done"};
    lane_open(f, "w1", 60000);
    lane_enqueue(f, "acme", "job1", NULL);
    for (size_t i = 0; i < 4; i++) {
        struct lane_lease lease = lane_claim_one(f, "w1");
        end_with(f, &lease, verdicts[i], (char)('a' + i), 10 + i);
        lane_call(f, "promote", "10");
    }

    assert_string_equal(logs_of(f, "job1"), "1:a:10 2:b:11 3:c:12 4:d:13");
}

static void who_writes_nothing_has_no_key(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    struct lane_lease lease = running_job(f, "job1");

    lane_end(f, &lease, "dead");

    assert_int_equal(lane_redis(f, "EXISTS %s %s", lane_key(f, "org:acme:logs"), lane_key(f, "org:acme:log_order"))->integer, 0);
}

static void of_a_job_the_newest_256_kib_are_kept(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    lane_enqueue(f, "acme", "job1", NULL);
    for (int i = 0; i < 6; i++) {
        struct lane_lease lease = lane_claim_one(f, "w1");
        end_with(f, &lease, "release", (char)('a' + i), 65536);
    }

    assert_string_equal(logs_of(f, "job1"), "4:d:65536 5:e:65536 6:f:65536");
    assert_in_range(log_bytes(f), 3 * 65536, 262144);
}

static void a_log_of_more_than_72_kib_is_refused(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    struct lane_lease lease = running_job(f, "job1");
    const char *before = lane_digest(f);

    assert_error(end_with(f, &lease, "dead", 'x', 73729), "INVALID a log has at most 73728 bytes");

    assert_string_equal(lane_digest(f), before);
    assert_string_equal(reply_text(reply_element(end_with(f, &lease, "dead", 'x', 73728), 0)), "ok");
}

static void the_oldest_give_way_above_the_ceiling(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    lane_call(f, "org_set", "tester acme log_bytes_max 10000");
    for (int i = 0; i < 9; i++) {
        clock_advance_ms(f, 1000);
        run(f, fixture_text(f, "job%d", i), "dead", 'a', 2000);
        assert_in_range(log_bytes(f), 1, 10000);
    }

    assert_false(has_logs(f, "job4"));
    assert_true(has_logs(f, "job5") && has_logs(f, "job8"));
    run(f, "large", "dead", 'b', 20000); /* one that does not fit at all is not kept */
    assert_false(has_logs(f, "large"));
    assert_true(has_logs(f, "job5") && has_logs(f, "job8")); /* and nobody gives way to it */
    f->unchecked |= UNCHECKED_CAPS;
    lane_call(f, "org_set", "tester acme log_bytes_max 0");
    run(f, "none", "dead", 'b', 1);
    assert_false(has_logs(f, "none"));
    assert_int_equal(log_bytes(f), 0);
}

static void logs_go_with_their_job(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    run(f, "gone", "dead", 'a', 100);
    run(f, "kept", "dead", 'b', 100);

    lane_call(f, "delete", "tester acme gone");

    assert_false(has_logs(f, "gone"));
    assert_true(has_logs(f, "kept"));
    lane_call(f, "org_set", "tester acme keep_dead_max 1");
    run(f, "newest", "dead", 'c', 100);
    assert_false(has_logs(f, "kept"));
    lane_delete_org(f, "acme", 500);
    assert_int_equal(lane_redis(f, "EXISTS %s %s", lane_key(f, "org:acme:logs"), lane_key(f, "org:acme:log_order"))->integer, 0);
}

static void a_job_that_is_not_kept_leaves_no_log(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    lane_call(f, "org_set", "tester acme keep_done_ms 0");

    run(f, "job1", "done", 'a', 100);

    assert_false(has_logs(f, "job1"));
}

static void logs_have_a_retention_of_their_own(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 600000);
    lane_call(f, "org_set", "tester acme keep_logs_ms 60000");
    run(f, "old", "dead", 'a', 100);
    clock_advance_ms(f, 30000);
    run(f, "young", "dead", 'b', 100);
    clock_advance_ms(f, 31001);

    const redisReply *reply = lane_call(f, "trim", "100");

    assert_int_equal(reply_number(reply_element(reply, 0)), 1);
    assert_in_range(reply_number(reply_element(reply, 1)), clock_ms(f), clock_ms(f) + 31000); /* the next thing to do */
    assert_false(has_logs(f, "old"));
    assert_true(has_logs(f, "young"));
    assert_string_equal(lane_place(f, "acme", "old"), "dead");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logs_are_kept_attempt_by_attempt),      cmocka_unit_test(who_writes_nothing_has_no_key),
        cmocka_unit_test(of_a_job_the_newest_256_kib_are_kept),  cmocka_unit_test(a_log_of_more_than_72_kib_is_refused),
        cmocka_unit_test(the_oldest_give_way_above_the_ceiling), cmocka_unit_test(logs_go_with_their_job),
        cmocka_unit_test(a_job_that_is_not_kept_leaves_no_log),  cmocka_unit_test(logs_have_a_retention_of_their_own),
    };

    return RUN_IN_LANES("logs", tests);
}
