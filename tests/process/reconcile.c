/* reconcile - nothing freezes: whatever was lost or damaged, each schedule has its next due time again soon; with real leaders.
 * The rounds are a minute apart at most; here they are short. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/schedule.h"
#include "tests/support/recurring.h"

#define ROUND        "--reconcile-every", "200ms"
#define SECOND_MS    1000LL
#define SCHEDULES_AT "rota:{0}:schedules"

static int64_t field(struct pool *pool, const char *name, const char *member)
{
    return recurring_field(pool, pool_text(pool, "acme/%s", name), member);
}

static void add(struct pool *pool, const char *name, const char *every)
{
    RECURRING(pool, pool_text(pool, "acme/%s", name), "--every", every, "--overlap", "allow");
}

/* The schedule will tick once more, at its next due time, which is to come. */
static bool has_one_future_due_time(struct pool *pool, const char *name)
{
    int64_t next_ms = field(pool, name, "next_ms");

    return next_ms > pool_now_ms(pool) - SECOND_MS &&
           strcmp(pool_string(pool, "ZSCORE " SCHEDULES_AT " acme/%s", name), pool_text(pool, "%lld", (long long)next_ms)) == 0;
}

/* Of the events, the number that have `kind` and `text`. */
static unsigned events(struct pool *pool, const char *kind, const char *text)
{
    struct ran ran = ROTA_MUST(pool, 0, "event", "list", "--limit", "1000");
    unsigned count = 0;

    for (const char *line = ran.out; (line = strstr(line, kind)); line += strlen(kind)) {
        size_t length = strcspn(line, "\n");
        const char *found = strstr(line, text);
        count += found && found < line + length;
    }
    return count;
}

/* ---- GA-7 ---- */

static void GA_7_retries_exhausted_are_told_and_every_active_schedule_goes_on(void **state)
{
    struct pool *pool = *state;
    struct process *scheduler = pool_scheduler(pool, ROUND, NULL);
    pool_worker(pool, "--on", "t=exit 1", NULL);
    ROTA_MUST(pool, 0, "schedule", "add", "acme/fails", "t", "--every", "1s", "--max-attempts", "1");
    add(pool, "other", "1h");
    WAIT_UNTIL(field(pool, "fails", "failed_since_done") >= 1);
    WAIT_UNTIL(events(pool, "dead", "fails@") >= 1);
    int64_t runs = field(pool, "fails", "runs");
    WAIT_UNTIL(field(pool, "fails", "runs") > runs); /* a dead letter holds nothing up */

    pool_redis(pool, "HDEL rota:{0}:org:acme:schedule:other next_ms"); /* active, and without a job to come */
    pool_redis(pool, "ZADD " SCHEDULES_AT " +inf acme/other");

    WAIT_UNTIL(has_one_future_due_time(pool, "other"));
    process_wait_for(scheduler, "msg=\"schedules mended\"");
    assert_int_equal(events(pool, "schedule_mend", "next"), 1);
    assert_non_null(strstr(ROTA_MUST(pool, 0, "schedule", "show", "acme/other").out, "because of"));
}

/* ---- GA-10 ---- */

/* A definition is saved and armed in one step; what half of that would leave behind is put right. */
static void GA_10_a_change_that_was_saved_and_not_armed_is_repaired(void **state)
{
    struct pool *pool = *state;
    struct process *scheduler = pool_scheduler(pool, ROUND, NULL);
    add(pool, "a", "1h");
    add(pool, "b", "1h");
    add(pool, "c", "1h");
    process_signal(scheduler, SIGKILL);
    process_wait(scheduler, PROCESS_MS_MAX);
    pool_redis(pool, "ZREM " SCHEDULES_AT " acme/a");
    pool_redis(pool, "ZREM rota:{0}:org:acme:schedules b");
    pool_redis(pool, "HDEL rota:{0}:org:acme:schedule:c next_ms");

    pool_scheduler(pool, ROUND, NULL);

    WAIT_UNTIL(has_one_future_due_time(pool, "a") && has_one_future_due_time(pool, "b") && has_one_future_due_time(pool, "c"));
    WAIT_UNTIL(strcmp(pool_string(pool, "ZSCORE rota:{0}:org:acme:schedules b"), "0") == 0);
}

/* ---- GA-11 ---- */

