#include "scheduler/mend_plan.h"

/* The due time that must be stored: the first one behind the last that has passed. 0: there is none. */
static int64_t expected(const struct schedule *schedule, const struct recurrence *recurrence, int64_t now_ms)
{
    int64_t after_ms = schedule->last_ms > schedule->since_ms ? schedule->last_ms : schedule->since_ms;

    return schedule_due_after(schedule, recurrence, after_ms > 0 ? after_ms : now_ms);
}

/* True if what is stored would leave due times out. One that is no due time may have been one, with older data of its zone, and
 * stands for the one in its place: that is for the tick to find out. Nothing that comes after the next but one does. */
static bool leaves_out(const struct schedule *schedule, const struct recurrence *recurrence, int64_t first_ms)
{
    int64_t stored_ms = schedule->next_ms, second_ms = schedule_due_after(schedule, recurrence, first_ms);

    if (first_ms == 0 || (stored_ms > 0 && stored_ms <= first_ms))
        return false;
    return stored_ms == 0 || second_ms == 0 || stored_ms > second_ms ||
           schedule_due_after(schedule, recurrence, stored_ms - 1) == stored_ms;
}

/* Due times of the other one's turn, of one that moves to one of every organization, are none of its own. */
static bool is_unhealthy(const struct schedule *schedule, const struct recurrence *recurrence, int64_t now_ms)
{
    struct schedule own = *schedule; /* borrows */
    int64_t others_ms = own.moves_to[0] && own.turns[0] ? turns_last(own.turns, true, now_ms) : -1;

    if (others_ms > own.since_ms)
        own.since_ms = others_ms;
    return schedule_is_unhealthy(&own, recurrence, now_ms);
}

void mend_plan_make(struct mend_plan *ret, const char *org, const struct schedule *schedule, const struct recurrence *recurrence,
                    int64_t now_ms)
{
    int64_t first_ms;

    *ret = (struct mend_plan){.next_ms = schedule->next_ms,
                              .offset_ms = schedule_offset_ms(org, schedule->name, schedule->spread_ms)};
    if (schedule->paused || schedule->off)
        return;
    ret->unhealthy = schedule->next_ms > 0 && (!recurrence || is_unhealthy(schedule, recurrence, now_ms));
    if (!recurrence)
        return;
    first_ms = expected(schedule, recurrence, now_ms);
    if (leaves_out(schedule, recurrence, first_ms))
        ret->next_ms = first_ms;
    ret->arm = ret->next_ms > 0 && (ret->next_ms != schedule->next_ms ||
                                    (ret->offset_ms != schedule->offset_ms && !schedule->of_all)); /* another spread for all */
}
