/* org_set, and the view org. What the settings do: limits.c, fairness.c, ends.c. */
#include <string.h>

#include "tests/support/lane.h"

/* ---- org_set ---- */

static void an_organization_exists_from_its_first_setting_on(void **state)
{
    struct fixture *f = *state;

    assert_reply(lane_call(f, "org_set", "tester acme weight 200 max_running 5"), "ok");

    assert_true(lane_has(f, "orgs", "acme"));
    assert_string_equal(lane_field(f, "org:acme", "weight"), "200");
    assert_string_equal(lane_field(f, "org:acme", "max_running"), "5");
}

static void settings_at_the_ends_of_their_ranges_are_taken(void **state)
{
    struct fixture *f = *state;
    static const char *const good[] = {"weight 1",
                                       "weight 10000",
                                       "max_running 1",
                                       "max_running 1000000",
                                       "burst 1",
                                       "burst 1000000",
                                       "max_queued 1",
                                       "max_queued 100000000",
                                       "max_payload_bytes 0",
                                       "max_payload_bytes 1040000",
                                       "keep_done_ms 0",
                                       "keep_done_ms 2592000000",
                                       "keep_done_max 0",
                                       "keep_done_max 1000000",
                                       "keep_dead_ms 1000",
                                       "keep_dead_ms 31536000000",
                                       "keep_dead_max 1",
                                       "keep_dead_max 1000000",
                                       "keep_unique_ms 0",
                                       "keep_unique_ms 2592000000",
                                       "max_crashes 1",
                                       "log_bytes_max 0",
                                       "log_bytes_max 1073741824",
                                       "keep_logs_ms 1000",
                                       "keep_logs_ms 2592000000",
                                       "max_crashes 1000",
                                       "rate 0.001",
                                       "rate 1000000",
                                       "private_inbox 1",
                                       "paused 1"};

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_reply(lane_call(f, "org_set", fixture_text(f, "tester acme %s", good[i])), "ok");
}

static void settings_out_of_range_are_refused_and_named(void **state)
{
    struct fixture *f = *state;
    static const char *const bad[] = {"weight 0",
                                      "weight 10001",
                                      "weight 1.5",
                                      "weight x",
                                      "weight nan",
                                      "max_running 0",
                                      "max_running 1000001",
                                      "burst 0",
                                      "burst 1000001",
                                      "max_queued 0",
                                      "max_queued 100000001",
                                      "max_payload_bytes -1",
                                      "max_payload_bytes 1040001",
                                      "keep_done_ms -1",
                                      "keep_done_ms 2592000001",
                                      "keep_done_max -1",
                                      "keep_done_max 1000001",
                                      "keep_dead_ms 999",
                                      "keep_dead_ms 31536000001",
                                      "keep_dead_max 0",
                                      "keep_dead_max 1000001",
                                      "keep_unique_ms -1",
                                      "keep_unique_ms 2592000001",
                                      "max_crashes 0",
                                      "log_bytes_max -1",
                                      "log_bytes_max 1073741825",
                                      "keep_logs_ms 999",
                                      "max_crashes 1001",
                                      "rate 0.0009",
                                      "rate 1000001",
                                      "rate -1",
                                      "rate nan",
                                      "rate inf",
                                      "rate x",
                                      "paused 2",
                                      "paused 0",
                                      "vt:default 5",
                                      "tat_us 5",
                                      "queues mail",
                                      "est:default 5",
                                      "large 1",
                                      "unknown 5",
                                      "weight 5 max_running",
                                      "weight"};
    const char *before = lane_digest(f);

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        redisReply *reply = lane_call(f, "org_set", fixture_text(f, "tester acme %s", bad[i]));
        if (reply->type != REDIS_REPLY_ERROR)
            fail_msg("\"%s\" was accepted", bad[i]);
        assert_error(reply, "INVALID");
        assert_error(lane_call(f, "org_set", fixture_text(f, "tester acme weight 5 %s", bad[i])),
                     "INVALID"); /* nor the good one before it */
    }
    assert_error(lane_call(f, "org_set", "tester acme"), "INVALID");
    assert_error(lane_call(f, "org_set", "%0129d acme paused 1", 1), "INVALID who");
    assert_string_equal(lane_digest(f), before);
}

static void one_call_sets_up_to_16_fields(void **state)
{
    struct fixture *f = *state;
    struct args args = {0};

    for (int pairs = 16; pairs <= 17; pairs++) {
        args_text(&args, "tester");
        args_text(&args, "acme");
        for (int i = 0; i < pairs; i++) {
            args_text(&args, "weight");
            args_text(&args, "%d", 100 + i);
        }
        if (pairs == 16)
            assert_reply(lane_call_args(f, "org_set", &args), "ok");
        else
            assert_error(lane_call_args(f, "org_set", &args), "INVALID org_set takes");
    }
}

