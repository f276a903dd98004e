#include "worker/keeper.h"

#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/random.h"
#include "worker/descendants.h"
#include "worker/scratch.h"

#define BURY_EVERY_S 0.005
#define BURY_MS_MAX  5000
#define FREE_MS_MAX  2000

struct keeper {
    struct keepers *all;
    unsigned number;
    pid_t pid; /* 0: there is no process */
    int fd;
    ev_io io;
    struct keeper_client client; /* of the run; all zeroes when it was told */
    bool running, busy;          /* busy: until it can take an order */
    bool ending;                 /* its last words are read: it takes no order, whatever they say */
    bool lost;                   /* it died while it ran something; what is left of that is being killed */
    int status;
    pid_t handler_pid;      /* as keepers_look has found it */
    unsigned generation;    /* of the scratch directory's name */
    char *scratch, *cgroup; /* cgroup: NULL if there are none */
};

struct keepers {
    struct ev_loop *loop;
    struct keeper *items;
    unsigned count;
    char *folder, *cgroup;
    bool folder_is_made;
    pid_t *left; /* keepers that we let go */
    size_t left_count;
    ev_signal ended;
    ev_timer bury;
    int64_t bury_since_mono_ms;
    void (*on_free)(unsigned number, void *ctx);
    void *ctx;
};

/* ---- the process ---- */

static void name_places(struct keeper *keeper)
{
    const struct keepers *all = keeper->all;
    char *name = keeper->generation == 0 ? memory_format("%u", keeper->number)
                                         : memory_format("%u.%u", keeper->number, keeper->generation);

    free(keeper->scratch);
    free(keeper->cgroup);
    keeper->scratch = memory_format("%s/%s", all->folder, name);
    keeper->cgroup = all->cgroup ? memory_format("%s/%s", all->cgroup, name) : NULL;
    free(name);
}

/* In the child. */
static _Noreturn void become_keeper(int socket, char *const *environment)
{
    static char *const argv[] = {KEEPER_NAME, NULL};
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (null >= 0 && dup2(null, 0) >= 0 && dup2(null, 1) >= 0 &&
        (socket == KEEPER_SOCKET_FD ? fcntl(socket, F_SETFD, 0) : dup2(socket, KEEPER_SOCKET_FD)) >= 0) {
        close_range(KEEPER_SOCKET_FD + 1, ~0U, 0);
        execve("/proc/self/exe", argv, environment);
    }
    _exit(127);
}

/* What the C library may want; nothing else of our environment. */
static char **keeper_environment(void)
{
    static const char *const names[] = {"HOME", "LD_LIBRARY_PATH"};
    char **environment = memory_new(sizeof *environment * (sizeof names / sizeof *names + 1));
    size_t count = 0;

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (getenv(names[i]))
            environment[count++] = memory_format("%s=%s", names[i], getenv(names[i]));
    return environment;
}

static void on_message(struct ev_loop *loop, ev_io *io, int events);

/* Not before the first keeper, who will remove it: a worker that is killed before leaves nothing. Returns 0 or an errno. */
static int make_folder(struct keepers *all)
{
    if (!all->folder_is_made && (mkdir(all->folder, 0700) < 0 || chmod(all->folder, 0711) < 0))
        return errno;
    all->folder_is_made = true;
    return 0;
}

/* Returns 0 or an errno. */
static int spawn(struct keeper *keeper)
{
    int ends[2], code = make_folder(keeper->all), room = 2 * ORDER_BYTES_MAX;
    char **environment;
    pid_t pid;

    if (code > 0)
        return code;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return errno;
    setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    environment = keeper_environment();
    pid = fork();
    if (pid == 0)
        become_keeper(ends[1], environment);
    if (pid < 0)
        code = errno;
    for (char **variable = environment; *variable; variable++)
        free(*variable);
    free(environment);
    close(ends[1]);
    if (code > 0) {
        close(ends[0]);
        return code;
    }
    keeper->pid = pid;
    keeper->fd = ends[0];
    ev_io_init(&keeper->io, on_message, keeper->fd, EV_READ);
    keeper->io.data = keeper;
    ev_io_start(keeper->all->loop, &keeper->io);
    return 0;
}

