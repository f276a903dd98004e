#include "worker/trace.h"

#include <stddef.h>
#include <string.h>

#define STATE_BYTES_MAX   512
#define STATE_MEMBERS_MAX 32
#define KEY_BYTES_MAX     256
#define VALUE_BYTES_MAX   256

static bool is_hex(const char *text, size_t count)
{
    return strspn(text, "0123456789abcdef") >= count;
}

static bool is_zero(const char *text, size_t count)
{
    return strspn(text, "0") >= count;
}

/* VERSION-TRACEID-PARENTID-FLAGS, 2, 32, 16 and 2 digits. A later version than 00 may go on behind another dash. */
bool trace_parent_is_valid(const char *text)
{
    size_t length = strlen(text);

    if (length < 55 || length > STATE_BYTES_MAX || text[2] != '-' || text[35] != '-' || text[52] != '-')
        return false;
    if (!is_hex(text, 2) || !is_hex(text + 3, 32) || !is_hex(text + 36, 16) || !is_hex(text + 53, 2))
        return false;
    if (memcmp(text, "ff", 2) == 0 || is_zero(text + 3, 32) || is_zero(text + 36, 16))
        return false;
    return length == 55 || (memcmp(text, "00", 2) != 0 && text[55] == '-' && strspn(text, "0123456789abcdef-") == length);
}

/* key=value; the key of lower-case letters, digits and _-*@/, the value of visible characters without , and =. */
static bool is_member(const char *text, size_t length)
{
    size_t key = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_-*@/");

    if (key == 0 || key > KEY_BYTES_MAX || key >= length || text[key] != '=' ||
        !strchr("abcdefghijklmnopqrstuvwxyz0123456789", text[0]))
        return false;
    if (key + 1 == length || length - key - 1 > VALUE_BYTES_MAX || text[length - 1] == ' ')
        return false;
    for (size_t i = key + 1; i < length; i++)
        if (text[i] < 0x20 || text[i] > 0x7e || text[i] == '=')
            return false;
    return true;
}

bool trace_state_is_valid(const char *text)
{
    size_t members = 0;

    if (*text == '\0' || strlen(text) > STATE_BYTES_MAX)
        return false;
    for (const char *at = text;; at++) {
        at += strspn(at, " \t");
        size_t length = strcspn(at, ","), kept = length;
        while (kept > 0 && (at[kept - 1] == ' ' || at[kept - 1] == '\t'))
            kept--;
        if (kept > 0 && (!is_member(at, kept) || ++members > STATE_MEMBERS_MAX)) /* an empty member is allowed */
            return false;
        at += length;
        if (*at == '\0')
            return members > 0;
    }
}
