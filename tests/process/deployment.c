/* deployment - the inbox, and what happens to Redis while the pool works: functions flushed, data flushed, settings weakened. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/memory.h"
#include "tests/support/page.h"
#include "tests/support/pool.h"

#define QUICK_LEAD "--session-timeout", "1s", "--session-beat", "300ms"

static const char *add_entry(struct pool *pool, const char *org, const char *payload)
{
    return pool_text(pool, "%s", pool_string(pool, "XADD rota:inbox * org %s type t payload %s", org, payload));
}

static long long inbox_length(struct pool *pool)
{
    return pool_number(pool, "XLEN rota:inbox");
}

/* ---- the inbox ---- */

static void an_entry_becomes_one_job_under_its_own_id(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, "--lanes", pool_text(pool, "%u", pool->lanes), NULL);
    pool_worker(pool, "--on", "t=cat", NULL);
    const char *ids[30];

    int64_t added_mono_ms = clock_mono_ms();
    ids[0] = add_entry(pool, "org0", "payload 0");
    pool_wait_place(pool, "org0", ids[0], "done");
    assert_true(awake_ms_since(added_mono_ms) < 500);
    for (int i = 1; i < 30; i++)
        ids[i] = add_entry(pool, pool_text(pool, "org%d", i % 3), pool_text(pool, "payload %d", i));

    for (int i = 0; i < 30; i++) {
        const char *org = pool_text(pool, "org%d", i % 3);
        pool_wait_place(pool, org, ids[i], "done");
        assert_string_equal(pool_result(pool, org, ids[i]), pool_text(pool, "payload %d", i));
        assert_int_equal(pool_job(pool, org, ids[i])->state.deliveries, 1);
    }
    WAIT_UNTIL(inbox_length(pool) == 0);
    assert_int_equal(pool_number(pool, "EXISTS rota:rejected"), 0);
}

static void what_is_no_job_is_rejected_with_the_reason(void **state)
{
    static const struct {
        const char *fields, *org, *reason;
    } cases[] = {
        {"type t payload x", "", "field org is missing"},
        {"org acme payload x", "acme", "field type is missing"},
        {"org Acme type t", "", "organization \"Acme\" must"},
        {"org acme:x type t", "", "organization \"acme:x\" must"},
        {"org acme type t/u", "acme", "type \"t/u\" must"},
        {"org acme type t colour blue", "acme", "unknown field \"colour\""},
        {"org acme org acme type t", "acme", "field org is there twice"},
        {"org acme type t delay_ms soon", "acme", "delay_ms"},
        {"org acme type t priority 101", "acme", "priority"},
        {"org acme type t expires_ms 1", "acme", "expired"},
        {"org acme type t v 2", "acme", "version 2 is not known"},
        {"org full type t", "full", "queue_full"},
    };
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);
    assert_string_equal(pool_call(pool, 0, "org_set", "tester full max_queued 1")->str, "ok");
    pool_push(pool, "full", "only", "t", "");

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *command = NULL;
        if (asprintf(&command, "XADD rota:inbox * %s", cases[i].fields) < 0)
            abort();
        const char *id = pool_text(pool, "%s", pool_string(pool, command));
        free(command);
        WAIT_UNTIL(pool_number(pool, "XLEN rota:rejected") == (long long)i + 1);
        const redisReply *last = pool_redis(pool, "XREVRANGE rota:rejected + - COUNT 1")->element[0]->element[1];
        assert_string_equal(last->element[1]->str, id);
        assert_string_equal(last->element[3]->str, cases[i].org);
        if (!strstr(last->element[5]->str, cases[i].reason))
            fail_msg("%s was rejected for \"%s\"", cases[i].fields, last->element[5]->str);
    }
    WAIT_UNTIL(inbox_length(pool) == 0);
    const char *good = add_entry(pool, "acme", "x");
    pool_wait_place(pool, "acme", good, "ready");
    assert_int_equal(pool_count(pool, "acme", "ready:default"), 1);
}

#define ENTRIES 3000

