#include "tests/property/sim_events.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/id.h"
#include "common/memory.h"
#include "tests/property/sim_lanes.h"

#define BEAT_US    (2 * SEC)
#define TIMEOUT_MS 3600000
#define TYPES      "*:3600000"
#define CLAIM_MAX  32
#define TURNS_MAX  64 /* calls in a row by which a worker tries to fill its slots */
#define PUSH_MAX   128

/* ---- events ---- */

void sim_at(struct sim *s, int64_t at_us, sim_event *event, void *ctx)
{
    add_event(s, (struct sim_job){.at_us = at_us, .kind = KIND_CALL, .event = event, .ctx = ctx});
}

void sim_each(struct sim *s, int64_t at_us, int64_t period_us, sim_event *event, void *ctx)
{
    add_event(s, (struct sim_job){.at_us = at_us, .kind = KIND_CALL, .event = event, .ctx = ctx, .period_us = period_us});
}

uint64_t sim_draw(struct sim *s, uint64_t limit)
{
    s->random = s->random * 6364136223846793005ULL + 1442695040888963407ULL; /* Knuth's MMIX generator */
    return (s->random >> 33) % limit;
}

/* ---- jobs in ---- */

static uint32_t lane_of_org(const struct sim *s, unsigned org)
{
    return lane_of(s->orgs[org].name, s->f->lanes);
}

/* In this lane there may be work. */
static void expect_work(struct sim *s, uint32_t lane)
{
    for (unsigned i = 0; i < s->worker_count; i++)
        if (s->workers[i].lanes)
            sim_lanes_wake(s->workers[i].lanes, lane);
}

/* The id says when the job may start at the earliest: from then on it waits. */
static void push(struct sim *s, unsigned index, unsigned jobs, int64_t due_us)
{
    struct sim_org *org = &s->orgs[index];
    struct lane_record record = {.limit = org->limit,
                                 .due_ms = due_us > s->now_us ? CLOCK_START_MS + due_us / MS : 0,
                                 .expires_ms = org->expires_ms ? CLOCK_START_MS + s->now_us / MS + org->expires_ms : 0,
                                 .payload = "",
                                 .payload_bytes = 0};
    struct bytes packed = lane_record(s->f, &record);

    lane_use(s->f, lane_of_org(s, index));
    expect_work(s, lane_of_org(s, index));
    while (jobs > 0) {
        struct args args = {0};
        unsigned batch = jobs < PUSH_MAX ? jobs : PUSH_MAX;
        args_text(&args, "%s", org->name);
        for (unsigned i = 0; i < batch; i++) {
            args_text(&args, "%012" PRId64 ".%" PRId64, org->pushed++, due_us);
            args_add(&args, packed.data, packed.length);
        }
        jobs -= batch;
        const redisReply *reply = lane_call_args(s->f, "enqueue", &args);
        assert_reply(reply_element(reply, batch - 1), "new");
    }
}

void sim_push(struct sim *s, unsigned org, unsigned jobs)
{
    push(s, org, jobs, s->now_us);
    sim_wake(s);
}

void sim_schedule(struct sim *s, unsigned org, unsigned jobs, int64_t due_us)
{
    push(s, org, jobs, due_us);
}

static void refill(struct sim *s, unsigned index)
{
    struct sim_org *org = &s->orgs[index];

    if (org->pushed - org->served < org->refill)
        push(s, index, PUSH_MAX > org->refill ? PUSH_MAX : org->refill, s->now_us);
}

/* ---- workers ---- */

static unsigned index_of(const char *org_name)
{
    return (unsigned)strtoul(strrchr(org_name, '-') + 1, NULL, 10);
}

static void note_wait(struct sim_org *org, int64_t wait_us)
{
    if ((size_t)org->started == org->waits_room) {
        org->waits_room = org->waits_room ? 2 * org->waits_room : 64;
        org->waits_us = memory_resize(org->waits_us, org->waits_room * sizeof *org->waits_us);
    }
    org->waits_us[org->started++] = wait_us;
}

static int64_t most_served(const struct sim *s)
{
    int64_t most = 0;

    for (unsigned i = 0; i < s->org_count; i++)
        most = s->orgs[i].served > most ? s->orgs[i].served : most;
    return most;
}

