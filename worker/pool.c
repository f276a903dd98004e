#include "worker/pool.h"

#include <errno.h>
#include <ev.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "worker/pool_child.h"

#define SWEEP_EVERY_S 1.0

struct pools {
    struct pools_options options;
    struct pool_owner owner; /* what its children know of it */
    struct pool_child *children;
    unsigned count;
    struct pool_jobs waiting;
    ev_timer sweep;
    ev_prepare later; /* dispatch, when no caller of ours waits for an answer */
    bool dispatching, draining;
};

static void dispatch(struct pools *pools);

/* ---- what children tell ---- */

static void on_room(void *ctx)
{
    dispatch(ctx);
}

/* True if there is one of the handler that has said hello. */
static bool works(const struct pools *pools, const struct handler *handler)
{
    for (unsigned i = 0; i < pools->count; i++)
        if (pools->children[i].handler == handler && pools->children[i].max_inflight > 0)
            return true;
    return false;
}

/* One that never said hello. Where no other one works, a job that goes on waiting would only see the next one fail: all go back.
 * Else one of those that it was started for. */
static void on_ended(const struct pool_child *child, bool failed, const struct pool_end *end, void *ctx)
{
    struct pools *pools = ctx;
    bool others_work = failed && works(pools, child->handler), found = false;
    struct pool_job *job, *next;

    for (job = failed ? TAILQ_FIRST(&pools->waiting.head) : NULL; job && !(found && others_work); job = next) {
        next = TAILQ_NEXT(job, entry);
        if (job->handler != child->handler)
            continue;
        found = true;
        pool_job_lose(job, POOL_BROKEN, ENOEXEC, end->how);
    }
    pools->options.on_end(end, pools->options.ctx);
}

static void on_sweep(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct pools *pools = timer->data;
    bool any = false;

    (void)events;
    for (unsigned i = 0; i < pools->count; i++) {
        if (pools->children[i].state == POOL_CHILD_NONE)
            continue;
        any = true;
        pool_child_sweep(&pools->children[i]);
    }
    if (!any)
        ev_timer_stop(loop, timer);
}

/* ---- which child takes which job ---- */

/* The child with the fewest jobs that can take this one. */
static struct pool_child *find_child(struct pools *pools, const struct pool_job *job)
{
    struct pool_child *best = NULL;
    char org[NAME_BYTES_MAX + 1];

    pool_job_org(job, org);
    for (unsigned i = 0; i < pools->count; i++) {
        struct pool_child *child = &pools->children[i];
        if (pool_child_serves(child, job->handler, org) && pool_child_has_room(child) &&
            (!best || child->jobs.count < best->jobs.count))
            best = child;
    }
    return best;
}

static struct pool_child *find_place(struct pools *pools)
{
    for (unsigned i = 0; i < pools->count; i++)
        if (pool_child_is_free(&pools->children[i]))
            return &pools->children[i];
    return NULL;
}

/* Places that become free soon are counted as free: only for what is missing beyond them are others told to end, of those that do
 * nothing the eldest first. */
static void make_room(struct pools *pools, unsigned missing)
{
    unsigned going = 0;

    for (unsigned i = 0; i < pools->count; i++)
        going += pools->children[i].state == POOL_CHILD_ENDING ||
                 (pools->children[i].state == POOL_CHILD_NONE && !pool_child_is_free(&pools->children[i]));
    for (; going < missing; going++) {
        struct pool_child *idle = NULL;
        for (unsigned i = 0; i < pools->count; i++) {
            struct pool_child *child = &pools->children[i];
            if (child->state == POOL_CHILD_READY && child->jobs.count == 0 &&
                (!idle || child->started_mono_ms < idle->started_mono_ms))
                idle = child;
        }
        if (!idle)
            return;
        pool_child_drain(idle);
    }
}

/* True if the same children can take both. */
static bool is_alike(const struct pool_job *job, const struct pool_job *other)
{
    char org[NAME_BYTES_MAX + 1], other_org[NAME_BYTES_MAX + 1];

    return job->handler == other->handler && strcmp(pool_job_org(job, org), pool_job_org(other, other_org)) == 0;
}

/* How many more children jobs like this one, which is the first of them to wait, need beside those that are being started: what
 * a child takes at once is known from others of its handler; as long as it is not, one child is tried. */
static unsigned children_needed(const struct pools *pools, const struct pool_job *job)
{
    unsigned starting = 0, known = 0, waiting = 0, needed;
    const struct pool_job *other;
    char org[NAME_BYTES_MAX + 1];

    TAILQ_FOREACH(other, &pools->waiting.head, entry)
    {
        if (!other->culprit && is_alike(job, other) && waiting++ == 0 && other != job)
            return 0;
    }
    pool_job_org(job, org);
    for (unsigned i = 0; i < pools->count; i++) {
        const struct pool_child *child = &pools->children[i];
        if (child->state == POOL_CHILD_NONE || child->handler != job->handler)
            continue;
        if (child->max_inflight > known)
            known = child->max_inflight;
        if (child->state == POOL_CHILD_STARTING && pool_child_serves(child, job->handler, org))
            starting++;
    }
    needed = known == 0 ? 1 : (waiting + known - 1) / known;
    return needed > starting ? needed - starting : 0;
}

/* Starts children for jobs like this one. Returns how many there is no place for. */
static unsigned find_help(struct pools *pools, struct pool_job *job)
{
    for (unsigned needed = children_needed(pools, job); needed > 0; needed--) {
        struct pool_child *place = find_place(pools);
        int code = place ? pool_child_start(place, job) : 0;
        if (!place)
            return needed;
        if (code > 0) {
            pool_job_lose(job, POOL_BROKEN, code, strerror(code));
            return 0;
        }
        if (!ev_is_active(&pools->sweep))
            ev_timer_again(pools->owner.loop, &pools->sweep);
    }
    return 0;
}

