/* every_org - a schedule of every organization in a whole deployment: each of them gets its jobs, whoever leads, and an
 * organization says itself what it wants otherwise. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/id.h"
#include "tests/support/pool.h"
#include "tests/support/rota.h"

#define SECOND_MS 1000LL

static const char *org(struct pool *pool, unsigned n)
{
    return pool_text(pool, "org%u", n);
}

static void make_orgs(struct pool *pool, unsigned count)
{
    for (unsigned n = 0; n < count; n++)
        pool_call(pool, lane_of(org(pool, n), pool->lanes), "org_set", "tester %s weight 50", org(pool, n));
}

static const char *job_of(struct pool *pool, const char *name, int64_t due_ms)
{
    return pool_text(pool, "%s@%lld", name, (long long)due_ms);
}

/* A key of the first `count` organizations: of how many it has this one field and no other. */
static unsigned count_single(struct pool *pool, unsigned count, const char *key, const char *field)
{
    unsigned found = 0;

    for (unsigned n = 0; n < count; n++) {
        const char *of = org(pool, n), *full = pool_text(pool, "rota:{%u}:org:%s:%s", lane_of(of, pool->lanes), of, key);
        found += pool_number(pool, "HLEN %s", full) == 1 && pool_number(pool, "HEXISTS %s %s", full, field) == 1;
    }
    return found;
}

/* How many of them are armed: have a due time. */
static unsigned count_armed(struct pool *pool, unsigned count, const char *name)
{
    unsigned found = 0;

    for (unsigned n = 0; n < count; n++)
        found += (unsigned)pool_number(pool, "HEXISTS rota:{%u}:org:%s:schedule:%s next_ms", lane_of(org(pool, n), pool->lanes),
                                       org(pool, n), name);
    return found;
}

/* Adds one that is due once, `in_ms` from now. */
static int64_t add_once(struct pool *pool, const char *name, int64_t in_ms)
{
    int64_t due_ms = pool_now_ms(pool) + in_ms;

    ROTA_MUST(pool, 0, "schedule", "add", "--every-org", name, "t", "--at", pool_text(pool, "%lld", (long long)due_ms));
    return due_ms;
}

static int64_t field(struct pool *pool, const char *of, const char *member)
{
    return pool_number(pool, "HGET rota:{%u}:org:%s:schedule:tick %s", lane_of(of, pool->lanes), of, member);
}

/* With all lanes of the pool. */
static void start_scheduler(struct pool *pool)
{
    pool_scheduler(pool, "--lanes", pool_text(pool, "%u", pool->lanes), NULL);
}

/* N organizations in eight lanes, and three schedulers. */
static void AP_1_each_organization_has_exactly_one_job_of_a_due_time(void **state)
{
    enum { ORGS = 400 };
    struct pool *pool = *state;
    start_scheduler(pool);
    for (int i = 0; i < 2; i++)
        process_wait_for(pool_start(pool, "rota-scheduler", NULL), "msg=\"session open\"");
    make_orgs(pool, ORGS);

    int64_t due_ms = add_once(pool, "daily", 3 * SECOND_MS);

    WAIT_UNTIL(count_single(pool, ORGS, "jobs", job_of(pool, "daily", due_ms)) == ORGS);
    WAIT_UNTIL(pool_now_ms(pool) > due_ms + 2 * SECOND_MS);
    assert_int_equal(count_single(pool, ORGS, "jobs", job_of(pool, "daily", due_ms)), ORGS);
}

static void a_leader_that_dies_in_the_middle_of_a_walk_loses_nothing(void **state)
{
    enum { ORGS = 6000 };
    struct pool *pool = *state;
    struct process *leader = pool_scheduler(pool, "--session-timeout", "2s", "--session-beat", "500ms", NULL),
                   *next = pool_start(pool, "rota-scheduler", "--session-timeout", "2s", "--session-beat", "500ms", NULL);
    process_wait_for(next, "msg=\"session open\"");
    make_orgs(pool, ORGS);

    int64_t due_ms = add_once(pool, "daily", 8 * SECOND_MS), walked = 0;
    for (int64_t begun_ms = pool_now_ms(pool); walked == 0 && pool_now_ms(pool) < begun_ms + 5 * SECOND_MS;)
        walked = pool_number(pool, "HGET rota:{0}:template:daily walked");
    process_signal(leader, SIGKILL);
    walked = pool_number(pool, "HGET rota:{0}:template:daily walked");
    print_message("  killed after %lld of %d\n", (long long)walked, ORGS);
    assert_in_range(walked, 1, ORGS - 1);
    process_wait_for(next, " msg=leading");

    WAIT_UNTIL(count_single(pool, ORGS, "jobs", job_of(pool, "daily", due_ms)) == ORGS);
    assert_int_equal(pool_number(pool, "HEXISTS rota:{0}:template:daily cursor"), 0);
}

