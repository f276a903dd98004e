/* json_text.h - where a member stands in the text of a JSON object: a payload given as JSON is passed on byte for byte, since
 * reading and writing it again would change its numbers. Pure. */
#pragma once

#include <stddef.h>

/* The text of the value of member `name` at the top of the object in `text`, without spaces around it; NULL if there is none with
 * that spelling. `text` has been parsed before: it is a valid JSON object. Borrowed from `text`. */
const char *json_text_member(const char *text, size_t length, const char *name, size_t *ret_length);
