/* `rota event` and `rota audit log`: what has happened, and who changed what. */
#include <ev.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/connection.h"
#include "cli/feed.h"
#include "cli/paging.h"
#include "common/keys.h"
#include "common/memory.h"
#include "common/units.h"

#define BLOCK_MS     2000 /* that Redis waits for something to happen; below ANSWER_MS_MAX */
#define READ_ENTRIES 500  /* of each lane, in one answer */
#define SINCE_MS_MAX (3650LL * 24 * 3600 * 1000)

/* ---- lists, the newest first ---- */

static const struct column event_columns[] = {
    {"WHEN", "at_ms", COLUMN_TIME},       {"KIND", "kind", COLUMN_BYTES},     {"ORG", "org", COLUMN_BYTES},
    {"SUBJECT", "subject", COLUMN_BYTES}, {"DETAIL", "detail", COLUMN_BYTES}, {0},
};

static const struct column change_columns[] = {
    {"WHEN", "at_ms", COLUMN_TIME},     {"WHO", "who", COLUMN_BYTES},
    {"WHAT", "what", COLUMN_BYTES},     {"ORG", "org", COLUMN_BYTES},
    {"SUBJECT", "subject", COLUMN_CUT}, {"BEFORE", "before", COLUMN_CUT},
    {"AFTER", "after", COLUMN_CUT},     {0},
};

static int print_feed(struct cli *cli, const struct feed_options *options, const struct column *columns, struct error *err)
{
    struct list *list = list_new(&cli->output, columns);
    struct feed *feed = feed_new(cli, options);
    int64_t left = paging_limit(cli), shown = 0;
    struct entry_id id = {.ms = 0}, last = {.ms = 0};
    char cursor[ENTRY_ID_BYTES];
    json_t *entry;
    int rc;

    while ((rc = feed_next(feed, &id, &entry, err)) > 0 && shown < left && !ferror(stdout)) {
        list_add(list, entry);
        last = id;
        shown++;
    }
    list_end(list);
    feed_free(feed);
    if (rc > 0) {
        json_decref(entry);
        paging_more(cli, shown, -1, entry_id_format(&last, cursor));
    }
    return rc < 0 ? rc : 0;
}

static int list_feed(struct cli *cli, const char *stream, const struct column *columns, struct error *err)
{
    struct feed_options options = {.stream = stream, .org = config_string(cli->config, "cli.event.org")};
    const char *cursor = paging_cursor(cli);
    int64_t since_ms = config_integer(cli->config, "cli.event.since");
    struct entry_id after;

    if (options.org[0] && cli_org(cli, options.org, err) < 0)
        return err->code;
    if (cursor[0] && entry_id_parse(cli, &after, cursor, err) < 0)
        return err->code;
    options.after = cursor[0] ? &after : NULL;
    if (cli_connect(cli, false, NULL, err) < 0)
        return err->code;
    if (since_ms > 0 && since_ms < cli_now_ms(cli))
        options.since_ms = cli_now_ms(cli) - since_ms;
    return print_feed(cli, &options, columns, err);
}

static int event_list(struct cli *cli, struct error *err)
{
    return list_feed(cli, "events", event_columns, err);
}

static int audit_log(struct cli *cli, struct error *err)
{
    return list_feed(cli, "audit", change_columns, err);
}

/* ---- tail ---- */

/* What is being followed: all lanes, or that of an organization. */
struct tail {
    struct cli *cli;
    const char *org; /* "": all */
    uint32_t first_lane, lanes;
    struct entry_id *last; /* of each lane; what comes behind is new */
    struct entry_id *ids;  /* of one answer, and */
    json_t **entries;      /* its entries */
    size_t count;
    int64_t left;
};

static void on_newest(const struct reply *reply, void *ctx)
{
    struct entry_id *last = ctx;

    if (reply_count(reply) > 0)
        entry_id_read(last, reply_string(reply_at(reply_at(reply, 0), 0)));
}

