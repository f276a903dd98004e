/* schedules - 50 schedules of five organizations are due 20 times each, while eight schedulers with clocks that are wrong are
 * killed, frozen and told another time in random order: each due time has one job, and that job ran once. And what is served when
 * the clock of Redis itself is set.
 *
 * ROTA_ROUNDS: how many rounds of the first (1). ROTA_SEED: replays the round of this seed, alone. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buffer.h"
#include "common/id.h"
#include "tests/support/numbers.h"
#include "tests/support/recurring.h"
#include "tests/support/wrong_clock.h"

#define SCHEDULERS 8
#define SCHEDULES  50
#define DUE_TIMES  20
#define ORGS       5
#define SECOND_MS  1000LL
#define HOUR_MS    3600000LL

#define DRAIN_MS     30000
#define SHOWN        20 /* wrong due times that are printed */
#define STRIKES_MIN  8  /* of a round that proves something; there are about twice as many */
#define SESSION_TIME "--session-timeout", "1s", "--session-beat", "300ms"

struct member {
    struct process *process;
    struct wrong_clock *clock;
    int64_t wakes_mono_ms;  /* it is frozen until then; 0: it is not */
    int64_t starts_mono_ms; /* it is dead until then; 0: it is not */
};

/* The round under way. */
static struct round {
    struct pool *pool;
    uint64_t random;
    struct member members[SCHEDULERS];
    int64_t first_ms, began_mono_ms;
    struct buffer timeline;
    unsigned ran[SCHEDULES][DUE_TIMES];
    unsigned wrong, kills, leader_kills, freezes, leader_freezes, steps, blackouts;
    struct wrong_clock *redis_clock, *worker_clock;
} current;

static unsigned chance(struct round *round, unsigned below)
{
    return (unsigned)(draw_number(&round->random) % below);
}

static void note(struct round *round, unsigned who, const char *what, int64_t ms)
{
    buffer_add_format(&round->timeline, "  %7lld ms  scheduler %u %s", (long long)(clock_mono_ms() - round->began_mono_ms), who,
                      what);
    if (ms)
        buffer_add_format(&round->timeline, " %lld ms", (long long)ms);
    buffer_add_format(&round->timeline, "\n");
}

static int end_round(void **state)
{
    (void)state;
    if (current.pool)
        pool_free(current.pool);
    for (unsigned i = 0; i < SCHEDULERS; i++)
        wrong_clock_free(current.members[i].clock);
    wrong_clock_free(current.redis_clock);
    wrong_clock_free(current.worker_clock);
    buffer_clear(&current.timeline);
    current = (struct round){0};
    return 0;
}

/* ---- names ---- */

static const char *org_of(unsigned schedule)
{
    static const char *const orgs[ORGS] = {"acme", "globex", "initech", "solo", "umbrella"};

    return orgs[schedule % ORGS];
}

static int64_t due_ms(const struct round *round, unsigned due)
{
    return round->first_ms + due * SECOND_MS;
}

static const char *job_of(struct round *round, unsigned schedule, unsigned due)
{
    return pool_text(round->pool, "tick%u@%lld", schedule, (long long)due_ms(round, due));
}

/* ---- the crew ---- */

/* Half a second off at most, either way, as the clocks of machines that are looked after. */
static void start_member(struct round *round, unsigned who)
{
    struct member *member = &round->members[who];

    if (!member->clock)
        member->clock = wrong_clock_new((int64_t)chance(round, 1001) - 500);
    wrong_clock_begin(member->clock);
    member->process = pool_start(round->pool, "rota-scheduler", "--lanes", pool_text(round->pool, "%u", round->pool->lanes),
                                 SESSION_TIME, NULL);
    wrong_clock_end();
    member->starts_mono_ms = 0;
    note(round, who, "starts, its clock is off by", wrong_clock_shift_ms(member->clock));
}

static bool is_struck(const struct member *member)
{
    return member->wakes_mono_ms > 0 || member->starts_mono_ms > 0;
}

