#include "scheduler/due_plan.h"

#define LOOK_BACK_MS     1000 /* of the first look for the newest due time; each further one goes back eight times as far */
#define LOOK_BACK_FACTOR 8

static int64_t due_after(const struct schedule *schedule, const struct recurrence *recurrence, int64_t after_ms)
{
    return schedule_due_after(schedule, recurrence, after_ms);
}

/* The newest due time up to `now_ms`; `first_ms` is one of them. */
static int64_t newest(const struct schedule *schedule, const struct recurrence *recurrence, int64_t first_ms, int64_t now_ms)
{
    for (int64_t back_ms = LOOK_BACK_MS; now_ms - back_ms > first_ms; back_ms *= LOOK_BACK_FACTOR) {
        int64_t found_ms = due_after(schedule, recurrence, now_ms - back_ms);
        if (found_ms > 0 && found_ms <= now_ms) {
            first_ms = found_ms;
            break;
        }
    }
    for (;;) {
        int64_t next_ms = due_after(schedule, recurrence, first_ms);
        if (next_ms == 0 || next_ms > now_ms)
            return first_ms;
        first_ms = next_ms;
    }
}

/* Due times from `first_ms`, which is one, to before `end_ms`. */
static int64_t count(const struct schedule *schedule, const struct recurrence *recurrence, int64_t first_ms, int64_t end_ms)
{
    int64_t found = 0;

    for (; first_ms > 0 && first_ms < end_ms && found < DUE_PLAN_COUNT_MAX; found++)
        first_ms = due_after(schedule, recurrence, first_ms);
    return found;
}

/* The oldest ones that are not too old, as many as go into a step. */
static void plan_all(struct due_plan *plan, const struct schedule *schedule, const struct recurrence *recurrence, int64_t now_ms)
{
    int64_t oldest_ms = now_ms - schedule->window_ms, at_ms = schedule->next_ms;

    if (at_ms < oldest_ms) {
        at_ms = due_after(schedule, recurrence, oldest_ms - 1);
        plan->missed = count(schedule, recurrence, schedule->next_ms, at_ms > 0 ? at_ms : oldest_ms);
    }
    plan->through_ms = schedule->next_ms; /* at least */
    for (; at_ms > 0 && at_ms <= now_ms && plan->job_count < DUE_PLAN_JOBS_MAX; at_ms = due_after(schedule, recurrence, at_ms))
        plan->through_ms = plan->jobs_ms[plan->job_count++] = at_ms;
    plan->next_ms = at_ms;
}

/* The newest one, if it is not too old. */
static void plan_newest(struct due_plan *plan, const struct schedule *schedule, const struct recurrence *recurrence,
                        int64_t now_ms)
{
    int64_t newest_ms = newest(schedule, recurrence, schedule->next_ms, now_ms);

    plan->missed = count(schedule, recurrence, schedule->next_ms, newest_ms);
    if (now_ms - newest_ms <= schedule->window_ms)
        plan->jobs_ms[plan->job_count++] = newest_ms;
    else
        plan->missed++;
    plan->through_ms = newest_ms;
    plan->next_ms = due_after(schedule, recurrence, newest_ms);
}

/* The first due time behind the last one that has passed. */
static void plan_anew(struct due_plan *plan, const struct schedule *schedule, const struct recurrence *recurrence)
{
    plan->next_ms = due_after(schedule, recurrence, schedule->last_ms > 0 ? schedule->last_ms : schedule->changed_ms);
}

void due_plan_make(struct due_plan *ret, const struct schedule *schedule, const struct recurrence *recurrence, int64_t now_ms)
{
    struct due_plan plan = {0};

    now_ms -= schedule->offset_ms; /* from here on in due times */
    if (due_after(schedule, recurrence, schedule->next_ms - 1) != schedule->next_ms)
        plan_anew(&plan, schedule, recurrence);
    else if (schedule->missed == MISSED_ALL)
        plan_all(&plan, schedule, recurrence, now_ms);
    else
        plan_newest(&plan, schedule, recurrence, now_ms);
    *ret = plan;
}
