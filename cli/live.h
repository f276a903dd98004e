/* live.h - the workers and schedulers that are alive now, as their sessions and cards tell it. */
#pragma once

#include "cli/cli.h"

#define LIVE_MAX 2000 /* processes that are looked at */

struct live {
    char session[TYPE_BYTES_MAX + 1];
    char kind[16], host[65], version[32], phase[16]; /* phase: "running", "quiet", "draining" */
    char *queues, *types;                            /* with spaces between */
    char *broken;                                    /* "TYPE MS ...": until when it takes none, its handler is broken; or NULL */
    int64_t pid, slots, held;                        /* held: jobs, in all lanes */
    int64_t timeout_ms, beat_ms;                     /* of its session */
};

struct live_list {
    struct live *items;
    size_t count;
    bool cut; /* there are more than LIVE_MAX */
};

/* Reads them, one entry for each process, however many sessions it has. Gives: live_clear, also after a failure. */
int live_read(struct cli *cli, struct live_list *ret, struct error *err) MUST_CHECK;
void live_clear(struct live_list *list);

bool live_is_worker(const struct live *live);
bool live_serves(const struct live *live, const char *queue);
bool live_knows(const struct live *live, const char *type);
bool live_takes_jobs(const struct live *live);

/* Until when, in ms since the epoch, it takes no jobs of this type because the handler is broken; 0 if it is not. */
int64_t live_broken_ms(const struct live *live, const char *type);

/* True if a scheduler leads. */
int live_leader(struct cli *cli, bool *ret_leads, struct error *err) MUST_CHECK;

/* What Redis says to a write that changes nothing: "" if it would take one. */
int live_probe_write(struct cli *cli, char *ret, size_t size, struct error *err) MUST_CHECK;
