/* The number of redis.calls: each function stays within the bound that its header states, in the worst cases we can think of, and
 * the three hot paths do not grow unnoticed. Each call costs about 0.36 us on Redis 7.0. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/schedules.h"

static void assert_calls(struct fixture *f, const char *what, long long most)
{
    long long calls = lane_calls(f);

    if (calls > most || calls < 1)
        fail_msg("%s: %lld redis.calls, at most %lld are allowed", what, calls, most);
}

/* An organization with 16 queues that has everything: rate, burst, cap, keys, priorities. */
static void make_heavy(struct fixture *f, const char *org, unsigned jobs)
{
    lane_call(f, "org_set", "tester %s rate 1000 burst 1000 max_running 1000 weight 50", org);
    for (unsigned queue = 0; queue < 16; queue++)
        for (unsigned i = 0; i < jobs; i++) {
            const char *id = fixture_text(f, "job%u-%u", queue, i);
            lane_enqueue(f, org, id,
                         &(struct lane_record){.queue = queue ? fixture_text(f, "q%u", queue) : NULL, .key = id, .priority = 3});
        }
}

static const char *all_queues(struct fixture *f)
{
    const char *queues = "default";

    for (int queue = 1; queue < 16; queue++)
        queues = fixture_text(f, "%s q%d", queues, queue);
    return queues;
}

/* ---- Hot paths ---- */

static void hot_paths_do_not_grow_unnoticed(void **state)
{
    struct fixture *f = *state;
    struct bytes record = lane_record(f, NULL);
    f->check_each = false;
    lane_open(f, "w1", 60000);
    lane_enqueue(f, "acme", "first", NULL);
    assert_calls(f, "enqueue of one job to a new organization", 22);
    lane_call(f, "enqueue", "acme a %b b %b c %b", record.data, record.length, record.data, record.length, record.data,
              record.length);
    assert_calls(f, "enqueue of three jobs to a queue that is not empty", 9);

    struct lane_lease lease = lane_claim_one(f, "w1");
    assert_calls(f, "claim of one job", 27);
    lane_finish(f, &(struct lane_claim){.session = "w1", .want = 1}, &(struct lane_end){.lease = &lease, .run_us = 1000}, 1);
    assert_calls(f, "finish of one job and claim of another", 43);
    lane_claim(f, &(struct lane_claim){.session = "w1", .want = 4});
    assert_calls(f, "claim of the last two jobs", 38);
    lane_claim(f, &(struct lane_claim){.session = "w1", .want = 4});
    assert_calls(f, "claim of nothing", 14);
    lane_call(f, "beat", "w1");
    assert_calls(f, "beat", 7);
}

static void a_batch_costs_no_more_calls_than_one_job(void **state)
{
    struct fixture *f = *state;
    f->check_each = false;
    lane_enqueue(f, "acme", "first", NULL);
    lane_enqueue(f, "acme", "second", NULL);
    long long one = lane_calls(f);

    lane_enqueue_many(f, "acme", "job", 128, NULL);

    assert_int_equal(lane_calls(f), one);
}

/* ---- The bounds of the headers ---- */

static void enqueue_and_inbox_stay_in_bounds(void **state)
{
    struct fixture *f = *state;
    for (int round = 0; round < 2; round++) {
        struct args args = {0};
        args_text(&args, "acme");
        for (unsigned i = 0; i < 64; i++) {
            struct bytes record = lane_record(f, &(struct lane_record){.queue = i % 16 ? fixture_text(f, "q%u", i % 16) : NULL,
                                                                       .delay_ms = i / 32,
                                                                       .key = fixture_text(f, "%d-%u", round, i),
                                                                       .priority = 1});
            args_text(&args, "%d-%u", round, i);
            args_add(&args, record.data, record.length);
        }
        lane_call_args(f, round ? "inbox" : "enqueue", &args);
        assert_calls(f, "enqueue to 16 new queues", 51 + 15 * 13 + 3 * round);
    }
    struct bytes record = lane_record(f, &(struct lane_record){.delay_ms = 5, .key = "x"});
    lane_call(f, "enqueue", "%s a %b b %b", lane_org(f, 1), record.data, record.length, record.data, record.length);
    assert_calls(f, "enqueue to a new organization", 51);
}

