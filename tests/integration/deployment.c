/* deployment - a Redis is checked, and set up, before anything is trusted to it. */
#include "common/deployment.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/library.h"
#include "common/readme.h"
#include "tests/support/client.h"
#include "tests/support/server.h"

#include <hiredis/hiredis.h>

struct fixture {
    struct server *server;
    redisContext *admin;
    struct client *client;
    char url[256];
    struct deployment found;
    struct error err;
};

static const struct deployment_options scheduler = {.durability = DURABILITY_MEMORY, .may_read_config = true, .set_up = true};
static const struct deployment_options worker = {.durability = DURABILITY_MEMORY};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    f->server = server_start(NULL);
    f->admin = server_connect(f->server);
    f->client = client_new();
    snprintf(f->url, sizeof f->url, "unix://%s", server_socket(f->server));
    client_connect(f->client, f->url, NULL);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    client_free(f->client);
    redisFree(f->admin);
    server_stop(f->server);
    free(f);
    return 0;
}

/* Connects again, as somebody else. */
static void connect_as(struct fixture *f, const char *url)
{
    client_free(f->client);
    f->client = client_new();
    client_connect(f->client, url, NULL);
}

/* Sends a command; its string or integer as text, "" for anything else; an error fails the test. */
static const char *admin(struct fixture *f, const char *fmt, ...)
{
    static char text[600];
    va_list args;
    va_start(args, fmt);
    redisReply *reply = redisvCommand(f->admin, fmt, args);
    va_end(args);

    assert_non_null(reply);
    if (reply->type == REDIS_REPLY_ERROR)
        fail_msg("%s: %s", fmt, reply->str);
    text[0] = '\0';
    if (reply->type == REDIS_REPLY_INTEGER)
        snprintf(text, sizeof text, "%lld", reply->integer);
    else if (reply->str)
        snprintf(text, sizeof text, "%s", reply->str);
    freeReplyObject(reply);
    return text;
}

/* Switches the append-only file on, and waits until its first version is written. */
static void append_only(struct fixture *f)
{
    bool busy = true;

    admin(f, "CONFIG SET appendonly yes");
    for (int64_t end_ms = clock_mono_ms() + CLIENT_MS_MAX; busy && clock_mono_ms() < end_ms;) {
        redisReply *info = redisCommand(f->admin, "INFO persistence");
        busy = !strstr(info->str, "aof_rewrite_in_progress:0") || !strstr(info->str, "aof_rewrite_scheduled:0");
        freeReplyObject(info);
        client_turn(f->client);
    }
    assert_false(busy);
}

static int check(struct fixture *f, struct deployment_options options)
{
    f->found = (struct deployment){0};
    f->err = (struct error){0};
    return deployment_check_wait(f->client->redis, &options, &f->found, &f->err);
}

static void assert_accepted(struct fixture *f, struct deployment_options options)
{
    if (check(f, options) < 0)
        fail_msg("refused: %d %s", f->err.code, f->err.message);
}

static void assert_refused(struct fixture *f, struct deployment_options options, enum error_code code, const char *says)
{
    if (check(f, options) == 0)
        fail_msg("accepted, not refused with \"%s\"", says);
    if (f->err.code != code || !strstr(f->err.message, says))
        fail_msg("%d \"%s\", not %d \"%s\"", f->err.code, f->err.message, code, says);
}

static bool warns(const struct fixture *f, const char *text)
{
    for (unsigned i = 0; i < f->found.warning_count; i++)
        if (strstr(f->found.warnings[i].text, text))
            return true;
    return false;
}

/* ---- setting up ---- */

static void an_empty_redis_is_set_up(void **state)
{
    struct fixture *f = *state;

    assert_accepted(f, scheduler);

    assert_int_equal(f->found.lanes, 1);
    assert_int_equal(f->found.level, DURABILITY_MEMORY);
    assert_in_range(f->found.clock_offset_ms + 1000, 0, 2000);
    assert_int_equal(atoi(admin(f, "HGET rota:meta schema")), DEPLOYMENT_SCHEMA);
    assert_int_equal(atoi(admin(f, "HGET rota:{0}:clock schema")), DEPLOYMENT_SCHEMA);
    assert_string_equal(admin(f, "HGET rota:meta lanes"), "1");
    assert_string_equal(admin(f, "HGET rota:meta abi"), library_abi());
    assert_string_equal(admin(f, "HGET rota:meta durability"), "memory");
    assert_string_equal(admin(f, "HGET rota:meta level"), "memory");
    assert_string_equal(admin(f, "HGET rota:meta run_id"), f->found.run_id);
    assert_string_equal(admin(f, "HGET rota:meta library:%s", library_name()), library_sha256());
    assert_string_equal(admin(f, "HGET rota:{0}:clock lanes"), "1");
    assert_true(strstr(admin(f, "GET rota:README"), "This Redis holds the jobs of Rota") != NULL);
    assert_string_equal(admin(f, "DBSIZE"), "3"); /* meta, README, the clock of lane 0 */
}

