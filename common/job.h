/* job.h - a job as it stands in Redis: its record (what never changes), its state (what does), and the report of an attempt.
 *
 * docs/PROTOCOL.md has the encodings, which are msgpack; msgpack's types appear in job.c only. Everything decoded here was
 * scanned first (scan.h). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buffer.h"
#include "common/error.h"
#include "common/id.h"

#define JOB_RECORD_BYTES_MAX     (1024 * 1024)
#define JOB_OPTIONS_BYTES_MAX    8192
#define JOB_KEY_BYTES_MAX        256
#define JOB_HEADERS_MAX          32
#define JOB_HEADERS_BYTES_MAX    4096
#define JOB_ATTEMPTS_KEPT        100
#define JOB_PRIORITY_MAX         100
#define JOB_PRIORITY_MS          60000
#define JOB_ERROR_BYTES_MAX      1024
#define JOB_RESULT_BYTES_MAX     (64 * 1024)
#define JOB_CHECKPOINT_BYTES_MAX (16 * 1024)
#define JOB_PROGRESS_BYTES_MAX   256

#define JOB_HEADER_SHADOW "rota-shadow" /* "1": the handler is to have no effects (docs/HANDLERS.md, ROTA_SHADOW) */

struct header {
    char *name, *value;
};

/* How a job came into being. Owned strings are NULL where the producer gave nothing; numbers 0. */
struct job_record {
    char type[TYPE_BYTES_MAX + 1];
    char queue[NAME_BYTES_MAX + 1]; /* "" is "default" */
    int priority;                   /* -100..100 */
    int64_t due_ms, delay_ms, expires_ms, timeout_ms;
    int max_attempts;
    char *key;                       /* idempotency key */
    char *coalesce;                  /* coalescing key; not with `key` */
    bool earliest;                   /* with `coalesce`: does not put a job off that others want earlier */
    char limit[LIMIT_BYTES_MAX + 1]; /* that it runs under; "" for none */
    struct header *headers;
    size_t header_count;
    const char *payload; /* borrowed */
    size_t payload_bytes;
    bool has_payload; /* false: it ended well and its payload is gone */
    uint32_t nonce;
};

/* Appends the record to `out`. Checks names, ranges and sizes (ERR_INVALID, ERR_LIMIT), so that the function would not refuse it.
 */
int job_record_encode(struct buffer *out, const struct job_record *record, struct error *err) MUST_CHECK;

/* Decodes a record. `ret->payload` borrows from `bytes`; the rest is freed by job_record_clear. */
int job_record_decode(struct job_record *ret, const void *bytes, size_t length, struct error *err) MUST_CHECK;
void job_record_clear(struct job_record *record);

/* What a worker tells about one attempt. `exit` and `signal` are -1 where there was none. */
struct report {
    int exit, signal;
    char *error;  /* NULL for none; at most JOB_ERROR_BYTES_MAX */
    char *result; /* NULL for none */
    size_t result_bytes;
};

/* Appends the report; nothing at all for an empty one. */
void report_encode(struct buffer *out, const struct report *report);

/* Decodes one; what is none is an empty one. Gives: report_clear. */
void report_decode(struct report *ret, const void *bytes, size_t length);
void report_clear(struct report *report);

struct attempt {
    int number;
    char worker[TYPE_BYTES_MAX + 1];
    int64_t started_ms, ended_ms;
    char outcome[24]; /* done discarded failed timed_out crashed released lost */
    struct report report;
};

/* Rare facts of a job. All zeroes where there are none. */
struct job_notes {
    char *checkpoint; /* what its handler wants to find at the next attempt; NULL for none */
    size_t checkpoint_bytes;
    int64_t progress_ms; /* when the latest attempt told its progress; 0: not yet */
    int progress;        /* percent */
    char progress_text[JOB_PROGRESS_BYTES_MAX + 1];
    char limit[LIMIT_BYTES_MAX + 1];  /* that it waits for */
    char after[JOB_ID_BYTES_MAX + 1]; /* the job of its organization that it waits for; "" for none */
};

/* The changing part. All zeroes for a job that was never claimed (an empty state). */
struct job_state {
    int64_t order;
    int64_t enqueued_ms;
    int attempt, deliveries, crashes;
    char session[TYPE_BYTES_MAX + 1]; /* "" while it is not running */
    int64_t started_ms;
    struct attempt *attempts;
    size_t attempt_count;
    char reason[32];
    struct job_notes notes;
};

/* Decodes a state; `length` 0 gives all zeroes. `priority` is the record's, for enqueued_ms. */
int job_state_decode(struct job_state *ret, const void *bytes, size_t length, int priority, struct error *err) MUST_CHECK;
void job_state_clear(struct job_state *state);

/* A whole job, as the functions `job` and `jobs` tell it. */
struct job {
    char org[NAME_BYTES_MAX + 1], id[JOB_ID_BYTES_MAX + 1];
    char place[16]; /* ready scheduled running done dead cancelled lost */
    int64_t score;  /* in its set */
    bool cancelling;
    struct job_record record;
    struct job_state state;
};

/* Decodes record and state into a job that otherwise stays as it is. */
int job_decode(struct job *ret, const void *record, size_t record_bytes, const void *state, size_t state_bytes,
               struct error *err) MUST_CHECK;
void job_clear(struct job *job);

/* Facts that follow: when it was accepted, when it became or becomes ready, when it ended (0: not), its result (NULL: none). */
int64_t job_enqueued_ms(const struct job *job);
int64_t job_due_ms(const struct job *job);
int64_t job_finished_ms(const struct job *job);
const struct attempt *job_last_attempt(const struct job *job);
