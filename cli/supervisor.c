#include "cli/supervisor.h"

#include <errno.h>
#include <ev.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/process.h"
#include "common/buffer.h"
#include "common/memory.h"

#define LINE_BYTES_MAX 4000 /* a longer line is forwarded in parts: with its name it fits into PIPE_BUF */
#define NAME_WIDTH     9
#define WRITE_MS_MAX   100
#define MEMBERS_MAX    16

struct member {
    struct supervisor *supervisor;
    const char *name;
    pid_t pid;
    bool running;
    int log_fd; /* -1: closed */
    ev_child exit;
    ev_io log;
    struct buffer line; /* what came after the last newline */
};

struct supervisor {
    struct ev_loop *loop;
    supervisor_cb *died;
    void *ctx;
    struct member *members[MEMBERS_MAX];
    size_t count;
};

/* ---- log lines ---- */

/* One write for each line, so that lines of several members do not mix. A line that cannot be written is lost: a reader that has
 * gone to sleep must not keep us from ending. */
static void write_line(const struct member *member, const char *line, size_t length)
{
    struct pollfd room = {.fd = STDERR_FILENO, .events = POLLOUT};
    struct buffer out = {0};
    ssize_t ignored;

    if (poll(&room, 1, WRITE_MS_MAX) <= 0)
        return;
    buffer_add_format(&out, "%-*s | ", NAME_WIDTH, member->name);
    buffer_add(&out, line, length);
    buffer_add(&out, "\n", 1);
    ignored = write(STDERR_FILENO, out.data, out.length);
    (void)ignored;
    buffer_clear(&out);
}

static void forward_lines(struct member *member, bool all)
{
    struct buffer *buffer = &member->line;

    while (buffer->length > 0) {
        const char *newline = memchr(buffer->data, '\n', buffer->length);
        size_t length = newline ? (size_t)(newline - buffer->data) : buffer->length;
        if (!newline && !all && length <= LINE_BYTES_MAX)
            return;
        if (length > LINE_BYTES_MAX) {
            write_line(member, buffer->data, LINE_BYTES_MAX);
            buffer_consume(buffer, LINE_BYTES_MAX);
        } else {
            write_line(member, buffer->data, length);
            buffer_consume(buffer, length + (newline != NULL));
        }
    }
}

static void close_log(struct member *member)
{
    if (member->log_fd < 0)
        return;
    ev_io_stop(member->supervisor->loop, &member->log);
    close(member->log_fd);
    member->log_fd = -1;
    forward_lines(member, true);
}

/* False at the end, or when there is nothing more for now. */
static bool read_log(struct member *member)
{
    char bytes[65536];
    ssize_t got = read(member->log_fd, bytes, sizeof bytes);

    if (got > 0) {
        buffer_add(&member->line, bytes, (size_t)got);
        forward_lines(member, false);
    } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
        close_log(member);
    }
    return got > 0;
}

static void on_log(struct ev_loop *loop, ev_io *io, int events)
{
    (void)loop, (void)events;
    read_log(io->data);
}

/* ---- members ---- */

static void on_exit_seen(struct ev_loop *loop, ev_child *watcher, int events)
{
    struct member *member = watcher->data;

    (void)events;
    ev_child_stop(loop, watcher);
    member->running = false;
    while (member->log_fd >= 0 && read_log(member)) /* its last words */
        ;
    member->supervisor->died(member, watcher->rstatus, member->supervisor->ctx);
}

struct supervisor *supervisor_new(struct ev_loop *loop, supervisor_cb *died, void *ctx)
{
    struct supervisor *supervisor = memory_new(sizeof *supervisor);

    *supervisor = (struct supervisor){.loop = loop, .died = died, .ctx = ctx};
    return supervisor;
}

void supervisor_free(struct supervisor *supervisor)
{
    if (!supervisor)
        return;
    for (size_t i = 0; i < supervisor->count; i++) {
        struct member *member = supervisor->members[i];
        ev_child_stop(supervisor->loop, &member->exit);
        close_log(member);
        buffer_clear(&member->line);
        free(member);
    }
    free(supervisor);
}

struct member *supervisor_start(struct supervisor *supervisor, const char *name, const char *const *argv, struct error *err)
{
    struct member *member;
    int log_fd;
    pid_t pid;

    if (supervisor->count == MEMBERS_MAX) {
        error_set(err, ERR_LIMIT, "%s would be process %d, the limit is %d", name, MEMBERS_MAX + 1, MEMBERS_MAX);
        return NULL;
    }
    pid = process_start(argv, &log_fd, err);
    if (pid < 0)
        return NULL;
    member = memory_new(sizeof *member);
    *member = (struct member){.supervisor = supervisor, .name = name, .pid = pid, .running = true, .log_fd = log_fd};
    supervisor->members[supervisor->count++] = member;
    ev_child_init(&member->exit, on_exit_seen, pid, 0);
    ev_io_init(&member->log, on_log, log_fd, EV_READ);
    member->exit.data = member->log.data = member;
    ev_child_start(supervisor->loop, &member->exit);
    ev_io_start(supervisor->loop, &member->log);
    return member;
}

const char *member_name(const struct member *member)
{
    return member->name;
}

pid_t member_pid(const struct member *member)
{
    return member->pid;
}

bool member_is_running(const struct member *member)
{
    return member && member->running;
}

void member_signal(struct member *member, int number)
{
    if (member_is_running(member))
        kill(member->pid, number);
}
