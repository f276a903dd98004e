#include "worker/pool_child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/units.h"
#include "worker/environment.h"

#define TERM_AFTER_MS 1000 /* between the end of the stream and TERM */

/* ---- its end ---- */

static void arm(struct pool_child *child, int64_t after_ms)
{
    ev_timer_stop(child->owner->loop, &child->timer);
    ev_timer_set(&child->timer, (double)after_ms / 1000, 0);
    ev_timer_start(child->owner->loop, &child->timer);
}

void pool_child_kill(struct pool_child *child, const char *why, struct pool_job *culprit)
{
    if (culprit)
        culprit->culprit = child->has_culprit = true;
    if (child->state == POOL_CHILD_NONE || child->killed)
        return;
    if (!child->why && why)
        child->why = memory_string(why);
    child->state = POOL_CHILD_ENDING;
    child->killed = true;
    arm(child, POOL_GIVE_UP_AFTER_MS);
    keeper_command(child->keeper, KEEPER_KILL);
}

/* It has no job: its end is nobody's loss. The end of the stream asks for it, a second later TERM, and then KILL. */
static void end_child(struct pool_child *child)
{
    child->state = POOL_CHILD_ENDING;
    child->terminated = false;
    pool_wire_end(&child->wire);
    arm(child, TERM_AFTER_MS);
}

void pool_child_drain(struct pool_child *child)
{
    if (child->state != POOL_CHILD_READY && child->state != POOL_CHILD_STARTING)
        return;
    child->dismissed = child->state == POOL_CHILD_STARTING;
    child->state = POOL_CHILD_DRAINING;
    pool_frame_drain(pool_wire_out(&child->wire));
    if (child->jobs.count == 0)
        end_child(child);
}

/* What a process that has ended leaves: its jobs. */
static void settle(struct pool_child *child, const char *how, int number, const struct keeper_report *report)
{
    bool failed = child->max_inflight == 0 && !child->dismissed;
    char *why = memory_format("its long-lived handler %s%s%s", how, child->why ? ": " : "", child->why ? child->why : "");
    struct pool_job *job, *next;

    ev_timer_stop(child->owner->loop, &child->timer);
    pool_wire_close(&child->wire);
    child->state = POOL_CHILD_NONE;
    for (job = TAILQ_FIRST(&child->jobs.head); job; job = next) {
        next = TAILQ_NEXT(job, entry);
        pool_job_lose(job, child->has_culprit && !job->culprit ? POOL_RELEASED : POOL_CRASHED, job->culprit ? 0 : number, why);
    }
    child->owner->on_ended(child, failed, &(struct pool_end){.how = why, .report = report}, child->owner->ctx);
    free(why);
    free(child->why);
    child->why = NULL;
    log_text_clear(&child->log);
    handler_release(child->handler);
    child->handler = NULL;
    child->owner->on_room(child->owner->ctx);
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
    settle(child, how, 0, NULL);
}

/* By a signal that may have been meant for all of us. */
static bool was_told_to_end(int status)
{
    return WIFSIGNALED(status) && (WTERMSIG(status) == SIGTERM || WTERMSIG(status) == SIGINT);
}

static void on_ended(const struct keeper_report *report, void *ctx)
{
    struct pool_child *child = ctx;
    char how[64], limit[32];

    child->state = POOL_CHILD_ENDING;
    pool_wire_drain_output(&child->wire);
    pool_wire_drain_frames(&child->wire); /* its last words may be that it is done */
    if (report->out_of_memory)
        snprintf(how, sizeof how, "ran out of memory: limit %s",
                 units_exact_bytes(limit, child->handler->cgroup.memory_max_bytes));
    else if (WIFSIGNALED(report->status))
        snprintf(how, sizeof how, "was killed by signal %d", WTERMSIG(report->status));
    else
        snprintf(how, sizeof how, "has ended with exit %d", WEXITSTATUS(report->status));
    settle(child, how, was_told_to_end(report->status) ? WTERMSIG(report->status) : 0, report);
}

