/* `rota setup` and `rota version`; and what all commands share: misuse, errors, exit codes, signals. */
#include <signal.h>
#include <string.h>
#include <sysexits.h>

#include "common/library.h"
#include "tests/support/rota.h"

/* ---- setup, version ---- */

static void setting_up_twice_changes_nothing(void **state)
{
    struct pool *pool = *state;
    struct ran ran = ROTA_MUST(pool, 0, "setup", "--json");
    json_t *object = ran_json(&ran);

    assert_int_equal(json_number(object, "lanes"), ROTA_LANES);
    assert_string_equal(json_text(object, "durability"), "disk");
    assert_string_equal(json_text(object, "level"), "disk");
    assert_string_equal(json_text(object, "library"), library_name());
    json_decref(object);
    assert_has(ROTA_MUST(pool, EX_CONFIG, "setup", "--lanes", "5").err, "4 lanes");
    assert_has(pool_string(pool, "GET rota:README"), "a session whose beat is gone is suspect\n");
}

static void a_redis_that_is_not_set_up_says_what_to_do(void **state)
{
    struct pool *pool = *state;

    pool_redis(pool, "FLUSHALL");
    pool->unchecked = true;
    assert_has(ROTA_MUST(pool, EX_CONFIG, "job", "list").err, "`rota setup`");
    pool_redis(pool, "FUNCTION FLUSH");
    ROTA_MUST(pool, 0, "setup");
    ROTA_MUST(pool, 0, "job", "list");
}

/* Its text is most of what a command would fetch: its sum does. */
static void a_command_knows_the_library_by_its_sum(void **state)
{
    struct pool *pool = *state;
    long long before = pool_number(pool, "EVAL %s 0", "return tonumber(redis.call('INFO', 'stats'):match('output_bytes:(%d+)'))");
    long long bytes;

    ROTA_MUST(pool, 0, "org", "list");
    bytes = pool_number(pool, "EVAL %s 0", "return tonumber(redis.call('INFO', 'stats'):match('output_bytes:(%d+)'))") - before;
    assert_true(bytes > 0 && (size_t)bytes < strlen(library_text()) / 2);
    pool_redis(pool, "HSET rota:meta library:%s 0123456789abcdef", library_name());
    assert_has(ROTA_MUST(pool, EX_CONFIG, "org", "list").err, "has another text than this build");
    pool_redis(pool, "FUNCTION DELETE %s", library_name());
    assert_has(ROTA_MUST(pool, EX_CONFIG, "org", "list").err, "is not loaded");
    ROTA_MUST(pool, 0, "setup");
    ROTA_MUST(pool, 0, "org", "list");
}

static void the_version_needs_no_redis(void **state)
{
    struct pool *pool = *state;
    struct ran ran;
    json_t *object;

    pool->url = "unix:///nowhere";
    assert_has(ROTA_MUST(pool, 0, "version").out, "rota " ROTA_VERSION);
    assert_has(ROTA_MUST(pool, 0, "--version").out, "rota " ROTA_VERSION);
    ran = ROTA_MUST(pool, 0, "version", "--json");
    object = ran_json(&ran);
    assert_string_equal(json_text(object, "version"), ROTA_VERSION);
    assert_string_equal(json_text(object, "library_sha256"), library_sha256());
    json_decref(object);
}

/* ---- what all share ---- */

static void misuse_is_told_with_what_was_meant(void **state)
{
    struct pool *pool = *state;
    struct ran ran;

    assert_has(ROTA_MUST(pool, EX_USAGE, "psuh").err, "rota: unknown command \"psuh\", did you mean \"push\"?");
    assert_has(ROTA_MUST(pool, EX_USAGE, "job", "lst").err, "did you mean \"job list\"?");
    ran = rota_must(pool, EX_USAGE, (const char *const[]){NULL});
    assert_string_equal(ran.out, "");
    assert_has(ran.err, "rota push ORG TYPE");
    assert_has(ROTA_MUST(pool, EX_USAGE, "job").err, "rota job cancel JOB...");
    assert_has(ROTA_MUST(pool, EX_USAGE, "job", "show").err, "missing arguments, usage: rota job show JOB");
    assert_has(ROTA_MUST(pool, EX_USAGE, "pause", "acme").err, "too many arguments");
    assert_has(ROTA_MUST(pool, EX_USAGE, "job", "list", "-o", "xml").err, "must be table, json or ndjson");
    assert_has(ROTA_MUST(pool, EX_USAGE, "job", "list", "--redis", "mysql://x").err, "must begin with redis://");
    ran = ROTA_MUST(pool, EX_USAGE, "job", "list", "Acme", "--json");
    assert_has(ran.err, "{\"error\":{\"code\":\"usage\",\"message\":\"organization \\\"Acme\\\" must match");
    assert_has(ROTA_MUST(pool, 0, "job", "--help").out, "rota job show JOB");
    assert_has(ROTA_MUST(pool, 0, "job", "show", "--help").out, "--payload");
    assert_has(ROTA_MUST(pool, 0, "help").out, "rota worker list");
}

