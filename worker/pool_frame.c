#include "worker/pool_frame.h"

#include <ctype.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/base64.h"
#include "common/memory.h"

#define VARIABLE     "ROTA_"
#define AFTER_MS_MAX (24LL * 3600 * 1000)

/* ---- to a handler ---- */

static int add_bytes(const char *bytes, size_t length, void *ctx)
{
    buffer_add(ctx, bytes, length);
    return 0;
}

/* A string in JSON. False, and nothing added, if it is no UTF-8. */
static bool add_json(struct buffer *out, const char *text, size_t bytes)
{
    json_t *string = json_stringn(text, bytes);

    if (!string)
        return false;
    json_dump_callback(string, add_bytes, out, JSON_ENCODE_ANY);
    json_decref(string);
    return true;
}

/* Text that needs no escapes, as nearly all facts are. */
static bool is_simple(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || (unsigned char)*text >= 0x7f || *text == '"' || *text == '\\')
            return false;
    return true;
}

static bool is_number(const char *name, const char *value)
{
    static const char *const names[] = {"attempt", "max_attempts", "delivery", "timeout_ms", "deadline_ms", "slot", "contract"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0)
            return value[0] != '\0' && value[strspn(value, "0123456789")] == '\0';
    return false;
}

/* One variable as a member. What is no text is left out. */
static void add_fact(struct buffer *out, const char *variable)
{
    const char *equals = strchr(variable, '='), *value = equals + 1;
    char name[64];
    size_t bytes = (size_t)(equals - variable) - strlen(VARIABLE), start = out->length;

    if (bytes >= sizeof name)
        return;
    for (size_t i = 0; i < bytes; i++)
        name[i] = (char)tolower((unsigned char)variable[strlen(VARIABLE) + i]);
    name[bytes] = '\0';
    buffer_add(out, ",\"", 2);
    buffer_add(out, name, bytes);
    buffer_add(out, "\":", 2);
    if (is_number(name, value)) {
        buffer_add_string(out, value);
    } else if (strcmp(name, "headers") == 0) {
        buffer_add_string(out, value); /* it is JSON already */
    } else if (is_simple(value)) {
        buffer_add(out, "\"", 1);
        buffer_add_string(out, value);
        buffer_add(out, "\"", 1);
    } else if (!add_json(out, value, strlen(value))) {
        out->length = start;
    }
}

static void begin(struct buffer *out, const char *op, const char *name)
{
    buffer_add_string(out, "{\"op\":\"");
    buffer_add_string(out, op);
    buffer_add_string(out, "\",\"id\":\"");
    buffer_add_string(out, name); /* its grammar needs no escapes */
    buffer_add(out, "\"", 1);
}

void pool_frame_job(struct buffer *out, const char *name, char *const *environment, const char *payload, size_t payload_bytes,
                    const char *path)
{
    size_t start;

    begin(out, "job", name);
    for (; *environment; environment++)
        if (strncmp(*environment, VARIABLE, strlen(VARIABLE)) == 0)
            add_fact(out, *environment);
    start = out->length;
    buffer_add_string(out, path ? ",\"payload_path\":" : ",\"payload\":");
    if (!(path ? add_json(out, path, strlen(path)) : add_json(out, payload, payload_bytes))) {
        char *text = base64_encode(payload, payload_bytes);
        out->length = start;
        buffer_add_string(out, ",\"payload_b64\":\"");
        buffer_add_string(out, text);
        buffer_add(out, "\"", 1);
        free(text);
    }
    buffer_add(out, "}\n", 2);
}

void pool_frame_cancel(struct buffer *out, const char *name)
{
    begin(out, "cancel", name);
    buffer_add(out, "}\n", 2);
}

void pool_frame_drain(struct buffer *out)
{
    buffer_add_string(out, "{\"op\":\"drain\"}\n");
}

/* ---- from a handler ---- */

