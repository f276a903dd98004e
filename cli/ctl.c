/* `rota ctl`: for handlers that are shell scripts: writes a control line, so that nobody has to quote JSON. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/output.h"
#include "common/base64.h"
#include "common/buffer.h"
#include "common/job.h"
#include "common/memory.h"
#include "common/units.h"

#define LINE_BYTES_MAX 65536
#define DAY_MS         (24LL * 3600 * 1000)

/* Where control lines go. */
static int control_fd(int *ret_fd, struct error *err)
{
    const char *text = getenv("ROTA_CONTROL_FD");
    int64_t fd;

    if (!text)
        return error_set(err, ERR_UNAVAILABLE, "ROTA_CONTROL_FD is not set: this is for handlers, which rota-worker runs");
    if (units_integer(&fd, text, "ROTA_CONTROL_FD", 0, 1 << 20, err) < 0)
        return err->code;
    *ret_fd = (int)fd;
    return fcntl(*ret_fd, F_GETFD) < 0 ? error_set(err, ERR_IO, "descriptor %d (ROTA_CONTROL_FD) is not open", *ret_fd) : 0;
}

/* Writes an object as a line. Takes. */
static int write_line(json_t *object, struct error *err)
{
    char *text = json_dumps(object, JSON_COMPACT), *line;
    size_t length, done = 0;
    int fd = -1, rc = control_fd(&fd, err);

    json_decref(object);
    line = memory_format("%s\n", text ? text : "{}");
    length = strlen(line);
    free(text);
    if (rc == 0 && length > LINE_BYTES_MAX)
        rc = error_set(err, ERR_LIMIT, "the line has %zu bytes, the limit is %d", length, LINE_BYTES_MAX);
    while (rc == 0 && done < length) {
        ssize_t wrote = write(fd, line + done, length - done);
        if (wrote < 0 && errno != EINTR)
            rc = error_set(err, ERR_IO, "cannot write a control line: %s", strerror(errno));
        done += wrote > 0 ? (size_t)wrote : 0;
    }
    free(line);
    return rc;
}

/* A member that must be text. */
static int set_text(json_t *object, const char *name, const char *text, struct error *err)
{
    if (json_object_set_new(object, name, json_string(text)) < 0)
        return error_set(err, ERR_INVALID, "%s is not UTF-8", name);
    return 0;
}

/* An argument, or stdin for "-". Gives. */
static char *read_argument(const struct cli *cli, int index, size_t *ret_bytes, struct error *err)
{
    const char *text = cli_argument_count(cli) > index ? cli_argument(cli, index) : "";
    struct buffer bytes = {0};
    char chunk[65536];
    ssize_t got = 0;

    if (strcmp(text, "-") != 0) {
        *ret_bytes = strlen(text);
        return memory_string(text);
    }
    while (bytes.length <= LINE_BYTES_MAX && (got = read(STDIN_FILENO, chunk, sizeof chunk)) > 0)
        buffer_add(&bytes, chunk, (size_t)got);
    *ret_bytes = bytes.length;
    if (got < 0)
        error_set(err, ERR_IO, "cannot read stdin: %s", strerror(errno));
    return buffer_give(&bytes);
}

static json_t *begin(const char *op)
{
    return json_pack("{s:s}", "op", op);
}

/* Writes the object, or drops it after a failure. Takes. */
static int finish(json_t *object, int rc, struct error *err)
{
    if (rc == 0)
        return write_line(object, err);
    json_decref(object);
    return rc;
}

static int ctl_progress(struct cli *cli, struct error *err)
{
    json_t *object = begin("progress");
    int64_t percent = 0;
    int rc = units_integer(&percent, cli_argument(cli, 0), "percent", 0, 100, err);

    json_object_set_new(object, "pct", json_integer(percent));
    if (rc == 0 && cli_argument_count(cli) > 1)
        rc = set_text(object, "msg", cli_argument(cli, 1), err);
    return finish(object, rc, err);
}

static int ctl_extend(struct cli *cli, struct error *err)
{
    json_t *object = begin("extend");
    int64_t ms = 0;
    int rc = units_duration_ms(&ms, cli_argument(cli, 0), "the time", 1, 7 * DAY_MS, err);

    json_object_set_new(object, "ms", json_integer(ms));
    return finish(object, rc, err);
}

