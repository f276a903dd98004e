/* memory.h - allocation that cannot fail: out of memory aborts.
 *
 * A worker that died of it is safe, because its leases are recovered; so no caller carries an untested branch. Sizes that come
 * from outside are checked against a limit first. Memory is freed with free(). */
#pragma once

#include <stddef.h>

/* `bytes` bytes of zeroes (at least one). Gives. */
void *memory_new(size_t bytes) __attribute__((malloc, returns_nonnull));

/* Like realloc(). Gives. */
void *memory_resize(void *old, size_t bytes) __attribute__((returns_nonnull));

/* A copy of `bytes` bytes with a NUL after them. Gives. */
char *memory_copy(const void *from, size_t bytes) __attribute__((returns_nonnull));

/* A copy of a string; NULL gives NULL. Gives. */
char *memory_string(const char *from);

/* A string made with printf's rules. Gives. */
char *memory_format(const char *fmt, ...) __attribute__((format(printf, 1, 2), returns_nonnull));
