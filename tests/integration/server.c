/* server - a real Redis is judged by its settings, by who we are there and by the way to it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/redis_tls.h"
#include "common/server_version.h"
#include "tests/support/check.h"

/* Switches the append-only file on, and waits until its first version is written. */
static void append_only(struct check_fixture *f)
{
    bool busy = true;

    check_admin(f, "CONFIG SET appendonly yes");
    for (int64_t end_ms = clock_mono_ms() + CLIENT_MS_MAX; busy && clock_mono_ms() < end_ms;) {
        redisReply *info = redisCommand(f->admin, "INFO persistence");
        busy = !strstr(info->str, "aof_rewrite_in_progress:0") || !strstr(info->str, "aof_rewrite_scheduled:0");
        freeReplyObject(info);
        client_turn(f->client);
    }
    assert_false(busy);
}

/* ---- the server ---- */

static void a_server_that_deletes_keys_is_refused(void **state)
{
    struct check_fixture *f = *state;
    check_accepted(f, check_scheduler);
    check_admin(f, "CONFIG SET maxmemory-policy allkeys-lru");

    check_refused(f, check_scheduler, ERR_INVALID, "maxmemory-policy is \"allkeys-lru\"");
    check_refused(f, check_worker, ERR_INVALID, "set \"maxmemory-policy noeviction\"");
}

static void a_replica_is_refused(void **state)
{
    struct check_fixture *f = *state;
    check_accepted(f, check_scheduler);
    check_admin(f, "REPLICAOF 127.0.0.1 1");

    check_refused(f, check_scheduler, ERR_INVALID, "role is \"slave\"");
}

static void a_cluster_is_refused(void **state)
{
    struct check_fixture *f = *state;
    char port[16];
    snprintf(port, sizeof port, "%d", server_free_port());
    check_start(f, (const char *const[]){"--cluster-enabled", "yes", "--cluster-port", port, NULL});

    check_refused(f, check_scheduler, ERR_INVALID, "cluster_enabled is 1"); /* and not: CLUSTERDOWN, MOVED */
    check_refused(f, check_worker, ERR_INVALID, "cluster_enabled is 1");
}

static void a_server_that_waits_for_its_replicas_is_full(void **state)
{
    struct check_fixture *f = *state;
    check_accepted(f, check_scheduler);
    check_admin(f, "CONFIG SET min-replicas-to-write 1");

    check_refused(f, check_scheduler, ERR_FULL, "min_slaves_good_slaves is 0 and min-replicas-to-write is 1");
    check_admin(f, "CONFIG SET min-replicas-to-write 0");
    check_accepted(f, check_scheduler);
}

static void what_may_hurt_later_is_read_from_the_settings(void **state)
{
    static const struct {
        const char *name, *bad, *good, *says;
    } cases[] = {
        {"maxmemory", "0", "1gb", "maxmemory is 0"},
        {"maxclients", "2", "10000", "connected_clients is "},
        {"timeout", "6", "0", "timeout is 6"},
        {"tcp-keepalive", "300", "60", "tcp-keepalive is 300"},
        {"maxmemory-clients", "1gb", "0", "maxmemory-clients is \"1073741824\""},
        {"busy-reply-threshold", "1000", "5000", "busy-reply-threshold is 1000"},
        {"save", "60 1", "", "save is \"60 1\""},
        {"aof-load-truncated", "no", "yes", "aof-load-truncated is \"no\""},
    };
    struct check_fixture *f = *state;
    struct deployment_options scheduler = check_scheduler;
    scheduler.beat_ms = 2000;
    append_only(f);
    check_admin(f, "CONFIG SET port %d", server_free_port());
    check_admin(f, "CONFIG SET maxmemory 1gb");
    check_admin(f, "CONFIG SET tcp-keepalive 60");
    check_accepted(f, scheduler);
    for (unsigned i = 0; i < f->found.warning_count; i++)
        fail_msg("%s", f->found.warnings[i].text);

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check_admin(f, "CONFIG SET %s %s", cases[i].name, cases[i].bad);
        check_accepted(f, scheduler);
        if (f->found.warning_count != 1 || !check_warns(f, cases[i].says))
            fail_msg("%u warnings of %s: %s", f->found.warning_count, cases[i].name, f->found.warnings[0].text);
        check_admin(f, "CONFIG SET %s %s", cases[i].name, cases[i].good);
    }
    check_accepted(f, scheduler);
    assert_int_equal(f->found.warning_count, 0);
}

static void the_number_of_the_version_is_warned_about_unless_accepted(void **state)
{
    struct check_fixture *f = *state;
    struct deployment_options scheduler = check_scheduler;
    scheduler.accept_backported = false;

    check_accepted(f, scheduler);
    assert_int_equal(check_warns(f, "redis_version is "), *server_version_holes(f->found.redis_version, false) != '\0');
    check_accepted(f, check_scheduler);
    assert_false(check_warns(f, "redis_version"));
}

