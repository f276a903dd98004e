/* pace.h - so many things a second, and no more. Pure. */
#pragma once

#include <stdint.h>

#include "common/error.h"

struct pace {
    int64_t count, ms; /* so many in so long; count 0: as fast as it goes */
};

/* "10/s", "90/m", "1000/h": 1..1000000 in that time; "": as fast as it goes. */
int pace_parse(struct pace *ret, const char *text, struct error *err) MUST_CHECK;

/* How many may have begun so long after the first one. */
int64_t pace_allows(const struct pace *pace, int64_t elapsed_ms);

/* How long after the first one number `index` (from 0) may begin. */
int64_t pace_begin_ms(const struct pace *pace, int64_t index);
