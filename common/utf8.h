/* utf8.h - what is UTF-8 and what is not. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The character at `bytes`, and how many of the `length` (at least one) bytes it takes; 0 if they are not UTF-8 (RFC 3629: no
 * overlong forms, no surrogates, nothing above U+10FFFF). */
size_t utf8_decode(const char *bytes, size_t length, uint32_t *ret_character);

/* True if all of it is UTF-8. Nothing at all is. */
bool utf8_is_valid(const char *bytes, size_t length);
