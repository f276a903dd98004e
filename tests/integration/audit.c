/* audit and audit_jobs - drift that should not be there is found, and mended without losing anything. The tests inject what no
 * function does: entries added to and removed from indexes and sets by hand. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/lane.h"

/* The findings of one whole walk as "what org what org ...", in the order found. */
static const char *audit(struct fixture *f, bool mend)
{
    const char *found = "", *cursor = "0";

    do {
        const redisReply *reply = lane_call(f, "audit", "tester %s 2 %d", cursor, mend);
        const redisReply *words = reply_element(reply, 2);
        cursor = reply_text(reply_element(reply, 0));
        for (size_t i = 0; i < words->elements; i++)
            found = fixture_text(f, "%s%s%s", found, *found ? " " : "", reply_text(words->element[i]));
    } while (strcmp(cursor, "0") != 0);
    return found;
}

static const char *audit_jobs(struct fixture *f, const char *org, bool mend)
{
    const char *found = "", *cursor = "0";

    do {
        const redisReply *reply = lane_call(f, "audit_jobs", "tester %s %s 100 %d", org, cursor, mend);
        const redisReply *words = reply_element(reply, 2);
        cursor = reply_text(reply_element(reply, 0));
        for (size_t i = 0; i < words->elements; i++)
            found = fixture_text(f, "%s%s%s", found, *found ? " " : "", reply_text(words->element[i]));
    } while (strcmp(cursor, "0") != 0);
    return found;
}

/* Work of every kind: acme has ready, scheduled, running, done, dead and cancelled jobs; a second one waits; a third is parked.
 */
static void make_work(struct fixture *f)
{
    const char *second = lane_org(f, 1), *third = lane_org(f, 2);
    static const char *const ends[] = {"done", "dead"};

    lane_open(f, "w1", 60000);
    for (size_t i = 0; i < 2; i++) {
        lane_enqueue(f, "acme", ends[i], &(struct lane_record){.key = ends[i]});
        struct lane_lease lease = lane_claim_one(f, "w1");
        lane_end(f, &lease, ends[i]);
    }
    lane_enqueue(f, "acme", "cancelled", NULL);
    lane_call(f, "cancel", "tester acme cancelled");
    lane_enqueue(f, "acme", "running", &(struct lane_record){.key = "running"});
    lane_claim_one(f, "w1");
    lane_enqueue_many(f, "acme", "ready", 3, NULL);
    lane_call(f, "org_set", "tester %s rate 0.01", third);
    lane_enqueue_many(f, third, "job", 2, &(struct lane_record){.queue = "mail"});
    lane_claim(f, &(struct lane_claim){.session = "w1", .queues = "mail"});
    lane_enqueue(f, second, "job", NULL);
    lane_enqueue(f, "acme", "mail", &(struct lane_record){.queue = "mail"});
    lane_enqueue(f, "acme", "scheduled", &(struct lane_record){.delay_ms = 5000});
}

static void an_intact_lane_gives_no_finding_and_is_left_as_it_is(void **state)
{
    struct fixture *f = *state;
    make_work(f);
    const char *before = lane_digest(f);

    assert_string_equal(audit(f, true), "");
    assert_string_equal(audit_jobs(f, "acme", true), "");

    assert_string_equal(lane_digest(f), before);
}

static const struct {
    const char *command; /* %s: the lane's prefix */
    const char *what;
} drifts[] = {
    {"ZREM %sactive:default acme", "active"},
    {"ZADD %sactive:default 5 acme", "quiet?"},
    {"DEL %sactive:default", "active"},
    {"ZREM %squiet:default %s2", "quiet"},
    {"ZADD %squiet:default 77 %s2", "quiet"},
    {"ZADD %squiet:default 1 acme", "quiet"},
    {"ZREM %sparked:mail %s3", "active"},
    {"ZADD %sactive:mail 5 %s3", "active"},
    {"ZADD %sparked:default 99 %s2", "active"},
    {"ZREM %sdue acme", "due"},
    {"ZADD %sdue 99999999999999 acme", "due"},
    {"ZADD %sdue 5 acme", "due"},
    {"ZADD %sdue 5 %s2", "due"},
    {"ZREM %sexpiring acme", "expiring"},
};

