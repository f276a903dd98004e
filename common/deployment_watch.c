#include "common/deployment_watch.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/log.h"

static bool has_warning(const struct deployment_warning *warnings, unsigned count, const char *name)
{
    for (unsigned i = 0; i < count; i++)
        if (strcmp(warnings[i].name, name) == 0)
            return true;
    return false;
}

void deployment_watch_passed(struct deployment_watch *watch, const struct deployment *found)
{
    if (watch->refusal[0])
        log_info("the deployment is as it should be again", "was=%s", watch->refusal);
    for (unsigned i = 0; i < found->warning_count; i++)
        if (!has_warning(watch->known, watch->known_count, found->warnings[i].name))
            log_warn("server", "warning=%s", found->warnings[i].text);
    for (unsigned i = 0; i < watch->known_count; i++)
        if (!has_warning(found->warnings, found->warning_count, watch->known[i].name))
            log_info("server: a warning is over", "was=%s", watch->known[i].text);
    watch->refusal[0] = '\0';
    watch->known_count = found->warning_count;
    memcpy(watch->known, found->warnings, sizeof watch->known);
}

void deployment_watch_failed(struct deployment_watch *watch, const char *message, const struct error *err)
{
    if (strcmp(watch->refusal, err->message) == 0)
        return;
    log_warn(message, "err=%s", err->message);
    snprintf(watch->refusal, sizeof watch->refusal, "%s", err->message);
}
