/* org_delete - an organization goes with all that it has, in bounded steps, and nothing of it comes back. */
#include <stdio.h>
#include <string.h>

#include "tests/support/schedules.h"

#define DAY_MS 86400000LL

/* ---- helpers ---- */

static const redisReply *begin(struct fixture *f)
{
    return lane_call(f, "org_delete", "tester acme begin");
}

/* The word of a step ('step' or 'take'). */
static const char *step(struct fixture *f, const char *what, int limit)
{
    return reply_text(reply_element(lane_call(f, "org_delete", "tester acme %s %d", what, limit), 0));
}

static long long running(const redisReply *reply)
{
    return reply_number(reply_element(reply, 1));
}

/* The job of the organization, claimed by the open session w1. */
static struct lane_lease run_one(struct fixture *f, const char *id)
{
    lane_enqueue(f, "acme", id, NULL);
    return lane_claim_one(f, "w1");
}

static const char *inbox(struct fixture *f, const char *id)
{
    struct bytes record = lane_record(f, NULL);

    return reply_text(reply_element(lane_call(f, "inbox", "acme %s %b", id, record.data, record.length), 0));
}

static long long keys_of_acme(struct fixture *f)
{
    return (long long)lane_redis(f, "KEYS %s*", lane_key(f, "org:acme"))->elements;
}

/* Where the whole database names acme, but in events and changes, in what expires by itself, and in the note that it was deleted.
 */
static const char *traces(struct fixture *f)
{
    static const char script[] =
        "local found = {}\n"
        "local function look(key, text)\n"
        "  if string.find(text, 'acme', 1, true) then found[#found + 1] = key .. ': ' .. text end\n"
        "end\n"
        "local function look_at(key, flat)\n"
        "  for i, value in ipairs(flat) do\n"
        "    local seen = string.find(key, ':inbox_seen$') and value == 'acme/'\n"
        "    local often = i % 2 == 0 and string.sub(flat[i - 1], 1, 6) == 'often:'\n"
        "    if not seen and not often then look(key, type(value) == 'table' and cjson.encode(value) or value) end\n"
        "  end\n"
        "end\n"
        "for _, key in ipairs(redis.call('KEYS', '*')) do\n"
        "  local kind, lasts = redis.call('TYPE', key).ok, redis.call('PTTL', key) < 0\n"
        "  if lasts and not string.find(key, ':events$') and not string.find(key, ':audit$') then\n"
        "    look(key, key)\n"
        "    if kind == 'hash' then look_at(key, redis.call('HGETALL', key)) end\n"
        "    if kind == 'zset' then look_at(key, redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')) end\n"
        "    if kind == 'stream' then look_at(key, redis.call('XRANGE', key, '-', '+')) end\n"
        "    if kind == 'string' then look(key, redis.call('GET', key)) end\n"
        "  end\n"
        "end\n"
        "return table.concat(found, '\\n')";

    return reply_text(lane_redis(f, "EVAL %s 0", script));
}

/* Jobs in every place, under limits and waiting for them, with keys and logs; schedules, settings, and a private inbox with an
 * entry. What runs is `ret`, two of it. */
