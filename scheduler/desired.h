/* desired.h - the schedules that a file names (schedule_file.h), and the duty that keeps them so: what is missing or different in
 * Redis is set, step by step, in rounds. What the file does not name is left alone, and so is a pause; one that somebody has
 * removed or changed is set again until its line is taken out. */
#pragma once

#include "scheduler/duty.h"

#define DESIRED_FILE_BYTES_MAX (256LL * 1024 * 1024)

struct desired_file;
struct desired;

/* Reads and checks the whole file. NULL and `err`, with path and line. Gives. */
struct desired_file *desired_file_read(const char *path, struct error *err);
void desired_file_free(struct desired_file *file);
size_t desired_file_count(const struct desired_file *file);

/* Begins with a round at once; the next one begins `every_ms` after a round has ended. Borrows `file`, which is never NULL behind
 * it. */
struct desired *desired_new(const struct duty *duty, struct desired_file *const *file, int64_t every_ms);
void desired_free(struct desired *desired);

/* There is another file behind `file`: begins anew. */
void desired_changed(struct desired *desired);
