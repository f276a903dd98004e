/* producers - docs/PRODUCERS.md at its word: its fixtures by way of a scheduler, and the producer in one language that is named
 * as the argument. Exits with 77 (skipped) where that language or its client for Redis is not installed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "tests/support/pool.h"
#include "tests/support/producers.h"
#include "tests/support/rota.h"

#define SKIPPED 77

/* ---- the fixtures ---- */

/* XADD of an entry; its id. */
static const char *append(struct pool *pool, json_t *entry)
{
    const char *words[128] = {"XADD", "rota:inbox", "NOMKSTREAM", "*"}, *name;
    size_t lengths[128] = {4, 10, 10, 1};
    int count = 4;
    json_t *value;

    json_object_foreach(entry, name, value)
    {
        words[count] = name;
        lengths[count++] = strlen(name);
        words[count] = producers_bytes(value, &lengths[count]);
        count++;
    }
    redisReply *reply = redisCommandArgv(pool->redis, count, words, lengths);
    const char *id = pool_text(pool, "%s", reply && reply->type == REDIS_REPLY_STRING ? reply->str : "");
    freeReplyObject(reply);
    for (int i = 5; i < count; i += 2)
        free((char *)(uintptr_t)words[i]);
    assert_string_not_equal(id, "");
    return id;
}

static void accepted_entries_become_the_jobs_they_should(void **state)
{
    struct pool *pool = *state;
    json_t *list = producers_fixtures("accepted"), *fixture;
    size_t i;
    pool_scheduler(pool, "--lanes", pool_text(pool, "%u", pool->lanes), NULL);

    json_array_foreach(list, i, fixture)
    {
        json_t *entry = json_object_get(fixture, "entry");
        const char *org = json_string_value(json_object_get(entry, "org")), *id = append(pool, entry);
        WAIT_UNTIL(pool_number(pool, "XLEN rota:inbox") == 0);

        assert_string_not_equal(pool_place(pool, org, id), "");
        json_t *job = producers_job(&pool_job(pool, org, id)->record);
        if (!json_equal(job, json_object_get(fixture, "job")))
            fail_msg("%s: %s", json_string_value(json_object_get(fixture, "what")), json_dumps(job, 0));
        json_decref(job);
    }
    assert_int_equal(pool_number(pool, "EXISTS rota:rejected"), 0);
    json_decref(list);
}

static void refused_entries_are_rejected_for_their_reasons(void **state)
{
    struct pool *pool = *state;
    json_t *list = producers_fixtures("refused"), *fixture;
    size_t i;
    pool_scheduler(pool, NULL);

    json_array_foreach(list, i, fixture)
    {
        const char *id = append(pool, json_object_get(fixture, "entry"));
        WAIT_UNTIL(pool_number(pool, "XLEN rota:rejected") == (long long)i + 1);
        const redisReply *last = pool_redis(pool, "XREVRANGE rota:rejected + - COUNT 1")->element[0]->element[1];
        assert_string_equal(last->element[1]->str, id);
        assert_has(last->element[5]->str, json_string_value(json_object_get(fixture, "reason")));
    }
    WAIT_UNTIL(pool_number(pool, "XLEN rota:inbox") == 0);
    assert_int_equal(pool_number(pool, "ZCARD rota:{0}:orgs"), 0);
    json_decref(list);
}

/* ---- a language ---- */

struct language {
    const char *name, *packages; /* of Debian */
    const char *is_there, *build, *run;
};

#define PYTHON "for p in /usr/bin/python3 python3; do $p -c 'import redis' 2>/dev/null && break; done; $p "
#define NODE   "NODE_PATH=/usr/share/nodejs node "
#define GO     "GO111MODULE=off GOFLAGS= GOPATH=/usr/share/gocode go "

/* Commands of a shell in examples/producers, with $OUT for what is built. */
static const struct language languages[] = {
    {"shell", "redis-tools", "redis-cli --version", "true", "sh push.sh"},
    {"python", "python3-redis", PYTHON "-c 'import redis'", "true", PYTHON "push.py"},
    {"node", "nodejs node-redis", NODE "-e 'require(\"redis\")'", "true", NODE "push.js"},
    {"go", "golang-go golang-github-gomodule-redigo-dev", "cd /usr/share/gocode/src/github.com/gomodule/redigo && go version",
     GO "build -o $OUT/push-go push.go", "$OUT/push-go"},
    {"ruby", "ruby-redis", "ruby -e 'require \"redis\"'", "true", "ruby push.rb"},
    {"php", "php-cli php-redis", "php -r 'exit(extension_loaded(\"redis\") ? 0 : 1);'", "true", "php push.php"},
    {"c", "gcc libhiredis-dev", "cc --version", "cc -Wall -Wextra -Werror -o $OUT/push-c push.c -lhiredis", "$OUT/push-c"},
};
static const struct language *language;

