/* `rota queue`, and pause and resume of everything. */
#include "cli/queue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/change.h"
#include "cli/connection.h"
#include "cli/orgs.h"
#include "cli/paging.h"
#include "common/keys.h"
#include "common/memory.h"

/* ---- what the lanes say ---- */

/* One queue in all lanes. */
struct queue {
    char name[NAME_BYTES_MAX + 1];
    unsigned lanes, paused_lanes; /* that know it; in which it is paused */
    int64_t paused_ms;
    char paused_by[129];
    int64_t active, parked; /* organizations */
};

struct queues {
    struct queue *items;
    size_t count;
    struct queue all; /* the pause of everything */
};

static struct queue *find_or_add(struct queues *queues, const char *name, size_t length)
{
    struct queue *queue;

    for (size_t i = 0; i < queues->count; i++)
        if (strlen(queues->items[i].name) == length && memcmp(queues->items[i].name, name, length) == 0)
            return &queues->items[i];
    queues->items = memory_resize(queues->items, sizeof *queues->items * (queues->count + 1));
    queue = &queues->items[queues->count++];
    *queue = (struct queue){0};
    snprintf(queue->name, sizeof queue->name, "%.*s", (int)length, name);
    return queue;
}

/* "1760000000000 ann@host". */
static void read_pause(struct queue *queue, const char *text)
{
    char *who;

    if (!text)
        return;
    queue->paused_lanes++;
    queue->paused_ms = strtoll(text, &who, 10);
    snprintf(queue->paused_by, sizeof queue->paused_by, "%s", *who == ' ' ? who + 1 : who);
}

/* The value of `field` in a flat hash; NULL if it is not there. */
static const char *hash_field(const struct reply *flat, const char *field)
{
    for (size_t i = 0; i + 1 < reply_count(flat); i += 2)
        if (reply_is(reply_at(flat, i), field))
            return reply_string(reply_at(flat, i + 1));
    return NULL;
}

static void on_clock(const struct reply *reply, void *ctx)
{
    struct queues *queues = ctx;
    const char *list = hash_field(reply, "queues");
    char field[NAME_BYTES_MAX + 8];

    read_pause(&queues->all, hash_field(reply, "paused"));
    for (const char *at = list ? list : ""; *at; at += strspn(at, " ")) {
        struct queue *queue = find_or_add(queues, at, strcspn(at, " "));
        queue->lanes++;
        snprintf(field, sizeof field, "paused:%s", queue->name);
        read_pause(queue, hash_field(reply, field));
        at += strcspn(at, " ");
    }
}

static void on_count(const struct reply *reply, void *ctx)
{
    *(int64_t *)ctx += reply_int(reply);
}

static void ask_count(struct cli *cli, uint32_t lane, const char *kind, const char *queue, int64_t *count)
{
    char part[NAME_BYTES_MAX + 16], key[KEY_BYTES_MAX];
    struct call call = {0};

    snprintf(part, sizeof part, "%s:%s", kind, queue);
    call_command(&call, "ZCARD");
    call_add_string(&call, key_in_lane(key, lane, part));
    cli_send(cli, &call, on_count, count);
    call_clear(&call);
}

/* What queues there are, and which of them are paused. */
static int read_lanes(struct cli *cli, struct queues *queues, struct error *err)
{
    struct call call = {0};
    char key[KEY_BYTES_MAX];

    for (uint32_t lane = 0; lane < cli->deployment.lanes; lane++) {
        call_command(&call, "HGETALL");
        call_add_string(&call, key_in_lane(key, lane, "clock"));
        cli_send(cli, &call, on_clock, queues);
    }
    call_clear(&call);
    return cli_settle(cli, err);
}

static int read_queues(struct cli *cli, struct queues *queues, struct error *err)
{
    if (read_lanes(cli, queues, err) < 0)
        return err->code;
    for (size_t i = 0; i < queues->count; i++)
        for (uint32_t lane = 0; lane < cli->deployment.lanes; lane++) {
            ask_count(cli, lane, "active", queues->items[i].name, &queues->items[i].active);
            ask_count(cli, lane, "parked", queues->items[i].name, &queues->items[i].parked);
        }
    return cli_settle(cli, err);
}

/* ---- list ---- */

static const struct column queue_columns[] = {
    {"QUEUE", "queue", COLUMN_TEXT},
    {"STATE", "state", COLUMN_TEXT},
    {"ACTIVE ORGS", "active_orgs", COLUMN_NUMBER},
    {"PARKED ORGS", "parked_orgs", COLUMN_NUMBER},
    {"PAUSED BY", "paused_by", COLUMN_TEXT},
    {"PAUSED FOR", "paused_ms", COLUMN_SINCE},
    {0},
};

static const char *queue_state(const struct queue *queue, bool all_paused)
{
    if (queue->paused_lanes == 0)
        return all_paused ? "all paused" : "running";
    return queue->paused_lanes < queue->lanes ? "partly paused" : "paused";
}

static json_t *queue_to_json(const struct queue *queue, bool all_paused)
{
    json_t *object = json_pack("{s:s, s:s, s:I, s:I}", "queue", queue->name, "state", queue_state(queue, all_paused),
                               "active_orgs", (json_int_t)queue->active, "parked_orgs", (json_int_t)queue->parked);

    json_object_set_new(object, "paused_by", queue->paused_lanes ? json_string(queue->paused_by) : json_null());
    json_object_set_new(object, "paused_ms", queue->paused_lanes ? json_integer(queue->paused_ms) : json_null());
    return object;
}

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct queue *)a)->name, ((const struct queue *)b)->name);
}