static void hang_up(struct keeper *keeper)
{
    if (keeper->fd < 0)
        return;
    ev_io_stop(keeper->all->loop, &keeper->io);
    close(keeper->fd);
    keeper->fd = -1;
}

/* ---- what it says ---- */

static void settle(struct keeper *keeper, const struct keeper_report *report)
{
    struct keeper_client client = keeper->client;

    if (report->free && !keeper->ending)
        keeper->busy = false;
    switch (report->word) {
    case KEEPER_STARTED: client.on_started(report->pid, client.ctx); break;
    case KEEPER_FAILED:
        keeper->running = false;
        client.on_failed(report->step, report->code, client.ctx);
        break;
    case KEEPER_ENDED:
        keeper->running = false;
        client.on_ended(report, client.ctx);
        break;
    case KEEPER_FREE:
        if (report->scratch_errno > 0) {
            log_warn("a scratch directory stays: it cannot be removed", "path=%s err=%s", keeper->scratch,
                     strerror(report->scratch_errno));
            keeper->generation++;
            name_places(keeper);
        }
        if (!keeper->ending)
            keeper->all->on_free(keeper->number, keeper->all->ctx);
        break;
    }
}

static void on_message(struct ev_loop *loop, ev_io *io, int events)
{
    struct keeper *keeper = io->data;

    (void)loop, (void)events;
    while (keeper->fd >= 0) {
        struct keeper_report report;
        ssize_t got = recv(keeper->fd, &report, sizeof report, MSG_DONTWAIT);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (got != (ssize_t)sizeof report) { /* it has died: SIGCHLD tells how */
            ev_io_stop(keeper->all->loop, &keeper->io);
            return;
        }
        settle(keeper, &report);
    }
}

/* ---- ends ---- */

static void tell_lost(struct keepers *all)
{
    for (unsigned i = 0; i < all->count; i++) {
        struct keeper *keeper = &all->items[i];
        if (!keeper->lost)
            continue;
        keeper->lost = keeper->running = keeper->busy = false;
        keeper->client.on_lost(keeper->status, keeper->client.ctx);
    }
}

/* All keepers, of which nothing below is touched. Gives. */
static pid_t *living_keepers(const struct keepers *all, size_t *ret_count)
{
    pid_t *pids = memory_new(sizeof *pids * (all->count + all->left_count));

    *ret_count = 0;
    for (unsigned i = 0; i < all->count; i++)
        if (all->items[i].pid > 0)
            pids[(*ret_count)++] = all->items[i].pid;
    for (size_t i = 0; i < all->left_count; i++)
        pids[(*ret_count)++] = all->left[i];
    return pids;
}

static void on_bury(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct keepers *all = timer->data;
    bool is_late = clock_mono_ms() - all->bury_since_mono_ms > BURY_MS_MAX;
    size_t count;
    pid_t *pids = living_keepers(all, &count);
    unsigned found = descendants_signal(SIGKILL, 0, pids, count);

    (void)events;
    free(pids);
    if (found > 0 && !is_late)
        return;
    if (found > 0)
        log_error("what a handler has left behind cannot be killed", "processes=%u", found);
    ev_timer_stop(loop, timer);
    tell_lost(all);
}

static void bury(struct keepers *all)
{
    if (!ev_is_active(&all->bury)) {
        all->bury_since_mono_ms = clock_mono_ms();
        ev_timer_set(&all->bury, 0, BURY_EVERY_S);
        ev_timer_start(all->loop, &all->bury);
    }
}

static void end_keeper(struct keeper *keeper, int status)
{
    keeper->ending = true;
    on_message(keeper->all->loop, &keeper->io, EV_READ); /* its last words: who hears them may want to run the next job */
    keeper->ending = false;
    hang_up(keeper);
    keeper->pid = 0;
    keeper->status = status;
    log_error("a keeper has died, and what it ran", "slot=%u signal=%d exit=%d", keeper->number,
              WIFSIGNALED(status) ? WTERMSIG(status) : -1, WIFEXITED(status) ? WEXITSTATUS(status) : -1);
    bury(keeper->all);
    if (keeper->running) {
        keeper->lost = true;
    } else if (keeper->busy) {
        keeper->busy = false; /* the next one removes the directory */
        keeper->all->on_free(keeper->number, keeper->all->ctx);
    }
}

