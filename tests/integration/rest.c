/* rest - jobs of a type that the claiming worker does not know: they rest, longer each time, in nobody's way, and are woken by a
 * worker that knows it. */
#include <stdio.h>
#include <string.h>

#include "tests/support/lane.h"

#define STRANGE (&(struct lane_record){.type = "strange"})

/* A claim by "w1", which knows type "test" only; and by "w2", which knows "strange", too. */
static struct lane_claimed ignorant(struct fixture *f, unsigned want)
{
    return lane_claim(f, &(struct lane_claim){.session = "w1", .want = want, .types = "test:1000"});
}

static struct lane_claimed knowing(struct fixture *f, unsigned want)
{
    return lane_claim(f, &(struct lane_claim){.session = "w2", .want = want, .types = "test:1000 strange:1000"});
}

static void open_both(struct fixture *f)
{
    lane_open(f, "w1", 600000);
    lane_open(f, "w2", 600000);
}

/* Its note `rests`; 0: there is none. */
static long long rests(struct fixture *f, const char *id)
{
    return lane_redis(f, "EVAL %s 1 %s %s",
                      "local n = cmsgpack.unpack(redis.call('HGET', KEYS[1], ARGV[1]))[12] return n and n.rests or 0",
                      lane_key(f, "org:acme:state"), id)
        ->integer;
}

static void a_rest_is_longer_each_time(void **state)
{
    struct fixture *f = *state;
    static const int64_t rests_ms[] = {5000, 10000, 20000, 40000, 60000, 60000, 60000};
    open_both(f);
    lane_enqueue(f, "acme", "job", STRANGE);

    for (size_t i = 0; i < sizeof rests_ms / sizeof *rests_ms; i++) {
        assert_int_equal(ignorant(f, 1).jobs, 0);
        assert_string_equal(lane_place(f, "acme", "job"), "scheduled");
        assert_int_equal(lane_score(f, "org:acme:scheduled", "job"), clock_ms(f) + rests_ms[i]);
        assert_int_equal(rests(f, "job"), i + 1);
        clock_advance_ms(f, rests_ms[i]);
        lane_call(f, "promote", "10");
        assert_int_equal(lane_score(f, "org:acme:ready:default", "job"), CLOCK_START_MS); /* its old place */
    }
    struct lane_state s = lane_state(f, "acme", "job");
    assert_int_equal(s.attempt + s.deliveries + s.crashes, 0);
    assert_int_equal(s.attempts, 0);
}

static void a_worker_that_knows_the_type_wakes_the_job_at_once(void **state)
{
    struct fixture *f = *state;
    open_both(f);
    lane_enqueue(f, "acme", "job", STRANGE);
    ignorant(f, 1);
    clock_advance_ms(f, 1);

    struct lane_claimed got = knowing(f, 1);

    assert_int_equal(got.jobs, 1);
    assert_string_equal(got.job[0].id, "job");
    assert_int_equal(rests(f, "job"), 0); /* somebody knows it: it begins anew */
    assert_int_equal(lane_state(f, "acme", "job").order, CLOCK_START_MS);
    assert_int_equal(lane_redis(f, "EXISTS %s", lane_key(f, "resting:default:strange"))->integer, 0);
    assert_null(lane_field(f, "clock", "resting:default"));
    assert_int_equal(lane_count(f, "due"), 0);
}

static void so_does_one_that_takes_any_type(void **state)
{
    struct fixture *f = *state;
    open_both(f);
    lane_enqueue(f, "acme", "job", STRANGE);
    ignorant(f, 1);

    assert_int_equal(lane_claim(f, &(struct lane_claim){.session = "w2", .types = "*:1000"}).jobs, 1);
}

static void a_claim_that_is_repeated_wakes_nobody(void **state)
{
    struct fixture *f = *state;
    static const char token[] = "0123456789abcdef";
    struct lane_claim claim = {.session = "w2", .want = 1, .types = "strange:1000", .token = token};
    open_both(f);
    lane_claim(f, &claim);
    lane_enqueue(f, "acme", "job", STRANGE);
    ignorant(f, 1);

    assert_int_equal(lane_claim(f, &claim).jobs, 0);

    assert_string_equal(lane_place(f, "acme", "job"), "scheduled");
}

