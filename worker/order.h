/* order.h - what a keeper is told to run, as the bytes of one message. Pure. Both ends are the same program, so numbers travel as
 * they lie in memory. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/buffer.h"
#include "common/error.h"

#define ORDER_BYTES_MAX  (128 * 1024)
#define ORDER_WORDS_MAX  2048 /* arguments and variables */
#define ORDER_GROUPS_MAX 64

/* Whose rights it has. */
struct order_user {
    bool given; /* false: the worker's own */
    uid_t uid;
    gid_t gid;
    gid_t groups[ORDER_GROUPS_MAX];
    unsigned group_count;
};

/* 0: as the worker has it. */
struct order_limits {
    uint64_t cpu_s, memory_bytes, files, processes, file_bytes;
    uint64_t group_memory_bytes, group_processes; /* of all its processes together: these want a control group */
};

struct order {
    char *const *argv, *const *environment; /* NULL-terminated */
    const char *scratch;                    /* path of a directory to make and to remove; its $TMPDIR */
    const char *cwd;                        /* NULL: the scratch directory */
    const char *cgroup;                     /* path of a control group to make and to remove; NULL for none */
    struct order_user user;
    struct order_limits limits;
    int nice;        /* added to the worker's */
    bool tell_start; /* its pid is wanted */
};

/* Appends the message. ERR_LIMIT if it would be longer than ORDER_BYTES_MAX or have too many words. */
int order_encode(struct buffer *buffer, const struct order *order, struct error *err) MUST_CHECK;

/* An order as it was received; its strings lie in the message. */
struct order_received {
    struct order order;
    char *words[ORDER_WORDS_MAX + 3];
};

/* Reads a message. $TMPDIR is added to the environment. Returns 0, or -1 if it is none. */
int order_decode(struct order_received *ret_received, char *message, size_t bytes);
