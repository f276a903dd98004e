/* server_check - a Redis server is judged by what it says about itself. */
#include "common/server_check.h"

#include "tests/unit/unit.h"

/* What is in INFO, with some lines replaced: "role:slave" stands for the line "role:...". */
static const char *info_with(const char *const *changes)
{
    static const char *const lines[] = {"# Server",
                                        "redis_version:7.0.15",
                                        "tcp_port:6379",
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
                                        "connected_slaves:0",
                                        "",
                                        "# Cluster",
                                        "cluster_enabled:0"};
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
                                          "60",
                                          "min-replicas-to-write",
                                          "0",
                                          "aof-load-truncated",
                                          "yes",
                                          "proto-max-bulk-len",
                                          "536870912",
                                          "busy-reply-threshold",
                                          "5000",
                                          "maxmemory-clients",
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

static int judge_all(const struct server_answers *answers, const struct deployment_options *options)
{
    found = (struct deployment){0};
    err = (struct error){0};
    return server_check(answers, options, &found, &err);
}

static int judge(const char *info, const char *const *config, enum durability declared)
{
    return judge_all(
        &(struct server_answers){.info = info, .config_pairs = config},
        &(struct deployment_options){.durability = declared, .accept_backported = true, .timeout_ms = 6000, .beat_ms = 2000});
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
        {"cluster_enabled:1", ERR_INVALID, "cluster_enabled is 1: Rota speaks to one primary"},
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

static void a_server_whose_replicas_are_missing_refuses_all_writes(void **state)
{
    const char *const *config = config_with("min-replicas-to-write", "2");

    (void)state;
    assert_int_equal(judge(info_with((const char *const[]){"+min_slaves_good_slaves:1", NULL}), config, DURABILITY_DISK),
                     ERR_FULL);
    assert_says("min_slaves_good_slaves is 1 and min-replicas-to-write is 2");
    assert_int_equal(judge(info_with((const char *const[]){"+min_slaves_good_slaves:2", NULL}), config, DURABILITY_DISK), 0);
    assert_int_equal(judge(info_with(NULL), config, DURABILITY_DISK), 0); /* min-replicas-max-lag 0: they do not count */
    assert_int_equal(found.warning_count, 0);
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
        {"", "timeout", "6", "timeout is 6: Redis hangs up on clients that are silent for so long, and the beat is 2000 ms"},
        {"", "tcp-keepalive", "0", "tcp-keepalive is 0: Redis notices never"},
        {"", "tcp-keepalive", "61", "tcp-keepalive is 61: Redis notices late"},
        {"", "maxmemory-clients", "1", "maxmemory-clients is \"1\""},
        {"", "maxmemory-clients", "5%", "maxmemory-clients is \"5%\""},
        {"", "proto-max-bulk-len", "1048575", "proto-max-bulk-len is 1048575: a job may have 1048576 bytes"},
        {"", "busy-reply-threshold", "4999", "busy-reply-threshold is 4999"},
        {"", "busy-reply-threshold", "5001", "busy-reply-threshold is 5001"},
        {"", "busy-reply-threshold", "0", "busy-reply-threshold is 0"},
        {"", "aof-load-truncated", "no", "set \"aof-load-truncated yes\""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *info = info_with((const char *const[]){cases[i].line, NULL});

        assert_int_equal(judge(info, config_with(cases[i].setting, cases[i].value), DURABILITY_DISK), 0);
        assert_int_equal(found.warning_count, 1);
        assert_warns(cases[i].says);
        assert_true(strncmp(found.warnings[0].text, found.warnings[0].name, strlen(found.warnings[0].name)) == 0);
    }
}

static void what_is_just_within_bounds_is_not_warned_about(void **state)
{
    const char *info = info_with((const char *const[]){"used_memory:1600000", "connected_clients:8000", NULL});

    (void)state;
    assert_int_equal(judge(info, config_with("timeout", "7"), DURABILITY_DISK), 0);
    assert_int_equal(found.warning_count, 0);
    assert_int_equal(judge(info_with(NULL), config_with("tcp-keepalive", "1"), DURABILITY_DISK), 0);
    assert_int_equal(judge(info_with(NULL), config_with("proto-max-bulk-len", "1048576"), DURABILITY_DISK), 0);
    assert_int_equal(found.warning_count, 0);
    assert_int_equal(
        judge(info_with((const char *const[]){"tcp_port:0", NULL}), config_with("tcp-keepalive", "300"), DURABILITY_DISK),
        0); /* it has a unix socket only */
    assert_int_equal(found.warning_count, 0);
}

static void who_may_not_read_settings_is_not_warned_of_them(void **state)
{
    (void)state;
    assert_int_equal(judge(info_with(NULL), NULL, DURABILITY_MEMORY), 0);
    assert_int_equal(found.warning_count, 0);
}

/* ---- known holes ---- */

#define LUA "CVE-2025-49844, CVE-2025-46817, CVE-2025-46818, CVE-2025-46819"

static void the_fixes_of_the_packages_are_taken_on_the_operators_word(void **state)
{
    struct deployment_options options = {.durability = DURABILITY_DISK};
    const char *valkey = "+valkey_version:8.1.4";

    (void)state;
    assert_int_equal(judge_all(&(struct server_answers){.info = info_with(NULL), .config_pairs = good_config}, &options), 0);
    assert_int_equal(found.warning_count, 1);
    assert_warns("redis_version is 7.0.15, without the fixes of " LUA ": use a newer one, or set redis.accept-backported");
    options.accept_backported = true;
    assert_int_equal(judge_all(&(struct server_answers){.info = info_with(NULL), .config_pairs = good_config}, &options), 0);
    assert_int_equal(found.warning_count, 0);
    options.accept_backported = false; /* it says 7.2.4 beside its own version */
    assert_int_equal(
        judge_all(&(struct server_answers){.info = info_with((const char *const[]){"redis_version:7.2.4", valkey, NULL}),
                                           .config_pairs = good_config},
                  &options),
        0);
    assert_int_equal(found.warning_count, 0);
}

/* ---- time ---- */

static unsigned warnings_of_time(int64_t offset_ms, int64_t round_trip_ms, int64_t fork_us, int64_t timeout_ms)
{
    char fork[64];

    snprintf(fork, sizeof fork, "+latest_fork_usec:%lld", (long long)fork_us);
    assert_int_equal(judge_all(&(struct server_answers){.info = info_with((const char *const[]){fork, NULL}),
                                                        .config_pairs = good_config,
                                                        .clock_offset_ms = offset_ms,
                                                        .round_trip_ms = round_trip_ms},
                               &(struct deployment_options){.accept_backported = true, .timeout_ms = timeout_ms}),
                     0);
    return found.warning_count;
}

static void a_clock_that_is_off_is_warned_about(void **state)
{
    (void)state;
    assert_int_equal(warnings_of_time(1000, 0, 0, 0), 0);
    assert_int_equal(warnings_of_time(-1000, 0, 0, 0), 0);
    assert_int_equal(warnings_of_time(1001, 0, 0, 0), 1);
    assert_warns("the server's clock is 1001 ms ahead of ours (more than 1000)");
    assert_int_equal(warnings_of_time(-60000, 0, 0, 0), 1);
    assert_warns("the server's clock is 60000 ms behind ours");
    assert_int_equal(warnings_of_time(1200, 200, 0, 0), 0); /* it may be the way that took so long */
    assert_int_equal(warnings_of_time(-1200, 200, 0, 0), 0);
    assert_int_equal(warnings_of_time(1201, 200, 0, 0), 1);
}

static void a_time_out_must_have_room_for_ten_stalls(void **state)
{
    (void)state;
    assert_int_equal(warnings_of_time(0, 600, 0, 6000), 0);
    assert_int_equal(warnings_of_time(0, 601, 0, 6000), 1);
    assert_warns("Redis was silent for 601 ms (a round trip), and the session's time-out is 6000 ms");
    assert_int_equal(warnings_of_time(0, 1, 600999, 6000), 0);
    assert_int_equal(warnings_of_time(0, 1, 601000, 6000), 1);
    assert_warns("Redis was silent for 601 ms (latest_fork_usec)");
    assert_int_equal(warnings_of_time(0, 601, 0, 0), 0); /* rota has no session */
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
        cmocka_unit_test(a_server_whose_replicas_are_missing_refuses_all_writes),
        cmocka_unit_test(what_may_hurt_later_is_warned_about),
        cmocka_unit_test(what_is_just_within_bounds_is_not_warned_about),
        cmocka_unit_test(who_may_not_read_settings_is_not_warned_of_them),
        cmocka_unit_test(the_fixes_of_the_packages_are_taken_on_the_operators_word),
        cmocka_unit_test(a_clock_that_is_off_is_warned_about),
        cmocka_unit_test(a_time_out_must_have_room_for_ten_stalls),
        cmocka_unit_test(warnings_beyond_the_limit_are_dropped),
        cmocka_unit_test(durability_has_three_names),
    };

    return UNIT_RUN(tests);
}
