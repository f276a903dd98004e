/* manners - what an operator may expect of a process: it listens to signals, tells how it is, and keeps secrets. */
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/memory.h"
#include "tests/support/pool.h"
#include "tests/support/rota.h"

#define HOLD "until [ -e $HOME/go ]; do sleep 0.02; done"

static void let_go(struct pool *pool)
{
    write_text(pool, "go", "");
}

/* ---- quiet, resume, dump ---- */

static void a_quiet_worker_takes_no_more_jobs_and_keeps_those_it_has(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);
    struct process *worker = pool_worker(pool, "--slots", "4", "--session-timeout", "1s", "--session-beat", "100ms", "--on",
                                         pool_logging(pool, "t", HOLD), NULL);
    const char *session = pool_session(pool, worker, 0);
    pool_push(pool, "acme", "before", "t", "");
    WAIT_UNTIL(pool_logged(pool, "acme/before") == 1);

    process_signal(worker, SIGTSTP);
    process_wait_for(worker, "msg=\"quiet: no more jobs are claimed\" asked_by=\"signal TSTP\" running=1");
    pool_push(pool, "acme", "after", "t", "");
    let_go(pool);

    pool_wait_place(pool, "acme", "before", "done");
    WAIT_UNTIL(strcmp(pool_string(pool, "HGET rota:worker:%s phase", session), "quiet") == 0);
    assert_string_equal(pool_string(pool, "HGET rota:worker:%s asked_by", session), "signal TSTP");
    long long beat = pool_number(pool, "HGET rota:{0}:session:%s beat", session);
    WAIT_UNTIL(pool_number(pool, "HGET rota:{0}:session:%s beat", session) > beat + 25); /* two time-outs and more */
    assert_string_equal(pool_place(pool, "acme", "after"), "ready");
    assert_int_equal(pool_job(pool, "acme", "after")->state.deliveries, 0);

    process_signal(worker, SIGCONT);
    pool_wait_place(pool, "acme", "after", "done");
    assert_string_equal(pool_session(pool, worker, 0), session); /* it was there all the time */
    WAIT_UNTIL(strcmp(pool_string(pool, "HGET rota:worker:%s phase", session), "running") == 0);
}

/* True if a worker sleeps on wake-up tokens. */
static bool sleeps(struct pool *pool)
{
    const char *client = strstr(pool_string(pool, "CLIENT LIST"), "name=rota-sleeper"),
               *end = client ? strchr(client, '\n') : NULL, *command = client ? strstr(client, "cmd=bzpopmin") : NULL;

    return command && end && command < end;
}

static void a_quiet_worker_hands_a_wake_up_token_on(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);
    struct process *quiet = pool_worker(pool, "--on", "t=@noop", NULL);
    WAIT_UNTIL(sleeps(pool));
    process_signal(quiet, SIGTSTP); /* while it sleeps on the tokens */
    process_wait_for(quiet, "msg=\"quiet:");
    pool_worker(pool, "--on", "t=@noop", NULL);

    int64_t pushed_mono_ms = clock_mono_ms();
    for (unsigned i = 0; i < 10; i++) {
        const char *id = pool_text(pool, "job%u", i);
        pool_push(pool, "acme", id, "t", "");
        pool_wait_place(pool, "acme", id, "done");
    }
    assert_true(awake_ms_since(pushed_mono_ms) < 900); /* before anybody wakes by himself */
}

static void a_quiet_worker_can_be_drained(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);
    struct process *worker = pool_worker(pool, "--on", pool_logging(pool, "t", HOLD), NULL);
    pool_push(pool, "acme", "job1", "t", "");
    WAIT_UNTIL(pool_logged(pool, "acme/") == 1);
    process_signal(worker, SIGTSTP);
    process_wait_for(worker, "msg=\"quiet:");

    process_signal(worker, SIGTERM);
    process_wait_for(worker, "msg=draining");
    process_signal(worker, SIGCONT); /* too late */
    let_go(pool);

    assert_int_equal(process_wait(worker, PROCESS_MS_MAX), 0);
    assert_string_equal(pool_place(pool, "acme", "job1"), "done");
    assert_null(process_said(worker, "claiming jobs again"));
}