static void a_server_that_stands_still_is_measured(void **state)
{
    struct check_fixture *f = *state;
    struct deployment_options scheduler = check_scheduler;
    scheduler.timeout_ms = 1000;
    CLIENT_UNTIL(f->client, f->client->ups == 1);
    int done = 0;
    redisAppendCommand(f->admin, "DEBUG SLEEP 0.3");
    while (!done)
        assert_int_equal(redisBufferWrite(f->admin, &done), REDIS_OK);

    check_accepted(f, scheduler);

    redisReply *reply;
    assert_int_equal(redisGetReply(f->admin, (void **)&reply), REDIS_OK);
    freeReplyObject(reply);
    assert_true(check_warns(f, "Redis was silent for "));
    assert_true(check_warns(f, "ms (a round trip), and the session's time-out is 1000 ms"));
}

static void without_an_append_only_file_only_memory_can_be_declared(void **state)
{
    struct check_fixture *f = *state;
    struct deployment_options strict = check_scheduler;
    strict.durability = DURABILITY_DISK;

    check_refused(f, strict, ERR_INVALID, "set \"appendonly yes\"");
    assert_string_equal(check_admin(f, "DBSIZE"), "0"); /* nothing is set up on a server that is refused */
    strict.durability = DURABILITY_EVERYSEC;
    check_refused(f, strict, ERR_INVALID, "declared as \"everysec\"");
    check_accepted(f, check_scheduler);
}

static void the_scheduler_tells_the_others_how_durable_redis_is(void **state)
{
    struct check_fixture *f = *state;
    struct deployment_options strict_scheduler = check_scheduler, strict_worker = check_worker;
    strict_scheduler.durability = strict_worker.durability = DURABILITY_DISK;
    append_only(f);
    check_admin(f, "CONFIG SET appendfsync everysec");

    check_refused(f, strict_scheduler, ERR_INVALID, "appendfsync is \"everysec\": set \"appendfsync always\"");
    check_accepted(f, check_scheduler);
    assert_string_equal(check_admin(f, "HGET rota:meta level"), "everysec");
    check_refused(f, strict_worker, ERR_INVALID, "but Redis gives \"everysec\"");
    check_admin(f, "CONFIG SET appendfsync always");
    check_accepted(f, strict_scheduler);
    check_accepted(f, strict_worker);
    assert_int_equal(f->found.level, DURABILITY_DISK);
    check_admin(f, "CONFIG SET appendfsync everysec");
    check_refused(f, strict_scheduler, ERR_INVALID, "appendfsync is \"everysec\"");
    check_refused(f, strict_worker, ERR_INVALID, "but Redis gives \"everysec\""); /* refused, and told all the same */
    check_admin(f, "CONFIG SET appendfsync always");
    check_accepted(f, strict_scheduler);
    check_accepted(f, strict_worker);
    assert_int_equal(f->found.warning_count, 1); /* maxmemory */
}

static void a_server_that_was_started_again_is_trusted_for_now(void **state)
{
    struct check_fixture *f = *state;
    check_accepted(f, check_scheduler);
    check_accepted(f, check_worker);
    assert_false(check_warns(f, "started again"));

    check_admin(f, "HSET rota:meta run_id 0000");
    check_accepted(f, check_worker);

    assert_true(check_warns(f, "started again"));
    check_accepted(f, check_scheduler);
    assert_false(check_warns(f, "started again"));
}

static void where_config_is_forbidden_disk_is_refused_unless_accepted(void **state)
{
    struct check_fixture *f = *state;
    struct deployment_options disk = check_scheduler, accepting = check_scheduler, worker = check_worker;
    disk.durability = accepting.durability = worker.durability = DURABILITY_DISK;
    accepting.accept_unverified = true;
    append_only(f);
    check_admin(f, "ACL SETUSER managed on >secret ~* +@all -config");
    check_connect_as(f, "managed");

    check_refused(f, disk, ERR_INVALID, "CONFIG GET is forbidden, so that durability \"disk\" cannot be verified");
    assert_string_equal(check_admin(f, "DBSIZE"), "0");
    check_accepted(f, accepting);
    assert_true(check_warns(f, "taken as \"disk\", on the operator's word"));
    assert_string_equal(check_admin(f, "HGET rota:meta level"), "disk");
    assert_string_equal(check_admin(f, "HGET rota:meta run_id"), "");
    check_refused(f, disk, ERR_INVALID, "cannot be verified"); /* the one's word is not the other's */
    check_accepted(f, worker);
    assert_true(check_warns(f, "no scheduler could read the settings of Redis"));
}

static void a_weaker_level_needs_no_settings(void **state)
{
    struct check_fixture *f = *state;
    struct deployment_options everysec = check_scheduler;
    everysec.durability = DURABILITY_EVERYSEC;
    append_only(f);
    check_admin(f, "ACL SETUSER managed on >secret ~* +@all -config");
    check_connect_as(f, "managed");

    check_accepted(f, everysec);

    assert_true(check_warns(f, "taken as \"everysec\", on the operator's word"));
    assert_string_equal(check_admin(f, "HGET rota:meta level"), "everysec");
    check_admin(f, "CONFIG SET appendonly no");
    check_refused(f, everysec, ERR_INVALID, "set \"appendonly yes\""); /* INFO shows that */
}