static int read_hello(struct pool_frame *frame, const json_t *object, struct error *err)
{
    json_int_t contract = json_integer_value(json_object_get(object, "contract"));
    const json_t *inflight = json_object_get(object, "max_inflight");
    json_int_t count = inflight ? json_integer_value(inflight) : 1;

    if (contract != 1)
        return error_set(err, ERR_INVALID, "hello names contract %lld, it must be 1", (long long)contract);
    if (count < 1 || count > POOL_INFLIGHT_MAX)
        return error_set(err, ERR_INVALID, "hello names max_inflight %lld, it must be 1..%d", (long long)count,
                         POOL_INFLIGHT_MAX);
    frame->kind = POOL_FRAME_HELLO;
    frame->max_inflight = (unsigned)count;
    return 0;
}

static int read_name(struct pool_frame *frame, const json_t *object, struct error *err)
{
    const char *name = json_string_value(json_object_get(object, "id"));

    if (!name || strlen(name) > JOB_NAME_BYTES_MAX)
        return error_set(err, ERR_INVALID, "there is no job's id in it");
    memcpy(frame->name, name, strlen(name) + 1);
    return 0;
}

/* A text as it is, anything else as JSON. */
static char *give_text(const json_t *value, size_t *ret_bytes)
{
    char *text = json_is_string(value) ? memory_copy(json_string_value(value), json_string_length(value))
                                       : json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

    *ret_bytes = json_is_string(value) ? json_string_length(value) : strlen(text);
    return text;
}

static int read_done(struct pool_frame *frame, const json_t *object, struct error *err)
{
    static const char *const verdicts[] = {"ok", "retry", "dead", "discard"};
    const char *verdict = json_string_value(json_object_get(object, "verdict"));
    const json_t *after = json_object_get(object, "after_ms"), *result = json_object_get(object, "result"),
                 *error = json_object_get(object, "error");
    size_t bytes, number = 0;

    while (number < 4 && (!verdict || strcmp(verdict, verdicts[number]) != 0))
        number++;
    if (number == 4)
        return error_set(err, ERR_INVALID, "verdict is \"%.32s\", it must be ok, retry, dead or discard", verdict ? verdict : "");
    frame->kind = POOL_FRAME_DONE;
    frame->verdict = (enum pool_verdict)number;
    frame->after_ms = after ? json_integer_value(after) : -1;
    if (after && (!json_is_integer(after) || frame->after_ms < 0 || frame->after_ms > AFTER_MS_MAX))
        return error_set(err, ERR_INVALID, "after_ms must be 0..%lld", AFTER_MS_MAX);
    if (result && !json_is_null(result))
        frame->result = give_text(result, &frame->result_bytes);
    if (error && !json_is_null(error))
        frame->error = give_text(error, &bytes);
    return 0;
}

/* `id` names the job that runs; the one of a new job stands in `new_id`. */
static void read_control(struct pool_frame *frame, json_t *object)
{
    const json_t *new_id = json_object_get(object, "new_id");

    frame->kind = POOL_FRAME_CONTROL;
    json_object_del(object, "id");
    if (new_id) {
        json_object_set_new(object, "id", json_copy((json_t *)(uintptr_t)new_id));
        json_object_del(object, "new_id");
    }
    frame->line = json_dumps(object, JSON_COMPACT);
}

int pool_frame_read(struct pool_frame *ret_frame, const char *line, size_t bytes, struct error *err)
{
    json_error_t where;
    json_t *object = json_loadb(line, bytes, JSON_REJECT_DUPLICATES, &where);
    const char *op = json_string_value(json_object_get(object, "op"));
    struct pool_frame frame = {.after_ms = -1};
    int rc = 0;

    if (!op)
        rc = error_set(err, ERR_INVALID, "no frame: %.100s", object ? "there is no op in it" : where.text);
    else if (strcmp(op, "hello") == 0)
        rc = read_hello(&frame, object, err);
    else
        rc = read_name(&frame, object, err);
    if (rc == 0 && op && strcmp(op, "done") == 0)
        rc = read_done(&frame, object, err);
    else if (rc == 0 && op && strcmp(op, "hello") != 0)
        read_control(&frame, object);
    json_decref(object);
    if (rc < 0) {
        pool_frame_clear(&frame);
        return rc;
    }
    *ret_frame = frame;
    return 0;
}

void pool_frame_clear(struct pool_frame *frame)
{
    free(frame->result);
    free(frame->error);
    free(frame->line);
    *frame = (struct pool_frame){0};
}
