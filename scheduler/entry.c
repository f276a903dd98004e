#include "scheduler/entry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "common/job.h"
#include "common/memory.h"
#include "common/units.h"

#define FIELDS_MAX (16 + JOB_HEADERS_MAX)

struct entry {
    struct job_record record;
    const char *org, *type, *queue, *limit;
};

static void add_header(struct job_record *record, const char *name, const char *value)
{
    record->headers = memory_resize(record->headers, sizeof *record->headers * (record->header_count + 1));
    record->headers[record->header_count++] = (struct header){.name = memory_string(name), .value = memory_string(value)};
}

static int read_small(int *out, const char *name, const char *text, int low, int high, struct error *err)
{
    int64_t number = 0;
    int rc = units_integer(&number, text, name, low, high, err);

    *out = (int)number;
    return rc;
}

static int read_earliest(struct job_record *record, const char *text, struct error *err)
{
    record->earliest = strcmp(text, "1") == 0;
    return record->earliest ? 0 : error_set(err, ERR_INVALID, "earliest is \"%.20s\", it must be 1", text);
}

static int read_field(struct entry *entry, const char *name, const struct reply *value, struct error *err)
{
    struct job_record *record = &entry->record;
    const char *text = reply_string(value);

    if (strcmp(name, "payload") == 0)
        record->payload = reply_bytes(value, &record->payload_bytes);
    else if (strcmp(name, "org") == 0)
        entry->org = text;
    else if (strcmp(name, "type") == 0)
        entry->type = text;
    else if (strcmp(name, "queue") == 0)
        entry->queue = text;
    else if (strcmp(name, "limit") == 0)
        entry->limit = text;
    else if (strcmp(name, "key") == 0)
        record->key = memory_string(text);
    else if (strcmp(name, "coalesce") == 0)
        record->coalesce = memory_string(text);
    else if (strcmp(name, "earliest") == 0)
        return read_earliest(record, text, err);
    else if (strncmp(name, "header.", 7) == 0 && name[7])
        add_header(record, name + 7, text);
    else if (strcmp(name, "delay_ms") == 0)
        return units_integer(&record->delay_ms, text, name, 0, 1LL << 42, err);
    else if (strcmp(name, "due_ms") == 0)
        return units_integer(&record->due_ms, text, name, 0, 1LL << 46, err);
    else if (strcmp(name, "expires_ms") == 0)
        return units_integer(&record->expires_ms, text, name, 1, 1LL << 46, err);
    else if (strcmp(name, "timeout_ms") == 0)
        return units_integer(&record->timeout_ms, text, name, 1, 1LL << 36, err);
    else if (strcmp(name, "priority") == 0)
        return read_small(&record->priority, name, text, -JOB_PRIORITY_MAX, JOB_PRIORITY_MAX, err);
    else if (strcmp(name, "max_attempts") == 0)
        return read_small(&record->max_attempts, name, text, 1, 1000, err);
    else if (strcmp(name, "v") != 0)
        return error_set(err, ERR_INVALID, "unknown field \"%.64s\"", name);
    else if (strcmp(text, "1") != 0)
        return error_set(err, ERR_INVALID, "version %.20s is not known, only 1", text);
    return 0;
}

/* What holds for all fields: few enough, none twice, and no NUL in what is text (all but the payload). */
static int check_fields(const struct reply *fields, struct error *err)
{
    size_t count = reply_count(fields), name_bytes, bytes;

    if (count > 2 * FIELDS_MAX)
        return error_set(err, ERR_LIMIT, "%zu fields, the limit is %d", count / 2, FIELDS_MAX);
    for (size_t i = 0; i + 1 < count; i += 2) {
        const char *name = reply_bytes(reply_at(fields, i), &name_bytes), *text = reply_bytes(reply_at(fields, i + 1), &bytes);
        if (strlen(name) != name_bytes || (strcmp(name, "payload") != 0 && strlen(text) != bytes))
            return error_set(err, ERR_INVALID, "field %.64s has a NUL byte", name);
        for (size_t j = 0; j < i; j += 2)
            if (strcmp(name, reply_string(reply_at(fields, j))) == 0)
                return error_set(err, ERR_INVALID, "field %.64s is there twice", name);
    }
    return 0;
}

/* What cannot be copied into the record's fixed fields is refused, not cut. */
static int place_names(struct entry *entry, struct error *err)
{
    if (!entry->org || !entry->type)
        return error_set(err, ERR_INVALID, "field %s is missing", entry->org ? "type" : "org");
    if (name_check(entry->org, "organization", err) < 0 || type_check(entry->type, err) < 0 ||
        (entry->queue && name_check(entry->queue, "queue", err) < 0) || (entry->limit && limit_check(entry->limit, err) < 0))
        return err->code;
    snprintf(entry->record.type, sizeof entry->record.type, "%s", entry->type);
    snprintf(entry->record.queue, sizeof entry->record.queue, "%s", entry->queue ? entry->queue : "");
    snprintf(entry->record.limit, sizeof entry->record.limit, "%s", entry->limit ? entry->limit : "");
    return 0;
}

/* Whose entry it is, whatever else is wrong with it: whoever looks into rota:rejected wants to know. */
static void find_org(const char *owner, const struct reply *fields, char ret_org[NAME_BYTES_MAX + 1])
{
    struct error ignored;
    size_t bytes;

    snprintf(ret_org, NAME_BYTES_MAX + 1, "%s", owner);
    for (size_t i = 0; !owner[0] && i + 1 < reply_count(fields); i += 2) {
        const char *text = reply_bytes(reply_at(fields, i + 1), &bytes);
        if (strcmp(reply_string(reply_at(fields, i)), "org") != 0)
            continue;
        if (strlen(text) == bytes && name_check(text, "organization", &ignored) == 0)
            snprintf(ret_org, NAME_BYTES_MAX + 1, "%s", text);
        return;
    }
}

int entry_read(const char *id, const char *owner, const struct reply *fields, char ret_org[NAME_BYTES_MAX + 1],
               struct buffer *record, struct error *err)
{
    struct entry entry = {.record = {.payload = ""}};
    int rc = check_fields(fields, err);

    find_org(owner, fields, ret_org);
    entry.record.nonce = (uint32_t)crc32(0, (const Bytef *)id, (uInt)strlen(id));
    for (size_t i = 0; rc == 0 && i + 1 < reply_count(fields); i += 2)
        rc = read_field(&entry, reply_string(reply_at(fields, i)), reply_at(fields, i + 1), err);
    if (owner[0])
        entry.org = owner;
    if (rc == 0)
        rc = place_names(&entry, err);
    if (rc == 0)
        rc = job_record_encode(record, &entry.record, err);
    job_record_clear(&entry.record);
    return rc;
}
