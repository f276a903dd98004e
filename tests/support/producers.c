#include "tests/support/producers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base64.h"
#include "common/memory.h"

static _Noreturn void give_up(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    abort();
}

json_t *producers_fixtures(const char *name)
{
    char *path = memory_format("%s/%s.json", FIXTURES_PATH, name);
    json_error_t err;
    json_t *list = json_load_file(path, JSON_REJECT_DUPLICATES, &err);

    if (!json_is_array(list))
        give_up(path, err.text);
    free(path);
    return list;
}

char *producers_bytes(const json_t *value, size_t *ret_bytes)
{
    const json_t *base64 = json_object_get(value, "base64");
    struct error err;
    char *bytes;

    if (json_is_string(value)) {
        *ret_bytes = json_string_length(value);
        return memory_copy(json_string_value(value), *ret_bytes);
    }
    bytes = base64_decode(json_string_value(base64), json_string_length(base64), ret_bytes, &err);
    if (!bytes)
        give_up("base64", err.message);
    return bytes;
}

static json_t *bytes_to_json(const char *bytes, size_t length)
{
    json_t *text = memchr(bytes, '\0', length) ? NULL : json_stringn(bytes, length);
    char *base64;

    if (text)
        return text;
    base64 = base64_encode(bytes, length);
    text = json_pack("{s:s}", "base64", base64);
    free(base64);
    return text;
}

static void add_number(json_t *job, const char *name, int64_t number)
{
    if (number != 0)
        json_object_set_new(job, name, json_integer(number));
}

json_t *producers_job(const struct job_record *record)
{
    json_t *job = json_pack("{s:s}", "type", record->type), *headers;

    if (record->queue[0] && strcmp(record->queue, "default") != 0)
        json_object_set_new(job, "queue", json_string(record->queue));
    if (record->key)
        json_object_set_new(job, "key", json_string(record->key));
    add_number(job, "priority", record->priority);
    add_number(job, "delay_ms", record->delay_ms);
    add_number(job, "due_ms", record->due_ms);
    add_number(job, "expires_ms", record->expires_ms);
    add_number(job, "timeout_ms", record->timeout_ms);
    add_number(job, "max_attempts", record->max_attempts);
    json_object_set_new(job, "payload", bytes_to_json(record->payload, record->payload_bytes));
    if (record->header_count == 0)
        return job;
    headers = json_object();
    for (size_t i = 0; i < record->header_count; i++)
        json_object_set_new(headers, record->headers[i].name, json_string(record->headers[i].value));
    json_object_set_new(job, "headers", headers);
    return job;
}
