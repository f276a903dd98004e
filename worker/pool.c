#include "worker/pool.h"

#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/memory.h"
#include "worker/log_text.h"
#include "worker/pool_wire.h"

#define SWEEP_EVERY_S 1.0
#define TERM_AFTER_MS 1000 /* between the end of the stream and TERM */

/* READY: it takes jobs. DRAINING: no more. ENDING: it was killed, or told to end. */
enum child_state { CHILD_NONE, CHILD_STARTING, CHILD_READY, CHILD_DRAINING, CHILD_ENDING };

struct pool_job {
    TAILQ_ENTRY(pool_job) entry; /* among those that wait, or those of its child */
    struct pools *pools;
    struct pool_child *child; /* NULL: it waits for one */
    struct pool_client client;
    struct handler *handler;
    char name[JOB_NAME_BYTES_MAX + 1];
    struct buffer frame; /* until it is sent */
    char *payload;       /* a large one, until it is written to a file */
    size_t payload_bytes;
    char **environment; /* until it is sent; for the child that is started for it, and for a large payload */
    struct order order; /* how a child is started; its strings are the handler's */
    char *payload_path; /* NULL: there is no file */
    bool culprit;       /* its child is killed for it */
    bool forgotten;
};

TAILQ_HEAD(pool_jobs, pool_job);

struct pool_child {
    struct pools *pools;
    struct keeper *keeper;
    unsigned number;
    enum child_state state;
    struct handler *handler;      /* held */
    char org[NAME_BYTES_MAX + 1]; /* "" unless it is for one alone */
    struct pool_wire wire;
    pid_t pid;
    unsigned max_inflight, inflight;
    struct pool_jobs jobs;
    int64_t begun_jobs, payload_files, started_mono_ms;
    struct order_user user;
    struct log_text log; /* of what belongs to no job, a second's worth */
    ev_timer timer;      /* hello; at the end TERM, then KILL */
    bool terminated;     /* TERM was sent */
    bool has_culprit;    /* it is killed for one of its jobs */
    bool spoke_nonsense;
    char *why; /* it does not work */
};

struct pools {
    struct ev_loop *loop;
    struct keepers *keepers;
    const struct handlers *handlers;
    struct pool_child *children;
    unsigned first, count;
    struct pool_jobs waiting;
    ev_timer sweep;
    ev_prepare later; /* dispatch, when no caller of ours waits for an answer */
    bool dispatching;
};

static void dispatch(struct pools *pools);

/* ---- jobs ---- */

static void free_job(struct pool_job *job)
{
    if (job->payload_path)
        unlink(job->payload_path);
    free(job->payload_path);
    free(job->payload);
    buffer_clear(&job->frame);
    for (char **variable = job->environment; variable && *variable; variable++)
        free(*variable);
    free(job->environment);
    handler_release(job->handler);
    free(job);
}

/* Out of whatever list it is in. */
static void take_out(struct pool_job *job)
{
    if (job->child) {
        TAILQ_REMOVE(&job->child->jobs, job, entry);
        job->child->inflight--;
    } else {
        TAILQ_REMOVE(&job->pools->waiting, job, entry);
    }
    job->child = NULL;
}

static void lose(struct pool_job *job, enum pool_loss loss, int code, const char *why)
{
    take_out(job);
    if (!job->forgotten)
        job->client.on_lost(loss, code, why, job->client.ctx);
    free_job(job);
}

/* ---- the end of a child ---- */

static void arm(struct pool_child *child, int64_t after_ms)
{
    ev_timer_stop(child->pools->loop, &child->timer);
    ev_timer_set(&child->timer, (double)after_ms / 1000, 0);
    ev_timer_start(child->pools->loop, &child->timer);
}

static void kill_child(struct pool_child *child, const char *why)
{
    if (child->state == CHILD_NONE)
        return;
    if (!child->why && why)
        child->why = memory_string(why);
    child->state = CHILD_ENDING;
    ev_timer_stop(child->pools->loop, &child->timer);
    keeper_command(child->keeper, KEEPER_KILL);
}

/* It has no job: its end is nobody's loss. The end of the stream asks for it, a second later TERM, and then KILL. */
static void end_child(struct pool_child *child)
{
    child->state = CHILD_ENDING;
    child->terminated = false;
    pool_wire_end(&child->wire);
    arm(child, TERM_AFTER_MS);
}

