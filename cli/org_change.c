/* `rota org set`, pause, resume. */
#include <stdio.h>
#include <string.h>

#include "cli/change.h"
#include "cli/connection.h"
#include "cli/org_settings.h"
#include "cli/orgs.h"
#include "common/buffer.h"

#define KEY_BYTES 64

/* ---- set ---- */

/* What was typed for a setting; "" if it was not given. */
static const char *typed(const struct cli *cli, const struct org_setting *setting)
{
    char key[KEY_BYTES];

    snprintf(key, sizeof key, "cli.org.%s", setting->flag);
    return config_string(cli->config, key);
}

/* Adds the settings that were given to `call`; how many there are. */
static int add_settings(struct cli *cli, struct call *call, int *ret_count, struct error *err)
{
    char value[ORG_VALUE_BYTES];

    *ret_count = 0;
    for (const struct org_setting *setting = org_settings; setting->field; setting++) {
        const char *text = typed(cli, setting);
        if (!text[0])
            continue;
        if (org_setting_parse(setting, text, value, err) < 0)
            return cli_misused(cli, err);
        call_add_string(call, setting->field);
        call_add_string(call, value);
        (*ret_count)++;
    }
    if (*ret_count == 0)
        return cli_usage(cli, err, "nothing to set: name at least one setting, see rota org set --help");
    return 0;
}

/* "weight is 200 (was 100)" for each setting that was given, and the command that puts them back. */
static void tell_settings(struct cli *cli, const struct org_view *before, const char *name)
{
    char was[ORG_VALUE_BYTES], is[ORG_VALUE_BYTES], value[ORG_VALUE_BYTES];
    struct buffer undo = {0};
    struct error ignored;

    for (const struct org_setting *setting = org_settings; setting->field; setting++) {
        const char *text = typed(cli, setting), *old = before->exists ? org_view_field(before, setting->field) : NULL;
        if (!text[0] || org_setting_parse(setting, text, value, &ignored) < 0)
            continue;
        org_setting_format(setting, old, was);
        cli_note(cli, "org %s: %s is %s (was %s%s)", name, setting->flag, org_setting_format(setting, value, is), was,
                 old ? "" : ", the default");
        buffer_add_format(&undo, " --%s %s", setting->flag, old ? was : "default");
    }
    cli_note(cli, "Undo: rota org set %s%s", name, undo.data ? undo.data : "");
    buffer_clear(&undo);
}

static int look_before(struct cli *cli, const char *name, struct org_view *ret, struct error *err)
{
    *ret = (struct org_view){0};
    if (orgs_look_at(cli, name, ret, err) < 0 && err->code != ERR_NOT_FOUND)
        return err->code;
    return 0;
}

/* Changes settings of an organization by `call`, and shows it in JSON. */
static int change_org(struct cli *cli, const char *name, const struct call *call, struct error *err)
{
    char answer[ANSWER_BYTES];
    struct org_view org;

    if (change_call(cli, call, answer, err) < 0)
        return err->code;
    if (cli->output.format == OUTPUT_TABLE)
        return 0;
    if (orgs_look_at(cli, name, &org, err) < 0)
        return err->code;
    output_object(&cli->output, org_view_to_json(&org, cli_now_ms(cli)), NULL);
    org_view_clear(&org);
    return 0;
}

static int org_set(struct cli *cli, struct error *err)
{
    const char *name = cli_argument(cli, 0);
    struct org_view before = {0};
    struct call call = {0};
    int count, rc = cli_org(cli, name, err);

    if (rc == 0)
        rc = add_settings(cli, &call, &count, err); /* before anything is asked of Redis */
    if (rc == 0)
        rc = cli_connect(cli, false, NULL, err);
    if (rc == 0)
        rc = look_before(cli, name, &before, err);
    if (rc == 0) {
        change_begin(&call, "org_set", cli_lane(cli, name));
        call_add_string(&call, name);
        rc = add_settings(cli, &call, &count, err);
    }
    if (rc == 0)
        rc = change_org(cli, name, &call, err);
    if (rc == 0)
        tell_settings(cli, &before, name);
    org_view_clear(&before);
    call_clear(&call);
    return rc;
}

