/* `rota schedule add|set`: what a schedule is. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/change.h"
#include "cli/connection.h"
#include "cli/job_flags.h"
#include "cli/schedule_definition.h"
#include "cli/schedule_flags.h"
#include "cli/schedule_own.h"
#include "cli/schedule_view.h"
#include "cli/template.h"
#include "common/memory.h"
#include "common/units.h"

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
    bool of_all = !definition->org[0];
    struct call call = {0};
    int rc;

    change_begin(&call, of_all ? "template_set" : "schedule_set", of_all ? 0 : cli_lane(cli, definition->org));
    if (!of_all)
        call_add_string(&call, definition->org);
    call_add_string(&call, schedule->name);
    call_add_int(&call, definition->old.rev);
    if (!of_all) {
        call_add_positive(&call, next_ms);
        call_add_int(&call, schedule->offset_ms);
    }
    schedule_add_definition(schedule, &call);
    rc = cli_call(cli, &call, on_set, ret, err);
    call_clear(&call);
    return rc == 0 && of_all ? template_spread(cli, err) : rc;
}

/* As it is typed: "acme/report", "--every-org report". Gives. */
static char *typed(const struct definition *definition)
{
    const char *name = definition->schedule.name;

    return definition->org[0] ? memory_format("%s/%s", definition->org, name) : memory_format("--every-org %s", name);
}

/* As it is spoken of: "acme/report", "report of every organization". Gives. */
static char *spoken(const struct definition *definition)
{
    const char *name = definition->schedule.name;

    return definition->org[0] ? memory_format("%s/%s", definition->org, name) : memory_format("%s of every organization", name);
}

static void tell_note(struct cli *cli, const struct definition *definition, const char *word, int64_t next_ms)
{
    char *argument = typed(definition), *name = spoken(definition);
    struct buffer before = {0};
    char time[32] = "no time any more";

    if (next_ms > 0)
        units_format_time(time, next_ms);
    if (strcmp(word, "same") == 0) {
        cli_note(cli, "schedule %s is as it was", name);
    } else if (strcmp(word, "new") == 0) {
        cli_note(cli, "added schedule %s, due at %s. Undo: rota schedule remove %s", name, time, argument);
    } else {
        schedule_format_flags(&before, &definition->old, true);
        cli_note(cli, "changed schedule %s, due at %s. Undo, but for the job: rota schedule set %s%s", name, time, argument,
                 before.data);
        buffer_clear(&before);
    }
    free(argument);
    free(name);
}

static void tell(struct cli *cli, const struct definition *definition, const struct answer *answer, int64_t next_ms)
{
    const char *name = definition->schedule.name;
    char *full = definition->org[0] ? memory_format("%s/%s", definition->org, name) : memory_string(name);

    if (cli->output.format != OUTPUT_TABLE)
        output_object(&cli->output,
                      json_pack("{s:s, s:s, s:I, s:o}", "schedule", full, "answer", answer->word, "rev", (json_int_t)answer->rev,
                                "next_ms", next_ms > 0 ? json_integer(next_ms) : json_null()),
                      NULL);
    free(full);
    tell_note(cli, definition, answer->word, next_ms);
}

/* What stands in the way of it, if anything does. */
static int check_answer(struct cli *cli, const struct definition *definition, const struct answer *answer, struct error *err)
{
    bool is_new = definition->old.rev == 0, exists = strcmp(answer->word, "exists") == 0;
    char *argument = typed(definition), *name = spoken(definition);
    int rc = 0;

    if (exists && is_new) {
        cli_hint(cli, "rota schedule set %s", argument);
        rc = cli_fail(cli, err, EX_CANTCREAT, "there is a schedule %s already", name);
    } else if (strcmp(answer->word, "removing") == 0) {
        cli_hint(cli, "rota schedule show %s", argument);
        rc = cli_fail(cli, err, EX_TEMPFAIL, "schedule %s is being removed: it can be added again after that", name);
    } else if (exists || strcmp(answer->word, "unknown") == 0) {
        rc = cli_fail(cli, err, EX_TEMPFAIL, "schedule %s was changed by somebody else meanwhile: nothing was done", name);
    }
    free(argument);
    free(name);
    return rc;
}

