#include "tests/support/proxy.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/buffer.h"
#include "common/memory.h"
#include "tests/support/stream.h"

#define WIRES_MAX   64
#define CHUNK_BYTES 16384
#define CALLS_MAX   64 /* under way at a time */

struct wire {
    int client, server;     /* -1: closed; both: a free wire */
    struct buffer requests; /* read, not yet written to the server */
    bool chosen;            /* it has the name */
    bool named;
    struct stream request, reply;
    char calls[CALLS_MAX][STREAM_CALL_BYTES]; /* delivered; those from `answered` on are under way */
    unsigned delivered, answered;
};

struct proxy {
    char *path, *server_path, *name;
    int listener, bell; /* the bell wakes the thread */
    struct wire wires[WIRES_MAX];
    pthread_t thread;
    pthread_mutex_t lock; /* of what follows */
    bool stop, held, armed, cut;
    enum proxy_way way;
    size_t bytes_left, held_bytes;
    char cut_in[STREAM_CALL_BYTES]; /* bytes_left is counted from the next call of this; "": from now on */
    char cut_call[STREAM_CALL_BYTES];
};

static void give_up(const char *what)
{
    perror(what);
    abort();
}

static int open_socket(const char *path, struct sockaddr_un *ret_address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    *ret_address = (struct sockaddr_un){.sun_family = AF_UNIX};
    snprintf(ret_address->sun_path, sizeof ret_address->sun_path, "%s", path);
    if (fd < 0)
        give_up("proxy: socket");
    return fd;
}

static void close_end(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void close_wire(struct wire *wire)
{
    close_end(&wire->client);
    close_end(&wire->server);
    buffer_clear(&wire->requests);
    *wire = (struct wire){.client = -1, .server = -1};
}

static void write_all(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t wrote = send(fd, bytes, length, MSG_NOSIGNAL);
        if (wrote <= 0)
            return; /* it is gone: reading will tell */
        bytes += wrote;
        length -= (size_t)wrote;
    }
}

static void follow_requests(struct wire *wire, const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (stream_follow(&wire->request, bytes[i]))
            snprintf(wire->calls[wire->delivered++ % CALLS_MAX], STREAM_CALL_BYTES, "%s", stream_call(&wire->request));
}

static void follow_replies(struct wire *wire, const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        wire->answered += stream_follow(&wire->reply, bytes[i]);
}

/* Where among these bytes a request begins that calls `call`; `length` if none does. */
static size_t find_request(const struct wire *wire, const char *bytes, size_t length, const char *call)
{
    struct stream stream = wire->request;
    size_t began = length;

    for (size_t i = 0; i < length; i++) {
        if (stream.elements == 0)
            began = i;
        stream_follow(&stream, bytes[i]);
        if (began < length && strcmp(stream_call(&stream), call) == 0)
            return began;
    }
    return length;
}

/* The same for the reply to one. */
static size_t find_reply(const struct wire *wire, const char *bytes, size_t length, const char *call)
{
    struct stream stream = wire->reply;
    unsigned answered = wire->answered;

    for (size_t i = 0; i < length; i++) {
        if (stream.elements == 0 && answered < wire->delivered && strcmp(wire->calls[answered % CALLS_MAX], call) == 0)
            return i;
        answered += stream_follow(&stream, bytes[i]);
    }
    return length;
}

/* True if the bytes of the cut are being counted; they may be from here on. */
static bool counts(struct proxy *proxy, struct wire *wire, enum proxy_way way, const char *bytes, size_t length)
{
    size_t at = 0;

    if (!proxy->armed || !wire->chosen || way != proxy->way)
        return false;
    if (*proxy->cut_in)
        at = (way == PROXY_REQUESTS ? find_request : find_reply)(wire, bytes, length, proxy->cut_in);
    if (at == length)
        return false;
    proxy->bytes_left += at;
    *proxy->cut_in = '\0';
    return true;
}

/* What the cut hits: a request that is not complete (the rest of it may tell what it is), else the oldest call that is not
 * answered, else the last one. */
