/* handler - the keys of a handler in the configuration file: what is read, what is refused and how, and that the table, the
 * reader and the page about it say the same. */
#include "common/handler.h"

#include "common/capsule_plan.h"
#include "common/file.h"
#include "common/flags.h"
#include "common/handler_file.h"
#include "common/handler_keys.h"
#include "common/memory.h"
#include "common/settings.h"
#include "common/tree.h"
#include "tests/unit/unit.h"

static struct handlers handlers; /* of the running test */
static struct error err;

static int tear_down(void **state)
{
    (void)state;
    handlers_clear(&handlers);
    return 0;
}

static bool load(const char *yaml)
{
    struct tree *root = tree_parse(yaml, strlen(yaml), "rota.yaml", &err);
    int rc;

    if (!root)
        fail_msg("%s", err.message);
    handlers_clear(&handlers);
    rc = handlers_read(&handlers, tree_find(root, "handlers"), &err);
    tree_free(root);
    return rc == 0;
}

static const struct handler *must_load(const char *yaml)
{
    if (!load(yaml))
        fail_msg("%s: %s", yaml, err.message);
    return handlers.items[0];
}

/* ---- what is read ---- */

static void a_command_alone_is_a_handler_with_the_defaults(void **state)
{
    const struct handler *handler = must_load("handlers: {wc: wc -w}");

    (void)state;
    assert_string_equal(handler->type, "wc");
    assert_string_equal(handler->argv[0], "/bin/sh");
    assert_string_equal(handler->argv[2], "wc -w");
    assert_null(handler->argv[3]);
    assert_int_equal(handler->mode, HANDLER_EXEC);
    assert_int_equal(handler->timeout_ms, HANDLER_TIMEOUT_MS);
    assert_int_equal(handler->max_timeout_ms, HANDLER_TIMEOUT_MS);
    assert_int_equal(handler->kill_after_ms, 10000);
    assert_int_equal(handler->max_attempts, HANDLER_ATTEMPTS);
    assert_int_equal(handler->on_timeout, HANDLER_RETRY);
    assert_int_equal(handler->backoff.base_ms, 5000);
    assert_int_equal(handler->backoff.factor_milli, 2000);
    assert_int_equal(handler->backoff.jitter_milli, 200);
    assert_int_equal(handler->result_bytes_max, 65536);
    assert_int_equal(handler->log_bytes_hard_max, 64 << 20);
    assert_int_equal(handler->concurrency, 0);
    assert_null(handler->limit);
}

static void a_list_is_seen_by_no_shell(void **state)
{
    const struct handler *handler = must_load("handlers: {wc: [/usr/bin/wc, -w]}");

    (void)state;
    assert_string_equal(handler->argv[0], "/usr/bin/wc");
    assert_string_equal(handler->argv[1], "-w");
    assert_null(handler->argv[2]);
}

