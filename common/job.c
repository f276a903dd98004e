#include "common/job.h"

#include <limits.h>
#include <msgpack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "common/scan.h"

#define RECORD_OBJECTS_MAX 512
#define STATE_OBJECTS_MAX  (32 + JOB_ATTEMPTS_KEPT * 8)
#define REPORT_OBJECTS_MAX 16

/* ---- writing ---- */

static int write_to_buffer(void *data, const char *bytes, size_t length)
{
    buffer_add(data, bytes, length);
    return 0;
}

/* Strings are packed as str, never bin: the functions unpack options with cmsgpack, which knows no bin. */
static void pack_bytes(msgpack_packer *packer, const char *bytes, size_t length)
{
    msgpack_pack_str(packer, length);
    msgpack_pack_str_body(packer, bytes, length);
}

static void pack_string(msgpack_packer *packer, const char *string)
{
    pack_bytes(packer, string, strlen(string));
}

static void pack_option_int(msgpack_packer *packer, const char *name, int64_t value)
{
    if (value != 0) {
        pack_string(packer, name);
        msgpack_pack_int64(packer, value);
    }
}

static size_t count_options(const struct job_record *record)
{
    return (size_t)(record->queue[0] != '\0' && strcmp(record->queue, "default") != 0) + (record->priority != 0) +
           (record->due_ms != 0) + (record->delay_ms != 0) + (record->expires_ms != 0) + (record->timeout_ms != 0) +
           (record->max_attempts != 0) + (record->key != NULL) + (record->coalesce != NULL) + record->earliest +
           (record->limit[0] != '\0') + (record->header_count != 0);
}

static void pack_options(msgpack_packer *packer, const struct job_record *record)
{
    size_t count = count_options(record);

    if (count == 0) {
        msgpack_pack_nil(packer);
        return;
    }
    msgpack_pack_map(packer, count);
    if (record->queue[0] != '\0' && strcmp(record->queue, "default") != 0) {
        pack_string(packer, "queue");
        pack_string(packer, record->queue);
    }
    pack_option_int(packer, "priority", record->priority);
    pack_option_int(packer, "due_ms", record->due_ms);
    pack_option_int(packer, "delay_ms", record->delay_ms);
    pack_option_int(packer, "expires_ms", record->expires_ms);
    pack_option_int(packer, "timeout_ms", record->timeout_ms);
    pack_option_int(packer, "max_attempts", record->max_attempts);
    if (record->key) {
        pack_string(packer, "key");
        pack_string(packer, record->key);
    }
    if (record->coalesce) {
        pack_string(packer, "coalesce");
        pack_string(packer, record->coalesce);
    }
    if (record->earliest) {
        pack_string(packer, "earliest");
        msgpack_pack_true(packer);
    }
    if (record->limit[0]) {
        pack_string(packer, "limit");
        pack_string(packer, record->limit);
    }
    if (record->header_count) {
        pack_string(packer, "headers");
        msgpack_pack_map(packer, record->header_count);
        for (size_t i = 0; i < record->header_count; i++) {
            pack_string(packer, record->headers[i].name);
            pack_string(packer, record->headers[i].value);
        }
    }
}

static int check_range(const char *what, int64_t value, int64_t low, int64_t high, struct error *err)
{
    if (value < low || value > high)
        return error_set(err, ERR_INVALID, "%s is %lld, it must be %lld..%lld", what, (long long)value, (long long)low,
                         (long long)high);
    return 0;
}

static int check_headers(const struct job_record *record, struct error *err)
{
    size_t bytes = 0;

    if (record->header_count > JOB_HEADERS_MAX)
        return error_set(err, ERR_LIMIT, "%zu headers, the limit is %d", record->header_count, JOB_HEADERS_MAX);
    for (size_t i = 0; i < record->header_count; i++)
        bytes += strlen(record->headers[i].name) + strlen(record->headers[i].value);
    if (bytes > JOB_HEADERS_BYTES_MAX)
        return error_set(err, ERR_LIMIT, "headers have %zu bytes, the limit is %d", bytes, JOB_HEADERS_BYTES_MAX);
    return 0;
}

static int check_key(const char *what, const char *key, struct error *err)
{
    if (key && (key[0] == '\0' || strlen(key) > JOB_KEY_BYTES_MAX))
        return error_set(err, ERR_LIMIT, "%s key has %zu bytes, it must have 1..%d", what, strlen(key), JOB_KEY_BYTES_MAX);
    return 0;
}

