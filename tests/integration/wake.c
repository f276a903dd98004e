/* Wake-up tokens: a sleeping worker finds one when there is work for it, and one token wakes one worker. */
#include <stdio.h>
#include <string.h>

#include "tests/support/lane.h"

static long long tokens(struct fixture *f, const char *queue)
{
    return lane_count(f, fixture_text(f, "wake:%s", queue));
}

/* What a worker's BZPOPMIN does; true if it was woken. */
static bool wakes(struct fixture *f, const char *queue)
{
    f->unchecked |= UNCHECKED_WAKE;
    return lane_redis(f, "ZPOPMIN %s", lane_key(f, "wake:%s", queue))->elements > 0;
}

static void work_that_arrives_wakes_one_worker(void **state)
{
    struct fixture *f = *state;

    lane_enqueue(f, "acme", "job1", NULL);
    lane_enqueue(f, "acme", "job2", NULL);

    assert_true(wakes(f, "default"));
    assert_false(wakes(f, "default"));
    assert_int_equal(tokens(f, "mail"), 0);
}

static void a_worker_that_blocks_gets_the_token_of_an_enqueue(void **state)
{
    struct fixture *f = *state;
    redisContext *sleeper = server_connect(f->server);
    f->unchecked |= UNCHECKED_WAKE;
    redisAppendCommand(sleeper, "BZPOPMIN %s 10", lane_key(f, "wake:default"));
    int sent = 0;
    while (!sent)
        redisBufferWrite(sleeper, &sent);

    lane_enqueue(f, "acme", "job1", NULL);

    redisReply *reply = NULL;
    redisGetReply(sleeper, (void **)&reply);
    assert_int_equal(reply->elements, 3);
    freeReplyObject(reply);
    redisFree(sleeper);
}

static void work_for_several_organizations_wakes_several_workers(void **state)
{
    struct fixture *f = *state;

    for (unsigned n = 0; n < 12; n++)
        lane_enqueue(f, lane_org(f, n), "job1", NULL);

    assert_int_equal(tokens(f, "default"), 8); /* at most */
}

static void a_woken_worker_wakes_two_more_while_work_is_left(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    for (unsigned n = 0; n < 3; n++)
        lane_enqueue_many(f, lane_org(f, n), "job", 5, NULL);
    while (wakes(f, "default"))
        ;

    lane_claim_one(f, "w1");

    assert_int_equal(tokens(f, "default"), 2);
}

static void a_claim_that_leaves_nothing_wakes_nobody(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    lane_enqueue(f, "acme", "job1", NULL);
    assert_int_equal(tokens(f, "default"), 1);

    lane_claim_one(f, "w1");

    assert_int_equal(tokens(f, "default"), 0);
    assert_int_equal(tokens(f, "default:quiet"), 0);
}

static void an_end_below_the_cap_wakes_a_worker(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    lane_call(f, "org_set", "tester acme max_running 1");
    lane_enqueue_many(f, "acme", "job", 2, NULL);
    struct lane_lease lease = lane_claim_one(f, "w1");
    assert_int_equal(tokens(f, "default"), 0);

    lane_end(f, &lease, "done");

    assert_int_equal(tokens(f, "default"), 1);
}

static void promoted_jobs_wake_a_worker(void **state)
{
    struct fixture *f = *state;
    lane_enqueue(f, "acme", "job1", &(struct lane_record){.delay_ms = 100, .queue = "mail"});
    assert_int_equal(tokens(f, "mail"), 0);
    clock_advance_ms(f, 100);

    lane_call(f, "promote", "10");

    assert_int_equal(tokens(f, "mail"), 1);
}

static void a_claim_that_takes_nothing_wakes_nobody(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    lane_enqueue(f, "acme", "job1", NULL);
    while (wakes(f, "default"))
        ;

    lane_claim(f, &(struct lane_claim){.session = "w1", .want_none = true});

    assert_int_equal(tokens(f, "default"), 0);
}

static void a_quiet_organization_wakes_a_worker_of_quiet_slots(void **state)
{
    struct fixture *f = *state;

    lane_enqueue(f, "acme", "job1", NULL);

    assert_true(wakes(f, "default:quiet"));
    assert_false(wakes(f, "default:quiet"));
}