/* Interval, parameters, limit of tries, off and on: from the next due time on, and no scheduler is started again. */
static void AP_7_an_organization_says_itself_what_it_wants_otherwise(void **state)
{
    struct pool *pool = *state;
    start_scheduler(pool);
    make_orgs(pool, 2);
    ROTA_MUST(pool, 0, "schedule", "add", "--every-org", "tick", "t", "all", "--every", "1h", "--overlap", "allow");
    WAIT_UNTIL(count_armed(pool, 2, "tick") == 2);

    ROTA_MUST(pool, 0, "schedule", "set", "org0/tick", "--every", "1s");
    WAIT_UNTIL(field(pool, "org0", "runs") >= 2);
    assert_int_equal(field(pool, "org1", "runs"), 0);
    ROTA_MUST(pool, 0, "schedule", "set", "org0/tick", "t", "its own", "--max-attempts", "7");
    int64_t now_ms = pool_now_ms(pool);
    WAIT_UNTIL(field(pool, "org0", "last_ms") > now_ms);
    const struct job *job = pool_job(pool, "org0", job_of(pool, "tick", field(pool, "org0", "last_ms")));
    assert_int_equal(job->record.max_attempts, 7);
    assert_int_equal(job->record.payload_bytes, 7);
    assert_has(ROTA_MUST(pool, 0, "schedule", "show", "org0/tick").out, "recurrence, type, payload, max-attempts");

    ROTA_MUST(pool, 0, "schedule", "set", "org0/tick", "--off");
    const char *last = pool_string(pool, "HGET rota:{0}:org:org0:schedule:tick last_job");
    assert_string_equal(pool_place(pool, "org0", last), "cancelled");
    assert_has(ROTA_MUST(pool, 0, "schedule", "list", "org0").out, "off");
    int64_t runs = field(pool, "org0", "runs");
    now_ms = pool_now_ms(pool);
    WAIT_UNTIL(pool_now_ms(pool) > now_ms + 2 * SECOND_MS);
    assert_int_equal(field(pool, "org0", "runs"), runs);
    ROTA_MUST(pool, 0, "schedule", "set", "org0/tick", "--on");
    WAIT_UNTIL(field(pool, "org0", "runs") > runs);

    ROTA_MUST(pool, 0, "schedule", "set", "org0/tick", "--default", "recurrence,max-attempts");
    WAIT_UNTIL(field(pool, "org0", "next_ms") == field(pool, "org1", "next_ms"));
    ROTA_MUST(pool, 0, "schedule", "set", "--every-org", "tick", "--every", "1s");
    WAIT_UNTIL(field(pool, "org0", "runs") > runs + 2 && field(pool, "org1", "runs") >= 2);
    assert_int_equal(pool_job(pool, "org0", job_of(pool, "tick", field(pool, "org0", "last_ms")))->record.payload_bytes, 7);
}

static void AP_10_a_new_organization_is_in_the_next_tick(void **state)
{
    struct pool *pool = *state;
    start_scheduler(pool);
    make_orgs(pool, 1);
    ROTA_MUST(pool, 0, "schedule", "add", "--every-org", "tick", "t", "--every", "2s", "--overlap", "allow");
    WAIT_UNTIL(count_armed(pool, 1, "tick") == 1);

    pool_push(pool, "newco", "job1", "t", "");
    int64_t due_ms = (pool_now_ms(pool) / (2 * SECOND_MS) + 1) * 2 * SECOND_MS;
    WAIT_UNTIL(field(pool, "newco", "runs") >= 1);

    assert_string_equal(pool_place(pool, "newco", job_of(pool, "tick", due_ms)), "ready");
}

