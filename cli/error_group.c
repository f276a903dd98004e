#include "cli/error_group.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define HEX_WORD_MIN 8 /* shorter ones may be words: "added", "face" */

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

static size_t span(const char *at, int (*is)(int))
{
    size_t length = 0;

    while (is((unsigned char)at[length]))
        length++;
    return length;
}

/* The length of what stands at `at` and is of a kind; 0 if nothing is. `before` is the character before it. */

static size_t uuid_at(const char *at)
{
    static const size_t parts[] = {8, 4, 4, 4, 12};
    size_t length = 0;

    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (i > 0 && at[length++] != '-')
            return 0;
        if (span(at + length, isxdigit) < parts[i])
            return 0;
        length += parts[i];
    }
    return is_word(at[length]) ? 0 : length;
}

static size_t hex_at(const char *at)
{
    size_t length;
    bool digit = false, letter = false;

    if (at[0] == '0' && (at[1] == 'x' || at[1] == 'X')) {
        length = span(at + 2, isxdigit);
        return length > 0 ? length + 2 : 0;
    }
    length = span(at, isxdigit);
    for (size_t i = 0; i < length; i++) {
        digit = digit || isdigit((unsigned char)at[i]);
        letter = letter || isalpha((unsigned char)at[i]);
    }
    return length >= HEX_WORD_MIN && digit && letter && !is_word(at[length]) ? length : 0;
}

/* Up to white space or what closes a bracket or a sentence. */
static size_t name_at(const char *at)
{
    size_t length = strcspn(at, " \t\r\n\"'`<>()[]{},;");

    while (length > 0 && strchr(".:!?", at[length - 1]))
        length--;
    return length;
}

static size_t url_at(const char *at)
{
    size_t scheme = span(at, isalpha);

    return scheme > 1 && strncmp(at + scheme, "://", 3) == 0 && at[scheme + 3] ? name_at(at) : 0;
}

static size_t path_at(const char *at, char before)
{
    bool begins = at[0] == '/' || strncmp(at, "./", 2) == 0 || strncmp(at, "../", 3) == 0;

    return begins && !is_word(before) && before != '.' && before != '/' && is_word(at[strspn(at, "./")]) ? name_at(at) : 0;
}

/* In quotes that end on this line; an apostrophe within a word is none. */
static size_t quoted_at(const char *at, char before)
{
    const char *end;

    if (!strchr("\"'`", at[0]) || !at[0] || is_word(before))
        return 0;
    end = strchr(at + 1, at[0]);
    return end ? (size_t)(end - at) + 1 : 0;
}

/* What stands at `at`, if it is nothing to keep, and its length. NULL: it is kept. */
static const char *placeholder_at(const char *at, char before, size_t *ret_length)
{
    bool begins = !is_word(before);

    if ((*ret_length = quoted_at(at, before)) > 0)
        return "<text>";
    if (begins && (*ret_length = url_at(at)) > 0)
        return "<url>";
    if ((*ret_length = path_at(at, before)) > 0)
        return "<path>";
    if (begins && (*ret_length = uuid_at(at)) > 0)
        return "<uuid>";
    if (begins && (*ret_length = hex_at(at)) > 0)
        return "<hex>";
    if ((*ret_length = span(at, isdigit)) > 0)
        return "<n>";
    return NULL;
}

/* "exit 65", "signal 11": how much of the beginning is kept as it is. */
static size_t verdict_at(const char *error)
{
    static const char *const words[] = {"exit ", "signal "};

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strncmp(error, words[i], strlen(words[i])) == 0)
            return strlen(words[i]) + span(error + strlen(words[i]), isdigit);
    return 0;
}

void error_normalise(struct buffer *out, const char *error)
{
    size_t begin = out->length, kept = verdict_at(error);
    char before = ' ';

    buffer_add(out, error, kept);
    for (const char *at = error + kept; *at && out->length - begin <= ERROR_NORMAL_BYTES_MAX;) {
        size_t length = span(at, isspace);
        const char *placeholder = length ? " " : placeholder_at(at, before, &length);
        if (placeholder)
            buffer_add_string(out, placeholder);
        else
            buffer_add(out, at, length = 1);
        at += length;
        before = at[-1];
    }
    if (out->length - begin > ERROR_NORMAL_BYTES_MAX) {
        out->length = begin + ERROR_NORMAL_BYTES_MAX;
        while (out->length > begin && ((unsigned char)out->data[out->length] & 0xc0) == 0x80) /* not within a character */
            out->length--;
        out->data[out->length] = '\0';
    }
}

const char *error_group_id(char ret_id[ERROR_GROUP_BYTES], const char *type, const char *normal)
{
    uint64_t hash = 0xcbf29ce484222325; /* FNV-1a */

    for (const char *part = type; part; part = part == type ? normal : NULL) {
        for (const char *at = part; *at; at++)
            hash = (hash ^ (unsigned char)*at) * 0x100000001b3;
        hash *= 0x100000001b3; /* a NUL between the two */
    }
    snprintf(ret_id, ERROR_GROUP_BYTES, "%012" PRIx64, (hash >> 16) & 0xffffffffffff);
    return ret_id;
}
