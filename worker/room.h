/* room.h - how many more jobs of a handler a worker may claim: its `concurrency`, less what runs, less what claims under way may
 * bring. Pure.
 *
 * A claim is told how much room there is and takes no more; what it has no room for stays in its queue, where other workers may
 * take it. When there is room again for something that was missed, the worker claims again. */
#pragma once

#include <stdbool.h>

#include "common/handler.h"

/* What one claim was promised of one handler. All zeroes is none. */
struct room {
    struct handler *handler; /* held */
    unsigned wanted, granted;
    unsigned begun_before;
};

/* Promises a claim at most `wanted` jobs. `handler` must have a `concurrency`. */
struct room room_promise(struct handler *handler, unsigned wanted);

/* The claim is over, and what it has brought has begun. */
void room_settle(struct room *room);

/* A job begins, ends. */
void room_begin(struct handler *handler);
void room_end(struct handler *handler);

/* True, once, if a claim had too little room, and now there is some. */
bool room_found(struct handler *handler);
