/* json_member.h - values of members of a JSON object, checked as they are read. Errors (ERR_INVALID) name the member, the value
 * where it is short, and the limit. Pure. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

struct json_t;

/* The text of a member, of `bytes_max` bytes at most and without a NUL; NULL on failure. Borrowed from `value`. */
const char *json_member_text(const struct json_t *value, const char *name, size_t bytes_max, struct error *err);

/* The same, copied into `ret` of `size` bytes. */
int json_member_copy(const struct json_t *value, const char *name, char *ret, size_t size, struct error *err) MUST_CHECK;

/* A whole number. It may have been read as a double, so that one that is too large is refused here and not by the parser. */
int json_member_integer(const struct json_t *value, const char *name, int64_t low, int64_t high, int64_t *ret,
                        struct error *err) MUST_CHECK;

/* Adds a text to an object. ERR_INVALID if the name or the text is no UTF-8, which JSON cannot say. */
int json_member_add_text(struct json_t *object, const char *name, const char *text, struct error *err) MUST_CHECK;
