#include "cli/job_json.h"

#include <string.h>

#include "cli/output.h"

static json_t *number_or_null(int64_t number)
{
    return number ? json_integer(number) : json_null();
}

static json_t *status_or_null(int status)
{
    return status >= 0 ? json_integer(status) : json_null();
}

static json_t *attempt_to_json(const struct attempt *attempt)
{
    const struct report *report = &attempt->report;
    json_t *object = json_object();

    json_object_set_new(object, "n", json_integer(attempt->number));
    json_object_set_new(object, "worker", output_text_or_null(attempt->worker));
    json_object_set_new(object, "started_ms", number_or_null(attempt->started_ms));
    json_object_set_new(object, "ended_ms", number_or_null(attempt->ended_ms));
    json_object_set_new(object, "outcome", output_text_or_null(attempt->outcome));
    json_object_set_new(object, "exit", status_or_null(report->exit));
    json_object_set_new(object, "signal", status_or_null(report->signal));
    output_set_bytes(object, "error", report->error, report->error ? strlen(report->error) : 0);
    return object;
}

static json_t *attempts_to_json(const struct job_state *state)
{
    json_t *list = json_array();

    for (size_t i = 0; i < state->attempt_count; i++)
        json_array_append_new(list, attempt_to_json(&state->attempts[i]));
    return list;
}

static json_t *headers_to_json(const struct job_record *record)
{
    json_t *headers;

    if (record->header_count == 0)
        return json_null();
    headers = json_object();
    for (size_t i = 0; i < record->header_count; i++)
        output_set_bytes(headers, record->headers[i].name, record->headers[i].value, strlen(record->headers[i].value));
    return headers;
}

static bool is_at(const struct job *job, const char *place)
{
    return strcmp(job->place, place) == 0;
}

bool job_has_ended(const struct job *job)
{
    return is_at(job, "done") || is_at(job, "dead") || is_at(job, "cancelled");
}

const char *job_result(const struct job *job, size_t *ret_bytes)
{
    const struct attempt *last = job_last_attempt(job);

    *ret_bytes = 0;
    if (!is_at(job, "done") || !last)
        return NULL;
    *ret_bytes = last->report.result_bytes;
    return last->report.result;
}

/* What the latest attempt has told of its progress. */
static json_t *progress_to_json(const struct job_notes *notes)
{
    json_t *object;

    if (notes->progress_ms == 0)
        return json_null();
    object = json_object();
    json_object_set_new(object, "percent", json_integer(notes->progress));
    output_set_bytes(object, "text", notes->progress_text, strlen(notes->progress_text));
    json_object_set_new(object, "told_ms", json_integer(notes->progress_ms));
    return object;
}

/* What the job's own part of the record adds, beyond what every queue tells. */
static void add_options(json_t *object, const struct job_record *record)
{
    output_set_bytes(object, "key", record->key, record->key ? strlen(record->key) : 0);
    output_set_bytes(object, "coalesce", record->coalesce, record->coalesce ? strlen(record->coalesce) : 0);
    if (record->coalesce)
        json_object_set_new(object, "earliest", json_boolean(record->earliest));
    json_object_set_new(object, "max_attempts", number_or_null(record->max_attempts));
    json_object_set_new(object, "timeout_ms", number_or_null(record->timeout_ms));
    json_object_set_new(object, "expires_ms", number_or_null(record->expires_ms));
    json_object_set_new(object, "limit", output_text_or_null(record->limit));
    json_object_set_new(object, "headers", headers_to_json(record));
}

/* Who runs it, or ran it last, and how that went. */
static void add_course(json_t *object, const struct job *job)
{
    const struct attempt *last = job_last_attempt(job);
    bool running = is_at(job, "running");
    const char *error = last && !is_at(job, "done") ? last->report.error : NULL, *result;
    size_t result_bytes;

    json_object_set_new(object, "started_ms", number_or_null(running ? job->state.started_ms : last ? last->started_ms : 0));
    json_object_set_new(object, "finished_ms", number_or_null(job_finished_ms(job)));
    json_object_set_new(object, "worker", output_text_or_null(running ? job->state.session : last ? last->worker : NULL));
    result = job_result(job, &result_bytes);
    output_set_bytes(object, "result", result, result_bytes);
    output_set_bytes(object, "error", error, error ? strlen(error) : 0);
    json_object_set_new(object, "reason", output_text_or_null(job->state.reason));
}

json_t *job_to_json(const struct job *job, bool payload)
{
    const struct job_record *record = &job->record;
    json_t *object = json_object();

    json_object_set_new(object, "job", json_sprintf("%s/%s", job->org, job->id));
    json_object_set_new(object, "id", json_string(job->id));
    json_object_set_new(object, "org", json_string(job->org));
    json_object_set_new(object, "queue", json_string(record->queue[0] ? record->queue : "default"));
    json_object_set_new(object, "type", output_text_or_null(record->type));
    json_object_set_new(object, "state", json_string(job->place));
    json_object_set_new(object, "priority", json_integer(record->priority));
    json_object_set_new(object, "attempt", json_integer(job->state.attempt + is_at(job, "running")));
    json_object_set_new(object, "deliveries", json_integer(job->state.deliveries));
    json_object_set_new(object, "crashes", json_integer(job->state.crashes));
    json_object_set_new(object, "enqueued_ms", number_or_null(job_enqueued_ms(job)));
    json_object_set_new(object, "due_ms", number_or_null(job_due_ms(job)));
    add_course(object, job);
    add_options(object, record);
    if (job->state.notes.limit[0])
        json_object_set_new(object, "waits_for", json_string(job->state.notes.limit));
    if (job->state.notes.after[0])
        json_object_set_new(object, "after", json_sprintf("%s/%s", job->org, job->state.notes.after));
    if (job->cancelling)
        json_object_set_new(object, "cancelling", json_true());
    if (payload)
        output_set_bytes(object, "payload", record->has_payload ? record->payload : NULL, record->payload_bytes);
    json_object_set_new(object, "progress", progress_to_json(&job->state.notes));
    output_set_bytes(object, "checkpoint", job->state.notes.checkpoint, job->state.notes.checkpoint_bytes);
    json_object_set_new(object, "attempts", attempts_to_json(&job->state));
    return object;
}