static void have_everything(struct fixture *f, struct lane_lease ret[2])
{
    static const char *const verdicts[] = {"done", "dead", "retry 60000 5"};
    lane_open(f, "w1", 600000);
    lane_limit(f, "mail", "2", "", "");
    lane_limit(f, "user", "1", "10/s", "5");
    lane_call(f, "org_set", "tester acme rate 1000 burst 1000 private_inbox 1 max_running 500");
    lane_redis(f, "XADD %s * type t", lane_key(f, "org:acme:inbox"));
    for (int i = 0; i < 3; i++) {
        lane_enqueue(f, "acme", fixture_text(f, "keyed%d", i), &(struct lane_record){.key = fixture_text(f, "k%d", i)});
        struct lane_lease lease = lane_claim_one(f, "w1");
        const redisReply *reply = lane_call(f, "finish", "w1 %b 0 0 1 default 0 1 * 1000 %s %b %s 1000 %s + 1 log 0 oops",
                                            fixture_text(f, "finish%010d", i), (size_t)LANE_TOKEN_BYTES, lease.name, lease.token,
                                            (size_t)LANE_TOKEN_BYTES, verdicts[i], "");
        assert_reply(reply_element(reply_element(reply, 5), 0), "ok");
    }
    assert_int_equal(lane_count(f, "org:acme:log_order"), 3);
    for (int i = 0; i < 4; i++) {
        lane_enqueue(f, "acme", fixture_text(f, "mail%d", i), &(struct lane_record){.limit = "mail", .queue = "mail"});
        lane_enqueue(f, "acme", fixture_text(f, "user%d", i),
                     &(struct lane_record){.limit = "user:7", .queue = "mail", .expires_ms = clock_ms(f) + DAY_MS});
    }
    struct lane_claimed got = lane_claim(f, &(struct lane_claim){.session = "w1", .want = 20, .queues = "mail"});
    assert_in_range(got.jobs, 2, 3);
    for (size_t i = 0; i < got.jobs; i++) {
        if (i < 2)
            ret[i] = got.job[i];
        else
            lane_end(f, &got.job[i], "dead");
    }
    assert_true(lane_count(f, "org:acme:waiting") > 3);
    lane_enqueue(f, "acme", "strange", &(struct lane_record){.type = "strange"});
    lane_claim(f, &(struct lane_claim){.session = "w1", .want = 1, .types = "test:1000"}); /* it rests */
    assert_non_null(lane_field(f, "clock", "resting:default"));
    lane_enqueue_many(f, "acme", "ready", 10, &(struct lane_record){.key = NULL});
    lane_enqueue_many(f, "acme", "later", 5, &(struct lane_record){.delay_ms = 1000});
    lane_call(f, "cancel", "tester acme ready0000");
    schedule_set(f, "acme", "nightly", NULL);
    schedule_set(f, "acme", "weekly", NULL);
    assert_string_equal(inbox(f, fixture_text(f, "p:%lld-0", (long long)clock_ms(f))), "new");
}

/* ---- the end ---- */

static void AP_10_a_deleted_organization_leaves_no_trace(void **state)
{
    struct fixture *f = *state;
    struct lane_lease runs[2];
    have_everything(f, runs);
    lane_call(f, "delete", "tester acme %s", fixture_text(f, "p:%lld-0", CLOCK_START_MS));
    lane_redis(f, "ZREM %s %s", lane_key(f, "inbox_seen"), fixture_text(f, "acme/p:%lld-0", CLOCK_START_MS)); /* a day later */

    const redisReply *reply = begin(f);
    assert_reply(reply_element(reply, 0), "deleting");
    assert_int_equal(running(reply), 2);
    while (!strcmp(step(f, "step", 3), "more"))
        ;
    assert_string_equal(step(f, "step", 3), "running");
    assert_string_equal(lane_end(f, &runs[0], "retry 1000 5"), "ok");
    assert_string_equal(lane_end(f, &runs[1], "done"), "ok");
    assert_string_equal(step(f, "step", 3), "deleted");

    assert_string_equal(traces(f), "");
    assert_int_equal(keys_of_acme(f), 0);
    assert_int_equal(lane_redis(f, "EXISTS %s", lane_key(f, "held:w1"))->integer, 0);
}

static void so_does_one_whose_jobs_are_taken_away(void **state)
{
    struct fixture *f = *state;
    struct lane_lease runs[2];
    have_everything(f, runs);
    lane_redis(f, "DEL %s", lane_key(f, "inbox_seen"));

    assert_true(lane_delete_org(f, "acme", 2) > 3);

    assert_string_equal(traces(f), "");
    assert_string_equal(lane_end(f, &runs[0], "done"), "stale");
    assert_reply(reply_element(lane_call(f, "note", "w1 %s %b %s %s %s", runs[1].name, runs[1].token, (size_t)LANE_TOKEN_BYTES,
                                         "50 half", "=here", ""),
                               0),
                 "stale");
    assert_string_equal(traces(f), "");
}