static void a_dump_tells_what_runs_for_how_long(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);
    struct process *worker = pool_worker(pool, "--slots", "3", "--queue", "default=2", "--on", "other=@noop", "--on",
                                         pool_logging(pool, "report.pdf", HOLD), NULL);
    struct job_record record = {.type = "report.pdf", .payload = "", .has_payload = true, .timeout_ms = 61000};
    pool_push(pool, "acme", "first", "other", "");
    pool_wait_place(pool, "acme", "first", "done");
    pool_push_record(pool, "acme", "job1", &record);
    WAIT_UNTIL(pool_logged(pool, "acme/job1") == 1);

    process_signal(worker, SIGTTIN);

    process_wait_for(worker, "msg=\"dump: slot\" ");
    const char *session = pool_session(pool, worker, 0), *log = process_log(worker);
    assert_has(
        log, "msg=\"dump: worker\" phase=running asked_by=\"signal TTIN\" slots=3 running=1 begun=2 done=1 failed=0 released=0");
    assert_has(log, pool_text(pool, "msg=\"dump: redis\" address=%s up=1 ", pool->url));
    assert_has(log, "msg=\"dump: queue\" capsule=default name=default weight=2");
    assert_has(log, pool_text(pool, "msg=\"dump: lane\" number=0 session=%s open=1 held=1 reports=0 claiming=0", session));
    const char *slot = strstr(process_log(worker), "msg=\"dump: slot\" ");
    assert_has(slot, "job=acme/job1 org=acme type=report.pdf attempt=1 pid=");
    assert_has(slot, "timeout_ms=61000 ours=1");
    assert_true(pid_runs((pid_t)atoi(strstr(slot, "pid=") + 4)));
    assert_in_range(atoi(strstr(slot, "elapsed_ms=") + 11), 0, PROCESS_MS_MAX);
    let_go(pool);
    pool_wait_place(pool, "acme", "job1", "done");
}

static void a_scheduler_tells_what_it_does(void **state)
{
    struct pool *pool = *state;
    struct process *leader = pool_scheduler(pool, NULL), *follower = pool_start(pool, "rota-scheduler", NULL);
    const char *leading = pool_scheduler_session(pool, leader);
    process_wait_for(follower, "msg=\"session open\"");

    process_signal(leader, SIGTTIN);
    process_wait_for(
        leader, pool_text(pool, "msg=\"dump: scheduler\" phase=leading session=%s leader=%s epoch=1 lanes=1 intake_stopped=0",
                          leading, leading));
    process_wait_for(leader, "msg=\"dump: duties\" recovery=\"all sessions\" promotion=1 inbox=1 upkeep=1");
    process_wait_for(leader, "msg=\"dump: redis\" ");
    WAIT_UNTIL((process_signal(follower, SIGTTIN), process_said(follower, pool_text(pool, "leader=%s", leading))));
    process_wait_for(follower, "phase=\"standing by\"");
    process_wait_for(follower, "msg=\"dump: duties\" recovery=\"the leader\" promotion=0 inbox=0 upkeep=0");

    process_signal(follower, SIGTSTP); /* it cannot be quiet, and says so */
    process_wait_for(follower, "msg=\"signal ignored: it means nothing here\" signal=TSTP");
}

/* ---- the same from elsewhere ---- */

