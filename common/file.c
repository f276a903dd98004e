#include "common/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/buffer.h"

#define CHUNK_BYTES 16384

/* Reads `fd` to its end; stops once there is more than `bytes_max`. */
static int read_all(struct buffer *buffer, int fd, size_t bytes_max)
{
    char chunk[CHUNK_BYTES];
    ssize_t got;

    do {
        got = read(fd, chunk, sizeof chunk);
        if (got < 0 && errno != EINTR)
            return -1;
        if (got > 0)
            buffer_add(buffer, chunk, (size_t)got);
    } while (got != 0 && buffer->length <= bytes_max);
    return 0;
}

char *file_read(const char *path, size_t bytes_max, size_t *ret_bytes, struct error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    struct buffer buffer = {0};
    char *content = NULL;

    if (fd < 0) {
        error_set(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "%s: %s", path, strerror(errno));
        return NULL;
    }
    if (read_all(&buffer, fd, bytes_max) < 0)
        error_set(err, ERR_IO, "%s: %s", path, strerror(errno));
    else if (buffer.length > bytes_max)
        error_set(err, ERR_LIMIT, "%s: has more than %zu bytes", path, bytes_max);
    else {
        if (ret_bytes)
            *ret_bytes = buffer.length;
        content = buffer_give(&buffer);
    }
    close(fd);
    buffer_clear(&buffer);
    return content;
}

void file_open_standard(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR); /* takes the lowest number that is free */
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}
