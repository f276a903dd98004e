#include "common/schedule_json.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/call.h"
#include "common/json_member.h"
#include "common/memory.h"
#include "common/nearest.h"
#include "common/recurrence.h"
#include "common/request.h"
#include "common/schedule_own.h"
#include "common/units.h"

#define TEXT_BYTES_MAX   4096 /* of a time, a duration, a zone */
#define PAUSED_BYTES_MAX 128  /* of a name: check_who in lua/lib/events.lua */
#define ANY_TYPE         "-"  /* of a record whose type does not count */

const char *schedule_spoken(char ret[SCHEDULE_SPOKEN_BYTES], const char *org, const char *name)
{
    if (org[0])
        snprintf(ret, SCHEDULE_SPOKEN_BYTES, "%s/%s", org, name);
    else
        snprintf(ret, SCHEDULE_SPOKEN_BYTES, "%s of every organization", name);
    return ret;
}

/* ---- reading ---- */

/* A line being read. */
struct reader {
    struct schedule_entry *entry;
    struct request request; /* what it says of its jobs */
    struct recurrence_spec spec;
    unsigned kinds;           /* how many of cron, every, rrule, at */
    bool window, of_all, own; /* own: what an organization says itself of one of all */
    const char *line;
    size_t bytes;
    struct error *err;
};

static const struct {
    const char *name;
    enum recurrence_kind kind;
} kinds[] = {{"cron", RECURRENCE_CRON}, {"every", RECURRENCE_EVERY}, {"rrule", RECURRENCE_RRULE}, {"at", RECURRENCE_AT}};

static const char *const own_members[] = {
    "schedule", "every_org", "own_of_every_org", "off",     "shadow", "cron", "every", "rrule",  "at",        "tz",
    "start",    "missed",    "window",           "overlap", "spread", "from", "until", "paused", "paused_ms", NULL};
static const char *const job_members[] = {"type",     "payload",      "payload_b64", "queue",   "limit",
                                          "priority", "max_attempts", "timeout_ms",  "headers", NULL};
static const char *const one_job_members[] = {"id", "key", "coalesce", "earliest", "due_ms", "delay_ms", "expires_ms", NULL};

static bool is_one_of(const char *const *names, const char *name)
{
    while (*names && strcmp(*names, name) != 0)
        names++;
    return *names != NULL;
}

static int refuse_unknown(const char *name, struct error *err)
{
    struct nearest nearest = {.word = name};
    char hint[NEAREST_HINT_BYTES];

    if (is_one_of(one_job_members, name))
        return error_set(err, ERR_INVALID, "\"%s\" belongs to one job, a schedule must not have it", name);
    for (size_t i = 0; own_members[i]; i++)
        nearest_offer(&nearest, own_members[i]);
    for (size_t i = 0; job_members[i]; i++)
        nearest_offer(&nearest, job_members[i]);
    return error_set(err, ERR_INVALID, "unknown member \"%.80s\"%s", name, nearest_hint(&nearest, hint));
}

static int read_name(struct reader *reader, const json_t *value)
{
    char full[NAME_BYTES_MAX + SCHEDULE_NAME_BYTES_MAX + 2];
    struct schedule_entry *entry = reader->entry;
    char *slash;

    if (json_member_copy(value, "schedule", full, sizeof full, reader->err) < 0)
        return reader->err->code;
    slash = strchr(full, '/');
    if (!slash)
        return error_set(reader->err, ERR_INVALID, "\"schedule\" is \"%s\", it must be ORG/NAME", full);
    *slash = '\0';
    if (name_check(full, "organization", reader->err) < 0 || !schedule_name_is_valid(slash + 1, reader->err))
        return reader->err->code;
    memcpy(entry->org, full, strlen(full) + 1);
    memcpy(entry->schedule.name, slash + 1, strlen(slash + 1) + 1);
    return 0;
}

/* The name of one of every organization. */
static int read_every_org(struct reader *reader, const json_t *value)
{
    char name[SCHEDULE_NAME_BYTES_MAX + 1];

    if (json_member_copy(value, "every_org", name, sizeof name, reader->err) < 0 || !schedule_name_is_valid(name, reader->err))
        return reader->err->code;
    reader->of_all = true;
    memcpy(reader->entry->schedule.name, name, strlen(name) + 1);
    return 0;
}