static void a_worker_is_quiet_when_somebody_far_away_says_so(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);
    struct process *worker = pool_worker(pool, "--session-timeout", "1s", "--session-beat", "100ms", "--on", "t=@noop", NULL);
    const char *session = pool_session(pool, worker, 0), *beginning = pool_text(pool, "%.10s", session);

    struct ran ran = ROTA_MUST(pool, 0, "worker", "quiet", beginning);

    assert_has(ran.err, pool_text(pool, "worker %s is quiet: it claims no more, what runs goes on. Undo: rota worker resume %s",
                                  session, session));
    assert_has(process_log(worker), "msg=\"quiet: no more jobs are claimed\" asked_by=\"");
    assert_has(process_log(worker), "@");
    ran = ROTA_MUST(pool, 0, "worker", "list", "--json");
    json_t *list = ran_json(&ran), *object = json_array_get(list, 0);
    if (strcmp(json_text(object, "worker"), session) != 0)
        object = json_array_get(list, 1);
    assert_string_equal(json_text(object, "state"), "quiet");
    assert_string_equal(json_text(object, "asked"), "quiet");
    assert_has(json_text(object, "asked_by"), "@");
    assert_true(json_number(object, "asked_ms") > 0);
    json_decref(list);
    assert_has(ROTA_MUST(pool, 0, "worker", "show", session).out, "state              quiet\n");
    pool_push(pool, "acme", "job1", "t", "");
    long long beat = pool_number(pool, "HGET rota:{0}:session:%s beat", session);
    WAIT_UNTIL(pool_number(pool, "HGET rota:{0}:session:%s beat", session) > beat + 3);
    assert_string_equal(pool_place(pool, "acme", "job1"), "ready");

    process_signal(worker, SIGCONT); /* who is there has the last word: the old order is not carried out again */
    pool_wait_place(pool, "acme", "job1", "done");
    beat = pool_number(pool, "HGET rota:{0}:session:%s beat", session);
    WAIT_UNTIL(pool_number(pool, "HGET rota:{0}:session:%s beat", session) > beat + 3);
    assert_int_equal(count_text(process_log(worker), "msg=\"quiet:"), 1);

    ROTA_MUST(pool, 0, "worker", "quiet", session);
    assert_has(ROTA_MUST(pool, 0, "worker", "resume", session).err, "claims jobs again");
    pool_push(pool, "acme", "job2", "t", "");
    pool_wait_place(pool, "acme", "job2", "done");
}

/* In a deployment of eight lanes, where it has a session in each. */
static void a_worker_of_many_lanes_gets_an_order_once(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, "--lanes", "8", NULL);
    struct process *worker = pool_worker(pool, "--slots", "2", "--session-timeout", "1s", "--session-beat", "100ms", "--on",
                                         pool_logging(pool, "t", HOLD), NULL);
    const char *session = pool_session(pool, worker, 3);
    pool_push(pool, "acme", "job1", "t", "");
    WAIT_UNTIL(pool_logged(pool, "acme/job1") == 1);

    struct ran ran = ROTA_MUST(pool, 0, "worker", "dump", session);

    assert_has(ran.out, pool_text(pool, "worker %s\n  worker phase=running asked_by=", session));
    assert_has(ran.out, "\n  slot number=0 job=acme/job1 org=acme type=t attempt=1 pid=");
    assert_int_equal(count_text(process_log(worker), "msg=\"dump: worker\""), 1);
    assert_in_range(pool_number(pool, "TTL rota:worker:%s:dump", session), 1, 600);

    /* In lane 0 its session is lost, and with it the order that nobody has heard: the next one goes another way. */
    process_signal(worker, SIGSTOP);
    const char *beat = pool_text(pool, "%s", pool_string(pool, "HGET rota:{0}:session:%s beat", session));
    pool_redis(pool, "ZADD rota:{0}:sessions 1 %s", session);
    assert_string_equal(pool_call(pool, 0, "recover", "%s %s 64", session, beat)->element[0]->str, "ok");
    process_signal(worker, SIGCONT);
    WAIT_UNTIL(strcmp(pool_session(pool, worker, 0), session) != 0);
    ROTA_MUST(pool, 0, "worker", "quiet", session);
    process_wait_for(worker, "msg=\"quiet:");
    assert_string_equal(pool_string(pool, "HGET rota:worker:%s phase", pool_session(pool, worker, 0)), "quiet");
    ROTA_MUST(pool, 0, "worker", "resume", pool_session(pool, worker, 0));
    process_wait_for(worker, "msg=\"claiming jobs again\"");
    let_go(pool);
    pool_wait_place(pool, "acme", "job1", "done");
}

