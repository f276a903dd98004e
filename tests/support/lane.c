#include "tests/support/lane.h"

#include <msgpack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "tests/support/garbage.h"

/* ---- Calls --------------------------------------------------------------------------------------------------------------- */

static redisReply *take_reply(struct fixture *f, redisReply *reply)
{
    if (!reply)
        fail_msg("redis: %s", f->redis->errstr);
    keep(f, reply, NULL);
    return reply;
}

redisReply *lane_redis(struct fixture *f, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    redisReply *reply = take_reply(f, redisvCommand(f->redis, fmt, args));
    va_end(args);
    if (reply->type == REDIS_REPLY_ERROR)
        fail_msg("%s: %s", fmt, reply->str);
    return reply;
}

/* After a call of a function: what must be true between any two calls. `before`: the digest before it. */
static redisReply *check_reply(struct fixture *f, const char *function, const char *before, redisReply *reply)
{
    if (f->check_each && reply->type != REDIS_REPLY_ERROR)
        lane_check(f);
    if (before && reply->type == REDIS_REPLY_ERROR && strcmp(lane_digest(f), before) != 0)
        fail_msg("%s has changed something, and answered: %s", function, reply->str);
    return reply;
}

redisReply *lane_call(struct fixture *f, const char *function, const char *fmt, ...)
{
    const char *whole =
        fixture_text(f, "FCALL %s 2 rota:{%u} rota:{%u}:clock %s", lane_function(f, function), f->lane, f->lane, fmt);
    va_list args;

    const char *before = f->check_each ? lane_digest(f) : NULL;
    lane_calls(f);
    va_start(args, fmt);
    redisReply *reply = take_reply(f, redisvCommand(f->redis, whole, args));
    va_end(args);
    return check_reply(f, function, before, reply);
}

void args_add(struct args *args, const void *value, size_t bytes)
{
    if (args->count == args->capacity) {
        args->capacity = args->capacity ? 2 * args->capacity : 16;
        args->values = memory_resize(args->values, args->capacity * sizeof *args->values);
        args->bytes = memory_resize(args->bytes, args->capacity * sizeof *args->bytes);
    }
    args->values[args->count] = memory_copy(value, bytes);
    args->bytes[args->count++] = bytes;
}

void args_text(struct args *args, const char *fmt, ...)
{
    char *text = NULL;
    va_list list;

    va_start(list, fmt);
    if (vasprintf(&text, fmt, list) < 0)
        abort();
    va_end(list);
    args_add(args, text, strlen(text));
    free(text);
}

static void args_clear(struct args *args)
{
    for (size_t i = 0; i < args->count; i++)
        free(args->values[i]);
    free(args->values);
    free(args->bytes);
    *args = (struct args){0};
}

redisReply *lane_call_args(struct fixture *f, const char *function, struct args *args)
{
    struct args whole = {0};
    const char *before = f->check_each ? lane_digest(f) : NULL;

    lane_calls(f);
    args_text(&whole, "FCALL");
    args_text(&whole, "%s", lane_function(f, function));
    args_text(&whole, "2");
    args_text(&whole, "rota:{%u}", f->lane);
    args_text(&whole, "rota:{%u}:clock", f->lane);
    for (size_t i = 0; i < args->count; i++)
        args_add(&whole, args->values[i], args->bytes[i]);
    args_clear(args);
    redisReply *reply = redisCommandArgv(f->redis, (int)whole.count, (const char **)whole.values, whole.bytes);
    args_clear(&whole);
    return check_reply(f, function, before, take_reply(f, reply));
}

long long lane_calls(struct fixture *f)
{
    return lane_redis(f, "FCALL %s 0", lane_function(f, "test_calls"))->integer;
}

const char *reply_text(const redisReply *reply)
{
    if (reply && (reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_STATUS))
        return reply->str;
    fail_msg("reply of type %d is no string: %s", reply ? reply->type : 0, reply && reply->str ? reply->str : "");
    return NULL;
}

const redisReply *reply_element(const redisReply *reply, size_t i)
{
    if (reply && reply->type == REDIS_REPLY_ARRAY && i < reply->elements)
        return reply->element[i];
    fail_msg("reply has no element %zu: %s", i, reply && reply->str ? reply->str : "");
    return NULL;
}

long long reply_number(const redisReply *reply)
{
    if (reply && reply->type == REDIS_REPLY_INTEGER)
        return reply->integer;
    return strtoll(reply_text(reply), NULL, 10);
}

void assert_reply(const redisReply *reply, const char *text)
{
    assert_string_equal(reply_text(reply), text);
}

void assert_error(const redisReply *reply, const char *beginning)
{
    if (reply->type != REDIS_REPLY_ERROR || strncmp(reply->str, beginning, strlen(beginning)) != 0)
        fail_msg("reply of type %d \"%s\" is not the error %s", reply->type, reply->str ? reply->str : "", beginning);
}

/* ---- Jobs in ------------------------------------------------------------------------------------------------------------- */

