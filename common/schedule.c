#include "common/schedule.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "common/call.h"
#include "common/memory.h"
#include "common/recurrence.h"
#include "common/reply.h"

const char *const schedule_missed_words[] = {"skip", "once", "all", NULL};
const char *const schedule_overlap_words[] = {"allow", "skip", "queue-one", "cancel-running", NULL};

/* ---- fields ---- */

enum kind { TEXT, STRING, NUMBER, WORD, FLAG };

/* TEXT: an array of `bytes`, which what is stored fits into. STRING: owned. WORD: the number of one of `words`. */
struct field {
    const char *name;
    enum kind kind;
    size_t offset, bytes;
    const char *const *words;
};

#define AT(member)      .offset = offsetof(struct schedule, member)
#define TEXT_AT(member) .kind = TEXT, AT(member), .bytes = sizeof(((struct schedule *)NULL)->member)

static const struct field fields[] = {
    {"recurrence", STRING, AT(recurrence)},
    {"missed", WORD, AT(missed), .words = schedule_missed_words},
    {"window_ms", NUMBER, AT(window_ms)},
    {"overlap", WORD, AT(overlap), .words = schedule_overlap_words},
    {"spread_ms", NUMBER, AT(spread_ms)},
    {"from_ms", NUMBER, AT(from_ms)},
    {"until_ms", NUMBER, AT(until_ms)},
    {"offset_ms", NUMBER, AT(offset_ms)}, /* from here on: not of the definition */
    {"rev", NUMBER, AT(rev)},
    {"created_ms", NUMBER, AT(created_ms)},
    {"changed_ms", NUMBER, AT(changed_ms)},
    {"next_ms", NUMBER, AT(next_ms)},
    {"since_ms", NUMBER, AT(since_ms)},
    {"retry_ms", NUMBER, AT(retry_ms)},
    {"pending_ms", NUMBER, AT(pending_ms)},
    {"pending_go", FLAG, AT(pending_go)},
    {"paused", FLAG, AT(paused)},
    {"paused_by", STRING, AT(paused_by)},
    {"paused_ms", NUMBER, AT(paused_ms)},
    {"template", FLAG, AT(of_all)},
    {"own", STRING, AT(own)},
    {"own_parts", STRING, AT(own_parts)},
    {"off", FLAG, AT(off)},
    {"paused_all", FLAG, AT(paused_all)},
    {"own_paused_by", STRING, AT(own_paused_by)},
    {"own_paused_ms", NUMBER, AT(own_paused_ms)},
    {"moves_to", TEXT_AT(moves_to)},
    {"turns", TEXT_AT(turns)},
    {"removed", FLAG, AT(removed)},
    {"walked", NUMBER, AT(walked)},
    {"cursor", FLAG, AT(walking)},
    {"last_ms", NUMBER, AT(last_ms)},
    {"late_ms", NUMBER, AT(late_ms)},
    {"runs", NUMBER, AT(runs)},
    {"missed_count", NUMBER, AT(missed_count)},
    {"skipped_count", NUMBER, AT(skipped_count)},
    {"refused_count", NUMBER, AT(refused_count)},
    {"last_job", TEXT_AT(last_job)},
    {"refused", STRING, AT(refused)},
    {"done", NUMBER, AT(done)},
    {"failed", NUMBER, AT(failed)},
    {"failed_since_done", NUMBER, AT(failed_since_done)},
    {"last_ended_ms", NUMBER, AT(last_ended_ms)},
    {"last_done_ms", NUMBER, AT(last_done_ms)},
    {"last_outcome", TEXT_AT(last_outcome)},
    {"unhealthy_ms", NUMBER, AT(unhealthy_ms)},
    {"mended", TEXT_AT(mended)},
    {"mended_ms", NUMBER, AT(mended_ms)},
};
#define DEFINITION_FIELDS 7
#define FIELDS            (sizeof fields / sizeof *fields)

static void *at(const struct schedule *schedule, const struct field *field)
{
    return (char *)(uintptr_t)schedule + field->offset;
}

static const struct field *find_field(const char *name)
{
    for (size_t i = 0; i < FIELDS; i++)
        if (strcmp(fields[i].name, name) == 0)
            return &fields[i];
    return NULL;
}

static int read_word(const struct field *field, const char *text, unsigned *ret, struct error *err)
{
    for (unsigned i = 0; field->words[i]; i++)
        if (strcmp(field->words[i], text) == 0) {
            *ret = i;
            return 0;
        }
    return error_set(err, ERR_PROTOCOL, "%s of a schedule is \"%.40s\"", field->name, text);
}

static int read_field(struct schedule *schedule, const struct field *field, const struct reply *value, struct error *err)
{
    size_t length;
    const char *text = reply_bytes(value, &length);

    switch (field->kind) {
    case TEXT:
        if (length >= field->bytes)
            return error_set(err, ERR_PROTOCOL, "%s of a schedule has %zu bytes, the limit is %zu", field->name, length,
                             field->bytes - 1);
        memcpy(at(schedule, field), text, length + 1);
        return 0;
    case STRING:
        free(*(char **)at(schedule, field));
        *(char **)at(schedule, field) = memory_string(text);
        return 0;
    case NUMBER: *(int64_t *)at(schedule, field) = reply_int(value); return 0;
    case WORD: return read_word(field, text, at(schedule, field), err);
    case FLAG: *(bool *)at(schedule, field) = true; return 0;
    }
    return 0;
}

bool schedule_name_is_valid(const char *name, struct error *err)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t length = strlen(name);

    if (length > 0 && length <= SCHEDULE_NAME_BYTES_MAX && strspn(name, letters) == length)
        return true;
    error_set(err, ERR_INVALID, "schedule \"%.80s\" must match [A-Za-z0-9._-]{1,%d}", name, SCHEDULE_NAME_BYTES_MAX);
    return false;
}

