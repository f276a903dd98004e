#include "cli/diagnosis.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/text.h"
#include "common/library.h"
#include "common/units.h"

#define PING_P99_MS_WARN   50
#define PING_P99_MS_FAIL   1000
#define STALLS_PER_TIMEOUT 10 /* that a session's time-out has room for */
#define DRAIN_MARGIN_MS    5000

const char *finding_status_name(enum finding_status status)
{
    static const char *const names[] = {[FINDING_OK] = "ok", [FINDING_WARN] = "warn", [FINDING_FAIL] = "fail"};

    return names[status];
}

enum finding_status diagnosis_status(const struct diagnosis *diagnosis)
{
    enum finding_status worst = FINDING_OK;

    for (size_t i = 0; i < diagnosis->count; i++)
        worst = diagnosis->items[i].status > worst ? diagnosis->items[i].status : worst;
    return worst;
}

PRINTF_LIKE(4, 5)
static struct finding *find(struct diagnosis *diagnosis, enum finding_status status, const char *check, const char *fmt, ...)
{
    size_t at = diagnosis->count < FINDINGS_MAX ? diagnosis->count++ : FINDINGS_MAX - 1;
    struct finding *finding = &diagnosis->items[at];
    char text[FINDING_TEXT_BYTES];
    va_list args;

    *finding = (struct finding){.status = status};
    text_copy_plain(finding->check, sizeof finding->check, check);
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    text_copy_plain(finding->found, sizeof finding->found, text);
    return finding;
}

PRINTF_LIKE(2, 3)
static void advise(struct finding *finding, const char *fmt, ...)
{
    char text[FINDING_TEXT_BYTES];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    text_copy_plain(finding->advice, sizeof finding->advice, text);
}

static const char *plural(int64_t count)
{
    return count == 1 ? "" : "s";
}

/* ---- the server ---- */

/* A warning of the check says what is found, and most of them behind that what to do. */
static void take_warning(struct diagnosis *diagnosis, const struct deployment_warning *warning)
{
    static const char *const ends[] = {"; ", ": use ", ": set "};
    const char *end = NULL;
    struct finding *finding;

    for (size_t i = 0; i < sizeof ends / sizeof *ends && !end; i++)
        end = strstr(warning->text, ends[i]);
    finding = find(diagnosis, FINDING_WARN, warning->name, "%.*s", end ? (int)(end - warning->text) : (int)sizeof warning->text,
                   warning->text);
    advise(finding, "%s", end ? end + 2 : "docs/ARCHITECTURE.md says more under Checks of the server");
}

static bool was_warned(const struct deployment *found, const char *name)
{
    for (unsigned i = 0; i < found->warning_count; i++)
        if (strcmp(found->warnings[i].name, name) == 0)
            return true;
    return false;
}

static void diagnose_check(struct diagnosis *diagnosis, const struct server_measures *measures)
{
    const struct deployment *found = measures->found;

    if (measures->refusal[0]) {
        advise(find(diagnosis, FINDING_FAIL, "server", "redis at %s: %s", measures->address, measures->refusal),
               "as it says; programs do not start with it, or take no jobs in");
        return;
    }
    find(diagnosis, FINDING_OK, "server", "redis %s at %s passes the checks of start-up", found->redis_version,
         measures->address);
    find(diagnosis, FINDING_OK, "durability", "%s, declared %s", durability_name(found->level),
         durability_name(measures->declared));
    find(diagnosis, FINDING_OK, "library", "%s is loaded, with the text of this program", library_name());
    for (unsigned i = 0; i < found->warning_count; i++)
        take_warning(diagnosis, &found->warnings[i]);
    if (!was_warned(found, "clock"))
        find(diagnosis, FINDING_OK, "clock", "the server's is %" PRId64 " ms from ours", found->clock_offset_ms);
}

static void diagnose_latency(struct diagnosis *diagnosis, const struct server_measures *measures)
{
    int64_t p99_ms = measures->ping_p99_us / 1000;
    enum finding_status status = p99_ms >= PING_P99_MS_FAIL   ? FINDING_FAIL
                                 : p99_ms >= PING_P99_MS_WARN ? FINDING_WARN
                                                              : FINDING_OK;
    struct finding *finding =
        find(diagnosis, status, "latency", "of %" PRId64 " PINGs half took %.2f ms at most, 99 of 100 %.2f ms", measures->pings,
             (double)measures->ping_p50_us / 1000, (double)measures->ping_p99_us / 1000);

    if (status != FINDING_OK)
        advise(finding,
               "look for slow commands (redis-cli SLOWLOG GET), a busy machine, or a long way there; claims wait as long");
}

