#include "tests/support/schedules.h"

int64_t minute(int n)
{
    return CLOCK_START_MS + n * (int64_t)MINUTE_MS;
}

/* The fields of a definition. */
static void add_definition(struct fixture *f, struct args *args, const struct definition *d)
{
    struct bytes record = lane_record(f, d->record);
    const char *const fields[] = {"recurrence", d->recurrence ? d->recurrence : "every start=1970-01-01T00:00:00.000Z 60s",
                                  "missed",     "once",
                                  "window_ms",  "86400000",
                                  "overlap",    d->overlap ? d->overlap : "allow",
                                  "spread_ms",  fixture_text(f, "%lld", (long long)d->spread_ms),
                                  "from_ms",    "0",
                                  "until_ms",   "0",
                                  "record"};

    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        args_text(args, "%s", fields[i]);
    args_add(args, record.data, record.length);
}

const redisReply *schedule_set_any(struct fixture *f, const char *org, const char *name, const struct definition *d)
{
    struct args args = {0};

    args_text(&args, "tester");
    args_text(&args, "%s", org);
    args_text(&args, "%s", name);
    args_text(&args, "%s", d->rev ? d->rev : "");
    args_text(&args, "%s", d->next_ms < 0 ? "" : fixture_text(f, "%lld", (long long)(d->next_ms ? d->next_ms : minute(1))));
    args_text(&args, "%lld", (long long)d->offset_ms);
    add_definition(f, &args, d);
    return lane_call_args(f, "schedule_set", &args);
}

const redisReply *template_set(struct fixture *f, const char *name, const struct definition *d)
{
    struct args args = {0};

    args_text(&args, "tester");
    args_text(&args, "%s", name);
    args_text(&args, "%s", d->rev ? d->rev : "");
    add_definition(f, &args, d);
    for (int i = 0; i < 2; i++)
        if (d->shadow)
            args_text(&args, "%s", i ? "1" : "shadow");
    for (int i = 0; i < 2; i++)
        if (d->paused_by)
            args_text(&args, "%s", i ? d->paused_by : "paused_by");
    return lane_call_args(f, "template_set", &args);
}

void schedule_set(struct fixture *f, const char *org, const char *name, const struct definition *d)
{
    const redisReply *reply = schedule_set_any(f, org, name, d ? d : &(struct definition){0});

    if (reply->type != REDIS_REPLY_ARRAY)
        fail_msg("schedule_set: %s", reply->str);
}

/* A tick, of a schedule that every organization has if `offset` is not "". */
static const char *tick_any(struct fixture *f, const char *org, const char *name, const char *rev, const char *offset,
                            int64_t due_ms, int64_t next_ms, int64_t missed, const int64_t *jobs)
{
    struct bytes record = lane_record(f, NULL);
    struct args args = {0};
    size_t count = 0;

    while (jobs[count])
        count++;
    args_text(&args, "%s", org);
    args_text(&args, "%s", name);
    args_text(&args, "%s", rev);
    args_text(&args, "%lld", (long long)due_ms);
    args_text(&args, "%s", due_ms ? fixture_text(f, "%lld", (long long)(count > 0 ? jobs[count - 1] : due_ms)) : "");
    args_text(&args, "%s", next_ms ? fixture_text(f, "%lld", (long long)next_ms) : "");
    args_text(&args, "%s", offset);
    args_text(&args, "%lld", (long long)missed);
    args_text(&args, "%zu", count);
    for (size_t i = 0; i < count; i++) {
        args_text(&args, "%lld", (long long)jobs[i]);
        args_add(&args, record.data, record.length);
    }
    const redisReply *reply = lane_call_args(f, "tick", &args);
    if (reply->type == REDIS_REPLY_ERROR)
        return reply->str;
    return reply_text(reply_element(reply, 0));
}

const char *schedule_tick_at(struct fixture *f, const char *org, const char *name, int64_t due_ms, int64_t next_ms,
                             int64_t missed, const int64_t *jobs)
{
    return tick_any(f, org, name, "1", "", due_ms, next_ms, missed, jobs);
}

const char *template_tick(struct fixture *f, const char *org, const char *name, const char *rev, int64_t due_ms, int64_t next_ms)
{
    return tick_any(f, org, name, rev, "0", due_ms, next_ms, 0, due_ms ? (int64_t[]){due_ms, 0} : (int64_t[]){0});
}

const char *schedule_tick(struct fixture *f, int due)
{
    return schedule_tick_at(f, "acme", "report", minute(due), minute(due + 1), 0, (int64_t[]){minute(due), 0});
}

const char *schedule_job(struct fixture *f, int due)
{
    return fixture_text(f, "report@%lld", (long long)minute(due));
}

const char *schedule_field(struct fixture *f, const char *name)
{
    const redisReply *reply = lane_redis(f, "HGET %s %s", lane_key(f, "org:acme:schedule:report"), name);

    return reply->type == REDIS_REPLY_NIL ? "" : reply_text(reply);
}
