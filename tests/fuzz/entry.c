/* entry - the fields of an inbox entry are read as a record, which is good and the same each time, or refused with a reason;
 * those of a private inbox are their owner's. The input: strings with their lengths in a byte before them; or what a server might
 * answer. */
#include "scheduler/entry.h"

#include <stdlib.h>
#include <string.h>

#include "common/job.h"

#define ID "1795164663276-0"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void require(bool truth)
{
    if (!truth)
        abort();
}

/* Gives. */
static struct reply *fields_of(const uint8_t *data, size_t bytes)
{
    struct buffer strings = {0}, resp = {0};
    struct reply *reply;
    size_t count = 0;

    for (size_t at = 0; at < bytes; count++) {
        size_t length = data[at++];
        length = length < bytes - at ? length : bytes - at;
        buffer_add_format(&strings, "$%zu\r\n", length);
        buffer_add(&strings, data + at, length);
        buffer_add_string(&strings, "\r\n");
        at += length;
    }
    buffer_add_format(&resp, "*%zu\r\n", count);
    buffer_add(&resp, strings.data, strings.length);
    reply = reply_parse(resp.data, resp.length);
    require(reply != NULL);
    buffer_clear(&strings);
    buffer_clear(&resp);
    return reply;
}

static void check_record(const struct buffer *bytes)
{
    struct job_record record;
    struct error err;

    require(bytes->length <= JOB_RECORD_BYTES_MAX);
    require(job_record_decode(&record, bytes->data, bytes->length, &err) == 0);
    require(record.has_payload && type_is_valid(record.type, strlen(record.type)));
    require(!record.queue[0] || name_is_valid(record.queue, strlen(record.queue)));
    require(record.priority >= -JOB_PRIORITY_MAX && record.priority <= JOB_PRIORITY_MAX);
    require(!record.key || (record.key[0] && strlen(record.key) <= JOB_KEY_BYTES_MAX));
    require(record.header_count <= JOB_HEADERS_MAX);
    job_record_clear(&record);
}

static void read_entry(const char *owner, const struct reply *fields)
{
    struct buffer bytes = {0}, again = {0};
    char org[NAME_BYTES_MAX + 1];
    struct error err = {0};
    int rc = entry_read(ID, owner, fields, org, &bytes, &err);

    require(!org[0] || name_is_valid(org, strlen(org)));
    require(!owner[0] || strcmp(org, owner) == 0);
    if (rc == 0) {
        require(org[0]);
        check_record(&bytes);
        require(entry_read(ID, owner, fields, org, &again, &err) == 0);
        require(bytes.length == again.length && memcmp(bytes.data, again.data, bytes.length) == 0);
    } else {
        require((rc == ERR_INVALID || rc == ERR_LIMIT) && err.code == rc && err.message[0] && bytes.length == 0);
    }
    buffer_clear(&bytes);
    buffer_clear(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct reply *fields = fields_of(data, bytes), *answer = reply_parse((const char *)data, bytes);

    read_entry("", fields);
    read_entry("acme", fields);
    if (answer)
        read_entry("", answer);
    reply_free(fields);
    reply_free(answer);
    return 0;
}
