/* manners - what an operator may expect of a process: it listens to signals, also from elsewhere, and tells how it is. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

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
    process_wait_for(leader, "msg=\"dump: duties\" recovery=\"all sessions\" promotion=1 ticks=1 inbox=1 upkeep=1");
    process_wait_for(leader, "msg=\"dump: redis\" ");
    WAIT_UNTIL((process_signal(follower, SIGTTIN), process_said(follower, pool_text(pool, "leader=%s", leading))));
    process_wait_for(follower, "phase=\"standing by\"");
    process_wait_for(follower, "msg=\"dump: duties\" recovery=\"the leader\" promotion=0 ticks=0 inbox=0 upkeep=0");

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
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return stall_verdict(cmocka_run_group_tests_name("manners", tests, NULL, NULL));
}