static void a_worker_stops_when_somebody_far_away_says_so(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);
    struct process *worker =
        pool_worker(pool, "--session-timeout", "1s", "--session-beat", "100ms", "--on", pool_logging(pool, "t", HOLD), NULL);
    const char *session = pool_session(pool, worker, 0);
    pool_push(pool, "acme", "job1", "t", "");
    WAIT_UNTIL(pool_logged(pool, "acme/job1") == 1);

    assert_has(ROTA_MUST(pool, 0, "worker", "stop", session).err,
               "is draining: it claims no more and stops when its jobs have ended");
    assert_has(ROTA_MUST(pool, 0, "worker", "list").out, " draining ");
    struct ran ran = ROTA_MUST(pool, 75, "worker", "stop", session, "--wait", "--wait-timeout", "100ms");
    assert_has(ran.err, "has not stopped yet: it is draining");
    assert_has(ROTA_MUST(pool, 0, "worker", "resume", session).err, "is draining: the order came to nothing");
    let_go(pool);
    assert_int_equal(process_wait(worker, PROCESS_MS_MAX), 0);
    assert_string_equal(pool_place(pool, "acme", "job1"), "done");
    assert_int_equal(pool_job(pool, "acme", "job1")->state.attempt_count, 1);

    worker = pool_worker(pool, "--session-timeout", "1s", "--session-beat", "100ms", "--on", "t=@noop", NULL);
    ran = ROTA_MUST(pool, 0, "worker", "stop", "--wait", pool_session(pool, worker, 0));
    assert_has(ran.err, "has stopped");
    assert_int_equal(process_wait(worker, PROCESS_MS_MAX), 0);
    assert_has(ROTA_MUST(pool, 66, "worker", "quiet", pool_session(pool, worker, 0)).err, "is gone: it was stopped");
}

static void orders_to_nobody_are_refused(void **state)
{
    struct pool *pool = *state;
    struct process *scheduler = pool_scheduler(pool, NULL);
    struct process *frozen = pool_worker(pool, "--session-timeout", "1s", "--session-beat", "100ms", "--on", "t=@noop", NULL);
    const char *session = pool_session(pool, frozen, 0);

    assert_has(ROTA_MUST(pool, 66, "worker", "quiet", "nobody").err,
               "no live worker has an id that is or begins with \"nobody\"");
    ROTA_MUST(pool, 64, "worker", "quiet", "no/body");
    ROTA_MUST(pool, 64, "worker", "quiet", "");
    ROTA_MUST(pool, 64, "worker", "quiet");
    ROTA_MUST(pool, 64, "worker", "quiet", session, "--all");
    ROTA_MUST(pool, 64, "worker", "quiet", "--all"); /* nobody can be asked */
    assert_has(ROTA_MUST(pool, 64, "worker", "dump", pool_scheduler_session(pool, scheduler)).err,
               "is a scheduler, and takes no orders");
    process_signal(scheduler, SIGSTOP); /* nobody recovers what follows */
    pool_redis(pool, "ZADD rota:{0}:sessions 9999999999999 twin1 9999999999999 twin2");
    assert_has(ROTA_MUST(pool, 64, "worker", "stop", "twin").err, "is the beginning of more than one worker: twin1, twin2");
    pool_redis(pool, "ZREM rota:{0}:sessions twin1 twin2");

    process_signal(frozen, SIGSTOP);
    assert_has(ROTA_MUST(pool, 75, "worker", "quiet", session).err, "has not answered within 3000 ms: the order stands");
    process_signal(frozen, SIGCONT);
    process_wait_for(frozen, "msg=\"quiet:");
    process_signal(scheduler, SIGCONT);
}

static void all_workers_are_told_at_once(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);
    struct process *workers[3];
    for (int i = 0; i < 3; i++)
        workers[i] = pool_worker(pool, "--session-timeout", "1s", "--session-beat", "100ms", "--on", "t=@noop", NULL);

    struct ran ran = ROTA_MUST(pool, 0, "worker", "quiet", "--all", "--yes", "--json");

    json_t *list = ran_json(&ran);
    assert_int_equal(json_array_size(list), 3);
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(json_text(json_array_get(list, i), "state"), "quiet");
    json_decref(list);
    for (int i = 0; i < 3; i++)
        assert_non_null(process_said(workers[i], "msg=\"quiet:"));
    ROTA_MUST(pool, 0, "worker", "stop", "--all", "--yes", "--wait");
    for (int i = 0; i < 3; i++)
        assert_int_equal(process_wait(workers[i], PROCESS_MS_MAX), 0);
}

/* ---- types that nobody knows ---- */

