/* handler.h - what the operator says about jobs of a type: which command runs them, and within which limits.
 *
 * Handlers stand in the file under `handlers`, each under its type; docs/CONFIGURATION.md has the keys, handler_keys.h the table
 * that reads and prints them. It is here, and not with the worker, because `rota config` and `rota handler` read it, too.
 *
 * A handler never changes once it is in a table. Running jobs hold the one that they were started with, so that the table may be
 * replaced meanwhile: handler_hold and handler_release count who has it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

#define HANDLERS_MAX           64
#define HANDLER_TIMEOUT_MS     60000
#define HANDLER_TIMEOUT_MS_MAX (7LL * 24 * 3600 * 1000)
#define HANDLER_ATTEMPTS       25
#define HANDLER_ATTEMPTS_MAX   1000
#define HANDLER_ARGUMENTS_MAX  64
#define HANDLER_DELAYS_MAX     32
#define HANDLER_EXITS_MAX      32
#define HANDLER_VARIABLES_MAX  64

enum handler_mode { HANDLER_EXEC, HANDLER_POOL };

/* What an exit status is taken for. */
enum handler_outcome { HANDLER_DONE, HANDLER_DISCARD, HANDLER_RETRY, HANDLER_DEAD, HANDLER_BROKEN };

/* The wait before the next attempt, after n of them: delays_ms[n-1], the last one for all further ones; without a list
 * min(max, base * factor^(n-1)), give or take a random share of it, `jitter` at most. */
struct handler_backoff {
    int64_t base_ms, max_ms;
    int64_t factor_milli, jitter_milli; /* thousandths: 2000 doubles, 200 is +-20 % */
    int64_t delays_ms[HANDLER_DELAYS_MAX];
    size_t delay_count;
};

/* Exit statuses low..high mean `outcome`. */
struct handler_exit {
    int low, high;
    enum handler_outcome outcome;
};

/* A variable of the handler's environment. */
struct handler_variable {
    char *name, *value; /* value NULL: the worker's own, if it has one */
};

/* What a worker does with a handler at this moment (worker/room.h); its successor of the same type takes it over. */
struct handler_use {
    unsigned holders;
    unsigned running, promised, begun;
    bool missed;
};

/* 0 stands for "not set" where it makes no sense as a value. */
struct handler {
    char *type; /* or a beginning and "*", for all types that begin so: "report.*", "*" */
    unsigned holders;
    struct handler_use *use;
    char **argv; /* NULL-terminated; NULL for the built-in noop, which is done at once */
    enum handler_mode mode;
    int64_t timeout_ms;              /* a job's own time-out wins */
    int64_t max_timeout_ms;          /* how long it may run after asking for more time; never below timeout_ms */
    int64_t heartbeat_ms;            /* 0: none; silent for so long on fd 3 it has timed out */
    int64_t kill_after_ms;           /* between TERM and KILL */
    int64_t max_attempts;            /* a job's own limit wins */
    enum handler_outcome on_timeout; /* HANDLER_RETRY or HANDLER_DEAD */
    struct handler_backoff backoff;
    struct handler_exit exits[HANDLER_EXITS_MAX]; /* none overlaps another; what is in none means what verdict.h says */
    size_t exit_count;
    int64_t concurrency; /* so many at once in one worker process; 0: as many as there are slots */
    char *limit;         /* the shared limit that its jobs run under; NULL for none */
    struct handler_variable *variables;
    size_t variable_count;
    char *cwd;  /* NULL: a scratch directory */
    char *user; /* name or number; NULL: the worker's */
    int64_t nice;
    struct {
        int64_t cpu_ms, as_bytes, nofile, nproc, fsize_bytes;
    } rlimits;
    struct {
        int64_t memory_max_bytes, pids_max;
    } cgroup;
    int64_t result_bytes_max, log_bytes_hard_max;
    struct {
        int64_t max_jobs, max_age_ms, max_rss_bytes; /* 0: no bound */
        bool per_org;
    } pool;
};

/* Refuses what is neither a type nor a beginning of types, which may be empty, and "*". */
int handler_type_check(const char *type, struct error *err) MUST_CHECK;

/* One with the defaults and no command; held once. Gives. `type` must be a type, or a beginning of types and "*"; NULL and `err`
 * if it is not. */
struct handler *handler_new(const char *type, struct error *err);

struct handler *handler_hold(struct handler *handler);
void handler_release(struct handler *handler); /* NULL is fine */

/* Its command becomes a copy of the NULL-terminated `argv`; NULL for the built-in noop. */
void handler_set_command(struct handler *handler, const char *const *argv);

/* True if its runs want control groups of their own: it has limits that only these can set. */
bool handler_wants_group(const struct handler *handler);

/* True if all that is said of both is the same. */
bool handler_equals(const struct handler *a, const struct handler *b);

/* All zeroes is an empty table. */
struct handlers {
    struct handler **items;
    size_t count;
    /* Told of each handler that handlers_replace takes out of the table, before it is released: whoever keeps processes for it
     * ends them. NULL: nobody. */
    void (*on_retired)(struct handler *handler, void *ctx);
    void *ctx;
};

/* How a handler of the one table relates to that of the other. */
enum handler_change { HANDLER_ADDED, HANDLER_CHANGED, HANDLER_REMOVED };

/* Takes a handler (ours from now on, even on failure). Refuses a second one of its type, and one too many. */
int handlers_add(struct handlers *handlers, struct handler *handler, struct error *err) MUST_CHECK;

/* Adds a handler that the shell runs: "TYPE=COMMAND", as in "wc=wc -w". "TYPE=@noop" is the built-in noop. */
int handlers_add_shell(struct handlers *handlers, const char *text, struct error *err) MUST_CHECK;

/* The handler of `type`, else of its longest beginning that has one ("report.*", "*"), else NULL. */
struct handler *handlers_find(const struct handlers *handlers, const char *type);

/* Makes the table what `fresh` is, which is empty then. A handler that says the same in both stays the one it was. `told` (NULL:
 * nobody) is told of the others: the old one and the new one, of which one may be NULL. */
void handlers_replace(struct handlers *handlers, struct handlers *fresh,
                      void (*told)(enum handler_change change, const struct handler *old, const struct handler *now, void *ctx),
                      void *ctx);

void handlers_clear(struct handlers *handlers);
