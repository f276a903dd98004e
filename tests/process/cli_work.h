/* cli_work.h - jobs that end in each way, for tests of commands about jobs. */
#pragma once

#include "tests/support/rota.h"

#define LATER_MS 2051222400000 /* 2035-01-01T00:00:00Z */

static inline void push_later(struct pool *pool, const char *id)
{
    pool_push_record(pool, "acme", id, &(struct job_record){.type = "t", .due_ms = LATER_MS, .payload = "p", .payload_bytes = 1});
}

/* A worker that knows types ok (echoes), bad (dead at once), crash, slow, and bin (bytes that are no text). */
static inline struct process *start_work(struct pool *pool)
{
    pool_scheduler(pool, NULL);
    return pool_worker(pool, "--on", "ok=cat", "--on", "bad=echo no luck >&2; exit 100", "--on", "crash=kill -9 $$", "--on",
                       "slow=sleep 60", "--on", "bin=printf '\\377\\000x'", NULL);
}

static inline void end_as(struct pool *pool, const char *id, const char *type, const char *place)
{
    pool_push(pool, "acme", id, type, "payload");
    pool_wait_place(pool, "acme", id, place);
}
