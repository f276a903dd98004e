#include "tests/support/recurring.h"

#include <stdio.h>
#include <string.h>

#include "common/buffer.h"
#include "common/id.h"
#include "common/units.h"

#define SECOND_MS     1000LL
#define ARGUMENTS_MAX 24

/* The organization of org/name, and its lane. */
static const char *org_of(struct pool *pool, const char *name)
{
    return pool_text(pool, "%.*s", (int)strcspn(name, "/"), name);
}

static const char *name_of(const char *name)
{
    return strchr(name, '/') + 1;
}

int64_t recurring_add(struct pool *pool, const char *name, const char *const *flags)
{
    const char *arguments[ARGUMENTS_MAX] = {"schedule", "add", name, "t"};
    size_t count = 4;

    for (; *flags; flags++) {
        assert_true(count < ARGUMENTS_MAX - 2);
        arguments[count++] = *flags;
    }
    arguments[count] = "--json";
    struct ran ran = rota_must(pool, 0, arguments);
    json_t *answer = ran_json(&ran);
    int64_t next_ms = json_number(answer, "next_ms");
    json_decref(answer);
    return next_ms;
}

void recurring_add_once(struct pool *pool, const char *org, const char *name, int64_t due_ms)
{
    struct job_record record = {.type = "t", .payload = "", .has_payload = true};
    struct buffer bytes = {0};
    char moment[32];
    struct error err;

    assert_int_equal(job_record_encode(&bytes, &record, &err), 0);
    const redisReply *reply =
        pool_call(pool, lane_of(org, pool->lanes), "schedule_set",
                  "tester %s %s 0 %lld 0 recurrence %s missed once window_ms 86400000 overlap allow "
                  "spread_ms 0 from_ms 0 until_ms 0 record %b",
                  org, name, (long long)due_ms, pool_text(pool, "at tz=UTC %s", units_format_time(moment, due_ms)), bytes.data,
                  bytes.length);
    buffer_clear(&bytes);
    assert_true(reply && reply->type == REDIS_REPLY_ARRAY);
    assert_string_equal(reply->element[0]->str, "new");
}

int64_t recurring_field(struct pool *pool, const char *name, const char *field)
{
    const char *org = org_of(pool, name);

    return pool_number(pool, "HGET rota:{%u}:org:%s:schedule:%s %s", lane_of(org, pool->lanes), org, name_of(name), field);
}

const char *recurring_job(struct pool *pool, const char *name, int64_t due_ms)
{
    return pool_text(pool, "%s@%lld", name_of(name), (long long)due_ms);
}

const char *recurring_place(struct pool *pool, const char *name, int64_t due_ms)
{
    return pool_place(pool, org_of(pool, name), recurring_job(pool, name, due_ms));
}

unsigned recurring_served(struct pool *pool, const char *name, int64_t from_ms, int64_t to_ms)
{
    unsigned count = 0;

    for (int64_t due_ms = from_ms; due_ms <= to_ms; due_ms += SECOND_MS)
        count += *recurring_place(pool, name, due_ms) != '\0';
    return count;
}

unsigned recurring_check_each_once(struct pool *pool, const char *name, int64_t first_ms)
{
    ROTA_MUST(pool, 0, "schedule", "pause", name);
    int64_t last_ms = recurring_field(pool, name, "last_ms");
    unsigned count = (unsigned)((last_ms - first_ms) / SECOND_MS) + 1;

    assert_int_equal(recurring_served(pool, name, first_ms, last_ms), count);
    assert_int_equal(recurring_field(pool, name, "runs"), count);
    assert_int_equal(recurring_field(pool, name, "missed_count"), 0);
    return count;
}
