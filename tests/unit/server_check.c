/* server_check - a Redis server is judged by what it says about itself. */
#include "common/server_check.h"

#include "tests/unit/unit.h"

/* What is in INFO, with some lines replaced: "role:slave" stands for the line "role:...". */
static const char *info_with(const char *const *changes)
{
    static const char *const lines[] = {"# Server",
                                        "redis_version:7.0.15",
                                        "run_id:6ab318a6df953ed64ed3ec6c47984f324ce30c60",
                                        "",
                                        "# Clients",
                                        "connected_clients:3",
                                        "maxclients:10000",
                                        "",
                                        "# Memory",
                                        "used_memory:1000000",
                                        "maxmemory:2000000",
                                        "maxmemory_policy:noeviction",
                                        "",
                                        "# Persistence",
                                        "loading:0",
                                        "async_loading:0",
                                        "rdb_last_bgsave_status:ok",
                                        "aof_enabled:1",
                                        "aof_last_write_status:ok",
                                        "",
                                        "# Replication",
                                        "role:master",
                                        "connected_slaves:0"};
    static char info[2000];
    size_t length = 0;

    for (size_t i = 0; i < COUNT(lines); i++) {
        const char *line = lines[i];
        size_t name = strcspn(line, ":") + 1;
        for (const char *const *change = changes; change && *change; change++)
            if (strchr(line, ':') && strncmp(*change, line, name) == 0)
                line = *change;
        length += (size_t)snprintf(info + length, sizeof info - length, "%s\r\n", line);
    }
    for (const char *const *change = changes; change && *change; change++)
        if (**change == '+')
            length += (size_t)snprintf(info + length, sizeof info - length, "%s\r\n", *change + 1);
    return info;
}

static const char *const good_config[] = {"appendfsync",
                                          "always",
                                          "no-appendfsync-on-rewrite",
                                          "no",
                                          "save",
                                          "",
                                          "stop-writes-on-bgsave-error",
                                          "yes",
                                          "timeout",
                                          "0",
                                          "tcp-keepalive",
                                          "300",
                                          "min-replicas-to-write",
                                          "0",
                                          NULL};

/* good_config with one value replaced. */
static const char *const *config_with(const char *name, const char *value)
{
    static const char *pairs[COUNT(good_config)];

    for (size_t i = 0; i < COUNT(good_config); i++)
        pairs[i] = i % 2 == 1 && strcmp(good_config[i - 1], name) == 0 ? value : good_config[i];
    return pairs;
}

static struct deployment found;
static struct error err;

static int judge(const char *info, const char *const *config, enum durability declared)
{
    const struct deployment_options options = {.durability = declared};

    found = (struct deployment){0};
    err = (struct error){0};
    return server_check(info, config, &options, &found, &err);
}

static void assert_says(const char *text)
{
    if (!strstr(err.message, text))
        fail_msg("\"%s\" does not say \"%s\"", err.message, text);
}

static void assert_warns(const char *text)
{
    for (unsigned i = 0; i < found.warning_count; i++)
        if (strstr(found.warnings[i].text, text))
            return;
    fail_msg("no warning says \"%s\"", text);
}

static void a_durable_server_is_accepted_without_a_word(void **state)
{
    (void)state;
    assert_int_equal(judge(info_with(NULL), good_config, DURABILITY_DISK), 0);
    assert_int_equal(found.warning_count, 0);
    assert_int_equal(found.level, DURABILITY_DISK);
    assert_string_equal(found.run_id, "6ab318a6df953ed64ed3ec6c47984f324ce30c60");
    assert_string_equal(found.redis_version, "7.0.15");
}

static void valkey_goes_by_its_own_version(void **state)
{
    const char *info =
        info_with((const char *const[]){"redis_version:7.2.4", "+server_name:valkey", "+valkey_version:8.1.1", NULL});

    (void)state;
    assert_int_equal(judge(info, good_config, DURABILITY_DISK), 0);
    assert_string_equal(found.redis_version, "valkey 8.1.1");
}

