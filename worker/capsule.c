#include "worker/capsule.h"

#include <ev.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/keys.h"
#include "common/memory.h"
#include "worker/outlook.h"
#include "worker/sleeper.h"

struct capsule {
    struct capsule_options options;
    const struct capsule_plan *plan;
    bool open;
    unsigned taken;               /* slots that run a job */
    int turn[CAPSULE_QUEUES_MAX]; /* what each queue is owed in turns */
    const char *queues[CAPSULE_QUEUES_MAX];
    struct lane *const *lanes;
    uint32_t lane_count;
    struct outlook *outlook;
    struct redis *sleep_redis;
    struct sleeper *sleeper;
};

/* ---- slots ---- */

/* Slots kept for quiet organizations. */
static unsigned reserved_slots(const struct capsule *capsule)
{
    return capsule->plan->slots / CAPSULE_SLOTS_PER_QUIET;
}

/* Free slots that no claim under way may fill. */
static unsigned free_slots(const struct capsule *capsule)
{
    unsigned taken = capsule->taken;

    for (uint32_t i = 0; i < capsule->lane_count; i++)
        taken += lane_claiming(capsule->lanes[i], capsule);
    return taken < capsule->plan->slots ? capsule->plan->slots - taken : 0;
}

/* ---- claiming ---- */

/* The queues in the order of this visit. Whose turn it is comes first: smooth weighted round robin, so that 2:1 gives a b a, a b
 * a. */
static void turn_queues(struct capsule *capsule, const char *queues[CAPSULE_QUEUES_MAX])
{
    size_t count = capsule->plan->queue_count, first = 0;
    int total = 0;

    for (size_t i = 0; i < count; i++) {
        capsule->turn[i] += (int)capsule->plan->queues[i].weight;
        total += (int)capsule->plan->queues[i].weight;
        if (capsule->turn[i] > capsule->turn[first])
            first = i;
    }
    capsule->turn[first] -= total;
    for (size_t i = 0; i < count; i++)
        queues[i] = capsule->queues[(first + i) % count];
}

static void send(struct capsule *capsule, struct lane *lane, unsigned want, bool quiet, int64_t floor)
{
    const char *queues[CAPSULE_QUEUES_MAX];

    turn_queues(capsule, queues);
    outlook_sent(capsule->outlook, lane);
    lane_send(lane, &(struct lane_claim){.taker = capsule,
                                         .want = want < LANE_CLAIM_MAX ? want : LANE_CLAIM_MAX,
                                         .quiet = quiet,
                                         .queues = queues,
                                         .queue_count = capsule->plan->queue_count,
                                         .floor = floor});
}

void capsule_claim(struct capsule *capsule)
{
    unsigned available = free_slots(capsule), reserved = reserved_slots(capsule);
    struct lane *lane;
    int64_t floor;

    if (!capsule->open)
        return;
    while (available > reserved && (lane = outlook_choose(capsule->outlook, false, &floor))) {
        send(capsule, lane, available - reserved, false, floor);
        available = free_slots(capsule);
    }
    while (available > 0 && available <= reserved && (lane = outlook_choose(capsule->outlook, true, &floor))) {
        send(capsule, lane, available, true, floor);
        available = free_slots(capsule);
    }
}

void capsule_report(const struct capsule *capsule, struct lane *lane)
{
    lane_send(lane, &(struct lane_claim){.queues = capsule->queues, .queue_count = capsule->plan->queue_count});
}

/* ---- what the lanes tell ---- */

void capsule_expect(struct capsule *capsule, const struct lane *lane)
{
    outlook_expect(capsule->outlook, lane);
}

void capsule_run(struct capsule *capsule, struct lane *lane, const char *name, const struct reply *record,
                 const struct reply *state)
{
    slots_run(capsule->options.slots, &capsule->taken, lane, name, record, state);
}

void capsule_answered(struct capsule *capsule, const struct lane *lane, const struct lane_answer *answer)
{
    /* what is left is known of the first queue only: with more of them the next claim tells */
    outlook_answered(capsule->outlook, lane, answer, capsule->plan->queue_count > 1);
}