static void what_is_set_up_is_accepted_by_all(void **state)
{
    struct fixture *f = *state;
    assert_accepted(f, scheduler);

    assert_accepted(f, worker);

    assert_int_equal(f->found.lanes, 1);
    assert_int_equal(strlen(f->found.run_id), 40);
    assert_string_not_equal(f->found.redis_version, "");
}

static void setting_up_again_keeps_what_is_there(void **state)
{
    struct fixture *f = *state;
    assert_accepted(f, scheduler);
    admin(f, "SET rota:README mine");
    admin(f, "HSET rota:meta created_ms 42");
    admin(f, "HSET rota:{0}:clock v:default 17");

    assert_accepted(f, scheduler);

    assert_string_equal(admin(f, "GET rota:README"), "mine");
    assert_string_equal(admin(f, "HGET rota:meta created_ms"), "42");
    assert_string_equal(admin(f, "HGET rota:{0}:clock v:default"), "17");
}

static void many_lanes_are_set_up_in_one_go(void **state)
{
    struct fixture *f = *state;
    struct deployment_options options = scheduler;
    options.lanes = DEPLOYMENT_LANES_MAX;

    assert_accepted(f, options);

    assert_int_equal(f->found.lanes, DEPLOYMENT_LANES_MAX);
    assert_string_equal(admin(f, "HGET rota:{1023}:clock lane"), "1023");
    assert_accepted(f, worker);
    assert_int_equal(f->found.lanes, DEPLOYMENT_LANES_MAX);
}

static void the_number_of_lanes_stays_what_it_is(void **state)
{
    struct fixture *f = *state;
    struct deployment_options eight = scheduler, nine = scheduler;
    eight.lanes = 8;
    nine.lanes = 9;
    assert_accepted(f, eight);

    assert_accepted(f, scheduler);
    assert_int_equal(f->found.lanes, 8);
    assert_refused(f, nine, ERR_SETUP, "this deployment has 8 lanes, not 9");
    assert_string_equal(admin(f, "EXISTS rota:{8}:clock"), "0");
}

static void a_lost_description_is_written_again(void **state)
{
    struct fixture *f = *state;
    struct deployment_options eight = scheduler;
    eight.lanes = 8;
    assert_accepted(f, eight);
    admin(f, "DEL rota:meta rota:README");

    assert_refused(f, worker, ERR_SETUP, "not set up yet");
    assert_accepted(f, scheduler);

    assert_int_equal(f->found.lanes, 8);
    assert_string_equal(admin(f, "EXISTS rota:README"), "1");
}

static void what_is_not_set_up_is_refused_by_workers(void **state)
{
    struct fixture *f = *state;

    assert_refused(f, worker, ERR_SETUP, "not set up yet: start rota-scheduler, or run `rota setup`");

    assert_string_equal(admin(f, "DBSIZE"), "0");
}

static void nonsense_in_the_description_is_refused(void **state)
{
    struct fixture *f = *state;

    admin(f, "HSET rota:meta lanes 0");
    assert_refused(f, scheduler, ERR_SETUP, "lanes 0, it must be 1..1024");
    admin(f, "DEL rota:meta");
    assert_accepted(f, scheduler);
    admin(f, "HSET rota:meta lanes -1");
    assert_refused(f, worker, ERR_SETUP, "lanes -1, it must be 1..1024");
    admin(f, "HSET rota:meta lanes 1025");
    assert_refused(f, worker, ERR_SETUP, "lanes 1025");
    assert_refused(f, scheduler, ERR_SETUP, "lanes 1025");
    admin(f, "HSET rota:meta lanes 2");
    assert_refused(f, scheduler, ERR_SETUP, "this is lane 0 of 1, not 0 of 2");
    admin(f, "HSET rota:meta lanes 1 schema 2");
    assert_refused(f, worker, ERR_SETUP, "schema 2, this build knows 1");
    assert_refused(f, scheduler, ERR_SETUP, "schema 2, this build knows 1");
}

/* ---- the function library ---- */