/* From now on: behind what is there already. */
static int skip_old(struct tail *tail, struct error *err)
{
    char key[KEY_BYTES_MAX];
    struct call call = {0};

    for (uint32_t i = 0; i < tail->lanes; i++) {
        call_command(&call, "XREVRANGE");
        call_add_string(&call, key_in_lane(key, tail->first_lane + i, "events"));
        call_add_string(&call, "+");
        call_add_string(&call, "-");
        call_add_string(&call, "COUNT");
        call_add_int(&call, 1);
        cli_send(tail->cli, &call, on_newest, &tail->last[i]);
    }
    call_clear(&call);
    return cli_settle(tail->cli, err);
}

/* Which of our lanes has this key; -1 for none. */
static int64_t lane_of_key(const struct tail *tail, const char *name)
{
    char key[KEY_BYTES_MAX];

    for (uint32_t i = 0; i < tail->lanes; i++)
        if (strcmp(key_in_lane(key, tail->first_lane + i, "events"), name) == 0)
            return i;
    return -1;
}

static void take_entry(struct tail *tail, uint32_t index, const struct reply *entry)
{
    struct entry_id id = {.lane = tail->first_lane + index};
    json_t *object;
    const char *org;

    if (!entry_id_read(&id, reply_string(reply_at(entry, 0))))
        return;
    tail->last[index] = id;
    object = entry_to_json(&id, reply_at(entry, 1));
    org = json_string_value(json_object_get(object, "org"));
    if (tail->org[0] && !(org && strcmp(org, tail->org) == 0)) {
        json_decref(object);
        return;
    }
    tail->ids = memory_resize(tail->ids, sizeof *tail->ids * (tail->count + 1));
    tail->entries = memory_resize(tail->entries, sizeof *tail->entries * (tail->count + 1));
    tail->ids[tail->count] = id;
    tail->entries[tail->count++] = object;
}

static void on_read(const struct reply *reply, void *ctx)
{
    struct tail *tail = ctx;

    for (size_t i = 0; i < reply_count(reply); i++) {
        const struct reply *stream = reply_at(reply, i), *entries = reply_at(stream, 1);
        int64_t index = lane_of_key(tail, reply_string(reply_at(stream, 0)));
        for (size_t j = 0; j < reply_count(entries) && index >= 0; j++)
            take_entry(tail, (uint32_t)index, reply_at(entries, j));
    }
}

static int read_new(struct tail *tail, struct error *err)
{
    char key[KEY_BYTES_MAX];
    struct call call = {0};
    int rc;

    call_command(&call, "XREAD");
    call_add_string(&call, "COUNT");
    call_add_int(&call, READ_ENTRIES);
    call_add_string(&call, "BLOCK");
    call_add_int(&call, BLOCK_MS);
    call_add_string(&call, "STREAMS");
    for (uint32_t i = 0; i < tail->lanes; i++)
        call_add_string(&call, key_in_lane(key, tail->first_lane + i, "events"));
    for (uint32_t i = 0; i < tail->lanes; i++)
        call_add_format(&call, "%" PRId64 "-%" PRId64, tail->last[i].ms, tail->last[i].number);
    rc = cli_call(tail->cli, &call, on_read, tail, err);
    call_clear(&call);
    return rc;
}

/* The index of the oldest entry that is not printed yet; `count` if all are. */
static size_t oldest(const struct tail *tail)
{
    size_t best = tail->count;

    for (size_t i = 0; i < tail->count; i++) {
        const struct entry_id *id = &tail->ids[i], *other = best < tail->count ? &tail->ids[best] : NULL;
        if (tail->entries[i] && (!other || id->ms < other->ms || (id->ms == other->ms && id->number < other->number)))
            best = i;
    }
    return best;
}

static void print_line(const struct output *output, const json_t *entry)
{
    char time[32];

    fputs(units_format_time(time, json_integer_value(json_object_get(entry, "at_ms"))), stdout);
    for (const struct column *column = event_columns + 1; column->heading; column++) {
        char *text = output_cell(output, entry, column);
        if (text[0])
            printf("  %s", text);
        free(text);
    }
    printf("\n");
}

/* Takes. */
static void print_event(struct tail *tail, json_t *entry)
{
    if (tail->cli->output.format == OUTPUT_TABLE) {
        print_line(&tail->cli->output, entry);
        json_decref(entry);
    } else {
        output_object(&(struct output){.format = OUTPUT_NDJSON}, entry, NULL);
    }
    fflush(stdout);
}