/* checkpoint and result: text, or stdin. */
static int ctl_data(struct cli *cli, struct error *err)
{
    json_t *object = begin(strrchr(cli->command->name, ' ') + 1);
    size_t bytes;
    char *text;
    int rc;

    *err = (struct error){0};
    text = read_argument(cli, 0, &bytes, err);
    rc = err->code;
    if (rc == 0 && json_object_set_new(object, "data", json_stringn(text, bytes)) < 0)
        rc = error_set(err, ERR_INVALID, "it is not UTF-8");
    free(text);
    return finish(object, rc, err);
}

static int ctl_retry(struct cli *cli, struct error *err)
{
    json_t *object = begin("retry");
    int64_t ms = 0;
    int rc = units_duration_ms(&ms, cli_argument(cli, 0), "the delay", 0, DAY_MS, err);

    json_object_set_new(object, "after_ms", json_integer(ms));
    if (rc == 0 && cli_argument_count(cli) > 1)
        rc = set_text(object, "reason", cli_argument(cli, 1), err);
    return finish(object, rc, err);
}

static int ctl_fail(struct cli *cli, struct error *err)
{
    json_t *object = begin("fail");
    int rc = set_text(object, "class", cli_argument(cli, 0), err);

    if (rc == 0 && cli_argument_count(cli) > 1)
        rc = set_text(object, "message", cli_argument(cli, 1), err);
    return finish(object, rc, err);
}

static int ctl_heartbeat(struct cli *cli, struct error *err)
{
    (void)cli;
    return finish(begin("heartbeat"), 0, err);
}

/* ---- enqueue ---- */

static int add_flags(const struct cli *cli, json_t *object, struct error *err)
{
    static const struct {
        const char *key, *member;
        bool is_number;
    } flags[] = {
        {"cli.ctl.queue", "queue", false},
        {"cli.ctl.limit", "limit", false},
        {"cli.ctl.id", "id", false},
        {"cli.ctl.key", "key", false},
        {"cli.ctl.coalesce", "coalesce", false},
        {"cli.ctl.priority", "priority", true},
        {"cli.ctl.in", "delay_ms", true},
        {"cli.ctl.timeout", "timeout_ms", true},
        {"cli.ctl.max-attempts", "max_attempts", true},
    };

    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        const char *text = config_string(cli->config, flags[i].key);
        if (!text[0])
            continue;
        if (flags[i].is_number)
            json_object_set_new(object, flags[i].member, json_integer(config_integer(cli->config, flags[i].key)));
        else if (set_text(object, flags[i].member, text, err) < 0)
            return err->code;
    }
    return 0;
}

/* --at and --earliest. */
static int add_due(struct cli *cli, json_t *object, struct error *err)
{
    const char *at = config_string(cli->config, "cli.ctl.at");
    int64_t due_ms = 0;

    if (config_bool(cli->config, "cli.ctl.earliest"))
        json_object_set_new(object, "earliest", json_true());
    if (!at[0])
        return 0;
    if (config_string(cli->config, "cli.ctl.in")[0])
        return cli_usage(cli, err, "--in and --at exclude each other");
    if (cli_moment(cli, at, "--at", 0, &due_ms, err) < 0)
        return err->code;
    json_object_set_new(object, "due_ms", json_integer(due_ms));
    return 0;
}

static int add_headers(const struct cli *cli, json_t *object, struct error *err)
{
    size_t count = config_list_count(cli->config, "cli.ctl.header");
    json_t *headers = json_object();
    int rc = 0;

    for (size_t i = 0; i < count && rc == 0; i++) {
        const char *text = config_list_at(cli->config, "cli.ctl.header", i), *equals = strchr(text, '=');
        char *name = equals ? memory_copy(text, (size_t)(equals - text)) : NULL;
        rc = name ? set_text(headers, name, equals + 1, err)
                  : error_set(err, ERR_INVALID, "header \"%.80s\" must be NAME=VALUE", text);
        free(name);
    }
    if (count > 0)
        json_object_set(object, "headers", headers);
    json_decref(headers);
    return rc;
}