static void a_missing_library_is_loaded_by_schedulers_only(void **state)
{
    struct fixture *f = *state;
    assert_accepted(f, scheduler);
    admin(f, "FUNCTION FLUSH");

    assert_refused(f, worker, ERR_LIBRARY, "is not loaded: start rota-scheduler of this version");
    assert_accepted(f, scheduler);
    assert_accepted(f, worker);
}

static void another_text_under_our_name_is_never_replaced(void **state)
{
    struct fixture *f = *state;
    assert_accepted(f, scheduler);
    admin(f, "FUNCTION FLUSH");
    char text[200];
    snprintf(text, sizeof text, "#!lua name=%s\nredis.register_function('other', function() return 1 end)", library_name());
    admin(f, "FUNCTION LOAD %s", text);

    assert_refused(f, worker, ERR_LIBRARY, "has another text than this build");
    assert_refused(f, scheduler, ERR_LIBRARY, "has another text than this build");

    assert_string_equal(admin(f, "FCALL other 0"), "1");
}

static void a_function_of_ours_in_another_library_is_told(void **state)
{
    struct fixture *f = *state;
    char text[200];
    snprintf(text, sizeof text, "#!lua name=stranger\nredis.register_function('%s_claim', function() return 1 end)",
             library_name());
    admin(f, "FUNCTION LOAD %s", text);

    assert_refused(f, scheduler, ERR_LIBRARY, "cannot be loaded: ERR Function");
}

static void who_may_not_list_functions_goes_by_the_description(void **state)
{
    struct fixture *f = *state;
    char url[300];
    assert_accepted(f, scheduler);
    admin(f, "ACL SETUSER worker on >secret ~rota:* -@all +fcall +ping +time +info +hget +hmget");
    snprintf(url, sizeof url, "unix://worker:secret@%s", server_socket(f->server));
    connect_as(f, url);

    assert_accepted(f, worker);
    assert_refused(f, scheduler, ERR_DENIED, "FUNCTION LIST is forbidden to user \"worker\"");
    admin(f, "HSET rota:meta library:%s 0000", library_name());
    assert_refused(f, worker, ERR_LIBRARY, "has another text");
    admin(f, "HDEL rota:meta library:%s", library_name());
    assert_refused(f, worker, ERR_LIBRARY, "is not loaded");
}

/* ---- the server ---- */

static void a_server_that_deletes_keys_is_refused(void **state)
{
    struct fixture *f = *state;
    assert_accepted(f, scheduler);
    admin(f, "CONFIG SET maxmemory-policy allkeys-lru");

    assert_refused(f, scheduler, ERR_INVALID, "maxmemory-policy is \"allkeys-lru\"");
    assert_refused(f, worker, ERR_INVALID, "set \"maxmemory-policy noeviction\"");
}

static void a_replica_is_refused(void **state)
{
    struct fixture *f = *state;
    assert_accepted(f, scheduler);
    admin(f, "REPLICAOF 127.0.0.1 1");

    assert_refused(f, scheduler, ERR_INVALID, "role is \"slave\"");
}

static void without_an_append_only_file_only_memory_can_be_declared(void **state)
{
    struct fixture *f = *state;
    struct deployment_options strict = scheduler;
    strict.durability = DURABILITY_DISK;

    assert_refused(f, strict, ERR_INVALID, "set \"appendonly yes\"");
    assert_string_equal(admin(f, "DBSIZE"), "0"); /* nothing is set up on a server that is refused */
    strict.durability = DURABILITY_EVERYSEC;
    assert_refused(f, strict, ERR_INVALID, "declared as \"everysec\"");
    assert_accepted(f, scheduler);
}

static void the_scheduler_tells_the_others_how_durable_redis_is(void **state)
{
    struct fixture *f = *state;
    struct deployment_options strict_scheduler = scheduler, strict_worker = worker;
    strict_scheduler.durability = strict_worker.durability = DURABILITY_DISK;
    append_only(f);
    admin(f, "CONFIG SET appendfsync everysec");

    assert_refused(f, strict_scheduler, ERR_INVALID, "appendfsync is \"everysec\": set \"appendfsync always\"");
    assert_accepted(f, scheduler);
    assert_string_equal(admin(f, "HGET rota:meta level"), "everysec");
    assert_refused(f, strict_worker, ERR_INVALID, "but Redis gives \"everysec\"");
    admin(f, "CONFIG SET appendfsync always");
    assert_accepted(f, strict_scheduler);
    assert_accepted(f, strict_worker);
    assert_int_equal(f->found.level, DURABILITY_DISK);
    assert_int_equal(f->found.warning_count, 1); /* maxmemory */
}

