/* lines.h - a stream of bytes as lines. Pure. What comes without an end of line at last is none. */
#pragma once

#include <stdbool.h>

#include "common/buffer.h"

/* Set the first three; zeroes for the rest. */
struct lines {
    size_t bytes_max; /* of one, without its end; what is longer is dropped and counted */
    void (*on_line)(const char *line, size_t bytes, void *ctx);
    void *ctx;
    unsigned dropped;
    /* Private. */
    struct buffer line; /* the one under way */
    bool is_dropped;
};

/* Tells of each line that is complete. */
void lines_add(struct lines *lines, const char *bytes, size_t length);
void lines_clear(struct lines *lines);
