#include "worker/control.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/base64.h"
#include "common/memory.h"

/* ---- a line ---- */

/* How deep the JSON of a line nests; its brackets need not match. */
static size_t depth_of(const char *line, size_t bytes)
{
    size_t depth = 0, deepest = 0;
    bool text = false;

    for (size_t i = 0; i < bytes; i++) {
        if (text && line[i] == '\\')
            i++;
        else if (line[i] == '"')
            text = !text;
        else if (!text && (line[i] == '[' || line[i] == '{'))
            deepest = ++depth > deepest ? depth : deepest;
        else if (!text && (line[i] == ']' || line[i] == '}') && depth > 0)
            depth--;
    }
    return deepest;
}

struct json_t *control_load(const char *line, size_t bytes, struct error *err)
{
    json_error_t why;
    json_t *object;

    if (bytes > CONTROL_LINE_BYTES_MAX) {
        error_set(err, ERR_LIMIT, "the line has %zu bytes, the limit is %d", bytes, CONTROL_LINE_BYTES_MAX);
        return NULL;
    }
    if (depth_of(line, bytes) > CONTROL_DEPTH_MAX) {
        error_set(err, ERR_LIMIT, "lists and maps are nested more than %d deep", CONTROL_DEPTH_MAX);
        return NULL;
    }
    object = json_loadb(line, bytes, JSON_REJECT_DUPLICATES, &why);
    if (!object) {
        error_set(err, ERR_INVALID, "the line is not JSON: %s", why.text);
        return NULL;
    }
    if (!json_is_object(object)) {
        error_set(err, ERR_INVALID, "the line is not a JSON object");
        json_decref(object);
        return NULL;
    }
    return object;
}

/* ---- members ---- */

/* An integer in low..high. False: it is not there (which is no error). */
static bool read_int(int64_t *ret, const json_t *object, const char *name, int64_t low, int64_t high, struct error *err)
{
    const json_t *value = json_object_get(object, name);
    int64_t number;

    if (!value)
        return false;
    number = json_is_integer(value) ? json_integer_value(value) : low - 1;
    if (number < low || number > high) {
        error_set(err, ERR_INVALID, "%s must be an integer in %lld..%lld", name, (long long)low, (long long)high);
        return false;
    }
    *ret = number;
    return true;
}

/* A string of at most `size` - 1 bytes; a longer one is cut behind a whole character, or refused. */
static void read_text(char *ret, size_t size, const json_t *object, const char *name, bool cut, struct error *err)
{
    const json_t *value = json_object_get(object, name);
    size_t length = value ? json_string_length(value) : 0;

    if (value && !json_is_string(value)) {
        error_set(err, ERR_INVALID, "%s must be a string", name);
        return;
    }
    if (length >= size && !cut) {
        error_set(err, ERR_LIMIT, "%s has %zu bytes, the limit is %zu", name, length, size - 1);
        return;
    }
    if (length >= size) {
        length = size - 1;
        while (length > 0 && ((unsigned char)json_string_value(value)[length] & 0xc0) == 0x80)
            length--;
    }
    if (length > 0)
        memcpy(ret, json_string_value(value), length);
    ret[length] = '\0';
}

static void read_flag(bool *ret, const json_t *object, const char *name, struct error *err)
{
    const json_t *value = json_object_get(object, name);

    *ret = json_is_true(value);
    if (value && !json_is_boolean(value) && !err->code)
        error_set(err, ERR_INVALID, "%s must be true or false", name);
}

/* A string as it is, anything else as its JSON. Gives; NULL where there is none. */
static char *read_data(const json_t *object, const char *name, size_t *ret_bytes)
{
    const json_t *value = json_object_get(object, name);
    char *text;

    *ret_bytes = 0;
    if (!value)
        return NULL;
    if (json_is_string(value)) {
        *ret_bytes = json_string_length(value);
        return memory_copy(json_string_value(value), *ret_bytes);
    }
    text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    *ret_bytes = text ? strlen(text) : 0;
    return text;
}

/* ---- ops ---- */

static void read_progress(struct control *ret, const json_t *object, struct error *err)
{
    const json_t *percent = json_object_get(object, "pct");
    double value = json_number_value(percent);

    if (!json_is_number(percent) || !(value >= 0 && value <= 100)) {
        error_set(err, ERR_INVALID, "pct must be a number in 0..100");
        return;
    }
    ret->percent = (int)value;
    read_text(ret->text, JOB_PROGRESS_BYTES_MAX + 1, object, "msg", true, err);
}

