#include "cli/schedule_view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/connection.h"
#include "cli/schedule_flags.h"
#include "common/job.h"
#include "common/memory.h"
#include "common/recurrence.h"
#include "common/reply.h"
#include "common/units.h"

int schedule_argument(struct cli *cli, const char *text, char ret_org[NAME_BYTES_MAX + 1],
                      char ret_name[SCHEDULE_NAME_BYTES_MAX + 1], struct error *err)
{
    size_t bytes = strcspn(text, "/");
    char *org;
    int rc;

    if (text[bytes] != '/')
        return cli_usage(cli, err, "schedule \"%.80s\" must be named ORG/NAME", text);
    org = memory_copy(text, bytes);
    rc = cli_org(cli, org, err);
    if (rc == 0)
        memcpy(ret_org, org, bytes + 1);
    free(org);
    if (rc < 0)
        return rc;
    if (!schedule_name_is_valid(text + bytes + 1, err))
        return cli_misused(cli, err);
    snprintf(ret_name, SCHEDULE_NAME_BYTES_MAX + 1, "%s", text + bytes + 1);
    return 0;
}

bool schedule_is_of_all(const struct cli *cli)
{
    return config_bool(cli->config, "cli.schedule.every-org");
}

const char *schedule_field_name(const char *field, char ret[SCHEDULE_NAME_BYTES_MAX + 1])
{
    size_t bytes = strcspn(field, " "), unit = bytes > 3 && memcmp(field + bytes - 3, "_ms", 3) == 0 ? 3 : 0;

    snprintf(ret, SCHEDULE_NAME_BYTES_MAX + 1, "%.*s", (int)(bytes - unit), field);
    for (char *at = ret; *at; at++)
        *at = *at == '_' ? '-' : *at;
    return ret;
}

struct fetch {
    const char *name;
    struct schedule *ret;
    bool found;
    int rc;
    struct error *err;
};

static void on_schedule(const struct reply *reply, void *ctx)
{
    struct fetch *fetch = ctx;

    fetch->found = reply_count(reply_at(reply, 1)) > 0;
    fetch->rc = fetch->found ? schedule_decode(fetch->ret, fetch->name, reply_at(reply, 1), NULL, fetch->err) : 0;
}

int schedule_fetch(struct cli *cli, const char *org, const char *name, struct schedule *ret, struct error *err)
{
    struct fetch fetch = {.name = name, .ret = ret, .err = err};
    struct call call = {0};
    int rc;

    call_function(&call, "schedule", cli_lane(cli, org));
    call_add_string(&call, org);
    call_add_string(&call, name);
    rc = cli_call(cli, &call, on_schedule, &fetch, err);
    call_clear(&call);
    if (rc < 0)
        return rc;
    if (!fetch.found) {
        cli_hint(cli, "rota schedule list %s", org);
        return error_set(err, ERR_NOT_FOUND, "there is no schedule %s/%s", org, name);
    }
    return fetch.rc;
}

static void add_duration(struct buffer *out, const char *flag, int64_t ms)
{
    char text[32];

    buffer_add_format(out, " --%s %s", flag, units_format_duration(text, ms));
}

static void add_time(struct buffer *out, const char *flag, int64_t ms, bool all)
{
    char text[32];

    if (ms > 0)
        buffer_add_format(out, " --%s %s", flag, units_format_time(text, ms));
    else if (all)
        buffer_add_format(out, " --%s ''", flag);
}

void schedule_format_flags(struct buffer *out, const struct schedule *schedule, bool all)
{
    schedule_flags_format(out, schedule->recurrence);
    buffer_add_format(out, " --missed %s --overlap %s", schedule_missed_words[schedule->missed],
                      schedule_overlap_words[schedule->overlap]);
    add_duration(out, "window", schedule->window_ms);
    add_duration(out, "spread", schedule->spread_ms);
    add_time(out, "from", schedule->from_ms, all);
    add_time(out, "until", schedule->until_ms, all);
}

/* off; paused; new: the leader has not looked at it yet; ended: it has no due time any more; unhealthy: for two periods and more
 * none of its jobs was done. */
static const char *state_of(const struct schedule *schedule, int64_t now_ms)
{
    struct recurrence *recurrence;
    struct error err;
    bool ill;

    if (schedule->off)
        return "off";
    if (schedule->paused)
        return "paused";
    if (schedule->next_ms == 0)
        return schedule->of_all && schedule->last_ms == 0 ? "new" : "ended";
    recurrence = recurrence_parse(schedule->recurrence, &err);
    ill = !recurrence || schedule_is_unhealthy(schedule, recurrence, now_ms);
    recurrence_free(recurrence);
    return ill ? "unhealthy" : "active";
}

/* Numbers of a schedule as members; moments that are 0 are null. */
struct member {
    const char *name;
    size_t offset;
    bool is_moment;
};