static const char *wanted_file(struct pool *pool)
{
    return write_text(pool, "schedules.jsonl",
                      "# what is to be\n"
                      "{\"schedule\": \"acme/hourly\", \"type\": \"t\", \"every\": \"1h\", \"payload\": {\"a\": 1}}\n"
                      "{\"schedule\": \"acme/night\", \"type\": \"t\", \"cron\": \"0 3 * * *\", \"tz\": \"Europe/Zurich\"}\n");
}

static void GA_11_a_flushed_redis_has_all_schedules_of_the_file_again(void **state)
{
    struct pool *pool = *state;
    pool_scheduler(pool, ROUND, "--schedules", wanted_file(pool), "--session-timeout", "1s", "--session-beat", "100ms", NULL);
    WAIT_UNTIL(has_one_future_due_time(pool, "hourly") && has_one_future_due_time(pool, "night"));
    int64_t next_ms = field(pool, "hourly", "next_ms");

    pool_redis(pool, "FLUSHALL");

    WAIT_UNTIL(pool_number(pool, "EXISTS rota:meta rota:{0}:clock") == 2);
    WAIT_UNTIL(has_one_future_due_time(pool, "hourly") && has_one_future_due_time(pool, "night"));
    assert_int_equal(pool_number(pool, "ZCARD " SCHEDULES_AT), 2);
    assert_true(field(pool, "hourly", "next_ms") >= next_ms);
    assert_int_equal(field(pool, "hourly", "runs"), 0);
}

/* Without a file: from a backup, by hand. */
static void GA_11_a_flushed_redis_is_whole_again_after_an_import(void **state)
{
    struct pool *pool = *state;
    const char *backup = pool_path(pool, "backup.jsonl");
    pool_scheduler(pool, ROUND, "--session-timeout", "1s", "--session-beat", "100ms", NULL);
    add(pool, "often", "1s");
    add(pool, "hourly", "1h");
    ROTA_MUST(pool, 0, "schedule", "pause", "acme/hourly");
    WAIT_UNTIL(field(pool, "often", "runs") >= 2);
    ROTA_MUST(pool, 0, "schedule", "export", "--to", backup);
    int64_t last_ms = field(pool, "often", "last_ms");
    pool_redis(pool, "FLUSHALL");
    WAIT_UNTIL(pool_number(pool, "EXISTS rota:meta rota:{0}:clock") == 2);

    struct ran ran = ROTA_MUST(pool, 0, "schedule", "import", backup);

    assert_non_null(strstr(ran.err, "2 schedules, read back and as the file says: 2 new"));
    assert_true(field(pool, "often", "since_ms") >= last_ms); /* what ran before does not run again */
    assert_string_equal(pool_string(pool, "HGET rota:{0}:org:acme:schedule:hourly paused"), "1");
    WAIT_UNTIL(field(pool, "often", "runs") >= 1);
    assert_string_equal(pool_string(pool, "ZSCORE " SCHEDULES_AT " acme/hourly"), "inf");
}

/* The bytes of a moment that is gone: the fields of a schedule as they were, its index as it was. */
static void GA_11_a_redis_restored_from_an_old_backup_has_one_future_due_time_for_each(void **state)
{
    struct pool *pool = *state;
    struct process *scheduler = pool_scheduler(pool, ROUND, "--schedules", wanted_file(pool), NULL);
    WAIT_UNTIL(has_one_future_due_time(pool, "hourly"));
    add(pool, "often", "1s");
    add(pool, "removed", "1h");
    process_signal(scheduler, SIGTERM);
    process_wait(scheduler, PROCESS_MS_MAX);
    /* Three days old, and older than the file has it. */
    int64_t old_ms = (pool_now_ms(pool) / (3600 * SECOND_MS) - 72) * 3600 * SECOND_MS;
    pool_redis(pool, "HSET rota:{0}:org:acme:schedule:often next_ms %lld since_ms %lld", (long long)old_ms,
               (long long)old_ms - 1);
    pool_redis(pool, "HSET rota:{0}:org:acme:schedule:hourly next_ms %lld since_ms %lld", (long long)old_ms,
               (long long)old_ms - 1);
    pool_redis(pool, "ZADD " SCHEDULES_AT " %lld acme/often", (long long)old_ms);
    pool_redis(pool, "ZADD " SCHEDULES_AT " %lld acme/hourly", (long long)old_ms);
    pool_redis(pool, "DEL rota:{0}:org:acme:schedule:night");

    pool_scheduler(pool, ROUND, "--schedules", wanted_file(pool), NULL);

    WAIT_UNTIL(has_one_future_due_time(pool, "often") && has_one_future_due_time(pool, "hourly") &&
               has_one_future_due_time(pool, "night") && has_one_future_due_time(pool, "removed"));
    assert_int_equal(pool_number(pool, "ZCARD " SCHEDULES_AT), 4);
    WAIT_UNTIL(field(pool, "hourly", "runs") == 1); /* of three days the newest one: --missed once */
    assert_true(field(pool, "hourly", "missed_count") >= 70);
}

