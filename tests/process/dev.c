/* `rota dev` - everything starts with one command, ends with one key, and leaves nothing behind, however it ends. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/library.h"
#include "tests/support/rota.h"

#define GONE_MS 1000  /* until everything is gone after a kill -9 */
#define STOP_MS 30000 /* until a stop is over, under sanitizers */
#define READY   "Ctrl-C stops everything."

/* A stack started in its own directory below the pool's; the pool's own Redis is not used by it. */
static struct process *start_dev(struct pool *pool, const char *const *more)
{
    static unsigned number;
    const char *arguments[32] = {"dev", "--dir", pool_path(pool, "data")};
    size_t count = 3;

    for (; more && *more; more++)
        arguments[count++] = *more;
    return process_start(&(struct process_options){
        .program = "rota",
        .arguments = arguments,
        .environment =
            (const char *const[]){pool_text(pool, "HOME=%s", pool->directory), "ROTA_REDIS_URL=redis://127.0.0.1:1", NULL},
        .log = pool_text(pool, "%s/dev.%u.log", pool->directory, number++),
    });
}

#define DEV(pool, ...) start_dev(pool, (const char *const[]){__VA_ARGS__, NULL})

/* From here on ROTA() talks to the stack. */
static void use_dev(struct pool *pool, struct process *dev)
{
    process_wait_for(dev, READY);
    pool->url = pool_text(pool, "unix://%s/data/redis.sock", pool->directory);
}

/* Processes of this test: all that have its HOME. */
static unsigned left(struct pool *pool)
{
    const char *home = pool_text(pool, "HOME=%s", pool->directory);

    return signal_processes(home, home, 0);
}

/* The process id of a worker or scheduler that lives. */
static pid_t pid_of(struct pool *pool, const char *kind)
{
    struct ran ran = ROTA_MUST(pool, 0, "worker", "list", "--json");
    json_t *list = ran_json(&ran);
    pid_t pid = 0;

    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *member = json_array_get(list, i);
        if (strcmp(json_text(member, "kind"), kind) == 0 && strcmp(json_text(member, "state"), "running") == 0)
            pid = (pid_t)json_number(member, "pid");
    }
    assert_true(pid > 0);
    json_decref(list);
    return pid;
}

static void wait_running(struct pool *pool, const char *name)
{
    WAIT_UNTIL(strstr(ROTA(pool, "job", "show", name).out, "state              running"));
}

static int set_up(void **state)
{
    return pool_setup(state);
}

/* The pool's own server was never set up: there is nothing to check on it. */
static int tear_down(void **state)
{
    struct pool *pool = *state;

    pool->unchecked = true;
    return pool_teardown(state);
}

/* ---- start and stop ---- */

static void one_command_starts_everything(void **state)
{
    struct pool *pool = *state;
    struct process *dev = start_dev(pool, NULL);

    use_dev(pool, dev);
    assert_has(process_log(dev), pool_text(pool, "export ROTA_REDIS_URL=%s\n", pool->url));
    assert_has(process_log(dev), "2 workers with 4 slots each run echo (cat), wc (wc -w), sleep (sleep 3), sha256 (sha256sum).");
    assert_has(process_log(dev), "worker-2  | ");
    assert_has(process_log(dev), "scheduler | ");
    assert_string_equal(ROTA_MUST(pool, 0, "push", "acme", "wc", "a b c", "--wait").out, "3\n");
    assert_has(ROTA_MUST(pool, 0, "setup").out, "level              disk\n");
    process_signal(dev, SIGINT);
    assert_int_equal(process_wait(dev, STOP_MS), 0);
    assert_int_equal(left(pool), 0);
    process_free(dev);
}

