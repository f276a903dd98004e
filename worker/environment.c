#include "worker/environment.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/memory.h"
#include "common/units.h"

static const char *const passed_on[] = {"PATH", "HOME", "LANG", "TZ"};
static const char default_path[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

#define VARIABLES_MAX 32

char **environment_new(const struct job *job, const char *session, unsigned slot, int attempt, int max_attempts,
                       int64_t timeout_ms)
{
    char **list = memory_new(sizeof *list * (VARIABLES_MAX + 1)), time[32];
    size_t count = 0;

    for (size_t i = 0; i < sizeof passed_on / sizeof *passed_on; i++) {
        const char *value = getenv(passed_on[i]);
        if (!value && strcmp(passed_on[i], "PATH") == 0)
            value = default_path;
        if (value)
            list[count++] = memory_format("%s=%s", passed_on[i], value);
    }
    list[count++] = memory_string("ROTA_CONTRACT=1");
    list[count++] = memory_format("ROTA_JOB_ID=%s", job->id);
    list[count++] = memory_format("ROTA_ORG=%s", job->org);
    list[count++] = memory_format("ROTA_TYPE=%s", job->record.type);
    list[count++] = memory_format("ROTA_QUEUE=%s", job->record.queue[0] ? job->record.queue : "default");
    list[count++] = memory_format("ROTA_ATTEMPT=%d", attempt);
    list[count++] = memory_format("ROTA_MAX_ATTEMPTS=%d", max_attempts);
    list[count++] = memory_format("ROTA_DELIVERY=%d", job->state.deliveries);
    list[count++] = memory_format("ROTA_IDEMPOTENCY_KEY=%s", job->record.key ? job->record.key : job->id);
    list[count++] = memory_format("ROTA_ENQUEUED_AT=%s", units_format_time(time, job_enqueued_ms(job)));
    list[count++] = memory_format("ROTA_DUE_AT=%s", units_format_time(time, job_due_ms(job)));
    list[count++] = memory_format("ROTA_TIMEOUT_MS=%lld", (long long)timeout_ms);
    list[count++] = memory_format("ROTA_DEADLINE_MS=%lld", (long long)clock_wall_ms() + timeout_ms);
    list[count++] = memory_format("ROTA_WORKER_ID=%s", session);
    list[count++] = memory_format("ROTA_SLOT=%u", slot);
    return list;
}

void environment_free(char **environment)
{
    for (char **variable = environment; variable && *variable; variable++)
        free(*variable);
    free(environment);
}