static void start_job(struct sim *s, unsigned worker, bool quiet, const struct lane_lease *lease)
{
    unsigned index = index_of(lease->org);
    struct sim_org *org = &s->orgs[index];
    struct sim_job job = {.kind = KIND_END, .worker = worker, .org = index, .quiet = quiet, .started_us = s->now_us};
    int64_t jitter_us = org->jitter ? org->run_us * org->jitter / 100 : 0;
    int64_t run_us = org->tenth_us && sim_draw(s, 10) == 0 ? org->tenth_us : org->run_us;

    job.at_us = s->now_us + run_us + (jitter_us ? (int64_t)sim_draw(s, (uint64_t)(2 * jitter_us + 1)) - jitter_us : 0);
    snprintf(job.id, sizeof job.id, "%s", lease->id);
    memcpy(job.token, lease->token, sizeof job.token);
    note_wait(org, s->now_us - strtoll(strchr(lease->id, '.') + 1, NULL, 10));
    if (org->served++ == 0) {
        org->first_started_us = s->now_us;
        s->served_orgs++;
        if (s->served_orgs == s->org_count)
            s->most_before_all = most_served(s);
    }
    s->jobs++;
    s->workers[worker].busy += !quiet;
    s->workers[worker].quiet_busy += quiet;
    add_event(s, job);
    refill(s, index);
}

/* One call in the lane in use: the ends of this moment, and a claim of `most` jobs. Returns what was claimed. */
static struct lane_claimed call_lane(struct sim *s, unsigned worker, bool quiet, unsigned most, const char *floor,
                                     const struct sim_job *ends, size_t count)
{
    struct sim_worker *w = &s->workers[worker];
    struct lane_claim claim = {.session = w->session, .quiet = quiet, .types = TYPES, .floor = floor};
    struct lane_lease leases[SIM_SLOTS_MAX];
    struct lane_end done[SIM_SLOTS_MAX];

    claim.want = most < CLAIM_MAX ? most : CLAIM_MAX;
    claim.want_none = most == 0;
    for (size_t i = 0; i < count; i++) {
        leases[i].name = fixture_text(s->f, "%s/%s", s->orgs[ends[i].org].name, ends[i].id);
        memcpy(leases[i].token, ends[i].token, sizeof ends[i].token);
        done[i] = (struct lane_end){.lease = &leases[i], .run_us = s->now_us - ends[i].started_us};
    }
    struct lane_claimed got = count > 0 ? lane_finish(s->f, &claim, done, count) : lane_claim(s->f, &claim);
    int64_t redis_calls = lane_calls(s->f);
    for (size_t i = 0; i < got.answers; i++)
        assert_string_equal(got.answer[i], "ok");
    s->calls++;
    s->empty_calls += got.jobs == 0;
    s->redis_calls += redis_calls;
    if (redis_calls > s->redis_calls_most)
        s->redis_calls_most = redis_calls;
    for (size_t i = 0; i < got.jobs; i++)
        start_job(s, worker, quiet, &got.job[i]);
    return got;
}

static struct lane_claimed call_worker(struct sim *s, unsigned worker, bool quiet, const struct sim_job *ends, size_t count)
{
    const struct sim_worker *w = &s->workers[worker];

    return call_lane(s, worker, quiet, quiet ? w->quiet_slots - w->quiet_busy : w->slots - w->busy, NULL, ends, count);
}

/* Where there are several lanes: each gets its ends, then those are asked that are next, while there are slots. */
static void turn_in_lanes(struct sim *s, unsigned worker, const struct sim_job *ends, size_t count)
{
    struct sim_worker *w = &s->workers[worker];
    int64_t lane, floor;

    for (lane = 0; count > 0 && lane < s->f->lanes; lane++) {
        struct sim_job own[SIM_SLOTS_MAX];
        size_t n = 0;
        for (size_t i = 0; i < count; i++)
            if (lane_of_org(s, ends[i].org) == lane)
                own[n++] = ends[i];
        lane_use(s->f, (unsigned)lane);
        if (n > 0)
            call_lane(s, worker, false, 0, NULL, own, n);
    }
    while (w->busy < w->slots && (lane = sim_lanes_choose(w->lanes, &floor)) >= 0) {
        lane_use(s->f, (unsigned)lane);
        struct lane_claimed got = call_lane(s, worker, false, w->slots - w->busy, fixture_text(s->f, "%" PRId64, floor), NULL, 0);
        sim_lanes_claimed(w->lanes, (uint32_t)lane, got.v, got.active, (unsigned)got.jobs);
    }
}

