#include "cli/comparison.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"

struct comparison {
    struct comparison_due dues[COMPARISON_DUE_TIMES_MAX]; /* in their order */
    json_t *left[COMPARISON_DUE_TIMES_MAX];               /* members whose organization has not come yet; NULL: no object */
    size_t count;
    void (*tell)(const char *org, int64_t due_ms, const json_t *together, const json_t *own, void *ctx);
    void *ctx;
};

struct comparison *
comparison_new(void (*tell)(const char *org, int64_t due_ms, const json_t *together, const json_t *own, void *ctx), void *ctx)
{
    struct comparison *comparison = memory_new(sizeof *comparison);

    comparison->tell = tell;
    comparison->ctx = ctx;
    return comparison;
}

void comparison_free(struct comparison *comparison)
{
    if (!comparison)
        return;
    for (size_t i = 0; i < comparison->count; i++)
        json_decref(comparison->left[i]);
    free(comparison);
}

/* Where a due time is, or is now; COMPARISON_DUE_TIMES_MAX if there is no room. */
static size_t find(struct comparison *comparison, int64_t due_ms)
{
    size_t at = 0, behind;

    while (at < comparison->count && comparison->dues[at].due_ms < due_ms)
        at++;
    if (at < comparison->count && comparison->dues[at].due_ms == due_ms)
        return at;
    if (comparison->count == COMPARISON_DUE_TIMES_MAX)
        return COMPARISON_DUE_TIMES_MAX;
    behind = comparison->count++ - at;
    memmove(&comparison->dues[at + 1], &comparison->dues[at], behind * sizeof *comparison->dues);
    memmove(&comparison->left[at + 1], &comparison->left[at], behind * sizeof *comparison->left);
    comparison->dues[at] = (struct comparison_due){.due_ms = due_ms};
    comparison->left[at] = NULL;
    return at;
}

static json_t *parse(const char *result, size_t bytes)
{
    return result ? json_loadb(result, bytes, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL) : NULL;
}

void comparison_add_together(struct comparison *comparison, int64_t due_ms, const char *outcome, const char *result, size_t bytes)
{
    size_t at = find(comparison, due_ms);
    json_t *object;

    if (at == COMPARISON_DUE_TIMES_MAX)
        return;
    object = parse(result, bytes);
    if (!json_is_object(object)) {
        json_decref(object);
        object = NULL;
    }
    snprintf(comparison->dues[at].outcome, sizeof comparison->dues[at].outcome, "%s", outcome);
    comparison->dues[at].is_object = object != NULL;
    json_decref(comparison->left[at]);
    comparison->left[at] = object;
}

void comparison_add_own(struct comparison *comparison, const char *org, int64_t due_ms, const char *outcome, const char *result,
                        size_t bytes)
{
    size_t at = find(comparison, due_ms);
    struct comparison_due *due = &comparison->dues[at];
    json_t *own, *member;

    if (at == COMPARISON_DUE_TIMES_MAX)
        return;
    due->orgs++;
    if (strcmp(outcome, "done") != 0)
        return; /* its member is missing, then */
    due->done++;
    if (!comparison->left[at])
        return;
    own = parse(result, bytes);
    member = json_object_get(comparison->left[at], org);
    if (!member)
        due->extra++;
    else if (own && json_equal(own, member))
        due->same++;
    else
        due->different++;
    if (!member || !own || !json_equal(own, member))
        comparison->tell(org, due_ms, member, own, comparison->ctx);
    json_object_del(comparison->left[at], org);
    json_decref(own);
}

const struct comparison_due *comparison_end(struct comparison *comparison, size_t *ret_count)
{
    for (size_t i = 0; i < comparison->count; i++) {
        const char *org;
        json_t *member;
        if (comparison->dues[i].orgs == 0)
            continue; /* those of organizations are not kept any more, or have not come yet */
        comparison->dues[i].missing = (int64_t)json_object_size(comparison->left[i]);
        json_object_foreach(comparison->left[i], org, member)
        {
            comparison->tell(org, comparison->dues[i].due_ms, member, NULL, comparison->ctx);
        }
        json_object_clear(comparison->left[i]);
    }
    *ret_count = comparison->count;
    return comparison->dues;
}