static const struct member definition_members[] = {
    {"window_ms", offsetof(struct schedule, window_ms), false},  {"spread_ms", offsetof(struct schedule, spread_ms), false},
    {"from_ms", offsetof(struct schedule, from_ms), true},       {"until_ms", offsetof(struct schedule, until_ms), true},
    {"paused_ms", offsetof(struct schedule, paused_ms), true},   {"created_ms", offsetof(struct schedule, created_ms), true},
    {"changed_ms", offsetof(struct schedule, changed_ms), true}, {"rev", offsetof(struct schedule, rev), false},
    {"next_ms", offsetof(struct schedule, next_ms), true},
};

static const struct member history_members[] = {
    {"pending_ms", offsetof(struct schedule, pending_ms), true},
    {"offset_ms", offsetof(struct schedule, offset_ms), false},
    {"last_due_ms", offsetof(struct schedule, last_ms), true},
    {"late_ms", offsetof(struct schedule, late_ms), false},
    {"last_ended_ms", offsetof(struct schedule, last_ended_ms), true},
    {"last_done_ms", offsetof(struct schedule, last_done_ms), true},
    {"jobs", offsetof(struct schedule, runs), false},
    {"done", offsetof(struct schedule, done), false},
    {"failed", offsetof(struct schedule, failed), false},
    {"failed_since_done", offsetof(struct schedule, failed_since_done), false},
    {"missed", offsetof(struct schedule, missed_count), false},
    {"skipped", offsetof(struct schedule, skipped_count), false},
    {"refused", offsetof(struct schedule, refused_count), false},
    {"unhealthy_ms", offsetof(struct schedule, unhealthy_ms), true},
    {"mended_ms", offsetof(struct schedule, mended_ms), true},
};

static void add_members(json_t *object, const struct schedule *schedule, const struct member *members, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int64_t number;
        memcpy(&number, (const char *)schedule + members[i].offset, sizeof number);
        json_object_set_new(object, members[i].name, members[i].is_moment && number == 0 ? json_null() : json_integer(number));
    }
}

static void add_job(json_t *object, const struct schedule *schedule)
{
    struct job_record record = {0};
    struct error err;

    if (job_record_decode(&record, schedule->record, schedule->record_bytes, &err) < 0)
        return;
    json_object_set_new(object, "type", json_string(record.type));
    json_object_set_new(object, "queue", json_string(record.queue[0] ? record.queue : "default"));
    job_record_clear(&record);
}

json_t *schedule_definition_to_json(const char *full, const struct schedule *schedule, const char *state)
{
    json_t *object = json_object();

    json_object_set_new(object, "schedule", json_string(full));
    json_object_set_new(object, "state", json_string(state));
    json_object_set_new(object, "recurrence", json_string(schedule->recurrence));
    add_job(object, schedule);
    json_object_set_new(object, "on_missed", json_string(schedule_missed_words[schedule->missed]));
    json_object_set_new(object, "on_overlap", json_string(schedule_overlap_words[schedule->overlap]));
    add_members(object, schedule, definition_members, sizeof definition_members / sizeof *definition_members);
    json_object_set_new(object, "paused_by", output_text_or_null(schedule->paused_by));
    return object;
}

/* What is the organization's own, as people name it, with ", " between. Gives; null if it is all. */
static json_t *own_to_json(const struct schedule *schedule)
{
    struct buffer text = {0};
    char name[SCHEDULE_NAME_BYTES_MAX + 1];
    json_t *own;

    if (!schedule->of_all)
        return json_null();
    for (const char *at = schedule->own ? schedule->own : ""; *at; at += strcspn(at, " "), at += *at == ' ')
        buffer_add_format(&text, "%s%s", text.length > 0 ? ", " : "", schedule_field_name(at, name));
    own = json_string(text.length > 0 ? text.data : "");
    buffer_clear(&text);
    return own;
}

json_t *schedule_to_json(const char *org, const struct schedule *schedule, int64_t now_ms)
{
    char *full = memory_format("%s/%s", org, schedule->name);
    json_t *object = schedule_definition_to_json(full, schedule, state_of(schedule, now_ms));

    add_members(object, schedule, history_members, sizeof history_members / sizeof *history_members);
    json_object_set_new(object, "last_job", output_text_or_null(schedule->last_job));
    json_object_set_new(object, "last_outcome", output_text_or_null(schedule->last_outcome));
    json_object_set_new(object, "mended", output_text_or_null(schedule->mended));
    json_object_set_new(object, "refused_why", output_text_or_null(schedule->refused));
    json_object_set_new(object, "every_org", json_boolean(schedule->of_all));
    json_object_set_new(object, "own", own_to_json(schedule));
    free(full);
    return object;
}