static void on_lost(int status, void *ctx)
{
    (void)status;
    settle(ctx, "has died with its keeper", 0, NULL);
}

/* It hangs in the kernel: its keeper stays with it. */
static void give_up(struct pool_child *child)
{
    log_error("a long-lived handler cannot be killed, and is left behind", "type=%s pid=%d", child->handler->type,
              (int)child->pid);
    keeper_leave(child->keeper);
    settle(child, "cannot be killed", 0, NULL);
}

/* Too late for hello, deaf to TERM, or even to KILL. */
static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct pool_child *child = timer->data;

    (void)loop, (void)events;
    if (child->killed) {
        give_up(child);
        return;
    }
    if (child->state == POOL_CHILD_ENDING && !child->terminated) {
        child->terminated = true;
        keeper_command(child->keeper, KEEPER_STOP);
        arm(child, child->handler->kill_after_ms);
        return;
    }
    pool_child_kill(child, child->state == POOL_CHILD_STARTING ? "it did not say hello" : NULL, NULL);
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
           handlers_find(child->owner->handlers, handler->type) != handler;
}

void pool_child_sweep(struct pool_child *child)
{
    log_text_renew(&child->log);
    if (child->state == POOL_CHILD_READY && is_worn(child, true))
        pool_child_drain(child);
}

/* ---- what it says ---- */

static void on_own_line(const char *line, size_t bytes, void *ctx)
{
    const struct pool_child *child = ctx;
    char *text = memory_copy(line, bytes);

    log_info("handler", "type=%s pid=%d line=%s", child->handler->type, (int)child->pid, text);
    free(text);
}

/* Nobody's output has a ceiling, too: what one attempt may write it may write from the end of one job to that of the next. No
 * job is known to be the cause. */
static void check_own_output(struct pool_child *child)
{
    int64_t bytes_max = child->handler->log_bytes_hard_max;
    char *why;

    if (child->own_bytes <= bytes_max || child->killed)
        return;
    log_warn("a long-lived handler writes too much, and is killed", "type=%s pid=%d bytes_max=%lld", child->handler->type,
             (int)child->pid, (long long)bytes_max);
    why = memory_format("runaway-log: wrote more than %lld bytes", (long long)bytes_max);
    child->has_culprit = true; /* and it is none of its jobs */
    pool_child_kill(child, why, NULL);
    free(why);
}

/* Of its job, if there is only one at a time; else it goes to the log, 16 KiB a second at most. */
static void on_output(const char *bytes, size_t length, void *ctx)
{
    struct pool_child *child = ctx;
    struct pool_job *job = TAILQ_FIRST(&child->jobs.head);

    if (child->max_inflight == 1 && job && !job->forgotten) {
        job->client.on_output(bytes, length, job->client.ctx);
        return;
    }
    child->log.on_line = on_own_line;
    child->log.ctx = child;
    log_text_add(&child->log, bytes, length);
    child->own_bytes += (int64_t)length;
    check_own_output(child);
}

static struct pool_job *find_job(const struct pool_child *child, const char *name)
{
    struct pool_job *job;

    TAILQ_FOREACH(job, &child->jobs.head, entry)
    if (strcmp(job->name, name) == 0)
        return job;
    return NULL;
}

static void finish_job(struct pool_child *child, struct pool_job *job, const struct pool_frame *frame)
{
    if (child->max_inflight == 1)
        pool_wire_drain_output(&child->wire);
    pool_job_done(job, frame);
    child->own_bytes = 0;
    if (child->state == POOL_CHILD_READY && is_worn(child, false))
        pool_child_drain(child);
    else if (child->state == POOL_CHILD_DRAINING && child->jobs.count == 0)
        end_child(child);
    child->owner->on_room(child->owner->ctx);
}

static void welcome(struct pool_child *child, const struct pool_frame *frame)
{
    if (child->state != POOL_CHILD_STARTING)
        return;
    ev_timer_stop(child->owner->loop, &child->timer);
    child->max_inflight = frame->max_inflight;
    child->state = POOL_CHILD_READY;
    child->owner->on_room(child->owner->ctx);
}

