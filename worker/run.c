#include "worker/run.h"

struct child_options run_options(const struct handler *handler, const struct job *job, char *const *environment)
{
    return (struct child_options){
        .argv = handler->argv,
        .environment = environment,
        .payload = job->record.payload,
        .payload_bytes = job->record.payload_bytes,
        .timeout_ms = run_timeout_ms(handler, job),
        .timeout_ms_max = handler->max_timeout_ms,
        .heartbeat_ms = handler->heartbeat_ms,
        .kill_after_ms = handler->kill_after_ms,
        .output_bytes_max = handler->log_bytes_hard_max,
        .result_bytes_max = (size_t)handler->result_bytes_max,
        .cwd = handler->cwd,
        .user = handler->user,
        .nice = (int)handler->nice,
        .limits = {.cpu_s = (uint64_t)(handler->rlimits.cpu_ms + 999) / 1000,
                   .memory_bytes = (uint64_t)handler->rlimits.as_bytes,
                   .files = (uint64_t)handler->rlimits.nofile,
                   .processes = (uint64_t)handler->rlimits.nproc,
                   .file_bytes = (uint64_t)handler->rlimits.fsize_bytes,
                   .group_memory_bytes = (uint64_t)handler->cgroup.memory_max_bytes,
                   .group_processes = (uint64_t)handler->cgroup.pids_max},
    };
}

int64_t run_timeout_ms(const struct handler *handler, const struct job *job)
{
    return job->record.timeout_ms ? job->record.timeout_ms : handler->timeout_ms;
}

int run_max_attempts(const struct handler *handler, const struct job *job)
{
    return job->record.max_attempts ? job->record.max_attempts : (int)handler->max_attempts;
}
