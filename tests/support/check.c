#include "tests/support/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct deployment_options check_scheduler = {
    .durability = DURABILITY_MEMORY, .may_read_config = true, .set_up = true, .accept_backported = true};
const struct deployment_options check_worker = {.durability = DURABILITY_MEMORY, .accept_backported = true};

void check_start(struct check_fixture *f, const char *const *arguments)
{
    client_free(f->client);
    if (f->admin)
        redisFree(f->admin);
    server_stop(f->server);
    f->server = server_start(arguments);
    f->admin = server_connect(f->server);
    f->client = client_new();
    snprintf(f->url, sizeof f->url, "unix://%s", server_socket(f->server));
    client_connect(f->client, f->url, NULL);
}

int check_setup(void **state)
{
    struct check_fixture *f = calloc(1, sizeof *f);

    check_start(f, NULL);
    *state = f;
    return 0;
}

int check_teardown(void **state)
{
    struct check_fixture *f = *state;

    client_free(f->client);
    redisFree(f->admin);
    server_stop(f->server);
    free(f);
    return 0;
}

void check_connect(struct check_fixture *f, const char *url)
{
    client_free(f->client);
    f->client = client_new();
    client_connect(f->client, url, NULL);
}

void check_connect_as(struct check_fixture *f, const char *user)
{
    char url[300];

    snprintf(url, sizeof url, "unix://%s:secret@%s", user, server_socket(f->server));
    check_connect(f, url);
}

const char *check_admin(struct check_fixture *f, const char *fmt, ...)
{
    static char text[600];
    va_list args;
    va_start(args, fmt);
    redisReply *reply = redisvCommand(f->admin, fmt, args);
    va_end(args);

    assert_non_null(reply);
    if (reply->type == REDIS_REPLY_ERROR)
        fail_msg("%s: %s", fmt, reply->str);
    text[0] = '\0';
    if (reply->type == REDIS_REPLY_INTEGER)
        snprintf(text, sizeof text, "%lld", reply->integer);
    else if (reply->str)
        snprintf(text, sizeof text, "%s", reply->str);
    freeReplyObject(reply);
    return text;
}

int check_run(struct check_fixture *f, struct deployment_options options)
{
    f->found = (struct deployment){0};
    f->err = (struct error){0};
    return deployment_check_wait(f->client->redis, &options, &f->found, &f->err);
}

void check_accepted(struct check_fixture *f, struct deployment_options options)
{
    if (check_run(f, options) < 0)
        fail_msg("refused: %d %s", f->err.code, f->err.message);
}

void check_refused(struct check_fixture *f, struct deployment_options options, enum error_code code, const char *says)
{
    if (check_run(f, options) == 0)
        fail_msg("accepted, not refused with \"%s\"", says);
    if (f->err.code != code || !strstr(f->err.message, says))
        fail_msg("%d \"%s\", not %d \"%s\"", f->err.code, f->err.message, code, says);
}

bool check_warns(const struct check_fixture *f, const char *text)
{
    for (unsigned i = 0; i < f->found.warning_count; i++)
        if (strstr(f->found.warnings[i].text, text))
            return true;
    return false;
}