static void diagnose_headroom(struct diagnosis *diagnosis, const struct server_measures *measures)
{
    const struct deployment *found = measures->found;

    if (!was_warned(found, "maxmemory") && !was_warned(found, "used_memory") && measures->memory_max > 0)
        find(diagnosis, FINDING_OK, "memory", "%.1f of %.1f MiB are used (%.0f%%)", (double)measures->memory_used / 1048576,
             (double)measures->memory_max / 1048576, 100 * (double)measures->memory_used / (double)measures->memory_max);
    if (!was_warned(found, "connected_clients"))
        find(diagnosis, FINDING_OK, "connections", "%" PRId64 " of %" PRId64, measures->clients, measures->clients_max);
    if (strcmp(measures->aof_status, "ok") == 0 || !measures->aof)
        find(diagnosis, FINDING_OK, "persistence", "%s, the latest fork took %" PRId64 " ms",
             measures->aof ? "an append-only file, its last write went well" : "no append-only file", measures->fork_ms);
    else
        advise(find(diagnosis, FINDING_FAIL, "persistence", "the last write of the append-only file: %s", measures->aof_status),
               "make room on the disk: Redis refuses all writes until then");
}

void diagnose_server(struct diagnosis *diagnosis, const struct server_measures *measures)
{
    diagnose_check(diagnosis, measures);
    if (measures->pings > 0) {
        diagnose_latency(diagnosis, measures);
        diagnose_headroom(diagnosis, measures);
    }
    if (measures->intake[0])
        advise(find(diagnosis, FINDING_FAIL, "intake", "no jobs are taken in: %s", measures->intake),
               "the leading scheduler takes jobs in again when the server is as declared");
    if (measures->other_libraries[0])
        advise(find(diagnosis, FINDING_OK, "other libraries", "%s: of other versions of Rota", measures->other_libraries),
               "when no program of that version is left: redis-cli FUNCTION DELETE NAME");
}

/* ---- the programs ---- */

static void diagnose_sessions(struct diagnosis *diagnosis, const struct program_measures *measures, int64_t stall_ms)
{
    char timeout[32], stall[32];

    if (measures->timeout_ms == 0)
        return;
    units_format_duration(timeout, measures->timeout_ms);
    units_format_duration(stall, stall_ms);
    if (measures->timeout_ms < stall_ms * STALLS_PER_TIMEOUT)
        advise(find(diagnosis, FINDING_WARN, "session time-outs", "the shortest is %s (of %s), and Redis was silent for %s",
                    timeout, measures->timeout_of, stall),
               "make session.timeout at least %d times as long: a program that is cut off for longer loses its jobs to others",
               STALLS_PER_TIMEOUT);
    else
        find(diagnosis, FINDING_OK, "session time-outs", "the shortest is %s; the longest silence of Redis that was seen is %s",
             timeout, stall);
}

/* What ends a container or a unit waits only so long between TERM and KILL. */
static void diagnose_drain(struct diagnosis *diagnosis, int64_t drain_ms)
{
    static const struct {
        const char *what, *setting;
        int64_t ms;
    } graces[] = {
        {"docker", "stop_grace_period, or docker stop -t", 10000},
        {"Kubernetes", "terminationGracePeriodSeconds", 30000},
        {"systemd", "TimeoutStopSec", 90000},
    };
    int64_t needed_ms = drain_ms + DRAIN_MARGIN_MS;
    char drain[32], needed[32];
    bool short_of_all = true;
    struct finding *finding;
    size_t length = 0;

    units_format_duration(drain, drain_ms);
    units_format_duration(needed, needed_ms);
    for (size_t i = 0; i < sizeof graces / sizeof *graces; i++)
        short_of_all = short_of_all && graces[i].ms < needed_ms;
    finding = find(diagnosis, short_of_all ? FINDING_WARN : FINDING_OK, "drain",
                   "worker.drain is %s: what stops a worker must wait %s before KILL", drain, needed);
    for (size_t i = 0; i < sizeof graces / sizeof *graces; i++)
        if (graces[i].ms < needed_ms && length < sizeof finding->advice)
            length += (size_t)snprintf(finding->advice + length, sizeof finding->advice - length,
                                       "%s%s waits %" PRId64 " s unless told otherwise: %s", length ? "; " : "", graces[i].what,
                                       graces[i].ms / 1000, graces[i].setting);
}