/* By name, from the cursor on. */
static void list_queues(struct cli *cli, struct queues *queues)
{
    int64_t limit = paging_limit(cli), shown = 0;
    struct list *list = list_new(&cli->output, queue_columns);
    size_t i = 0;

    if (queues->count > 1)
        qsort(queues->items, queues->count, sizeof *queues->items, compare);
    for (; i < queues->count && shown < limit; i++) {
        if (strcmp(queues->items[i].name, paging_cursor(cli)) <= 0)
            continue;
        list_add(list, queue_to_json(&queues->items[i], queues->all.paused_lanes > 0));
        shown++;
    }
    list_end(list);
    if (i < queues->count && i > 0)
        paging_more(cli, shown, (int64_t)queues->count, queues->items[i - 1].name);
}

static int queue_list(struct cli *cli, struct error *err)
{
    const char *cursor = paging_cursor(cli);
    struct queues queues = {0};
    int rc = cursor[0] && name_check(cursor, "cursor", err) < 0 ? cli_misused(cli, err) : 0;

    if (rc == 0)
        rc = cli_connect(cli, false, NULL, err);
    if (rc == 0)
        rc = read_queues(cli, &queues, err);
    if (rc == 0) {
        list_queues(cli, &queues);
        if (queues.all.paused_lanes > 0)
            cli_note(cli, "everything is paused by %s. Undo: rota resume", queues.all.paused_by);
    }
    free(queues.items);
    return rc;
}

/* ---- pause, resume ---- */

/* Tells all lanes. `ret_before` is what it was in the first one. */
static int tell_lanes(struct cli *cli, const char *queue, bool pause, char ret_before[ANSWER_BYTES], struct error *err)
{
    struct call call = {0};
    char answer[ANSWER_BYTES];
    int rc = 0;

    ret_before[0] = '\0';
    for (uint32_t lane = 0; lane < cli->deployment.lanes && rc == 0; lane++) {
        change_begin(&call, "pause", lane);
        call_add_string(&call, queue);
        call_add_string(&call, pause ? "pause" : "resume");
        rc = change_call(cli, &call, answer, err);
        if (rc == 0 && lane == 0)
            memcpy(ret_before, answer, sizeof answer);
    }
    call_clear(&call);
    return rc;
}

int queue_check(struct cli *cli, const char *name, struct error *err)
{
    struct queues queues = {0};
    bool known = false;
    int rc = read_lanes(cli, &queues, err);

    for (size_t i = 0; i < queues.count; i++)
        known = known || strcmp(queues.items[i].name, name) == 0;
    free(queues.items);
    if (rc < 0 || known)
        return rc;
    return cli_fail(cli, err, EX_NOINPUT, "there is no queue %s", name);
}

static int set_paused(struct cli *cli, const char *queue, bool pause, struct error *err)
{
    char before[ANSWER_BYTES], what[NAME_BYTES_MAX + 8] = "everything", undo[NAME_BYTES_MAX + 16] = "";

    if (queue && name_check(queue, "queue", err) < 0)
        return cli_misused(cli, err);
    if (cli_connect(cli, false, NULL, err) < 0 || (queue && queue_check(cli, queue, err) < 0) ||
        tell_lanes(cli, queue ? queue : "*", pause, before, err) < 0)
        return err->code;
    if (queue) {
        snprintf(what, sizeof what, "queue %s", queue);
        snprintf(undo, sizeof undo, " %s", queue);
    }
    if (cli->output.format != OUTPUT_TABLE)
        output_object(
            &cli->output,
            json_pack("{s:s, s:s, s:s}", "queue", queue ? queue : "*", "state", pause ? "paused" : "running", "was", before),
            NULL);
    cli_note(cli, "%s %s (was %s)%s. Undo: rota %s%s%s", pause ? "paused" : "resumed", what, before,
             pause ? ": nothing of it is started, jobs are still accepted" : "", queue ? "queue " : "",
             pause ? "resume" : "pause", undo);
    return 0;
}

static int queue_pause(struct cli *cli, struct error *err)
{
    return set_paused(cli, cli_argument(cli, 0), true, err);
}

static int queue_resume(struct cli *cli, struct error *err)
{
    return set_paused(cli, cli_argument(cli, 0), false, err);
}

static int pause_all(struct cli *cli, struct error *err)
{
    return set_paused(cli, NULL, true, err);
}

static int resume_all(struct cli *cli, struct error *err)
{
    return set_paused(cli, NULL, false, err);
}

static const struct config_setting plain_settings[] = {SETTINGS_CLI, {0}};
static const struct config_setting list_settings[] = {SETTINGS_CLI, SETTINGS_PAGING("100"), {0}};

const struct command queue_commands[] = {
    {"queue list", "", "List the queues", list_settings, 0, 0, queue_list, NULL},
    {"queue pause", "QUEUE", "Start nothing of a queue any more", plain_settings, 1, 1, queue_pause, NULL},
    {"queue resume", "QUEUE", "Go on with a queue", plain_settings, 1, 1, queue_resume, NULL},
    {"pause", "", "Start nothing at all any more", plain_settings, 0, 0, pause_all, NULL},
    {"resume", "", "Go on with everything", plain_settings, 0, 0, resume_all, NULL},
    {0},
};
