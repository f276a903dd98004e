#include "worker/telling.h"

#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/memory.h"

#include <uthash.h>

#define PROGRESS_EVERY_S 0.5  /* between two calls, if nothing is urgent */
#define URGENT_EVERY_S   0.05 /* if something is */
#define JOBS_OF_CALL_MAX 64

/* A job that has told something that is not acknowledged. */
struct teller {
    char name[JOB_NAME_BYTES_MAX + 1];
    unsigned char token[TOKEN_BYTES];
    struct note note;
    UT_hash_handle hh;
};

struct telling {
    struct ev_loop *loop;
    struct redis *redis;
    struct session *session;
    uint32_t lane;
    int64_t timeout_ms;
    struct teller *tellers; /* by name */
    struct call call;
    bool under_way;
    double sent_at; /* on the loop's clock */
    ev_timer timer;
};

static void drop(struct telling *telling, struct teller *teller)
{
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): it does not follow the list that uthash keeps */
    HASH_DEL(telling->tellers, teller);
    note_clear(&teller->note);
    free(teller);
}

static void arm(struct telling *telling, bool urgent)
{
    double wait_s;

    if (telling->under_way)
        return;
    ev_now_update(telling->loop);
    wait_s = telling->sent_at + (urgent ? URGENT_EVERY_S : PROGRESS_EVERY_S) - ev_now(telling->loop);
    wait_s = wait_s > 0 ? wait_s : 0;
    if (ev_is_active(&telling->timer) && ev_timer_remaining(telling->loop, &telling->timer) <= wait_s)
        return;
    ev_timer_stop(telling->loop, &telling->timer);
    ev_timer_set(&telling->timer, wait_s, 0);
    ev_timer_start(telling->loop, &telling->timer);
}

static void arm_if_needed(struct telling *telling)
{
    unsigned waiting = 0;

    for (const struct teller *teller = telling->tellers; teller; teller = teller->hh.next)
        waiting |= teller->note.waiting;
    if (waiting)
        arm(telling, (waiting & ~(unsigned)NOTE_PROGRESS) != 0);
}

/* What was sent has arrived, or waits again. What is refused (nothing ever should be) would be refused again. */
static void on_told(const struct reply *reply, const struct error *err, void *ctx)
{
    struct telling *telling = ctx;
    bool again = err && err->code != ERR_INVALID && err->code != ERR_PROTOCOL;
    struct teller *teller, *next;

    telling->under_way = false;
    if (err && !again)
        log_error("what jobs tell is refused", "lane=%u err=%s", telling->lane, err->message);
    HASH_ITER(hh, telling->tellers, teller, next)
    {
        teller->note.waiting |= again ? teller->note.sent : 0;
        teller->note.sent = 0;
        if (!teller->note.waiting)
            drop(telling, teller);
    }
    if (!err && reply_is(reply_at(reply, 0), "lost"))
        session_tell_lost(telling->session);
    else if (!again)
        arm_if_needed(telling); /* else telling_resume does it */
}

static void send(struct telling *telling)
{
    size_t count = 0;

    call_function(&telling->call, "note", telling->lane);
    call_add_string(&telling->call, session_id(telling->session));
    for (struct teller *teller = telling->tellers; teller && count < JOBS_OF_CALL_MAX; teller = teller->hh.next) {
        struct note *note = &teller->note;
        if (!note->waiting)
            continue;
        count++;
        call_add_string(&telling->call, teller->name);
        call_add(&telling->call, teller->token, TOKEN_BYTES);
        note_add_told(&telling->call, note, note->waiting);
        note_add_timeout(&telling->call, note, note->waiting);
        note->sent = note->waiting;
        note->waiting = 0;
    }
    if (count == 0)
        return;
    telling->under_way = true;
    telling->sent_at = ev_now(telling->loop);
    redis_send(telling->redis, &telling->call, telling->timeout_ms, on_told, telling);
}

static void on_time(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct telling *telling = timer->data;

    (void)loop, (void)events;
    if (!telling->under_way && session_is_open(telling->session) && redis_is_up(telling->redis))
        send(telling);
}

struct telling *telling_new(struct ev_loop *loop, struct redis *redis, uint32_t lane, int64_t timeout_ms, struct session *session)
{
    struct telling *telling = memory_new(sizeof *telling);

    *telling = (struct telling){.loop = loop, .redis = redis, .session = session, .lane = lane, .timeout_ms = timeout_ms};
    ev_init(&telling->timer, on_time);
    telling->timer.data = telling;
    return telling;
}

void telling_forget(struct telling *telling)
{
    struct teller *teller, *next;

    HASH_ITER(hh, telling->tellers, teller, next)
    {
        drop(telling, teller);
    }
}

void telling_free(struct telling *telling)
{
    if (!telling)
        return;
    ev_timer_stop(telling->loop, &telling->timer);
    telling_forget(telling);
    call_clear(&telling->call);
    free(telling);
}

void telling_add(struct telling *telling, const char *name, const unsigned char *token, const struct lane_note *note)
{
    struct teller *teller;

    HASH_FIND_STR(telling->tellers, name, teller);
    if (!teller) {
        teller = memory_new(sizeof *teller);
        snprintf(teller->name, sizeof teller->name, "%s", name);
        memcpy(teller->token, token, TOKEN_BYTES);
        HASH_ADD_STR(telling->tellers, name, teller);
    }
    arm(telling, note_merge(&teller->note, note));
}

struct note telling_end(struct telling *telling, const char *name)
{
    struct note note = {0};
    struct teller *teller;

    HASH_FIND_STR(telling->tellers, name, teller);
    if (!teller)
        return note;
    note = teller->note;
    teller->note = (struct note){0};
    drop(telling, teller);
    return note;
}

void telling_resume(struct telling *telling)
{
    arm_if_needed(telling);
}
