/* private_redis.h - a directory with the data of a redis-server of our own, and how that is started: as durable as Rota asks for.
 */
#pragma once

#include "common/error.h"

struct private_redis;

/* Makes `path` if it is not there, and locks it. Gives. NULL if it cannot be used, or another one uses it. */
struct private_redis *private_redis_new(const char *path, struct error *err);

/* Unlocks; the data stays. NULL is fine. */
void private_redis_free(struct private_redis *redis);

/* The command line; and where it listens: a unix socket in the directory, where its path is not too long, and a port on loopback.
 * The url is the socket's if there is one. All borrowed; private_redis_directory is absolute. */
const char *const *private_redis_words(const struct private_redis *redis);
const char *private_redis_url(const struct private_redis *redis);
const char *private_redis_directory(const struct private_redis *redis);
int private_redis_port(const struct private_redis *redis);
