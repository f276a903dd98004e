/* server_facts.h - what a Redis server says about itself and about our deployment on it, fetched in one go. deployment.c judges
 * it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/acl.h"
#include "common/deployment.h"

/* What the server has under the name of our function library. */
enum library_state {
    LIBRARY_ABSENT,
    LIBRARY_SAME,
    LIBRARY_OTHER,  /* another text */
    LIBRARY_HIDDEN, /* we may not look, or did not ask for its text */
};

struct server_facts {
    char *info;              /* text of INFO */
    char **config_pairs;     /* of CONFIG GET: name, value, ..., NULL; NULL if it was not read, or is forbidden */
    int64_t clock_offset_ms; /* server's clock minus ours */
    int64_t round_trip_ms;   /* until the first answer */
    enum library_state library;

    /* rota:meta; 0 and "" for what is missing. `lanes` is that of lane 0 where rota:meta is gone. */
    int64_t schema, lanes;
    char run_id[48], library_sha256[72];
    bool has_level;
    enum durability level;

    struct acl_findings acl;
};

/* What is asked besides what everybody asks. */
struct server_questions {
    bool read_config;
    bool brief;         /* without the text of the library */
    enum acl_role role; /* whose needs are tried with ACL DRYRUN */
    bool try_dangers;
};

/* `facts` is NULL if `err` is not. They are the receiver's: server_facts_clear. */
typedef void server_facts_cb(struct server_facts *facts, const struct error *err, void *ctx);

/* Fetches; a server that is not usable (server_check.h) is an error. The callback is a redis_cb in disguise. */
void server_facts_fetch(struct redis *redis, const struct server_questions *questions, server_facts_cb *cb, void *ctx);

void server_facts_clear(struct server_facts *facts);
