/* The views of jobs: job, jobs and explain. */
#include <string.h>

#include "tests/support/lane.h"

/* ---- job ---- */

static void job_shows_each_place(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    lane_enqueue(f, "acme", "job1", &(struct lane_record){.timeout_ms = 1000});
    struct bytes record = lane_record(f, &(struct lane_record){.timeout_ms = 1000});

    const redisReply *reply = lane_call(f, "job", "acme job1");
    assert_reply(reply_element(reply, 0), "ready");
    assert_int_equal(reply_number(reply_element(reply, 1)), CLOCK_START_MS);
    assert_int_equal(reply_element(reply, 2)->len, record.length);
    assert_reply(reply_element(reply, 3), "");

    struct lane_lease lease = lane_claim_one(f, "w1");
    reply = lane_call(f, "job", "acme job1");
    assert_reply(reply_element(reply, 0), "running");
    assert_int_equal(reply_number(reply_element(reply, 1)), CLOCK_START_MS + 16000);
    assert_int_equal(reply_number(reply_element(reply, 4)), CLOCK_START_MS + 16000);
    assert_int_equal(reply_number(reply_element(reply, 5)), 0);
    lane_call(f, "cancel", "tester acme job1");
    assert_int_equal(reply_number(reply_element(lane_call(f, "job", "acme job1"), 5)), 1);

    lane_end(f, &lease, "done");
    reply = lane_call(f, "job", "acme job1");
    assert_reply(reply_element(reply, 0), "done");
    assert_int_equal(reply_number(reply_element(reply, 4)), 0);
    assert_int_equal(lane_state_decode(f, (struct bytes){reply_element(reply, 3)->str, reply_element(reply, 3)->len}).attempt, 1);
}

static void job_of_an_unknown_id_is_empty(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(lane_call(f, "job", "acme nothing")->elements, 0);
}

static void a_record_in_no_set_is_lost(void **state)
{
    struct fixture *f = *state;
    lane_enqueue(f, "acme", "job1", NULL);
    f->check_each = false;
    lane_redis(f, "ZREM %s job1", lane_key(f, "org:acme:ready:default"));

    assert_reply(reply_element(lane_call(f, "job", "acme job1"), 0), "lost");

    lane_redis(f, "ZADD %s %lld job1", lane_key(f, "org:acme:ready:default"), CLOCK_START_MS);
}

/* ---- jobs ---- */

/* What a page has found, and of how many: "2 of 5: a b". */
static const char *found(struct fixture *f, const char *arguments)
{
    const redisReply *reply = lane_call(f, "jobs", arguments), *list = reply_element(reply, 3);
    const char *text = fixture_text(f, "%zu of %lld:", list->elements / 4, reply_number(reply_element(reply, 0)));

    for (size_t i = 0; i < list->elements; i += 4)
        text = fixture_text(f, "%s %s", text, list->element[i]->str);
    return text;
}

static void jobs_come_in_pages_without_payloads(void **state)
{
    struct fixture *f = *state;
    char payload[5000];
    memset(payload, 'p', sizeof payload);
    lane_enqueue_many(f, "acme", "job", 10,
                      &(struct lane_record){.payload = payload, .payload_bytes = sizeof payload, .timeout_ms = 9});

    const redisReply *page = reply_element(lane_call(f, "jobs", "acme ready:default 4 3 0"), 3);

    assert_int_equal(page->elements, 12);
    for (size_t i = 0; i < 3; i++) {
        assert_reply(reply_element(page, 4 * i), fixture_text(f, "job%04zu", i + 4));
        assert_int_equal(reply_number(reply_element(page, 4 * i + 1)), CLOCK_START_MS);
        assert_in_range(reply_element(page, 4 * i + 2)->len, 1, 40);
        assert_reply(reply_element(page, 4 * i + 3), "");
    }
}

static void jobs_can_be_read_from_the_newest_on(void **state)
{
    struct fixture *f = *state;
    lane_enqueue_many(f, "acme", "job", 10, NULL);

    const redisReply *page = reply_element(lane_call(f, "jobs", "acme ready:default 0 2 1"), 3);

    assert_reply(reply_element(page, 0), "job0009");
    assert_reply(reply_element(page, 4), "job0008");
}

static void jobs_beyond_the_end_are_none(void **state)
{
    struct fixture *f = *state;
    lane_enqueue_many(f, "acme", "job", 3, NULL);

    assert_string_equal(found(f, "acme ready:default 2 500 0"), "1 of 1: job0002");
    assert_string_equal(found(f, "acme ready:default 3 500 0"), "0 of 0:");
    assert_string_equal(found(f, "acme dead 0 500 0"), "0 of 0:");
    assert_string_equal(found(f, "nobody dead 0 500 0"), "0 of 0:");
}

