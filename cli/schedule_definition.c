#include "cli/schedule_definition.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/connection.h"
#include "cli/job_flags.h"
#include "cli/schedule_flags.h"
#include "common/memory.h"
#include "common/recurrence.h"
#include "common/zone.h"

void definition_clear(struct definition *definition)
{
    recurrence_free(definition->recurrence);
    job_record_clear(&definition->record);
    schedule_clear(&definition->schedule);
    schedule_clear(&definition->old);
    free(definition->payload);
}

/* ---- flags ---- */

/* The number of the word that a flag says. */
static int read_word(struct cli *cli, const char *flag, const char *key, const char *const *words, unsigned *ret,
                     struct error *err)
{
    const char *text = config_string(cli->config, key);

    for (unsigned i = 0; words[i]; i++)
        if (strcmp(words[i], text) == 0) {
            *ret = i;
            return 0;
        }
    return cli_usage(cli, err, "%s is \"%.40s\", it must be one of %s %s %s", flag, text, words[0], words[1],
                     words[2] ? words[2] : "");
}

static int read_time(struct cli *cli, const char *key, const char *flag, int64_t *ret_ms, struct error *err)
{
    const char *text = config_string(cli->config, key);

    if (flag_is_given(cli, key))
        *ret_ms = 0; /* an empty one takes it back */
    return text[0] ? cli_moment(cli, text, flag, 0, ret_ms, err) : 0;
}

static int read_times(struct cli *cli, struct schedule *schedule, struct error *err)
{
    if (read_time(cli, "cli.schedule.from", "--from", &schedule->from_ms, err) < 0 ||
        read_time(cli, "cli.schedule.until", "--until", &schedule->until_ms, err) < 0)
        return err->code;
    if (schedule->until_ms > 0 && schedule->until_ms < schedule->from_ms)
        return cli_usage(cli, err, "--until is before --from");
    return 0;
}

static int read_policies(struct cli *cli, struct schedule *schedule, bool is_new, struct error *err)
{
    static const char missed_key[] = "cli.schedule.missed", overlap_key[] = "cli.schedule.overlap";
    bool missed_given = is_new || flag_is_given(cli, missed_key);

    if ((missed_given && read_word(cli, "--missed", missed_key, schedule_missed_words, &schedule->missed, err) < 0) ||
        ((is_new || flag_is_given(cli, overlap_key)) &&
         read_word(cli, "--overlap", overlap_key, schedule_overlap_words, &schedule->overlap, err) < 0))
        return err->code;
    if (flag_is_given(cli, "cli.schedule.window"))
        schedule->window_ms = config_integer(cli->config, "cli.schedule.window");
    else if (missed_given)
        schedule->window_ms = schedule_default_window_ms(schedule->missed);
    if (flag_is_given(cli, "cli.schedule.spread"))
        schedule->spread_ms = config_integer(cli->config, "cli.schedule.spread");
    return 0;
}

/* TYPE and payload, as far as they are given, and the flags of a job. */
static int read_job(struct cli *cli, struct definition *definition, struct error *err)
{
    struct job_record *record = &definition->record;
    int count = cli_argument_count(cli);

    if (count > 1 && type_check(cli_argument(cli, 1), err) < 0)
        return cli_misused(cli, err);
    if (count > 1)
        snprintf(record->type, sizeof record->type, "%s", cli_argument(cli, 1));
    if (count > 2 && job_payload_read(cli_argument(cli, 2), &definition->payload, &record->payload_bytes, err) < 0)
        return err->code;
    if (definition->payload)
        record->payload = definition->payload;
    if (!record->payload)
        record->payload = "";
    record->has_payload = true;
    return job_flags_read(cli, record, err);
}

static int encode(struct definition *definition, struct error *err)
{
    struct buffer bytes = {0};

    if (job_record_encode(&bytes, &definition->record, err) < 0) {
        buffer_clear(&bytes);
        return err->code;
    }
    definition->schedule.record_bytes = bytes.length;
    definition->schedule.record = buffer_give(&bytes);
    return 0;
}

static int read_recurrence(struct cli *cli, struct definition *definition, struct error *err)
{
    struct recurrence *old = NULL;
    struct buffer text = {0};
    bool given;

    if (definition->old.rev > 0)
        old = recurrence_parse(definition->old.recurrence, err); /* one that cannot be read any more may be replaced */
    definition->recurrence =
        schedule_flags_recurrence(cli, cli_now_ms(cli), old ? zone_name(recurrence_zone(old)) : NULL, &given, err);
    recurrence_free(old);
    if (!given && definition->old.rev == 0)
        return cli_usage(cli, err, "say when it is due: --cron TEXT, --every DURATION, --rrule RULE or --at TIME");
    if (!given)
        definition->recurrence = recurrence_parse(definition->old.recurrence, err);
    if (!definition->recurrence)
        return err->code;
    recurrence_format(&text, definition->recurrence);
    definition->schedule.recurrence = buffer_give(&text);
    return 0;
}

int definition_read_flags(struct cli *cli, struct definition *definition, struct error *err)
{
    struct schedule *schedule = &definition->schedule;

    if (read_policies(cli, schedule, definition->old.rev == 0, err) < 0 || read_recurrence(cli, definition, err) < 0 ||
        read_times(cli, schedule, err) < 0 || read_job(cli, definition, err) < 0 || encode(definition, err) < 0)
        return err->code;
    schedule->offset_ms = definition->org[0] ? schedule_offset_ms(definition->org, schedule->name, schedule->spread_ms) : 0;
    return 0;
}

int definition_read_old(struct definition *definition, struct error *err)
{
    struct schedule *schedule = &definition->schedule, *old = &definition->old;

    schedule->missed = old->missed;
    schedule->overlap = old->overlap;
    schedule->window_ms = old->window_ms;
    schedule->spread_ms = old->spread_ms;
    schedule->from_ms = old->from_ms;
    schedule->until_ms = old->until_ms;
    return job_record_decode(&definition->record, old->record, old->record_bytes, err);
}

int64_t definition_next_ms(const struct definition *definition, int64_t now_ms)
{
    const struct schedule *schedule = &definition->schedule, *old = &definition->old;

    if (old->rev > 0 && old->next_ms > 0 && strcmp(old->recurrence, schedule->recurrence) == 0 &&
        old->from_ms == schedule->from_ms && old->until_ms == schedule->until_ms)
        return old->next_ms;
    return schedule_due_after(schedule, definition->recurrence, now_ms);
}
