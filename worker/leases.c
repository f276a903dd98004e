#include "worker/leases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"

#include <uthash.h>

struct lease {
    char name[JOB_NAME_BYTES_MAX + 1];
    unsigned char token[TOKEN_BYTES];
    bool seen;
    UT_hash_handle hh;
};

void leases_add(struct leases *leases, const char *name, const unsigned char *token)
{
    struct lease *lease = memory_new(sizeof *lease);

    snprintf(lease->name, sizeof lease->name, "%s", name);
    memcpy(lease->token, token, TOKEN_BYTES);
    HASH_ADD_STR(leases->first, name, lease);
}

struct lease *leases_find(const struct leases *leases, const char *name)
{
    struct lease *lease;

    HASH_FIND_STR(leases->first, name, lease);
    return lease;
}

void leases_drop(struct leases *leases, struct lease *lease)
{
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): it does not follow the list that uthash keeps */
    HASH_DEL(leases->first, lease);
    free(lease);
}

struct lease *leases_any(const struct leases *leases)
{
    return leases->first;
}

const char *lease_name(const struct lease *lease)
{
    return lease->name;
}

const unsigned char *lease_token(const struct lease *lease)
{
    return lease->token;
}

void leases_unsee(struct leases *leases)
{
    for (struct lease *lease = leases->first; lease; lease = lease->hh.next)
        lease->seen = false;
}

void lease_see(struct lease *lease)
{
    lease->seen = true;
}

struct lease *leases_unseen(const struct leases *leases)
{
    struct lease *lease = leases->first;

    while (lease && lease->seen)
        lease = lease->hh.next;
    return lease;
}

size_t leases_count(const struct leases *leases)
{
    return HASH_COUNT(leases->first);
}

void leases_clear(struct leases *leases)
{
    while (leases->first)
        leases_drop(leases, leases->first); /* NOLINT(clang-analyzer-unix.Malloc): it does not follow the list */
}
