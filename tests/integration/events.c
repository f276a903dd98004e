/* What is noted for people: events of the control plane, and who changed what. Nothing where nothing changed. */
#include <stdio.h>
#include <string.h>

#include "tests/support/lane.h"

/* The newest entry of a stream of the lane as "field=value|field=value"; "" if there is none. */
static const char *newest(struct fixture *f, const char *stream)
{
    const redisReply *reply = lane_redis(f, "XREVRANGE %s + - COUNT 1", lane_key(f, "%s", stream)), *fields;
    const char *text = "";

    if (reply->elements == 0)
        return text;
    fields = reply_element(reply_element(reply, 0), 1);
    for (size_t i = 0; i + 1 < fields->elements; i += 2)
        text = fixture_text(f, "%s%s%s=%s", text, i ? "|" : "", fields->element[i]->str, fields->element[i + 1]->str);
    return text;
}

static long long entries(struct fixture *f, const char *stream)
{
    return lane_redis(f, "XLEN %s", lane_key(f, "%s", stream))->integer;
}

#define assert_newest(stream, text) assert_string_equal(newest(f, stream), text)

/* ---- Changes ---- */

static void each_change_is_noted_with_what_was_before_and_after(void **state)
{
    struct fixture *f = *state;
    lane_enqueue(f, "acme", "j1", NULL);
    lane_enqueue(f, "acme", "j2", &(struct lane_record){.delay_ms = 5000});

    lane_call(f, "cancel", "ann@host acme j1");
    assert_newest("audit", "who=ann@host|what=cancel|org=acme|subject=j1|before=ready|after=cancelled");
    assert_newest("events", "kind=cancel|org=acme|subject=j1|detail=ready -> cancelled, by ann@host");

    lane_call(f, "redrive", "ann@host acme j1 nothing");
    assert_newest("audit", "who=ann@host|what=redrive|org=acme|subject=j1|before=cancelled 1|after=ready");

    lane_call(f, "reschedule", "ann@host acme j2 0");
    assert_newest("audit", fixture_text(f, "who=ann@host|what=reschedule|org=acme|subject=j2|before=scheduled %lld|after=ready",
                                        CLOCK_START_MS + 5000));

    lane_call(f, "delete", "ann@host acme j1 j2");
    assert_newest("audit", "who=ann@host|what=delete|org=acme|subject=j1 j2|before=ready 2|after=gone");

    lane_call(f, "org_set", "ann@host acme weight 100 max_running 5");
    assert_newest("audit",
                  "who=ann@host|what=org_set|org=acme|subject=|before=weight= max_running=|after=weight=100 max_running=5");
    lane_call(f, "org_set", "ann@host acme weight 100 max_running 6");
    assert_newest("audit", "who=ann@host|what=org_set|org=acme|subject=|before=max_running=5|after=max_running=6");

    lane_call(f, "pause", "%s mail pause", "ann (rota 1)");
    assert_newest("audit", "who=ann (rota 1)|what=pause|org=|subject=mail|before=running|after=paused");
    lane_call(f, "pause", "bob mail resume");
    assert_newest("audit", fixture_text(f, "who=bob|what=resume|org=|subject=mail|before=paused %lld ann (rota 1)|after=running",
                                        CLOCK_START_MS));

    lane_call(f, "intake", "bob stop weak");
    assert_newest("audit", "who=bob|what=intake|org=|subject=|before=open|after=stopped: weak");
    lane_call(f, "intake", "bob resume strong");
    assert_newest("audit", "who=bob|what=intake|org=|subject=|before=stopped: weak|after=open");

    lane_call(f, "org_delete", "bob acme begin");
    lane_call(f, "org_delete", "bob acme begin");
    assert_newest("audit", "who=bob|what=org_delete|org=acme|subject=|before=0 jobs|after=deleting");
    lane_call(f, "org_delete", "bob acme step 1");
    lane_call(f, "org_delete", "bob acme step 1");
    assert_newest("audit", "who=bob|what=org_delete|org=acme|subject=|before=deleting|after=gone");
    assert_int_equal(entries(f, "audit"), 12);
    assert_int_equal(entries(f, "events"), 12);
}

static void a_running_job_is_cancelled_once(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 6000);
    lane_enqueue(f, "acme", "j1", NULL);
    lane_claim_one(f, "w1");

    lane_call(f, "cancel", "ann acme j1");
    lane_call(f, "cancel", "ann acme j1");

    assert_newest("audit", "who=ann|what=cancel|org=acme|subject=j1|before=running|after=cancelling");
    assert_int_equal(entries(f, "audit"), 1);
}

