/* check.h - a private Redis, somebody who administers it, and a connection under test, for common/deployment.h. */
#pragma once

#include "tests/support/client.h"
#include "tests/support/server.h"

#include "common/deployment.h"

#include <hiredis/hiredis.h>

struct check_fixture {
    struct server *server;
    redisContext *admin;
    struct client *client;
    char url[256];
    struct deployment found;
    struct error err;
};

/* What programs ask for. The server of the fixture keeps nothing. */
extern const struct deployment_options check_scheduler, check_worker;

/* For cmocka. */
int check_setup(void **state);
int check_teardown(void **state);

/* Starts the server again, with `arguments` (server.h). */
void check_start(struct check_fixture *f, const char *const *arguments);

/* Connects again, as somebody else; as a user of the unix socket with password "secret". */
void check_connect(struct check_fixture *f, const char *url);
void check_connect_as(struct check_fixture *f, const char *user);

/* Sends a command; its string or integer as text, "" for anything else; an error fails the test. */
const char *check_admin(struct check_fixture *f, const char *fmt, ...);

/* Checks. What was found stays in the fixture. */
int check_run(struct check_fixture *f, struct deployment_options options);
void check_accepted(struct check_fixture *f, struct deployment_options options);
void check_refused(struct check_fixture *f, struct deployment_options options, enum error_code code, const char *says);

/* True if the last check gave a warning with `text`. */
bool check_warns(const struct check_fixture *f, const char *text);
