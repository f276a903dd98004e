#include "worker/end.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/job.h"
#include "common/memory.h"

#define JOBS_OF_CALL_MAX  128
#define BYTES_OF_CALL_MAX (1024 * 1024) /* of further jobs and logs */

struct end *ends_new(struct ends *ends)
{
    if (ends->count == ends->slots) {
        ends->slots = ends->slots ? ends->slots * 2 : 64;
        ends->items = memory_resize(ends->items, ends->slots * sizeof *ends->items);
    }
    return &ends->items[ends->count++];
}

void ends_drop(struct ends *ends, size_t count)
{
    if (count == 0)
        return; /* there may be no list yet */
    for (size_t i = 0; i < count; i++)
        end_clear(&ends->items[i]);
    memmove(ends->items, ends->items + count, (ends->count - count) * sizeof *ends->items);
    ends->count -= count;
}

bool ends_have(const struct ends *ends, const char *name)
{
    for (size_t i = 0; i < ends->count; i++)
        if (strcmp(ends->items[i].name, name) == 0)
            return true;
    return false;
}

void ends_clear(struct ends *ends)
{
    ends_drop(ends, ends->count);
    free(ends->items);
    *ends = (struct ends){0};
}

void end_make(struct end *ret, const struct lane_end *from, const unsigned char *token, struct note *note)
{
    *ret = (struct end){.run_us = from->run_us,
                        .log_omitted_bytes = from->log_omitted_bytes,
                        .report_bytes = from->report_bytes,
                        .log_bytes = from->log_bytes,
                        .job_count = from->job_count,
                        .note = *note};
    *note = (struct note){0};
    snprintf(ret->name, sizeof ret->name, "%s", from->name);
    snprintf(ret->verdict, sizeof ret->verdict, "%s", from->verdict);
    snprintf(ret->verdict_if_refused, sizeof ret->verdict_if_refused, "%s",
             from->verdict_if_refused ? from->verdict_if_refused : "");
    memcpy(ret->token, token, TOKEN_BYTES);
    if (from->report_bytes)
        ret->report = memory_copy(from->report, from->report_bytes);
    if (from->log_bytes)
        ret->log = memory_copy(from->log, from->log_bytes);
    if (from->job_count)
        ret->jobs = memory_new(sizeof *ret->jobs * from->job_count);
    for (size_t i = 0; i < from->job_count; i++) {
        ret->jobs[i] = (struct lane_job){.id = memory_string(from->jobs[i].id),
                                         .record = memory_copy(from->jobs[i].record, from->jobs[i].record_bytes),
                                         .record_bytes = from->jobs[i].record_bytes};
        ret->jobs_bytes += from->jobs[i].record_bytes;
    }
}

static void drop_jobs(struct end *end)
{
    for (size_t i = 0; i < end->job_count; i++) {
        free((char *)(uintptr_t)end->jobs[i].id);
        free((char *)(uintptr_t)end->jobs[i].record);
    }
    free(end->jobs);
    end->jobs = NULL;
    end->job_count = end->jobs_bytes = 0;
}

void end_clear(struct end *end)
{
    drop_jobs(end);
    note_clear(&end->note);
    free(end->report);
    free(end->log);
    *end = (struct end){0};
}

bool end_refuse_jobs(struct end *end, const char *why)
{
    char error[JOB_ERROR_BYTES_MAX];
    struct buffer report = {0};

    if (end->job_count == 0)
        return false;
    drop_jobs(end);
    snprintf(error, sizeof error, "its further jobs were refused: %s", why);
    report_encode(&report, &(struct report){.exit = -1, .signal = -1, .error = error});
    free(end->report);
    end->report_bytes = report.length;
    end->report = buffer_give(&report);
    memcpy(end->verdict, end->verdict_if_refused, sizeof end->verdict);
    return true;
}

size_t ends_that_fit(const struct end *ends, size_t count)
{
    size_t jobs = 0, bytes = 0, fit = 0;

    while (fit < count && fit < ENDS_OF_CALL_MAX) {
        jobs += ends[fit].job_count;
        bytes += ends[fit].jobs_bytes + ends[fit].log_bytes;
        if (fit > 0 && (jobs > JOBS_OF_CALL_MAX || bytes > BYTES_OF_CALL_MAX))
            break;
        fit++;
    }
    return fit;
}

static bool leaves_something(const struct end *end)
{
    return end->log_bytes || end->job_count || ((end->note.waiting | end->note.sent) & (NOTE_PROGRESS | NOTE_CHECKPOINT));
}

/* What it leaves besides its report. */
static void add_extras(struct call *call, const struct end *end, size_t number)
{
    unsigned note = end->note.waiting | end->note.sent;

    if (note & (NOTE_PROGRESS | NOTE_CHECKPOINT)) {
        call_add_int(call, (int64_t)number);
        call_add_string(call, "note");
        note_add_told(call, &end->note, note);
    }
    if (end->log_bytes) {
        call_add_int(call, (int64_t)number);
        call_add_string(call, "log");
        call_add_int(call, end->log_omitted_bytes);
        call_add(call, end->log, end->log_bytes);
    }
    if (end->job_count) {
        call_add_int(call, (int64_t)number);
        call_add_string(call, "jobs");
        call_add_int(call, (int64_t)end->job_count);
    }
    for (size_t i = 0; i < end->job_count; i++) {
        call_add_string(call, end->jobs[i].id);
        call_add(call, end->jobs[i].record, end->jobs[i].record_bytes);
    }
}

void ends_add(struct call *call, const struct end *ends, size_t count)
{
    bool extras = false;

    for (size_t i = 0; i < count; i++) {
        const struct end *end = &ends[i];
        call_add_string(call, end->name);
        call_add(call, end->token, TOKEN_BYTES);
        call_add_string(call, end->verdict);
        call_add_int(call, end->run_us);
        call_add(call, end->report, end->report_bytes);
        extras = extras || leaves_something(end);
    }
    if (!extras)
        return;
    call_add_string(call, "+");
    for (size_t i = 0; i < count; i++)
        add_extras(call, &ends[i], i + 1);
}