static void on_frame(const char *line, size_t bytes, void *ctx)
{
    struct pool_child *child = ctx;
    struct pool_frame frame;
    struct pool_job *job;
    struct error err;

    if (pool_frame_read(&frame, line, bytes, &err) < 0) {
        if (child->state == POOL_CHILD_STARTING)
            pool_child_kill(child, err.message, NULL);
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

    if (child->state == POOL_CHILD_ENDING)
        return; /* TERM and KILL follow in time */
    if (child->state == POOL_CHILD_READY && child->jobs.count == 0)
        end_child(child); /* it ends, most likely */
    else
        pool_child_kill(child, why, NULL);
}

/* ---- its start ---- */

int pool_child_start(struct pool_child *child, const struct pool_job *job)
{
    const struct keeper_client client = {
        .on_started = on_started, .on_failed = on_failed, .on_ended = on_ended, .on_lost = on_lost, .ctx = child};
    struct order order = job->order;
    int fds[KEEPER_FDS] = {-1, -1, -1, -1}, code;
    char **environment;

    child->wire = (struct pool_wire){
        .loop = child->owner->loop, .on_frame = on_frame, .on_output = on_output, .on_broken = on_broken, .ctx = child, .fd = -1};
    code = pool_wire_open(&child->wire, fds);
    if (code > 0)
        return code;
    environment = environment_of_all(job->environment);
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
    child->state = POOL_CHILD_STARTING;
    child->handler = handler_hold(job->handler);
    child->user = order.user;
    child->pid = 0;
    child->max_inflight = 0;
    child->begun_jobs = child->own_bytes = 0;
    child->has_culprit = child->spoke_nonsense = child->killed = child->dismissed = false;
    child->started_mono_ms = clock_mono_ms();
    pool_job_org(job, child->org);
    arm(child, POOL_HELLO_MS_MAX);
    return 0;
}

/* ---- its jobs ---- */

bool pool_child_serves(const struct pool_child *child, const struct handler *handler, const char *org)
{
    return child->handler == handler && strcmp(child->org, org) == 0;
}

bool pool_child_has_room(const struct pool_child *child)
{
    return child->state == POOL_CHILD_READY && child->jobs.count < child->max_inflight && !is_worn(child, false);
}

/* Its frame is on its way. */
static void assign(struct pool_child *child, struct pool_job *job)
{
    pool_job_move(job, &child->jobs);
    job->child = child;
    child->begun_jobs++;
}

void pool_child_take(struct pool_child *child, struct pool_job *job, const struct pool_request *request)
{
    pool_frame_job(pool_wire_out(&child->wire), job->name, request->environment, request->payload, request->payload_bytes, NULL);
    assign(child, job);
}

int pool_child_take_waiting(struct pool_child *child, struct pool_job *job)
{
    int64_t number = job->payload_bytes > POOL_PAYLOAD_BYTES_MAX ? ++child->payload_files : 0;
    int code = pool_job_send(job, pool_wire_out(&child->wire), keeper_scratch(child->keeper), number, &child->user);

    if (code == 0)
        assign(child, job);
    return code;
}

void pool_child_cancel(struct pool_child *child, const struct pool_job *job)
{
    pool_frame_cancel(pool_wire_out(&child->wire), job->name);
}

/* ---- the place ---- */

void pool_child_init(struct pool_child *child, struct keeper *keeper, const struct pool_owner *owner)
{
    *child = (struct pool_child){.owner = owner, .keeper = keeper, .wire = {.fd = -1}};
    pool_jobs_init(&child->jobs);
    ev_init(&child->timer, on_timer);
    child->timer.data = child;
}

void pool_child_clear(struct pool_child *child)
{
    ev_timer_stop(child->owner->loop, &child->timer);
    pool_wire_close(&child->wire);
    pool_jobs_clear(&child->jobs);
    log_text_clear(&child->log);
    handler_release(child->handler);
    free(child->why);
}

bool pool_child_is_free(const struct pool_child *child)
{
    return child->state == POOL_CHILD_NONE && keeper_is_free(child->keeper);
}