/* Whatever the worker says of a job whose organization goes: it is answered, and nothing of the job is left. */
static void AP_10_what_runs_is_told_to_stop_and_ends_as_nothing(void **state)
{
    struct fixture *f = *state;
    static const char *const verdicts[] = {"done",           "discard",      "dead",         "retry 1000 5",
                                           "timeout 1000 5", "crash 1000 5", "release 1000", "release"};
    lane_open(f, "w1", 600000);

    for (size_t i = 0; i < sizeof verdicts / sizeof *verdicts; i++) {
        lane_enqueue(f, "acme", "job", &(struct lane_record){.key = "k"});
        struct lane_lease lease = lane_claim_one(f, "w1");
        lane_call(f, "beat", "w1");
        begin(f);
        const redisReply *told = reply_element(lane_call(f, "beat", "w1"), 3);
        assert_int_equal(told->elements, 1);
        assert_reply(told->element[0], "acme/job");
        assert_int_equal(reply_element(lane_call(f, "job", "acme job"), 5)->integer, 1); /* cancelling */

        assert_string_equal(lane_end(f, &lease, verdicts[i]), "ok");

        assert_string_equal(lane_place(f, "acme", "job"), "");
        assert_int_equal(lane_redis(f, "EXISTS %s %s", lane_key(f, "org:acme:jobs"), lane_key(f, "org:acme:state"))->integer, 0);
        assert_string_equal(step(f, "step", 1), "deleted");
        assert_string_equal(traces(f), "");
        clock_advance_ms(f, 1);
    }
    assert_int_equal(reply_element(lane_call(f, "beat", "w1"), 3)->elements, 0);
}

static void so_does_what_a_dead_worker_had(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 6000);
    run_one(f, "job");
    begin(f);
    clock_advance_ms(f, 10000);

    assert_string_equal(step(f, "step", 10), "running");
    lane_call(f, "recover", "w1 %s 10", lane_field(f, "session:w1", "beat"));

    assert_string_equal(step(f, "step", 10), "deleted");
    assert_string_equal(traces(f), "");
}

/* ---- meanwhile ---- */

static void nothing_comes_in_while_it_goes(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 600000);
    lane_call(f, "org_set", "tester acme private_inbox 1");
    schedule_set(f, "acme", "nightly", NULL);
    struct lane_lease lease = run_one(f, "job");
    struct bytes child = lane_record(f, NULL);
    begin(f);

    assert_string_equal(lane_enqueue(f, "acme", "new", NULL), "deleting");
    assert_string_equal(lane_enqueue(f, "acme", "job", NULL), "deleting"); /* it was accepted, and goes */
    assert_string_equal(inbox(f, "5-0"), "deleting");
    assert_string_equal(inbox(f, "p:5-0"), "closed");
    assert_reply(reply_element(lane_call(f, "schedule_run", "tester acme nightly"), 0), "deleting");
    clock_advance_ms(f, MINUTE_MS);
    assert_string_equal(schedule_tick_at(f, "acme", "nightly", minute(1), minute(2), 0, (int64_t[]){minute(1), 0}),
                        "refused deleting");
    assert_error(schedule_set_any(f, "acme", "other", &(struct definition){0}), "INVALID organization acme is being deleted");
    const redisReply *reply =
        lane_call(f, "finish", "w1 0123456789abcdef 0 0 1 default 0 1 * 1000 acme/job %b done 1000 %s + 1 jobs 1 child %b",
                  lease.token, (size_t)LANE_TOKEN_BYTES, "", child.data, child.length);
    assert_reply(reply_element(reply_element(reply, 5), 0), "children:deleting");
    assert_string_equal(lane_end(f, &lease, "dead"), "ok"); /* so a worker goes on */

    const char *before = lane_digest(f);
    assert_error(lane_call(f, "org_set", "tester acme weight 200"), "INVALID organization acme is being deleted");
    assert_error(lane_call(f, "org_set", "tester acme paused %s", ""), "INVALID organization acme is being deleted");
    assert_string_equal(lane_digest(f), before);
}

