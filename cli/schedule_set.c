/* `rota schedule add|set`: what a schedule is. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/change.h"
#include "cli/connection.h"
#include "cli/job_flags.h"
#include "cli/schedule_flags.h"
#include "cli/schedule_view.h"
#include "common/job.h"
#include "common/memory.h"
#include "common/recurrence.h"
#include "common/units.h"
#include "common/zone.h"

/* A definition in the making. */
struct definition {
    char org[NAME_BYTES_MAX + 1];
    struct schedule old; /* what it takes the place of; rev 0: nothing */
    struct schedule schedule;
    struct recurrence *recurrence;
    struct job_record record; /* its payload is `payload`, or stands in `old` */
    char *payload;
};

static void clear(struct definition *definition)
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

/* What the flags say, over what it was. */
static int read_flags(struct cli *cli, struct definition *definition, struct error *err)
{
    struct schedule *schedule = &definition->schedule;

    if (read_policies(cli, schedule, definition->old.rev == 0, err) < 0 || read_recurrence(cli, definition, err) < 0 ||
        read_times(cli, schedule, err) < 0 || read_job(cli, definition, err) < 0 || encode(definition, err) < 0)
        return err->code;
    schedule->offset_ms = schedule_offset_ms(definition->org, schedule->name, schedule->spread_ms);
    return 0;
}

/* ---- the next due time ---- */

/* One that is due at the same times as before keeps the next of them, which may have come already. */
static int64_t next_of(const struct definition *definition, int64_t now_ms)
{
    const struct schedule *schedule = &definition->schedule, *old = &definition->old;

    if (old->rev > 0 && strcmp(old->recurrence, schedule->recurrence) == 0 && old->from_ms == schedule->from_ms &&
        old->until_ms == schedule->until_ms)
        return old->next_ms;
    return schedule_due_after(schedule, definition->recurrence, now_ms);
}

/* ---- the command ---- */

struct answer {
    char word[16];
    int64_t rev;
};

static void on_set(const struct reply *reply, void *ctx)
{
    struct answer *answer = ctx;

    snprintf(answer->word, sizeof answer->word, "%s", reply_string(reply_at(reply, 0)));
    answer->rev = reply_int(reply_at(reply, 1));
}

static int send(struct cli *cli, const struct definition *definition, int64_t next_ms, struct answer *ret, struct error *err)
{
    const struct schedule *schedule = &definition->schedule;
    struct call call = {0};
    int rc;

    change_begin(&call, "schedule_set", cli_lane(cli, definition->org));
    call_add_string(&call, definition->org);
    call_add_string(&call, schedule->name);
    call_add_int(&call, definition->old.rev);
    call_add_positive(&call, next_ms);
    call_add_int(&call, schedule->offset_ms);
    schedule_add_definition(schedule, &call);
    rc = cli_call(cli, &call, on_set, ret, err);
    call_clear(&call);
    return rc;
}

static void tell_note(struct cli *cli, const struct definition *definition, const char *word, int64_t next_ms)
{
    const char *org = definition->org, *name = definition->schedule.name;
    struct buffer before = {0};
    char time[32] = "no time any more";

    if (next_ms > 0)
        units_format_time(time, next_ms);
    if (strcmp(word, "same") == 0) {
        cli_note(cli, "schedule %s/%s is as it was", org, name);
    } else if (strcmp(word, "new") == 0) {
        cli_note(cli, "added schedule %s/%s, due at %s. Undo: rota schedule remove %s/%s", org, name, time, org, name);
    } else {
        schedule_format_flags(&before, &definition->old, true);
        cli_note(cli, "changed schedule %s/%s, due at %s. Undo, but for the job: rota schedule set %s/%s%s", org, name, time, org,
                 name, before.data);
        buffer_clear(&before);
    }
}

static void tell(struct cli *cli, const struct definition *definition, const struct answer *answer, int64_t next_ms)
{
    char *full = memory_format("%s/%s", definition->org, definition->schedule.name);

    if (cli->output.format != OUTPUT_TABLE)
        output_object(&cli->output,
                      json_pack("{s:s, s:s, s:I, s:o}", "schedule", full, "answer", answer->word, "rev", (json_int_t)answer->rev,
                                "next_ms", next_ms > 0 ? json_integer(next_ms) : json_null()),
                      NULL);
    free(full);
    tell_note(cli, definition, answer->word, next_ms);
}

