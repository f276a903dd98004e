#include "common/clockface.h"

#include <assert.h>

/* The lowest member from `from` on; -1 if there is none. */
static int next_bit(uint64_t set, int from)
{
    if (from > 63 || set >> from == 0)
        return -1;
    return from + __builtin_ctzll(set >> from);
}

bool clockface_next(const struct clockface *face, int64_t from_s, int64_t *ret_s)
{
    int hour = (int)(from_s / 3600), minute = (int)(from_s / 60 % 60), second = (int)(from_s % 60);
    int first_minute = next_bit(face->minutes, 0), first_second = next_bit(face->seconds, 0), at;

    if (face->hours >> hour & 1) {
        if (face->minutes >> minute & 1 && (at = next_bit(face->seconds, second)) >= 0) {
            *ret_s = hour * 3600 + minute * 60 + at;
            return true;
        }
        if ((at = next_bit(face->minutes, minute + 1)) >= 0) {
            *ret_s = hour * 3600 + at * 60 + first_second;
            return true;
        }
    }
    if ((at = next_bit(face->hours, hour + 1)) < 0)
        return false;
    *ret_s = at * 3600 + first_minute * 60 + first_second;
    return true;
}

int64_t clockface_count(const struct clockface *face)
{
    return (int64_t)__builtin_popcountll(face->hours) * __builtin_popcountll(face->minutes) * __builtin_popcountll(face->seconds);
}

static int member(uint64_t set, int64_t index)
{
    for (; index > 0; index--)
        set &= set - 1;
    assert(set);
    return __builtin_ctzll(set);
}

int64_t clockface_at(const struct clockface *face, int64_t index)
{
    int64_t seconds = __builtin_popcountll(face->seconds), minutes = __builtin_popcountll(face->minutes);

    return member(face->hours, index / seconds / minutes) * 3600 + member(face->minutes, index / seconds % minutes) * 60 +
           member(face->seconds, index % seconds);
}