static void drain_child(struct pool_child *child)
{
    if (child->state != CHILD_READY)
        return;
    child->state = CHILD_DRAINING;
    pool_frame_drain(pool_wire_out(&child->wire));
    if (child->inflight == 0)
        end_child(child);
}

/* What a child that has ended leaves: its jobs. */
static void settle_child(struct pool_child *child, const char *how, int number)
{
    struct pools *pools = child->pools;
    bool started = child->max_inflight > 0;
    char *why = memory_format("its long-lived handler %s%s%s", how, child->why ? ": " : "", child->why ? child->why : "");
    struct pool_job *job, *next;

    ev_timer_stop(pools->loop, &child->timer);
    pool_wire_close(&child->wire);
    child->state = CHILD_NONE;
    for (job = TAILQ_FIRST(&child->jobs); job; job = next) {
        next = TAILQ_NEXT(job, entry);
        lose(job, child->has_culprit && !job->culprit ? POOL_RELEASED : POOL_CRASHED, job->culprit ? 0 : number, why);
    }
    for (job = started ? NULL : TAILQ_FIRST(&pools->waiting); job; job = next) {
        next = TAILQ_NEXT(job, entry);
        if (job->handler != child->handler)
            continue;
        lose(job, POOL_BROKEN, ENOEXEC, why); /* it never worked: one of those that it was started for bears it */
        break;
    }
    free(why);
    free(child->why);
    child->why = NULL;
    log_text_clear(&child->log);
    handler_release(child->handler);
    child->handler = NULL;
    dispatch(pools);
}

static void on_started(pid_t pid, void *ctx)
{
    ((struct pool_child *)ctx)->pid = pid;
}

static void on_failed(enum keeper_step step, int code, void *ctx)
{
    struct pool_child *child = ctx;
    char how[256];

    snprintf(how, sizeof how, "cannot be started: %s: %s%s", child->handler->argv[0],
             step == STEP_EXEC ? "" : "set-up: ", strerror(code));
    settle_child(child, how, 0);
}

static void on_ended(const struct keeper_report *report, void *ctx)
{
    struct pool_child *child = ctx;
    char how[64];

    child->state = CHILD_ENDING;
    pool_wire_drain_output(&child->wire);
    pool_wire_drain_frames(&child->wire); /* its last words may be that it is done */
    if (WIFSIGNALED(report->status))
        snprintf(how, sizeof how, "was killed by signal %d", WTERMSIG(report->status));
    else
        snprintf(how, sizeof how, "has ended with exit %d", WEXITSTATUS(report->status));
    settle_child(child, how,
                 WIFSIGNALED(report->status) && (WTERMSIG(report->status) == SIGTERM || WTERMSIG(report->status) == SIGINT)
                     ? WTERMSIG(report->status)
                     : 0);
}

static void on_lost(int status, void *ctx)
{
    (void)status;
    settle_child(ctx, "has died with its keeper", 0);
}

/* Too late for hello, or deaf to TERM. */
static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct pool_child *child = timer->data;

    (void)loop, (void)events;
    if (child->state == CHILD_ENDING && !child->terminated) {
        child->terminated = true;
        keeper_command(child->keeper, KEEPER_STOP);
        arm(child, child->handler->kill_after_ms);
        return;
    }
    kill_child(child, child->state == CHILD_STARTING ? "it did not say hello" : NULL);
}

/* ---- recycling ---- */

static int64_t rss_bytes(pid_t pid)
{
    char path[64], text[128];
    long pages = 0;
    ssize_t got;
    int fd;

    snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    got = read(fd, text, sizeof text - 1);
    close(fd);
    text[got > 0 ? got : 0] = '\0';
    return sscanf(text, "%*s %ld", &pages) == 1 ? pages * sysconf(_SC_PAGESIZE) : 0;
}

/* What can be told without a system call is asked after each job, the rest once a second. */
static bool is_worn(const struct pool_child *child, bool sweep)
{
    const struct handler *handler = child->handler;

    if (handler->pool.max_jobs > 0 && child->begun_jobs >= handler->pool.max_jobs)
        return true;
    if (!sweep)
        return false;
    return (handler->pool.max_age_ms > 0 && clock_mono_ms() - child->started_mono_ms >= handler->pool.max_age_ms) ||
           (handler->pool.max_rss_bytes > 0 && child->pid > 0 && rss_bytes(child->pid) >= handler->pool.max_rss_bytes) ||
           handlers_find(child->pools->handlers, handler->type) != handler;
}