/* Schedulers die in the middle of moving, again and again, two at a time. */
static void entries_are_moved_once_whoever_dies(void **state)
{
    struct pool *pool = *state;
    struct process *schedulers[2] = {pool_scheduler(pool, QUICK_LEAD, NULL),
                                     pool_start(pool, "rota-scheduler", QUICK_LEAD, NULL)};
    unsigned added = 0, kills = 0, cut_short = 0;
    long long moved = 0;

    srandom(7);
    while (kills < 8) {
        WAIT_UNTIL(process_said(schedulers[0], " msg=leading") || process_said(schedulers[1], " msg=leading"));
        unsigned leader = process_said(schedulers[0], " msg=leading") ? 0 : 1;
        for (unsigned i = 0; i < ENTRIES / 8; i++, added++)
            redisAppendCommand(pool->redis, "XADD rota:inbox * org org%d type t payload %d", added % 5, added);
        for (unsigned i = 0; i < ENTRIES / 8; i++) {
            void *reply;
            assert_int_equal(redisGetReply(pool->redis, &reply), REDIS_OK);
            freeReplyObject(reply);
            if (i == ENTRIES / 8 * (kills + 1) / 10)
                process_kill(schedulers[leader]);
        }
        cut_short += inbox_length(pool) > 0;
        schedulers[leader] = pool_start(pool, "rota-scheduler", QUICK_LEAD, NULL);
        kills++;
    }
    WAIT_UNTIL(inbox_length(pool) == 0);

    for (unsigned org = 0; org < 5; org++)
        moved += pool_count(pool, pool_text(pool, "org%u", org), "ready:default");
    assert_int_equal(moved, added);
    assert_int_equal(pool_number(pool, "EXISTS rota:rejected"), 0);
    print_message("  %u entries, %u kills, %u of them in the middle\n", added, kills, cut_short);
    assert_true(cut_short >= 4);
}

/* ---- what happens to Redis ---- */

static void a_flush_of_the_functions_is_healed(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);
    struct process *worker = pool_worker(pool, "--on", "t=sleep 0.5", NULL);
    pool_push(pool, "acme", "running", "t", "");
    pool_wait_place(pool, "acme", "running", "running");

    pool_redis(pool, "FUNCTION FLUSH");
    WAIT_UNTIL(pool_redis(pool, "FUNCTION LIST")->elements == 1);

    pool_wait_place(pool, "acme", "running", "done");
    assert_int_equal(pool_job(pool, "acme", "running")->state.deliveries, 1);
    pool_push(pool, "acme", "next", "t", "");
    pool_wait_place(pool, "acme", "next", "done");
    assert_null(process_said(worker, "session lost"));
}

static void a_flush_of_everything_is_healed(void **state)
{
    struct pool *pool = *state;
    process_kill(pool_scheduler(pool, "--lanes", "8", "--session-timeout", "1s", "--session-beat", "300ms", NULL));
    pool_scheduler(pool, NULL); /* which has learnt the number of lanes */
    struct process *worker = pool_worker(pool, "--on", "hold=exec sleep 600", "--on", "t=true", NULL);
    pool_push(pool, "acme", "gone", "hold", "");
    WAIT_UNTIL(pool_handlers(pool) == 1);

    pool_redis(pool, "FLUSHALL");
    WAIT_UNTIL(count_text(process_log(worker), "msg=\"session open\"") == 16);

    WAIT_UNTIL(pool_handlers(pool) == 0); /* nobody owns what it does */
    WAIT_UNTIL(pool_number(pool, "EXISTS rota:{0}:clock rota:{7}:clock rota:meta rota:README") == 4);
    for (int i = 0; i < 8; i++) {
        pool_push(pool, pool_text(pool, "org%d", i), "job", "t", "");
        pool_wait_place(pool, pool_text(pool, "org%d", i), "job", "done");
    }
    pool_wait_place(pool, "org0", add_entry(pool, "org0", ""), "done");
}

static const char *offer(struct pool *pool, const char *id)
{
    return pool_offer(pool, "acme", id, &(struct job_record){.type = "t", .payload = "", .has_payload = true});
}

static void a_server_weakened_at_run_time_takes_no_new_jobs(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);
    pool_worker(pool, "--on", "t=sleep 0.5", NULL);
    assert_string_equal(offer(pool, "before"), "new");
    pool_wait_place(pool, "acme", "before", "running");

    pool_redis(pool, "CONFIG SET appendfsync everysec");
    pool_redis(pool, "CLIENT KILL TYPE normal SKIPME yes"); /* it is checked every 30 s, and after each reconnect */
    WAIT_UNTIL_MS(30000, strcmp(offer(pool, pool_text(pool, "probe%lld", (long long)clock_mono_us())), "intake_paused") == 0);
    const char *entry = add_entry(pool, "acme", "");
    pool_wait_place(pool, "acme", "before", "done"); /* completions pass */
    assert_string_equal(offer(pool, "refused"), "intake_paused");
    assert_string_equal(pool_place(pool, "acme", entry), "");
    assert_int_equal(inbox_length(pool), 1);

    pool_redis(pool, "CONFIG SET appendfsync always");
    int64_t mended_mono_ms = clock_mono_ms();
    pool_wait_place(pool, "acme", entry, "done");
    assert_true(awake_ms_since(mended_mono_ms) < 5000);
    assert_string_equal(offer(pool, "after"), "new");
    assert_int_equal(pool_number(pool, "HEXISTS rota:{0}:clock intake"), 0);
}

