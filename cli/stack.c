#include "cli/stack.h"

#include <ev.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/connection.h"
#include "cli/orgs.h"
#include "cli/private_redis.h"
#include "cli/process.h"
#include "cli/supervisor.h"
#include "cli/welcome.h"
#include "common/clock.h"
#include "common/keys.h"
#include "common/library.h"
#include "common/memory.h"

#define POLL_S            0.02
#define START_MS_MAX      30000 /* for each member to become ready */
#define WORKERS_STOP_MS   40000 /* a drain of 25 s, a lost Redis, and some more */
#define SCHEDULER_STOP_MS 10000
#define REDIS_STOP_MS     20000
#define WORDS_MAX         256

struct stack {
    struct cli *cli;
    const struct stack_options *options;
    struct ev_loop *loop;
    struct supervisor *supervisor;
    struct private_redis *private_redis;
    struct member *redis, *scheduler, *workers[STACK_WORKERS];
    const char *url; /* of Redis, for the members */
    char worker_names[STACK_WORKERS][24];
    bool redis_up;  /* it has answered */
    unsigned stops; /* signals that came */
    bool stopping;  /* members are expected to die */
    bool failed;
    struct error err; /* why */
    ev_signal signals[3];
    ev_io lifeline;
    ev_timer tick; /* ends a turn of the loop, so that conditions are looked at */
};

/* ---- what happens ---- */

/* Whoever keeps us is gone: so are we, and everything below us. The AOF of the private Redis survives that. */
static void on_lifeline(struct ev_loop *loop, ev_io *io, int events)
{
    (void)loop, (void)io, (void)events;
    process_kill_descendants();
    _exit(EX_SOFTWARE);
}

static void on_signal(struct ev_loop *loop, ev_signal *watcher, int events)
{
    struct stack *stack = watcher->data;

    (void)loop, (void)events;
    stack->stops++;
    for (int i = 0; i < STACK_WORKERS && stack->stops > 1; i++)
        member_signal(stack->workers[i], SIGTERM);
}

/* A Redis of our own is waited for; one that is said to be there must be. Once it has answered, whoever needs it tells. */
static void on_redis_up(void *ctx)
{
    struct stack *stack = ctx;

    stack->redis_up = true;
}

static void on_redis_down(const struct error *err, void *ctx)
{
    struct stack *stack = ctx;

    if (stack->private_redis || stack->redis_up || stack->failed)
        return;
    stack->failed = true;
    stack->err = *err;
    cli_unreachable(stack->cli, &stack->err);
}

static void on_died(struct member *member, int status, void *ctx)
{
    struct stack *stack = ctx;
    char end[40];

    if (stack->stopping || stack->failed)
        return;
    stack->failed = true;
    cli_fail(stack->cli, &stack->err, EX_SOFTWARE, "%s (pid %d) %s: taking everything down", member_name(member),
             (int)member_pid(member), process_end(end, status));
}

static void on_tick(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)timer, (void)events;
}

static void watch(struct stack *stack, int lifeline)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};

    for (int i = 0; i < 3; i++) {
        ev_signal_init(&stack->signals[i], on_signal, numbers[i]);
        stack->signals[i].data = stack;
        ev_signal_start(stack->loop, &stack->signals[i]);
    }
    ev_io_init(&stack->lifeline, on_lifeline, lifeline, EV_READ);
    ev_io_start(stack->loop, &stack->lifeline);
    ev_timer_init(&stack->tick, on_tick, POLL_S, POLL_S);
}

static bool is_over(const struct stack *stack)
{
    return stack->stops > 0 || stack->failed;
}

/* Runs the loop until `is_done`, for `ms_max` at most. With `all_the_way` not even a stop or a failure ends it. False if it is
 * not done. */
static bool run_until(struct stack *stack, bool (*is_done)(struct stack *stack), int64_t ms_max, bool all_the_way)
{
    int64_t end_mono_ms = clock_mono_ms() + ms_max;
    bool done = false;

    ev_timer_again(stack->loop, &stack->tick);
    while (!(done = is_done(stack)) && clock_mono_ms() < end_mono_ms && (all_the_way || !is_over(stack)))
        ev_run(stack->loop, EVRUN_ONCE);
    ev_timer_stop(stack->loop, &stack->tick);
    return done;
}