static int check_keys(const struct job_record *record, struct error *err)
{
    if (check_key("idempotency", record->key, err) < 0 || check_key("coalescing", record->coalesce, err) < 0)
        return err->code;
    if (record->key && record->coalesce)
        return error_set(err, ERR_INVALID, "an idempotency key and a coalescing key (coalesce) exclude each other");
    if (record->earliest && !record->coalesce)
        return error_set(err, ERR_INVALID, "earliest is for a job with a coalescing key (coalesce)");
    return 0;
}

static int check_record(const struct job_record *record, struct error *err)
{
    int rc = type_check(record->type, err);

    if (rc == 0 && record->queue[0])
        rc = name_check(record->queue, "queue", err);
    if (rc == 0 && record->limit[0])
        rc = limit_check(record->limit, err);
    if (rc == 0)
        rc = check_range("priority", record->priority, -JOB_PRIORITY_MAX, JOB_PRIORITY_MAX, err);
    if (rc == 0)
        rc = check_range("due time (ms)", record->due_ms, 0, 1LL << 46, err);
    if (rc == 0)
        rc = check_range("delay (ms)", record->delay_ms, 0, 1LL << 42, err);
    if (rc == 0)
        rc = check_range("expiry (ms)", record->expires_ms, 0, 1LL << 46, err);
    if (rc == 0)
        rc = check_range("time-out (ms)", record->timeout_ms, 0, 1LL << 36, err);
    if (rc == 0)
        rc = check_range("max_attempts", record->max_attempts, 0, 1000, err);
    if (rc == 0)
        rc = check_keys(record, err);
    if (rc == 0)
        rc = check_headers(record, err);
    if (rc == 0 && record->payload_bytes > JOB_RECORD_BYTES_MAX - JOB_OPTIONS_BYTES_MAX)
        rc = error_set(err, ERR_LIMIT, "payload has %zu bytes, the limit is %d", record->payload_bytes,
                       JOB_RECORD_BYTES_MAX - JOB_OPTIONS_BYTES_MAX);
    return rc;
}

int job_record_encode(struct buffer *out, const struct job_record *record, struct error *err)
{
    char nonce[5] = {(char)0xce, (char)(record->nonce >> 24), (char)(record->nonce >> 16), (char)(record->nonce >> 8),
                     (char)record->nonce};
    msgpack_packer packer;
    int rc = check_record(record, err);

    if (rc < 0)
        return rc;
    msgpack_packer_init(&packer, out, write_to_buffer);
    msgpack_pack_array(&packer, 4);
    pack_string(&packer, record->type);
    buffer_add(out, nonce, sizeof nonce); /* always five bytes, so that Lua finds what follows without unpacking */
    pack_options(&packer, record);
    pack_bytes(&packer, record->payload, record->payload_bytes);
    return 0;
}

void report_encode(struct buffer *out, const struct report *report)
{
    size_t count = (size_t)(report->exit >= 0) + (report->signal >= 0) + (report->error != NULL) + (report->result != NULL);
    msgpack_packer packer;

    if (count == 0)
        return;
    msgpack_packer_init(&packer, out, write_to_buffer);
    msgpack_pack_map(&packer, count);
    if (report->exit >= 0) {
        pack_string(&packer, "exit");
        msgpack_pack_int(&packer, report->exit);
    }
    if (report->signal >= 0) {
        pack_string(&packer, "signal");
        msgpack_pack_int(&packer, report->signal);
    }
    if (report->error) {
        pack_string(&packer, "error");
        pack_string(&packer, report->error);
    }
    if (report->result) {
        pack_string(&packer, "result");
        pack_bytes(&packer, report->result, report->result_bytes);
    }
}

/* ---- reading: what has another type than expected reads as nothing ---- */

static int64_t as_int(const msgpack_object *object)
{
    switch (object->type) {
    case MSGPACK_OBJECT_POSITIVE_INTEGER: return object->via.u64 > INT64_MAX ? INT64_MAX : (int64_t)object->via.u64;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER: return object->via.i64;
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64: return object->via.f64 > -9e15 && object->via.f64 < 9e15 ? (int64_t)object->via.f64 : 0;
    default: return 0;
    }
}

