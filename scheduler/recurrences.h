/* recurrences.h - recurrences that were read from their texts, kept for the next time: many schedules have the same one.
 *
 * All are forgotten once an hour, so that a long-running scheduler takes up new zone data, and when there are too many. */
#pragma once

#include <stdint.h>

#include "common/error.h"

#define RECURRENCES_MAX        1024
#define RECURRENCES_AGE_MS_MAX (3600LL * 1000)

struct recurrence;
struct recurrences;

struct recurrences *recurrences_new(void);
void recurrences_free(struct recurrences *recurrences);

/* The recurrence of `text` (recurrence_parse), valid until the next call of this. NULL and `err` as recurrence_parse has it. */
const struct recurrence *recurrences_get(struct recurrences *recurrences, const char *text, int64_t now_mono_ms,
                                         struct error *err);