/* What somebody has said in lane 0, and then died: the leader tells the other lanes. */
static void what_only_lane_0_knows_reaches_all_lanes(void **state)
{
    struct pool *pool = *state;
    start_scheduler(pool);
    make_orgs(pool, 40);
    ROTA_MUST(pool, 0, "schedule", "add", "--every-org", "tick", "t", "--every", "1h");
    WAIT_UNTIL(count_armed(pool, 40, "tick") == 40);
    assert_has(ROTA_MUST(pool, 0, "schedule", "list", "--every-org", "--json").out, "\"orgs_looked_at\":40");

    pool_call(pool, 0, "template_change", "tester tick pause");
    WAIT_UNTIL(pool_number(pool, "HEXISTS rota:{7}:template:tick paused") == 1);
    pool_call(pool, 0, "template_change", "tester tick remove");

    for (unsigned lane = 0; lane < pool->lanes; lane++)
        WAIT_UNTIL(pool_number(pool, "EXISTS rota:{%u}:template:tick", lane) == 0);
    assert_int_equal(count_armed(pool, 40, "tick"), 0);
}

/* It is removed and defined again, and a lane has heard of the one but has not ended it when the other comes. */
static void what_is_defined_again_while_it_goes_comes_back_in_all_lanes(void **state)
{
    struct pool *pool = *state;
    struct process *leader = pool_scheduler(pool, "--lanes", pool_text(pool, "%u", pool->lanes), NULL);
    make_orgs(pool, 40);
    ROTA_MUST(pool, 0, "schedule", "add", "--every-org", "tick", "t", "--every", "1h");
    WAIT_UNTIL(count_armed(pool, 40, "tick") == 40);
    process_signal(leader, SIGKILL);

    ROTA_MUST(pool, 0, "schedule", "remove", "--every-org", "tick");
    pool_call(pool, 0, "template_walk", "tick 256 again");
    ROTA_MUST(pool, 0, "schedule", "add", "--every-org", "tick", "t", "--every", "2h");
    start_scheduler(pool);

    for (unsigned lane = 0; lane < pool->lanes; lane++)
        WAIT_UNTIL(pool_number(pool, "HEXISTS rota:{%u}:template:tick removed", lane) == 0 &&
                   pool_number(pool, "EXISTS rota:{%u}:template:tick", lane) == 1);
    WAIT_UNTIL(count_armed(pool, 40, "tick") == 40);
}

static void what_makes_no_sense_is_refused(void **state)
{
    struct pool *pool = *state;
    start_scheduler(pool);
    make_orgs(pool, 1);
    ROTA_MUST(pool, 0, "schedule", "add", "--every-org", "tick", "t", "--every", "1h");

    assert_has(ROTA_MUST(pool, EX_CANTCREAT, "schedule", "add", "--every-org", "tick", "t", "--every", "1h").err,
               "there is a schedule tick of every organization already");
    assert_has(ROTA_MUST(pool, EX_CANTCREAT, "schedule", "add", "org0/tick", "t", "--every", "1h").err,
               "rota schedule set org0/tick");
    assert_has(ROTA_MUST(pool, EX_DATAERR, "schedule", "remove", "org0/tick").err, "rota schedule set org0/tick --off");
    assert_has(ROTA_MUST(pool, EX_USAGE, "schedule", "add", "--every-org", "org0/tick", "t", "--every", "1h").err,
               "the name alone");
    assert_has(ROTA_MUST(pool, EX_NOINPUT, "schedule", "show", "--every-org", "none").err, "there is no schedule none");
    assert_has(ROTA_MUST(pool, EX_USAGE, "schedule", "set", "org0/tick", "--off", "--on").err, "exclude each other");
    assert_has(ROTA_MUST(pool, EX_USAGE, "schedule", "set", "org0/tick", "--default", "colour").err,
               "it may have all, recurrence");
    assert_has(ROTA_MUST(pool, EX_USAGE, "schedule", "set", "org0/tick", "--default", "recurrence", "--every", "1s").err,
               "which is given as well");
    assert_has(ROTA_MUST(pool, EX_USAGE, "schedule", "set", "--every-org", "tick", "--off").err, "what one organization has");
    assert_has(ROTA_MUST(pool, EX_USAGE, "schedule", "list", "org0", "--every-org").err, "there is no organization to name");
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        POOL_TEST_LANES(AP_1_each_organization_has_exactly_one_job_of_a_due_time),
        POOL_TEST(a_leader_that_dies_in_the_middle_of_a_walk_loses_nothing),
        POOL_TEST(AP_7_an_organization_says_itself_what_it_wants_otherwise),
        POOL_TEST(AP_10_a_new_organization_is_in_the_next_tick),
        POOL_TEST_LANES(what_only_lane_0_knows_reaches_all_lanes),
        POOL_TEST_LANES(what_is_defined_again_while_it_goes_comes_back_in_all_lanes),
        POOL_TEST(what_makes_no_sense_is_refused),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return stall_verdict(cmocka_run_group_tests_name("every_org", tests, NULL, NULL));
}
