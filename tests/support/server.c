#include "tests/support/server.h"

#include <errno.h>
#include <ftw.h>
#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/memory.h"

#define POLL_MS       2
#define STOP_MS_MAX   5000
#define ARGUMENTS_MAX 64

struct server {
    char *directory, *socket;
    const char *arguments[ARGUMENTS_MAX];
    pid_t pid;
};

static void give_up(const char *what)
{
    fprintf(stderr, "test server: %s: %s\n", what, strerror(errno));
    abort();
}

static void pause_ms(int ms)
{
    poll(NULL, 0, ms);
}

static bool answers_ping(const struct server *server)
{
    redisContext *redis = redisConnectUnix(server->socket);
    redisReply *reply = redis && !redis->err ? redisCommand(redis, "PING") : NULL;
    bool pong = reply && reply->type == REDIS_REPLY_STATUS;

    freeReplyObject(reply);
    redisFree(redis);
    return pong;
}

static void run_server(const struct server *server, pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1); /* the parent died before the line above */
    execvp("redis-server", (char *const *)server->arguments);
    perror("redis-server");
    _exit(127);
}

static void launch(struct server *server)
{
    int64_t deadline_ms = clock_mono_ms() + SERVER_START_MS_MAX;
    pid_t parent = getpid();

    signal(SIGPIPE, SIG_IGN); /* a server that is killed is no reason for the test to die */
    server->pid = fork();
    if (server->pid < 0)
        give_up("fork");
    if (server->pid == 0)
        run_server(server, parent);
    while (!answers_ping(server)) {
        if (waitpid(server->pid, NULL, WNOHANG) == server->pid || clock_mono_ms() > deadline_ms) {
            fprintf(stderr, "test server: redis-server did not start: see %s/log\n", server->directory);
            abort();
        }
        pause_ms(POLL_MS);
    }
}

struct server *server_start(const char *const *arguments)
{
    struct server *server = memory_new(sizeof *server);
    const char *root = getenv("TMPDIR");
    size_t count = 0;

    server->directory = memory_format("%s/rota-test-XXXXXX", root ? root : "/tmp");
    if (!mkdtemp(server->directory))
        give_up(server->directory);
    server->socket = memory_format("%s/redis.sock", server->directory);
    const char *fixed[] = {"redis-server",
                           "--port",
                           "0",
                           "--unixsocket",
                           server->socket,
                           "--dir",
                           server->directory,
                           "--save",
                           "",
                           "--logfile",
                           "log",
                           "--appendonly",
                           "no",
                           "--enable-debug-command",
                           "yes",
                           "--bind",
                           "127.0.0.1",
                           "--unixsocketperm",
                           "700"};
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
        server->arguments[count++] = fixed[i];
    for (; arguments && *arguments && count < ARGUMENTS_MAX - 1; arguments++)
        server->arguments[count++] = *arguments;
    launch(server);
    return server;
}

void server_kill(struct server *server)
{
    if (server->pid > 0) {
        kill(server->pid, SIGKILL);
        waitpid(server->pid, NULL, 0);
    }
    server->pid = 0;
}

void server_restart(struct server *server)
{
    unlink(server->socket);
    launch(server);
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status, (void)type, (void)walk;
    return remove(path);
}

void server_stop(struct server *server)
{
    if (!server)
        return;
    if (server->pid > 0) {
        int64_t deadline_ms = clock_mono_ms() + STOP_MS_MAX;
        bool gone = false;
        kill(server->pid, SIGTERM);
        kill(server->pid, SIGCONT); /* a test may have stopped it */
        while (!gone && clock_mono_ms() < deadline_ms) {
            gone = waitpid(server->pid, NULL, WNOHANG) == server->pid;
            if (!gone)
                pause_ms(POLL_MS);
        }
        if (!gone)
            server_kill(server);
    }
    nftw(server->directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    free(server->directory);
    free(server->socket);
    free(server);
}

struct redisContext *server_connect(const struct server *server)
{
    redisContext *redis = redisConnectUnix(server->socket);

    if (!redis || redis->err)
        give_up("connect");
    return redis;
}

const char *server_socket(const struct server *server)
{
    return server->socket;
}

const char *server_directory(const struct server *server)
{
    return server->directory;
}

pid_t server_pid(const struct server *server)
{
    return server->pid;
}

int server_free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) || getsockname(fd, (struct sockaddr *)&address, &bytes))
        give_up("free port");
    close(fd);
    return ntohs(address.sin_port);
}
