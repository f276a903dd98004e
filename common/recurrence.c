#include "common/recurrence.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/civil.h"
#include "common/cron.h"
#include "common/memory.h"
#include "common/rrule.h"
#include "common/units.h"
#include "common/zone.h"

#define WORD_BYTES_MAX 80

struct recurrence {
    enum recurrence_kind kind;
    struct zone *zone;
    struct cron *cron;
    struct rrule *rule;
    int64_t start_s;            /* RRULE: local */
    int64_t every_ms, start_ms; /* EVERY */
    int64_t at_ms;              /* AT */
    bool is_local;              /* AT: given as a local time, */
    int64_t at_local_s;         /* this one */
};

static const char *const kind_names[] = {
    [RECURRENCE_CRON] = "cron", [RECURRENCE_EVERY] = "every", [RECURRENCE_RRULE] = "rrule", [RECURRENCE_AT] = "at"};

/* ---- reading ---- */

static int read_every(struct recurrence *recurrence, const struct recurrence_spec *spec, struct error *err)
{
    if (units_duration_ms(&recurrence->every_ms, spec->text, "interval", RECURRENCE_EVERY_MS_MIN, RECURRENCE_EVERY_MS_MAX, err) <
        0)
        return err->code;
    if (spec->start && units_time_ms(&recurrence->start_ms, spec->start, "start", err) < 0)
        return err->code;
    if (recurrence->start_ms > RECURRENCE_MS_MAX)
        return error_set(err, ERR_INVALID, "start \"%.80s\" is after the year %d", spec->start, CIVIL_YEAR_MAX);
    return 0;
}

static int read_rule(struct recurrence *recurrence, const struct recurrence_spec *spec, struct error *err)
{
    if (!spec->start)
        return error_set(err, ERR_INVALID, "a rule needs a start, a local time as in 2026-11-20T08:15:00");
    if (!civil_parse(&recurrence->start_s, spec->start))
        return error_set(err, ERR_INVALID, "start \"%.80s\" must be a local time of 1970..%d, as in 2026-11-20T08:15:00",
                         spec->start, CIVIL_YEAR_MAX);
    recurrence->rule = rrule_new(spec->text, recurrence->start_s, recurrence->zone, err);
    return recurrence->rule ? 0 : err->code;
}

static int read_moment(struct recurrence *recurrence, const struct recurrence_spec *spec, struct error *err)
{
    if (civil_parse(&recurrence->at_local_s, spec->text)) {
        recurrence->is_local = true;
        recurrence->at_ms = zone_resolve(recurrence->zone, recurrence->at_local_s).first_s * 1000;
    } else if (units_time_ms(&recurrence->at_ms, spec->text, "moment", err) < 0) {
        return err->code;
    }
    if (recurrence->at_ms < 0 || recurrence->at_ms > RECURRENCE_MS_MAX)
        return error_set(err, ERR_INVALID, "moment \"%.80s\" must be within 1970..%d", spec->text, CIVIL_YEAR_MAX);
    return 0;
}

static int read_spec(struct recurrence *recurrence, const struct recurrence_spec *spec, struct error *err)
{
    bool has_zone = spec->zone && spec->zone[0];
    int64_t ignored;
    int rc;

    recurrence->kind = spec->kind;
    if (spec->kind == RECURRENCE_EVERY && has_zone)
        return error_set(err, ERR_INVALID, "an interval has no time zone (%.80s): it is the same everywhere", spec->zone);
    if (spec->start && (spec->kind == RECURRENCE_CRON || spec->kind == RECURRENCE_AT))
        return error_set(err, ERR_INVALID, "%s takes no start", kind_names[spec->kind]);
    recurrence->zone = zone_new(has_zone ? spec->zone : "UTC", err);
    if (!recurrence->zone)
        return err->code;
    switch (spec->kind) {
    case RECURRENCE_CRON:
        recurrence->cron = cron_new(spec->text, err);
        rc = recurrence->cron ? 0 : err->code;
        break;
    case RECURRENCE_EVERY: rc = read_every(recurrence, spec, err); break;
    case RECURRENCE_RRULE: rc = read_rule(recurrence, spec, err); break;
    default: rc = read_moment(recurrence, spec, err); break;
    }
    if (rc == 0 && !recurrence_next(recurrence, -1, &ignored)) /* such as an UNTIL before the start */
        rc = error_set(err, ERR_INVALID, "%s \"%.80s\" is never due within 1970..%d", kind_names[spec->kind], spec->text,
                       CIVIL_YEAR_MAX);
    return rc;
}

struct recurrence *recurrence_new(const struct recurrence_spec *spec, struct error *err)
{
    struct recurrence *recurrence = memory_new(sizeof *recurrence);

    if (read_spec(recurrence, spec, err) == 0)
        return recurrence;
    recurrence_free(recurrence);
    return NULL;
}

