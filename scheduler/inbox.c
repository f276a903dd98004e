#include "scheduler/inbox.h"

#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/memory.h"
#include "scheduler/inbox_list.h"
#include "scheduler/inbox_round.h"

#define ENTRIES_PER_STREAM 128               /* of one read */
#define ENTRIES_PER_READ   4096              /* of all its streams */
#define READ_BYTES_MAX     (8 * 1024 * 1024) /* wished for in one read */
#define LISTEN_MS          1000

struct inbox {
    struct duty duty;
    struct redis *listener;
    struct inbox_stream *streams; /* by key */
    struct inbox_list *list;      /* of the private ones; NULL: there is the shared one */
    size_t turn;                  /* of the streams, those from here on are listened to next */
    bool reading;
    int64_t looked_mono_ms; /* when all streams of a turn were read last */
    size_t entry_bytes;     /* of the entries of the last read, on average */
    size_t pace;            /* entries to ask a stream for: one at first, at most twice as many as the time before */
    size_t asked;           /* entries that the last read has asked each stream for */
    ev_timer timer;
    struct complaint complaint;
    struct inbox_round *round;
    struct call call;
};

static void read_streams(struct inbox *inbox);

static void rest(struct inbox *inbox, int64_t ms)
{
    ev_timer_stop(inbox->duty.loop, &inbox->timer);
    ev_timer_set(&inbox->timer, (double)ms / 1000, 0);
    ev_timer_start(inbox->duty.loop, &inbox->timer);
}

static void on_time(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)events;
    read_streams(timer->data);
}

/* ---- what the next read asks for ---- */

/* Where something stayed, the walk begins anew after a while. */
static void begin_walks(struct inbox *inbox)
{
    int64_t mono_ms = clock_mono_ms();

    for (struct inbox_stream *stream = inbox->streams; stream; stream = stream->hh.next) {
        if (stream->stays && !stream->more && stream->again_mono_ms <= mono_ms) {
            snprintf(stream->from, sizeof stream->from, "0");
            stream->stays = false;
        }
    }
}

static bool any_stays(const struct inbox *inbox)
{
    for (const struct inbox_stream *stream = inbox->streams; stream; stream = stream->hh.next)
        if (stream->stays)
            return true;
    return false;
}

/* The streams to read: those that have more, or, if there are none or it is time, all of this turn. Their number. */
static size_t choose(struct inbox *inbox, struct inbox_stream *chosen[INBOX_STREAMS_PER_READ], bool *ret_wait)
{
    size_t count = 0, at = 0;

    for (struct inbox_stream *stream = inbox->streams; stream && count < INBOX_STREAMS_PER_READ; stream = stream->hh.next)
        if (stream->more)
            chosen[count++] = stream;
    *ret_wait = count == 0;
    if (count > 0 && clock_mono_ms() - inbox->looked_mono_ms < INBOX_LOOK_MS)
        return count;
    count = 0;
    inbox->looked_mono_ms = clock_mono_ms();
    if (inbox->turn >= HASH_COUNT(inbox->streams))
        inbox->turn = 0;
    for (struct inbox_stream *stream = inbox->streams; stream && count < INBOX_STREAMS_PER_READ; stream = stream->hh.next)
        if (at++ >= inbox->turn)
            chosen[count++] = stream;
    inbox->turn += count;
    return count;
}

static size_t smallest(size_t a, size_t b, size_t c)
{
    size_t smaller = a < b ? a : b;

    return smaller < c ? smaller : c;
}

/* Entries to ask each of `streams` streams (1..) for: fewer while they are large. */
static size_t entries_wanted(const struct inbox *inbox, size_t streams)
{
    size_t most = smallest(inbox->pace, ENTRIES_PER_READ / streams, READ_BYTES_MAX / (inbox->entry_bytes + 1) / streams);

    return most > 0 ? most : 1;
}

/* As long as nothing comes: less where many take turns, or something is to be tried again. */
static int64_t listen_ms(const struct inbox *inbox)
{
    int64_t turns = HASH_COUNT(inbox->streams) / INBOX_STREAMS_PER_READ + 1, ms = LISTEN_MS / turns;

    if (any_stays(inbox) && ms > STREAM_RETRY_MS)
        ms = STREAM_RETRY_MS;
    return ms > 0 ? ms : 1;
}

/* ---- reading ---- */

static void on_round_end(bool failed, void *ctx)
{
    struct inbox *inbox = ctx;

    inbox->reading = false;
    if (failed) {
        rest(inbox, STREAM_RETRY_MS);
        return;
    }
    if (!any_stays(inbox))
        duty_worked(&inbox->complaint, "inbox", 0);
    read_streams(inbox);
}

static size_t entry_bytes(const struct reply *entry)
{
    const struct reply *fields = reply_at(entry, 1);
    size_t bytes, sum = 0;

    for (size_t i = 0; i < reply_count(fields); i++) {
        reply_bytes(reply_at(fields, i), &bytes);
        sum += bytes;
    }
    return sum;
}

