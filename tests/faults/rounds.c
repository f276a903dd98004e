/* rounds - workers, handlers and schedulers are killed with -9 in random order while jobs of five organizations go through; then
 * nothing is lost, nothing had two owners, and what the dead had held was taken up again in time.
 *
 * ROTA_ROUNDS: how many rounds (20). ROTA_SEED: replays the round of this seed, alone. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/buffer.h"
#include "scheduler/recovery.h"
#include "scheduler/suspect.h"
#include "tests/faults/load.h"
#include "tests/support/numbers.h"

#define ROUNDS        20
#define ENOUGH_ROUNDS 10 /* for a minimum of kills */
#define WORKERS       3
#define SCHEDULERS    2
#define TIMEOUT_MS    1500
#define RECOVERY_MS   (TIMEOUT_MS + 1000)
#define LEADER_MS     5000 /* more for each leader that died meanwhile */

/* Of schedulers, which have the usual ones. */
#define SCHEDULER_TIMEOUT_MS 4000
#define SCHEDULER_BEAT_MS    1000

/* A bound is excused where schedulers began to watch anew, and this machine had stood still for so long before they said so. */
#define EXPLAINS_MS ((SUSPECT_GAP_MS - RECOVERY_LOOK_MS) / 2)
#define BEFORE_MS   (SCHEDULER_BEAT_MS + SUSPECT_GAP_MS)
#define ANEWS_MAX   256

#define LOAD_MS     7000
#define DRAIN_MS    20000
#define INBOX_EVERY 7 /* offers */
#define VICTIMS_MAX 64

/* A killed worker whose jobs have not been given back yet. */
struct victim {
    const char *session;
    int64_t killed_mono_ms, allowed_ms;
    int64_t excused_from_mono_ms; /* what happened since then may be an excuse */
    long long jobs;
};

struct round {
    struct pool *pool;
    struct load *load;
    struct process *workers[WORKERS], *schedulers[SCHEDULERS];
    struct victim victims[VICTIMS_MAX];
    unsigned victim_count;
    struct buffer killed;       /* sessions of the killed, with spaces around each */
    int64_t leaderless_mono_ms; /* since then nobody leads that lives; 0: somebody does */
    bool leader_struck;
    unsigned letters;
};

/* Over all rounds. */
static struct {
    unsigned workers, handlers, schedulers, leaders, recoveries, jobs, deliveries, letters, told, lost, anew, anew_explained,
        late;
    int64_t recovery_ms[4096];
} total;

/* ---- the crew ---- */

static void start_worker(struct round *round, unsigned index)
{
    round->workers[index] = pool_worker(round->pool, "--slots", "4", "--session-timeout", "1500ms", "--session-beat", "500ms",
                                        "--on", load_handler(round->load), "--on", "letter=sleep 0.02", NULL);
}

static struct process *start_scheduler(struct round *round)
{
    return pool_start(round->pool, "rota-scheduler", "--lanes", pool_text(round->pool, "%u", round->pool->lanes), NULL);
}

static void note_killed(struct round *round, const char *session)
{
    buffer_add_format(&round->killed, " %s ", session);
}

static void kill_worker(struct round *round)
{
    unsigned index = load_random(round->load, WORKERS);
    const char *session = pool_session(round->pool, round->workers[index], 0);
    struct victim *victim = &round->victims[round->victim_count];

    process_kill(round->workers[index]);
    note_killed(round, session);
    *victim = (struct victim){.session = session,
                              .killed_mono_ms = clock_mono_ms(),
                              .excused_from_mono_ms = clock_mono_ms(),
                              .allowed_ms = RECOVERY_MS,
                              .jobs = pool_held(round->pool, session)};
    if (round->leaderless_mono_ms) {
        victim->allowed_ms += LEADER_MS;
        victim->excused_from_mono_ms = round->leaderless_mono_ms;
    }
    if (victim->jobs > 0) {
        assert_true(++round->victim_count < VICTIMS_MAX);
        total.workers++;
    }
    start_worker(round, index);
}