static void print_new(struct tail *tail)
{
    for (size_t next; (next = oldest(tail)) < tail->count;) {
        json_t *entry = tail->entries[next];
        tail->entries[next] = NULL;
        if (tail->left == 0) {
            json_decref(entry);
            continue;
        }
        print_event(tail, entry);
        tail->left--;
    }
    tail->count = 0;
}

static int follow(struct tail *tail, struct error *err)
{
    int rc = 0;

    while (rc == 0 && tail->left > 0 && !ferror(stdout)) {
        rc = read_new(tail, err);
        print_new(tail);
    }
    return rc;
}

static int event_tail(struct cli *cli, struct error *err)
{
    struct tail tail = {.cli = cli, .org = config_string(cli->config, "cli.event.org"), .left = paging_limit(cli)};
    const char *from = config_string(cli->config, "cli.event.from");
    struct entry_id start = {.ms = 0};
    int rc = 0;

    if (tail.org[0] && cli_org(cli, tail.org, err) < 0)
        return err->code;
    if (from[0] && strcmp(from, "0") != 0 && !entry_id_read(&start, from))
        return cli_usage(cli, err, "event \"%.80s\" must be an id as in 1795164663276-0, or 0 for all that are kept", from);
    if (cli_connect(cli, false, NULL, err) < 0)
        return err->code;
    tail.first_lane = tail.org[0] ? cli_lane(cli, tail.org) : 0;
    tail.lanes = tail.org[0] ? 1 : cli->deployment.lanes;
    tail.last = memory_new(sizeof *tail.last * tail.lanes);
    for (uint32_t i = 0; i < tail.lanes; i++)
        tail.last[i] = start;
    if (!from[0])
        rc = skip_old(&tail, err);
    if (rc == 0)
        rc = follow(&tail, err);
    free(tail.last);
    free(tail.ids);
    free(tail.entries);
    return rc;
}

/* ---- the table ---- */

#define SETTING_ORG   FLAG_TEXT("cli.event.", "org", "ORG", NAME_BYTES_MAX, "of one organization")
#define SETTING_SINCE FLAG_DURATION("cli.event.", "since", NULL, 1, SINCE_MS_MAX, "not older than that")

static const struct config_setting list_settings[] = {SETTINGS_CLI, SETTING_ORG, SETTING_SINCE, SETTINGS_PAGING("50"), {0}};
static const struct config_setting tail_settings[] = {
    SETTINGS_CLI,
    SETTING_ORG,
    FLAG_TEXT("cli.event.", "from", "ID", ENTRY_ID_BYTES - 1, "from behind this event on; 0: all that are kept"),
    FLAG_NUMBER("cli.", "limit", "0", 0, INT64_MAX, "end after so many; 0: go on until interrupted"),
    {0},
};

const struct command event_commands[] = {
    {"event list", "", "List what has happened, the newest first", list_settings, 0, 0, event_list,
     "Sessions of workers and schedulers that opened, closed or were lost, leaders, dead letters, and what people changed. Each\n"
     "lane keeps about its newest 10,000 events. Of many dead letters in a minute the first are named, the others counted.\n"
     "\n"
     "    rota event list --since 1h\n"
     "    rota event list --org acme --json"},
    {"event tail", "", "Follow what happens, until interrupted", tail_settings, 0, 0, event_tail,
     "One line for each event, in JSON one object to a line. With --from it begins behind an event that was seen before.\n"
     "\n"
     "    rota event tail\n"
     "    rota event tail --from 0 --json | jq 'select(.kind == \"dead\")'"},
    {"audit log", "", "List who changed what, the newest first", list_settings, 0, 0, audit_log,
     "Every change that somebody made by a command or a function: when, by whom (user, host and version, as the program said), "
     "of\n"
     "what, and what was before and after. Each lane keeps about its newest 10,000 changes, apart from events.\n"
     "\n"
     "    rota audit log --since 1d\n"
     "    rota audit log --org acme --limit 0 --json"},
    {0},
};