static int as_small_int(const msgpack_object *object)
{
    int64_t value = as_int(object);

    return value > INT_MAX ? INT_MAX : value < INT_MIN ? INT_MIN : (int)value;
}

/* An exit code or a signal: what is none, or of another type, is -1 and not 0, which would say that all went well. */
static int as_status(const msgpack_object *object)
{
    return object->type == MSGPACK_OBJECT_POSITIVE_INTEGER ? as_small_int(object) : -1;
}

static const char *as_bytes(const msgpack_object *object, size_t *ret_length)
{
    if (object->type == MSGPACK_OBJECT_STR) {
        *ret_length = object->via.str.size;
        return object->via.str.ptr;
    }
    if (object->type == MSGPACK_OBJECT_BIN) {
        *ret_length = object->via.bin.size;
        return object->via.bin.ptr;
    }
    *ret_length = 0;
    return NULL;
}

/* Copies a string into a fixed field, cutting it. */
static void copy_text(char *out, size_t out_bytes, const msgpack_object *object)
{
    size_t length;
    const char *bytes = as_bytes(object, &length);

    if (length >= out_bytes)
        length = out_bytes - 1;
    if (length)
        memcpy(out, bytes, length);
    out[length] = '\0';
}

static char *copy_bytes(const msgpack_object *object, size_t *ret_length)
{
    const char *bytes = as_bytes(object, ret_length);

    return bytes ? memory_copy(bytes, *ret_length) : NULL;
}

static bool key_is(const msgpack_object *key, const char *name)
{
    size_t length;
    const char *bytes = as_bytes(key, &length);

    return bytes && length == strlen(name) && memcmp(bytes, name, length) == 0;
}

static int unpack(msgpack_unpacked *ret, const void *bytes, size_t length, size_t objects_max, const char *what,
                  struct error *err)
{
    int rc = scan_msgpack(bytes, length, objects_max, what, err);

    if (rc < 0)
        return rc;
    msgpack_unpacked_init(ret);
    if (msgpack_unpack_next(ret, bytes, length, NULL) != MSGPACK_UNPACK_SUCCESS) {
        msgpack_unpacked_destroy(ret);
        return error_set(err, ERR_PROTOCOL, "%s cannot be unpacked", what);
    }
    return 0;
}

static void read_headers(struct job_record *record, const msgpack_object *object)
{
    size_t ignored;

    if (object->type != MSGPACK_OBJECT_MAP || object->via.map.size > JOB_HEADERS_MAX || record->headers)
        return;
    record->headers = memory_new(sizeof *record->headers * (object->via.map.size + 1));
    for (uint32_t i = 0; i < object->via.map.size; i++) {
        char *name = copy_bytes(&object->via.map.ptr[i].key, &ignored),
             *value = copy_bytes(&object->via.map.ptr[i].val, &ignored);
        if (name && value) {
            record->headers[record->header_count++] = (struct header){.name = name, .value = value};
        } else {
            free(name);
            free(value);
        }
    }
}

static void read_options(struct job_record *record, const msgpack_object *options)
{
    size_t ignored;

    if (options->type != MSGPACK_OBJECT_MAP)
        return;
    for (uint32_t i = 0; i < options->via.map.size; i++) {
        const msgpack_object *key = &options->via.map.ptr[i].key, *value = &options->via.map.ptr[i].val;
        if (key_is(key, "queue"))
            copy_text(record->queue, sizeof record->queue, value);
        else if (key_is(key, "priority"))
            record->priority = as_small_int(value);
        else if (key_is(key, "due_ms"))
            record->due_ms = as_int(value);
        else if (key_is(key, "delay_ms"))
            record->delay_ms = as_int(value);
        else if (key_is(key, "expires_ms"))
            record->expires_ms = as_int(value);
        else if (key_is(key, "timeout_ms"))
            record->timeout_ms = as_int(value);
        else if (key_is(key, "max_attempts"))
            record->max_attempts = as_small_int(value);
        else if (key_is(key, "key") && !record->key)
            record->key = copy_bytes(value, &ignored);
        else if (key_is(key, "coalesce") && !record->coalesce)
            record->coalesce = copy_bytes(value, &ignored);
        else if (key_is(key, "earliest"))
            record->earliest = value->type == MSGPACK_OBJECT_BOOLEAN && value->via.boolean;
        else if (key_is(key, "limit"))
            copy_text(record->limit, sizeof record->limit, value);
        else if (key_is(key, "headers"))
            read_headers(record, value);
    }
}

