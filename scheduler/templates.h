/* templates.h - schedules of every organization, as far as they are a leader's: each lane gets what is defined in lane 0, and
 * where the times of one have changed, the organizations are looked through, page by page (function template_walk).
 *
 * A part of ticks.h, whose rounds say what there is to do: it costs nothing where there is nothing. Where it stands is in Redis:
 * another leader goes on from there. */
#pragma once

#include "scheduler/duty.h"

struct templates;

/* A step is over; `more`: the next one may follow at once. */
typedef void templates_cb(uint32_t lane, bool more, void *ctx);

struct templates *templates_new(const struct duty *duty, templates_cb *on_step, void *ctx);
void templates_free(struct templates *templates);

/* Redis may be another server than before: what its walks remember means nothing to it. */
void templates_resume(struct templates *templates);

/* True if the lane, which knows `change` (function `due`), knows what the first lane has said, as far as that is known here. */
bool templates_are_known(const struct templates *templates, uint32_t lane, int64_t change);

/* What function `due` has said of a lane: `change` is the number of the last change that it knows, `walk` the name of one of
 * which a walk is to be made, "" if there is none. Begins the step that is to be done, if any: then `on_step` is called once,
 * later, and true returned. Not again for this lane before that. `busy`: so much is due that no walk is to add to it. */
bool templates_tend(struct templates *templates, uint32_t lane, int64_t change, const char *walk, bool busy);
