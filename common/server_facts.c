#include "common/server_facts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/call.h"
#include "common/clock.h"
#include "common/keys.h"
#include "common/library.h"
#include "common/memory.h"
#include "common/server_check.h"

#define CALL_TIMEOUT_MS 5000

/* One fetch: all calls at once; the last answer ends it. */
struct fetch {
    struct redis *redis;
    server_facts_cb *cb;
    void *ctx;
    unsigned waiting;
    int64_t asked_mono_ms;
    enum acl_role role;
    size_t needed_at, danger_at; /* of whose DRYRUN the answer is next */
    struct error err;
    bool failed;
    int64_t lanes_of_lane_0;
    struct server_facts facts;
};

static void ask(struct fetch *fetch, const struct call *call, redis_cb *on_answer)
{
    fetch->waiting++;
    redis_send(fetch->redis, call, CALL_TIMEOUT_MS, on_answer, fetch);
}

/* The first failure counts. */
static void fail(struct fetch *fetch, const struct error *err, const char *command)
{
    if (fetch->failed)
        return;
    fetch->failed = true;
    fetch->err = *err;
    if (command)
        error_wrap(&fetch->err, "%s", command);
}

static void answered(struct fetch *fetch)
{
    if (--fetch->waiting > 0)
        return;
    if (fetch->facts.lanes == 0)
        fetch->facts.lanes = fetch->lanes_of_lane_0;
    if (fetch->failed)
        server_facts_clear(&fetch->facts);
    fetch->cb(fetch->failed ? NULL : &fetch->facts, fetch->failed ? &fetch->err : NULL, fetch->ctx);
    free(fetch);
}

static void on_info(const struct reply *reply, const struct error *err, void *ctx)
{
    struct fetch *fetch = ctx;

    struct error refusal;

    fetch->facts.round_trip_ms = clock_mono_ms() - fetch->asked_mono_ms;
    if (err)
        fail(fetch, err, "INFO");
    else if (server_check_usable(reply_string(reply), &refusal) < 0)
        fail(fetch, &refusal, NULL);
    else
        fetch->facts.info = memory_string(reply_string(reply));
    answered(fetch);
}

static void on_time(const struct reply *reply, const struct error *err, void *ctx)
{
    struct fetch *fetch = ctx;

    if (err)
        fail(fetch, err, "TIME");
    else
        fetch->facts.clock_offset_ms =
            reply_int(reply_at(reply, 0)) * 1000 + reply_int(reply_at(reply, 1)) / 1000 - clock_wall_ms();
    answered(fetch);
}

static void copy_text(char *ret, size_t size, const struct reply *reply)
{
    size_t length;
    const char *bytes = reply_bytes(reply, &length);

    length = length < size ? length : size - 1;
    memcpy(ret, bytes, length);
    ret[length] = '\0';
}

static void on_meta(const struct reply *reply, const struct error *err, void *ctx)
{
    struct fetch *fetch = ctx;
    struct server_facts *facts = &fetch->facts;
    struct error no_level;

    if (err) {
        fail(fetch, err, "HMGET " KEY_META);
    } else {
        facts->schema = reply_int(reply_at(reply, 0));
        facts->lanes = reply_int(reply_at(reply, 1));
        copy_text(facts->run_id, sizeof facts->run_id, reply_at(reply, 2));
        facts->has_level = durability_parse(&facts->level, reply_string(reply_at(reply, 3)), &no_level) == 0;
        copy_text(facts->library_sha256, sizeof facts->library_sha256, reply_at(reply, 4));
    }
    answered(fetch);
}

static void on_lane_0(const struct reply *reply, const struct error *err, void *ctx)
{
    struct fetch *fetch = ctx;

    if (err)
        fail(fetch, err, "HGET rota:{0}:clock");
    else
        fetch->lanes_of_lane_0 = reply_int(reply);
    answered(fetch);
}

/* True for an error that says no more than that this command is not for us: forbidden, renamed away, or unknown to an old server.
 */
static bool is_hidden(const struct error *err)
{
    return err->code == ERR_DENIED || err->code == ERR_PROTOCOL;
}

/* The reply to FUNCTION LIST: one entry of names and values, or none. The text was asked for or not. */
static enum library_state read_library(const struct reply *list)
{
    const struct reply *entry = reply_at(list, 0);

    if (reply_count(list) == 0)
        return LIBRARY_ABSENT;
    for (size_t i = 0; i + 1 < reply_count(entry); i += 2)
        if (reply_is(reply_at(entry, i), "library_code"))
            return reply_is(reply_at(entry, i + 1), library_text()) ? LIBRARY_SAME : LIBRARY_OTHER;
    return LIBRARY_HIDDEN;
}

static void on_library(const struct reply *reply, const struct error *err, void *ctx)
{
    struct fetch *fetch = ctx;

    if (!err)
        fetch->facts.library = read_library(reply);
    else if (is_hidden(err))
        fetch->facts.library = LIBRARY_HIDDEN;
    else
        fail(fetch, err, "FUNCTION LIST");
    answered(fetch);
}

