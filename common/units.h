/* units.h - numbers as people write them, with units. */
#pragma once

#include <stdint.h>

#include "common/error.h"

/* Each checks the range low..high (inclusive) and names value, `what` and limits in the error (ERR_INVALID). Nothing may
 * stand around the number and its unit, no space and no sign. A fraction has at most 6 digits and must come out whole. */

/* "250ms", "5s", "1.5m", "2h", "7d"; "0". Without a unit it is refused (but for 0). */
int units_duration_ms(int64_t *ret_ms, const char *text, const char *what, int64_t low_ms, int64_t high_ms,
                      struct error *err) MUST_CHECK;

/* "512", "64KiB", "64K", "1MiB", "1MB" (= 10^6), "2GiB"; as with coreutils K is KiB, KB is 1000. */
int units_bytes(int64_t *ret_bytes, const char *text, const char *what, int64_t low, int64_t high, struct error *err) MUST_CHECK;

/* A plain decimal integer, possibly negative. */
int units_integer(int64_t *ret, const char *text, const char *what, int64_t low, int64_t high, struct error *err) MUST_CHECK;

/* A number with at most three digits after the point, "2", "0.25", in thousandths; so are the limits, which are whole numbers. */
int units_milli(int64_t *ret_milli, const char *text, const char *what, int64_t low_milli, int64_t high_milli,
                struct error *err) MUST_CHECK;

/* A moment of RFC 3339, "2026-11-20T08:15:00Z", "...+01:00", with an optional fraction (what is below a millisecond is dropped),
 * or epoch ms (13 digits). Not before 1970; a leap second and a day that does not exist are refused. */
int units_time_ms(int64_t *ret_ms, const char *text, const char *what, struct error *err) MUST_CHECK;

/* "2026-11-20T08:15:58.123Z"; `ret` has 32 bytes; returned. */
const char *units_format_time(char ret[32], int64_t ms);

/* "350ms", "1.5s", "12s", "3m20s", "5h10m", "2d4h": short, for people, rounded towards 0; `ret` has 32 bytes; returned. */
const char *units_format_duration(char ret[32], int64_t ms);

/* "90s", "64KiB": so that the readers above give the same number again; `ret` has 32 bytes; returned. */
const char *units_exact_duration(char ret[32], int64_t ms);
const char *units_exact_bytes(char ret[32], int64_t bytes);
