#include "common/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"

/* Makes room for `more` bytes and a NUL. */
static void reserve(struct buffer *buffer, size_t more)
{
    size_t needed = buffer->length + more + 1, capacity = buffer->capacity ? buffer->capacity : 64;

    if (needed <= buffer->capacity)
        return;
    while (capacity < needed)
        capacity *= 2;
    buffer->data = memory_resize(buffer->data, capacity);
    buffer->capacity = capacity;
}

void buffer_add(struct buffer *buffer, const void *data, size_t bytes)
{
    reserve(buffer, bytes);
    if (bytes)
        memcpy(buffer->data + buffer->length, data, bytes);
    buffer->length += bytes;
    buffer->data[buffer->length] = '\0';
}

void buffer_add_string(struct buffer *buffer, const char *string)
{
    buffer_add(buffer, string, strlen(string));
}

void buffer_add_format(struct buffer *buffer, const char *fmt, ...)
{
    va_list args, again;
    int length;

    va_start(args, fmt);
    va_copy(again, args);
    length = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (length > 0) {
        reserve(buffer, (size_t)length);
        vsnprintf(buffer->data + buffer->length, (size_t)length + 1, fmt, again);
        buffer->length += (size_t)length;
    }
    va_end(again);
}

void buffer_consume(struct buffer *buffer, size_t bytes)
{
    if (bytes >= buffer->length) {
        buffer_reset(buffer);
        return;
    }
    memmove(buffer->data, buffer->data + bytes, buffer->length - bytes + 1);
    buffer->length -= bytes;
}

void buffer_reset(struct buffer *buffer)
{
    buffer->length = 0;
    if (buffer->data)
        buffer->data[0] = '\0';
}

char *buffer_give(struct buffer *buffer)
{
    char *data = buffer->data ? buffer->data : memory_copy("", 0);

    *buffer = (struct buffer){0};
    return data;
}

void buffer_clear(struct buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct buffer){0};
}