int job_record_decode(struct job_record *ret, const void *bytes, size_t length, struct error *err)
{
    struct job_record record = {0};
    const msgpack_object *items;
    msgpack_unpacked unpacked;
    uint32_t count;
    int rc = unpack(&unpacked, bytes, length, RECORD_OBJECTS_MAX, "job record", err);

    if (rc < 0)
        return rc;
    count = unpacked.data.type == MSGPACK_OBJECT_ARRAY ? unpacked.data.via.array.size : 0;
    if (count != 3 && count != 4) {
        msgpack_unpacked_destroy(&unpacked);
        return error_set(err, ERR_PROTOCOL, "job record is not an array of type, nonce, options and payload");
    }
    items = unpacked.data.via.array.ptr;
    copy_text(record.type, sizeof record.type, &items[0]);
    record.nonce = (uint32_t)as_int(&items[1]);
    read_options(&record, &items[2]);
    if (count == 4) {
        record.payload = as_bytes(&items[3], &record.payload_bytes);
        record.has_payload = true;
    }
    if (!record.payload)
        record.payload = "";
    *ret = record; /* gives */
    msgpack_unpacked_destroy(&unpacked);
    return 0;
}

void job_record_clear(struct job_record *record)
{
    free(record->key);
    free(record->coalesce);
    for (size_t i = 0; i < record->header_count; i++) {
        free(record->headers[i].name);
        free(record->headers[i].value);
    }
    free(record->headers);
    *record = (struct job_record){0};
}

void report_decode(struct report *ret, const void *bytes, size_t length)
{
    msgpack_unpacked unpacked;
    struct error err;
    size_t ignored;

    *ret = (struct report){.exit = -1, .signal = -1};
    if (length == 0 || unpack(&unpacked, bytes, length, REPORT_OBJECTS_MAX, "report", &err) < 0)
        return;
    for (uint32_t i = 0; unpacked.data.type == MSGPACK_OBJECT_MAP && i < unpacked.data.via.map.size; i++) {
        const msgpack_object *key = &unpacked.data.via.map.ptr[i].key, *value = &unpacked.data.via.map.ptr[i].val;
        if (key_is(key, "exit"))
            ret->exit = as_status(value);
        else if (key_is(key, "signal"))
            ret->signal = as_status(value);
        else if (key_is(key, "error") && !ret->error)
            ret->error = copy_bytes(value, &ignored);
        else if (key_is(key, "result") && !ret->result)
            ret->result = copy_bytes(value, &ret->result_bytes);
    }
    msgpack_unpacked_destroy(&unpacked);
}

static void read_attempts(struct job_state *state, const msgpack_object *list)
{
    if (list->type != MSGPACK_OBJECT_ARRAY || list->via.array.size == 0)
        return;
    state->attempts = memory_new(sizeof *state->attempts * list->via.array.size);
    for (uint32_t i = 0; i < list->via.array.size; i++) {
        const msgpack_object *item = &list->via.array.ptr[i], *fields;
        struct attempt *attempt = &state->attempts[state->attempt_count];
        const char *report;
        size_t report_bytes;
        if (item->type != MSGPACK_OBJECT_ARRAY || item->via.array.size != 6)
            continue;
        fields = item->via.array.ptr;
        attempt->number = as_small_int(&fields[0]);
        copy_text(attempt->worker, sizeof attempt->worker, &fields[1]);
        attempt->started_ms = as_int(&fields[2]);
        attempt->ended_ms = as_int(&fields[3]);
        copy_text(attempt->outcome, sizeof attempt->outcome, &fields[4]);
        report = as_bytes(&fields[5], &report_bytes);
        report_decode(&attempt->report, report, report_bytes);
        state->attempt_count++;
    }
}

static void read_progress(struct job_notes *notes, const msgpack_object *object)
{
    const msgpack_object *items = object->via.array.ptr;

    if (object->type != MSGPACK_OBJECT_ARRAY || object->via.array.size != 3)
        return;
    notes->progress = as_small_int(&items[0]);
    copy_text(notes->progress_text, sizeof notes->progress_text, &items[1]);
    notes->progress_ms = as_int(&items[2]);
}

