/* log_text.h - what is kept of what a handler writes to stderr: its beginning and its end, as text. Pure.
 *
 * Whatever comes in, what is kept is UTF-8 that does no harm on a terminal: a byte that is no UTF-8 becomes U+FFFD, a control
 * byte its picture (ESC is U+241B), other control and direction marks U+FFFD; tab and new line stay. A line is cut behind
 * LOG_TEXT_LINE_BYTES_MAX. The first LOG_TEXT_HEAD_BYTES of the text are kept and its last LOG_TEXT_TAIL_BYTES; between them
 * stands how much is missing. Memory is taken as it is needed. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buffer.h"

#define LOG_TEXT_HEAD_BYTES     (16 * 1024)
#define LOG_TEXT_TAIL_BYTES     (48 * 1024)
#define LOG_TEXT_LINE_BYTES_MAX (8 * 1024)
#define LOG_TEXT_ERROR_BYTES    960 /* with "killed by signal 11: " before it, it fits into JOB_ERROR_BYTES_MAX */

/* A line of the head, complete, without its end. */
typedef void log_line_cb(const char *line, size_t bytes, void *ctx);

/* All zeroes is an empty log; `on_line` and `ctx` may be set before the first byte. The rest is private. */
struct log_text {
    log_line_cb *on_line;
    void *ctx;
    int64_t bytes; /* written, all in all */
    unsigned char partial[4];
    unsigned partial_bytes;
    size_t line_bytes; /* of the line under way, as far as they were kept */
    size_t line_start; /* in the head */
    int64_t cut_bytes; /* of lines that were too long */
    struct buffer head, error;
    char *tail; /* a ring; NULL until the head is full */
    int64_t tail_bytes;
    bool error_is_cut;
};

void log_text_add(struct log_text *log, const char *bytes, size_t length);

/* Ends the line under way. To be called once, when nothing more comes. */
void log_text_end(struct log_text *log);

/* The text that is kept, and how many of its bytes are not. After log_text_end. Gives. */
char *log_text_give(struct log_text *log, size_t *ret_bytes, int64_t *ret_omitted_bytes);

/* The last bytes of the log, for an error message: at most LOG_TEXT_ERROR_BYTES, from a whole character on, without space at its
 * end. Lines are not cut here. After log_text_end. Gives. */
char *log_text_error(const struct log_text *log);

/* Forgets what is kept, but for the line under way: a new head begins with it. */
void log_text_renew(struct log_text *log);

void log_text_clear(struct log_text *log);