static void each_key_says_what_it_means(void **state)
{
    const struct handler *handler = must_load("handlers:\n"
                                              "  mail.send:\n"
                                              "    command: [/app/mail]\n"
                                              "    mode: pool\n"
                                              "    timeout: 90s\n"
                                              "    max_timeout: 1h\n"
                                              "    heartbeat_timeout: 20s\n"
                                              "    kill_after: 2s\n"
                                              "    on_timeout: dead\n"
                                              "    attempts: 3\n"
                                              "    backoff: {base: 1s, factor: 1.5, max: 1m, jitter: 0}\n"
                                              "    on_exit: {3: dead, 10-19: retry, \"127\": broken}\n"
                                              "    concurrency: 2\n"
                                              "    limit: mail-service\n"
                                              "    env: {API_KEY: , REGION: eu-1}\n"
                                              "    cwd: /srv\n"
                                              "    user: nobody\n"
                                              "    nice: -5\n"
                                              "    rlimits: {cpu: 1m, as: 1GiB, nofile: 64, nproc: 10, fsize: 1MiB}\n"
                                              "    cgroup: {memory_max: 512MiB, pids_max: 64}\n"
                                              "    result_max: 1KiB\n"
                                              "    log_hard_max: 1MiB\n"
                                              "    pool: {max_jobs: 100, max_age: 1h, max_rss: 64MiB, per_org: true}\n");

    (void)state;
    assert_int_equal(handler->mode, HANDLER_POOL);
    assert_int_equal(handler->timeout_ms, 90000);
    assert_int_equal(handler->max_timeout_ms, 3600000);
    assert_int_equal(handler->heartbeat_ms, 20000);
    assert_int_equal(handler->kill_after_ms, 2000);
    assert_int_equal(handler->on_timeout, HANDLER_DEAD);
    assert_int_equal(handler->max_attempts, 3);
    assert_int_equal(handler->backoff.base_ms, 1000);
    assert_int_equal(handler->backoff.factor_milli, 1500);
    assert_int_equal(handler->backoff.max_ms, 60000);
    assert_int_equal(handler->backoff.jitter_milli, 0);
    assert_int_equal(handler->exit_count, 3);
    assert_int_equal(handler->exits[1].low, 10);
    assert_int_equal(handler->exits[1].high, 19);
    assert_int_equal(handler->exits[1].outcome, HANDLER_RETRY);
    assert_int_equal(handler->exits[2].outcome, HANDLER_BROKEN);
    assert_int_equal(handler->concurrency, 2);
    assert_string_equal(handler->limit, "mail-service");
    assert_int_equal(handler->variable_count, 2);
    assert_string_equal(handler->variables[0].name, "API_KEY");
    assert_null(handler->variables[0].value);
    assert_string_equal(handler->variables[1].value, "eu-1");
    assert_string_equal(handler->cwd, "/srv");
    assert_string_equal(handler->user, "nobody");
    assert_int_equal(handler->nice, -5);
    assert_int_equal(handler->rlimits.cpu_ms, 60000);
    assert_int_equal(handler->rlimits.as_bytes, 1 << 30);
    assert_int_equal(handler->rlimits.nofile, 64);
    assert_int_equal(handler->rlimits.nproc, 10);
    assert_int_equal(handler->rlimits.fsize_bytes, 1 << 20);
    assert_int_equal(handler->cgroup.memory_max_bytes, 512 << 20);
    assert_int_equal(handler->cgroup.pids_max, 64);
    assert_true(handler_wants_group(handler));
    assert_int_equal(handler->result_bytes_max, 1024);
    assert_int_equal(handler->log_bytes_hard_max, 1 << 20);
    assert_int_equal(handler->pool.max_jobs, 100);
    assert_int_equal(handler->pool.max_age_ms, 3600000);
    assert_int_equal(handler->pool.max_rss_bytes, 64 << 20);
    assert_true(handler->pool.per_org);
}

static void a_list_of_delays_is_a_backoff(void **state)
{
    const struct handler *handler = must_load("handlers: {x: {command: x, backoff: [10s, 1m, 10m]}}");

    (void)state;
    assert_int_equal(handler->backoff.delay_count, 3);
    assert_int_equal(handler->backoff.delays_ms[2], 600000);
}

static void a_list_of_variables_passes_them_on(void **state)
{
    const struct handler *handler = must_load("handlers: {x: {command: x, env: [API_KEY, LC_ALL]}}");

    (void)state;
    assert_int_equal(handler->variable_count, 2);
    assert_null(handler->variables[1].value);
}

static void what_is_left_empty_is_not_given(void **state)
{
    const struct handler *handler = must_load("handlers: {x: {command: x, timeout: , backoff: ~, rlimits: , limit: null}}");

    (void)state;
    assert_int_equal(handler->timeout_ms, HANDLER_TIMEOUT_MS);
    assert_null(handler->limit);
}

static void the_longest_run_is_the_timeout_unless_more_is_said(void **state)
{
    (void)state;
    assert_int_equal(must_load("handlers: {x: {command: x, timeout: 2h}}")->max_timeout_ms, 7200000);
}

static void handlers_are_found_by_type(void **state)
{
    (void)state;
    must_load("handlers: {wc: wc, \"*\": other}");
    assert_string_equal(handlers_find(&handlers, "wc")->type, "wc");
    assert_string_equal(handlers_find(&handlers, "rev")->type, "*");
    must_load("handlers: {wc: wc}");
    assert_null(handlers_find(&handlers, "rev"));
}

static void who_is_held_outlives_its_table(void **state)
{
    struct handler *held;

    (void)state;
    must_load("handlers: {wc: wc -w}");
    held = handler_hold(handlers.items[0]);
    handlers_clear(&handlers);
    assert_string_equal(held->argv[2], "wc -w");
    handler_release(held);
}

