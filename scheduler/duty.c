#include "scheduler/duty.h"

bool duty_unsettled(const struct duty *duty, const struct error *err)
{
    if (err->code != ERR_LIBRARY && err->code != ERR_SETUP)
        return false;
    duty->on_unsettled(duty->ctx);
    return true;
}
