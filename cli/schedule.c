/* `rota schedule`: recurrences. `next` shows when one is due, and asks no Redis. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "common/civil.h"
#include "common/clock.h"
#include "common/memory.h"
#include "common/recurrence.h"
#include "common/units.h"
#include "common/zone.h"

/* ---- the recurrence that was typed ---- */

static const struct {
    const char *key;
    enum recurrence_kind kind;
} kinds[] = {
    {"cli.schedule.cron", RECURRENCE_CRON},
    {"cli.schedule.every", RECURRENCE_EVERY},
    {"cli.schedule.rrule", RECURRENCE_RRULE},
    {"cli.schedule.at", RECURRENCE_AT},
};
#define KINDS (sizeof kinds / sizeof *kinds)

static const char *value_or_null(const struct cli *cli, const char *key)
{
    const char *value = config_string(cli->config, key);

    return value && value[0] ? value : NULL;
}

/* A rule without a start begins at `from_ms`, on the full minute of its zone. */
static void default_start(struct recurrence_spec *spec, int64_t from_ms, char ret[CIVIL_FORMAT_BYTES])
{
    struct error ignored;
    struct zone *zone = zone_new(spec->zone ? spec->zone : "UTC", &ignored); /* recurrence_new complains */
    int64_t from_s = from_ms / 1000;

    if (zone)
        from_s += zone_offset_s(zone, from_s);
    spec->start = civil_format(ret, from_s / 60 * 60);
    zone_free(zone);
}

/* Gives. */
static struct recurrence *read_recurrence(struct cli *cli, int64_t from_ms, struct error *err)
{
    struct recurrence_spec spec = {.zone = value_or_null(cli, "cli.schedule.tz"),
                                   .start = value_or_null(cli, "cli.schedule.start")};
    char start[CIVIL_FORMAT_BYTES];
    struct recurrence *recurrence;
    int given = 0;

    for (size_t i = 0; i < KINDS; i++) {
        const char *text = config_string(cli->config, kinds[i].key);
        if (strncmp(config_origin(cli->config, kinds[i].key), "flag ", 5) != 0 && !text[0])
            continue;
        spec.kind = kinds[i].kind;
        spec.text = text;
        given++;
    }
    if (given != 1) {
        cli_usage(cli, err, "say one of --cron, --every, --rrule and --at: there are %d", given);
        return NULL;
    }
    if (spec.kind == RECURRENCE_RRULE && !spec.start)
        default_start(&spec, from_ms, start);
    recurrence = recurrence_new(&spec, err);
    if (!recurrence)
        cli_misused(cli, err);
    return recurrence;
}

/* ---- next ---- */

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

static int next_command(struct cli *cli, struct error *err)
{
    static const struct column columns[] = {{"LOCAL", "local", COLUMN_TEXT},
                                            {"UTC", "utc", COLUMN_TEXT},
                                            {"DUE", "due_ms", COLUMN_SINCE},
                                            {"NOTE", "note", COLUMN_TEXT},
                                            {0}};
    const char *from = value_or_null(cli, "cli.schedule.from"), *until = value_or_null(cli, "cli.schedule.until");
    int64_t now_ms = clock_wall_ms(), from_ms = now_ms, until_ms = RECURRENCE_MS_MAX, due_ms, limit;
    struct recurrence *recurrence;
    struct list *list;

    if (from && cli_moment(cli, from, "--from", now_ms, &from_ms, err) < 0)
        return err->code;
    if (until && cli_moment(cli, until, "--until", now_ms, &until_ms, err) < 0)
        return err->code;
    recurrence = read_recurrence(cli, from_ms, err);
    if (!recurrence)
        return err->code;
    cli->output.now_ms = now_ms;
    list = list_new(&cli->output, columns);
    limit = config_integer(cli->config, "cli.schedule.limit");
    due_ms = from_ms - 1;
    while (limit > 0 && recurrence_next(recurrence, due_ms, &due_ms) && due_ms <= until_ms) {
        show(list, recurrence, due_ms);
        limit--;
    }
    list_end(list);
    if (limit > 0)
        cli_note(cli, "not due any more %s", until ? "until then" : "after that");
    recurrence_free(recurrence);
    return 0;
}

#define SECTION "cli.schedule."

static const struct config_setting next_settings[] = {
    SETTINGS_CLI,
    FLAG_TEXT(SECTION, "cron", "TEXT", 1 << 17, "a cron expression, as in '0 9 * * mon-fri' or @daily"),
    FLAG_TEXT(SECTION, "every", "DURATION", 4096, "a fixed interval of 1s..366d"),
    FLAG_TEXT(SECTION, "rrule", "RULE", 1 << 17, "a rule of iCalendar, as in 'FREQ=MONTHLY;BYDAY=-1FR'"),
    FLAG_TEXT(SECTION, "at", "TIME", 4096, "once: a moment, or a local time of the zone as in 2026-11-20T08:15:00"),
    FLAG_TEXT(SECTION, "tz", "ZONE", 4096, "the time zone, as in Europe/Zurich; UTC otherwise"),
    FLAG_TEXT(SECTION, "start", "TIME", 4096, "--rrule: local time from which it holds; --every: a moment from which it counts"),
    FLAG_TEXT(SECTION, "from", "TIME", 64, "the first moment to look at, or a duration from now; now otherwise"),
    FLAG_TEXT(SECTION, "until", "TIME", 64, "the last moment to look at, or a duration from now"),
    FLAG_NUMBER(SECTION, "limit", "5", 1, 10000, "how many due times to show"),
    {0}};

const struct command schedule_commands[] = {
    {"schedule next", "", "Show when a recurrence is due next, in its time zone and in UTC", next_settings, 0, 0, next_command,
     "Asks no Redis. Where clocks change, a fixed local time that the clock jumps over is due right after the gap, and one that\n"
     "comes twice the first time; hourly and finer recurrences follow elapsed time. docs/SCHEDULES.md has the grammar."},
    {0},
};