static void on_sweep(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct pools *pools = timer->data;
    bool any = false;

    (void)events;
    for (unsigned i = 0; i < pools->count; i++) {
        struct pool_child *child = &pools->children[i];
        if (child->state == CHILD_NONE)
            continue;
        any = true;
        log_text_clear(&child->log);
        if (child->state == CHILD_READY && is_worn(child, true))
            drain_child(child);
    }
    if (!any)
        ev_timer_stop(loop, timer);
}

/* ---- what a child says ---- */

static void on_own_line(const char *line, size_t bytes, void *ctx)
{
    const struct pool_child *child = ctx;
    char *text = memory_copy(line, bytes);

    log_info("handler", "type=%s pid=%d line=%s", child->handler->type, (int)child->pid, text);
    free(text);
}

/* Of its job, if there is only one at a time; else it goes to the log, 16 KiB a second at most. */
static void on_output(const char *bytes, size_t length, void *ctx)
{
    struct pool_child *child = ctx;
    struct pool_job *job = TAILQ_FIRST(&child->jobs);

    if (child->max_inflight == 1 && job && !job->forgotten) {
        job->client.on_output(bytes, length, job->client.ctx);
        return;
    }
    child->log.on_line = on_own_line;
    child->log.ctx = child;
    log_text_add(&child->log, bytes, length);
}

static struct pool_job *find_job(const struct pool_child *child, const char *name)
{
    struct pool_job *job;

    TAILQ_FOREACH(job, &child->jobs, entry)
    if (strcmp(job->name, name) == 0)
        return job;
    return NULL;
}

static void finish_job(struct pool_child *child, struct pool_job *job, const struct pool_frame *frame)
{
    if (child->max_inflight == 1)
        pool_wire_drain_output(&child->wire);
    take_out(job);
    if (!job->forgotten)
        job->client.on_done(frame, job->client.ctx);
    free_job(job);
    if (child->state == CHILD_READY && is_worn(child, false))
        drain_child(child);
    else if (child->state == CHILD_DRAINING && child->inflight == 0)
        end_child(child);
    dispatch(child->pools);
}

static void welcome(struct pool_child *child, const struct pool_frame *frame)
{
    if (child->state != CHILD_STARTING)
        return;
    ev_timer_stop(child->pools->loop, &child->timer);
    child->max_inflight = frame->max_inflight;
    child->state = CHILD_READY;
    dispatch(child->pools);
}

static void on_frame(const char *line, size_t bytes, void *ctx)
{
    struct pool_child *child = ctx;
    struct pool_frame frame;
    struct pool_job *job;
    struct error err;

    if (pool_frame_read(&frame, line, bytes, &err) < 0) {
        if (child->state == CHILD_STARTING)
            kill_child(child, err.message);
        else if (!child->spoke_nonsense)
            log_warn("a frame makes no sense, and is passed over", "type=%s pid=%d err=%s", child->handler->type, (int)child->pid,
                     err.message);
        child->spoke_nonsense = true;
        return;
    }
    if (frame.kind == POOL_FRAME_HELLO) {
        welcome(child, &frame);
    } else if ((job = find_job(child, frame.name))) {
        if (frame.kind == POOL_FRAME_DONE)
            finish_job(child, job, &frame);
        else if (!job->forgotten)
            job->client.on_line(frame.line, strlen(frame.line), job->client.ctx);
    }
    pool_frame_clear(&frame);
}

static void on_broken(const char *why, void *ctx)
{
    struct pool_child *child = ctx;

    if (child->state == CHILD_ENDING)
        return; /* TERM and KILL follow in time */
    if (child->state == CHILD_READY && child->inflight == 0)
        end_child(child); /* it ends, most likely */
    else
        kill_child(child, why);
}

/* ---- starting children ---- */

