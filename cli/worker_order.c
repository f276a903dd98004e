#include "cli/worker_order.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/change.h"
#include "cli/connection.h"
#include "cli/orgs.h"
#include "cli/text.h"
#include "cli/worker_find.h"
#include "common/clock.h"
#include "common/keys.h"
#include "common/memory.h"

#define POLL_MS   50
#define ANSWER_MS 2000 /* beyond the session's time-out, in which it must beat */

/* One order to one worker, and what came of it. */
struct order {
    const char *session; /* borrowed */
    const char *verb;
    char answer[16];            /* "ok", "gone", "scheduler" */
    int64_t number, timeout_ms; /* of the session */
    int64_t done;               /* number of the last one that the worker has carried out */
    char phase[16], why[16];
    char *dump;
    size_t dump_bytes;
    unsigned lanes; /* in which the session is listed */
};

/* ---- giving an order ---- */

static void on_ordered(const struct reply *reply, void *ctx)
{
    struct order *order = ctx;

    snprintf(order->answer, sizeof order->answer, "%s", reply_string(reply_at(reply, 0)));
    order->number = reply_int(reply_at(reply, 1));
    order->timeout_ms = reply_int(reply_at(reply, 2));
}

/* In one lane, the first in which the session is open: so there is one order, and not as many as there are lanes. */
static int give(struct cli *cli, struct order *order, struct error *err)
{
    struct call call = {0};
    int rc = 0;

    snprintf(order->answer, sizeof order->answer, "gone");
    for (uint32_t lane = 0; lane < cli->deployment.lanes && rc == 0 && strcmp(order->answer, "gone") == 0; lane++) {
        change_begin(&call, "order", lane);
        call_add_string(&call, order->session);
        call_add_string(&call, order->verb);
        rc = cli_call(cli, &call, on_ordered, order, err);
    }
    call_clear(&call);
    return rc;
}

/* ---- what came of it ---- */

static void on_card(const struct reply *reply, void *ctx)
{
    struct order *order = ctx;

    order->done = strtoll(reply_string(reply_at(reply, 0)), NULL, 10);
    snprintf(order->phase, sizeof order->phase, "%s", reply_string(reply_at(reply, 1)));
    snprintf(order->why, sizeof order->why, "%s", reply_string(reply_at(reply, 2)));
}

static void on_dump(const struct reply *reply, void *ctx)
{
    struct order *order = ctx;
    size_t length;
    const char *text = reply_bytes(reply, &length), *space = text ? memchr(text, ' ', length) : NULL;

    if (!space)
        return;
    order->done = strtoll(text, NULL, 10);
    free(order->dump);
    order->dump_bytes = length - (size_t)(space + 1 - text);
    order->dump = memory_copy(space + 1, order->dump_bytes);
}

static bool is_dump(const struct order *order)
{
    return strcmp(order->verb, "dump") == 0;
}

static int look(struct cli *cli, struct order *order, struct error *err)
{
    struct call call = {0};
    char key[KEY_BYTES_MAX];
    int rc;

    if (is_dump(order)) {
        call_command(&call, "GET");
        call_add_string(&call, key_dump(key, order->session));
        rc = cli_call(cli, &call, on_dump, order, err);
    } else {
        call_command(&call, "HMGET");
        call_add_string(&call, key_worker(key, order->session));
        call_add_string(&call, "order");
        call_add_string(&call, "phase");
        call_add_string(&call, "why");
        rc = cli_call(cli, &call, on_card, order, err);
    }
    call_clear(&call);
    return rc;
}

/* Waits until the worker has done it; ERR_TIMEOUT if it does not within its session's time-out. */
static int wait_done(struct cli *cli, struct order *order, struct error *err)
{
    int64_t wait_ms = order->timeout_ms + ANSWER_MS, end_mono_ms = clock_mono_ms() + wait_ms;

    for (;;) {
        if (look(cli, order, err) < 0)
            return err->code;
        if (order->done >= order->number)
            return 0;
        if (clock_mono_ms() > end_mono_ms)
            return cli_fail(cli, err, EX_TEMPFAIL,
                            "worker %s has not answered within %lld ms: the order stands, its next beat takes it along",
                            order->session, (long long)wait_ms);
        poll(NULL, 0, POLL_MS);
    }
}

