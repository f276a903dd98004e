#include "common/log.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/memory.h"
#include "common/units.h"
#include "common/utf8.h"

/* Kept free for what ends a line that was cut: a quote, `,"cut":true`, a brace, the newline. */
#define TAIL_BYTES 16

/* A longer word is quoted, so that it can be cut. */
#define WORD_BYTES_MAX 256

static const char *log_program = NULL;
static enum log_level log_level_min = LOG_LEVEL_INFO;
static bool log_json = false;
static char *log_path = NULL;
static int log_fd = STDERR_FILENO;

static const char *const level_names[] = {"debug", "info", "warn", "error"};

/* A line that grows up to its limit. Once something did not fit, nothing more is added. */
struct line {
    char bytes[LOG_LINE_BYTES_MAX];
    size_t length;
    bool cut;
};

/* A value before it is escaped. It is cut where the line would be cut anyway. */
struct value {
    char bytes[LOG_LINE_BYTES_MAX];
    size_t length;
    bool number;
};

/* A template being read, with the arguments that are left. */
struct fields {
    const char *at;
    va_list args;
};

/* All of `bytes` or nothing, so that an escape is never split. */
static void put(struct line *line, const char *bytes, size_t length)
{
    if (line->cut || line->length + length > sizeof line->bytes - TAIL_BYTES) {
        line->cut = true;
        return;
    }
    memcpy(line->bytes + line->length, bytes, length);
    line->length += length;
}

/* What belongs to the tail, for which there is always room. */
static void put_tail(struct line *line, const char *string)
{
    size_t length = strlen(string);

    assert(line->length + length <= sizeof line->bytes);
    memcpy(line->bytes + line->length, string, length);
    line->length += length;
}

static void add(struct value *value, const char *bytes, size_t length)
{
    size_t room = sizeof value->bytes - value->length;

    if (length > room)
        length = room;
    memcpy(value->bytes + value->length, bytes, length);
    value->length += length;
}

static void add_string(struct value *value, const char *string)
{
    if (!string)
        string = "(null)";
    add(value, string, strnlen(string, sizeof value->bytes));
}

static void add_signed(struct value *value, long long number)
{
    char text[24];

    add(value, text, (size_t)snprintf(text, sizeof text, "%lld", number));
}

static void add_unsigned(struct value *value, unsigned long long number)
{
    char text[24];

    add(value, text, (size_t)snprintf(text, sizeof text, "%llu", number));
}

static void add_real(struct value *value, double number)
{
    char text[320]; /* DBL_MAX has 309 digits before the point */

    add(value, text, (size_t)snprintf(text, sizeof text, "%.3f", number));
    if (!isfinite(number))
        value->number = false; /* JSON has no NaN */
}

/* Characters that steer a terminal or a reader's eye instead of being read: C0, DEL, C1, and Unicode's separators and directions.
 */
static bool is_control(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code <= 0x9f) || code == 0x61c || code == 0x200e || code == 0x200f ||
           (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) || code == 0xfeff;
}

/* One character inside quotes. */
static void put_character(struct line *line, const char *bytes, size_t length, uint32_t code)
{
    char escape[8];

    if (code == '"' || code == '\\')
        snprintf(escape, sizeof escape, "\\%c", (int)code);
    else if (code == '\n')
        snprintf(escape, sizeof escape, "\\n");
    else if (code == '\t')
        snprintf(escape, sizeof escape, "\\t");
    else if (is_control(code))
        snprintf(escape, sizeof escape, "\\u%04x", code & 0xffff);
    else {
        put(line, bytes, length);
        return;
    }
    put(line, escape, strlen(escape));
}

/* The inside of a JSON string. */
static void put_escaped(struct line *line, const char *text, size_t bytes)
{
    for (size_t at = 0, length; at < bytes && !line->cut; at += length) {
        uint32_t code = 0;
        length = utf8_decode(text + at, bytes - at, &code);
        if (length)
            put_character(line, text + at, length, code);
        else {
            put(line, "\xef\xbf\xbd", 3);
            length = 1;
        }
    }
}

static bool is_word(const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        if (text[i] <= ' ' || text[i] > '~' || text[i] == '"' || text[i] == '=' || text[i] == '\\')
            return false;
    return bytes > 0 && bytes <= WORD_BYTES_MAX;
}

/* A quoted value may be cut inside; any other is written whole or not at all. */
static void put_field(struct line *line, const char *key, size_t key_bytes, const struct value *value)
{
    size_t start = line->length;
    bool quoted = log_json ? !value->number : !is_word(value->bytes, value->length);

    if (log_json)
        put(line, start ? ",\"" : "{\"", 2);
    else
        put(line, " ", start ? 1 : 0);
    put(line, key, key_bytes);
    put(line, log_json ? "\":" : "=", log_json ? 2 : 1);
    if (quoted)
        put(line, "\"", 1);
    else
        put(line, value->bytes, value->length);
    if (line->cut) {
        line->length = start;
        return;
    }
    if (quoted) {
        put_escaped(line, value->bytes, value->length);
        put_tail(line, "\"");
    }
}

