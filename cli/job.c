/* `rota job`, the part that looks: list, show, wait, result. */
#include <stdio.h>
#include <string.h>

#include "cli/connection.h"
#include "cli/fetch.h"
#include "cli/job_json.h"
#include "cli/listing.h"
#include "cli/orgs.h"
#include "cli/queue.h"
#include "cli/wait.h"
#include "common/units.h"

/* ---- list ---- */

static const struct column job_columns[] = {
    {"JOB", "job", COLUMN_TEXT},
    {"STATE", "state", COLUMN_TEXT},
    {"TYPE", "type", COLUMN_TEXT},
    {"QUEUE", "queue", COLUMN_TEXT},
    {"PRIORITY", "priority", COLUMN_NUMBER},
    {"ATTEMPT", "attempt", COLUMN_NUMBER},
    {"ENQUEUED", "enqueued_ms", COLUMN_SINCE},
    {"DUE", "due_ms", COLUMN_SINCE},
    {"FINISHED", "finished_ms", COLUMN_SINCE},
    {"ERROR", "error", COLUMN_CUT},
    {0},
};

static int job_list(struct cli *cli, struct error *err)
{
    struct listing_options options = {
        .columns = job_columns,
        .type = config_string(cli->config, "cli.job.type"),
        .queue = config_string(cli->config, "cli.job.queue"),
        .newest = config_bool(cli->config, "cli.job.newest"),
    };

    if (options.queue[0] && name_check(options.queue, "queue", err) < 0)
        return cli_misused(cli, err);
    if (listing_read_states(cli, &options, "", err) < 0 || cli_connect(cli, false, NULL, err) < 0 ||
        (options.queue[0] && queue_check(cli, options.queue, err) < 0))
        return err->code;
    listing_read_find(cli, &options);
    return listing_print(cli, &options, err);
}

/* ---- show ---- */

static const struct column show_columns[] = {
    {"job", "job", COLUMN_TEXT},
    {"type", "type", COLUMN_TEXT},
    {"queue", "queue", COLUMN_TEXT},
    {"state", "state", COLUMN_TEXT},
    {"cancelling", "cancelling", COLUMN_TEXT},
    {"reason", "reason", COLUMN_TEXT},
    {"priority", "priority", COLUMN_TEXT},
    {"attempt", "attempt", COLUMN_TEXT},
    {"max attempts", "max_attempts", COLUMN_TEXT},
    {"deliveries", "deliveries", COLUMN_TEXT},
    {"crashes", "crashes", COLUMN_TEXT},
    {"enqueued", "enqueued_ms", COLUMN_TIME},
    {"due", "due_ms", COLUMN_TIME},
    {"expires", "expires_ms", COLUMN_TIME},
    {"time-out", "timeout_ms", COLUMN_FOR},
    {"started", "started_ms", COLUMN_TIME},
    {"finished", "finished_ms", COLUMN_TIME},
    {"worker", "worker", COLUMN_TEXT},
    {"progress", "progress_line", COLUMN_TEXT},
    {"key", "key", COLUMN_BYTES},
    {"limit", "limit", COLUMN_TEXT},
    {"waits for limit", "waits_for", COLUMN_TEXT},
    {"coalesces", "coalesce", COLUMN_BYTES},
    {"waits until over", "after", COLUMN_TEXT},
    {"headers", "headers", COLUMN_TEXT},
    {"error", "error", COLUMN_BYTES},
    {"result", "result", COLUMN_TEXT},
    {"result (base64)", "result_b64", COLUMN_TEXT},
    {"payload", "payload", COLUMN_TEXT},
    {"payload (base64)", "payload_b64", COLUMN_TEXT},
    {0},
};

static const struct column attempt_columns[] = {
    {"ATTEMPT", "n", COLUMN_NUMBER},     {"WORKER", "worker", COLUMN_TEXT},   {"STARTED", "started_ms", COLUMN_SINCE},
    {"TOOK", "took_ms", COLUMN_FOR},     {"OUTCOME", "outcome", COLUMN_TEXT}, {"EXIT", "exit", COLUMN_NUMBER},
    {"SIGNAL", "signal", COLUMN_NUMBER}, {"ERROR", "error", COLUMN_CUT},      {0},
};

static void print_attempts(struct cli *cli, json_t *attempts)
{
    struct list *list;

    if (json_array_size(attempts) == 0)
        return;
    printf("\n");
    list = list_new(&cli->output, attempt_columns);
    for (size_t i = 0; i < json_array_size(attempts); i++) {
        json_t *attempt = json_incref(json_array_get(attempts, i));
        json_int_t took =
            json_integer_value(json_object_get(attempt, "ended_ms")) - json_integer_value(json_object_get(attempt, "started_ms"));
        json_object_set_new(attempt, "took_ms", json_integer(took));
        list_add(list, attempt);
    }
    list_end(list);
}