/* ---- AP-13 ---- */

static void AP_13_no_success_for_two_periods_is_flagged_and_told_once(void **state)
{
    struct pool *pool = *state;
    struct process *scheduler = pool_scheduler(pool, ROUND, NULL);
    add(pool, "sick", "1s");
    add(pool, "well", "1h");

    process_wait_for(scheduler, "msg=\"schedules have become unhealthy");
    WAIT_UNTIL(events(pool, "schedule_unhealthy", "acme/sick") == 1);
    struct ran list = ROTA_MUST(pool, 0, "schedule", "list", "--unhealthy");
    assert_non_null(strstr(list.out, "acme/sick"));
    assert_null(strstr(list.out, "acme/well"));
    assert_true(field(pool, "sick", "unhealthy_ms") > 0);
    assert_int_equal(events(pool, "schedule_healthy", "acme/sick"), 0);

    pool_worker(pool, "--slots", "4", "--on", "t=true", NULL);

    WAIT_UNTIL(events(pool, "schedule_healthy", "acme/sick") == 1);
    WAIT_UNTIL(field(pool, "sick", "unhealthy_ms") == 0);
    assert_int_equal(events(pool, "schedule_unhealthy", "acme/sick"), 1);
}

/* ---- PB-14 ---- */

static void PB_14_a_missed_run_is_told(void **state)
{
    struct pool *pool = *state;
    struct process *scheduler = pool_scheduler(pool, NULL);
    process_signal(scheduler, SIGTERM);
    process_wait(scheduler, PROCESS_MS_MAX);
    ROTA_MUST(pool, 0, "schedule", "add", "acme/skips", "t", "--every", "1s", "--missed", "skip", "--window", "1s");
    int64_t now_ms = pool_now_ms(pool);
    WAIT_UNTIL(pool_now_ms(pool) > now_ms + 3200);

    scheduler = pool_scheduler(pool, NULL);

    process_wait_for(scheduler, "msg=\"due times missed\" schedule=acme/skips");
    assert_true(events(pool, "tick", "due times missed") >= 1);
}

/* ---- the file of what is to be ---- */

static void what_the_file_names_is_set_again_and_all_else_left_alone(void **state)
{
    struct pool *pool = *state;
    struct process *scheduler = pool_scheduler(pool, ROUND, "--schedules", wanted_file(pool), NULL);
    WAIT_UNTIL(pool_number(pool, "ZCARD " SCHEDULES_AT) == 2);
    add(pool, "ours", "2h");
    ROTA_MUST(pool, 0, "schedule", "pause", "acme/night");
    ROTA_MUST(pool, 0, "schedule", "remove", "acme/hourly");
    ROTA_MUST(pool, 0, "schedule", "set", "acme/night", "--tz", "UTC", "--cron", "0 4 * * *");

    WAIT_UNTIL(has_one_future_due_time(pool, "hourly"));
    WAIT_UNTIL(strcmp(pool_string(pool, "HGET rota:{0}:org:acme:schedule:night recurrence"), "cron tz=Europe/Zurich 0 3 * * *") ==
               0);
    assert_string_equal(pool_string(pool, "HGET rota:{0}:org:acme:schedule:night paused"), "1");
    assert_string_equal(pool_string(pool, "HGET rota:{0}:org:acme:schedule:ours rev"), "1");
    process_wait_for(scheduler, "msg=\"schedules set as the file says\"");
    assert_non_null(strstr(ROTA_MUST(pool, 0, "audit", "log", "--json").out, "(--schedules "));
}

