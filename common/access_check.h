/* access_check.h - judges the way to a Redis server, and who we are there. Pure. */
#pragma once

#include "common/server_check.h"

struct access {
    const char *address, *user; /* as in messages; "default" if the url names none */
    bool is_local, is_encrypted;
    bool has_tls; /* this build: what to advise */
    const struct acl_findings *acl;
};

/* Plain TCP to another host is refused with require_tls (ERR_INVALID), else warned about. The user "default" is refused with
 * require_acl whatever the way there, a unix socket and a loopback address too, since it may do everything; else it is warned
 * about where Redis is on another host. A user who may not send what the program needs is refused (ERR_DENIED); warned about are,
 * with require_acl, rights that do harm, and that rights could not be tried. */
int access_check(const struct access *access, const struct server_answers *answers, const struct deployment_options *options,
                 struct deployment *ret, struct error *err) MUST_CHECK;
