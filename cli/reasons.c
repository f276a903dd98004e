#include "cli/reasons.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/text.h"
#include "common/units.h"

#define ERROR_SHOWN_BYTES 200
#define MOMENT_BYTES      80

/* What is being found out. */
struct finding {
    struct reasons *reasons;
    const struct reason_facts *facts;
    char name[JOB_NAME_BYTES_MAX + 1]; /* of the job */
};

__attribute__((format(printf, 3, 4))) static struct reason *add(struct finding *finding, const char *code, const char *fmt, ...)
{
    struct reasons *reasons = finding->reasons;
    struct reason *reason = &reasons->items[reasons->count < REASONS_MAX ? reasons->count++ : REASONS_MAX - 1];
    char text[REASON_TEXT_BYTES];
    va_list args;

    *reason = (struct reason){.code = code};
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    text_copy_plain(reason->text, sizeof reason->text, text);
    return reason;
}

__attribute__((format(printf, 2, 3))) static void hint(struct reason *reason, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vsnprintf(reason->hint, sizeof reason->hint, fmt, args);
    va_end(args);
}

/* "2026-11-20T08:15:58.123Z (in 5m)", "... (3m20s ago)". */
static const char *moment(const struct finding *finding, int64_t ms, char ret[MOMENT_BYTES])
{
    int64_t away_ms = ms - finding->facts->now_ms;
    char time[32], duration[32];

    units_format_time(time, ms);
    units_format_duration(duration, away_ms < 0 ? -away_ms : away_ms);
    snprintf(ret, MOMENT_BYTES, "%s (%s%s%s)", time, away_ms > 0 ? "in " : "", duration, away_ms > 0 ? "" : " ago");
    return ret;
}

static const char *plural(int64_t count)
{
    return count == 1 ? "" : "s";
}

static bool is_at(const struct finding *finding, const char *place)
{
    return strcmp(finding->facts->job.place, place) == 0;
}

/* ---- what holds for all jobs ---- */

static void find_refusal(struct finding *finding)
{
    if (finding->facts->refuses_writes[0])
        hint(add(finding, "redis_refuses_writes", "Redis refuses writes: %s", finding->facts->refuses_writes),
             "nothing is started, and nothing ends, until it takes them again: rota doctor");
}

static void find_leader(struct finding *finding, const char *what)
{
    if (!finding->facts->has_leader)
        hint(add(finding, "no_leader", "no scheduler leads: %s", what),
             "start rota-scheduler, or see why it does not lead: rota doctor");
}

/* ---- no job, or not yet ---- */

static void find_intake(struct finding *finding)
{
    if (finding->facts->intake[0])
        hint(add(finding, "intake_stopped", "no jobs are taken in: %s", finding->facts->intake),
             "the scheduler takes jobs in again when the server is as declared: rota doctor");
}

static void explain_absent(struct finding *finding)
{
    const struct reason_facts *facts = finding->facts;
    char text[MOMENT_BYTES];

    if (facts->in_inbox) {
        find_refusal(finding);
        find_intake(finding);
        find_leader(finding, "nobody moves what is in the inbox");
        hint(add(finding, "inbox", "it is an entry of the inbox, which the leading scheduler makes a job of"),
             "usually within milliseconds; what is behind: redis-cli XLEN rota:inbox");
    } else if (facts->rejected[0]) {
        hint(add(finding, "rejected", "the inbox has refused it: %s", facts->rejected), "correct it and send it again");
    } else if (facts->moved_ms) {
        hint(add(finding, "forgotten",
                 "it came through the inbox %s, and is forgotten since: it has ended and its time is over, or it was deleted",
                 moment(finding, facts->moved_ms, text)),
             "who deleted jobs: rota audit log --org %s; how long ended ones are kept: rota org show %s", facts->job.org,
             facts->job.org);
    }
}

/* ---- ended ---- */

