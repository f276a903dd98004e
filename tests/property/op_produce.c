/* op_produce.c - jobs come in, and operators change what becomes of them. */
#include "tests/property/operations.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LIVE_MAX    50 /* jobs that wait or run, in a lane */
#define JOBS_MAX    90 /* and with those that ended */
#define BATCH_MAX   12
#define LARGE_BYTES 40000
#define KEYS        5 /* idempotency keys of an organization */
#define COALESCING  3 /* coalescing keys */

#define WAITING (1U << PLACE_READY | 1U << PLACE_WAITING | 1U << PLACE_SCHEDULED)
#define LIVE    (WAITING | 1U << PLACE_RUNNING)
#define ENDED   (1U << PLACE_DONE | 1U << PLACE_DEAD | 1U << PLACE_CANCELLED)

/* ---- wishes ---- */

static void draw_id(struct world *w, char ret_id[MODEL_ID_BYTES_MAX + 1])
{
    static const char letters[] = "0123456789abcdefghjkmnpqrstvwxyzABZ._:-";
    size_t bytes = (size_t)draw_between(w, 4, 13);

    for (size_t i = 0; i < bytes; i++)
        ret_id[i] = letters[draw(w, sizeof letters - 1)];
    ret_id[bytes] = '\0';
}

static struct wish draw_wish(struct world *w)
{
    struct wish wish = {.type = (int)(draw(w, 8) < 6 ? draw(w, 2) : 2), .nonce = ++w->drawn};

    wish.queue = draw_percent(w, 60) ? 0 : (int)draw(w, MODEL_QUEUES);
    if (draw_percent(w, 50))
        return wish; /* a plain job, which is the fast path of the functions */
    wish.payload_bytes = draw_percent(w, 2) ? LARGE_BYTES : (uint32_t)draw(w, 3) * 20;
    wish.payload_seed = wish.payload_bytes ? (uint32_t)draw(w, 3) : 0;
    if (draw_percent(w, 40))
        wish.priority = (int)draw_between(w, -100, 100);
    if (draw_percent(w, 25))
        wish.delay_ms = draw_between(w, 1, 20000);
    else if (draw_percent(w, 25))
        wish.due_ms = now_ms(w) + draw_between(w, -5000, 20000);
    if (draw_percent(w, 25))
        wish.expires_ms = now_ms(w) + draw_between(w, -500, 20000);
    if (draw_percent(w, 40))
        wish.limit = (int)draw(w, MODEL_LIMIT_NAMES);
    if (draw_percent(w, 25))
        wish.timeout_ms = draw_between(w, 1, 60000);
    if (draw_percent(w, 25))
        wish.max_attempts = (int)draw_between(w, 1, 3);
    if (draw_percent(w, 40)) {
        snprintf(wish.coalesce, sizeof wish.coalesce, "c%d", (int)draw(w, COALESCING));
        wish.earliest = draw_percent(w, 40);
        return wish;
    }
    uint64_t key = draw(w, 2 * KEYS);
    if (key < KEYS) /* every other one is so long that its lease is, too */
        snprintf(wish.key, sizeof wish.key, "%s-%" PRIu64,
                 key % 2 ? "key" : "a-key-of-more-bytes-than-fit-into-an-entry-of-a-list-pack-in-redis", key);
    return wish;
}

struct bytes wish_record(struct world *w, const struct wish *wish)
{
    static char payload[LARGE_BYTES];

    memset(payload, 'a' + (int)wish->payload_seed, wish->payload_bytes);
    return lane_record(w->f, &(struct lane_record){
                                 .type = model_type_names[wish->type],
                                 .nonce = wish->nonce,
                                 .queue = wish->queue ? model_queue_names[wish->queue] : NULL,
                                 .priority = wish->priority,
                                 .max_attempts = wish->max_attempts,
                                 .due_ms = wish->due_ms,
                                 .delay_ms = wish->delay_ms,
                                 .expires_ms = wish->expires_ms,
                                 .timeout_ms = wish->timeout_ms,
                                 .key = wish->key[0] ? wish->key : NULL,
                                 .coalesce = wish->coalesce[0] ? wish->coalesce : NULL,
                                 .earliest = wish->earliest,
                                 .limit = wish->limit ? model_limit_names[wish->limit] : NULL,
                                 .payload = payload,
                                 .payload_bytes = wish->payload_bytes,
                             });
}

/* ---- enqueue ---- */

struct pair {
    char id[MODEL_ID_BYTES_MAX + 1];
    struct wish wish;
};

static int count_live(const struct world *w)
{
    return model_count(w->model, NULL, PLACE_READY, -1) + model_count(w->model, NULL, PLACE_WAITING, -1) +
           model_count(w->model, NULL, PLACE_SCHEDULED, -1) + model_count(w->model, NULL, PLACE_RUNNING, -1);
}