static void the_same_words_make_equal_handlers(void **state)
{
    struct handler *first;

    (void)state;
    must_load("handlers: {x: {command: x, timeout: 60s, env: {A: b}}}");
    first = handler_hold(handlers.items[0]);
    assert_true(handler_equals(first, must_load("handlers: {x: {timeout: 1m, env: {A: b}, command: x}}")));
    assert_false(handler_equals(first, must_load("handlers: {x: {timeout: 1m, env: {A: c}, command: x}}")));
    assert_false(handler_equals(first, must_load("handlers: {y: {timeout: 1m, env: {A: b}, command: x}}")));
    assert_false(handler_equals(first, must_load("handlers: {x: {timeout: 2m, env: {A: b}, command: x}}")));
    handler_release(first);
}

/* ---- what is refused ---- */

static void each_bad_value_is_named_with_its_place_and_limit(void **state)
{
    static const struct {
        const char *key, *message;
    } cases[] = {
        {"timeut: 1s", "unknown key \"timeut\", did you mean \"timeout\"?"},
        {"backoff: {bas: 1s}", "unknown key \"backoff.bas\", did you mean \"backoff.base\"?"},
        {"zzzzzz: 1", "unknown key \"zzzzzz\""},
        {"command: ", "there is no command"},
        {"command: \"\"", "command: is empty"},
        {"command: []", "command: is empty"},
        {"command: [\"\"]", "command: is empty"},
        {"command: [[a]]", "command: word 1 must be a text"},
        {"command: {a: b}", "command: must be a text or a list"},
        {"mode: fork", "mode: \"fork\" must be exec or pool"},
        {"mode: [exec]", "mode: must be a single value"},
        {"timeout: 60", "timeout: \"60\" needs a unit: ms, s, m, h or d"},
        {"timeout: 0", "timeout: \"0\" is below 1ms"},
        {"timeout: 8d", "timeout: \"8d\" is above 7d"},
        {"timeout: -1s", "timeout: \"-1s\" is not a duration, as in 250ms, 5s, 1.5m, 2h, 7d"},
        {"timeout: {a: 1s}", "timeout: must be a single value"},
        {"max_timeout: 30s", "max_timeout of 30000 ms is below the timeout of 60000 ms"},
        {"heartbeat_timeout: 10ms", "heartbeat_timeout: \"10ms\" is below 100ms"},
        {"kill_after: 11m", "kill_after: \"11m\" is above 10m"},
        {"on_timeout: done", "on_timeout: \"done\" must be retry or dead"},
        {"attempts: 0", "attempts: \"0\" is below 1"},
        {"attempts: 1001", "attempts: \"1001\" is above 1000"},
        {"attempts: many", "attempts: \"many\" is not a whole number"},
        {"backoff: 5s", "backoff: must be a list or a map"},
        {"backoff: []", "backoff: has 0 entries, there must be 1..32"},
        {"backoff: [5]", "backoff: \"5\" needs a unit: ms, s, m, h or d"},
        {"backoff: {factor: 0.5}", "backoff.factor: \"0.5\" is below 1"},
        {"backoff: {factor: 1.2345}", "backoff.factor: \"1.2345\" has more than three digits after the point"},
        {"backoff: {factor: x}", "backoff.factor: \"x\" is not a number, as in 2, 1.5, 0.25"},
        {"backoff: {jitter: 1.5}", "backoff.jitter: \"1.5\" is above 1"},
        {"backoff: {base: 2h}", "backoff.max of 3600000 ms is below backoff.base of 7200000 ms"},
        {"backoff: {base: 2s}\n    backoff.base: 3s", "backoff.base: is already set"},
        {"on_exit: [3]", "on_exit: must be a map"},
        {"on_exit: {256: dead}", "on_exit: \"256\" is above 255"},
        {"on_exit: {x: dead}", "on_exit: \"x\" is not a whole number"},
        {"on_exit: {9-3: dead}", "on_exit: \"9-3\" ends before it begins"},
        {"on_exit: {3: deed}", "on_exit: \"deed\" for 3 must be done, discard, retry, dead or broken"},
        {"on_exit: {3-9: dead, 9: retry}", "on_exit: \"9\" overlaps with another entry"},
        {"concurrency: 0", "concurrency: \"0\" is below 1"},
        {"limit: A", "limit: \"A\" must match [a-z0-9][a-z0-9_-]{0,62}"},
        {"limit: \"\"", "limit: is empty"},
        {"env: API_KEY", "env: must be a list or a map"},
        {"env: [A, A]", "env: \"A\" is there twice"},
        {"env: [1A]", "env: \"1A\" is not the name of a variable"},
        {"env: [ROTA_ORG]", "env: \"ROTA_ORG\": variables of ROTA_ are not passed on"},
        {"env: [{A: b}]", "env: entry 1 must be a single value"},
        {"env: {A: [b]}", "env: entry 1 must be a single value"},
        {"cwd: tmp", "cwd: \"tmp\" must be an absolute path"},
        {"nice: 20", "nice: \"20\" is above 19"},
        {"nice: -21", "nice: \"-21\" is below -20"},
        {"rlimits: 5", "rlimits: must be a map"},
        {"rlimits: {core: 1}", "unknown key \"rlimits.core\", did you mean \"rlimits.cpu\"?"},
        {"rlimits: {cpu: 10ms}", "rlimits.cpu: \"10ms\" is below 1s"},
        {"rlimits: {nofile: 2}", "rlimits.nofile: \"2\" is below 8"},
        {"rlimits: {as: 1K}", "rlimits.as: \"1K\" is below 1MiB"},
        {"cgroup: 512MiB", "cgroup: must be a map"},
        {"cgroup: {memory: 512MiB}", "unknown key \"cgroup.memory\", did you mean \"cgroup.memory_max\"?"},
        {"cgroup: {memory_max: 1K}", "cgroup.memory_max: \"1K\" is below 1MiB"},
        {"cgroup: {pids_max: 0}", "cgroup.pids_max: \"0\" is below 1"},
        {"cgroup: {pids_max: 5000000}", "cgroup.pids_max: \"5000000\" is above 4194304"},
        {"result_max: 1MiB", "result_max: \"1MiB\" is above 127KiB"},
        {"log_hard_max: 1", "log_hard_max: \"1\" is below 64KiB"},
        {"pool: {per_org: perhaps}", "pool.per_org: \"perhaps\" is neither true nor false"},
        {"pool: {max_jobs: 0}", "pool.max_jobs: \"0\" is below 1"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        bool whole = strstr(cases[i].message, " ms is below ") || strstr(cases[i].message, "there is no"); /* told at its head */
        bool command = strncmp(cases[i].key, "command", 7) == 0;
        char *yaml = memory_format("handlers:\n  wc:\n    %s\n    %s\n", command ? "" : "command: x", cases[i].key);
        bool twice = strchr(cases[i].key, '\n');
        char *expected = memory_format("rota.yaml:%d: handler wc: %s", twice ? 5 : whole && !command ? 3 : 4, cases[i].message);
        if (load(yaml))
            fail_msg("%s: was accepted", cases[i].key);
        assert_string_equal(err.message, expected);
        free(expected);
        free(yaml);
    }
}

static void bad_names_and_too_many_are_refused(void **state)
{
    char yaml[8192] = "handlers:\n";

    (void)state;
    assert_false(load("handlers: [a]"));
    assert_string_equal(err.message, "rota.yaml:1: handlers must be a map of types");
    assert_false(load("handlers:\n  \"a b\": x"));
    assert_string_equal(err.message, "rota.yaml:2: handlers: type \"a b\" must match [A-Za-z0-9._-]{1,64}");
    assert_false(load("handlers:\n  wc:\n"));
    assert_string_equal(err.message, "rota.yaml:2: handler wc: there is no command");
    for (int i = 0; i <= HANDLERS_MAX; i++)
        snprintf(yaml + strlen(yaml), sizeof yaml - strlen(yaml), "  t%d: x\n", i);
    assert_false(load(yaml));
    assert_string_equal(err.message, "rota.yaml:66: handler of t64 would be number 65, the limit is 64");
}

/* ---- the table ---- */

/* A value for `key` that is not its default, in YAML as a path of maps. Gives. */
static char *example_of(const struct handler_key *key)
{
    const char *dot = strchr(key->name, '.'), *value = key->example ? key->example : key->fallback;

    if (!dot)
        return memory_format("%s: %s", key->name, value);
    return memory_format("%.*s: {%s: %s}", (int)(dot - key->name), key->name, dot + 1, value);
}

/* What is shown may be put into the file, and means the same there. */
static void what_is_shown_reads_the_same(void **state)
{
    (void)state;
    for (const struct handler_key *key = handler_keys; key->name; key++) {
        struct buffer first = {0}, again = {0};
        char *entry = example_of(key), *yaml;
        const char *dot = strchr(key->name, '.');
        assert_true(key->help && key->argument && (key->example || key->fallback));
        yaml = memory_format("handlers: {x: {%s%s}}", strcmp(key->name, "command") == 0 ? "" : "command: x, ", entry);
        handler_format(&first, must_load(yaml), key, true);
        assert_true(first.length > 0);
        free(yaml);
        yaml = memory_format("handlers: {x: {%s%.*s%s%s: %s%s}}", strcmp(key->name, "command") == 0 ? "" : "command: x, ",
                             dot ? (int)(dot - key->name) : 0, key->name, dot ? ": {" : "", dot ? dot + 1 : key->name, first.data,
                             dot ? "}" : "");
        handler_format(&again, must_load(yaml), key, true);
        assert_string_equal(first.data, again.data);
        assert_int_equal(handler_is_set(handlers.items[0], key), key->example != NULL);
        buffer_clear(&first);
        buffer_clear(&again);
        free(yaml);
        free(entry);
    }
}

static void secrets_are_shown_only_on_demand(void **state)
{
    struct buffer out = {0};
    const struct handler_key *key = handler_keys;

    (void)state;
    while (strcmp(key->name, "env") != 0)
        key++;
    handler_format(&out, must_load("handlers: {x: {command: x, env: {API_KEY: hunter2, HOST: }}}"), key, false);
    assert_string_equal(out.data, "{API_KEY: \"***\", HOST: }");
    buffer_clear(&out);
}

/* docs/CONFIGURATION.md must have this. */
static void assert_page_has(const char *table)
{
    char *page = file_read(CONFIGURATION_PAGE, 1 << 20, NULL, &err);

    assert_non_null(page);
    if (!strstr(page, table)) {
        fputs(table, stderr);
        fail_msg("docs/CONFIGURATION.md should have this table");
    }
    free(page);
}

static void add_settings(struct buffer *table, const struct config_setting *settings, const char *prefix)
{
    for (; settings->key; settings++) {
        char name[FLAG_NAME_BYTES];
        if (strncmp(settings->key, prefix, strlen(prefix)) == 0)
            buffer_add_format(table, "| `%s` | `--%s` | %s | %s |\n", settings->key,
                              settings->flag ? settings->flag : flag_name(settings, name),
                              settings->fallback              ? settings->fallback
                              : settings->kind == CONFIG_BOOL ? "false"
                                                              : "",
                              settings->help);
    }
}

static void the_page_has_all_settings(void **state)
{
    struct buffer table = {0};

    (void)state;
    buffer_add_string(&table, "| setting | flag | default | |\n|---|---|---|---|\n");
    add_settings(&table, settings_worker, "");
    add_settings(&table, settings_scheduler, "scheduler.");
    assert_page_has(table.data);
    buffer_clear(&table);
}

static void the_page_has_the_keys_of_capsules(void **state)
{
    struct buffer table = {0};

    (void)state;
    buffer_add_string(&table, "| key | value | range | default | |\n|---|---|---|---|---|\n");
    for (const struct capsule_key *key = capsule_keys; key->name; key++)
        buffer_add_format(&table, "| `%s` | %s | %s | %s | %s |\n", key->name, key->argument, key->range, key->fallback,
                          key->help);
    assert_page_has(table.data);
    buffer_clear(&table);
}

static void the_page_has_the_keys_of_handlers(void **state)
{
    struct buffer table = {0};

    (void)state;
    buffer_add_string(&table, "| key | value | range | default | |\n|---|---|---|---|---|\n");
    for (const struct handler_key *key = handler_keys; key->name; key++) {
        struct buffer range = {0};
        handler_format_range(&range, key);
        buffer_add_format(&table, "| `%s` | %s | %s | %s | %s |\n", key->name, key->argument, range.length ? range.data : "",
                          key->fallback ? key->fallback : "", key->help);
        buffer_clear(&range);
    }
    assert_page_has(table.data);
    buffer_clear(&table);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_command_alone_is_a_handler_with_the_defaults),
        TEST(a_list_is_seen_by_no_shell),
        TEST(each_key_says_what_it_means),
        TEST(a_list_of_delays_is_a_backoff),
        TEST(a_list_of_variables_passes_them_on),
        TEST(what_is_left_empty_is_not_given),
        TEST(the_longest_run_is_the_timeout_unless_more_is_said),
        TEST(handlers_are_found_by_type),
        TEST(who_is_held_outlives_its_table),
        TEST(the_same_words_make_equal_handlers),
        TEST(each_bad_value_is_named_with_its_place_and_limit),
        TEST(bad_names_and_too_many_are_refused),
        TEST(what_is_shown_reads_the_same),
        TEST(secrets_are_shown_only_on_demand),
        TEST(the_page_has_all_settings),
        TEST(the_page_has_the_keys_of_capsules),
        TEST(the_page_has_the_keys_of_handlers),
    };
    return UNIT_RUN(tests);
}
