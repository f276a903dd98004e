/* `rota push`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/connection.h"
#include "cli/job_flags.h"
#include "cli/lines.h"
#include "cli/refusal.h"
#include "cli/sender.h"
#include "cli/wait.h"
#include "common/memory.h"
#include "common/request.h"
#include "common/units.h"

#define PLACE_BYTES 240

/* A push under way. */
struct push {
    struct cli *cli;
    struct sender *sender;
    struct refusals *refusals;
    const char *path; /* of the batch; "" for a single job */
    bool wait;
    struct list *list; /* of a batch in JSON */
    struct names jobs; /* accepted ones, to be waited for */
    size_t accepted;
};

/* ---- flags ---- */

static int read_names(struct cli *cli, struct request *request, struct error *err)
{
    const char *id = config_string(cli->config, "cli.push.id"), *key = config_string(cli->config, "cli.push.key");
    const char *coalesce = config_string(cli->config, "cli.push.coalesce");

    if (id[0] && !job_id_is_choosable(id, strlen(id)))
        return cli_usage(cli, err, "job id \"%.80s\" must match [A-Za-z0-9._:-]{1,64}", id);
    snprintf(request->id, sizeof request->id, "%s", id);
    request->record.key = key[0] ? memory_string(key) : NULL;
    request->record.coalesce = coalesce[0] ? memory_string(coalesce) : NULL;
    request->record.earliest = config_bool(cli->config, "cli.push.earliest");
    if (key[0] && coalesce[0])
        return cli_usage(cli, err, "--key and --coalesce exclude each other");
    if (request->record.earliest && !coalesce[0])
        return cli_usage(cli, err, "--earliest is for a job with --coalesce");
    return job_flags_read(cli, &request->record, err);
}

/* What the flags say of a job; --expires is resolved later, with the time of Redis. */
static int read_flags(struct cli *cli, struct request *request, struct error *err)
{
    const char *at = config_string(cli->config, "cli.push.at");
    struct job_record *record = &request->record;

    record->payload = "";
    record->has_payload = true;
    record->delay_ms = config_integer(cli->config, "cli.push.in");
    if (at[0] && record->delay_ms)
        return cli_usage(cli, err, "--in and --at exclude each other");
    if (at[0] && cli_moment(cli, at, "--at", 0, &record->due_ms, err) < 0)
        return err->code;
    return read_names(cli, request, err);
}

static int read_expiry(struct cli *cli, struct request *request, struct error *err)
{
    const char *expires = config_string(cli->config, "cli.push.expires");

    return expires[0] ? cli_moment(cli, expires, "--expires", cli_now_ms(cli), &request->record.expires_ms, err) : 0;
}

/* ORG and TYPE, as far as they are given. */
static int read_org_and_type(struct cli *cli, struct request *request, struct error *err)
{
    int count = cli_argument_count(cli);

    if (count > 0 && cli_org(cli, cli_argument(cli, 0), err) < 0)
        return err->code;
    if (count > 1 && type_check(cli_argument(cli, 1), err) < 0)
        return cli_misused(cli, err);
    snprintf(request->org, sizeof request->org, "%s", count > 0 ? cli_argument(cli, 0) : "");
    snprintf(request->record.type, sizeof request->record.type, "%s", count > 1 ? cli_argument(cli, 1) : "");
    return 0;
}

/* ---- what became of the jobs ---- */

/* {job, org, id, answer}; of one that is not accepted there is a reason, and job is null if that is certain; of a batch there is
 * the line. */
static json_t *sent_to_json(const struct push *push, const struct sent *sent, const char *name, const char *why)
{
    json_t *object = json_object();

    json_object_set_new(object, "job", why && !refusal_is_unknown(sent) ? json_null() : json_string(name));
    json_object_set_new(object, "org", json_string(sent->org));
    json_object_set_new(object, "id", json_string(strchr(name, '/') + 1));
    json_object_set_new(object, "answer", json_string(sent->answer));
    if (why)
        json_object_set_new(object, "reason", json_string(why));
    if (push->path[0])
        json_object_set_new(object, "line", json_integer((json_int_t)sent->number));
    return object;
}

/* Prints what became of a job on stdout, unless it is waited for. */
static void print_sent(struct push *push, const struct sent *sent, const char *name, const char *why)
{
    if (push->wait)
        return;
    if (push->list)
        list_add(push->list, sent_to_json(push, sent, name, why));
    else if (push->cli->output.format != OUTPUT_TABLE && (!why || refusal_is_unknown(sent)))
        output_object(&push->cli->output, sent_to_json(push, sent, name, why), NULL);
    else if (!why)
        printf("%s\n", name);
}

