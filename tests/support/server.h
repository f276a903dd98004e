/* server.h - a private redis-server for a test.
 *
 * It listens on a unix socket in a directory of its own under TMPDIR, takes no snapshots, writes no AOF unless asked to, and is
 * killed by the kernel when the thread that started it dies. Whatever goes wrong here ends the test program with a message:
 * callers check nothing. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

struct redisContext;
struct server;

#define SERVER_START_MS_MAX 10000

/* Starts a server and returns when it answers. `arguments`: further ones for redis-server, NULL-terminated, or NULL for none, as
 * in server_start((const char *[]){"--appendonly", "yes", "--appendfsync", "always", NULL}). The strings must outlive the
 * server. Gives. */
struct server *server_start(const char *const *arguments);

/* Stops the server (SIGTERM, and SIGKILL if it does not listen), removes its directory, frees. NULL is fine. */
void server_stop(struct server *server);

/* kill -9; returns when it is gone. The directory stays. */
void server_kill(struct server *server);

/* Starts the server again after server_kill(), with the same directory and arguments. Returns when it has loaded its data. */
void server_restart(struct server *server);

/* A new connection. Gives: redisFree(). */
struct redisContext *server_connect(const struct server *server);

/* All borrowed from the server. server_pid() is 0 after server_kill(). */
const char *server_socket(const struct server *server);
const char *server_directory(const struct server *server);
pid_t server_pid(const struct server *server);

/* A port of 127.0.0.1 that nobody listened on just now, for "--port". */
int server_free_port(void);