static void a_stop_lets_jobs_end_and_keeps_the_data(void **state)
{
    struct pool *pool = *state;
    struct process *dev = DEV(pool, "--on", "slow=sleep 1; echo done", "--slots", "1");

    use_dev(pool, dev);
    ROTA_MUST(pool, 0, "push", "acme", "slow", "--id", "j1");
    ROTA_MUST(pool, 0, "push", "acme", "slow", "--id", "later", "--in", "1h");
    wait_running(pool, "acme/j1");
    process_signal(dev, SIGTERM);
    assert_int_equal(process_wait(dev, STOP_MS), 0);
    assert_int_equal(left(pool), 0);
    process_free(dev);

    dev = DEV(pool, "--on", "slow=true");
    use_dev(pool, dev);
    assert_string_equal(ROTA_MUST(pool, 0, "job", "result", "acme/j1").out, "done\n");
    assert_has(ROTA_MUST(pool, 0, "job", "show", "acme/later").out, "scheduled");
    process_signal(dev, SIGHUP);
    assert_int_equal(process_wait(dev, STOP_MS), 0);
    process_free(dev);
}

static void a_second_signal_stops_jobs_at_once(void **state)
{
    struct pool *pool = *state;
    struct process *dev = DEV(pool, "--on", "slow=sleep 4321");

    use_dev(pool, dev);
    ROTA_MUST(pool, 0, "push", "acme", "slow", "--id", "j1");
    wait_running(pool, "acme/j1");
    process_signal(dev, SIGINT);
    process_wait_for(dev, "draining");
    process_signal(dev, SIGINT);
    assert_int_equal(process_wait(dev, STOP_MS), 0);
    assert_has(process_log(dev), "handing back what still runs");
    assert_int_equal(left(pool), 0);
    process_free(dev);
}

static void it_can_be_stopped_while_it_starts(void **state)
{
    struct pool *pool = *state;
    struct process *dev = start_dev(pool, NULL);

    process_wait_for(dev, "redis     | ");
    process_signal(dev, SIGTERM);
    assert_int_equal(process_wait(dev, STOP_MS), 0);
    assert_int_equal(left(pool), 0);
    process_free(dev);
}

static void what_handlers_leave_behind_goes_too(void **state)
{
    struct pool *pool = *state;
    struct process *dev = DEV(pool, "--on", "stray=setsid sleep 4321 >/dev/null 2>&1 & echo ok");

    use_dev(pool, dev);
    assert_string_equal(ROTA_MUST(pool, 0, "push", "acme", "stray", "--wait").out, "ok\n");
    process_signal(dev, SIGTERM);
    assert_int_equal(process_wait(dev, STOP_MS), 0);
    assert_int_equal(left(pool), 0);
    process_free(dev);
}

/* ---- death ---- */

static void killed_it_leaves_no_process_behind(void **state)
{
    struct pool *pool = *state;
    struct process *dev = DEV(pool, "--on", "slow=sleep 4321; sleep 4321", "--on", "pipe=sleep 4321 | cat", "--on",
                              "stray=setsid sleep 4321 >/dev/null 2>&1 & sleep 4321");

    use_dev(pool, dev);
    ROTA_MUST(pool, 0, "push", "acme", "slow", "--id", "j1");
    ROTA_MUST(pool, 0, "push", "acme", "pipe", "--id", "j2");
    ROTA_MUST(pool, 0, "push", "acme", "stray", "--id", "j3");
    wait_running(pool, "acme/j1");
    wait_running(pool, "acme/j2");
    wait_running(pool, "acme/j3");
    assert_true(left(pool) >= 12);
    process_kill(dev);
    WAIT_UNTIL_MS(GONE_MS, left(pool) == 0);
    process_free(dev);

    dev = DEV(pool, "--on", "none=true"); /* what was acknowledged is there */
    use_dev(pool, dev);
    assert_int_equal(count_text(ROTA_MUST(pool, 0, "job", "list", "acme", "-o", "ndjson").out, "\n"), 3);
    process_kill(dev);
    WAIT_UNTIL_MS(GONE_MS, left(pool) == 0);
    process_free(dev);
}

/* Killed while it starts, too: at a moment that differs each time. */
static void killed_early_it_leaves_nothing_either(void **state)
{
    struct pool *pool = *state;

    for (int ms = 0; ms < 500; ms += 37) {
        struct process *dev = start_dev(pool, NULL);
        pause_ms(ms);
        process_kill(dev);
        WAIT_UNTIL_MS(GONE_MS, left(pool) == 0);
        process_free(dev);
    }
}

