#include "cli/wait.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/connection.h"
#include "cli/fetch.h"
#include "cli/job_json.h"
#include "common/clock.h"

#define POLL_MS_MIN 10
#define POLL_MS_MAX 250
#define AWAY_MS_MAX 60000 /* that Redis may be away while somebody waits */

static const struct column outcome_columns[] = {
    {"JOB", "job", COLUMN_TEXT},      {"STATE", "state", COLUMN_TEXT}, {"ATTEMPT", "attempt", COLUMN_NUMBER},
    {"RESULT", "result", COLUMN_CUT}, {"ERROR", "error", COLUMN_CUT},  {0},
};

/* Fetches a job, and does so again while Redis is away for a while: who waits has time. */
static int fetch_patiently(struct cli *cli, const char *org, const char *id, struct fetched *ret, struct error *err)
{
    int64_t end_mono_ms = clock_mono_ms() + AWAY_MS_MAX;
    int rc = fetch_job(cli, org, id, ret, err);

    while ((rc == ERR_UNAVAILABLE || rc == ERR_UNKNOWN) && clock_mono_ms() < end_mono_ms) {
        struct error down;
        if (redis_wait_up(cli->redis, end_mono_ms - clock_mono_ms(), &down) == 0)
            poll(NULL, 0, POLL_MS_MAX); /* it may be up and still loading */
        rc = fetch_job(cli, org, id, ret, err);
    }
    return rc;
}

/* Asks for a job until it has ended or the time is up; the last answer in `ret`. ERR_NOT_FOUND says whether it was there: it was,
 * if it has been `seen`. */
static int poll_job(struct cli *cli, const char *name, bool seen, int64_t end_mono_ms, struct fetched *ret, struct error *err)
{
    char org[NAME_BYTES_MAX + 1], id[JOB_ID_BYTES_MAX + 1];
    int pause_ms = POLL_MS_MIN;

    if (cli_job(cli, name, org, id, err) < 0)
        return err->code;
    for (;;) {
        int64_t left_ms = end_mono_ms - clock_mono_ms();
        if (fetch_patiently(cli, org, id, ret, err) < 0) {
            if (err->code == ERR_NOT_FOUND && seen)
                return error_set(
                    err, ERR_NOT_FOUND,
                    "job %s was there and is gone: it is done and its organization keeps nothing of that (keep-done), "
                    "or it was deleted",
                    name);
            return err->code;
        }
        if (job_has_ended(&ret->job) || left_ms <= 0)
            return 0;
        seen = true;
        fetched_clear(ret);
        poll(NULL, 0, left_ms < pause_ms ? (int)left_ms : pause_ms);
        pause_ms = pause_ms * 3 / 2 < POLL_MS_MAX ? pause_ms * 3 / 2 : POLL_MS_MAX;
    }
}

static int outcome_status(const struct job *job)
{
    if (!job_has_ended(job))
        return EX_TEMPFAIL;
    return strcmp(job->place, "done") == 0 ? 0 : EXIT_FAILED;
}

static int tell_failure(struct cli *cli, const struct job *job, struct error *err)
{
    const struct attempt *last = job_last_attempt(job);
    const char *error = last && last->report.error ? last->report.error : "", *reason = job->state.reason;

    if (!job_has_ended(job))
        return cli_fail(cli, err, EX_TEMPFAIL, "job %s/%s has not ended: it is %s", job->org, job->id, job->place);
    return cli_fail(cli, err, EXIT_FAILED, "job %s/%s is %s%s%s%s%s%.400s", job->org, job->id, job->place, reason[0] ? " (" : "",
                    reason, reason[0] ? ")" : "", error[0] ? ": " : "", error);
}

int wait_tell_outcome(struct cli *cli, const struct job *job, struct error *err)
{
    size_t bytes;
    const char *result = job_result(job, &bytes);

    if (cli->output.format != OUTPUT_TABLE) {
        output_object(&cli->output, job_to_json(job, false), NULL);
        return outcome_status(job);
    }
    if (outcome_status(job) != 0)
        return tell_failure(cli, job, err);
    if (bytes)
        fwrite(result, 1, bytes, stdout);
    if (bytes && result[bytes - 1] != '\n' && isatty(STDOUT_FILENO))
        putchar('\n');
    return 0;
}

static int wait_for_one(struct cli *cli, const char *name, bool accepted, int64_t end_mono_ms, struct error *err)
{
    struct fetched fetched = {0};
    int rc = poll_job(cli, name, accepted, end_mono_ms, &fetched, err);

    if (rc < 0)
        return rc;
    rc = wait_tell_outcome(cli, &fetched.job, err);
    fetched_clear(&fetched);
    return rc;
}

int wait_for_jobs(struct cli *cli, const struct names *jobs, bool accepted, int64_t timeout_ms, struct error *err)
{
    int64_t end_mono_ms = timeout_ms ? clock_mono_ms() + timeout_ms : INT64_MAX;
    struct list *list;
    int worst = 0, rc = 0;

    if (jobs->count == 1)
        return wait_for_one(cli, jobs->items[0], accepted, end_mono_ms, err);
    list = list_new(&cli->output, outcome_columns);
    for (size_t i = 0; i < jobs->count && rc == 0; i++) {
        struct fetched fetched = {0};
        int status;
        rc = poll_job(cli, jobs->items[i], accepted, end_mono_ms, &fetched, err);
        if (rc == ERR_NOT_FOUND) {
            cli_complain(cli, EX_NOINPUT, "%s", err->message);
            rc = 0;
            continue;
        }
        if (rc < 0)
            break;
        status = outcome_status(&fetched.job);
        worst = status == EXIT_FAILED || worst == 0 ? status : worst;
        list_add(list, job_to_json(&fetched.job, false));
        fetched_clear(&fetched);
    }
    list_end(list);
    return rc < 0 ? rc : worst;
}