/* Those variables that say nothing of one job. */
static char **child_environment(char *const *environment)
{
    static const char *const of_all[] = {"ROTA_CONTRACT=", "ROTA_CONTROL_FD=", "ROTA_WORKER_ID="};
    size_t count = 0, kept = 0;
    char **ret;

    while (environment[count])
        count++;
    ret = memory_new(sizeof *ret * (count + 1));
    for (size_t i = 0; i < count; i++) {
        bool is_of_all = strncmp(environment[i], "ROTA_", 5) != 0 && strncmp(environment[i], "TRACEPARENT=", 12) != 0 &&
                         strncmp(environment[i], "TRACESTATE=", 11) != 0;
        for (size_t j = 0; j < sizeof of_all / sizeof *of_all; j++)
            is_of_all = is_of_all || strncmp(environment[i], of_all[j], strlen(of_all[j])) == 0;
        if (is_of_all)
            ret[kept++] = environment[i];
    }
    return ret;
}

static struct pool_child *find_place(struct pools *pools)
{
    for (unsigned i = 0; i < pools->count; i++)
        if (pools->children[i].state == CHILD_NONE && keeper_is_free(pools->children[i].keeper))
            return &pools->children[i];
    return NULL;
}

static const char *org_of(const struct pool_job *job, char org[NAME_BYTES_MAX + 1])
{
    snprintf(org, NAME_BYTES_MAX + 1, "%.*s", job->handler->pool.per_org ? (int)strcspn(job->name, "/") : 0, job->name);
    return org;
}

/* Returns 0 or an errno. */
static int start_child(struct pool_child *child, const struct pool_job *job)
{
    const struct keeper_client client = {
        .on_started = on_started, .on_failed = on_failed, .on_ended = on_ended, .on_lost = on_lost, .ctx = child};
    struct order order = job->order;
    int fds[KEEPER_FDS] = {-1, -1, -1, -1}, code;
    char **environment;

    child->wire = (struct pool_wire){
        .loop = child->pools->loop, .on_frame = on_frame, .on_output = on_output, .on_broken = on_broken, .ctx = child, .fd = -1};
    code = pool_wire_open(&child->wire, fds);
    if (code > 0)
        return code;
    environment = child_environment(job->environment);
    order.argv = job->handler->argv;
    order.environment = environment;
    order.tell_start = true;
    code = keeper_run(child->keeper, &order, fds, &client);
    free(environment);
    for (int i = 0; i < KEEPER_FDS; i++)
        close(fds[i]);
    if (code > 0) {
        pool_wire_close(&child->wire);
        return code;
    }
    child->state = CHILD_STARTING;
    child->handler = handler_hold(job->handler);
    child->user = order.user;
    child->pid = 0;
    child->max_inflight = 0;
    child->begun_jobs = 0;
    child->has_culprit = child->spoke_nonsense = false;
    child->started_mono_ms = clock_mono_ms();
    org_of(job, child->org);
    arm(child, POOL_HELLO_MS_MAX);
    if (!ev_is_active(&child->pools->sweep)) {
        ev_timer_set(&child->pools->sweep, SWEEP_EVERY_S, SWEEP_EVERY_S);
        ev_timer_start(child->pools->loop, &child->pools->sweep);
    }
    return 0;
}

/* Makes room: one that does nothing is told to end. */
static void end_idle_child(struct pools *pools)
{
    struct pool_child *idle = NULL;

    for (unsigned i = 0; i < pools->count; i++) {
        struct pool_child *child = &pools->children[i];
        if (child->state == CHILD_ENDING)
            return; /* a place becomes free soon */
        if (child->state == CHILD_READY && child->inflight == 0 && (!idle || child->started_mono_ms < idle->started_mono_ms))
            idle = child;
    }
    if (idle)
        drain_child(idle);
}

/* ---- who takes which job ---- */

static bool serves(const struct pool_child *child, const struct pool_job *job, const char *org)
{
    return child->handler == job->handler && strcmp(child->org, org) == 0;
}

/* The child with the fewest jobs that can take this one. */
static struct pool_child *find_child(struct pools *pools, const struct pool_job *job)
{
    struct pool_child *best = NULL;
    char org[NAME_BYTES_MAX + 1];

    org_of(job, org);
    for (unsigned i = 0; i < pools->count; i++) {
        struct pool_child *child = &pools->children[i];
        if (child->state == CHILD_READY && child->inflight < child->max_inflight && serves(child, job, org) &&
            !is_worn(child, false) && (!best || child->inflight < best->inflight))
            best = child;
    }
    return best;
}