static void note_cut(struct proxy *proxy, struct wire *wire, enum proxy_way way, const char *rest, size_t length)
{
    const char *call = "";

    if (way == PROXY_REQUESTS && wire->request.elements > 0) {
        for (size_t i = 0; i < length && wire->request.words < 2; i++)
            stream_follow(&wire->request, rest[i]);
        call = stream_call(&wire->request);
    } else if (wire->delivered > 0) {
        unsigned last = way == PROXY_REPLIES && wire->answered < wire->delivered ? wire->answered : wire->delivered - 1;
        call = wire->calls[last % CALLS_MAX];
    }
    snprintf(proxy->cut_call, sizeof proxy->cut_call, "%s", call);
}

/* Passes bytes on, as many as may pass. False if the wire is cut now. */
static bool pass(struct proxy *proxy, struct wire *wire, enum proxy_way way, const char *bytes, size_t length)
{
    int to = way == PROXY_REQUESTS ? wire->server : wire->client;

    if (counts(proxy, wire, way, bytes, length)) {
        if (length >= proxy->bytes_left) {
            write_all(to, bytes, proxy->bytes_left);
            (way == PROXY_REQUESTS ? follow_requests : follow_replies)(wire, bytes, proxy->bytes_left);
            note_cut(proxy, wire, way, bytes + proxy->bytes_left, length - proxy->bytes_left);
            proxy->armed = false;
            proxy->cut = true;
            close_wire(wire);
            return false;
        }
        proxy->bytes_left -= length;
    }
    (way == PROXY_REQUESTS ? follow_requests : follow_replies)(wire, bytes, length);
    write_all(to, bytes, length);
    return true;
}

/* A connection names itself in its first bytes. */
static void look_for_name(struct proxy *proxy, struct wire *wire)
{
    if (wire->named || wire->requests.length == 0)
        return;
    wire->named = true;
    wire->chosen = memmem(wire->requests.data, wire->requests.length, proxy->name, strlen(proxy->name)) != NULL;
}

static void on_request(struct proxy *proxy, struct wire *wire)
{
    char bytes[CHUNK_BYTES];
    ssize_t got = recv(wire->client, bytes, sizeof bytes, 0);

    if (got <= 0) {
        close_end(&wire->client); /* what it has sent is still to be delivered */
        return;
    }
    buffer_add(&wire->requests, bytes, (size_t)got);
    look_for_name(proxy, wire);
}

static void on_reply(struct proxy *proxy, struct wire *wire)
{
    char bytes[CHUNK_BYTES];
    ssize_t got = recv(wire->server, bytes, sizeof bytes, 0);

    if (got <= 0)
        close_wire(wire);
    else if (wire->client >= 0)
        pass(proxy, wire, PROXY_REPLIES, bytes, (size_t)got);
}

/* Delivers what has gathered, and closes what is over. */
static void deliver(struct proxy *proxy, struct wire *wire)
{
    if (proxy->held && wire->chosen) {
        proxy->held_bytes += wire->requests.length;
        return;
    }
    if (wire->requests.length > 0) {
        if (!pass(proxy, wire, PROXY_REQUESTS, wire->requests.data, wire->requests.length))
            return;
        buffer_reset(&wire->requests);
    }
    if (wire->client < 0 && wire->server >= 0)
        close_wire(wire);
}

static void accept_wire(struct proxy *proxy)
{
    int client = accept(proxy->listener, NULL, NULL);
    struct sockaddr_un address;

    for (size_t i = 0; client >= 0 && i < WIRES_MAX; i++) {
        struct wire *wire = &proxy->wires[i];
        if (wire->client >= 0 || wire->server >= 0)
            continue;
        wire->client = client;
        wire->server = open_socket(proxy->server_path, &address);
        if (connect(wire->server, (struct sockaddr *)&address, sizeof address))
            close_wire(wire);
        return;
    }
    close_end(&client);
}

