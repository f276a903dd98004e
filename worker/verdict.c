#include "worker/verdict.h"

#include <signal.h>
#include <stdio.h>

static enum handler_outcome outcome_of(int exit, const struct handler *handler)
{
    for (size_t i = 0; handler && i < handler->exit_count; i++)
        if (exit >= handler->exits[i].low && exit <= handler->exits[i].high)
            return handler->exits[i].outcome;
    switch (exit) {
    case 0: return HANDLER_DONE;
    case 99: return HANDLER_DISCARD;
    case 64:
    case 65:
    case 77:
    case 78:
    case 100: return HANDLER_DEAD;
    case 126:
    case 127: return HANDLER_BROKEN;
    default: return HANDLER_RETRY;
    }
}

enum verdict verdict_of(const struct ending *ending, const struct handler *handler)
{
    enum handler_outcome outcome = outcome_of(ending->exit, handler);

    if (ending->exit >= 0 && outcome == HANDLER_DONE)
        return VERDICT_DONE; /* whatever was sent to it: it says that it has finished */
    if (ending->exit >= 0 && outcome == HANDLER_DISCARD)
        return VERDICT_DISCARD;
    if (ending->stopped || verdict_is_broken_handler(ending, handler))
        return VERDICT_RELEASE;
    if (ending->timed_out)
        return VERDICT_TIMEOUT;
    if (ending->runaway)
        return VERDICT_RETRY;
    if (ending->draining && (ending->signal == SIGTERM || ending->signal == SIGINT))
        return VERDICT_RELEASE;
    if (ending->crashed || ending->signal >= 0)
        return VERDICT_CRASH;
    return outcome == HANDLER_DEAD ? VERDICT_DEAD : VERDICT_RETRY;
}

bool verdict_is_broken_handler(const struct ending *ending, const struct handler *handler)
{
    return ending->start_errno > 0 || (ending->exit >= 0 && outcome_of(ending->exit, handler) == HANDLER_BROKEN);
}

bool verdict_asks_for_retry(const struct ending *ending, const struct handler *handler)
{
    for (size_t i = 0; handler && i < handler->exit_count; i++)
        if (ending->exit >= handler->exits[i].low && ending->exit <= handler->exits[i].high)
            return handler->exits[i].outcome == HANDLER_RETRY;
    return ending->exit == 75 || ending->exit == 111;
}

/* Before the random part. */
static int64_t plain_backoff_ms(const struct handler_backoff *backoff, int attempt)
{
    size_t last = attempt > 1 ? (size_t)attempt - 1 : 0;
    double delay_ms = (double)backoff->base_ms;

    if (backoff->delay_count > 0)
        return backoff->delays_ms[last < backoff->delay_count ? last : backoff->delay_count - 1];
    for (int i = 1; i < attempt && delay_ms < (double)backoff->max_ms && backoff->factor_milli > 1000; i++)
        delay_ms = delay_ms * (double)backoff->factor_milli / 1000;
    return delay_ms < (double)backoff->max_ms ? (int64_t)delay_ms : backoff->max_ms;
}

int64_t verdict_backoff_ms(const struct handler_backoff *backoff, int attempt, uint64_t random)
{
    int64_t delay_ms = plain_backoff_ms(backoff, attempt), share_ms = delay_ms * backoff->jitter_milli / 1000;

    return delay_ms - share_ms + 2 * share_ms * (int64_t)(random & 0xffff) / 0xffff;
}

void verdict_format(char ret_text[64], enum verdict verdict, int64_t delay_ms, int limit)
{
    static const char *const names[] = {"done", "discard", "retry", "timeout", "crash", "dead", "release"};

    switch (verdict) {
    case VERDICT_RETRY:
    case VERDICT_TIMEOUT:
    case VERDICT_CRASH:
    case VERDICT_RELEASE: snprintf(ret_text, 64, "%s %lld %d", names[verdict], (long long)delay_ms, limit); return;
    case VERDICT_DONE:
    case VERDICT_DISCARD:
    case VERDICT_DEAD: snprintf(ret_text, 64, "%s", names[verdict]); return;
    }
}
