/* `rota worker`: who works, and who has worked. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/connection.h"
#include "cli/fetch.h"
#include "cli/orgs.h"
#include "cli/paging.h"
#include "cli/wait.h"
#include "cli/worker_find.h"
#include "cli/worker_order.h"
#include "common/keys.h"
#include "common/memory.h"
#include "common/units.h"

#define RANGE_COUNT 500 /* sessions read at once */
#define RECENT_MS   (60LL * 60 * 1000)

/* ---- what is known of a session ---- */

struct session_view {
    char id[TYPE_BYTES_MAX + 1];
    int64_t seen_ms;     /* its last beat, about */
    int64_t deadline_ms; /* in the lane where it lives longest; 0: it lives nowhere */
    int64_t running;     /* jobs that it holds */
    json_t *card;        /* its hash; NULL if there is none */
};

static void on_card(const struct reply *reply, void *ctx)
{
    struct session_view *session = ctx;

    if (reply_count(reply) == 0)
        return;
    session->card = json_object();
    for (size_t i = 0; i + 1 < reply_count(reply); i += 2)
        json_object_set_new(session->card, reply_string(reply_at(reply, i)), json_string(reply_string(reply_at(reply, i + 1))));
}

static void on_deadline(const struct reply *reply, void *ctx)
{
    struct session_view *session = ctx;
    int64_t deadline_ms = reply_int(reply);

    if (deadline_ms > session->deadline_ms)
        session->deadline_ms = deadline_ms;
}

static void on_held(const struct reply *reply, void *ctx)
{
    struct session_view *session = ctx;

    session->running += reply_int(reply);
}

static void ask_lane(struct cli *cli, uint32_t lane, struct session_view *session, struct call *call)
{
    char part[TYPE_BYTES_MAX + 8], key[KEY_BYTES_MAX];

    call_command(call, "ZSCORE");
    call_add_string(call, key_in_lane(key, lane, "sessions"));
    call_add_string(call, session->id);
    cli_send(cli, call, on_deadline, session);
    snprintf(part, sizeof part, "held:%s", session->id);
    call_command(call, "HLEN");
    call_add_string(call, key_in_lane(key, lane, part));
    cli_send(cli, call, on_held, session);
}

/* Asks for all that is kept of a session; cli_settle waits for it. */
static void ask(struct cli *cli, struct session_view *session)
{
    char key[KEY_BYTES_MAX];
    struct call call = {0};

    call_command(&call, "HGETALL");
    call_add_string(&call, key_worker(key, session->id));
    cli_send(cli, &call, on_card, session);
    for (uint32_t lane = 0; lane < cli->deployment.lanes; lane++)
        ask_lane(cli, lane, session, &call);
    call_clear(&call);
}

static const char *card_field(const struct session_view *session, const char *name)
{
    return json_string_value(json_object_get(session->card, name));
}

static bool is_alive(const struct session_view *session, int64_t now_ms)
{
    return session->deadline_ms >= now_ms;
}

/* What its card says that it does ("running", "quiet", "draining"), "suspect" (its deadline has passed, nobody has taken its jobs
 * yet), or how it ended: "stopped", "lost", "gone". */
static const char *state_of(const struct session_view *session, int64_t now_ms)
{
    const char *why = card_field(session, "why"), *phase = card_field(session, "phase");

    if (session->deadline_ms && !is_alive(session, now_ms))
        return "suspect";
    if (session->deadline_ms)
        return phase ? phase : "running";
    return why ? why : "gone";
}

static json_t *number_or_null(const char *text)
{
    return text && text[0] ? json_integer(strtoll(text, NULL, 10)) : json_null();
}