static void read_extend(struct control *ret, const json_t *object, struct error *err)
{
    if (!read_int(&ret->ms, object, "ms", 1, CONTROL_EXTEND_MS_MAX, err) && !err->code)
        error_set(err, ERR_INVALID, "ms is missing");
}

static void read_checkpoint(struct control *ret, const json_t *object, struct error *err)
{
    ret->data = read_data(object, "data", &ret->data_bytes);
    if (!ret->data)
        error_set(err, ERR_INVALID, "data is missing");
    else if (ret->data_bytes > JOB_CHECKPOINT_BYTES_MAX)
        error_set(err, ERR_LIMIT, "the checkpoint has %zu bytes, the limit is %d", ret->data_bytes, JOB_CHECKPOINT_BYTES_MAX);
}

static void read_retry(struct control *ret, const json_t *object, struct error *err)
{
    ret->ms = -1;
    read_int(&ret->ms, object, "after_ms", 0, CONTROL_DELAY_MS_MAX, err);
    read_text(ret->text, sizeof ret->text, object, "reason", true, err);
    read_flag(&ret->pauses_limits, object, "limit", err);
    if (ret->pauses_limits && ret->ms < 0 && !err->code)
        error_set(err, ERR_INVALID, "limit goes with after_ms");
}

static void read_fail(struct control *ret, const json_t *object, struct error *err)
{
    read_text(ret->class, sizeof ret->class, object, "class", true, err);
    read_text(ret->text, sizeof ret->text, object, "message", true, err);
    if (!ret->class[0] && !ret->text[0] && !err->code)
        error_set(err, ERR_INVALID, "neither class nor message is there");
}

static void read_result(struct control *ret, const json_t *object, struct error *err)
{
    ret->data = read_data(object, "data", &ret->data_bytes);
    if (!ret->data)
        error_set(err, ERR_INVALID, "data is missing");
}

/* ---- enqueue ---- */

static const char *const enqueue_members[] = {"op",       "id",       "type",         "payload",    "payload_b64", "queue",
                                              "limit",    "priority", "delay_ms",     "due_ms",     "key",         "coalesce",
                                              "earliest", "headers",  "max_attempts", "timeout_ms", NULL};

static void check_members(const json_t *object, struct error *err)
{
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)object, name, value)
    {
        size_t i = 0;
        while (enqueue_members[i] && strcmp(enqueue_members[i], name) != 0)
            i++;
        if (!enqueue_members[i])
            error_set(err, ERR_INVALID, "enqueue has no \"%.40s\"", name);
    }
}

static void read_payload(struct control *ret, const json_t *object, struct error *err)
{
    const json_t *coded = json_object_get(object, "payload_b64");

    if (coded && json_object_get(object, "payload")) {
        error_set(err, ERR_INVALID, "payload and payload_b64 are both there");
    } else if (coded && !json_is_string(coded)) {
        error_set(err, ERR_INVALID, "payload_b64 must be a string");
    } else if (coded) {
        struct error why;
        ret->data = base64_decode(json_string_value(coded), json_string_length(coded), &ret->data_bytes, &why);
        if (!ret->data)
            error_set(err, ERR_INVALID, "payload_b64: %s", why.message);
    } else {
        ret->data = read_data(object, "payload", &ret->data_bytes);
    }
}

static void read_headers(struct job_record *record, const json_t *object, struct error *err)
{
    json_t *headers = json_object_get(object, "headers"), *value;
    const char *name;

    if (!headers)
        return;
    if (!json_is_object(headers) || json_object_size(headers) > JOB_HEADERS_MAX) {
        error_set(err, ERR_INVALID, "headers must be an object with at most %d members", JOB_HEADERS_MAX);
        return;
    }
    record->headers = memory_new(sizeof *record->headers * (json_object_size(headers) + 1));
    json_object_foreach(headers, name, value)
    {
        if (!json_is_string(value)) {
            error_set(err, ERR_INVALID, "header %.40s must be a string", name);
            return;
        }
        record->headers[record->header_count++] =
            (struct header){.name = memory_string(name), .value = memory_string(json_string_value(value))};
    }
}