static int read_flag(const json_t *value, const char *name, bool *ret, struct error *err)
{
    if (!json_is_boolean(value))
        return error_set(err, ERR_INVALID, "\"%s\" must be true or false", name);
    *ret = json_is_true(value);
    return 0;
}

static int read_shadow(struct schedule *schedule, const json_t *value, struct error *err)
{
    bool shadow = false;

    if (read_flag(value, "shadow", &shadow, err) < 0)
        return err->code;
    snprintf(schedule->turns, sizeof schedule->turns, "%s", shadow ? "-0" : "");
    return 0;
}

static int read_word(const json_t *value, const char *name, const char *const *words, unsigned *ret, struct error *err)
{
    const char *text = json_member_text(value, name, TEXT_BYTES_MAX, err);
    struct buffer all = {0};

    if (!text)
        return err->code;
    for (unsigned i = 0; words[i]; i++) {
        if (strcmp(words[i], text) == 0) {
            *ret = i;
            buffer_clear(&all);
            return 0;
        }
        buffer_add_format(&all, " %s", words[i]);
    }
    error_set(err, ERR_INVALID, "\"%s\" is \"%.40s\", it must be one of%s", name, text, all.data);
    buffer_clear(&all);
    return err->code;
}

static int read_duration(const json_t *value, const char *name, int64_t low_ms, int64_t high_ms, int64_t *ret_ms,
                         struct error *err)
{
    const char *text = json_member_text(value, name, TEXT_BYTES_MAX, err);

    return text ? units_duration_ms(ret_ms, text, name, low_ms, high_ms, err) : err->code;
}

static int read_time(const json_t *value, const char *name, int64_t *ret_ms, struct error *err)
{
    const char *text = json_member_text(value, name, TEXT_BYTES_MAX, err);

    return text ? units_time_ms(ret_ms, text, name, err) : err->code;
}

static int read_paused(struct schedule *schedule, const json_t *value, struct error *err)
{
    const char *who;

    if (json_is_boolean(value)) {
        schedule->paused = json_is_true(value);
        return 0;
    }
    if (!json_is_string(value))
        return error_set(err, ERR_INVALID, "\"paused\" must be true, false or who has paused it");
    who = json_member_text(value, "paused", PAUSED_BYTES_MAX, err);
    if (!who)
        return err->code;
    for (const char *at = who; *at; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            return error_set(err, ERR_INVALID, "\"paused\" has a control character");
    schedule->paused = true;
    schedule->paused_by = who[0] ? memory_string(who) : NULL;
    return 0;
}

static int read_text(const json_t *value, const char *name, size_t bytes_max, const char **ret, struct error *err)
{
    *ret = json_member_text(value, name, bytes_max, err);
    return *ret ? 0 : err->code;
}

static int read_own(struct reader *reader, const char *name, json_t *value)
{
    struct schedule *schedule = &reader->entry->schedule;
    struct error *err = reader->err;

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(name, kinds[i].name) == 0) {
            reader->kinds++;
            reader->spec.kind = kinds[i].kind;
            return read_text(value, name, 1 << 17, &reader->spec.text, err);
        }
    if (strcmp(name, "schedule") == 0)
        return read_name(reader, value);
    if (strcmp(name, "every_org") == 0)
        return read_every_org(reader, value);
    if (strcmp(name, "own_of_every_org") == 0)
        return read_flag(value, name, &schedule->of_all, err);
    if (strcmp(name, "off") == 0)
        return read_flag(value, name, &schedule->off, err);
    if (strcmp(name, "shadow") == 0)
        return read_shadow(schedule, value, err);
    if (strcmp(name, "tz") == 0)
        return read_text(value, name, TEXT_BYTES_MAX, &reader->spec.zone, err);
    if (strcmp(name, "start") == 0)
        return read_text(value, name, TEXT_BYTES_MAX, &reader->spec.start, err);
    if (strcmp(name, "missed") == 0)
        return read_word(value, name, schedule_missed_words, &schedule->missed, err);
    if (strcmp(name, "overlap") == 0)
        return read_word(value, name, schedule_overlap_words, &schedule->overlap, err);
    if (strcmp(name, "window") == 0) {
        reader->window = true;
        return read_duration(value, name, SCHEDULE_WINDOW_MS_MIN, SCHEDULE_WINDOW_MS_MAX, &schedule->window_ms, err);
    }
    if (strcmp(name, "spread") == 0)
        return read_duration(value, name, 0, SCHEDULE_SPREAD_MS_MAX, &schedule->spread_ms, err);
    if (strcmp(name, "from") == 0)
        return read_time(value, name, &schedule->from_ms, err);
    if (strcmp(name, "until") == 0)
        return read_time(value, name, &schedule->until_ms, err);
    if (strcmp(name, "paused_ms") == 0)
        return json_member_integer(value, name, 0, 1LL << 46, &schedule->paused_ms, err);
    return read_paused(schedule, value, err);
}

