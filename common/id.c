#include "common/id.h"

#include <ctype.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "common/clock.h"
#include "common/random.h"

#define EPOCH_2020_MS 1577836800000LL

static const char base32[] = "0123456789abcdefghjkmnpqrstvwxyz"; /* Crockford's alphabet, lower case */

bool name_is_valid(const char *name, size_t bytes)
{
    if (bytes < 1 || bytes > NAME_BYTES_MAX || name[0] == '_' || name[0] == '-')
        return false;
    for (size_t i = 0; i < bytes; i++) {
        char c = name[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-'))
            return false;
    }
    return true;
}

static bool is_word(const char *word, size_t bytes, size_t bytes_max, const char *extra)
{
    if (bytes < 1 || bytes > bytes_max)
        return false;
    for (size_t i = 0; i < bytes; i++) {
        char c = word[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && (c == '\0' || !strchr(extra, c)))
            return false;
    }
    return true;
}

bool type_is_valid(const char *type, size_t bytes)
{
    return is_word(type, bytes, TYPE_BYTES_MAX, "._-");
}

bool job_id_is_choosable(const char *id, size_t bytes)
{
    return is_word(id, bytes, JOB_ID_BYTES_MAX, "._:-");
}

int name_check(const char *name, const char *what, struct error *err)
{
    if (!name_is_valid(name, strlen(name)))
        return error_set(err, ERR_INVALID, "%s \"%.80s\" must match [a-z0-9][a-z0-9_-]{0,62}", what, name);
    return 0;
}

int limit_check(const char *limit, struct error *err)
{
    size_t bytes = strlen(limit), name_bytes = strcspn(limit, ":");

    if (!name_is_valid(limit, name_bytes) ||
        (name_bytes < bytes && !type_is_valid(limit + name_bytes + 1, bytes - name_bytes - 1)))
        return error_set(err, ERR_INVALID,
                         "limit \"%.140s\" must match [a-z0-9][a-z0-9_-]{0,62}, for a key with :[A-Za-z0-9._-]{1,64} behind it",
                         limit);
    return 0;
}

int type_check(const char *type, struct error *err)
{
    if (!type_is_valid(type, strlen(type)))
        return error_set(err, ERR_INVALID, "type \"%.80s\" must match [A-Za-z0-9._-]{1,64}", type);
    return 0;
}

void id_format(char ret_id[ID_BYTES + 1], int64_t ms, uint32_t counter)
{
    uint64_t since = ms > EPOCH_2020_MS ? (uint64_t)(ms - EPOCH_2020_MS) : 0;
    uint64_t bits = (since & ((1ULL << 41) - 1)) << 24 | (counter & 0xffffff);

    for (int i = ID_BYTES - 1; i >= 0; i--) {
        ret_id[i] = base32[bits & 31];
        bits >>= 5;
    }
    ret_id[ID_BYTES] = '\0';
}

void id_draw(char ret_id[ID_BYTES + 1])
{
    static _Atomic uint32_t counter;
    static atomic_bool started;

    if (!atomic_exchange(&started, true)) {
        uint32_t start;
        random_bytes(&start, sizeof start);
        atomic_store(&counter, start);
    }
    id_format(ret_id, clock_wall_ms(), atomic_fetch_add(&counter, 1));
}

void session_draw(char ret_session[SESSION_BYTES + 1])
{
    unsigned char bytes[SESSION_BYTES];

    random_bytes(bytes, sizeof bytes);
    for (int i = 0; i < SESSION_BYTES; i++)
        ret_session[i] = base32[bytes[i] & 31];
    ret_session[SESSION_BYTES] = '\0';
}

int job_name_split(const char *name, char ret_org[NAME_BYTES_MAX + 1], char ret_id[JOB_ID_BYTES_MAX + 1], struct error *err)
{
    const char *slash = strchr(name, '/');
    size_t org_bytes = slash ? (size_t)(slash - name) : 0;

    if (!slash || !name_is_valid(name, org_bytes) || !is_word(slash + 1, strlen(slash + 1), JOB_ID_BYTES_MAX, "._:-@"))
        return error_set(err, ERR_INVALID, "job \"%.140s\" must be named org/id, as in acme/0ay5k3m8q4txw", name);
    memcpy(ret_org, name, org_bytes);
    ret_org[org_bytes] = '\0';
    snprintf(ret_id, JOB_ID_BYTES_MAX + 1, "%s", slash + 1);
    return 0;
}

uint32_t lane_of(const char *org, uint32_t lanes)
{
    return (uint32_t)(crc32(0, (const Bytef *)org, (uInt)strlen(org)) % lanes);
}