/* Changes of 64 keys: of jobs that leave one queue for another, of some that wait for a limit, and of followers. */
static void coalescing_stays_in_bounds(void **state)
{
    struct fixture *f = *state;
    struct lane_end ends[32];
    f->check_each = false;
    lane_open(f, "w1", 60000);
    for (int round = 0; round < 3; round++) {
        struct args args = {0};
        args_text(&args, "acme");
        for (unsigned i = 0; i < 64; i++) {
            struct bytes record =
                lane_record(f, &(struct lane_record){.queue = fixture_text(f, "q%u", (i + (unsigned)round) % 16),
                                                     .coalesce = fixture_text(f, "%u", i),
                                                     .delay_ms = i % 3 == 0,
                                                     .nonce = 100 * (unsigned)round + i});
            args_text(&args, "%d-%u", round, i);
            args_add(&args, record.data, record.length);
        }
        lane_call_args(f, "enqueue", &args);
        assert_calls(f, "enqueue of changes of 64 keys", 49 + 15 * 13 + 2 + 40 * 64);
    }
    struct lane_claimed got = lane_claim(f, &(struct lane_claim){.session = "w1", .want = 32, .queues = all_queues(f)});
    assert_true(got.jobs > 8);
    for (size_t i = 0; i < got.jobs; i++) {
        const char *entry = fixture_text(f, "next-%zu", i);
        struct bytes is = got.job[i].record; /* the same key, another nonce */
        char *record = memcpy(malloc(is.length), is.data, is.length);
        record[7] ^= 0x55;
        assert_true(strncmp(reply_text(reply_element(lane_call(f, "enqueue", "acme %s %b", entry, record, is.length), 0)),
                            "follows ", 8) == 0);
        free(record);
        assert_calls(f, "enqueue of a follower", 49 + 2 + 40);
        ends[i] = (struct lane_end){.lease = &got.job[i]};
    }
    lane_finish(f, &(struct lane_claim){.session = "w1", .want_none = true}, ends, got.jobs);
    assert_calls(f, "finish that lets followers go", 25 + 11 + 7 + 58 + 16 * 12 + (long long)got.jobs * 3);
}

static void claim_stays_in_bounds(void **state)
{
    struct fixture *f = *state;
    f->check_each = false;
    lane_open(f, "w1", 60000);
    make_heavy(f, "acme", 4);
    make_heavy(f, lane_org(f, 1), 4);
    const char *queues = all_queues(f);

    struct lane_claimed got = lane_claim(f, &(struct lane_claim){.session = "w1", .want = 32, .queues = queues});
    assert_int_equal(got.jobs, 32);
    /* each of the two organizations has 15 other queues to leave quiet in, once */
    assert_calls(f, "claim of 32 jobs from 16 queues", 25 + 16 * 11 + 32 * 35 + 2 * 15 * 11);
    got = lane_claim(f, &(struct lane_claim){.session = "w1", .want = 32, .queues = queues, .types = "strange:1000"});
    assert_int_equal(got.jobs, 0);
    assert_calls(f, "claim of unknown types", 25 + 16 * 11 + 48 * 35 + 2 * 15 * 11);
}

static void rests_stay_in_bounds(void **state)
{
    struct fixture *f = *state;
    f->check_each = false;
    lane_open(f, "w1", 60000);
    for (unsigned n = 0; n < 8; n++) {
        make_heavy(f, lane_org(f, n), 1);
        for (int i = 0; i < 8; i++)
            lane_enqueue(f, lane_org(f, n), fixture_text(f, "type%d", i),
                         &(struct lane_record){.type = fixture_text(f, "type%u-%d", n, i)});
    }
    lane_calls(f);
    long long most = 0, bound = 25 + 11 + 48 * 33 + 64 * 2;
    for (int i = 0; i < 8; i++) {
        lane_claim(f, &(struct lane_claim){.session = "w1", .want = 32, .types = "strange:1"});
        long long calls = lane_calls(f);
        most = calls > most ? calls : most;
    }
    assert_in_range(most, 64 * 2, bound);
    assert_int_equal(lane_count(f, "org:acme:ready:default"), 0);
    lane_claim(f, &(struct lane_claim){.session = "w1", .want = 32});
    assert_calls(f, "claim that wakes", 25 + 11 + 48 * 32 + 2 * 15 * 11 + 1 + 4 * 2 + 8 * 25);
}

