/* leases.h - the jobs of a lane that are ours, from their claim to their report, by name. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/id.h"

struct lease;

/* All zeroes has none. */
struct leases {
    struct lease *first;
};

/* Adds one that is not there yet. Copies. `token`: TOKEN_BYTES. */
void leases_add(struct leases *leases, const char *name, const unsigned char *token);

/* NULL if it is not ours. Borrowed until it is dropped. */
struct lease *leases_find(const struct leases *leases, const char *name);
void leases_drop(struct leases *leases, struct lease *lease);

/* Any of them, or NULL. */
struct lease *leases_any(const struct leases *leases);

const char *lease_name(const struct lease *lease);
const unsigned char *lease_token(const struct lease *lease);

/* To compare them with a list: none is seen; one is; one that was not, or NULL. */
void leases_unsee(struct leases *leases);
void lease_see(struct lease *lease);
struct lease *leases_unseen(const struct leases *leases);

size_t leases_count(const struct leases *leases);
void leases_clear(struct leases *leases);