void diagnose_programs(struct diagnosis *diagnosis, const struct program_measures *measures, int64_t stall_ms)
{
    if (measures->has_leader)
        find(diagnosis, FINDING_OK, "leader", "one of %" PRId64 " scheduler%s leads", measures->schedulers,
             plural(measures->schedulers));
    else
        advise(find(diagnosis, FINDING_FAIL, "leader", "no scheduler leads"),
               "start rota-scheduler: delayed jobs, the inbox, recovery of dead workers and retention wait for it");
    if (measures->workers == 0)
        advise(find(diagnosis, FINDING_WARN, "workers", "no worker is there"), "start rota-worker: nothing runs without one");
    else if (measures->quiet == measures->workers)
        advise(find(diagnosis, FINDING_WARN, "workers", "all %" PRId64 " are quiet or draining", measures->workers),
               "let them go on: rota worker resume WORKER");
    else
        find(diagnosis, FINDING_OK, "workers", "%" PRId64 ", with %" PRId64 " of %" PRId64 " slots busy", measures->workers,
             measures->busy, measures->slots);
    if (measures->other_versions > 0)
        advise(find(diagnosis, FINDING_WARN, "versions",
                    "%" PRId64 " program%s of another version than this one (" ROTA_VERSION "): %s", measures->other_versions,
                    plural(measures->other_versions), measures->another_version),
               "fine while an upgrade rolls; then restart them: rota worker list");
    else
        find(diagnosis, FINDING_OK, "versions", "all programs are of " ROTA_VERSION);
    diagnose_sessions(diagnosis, measures, stall_ms);
    diagnose_drain(diagnosis, measures->drain_ms);
}

/* ---- the work ---- */

void diagnose_queue(struct diagnosis *diagnosis, const struct queue_measures *queue)
{
    char check[80];

    snprintf(check, sizeof check, "queue %s", queue->name);
    if (queue->paused)
        advise(find(diagnosis, FINDING_WARN, check, "paused by %s, with work of %" PRId64 " organization%s", queue->paused_by,
                    queue->orgs, plural(queue->orgs)),
               "rota queue resume %s", queue->name);
    else if (queue->orgs > 0 && queue->workers == 0)
        advise(find(diagnosis, FINDING_FAIL, check, "%" PRId64 " organization%s ha%s work in queue %s, and no worker serves it",
                    queue->orgs, plural(queue->orgs), queue->orgs == 1 ? "s" : "ve", queue->name),
               "start a worker with --queue %s", queue->name);
    else
        find(diagnosis, FINDING_OK, check, "%" PRId64 " worker%s, work of %" PRId64 " organization%s", queue->workers,
             plural(queue->workers), queue->orgs, plural(queue->orgs));
}

void diagnose_type(struct diagnosis *diagnosis, const char *type, const char *queue, const char *sample)
{
    advise(find(diagnosis, FINDING_WARN, "types", "type %s waits in queue %s (%s), and no worker there knows it", type, queue,
                sample),
           "give one a handler: handlers.%s in its file; or cancel them: rota job explain %s", type, sample);
}

void diagnose_schedules(struct diagnosis *diagnosis, const struct schedule_measures *measures)
{
    const char *of = measures->more ? "of the first " : "of ";

    if (measures->unhealthy > 0)
        advise(find(diagnosis, FINDING_WARN, "schedules",
                    "%s%" PRId64 " schedules %" PRId64 " unhealthy, as %s: no job of it was done for more than two periods", of,
                    measures->schedules, measures->unhealthy, measures->first_unhealthy),
               "rota schedule list --unhealthy; rota schedule show %s", measures->first_unhealthy);
    if (measures->mended > 0)
        advise(find(diagnosis, FINDING_WARN, "schedules", "%s%" PRId64 " schedules %" PRId64 " mended in the last day, as %s", of,
                    measures->schedules, measures->mended, measures->first_mended),
               "what was out of order: rota schedule show %s; rota audit log", measures->first_mended);
    if (measures->schedules > 0 && measures->unhealthy == 0 && measures->mended == 0)
        find(diagnosis, FINDING_OK, "schedules", "%s%" PRId64 " schedules none is unhealthy", of, measures->schedules);
}

void diagnose_deletion(struct diagnosis *diagnosis, const char *org)
{
    advise(find(diagnosis, FINDING_WARN, "deletion",
                "organization %s is being deleted: what runs of it, or the rest of it, is still there", org),
           "if nobody is at it any more, go on: rota org delete %s", org);
}

void diagnose_pause(struct diagnosis *diagnosis, const char *by)
{
    advise(find(diagnosis, FINDING_WARN, "pause", "everything is paused by %s", by), "rota resume");
}