void recurrence_free(struct recurrence *recurrence)
{
    if (!recurrence)
        return;
    zone_free(recurrence->zone);
    cron_free(recurrence->cron);
    rrule_free(recurrence->rule);
    free(recurrence);
}

size_t recurrence_split(struct recurrence_part ret[RECURRENCE_PARTS_MAX], const char *canonical)
{
    const char *at = canonical + strcspn(canonical, " ");
    size_t count = 1;

    ret[0] = (struct recurrence_part){.name = canonical, .name_bytes = (size_t)(at - canonical)};
    while (count < RECURRENCE_PARTS_MAX && (strncmp(at, " tz=", 4) == 0 || strncmp(at, " start=", 7) == 0)) {
        const char *value = strchr(at, '=') + 1;
        ret[count++] = (struct recurrence_part){at + 1, value, (size_t)(value - at) - 2, strcspn(value, " ")};
        at = value + strcspn(value, " ");
    }
    ret[0].value = at + (*at == ' ');
    ret[0].value_bytes = strlen(ret[0].value);
    return count;
}

enum recurrence_kind recurrence_kind(const struct recurrence *recurrence)
{
    return recurrence->kind;
}

const struct zone *recurrence_zone(const struct recurrence *recurrence)
{
    return recurrence->zone;
}

/* ---- canonical text ---- */

void recurrence_format(struct buffer *out, const struct recurrence *recurrence)
{
    const char *zone = zone_name(recurrence->zone);
    char text[32], local[CIVIL_FORMAT_BYTES];

    switch (recurrence->kind) {
    case RECURRENCE_CRON: buffer_add_format(out, "cron tz=%s %s", zone, cron_text(recurrence->cron)); break;
    case RECURRENCE_EVERY:
        buffer_add_format(out, "every start=%s", units_format_time(text, recurrence->start_ms));
        buffer_add_format(out, " %s", units_exact_duration(text, recurrence->every_ms));
        break;
    case RECURRENCE_RRULE:
        buffer_add_format(out, "rrule tz=%s start=%s %s", zone, civil_format(local, recurrence->start_s),
                          rrule_text(recurrence->rule));
        break;
    case RECURRENCE_AT:
        buffer_add_format(out, "at tz=%s %s", zone,
                          recurrence->is_local ? civil_format(local, recurrence->at_local_s)
                                               : units_format_time(text, recurrence->at_ms));
        break;
    }
}

/* Takes "<name>=<word> " off the front of `at` into `ret`; NULL if something else stands there. */
static const char *take_word(const char **at, const char *name, char ret[WORD_BYTES_MAX])
{
    size_t name_bytes = strlen(name), bytes = strcspn(*at, " ");

    if (strncmp(*at, name, name_bytes) != 0 || bytes - name_bytes >= WORD_BYTES_MAX || !(*at)[bytes])
        return NULL;
    snprintf(ret, WORD_BYTES_MAX, "%.*s", (int)(bytes - name_bytes), *at + name_bytes);
    *at += bytes + 1;
    return ret;
}

struct recurrence *recurrence_parse(const char *text, struct error *err)
{
    char zone[WORD_BYTES_MAX], start[WORD_BYTES_MAX];
    size_t kind_bytes = strcspn(text, " ");
    struct recurrence_spec spec = {0};

    for (unsigned i = 0; i < sizeof kind_names / sizeof *kind_names; i++)
        if (text[kind_bytes] && strlen(kind_names[i]) == kind_bytes && strncmp(text, kind_names[i], kind_bytes) == 0) {
            spec.kind = (enum recurrence_kind)i;
            spec.text = text + kind_bytes + 1;
        }
    if (!spec.text) {
        error_set(err, ERR_INVALID, "recurrence \"%.40s\" must begin with cron, every, rrule or at", text);
        return NULL;
    }
    spec.zone = take_word(&spec.text, "tz=", zone);
    spec.start = take_word(&spec.text, "start=", start);
    return recurrence_new(&spec, err);
}

/* ---- due times ---- */

static bool is_elapsed(const struct recurrence *recurrence)
{
    return recurrence->kind == RECURRENCE_CRON ? cron_is_elapsed(recurrence->cron)
                                               : recurrence->kind == RECURRENCE_RRULE && rrule_is_elapsed(recurrence->rule);
}

/* The local times that cron expression or rule name, from `from_s` on. */
static bool next_local(const struct recurrence *recurrence, int64_t from_s, int64_t *ret_local_s)
{
    return recurrence->kind == RECURRENCE_CRON ? cron_next(recurrence->cron, from_s, ret_local_s)
                                               : rrule_next(recurrence->rule, from_s, ret_local_s);
}

/* The first local time whose moment may be after `after_s`: while a repeated hour passes the second time, that behind it, so that
 * nobody has to go through the hour, second by second perhaps. */
