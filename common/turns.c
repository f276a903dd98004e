#include "common/turns.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS_MAX (1LL << 46)

struct turn {
    int64_t ms;
    bool own;
};

/* Takes the word at *text, and moves on to the next one. False at the end, and where there is none. */
static bool next_turn(const char **text, struct turn *ret)
{
    const char *word = *text;
    char *end;

    if ((word[0] != '+' && word[0] != '-') || word[1] < '0' || word[1] > '9')
        return false;
    *ret = (struct turn){.ms = strtoll(word + 1, &end, 10), .own = word[0] == '+'};
    if (*end == ' ' && end[1] != '\0')
        end++;
    *text = end;
    return true;
}

static size_t split(struct turn ret[TURNS_MAX + 1], const char *turns)
{
    size_t count = 0;

    while (count < TURNS_MAX && next_turn(&turns, &ret[count]))
        count++;
    return count;
}

static void join(char ret[TURNS_BYTES_MAX], const struct turn *list, size_t count)
{
    size_t length = 0;

    ret[0] = '\0';
    for (size_t i = 0; i < count; i++)
        length += (size_t)snprintf(ret + length, TURNS_BYTES_MAX - length, "%s%c%" PRId64, i > 0 ? " " : "",
                                   list[i].own ? '+' : '-', list[i].ms);
}

bool turns_are_valid(const char *turns, struct error *err)
{
    struct turn list[TURNS_MAX + 1];
    char again[TURNS_BYTES_MAX];
    size_t count = split(list, turns);
    bool valid = true;

    for (size_t i = 0; i < count; i++)
        valid = valid && list[i].ms <= MS_MAX && (i == 0 || (list[i].ms > list[i - 1].ms && list[i].own != list[i - 1].own));
    join(again, list, valid ? count : 0);
    if (valid && strcmp(again, turns) == 0)
        return true;
    error_set(err, ERR_INVALID, "turns \"%.80s\" must be at most %d words, +MS and -MS in turn, each later than the one before",
              turns, TURNS_MAX);
    return false;
}

bool turns_own(const char *turns, int64_t due_ms)
{
    return turns_last(turns, true, due_ms) == due_ms;
}

int64_t turns_last(const char *turns, bool own, int64_t ms)
{
    struct turn list[TURNS_MAX + 1];
    size_t count = split(list, turns), passed = 0;

    while (passed < count && list[passed].ms <= ms)
        passed++;
    if (passed == 0) /* before the first word */
        return (count == 0 || !list[0].own) == own ? ms : -1;
    if (list[passed - 1].own == own)
        return ms;
    return list[passed - 1].ms - 1; /* -1 if it is 0 */
}

int64_t turns_end(const char *turns, bool *ret_own)
{
    struct turn list[TURNS_MAX + 1];
    size_t count = split(list, turns);

    *ret_own = count == 0 || list[count - 1].own;
    return count > 0 ? list[count - 1].ms : 0;
}