/* A new job; or a retry of one that is known, or another one under a known id. False: there is no room for new ones. */
static bool draw_pair(struct world *w, const struct model_org *org, struct pair *pair, int ahead)
{
    struct model_job *known = draw_percent(w, 15) ? draw_job(w, LIVE | ENDED) : NULL;

    if (known && known->org == org) {
        memcpy(pair->id, known->id, sizeof pair->id);
        pair->wish = known->wish;
        if (draw_percent(w, 30))
            pair->wish.nonce = ++w->drawn;
        if (known->change_count > 0 && draw_percent(w, 60)) { /* a change that was merged comes again */
            const struct model_change *change = &known->changes[draw(w, (uint64_t)known->change_count)];
            memcpy(pair->id, change->id, sizeof pair->id);
            pair->wish.nonce = change->nonce;
        }
        return true;
    }
    if (count_live(w) + ahead >= LIVE_MAX || model_count_all(w->model) + ahead >= JOBS_MAX)
        return false;
    draw_id(w, pair->id);
    pair->wish = draw_wish(w);
    return true;
}

bool draw_further_job(struct world *w, const struct model_org *org, char ret_id[MODEL_ID_BYTES_MAX + 1], struct wish *ret_wish,
                      int ahead)
{
    struct pair pair;

    if (!draw_pair(w, org, &pair, ahead))
        return false;
    memcpy(ret_id, pair.id, sizeof pair.id);
    *ret_wish = pair.wish;
    return true;
}

static void remember_entry(struct world *w, const char *name)
{
    struct model_seen *seen = model_find_seen(w->model, "");

    snprintf(seen->name, sizeof seen->name, "%s", name);
    seen->at_ms = now_ms(w);
}

static bool is_taken(const char *answer)
{
    static const char *const words[] = {"new", "exists", "coalesced", "merged", "follows"};

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strncmp(answer, words[i], strlen(words[i])) == 0)
            return true;
    return false;
}

/* Sends the pairs, which are of one organization. `function` is enqueue or inbox. */
static void send_pairs(struct world *w, const char *function, struct model_org *org, const struct pair *pairs, int count)
{
    struct args args = {0};

    note(w, "%s %s", function, org->name);
    args_text(&args, "%s", org->name);
    for (int i = 0; i < count; i++) {
        struct bytes record = wish_record(w, &pairs[i].wish);
        args_text(&args, "%s", pairs[i].id);
        args_add(&args, record.data, record.length);
    }
    const redisReply *reply = ask(w, function, &args);
    expect_number(w, (int64_t)reply->elements, count, "number of answers");
    for (int i = 0; i < count; i++) {
        bool inbox = strcmp(function, "inbox") == 0;
        char answer[96] = "moved", name[JOB_NAME_BYTES_MAX + 1];
        snprintf(name, sizeof name, "%s/%s", org->name, pairs[i].id);
        bool seen = inbox && model_find_seen(w->model, name);
        if (inbox && !seen && !org->private_inbox && strncmp(pairs[i].id, "p:", 2) == 0) {
            snprintf(answer, sizeof answer, "closed");
        } else if (!seen) {
            model_enqueue(w->model, now_ms(w), org, pairs[i].id, &pairs[i].wish, answer);
            if (inbox && is_taken(answer))
                remember_entry(w, name);
        }
        note(w, " %s:%s", pairs[i].id, answer);
        expect_text(w, reply->element[i], answer, pairs[i].id);
    }
}

void op_enqueue(struct world *w)
{
    struct model_org *org = draw_org(w);
    struct pair pair;

    if (draw_pair(w, org, &pair, 0))
        send_pairs(w, "enqueue", org, &pair, 1);
    else
        op_delete(w);
}

void op_enqueue_batch(struct world *w)
{
    struct model_org *org = draw_org(w);
    struct pair pairs[BATCH_MAX];
    int count = 0, wanted = (int)draw_between(w, 2, BATCH_MAX);

    while (count < wanted && draw_pair(w, org, &pairs[count], count)) {
        if (count > 0 && draw_percent(w, 10))
            pairs[count] = pairs[draw(w, (uint64_t)count)]; /* twice in one batch */
        count++;
    }
    if (count == 0)
        op_delete(w);
    else
        send_pairs(w, "enqueue", org, pairs, count);
}