static void unparking_stays_in_bounds(void **state)
{
    struct fixture *f = *state;
    f->check_each = false;
    lane_open(f, "w1", 60000);
    for (unsigned n = 0; n < 32; n++) {
        lane_call(f, "org_set", "tester %s rate 1", lane_org(f, n));
        lane_enqueue_many(f, lane_org(f, n), "job", 2, NULL);
    }
    lane_claim(f, &(struct lane_claim){.session = "w1", .want = 32});
    clock_advance_ms(f, 1000);

    assert_int_equal(lane_claim(f, &(struct lane_claim){.session = "w1", .want = 32}).jobs, 32);

    assert_calls(f, "claim that brings 32 organizations back", 25 + 11 + 32 * 35 + 32 * 23);
}

/* A job for each organization, in a queue that is new to it; and again, when none of them is over. */
static void ticks_stay_in_bounds(void **state)
{
    struct fixture *f = *state;
    const struct lane_record spec = {.queue = "reports", .priority = 3};
    struct bytes record = lane_record(f, &spec);
    f->check_each = false;
    for (unsigned n = 0; n < 16; n++) {
        if (n > 0)
            lane_call(f, "org_set", "tester %s rate 1000 burst 1000 max_running 1000", lane_org(f, n));
        schedule_set(f, lane_org(f, n), "s",
                     &(struct definition){.next_ms = CLOCK_START_MS + 1000, .overlap = "skip", .record = &spec});
        assert_calls(f, "schedule_set", 20);
    }
    for (int round = 1; round <= 2; round++) {
        struct args args = {0};
        clock_advance_ms(f, 1000);
        for (unsigned n = 0; n < 16; n++) {
            args_text(&args, "%s", lane_org(f, n));
            args_text(&args, "s");
            args_text(&args, "1");
            for (int i = 0; i < 3; i++) /* due, through, next */
                args_text(&args, "%lld", (long long)CLOCK_START_MS + 1000 * (round + (i == 2)));
            args_text(&args, "%s", "");
            args_text(&args, "0");
            args_text(&args, "1");
            args_text(&args, "%lld", (long long)CLOCK_START_MS + 1000 * round);
            args_add(&args, record.data, record.length);
        }
        const redisReply *reply = lane_call_args(f, "tick", &args);
        assert_reply(reply_element(reply, 15), round == 1 ? "ticked" : "skipped");
        assert_calls(f, "tick", 10 + 16 * 120);
    }
    lane_call(f, "schedule_run", "tester acme s");
    assert_calls(f, "schedule_run", 65);
    lane_call(f, "schedule_pause", "tester acme s");
    assert_calls(f, "schedule_pause", 15);
    lane_call(f, "schedule_resume", "tester acme s 1 %lld", (long long)CLOCK_START_MS + 9000);
    assert_calls(f, "schedule_resume", 16);
    lane_call(f, "tick_later", "acme s 1 %lld 1000 why", (long long)CLOCK_START_MS + 9000);
    assert_calls(f, "tick_later", 20);
    lane_redis(f, "DEL %s", lane_key(f, "schedules"));
    lane_call(f, "schedule_relist", "leader %s %s 100", "", "");
    assert_calls(f, "schedule_relist", 6 + 16 * (3 + 8));
    for (unsigned n = 0; n < 16; n++) { /* all that can be wrong with one */
        lane_redis(f, "HSET %s pending_ms 5 retry_ms 99999999999999", lane_key(f, "org:%s:schedule:s", lane_org(f, n)));
        lane_redis(f, "DEL %s", lane_key(f, "org:%s:schedules", lane_org(f, n)));
    }
    lane_call(f, "schedule_audit", "leader 0 100");
    assert_calls(f, "schedule_audit", 5 + 16 * 22);
    lane_call(f, "schedule_arm", "leader acme s 1 %lld %lld 0", (long long)CLOCK_START_MS + 9000,
              (long long)CLOCK_START_MS + 9001);
    assert_calls(f, "schedule_arm", 4 + 9);
    lane_call(f, "schedule_health", "acme s 1 1");
    assert_calls(f, "schedule_health", 4 + 4);
    lane_call(f, "schedule_remove", "tester acme s");
    assert_calls(f, "schedule_remove", 75);
}