static void a_bad_configuration_is_told_apart_from_misuse(void **state)
{
    struct pool *pool = *state;
    const char *path = write_text(
        pool, "rota.yaml", "redis: {url: 'unix:///nowhere'}\ncli: {push: {queue: mail}, outptu: json}\nworker: {slots: 3}\n");

    assert_has(ROTA_MUST(pool, EX_CONFIG, "job", "list", "--config", path).err, "unknown setting \"cli.outptu\"");
    write_text(pool, "rota.yaml", "cli: {push: {queue: mail}, output: ndjson}\nworker: {slots: 3}\nhandlers: {wc: 'wc -w'}\n");
    assert_string_equal(ROTA_MUST(pool, 0, "job", "list", "--config", path).out, "");
    ROTA_MUST(pool, 0, "push", "acme", "t", "--id", "j1", "--config", path);
    assert_string_equal(pool_job(pool, "acme", "j1")->record.queue, "mail");
    pool_scheduler(pool, "--config", path, NULL); /* one file serves all programs */
    pool_worker(pool, "--config", path, NULL);
}

static void who_may_not_is_told_so(void **state)
{
    struct pool *pool = *state;

    pool_redis(pool, "ACL SETUSER limited on >secret ~* +@all -fcall");
    pool->url = pool_text(pool, "unix://limited:wrong@%s", server_socket(pool->server));
    assert_has(ROTA_MUST(pool, EX_NOPERM, "job", "list").err, "does not let us in");
    pool->url = pool_text(pool, "unix://limited:secret@%s", server_socket(pool->server));
    assert_has(ROTA_MUST(pool, EX_NOPERM, "push", "acme", "t").err, "NOPERM");
}

static void a_weak_server_takes_no_jobs_but_can_be_looked_at(void **state)
{
    struct pool *pool = *state;

    pool_push(pool, "acme", "j1", "t", "");
    pool_redis(pool, "CONFIG SET maxmemory-policy allkeys-lru");
    assert_has(ROTA_MUST(pool, EX_CONFIG, "push", "acme", "t").err, "allkeys-lru");
    assert_has(ROTA_MUST(pool, 0, "job", "list").err, "warning: ");
    ROTA_MUST(pool, 0, "job", "cancel", "acme/j1");
    pool_redis(pool, "CONFIG SET maxmemory-policy noeviction");
}

static void quiet_says_nothing_but_errors(void **state)
{
    struct pool *pool = *state;

    pool_push(pool, "acme", "j1", "t", "");
    assert_string_equal(ROTA_MUST(pool, 0, "job", "cancel", "acme/j1", "-q").err, "");
    assert_has(ROTA_MUST(pool, 1, "job", "cancel", "acme/j1", "-q").err, "has ended already");
}

static void a_signal_ends_a_wait(void **state)
{
    struct pool *pool = *state;
    const int numbers[] = {SIGINT, SIGTERM};

    pool_push(pool, "acme", "j1", "t", "");
    for (int i = 0; i < 2; i++) {
        const char *environment[] = {pool_text(pool, "ROTA_REDIS_URL=%s", pool->url), NULL};
        struct process *wait =
            process_start(&(struct process_options){.program = "rota",
                                                    .arguments = (const char *const[]){"job", "wait", "acme/j1", NULL},
                                                    .environment = environment,
                                                    .log = pool_path(pool, "wait.log")});
        WAIT_UNTIL(strstr(pool_string(pool, "CLIENT LIST"), "name=rota "));
        process_signal(wait, numbers[i]);
        assert_int_equal(process_wait(wait, PROCESS_MS_MAX), 128 + numbers[i]);
        process_free(wait);
        WAIT_UNTIL(!strstr(pool_string(pool, "CLIENT LIST"), "name=rota "));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROTA_TEST_LANES(setting_up_twice_changes_nothing),
        ROTA_TEST_LANES(a_redis_that_is_not_set_up_says_what_to_do),
        ROTA_TEST_LANES(a_command_knows_the_library_by_its_sum),
        ROTA_TEST_LANES(the_version_needs_no_redis),
        ROTA_TEST_LANES(misuse_is_told_with_what_was_meant),
        ROTA_TEST_LANES(a_bad_configuration_is_told_apart_from_misuse),
        ROTA_TEST_LANES(who_may_not_is_told_so),
        ROTA_TEST_LANES(a_weak_server_takes_no_jobs_but_can_be_looked_at),
        ROTA_TEST_LANES(quiet_says_nothing_but_errors),
        ROTA_TEST_LANES(a_signal_ends_a_wait),
    };
    return cmocka_run_group_tests_name("cli_setup", tests, NULL, NULL);
}
