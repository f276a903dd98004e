/* record - bytes are read as a record, as a state and as the report of an attempt, or refused with a reason; a record and a
 * report that were read can be written and read again. */
#include "common/job.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void require(bool truth)
{
    if (!truth)
        abort();
}

static void require_reason(const struct error *err)
{
    require(err->code == ERR_PROTOCOL && err->message[0] && strlen(err->message) < sizeof err->message);
}

static void require_same_text(const char *a, const char *b)
{
    require(!a == !b && (!a || strcmp(a, b) == 0));
}

static void require_same(const struct job_record *a, const struct job_record *b)
{
    require(strcmp(a->type, b->type) == 0);
    require(strcmp(a->queue, b->queue) == 0 || (strcmp(a->queue, "default") == 0 && !b->queue[0]));
    require(a->priority == b->priority && a->due_ms == b->due_ms && a->delay_ms == b->delay_ms);
    require(a->expires_ms == b->expires_ms && a->timeout_ms == b->timeout_ms && a->max_attempts == b->max_attempts);
    require(a->nonce == b->nonce && a->header_count == b->header_count);
    require_same_text(a->key, b->key);
    for (size_t i = 0; i < a->header_count; i++) {
        require_same_text(a->headers[i].name, b->headers[i].name);
        require_same_text(a->headers[i].value, b->headers[i].value);
    }
    require(a->payload_bytes == b->payload_bytes && memcmp(a->payload, b->payload, a->payload_bytes) == 0);
}

/* What may be written is a record again. */
static void write_record(const struct job_record *record)
{
    struct buffer buffer = {0};
    struct job_record again;
    struct error err = {0};

    if (job_record_encode(&buffer, record, &err) == 0) {
        require(buffer.length <= JOB_RECORD_BYTES_MAX);
        require(job_record_decode(&again, buffer.data, buffer.length, &err) == 0);
        require(again.has_payload);
        require_same(record, &again);
        job_record_clear(&again);
    } else
        require(buffer.length == 0 && (err.code == ERR_INVALID || err.code == ERR_LIMIT) && err.message[0]);
    buffer_clear(&buffer);
}

static void read_record(const uint8_t *data, size_t bytes)
{
    const char *start = (const char *)data;
    struct job_record record;
    struct error err = {0};

    if (job_record_decode(&record, data, bytes, &err) < 0) {
        require_reason(&err);
        return;
    }
    require(strlen(record.type) <= TYPE_BYTES_MAX && strlen(record.queue) <= NAME_BYTES_MAX);
    require(record.header_count <= JOB_HEADERS_MAX && (record.has_payload || record.payload_bytes == 0));
    require(record.payload_bytes == 0 || (record.payload > start && record.payload + record.payload_bytes == start + bytes));
    write_record(&record);
    job_record_clear(&record);
}

/* Asks everything of a state. */
static void check_state(const struct job_state *state)
{
    static const char *const places[] = {"ready", "scheduled", "running", "done", "dead", "cancelled", "lost"};
    struct job job = {.score = state->order, .record = {.priority = state->attempt}, .state = *state};

    require(strlen(state->session) <= TYPE_BYTES_MAX && strlen(state->reason) < sizeof state->reason);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        memcpy(job.place, places[i], strlen(places[i]) + 1);
        (void)job_enqueued_ms(&job);
        (void)job_due_ms(&job);
        require(job_finished_ms(&job) == 0 || job_finished_ms(&job) == job.score);
    }
    require(!job_last_attempt(&job) == (state->attempt_count == 0));
    for (size_t i = 0; i < state->attempt_count; i++) {
        const struct attempt *attempt = &state->attempts[i];
        require(strlen(attempt->worker) <= TYPE_BYTES_MAX && strlen(attempt->outcome) < sizeof attempt->outcome);
        require(attempt->report.exit >= -1 && attempt->report.signal >= -1);
        require(attempt->report.result || attempt->report.result_bytes == 0);
    }
}

static void read_state(const uint8_t *data, size_t bytes)
{
    struct job_state state;
    struct error err = {0};

    if (job_state_decode(&state, data, bytes, bytes ? (int8_t)data[bytes - 1] : 0, &err) < 0)
        require_reason(&err);
    else
        check_state(&state);
    job_state_clear(&state);
}

/* The state with one attempt, whose report is these bytes. */
static struct job_state state_with_report(const void *report, size_t bytes)
{
    static const char before[] = "\x9c\x05\xc0\xc0\xc0\x01\x01\x00\xc0\xc0\x91\x96\x01\xa1w\x05\x06\xa4"
                                 "done\xdb";
    const char length[4] = {(char)(bytes >> 24), (char)(bytes >> 16), (char)(bytes >> 8), (char)bytes};
    struct buffer buffer = {0};
    struct job_state state;
    struct error err;

    buffer_add(&buffer, before, sizeof before - 1);
    buffer_add(&buffer, length, sizeof length);
    buffer_add(&buffer, report, bytes);
    buffer_add(&buffer, "\xc0\xc0", 2);
    require(job_state_decode(&state, buffer.data, buffer.length, 0, &err) == 0);
    require(state.attempt_count == 1 && strcmp(state.attempts[0].outcome, "done") == 0);
    buffer_clear(&buffer);
    return state;
}

static void read_report(const uint8_t *data, size_t bytes)
{
    struct job_state state = state_with_report(data, bytes), again;
    const struct report *a = &state.attempts[0].report, *b;
    struct buffer buffer = {0};

    check_state(&state);
    report_encode(&buffer, a);
    again = state_with_report(buffer.data, buffer.length);
    b = &again.attempts[0].report;
    require(a->exit == b->exit && a->signal == b->signal && a->result_bytes == b->result_bytes);
    require_same_text(a->error, b->error);
    require(!a->result == !b->result && (!a->result || memcmp(a->result, b->result, a->result_bytes) == 0));
    job_state_clear(&state);
    job_state_clear(&again);
    buffer_clear(&buffer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    read_record(data, bytes);
    read_state(data, bytes);
    read_report(data, bytes);
    return 0;
}