/* Each organization has a job of it that waits when it is removed. */
static void templates_stay_in_bounds(void **state)
{
    enum { ORGS = 24 };
    struct fixture *f = *state;
    struct definition weekly = {.overlap = "skip"};
    f->check_each = false;
    lane_use(f, 0);
    for (unsigned n = 1; n <= ORGS; n++)
        lane_call(f, "org_set", "tester %s rate 1000 burst 1000 max_running 1000", lane_org(f, n));
    template_set(f, "s", &weekly);
    assert_calls(f, "template_set", 14);
    lane_call(f, "template_walk", "s 256 again");
    assert_calls(f, "template_walk", 14 + ORGS * 2);
    lane_call(f, "due", "256");
    assert_calls(f, "due", 5 + 4 * ORGS + 1);
    for (unsigned n = 1; n <= ORGS; n++)
        template_tick(f, lane_org(f, n), "s", "1", 0, minute(1));
    clock_advance_ms(f, MINUTE_MS);
    for (unsigned n = 1; n <= ORGS; n++) {
        assert_string_equal(template_tick(f, lane_org(f, n), "s", "1", minute(1), minute(2)), "ticked");
        assert_calls(f, "tick", 10 + 120);
    }
    lane_call(f, "schedules", "%s %s 100", lane_org(f, 1), "");
    assert_calls(f, "schedules", 5 + 4);
    lane_call(f, "schedule", "%s s", lane_org(f, 1));
    assert_calls(f, "schedule", 6);
    lane_call(f, "schedule_own", "tester %s s 1 %lld 0 off 1 missed all", lane_org(f, 1), (long long)minute(2));
    assert_calls(f, "schedule_own", 80);
    lane_call(f, "schedule_own", "tester %s s %s %s %s missed all", lane_org(f, ORGS + 1), "", "", "");
    assert_calls(f, "schedule_own of an organization that is not known", 80);
    lane_call(f, "templates", "");
    assert_calls(f, "templates", 5 + 1);
    lane_call(f, "template", "s");
    assert_calls(f, "template", 4);
    lane_call(f, "template_change", "tester s pause");
    assert_calls(f, "template_change", 13);
    lane_call(f, "template_sync", "9");
    assert_calls(f, "template_sync", 6 + 8);
    for (int steps = 0; steps < 4; steps++) {
        lane_call(f, "template_walk", "s 256 again");
        assert_calls(f, "template_walk of a removed one", 14 + ORGS * 76);
    }
    assert_string_equal(lane_place(f, lane_org(f, 2), fixture_text(f, "s@%lld", (long long)minute(1))), "cancelled");
    assert_int_equal(lane_redis(f, "ZCARD %s", lane_key(f, "schedules"))->integer, 0);
}

