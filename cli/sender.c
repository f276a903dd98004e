#include "cli/sender.h"

#include <assert.h>
#include <ev.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include <uthash.h>

#include "cli/connection.h"
#include "common/clock.h"
#include "common/memory.h"
#include "common/random.h"

#define CALL_JOBS_MAX  128
#define CALL_BYTES_MAX (1024 * 1024) /* of records */
#define OPEN_CALLS_MAX 4096          /* organizations whose jobs are gathered at the same time */
#define UNDER_WAY_MAX  8             /* calls */
#define HELD_JOBS_MAX  65536         /* jobs not yet told of */
#define HELD_BYTES_MAX (32 * 1024 * 1024)
#define RETRY_PAUSE_MS 50

/* A job not yet told of. */
struct item {
    STAILQ_ENTRY(item) entry;
    size_t number;
    char org[NAME_BYTES_MAX + 1], id[JOB_ID_BYTES_MAX + 1];
    bool drawn, told_apart; /* the id was drawn · it is known what became of it */
    char *record;
    size_t record_bytes, payload_bytes;
    char answer[24], owner[JOB_ID_BYTES_MAX + 1];
    struct error *err;
};

/* A call: being gathered, under way, or to be sent again. */
struct batch {
    UT_hash_handle gathered;   /* in `open` */
    STAILQ_ENTRY(batch) entry; /* in `again` */
    struct sender *sender;
    char org[NAME_BYTES_MAX + 1];
    struct item *items[CALL_JOBS_MAX];
    size_t count, bytes;
    int64_t give_up_mono_ms; /* 0: not sent yet */
    bool doubtful;           /* it was sent and not answered: whatever becomes of a repetition, that one may have been applied */
};

STAILQ_HEAD(items, item);
STAILQ_HEAD(batches, batch);

struct sender {
    struct cli *cli;
    int64_t retry_ms;
    sender_cb *cb;
    void *ctx;
    struct items held;
    size_t held_count, held_bytes;
    struct batch *open; /* by organization, the oldest first */
    struct batches again;
    unsigned under_way;
    bool pause; /* before `again` is sent: Redis is away or busy */
};

struct sender *sender_new(struct cli *cli, int64_t retry_ms, sender_cb *cb, void *ctx)
{
    struct sender *sender = memory_new(sizeof *sender);

    *sender = (struct sender){.cli = cli, .retry_ms = retry_ms, .cb = cb, .ctx = ctx};
    STAILQ_INIT(&sender->held);
    STAILQ_INIT(&sender->again);
    return sender;
}

/* ---- telling ---- */

static void settle(struct item *item, const char *answer, const struct error *err)
{
    const char *space = strchr(answer, ' ');

    item->told_apart = true;
    snprintf(item->answer, sizeof item->answer, "%.*s", (int)(space ? space - answer : (long)strlen(answer)), answer);
    snprintf(item->owner, sizeof item->owner, "%s", space ? space + 1 : "");
    if (err) {
        item->err = memory_new(sizeof *item->err);
        *item->err = *err;
    }
}

/* Tells of the jobs whose turn it is, and forgets them. */
static void tell(struct sender *sender)
{
    struct item *item;

    while ((item = STAILQ_FIRST(&sender->held)) && item->told_apart) {
        STAILQ_REMOVE_HEAD(&sender->held, entry);
        sender->held_count--;
        sender->held_bytes -= item->record_bytes;
        sender->cb(&(struct sent){.number = item->number,
                                  .org = item->org,
                                  .id = item->id,
                                  .answer = item->answer,
                                  .owner = item->owner,
                                  .payload_bytes = item->payload_bytes,
                                  .err = item->err},
                   sender->ctx);
        free(item->err);
        free(item->record);
        free(item);
    }
}

/* ---- answers ---- */

