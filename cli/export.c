/* `rota job export`: jobs as the lines that `rota push --batch` reads. */
#include <stdio.h>
#include <string.h>

#include "cli/connection.h"
#include "cli/listing.h"
#include "cli/queue.h"
#include "common/request.h"

/* What pushing the job again takes: it is due when it is due now, whatever was said at first. */
static struct request request_of(const struct job *job)
{
    struct request request = {.record = job->record}; /* borrows all of it */

    memcpy(request.org, job->org, sizeof request.org);
    memcpy(request.id, job->id, sizeof request.id);
    request.record.delay_ms = 0;
    request.record.due_ms = strcmp(job->place, "scheduled") == 0 ? job_due_ms(job) : 0;
    return request;
}

static bool export_job(struct cli *cli, const struct job *job)
{
    struct request request = request_of(job);
    struct error err;
    json_t *line;

    if (config_bool(cli->config, "cli.export.new-ids"))
        request.id[0] = '\0';
    if (!job->record.has_payload) {
        cli_complain(cli, EX_DATAERR, "job %s/%s is left out: it is %s, its payload is gone", job->org, job->id, job->place);
        return false;
    }
    line = request_to_json(&request, &err);
    if (!line) {
        cli_complain(cli, EX_DATAERR, "job %s/%s is left out: %s", job->org, job->id, err.message);
        return false;
    }
    json_dumpf(line, stdout, JSON_COMPACT);
    fputc('\n', stdout);
    json_decref(line);
    return true;
}

static int export_command(struct cli *cli, struct error *err)
{
    struct listing_options options = {
        .type = config_string(cli->config, "cli.job.type"),
        .queue = config_string(cli->config, "cli.job.queue"),
        .newest = config_bool(cli->config, "cli.job.newest"),
        .whole = export_job,
    };

    if (options.queue[0] && name_check(options.queue, "queue", err) < 0)
        return cli_misused(cli, err);
    if (options.type[0] && type_check(options.type, err) < 0)
        return cli_misused(cli, err);
    if (listing_read_states(cli, &options, "running done", err) < 0 || cli_connect(cli, false, NULL, err) < 0 ||
        (options.queue[0] && queue_check(cli, options.queue, err) < 0))
        return err->code;
    return listing_print(cli, &options, err);
}

static const struct config_setting export_settings[] = {
    SETTINGS_CLI,
    SETTING_STATES("ready, scheduled, dead, cancelled, running or done; may be repeated (default: the first four)"),
    SETTING_QUEUE,
    SETTING_TYPE,
    SETTING_NEWEST,
    FLAG_BOOL("cli.export.", "new-ids", 0, "without the ids, so that new ones are drawn"),
    SETTINGS_PAGING("0"),
    {0},
};

const struct command export_commands[] = {
    {"job export", "[ORG]...", "Write jobs as lines that rota push --batch reads", export_settings, 0, -1, export_command,
     "Lines of JSON, whatever the output is, with all that a producer has said and the payload as text or base64, byte for "
     "byte.\n"
     "A scheduled job keeps its due time, an attempt that was made is not told. A done job has no payload any more: it is left\n"
     "out, and the exit status is 65. If Redis goes away in the middle, the error names the cursor to go on with.\n"
     "To copy an organization's jobs: rota job export acme | rota --redis URL push --batch -"},
    {0},
};
