/* complaint.h - a failure that comes back again and again is logged when it changes, and once a minute while it lasts. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define COMPLAINT_AGAIN_MS 60000

/* What goes wrong at one place. All zeroes: nothing does. */
struct complaint {
    char message[256];
    int64_t told_mono_ms;
};

/* It failed, for this reason (the first 255 bytes count). True if that is to be logged. */
bool complaint_raise(struct complaint *complaint, const char *message, int64_t mono_ms);

/* It works. True if the last time it did not. */
bool complaint_end(struct complaint *complaint);

bool complaint_is_raised(const struct complaint *complaint);
