#include "scheduler/promotion.h"

#include <ev.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/keys.h"
#include "common/log.h"
#include "common/memory.h"

#define JOBS_PER_CALL 256
#define LISTEN_S      1

struct clerk {
    struct promotion *promotion;
    uint32_t lane;
    bool under_way, again; /* again: somebody wants it once more */
    ev_timer timer;
    struct complaint complaint;
};

struct promotion {
    struct duty duty;
    struct redis *listener;
    void (*on_woken)(uint32_t lane, void *ctx);
    void *ctx;
    struct clerk *clerks;
    bool listening;
    ev_timer listen;
    struct call call, listen_call;
};

static void promote(struct clerk *clerk);

static void sleep_for(struct clerk *clerk, int64_t ms)
{
    ev_timer_stop(clerk->promotion->duty.loop, &clerk->timer);
    ev_now_update(clerk->promotion->duty.loop);
    ev_timer_set(&clerk->timer, (double)(ms < PROMOTION_SLEEP_MS_MAX ? ms : PROMOTION_SLEEP_MS_MAX) / 1000, 0);
    ev_timer_start(clerk->promotion->duty.loop, &clerk->timer);
}

static void on_promoted(const struct reply *reply, const struct error *err, void *ctx)
{
    struct clerk *clerk = ctx;
    int64_t moved = reply_int(reply_at(reply, 0)), due_ms = reply_int(reply_at(reply, 1)), now_ms = reply_int(reply_at(reply, 2));

    clerk->under_way = false;
    if (err) {
        duty_failed(&clerk->promotion->duty, &clerk->complaint, "promote", clerk->lane, err);
        sleep_for(clerk, PROMOTION_SLEEP_MS_MAX);
        return;
    }
    duty_worked(&clerk->complaint, "promote", clerk->lane);
    if (clerk->again || (due_ms > 0 && due_ms <= now_ms && moved > 0)) {
        clerk->again = false;
        promote(clerk);
    } else if (due_ms > 0) {
        sleep_for(clerk, due_ms > now_ms ? due_ms - now_ms : 1);
    } else {
        sleep_for(clerk, PROMOTION_SLEEP_MS_MAX);
    }
}

static void promote(struct clerk *clerk)
{
    struct call *call = &clerk->promotion->call;

    if (clerk->under_way) {
        clerk->again = true;
        return;
    }
    clerk->under_way = true;
    ev_timer_stop(clerk->promotion->duty.loop, &clerk->timer);
    call_function(call, "promote", clerk->lane);
    call_add_int(call, JOBS_PER_CALL);
    redis_send(clerk->promotion->duty.redis, call, DUTY_TIMEOUT_MS, on_promoted, clerk);
}

static void on_time(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)events;
    promote(timer->data);
}

static void on_heard(const struct reply *reply, const struct error *err, void *ctx);

static void listen_again(struct promotion *promotion)
{
    struct call *call = &promotion->listen_call;
    char key[KEY_BYTES_MAX];

    if (promotion->listening || !redis_is_up(promotion->listener))
        return;
    promotion->listening = true;
    call_command(call, "BZPOPMIN");
    for (uint32_t lane = 0; lane < promotion->duty.lanes; lane++)
        call_add_string(call, key_in_lane(key, lane, "wake_due"));
    call_add_int(call, LISTEN_S);
    redis_send(promotion->listener, call, LISTEN_S * 1000 + DUTY_TIMEOUT_MS, on_heard, promotion);
}

static void on_heard(const struct reply *reply, const struct error *err, void *ctx)
{
    struct promotion *promotion = ctx;
    unsigned lane;

    promotion->listening = false;
    if (err)
        return; /* the timer tries again */
    if (reply_count(reply) == 3 && sscanf(reply_string(reply_at(reply, 0)), "rota:{%u}:", &lane) == 1 &&
        lane < promotion->duty.lanes) {
        if (!complaint_is_raised(&promotion->clerks[lane].complaint))
            promote(&promotion->clerks[lane]);
        if (promotion->on_woken)
            promotion->on_woken(lane, promotion->ctx);
    }
    listen_again(promotion);
}

static void on_listen_time(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)events;
    listen_again(timer->data);
}

struct promotion *promotion_new(const struct duty *duty, struct redis *listener, void (*on_woken)(uint32_t lane, void *ctx),
                                void *ctx)
{
    struct promotion *promotion = memory_new(sizeof *promotion);

    promotion->duty = *duty;
    promotion->listener = listener;
    promotion->on_woken = on_woken;
    promotion->ctx = ctx;
    promotion->clerks = memory_new(sizeof *promotion->clerks * duty->lanes);
    for (uint32_t lane = 0; lane < duty->lanes; lane++) {
        struct clerk *clerk = &promotion->clerks[lane];
        *clerk = (struct clerk){.promotion = promotion, .lane = lane};
        ev_init(&clerk->timer, on_time);
        clerk->timer.data = clerk;
        promote(clerk);
    }
    ev_timer_init(&promotion->listen, on_listen_time, 0, 0.5);
    promotion->listen.data = promotion;
    ev_timer_start(duty->loop, &promotion->listen);
    return promotion;
}

void promotion_free(struct promotion *promotion)
{
    if (!promotion)
        return;
    ev_timer_stop(promotion->duty.loop, &promotion->listen);
    for (uint32_t lane = 0; lane < promotion->duty.lanes; lane++)
        ev_timer_stop(promotion->duty.loop, &promotion->clerks[lane].timer);
    free(promotion->clerks);
    call_clear(&promotion->call);
    call_clear(&promotion->listen_call);
    free(promotion);
}

void promotion_resume(struct promotion *promotion)
{
    listen_again(promotion);
}
