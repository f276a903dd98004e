/* offered.h - a record that is offered to enqueue, and what it says. */
#pragma once

#include "tests/support/lane.h"

/* It is refused, and nothing is changed. */
static inline void refused(struct fixture *f, const char *org, const char *id, struct bytes record)
{
    const char *before = lane_digest(f);
    redisReply *reply = lane_call(f, "enqueue", "%s %s %b", org, id, record.data, record.length);

    assert_error(reply, "INVALID");
    assert_string_equal(lane_digest(f), before);
}

static inline void accepted(struct fixture *f, const char *org, const char *id, struct bytes record)
{
    redisReply *reply = lane_call(f, "enqueue", "%s %s %b", org, id, record.data, record.length);

    assert_reply(reply_element(reply, 0), "new");
}
