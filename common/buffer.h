/* buffer.h - bytes that grow. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* All zeroes is an empty buffer. `data` is NULL while nothing was added; otherwise a NUL follows the `length` bytes. */
struct buffer {
    char *data;
    size_t length, capacity;
};

void buffer_add(struct buffer *buffer, const void *data, size_t bytes);
void buffer_add_string(struct buffer *buffer, const char *string);
void buffer_add_format(struct buffer *buffer, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Removes the first `bytes` bytes. */
void buffer_consume(struct buffer *buffer, size_t bytes);

/* Empties, keeping the memory. */
void buffer_reset(struct buffer *buffer);

/* Gives the content as a string (never NULL) and leaves the buffer empty. */
char *buffer_give(struct buffer *buffer);

/* Frees the content; the buffer is empty and usable afterwards. */
void buffer_clear(struct buffer *buffer);
