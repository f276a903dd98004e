#include "common/base64.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *base64_encode(const void *bytes, size_t length)
{
    const unsigned char *from = bytes;
    char *text = memory_new((length + 2) / 3 * 4 + 1), *to = text;

    for (size_t at = 0; at < length; at += 3) {
        size_t left = length - at;
        uint32_t group = (uint32_t)from[at] << 16 | (left > 1 ? (uint32_t)from[at + 1] << 8 : 0) | (left > 2 ? from[at + 2] : 0);
        *to++ = alphabet[group >> 18];
        *to++ = alphabet[group >> 12 & 63];
        *to++ = left > 1 ? alphabet[group >> 6 & 63] : '=';
        *to++ = left > 2 ? alphabet[group & 63] : '=';
    }
    return text;
}

/* The value of a letter, or -1. */
static int letter_value(char letter)
{
    const char *found = letter ? strchr(alphabet, letter) : NULL;

    return found ? (int)(found - alphabet) : -1;
}

char *base64_decode(const char *text, size_t length, size_t *ret_length, struct error *err)
{
    size_t padding = length >= 1 && text[length - 1] == '=' ? (length >= 2 && text[length - 2] == '=' ? 2 : 1) : 0;
    size_t letters = length - padding, count = 0;
    uint32_t bits = 0;
    char *bytes;

    if (length % 4 != 0) {
        error_set(err, ERR_INVALID, "base64 has %zu letters, it must be a multiple of 4", length);
        return NULL;
    }
    bytes = memory_new(length / 4 * 3 + 1);
    for (size_t i = 0; i < letters; i++) {
        int value = letter_value(text[i]);
        if (value < 0) {
            error_set(err, ERR_INVALID, "letter %zu is not base64", i + 1);
            free(bytes);
            return NULL;
        }
        bits = bits << 6 | (uint32_t)value;
        if (i % 4 != 0)
            bytes[count++] = (char)(bits >> (6 - i % 4 * 2) & 0xff);
    }
    bytes[count] = '\0';
    *ret_length = count;
    return bytes;
}
