#include "worker/trial.h"

#include <errno.h>
#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/id.h"
#include "common/memory.h"
#include "common/random.h"
#include "common/units.h"
#include "worker/child.h"
#include "worker/control.h"
#include "worker/environment.h"
#include "worker/judge.h"
#include "worker/keeper.h"
#include "worker/pool.h"
#include "worker/run.h"
#include "worker/told.h"

#define SESSION         "trial"
#define FRAME_BYTES_MAX 2000 /* that are printed */

struct trial {
    struct ev_loop *loop;
    struct handler *handler;
    struct job job;
    struct child *child;
    struct pools *pools; /* of a handler that lives on, else NULL */
    struct told told;
    int64_t begun_mono_ms, drained_mono_ms;
    bool done;
};

/* ---- printing ---- */

/* Bytes of a handler, a line each with two spaces before it; what is no printable ASCII or UTF-8 letter as it is in C. */
static void print_bytes(const char *bytes, size_t length)
{
    bool fresh = true;

    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)bytes[i];
        if (fresh)
            printf("  ");
        fresh = byte == '\n';
        if (fresh || byte == '\t' || (byte >= ' ' && byte != 0x7f))
            putchar(byte);
        else
            printf("\\x%02x", byte);
    }
    if (!fresh)
        putchar('\n');
}

/* What the operator has added may be secret: of that only the names. */
static bool is_secret(const struct handler *handler, const char *variable, size_t length)
{
    for (size_t i = 0; i < handler->variable_count; i++)
        if (strlen(handler->variables[i].name) == length && strncmp(handler->variables[i].name, variable, length) == 0)
            return true;
    return false;
}

static void print_environment(const struct handler *handler, char *const *environment)
{
    printf("environment\n");
    for (; *environment; environment++) {
        size_t length = strcspn(*environment, "=");
        if (is_secret(handler, *environment, length))
            printf("  %.*s=***\n", (int)length, *environment);
        else
            print_bytes(*environment, strlen(*environment));
    }
}

/* "retry 5000 25" in the words of people. */
static void print_verdict(const struct judged *judged)
{
    long long delay_ms = 0, most = 0; /* attempts; of a release, deliveries */
    char wait[32];

    (void)sscanf(judged->words, "%*s %lld %lld", &delay_ms, &most);
    units_format_duration(wait, delay_ms);
    printf("verdict\n  ");
    switch (judged->verdict) {
    case VERDICT_DONE: printf("done"); break;
    case VERDICT_DISCARD: printf("discarded: done, and nothing is kept"); break;
    case VERDICT_DEAD: printf("dead letter now"); break;
    case VERDICT_RELEASE:
        printf(judged->broken ? "the handler is broken: back to the queue in %s, without using an attempt"
                              : "back to the queue in %s, without using an attempt",
               wait);
        break;
    case VERDICT_RETRY:
    case VERDICT_TIMEOUT:
    case VERDICT_CRASH:
        if (most > 1)
            printf("retry in %s (attempt 1 of %lld)", wait, most);
        else
            printf("dead letter: there is no other attempt");
        break;
    }
    printf("%s%s\n", judged->error[0] ? ": " : "", judged->error);
}

static long long since_ms(int64_t mono_ms)
{
    return (long long)(clock_mono_ms() - mono_ms);
}

static void print_usage(int64_t user_us, int64_t system_us, int64_t rss_max_bytes)
{
    printf(", user %lld ms, system %lld ms, max RSS %lld KiB", (long long)user_us / 1000, (long long)system_us / 1000,
           (long long)rss_max_bytes / 1024);
}

