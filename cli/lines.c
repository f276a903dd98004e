#include "cli/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buffer.h"
#include "common/memory.h"

#define READ_BYTES 65536

struct lines {
    char *path;
    int fd;
    bool is_file, ended;
    size_t line_bytes_max, number;
    struct buffer bytes;  /* what was read; */
    size_t start, looked; /* where the next line begins in it; up to where there is no newline in that */
};

struct lines *lines_open(const char *path, size_t line_bytes_max, struct error *err)
{
    struct lines *lines = memory_new(sizeof *lines);
    struct stat status;
    bool is_stdin = strcmp(path, "-") == 0;

    lines->path = memory_string(is_stdin ? "stdin" : path);
    lines->line_bytes_max = line_bytes_max;
    lines->fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (lines->fd < 0 || fstat(lines->fd, &status) < 0) {
        error_set(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "%s: %s", path, strerror(errno));
        lines_close(lines);
        return NULL;
    }
    lines->is_file = !is_stdin && S_ISREG(status.st_mode);
    return lines;
}

bool lines_is_file(const struct lines *lines)
{
    return lines->is_file;
}

int lines_rewind(struct lines *lines, struct error *err)
{
    if (lines->fd < 0 || lseek(lines->fd, 0, SEEK_SET) < 0)
        return error_set(err, ERR_IO, "%s: %s", lines->path, strerror(errno));
    buffer_reset(&lines->bytes);
    lines->start = lines->looked = lines->number = 0;
    lines->ended = false;
    return 0;
}

static int copy_all(struct lines *lines, FILE *copy, struct error *err)
{
    char bytes[READ_BYTES];
    ssize_t got;

    while ((got = read(lines->fd, bytes, sizeof bytes)) != 0) {
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_set(err, ERR_IO, "%s: %s", lines->path, strerror(errno));
        if (fwrite(bytes, 1, (size_t)got, copy) != (size_t)got)
            break;
    }
    if (ferror(copy) || fflush(copy) != 0)
        return error_set(err, ERR_IO, "%s: no room for a copy of it: %s", lines->path, strerror(errno));
    return 0;
}

int lines_keep(struct lines *lines, struct error *err)
{
    FILE *copy;
    int fd = -1, rc;

    if (lines->is_file)
        return 0;
    copy = tmpfile();
    if (!copy)
        return error_set(err, ERR_IO, "%s: no temporary file for a copy of it: %s", lines->path, strerror(errno));
    rc = copy_all(lines, copy, err);
    if (rc == 0 && (fd = fcntl(fileno(copy), F_DUPFD_CLOEXEC, STDERR_FILENO + 1)) < 0)
        rc = error_set(err, ERR_IO, "%s: %s", lines->path, strerror(errno));
    fclose(copy);
    if (rc < 0)
        return rc;
    if (lines->fd > STDERR_FILENO)
        close(lines->fd);
    lines->fd = fd;
    lines->is_file = true;
    return lines_rewind(lines, err);
}

/* Reads more; sets `ended` at the end. */
static int read_more(struct lines *lines, void (*idle)(void *ctx), void *ctx, struct error *err)
{
    struct pollfd ready = {.fd = lines->fd, .events = POLLIN};
    char bytes[READ_BYTES];
    ssize_t got;

    buffer_consume(&lines->bytes, lines->start);
    lines->looked -= lines->start;
    lines->start = 0;
    if (idle && !lines->is_file && poll(&ready, 1, 0) == 0)
        idle(ctx);
    do
        got = read(lines->fd, bytes, sizeof bytes);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return error_set(err, ERR_IO, "%s: %s", lines->path, strerror(errno));
    lines->ended = got == 0;
    buffer_add(&lines->bytes, bytes, (size_t)got);
    return 0;
}

/* Where the next line ends; NULL if that was not read yet. */
static const char *find_newline(struct lines *lines)
{
    const char *newline = NULL;

    if (lines->looked < lines->bytes.length)
        newline = memchr(lines->bytes.data + lines->looked, '\n', lines->bytes.length - lines->looked);
    if (!newline)
        lines->looked = lines->bytes.length;
    return newline;
}

const char *lines_next(struct lines *lines, size_t *ret_bytes, void (*idle)(void *ctx), void *ctx, int *ret_rc, struct error *err)
{
    const char *newline, *line;

    *ret_rc = 0;
    while (!(newline = find_newline(lines)) && !lines->ended && lines->bytes.length - lines->start <= lines->line_bytes_max)
        if ((*ret_rc = read_more(lines, idle, ctx, err)) < 0)
            return NULL;
    if (!newline && lines->bytes.length == lines->start)
        return NULL;
    line = lines->bytes.data + lines->start;
    *ret_bytes = newline ? (size_t)(newline - line) : lines->bytes.length - lines->start;
    lines->number++;
    if (*ret_bytes > lines->line_bytes_max) {
        *ret_rc = error_set(err, ERR_LIMIT, "%s:%zu: the line has more than %zu bytes", lines->path, lines->number,
                            lines->line_bytes_max);
        return NULL;
    }
    lines->start += *ret_bytes + (newline ? 1 : 0);
    lines->looked = lines->start;
    return line;
}

size_t lines_number(const struct lines *lines)
{
    return lines->number;
}

void lines_close(struct lines *lines)
{
    if (!lines)
        return;
    if (lines->fd > STDERR_FILENO)
        close(lines->fd);
    buffer_clear(&lines->bytes);
    free(lines->path);
    free(lines);
}
