/* `rota schedule migrate`: from one schedule that sees to all organizations to one of every organization, in steps. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/change.h"
#include "cli/connection.h"
#include "cli/job_flags.h"
#include "cli/migrate_status.h"
#include "cli/schedule_view.h"
#include "cli/template.h"
#include "common/buffer.h"
#include "common/memory.h"
#include "common/random.h"
#include "common/recurrence.h"
#include "common/turns.h"
#include "common/units.h"

#define FIRST_LANE 0

/* Both sides. */
struct migration {
    char org[NAME_BYTES_MAX + 1];
    struct schedule global, each; /* rev 0: it is not there */
    char name[SCHEDULE_NAME_BYTES_MAX + 1];
};

/* ---- shadow ---- */

/* The record of jobs of the new one, from --type, --payload and the flags of a job. */
static int make_record(struct cli *cli, struct buffer *out, struct error *err)
{
    struct job_record record = {.has_payload = true, .nonce = (uint32_t)random_below(UINT32_MAX)};
    const char *type = config_string(cli->config, "cli.migrate.type"), *text = config_string(cli->config, "cli.migrate.payload");
    char *payload = NULL;
    int rc = 0;

    if (!type[0])
        return cli_usage(cli, err, "--type is missing: the type of the jobs of one organization");
    if (strlen(type) > TYPE_BYTES_MAX)
        return cli_usage(cli, err, "type \"%.80s\" must match [A-Za-z0-9._-]{1,%d}", type, TYPE_BYTES_MAX);
    snprintf(record.type, sizeof record.type, "%s", type);
    rc = job_payload_read(text, &payload, &record.payload_bytes, err);
    record.payload = payload;
    if (rc == 0)
        rc = job_flags_read(cli, &record, err);
    if (rc == 0)
        rc = job_record_encode(out, &record, err);
    record.payload = NULL;
    job_record_clear(&record);
    free(payload);
    return rc;
}

/* Defines the new one with the times and policies of the old one. An answer of `exists` is fine if it is a shadow: the step is
 * repeated. */
static int define_shadow(struct cli *cli, struct migration *migration, struct error *err)
{
    struct schedule each = migration->global; /* but it is active */
    struct buffer record = {0};
    struct call call = {0};
    char answer[ANSWER_BYTES];
    int rc = make_record(cli, &record, err);

    if (rc == 0) {
        each.paused = false;
        snprintf(each.turns, sizeof each.turns, "-0");
        each.record = record.data;
        each.record_bytes = record.length;
        change_begin(&call, "template_set", FIRST_LANE);
        call_add_string(&call, migration->name);
        call_add_int(&call, 0);
        schedule_add_definition(&each, &call);
        rc = change_call(cli, &call, answer, err);
    }
    call_clear(&call);
    buffer_clear(&record);
    if (rc == 0 && strcmp(answer, "new") != 0)
        rc = cli_fail(cli, err, EX_TEMPFAIL, "schedule %s of every organization: %s", migration->name, answer);
    return rc;
}

static int call_move(struct cli *cli, const struct migration *migration, struct error *err)
{
    struct call call = {0};
    char answer[ANSWER_BYTES];
    int rc;

    change_begin(&call, "schedule_move", cli_lane(cli, migration->org));
    call_add_string(&call, migration->org);
    call_add_string(&call, migration->global.name);
    call_add_string(&call, migration->name);
    rc = change_call(cli, &call, answer, err);
    call_clear(&call);
    if (rc == 0 && strcmp(answer, "moves") != 0 && strcmp(answer, "same") != 0)
        rc = cli_fail(cli, err, EX_TEMPFAIL, "schedule %s/%s cannot move to %s: %s", migration->org, migration->global.name,
                      migration->name, answer);
    return rc;
}

static int shadow(struct cli *cli, struct migration *migration, struct error *err)
{
    if (migration->global.of_all)
        return cli_fail(cli, err, EX_DATAERR, "schedule %s/%s is one of every organization already", migration->org,
                        migration->global.name);
    if (migration->each.rev > 0 && !migration->each.turns[0]) {
        cli_hint(cli, "rota schedule show --every-org %s", migration->name);
        return cli_fail(cli, err, EX_CANTCREAT, "there is a schedule %s of every organization already, and it is no shadow",
                        migration->name);
    }
    if ((migration->each.rev == 0 && define_shadow(cli, migration, err) < 0) || template_spread(cli, err) < 0 ||
        call_move(cli, migration, err) < 0)
        return err->code;
    cli_note(
        cli,
        "every organization has a shadow of schedule %s/%s from now on: %s. Compare: rota schedule migrate %s/%s --to-every-org "
        "%s. Undo: rota schedule remove --every-org %s",
        migration->org, migration->global.name, migration->name, migration->org, migration->global.name, migration->name,
        migration->name);
    return 0;
}

