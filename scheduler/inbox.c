#include "scheduler/inbox.h"

#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/job.h"
#include "common/keys.h"
#include "common/log.h"
#include "common/memory.h"
#include "scheduler/entry.h"

#define ENTRIES_PER_READ 128
#define BATCH_BYTES_MAX  (900 * 1024)      /* of records in one call; a single larger one goes alone */
#define READ_BYTES_MAX   (8 * 1024 * 1024) /* wished for in one read */
#define LISTEN_MS        1000
#define RETRY_S          0.5

struct item {
    char id[JOB_ID_BYTES_MAX + 1], org[NAME_BYTES_MAX + 1], type[TYPE_BYTES_MAX + 1];
    struct buffer record;
    char reason[256]; /* why it is rejected; "" if it is not */
    bool sent;        /* in a call of this round */
    bool settled;     /* its place is known: it leaves the stream */
};

/* The items of one call. */
struct batch {
    struct inbox *inbox;
    size_t index[ENTRIES_PER_READ], count;
};

struct inbox {
    struct duty duty;
    struct redis *listener;
    struct item items[ENTRIES_PER_READ];
    size_t count;
    size_t to_read;                  /* entries of the next read: one at first, fewer while they are large */
    char from[JOB_ID_BYTES_MAX + 1]; /* the next read begins behind this entry: "0", or behind what stays */
    bool stays;                      /* entries that were refused stay in the stream: the walk goes on behind them */
    bool at_end;                     /* this read came to the end of the stream */
    unsigned calls;                  /* of this round, not yet answered */
    bool failed;                     /* something of this round must be tried again */
    ev_timer retry;
    struct complaint complaint;
    struct call call;
};

static void read_stream(struct inbox *inbox);
static void leave_stream(struct inbox *inbox);

static void clear_items(struct inbox *inbox)
{
    for (size_t i = 0; i < inbox->count; i++)
        buffer_clear(&inbox->items[i].record);
    inbox->count = 0;
}

static void begin_walk(struct inbox *inbox)
{
    snprintf(inbox->from, sizeof inbox->from, "0");
    inbox->stays = false;
}

static void rest(struct inbox *inbox)
{
    ev_timer_stop(inbox->duty.loop, &inbox->retry);
    ev_timer_set(&inbox->retry, RETRY_S, 0);
    ev_timer_start(inbox->duty.loop, &inbox->retry);
}

/* The round is over. If it did not go well, the same again in a while. Otherwise the next one now; behind what stays, if
 * something does, so that a damaged organization does not hold up the others, and from the beginning when all was seen. */
static void end_round(struct inbox *inbox)
{
    if (inbox->count > 0 && inbox->stays && !inbox->failed)
        memcpy(inbox->from, inbox->items[inbox->count - 1].id, sizeof inbox->from);
    clear_items(inbox);
    if (inbox->failed) {
        rest(inbox);
    } else if (inbox->stays && inbox->at_end) {
        begin_walk(inbox);
        rest(inbox);
    } else {
        if (!inbox->stays)
            duty_worked(&inbox->complaint, "inbox", 0);
        read_stream(inbox);
    }
}

static void on_retry(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)events;
    read_stream(timer->data);
}

/* Counts an answer; the last one leads on. */
static void end_call(struct inbox *inbox, const struct error *err, void (*next)(struct inbox *))
{
    if (err) {
        inbox->failed = true;
        duty_failed(&inbox->duty, &inbox->complaint, "inbox", 0, err);
    }
    if (--inbox->calls == 0)
        next(inbox);
}

/* ---- 4: what is settled leaves the stream ---- */

static void on_left(const struct reply *reply, const struct error *err, void *ctx)
{
    (void)reply;
    end_call(ctx, err, end_round);
}

static void leave_stream(struct inbox *inbox)
{
    size_t settled = 0;

    call_command(&inbox->call, "XDEL");
    call_add_string(&inbox->call, KEY_INBOX);
    for (size_t i = 0; i < inbox->count; i++) {
        if (inbox->items[i].settled) {
            call_add_string(&inbox->call, inbox->items[i].id);
            settled++;
        }
    }
    if (settled == 0) {
        end_round(inbox);
        return;
    }
    inbox->calls = 1;
    redis_send(inbox->duty.redis, &inbox->call, DUTY_TIMEOUT_MS, on_left, inbox);
}

