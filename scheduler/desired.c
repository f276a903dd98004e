#include "scheduler/desired.h"

#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/file.h"
#include "common/id.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/schedule_file.h"
#include "common/who.h"
#include "scheduler/recurrences.h"

#define FIRST_LANE     0 /* has the say in schedules of every organization; ticks.h tells the others */
#define PER_STEP       100
#define STEP_BYTES_MAX (1024 * 1024) /* of lines; at least one goes */

/* ---- the file ---- */

struct line {
    const char *text; /* in the file's */
    size_t bytes;
    enum schedule_rank rank;
};

struct desired_file {
    char *path, *text;
    struct line *lines; /* those that name a schedule, by their ranks */
    size_t count;
};

static void add_line(struct desired_file *file, const char *text, size_t bytes, enum schedule_rank rank)
{
    if ((file->count & (file->count - 1)) == 0) /* 0, 1, 2, 4, ...: it is full */
        file->lines = memory_resize(file->lines, sizeof *file->lines * (file->count ? 2 * file->count : 1));
    file->lines[file->count++] = (struct line){text, bytes, rank};
}

static void put_in_order(struct desired_file *file)
{
    struct line *lines = memory_new(sizeof *lines * (file->count + 1));
    size_t at = 0;

    for (unsigned rank = 0; rank < RANKS; rank++)
        for (size_t i = 0; i < file->count; i++)
            if (file->lines[i].rank == rank)
                lines[at++] = file->lines[i];
    free(file->lines);
    file->lines = lines;
}

static int read_lines(struct desired_file *file, struct schedule_file *check, size_t bytes, struct error *err)
{
    const char *at = file->text, *end = file->text + bytes;
    struct schedule_entry entry = {.org = ""};

    for (size_t number = 1; at < end; number++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t length = (size_t)((newline ? newline : end) - at);
        int rc = length > SCHEDULE_LINE_BYTES_MAX
                     ? error_set(err, ERR_LIMIT, "the line has %zu bytes, the limit is %d", length, SCHEDULE_LINE_BYTES_MAX)
                     : schedule_file_read(check, at, length, &entry, err);
        if (rc < 0)
            return error_wrap(err, "%s:%zu", file->path, number);
        if (rc > 0) {
            add_line(file, at, length, schedule_entry_rank(&entry));
            schedule_entry_clear(&entry);
        }
        at += length + 1;
    }
    put_in_order(file);
    return schedule_file_end(check, false, err);
}

struct desired_file *desired_file_read(const char *path, struct error *err)
{
    struct desired_file *file = memory_new(sizeof *file);
    struct schedule_file *check = schedule_file_new();
    size_t bytes;

    file->path = memory_string(path);
    file->text = file_read(path, DESIRED_FILE_BYTES_MAX, &bytes, err);
    if (!file->text || read_lines(file, check, bytes, err) < 0) {
        desired_file_free(file);
        file = NULL;
    }
    schedule_file_free(check);
    return file;
}

void desired_file_free(struct desired_file *file)
{
    if (!file)
        return;
    free(file->lines);
    free(file->text);
    free(file->path);
    free(file);
}

size_t desired_file_count(const struct desired_file *file)
{
    return file->count;
}

/* ---- rounds ---- */

struct desired {
    struct duty duty;
    struct desired_file *const *file; /* the scheduler's: another one after a reload */
    int64_t every_ms;
    size_t at;          /* the next line */
    unsigned under_way; /* calls of this step */
    bool failed;        /* one of them: the round is given up */
    bool again;         /* the file has changed: a new round follows at once */
    unsigned new_ones, changed;
    char first[SCHEDULE_SPOKEN_BYTES]; /* that was set in this round */
    char who[WHO_BYTES];
    ev_timer timer;
    struct complaint times, calls, refusals;
    struct call call;
};

/* A schedule of a step. */
struct sent {
    struct desired *desired;
    uint32_t lane;
    const char *function;
    char name[SCHEDULE_SPOKEN_BYTES];
};

static void step(struct desired *desired);
static void begin_round(struct desired *desired);

static void end_round(struct desired *desired)
{
    if (desired->new_ones + desired->changed > 0)
        log_warn("schedules set as the file says", "file=%s new=%u changed=%u first=%s", (*desired->file)->path,
                 desired->new_ones, desired->changed, desired->first);
    ev_timer_set(&desired->timer, (double)desired->every_ms / 1000, 0);
    ev_timer_start(desired->duty.loop, &desired->timer);
}

static void end_call(struct desired *desired)
{
    if (--desired->under_way > 0)
        return;
    if (desired->again)
        begin_round(desired);
    else if (desired->failed || desired->at >= (*desired->file)->count)
        end_round(desired);
    else
        step(desired);
}

static void note_refusal(struct desired *desired, const struct sent *sent, const char *why)
{
    if (complaint_raise(&desired->refusals, "a schedule of the file is refused", clock_mono_ms()))
        log_error("a schedule of the file is refused", "file=%s schedule=%s err=%s", (*desired->file)->path, sent->name, why);
}

