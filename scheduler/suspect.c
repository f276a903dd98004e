#include "scheduler/suspect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "common/memory.h"

struct suspect {
    char session[TYPE_BYTES_MAX + 1];
    char beat[24];
    int64_t since_mono_ms; /* its beat has this number at least since then */
    bool seen;             /* in the look under way */
    UT_hash_handle hh;
};

struct suspects {
    struct suspect *by_session;
    int64_t mono_ms, now_ms; /* of the look under way */
    int64_t window_ms, timeout_ms;
    int64_t from_mono_ms; /* no watching begins before this moment */
    bool looked;
};

static int64_t later(int64_t a_ms, int64_t b_ms)
{
    return a_ms > b_ms ? a_ms : b_ms;
}

struct suspects *suspects_new(void)
{
    return memory_new(sizeof(struct suspects));
}

static void forget(struct suspects *suspects, struct suspect *suspect)
{
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): it does not follow the list that uthash keeps */
    HASH_DEL(suspects->by_session, suspect);
    free(suspect);
}

void suspects_free(struct suspects *suspects)
{
    struct suspect *suspect, *next;

    if (!suspects)
        return;
    suspect = suspects->by_session;
    HASH_CLEAR(hh, suspects->by_session);
    for (; suspect; suspect = next) {
        next = suspect->hh.next;
        free(suspect);
    }
    free(suspects);
}

bool suspects_begin(struct suspects *suspects, int64_t mono_ms, int64_t now_ms, int64_t from_mono_ms)
{
    bool gap = suspects->looked && mono_ms - suspects->mono_ms > SUSPECT_GAP_MS;

    suspects->from_mono_ms = later(suspects->from_mono_ms, from_mono_ms);
    if (gap)
        suspects->from_mono_ms = later(suspects->from_mono_ms, mono_ms + SUSPECT_GRACE_MS);
    for (struct suspect *suspect = suspects->by_session; suspect; suspect = suspect->hh.next) {
        suspect->seen = false;
        suspect->since_mono_ms = later(suspect->since_mono_ms, suspects->from_mono_ms);
    }
    suspects->mono_ms = mono_ms;
    suspects->now_ms = now_ms;
    suspects->looked = true;
    return gap;
}

static struct suspect *find_or_add(struct suspects *suspects, const struct sighting *sighting)
{
    struct suspect *suspect;

    HASH_FIND_STR(suspects->by_session, sighting->session, suspect);
    if (!suspect) {
        suspect = memory_new(sizeof *suspect);
        snprintf(suspect->session, sizeof suspect->session, "%s", sighting->session);
        suspect->since_mono_ms = later(suspects->mono_ms, suspects->from_mono_ms);
        snprintf(suspect->beat, sizeof suspect->beat, "%s", sighting->beat);
        HASH_ADD_STR(suspects->by_session, session, suspect);
    }
    return suspect;
}

bool suspects_see(struct suspects *suspects, const struct sighting *sighting)
{
    int64_t window_ms = sighting->timeout_ms - sighting->beat_ms;
    struct suspect *suspect;

    if (sighting->beat[0] == '\0')
        return true;
    if (window_ms > suspects->window_ms)
        suspects->window_ms = window_ms;
    if (sighting->timeout_ms > suspects->timeout_ms)
        suspects->timeout_ms = sighting->timeout_ms;
    suspect = find_or_add(suspects, sighting);
    suspect->seen = true;
    if (strcmp(suspect->beat, sighting->beat) != 0) {
        snprintf(suspect->beat, sizeof suspect->beat, "%s", sighting->beat);
        suspect->since_mono_ms =
            later(suspects->mono_ms, suspects->from_mono_ms); /* it may be an old beat that we did not see before */
    }
    if (sighting->deadline_ms > suspects->now_ms && sighting->deadline_ms <= suspects->now_ms + sighting->timeout_ms)
        return false;
    return suspects->mono_ms - suspect->since_mono_ms >= window_ms;
}

void suspects_end(struct suspects *suspects)
{
    struct suspect *suspect, *next;

    for (suspect = suspects->by_session; suspect; suspect = next) {
        next = suspect->hh.next;
        if (!suspect->seen)
            forget(suspects, suspect);
    }
}

int64_t suspects_window_ms(const struct suspects *suspects)
{
    return suspects->window_ms;
}

int64_t suspects_timeout_ms(const struct suspects *suspects)
{
    return suspects->timeout_ms;
}
