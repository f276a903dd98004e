#include "tests/support/served.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/memory.h"

int served_setup(void **state)
{
    struct served *f = memory_new(sizeof *f);

    f->server = server_start(NULL);
    f->admin = server_connect(f->server);
    f->client = client_new();
    snprintf(f->url, sizeof f->url, "unix://%s", server_socket(f->server));
    *state = f;
    return 0;
}

int served_teardown(void **state)
{
    struct served *f = *state;

    client_free(f->client);
    redisFree(f->admin);
    server_stop(f->server);
    free(f);
    return 0;
}

void served_admin(struct served *f, const char *command)
{
    redisReply *reply = redisCommand(f->admin, command);

    assert_non_null(reply);
    if (reply->type == REDIS_REPLY_ERROR)
        fail_msg("%s: %s", command, reply->str);
    freeReplyObject(reply);
}
