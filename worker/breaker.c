#include "worker/breaker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"

bool breaker_lets_claim(const struct breaker *breaker, int64_t now_ms)
{
    return breaker->pause_ms == 0 || (!breaker->trying && now_ms >= breaker->open_until_ms);
}

bool breaker_lets_start(struct breaker *breaker, int64_t now_ms, bool *ret_try)
{
    *ret_try = false;
    if (!breaker_lets_claim(breaker, now_ms))
        return false;
    breaker->trying = *ret_try = breaker->pause_ms > 0;
    return true;
}

static enum breaker_change open_for(struct breaker *breaker, int64_t pause_ms, int64_t now_ms)
{
    breaker->pause_ms = pause_ms < BREAKER_PAUSE_MS_MAX ? pause_ms : BREAKER_PAUSE_MS_MAX;
    breaker->open_until_ms = now_ms + breaker->pause_ms;
    return BREAKER_OPENED;
}

/* Counts a job that ended as broken. True if there were enough of them. */
static bool count_broken(struct breaker *breaker, const char *org)
{
    if (breaker->broken_in_a_row++ == 0)
        snprintf(breaker->org, sizeof breaker->org, "%s", org);
    else if (strcmp(breaker->org, org) != 0)
        breaker->of_many_orgs = true;
    return breaker->of_many_orgs && breaker->broken_in_a_row >= BREAKER_IN_A_ROW;
}

enum breaker_change breaker_note(struct breaker *breaker, enum breaker_news news, const char *org, bool try, int64_t now_ms)
{
    if (try)
        breaker->trying = false;
    if (news == BREAKER_NOTHING)
        return BREAKER_SAME;
    if (breaker->pause_ms > 0) { /* open: what began before it opened tells nothing new */
        if (!try)
            return BREAKER_SAME;
        if (news != BREAKER_FINE)
            return open_for(breaker, breaker->pause_ms * 2, now_ms);
        *breaker = (struct breaker){0};
        return BREAKER_CLOSED;
    }
    if (news == BREAKER_FINE)
        *breaker = (struct breaker){0};
    else if (news == BREAKER_EXEC || count_broken(breaker, org))
        return open_for(breaker, BREAKER_PAUSE_MS_MIN, now_ms);
    return BREAKER_SAME;
}

const struct breaker *breakers_find(const struct breakers *breakers, const char *type)
{
    for (size_t i = 0; i < breakers->count; i++)
        if (strcmp(breakers->items[i].type, type) == 0)
            return &breakers->items[i].breaker;
    return NULL;
}

struct breaker *breakers_get(struct breakers *breakers, const char *type)
{
    struct breaker_of_type *item;

    for (size_t i = 0; i < breakers->count; i++)
        if (strcmp(breakers->items[i].type, type) == 0)
            return &breakers->items[i].breaker;
    breakers->items = memory_resize(breakers->items, sizeof *breakers->items * (breakers->count + 1));
    item = &breakers->items[breakers->count++];
    *item = (struct breaker_of_type){.type = ""};
    snprintf(item->type, sizeof item->type, "%s", type);
    return &item->breaker;
}

void breakers_format(const struct breakers *breakers, struct buffer *out, int64_t now_mono_ms, int64_t now_ms)
{
    for (size_t i = 0; i < breakers->count; i++) {
        const struct breaker *breaker = &breakers->items[i].breaker;
        if (breaker->pause_ms > 0)
            buffer_add_format(out, "%s%s %lld", out->length ? " " : "", breakers->items[i].type,
                              (long long)(now_ms + breaker->open_until_ms - now_mono_ms));
    }
}

void breakers_clear(struct breakers *breakers)
{
    free(breakers->items);
    *breakers = (struct breakers){0};
}