/* ---- the users of docs/PROTOCOL.md ---- */

static void connect_as(struct pool *pool, const char *user)
{
    char *rights = page_rights(user);

    pool_redis(pool, pool_text(pool, "ACL SETUSER %s on >secret %s", user, rights));
    pool->url = pool_text(pool, "unix://%s:secret@%s", user, server_socket(pool->server));
    free(rights);
}

static void the_users_of_the_page_may_do_all_that_programs_do(void **state)
{
    struct pool *pool = *state;
    connect_as(pool, "rota-scheduler");
    struct process *scheduler = pool_scheduler(pool, "--redis-require-acl", QUICK_LEAD, NULL);
    connect_as(pool, "rota-worker");
    struct process *dying = pool_worker(pool, "--redis-require-acl", "--session-timeout", "1s", "--session-beat", "300ms", "--on",
                                        "hold=exec sleep 600", NULL);
    pool_push(pool, "acme", "hold", "hold", "");
    pool_wait_place(pool, "acme", "hold", "running");
    process_kill(dying);
    struct process *worker = pool_worker(pool, "--redis-require-acl", "--slots", "20", "--on", "hold=true", "--on", "t=cat",
                                         "--on", "bad=exit 65", "--on", "again=exit 75", NULL);

    pool_push_many(pool, "acme", "job", 30, "t", "x");
    pool_push(pool, "globex", "bad", "bad", "");
    pool_push(pool, "globex", "again", "again", "");
    pool_push_record(pool, "globex", "later",
                     &(struct job_record){.type = "t", .payload = "", .has_payload = true, .delay_ms = 300});
    pool_redis(pool, "XADD rota:inbox * org acme");
    pool_wait_place(pool, "acme", add_entry(pool, "acme", "x"), "done");
    pool_wait_place(pool, "acme", "hold", "done");
    pool_wait_place(pool, "globex", "bad", "dead");
    pool_wait_place(pool, "globex", "again", "scheduled");
    pool_wait_place(pool, "globex", "later", "done");
    WAIT_UNTIL(pool_count(pool, "acme", "done") == 32);
    WAIT_UNTIL(pool_number(pool, "XLEN rota:rejected") == 1);
    process_signal(worker, SIGTERM);
    process_signal(scheduler, SIGTERM);

    assert_int_equal(process_wait(worker, PROCESS_MS_MAX), 0);
    assert_int_equal(process_wait(scheduler, PROCESS_MS_MAX), 0);
    const redisReply *denied = pool_redis(pool, "ACL LOG");
    for (size_t i = 0; i < denied->elements; i++)
        fail_msg("%s may not %s", denied->element[i]->element[9]->str, denied->element[i]->element[7]->str);
}

static void a_worker_that_lacks_a_right_says_which(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, NULL);
    connect_as(pool, "rota-worker");
    pool_redis(pool, "ACL SETUSER rota-worker -zmscore");

    struct process *worker = pool_start(pool, "rota-worker", "--on", "t=true", NULL);

    assert_int_equal(process_wait(worker, PROCESS_MS_MAX), 78);
    assert_non_null(process_said(worker, "lacks rights that this program needs: ZMSCORE"));
}

/* ---- the checks that are repeated ---- */

#define OFTEN "--redis-check-every", "200ms"

static const char *probe(struct pool *pool)
{
    return offer(pool, pool_text(pool, "probe%lld", (long long)clock_mono_us()));
}