/* One or two entries, some of them for the second time, some of a private inbox, which the organization may have or not. */
void op_inbox(struct world *w)
{
    struct model_org *org = draw_org(w);
    const struct model_seen *again = &w->model->seen[draw(w, MODEL_SEEN_MAX)];
    struct pair pairs[2] = {0};
    int count = 0;

    if (again->name[0]) {
        const char *slash = strchr(again->name, '/');
        char name[NAME_BYTES_MAX + 1];
        snprintf(name, sizeof name, "%.*s", (int)(slash - again->name), again->name);
        org = model_find_org(w->model, name);
        snprintf(pairs[count].id, sizeof pairs[count].id, "%s", slash + 1);
        pairs[count++].wish = draw_wish(w);
    }
    if (model_find_seen(w->model, "") && draw_pair(w, org, &pairs[count], 0)) {
        if (draw_percent(w, 30) && !model_find(w->model, org, pairs[count].id))
            memcpy(pairs[count].id, "p:", 2);
        count++;
    }
    if (count > 0)
        send_pairs(w, "inbox", org, pairs, count);
    else
        op_delete(w);
}

/* ---- operators ---- */

/* A job to do something to, mostly one of `places`; or none, under a name that nobody has. */
static struct model_job *draw_victim(struct world *w, unsigned places, struct model_org **ret_org,
                                     char ret_id[MODEL_ID_BYTES_MAX + 1])
{
    struct model_job *job = draw_percent(w, 95) ? draw_job(w, draw_percent(w, 80) ? places : LIVE | ENDED) : NULL;

    *ret_org = job ? job->org : draw_org(w);
    snprintf(ret_id, MODEL_ID_BYTES_MAX + 1, "%s", job ? job->id : "nobody");
    return job;
}

void op_cancel(struct world *w)
{
    char id[MODEL_ID_BYTES_MAX + 1];
    struct model_org *org;
    struct model_job *job = draw_victim(w, LIVE, &org, id);
    struct args args = {0};

    note(w, "cancel %s/%s", org->name, id);
    args_text(&args, "tester");
    args_text(&args, "%s", org->name);
    args_text(&args, "%s", id);
    expect_text(w, ask(w, "cancel", &args), model_cancel(w->model, now_ms(w), job), "cancel");
}

void op_reschedule(struct world *w)
{
    char id[MODEL_ID_BYTES_MAX + 1];
    struct model_org *org;
    struct model_job *job = draw_victim(w, WAITING, &org, id);
    int64_t due_ms = draw_percent(w, 30) ? 0 : now_ms(w) + draw_between(w, -10000, 20000);
    struct args args = {0};

    note(w, "reschedule %s/%s in %" PRId64 " ms", org->name, id, due_ms - now_ms(w));
    args_text(&args, "tester");
    args_text(&args, "%s", org->name);
    args_text(&args, "%s", id);
    args_text(&args, "%" PRId64, due_ms);
    expect_text(w, ask(w, "reschedule", &args), model_reschedule(job, now_ms(w), due_ms), "reschedule");
}

/* Up to 8 jobs of one organization, one of them perhaps twice, as the arguments of `function`. */
static int draw_victims(struct world *w, const char *function, unsigned places, struct model_org **ret_org,
                        char ids[][MODEL_ID_BYTES_MAX + 1], struct args *args)
{
    int count = (int)draw_between(w, 1, 8), found = 0;

    draw_victim(w, places, ret_org, ids[found++]);
    args_text(args, "tester");
    args_text(args, "%s", (*ret_org)->name);
    for (int i = 1; i < count; i++) {
        struct model_org *org;
        draw_victim(w, places, &org, ids[found]);
        found += org == *ret_org;
    }
    note(w, "%s %s", function, (*ret_org)->name);
    for (int i = 0; i < found; i++) {
        args_text(args, "%s", ids[i]);
        note(w, " %s", ids[i]);
    }
    return found;
}

void op_redrive(struct world *w)
{
    char ids[8][MODEL_ID_BYTES_MAX + 1];
    struct model_org *org;
    struct args args = {0};
    int count = draw_victims(w, "redrive", 1U << PLACE_DEAD | 1U << PLACE_CANCELLED, &org, ids, &args);
    const redisReply *reply = ask(w, "redrive", &args);

    for (int i = 0; i < count; i++)
        expect_text(w, reply_element(reply, (size_t)i), model_redrive(w->model, model_find(w->model, org, ids[i]), now_ms(w)),
                    ids[i]);
}

void op_delete(struct world *w)
{
    char ids[8][MODEL_ID_BYTES_MAX + 1];
    struct model_org *org;
    struct args args = {0};
    int count = draw_victims(w, "delete", ENDED, &org, ids, &args);
    const redisReply *reply = ask(w, "delete", &args);

    for (int i = 0; i < count; i++)
        expect_text(w, reply_element(reply, (size_t)i), model_delete(w->model, model_find(w->model, org, ids[i]), now_ms(w)),
                    ids[i]);
}
