/* `rota job edit`: a job pushed again with something changed, as a new one. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/connection.h"
#include "cli/fetch.h"
#include "cli/refusal.h"
#include "cli/sender.h"
#include "common/file.h"
#include "common/memory.h"
#include "common/request.h"

#define RETRY_MS 30000

/* An edit under way. */
struct edit {
    struct cli *cli;
    const struct job *job;  /* the one that is kept */
    struct request request; /* the new one */
    struct refusals *refusals;
    bool changed;
};

static bool was_given(const struct cli *cli, const char *key)
{
    return strcmp(config_origin(cli->config, key), "default") != 0;
}

/* ---- the payload ---- */

/* Takes `bytes`. */
static void set_payload(struct edit *edit, char *bytes, size_t length)
{
    struct job_record *record = &edit->request.record;
    bool same = edit->job->record.has_payload && edit->job->record.payload_bytes == length &&
                memcmp(edit->job->record.payload, bytes, length) == 0;

    edit->changed = edit->changed || !same;
    free(edit->request.payload);
    edit->request.payload = bytes;
    record->payload = bytes;
    record->payload_bytes = length;
    record->has_payload = true;
}

static int read_payload(struct edit *edit, const char *path, struct error *err)
{
    bool is_stdin = strcmp(path, "-") == 0;
    size_t bytes;
    char *payload = file_read(is_stdin ? "/dev/stdin" : path, JOB_RECORD_BYTES_MAX, &bytes, err);

    if (!payload && err->code == ERR_LIMIT)
        return cli_fail(edit->cli, err, EX_DATAERR, "%s", err->message);
    if (!payload) {
        cli_hint(edit->cli, "--payload FILE, or --payload - and the bytes on stdin");
        return err->code;
    }
    set_payload(edit, payload, bytes);
    return 0;
}

/* Runs $EDITOR, which may have arguments, on a file. */
static int run_editor(struct edit *edit, const char *editor, const char *path, struct error *err)
{
    char *command = memory_format("%s \"$1\"", editor);
    int status = 0;
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        execl("/bin/sh", "sh", "-c", command, "sh", path, (char *)NULL);
        _exit(127);
    }
    free(command);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (pid < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return cli_fail(edit->cli, err, EXIT_FAILED, "%.80s did not end well: nothing was pushed", editor);
    return 0;
}

static int write_payload(const struct edit *edit, int fd)
{
    const struct job_record *record = &edit->job->record;
    FILE *file = fdopen(fd, "w");

    if (!file)
        return -1;
    fwrite(record->payload, 1, record->payload_bytes, file);
    return fclose(file);
}

static int edit_payload(struct edit *edit, struct error *err)
{
    const char *editor = getenv("VISUAL"), *folder = getenv("TMPDIR");
    char *path = memory_format("%s/rota-edit.XXXXXX", folder && folder[0] ? folder : "/tmp");
    int fd, rc;

    editor = editor && editor[0] ? editor : getenv("EDITOR");
    if ((!editor || !editor[0]) && !isatty(STDIN_FILENO)) {
        free(path);
        return cli_usage(edit->cli, err, "say what to change: --payload FILE, or set EDITOR, since nobody can edit here");
    }
    fd = mkostemp(path, 0);
    if (fd < 0 || write_payload(edit, fd) != 0)
        rc = cli_fail(edit->cli, err, EX_CANTCREAT, "%s: %s", path, strerror(errno));
    else
        rc = run_editor(edit, editor && editor[0] ? editor : "vi", path, err);
    if (rc == 0)
        rc = read_payload(edit, path, err);
    if (fd >= 0)
        unlink(path);
    free(path);
    return rc;
}

/* ---- the rest ---- */

static void set_text(struct edit *edit, char *to, size_t size, const char *text)
{
    edit->changed = edit->changed || strcmp(to, text) != 0;
    snprintf(to, size, "%s", text);
}

static void set_number(struct edit *edit, int64_t *to, int64_t number)
{
    edit->changed = edit->changed || *to != number;
    *to = number;
}

