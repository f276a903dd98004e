#include "common/job_log.h"

#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"

#define LOGS_BYTES_MAX (512 * 1024)
#define LOGS_MAX       8192

/* What is left of the bytes. A log is an array of numbers and a string, so that little of msgpack is needed to read it. */
struct rest {
    const unsigned char *at;
    size_t length;
};

/* A big-endian number of `bytes` bytes. */
static bool take_number(struct rest *rest, size_t bytes, uint64_t *ret)
{
    if (rest->length < bytes)
        return false;
    *ret = 0;
    for (size_t i = 0; i < bytes; i++)
        *ret = *ret << 8 | rest->at[i];
    rest->at += bytes;
    rest->length -= bytes;
    return true;
}

static bool take_int(struct rest *rest, int64_t most, int64_t *ret)
{
    uint64_t head, value;

    if (!take_number(rest, 1, &head))
        return false;
    value = head;
    if (head > 0x7f && (head < 0xcc || head > 0xcf || !take_number(rest, (size_t)1 << (head - 0xcc), &value)))
        return false;
    *ret = (int64_t)value;
    return value <= (uint64_t)most;
}

static bool take_text(struct rest *rest, struct job_log *log)
{
    uint64_t head, length;

    if (!take_number(rest, 1, &head))
        return false;
    length = head & 0x1f;
    if ((head & 0xe0) != 0xa0 && (head < 0xd9 || head > 0xdb || !take_number(rest, (size_t)1 << (head - 0xd9), &length)))
        return false;
    if (length > rest->length)
        return false;
    log->text = memory_copy(rest->at, length);
    log->text_bytes = length;
    rest->at += length;
    rest->length -= length;
    return true;
}

static bool take_log(struct rest *rest, struct job_log *ret)
{
    uint64_t head;
    int64_t delivery;

    *ret = (struct job_log){0};
    if (!take_number(rest, 1, &head) || head != 0x94 || !take_int(rest, INT_MAX, &delivery) ||
        !take_int(rest, INT64_MAX, &ret->ended_ms) || !take_int(rest, INT64_MAX, &ret->omitted_bytes) || !take_text(rest, ret))
        return false;
    ret->delivery = (int)delivery;
    return true;
}

int job_logs_decode(struct job_logs *ret, const void *bytes, size_t length, struct error *err)
{
    struct rest rest = {bytes, length};

    *ret = (struct job_logs){0};
    if (length > LOGS_BYTES_MAX)
        return error_set(err, ERR_PROTOCOL, "the logs have %zu bytes, the limit is %d", length, LOGS_BYTES_MAX);
    while (rest.length > 0) {
        struct job_log log;
        if (ret->count == LOGS_MAX || !take_log(&rest, &log)) {
            job_logs_clear(ret);
            return error_set(err, ERR_PROTOCOL, "the logs are no list of logs before byte %zu", length - rest.length);
        }
        ret->items = memory_resize(ret->items, sizeof *ret->items * (ret->count + 1));
        ret->items[ret->count++] = log;
    }
    return 0;
}

void job_logs_clear(struct job_logs *logs)
{
    for (size_t i = 0; i < logs->count; i++)
        free(logs->items[i].text);
    free(logs->items);
    *logs = (struct job_logs){0};
}

const struct attempt *job_log_attempt(const struct job *job, const struct job_log *log)
{
    const struct job_state *state = &job->state;
    int64_t ended = state->deliveries - (strcmp(job->place, "running") == 0), behind = ended - log->delivery;

    if (behind < 0 || behind >= (int64_t)state->attempt_count)
        return NULL;
    return &state->attempts[state->attempt_count - 1 - (size_t)behind];
}