static void as_many_are_woken_as_the_claim_wants(void **state)
{
    struct fixture *f = *state;
    open_both(f);
    lane_enqueue_many(f, "acme", "job", 60, STRANGE);
    for (int i = 0; i < 10; i++)
        ignorant(f, 32);
    assert_int_equal(lane_count(f, "org:acme:scheduled"), 60);

    unsigned taken = 0;
    for (int i = 0; i < 80 && taken < 60; i++) {
        long long resting = lane_count(f, "org:acme:scheduled");
        taken += (unsigned)knowing(f, 5).jobs;
        assert_in_range(resting - lane_count(f, "org:acme:scheduled"), resting < 5 ? resting : 5, 5);
    }
    assert_int_equal(taken, 60);
}

static void jobs_are_woken_across_organizations_queues_and_types(void **state)
{
    struct fixture *f = *state;
    open_both(f);
    for (unsigned n = 0; n < 12; n++) {
        lane_enqueue(f, lane_org(f, n), "a", STRANGE);
        lane_enqueue(f, lane_org(f, n), "b", &(struct lane_record){.type = "other", .queue = "mail"});
        lane_enqueue(f, lane_org(f, n), "c", &(struct lane_record){.type = "third"});
    }
    for (int i = 0; i < 20; i++)
        lane_claim(f, &(struct lane_claim){.session = "w1", .want = 32, .types = "test:1000", .queues = "default mail"});
    for (unsigned n = 0; n < 12; n++)
        assert_int_equal(lane_count(f, fixture_text(f, "org:%s:scheduled", lane_org(f, n))), 3);

    unsigned taken = 0;
    for (int i = 0; i < 20; i++)
        taken +=
            (unsigned)lane_claim(
                f,
                &(struct lane_claim){.session = "w2", .want = 32, .types = "strange:1000 other:1000", .queues = "mail default"})
                .jobs;

    assert_int_equal(taken, 24);
    for (unsigned n = 0; n < 12; n++)
        assert_string_equal(lane_place(f, lane_org(f, n), "c"), "scheduled"); /* nobody knows it */
}

/* A hint is not more than that. */
static void a_job_that_was_moved_meanwhile_stays_where_it_is(void **state)
{
    struct fixture *f = *state;
    open_both(f);
    lane_enqueue(f, "acme", "cancelled", STRANGE);
    lane_enqueue(f, "acme", "deleted", STRANGE);
    lane_enqueue(f, "acme", "later", STRANGE);
    lane_enqueue(f, "acme", "resting", STRANGE);
    for (int i = 0; i < 4; i++)
        ignorant(f, 4);
    lane_call(f, "cancel", "tester acme cancelled");
    lane_call(f, "delete", "tester acme deleted");
    lane_call(f, "reschedule", "tester acme later %lld", clock_ms(f) + 1000000);

    struct lane_claimed got = knowing(f, 8);
    for (int i = 0; i < 3 && got.jobs == 0; i++)
        got = knowing(f, 8);

    assert_int_equal(got.jobs, 1);
    assert_string_equal(got.job[0].id, "resting");
    assert_string_equal(lane_place(f, "acme", "cancelled"), "cancelled");
    assert_int_equal(lane_score(f, "org:acme:scheduled", "later"), clock_ms(f) + 1000000);
}

static void hints_are_forgotten_when_all_have_rested(void **state)
{
    struct fixture *f = *state;
    open_both(f);
    lane_enqueue(f, "acme", "job", STRANGE);
    ignorant(f, 1);
    assert_string_equal(lane_field(f, "clock", "resting:default"),
                        fixture_text(f, "strange %lld acme", (long long)CLOCK_START_MS + 5000));
    assert_in_range(lane_redis(f, "TTL %s", lane_key(f, "resting:default:strange"))->integer, 100, 120);

    clock_advance_ms(f, 5000);
    ignorant(f, 1);

    assert_null(lane_field(f, "clock", "resting:default"));
}

/* One worker that does not know it took the token; another one, which may, gets one, too. But no more than that. */
static void a_first_rest_wakes_another_worker(void **state)
{
    struct fixture *f = *state;
    open_both(f);
    lane_enqueue(f, "acme", "job", STRANGE);
    lane_redis(f, "DEL %s", lane_key(f, "wake:default"));

    ignorant(f, 1);
    assert_int_equal(lane_count(f, "wake:default"), 1);
    lane_redis(f, "DEL %s", lane_key(f, "wake:default"));
    clock_advance_ms(f, 5000);
    lane_call(f, "promote", "10");
    lane_redis(f, "DEL %s", lane_key(f, "wake:default"));
    ignorant(f, 1);
    assert_int_equal(lane_count(f, "wake:default"), 0);
}

