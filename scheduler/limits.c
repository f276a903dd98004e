#include "scheduler/limits.h"

#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/id.h"
#include "common/memory.h"
#include "scheduler/share.h"

#define PAGE         100 /* limits in a round */
#define ROW          13  /* words about one */
#define TEXT_BYTES   32
#define TURN_MS      1000
#define IDLE_S       1.0  /* between rounds where nobody waits, */
#define WAITING_S    0.25 /* where somebody does, */
#define SHORT_S      0.05 /* and where what was lowered is still in use */
#define MILLI_TOKENS 1000

/* A limit's part in one lane. */
struct part {
    struct limits *limits;
    size_t limit;
    uint32_t lane;
    bool known; /* it is defined there */
    char concurrency[TEXT_BYTES], rate[TEXT_BYTES], burst[TEXT_BYTES];
    int64_t slots, tokens, level, running, waiting; /* level: of tokens, in thousandths */
    int64_t slots_target, tokens_target;
};

struct limit {
    char name[NAME_BYTES_MAX + 1];
    struct part *parts; /* one for each lane */
    bool skip;          /* its definitions differ: they are mended first */
    int64_t level;      /* thousandths of tokens that lowered parts handed back */
};

/* A lane that is being read. */
struct look {
    struct limits *limits;
    uint32_t lane;
};

/* What a round waits for: the answers of limit_look; those of mended definitions and lowered parts; those of raised parts. */
enum stage { LIMITS_LOOKING, LIMITS_LOWERING, LIMITS_RAISING };

struct limits {
    struct duty duty;
    enum stage stage;
    struct look *looks;
    struct limit *items;
    size_t count;
    char stamp[SESSION_BYTES + 1], from[NAME_BYTES_MAX + 2]; /* from: the first name of this round's page */
    bool more, failed, stale, short_of, anybody;             /* stale: what was looked at has changed */
    unsigned under_way;
    ev_timer timer;
    struct call call;
    struct complaint complaint;
};

static void next_stage(struct limits *limits);

/* ---- a round's end ---- */

static void clear_items(struct limits *limits)
{
    for (size_t i = 0; i < limits->count; i++)
        free(limits->items[i].parts);
    free(limits->items);
    limits->items = NULL;
    limits->count = 0;
}

static void sleep_until_next(struct limits *limits)
{
    double after_s = limits->failed     ? IDLE_S
                     : limits->stale    ? WAITING_S
                     : limits->more     ? 0
                     : limits->short_of ? SHORT_S
                     : limits->anybody  ? WAITING_S
                                        : IDLE_S;

    if (!limits->more || limits->failed || limits->stale)
        limits->from[0] = '\0';
    clear_items(limits);
    ev_timer_stop(limits->duty.loop, &limits->timer);
    ev_now_update(limits->duty.loop);
    ev_timer_set(&limits->timer, after_s, 0);
    ev_timer_start(limits->duty.loop, &limits->timer);
}

/* An answer came. Tells whether it was a good one. */
static bool came(struct limits *limits, uint32_t lane, const struct error *err)
{
    limits->under_way--;
    if (err) {
        limits->failed = true;
        duty_failed(&limits->duty, &limits->complaint, "limits", lane, err);
    }
    return !err;
}

static void go_on(struct limits *limits)
{
    if (limits->under_way > 0)
        return;
    if (limits->failed || limits->stale)
        sleep_until_next(limits);
    else
        next_stage(limits);
}

/* ---- definitions: those of lane 0 hold ---- */

static void on_mended(const struct reply *reply, const struct error *err, void *ctx)
{
    struct look *look = ctx;

    (void)reply;
    came(look->limits, look->lane, err);
    go_on(look->limits);
}

static void mend(struct limits *limits, uint32_t lane, const char *name, const struct part *first)
{
    duty_call(&limits->call, first ? "limit_set" : "limit_clear", lane);
    call_add_string(&limits->call, name);
    if (first) {
        call_add_string(&limits->call, first->concurrency);
        call_add_string(&limits->call, first->rate);
        call_add_string(&limits->call, first->burst);
    }
    limits->under_way++;
    redis_send(limits->duty.redis, &limits->call, DUTY_TIMEOUT_MS, on_mended, &limits->looks[lane]);
}

static bool is_same(const struct part *a, const struct part *b)
{
    return strcmp(a->concurrency, b->concurrency) == 0 && strcmp(a->rate, b->rate) == 0 && strcmp(a->burst, b->burst) == 0;
}

static void compare_definitions(struct limits *limits)
{
    for (size_t i = 0; i < limits->count; i++) {
        struct limit *limit = &limits->items[i];
        for (uint32_t lane = 1; lane < limits->duty.lanes; lane++) {
            if (limit->parts[lane].known && is_same(&limit->parts[lane], &limit->parts[0]))
                continue;
            limit->skip = true;
            mend(limits, lane, limit->name, &limit->parts[0]);
        }
    }
}