static void take_record(struct schedule *schedule, const struct reply *value)
{
    const char *bytes = reply_bytes(value, &schedule->record_bytes);

    free(schedule->record);
    schedule->record = memory_copy(bytes, schedule->record_bytes);
}

int schedule_decode(struct schedule *ret, const char *name, const struct reply *list, const struct reply *records,
                    struct error *err)
{
    struct schedule schedule = {0};
    int rc = schedule_name_is_valid(name, err) ? 0 : err->code;

    for (size_t i = 0; rc == 0 && i + 1 < reply_count(list); i += 2) {
        const char *field_name = reply_string(reply_at(list, i));
        const struct field *field = find_field(field_name);
        if (field)
            rc = read_field(&schedule, field, reply_at(list, i + 1), err);
        if (rc == 0 && strcmp(field_name, "record") == 0)
            take_record(&schedule, reply_at(list, i + 1));
    }
    for (size_t i = 0; !schedule.record && records && i + 1 < reply_count(records); i += 2)
        if (reply_is(reply_at(records, i), name))
            take_record(&schedule, reply_at(records, i + 1));
    if (rc == 0 && !turns_are_valid(schedule.turns, err))
        rc = error_set(err, ERR_PROTOCOL, "schedule %s has turns \"%.40s\"", name, schedule.turns);
    if (rc == 0 && (!schedule.recurrence || !schedule.record || schedule.rev < 1))
        rc = error_set(err, ERR_PROTOCOL, "schedule %s has no definition", name);
    if (rc < 0) {
        schedule_clear(&schedule);
        return rc;
    }
    memcpy(schedule.name, name, strlen(name) + 1);
    *ret = schedule;
    return 0;
}

void schedule_clear(struct schedule *schedule)
{
    free(schedule->recurrence);
    free(schedule->record);
    free(schedule->paused_by);
    free(schedule->refused);
    free(schedule->own);
    free(schedule->own_parts);
    free(schedule->own_paused_by);
    *schedule = (struct schedule){0};
}

int64_t schedule_default_window_ms(unsigned missed)
{
    return missed == MISSED_SKIP ? 60000LL : 24LL * 3600 * 1000;
}

void schedule_add_field(const struct schedule *schedule, const char *name, struct call *call)
{
    const struct field *field = find_field(name);

    assert(field && field->kind != FLAG);
    call_add_string(call, name);
    switch (field->kind) {
    case TEXT: call_add_string(call, at(schedule, field)); break;
    case STRING: call_add_string(call, *(char **)at(schedule, field)); break;
    case NUMBER: call_add_int(call, *(int64_t *)at(schedule, field)); break;
    case WORD: call_add_string(call, field->words[*(unsigned *)at(schedule, field)]); break;
    case FLAG: break;
    }
}

void schedule_add_definition(const struct schedule *schedule, struct call *call)
{
    for (size_t i = 0; i < DEFINITION_FIELDS; i++)
        schedule_add_field(schedule, fields[i].name, call);
    call_add_string(call, "record");
    call_add(call, schedule->record, schedule->record_bytes);
    if (schedule->paused) {
        call_add_string(call, "paused_by");
        call_add_string(call, schedule->paused_by ? schedule->paused_by : "");
        call_add_string(call, "paused_ms");
        call_add_int(call, schedule->paused_ms);
    }
    if (schedule->turns[0]) {
        call_add_string(call, "shadow");
        call_add_string(call, "1");
    }
}

static const struct reply *value_of(const struct reply *hash, const char *name)
{
    for (size_t i = 0; i + 1 < reply_count(hash); i += 2)
        if (reply_is(reply_at(hash, i), name))
            return reply_at(hash, i + 1);
    return NULL;
}

void template_add_revs(const struct reply *templates, struct call *call)
{
    const struct reply *list = reply_at(templates, 3);

    call_add_int(call, reply_int(reply_at(templates, 1)));
    for (size_t i = 0; i + 1 < reply_count(list); i += 2) {
        const struct reply *hash = reply_at(list, i + 1);
        if (value_of(hash, "removed"))
            continue;
        call_add_string(call, reply_string(reply_at(list, i)));
        call_add_int(call, reply_int(value_of(hash, "rev")));
    }
}

/* ---- due times ---- */

int64_t schedule_offset_ms(const char *org, const char *name, int64_t spread_ms)
{
    uLong sum = crc32(0, (const Bytef *)org, (uInt)strlen(org));

    sum = crc32(sum, (const Bytef *)"/", 1);
    sum = crc32(sum, (const Bytef *)name, (uInt)strlen(name));
    return (int64_t)(((uint64_t)sum * (uint64_t)spread_ms) >> 32);
}

int64_t schedule_due_after(const struct schedule *schedule, const struct recurrence *recurrence, int64_t after_ms)
{
    int64_t due_ms;

    if (after_ms < schedule->from_ms - 1)
        after_ms = schedule->from_ms - 1;
    if (!recurrence_next(recurrence, after_ms, &due_ms) || (schedule->until_ms > 0 && due_ms > schedule->until_ms))
        return 0;
    return due_ms;
}

bool schedule_is_unhealthy(const struct schedule *schedule, const struct recurrence *recurrence, int64_t now_ms)
{
    int64_t at_ms = schedule->last_done_ms > schedule->since_ms ? schedule->last_done_ms : schedule->since_ms;

    for (int due_times = 0; due_times < 3; due_times++) { /* three due times are two periods apart */
        at_ms = schedule_due_after(schedule, recurrence, at_ms);
        if (at_ms == 0 || at_ms + schedule->offset_ms > now_ms)
            return false;
    }
    return !schedule->paused;
}