static void nothing_starts_while_it_goes(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 600000);
    struct lane_lease lease = run_one(f, "job");
    lane_enqueue_many(f, "acme", "ready", 3, NULL);
    lane_enqueue(f, "acme", "later", &(struct lane_record){.delay_ms = 5});
    begin(f);
    clock_advance_ms(f, 5);
    lane_call(f, "promote", "10");
    lane_call(f, "audit", "tester 0 100 1");

    assert_int_equal(lane_claim(f, &(struct lane_claim){.session = "w1", .want = 9}).jobs, 0);
    assert_string_equal(step(f, "step", 10), "running");
    assert_string_equal(lane_end(f, &lease, "done"), "ok");
    assert_int_equal(lane_claim(f, &(struct lane_claim){.session = "w1", .want = 9}).jobs, 0);
}

static void other_organizations_go_on_and_get_what_it_had_of_limits(void **state)
{
    struct fixture *f = *state;
    const char *other = lane_org(f, 1);
    lane_open(f, "w1", 600000);
    lane_limit(f, "mail", "1", "", "");
    lane_enqueue(f, "acme", "first", &(struct lane_record){.limit = "mail"});
    lane_claim_one(f, "w1");
    lane_enqueue(f, "acme", "second", &(struct lane_record){.limit = "mail"});
    lane_enqueue(f, other, "third", &(struct lane_record){.limit = "mail"});
    lane_enqueue_many(f, other, "later", 4, &(struct lane_record){.delay_ms = 5});
    assert_int_equal(lane_claim(f, &(struct lane_claim){.session = "w1", .want = 9}).jobs, 0);
    assert_int_equal(lane_count(f, "line:mail"), 2);

    lane_delete_org(f, "acme", 3);

    assert_string_equal(lane_claim_one(f, "w1").name, fixture_text(f, "%s/third", other));
    assert_int_equal(lane_count(f, fixture_text(f, "org:%s:scheduled", other)), 4);
    assert_true(lane_has(f, "due", other));
    assert_string_equal(traces(f), "");
}

/* ---- steps ---- */

static void steps_are_bounded_and_what_is_large_goes_at_once(void **state)
{
    struct fixture *f = *state;
    f->check_each = false;
    lane_enqueue_many(f, "acme", "ready", 20000, NULL);
    lane_enqueue_many(f, "acme", "later", 5000, &(struct lane_record){.delay_ms = 1000});
    for (int i = 0; i < 7; i++)
        schedule_set(f, "acme", fixture_text(f, "s%d", i), NULL);
    begin(f);

    assert_string_equal(step(f, "step", 3), "more");
    assert_int_equal(lane_count(f, "org:acme:schedules"), 4);
    assert_string_equal(step(f, "step", 3), "more");
    assert_string_equal(step(f, "step", 3), "deleted");
    assert_string_equal(traces(f), "");
}

static void to_begin_again_changes_nothing(void **state)
{
    struct fixture *f = *state;
    lane_enqueue(f, "acme", "job", NULL);
    begin(f);
    clock_advance_ms(f, 1000);
    const char *before = lane_digest(f);

    assert_reply(reply_element(begin(f), 0), "deleting");

    assert_string_equal(lane_digest(f), before);
    assert_string_equal(lane_field(f, "org:acme", "paused_ms"), fixture_text(f, "%lld", CLOCK_START_MS));
    assert_string_equal(lane_field(f, "org:acme", "paused_by"), "tester");
}