static void explain_done(struct finding *finding)
{
    const struct job *job = &finding->facts->job;
    char text[MOMENT_BYTES];

    hint(add(finding, "done", "it is done: it ended %s, at attempt %d", moment(finding, job_finished_ms(job), text),
             job->state.attempt),
         "its result: rota job result %s; to run it again, push it again", finding->name);
}

/* Why a dead job died. */
static void tell_death(const struct job *job, char *ret, size_t size)
{
    const struct job_state *state = &job->state;

    if (strcmp(state->reason, "attempts") == 0)
        snprintf(ret, size, "all its %d attempt%s failed", state->attempt, plural(state->attempt));
    else if (strcmp(state->reason, "crashes") == 0)
        snprintf(ret, size, "its handler or its worker crashed %d time%s", state->crashes, plural(state->crashes));
    else if (strcmp(state->reason, "handler") == 0)
        snprintf(ret, size, "its handler said at attempt %d that trying again is no use", state->attempt);
    else
        snprintf(ret, size, "%s", state->reason[0] ? state->reason : "nobody knows why");
}

static void explain_dead(struct finding *finding)
{
    const struct job *job = &finding->facts->job;
    const struct attempt *last = job_last_attempt(job);
    const char *error = last ? last->report.error : NULL;
    char why[160], text[MOMENT_BYTES];

    tell_death(job, why, sizeof why);
    hint(add(finding, "dead", "it is dead since %s: %s%s%.*s", moment(finding, job->score, text), why,
             error ? "; the last error: " : "", ERROR_SHOWN_BYTES, error ? error : ""),
         "look at its attempts: rota job show %s; try it again: rota job retry %s", finding->name, finding->name);
}

static void explain_cancelled(struct finding *finding)
{
    const struct job *job = &finding->facts->job;
    char text[MOMENT_BYTES], expired[MOMENT_BYTES];

    if (strcmp(job->state.reason, "expired") == 0)
        hint(add(finding, "expired", "it is cancelled since %s: it was not started before it expired, %s",
                 moment(finding, job->score, text), moment(finding, job->record.expires_ms, expired)),
             "run it all the same: push it again with a later --expires; it would expire again");
    else
        hint(add(finding, "cancelled", "it is cancelled since %s: somebody cancelled it", moment(finding, job->score, text)),
             "who it was: rota audit log --org %s; run it all the same: rota job retry %s", job->org, finding->name);
}

/* ---- running ---- */

static void explain_running(struct finding *finding)
{
    const struct reason_facts *facts = finding->facts;
    const struct job *job = &facts->job;
    char since[MOMENT_BYTES], until[MOMENT_BYTES];
    struct reason *reason;

    if (job->cancelling)
        hint(add(finding, "cancelling", "it was cancelled, and its worker is told at its next beat to stop it"),
             "a handler that does not end on TERM is killed; how the worker is: rota worker show %s", job->state.session);
    if (facts->session_ms < facts->now_ms) {
        reason = facts->session_ms
                     ? add(finding, "worker_lost", "it runs on worker %s, which should have been heard of %s", job->state.session,
                           moment(finding, facts->session_ms, since))
                     : add(finding, "worker_lost", "it runs on worker %s, which is not there any more", job->state.session);
        hint(reason, "the leading scheduler gives its jobs to others within seconds: rota worker list");
        find_leader(finding, "nobody gives the jobs of a lost worker to others");
    }
    hint(add(finding, "running", "it is running: attempt %d, on worker %s, started %s, to be ended at the latest %s",
             job->state.attempt + 1, job->state.session, moment(finding, job->state.started_ms, since),
             moment(finding, facts->deadline_ms, until)),
         "what its worker does: rota worker show %s; stop it: rota job cancel %s", job->state.session, finding->name);
}

/* ---- paused ---- */

static void find_pause(struct finding *finding, const struct reason_pause *pause, const char *code, const char *what,
                       const char *command)
{
    char since[MOMENT_BYTES];

    if (pause->paused)
        hint(add(finding, code, "%s is paused by %s since %s", what, pause->by[0] ? pause->by : "somebody",
                 moment(finding, pause->since_ms, since)),
             "%s", command);
}