/* The one that leads; SCHEDULERS if none of those does. */
static unsigned leader(struct round *round)
{
    const char *session = pool_string(round->pool, "HGET rota:{0}:clock leader");

    for (unsigned who = 0; who < SCHEDULERS; who++)
        if (*session && strcmp(session, pool_scheduler_session(round->pool, round->members[who].process)) == 0)
            return who;
    return SCHEDULERS;
}

static void kill_member(struct round *round, unsigned who, int64_t for_ms)
{
    struct member *member = &round->members[who];

    process_kill(member->process);
    *member = (struct member){.process = member->process, .clock = member->clock, .starts_mono_ms = clock_mono_ms() + for_ms};
    round->kills++;
    note(round, who, "is killed, for", for_ms);
}

static void freeze_member(struct round *round, unsigned who, int64_t for_ms)
{
    process_signal(round->members[who].process, SIGSTOP);
    round->members[who].wakes_mono_ms = clock_mono_ms() + for_ms;
    round->freezes++;
    note(round, who, "is frozen, for", for_ms);
}

/* An hour ahead or back, or where it was. */
static void step_member(struct round *round, unsigned who)
{
    struct wrong_clock *clock = round->members[who].clock;
    int64_t shift_ms = wrong_clock_shift_ms(clock), by_ms = chance(round, 2) ? HOUR_MS : -HOUR_MS;

    if (llabs(shift_ms + by_ms) > HOUR_MS + SECOND_MS)
        by_ms = -by_ms;
    wrong_clock_step(clock, by_ms);
    round->steps++;
    note(round, who, "has its clock set by", by_ms);
}

/* All of them at once, for longer than two due times. */
static void strike_all(struct round *round)
{
    bool killed = chance(round, 2) == 0;
    int64_t for_ms = 2000 + chance(round, 1000);

    for (unsigned who = 0; who < SCHEDULERS; who++) {
        if (is_struck(&round->members[who]))
            continue;
        if (killed)
            kill_member(round, who, for_ms);
        else
            freeze_member(round, who, for_ms);
    }
    round->blackouts++;
}

/* When the leader knows what is due, and may have served some of it: what it has in hand then is of yesterday when it goes on. */
static void wait_for_due_time(struct round *round)
{
    pause_ms(SECOND_MS - pool_now_ms(round->pool) % SECOND_MS + chance(round, 8));
}

static void strike(struct round *round)
{
    unsigned dice = chance(round, 100), led = leader(round), who = led;

    if (dice >= 60 || led == SCHEDULERS)
        who = chance(round, SCHEDULERS);
    if (dice >= 80) {
        step_member(round, who);
    } else if (!is_struck(&round->members[who])) {
        bool kills = dice % 2 == 0;
        if (dice < 30)
            wait_for_due_time(round);
        round->leader_kills += who == led && kills;
        round->leader_freezes += who == led && !kills;
        if (kills)
            kill_member(round, who, 1 + chance(round, 1000));
        else
            freeze_member(round, who, 1200 + chance(round, 2000)); /* longer than its session may be silent */
    }
}

static void revive(struct round *round, int64_t now_mono_ms)
{
    for (unsigned who = 0; who < SCHEDULERS; who++) {
        struct member *member = &round->members[who];
        if (member->starts_mono_ms && now_mono_ms >= member->starts_mono_ms)
            start_member(round, who);
        if (member->wakes_mono_ms && now_mono_ms >= member->wakes_mono_ms) {
            member->wakes_mono_ms = 0;
            process_signal(member->process, SIGCONT);
            note(round, who, "goes on", 0);
        }
    }
}

static void run_through_strikes(struct round *round)
{
    int64_t end_ms = due_ms(round, DUE_TIMES), blackout_mono_ms = clock_mono_ms() + 4000 + chance(round, 10000),
            next_mono_ms = clock_mono_ms() + chance(round, 500);

    while (pool_now_ms(round->pool) < end_ms) {
        int64_t now_mono_ms = clock_mono_ms();
        revive(round, now_mono_ms);
        if (now_mono_ms >= blackout_mono_ms) {
            strike_all(round);
            blackout_mono_ms = INT64_MAX;
        } else if (now_mono_ms >= next_mono_ms) {
            strike(round);
            next_mono_ms = now_mono_ms + 200 + chance(round, 800);
        }
        pause_ms(10);
    }
    revive(round, INT64_MAX);
}

