#include "tests/faults/load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/buffer.h"
#include "common/memory.h"
#include "tests/support/numbers.h"

#define RUN_MS_MIN     5
#define RUN_MS_MAX     200
#define DELAY_MS_MAX   800
#define REFUSALS_SHOWN 1

unsigned load_random(struct load *load, unsigned below)
{
    return (unsigned)(draw_number(&load->random) % below);
}

/* ---- jobs ---- */

static const char *org_of(unsigned job)
{
    static const char *const orgs[LOAD_ORGS] = {"acme", "globex", "initech", "solo", "umbrella"};

    return orgs[job % LOAD_ORGS];
}

static void write_id(char ret_id[16], unsigned job)
{
    snprintf(ret_id, 16, "j%05u", job);
}

struct load *load_new(struct pool *pool, uint64_t seed)
{
    struct load *load = memory_new(sizeof *load);

    load->pool = pool;
    load->random = seed;
    load->clock_is_true = true;
    for (unsigned org = 0; org < LOAD_ORGS; org++)
        assert_string_equal(pool_call(pool, lane_of(org_of(org), pool->lanes), "org_set",
                                      "tester %s max_crashes 1000 keep_done_max 1000000", org_of(org))
                                ->str,
                            "ok");
    return load;
}

void load_free(struct load *load)
{
    if (!load)
        return;
    free(load->starts);
    free(load);
}

const char *load_handler(const struct load *load)
{
    const char *file = load->pool->directory;

    return pool_text(
        load->pool,
        "work=read -r up rest < /proc/uptime; echo S $ROTA_ORG/$ROTA_JOB_ID $ROTA_DELIVERY $ROTA_WORKER_ID $up $$ >> %s/ran; "
        "read -r seconds; sleep $seconds; echo E $ROTA_ORG/$ROTA_JOB_ID $ROTA_DELIVERY $ROTA_WORKER_ID $$ >> %s/ran; "
        "echo $ROTA_JOB_ID",
        file, file);
}

/* Offers job number `job`, the same record each time. */
static enum load_answer offer(struct load *load, unsigned job, const char **ret_answer)
{
    struct job_record record = {.type = "work", .has_payload = true, .delay_ms = load->jobs[job].delay_ms, .nonce = job};
    char payload[32], id[16];

    write_id(id, job);
    record.payload_bytes = (size_t)snprintf(payload, sizeof payload, "0.%03u\n", load->jobs[job].run_ms);
    record.payload = payload;
    *ret_answer = pool_offer(load->pool, org_of(job), id, &record);
    if (strcmp(*ret_answer, "new") == 0 || strcmp(*ret_answer, "exists") == 0)
        return LOAD_ACKNOWLEDGED;
    return strcmp(*ret_answer, "no reply") == 0 ? LOAD_UNKNOWN : LOAD_REFUSED;
}

void load_offer(struct load *load)
{
    unsigned job = load->count++;
    const char *answer;

    assert_true(job < LOAD_JOBS_MAX);
    load->jobs[job].run_ms = RUN_MS_MIN + load_random(load, RUN_MS_MAX - RUN_MS_MIN);
    load->jobs[job].delay_ms = load_random(load, 5) == 0 ? load_random(load, DELAY_MS_MAX) : 0;
    load->jobs[job].answer = offer(load, job, &answer);
    load->acknowledged += load->jobs[job].answer == LOAD_ACKNOWLEDGED;
    load->unknown += load->jobs[job].answer == LOAD_UNKNOWN;
    if (load->jobs[job].answer == LOAD_REFUSED && load->refused++ < REFUSALS_SHOWN)
        print_message("  refused: %.60s\n", answer);
}

void load_settle_unknown(struct load *load)
{
    for (unsigned job = 0; job < load->count; job++) {
        const char *answer;
        if (load->jobs[job].answer != LOAD_UNKNOWN)
            continue;
        load->jobs[job].answer = offer(load, job, &answer);
        if (load->jobs[job].answer != LOAD_ACKNOWLEDGED)
            fail_msg("job %u was offered again and answered \"%s\"", job, answer);
        load->acknowledged++;
        load->again_new += strcmp(answer, "new") == 0;
        load->again_exists += strcmp(answer, "exists") == 0;
    }
}

/* ---- the end ---- */

static long long count_all(struct load *load, const char *set)
{
    long long sum = 0;

    for (unsigned org = 0; org < LOAD_ORGS; org++)
        sum += pool_count(load->pool, org_of(org), set);
    return sum;
}