/* A large payload goes to a file in the child's scratch directory, which only the child can read. */
static int write_payload(struct pool_child *child, struct pool_job *job)
{
    char *path = memory_format("%s/payload-%lld", keeper_scratch(child->keeper), (long long)++child->payload_files);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600), code = 0;

    if (fd < 0 || (child->user.given && fchown(fd, child->user.uid, child->user.gid) < 0))
        code = errno;
    for (size_t done = 0; code == 0 && done < job->payload_bytes;) {
        ssize_t wrote = write(fd, job->payload + done, job->payload_bytes - done);
        if (wrote < 0 && errno != EINTR)
            code = errno;
        done += wrote > 0 ? (size_t)wrote : 0;
    }
    if (fd >= 0)
        close(fd);
    job->payload_path = path;
    return code;
}

/* Its frame is on its way. */
static void assign(struct pool_child *child, struct pool_job *job)
{
    TAILQ_REMOVE(&job->pools->waiting, job, entry);
    job->child = child;
    TAILQ_INSERT_TAIL(&child->jobs, job, entry);
    child->inflight++;
    child->begun_jobs++;
}

/* A job that has waited. */
static void hand_over(struct pool_child *child, struct pool_job *job)
{
    struct buffer *out = pool_wire_out(&child->wire);
    int code = job->payload ? write_payload(child, job) : 0;

    if (code > 0) {
        lose(job, POOL_BROKEN, code, strerror(code));
        return;
    }
    if (job->payload)
        pool_frame_job(out, job->name, job->environment, NULL, 0, job->payload_path);
    else
        buffer_add(out, job->frame.data, job->frame.length);
    free(job->payload);
    job->payload = NULL;
    buffer_clear(&job->frame);
    assign(child, job);
}

/* How many jobs like this one children are being started for: what a child takes at once is known from others of its handler; as
 * long as it is not, one child is tried. */
static bool needs_child(struct pools *pools, const struct pool_job *job)
{
    unsigned starting = 0, known = 0, waiting = 0;
    const struct pool_job *other;
    char org[NAME_BYTES_MAX + 1], other_org[NAME_BYTES_MAX + 1];

    org_of(job, org);
    for (unsigned i = 0; i < pools->count; i++) {
        const struct pool_child *child = &pools->children[i];
        if (child->state == CHILD_NONE || child->handler != job->handler)
            continue;
        if (child->max_inflight > known)
            known = child->max_inflight;
        if (child->state == CHILD_STARTING && serves(child, job, org))
            starting++;
    }
    if (known == 0)
        return starting == 0;
    TAILQ_FOREACH(other, &pools->waiting, entry)
    waiting += other->handler == job->handler && strcmp(org_of(other, other_org), org) == 0;
    return starting * known < waiting;
}

static void find_help(struct pools *pools, struct pool_job *job)
{
    struct pool_child *place;
    int code;

    if (!needs_child(pools, job))
        return;
    place = find_place(pools);
    if (!place)
        end_idle_child(pools);
    else if ((code = start_child(place, job)) > 0)
        lose(job, POOL_BROKEN, code, strerror(code));
}

/* Gives jobs that wait to children that have room, and starts children for the others. Callbacks lead back here. */
static void dispatch(struct pools *pools)
{
    struct pool_job *job, *next;

    if (pools->dispatching)
        return;
    pools->dispatching = true;
    for (job = TAILQ_FIRST(&pools->waiting); job; job = next) {
        struct pool_child *child = find_child(pools, job);
        next = TAILQ_NEXT(job, entry);
        if (child)
            hand_over(child, job);
        else
            find_help(pools, job);
    }
    pools->dispatching = false;
}

static void on_later(struct ev_loop *loop, ev_prepare *prepare, int events)
{
    struct pools *pools = prepare->data;
    struct pool_job *job, *next;

    (void)events;
    ev_prepare_stop(loop, prepare);
    for (job = TAILQ_FIRST(&pools->waiting); job; job = next) {
        next = TAILQ_NEXT(job, entry);
        if (job->culprit)
            lose(job, POOL_CRASHED, 0, "no long-lived handler had taken it yet");
    }
    dispatch(pools);
}

