#include <msgpack.h>
#include <stdlib.h>
#include <string.h>

#include "common/buffer.h"
#include "common/memory.h"
#include "tests/support/garbage.h"
#include "tests/support/lane.h"

double lane_score(struct fixture *f, const char *set, const char *member)
{
    const redisReply *reply = lane_redis(f, "ZSCORE %s %s", lane_key(f, "%s", set), member);

    return reply->type == REDIS_REPLY_NIL ? -1 : strtod(reply->str, NULL);
}

bool lane_has(struct fixture *f, const char *set, const char *member)
{
    return lane_redis(f, "ZSCORE %s %s", lane_key(f, "%s", set), member)->type != REDIS_REPLY_NIL;
}

long long lane_count(struct fixture *f, const char *set)
{
    return lane_redis(f, "ZCARD %s", lane_key(f, "%s", set))->integer;
}

const char *lane_field(struct fixture *f, const char *hash, const char *field)
{
    return lane_redis(f, "HGET %s %s", lane_key(f, "%s", hash), field)->str;
}

const char *lane_place(struct fixture *f, const char *org, const char *id)
{
    static const char *const sets[] = {"waiting", "scheduled", "running", "done", "dead", "cancelled"};
    const redisReply *ready = lane_redis(f, "KEYS %s", lane_key(f, "org:%s:ready:*", org));
    struct buffer found = {0};

    for (size_t i = 0; i < ready->elements; i++) {
        if (lane_redis(f, "ZSCORE %s %s", ready->element[i]->str, id)->type != REDIS_REPLY_NIL)
            buffer_add_format(&found, " %s", strstr(ready->element[i]->str, ":ready:") + 1);
    }
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++) {
        if (lane_has(f, fixture_text(f, "org:%s:%s", org, sets[i]), id))
            buffer_add_format(&found, " %s", sets[i]);
    }
    char *places = buffer_give(&found);
    keep(f, NULL, places);
    return *places ? places + 1 : places;
}

static double number_of(const msgpack_object *object)
{
    switch (object->type) {
    case MSGPACK_OBJECT_POSITIVE_INTEGER: return (double)object->via.u64;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER: return (double)object->via.i64;
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64: return object->via.f64;
    default: return -1;
    }
}

static const char *text_of(struct fixture *f, const msgpack_object *object)
{
    return object->type == MSGPACK_OBJECT_STR ? keep_bytes(f, object->via.str.ptr, object->via.str.size) : NULL;
}

/* An empty Lua table is packed as an array or as a map. */
static const struct lane_attempt *attempts_of(struct fixture *f, const msgpack_object *list, size_t *ret_count)
{
    *ret_count = list->type == MSGPACK_OBJECT_ARRAY ? list->via.array.size : 0;
    struct lane_attempt *tried = memory_new(*ret_count * sizeof *tried);
    keep(f, NULL, (char *)tried);
    for (size_t i = 0; i < *ret_count; i++) {
        const msgpack_object *parts = list->via.array.ptr[i].via.array.ptr;
        const msgpack_object_str *report = &parts[5].via.str;
        tried[i] = (struct lane_attempt){.number = (long long)number_of(&parts[0]),
                                         .worker = text_of(f, &parts[1]),
                                         .started_ms = (long long)number_of(&parts[2]),
                                         .ended_ms = (long long)number_of(&parts[3]),
                                         .outcome = text_of(f, &parts[4]),
                                         .report = {keep_bytes(f, report->ptr, report->size), report->size}};
    }
    return tried;
}

static bool is_named(const msgpack_object *key, const char *name)
{
    return key->type == MSGPACK_OBJECT_STR && key->via.str.size == strlen(name) &&
           memcmp(key->via.str.ptr, name, key->via.str.size) == 0;
}

static void read_notes(struct fixture *f, struct lane_state *state, const msgpack_object *notes)
{
    for (uint32_t i = 0; notes->type == MSGPACK_OBJECT_MAP && i < notes->via.map.size; i++) {
        const msgpack_object *value = &notes->via.map.ptr[i].val;
        if (is_named(&notes->via.map.ptr[i].key, "checkpoint")) {
            state->checkpoint = text_of(f, value);
        } else if (is_named(&notes->via.map.ptr[i].key, "progress")) {
            state->progress = (long long)number_of(&value->via.array.ptr[0]);
            state->progress_text = text_of(f, &value->via.array.ptr[1]);
            state->progress_ms = (long long)number_of(&value->via.array.ptr[2]);
        }
    }
}

struct lane_state lane_state_decode(struct fixture *f, struct bytes state)
{
    struct lane_state decoded = {.exists = true};
    msgpack_unpacked unpacked;
    size_t at = 0;

    msgpack_unpacked_init(&unpacked);
    assert_int_equal(msgpack_unpack_next(&unpacked, state.data, state.length, &at), MSGPACK_UNPACK_SUCCESS);
    assert_int_equal(at, state.length);
    assert_int_equal(unpacked.data.type, MSGPACK_OBJECT_ARRAY);
    assert_int_equal(unpacked.data.via.array.size, 12);
    const msgpack_object *parts = unpacked.data.via.array.ptr;
    decoded.order = number_of(&parts[0]);
    decoded.enqueued_ms = (long long)number_of(&parts[1]);
    decoded.queue = text_of(f, &parts[2]);
    decoded.priority = parts[3].type == MSGPACK_OBJECT_NIL ? 0 : (long long)number_of(&parts[3]);
    decoded.attempt = (long long)number_of(&parts[4]);
    decoded.deliveries = (long long)number_of(&parts[5]);
    decoded.crashes = (long long)number_of(&parts[6]);
    decoded.session = text_of(f, &parts[7]);
    decoded.started_ms = (long long)number_of(&parts[8]);
    decoded.tried = attempts_of(f, &parts[9], &decoded.attempts);
    decoded.reason = text_of(f, &parts[10]);
    read_notes(f, &decoded, &parts[11]);
    msgpack_unpacked_destroy(&unpacked);
    return decoded;
}

struct lane_state lane_state(struct fixture *f, const char *org, const char *id)
{
    const redisReply *reply = lane_redis(f, "HGET %s %s", lane_key(f, "org:%s:state", org), id);

    if (reply->type == REDIS_REPLY_NIL)
        return (struct lane_state){0};
    return lane_state_decode(f, (struct bytes){reply->str, reply->len});
}