static void find_deletion(struct finding *finding)
{
    const struct reason_facts *facts = finding->facts;
    const char *org = facts->job.org;
    char since[MOMENT_BYTES];

    hint(add(finding, "org_deleting", "organization %s is being deleted by %s since %s", org,
             facts->of_org.by[0] ? facts->of_org.by : "somebody", moment(finding, facts->of_org.since_ms, since)),
         "it is gone with the organization; if nobody is at it any more: rota org delete %s", org);
}

static void find_pauses(struct finding *finding)
{
    const struct reason_facts *facts = finding->facts;
    char what[NAME_BYTES_MAX + 16], command[NAME_BYTES_MAX + 32];

    find_pause(finding, &facts->all, "all_paused", "everything", "rota resume");
    snprintf(what, sizeof what, "queue %s", facts->queue);
    snprintf(command, sizeof command, "rota queue resume %s", facts->queue);
    find_pause(finding, &facts->of_queue, "queue_paused", what, command);
    snprintf(what, sizeof what, "organization %s", facts->job.org);
    snprintf(command, sizeof command, "rota org resume %s", facts->job.org);
    if (facts->org_deleting)
        find_deletion(finding);
    else
        find_pause(finding, &facts->of_org, "org_paused", what, command);
}

/* ---- scheduled ---- */

static bool is_failure(const struct attempt *attempt)
{
    return attempt && (strcmp(attempt->outcome, "failed") == 0 || strcmp(attempt->outcome, "timed_out") == 0 ||
                       strcmp(attempt->outcome, "crashed") == 0);
}

/* A job that rests, or was handed back, keeps its order in the queue; one that got a new time has a new order. */
static bool keeps_order(const struct job *job)
{
    return job->state.order + (int64_t)job->record.priority * JOB_PRIORITY_MS != job->score;
}

static void find_schedule(struct finding *finding)
{
    const struct reason_facts *facts = finding->facts;
    const struct job *job = &facts->job;
    const struct attempt *last = job_last_attempt(job);
    char due[MOMENT_BYTES], times[40] = "";
    struct reason *reason;

    if (job->state.notes.after[0]) {
        hint(add(finding, "follows", "it waits until job %s/%s is over, which has the same coalescing key and has begun",
                 job->org, job->state.notes.after),
             "what that is doing: rota job explain %s/%s", job->org, job->state.notes.after);
        return;
    }
    moment(finding, job->score, due);
    if (job->score <= facts->now_ms) {
        hint(add(finding, "overdue", "it is due since %s, and the leading scheduler has not made it ready yet", due),
             "usually within milliseconds; with very many due jobs of one organization it takes turns with others");
    } else if (facts->rests == 0 && !keeps_order(job) && is_failure(last)) {
        reason = add(finding, "backoff", "it waits until %s before attempt %d: attempt %d %s%s%.*s", due, job->state.attempt + 1,
                     last->number, strcmp(last->outcome, "timed_out") == 0 ? "timed out" : last->outcome,
                     last->report.error ? ": " : "", ERROR_SHOWN_BYTES, last->report.error ? last->report.error : "");
        hint(reason, "try it at once: rota job run-now %s", finding->name);
    } else if (facts->rests == 0 && !keeps_order(job)) {
        hint(add(finding, "delayed", "it is scheduled until %s: its producer, or somebody since, gave it that time", due),
             "run it at once: rota job run-now %s", finding->name);
    } else if (facts->rests == 0 && last && strcmp(last->outcome, "released") == 0) {
        hint(add(finding, "released", "its worker handed it back until %s: its handler asked for a later time, or cannot run",
                 due),
             "why: the worker's log, and rota job show %s; at once: rota job run-now %s", finding->name, finding->name);
    } else {
        if (facts->rests > 1)
            snprintf(times, sizeof times, ", %" PRId64 " times by now", facts->rests);
        hint(add(finding, "resting", "it rests until %s: a worker of queue %s was asked that does not know type %s%s", due,
                 facts->queue, job->record.type, times),
             "a worker that knows it takes it then; at once: rota job run-now %s", finding->name);
    }
    find_leader(finding, "nothing that is due becomes ready");
}

