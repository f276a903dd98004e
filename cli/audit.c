/* `rota audit`: compares indexes with sets, and jobs with leases, in all lanes. */
#include <stdio.h>
#include <string.h>

#include "cli/change.h"
#include "cli/connection.h"
#include "cli/orgs.h"

#define STEP 100 /* organizations or jobs looked at in one call */

static const struct column finding_columns[] = {
    {"WHAT", "what", COLUMN_TEXT},
    {"ORG", "org", COLUMN_TEXT},
    {"JOB", "job", COLUMN_TEXT},
    {"MENDED", "mended", COLUMN_TEXT},
    {0},
};

/* An audit under way. */
struct audit {
    struct cli *cli;
    struct list *list;
    const char *only; /* one organization, or "" */
    const char *org;  /* whose jobs are walked; NULL while indexes are */
    bool mend;        /* this call mends */
    char cursor[32];
    int64_t orgs, jobs, wrong;
    bool damaged[DEPLOYMENT_LANES_MAX]; /* lanes whose indexes could not be walked */
};

/* What is wrong with `name`: an organization's index, or a job. */
static void tell(struct audit *audit, const char *what, const char *name)
{
    const char *org = audit->org ? audit->org : name;
    json_t *finding = json_pack("{s:s, s:s, s:b}", "what", what, "org", org, "mended", audit->mend);

    json_object_set_new(finding, "job", audit->org ? json_sprintf("%s/%s", org, name) : json_null());
    list_add(audit->list, finding);
    audit->wrong++;
}

static void on_step(const struct reply *reply, void *ctx)
{
    struct audit *audit = ctx;
    const struct reply *wrong = reply_at(reply, 2);

    snprintf(audit->cursor, sizeof audit->cursor, "%s", reply_string(reply_at(reply, 0)));
    *(audit->org ? &audit->jobs : &audit->orgs) += reply_int(reply_at(reply, 1));
    for (size_t i = 0; i + 1 < reply_count(wrong); i += 2) {
        const char *name = reply_string(reply_at(wrong, i + 1));
        if (audit->org || !audit->only[0] || strcmp(name, audit->only) == 0)
            tell(audit, reply_string(reply_at(wrong, i)), name);
    }
}

/* One walk: over the organizations of a lane, or over the jobs of audit->org. */
static int walk(struct audit *audit, uint32_t lane, struct error *err)
{
    struct call call = {0};
    int rc;

    snprintf(audit->cursor, sizeof audit->cursor, "0");
    do {
        change_begin(&call, audit->org ? "audit_jobs" : "audit", lane);
        if (audit->org)
            call_add_string(&call, audit->org);
        call_add_string(&call, audit->cursor);
        call_add_int(&call, STEP);
        call_add_string(&call, audit->mend ? "1" : "0");
        rc = cli_call(audit->cli, &call, on_step, audit, err);
    } while (rc == 0 && strcmp(audit->cursor, "0") != 0);
    call_clear(&call);
    return rc;
}

/* A key that is of another type, a record that no function can read: what stands beside it can be audited all the same. */
static bool is_damage(const struct error *err)
{
    return err->code == ERR_PROTOCOL || err->code == ERR_INVALID;
}

static int audit_lane(struct audit *audit, uint32_t lane, struct error *err)
{
    int rc = walk(audit, lane, err);

    if (rc == 0 || !is_damage(err))
        return rc;
    audit->damaged[lane] = true;
    cli_complain(audit->cli, EXIT_FAILED, "the indexes of lane %u cannot be audited: %s", lane, err->message);
    return 0;
}

/* The jobs of an organization. Where the indexes of its lane could not be walked it may be itself what they stumbled over. */
static int audit_org(struct audit *audit, const char *org, struct error *err)
{
    uint32_t lane = cli_lane(audit->cli, org);
    struct org_view view = {0};
    int rc = audit->damaged[lane] ? orgs_look_at(audit->cli, org, &view, err) : 0;

    org_view_clear(&view);
    audit->org = org;
    if (rc == 0)
        rc = walk(audit, lane, err);
    if (rc == ERR_NOT_FOUND)
        return 0; /* it was deleted meanwhile */
    if (rc == 0 || !is_damage(err))
        return rc < 0 ? error_wrap(err, "organization %s", org) : 0;
    cli_complain(audit->cli, EXIT_FAILED, "organization %s cannot be audited: %s", org, err->message);
    return 0;
}

static int audit_all(struct audit *audit, struct error *err)
{
    struct names orgs = {0};
    int rc = 0;

    if (audit->only[0])
        names_add(&orgs, audit->only);
    else
        rc = orgs_find(audit->cli, &orgs, err);
    for (uint32_t lane = 0; lane < audit->cli->deployment.lanes && rc == 0; lane++)
        if (!audit->only[0] || lane == cli_lane(audit->cli, audit->only))
            rc = audit_lane(audit, lane, err);
    for (size_t i = 0; i < orgs.count && rc == 0; i++)
        rc = audit_org(audit, orgs.items[i], err);
    names_clear(&orgs);
    return rc;
}

/* The organization that was named must exist; whether it is sound is what the audit tells. */
static int check_only(struct audit *audit, struct error *err)
{
    struct org_view org = {0};
    int rc = audit->only[0] ? orgs_look_at(audit->cli, audit->only, &org, err) : 0;

    org_view_clear(&org);
    return rc < 0 && is_damage(err) ? 0 : rc;
}

static int audit_command(struct cli *cli, struct error *err)
{
    struct audit audit = {
        .cli = cli, .only = config_string(cli->config, "cli.audit.org"), .mend = config_bool(cli->config, "cli.audit.mend")};
    int rc = audit.only[0] ? cli_org(cli, audit.only, err) : 0;

    if (rc == 0)
        rc = cli_connect(cli, false, NULL, err);
    if (rc == 0)
        rc = check_only(&audit, err);
    if (rc < 0)
        return rc;
    audit.list = list_new(&cli->output, finding_columns);
    rc = audit_all(&audit, err);
    list_end(audit.list);
    if (rc < 0)
        return rc;
    cli_note(cli, "%lld organizations and %lld jobs looked at, %lld wrong%s", (long long)audit.orgs, (long long)audit.jobs,
             (long long)audit.wrong,
             audit.wrong == 0 ? ""
             : audit.mend     ? ", mended"
                              : ". Put right: rota audit --mend");
    return audit.wrong > 0 && !audit.mend ? EXIT_FAILED : 0;
}

static const struct config_setting audit_settings[] = {
    SETTINGS_CLI,
    FLAG_TEXT("cli.audit.", "org", "ORG", NAME_BYTES_MAX,
              "one organization (with --mend, the indexes of its whole lane are put right)"),
    FLAG_BOOL("cli.audit.", "mend", 0, "put right what is wrong"),
    {0},
};

const struct command audit_commands[] = {
    {"audit", "", "Check that every job is in one place, and every index is right", audit_settings, 0, 0, audit_command,
     "Exits with 1 if something is wrong and was not mended, or so damaged that it cannot be audited; the rest is audited all "
     "the "
     "same."},
    {0},
};