/* ---- switch, rollback ---- */

/* Fails unless `at_ms` is a due time of the old one. */
static int check_due_time(struct cli *cli, const struct schedule *global, int64_t at_ms, struct error *err)
{
    struct recurrence *recurrence = recurrence_parse(global->recurrence, err);
    char asked[32], next[32] = "none";
    int64_t due_ms;

    if (!recurrence)
        return err->code;
    due_ms = schedule_due_after(global, recurrence, at_ms - 1);
    recurrence_free(recurrence);
    if (due_ms == at_ms)
        return 0;
    if (due_ms > 0)
        units_format_time(next, due_ms);
    cli_hint(cli, "rota schedule next");
    return cli_fail(cli, err, EX_DATAERR, "--at %s is no due time of the schedule, the next one after it is %s",
                    units_format_time(asked, at_ms), next);
}

static int call_turn(struct cli *cli, const struct migration *migration, const char *sign, int64_t at_ms,
                     char answer[ANSWER_BYTES], struct error *err)
{
    struct call call = {0};
    int rc;

    change_begin(&call, "template_turn", FIRST_LANE);
    call_add_string(&call, migration->name);
    call_add_string(&call, sign);
    call_add_positive(&call, at_ms);
    rc = change_call(cli, &call, answer, err);
    call_clear(&call);
    return rc == 0 ? template_spread(cli, err) : rc;
}

static int turn(struct cli *cli, struct migration *migration, const char *sign, struct error *err)
{
    const char *text = config_string(cli->config, "cli.migrate.at");
    char answer[ANSWER_BYTES], time[32];
    int64_t at_ms;

    if (!text[0])
        return cli_usage(cli, err, "--at is missing: the due time from which on it holds");
    if (strcmp(migration->global.moves_to, migration->name) != 0) {
        cli_hint(cli, "rota schedule migrate %s/%s shadow --to-every-org %s", migration->org, migration->global.name,
                 migration->name);
        return cli_fail(cli, err, EX_DATAERR, "schedule %s/%s does not move to %s", migration->org, migration->global.name,
                        migration->name);
    }
    if (cli_moment(cli, text, "--at", cli_now_ms(cli), &at_ms, err) < 0 ||
        check_due_time(cli, &migration->global, at_ms, err) < 0 || call_turn(cli, migration, sign, at_ms, answer, err) < 0)
        return err->code;
    if (strcmp(answer, "turned") != 0 && strcmp(answer, "same") != 0)
        return cli_fail(cli, err, EX_TEMPFAIL, "schedule %s of every organization: %s", migration->name, answer);
    cli_note(cli,
             "from %s on %s is in charge; what is due before that is %s's. Undo before then: rota schedule migrate %s/%s %s "
             "--to-every-org %s --at %s",
             units_format_time(time, at_ms), sign[0] == '+' ? "each organization's own job" : "the one for all",
             sign[0] == '+' ? "the one for all" : "each organization's own job", migration->org, migration->global.name,
             sign[0] == '+' ? "rollback" : "switch", migration->name, time);
    return 0;
}

static int do_switch(struct cli *cli, struct migration *migration, struct error *err)
{
    return turn(cli, migration, "+", err);
}

static int roll_back(struct cli *cli, struct migration *migration, struct error *err)
{
    return turn(cli, migration, "-", err);
}

/* ---- end ---- */

/* The old one goes first: without turns it would be in charge again. */
static int remove_global(struct cli *cli, const struct migration *migration, struct error *err)
{
    struct call call = {0};
    char answer[ANSWER_BYTES];
    int rc;

    if (migration->global.rev == 0)
        return 0; /* the step is repeated */
    change_begin(&call, "schedule_remove", cli_lane(cli, migration->org));
    call_add_string(&call, migration->org);
    call_add_string(&call, migration->global.name);
    rc = change_call(cli, &call, answer, err);
    call_clear(&call);
    return rc;
}

