/* reply.h - what Redis answered. A reply belongs to the callback it was handed to and ends with it.
 *
 * Accessors never fail: what is not there reads as nothing (0, "", no elements), so that a decoder checks shapes once and then
 * reads. A nil and an empty string differ only in reply_is_nil(). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reply;

bool reply_is_nil(const struct reply *reply);
bool reply_is_array(const struct reply *reply);

/* Number of elements of an array, else 0. */
size_t reply_count(const struct reply *reply);

/* Element `index` of an array; NULL (which all accessors take as nil) if there is none. */
const struct reply *reply_at(const struct reply *reply, size_t index);

/* An integer, or a string that holds a decimal integer; else 0. */
int64_t reply_int(const struct reply *reply);

/* The bytes of a string or status; never NULL, a NUL follows. */
const char *reply_bytes(const struct reply *reply, size_t *ret_length);
const char *reply_string(const struct reply *reply);

/* True if the reply is the string or status `word`. */
bool reply_is(const struct reply *reply, const char *word);

/* Reads one whole reply in RESP2 ("*2\r\n:1\r\n$-1\r\n"), so that decoders can be tested without a server. Gives; NULL if it is
 * not one. */
struct reply *reply_parse(const char *bytes, size_t length);
void reply_free(struct reply *reply);
