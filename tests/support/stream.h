/* stream.h - follows what goes over a wire to Redis (RESP2), byte by byte: where a message ends, and what a request calls. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STREAM_CALL_BYTES 32

/* One way of a wire. All zeroes: between two messages. */
struct stream {
    int64_t elements; /* of the message that are still to come */
    int64_t bytes;    /* of the string under way that are still to come, with its end of line; 0: a line is under way */
    char text[STREAM_CALL_BYTES];
    size_t length;  /* of `text`: what was kept of that line or string */
    unsigned words; /* strings of the message that are complete */
    char call[STREAM_CALL_BYTES];
};

/* Takes the next byte. True if a message ends with it. */
bool stream_follow(struct stream *stream, char byte);

/* What the request under way, or the one before it where none is, calls: the command, or the function of an FCALL; cut off after
 * 31 bytes. "" as long as it is not known. */
const char *stream_call(const struct stream *stream);