static void a_job_runs_soon_after_a_worker_that_knows_its_type_has_come(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);
    pool_worker(pool, "--on", pool_logging(pool, "plain", "true"), NULL);
    pool_push_many(pool, "acme", "strange", 20, "strange", "");
    pool_push(pool, "acme", "plain", "plain", "");
    pool_wait_place(pool, "acme", "plain", "done"); /* they are not in its way */
    WAIT_UNTIL(pool_count(pool, "acme", "scheduled") == 20);

    int64_t come_mono_ms = clock_mono_ms();
    pool_worker(pool, "--slots", "2", "--on", pool_logging(pool, "strange", "true"), NULL);
    WAIT_UNTIL(pool_count(pool, "acme", "done") == 21);

    assert_true(awake_ms_since(come_mono_ms) < 4000); /* not even the first rest was over */
    for (unsigned i = 0; i < 20; i++) {
        const struct job *job = pool_job(pool, "acme", pool_text(pool, "strange%04u", i));
        assert_int_equal(job->state.attempt, 1);
        assert_int_equal(job->state.deliveries, 1);
    }
    pool_push(pool, "acme", "another", "strange", ""); /* whoever meets it first: the one that knows it hears of it */
    come_mono_ms = clock_mono_ms();
    pool_wait_place(pool, "acme", "another", "done");
    assert_true(awake_ms_since(come_mono_ms) < 4000);
}

/* ---- the log ---- */

static void the_log_file_is_opened_again(void **state)
{
    struct pool *pool = *state;
    const char *path = pool_path(pool, "logs/worker.log"), *moved = pool_path(pool, "logs/worker.log.1"),
               *folder = pool_path(pool, "logs"), *away = pool_path(pool, "away");
    assert_int_equal(mkdir(folder, 0700), 0);
    pool_scheduler(pool, NULL);
    struct process *worker = pool_start(pool, "rota-worker", "--on", "t=@noop", "--log-file", path, NULL);
    WAIT_UNTIL(strstr(pool_file(pool, "logs/worker.log"), "session open"));
    assert_string_equal(process_log(worker), "");

    assert_int_equal(rename(path, moved), 0);
    process_signal(worker, SIGUSR1);
    WAIT_UNTIL(strstr(pool_file(pool, "logs/worker.log"), "log file opened again"));
    process_signal(worker, SIGTTIN);
    WAIT_UNTIL(strstr(pool_file(pool, "logs/worker.log"), "dump: lane"));
    assert_null(strstr(pool_file(pool, "logs/worker.log.1"), "dump"));
    assert_int_equal(truncate(path, 0), 0); /* the other way to rotate: what follows is appended, without a hole before it */
    process_signal(worker, SIGTTIN);
    WAIT_UNTIL(strstr(pool_file(pool, "logs/worker.log"), "dump: lane"));

    assert_int_equal(rename(folder, away), 0); /* where it should be there is nothing: the file that is open stays */
    process_signal(worker, SIGUSR1);
    WAIT_UNTIL(strstr(pool_file(pool, "away/worker.log"), "the log file cannot be opened again, the old one is kept"));
    assert_has(pool_file(pool, "away/worker.log"), "No such file or directory");
    process_signal(worker, SIGTERM);
    assert_int_equal(process_wait(worker, PROCESS_MS_MAX), 0);
    assert_has(pool_file(pool, "away/worker.log"), "msg=stopped");
}

static void a_log_file_that_cannot_be_opened_is_refused_at_start(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);
    struct process *worker = pool_start(pool, "rota-worker", "--on", "t=@noop", "--log-file", "/nowhere/worker.log", NULL);

    assert_int_equal(process_wait(worker, PROCESS_MS_MAX), 78);
    assert_has(process_log(worker), "flag --log-file: log file /nowhere/worker.log: No such file or directory");
    assert_int_equal(ROTA_MUST(pool, 0, "queue", "list", "--log-file", "/nowhere/rota.log").status, 0);
}

static void hup_reads_the_level_of_the_log_again(void **state)
{
    struct pool *pool = *state;
    const char *file = write_text(pool, "rota.yaml", "log: {level: warn}\n");
    struct process *scheduler = pool_start(pool, "rota-scheduler", "--config", file, NULL);
    WAIT_UNTIL(strlen(pool_string(pool, "GET rota:leader")) > 0);
    assert_null(process_said(scheduler, "level=info"));

    write_text(pool, "rota.yaml", "log: {level: debug}\n");
    process_signal(scheduler, SIGHUP);
    process_wait_for(scheduler, "msg=\"settings read again\" level=debug");

    write_text(pool, "rota.yaml", "log: {level: loud}\n");
    process_signal(scheduler, SIGHUP);
    process_wait_for(scheduler, "msg=\"settings cannot be read again, the old ones stay\" err=\"log level");
    process_signal(scheduler, SIGTERM);
    process_wait_for(scheduler, "level=info program=rota-scheduler msg=stopped");
    assert_int_equal(process_wait(scheduler, PROCESS_MS_MAX), 0);
}