void capsule_refused(struct capsule *capsule, const struct lane *lane)
{
    outlook_refused(capsule->outlook, lane);
}

/* ---- sleeping ---- */

static void on_ignored(const struct reply *reply, const struct error *err, void *ctx)
{
    (void)reply, (void)err, (void)ctx;
}

/* A token that came when no slot was free for its work any more wakes another worker. */
static void pass_on(const struct capsule *capsule, const char *key)
{
    struct call call = {0};

    call_command(&call, "ZADD");
    call_add_string(&call, key);
    call_add_int(&call, 0);
    call_add_int(&call, 0);
    redis_send(capsule->options.redis, &call, capsule->options.timeout_ms, on_ignored, NULL);
    call_clear(&call);
}

static void on_wake(int64_t lane, const char *key, bool quiet, void *ctx)
{
    struct capsule *capsule = ctx;

    if (lane >= 0 && lane < capsule->lane_count) {
        if (!capsule->open || free_slots(capsule) <= (quiet ? 0 : reserved_slots(capsule)))
            pass_on(capsule, key);
        outlook_wake(capsule->outlook, (uint32_t)lane);
    } else {
        outlook_sweep(capsule->outlook);
    }
    capsule->options.on_change(capsule->options.ctx);
}

void capsule_sleep(struct capsule *capsule)
{
    if (capsule->open && free_slots(capsule) > 0)
        sleeper_sleep(capsule->sleeper, free_slots(capsule) <= reserved_slots(capsule));
}

/* ---- life ---- */

struct capsule *capsule_new(const struct capsule_options *options, struct error *err)
{
    struct capsule *capsule = memory_new(sizeof *capsule);
    char name[64];

    capsule->options = *options;
    capsule->plan = options->plan;
    for (size_t i = 0; i < options->plan->queue_count; i++)
        capsule->queues[i] = options->plan->queues[i].name;
    snprintf(name, sizeof name, "rota-sleeper:%s", options->session);
    capsule->sleep_redis = redis_new(
        options->loop,
        &(struct redis_options){.url = options->redis_url, .password_file = options->password_file, .client_name = name}, err);
    if (!capsule->sleep_redis) {
        free(capsule);
        return NULL;
    }
    return capsule;
}

void capsule_free(struct capsule *capsule)
{
    if (!capsule)
        return;
    redis_free(capsule->sleep_redis);
    sleeper_free(capsule->sleeper);
    outlook_free(capsule->outlook);
    free(capsule);
}

void capsule_start(struct capsule *capsule, struct lane *const *lanes, uint32_t count)
{
    capsule->lanes = lanes;
    capsule->lane_count = count;
    capsule->outlook = outlook_new(capsule->options.loop, count, capsule->options.on_change, capsule->options.ctx);
    for (uint32_t i = 0; i < count; i++)
        outlook_add(capsule->outlook, lanes[i]);
    capsule->sleeper = sleeper_new(&(struct sleeper_options){.loop = capsule->options.loop,
                                                             .redis = capsule->sleep_redis,
                                                             .other_redis = capsule->options.redis,
                                                             .lanes = count,
                                                             .queues = capsule->queues,
                                                             .queue_count = capsule->plan->queue_count,
                                                             .on_wake = on_wake,
                                                             .ctx = capsule});
}

void capsule_open(struct capsule *capsule, bool open)
{
    capsule->open = open;
    for (uint32_t i = 0; i < capsule->lane_count && open; i++)
        outlook_expect(capsule->outlook, capsule->lanes[i]);
}

const struct capsule_plan *capsule_plan(const struct capsule *capsule)
{
    return capsule->plan;
}

unsigned capsule_taken(const struct capsule *capsule)
{
    return capsule->taken;
}

bool capsule_can_sleep(const struct capsule *capsule)
{
    return redis_is_up(capsule->sleep_redis);
}
