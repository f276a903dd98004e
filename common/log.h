/* log.h - one line per event on stderr or in a file, one write(2) each: logfmt on a terminal, JSON lines elsewhere, or what is
 * set.
 *
 *   time=2026-11-20T08:15:58.123Z level=info program=rota-worker msg="worker started" slots=4
 *   {"time":"2026-11-20T08:15:58.123Z","level":"info","program":"rota-worker","msg":"worker started","slots":4}
 *
 * The process-wide settings here are the only mutable globals of Rota. A value never breaks out of its field, its line or the
 * terminal: what is not a plain word is quoted as a JSON string in both formats, where control characters (C0, C1, line
 * separators and those that turn the direction of text) become \uXXXX, and every byte that is not UTF-8 becomes U+FFFD. A line
 * has at most LOG_LINE_BYTES_MAX bytes, the newline included; a longer one is cut, remains well-formed and ends with cut=true. A
 * line that cannot be written is lost. */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

#define LOG_LINE_BYTES_MAX 4096 /* PIPE_BUF: lines of several processes do not mix in a pipe */

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

/* Sets what is written. `program` goes into every line; borrowed. `format`: "logfmt", "json" or NULL (by terminal). Before the
 * first call: no program, level info, logfmt. */
void log_setup(const char *program, enum log_level level, const char *format);

void log_set_level(enum log_level level);

/* From now on lines are appended to the file at `path`, which is made if it is not there; NULL: to stderr again. On
 * failure nothing changes. To be called before log_setup, which looks whether it is a terminal. */
int log_to_file(const char *path, struct error *err) MUST_CHECK;

/* Opens the file again by its name, after it was moved away by whoever rotates logs. Where that fails the old one is kept, and
 * the log says so. */
void log_reopen(void);

/* "debug", "info", "warn", "error"; false if it is none of them. */
bool log_level_parse(enum log_level *ret, const char *name);

const char *log_level_name(enum log_level level);

bool log_enabled(enum log_level level);

/* A line: message, then key, format and value by printf's rules in one string, as in
 *   log_info("job done", "job=%s/%s ms=%lld", org, id, ms);
 * `fields` is a logfmt template: key=value, separated by one space each. Keys are [a-z0-9_]+; a value is made of text and of the
 * conversions %s %d %u %ld %lu %lld %llu %zu %.3f; others are a mistake of ours (assert). Each value is formatted and escaped on
 * its own, and quoted by the writer where it must be, never by the caller. In JSON a value that is one numeric conversion is a
 * number, everything else a string. NULL for no fields. */
void log_line(enum log_level level, const char *message, const char *fields, ...) __attribute__((format(printf, 3, 4)));
void log_line_list(enum log_level level, const char *message, const char *fields, va_list args)
    __attribute__((format(printf, 3, 0)));

#define log_debug(message, ...) (log_enabled(LOG_LEVEL_DEBUG) ? log_line(LOG_LEVEL_DEBUG, message, __VA_ARGS__) : (void)0)
#define log_info(message, ...)  log_line(LOG_LEVEL_INFO, message, __VA_ARGS__)
#define log_warn(message, ...)  log_line(LOG_LEVEL_WARN, message, __VA_ARGS__)
#define log_error(message, ...) log_line(LOG_LEVEL_ERROR, message, __VA_ARGS__)