static void a_bad_file_ends_the_start_and_keeps_the_old_one_later(void **state)
{
    struct pool *pool = *state;
    const char *path = wanted_file(pool);
    struct process *scheduler = pool_scheduler(pool, ROUND, "--schedules", path, NULL);
    WAIT_UNTIL(pool_number(pool, "ZCARD " SCHEDULES_AT) == 2);

    write_text(pool, "schedules.jsonl", "\n{\"schedule\": \"acme/x\", \"type\": \"t\", \"every\": \"1ms\"}\n");
    process_signal(scheduler, SIGHUP);
    process_wait_for(scheduler, "the old schedules stay");
    ROTA_MUST(pool, 0, "schedule", "remove", "acme/hourly");
    WAIT_UNTIL(has_one_future_due_time(pool, "hourly"));
    struct process *other = pool_start(pool, "rota-scheduler", "--schedules", path, NULL);
    assert_int_equal(process_wait(other, PROCESS_MS_MAX), EX_CONFIG);
    assert_non_null(strstr(process_log(other), "schedules.jsonl:2: "));
    assert_non_null(strstr(process_log(other), "1ms"));

    write_text(pool, "schedules.jsonl", "{\"schedule\": \"acme/new\", \"type\": \"t\", \"every\": \"1h\"}\n");
    process_signal(scheduler, SIGHUP);
    WAIT_UNTIL(has_one_future_due_time(pool, "new"));
}

/* One whose payload its organization does not allow is in nobody's way. */
static void a_schedule_that_is_refused_is_told_and_others_are_set(void **state)
{
    struct pool *pool = *state;
    ROTA_MUST(pool, 0, "setup", "--durability", "memory");
    ROTA_MUST(pool, 0, "org", "set", "acme", "--max-payload", "1");
    struct process *scheduler = pool_scheduler(pool, ROUND, "--schedules", wanted_file(pool), NULL);

    process_wait_for(scheduler, "msg=\"a schedule of the file is refused\"");
    WAIT_UNTIL(has_one_future_due_time(pool, "night"));
    assert_int_equal(pool_number(pool, "EXISTS rota:{0}:org:acme:schedule:hourly"), 0);
}

static void what_every_organization_is_to_have_is_kept_so(void **state)
{
    struct pool *pool = *state;
    const char *path = write_text(pool, "schedules.jsonl",
                                  "{\"every_org\": \"same\", \"type\": \"t\", \"every\": \"1h\"}\n"
                                  "{\"schedule\": \"acme/same\", \"type\": \"t\", \"every\": \"2h\"}\n"
                                  "{\"every_org\": \"night\", \"type\": \"t\", \"cron\": \"0 3 * * *\", \"paused\": true}\n");
    pool_scheduler(pool, ROUND, "--schedules", path, NULL);

    WAIT_UNTIL(pool_number(pool, "ZCARD rota:{0}:templates") == 2);
    WAIT_UNTIL(has_one_future_due_time(pool, "same"));
    assert_string_equal(pool_string(pool, "HGET rota:{0}:org:acme:schedule:same template"), "");
    WAIT_UNTIL(strcmp(pool_string(pool, "HGET rota:{0}:org:acme:schedule:night template"), "1") == 0);
    ROTA_MUST(pool, 0, "schedule", "remove", "--every-org", "night");
    WAIT_UNTIL(pool_number(pool, "HEXISTS rota:{0}:template:night removed") == 0 &&
               strcmp(pool_string(pool, "HGET rota:{0}:template:night paused"), "1") == 0);
    ROTA_MUST(pool, 0, "schedule", "resume", "--every-org", "night");
    ROTA_MUST(pool, 0, "schedule", "set", "--every-org", "night", "--spread", "1m");
    WAIT_UNTIL(strcmp(pool_string(pool, "HGET rota:{0}:template:night spread_ms"), "0") == 0);
    assert_int_equal(pool_number(pool, "HEXISTS rota:{0}:template:night paused"), 0);
}

