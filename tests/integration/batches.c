/* enqueue - what it refuses beside bad records: names outside of their grammar, batches that are too large, queues without
 * number, all of it where memory is full. Nothing is changed by any of it. */
#include <string.h>

#include "common/id.h"
#include "tests/integration/offered.h"

static void one_bad_record_refuses_the_whole_batch(void **state)
{
    struct fixture *f = *state;
    struct bytes good = lane_record(f, NULL);
    const char *before = lane_digest(f);

    assert_error(lane_call(f, "enqueue", "acme job1 %b job2 rubbish", good.data, good.length), "INVALID");
    assert_error(lane_call(f, "enqueue", "acme job1 %b bad/id %b", good.data, good.length, good.data, good.length), "INVALID");

    assert_string_equal(lane_digest(f), before);
}

static void organizations_outside_the_grammar_are_refused(void **state)
{
    struct fixture *f = *state;
    static const char *const bad[] = {
        "",    "Acme", "_a",   "-a",  "a b",      "a/b",
        "a:b", "a.b",  "a{b}", "a\n", "\xc3\xa4", "a123456789012345678901234567890123456789012345678901234567890123"};

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        refused(f, bad[i], "job1", lane_record(f, NULL));
    assert_error(lane_call(f, "enqueue", "%b job1 x", "a\0b", (size_t)3), "INVALID");
}

static void job_ids_outside_the_grammar_are_refused(void **state)
{
    struct fixture *f = *state;
    static const char *const bad[] = {"",    " ",        "a b",
                                      "a/b", "a\n",      "a{b}",
                                      "a*",  "\xc3\xa4", "12345678901234567890123456789012345678901234567890123456789012345"};

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        refused(f, "acme", bad[i], lane_record(f, NULL));
    assert_error(lane_call(f, "enqueue", "acme %b x", "a\0b", (size_t)3), "INVALID");
    accepted(f, "acme", "A-Z.a_z:0@9", lane_record(f, NULL));
    accepted(f, "acme", "1234567890123456789012345678901234567890123456789012345678901234", lane_record(f, NULL));
}

static void a_new_organization_of_another_lane_is_refused(void **state)
{
    struct fixture *f = *state;

    if (f->lanes == 1)
        return;
    lane_use(f, (f->lane + 1) % f->lanes);
    refused(f, "acme", "job1", lane_record(f, NULL));
    assert_error(lane_call(f, "org_set", "tester acme weight 200"), "INVALID organization acme belongs to lane");
}

static void lanes_are_zlibs_crc_32_modulo_any_number(void **state)
{
    struct fixture *f = *state;
    static const unsigned numbers[] = {1, 3, 7, 64, 1000};
    static const char *const orgs[] = {"acme", "a", "0", "z-z_z", "globex", "org17", "initech", "umbrella"};
    struct bytes record = lane_record(f, NULL);
    f->check_each = false;
    f->unchecked = UNCHECKED_ALL;

    for (size_t n = 0; n < sizeof numbers / sizeof numbers[0]; n++) {
        for (size_t i = 0; i < sizeof orgs / sizeof orgs[0]; i++) {
            lane_redis(f, "FLUSHALL");
            for (unsigned wrong = 0; wrong < 2 && wrong < numbers[n]; wrong++) {
                lane_use(f, (lane_of(orgs[i], numbers[n]) + wrong) % numbers[n]);
                lane_call(f, "setup", "%u %u", numbers[n], f->lane);
                redisReply *reply = lane_call(f, "enqueue", "%s job1 %b", orgs[i], record.data, record.length);
                if (wrong)
                    assert_error(reply, "INVALID organization");
                else
                    assert_reply(reply_element(reply, 0), "new");
            }
        }
    }
    fixture_reset(f);
}

static void a_batch_has_1_to_128_whole_pairs(void **state)
{
    struct fixture *f = *state;
    struct bytes record = lane_record(f, NULL);

    for (unsigned pairs = 127; pairs <= 129; pairs++) {
        struct args args = {0};
        args_text(&args, "acme");
        for (unsigned i = 0; i < pairs; i++) {
            args_text(&args, "batch%u-%u", pairs, i);
            args_add(&args, record.data, record.length);
        }
        const redisReply *reply = lane_call_args(f, "enqueue", &args);
        if (pairs <= 128)
            assert_int_equal(reply->elements, pairs);
        else
            assert_error(reply, "INVALID a batch has 1..128 pairs");
    }
    assert_error(lane_call(f, "enqueue", "acme"), "INVALID a batch");
    assert_error(lane_call(f, "enqueue", "acme job1"), "INVALID a batch");
    assert_error(lane_call(f, "enqueue", "acme job1 x job2"), "INVALID a batch");
    assert_error(lane_call(f, "enqueue", ""), "INVALID a batch");
}

