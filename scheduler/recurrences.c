#include "scheduler/recurrences.h"

#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "common/recurrence.h"

#include <uthash.h>

struct known {
    char *text;
    struct recurrence *recurrence;
    UT_hash_handle hh;
};

struct recurrences {
    struct known *known; /* by text */
    int64_t since_mono_ms;
};

struct recurrences *recurrences_new(void)
{
    return memory_new(sizeof(struct recurrences));
}

static void forget_all(struct recurrences *recurrences)
{
    struct known *known = recurrences->known, *next;

    HASH_CLEAR(hh, recurrences->known); /* the list of what was in it stays */
    for (; known; known = next) {
        next = known->hh.next;
        recurrence_free(known->recurrence);
        free(known->text);
        free(known);
    }
}

void recurrences_free(struct recurrences *recurrences)
{
    if (recurrences)
        forget_all(recurrences);
    free(recurrences);
}

const struct recurrence *recurrences_get(struct recurrences *recurrences, const char *text, int64_t now_mono_ms,
                                         struct error *err)
{
    struct recurrence *recurrence;
    struct known *known;

    if (now_mono_ms - recurrences->since_mono_ms >= RECURRENCES_AGE_MS_MAX || HASH_COUNT(recurrences->known) >= RECURRENCES_MAX) {
        forget_all(recurrences);
        recurrences->since_mono_ms = now_mono_ms;
    }
    HASH_FIND_STR(recurrences->known, text, known);
    if (known)
        return known->recurrence;
    recurrence = recurrence_parse(text, err);
    if (!recurrence)
        return NULL;
    known = memory_new(sizeof *known);
    *known = (struct known){.text = memory_string(text), .recurrence = recurrence};
    HASH_ADD_KEYPTR(hh, recurrences->known, known->text, strlen(known->text), known);
    return recurrence;
}
