#include "scheduler/inbox_round.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/job.h"
#include "common/log.h"
#include "common/memory.h"
#include "scheduler/entry.h"

#define BATCH_ENTRIES_MAX 128
#define BATCH_BYTES_MAX   (900 * 1024) /* of records in one call; a single larger one goes alone */

struct item {
    struct inbox_stream *stream;
    char id[JOB_ID_BYTES_MAX + 1]; /* of the job */
    const char *entry;             /* its end: the entry's id */
    char org[NAME_BYTES_MAX + 1];
    struct buffer record;
    char reason[256]; /* why it is rejected; "" if it is not */
    bool sent;        /* in a call of this round */
    bool settled;     /* its place is known: it leaves the stream */
};

/* The items of one call. */
struct batch {
    struct inbox_round *round;
    size_t index[BATCH_ENTRIES_MAX], count;
};

struct inbox_round {
    struct duty duty;
    struct complaint *complaint;
    void (*on_end)(bool failed, void *ctx);
    void *ctx;
    struct item **items; /* each by itself: answers refer to them */
    size_t count, slots;
    unsigned calls; /* not yet answered */
    bool failed;    /* something must be tried again */
    struct call call;
};

static void clear_items(struct inbox_round *round)
{
    for (size_t i = 0; i < round->count; i++) {
        buffer_clear(&round->items[i]->record);
        free(round->items[i]);
    }
    round->count = 0;
}

/* Where the next read of a stream begins if something of it stays: behind the last of its entries. */
static void end_round(struct inbox_round *round)
{
    bool failed = round->failed;

    for (size_t i = 0; i < round->count && !failed; i++)
        if (round->items[i]->stream->stays)
            snprintf(round->items[i]->stream->from, sizeof round->items[i]->stream->from, "%s", round->items[i]->entry);
    clear_items(round);
    round->failed = false;
    round->on_end(failed, round->ctx);
}

/* Counts an answer; the last one leads on. */
static void end_call(struct inbox_round *round, const struct error *err, void (*next)(struct inbox_round *))
{
    if (err) {
        round->failed = true;
        duty_failed(&round->duty, round->complaint, "inbox", 0, err);
    }
    if (--round->calls == 0)
        next(round);
}

static void send(struct inbox_round *round, redis_cb *cb, void *ctx)
{
    round->calls++;
    redis_send(round->duty.redis, &round->call, DUTY_TIMEOUT_MS, cb, ctx);
}

/* The index behind the items of the stream that item `first` is of. */
static size_t stream_end(const struct inbox_round *round, size_t first)
{
    size_t end = first;

    while (end < round->count && round->items[end]->stream == round->items[first]->stream)
        end++;
    return end;
}

/* ---- 3: what is settled leaves its stream ---- */

static void on_left(const struct reply *reply, const struct error *err, void *ctx)
{
    (void)reply;
    end_call(ctx, err, end_round);
}

static void leave_stream(struct inbox_round *round, size_t first, size_t end)
{
    bool any = false;

    call_command(&round->call, "XDEL");
    call_add_string(&round->call, round->items[first]->stream->key);
    for (size_t i = first; i < end; i++) {
        if (round->items[i]->settled) {
            call_add_string(&round->call, round->items[i]->entry);
            any = true;
        }
    }
    if (any)
        send(round, on_left, round);
}

static void leave(struct inbox_round *round)
{
    round->calls = 1; /* so that answers that come at once do not lead on yet */
    for (size_t first = 0, end; first < round->count; first = end) {
        end = stream_end(round, first);
        leave_stream(round, first, end);
    }
    end_call(round, NULL, end_round);
}

/* ---- 2: what was refused is written down ---- */

struct refusal {
    struct inbox_round *round;
    struct item *item;
};

static void on_rejected(const struct reply *reply, const struct error *err, void *ctx)
{
    struct refusal refusal = *(struct refusal *)ctx;

    (void)reply;
    free(ctx);
    if (!err)
        refusal.item->settled = true;
    end_call(refusal.round, err, leave);
}

/* Each entry of the shared inbox; of a private one the first, and one a minute: its owner may send what he likes. */
static void log_rejected(const struct item *item)
{
    struct inbox_stream *stream = item->stream;

    if (!stream->org[0])
        log_warn("inbox entry rejected", "entry=%s org=%s reason=%s", item->entry, item->org, item->reason);
    else if (complaint_raise(&stream->rejects, "rejected", clock_mono_ms()))
        log_warn("entries of a private inbox rejected, this is one of them", "entry=%s org=%s reason=%s", item->entry, item->org,
                 item->reason);
}

static void send_rejected(struct inbox_round *round, struct item *item)
{
    struct refusal *refusal = memory_new(sizeof *refusal);
    struct call *call = &round->call;

    *refusal = (struct refusal){.round = round, .item = item};
    log_rejected(item);
    call_command(call, "XADD");
    call_add_string(call, item->stream->rejected_key);
    if (item->stream->org[0])
        call_add_string(call, "NOMKSTREAM"); /* gone with its organization */
    call_add_string(call, "MAXLEN");
    call_add_string(call, "~");
    call_add_int(call, item->stream->rejected_max);
    call_add_string(call, "*");
    call_add_string(call, "entry");
    call_add_string(call, item->entry);
    call_add_string(call, "org");
    call_add_string(call, item->org);
    call_add_string(call, "reason");
    call_add_string(call, item->reason);
    send(round, on_rejected, refusal);
}