static void complain(struct push *push, const struct sent *sent, const char *name, const char *why)
{
    char line[PLACE_BYTES] = "";

    if (push->path[0])
        snprintf(line, sizeof line, "%.200s:%zu: ", push->path, sent->number);
    if (refusal_is_unknown(sent))
        cli_complain(push->cli, refusal_status(sent), "%sit is not known whether job %s was accepted: %s. Look: rota job show %s",
                     line, name, sent->err->message, name);
    else
        cli_complain(push->cli, refusal_status(sent), "%sjob %s is not accepted: %s", line, name, why);
}

static void on_sent(const struct sent *sent, void *ctx)
{
    struct push *push = ctx;
    bool coalesced = strcmp(sent->answer, "coalesced") == 0, merged = strcmp(sent->answer, "merged") == 0;
    bool follows = strcmp(sent->answer, "follows") == 0;
    bool accepted = coalesced || merged || follows || strcmp(sent->answer, "new") == 0 || strcmp(sent->answer, "exists") == 0;
    char name[JOB_NAME_BYTES_MAX + 1], why[REFUSAL_BYTES];

    snprintf(name, sizeof name, "%s/%s", sent->org, coalesced || merged ? sent->owner : sent->id);
    print_sent(push, sent, name, accepted ? NULL : refusal_why(push->refusals, sent, why));
    push->accepted += accepted;
    if (coalesced)
        cli_note(push->cli, "job %s has the same key: it stands for the one that was pushed", name);
    if (merged)
        cli_note(push->cli, "job %s has not begun: it does what was pushed now", name);
    if (follows)
        cli_note(push->cli, "job %s waits until %s/%s is over, which has begun", name, sent->org, sent->owner);
    if (accepted && push->wait) {
        names_add(&push->jobs, name);
        if (!push->path[0])
            cli_note(push->cli, "%s", name);
    }
    if (accepted && !coalesced && !merged && !push->wait && !push->path[0])
        cli_note(push->cli, "pushed job %s. Undo: rota job cancel %s", name, name);
    if (!accepted)
        complain(push, sent, name, why);
}

/* ---- one job ---- */

/* The payload of a single job: the third argument, or stdin. */
static int read_payload(struct cli *cli, struct request *request, struct error *err)
{
    const char *text = cli_argument_count(cli) > 2 ? cli_argument(cli, 2) : "";

    if (job_payload_read(text, &request->payload, &request->record.payload_bytes, err) < 0)
        return err->code;
    request->record.payload = request->payload;
    return 0;
}

static int push_one(struct push *push, struct request *request, struct error *err)
{
    if (cli_argument_count(push->cli) < 2)
        return cli_usage(push->cli, err, "missing arguments, usage: rota push %s", push->cli->command->arguments);
    if (read_payload(push->cli, request, err) < 0 || sender_check(request, err) < 0 ||
        cli_connect(push->cli, true, NULL, err) < 0 || read_expiry(push->cli, request, err) < 0)
        return err->code;
    push->sender = sender_new(push->cli, config_integer(push->cli->config, "cli.push.retry"), on_sent, push);
    if (sender_add(push->sender, request, 1, err) < 0)
        return err->code;
    sender_finish(push->sender);
    return 0;
}

/* ---- a batch ---- */

/* Before more is waited for: what was read so far need not wait. */
static void on_idle(void *ctx)
{
    struct push *push = ctx;

    if (push->sender)
        sender_finish(push->sender);
    fflush(stdout);
}

/* Sends the jobs of all lines; without a sender it only looks whether they are right. */
static int read_lines(struct push *push, struct lines *lines, const struct request *defaults, struct error *err)
{
    struct request request;
    const char *line;
    size_t bytes;
    int rc;

    while ((line = lines_next(lines, &bytes, on_idle, push, &rc, err))) {
        if (strspn(line, " \t\r") >= bytes)
            continue;
        rc = request_parse(&request, line, bytes, defaults, err);
        if (rc == 0) {
            rc = push->sender ? sender_add(push->sender, &request, lines_number(lines), err) : sender_check(&request, err);
            request_clear(&request);
        }
        if (rc < 0)
            return error_wrap(err, "%s:%zu", push->path, lines_number(lines));
    }
    return rc;
}

/* A file is looked at as a whole before its first job is pushed. What comes through a pipe cannot be: it is pushed up to the
 * first line that is wrong. */
static int push_lines(struct push *push, struct lines *lines, struct request *defaults, struct error *err)
{
    int rc;

    if (lines_is_file(lines) && (read_lines(push, lines, defaults, err) < 0 || lines_rewind(lines, err) < 0))
        return err->code;
    if (cli_connect(push->cli, true, NULL, err) < 0 || read_expiry(push->cli, defaults, err) < 0)
        return err->code;
    if (push->cli->output.format != OUTPUT_TABLE && !push->wait)
        push->list = list_new(&push->cli->output, NULL);
    push->sender = sender_new(push->cli, config_integer(push->cli->config, "cli.push.retry"), on_sent, push);
    rc = read_lines(push, lines, defaults, err);
    sender_finish(push->sender);
    if (push->list)
        list_end(push->list);
    if (rc < 0 && push->accepted)
        error_wrap(err, "%zu jobs pushed, then", push->accepted);
    return rc;
}

