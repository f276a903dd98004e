/* entry.h - one entry of the inbox stream as a job: what a producer wrote with XADD. Pure.
 *
 *   XADD rota:inbox * org acme type email payload P [queue Q] [key K] [priority N] [delay_ms N] [due_ms N] [expires_ms N]
 *        [timeout_ms N] [max_attempts N] [header.NAME VALUE]... [v 1]
 *
 * The entry's id is the job's id; of a private inbox it is ID_PRIVATE_PREFIX and the entry's id, because entries of two
 * streams may have the same one. Unknown and repeated fields are refused, so that a misspelt one is not lost in silence. */
#pragma once

#include "common/buffer.h"
#include "common/error.h"
#include "common/id.h"
#include "common/reply.h"

/* Reads an entry (fields as XREAD gives them) of job `id` into its organization and its encoded record, which is appended to
 * `record`. The same entry gives the same record each time. `owner`: whose private inbox it comes from, whatever it says of its
 * organization itself; "" for the shared one. ERR_INVALID and ERR_LIMIT say why it is rejected. `ret_org` is written also then,
 * if the entry names an organization, the first one if several; else it is "". */
int entry_read(const char *id, const char *owner, const struct reply *fields, char ret_org[NAME_BYTES_MAX + 1],
               struct buffer *record, struct error *err) MUST_CHECK;
