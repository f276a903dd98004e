#include "cli/private_redis.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/memory.h"
#include "common/redis_url.h"

#define WORDS_MAX 40

struct private_redis {
    char *directory, *socket, *url, *port_text;
    int port, lock_fd;
    const char *words[WORDS_MAX];
};

static int open_directory(struct private_redis *redis, const char *path, struct error *err)
{
    char *lock;

    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return error_set(err, ERR_IO, "cannot make directory %s: %s", path, strerror(errno));
    redis->directory = realpath(path, NULL);
    if (!redis->directory)
        return error_set(err, ERR_IO, "cannot use directory %s: %s", path, strerror(errno));
    lock = memory_format("%s/lock", redis->directory);
    redis->lock_fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    free(lock);
    if (redis->lock_fd < 0)
        return error_set(err, ERR_IO, "cannot write to directory %s: %s", path, strerror(errno));
    if (flock(redis->lock_fd, LOCK_EX | LOCK_NB) < 0)
        return error_set(err, ERR_IO, "directory %s is in use by another rota dev: name another one with --dir", path);
    return 0;
}

/* A port of 127.0.0.1 that nobody listens on just now. */
static int find_port(int *ret_port, struct error *err)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), code = 0;

    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &bytes) < 0)
        code = errno;
    if (fd >= 0)
        close(fd);
    if (code)
        return error_set(err, ERR_IO, "no port on 127.0.0.1: %s", strerror(code));
    *ret_port = ntohs(address.sin_port);
    return 0;
}

static void choose_address(struct private_redis *redis)
{
    char *socket = memory_format("%s/redis.sock", redis->directory);

    redis->port_text = memory_format("%d", redis->port);
    if (strlen(socket) <= REDIS_PATH_BYTES_MAX && !strpbrk(socket, "%?#@: ")) {
        redis->socket = socket;
        redis->url = memory_format("unix://%s", socket);
    } else {
        free(socket);
        redis->url = memory_format("redis://127.0.0.1:%d/0", redis->port);
    }
}

/* What every acknowledgement rests on, and nothing that a private server does not need. */
static void choose_words(struct private_redis *redis)
{
    const char *const fixed[] = {"redis-server",
                                 "--port",
                                 redis->port_text,
                                 "--bind",
                                 "127.0.0.1",
                                 "--tcp-keepalive",
                                 "60",
                                 "--dir",
                                 redis->directory,
                                 "--daemonize",
                                 "no",
                                 "--logfile",
                                 "",
                                 "--loglevel",
                                 "warning",
                                 "--appendonly",
                                 "yes",
                                 "--appendfsync",
                                 "always",
                                 "--save",
                                 "",
                                 "--maxmemory",
                                 "1gb",
                                 "--maxmemory-policy",
                                 "noeviction"};
    size_t count = sizeof fixed / sizeof *fixed;

    memcpy(redis->words, fixed, sizeof fixed);
    if (redis->socket) {
        redis->words[count++] = "--unixsocket";
        redis->words[count++] = redis->socket;
        redis->words[count++] = "--unixsocketperm";
        redis->words[count++] = "700";
    }
}

struct private_redis *private_redis_new(const char *path, struct error *err)
{
    struct private_redis *redis = memory_new(sizeof *redis);

    redis->lock_fd = -1;
    if (open_directory(redis, path, err) < 0 || find_port(&redis->port, err) < 0) {
        private_redis_free(redis);
        return NULL;
    }
    choose_address(redis);
    choose_words(redis);
    return redis;
}

void private_redis_free(struct private_redis *redis)
{
    if (!redis)
        return;
    if (redis->lock_fd >= 0)
        close(redis->lock_fd);
    free(redis->directory);
    free(redis->socket);
    free(redis->url);
    free(redis->port_text);
    free(redis);
}

const char *const *private_redis_words(const struct private_redis *redis)
{
    return redis->words;
}

const char *private_redis_url(const struct private_redis *redis)
{
    return redis->url;
}

const char *private_redis_directory(const struct private_redis *redis)
{
    return redis->directory;
}

int private_redis_port(const struct private_redis *redis)
{
    return redis->port;
}
