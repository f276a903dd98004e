#include "cli/connection.h"

#include <assert.h>
#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/keys.h"
#include "common/memory.h"
#include "common/settings.h"

#define UNDER_WAY_MAX 256 /* calls whose answers are awaited */

int cli_unreachable(struct cli *cli, struct error *err)
{
    const char *address = redis_address(cli->redis), *why = err->message;
    size_t length = strlen(address);

    if (strncmp(why, address, length) == 0 && strncmp(why + length, ": ", 2) == 0)
        why += length + 2;
    if (err->code == ERR_DENIED)
        return cli_fail(cli, err, EX_NOPERM, "redis at %s does not let us in: %s", address, why);
    return cli_fail(cli, err, EX_UNAVAILABLE, "cannot reach redis at %s: %s. Is it running?", address, why);
}

/* Finds the lanes where the check of the server has failed, so that people can still look at what is there. */
static void on_lanes(const struct reply *reply, void *ctx)
{
    struct deployment *deployment = ctx;

    deployment->lanes = (uint32_t)reply_int(reply);
}

static bool find_lanes(struct cli *cli)
{
    struct call call = {0};
    struct error ignored;

    call_command(&call, "HGET");
    call_add_string(&call, KEY_META);
    call_add_string(&call, "lanes");
    if (cli_call(cli, &call, on_lanes, &cli->deployment, &ignored) < 0)
        cli->deployment.lanes = 0;
    call_clear(&call);
    return cli->deployment.lanes >= 1 && cli->deployment.lanes <= DEPLOYMENT_LANES_MAX;
}

static int check_deployment(struct cli *cli, bool strict, const struct deployment_options *options, struct error *err)
{
    if (deployment_check_wait(cli->redis, options, &cli->deployment, err) == 0)
        return 0;
    if ((err->code == ERR_INVALID || err->code == ERR_FULL) && !strict && find_lanes(cli)) {
        cli_note(cli, "warning: %s", err->message);
        return 0;
    }
    if (err->code == ERR_INVALID)
        cli->failure_status = EX_CONFIG; /* the server is not as it must be */
    return err->code;
}

/* Opens the connection. */
static int open_redis(struct cli *cli, int64_t wait_ms, struct error *err)
{
    const char *password_file = config_string(cli->config, "redis.password-file");

    cli->redis = redis_new(cli->loop,
                           &(struct redis_options){.url = config_string(cli->config, "redis.url"),
                                                   .password_file = password_file[0] ? password_file : NULL,
                                                   .client_name = "rota",
                                                   .once = true},
                           err);
    if (!cli->redis)
        return cli_misused(cli, err);
    return redis_wait_up(cli->redis, wait_ms, err) < 0 ? cli_unreachable(cli, err) : 0;
}

int cli_connect_to_look(struct cli *cli, int64_t budget_ms, struct error *err)
{
    if (open_redis(cli, budget_ms, err) < 0)
        return err->code;
    return find_lanes(cli) ? 0 : error_set(err, ERR_SETUP, "the deployment is not set up");
}

int cli_connect(struct cli *cli, bool strict, const struct deployment_options *options, struct error *err)
{
    struct deployment_options own;

    if (settings_deployment(cli->config, &own, err) < 0)
        return cli_misused(cli, err);
    if (strcmp(config_origin(cli->config, "redis.durability"), "default") == 0)
        own.durability = DURABILITY_MEMORY;
    own.brief = true; /* 110 KB for each command would be most of what it does */
    if (open_redis(cli, ANSWER_MS_MAX, err) < 0)
        return err->code;
    if (check_deployment(cli, strict, options ? options : &own, err) < 0)
        return err->code;
    cli->output.now_ms = cli_now_ms(cli);
    return 0;
}

int64_t cli_now_ms(const struct cli *cli)
{
    return clock_wall_ms() + cli->deployment.clock_offset_ms;
}

uint32_t cli_lane(const struct cli *cli, const char *org)
{
    return lane_of(org, cli->deployment.lanes);
}

/* ---- calls ---- */

/* One call under way. */
struct flight {
    struct cli *cli;
    cli_answer_cb *cb;
    void *ctx;
};

static void on_answer(const struct reply *reply, const struct error *err, void *ctx)
{
    struct flight *flight = ctx;
    struct cli *cli = flight->cli;

    cli->sent--;
    if (err && !cli->sent_failed) {
        cli->sent_failed = true;
        cli->sent_err = *err;
    } else if (!err && flight->cb) {
        flight->cb(reply, flight->ctx);
    }
    free(flight);
}

void cli_send(struct cli *cli, const struct call *call, cli_answer_cb *cb, void *ctx)
{
    struct flight *flight = memory_new(sizeof *flight);

    while (cli->sent >= UNDER_WAY_MAX)
        ev_run(cli->loop, EVRUN_ONCE);
    *flight = (struct flight){cli, cb, ctx};
    cli->sent++;
    redis_send(cli->redis, call, ANSWER_MS_MAX, on_answer, flight);
}

int cli_settle(struct cli *cli, struct error *err)
{
    while (cli->sent > 0)
        ev_run(cli->loop, EVRUN_ONCE);
    if (!cli->sent_failed)
        return 0;
    cli->sent_failed = false;
    *err = cli->sent_err;
    if (err->code == ERR_UNKNOWN)
        error_wrap(err, "redis at %s has not answered: it may be done or not, the same again tells", redis_address(cli->redis));
    return err->code;
}

int cli_call(struct cli *cli, const struct call *call, cli_answer_cb *cb, void *ctx, struct error *err)
{
    assert(cli->sent == 0);
    cli_send(cli, call, cb, ctx);
    return cli_settle(cli, err);
}
