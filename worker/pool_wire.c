#include "worker/pool_wire.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "worker/pool_frame.h"

#define READ_BYTES  65536
#define DRAIN_READS 64 /* more than socket or pipe hold */

static void stop(struct pool_wire *wire)
{
    ev_io_stop(wire->loop, &wire->reader);
    ev_io_stop(wire->loop, &wire->writer);
    ev_prepare_stop(wire->loop, &wire->flush);
}

static void breaks(struct pool_wire *wire, const char *why)
{
    stop(wire);
    wire->on_broken(why, wire->ctx);
}

/* ---- frames ---- */

/* Tells of each whole line. A callback may close the wire. */
static void split(struct pool_wire *wire)
{
    size_t at = 0;
    const char *end;

    while (wire->fd >= 0 && at < wire->in.length && (end = memchr(wire->in.data + at, '\n', wire->in.length - at))) {
        size_t bytes = (size_t)(end - (wire->in.data + at));
        wire->on_frame(wire->in.data + at, bytes, wire->ctx);
        at += bytes + 1;
    }
    if (wire->fd >= 0)
        buffer_consume(&wire->in, at);
}

/* Returns the bytes read, 0 if there are none now, -1 at the end. */
static ssize_t read_frames(struct pool_wire *wire)
{
    char bytes[READ_BYTES];
    ssize_t got = read(wire->fd, bytes, sizeof bytes);

    if (got < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    if (got == 0)
        return -1;
    buffer_add(&wire->in, bytes, (size_t)got);
    split(wire);
    return got;
}

static void on_readable(struct ev_loop *loop, ev_io *io, int events)
{
    struct pool_wire *wire = io->data;
    ssize_t got = read_frames(wire);

    (void)loop, (void)events;
    if (wire->fd < 0)
        return;
    if (got < 0)
        breaks(wire, "it has closed its socket");
    else if (wire->in.length > POOL_FRAME_BYTES_MAX)
        breaks(wire, "a frame is too long");
}

static void write_out(struct pool_wire *wire)
{
    ssize_t wrote = wire->out.length > 0 ? send(wire->fd, wire->out.data, wire->out.length, MSG_NOSIGNAL | MSG_DONTWAIT) : 0;

    if (wrote > 0)
        buffer_consume(&wire->out, (size_t)wrote);
    if (wrote < 0 && errno != EAGAIN && errno != EINTR) { /* the reader hears of its end */
        buffer_reset(&wire->out);
        return;
    }
    if (wire->out.length > 0)
        ev_io_start(wire->loop, &wire->writer);
    else
        ev_io_stop(wire->loop, &wire->writer);
}

static void on_writable(struct ev_loop *loop, ev_io *io, int events)
{
    (void)loop, (void)events;
    write_out(io->data);
}

static void on_flush(struct ev_loop *loop, ev_prepare *prepare, int events)
{
    struct pool_wire *wire = prepare->data;

    (void)events;
    ev_prepare_stop(loop, prepare);
    if (!ev_is_active(&wire->writer))
        write_out(wire);
}

struct buffer *pool_wire_out(struct pool_wire *wire)
{
    ev_prepare_start(wire->loop, &wire->flush);
    return &wire->out;
}

void pool_wire_end(struct pool_wire *wire)
{
    ev_prepare_stop(wire->loop, &wire->flush);
    write_out(wire);
    shutdown(wire->fd, SHUT_WR);
}

void pool_wire_drain_frames(struct pool_wire *wire)
{
    for (int reads = 0; wire->fd >= 0 && reads < DRAIN_READS && read_frames(wire) > 0; reads++)
        ;
}

/* ---- what it prints ---- */

static ssize_t read_output(struct pool_wire *wire)
{
    char bytes[READ_BYTES];
    ssize_t got = read(wire->output_fd, bytes, sizeof bytes);

    if (got > 0)
        wire->on_output(bytes, (size_t)got, wire->ctx);
    return got < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : got > 0 ? got : -1;
}

static void on_output(struct ev_loop *loop, ev_io *io, int events)
{
    (void)events;
    if (read_output(io->data) < 0)
        ev_io_stop(loop, io); /* it has closed it */
}

void pool_wire_drain_output(struct pool_wire *wire)
{
    for (int reads = 0; wire->output_fd >= 0 && reads < DRAIN_READS && read_output(wire) > 0; reads++)
        ;
}

/* ---- open and close ---- */

static void watch(struct pool_wire *wire)
{
    ev_io_init(&wire->reader, on_readable, wire->fd, EV_READ);
    ev_io_init(&wire->writer, on_writable, wire->fd, EV_WRITE);
    ev_io_init(&wire->output, on_output, wire->output_fd, EV_READ);
    ev_prepare_init(&wire->flush, on_flush);
    wire->reader.data = wire->writer.data = wire->output.data = wire->flush.data = wire;
    ev_io_start(wire->loop, &wire->reader);
    ev_io_start(wire->loop, &wire->output);
}

int pool_wire_open(struct pool_wire *wire, int ret_fds[KEEPER_FDS])
{
    int sockets[2] = {-1, -1}, pipes[2] = {-1, -1}, null = open("/dev/null", O_RDONLY | O_CLOEXEC), again, code;

    if (null < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) < 0 || pipe2(pipes, O_CLOEXEC) < 0 ||
        (again = fcntl(pipes[1], F_DUPFD_CLOEXEC, 0)) < 0) {
        code = errno;
        for (int i = 0; i < 2; i++) {
            if (sockets[i] >= 0)
                close(sockets[i]);
            if (pipes[i] >= 0)
                close(pipes[i]);
        }
        if (null >= 0)
            close(null);
        return code;
    }
    fcntl(sockets[0], F_SETFL, O_NONBLOCK);
    fcntl(pipes[0], F_SETFL, O_NONBLOCK);
    wire->fd = sockets[0];
    wire->output_fd = pipes[0];
    ret_fds[0] = null;
    ret_fds[1] = pipes[1];
    ret_fds[2] = again;
    ret_fds[3] = sockets[1];
    watch(wire);
    return 0;
}

void pool_wire_close(struct pool_wire *wire)
{
    if (!wire->loop || wire->fd < 0)
        return;
    stop(wire);
    ev_io_stop(wire->loop, &wire->output);
    close(wire->fd);
    close(wire->output_fd);
    wire->fd = wire->output_fd = -1;
    buffer_clear(&wire->in);
    buffer_clear(&wire->out);
}