/* ---- reading ---- */

static struct limit *find_limit(const struct limits *limits, const char *name)
{
    for (size_t i = 0; i < limits->count; i++)
        if (strcmp(limits->items[i].name, name) == 0)
            return &limits->items[i];
    return NULL;
}

static struct limit *add_limit(struct limits *limits, const char *name)
{
    struct limit *limit;

    limits->items = memory_resize(limits->items, sizeof *limits->items * (limits->count + 1));
    limit = &limits->items[limits->count];
    *limit = (struct limit){.parts = memory_new(sizeof *limit->parts * limits->duty.lanes)};
    snprintf(limit->name, sizeof limit->name, "%s", name);
    for (uint32_t lane = 0; lane < limits->duty.lanes; lane++)
        limit->parts[lane] = (struct part){.limits = limits, .limit = limits->count, .lane = lane};
    limits->count++;
    return limit;
}

static void copy(char ret[TEXT_BYTES], const struct reply *text)
{
    snprintf(ret, TEXT_BYTES, "%s", reply_string(text));
}

static int64_t number(const struct reply *text)
{
    return strtoll(reply_string(text), NULL, 10);
}

static void read_part(struct part *part, const struct reply *list, size_t at)
{
    part->known = true;
    copy(part->concurrency, reply_at(list, at + 1));
    copy(part->rate, reply_at(list, at + 2));
    copy(part->burst, reply_at(list, at + 3));
    part->slots = number(reply_at(list, at + 4));
    part->tokens = number(reply_at(list, at + 5));
    part->running = reply_int(reply_at(list, at + 6));
    part->waiting = reply_int(reply_at(list, at + 7));
    part->level = reply_int(reply_at(list, at + 12));
}

static void read_lane(struct limits *limits, uint32_t lane, const struct reply *list)
{
    size_t rows = reply_count(list) / ROW;

    for (size_t row = 0; row < rows; row++) {
        const char *name = reply_string(reply_at(list, row * ROW));
        struct limit *limit = lane == 0 ? add_limit(limits, name) : find_limit(limits, name);
        if (limit)
            read_part(&limit->parts[lane], list, row * ROW);
        else if (!limits->more) /* lane 0 has told of all that there are from here on */
            mend(limits, lane, name, NULL);
    }
    if (lane == 0)
        limits->more = rows == PAGE;
}

static void on_look(const struct reply *reply, const struct error *err, void *ctx)
{
    struct look *look = ctx;

    if (came(look->limits, look->lane, err))
        read_lane(look->limits, look->lane, reply_at(reply, 1));
    go_on(look->limits);
}

/* Answers come in the order of the calls: that of lane 0 is the first. */
static void begin_round(struct limits *limits)
{
    limits->stage = LIMITS_LOOKING;
    limits->failed = limits->stale = limits->short_of = limits->anybody = limits->more = false;
    session_draw(limits->stamp);
    limits->under_way = limits->duty.lanes;
    for (uint32_t lane = 0; lane < limits->duty.lanes; lane++) {
        call_function(&limits->call, "limit_look", lane);
        call_add_string(&limits->call, limits->stamp);
        call_add_string(&limits->call, limits->from);
        call_add_int(&limits->call, PAGE);
        redis_send(limits->duty.redis, &limits->call, DUTY_TIMEOUT_MS, on_look, &limits->looks[lane]);
    }
}

/* ---- dividing ---- */

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void choose_targets(struct limits *limits, struct limit *limit)
{
    uint32_t lanes = limits->duty.lanes;
    struct share *shares = memory_new(sizeof *shares * lanes);
    uint64_t turn = (uint64_t)clock_mono_ms() / TURN_MS;

    for (uint32_t lane = 0; lane < lanes; lane++) {
        struct part *part = &limit->parts[lane];
        shares[lane] = (struct share){.has = part->slots, .used = part->running, .waiting = part->waiting};
        limits->anybody = limits->anybody || part->waiting > 0;
    }
    share_divide(shares, lanes, strtoll(limit->parts[0].concurrency, NULL, 10), turn);
    for (uint32_t lane = 0; lane < lanes; lane++) {
        limit->parts[lane].slots_target = shares[lane].target;
        shares[lane] = (struct share){.has = limit->parts[lane].tokens, .used = 0, .waiting = limit->parts[lane].waiting};
    }
    share_divide(shares, lanes, limit->parts[0].rate[0] ? strtoll(limit->parts[0].burst, NULL, 10) : 0, turn);
    for (uint32_t lane = 0; lane < lanes; lane++)
        limit->parts[lane].tokens_target = shares[lane].target;
    free(shares);
}

