#include "tests/support/pool.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/buffer.h"
#include "common/keys.h"
#include "common/library.h"
#include "common/memory.h"

#define LEFT_OVER_MS_MAX 1000 /* a killed worker's handlers are gone after so long */
#define BATCH            100

struct scrap {
    SLIST_ENTRY(scrap) entry;
    char *text;
};

SLIST_HEAD(scraps, scrap);

/* ---- what belongs to the pool ---- */

static const char *keep(struct pool *pool, char *text)
{
    struct scrap *scrap = memory_new(sizeof *scrap);

    scrap->text = text;
    SLIST_INSERT_HEAD((struct scraps *)pool->garbage, scrap, entry);
    return text;
}

static void free_scraps(struct pool *pool)
{
    struct scraps *scraps = pool->garbage;

    while (!SLIST_EMPTY(scraps)) {
        struct scrap *scrap = SLIST_FIRST(scraps);
        SLIST_REMOVE_HEAD(scraps, entry);
        free(scrap->text);
        free(scrap);
    }
    free(scraps);
}

static redisReply *keep_reply(struct pool *pool, redisReply *reply)
{
    redisReply **place = &pool->replies[pool->reply_count++ % (sizeof pool->replies / sizeof *pool->replies)];

    freeReplyObject(*place);
    *place = reply;
    return reply;
}

const char *pool_text(struct pool *pool, const char *fmt, ...)
{
    char *text = NULL;
    va_list args;

    va_start(args, fmt);
    if (vasprintf(&text, fmt, args) < 0)
        abort();
    va_end(args);
    return keep(pool, text);
}

const char *pool_path(struct pool *pool, const char *name)
{
    return pool_text(pool, "%s/%s", pool->directory, name);
}

const char *pool_file(struct pool *pool, const char *name)
{
    return keep(pool, file_text(pool_path(pool, name)));
}

/* ---- Redis ---- */

static redisReply *try(struct pool *pool, const char *fmt, va_list args)
{
    return keep_reply(pool, redisvCommand(pool->redis, fmt, args));
}

static redisReply *insist(struct pool *pool, const char *fmt, va_list args)
{
    redisReply *reply = try(pool, fmt, args);

    if (!reply || reply->type == REDIS_REPLY_ERROR) {
        fail_msg("%s: %s", fmt, reply ? reply->str : pool->redis->errstr);
        abort(); /* never: but that is not known of fail_msg */
    }
    return reply;
}

redisReply *pool_redis(struct pool *pool, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    redisReply *reply = insist(pool, fmt, args);
    va_end(args);
    return reply;
}

const char *pool_string(struct pool *pool, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    redisReply *reply = insist(pool, fmt, args);
    va_end(args);
    return reply->str ? reply->str : "";
}

long long pool_number(struct pool *pool, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    redisReply *reply = insist(pool, fmt, args);
    va_end(args);
    return reply->type == REDIS_REPLY_INTEGER ? reply->integer : reply->str ? atoll(reply->str) : 0;
}

int64_t pool_now_ms(struct pool *pool)
{
    const redisReply *time = pool_redis(pool, "TIME");

    return atoll(time->element[0]->str) * 1000 + atoll(time->element[1]->str) / 1000;
}

redisReply *pool_call(struct pool *pool, uint32_t lane, const char *function, const char *fmt, ...)
{
    char *whole = memory_format("FCALL %s_%s 2 rota:{%u} rota:{%u}:clock %s", library_name(), function, lane, lane, fmt);
    va_list args;

    va_start(args, fmt);
    redisReply *reply = try(pool, whole, args);
    va_end(args);
    free(whole);
    return reply;
}

const char *pool_digest(struct pool *pool, const char *org)
{
    static const char *const parts[] = {"jobs", "state", "scheduled", "running", "done", "dead", "cancelled", "ready:default"};
    struct buffer digests = {0};

    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        const redisReply *reply =
            pool_redis(pool, "DEBUG DIGEST-VALUE rota:{%u}:org:%s:%s", lane_of(org, pool->lanes), org, parts[i]);
        buffer_add_format(&digests, "%s %s\n", parts[i], reply->element[0]->str);
    }
    return keep(pool, buffer_give(&digests));
}

void pool_check(struct pool *pool)
{
    char *text = file_text(INVARIANTS_PATH);

    for (uint32_t lane = 0; lane < pool->lanes; lane++) {
        const redisReply *reply = pool_redis(pool, "EVAL %s 1 rota:{%u} %s caps", text, lane, "");
        for (size_t i = 0; i < reply->element[0]->elements; i++)
            print_error("lane %u: %s\n", lane, reply->element[0]->element[i]->str);
        assert_int_equal(reply->element[0]->elements, 0);
    }
    free(text);
}

void pool_reconnect(struct pool *pool)
{
    redisFree(pool->redis);
    pool->redis = server_connect(pool->server);
}

/* ---- beginning and end ---- */