static void a_debug_invocation_is_one(void **state)
{
    struct pool *pool = *state;
    pool->environment = (const char *const[]){"DEBUG_INVOCATION=1", NULL};
    struct process *scheduler = pool_start(pool, "rota-scheduler", "--log-level", "error", NULL);
    pool->environment = NULL;

    process_wait_for(scheduler, "level=info program=rota-scheduler msg=leading");
}

/* ---- a service manager ---- */

/* What `fd` hears next, within the time of a test; with spaces for line ends. */
static const char *hear(struct pool *pool, int fd)
{
    char text[512] = "";
    struct timeval limit = {.tv_sec = PROCESS_MS_MAX / 1000};

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (recv(fd, text, sizeof text - 1, 0) < 0)
        fail_msg("nothing was heard: %s", strerror(errno));
    for (char *at = text; (at = strchr(at, '\n'));)
        *at = ' ';
    return pool_text(pool, "%s", text);
}

/* Hears until there is something that begins with `begin`; and that. */
static const char *hear_of(struct pool *pool, int fd, const char *begin)
{
    const char *text;

    do
        text = hear(pool, fd);
    while (strncmp(text, begin, strlen(begin)) != 0);
    return text;
}

/* A socket as a service manager's; `name` as in NOTIFY_SOCKET. */
static int listen_at(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        abort();
    memcpy(address.sun_path, name, strlen(name));
    if (name[0] == '@')
        address.sun_path[0] = '\0';
    assert_int_equal(bind(fd, (struct sockaddr *)&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))),
                     0);
    return fd;
}

static void a_service_manager_is_told_how_it_goes(void **state)
{
    struct pool *pool = *state;
    const char *name = pool_path(pool, "notify");
    int fd = listen_at(name);
    pool_scheduler(pool, NULL);
    pool->environment = (const char *const[]){pool_text(pool, "NOTIFY_SOCKET=%s", name), "WATCHDOG_USEC=400000", NULL};
    struct process *worker =
        pool_worker(pool, "--slots", "2", "--on", "env=env > $HOME/env", "--on", pool_logging(pool, "t", HOLD), NULL);
    pool->environment = NULL;

    assert_string_equal(hear_of(pool, fd, "READY"), "READY=1");
    assert_has(hear_of(pool, fd, "STATUS"), "STATUS=running, 0 of 2 slots");
    pool_push(pool, "acme", "job0", "env", "");
    pool_wait_place(pool, "acme", "job0", "done");
    assert_null(strstr(pool_file(pool, "env"), "NOTIFY_SOCKET"));
    pool_push(pool, "acme", "job1", "t", "");
    WAIT_UNTIL(strcmp(hear_of(pool, fd, "STATUS"), "STATUS=running, 1 of 2 slots") == 0);
    process_signal(worker, SIGHUP);
    assert_has(hear_of(pool, fd, "RELOADING"), "RELOADING=1 MONOTONIC_USEC=");
    assert_string_equal(hear_of(pool, fd, "READY"), "READY=1");
    process_signal(worker, SIGTSTP);
    WAIT_UNTIL(strcmp(hear_of(pool, fd, "STATUS"), "STATUS=quiet, 1 of 2 slots") == 0);
    process_signal(worker, SIGTERM);
    assert_string_equal(hear_of(pool, fd, "STOPPING"), "STOPPING=1");
    let_go(pool);
    assert_int_equal(process_wait(worker, PROCESS_MS_MAX), 0);
    close(fd);
}

