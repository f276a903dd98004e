#include "common/server_version.h"

#include <stdio.h>

struct version {
    unsigned major, minor, patch;
};

/* The first versions with the fixes of October 2025 in the Lua engine, one per series, rising. Later series have them from the
 * start, others never got them. The worst of them runs code by a script; one runs functions as another user. */
static const struct version redis_fixed[] = {{7, 2, 11}, {7, 4, 6}, {8, 0, 4}, {8, 2, 2}};
static const struct version valkey_fixed[] = {{7, 2, 11}, {8, 0, 6}, {8, 1, 4}};

#define LUA_HOLES "CVE-2025-49844, CVE-2025-46817, CVE-2025-46818, CVE-2025-46819"

/* A use after free when a blocked client is evicted; Rota's programs block. */
#define UNBLOCK_HOLE "CVE-2026-23479"
static const struct version unblock_first = {7, 2, 0}, unblock_fixed = {8, 6, 3};

static bool before(const struct version *a, const struct version *b)
{
    if (a->major != b->major)
        return a->major < b->major;
    return a->minor != b->minor ? a->minor < b->minor : a->patch < b->patch;
}

/* True if `version` is of a series with fixes and has them, or of a later one. */
static bool is_fixed(const struct version *version, const struct version *fixed, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (fixed[i].major == version->major && fixed[i].minor == version->minor)
            return version->patch >= fixed[i].patch;
    return before(&fixed[count - 1], version);
}

const char *server_version_holes(const char *text, bool is_valkey)
{
    struct version version = {0};
    bool lua, unblock;

    if (sscanf(text, "%4u.%4u.%4u", &version.major, &version.minor, &version.patch) < 1)
        return "";
    lua = is_valkey ? !is_fixed(&version, valkey_fixed, sizeof valkey_fixed / sizeof *valkey_fixed)
                    : !is_fixed(&version, redis_fixed, sizeof redis_fixed / sizeof *redis_fixed);
    unblock = !is_valkey && !before(&version, &unblock_first) && before(&version, &unblock_fixed);
    if (lua)
        return unblock ? LUA_HOLES ", " UNBLOCK_HOLE : LUA_HOLES;
    return unblock ? UNBLOCK_HOLE : "";
}
