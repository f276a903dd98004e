/* redis - what may happen to Redis: killed and started again, frozen, its clock stepped, its functions flushed, its clients
 * killed, full, its snapshots failing. Nothing acknowledged is lost, no living worker is taken for dead, completions pass.
 *
 * ROTA_SEED: the seed of all tests. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "common/memory.h"
#include "tests/faults/load.h"
#include "tests/support/wrong_clock.h"

#define DRAIN_MS 20000

struct crew {
    struct pool *pool;
    struct load *load;
    struct wrong_clock *clock; /* of Redis; NULL: the true one */
    struct process *schedulers[2], *workers[2];
};

/* The crew under test. */
static struct crew crew;

static void start_crew(struct pool *pool, const char *timeout, const char *beat)
{
    const char *seed = getenv("ROTA_SEED");

    crew.pool = pool;
    crew.schedulers[0] = pool_scheduler(pool, "--lanes", "8", "--session-timeout", timeout, "--session-beat", beat, NULL);
    crew.schedulers[1] = pool_start(pool, "rota-scheduler", "--session-timeout", timeout, "--session-beat", beat, NULL);
    process_wait_for(crew.schedulers[1], "msg=\"session open\"");
    crew.load = load_new(pool, seed ? strtoull(seed, NULL, 10) : (uint64_t)clock_wall_ms());
    for (int i = 0; i < 2; i++)
        crew.workers[i] = pool_worker(pool, "--slots", "6", "--session-timeout", timeout, "--session-beat", beat, "--on",
                                      load_handler(crew.load), "--on", "hold=exec sleep 600", NULL);
}

static int end_crew(void **state)
{
    (void)state;
    load_free(crew.load);
    if (crew.pool)
        pool_free(crew.pool);
    wrong_clock_free(crew.clock);
    crew = (struct crew){0};
    return 0;
}

/* Offers jobs for a while. */
static void run_load(int64_t for_ms)
{
    int64_t end_mono_ms = clock_mono_ms() + for_ms;

    while (clock_mono_ms() < end_mono_ms) {
        load_offer(crew.load);
        pause_ms(10);
    }
}

/* All is done, nothing was given up, nothing was done twice. `killed`: sessions that were really killed. */
static void prove(const char *killed)
{
    load_drain(crew.load, DRAIN_MS);
    load_check(crew.load);
    struct load_recovered recovered = load_check_recovered(crew.load, killed);
    assert_int_equal(recovered.sessions > 0, *killed != '\0');
    for (int i = 0; i < 2; i++)
        if (process_runs(crew.workers[i]))
            assert_null(process_said(crew.workers[i], "session lost"));
    print_message("  %u jobs, %u refused, %u unknown (%u were there, %u were not)\n", crew.load->acknowledged, crew.load->refused,
                  crew.load->unknown, crew.load->again_exists, crew.load->again_new);
}

static void step_clock(int64_t ms)
{
    int64_t before_ms = pool_now_ms(crew.pool);

    wrong_clock_step(crew.clock, ms);
    assert_in_range(pool_now_ms(crew.pool) - before_ms - ms, 0, 2000);
}

/* The failure detector still works: a worker that is really dead is given up in time, even if the clock is stepped meanwhile. */
static void prove_detector(int64_t within_ms, int64_t step_ms)
{
    struct pool *pool = crew.pool;
    const char *session = pool_session(pool, crew.workers[0], 0);

    pool_push_many(pool, "control", "job", 12, "hold", ""); /* some for each worker */
    WAIT_UNTIL(pool_count(pool, "control", "running") == 12);
    int64_t killed_mono_ms = clock_mono_ms();
    process_kill(crew.workers[0]);
    if (step_ms)
        step_clock(step_ms);
    WAIT_UNTIL(pool_count(pool, "control", "ready:default") == 6);
    int64_t took_ms = awake_ms_since(killed_mono_ms);
    print_message("  control: a killed worker was given up after %lld ms\n", (long long)took_ms);
    assert_true(took_ms <= within_ms);
    /* What is searched for where nobody may be given up is found here. */
    const char *killed = pool_text(pool, " %s ", session);
    unsigned lost = 0;
    WAIT_UNTIL(load_check_recovered(crew.load, killed).sessions > 0);
    for (unsigned i = 0; i < 12; i++)
        lost += load_check_lost(crew.load, "control", pool_text(pool, "job%04u", i), killed);
    assert_int_equal(lost, 6);
}