static void on_score(const struct reply *reply, void *ctx)
{
    struct order *order = ctx;

    order->lanes += reply_string(reply)[0] != '\0';
}

/* Waits until the session is over in all lanes. */
static int wait_gone(struct cli *cli, struct order *order, struct error *err)
{
    int64_t timeout_ms = config_integer(cli->config, "cli.wait-timeout");
    int64_t end_mono_ms = timeout_ms ? clock_mono_ms() + timeout_ms : INT64_MAX;
    struct call call = {0};
    char key[KEY_BYTES_MAX];
    int rc;

    do {
        order->lanes = 0;
        for (uint32_t lane = 0; lane < cli->deployment.lanes; lane++) {
            call_command(&call, "ZSCORE");
            call_add_string(&call, key_in_lane(key, lane, "sessions"));
            call_add_string(&call, order->session);
            cli_send(cli, &call, on_score, order);
        }
        call_clear(&call);
        rc = cli_settle(cli, err);
        if (rc == 0 && order->lanes > 0 && clock_mono_ms() > end_mono_ms)
            return cli_fail(cli, err, EX_TEMPFAIL, "worker %s has not stopped yet: it is draining", order->session);
        if (rc == 0 && order->lanes > 0)
            poll(NULL, 0, POLL_MS);
    } while (rc == 0 && order->lanes > 0);
    if (rc == 0)
        rc = look(cli, order, err);
    if (rc == 0 && strcmp(order->why, "stopped") != 0)
        rc = cli_fail(cli, err, EXIT_FAILED, "worker %s did not stop in good order: it was %s", order->session,
                      order->why[0] ? order->why : "lost");
    return rc;
}

/* ---- telling ---- */

static json_t *order_to_json(const struct order *order, bool gone)
{
    json_t *object = json_pack("{s:s, s:s, s:s}", "worker", order->session, "order", order->verb, "state",
                               gone             ? "stopped"
                               : is_dump(order) ? "answered"
                                                : order->phase);

    if (is_dump(order))
        output_set_bytes(object, "dump", order->dump, order->dump_bytes);
    return object;
}

/* The lines of the dump: whoever may write the key may have written anything there. */
static void print_dump(const struct order *order)
{
    struct buffer line = {0};

    printf("worker %s\n", order->session);
    for (const char *at = order->dump, *end = at + order->dump_bytes; at < end;) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t length = newline ? (size_t)(newline - at) : (size_t)(end - at);
        buffer_reset(&line);
        text_add_plain(&line, at, length);
        printf("  %s\n", line.data ? line.data : "");
        at += length + 1;
    }
    buffer_clear(&line);
}

static void note(struct cli *cli, const struct order *order, bool gone)
{
    if (gone)
        cli_note(cli, "worker %s has stopped", order->session);
    else if (strcmp(order->verb, "stop") == 0)
        cli_note(cli, "worker %s is %s: it claims no more and stops when its jobs have ended. This cannot be undone",
                 order->session, order->phase);
    else if (strcmp(order->verb, order->phase) == 0)
        cli_note(cli, "worker %s is quiet: it claims no more, what runs goes on. Undo: rota worker resume %s", order->session,
                 order->session);
    else if (strcmp(order->verb, "resume") == 0 && strcmp(order->phase, "running") == 0)
        cli_note(cli, "worker %s claims jobs again. Undo: rota worker quiet %s", order->session, order->session);
    else
        cli_note(cli, "worker %s is %s: the order came to nothing, or somebody has given another one", order->session,
                 order->phase);
}

