#include "cli/live.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/connection.h"
#include "cli/orgs.h"
#include "common/keys.h"
#include "common/memory.h"

/* ---- reading ---- */

static void on_sessions(const struct reply *reply, void *ctx)
{
    for (size_t i = 0; i < reply_count(reply); i++)
        names_add(ctx, reply_string(reply_at(reply, i)));
}

static int find_sessions(struct cli *cli, struct names *names, struct error *err)
{
    char key[KEY_BYTES_MAX];
    struct call call = {0};
    int rc;

    for (uint32_t lane = 0; lane < cli->deployment.lanes; lane++) {
        call_command(&call, "ZRANGEBYSCORE");
        call_add_string(&call, key_in_lane(key, lane, "sessions"));
        call_add_int(&call, cli_now_ms(cli));
        call_add_string(&call, "+inf");
        call_add_string(&call, "LIMIT");
        call_add_int(&call, 0);
        call_add_int(&call, LIVE_MAX + 1);
        cli_send(cli, &call, on_sessions, names);
    }
    call_clear(&call);
    rc = cli_settle(cli, err);
    names_sort(names);
    return rc;
}

static void copy(char *ret, size_t size, const char *value)
{
    snprintf(ret, size, "%s", value);
}

static void on_card(const struct reply *reply, void *ctx)
{
    struct live *live = ctx;

    for (size_t i = 0; i + 1 < reply_count(reply); i += 2) {
        const char *name = reply_string(reply_at(reply, i)), *value = reply_string(reply_at(reply, i + 1));
        if (strcmp(name, "kind") == 0)
            copy(live->kind, sizeof live->kind, value);
        else if (strcmp(name, "host") == 0)
            copy(live->host, sizeof live->host, value);
        else if (strcmp(name, "version") == 0)
            copy(live->version, sizeof live->version, value);
        else if (strcmp(name, "phase") == 0)
            copy(live->phase, sizeof live->phase, value);
        else if (strcmp(name, "pid") == 0)
            live->pid = strtoll(value, NULL, 10);
        else if (strcmp(name, "slots") == 0)
            live->slots = strtoll(value, NULL, 10);
        else if (strcmp(name, "queues") == 0 && !live->queues)
            live->queues = memory_string(value);
        else if (strcmp(name, "types") == 0 && !live->types)
            live->types = memory_string(value);
        else if (strcmp(name, "broken") == 0 && !live->broken)
            live->broken = memory_string(value);
    }
}

static void on_times(const struct reply *reply, void *ctx)
{
    struct live *live = ctx;

    if (reply_int(reply_at(reply, 0)) > 0) {
        live->timeout_ms = reply_int(reply_at(reply, 0));
        live->beat_ms = reply_int(reply_at(reply, 1));
    }
}

static void on_held(const struct reply *reply, void *ctx)
{
    ((struct live *)ctx)->held += reply_int(reply);
}

static void ask(struct cli *cli, struct live *live, struct call *call)
{
    char part[TYPE_BYTES_MAX + 16], key[KEY_BYTES_MAX];

    call_command(call, "HGETALL");
    call_add_string(call, key_worker(key, live->session));
    cli_send(cli, call, on_card, live);
    for (uint32_t lane = 0; lane < cli->deployment.lanes; lane++) {
        snprintf(part, sizeof part, "held:%s", live->session);
        call_command(call, "HLEN");
        call_add_string(call, key_in_lane(key, lane, part));
        cli_send(cli, call, on_held, live);
        snprintf(part, sizeof part, "session:%s", live->session);
        call_command(call, "HMGET");
        call_add_string(call, key_in_lane(key, lane, part));
        call_add_string(call, "timeout_ms");
        call_add_string(call, "beat_ms");
        cli_send(cli, call, on_times, live);
    }
}

static void clear(struct live *live)
{
    free(live->queues);
    free(live->types);
    free(live->broken);
}

/* A process that lost the session of one lane has another one there: it is one worker all the same. */
static void join_sessions(struct live_list *list)
{
    size_t kept = 0;

    for (size_t i = 0; i < list->count; i++) {
        struct live *live = &list->items[i], *same = NULL;
        for (size_t j = 0; j < kept && live->pid && !same; j++)
            if (list->items[j].pid == live->pid && strcmp(list->items[j].host, live->host) == 0)
                same = &list->items[j];
        if (same) {
            same->held += live->held;
            clear(live);
        } else {
            list->items[kept++] = *live;
        }
    }
    list->count = kept;
}

