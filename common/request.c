#include "common/request.h"

#include <assert.h>
#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "common/base64.h"
#include "common/file.h"
#include "common/json_member.h"
#include "common/json_text.h"
#include "common/memory.h"
#include "common/nearest.h"
#include "common/utf8.h"

/* ---- members ---- */

/* A line being read. */
struct reader {
    struct request *request;
    const char *line;
    size_t bytes;
    struct error *err;
};

static int read_int(const json_t *value, const char *name, int low, int high, int *ret, struct error *err)
{
    int64_t number = 0;

    if (json_member_integer(value, name, low, high, &number, err) < 0)
        return err->code;
    *ret = (int)number;
    return 0;
}

static int read_headers(struct reader *reader, json_t *value)
{
    struct job_record *record = &reader->request->record;
    const char *name;
    json_t *text;

    if (!json_is_object(value))
        return error_set(reader->err, ERR_INVALID, "\"headers\" must be an object of strings");
    for (size_t i = 0; i < record->header_count; i++) {
        free(record->headers[i].name);
        free(record->headers[i].value);
    }
    record->header_count = 0;
    json_object_foreach(value, name, text)
    {
        const char *header = json_member_text(text, name, JOB_HEADERS_BYTES_MAX, reader->err);
        if (!header || request_add_header(record, name, strlen(name), header, reader->err) < 0)
            return error_wrap(reader->err, "\"headers\"");
    }
    return 0;
}

/* Takes `payload`. */
static int set_payload(struct reader *reader, char *payload, size_t bytes)
{
    struct request *request = reader->request;

    if (request->payload) {
        free(payload);
        return error_set(reader->err, ERR_INVALID, "there is more than one of \"payload\", \"payload_b64\" and \"payload_file\"");
    }
    request->payload = payload;
    request->record.payload = payload;
    request->record.payload_bytes = bytes;
    request->record.has_payload = true;
    return 0;
}

static int read_payload(struct reader *reader, const json_t *value)
{
    size_t bytes;
    const char *text;

    if (json_is_string(value))
        return set_payload(reader, memory_copy(json_string_value(value), json_string_length(value)), json_string_length(value));
    text = json_text_member(reader->line, reader->bytes, "payload", &bytes);
    if (!text) /* the name is written with escapes: nobody does that */
        return error_set(reader->err, ERR_INVALID, "\"payload\" must be spelled without escapes");
    return set_payload(reader, memory_copy(text, bytes), bytes);
}

static int read_payload_b64(struct reader *reader, const json_t *value)
{
    size_t bytes;
    char *payload;

    if (!json_is_string(value))
        return error_set(reader->err, ERR_INVALID, "\"payload_b64\" must be a string");
    payload = base64_decode(json_string_value(value), json_string_length(value), &bytes, reader->err);
    if (!payload)
        return error_wrap(reader->err, "\"payload_b64\"");
    return set_payload(reader, payload, bytes);
}

/* The bytes of a file of this machine. */
static int read_payload_file(struct reader *reader, const json_t *value)
{
    size_t bytes;
    const char *path = json_member_text(value, "payload_file", PATH_MAX, reader->err);
    char *payload;

    if (!path)
        return reader->err->code;
    payload = file_read(path, JOB_RECORD_BYTES_MAX, &bytes, reader->err);
    if (!payload)
        return error_wrap(reader->err, "\"payload_file\"");
    return set_payload(reader, payload, bytes);
}

/* A due time of either kind replaces what the defaults say. */
static int read_due(const json_t *value, const char *name, int64_t high, int64_t *ret, int64_t *other, struct error *err)
{
    *other = 0;
    return json_member_integer(value, name, 0, high, ret, err);
}

/* Takes the place of what was there. */
static int read_key(const json_t *value, const char *name, char **key, struct error *err)
{
    const char *text = json_member_text(value, name, JOB_KEY_BYTES_MAX, err);

    if (!text)
        return err->code;
    free(*key);
    *key = memory_string(text);
    return 0;
}

