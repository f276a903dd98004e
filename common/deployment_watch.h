/* deployment_watch.h - what the last check of a deployment has said, so that the log gets only what is new: checks are repeated
 * every 30 s, and every second while one fails. */
#pragma once

#include "common/deployment.h"

/* All zeroes: nothing was said yet. */
struct deployment_watch {
    struct deployment_warning known[DEPLOYMENT_WARNINGS_MAX];
    unsigned known_count;
    char refusal[sizeof((struct error *)0)->message]; /* "": the last check was passed */
};

/* A check was passed: logs each warning that the last passed one did not have, each that is over, and the end of a failure.
 * Warnings are told apart by their names: one whose numbers have changed is not new. */
void deployment_watch_passed(struct deployment_watch *watch, const struct deployment *found);

/* A check has failed: logs `message` with the error, unless the check before has failed with the same words. */
void deployment_watch_failed(struct deployment_watch *watch, const char *message, const struct error *err);