static int define(struct cli *cli, struct definition *definition, struct error *err)
{
    const char *org = definition->org, *name = definition->schedule.name;
    struct answer answer = {.rev = 0};
    int64_t next_ms;

    if (read_flags(cli, definition, err) < 0)
        return err->code;
    next_ms = next_of(definition, cli_now_ms(cli));
    if (next_ms == 0 && definition->old.rev == 0)
        return cli_fail(cli, err, EX_DATAERR, "schedule %s/%s would have no due time from now on", org, name);
    if (send(cli, definition, next_ms, &answer, err) < 0)
        return err->code;
    if (strcmp(answer.word, "exists") == 0 && definition->old.rev == 0) {
        cli_hint(cli, "rota schedule set %s/%s", org, name);
        return cli_fail(cli, err, EX_CANTCREAT, "there is a schedule %s/%s already", org, name);
    }
    if (strcmp(answer.word, "exists") == 0 || strcmp(answer.word, "unknown") == 0)
        return cli_fail(cli, err, EX_TEMPFAIL, "schedule %s/%s was changed by somebody else meanwhile: nothing was done", org,
                        name);
    tell(cli, definition, &answer, next_ms);
    return 0;
}

static int schedule_add(struct cli *cli, struct error *err)
{
    struct definition definition = {.org = ""};
    int rc = schedule_argument(cli, cli_argument(cli, 0), definition.org, definition.schedule.name, err);

    if (rc == 0)
        rc = cli_connect(cli, true, NULL, err);
    if (rc == 0)
        rc = define(cli, &definition, err);
    clear(&definition);
    return rc;
}

/* The definition as it is now, to be changed. */
static int read_old(struct cli *cli, struct definition *definition, struct error *err)
{
    struct schedule *schedule = &definition->schedule, *old = &definition->old;

    if (schedule_argument(cli, cli_argument(cli, 0), definition->org, schedule->name, err) < 0 ||
        cli_connect(cli, true, NULL, err) < 0 || schedule_fetch(cli, definition->org, schedule->name, old, err) < 0)
        return err->code;
    schedule->missed = old->missed;
    schedule->overlap = old->overlap;
    schedule->window_ms = old->window_ms;
    schedule->spread_ms = old->spread_ms;
    schedule->from_ms = old->from_ms;
    schedule->until_ms = old->until_ms;
    return job_record_decode(&definition->record, old->record, old->record_bytes, err);
}

static int schedule_set(struct cli *cli, struct error *err)
{
    struct definition definition = {.org = ""};
    int rc = read_old(cli, &definition, err);

    if (rc == 0)
        rc = define(cli, &definition, err);
    clear(&definition);
    return rc;
}

#define FLAG_WORD(section, name, otherwise, values, text) \
    {.key = section name,                                 \
     .kind = CONFIG_STRING,                               \
     .fallback = otherwise,                               \
     .high = 16,                                          \
     .flag = name,                                        \
     .argument = "HOW",                                   \
     .help = text,                                        \
     .words = values}

static const struct config_setting set_settings[] = {
    SETTINGS_CLI,
    SETTINGS_RECURRENCE,
    FLAG_WORD("cli.schedule.", "missed", "once", "skip once all",
              "due times that nobody could serve in time: skip, once (the newest one runs) or all"),
    FLAG_DURATION("cli.schedule.", "window", NULL, SCHEDULE_WINDOW_MS_MIN, SCHEDULE_WINDOW_MS_MAX,
                  "how late a due time may run; 24h otherwise, with --missed skip 1m"),
    FLAG_WORD("cli.schedule.", "overlap", "skip", "skip allow queue-one cancel-running",
              "if the job of the due time before is not over: skip, allow, queue-one or cancel-running"),
    FLAG_DURATION("cli.schedule.", "spread", NULL, 0, SCHEDULE_SPREAD_MS_MAX,
                  "each schedule is put off by a part of this, always the same: not all come at once"),
    FLAG_TEXT("cli.schedule.", "from", "TIME", 64, "not due before then: RFC 3339 or epoch ms; empty: unbounded"),
    FLAG_TEXT("cli.schedule.", "until", "TIME", 64, "not due after then"),
    SETTINGS_JOB,
    {0},
};

const struct command schedule_set_commands[] = {
    {"schedule add", "ORG/NAME TYPE [PAYLOAD|-] --cron TEXT|--every D|--rrule RULE|--at TIME", "Define a schedule", set_settings,
     2, 3, schedule_add,
     "From now on each due time pushes one job, ORG/NAME@MS, where MS is the due time. docs/SCHEDULES.md says what the flags "
     "mean."},
    {"schedule set", "ORG/NAME [TYPE [PAYLOAD|-]] [flags]", "Change a schedule; what is not named stays", set_settings, 1, 3,
     schedule_set, "What changes holds from the next due time on. A schedule whose times stay keeps its next due time."},
    {0},
};
