/* schedule_file.h - lines of schedules (schedule_json.h) as a whole: each schedule once, and a last line that tells whether the
 * file is all that was written. Pure.
 *
 * Empty lines and those that begin with # are passed over. The last line of what `rota schedule export` writes is
 * {"end":true,"schedules":N,"sha256":"..."}: the sum is that of all bytes before it. A file that people write needs none; where
 * there is one, it must be right, and nothing follows it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/schedule_json.h"

struct schedule_file;

struct schedule_file *schedule_file_new(void);
void schedule_file_free(struct schedule_file *file);

/* Reads the next line, without its newline. Returns 1 with an entry (gives), 0 if there is none in this line. */
int schedule_file_read(struct schedule_file *file, const char *line, size_t bytes, struct schedule_entry *ret,
                       struct error *err) MUST_CHECK;

/* After the last line. `strict`: one without an end is refused. */
int schedule_file_end(const struct schedule_file *file, bool strict, struct error *err) MUST_CHECK;

/* For writing: takes note of a line that was written, newline included. */
void schedule_file_written(struct schedule_file *file, const char *line, size_t bytes);

/* The last line, newline included, appended. */
void schedule_file_add_end(struct schedule_file *file, struct buffer *out);

/* Schedules that were read or written so far. */
size_t schedule_file_count(const struct schedule_file *file);
