#include "tests/support/producers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base64.h"
#include "common/memory.h"
#include "common/request.h"

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

json_t *producers_job(const struct job_record *record)
{
    struct error err;
    json_t *job = request_to_json(&(struct request){.record = *record}, &err), *base64;

    if (!job)
        give_up("job", err.message);
    json_object_del(job, "org");
    if (strcmp(record->queue, "default") == 0)
        json_object_del(job, "queue");
    base64 = json_object_get(job, "payload_b64");
    if (base64)
        json_object_set_new(job, "payload", json_pack("{s:O}", "base64", base64));
    json_object_del(job, "payload_b64");
    return job;
}