static void what_an_organization_is_to_say_itself_is_kept_so(void **state)
{
    struct pool *pool = *state;
    const char *path =
        write_text(pool, "schedules.jsonl",
                   "{\"schedule\": \"beta/night\", \"own_of_every_org\": true, \"every\": \"2h\", \"priority\": 5}\n"
                   "{\"schedule\": \"acme/night\", \"own_of_every_org\": true, \"off\": true, \"paused\": \"ann\"}\n"
                   "{\"schedule\": \"acme/none\", \"own_of_every_org\": true, \"off\": true}\n"
                   "{\"every_org\": \"night\", \"type\": \"t\", \"cron\": \"0 3 * * *\"}\n");
    struct process *scheduler = pool_scheduler(pool, ROUND, "--schedules", path, NULL);

    WAIT_UNTIL(strcmp(pool_string(pool, "HGET rota:{0}:org:acme:schedule:night off"), "1") == 0);
    assert_string_equal(pool_string(pool, "HGET rota:{0}:org:acme:schedule:night paused_by"), "ann");
    WAIT_UNTIL(recurring_field(pool, "beta/night", "next_ms") > 0); /* the leader finds it */
    assert_int_equal(recurring_field(pool, "beta/night", "next_ms") % (2 * 3600 * SECOND_MS), 0);
    assert_string_equal(pool_string(pool, "HGET rota:{0}:org:beta:schedule:night own_parts"), "priority");
    process_wait_for(scheduler, "schedule=acme/none");
    ROTA_MUST(pool, 0, "schedule", "resume", "acme/night");
    ROTA_MUST(pool, 0, "schedule", "set", "acme/night", "--on");
    ROTA_MUST(pool, 0, "schedule", "set", "beta/night", "--default", "all");
    WAIT_UNTIL(strcmp(pool_string(pool, "HGET rota:{0}:org:acme:schedule:night off"), "1") == 0);
    WAIT_UNTIL(strcmp(pool_string(pool, "HGET rota:{0}:org:beta:schedule:night own_parts"), "priority") == 0);
    assert_string_equal(pool_string(pool, "HGET rota:{0}:org:acme:schedule:night paused"), "");
}

/* ---- export, import ---- */

/* Schedules of two organizations in lanes of their own, with all that a schedule can have. */
static void make_some(struct pool *pool)
{
    ROTA_MUST(pool, 0, "schedule", "add", "acme/a", "t", "hello", "--cron", "30 8 * * mon-fri", "--tz", "Europe/Zurich",
              "--spread", "5m", "--priority", "7", "--header", "a=b", "--timeout", "5s", "--from", "2026-01-01T00:00:00Z");
    ROTA_MUST(pool, 0, "schedule", "add", "beta/b", "t", "--rrule", "FREQ=MONTHLY;BYMONTHDAY=-1", "--missed", "skip");
    ROTA_MUST(pool, 0, "schedule", "add", "gamma/c", "t", "--every", "90s", "--overlap", "allow");
    ROTA_MUST(pool, 0, "schedule", "pause", "gamma/c");
}

static void what_is_exported_is_imported_into_an_empty_redis(void **state)
{
    struct pool *pool = *state;
    make_some(pool);
    struct ran backup = ROTA_MUST(pool, 0, "schedule", "export");
    assert_non_null(strstr(backup.out, "\n{\"end\":true,\"schedules\":3,\"sha256\":\""));
    assert_non_null(strstr(ROTA_FED(pool, backup.out, "schedule", "import", "--dry-run", "-").err,
                           "3 schedules: 0 would be new, 0 would be changed, 3 as they were"));
    pool_redis(pool, "FLUSHALL");
    ROTA_MUST(pool, 0, "setup", "--lanes", "4", "--durability", "memory");

    struct ran ran = ROTA_FED(pool, backup.out, "schedule", "import", "--strict", "-", "--json");

    assert_int_equal(ran.status, 0);
    json_t *answer = ran_json(&ran);
    assert_int_equal(json_number(answer, "new"), 3);
    json_decref(answer);
    assert_string_equal(ROTA_MUST(pool, 0, "schedule", "export").out, backup.out);
    assert_non_null(strstr(ROTA_FED(pool, backup.out, "schedule", "import", "-").err, "0 new, 0 changed, 3 as they were"));
}

