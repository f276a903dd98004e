#include "common/redis_requests.h"

#include <assert.h>
#include <stdlib.h>

#include "common/memory.h"

void requests_init(struct requests *requests)
{
    STAILQ_INIT(&requests->pending);
    STAILQ_INIT(&requests->failed);
    requests->pending_count = 0;
}

struct request *request_new(redis_cb *cb, void *ctx, int64_t timeout_ms, int64_t now_mono_ms)
{
    struct request *request = memory_new(sizeof *request);

    *request = (struct request){.cb = cb, .ctx = ctx, .timeout_ms = timeout_ms, .deadline_mono_ms = now_mono_ms + timeout_ms};
    return request;
}

void requests_add(struct requests *requests, struct request *request, uint64_t end_bytes)
{
    request->end_bytes = end_bytes;
    STAILQ_INSERT_TAIL(&requests->pending, request, entry);
    requests->pending_count++;
}

void requests_fail(struct requests *requests, struct request *request, enum error_code code, const char *why)
{
    request->err = memory_new(sizeof *request->err);
    error_set(request->err, code, "%s", why);
    STAILQ_INSERT_TAIL(&requests->failed, request, entry);
}

void requests_fail_all(struct requests *requests, uint64_t written_bytes, const char *why)
{
    struct request *request;

    while ((request = STAILQ_FIRST(&requests->pending))) {
        STAILQ_REMOVE_HEAD(&requests->pending, entry);
        requests_fail(requests, request, request->end_bytes <= written_bytes ? ERR_UNKNOWN : ERR_UNAVAILABLE, why);
    }
    requests->pending_count = 0;
}

void requests_tell_failed(struct requests *requests)
{
    struct request_list failed = STAILQ_HEAD_INITIALIZER(failed);
    struct request *request;

    STAILQ_CONCAT(&failed, &requests->failed);
    while ((request = STAILQ_FIRST(&failed))) {
        STAILQ_REMOVE_HEAD(&failed, entry);
        request->cb(NULL, request->err, request->ctx);
        free(request->err);
        free(request);
    }
}

void requests_answer(struct requests *requests, struct request *request, const struct reply *reply, const struct error *err)
{
    assert(request == STAILQ_FIRST(&requests->pending));
    STAILQ_REMOVE_HEAD(&requests->pending, entry);
    requests->pending_count--;
    request->cb(reply, err, request->ctx);
    free(request);
}

const struct request *requests_most_urgent(const struct requests *requests)
{
    const struct request *urgent = NULL, *request;

    STAILQ_FOREACH(request, &requests->pending, entry)
    if (!urgent || request->deadline_mono_ms < urgent->deadline_mono_ms)
        urgent = request;
    return urgent;
}

bool requests_forgive(struct requests *requests, int64_t now_mono_ms)
{
    struct request *request;
    bool any = false;

    STAILQ_FOREACH(request, &requests->pending, entry)
    if (!request->forgiven && request->deadline_mono_ms <= now_mono_ms) {
        request->deadline_mono_ms = now_mono_ms + request->timeout_ms;
        any = request->forgiven = true;
    }
    return any;
}