static void pack_text(msgpack_packer *out, const char *text)
{
    msgpack_pack_str(out, strlen(text));
    msgpack_pack_str_body(out, text, strlen(text));
}

static void pack_int_option(msgpack_packer *out, const char *name, int64_t value)
{
    if (value) {
        pack_text(out, name);
        msgpack_pack_int64(out, value);
    }
}

static void pack_text_option(msgpack_packer *out, const char *name, const char *value)
{
    if (value) {
        pack_text(out, name);
        pack_text(out, value);
    }
}

struct bytes lane_record(struct fixture *f, const struct lane_record *record)
{
    static const struct lane_record plain;
    const struct lane_record *r = record ? record : &plain;
    int options = !!r->queue + !!r->priority + !!r->due_ms + !!r->delay_ms + !!r->expires_ms + !!r->timeout_ms +
                  !!r->max_attempts + !!r->key + !!r->limit + !!r->coalesce + r->earliest;
    size_t payload_bytes = r->payload ? r->payload_bytes : strlen("payload");
    msgpack_sbuffer buffer;
    msgpack_packer out;

    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&out, &buffer, msgpack_sbuffer_write);
    msgpack_pack_array(&out, 4);
    pack_text(&out, r->type ? r->type : "test");
    msgpack_pack_fix_uint32(&out, r->nonce);
    if (options > 0)
        msgpack_pack_map(&out, (size_t)options);
    else
        msgpack_pack_nil(&out);
    pack_text_option(&out, "queue", r->queue);
    pack_int_option(&out, "priority", r->priority);
    pack_int_option(&out, "due_ms", r->due_ms);
    pack_int_option(&out, "delay_ms", r->delay_ms);
    pack_int_option(&out, "expires_ms", r->expires_ms);
    pack_int_option(&out, "timeout_ms", r->timeout_ms);
    pack_int_option(&out, "max_attempts", r->max_attempts);
    pack_text_option(&out, "key", r->key);
    pack_text_option(&out, "limit", r->limit);
    pack_text_option(&out, "coalesce", r->coalesce);
    if (r->earliest) {
        pack_text(&out, "earliest");
        msgpack_pack_true(&out);
    }
    msgpack_pack_str(&out, payload_bytes);
    msgpack_pack_str_body(&out, r->payload ? r->payload : "payload", payload_bytes);

    struct bytes packed = {keep_bytes(f, buffer.data, buffer.size), buffer.size};
    msgpack_sbuffer_destroy(&buffer);
    return packed;
}

const char *lane_enqueue(struct fixture *f, const char *org, const char *id, const struct lane_record *record)
{
    struct bytes packed = lane_record(f, record);

    return reply_text(reply_element(lane_call(f, "enqueue", "%s %s %b", org, id, packed.data, packed.length), 0));
}

void lane_enqueue_many(struct fixture *f, const char *org, const char *prefix, unsigned count, const struct lane_record *record)
{
    struct bytes packed = lane_record(f, record);

    for (unsigned done = 0; done < count;) {
        struct args args = {0};
        args_text(&args, "%s", org);
        for (unsigned n = 0; n < 128 && done < count; n++, done++) {
            args_text(&args, "%s%04u", prefix, done);
            args_add(&args, packed.data, packed.length);
        }
        const redisReply *reply = lane_call_args(f, "enqueue", &args);
        for (size_t i = 0; i < reply->elements || i == 0; i++)
            assert_reply(reply_element(reply, i), "new");
    }
}

/* ---- Sessions and leases ------------------------------------------------------------------------------------------------- */

void lane_open(struct fixture *f, const char *session, int64_t timeout_ms)
{
    assert_reply(lane_call(f, "open", "%s worker %lld %lld", session, (long long)timeout_ms, (long long)timeout_ms / 4), "ok");
}

/* Adds the words of `list` ("mail:5000 web:100"), with `second` or what stands after the colon, and in front their number. */
static void add_pairs(struct args *args, const char *list, const char *second)
{
    char *copy = memory_string(list), *rest = copy, *word;
    struct args pairs = {0};

    while ((word = strsep(&rest, " "))) {
        char *colon = second ? NULL : strchr(word, ':');
        char *limit = colon ? strchr(colon, '@') : NULL;
        if (colon)
            *colon = '\0';
        if (limit)
            *limit = ' ';
        args_text(&pairs, "%s", word);
        args_text(&pairs, "%s", colon ? colon + 1 : second ? second : "60000");
    }
    args_text(args, "%zu", pairs.count / 2);
    for (size_t i = 0; i < pairs.count; i++)
        args_add(args, pairs.values[i], pairs.bytes[i]);
    args_clear(&pairs);
    free(copy);
}

static void add_claim(struct fixture *f, struct args *args, const struct lane_claim *claim, char token[LANE_TOKEN_BYTES + 1])
{
    if (claim->token)
        memcpy(token, claim->token, LANE_TOKEN_BYTES);
    else
        snprintf(token, LANE_TOKEN_BYTES + 1, "token%011llu", (unsigned long long)++f->tokens);
    args_text(args, "%s", claim->session);
    args_add(args, token, LANE_TOKEN_BYTES);
    args_text(args, "%u", claim->want_none ? 0 : claim->want ? claim->want : 1);
    args_text(args, "%d", claim->quiet);
    add_pairs(args, claim->queues ? claim->queues : "default", claim->floor ? claim->floor : "0");
    add_pairs(args, claim->types ? claim->types : "*:60000", NULL);
}