static void read_due(struct job_record *record, const json_t *object, struct error *err)
{
    bool has_delay = read_int(&record->delay_ms, object, "delay_ms", 0, 1LL << 42, err);

    if (read_int(&record->due_ms, object, "due_ms", 0, 1LL << 46, err) && has_delay && !err->code)
        error_set(err, ERR_INVALID, "delay_ms and due_ms exclude each other");
}

static void read_enqueue(struct control *ret, const json_t *object, struct error *err)
{
    struct job_record *record = &ret->record;
    char key[JOB_KEY_BYTES_MAX + 1] = "", coalesce[JOB_KEY_BYTES_MAX + 1] = "";
    struct buffer encoded = {0};
    int64_t number = 0;

    check_members(object, err);
    read_text(record->type, sizeof record->type, object, "type", false, err);
    read_text(record->queue, sizeof record->queue, object, "queue", false, err);
    read_text(record->limit, sizeof record->limit, object, "limit", false, err);
    read_text(ret->id, sizeof ret->id, object, "id", false, err);
    read_text(key, sizeof key, object, "key", false, err);
    read_text(coalesce, sizeof coalesce, object, "coalesce", false, err);
    read_flag(&record->earliest, object, "earliest", err);
    if (read_int(&number, object, "priority", -JOB_PRIORITY_MAX, JOB_PRIORITY_MAX, err))
        record->priority = (int)number;
    if (read_int(&number, object, "max_attempts", 1, 1000, err))
        record->max_attempts = (int)number;
    read_due(record, object, err);
    read_int(&record->timeout_ms, object, "timeout_ms", 1, 1LL << 36, err);
    read_payload(ret, object, err);
    read_headers(record, object, err);
    if (err->code)
        return;
    if (json_object_get(object, "id") && !job_id_is_choosable(ret->id, strlen(ret->id))) {
        error_set(err, ERR_INVALID, "id \"%.70s\" must match [A-Za-z0-9._:-]{1,64}", ret->id);
        return;
    }
    record->key = key[0] ? memory_string(key) : NULL;
    record->coalesce = coalesce[0] ? memory_string(coalesce) : NULL;
    record->payload = ret->data ? ret->data : "";
    record->payload_bytes = ret->data_bytes;
    record->has_payload = true;
    if (job_record_encode(&encoded, record, err) < 0) /* so that nobody else has to check it */
        error_wrap(err, "enqueue");
    buffer_clear(&encoded);
}

static const struct {
    const char *name;
    enum control_op op;
    void (*read)(struct control *ret, const json_t *object, struct error *err);
} ops[] = {
    {"progress", CONTROL_PROGRESS, read_progress},
    {"extend", CONTROL_EXTEND, read_extend},
    {"checkpoint", CONTROL_CHECKPOINT, read_checkpoint},
    {"retry", CONTROL_RETRY, read_retry},
    {"fail", CONTROL_FAIL, read_fail},
    {"result", CONTROL_RESULT, read_result},
    {"heartbeat", CONTROL_HEARTBEAT, NULL},
    {"enqueue", CONTROL_ENQUEUE, read_enqueue},
};

int control_read(struct control *ret, const struct json_t *object, struct error *err)
{
    const json_t *name = json_object_get(object, "op");

    *ret = (struct control){.op = CONTROL_UNKNOWN};
    *err = (struct error){0};
    if (!json_is_string(name))
        return error_set(err, ERR_INVALID, "op is missing, or no string");
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        if (strcmp(ops[i].name, json_string_value(name)) != 0)
            continue;
        ret->op = ops[i].op;
        if (ops[i].read)
            ops[i].read(ret, object, err);
    }
    if (err->code)
        control_clear(ret);
    return err->code;
}

int control_parse(struct control *ret, const char *line, size_t bytes, struct error *err)
{
    json_t *object = control_load(line, bytes, err);
    int rc;

    *ret = (struct control){.op = CONTROL_UNKNOWN};
    if (!object) {
        if (memmem(line, bytes, "\"enqueue\"", strlen("\"enqueue\"")))
            ret->op = CONTROL_ENQUEUE; /* a job that would be lost must not be taken for noise */
        return err->code;
    }
    rc = control_read(ret, object, err);
    json_decref(object);
    return rc;
}

void control_clear(struct control *control)
{
    enum control_op op = control->op;

    control->record.payload = NULL;
    job_record_clear(&control->record);
    free(control->data);
    *control = (struct control){.op = op};
}