/* One of all of them, a paused one, a shadow, and one whose name an organization uses itself. */
static void what_every_organization_has_is_exported_and_imported(void **state)
{
    struct pool *pool = *state;
    make_some(pool);
    ROTA_MUST(pool, 0, "schedule", "add", "zug/a", "t", "--every", "2h"); /* in lane 0, which knows at once what is of all */
    ROTA_MUST(pool, 0, "schedule", "add", "--every-org", "a", "all", "--every", "1h");
    ROTA_MUST(pool, 0, "schedule", "add", "--every-org", "z", "all", "hello", "--cron", "0 6 * * *", "--spread", "10m");
    ROTA_MUST(pool, 0, "schedule", "pause", "--every-org", "z");
    ROTA_MUST(pool, 0, "schedule", "migrate", "beta/b", "shadow", "--to-every-org", "each", "--type", "one");
    struct ran backup = ROTA_MUST(pool, 0, "schedule", "export");
    assert_non_null(strstr(backup.out, "\n{\"end\":true,\"schedules\":7,"));
    assert_non_null(strstr(backup.out, "\"shadow\":true"));
    assert_null(strstr(ROTA_MUST(pool, 0, "schedule", "export", "acme").out, "every_org"));
    pool_redis(pool, "FLUSHALL");
    ROTA_MUST(pool, 0, "setup", "--lanes", "4", "--durability", "memory");

    struct ran ran = ROTA_FED(pool, backup.out, "schedule", "import", "--strict", "-");

    assert_int_equal(ran.status, 0);
    assert_non_null(strstr(ran.err, "7 schedules, read back and as the file says: 7 new, 0 changed, 0 as they were"));
    assert_string_equal(ROTA_MUST(pool, 0, "schedule", "export").out, backup.out);
    assert_non_null(strstr(ROTA_FED(pool, backup.out, "schedule", "import", "-").err, "0 new, 0 changed, 7 as they were"));
    assert_non_null(strstr(ROTA_MUST(pool, 0, "schedule", "show", "acme/a").out, "cron")); /* its own */
    for (int lane = 0; lane < ROTA_LANES; lane++)
        assert_int_equal(pool_number(pool, "ZCARD rota:{%d}:templates", lane), 3);
    assert_string_equal(pool_string(pool, "HGET rota:{3}:template:each turns"), "-0");

    ROTA_MUST(pool, 0, "schedule", "remove", "--every-org", "a");
    ran = ROTA_FED(pool, backup.out, "schedule", "import", "-");
    assert_int_equal(ran.status, EX_TEMPFAIL);
    assert_non_null(strstr(ran.err, "schedule a of every organization is being removed"));
}

/* Of one schedule of every organization: what two of them say, and a third has turned off and paused; a fourth says nothing. */
static void make_overrides(struct pool *pool)
{
    ROTA_MUST(pool, 0, "schedule", "add", "--every-org", "z", "all", "hello", "--every", "1h", "--queue", "slow", "--spread",
              "10m");
    for (int i = 0; i < 4; i++)
        ROTA_MUST(pool, 0, "org", "set", (const char *[]){"acme", "beta", "gamma", "delta"}[i], "--weight", "50");
    ROTA_MUST(pool, 0, "schedule", "set", "acme/z", "--cron", "0 6 * * *", "--tz", "Europe/Zurich", "--queue", "",
              "--max-attempts", "3");
    ROTA_MUST(pool, 0, "schedule", "set", "beta/z", "--priority", "5", "--missed", "all", "--spread", "0s", "other", "mine");
    ROTA_MUST(pool, 0, "schedule", "set", "gamma/z", "--off");
    ROTA_MUST(pool, 0, "schedule", "pause", "gamma/z");
}

