/* ownership - one valid owner, whatever happens to a worker or to its connection: killed, stopped, cut off, too late. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/library.h"
#include "tests/support/pool.h"
#include "tests/support/proxy.h"
#include "tests/support/text_file.h"

#define TIMEOUT_MS 1500
#define QUICK      "--session-timeout", "1500ms", "--session-beat", "500ms"

static unsigned ran(struct pool *pool, const char *session, const char *name)
{
    return pool_logged(pool, pool_text(pool, "%s %s\n", session, name));
}

static unsigned handlers_of(struct pool *pool, const char *session)
{
    return signal_processes(pool_text(pool, "ROTA_WORKER_ID=%s", session), pool_text(pool, "HOME=%s", pool->directory), 0);
}

/* ---- a worker dies ---- */

/* With the time-outs that everybody has. */
static void AP_5_the_jobs_of_a_killed_worker_run_again_within_seven_seconds(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, "--lanes", pool_text(pool, "%u", pool->lanes), NULL);
    struct process *victim = pool_worker(pool, "--slots", "8", "--on", pool_logging(pool, "t", "exec sleep 600"), NULL);
    for (unsigned i = 0; i < 8; i++)
        pool_push(pool, pool_text(pool, "org%u", i), "job", "t", "");
    WAIT_UNTIL(pool_logged(pool, "/job\n") == 8);
    pool_worker(pool, "--slots", "8", "--on", pool_logging(pool, "t", "exec sleep 600"), NULL);

    int64_t killed_mono_ms = clock_mono_ms();
    process_kill(victim);
    WAIT_UNTIL(pool_logged(pool, "/job\n") == 16);

    int64_t took_ms = awake_ms_since(killed_mono_ms);
    print_message("  recovered after %lld ms\n", (long long)took_ms);
    assert_true(took_ms <= 7000);
    assert_true(clock_mono_ms() - killed_mono_ms >= 4000); /* not before its deadline: a beat was at most 2 s old */
    for (unsigned i = 0; i < 8; i++) {
        const struct job *job = pool_job(pool, pool_text(pool, "org%u", i), "job");
        assert_string_equal(job->place, "running");
        assert_int_equal(job->state.crashes, 1);
        assert_int_equal(job->state.attempt, 0);
        assert_int_equal(job->state.deliveries, 2);
        assert_string_equal(job->state.attempts[0].outcome, "lost");
    }
}

/* ---- a worker sleeps, and wakes up too late ---- */

static void a_stopped_worker_is_told_that_it_lost_everything(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);
    struct process *sleeper = pool_worker(pool, QUICK, "--slots", "3", "--on", pool_logging(pool, "long", "exec sleep 600"),
                                          "--on", pool_logging(pool, "short", "exec sleep 1"), NULL);
    const char *old = pool_session(pool, sleeper, 0);
    pool_push_many(pool, "acme", "long", 2, "long", "");
    pool_push(pool, "acme", "short", "short", "");
    WAIT_UNTIL(pool_held(pool, old) == 3 && ran(pool, old, "acme/short") == 1 && ran(pool, old, "acme/long0001") == 1);
    struct process *other = pool_worker(pool, QUICK, "--slots", "3", "--on", pool_logging(pool, "*", "exec sleep 600"), NULL);
    const char *heir = pool_session(pool, other, 0);

    process_signal(sleeper, SIGSTOP);
    WAIT_UNTIL(ran(pool, heir, "acme/short") == 1 && ran(pool, heir, "acme/long0000") == 1 &&
               ran(pool, heir, "acme/long0001") == 1);
    WAIT_UNTIL(handlers_of(pool, old) == 2); /* the short one is done, but who should say so? */
    const char *before = pool_digest(pool, "acme");
    int64_t woken_mono_ms = clock_mono_ms();
    process_signal(sleeper, SIGCONT);
    WAIT_UNTIL(handlers_of(pool, old) == 0);

    assert_true(awake_ms_since(woken_mono_ms) <= 1000);
    process_wait_for(sleeper, "msg=\"session lost");
    WAIT_UNTIL(count_text(process_log(sleeper), "msg=\"session open\"") == 2);
    assert_string_equal(pool_digest(pool, "acme"), before);
    assert_int_equal(pool_held(pool, heir), 3);
    const char *fresh = pool_session(pool, sleeper, 0);
    assert_string_not_equal(fresh, old);
    pool_push(pool, "acme", "next", "short", ""); /* the other one has no free slot */
    pool_wait_place(pool, "acme", "next", "done");
    assert_int_equal(ran(pool, fresh, "acme/next"), 1);
}