/* One stream of what was read. Adds up its entries and their bytes. */
static void take_stream(struct inbox *inbox, const struct reply *read, size_t *entries, size_t *bytes)
{
    const struct reply *list = reply_at(read, 1);
    struct inbox_stream *stream;

    HASH_FIND_STR(inbox->streams, reply_string(reply_at(read, 0)), stream);
    if (!stream)
        return;
    stream->more = reply_count(list) >= inbox->asked;
    for (size_t i = 0; i < reply_count(list); i++) {
        inbox_round_add(inbox->round, stream, reply_at(list, i));
        *bytes += entry_bytes(reply_at(list, i));
        ++*entries;
    }
}

static void on_read(const struct reply *reply, const struct error *err, void *ctx)
{
    struct inbox *inbox = ctx;
    size_t entries = 0, bytes = 0;

    if (err) {
        duty_failed(&inbox->duty, &inbox->complaint, "inbox", 0, err);
        on_round_end(true, inbox);
        return;
    }
    for (struct inbox_stream *stream = inbox->streams; stream; stream = stream->hh.next)
        stream->more = false;
    for (size_t i = 0; i < reply_count(reply); i++)
        take_stream(inbox, reply_at(reply, i), &entries, &bytes);
    if (entries > 0) {
        inbox->entry_bytes = bytes / entries;
        inbox->pace = smallest(2 * inbox->pace, ENTRIES_PER_STREAM, READ_BYTES_MAX / (inbox->entry_bytes + 1) + 1);
    }
    inbox_round_run(inbox->round);
}

static void send_read(struct inbox *inbox, struct inbox_stream *const *chosen, size_t count, bool wait)
{
    int64_t wait_ms = listen_ms(inbox);

    inbox->asked = entries_wanted(inbox, count);
    call_command(&inbox->call, "XREAD");
    call_add_string(&inbox->call, "COUNT");
    call_add_int(&inbox->call, (int64_t)inbox->asked);
    if (wait) {
        call_add_string(&inbox->call, "BLOCK");
        call_add_int(&inbox->call, wait_ms);
    }
    call_add_string(&inbox->call, "STREAMS");
    for (size_t i = 0; i < count; i++)
        call_add_string(&inbox->call, chosen[i]->key);
    for (size_t i = 0; i < count; i++)
        call_add_string(&inbox->call, chosen[i]->from);
    inbox->reading = true;
    redis_send(inbox->listener, &inbox->call, wait_ms + DUTY_TIMEOUT_MS, on_read, inbox);
}

static void read_streams(struct inbox *inbox)
{
    struct inbox_stream *chosen[INBOX_STREAMS_PER_READ];
    bool wait = false;
    size_t count;

    if (inbox->reading)
        return;
    if (inbox->list)
        inbox_list_sweep(inbox->list);
    begin_walks(inbox);
    count = redis_is_up(inbox->listener) ? choose(inbox, chosen, &wait) : 0;
    if (count > 0)
        send_read(inbox, chosen, count, wait);
    else
        rest(inbox, STREAM_RETRY_MS);
}

/* ---- beginning and end ---- */

static struct inbox *make(const struct duty *duty, struct redis *listener)
{
    struct inbox *inbox = memory_new(sizeof *inbox);

    *inbox = (struct inbox){.duty = *duty, .listener = listener, .pace = 1};
    inbox->round = inbox_round_new(duty, &inbox->complaint, on_round_end, inbox);
    ev_timer_init(&inbox->timer, on_time, 0, 0);
    inbox->timer.data = inbox;
    ev_timer_start(duty->loop, &inbox->timer);
    return inbox;
}

struct inbox *inbox_new(const struct duty *duty, struct redis *listener)
{
    struct inbox *inbox = make(duty, listener);
    struct inbox_stream *stream = memory_new(sizeof *stream);

    *stream =
        (struct inbox_stream){.key = KEY_INBOX, .rejected_key = KEY_REJECTED, .rejected_max = INBOX_REJECTED_MAX, .from = "0"};
    HASH_ADD_STR(inbox->streams, key, stream);
    return inbox;
}

static void on_change(void *ctx)
{
    read_streams(ctx);
}

struct inbox *inbox_new_private(const struct duty *duty, struct redis *listener)
{
    struct inbox *inbox = make(duty, listener);

    inbox->list = inbox_list_new(duty, &inbox->streams, on_change, inbox);
    return inbox;
}

void inbox_free(struct inbox *inbox)
{
    struct inbox_stream *stream, *next;

    if (!inbox)
        return;
    ev_timer_stop(inbox->duty.loop, &inbox->timer);
    inbox_list_free(inbox->list);
    inbox_round_free(inbox->round);
    stream = inbox->streams;
    HASH_CLEAR(hh, inbox->streams);
    for (; stream; stream = next) {
        next = stream->hh.next;
        free(stream);
    }
    call_clear(&inbox->call);
    free(inbox);
}