static int refuse_unknown(const char *name, struct error *err)
{
    static const char *const known[] = {"org",          "type",       "payload",  "payload_b64", "payload_file", "queue",
                                        "id",           "key",        "delay_ms", "due_ms",      "expires_ms",   "priority",
                                        "max_attempts", "timeout_ms", "headers",  "limit",       "coalesce",     "earliest"};
    struct nearest nearest = {.word = name};
    char hint[NEAREST_HINT_BYTES];

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        nearest_offer(&nearest, known[i]);
    return error_set(err, ERR_INVALID, "unknown member \"%.80s\"%s", name, nearest_hint(&nearest, hint));
}

int request_read_member(struct request *request, const char *line, size_t bytes, const char *name, json_t *value,
                        struct error *err)
{
    struct reader own = {request, line, bytes, err}, *reader = &own;
    struct job_record *record = &request->record;

    if (strcmp(name, "org") == 0)
        return json_member_copy(value, name, request->org, sizeof request->org, err);
    if (strcmp(name, "type") == 0)
        return json_member_copy(value, name, record->type, sizeof record->type, err);
    if (strcmp(name, "queue") == 0)
        return json_member_copy(value, name, record->queue, sizeof record->queue, err);
    if (strcmp(name, "id") == 0)
        return json_member_copy(value, name, request->id, sizeof request->id, err);
    if (strcmp(name, "limit") == 0)
        return json_member_copy(value, name, record->limit, sizeof record->limit, err);
    if (strcmp(name, "key") == 0)
        return read_key(value, name, &record->key, err);
    if (strcmp(name, "coalesce") == 0)
        return read_key(value, name, &record->coalesce, err);
    if (strcmp(name, "earliest") == 0) {
        record->earliest = json_is_true(value);
        return json_is_boolean(value) ? 0 : error_set(err, ERR_INVALID, "\"earliest\" must be true or false");
    }
    if (strcmp(name, "payload") == 0)
        return read_payload(reader, value);
    if (strcmp(name, "payload_b64") == 0)
        return read_payload_b64(reader, value);
    if (strcmp(name, "payload_file") == 0)
        return read_payload_file(reader, value);
    if (strcmp(name, "delay_ms") == 0)
        return read_due(value, name, 1LL << 42, &record->delay_ms, &record->due_ms, err);
    if (strcmp(name, "due_ms") == 0)
        return read_due(value, name, 1LL << 46, &record->due_ms, &record->delay_ms, err);
    if (strcmp(name, "expires_ms") == 0)
        return json_member_integer(value, name, 1, 1LL << 46, &record->expires_ms, err);
    if (strcmp(name, "timeout_ms") == 0)
        return json_member_integer(value, name, 1, 1LL << 36, &record->timeout_ms, err);
    if (strcmp(name, "priority") == 0)
        return read_int(value, name, -JOB_PRIORITY_MAX, JOB_PRIORITY_MAX, &record->priority, err);
    if (strcmp(name, "max_attempts") == 0)
        return read_int(value, name, 1, 1000, &record->max_attempts, err);
    if (strcmp(name, "headers") == 0)
        return read_headers(reader, value);
    return refuse_unknown(name, err);
}

/* ---- the whole ---- */

int request_add_header(struct job_record *record, const char *name, size_t name_bytes, const char *value, struct error *err)
{
    if (name_bytes == 0)
        return error_set(err, ERR_INVALID, "a header has no name");
    for (size_t i = 0; i < record->header_count; i++)
        if (strlen(record->headers[i].name) == name_bytes && memcmp(record->headers[i].name, name, name_bytes) == 0)
            return error_set(err, ERR_INVALID, "header %.80s is there twice", record->headers[i].name);
    record->headers = memory_resize(record->headers, sizeof *record->headers * (record->header_count + 1));
    record->headers[record->header_count++] =
        (struct header){.name = memory_copy(name, name_bytes), .value = memory_string(value)};
    return 0;
}

static void copy_defaults(struct request *request, const struct request *defaults)
{
    const struct job_record *from = &defaults->record;
    struct error err;

    *request = *defaults;
    assert(!defaults->payload && !defaults->id[0] && !from->key && !from->coalesce);
    request->record.headers = NULL;
    request->record.header_count = 0;
    request->record.payload = "";
    for (size_t i = 0; i < from->header_count; i++) {
        int rc = request_add_header(&request->record, from->headers[i].name, strlen(from->headers[i].name),
                                    from->headers[i].value, &err);
        assert(rc == 0);
        (void)rc;
    }
}

