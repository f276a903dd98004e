#include "worker/outlook.h"

#include <assert.h>
#include <ev.h>
#include <stdlib.h>

#include "common/memory.h"
#include "worker/lane.h"

#define PAUSE_S_MIN 0.2 /* after a claim that was refused, twice as much after each further one */
#define PAUSE_S_MAX 5.0
#define SWEEP_LANES 4

/* What is believed of one lane. */
struct view {
    struct outlook *outlook;
    struct lane *lane;
    bool work, quiet_work; /* a claim may find something */
    bool woken;            /* a token came after the claim under way was sent */
    int64_t v, active;     /* of the last claim: V, and organizations left */
    ev_timer comes_back;   /* a rate-limited organization has a token again */
    ev_timer pause;        /* a claim was refused: no other one while this runs */
    double pause_s;        /* 0: the last claim was not */
};

struct outlook {
    struct ev_loop *loop;
    struct view *views; /* by the lane's number */
    uint32_t lanes, added, sweep_at;
    void (*on_change)(void *ctx);
    void *ctx;
};

static struct view *view_of(struct outlook *outlook, const struct lane *lane)
{
    return &outlook->views[lane_number(lane)];
}

static void on_comes_back(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct view *view = timer->data;

    (void)loop, (void)events;
    view->work = true;
    view->outlook->on_change(view->outlook->ctx);
}

static void on_pause_over(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct view *view = timer->data;

    (void)loop, (void)events;
    view->work = view->quiet_work = true;
    view->outlook->on_change(view->outlook->ctx);
}

static void start_timer(struct outlook *outlook, ev_timer *timer, double after_s)
{
    ev_timer_stop(outlook->loop, timer);
    ev_timer_set(timer, after_s, 0);
    ev_timer_start(outlook->loop, timer);
}

struct outlook *outlook_new(struct ev_loop *loop, uint32_t lanes, void (*on_change)(void *ctx), void *ctx)
{
    struct outlook *outlook = memory_new(sizeof *outlook);

    *outlook = (struct outlook){.loop = loop, .lanes = lanes, .on_change = on_change, .ctx = ctx};
    outlook->views = memory_new(sizeof *outlook->views * lanes);
    for (uint32_t i = 0; i < lanes; i++) {
        struct view *view = &outlook->views[i];
        view->outlook = outlook;
        ev_init(&view->comes_back, on_comes_back);
        ev_init(&view->pause, on_pause_over);
        view->comes_back.data = view->pause.data = view;
    }
    return outlook;
}

void outlook_free(struct outlook *outlook)
{
    if (!outlook)
        return;
    for (uint32_t i = 0; i < outlook->lanes; i++) {
        ev_timer_stop(outlook->loop, &outlook->views[i].comes_back);
        ev_timer_stop(outlook->loop, &outlook->views[i].pause);
    }
    free(outlook->views);
    free(outlook);
}

void outlook_add(struct outlook *outlook, struct lane *lane)
{
    assert(outlook->added < outlook->lanes && lane_number(lane) == outlook->added);
    outlook->views[outlook->added++].lane = lane;
}

struct lane *outlook_choose(const struct outlook *outlook, bool quiet, int64_t *ret_floor)
{
    const struct view *best = NULL;
    int64_t floor = INT64_MAX;

    for (uint32_t i = 0; i < outlook->added; i++) {
        const struct view *view = &outlook->views[i];
        bool work = (quiet ? view->quiet_work : view->work) && !ev_is_active(&view->pause);
        if (view->active > 0 && view->v < floor)
            floor = view->v;
        if (work && lane_is_ready(view->lane) && (!best || view->v < best->v))
            best = view;
    }
    *ret_floor = floor == INT64_MAX || outlook->lanes == 1 ? 0 : floor;
    return best ? best->lane : NULL;
}

void outlook_expect(struct outlook *outlook, const struct lane *lane)
{
    struct view *view = view_of(outlook, lane);

    view->work = view->quiet_work = true;
}

void outlook_wake(struct outlook *outlook, uint32_t lane)
{
    struct view *view = &outlook->views[lane];

    view->work = view->quiet_work = view->woken = true;
}

void outlook_sweep(struct outlook *outlook)
{
    for (uint32_t i = 0; i < SWEEP_LANES && i < outlook->lanes; i++) {
        struct view *view = &outlook->views[outlook->sweep_at++ % outlook->lanes];
        view->work = view->quiet_work = true;
    }
}

void outlook_sent(struct outlook *outlook, const struct lane *lane)
{
    view_of(outlook, lane)->woken = false;
}

void outlook_answered(struct outlook *outlook, const struct lane *lane, const struct lane_answer *answer, bool more)
{
    struct view *view = view_of(outlook, lane);

    view->pause_s = 0;
    view->v = answer->v;
    view->active = answer->active;
    view->work = view->quiet_work = view->woken || (answer->taken > 0 && (answer->active > 0 || more));
    if (answer->next_ms >= 0)
        start_timer(outlook, &view->comes_back, (double)answer->next_ms / 1000);
}

void outlook_refused(struct outlook *outlook, const struct lane *lane)
{
    struct view *view = view_of(outlook, lane);

    view->work = view->quiet_work = false;
    view->pause_s = view->pause_s == 0 ? PAUSE_S_MIN : view->pause_s * 2;
    if (view->pause_s > PAUSE_S_MAX)
        view->pause_s = PAUSE_S_MAX;
    start_timer(outlook, &view->pause, view->pause_s);
}
