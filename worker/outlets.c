#include "worker/outlets.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <unistd.h>

#define READ_BYTES  65536
#define DRAIN_READS 64 /* more than a pipe holds */

static int payload_file(const char *payload, size_t bytes)
{
    int fd = memfd_create("payload", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0)
        return -1;
    for (size_t done = 0; done < bytes;) {
        ssize_t wrote = write(fd, payload + done, bytes - done);
        if (wrote < 0 && errno != EINTR) {
            close(fd);
            return -1;
        }
        done += wrote > 0 ? (size_t)wrote : 0;
    }
    lseek(fd, 0, SEEK_SET);
    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
    return fd;
}

static void close_pipe(struct outlet_pipe *pipe)
{
    if (pipe->fd < 0)
        return;
    ev_io_stop(pipe->all->loop, &pipe->io);
    close(pipe->fd);
    pipe->fd = -1;
}

/* Takes what is there. Returns its bytes, 0 if there is nothing now, -1 when the other end is closed. */
static ssize_t read_pipe(struct outlet_pipe *pipe)
{
    struct outlets *all = pipe->all;
    char bytes[READ_BYTES];
    ssize_t got = read(pipe->fd, bytes, sizeof bytes);

    if (got < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    if (got == 0)
        return -1;
    all->take((enum outlet)(pipe - all->pipes), bytes, (size_t)got, all->ctx);
    return got;
}

static void on_readable(struct ev_loop *loop, ev_io *io, int events)
{
    (void)loop, (void)events;
    if (read_pipe(io->data) < 0)
        close_pipe(io->data);
}

void outlets_init(struct outlets *outlets, struct ev_loop *loop,
                  void (*take)(enum outlet which, const char *bytes, size_t length, void *ctx), void *ctx)
{
    *outlets = (struct outlets){.loop = loop, .take = take, .ctx = ctx};
    for (int i = 0; i < OUTLETS; i++)
        outlets->pipes[i] = (struct outlet_pipe){.all = outlets, .fd = -1};
}

static bool open_pipe(struct outlet_pipe *pipe, int *ret_fd)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) < 0)
        return false;
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    pipe->fd = ends[0];
    *ret_fd = ends[1];
    ev_io_init(&pipe->io, on_readable, pipe->fd, EV_READ);
    pipe->io.data = pipe;
    ev_io_start(pipe->all->loop, &pipe->io);
    return true;
}

int outlets_open(struct outlets *outlets, const char *payload, size_t payload_bytes, int ret_fds[KEEPER_FDS])
{
    int fds[1 + OUTLETS] = {payload_file(payload, payload_bytes), -1, -1, -1}, code = 0;
    bool opened = fds[0] >= 0;

    for (int i = 0; opened && i < OUTLETS; i++)
        opened = open_pipe(&outlets->pipes[i], &fds[1 + i]);
    if (!opened) {
        code = errno;
        outlets_close(outlets);
    }
    for (int i = 0; i < 1 + OUTLETS; i++) {
        if (opened)
            ret_fds[i] = fds[i];
        else if (fds[i] >= 0)
            close(fds[i]);
    }
    return code;
}

void outlets_drain(struct outlets *outlets)
{
    for (int i = 0; i < OUTLETS; i++) {
        struct outlet_pipe *pipe = &outlets->pipes[i];
        for (int reads = 0; pipe->fd >= 0 && reads < DRAIN_READS && read_pipe(pipe) > 0; reads++)
            ;
        close_pipe(pipe);
    }
}

void outlets_close(struct outlets *outlets)
{
    for (int i = 0; i < OUTLETS; i++)
        close_pipe(&outlets->pipes[i]);
}