static int ctl_enqueue(struct cli *cli, struct error *err)
{
    json_t *object = begin("enqueue"), *payload;
    size_t bytes;
    char *text;
    int rc;

    *err = (struct error){0};
    text = read_argument(cli, 1, &bytes, err);
    rc = err->code;
    payload = json_stringn(text, bytes);
    if (payload && !memchr(text, '\0', bytes)) {
        json_object_set(object, "payload", payload);
    } else {
        char *coded = base64_encode(text, bytes);
        json_object_set_new(object, "payload_b64", json_string(coded));
        free(coded);
    }
    json_decref(payload);
    free(text);
    if (rc == 0)
        rc = set_text(object, "type", cli_argument(cli, 0), err);
    if (rc == 0)
        rc = add_flags(cli, object, err);
    if (rc == 0)
        rc = add_due(cli, object, err);
    if (rc == 0)
        rc = add_headers(cli, object, err);
    return finish(object, rc, err);
}

static const struct config_setting plain_settings[] = {SETTINGS_CLI, {0}};

static const struct config_setting enqueue_settings[] = {
    SETTINGS_CLI,
    FLAG_TEXT("cli.ctl.", "queue", "QUEUE", 256, "which workers may take it"),
    FLAG_TEXT("cli.ctl.", "limit", "LIMIT", 256, "the limit that it runs under"),
    FLAG_TEXT("cli.ctl.", "id", "ID", 256, "its id; one is drawn otherwise"),
    FLAG_TEXT("cli.ctl.", "key", "KEY", JOB_KEY_BYTES_MAX, "idempotency key"),
    FLAG_TEXT("cli.ctl.", "coalesce", "KEY", JOB_KEY_BYTES_MAX, "coalescing key: as with rota push; it may be that of this job"),
    FLAG_BOOL("cli.ctl.", "earliest", 0, "with --coalesce: do not put a job off, if others want it earlier"),
    FLAG_DURATION("cli.ctl.", "in", NULL, 0, 1LL << 42, "not before so long from the end of this job"),
    FLAG_TEXT("cli.ctl.", "at", "TIME", 64, "not before then: RFC 3339 or epoch ms"),
    FLAG_NUMBER("cli.ctl.", "priority", NULL, -JOB_PRIORITY_MAX, JOB_PRIORITY_MAX, "each point is a head start of a minute"),
    FLAG_NUMBER("cli.ctl.", "max-attempts", NULL, 1, 1000, "tries until it is dead; the handler's limit otherwise"),
    FLAG_DURATION("cli.ctl.", "timeout", NULL, 1, 1LL << 36, "how long a try may take; the handler's limit otherwise"),
    FLAG_LIST("cli.ctl.", "header", "NAME=VALUE", JOB_HEADERS_BYTES_MAX, "a header; may be repeated"),
    {0},
};

const struct command ctl_commands[] = {
    {"ctl progress", "PERCENT [TEXT]", "In a handler: tell how far it is", plain_settings, 1, 2, ctl_progress,
     "`rota ctl` writes one control line to the descriptor that ROTA_CONTROL_FD names. It talks to no Redis.\n"
     "docs/HANDLERS.md says what the lines do."},
    {"ctl extend", "DURATION", "In a handler: ask for more time, from now on", plain_settings, 1, 1, ctl_extend, NULL},
    {"ctl checkpoint", "TEXT|-", "In a handler: leave a note to the next attempt", plain_settings, 1, 1, ctl_data, NULL},
    {"ctl retry", "DURATION [REASON]", "In a handler: say when to try again; then exit with 75", plain_settings, 1, 2, ctl_retry,
     NULL},
    {"ctl fail", "CLASS [MESSAGE]", "In a handler: say why it fails; then exit as docs/HANDLERS.md says", plain_settings, 1, 2,
     ctl_fail, NULL},
    {"ctl result", "TEXT|-", "In a handler: give the result, instead of stdout", plain_settings, 1, 1, ctl_data, NULL},
    {"ctl heartbeat", "", "In a handler: say that it is alive", plain_settings, 0, 0, ctl_heartbeat, NULL},
    {"ctl enqueue", "TYPE [PAYLOAD|-]", "In a handler: a further job, enqueued when this one is done", enqueue_settings, 1, 2,
     ctl_enqueue, NULL},
    {0},
};