static void kill_handler(struct round *round)
{
    long pid = load_running_handler(round->load);

    if (pid > 0 && kill((pid_t)pid, SIGKILL) == 0)
        total.handlers++;
}

static const char *leader_session(struct round *round)
{
    return pool_string(round->pool, "HGET rota:{0}:clock leader");
}

static bool leads(struct round *round, unsigned scheduler)
{
    const char *session = pool_scheduler_session(round->pool, round->schedulers[scheduler]);

    return *session && strcmp(leader_session(round), session) == 0;
}

/* Kills one, the first time the leader; if it led, or was to follow a leader that is dead already, everything waits for the next
 * one. */
static void kill_scheduler(struct round *round)
{
    unsigned index = load_random(round->load, SCHEDULERS);

    if (!round->leader_struck && leads(round, !index))
        index = !index;
    note_killed(round, pool_scheduler_session(round->pool, round->schedulers[index]));
    total.schedulers++;
    total.leaders += leads(round, index);
    round->leader_struck |= leads(round, index);
    process_kill(round->schedulers[index]);
    if (!leads(round, !index)) {
        round->leaderless_mono_ms = clock_mono_ms();
        for (unsigned i = 0; i < round->victim_count; i++)
            round->victims[i].allowed_ms += LEADER_MS;
    }
    round->schedulers[index] = start_scheduler(round);
}

/* ---- recoveries ---- */

static bool is_recovered(struct round *round, const char *session)
{
    for (uint32_t lane = 0; lane < round->pool->lanes; lane++)
        if (pool_number(round->pool, "EXISTS rota:{%u}:held:%s", lane, session))
            return false;
    return true;
}

/* The moment of CLOCK_MONOTONIC at which a line of a log was written: it begins with "time=2026-11-20T11:38:03.484Z". */
static int64_t line_mono_ms(const char *line)
{
    struct tm parts = {0};
    int ms = 0;

    if (sscanf(line, "time=%d-%d-%dT%d:%d:%d.%dZ", &parts.tm_year, &parts.tm_mon, &parts.tm_mday, &parts.tm_hour, &parts.tm_min,
               &parts.tm_sec, &ms) != 7)
        fail_msg("a line without a time: %.100s", line);
    parts.tm_year -= 1900;
    parts.tm_mon -= 1;
    return timegm(&parts) * 1000 + ms - clock_wall_ms() + clock_mono_ms();
}

/* The moments, sorted, at which schedulers began to watch anew, the dead ones too. */
static unsigned list_anews(struct round *round, int64_t anews[ANEWS_MAX])
{
    unsigned count = 0;

    for (unsigned i = 0; i < round->pool->process_count; i++) {
        const char *line = process_log(round->pool->processes[i]);
        for (const char *at = line; (at = strstr(at, "msg=\"watching the sessions anew\"")); at++) {
            for (const char *end; (end = memchr(line, '\n', (size_t)(at - line)));)
                line = end + 1;
            assert_true(count < ANEWS_MAX);
            anews[count++] = line_mono_ms(line);
        }
    }
    sort_numbers(anews, count);
    return count;
}

/* How often they did since a moment: in all, and after a stall that explains it. One stall that two tell of counts once. */
static unsigned begun_anew(struct round *round, int64_t since_mono_ms, unsigned *ret_explained)
{
    int64_t anews[ANEWS_MAX], last_mono_ms = INT64_MIN / 2;
    unsigned all = list_anews(round, anews), count = 0;

    *ret_explained = 0;
    for (unsigned i = 0; i < all; i++) {
        if (anews[i] < since_mono_ms || anews[i] - last_mono_ms < SUSPECT_GAP_MS)
            continue;
        last_mono_ms = anews[i];
        count++;
        *ret_explained += stall_ms(anews[i] - BEFORE_MS, anews[i]) >= EXPLAINS_MS;
    }
    return count;
}