int live_read(struct cli *cli, struct live_list *ret, struct error *err)
{
    struct names sessions = {0};
    struct call call = {0};
    int rc = find_sessions(cli, &sessions, err);

    *ret = (struct live_list){.cut = sessions.count > LIVE_MAX};
    if (rc == 0) {
        ret->count = ret->cut ? LIVE_MAX : sessions.count;
        ret->items = memory_new(sizeof *ret->items * (ret->count + 1));
        for (size_t i = 0; i < ret->count; i++) {
            copy(ret->items[i].session, sizeof ret->items[i].session, sessions.items[i]);
            ask(cli, &ret->items[i], &call);
        }
        rc = cli_settle(cli, err);
        join_sessions(ret);
    }
    call_clear(&call);
    names_clear(&sessions);
    return rc;
}

void live_clear(struct live_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        clear(&list->items[i]);
    free(list->items);
    *list = (struct live_list){0};
}

/* ---- questions ---- */

static bool has_word(const char *list, const char *word)
{
    size_t length = strlen(word);

    for (const char *at = list; at && *at; at += strspn(at, " ")) {
        size_t span = strcspn(at, " ");
        if (span == length && memcmp(at, word, length) == 0)
            return true;
        at += span;
    }
    return false;
}

bool live_is_worker(const struct live *live)
{
    return strcmp(live->kind, "worker") == 0;
}

bool live_serves(const struct live *live, const char *queue)
{
    return has_word(live->queues, queue);
}

/* The word of its types whose handler runs this one, which may be for all that begin alike ("report.*", "*"): the longest. */
static const char *handler_of(const struct live *live, const char *type, size_t *ret_length)
{
    const char *best = NULL;

    *ret_length = 0;
    for (const char *at = live->types; at && *at; at += strspn(at, " ")) {
        size_t span = strcspn(at, " ");
        bool is_pattern = span > 0 && at[span - 1] == '*';
        bool fits = is_pattern ? strncmp(type, at, span - 1) == 0 : strlen(type) == span && memcmp(type, at, span) == 0;
        if (fits && (!is_pattern || span > *ret_length)) {
            best = at;
            *ret_length = span;
            if (!is_pattern)
                return best;
        }
        at += span;
    }
    return best;
}

bool live_knows(const struct live *live, const char *type)
{
    size_t length;

    return handler_of(live, type, &length) != NULL;
}

int64_t live_broken_ms(const struct live *live, const char *type)
{
    size_t length;
    const char *handler = handler_of(live, type, &length);

    for (const char *at = live->broken; handler && at && *at; at += strspn(at, " ")) {
        size_t span = strcspn(at, " ");
        bool same = span == length && memcmp(at, handler, length) == 0;
        at += span;
        if (same)
            return strtoll(at, NULL, 10);
        at += strspn(at, " ");
        at += strcspn(at, " ");
    }
    return 0;
}

bool live_takes_jobs(const struct live *live)
{
    return !live->phase[0] || strcmp(live->phase, "running") == 0;
}

/* ---- the leader, and writing ---- */

static void on_text(const struct reply *reply, void *ctx)
{
    snprintf(ctx, TYPE_BYTES_MAX + 1, "%s", reply_string(reply));
}

static void on_number(const struct reply *reply, void *ctx)
{
    *(int64_t *)ctx = reply_int(reply);
}

int live_leader(struct cli *cli, bool *ret_leads, struct error *err)
{
    char key[KEY_BYTES_MAX], leader[TYPE_BYTES_MAX + 1] = "";
    struct call call = {0};
    int64_t deadline_ms = 0;
    int rc;

    call_command(&call, "HGET");
    call_add_string(&call, key_in_lane(key, 0, "clock"));
    call_add_string(&call, "leader");
    rc = cli_call(cli, &call, on_text, leader, err);
    if (rc == 0 && leader[0]) {
        call_command(&call, "ZSCORE");
        call_add_string(&call, key_in_lane(key, 0, "sessions"));
        call_add_string(&call, leader);
        rc = cli_call(cli, &call, on_number, &deadline_ms, err);
    }
    call_clear(&call);
    *ret_leads = deadline_ms >= cli_now_ms(cli);
    return rc;
}

int live_probe_write(struct cli *cli, char *ret, size_t size, struct error *err)
{
    struct call call = {0};
    int rc;

    ret[0] = '\0';
    call_command(&call, "HDEL"); /* a field that never is there: Redis refuses it only if it refuses all writes */
    call_add_string(&call, KEY_META);
    call_add_string(&call, "");
    rc = cli_call(cli, &call, NULL, NULL, err);
    call_clear(&call);
    if (rc == ERR_FULL || (rc == ERR_UNAVAILABLE && strncmp(err->message, "READONLY", 8) == 0)) {
        snprintf(ret, size, "%s", err->message);
        return 0;
    }
    return rc == ERR_DENIED ? 0 : rc; /* who may only look does not learn it */
}
