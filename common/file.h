/* file.h - small files, read whole: configuration, secrets; and the three that a program begins with. */
#pragma once

#include <stddef.h>

#include "common/error.h"

/* The content of `path`, with a NUL after its *ret_bytes bytes (`ret_bytes` may be NULL). Gives. NULL on failure: ERR_NOT_FOUND
 * if there is no such file, ERR_LIMIT if it is larger than `bytes_max`, ERR_IO otherwise; the message begins with the path. */
char *file_read(const char *path, size_t bytes_max, size_t *ret_bytes, struct error *err);

/* First of all in main: puts /dev/null where descriptor 0, 1 or 2 is closed. Otherwise the next socket takes the number, and what
 * is printed goes into it. */
void file_open_standard(void);
