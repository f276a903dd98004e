/* wait.h - waiting for jobs to end, and telling how they did. */
#pragma once

#include "cli/cli.h"
#include "cli/orgs.h"
#include "common/job.h"

#define SETTING_WAIT_TIMEOUT \
    FLAG_DURATION("cli.", "wait-timeout", "0", 0, 7LL * 24 * 3600 * 1000, "wait no longer than this; 0: as long as it takes")

/* Waits for jobs (names org/id), `timeout_ms` at most (0: for ever). One job: its result is written to stdout, or in JSON the
 * job; several: a list of them. `accepted`: they were pushed just now. Returns the exit status: EX_OK if all are done,
 * EXIT_FAILED if one is dead or cancelled, EX_TEMPFAIL if one has not ended. One that is not there, or is gone, is told, and
 * makes it EX_NOINPUT where the others are done: how it ended nobody knows. */
int wait_for_jobs(struct cli *cli, const struct names *jobs, bool accepted, int64_t timeout_ms, struct error *err) MUST_CHECK;

/* The same for one job as it is now. */
int wait_tell_outcome(struct cli *cli, const struct job *job, struct error *err) MUST_CHECK;