/* ---- pause, resume ---- */

static int set_paused(struct cli *cli, bool pause, struct error *err)
{
    const char *name = cli_argument(cli, 0), *by;
    struct org_view before = {0};
    struct call call = {0};
    int rc;

    if (cli_org(cli, name, err) < 0 || cli_connect(cli, false, NULL, err) < 0 || orgs_look_at(cli, name, &before, err) < 0)
        return err->code;
    by = org_view_field(&before, "paused_by");
    change_begin(&call, "org_set", cli_lane(cli, name));
    call_add_string(&call, name);
    call_add_string(&call, "paused");
    call_add_string(&call, pause ? "1" : "");
    rc = change_org(cli, name, &call, err);
    if (rc == 0 && pause)
        cli_note(cli, "paused org %s (was %s): nothing of it is started, jobs are still accepted. Undo: rota org resume %s", name,
                 org_view_state(&before), name);
    else if (rc == 0)
        cli_note(cli, "resumed org %s (was %s%s%s). Undo: rota org pause %s", name,
                 org_view_field(&before, "paused") ? "paused by " : "", by ? by : org_view_state(&before), "", name);
    org_view_clear(&before);
    call_clear(&call);
    return rc;
}

static int org_pause(struct cli *cli, struct error *err)
{
    return set_paused(cli, true, err);
}

static int org_resume(struct cli *cli, struct error *err)
{
    return set_paused(cli, false, err);
}

/* As in org_settings; a table of settings must be spelled out. */
#define ORG_SETTING(name, value, text) FLAG_TEXT("cli.org.", name, value, 40, text)

static const struct config_setting set_settings[] = {
    SETTINGS_CLI,
    ORG_SETTING("weight", "N", "its share beside others, 1..10000; 100 is the usual one"),
    ORG_SETTING("max-running", "N", "jobs that may run at once"),
    ORG_SETTING("rate", "N/s|N/m|N/h", "jobs that may start in a time"),
    ORG_SETTING("burst", "N", "jobs that may start at once after a rest, of those that --rate allows"),
    ORG_SETTING("max-queued", "N", "jobs that may wait"),
    ORG_SETTING("max-payload", "SIZE", "largest payload"),
    ORG_SETTING("max-crashes", "N", "crashes of its worker or handler until a job is dead"),
    ORG_SETTING("keep-done", "DURATION", "how long done jobs are kept"),
    ORG_SETTING("keep-done-max", "N", "how many done jobs are kept"),
    ORG_SETTING("log-bytes-max", "BYTES", "what the kept logs of its jobs may take, all together; 0: none are kept"),
    ORG_SETTING("keep-logs", "DURATION", "how long logs are kept, if their job is"),
    ORG_SETTING("keep-dead", "DURATION", "how long dead jobs are kept"),
    ORG_SETTING("keep-dead-max", "N", "how many dead jobs are kept"),
    ORG_SETTING("keep-unique", "DURATION", "how long the key of an ended job is kept"),
    ORG_SETTING("private-inbox", "on|off", "an inbox of its own, for producers with rights to nothing else: rota acl print"),
    {0},
};

static const struct config_setting plain_settings[] = {SETTINGS_CLI, {0}};

const struct command org_change_commands[] = {
    {"org set", "ORG --SETTING VALUE...", "Change settings of an organization", set_settings, 1, 1, org_set,
     "An organization exists from its first job or setting on. The value \"default\" puts a setting back."},
    {"org pause", "ORG", "Start nothing of an organization any more", plain_settings, 1, 1, org_pause, NULL},
    {"org resume", "ORG", "Go on with an organization", plain_settings, 1, 1, org_resume, NULL},
    {0},
};