static void an_empty_value_puts_the_default_back(void **state)
{
    struct fixture *f = *state;
    lane_call(f, "org_set", "tester acme weight 200 rate 5 max_running 3");

    lane_call(f, "org_set", "tester acme weight %s rate %s", "", "");

    assert_null(lane_field(f, "org:acme", "weight"));
    assert_null(lane_field(f, "org:acme", "rate"));
    assert_string_equal(lane_field(f, "org:acme", "max_running"), "3");
}

static void a_new_weight_rescales_debts(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    lane_redis(f, "ZADD %s 1 acme", lane_key(f, "orgs"));
    lane_redis(f, "HSET %s est:default 1000", lane_key(f, "org:acme"));
    lane_enqueue_many(f, "acme", "job", 5, NULL);
    lane_enqueue_many(f, "acme", "mail", 1, &(struct lane_record){.queue = "mail"});
    struct lane_lease lease = lane_claim_one(f, "w1");
    lane_claim(f, &(struct lane_claim){.session = "w1", .queues = "mail"}); /* drains mail: its debt is in the hash */
    assert_int_equal(lane_score(f, "active:default", "acme"), 16000);
    assert_string_equal(lane_field(f, "org:acme", "vt:mail"), "80");
    f->unchecked |= UNCHECKED_CAPS;
    clock_advance_ms(f, 1000);
    lane_end_after(f, &lease, "release", 1000 * 1000); /* costs what was charged */

    lane_call(f, "org_set", "tester acme weight 200");

    assert_int_equal(lane_score(f, "active:default", "acme"), 8000);
    assert_string_equal(lane_field(f, "org:acme", "vt:mail"), "40");
}

/* ---- org ---- */

/* Of the row of a flat list of rows whose first element is `name`. */
static const redisReply *column(const redisReply *list, size_t columns, const char *name, size_t column)
{
    for (size_t i = 0; i + columns <= list->elements; i += columns)
        if (!strcmp(list->element[i]->str, name))
            return list->element[i + column];
    fail_msg("no row %s", name);
    return NULL;
}

static void an_unknown_organization_is_an_empty_answer(void **state)
{
    struct fixture *f = *state;
    const char *before = lane_digest(f);

    const redisReply *reply = lane_call(f, "org", "nobody");

    for (size_t i = 0; i < 3; i++)
        assert_int_equal(reply_element(reply, i)->elements, 0);
    assert_string_equal(lane_digest(f), before);
}

static void org_shows_settings_sets_and_places(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    lane_call(f, "org_set", "tester acme weight 50 rate 1");
    lane_enqueue_many(f, "acme", "job", 3, NULL);
    clock_advance_ms(f, 5);
    lane_enqueue(f, "acme", "later", &(struct lane_record){.delay_ms = 1000, .queue = "mail"});
    lane_claim_one(f, "w1");
    const char *before = lane_digest(f);

    const redisReply *reply = lane_call(f, "org", "acme"), *sets = reply_element(reply, 1), *queues = reply_element(reply, 2);

    assert_reply(column(reply_element(reply, 0), 2, "weight", 1), "50");
    assert_reply(column(reply_element(reply, 0), 2, "queues", 1), "default mail");
    assert_int_equal(reply_number(column(sets, 3, "ready:default", 1)), 2);
    assert_int_equal(reply_number(column(sets, 3, "ready:default", 2)), CLOCK_START_MS);
    assert_int_equal(reply_number(column(sets, 3, "ready:mail", 1)), 0);
    assert_int_equal(reply_number(column(sets, 3, "scheduled", 1)), 1);
    assert_int_equal(reply_number(column(sets, 3, "scheduled", 2)), CLOCK_START_MS + 1005);
    assert_int_equal(reply_number(column(sets, 3, "running", 1)), 1);
    assert_int_equal(reply_number(column(sets, 3, "done", 1)), 0);
    assert_reply(column(queues, 3, "default", 1), "");
    assert_int_equal(reply_number(column(queues, 3, "default", 2)), CLOCK_START_MS + 1005);
    assert_reply(column(queues, 3, "mail", 1), "");
    assert_int_equal(reply_number(column(queues, 3, "mail", 2)), 0);
    assert_string_equal(lane_digest(f), before);
}

static void org_shows_the_start_tag_of_what_can_be_served(void **state)
{
    struct fixture *f = *state;
    lane_enqueue(f, "acme", "job1", NULL);

    assert_reply(column(reply_element(lane_call(f, "org", "acme"), 2), 3, "default", 1), "0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_organization_exists_from_its_first_setting_on),
        cmocka_unit_test(settings_at_the_ends_of_their_ranges_are_taken),
        cmocka_unit_test(settings_out_of_range_are_refused_and_named),
        cmocka_unit_test(one_call_sets_up_to_16_fields),
        cmocka_unit_test(an_empty_value_puts_the_default_back),
        cmocka_unit_test(a_new_weight_rescales_debts),
        cmocka_unit_test(an_unknown_organization_is_an_empty_answer),
        cmocka_unit_test(org_shows_settings_sets_and_places),
        cmocka_unit_test(org_shows_the_start_tag_of_what_can_be_served),
    };

    return RUN_IN_LANES("org", tests);
}