static void drop_header(struct edit *edit, const char *name, size_t bytes)
{
    struct job_record *record = &edit->request.record;

    for (size_t i = 0; i < record->header_count; i++) {
        struct header *header = &record->headers[i];
        if (strlen(header->name) != bytes || memcmp(header->name, name, bytes) != 0)
            continue;
        free(header->name);
        free(header->value);
        *header = record->headers[--record->header_count];
        edit->changed = true;
        return;
    }
}

static int change_headers(struct edit *edit, struct error *err)
{
    const struct config *config = edit->cli->config;

    for (size_t i = 0; i < config_list_count(config, "cli.edit.drop-header"); i++) {
        const char *name = config_list_at(config, "cli.edit.drop-header", i);
        drop_header(edit, name, strlen(name));
    }
    for (size_t i = 0; i < config_list_count(config, "cli.edit.header"); i++) {
        const char *text = config_list_at(config, "cli.edit.header", i), *equals = strchr(text, '=');
        if (!equals)
            return cli_usage(edit->cli, err, "header \"%.80s\" must be NAME=VALUE", text);
        drop_header(edit, text, (size_t)(equals - text));
        if (request_add_header(&edit->request.record, text, (size_t)(equals - text), equals + 1, err) < 0)
            return cli_misused(edit->cli, err);
        edit->changed = true;
    }
    return 0;
}

/* What the flags say of names; they are looked at before anything is asked of Redis. */
static int check_names(struct cli *cli, struct error *err)
{
    const char *type = config_string(cli->config, "cli.edit.type"), *queue = config_string(cli->config, "cli.edit.queue");
    const char *id = config_string(cli->config, "cli.edit.id"), *limit = config_string(cli->config, "cli.edit.limit");

    if (limit[0] && limit_check(limit, err) < 0)
        return cli_misused(cli, err);
    if ((type[0] && type_check(type, err) < 0) || (queue[0] && name_check(queue, "queue", err) < 0))
        return cli_misused(cli, err);
    if (id[0] && !job_id_is_choosable(id, strlen(id)))
        return cli_usage(cli, err, "job id \"%.80s\" must match [A-Za-z0-9._:-]{1,64}", id);
    if (was_given(cli, "cli.edit.in") && config_string(cli->config, "cli.edit.at")[0])
        return cli_usage(cli, err, "--in and --at exclude each other");
    return 0;
}

static int change_times(struct edit *edit, struct error *err)
{
    struct cli *cli = edit->cli;
    struct job_record *record = &edit->request.record;
    const char *at = config_string(cli->config, "cli.edit.at"), *expires = config_string(cli->config, "cli.edit.expires");
    int64_t moment_ms = 0;

    if (was_given(cli, "cli.edit.in"))
        set_number(edit, &record->due_ms, cli_now_ms(cli) + config_integer(cli->config, "cli.edit.in"));
    if (at[0] && cli_moment(cli, at, "--at", 0, &moment_ms, err) < 0)
        return err->code;
    if (at[0])
        set_number(edit, &record->due_ms, moment_ms);
    if (expires[0] && cli_moment(cli, expires, "--expires", cli_now_ms(cli), &moment_ms, err) < 0)
        return err->code;
    if (expires[0])
        set_number(edit, &record->expires_ms, moment_ms);
    return 0;
}