/* Every job runs under two limits, each of its own, and all end in one call that lets others go. */
static void limits_stay_in_bounds(void **state)
{
    struct fixture *f = *state;
    struct lane_end ends[32];
    f->check_each = false;
    lane_open(f, "w1", 60000);
    lane_call(f, "limit_set", "me user 1 1000/s 5");
    lane_call(f, "limit_set", "me mail 1000 1000/s 1000");
    if (f->lanes > 1) {
        lane_call(f, "limit_look", "x %s 9", "");
        lane_call(f, "limit_part", "x mail 1000 1000 1000000");
    }
    for (unsigned n = 0; n < 16; n++)
        for (int i = 0; i < 4; i++)
            lane_enqueue(f, lane_org(f, n), fixture_text(f, "job%d", i),
                         &(struct lane_record){.limit = fixture_text(f, "user:%u-%d", n, i / 2)});
    struct lane_claim claim = {.session = "w1", .want = 32, .types = "test:60000@mail"};
    struct lane_claimed got = lane_claim(f, &claim);
    assert_true(got.jobs > 8);
    assert_calls(f, "claim of jobs with limits", 25 + 11 + 32 * 48 + 14 * 64 + 10 * 8 + 32 * 16);
    for (size_t i = 0; i < got.jobs; i++)
        ends[i] = (struct lane_end){.lease = &got.job[i]};
    long long jobs = (long long)got.jobs;
    lane_finish(f, &(struct lane_claim){.session = "w1", .want_none = true}, ends, got.jobs);
    assert_calls(f, "finish of jobs with limits", 25 + 11 + 7 + 16 * 41 + jobs * 3 + 2 * jobs * 11 + 32 * 16);
    lane_call(f, "limit_set", "me user 5 %s %s", "", "");
    assert_calls(f, "limit_set", 30 + 10 * 8 + 32 * 16);
    lane_call(f, "limit_pause", "me user %s 5000", "");
    assert_calls(f, "limit_pause", 30 + 10 * 8 + 32 * 16);
    lane_call(f, "limits", "%s 100", "");
    assert_calls(f, "limits", 3 + 2 * 22);
    lane_call(f, "limit_clear", "me user");
    assert_calls(f, "limit_clear", 30 + 10 * 8 + 32 * 16);
    clock_advance_ms(f, 20000);
    lane_call(f, "promote", "10");
    assert_calls(f, "promote that looks at lines", 6 + 8 * 10 + 30 * 16);
}

static void finish_stays_in_bounds(void **state)
{
    struct fixture *f = *state;
    static const char *const verdicts[] = {"done",      "dead",    "retry 5 5",   "release",
                                           "crash 5 5", "discard", "timeout 9 9", "release 5"};
    f->check_each = false;
    lane_open(f, "w1", 60000);
    make_heavy(f, "acme", 2);
    make_heavy(f, lane_org(f, 1), 2);
    lane_call(f, "org_set", "tester acme max_running 32"); /* so that ends place it in all its queues */
    struct lane_claimed got = lane_claim(f, &(struct lane_claim){.session = "w1", .want = 32, .queues = all_queues(f)});
    struct lane_end ends[32];
    for (size_t i = 0; i < got.jobs; i++)
        ends[i] = (struct lane_end){.lease = &got.job[i], .verdict = verdicts[i % 8]};

    lane_finish(f, &(struct lane_claim){.session = "w1", .want_none = true}, ends, got.jobs);

    assert_calls(f, "finish of 32 jobs of two organizations in 16 queues", 25 + 11 + 7 + 2 * 53 + 2 * 15 * 12 + 32 * 3);
}

/* No two neighbours end alike. */
static void finish_of_64_runs_stays_in_bounds(void **state)
{
    struct fixture *f = *state;
    static struct lane_lease leases[64];
    struct lane_end ends[64];
    size_t count = 0;
    f->check_each = false;
    lane_open(f, "w1", 60000);
    lane_redis(f, "HSET %s est:default 0.0625", lane_key(f, "org:acme"));
    for (int i = 0; i < 64; i++)
        lane_enqueue(f, "acme", fixture_text(f, "job%02d", i), &(struct lane_record){.key = fixture_text(f, "k%d", i)});
    while (count < 64) {
        struct lane_claimed got = lane_claim(f, &(struct lane_claim){.session = "w1", .want = 32});
        for (size_t i = 0; i < got.jobs; i++, count++) {
            leases[count] = got.job[i];
            ends[count] = (struct lane_end){.lease = &leases[count], .verdict = count % 2 ? "done" : "discard"};
        }
    }

    lane_finish(f, &(struct lane_claim){.session = "w1", .want_none = true}, ends, 64);

    assert_calls(f, "finish of 64 jobs that end one unlike the other", 25 + 11 + 7 + 53 + 64 * 3);
}