static void note_end(struct keepers *all, pid_t pid, int status)
{
    for (unsigned i = 0; i < all->count; i++)
        if (all->items[i].pid == pid) {
            end_keeper(&all->items[i], status);
            return;
        }
    for (size_t i = 0; i < all->left_count; i++)
        if (all->left[i] == pid) {
            all->left[i] = all->left[--all->left_count];
            bury(all); /* in case that it was killed */
            return;
        }
}

/* Waits for everybody: keepers, and orphans that became ours. */
static void on_child_ended(struct ev_loop *loop, ev_signal *watcher, int events)
{
    int status;
    pid_t pid;

    (void)loop, (void)events;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        note_end(watcher->data, pid, status);
}

/* ---- all of them ---- */

struct keepers *keepers_new(struct ev_loop *loop, unsigned count, const char *base, const char *cgroup,
                            void (*on_free)(unsigned number, void *ctx), void *ctx, struct error *err)
{
    struct keepers *all;
    char *folder = memory_format("%s/rota-%016llx", base, (unsigned long long)random_below(UINT64_MAX));

    if (base[0] != '/' || strlen(folder) > PATH_MAX / 2) {
        error_set(err, ERR_INVALID, "scratch directory \"%.200s\" must be an absolute path of at most %d bytes", base,
                  PATH_MAX / 2 - 22);
        free(folder);
        return NULL;
    }
    if (access(base, W_OK | X_OK) < 0) {
        error_set(err, ERR_IO, "scratch directory in %.100s: %s", base, strerror(errno));
        free(folder);
        return NULL;
    }
    if (access("/proc/self/stat", R_OK) < 0)
        log_warn("without /proc: what handlers leave behind is not found", "err=%s", strerror(errno));
    all = memory_new(sizeof *all);
    *all = (struct keepers){.loop = loop,
                            .count = count,
                            .folder = folder,
                            .cgroup = cgroup ? memory_string(cgroup) : NULL,
                            .on_free = on_free,
                            .ctx = ctx};
    all->items = memory_new(sizeof *all->items * count);
    for (unsigned i = 0; i < count; i++) {
        all->items[i] = (struct keeper){.all = all, .number = i, .fd = -1};
        name_places(&all->items[i]);
    }
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    ev_init(&all->bury, on_bury);
    ev_signal_init(&all->ended, on_child_ended, SIGCHLD);
    all->bury.data = all->ended.data = all;
    ev_signal_start(loop, &all->ended);
    return all;
}

/* Keepers end by themselves when their socket does; what hangs in the kernel is not waited for. */
static bool wait_for_all(void)
{
    int64_t end_mono_ms = clock_mono_ms() + FREE_MS_MAX;
    pid_t pid;

    while ((pid = waitpid(-1, NULL, WNOHANG)) >= 0 && clock_mono_ms() < end_mono_ms)
        if (pid == 0)
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    return pid < 0;
}

void keepers_free(struct keepers *keepers)
{
    if (!keepers)
        return;
    ev_signal_stop(keepers->loop, &keepers->ended);
    ev_timer_stop(keepers->loop, &keepers->bury);
    for (unsigned i = 0; i < keepers->count; i++) {
        hang_up(&keepers->items[i]);
        if (keepers->items[i].pid > 0)
            kill(keepers->items[i].pid, SIGCONT);
    }
    if (wait_for_all() && keepers->folder_is_made)
        scratch_remove(keepers->folder); /* a keeper that was killed has left its own there */
    for (unsigned i = 0; i < keepers->count; i++) {
        free(keepers->items[i].scratch);
        free(keepers->items[i].cgroup);
    }
    free(keepers->items);
    free(keepers->left);
    free(keepers->folder);
    free(keepers->cgroup);
    free(keepers);
}

struct keeper *keepers_at(struct keepers *keepers, unsigned number)
{
    return &keepers->items[number];
}

