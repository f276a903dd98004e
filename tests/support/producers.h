/* producers.h - the fixtures of docs/PRODUCERS.md: entries of the inbox, with the job that each becomes or why it is refused. */
#pragma once

#include <jansson.h>

#include "common/job.h"

/* examples/producers/fixtures/<name>.json: an array of objects. Gives: json_decref. */
json_t *producers_fixtures(const char *name);

/* The bytes that a value of an entry stands for. Gives. */
char *producers_bytes(const json_t *value, size_t *ret_bytes);

/* A record as a fixture's "job" has it: what differs from the defaults, and the payload. Gives: json_decref. */
json_t *producers_job(const struct job_record *record);
