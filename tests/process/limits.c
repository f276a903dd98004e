/* limits - named limits hold for all workers, all organizations and all lanes together, whoever dies. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/pool.h"
#include "tests/support/rota.h"

#define JOBS_MAX 128
#define QUICK    "--session-timeout", "1500ms", "--session-beat", "500ms"

static void start_scheduler(struct pool *pool)
{
    pool_scheduler(pool, "--lanes", pool_text(pool, "%u", pool->lanes), NULL);
}

static void push(struct pool *pool, unsigned org, unsigned job, const char *limit)
{
    struct job_record record = {.type = "t", .payload = "", .has_payload = true};

    snprintf(record.limit, sizeof record.limit, "%s", limit);
    pool_push_record(pool, pool_text(pool, "org%u", org), pool_text(pool, "job%u", job), &record);
}

static unsigned count_done(struct pool *pool, unsigned orgs)
{
    unsigned done = 0;

    for (unsigned org = 0; org < orgs; org++)
        done += (unsigned)pool_count(pool, pool_text(pool, "org%u", org), "done");
    return done;
}

/* ---- a rate ---- */

static int compare_ms(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;

    return *x < *y ? -1 : *x > *y;
}

/* When the jobs were claimed, on Redis' clock. */
static void read_starts(struct pool *pool, unsigned orgs, unsigned each, int64_t *ret_ms)
{
    for (unsigned org = 0; org < orgs; org++)
        for (unsigned i = 0; i < each; i++) {
            const struct job *job = pool_job(pool, pool_text(pool, "org%u", org), pool_text(pool, "job%u", i));
            assert_string_equal(job->place, "done");
            ret_ms[org * each + i] = job->state.attempts[0].started_ms;
        }
    qsort(ret_ms, orgs * each, sizeof *ret_ms, compare_ms);
}

/* In no window do more start than burst + rate x time. */
static void assert_rate(const int64_t *starts_ms, unsigned count, double rate, unsigned burst)
{
    for (unsigned i = 0; i < count; i++)
        for (unsigned j = i; j < count; j++) {
            double most = burst + rate * (double)(starts_ms[j] - starts_ms[i] + 1) / 1000;
            if (j - i + 1 > most)
                fail_msg("%u jobs started within %" PRId64 " ms, %.1f may", j - i + 1, starts_ms[j] - starts_ms[i], most);
        }
}

static void AP_8_a_rate_holds_for_all_workers_and_organizations(void **state)
{
    struct pool *pool = *state;
    const unsigned orgs = 20, each = 2;
    int64_t starts_ms[JOBS_MAX];
    start_scheduler(pool);
    ROTA_MUST(pool, 0, "limit", "set", "mail", "--rate", "12/s", "--burst", "5");
    for (int i = 0; i < 3; i++)
        pool_worker(pool, "--slots", "4", "--on", "t=@noop", NULL);

    for (unsigned org = 0; org < orgs; org++)
        for (unsigned i = 0; i < each; i++)
            push(pool, org, i, "mail");
    WAIT_UNTIL(count_done(pool, orgs) == orgs * each);

    read_starts(pool, orgs, each, starts_ms);
    assert_rate(starts_ms, orgs * each, 12, 5);
    int64_t took_ms = starts_ms[orgs * each - 1] - starts_ms[0], least_ms = (orgs * each - 5) * 1000 / 12;
    print_message("  %u jobs in %" PRId64 " ms, %" PRId64 " at least\n", orgs * each, took_ms, least_ms);
    assert_true(took_ms < 3 * least_ms + 3000); /* and it is made use of */
}

/* ---- a concurrency ---- */

/* A handler of which no two may run at a time: it tells if two do. */
static const char *alone(struct pool *pool)
{
    return pool_text(pool, "t=exec 9>%s; flock -n 9 || echo $ROTA_JOB_ID >>%s; echo $ROTA_ORG >>%s; sleep 0.05",
                     pool_path(pool, "lock"), pool_path(pool, "overlaps"), pool_path(pool, "runs"));
}

static void no_two_run_at_a_time_though_a_worker_is_killed(void **state)
{
    struct pool *pool = *state;
    struct process *workers[4];
    const unsigned orgs = 6, each = 4;
    start_scheduler(pool);
    ROTA_MUST(pool, 0, "limit", "set", "alone", "--concurrency", "1");
    for (int i = 0; i < 4; i++)
        workers[i] = pool_worker(pool, "--slots", "3", QUICK, "--on", alone(pool), NULL);
    for (unsigned org = 0; org < orgs; org++)
        for (unsigned i = 0; i < each; i++)
            push(pool, org, i, "alone");

    WAIT_UNTIL(count_done(pool, orgs) >= 3);
    process_kill(workers[0]);
    WAIT_UNTIL(count_done(pool, orgs) == orgs * each);

    assert_string_equal(pool_file(pool, "overlaps"), "");
    for (uint32_t lane = 0; lane < pool->lanes; lane++)
        assert_int_equal(pool_number(pool, "ZCARD rota:{%u}:limited:alone", lane), 0);
}