static void what_organizations_say_themselves_is_exported_and_imported(void **state)
{
    struct pool *pool = *state;
    make_overrides(pool);
    struct ran backup = ROTA_MUST(pool, 0, "schedule", "export");
    assert_has(
        backup.out,
        "{\"schedule\":\"acme/z\",\"own_of_every_org\":true,\"cron\":\"0 6 * * *\",\"tz\":\"Europe/Zurich\",\"queue\":null,"
        "\"max_attempts\":3}\n");
    assert_has(backup.out, "\"spread\":null,\"type\":\"other\",\"payload\":\"mine\",\"priority\":5}\n");
    assert_null(strstr(backup.out, "delta/z"));
    assert_has(ROTA_FED(pool, backup.out, "schedule", "import", "-").err, "0 new, 0 changed, 4 as they were");
    pool_redis(pool, "FLUSHALL");
    ROTA_MUST(pool, 0, "setup", "--lanes", "4", "--durability", "memory");
    assert_has(ROTA_FED(pool, backup.out, "schedule", "import", "--dry-run", "-").err, "1 would be new, 3 would be changed");

    struct ran ran = ROTA_FED(pool, backup.out, "schedule", "import", "--strict", "-");

    assert_int_equal(ran.status, 0);
    assert_has(ran.err, "4 schedules, read back and as the file says: 1 new, 3 changed, 0 as they were");
    assert_string_equal(ROTA_MUST(pool, 0, "schedule", "export").out, backup.out);
    assert_has(ROTA_MUST(pool, 0, "schedule", "show", "gamma/z").out, "off");
    assert_has(ROTA_FED(pool, backup.out, "schedule", "import", "-").err, "0 new, 0 changed, 4 as they were");
    ROTA_MUST(pool, 0, "schedule", "set", "acme/z", "--overlap", "allow", "--default", "queue");
    ROTA_MUST(pool, 0, "schedule", "set", "gamma/z", "--on");
    ROTA_MUST(pool, 0, "schedule", "resume", "gamma/z");
    ran = ROTA_FED(pool, backup.out, "schedule", "import", "-"); /* what it does not name is the template's */
    assert_has(ran.err, "0 new, 2 changed, 2 as they were");
    assert_has(ran.err, "1 that were there are paused and not so in the file");
    ROTA_MUST(pool, 0, "schedule", "pause", "gamma/z");
    assert_has(ROTA_FED(pool, backup.out, "schedule", "import", "-").err, "4 as they were");
}

/* A pause of its own is not lost behind that of all; and there must be a schedule to say something of. */
static void a_backup_has_a_pause_below_a_pause_and_refuses_what_belongs_to_nothing(void **state)
{
    struct pool *pool = *state;
    make_overrides(pool);
    ROTA_MUST(pool, 0, "schedule", "pause", "--every-org", "z");
    struct ran backup = ROTA_MUST(pool, 0, "schedule", "export", "gamma");
    assert_has(backup.out, "{\"schedule\":\"gamma/z\",\"own_of_every_org\":true,\"off\":true,\"paused\":\"");
    assert_has(ROTA_FED(pool, backup.out, "schedule", "import", "-").err, "0 new, 0 changed, 1 as they were");
    pool_redis(pool, "FLUSHALL");
    ROTA_MUST(pool, 0, "setup", "--lanes", "4", "--durability", "memory");

    struct ran ran = ROTA_FED(pool, backup.out, "schedule", "import", "-");

    assert_int_equal(ran.status, EX_DATAERR);
    assert_has(ran.err, "what gamma/z has itself of a schedule of every organization, and there is none of that name");
    ROTA_MUST(pool, 0, "schedule", "add", "gamma/z", "t", "--every", "1h");
    ran = ROTA_FED(pool, backup.out, "schedule", "import", "-");
    assert_true(ran.status != 0);
    assert_has(ran.err, "stdin:1: schedule gamma/z: ");
    assert_has(ran.err, "of this organization alone");
}

static void an_import_changes_what_is_different_and_keeps_a_pause(void **state)
{
    struct pool *pool = *state;
    make_some(pool);
    struct ran backup = ROTA_MUST(pool, 0, "schedule", "export", "acme", "gamma");
    ROTA_MUST(pool, 0, "schedule", "set", "acme/a", "--missed", "all");
    ROTA_MUST(pool, 0, "schedule", "resume", "gamma/c");

    struct ran ran = ROTA_FED(pool, backup.out, "schedule", "import", "-");

    assert_int_equal(ran.status, 0);
    assert_non_null(strstr(ran.err, "2 schedules, read back and as the file says: 0 new, 1 changed, 1 as they were"));
    assert_non_null(strstr(ran.err, "1 that were there are paused and not so in the file, or the other way round"));
    assert_non_null(strstr(ROTA_MUST(pool, 0, "schedule", "show", "acme/a").out, "once"));
    assert_non_null(strstr(ROTA_MUST(pool, 0, "schedule", "list", "gamma").out, "active"));
}

