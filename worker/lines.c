#include "worker/lines.h"

#include <string.h>

static void end_line(struct lines *lines)
{
    if (lines->is_dropped)
        lines->dropped++;
    else
        lines->on_line(lines->line.data ? lines->line.data : "", lines->line.length, lines->ctx);
    lines->is_dropped = false;
    buffer_reset(&lines->line);
}

void lines_add(struct lines *lines, const char *bytes, size_t length)
{
    while (length > 0) {
        const char *end = memchr(bytes, '\n', length);
        size_t part = end ? (size_t)(end - bytes) : length;
        if (lines->line.length + part > lines->bytes_max)
            lines->is_dropped = true;
        if (lines->is_dropped)
            buffer_reset(&lines->line);
        else
            buffer_add(&lines->line, bytes, part);
        if (end)
            end_line(lines);
        part += end != NULL;
        bytes += part;
        length -= part;
    }
}

void lines_clear(struct lines *lines)
{
    buffer_clear(&lines->line);
    *lines = (struct lines){0};
}