/* True if a job that waits will be its own. */
static bool is_wanted(const struct pools *pools, const struct pool_child *child)
{
    const struct pool_job *job;
    char org[NAME_BYTES_MAX + 1];

    TAILQ_FOREACH(job, &pools->waiting.head, entry)
    if (!job->culprit && pool_child_serves(child, job->handler, pool_job_org(job, org)))
        return true;
    return false;
}

static void drain_idle(struct pools *pools)
{
    for (unsigned i = 0; i < pools->count; i++)
        if (pools->children[i].jobs.count == 0 && !is_wanted(pools, &pools->children[i]))
            pool_child_drain(&pools->children[i]);
}

/* Gives jobs that wait to children that have room, and starts children for the others. Callbacks lead back here. */
static void dispatch(struct pools *pools)
{
    struct pool_job *job, *next;
    unsigned missing = 0;

    if (pools->dispatching)
        return;
    pools->dispatching = true;
    for (job = TAILQ_FIRST(&pools->waiting.head); job; job = next) {
        struct pool_child *child = find_child(pools, job);
        int code;
        next = TAILQ_NEXT(job, entry);
        if (job->culprit)
            continue; /* on_later tells of its end */
        code = child ? pool_child_take_waiting(child, job) : 0;
        if (code > 0)
            pool_job_lose(job, POOL_BROKEN, code, strerror(code));
        else if (!child)
            missing += find_help(pools, job);
    }
    if (missing > 0)
        make_room(pools, missing);
    if (pools->draining)
        drain_idle(pools);
    pools->dispatching = false;
}

static void on_later(struct ev_loop *loop, ev_prepare *prepare, int events)
{
    struct pools *pools = prepare->data;
    struct pool_job *job, *next;

    (void)events;
    ev_prepare_stop(loop, prepare);
    for (job = TAILQ_FIRST(&pools->waiting.head); job; job = next) {
        next = TAILQ_NEXT(job, entry);
        if (job->culprit)
            pool_job_lose(job, POOL_CRASHED, 0, "no long-lived handler had taken it yet");
    }
    dispatch(pools);
}

/* ---- for the worker ---- */

struct pools *pools_new(const struct pools_options *options)
{
    struct pools *pools = memory_new(sizeof *pools);

    *pools = (struct pools){
        .options = *options,
        .owner = {.loop = options->loop, .handlers = options->handlers, .on_room = on_room, .on_ended = on_ended, .ctx = pools},
        .count = options->count};
    pools->children = memory_new(sizeof *pools->children * pools->count);
    pool_jobs_init(&pools->waiting);
    ev_timer_init(&pools->sweep, on_sweep, 0, SWEEP_EVERY_S);
    ev_prepare_init(&pools->later, on_later);
    pools->sweep.data = pools->later.data = pools;
    for (unsigned i = 0; i < pools->count; i++)
        pool_child_init(&pools->children[i], keepers_at(options->keepers, options->first + i), &pools->owner);
    return pools;
}

void pools_free(struct pools *pools)
{
    if (!pools)
        return;
    ev_timer_stop(pools->owner.loop, &pools->sweep);
    ev_prepare_stop(pools->owner.loop, &pools->later);
    for (unsigned i = 0; i < pools->count; i++)
        pool_child_clear(&pools->children[i]);
    pool_jobs_clear(&pools->waiting);
    free(pools->children);
    free(pools);
}

void pools_drain(struct pools *pools)
{
    pools->draining = true;
    dispatch(pools);
}

void pools_kill(struct pools *pools)
{
    for (unsigned i = 0; i < pools->count; i++)
        if (pools->children[i].jobs.count == 0)
            pool_child_kill(&pools->children[i], NULL, NULL);
}

unsigned pools_living(const struct pools *pools)
{
    unsigned living = 0;

    for (unsigned i = 0; i < pools->count; i++)
        living += pools->children[i].state != POOL_CHILD_NONE;
    return living;
}

void pools_keeper_free(struct pools *pools)
{
    dispatch(pools);
}

struct pool_job *pool_start(struct pools *pools, const struct pool_request *request, const struct pool_client *client)
{
    struct pool_job *job = pool_job_new(pools, request, client);
    struct pool_child *child = request->payload_bytes <= POOL_PAYLOAD_BYTES_MAX ? find_child(pools, job) : NULL;

    if (child) { /* the usual way: nothing needs to be kept */
        pool_child_take(child, job, request);
        return job;
    }
    pool_job_keep(job, request);
    pool_job_move(job, &pools->waiting);
    ev_prepare_start(pools->owner.loop, &pools->later);
    return job;
}

void pool_cancel(struct pool_job *job)
{
    if (job->child)
        pool_child_cancel(job->child, job);
    else
        pool_kill(job);
}

void pool_kill(struct pool_job *job)
{
    job->culprit = true;
    if (job->child)
        pool_child_kill(job->child, NULL, job);
    else
        ev_prepare_start(job->pools->owner.loop, &job->pools->later);
}

void pool_forget(struct pool_job *job)
{
    job->forgotten = true;
    pool_kill(job);
}

bool pool_waits(const struct pool_job *job)
{
    return !job->child;
}

pid_t pool_pid(const struct pool_job *job)
{
    return job->child ? job->child->pid : 0;
}