/* No connection is lost here: it is the check by the clock that notices. */
static void a_setting_that_was_weakened_is_noticed_by_the_next_check(void **state)
{
    static const struct {
        const char *name, *weak, *good, *says;
    } cases[] = {
        {"maxmemory-policy", "allkeys-lru", "noeviction", "maxmemory-policy is \\\"allkeys-lru\\\""},
        {"appendfsync", "no", "always", "appendfsync is \\\"no\\\": set \\\"appendfsync always\\\""},
    };
    struct pool *pool = *state;
    struct process *scheduler = pool_scheduler(pool, OFTEN, NULL);
    struct process *worker = pool_worker(pool, OFTEN, "--on", "t=sleep 0.5", NULL);

    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *id = pool_text(pool, "before%u", i);
        assert_string_equal(offer(pool, id), "new");
        pool_wait_place(pool, "acme", id, "running");

        pool_redis(pool, "CONFIG SET %s %s", cases[i].name, cases[i].weak);
        WAIT_UNTIL_MS(5000, strcmp(probe(pool), "intake_paused") == 0);
        pool_wait_place(pool, "acme", id, "done"); /* completions pass */
        assert_non_null(process_said(scheduler, cases[i].says));
        assert_int_equal(count_text(process_log(scheduler), "intake of new jobs stopped"), i + 1);

        WAIT_UNTIL_MS(5000, count_text(process_log(worker), "the deployment is not as it should be") == i + 1);

        if (i == 1) { /* checked again and again, and written down each time; said once */
            for (int checks = 0; checks < 2; checks++) {
                long long checked_ms = pool_number(pool, "HGET rota:meta checked_ms");
                WAIT_UNTIL_MS(5000, pool_number(pool, "HGET rota:meta checked_ms") != checked_ms);
            }
            assert_int_equal(count_text(process_log(scheduler), "the deployment is not as it should be"), 2);
        }

        pool_redis(pool, "CONFIG SET %s %s", cases[i].name, cases[i].good);
        WAIT_UNTIL_MS(5000, strcmp(probe(pool), "new") == 0);
        assert_int_equal(count_text(process_log(scheduler), "intake of new jobs resumed"), i + 1);
        WAIT_UNTIL_MS(5000, count_text(process_log(worker), "the deployment is as it should be again") == i + 1);
    }
}

static void a_warning_is_logged_when_it_comes_and_when_it_goes(void **state)
{
    struct pool *pool = *state;
    struct process *scheduler = pool_scheduler(pool, OFTEN, NULL);
    struct process *worker = pool_worker(pool, OFTEN, "--on", "t=true", NULL);
    process_wait_for(scheduler, "maxmemory is 0");
    process_wait_for(worker, "maxmemory is 0");

    pool_redis(pool, "CONFIG SET maxmemory 1gb");
    process_wait_for(scheduler, "msg=\"server: a warning is over\" was=\"maxmemory is 0");
    process_wait_for(worker, "msg=\"server: a warning is over\" was=\"maxmemory is 0");
    pool_redis(pool, "CONFIG SET timeout 1");
    process_wait_for(scheduler, "timeout is 1");
    pool_redis(pool, "CONFIG SET timeout 2"); /* still the same warning */
    pool_redis(pool, "CONFIG SET maxmemory 0");
    WAIT_UNTIL(count_text(process_log(scheduler), "warning=\"maxmemory is 0") == 2);
    WAIT_UNTIL(count_text(process_log(worker), "warning=\"maxmemory is 0") == 2);

    assert_int_equal(count_text(process_log(scheduler), "warning=\"timeout is"), 1);
    assert_int_equal(count_text(process_log(scheduler), "warning=\"maxmemory is 0"), 2);
}

static void entries_of_a_damaged_organization_hold_up_nobody(void **state)
{
    struct pool *pool = *state;
    struct process *scheduler = pool_scheduler(pool, NULL);
    pool_redis(pool, "SET rota:{0}:org:bad:jobs damaged");
    for (int i = 0; i < 300; i++)
        add_entry(pool, "bad", "x");

    for (int i = 0; i < 3; i++) {
        const char *id = add_entry(pool, "good", "x");
        pool_wait_place(pool, "good", id, "ready");
    }

    WAIT_UNTIL(inbox_length(pool) == 300);
    assert_int_equal(count_text(process_log(scheduler), "err=\"organization bad: "), 1);
    pool_redis(pool, "DEL rota:{0}:org:bad:jobs");
    WAIT_UNTIL(inbox_length(pool) == 0);
    assert_int_equal(pool_count(pool, "bad", "ready:default"), 300);
    process_wait_for(scheduler, "msg=\"a duty is done again\" duty=inbox");
}

static long peak_kib(struct process *process)
{
    char *path = memory_format("/proc/%d/status", (int)process_pid(process)), *text = file_text(path);
    const char *line = strstr(text, "VmHWM:");
    long kib = line ? atol(line + strlen("VmHWM:")) : 0;

    free(path);
    free(text);
    return kib;
}

/* Each of them is too large to be a job, and they are read all the same. */
static void huge_entries_are_read_one_by_one(void **state)
{
    struct pool *pool = *state;
    const size_t huge = 4 << 20;
    char *payload = memory_new(huge);
    memset(payload, 'x', huge);
    for (int i = 0; i < 48; i++)
        pool_redis(pool, "XADD rota:inbox * org acme type t payload %b", payload, huge);
    free(payload);

    struct process *scheduler = pool_scheduler(pool, NULL);
    WAIT_UNTIL(inbox_length(pool) == 0);

    assert_int_equal(pool_number(pool, "XLEN rota:rejected"), 48);
    print_message("  the scheduler took %ld KiB\n", peak_kib(scheduler));
#ifndef __SANITIZE_ADDRESS__ /* which keeps what was freed for a while */
    assert_true(peak_kib(scheduler) < 64 * 1024);
#endif
}

