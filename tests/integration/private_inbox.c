/* Private inboxes: the setting, the streams, the list that the leader reads, and what becomes of their entries. */
#include <stdio.h>
#include <string.h>

#include "tests/support/lane.h"

static void set(struct fixture *f, const char *setting)
{
    assert_reply(lane_call(f, "org_set", fixture_text(f, "tester acme %s", setting)), "ok");
}

/* `private_inbox ''`. */
static const redisReply *switch_off(struct fixture *f)
{
    return lane_call(f, "org_set", "tester acme private_inbox %s", "");
}

static long long exists(struct fixture *f, const char *part)
{
    return lane_redis(f, "EXISTS %s", lane_key(f, "org:acme:%s", part))->integer;
}

static void append(struct fixture *f)
{
    lane_redis(f, "XADD %s NOMKSTREAM * type t", lane_key(f, "org:acme:inbox"));
}

static const char *move(struct fixture *f, const char *id, const struct lane_record *spec)
{
    struct bytes record = lane_record(f, spec);

    return reply_text(reply_element(lane_call(f, "inbox", "acme %s %b", id, record.data, record.length), 0));
}

static void the_setting_makes_an_empty_stream_and_lists_it(void **state)
{
    struct fixture *f = *state;

    set(f, "private_inbox 1");

    assert_int_equal(lane_score(f, "inboxes", "acme"), CLOCK_START_MS);
    assert_int_equal(lane_redis(f, "XLEN %s", lane_key(f, "org:acme:inbox"))->integer, 0);
    assert_int_equal(exists(f, "inbox"), 1);
    assert_int_equal(exists(f, "rejected"), 1);
}

static void setting_it_again_keeps_what_waits(void **state)
{
    struct fixture *f = *state;
    set(f, "private_inbox 1");
    append(f);
    clock_advance_ms(f, 1000);

    set(f, "private_inbox 1 weight 200");

    assert_int_equal(lane_redis(f, "XLEN %s", lane_key(f, "org:acme:inbox"))->integer, 1);
    assert_int_equal(lane_score(f, "inboxes", "acme"), CLOCK_START_MS);
}

static void it_is_not_taken_away_while_something_waits(void **state)
{
    struct fixture *f = *state;
    set(f, "private_inbox 1");
    append(f);

    assert_error(switch_off(f), "INVALID the private inbox of acme has 1 entries");
    lane_redis(f, "XTRIM %s MAXLEN 0", lane_key(f, "org:acme:inbox"));
    assert_reply(switch_off(f), "ok");

    assert_int_equal(exists(f, "inbox") + exists(f, "rejected"), 0);
    assert_int_equal(lane_count(f, "inboxes"), 0);
    assert_null(lane_field(f, "org:acme", "private_inbox"));
    assert_reply(switch_off(f), "ok");
}

static void other_values_are_refused(void **state)
{
    struct fixture *f = *state;

    assert_error(lane_call(f, "org_set", "tester acme private_inbox on"),
                 "INVALID private_inbox is \"on\", it must be 1 or empty");
    assert_int_equal(exists(f, "inbox"), 0);
}

static void a_lane_has_a_thousand_of_them(void **state)
{
    struct fixture *f = *state;
    f->check_each = false;
    set(f, "private_inbox 1");
    for (int i = 1; i < 1000; i++)
        lane_redis(f, "ZADD %s 1 other%d", lane_key(f, "inboxes"), i);

    assert_error(lane_call(f, "org_set", "tester %s private_inbox 1", lane_org(f, 1)),
                 "INVALID the lane has 1000 private inboxes");
    assert_reply(lane_call(f, "org_set", "tester acme private_inbox 1"), "ok");

    f->unchecked = UNCHECKED_ALL;
    lane_redis(f, "ZREMRANGEBYSCORE %s 1 1", lane_key(f, "inboxes"));
}

static void org_tells_how_many_entries_wait(void **state)
{
    struct fixture *f = *state;
    set(f, "private_inbox 1");
    append(f);
    append(f);

    const redisReply *sets = reply_element(lane_call(f, "org", "acme"), 1);

    assert_reply(reply_element(sets, sets->elements - 3), "inbox");
    assert_int_equal(reply_number(reply_element(sets, sets->elements - 2)), 2);
}