/* ---- start ---- */

/* The words of a command line, being gathered; those that are made for it are freed by words_clear. */
struct words {
    const char *items[WORDS_MAX + 1];
    char *made[8];
    size_t count, made_count;
};

static void add_word(struct words *words, const char *word)
{
    if (words->count < WORDS_MAX)
        words->items[words->count++] = word;
}

static void add_flag(struct words *words, const char *flag, const char *value)
{
    add_word(words, flag);
    add_word(words, value);
}

/* Takes `word`. */
static void add_made(struct words *words, char *word)
{
    words->made[words->made_count++] = word;
    add_word(words, word);
}

static void words_clear(struct words *words)
{
    for (size_t i = 0; i < words->made_count; i++)
        free(words->made[i]);
}

/* What scheduler and workers are told alike. */
static void add_common(struct stack *stack, struct words *words, const char *program)
{
    const struct config *config = stack->cli->config;
    bool own = stack->private_redis != NULL;

    add_made(words, process_beside(program));
    if (config_file(config))
        add_flag(words, "--config", config_file(config));
    add_flag(words, "--redis", stack->url);
    add_flag(words, "--durability", own ? "disk" : config_string(config, "redis.durability"));
    add_flag(words, "--redis-password-file", own ? "" : config_string(config, "redis.password-file"));
    add_flag(words, "--log-format", "logfmt");
    add_flag(words, "--log-level", config_string(config, "log.level"));
    add_word(words, own || config_bool(config, "redis.accept-backported") ? "--redis-accept-backported"
                                                                          : "--no-redis-accept-backported");
    add_word(words, !own && config_bool(config, "redis.accept-unverified") ? "--redis-accept-unverified"
                                                                           : "--no-redis-accept-unverified");
    add_flag(words, "--redis-check-every", config_string(config, "redis.check-every"));
    add_word(words, !own && config_bool(config, "redis.require-tls") ? "--redis-require-tls" : "--no-redis-require-tls");
    add_word(words, !own && config_bool(config, "redis.require-acl") ? "--redis-require-acl" : "--no-redis-require-acl");
}

static struct member *start(struct stack *stack, const char *name, struct words *words, struct error *err)
{
    struct member *member = supervisor_start(stack->supervisor, name, words->items, err);

    words_clear(words);
    return member;
}

static bool redis_answers(struct stack *stack)
{
    return redis_is_up(stack->cli->redis);
}

static bool is_set_up(struct stack *stack)
{
    struct deployment_options options = {.durability = DURABILITY_MEMORY, .brief = true};
    struct error ignored;

    return deployment_check_wait(stack->cli->redis, &options, &stack->cli->deployment, &ignored) == 0;
}

/* What is kept of one session, as far as it tells whether it is one of our workers. */
struct card_facts {
    struct stack *stack;
    unsigned *found;
};

static void on_card(const struct reply *reply, void *ctx)
{
    struct card_facts *facts = ctx;
    char host[256] = "?";

    gethostname(host, sizeof host - 1);
    for (int i = 0; i < STACK_WORKERS; i++)
        if (reply_is(reply_at(reply, 0), host) && reply_int(reply_at(reply, 1)) == member_pid(facts->stack->workers[i]))
            *facts->found |= 1U << i;
}

static void on_sessions(const struct reply *reply, void *ctx)
{
    struct names *names = ctx;

    for (size_t i = 0; i < reply_count(reply); i++)
        names_add(names, reply_string(reply_at(reply, i)));
}

