/* server_check.h - judges a Redis server by what it says about itself. Pure: deployment.c fetches the texts. */
#pragma once

#include "common/deployment.h"

/* What the server said. */
struct server_answers {
    const char *info;                /* text of INFO */
    const char *const *config_pairs; /* of CONFIG GET: name, value, ..., NULL; or NULL where CONFIG was not read */
    int64_t clock_offset_ms;         /* its clock minus ours */
    int64_t round_trip_ms;           /* from a question to the answer */
};

/* Refuses what will not do whatever its settings, and what would answer every other question with a puzzle: ERR_INVALID (too old,
 * a cluster, a replica, evicts keys), ERR_UNAVAILABLE while it loads. */
int server_check_usable(const char *info, struct error *err) MUST_CHECK;

/* Judges the answers, and fills run_id, redis_version, level and warnings of `ret` (what else is in it stays).
 *
 * Without CONFIG, INFO tells only whether there is an AOF, not how often it is synced: then `level` is the best it can be, and
 * the caller lowers it to what it knows (server_check_level).
 *
 * ERR_INVALID for a server that is refused (not usable, or keeps less than declared), ERR_UNAVAILABLE while it loads, ERR_FULL
 * while it refuses all writes. The message names the setting, its value and the line to change. */
int server_check(const struct server_answers *answers, const struct deployment_options *options, struct deployment *ret,
                 struct error *err) MUST_CHECK;

/* Refuses (ERR_INVALID) a level below the declared one. `why`: the setting that makes it so, "" if it is not known. */
int server_check_level(enum durability level, enum durability declared, const char *why, struct error *err) MUST_CHECK;

/* The value of a setting, "" if CONFIG was not read. */
const char *server_check_setting(const struct server_answers *answers, const char *name);

/* False if INFO says that the server listens on a unix socket only. */
bool server_check_has_port(const char *info);

/* Adds the warning `name`; those beyond DEPLOYMENT_WARNINGS_MAX are dropped, longer ones are cut. */
void server_check_warn(struct deployment *ret, const char *name, const char *fmt, ...) PRINTF_LIKE(3, 4);