/* What a command prints; `input` is a path. Its exit status must be as wished. */
static const char *shell(struct pool *pool, const char *command, const char *arguments, const char *input, bool is_good)
{
    static unsigned number;
    const char *log = pool_text(pool, "%s/shell.%u.log", pool->directory, ++number);
    const char *script = pool_text(pool, "cd %s/examples/producers && { %s %s; } 2>&1", SOURCE_PATH, command, arguments);
    struct process *process = process_start(&(struct process_options){.program = "/bin/sh",
                                                                      .arguments = (const char *[]){"-c", script, NULL},
                                                                      .environment = pool->environment,
                                                                      .log = log,
                                                                      .input = input});
    int status = process_wait(process, 120000);
    const char *printed = pool_text(pool, "%s", process_log(process));

    process_free(process);
    if ((status == 0) != is_good)
        fail_msg("%s %s: exit %d\n%s", command, arguments, status, printed);
    return printed;
}

static bool is_there(void)
{
    char *command = memory_format("{ %s; } >/dev/null 2>&1", language->is_there);
    int status = system(command); /* NOLINT(cert-env33-c): words of our own */

    free(command);
    return status == 0;
}

/* One that has TCP, since not every client knows sockets of a path. */
static int port_setup(void **state)
{
    static const char *environment[5];
    static char text[16];
    int port = server_free_port();
    struct pool *pool;

    snprintf(text, sizeof text, "%d", port);
    pool = pool_new(1, (const char *[]){"--port", text, NULL});
    environment[0] = pool_text(pool, "REDIS_URL=redis://127.0.0.1:%d", port);
    environment[1] = "REDIS_HOST=127.0.0.1";
    environment[2] = pool_text(pool, "REDIS_PORT=%d", port);
    environment[3] = pool_text(pool, "OUT=%s", pool->directory);
    pool->environment = environment;
    *state = pool;
    return 0;
}

static char *payload_path(struct pool *pool, char ret_bytes[1024])
{
    char *path = memory_format("%s/payload", pool->directory);
    FILE *file = fopen(path, "w");

    for (int i = 0; i < 1024; i++)
        ret_bytes[i] = (char)i;
    assert_non_null(file);
    assert_int_equal(fwrite(ret_bytes, 1, 1024, file), 1024);
    assert_int_equal(fclose(file), 0);
    return path;
}

/* The id that was printed, without its end of line. */
static const char *id_of(struct pool *pool, const char *printed)
{
    const char *id = pool_text(pool, "%.*s", (int)strcspn(printed, "\n"), printed);

    assert_int_equal(strspn(id, "0123456789-"), strlen(id));
    assert_string_equal(printed, pool_text(pool, "%s\n", id));
    return id;
}

static void its_job_runs_once_with_exactly_its_payload(void **state)
{
    struct pool *pool = *state;
    char bytes[1024], *input = payload_path(pool, bytes);
    shell(pool, language->build, "", NULL, true);
    shell(pool, language->run, "acme echo key-1", input, false); /* nobody has set this Redis up */
    assert_int_equal(pool_number(pool, "EXISTS rota:inbox"), 0);
    pool_scheduler(pool, NULL);
    pool_worker(pool, "--on", pool_logging(pool, "echo", "cat"), NULL);

    const char *first = id_of(pool, shell(pool, language->run, "acme echo key-1", input, true));
    pool_wait_place(pool, "acme", first, "done");
    const char *again = id_of(pool, shell(pool, language->run, "acme echo key-1", input, true));
    const char *other = id_of(pool, shell(pool, language->run, "acme echo key-2", input, true));
    pool_wait_place(pool, "acme", other, "done");

    const struct report *report = &job_last_attempt(pool_job(pool, "acme", first))->report;
    assert_int_equal(report->result_bytes, sizeof bytes);
    assert_memory_equal(report->result, bytes, sizeof bytes);
    assert_string_equal(pool_place(pool, "acme", again), "");
    WAIT_UNTIL(pool_number(pool, "XLEN rota:inbox") == 0);
    assert_int_equal(pool_number(pool, "EXISTS rota:rejected"), 0);
    assert_int_equal(pool_logged(pool, " acme/"), 2);
    free(input);
}

static int run_language(const char *name)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(its_job_runs_once_with_exactly_its_payload, port_setup, pool_teardown),
    };

    for (size_t i = 0; i < sizeof languages / sizeof *languages; i++)
        if (strcmp(languages[i].name, name) == 0)
            language = &languages[i];
    if (!language) {
        fprintf(stderr, "no producer in %s\n", name);
        return 64;
    }
    if (!is_there()) {
        fprintf(stderr, "skipped: the producer in %s needs %s, which is not here\n", name, language->packages);
        return SKIPPED;
    }
    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(accepted_entries_become_the_jobs_they_should, pool_setup_lanes, pool_teardown),
        cmocka_unit_test_setup_teardown(refused_entries_are_rejected_for_their_reasons, pool_setup, pool_teardown),
    };

    if (argc > 1)
        return run_language(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
