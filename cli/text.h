/* text.h - bytes of users as text for a terminal: nothing that they contain moves the cursor or breaks out of its line. Pure. */
#pragma once

#include <stddef.h>

#include "common/buffer.h"

/* Appends the bytes as one line: newline, return and tab become \n \r \t, other control characters (C0, C1, line separators and
 * those that turn the direction of text) \u202e, every byte that is not UTF-8 \xff. A backslash stays one. */
void text_add_plain(struct buffer *out, const char *bytes, size_t length);

/* The same into `ret` of `size` bytes, as much as has room, with no half character at the end. */
void text_copy_plain(char *ret, size_t size, const char *text);

/* Columns that plain text takes: one for each character, none for a combining one. */
size_t text_width(const char *text);
