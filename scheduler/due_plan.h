/* due_plan.h - what is to be done for a schedule whose time has come: which of its due times get a job, how many are missed, and
 * when it is due next. Pure.
 *
 * Policies as Temporal's schedules have them (a catch-up window); `once` is theirs for a worker that was away. */
#pragma once

#include "common/schedule.h"

#define DUE_PLAN_JOBS_MAX  16   /* in one step; with MISSED_ALL the others follow in further ones */
#define DUE_PLAN_COUNT_MAX 1000 /* missed due times that are counted: what is more is not */

struct due_plan {
    int64_t jobs_ms[DUE_PLAN_JOBS_MAX]; /* due times that get a job, the oldest first */
    size_t job_count;
    int64_t missed;     /* due times that get none */
    int64_t through_ms; /* the last one that this is about; 0: next_ms of the schedule is none any more, because its times or the
                         * data of its zone have changed since, or it has not come. Then nothing is served, and the due time in
                         * its place is the new next one. */
    int64_t next_ms;    /* 0: there is none. It may have come already: then another step follows */
    bool go;            /* the job is that of a due time which waited: the next one stays */
};

/* `schedule->next_ms` has come, by the server's clock; or it is to be looked at. */
void due_plan_make(struct due_plan *ret, const struct schedule *schedule, const struct recurrence *recurrence, int64_t now_ms);

/* The job of `schedule->pending_ms` may go. */
void due_plan_go(struct due_plan *ret, const struct schedule *schedule);
