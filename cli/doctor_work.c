#include "cli/doctor_work.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/connection.h"
#include "cli/fetch.h"
#include "cli/orgs.h"
#include "common/keys.h"
#include "common/memory.h"

#define QUEUES_MAX   64  /* that a lane may have */
#define ORGS_SAMPLED 100 /* whose first jobs are looked at */
#define JOBS_SAMPLED 10  /* of each */
#define TYPES_MAX    20  /* that are told */

/* ---- queues ---- */

struct queue {
    char name[NAME_BYTES_MAX + 1];
    int64_t orgs, workers;
    bool paused;
    char paused_by[160];
};

/* What the lanes say; `lane` is the one that answers. */
struct work {
    struct cli *cli;
    const struct live_list *live;
    struct diagnosis *diagnosis;
    char *intake;
    char paused_by[160];
    bool paused;
    struct queue queues[QUEUES_MAX];
    size_t queue_count;
    struct names sampled; /* "set org" to look at */
    struct names unknown; /* "type queue", told already */
};

static struct queue *find_queue(struct work *work, const char *name, size_t length)
{
    for (size_t i = 0; i < work->queue_count; i++)
        if (strlen(work->queues[i].name) == length && memcmp(work->queues[i].name, name, length) == 0)
            return &work->queues[i];
    if (work->queue_count == QUEUES_MAX || length > NAME_BYTES_MAX)
        return NULL;
    snprintf(work->queues[work->queue_count].name, NAME_BYTES_MAX + 1, "%.*s", (int)length, name);
    return &work->queues[work->queue_count++];
}

/* "1760000000000 ann@host". */
static void read_pause(char *ret_by, size_t size, const char *text)
{
    const char *space = strchr(text, ' ');

    snprintf(ret_by, size, "%s", space ? space + 1 : "somebody");
}

/* Names with spaces between. */
static void tell_deletions(struct work *work, const char *text)
{
    char name[NAME_BYTES_MAX + 1];

    for (const char *at = text; *at; at += strspn(at, " ")) {
        snprintf(name, sizeof name, "%.*s", (int)strcspn(at, " "), at);
        diagnose_deletion(work->diagnosis, name);
        at += strcspn(at, " ");
    }
}

static void on_clock(const struct reply *reply, void *ctx)
{
    struct work *work = ctx;

    for (size_t i = 0; i + 1 < reply_count(reply); i += 2) {
        const char *name = reply_string(reply_at(reply, i)), *value = reply_string(reply_at(reply, i + 1));
        if (strcmp(name, "intake") == 0 && !work->intake[0]) {
            snprintf(work->intake, DOCTOR_INTAKE_BYTES, "%s", value);
        } else if (strcmp(name, "paused") == 0) {
            work->paused = true;
            read_pause(work->paused_by, sizeof work->paused_by, value);
        } else if (strncmp(name, "paused:", 7) == 0) {
            struct queue *queue = find_queue(work, name + 7, strlen(name + 7));
            if (queue) {
                queue->paused = true;
                read_pause(queue->paused_by, sizeof queue->paused_by, value);
            }
        } else if (strcmp(name, "queues") == 0) {
            for (const char *at = value; *at; at += strspn(at, " ")) {
                find_queue(work, at, strcspn(at, " "));
                at += strcspn(at, " ");
            }
        } else if (strcmp(name, "deleting") == 0) {
            tell_deletions(work, value);
        }
    }
}

static void on_count(const struct reply *reply, void *ctx)
{
    *(int64_t *)ctx += reply_int(reply);
}

static int read_queues(struct work *work, struct error *err)
{
    static const char *const indexes[] = {"active", "parked"};
    char key[KEY_BYTES_MAX], part[NAME_BYTES_MAX + 16];
    struct call call = {0};

    for (uint32_t lane = 0; lane < work->cli->deployment.lanes; lane++) {
        call_command(&call, "HGETALL");
        call_add_string(&call, key_in_lane(key, lane, "clock"));
        cli_send(work->cli, &call, on_clock, work);
    }
    if (cli_settle(work->cli, err) < 0) {
        call_clear(&call);
        return err->code;
    }
    for (uint32_t lane = 0; lane < work->cli->deployment.lanes; lane++)
        for (size_t i = 0; i < work->queue_count * 2; i++) {
            snprintf(part, sizeof part, "%s:%s", indexes[i % 2], work->queues[i / 2].name);
            call_command(&call, "ZCARD");
            call_add_string(&call, key_in_lane(key, lane, part));
            cli_send(work->cli, &call, on_count, &work->queues[i / 2].orgs);
        }
    call_clear(&call);
    return cli_settle(work->cli, err);
}

static void tell_queues(struct work *work)
{
    if (work->paused)
        diagnose_pause(work->diagnosis, work->paused_by);
    for (size_t i = 0; i < work->queue_count; i++) {
        struct queue *queue = &work->queues[i];
        for (size_t j = 0; j < work->live->count; j++)
            queue->workers += live_is_worker(&work->live->items[j]) && live_serves(&work->live->items[j], queue->name);
        diagnose_queue(work->diagnosis, &(struct queue_measures){.name = queue->name,
                                                                 .orgs = queue->orgs,
                                                                 .workers = queue->workers,
                                                                 .paused = queue->paused,
                                                                 .paused_by = queue->paused_by});
    }
}