static void a_file_with_a_mistake_changes_nothing(void **state)
{
    static const struct {
        const char *text, *words;
    } wrong[] = {
        {"{\"schedule\":\"acme/new\",\"type\":\"t\",\"every\":\"1h\"}\n{\"schedule\":\"acme/b\",\"type\":\"t\"}\n", "stdin:2: "},
        {"{\"schedule\":\"acme/new\",\"type\":\"t\",\"every\":\"1h\"}\n{\"end\":true,\"schedules\":2,\"sha256\":\"x\"}\n",
         "stdin:2: the file has 1 schedules, its last line says 2"},
    };
    struct pool *pool = *state;
    make_some(pool);
    long long keys = pool_number(pool, "DBSIZE");

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct ran ran = ROTA_FED(pool, wrong[i].text, "schedule", "import", "-");
        assert_int_equal(ran.status, EX_DATAERR);
        assert_has(ran.err, wrong[i].words);
    }
    assert_int_equal(ROTA_FED(pool, "", "schedule", "import", "--strict", "-").status, EX_DATAERR);
    assert_int_equal(ROTA(pool, "schedule", "import", "/nothing/here").status, EX_NOINPUT);
    assert_int_equal(pool_number(pool, "DBSIZE"), keys);
}

static void a_line_that_redis_refuses_is_named(void **state)
{
    struct pool *pool = *state;
    make_some(pool);
    ROTA_MUST(pool, 0, "org", "set", "acme", "--max-payload", "1");

    struct ran ran = ROTA_FED(pool,
                              "{\"schedule\":\"beta/fine\",\"type\":\"t\",\"every\":\"1h\"}\n"
                              "{\"schedule\":\"acme/large\",\"type\":\"t\",\"every\":\"1h\",\"payload\":\"hello\"}\n",
                              "schedule", "import", "-");

    assert_true(ran.status != 0);
    assert_has(ran.err, "stdin:2: schedule acme/large: ");
    assert_has(ran.err, "1 schedules new");
}

static void an_export_that_fails_leaves_the_one_before(void **state)
{
    struct pool *pool = *state;
    const char *path = write_text(pool, "backup.jsonl", "the one before\n");
    make_some(pool);
    pool_redis(pool, "SET rota:{0}:org:acme:schedules x"); /* the organization of lane 0 or another: both are damaged */
    for (int lane = 1; lane < ROTA_LANES; lane++)
        pool_redis(pool, "SET rota:{%d}:org:acme:schedules x", lane);
    pool->unchecked = true;

    assert_true(ROTA(pool, "schedule", "export", "--to", path).status != 0);

    assert_string_equal(pool_file(pool, "backup.jsonl"), "the one before\n");
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        POOL_TEST(GA_7_retries_exhausted_are_told_and_every_active_schedule_goes_on),
        POOL_TEST(GA_10_a_change_that_was_saved_and_not_armed_is_repaired),
        POOL_TEST(GA_11_a_flushed_redis_has_all_schedules_of_the_file_again),
        POOL_TEST(GA_11_a_flushed_redis_is_whole_again_after_an_import),
        POOL_TEST(GA_11_a_redis_restored_from_an_old_backup_has_one_future_due_time_for_each),
        POOL_TEST(AP_13_no_success_for_two_periods_is_flagged_and_told_once),
        POOL_TEST(PB_14_a_missed_run_is_told),
        POOL_TEST(what_the_file_names_is_set_again_and_all_else_left_alone),
        POOL_TEST(a_bad_file_ends_the_start_and_keeps_the_old_one_later),
        POOL_TEST(a_schedule_that_is_refused_is_told_and_others_are_set),
        POOL_TEST(what_every_organization_is_to_have_is_kept_so),
        POOL_TEST(what_an_organization_is_to_say_itself_is_kept_so),
        ROTA_TEST_LANES(what_is_exported_is_imported_into_an_empty_redis),
        ROTA_TEST_LANES(what_every_organization_has_is_exported_and_imported),
        ROTA_TEST_LANES(what_organizations_say_themselves_is_exported_and_imported),
        ROTA_TEST_LANES(a_backup_has_a_pause_below_a_pause_and_refuses_what_belongs_to_nothing),
        ROTA_TEST_LANES(an_import_changes_what_is_different_and_keeps_a_pause),
        ROTA_TEST_LANES(a_file_with_a_mistake_changes_nothing),
        ROTA_TEST_LANES(a_line_that_redis_refuses_is_named),
        ROTA_TEST_LANES(an_export_that_fails_leaves_the_one_before),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return stall_verdict(cmocka_run_group_tests_name("reconcile", tests, NULL, NULL));
}