/* Each with a log, which makes room for itself, a note and two further jobs. */
static void finish_with_all_that_jobs_leave_stays_in_bounds(void **state)
{
    struct fixture *f = *state;
    struct args args = {0};
    struct bytes record = lane_record(f, &(struct lane_record){.key = "k", .delay_ms = 5, .queue = "new"});
    static char log[3000];
    f->check_each = false;
    lane_open(f, "w1", 60000);
    lane_redis(f, "HSET %s est:default 0.0625", lane_key(f, "org:acme"));
    lane_call(f, "org_set", "tester acme log_bytes_max 5000");
    lane_enqueue_many(f, "acme", "job", 16, NULL);
    struct lane_claimed got = lane_claim(f, &(struct lane_claim){.session = "w1", .want = 16});
    static const char *const claim[] = {"w1", "0123456789abcdef", "0", "0", "1", "default", "0", "1", "*", "1000"};
    for (size_t i = 0; i < sizeof claim / sizeof claim[0]; i++)
        args_text(&args, "%s", claim[i]);
    for (size_t i = 0; i < 16; i++) {
        args_text(&args, "%s", got.job[i].name);
        args_add(&args, got.job[i].token, LANE_TOKEN_BYTES);
        args_text(&args, "done");
        args_text(&args, "0");
        args_text(&args, "r");
    }
    args_text(&args, "+");
    memset(log, 'x', sizeof log);
    for (int i = 1; i <= 16; i++) {
        args_text(&args, "%d", i);
        args_text(&args, "note");
        args_text(&args, "5 text");
        args_text(&args, "=point");
        args_text(&args, "%d", i);
        args_text(&args, "log");
        args_text(&args, "0");
        args_add(&args, log, sizeof log);
        args_text(&args, "%d", i);
        args_text(&args, "jobs");
        args_text(&args, "1");
        args_text(&args, "child%d", i);
        args_add(&args, record.data, record.length);
    }

    lane_call_args(f, "finish", &args);

    assert_int_equal(lane_redis(f, "HLEN %s", lane_key(f, "org:acme:logs"))->integer, 1);
    assert_calls(f, "finish of 16 jobs that leave all there is", 25 + 11 + 7 + 53 + 2 * 12 + 16 * (3 + 9 + 48) + 13);
}

static void note_stays_in_bounds(void **state)
{
    struct fixture *f = *state;
    struct args args = {0};
    f->check_each = false;
    lane_open(f, "w1", 60000);
    make_heavy(f, "acme", 2);
    struct lane_claimed got = lane_claim(f, &(struct lane_claim){.session = "w1", .want = 32, .queues = all_queues(f)});
    args_text(&args, "w1");
    for (size_t i = 0; i < got.jobs; i++) {
        args_text(&args, "%s", got.job[i].name);
        args_add(&args, got.job[i].token, LANE_TOKEN_BYTES);
        args_text(&args, "5 text");
        args_text(&args, "=point");
        args_text(&args, "3600000");
    }

    lane_call_args(f, "note", &args);

    assert_calls(f, "note", 4 + (long long)got.jobs * 4);
}

static void sessions_stay_in_bounds(void **state)
{
    struct fixture *f = *state;
    f->check_each = false;
    lane_call(f, "open", "w1 worker 60000 1000");
    assert_calls(f, "open", 8);
    for (unsigned n = 0; n < 4; n++)
        lane_enqueue_many(f, lane_org(f, n), "job", 16, &(struct lane_record){.timeout_ms = 3600000});
    for (int i = 0; i < 2; i++)
        lane_claim(f, &(struct lane_claim){.session = "w1", .want = 32});
    clock_advance_ms(f, 5000);
    lane_call(f, "order", "tester w1 quiet");
    assert_calls(f, "order", 6);
    lane_call(f, "beat", "w1");
    assert_calls(f, "beat that charges 64 jobs of 4 organizations", 13 + 4 * 14);
    clock_advance_ms(f, 3700000);
    lane_call(f, "beat", "w1");
    assert_calls(f, "beat that takes 16 overdue jobs", 13 + 4 * 14 + 16 * 2 + 4 * 53);
    lane_call(f, "watch", "99999999 99999999 10");
    assert_calls(f, "watch", 4 + 1);
    clock_advance_ms(f, 60001);
    lane_call(f, "recover", "w1 %s 16", lane_field(f, "session:w1", "beat"));
    assert_calls(f, "recover", 15 + 16 * 2 + 4 * 53);
    lane_call(f, "close", "w1 64");
    assert_calls(f, "close", 15 + 32 * 2 + 4 * 53);
    lane_call(f, "open", "s1 scheduler 60000 1000");
    lane_call(f, "lead", "s1");
    assert_calls(f, "lead", 7);
}

