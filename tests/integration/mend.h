/* mend.h - a round of the leader over all schedules, and damage for it to find. */
#pragma once

#include <string.h>

#include "tests/support/schedules.h"

/* A round over all pages. The words and names that were mended, as "what name what name", and how many schedules were listed. */
static inline const char *audit(struct fixture *f, size_t *ret_listed)
{
    const char *cursor = "0", *mended = "";
    size_t listed = 0;

    do {
        const redisReply *reply = lane_call(f, "schedule_audit", "leader %s 100", cursor);
        assert_int_equal(reply->type, REDIS_REPLY_ARRAY);
        cursor = fixture_text(f, "%s", reply_text(reply_element(reply, 0)));
        listed += reply_element(reply, 2)->elements / 3;
        for (size_t i = 0; i < reply_element(reply, 3)->elements; i++)
            mended =
                fixture_text(f, "%s%s%s", mended, mended[0] ? " " : "", reply_text(reply_element(reply_element(reply, 3), i)));
    } while (strcmp(cursor, "0") != 0);
    if (ret_listed)
        *ret_listed = listed;
    return mended;
}

static inline const char *relist(struct fixture *f, const char *org)
{
    const char *cursor = "", *mended = "";

    do {
        const redisReply *reply = lane_call(f, "schedule_relist", "leader %s %s 100", org, cursor);
        assert_int_equal(reply->type, REDIS_REPLY_ARRAY);
        cursor = fixture_text(f, "%s", reply_text(reply_element(reply, 0)));
        for (size_t i = 0; i < reply_element(reply, 2)->elements; i++)
            mended =
                fixture_text(f, "%s%s%s", mended, mended[0] ? " " : "", reply_text(reply_element(reply_element(reply, 2), i)));
    } while (cursor[0]);
    return mended;
}

/* Damages behind the back of the functions. */
#define DAMAGE(f, ...) ((f)->check_each = false, lane_redis(f, __VA_ARGS__))