/* The reply to the last step was lost, say, and it is made again. */
static void a_step_does_nothing_to_a_new_organization_of_the_name(void **state)
{
    struct fixture *f = *state;
    lane_call(f, "org_set", "tester acme weight 7 max_queued 1");
    lane_delete_org(f, "acme", 10);
    lane_enqueue_many(f, "acme", "job", 2, NULL);
    const char *before = lane_digest(f);

    assert_string_equal(step(f, "take", 10), "gone");

    assert_string_equal(lane_digest(f), before);
    assert_null(lane_field(f, "org:acme", "weight"));
    assert_null(lane_field(f, "org:acme", "paused"));
    lane_open(f, "w1", 60000);
    assert_string_equal(lane_claim_one(f, "w1").id, "job0000");
}

static void nobody_is_deleted_without_a_change(void **state)
{
    struct fixture *f = *state;
    const char *before = lane_digest(f);

    assert_reply(reply_element(begin(f), 0), "gone");
    assert_string_equal(step(f, "step", 1), "gone");

    assert_string_equal(lane_digest(f), before);
}

static void a_lane_deletes_64_at_a_time(void **state)
{
    struct fixture *f = *state;
    for (unsigned n = 0; n < 65; n++) {
        lane_call(f, "org_set", "tester %s weight 5", lane_org(f, n));
        const redisReply *reply = lane_call(f, "org_delete", "tester %s begin", lane_org(f, n));
        if (n == 64)
            assert_error(reply, "INVALID the lane has 64 organizations that are being deleted");
    }

    assert_string_equal(step(f, "step", 1), "deleted");
    assert_reply(reply_element(lane_call(f, "org_delete", "tester %s begin", lane_org(f, 64)), 0), "deleting");
}

/* ---- afterwards ---- */

/* A leader that died had read them, or nobody had. */
static void AP_10_entries_that_had_come_before_are_refused_after(void **state)
{
    struct fixture *f = *state;
    lane_call(f, "org_set", "tester acme private_inbox 1");
    clock_advance_ms(f, 1000);
    lane_delete_org(f, "acme", 10);

    assert_string_equal(inbox(f, fixture_text(f, "%lld-7", CLOCK_START_MS + 999)), "deleted");
    assert_string_equal(inbox(f, fixture_text(f, "p:%lld-7", CLOCK_START_MS + 999)), "deleted");
    assert_false(lane_has(f, "orgs", "acme"));
    assert_string_equal(inbox(f, fixture_text(f, "%lld-0", CLOCK_START_MS + 1001)), "new");
    assert_string_equal(inbox(f, fixture_text(f, "%lld-8", CLOCK_START_MS + 999)), "deleted"); /* the new one has none of it */

    clock_advance_ms(f, DAY_MS);
    lane_call(f, "trim", "10");
    assert_false(lane_has(f, "inbox_seen", "acme/"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(AP_10_a_deleted_organization_leaves_no_trace),
        cmocka_unit_test(so_does_one_whose_jobs_are_taken_away),
        cmocka_unit_test(AP_10_what_runs_is_told_to_stop_and_ends_as_nothing),
        cmocka_unit_test(so_does_what_a_dead_worker_had),
        cmocka_unit_test(nothing_comes_in_while_it_goes),
        cmocka_unit_test(nothing_starts_while_it_goes),
        cmocka_unit_test(other_organizations_go_on_and_get_what_it_had_of_limits),
        cmocka_unit_test(steps_are_bounded_and_what_is_large_goes_at_once),
        cmocka_unit_test(to_begin_again_changes_nothing),
        cmocka_unit_test(a_step_does_nothing_to_a_new_organization_of_the_name),
        cmocka_unit_test(nobody_is_deleted_without_a_change),
        cmocka_unit_test(a_lane_deletes_64_at_a_time),
        cmocka_unit_test(AP_10_entries_that_had_come_before_are_refused_after),
    };

    return RUN_IN_LANES("org_delete", tests);
}
