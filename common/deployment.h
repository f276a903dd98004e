/* deployment.h - what is true of a whole deployment: its Redis server, its function library, its lanes; checked before anything
 * is trusted to it, and again every 30 s and after each reconnect.
 *
 * `rota:meta` (hash): schema, abi, lanes, created_ms, library:<name> (SHA-256 of the text of a function library), durability
 * (declared by `rota setup` or the scheduler), run_id (of the server whose settings were read; "": they could not be), level (the
 * last check: disk, everysec or memory), checked_ms. It is written in the order lanes, ..., schema: without a schema, setting up
 * has not ended. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/acl.h"
#include "common/error.h"
#include "common/redis.h"

/* How much an acknowledgement is worth: what survives the loss of power (disk), what may lose about two seconds, what may lose
 * all. */
enum durability { DURABILITY_MEMORY, DURABILITY_EVERYSEC, DURABILITY_DISK };

/* "disk", "everysec", "memory". */
const char *durability_name(enum durability durability);
int durability_parse(enum durability *ret, const char *name, struct error *err) MUST_CHECK;

#define DEPLOYMENT_SCHEMA    1 /* of the keys, as in lua/lib/lane.lua */
#define DEPLOYMENT_LANES_MAX 1024

struct deployment_options {
    enum durability durability;  /* declared: a weaker server is refused */
    bool require_tls;            /* refuse plain TCP to other hosts, else warn */
    bool require_acl;            /* refuse the default user, else warn where Redis is on another host */
    enum acl_role role;          /* whose rights at the server are tried */
    bool accept_backported;      /* old version numbers: the operator's word that the packages have the fixes of newer ones */
    int64_t timeout_ms, beat_ms; /* of our sessions, to compare with what the server does; 0: we have none */
    bool accept_unverified;      /* "disk" on the operator's word where CONFIG GET is forbidden, else such a server is refused */
    bool may_read_config;        /* the scheduler: CONFIG GET for what INFO does not show; where that is forbidden, see
                                  * accept_unverified. The others (and then the scheduler) take the level from rota:meta */
    bool set_up;    /* the scheduler and `rota setup`: load the library where it is absent, set up lanes, write rota:meta */
    bool brief;     /* without set_up, for commands: the library is known by its SHA-256 in rota:meta, not by its text */
    uint32_t lanes; /* with set_up: 1..DEPLOYMENT_LANES_MAX; 0: as it is, and 1 for a new deployment */
};

#define DEPLOYMENT_WARNINGS_MAX 24

/* What a server is used in spite of. */
struct deployment_warning {
    char name[32];  /* the setting or fact: it says which warning this is, whatever the numbers in the text */
    char text[280]; /* names the setting, its value and the line to change */
};

/* What a check found. */
struct deployment {
    uint32_t lanes;
    char run_id[48], redis_version[24];
    enum durability level;   /* what the server gives */
    int64_t clock_offset_ms; /* server's clock minus ours */
    unsigned warning_count;
    struct deployment_warning warnings[DEPLOYMENT_WARNINGS_MAX];
};

/* `found` is NULL if `err` is not; both are borrowed until the callback returns. Errors: ERR_SETUP (not set up, newer schema,
 * other number of lanes), ERR_LIBRARY (missing or another text under our name; the message says what to do), ERR_DENIED,
 * ERR_INVALID with the setting, its value and the line to change for a server that is refused (weaker than declared, evicts keys,
 * replica, too old), ERR_FULL for one that cannot write to its disk, and those of redis.h. */
typedef void deployment_cb(const struct deployment *found, const struct error *err, void *ctx);

/* Checks, and sets up if asked to; safe to repeat, and to do at the same time as others. `options` is copied. The callback is a
 * redis_cb in disguise: it runs once, later, also when `redis` is freed, and must not call redis_free. */
void deployment_check(struct redis *redis, const struct deployment_options *options, deployment_cb *cb, void *ctx);

/* The same, waiting for the connection (10 s at most) and then for the outcome; copies into `ret`. Not from a redis_cb. */
int deployment_check_wait(struct redis *redis, const struct deployment_options *options, struct deployment *ret,
                          struct error *err) MUST_CHECK;