static int64_t local_after(const struct zone *zone, int64_t after_s)
{
    int64_t local_s = after_s + zone_offset_s(zone, after_s), change_s;
    struct zone_moment moment = zone_resolve(zone, local_s);

    if (moment.fit != ZONE_TWICE || after_s == moment.first_s)
        return local_s + 1;
    change_s = zone_change_after(zone, moment.first_s, moment.last_s);
    return change_s + zone_offset_s(zone, moment.first_s);
}

/* Fixed local times: each has its moment, and a later one has no earlier moment. */
static bool next_fixed(const struct recurrence *recurrence, int64_t from_s, int64_t *ret_s)
{
    int64_t local_s = local_after(recurrence->zone, from_s - 1);

    while (next_local(recurrence, local_s, &local_s)) {
        *ret_s = zone_resolve(recurrence->zone, local_s).first_s;
        if (*ret_s >= from_s)
            return true;
        local_s++;
    }
    return false;
}

/* Real moments whose local time is named. Between two changes of the clock both pass alike, so one interval after the other. */
static bool next_elapsed(const struct recurrence *recurrence, int64_t from_s, int64_t *ret_s)
{
    const struct zone *zone = recurrence->zone;
    int64_t local_s, change_s;

    for (;;) {
        int64_t offset_s = zone_offset_s(zone, from_s);
        if (!cron_next(recurrence->cron, from_s + offset_s, &local_s))
            return false;
        change_s = zone_change_after(zone, from_s, local_s - offset_s);
        if (change_s == INT64_MAX) {
            *ret_s = local_s - offset_s;
            return true;
        }
        from_s = change_s;
    }
}

/* The first due time from the second `from_s` on. */
static bool next_second(const struct recurrence *recurrence, int64_t from_s, int64_t *ret_s)
{
    bool found;

    if (from_s > CIVIL_S_MAX)
        return false;
    if (!is_elapsed(recurrence))
        found = next_fixed(recurrence, from_s, ret_s);
    else if (recurrence->kind == RECURRENCE_CRON)
        found = next_elapsed(recurrence, from_s, ret_s);
    else
        found = rrule_next_elapsed(recurrence->rule, recurrence->zone, from_s, ret_s);
    return found && *ret_s <= CIVIL_S_MAX && (!recurrence->rule || *ret_s <= rrule_until_utc_s(recurrence->rule));
}

bool recurrence_next(const struct recurrence *recurrence, int64_t after_ms, int64_t *ret_ms)
{
    int64_t due;

    if (after_ms < -1)
        after_ms = -1;
    if (after_ms >= RECURRENCE_MS_MAX)
        return false;
    if (recurrence->kind == RECURRENCE_AT) {
        due = recurrence->at_ms;
        if (due <= after_ms)
            return false;
    } else if (recurrence->kind == RECURRENCE_EVERY) {
        due = recurrence->start_ms +
              (civil_floor(after_ms - recurrence->start_ms, recurrence->every_ms) + 1) * recurrence->every_ms;
        if (due > RECURRENCE_MS_MAX)
            return false;
    } else {
        if (!next_second(recurrence, civil_floor(after_ms, 1000) + 1, &due))
            return false;
        due *= 1000;
    }
    *ret_ms = due;
    return true;
}

/* ---- why there ---- */

/* Whether a fixed local time is named within from_s..to_s. */
static bool names_one(const struct recurrence *recurrence, int64_t from_s, int64_t to_s, int64_t *ret_local_s)
{
    if (recurrence->kind == RECURRENCE_AT) {
        *ret_local_s = recurrence->at_local_s;
        return recurrence->is_local && *ret_local_s >= from_s && *ret_local_s <= to_s;
    }
    return next_local(recurrence, from_s, ret_local_s) && *ret_local_s <= to_s;
}

enum recurrence_note recurrence_explain(const struct recurrence *recurrence, int64_t due_ms, int64_t *ret_local_s)
{
    int64_t due_s = civil_floor(due_ms, 1000), local_s = due_s + zone_offset_s(recurrence->zone, due_s), missed_s;
    int64_t before_s = due_s - 1 + zone_offset_s(recurrence->zone, due_s - 1);
    struct zone_moment moment = zone_resolve(recurrence->zone, local_s);
    bool is_fixed = recurrence->kind == RECURRENCE_AT ? recurrence->is_local : !is_elapsed(recurrence);

    *ret_local_s = local_s;
    if (recurrence->kind == RECURRENCE_EVERY || (recurrence->kind == RECURRENCE_AT && !is_fixed))
        return RECURRENCE_PLAIN;
    if (moment.fit == ZONE_TWICE && due_s == moment.last_s)
        return RECURRENCE_AGAIN;
    if (moment.fit == ZONE_TWICE && is_fixed)
        return RECURRENCE_FIRST;
    if (is_fixed && local_s > before_s + 1 && names_one(recurrence, before_s + 1, local_s - 1, &missed_s)) {
        *ret_local_s = missed_s;
        return names_one(recurrence, local_s, local_s, &local_s) ? RECURRENCE_MERGED : RECURRENCE_MOVED;
    }
    return RECURRENCE_PLAIN;
}