/* ---- 3: what was refused is written down ---- */

struct refusal {
    struct inbox *inbox;
    size_t index;
};

static void on_rejected(const struct reply *reply, const struct error *err, void *ctx)
{
    struct refusal refusal = *(struct refusal *)ctx;

    (void)reply;
    free(ctx);
    if (!err)
        refusal.inbox->items[refusal.index].settled = true;
    end_call(refusal.inbox, err, leave_stream);
}

static void send_rejected(struct inbox *inbox, size_t index)
{
    const struct item *item = &inbox->items[index];
    struct refusal *refusal = memory_new(sizeof *refusal);
    struct call *call = &inbox->call;

    *refusal = (struct refusal){.inbox = inbox, .index = index};
    log_warn("inbox entry rejected", "entry=%s org=%s reason=%s", item->id, item->org, item->reason);
    call_command(call, "XADD");
    call_add_string(call, KEY_REJECTED);
    call_add_string(call, "MAXLEN");
    call_add_string(call, "~");
    call_add_int(call, INBOX_REJECTED_MAX);
    call_add_string(call, "*");
    call_add_string(call, "entry");
    call_add_string(call, item->id);
    call_add_string(call, "org");
    call_add_string(call, item->org);
    call_add_string(call, "reason");
    call_add_string(call, item->reason);
    inbox->calls++;
    redis_send(inbox->duty.redis, call, DUTY_TIMEOUT_MS, on_rejected, refusal);
}

static void reject(struct inbox *inbox)
{
    inbox->calls = 1; /* so that answers that come at once do not lead on yet */
    for (size_t i = 0; i < inbox->count; i++)
        if (inbox->items[i].reason[0] && !inbox->items[i].settled)
            send_rejected(inbox, i);
    end_call(inbox, NULL, leave_stream);
}

/* ---- 2: one call for each organization ---- */

static void take_answer(struct inbox *inbox, struct item *item, const char *answer)
{
    if (strcmp(answer, "new") == 0 || strcmp(answer, "moved") == 0 || strcmp(answer, "exists") == 0 ||
        strncmp(answer, "coalesced ", 10) == 0)
        item->settled = true;
    else if (strcmp(answer, "intake_paused") == 0)
        inbox->failed = true; /* it stays in the stream */
    else
        snprintf(item->reason, sizeof item->reason, "%s", answer[0] ? answer : "no answer");
}

/* A key of the organization is damaged, say: its entries stay where they are. */
static void leave_batch(const struct batch *batch, const struct error *err)
{
    struct inbox *inbox = batch->inbox;
    struct error named;

    error_set(&named, err->code, "organization %s: %s", inbox->items[batch->index[0]].org, err->message);
    duty_failed(&inbox->duty, &inbox->complaint, "inbox", lane_of(inbox->items[batch->index[0]].org, inbox->duty.lanes), &named);
    inbox->stays = true;
}

static void on_moved(const struct reply *reply, const struct error *err, void *ctx)
{
    struct batch *batch = ctx;
    struct inbox *inbox = batch->inbox;

    for (size_t i = 0; i < batch->count; i++) {
        struct item *item = &inbox->items[batch->index[i]];
        if (!err)
            take_answer(inbox, item, reply_string(reply_at(reply, i)));
        else if (err->code == ERR_INVALID && batch->count == 1)
            snprintf(item->reason, sizeof item->reason, "%.250s", err->message);
    }
    if (err && err->code == ERR_PROTOCOL)
        leave_batch(batch, err);
    if (err && (err->code == ERR_PROTOCOL || (err->code == ERR_INVALID && batch->count == 1)))
        err = NULL;
    free(batch);
    end_call(inbox, err, reject);
}

static void send_batch(struct inbox *inbox, size_t first, const uint32_t lane, size_t entries_max)
{
    struct batch *batch = memory_new(sizeof *batch);
    const char *org = inbox->items[first].org;
    size_t bytes = 0;

    batch->inbox = inbox;
    call_function(&inbox->call, "inbox", lane);
    call_add_string(&inbox->call, org);
    for (size_t i = first; i < inbox->count && batch->count < entries_max; i++) {
        struct item *item = &inbox->items[i];
        if (item->sent || item->reason[0] || strcmp(item->org, org) != 0)
            continue;
        if (batch->count > 0 && bytes + item->record.length > BATCH_BYTES_MAX)
            break;
        bytes += item->record.length;
        call_add_string(&inbox->call, item->id);
        call_add(&inbox->call, item->record.data, item->record.length);
        item->sent = true;
        batch->index[batch->count++] = i;
    }
    inbox->calls++;
    redis_send(inbox->duty.redis, &inbox->call, DUTY_TIMEOUT_MS, on_moved, batch);
}