/* Fails if it took longer than allowed, where each explained beginning anew allows for its grace and one more time-out: those
 * since a moment, and those shortly before it, whose grace lasted. True if it needed that. */
static bool check_took(struct round *round, const char *what, int64_t took_ms, int64_t allowed_ms, int64_t since_mono_ms,
                       int64_t timeout_ms)
{
    unsigned count, explained;

    if (took_ms <= allowed_ms)
        return false;
    count = begun_anew(round, since_mono_ms - SUSPECT_GRACE_MS, &explained);
    if (took_ms > allowed_ms + explained * (SUSPECT_GRACE_MS + timeout_ms)) {
        print_error("%lld ms were allowed; the sessions were watched anew %u times, %u times after a stall\n",
                    (long long)allowed_ms, count, explained);
        process_fail(__FILE__, __LINE__, took_ms, what);
    }
    return true;
}

static void look_after_leader(struct round *round)
{
    if (leads(round, 0) || leads(round, 1))
        round->leaderless_mono_ms = 0;
    else if (!round->leaderless_mono_ms)
        round->leaderless_mono_ms = clock_mono_ms();
    if (round->leaderless_mono_ms)
        check_took(round, "take-over", awake_ms_since(round->leaderless_mono_ms), LEADER_MS, round->leaderless_mono_ms,
                   SCHEDULER_TIMEOUT_MS);
}

static void look_after_victims(struct round *round)
{
    look_after_leader(round);
    for (unsigned i = 0; i < round->victim_count;) {
        struct victim *victim = &round->victims[i];
        int64_t took_ms = awake_ms_since(victim->killed_mono_ms);
        bool late = check_took(round, victim->session, took_ms, victim->allowed_ms, victim->excused_from_mono_ms,
                               victim->allowed_ms > RECOVERY_MS ? SCHEDULER_TIMEOUT_MS : TIMEOUT_MS);
        if (is_recovered(round, victim->session)) {
            total.recovery_ms[total.recoveries++ % 4096] = took_ms;
            total.late += late;
            *victim = round->victims[--round->victim_count];
        } else {
            i++;
        }
    }
}

/* ---- a round ---- */

static void offer_some(struct round *round)
{
    for (unsigned i = load_random(round->load, 6); i > 0; i--)
        load_offer(round->load);
    if (load_random(round->load, INBOX_EVERY) == 0) {
        pool_redis(round->pool, "XADD rota:inbox * org letters type letter payload x");
        round->letters++;
    }
}

static void strike(struct round *round)
{
    unsigned dice = load_random(round->load, 100);

    if (dice < 40)
        kill_worker(round);
    else if (dice < 85)
        kill_handler(round);
    else
        kill_scheduler(round);
}

static void run_load(struct round *round)
{
    int64_t end_mono_ms = clock_mono_ms() + LOAD_MS, next_mono_ms = clock_mono_ms() + 500;

    while (clock_mono_ms() < end_mono_ms) {
        offer_some(round);
        look_after_victims(round);
        if (clock_mono_ms() >= next_mono_ms) {
            strike(round);
            next_mono_ms = clock_mono_ms() + 100 + load_random(round->load, 500);
        }
        pause_ms(15);
    }
}

static void wait_for_victims(struct round *round)
{
    while (round->victim_count > 0) {
        look_after_victims(round);
        pause_ms(10);
    }
}

/* One job for each entry of the inbox. */
static void check_letters(struct round *round)
{
    WAIT_UNTIL_MS(DRAIN_MS, pool_count(round->pool, "letters", "done") >= round->letters);
    assert_int_equal(pool_count(round->pool, "letters", "done"), round->letters);
    WAIT_UNTIL(pool_number(round->pool, "XLEN rota:inbox") == 0);
}

/* The round under way. */
static struct round current;

static int end_round(void **state)
{
    (void)state;
    load_free(current.load);
    buffer_clear(&current.killed);
    if (current.pool)
        pool_free(current.pool);
    current = (struct round){0};
    return 0;
}