static int define(struct cli *cli, struct definition *definition, struct error *err)
{
    struct answer answer = {.rev = 0};
    int64_t next_ms;

    if (definition_read_flags(cli, definition, err) < 0)
        return err->code;
    next_ms = definition_next_ms(definition, cli_now_ms(cli));
    if (next_ms == 0 && definition->old.rev == 0)
        return cli_fail(cli, err, EX_DATAERR, "schedule %s would have no due time from now on", definition->schedule.name);
    if (send(cli, definition, next_ms, &answer, err) < 0 || check_answer(cli, definition, &answer, err) < 0)
        return err->code;
    tell(cli, definition, &answer, next_ms);
    return 0;
}

/* Whose it is, and its name. */
static int read_argument(struct cli *cli, struct definition *definition, struct error *err)
{
    const char *text = cli_argument(cli, 0);

    if (schedule_is_of_all(cli))
        return template_argument(cli, text, definition->schedule.name, err);
    return schedule_argument(cli, text, definition->org, definition->schedule.name, err);
}

static int schedule_add(struct cli *cli, struct error *err)
{
    struct definition definition = {.org = ""};
    int rc = read_argument(cli, &definition, err);

    if (rc == 0)
        rc = cli_connect(cli, true, NULL, err);
    if (rc == 0)
        rc = define(cli, &definition, err);
    definition_clear(&definition);
    return rc;
}

static int fetch_old(struct cli *cli, struct definition *definition, struct error *err)
{
    if (!definition->org[0])
        return template_fetch(cli, definition->schedule.name, &definition->old, err);
    return schedule_fetch(cli, definition->org, definition->schedule.name, &definition->old, err);
}

static int schedule_set(struct cli *cli, struct error *err)
{
    struct definition definition = {.org = ""};
    int rc = read_argument(cli, &definition, err);

    if (rc == 0)
        rc = cli_connect(cli, true, NULL, err);
    if (rc == 0)
        rc = fetch_old(cli, &definition, err);
    if (rc == 0)
        rc = definition_read_old(&definition, err);
    if (rc == 0 && definition.old.of_all)
        rc = schedule_own_set(cli, &definition, err);
    else if (rc == 0 && schedule_own_is_asked(cli))
        rc = cli_usage(cli, err,
                       "--off, --on and --default are for what one organization has of a schedule of every organization");
    else if (rc == 0)
        rc = define(cli, &definition, err);
    definition_clear(&definition);
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

#define SETTINGS_SCHEDULE                                                                                              \
    SETTINGS_CLI, SETTINGS_RECURRENCE,                                                                                 \
        FLAG_WORD("cli.schedule.", "missed", "once", "skip once all",                                                  \
                  "due times that nobody could serve in time: skip, once (the newest one runs) or all"),               \
        FLAG_DURATION("cli.schedule.", "window", NULL, SCHEDULE_WINDOW_MS_MIN, SCHEDULE_WINDOW_MS_MAX,                 \
                      "how late a due time may run; 24h otherwise, with --missed skip 1m"),                            \
        FLAG_WORD("cli.schedule.", "overlap", "skip", "skip allow queue-one cancel-running",                           \
                  "if the job of the due time before is not over: skip, allow, queue-one or cancel-running"),          \
        FLAG_DURATION("cli.schedule.", "spread", NULL, 0, SCHEDULE_SPREAD_MS_MAX,                                      \
                      "each schedule is put off by a part of this, always the same: not all come at once"),            \
        FLAG_TEXT("cli.schedule.", "from", "TIME", 64, "not due before then: RFC 3339 or epoch ms; empty: unbounded"), \
        FLAG_TEXT("cli.schedule.", "until", "TIME", 64, "not due after then"), SETTINGS_JOB, FLAG_EVERY_ORG

static const struct config_setting add_settings[] = {SETTINGS_SCHEDULE, {0}};
static const struct config_setting set_settings[] = {SETTINGS_SCHEDULE, SETTINGS_OWN, {0}};

const struct command schedule_set_commands[] = {
    {"schedule add", "ORG/NAME|--every-org NAME TYPE [PAYLOAD|-] --cron TEXT|--every D|--rrule RULE|--at TIME",
     "Define a schedule", add_settings, 2, 3, schedule_add,
     "From now on each due time pushes one job, ORG/NAME@MS, where MS is the due time. docs/SCHEDULES.md says what the flags "
     "mean."},
    {"schedule set", "ORG/NAME|--every-org NAME [TYPE [PAYLOAD|-]] [flags]", "Change a schedule; what is not named stays",
     set_settings, 1, 3, schedule_set,
     "What changes holds from the next due time on. A schedule whose times stay keeps its next due time.\n"
     "Of a schedule of every organization, ORG/NAME changes what that organization has of it; the rest stays that of all."},
    {0},
};