static void every_kind_of_index_drift_is_found_and_mended(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof drifts / sizeof drifts[0]; i++) {
        fixture_reset(f);
        make_work(f);
        f->check_each = false;
        const char *second = lane_org(f, 1), *third = lane_org(f, 2), *prefix = lane_key(f, "%s", "");
        bool of_second = strstr(drifts[i].command, "%s2"), of_third = strstr(drifts[i].command, "%s3");
        char *command = strdup(drifts[i].command);
        if (of_second || of_third)
            *strrchr(command, '2' + of_third) = '\0';
        lane_redis(f, command, prefix, of_second ? second : third);
        free(command);
        if (!strcmp(drifts[i].what, "quiet?")) { /* a start tag is nobody's to judge: it stays */
            assert_string_equal(audit(f, true), "");
            continue;
        }

        const char *seen = audit(f, false), *mended = audit(f, true), *after = audit(f, true);

        if (!strstr(seen, drifts[i].what))
            fail_msg("after \"%s\" the audit found \"%s\"", drifts[i].command, seen);
        assert_string_equal(seen, mended); /* looking alone changes nothing */
        assert_string_equal(after, "");
        if (*lane_violations(f))
            fail_msg("after \"%s\" was mended: %s", drifts[i].command, lane_violations(f));
    }
}

static void an_organization_without_a_rate_does_not_stay_parked(void **state)
{
    struct fixture *f = *state;
    lane_enqueue(f, "acme", "job1", NULL);
    f->check_each = false;
    lane_redis(f, "ZREM %s acme", lane_key(f, "active:default"));
    lane_redis(f, "ZREM %s acme", lane_key(f, "quiet:default"));
    lane_redis(f, "ZADD %s 99999999999999 acme", lane_key(f, "parked:default"));

    assert_string_equal(audit(f, true), "parked acme");

    assert_true(lane_has(f, "active:default", "acme"));
    assert_string_equal(audit(f, true), "");
}

static void claims_mend_what_they_stumble_over(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    lane_enqueue(f, lane_org(f, 1), "job", NULL);
    lane_enqueue(f, "acme", "job", NULL);
    lane_call(f, "delete", "tester acme job");
    lane_redis(f, "ZADD %s -5 acme", lane_key(f, "active:default"));
    lane_redis(f, "ZADD %s -5 acme", lane_key(f, "quiet:default"));

    assert_string_equal(lane_claim_one(f, "w1").org, lane_org(f, 1));

    assert_false(lane_has(f, "active:default", "acme"));
    assert_false(lane_has(f, "quiet:default", "acme"));
}

static void quiet_claims_mend_what_they_stumble_over(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    lane_enqueue_many(f, "acme", "job", 2, NULL);
    lane_redis(f, "ZREM %s acme", lane_key(f, "active:default"));
    f->unchecked |= UNCHECKED_WAKE;

    lane_claim(f, &(struct lane_claim){.session = "w1", .quiet = true});

    assert_true(lane_has(f, "active:default", "acme"));
}

/* ---- audit_jobs ---- */

static void a_job_in_no_set_goes_back_to_its_queue(void **state)
{
    struct fixture *f = *state;
    make_work(f);
    f->check_each = false;
    lane_redis(f, "ZREM %s mail", lane_key(f, "org:acme:ready:mail"));
    lane_redis(f, "ZREM %s scheduled", lane_key(f, "org:acme:scheduled"));
    assert_string_equal(lane_place(f, "acme", "mail"), "");

    const char *seen = audit_jobs(f, "acme", false);
    assert_non_null(strstr(seen, "nowhere mail"));
    assert_non_null(strstr(seen, "nowhere scheduled"));
    assert_string_equal(lane_place(f, "acme", "mail"), "");
    audit_jobs(f, "acme", true);

    assert_string_equal(lane_place(f, "acme", "mail"), "ready:mail");
    assert_memory_equal(lane_place(f, "acme", "scheduled"), "ready", 5);
    assert_string_equal(audit_jobs(f, "acme", true), "");
}