/* One that is refused, as with a payload that its organization does not allow, is in nobody's way. */
static void note_failure(struct desired *desired, const struct sent *sent, const struct error *err)
{
    if (!duty_is_refused(err)) {
        desired->failed = true;
        duty_failed(&desired->duty, &desired->calls, sent->function, sent->lane, err);
    } else {
        note_refusal(desired, sent, err->message);
    }
}

static void on_set(const struct reply *reply, const struct error *err, void *ctx)
{
    struct sent *sent = ctx;
    struct desired *desired = sent->desired;
    bool is_new = reply_is(reply_at(reply, 0), "new"), changed = reply_is(reply_at(reply, 0), "changed");

    if (err)
        note_failure(desired, sent, err);
    else
        duty_worked(&desired->calls, sent->function, sent->lane);
    if (reply_is(reply_at(reply, 0), "unknown") && desired->new_ones == 0) /* new ones: their lanes hear of them soon */
        note_refusal(desired, sent, "there is no schedule of every organization of that name");
    desired->new_ones += is_new;
    desired->changed += changed;
    if ((is_new || changed) && !desired->first[0])
        snprintf(desired->first, sizeof desired->first, "%s", sent->name);
    free(sent);
    end_call(desired);
}

static void set(struct desired *desired, const struct line *line, int64_t now_ms)
{
    struct call *call = &desired->call;
    struct schedule_entry entry;
    struct sent *sent;
    struct error err;
    char *text;

    if (schedule_entry_parse(&entry, line->text, line->bytes, &err) < 0)
        return; /* it was read before: cannot be, but for a zone that has left the system */
    sent = memory_new(sizeof *sent);
    *sent = (struct sent){.desired = desired,
                          .lane = line->rank == RANK_OF_ALL ? FIRST_LANE : lane_of(entry.org, desired->duty.lanes),
                          .function = schedule_entry_function(&entry)};
    schedule_spoken(sent->name, entry.org, entry.schedule.name);
    call_function(call, sent->function, sent->lane);
    call_add_string(call, desired->who);
    schedule_entry_add(&entry, now_ms, call);
    text = entry.schedule.recurrence ? memory_string(entry.schedule.recurrence) : NULL;
    schedule_entry_clear(&entry);
    if (text)
        (void)recurrences_get(desired->duty.recurrences, text, clock_mono_ms(),
                              &err); /* keeps the data of its zone for the next line */
    free(text);
    desired->under_way++;
    redis_send(desired->duty.redis, call, DUTY_TIMEOUT_MS, on_set, sent);
}

/* Now it is known what time it is for Redis. In a step are those of one rank. */
static void on_time_told(const struct reply *reply, const struct error *err, void *ctx)
{
    struct desired *desired = ctx;
    int64_t now_ms = reply_int(reply_at(reply, 0)) * 1000 + reply_int(reply_at(reply, 1)) / 1000;
    const struct line *lines = (*desired->file)->lines, *first = &lines[desired->at], *end = &lines[(*desired->file)->count];
    size_t bytes = 0;

    if (err) {
        desired->failed = true;
        duty_failed(&desired->duty, &desired->times, "time", 0, err);
        end = first;
    }
    for (const struct line *line = first; line < end && line < first + PER_STEP && bytes < STEP_BYTES_MAX; line++) {
        if (line->rank != first->rank)
            break;
        bytes += line->bytes;
        desired->at++;
        set(desired, line, now_ms);
    }
    end_call(desired);
}

static void step(struct desired *desired)
{
    call_command(&desired->call, "TIME");
    desired->under_way = 1;
    redis_send(desired->duty.redis, &desired->call, DUTY_TIMEOUT_MS, on_time_told, desired);
}

static void begin_round(struct desired *desired)
{
    desired->at = 0;
    desired->failed = desired->again = false;
    desired->new_ones = desired->changed = 0;
    desired->first[0] = '\0';
    step(desired);
}

static void on_round(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)events;
    begin_round(timer->data);
}

struct desired *desired_new(const struct duty *duty, struct desired_file *const *file, int64_t every_ms)
{
    struct desired *desired = memory_new(sizeof *desired);

    desired->duty = *duty;
    desired->file = file;
    desired->every_ms = every_ms;
    who_acts(desired->who, "rota-scheduler", "--schedules %.40s", (*file)->path);
    ev_init(&desired->timer, on_round);
    desired->timer.data = desired;
    begin_round(desired);
    return desired;
}

void desired_free(struct desired *desired)
{
    if (!desired)
        return;
    ev_timer_stop(desired->duty.loop, &desired->timer);
    call_clear(&desired->call);
    free(desired);
}

void desired_changed(struct desired *desired)
{
    if (desired->under_way > 0) {
        desired->again = true;
        return;
    }
    ev_timer_stop(desired->duty.loop, &desired->timer);
    begin_round(desired);
}
