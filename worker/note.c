#include "worker/note.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"

bool note_merge(struct note *note, const struct lane_note *from)
{
    unsigned told = 0;

    if (from->progress) {
        told |= NOTE_PROGRESS;
        note->percent = from->percent;
        snprintf(note->progress, sizeof note->progress, "%s", from->progress);
    }
    if (from->checkpoint) {
        told |= NOTE_CHECKPOINT;
        free(note->checkpoint);
        note->checkpoint = memory_copy(from->checkpoint, from->checkpoint_bytes);
        note->checkpoint_bytes = from->checkpoint_bytes;
    }
    if (from->timeout_ms) {
        told |= NOTE_TIMEOUT;
        note->timeout_ms = from->timeout_ms;
    }
    note->waiting |= told;
    return (told & (NOTE_CHECKPOINT | NOTE_TIMEOUT)) != 0;
}

void note_add_told(struct call *call, const struct note *note, unsigned bits)
{
    char progress[JOB_PROGRESS_BYTES_MAX + 8] = "";
    struct buffer checkpoint = {0};

    if (bits & NOTE_PROGRESS)
        snprintf(progress, sizeof progress, "%d %s", note->percent, note->progress);
    call_add_string(call, progress);
    if (bits & NOTE_CHECKPOINT) {
        buffer_add(&checkpoint, "=", 1);
        buffer_add(&checkpoint, note->checkpoint, note->checkpoint_bytes);
    }
    call_add(call, checkpoint.data ? checkpoint.data : "", checkpoint.length);
    buffer_clear(&checkpoint);
}

void note_add_timeout(struct call *call, const struct note *note, unsigned bits)
{
    if (bits & NOTE_TIMEOUT)
        call_add_int(call, note->timeout_ms);
    else
        call_add_string(call, "");
}

void note_clear(struct note *note)
{
    free(note->checkpoint);
    *note = (struct note){0};
}
