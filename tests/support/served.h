/* served.h - a connection under test (client.h) and a real server for it, which it is not connected to yet. For cmocka. */
#pragma once

#include "tests/support/client.h"
#include "tests/support/server.h"

#include <hiredis/hiredis.h>

struct served {
    struct server *server;
    redisContext *admin; /* another connection, for what the test does to the server */
    struct client *client;
    char url[256];
};

int served_setup(void **state);
int served_teardown(void **state);
#define SERVED_TEST(name) cmocka_unit_test_setup_teardown(name, served_setup, served_teardown)

/* A command of the other connection, which must be carried out. */
void served_admin(struct served *f, const char *command);