static void a_server_that_was_started_again_is_trusted_for_now(void **state)
{
    struct fixture *f = *state;
    assert_accepted(f, scheduler);
    assert_accepted(f, worker);
    assert_false(warns(f, "started again"));

    admin(f, "HSET rota:meta run_id 0000");
    assert_accepted(f, worker);

    assert_true(warns(f, "started again"));
    assert_accepted(f, scheduler);
    assert_false(warns(f, "started again"));
}

static void where_config_is_forbidden_the_word_of_the_operator_counts(void **state)
{
    struct fixture *f = *state;
    struct deployment_options everysec = scheduler, disk = scheduler;
    char url[300];
    everysec.durability = DURABILITY_EVERYSEC;
    disk.durability = DURABILITY_DISK;
    append_only(f);
    admin(f, "ACL SETUSER managed on >secret ~* +@all -config");
    snprintf(url, sizeof url, "unix://managed:secret@%s", server_socket(f->server));
    connect_as(f, url);

    assert_accepted(f, everysec);
    assert_true(warns(f, "CONFIG GET is forbidden"));
    assert_string_equal(admin(f, "HGET rota:meta level"), "everysec");
    assert_refused(f, disk, ERR_INVALID, "level in rota:meta");
    admin(f, "HSET rota:meta level disk");
    assert_accepted(f, disk);
}

/* ---- who and how ---- */

static void the_default_user_is_refused_where_a_user_is_required(void **state)
{
    struct fixture *f = *state;
    struct deployment_options strict = scheduler;
    strict.require_acl = true;

    assert_refused(f, strict, ERR_INVALID, "we are the user \"default\"");
    assert_accepted(f, scheduler);
    assert_false(warns(f, "default")); /* a unix socket */
}

static void plain_tcp_to_another_host_is_refused_or_warned_about(void **state)
{
    struct fixture *f = *state;
    struct deployment_options strict = scheduler;
    int port = server_free_port();
    char url[64];
    strict.require_tls = true;
    admin(f, "CONFIG SET port %d", port);

    snprintf(url, sizeof url, "redis://127.0.0.1:%d", port);
    connect_as(f, url);
    assert_accepted(f, strict);
    assert_false(warns(f, "plain TCP"));
    snprintf(url, sizeof url, "redis://0.0.0.0:%d", port); /* this host, under a name that could be another one's */
    connect_as(f, url);
    assert_refused(f, strict, ERR_INVALID, "plain TCP to another host, and TLS is required");
    assert_accepted(f, scheduler);
    assert_true(warns(f, "plain TCP"));
    assert_true(warns(f, "user \"default\""));
}

static void who_may_not_even_ask_is_told_what_is_missing(void **state)
{
    struct fixture *f = *state;
    char url[300];
    admin(f, "ACL SETUSER nobody on >secret -@all +ping");
    snprintf(url, sizeof url, "unix://nobody:secret@%s", server_socket(f->server));
    connect_as(f, url);

    assert_refused(f, worker, ERR_DENIED, "INFO: NOPERM");
}

/* ---- at the same time, and cut short ---- */

struct ending {
    unsigned runs;
    enum error_code code;
    uint32_t lanes;
};

static void on_end(const struct deployment *found, const struct error *err, void *ctx)
{
    struct ending *ending = ctx;

    assert_true((found == NULL) != (err == NULL));
    ending->runs++;
    ending->code = err ? err->code : 0;
    ending->lanes = found ? found->lanes : 0;
}

static void of_two_who_set_up_at_once_the_first_decides(void **state)
{
    struct fixture *f = *state;
    struct client *other = client_new();
    struct deployment_options three = scheduler, five = scheduler;
    struct ending endings[2] = {0};
    three.lanes = 3;
    five.lanes = 5;
    client_connect_up(other, f->url);
    CLIENT_UNTIL(f->client, f->client->ups == 1);

    deployment_check(f->client->redis, &three, on_end, &endings[0]);
    deployment_check(other->redis, &five, on_end, &endings[1]);
    while (endings[0].runs + endings[1].runs < 2) {
        client_turn(f->client);
        client_turn(other);
    }

    const struct ending *winner = &endings[endings[0].code == 0 ? 0 : 1], *loser = &endings[endings[0].code == 0 ? 1 : 0];
    assert_int_equal(winner->code, 0);
    assert_int_equal(loser->code, ERR_SETUP);
    assert_string_equal(admin(f, "EXISTS rota:{4}:clock"), winner->lanes == 5 ? "1" : "0");
    assert_accepted(f, worker);
    assert_int_equal(f->found.lanes, winner->lanes);
    client_free(other);
}