static void read_notes(struct job_notes *notes, const msgpack_object *object)
{
    for (uint32_t i = 0; object->type == MSGPACK_OBJECT_MAP && i < object->via.map.size; i++) {
        const msgpack_object *key = &object->via.map.ptr[i].key, *value = &object->via.map.ptr[i].val;
        if (key_is(key, "checkpoint") && !notes->checkpoint)
            notes->checkpoint = copy_bytes(value, &notes->checkpoint_bytes);
        else if (key_is(key, "progress"))
            read_progress(notes, value);
        else if (key_is(key, "limit"))
            copy_text(notes->limit, sizeof notes->limit, value);
        else if (key_is(key, "after"))
            copy_text(notes->after, sizeof notes->after, value);
    }
}

/* A place in the queue as a moment: without the head start of the priority. Saturates, as a broken state may hold any number. */
static int64_t without_head_start(int64_t order, int priority)
{
    int64_t head_start_ms = (int64_t)priority * JOB_PRIORITY_MS;

    if (head_start_ms > 0 && order > INT64_MAX - head_start_ms)
        return INT64_MAX;
    if (head_start_ms < 0 && order < INT64_MIN - head_start_ms)
        return INT64_MIN;
    return order + head_start_ms;
}

int job_state_decode(struct job_state *ret, const void *bytes, size_t length, int priority, struct error *err)
{
    const msgpack_object *items;
    msgpack_unpacked unpacked;
    int rc;

    *ret = (struct job_state){0};
    if (length == 0)
        return 0;
    rc = unpack(&unpacked, bytes, length, STATE_OBJECTS_MAX, "job state", err);
    if (rc < 0)
        return rc;
    if (unpacked.data.type != MSGPACK_OBJECT_ARRAY || unpacked.data.via.array.size != 12) {
        msgpack_unpacked_destroy(&unpacked);
        return error_set(err, ERR_PROTOCOL, "job state is not an array of 12");
    }
    items = unpacked.data.via.array.ptr;
    ret->order = as_int(&items[0]);
    ret->enqueued_ms = items[1].type == MSGPACK_OBJECT_NIL ? without_head_start(ret->order, priority) : as_int(&items[1]);
    ret->attempt = as_small_int(&items[4]);
    ret->deliveries = as_small_int(&items[5]);
    ret->crashes = as_small_int(&items[6]);
    copy_text(ret->session, sizeof ret->session, &items[7]);
    ret->started_ms = as_int(&items[8]);
    read_attempts(ret, &items[9]);
    copy_text(ret->reason, sizeof ret->reason, &items[10]);
    read_notes(&ret->notes, &items[11]);
    msgpack_unpacked_destroy(&unpacked);
    return 0;
}

void report_clear(struct report *report)
{
    free(report->error);
    free(report->result);
    *report = (struct report){.exit = -1, .signal = -1};
}

void job_state_clear(struct job_state *state)
{
    for (size_t i = 0; i < state->attempt_count; i++) {
        report_clear(&state->attempts[i].report);
    }
    free(state->attempts);
    free(state->notes.checkpoint);
    *state = (struct job_state){0};
}

int job_decode(struct job *ret, const void *record, size_t record_bytes, const void *state, size_t state_bytes, struct error *err)
{
    int rc = job_record_decode(&ret->record, record, record_bytes, err);

    if (rc < 0)
        return rc;
    rc = job_state_decode(&ret->state, state, state_bytes, ret->record.priority, err);
    if (rc < 0)
        job_record_clear(&ret->record);
    return rc;
}

void job_clear(struct job *job)
{
    job_record_clear(&job->record);
    job_state_clear(&job->state);
}

int64_t job_enqueued_ms(const struct job *job)
{
    if (job->state.enqueued_ms)
        return job->state.enqueued_ms;
    return without_head_start(job->score, job->record.priority); /* never claimed: its place in the queue tells */
}

int64_t job_due_ms(const struct job *job)
{
    if (strcmp(job->place, "scheduled") == 0 && !job->state.notes.after[0])
        return job->score;
    return without_head_start(job->state.order ? job->state.order : job->score, job->record.priority);
}

int64_t job_finished_ms(const struct job *job)
{
    bool ended = strcmp(job->place, "done") == 0 || strcmp(job->place, "dead") == 0 || strcmp(job->place, "cancelled") == 0;

    return ended ? job->score : 0;
}

const struct attempt *job_last_attempt(const struct job *job)
{
    return job->state.attempt_count ? &job->state.attempts[job->state.attempt_count - 1] : NULL;
}
