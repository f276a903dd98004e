#include "scheduler/due_plan.h"

#define RECORDS_BYTES_MAX (1024 * 1024 - 4096) /* that go into a call, with what is around them */

/* The newest due time up to `now_ms`; `first_ms` is one of them. Halves what is between. */
static int64_t newest(const struct schedule *schedule, const struct recurrence *recurrence, int64_t first_ms, int64_t now_ms)
{
    for (int64_t end_ms = now_ms; first_ms < end_ms;) {
        int64_t middle_ms = first_ms + (end_ms - first_ms) / 2, found_ms = schedule_due_after(schedule, recurrence, middle_ms);
        if (found_ms > 0 && found_ms <= now_ms)
            first_ms = found_ms;
        else
            end_ms = middle_ms;
    }
    return first_ms;
}

/* Due times from `first_ms`, which is one, to before `end_ms`. */
static int64_t count(const struct schedule *schedule, const struct recurrence *recurrence, int64_t first_ms, int64_t end_ms)
{
    int64_t found = 0;

    for (; first_ms > 0 && first_ms < end_ms && found < DUE_PLAN_COUNT_MAX; found++)
        first_ms = schedule_due_after(schedule, recurrence, first_ms);
    return found;
}

/* At least one. */
static size_t jobs_that_fit(const struct schedule *schedule)
{
    size_t fit = RECORDS_BYTES_MAX / (schedule->record_bytes + 64); /* 64: its due time */

    if (fit > DUE_PLAN_JOBS_MAX)
        return DUE_PLAN_JOBS_MAX;
    return fit > 0 ? fit : 1;
}

/* The oldest ones that are not too old, as many as go into a step. */
static void plan_all(struct due_plan *plan, const struct schedule *schedule, const struct recurrence *recurrence, int64_t now_ms)
{
    int64_t oldest_ms = now_ms - schedule->window_ms, at_ms = schedule->next_ms;
    size_t most = jobs_that_fit(schedule);

    if (at_ms < oldest_ms) {
        at_ms = schedule_due_after(schedule, recurrence, oldest_ms - 1);
        plan->missed = count(schedule, recurrence, schedule->next_ms, at_ms > 0 ? at_ms : oldest_ms);
    }
    for (; at_ms > 0 && at_ms <= now_ms && plan->job_count < most; at_ms = schedule_due_after(schedule, recurrence, at_ms))
        plan->through_ms = plan->jobs_ms[plan->job_count++] = at_ms;
    plan->next_ms = at_ms;
    if (plan->job_count == 0)
        plan->through_ms = at_ms > 0 ? at_ms - 1 : now_ms;
}

/* The last moment whose due times are its own: of one that moves to one of every organization, before that one's turn. */
static int64_t last_own(const struct schedule *schedule, int64_t now_ms)
{
    return schedule->moves_to[0] && schedule->turns[0] ? turns_last(schedule->turns, false, now_ms) : now_ms;
}

/* The newest one, if it is not too old. (Those of the other one's turn are passed over, and not missed.) */
static void plan_newest(struct due_plan *plan, const struct schedule *schedule, const struct recurrence *recurrence,
                        int64_t now_ms)
{
    int64_t own_ms = last_own(schedule, now_ms);

    plan->through_ms = newest(schedule, recurrence, schedule->next_ms, now_ms);
    plan->next_ms = schedule_due_after(schedule, recurrence, plan->through_ms);
    if (own_ms < schedule->next_ms)
        return;
    own_ms = newest(schedule, recurrence, schedule->next_ms, own_ms);
    plan->missed = count(schedule, recurrence, schedule->next_ms, own_ms);
    if (now_ms - own_ms <= schedule->window_ms)
        plan->jobs_ms[plan->job_count++] = own_ms;
    else
        plan->missed++;
}

/* The stored next due time must be the first one behind the last that has passed. If it is not, that one takes its place. True
 * also if there is none, or it has not come: somebody only wanted it to be looked at. */
static bool plan_anew(struct due_plan *plan, const struct schedule *schedule, const struct recurrence *recurrence, int64_t now_ms)
{
    int64_t after_ms = schedule->last_ms > schedule->since_ms ? schedule->last_ms : schedule->since_ms;

    plan->next_ms = schedule_due_after(schedule, recurrence, after_ms);
    return plan->next_ms != schedule->next_ms || plan->next_ms == 0 || plan->next_ms > now_ms;
}

void due_plan_make(struct due_plan *ret, const struct schedule *schedule, const struct recurrence *recurrence, int64_t now_ms)
{
    now_ms -= schedule->offset_ms; /* from here on in due times */
    *ret = (struct due_plan){.job_count = 0};
    if (plan_anew(ret, schedule, recurrence, now_ms))
        return;
    if (schedule->missed == MISSED_ALL)
        plan_all(ret, schedule, recurrence, now_ms);
    else
        plan_newest(ret, schedule, recurrence, now_ms);
}

void due_plan_go(struct due_plan *ret, const struct schedule *schedule)
{
    *ret = (struct due_plan){.jobs_ms = {schedule->pending_ms}, .job_count = 1, .through_ms = schedule->pending_ms, .go = true};
}
