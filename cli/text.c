#include "cli/text.h"

#include <string.h>

#include "common/utf8.h"

static bool is_control(uint32_t character)
{
    return character < 0x20 || (character >= 0x7f && character < 0xa0) || character == 0x61c || character == 0xfeff ||
           (character >= 0x200b && character <= 0x200f) || (character >= 0x2028 && character <= 0x202e) ||
           (character >= 0x2060 && character <= 0x2069);
}

void text_add_plain(struct buffer *out, const char *bytes, size_t length)
{
    static const char escaped[] = "\n\r\t", letters[] = "nrt";
    uint32_t character;

    for (size_t at = 0; at < length;) {
        size_t count = utf8_decode(bytes + at, length - at, &character);
        const char *escape = count == 1 && character ? strchr(escaped, (int)character) : NULL;
        if (count == 0)
            buffer_add_format(out, "\\x%02x", (unsigned char)bytes[at]);
        else if (escape)
            buffer_add_format(out, "\\%c", letters[escape - escaped]);
        else if (is_control(character))
            buffer_add_format(out, "\\u%04x", character);
        else
            buffer_add(out, bytes + at, count);
        at += count ? count : 1;
    }
}

void text_copy_plain(char *ret, size_t size, const char *text)
{
    struct buffer plain = {0};
    size_t length;

    text_add_plain(&plain, text, strlen(text));
    length = plain.length < size ? plain.length : size - 1;
    while (length > 0 && !utf8_is_valid(plain.data, length))
        length--;
    memcpy(ret, plain.data ? plain.data : "", length);
    ret[length] = '\0';
    buffer_clear(&plain);
}

static bool is_combining(uint32_t character)
{
    return (character >= 0x300 && character <= 0x36f) || (character >= 0x1ab0 && character <= 0x1aff) ||
           (character >= 0x20d0 && character <= 0x20ff) || (character >= 0xfe00 && character <= 0xfe0f);
}

size_t text_width(const char *text)
{
    size_t length = strlen(text), width = 0;
    uint32_t character = 0;

    for (size_t at = 0; at < length;) {
        size_t count = utf8_decode(text + at, length - at, &character);
        width += count == 0 || !is_combining(character);
        at += count ? count : 1;
    }
    return width;
}