static void run_round(uint64_t seed)
{
    struct round *round = &current;
    int64_t started_mono_ms = clock_mono_ms();
    unsigned explained;

    *round = (struct round){.pool = pool_new(seed % 2 ? 8 : 1, NULL)};
    round->schedulers[0] = pool_scheduler(round->pool, "--lanes", pool_text(round->pool, "%u", round->pool->lanes), NULL);
    round->schedulers[1] = start_scheduler(round);
    round->load = load_new(round->pool, seed);
    for (unsigned i = 0; i < WORKERS; i++)
        start_worker(round, i);
    run_load(round);
    wait_for_victims(round);
    load_drain(round->load, DRAIN_MS);
    check_letters(round);
    load_check(round->load);
    struct load_recovered recovered = load_check_recovered(round->load, round->killed.data ? round->killed.data : "");
    total.told += recovered.sessions;
    total.lost += recovered.attempts;
    total.anew += begun_anew(round, 0, &explained);
    total.anew_explained += explained;
    total.jobs += round->load->acknowledged;
    total.letters += round->letters;
    total.deliveries += round->load->start_count;
    print_message("  seed %llu, %u lanes: %u jobs, %.1f s\n", (unsigned long long)seed, round->pool->lanes,
                  round->load->acknowledged + round->letters, (double)(clock_mono_ms() - started_mono_ms) / 1000);
    end_round(NULL);
}

/* A run that killed too few proves little. It kills two to three times as many of each kind as is asked for. */
static void check_kills(unsigned rounds)
{
    unsigned enough = rounds >= ENOUGH_ROUNDS ? rounds : rounds > 1; /* chance may spare anybody in a short run */

    assert_true(total.workers >= 3 * enough);
    assert_true(total.handlers >= 3 * enough);
    if (rounds >= ENOUGH_ROUNDS) {
        assert_true(total.schedulers >= rounds);
        assert_true(total.leaders >= rounds / 2);
    }
}

static void nothing_is_lost_whoever_is_killed(void **state)
{
    const char *rounds_text = getenv("ROTA_ROUNDS"), *seed_text = getenv("ROTA_SEED");
    uint64_t first = seed_text ? strtoull(seed_text, NULL, 10) : (uint64_t)clock_wall_ms();
    int rounds = seed_text ? 1 : rounds_text ? atoi(rounds_text) : ROUNDS;

    (void)state;
    for (int i = 0; i < rounds; i++) {
        print_message("  ROTA_SEED=%llu\n", (unsigned long long)first + (unsigned)i);
        run_round(first + (unsigned)i);
    }
    sort_numbers(total.recovery_ms, total.recoveries);
    print_message("  %d rounds: killed %u workers that held jobs, %u handlers, %u schedulers (%u led); %u jobs ran %u times, %u "
                  "came through the "
                  "inbox; %u recoveries, p50 %lld ms, at most %lld ms\n",
                  rounds, total.workers, total.handlers, total.schedulers, total.leaders, total.jobs, total.deliveries,
                  total.letters, total.recoveries, (long long)total.recovery_ms[total.recoveries / 2],
                  (long long)total.recovery_ms[total.recoveries ? total.recoveries - 1 : 0]);
    print_message("  schedulers began to watch anew %u times, %u times after a stall of this machine; it excused %u recoveries\n",
                  total.anew, total.anew_explained, total.late);
    print_message("  %u recoveries were logged (once for each lane), %u attempts lost\n", total.told, total.lost);
    assert_true(total.told > 0 || total.recoveries == 0);
    assert_true(total.lost > 0 || total.recoveries == 0);
    check_kills((unsigned)rounds);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {cmocka_unit_test_teardown(nothing_is_lost_whoever_is_killed, end_round)};

    return stall_verdict(cmocka_run_group_tests_name("rounds", tests, NULL, NULL));
}
