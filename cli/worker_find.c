#include "cli/worker_find.h"

#include <stdio.h>
#include <string.h>

#include "cli/connection.h"
#include "common/keys.h"

#define SESSIONS_MAX 10000 /* looked at in a lane, and of those that have ended */

bool worker_is_id(const char *text)
{
    size_t length = strlen(text);

    return length >= 1 && length <= TYPE_BYTES_MAX && strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789") == length;
}

static void on_ids(const struct reply *reply, void *ctx)
{
    for (size_t i = 0; i < reply_count(reply); i++)
        names_add(ctx, reply_string(reply_at(reply, i)));
}

/* The last members of a sorted set. */
static void ask(struct cli *cli, const char *key, struct names *ret)
{
    struct call call = {0};

    call_command(&call, "ZREVRANGE");
    call_add_string(&call, key);
    call_add_int(&call, 0);
    call_add_int(&call, SESSIONS_MAX - 1);
    cli_send(cli, &call, on_ids, ret);
    call_clear(&call);
}

int worker_find_live(struct cli *cli, struct names *ret, struct error *err)
{
    char key[KEY_BYTES_MAX];
    int rc;

    for (uint32_t lane = 0; lane < cli->deployment.lanes; lane++)
        ask(cli, key_in_lane(key, lane, "sessions"), ret);
    rc = cli_settle(cli, err);
    names_sort(ret);
    return rc;
}

static void on_why(const struct reply *reply, void *ctx)
{
    snprintf(ctx, 16, "%s", reply_string(reply));
}

int worker_find_gone(struct cli *cli, const char *id, struct error *err)
{
    struct call call = {0};
    char key[KEY_BYTES_MAX], why[16] = "";
    int rc;

    call_command(&call, "HGET");
    call_add_string(&call, key_worker(key, id));
    call_add_string(&call, "why");
    rc = cli_call(cli, &call, on_why, why, err);
    call_clear(&call);
    if (rc < 0)
        return rc;
    if (why[0])
        return error_set(err, ERR_NOT_FOUND, "worker %s is gone: it was %s", id, why);
    return error_set(err, ERR_NOT_FOUND, "no live worker has an id that is or begins with \"%s\"", id);
}

/* That of the sorted `ids` which is or begins with `text`: an exact one wins. NULL if there is none; `ret_other`: another one
 * that begins so, or NULL. */
static const char *choose(const struct names *ids, const char *text, const char **ret_other)
{
    size_t length = strlen(text);
    const char *found = NULL;

    *ret_other = NULL;
    for (size_t i = 0; i < ids->count; i++) {
        if (strncmp(ids->items[i], text, length) != 0)
            continue;
        if (found) {
            *ret_other = ids->items[i];
            break;
        }
        found = ids->items[i];
        if (strlen(found) == length)
            break; /* it comes first */
    }
    return found;
}

int worker_find(struct cli *cli, const char *text, enum worker_wanted wanted, char ret_session[TYPE_BYTES_MAX + 1],
                struct error *err)
{
    struct names ids = {0};
    const char *found, *other;
    int rc;

    if (!worker_is_id(text))
        return cli_usage(cli, err, "worker \"%.80s\" must match [a-z0-9]{1,64}", text);
    if (cli_connect(cli, false, NULL, err) < 0)
        return err->code;
    if (wanted == WORKER_KNOWN)
        ask(cli, KEY_WORKERS, &ids);
    rc = worker_find_live(cli, &ids, err);
    found = choose(&ids, text, &other);
    if (rc == 0 && other)
        rc = cli_usage(cli, err, "\"%s\" is the beginning of more than one worker: %s, %s", text, found, other);
    else if (rc == 0 && !found && wanted == WORKER_LIVE)
        rc = worker_find_gone(cli, text, err);
    else if (rc == 0)
        snprintf(ret_session, TYPE_BYTES_MAX + 1, "%s", found ? found : text);
    names_clear(&ids);
    return rc;
}
