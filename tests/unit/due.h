/* due.h - what tests of recurrences share. */
#pragma once

#include "common/recurrence.h"
#include "common/units.h"
#include "tests/unit/unit.h"

static inline struct recurrence *recurrence_of(const char *text)
{
    struct error err = {0};
    struct recurrence *recurrence = recurrence_parse(text, &err);

    if (!recurrence)
        fail_msg("%s: %s", text, err.message);
    return recurrence;
}

static inline int64_t moment_of(const char *text)
{
    struct error err = {0};
    int64_t ms = 0;

    if (units_time_ms(&ms, text, "moment", &err) < 0)
        fail_msg("%s", err.message);
    return ms;
}

/* The due times after `after` are `due` (RFC 3339, up to NULL); a last one "never" means that there are no more. */
static inline void assert_due(const char *text, const char *after, const char *const *due)
{
    struct recurrence *recurrence = recurrence_of(text);
    int64_t ms = moment_of(after);
    char found[32];

    for (; *due; due++) {
        const char *answer = recurrence_next(recurrence, ms, &ms) ? units_format_time(found, ms) : "never";
        char wanted[32] = "never";
        if (strcmp(*due, "never") != 0)
            units_format_time(wanted, moment_of(*due));
        if (strcmp(answer, wanted) != 0)
            fail_msg("%s after %s: %s instead of %s", text, after, answer, wanted);
    }
    recurrence_free(recurrence);
}

#define DUE(text, after, ...) assert_due(text, after, (const char *const[]){__VA_ARGS__, NULL})

/* Refused, with these words. */
static inline void assert_refused(const char *text, const char *words)
{
    struct error err = {0};
    struct recurrence *recurrence = recurrence_parse(text, &err);

    if (recurrence)
        fail_msg("%s is taken", text);
    if (!strstr(err.message, words))
        fail_msg("%.80s: \"%s\" should have \"%s\"", text, err.message, words);
}
