#include "worker/pool_job.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/memory.h"
#include "worker/environment.h"

void pool_jobs_init(struct pool_jobs *jobs)
{
    TAILQ_INIT(&jobs->head);
    jobs->count = 0;
}

static void take_out(struct pool_job *job)
{
    TAILQ_REMOVE(&job->list->head, job, entry);
    job->list->count--;
    job->list = NULL;
    job->child = NULL;
}

void pool_job_move(struct pool_job *job, struct pool_jobs *list)
{
    if (job->list)
        take_out(job);
    TAILQ_INSERT_TAIL(&list->head, job, entry);
    list->count++;
    job->list = list;
}

static void drop_job(struct pool_job *job)
{
    if (job->payload_path)
        unlink(job->payload_path);
    free(job->payload_path);
    free(job->payload);
    environment_free(job->environment);
    handler_release(job->handler);
    free(job);
}

void pool_jobs_clear(struct pool_jobs *jobs)
{
    struct pool_job *job;

    while ((job = TAILQ_FIRST(&jobs->head))) {
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): it does not follow the list */
        take_out(job);
        drop_job(job);
    }
}

/* ---- what it needs until it is sent ---- */

struct pool_job *pool_job_new(struct pools *pools, const struct pool_request *request, const struct pool_client *client)
{
    struct pool_job *job = memory_new(sizeof *job);

    *job =
        (struct pool_job){.pools = pools, .client = *client, .handler = handler_hold(request->handler), .order = *request->order};
    snprintf(job->name, sizeof job->name, "%s", request->name);
    job->payload_bytes = request->payload_bytes;
    return job;
}

void pool_job_keep(struct pool_job *job, const struct pool_request *request)
{
    job->environment = environment_copy(request->environment);
    job->payload = memory_copy(request->payload, request->payload_bytes);
    job->asked_mono_ms = clock_mono_ms();
}

/* A file in the child's scratch directory, which only the child can read. Returns 0 or an errno. */
static int write_payload(struct pool_job *job, const char *scratch, int64_t number, const struct order_user *user)
{
    char *path = memory_format("%s/payload-%lld", scratch, (long long)number);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600), code = 0;

    if (fd < 0 || (user->given && fchown(fd, user->uid, user->gid) < 0))
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

int pool_job_send(struct pool_job *job, struct buffer *out, const char *scratch, int64_t number, const struct order_user *user)
{
    bool is_large = job->payload_bytes > POOL_PAYLOAD_BYTES_MAX;
    int code = is_large ? write_payload(job, scratch, number, user) : 0;
    size_t start = out->length;

    if (code > 0)
        return code;
    environment_put_off(job->environment, clock_mono_ms() - job->asked_mono_ms);
    pool_frame_job(out, job->name, job->environment, job->payload, job->payload_bytes, is_large ? job->payload_path : NULL);
    if (!job->forgotten)
        job->client.on_begin(out->data + start, out->length - start, job->client.ctx);
    environment_free(job->environment);
    job->environment = NULL;
    free(job->payload);
    job->payload = NULL;
    return 0;
}

const char *pool_job_org(const struct pool_job *job, char org[NAME_BYTES_MAX + 1])
{
    snprintf(org, NAME_BYTES_MAX + 1, "%.*s", job->handler->pool.per_org ? (int)strcspn(job->name, "/") : 0, job->name);
    return org;
}

/* ---- its end ---- */

void pool_job_done(struct pool_job *job, const struct pool_frame *frame)
{
    take_out(job);
    if (!job->forgotten)
        job->client.on_done(frame, job->client.ctx);
    drop_job(job);
}

void pool_job_lose(struct pool_job *job, enum pool_loss loss, int code, const char *why)
{
    take_out(job);
    if (!job->forgotten)
        job->client.on_lost(loss, code, why, job->client.ctx);
    drop_job(job);
}
