#include "bench/producer.h"

#include <stdlib.h>
#include <string.h>

#include "bench/ground.h"
#include "common/id.h"
#include "common/job.h"
#include "common/memory.h"

void producer_open(struct producer *producer, const struct server *server, unsigned orgs, unsigned batch, unsigned under_way_max,
                   size_t payload_bytes)
{
    *producer = (struct producer){.orgs = orgs, .batch = batch, .under_way_max = under_way_max, .payload_bytes = payload_bytes};
    producer->payload = memory_new(payload_bytes);
    memset(producer->payload, 'x', payload_bytes);
    pipeline_open(&producer->pipeline, server);
}

void producer_close(struct producer *producer)
{
    pipeline_close(&producer->pipeline);
    call_clear(&producer->call);
    buffer_clear(&producer->record);
    free(producer->payload);
}

static void add_job(struct producer *producer)
{
    struct job_record record = {.type = "noop",
                                .payload = producer->payload,
                                .payload_bytes = producer->payload_bytes,
                                .has_payload = true,
                                .nonce = producer->nonce++};
    char id[ID_BYTES + 1];
    struct error err;

    id_draw(id);
    call_add(&producer->call, id, ID_BYTES);
    buffer_reset(&producer->record);
    if (job_record_encode(&producer->record, &record, &err) < 0)
        give_up("%s", err.message);
    call_add(&producer->call, producer->record.data, producer->record.length);
}

void producer_send(struct producer *producer)
{
    char org[ORG_NAME_BYTES];

    pipeline_settle(&producer->pipeline, producer->under_way_max - 1);
    call_function(&producer->call, "enqueue", 0);
    call_add_string(&producer->call, org_name(org, producer->next_org++ % producer->orgs));
    for (unsigned i = 0; i < producer->batch; i++)
        add_job(producer);
    pipeline_send(&producer->pipeline, &producer->call);
}

void producer_fill(struct producer *producer, unsigned count)
{
    for (unsigned sent = 0; sent < count; sent += producer->batch)
        producer_send(producer);
    pipeline_settle(&producer->pipeline, 0);
}