/* ---- workers ---- */

static void find_workers(struct finding *finding)
{
    const struct reason_facts *facts = finding->facts;
    const struct reason_workers *workers = &facts->workers;
    const char *type = facts->job.record.type;
    char until[MOMENT_BYTES];

    if (workers->alive == 0)
        hint(add(finding, "no_worker", "no worker is there"), "start rota-worker; who was there: rota worker list --all");
    else if (workers->serving == 0)
        hint(add(finding, "no_worker_for_queue", "no worker serves queue %s: %" PRId64 " worker%s serve%s other queues",
                 facts->queue, workers->alive, plural(workers->alive), workers->alive == 1 ? "s" : ""),
             "start one with --queue %s; who serves what: rota worker list", facts->queue);
    else if (workers->knowing == 0)
        hint(add(finding, "no_worker_for_type", "no worker knows type %s: none of the %" PRId64 " of queue %s", type,
                 workers->serving, facts->queue),
             "give one a handler for it: rota-worker --on '%s=COMMAND', or handlers.%s in its file; who knows what: rota worker "
             "list",
             type, type);
    else if (workers->quiet == workers->knowing)
        hint(add(finding, "workers_quiet", "%s %" PRId64 " worker%s that know%s type %s in queue %s take%s no jobs: %s is %s",
                 workers->knowing == 1 ? "the" : "all", workers->knowing, plural(workers->knowing),
                 workers->knowing == 1 ? "s" : "", type, facts->queue, workers->knowing == 1 ? "s" : "", workers->a_quiet_one,
                 workers->its_phase),
             "let it go on: rota worker resume %s, or start another one", workers->a_quiet_one);
    else if (workers->quiet + workers->broken == workers->knowing)
        hint(add(finding, "workers_broken",
                 "the handler of type %s is broken: worker %s takes none of its jobs until %s, and no other worker can", type,
                 workers->a_broken_one, moment(finding, workers->its_broken_ms, until)),
             "what went wrong: rota job logs %s/%s, and the log of the worker; it tries at once after a HUP", facts->job.org,
             facts->job.id);
    else if (workers->busy >= workers->slots)
        hint(add(finding, "workers_busy", "all %" PRId64 " slot%s of the %" PRId64 " worker%s that may take it are busy",
                 workers->slots, plural(workers->slots), workers->knowing - workers->quiet - workers->broken,
                 plural(workers->knowing - workers->quiet - workers->broken)),
             "start more workers, or give them more --slots; what runs: rota job list --state running");
}

/* ---- its organization, and its turn ---- */

/* "5/s", "2 of 2 run", "paused by ann until ...": what the limit that it waits for has to say. */
static void find_limit(struct finding *finding)
{
    const struct reason_facts *facts = finding->facts;
    char why[320] = "", behind[160] = "", until[MOMENT_BYTES];
    int name_bytes = (int)strcspn(facts->limit, ":");

    if (facts->limit_paused_ms > facts->now_ms)
        snprintf(why, sizeof why, ", which is paused by %s until %s",
                 facts->limit_paused_by[0] ? facts->limit_paused_by : "somebody", moment(finding, facts->limit_paused_ms, until));
    else if (facts->limit_concurrency > 0 && facts->limit_running >= facts->limit_concurrency)
        snprintf(why, sizeof why, " (%" PRId64 " at once): %" PRId64 " run", facts->limit_concurrency, facts->limit_running);
    else if (facts->limit_rate[0] && facts->limit_next_ms > facts->now_ms)
        snprintf(why, sizeof why, " (%s): the next may start %s", facts->limit_rate,
                 moment(finding, facts->limit_next_ms, until));
    if (facts->limit_rank > 0 || facts->limit_before > 0)
        snprintf(behind, sizeof behind, "; %" PRId64 " job%s of its organization and %" PRId64 " organization%s come before it",
                 facts->limit_rank, plural(facts->limit_rank), facts->limit_before, plural(facts->limit_before));
    hint(add(finding, "limit", "it waits for limit %s%s%s", facts->limit, why, behind), "what holds it: rota limit show %.*s",
         name_bytes, facts->limit);
}