static int change(struct edit *edit, struct error *err)
{
    const struct config *config = edit->cli->config;
    struct job_record *record = &edit->request.record;
    int64_t priority = record->priority, max_attempts = record->max_attempts;

    if (was_given(edit->cli, "cli.edit.type"))
        set_text(edit, record->type, sizeof record->type, config_string(config, "cli.edit.type"));
    if (was_given(edit->cli, "cli.edit.queue"))
        set_text(edit, record->queue, sizeof record->queue, config_string(config, "cli.edit.queue"));
    if (was_given(edit->cli, "cli.edit.limit"))
        set_text(edit, record->limit, sizeof record->limit, config_string(config, "cli.edit.limit"));
    if (was_given(edit->cli, "cli.edit.priority"))
        set_number(edit, &priority, config_integer(config, "cli.edit.priority"));
    if (was_given(edit->cli, "cli.edit.max-attempts"))
        set_number(edit, &max_attempts, config_integer(config, "cli.edit.max-attempts"));
    if (was_given(edit->cli, "cli.edit.timeout"))
        set_number(edit, &record->timeout_ms, config_integer(config, "cli.edit.timeout"));
    record->priority = (int)priority;
    record->max_attempts = (int)max_attempts;
    if (config_string(config, "cli.edit.key")[0]) {
        record->key = memory_string(config_string(config, "cli.edit.key"));
        edit->changed = true;
    }
    snprintf(edit->request.id, sizeof edit->request.id, "%s", config_string(config, "cli.edit.id"));
    if (change_headers(edit, err) < 0 || change_times(edit, err) < 0)
        return err->code;
    if (config_string(config, "cli.edit.payload")[0])
        return read_payload(edit, config_string(config, "cli.edit.payload"), err);
    return !edit->changed && !config_bool(config, "cli.edit.force") ? edit_payload(edit, err) : 0;
}

/* A copy that owns all of it: by way of the bytes, whatever options a record may have. */
static int copy_record(struct request *to, const struct job_record *from, struct error *err)
{
    struct buffer bytes = {0};
    size_t length;

    if (job_record_encode(&bytes, from, err) < 0)
        return err->code;
    length = bytes.length;
    to->payload = buffer_give(&bytes); /* the record's payload is in there */
    if (job_record_decode(&to->record, to->payload, length, err) < 0)
        return err->code;
    to->record.has_payload = from->has_payload;
    return 0;
}

/* The new job as the old one is: due when that is due, if it waits for that; not under its keys: the idempotency key is
 * taken, and under its coalescing key it would be merged into the old one. */
static int begin(struct edit *edit, struct error *err)
{
    struct job_record *to = &edit->request.record;

    memcpy(edit->request.org, edit->job->org, sizeof edit->request.org);
    if (copy_record(&edit->request, &edit->job->record, err) < 0)
        return err->code;
    free(to->key);
    free(to->coalesce);
    to->key = to->coalesce = NULL;
    to->earliest = false;
    to->delay_ms = 0;
    to->due_ms = strcmp(edit->job->place, "scheduled") == 0 ? job_due_ms(edit->job) : 0;
    if (to->expires_ms && to->expires_ms <= cli_now_ms(edit->cli))
        to->expires_ms = 0; /* it has been too late already, and somebody wants it now */
    return 0;
}

/* ---- pushing ---- */

static void on_sent(const struct sent *sent, void *ctx)
{
    struct edit *edit = ctx;
    const char *place = edit->job->place;
    char name[JOB_NAME_BYTES_MAX + 1], old[JOB_NAME_BYTES_MAX + 1], why[REFUSAL_BYTES];
    bool accepted = strcmp(sent->answer, "new") == 0 || strcmp(sent->answer, "exists") == 0;

    snprintf(name, sizeof name, "%s/%s", sent->org, sent->id);
    snprintf(old, sizeof old, "%s/%s", edit->job->org, edit->job->id);
    if (!accepted) {
        cli_complain(edit->cli, refusal_status(sent), "the edited job is not accepted: %s",
                     refusal_why(edit->refusals, sent, why));
        return;
    }
    if (edit->cli->output.format == OUTPUT_TABLE)
        printf("%s\n", name);
    else
        output_object(&edit->cli->output, json_pack("{s:s, s:s, s:s}", "job", name, "from", old, "answer", sent->answer), NULL);
    cli_note(edit->cli, "pushed job %s, edited from %s (%s, and left as it is). Undo: rota job cancel %s", name, old, place,
             name);
    if (strcmp(place, "ready") == 0 || strcmp(place, "waiting") == 0 || strcmp(place, "scheduled") == 0 ||
        strcmp(place, "running") == 0)
        cli_note(edit->cli, "%s will run, too, unless: rota job cancel %s", old, old);
}

