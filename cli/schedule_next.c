/* `rota schedule next`: when a recurrence is due, that of flags, which asks no Redis, or that of a schedule. */
#include <stdio.h>
#include <string.h>

#include "cli/connection.h"
#include "cli/schedule_flags.h"
#include "cli/schedule_view.h"
#include "common/civil.h"
#include "common/clock.h"
#include "common/memory.h"
#include "common/recurrence.h"
#include "common/units.h"
#include "common/zone.h"

/* "+02:00", with seconds where there are some. */
static void format_offset(char *ret, size_t size, int64_t offset_s)
{
    int size_s = (int)(offset_s < 0 ? -offset_s : offset_s), length;

    length = snprintf(ret, size, "%c%02d:%02d", offset_s < 0 ? '-' : '+', size_s / 3600, size_s / 60 % 60);
    if (size_s % 60)
        snprintf(ret + length, size - (size_t)length, ":%02d", size_s % 60);
}

/* One word for programs, a few for people; nothing where no clock changes. */
static const char *describe(enum recurrence_note note, int64_t named_s, struct buffer *out)
{
    char named[CIVIL_FORMAT_BYTES];

    civil_format(named, named_s);
    switch (note) {
    case RECURRENCE_PLAIN: break;
    case RECURRENCE_MOVED: buffer_add_format(out, "moved: the clock jumps over %s", named); return "moved";
    case RECURRENCE_MERGED: buffer_add_format(out, "merged with %s, which the clock jumps over", named); return "merged";
    case RECURRENCE_FIRST: buffer_add_string(out, "once: the clock shows this time twice"); return "first";
    case RECURRENCE_AGAIN: buffer_add_string(out, "the clock shows this time again"); return "again";
    }
    return NULL;
}

static void show(struct list *list, const struct recurrence *recurrence, int64_t due_ms)
{
    const struct zone *zone = recurrence_zone(recurrence);
    int64_t offset_s = zone_offset_s(zone, due_ms / 1000), named_s;
    enum recurrence_note note = recurrence_explain(recurrence, due_ms, &named_s);
    char civil[CIVIL_FORMAT_BYTES], fraction[8] = "", offset[16], local[64], utc[32];
    struct buffer words = {0};
    const char *policy = describe(note, named_s, &words);

    civil_format(civil, due_ms / 1000 + offset_s);
    format_offset(offset, sizeof offset, offset_s);
    if (due_ms % 1000)
        snprintf(fraction, sizeof fraction, ".%03d", (int)(due_ms % 1000));
    snprintf(local, sizeof local, "%s%s%s", civil, fraction, offset);
    list_add(list, json_pack("{s:s, s:s, s:s, s:I, s:s, s:o, s:o}", "local", local, "zone", zone_name(zone), "utc",
                             units_format_time(utc, due_ms), "due_ms", (json_int_t)due_ms, "offset", offset, "policy",
                             output_text_or_null(policy), "note", output_text_or_null(words.data)));
    buffer_clear(&words);
}

/* The due times of `schedule`, of which the recurrence and its bounds count. */
static void show_all(struct cli *cli, const struct schedule *schedule, const struct recurrence *recurrence, int64_t from_ms)
{
    static const struct column columns[] = {{"LOCAL", "local", COLUMN_TEXT},
                                            {"UTC", "utc", COLUMN_TEXT},
                                            {"DUE", "due_ms", COLUMN_SINCE},
                                            {"NOTE", "note", COLUMN_TEXT},
                                            {0}};
    struct list *list = list_new(&cli->output, columns);
    int64_t limit = config_integer(cli->config, "cli.schedule.limit"), due_ms = from_ms - 1;

    while (limit > 0 && (due_ms = schedule_due_after(schedule, recurrence, due_ms)) > 0) {
        show(list, recurrence, due_ms);
        limit--;
    }
    list_end(list);
    if (limit > 0)
        cli_note(cli, "not due any more %s", schedule->until_ms > 0 ? "until then" : "after that");
}

/* That of a schedule. */
static struct recurrence *read_stored(struct cli *cli, struct schedule *ret, struct error *err)
{
    char org[NAME_BYTES_MAX + 1], name[SCHEDULE_NAME_BYTES_MAX + 1];

    if (schedule_argument(cli, cli_argument(cli, 0), org, name, err) < 0 || cli_connect(cli, false, NULL, err) < 0 ||
        schedule_fetch(cli, org, name, ret, err) < 0)
        return NULL;
    return recurrence_parse(ret->recurrence, err);
}

static int read_bounds(struct cli *cli, int64_t now_ms, int64_t *ret_from_ms, int64_t *ret_until_ms, struct error *err)
{
    const char *from = config_string(cli->config, "cli.schedule.from"), *until = config_string(cli->config, "cli.schedule.until");

    if (from[0] && cli_moment(cli, from, "--from", now_ms, ret_from_ms, err) < 0)
        return err->code;
    return until[0] ? cli_moment(cli, until, "--until", now_ms, ret_until_ms, err) : 0;
}

static int next_command(struct cli *cli, struct error *err)
{
    bool stored = cli_argument_count(cli) > 0, given = false;
    int64_t now_ms = clock_wall_ms(), from_ms = now_ms, until_ms = 0;
    struct schedule schedule = {.rev = 0};
    struct recurrence *recurrence = NULL;
    int rc = read_bounds(cli, now_ms, &from_ms, &until_ms, err);

    if (rc == 0)
        recurrence = schedule_flags_recurrence(cli, from_ms, NULL, &given, err);
    if (rc == 0 && given == stored)
        rc = cli_usage(cli, err, "say one of --cron, --every, --rrule and --at, or ORG/NAME of a schedule");
    if (rc == 0 && stored)
        recurrence = read_stored(cli, &schedule, err);
    if (rc == 0 && !recurrence)
        rc = err->code;
    if (rc == 0) {
        cli->output.now_ms = now_ms;
        if (until_ms > 0 && (schedule.until_ms == 0 || until_ms < schedule.until_ms))
            schedule.until_ms = until_ms;
        show_all(cli, &schedule, recurrence, from_ms);
    }
    recurrence_free(recurrence);
    schedule_clear(&schedule);
    return rc;
}

static const struct config_setting next_settings[] = {
    SETTINGS_CLI,
    SETTINGS_RECURRENCE,
    FLAG_TEXT("cli.schedule.", "from", "TIME", 64, "the first moment to look at, or a duration from now; now otherwise"),
    FLAG_TEXT("cli.schedule.", "until", "TIME", 64, "the last moment to look at, or a duration from now"),
    FLAG_NUMBER("cli.schedule.", "limit", "5", 1, 10000, "how many due times to show"),
    {0}};

const struct command schedule_next_commands[] = {
    {"schedule next", "ORG/NAME | --cron TEXT|--every D|--rrule RULE|--at TIME",
     "Show when a schedule or a recurrence is due next, in its time zone and in UTC", next_settings, 0, 1, next_command,
     "Of flags it asks no Redis. Where clocks change, a fixed local time that the clock jumps over is due right after the gap, "
     "and one that\n"
     "comes twice the first time; hourly and finer recurrences follow elapsed time. docs/SCHEDULES.md has the grammar."},
    {0},
};