static void giving_back_64_jobs_of_16_queues_stays_in_bounds(void **state)
{
    struct fixture *f = *state;
    f->check_each = false;
    lane_open(f, "w1", 60000);
    make_heavy(f, "acme", 4);
    for (int i = 0; i < 2; i++)
        assert_int_equal(lane_claim(f, &(struct lane_claim){.session = "w1", .want = 32, .queues = all_queues(f)}).jobs, 32);

    lane_call(f, "close", "w1 64");

    assert_calls(f, "close", 15 + 64 * 2 + 53 + 15 * 12);
}

static void control_stays_in_bounds(void **state)
{
    struct fixture *f = *state;
    f->check_each = false;
    make_heavy(f, "acme", 8);
    lane_call(f, "org_set", "tester acme max_running 1");
    lane_open(f, "w1", 60000);
    lane_claim_one(f, "w1"); /* it is at its cap: a change of the cap alone concerns all its queues */
    lane_call(f, "cancel", "tester acme job3-1");
    assert_calls(f, "cancel", 60);
    lane_call(f, "reschedule", "tester acme job3-2 %lld", CLOCK_START_MS + 5000);
    assert_calls(f, "reschedule", 47);
    lane_call(f, "reschedule", "tester acme job3-2 0");
    assert_calls(f, "reschedule back", 47);
    for (int queue = 4; queue < 8; queue++)
        lane_call(f, "cancel", "tester acme job%d-0", queue);
    lane_call(f, "redrive", "tester acme job3-1 job4-0 job5-0 job6-0 job7-0");
    assert_calls(f, "redrive", 21 + 5 * 27);
    lane_call(f, "delete", "tester acme job3-1 job4-0 job5-0 job6-0 job7-0");
    assert_calls(f, "delete", 21 + 5 * 33);
    lane_call(f, "pause", "me * pause");
    assert_calls(f, "pause", 8);
    lane_call(f, "pause", "me * resume");
    assert_calls(f, "resume of 16 queues", 8 + 16 * 3);
    lane_call(f, "intake", "tester stop because");
    assert_calls(f, "intake", 6);
}

static void settings_and_views_stay_in_bounds(void **state)
{
    struct fixture *f = *state;
    f->check_each = false;
    lane_open(f, "w1", 60000);
    make_heavy(f, "acme", 2);
    lane_claim(f, &(struct lane_claim){.session = "w1", .want = 10, .queues = all_queues(f)});
    lane_call(f, "org_set", "tester acme weight 300 rate 500 burst %s", "");
    assert_calls(f, "org_set", 28 + 16 * 12);
    lane_call(f, "org", "acme");
    assert_calls(f, "org", 15 + 16 * 4);
    lane_call(f, "job", "acme job0-0");
    assert_calls(f, "job of a running job", 12);
    lane_call(f, "explain", "acme job0-1");
    assert_calls(f, "explain of a ready job", 24);
    lane_call(f, "explain", "acme job0-0");
    assert_calls(f, "explain of a running job", 24);
    lane_call(f, "explain", "acme none");
    assert_calls(f, "explain of none", 24);
    lane_call(f, "jobs", "acme running 0 100 0");
    assert_calls(f, "jobs", 6);
}