static int read_member(struct reader *reader, const char *name, json_t *value)
{
    if (reader->own && json_is_null(value) && schedule_own_may_be_none(name))
        return 0;
    return is_one_of(own_members, name) ? read_own(reader, name, value)
           : is_one_of(job_members, name)
               ? request_read_member(&reader->request, reader->line, reader->bytes, name, value, reader->err)
               : refuse_unknown(name, reader->err);
}

/* Whether there is what must be there, of when it is due and of what. */
static int check_needed(const struct reader *reader)
{
    struct error *err = reader->err;

    if (reader->own && reader->kinds == 0)
        return reader->spec.zone || reader->spec.start
                   ? error_set(err, ERR_INVALID, "\"tz\" and \"start\" go with one of \"cron\", \"every\", \"rrule\" and \"at\"")
                   : 0;
    if (reader->kinds != 1)
        return error_set(err, ERR_INVALID, "there must be one of \"cron\", \"every\", \"rrule\" and \"at\", not %u",
                         reader->kinds);
    if (reader->spec.kind == RECURRENCE_RRULE && !reader->spec.start)
        return error_set(err, ERR_INVALID, "\"start\" is missing: the local time from which the rule holds");
    return 0;
}

/* What one member cannot say. */
static int check(struct reader *reader)
{
    struct schedule *schedule = &reader->entry->schedule;
    struct job_record *record = &reader->request.record;
    struct error *err = reader->err;

    if ((reader->entry->org[0] != '\0') == reader->of_all)
        return error_set(err, ERR_INVALID,
                         reader->of_all ? "\"schedule\" and \"every_org\" exclude each other"
                                        : "\"schedule\" is missing: ORG/NAME; or \"every_org\": NAME");
    if (schedule->turns[0] && !reader->of_all)
        return error_set(err, ERR_INVALID, "\"shadow\" goes with \"every_org\"");
    if (reader->own && reader->of_all)
        return error_set(err, ERR_INVALID, "\"own_of_every_org\" goes with \"schedule\"");
    if (schedule->off && !reader->own)
        return error_set(err, ERR_INVALID, "\"off\" goes with \"own_of_every_org\"");
    if (check_needed(reader) < 0)
        return err->code;
    if (schedule->until_ms > 0 && schedule->until_ms < schedule->from_ms)
        return error_set(err, ERR_INVALID, "\"until\" is before \"from\"");
    if (schedule->paused_ms > 0 && !schedule->paused)
        return error_set(err, ERR_INVALID, "\"paused_ms\" goes with \"paused\"");
    if (!record->type[0] && reader->own)
        snprintf(record->type, sizeof record->type, ANY_TYPE);
    if (!record->type[0])
        return error_set(err, ERR_INVALID, "\"type\" is missing");
    if (type_check(record->type, err) < 0 || (record->queue[0] && name_check(record->queue, "queue", err) < 0) ||
        (record->limit[0] && limit_check(record->limit, err) < 0))
        return err->code;
    return 0;
}

