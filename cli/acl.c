/* `rota acl print`. */
#include <stdio.h>
#include <string.h>

#include "cli/connection.h"
#include "cli/orgs.h"
#include "common/keys.h"

/* One line for redis-cli: appending to the private inbox of the organization, and nothing else. */
static void print_producer(struct cli *cli, const char *org, const char *user)
{
    char key[KEY_BYTES_MAX];

    key_of_org(key, cli_lane(cli, org), org, "inbox");
    printf("ACL SETUSER %s%s reset on '>PASSWORD' '%%W~%s' resetchannels -@all +xadd +ping +hello\n", user[0] ? user : org,
           user[0] ? "" : "-producer", key);
}

/* A name that stands in a line of commands by itself. */
static bool is_word(const char *user)
{
    return type_is_valid(user, strlen(user));
}

static int acl_print(struct cli *cli, struct error *err)
{
    const char *name = config_string(cli->config, "cli.acl.org"), *user = config_string(cli->config, "cli.acl.user");
    struct org_view org;

    if (!name[0])
        return cli_usage(cli, err, "whose rights? Name an organization: --org ORG");
    if (user[0] && !is_word(user))
        return cli_usage(cli, err, "user \"%.80s\" must match [A-Za-z0-9._-]{1,64}", user);
    if (cli_org(cli, name, err) < 0 || cli_connect(cli, false, NULL, err) < 0 || orgs_look_at(cli, name, &org, err) < 0)
        return err->code;
    if (org.inbox < 0) {
        org_view_clear(&org);
        return error_set(err, ERR_NOT_FOUND, "organization %s has no private inbox: rota org set %s --private-inbox on", name,
                         name);
    }
    org_view_clear(&org);
    print_producer(cli, name, user);
    cli_note(cli, "Put a password in the place of PASSWORD, and give the line to redis-cli. To undo: ACL DELUSER");
    return 0;
}

static const struct config_setting print_settings[] = {
    SETTINGS_CLI,
    FLAG_TEXT("cli.acl.", "org", "ORG", NAME_BYTES_MAX, "the organization whose private inbox the user may append to"),
    FLAG_TEXT("cli.acl.", "user", "NAME", 64, "name of the user; ORG-producer if it is left out"),
    {0},
};

const struct command acl_print_commands[] = {
    {"acl print", "--org ORG", "Print the line for Redis that lets a user append to a private inbox, and nothing else",
     print_settings, 0, 0, acl_print, NULL},
    {0},
};
