/* base64.h - RFC 4648 base64, for bytes in JSON that are not text. Pure. */
#pragma once

#include <stddef.h>

#include "common/error.h"

/* Gives. */
char *base64_encode(const void *bytes, size_t length);

/* Gives the bytes, a NUL after them. NULL (ERR_INVALID) for what is not base64; the padding must be there. */
char *base64_decode(const char *text, size_t length, size_t *ret_length, struct error *err);