static void put_string(struct line *line, const char *key, const char *string)
{
    struct value value = {.length = 0};

    add_string(&value, string);
    put_field(line, key, strlen(key), &value);
}

static bool take(struct fields *fields, const char *conversion)
{
    size_t length = strlen(conversion);

    if (strncmp(fields->at, conversion, length) != 0)
        return false;
    fields->at += length;
    return true;
}

static void read_conversion(struct fields *fields, struct value *value)
{
    if (take(fields, "%s")) {
        add_string(value, va_arg(fields->args, const char *));
        value->number = false;
    } else if (take(fields, "%d"))
        add_signed(value, va_arg(fields->args, int));
    else if (take(fields, "%u"))
        add_unsigned(value, va_arg(fields->args, unsigned));
    else if (take(fields, "%ld"))
        add_signed(value, va_arg(fields->args, long));
    else if (take(fields, "%lu"))
        add_unsigned(value, va_arg(fields->args, unsigned long));
    else if (take(fields, "%lld"))
        add_signed(value, va_arg(fields->args, long long));
    else if (take(fields, "%llu"))
        add_unsigned(value, va_arg(fields->args, unsigned long long));
    else if (take(fields, "%zu"))
        add_unsigned(value, va_arg(fields->args, size_t));
    else {
        assert(strncmp(fields->at, "%.3f", 4) == 0); /* any other conversion is a mistake of ours */
        fields->at += 4;
        add_real(value, va_arg(fields->args, double));
    }
}

/* Everything up to the next space of the template. */
static void read_value(struct fields *fields, struct value *value)
{
    int conversions = 0, literals = 0;

    value->length = 0;
    value->number = true;
    while (*fields->at && *fields->at != ' ') {
        if (*fields->at == '%') {
            read_conversion(fields, value);
            conversions++;
        } else {
            add(value, fields->at++, 1);
            literals++;
        }
    }
    if (conversions != 1 || literals > 0)
        value->number = false;
}

static void put_fields(struct line *line, struct fields *fields)
{
    struct value value;

    while (*fields->at) {
        const char *key = fields->at;
        size_t key_bytes = strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789_");
        assert(key_bytes > 0 && key[key_bytes] == '=');
        fields->at += key_bytes + 1;
        read_value(fields, &value);
        put_field(line, key, key_bytes, &value);
        if (*fields->at == ' ')
            fields->at++;
    }
}

static void put_end(struct line *line)
{
    if (line->cut)
        put_tail(line, log_json ? ",\"cut\":true" : " cut=true");
    put_tail(line, log_json ? "}\n" : "\n");
}

static void write_line(const struct line *line)
{
    ssize_t written;

    do
        written = write(log_fd, line->bytes, line->length);
    while (written < 0 && errno == EINTR);
}

void log_setup(const char *program, enum log_level level, const char *format)
{
    log_program = program;
    log_level_min = level;
    log_json = format ? strcmp(format, "json") == 0 : !isatty(log_fd);
}

void log_set_level(enum log_level level)
{
    log_level_min = level;
}

static void use(const char *path, int fd)
{
    char *old_path = log_path;

    if (log_fd != STDERR_FILENO)
        close(log_fd);
    log_path = path ? memory_string(path) : NULL;
    log_fd = fd;
    free(old_path);
}

int log_to_file(const char *path, struct error *err)
{
    int fd = path ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640) : STDERR_FILENO;

    if (fd < 0)
        return error_set(err, ERR_IO, "log file %s: %s", path, strerror(errno));
    use(path, fd);
    return 0;
}

void log_reopen(void)
{
    struct error err;

    if (!log_path)
        log_info("the log has no file to open again: it goes to standard error", NULL);
    else if (log_to_file(log_path, &err) < 0)
        log_error("the log file cannot be opened again, the old one is kept", "err=%s", err.message);
    else
        log_info("log file opened again", "file=%s", log_path);
}

bool log_level_parse(enum log_level *ret, const char *name)
{
    for (int level = LOG_LEVEL_DEBUG; level <= LOG_LEVEL_ERROR; level++) {
        if (strcmp(name, level_names[level]) == 0) {
            *ret = (enum log_level)level;
            return true;
        }
    }
    return false;
}

const char *log_level_name(enum log_level level)
{
    return level_names[level];
}

bool log_enabled(enum log_level level)
{
    return level >= log_level_min;
}

void log_line_list(enum log_level level, const char *message, const char *fields, va_list args)
{
    struct fields given = {.at = fields ? fields : ""};
    struct line line = {.length = 0};
    int saved_errno = errno;
    char time[32];

    if (!log_enabled(level))
        return;
    put_string(&line, "time", units_format_time(time, clock_wall_ms()));
    put_string(&line, "level", level_names[level]);
    if (log_program)
        put_string(&line, "program", log_program);
    put_string(&line, "msg", message);
    va_copy(given.args, args);
    put_fields(&line, &given);
    va_end(given.args);
    put_end(&line);
    write_line(&line);
    errno = saved_errno;
}

void log_line(enum log_level level, const char *message, const char *fields, ...)
{
    va_list args;

    va_start(args, fields);
    log_line_list(level, message, fields, args);
    va_end(args);
}
