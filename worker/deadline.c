#include "worker/deadline.h"

void deadline_begin(struct deadline *deadline, int64_t now_mono_ms)
{
    deadline->begun_mono_ms = now_mono_ms;
}

bool deadline_put_off(struct deadline *deadline, int64_t ms, int64_t now_mono_ms)
{
    int64_t wanted_ms = now_mono_ms - deadline->begun_mono_ms + ms;

    if (wanted_ms > deadline->timeout_ms_max)
        wanted_ms = deadline->timeout_ms_max;
    if (deadline->begun_mono_ms == 0 || wanted_ms <= deadline->timeout_ms)
        return false;
    deadline->timeout_ms = wanted_ms;
    return true;
}

int64_t deadline_left_ms(const struct deadline *deadline, int64_t now_mono_ms)
{
    int64_t left_ms = deadline->begun_mono_ms + deadline->timeout_ms - now_mono_ms, heartbeat_ms = deadline->heartbeat_ms;

    if (heartbeat_ms > 0 && heartbeat_ms < left_ms)
        return heartbeat_ms;
    return left_ms > 0 ? left_ms : 0;
}