static int end(struct cli *cli, struct migration *migration, struct error *err)
{
    char answer[ANSWER_BYTES] = "", time[32];
    bool own;
    int64_t end_ms = turns_end(migration->each.turns, &own) + migration->each.window_ms + migration->each.spread_ms;

    if (!own)
        return cli_fail(cli, err, EX_DATAERR, "the one for all is in charge: switch first");
    if (cli_now_ms(cli) < end_ms)
        return cli_fail(cli, err, EX_TEMPFAIL, "not before %s: until then due times before the switch may still be served",
                        units_format_time(time, end_ms));
    if (remove_global(cli, migration, err) < 0 || call_turn(cli, migration, "end", 0, answer, err) < 0)
        return err->code;
    if (strcmp(answer, "ended") != 0)
        return cli_fail(cli, err, EX_TEMPFAIL, "schedule %s of every organization: %s; repeat the step", migration->name, answer);
    cli_note(cli, "schedule %s/%s is removed; %s of every organization has taken its place", migration->org,
             migration->global.name, migration->name);
    return 0;
}

/* ---- the command ---- */

static const struct step {
    const char *name;
    int (*take)(struct cli *cli, struct migration *migration, struct error *err);
} steps[] = {{"shadow", shadow}, {"switch", do_switch}, {"rollback", roll_back}, {"end", end}};

static const struct step *find_step(const char *name)
{
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        if (strcmp(steps[i].name, name) == 0)
            return &steps[i];
    return NULL;
}

/* Reads what is there of both. The old one may be gone at the end, the new one is not there at the beginning. */
static int fetch(struct cli *cli, struct migration *migration, const struct step *step, struct error *err)
{
    int rc = schedule_fetch(cli, migration->org, migration->global.name, &migration->global, err);

    if (rc == ERR_NOT_FOUND && step && step->take == end)
        rc = 0;
    if (rc < 0)
        return rc;
    rc = template_fetch(cli, migration->name, &migration->each, err);
    if (rc == ERR_NOT_FOUND && step && step->take == shadow)
        rc = 0;
    if (rc == 0 && !migration->each.turns[0] && !(step && step->take == shadow))
        rc = cli_fail(cli, err, EX_DATAERR, "no schedule moves to %s of every organization", migration->name);
    return rc;
}

static int schedule_migrate(struct cli *cli, struct error *err)
{
    struct migration migration = {.org = ""};
    const char *name = config_string(cli->config, "cli.migrate.to-every-org");
    const char *word = cli_argument_count(cli) > 1 ? cli_argument(cli, 1) : "";
    const struct step *step = find_step(word);
    int rc;

    if (word[0] && !step)
        return cli_usage(cli, err, "step \"%.40s\" must be shadow, switch, rollback or end", word);
    if (!name[0])
        return cli_usage(cli, err, "--to-every-org is missing: the name of the schedule of every organization");
    if (schedule_argument(cli, cli_argument(cli, 0), migration.org, migration.global.name, err) < 0 ||
        template_argument(cli, name, migration.name, err) < 0 || cli_connect(cli, step != NULL, NULL, err) < 0)
        return err->code;
    rc = fetch(cli, &migration, step, err);
    if (rc == 0)
        rc =
            step ? step->take(cli, &migration, err) : migrate_status(cli, migration.org, &migration.global, &migration.each, err);
    schedule_clear(&migration.global);
    schedule_clear(&migration.each);
    return rc;
}

static const struct config_setting settings[] = {
    SETTINGS_CLI,
    FLAG_TEXT("cli.migrate.", "to-every-org", "NAME", 64, "the schedule of every organization that takes its place"),
    FLAG_TEXT("cli.migrate.", "type", "TYPE", 256, "shadow: the type of the jobs of one organization"),
    FLAG_TEXT("cli.migrate.", "payload", "TEXT|-", 1 << 20, "shadow: their payload; -: from stdin"),
    FLAG_TEXT("cli.migrate.", "at", "TIME", 64, "switch, rollback: the due time from which on it holds"),
    SETTINGS_JOB,
    FLAG_NUMBER("cli.migrate.", "differences", "20", 0, 1000000, "how many organizations that differ are shown"),
    {0},
};

const struct command migrate_commands[] = {
    {"schedule migrate", "ORG/NAME [shadow|switch|rollback|end] --to-every-org NAME",
     "Move from one job for all organizations to one for each, in steps", settings, 1, 2, schedule_migrate,
     "ORG/NAME is the schedule whose job sees to all organizations; its result is a JSON object with a member for each. shadow "
     "defines the "
     "same for every organization: both run, and handlers of the new one find ROTA_SHADOW=1. Without a step their newest results "
     "are "
     "compared. switch hands over to the new one from the due time --at on, rollback hands back; each due time is served by one "
     "of them. "
     "end removes the old one, a window after the switch."},
    {0},
};