/* "40 %, 2 of 5 files, 12s ago": of its latest attempt. */
static json_t *progress_line(const struct cli *cli, const struct job_notes *notes)
{
    char ago[32];

    if (notes->progress_ms == 0)
        return json_null();
    units_format_duration(ago, cli->output.now_ms > notes->progress_ms ? cli->output.now_ms - notes->progress_ms : 0);
    return json_sprintf("%d %%%s%s, told %s ago", notes->progress, notes->progress_text[0] ? ", " : "", notes->progress_text,
                        ago);
}

static int job_show(struct cli *cli, struct error *err)
{
    char org[NAME_BYTES_MAX + 1], id[JOB_ID_BYTES_MAX + 1];
    struct fetched fetched;
    json_t *object;

    if (cli_job(cli, cli_argument(cli, 0), org, id, err) < 0 || cli_connect(cli, false, NULL, err) < 0 ||
        fetch_job(cli, org, id, &fetched, err) < 0)
        return err->code;
    object = job_to_json(&fetched.job, config_bool(cli->config, "cli.job.payload"));
    if (cli->output.format == OUTPUT_TABLE)
        json_object_set_new(object, "progress_line", progress_line(cli, &fetched.job.state.notes));
    output_object(&cli->output, json_incref(object), show_columns);
    if (cli->output.format == OUTPUT_TABLE)
        print_attempts(cli, json_object_get(object, "attempts"));
    json_decref(object);
    fetched_clear(&fetched);
    return 0;
}

/* ---- wait, result ---- */

static int job_wait(struct cli *cli, struct error *err)
{
    struct names jobs = {0};
    int rc = 0;

    for (int i = 0; i < cli_argument_count(cli) && rc == 0; i++) {
        char org[NAME_BYTES_MAX + 1], id[JOB_ID_BYTES_MAX + 1];
        rc = cli_job(cli, cli_argument(cli, i), org, id, err);
        names_add(&jobs, cli_argument(cli, i));
    }
    if (rc == 0)
        rc = cli_connect(cli, false, NULL, err);
    if (rc == 0)
        rc = wait_for_jobs(cli, &jobs, false, config_integer(cli->config, "cli.wait-timeout"), err);
    names_clear(&jobs);
    return rc;
}

static int job_result_command(struct cli *cli, struct error *err)
{
    char org[NAME_BYTES_MAX + 1], id[JOB_ID_BYTES_MAX + 1];
    struct fetched fetched;
    int rc;

    if (cli_job(cli, cli_argument(cli, 0), org, id, err) < 0 || cli_connect(cli, false, NULL, err) < 0 ||
        fetch_job(cli, org, id, &fetched, err) < 0)
        return err->code;
    rc = wait_tell_outcome(cli, &fetched.job, err);
    fetched_clear(&fetched);
    return rc;
}

static const struct config_setting list_settings[] = {
    SETTINGS_CLI,          SETTING_STATES("running, ready, scheduled, dead, cancelled or done; may be repeated"),
    SETTING_QUEUE,         SETTING_TYPE,
    SETTINGS_PAGING("50"), SETTING_NEWEST,
    SETTINGS_FIND,         {0},
};

static const struct config_setting show_settings[] = {
    SETTINGS_CLI,
    FLAG_BOOL("cli.job.", "payload", 0, "with the payload"),
    {0},
};

static const struct config_setting wait_settings[] = {SETTINGS_CLI, SETTING_WAIT_TIMEOUT, {0}};
static const struct config_setting plain_settings[] = {SETTINGS_CLI, {0}};

const struct command job_commands[] = {
    {"job list", "[ORG]...", "List jobs, of all organizations or of some", list_settings, 0, -1, job_list,
     "--type, --error, --payload and --since are looked for by Redis, in pages; texts are found as they are, in the case that "
     "they\n"
     "have. A search looks at --look jobs, and then tells a cursor to go on with.\n"
     "\n"
     "    rota job list acme --state dead --error 'no route' --since 2h\n"
     "    rota job list --payload order-42 --json"},
    {"job show", "JOB", "Show a job with all its attempts", show_settings, 1, 1, job_show, NULL},
    {"job wait", "JOB...", "Wait until jobs have ended, print the result", wait_settings, 1, -1, job_wait,
     "Exits with 0 if all are done, 1 if one is dead or cancelled, 75 if one has not ended in time, 66 if one is not there: "
     "also\n"
     "where it is done and its organization keeps nothing of that (keep-done 0), since then nobody knows, and the result is "
     "lost."},
    {"job result", "JOB", "Write the result of a job to stdout, as it is", plain_settings, 1, 1, job_result_command, NULL},
    {0},
};
