/* text_file.h - writes a small file in a test. */
#pragma once

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* Makes `path` hold `text`. */
static inline void write_text_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}