static void jobs_of_ended_sets_carry_their_state(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    static const char *const verdicts[] = {"done", "dead"};
    for (int i = 0; i < 2; i++) {
        lane_enqueue(f, "acme", verdicts[i], NULL);
        struct lane_lease lease = lane_claim_one(f, "w1");
        lane_end(f, &lease, verdicts[i]);

        const redisReply *page = reply_element(lane_call(f, "jobs", "acme %s 0 10 0", verdicts[i]), 3);

        assert_reply(reply_element(page, 0), verdicts[i]);
        assert_int_equal((unsigned char)reply_element(page, 2)->str[0], 0x93);
        assert_int_equal(lane_state_decode(f, (struct bytes){reply_element(page, 3)->str, reply_element(page, 3)->len}).attempt,
                         1);
    }
}

static void redis_looks_for_what_matches(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    lane_enqueue(f, "acme", "a", &(struct lane_record){.type = "mail", .payload = "to ann", .payload_bytes = 6});
    lane_enqueue(f, "acme", "b", &(struct lane_record){.type = "mail", .payload = "to bob", .payload_bytes = 6, .key = "ann"});
    clock_advance_ms(f, 1000);
    lane_enqueue(f, "acme", "c", &(struct lane_record){.type = "web", .payload = "%d", .payload_bytes = 2, .priority = 5});

    assert_string_equal(found(f, "acme ready:default 0 10 0 type mail"), "2 of 3: a b");
    assert_string_equal(found(f, "acme ready:default 0 10 0 payload ann"), "1 of 3: a"); /* not in the key */
    assert_string_equal(found(f, "acme ready:default 0 10 0 payload %%"), "1 of 3: c");  /* no pattern */
    assert_string_equal(found(f, "acme ready:default 0 10 0 type mail payload bob"), "1 of 3: b");
    assert_string_equal(found(f, fixture_text(f, "acme ready:default 0 10 0 since_ms %lld", (long long)clock_ms(f))),
                        "1 of 3: c");
    assert_string_equal(found(f, "acme ready:default 0 2 0 type web"), "1 of 2: c"); /* the first for its priority */
    assert_string_equal(found(f, "acme ready:default 1 1 0 type web"), "0 of 1:");
    assert_string_equal(found(f, "acme ready:default 0 10 0 error x"), "0 of 3:");
}

static void errors_are_looked_for_in_reports_alone(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    for (int i = 0; i < 3; i++) {
        lane_enqueue(f, "acme", fixture_text(f, "j%d", i), NULL);
        struct lane_lease lease = lane_claim_one(f, "w1");
        struct lane_end end = {.lease = &lease,
                               .verdict = i == 2 ? "retry 0 9" : "dead",
                               .report = {"\x81\xa5"
                                          "error"
                                          "\xa8"
                                          "no route",
                                          16}};
        if (i == 1)
            end.report = (struct bytes){"\x81\xa5"
                                        "error"
                                        "\xa6"
                                        "crash!",
                                        14};
        lane_finish(f, &(struct lane_claim){.session = "w1", .want_none = true}, &end, 1);
        clock_advance_ms(f, 1000);
    }

    assert_string_equal(found(f, "acme dead 0 10 0 error route"), "1 of 2: j0");
    assert_string_equal(found(f, "acme dead 0 10 0 error crash!"), "1 of 2: j1");
    assert_string_equal(found(f, "acme dead 0 10 0 error failed"), "0 of 2:"); /* the outcome of each attempt */
    assert_string_equal(found(f, "acme scheduled 0 10 0 error route"), "1 of 1: j2");
    assert_string_equal(found(f, fixture_text(f, "acme dead 0 10 1 since_ms %lld", CLOCK_START_MS + 1000)), "1 of 2: j1");
    assert_string_equal(found(f, fixture_text(f, "acme scheduled 0 10 0 since_ms %lld", CLOCK_START_MS + 2000)), "1 of 1: j2");
    assert_string_equal(found(f, fixture_text(f, "acme scheduled 0 10 0 since_ms %lld", CLOCK_START_MS + 2001)), "0 of 1:");
}

static void sets_that_do_not_exist_are_refused(void **state)
{
    struct fixture *f = *state;
    static const char *const bad[] = {
        "acme jobs 0 10 0",        "acme ready 0 10 0",          "acme ready: 0 10 0",         "acme ready:A 0 10 0",
        "acme state 0 10 0",       "acme done:x 0 10 0",         "acme dead -1 10 0",          "acme dead 0 0 0",
        "acme dead 0 501 0",       "acme dead x 10 0",           "Acme dead 0 10 0",           "acme",
        "acme dead 0 9 0 type",    "acme dead 0 9 0 colour red", "acme dead 0 9 0 since_ms x", "acme dead 0 9 0 type t error",
        "acme dead 0 9 0 since_ms"};

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_error(lane_call(f, "jobs", bad[i]), "INVALID");
}