/* True when each worker has opened a session: then it takes jobs. */
static bool workers_are_ready(struct stack *stack)
{
    struct names sessions = {0};
    struct call call = {0};
    unsigned found = 0;
    struct card_facts facts = {stack, &found};
    struct error ignored;
    char key[KEY_BYTES_MAX];

    call_command(&call, "ZREVRANGE");
    call_add_string(&call, KEY_WORKERS);
    call_add_int(&call, 0);
    call_add_int(&call, 49);
    if (cli_call(stack->cli, &call, on_sessions, &sessions, &ignored) < 0)
        sessions.count = 0;
    for (size_t i = 0; i < sessions.count; i++) {
        call_command(&call, "HMGET");
        call_add_string(&call, key_worker(key, sessions.items[i]));
        call_add_string(&call, "host");
        call_add_string(&call, "pid");
        cli_send(stack->cli, &call, on_card, &facts);
    }
    if (cli_settle(stack->cli, &ignored) < 0)
        found = 0;
    call_clear(&call);
    names_clear(&sessions);
    return found == (1U << STACK_WORKERS) - 1;
}

/* Waits until what was started is ready. */
static int await(struct stack *stack, bool (*is_ready)(struct stack *stack), const char *what, struct error *err)
{
    if (run_until(stack, is_ready, START_MS_MAX, false))
        return 0;
    if (stack->failed) {
        *err = stack->err;
        return err->code;
    }
    if (stack->stops > 0)
        return error_set(err, ERR_UNAVAILABLE, "stopped before everything had started");
    return cli_fail(stack->cli, err, EX_UNAVAILABLE, "%s is not ready after %d s", what, START_MS_MAX / 1000);
}

static int start_redis(struct stack *stack, struct error *err)
{
    const char *password_file = config_string(stack->cli->config, "redis.password-file");
    struct words words = {0};

    stack->url = stack->options->redis_url;
    if (!stack->url) {
        password_file = "";
        stack->private_redis = private_redis_new(stack->options->directory, err);
        if (!stack->private_redis) {
            stack->cli->failure_status = EX_CANTCREAT;
            return err->code;
        }
        stack->url = private_redis_url(stack->private_redis);
        for (const char *const *word = private_redis_words(stack->private_redis); *word; word++)
            add_word(&words, *word);
        stack->redis = start(stack, "redis", &words, err);
        if (!stack->redis)
            return cli_fail(stack->cli, err, EX_UNAVAILABLE, "%s: install redis-server, or name one that runs with --redis",
                            err->message);
    }
    stack->cli->redis = redis_new(stack->loop,
                                  &(struct redis_options){.url = stack->url,
                                                          .password_file = password_file[0] ? password_file : NULL,
                                                          .client_name = "rota-dev",
                                                          .on_up = on_redis_up,
                                                          .on_down = on_redis_down,
                                                          .ctx = stack},
                                  err);
    return stack->cli->redis ? await(stack, redis_answers, "redis", err) : cli_misused(stack->cli, err);
}

/* A Redis of our own may hold the library of another build under the name of ours, and no other program uses it. What is not set
 * up yet, or cannot be used, is the scheduler's to deal with. */
static int replace_library(struct stack *stack, struct error *err)
{
    struct deployment_options options = {.durability = DURABILITY_MEMORY};
    struct error why;
    struct call call = {0};
    int rc;

    if (!stack->private_redis || deployment_check_wait(stack->cli->redis, &options, &stack->cli->deployment, &why) == 0 ||
        why.code != ERR_LIBRARY)
        return 0;
    cli_note(stack->cli, "loading the function library of this build");
    call_command(&call, "FUNCTION");
    call_add_string(&call, "LOAD");
    call_add_string(&call, "REPLACE");
    call_add_string(&call, library_text());
    rc = cli_call(stack->cli, &call, NULL, NULL, err);
    call_clear(&call);
    return rc < 0 ? error_wrap(err, "FUNCTION LOAD") : 0;
}

static int start_scheduler(struct stack *stack, struct error *err)
{
    struct words words = {0};

    add_common(stack, &words, "rota-scheduler");
    stack->scheduler = start(stack, "scheduler", &words, err);
    return stack->scheduler ? await(stack, is_set_up, "the scheduler", err) : err->code;
}

