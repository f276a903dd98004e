/* schedules.h - schedules in tests of the functions: definitions in one line, and ticks of them. */
#pragma once

#include "tests/support/lane.h"

#define MINUTE_MS 60000

/* A definition; zeroes are defaults. */
struct definition {
    const char *rev;     /* "" */
    int64_t next_ms;     /* a minute from the start of the clock; -1: none */
    const char *overlap; /* allow */
    int64_t spread_ms, offset_ms;
    const char *recurrence;           /* every minute */
    const struct lane_record *record; /* type test */
    bool shadow;                      /* of one of every organization, as is: it begins so */
    const char *paused_by;            /* NULL: nobody */
};

/* The `n`th minute from the start of the clock. */
int64_t minute(int n);

/* schedule_set, whatever it answers; and of a definition (NULL: all defaults) that must be taken. */
const redisReply *schedule_set_any(struct fixture *f, const char *org, const char *name, const struct definition *d);
void schedule_set(struct fixture *f, const char *org, const char *name, const struct definition *d);

/* template_set, whatever it answers. */
const redisReply *template_set(struct fixture *f, const char *name, const struct definition *d);

/* The word of a tick of what an organization has of it: due time `due_ms` with its job, and the next one; 0: it had none, and the
 * next one is its first. */
const char *template_tick(struct fixture *f, const char *org, const char *name, const char *rev, int64_t due_ms, int64_t next_ms);

/* The word of one tick of a schedule of the first definition: due time `due_ms`, the next one after it, jobs for these due times
 * (0 ends). */
const char *schedule_tick_at(struct fixture *f, const char *org, const char *name, int64_t due_ms, int64_t next_ms,
                             int64_t missed, const int64_t *jobs);

/* Of acme/report, which is due each minute: its tick, the id of a due time's job, a field of it ("" if it has none). */
const char *schedule_tick(struct fixture *f, int due);
const char *schedule_job(struct fixture *f, int due);
const char *schedule_field(struct fixture *f, const char *name);