/* A call of its own for one job. */
static void send_alone(struct sender *sender, struct item *item, int64_t give_up_mono_ms)
{
    struct batch *batch = memory_new(sizeof *batch);

    *batch = (struct batch){
        .sender = sender, .items = {item}, .count = 1, .bytes = item->record_bytes, .give_up_mono_ms = give_up_mono_ms};
    memcpy(batch->org, item->org, sizeof batch->org);
    STAILQ_INSERT_TAIL(&sender->again, batch, entry);
}

static void read_answers(struct batch *batch, const struct reply *reply)
{
    struct error err;

    for (size_t i = 0; i < batch->count; i++) {
        const char *answer = reply_string(reply_at(reply, i));
        if (!answer[0]) {
            error_set(&err, ERR_PROTOCOL, "%zu answers for %zu jobs", reply_count(reply), batch->count);
            settle(batch->items[i], "failed", &err);
        } else if (strcmp(answer, "taken") == 0 && batch->items[i]->drawn) {
            id_draw(batch->items[i]->id);
            send_alone(batch->sender, batch->items[i], batch->give_up_mono_ms);
        } else {
            settle(batch->items[i], answer, NULL);
        }
    }
}

/* True if the batch is to be sent again, whole or in parts. */
static bool goes_again(struct batch *batch, const struct error *err)
{
    struct sender *sender = batch->sender;

    if ((err->code == ERR_UNAVAILABLE || err->code == ERR_UNKNOWN) && clock_mono_ms() < batch->give_up_mono_ms) {
        sender->pause = true;
        STAILQ_INSERT_TAIL(&sender->again, batch, entry);
        return true;
    }
    if (err->code != ERR_INVALID || batch->count == 1)
        return false;
    for (size_t i = 0; i < batch->count; i++) /* one of them is refused, and nothing was changed: which one? */
        send_alone(sender, batch->items[i], batch->give_up_mono_ms);
    free(batch);
    return true;
}

static void on_answer(const struct reply *reply, const struct error *err, void *ctx)
{
    struct batch *batch = ctx;

    batch->sender->under_way--;
    batch->doubtful = batch->doubtful || (err && err->code == ERR_UNKNOWN);
    if (err && goes_again(batch, err))
        return;
    if (err) /* what is invalid was so the first time, too */
        for (size_t i = 0; i < batch->count; i++)
            settle(batch->items[i], batch->doubtful && err->code != ERR_INVALID ? "unknown" : "failed", err);
    else
        read_answers(batch, reply);
    free(batch);
}

/* ---- sending ---- */

static void send(struct batch *batch)
{
    struct sender *sender = batch->sender;
    struct cli *cli = sender->cli;
    struct call call = {0};

    if (batch->give_up_mono_ms == 0)
        batch->give_up_mono_ms = clock_mono_ms() + sender->retry_ms;
    call_function(&call, "enqueue", cli_lane(cli, batch->org));
    call_add_string(&call, batch->org);
    for (size_t i = 0; i < batch->count; i++) {
        call_add_string(&call, batch->items[i]->id);
        call_add(&call, batch->items[i]->record, batch->items[i]->record_bytes);
    }
    sender->under_way++;
    redis_send(cli->redis, &call, ANSWER_MS_MAX, on_answer, batch);
    call_clear(&call);
}

/* Sends what is to be sent again. While Redis is away this waits for it, but not longer than the calls have time. */
static void send_again(struct sender *sender)
{
    struct batch *batch;
    struct error down;

    if (sender->pause) {
        poll(NULL, 0, RETRY_PAUSE_MS);
        if (redis_wait_up(sender->cli->redis, sender->retry_ms ? sender->retry_ms : 1, &down) < 0)
            poll(NULL, 0, RETRY_PAUSE_MS);
    }
    sender->pause = false;
    while ((batch = STAILQ_FIRST(&sender->again)) && sender->under_way < UNDER_WAY_MAX) {
        STAILQ_REMOVE_HEAD(&sender->again, entry);
        send(batch);
    }
}