/* Many types, each with its hint: what is remembered in the clock is bounded, and what is not waits for its time. */
static void no_number_of_types_grows_without_end(void **state)
{
    struct fixture *f = *state;
    open_both(f);
    for (int i = 0; i < 100; i++)
        lane_enqueue(f, "acme", fixture_text(f, "job%d", i), &(struct lane_record){.type = fixture_text(f, "type%d", i)});
    for (int i = 0; i < 10; i++)
        ignorant(f, 32);
    assert_int_equal(lane_count(f, "org:acme:scheduled"), 100);

    unsigned words = 1;
    for (const char *at = lane_field(f, "clock", "resting:default"); (at = strchr(at, ' ')); at++)
        words++;
    assert_int_equal(words, 3 * 64);
    clock_advance_ms(f, 5000);
    for (int i = 0; i < 10; i++)
        lane_call(f, "promote", "100");
    assert_int_equal(lane_count(f, "org:acme:ready:default"), 100);
}

/* An organization of a thousand types is in its own way only: jobs of others, which rest before, among and after its own, are
 * woken at once, also of types that it uses too. */
static void an_organization_of_many_types_displaces_no_other_ones(void **state)
{
    struct fixture *f = *state;
    f->check_each = false;
    open_both(f);
    for (unsigned n = 1; n <= 3; n++) {
        lane_enqueue(f, lane_org(f, n), "job", &(struct lane_record){.type = fixture_text(f, "theirs%u", n)});
        for (int i = 0; i < 2; i++)
            ignorant(f, 4);
        clock_advance_ms(f, 1);
        for (int i = 0; i < 333; i++)
            lane_enqueue(
                f, "acme", fixture_text(f, "job%u-%d", n, i),
                &(struct lane_record){.type = i % 100 ? fixture_text(f, "type%u-%d", n, i) : fixture_text(f, "theirs%u", n)});
        for (int i = 0; i < 40; i++)
            ignorant(f, 32);
    }
    assert_int_equal(lane_count(f, "org:acme:scheduled"), 999);
    assert_in_range(strlen(lane_field(f, "clock", "resting:default")), 64, 64 * 40);

    for (unsigned n = 1; n <= 3; n++)
        for (int i = 0; i < 4 && strcmp(lane_place(f, lane_org(f, n), "job"), "running") != 0; i++)
            lane_claim(f, &(struct lane_claim){.session = "w2", .want = 8, .types = fixture_text(f, "theirs%u:1000", n)});

    for (unsigned n = 1; n <= 3; n++)
        assert_string_equal(lane_place(f, lane_org(f, n), "job"), "running");
}

/* It costs a claim nothing that jobs may rest, and little where others do. */
static void a_claim_pays_for_rests_only_where_jobs_rest(void **state)
{
    struct fixture *f = *state;
    f->check_each = false;
    open_both(f);
    lane_enqueue_many(f, "acme", "plain", 3, NULL);
    lane_calls(f);
    assert_int_equal(ignorant(f, 1).jobs, 1);
    long long plain = lane_calls(f);

    lane_enqueue(f, lane_org(f, 1), "job", STRANGE);
    for (int i = 0; i < 4; i++)
        assert_in_range(ignorant(f, 1).jobs, 0, 1); /* one of them meets it */
    lane_enqueue(f, "acme", "last", NULL);
    lane_calls(f);
    assert_int_equal(ignorant(f, 1).jobs, 1);
    assert_int_equal(lane_calls(f), plain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rest_is_longer_each_time),
        cmocka_unit_test(a_worker_that_knows_the_type_wakes_the_job_at_once),
        cmocka_unit_test(so_does_one_that_takes_any_type),
        cmocka_unit_test(a_claim_that_is_repeated_wakes_nobody),
        cmocka_unit_test(as_many_are_woken_as_the_claim_wants),
        cmocka_unit_test(jobs_are_woken_across_organizations_queues_and_types),
        cmocka_unit_test(a_job_that_was_moved_meanwhile_stays_where_it_is),
        cmocka_unit_test(hints_are_forgotten_when_all_have_rested),
        cmocka_unit_test(a_first_rest_wakes_another_worker),
        cmocka_unit_test(no_number_of_types_grows_without_end),
        cmocka_unit_test(an_organization_of_many_types_displaces_no_other_ones),
        cmocka_unit_test(a_claim_pays_for_rests_only_where_jobs_rest),
    };

    return RUN_IN_LANES("rest", tests);
}
