#include "scheduler/inbox_list.h"

#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "scheduler/inbox.h"

struct look; /* at one lane */

struct inbox_list {
    struct duty duty;
    struct inbox_stream **streams;
    void (*on_change)(void *ctx);
    void *ctx;
    uint64_t looks;    /* begun */
    uint64_t complete; /* the last one that all lanes have answered */
    unsigned waiting;  /* lanes that have not answered */
    bool failed, changed;
    ev_timer timer;
    struct complaint complaint;
    struct call call;
    struct look *lanes;
};

struct look {
    struct inbox_list *list;
    uint32_t lane;
};

static void note(struct inbox_list *list, uint32_t lane, const char *org)
{
    struct inbox_stream *stream;
    char key[KEY_BYTES_MAX];
    struct error ignored;

    if (name_check(org, "organization", &ignored) < 0)
        return;
    key_of_org(key, lane, org, "inbox");
    HASH_FIND_STR(*list->streams, key, stream);
    if (!stream) {
        stream = memory_new(sizeof *stream);
        *stream = (struct inbox_stream){.from = "0", .rejected_max = INBOX_PRIVATE_REJECTED_MAX};
        memcpy(stream->key, key, sizeof key);
        snprintf(stream->org, sizeof stream->org, "%s", org);
        key_of_org(stream->rejected_key, lane, org, "rejected");
        HASH_ADD_STR(*list->streams, key, stream);
        list->changed = true;
    }
    stream->listed = list->looks;
}

static void on_listed(const struct reply *reply, const struct error *err, void *ctx)
{
    const struct look *look = ctx;
    struct inbox_list *list = look->list;

    if (err) {
        list->failed = true;
        duty_failed(&list->duty, &list->complaint, "list of private inboxes", look->lane, err);
    }
    for (size_t i = 0; i < reply_count(reply); i++)
        note(list, look->lane, reply_string(reply_at(reply, i)));
    if (--list->waiting > 0)
        return;
    if (!list->failed) {
        list->complete = list->looks;
        duty_worked(&list->complaint, "list of private inboxes", 0);
    }
    if (list->changed)
        list->on_change(list->ctx);
    list->changed = false;
}

static void on_time(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct inbox_list *list = timer->data;
    char key[KEY_BYTES_MAX];

    (void)loop, (void)events;
    if (list->waiting > 0 || !redis_is_up(list->duty.redis))
        return;
    list->looks++;
    list->failed = false;
    list->waiting = list->duty.lanes;
    for (uint32_t lane = 0; lane < list->duty.lanes; lane++) {
        call_command(&list->call, "ZRANGE");
        call_add_string(&list->call, key_in_lane(key, lane, "inboxes"));
        call_add_int(&list->call, 0);
        call_add_int(&list->call, -1);
        redis_send(list->duty.redis, &list->call, DUTY_TIMEOUT_MS, on_listed, &list->lanes[lane]);
    }
}

void inbox_list_sweep(struct inbox_list *list)
{
    struct inbox_stream *stream, *next;

    HASH_ITER(hh, *list->streams, stream, next)
    {
        if (stream->listed >= list->complete)
            continue;
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): it does not follow the list that uthash keeps */
        HASH_DEL(*list->streams, stream);
        free(stream);
    }
}

struct inbox_list *inbox_list_new(const struct duty *duty, struct inbox_stream **streams, void (*on_change)(void *ctx), void *ctx)
{
    struct inbox_list *list = memory_new(sizeof *list);

    *list = (struct inbox_list){.duty = *duty, .streams = streams, .on_change = on_change, .ctx = ctx};
    list->lanes = memory_new(sizeof *list->lanes * duty->lanes);
    for (uint32_t lane = 0; lane < duty->lanes; lane++)
        list->lanes[lane] = (struct look){.list = list, .lane = lane};
    ev_timer_init(&list->timer, on_time, 0, INBOX_LIST_MS / 1000.0);
    list->timer.data = list;
    ev_timer_start(duty->loop, &list->timer);
    return list;
}

void inbox_list_free(struct inbox_list *list)
{
    if (!list)
        return;
    ev_timer_stop(list->duty.loop, &list->timer);
    call_clear(&list->call);
    free(list->lanes);
    free(list);
}