static json_t *session_to_json(const struct session_view *session, int64_t now_ms)
{
    static const char *const texts[] = {"kind",  "host",   "version", "queues", "capsules",
                                        "types", "broken", "why",     "asked",  "asked_by"};
    static const char *const numbers[] = {"pid", "slots", "started_ms", "stopped_ms", "asked_ms"};
    json_t *object = json_object();

    json_object_set_new(object, "worker", json_string(session->id));
    json_object_set_new(object, "state", json_string(state_of(session, now_ms)));
    json_object_set_new(object, "running", json_integer(session->running));
    json_object_set_new(object, "seen_ms", session->seen_ms ? json_integer(session->seen_ms) : json_null());
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        json_object_set_new(object, texts[i], output_text_or_null(card_field(session, texts[i])));
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        json_object_set_new(object, numbers[i], number_or_null(card_field(session, numbers[i])));
    return object;
}

/* ---- list ---- */

static const struct column worker_columns[] = {
    {"WORKER", "worker", COLUMN_TEXT},   {"KIND", "kind", COLUMN_TEXT},           {"STATE", "state", COLUMN_TEXT},
    {"HOST", "host", COLUMN_TEXT},       {"PID", "pid", COLUMN_NUMBER},           {"RUNNING", "running", COLUMN_NUMBER},
    {"SLOTS", "slots", COLUMN_NUMBER},   {"QUEUES", "queues", COLUMN_TEXT},       {"CAPSULES", "capsules", COLUMN_CUT},
    {"TYPES", "types", COLUMN_CUT},      {"STARTED", "started_ms", COLUMN_SINCE}, {"SEEN", "seen_ms", COLUMN_SINCE},
    {"ASKED", "asked_ms", COLUMN_SINCE}, {"BY", "asked_by", COLUMN_CUT},          {0},
};

/* A page of the register of sessions, the newest first. */
struct page {
    struct session_view sessions[RANGE_COUNT];
    size_t count;
};

static void on_range(const struct reply *reply, void *ctx)
{
    struct page *page = ctx;

    for (size_t i = 0; i + 1 < reply_count(reply) && page->count < RANGE_COUNT; i += 2) {
        struct session_view *session = &page->sessions[page->count++];
        *session = (struct session_view){.seen_ms = reply_int(reply_at(reply, i + 1))};
        snprintf(session->id, sizeof session->id, "%s", reply_string(reply_at(reply, i)));
    }
}

static int read_page(struct cli *cli, struct page *page, int64_t from, struct error *err)
{
    struct call call = {0};
    int rc;

    page->count = 0;
    call_command(&call, "ZREVRANGE");
    call_add_string(&call, KEY_WORKERS);
    call_add_int(&call, from);
    call_add_int(&call, from + RANGE_COUNT - 1);
    call_add_string(&call, "WITHSCORES");
    rc = cli_call(cli, &call, on_range, page, err);
    call_clear(&call);
    for (size_t i = 0; i < page->count && rc == 0; i++)
        ask(cli, &page->sessions[i]);
    return rc == 0 ? cli_settle(cli, err) : rc;
}

/* A list of workers under way. */
struct listing {
    struct list *list;
    int64_t left, shown;
    size_t left_out; /* that ended long ago */
    char cursor[CURSOR_BYTES];
};

/* Adds those of a page that are to be shown. True if there are, or may be, more that were not looked at. */
static bool list_page(struct cli *cli, struct page *page, struct listing *listing)
{
    bool all = config_bool(cli->config, "cli.worker.all"), more = false;
    int64_t now_ms = cli_now_ms(cli);

    for (size_t i = 0; i < page->count; i++) {
        struct session_view *session = &page->sessions[i];
        bool shown = all || session->deadline_ms || session->seen_ms > now_ms - RECENT_MS;
        more = more || (shown && listing->left == 0);
        listing->left_out += !shown;
        if (shown && listing->left > 0) {
            list_add(listing->list, session_to_json(session, now_ms));
            snprintf(listing->cursor, sizeof listing->cursor, "%" PRId64 "@%s", session->seen_ms, session->id);
            listing->left--;
            listing->shown++;
        }
        json_decref(session->card);
    }
    return more;
}