/* Waits for something to happen, and tells of what has been settled. */
static void step(struct sender *sender)
{
    if (!STAILQ_EMPTY(&sender->again) && (sender->under_way == 0 || !sender->pause))
        send_again(sender);
    if (sender->under_way > 0)
        ev_run(sender->cli->loop, EVRUN_ONCE);
    tell(sender);
}

/* Sends a batch that was being gathered. */
static void close_batch(struct sender *sender, struct batch *batch)
{
    HASH_DELETE(gathered, sender->open, batch);
    while (sender->under_way >= UNDER_WAY_MAX || !STAILQ_EMPTY(&sender->again))
        step(sender);
    send(batch);
}

/* The batch that takes another `bytes` of `org`. */
static struct batch *open_batch(struct sender *sender, const char *org, size_t bytes)
{
    struct batch *batch;

    HASH_FIND(gathered, sender->open, org, strlen(org), batch);
    if (batch && batch->bytes + bytes <= CALL_BYTES_MAX)
        return batch;
    if (batch)
        close_batch(sender, batch);
    else if (HASH_CNT(gathered, sender->open) == OPEN_CALLS_MAX)
        close_batch(sender, sender->open);
    batch = memory_new(sizeof *batch);
    batch->sender = sender;
    snprintf(batch->org, sizeof batch->org, "%s", org);
    HASH_ADD_KEYPTR(gathered, sender->open, batch->org, strlen(batch->org), batch);
    return batch;
}

static void close_all(struct sender *sender)
{
    while (sender->open)
        close_batch(sender, sender->open);
}

static int encode(struct buffer *out, const struct request *request, struct error *err)
{
    struct job_record record = request->record;

    random_bytes(&record.nonce, sizeof record.nonce);
    if (job_record_encode(out, &record, err) < 0)
        return err->code;
    if (out->length > CALL_BYTES_MAX)
        return error_set(err, ERR_LIMIT, "the job has %zu bytes with all its options, the limit is %d", out->length,
                         CALL_BYTES_MAX);
    return 0;
}

int sender_check(const struct request *request, struct error *err)
{
    struct buffer bytes = {0};
    int rc = encode(&bytes, request, err);

    buffer_clear(&bytes);
    return rc;
}

/* A request as an item; NULL if it cannot be encoded. */
static struct item *new_item(const struct request *request, struct error *err)
{
    struct buffer bytes = {0};
    struct item *item;

    if (encode(&bytes, request, err) < 0) {
        buffer_clear(&bytes);
        return NULL;
    }
    item = memory_new(sizeof *item);
    item->drawn = request->id[0] == '\0';
    item->record_bytes = bytes.length;
    item->record = buffer_give(&bytes);
    item->payload_bytes = request->record.payload_bytes;
    snprintf(item->org, sizeof item->org, "%s", request->org);
    snprintf(item->id, sizeof item->id, "%s", request->id);
    if (item->drawn)
        id_draw(item->id);
    return item;
}

int sender_add(struct sender *sender, const struct request *request, size_t number, struct error *err)
{
    struct item *item = new_item(request, err);
    struct batch *batch;

    if (!item)
        return err->code;
    batch = open_batch(sender, item->org, item->record_bytes);
    item->number = number;
    STAILQ_INSERT_TAIL(&sender->held, item, entry);
    sender->held_count++;
    sender->held_bytes += item->record_bytes;
    batch->items[batch->count++] = item;
    batch->bytes += item->record_bytes;
    if (batch->count == CALL_JOBS_MAX)
        close_batch(sender, batch);
    if (sender->held_count >= HELD_JOBS_MAX || sender->held_bytes >= HELD_BYTES_MAX)
        sender_finish(sender);
    return 0;
}

void sender_finish(struct sender *sender)
{
    close_all(sender);
    while (sender->held_count > 0)
        step(sender);
}

void sender_free(struct sender *sender)
{
    if (!sender)
        return;
    assert(sender->held_count == 0 && sender->under_way == 0);
    free(sender);
}
