#include "tests/support/fake.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ev.h>
#include <hiredis/hiredis.h>

#include "common/memory.h"

struct fake_private {
    struct ev_loop *loop;
    int listener, fd; /* fd -1: no connection */
    ev_io accepting, reading;
    redisReader *reader; /* commands have the form of replies */
    bool greeted;
    size_t read_bytes, written_bytes; /* since the greeting */
};

void fake_hang_up(struct fake *fake)
{
    struct fake_private *own = fake->own;

    if (own->fd < 0)
        return;
    ev_io_stop(own->loop, &own->reading);
    close(own->fd);
    redisReaderFree(own->reader);
    own->fd = -1;
    own->reader = NULL;
}

/* Writes what the limit allows; false once it is reached. */
static bool put(struct fake *fake, const char *bytes)
{
    struct fake_private *own = fake->own;
    size_t length = strlen(bytes), allowed = own->greeted ? fake->written_bytes_max - own->written_bytes : length;
    size_t now = length < allowed ? length : allowed;

    if (now > 0 && write(own->fd, bytes, now) < 0)
        return false;
    own->written_bytes += own->greeted ? now : 0;
    return !own->greeted || own->written_bytes < fake->written_bytes_max;
}

/* False if it is time to hang up. */
static bool serve(struct fake *fake, const redisReply *command)
{
    struct fake_private *own = fake->own;
    bool is_ping = command->elements > 0 && strcasecmp(command->element[0]->str, "PING") == 0;
    const char *answer = is_ping ? fake->ping : own->greeted ? fake->answer : "+OK\r\n";
    bool goes_on = !answer || put(fake, answer);

    fake->commands++;
    own->greeted = own->greeted || (is_ping && answer && *answer == '+');
    return goes_on && !(own->greeted && own->read_bytes >= fake->read_bytes_max);
}

static bool serve_all(struct fake *fake)
{
    void *command;

    while (redisReaderGetReply(fake->own->reader, &command) == REDIS_OK && command) {
        bool goes_on = serve(fake, command);
        freeReplyObject(command);
        if (!goes_on)
            return false;
    }
    return true;
}

static void on_readable(struct ev_loop *loop, ev_io *watcher, int events)
{
    struct fake *fake = watcher->data;
    struct fake_private *own = fake->own;
    char bytes[65536];
    size_t allowed = own->greeted ? fake->read_bytes_max - own->read_bytes : sizeof bytes;
    ssize_t got;

    (void)loop, (void)events;
    if (fake->deaf) {
        ev_io_stop(own->loop, &own->reading);
        return;
    }
    got = read(own->fd, bytes, allowed < sizeof bytes ? allowed : sizeof bytes);
    if (got <= 0) {
        fake_hang_up(fake);
        return;
    }
    own->read_bytes += own->greeted ? (size_t)got : 0;
    redisReaderFeed(own->reader, bytes, (size_t)got);
    if (!serve_all(fake) || (own->greeted && own->read_bytes >= fake->read_bytes_max))
        fake_hang_up(fake);
}

static void on_connection(struct ev_loop *loop, ev_io *watcher, int events)
{
    struct fake *fake = watcher->data;
    struct fake_private *own = fake->own;

    (void)events;
    fake_hang_up(fake);
    own->fd = accept4(own->listener, NULL, NULL, SOCK_CLOEXEC);
    if (own->fd < 0)
        return;
    fake->connections++;
    own->reader = redisReaderCreate();
    own->greeted = false;
    own->read_bytes = own->written_bytes = 0;
    ev_io_init(&own->reading, on_readable, own->fd, EV_READ);
    own->reading.data = fake;
    ev_io_start(loop, &own->reading);
}

struct fake *fake_new(struct ev_loop *loop)
{
    struct fake *fake = memory_new(sizeof *fake);
    struct fake_private *own = memory_new(sizeof *own);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof address;

    own->loop = loop;
    own->fd = -1;
    own->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (own->listener < 0 || bind(own->listener, (struct sockaddr *)&address, sizeof address) < 0 ||
        listen(own->listener, 16) < 0 || getsockname(own->listener, (struct sockaddr *)&address, &bytes) < 0) {
        perror("fake server");
        abort();
    }
    *fake = (struct fake){.ping = "+PONG\r\n",
                          .answer = "+OK\r\n",
                          .read_bytes_max = FAKE_NO_LIMIT,
                          .written_bytes_max = FAKE_NO_LIMIT,
                          .own = own};
    snprintf(fake->url, sizeof fake->url, "redis://127.0.0.1:%d", ntohs(address.sin_port));
    ev_io_init(&own->accepting, on_connection, own->listener, EV_READ);
    own->accepting.data = fake;
    ev_io_start(loop, &own->accepting);
    return fake;
}

void fake_free(struct fake *fake)
{
    if (!fake)
        return;
    fake_hang_up(fake);
    ev_io_stop(fake->own->loop, &fake->own->accepting);
    close(fake->own->listener);
    free(fake->own);
    free(fake);
}

void fake_say(struct fake *fake, const char *bytes)
{
    put(fake, bytes);
}

int faked_setup(void **state)
{
    struct faked *f = memory_new(sizeof *f);

    f->client = client_new();
    f->fake = fake_new(f->client->loop);
    *state = f;
    return 0;
}

int faked_teardown(void **state)
{
    struct faked *f = *state;

    fake_free(f->fake);
    client_free(f->client);
    free(f);
    return 0;
}