static void print_end(const struct trial *trial, const struct child_result *result, const struct judged *judged)
{
    long long ran_ms = result->run_us / 1000, all_ms = since_ms(trial->begun_mono_ms);

    if (result->log_written_bytes > 0)
        printf("log (%lld bytes, %lld of them left out)\n", (long long)result->log_written_bytes,
               (long long)result->log_omitted_bytes);
    print_bytes(result->log, result->log_bytes);
    if (judged->result_bytes > 0)
        printf("result (%zu bytes, %zu more thrown away)\n", judged->result_bytes, result->result_dropped_bytes);
    print_bytes(judged->result, judged->result_bytes);
    for (size_t i = 0; i < trial->told.job_count; i++)
        printf("would enqueue\n  %s (%zu bytes)\n", trial->told.jobs[i].id, trial->told.jobs[i].record.length);
    if (trial->told.nonsense > 0)
        printf("control lines that make no sense\n  %u\n", trial->told.nonsense);
    print_verdict(judged);
    printf("times\n  started after %lld ms, ran %lld ms", all_ms > ran_ms ? all_ms - ran_ms : 0, ran_ms);
    if (!trial->pools)
        print_usage(result->user_us, result->system_us, result->rss_max_bytes);
    printf("\n");
    fflush(stdout);
}

/* ---- the run ---- */

static void on_line(const char *line, size_t bytes, void *ctx)
{
    struct trial *trial = ctx;
    struct control control;
    struct error err;
    bool refused = control_parse(&control, line, bytes, &err) < 0;

    printf("control, after %lld ms\n", since_ms(trial->begun_mono_ms));
    print_bytes(line, bytes);
    if (refused)
        printf("  refused: %s\n", err.message);
    fflush(stdout);
    told_note(&trial->told, &control, refused ? &err : NULL);
    if (!refused && control.op == CONTROL_EXTEND)
        child_extend(trial->child, control.ms);
    control_clear(&control);
}

static void on_begin(const char *frame, size_t bytes, void *ctx)
{
    const struct trial *trial = ctx;

    printf("frame, after %lld ms\n", since_ms(trial->begun_mono_ms));
    print_bytes(frame, bytes < FRAME_BYTES_MAX ? bytes : FRAME_BYTES_MAX);
    if (bytes > FRAME_BYTES_MAX)
        printf("  and %zu bytes more\n", bytes - FRAME_BYTES_MAX);
    fflush(stdout);
}

/* Its job was told of, and nothing lives on. */
static void stop_if_over(const struct trial *trial)
{
    if (!trial->child && (!trial->pools || pools_living(trial->pools) == 0))
        ev_break(trial->loop, EVBREAK_ALL);
}

static void on_pool_end(const struct pool_end *end, void *ctx)
{
    const struct trial *trial = ctx;

    printf("end\n  %s", end->how);
    if (trial->drained_mono_ms > 0)
        printf(", %lld ms after it was drained", since_ms(trial->drained_mono_ms));
    if (end->report)
        print_usage(end->report->user_us, end->report->system_us, end->report->rss_max_bytes);
    printf("\n");
    stop_if_over(trial);
}

static void on_ended(const struct child_result *result, void *ctx)
{
    struct trial *trial = ctx;
    struct judged judged;

    trial->child = NULL;
    judge(&judged, &(struct judge_facts){.ended = result,
                                         .told = &trial->told,
                                         .handler = trial->handler,
                                         .attempt = 1,
                                         .max_attempts = run_max_attempts(trial->handler, &trial->job),
                                         .random = random_below(1 << 16)});
    trial->done = judged.verdict == VERDICT_DONE || judged.verdict == VERDICT_DISCARD;
    print_end(trial, result, &judged);
    if (trial->pools && pools_living(trial->pools) > 0) {
        trial->drained_mono_ms = clock_mono_ms();
        pools_drain(trial->pools);
    }
    stop_if_over(trial);
}

