/* schedule_flags.h - a recurrence as flags: --cron, --every, --rrule or --at, with --tz and --start. */
#pragma once

#include "cli/cli.h"

struct buffer;
struct recurrence;

#define SETTINGS_RECURRENCE                                                                                                      \
    FLAG_TEXT("cli.schedule.", "cron", "TEXT", 1 << 17, "a cron expression, as in '0 9 * * mon-fri' or @daily"),                 \
        FLAG_TEXT("cli.schedule.", "every", "DURATION", 4096, "a fixed interval of 1s..366d"),                                   \
        FLAG_TEXT("cli.schedule.", "rrule", "RULE", 1 << 17, "a rule of iCalendar, as in 'FREQ=MONTHLY;BYDAY=-1FR'"),            \
        FLAG_TEXT("cli.schedule.", "at", "TIME", 4096, "once: a moment, or a local time of the zone as in 2026-11-20T08:15:00"), \
        FLAG_TEXT("cli.schedule.", "tz", "ZONE", 4096, "the time zone, as in Europe/Zurich; UTC otherwise"),                     \
        FLAG_TEXT("cli.schedule.", "start", "TIME", 4096,                                                                        \
                  "--rrule: local time from which it holds; --every: a moment from which it counts")

/* What the flags say. A rule without a start begins at `from_ms`, on the full minute. NULL with `err`, or if no flag was given
 * (*ret_given is false, `err` is not touched). Without --tz the zone is `otherwise`, with NULL UTC. Gives: recurrence_free. */
struct recurrence *schedule_flags_recurrence(struct cli *cli, int64_t from_ms, const char *otherwise, bool *ret_given,
                                             struct error *err);

/* The same as flags, as a shell reads them: " --cron '30 8 * * *' --tz Europe/Zurich", of its canonical text. */
void schedule_flags_format(struct buffer *out, const char *canonical);