static int push(struct edit *edit, struct error *err)
{
    struct sender *sender;

    if (!edit->request.record.has_payload)
        return cli_fail(edit->cli, err, EX_DATAERR, "the payload of job %s/%s is gone, since it is done: say --payload FILE",
                        edit->job->org, edit->job->id);
    if (!edit->changed && !config_bool(edit->cli->config, "cli.edit.force"))
        return cli_fail(edit->cli, err, EXIT_FAILED, "nothing is different: nothing was pushed (--force does it all the same)");
    if (sender_check(&edit->request, err) < 0)
        return cli_fail(edit->cli, err, EX_DATAERR, "%s", err->message);
    edit->refusals = refusals_new(edit->cli);
    sender = sender_new(edit->cli, RETRY_MS, on_sent, edit);
    if (sender_add(sender, &edit->request, 1, err) == 0)
        sender_finish(sender);
    sender_free(sender);
    refusals_free(edit->refusals);
    return 0;
}

static int edit_command(struct cli *cli, struct error *err)
{
    char org[NAME_BYTES_MAX + 1], id[JOB_ID_BYTES_MAX + 1];
    struct edit edit = {.cli = cli};
    struct fetched fetched;
    int rc;

    if (cli_job(cli, cli_argument(cli, 0), org, id, err) < 0 || check_names(cli, err) < 0 ||
        cli_connect(cli, true, NULL, err) < 0 || fetch_job(cli, org, id, &fetched, err) < 0)
        return err->code;
    edit.job = &fetched.job;
    rc = begin(&edit, err);
    if (rc == 0)
        rc = change(&edit, err);
    if (rc == 0)
        rc = push(&edit, err);
    request_clear(&edit.request);
    fetched_clear(&fetched);
    return rc;
}

static const struct config_setting edit_settings[] = {
    SETTINGS_CLI,
    FLAG_TEXT("cli.edit.", "payload", "FILE", 4096, "the new payload; - is stdin"),
    FLAG_TEXT("cli.edit.", "type", "TYPE", 256, "another type"),
    FLAG_TEXT("cli.edit.", "queue", "QUEUE", 256, "another queue"),
    FLAG_TEXT("cli.edit.", "limit", "NAME[:KEY]", 256, "another limit that it runs under; \"\" for none"),
    FLAG_NUMBER("cli.edit.", "priority", NULL, -JOB_PRIORITY_MAX, JOB_PRIORITY_MAX, "another priority, -100..100"),
    FLAG_NUMBER("cli.edit.", "max-attempts", NULL, 1, 1000, "tries until it is dead"),
    FLAG_DURATION("cli.edit.", "timeout", NULL, 1, 1LL << 36, "how long a try may take"),
    FLAG_LIST("cli.edit.", "header", "NAME=VALUE", JOB_HEADERS_BYTES_MAX,
              "a header, new or instead of the old one; may be repeated"),
    FLAG_LIST("cli.edit.", "drop-header", "NAME", JOB_HEADERS_BYTES_MAX, "without this header; may be repeated"),
    FLAG_DURATION("cli.edit.", "in", NULL, 0, 1LL << 42, "not before so long from now"),
    FLAG_TEXT("cli.edit.", "at", "TIME", 64, "not before then: RFC 3339 or epoch ms"),
    FLAG_TEXT("cli.edit.", "expires", "TIME|DURATION", 64, "not started after then, or so long from now"),
    FLAG_TEXT("cli.edit.", "id", "ID", 256, "the id of the new job; one is drawn otherwise"),
    FLAG_TEXT("cli.edit.", "key", "KEY", JOB_KEY_BYTES_MAX, "an idempotency key; that of the old job is its own"),
    FLAG_BOOL("cli.edit.", "force", 0, "push it also where nothing is different"),
    {0},
};

const struct command edit_commands[] = {
    {"job edit", "JOB", "Push a job again as a new one, with something changed", edit_settings, 1, 1, edit_command,
     "The job may be in any state, and stays as it is. Without a flag that changes something $VISUAL, $EDITOR or vi opens its "
     "payload.\n"
     "What is not changed is as with the old job: type, queue, headers, limits, its due time if it waits for that. Exits with 1 "
     "if\n"
     "nothing is different."},
    {0},
};