/* ---- the schedules ---- */

static void define_all(struct round *round)
{
    struct pool *pool = round->pool;
    int64_t begun_mono_ms = clock_mono_ms();

    ROTA_MUST(pool, 0, "org", "set", org_of(0), "--weight", "100"); /* so long takes a command here */
    int64_t enough_ms = 2 * SCHEDULES * (clock_mono_ms() - begun_mono_ms) + 2 * SECOND_MS;
    round->first_ms = (pool_now_ms(pool) + enough_ms) / SECOND_MS * SECOND_MS;
    const char *from = pool_text(pool, "%lld", (long long)round->first_ms);
    const char *until = pool_text(pool, "%lld", (long long)due_ms(round, DUE_TIMES - 1));
    for (unsigned i = 0; i < SCHEDULES; i++)
        ROTA_MUST(pool, 0, "schedule", "add", pool_text(pool, "%s/tick%u", org_of(i), i), "t", "--every", "1s", "--from", from,
                  "--until", until, "--missed", "all", "--overlap", "allow");
    int64_t left_ms = round->first_ms - pool_now_ms(pool), first_after_ms = clock_mono_ms() + left_ms - round->began_mono_ms;
    buffer_add_format(&round->timeline, "  %7lld ms  is the first due time\n", (long long)first_after_ms);
    assert_true(left_ms > 0);
    pause_ms(left_ms > SECOND_MS ? left_ms - SECOND_MS : 0);
}

/* No due time is to come, and each job is done. */
static bool all_is_over(struct round *round)
{
    long long waiting = 0, done = 0;

    for (uint32_t lane = 0; lane < round->pool->lanes; lane++)
        waiting += pool_number(round->pool, "ZCOUNT rota:{%u}:schedules -inf (+inf", lane);
    for (unsigned org = 0; org < ORGS; org++)
        done += pool_count(round->pool, org_of(org), "done");
    return waiting == 0 && done >= SCHEDULES * DUE_TIMES;
}

/* ---- the proof ---- */

static void complain(struct round *round, const char *org, const char *id, const char *what, long long figure)
{
    if (round->wrong++ < SHOWN)
        print_error("  %s/%s %s %lld\n", org, id, what, figure);
}

/* What the handlers wrote: "session org/tickN@MS". */
static void read_runs(struct round *round)
{
    const char *at = pool_file(round->pool, "ran");
    unsigned schedule;
    long long ms;

    for (; (at = strstr(at, "/tick")); at++) {
        if (sscanf(at, "/tick%u@%lld", &schedule, &ms) != 2 || schedule >= SCHEDULES || ms < round->first_ms ||
            ms >= due_ms(round, DUE_TIMES) || ms % SECOND_MS)
            complain(round, "", pool_text(round->pool, "%.*s", (int)strcspn(at, "\n"), at), "should not be", 0);
        else
            round->ran[schedule][(ms - round->first_ms) / SECOND_MS]++;
    }
}

/* Returns how late its job was enqueued. */
static int64_t check_due_time(struct round *round, unsigned schedule, unsigned due)
{
    const char *org = org_of(schedule), *id = job_of(round, schedule, due);
    const struct job *job = pool_job(round->pool, org, id);

    if (strcmp(job->place, "done") != 0) {
        complain(round, org, id, "has no job that is done: runs", round->ran[schedule][due]);
        return 0;
    }
    if (round->ran[schedule][due] != 1)
        complain(round, org, id, "ran so often:", round->ran[schedule][due]);
    if (job_enqueued_ms(job) < due_ms(round, due))
        complain(round, org, id, "came too early, ms:", due_ms(round, due) - job_enqueued_ms(job));
    return job_enqueued_ms(job) - due_ms(round, due);
}

static void check_counters(struct round *round, unsigned schedule)
{
    static const struct {
        const char *name;
        int64_t is;
    } wanted[] = {{"runs", DUE_TIMES}, {"done", DUE_TIMES}, {"missed_count", 0}, {"skipped_count", 0}, {"refused_count", 0}};
    const char *name = pool_text(round->pool, "%s/tick%u", org_of(schedule), schedule);

    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        int64_t is = recurring_field(round->pool, name, wanted[i].name);
        if (is != wanted[i].is)
            complain(round, "schedule", name, wanted[i].name, is);
    }
}

