/* diagnosis.h - is a deployment well? From what was measured to findings, each with what to do. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/deployment.h"
#include "common/id.h"

#define FINDINGS_MAX       96
#define FINDING_TEXT_BYTES 400

enum finding_status { FINDING_OK, FINDING_WARN, FINDING_FAIL };

/* "ok", "warn", "fail". */
const char *finding_status_name(enum finding_status status);

struct finding {
    enum finding_status status;
    char check[24];                                             /* "latency" */
    char found[FINDING_TEXT_BYTES], advice[FINDING_TEXT_BYTES]; /* advice "": nothing to do */
};

struct diagnosis {
    struct finding items[FINDINGS_MAX];
    size_t count;
};

/* The worst of the findings. */
enum finding_status diagnosis_status(const struct diagnosis *diagnosis);

/* ---- the server ---- */

struct server_measures {
    const char *address;
    const struct deployment *found; /* what the start-up check found; its warnings are findings */
    const char *refusal;            /* why it refuses the server; "" */
    enum durability declared;
    int64_t ping_p50_us, ping_p99_us, pings; /* pings 0: it did not answer */
    int64_t memory_used, memory_max;         /* bytes; max 0: no limit */
    int64_t clients, clients_max;
    bool aof;
    int64_t fork_ms;           /* of its latest fork */
    char aof_status[16];       /* of the last write; "" */
    char intake[256];          /* why no jobs are taken in; "" */
    char other_libraries[128]; /* function libraries of other versions of Rota */
};
void diagnose_server(struct diagnosis *diagnosis, const struct server_measures *measures);

/* ---- the programs ---- */

struct program_measures {
    bool has_leader;
    int64_t schedulers, workers, quiet, slots, busy;
    int64_t other_versions; /* programs of another version than ours */
    char another_version[32];
    int64_t timeout_ms;                  /* the shortest of a session; 0: there is none */
    char timeout_of[TYPE_BYTES_MAX + 1]; /* whose that is */
    int64_t drain_ms;                    /* worker.drain */
};
void diagnose_programs(struct diagnosis *diagnosis, const struct program_measures *measures, int64_t stall_ms);

/* ---- the work ---- */

struct queue_measures {
    const char *name;
    int64_t orgs;    /* with work in it that could be served */
    int64_t workers; /* that serve it */
    bool paused;
    const char *paused_by;
};
void diagnose_queue(struct diagnosis *diagnosis, const struct queue_measures *queue);

/* A type that waits in a queue and that none of its workers knows. `sample` is a job of it. */
void diagnose_type(struct diagnosis *diagnosis, const char *type, const char *queue, const char *sample);

struct schedule_measures {
    int64_t schedules; /* that were looked at; 0: there is nothing to say */
    bool more;         /* there are more */
    int64_t unhealthy, mended;
    const char *first_unhealthy, *first_mended; /* "acme/report" */
};
#define SCHEDULE_MEASURE_BYTES 160
void diagnose_schedules(struct diagnosis *diagnosis, const struct schedule_measures *measures);

/* The deletion of an organization has begun and not ended. */
void diagnose_deletion(struct diagnosis *diagnosis, const char *org);

/* Everything is paused. */
void diagnose_pause(struct diagnosis *diagnosis, const char *by);
