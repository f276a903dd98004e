/* pool_job.h - one job of a long-lived handler: what it needs until a child takes it, and who hears of its end.
 *
 * It is in one list at a time: of those that wait, or of those of its child. What a child was sent is not kept. */
#pragma once

#include <sys/queue.h>

#include "common/buffer.h"
#include "worker/pool.h"

struct pool_child;

struct pool_jobs {
    TAILQ_HEAD(pool_job_head, pool_job) head;
    unsigned count;
};

struct pool_job {
    TAILQ_ENTRY(pool_job) entry;
    struct pool_jobs *list; /* in which it is */
    struct pools *pools;
    struct pool_child *child; /* NULL: it waits for one */
    struct pool_client client;
    struct handler *handler; /* held */
    char name[JOB_NAME_BYTES_MAX + 1];
    char *payload; /* this and the environment: of one that waits, until it is sent */
    size_t payload_bytes;
    char **environment;
    int64_t asked_mono_ms; /* it waits since then */
    struct order order;    /* how a child is started; its strings are the handler's */
    char *payload_path;    /* NULL: there is no file */
    bool culprit;          /* its child is killed for it */
    bool forgotten;        /* nobody wants to hear of it */
};

void pool_jobs_init(struct pool_jobs *jobs);

/* Frees all of them; calls nobody. */
void pool_jobs_clear(struct pool_jobs *jobs);

/* At the end of a list, and not of the one where it was. */
void pool_job_move(struct pool_job *job, struct pool_jobs *list);

/* One that waits, in no list yet. */
struct pool_job *pool_job_new(struct pools *pools, const struct pool_request *request, const struct pool_client *client);

/* It cannot be sent at once: copies what is to be sent. */
void pool_job_keep(struct pool_job *job, const struct pool_request *request);

/* Appends the frame of one that was kept, and tells its client that it begins. `scratch`: a directory of the child, in which a
 * large payload becomes file `number`, for `user` to read. Returns 0 or an errno, and then nothing was appended. */
int pool_job_send(struct pool_job *job, struct buffer *out, const char *scratch, int64_t number, const struct order_user *user);

/* Its organization if its handler has a child for each, else "". */
const char *pool_job_org(const struct pool_job *job, char org[NAME_BYTES_MAX + 1]);

/* Its end: tells its client, and frees it. */
void pool_job_done(struct pool_job *job, const struct pool_frame *frame);
void pool_job_lose(struct pool_job *job, enum pool_loss loss, int code, const char *why);
