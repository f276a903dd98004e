/* comparison.h - results of one job for all organizations beside those of one job for each, of the same due times
 * (rota schedule migrate). Pure.
 *
 * The result of the one for all is a JSON object with a member for each organization; that of an organization's own job is any
 * JSON value, and the same if it is equal to its member. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COMPARISON_DUE_TIMES_MAX 16

/* Of one due time, once comparison_end was called. */
struct comparison_due {
    int64_t due_ms;
    char outcome[16];        /* of the one for all: done, dead, cancelled, expired; "" if nothing is known of it */
    bool is_object;          /* its result is what it must be */
    int64_t orgs, done;      /* organizations whose own job is over, and well */
    int64_t same, different; /* of those that are done and have a member */
    int64_t extra, missing;  /* done without a member; members whose own job is not done, if there are others that are */
};

struct comparison;

/* `tell` is called for each organization that differs: what it has, NULL for nothing. Borrowed. */
struct comparison *
comparison_new(void (*tell)(const char *org, int64_t due_ms, const json_t *together, const json_t *own, void *ctx), void *ctx);
void comparison_free(struct comparison *comparison);

/* First the outcomes of the one for all, then those of organizations, each with its result (NULL: none). Due times beyond
 * COMPARISON_DUE_TIMES_MAX are left out; of those that the one for all has not had an entry is made. */
void comparison_add_together(struct comparison *comparison, int64_t due_ms, const char *outcome, const char *result,
                             size_t bytes);
void comparison_add_own(struct comparison *comparison, const char *org, int64_t due_ms, const char *outcome, const char *result,
                        size_t bytes);

/* What is known now, the oldest due time first; *ret_count of them. Valid until comparison_free. */
const struct comparison_due *comparison_end(struct comparison *comparison, size_t *ret_count);