static void a_busy_organization_does_not_wake_workers_of_quiet_slots(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    lane_enqueue(f, "acme", "job1", NULL);
    lane_claim_one(f, "w1");

    lane_enqueue(f, "acme", "job2", NULL);

    assert_int_equal(tokens(f, "default:quiet"), 0);
    assert_int_equal(tokens(f, "default"), 1);
}

static void quiet_organizations_wake_one_another(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    for (unsigned n = 0; n < 3; n++)
        lane_enqueue_many(f, lane_org(f, n), "job", 3, NULL);
    assert_true(wakes(f, "default:quiet"));

    struct lane_claimed got = lane_claim(f, &(struct lane_claim){.session = "w1", .quiet = true});
    assert_int_equal(got.jobs, 1);
    assert_true(wakes(f, "default:quiet")); /* two are quiet still */
    for (int i = 0; i < 2; i++)
        lane_claim(f, &(struct lane_claim){.session = "w1", .quiet = true});
    wakes(f, "default:quiet");
    assert_false(wakes(f, "default:quiet"));

    lane_end(f, &got.job[0], "done");

    assert_true(wakes(f, "default:quiet")); /* it is quiet again */
}

static void a_resume_wakes_for_all_that_waited(void **state)
{
    struct fixture *f = *state;
    for (unsigned n = 0; n < 12; n++)
        lane_enqueue(f, lane_org(f, n), "job1", &(struct lane_record){.queue = n % 2 ? "mail" : "default"});
    while (wakes(f, "default") || wakes(f, "mail"))
        ;
    lane_call(f, "pause", "ops * pause");

    lane_call(f, "pause", "ops * resume");

    assert_int_equal(tokens(f, "default"), 6);
    assert_int_equal(tokens(f, "mail"), 6);
}

static void a_claim_of_a_paused_queue_wakes_nobody(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    lane_enqueue_many(f, "acme", "job", 5, NULL);
    lane_call(f, "pause", "ops default pause");
    while (wakes(f, "default"))
        ;

    lane_claim(f, &(struct lane_claim){.session = "w1"});

    assert_int_equal(tokens(f, "default"), 0);
}

static void jobs_set_aside_leave_the_token_or_say_that_work_is_left(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    lane_enqueue_many(f, "acme", "strange", 100, &(struct lane_record){.type = "strange"});
    lane_enqueue(f, "acme", "zz", NULL);
    while (wakes(f, "default"))
        ;

    struct lane_claimed got = lane_claim(f, &(struct lane_claim){.session = "w1", .types = "test:1000"});

    assert_int_equal(got.jobs, 0);
    assert_int_equal(got.active, 1); /* the worker asks again at once */
}

static void a_lead_that_ends_wakes_the_other_schedulers(void **state)
{
    struct fixture *f = *state;
    lane_call(f, "open", "s1 scheduler 6000 2000");
    lane_call(f, "lead", "s1");

    lane_call(f, "close", "s1 64");

    assert_int_equal(lane_count(f, "wake_leader"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(work_that_arrives_wakes_one_worker),
        cmocka_unit_test(a_worker_that_blocks_gets_the_token_of_an_enqueue),
        cmocka_unit_test(work_for_several_organizations_wakes_several_workers),
        cmocka_unit_test(a_woken_worker_wakes_two_more_while_work_is_left),
        cmocka_unit_test(a_claim_that_leaves_nothing_wakes_nobody),
        cmocka_unit_test(an_end_below_the_cap_wakes_a_worker),
        cmocka_unit_test(promoted_jobs_wake_a_worker),
        cmocka_unit_test(a_claim_that_takes_nothing_wakes_nobody),
        cmocka_unit_test(a_quiet_organization_wakes_a_worker_of_quiet_slots),
        cmocka_unit_test(a_busy_organization_does_not_wake_workers_of_quiet_slots),
        cmocka_unit_test(a_resume_wakes_for_all_that_waited),
        cmocka_unit_test(a_claim_of_a_paused_queue_wakes_nobody),
        cmocka_unit_test(jobs_set_aside_leave_the_token_or_say_that_work_is_left),
        cmocka_unit_test(a_lead_that_ends_wakes_the_other_schedulers),
        cmocka_unit_test(quiet_organizations_wake_one_another),
    };

    return RUN_IN_LANES("wake", tests);
}
