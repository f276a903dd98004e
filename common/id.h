/* id.h - names and ids: what is allowed, and drawing new ones.
 *
 * Grammar: organization and queue [a-z0-9][a-z0-9_-]{0,62}; type [A-Za-z0-9._-]{1,64}; job id [A-Za-z0-9._:-]{1,64}, where
 * programs of Rota also write '@' (schedules); limit NAME or NAME:KEY, with a name as an organization's and KEY
 * [A-Za-z0-9._-]{1,64}. Anything else is refused before a key is built. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

#define NAME_BYTES_MAX     63
#define TYPE_BYTES_MAX     64
#define JOB_ID_BYTES_MAX   64
#define LIMIT_BYTES_MAX    (NAME_BYTES_MAX + 1 + TYPE_BYTES_MAX) /* NAME:KEY */
#define ID_BYTES           13                                    /* of a drawn id */
#define SESSION_BYTES      20
#define TOKEN_BYTES        16
#define ID_PRIVATE_PREFIX  "p:" /* of a job that came by a private inbox; the rest is its entry's id */
#define JOB_NAME_BYTES_MAX (NAME_BYTES_MAX + 1 + JOB_ID_BYTES_MAX)

bool name_is_valid(const char *name, size_t bytes);
bool type_is_valid(const char *type, size_t bytes);
/* A job id that a user may choose: '@' is refused. */
bool job_id_is_choosable(const char *id, size_t bytes);

/* The same as errors that name the value and the grammar. `what`: "organization", "queue". */
int name_check(const char *name, const char *what, struct error *err) MUST_CHECK;
int type_check(const char *type, struct error *err) MUST_CHECK;
int limit_check(const char *limit, struct error *err) MUST_CHECK;

/* Draws a job id: 13 characters of Crockford base32 (lower case), 41 bits of ms since 2020 and 24 bits of a per-process counter
 * from a random start, so that the ids of a batch sort in its order. */
void id_draw(char ret_id[ID_BYTES + 1]);

/* The same from given parts, for tests: `ms` since the epoch (before 2020 counts as 2020), the low 24 bits of `counter`. */
void id_format(char ret_id[ID_BYTES + 1], int64_t ms, uint32_t counter);

/* Draws a session id: 20 random characters of base32. */
void session_draw(char ret_session[SESSION_BYTES + 1]);

/* Splits "org/id" in place of a copy: writes both parts NUL-terminated. */
int job_name_split(const char *name, char ret_org[NAME_BYTES_MAX + 1], char ret_id[JOB_ID_BYTES_MAX + 1],
                   struct error *err) MUST_CHECK;

/* The lane an organization lives in: zlib's CRC-32 of its name, modulo `lanes`. */
uint32_t lane_of(const char *org, uint32_t lanes);