struct pool *pool_new(uint32_t lanes, const char *const *arguments)
{
    const char *all[32] = {"--appendonly", "yes", "--appendfsync", "always"};
    struct pool *pool = memory_new(sizeof *pool);
    size_t count = 4;

    for (; arguments && *arguments; arguments++)
        all[count++] = *arguments;
    stall_start();
    pool->garbage = memory_new(sizeof(struct scraps));
    pool->lanes = lanes;
    pool->server = server_start(all);
    pool->redis = server_connect(pool->server);
    pool->directory = server_directory(pool->server);
    pool->url = pool_text(pool, "unix://%s", server_socket(pool->server));
    return pool;
}

/* Processes that live in the pool's directory; `other`: only those with this variable, too. */
static unsigned signal_ours(struct pool *pool, const char *other, int number)
{
    char *home = memory_format("HOME=%s", pool->directory);
    unsigned count = signal_processes(home, other ? other : home, number);

    free(home);
    return count;
}

unsigned pool_handlers(struct pool *pool)
{
    return signal_ours(pool, "ROTA_CONTRACT=1", 0);
}

/* Number of programs that a sanitizer or an assertion complained about; prints what they said. */
static unsigned count_broken(struct pool *pool)
{
    static const char *const signs[] = {"Sanitizer", "runtime error:", "Assertion `"};
    unsigned count = 0;

    for (unsigned i = 0; i < pool->process_count; i++)
        for (size_t j = 0; j < sizeof signs / sizeof *signs; j++)
            if (strstr(process_log(pool->processes[i]), signs[j])) {
                print_error("%s\n", process_log(pool->processes[i]));
                count++;
                break;
            }
    return count;
}

void pool_free(struct pool *pool)
{
    unsigned broken = count_broken(pool), left;
    int64_t end_mono_ms;

    for (unsigned i = 0; i < pool->process_count; i++)
        process_free(pool->processes[i]);
    end_mono_ms = clock_mono_ms() + LEFT_OVER_MS_MAX;
    while ((left = signal_ours(pool, NULL, 0)) > 0 && clock_mono_ms() < end_mono_ms)
        pause_ms(3);
    signal_ours(pool, NULL, SIGKILL);
    if (server_pid(pool->server) > 0 && !pool->unchecked && left == 0)
        pool_check(pool);
    for (size_t i = 0; i < sizeof pool->replies / sizeof *pool->replies; i++)
        freeReplyObject(pool->replies[i]);
    redisFree(pool->redis);
    job_clear(&pool->job);
    server_stop(pool->server);
    free_scraps(pool);
    free(pool);
    assert_int_equal(left, 0);
    assert_int_equal(broken, 0);
}

int pool_setup(void **state)
{
    *state = pool_new(1, NULL);
    return 0;
}

int pool_setup_lanes(void **state)
{
    *state = pool_new(8, NULL);
    return 0;
}

int pool_teardown(void **state)
{
    pool_free(*state);
    return 0;
}

/* ---- programs ---- */

static struct process *start(struct pool *pool, const char *program, const char *first, va_list args)
{
    const char *arguments[64] = {"--redis", pool->url, "--log-format", "logfmt"}, *environment[16] = {NULL};
    char *home = memory_format("HOME=%s", pool->directory);
    const char *log = pool_text(pool, "%s/%s.%u.log", pool->directory, program, pool->process_count);
    size_t count = 4, variables = 0;
    struct process *process;

    assert_true(pool->process_count < POOL_PROCESSES_MAX);
    for (const char *word = first; word; word = va_arg(args, const char *))
        arguments[count++] = word;
    environment[variables++] = home;
    for (const char *const *variable = pool->environment; variable && *variable; variable++)
        environment[variables++] = *variable;
    process = process_start(
        &(struct process_options){.program = program, .arguments = arguments, .environment = environment, .log = log});
    pool->processes[pool->process_count++] = process;
    free(home);
    return process;
}

struct process *pool_start(struct pool *pool, const char *program, ...)
{
    va_list args;

    va_start(args, program);
    struct process *process = start(pool, program, va_arg(args, const char *), args);
    va_end(args);
    return process;
}

struct process *pool_scheduler(struct pool *pool, ...)
{
    va_list args;

    va_start(args, pool);
    struct process *process = start(pool, "rota-scheduler", va_arg(args, const char *), args);
    va_end(args);
    process_wait_for(process, " msg=leading");
    return process;
}

struct process *pool_worker(struct pool *pool, ...)
{
    va_list args;

    va_start(args, pool);
    struct process *process = start(pool, "rota-worker", va_arg(args, const char *), args);
    va_end(args);
    WAIT_UNTIL(count_text(process_log(process), "msg=\"session open\"") >= pool->lanes || !process_runs(process));
    process_wait_for(process, "msg=\"session open\"");
    return process;
}

