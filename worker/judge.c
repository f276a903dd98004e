#include "worker/judge.h"

#include <stdio.h>

#include "common/units.h"

/* A success that would lose a job is none. */
static enum verdict verdict_with_jobs(enum verdict verdict, const struct told *told)
{
    bool success = verdict == VERDICT_DONE || verdict == VERDICT_DISCARD;

    return success && told->refused_job[0] ? VERDICT_RETRY : verdict;
}

/* What is kept of how it went. What the handler says of it itself is better than the end of its log. */
static void describe(char error[JOB_ERROR_BYTES_MAX], const struct judge_facts *facts)
{
    const struct child_result *ended = facts->ended;
    const struct ending *ending = &ended->ending;
    const char *said = facts->told->failure[0] ? facts->told->failure : ended->error, *colon = said[0] ? ": " : "";
    char limit[32];

    if (ending->start_errno > 0)
        snprintf(error, JOB_ERROR_BYTES_MAX, "%s", ended->error);
    else if (ending->timed_out)
        snprintf(error, JOB_ERROR_BYTES_MAX, "timed out after %lld ms%s%s", (long long)(ended->run_us / 1000), colon, said);
    else if (ending->runaway)
        snprintf(error, JOB_ERROR_BYTES_MAX, "runaway-log: wrote more than %lld bytes",
                 (long long)facts->handler->log_bytes_hard_max);
    else if (ending->crashed || (ending->exit < 0 && ending->signal < 0)) /* a handler that lives on tells why */
        snprintf(error, JOB_ERROR_BYTES_MAX, "%s", said);
    else if (ending->signal >= 0 && ending->out_of_memory_bytes > 0)
        snprintf(error, JOB_ERROR_BYTES_MAX, "out of memory: limit %s%s%s", units_exact_bytes(limit, ending->out_of_memory_bytes),
                 colon, said);
    else if (ending->signal >= 0)
        snprintf(error, JOB_ERROR_BYTES_MAX, "killed by signal %d%s%s", ending->signal, colon, said);
    else if (facts->told->failure[0])
        snprintf(error, JOB_ERROR_BYTES_MAX, "%s", said);
    else
        snprintf(error, JOB_ERROR_BYTES_MAX, "exit %d%s%s", ending->exit, colon, said);
}

static int64_t delay_of(const struct judge_facts *facts, const struct judged *judged)
{
    const struct ending *ending = &facts->ended->ending;

    if (judged->verdict == VERDICT_RELEASE)
        return judged->broken && !ending->stopped ? JUDGE_BROKEN_MS : 0;
    if (judged->verdict == VERDICT_RETRY && facts->told->retry_after_ms >= 0 && verdict_asks_for_retry(ending, facts->handler))
        return facts->told->retry_after_ms;
    return verdict_backoff_ms(&facts->handler->backoff, facts->attempt, facts->random);
}

static int limit_of(const struct judge_facts *facts, enum verdict verdict)
{
    if (verdict == VERDICT_RELEASE)
        return facts->max_attempts + JUDGE_DELIVERIES_MORE;
    if (verdict == VERDICT_TIMEOUT && facts->handler->on_timeout == HANDLER_DEAD)
        return 0;
    return facts->max_attempts;
}

static void take_result(struct judged *ret, const struct judge_facts *facts)
{
    size_t most = (size_t)facts->handler->result_bytes_max;

    ret->result = facts->told->result ? facts->told->result : facts->ended->result;
    ret->result_bytes = facts->told->result ? facts->told->result_bytes : facts->ended->result_bytes;
    if (ret->result_bytes > most)
        ret->result_bytes = most;
}

void judge(struct judged *ret, const struct judge_facts *facts)
{
    struct ending ending = facts->ended->ending;
    enum verdict verdict;

    *ret = (struct judged){.broken = verdict_is_broken_handler(&ending, facts->handler)};
    ending.draining = facts->draining;
    verdict = verdict_of(&ending, facts->handler);
    ret->verdict = verdict_with_jobs(verdict, facts->told);
    verdict_format(ret->words, ret->verdict, delay_of(facts, ret), limit_of(facts, ret->verdict));
    verdict_format(ret->words_if_refused, VERDICT_RETRY,
                   verdict_backoff_ms(&facts->handler->backoff, facts->attempt, facts->random), facts->max_attempts);
    if (ret->verdict == VERDICT_DONE)
        take_result(ret, facts);
    else if (ret->verdict != verdict)
        snprintf(ret->error, sizeof ret->error, "its further jobs were refused: %s", facts->told->refused_job);
    else if (ret->verdict != VERDICT_DISCARD)
        describe(ret->error, facts);
}