static void what_changes_nothing_is_not_noted(void **state)
{
    struct fixture *f = *state;
    lane_enqueue(f, "acme", "j1", NULL);
    lane_call(f, "org_set", "ann acme weight 5");
    lane_call(f, "pause", "ann default pause");
    long long audit = entries(f, "audit"), events = entries(f, "events");

    lane_call(f, "cancel", "ann acme nothing");
    lane_call(f, "redrive", "ann acme j1");
    lane_call(f, "delete", "ann acme nothing");
    lane_call(f, "reschedule", "ann acme j1 0");
    lane_call(f, "org_set", "ann acme weight 5");
    lane_call(f, "pause", "ann default pause");
    lane_call(f, "pause", "ann mail resume");
    lane_call(f, "intake", "ann resume again");
    lane_call(f, "audit", "ann 0 10 1");
    lane_call(f, "audit_jobs", "ann acme 0 10 1");

    assert_int_equal(entries(f, "audit"), audit);
    assert_int_equal(entries(f, "events"), events);
}

static void what_the_audit_mends_is_noted(void **state)
{
    struct fixture *f = *state;
    lane_enqueue(f, "acme", "j1", NULL);
    lane_redis(f, "DEL %s", lane_key(f, "active:default"));
    f->check_each = false;

    lane_call(f, "audit", "bob 0 10 0");
    assert_int_equal(entries(f, "audit"), 0);
    lane_call(f, "audit", "bob 0 10 1");
    assert_newest("audit", "who=bob|what=mend|org=acme|subject=|before=active quiet|after=mended");

    lane_redis(f, "ZREM %s j1", lane_key(f, "org:acme:ready:default"));
    lane_call(f, "audit_jobs", "bob acme 0 10 1");
    assert_newest("audit", "who=bob|what=mend|org=acme|subject=j1|before=nowhere|after=mended");
}

static void of_many_jobs_the_first_are_named(void **state)
{
    struct fixture *f = *state;
    char id[65];
    struct args args = {0};

    args_text(&args, "ann");
    args_text(&args, "acme");
    for (int i = 0; i < 20; i++) {
        snprintf(id, sizeof id, "%064d", i);
        lane_enqueue(f, "acme", id, NULL);
        args_text(&args, "%s", id);
    }
    lane_call_args(f, "delete", &args);

    const char *text = strstr(newest(f, "audit"), "subject=");
    assert_non_null(strstr(text, " +13|before=ready 20|after=gone"));
}

/* ---- Sessions, leaders, dead letters ---- */

static void sessions_and_leaders_come_and_go(void **state)
{
    struct fixture *f = *state;

    lane_open(f, "w1", 6000);
    assert_newest("events", "kind=session_opened|org=|subject=w1|detail=worker");
    lane_enqueue(f, "acme", "j1", NULL);
    lane_enqueue(f, "acme", "j2", NULL);
    lane_claim(f, &(struct lane_claim){.session = "w1", .want = 2});
    lane_call(f, "close", "w1 1");
    assert_newest("events", "kind=session_closed|org=|subject=w1|detail=2 jobs handed back");
    lane_call(f, "close", "w1 1");

    lane_open(f, "w2", 1000);
    lane_claim(f, &(struct lane_claim){.session = "w2", .want = 2});
    clock_advance_ms(f, 1001);
    lane_call(f, "recover", "w2 2 1");
    assert_newest("events", "kind=session_lost|org=|subject=w2|detail=2 jobs recovered");
    lane_call(f, "recover", "w2 %s 1", "");

    lane_call(f, "open", "s1 scheduler 6000 2000");
    lane_call(f, "lead", "s1");
    assert_newest("events", "kind=leader|org=|subject=s1|detail=epoch 1");
    lane_call(f, "lead", "s1");
    assert_int_equal(entries(f, "events"), 6);
    assert_int_equal(entries(f, "audit"), 0);
}

static void dead_letters_are_noted_by_call(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 6000);
    lane_enqueue_many(f, "acme", "j", 3, NULL);
    struct lane_claimed got = lane_claim(f, &(struct lane_claim){.session = "w1", .want = 3});
    struct lane_end ends[3] = {{.lease = &got.job[0], .verdict = "dead"},
                               {.lease = &got.job[1], .verdict = "retry 0 1"},
                               {.lease = &got.job[2], .verdict = "done"}};

    long long before = entries(f, "events");

    lane_finish(f, &(struct lane_claim){.session = "w1", .want_none = true}, ends, 3);

    assert_newest("events", "kind=dead|org=acme|subject=j0000 j0001|detail=handler attempts");
    assert_int_equal(entries(f, "events"), before + 1);
}

/* ---- Bounds ---- */