static void one_slot_goes_to_the_lane_where_somebody_waits(void **state)
{
    struct pool *pool = *state;
    start_scheduler(pool);
    ROTA_MUST(pool, 0, "limit", "set", "alone", "--concurrency", "1");
    pool_worker(pool, "--slots", "4", "--on", "t=@noop", NULL);

    for (unsigned org = 0; org < 8; org++) { /* organizations of several lanes */
        int64_t pushed_ms = pool_now_ms(pool);
        push(pool, org, 0, "alone");
        pool_wait_place(pool, pool_text(pool, "org%u", org), "job0", "done");
        int64_t waited_ms = pool_job(pool, pool_text(pool, "org%u", org), "job0")->state.attempts[0].started_ms - pushed_ms;
        print_message("  lane %u after %" PRId64 " ms\n", lane_of(pool_text(pool, "org%u", org), pool->lanes), waited_ms);
        assert_true(waited_ms < 3000);
    }
    struct ran ran = ROTA_MUST(pool, 0, "limit", "show", "alone", "--json");
    json_t *limit = ran_json(&ran);
    assert_int_equal(json_number(limit, "concurrency"), 1);
    assert_int_equal(json_number(limit, "running"), 0);
    json_decref(limit);
}

/* ---- handlers ---- */

static void a_handlers_limit_holds_for_its_type(void **state)
{
    struct pool *pool = *state;
    const char *file = write_text(pool, "rota.yaml", "handlers:\n  t: {command: sleep 0.05, limit: two}\n");
    start_scheduler(pool);
    ROTA_MUST(pool, 0, "limit", "set", "two", "--concurrency", "2");
    for (unsigned i = 0; i < 12; i++)
        push(pool, 0, i, "");
    pool_start(pool, "rota-worker", "--slots", "8", "--config", file, NULL);

    long long most = 0;
    WAIT_UNTIL((most = pool_count(pool, "org0", "running") > most ? pool_count(pool, "org0", "running") : most,
                pool_count(pool, "org0", "done") == 12));

    assert_in_range(most, 1, 2);
}

/* A handler that is told 429 says so, and nothing of its limit starts until then, whatever worker it would be. */
static void AP_8_a_handler_pauses_the_limit_it_runs_under(void **state)
{
    struct pool *pool = *state;
    start_scheduler(pool);
    ROTA_MUST(pool, 0, "limit", "set", "mail", "--concurrency", "5");
    for (int i = 0; i < 2; i++)
        pool_worker(pool, "--slots", "2", "--on",
                    "t=test $ROTA_ATTEMPT -gt 1 || { echo '{\"op\":\"retry\",\"after_ms\":2500,\"limit\":true}' >&3; exit 75; }",
                    NULL);
    push(pool, 0, 0, "mail");
    WAIT_UNTIL(pool_number(pool, "HEXISTS rota:{0}:limit:mail paused_ms") == 1);
    int64_t until_ms = pool_number(pool, "HGET rota:{0}:limit:mail paused_ms");
    struct ran changes = ROTA_MUST(pool, 0, "audit", "log"), events = ROTA_MUST(pool, 0, "event", "list");
    assert_null(strstr(changes.out, "limit_pause")); /* nobody has changed anything */
    assert_non_null(strstr(events.out, "limit_pause"));
    pool_push_many(pool, "org1", "free", 2, "t", "");

    push(pool, 2, 0, "mail");
    pool_wait_place(pool, "org2", "job0", "done");

    assert_true(pool_job(pool, "org2", "job0")->state.attempts[0].started_ms >= until_ms);
    for (uint32_t lane = 0; lane < pool->lanes; lane++)
        assert_int_equal(pool_number(pool, "HEXISTS rota:{%u}:limit:mail paused_ms", lane), 1);
    WAIT_UNTIL(pool_count(pool, "org1", "done") == 2 && pool_count(pool, "org0", "done") == 1);
    assert_true(pool_job(pool, "org1", "free0000")->state.attempts[0].started_ms < until_ms);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        POOL_TEST(AP_8_a_rate_holds_for_all_workers_and_organizations),
        POOL_TEST_LANES(AP_8_a_rate_holds_for_all_workers_and_organizations),
        POOL_TEST(no_two_run_at_a_time_though_a_worker_is_killed),
        POOL_TEST_LANES(no_two_run_at_a_time_though_a_worker_is_killed),
        POOL_TEST_LANES(one_slot_goes_to_the_lane_where_somebody_waits),
        POOL_TEST(a_handlers_limit_holds_for_its_type),
        POOL_TEST(AP_8_a_handler_pauses_the_limit_it_runs_under),
        POOL_TEST_LANES(AP_8_a_handler_pauses_the_limit_it_runs_under),
    };

    return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