static void the_watchdog_asks_for_the_loop_and_for_nothing_else(void **state)
{
    struct pool *pool = *state;
    const char *name = pool_text(pool, "@rota-test-%d", (int)getpid());
    int fd = listen_at(name);
    pool_scheduler(pool, NULL);
    pool->environment = (const char *const[]){pool_text(pool, "NOTIFY_SOCKET=%s", name), "WATCHDOG_USEC=100000", NULL};
    struct process *worker = pool_worker(pool, "--on", "t=@noop", NULL);
    pool->environment = NULL;

    server_kill(pool->server);
    process_wait_for(worker, "msg=\"connection lost");
    for (int i = 0; i < 5; i++)
        hear_of(pool, fd, "WATCHDOG=1"); /* Redis is away, the loop turns */

    process_signal(worker, SIGSTOP);
    pause_ms(150);
    while (recv(fd, (char[512]){0}, 512, MSG_DONTWAIT) >= 0)
        continue;
    pause_ms(250); /* that nothing happens shows after a while only */
    assert_true(recv(fd, (char[512]){0}, 512, MSG_DONTWAIT) < 0);
    process_signal(worker, SIGCONT);
    hear_of(pool, fd, "WATCHDOG=1");
    close(fd);
}

static void a_scheduler_tells_a_service_manager_too(void **state)
{
    struct pool *pool = *state;
    const char *name = pool_text(pool, "@rota-test-s%d", (int)getpid());
    int fd = listen_at(name);
    pool->environment = (const char *const[]){pool_text(pool, "NOTIFY_SOCKET=%s", name), "WATCHDOG_USEC=200000", "WATCHDOG_PID=1",
                                              NULL}; /* the watchdog is somebody else's */
    struct process *scheduler = pool_scheduler(pool, NULL);
    pool->environment = NULL;

    assert_string_equal(hear(pool, fd), "READY=1");
    assert_string_equal(hear(pool, fd), "STATUS=standing by, 1 lanes");
    assert_string_equal(hear(pool, fd), "STATUS=leading, 1 lanes");
    process_signal(scheduler, SIGHUP);
    assert_has(hear(pool, fd), "RELOADING=1 MONOTONIC_USEC=");
    assert_string_equal(hear(pool, fd), "READY=1");
    process_signal(scheduler, SIGTERM);
    assert_string_equal(hear(pool, fd), "STOPPING=1");
    assert_int_equal(process_wait(scheduler, PROCESS_MS_MAX), 0);
    close(fd);
}

/* ---- process 1 ---- */

/* The only child of a process, 0 if there is none. */
static pid_t child_of(struct pool *pool, struct process *process)
{
    char *children =
        file_text(pool_text(pool, "/proc/%d/task/%d/children", (int)process_pid(process), (int)process_pid(process)));
    pid_t child = (pid_t)atoi(children);

    free(children);
    return child;
}

static bool may_make_a_pid_namespace(void)
{
    return system("unshare --user --map-root-user --pid --fork --kill-child true 2>/dev/null") == 0; /* NOLINT(cert-env33-c) */
}

/* The program as process 1 of a namespace of its own; what is to be signalled in *ret_pid. */
static struct process *start_as_first(struct pool *pool, const char *program, const char *const *words, pid_t *ret_pid)
{
    const char *arguments[32] = {"--user", "--map-root-user", "--pid", "--fork", "--kill-child"};
    size_t count = 5;

    arguments[count++] = pool_text(pool, "%s/%s", PROGRAMS_PATH, program);
    for (size_t i = 0; words[i]; i++)
        arguments[count++] = words[i];
    struct process *process = process_start(
        &(struct process_options){.program = "/usr/bin/unshare",
                                  .arguments = arguments,
                                  .environment = (const char *const[]){pool_text(pool, "HOME=%s", pool->directory), NULL},
                                  .log = pool_text(pool, "%s/first.%u.log", pool->directory, pool->process_count)});
    pool->processes[pool->process_count++] = process;
    process_wait_for(process, "session open");
    *ret_pid = child_of(pool, process);
    assert_true(*ret_pid > 0);
    return process;
}