/* ---- explain ---- */

/* The value of a fact; NULL if it is not told. */
static const char *fact(struct fixture *f, const char *job, const char *name)
{
    const redisReply *facts = lane_call(f, "explain", job);

    for (size_t i = 0; i + 1 < facts->elements; i += 2)
        if (strcmp(facts->element[i]->str, name) == 0)
            return facts->element[i + 1]->str ? facts->element[i + 1]->str
                                              : fixture_text(f, "%lld", facts->element[i + 1]->integer);
    return NULL;
}

static void explain_tells_what_a_waiting_job_waits_for(void **state)
{
    struct fixture *f = *state;
    const char *other = lane_org(f, 1);
    lane_call(f, "org_set", "ann acme max_running 5 rate 0.5 weight 1");
    lane_open(f, "w1", 6000);
    lane_enqueue_many(f, "acme", "j", 4, NULL);
    lane_claim(f, &(struct lane_claim){.session = "w1", .want = 1});
    lane_enqueue(f, other, "j", NULL);

    assert_string_equal(fact(f, "acme j0003", "place"), "ready");
    assert_string_equal(fact(f, "acme j0003", "rank"), "2");
    assert_string_equal(fact(f, "acme j0003", "ready"), "3");
    assert_string_equal(fact(f, "acme j0003", "running"), "1");
    assert_string_equal(fact(f, "acme j0003", "max_running"), "5");
    assert_string_equal(fact(f, "acme j0003", "rate"), "0.5");
    assert_string_equal(fact(f, "acme j0003", "token_ms"), fixture_text(f, "%lld", CLOCK_START_MS + 2000));
    assert_null(fact(f, "acme j0003", "before")); /* not in line: it is parked */
    assert_null(fact(f, "acme j0003", "paused"));

    lane_call(f, "org_set", "ann acme rate %s", "");
    assert_string_equal(fact(f, "acme j0003", "before"), "1"); /* it has used some time, the other one none */
    assert_string_equal(fact(f, "acme j0003", "active"), "2");
    assert_null(fact(f, "acme j0003", "token_ms"));
    lane_call(f, "pause", "ann * pause");
    lane_call(f, "pause", "bob default pause");
    lane_call(f, "org_set", "carl acme paused 1");
    assert_string_equal(fact(f, "acme j0003", "paused"), fixture_text(f, "%lld ann", CLOCK_START_MS));
    assert_string_equal(fact(f, "acme j0003", "queue_paused"), fixture_text(f, "%lld bob", CLOCK_START_MS));
    assert_string_equal(fact(f, "acme j0003", "org_paused_ms"), fixture_text(f, "%lld", CLOCK_START_MS));
    assert_string_equal(fact(f, "acme j0003", "org_paused_by"), "carl");
}

static void explain_tells_of_jobs_that_run_and_of_none(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 6000);
    lane_enqueue(f, "acme", "j1", NULL);
    lane_claim_one(f, "w1");

    assert_string_equal(fact(f, "acme j1", "place"), "running");
    assert_string_equal(fact(f, "acme j1", "session_ms"), fixture_text(f, "%lld", CLOCK_START_MS + 6000));
    assert_string_equal(fact(f, "acme j1", "cancelling"), "0");
    assert_string_equal(fact(f, "acme j1", "deadline_ms"), fact(f, "acme j1", "score"));

    assert_null(fact(f, "acme 1-0", "place"));
    struct bytes record = lane_record(f, NULL);
    lane_call(f, "inbox", "acme 1-0 %b", record.data, record.length);
    lane_call(f, "delete", "ann acme 1-0");
    assert_null(fact(f, "acme 1-0", "place"));
    assert_string_equal(fact(f, "acme 1-0", "moved_ms"), fixture_text(f, "%lld", CLOCK_START_MS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(job_shows_each_place),
        cmocka_unit_test(job_of_an_unknown_id_is_empty),
        cmocka_unit_test(a_record_in_no_set_is_lost),
        cmocka_unit_test(jobs_come_in_pages_without_payloads),
        cmocka_unit_test(jobs_can_be_read_from_the_newest_on),
        cmocka_unit_test(jobs_beyond_the_end_are_none),
        cmocka_unit_test(jobs_of_ended_sets_carry_their_state),
        cmocka_unit_test(redis_looks_for_what_matches),
        cmocka_unit_test(errors_are_looked_for_in_reports_alone),
        cmocka_unit_test(sets_that_do_not_exist_are_refused),
        cmocka_unit_test(explain_tells_what_a_waiting_job_waits_for),
        cmocka_unit_test(explain_tells_of_jobs_that_run_and_of_none),
    };

    return RUN_IN_LANES("org", tests);
}
