/* job_flags.h - the options of a job as flags, for whatever makes jobs: `rota push`, `rota schedule add`. */
#pragma once

#include "cli/cli.h"
#include "common/job.h"

#define SETTINGS_JOB                                                                                                         \
    FLAG_TEXT("cli.push.", "queue", "QUEUE", 256, "which workers may take it"),                                              \
        FLAG_TEXT("cli.push.", "limit", "NAME[:KEY]", 256, "the limit that it runs under (rota limit), or that of a key"),   \
        FLAG_NUMBER("cli.push.", "priority", NULL, -JOB_PRIORITY_MAX, JOB_PRIORITY_MAX,                                      \
                    "-100..100: each point is a head start of a minute"),                                                    \
        FLAG_NUMBER("cli.push.", "max-attempts", NULL, 1, 1000, "tries until it is dead; the handler's limit otherwise"),    \
        FLAG_DURATION("cli.push.", "timeout", NULL, 1, 1LL << 36, "how long a try may take; the handler's limit otherwise"), \
        FLAG_LIST("cli.push.", "header", "NAME=VALUE", JOB_HEADERS_BYTES_MAX, "a header; may be repeated")

/* Puts those flags that were given into the record, over what it says. */
int job_flags_read(struct cli *cli, struct job_record *record, struct error *err) MUST_CHECK;

/* True if the flag of `key` ("cli.push.queue") was given, or set elsewhere. */
bool flag_is_given(const struct cli *cli, const char *key);

/* The payload `text`; "-": what comes on stdin. Gives; at most JOB_RECORD_BYTES_MAX + 1 are read. */
int job_payload_read(const char *text, char **ret_payload, size_t *ret_bytes, struct error *err) MUST_CHECK;