static void tell(struct cli *cli, const struct order *order, bool gone, struct list *list)
{
    if (list)
        list_add(list, order_to_json(order, gone));
    else if (is_dump(order))
        print_dump(order);
    else
        note(cli, order, gone);
}

/* ---- the commands ---- */

/* Waits for what comes of an order that was given, and tells it. */
static int finish_one(struct cli *cli, struct order *order, struct list *list, struct error *err)
{
    bool wait = strcmp(order->verb, "stop") == 0 && config_bool(cli->config, "cli.worker.order.wait");
    int rc = wait_done(cli, order, err);

    if (rc == 0 && wait)
        rc = wait_gone(cli, order, err);
    if (rc == 0)
        tell(cli, order, wait, list);
    free(order->dump);
    order->dump = NULL;
    return rc;
}

static int run_one(struct cli *cli, const char *session, const char *verb, struct list *list, struct error *err)
{
    struct order order = {.session = session, .verb = verb};

    if (give(cli, &order, err) < 0)
        return err->code;
    if (strcmp(order.answer, "gone") == 0)
        return worker_find_gone(cli, session, err);
    if (strcmp(order.answer, "scheduler") == 0)
        return cli_usage(cli, err, "%s is a scheduler, and takes no orders: signal it (TERM stops it, TTIN makes it dump)",
                         session);
    return finish_one(cli, &order, list, err);
}

/* Tells all of them first, and then waits for each. A session that has ended meanwhile, or is a scheduler's, is passed over. */
static int order_all(struct cli *cli, const struct names *sessions, const char *verb, struct list *list, struct error *err)
{
    struct order *orders = memory_new(sizeof *orders * (sessions->count + 1));
    int rc = 0;

    for (size_t i = 0; i < sessions->count && rc == 0; i++) {
        orders[i] = (struct order){.session = sessions->items[i], .verb = verb};
        rc = give(cli, &orders[i], err);
    }
    for (size_t i = 0; i < sessions->count && rc == 0; i++) {
        if (strcmp(orders[i].answer, "ok") != 0 || finish_one(cli, &orders[i], list, err) == 0)
            continue;
        cli_complain(cli, cli->failure_status ? cli->failure_status : error_exit_code(err->code), "%s", err->message);
        cli->failure_status = 0;
    }
    free(orders);
    return rc;
}

static int run_all(struct cli *cli, const char *verb, struct list *list, struct error *err)
{
    struct names sessions = {0};
    int rc = cli_connect(cli, false, NULL, err);

    if (rc == 0 && strcmp(verb, "dump") != 0 && !cli_confirm(cli, err, "%s all workers", verb))
        rc = err->code;
    if (rc == 0)
        rc = worker_find_live(cli, &sessions, err);
    if (rc == 0)
        rc = order_all(cli, &sessions, verb, list, err);
    names_clear(&sessions);
    return rc;
}

static int run(struct cli *cli, const char *verb, struct error *err)
{
    bool all = config_bool(cli->config, "cli.worker.order.all");
    char session[TYPE_BYTES_MAX + 1];
    struct list *list = NULL;
    int rc;

    if (all != (cli_argument_count(cli) == 0))
        return cli_usage(cli, err, "name one worker, or say --all");
    rc = all ? 0 : worker_find(cli, cli_argument(cli, 0), WORKER_LIVE, session, err);
    if (rc < 0)
        return rc;
    if (cli->output.format != OUTPUT_TABLE)
        list = list_new(&cli->output, NULL);
    rc = all ? run_all(cli, verb, list, err) : run_one(cli, session, verb, list, err);
    if (list)
        list_end(list);
    return rc;
}

int worker_quiet(struct cli *cli, struct error *err)
{
    return run(cli, "quiet", err);
}

int worker_resume(struct cli *cli, struct error *err)
{
    return run(cli, "resume", err);
}

int worker_stop(struct cli *cli, struct error *err)
{
    return run(cli, "stop", err);
}

int worker_dump(struct cli *cli, struct error *err)
{
    return run(cli, "dump", err);
}