static void process_one_of_a_container_listens(void **state)
{
    struct pool *pool = *state;
    pid_t pid;

    if (!may_make_a_pid_namespace()) {
        print_message("SKIPPED: this kernel or container gives no pid namespaces\n");
        skip();
    }
    struct process *scheduler = start_as_first(pool, "rota-scheduler", (const char *const[]){"--redis", pool->url, NULL}, &pid);
    kill(pid, SIGTERM);
    assert_int_equal(process_wait(scheduler, PROCESS_MS_MAX), 0);

    pool_scheduler(pool, NULL);
    struct process *worker = start_as_first(
        pool, "rota-worker", (const char *const[]){"--redis", pool->url, "--on", pool_logging(pool, "t", HOLD), NULL}, &pid);
    pool_push(pool, "acme", "job1", "t", "");
    WAIT_UNTIL(pool_logged(pool, "acme/job1") == 1);
    kill(pid, SIGINT);
    process_wait_for(worker, "draining");
    let_go(pool);
    assert_int_equal(process_wait(worker, PROCESS_MS_MAX), 0);
    assert_string_equal(pool_place(pool, "acme", "job1"), "done");
}

/* ---- secrets ---- */

#define SECRET "s3cr3t-Zq9"

static void a_password_is_never_written_anywhere(void **state)
{
    struct pool *pool = *state;
    const char *socket = strstr(pool->url, "://") + 3, *with_password = pool_text(pool, "unix://rota:%s@%s", SECRET, socket);
    pool_redis(pool, "ACL SETUSER rota on >%s ~* &* +@all", SECRET);
    pool_scheduler(pool, NULL);
    pool->url = with_password;
    pool->environment = (const char *const[]){"PLANTED=" SECRET, NULL};
    struct process *worker =
        pool_worker(pool, "--log-level", "debug", "--on", "env=env > $HOME/env; cat /proc/$PPID/cmdline >> $HOME/env", NULL);
    pool->environment = NULL;
    pool_push(pool, "acme", "job1", "env", "");
    pool_wait_place(pool, "acme", "job1", "done");
    process_signal(worker, SIGTTIN);
    process_wait_for(worker, "dump: redis");
    process_signal(worker, SIGHUP);
    process_wait_for(worker, "settings read again");
    server_kill(pool->server);
    process_wait_for(worker, "connection lost");
    assert_null(strstr(process_log(worker), SECRET));
    assert_null(strstr(pool_file(pool, "env"), SECRET));

    static const char *const wrong[] = {"redis://rota:" SECRET "@nowhere.invalid:70000",
                                        "redis://rota:" SECRET "/x@localhost:1",
                                        "redis://rota:" SECRET "%zz@localhost",
                                        "http://rota:" SECRET "@localhost",
                                        "rota:" SECRET "@localhost",
                                        "unix://rota:" SECRET "@relative",
                                        "redis://rota:" SECRET "@127.0.0.1:1/0"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        pool->url = wrong[i];
        struct process *refused = pool_start(pool, "rota-worker", "--log-level", "debug", "--on", "t=@noop", NULL);
        WAIT_UNTIL(!process_runs(refused) || process_said(refused, "connection lost"));
        assert_string_not_equal(process_log(refused), "");
        assert_null(strstr(process_log(refused), SECRET));
        process_kill(refused);
        struct ran ran = ROTA(pool, "queue", "list");
        assert_int_not_equal(ran.status, 0);
        assert_null(strstr(ran.err, SECRET));
    }
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_quiet_worker_takes_no_more_jobs_and_keeps_those_it_has, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(a_quiet_worker_hands_a_wake_up_token_on, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(a_quiet_worker_can_be_drained, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(a_dump_tells_what_runs_for_how_long, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(a_scheduler_tells_what_it_does, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(a_worker_is_quiet_when_somebody_far_away_says_so, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(a_worker_of_many_lanes_gets_an_order_once, pool_setup_lanes, pool_teardown),
        cmocka_unit_test_setup_teardown(a_worker_stops_when_somebody_far_away_says_so, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(orders_to_nobody_are_refused, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(all_workers_are_told_at_once, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(a_job_runs_soon_after_a_worker_that_knows_its_type_has_come, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(the_log_file_is_opened_again, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(a_log_file_that_cannot_be_opened_is_refused_at_start, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(hup_reads_the_level_of_the_log_again, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(a_debug_invocation_is_one, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(a_service_manager_is_told_how_it_goes, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(the_watchdog_asks_for_the_loop_and_for_nothing_else, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(a_scheduler_tells_a_service_manager_too, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(process_one_of_a_container_listens, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(a_password_is_never_written_anywhere, pool_setup, pool_teardown),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return stall_verdict(cmocka_run_group_tests_name("manners", tests, NULL, NULL));
}