/* ---- types ---- */

/* Organizations of an index, to be looked at in `set`. */
struct sample {
    struct work *work;
    char set[NAME_BYTES_MAX + 8];
};

static void on_orgs(const struct reply *reply, void *ctx)
{
    struct sample *sample = ctx;
    char name[2 * NAME_BYTES_MAX + 16];

    for (size_t i = 0; i < reply_count(reply) && sample->work->sampled.count < ORGS_SAMPLED; i++) {
        snprintf(name, sizeof name, "%s %s", sample->set, reply_string(reply_at(reply, i)));
        names_add(&sample->work->sampled, name);
    }
}

static int sample_index(struct work *work, uint32_t lane, const char *index, const char *set, struct error *err)
{
    struct sample sample = {.work = work};
    char key[KEY_BYTES_MAX];
    struct call call = {0};
    int rc;

    snprintf(sample.set, sizeof sample.set, "%s", set);
    call_command(&call, "ZRANGE");
    call_add_string(&call, key_in_lane(key, lane, index));
    call_add_int(&call, 0);
    call_add_int(&call, JOBS_SAMPLED - 1);
    rc = cli_call(work->cli, &call, on_orgs, &sample, err);
    call_clear(&call);
    return rc;
}

/* The organizations that are first in line, and those whose delayed jobs are due first: among these are the ones that rest. */
static int sample_orgs(struct work *work, struct error *err)
{
    char index[NAME_BYTES_MAX + 16], set[NAME_BYTES_MAX + 8];
    int rc = 0;

    for (uint32_t lane = 0; lane < work->cli->deployment.lanes && rc == 0 && work->sampled.count < ORGS_SAMPLED; lane++) {
        rc = sample_index(work, lane, "due", "scheduled", err);
        for (size_t i = 0; i < work->queue_count && rc == 0; i++) {
            if (work->queues[i].orgs == 0)
                continue;
            snprintf(index, sizeof index, "active:%s", work->queues[i].name);
            snprintf(set, sizeof set, "ready:%s", work->queues[i].name);
            rc = sample_index(work, lane, index, set, err);
        }
    }
    return rc;
}

static bool is_known(const struct work *work, const char *type, const char *queue)
{
    bool is_served = false;

    for (size_t i = 0; i < work->live->count; i++) {
        const struct live *live = &work->live->items[i];
        if (!live_is_worker(live) || !live_serves(live, queue))
            continue;
        if (live_knows(live, type))
            return true;
        is_served = true;
    }
    return !is_served; /* a queue without workers is told of as such */
}

static bool look_at_type(const struct job *job, void *ctx)
{
    struct work *work = ctx;
    const char *queue = job->record.queue[0] ? job->record.queue : "default";
    char what[TYPE_BYTES_MAX + NAME_BYTES_MAX + 2], sample[JOB_NAME_BYTES_MAX + 1];

    if (!job->record.type[0] || is_known(work, job->record.type, queue) || work->unknown.count >= TYPES_MAX)
        return true;
    snprintf(what, sizeof what, "%s %s", job->record.type, queue);
    for (size_t i = 0; i < work->unknown.count; i++)
        if (strcmp(work->unknown.items[i], what) == 0)
            return true;
    names_add(&work->unknown, what);
    snprintf(sample, sizeof sample, "%s/%s", job->org, job->id);
    diagnose_type(work->diagnosis, job->record.type, queue, sample);
    return true;
}

static int look_at_types(struct work *work, struct error *err)
{
    int rc = sample_orgs(work, err);

    for (size_t i = 0; i < work->sampled.count && rc == 0; i++) {
        char set[NAME_BYTES_MAX + 8];
        const char *org = strchr(work->sampled.items[i], ' ') + 1;
        struct fetch_walk walk = {.org = org, .set = set, .look_max = JOBS_SAMPLED, .visit = look_at_type, .ctx = work};
        snprintf(set, sizeof set, "%.*s", (int)(org - 1 - work->sampled.items[i]), work->sampled.items[i]);
        rc = fetch_walk(work->cli, &walk, err);
    }
    return rc;
}

int doctor_work(struct cli *cli, const struct live_list *live, struct diagnosis *diagnosis, char ret_intake[DOCTOR_INTAKE_BYTES],
                struct error *err)
{
    struct work *work = memory_new(sizeof *work);
    int rc;

    ret_intake[0] = '\0';
    *work = (struct work){.cli = cli, .live = live, .diagnosis = diagnosis, .intake = ret_intake};
    rc = read_queues(work, err);
    if (rc == 0) {
        tell_queues(work);
        rc = look_at_types(work, err);
    }
    names_clear(&work->sampled);
    names_clear(&work->unknown);
    free(work);
    return rc;
}