/* One turn: waits, then reads and delivers. False when it is over. */
static bool turn(struct proxy *proxy)
{
    struct pollfd fds[2 + 2 * WIRES_MAX] = {{.fd = proxy->listener, .events = POLLIN}, {.fd = proxy->bell, .events = POLLIN}};
    uint64_t rings;
    bool on;

    for (size_t i = 0; i < WIRES_MAX; i++) {
        fds[2 + 2 * i] = (struct pollfd){.fd = proxy->wires[i].client, .events = POLLIN};
        fds[3 + 2 * i] = (struct pollfd){.fd = proxy->wires[i].server, .events = POLLIN};
    }
    poll(fds, sizeof fds / sizeof *fds, -1);
    pthread_mutex_lock(&proxy->lock);
    if (fds[1].revents && read(proxy->bell, &rings, sizeof rings) < 0)
        give_up("proxy: bell");
    proxy->held_bytes = 0;
    for (size_t i = 0; i < WIRES_MAX; i++) {
        struct wire *wire = &proxy->wires[i];
        if (wire->client >= 0 && fds[2 + 2 * i].revents)
            on_request(proxy, wire);
        if (wire->server >= 0 && fds[3 + 2 * i].revents)
            on_reply(proxy, wire);
        if (wire->client >= 0 || wire->server >= 0)
            deliver(proxy, wire);
    }
    if (fds[0].revents)
        accept_wire(proxy);
    on = !proxy->stop;
    pthread_mutex_unlock(&proxy->lock);
    return on;
}

static void *run(void *arg)
{
    while (turn(arg))
        ;
    return NULL;
}

struct proxy *proxy_start(const char *listen_path, const char *server_path, const char *name)
{
    struct proxy *proxy = memory_new(sizeof *proxy);
    struct sockaddr_un address;
    sigset_t all, before;

    proxy->path = memory_string(listen_path);
    proxy->server_path = memory_string(server_path);
    proxy->name = memory_string(name);
    for (size_t i = 0; i < WIRES_MAX; i++)
        proxy->wires[i] = (struct wire){.client = -1, .server = -1};
    pthread_mutex_init(&proxy->lock, NULL);
    proxy->bell = eventfd(0, EFD_CLOEXEC);
    proxy->listener = open_socket(listen_path, &address);
    if (bind(proxy->listener, (struct sockaddr *)&address, sizeof address) || listen(proxy->listener, WIRES_MAX))
        give_up("proxy: listen");
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&proxy->thread, NULL, run, proxy))
        give_up("proxy: thread");
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return proxy;
}

/* Ends a change that was made under the lock. */
static void unlock_and_ring(struct proxy *proxy)
{
    pthread_mutex_unlock(&proxy->lock);
    if (eventfd_write(proxy->bell, 1))
        give_up("proxy: bell");
}

void proxy_free(struct proxy *proxy)
{
    if (!proxy)
        return;
    pthread_mutex_lock(&proxy->lock);
    proxy->stop = true;
    unlock_and_ring(proxy);
    pthread_join(proxy->thread, NULL);
    for (size_t i = 0; i < WIRES_MAX; i++)
        close_wire(&proxy->wires[i]);
    close(proxy->listener);
    close(proxy->bell);
    unlink(proxy->path);
    free(proxy->path);
    free(proxy->server_path);
    free(proxy->name);
    free(proxy);
}

void proxy_cut_after(struct proxy *proxy, enum proxy_way way, size_t bytes)
{
    proxy_cut_in(proxy, way, "", bytes);
}

void proxy_cut_in(struct proxy *proxy, enum proxy_way way, const char *call, size_t bytes)
{
    pthread_mutex_lock(&proxy->lock);
    snprintf(proxy->cut_in, sizeof proxy->cut_in, "%s", call);
    proxy->way = way;
    proxy->bytes_left = bytes;
    proxy->cut = false;
    proxy->armed = true;
    unlock_and_ring(proxy);
}

bool proxy_was_cut(struct proxy *proxy)
{
    bool cut;

    pthread_mutex_lock(&proxy->lock);
    cut = proxy->cut;
    proxy->armed = proxy->cut = false;
    pthread_mutex_unlock(&proxy->lock);
    return cut;
}

bool proxy_cut_call(struct proxy *proxy, char ret_call[STREAM_CALL_BYTES])
{
    bool cut;

    pthread_mutex_lock(&proxy->lock);
    cut = proxy->cut;
    snprintf(ret_call, STREAM_CALL_BYTES, "%s", proxy->cut_call);
    pthread_mutex_unlock(&proxy->lock);
    return cut;
}

void proxy_hold(struct proxy *proxy, bool held)
{
    pthread_mutex_lock(&proxy->lock);
    proxy->held = held;
    unlock_and_ring(proxy);
}

size_t proxy_held_bytes(struct proxy *proxy)
{
    size_t bytes;

    pthread_mutex_lock(&proxy->lock);
    bytes = proxy->held_bytes;
    pthread_mutex_unlock(&proxy->lock);
    return bytes;
}