/* The jobs that there are, those that ran, and what the schedules count: each due time once. Returns the greatest lateness. */
static int64_t check_all(struct round *round)
{
    int64_t latest_ms = 0;

    read_runs(round);
    for (unsigned org = 0; org < ORGS; org++) {
        long long jobs =
            pool_number(round->pool, "HLEN rota:{%u}:org:%s:jobs", lane_of(org_of(org), round->pool->lanes), org_of(org));
        if (jobs != SCHEDULES / ORGS * DUE_TIMES)
            complain(round, org_of(org), "", "has so many jobs:", jobs);
    }
    for (unsigned schedule = 0; schedule < SCHEDULES; schedule++) {
        check_counters(round, schedule);
        for (unsigned due = 0; due < DUE_TIMES; due++) {
            int64_t late_ms = check_due_time(round, schedule, due);
            latest_ms = late_ms > latest_ms ? late_ms : latest_ms;
        }
    }
    if (round->wrong) {
        fprintf(stderr, "what was done to whom:\n%s", round->timeline.data);
        fail_msg("%u things are wrong", round->wrong);
    }
    return latest_ms;
}

/* ---- rounds ---- */

static void run_round(uint64_t seed)
{
    struct round *round = &current;

    *round = (struct round){.pool = pool_new(seed % 2 ? 8 : 1, NULL), .random = seed, .began_mono_ms = clock_mono_ms()};
    for (unsigned who = 0; who < SCHEDULERS; who++)
        start_member(round, who);
    WAIT_UNTIL(leader(round) < SCHEDULERS);
    pool_worker(round->pool, "--slots", "8", "--on", pool_logging(round->pool, "t", ":"), NULL);
    define_all(round);
    run_through_strikes(round);
    for (int64_t end_mono_ms = clock_mono_ms() + DRAIN_MS; !all_is_over(round) && clock_mono_ms() < end_mono_ms;)
        pause_ms(20); /* the proof tells what is not */
    int64_t latest_ms = check_all(round);
    unsigned strikes = round->kills + round->freezes + round->steps;
    print_message(
        "  seed %llu, %u lanes: %u due times, %u jobs, each ran once; killed %u (%u led), frozen %u (%u led), %u clocks "
        "set; at most %lld ms late; %.1f s\n",
        (unsigned long long)seed, round->pool->lanes, SCHEDULES * DUE_TIMES, SCHEDULES * DUE_TIMES, round->kills,
        round->leader_kills, round->freezes, round->leader_freezes, round->steps, (long long)latest_ms,
        (double)(clock_mono_ms() - round->began_mono_ms) / 1000);
    assert_true(strikes >= STRIKES_MIN && round->leader_kills + round->leader_freezes > 0 && round->blackouts == 1);
    end_round(NULL);
}

static void PB_1_eight_schedulers_and_a_thousand_due_times_give_a_thousand_runs(void **state)
{
    const char *rounds_text = getenv("ROTA_ROUNDS"), *seed_text = getenv("ROTA_SEED");
    uint64_t first = seed_text ? strtoull(seed_text, NULL, 10) : (uint64_t)clock_wall_ms();
    int rounds = seed_text || !rounds_text ? 1 : atoi(rounds_text);

    (void)state;
    for (int i = 0; i < rounds; i++) {
        print_message("  ROTA_SEED=%llu\n", (unsigned long long)first + (unsigned)i);
        run_round(first + (unsigned)i);
    }
}

/* ---- the clock of Redis is set ---- */

#define PERIOD_MS 2000LL
#define BRIEF_MS  30000LL /* the window of "brief" */
#define NOTICE_MS 1500    /* after which a leader has seen that a clock was set; it looks once a second */
#define SECTIONS  8
#define LIVE_MS   6000
#define DUE_MAX   4000
#define POLICIES  4

enum expectation { MAY_RUN, MUST_RUN, MUST_NOT_RUN };