/* ---- killed ---- */

static volatile sig_atomic_t server_to_kill;

static void on_alarm(int number)
{
    (void)number;
    kill(server_to_kill, SIGKILL);
}

/* Kills the server in the middle of whatever is going on. */
static void kill_server_after_us(unsigned us)
{
    struct sigaction action = {.sa_handler = on_alarm};

    server_to_kill = server_pid(crew.pool->server);
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &(struct itimerval){.it_value = {.tv_usec = (suseconds_t)us}}, NULL);
}

static void killed_redis_loses_nothing(void **state)
{
    struct load *load;

    (void)state;
    /* It is down for up to three quarters of a time-out; they are longer than they need be, so that a busy machine, which may
     * hold up a worker for a while, does not kill one by itself. */
    start_crew(pool_new(8, NULL), "2s", "500ms");
    load = crew.load;
    for (int i = 0; i < 5; i++) {
        unsigned unknown = load->unknown;
        run_load(500);
        if (i % 2)
            pool_redis(crew.pool, "BGREWRITEAOF");
        kill_server_after_us(1000 + load_random(load, 20000));
        while (load->unknown == unknown)
            load_offer(load);
        server_kill(crew.pool->server);
        pause_ms(load_random(load, 1500));
        server_restart(crew.pool->server);
        pool_reconnect(crew.pool);
        load_settle_unknown(load);
    }
    run_load(500);
    prove("");
}

/* ---- frozen ---- */

static void signal_workers(int number)
{
    for (int i = 0; i < 2; i++)
        process_signal(crew.workers[i], number);
}

static void a_frozen_redis_kills_nobody(void **state)
{
    (void)state;
    start_crew(pool_new(8, NULL), "2s", "500ms");
    for (int i = 0; i < 2; i++) {
        run_load(1000);
        if (i == 1)
            signal_workers(SIGSTOP); /* their machine, too */
        kill(server_pid(crew.pool->server), SIGSTOP);
        pause_ms(3000); /* one and a half time-outs */
        kill(server_pid(crew.pool->server), SIGCONT);
        pause_ms(700); /* the schedulers are back before them */
        signal_workers(SIGCONT);
        run_load(1000);
    }
    prove("");
    prove_detector(2000 + 1000, 0);
}

/* Reads go on, so that everybody is seen not to beat; writes do not. */
static void a_redis_that_takes_no_writes_for_a_while_kills_nobody(void **state)
{
    (void)state;
    start_crew(pool_new(8, NULL), "2s", "500ms");
    for (int i = 0; i < 3; i++) {
        run_load(500);
        pool_redis(crew.pool, "CLIENT PAUSE 3000 WRITE");
        run_load(3500);
    }
    prove("");
}

/* ---- its clock is stepped ---- */

static struct pool *pool_with_clock(void)
{
    struct pool *pool;

    crew.clock = wrong_clock_new(0);
    wrong_clock_begin(crew.clock);
    pool = pool_new(8, NULL);
    wrong_clock_end();
    return pool;
}

static void run_through_step(int64_t ms)
{
    start_crew(pool_with_clock(), "2s", "500ms");
    crew.load->clock_is_true = false;
    run_load(1500);
    step_clock(ms);
    run_load(4000);
    prove("");
    prove_detector(2000 + 1000, ms);
}

static void a_clock_stepped_forward_kills_nobody(void **state)
{
    (void)state;
    run_through_step(60000);
}

static void a_clock_stepped_back_kills_nobody(void **state)
{
    (void)state;
    run_through_step(-60000);
}

/* A job whose hard deadline lies between the two clocks is still its worker's. */
static void a_clock_stepped_forward_ends_no_running_job(void **state)
{
    struct job_record record = {.type = "hold", .payload = "", .has_payload = true, .timeout_ms = 5000};

    (void)state;
    start_crew(pool_with_clock(), "2s", "500ms");
    pool_push_record(crew.pool, "acme", "brief", &record);
    pool_wait_place(crew.pool, "acme", "brief", "running");
    int64_t began_mono_ms = clock_mono_ms();
    step_clock(60000);

    WAIT_UNTIL(pool_job(crew.pool, "acme", "brief")->state.attempt_count == 1);
    assert_true(clock_mono_ms() - began_mono_ms >= 4900); /* its own time-out ended it, not the step */
    assert_string_equal(job_last_attempt(pool_job(crew.pool, "acme", "brief"))->outcome, "timed_out");
}