static struct lane_claimed decode_claimed(struct fixture *f, const redisReply *reply, const char *session, const char *token)
{
    struct lane_claimed claimed = {0};

    if (!strcmp(reply_text(reply_element(reply, 0)), "lost")) {
        claimed.lost = true;
        return claimed;
    }
    const redisReply *answers = reply_element(reply, 5), *jobs = reply_element(reply, 6);
    claimed.now_ms = reply_number(reply_element(reply, 1));
    claimed.v = reply_number(reply_element(reply, 2));
    claimed.active = reply_number(reply_element(reply, 3));
    claimed.next_ms = reply_number(reply_element(reply, 4));
    claimed.answers = answers->elements;
    claimed.jobs = jobs->elements / 3;
    assert_true(claimed.answers <= LANE_ENDS_MAX && claimed.jobs <= LANE_JOBS_MAX && jobs->elements % 3 == 0);
    for (size_t i = 0; i < claimed.answers; i++)
        claimed.answer[i] = reply_text(answers->element[i]);
    for (size_t i = 0; i < claimed.jobs; i++) {
        const redisReply *record = jobs->element[3 * i + 1], *state = jobs->element[3 * i + 2];
        struct lane_lease *job = &claimed.job[i];
        job->name = reply_text(jobs->element[3 * i]);
        job->id = strchr(job->name, '/') + 1;
        job->org = fixture_text(f, "%.*s", (int)(job->id - job->name - 1), job->name);
        job->record = (struct bytes){record->str, record->len};
        job->state = (struct bytes){state->str, state->len};
        snprintf(job->session, sizeof job->session, "%s", session);
        memcpy(job->token, token, LANE_TOKEN_BYTES);
    }
    return claimed;
}

struct lane_claimed lane_claim(struct fixture *f, const struct lane_claim *claim)
{
    char token[LANE_TOKEN_BYTES + 1];
    struct args args = {0};

    add_claim(f, &args, claim, token);
    return decode_claimed(f, lane_call_args(f, "claim", &args), claim->session, token);
}

struct lane_lease lane_claim_one(struct fixture *f, const char *session)
{
    struct lane_claimed claimed = lane_claim(f, &(struct lane_claim){.session = session});

    assert_int_equal(claimed.jobs, 1);
    return claimed.job[0];
}

struct lane_claimed lane_finish(struct fixture *f, const struct lane_claim *claim, const struct lane_end *ends, size_t count)
{
    char token[LANE_TOKEN_BYTES + 1];
    struct args args = {0};

    add_claim(f, &args, claim, token);
    for (size_t i = 0; i < count; i++) {
        args_text(&args, "%s", ends[i].lease->name);
        args_add(&args, ends[i].lease->token, LANE_TOKEN_BYTES);
        args_text(&args, "%s", ends[i].verdict ? ends[i].verdict : "done");
        args_text(&args, "%lld", (long long)ends[i].run_us);
        args_add(&args, ends[i].report.data ? ends[i].report.data : "", ends[i].report.length);
    }
    return decode_claimed(f, lane_call_args(f, "finish", &args), claim->session, token);
}

const char *lane_end_after(struct fixture *f, const struct lane_lease *lease, const char *verdict, int64_t run_us)
{
    struct lane_claimed claimed = lane_finish(f, &(struct lane_claim){.session = lease->session, .want_none = true},
                                              &(struct lane_end){.lease = lease, .verdict = verdict, .run_us = run_us}, 1);

    return claimed.lost ? "lost" : claimed.answer[0];
}

const char *lane_end(struct fixture *f, const struct lane_lease *lease, const char *verdict)
{
    return lane_end_after(f, lease, verdict, 1000);
}

void lane_limit(struct fixture *f, const char *name, const char *concurrency, const char *rate, const char *burst)
{
    lane_call(f, "limit_set", "me %s %s %s %s", name, concurrency, rate, burst);
    if (f->lanes > 1) {
        lane_call(f, "limit_look", "test %s 1", name);
        lane_call(f, "limit_part", "test %s %s %s 0", name, concurrency, *rate ? *burst ? burst : "1" : "");
        lane_redis(f, "HDEL %s tat_us", lane_key(f, "limit:%s", name)); /* a full bucket */
    }
}

int lane_delete_org(struct fixture *f, const char *org, int limit)
{
    const char *word = reply_text(reply_element(lane_call(f, "org_delete", "tester %s begin", org), 0));
    int steps = 0;

    for (; strcmp(word, "deleted") != 0 && strcmp(word, "gone") != 0; steps++)
        word = reply_text(reply_element(lane_call(f, "org_delete", "tester %s take %d", org, limit), 0));
    return steps;
}