static void AP_9_a_completion_that_comes_too_late_changes_nothing(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);
    struct proxy *proxy = proxy_start(pool_path(pool, "proxy"), server_socket(pool->server), "rota-worker:");
    const char *direct = pool->url;
    pool->url = pool_text(pool, "unix://%s/proxy", pool->directory);
    struct process *late = pool_worker(pool, QUICK, "--on", pool_logging(pool, "t", "sleep 0.5; echo old"), NULL);
    const char *old = pool_session(pool, late, 0);
    pool->url = direct;
    pool_push_many(pool, "acme", "job", 4, "t", "");
    WAIT_UNTIL(pool_held(pool, old) == 4 && pool_logged(pool, "acme/job") == 4);

    proxy_hold(proxy, true); /* the reports are on their way from now on */
    struct process *other = pool_worker(pool, QUICK, "--on", pool_logging(pool, "t", "exec sleep 600"), NULL);
    const char *heir = pool_session(pool, other, 0);
    WAIT_UNTIL(pool_held(pool, heir) == 4);
    WAIT_UNTIL(proxy_held_bytes(proxy) > 500);
    const char *before = pool_digest(pool, "acme");
    proxy_hold(proxy, false);
    process_wait_for(late, "msg=\"session lost");
    WAIT_UNTIL(count_text(process_log(late), "msg=\"session open\"") == 2);

    assert_int_equal(proxy_held_bytes(proxy), 0);
    assert_string_equal(pool_digest(pool, "acme"), before);
    assert_int_equal(pool_held(pool, heir), 4);
    proxy_free(proxy);
}

/* ---- a job is taken from a worker whose session lives on ---- */

/* A worker whose beats are too rare to tell it anything, with a handler of "acme/job" that ends when the test says so. */
static struct process *start_unaware(struct pool *pool)
{
    struct process *worker = pool_worker(pool, "--session-timeout", "10m", "--session-beat", "2m", "--slots", "2", "--on",
                                         pool_logging(pool, "wait", "until [ -e $HOME/go ]; do sleep 0.02; done; echo mine"),
                                         "--on", pool_logging(pool, "t", "echo next"), NULL);

    pool_push(pool, "acme", "job", "wait", "");
    WAIT_UNTIL(ran(pool, pool_session(pool, worker, 0), "acme/job") == 1);
    return worker;
}

/* Lets the handler end. Its report is refused, which the worker says and nobody else notices; then it goes on in its session. */
static void prove_stale(struct pool *pool, struct process *worker)
{
    const char *session = pool_session(pool, worker, 0), *before = pool_digest(pool, "acme");

    write_text_file(pool_path(pool, "go"), "");
    const char *line = process_wait_for(worker, "msg=\"report refused: the job is not ours any more\" ");
    assert_memory_equal(line, "job=acme/job verdict=done\n", strlen("job=acme/job verdict=done\n"));
    assert_string_equal(pool_digest(pool, "acme"), before);

    pool_push(pool, "other", "next", "t", "");
    pool_wait_place(pool, "other", "next", "done");
    assert_int_equal(ran(pool, session, "other/next"), 1);
    assert_int_equal(pool_held(pool, session), 0);
    assert_int_equal(count_text(process_log(worker), "report refused"), 1);
    assert_null(process_said(worker, "session lost"));
}

static void a_report_on_a_job_that_went_with_its_organization_is_stale(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);
    struct process *worker = start_unaware(pool);

    pool_call(pool, 0, "org_delete", "tester acme begin");
    pool_call(pool, 0, "org_delete", "tester acme take 100");
    prove_stale(pool, worker);

    assert_string_equal(pool_place(pool, "acme", "job"), "");
    assert_int_equal(pool_redis(pool, "KEYS rota:{0}:org:acme:*")->elements, 0);
}

static void a_report_on_a_job_that_somebody_else_ended_is_stale(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);
    struct process *worker = start_unaware(pool);
    const char *session = pool_session(pool, worker, 0);

    /* A thief who can read Redis: the token is the lease's first field (docs/PROTOCOL.md, section 4.3). */
    const redisReply *lease = pool_redis(pool, "HGET rota:{0}:held:%s acme/job", session);
    assert_true(lease->len > 18);
    const redisReply *reply =
        pool_call(pool, 0, "finish", "%s 0123456789abcdef 0 0 1 default 0 1 * 60000 acme/job %b done 1000 %s", session,
                  lease->str + 2, (size_t)16, "");
    assert_string_equal(reply->element[5]->element[0]->str, "ok");
    prove_stale(pool, worker);

    const struct job *job = pool_job(pool, "acme", "job");
    assert_string_equal(job->place, "done");
    assert_int_equal(job->state.attempt_count, 1);
    assert_null(job_last_attempt(job)->report.result); /* the thief's */
}

