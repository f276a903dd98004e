#include "common/access_check.h"

#include <string.h>

/* The way to TLS from this build. */
static const char *tls_advice(const struct access *access)
{
    return access->has_tls ? "use rediss://"
                           : "this build has no TLS, so use a tunnel that ends on this host, or a build that has it";
}

static int check_way(const struct access *access, const struct deployment_options *options, struct deployment *ret,
                     struct error *err)
{
    if (access->is_local || access->is_encrypted)
        return 0;
    if (options->require_tls)
        return error_set(err, ERR_INVALID, "%s is plain TCP to another host, and TLS is required: %s", access->address,
                         tls_advice(access));
    server_check_warn(ret, "tls", "%.80s is plain TCP to another host: whoever is on the way can read and change jobs; %s",
                      access->address, tls_advice(access));
    return 0;
}

static int check_user(const struct access *access, const struct server_answers *answers, const struct deployment_options *options,
                      struct deployment *ret, struct error *err)
{
    if (strcmp(access->user, "default") != 0)
        return 0;
    if (options->require_acl)
        return error_set(err, ERR_INVALID, "we are the user \"default\", and a user of our own is required: name one in the url");
    if (!access->is_local)
        server_check_warn(ret, "user", "we are the user \"default\", who may do everything: name a user of our own in the url");
    if (strcmp(server_check_setting(answers, "protected-mode"), "no") == 0 && server_check_has_port(answers->info))
        server_check_warn(
            ret, "protected-mode",
            "protected-mode is \"no\": if the user \"default\" has no password, whoever reaches the port is in; set "
            "\"protected-mode yes\", or name a user of our own in the url");
    return 0;
}

static int check_rights(const struct access *access, struct deployment *ret, struct error *err)
{
    const struct acl_findings *acl = access->acl;

    if (acl->missing[0])
        return error_set(err, ERR_DENIED,
                         "user \"%.60s\" lacks rights that this program needs: %s (%s); see docs/PROTOCOL.md, section 14",
                         access->user, acl->missing, acl->reason);
    if (acl->is_hidden)
        server_check_warn(
            ret, "acl dryrun",
            "ACL DRYRUN is forbidden to user \"%.60s\": whether it may send what this program needs cannot be checked; "
            "allow \"+acl|dryrun\"",
            access->user);
    if (acl->dangers[0])
        server_check_warn(ret, "acl dangers", "user \"%.60s\" may send %s: no program of Rota needs that; take it away",
                          access->user, acl->dangers);
    return 0;
}

int access_check(const struct access *access, const struct server_answers *answers, const struct deployment_options *options,
                 struct deployment *ret, struct error *err)
{
    if (check_way(access, options, ret, err) < 0)
        return err->code;
    if (check_user(access, answers, options, ret, err) < 0)
        return err->code;
    return check_rights(access, ret, err);
}