static void upkeep_stays_in_bounds(void **state)
{
    struct fixture *f = *state;
    f->check_each = false;
    lane_open(f, "w1", 60000);
    for (unsigned n = 0; n < 8; n++)
        lane_enqueue_many(f, lane_org(f, n), "job", 4, &(struct lane_record){.delay_ms = 5});
    clock_advance_ms(f, 5);
    lane_call(f, "promote", "32");
    assert_calls(f, "promote", 6 + 8 * 26);
    for (unsigned n = 0; n < 8; n++)
        for (int i = 0; i < 4; i++)
            lane_call(f, "cancel", "tester %s job%04d", lane_org(f, n), i);
    clock_advance_ms(f, 100000000);
    make_heavy(f, "acme", 1);
    for (int i = 0; i < 16; i++)
        lane_call(f, "reschedule", "tester acme job%d-0 %lld", i, clock_ms(f) + 1);
    clock_advance_ms(f, 1);
    for (int i = 0; i < 16; i++)
        lane_redis(f, "DEL %s", lane_key(f, i ? "wake:q%d" : "wake:default", i));
    lane_call(f, "promote", "256");
    assert_calls(f, "promote to 16 queues", 6 + 26 + 15 * 12);
    lane_call(f, "trim", "500");
    assert_calls(f, "trim", 12 + 8 * 60);
    make_heavy(f, "acme", 3);
    lane_call(f, "beat", "w1");
    long long taken = (long long)lane_claim(f, &(struct lane_claim){.session = "w1", .want = 20, .queues = all_queues(f)}).jobs;
    lane_call(f, "org_delete", "tester acme begin");
    assert_calls(f, "org_delete begin", 90 + 16 * 20);
    lane_call(f, "org_delete", "tester acme take 500");
    assert_calls(f, "org_delete take", 90 + 16 * 20 + 4 * taken);
    assert_false(lane_has(f, "orgs", "acme"));
}

static void audits_stay_in_bounds(void **state)
{
    struct fixture *f = *state;
    f->check_each = false;
    lane_open(f, "w1", 60000);
    make_heavy(f, "acme", 2);
    lane_claim(f, &(struct lane_claim){.session = "w1", .want = 10, .queues = all_queues(f)});
    lane_call(f, "audit", "tester 0 100 0");
    assert_calls(f, "audit", 4 + 18 + 16 * 6);
    lane_redis(f, "DEL %s", lane_key(f, "active:q9"));
    lane_call(f, "audit", "tester 0 100 1");
    assert_calls(f, "audit that mends", 4 + 18 + 16 * 6 + 12 + 16 * 10 + 7);
    assert_true(lane_has(f, "active:q9", "acme"));
    long long jobs = lane_redis(f, "HLEN %s", lane_key(f, "org:acme:jobs"))->integer;
    lane_call(f, "audit_jobs", "tester acme 0 100 0");
    assert_calls(f, "audit_jobs", 12 + jobs * (18 + 16));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hot_paths_do_not_grow_unnoticed),
        cmocka_unit_test(a_batch_costs_no_more_calls_than_one_job),
        cmocka_unit_test(enqueue_and_inbox_stay_in_bounds),
        cmocka_unit_test(coalescing_stays_in_bounds),
        cmocka_unit_test(claim_stays_in_bounds),
        cmocka_unit_test(rests_stay_in_bounds),
        cmocka_unit_test(unparking_stays_in_bounds),
        cmocka_unit_test(limits_stay_in_bounds),
        cmocka_unit_test(ticks_stay_in_bounds),
        cmocka_unit_test(templates_stay_in_bounds),
        cmocka_unit_test(finish_stays_in_bounds),
        cmocka_unit_test(finish_of_64_runs_stays_in_bounds),
        cmocka_unit_test(sessions_stay_in_bounds),
        cmocka_unit_test(giving_back_64_jobs_of_16_queues_stays_in_bounds),
        cmocka_unit_test(control_stays_in_bounds),
        cmocka_unit_test(settings_and_views_stay_in_bounds),
        cmocka_unit_test(upkeep_stays_in_bounds),
        cmocka_unit_test(audits_stay_in_bounds),
        cmocka_unit_test(finish_with_all_that_jobs_leave_stays_in_bounds),
        cmocka_unit_test(note_stays_in_bounds),
    };

    return RUN_IN_LANES("calls", tests);
}
