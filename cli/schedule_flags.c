#include "cli/schedule_flags.h"

#include <stdio.h>
#include <string.h>

#include "cli/job_flags.h"
#include "common/buffer.h"
#include "common/civil.h"
#include "common/recurrence.h"
#include "common/zone.h"

static const struct {
    const char *key;
    enum recurrence_kind kind;
} kinds[] = {
    {"cli.schedule.cron", RECURRENCE_CRON},
    {"cli.schedule.every", RECURRENCE_EVERY},
    {"cli.schedule.rrule", RECURRENCE_RRULE},
    {"cli.schedule.at", RECURRENCE_AT},
};

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

struct recurrence *schedule_flags_recurrence(struct cli *cli, int64_t from_ms, const char *otherwise, bool *ret_given,
                                             struct error *err)
{
    const char *zone = config_string(cli->config, "cli.schedule.tz"), *start = config_string(cli->config, "cli.schedule.start");
    struct recurrence_spec spec = {.zone = zone[0] ? zone : NULL, .start = start[0] ? start : NULL};
    char default_text[CIVIL_FORMAT_BYTES];
    struct recurrence *recurrence;
    unsigned given = 0;

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (flag_is_given(cli, kinds[i].key)) {
            spec.kind = kinds[i].kind;
            spec.text = config_string(cli->config, kinds[i].key);
            given++;
        }
    *ret_given = given > 0 || spec.zone || spec.start;
    if (given > 1)
        cli_usage(cli, err, "--cron, --every, --rrule and --at exclude each other");
    else if (given == 0 && *ret_given)
        cli_usage(cli, err, "--tz and --start go with --cron, --every, --rrule or --at");
    if (given != 1)
        return NULL;
    if (!spec.zone && spec.kind != RECURRENCE_EVERY)
        spec.zone = otherwise;
    if (spec.kind == RECURRENCE_RRULE && !spec.start)
        default_start(&spec, from_ms, default_text);
    recurrence = recurrence_new(&spec, err);
    if (!recurrence)
        cli_misused(cli, err);
    return recurrence;
}

/* No grammar of these has a quote in it. */
static void add_word(struct buffer *out, const char *text, size_t bytes)
{
    bool plain = bytes > 0;

    for (size_t i = 0; i < bytes; i++)
        plain = plain && !strchr(" *?#;|&<>()$`\\\"~!{}[]", text[i]);
    buffer_add(out, " '", plain ? 1 : 2);
    buffer_add(out, text, bytes);
    buffer_add(out, "'", plain ? 0 : 1);
}

void schedule_flags_format(struct buffer *out, const char *canonical)
{
    struct recurrence_part parts[RECURRENCE_PARTS_MAX];
    size_t count = recurrence_split(parts, canonical);

    for (size_t i = 0; i < count; i++) {
        buffer_add_format(out, " --%.*s", (int)parts[i].name_bytes, parts[i].name);
        add_word(out, parts[i].value, parts[i].value_bytes);
    }
}
