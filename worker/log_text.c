#include "worker/log_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */

/* ---- keeping ---- */

static void keep_tail(struct log_text *log, const char *text, size_t bytes)
{
    if (!log->tail)
        log->tail = memory_new(LOG_TEXT_TAIL_BYTES);
    while (bytes > 0) {
        size_t at = (size_t)(log->tail_bytes % LOG_TEXT_TAIL_BYTES), room = LOG_TEXT_TAIL_BYTES - at;
        size_t part = bytes < room ? bytes : room;
        memcpy(log->tail + at, text, part);
        log->tail_bytes += (int64_t)part;
        text += part;
        bytes -= part;
    }
}

/* The head takes whole characters; with the first one that does not fit it is complete. */
static void keep(struct log_text *log, const char *text, size_t bytes)
{
    size_t room = log->tail ? 0 : LOG_TEXT_HEAD_BYTES - log->head.length;

    if (bytes == 0)
        return;
    if (bytes <= room) {
        buffer_add(&log->head, text, bytes);
        return;
    }
    while (room > 0 && ((unsigned char)text[room] & 0xc0) == 0x80)
        room--;
    buffer_add(&log->head, text, room);
    keep_tail(log, text + room, bytes - room);
}

/* Text without an end of line. What its line has no room for is left out. */
static void put(struct log_text *log, const char *text, size_t bytes)
{
    size_t room = log->line_bytes < LOG_TEXT_LINE_BYTES_MAX ? LOG_TEXT_LINE_BYTES_MAX - log->line_bytes : 0;
    size_t kept = bytes < room ? bytes : room;

    while (kept > 0 && kept < bytes && ((unsigned char)text[kept] & 0xc0) == 0x80)
        kept--;
    keep(log, text, kept);
    log->line_bytes = kept < bytes ? LOG_TEXT_LINE_BYTES_MAX : log->line_bytes + kept;
    log->cut_bytes += (int64_t)(bytes - kept);
}

static void put_end_of_line(struct log_text *log)
{
    if (!log->tail && log->on_line)
        log->on_line(log->head.data ? log->head.data + log->line_start : "", log->head.length - log->line_start, log->ctx);
    keep(log, "\n", 1);
    log->line_bytes = 0;
    log->line_start = log->head.length;
}

/* ---- cleaning ---- */

static bool is_plain(unsigned char byte)
{
    return (byte >= 0x20 && byte < 0x7f) || byte == '\t';
}

/* How many bytes the character has that begins with `byte`; 0 if none does. */
static unsigned character_bytes(unsigned char byte)
{
    if (byte < 0x80)
        return 1;
    if (byte >= 0xc2 && byte <= 0xdf)
        return 2;
    if (byte >= 0xe0 && byte <= 0xef)
        return 3;
    return byte >= 0xf0 && byte <= 0xf4 ? 4 : 0;
}

/* True if `byte` may be the second one behind `first`: no overlong forms, no surrogates, nothing above U+10FFFF. */
static bool may_follow(unsigned char first, unsigned char byte)
{
    switch (first) {
    case 0xe0: return byte >= 0xa0 && byte <= 0xbf;
    case 0xed: return byte >= 0x80 && byte <= 0x9f;
    case 0xf0: return byte >= 0x90 && byte <= 0xbf;
    case 0xf4: return byte >= 0x80 && byte <= 0x8f;
    default: return (byte & 0xc0) == 0x80;
    }
}

/* Characters that steer a terminal or turn the direction of writing: C1, U+200E-F, U+2028-E, U+2066-9. */
static bool is_mark(const unsigned char *character, unsigned bytes)
{
    if (bytes == 2)
        return character[0] == 0xc2 && character[1] < 0xa0;
    if (bytes != 3 || character[0] != 0xe2)
        return false;
    if (character[1] == 0x80)
        return (character[2] >= 0x8e && character[2] <= 0x8f) || (character[2] >= 0xa8 && character[2] <= 0xae);
    return character[1] == 0x81 && character[2] >= 0xa6 && character[2] <= 0xa9;
}

static void put_control(struct log_text *log, unsigned char byte)
{
    char picture[3] = {(char)0xe2, (char)0x90, (char)(byte == 0x7f ? 0xa1 : 0x80 + byte)};

    put(log, picture, sizeof picture);
}

/* One more byte of a character that is not complete. False if it cannot belong to it. */
static bool continue_character(struct log_text *log, unsigned char byte)
{
    unsigned whole = character_bytes(log->partial[0]);

    if (log->partial_bytes == 1 ? !may_follow(log->partial[0], byte) : (byte & 0xc0) != 0x80) {
        put(log, replacement, 3);
        log->partial_bytes = 0;
        return false;
    }
    log->partial[log->partial_bytes++] = byte;
    if (log->partial_bytes == whole) {
        if (is_mark(log->partial, whole))
            put(log, replacement, 3);
        else
            put(log, (const char *)log->partial, whole);
        log->partial_bytes = 0;
    }
    return true;
}

