/* lines.h - lines from a file or a pipe, in order, without reading it whole. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"

struct lines;

/* Opens `path`; "-" is stdin. `line_bytes_max`: a longer line is refused. Gives. NULL on failure. */
struct lines *lines_open(const char *path, size_t line_bytes_max, struct error *err);

/* True if it is a file, that can be read twice. lines_rewind begins anew. */
bool lines_is_file(const struct lines *lines);
int lines_rewind(struct lines *lines, struct error *err) MUST_CHECK;

/* Makes sure that it can be read again: what comes through a pipe is copied, up to its end, to a temporary file without a name.
 */
int lines_keep(struct lines *lines, struct error *err) MUST_CHECK;

/* The next line, without its newline; borrowed until the next call. NULL at the end, with *ret_rc 0, or on failure, with its
 * code. `idle`, if not NULL, runs before this waits for more to come. */
const char *lines_next(struct lines *lines, size_t *ret_bytes, void (*idle)(void *ctx), void *ctx, int *ret_rc,
                       struct error *err);

/* The number of the line that lines_next gave last, from 1. */
size_t lines_number(const struct lines *lines);

void lines_close(struct lines *lines);