/* ---- the connection is cut in the middle of each call ---- */

#define WIRES    8
#define ROUNDS   10
#define CUTS_MIN 5 /* of each call and way */

/* A call, and how long its request and its reply are, about. */
static const struct cut_call {
    const char *name;
    size_t bytes[2];
} cut_calls[] = {{"claim", {210, 170}}, {"finish", {300, 70}}, {"beat", {120, 30}}};
#define CUT_CALLS (sizeof cut_calls / sizeof *cut_calls)

/* One of several workers that are cut at the same time, each behind a proxy and with a queue of its own. */
struct wire {
    struct proxy *proxy;
    enum proxy_way way;
    const struct cut_call *call;
    size_t bytes;
    char id[32], queue[8];
    const char *session;
};

/* What was cut: requests and replies of each call. */
struct cuts {
    unsigned all, of[CUT_CALLS][2];
};

static const char *function_of(struct pool *pool, const struct cut_call *call)
{
    return pool_text(pool, "%s_%s", library_name(), call->name);
}

static void count_cut(struct pool *pool, struct wire *wire, struct cuts *cuts)
{
    char call[STREAM_CALL_BYTES];

    WAIT_UNTIL(proxy_cut_call(wire->proxy, call));
    cuts->all++;
    for (size_t i = 0; i < CUT_CALLS; i++)
        cuts->of[i][wire->way] += strcmp(call, function_of(pool, &cut_calls[i])) == 0;
}

/* Cuts the connections of all wires, each in its call, while each has a job to run; then all jobs have run once. */
static void cut_all(struct pool *pool, struct wire wires[WIRES], struct cuts *cuts)
{
    for (unsigned i = 0; i < WIRES; i++) {
        struct wire *wire = &wires[i];
        struct job_record record = {.type = "t", .payload = "", .has_payload = true};
        snprintf(wire->id, sizeof wire->id, "job%u", cuts->all + i);
        snprintf(record.queue, sizeof record.queue, "%s", wire->queue);
        proxy_cut_in(wire->proxy, wire->way, function_of(pool, wire->call), wire->bytes);
        pool_push_record(pool, "acme", wire->id, &record);
    }
    for (unsigned i = 0; i < WIRES; i++) {
        struct wire *wire = &wires[i];
        pool_wait_place(pool, "acme", wire->id, "done");
        count_cut(pool, wire, cuts);
        assert_int_equal(pool_job(pool, "acme", wire->id)->state.deliveries, 1);
        assert_int_equal(pool_job(pool, "acme", wire->id)->state.attempt_count, 1);
        assert_int_equal(ran(pool, wire->session, pool_text(pool, "acme/%s", wire->id)), 1);
    }
}

static void start_wires(struct pool *pool, struct wire wires[WIRES])
{
    for (unsigned i = 0; i < WIRES; i++) {
        const char *path = pool_text(pool, "%s/proxy%u", pool->directory, i);
        wires[i] = (struct wire){.way = i % 2 ? PROXY_REPLIES : PROXY_REQUESTS};
        snprintf(wires[i].queue, sizeof wires[i].queue, "q%u", i);
        wires[i].proxy = proxy_start(path, server_socket(pool->server), "rota-worker:");
        pool->url = pool_text(pool, "unix://%s", path);
        wires[i].session = pool_session(pool,
                                        pool_worker(pool, "--session-timeout", "4s", "--session-beat", "100ms", "--queue",
                                                    wires[i].queue, "--on", pool_logging(pool, "t", "sleep 0.1"), NULL),
                                        0);
    }
}

static void check_cuts(const struct cuts *cuts)
{
    for (size_t i = 0; i < CUT_CALLS; i++) {
        const unsigned *of = cuts->of[i];
        print_message("  %s: %u requests and %u replies were cut\n", cut_calls[i].name, of[PROXY_REQUESTS], of[PROXY_REPLIES]);
        assert_true(of[PROXY_REQUESTS] >= CUTS_MIN && of[PROXY_REPLIES] >= CUTS_MIN);
    }
}

