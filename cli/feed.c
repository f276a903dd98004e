#include "cli/feed.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/connection.h"
#include "common/keys.h"
#include "common/memory.h"
#include "common/units.h"

#define PAGE_ENTRIES 200
#define ID_MAX       (1LL << 62)

/* ---- ids ---- */

bool entry_id_read(struct entry_id *ret, const char *text)
{
    size_t digits = strspn(text, "0123456789"), more = text[digits] == '-' ? strspn(text + digits + 1, "0123456789") : 0;

    if (digits == 0 || digits > 18 || more == 0 || more > 18 || text[digits + 1 + more] != '\0')
        return false;
    ret->ms = strtoll(text, NULL, 10);
    ret->number = strtoll(text + digits + 1, NULL, 10);
    return true;
}

const char *entry_id_format(const struct entry_id *id, char ret_text[ENTRY_ID_BYTES])
{
    snprintf(ret_text, ENTRY_ID_BYTES, "%" PRId64 "-%" PRId64 "@%" PRIu32, id->ms, id->number, id->lane);
    return ret_text;
}

int entry_id_parse(struct cli *cli, struct entry_id *ret, const char *text, struct error *err)
{
    const char *at = strchr(text, '@');
    char id[ENTRY_ID_BYTES];
    int64_t lane;

    snprintf(id, sizeof id, "%.*s", at ? (int)(at - text) : 0, text);
    if (!at || !entry_id_read(ret, id) || units_integer(&lane, at + 1, "lane", 0, DEPLOYMENT_LANES_MAX - 1, err) < 0)
        return cli_usage(cli, err, "cursor \"%.80s\" must be one that a list has told, as in 1795164663276-0@0", text);
    ret->lane = (uint32_t)lane;
    return 0;
}

/* True if `a` comes before `b` in the list: it is newer, or of the same moment in a lane before. */
static bool comes_first(const struct entry_id *a, const struct entry_id *b)
{
    if (a->ms != b->ms)
        return a->ms > b->ms;
    return a->number != b->number ? a->number > b->number : a->lane < b->lane;
}

/* ---- entries ---- */

json_t *entry_to_json(const struct entry_id *id, const struct reply *fields)
{
    json_t *object = json_object();
    size_t length;

    json_object_set_new(object, "id", json_sprintf("%" PRId64 "-%" PRId64, id->ms, id->number));
    json_object_set_new(object, "lane", json_integer(id->lane));
    json_object_set_new(object, "at_ms", json_integer(id->ms));
    for (size_t i = 0; i + 1 < reply_count(fields); i += 2) {
        const char *value = reply_bytes(reply_at(fields, i + 1), &length);
        output_set_bytes(object, reply_string(reply_at(fields, i)), length ? value : NULL, length);
    }
    return object;
}

/* The newest entries of a lane that were not given yet. */
struct lane_feed {
    uint32_t lane;
    struct entry_id ids[PAGE_ENTRIES];
    json_t *entries[PAGE_ENTRIES];
    size_t at, count;
    struct entry_id last; /* behind which the next page begins */
    bool begun, ended;
};

struct feed {
    struct cli *cli;
    const struct feed_options *options;
    struct lane_feed *lanes;
    size_t count;
};

struct feed *feed_new(struct cli *cli, const struct feed_options *options)
{
    struct feed *feed = memory_new(sizeof *feed);

    *feed = (struct feed){.cli = cli, .options = options, .count = options->org[0] ? 1 : cli->deployment.lanes};
    feed->lanes = memory_new(sizeof *feed->lanes * feed->count);
    for (size_t i = 0; i < feed->count; i++)
        feed->lanes[i].lane = options->org[0] ? cli_lane(cli, options->org) : (uint32_t)i;
    return feed;
}

void feed_free(struct feed *feed)
{
    for (size_t i = 0; i < feed->count; i++)
        for (size_t j = feed->lanes[i].at; j < feed->lanes[i].count; j++)
            json_decref(feed->lanes[i].entries[j]);
    free(feed->lanes);
    free(feed);
}

static void on_page(const struct reply *reply, void *ctx)
{
    struct lane_feed *lane = ctx;

    lane->at = 0;
    lane->count = reply_count(reply) < PAGE_ENTRIES ? reply_count(reply) : PAGE_ENTRIES;
    lane->ended = lane->count < PAGE_ENTRIES;
    for (size_t i = 0; i < lane->count; i++) {
        struct entry_id *id = &lane->ids[i];
        id->lane = lane->lane;
        entry_id_read(id, reply_string(reply_at(reply_at(reply, i), 0)));
        lane->entries[i] = entry_to_json(id, reply_at(reply_at(reply, i), 1));
        lane->last = *id;
    }
}

/* Where the next page of a lane ends: behind its last one, or behind the cursor. */
static void add_upper_end(struct call *call, const struct feed *feed, const struct lane_feed *lane)
{
    const struct entry_id *after = lane->begun ? &lane->last : feed->options->after;

    if (!after)
        call_add_string(call, "+");
    else
        call_add_format(call, "%s%" PRId64 "-%" PRId64, after->lane < lane->lane ? "" : "(", after->ms, after->number);
}

/* Asks for the next pages of all lanes that have none left. */
static int refill(struct feed *feed, struct error *err)
{
    char key[KEY_BYTES_MAX];
    struct call call = {0};

    for (size_t i = 0; i < feed->count; i++) {
        struct lane_feed *lane = &feed->lanes[i];
        if (lane->at < lane->count || lane->ended)
            continue;
        call_command(&call, "XREVRANGE");
        call_add_string(&call, key_in_lane(key, lane->lane, feed->options->stream));
        add_upper_end(&call, feed, lane);
        call_add_format(&call, "%" PRId64, feed->options->since_ms);
        call_add_string(&call, "COUNT");
        call_add_int(&call, PAGE_ENTRIES);
        lane->begun = true;
        cli_send(feed->cli, &call, on_page, lane);
    }
    call_clear(&call);
    return cli_settle(feed->cli, err);
}

static bool is_wanted(const struct feed *feed, const json_t *entry)
{
    const char *org = json_string_value(json_object_get(entry, "org"));

    return !feed->options->org[0] || (org && strcmp(org, feed->options->org) == 0);
}

static struct lane_feed *newest_lane(struct feed *feed)
{
    struct lane_feed *newest = NULL;

    for (size_t i = 0; i < feed->count; i++) {
        struct lane_feed *lane = &feed->lanes[i];
        if (lane->at < lane->count && (!newest || comes_first(&lane->ids[lane->at], &newest->ids[newest->at])))
            newest = lane;
    }
    return newest;
}

int feed_next(struct feed *feed, struct entry_id *ret_id, json_t **ret_entry, struct error *err)
{
    for (;;) {
        struct lane_feed *lane;
        json_t *entry;
        if (refill(feed, err) < 0)
            return err->code;
        lane = newest_lane(feed);
        if (!lane)
            return 0;
        *ret_id = lane->ids[lane->at];
        entry = lane->entries[lane->at++];
        if (is_wanted(feed, entry)) {
            *ret_entry = entry; /* gives */
            return 1;
        }
        json_decref(entry);
    }
}