static void a_batch_carries_at_most_1_mib_of_records(void **state)
{
    struct fixture *f = *state;
    char *payload = calloc(1, 1048576);
    struct bytes small =
        lane_record(f, &(struct lane_record){.payload = payload, .payload_bytes = 99}); /* fills up to the limit */
    struct bytes large = lane_record(f, &(struct lane_record){.payload = payload, .payload_bytes = 1048576 - small.length - 17});
    lane_call(f, "org_set", "tester acme max_payload_bytes 1040000");
    assert_int_equal(small.length + large.length, 1048576);

    const redisReply *fits = lane_call(f, "enqueue", "acme a %b b %b", small.data, small.length, large.data, large.length);
    redisReply *not = lane_call(f, "enqueue", "acme c %b d %b e %b", small.data, small.length, large.data, large.length,
                                small.data, small.length);

    assert_reply(reply_element(fits, 0), "new");
    assert_reply(reply_element(fits, 1), "too_large"); /* for the organization, not for the call */
    assert_error(not, "INVALID the batch has");
    free(payload);
}

static void the_17th_queue_of_an_organization_is_refused(void **state)
{
    struct fixture *f = *state;
    for (int i = 1; i <= 15; i++)
        assert_string_equal(
            lane_enqueue(f, "acme", fixture_text(f, "job%d", i), &(struct lane_record){.queue = fixture_text(f, "q%d", i)}),
            "new");
    struct bytes q16 = lane_record(f, &(struct lane_record){.queue = "q16"}),
                 q17 = lane_record(f, &(struct lane_record){.queue = "q17"});
    const char *before = lane_digest(f);

    assert_error(lane_call(f, "enqueue", "acme job16 %b job17 %b", q16.data, q16.length, q17.data, q17.length),
                 "INVALID queue q17 would be");
    assert_string_equal(lane_digest(f), before);
    accepted(f, "acme", "job16", q16);
    refused(f, "acme", "job17", q17);
    accepted(f, lane_org(f, 1), "job18", lane_record(f, &(struct lane_record){.queue = "q2"}));
}

/* No organization can keep the others from naming queues of their own for ever. */
static void a_lane_knows_64_queues_and_forgets_idle_ones(void **state)
{
    struct fixture *f = *state;
    for (int i = 1; i <= 63; i++)
        assert_string_equal(lane_enqueue(f, lane_org(f, (unsigned)i / 16), fixture_text(f, "job%d", i),
                                         &(struct lane_record){.queue = fixture_text(f, "q%d", i)}),
                            "new");
    struct bytes wanted = lane_record(f, &(struct lane_record){.queue = "wanted"});

    refused(f, "acme", "job", wanted);
    lane_call(f, "cancel", "tester %s job20", lane_org(f, 1));
    accepted(f, "acme", "job", wanted);

    assert_null(strstr(lane_field(f, "clock", "queues"), "q20 "));
    assert_non_null(strstr(lane_field(f, "clock", "queues"), "wanted"));
    refused(f, lane_org(f, 1), "again", lane_record(f, &(struct lane_record){.queue = "q20"})); /* full again */
}

static void enqueue_is_refused_whole_when_memory_is_full(void **state)
{
    struct fixture *f = *state;
    lane_enqueue(f, "acme", "job1", NULL);
    const char *before = lane_digest(f);
    struct bytes record = lane_record(f, NULL);
    lane_redis(f, "CONFIG SET maxmemory 1");

    assert_error(lane_call(f, "enqueue", "acme job2 %b", record.data, record.length), "OOM");
    assert_error(lane_call(f, "inbox", "acme 1-0 %b", record.data, record.length), "OOM");

    assert_string_equal(lane_digest(f), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_bad_record_refuses_the_whole_batch),
        cmocka_unit_test(organizations_outside_the_grammar_are_refused),
        cmocka_unit_test(job_ids_outside_the_grammar_are_refused),
        cmocka_unit_test(a_new_organization_of_another_lane_is_refused),
        cmocka_unit_test(lanes_are_zlibs_crc_32_modulo_any_number),
        cmocka_unit_test(a_batch_has_1_to_128_whole_pairs),
        cmocka_unit_test(a_batch_carries_at_most_1_mib_of_records),
        cmocka_unit_test(the_17th_queue_of_an_organization_is_refused),
        cmocka_unit_test(a_lane_knows_64_queues_and_forgets_idle_ones),
        cmocka_unit_test(enqueue_is_refused_whole_when_memory_is_full),
    };

    return RUN_IN_LANES("records", tests);
}
