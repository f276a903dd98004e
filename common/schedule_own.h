/* schedule_own.h - what one organization says itself of a schedule of every organization, as a part of a line of JSON
 * (schedule_json.h) and as arguments of schedule_own. Pure.
 *
 * In a schedule `own` and `own_parts` name what is the organization's, in Redis' words and always in the same order. */
#pragma once

#include <stdbool.h>

struct call;
struct json_t;
struct schedule;

/* True for a member that may be null in such a line: the organization has none of it, whatever the others have. */
bool schedule_own_may_be_none(const char *member);

/* Sets `own` and `own_parts` to what the members of a line name; these are valid. */
void schedule_own_read(struct schedule *schedule, const struct json_t *line);

/* Adds to `object` those members of a whole definition (`line`) that are the organization's. */
void schedule_own_pick(struct json_t *object, const struct schedule *schedule, const struct json_t *line);

/* Adds the fields of schedule_own, each of them: what is not the organization's is given back. */
void schedule_own_add(const struct schedule *schedule, struct call *call);

/* True if the list of words (`separator` between them; NULL: none) has `word`. */
bool schedule_own_has_word(const char *list, char separator, const char *word);

/* True if the organization says anything. */
bool schedule_own_says(const struct schedule *schedule);
