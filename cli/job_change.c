/* `rota job`, the part that changes: cancel, retry, run-now, reschedule, delete. Each takes several jobs and goes on after one
 * that it could not change. */
#include <stdio.h>
#include <string.h>

#include "cli/change.h"
#include "cli/connection.h"
#include "cli/fetch.h"
#include "common/units.h"

/* One job to change. */
struct target {
    struct cli *cli;
    const char *name;
    char org[NAME_BYTES_MAX + 1], id[JOB_ID_BYTES_MAX + 1];
    char answer[ANSWER_BYTES];
    int64_t due_ms; /* for reschedule */
};

typedef int change_one(struct target *target, struct error *err);

/* What is done to the jobs. */
struct change {
    const char *verb;   /* "cancel" */
    const char *places; /* of the jobs that it changes: "ready scheduled" */
    change_one *one;
};

static bool is_answer(const struct target *target, const char *answer)
{
    return strcmp(target->answer, answer) == 0;
}

static void refuse(struct target *target, const char *why)
{
    cli_complain(target->cli, EXIT_FAILED, "job %s %s", target->name, why);
}

/* Only looks. */
static int try_one(struct target *target, const struct change *change, struct error *err)
{
    struct fetched fetched;
    char place[sizeof fetched.job.place];

    if (fetch_job(target->cli, target->org, target->id, &fetched, err) < 0)
        return err->code;
    memcpy(place, fetched.job.place, sizeof place);
    fetched_clear(&fetched);
    if (strstr(change->places, place)) {
        snprintf(target->answer, sizeof target->answer, "would_%s", change->verb);
        cli_note(target->cli, "would %s job %s (it is %s)", change->verb, target->name, place);
    } else {
        snprintf(target->answer, sizeof target->answer, "%s", place);
        cli_complain(target->cli, EXIT_FAILED, "would not %s job %s: it is %s", change->verb, target->name, place);
    }
    return 0;
}

/* Changes all jobs named by arguments. */
static int change_all(struct cli *cli, int64_t due_ms, const struct change *change, struct error *err)
{
    bool dry = config_bool(cli->config, "cli.dry-run");
    struct changes *changes = changes_new(cli);
    int rc = 0;

    for (int i = 0; i < cli_argument_count(cli) && rc == 0; i++) {
        struct target target = {.cli = cli, .name = cli_argument(cli, i), .due_ms = due_ms};
        rc = cli_job(cli, target.name, target.org, target.id, err);
        if (rc == 0)
            rc = dry ? try_one(&target, change, err) : change->one(&target, err);
        if (rc == ERR_NOT_FOUND || (rc == 0 && is_answer(&target, "gone"))) {
            cli_complain(cli, EX_NOINPUT, "there is no job %s", target.name);
            snprintf(target.answer, sizeof target.answer, "gone");
            rc = 0;
        }
        if (rc == 0)
            changes_add(changes, target.name, target.answer);
    }
    changes_end(changes);
    return rc;
}

/* All names are looked at before the first job is changed. */
static int begin(struct cli *cli, struct error *err)
{
    char org[NAME_BYTES_MAX + 1], id[JOB_ID_BYTES_MAX + 1];

    for (int i = 0; i < cli_argument_count(cli); i++)
        if (cli_job(cli, cli_argument(cli, i), org, id, err) < 0)
            return err->code;
    return cli_connect(cli, false, NULL, err);
}

/* ---- cancel ---- */

static int cancel_one(struct target *target, struct error *err)
{
    int rc = change_job(target->cli, "cancel", target->org, target->id, -1, target->answer, err);

    if (rc < 0)
        return rc;
    if (is_answer(target, "cancelled"))
        cli_note(target->cli, "cancelled job %s. Undo: rota job retry %s", target->name, target->name);
    else if (is_answer(target, "cancelling"))
        cli_note(target->cli, "job %s is running: its worker is told to stop it. Undo, once it has: rota job retry %s",
                 target->name, target->name);
    else if (is_answer(target, "ended"))
        refuse(target, "has ended already: there is nothing to cancel");
    return 0;
}

static int job_cancel(struct cli *cli, struct error *err)
{
    int rc = begin(cli, err);

    return rc < 0 ? rc : change_all(cli, -1, &(struct change){"cancel", "ready scheduled running", cancel_one}, err);
}

/* ---- retry ---- */

static int redrive_one(struct target *target, const char *was, struct error *err)
{
    int rc = change_job(target->cli, "redrive", target->org, target->id, -1, target->answer, err);

    if (rc == 0 && is_answer(target, "ready"))
        cli_note(target->cli, "job %s is ready again (was %s). Undo: rota job cancel %s", target->name, was, target->name);
    else if (rc == 0 && is_answer(target, "not_dead"))
        refuse(target, "is not dead any more: somebody else was faster");
    return rc;
}

static int run_now_one(struct target *target, struct error *err);

static int retry_one(struct target *target, struct error *err)
{
    struct fetched fetched;
    char was[sizeof fetched.job.place];

    if (fetch_job(target->cli, target->org, target->id, &fetched, err) < 0)
        return err->code;
    memcpy(was, fetched.job.place, sizeof was);
    fetched_clear(&fetched);
    if (strcmp(was, "dead") == 0 || strcmp(was, "cancelled") == 0)
        return redrive_one(target, was, err);
    if (strcmp(was, "scheduled") == 0)
        return run_now_one(target, err);
    snprintf(target->answer, sizeof target->answer, "%s", was);
    if (strcmp(was, "done") == 0)
        refuse(target, "is done: push it again to run it again");
    else if (strcmp(was, "running") == 0)
        refuse(target, "is running: cancel it first");
    else
        refuse(target, "is ready already: it runs as soon as a worker takes it");
    return 0;
}