/* ---- how programs are started ---- */

static void assert_refused(struct process *process, int status, const char *words)
{
    assert_int_equal(process_wait(process, PROCESS_MS_MAX), status);
    assert_non_null(process_said(process, words));
}

static struct process *start_closed(struct pool *pool, const char *program, const char *const *arguments)
{
    const char *home = pool_text(pool, "HOME=%s", pool->directory), *url = pool_text(pool, "ROTA_REDIS_URL=%s", pool->url);
    struct process_options options = {.program = program,
                                      .arguments = arguments,
                                      .environment = (const char *const[]){home, url, NULL},
                                      .log = pool_path(pool, "closed.log"),
                                      .closed = true};

    return pool->processes[pool->process_count++] = process_start(&options);
}

static void assert_standard_descriptors(struct process *process)
{
    char path[64], target[64];

    for (int fd = 0; fd <= 2; fd++) {
        snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)process_pid(process), fd);
        ssize_t length = readlink(path, target, sizeof target - 1);
        assert_true(length > 0);
        target[length] = '\0';
        assert_string_equal(target, "/dev/null");
    }
}

/* Log lines would go to whatever takes the numbers: the connection to Redis. */
static void programs_that_begin_without_standard_descriptors_work(void **state)
{
    struct pool *pool = *state;

    struct process *scheduler = start_closed(pool, "rota-scheduler", (const char *const[]){"--log-level", "debug", NULL});
    WAIT_UNTIL(pool_number(pool, "EXISTS rota:leader") == 1);
    struct process *worker = start_closed(
        pool, "rota-worker", (const char *const[]){"--log-level", "debug", "--on", "t=cat", "--on", "bad=exit 1", NULL});
    struct process *push = start_closed(pool, "rota", (const char *const[]){"push", "acme", "t", "four", NULL});
    assert_int_equal(process_wait(push, PROCESS_MS_MAX), 0);
    pool_push(pool, "acme", "bad", "bad", ""); /* which is logged */
    WAIT_UNTIL(pool_count(pool, "acme", "done") == 1 && pool_count(pool, "acme", "scheduled") == 1);

    assert_standard_descriptors(scheduler);
    assert_standard_descriptors(worker);
}

static void what_is_no_flag_is_refused(void **state)
{
    struct pool *pool = *state;

    assert_refused(pool_start(pool, "rota-worker", "--on", "t=true", "start", NULL), EX_USAGE,
                   "rota-worker: \"start\" is no flag");
    assert_refused(pool_start(pool, "rota-scheduler", "--", "-v", NULL), EX_USAGE, "rota-scheduler: \"-v\" is no flag");
    assert_refused(pool_start(pool, "rota-worker", "--slot", "3", NULL), EX_USAGE, "unknown flag \"--slot\"");
    assert_refused(pool_start(pool, "rota-scheduler", "--lanes", "x", NULL), EX_USAGE, "flag --lanes");
    pool->environment = (const char *const[]){"ROTA_WORKER_SLOTS=many", NULL};
    assert_refused(pool_start(pool, "rota-worker", "--on", "t=true", NULL), EX_CONFIG, "variable ROTA_WORKER_SLOTS");
    pool->environment = NULL;
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_entry_becomes_one_job_under_its_own_id, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(an_entry_becomes_one_job_under_its_own_id, pool_setup_lanes, pool_teardown),
        cmocka_unit_test_setup_teardown(what_is_no_job_is_rejected_with_the_reason, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(entries_are_moved_once_whoever_dies, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(a_flush_of_the_functions_is_healed, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(a_flush_of_everything_is_healed, pool_setup_lanes, pool_teardown),
        cmocka_unit_test_setup_teardown(a_server_weakened_at_run_time_takes_no_new_jobs, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(the_users_of_the_page_may_do_all_that_programs_do, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(a_worker_that_lacks_a_right_says_which, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(a_setting_that_was_weakened_is_noticed_by_the_next_check, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(a_warning_is_logged_when_it_comes_and_when_it_goes, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(entries_of_a_damaged_organization_hold_up_nobody, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(huge_entries_are_read_one_by_one, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(programs_that_begin_without_standard_descriptors_work, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(what_is_no_flag_is_refused, pool_setup, pool_teardown),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return stall_verdict(cmocka_run_group_tests_name("deployment", tests, NULL, NULL));
}