static void start(struct trial *trial, struct keepers *keepers)
{
    static const unsigned char token[TOKEN_BYTES];
    char **environment =
        environment_new(&(struct environment_facts){.job = &trial->job,
                                                    .handler = trial->handler,
                                                    .session = SESSION,
                                                    .token = token,
                                                    .attempt = 1,
                                                    .max_attempts = run_max_attempts(trial->handler, &trial->job),
                                                    .timeout_ms = run_timeout_ms(trial->handler, &trial->job)});
    struct child_options options = run_options(trial->handler, &trial->job, environment);
    char name[JOB_NAME_BYTES_MAX + 1];

    if (trial->pools) {
        char **of_all = environment_of_all(environment);
        print_environment(trial->handler, of_all);
        free(of_all);
    } else {
        print_environment(trial->handler, environment);
    }
    fflush(stdout);
    snprintf(name, sizeof name, "%s/%s", trial->job.org, trial->job.id);
    trial->begun_mono_ms = clock_mono_ms();
    options.pools = trial->pools;
    options.handler = trial->handler;
    options.name = name;
    options.on_begin = on_begin;
    options.on_line = on_line;
    trial->child = child_start(trial->loop, keepers_at(keepers, 0), &options, on_ended, trial);
    environment_free(environment);
}

/* ---- what goes in ---- */

static int read_payload(struct buffer *payload, struct error *err)
{
    char bytes[65536];
    ssize_t count;

    while ((count = read(STDIN_FILENO, bytes, sizeof bytes)) != 0) {
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return error_set(err, ERR_IO, "standard input: %s", strerror(errno));
        buffer_add(payload, bytes, (size_t)count);
        if (payload->length > JOB_RECORD_BYTES_MAX)
            return error_set(err, ERR_LIMIT, "the payload has more than %d bytes", JOB_RECORD_BYTES_MAX);
    }
    return 0;
}

static void make_job(struct job *job, const char *type, const struct buffer *payload)
{
    *job = (struct job){.org = "test", .place = "running", .state = {.deliveries = 1}};
    id_draw(job->id);
    snprintf(job->record.type, sizeof job->record.type, "%s", type);
    job->record.due_ms = clock_wall_ms();
    job->state.order = job->state.enqueued_ms = job->state.started_ms = job->record.due_ms;
    job->record.payload = payload->data ? payload->data : "";
    job->record.payload_bytes = payload->length;
    job->record.has_payload = true;
}

static void on_keeper_free(unsigned number, void *ctx)
{
    (void)number, (void)ctx;
}

static int run(struct trial *trial, const struct handlers *handlers, const char *scratch, const char *cgroup, struct error *err)
{
    bool lives_on = trial->handler->mode == HANDLER_POOL;
    struct keepers *keepers;

    trial->loop = ev_default_loop(EVFLAG_AUTO | EVFLAG_NOENV);
    keepers = keepers_new(trial->loop, 1, scratch, cgroup, on_keeper_free, NULL, err);
    if (!keepers)
        return err->code;
    if (lives_on)
        trial->pools = pools_new(&(struct pools_options){
            .loop = trial->loop, .keepers = keepers, .count = 1, .handlers = handlers, .on_end = on_pool_end, .ctx = trial});
    start(trial, keepers);
    ev_run(trial->loop, 0);
    pools_free(trial->pools);
    keepers_free(keepers);
    return 0;
}

int trial_run(const struct handlers *handlers, const char *type, const char *scratch, const char *cgroup, bool *ret_done,
              struct error *err)
{
    struct trial trial = {.handler = handlers_find(handlers, type), .told = TOLD_NOTHING};
    struct buffer payload = {0};
    int rc;

    if (type_check(type, err) < 0)
        return err->code;
    if (!trial.handler)
        return error_set(err, ERR_INVALID, "there is no handler for type %s", type);
    if (!trial.handler->argv)
        return error_set(err, ERR_INVALID, "the handler of %s is the built-in @noop: there is nothing to run", type);
    rc = read_payload(&payload, err);
    if (rc == 0) {
        make_job(&trial.job, type, &payload);
        rc = run(&trial, handlers, scratch, cgroup, err);
    }
    told_clear(&trial.told);
    buffer_clear(&payload);
    *ret_done = trial.done;
    return rc;
}