static const char *const policies[POLICIES][2] = {{"all", "1d"}, {"brief", "30s"}, {"once", "1d"}, {"skip", "2s"}};

/* What Redis showed between two settings. */
struct section {
    int64_t from_ms, to_ms;
};

static struct section sections[SECTIONS];
static unsigned section_count;

static int64_t sum(struct pool *pool, const char *member)
{
    int64_t all = 0;

    for (unsigned i = 0; i < POLICIES; i++)
        all += recurring_field(pool, pool_text(pool, "acme/%s", policies[i][0]), member);
    return all;
}

/* Nothing that is due waits, and nothing is about to be due. */
static bool is_served(struct pool *pool)
{
    int64_t now_ms = pool_now_ms(pool);

    return pool_number(pool, "ZCOUNT rota:{%u}:schedules -inf %lld", lane_of("acme", pool->lanes), (long long)now_ms) == 0 &&
           now_ms % PERIOD_MS < PERIOD_MS - 100;
}

static void step_redis(struct pool *pool, int64_t by_ms)
{
    WAIT_UNTIL_MS(DRAIN_MS, is_served(pool));
    if (section_count > 0)
        sections[section_count - 1].to_ms = pool_now_ms(pool);
    wrong_clock_step(current.redis_clock, by_ms);
    assert_true(section_count < SECTIONS);
    sections[section_count++].from_ms = pool_now_ms(pool);
}

/* Due times come on. */
static void step_and_go_on(struct pool *pool, int64_t by_ms)
{
    step_redis(pool, by_ms);
    WAIT_UNTIL_MS(DRAIN_MS, pool_now_ms(pool) >= sections[section_count - 1].from_ms + LIVE_MS);
}

/* What it shows has been served already. */
static void step_back(struct pool *pool, int64_t by_ms)
{
    step_redis(pool, by_ms);
    int64_t runs = sum(pool, "runs"), missed = sum(pool, "missed_count");
    WAIT_UNTIL_MS(DRAIN_MS, pool_now_ms(pool) >= sections[section_count - 1].from_ms + PERIOD_MS + NOTICE_MS);
    assert_int_equal(sum(pool, "runs"), runs);
    assert_int_equal(sum(pool, "missed_count"), missed);
}

/* What is to become of a due time that was passed over when Redis was set from before it to `from_ms`. */
static enum expectation expect_jumped(unsigned policy, int64_t at_ms, int64_t from_ms)
{
    if (policy == 0)
        return MUST_RUN;
    if (policy == 1 && at_ms >= from_ms + NOTICE_MS - BRIEF_MS)
        return MUST_RUN;
    return at_ms < from_ms - (policy == 1 ? BRIEF_MS : PERIOD_MS) ? MUST_NOT_RUN : MAY_RUN;
}

/* The same of any; one near a moment of setting may have been seen by then, or not. */
static enum expectation expect(unsigned policy, int64_t at_ms)
{
    int64_t high_ms = 0;

    for (unsigned i = 0; i < section_count; i++) {
        const struct section *section = &sections[i];
        if (section->to_ms >= at_ms && at_ms >= section->from_ms)
            return section->from_ms > high_ms && at_ms < section->from_ms + NOTICE_MS && policy > 1 ? MAY_RUN : MUST_RUN;
        if (section->from_ms > at_ms)
            return expect_jumped(policy, at_ms, section->from_ms);
        high_ms = section->to_ms > high_ms ? section->to_ms : high_ms;
    }
    return MUST_NOT_RUN;
}

