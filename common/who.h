/* who.h - who changes something, as the functions with which people change things want to know it. */
#pragma once

#include "common/error.h"

#define WHO_BYTES 129 /* with the NUL */

/* "ann@host (rota 0.1.0)": `user` is a person, or a program that acts by itself (NULL: the user this process runs as). Control
 * characters become "?". Returned. */
const char *who_am_i(char ret[WHO_BYTES], const char *user);

/* The same with what follows in the brackets: "rota-scheduler@host (--schedules /etc/rota/schedules.jsonl)". */
const char *who_acts(char ret[WHO_BYTES], const char *user, const char *fmt, ...) PRINTF_LIKE(3, 4);