/* Two streams may have entries of the same id. */
static void entries_of_both_inboxes_are_told_apart(void **state)
{
    struct fixture *f = *state;
    set(f, "private_inbox 1");

    assert_string_equal(move(f, "5-0", NULL), "new");
    assert_string_equal(move(f, "p:5-0", &(struct lane_record){.nonce = 2}), "new");

    assert_string_equal(lane_place(f, "acme", "5-0"), "ready:default");
    assert_string_equal(lane_place(f, "acme", "p:5-0"), "ready:default");
    lane_call(f, "delete", "tester acme p:5-0");
    assert_string_equal(move(f, "p:5-0", &(struct lane_record){.nonce = 2}), "moved");
}

static void so_are_those_of_two_organizations(void **state)
{
    struct fixture *f = *state;
    const char *other = lane_org(f, 1);
    struct bytes record = lane_record(f, NULL);
    set(f, "private_inbox 1");
    lane_call(f, "org_set", "tester %s private_inbox 1", other);
    assert_string_equal(move(f, "p:5-0", NULL), "new");

    const redisReply *reply = lane_call(f, "inbox", "%s p:5-0 %b", other, record.data, record.length);

    assert_reply(reply_element(reply, 0), "new");
    assert_string_equal(lane_place(f, other, "p:5-0"), "ready:default");
}

static void an_entry_of_an_inbox_that_is_gone_makes_no_job(void **state)
{
    struct fixture *f = *state;
    const char *before = lane_digest(f);

    assert_string_equal(move(f, "p:5-0", NULL), "closed");

    assert_string_equal(lane_digest(f), before);
    assert_false(lane_has(f, "orgs", "acme"));
}

static void a_deletion_takes_it_away_first(void **state)
{
    struct fixture *f = *state;
    set(f, "private_inbox 1");
    append(f);
    lane_enqueue_many(f, "acme", "job", 10, NULL);

    assert_reply(reply_element(lane_call(f, "org_delete", "tester acme begin"), 0), "deleting");

    assert_int_equal(exists(f, "inbox") + exists(f, "rejected"), 0);
    assert_int_equal(lane_count(f, "inboxes"), 0);
    assert_string_equal(move(f, "p:5-0", NULL), "closed");
    lane_delete_org(f, "acme", 500);
    assert_int_equal(lane_redis(f, "EXISTS %s", lane_key(f, "org:acme"))->integer, 0);
}

static const char *audit(struct fixture *f, bool mend)
{
    const redisReply *wrong = reply_element(lane_call(f, "audit", "tester 0 100 %d", mend), 2);

    return wrong->elements ? fixture_text(f, "%s %s", wrong->element[0]->str, wrong->element[1]->str) : "";
}

static void the_audit_mends_list_and_streams(void **state)
{
    struct fixture *f = *state;
    set(f, "private_inbox 1");
    f->check_each = false;
    assert_string_equal(audit(f, false), "");

    lane_redis(f, "ZREM %s acme", lane_key(f, "inboxes"));
    lane_redis(f, "DEL %s", lane_key(f, "org:acme:rejected"));
    assert_string_equal(audit(f, false), "inboxes acme");
    assert_string_equal(audit(f, true), "inboxes acme");
    assert_string_equal(lane_violations(f), "");
    lane_redis(f, "DEL %s", lane_key(f, "org:acme:inbox"));
    assert_string_equal(audit(f, true), "inboxes acme");
    assert_string_equal(lane_violations(f), "");
    lane_redis(f, "HDEL %s private_inbox", lane_key(f, "org:acme"));
    assert_string_equal(audit(f, true), "inboxes acme");

    assert_string_equal(audit(f, true), "");
    assert_int_equal(lane_count(f, "inboxes"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_setting_makes_an_empty_stream_and_lists_it),
        cmocka_unit_test(setting_it_again_keeps_what_waits),
        cmocka_unit_test(it_is_not_taken_away_while_something_waits),
        cmocka_unit_test(other_values_are_refused),
        cmocka_unit_test(a_lane_has_a_thousand_of_them),
        cmocka_unit_test(org_tells_how_many_entries_wait),
        cmocka_unit_test(entries_of_both_inboxes_are_told_apart),
        cmocka_unit_test(so_are_those_of_two_organizations),
        cmocka_unit_test(an_entry_of_an_inbox_that_is_gone_makes_no_job),
        cmocka_unit_test(a_deletion_takes_it_away_first),
        cmocka_unit_test(the_audit_mends_list_and_streams),
    };

    return RUN_IN_LANES("private_inbox", tests);
}