static void a_cut_leaves_no_orphan_and_no_double(void **state)
{
    struct pool *pool = *state;
    struct wire wires[WIRES];
    struct cuts cuts = {0};
    pool_scheduler(pool, "--lanes", pool_text(pool, "%u", pool->lanes), NULL);
    start_wires(pool, wires);

    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < WIRES; i++) { /* each call in both ways, from its first byte to its last */
            wires[i].call = &cut_calls[(round + i / 2) % CUT_CALLS];
            wires[i].bytes = wires[i].call->bytes[wires[i].way] * (round * WIRES + i) / (ROUNDS * WIRES);
        }
        cut_all(pool, wires, &cuts);
    }

    check_cuts(&cuts);
    for (unsigned i = 0; i < WIRES; i++) {
        WAIT_UNTIL(pool_held(pool, wires[i].session) == 0);
        for (uint32_t lane = 0; lane < pool->lanes; lane++)
            assert_true(pool_number(pool, "EXISTS rota:{%u}:session:%s", lane, wires[i].session)); /* none was lost */
        proxy_free(wires[i].proxy);
    }
    assert_int_equal(pool_count(pool, "acme", "running"), 0);
}

static void a_cut_while_it_starts_does_no_harm(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);
    struct proxy *proxy = proxy_start(pool_path(pool, "proxy"), server_socket(pool->server), "rota-worker:");
    pool->url = pool_text(pool, "unix://%s/proxy", pool->directory);

    for (unsigned i = 0; i < 12; i++) {
        const char *id = pool_text(pool, "job%u", i);
        proxy_cut_after(proxy, i % 2 ? PROXY_REPLIES : PROXY_REQUESTS, i % 2 ? i * i * 60 : i * 70);
        struct process *worker = pool_worker(pool, "--on", pool_logging(pool, "t", "true"), NULL);
        assert_true(proxy_was_cut(proxy) || i > 9);
        pool_push(pool, "acme", id, "t", "");
        pool_wait_place(pool, "acme", id, "done");
        process_signal(worker, SIGTERM);
        assert_int_equal(process_wait(worker, PROCESS_MS_MAX), 0);
        assert_int_equal(pool_logged(pool, pool_text(pool, "acme/%s\n", id)), 1);
    }
    WAIT_UNTIL(pool_number(pool, "ZCARD rota:{0}:sessions") == 1);
    proxy_free(proxy);
}

/* A claim that was answered, but not to its worker, who then asks for something else: what it got so is handed back. */
static void a_lease_that_its_worker_does_not_know_of_is_handed_back(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);
    struct process *worker = pool_worker(pool, QUICK, "--slots", "1", "--on", pool_logging(pool, "hold", "exec sleep 600"), NULL);
    const char *session = pool_session(pool, worker, 0);
    pool_push(pool, "acme", "held", "hold", "");
    WAIT_UNTIL(ran(pool, session, "acme/held") == 1);
    pool_push(pool, "acme", "lost", "other", "");
    /* An old claim of this session that was still on its way. */
    const redisReply *reply = pool_call(pool, 0, "claim", "%s %s 1 0 1 default 0 1 * 60000", session, "0123456789abcdef");
    assert_int_equal(reply->element[6]->elements, 3);
    int64_t claimed_mono_ms = clock_mono_ms();

    pool_wait_place(pool, "acme", "lost", "ready");

    assert_true(awake_ms_since(claimed_mono_ms) < 500 + 500);
    assert_int_equal(pool_held(pool, session), 1);
    assert_int_equal(pool_job(pool, "acme", "lost")->state.attempt, 0);
    assert_int_equal(pool_job(pool, "acme", "lost")->state.crashes, 0);
    assert_string_equal(pool_place(pool, "acme", "held"), "running");
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(AP_5_the_jobs_of_a_killed_worker_run_again_within_seven_seconds, pool_setup,
                                        pool_teardown),
        cmocka_unit_test_setup_teardown(AP_5_the_jobs_of_a_killed_worker_run_again_within_seven_seconds, pool_setup_lanes,
                                        pool_teardown),
        cmocka_unit_test_setup_teardown(a_stopped_worker_is_told_that_it_lost_everything, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(AP_9_a_completion_that_comes_too_late_changes_nothing, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(a_report_on_a_job_that_went_with_its_organization_is_stale, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(a_report_on_a_job_that_somebody_else_ended_is_stale, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(a_cut_leaves_no_orphan_and_no_double, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(a_cut_leaves_no_orphan_and_no_double, pool_setup_lanes, pool_teardown),
        cmocka_unit_test_setup_teardown(a_cut_while_it_starts_does_no_harm, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(a_lease_that_its_worker_does_not_know_of_is_handed_back, pool_setup, pool_teardown),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return stall_verdict(cmocka_run_group_tests_name("ownership", tests, NULL, NULL));
}
