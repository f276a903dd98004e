#include "worker/told.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "common/random.h"

static void refuse_job(struct told *told, const char *why)
{
    if (!told->refused_job[0])
        snprintf(told->refused_job, sizeof told->refused_job, "%s", why);
}

/* The id and the nonce are drawn here: the record is made once, whatever happens to the call that brings it. */
static void add_job(struct told *told, struct control *control)
{
    struct told_job job = {.id = ""};
    struct error err;
    char why[80];

    random_bytes(&control->record.nonce, sizeof control->record.nonce);
    if (control->id[0])
        snprintf(job.id, sizeof job.id, "%s", control->id);
    else
        id_draw(job.id);
    if (job_record_encode(&job.record, &control->record, &err) < 0) {
        refuse_job(told, err.message);
    } else if (told->job_count == TOLD_JOBS_MAX || told->job_bytes + job.record.length > TOLD_JOBS_BYTES_MAX) {
        snprintf(why, sizeof why, "more than %d jobs, or %d bytes of them", TOLD_JOBS_MAX, TOLD_JOBS_BYTES_MAX);
        refuse_job(told, why);
    } else {
        told->jobs = memory_resize(told->jobs, sizeof *told->jobs * (told->job_count + 1));
        told->jobs[told->job_count++] = job;
        told->job_bytes += job.record.length;
        return;
    }
    buffer_clear(&job.record);
}

void told_note(struct told *told, struct control *control, const struct error *refused)
{
    if (refused) {
        told->nonsense++;
        if (control->op == CONTROL_ENQUEUE)
            refuse_job(told, refused->message);
        return;
    }
    switch (control->op) {
    case CONTROL_RETRY:
        told->retry_after_ms = control->ms;
        snprintf(told->failure, sizeof told->failure, "%s", control->text);
        break;
    case CONTROL_FAIL:
        snprintf(told->failure, sizeof told->failure, "%s%s%s", control->class, control->class[0] && control->text[0] ? ": " : "",
                 control->text);
        break;
    case CONTROL_RESULT:
        free(told->result);
        told->result = control->data;
        told->result_bytes = control->data_bytes;
        control->data = NULL;
        break;
    case CONTROL_ENQUEUE: add_job(told, control); break;
    case CONTROL_PROGRESS:
    case CONTROL_EXTEND:
    case CONTROL_CHECKPOINT:
    case CONTROL_HEARTBEAT:
    case CONTROL_UNKNOWN: break;
    }
}

void told_clear(struct told *told)
{
    free(told->result);
    for (size_t i = 0; i < told->job_count; i++)
        buffer_clear(&told->jobs[i].record);
    free(told->jobs);
    *told = TOLD_NOTHING;
}
