/* fake.h - a server that misbehaves, in the loop of the client under test. Listens on a port of 127.0.0.1. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/support/client.h"

#define FAKE_NO_LIMIT SIZE_MAX

/* Its ways may be changed at any time. It speaks to one connection at a time: a new one replaces the old one. */
struct fake {
    char url[64];
    const char *ping;         /* the answer to PING, with which every greeting ends; NULL: none */
    const char *answer;       /* the answer to each other command; NULL: none */
    bool deaf;                /* does not read */
    size_t read_bytes_max;    /* hangs up after so many bytes of a connection that has greeted */
    size_t written_bytes_max; /* hangs up after so many bytes of answers on a connection that has greeted */
    unsigned connections;     /* accepted until now */
    unsigned commands;        /* read until now, the greetings' among them */
    struct fake_private *own;
};

/* One that greets, and answers +OK to everything. Gives. */
struct fake *fake_new(struct ev_loop *loop);
void fake_free(struct fake *fake);

/* Sends bytes that nobody asked for. */
void fake_say(struct fake *fake, const char *bytes);

/* Hangs up. */
void fake_hang_up(struct fake *fake);

/* A client with such a server, which it is not connected to yet; for cmocka. */
struct faked {
    struct client *client;
    struct fake *fake;
};

int faked_setup(void **state);
int faked_teardown(void **state);
#define FAKED_TEST(name) cmocka_unit_test_setup_teardown(name, faked_setup, faked_teardown)