static void a_job_that_had_ended_does_not_run_again(void **state)
{
    struct fixture *f = *state;
    static const char *const ends[] = {"done", "dead", "cancelled"};
    make_work(f);
    f->check_each = false;
    for (size_t i = 0; i < 3; i++)
        lane_redis(f, "ZREM %s %s", lane_key(f, "org:acme:%s", ends[i]), ends[i]);

    audit_jobs(f, "acme", true);

    for (size_t i = 0; i < 3; i++)
        assert_string_equal(lane_place(f, "acme", ends[i]), ends[i]);
}

static void a_held_job_in_no_set_is_running(void **state)
{
    struct fixture *f = *state;
    make_work(f);
    f->check_each = false;
    double deadline = lane_score(f, "org:acme:running", "running");
    lane_redis(f, "ZREM %s running", lane_key(f, "org:acme:running"));

    assert_non_null(strstr(audit_jobs(f, "acme", true), "nowhere running"));

    assert_int_equal(lane_score(f, "org:acme:running", "running"), deadline);
}

static void a_job_in_two_sets_stays_in_one(void **state)
{
    struct fixture *f = *state;
    static const char *const extra[][3] = {{"running", "ready:default", "running"},
                                           {"done", "ready:default", "done"},
                                           {"scheduled", "ready:default", "scheduled"},
                                           {"dead", "scheduled", "dead"},
                                           {"cancelled", "scheduled", "cancelled"}};

    for (size_t i = 0; i < sizeof extra / sizeof extra[0]; i++) {
        fixture_reset(f);
        make_work(f);
        f->check_each = false;
        lane_redis(f, "ZADD %s 5 %s", lane_key(f, "org:acme:%s", extra[i][1]), extra[i][0]);

        assert_non_null(strstr(audit_jobs(f, "acme", true), fixture_text(f, "twice %s", extra[i][0])));

        assert_string_equal(lane_place(f, "acme", extra[i][0]), extra[i][2]);
        assert_string_equal(lane_violations(f), "");
    }
}

static void a_running_job_that_nobody_holds_is_ready_again(void **state)
{
    struct fixture *f = *state;
    make_work(f);
    f->check_each = false;
    lane_redis(f, "HDEL %s acme/running", lane_key(f, "held:w1"));

    assert_string_equal(audit_jobs(f, "acme", true), "unheld running");

    assert_string_equal(lane_place(f, "acme", "running"), "ready:default");
    struct lane_state s = lane_state(f, "acme", "running");
    assert_int_equal(s.crashes, 1);
    assert_string_equal(s.tried[0].outcome, "lost");
}

static void a_job_that_is_unheld_again_and_again_dies_with_its_key(void **state)
{
    struct fixture *f = *state;
    lane_open(f, "w1", 60000);
    lane_enqueue(f, "acme", "job1", &(struct lane_record){.key = "k"});

    for (int i = 0; i < 3; i++) {
        lane_claim_one(f, "w1");
        f->check_each = false;
        lane_redis(f, "HDEL %s acme/job1", lane_key(f, "held:w1"));
        assert_string_equal(audit_jobs(f, "acme", true), "unheld job1");
        f->check_each = true;
    }

    assert_string_equal(lane_place(f, "acme", "job1"), "dead");
    assert_true(lane_has(f, "org:acme:unique_until", "k"));
}

static void a_session_that_no_index_knows_is_given_to_recovery(void **state)
{
    struct fixture *f = *state;
    make_work(f);
    f->check_each = false;
    lane_redis(f, "ZREM %s w1", lane_key(f, "sessions"));

    assert_string_equal(audit_jobs(f, "acme", true), "orphan running");

    assert_int_equal(lane_score(f, "sessions", "w1"), clock_ms(f));
    assert_int_equal(reply_element(lane_call(f, "watch", "0 100 10"), 1)->elements, 5);
    lane_call(f, "beat", "w1"); /* it lives: all is well again */
}