static int complete_recurrence(struct reader *reader)
{
    struct schedule_entry *entry = reader->entry;
    struct buffer text = {0};

    if (reader->kinds == 0)
        return 0;
    entry->recurrence = recurrence_new(&reader->spec, reader->err);
    if (!entry->recurrence)
        return reader->err->code;
    recurrence_format(&text, entry->recurrence);
    entry->schedule.recurrence = buffer_give(&text);
    return 0;
}

/* Of what an organization says itself: which it is, and its pause. */
static void complete_own(struct schedule *schedule, const json_t *object)
{
    schedule_own_read(schedule, object);
    if (!schedule->paused)
        return;
    schedule->own_paused_by = memory_string(schedule->paused_by ? schedule->paused_by : "");
    schedule->own_paused_ms = schedule->paused_ms;
}

static int complete(struct reader *reader, const json_t *object)
{
    struct schedule_entry *entry = reader->entry;
    struct schedule *schedule = &entry->schedule;
    struct buffer record = {0};
    int rc;

    if (complete_recurrence(reader) < 0)
        return reader->err->code;
    if (reader->own)
        complete_own(schedule, object);
    if (!reader->window)
        schedule->window_ms = schedule_default_window_ms(schedule->missed);
    if (!reader->of_all)
        schedule->offset_ms = schedule_offset_ms(entry->org, schedule->name, schedule->spread_ms);
    reader->request.record.has_payload = true;
    if (!reader->request.record.payload)
        reader->request.record.payload = "";
    rc = job_record_encode(&record, &reader->request.record, reader->err);
    schedule->record_bytes = record.length;
    schedule->record = buffer_give(&record);
    return rc;
}

int schedule_entry_parse(struct schedule_entry *ret, const char *line, size_t bytes, struct error *err)
{
    struct schedule_entry entry = {.schedule = {.missed = MISSED_ONCE, .overlap = OVERLAP_SKIP}};
    struct reader reader = {.entry = &entry, .line = line, .bytes = bytes, .err = err};
    json_error_t where;
    json_t *object = json_loadb(line, bytes, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL, &where), *value;
    const char *name;
    int rc = 0;

    if (!json_is_object(object)) {
        json_decref(object);
        return error_set(err, ERR_INVALID, "%s", object ? "must be a JSON object" : where.text);
    }
    reader.own = json_is_true(json_object_get(object, "own_of_every_org"));
    json_object_foreach(object, name, value)
    {
        rc = read_member(&reader, name, value);
        if (rc < 0)
            break;
    }
    if (rc == 0)
        rc = check(&reader);
    if (rc == 0)
        rc = complete(&reader, object); /* the spec borrows from the object */
    json_decref(object);
    request_clear(&reader.request);
    if (rc == 0)
        *ret = entry; /* gives */
    else
        schedule_entry_clear(&entry);
    return rc;
}

void schedule_entry_clear(struct schedule_entry *entry)
{
    recurrence_free(entry->recurrence);
    schedule_clear(&entry->schedule);
    *entry = (struct schedule_entry){.org = ""};
}

enum schedule_rank schedule_entry_rank(const struct schedule_entry *entry)
{
    return !entry->org[0] ? RANK_OF_ALL : entry->schedule.of_all ? RANK_OWN : RANK_OF_ORGS;
}

const char *schedule_entry_function(const struct schedule_entry *entry)
{
    static const char *const functions[RANKS] = {"schedule_set", "template_set", "schedule_own"};

    return functions[schedule_entry_rank(entry)];
}

void schedule_entry_add(const struct schedule_entry *entry, int64_t now_ms, struct call *call)
{
    enum schedule_rank rank = schedule_entry_rank(entry);

    if (entry->org[0])
        call_add_string(call, entry->org);
    call_add_string(call, entry->schedule.name);
    call_add_string(call, ""); /* whatever there is */
    if (rank == RANK_OWN) {
        call_add_string(call, ""); /* its next due time: the leader finds it */
        call_add_string(call, "");
        schedule_own_add(&entry->schedule, call);
        return;
    }
    if (rank == RANK_OF_ORGS) {
        call_add_positive(call, schedule_due_after(&entry->schedule, entry->recurrence, now_ms));
        call_add_int(call, entry->schedule.offset_ms);
    }
    schedule_add_definition(&entry->schedule, call);
}

