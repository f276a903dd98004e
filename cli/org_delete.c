/* `rota org delete` - an organization with all that it has. What runs is told to stop and waited for. */
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "cli/change.h"
#include "cli/connection.h"
#include "cli/orgs.h"
#include "common/clock.h"

#define STEP_ITEMS     500
#define LOOK_MS        100
#define TIMEOUT_MS_MAX (24LL * 3600 * 1000)

/* ---- calls ---- */

struct answer {
    char word[16];
    int64_t running;
};

static void on_answer(const struct reply *reply, void *ctx)
{
    struct answer *answer = ctx;

    snprintf(answer->word, sizeof answer->word, "%s", reply_string(reply_at(reply, 0)));
    answer->running = reply_int(reply_at(reply, 1));
}

static bool is(const struct answer *answer, const char *word)
{
    return strcmp(answer->word, word) == 0;
}

/* `what`: begin, step or take. */
static int delete_call(struct cli *cli, const char *name, const char *what, struct answer *ret, struct error *err)
{
    struct call call = {0};
    int rc;

    change_begin(&call, "org_delete", cli_lane(cli, name));
    call_add_string(&call, name);
    call_add_string(&call, what);
    call_add_int(&call, STEP_ITEMS);
    rc = cli_call(cli, &call, on_answer, ret, err);
    call_clear(&call);
    return rc;
}

/* Takes steps until it is gone, or the time is up: then answer `running`. (Where it is `gone`, somebody else has taken the last
 * one.) */
static int delete_all(struct cli *cli, const char *name, struct answer *ret, struct error *err)
{
    const char *what = config_bool(cli->config, "cli.org.delete.force") ? "take" : "step";
    int64_t end_mono_ms = clock_mono_ms() + config_integer(cli->config, "cli.org.delete.timeout");
    int rc = delete_call(cli, name, "begin", ret, err);

    while (rc == 0 && !is(ret, "gone") && !is(ret, "deleted")) {
        if (is(ret, "running") && clock_mono_ms() >= end_mono_ms)
            break;
        if (is(ret, "running"))
            poll(NULL, 0, LOOK_MS);
        rc = delete_call(cli, name, what, ret, err);
    }
    return rc;
}

/* ---- the command ---- */

static const char *plural(int64_t count)
{
    return count == 1 ? "" : "s";
}

static int64_t jobs_of(const struct org_view *org)
{
    return org->ready + org->waiting + org->running + org->scheduled + org->dead + org->done + org->cancelled;
}

/* "its 3 jobs, 1 of them running, and 2 entries of its private inbox". */
static const char *all_of(const struct org_view *org, char *ret, size_t size)
{
    int length = snprintf(ret, size, "its %lld job%s, %lld of them running", (long long)jobs_of(org), plural(jobs_of(org)),
                          (long long)org->running);

    if (org->inbox > 0)
        snprintf(ret + length, size - (size_t)length, ", and %lld entr%s of its private inbox", (long long)org->inbox,
                 org->inbox == 1 ? "y" : "ies");
    return ret;
}

static int dry_run(struct cli *cli, const struct org_view *org, const char *all)
{
    cli_note(cli, "would delete org %s with %s", org->name, all);
    if (cli->output.format != OUTPUT_TABLE)
        output_object(&cli->output, json_pack("{s:s, s:I}", "org", org->name, "would_delete_jobs", (json_int_t)jobs_of(org)),
                      NULL);
    return 0;
}

static int tell_running(struct cli *cli, const char *name, int64_t running, struct error *err)
{
    cli_hint(cli, "wait, and go on: rota org delete %s --yes; or take them from their workers: rota org delete %s --yes --force",
             name, name);
    return cli_fail(cli, err, EX_TEMPFAIL,
                    "organization %s is not deleted yet: %lld job%s still run%s. Nothing of it is started any more, and nothing "
                    "comes in",
                    name, (long long)running, plural(running), running == 1 ? "s" : "");
}

static int delete_it(struct cli *cli, const struct org_view *org, const char *all, struct error *err)
{
    struct answer answer;

    if (!cli_confirm(cli, err, "delete organization %s with %s, which cannot be undone", org->name, all))
        return err->code;
    if (delete_all(cli, org->name, &answer, err) < 0)
        return err->code;
    if (is(&answer, "running"))
        return tell_running(cli, org->name, answer.running, err);
    if (cli->output.format != OUTPUT_TABLE)
        output_object(&cli->output, json_pack("{s:s, s:I}", "org", org->name, "deleted_jobs", (json_int_t)jobs_of(org)), NULL);
    cli_note(cli, "deleted org %s with %lld job%s: this cannot be undone", org->name, (long long)jobs_of(org),
             plural(jobs_of(org)));
    return 0;
}

static int org_delete(struct cli *cli, struct error *err)
{
    const char *name = cli_argument(cli, 0);
    struct org_view org = {0};
    char all[160];
    int rc;

    if (cli_org(cli, name, err) < 0 || cli_connect(cli, false, NULL, err) < 0 || orgs_look_at(cli, name, &org, err) < 0)
        return err->code;
    all_of(&org, all, sizeof all);
    rc = config_bool(cli->config, "cli.dry-run") ? dry_run(cli, &org, all) : delete_it(cli, &org, all, err);
    org_view_clear(&org);
    return rc;
}

static const struct config_setting delete_settings[] = {
    SETTINGS_CLI,
    SETTING_YES,
    SETTING_DRY_RUN,
    FLAG_DURATION("cli.org.delete.", "timeout", "30s", 0, TIMEOUT_MS_MAX, "how long running jobs are waited for"),
    FLAG_BOOL("cli.org.delete.", "force", 0, "take running jobs from their workers and wait for none"),
    {0},
};

const struct command org_delete_commands[] = {
    {"org delete", "ORG", "Delete an organization with all its jobs, schedules and settings", delete_settings, 1, 1, org_delete,
     "From the first moment on nothing of it starts and nothing comes in; what runs is cancelled and waited for. If something "
     "still\n"
     "runs when --timeout is over the status is 75: the organization is \"deleting\" until the command is given again. The first "
     "job\n"
     "or setting after the end makes a new organization of the name."},
    {0},
};
