#include "worker/verdict.h"

#include <signal.h>
#include <stdio.h>

#define BACKOFF_BASE_MS 5000
#define BACKOFF_CAP_MS  (60 * 60 * 1000)

enum verdict verdict_of(const struct ending *ending)
{
    if (ending->exit == 0)
        return VERDICT_DONE; /* whatever was sent to it: it says that it has finished */
    if (ending->exit == 99)
        return VERDICT_DISCARD;
    if (ending->stopped || verdict_is_broken_handler(ending))
        return VERDICT_RELEASE;
    if (ending->timed_out)
        return VERDICT_TIMEOUT;
    if (ending->runaway)
        return VERDICT_RETRY;
    if (ending->draining && (ending->signal == SIGTERM || ending->signal == SIGINT))
        return VERDICT_RELEASE;
    if (ending->signal >= 0)
        return VERDICT_CRASH;
    switch (ending->exit) {
    case 64:
    case 65:
    case 77:
    case 78:
    case 100: return VERDICT_DEAD;
    default: return VERDICT_RETRY;
    }
}

bool verdict_is_broken_handler(const struct ending *ending)
{
    return ending->start_errno > 0 || ending->exit == 126 || ending->exit == 127;
}

int64_t verdict_backoff_ms(int attempt, uint64_t random)
{
    int64_t delay_ms = BACKOFF_BASE_MS;

    for (int i = 1; i < attempt && delay_ms < BACKOFF_CAP_MS; i++)
        delay_ms *= 2;
    if (delay_ms > BACKOFF_CAP_MS)
        delay_ms = BACKOFF_CAP_MS;
    return delay_ms * 4 / 5 + delay_ms * 2 / 5 * (int64_t)(random & 0xffff) / 0xffff;
}

void verdict_format(char ret_text[64], enum verdict verdict, int64_t delay_ms, int max_attempts)
{
    static const char *const names[] = {"done", "discard", "retry", "timeout", "crash", "dead", "release"};

    switch (verdict) {
    case VERDICT_RETRY:
    case VERDICT_TIMEOUT:
    case VERDICT_CRASH: snprintf(ret_text, 64, "%s %lld %d", names[verdict], (long long)delay_ms, max_attempts); return;
    case VERDICT_RELEASE:
        if (delay_ms > 0) {
            snprintf(ret_text, 64, "%s %lld", names[verdict], (long long)delay_ms);
            return;
        }
        break;
    case VERDICT_DONE:
    case VERDICT_DISCARD:
    case VERDICT_DEAD: break;
    }
    snprintf(ret_text, 64, "%s", names[verdict]);
}