static int push_batch(struct push *push, struct request *defaults, struct error *err)
{
    struct lines *lines;
    int rc;

    if (cli_argument_count(push->cli) > 2)
        return cli_usage(push->cli, err, "a payload and --batch exclude each other");
    if (defaults->id[0] || defaults->record.key || defaults->record.coalesce)
        return cli_usage(push->cli, err, "--%s and --batch exclude each other: say it in the lines",
                         defaults->id[0]        ? "id"
                         : defaults->record.key ? "key"
                                                : "coalesce");
    lines = lines_open(push->path, REQUEST_LINE_BYTES_MAX, err);
    if (!lines)
        return err->code;
    if (strcmp(push->path, "-") == 0)
        push->path = "stdin";
    rc = push_lines(push, lines, defaults, err);
    lines_close(lines);
    return rc;
}

/* ---- the command ---- */

static int push_command(struct cli *cli, struct error *err)
{
    struct push push = {.cli = cli,
                        .refusals = refusals_new(cli),
                        .path = config_string(cli->config, "cli.push.batch"),
                        .wait = config_bool(cli->config, "cli.push.wait")};
    struct request request = {0};
    int rc = read_org_and_type(cli, &request, err);

    if (rc == 0)
        rc = read_flags(cli, &request, err);
    if (rc == 0)
        rc = push.path[0] ? push_batch(&push, &request, err) : push_one(&push, &request, err);
    if (rc == 0 && push.jobs.count > 0)
        rc = wait_for_jobs(cli, &push.jobs, true, config_integer(cli->config, "cli.wait-timeout"), err);
    sender_free(push.sender);
    refusals_free(push.refusals);
    names_clear(&push.jobs);
    request_clear(&request);
    return rc;
}

static const struct config_setting push_settings[] = {
    SETTINGS_CLI,
    FLAG_TEXT("cli.push.", "batch", "FILE", 4096, "jobs from lines of JSON; - is stdin"),
    SETTINGS_JOB,
    FLAG_TEXT("cli.push.", "id", "ID", 256, "its id; one is drawn otherwise"),
    FLAG_TEXT("cli.push.", "key", "KEY", JOB_KEY_BYTES_MAX,
              "a job with the same idempotency key, type and payload is not pushed again"),
    FLAG_TEXT("cli.push.", "coalesce", "KEY", JOB_KEY_BYTES_MAX,
              "a job with the same coalescing key that has not begun does this instead; behind one that has begun, one waits"),
    FLAG_BOOL("cli.push.", "earliest", 0, "with --coalesce: do not put the job off, if others want it earlier"),
    FLAG_DURATION("cli.push.", "in", NULL, 0, 1LL << 42, "not before so long from now"),
    FLAG_TEXT("cli.push.", "at", "TIME", 64, "not before then: RFC 3339 or epoch ms"),
    FLAG_TEXT("cli.push.", "expires", "TIME|DURATION", 64, "not started after then, or so long from now"),
    FLAG_BOOL("cli.push.", "wait", 0, "wait until it has ended, print its result"),
    SETTING_WAIT_TIMEOUT,
    FLAG_DURATION("cli.push.", "retry", "30s", 0, 24LL * 3600 * 1000,
                  "how long to go on while Redis is away; no job is pushed twice"),
    {0},
};

const struct command push_commands[] = {
    {"push", "ORG TYPE [PAYLOAD|-] | --batch FILE [ORG [TYPE]]", "Push a job, or many", push_settings, 0, 3, push_command,
     "Prints org/id of each job. The payload is the third argument, or stdin (-), or empty.\n"
     "With --batch each line is an object: {\"org\", \"type\", \"payload\": text or any JSON value, or \"payload_b64\" or\n"
     "\"payload_file\": a path, \"queue\", \"id\", \"key\", \"coalesce\", \"earliest\": true, \"delay_ms\" or \"due_ms\", "
     "\"expires_ms\",\n"
     "\"priority\", \"max_attempts\", \"timeout_ms\", \"limit\", \"headers\": {}}; what a line does not say is taken from the "
     "command\n"
     "line. A file is checked as a whole before its first job is pushed.\n"
     "Exits with 65 for a job that is refused as it is, 75 for one that may be accepted later, or of which it is not\n"
     "known (answer \"unknown\": look with rota job show); with --wait as rota job wait."},
    {0},
};