static unsigned check_policy(struct round *round, unsigned policy, int64_t first_ms)
{
    static unsigned ran[DUE_MAX];
    const char *name = policies[policy][0], *mark = pool_text(round->pool, "/%s@", name);
    int64_t last_ms = recurring_field(round->pool, pool_text(round->pool, "acme/%s", name), "last_ms");
    unsigned count = (unsigned)((last_ms - first_ms) / PERIOD_MS) + 1, runs = 0;

    assert_in_range(count, 1, DUE_MAX);
    memset(ran, 0, sizeof ran);
    for (const char *at = pool_file(round->pool, "ran"); (at = strstr(at, mark)); at++) {
        int64_t due = (atoll(at + strlen(mark)) - first_ms) / PERIOD_MS;
        assert_in_range(due, 0, count - 1);
        ran[due]++;
        runs++;
    }
    for (unsigned due = 0; due < count; due++) {
        int64_t at_ms = first_ms + due * PERIOD_MS;
        enum expectation wanted = expect(policy, at_ms);
        if (ran[due] > 1 || (wanted == MUST_RUN && ran[due] == 0) || (wanted == MUST_NOT_RUN && ran[due] > 0))
            complain(round, name, pool_text(round->pool, "%+lld ms", (long long)(at_ms - sections[0].from_ms)),
                     "ran so often:", ran[due]);
    }
    assert_int_equal(runs, recurring_field(round->pool, pool_text(round->pool, "acme/%s", name), "runs"));
    return runs;
}

static void check_policies(struct round *round, int64_t first_ms)
{
    unsigned runs[POLICIES];

    for (unsigned i = 0; i < POLICIES; i++)
        runs[i] = check_policy(round, i, first_ms);
    for (unsigned i = 0; round->wrong && i < section_count; i++)
        print_error("  Redis showed %+lld to %+lld ms\n", (long long)(sections[i].from_ms - sections[0].from_ms),
                    (long long)(sections[i].to_ms - sections[0].from_ms));
    assert_int_equal(round->wrong, 0);
    print_message("  ran of all %u, of those of 30 s %u, once %u, skip %u\n", runs[0], runs[1], runs[2], runs[3]);
    assert_true(runs[0] > HOUR_MS / PERIOD_MS);
}

static void the_clock_of_redis_is_set_and_each_due_time_that_it_shows_is_served_once_or_as_the_policy_says(void **state)
{
    struct round *round = &current;
    struct pool *pool;
    int64_t first_ms;

    (void)state;
    section_count = 0;
    round->redis_clock = wrong_clock_new(0);
    wrong_clock_begin(round->redis_clock);
    pool = round->pool = pool_new(8, NULL);
    wrong_clock_end();
    pool_scheduler(pool, "--lanes", "8", SESSION_TIME, NULL);
    pool_start(pool, "rota-scheduler", SESSION_TIME, NULL);
    pool_worker(pool, "--slots", "8", "--on", pool_logging(pool, "t", ":"), NULL);
    first_ms = (pool_now_ms(pool) / PERIOD_MS + 3) * PERIOD_MS;
    for (unsigned i = 0; i < POLICIES; i++)
        ROTA_MUST(pool, 0, "schedule", "add", pool_text(pool, "acme/%s", policies[i][0]), "t", "--every", "2s", "--missed",
                  policies[i][0][0] == 'b' ? "all" : policies[i][0], "--window", policies[i][1], "--overlap", "allow", "--from",
                  pool_text(pool, "%lld", (long long)first_ms));
    assert_true(pool_now_ms(pool) < first_ms);

    step_and_go_on(pool, 0);
    step_and_go_on(pool, 90 * SECOND_MS);
    step_back(pool, -90 * SECOND_MS);
    step_and_go_on(pool, HOUR_MS);
    step_back(pool, -HOUR_MS);
    step_back(pool, -HOUR_MS);
    step_and_go_on(pool, 2 * HOUR_MS + 90 * SECOND_MS);
    WAIT_UNTIL_MS(DRAIN_MS, is_served(pool));
    sections[section_count - 1].to_ms = pool_now_ms(pool);
    for (unsigned i = 0; i < POLICIES; i++)
        ROTA_MUST(pool, 0, "schedule", "pause", pool_text(pool, "acme/%s", policies[i][0]));
    WAIT_UNTIL_MS(DRAIN_MS, pool_count(pool, "acme", "ready:default") + pool_count(pool, "acme", "running") == 0);

    check_policies(round, first_ms);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(PB_1_eight_schedulers_and_a_thousand_due_times_give_a_thousand_runs, end_round),
        cmocka_unit_test_teardown(the_clock_of_redis_is_set_and_each_due_time_that_it_shows_is_served_once_or_as_the_policy_says,
                                  end_round),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return stall_verdict(cmocka_run_group_tests_name("schedules", tests, NULL, NULL));
}
