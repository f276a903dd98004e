/* deadline.h - how long a run may take: until its deadline, which it may put off; and with a heartbeat never so long without a
 * word. Pure: who calls brings the clock. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct deadline {
    int64_t timeout_ms;     /* from its beginning on */
    int64_t timeout_ms_max; /* it can be put off so far */
    int64_t heartbeat_ms;   /* it must say something so often; 0: it need not */
    int64_t begun_mono_ms;  /* 0: it has not begun */
};

/* The run begins. */
void deadline_begin(struct deadline *deadline, int64_t now_mono_ms);

/* It may run for `ms` from now on, but no longer than timeout_ms_max, and never shorter than before. Returns false if nothing has
 * changed. */
bool deadline_put_off(struct deadline *deadline, int64_t ms, int64_t now_mono_ms);

/* How long it may go on if it says nothing more; >= 0. */
int64_t deadline_left_ms(const struct deadline *deadline, int64_t now_mono_ms);