static int check(const struct request *request, json_t *object, struct error *err)
{
    if (json_object_get(object, "delay_ms") && json_object_get(object, "due_ms"))
        return error_set(err, ERR_INVALID, "\"delay_ms\" and \"due_ms\" exclude each other");
    if (!request->org[0])
        return error_set(err, ERR_INVALID, "\"org\" is missing");
    if (!request->record.type[0])
        return error_set(err, ERR_INVALID, "\"type\" is missing");
    if (name_check(request->org, "organization", err) < 0 || type_check(request->record.type, err) < 0)
        return err->code;
    if (request->record.queue[0] && name_check(request->record.queue, "queue", err) < 0)
        return err->code;
    if (request->record.limit[0] && limit_check(request->record.limit, err) < 0)
        return err->code;
    if (request->id[0] && !job_id_is_choosable(request->id, strlen(request->id)))
        return error_set(err, ERR_INVALID, "\"id\" \"%s\" must match [A-Za-z0-9._:-]{1,64}", request->id);
    return 0;
}

int request_parse(struct request *ret, const char *line, size_t bytes, const struct request *defaults, struct error *err)
{
    struct request request;
    json_error_t where;
    json_t *object = json_loadb(line, bytes, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL, &where), *value;
    const char *name;
    int rc = 0;

    if (!json_is_object(object)) {
        json_decref(object);
        return error_set(err, ERR_INVALID, "%s", object ? "must be a JSON object" : where.text);
    }
    copy_defaults(&request, defaults);
    json_object_foreach(object, name, value)
    {
        rc = request_read_member(&request, line, bytes, name, value, err);
        if (rc < 0)
            break;
    }
    if (rc == 0)
        rc = check(&request, object, err);
    json_decref(object);
    if (rc == 0)
        *ret = request; /* gives */
    else
        request_clear(&request);
    return rc;
}

/* ---- writing ---- */

static void set_number(json_t *object, const char *name, int64_t number)
{
    if (number)
        json_object_set_new(object, name, json_integer(number));
}

static int set_headers(json_t *object, const struct job_record *record, struct error *err)
{
    json_t *headers = json_object();
    int rc = 0;

    for (size_t i = 0; i < record->header_count && rc == 0; i++)
        rc = json_member_add_text(headers, record->headers[i].name, record->headers[i].value, err);
    if (record->header_count > 0)
        json_object_set(object, "headers", headers);
    json_decref(headers);
    return rc;
}

static void set_payload_text(json_t *object, const struct job_record *record)
{
    char *coded;

    if (utf8_is_valid(record->payload, record->payload_bytes)) {
        json_object_set_new(object, "payload", json_stringn(record->payload, record->payload_bytes));
        return;
    }
    coded = base64_encode(record->payload, record->payload_bytes);
    json_object_set_new(object, "payload_b64", json_string(coded));
    free(coded);
}

int request_add_record(json_t *object, const struct job_record *record, struct error *err)
{
    json_object_set_new(object, "type", json_string(record->type));
    if (record->queue[0])
        json_object_set_new(object, "queue", json_string(record->queue));
    if (record->limit[0])
        json_object_set_new(object, "limit", json_string(record->limit));
    set_number(object, "priority", record->priority);
    set_number(object, "due_ms", record->due_ms);
    set_number(object, "delay_ms", record->delay_ms);
    set_number(object, "expires_ms", record->expires_ms);
    set_number(object, "max_attempts", record->max_attempts);
    set_number(object, "timeout_ms", record->timeout_ms);
    if (record->earliest)
        json_object_set_new(object, "earliest", json_true());
    if ((record->key && json_member_add_text(object, "key", record->key, err) < 0) ||
        (record->coalesce && json_member_add_text(object, "coalesce", record->coalesce, err) < 0) ||
        set_headers(object, record, err) < 0)
        return err->code;
    set_payload_text(object, record);
    return 0;
}

json_t *request_to_json(const struct request *request, struct error *err)
{
    json_t *object = json_object();

    json_object_set_new(object, "org", json_string(request->org));
    if (request->id[0])
        json_object_set_new(object, "id", json_string(request->id));
    if (request_add_record(object, &request->record, err) == 0)
        return object;
    json_decref(object);
    return NULL;
}

void request_clear(struct request *request)
{
    job_record_clear(&request->record);
    free(request->payload);
    *request = (struct request){0};
}