long long load_running(struct load *load)
{
    return count_all(load, "running");
}

static void run_now(struct load *load)
{
    for (unsigned org = 0; org < LOAD_ORGS; org++) {
        uint32_t lane = lane_of(org_of(org), load->pool->lanes);
        const redisReply *ids = pool_redis(load->pool, "ZRANGE rota:{%u}:org:%s:scheduled 0 -1", lane, org_of(org));
        for (size_t i = 0; i < ids->elements; i++) {
            char *id = memory_string(ids->element[i]->str);
            pool_call(load->pool, lane, "reschedule", "tester %s %s 0", org_of(org), id);
            free(id);
            if (i >= 32) /* replies live for 64 calls: the next turn goes on */
                break;
        }
    }
}

void load_drain(struct load *load, int64_t within_ms)
{
    int64_t end_mono_ms = clock_mono_ms() + within_ms;

    while (count_all(load, "done") + count_all(load, "dead") < load->acknowledged) {
        if (clock_mono_ms() > end_mono_ms) {
            print_error("done %lld, dead %lld, running %lld, ready %lld, scheduled %lld of %u\n", count_all(load, "done"),
                        count_all(load, "dead"), count_all(load, "running"), count_all(load, "ready:default"),
                        count_all(load, "scheduled"), load->acknowledged);
            process_fail(__FILE__, __LINE__, within_ms, "all jobs have ended");
        }
        run_now(load);
        pause_ms(20);
    }
}

/* ---- what the handlers wrote ---- */

static int64_t wall_ms_at_boot(void)
{
    struct timespec wall, boot;

    clock_gettime(CLOCK_REALTIME, &wall);
    clock_gettime(CLOCK_BOOTTIME, &boot);
    return (wall.tv_sec - boot.tv_sec) * 1000LL + (wall.tv_nsec - boot.tv_nsec) / 1000000;
}

static void note_end(struct load *load, unsigned job, unsigned delivery, long pid)
{
    for (unsigned i = load->start_count; i-- > 0;)
        if (load->starts[i].job == job && load->starts[i].delivery == delivery && load->starts[i].pid == pid) {
            load->starts[i].ended = true;
            return;
        }
    fail_msg("an end without a start: job %u, delivery %u", job, delivery);
}

void load_read_starts(struct load *load)
{
    char *path = memory_format("%s/ran", load->pool->directory), *text = file_text(path);
    int64_t boot_ms = wall_ms_at_boot();

    load->starts = memory_resize(load->starts, (count_text(text, "S ") + 1) * sizeof *load->starts);
    load->start_count = 0;
    for (char *rest, *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        struct load_start start = {0};
        double up_s;
        if (sscanf(line, "S %*[^/]/j%u %u %64s %lf %ld", &start.job, &start.delivery, start.session, &up_s, &start.pid) == 5) {
            start.wall_ms = boot_ms + (int64_t)(up_s * 1000);
            load->starts[load->start_count++] = start;
        } else if (sscanf(line, "E %*[^/]/j%u %u %64s %ld", &start.job, &start.delivery, start.session, &start.pid) == 4) {
            note_end(load, start.job, start.delivery, start.pid);
        } else {
            fail_msg("a handler wrote \"%s\"", line);
        }
    }
    free(text);
    free(path);
}

long load_running_handler(struct load *load)
{
    load_read_starts(load);
    for (unsigned i = load->start_count; i-- > 0;)
        if (!load->starts[i].ended && pid_runs((pid_t)load->starts[i].pid))
            return load->starts[i].pid;
    return 0;
}

/* ---- the proof ---- */

/* Each delivery has one attempt, one after the other; the last one alone ended well. */
static void check_attempts(const struct load *load, const struct job *job)
{
    const struct job_state *state = &job->state;

    if (strcmp(job->place, "done") != 0)
        fail_msg("%s/%s is %s%s%s", job->org, job->id, job->place[0] ? job->place : "lost", state->reason[0] ? ": " : "",
                 state->reason);
    if ((size_t)state->deliveries != state->attempt_count)
        fail_msg("%s/%s was delivered %d times, and ended %zu times", job->org, job->id, state->deliveries, state->attempt_count);
    for (size_t i = 0; i < state->attempt_count; i++) {
        const struct attempt *attempt = &state->attempts[i];
        if ((strcmp(attempt->outcome, "done") == 0) != (i + 1 == state->attempt_count))
            fail_msg("%s/%s: delivery %zu of %zu ended as %s", job->org, job->id, i + 1, state->attempt_count, attempt->outcome);
        if (load->clock_is_true && i > 0 && attempt->started_ms < attempt[-1].ended_ms)
            fail_msg("%s/%s: delivery %zu began %lld ms before the one before it had ended", job->org, job->id, i + 1,
                     (long long)(attempt[-1].ended_ms - attempt->started_ms));
    }
    const struct report *report = &job_last_attempt(job)->report;
    if (report->result_bytes != strlen(job->id) + 1 || memcmp(report->result, job->id, strlen(job->id)) != 0)
        fail_msg("%s/%s has the result of another one", job->org, job->id);
}