/* Jobs under a limit of one for a key: "dead" died under it, "runs" runs, "waits" waits. */
static void make_line(struct fixture *f)
{
    static const struct lane_record limited = {.limit = "user:1"};

    lane_call(f, "limit_set", "me user 1 %s %s", "", "");
    lane_open(f, "w1", 60000);
    lane_enqueue(f, "acme", "dead", &limited);
    struct lane_lease lease = lane_claim_one(f, "w1");
    lane_end(f, &lease, "dead");
    lane_enqueue(f, "acme", "runs", &limited);
    lane_claim_one(f, "w1");
    clock_advance_ms(f, 1);
    lane_enqueue(f, "acme", "waits", &limited);
    assert_int_equal(lane_claim(f, &(struct lane_claim){.session = "w1"}).jobs, 0);
    assert_string_equal(lane_place(f, "acme", "waits"), "waiting");
    f->check_each = false;
}

static void a_dead_job_that_stands_in_a_line_does_not_run_again(void **state)
{
    struct fixture *f = *state;

    for (int mended = 0; mended < 2; mended++) {
        fixture_reset(f);
        make_line(f);
        lane_redis(f, "ZADD %s 1 dead", lane_key(f, "org:acme:waiting:user:1"));
        lane_redis(f, "ZADD %s 1 dead", lane_key(f, "org:acme:waiting"));
        if (mended) {
            assert_string_equal(audit_jobs(f, "acme", true), "twice dead");
            assert_string_equal(audit_jobs(f, "acme", true), "");
            lane_check(f);
        }

        lane_call(f, "cancel", "me acme runs");
        lane_call(f, "close", "w1 64"); /* the line's turn */

        assert_string_equal(lane_place(f, "acme", "waits"), "ready:default");
        audit_jobs(f, "acme", true);
        assert_string_equal(lane_place(f, "acme", "dead"), "dead");
    }
}

static void a_job_that_runs_does_not_wait_for_a_limit(void **state)
{
    struct fixture *f = *state;
    make_line(f);
    lane_redis(f, "ZADD %s 1 runs", lane_key(f, "org:acme:waiting:user:1"));
    lane_redis(f, "ZADD %s 1 runs", lane_key(f, "org:acme:waiting"));

    assert_string_equal(audit_jobs(f, "acme", true), "twice runs");

    assert_string_equal(lane_place(f, "acme", "runs"), "running");
    lane_check(f);
}

static void a_place_under_a_limit_that_nobody_has_is_free_again(void **state)
{
    struct fixture *f = *state;
    make_line(f);
    lane_redis(f, "ZADD %s 5 acme/ghost", lane_key(f, "limited:user:1@acme"));
    lane_call(f, "limit_set", "me user 2 %s %s", "", "");
    assert_string_equal(lane_place(f, "acme", "waits"), "waiting");
    assert_string_equal(audit_jobs(f, "acme", false), "place waits");

    assert_string_equal(audit_jobs(f, "acme", true), "place waits");

    assert_string_equal(lane_place(f, "acme", "waits"), "ready:default");
    assert_true(lane_has(f, "limited:user:1@acme", "acme/runs"));
    assert_string_equal(audit_jobs(f, "acme", true), "");
    lane_check(f);
}

static void a_held_job_in_no_set_keeps_its_place_under_its_limit(void **state)
{
    struct fixture *f = *state;
    lane_enqueue(f, "acme", "early", &(struct lane_record){.limit = "user:1", .delay_ms = 1}); /* the walk comes to it first */
    make_line(f);
    lane_call(f, "promote", "10");
    lane_claim(f, &(struct lane_claim){.session = "w1"});
    assert_string_equal(lane_place(f, "acme", "early"), "waiting");
    lane_redis(f, "ZREM %s runs", lane_key(f, "org:acme:running"));

    assert_string_equal(audit_jobs(f, "acme", true), "nowhere runs");

    assert_string_equal(lane_place(f, "acme", "runs"), "running");
    lane_check(f);
}

