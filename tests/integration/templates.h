/* templates.h - a schedule of every organization, named report, in lane 0, which has the say. */
#pragma once

#include <string.h>

#include "tests/support/schedules.h"

/* The `n`th organization of lane 0. */
static inline const char *org(struct fixture *f, unsigned n)
{
    return lane_org(f, n + 1);
}

/* `count` of them. */
static inline void make_orgs(struct fixture *f, unsigned count)
{
    f->check_each = count < 10;
    lane_use(f, 0);
    for (unsigned n = 0; n < count; n++)
        lane_call(f, "org_set", "tester %s weight 50", org(f, n));
}

static inline void walk_to_the_end(struct fixture *f, const char *name)
{
    int steps = 0;

    while (strcmp(reply_text(reply_element(lane_call(f, "template_walk", "%s 50 %s", name, ""), 0)), "done") != 0)
        assert_true(++steps < 1000);
}

/* How many are due. */
static inline size_t due_count(struct fixture *f)
{
    return reply_element(lane_call(f, "due", "256"), 2)->elements / 3;
}

/* The value of a field in a flat list. */
static inline const char *value_of(const redisReply *fields, const char *name)
{
    for (size_t i = 0; i + 1 < fields->elements; i += 2)
        if (strcmp(reply_text(reply_element(fields, i)), name) == 0)
            return reply_text(reply_element(fields, i + 1));
    return "";
}

/* A field of what an organization has of it, as the function `schedule` tells. */
static inline const char *shown(struct fixture *f, const char *org, const char *field)
{
    return value_of(reply_element(lane_call(f, "schedule", "%s report", org), 1), field);
}

/* Where it stands in the lane's index. */
static inline const char *entry(struct fixture *f, const char *org)
{
    const redisReply *reply = lane_redis(f, "ZSCORE %s %s/report", lane_key(f, "schedules"), org);

    return reply->type == REDIS_REPLY_NIL ? "" : reply_text(reply);
}

static inline const char *now_text(struct fixture *f)
{
    return fixture_text(f, "%lld", (long long)clock_ms(f));
}