/* ---- for the worker ---- */

struct pools *pools_new(struct ev_loop *loop, struct keepers *keepers, const struct handlers *handlers, unsigned first,
                        unsigned count)
{
    struct pools *pools = memory_new(sizeof *pools);

    *pools = (struct pools){.loop = loop, .keepers = keepers, .handlers = handlers, .first = first, .count = count};
    pools->children = memory_new(sizeof *pools->children * count);
    TAILQ_INIT(&pools->waiting);
    ev_init(&pools->sweep, on_sweep);
    ev_prepare_init(&pools->later, on_later);
    pools->sweep.data = pools->later.data = pools;
    for (unsigned i = 0; i < count; i++) {
        struct pool_child *child = &pools->children[i];
        *child = (struct pool_child){.pools = pools, .keeper = keepers_at(keepers, first + i), .number = i, .wire = {.fd = -1}};
        TAILQ_INIT(&child->jobs);
        ev_init(&child->timer, on_timer);
        child->timer.data = child;
    }
    return pools;
}

void pools_free(struct pools *pools)
{
    struct pool_job *job;

    if (!pools)
        return;
    ev_timer_stop(pools->loop, &pools->sweep);
    ev_prepare_stop(pools->loop, &pools->later);
    for (unsigned i = 0; i < pools->count; i++) {
        struct pool_child *child = &pools->children[i];
        ev_timer_stop(pools->loop, &child->timer);
        pool_wire_close(&child->wire);
        while ((job = TAILQ_FIRST(&child->jobs))) {
            TAILQ_REMOVE(&child->jobs, job, entry);
            free_job(job);
        }
        log_text_clear(&child->log);
        handler_release(child->handler);
        free(child->why);
    }
    while ((job = TAILQ_FIRST(&pools->waiting))) {
        TAILQ_REMOVE(&pools->waiting, job, entry);
        free_job(job);
    }
    free(pools->children);
    free(pools);
}

void pools_keeper_free(struct pools *pools)
{
    dispatch(pools);
}

static char **copy_environment(char *const *environment)
{
    size_t count = 0;
    char **copy;

    while (environment[count])
        count++;
    copy = memory_new(sizeof *copy * (count + 1));
    for (size_t i = 0; i < count; i++)
        copy[i] = memory_string(environment[i]);
    return copy;
}

struct pool_job *pool_start(struct pools *pools, const struct pool_request *request, const struct pool_client *client)
{
    struct pool_job *job = memory_new(sizeof *job);
    struct pool_child *child;

    *job =
        (struct pool_job){.pools = pools, .client = *client, .handler = handler_hold(request->handler), .order = *request->order};
    snprintf(job->name, sizeof job->name, "%s", request->name);
    job->payload_bytes = request->payload_bytes;
    TAILQ_INSERT_TAIL(&pools->waiting, job, entry);
    child = request->payload_bytes <= POOL_PAYLOAD_BYTES_MAX ? find_child(pools, job) : NULL;
    if (child) { /* the usual way: nothing needs to be kept */
        pool_frame_job(pool_wire_out(&child->wire), job->name, request->environment, request->payload, request->payload_bytes,
                       NULL);
        assign(child, job);
        return job;
    }
    job->environment = copy_environment(request->environment);
    if (request->payload_bytes > POOL_PAYLOAD_BYTES_MAX)
        job->payload = memory_copy(request->payload, request->payload_bytes);
    else
        pool_frame_job(&job->frame, job->name, request->environment, request->payload, request->payload_bytes, NULL);
    ev_prepare_start(pools->loop, &pools->later);
    return job;
}

void pool_cancel(struct pool_job *job)
{
    if (job->child)
        pool_frame_cancel(pool_wire_out(&job->child->wire), job->name);
    else
        pool_kill(job);
}

void pool_kill(struct pool_job *job)
{
    job->culprit = true;
    if (job->child) {
        job->child->has_culprit = true;
        kill_child(job->child, NULL);
    } else
        ev_prepare_start(job->pools->loop, &job->pools->later);
}

void pool_forget(struct pool_job *job)
{
    job->forgotten = true;
    pool_kill(job);
}

pid_t pool_pid(const struct pool_job *job)
{
    return job->child ? job->child->pid : 0;
}
