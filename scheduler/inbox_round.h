/* inbox_round.h - a round: the entries of one read on their way to their organizations. What was taken, or was refused and is
 * written down, leaves its stream.
 *
 * Dying in between changes nothing: moving an entry again is answered 'moved'. Entries of an organization whose call is refused
 * stay. */
#pragma once

#include "scheduler/duty.h"
#include "scheduler/inbox_stream.h"

struct inbox_round;

/* `on_end` is told of the end of each run. `complaint` is borrowed. */
struct inbox_round *inbox_round_new(const struct duty *duty, struct complaint *complaint, void (*on_end)(bool failed, void *ctx),
                                    void *ctx);
void inbox_round_free(struct inbox_round *round);

/* Takes an entry as XREAD gives it. Those of one stream come one after the other; the stream must live until the end of the run.
 */
void inbox_round_add(struct inbox_round *round, struct inbox_stream *stream, const struct reply *entry);

/* Moves what was added. At the end the round is empty again, and each stream of which something stays says so, and is to be read
 * from behind that. `failed`: something of it must be tried again, nothing of that has left its stream. */
void inbox_round_run(struct inbox_round *round);