static void on_config(const struct reply *reply, const struct error *err, void *ctx)
{
    struct fetch *fetch = ctx;

    if (!err) {
        fetch->facts.config_pairs = memory_new((reply_count(reply) + 1) * sizeof *fetch->facts.config_pairs);
        for (size_t i = 0; i < reply_count(reply); i++)
            fetch->facts.config_pairs[i] = memory_string(reply_string(reply_at(reply, i)));
    } else if (!is_hidden(err)) {
        fail(fetch, err, "CONFIG GET");
    }
    answered(fetch);
}

static void ask_words(struct fetch *fetch, struct call *call, const char *const *words, redis_cb *on_answer)
{
    call_command(call, *words);
    while (*++words)
        call_add_string(call, *words);
    ask(fetch, call, on_answer);
}

/* ---- ACL DRYRUN: may we what we need, and more? The answers come in the order of the questions ---- */

/* The answer, or NULL where there is none. */
static const char *dryrun_answer(struct fetch *fetch, const struct reply *reply, const struct error *err)
{
    if (!err)
        return reply_string(reply);
    if (is_hidden(err))
        fetch->facts.acl.is_hidden = true;
    else
        fail(fetch, err, "ACL DRYRUN");
    return NULL;
}

static void on_needed(const struct reply *reply, const struct error *err, void *ctx)
{
    struct fetch *fetch = ctx;
    const char *answer = dryrun_answer(fetch, reply, err);

    while (!acl_needs(&acl_commands[fetch->needed_at], fetch->role))
        fetch->needed_at++;
    if (answer)
        acl_note_needed(&fetch->facts.acl, &acl_commands[fetch->needed_at], answer);
    fetch->needed_at++;
    answered(fetch);
}

static void on_danger(const struct reply *reply, const struct error *err, void *ctx)
{
    struct fetch *fetch = ctx;
    const char *answer = dryrun_answer(fetch, reply, err);

    if (answer)
        acl_note_danger(&fetch->facts.acl, &acl_dangers[fetch->danger_at], answer);
    fetch->danger_at++;
    answered(fetch);
}

static void ask_dryrun(struct fetch *fetch, struct call *call, const struct acl_command *command, redis_cb *on_answer)
{
    call_command(call, "ACL");
    call_add_string(call, "DRYRUN");
    call_add_string(call, redis_user(fetch->redis));
    for (const char *const *word = command->words; *word; word++)
        call_add_string(call, *word);
    ask(fetch, call, on_answer);
}

static void ask_rights(struct fetch *fetch, struct call *call, const struct server_questions *questions)
{
    fetch->role = questions->role;
    for (size_t i = 0; i < acl_command_count; i++)
        if (acl_needs(&acl_commands[i], questions->role))
            ask_dryrun(fetch, call, &acl_commands[i], on_needed);
    for (size_t i = 0; i < acl_danger_count && questions->role != ACL_NONE && questions->try_dangers; i++)
        ask_dryrun(fetch, call, &acl_dangers[i], on_danger);
}

void server_facts_fetch(struct redis *redis, const struct server_questions *questions, server_facts_cb *cb, void *ctx)
{
    struct fetch *fetch = memory_new(sizeof *fetch);
    char library_field[64], clock_key[KEY_BYTES_MAX];
    struct call call = {0};

    *fetch = (struct fetch){.redis = redis, .cb = cb, .ctx = ctx, .asked_mono_ms = clock_mono_ms()};
    snprintf(library_field, sizeof library_field, "library:%s", library_name());
    key_in_lane(clock_key, 0, "clock");
    ask_words(fetch, &call, (const char *const[]){"INFO", NULL}, on_info);
    ask_words(fetch, &call, (const char *const[]){"TIME", NULL}, on_time);
    ask_words(fetch, &call, (const char *const[]){"HMGET", KEY_META, "schema", "lanes", "run_id", "level", library_field, NULL},
              on_meta);
    ask_words(fetch, &call, (const char *const[]){"HGET", clock_key, "lanes", NULL}, on_lane_0);
    ask_words(
        fetch, &call,
        (const char *const[]){"FUNCTION", "LIST", "LIBRARYNAME", library_name(), questions->brief ? NULL : "WITHCODE", NULL},
        on_library);
    if (questions->read_config)
        ask_words(fetch, &call,
                  (const char *const[]){"CONFIG", "GET", "appendfsync", "no-appendfsync-on-rewrite", "save",
                                        "stop-writes-on-bgsave-error", "timeout", "tcp-keepalive", "min-replicas-to-write",
                                        "aof-load-truncated", "proto-max-bulk-len", "busy-reply-threshold", "maxmemory-clients",
                                        "protected-mode", NULL},
                  on_config);
    ask_rights(fetch, &call, questions);
    call_clear(&call);
}

void server_facts_clear(struct server_facts *facts)
{
    free(facts->info);
    for (char **text = facts->config_pairs; text && *text; text++)
        free(*text);
    free(facts->config_pairs);
    *facts = (struct server_facts){0};
}