static void on_part(const struct reply *reply, const struct error *err, void *ctx)
{
    struct part *part = ctx;
    struct limits *limits = part->limits;

    if (came(limits, part->lane, err)) {
        duty_worked(&limits->complaint, "limits", part->lane);
        limits->stale = limits->stale || !reply_is(reply_at(reply, 0), "ok");
        part->running = reply_int(reply_at(reply, 1));
        limits->items[part->limit].level += reply_int(reply_at(reply, 2));
    }
    go_on(limits);
}

/* Sets a part, which is told to have so much from now on. */
static void set_part(struct limits *limits, struct part *part, int64_t slots, int64_t tokens, int64_t level)
{
    call_function(&limits->call, "limit_part", part->lane);
    call_add_string(&limits->call, limits->stamp);
    call_add_string(&limits->call, limits->items[part->limit].name);
    call_add_int(&limits->call, slots);
    call_add_int(&limits->call, tokens);
    call_add_int(&limits->call, level);
    part->slots = slots;
    part->tokens = tokens;
    limits->under_way++;
    redis_send(limits->duty.redis, &limits->call, DUTY_TIMEOUT_MS, on_part, part);
}

static void lower(struct limits *limits, struct limit *limit)
{
    for (uint32_t lane = 0; lane < limits->duty.lanes; lane++) {
        struct part *part = &limit->parts[lane];
        if (part->slots_target < part->slots || part->tokens_target < part->tokens)
            set_part(limits, part, smaller(part->slots, part->slots_target), smaller(part->tokens, part->tokens_target), 0);
    }
}

/* What is free is what no lane has, and none uses beyond what it has. */
static void raise_parts(struct limits *limits, struct limit *limit)
{
    int64_t slots = strtoll(limit->parts[0].concurrency, NULL, 10), tokens = strtoll(limit->parts[0].burst, NULL, 10);

    for (uint32_t lane = 0; lane < limits->duty.lanes; lane++) {
        slots -= larger(limit->parts[lane].slots, limit->parts[0].concurrency[0] ? limit->parts[lane].running : 0);
        tokens -= limit->parts[lane].tokens;
    }
    for (uint32_t lane = 0; lane < limits->duty.lanes; lane++) {
        struct part *part = &limit->parts[lane];
        int64_t more_slots = larger(0, smaller(part->slots_target - part->slots, slots));
        int64_t more_tokens = larger(0, smaller(part->tokens_target - part->tokens, tokens));
        int64_t level = smaller(limit->level, more_tokens * MILLI_TOKENS);
        limits->short_of = limits->short_of || part->slots + more_slots < part->slots_target;
        if (more_slots == 0 && more_tokens == 0)
            continue;
        slots -= more_slots;
        tokens -= more_tokens;
        limit->level -= level;
        set_part(limits, part, part->slots + more_slots, part->tokens + more_tokens, level);
    }
}

/* All answers are there. */
static void next_stage(struct limits *limits)
{
    if (limits->stage == LIMITS_LOOKING) {
        limits->stage = LIMITS_LOWERING;
        compare_definitions(limits);
        for (size_t i = 0; i < limits->count; i++) {
            if (limits->items[i].skip)
                continue;
            choose_targets(limits, &limits->items[i]);
            lower(limits, &limits->items[i]);
        }
    }
    if (limits->under_way == 0 && limits->stage == LIMITS_LOWERING) {
        limits->stage = LIMITS_RAISING;
        for (size_t i = 0; i < limits->count; i++)
            if (!limits->items[i].skip)
                raise_parts(limits, &limits->items[i]);
        if (limits->count > 0) /* the first name that may come behind the last one of this page */
            snprintf(limits->from, sizeof limits->from, "%s-", limits->items[limits->count - 1].name);
    }
    if (limits->under_way == 0)
        sleep_until_next(limits);
}

/* ---- start ---- */

static void on_time(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)events;
    begin_round(timer->data);
}

struct limits *limits_new(const struct duty *duty)
{
    struct limits *limits = memory_new(sizeof *limits);

    limits->duty = *duty;
    limits->looks = memory_new(sizeof *limits->looks * duty->lanes);
    for (uint32_t lane = 0; lane < duty->lanes; lane++)
        limits->looks[lane] = (struct look){.limits = limits, .lane = lane};
    ev_init(&limits->timer, on_time);
    limits->timer.data = limits;
    if (duty->lanes > 1)
        begin_round(limits);
    return limits;
}

void limits_free(struct limits *limits)
{
    if (!limits)
        return;
    ev_timer_stop(limits->duty.loop, &limits->timer);
    clear_items(limits);
    free(limits->looks);
    call_clear(&limits->call);
    free(limits);
}