static void what_somebody_else_has_verified_is_enough(void **state)
{
    struct check_fixture *f = *state;
    struct deployment_options disk = check_scheduler;
    disk.durability = DURABILITY_DISK;
    append_only(f);
    check_admin(f, "CONFIG SET appendfsync always");
    check_admin(f, "ACL SETUSER managed on >secret ~* +@all -config");
    check_accepted(f, disk); /* `rota setup` of an administrator */
    check_connect_as(f, "managed");

    check_accepted(f, disk);

    assert_true(check_warns(f, "taken as \"disk\", as the last check found it"));
    assert_string_equal(check_admin(f, "HGET rota:meta run_id"), f->found.run_id);
    check_admin(f, "HSET rota:meta level everysec");
    check_refused(f, disk, ERR_INVALID, "level in rota:meta");
    check_admin(f, "HSET rota:meta level disk run_id 0000"); /* started again: with what settings? */
    check_refused(f, disk, ERR_INVALID, "cannot be verified");
}

/* ---- who and how ---- */

static void the_default_user_is_refused_where_a_user_is_required(void **state)
{
    struct check_fixture *f = *state;
    struct deployment_options strict = check_scheduler;
    strict.require_acl = true;

    check_refused(f, strict, ERR_INVALID, "we are the user \"default\"");
    check_accepted(f, check_scheduler);
    assert_false(check_warns(f, "default")); /* a unix socket */

    int port = server_free_port();
    char url[64];
    check_admin(f, "CONFIG SET port %d", port);
    check_admin(f, "CONFIG SET protected-mode no");
    check_admin(f, "ACL SETUSER mine on >secret ~* +@all");
    snprintf(url, sizeof url, "redis://127.0.0.1:%d", port);
    check_connect(f, url);
    check_refused(f, strict, ERR_INVALID, "we are the user \"default\"");
    check_accepted(f, check_scheduler);
    assert_true(check_warns(f, "protected-mode is \"no\""));
    check_connect_as(f, "mine");
    check_accepted(f, strict);
    assert_false(check_warns(f, "protected-mode"));
}

static void plain_tcp_to_another_host_is_refused_or_warned_about(void **state)
{
    struct check_fixture *f = *state;
    struct deployment_options strict = check_scheduler;
    int port = server_free_port();
    char url[64];
    strict.require_tls = true;
    check_admin(f, "CONFIG SET port %d", port);

    snprintf(url, sizeof url, "redis://127.0.0.1:%d", port);
    check_connect(f, url);
    check_accepted(f, strict);
    assert_false(check_warns(f, "plain TCP"));
    snprintf(url, sizeof url, "redis://0.0.0.0:%d", port); /* this host, under a name that could be another one's */
    check_connect(f, url);
    check_refused(f, strict, ERR_INVALID, "plain TCP to another host, and TLS is required");
    check_accepted(f, check_scheduler);
    assert_true(check_warns(f, "plain TCP"));
    assert_int_equal(check_warns(f, "rediss://"), redis_tls_is_built()); /* no advice that cannot be followed */
    assert_true(check_warns(f, "user \"default\""));
}

static void who_may_not_even_ask_is_told_what_is_missing(void **state)
{
    struct check_fixture *f = *state;
    char url[300];
    check_admin(f, "ACL SETUSER nobody on >secret -@all +ping");
    snprintf(url, sizeof url, "unix://nobody:secret@%s", server_socket(f->server));
    check_connect(f, url);

    check_refused(f, check_worker, ERR_DENIED, "INFO: NOPERM");
}

#define SERVER_TEST(name) cmocka_unit_test_setup_teardown(name, check_setup, check_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER_TEST(a_server_that_deletes_keys_is_refused),
        SERVER_TEST(a_replica_is_refused),
        SERVER_TEST(a_cluster_is_refused),
        SERVER_TEST(a_server_that_waits_for_its_replicas_is_full),
        SERVER_TEST(what_may_hurt_later_is_read_from_the_settings),
        SERVER_TEST(the_number_of_the_version_is_warned_about_unless_accepted),
        SERVER_TEST(a_server_that_stands_still_is_measured),
        SERVER_TEST(without_an_append_only_file_only_memory_can_be_declared),
        SERVER_TEST(the_scheduler_tells_the_others_how_durable_redis_is),
        SERVER_TEST(a_server_that_was_started_again_is_trusted_for_now),
        SERVER_TEST(where_config_is_forbidden_disk_is_refused_unless_accepted),
        SERVER_TEST(a_weaker_level_needs_no_settings),
        SERVER_TEST(what_somebody_else_has_verified_is_enough),
        SERVER_TEST(the_default_user_is_refused_where_a_user_is_required),
        SERVER_TEST(plain_tcp_to_another_host_is_refused_or_warned_about),
        SERVER_TEST(who_may_not_even_ask_is_told_what_is_missing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
