#include "scheduler/duty.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/who.h"

void duty_failed(const struct duty *duty, struct complaint *complaint, const char *name, uint32_t lane, const struct error *err)
{
    if (err->code == ERR_LIBRARY || err->code == ERR_SETUP)
        duty->on_unsettled(duty->ctx);
    else if (err->code != ERR_UNAVAILABLE && err->code != ERR_UNKNOWN &&
             complaint_raise(complaint, err->message, clock_mono_ms()))
        log_error("a duty fails, trying again and again", "duty=%s lane=%u err=%s", name, lane, err->message);
}

void duty_worked(struct complaint *complaint, const char *name, uint32_t lane)
{
    if (complaint_end(complaint))
        log_info("a duty is done again", "duty=%s lane=%u", name, lane);
}

bool duty_is_refused(const struct error *err)
{
    return err->code == ERR_PROTOCOL || err->code == ERR_INVALID;
}

void duty_call(struct call *call, const char *function, uint32_t lane)
{
    char who[WHO_BYTES];

    call_function(call, function, lane);
    call_add_string(call, who_am_i(who, "rota-scheduler"));
}