/* A handler began under a lease, for its owner, and after the owner before it had lost it. */
static void check_start(const struct load *load, const struct job *job, const struct load_start *start, bool *seen)
{
    const struct attempt *attempts = job->state.attempts;
    size_t index = start->delivery - 1;

    if (index >= job->state.attempt_count)
        fail_msg("%s/%s: a handler saw delivery %u of %zu", job->org, job->id, start->delivery, job->state.attempt_count);
    if (seen[index])
        fail_msg("%s/%s: delivery %u was started twice", job->org, job->id, start->delivery);
    seen[index] = true;
    if (strcmp(attempts[index].worker, start->session) != 0)
        fail_msg("%s/%s: delivery %u was %s's and was started by %s", job->org, job->id, start->delivery, attempts[index].worker,
                 start->session);
    if (load->clock_is_true && index > 0 && start->wall_ms + LOAD_GRAIN_MS < attempts[index - 1].ended_ms)
        fail_msg("%s/%s: delivery %u was started while %s still owned it", job->org, job->id, start->delivery,
                 attempts[index - 1].worker);
}

void load_check(struct load *load)
{
    load_read_starts(load);
    for (unsigned number = 0; number < load->count; number++) {
        char id[16];
        bool seen[JOB_ATTEMPTS_KEPT] = {false};
        write_id(id, number);
        const struct job *job = pool_job(load->pool, org_of(number), id);
        if (load->jobs[number].answer != LOAD_ACKNOWLEDGED) {
            if (job->place[0])
                fail_msg("%s/%s was refused and is %s", job->org, job->id, job->place);
            continue;
        }
        if (!job->place[0])
            fail_msg("%s/%s was acknowledged and is gone", org_of(number), id);
        check_attempts(load, job);
        for (unsigned i = 0; i < load->start_count; i++)
            if (load->starts[i].job == number)
                check_start(load, job, &load->starts[i], seen);
        if (!seen[job->state.attempt_count - 1])
            fail_msg("%s/%s is done and was never started", job->org, job->id);
    }
    assert_int_equal(load_running(load), 0);
}

/* Fails if the session (`length` bytes) is not among the killed. */
static void check_killed(const char *killed, const char *session, size_t length, const char *what)
{
    char *word = memory_format(" %.*s ", (int)length, session);
    bool found = strstr(killed, word) != NULL;

    free(word);
    if (!found) {
        print_error("nobody killed %.*s: %s\n", (int)length, session, what);
        process_fail(__FILE__, __LINE__, 0, "no false recovery");
    }
}

/* What the schedulers say that they have recovered. */
static unsigned check_said(struct load *load, const char *killed)
{
    static const char said[] = "msg=\"session was dead: recovered\" ";
    unsigned count = 0;

    for (unsigned i = 0; i < load->pool->process_count; i++)
        for (const char *log = process_log(load->pool->processes[i]); (log = strstr(log, said)); count++) {
            log = strstr(log, "session=") + strlen("session=");
            check_killed(killed, log, strcspn(log, " \n"), "a scheduler gave it up");
        }
    return count;
}

unsigned load_check_lost(struct load *load, const char *org, const char *id, const char *killed)
{
    const struct job_state *state = &pool_job(load->pool, org, id)->state;
    unsigned count = 0;

    for (size_t i = 0; i < state->attempt_count; i++)
        if (strcmp(state->attempts[i].outcome, "lost") == 0) {
            check_killed(killed, state->attempts[i].worker, strlen(state->attempts[i].worker), "an attempt of its is lost");
            count++;
        }
    return count;
}

struct load_recovered load_check_recovered(struct load *load, const char *killed)
{
    struct load_recovered recovered = {.sessions = check_said(load, killed)};

    for (unsigned number = 0; number < load->count; number++) {
        char id[16];
        write_id(id, number);
        recovered.attempts += load_check_lost(load, org_of(number), id, killed);
    }
    return recovered;
}
