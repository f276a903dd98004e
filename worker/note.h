/* note.h - what a running job has told of itself and Redis has not acknowledged yet: the newest of each kind. Pure. */
#pragma once

#include <stdbool.h>

#include "common/call.h"
#include "worker/lane.h"

enum { NOTE_PROGRESS = 1, NOTE_CHECKPOINT = 2, NOTE_TIMEOUT = 4 };

/* All zeroes is one that says nothing. */
struct note {
    char progress[JOB_PROGRESS_BYTES_MAX + 1];
    int percent;
    char *checkpoint;
    size_t checkpoint_bytes;
    int64_t timeout_ms;
    unsigned waiting, sent; /* NOTE_... bits: to be sent · in the call under way */
};

/* Takes note of what is new. True if some of it should not wait. */
bool note_merge(struct note *note, const struct lane_note *from);

/* Adds what `note` and `finish` take as progress and checkpoint, and of `note` the time-out: of the kinds in `bits`. */
void note_add_told(struct call *call, const struct note *note, unsigned bits);
void note_add_timeout(struct call *call, const struct note *note, unsigned bits);

void note_clear(struct note *note);
