/* reasons.h - why a job is not running: from facts to sentences. Pure.
 *
 * All reasons that hold are given, the most decisive first: what keeps the job from running whatever else changes comes before
 * what only delays it. Each has a hint, what to do about it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/job.h"

#define REASONS_MAX       16
#define REASON_TEXT_BYTES 512
#define REASON_WHO_BYTES  160

/* A pause. */
struct reason_pause {
    bool paused;
    int64_t since_ms;
    char by[REASON_WHO_BYTES];
};

/* The workers that are alive: all; those that serve the job's queue; of these, those that know its type; of these, those that
 * take no jobs (quiet, draining), and those whose handler for it is broken: one of them, and until when. Slots and what they
 * hold are those of the others. */
struct reason_workers {
    int64_t alive, serving, knowing, quiet, broken, slots, busy;
    char a_quiet_one[TYPE_BYTES_MAX + 1];
    char its_phase[16];
    char a_broken_one[TYPE_BYTES_MAX + 1];
    int64_t its_broken_ms;
};

/* What is known of a job and of all that it may wait for. Zeroes are what is not the case, unless it is said otherwise. */
struct reason_facts {
    int64_t now_ms;
    struct job job;                 /* `place` "" where there is none */
    char queue[NAME_BYTES_MAX + 1]; /* "default" is spelled out */
    char refuses_writes[256];       /* what Redis says to one */
    bool has_leader;
    char intake[256]; /* why no jobs are taken in */
    struct reason_workers workers;
    /* Of a job that waits. */
    struct reason_pause all, of_queue, of_org;
    bool org_deleting; /* and of_org says by whom, since when */
    int64_t rank, ready, running, max_running;
    int64_t rests; /* so many times in a row a worker that was asked did not know its type; 0 also where nobody has counted */
    char rate[32]; /* jobs a second; "" for no limit */
    int64_t token_ms;
    int64_t before, active;          /* before: -1 where its organization is not in line */
    char limit[LIMIT_BYTES_MAX + 1]; /* the limit that it waits for; of that: */
    char limit_rate[32];             /* "5/s"; "" for none */
    int64_t limit_rank, limit_line,
        limit_before; /* jobs of its organization before it; organizations in line, and before its own */
    int64_t limit_running, limit_concurrency, limit_next_ms, limit_paused_ms;
    char limit_paused_by[REASON_WHO_BYTES];
    /* Of a job that runs. */
    int64_t deadline_ms, session_ms;
    /* Of one that is not, or not yet, a job. */
    bool in_inbox, is_private; /* an entry of it still; of a private one, as its id tells */
    int64_t moved_ms;
    char rejected[256];
};

/* `code` is for programs: a word that does not change. */
struct reason {
    const char *code;
    char text[REASON_TEXT_BYTES], hint[REASON_TEXT_BYTES];
};

struct reasons {
    struct reason items[REASONS_MAX];
    int count; /* 0: nothing is known of such a job */
};

/* Texts are plain (text.h). */
void reasons_find(struct reasons *ret, const struct reason_facts *facts);