/* A worker ends what has ended and fills its slots, as long as there is something to be had. Returns whether there may be more.
 */
static bool turn(struct sim *s, unsigned worker, const struct sim_job *ends, size_t count)
{
    struct sim_worker *w = &s->workers[worker];
    struct lane_claimed got = {.active = 1};

    for (size_t i = 0; i < count; i++) {
        w->busy -= !ends[i].quiet;
        w->quiet_busy -= ends[i].quiet;
    }
    if (w->lanes) {
        turn_in_lanes(s, worker, ends, count);
        return true;
    }
    for (int turns = 0; turns < TURNS_MAX && (count > 0 || (w->busy < w->slots && got.active > 0)); turns++) {
        got = call_worker(s, worker, false, ends, count);
        count = 0;
    }
    if (w->busy < w->slots && got.next_ms > 0) {
        int64_t at_us = (got.next_ms - CLOCK_START_MS) * MS;
        at_us = at_us > s->now_us ? at_us : s->now_us + 1;
        if (w->wakes_us <= s->now_us || at_us < w->wakes_us) {
            w->wakes_us = at_us;
            add_event(s, (struct sim_job){.at_us = at_us, .kind = KIND_WAKE, .worker = worker});
        }
    }
    while (w->quiet_busy < w->quiet_slots && call_worker(s, worker, true, NULL, 0).jobs > 0)
        continue;
    return got.active > 0;
}

/* One after the other, until one finds that there is nothing left. */
void sim_wake(struct sim *s)
{
    bool more = true;

    for (unsigned i = 0; i < s->worker_count && more; i++) {
        unsigned worker = (s->next_worker + i) % s->worker_count;
        const struct sim_worker *w = &s->workers[worker];
        if (w->busy < w->slots || w->quiet_busy < w->quiet_slots)
            more = turn(s, worker, NULL, 0);
    }
    s->next_worker++;
}

static void end_jobs(struct sim *s, struct sim_job first)
{
    struct sim_job ends[SIM_SLOTS_MAX];
    size_t count = 0;

    ends[count++] = first;
    while (s->heap_count > 0 && count < SIM_SLOTS_MAX && s->heap[0].at_us == s->now_us && s->heap[0].kind == KIND_END &&
           s->heap[0].worker == first.worker)
        ends[count++] = next_event(s);
    for (size_t i = 0; i < count; i++) {
        int64_t from_us = ends[i].started_us > s->measured_us ? ends[i].started_us : s->measured_us;
        s->orgs[ends[i].org].worked_us += s->now_us - from_us;
    }
    turn(s, first.worker, ends, count);
    for (size_t i = 0; i < count; i++) {
        if (s->orgs[ends[i].org].on_end)
            s->orgs[ends[i].org].on_end(s, &s->orgs[ends[i].org]);
    }
}

static void beat_all(struct sim *s, void *ctx)
{
    (void)ctx;
    for (unsigned i = 0; i < s->worker_count * s->f->lanes; i++) {
        lane_use(s->f, i % s->f->lanes);
        assert_reply(reply_element(lane_call(s->f, "beat", "%s", s->workers[i / s->f->lanes].session), 0), "ok");
    }
}

/* ---- a run ---- */

void sim_begin(struct sim *s, struct fixture *f)
{
    *s = (struct sim){.f = f, .random = 20261120};
    f->check_each = false;
    sim_each(s, BEAT_US, BEAT_US, beat_all, NULL);
}

void sim_end(struct sim *s)
{
    for (unsigned i = 0; i < s->org_count; i++)
        free(s->orgs[i].waits_us);
    for (unsigned i = 0; i < s->worker_count; i++)
        sim_lanes_free(s->workers[i].lanes);
    free(s->orgs);
    free(s->heap);
}

