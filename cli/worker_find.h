/* worker_find.h - which worker somebody means: an id is long, so the beginning of one will do where no other begins so. */
#pragma once

#include <stdbool.h>

#include "cli/cli.h"
#include "cli/orgs.h"

/* Live: with a session in a lane. Known: those, and the last 10,000 that have ended. */
enum worker_wanted { WORKER_LIVE, WORKER_KNOWN };

/* True if a session may have this id: [a-z0-9]{1,64}. */
bool worker_is_id(const char *text);

/* The sessions that live in any lane, sorted; at most 10,000 of each lane. Connected before. Gives, also on failure. */
int worker_find_live(struct cli *cli, struct names *ret, struct error *err) MUST_CHECK;

/* Nobody alive has that id: ERR_NOT_FOUND, which says how the one that had it has ended. Connected before. */
int worker_find_gone(struct cli *cli, const char *id, struct error *err);

/* Connects, and finds the one that has `text` as its id, or else as the beginning of its id; into `ret_session`. A usage error
 * where several begin so. If there is none: of those that live worker_find_gone(); of those that are known `text` itself, since
 * more may be known of it than was looked at. */
int worker_find(struct cli *cli, const char *text, enum worker_wanted wanted, char ret_session[TYPE_BYTES_MAX + 1],
                struct error *err) MUST_CHECK;