static int job_retry(struct cli *cli, struct error *err)
{
    int rc = begin(cli, err);

    return rc < 0 ? rc : change_all(cli, -1, &(struct change){"retry", "dead cancelled scheduled", retry_one}, err);
}

/* ---- run-now, reschedule ---- */

/* When a job is due as things are; 0 if it is not scheduled. */
static int due_now(struct target *target, int64_t *ret_due_ms, struct error *err)
{
    struct fetched fetched;

    if (fetch_job(target->cli, target->org, target->id, &fetched, err) < 0)
        return err->code;
    *ret_due_ms = strcmp(fetched.job.place, "scheduled") == 0 ? job_due_ms(&fetched.job) : 0;
    fetched_clear(&fetched);
    return 0;
}

static int move_due(struct target *target, int64_t due_ms, struct error *err)
{
    char was[32] = "now", is[32], undo[192] = "";
    int64_t was_ms = 0;

    if (due_now(target, &was_ms, err) < 0 ||
        change_job(target->cli, "reschedule", target->org, target->id, due_ms, target->answer, err) < 0)
        return err->code;
    if (was_ms) {
        units_format_time(was, was_ms);
        snprintf(undo, sizeof undo, ". Undo: rota job reschedule %s --at %s", target->name, was);
    }
    if (is_answer(target, "ready"))
        cli_note(target->cli, "job %s is ready (was due %s)%s", target->name, was, undo);
    else if (is_answer(target, "scheduled"))
        cli_note(target->cli, "job %s is due %s (was due %s). Undo: rota job %s %s%s%s", target->name,
                 units_format_time(is, due_ms), was, was_ms ? "reschedule" : "run-now", target->name, was_ms ? " --at " : "",
                 was_ms ? was : "");
    else if (is_answer(target, "follows"))
        cli_note(target->cli, "job %s waits until the job before it is over; it is due then, not before %s (was %s)%s",
                 target->name, due_ms ? units_format_time(is, due_ms) : "now", was, undo);
    else if (is_answer(target, "running"))
        refuse(target, "is running already");
    else if (is_answer(target, "ended"))
        refuse(target, "has ended: to run it again, rota job retry");
    return 0;
}

static int run_now_one(struct target *target, struct error *err)
{
    return move_due(target, 0, err);
}

static int reschedule_one(struct target *target, struct error *err)
{
    return move_due(target, target->due_ms, err);
}

static int job_run_now(struct cli *cli, struct error *err)
{
    int rc = begin(cli, err);

    return rc < 0 ? rc : change_all(cli, -1, &(struct change){"run-now", "ready scheduled", run_now_one}, err);
}

static int job_reschedule(struct cli *cli, struct error *err)
{
    const char *at = config_string(cli->config, "cli.job.at");
    int64_t in_ms = config_integer(cli->config, "cli.job.in"), due_ms = 0;
    bool has_in = strcmp(config_origin(cli->config, "cli.job.in"), "default") != 0;

    if (has_in == (at[0] != '\0'))
        return cli_usage(cli, err, "say either --in or --at");
    if (at[0] && cli_moment(cli, at, "--at", 0, &due_ms, err) < 0)
        return err->code;
    if (begin(cli, err) < 0)
        return err->code;
    return change_all(cli, has_in ? cli_now_ms(cli) + in_ms : due_ms,
                      &(struct change){"reschedule", "ready scheduled", reschedule_one}, err);
}

/* ---- delete ---- */

static int delete_one(struct target *target, struct error *err)
{
    int rc = change_job(target->cli, "delete", target->org, target->id, -1, target->answer, err);

    if (rc == 0 && is_answer(target, "deleted"))
        cli_note(target->cli, "deleted job %s: this cannot be undone", target->name);
    else if (rc == 0 && is_answer(target, "running"))
        refuse(target, "is running: cancel it first");
    return rc;
}

static int job_delete(struct cli *cli, struct error *err)
{
    int count = cli_argument_count(cli);

    if (begin(cli, err) < 0)
        return err->code;
    if (!config_bool(cli->config, "cli.dry-run") &&
        !cli_confirm(cli, err, "delete %d job%s, which cannot be undone", count, count == 1 ? "" : "s"))
        return err->code;
    return change_all(cli, -1, &(struct change){"delete", "ready scheduled dead cancelled done", delete_one}, err);
}

static const struct config_setting change_settings[] = {SETTINGS_CLI, SETTING_DRY_RUN, {0}};
static const struct config_setting delete_settings[] = {SETTINGS_CLI, SETTING_YES, SETTING_DRY_RUN, {0}};
static const struct config_setting reschedule_settings[] = {
    SETTINGS_CLI,
    SETTING_DRY_RUN,
    FLAG_DURATION("cli.job.", "in", NULL, 0, 1LL << 42, "due so long from now"),
    FLAG_TEXT("cli.job.", "at", "TIME", 64, "due then: RFC 3339 or epoch ms"),
    {0},
};

const struct command job_change_commands[] = {
    {"job cancel", "JOB...", "Cancel jobs, whatever they are doing", change_settings, 1, -1, job_cancel, NULL},
    {"job retry", "JOB...", "Run dead, cancelled or waiting jobs again, now", change_settings, 1, -1, job_retry, NULL},
    {"job run-now", "JOB...", "Make scheduled jobs ready at once", change_settings, 1, -1, job_run_now, NULL},
    {"job reschedule", "JOB... --in D|--at T", "Give waiting jobs another due time", reschedule_settings, 1, -1, job_reschedule,
     NULL},
    {"job delete", "JOB...", "Forget jobs with their results", delete_settings, 1, -1, job_delete, NULL},
    {0},
};