unsigned sim_add_org(struct sim *s, int64_t run_us, unsigned refilled)
{
    if (s->org_count == s->org_room) {
        s->org_room = s->org_room ? 2 * s->org_room : 16;
        s->orgs = memory_resize(s->orgs, s->org_room * sizeof *s->orgs);
    }
    unsigned index = s->org_count++;
    s->orgs[index] = (struct sim_org){.run_us = run_us, .refill = refilled};
    snprintf(s->orgs[index].name, sizeof s->orgs[index].name, "org-%u", index);
    refill(s, index);
    return index;
}

void sim_set(struct sim *s, unsigned org, const char *settings)
{
    const char *arguments = fixture_text(s->f, "tester %s %s", s->orgs[org].name, settings);

    lane_use(s->f, lane_of_org(s, org));
    assert_reply(lane_call(s->f, "org_set", arguments), "ok");
}

void sim_add_workers(struct sim *s, unsigned workers, unsigned slots, unsigned quiet_slots)
{
    while (workers-- > 0) {
        struct sim_worker *w = &s->workers[s->worker_count++];
        *w = (struct sim_worker){.slots = slots, .quiet_slots = quiet_slots};
        snprintf(w->session, sizeof w->session, "w%u", s->worker_count);
        for (unsigned lane = 0; lane < s->f->lanes; lane++) {
            lane_use(s->f, lane);
            lane_open(s->f, w->session, TIMEOUT_MS);
        }
        if (s->f->lanes > 1)
            w->lanes = sim_lanes_new(s->f->lanes);
    }
}

void sim_measure(struct sim *s)
{
    s->measured_us = s->now_us;
    s->jobs = s->calls = s->empty_calls = s->redis_calls = s->redis_calls_most = 0;
    for (unsigned i = 0; i < s->org_count; i++)
        s->orgs[i].started = s->orgs[i].worked_us = 0;
}

static void happen(struct sim *s, struct sim_job event)
{
    if (event.kind == KIND_END) {
        end_jobs(s, event);
    } else if (event.kind == KIND_WAKE) {
        if (s->workers[event.worker].wakes_us == event.at_us) /* else it has found an earlier time since */
            turn(s, event.worker, NULL, 0);
    } else {
        event.event(s, event.ctx);
        if (event.period_us > 0)
            sim_each(s, event.at_us + event.period_us, event.period_us, event.event, event.ctx);
    }
}

void sim_run(struct sim *s, int64_t until_us)
{
    sim_wake(s);
    while (s->heap_count > 0 && s->heap[0].at_us <= until_us) {
        struct sim_job event = next_event(s);
        if (event.at_us > s->now_us) {
            s->now_us = event.at_us;
            clock_set_us(s->f, CLOCK_START_US + s->now_us);
        }
        happen(s, event);
        fixture_sweep(s->f);
    }
    s->now_us = until_us;
    clock_set_us(s->f, CLOCK_START_US + s->now_us);
}

/* ---- what came of it ---- */

int64_t sim_worked_us(const struct sim *s, unsigned org)
{
    int64_t worked_us = s->orgs[org].worked_us;

    for (size_t i = 0; i < s->heap_count; i++) {
        const struct sim_job *job = &s->heap[i];
        if (job->kind == KIND_END && job->org == org)
            worked_us += s->now_us - (job->started_us > s->measured_us ? job->started_us : s->measured_us);
    }
    return worked_us;
}

double sim_jain(const struct sim *s, unsigned first, unsigned last, const double *weights)
{
    double sum = 0, squares = 0;

    for (unsigned i = first; i <= last; i++) {
        double share = (double)sim_worked_us(s, i) / (weights ? weights[i - first] : 1);
        sum += share;
        squares += share * share;
    }
    return sum * sum / ((double)(last - first + 1) * squares);
}

static int compare_waits(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

int64_t sim_wait_us(const struct sim *s, unsigned org, double percent)
{
    const struct sim_org *o = &s->orgs[org];

    if (o->started == 0)
        return INT64_MAX;
    int64_t *sorted = memory_new((size_t)o->started * sizeof *sorted);
    memcpy(sorted, o->waits_us, (size_t)o->started * sizeof *sorted);
    qsort(sorted, (size_t)o->started, sizeof *sorted, compare_waits);
    int64_t wait_us = sorted[(size_t)((double)(o->started - 1) * percent / 100)];
    free(sorted);
    return wait_us;
}