static void find_limits(struct finding *finding)
{
    const struct reason_facts *facts = finding->facts;
    const char *org = facts->job.org;
    char text[MOMENT_BYTES];

    if (facts->limit[0])
        find_limit(finding);
    if (facts->max_running > 0 && facts->running >= facts->max_running)
        hint(add(finding, "at_cap", "organization %s runs %" PRId64 " job%s, and may run %" PRId64 " at once", org,
                 facts->running, plural(facts->running), facts->max_running),
             "what runs: rota job list %s --state running; raise it: rota org set %s --max-running N", org, org);
    if (facts->token_ms > facts->now_ms)
        hint(add(finding, "rate", "organization %s may start %s job%s a second: the next one %s", org, facts->rate,
                 strcmp(facts->rate, "1") == 0 ? "" : "s", moment(finding, facts->token_ms, text)),
             "raise it: rota org set %s --rate N", org);
}

static void find_line(struct finding *finding)
{
    const struct reason_facts *facts = finding->facts;
    const char *org = facts->job.org;

    if (facts->rank > 0)
        hint(add(finding, "behind", "%" PRId64 " job%s of organization %s %s before it in queue %s; %" PRId64 " of its jobs run",
                 facts->rank, plural(facts->rank), org, facts->rank == 1 ? "is" : "are", facts->queue, facts->running),
             "look at them: rota job list %s --state ready; a higher --priority goes first", org);
    if (facts->before > 0)
        hint(add(finding, "turn",
                 "%" PRId64 " organization%s of %" PRId64 " with work in queue %s come%s before %s, by what they have used",
                 facts->before, plural(facts->before), facts->active, facts->queue, facts->before == 1 ? "s" : "", org),
             "give it a larger share: rota org set %s --weight N", org);
}

static void explain_waiting(struct finding *finding)
{
    const struct reason_facts *facts = finding->facts;
    bool ready = is_at(finding, "ready");

    find_pauses(finding);
    if (is_at(finding, "scheduled"))
        find_schedule(finding);
    find_workers(finding);
    if (ready || facts->limit[0])
        find_limits(finding);
    if (ready)
        find_line(finding);
    if (finding->reasons->count == 0)
        hint(add(finding, "next", "nothing keeps it: its organization is next in queue %s, and a worker has a free slot",
                 facts->queue),
             "it starts within 2 seconds; ask again if it does not");
}

void reasons_find(struct reasons *ret, const struct reason_facts *facts)
{
    struct finding finding = {.reasons = ret, .facts = facts};

    ret->count = 0;
    snprintf(finding.name, sizeof finding.name, "%s/%s", facts->job.org, facts->job.id);
    if (!facts->job.place[0]) {
        explain_absent(&finding);
    } else if (is_at(&finding, "done")) {
        explain_done(&finding);
    } else if (is_at(&finding, "dead")) {
        explain_dead(&finding);
    } else if (is_at(&finding, "cancelled")) {
        explain_cancelled(&finding);
    } else if (is_at(&finding, "lost")) {
        hint(add(&finding, "lost", "it is in no set although it has a record: something has damaged the database"),
             "rota audit --mend puts it where it belongs");
    } else {
        find_refusal(&finding);
        if (is_at(&finding, "running"))
            explain_running(&finding);
        else
            explain_waiting(&finding);
    }
}