/* `count` jobs of an organization die, each in a call of its own. */
static void die(struct fixture *f, const char *org, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        assert_string_equal(lane_enqueue(f, org, fixture_text(f, "%s-%u-%lld", org, i, (long long)clock_ms(f)), NULL), "new");
        struct lane_lease lease = lane_claim_one(f, "w1");
        assert_string_equal(lane_end(f, &lease, "dead"), "ok");
    }
}

static void a_flood_of_dead_letters_leaves_room_for_what_else_happens(void **state)
{
    struct fixture *f = *state;
    clock_set_us(f, CLOCK_START_US / 60000000 * 60000000);
    lane_open(f, "w1", 600000);
    long long before = entries(f, "events");

    die(f, "acme", 20);
    assert_int_equal(entries(f, "events"), before + 4); /* of one organization in a minute */
    for (unsigned n = 1; n < 20; n++)
        die(f, lane_org(f, n), 1);
    assert_int_equal(entries(f, "events"), before + 16); /* of all */
    lane_call(f, "trim", "10");
    assert_int_equal(entries(f, "events"), before + 16);

    clock_advance_ms(f, 60000);
    lane_call(f, "trim", "10");
    assert_newest("events", fixture_text(f, "kind=dead|org=|subject=|detail=23 more in the minute from %lld",
                                         CLOCK_START_MS / 60000 * 60000));
    lane_call(f, "trim", "10");
    assert_int_equal(entries(f, "events"), before + 17);
    die(f, "acme", 5);
    assert_int_equal(entries(f, "events"), before + 21);
    clock_advance_ms(f, 600000);
    die(f, "acme", 1); /* nobody trims: whoever dies next says what was not said */
    assert_int_equal(entries(f, "events"), before + 23);
    assert_newest("events", fixture_text(f, "kind=dead|org=acme|subject=acme-0-%lld|detail=handler", (long long)clock_ms(f)));
}

/* A handler that is told 429 is nobody who changes something. */
static void pauses_of_limits_by_handlers_are_events_and_no_changes(void **state)
{
    struct fixture *f = *state;
    clock_set_us(f, CLOCK_START_US / 60000000 * 60000000);
    int64_t now_ms = clock_ms(f);
    lane_call(f, "limit_set", "ann mail 5 %s %s", "", "");
    long long audit = entries(f, "audit"), events = entries(f, "events");

    lane_call(f, "limit_pause", "w@host mail %s 1000 1", "");
    assert_newest("events",
                  fixture_text(f, "kind=limit_pause|org=|subject=mail|detail=0 -> %lld, by w@host", (long long)now_ms + 1000));
    lane_call(f, "limit_pause", "w@host mail %s 1000 1", "");
    assert_int_equal(entries(f, "events"), events + 1);
    for (int i = 0; i < 40; i++) {
        lane_call(f, "limit_pause", "w@host mail:%d acme 1000 1", i);
        clock_advance_ms(f, 1001);
        lane_call(f, "limit_pause", "w@host mail %s 1000 1", "");
    }
    assert_int_equal(entries(f, "events"), events + 4);
    assert_int_equal(entries(f, "audit"), audit);
    clock_advance_ms(f, 60000);
    lane_call(f, "trim", "10");
    assert_newest("events",
                  fixture_text(f, "kind=limit_pause|org=|subject=|detail=37 more in the minute from %lld", (long long)now_ms));

    lane_call(f, "limit_pause", "ann mail:1 acme 1000");
    assert_int_equal(entries(f, "audit"), audit + 1);
    assert_error(lane_call(f, "limit_pause", "ann mail:1 acme 1000 yes"), "INVALID");
}

static void both_streams_are_bounded(void **state)
{
    struct fixture *f = *state;
    f->check_each = false;

    for (int i = 0; i < 5150; i++) {
        lane_call(f, "pause", "ann mail pause");
        lane_call(f, "pause", "ann mail resume");
        if (i % 500 == 0)
            fixture_sweep(f);
    }
    assert_in_range(entries(f, "audit"), 10000, 10200);
    assert_in_range(entries(f, "events"), 10000, 10200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_change_is_noted_with_what_was_before_and_after),
        cmocka_unit_test(a_running_job_is_cancelled_once),
        cmocka_unit_test(what_changes_nothing_is_not_noted),
        cmocka_unit_test(what_the_audit_mends_is_noted),
        cmocka_unit_test(of_many_jobs_the_first_are_named),
        cmocka_unit_test(sessions_and_leaders_come_and_go),
        cmocka_unit_test(dead_letters_are_noted_by_call),
        cmocka_unit_test(a_flood_of_dead_letters_leaves_room_for_what_else_happens),
        cmocka_unit_test(pauses_of_limits_by_handlers_are_events_and_no_changes),
        cmocka_unit_test(both_streams_are_bounded),
    };

    return RUN_IN_LANES("events", tests);
}