/* "1795164663276@w1": how many of the register stand before what comes next. */
static int read_cursor(struct cli *cli, int64_t *ret_from, struct error *err)
{
    const char *cursor = paging_cursor(cli), *at = strchr(cursor, '@');
    char seen[24] = "";
    int64_t seen_ms;

    *ret_from = 0;
    if (!cursor[0])
        return 0;
    snprintf(seen, sizeof seen, "%.*s", at ? (int)(at - cursor) : 0, cursor);
    if (!at || units_integer(&seen_ms, seen, "cursor", 0, 1LL << 46, err) < 0 || !worker_is_id(at + 1))
        return cli_usage(cli, err, "cursor \"%.80s\" must be one that a list has told, as in 1795164663276@w1", cursor);
    if (cli_connect(cli, false, NULL, err) < 0)
        return err->code;
    return fetch_rank_behind(cli, KEY_WORKERS, seen_ms, at + 1, true, ret_from, err);
}

static int list_from(struct cli *cli, int64_t from, struct error *err)
{
    struct listing listing = {.list = list_new(&cli->output, worker_columns), .left = paging_limit(cli)};
    struct page *page = memory_new(sizeof *page);
    bool more = false;
    int rc;

    do {
        rc = read_page(cli, page, from, err);
        more = list_page(cli, page, &listing);
        from += RANGE_COUNT;
    } while (rc == 0 && !more && page->count == RANGE_COUNT);
    list_end(listing.list);
    free(page);
    if (rc == 0 && more)
        paging_more(cli, listing.shown, -1, listing.cursor);
    else if (rc == 0 && listing.left_out)
        cli_note(cli, "%zu that ended more than an hour ago are not shown: --all shows them", listing.left_out);
    return rc;
}

static int worker_list(struct cli *cli, struct error *err)
{
    int64_t from;
    int rc = read_cursor(cli, &from, err);

    if (rc == 0 && !paging_cursor(cli)[0])
        rc = cli_connect(cli, false, NULL, err);
    return rc == 0 ? list_from(cli, from, err) : rc;
}

/* ---- show ---- */

static const struct column show_columns[] = {
    {"worker", "worker", COLUMN_TEXT},      {"kind", "kind", COLUMN_TEXT},
    {"state", "state", COLUMN_TEXT},        {"why", "why", COLUMN_TEXT},
    {"host", "host", COLUMN_TEXT},          {"pid", "pid", COLUMN_TEXT},
    {"version", "version", COLUMN_TEXT},    {"slots", "slots", COLUMN_TEXT},
    {"queues", "queues", COLUMN_TEXT},      {"capsules", "capsules", COLUMN_TEXT},
    {"types", "types", COLUMN_TEXT},        {"broken", "broken", COLUMN_TEXT},
    {"started", "started_ms", COLUMN_TIME}, {"stopped", "stopped_ms", COLUMN_TIME},
    {"seen", "seen_ms", COLUMN_TIME},       {"running", "running", COLUMN_TEXT},
    {"asked", "asked", COLUMN_TEXT},        {"asked by", "asked_by", COLUMN_TEXT},
    {"asked at", "asked_ms", COLUMN_TIME},  {0},
};

static void on_names(const struct reply *reply, void *ctx)
{
    for (size_t i = 0; i < reply_count(reply); i++)
        names_add(ctx, reply_string(reply_at(reply, i)));
}

static void on_seen(const struct reply *reply, void *ctx)
{
    struct session_view *session = ctx;

    session->seen_ms = reply_int(reply);
}

/* All that is kept of a session, and the jobs that it holds. */
static int look(struct cli *cli, struct session_view *session, struct names *held, struct error *err)
{
    char part[TYPE_BYTES_MAX + 8], key[KEY_BYTES_MAX];
    struct call call = {0};

    ask(cli, session);
    call_command(&call, "ZSCORE");
    call_add_string(&call, KEY_WORKERS);
    call_add_string(&call, session->id);
    cli_send(cli, &call, on_seen, session);
    snprintf(part, sizeof part, "held:%s", session->id);
    for (uint32_t lane = 0; lane < cli->deployment.lanes; lane++) {
        call_command(&call, "HKEYS");
        call_add_string(&call, key_in_lane(key, lane, part));
        cli_send(cli, &call, on_names, held);
    }
    call_clear(&call);
    return cli_settle(cli, err);
}

