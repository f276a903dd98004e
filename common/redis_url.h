/* redis_url.h - where a Redis is and who we are there, as one URL. Pure. */
#pragma once

#include <stdbool.h>

#include "common/error.h"

#define REDIS_DATABASE_MAX   16383
#define REDIS_PATH_BYTES_MAX 107 /* of a unix socket: sun_path */

/* All strings are owned. What the URL does not give is NULL. */
struct redis_url {
    bool tls;
    char *host; /* a name or a numeric address, without brackets; NULL for a unix socket */
    char *port; /* decimal, 1..65535 */
    char *path; /* of the unix socket */
    char *user, *password;
    int database;
    char *address; /* the URL without user and password, for messages */
};

/* Reads redis://[user[:password]@]host[:port][/db], rediss:// (TLS) and unix://[user[:password]@]/path[?db=N]. User, password and
 * path are percent-decoded; an IPv6 address stands in brackets; without a host it is 127.0.0.1. Messages never show a password.
 */
int redis_url_parse(struct redis_url *ret_url, const char *text, struct error *err) MUST_CHECK;

/* True if it stays on this machine: a unix socket, 127.0.0.0/8, ::1 or localhost. */
bool redis_url_is_local(const struct redis_url *url);

/* The text with *** for the password, whether it can be read as a URL or not: for showing. Gives. */
char *redis_url_without_password(const char *text);

void redis_url_clear(struct redis_url *url);
