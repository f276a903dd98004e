/* `rota job logs`: what a job's attempts wrote to stderr. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/connection.h"
#include "cli/fetch.h"
#include "cli/output.h"
#include "common/job_log.h"
#include "common/units.h"

/* A reply with logs, and what came of reading it. */
struct reading {
    struct job_logs logs;
    int rc;
    struct error err;
};

static void on_logs(const struct reply *reply, void *ctx)
{
    struct reading *reading = ctx;
    size_t length;
    const char *bytes = reply_bytes(reply, &length);

    reading->rc = job_logs_decode(&reading->logs, bytes, length, &reading->err);
}

static int fetch_logs(struct cli *cli, const char *org, const char *id, struct reading *reading, struct error *err)
{
    char key[KEY_BYTES_MAX];
    struct call call = {0};
    int rc;

    call_command(&call, "HGET");
    call_add_string(&call, fetch_key(cli, org, "logs", key));
    call_add_string(&call, id);
    rc = cli_call(cli, &call, on_logs, reading, err);
    call_clear(&call);
    if (rc == 0 && reading->rc < 0) {
        *err = reading->err;
        return error_wrap(err, "logs of %s/%s", org, id);
    }
    return rc;
}

static json_t *log_to_json(const struct job *job, const struct job_log *log)
{
    const struct attempt *attempt = job_log_attempt(job, log);
    json_t *object = json_object();

    json_object_set_new(object, "job", json_sprintf("%s/%s", job->org, job->id));
    json_object_set_new(object, "delivery", json_integer(log->delivery));
    json_object_set_new(object, "attempt", attempt ? json_integer(attempt->number) : json_null());
    json_object_set_new(object, "worker", output_text_or_null(attempt ? attempt->worker : NULL));
    json_object_set_new(object, "outcome", output_text_or_null(attempt ? attempt->outcome : NULL));
    json_object_set_new(object, "exit", attempt && attempt->report.exit >= 0 ? json_integer(attempt->report.exit) : json_null());
    json_object_set_new(object, "signal",
                        attempt && attempt->report.signal >= 0 ? json_integer(attempt->report.signal) : json_null());
    json_object_set_new(object, "ended_ms", json_integer(log->ended_ms));
    json_object_set_new(object, "omitted_bytes", json_integer(log->omitted_bytes));
    output_set_bytes(object, "log", log->text, log->text_bytes);
    return object;
}

/* "-- attempt 2, worker 7hk..., exit 1, 7123456 bytes omitted", on stderr: what is on stdout is the log alone. */
static void print_head(const struct job *job, const struct job_log *log)
{
    const struct attempt *attempt = job_log_attempt(job, log);
    char ended[32];

    fflush(stdout);
    fprintf(stderr, "-- delivery %d", log->delivery);
    if (attempt)
        fprintf(stderr, ", attempt %d, worker %s, %s", attempt->number, attempt->worker, attempt->outcome);
    if (attempt && attempt->report.exit >= 0)
        fprintf(stderr, ", exit %d", attempt->report.exit);
    if (attempt && attempt->report.signal >= 0)
        fprintf(stderr, ", signal %d", attempt->report.signal);
    fprintf(stderr, ", %s", units_format_time(ended, log->ended_ms));
    if (log->omitted_bytes > 0)
        fprintf(stderr, ", %lld bytes omitted", (long long)log->omitted_bytes);
    fprintf(stderr, "\n");
}

static void print_log(const struct cli *cli, const struct job *job, const struct job_log *log)
{
    if (!config_bool(cli->config, "cli.quiet"))
        print_head(job, log);
    fwrite(log->text, 1, log->text_bytes, stdout);
    if (log->text_bytes > 0 && log->text[log->text_bytes - 1] != '\n')
        putchar('\n');
}

static void print_logs(struct cli *cli, const struct job *job, const struct job_logs *logs)
{
    int64_t wanted = config_integer(cli->config, "cli.logs.attempt");
    bool table = cli->output.format == OUTPUT_TABLE;
    struct list *list = table ? NULL : list_new(&cli->output, NULL);

    for (size_t i = 0; i < logs->count; i++) {
        const struct job_log *log = &logs->items[i];
        const struct attempt *attempt = job_log_attempt(job, log);
        if (wanted && (!attempt || attempt->number != wanted))
            continue;
        if (table)
            print_log(cli, job, log);
        else
            list_add(list, log_to_json(job, log));
    }
    if (list)
        list_end(list);
}

static int job_logs(struct cli *cli, struct error *err)
{
    char org[NAME_BYTES_MAX + 1], id[JOB_ID_BYTES_MAX + 1];
    struct reading reading = {.rc = 0};
    struct fetched fetched;
    int rc;

    if (cli_job(cli, cli_argument(cli, 0), org, id, err) < 0 || cli_connect(cli, false, NULL, err) < 0 ||
        fetch_job(cli, org, id, &fetched, err) < 0)
        return err->code;
    rc = fetch_logs(cli, org, id, &reading, err);
    if (rc == 0)
        print_logs(cli, &fetched.job, &reading.logs);
    if (rc == 0 && reading.logs.count == 0 && !config_bool(cli->config, "cli.quiet"))
        fprintf(stderr, "no log is kept of %s/%s\n", org, id);
    job_logs_clear(&reading.logs);
    fetched_clear(&fetched);
    return rc;
}

static const struct config_setting logs_settings[] = {
    SETTINGS_CLI,
    FLAG_NUMBER("cli.logs.", "attempt", NULL, 1, 1000, "only of this attempt"),
    {0},
};

const struct command logs_commands[] = {
    {"job logs", "JOB", "Show what a job's attempts wrote to stderr", logs_settings, 1, 1, job_logs,
     "All attempts in their order, each behind a line on stderr that says which it was and how it ended. Of each the first\n"
     "16 KiB and the last 48 KiB are kept, for as long as its organization keeps logs (org set --keep-logs) and the job."},
    {0},
};
