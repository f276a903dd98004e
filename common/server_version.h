/* server_version.h - which known holes the version of a server has. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* The CVEs that a server of this version was published with, among those that matter to Rota, separated by ", "; "" if it has
 * the fixes of all. `version`: "7.0.15", Redis' own or, with `is_valkey`, Valkey's. A distribution may have put the fixes into
 * an older version: the number does not tell. */
const char *server_version_holes(const char *version, bool is_valkey);