static void take_byte(struct log_text *log, unsigned char byte)
{
    if (log->partial_bytes > 0 && continue_character(log, byte))
        return;
    if (byte == '\n') {
        put_end_of_line(log);
    } else if (is_plain(byte)) {
        put(log, (const char[]){(char)byte, '\0'}, 1);
    } else if (byte < 0x80) {
        put_control(log, byte);
    } else if (character_bytes(byte) == 0) {
        put(log, replacement, 3);
    } else {
        log->partial[0] = byte;
        log->partial_bytes = 1;
    }
}

static void keep_error(struct log_text *log, const char *bytes, size_t length)
{
    if (length > LOG_TEXT_ERROR_BYTES) {
        log->error_is_cut = true;
        bytes += length - LOG_TEXT_ERROR_BYTES;
        length = LOG_TEXT_ERROR_BYTES;
    }
    buffer_add(&log->error, bytes, length);
    if (log->error.length > (size_t)2 * LOG_TEXT_ERROR_BYTES) {
        log->error_is_cut = true;
        buffer_consume(&log->error, log->error.length - LOG_TEXT_ERROR_BYTES);
    }
}

void log_text_add(struct log_text *log, const char *bytes, size_t length)
{
    log->bytes += (int64_t)length;
    keep_error(log, bytes, length);
    for (size_t at = 0; at < length;) {
        size_t plain = 0;
        while (log->partial_bytes == 0 && at + plain < length && is_plain((unsigned char)bytes[at + plain]))
            plain++;
        put(log, bytes + at, plain);
        at += plain;
        if (at < length)
            take_byte(log, (unsigned char)bytes[at++]);
    }
}

void log_text_end(struct log_text *log)
{
    if (log->partial_bytes > 0)
        put(log, replacement, 3);
    log->partial_bytes = 0;
    if (log->line_bytes > 0)
        put_end_of_line(log);
}

/* ---- giving ---- */

/* The ring from its oldest byte on. If something was lost it begins with a whole line, or at least with a whole character. */
static size_t unroll(const struct log_text *log, char ret_text[LOG_TEXT_TAIL_BYTES])
{
    size_t at = (size_t)(log->tail_bytes % LOG_TEXT_TAIL_BYTES), skip = 0;
    const char *line;

    if (log->tail_bytes <= LOG_TEXT_TAIL_BYTES) {
        memcpy(ret_text, log->tail, (size_t)log->tail_bytes);
        return (size_t)log->tail_bytes;
    }
    memcpy(ret_text, log->tail + at, LOG_TEXT_TAIL_BYTES - at);
    memcpy(ret_text + (LOG_TEXT_TAIL_BYTES - at), log->tail, at);
    line = memchr(ret_text, '\n', LOG_TEXT_TAIL_BYTES - 1);
    if (line)
        skip = (size_t)(line - ret_text) + 1;
    memmove(ret_text, ret_text + skip, LOG_TEXT_TAIL_BYTES - skip);
    return LOG_TEXT_TAIL_BYTES - skip;
}

char *log_text_give(struct log_text *log, size_t *ret_bytes, int64_t *ret_omitted_bytes)
{
    struct buffer text = {0};
    int64_t missing = 0;

    buffer_add(&text, log->head.data, log->head.length);
    if (log->tail) {
        char *tail = memory_new(LOG_TEXT_TAIL_BYTES);
        size_t bytes = unroll(log, tail);
        missing = log->tail_bytes - (int64_t)bytes;
        if (missing > 0)
            buffer_add_format(&text, "%s… %lld bytes omitted …\n",
                              text.length > 0 && text.data[text.length - 1] != '\n' ? "\n" : "", (long long)missing);
        buffer_add(&text, tail, bytes);
        free(tail);
    }
    *ret_bytes = text.length;
    *ret_omitted_bytes = missing + log->cut_bytes;
    return buffer_give(&text);
}

char *log_text_error(const struct log_text *log)
{
    const char *from = log->error.data;
    size_t length = log->error.length, partial = 0;

    if (length > LOG_TEXT_ERROR_BYTES) {
        from += length - LOG_TEXT_ERROR_BYTES;
        length = LOG_TEXT_ERROR_BYTES;
    }
    while ((log->error_is_cut || log->error.length > LOG_TEXT_ERROR_BYTES) && partial < 3 && partial < length &&
           ((unsigned char)from[partial] & 0xc0) == 0x80)
        partial++;
    while (length > partial && (from[length - 1] == '\n' || from[length - 1] == ' '))
        length--;
    return memory_copy(from ? from + partial : "", length - partial);
}

void log_text_renew(struct log_text *log)
{
    struct log_text fresh = {.on_line = log->on_line, .ctx = log->ctx};
    size_t bytes;
    int64_t omitted_bytes;
    char *text, *line;

    if (log->bytes == 0)
        return;
    text = log_text_give(log, &bytes, &omitted_bytes); /* lines are shorter than its tail: it has the last one */
    line = memrchr(text, '\n', bytes);
    line = line ? line + 1 : text;
    buffer_add(&fresh.head, line, (size_t)(text + bytes - line));
    fresh.line_bytes = log->line_bytes;
    memcpy(fresh.partial, log->partial, sizeof fresh.partial);
    fresh.partial_bytes = log->partial_bytes;
    free(text);
    log_text_clear(log);
    *log = fresh;
}

void log_text_clear(struct log_text *log)
{
    buffer_clear(&log->head);
    buffer_clear(&log->error);
    free(log->tail);
    *log = (struct log_text){0};
}
