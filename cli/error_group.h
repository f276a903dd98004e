/* error_group.h - errors that differ only in what differs from job to job: one group. Pure.
 *
 * Numbers, hexadecimal words, UUIDs, quoted texts, paths and URLs become <n>, <hex>, <uuid>, <text>, <path>, <url>. The number
 * behind "exit" or "signal" at the beginning stays: it is what a handler says on purpose. */
#pragma once

#include "common/buffer.h"

#define ERROR_GROUP_BYTES      13 /* of an id, with the NUL */
#define ERROR_NORMAL_BYTES_MAX 200

/* Appends `error` in its general form, at most ERROR_NORMAL_BYTES_MAX bytes on one line. */
void error_normalise(struct buffer *out, const char *error);

/* The id of the group of jobs of `type` with this general form: 12 hexadecimal digits. Returned. */
const char *error_group_id(char ret_id[ERROR_GROUP_BYTES], const char *type, const char *normal);
