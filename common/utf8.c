#include "common/utf8.h"

size_t utf8_decode(const char *bytes, size_t length, uint32_t *ret_character)
{
    const unsigned char *at = (const unsigned char *)bytes;
    size_t count = at[0] < 0x80 ? 1 : at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;
    static const uint32_t lowest[] = {0, 0, 0x80, 0x800, 0x10000};
    uint32_t character;

    if (count == 1) {
        *ret_character = at[0];
        return 1;
    }
    if (at[0] < 0xc2 || at[0] > 0xf4 || count > length)
        return 0;
    character = at[0] & (0xffU >> (count + 1));
    for (size_t i = 1; i < count; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
        character = character << 6 | (at[i] & 0x3fU);
    }
    if (character < lowest[count] || character > 0x10ffff || (character >= 0xd800 && character <= 0xdfff))
        return 0;
    *ret_character = character;
    return count;
}

bool utf8_is_valid(const char *bytes, size_t length)
{
    uint32_t character;

    for (size_t at = 0; at < length;) {
        size_t count = utf8_decode(bytes + at, length - at, &character);
        if (count == 0)
            return false;
        at += count;
    }
    return true;
}
