#include "common/scan.h"

#include <stdbool.h>
#include <stdint.h>

struct scan {
    const unsigned char *at, *end;
    size_t objects_left;
};

/* The head of one object: bytes that follow it, and objects nested in it. */
struct head {
    uint64_t bytes, children;
};

static bool read_number(struct scan *scan, size_t bytes, uint64_t *ret)
{
    uint64_t number = 0;

    if ((size_t)(scan->end - scan->at) < bytes)
        return false;
    for (size_t i = 0; i < bytes; i++)
        number = number << 8 | *scan->at++;
    *ret = number;
    return true;
}

/* Lengths of str, bin and ext: `bytes` of length, then `extra` bytes (the ext's type). */
static bool read_blob(struct scan *scan, size_t bytes, uint64_t extra, struct head *head)
{
    if (!read_number(scan, bytes, &head->bytes))
        return false;
    head->bytes += extra;
    return true;
}

static bool read_container(struct scan *scan, size_t bytes, uint64_t per_entry, struct head *head)
{
    if (!read_number(scan, bytes, &head->children))
        return false;
    head->children *= per_entry;
    return true;
}

static bool read_head(struct scan *scan, struct head *head)
{
    static const unsigned char fixed[] = {
        /* ca */ 4, 8, /* cc uint */ 1, 2, 4, 8, /* d0 int */ 1, 2, 4, 8, /* d4 fixext */ 2, 3, 5, 9, 17};
    unsigned char first;

    *head = (struct head){0};
    if (scan->at == scan->end)
        return false;
    first = *scan->at++;
    if (first <= 0x7f || first >= 0xe0 || first == 0xc0 || first == 0xc2 || first == 0xc3)
        return true;
    if (first <= 0x8f) {
        head->children = (first & 0x0fU) * 2U;
        return true;
    }
    if (first <= 0x9f) {
        head->children = first & 0x0fU;
        return true;
    }
    if (first <= 0xbf) {
        head->bytes = first & 0x1fU;
        return true;
    }
    switch (first) {
    case 0xc4:
    case 0xd9: return read_blob(scan, 1, 0, head);
    case 0xc5:
    case 0xda: return read_blob(scan, 2, 0, head);
    case 0xc6:
    case 0xdb: return read_blob(scan, 4, 0, head);
    case 0xc7: return read_blob(scan, 1, 1, head);
    case 0xc8: return read_blob(scan, 2, 1, head);
    case 0xc9: return read_blob(scan, 4, 1, head);
    case 0xdc: return read_container(scan, 2, 1, head);
    case 0xdd: return read_container(scan, 4, 1, head);
    case 0xde: return read_container(scan, 2, 2, head);
    case 0xdf: return read_container(scan, 4, 2, head);
    case 0xc1: return false;
    default: head->bytes = fixed[first >= 0xd0 ? first - 0xd0 + 6 : first - 0xca]; return true;
    }
}

int scan_msgpack(const void *bytes, size_t length, size_t objects_max, const char *what, struct error *err)
{
    struct scan scan = {.at = bytes, .end = (const unsigned char *)bytes + length};
    uint64_t left[SCAN_DEPTH_MAX + 1] = {1}; /* objects still to come, by depth */
    size_t depth = 0, objects = 0;
    struct head head;

    for (;;) {
        while (depth > 0 && left[depth] == 0)
            depth--;
        if (left[depth] == 0)
            break;
        left[depth]--;
        if (++objects > objects_max)
            return error_set(err, ERR_PROTOCOL, "%s has more than %zu msgpack objects", what, objects_max);
        if (!read_head(&scan, &head) || head.bytes > (uint64_t)(scan.end - scan.at) ||
            head.children > (uint64_t)(scan.end - scan.at))
            return error_set(err, ERR_PROTOCOL, "%s is not well-formed msgpack at byte %zu of %zu", what,
                             length - (size_t)(scan.end - scan.at), length);
        scan.at += head.bytes;
        if (head.children > 0) {
            if (depth == SCAN_DEPTH_MAX)
                return error_set(err, ERR_PROTOCOL, "%s is nested deeper than %d", what, SCAN_DEPTH_MAX);
            left[++depth] = head.children;
        }
    }
    if (scan.at != scan.end)
        return error_set(err, ERR_PROTOCOL, "%s has %zu bytes after its msgpack object", what, (size_t)(scan.end - scan.at));
    return 0;
}