/* The session that the last line with `text` names. */
static const char *last_session(struct pool *pool, struct process *process, const char *text)
{
    char session[TYPE_BYTES_MAX + 1] = "";

    for (const char *at = process_log(process); (at = strstr(at, text));) {
        at += strlen(text);
        snprintf(session, sizeof session, "%.*s", (int)strcspn(at, " \n"), at);
    }
    return pool_text(pool, "%s", session);
}

const char *pool_session(struct pool *pool, struct process *worker, uint32_t lane)
{
    return last_session(pool, worker, pool_text(pool, "msg=\"session open\" lane=%u session=", lane));
}

const char *pool_scheduler_session(struct pool *pool, struct process *scheduler)
{
    return last_session(pool, scheduler, "msg=\"session open\" session=");
}

long long pool_held(struct pool *pool, const char *session)
{
    long long sum = 0;

    for (uint32_t lane = 0; lane < pool->lanes; lane++)
        sum += pool_number(pool, "HLEN rota:{%u}:held:%s", lane, session);
    return sum;
}

const char *pool_logging(struct pool *pool, const char *type, const char *command)
{
    return pool_text(pool, "%s=echo $ROTA_WORKER_ID $ROTA_ORG/$ROTA_JOB_ID >> %s/ran; %s", type, pool->directory, command);
}

unsigned pool_logged(struct pool *pool, const char *text)
{
    return count_text(pool_file(pool, "ran"), text);
}

/* ---- jobs ---- */

static redisReply *enqueue(struct pool *pool, const char *org, const char *id, const struct job_record *record)
{
    struct buffer bytes = {0};
    struct error err;

    if (job_record_encode(&bytes, record, &err) < 0)
        fail_msg("record of %s/%s: %s", org, id, err.message);
    redisReply *reply = pool_call(pool, lane_of(org, pool->lanes), "enqueue", "%s %s %b", org, id, bytes.data, bytes.length);
    buffer_clear(&bytes);
    return reply;
}

const char *pool_offer(struct pool *pool, const char *org, const char *id, const struct job_record *record)
{
    const redisReply *reply = enqueue(pool, org, id, record);

    if (!reply)
        return "no reply";
    return reply->type == REDIS_REPLY_ARRAY ? reply->element[0]->str : reply->str;
}

void pool_push_record(struct pool *pool, const char *org, const char *id, const struct job_record *record)
{
    assert_string_equal(pool_offer(pool, org, id, record), "new");
}

void pool_push(struct pool *pool, const char *org, const char *id, const char *type, const char *payload)
{
    struct job_record record = {.payload = payload, .payload_bytes = strlen(payload), .has_payload = true};

    snprintf(record.type, sizeof record.type, "%s", type);
    pool_push_record(pool, org, id, &record);
}

void pool_push_many(struct pool *pool, const char *org, const char *prefix, unsigned count, const char *type, const char *payload)
{
    for (unsigned i = 0; i < count; i++)
        pool_push(pool, org, pool_text(pool, "%s%04u", prefix, i), type, payload);
}

static const redisReply *element(const redisReply *reply, size_t index)
{
    assert_true(reply->type == REDIS_REPLY_ARRAY && index < reply->elements);
    return reply->element[index];
}

const struct job *pool_job(struct pool *pool, const char *org, const char *id)
{
    const redisReply *reply = pool_call(pool, lane_of(org, pool->lanes), "job", "%s %s", org, id);
    struct job *job = &pool->job;
    struct error err;

    job_clear(job);
    *job = (struct job){0};
    assert_true(reply && reply->type == REDIS_REPLY_ARRAY);
    if (reply->elements == 0)
        return job;
    snprintf(job->place, sizeof job->place, "%s", element(reply, 0)->str);
    snprintf(job->org, sizeof job->org, "%s", org);
    snprintf(job->id, sizeof job->id, "%s", id);
    job->cancelling = element(reply, 5)->integer == 1;
    if (job_decode(job, element(reply, 2)->str, element(reply, 2)->len, element(reply, 3)->str, element(reply, 3)->len, &err) < 0)
        fail_msg("job %s/%s: %s", org, id, err.message);
    return job;
}

const char *pool_place(struct pool *pool, const char *org, const char *id)
{
    return pool_job(pool, org, id)->place;
}

const char *pool_result(struct pool *pool, const char *org, const char *id)
{
    const struct attempt *attempt = job_last_attempt(pool_job(pool, org, id));

    if (!attempt || !attempt->report.result)
        return "";
    return keep(pool, memory_copy(attempt->report.result, attempt->report.result_bytes));
}

long long pool_count(struct pool *pool, const char *org, const char *set)
{
    return pool_number(pool, "ZCARD rota:{%u}:org:%s:%s", lane_of(org, pool->lanes), org, set);
}

void pool_wait_place(struct pool *pool, const char *org, const char *id, const char *place)
{
    WAIT_UNTIL(strcmp(pool_place(pool, org, id), place) == 0);
}