static int start_workers(struct stack *stack, struct error *err)
{
    for (int i = 0; i < STACK_WORKERS; i++) {
        struct words words = {0};
        snprintf(stack->worker_names[i], sizeof stack->worker_names[i], "worker-%d", i + 1);
        add_common(stack, &words, "rota-worker");
        if (stack->options->slots) {
            add_word(&words, "--slots");
            add_made(&words, memory_format("%lld", (long long)stack->options->slots));
        }
        for (const char *const *on = stack->options->on; *on; on++)
            add_flag(&words, "--on", *on);
        stack->workers[i] = start(stack, stack->worker_names[i], &words, err);
        if (!stack->workers[i])
            return err->code;
    }
    return await(stack, workers_are_ready, "a worker", err);
}

/* ---- stop ---- */

static bool workers_are_gone(struct stack *stack)
{
    bool gone = true;

    for (int i = 0; i < STACK_WORKERS; i++)
        gone = gone && !member_is_running(stack->workers[i]);
    return gone;
}

static bool scheduler_is_gone(struct stack *stack)
{
    return !member_is_running(stack->scheduler);
}

static bool redis_is_gone(struct stack *stack)
{
    return !member_is_running(stack->redis);
}

/* Workers hand their jobs back while there is a Redis to hand them to; without one they are simply ended, and recovered later. */
static void stop_workers(struct stack *stack)
{
    bool orphaned = stack->private_redis && !member_is_running(stack->redis);

    for (int i = 0; i < STACK_WORKERS; i++)
        member_signal(stack->workers[i], orphaned ? SIGKILL : SIGTERM);
    run_until(stack, workers_are_gone, WORKERS_STOP_MS, true);
    for (int i = 0; i < STACK_WORKERS; i++)
        member_signal(stack->workers[i], SIGKILL);
}

static void stop_member(struct stack *stack, struct member *member, bool (*is_gone)(struct stack *stack), int64_t ms_max)
{
    member_signal(member, SIGTERM);
    run_until(stack, is_gone, ms_max, true);
    member_signal(member, SIGKILL);
}

static void take_down(struct stack *stack)
{
    stack->stopping = true;
    stop_workers(stack);
    stop_member(stack, stack->scheduler, scheduler_is_gone, SCHEDULER_STOP_MS);
    redis_free(stack->cli->redis); /* before its server goes: nobody needs to hear of that */
    stack->cli->redis = NULL;
    stop_member(stack, stack->redis, redis_is_gone, REDIS_STOP_MS);
    supervisor_free(stack->supervisor);
    process_kill_descendants(); /* what handlers have left behind */
    private_redis_free(stack->private_redis);
}

/* ---- the whole ---- */

static bool never(struct stack *stack)
{
    (void)stack;
    return false;
}

static int start_all(struct stack *stack, struct error *err)
{
    if (start_redis(stack, err) < 0 || replace_library(stack, err) < 0 || start_scheduler(stack, err) < 0 ||
        start_workers(stack, err) < 0)
        return err->code;
    return 0;
}

int stack_run(struct cli *cli, const struct stack_options *options, int lifeline, struct error *err)
{
    struct stack stack = {.cli = cli, .options = options, .loop = ev_default_loop(EVFLAG_AUTO | EVFLAG_NOENV)};
    int rc;

    process_adopt();
    cli->loop = stack.loop;
    stack.supervisor = supervisor_new(stack.loop, on_died, &stack);
    watch(&stack, lifeline);
    rc = start_all(&stack, err);
    if (rc == 0) {
        welcome_print(cli, options, stack.private_redis, stack.url);
        while (!is_over(&stack))
            run_until(&stack, never, INT32_MAX, false);
        cli_note(cli, "%s", stack.failed ? stack.err.message : "stopping: jobs that run may end, once more stops them at once");
    }
    if (rc == 0 && stack.failed) {
        *err = stack.err;
        rc = err->code;
    }
    if (rc < 0 && stack.stops > 0 && !stack.failed)
        rc = 0; /* it was asked to stop while it started */
    take_down(&stack);
    ev_loop_destroy(stack.loop);
    cli->loop = NULL;
    return rc;
}
