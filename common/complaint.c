#include "common/complaint.h"

#include <stdio.h>
#include <string.h>

bool complaint_raise(struct complaint *complaint, const char *message, int64_t mono_ms)
{
    char shortened[sizeof complaint->message];

    snprintf(shortened, sizeof shortened, "%s", message[0] ? message : "?");
    if (strcmp(complaint->message, shortened) == 0 && mono_ms - complaint->told_mono_ms < COMPLAINT_AGAIN_MS)
        return false;
    memcpy(complaint->message, shortened, sizeof shortened);
    complaint->told_mono_ms = mono_ms;
    return true;
}

bool complaint_end(struct complaint *complaint)
{
    bool raised = complaint_is_raised(complaint);

    complaint->message[0] = '\0';
    return raised;
}

bool complaint_is_raised(const struct complaint *complaint)
{
    return complaint->message[0] != '\0';
}
