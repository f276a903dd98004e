/* load.h - jobs of several organizations that go through a pool while it is being damaged, and the proof at the end that nothing
 * was lost and nothing had two owners.
 *
 * The handler writes its start and end into a file (O_APPEND), with job, delivery, session and time; what it wrote is compared
 * with the attempts that Redis tells of. Everything follows from a seed. */
#pragma once

#include "tests/support/pool.h"

#define LOAD_ORGS     5
#define LOAD_JOBS_MAX 20000

enum load_answer {
    LOAD_NONE,
    LOAD_REFUSED, /* certainly not there */
    LOAD_UNKNOWN, /* no reply: to be offered again under the same id */
    LOAD_ACKNOWLEDGED,
};

struct load_job {
    enum load_answer answer;
    int64_t delay_ms;
    unsigned run_ms;
};

/* A line that a handler wrote when it began. */
struct load_start {
    unsigned job, delivery;
    char session[TYPE_BYTES_MAX + 1];
    int64_t wall_ms; /* up to LOAD_GRAIN_MS too early */
    long pid;
    bool ended;
};

#define LOAD_GRAIN_MS 10 /* of /proc/uptime */

struct load {
    struct pool *pool;
    uint64_t random;
    struct load_job jobs[LOAD_JOBS_MAX];
    unsigned count, acknowledged, refused, unknown, again_new, again_exists;
    bool clock_is_true; /* of Redis: its times may be compared with each other, and with the handlers' */
    struct load_start *starts;
    unsigned start_count;
};

/* A load on `pool`, which is set up. Nobody gets a dead letter for a crash. Gives. */
struct load *load_new(struct pool *pool, uint64_t seed);
void load_free(struct load *load);

/* What a worker needs after --on. */
const char *load_handler(const struct load *load);

/* Uniform in 0..below-1. */
unsigned load_random(struct load *load, unsigned below);

/* Offers one new job, perhaps a delayed one, of 5..200 ms. */
void load_offer(struct load *load);

/* Offers those of unknown fate again; there must be an answer now. */
void load_settle_unknown(struct load *load);

/* Waits until each acknowledged job has ended; what waits for a retry is told to run now. */
void load_drain(struct load *load, int64_t within_ms);

/* Jobs in `running` now. */
long long load_running(struct load *load);

/* Reads what the handlers wrote. */
void load_read_starts(struct load *load);

/* Pid of a handler that runs now, or 0. */
long load_running_handler(struct load *load);

/* Fails with the first job that was lost, ended twice, or had two owners. */
void load_check(struct load *load);

/* Nobody was taken for dead who is not in `killed` (a list of sessions with spaces around each): fails if a scheduler says that
 * it has recovered one, or if an attempt of any job of the load was lost by one. How often each was seen. */
struct load_recovered {
    unsigned sessions; /* a session counts once for each lane */
    unsigned attempts;
} load_check_recovered(struct load *load, const char *killed);

/* The same for one job, which may be no job of the load: its lost attempts. */
unsigned load_check_lost(struct load *load, const char *org, const char *id, const char *killed);
