/* turns.h - of which due times a schedule of every organization is in charge, and of which the one that moves to it
 * (docs/SCHEDULES.md, moving to one for each organization). Pure; lua/lib/template.lua has the same rules, and decides.
 *
 * Turns are a text of words "+MS" and "-MS", one after the other in time: from +MS on due times are those of every
 * organization's, from -MS on those of the one that moves. Before the first word it is the other way round. "" is nobody's
 * business. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"

#define TURNS_MAX       16 /* words */
#define TURNS_BYTES_MAX (TURNS_MAX * 16)

/* True if `turns` is such a text. Otherwise sets `err` (ERR_INVALID). */
bool turns_are_valid(const char *turns, struct error *err);

/* True if the due time `due_ms` is that of every organization's. */
bool turns_own(const char *turns, int64_t due_ms);

/* The last moment up to `ms` that is (`own`) or is not that of every organization's; -1 if there is none. */
int64_t turns_last(const char *turns, bool own, int64_t ms);

/* The moment of the last word, 0 without words; *ret_own: what it says, without words true. */
int64_t turns_end(const char *turns, bool *ret_own);
