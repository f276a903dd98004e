/* batch - a line is read as a job to push, or refused with a reason; what was read can be written as a line and read again. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "cli/sender.h"
#include "common/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void require(bool truth)
{
    if (!truth)
        abort();
}

static void encode(struct buffer *out, const struct request *request)
{
    struct job_record record = request->record;
    struct error err;

    record.nonce = 0;
    require(job_record_encode(out, &record, &err) == 0);
}

/* The same job by way of a line. */
static void write_again(const struct request *request)
{
    static const struct request none = {.record = {.payload = "", .has_payload = true}};
    struct buffer bytes = {0}, again_bytes = {0};
    struct request again;
    struct error err;
    json_t *object = request_to_json(request, &err);
    char *line;

    require(object != NULL); /* from JSON it came */
    line = json_dumps(object, JSON_COMPACT);
    require(line && !strchr(line, '\n'));
    require(request_parse(&again, line, strlen(line), &none, &err) == 0);
    require(strcmp(again.org, request->org) == 0 && strcmp(again.id, request->id) == 0);
    encode(&bytes, request);
    encode(&again_bytes, &again);
    require(bytes.length == again_bytes.length && memcmp(bytes.data, again_bytes.data, bytes.length) == 0);
    buffer_clear(&bytes);
    buffer_clear(&again_bytes);
    request_clear(&again);
    json_decref(object);
    free(line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static const struct request defaults = {.record = {.payload = "", .has_payload = true}};
    struct request request;
    struct error err = {0};

    if (memmem(data, bytes, "file", 4)) /* which would read any */
        return 0;
    if (request_parse(&request, (const char *)data, bytes, &defaults, &err) < 0) {
        require(err.code < 0 && err.message[0] && strlen(err.message) < sizeof err.message);
        return 0;
    }
    require(name_is_valid(request.org, strlen(request.org)) && type_is_valid(request.record.type, strlen(request.record.type)));
    if (sender_check(&request, &err) == 0)
        write_again(&request);
    else
        require((err.code == ERR_INVALID || err.code == ERR_LIMIT) && err.message[0]);
    request_clear(&request);
    return 0;
}