static void the_death_of_one_takes_down_all(void **state)
{
    static const char *const kinds[] = {"worker", "scheduler", "redis"};
    struct pool *pool = *state;

    for (int i = 0; i < 3; i++) {
        struct process *dev = start_dev(pool, NULL);
        pid_t pid;
        use_dev(pool, dev);
        if (i < 2)
            pid = pid_of(pool, kinds[i]);
        else
            assert_int_equal(sscanf(strstr(process_log(dev), "Redis version"), "%*[^,], %*[^,], %*[^,], %*[^,], pid=%d", &pid),
                             1);
        kill(pid, SIGKILL);
        assert_int_equal(process_wait(dev, STOP_MS), EX_SOFTWARE);
        assert_has(process_log(dev), pool_text(pool, "rota: %s", kinds[i]));
        assert_has(process_log(dev), pool_text(pool, "(pid %d) was killed by signal 9: taking everything down", pid));
        assert_int_equal(left(pool), 0);
        process_free(dev);
    }
}

/* ---- what it is told ---- */

static void another_redis_is_used_and_left_alone(void **state)
{
    struct pool *pool = *state;
    struct process *dev = DEV(pool, "--redis", pool->url, "--on", "t=cat");

    process_wait_for(dev, READY);
    assert_string_equal(ROTA_MUST(pool, 0, "push", "acme", "t", "x", "--wait").out, "x");
    assert_has(process_log(dev), "on the Redis at unix://");
    assert_int_equal(access(pool_path(pool, "data"), F_OK), -1);
    process_signal(dev, SIGINT);
    assert_int_equal(process_wait(dev, STOP_MS), 0);
    assert_string_equal(pool_string(pool, "PING"), "PONG");
    process_free(dev);
}

static void a_directory_serves_one_at_a_time(void **state)
{
    struct pool *pool = *state;
    struct process *dev = start_dev(pool, NULL);
    struct ran ran;

    use_dev(pool, dev);
    ran = ROTA_MUST(pool, EX_CANTCREAT, "dev", "--dir", pool_path(pool, "data"));
    assert_has(ran.err, "is in use by another rota dev");
    ran = ROTA_MUST(pool, EX_CANTCREAT, "dev", "--dir", pool_path(pool, "no/such/place"));
    assert_has(ran.err, "cannot make directory");
    process_kill(dev);
    WAIT_UNTIL_MS(GONE_MS, left(pool) == 0);
    process_free(dev);
}

static void what_makes_no_sense_is_refused(void **state)
{
    struct pool *pool = *state;

    const char *path = write_text(pool, "rota.yaml", "handlers: {wc: 'wc -w'}\n");

    assert_has(ROTA_MUST(pool, EX_USAGE, "dev", "--on", "wc").err, "must be TYPE=COMMAND");
    assert_has(ROTA_MUST(pool, EX_USAGE, "dev", "--on", "bad type=cat").err, "rota: type \"bad type\" must match");
    assert_has(ROTA_MUST(pool, EX_USAGE, "dev", "--on", "a=cat", "--on", "ab=cat", "--on", "a=wc").err,
               "rota: type a has two handlers. Try: ");
    assert_has(ROTA_MUST(pool, EX_USAGE, "dev", "--on", "wc=cat", "--config", path).err, "two handlers: --on, and ");
    ROTA_MUST(pool, EX_USAGE, "dev", "--slots", "0");
    ROTA_MUST(pool, EX_USAGE, "dev", "more");
    ROTA_MUST(pool, EX_USAGE, "dev", "--redis", "nonsense");
    assert_int_equal(access("rota-dev", F_OK), -1);
}

static void a_redis_that_is_away_is_named_at_once(void **state)
{
    struct pool *pool = *state;
    int64_t start_mono_ms = clock_mono_ms();
    struct ran ran = ROTA_MUST(pool, EX_UNAVAILABLE, "dev", "--redis", "redis://127.0.0.1:1");

    assert_has(ran.err, "rota: cannot reach redis at redis://127.0.0.1:1/0: ");
    assert_has(ran.err, "refused");
    assert_int_equal(count_text(ran.err, "\n"), 1);
    assert_true(clock_mono_ms() - start_mono_ms < 10000);
    pool_redis(pool, "CONFIG SET requirepass secret");
    assert_has(ROTA_MUST(pool, EX_NOPERM, "dev", "--redis", pool->url).err, "does not let us in");
}

