/* redis_requests.h - the calls of one connection that have not ended: those on their way, in the order of their replies, and
 * those that have failed but were not told so yet. Knows neither sockets nor clocks; used by redis.c only. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/error.h"
#include "common/redis.h"

struct request {
    STAILQ_ENTRY(request) entry;
    redis_cb *cb;
    void *ctx;
    int64_t timeout_ms, deadline_mono_ms;
    bool forgiven;      /* its time-out runs a second time */
    uint64_t end_bytes; /* the call is out when the link has written so much */
    struct error *err;  /* of one that has failed */
};

STAILQ_HEAD(request_list, request);

struct requests {
    struct request_list pending, failed;
    unsigned pending_count;
};

void requests_init(struct requests *requests);

/* A request in no list yet: one of the two that follow takes it. */
struct request *request_new(redis_cb *cb, void *ctx, int64_t timeout_ms, int64_t now_mono_ms);

/* It is on its way. */
void requests_add(struct requests *requests, struct request *request, uint64_t end_bytes);

/* It has failed, and requests_tell_failed will say so. */
void requests_fail(struct requests *requests, struct request *request, enum error_code code, const char *why);

/* All that are on their way have failed: ERR_UNKNOWN, or ERR_UNAVAILABLE where not all bytes were written. A call whose last byte
 * was never written cannot have been run: a server reads a command to its end first. */
void requests_fail_all(struct requests *requests, uint64_t written_bytes, const char *why);

/* Runs the callbacks of those that have failed until now; calls that fail meanwhile wait for the next time. */
void requests_tell_failed(struct requests *requests);

/* Takes `request`, which must be the first one on its way, off the list, runs its callback, frees it. */
void requests_answer(struct requests *requests, struct request *request, const struct reply *reply, const struct error *err);

/* Of those on their way the one whose time is up first; NULL if there is none. */
const struct request *requests_most_urgent(const struct requests *requests);

/* Time passed in which nobody looked for replies, with the program stopped or busy: those that are over their time get it anew,
 * once. False if there are none. */
bool requests_forgive(struct requests *requests, int64_t now_mono_ms);
