/* setup - a lane is made ready for use; and what every function checks about its lane before anything else. */
#include "tests/support/lane.h"

static void a_lane_is_set_up_once(void **state)
{
    struct fixture *f = *state;

    lane_redis(f, "FLUSHALL");

    assert_reply(lane_call(f, "setup", "%u %u", f->lanes, f->lane), "new");
    assert_reply(lane_call(f, "setup", "%u %u", f->lanes, f->lane), "exists");
    assert_string_equal(lane_field(f, "clock", "schema"), "1");
    assert_string_equal(lane_field(f, "clock", "queues"), "default");
}

static void setup_leaves_a_lane_that_exists_as_it_is(void **state)
{
    struct fixture *f = *state;
    lane_enqueue(f, "acme", "job1", NULL);
    const char *before = lane_digest(f);

    assert_reply(lane_call(f, "setup", "%u %u", f->lanes, f->lane), "exists");

    assert_string_equal(lane_digest(f), before);
}

static void another_number_of_lanes_is_refused(void **state)
{
    struct fixture *f = *state;
    const char *before = lane_digest(f);

    assert_error(lane_call(f, "setup", "%u %u", f->lanes + 1, f->lane), "INVALID this is lane");
    assert_error(lane_call(f, "setup", "9 8"), "INVALID the keys of lane 8");

    assert_string_equal(lane_digest(f), before);
}

static void numbers_out_of_range_are_refused(void **state)
{
    struct fixture *f = *state;
    static const char *const bad[] = {"0 0", "1025 0", "1 1", "1 -1", "x 0", "1.5 0", "nan 0", "inf 0", "1", ""};
    const char *before = lane_digest(f);

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_error(lane_call(f, "setup", bad[i]), "INVALID");

    assert_string_equal(lane_digest(f), before);
}

static const char *const functions[] = {"enqueue", "claim",  "finish",     "open",    "beat",    "close", "watch",
                                        "recover", "cancel", "reschedule", "redrive", "delete",  "pause", "intake",
                                        "org_set", "org",    "job",        "jobs",    "promote", "trim",  "org_delete",
                                        "lead",    "audit",  "audit_jobs", "explain"};
#define FUNCTIONS (sizeof functions / sizeof functions[0])

static void functions_refuse_a_lane_that_was_not_set_up(void **state)
{
    struct fixture *f = *state;

    lane_redis(f, "DEL %s", lane_key(f, "clock"));
    for (size_t i = 0; i < FUNCTIONS; i++)
        assert_error(lane_call(f, functions[i], "acme job1 record"), "NOTREADY");
    assert_error(lane_call(f, "inbox", "acme job1 record"), "NOTREADY");
}

static void functions_refuse_a_newer_schema(void **state)
{
    struct fixture *f = *state;

    lane_redis(f, "HSET %s schema 2", lane_key(f, "clock"));
    for (size_t i = 0; i < FUNCTIONS; i++)
        assert_error(lane_call(f, functions[i], "acme job1 record"), "SCHEMA");
    assert_error(lane_call(f, "inbox", "acme job1 record"), "SCHEMA");
}

static void functions_refuse_other_keys_than_those_of_a_lane(void **state)
{
    struct fixture *f = *state;
    const char *before = lane_digest(f);

    for (size_t i = 0; i < FUNCTIONS; i++) {
        const char *name = lane_function(f, functions[i]);
        redisReply *reply = redisCommand(f->redis, "FCALL %s 2 rota:{0} rota:{0}:other acme job1 record", name);
        assert_error(reply, "INVALID the keys of a call");
        freeReplyObject(reply);
        reply = redisCommand(f->redis, "FCALL %s 0 acme job1 record", name);
        assert_error(reply, "INVALID the keys of a call");
        freeReplyObject(reply);
    }
    assert_string_equal(lane_digest(f), before);
}

static void functions_that_only_read_may_be_called_read_only(void **state)
{
    struct fixture *f = *state;
    static const char *const calls[][2] = {
        {"watch", "0 0 1"}, {"org", "acme"}, {"job", "acme x"}, {"jobs", "acme dead 0 1 0"}, {"explain", "acme x"}};
    const char *keys = fixture_text(f, "2 rota:{%u} rota:{%u}:clock", f->lane, f->lane);

    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
        lane_redis(f, fixture_text(f, "FCALL_RO %s %s %s", lane_function(f, calls[i][0]), keys, calls[i][1]));
    redisReply *reply = redisCommand(f->redis, fixture_text(f, "FCALL_RO %s %s 1", lane_function(f, "promote"), keys));
    assert_error(reply, "ERR Can not execute a script with write flag");
    freeReplyObject(reply);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lane_is_set_up_once),
        cmocka_unit_test(setup_leaves_a_lane_that_exists_as_it_is),
        cmocka_unit_test(another_number_of_lanes_is_refused),
        cmocka_unit_test(numbers_out_of_range_are_refused),
        cmocka_unit_test(functions_refuse_a_lane_that_was_not_set_up),
        cmocka_unit_test(functions_refuse_a_newer_schema),
        cmocka_unit_test(functions_refuse_other_keys_than_those_of_a_lane),
        cmocka_unit_test(functions_that_only_read_may_be_called_read_only),
    };

    return RUN_IN_LANES("setup", tests);
}