static void reject(struct inbox_round *round)
{
    round->calls = 1;
    for (size_t i = 0; i < round->count; i++)
        if (round->items[i]->reason[0] && !round->items[i]->settled)
            send_rejected(round, round->items[i]);
    end_call(round, NULL, leave);
}

/* ---- 1: one call for each organization ---- */

static bool is_taken(const char *answer)
{
    static const char *const taken[] = {"new", "moved", "exists", "coalesced", "merged", "follows"};
    size_t bytes = strcspn(answer, " ");

    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
        if (strlen(taken[i]) == bytes && memcmp(answer, taken[i], bytes) == 0)
            return true;
    return false;
}

static void take_answer(struct inbox_round *round, struct item *item, const char *answer)
{
    if (is_taken(answer))
        item->settled = true;
    else if (strcmp(answer, "intake_paused") == 0)
        round->failed = true; /* it stays in the stream */
    else
        snprintf(item->reason, sizeof item->reason, "%s", answer[0] ? answer : "no answer");
}

/* A key of the organization is damaged, say: its entries stay where they are. */
static void leave_batch(const struct batch *batch, const struct error *err)
{
    struct inbox_round *round = batch->round;
    const struct item *first = round->items[batch->index[0]];
    struct error named;

    error_set(&named, err->code, "organization %s: %s", first->org, err->message);
    duty_failed(&round->duty, round->complaint, "inbox", lane_of(first->org, round->duty.lanes), &named);
    first->stream->stays = true;
    first->stream->again_mono_ms = clock_mono_ms() + STREAM_RETRY_MS;
}

static void send_batch(struct inbox_round *round, const size_t *index, size_t count);

static void on_moved(const struct reply *reply, const struct error *err, void *ctx)
{
    struct batch *batch = ctx;
    struct inbox_round *round = batch->round;

    if (!err) {
        for (size_t i = 0; i < batch->count; i++)
            take_answer(round, round->items[batch->index[i]], reply_string(reply_at(reply, i)));
    } else if (err->code == ERR_PROTOCOL) {
        leave_batch(batch, err);
        err = NULL;
    } else if (err->code == ERR_INVALID) { /* which of them is it? One by one. */
        if (batch->count == 1)
            snprintf(round->items[batch->index[0]]->reason, sizeof round->items[0]->reason, "%.250s", err->message);
        for (size_t i = 0; i < batch->count && batch->count > 1; i++)
            send_batch(round, &batch->index[i], 1);
        err = NULL;
    }
    free(batch);
    end_call(round, err, reject);
}

static void send_batch(struct inbox_round *round, const size_t *index, size_t count)
{
    struct batch *batch = memory_new(sizeof *batch);
    const char *org = round->items[index[0]]->org;

    *batch = (struct batch){.round = round, .count = count};
    memcpy(batch->index, index, count * sizeof *index);
    call_function(&round->call, "inbox", lane_of(org, round->duty.lanes));
    call_add_string(&round->call, org);
    for (size_t i = 0; i < count; i++) {
        const struct item *item = round->items[index[i]];
        call_add_string(&round->call, item->id);
        call_add(&round->call, item->record.data, item->record.length);
    }
    send(round, on_moved, batch);
}

/* Sends the first item with those behind it that are of the same stream and organization, as many as fit. */
static void send_from(struct inbox_round *round, size_t first)
{
    size_t index[BATCH_ENTRIES_MAX] = {first}, count = 0, bytes = 0, end = stream_end(round, first);

    for (size_t i = first; i < end && count < BATCH_ENTRIES_MAX; i++) {
        struct item *item = round->items[i];
        if (item->sent || item->reason[0] || strcmp(item->org, round->items[first]->org) != 0)
            continue;
        if (count > 0 && bytes + item->record.length > BATCH_BYTES_MAX)
            break;
        bytes += item->record.length;
        item->sent = true;
        index[count++] = i;
    }
    send_batch(round, index, count);
}

void inbox_round_run(struct inbox_round *round)
{
    round->calls = 1;
    for (size_t i = 0; i < round->count; i++)
        if (!round->items[i]->sent && !round->items[i]->reason[0])
            send_from(round, i);
    end_call(round, NULL, reject);
}

/* ---- the beginning ---- */

void inbox_round_add(struct inbox_round *round, struct inbox_stream *stream, const struct reply *entry)
{
    struct item *item = memory_new(sizeof *item);
    const char *prefix = stream->org[0] ? ID_PRIVATE_PREFIX : "";
    struct error err;

    if (round->count == round->slots) {
        round->slots = round->slots ? 2 * round->slots : BATCH_ENTRIES_MAX;
        round->items = memory_resize(round->items, round->slots * sizeof *round->items);
    }
    round->items[round->count++] = item;
    item->stream = stream;
    snprintf(item->id, sizeof item->id, "%s%s", prefix, reply_string(reply_at(entry, 0)));
    item->entry = item->id + strlen(prefix);
    if (entry_read(item->id, stream->org, reply_at(entry, 1), item->org, &item->record, &err) < 0)
        snprintf(item->reason, sizeof item->reason, "%.250s", err.message);
}

struct inbox_round *inbox_round_new(const struct duty *duty, struct complaint *complaint, void (*on_end)(bool failed, void *ctx),
                                    void *ctx)
{
    struct inbox_round *round = memory_new(sizeof *round);

    *round = (struct inbox_round){.duty = *duty, .complaint = complaint, .on_end = on_end, .ctx = ctx};
    return round;
}

void inbox_round_free(struct inbox_round *round)
{
    if (!round)
        return;
    clear_items(round);
    free(round->items);
    call_clear(&round->call);
    free(round);
}