static void a_setup_cut_short_is_ended_by_the_next_one(void **state)
{
    struct fixture *f = *state;
    struct deployment_options options = scheduler;
    bool ended = false;
    options.lanes = 3;

    for (int turns = 0; !ended; turns++) {
        struct ending ending = {0};
        admin(f, "FLUSHALL");
        admin(f, "FUNCTION FLUSH");
        connect_as(f, f->url);
        CLIENT_UNTIL(f->client, f->client->ups == 1);

        deployment_check(f->client->redis, &options, on_end, &ending);
        for (int i = 0; i < turns && ending.runs == 0; i++)
            client_turn(f->client);
        ended = ending.runs > 0;
        redis_free(f->client->redis);
        f->client->redis = NULL;

        assert_int_equal(ending.runs, 1);
        connect_as(f, f->url);
        assert_accepted(f, options);
        assert_string_equal(admin(f, "EXISTS rota:README rota:meta rota:{0}:clock rota:{1}:clock rota:{2}:clock"), "5");
        assert_accepted(f, worker);
    }
}

static void a_redis_that_is_away_is_unavailable(void **state)
{
    struct fixture *f = *state;
    struct ending ending = {0};
    CLIENT_UNTIL(f->client, f->client->ups == 1);
    server_kill(f->server);
    CLIENT_UNTIL(f->client, f->client->downs == 1);

    deployment_check(f->client->redis, &worker, on_end, &ending);
    assert_int_equal(ending.runs, 0);
    CLIENT_UNTIL(f->client, ending.runs == 1);

    assert_int_equal(ending.code, ERR_UNAVAILABLE);
}

/* ---- rota:README ---- */

static void the_commands_of_the_readme_work(void **state)
{
    struct fixture *f = *state;
    char *text = strdup(readme_text());
    unsigned commands = 0;
    assert_accepted(f, scheduler);

    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        static const char prefix[] = "  redis-cli ";
        if (strncmp(line, prefix, strlen(prefix)) == 0) {
            admin(f, line + strlen(prefix));
            commands++;
        }
    }
    free(text);

    assert_true(commands >= 5);
}

#define DEPLOYMENT_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DEPLOYMENT_TEST(an_empty_redis_is_set_up),
        DEPLOYMENT_TEST(what_is_set_up_is_accepted_by_all),
        DEPLOYMENT_TEST(setting_up_again_keeps_what_is_there),
        DEPLOYMENT_TEST(many_lanes_are_set_up_in_one_go),
        DEPLOYMENT_TEST(the_number_of_lanes_stays_what_it_is),
        DEPLOYMENT_TEST(a_lost_description_is_written_again),
        DEPLOYMENT_TEST(what_is_not_set_up_is_refused_by_workers),
        DEPLOYMENT_TEST(nonsense_in_the_description_is_refused),
        DEPLOYMENT_TEST(a_missing_library_is_loaded_by_schedulers_only),
        DEPLOYMENT_TEST(another_text_under_our_name_is_never_replaced),
        DEPLOYMENT_TEST(a_function_of_ours_in_another_library_is_told),
        DEPLOYMENT_TEST(who_may_not_list_functions_goes_by_the_description),
        DEPLOYMENT_TEST(a_server_that_deletes_keys_is_refused),
        DEPLOYMENT_TEST(a_replica_is_refused),
        DEPLOYMENT_TEST(without_an_append_only_file_only_memory_can_be_declared),
        DEPLOYMENT_TEST(the_scheduler_tells_the_others_how_durable_redis_is),
        DEPLOYMENT_TEST(a_server_that_was_started_again_is_trusted_for_now),
        DEPLOYMENT_TEST(where_config_is_forbidden_the_word_of_the_operator_counts),
        DEPLOYMENT_TEST(the_default_user_is_refused_where_a_user_is_required),
        DEPLOYMENT_TEST(plain_tcp_to_another_host_is_refused_or_warned_about),
        DEPLOYMENT_TEST(who_may_not_even_ask_is_told_what_is_missing),
        DEPLOYMENT_TEST(of_two_who_set_up_at_once_the_first_decides),
        DEPLOYMENT_TEST(a_setup_cut_short_is_ended_by_the_next_one),
        DEPLOYMENT_TEST(a_redis_that_is_away_is_unavailable),
        DEPLOYMENT_TEST(the_commands_of_the_readme_work),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