static void servers_that_will_not_do_are_refused_with_the_setting(void **state)
{
    static const struct {
        const char *line;
        enum error_code code;
        const char *says;
    } cases[] = {
        {"redis_version:6.2.7", ERR_INVALID, "redis_version is \"6.2.7\""},
        {"redis_version:255.255.255", 0, ""},
        {"loading:1", ERR_UNAVAILABLE, "loading"},
        {"role:slave", ERR_INVALID, "role is \"slave\""},
        {"maxmemory_policy:allkeys-lru", ERR_INVALID, "set \"maxmemory-policy noeviction\""},
        {"maxmemory_policy:volatile-ttl", ERR_INVALID, "maxmemory-policy is \"volatile-ttl\""},
        {"aof_enabled:0", ERR_INVALID, "appendonly is \"no\": set \"appendonly yes\""},
        {"aof_last_write_status:err", ERR_FULL, "aof_last_write_status"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(judge(info_with((const char *const[]){cases[i].line, NULL}), good_config, DURABILITY_DISK),
                         cases[i].code);
        if (cases[i].code)
            assert_says(cases[i].says);
    }
}

static void a_text_that_is_no_info_is_refused(void **state)
{
    (void)state;
    assert_int_equal(judge("", NULL, DURABILITY_MEMORY), ERR_INVALID);
    assert_int_equal(judge("nonsense", good_config, DURABILITY_MEMORY), ERR_INVALID);
}

static void the_level_follows_from_the_append_only_file(void **state)
{
    static const struct {
        const char *aof, *sync, *on_rewrite;
        enum durability level;
    } cases[] = {
        {"aof_enabled:1", "always", "no", DURABILITY_DISK},    {"aof_enabled:1", "everysec", "no", DURABILITY_EVERYSEC},
        {"aof_enabled:1", "no", "no", DURABILITY_MEMORY},      {"aof_enabled:0", "always", "no", DURABILITY_MEMORY},
        {"aof_enabled:1", "always", "yes", DURABILITY_MEMORY}, {"aof_enabled:1", "everysec", "yes", DURABILITY_MEMORY},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *const config[] = {"appendfsync", cases[i].sync, "no-appendfsync-on-rewrite", cases[i].on_rewrite, NULL};
        const char *info = info_with((const char *const[]){cases[i].aof, NULL});

        for (enum durability declared = DURABILITY_MEMORY; declared <= DURABILITY_DISK; declared++) {
            assert_int_equal(judge(info, config, declared), cases[i].level >= declared ? 0 : ERR_INVALID);
            assert_int_equal(found.level, cases[i].level);
        }
    }
}

static void a_weaker_server_than_declared_is_told_both_ways_out(void **state)
{
    (void)state;
    assert_int_equal(judge(info_with(NULL), config_with("appendfsync", "everysec"), DURABILITY_DISK), ERR_INVALID);
    assert_says("declared as \"disk\"");
    assert_says("appendfsync is \"everysec\"");
    assert_says("set \"appendfsync always\"");
    assert_says("or declare \"everysec\"");
}

static void without_config_the_level_is_the_best_it_can_be(void **state)
{
    (void)state;
    assert_int_equal(judge(info_with(NULL), NULL, DURABILITY_DISK), 0);
    assert_int_equal(found.level, DURABILITY_DISK);
    assert_int_equal(judge(info_with((const char *const[]){"aof_enabled:0", NULL}), NULL, DURABILITY_EVERYSEC), ERR_INVALID);
    assert_int_equal(judge(info_with((const char *const[]){"aof_enabled:0", NULL}), NULL, DURABILITY_MEMORY), 0);
    assert_int_equal(found.level, DURABILITY_MEMORY);
}

static void snapshots_that_can_stop_all_writes_are_warned_about(void **state)
{
    (void)state;
    assert_int_equal(judge(info_with(NULL), config_with("save", "3600 1 300 100"), DURABILITY_DISK), 0);
    assert_int_equal(found.warning_count, 1);
    assert_warns("save is \"3600 1 300 100\"");
    assert_warns("set \"save \\\"\\\"\"");
}

static void a_failed_snapshot_that_stops_writes_is_refused(void **state)
{
    const char *info = info_with((const char *const[]){"rdb_last_bgsave_status:err", NULL});

    (void)state;
    assert_int_equal(judge(info, config_with("save", "3600 1"), DURABILITY_DISK), ERR_FULL);
    assert_says("rdb_last_bgsave_status");
    assert_int_equal(judge(info, good_config, DURABILITY_DISK), 0); /* save "": nothing stops */
    assert_warns("last snapshot failed");
    assert_int_equal(judge(info, NULL, DURABILITY_DISK), 0);
    assert_warns("last snapshot failed");
}

static void what_may_hurt_later_is_warned_about(void **state)
{
    static const struct {
        const char *line, *setting, *value, *says;
    } cases[] = {
        {"maxmemory:0", "", "", "maxmemory is 0"},
        {"used_memory:1600001", "", "", "used_memory is 1600001 of maxmemory 2000000"},
        {"connected_clients:8001", "", "", "connected_clients is 8001 of maxclients 10000"},
        {"connected_slaves:1", "min-replicas-to-write", "0", "min-replicas-to-write is 0"},
        {"", "timeout", "30", "timeout is 30"},
        {"", "tcp-keepalive", "0", "tcp-keepalive is 0"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *info = info_with((const char *const[]){cases[i].line, NULL});

        assert_int_equal(judge(info, config_with(cases[i].setting, cases[i].value), DURABILITY_DISK), 0);
        assert_int_equal(found.warning_count, 1);
        assert_warns(cases[i].says);
    }
}

static void what_is_just_within_bounds_is_not_warned_about(void **state)
{
    const char *info = info_with((const char *const[]){"used_memory:1600000", "connected_clients:8000", NULL});

    (void)state;
    assert_int_equal(judge(info, config_with("timeout", "60"), DURABILITY_DISK), 0);
    assert_int_equal(found.warning_count, 0);
}

static void warnings_beyond_the_limit_are_dropped(void **state)
{
    struct deployment crowded = {0};

    (void)state;
    for (int i = 0; i < DEPLOYMENT_WARNINGS_MAX + 5; i++)
        server_check_warn(&crowded, "a name that is longer than thirty-one bytes", "%0300d", i);
    assert_int_equal(crowded.warning_count, DEPLOYMENT_WARNINGS_MAX);
    assert_int_equal(strlen(crowded.warnings[0].name), sizeof crowded.warnings[0].name - 1);
    assert_int_equal(strlen(crowded.warnings[0].text), sizeof crowded.warnings[0].text - 1);
}

static void durability_has_three_names(void **state)
{
    enum durability level;

    (void)state;
    for (enum durability i = DURABILITY_MEMORY; i <= DURABILITY_DISK; i++) {
        assert_int_equal(durability_parse(&level, durability_name(i), &err), 0);
        assert_int_equal(level, i);
    }
    assert_int_equal(durability_parse(&level, "Disk", &err), ERR_INVALID);
    assert_says("\"Disk\" must be disk, everysec or memory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_durable_server_is_accepted_without_a_word),
        cmocka_unit_test(valkey_goes_by_its_own_version),
        cmocka_unit_test(servers_that_will_not_do_are_refused_with_the_setting),
        cmocka_unit_test(a_text_that_is_no_info_is_refused),
        cmocka_unit_test(the_level_follows_from_the_append_only_file),
        cmocka_unit_test(a_weaker_server_than_declared_is_told_both_ways_out),
        cmocka_unit_test(without_config_the_level_is_the_best_it_can_be),
        cmocka_unit_test(snapshots_that_can_stop_all_writes_are_warned_about),
        cmocka_unit_test(a_failed_snapshot_that_stops_writes_is_refused),
        cmocka_unit_test(what_may_hurt_later_is_warned_about),
        cmocka_unit_test(what_is_just_within_bounds_is_not_warned_about),
        cmocka_unit_test(warnings_beyond_the_limit_are_dropped),
        cmocka_unit_test(durability_has_three_names),
    };

    return UNIT_RUN(tests);
}