/* ---- functions and clients are taken away ---- */

static void flushes_and_killed_clients_do_no_harm(void **state)
{
    struct pool *pool;

    (void)state;
    start_crew(pool = pool_new(8, NULL), "6s", "2s");
    for (int i = 0; i < 4; i++) {
        run_load(500);
        if (i % 2 == 0)
            pool_redis(pool, "FUNCTION FLUSH");
        pool_redis(pool, "CLIENT KILL TYPE normal SKIPME yes");
        WAIT_UNTIL(pool_redis(pool, "FUNCTION LIST")->elements == 1);
    }
    run_load(500);
    prove("");
}

/* ---- full ---- */

static void a_full_redis_refuses_jobs_and_takes_completions(void **state)
{
    struct pool *pool;

    (void)state;
    start_crew(pool = pool_new(8, NULL), "2s", "500ms");
    const char *sessions[2] = {pool_session(pool, crew.workers[0], 0), pool_session(pool, crew.workers[1], 0)};
    pool_push_many(pool, "control", "job", 4, "hold", "");
    run_load(1000);
    long long done = pool_count(pool, "acme", "done");
    pool_redis(pool, "CONFIG SET maxmemory 1mb"); /* less than it uses already */
    run_load(1000);
    assert_true(crew.load->refused > 20);
    WAIT_UNTIL(pool_count(pool, "acme", "ready:default") == 0 && load_running(crew.load) == 0);
    assert_true(pool_count(pool, "acme", "done") > done);

    /* Beats and recovery pass, too. */
    int victim = pool_held(pool, sessions[0]) > 0 ? 0 : 1;
    int64_t killed_mono_ms = clock_mono_ms();
    process_kill(crew.workers[victim]);
    WAIT_UNTIL(pool_held(pool, sessions[1 - victim]) == 4);
    assert_true(awake_ms_since(killed_mono_ms) <= 2000 + 1000);

    pool_redis(pool, "CONFIG SET maxmemory 0");
    run_load(500);
    prove(pool_text(pool, " %s ", sessions[victim]));
}

/* ---- snapshots fail ---- */

static void fail_a_snapshot(struct pool *pool)
{
    mkdir(pool_path(pool, "blocked"), 0700); /* where the snapshot should go */
    pool_redis(pool, "BGSAVE");
    WAIT_UNTIL(strstr(pool_string(pool, "INFO persistence"), "rdb_last_bgsave_status:err"));
}

static void a_failed_snapshot_stops_nobody(void **state)
{
    struct pool *pool;

    (void)state;
    start_crew(pool = pool_new(8, (const char *[]){"--dbfilename", "blocked", NULL}), "2s", "500ms");
    run_load(500);
    fail_a_snapshot(pool);
    run_load(1000);
    assert_int_equal(crew.load->refused, 0);

    /* With snapshots, which we advise against, Redis refuses all writes, beats too. It costs time, nothing else. */
    pool_redis(pool, "CONFIG SET save %s", "3600 1");
    run_load(3000);
    assert_true(crew.load->refused > 20);
    pool_redis(pool, "CONFIG SET save %s", "");
    run_load(500);
    prove("");
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(killed_redis_loses_nothing, end_crew),
        cmocka_unit_test_teardown(a_frozen_redis_kills_nobody, end_crew),
        cmocka_unit_test_teardown(a_redis_that_takes_no_writes_for_a_while_kills_nobody, end_crew),
        cmocka_unit_test_teardown(a_clock_stepped_forward_kills_nobody, end_crew),
        cmocka_unit_test_teardown(a_clock_stepped_back_kills_nobody, end_crew),
        cmocka_unit_test_teardown(a_clock_stepped_forward_ends_no_running_job, end_crew),
        cmocka_unit_test_teardown(flushes_and_killed_clients_do_no_harm, end_crew),
        cmocka_unit_test_teardown(a_full_redis_refuses_jobs_and_takes_completions, end_crew),
        cmocka_unit_test_teardown(a_failed_snapshot_stops_nobody, end_crew),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return stall_verdict(cmocka_run_group_tests_name("redis", tests, NULL, NULL));
}