static void move(struct inbox *inbox)
{
    size_t entries_max = inbox->failed ? 1 : ENTRIES_PER_READ; /* after a refused batch, one by one: who is it? */

    inbox->failed = false;
    inbox->calls = 1;
    for (size_t i = 0; i < inbox->count; i++)
        if (!inbox->items[i].sent && !inbox->items[i].reason[0])
            send_batch(inbox, i, lane_of(inbox->items[i].org, inbox->duty.lanes), entries_max);
    end_call(inbox, NULL, reject);
}

/* ---- 1: the stream ---- */

static void read_item(struct inbox *inbox, const struct reply *entry)
{
    struct item *item = &inbox->items[inbox->count++];
    struct error err;

    *item = (struct item){0};
    snprintf(item->id, sizeof item->id, "%s", reply_string(reply_at(entry, 0)));
    if (entry_read(item->id, reply_at(entry, 1), item->org, &item->record, &err) < 0)
        snprintf(item->reason, sizeof item->reason, "%.250s", err.message);
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

/* How many entries to ask for after `count` of them had `bytes` bytes: at most twice as many. */
static size_t next_read(size_t to_read, size_t count, size_t bytes)
{
    size_t fit = bytes > 0 ? READ_BYTES_MAX / (bytes / count + 1) : ENTRIES_PER_READ;

    if (fit > 2 * to_read)
        fit = 2 * to_read;
    if (fit > ENTRIES_PER_READ)
        fit = ENTRIES_PER_READ;
    return fit > 0 ? fit : 1;
}

static void on_read(const struct reply *reply, const struct error *err, void *ctx)
{
    struct inbox *inbox = ctx;
    const struct reply *entries = reply_at(reply_at(reply, 0), 1);
    size_t bytes = 0;

    if (err) {
        inbox->failed = true;
        duty_failed(&inbox->duty, &inbox->complaint, "inbox", 0, err);
        end_round(inbox);
        return;
    }
    clear_items(inbox);
    for (size_t i = 0; i < reply_count(entries) && i < ENTRIES_PER_READ; i++) {
        read_item(inbox, reply_at(entries, i));
        bytes += entry_bytes(reply_at(entries, i));
    }
    if (inbox->count == 0) {
        begin_walk(inbox);
        read_stream(inbox);
        return;
    }
    inbox->at_end = inbox->count < inbox->to_read;
    inbox->to_read = next_read(inbox->to_read, inbox->count, bytes);
    move(inbox);
}

static void read_stream(struct inbox *inbox)
{
    if (!redis_is_up(inbox->listener)) {
        inbox->failed = true;
        end_round(inbox);
        return;
    }
    call_command(&inbox->call, "XREAD");
    call_add_string(&inbox->call, "COUNT");
    call_add_int(&inbox->call, (int64_t)inbox->to_read);
    call_add_string(&inbox->call, "BLOCK");
    call_add_int(&inbox->call, LISTEN_MS);
    call_add_string(&inbox->call, "STREAMS");
    call_add_string(&inbox->call, KEY_INBOX);
    call_add_string(&inbox->call, inbox->from);
    redis_send(inbox->listener, &inbox->call, LISTEN_MS + DUTY_TIMEOUT_MS, on_read, inbox);
}

struct inbox *inbox_new(const struct duty *duty, struct redis *listener)
{
    struct inbox *inbox = memory_new(sizeof *inbox);

    inbox->duty = *duty;
    inbox->listener = listener;
    inbox->to_read = 1;
    begin_walk(inbox);
    ev_timer_init(&inbox->retry, on_retry, 0, 0);
    inbox->retry.data = inbox;
    ev_timer_start(duty->loop, &inbox->retry);
    return inbox;
}

void inbox_free(struct inbox *inbox)
{
    if (!inbox)
        return;
    ev_timer_stop(inbox->duty.loop, &inbox->retry);
    clear_items(inbox);
    call_clear(&inbox->call);
    free(inbox);
}