static void show(struct cli *cli, const struct session_view *session, const struct names *held)
{
    json_t *object = session_to_json(session, cli_now_ms(cli)), *jobs = json_array();

    for (size_t i = 0; i < held->count; i++)
        json_array_append_new(jobs, json_string(held->items[i]));
    json_object_set_new(object, "jobs", jobs);
    output_object(&cli->output, object, show_columns);
    for (size_t i = 0; i < held->count && cli->output.format == OUTPUT_TABLE; i++)
        printf("%-18s %s\n", i ? "" : "jobs", held->items[i]);
}

static int worker_show(struct cli *cli, struct error *err)
{
    struct session_view session = {0};
    struct names held = {0};
    int rc;

    rc = worker_find(cli, cli_argument(cli, 0), WORKER_KNOWN, session.id, err);
    if (rc == 0)
        rc = look(cli, &session, &held, err);
    if (rc == 0 && !session.card && !session.deadline_ms && !session.seen_ms)
        rc = error_set(err, ERR_NOT_FOUND, "there is no worker %s: either there never was, or it ended more than 30 days ago",
                       session.id);
    if (rc == 0) {
        names_sort(&held);
        show(cli, &session, &held);
    }
    names_clear(&held);
    json_decref(session.card);
    return rc;
}

static const struct config_setting plain_settings[] = {SETTINGS_CLI, {0}};
static const struct config_setting list_settings[] = {
    SETTINGS_CLI,
    FLAG_BOOL("cli.worker.", "all", 'a', "also those that ended long ago"),
    SETTINGS_PAGING("100"),
    {0},
};

#define SETTING_ORDER_ALL FLAG_BOOL("cli.worker.order.", "all", 'a', "all workers; asks")
#define ORDER_HELP                                                                                            \
    "WORKER is the id of a live worker or the beginning of one. The worker hears of it with its next beat.\n" \
    "On the machine where it runs a signal does the same: TSTP quiet, CONT resume, TERM stop, TTIN dump."

static const struct config_setting order_settings[] = {SETTINGS_CLI, SETTING_ORDER_ALL, SETTING_YES, {0}};
static const struct config_setting stop_settings[] = {
    SETTINGS_CLI,         SETTING_ORDER_ALL,
    SETTING_YES,          FLAG_BOOL("cli.worker.order.", "wait", 0, "wait until it has stopped"),
    SETTING_WAIT_TIMEOUT, {0},
};

const struct command worker_commands[] = {
    {"worker list", "", "List workers and schedulers, the last seen first", list_settings, 0, 0, worker_list,
     "States: running; quiet; draining; suspect (no beat for its time-out, its jobs are about to be recovered); stopped; lost "
     "(its jobs were recovered);\n"
     "gone (nothing tells how it ended). ASKED and BY: who has asked it for that, or for something else, and when."},
    {"worker show", "WORKER", "Show a worker, also one that is long gone, and what it runs", plain_settings, 1, 1, worker_show,
     "WORKER is the id of one, or the beginning of an id that no other has."},
    {"worker quiet", "WORKER | --all", "Let a worker claim no more jobs; what runs goes on", order_settings, 0, 1, worker_quiet,
     ORDER_HELP},
    {"worker resume", "WORKER | --all", "Let a quiet worker claim jobs again", order_settings, 0, 1, worker_resume, ORDER_HELP},
    {"worker stop", "WORKER | --all", "Let a worker stop when its jobs have ended", stop_settings, 0, 1, worker_stop, ORDER_HELP},
    {"worker dump", "WORKER | --all", "Ask a worker what it does at this moment", order_settings, 0, 1, worker_dump,
     ORDER_HELP "\nThe worker also writes it to its log."},
    {0},
};