static void nothing_is_lost_whatever_is_removed(void **state)
{
    struct fixture *f = *state;
    static const char *const sets[] = {"ready:default", "ready:mail", "scheduled", "running", "done", "dead", "cancelled"};
    make_work(f);
    f->check_each = false;
    long long jobs = lane_redis(f, "HLEN %s", lane_key(f, "org:acme:jobs"))->integer;
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++)
        lane_redis(f, "DEL %s", lane_key(f, "org:acme:%s", sets[i]));

    audit_jobs(f, "acme", true);
    audit(f, true);

    assert_int_equal(lane_redis(f, "HLEN %s", lane_key(f, "org:acme:jobs"))->integer, jobs);
    long long placed = 0;
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++)
        placed += lane_count(f, fixture_text(f, "org:acme:%s", sets[i]));
    assert_int_equal(placed, jobs);
}

static void a_walk_of_many_organizations_sees_each(void **state)
{
    struct fixture *f = *state;
    long long seen = 0;
    const char *cursor = "0";
    f->check_each = false;
    for (unsigned n = 0; n < 200; n++)
        lane_call(f, "org_set", "tester %s weight 5", lane_org(f, n));

    do {
        const redisReply *reply = lane_call(f, "audit", "tester %s 10 0", cursor);
        cursor = reply_text(reply_element(reply, 0));
        seen += reply_number(reply_element(reply, 1));
    } while (strcmp(cursor, "0") != 0);

    assert_true(seen >= 200);
}

static void arguments_out_of_range_are_refused(void **state)
{
    struct fixture *f = *state;

    assert_error(lane_call(f, "audit", "tester 0 0 0"), "INVALID limit");
    assert_error(lane_call(f, "audit", "tester 0 101 0"), "INVALID limit");
    assert_error(lane_call(f, "audit_jobs", "tester acme 0 0 0"), "INVALID limit");
    assert_error(lane_call(f, "audit_jobs", "tester acme 0 101 0"), "INVALID limit");
    assert_error(lane_call(f, "audit_jobs", "tester Acme 0 10 0"), "INVALID organization");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_intact_lane_gives_no_finding_and_is_left_as_it_is),
        cmocka_unit_test(every_kind_of_index_drift_is_found_and_mended),
        cmocka_unit_test(an_organization_without_a_rate_does_not_stay_parked),
        cmocka_unit_test(claims_mend_what_they_stumble_over),
        cmocka_unit_test(quiet_claims_mend_what_they_stumble_over),
        cmocka_unit_test(a_job_in_no_set_goes_back_to_its_queue),
        cmocka_unit_test(a_job_that_had_ended_does_not_run_again),
        cmocka_unit_test(a_held_job_in_no_set_is_running),
        cmocka_unit_test(a_job_in_two_sets_stays_in_one),
        cmocka_unit_test(a_running_job_that_nobody_holds_is_ready_again),
        cmocka_unit_test(a_job_that_is_unheld_again_and_again_dies_with_its_key),
        cmocka_unit_test(a_session_that_no_index_knows_is_given_to_recovery),
        cmocka_unit_test(a_dead_job_that_stands_in_a_line_does_not_run_again),
        cmocka_unit_test(a_job_that_runs_does_not_wait_for_a_limit),
        cmocka_unit_test(a_place_under_a_limit_that_nobody_has_is_free_again),
        cmocka_unit_test(a_held_job_in_no_set_keeps_its_place_under_its_limit),
        cmocka_unit_test(nothing_is_lost_whatever_is_removed),
        cmocka_unit_test(a_walk_of_many_organizations_sees_each),
        cmocka_unit_test(arguments_out_of_range_are_refused),
    };

    return RUN_IN_LANES("audit", tests);
}