/* ---- writing ---- */

static void add_recurrence(json_t *object, const char *canonical)
{
    struct recurrence_part parts[RECURRENCE_PARTS_MAX];
    size_t count = recurrence_split(parts, canonical);

    for (size_t i = 0; i < count; i++) {
        char *name = memory_copy(parts[i].name, parts[i].name_bytes);
        json_object_set_new(object, name, json_stringn(parts[i].value, parts[i].value_bytes));
        free(name);
    }
}

static void add_duration(json_t *object, const char *name, int64_t ms)
{
    char text[32];

    json_object_set_new(object, name, json_string(units_exact_duration(text, ms)));
}

static void add_time(json_t *object, const char *name, int64_t ms)
{
    char text[32];

    if (ms > 0)
        json_object_set_new(object, name, json_string(units_format_time(text, ms)));
}

static int add_record(json_t *object, const struct schedule *schedule, struct error *err)
{
    struct job_record record;
    int rc = job_record_decode(&record, schedule->record, schedule->record_bytes, err);

    if (rc < 0)
        return rc;
    rc = request_add_record(object, &record, err);
    job_record_clear(&record);
    return rc;
}

static void add_pause(json_t *object, const char *paused_by, int64_t paused_ms)
{
    json_t *who = paused_by && paused_by[0] ? json_string(paused_by) : NULL; /* NULL also if it is no UTF-8 */

    json_object_set_new(object, "paused", who ? who : json_true());
    if (paused_ms > 0)
        json_object_set_new(object, "paused_ms", json_integer(paused_ms));
}

json_t *schedule_entry_to_json(const char *org, const struct schedule *schedule, bool state, struct error *err)
{
    json_t *object = json_object();

    if (org[0])
        json_object_set_new(object, "schedule", json_sprintf("%s/%s", org, schedule->name));
    else
        json_object_set_new(object, "every_org", json_string(schedule->name));
    if (schedule->recurrence)
        add_recurrence(object, schedule->recurrence);
    json_object_set_new(object, "missed", json_string(schedule_missed_words[schedule->missed]));
    add_duration(object, "window", schedule->window_ms);
    json_object_set_new(object, "overlap", json_string(schedule_overlap_words[schedule->overlap]));
    if (schedule->spread_ms > 0)
        add_duration(object, "spread", schedule->spread_ms);
    add_time(object, "from", schedule->from_ms);
    add_time(object, "until", schedule->until_ms);
    if (state && !org[0] && schedule->turns[0])
        json_object_set_new(object, "shadow", json_true());
    if (state && schedule->paused)
        add_pause(object, schedule->paused_by, schedule->paused_ms);
    if (add_record(object, schedule, err) == 0)
        return object;
    json_decref(object);
    return NULL;
}

/* Only what the organization says itself. */
static json_t *own_to_json(const char *org, const struct schedule *schedule, bool state, struct error *err)
{
    json_t *whole = schedule_entry_to_json(org, schedule, false, err), *object;

    if (!whole)
        return NULL;
    object = json_pack("{s:O, s:b}", "schedule", json_object_get(whole, "schedule"), "own_of_every_org", true);
    schedule_own_pick(object, schedule, whole);
    json_decref(whole);
    if (schedule->off)
        json_object_set_new(object, "off", json_true());
    if (state && schedule->own_paused_by)
        add_pause(object, schedule->own_paused_by, schedule->own_paused_ms);
    return object;
}

int schedule_entry_format(struct buffer *out, const char *org, const struct schedule *schedule, bool state, struct error *err)
{
    json_t *object =
        org[0] && schedule->of_all ? own_to_json(org, schedule, state, err) : schedule_entry_to_json(org, schedule, state, err);
    char *text;

    if (!object)
        return err->code;
    text = json_dumps(object, JSON_COMPACT);
    json_decref(object);
    buffer_add_string(out, text);
    free(text);
    return 0;
}