static void handlers_of_a_file_are_run(void **state)
{
    struct pool *pool = *state;
    struct process *dev = DEV(pool, "--config", write_text(pool, "rota.yaml", "handlers: {rev: rev}\n"));

    use_dev(pool, dev);
    assert_string_equal(ROTA_MUST(pool, 0, "push", "acme", "rev", "abc", "--wait").out, "cba");
    process_signal(dev, SIGTERM);
    assert_int_equal(process_wait(dev, STOP_MS), 0);
    process_free(dev);
}

/* As after an update in the middle of development, where the text has changed and the number has not. */
static void the_library_of_another_build_is_replaced(void **state)
{
    struct pool *pool = *state;
    struct process *dev = start_dev(pool, NULL);
    redisContext *redis;
    redisReply *reply;

    use_dev(pool, dev);
    ROTA_MUST(pool, 0, "push", "acme", "echo", "x", "--id", "j1", "--in", "1h");
    redis = redisConnectUnix(pool->url + strlen("unix://"));
    reply = redisCommand(redis, "FUNCTION LOAD REPLACE %s", pool_text(pool, "%s\n-- another build", library_text()));
    assert_string_equal(reply->str, library_name());
    freeReplyObject(reply);
    redisFree(redis);
    process_signal(dev, SIGTERM);
    assert_int_equal(process_wait(dev, STOP_MS), 0);
    process_free(dev);

    dev = start_dev(pool, NULL);
    use_dev(pool, dev);
    assert_has(process_log(dev), "loading the function library of this build\n");
    ROTA_MUST(pool, 0, "job", "run-now", "acme/j1");
    assert_string_equal(ROTA_MUST(pool, 0, "job", "wait", "acme/j1").out, "x");
    process_signal(dev, SIGTERM);
    assert_int_equal(process_wait(dev, STOP_MS), 0);
    process_free(dev);
}

/* A path that is too long for a unix socket: TCP does. */
static void a_long_path_is_no_obstacle(void **state)
{
    struct pool *pool = *state;
    const char *directory =
        pool_path(pool, "a-directory-with-a-name-that-is-much-too-long-for-the-address-of-a-unix-socket-on-linux-"
                        "which-has-room-for-107-bytes");
    struct process *dev = process_start(&(struct process_options){
        .program = "rota",
        .arguments = (const char *const[]){"dev", "--dir", directory, "--json", NULL},
        .environment = (const char *const[]){pool_text(pool, "HOME=%s", pool->directory), NULL},
        .log = pool_path(pool, "dev.log"),
    });
    char url[128];

    assert_int_equal(sscanf(process_wait_for(dev, "\"redis_url\":\""), "%127[^\"]", url), 1);
    assert_has(url, "redis://127.0.0.1:");
    pool->url = url;
    assert_string_equal(ROTA_MUST(pool, 0, "push", "acme", "echo", "x", "--wait").out, "x");
    process_signal(dev, SIGTERM);
    assert_int_equal(process_wait(dev, STOP_MS), 0);
    process_free(dev);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(one_command_starts_everything),
        TEST(a_stop_lets_jobs_end_and_keeps_the_data),
        TEST(a_second_signal_stops_jobs_at_once),
        TEST(it_can_be_stopped_while_it_starts),
        TEST(what_handlers_leave_behind_goes_too),
        TEST(killed_it_leaves_no_process_behind),
        TEST(killed_early_it_leaves_nothing_either),
        TEST(the_death_of_one_takes_down_all),
        TEST(another_redis_is_used_and_left_alone),
        TEST(a_directory_serves_one_at_a_time),
        TEST(a_redis_that_is_away_is_named_at_once),
        TEST(handlers_of_a_file_are_run),
        TEST(the_library_of_another_build_is_replaced),
        TEST(what_makes_no_sense_is_refused),
        TEST(a_long_path_is_no_obstacle),
    };
    return cmocka_run_group_tests_name("dev", tests, NULL, NULL);
}
