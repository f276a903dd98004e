/* job_json.h - a job as `rota` shows it. Pure. */
#pragma once

#include <jansson.h>

#include "common/job.h"

/* job org id queue type state priority attempt deliveries crashes enqueued_ms due_ms started_ms finished_ms worker result error
 * reason key max_attempts timeout_ms expires_ms headers progress{percent text told_ms} checkpoint attempts[{n worker started_ms
 * ended_ms outcome exit signal error}], and cancelling of a running job. What there is not is null; bytes that are not UTF-8 are
 * in result_b64, payload_b64. `attempt` of a running job is the number of the try that runs. With `payload` also the payload.
 * Gives. */
json_t *job_to_json(const struct job *job, bool payload);

/* "dead", "done" or "cancelled": nothing will happen to it by itself. */
bool job_has_ended(const struct job *job);

/* The bytes of its result; NULL if there is none. Borrowed. */
const char *job_result(const struct job *job, size_t *ret_bytes);