const char *keeper_scratch(const struct keeper *keeper)
{
    return keeper->scratch;
}

bool keeper_is_free(const struct keeper *keeper)
{
    return !keeper->busy;
}

void keepers_look(struct keepers *keepers)
{
    pid_t *pids = memory_new(sizeof *pids * keepers->count), *found = memory_new(sizeof *found * keepers->count);
    size_t count = 0;

    for (unsigned i = 0; i < keepers->count; i++)
        if (keepers->items[i].running && keepers->items[i].pid > 0)
            pids[count++] = keepers->items[i].pid;
    descendants_eldest(pids, found, count);
    count = 0;
    for (unsigned i = 0; i < keepers->count; i++) {
        struct keeper *keeper = &keepers->items[i];
        keeper->handler_pid = keeper->running && keeper->pid > 0 ? found[count++] : 0;
    }
    free(pids);
    free(found);
}

pid_t keeper_handler_pid(const struct keeper *keeper)
{
    return keeper->running ? keeper->handler_pid : 0;
}

/* ---- orders ---- */

static int send_order(const struct keeper *keeper, const struct buffer *order, const int fds[KEEPER_FDS])
{
    union {
        char bytes[CMSG_SPACE(sizeof(int) * KEEPER_FDS)];
        struct cmsghdr aligned;
    } control = {0};
    struct iovec part = {order->data, order->length};
    struct msghdr head = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    struct cmsghdr *attached = CMSG_FIRSTHDR(&head);

    attached->cmsg_level = SOL_SOCKET;
    attached->cmsg_type = SCM_RIGHTS;
    attached->cmsg_len = CMSG_LEN(sizeof(int) * KEEPER_FDS);
    memcpy(CMSG_DATA(attached), fds, sizeof(int) * KEEPER_FDS);
    return sendmsg(keeper->fd, &head, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? errno : 0;
}

static void let_go(struct keeper *keeper)
{
    static const enum keeper_command leave = KEEPER_LEAVE;
    struct keepers *all = keeper->all;

    if (keeper->fd >= 0)
        send(keeper->fd, &leave, sizeof leave, MSG_NOSIGNAL | MSG_DONTWAIT);
    hang_up(keeper);
    if (keeper->pid == 0)
        return;
    all->left = memory_resize(all->left, sizeof *all->left * (all->left_count + 1));
    all->left[all->left_count++] = keeper->pid;
    kill(keeper->pid, SIGCONT);
    keeper->pid = 0;
}

int keeper_run(struct keeper *keeper, const struct order *order, const int fds[KEEPER_FDS], const struct keeper_client *client)
{
    struct order complete = *order;
    struct buffer message = {0};
    struct error err;
    bool wants_group = order->limits.group_memory_bytes > 0 || order->limits.group_processes > 0;
    int code = 0;

    if (wants_group && !keeper->cgroup)
        return EOPNOTSUPP;
    complete.scratch = keeper->scratch;
    complete.cgroup = wants_group ? keeper->cgroup : NULL;
    if (order_encode(&message, &complete, &err) < 0)
        code = E2BIG;
    if (code == 0 && keeper->pid > 0) {
        code = send_order(keeper, &message, fds);
        if (code == EPIPE || code == ECONNRESET)
            let_go(keeper); /* it has died this moment */
    }
    if (keeper->pid == 0 && code != E2BIG) {
        code = spawn(keeper);
        if (code == 0)
            code = send_order(keeper, &message, fds);
    }
    buffer_clear(&message);
    if (code > 0)
        return code;
    keeper->client = *client;
    keeper->running = keeper->busy = true;
    keeper->handler_pid = 0;
    return 0;
}

void keeper_command(struct keeper *keeper, enum keeper_command command)
{
    if (keeper->fd < 0 || !keeper->running)
        return;
    send(keeper->fd, &command, sizeof command, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (keeper->pid > 0)
        kill(keeper->pid, SIGCONT); /* its handler may have stopped it */
}

void keeper_leave(struct keeper *keeper)
{
    let_go(keeper);
    keeper->running = keeper->busy = keeper->lost = false;
    keeper->generation++;
    name_places(keeper);
}
