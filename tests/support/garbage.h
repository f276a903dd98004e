/* garbage.h - for lane.c and its siblings: what a fixture keeps until the end of a test. */
#pragma once

#include "tests/support/lane.h"

/* Takes a reply and a piece of memory; either may be NULL. */
void keep(struct fixture *f, redisReply *reply, char *memory);

/* A copy with a NUL after it, and a string made with printf's rules. */
const char *keep_bytes(struct fixture *f, const void *bytes, size_t length);
const char *keep_format(struct fixture *f, const char *fmt, va_list args) __attribute__((format(printf, 2, 0)));
