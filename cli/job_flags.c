#include "cli/job_flags.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/memory.h"
#include "common/request.h"

bool flag_is_given(const struct cli *cli, const char *key)
{
    return strcmp(config_origin(cli->config, key), "default") != 0;
}

static int read_header(struct job_record *record, const char *text, struct error *err)
{
    const char *equals = strchr(text, '=');

    if (!equals)
        return error_set(err, ERR_INVALID, "header \"%.80s\" must be NAME=VALUE", text);
    return request_add_header(record, text, (size_t)(equals - text), equals + 1, err);
}

static int read_headers(struct cli *cli, struct job_record *record, struct error *err)
{
    size_t count = config_list_count(cli->config, "cli.push.header");

    for (; count > 0 && record->header_count > 0; record->header_count--) {
        free(record->headers[record->header_count - 1].name);
        free(record->headers[record->header_count - 1].value);
    }
    for (size_t i = 0; i < count; i++)
        if (read_header(record, config_list_at(cli->config, "cli.push.header", i), err) < 0)
            return cli_misused(cli, err);
    return 0;
}

int job_flags_read(struct cli *cli, struct job_record *record, struct error *err)
{
    const char *queue = config_string(cli->config, "cli.push.queue"), *limit = config_string(cli->config, "cli.push.limit");

    if (queue[0] && name_check(queue, "queue", err) < 0)
        return cli_misused(cli, err);
    if (limit[0] && limit_check(limit, err) < 0)
        return cli_misused(cli, err);
    if (flag_is_given(cli, "cli.push.queue"))
        snprintf(record->queue, sizeof record->queue, "%s", queue);
    if (flag_is_given(cli, "cli.push.limit"))
        snprintf(record->limit, sizeof record->limit, "%s", limit);
    if (flag_is_given(cli, "cli.push.priority"))
        record->priority = (int)config_integer(cli->config, "cli.push.priority");
    if (flag_is_given(cli, "cli.push.max-attempts"))
        record->max_attempts = (int)config_integer(cli->config, "cli.push.max-attempts");
    if (flag_is_given(cli, "cli.push.timeout"))
        record->timeout_ms = config_integer(cli->config, "cli.push.timeout");
    return read_headers(cli, record, err);
}

int job_payload_read(const char *text, char **ret_payload, size_t *ret_bytes, struct error *err)
{
    struct buffer bytes = {0};
    char chunk[65536];
    ssize_t got;

    if (strcmp(text, "-") != 0) {
        *ret_payload = memory_string(text);
        *ret_bytes = strlen(text);
        return 0;
    }
    while ((got = read(STDIN_FILENO, chunk, sizeof chunk)) > 0 && bytes.length <= JOB_RECORD_BYTES_MAX)
        buffer_add(&bytes, chunk, (size_t)got);
    *ret_bytes = bytes.length;
    *ret_payload = buffer_give(&bytes);
    if (got < 0) {
        free(*ret_payload);
        *ret_payload = NULL;
        return error_set(err, ERR_IO, "cannot read the payload from stdin");
    }
    return 0;
}
